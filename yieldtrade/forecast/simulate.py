"""Paths of volume, fees, TVL and yield, all drawn together (forecast.md 4).

Shocks come in blocks of seven days from the record: volume, fee rate, TVL and ratio of one block stem from the
same days, turned so that weekdays meet. Days already known are fixed; only the rest is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from yieldtrade.conventions import DAYS_PER_YEAR
from yieldtrade.forecast.blocks import Blocks
from yieldtrade.forecast.data import CLOSE, FEES, POSITION, TVL, VOLUME
from yieldtrade.forecast.fees import fee_line
from yieldtrade.forecast.har import ANCHOR, fit_har, run_har, window
from yieldtrade.forecast.periods import DAYS
from yieldtrade.forecast.ratio import GAIN
from yieldtrade.forecast.tvl import fit_tvl_model
from yieldtrade.forecast.volume import volume_har

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.forecast.fees import FeeLine
    from yieldtrade.forecast.har import Har
    from yieldtrade.forecast.target import Target
    from yieldtrade.forecast.tvl import TvlModel

_BPS = 1e4
LONGEST_GAP_WEEKS = 52


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """What the user assumes of the days to come in place of the models; None leaves the model.

    Parameters
    ----------
    cap_usd
        AUM limit, USD.
    volume_usd
        Volume of every day, USD.
    pool_share
        Share of fees that goes to the pool.
    fee_bps
        Fees over volume, bps.
    """

    cap_usd: float | None = None
    volume_usd: float | None = None
    pool_share: float | None = None
    fee_bps: float | None = None

    def states_fees(self) -> bool:
        """Say whether the fees ahead are the user's rather than forecast."""
        return self.volume_usd is not None or self.fee_bps is not None


class Models(NamedTuple):
    """The fitted models of one moment."""

    volume: Har
    fees: FeeLine
    rate: Har
    tvl: TvlModel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Paths:
    """Simulated periods; arrays of shape (periods, paths), path i is one world throughout.

    Parameters
    ----------
    first
        Number of the first period.
    log_apr
        ``log APR`` of the pool's yield.
    known
        Which periods' yield is known rather than simulated.
    volume, fees
        Sums over the period, USD.
    tvl
        Mean over the period, USD.
    """

    first: int
    log_apr: NDArray[np.float64]
    known: NDArray[np.bool_]
    volume: NDArray[np.float64]
    fees: NDArray[np.float64]
    tvl: NDArray[np.float64]


def fit_models(history: PoolHistory, target: Target) -> Models:
    """Fit every model of one moment."""
    line = fee_line(history, target)
    return Models(
        volume=volume_har(history),
        fees=line,
        rate=fit_har(line.residuals, history.by_day()),
        tvl=fit_tvl_model(history, target),
    )


def first_simulated(history: PoolHistory, target: Target) -> int:
    """Return the number of the period a simulation starts from.

    It is the first that is not known day by day to its end, at the latest the running one. Where the data ended
    long ago it lies a year back: uncertainty grows for a year and no further.
    """
    ends = [history.last_day(VOLUME), history.last_day(*FEES), history.last_day(TVL)]
    unknown = target.calendar.number(min(day for day in ends if day is not None) + np.timedelta64(1, "D"))
    running = target.calendar.running(history.as_of)
    return min(max(unknown, running - LONGEST_GAP_WEEKS), running)


