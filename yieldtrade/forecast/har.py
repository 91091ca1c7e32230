"""Heterogeneous autoregression: a day on the day, the week and the four weeks before it (forecast.md 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAGS = (1, 7, 28)
ANCHOR = LAGS[-1]
# A mean over past days counts where at least half of its days are known.
LEAST_KNOWN = 0.5
# Where days are few the weights of day and week lean on these, as if they had been seen on this many days.
PRIOR_WEIGHTS = (0.3, 0.3)
PRIOR_DAYS = 60
# Largest sum of the two: a shock must fade into the mean of four weeks in the end.
LARGEST_PERSISTENCE = 0.99
# Pull of the four weeks' mean towards the long mean, a day.
REVERSION = math.log(2.0) / 365.0
# Logs that vary less than this are constant but for rounding.
FLAT = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Har:
    """``z_t = w1 z_(t-1) + w7 mean_7 + (1 - w1 - w7) mean_28 + r (mean - mean_28) + e_t`` for ``z = log x``.

    A local level: but for r the weights add up to one. The pull r towards the long mean is assumed, half of a gap
    in a year: two years of record do not show it, and without it a forecast would in the end allow anything.

    Parameters
    ----------
    mean
        Long mean of the logs.
    weights
        Weights w1 and w7 of the day and the week before, shape (2,).
    residuals
        One for every day that is known with its past, uncertain dates included: right in sum over a week.
    rows
        How many days the fit rests on.
    """

    mean: float
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
    mean = float(values[np.isfinite(values)].mean())
    target = values - anchor - REVERSION * (mean - anchor)
    known = np.isfinite(target) & np.isfinite(past).all(axis=1)
    rows = np.flatnonzero(known & by_day)
    weights = _shrunk_weights(past[rows], target[rows])
    return Har(mean=mean, weights=weights, residuals=target - dot(past, weights), rows=len(rows))


def regressors(
    values: NDArray[np.float64], by_day: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the day and the week before each day less the mean of four weeks, shape (n, 2), and that mean.

    A lone day that is not known takes the week's mean.
    """
    week, anchor = (trailing_mean(values, lag, LEAST_KNOWN * lag) for lag in LAGS[1:])
    yesterday = np.concatenate([[np.nan], np.where(by_day, values, np.nan)[:-1]])
    lone = np.where(np.isfinite(yesterday), yesterday, week)
    return np.column_stack([lone, week]) - anchor[:, None], anchor


def step(har: Har, day: Any, week: Any, month: Any) -> Any:
    """Return what is expected next after the last value, the sum of seven and the sum of 28."""
    w1, w7 = har.weights
    level = (1.0 - w1 - w7 - REVERSION) / ANCHOR
    return w1 * day + w7 / LAGS[1] * week + level * month + REVERSION * har.mean


def run_har(
    har: Har, past: NDArray[np.float64], shocks: NDArray[np.float64], known: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Run the autoregression forward from the values in ``past``; known days replace simulated ones."""
    days, paths = shocks.shape
    fixed = np.logical_and.reduce(np.isfinite(known), axis=1)
    z = np.empty((ANCHOR + days, paths))
    z[:ANCHOR] = past[:, None]
    week, month = (z[ANCHOR - lag : ANCHOR].sum(axis=0) for lag in LAGS[1:])
    for day in range(days):
        now = ANCHOR + day
        z[now] = known[day] if fixed[day] else step(har, z[now - 1], week, month) + shocks[day]
        week += z[now] - z[now - LAGS[1]]
        month += z[now] - z[now - LAGS[2]]
    return z[ANCHOR:]


def window(values: NDArray[np.float64], start: int) -> NDArray[np.float64]:
    """Return the last 28 values before ``start``; a missing one takes the mean of those known: a state, not data."""
    last = np.full(ANCHOR, np.nan)
    until = min(max(start, 0), len(values))
    have = values[max(0, until - ANCHOR) : until]
    last[ANCHOR - len(have) :] = have
    known = np.isfinite(last)
    return np.where(known, last, last[known].mean() if known.any() else 0.0)


def trailing_mean(values: NDArray[np.float64], width: int, least: float) -> NDArray[np.float64]:
    """Return the mean of the ``width`` days before each day, NaN where fewer than ``least`` are known."""
    known = np.isfinite(values)
    total = np.concatenate([[0.0], np.where(known, values, 0.0).cumsum()])
    count = np.concatenate([[0], known.cumsum()])
    end = np.arange(len(values))
    start = np.maximum(end - width, 0)
    seen = count[end] - count[start]
    return np.where(seen >= least, (total[end] - total[start]) / np.maximum(seen, 1), np.nan)


def _shrunk_weights(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights of a ridge about the prior: a mean of data and prior, each by its days."""
    prior = np.array(PRIOR_WEIGHTS)
    pull = PRIOR_DAYS / (PRIOR_DAYS + len(x))
    extra = np.sqrt(pull / (1.0 - pull) * (x**2).sum(axis=0)) if len(x) else np.zeros(len(prior))
    weights = prior + least_squares(
        np.vstack([x, np.diag(extra)]), np.append(y - dot(x, prior), np.zeros(len(prior)))
    )
    total = float(weights.sum())
    return weights * (LARGEST_PERSISTENCE / total) if total > LARGEST_PERSISTENCE else weights


def least_squares(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Regress deviations of logs on deviations of logs; columns that do not vary get no weight.

    Sums run in one fixed order, whatever the number of threads, so the digits never change.
    """
    spread = np.sqrt((x**2).sum(axis=0))
    varies = spread > FLAT * np.sqrt(max(len(x), 1))
    scaled = x[:, varies] / spread[varies]
    gram = np.einsum("ij,ik->jk", scaled, scaled)
    solved = np.linalg.pinv(gram, hermitian=True) @ np.einsum("ij,i->j", scaled, y)
    weights = np.zeros(x.shape[1])
    weights[varies] = solved / spread[varies]
    return weights


def line_slope(x: NDArray[np.float64], y: NDArray[np.float64], lags: int) -> tuple[float, float]:
    """Slope of deviations from group means, and its Newey-West error.

    By the theorem of Frisch and Waugh both equal those of the regression with a dummy for each group.
    """
    size = float((x**2).sum())
    if size <= len(x) * FLAT**2:
        return 0.0, 0.0
    slope = float((x * y).sum() / size)
    score = x * (y - slope * x)
    variance = float((score**2).sum())
    for lag in range(1, min(lags, len(x) - 1) + 1):
        variance += 2.0 * (1.0 - lag / (lags + 1)) * float((score[lag:] * score[:-lag]).sum())
    return slope, float(np.sqrt(max(variance, 0.0)) / size)


def dot(x: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multiply rows by weights, summing in one fixed order."""
    return np.asarray(np.einsum("ij,j->i", x, weights))
