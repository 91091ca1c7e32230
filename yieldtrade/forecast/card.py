"""The regression a reader can use by hand: ``log(APR/share) = a + b log V - c log min(A, cap)`` (forecast.md 3, 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from yieldtrade.errors import MissingDataError
from yieldtrade.forecast.har import dot, least_squares
from yieldtrade.forecast.table import Design, Regression, regression

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.forecast.target import Target

LEAST_WEEKS = 8
# The level is taken from the last weeks, the slopes from all.
LEVEL_WEEKS = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Card:
    """``log(APR/share) = level + b log V - c log min(A, cap) + e`` on weekly means of daily volume V and TVL A.

    ``a`` is the mean intercept of the basis alive, ``level`` that of its last four weeks; ``residuals`` are
    about ``a``.
    """

    a: float
    b: float
    c: float
    level: float
    residuals: NDArray[np.float64]

    def log_rate(self, log_volume: NDArray[np.float64], log_tvl: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``log(APR/share)`` at given volume and TVL."""
        return np.asarray(self.level + self.b * log_volume - self.c * log_tvl)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApyModel:
    """The card with its table; ``level`` is the intercept of the last four weeks."""

    fit: Regression
    level: float
    card: Card


def fit_card(history: PoolHistory, target: Target) -> Card | None:
    """Estimate the card on every known week, with an intercept for each fee basis; None with too few weeks."""
    size = np.column_stack([np.log(target.volume), -np.log(capped_tvl(history, target))])
    groups = [
        np.flatnonzero(np.isfinite(series) & np.isfinite(size).all(axis=1))
        for series in (target.level, target.computed_other)
    ]
    alive = groups[0]
    if not len(alive) or sum(map(len, groups)) < LEAST_WEEKS:
        return None
    x = np.concatenate([size[rows] - size[rows].mean(axis=0) for rows in groups if len(rows)])
    y = np.concatenate(
        [
            series[rows] - series[rows].mean()
            for series, rows in zip((target.level, target.computed_other), groups, strict=True)
            if len(rows)
        ]
    )
    slopes = least_squares(x, y)
    intercepts = target.level[alive] - dot(size[alive], slopes)
    return Card(
        a=float(intercepts.mean()),
        b=float(slopes[0]),
        c=float(slopes[1]),
        level=float(intercepts[-LEVEL_WEEKS:].mean()),
        residuals=y - dot(x, slopes),
    )


def capped_tvl(history: PoolHistory, target: Target) -> NDArray[np.float64]:
    """Return ``min(A, cap)`` by week, USD; where no AUM limit was published the TVL stands alone."""
    limits = history.dated("aum_limit_usd")
    ends = [target.calendar.first_day(target.first + place + 1) for place in range(len(target.tvl))]
    # the limit of a week is the one in force on its last day
    last = np.searchsorted(history.days, ends) - 1
    return np.fmin(target.tvl, limits[np.maximum(last, 0)])


def fit_apy_model(history: PoolHistory) -> ApyModel:
    """Fit the card and report it with Newey-West errors (4 weeks).

    Raises
    ------
    MissingDataError
        Fewer than eight weeks have yield, volume and TVL.
    """
    from yieldtrade.forecast.target import build_target

    target = build_target(history)
    card = fit_card(history, target)
    if card is None:
        raise MissingDataError(
            f"{history.pool.pool_id}: fewer than {LEAST_WEEKS} weeks with yield, volume and TVL are known as of "
            f"{history.as_of:%Y-%m-%d}; load more with `yieldtrade load FILE` (columns of jlp_pool_daily.csv)"
        )
    fit = regression(
        _table_rows(target, capped_tvl(history, target)),
        "log(APR/share) = a + b log V - c log min(A, cap) + basis + e",
        LEVEL_WEEKS,
    )
    return ApyModel(fit=fit, level=card.level, card=card)


def _table_rows(target: Target, tvl: NDArray[np.float64]) -> Design:
    """Return the same rows as a regression with a dummy for the other basis."""
    y, x = [], []
    for dummy, series in enumerate((target.level, target.computed_other)):
        size = np.column_stack(
            [np.ones(len(series)), np.log(target.volume), -np.log(tvl), np.full(len(series), dummy)]
        )
        rows = np.isfinite(series) & np.isfinite(size).all(axis=1)
        y.append(series[rows])
        x.append(size[rows])
    return Design(names=("a", "b", "c", "other basis"), x=np.concatenate(x), y=np.concatenate(y))
