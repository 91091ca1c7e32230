"""A margin position at a quote: what it buys, what secures it, where it is liquidated (tokens.md 10-11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yieldtrade.errors import CapacityError
from yieldtrade.tokens.positions import (
    Side,
    collateral_ratio,
    liquidation_price,
    liquidation_yield,
    max_leverage,
    open_long,
    open_short,
    trade_fee,
)

if TYPE_CHECKING:
    from yieldtrade.market import Contract
    from yieldtrade.tokens.quote import Quote


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginQuote:
    """A leveraged YT position opened at the quoted price, amounts in YT and ST.

    ``yt_before_fee`` is what the borrowed ST would buy without the trading fee. ``max_leverage`` is what the
    collateral ratios and the fee allow at the spot price, beside the venue's own cap.
    """

    side: Side
    margin_st: float
    leverage: float
    yt_before_fee: float
    yt: float
    st: float
    fee_st: float
    collateral_ratio: float
    max_leverage: float
    liquidation_yt_price: float | None
    liquidation_implied_apy: float | None

    def to_record(self) -> dict[str, Any]:
        """Return the position as plain values under the names that are printed and stored."""
        return {
            "position_side": self.side,
            "position_leverage": self.leverage,
            **{
                name: getattr(self, name)
                for name in (
                    "margin_st",
                    "yt_before_fee",
                    "yt",
                    "st",
                    "fee_st",
                    "collateral_ratio",
                    "max_leverage",
                    "liquidation_yt_price",
                    "liquidation_implied_apy",
                )
            },
        }


def margin_quote(
    contract: Contract,
    quote: Quote,
    *,
    side: Side,
    leverage: float,
    margin: float,
    fill_price: float | None = None,
) -> MarginQuote:
    """Open a margin position at the quoted YT price (tokens.md 10).

    Parameters
    ----------
    contract
        States trading_fee, max_leverage, the two collateral ratios, leverage_buffer and margin_accrues.
    quote
        The price; the time-weighted price is taken equal to it.
    side
        ``long`` or ``short`` YT.
    leverage
        Borrowed notional over margin, above 0.
    margin
        ST, above 0.
    fill_price
        Average price of the opening trade before its fee, ST per YT; the quoted price where None.

    Raises
    ------
    MarketDefinitionError
        The contract does not state a parameter that is needed.
    CapacityError
        The leverage is above the venue's cap.
    DomainError
        A value outside its domain.
    """
    terms = contract.terms
    fee, cap = terms.number("trading_fee"), terms.number("max_leverage")
    if leverage > cap:
        raise CapacityError(
            f"leverage {leverage:g} is above {cap:g}, the most {contract.venue_id} offers",
            requested=leverage,
            maximum=cap,
            binding="max_leverage",
        )
    price = quote.yt_price if fill_price is None else fill_price
    opened = (open_long if side == "long" else open_short)(
        margin=margin,
        leverage=leverage,
        fill_price=price,
        trading_fee=fee,
        margin_accrues=terms.get("margin_accrues") is True,
    )
    maintenance = terms.number("maintenance_collateral_ratio")
    return MarginQuote(
        side=side,
        margin_st=margin,
        leverage=leverage,
        yt_before_fee=leverage * margin / price,
        yt=opened.yt,
        st=opened.st,
        fee_st=trade_fee(leverage * margin / price, price, fee),
        collateral_ratio=collateral_ratio(opened, quote.yt_price),
        max_leverage=max_leverage(
            side,
            cap=cap,
            initial_collateral_ratio=terms.number("initial_collateral_ratio"),
            maintenance_collateral_ratio=maintenance,
            trading_fee=fee,
            leverage_buffer=terms.number("leverage_buffer"),
            twap=quote.yt_price,
            spot=quote.yt_price,
        ),
        liquidation_yt_price=liquidation_price(opened, maintenance_collateral_ratio=maintenance),
        liquidation_implied_apy=liquidation_yield(
            opened, quote.tau_years, maintenance_collateral_ratio=maintenance
        ),
    )
