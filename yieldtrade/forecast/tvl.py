"""TVL: a local level in logs whose drift dies out, under the AUM limit where one is in force (forecast.md 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from yieldtrade.forecast.data import TVL
from yieldtrade.forecast.har import line_slope
from yieldtrade.forecast.periods import DAYS
from yieldtrade.forecast.target import build_target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.forecast.target import Target

# The drift is that of the last four weeks, and halves every week.
DRIFT_DAYS = 28
DAMPING = 0.5 ** (1 / 7)
# The response to the last APY needs half a year of weeks and two errors; it is shown from eight on.
LEAST_WEEKS, LEAST_PAIRS = 26, 8
LEAST_T = 2.0
RESPONSE_LAGS = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TvlModel:
    """``log A_t = log A_(t-1) + growth x damping^t + e_t``, ``A <= cap``.

    The growth now is the drift or, where flows respond to the APY, the mean of drift and pull: two views of one growth.

    Parameters
    ----------
    drift, drift_se
        Daily growth now, shrunk by its own reliability, and the standard error of the mean it comes from.
    response, response_se
        Growth of a week for each unit by which the log of the last APY lies above its mean, and its Newey-West error
        (4 lags); NaN with too few weeks.
    response_weeks
        Weeks it rests on.
    pull
        Daily growth that the last APY brings: the response, shrunk as the drift is, times its log above the mean, over
        seven days; None where the response is not above two errors or rests on less than half a year.
    damping
        Factor on the growth a day.
    daily_sd
        Standard deviation of a day's residual.
    residuals
        e by day (the change from the start of the day to the start of the next), NaN where not known.
    cap_usd
        AUM limit in force, None where none is known.
    rows
        Days the residuals rest on.
    """

    drift: float
    drift_se: float
    response: float
    response_se: float
    response_weeks: int
    pull: float | None
    damping: float
    daily_sd: float
    residuals: NDArray[np.float64]
    cap_usd: float | None
    rows: int

    def drift_path(self, days: int) -> NDArray[np.float64]:
        """Return the expected growth of each of the next days."""
        growth = self.drift if self.pull is None else (self.drift + self.pull) / 2.0
        return np.asarray(growth * self.damping ** np.arange(days), dtype=np.float64)


def fit_tvl_model(history: PoolHistory, target: Target | None = None) -> TvlModel:
    """Fit the local level with damped drift to daily TVL, and its response to the last APY.

    Parameters
    ----------
    history
        From :func:`yieldtrade.forecast.pool_history`.
    target
        The weekly yield known then; built from the history unless given.
    """
    response = _response(history, target or build_target(history))
    change = np.diff(np.log(history.values[TVL]), append=np.nan)
    known = change[np.isfinite(change)]
    recent = known[-DRIFT_DAYS:]
    mean, error = float(recent.mean()), float(recent.std(ddof=1) / np.sqrt(len(recent)))
    limit = history.pool.terms.get("aum_limit_usd")
    return TvlModel(
        drift=shrunk(mean, error),
        drift_se=error,
        response=response.slope,
        response_se=response.error,
        response_weeks=response.weeks,
        pull=response.pull(),
        damping=DAMPING,
        daily_sd=float(known.std(ddof=1)),
        residuals=change - float(known.mean()),
        cap_usd=None if limit is None else float(limit),
        rows=len(known),
    )


class _Response(NamedTuple):
    slope: float
    error: float
    weeks: int
    gap: float

    def pull(self) -> float | None:
        significant = self.weeks >= LEAST_WEEKS and self.slope > LEAST_T * self.error
        return shrunk(self.slope, self.error) * self.gap / DAYS if significant else None


def _response(history: PoolHistory, target: Target) -> _Response:
    """Regress each week's growth of TVL on the log APR of the week before, with a mean for each fee basis."""
    start = _week_starts(history, target)
    growth = np.diff(start)
    x, y = [], []
    for level in (target.level, target.computed_other):
        before = np.concatenate([[np.nan], level[:-1]])
        rows = np.flatnonzero(np.isfinite(before) & np.isfinite(growth))
        if len(rows):
            x.append(before[rows] - before[rows].mean())
            y.append(growth[rows] - growth[rows].mean())
    known = target.level[np.isfinite(target.level)]
    weeks = sum(map(len, x))
    if weeks < LEAST_PAIRS or not len(known):
        return _Response(math.nan, math.nan, weeks, 0.0)
    slope, error = line_slope(np.concatenate(x), np.concatenate(y), RESPONSE_LAGS)
    return _Response(slope, error, weeks, float(known[-1] - known.mean()))


def _week_starts(history: PoolHistory, target: Target) -> NDArray[np.float64]:
    """Return log TVL at the start of each period of the target and at the end of the last, NaN where not known."""
    logs = np.log(history.values[TVL])
    first = int((target.calendar.first_day(target.first) - history.days[0]).astype(np.int64))
    place = first + DAYS * np.arange(len(target.level) + 1)
    inside = (place >= 0) & (place < len(logs))
    return np.where(inside, logs[np.clip(place, 0, len(logs) - 1)], np.nan)


def shrunk(mean: float, error: float) -> float:
    """Draw a mean towards 0 by how poorly it is known: ``m * m^2 / (m^2 + s^2)``."""
    return mean**3 / (mean**2 + error**2) if mean else 0.0
