"""Which model of volume: rolling origins, every model from what was known then (forecast.md 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from yieldtrade.forecast.har import ANCHOR, LAGS, dot, fit_har, least_squares, regressors, run_har, window
from yieldtrade.forecast.local_level import rolling_levels
from yieldtrade.forecast.periods import DAYS
from yieldtrade.forecast.scores import LEAST_GAIN, standard_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

HAR, EXOGENOUS, LOCAL_LEVEL, AVERAGE = "har", "har with columns", "local level", "combination"
WEEKS = 8
LEAST_DAYS = 60
# A week counts with this many of its days known, a regression with this many rows.
LEAST_KNOWN = 5
LEAST_ROWS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeScore:
    """Mean absolute error of the mean log volume of a week, ``horizon`` weeks ahead."""

    model: str
    horizon: int
    mae_log: float
    origins: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeChoice:
    """The model with the proven best score, and every score.

    Parameters
    ----------
    model
        The heterogeneous autoregression, or the model that beat it by two standard errors or more.
    gain
        Standard errors by which each other model's error over eight weeks lies below its.
    scores
        By model and horizon.
    """

    model: str
    gain: Mapping[str, float]
    scores: tuple[VolumeScore, ...]


def choose_volume_model(
    values: NDArray[np.float64],
    by_day: NDArray[np.bool_],
    columns: NDArray[np.float64] | None = None,
) -> VolumeChoice:
    """Score every model of log volume at weekly origins, each with what was known then.

    Parameters
    ----------
    values, by_day
        As in :func:`yieldtrade.forecast.har.fit_har`.
    columns
        What else was known at the end of each day, shape (n, k), NaN where missing.
    """
    origins = np.arange(LEAST_DAYS, len(values) - DAYS + 1, DAYS)
    outcome = np.array([week_means(values[o:], LEAST_KNOWN) for o in origins]).reshape(-1, WEEKS)
    levels = rolling_levels(values)
    points = {
        HAR: np.full(outcome.shape, np.nan),
        LOCAL_LEVEL: np.repeat(levels[origins, None], WEEKS, axis=1),
    }
    for place, origin in enumerate(origins):
        points[HAR][place] = har_weeks(values[:origin], by_day[:origin])
    if columns is not None:
        points[EXOGENOUS] = _direct(values, by_day, columns, origins)
    points[AVERAGE] = np.mean(list(points.values()), axis=0)
    errors = {name: np.abs(found - outcome) for name, found in points.items()}
    gain = {name: _gain(errors[HAR], error) for name, error in errors.items() if name != HAR}
    best = max(gain, key=gain.__getitem__)
    return VolumeChoice(
        model=best if gain[best] > LEAST_GAIN else HAR, gain=gain, scores=tuple(_scores(errors))
    )


def har_weeks(values: NDArray[np.float64], by_day: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean log volume that the autoregression expects of each of the next weeks, shape (8,)."""
    if not np.isfinite(values).any():
        return np.full(WEEKS, np.nan)
    calm = np.zeros((WEEKS * DAYS, 1))
    path = run_har(fit_har(values, by_day), window(values, len(values)), calm, np.full(calm.shape, np.nan))
    return np.asarray(path.reshape(WEEKS, DAYS).mean(axis=1))


def week_means(values: NDArray[np.float64], least: int) -> NDArray[np.float64]:
    """Return the means of the weeks that begin with the first value, shape (8,), NaN with fewer than ``least`` days."""
    laid = np.full(WEEKS * DAYS, np.nan)
    laid[: min(len(values), len(laid))] = values[: len(laid)]
    grid = laid.reshape(WEEKS, DAYS)
    known = np.isfinite(grid)
    count = known.sum(axis=1)
    total = np.where(known, grid, 0.0).sum(axis=1)
    return np.where(count >= least, total / np.maximum(count, 1), np.nan)


def _direct(
    values: NDArray[np.float64],
    by_day: NDArray[np.bool_],
    columns: NDArray[np.float64],
    origins: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Regress each week ahead on day, week and columns, by the rows whose outcome was known at the origin.

    Where rows are few the autoregression without columns stands in.
    """
    past, anchor = regressors(np.append(values, np.nan), np.append(by_day, False))
    known_then = np.vstack([np.full((1, columns.shape[1]), np.nan), columns])
    x = np.column_stack([past, known_then])
    ahead = np.array([week_means(values[o:], LEAST_KNOWN) for o in range(len(values) + 1)]) - anchor[:, None]
    found = np.array([har_weeks(values[:o], by_day[:o]) for o in origins]).reshape(-1, WEEKS)
    usable = np.isfinite(x).all(axis=1)
    for place, origin in enumerate(origins):
        for week in range(WEEKS):
            before = slice(0, max(origin - DAYS * (week + 1) + 1, 0))
            rows = np.flatnonzero(usable[before] & np.isfinite(ahead[before, week]))
            if len(rows) < LEAST_ROWS or not usable[origin]:
                continue
            middle = np.concatenate([np.zeros(len(LAGS) - 1), x[rows][:, len(LAGS) - 1 :].mean(axis=0)])
            weights = least_squares(x[rows] - middle, ahead[rows, week])
            found[place, week] = anchor[origin] + dot(x[[origin]] - middle, weights)[0]
    return found


def _gain(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    better = ours - theirs
    full = better[np.isfinite(better).all(axis=1)].mean(axis=1)
    error = standard_error(full, WEEKS - 1) if len(full) > ANCHOR else 0.0
    return float(full.mean()) / error if error > 0 else 0.0


def _scores(errors: dict[str, NDArray[np.float64]]) -> list[VolumeScore]:
    return [
        VolumeScore(model=name, horizon=week + 1, mae_log=float(known.mean()), origins=len(known))
        for name, error in errors.items()
        for week in range(WEEKS)
        if len(known := error[np.isfinite(error[:, week]), week])
    ]
