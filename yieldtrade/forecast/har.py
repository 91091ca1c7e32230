"""Heterogeneous autoregression: a day on the day, week, four weeks and quarter before it (forecast.md 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAGS = (1, 7, 28)
# The level to which everything returns is itself local: the mean of a quarter.
ANCHOR = 91
# A mean over past days counts where at least half of its days are known; the anchor from half of four weeks on.
LEAST_KNOWN = 0.5
LEAST_ANCHOR_DAYS = 14
# Logs that vary less than this are constant but for rounding.
_FLAT = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Har:
    """``z_t = w1 z_(t-1) + w7 mean_7 + w28 mean_28 + (1 - w1 - w7 - w28) mean_91 + e_t`` for ``z = log x``.

    Parameters
    ----------
    weights
        Weights of the 1-, 7- and 28-day means, shape (3,).
    residuals
        One a day, NaN where the day or its past is not known by the day.
    rows
        How many days the fit rests on.
    """

    weights: NDArray[np.float64]
    residuals: NDArray[np.float64]
    rows: int


def fit_har(values: NDArray[np.float64], by_day: NDArray[np.bool_]) -> Har:
    """Fit the autoregression by least squares.

    Parameters
    ----------
    values
        Logs by day, shape (n,), NaN where missing.
    by_day
        Which days may stand alone; the others enter only the means of 7 days and more.
    """
    past, anchor = regressors(values, by_day)
    target = np.where(by_day, values, np.nan) - anchor
    rows = np.flatnonzero(np.isfinite(target) & np.isfinite(past).all(axis=1))
    weights = least_squares(past[rows], target[rows])
    residuals = np.full(len(values), np.nan)
    residuals[rows] = target[rows] - dot(past[rows], weights)
    return Har(weights=weights, residuals=residuals, rows=len(rows))


def regressors(
    values: NDArray[np.float64], by_day: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 1-, 7- and 28-day means before each day less the anchor, shape (n, 3), and the anchor.

    A lone day that is not known takes the week's mean.
    """
    week, month = (trailing_mean(values, lag, LEAST_KNOWN * lag) for lag in LAGS[1:])
    anchor = trailing_mean(values, ANCHOR, LEAST_ANCHOR_DAYS)
    yesterday = np.concatenate([[np.nan], np.where(by_day, values, np.nan)[:-1]])
    lone = np.where(np.isfinite(yesterday), yesterday, week)
    return np.column_stack([lone, week, month]) - anchor[:, None], anchor


def trailing_mean(values: NDArray[np.float64], width: int, least: float) -> NDArray[np.float64]:
    """Return the mean of the ``width`` days before each day, NaN where fewer than ``least`` are known."""
    known = np.isfinite(values)
    total = np.concatenate([[0.0], np.where(known, values, 0.0).cumsum()])
    count = np.concatenate([[0], known.cumsum()])
    end = np.arange(len(values))
    start = np.maximum(end - width, 0)
    seen = count[end] - count[start]
    return np.where(seen >= least, (total[end] - total[start]) / np.maximum(seen, 1), np.nan)


def least_squares(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Regress deviations of logs on deviations of logs; columns that do not vary get no weight.

    Sums run in one fixed order, whatever the number of threads, so the digits never change.
    """
    spread = np.sqrt((x**2).sum(axis=0))
    varies = spread > _FLAT * np.sqrt(max(len(x), 1))
    scaled = x[:, varies] / spread[varies]
    gram = np.einsum("ij,ik->jk", scaled, scaled)
    solved = np.linalg.pinv(gram, hermitian=True) @ np.einsum("ij,i->j", scaled, y)
    weights = np.zeros(x.shape[1])
    weights[varies] = solved / spread[varies]
    return weights


def dot(x: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multiply rows by weights, summing in one fixed order."""
    return np.asarray(np.einsum("ij,j->i", x, weights))
