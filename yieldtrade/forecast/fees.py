"""Fees on volume: ``log(fees/V) = a + b log V + regime + e`` (forecast.md 3).

:func:`fee_line` is the estimate that forecasts use; :func:`fit_fee_model` adds what a reader wants to see of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from yieldtrade.errors import MissingDataError
from yieldtrade.forecast.data import VOLUME
from yieldtrade.forecast.har import line_slope
from yieldtrade.forecast.periods import day_of
from yieldtrade.forecast.table import (
    BreakCheck,
    Design,
    Regression,
    r_squared,
    regression,
    robust_regression,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.forecast.target import Target

HAC_LAGS = 7
LEAST_REGIME_DAYS = 30
# Terms whose change starts a new regime, and those whose changes are looked at one by one.
REGIME_TERMS = ("trade.base_bps", "trade.impact.model")
CHECKED_TERMS = ("trade.base_bps", "trade.impact.")
_BPS = 1e4
_HIGH_VOLUME = 0.95
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeeLine:
    """Least squares of ``log(fees/V)`` on ``log V`` with an intercept for each regime.

    Parameters
    ----------
    slope, slope_se
        b and its Newey-West standard error (7 lags).
    intercept
        a in the regime that runs now.
    intercepts
        a by regime group.
    group
        Regime group of each day, -1 where it takes no part in the fit.
    residuals
        e by day over every day with fees and volume, uncertain dates included; NaN elsewhere.
    x, y
        The regressor and the regressand by day, NaN where missing.
    """

    slope: float
    slope_se: float
    intercept: float
    intercepts: NDArray[np.float64]
    group: NDArray[np.int64]
    residuals: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeModel:
    """What the record says about fees and volume.

    Parameters
    ----------
    log_fit, huber_fit
        ``log(fees/V)`` on ``log V`` with regime dummies: least squares with Newey-West errors (7 lags), and
        Huber's robust fit (None where the line fits without error).
    linear_fit
        ``fees = c + k V``, USD a day, over the current basis.
    slope
        b, the elasticity of the fee rate; fees grow as V to the power ``1 + b``.
    elasticity_r_squared
        R squared of ``log fees`` on ``log V`` and the dummies.
    durbin_watson
        Of the residuals of ``log_fit``.
    implied_bps_median, implied_bps_p95
        Fitted fee rate at the median and the 95th percentile of volume, bps.
    median_volume_usd, p95_volume_usd
        Those volumes.
    base_bps
        The schedule's base at ``as_of``, bps; None where not published.
    breaks
        Shift of the fee rate at each known change of the fee schedule; changes that the fit cannot tell apart are one.
    basis
        ``gross`` or ``oc``, the fee series alive.
    """

    log_fit: Regression
    huber_fit: Regression | None
    linear_fit: Regression
    slope: float
    elasticity_r_squared: float
    durbin_watson: float
    implied_bps_median: float
    implied_bps_p95: float
    median_volume_usd: float
    p95_volume_usd: float
    base_bps: float | None
    breaks: tuple[BreakCheck, ...]
    basis: str


def fee_line(history: PoolHistory, target: Target) -> FeeLine:
    """Estimate the line; days of uncertain volume (W2) take no part in it.

    Raises
    ------
    MissingDataError
        No day has volume and fees.
    """
    x, y = _logs(history, target)
    group = _groups(history, target, history.by_day() & np.isfinite(y))
    rows = np.flatnonzero(group >= 0)
    if not len(rows):
        raise MissingDataError(
            f"{history.pool.pool_id}: no day has both volume and fees as of {history.as_of:%Y-%m-%d}; "
            "load them with `yieldtrade load FILE` (columns of jlp_pool_daily.csv)"
        )
    centred_x, mean_x = _within(x[rows], group[rows])
    centred_y, mean_y = _within(y[rows], group[rows])
    slope, slope_se = line_slope(centred_x, centred_y, HAC_LAGS)
    intercepts = mean_y - slope * mean_x
    everywhere = _current_group(group)
    return FeeLine(
        slope=slope,
        slope_se=slope_se,
        intercept=float(intercepts[everywhere[-1]]),
        intercepts=intercepts,
        group=group,
        residuals=y - slope * x - intercepts[everywhere],
        x=x,
        y=y,
    )


def _logs(history: PoolHistory, target: Target) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    volume = history.values[VOLUME]
    return np.log(volume), np.log(target.fees / volume)


def _within(
    values: NDArray[np.float64], group: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return deviations from the mean of each group, and the means."""
    count = np.bincount(group)
    means = np.bincount(group, weights=values) / np.maximum(count, 1)
    return values - means[group], means


