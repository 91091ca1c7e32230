"""TVL: a local level in logs whose drift dies out, under the AUM limit where one is in force (forecast.md 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from yieldtrade.forecast.data import TVL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from yieldtrade.forecast.data import PoolHistory

# The drift is that of the last four weeks, and halves every week.
DRIFT_DAYS = 28
DAMPING = 0.5 ** (1 / 7)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TvlModel:
    """``log A_t = log A_(t-1) + drift x damping^t + e_t``, ``A <= cap``.

    Parameters
    ----------
    drift, drift_se
        Daily growth now, shrunk by its own reliability, and the standard error of the mean it comes from.
    damping
        Factor on the drift a day.
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
    damping: float
    daily_sd: float
    residuals: NDArray[np.float64]
    cap_usd: float | None
    rows: int

    def drift_path(self, days: int) -> NDArray[np.float64]:
        """Return the drift of each of the next days."""
        return np.asarray(self.drift * self.damping ** np.arange(days), dtype=np.float64)


def fit_tvl_model(history: PoolHistory) -> TvlModel:
    """Fit the local level with damped drift to daily TVL."""
    change = np.diff(np.log(history.values[TVL]), append=np.nan)
    known = change[np.isfinite(change)]
    recent = known[-DRIFT_DAYS:]
    mean, error = float(recent.mean()), float(recent.std(ddof=1) / np.sqrt(len(recent)))
    limit = history.pool.terms.get("aum_limit_usd")
    return TvlModel(
        drift=shrunk(mean, error),
        drift_se=error,
        damping=DAMPING,
        daily_sd=float(known.std(ddof=1)),
        residuals=change - float(known.mean()),
        cap_usd=None if limit is None else float(limit),
        rows=len(known),
    )


def shrunk(mean: float, error: float) -> float:
    """Draw a mean towards 0 by how poorly it is known: ``m * m^2 / (m^2 + s^2)``."""
    return mean**3 / (mean**2 + error**2) if mean else 0.0
