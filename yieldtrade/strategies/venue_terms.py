"""What a venue charges for YT and how far it lets one lever them, read from the terms of a contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from yieldtrade.tokens.margin import max_leverage

if TYPE_CHECKING:
    from yieldtrade.strategies.interest_period import Side
    from yieldtrade.strategies.worksheet import Worksheet
    from yieldtrade.tokens.ledger import YieldFeeBase


class Fees(NamedTuple):
    """What the venue charges."""

    trading_fee: float
    yield_fee: float
    yield_fee_base: YieldFeeBase


class Margin(NamedTuple):
    """Terms of levered trading; ``cap`` is the largest leverage for this side."""

    maintenance_ratio: float
    accrues: bool
    cap: float


def read_fees(sheet: Worksheet) -> Fees | None:
    """Read the fees; a missing one rejects the row."""
    trading_fee, base = sheet.number("trading_fee"), sheet.word("yield_fee_base")
    yield_fee = 0.0 if base == "none" else sheet.number("yield_fee")
    if trading_fee is None or base is None or yield_fee is None:
        return None
    return Fees(trading_fee, yield_fee, cast("YieldFeeBase", base))


def read_margin(sheet: Worksheet, side: Side, fees: Fees | None) -> Margin | None:
    """Read the terms of levered trading; a missing one rejects the row."""
    names = ("initial_collateral_ratio", "maintenance_collateral_ratio", "leverage_buffer", "max_leverage")
    found = [sheet.number(name) for name in names]
    accrues = sheet.word("margin_accrues")
    if fees is None or accrues is None or None in found:
        return None
    initial, maintenance, buffer, cap = (value or 0.0 for value in found)
    largest = max_leverage(
        side,
        cap=cap,
        initial_collateral_ratio=initial,
        maintenance_collateral_ratio=maintenance,
        trading_fee=fees.trading_fee,
        leverage_buffer=buffer,
        # no time-weighted price is stored: the spot price stands for it
        twap=1.0,
        spot=1.0,
    )
    return Margin(maintenance, accrues.lower() == "true", float(largest))