def regime_starts(history: PoolHistory, names: tuple[str, ...]) -> list[tuple[np.datetime64, str]]:
    """Return the days on which a parameter named (or starting) so changed its value, with what changed."""
    folded: dict[str, Any] = {}
    found: list[tuple[np.datetime64, str]] = []
    for valid_from, parameters in history.pool.changes:
        changed = [
            f"{name} {folded[name]} -> {term.value}"
            for name, term in sorted(parameters.items())
            if name.startswith(names) and name in folded and folded[name] != term.value
        ]
        folded.update({name: term.value for name, term in parameters.items()})
        if changed:
            found.append((day_of(valid_from), ", ".join(changed)))
    return found


def _regime(history: PoolHistory) -> NDArray[np.int64]:
    starts = [day for day, _ in regime_starts(history, REGIME_TERMS)]
    return np.searchsorted(np.array(starts, dtype="datetime64[D]"), history.days, side="right")


def _groups(history: PoolHistory, target: Target, usable: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number the regime groups of the usable days from 0; days outside the fit get -1.

    A regime of fewer than 30 days is left out (a shorter window), unless it is the one that runs now: that is
    joined to the one before it on the same basis, and its own level shows in the residuals.
    """
    code = np.where(usable, _regime(history) * 2 + target.fee_basis, -1)
    latest = int(code[np.flatnonzero(usable)[-1]]) if usable.any() else -1
    for regime in np.unique(code[usable]):
        short = int((code == regime).sum()) < LEAST_REGIME_DAYS
        earlier = [c for c in np.unique(code[usable]) if c < regime and c % 2 == regime % 2]
        if short and regime == latest and earlier:
            code[code == regime] = earlier[-1]
        elif short and regime != latest:
            code[code == regime] = -1
    kept = np.unique(code[code >= 0])
    return np.where(code >= 0, np.searchsorted(kept, code), -1)


def _current_group(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a group for every day: its own, else that of the nearest earlier day in the fit, else the first."""
    known = np.where(group >= 0, np.arange(len(group)), -1)
    nearest = np.maximum.accumulate(known)
    first = group[np.flatnonzero(group >= 0)[0]]
    return np.where(nearest >= 0, group[nearest], first)


def fit_fee_model(history: PoolHistory) -> FeeModel:
    """Fit fees on volume and report coefficients, errors, fit and known changes of the fee schedule.

    Parameters
    ----------
    history
        From :func:`yieldtrade.forecast.pool_history`.

    Raises
    ------
    MissingDataError
        No day has both volume and fees.
    """
    from yieldtrade.forecast.target import build_target

    target = build_target(history)
    line = fee_line(history, target)
    rows = np.flatnonzero(line.group >= 0)
    design = _design(line, rows)
    residuals = line.residuals[rows]
    volume = np.exp(line.x[rows])
    levels = (float(np.median(volume)), float(np.quantile(volume, _HIGH_VOLUME)))
    bps = [_BPS * float(np.exp(line.intercept + line.slope * np.log(level))) for level in levels]
    base = history.pool.terms.get("trade.base_bps")
    equation = "log(fees/V) = a + b log V + regime + e"
    noisy = float(np.abs(residuals).max()) > _ROUNDING
    return FeeModel(
        log_fit=regression(design, equation, HAC_LAGS),
        huber_fit=robust_regression(design, f"{equation}, Huber") if noisy else None,
        linear_fit=_linear(line, rows),
        slope=line.slope,
        elasticity_r_squared=r_squared(line.y[rows] + line.x[rows], residuals),
        durbin_watson=_durbin_watson(residuals),
        implied_bps_median=bps[0],
        implied_bps_p95=bps[1],
        median_volume_usd=levels[0],
        p95_volume_usd=levels[1],
        base_bps=None if base is None else float(base),
        breaks=_breaks(history, rows, target, line),
        basis=target.basis,
    )


def _design(line: FeeLine, rows: NDArray[np.int64]) -> Design:
    """Return the columns of the regression: intercept of the regime now, log V, a dummy for each other one."""
    now = int(line.group[rows][-1])
    others = [number for number in range(len(line.intercepts)) if number != now]
    dummies = [(line.group[rows] == number).astype(float) for number in others]
    return Design(
        names=("a", "b", *(f"regime {number + 1}" for number in others)),
        x=np.column_stack([np.ones(len(rows)), line.x[rows], *dummies]),
        y=line.y[rows],
    )


def _linear(line: FeeLine, rows: NDArray[np.int64]) -> Regression:
    now = rows[line.group[rows] == line.group[rows][-1]]
    volume = np.exp(line.x[now])
    design = Design(
        names=("c", "k"),
        x=np.column_stack([np.ones(len(now)), volume]),
        y=np.exp(line.y[now]) * volume,
    )
    return regression(design, "fees = c + k V", HAC_LAGS)


def _durbin_watson(residuals: NDArray[np.float64]) -> float:
    total = float((residuals**2).sum())
    return float((np.diff(residuals) ** 2).sum()) / total if total > 0 else float("nan")


def _breaks(
    history: PoolHistory, rows: NDArray[np.int64], target: Target, line: FeeLine
) -> tuple[BreakCheck, ...]:
    """Fit a step at every change at once, beside an intercept for each basis, and read its size and error.

    A step is of one change beside the others, so that no change is read off the shift of another.
    """
    days = history.days[rows]
    changes = _separable(regime_starts(history, CHECKED_TERMS), days)
    if not changes:
        return ()
    other = (target.fee_basis[rows] != target.fee_basis[rows][-1]).astype(float)
    steps = [(days >= day).astype(float) for day, _ in changes]
    names = ("a", "b", "other basis", *(str(day) for day, _ in changes))
    design = Design(
        names=names, x=np.column_stack([np.ones(len(rows)), line.x[rows], other, *steps]), y=line.y[rows]
    )
    fit = regression(design, "log(fees/V) = a + b log V + basis + steps + e", HAC_LAGS)
    found = ((day, what, fit[str(day)]) for day, what in changes)
    return tuple(
        BreakCheck(day=day, what=what, shift=step.estimate, std_error=step.std_error)
        for day, what, step in found
    )


def _separable(
    changes: list[tuple[np.datetime64, str]], days: NDArray[np.datetime64]
) -> list[tuple[np.datetime64, str]]:
    """Join changes that fewer than 30 days of the fit lie between, and leave out those with fewer on either side.

    The volumes of March to August 2024 are of uncertain date and take no part in the fit: no day lies between the
    fee changes of 2024-06-07 (10 to 7 bps, linear impact begins) and 2024-07-11 (7 to 6 bps), and what the record
    shows of the two is one step.
    """
    joined: list[list[tuple[np.datetime64, str]]] = []
    for day, what in changes:
        if joined and ((days >= joined[-1][0][0]) & (days < day)).sum() < LEAST_REGIME_DAYS:
            joined[-1].append((day, what))
        elif (days < day).sum() >= LEAST_REGIME_DAYS:
            joined.append([(day, what)])
    return [
        (group[0][0], "; ".join(what if len(group) == 1 else f"{day}: {what}" for day, what in group))
        for group in joined
        if (days >= group[0][0]).sum() >= LEAST_REGIME_DAYS
    ]
