"""The score of a row, what rejects it, and the order of rows (strategies.md 10)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from yieldtrade.conventions import DAYS_PER_YEAR
from yieldtrade.strategies.row import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from yieldtrade.strategies.inputs import ScreenSettings
    from yieldtrade.strategies.row import Opportunity


def hurdle_pnl(capital: float, hurdle: float, years: float) -> float:
    """What the hurdle rate would earn on the capital, ``capital*((1+h)^t - 1)``."""
    return capital * math.expm1(years * math.log1p(hurdle))


def combined_tail(probabilities: Iterable[float]) -> float:
    """Yearly probability that any venue of a trade fails, ``1 - prod(1 - p_v)``."""
    return 1.0 - math.prod(1.0 - p for p in probabilities)


def tail_cost(capital: float, loss_given_event: float, p_tail: float, years: float) -> float:
    """Expected loss from the failure of a venue, ``capital*loss*(1 - (1-p)^t)``."""
    return capital * loss_given_event * (1.0 - (1.0 - p_tail) ** years)


def risk_adjusted(expected: float, hurdle: float, kappa: float, shortfall: float, tail: float) -> float:
    """Score of a trade, ``E[PnL] - hurdle - kappa*ES5 - tail``, in the unit of its arguments."""
    return expected - hurdle - kappa * shortfall - tail


def per_day(score: float, years: float) -> float:
    """Score a day of holding, ``score/(365 t)``: the key of the ranking."""
    return score / (DAYS_PER_YEAR * years)


def limit_reasons(row: Opportunity, settings: ScreenSettings) -> Iterator[Reason]:
    """Yield every limit that the figures of a row fail, with the number and the threshold."""
    edge = 0.0 if settings.min_edge is None else settings.min_edge
    if row.horizon_return is not None and (row.horizon_return <= 0 or row.horizon_return < edge):
        yield Reason(
            "no_edge_after_costs",
            row.horizon_return,
            edge,
            f"expected return over the horizon {row.horizon_return:.4%} after costs, needed "
            + (f"{edge:.4%}" if edge > 0 else "more than 0"),
        )
    if row.risk_adjusted_usd is not None and row.risk_adjusted_usd < 0:
        yield Reason(
            "risk_adjusted_negative",
            row.risk_adjusted_usd,
            0.0,
            f"{row.risk_adjusted_usd:,.2f} USD after hurdle, {settings.kappa:g} of the expected shortfall and tail",
        )
    for code, name, number, threshold in (
        ("p_loss_above_limit", "probability of loss", row.p_loss, settings.max_p_loss),
        (
            "p_liquidation_above_limit",
            "probability of liquidation",
            row.p_liquidation,
            settings.max_p_liquidation,
        ),
    ):
        if number is not None and threshold is not None and number > threshold:
            yield Reason(code, number, threshold, f"{name} {number:.4f} above the limit {threshold:.4f}")


def rank(rows: Iterable[Opportunity]) -> tuple[Opportunity, ...]:
    """Order rows: accepted ones by score a day, then by score, then by name; rejected ones last.

    The order depends on the rows alone, not on the order in which they come.
    """
    return tuple(sorted(rows, key=_key))


def _key(row: Opportunity) -> tuple[bool, float, float, str]:
    return (
        row.status == "rejected",
        math.inf if row.per_day_usd is None else -row.per_day_usd,
        math.inf if row.risk_adjusted_usd is None else -row.risk_adjusted_usd,
        row.row_id,
    )
