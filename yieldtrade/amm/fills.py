"""What is stated about a trade once the curve has priced it (amm.md 2)."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.amm.base import DepthRow, Fill, Side
from yieldtrade.amm.solve import namespace, pick, ratio
from yieldtrade.tokens.pricing import implied_yield_from_pt, implied_yield_from_yt

if TYPE_CHECKING:
    from yieldtrade.amm.base import Amount, Path, Route, Token
    from yieldtrade.amm.curve import CurveAmm
    from yieldtrade.errors import CapacityError


class Leg(NamedTuple):
    """A trade on the curve: ST without fee, the fee and the protocol's part of it, and the venue after."""

    gross: Amount
    fee: Amount
    fee_protocol: Amount
    after: CurveAmm


def fill_of(
    amm: CurveAmm,
    side: Side,
    units: Amount,
    leg: Leg,
    st: Amount,
    *,
    route: Route,
    path: Path,
    warnings: tuple[str, ...],
    refused: Any = False,
) -> Fill:
    """State everything about a trade of ``units`` for ``st`` ST; elements in ``refused`` become NaN."""
    token: Token = "PT" if side.is_pt else "YT"
    before, after = amm.implied_yield, leg.after.implied_yield
    spot = amm.spot(token)
    average = pick(units > 0, lambda: ratio(st, units), spot)
    invert = implied_yield_from_pt if side.is_pt else implied_yield_from_yt
    numbers = {
        "units": units,
        "st_amount": st,
        "gross": leg.gross,
        "fee": leg.fee,
        "fee_lp": leg.fee - leg.fee_protocol,
        "fee_protocol": leg.fee_protocol,
        "average_price": average,
        "spot_before": spot,
        "spot_after": leg.after.spot(token),
        "pre_trade_yield": before,
        "post_trade_yield": after,
        "yield_impact": after - before,
        "execution_yield": invert(average, amm.tau, on_error="nan"),
        "price_impact": relative_cost(side, leg.gross, units, spot),
        "total_cost": relative_cost(side, st, units, spot),
    }
    return Fill(
        side=side, **_masked(numbers, refused), route=route, amm_after=leg.after, path=path, warnings=warnings
    )


def merge_fills(first: Any, chosen: Fill, other: Fill) -> Fill:
    """Take ``chosen`` where ``first`` holds and ``other`` elsewhere, fields and venue alike."""
    return _merge(first, chosen, other)  # type: ignore[no-any-return]


def _merge(first: Any, chosen: Any, other: Any) -> Any:
    import numpy as np

    changed: dict[str, Any] = {}
    for field in fields(chosen):
        a, b = getattr(chosen, field.name), getattr(other, field.name)
        if field.name == "warnings":
            changed[field.name] = tuple(dict.fromkeys((*a, *b)))
        elif is_dataclass(a):
            changed[field.name] = _merge(first, a, b)
        elif isinstance(a, (float, np.ndarray, Side)) and a is not b:
            changed[field.name] = np.where(first, a, b)
    return replace(chosen, **changed)


def relative_cost(side: Side, amount: Amount, units: Amount, spot: Amount) -> Amount:
    """Relative cost of ``amount`` against ``units`` at the spot price; 0 without size."""
    relative = pick(
        units > 0,
        # a price of 0 makes any payment infinitely dear
        lambda: pick(spot > 0, lambda: ratio(ratio(amount, units), spot), math.inf),
        1.0,
    )
    cost = relative - 1.0 if side.is_buy else 1.0 - relative
    # the curve is never better than spot: less than 0 is the rounding of a ratio near 1
    return pick(cost < 0, lambda: 0.0, cost)


def _masked(numbers: dict[str, Amount], refused: Any) -> dict[str, Amount]:
    if namespace(*numbers.values()) is math:
        return dict.fromkeys(numbers, math.nan) if refused else numbers
    import numpy as np

    arrays = dict(zip(numbers, np.broadcast_arrays(*numbers.values(), refused), strict=False))
    if np.any(refused):
        return {name: np.where(refused, np.nan, array) for name, array in arrays.items()}
    return arrays


def row_of(move_bp: float, target: float, side: Side, fill: Fill) -> DepthRow:
    """Row of a depth table for a trade that is possible."""
    return DepthRow(
        move_bp=move_bp,
        target_yield=target,
        side=side,
        size=fill.units,
        st_amount=fill.st_amount,
        average_price=fill.average_price,
        price_impact=fill.price_impact,
        fee=fill.fee,
        reachable=True,
        binding="none",
    )


def row_out_of_reach(
    move_bp: float | None, target: float | None, side: Side, refused: CapacityError
) -> DepthRow:
    """Row of a depth table for a trade that is not, with the limit it meets."""
    return DepthRow(
        move_bp=move_bp,
        target_yield=target,
        side=side,
        size=None,
        st_amount=None,
        average_price=None,
        price_impact=None,
        fee=None,
        reachable=False,
        binding=refused.binding,  # type: ignore[arg-type]
    )