def simulate(
    history: PoolHistory,
    target: Target,
    models: Models,
    *,
    periods: range,
    paths: int,
    seed: tuple[int, ...],
    what_if: WhatIf,
) -> Paths:
    """Simulate the periods numbered ``periods``.

    Parameters
    ----------
    history, target, models
        What is known at one moment.
    periods
        Numbers of the periods, without gaps; the first starts no later than the first unknown day.
    paths
        Number of paths.
    seed
        Seed of the generator; same seed, same history: the same numbers.
    what_if
        The user's own assumptions.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    first = target.calendar.first_day(periods.start)
    days = first + np.arange(DAYS * len(periods))
    residuals = (models.volume.residuals, models.rate.residuals, models.tvl.residuals)
    shocks = Blocks(history, target, residuals).draw(rng, days, paths)
    seen = _Seen(history, target, days)
    volume = _volume_paths(history, models, shocks.volume, seen, what_if)
    fees = _fee_paths(models, rng, shocks.rate, volume, seen, what_if)
    tvl = _tvl_paths(history, models, rng, shocks.tvl, days, seen, what_if)
    share = _share_ahead(history, days, what_if)
    weekly = _Weekly(len(periods), paths)
    flow = weekly.total(share[:, None] * fees)
    stock = weekly.total(tvl) / DAYS
    log_apr = np.log(DAYS_PER_YEAR / DAYS * flow / stock)
    log_apr += _ratio_paths(target, shocks.ratio)
    known = _fix_known(target, periods, log_apr)
    return Paths(
        first=periods.start,
        log_apr=log_apr,
        known=known,
        volume=weekly.total(volume),
        fees=weekly.total(fees) * _definition_error(history, target, rng, paths),
        tvl=stock,
    )


class _Seen:
    """What is already known on the days of the simulation, NaN where not."""

    def __init__(self, history: PoolHistory, target: Target, days: NDArray[np.datetime64]) -> None:
        place = (days - history.days[0]).astype(np.int64)
        inside = (place >= 0) & (place < len(history))
        at = np.clip(place, 0, len(history) - 1)

        def on(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.where(inside, values[at], np.nan)

        live = 1 if target.basis == "oc" else 0
        self.volume = on(history.values[VOLUME])
        self.fees = on(np.where(target.fee_basis == live, target.fees, np.nan))
        self.tvl = on(history.values[TVL])
        self.start = int(place[0])


class _Weekly:
    def __init__(self, periods: int, paths: int) -> None:
        self._shape = (periods, DAYS, paths)

    def total(self, daily: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(daily.reshape(self._shape).sum(axis=1))


def _volume_paths(
    history: PoolHistory, models: Models, shocks: NDArray[np.float64], seen: _Seen, what_if: WhatIf
) -> NDArray[np.float64]:
    past = window(np.log(history.values[VOLUME]), seen.start)
    log_volume = run_har(models.volume, past, shocks, np.log(seen.volume)[:, None])
    return _assumed(_with_known(np.exp(log_volume), seen.volume), seen.volume, what_if.volume_usd)


def _fee_paths(
    models: Models,
    rng: np.random.Generator,
    shocks: NDArray[np.float64],
    volume: NDArray[np.float64],
    seen: _Seen,
    what_if: WhatIf,
) -> NDArray[np.float64]:
    """Fees from volume: the fitted line, its residual run forward, and the error of its slope.

    The slope turns about the mean log volume of the last four weeks, where the level is known.
    """
    line = models.fees
    past = window(line.residuals, seen.start)
    pivot = window(line.x, seen.start).mean()
    log_volume = np.log(volume)
    slope_error = line.slope_se * rng.standard_normal(volume.shape[1])
    fitted = line.intercept + line.slope * log_volume + slope_error * (log_volume - pivot)
    known = np.log(seen.fees)[:, None] - fitted - log_volume
    residual = run_har(models.rate, past, shocks, known)
    fees = np.exp(log_volume + fitted + residual)
    if what_if.fee_bps is not None:
        fees = volume * what_if.fee_bps / _BPS
    return _with_known(fees, seen.fees)


def _tvl_paths(
    history: PoolHistory,
    models: Models,
    rng: np.random.Generator,
    shocks: NDArray[np.float64],
    days: NDArray[np.datetime64],
    seen: _Seen,
    what_if: WhatIf,
) -> NDArray[np.float64]:
    """TVL at the start of each day; minting stops at the cap, which never forces anyone out.

    The growth now is known only as well as the mean of the last weeks, one error a path.
    """
    known = np.flatnonzero(np.isfinite(history.values[TVL]))[-1]
    level = float(np.log(history.values[TVL][known]))
    ahead = (days - history.days[known]).astype(np.int64)
    place = np.maximum(ahead - 1, 0)
    drift = models.tvl.drift_path(int(place[-1]) + 1)[place][:, None]
    error = models.tvl.drift_se * models.tvl.damping ** place[:, None] * rng.standard_normal(shocks.shape[1])
    steps = np.where(ahead[:, None] > 0, drift + error + np.roll(shocks, 1, axis=0), 0.0)
    tvl = np.exp(level + steps.cumsum(axis=0))
    cap = what_if.cap_usd if what_if.cap_usd is not None else models.tvl.cap_usd
    if cap is not None:
        tvl = np.minimum(tvl, max(cap, float(np.exp(level))))
    return _with_known(tvl, seen.tvl)


def _with_known(paths: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(known)[:, None], known[:, None], paths)


def _assumed(
    paths: NDArray[np.float64], known: NDArray[np.float64], value: float | None
) -> NDArray[np.float64]:
    return paths if value is None else np.where(np.isfinite(known)[:, None], paths, value)


def _share_ahead(history: PoolHistory, days: NDArray[np.datetime64], what_if: WhatIf) -> NDArray[np.float64]:
    share = history.pool.terms.number("fees.pool_share")
    ahead = np.full(len(days), share if what_if.pool_share is None else what_if.pool_share)
    place = (days - history.days[0]).astype(np.int64)
    inside = (place >= 0) & (place < len(history))
    past = history.pool_share()
    return np.where(inside, past[np.clip(place, 0, len(history) - 1)], ahead)


def _ratio_paths(target: Target, shocks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Local level of the log ratio: each week's surprise moves the level by the gain."""
    if target.ratio is None:
        return np.zeros(shocks.shape)
    moved = GAIN * (shocks.cumsum(axis=0) - shocks)
    return target.ratio.level + moved + shocks


def _fix_known(target: Target, periods: range, log_apr: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Put the measured or computed yield in place of the simulated one where the period is known."""
    known = np.zeros(len(periods), dtype=bool)
    for row, number in enumerate(periods):
        outcome = target.outcome(number, target.definition)
        if np.isfinite(outcome):
            log_apr[row], known[row] = outcome, True
    return known


def _definition_error(
    history: PoolHistory, target: Target, rng: np.random.Generator, paths: int
) -> NDArray[np.float64]:
    """Error of fees of opens and closes inferred from closes alone, one factor a path.

    It counts by the share of inferred days among the last four weeks, from which the level is taken. The yield is
    free of it: its ratio to these fees is estimated on the same days.
    """
    recorded = np.isfinite(history.values[POSITION])
    inferred = np.isfinite(history.values[CLOSE]) & ~recorded
    last = np.flatnonzero(recorded | inferred)[-ANCHOR:]
    share = float(inferred[last].mean()) if len(last) and target.basis == "oc" else 0.0
    multiple = target.close_multiple
    return np.asarray(np.exp(share * multiple.sd / multiple.value * rng.standard_normal(paths)))
