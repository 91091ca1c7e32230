"""A local level: what is left of a series when each day's noise is taken off (forecast.md 3)."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from yieldtrade.forecast.table import Coefficient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# Weights of the newest day among which a rolling fit chooses.
GAINS = np.array([0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
LEAST_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalLevel:
    """``z_t = level_t + beta x_t + e_t``, ``level_t = level_(t-1) + u_t``, by maximum likelihood.

    Parameters
    ----------
    level
        The level after the last day; without columns it is the forecast of every day to come.
    level_sd
        Its standard error.
    noise_sd, change_sd
        Standard deviations of e and u, a day.
    gain
        Weight of the newest day in the level, once it has settled.
    coefficients
        beta by column.
    converged
        Whether the maximum was found.
    rows
        Days known.
    """

    level: float
    level_sd: float
    noise_sd: float
    change_sd: float
    gain: float
    coefficients: tuple[Coefficient, ...]
    converged: bool
    rows: int


def fit_local_level(
    values: NDArray[np.float64], columns: Mapping[str, NDArray[np.float64]] | None = None
) -> LocalLevel | None:
    """Fit a local level to logs by day, NaN where missing; None with fewer than 30 days or none that differ.

    ``columns`` are what moves the series on the same day, by name; a day on which one of them is missing counts as
    missing.
    """
    from statsmodels.tools.sm_exceptions import ConvergenceWarning
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    named = columns or {}
    x = np.column_stack(list(named.values())) if named else None
    usable = np.isfinite(values) if x is None else np.isfinite(values) & np.isfinite(x).all(axis=1)
    known = values[usable]
    if len(known) < LEAST_DAYS or np.ptp(known) == 0:
        return None
    observed = np.where(usable, values, np.nan)
    with warnings.catch_warnings():
        # whether the maximum was found is told in the result
        warnings.simplefilter("ignore", ConvergenceWarning)
        exogenous = None if x is None else np.where(usable[:, None], x, 0.0)
        fitted = UnobservedComponents(observed, "local level", exog=exogenous).fit(disp=0)
    noise, change = (float(max(variance, 0.0)) for variance in fitted.params[:2])
    return LocalLevel(
        level=float(fitted.level["filtered"][-1]),
        level_sd=float(np.sqrt(fitted.level["filtered_cov"][-1])),
        noise_sd=math.sqrt(noise),
        change_sd=math.sqrt(change),
        gain=steady_gain(change / noise) if noise > 0 else 1.0,
        coefficients=tuple(
            Coefficient(name=name, estimate=float(fitted.params[2 + k]), std_error=float(fitted.bse[2 + k]))
            for k, name in enumerate(named)
        ),
        converged=bool(fitted.mle_retvals["converged"]),
        rows=len(known),
    )


def steady_gain(ratio: float) -> float:
    """Return the weight of the newest day for a variance ratio q = var(u)/var(e): ``(sqrt(q^2 + 4q) - q)/2``."""
    return (math.sqrt(ratio**2 + 4.0 * ratio) - ratio) / 2.0


def rolling_levels(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the level before each day and after the last, shape (n + 1,), with the gain that had erred least by then.

    The gain is one of ``GAINS``, by the squared error of the next day; NaN before the first known day.
    """
    level, cost = np.full(len(GAINS), np.nan), np.zeros(len(GAINS))
    found = np.full(len(values) + 1, np.nan)
    for day, value in enumerate(values):
        found[day] = level[int(cost.argmin())]
        if not math.isfinite(value):
            continue
        if math.isnan(level[0]):
            level[:] = value
            continue
        surprise = value - level
        cost += surprise**2
        level += GAINS * surprise
    found[-1] = level[int(cost.argmin())]
    return found
