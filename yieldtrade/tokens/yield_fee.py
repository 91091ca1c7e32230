"""The fee a venue takes from distributed yield, and what YT and ST keep of it (tokens.md 8)."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from yieldtrade.elementwise import Bound, check_choice, checked, share

YieldFeeBase: TypeAlias = Literal["none", "yt_only", "net"]

GROWTH_ABOVE_MINUS_ONE = Bound(
    "growth", lambda growth, **_: growth > -1, "must be above -1: an underlying cannot lose everything"
)


def kept_shares(yield_fee: Any, yield_fee_base: YieldFeeBase) -> tuple[Any, Any]:
    """Return the shares that YT and ST keep of the yield paid to them (tokens.md 8).

    Raises
    ------
    DomainError
        A fee below 0 or not below 1, a base that is not none, yt_only or net.
    """
    check_choice("yield_fee_base", yield_fee_base, ("none", "yt_only", "net"))
    kept = 1.0 - checked("yield_fee", yield_fee, share("yield_fee"))
    return (1.0 if yield_fee_base == "none" else kept, kept if yield_fee_base == "net" else 1.0)
