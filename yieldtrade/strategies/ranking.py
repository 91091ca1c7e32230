"""The score of a row, what rejects it, and the order of rows (strategies.md 10)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from yieldtrade.conventions import DAYS_PER_YEAR
from yieldtrade.strategies.row import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from yieldtrade.strategies.inputs import ScreenSettings
    from yieldtrade.strategies.row import Opportunity


def hurdle_pnl(capital: float, hurdle: float, years: float) -> float:
    """What the hurdle rate would earn on the capital, ``capital*((1+h)^t - 1)``."""
    return capital * math.expm1(years * math.log1p(hurdle))


def combined_tail(probabilities: Iterable[float]) -> float:
    """Yearly probability that any venue of a trade fails, ``1 - prod(1 - p_v)``."""
    kept: float = math.prod(1.0 - p for p in probabilities)
    return 1.0 - kept


def tail_cost(capital: float, loss_given_event: float, p_tail: float, years: float) -> float:
    """Expected loss from the failure of a venue, ``capital*loss*(1 - (1-p)^t)``."""
    survived: float = (1.0 - p_tail) ** years
    return capital * loss_given_event * (1.0 - survived)


def risk_adjusted(expected: float, hurdle: float, kappa: float, shortfall: float, tail: float) -> float:
    """Score of a trade, ``E[PnL] - hurdle - kappa*ES5 - tail``, in the unit of its arguments."""
    return expected - hurdle - kappa * shortfall - tail


def per_day(score: float, years: float) -> float:
    """Score a day of holding, ``score/(365 t)``: the key of the ranking."""
    return score / (DAYS_PER_YEAR * years)


def limit_reasons(figures: Mapping[str, Any], settings: ScreenSettings) -> Iterator[Reason]:
    """Yield every limit that the figures of a row fail, with the number and the threshold.

    Parameters
    ----------
    figures
        Fields of a row by name; what it lacks is not judged.
    settings
        The limits.
    """
    gain, score = figures.get("horizon_return"), figures.get("risk_adjusted_usd")
    edge = 0.0 if settings.min_edge is None else settings.min_edge
    if gain is not None and (gain <= 0 or gain < edge):
        text = f"expected return over the horizon {gain:.4%} after costs, not above {max(edge, 0.0):.4%}"
        yield Reason("no_edge_after_costs", gain, edge, text)
    if score is not None and score < 0:
        text = f"{score:,.2f} USD after the hurdle, {settings.kappa:g} of the expected shortfall and the tail"
        yield Reason("risk_adjusted_negative", score, 0.0, text)
    for name in ("p_loss", "p_liquidation"):
        number, limit = figures.get(name), getattr(settings, f"max_{name}")
        if number is not None and limit is not None and number > limit:
            yield Reason(f"{name}_above_limit", number, limit, f"{name} {number:.4f} is above {limit:.4f}")


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
