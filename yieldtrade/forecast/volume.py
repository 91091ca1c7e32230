"""Volume: a heterogeneous autoregression of its logarithm (forecast.md 3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from yieldtrade.forecast.data import VOLUME
from yieldtrade.forecast.har import ANCHOR, Har, fit_har, regressors, step
from yieldtrade.forecast.table import Design, Regression, regression

if TYPE_CHECKING:
    from yieldtrade.forecast.data import PoolHistory

HAC_LAGS = 7
_HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VolumeModel:
    """The autoregression with its table.

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
    """

    fit: Regression
    weights: tuple[float, float]
    level_usd: float
    half_life_days: int
    har: Har


def volume_har(history: PoolHistory) -> Har:
    """Estimate the autoregression of log volume; uncertain dates (W2) enter only means of a week or more."""
    return fit_har(np.log(history.values[VOLUME]), history.by_day())


def fit_volume_model(history: PoolHistory) -> VolumeModel:
    """Fit the autoregression of log volume and report it.

    Parameters
    ----------
    history
        From :func:`yieldtrade.forecast.pool_history`.
    """
    har = volume_har(history)
    values, by_day = np.log(history.values[VOLUME]), history.by_day()
    past, anchor = regressors(values, by_day)
    rows = np.flatnonzero(np.isfinite(har.residuals) & by_day)
    design = Design(names=("w1", "w7"), x=past[rows], y=(values - anchor)[rows])
    known = values[np.isfinite(values)]
    return VolumeModel(
        fit=regression(
            design, "log V_t = w1 (day before) + w7 (7-day mean) + (1-w1-w7) (28-day mean) + e", HAC_LAGS
        ),
        weights=(float(har.weights[0]), float(har.weights[1])),
        level_usd=float(np.exp(known[-ANCHOR:].mean())),
        half_life_days=_half_life(har),
        har=har,
    )


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
