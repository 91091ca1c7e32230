"""The life of a leveraged YT position: opening, settling, adding, closing, liquidation (tokens.md 8, 10-11).

A long owes ST and holds YT, a short owes YT and holds ST; margin is ST beside them. Leverage is the borrowed
notional over the margin. Prices are ST per YT, ratios and fees fractions. Every function takes numbers or
arrays; where a number would be None, an array holds NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from yieldtrade.elementwise import (
    Bound,
    as_array,
    as_fields,
    check_choice,
    checked,
    namespace,
    positive,
    share,
    where,
)
from yieldtrade.errors import DomainError
from yieldtrade.tokens.ledger import YieldFeeBase, compounded, distribute, distribute_many
from yieldtrade.tokens.liquidation import (
    LiquidationDistance,
    bankruptcy_price,
    liquidation_barrier,
    liquidation_distance,
    liquidation_price,
    liquidation_yield,
)
from yieldtrade.tokens.margin import (
    Position,
    Side,
    TimeWeightedPrice,
    balances,
    collateral_ratio,
    equity,
    max_leverage,
    time_weighted_price,
    trade_fee,
)
from yieldtrade.tokens.pricing import yt_price

__all__ = [
    "Closing",
    "Liquidation",
    "LiquidationDistance",
    "LiquidationRule",
    "Position",
    "Side",
    "TimeWeightedPrice",
    "add",
    "bankruptcy_price",
    "close",
    "collateral_ratio",
    "equity",
    "liquidate",
    "liquidation_barrier",
    "liquidation_distance",
    "liquidation_price",
    "liquidation_yield",
    "max_leverage",
    "open_long",
    "open_short",
    "settle",
    "settle_many",
    "time_to_liquidation",
    "time_weighted_price",
    "trade_fee",
]

LiquidationRule: TypeAlias = Literal["take_all", "half_margin"]

_FRACTION = Bound("fraction", lambda fraction: (fraction > 0) & (fraction <= 1), "must be in (0, 1]")
_FILL = Bound(
    "fill_price", lambda fill_price, **_: (fill_price > 0) & (fill_price < 1), "ST must be in (0, 1)"
)


def open_long(
    *, margin: Any, leverage: Any, fill_price: Any, trading_fee: Any, margin_accrues: bool
) -> Position:
    """Borrow ``leverage*margin`` ST and buy YT with it, ``Y = S0*(1-f)/p`` (tokens.md 10).

    Parameters
    ----------
    margin
        ST, above 0.
    leverage
        Borrowed notional over margin, above 0.
    fill_price
        Average price of the purchase before the fee, between 0 and 1.
    trading_fee
        Fee f as a share of the ST notional.
    margin_accrues
        Whether the margin token earns the yield.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    margin, borrowed, fill, fee = _opening(margin, leverage, fill_price, trading_fee)
    return Position(
        yt=borrowed * (1.0 - fee) / fill, st=-borrowed, margin=margin, margin_accrues=margin_accrues
    )


def open_short(
    *, margin: Any, leverage: Any, fill_price: Any, trading_fee: Any, margin_accrues: bool
) -> Position:
    """Borrow YT worth ``leverage*margin`` ST and sell them for ``Y*p*(1-f)`` ST (tokens.md 10).

    Parameters and errors are those of :func:`open_long`.
    """
    margin, borrowed, fill, fee = _opening(margin, leverage, fill_price, trading_fee)
    return Position(
        yt=-borrowed / fill, st=borrowed * (1.0 - fee), margin=margin, margin_accrues=margin_accrues
    )


def _opening(margin: Any, leverage: Any, fill_price: Any, trading_fee: Any) -> tuple[Any, Any, Any, Any]:
    margin = checked("margin", margin, positive("margin"))
    borrowed = margin * checked("leverage", leverage, positive("leverage"))
    fee = checked("trading_fee", trading_fee, share("trading_fee"))
    return margin, borrowed, checked("fill_price", fill_price, _FILL), fee


def settle(position: Position, growth: Any, *, yield_fee: Any, yield_fee_base: YieldFeeBase) -> Position:
    """Position after a settlement with growth g: yield paid, margin grown if it accrues (tokens.md 8, 10)."""
    st = distribute(position.yt, position.st, growth, yield_fee=yield_fee, yield_fee_base=yield_fee_base)
    margin = checked("margin", position.margin)
    if position.margin_accrues:
        margin = margin * (1.0 + checked("growth", growth))
    return Position(yt=position.yt, st=st, margin=margin, margin_accrues=position.margin_accrues)


def settle_many(
    position: Position, growth_path: Any, *, yield_fee: Any, yield_fee_base: YieldFeeBase
) -> Position:
    """Positions after each of a run of settlements, as arrays of shape (..., n) (tokens.md 8, 10).

    Parameters
    ----------
    position
        Balances of shape (...).
    growth_path
        Growth g of each settlement along the last axis, of shape (..., n).
    yield_fee, yield_fee_base
        As in :func:`yieldtrade.tokens.ledger.distribute`.

    Raises
    ------
    DomainError
        A value outside its domain, or growths without an axis of settlements.
    """
    st = distribute_many(
        position.yt, position.st, growth_path, yield_fee=yield_fee, yield_fee_base=yield_fee_base
    )
    margin = as_array("margin", position.margin)[..., None]
    return Position(
        yt=as_array("yt", position.yt)[..., None],
        st=st,
        margin=margin * (1.0 + compounded(growth_path)) if position.margin_accrues else margin,
        margin_accrues=position.margin_accrues,
    )


