"""Measured over computed yield: borrow, swap and liquidation fees, and the bias of the TVL (forecast.md 3).

A slow local level on the log of the weekly ratio, with fat-tailed weekly residuals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Weight of the newest week in the level: a memory of about six weeks.
GAIN = 0.15
# How many weeks the prior scale is worth.
PRIOR_WEEKS = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ratio:
    """The local level of ``log(measured / computed)``.

    Parameters
    ----------
    level
        The level after the last week known.
    residuals
        What each week brought beyond the level before it, NaN where the week is not known or is the first.
    weeks
        How many weeks are known.
    """

    level: float
    residuals: NDArray[np.float64]
    weeks: int

    def sd(self, prior_sd: float) -> float:
        """Return the standard deviation of the residuals, with ``prior_sd`` counted as four more weeks."""
        known = self.residuals[np.isfinite(self.residuals)]
        return float(np.sqrt((np.sum(known**2) + PRIOR_WEEKS * prior_sd**2) / (len(known) + PRIOR_WEEKS)))


def fit_ratio(log_ratio: NDArray[np.float64]) -> Ratio | None:
    """Fit the level to weekly ``log(measured / computed)``, NaN where not known; None without a single week.

    The gain is that of a mean until the memory is full, then ``GAIN``.
    """
    residuals = np.full(len(log_ratio), np.nan)
    level, weeks = 0.0, 0
    for place in np.flatnonzero(np.isfinite(log_ratio)):
        surprise = log_ratio[place] - level
        residuals[place] = surprise if weeks else np.nan
        weeks += 1
        level += max(1.0 / weeks, GAIN) * surprise
    return Ratio(level=float(level), residuals=residuals, weeks=weeks) if weeks else None
