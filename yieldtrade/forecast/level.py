"""Level and spread of an underlying's own APY history: the forecast for everything that is not a pool."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from yieldtrade.conventions import iso, utc
from yieldtrade.errors import DataError, DomainError, MissingDataError
from yieldtrade.forecast.data import check_whole
from yieldtrade.forecast.evaluate import SEED
from yieldtrade.forecast.periods import day_of, start_of
from yieldtrade.forecast.result import YieldForecast

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from yieldtrade.series import DailySeries

MODEL_VERSION = "level-1"
PATHS = 4_000
LEAST_DAYS = 5
# The level is an exponential mean with this half-life; a deviation from it halves in the same time at most.
HALF_LIFE_DAYS = 14.0
LONGEST_DAYS = 1_826


def level_spread_forecast(
    history: DailySeries,
    start: datetime,
    end: datetime,
    *,
    paths: int = PATHS,
    seed: int = SEED,
    definition: str | None = None,
) -> YieldForecast:
    """Forecast the mean APY over a holding period from a history of daily APYs.

    The continuous rate is drawn towards its recent level and shaken by its own past daily changes; days of the
    period that the history already holds are known. An underlying whose whole history is 0 pays points: it settles
    at 0 for certain, and ``points`` is set.

    Parameters
    ----------
    history
        One APY a day, fraction, oldest first.
    start, end
        The holding period, aware UTC.
    paths, seed
        Number of samples, and the seed of the generator (20241130 unless given).
    definition
        What is forecast, in words.

    Raises
    ------
    DomainError
        ``end`` not after ``start`` or further than five years past the history, fewer than one path.
    MissingDataError
        Fewer than five days of history.
    DataError
        An APY at or below -1, or not finite.
    """
    begun, over = utc(start, "start"), utc(end, "end")
    if over <= begun:
        raise DomainError(f"end = {iso(over)} is not after start = {iso(begun)}")
    check_whole("paths", paths, 1)
    check_whole("seed", seed, 0)
    _check(history)
    points = not np.any(history.values)
    days = days_touched(begun, over)
    seconds = seconds_inside(days, begun, over)
    rates = np.log1p(history.values)
    fixed = known_on(history.days, rates, days)
    log_growth = _paths(history.days, rates, days, fixed, paths, seed)
    samples = np.expm1(seconds @ log_growth / seconds.sum()) if not points else np.zeros(paths)
    known = 1.0 if points else float(seconds[np.isfinite(fixed)].sum() / seconds.sum())
    return YieldForecast(
        mean_apy=float(samples.mean()),
        sd_apy=float(samples.std()),
        start=begun,
        end=over,
        samples=samples,
        known_fraction=known,
        model_version=MODEL_VERSION,
        input_hash=_hash(history, begun, over, paths, seed),
        definition=definition or f"{history.name}: mean of the daily figures over the period",
        points=points,
    )


def _check(history: DailySeries) -> None:
    if len(history) < LEAST_DAYS:
        raise MissingDataError(
            f"{history.name}: {len(history)} days of history, {LEAST_DAYS} are needed for a level and a spread; "
            "load more with `yieldtrade load FILE`"
        )
    bad = np.flatnonzero(~(np.isfinite(history.values) & (history.values > -1)))
    if len(bad):
        raise DataError(
            f"{history.name} of {history.days[bad[0]]} = {history.values[bad[0]]!r} is not an APY: "
            "a finite fraction above -1"
        )


def days_touched(begun: datetime, over: datetime) -> NDArray[np.datetime64]:
    """Return the UTC days that a period touches."""
    return np.arange(day_of(begun), day_of(over - timedelta(microseconds=1)) + np.timedelta64(1, "D"))


def seconds_inside(days: NDArray[np.datetime64], begun: datetime, over: datetime) -> NDArray[np.float64]:
    """Return the seconds of a period in each day it touches."""
    inside = np.full(len(days), 86_400.0)
    inside[0] -= (begun - start_of(days[0])).total_seconds()
    inside[-1] -= (start_of(days[-1]) + timedelta(days=1) - over).total_seconds()
    return inside


def known_on(
    days: NDArray[np.datetime64], rates: NDArray[np.float64], wanted: NDArray[np.datetime64]
) -> NDArray[np.float64]:
    """Return the value of each wanted day, NaN where the days do not hold it."""
    place = np.clip(np.searchsorted(days, wanted), 0, len(days) - 1)
    return np.where(days[place] == wanted, rates[place], np.nan)


def _paths(
    days: NDArray[np.datetime64],
    rates: NDArray[np.float64],
    wanted: NDArray[np.datetime64],
    fixed: NDArray[np.float64],
    paths: int,
    seed: int,
) -> NDArray[np.float64]:
    """Run the rate forward from the last day known; shape (days wanted, paths)."""
    ahead = (wanted - days[-1]).astype(np.int64)
    if ahead[-1] > LONGEST_DAYS:
        raise DomainError(
            f"the period ends {ahead[-1]} days after the history; at most {LONGEST_DAYS} can be forecast"
        )
    level = _level(days, rates)
    kept = 0.5 ** (1.0 / HALF_LIFE_DAYS)
    shocks = _shocks(days, rates, max(int(ahead[-1]), 1), paths, seed)
    away = np.empty((len(shocks) + 1, paths))
    away[0] = rates[-1] - level
    for day, shock in enumerate(shocks):
        away[day + 1] = kept * away[day] + shock
    drawn = level + away[np.clip(ahead, 0, None)]
    # a day before the history or missing in it takes the level: it is not known
    drawn[ahead <= 0] = level
    return np.where(np.isfinite(fixed)[:, None], fixed[:, None], drawn)


def _level(days: NDArray[np.datetime64], rates: NDArray[np.float64]) -> float:
    age = (days[-1] - days).astype(np.float64)
    weight = 0.5 ** (age / HALF_LIFE_DAYS)
    return float((weight * rates).sum() / weight.sum())


def _shocks(
    days: NDArray[np.datetime64],
    rates: NDArray[np.float64],
    count: int,
    paths: int,
    seed: int,
) -> NDArray[np.float64]:
    """Past changes per square root of a day, drawn with a random sign: the history is too short for a drift."""
    gaps = np.diff(days).astype(np.float64)
    changes = np.diff(rates) / np.sqrt(gaps)
    rng = np.random.Generator(np.random.PCG64((seed,)))
    picked = rng.integers(0, len(changes), size=(count, paths))
    signs = rng.integers(0, 2, size=(count, paths)) * 2.0 - 1.0
    return np.asarray(changes[picked] * signs)


def _hash(history: DailySeries, begun: datetime, over: datetime, paths: int, seed: int) -> str:
    digest = hashlib.sha256(f"{MODEL_VERSION} {iso(begun)} {iso(over)} {paths} {seed}".encode())
    digest.update(history.days.astype("datetime64[D]").astype(np.int64).tobytes())
    digest.update(np.ascontiguousarray(history.values).tobytes())
    return digest.hexdigest()