def add(position: Position, traded: Position) -> Position:
    """Position after a further trade on the same margin account: balances and margins add (tokens.md 8)."""
    extra = balances(traded)
    sums = {
        name: checked(name, held) + checked(name, extra[name]) for name, held in balances(position).items()
    }
    return Position(**sums, margin_accrues=position.margin_accrues)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What is left after closing a share of a position, the profit taken and the fee within it, ST."""

    position: Position
    realised: Any
    fee: Any


def close(position: Position, *, fraction: Any, fill_price: Any, trading_fee: Any) -> Closing:
    """Close the share k of a position, realising ``k*x*(fill - entry) - fee`` (tokens.md 8).

    Parameters
    ----------
    position
        Long or short; its margin stays.
    fraction
        Share k closed, above 0 and at most 1.
    fill_price
        Price at which it is closed, before the fee.
    trading_fee
        Fee as a share of the ST notional.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    k = checked("fraction", fraction, _FRACTION)
    fill = checked("fill_price", fill_price)
    yt, st = checked("yt", position.yt), checked("st", position.st)
    fee = trade_fee(k * yt, fill, trading_fee)
    rest = Position(
        yt=yt - k * yt, st=st - k * st, margin=position.margin, margin_accrues=position.margin_accrues
    )
    return Closing(position=rest, realised=k * (yt * fill + st) - fee, fee=fee)


def time_to_liquidation(
    position: Position,
    *,
    growth_path: Any,
    implied_path: Any,
    tau_path: Any,
    maintenance_collateral_ratio: Any,
    yield_fee: Any,
    yield_fee_base: YieldFeeBase,
) -> Any:
    """First epoch after whose settlement the collateral ratio is below MCR, counted from 1 (tokens.md 11).

    Parameters
    ----------
    position
        Balances of shape (...).
    growth_path
        Growth g settled in each epoch, of shape (..., n) or one for all.
    implied_path
        Implied yield after each settlement, likewise.
    tau_path
        Years to maturity after each settlement, of shape (..., n).
    maintenance_collateral_ratio
        MCR, of shape (...).
    yield_fee, yield_fee_base
        As in :func:`yieldtrade.tokens.ledger.distribute`.

    Returns
    -------
    int, None or numpy.ndarray
        Epochs; None (NaN) where the path ends first.

    Raises
    ------
    DomainError
        A value outside its domain, or a path of time without an axis of epochs.
    ExpiredError
        A ``tau`` below 0.
    """
    import numpy as np

    years = as_array("tau_path", tau_path)
    if years.ndim == 0:
        raise DomainError(f"tau_path = {float(years)!r}: give the years to maturity after each settlement")
    growths = as_array("growth_path", growth_path)
    growths = np.broadcast_to(growths, np.broadcast_shapes(growths.shape, years.shape[-1:]))
    along = settle_many(position, growths, yield_fee=yield_fee, yield_fee_base=yield_fee_base)
    ratios = collateral_ratio(along, yt_price(implied_path, years))
    below = ratios < as_array("maintenance_collateral_ratio", maintenance_collateral_ratio)[..., None]
    first = np.where(below.any(axis=-1), below.argmax(axis=-1) + 1.0, np.nan)
    if first.ndim:
        return first
    return None if np.isnan(first) else int(first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidation:
    """How the value of a liquidated position is shared, ST; below 0 for a fund that must fill a hole."""

    to_trader: Any
    to_fund: Any
    fee: Any


def liquidate(
    position: Position, *, price: Any, trading_fee: Any, liquidation_rule: LiquidationRule
) -> Liquidation:
    """Share out a liquidated position by the venue's rule (tokens.md 11).

    Parameters
    ----------
    position
        The position at liquidation.
    price
        Price of the market close, or the mark at which the fund takes it over, 0 or more and below 1.
    trading_fee
        Fee of the market close, as a share of the ST notional.
    liquidation_rule
        ``take_all``: the fund takes YT, ST and margin; ``half_margin``: closed at the market, half of what is
        left to the fund.

    Raises
    ------
    DomainError
        A value outside its domain, or an unknown rule.
    """
    check_choice("liquidation_rule", liquidation_rule, ("take_all", "half_margin"))
    fee = trade_fee(position.yt, price, trading_fee if liquidation_rule == "half_margin" else 0.0)
    left = equity(position, price) - fee
    xp = namespace(left)
    to_trader = where(xp, left > 0, left / 2, 0.0) if liquidation_rule == "half_margin" else 0.0 * left
    return Liquidation(**as_fields(xp, to_trader=to_trader, to_fund=left - to_trader, fee=fee))
