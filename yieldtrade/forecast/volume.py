"""Volume: a heterogeneous autoregression of its logarithm, beside a local level and columns (forecast.md 3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from yieldtrade.errors import DomainError
from yieldtrade.forecast.data import VOLUME
from yieldtrade.forecast.har import ANCHOR, Har, fit_har, regressors, step
from yieldtrade.forecast.local_level import LocalLevel, fit_local_level
from yieldtrade.forecast.table import Design, Regression, regression
from yieldtrade.forecast.volume_scores import VolumeChoice, choose_volume_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from yieldtrade.forecast.data import PoolHistory

HAC_LAGS = 7
_HALF = 0.5
_EQUATION = "log V_t = w1 (day before) + w7 (7-day mean) + (1-w1-w7) (28-day mean)"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VolumeModel:
    """The autoregression with its table, the models beside it, and the score they were chosen by.

    Parameters
    ----------
    fit
        Weights of the day and the week before by plain least squares, with Newey-West errors (7 lags); the mean
        of four weeks has the rest of one.
    weights
        The same weights as forecasts use them, drawn a little towards the prior.
    level_usd
        Mean of the last four weeks in logs, to which volume is drawn, USD a day.
    half_life_days
        Days after which half of what a single day's shock brought is gone.
    har
        The estimate that forecasts use.
    local_level
        A local level of log volume, with the columns' same-day effects where they are given (market beta and own
        level); None where volume never varies.
    exogenous
        The autoregression with the columns of the day before; None where none are given.
    choice
        Rolling-origin scores of all of them and of their equal-weight combination. Simulations run the
        autoregression, which has the best score on the bundled history (docs/forecast.md).
    """

    fit: Regression
    weights: tuple[float, float]
    level_usd: float
    half_life_days: int
    har: Har
    local_level: LocalLevel | None
    exogenous: Regression | None
    choice: VolumeChoice


def volume_har(history: PoolHistory) -> Har:
    """Estimate the autoregression of log volume; uncertain dates (W2) enter only means of a week or more."""
    return fit_har(np.log(history.values[VOLUME]), history.by_day())


def fit_volume_model(
    history: PoolHistory, columns: Mapping[str, NDArray[np.float64]] | None = None
) -> VolumeModel:
    """Fit the models of log volume, score them at rolling origins, and report them.

    Parameters
    ----------
    history
        From :func:`yieldtrade.forecast.pool_history`.
    columns
        What else may move volume, by name: one figure a day of the history, known when that day is over, NaN where
        missing; such as :func:`yieldtrade.forecast.return_columns`, or the log of another market's volume.

    Raises
    ------
    DomainError
        A column has not one figure a day.
    """
    named = _checked_columns(history, columns or {})
    har = volume_har(history)
    values, by_day = np.log(history.values[VOLUME]), history.by_day()
    past, anchor = regressors(values, by_day)
    rows = np.flatnonzero(np.isfinite(har.residuals) & by_day)
    design = Design(names=("w1", "w7"), x=past[rows], y=(values - anchor)[rows])
    known = values[np.isfinite(values)]
    x = np.column_stack(list(named.values())) if named else None
    return VolumeModel(
        fit=regression(design, f"{_EQUATION} + e", HAC_LAGS),
        weights=(float(har.weights[0]), float(har.weights[1])),
        level_usd=float(np.exp(known[-ANCHOR:].mean())),
        half_life_days=_half_life(har),
        har=har,
        local_level=fit_local_level(np.where(by_day, values, np.nan), named),
        exogenous=None if x is None else _with_columns(design, rows, x, tuple(named)),
        choice=choose_volume_model(values, by_day, x),
    )


def _checked_columns(
    history: PoolHistory, columns: Mapping[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    for name, values in columns.items():
        if np.shape(values) != (len(history),):
            raise DomainError(
                f"column {name!r} has shape {np.shape(values)}, it must have one figure for each of the "
                f"{len(history)} days of the history"
            )
    return {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}


def _with_columns(
    design: Design, rows: NDArray[np.int64], columns: NDArray[np.float64], names: tuple[str, ...]
) -> Regression | None:
    """Add the columns of the day before, as deviations from their means; None where they are never known."""
    before = np.vstack([np.full((1, columns.shape[1]), np.nan), columns])[rows]
    usable = np.isfinite(before).all(axis=1)
    if not usable.any():
        return None
    centred = before[usable] - before[usable].mean(axis=0)
    wider = Design(
        names=(*design.names, *names), x=np.column_stack([design.x[usable], centred]), y=design.y[usable]
    )
    return regression(wider, f"{_EQUATION} + columns (day before) + e", HAC_LAGS)


def _half_life(har: Har) -> int:
    """Days until half of one day's shock is gone, by running the autoregression."""
    centred = replace(har, mean=0.0)
    past = np.zeros(ANCHOR)
    value, days = 1.0, 0
    while value > _HALF:
        past = np.append(past[1:], value)
        value = float(step(centred, past[-1], past[-7:].sum(), past.sum()))
        days += 1
    return days
