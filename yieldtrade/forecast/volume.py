"""Volume: a heterogeneous autoregression of its logarithm (forecast.md 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from yieldtrade.forecast.data import VOLUME
from yieldtrade.forecast.har import Har, dot, fit_har, regressors
from yieldtrade.forecast.table import Coefficient, Regression

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from yieldtrade.forecast.data import PoolHistory


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VolumeModel:
    """The autoregression with its table.

    Parameters
    ----------
    fit
        Coefficients of the 1-, 7- and 28-day means with Newey-West errors (7 lags).
    long_mean_usd
        Level to which volume returns, USD a day.
    half_life_days
        Days after which half of a shift of all three means is forgotten.
    har
        The estimate that forecasts use.
    """

    fit: Regression
    long_mean_usd: float
    half_life_days: float
    har: Har


def volume_har(history: PoolHistory) -> Har:
    """Estimate the autoregression of log volume; uncertain dates (W2) enter only means of a week or more."""
    return fit_har(np.log(history.values[VOLUME]), history.by_day())


def fit_volume_model(history: PoolHistory) -> VolumeModel:
    """Fit the autoregression of log volume and report it."""
    from statsmodels.regression.linear_model import OLS

    har = volume_har(history)
    y, x = _rows(history, har)
    fitted = OLS(y, x).fit(cov_type="HAC", cov_kwds={"maxlags": 7})
    spread = float((y**2).sum())
    unexplained = float(((y - dot(x, har.weights)) ** 2).sum())
    total = float(har.weights.sum())
    return VolumeModel(
        fit=Regression(
            equation="log V_t - mean = w1 (day before) + w7 (7-day mean) + w28 (28-day mean) + e",
            errors="Newey-West, 7 lags",
            coefficients=tuple(
                Coefficient(name=f"w{lag}", estimate=float(weight), std_error=float(error))
                for lag, weight, error in zip((1, 7, 28), har.weights, fitted.bse, strict=True)
            ),
            r_squared=1.0 - unexplained / spread if spread > 0 else 1.0,
            rows=har.rows,
        ),
        long_mean_usd=float(np.exp(har.mean)),
        half_life_days=_half_life(har),
        har=har,
    )


def _rows(history: PoolHistory, har: Har) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = np.log(history.values[VOLUME])
    rows = np.flatnonzero(np.isfinite(har.residuals))
    past = regressors(values, history.by_day())[rows] - har.mean
    return values[rows] - har.mean, past


def _half_life(har: Har) -> float:
    """Days until a history shifted as a whole has come half-way back, by running the autoregression."""
    past = np.ones(28)
    for day in range(1, 3650):
        value = float(har.weights @ [past[-1], past[-7:].mean(), past.mean()])
        if value <= 0.5:  # noqa: PLR2004 - half
            return float(day)
        past = np.append(past[1:], value)
    return float("inf")
