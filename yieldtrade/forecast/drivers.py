"""What the yield is made of - volume, fees, TVL - as forecasts to be scored like the yield itself (forecast.md 1, 7).

All are means over the days of a period, in logs of USD. They are handed out as simulated, so they are scored so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from yieldtrade.conventions import DAYS_PER_YEAR
from yieldtrade.forecast.baselines import series_points
from yieldtrade.forecast.candidates import STRUCTURAL
from yieldtrade.forecast.periods import DAYS, day_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from yieldtrade.forecast.candidates import Raw
    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.forecast.target import Basis, Target

VOLUME_USD, FEES_USD, TVL_USD = "volume_usd", "fees_usd", "tvl_usd"
DRIVERS = (VOLUME_USD, FEES_USD, TVL_USD)


class Driver(NamedTuple):
    """The forecast of one driver at one origin: centres by model, and deviations from the median, ascending."""

    centre: dict[str, NDArray[np.float64]]
    deviations: NDArray[np.float64]


def driver_forecasts(raw: Raw, ahead: slice) -> dict[str, Driver]:
    """Return the forecast of each driver over the periods ``ahead`` of a simulation, with its baselines."""
    paths, target = raw.paths, raw.target
    periods = np.arange(paths.first, paths.first + len(paths.log_apr))[ahead]
    simulated = {VOLUME_USD: paths.volume / DAYS, FEES_USD: paths.fees / DAYS, TVL_USD: paths.tvl}
    found = {}
    for name, level in simulated.items():
        logs = np.log(level[ahead])
        median = np.median(logs, axis=1)
        past = _history(name, target)
        last = target.first + int(np.flatnonzero(np.isfinite(past[0]))[-1])
        centre = {STRUCTURAL: median, **series_points(past, np.maximum(periods - last, 1))}
        found[name] = Driver(centre, np.sort(logs - median[:, None], axis=1))
    return found


def driver_outcome(
    name: str, history: PoolHistory, target: Target, basis: Basis, periods: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the log of what a driver came to in each period, NaN where it is not over or not known.

    Parameters
    ----------
    name
        One of ``DRIVERS``.
    history, target
        Everything known.
    basis
        The fees that were forecast.
    periods
        Numbers of the periods, shape (h,).
    """
    series = _history(name, target)
    known = series[1] if name == FEES_USD and basis != target.basis else series[0]
    place = periods - target.first
    over = periods < target.calendar.number(day_of(history.as_of))
    inside = (place >= 0) & (place < len(known)) & over
    return np.where(inside, known[np.clip(place, 0, len(known) - 1)], np.nan)


def _history(name: str, target: Target) -> tuple[NDArray[np.float64], ...]:
    """Return the log of a driver by week; of fees, those of the other basis too."""
    if name == FEES_USD:
        # APR/share = 365 fees / TVL
        scale = np.log(target.tvl) - np.log(DAYS_PER_YEAR)
        return target.computed + scale, target.computed_other + scale
    return (np.log(target.volume if name == VOLUME_USD else target.tvl),)
