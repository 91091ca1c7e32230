"""The life of a leveraged YT position: opening, settling, adding, closing, liquidation (tokens.md 8, 10-11).

A long owes ST and holds YT, a short owes YT and holds ST; margin is ST beside them. Leverage is the borrowed
notional over the margin. Prices are ST per YT, ratios and fees fractions. Every function takes numbers or
arrays; where a number would be None, an array holds NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from yieldtrade.elementwise import (
    Bound,
    as_array,
    as_fields,
    check_choice,
    checked,
    evaluate,
    namespace,
    positive,
    ratio,
    share,
    where,
)
from yieldtrade.errors import DomainError
from yieldtrade.tokens.ledger import YieldFeeBase, compounded, distribute, distribute_many
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
from yieldtrade.tokens.pricing import BEFORE_MATURITY, NOT_EXPIRED, implied_yield_from_yt, yt_price

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
    "liquidation_distance",
    "liquidation_price",
    "liquidation_yield",
    "max_leverage",
    "open_long",
    "open_short",
    "settle",
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


def liquidation_price(position: Position, *, maintenance_collateral_ratio: Any) -> Any:
    """Price at which the collateral ratio meets MCR: long ``(MCR*|s| - M)/x``, short ``(s + M)/(MCR*|x|)``.

    To be computed anew after every settlement (tokens.md 11).

    Parameters
    ----------
    position
        A long is liquidated below this price, a short above it.
    maintenance_collateral_ratio
        MCR, above 0.

    Returns
    -------
    float, None or numpy.ndarray
        ST per YT; None (NaN) where no price liquidates: at or below 0 for a long, at or above 1 for a short.

    Raises
    ------
    DomainError
        A value that is not finite, or an MCR that is not positive.
    """
    price = evaluate(
        _liquidation_price,
        (positive("maintenance_collateral_ratio"),),
        "raise",
        finite=False,
        maintenance_collateral_ratio=maintenance_collateral_ratio,
        **balances(position),
    )
    xp = namespace(price)
    exists = where(xp, checked("yt", position.yt) < 0, price < 1, price > 0)
    return as_fields(xp, price=where(xp, exists, price, math.nan))["price"]


def _liquidation_price(xp: Any, maintenance_collateral_ratio: Any, yt: Any, st: Any, margin: Any) -> Any:
    owed = where(xp, st < 0, -st, 0.0)
    of_long = ratio(xp, maintenance_collateral_ratio * owed - margin, yt, at_zero=-math.inf)
    of_short = ratio(xp, st + margin, -maintenance_collateral_ratio * yt, at_zero=-math.inf)
    return where(xp, yt < 0, of_short, of_long)


def bankruptcy_price(position: Position) -> Any:
    """Price at which the margin is used up: the liquidation price at a ratio of 1 (tokens.md 11)."""
    return liquidation_price(position, maintenance_collateral_ratio=1.0)


def liquidation_yield(position: Position, tau: Any, *, maintenance_collateral_ratio: Any) -> Any:
    """Implied yield of the liquidation price at ``tau`` years to maturity (tokens.md 11).

    Returns
    -------
    float, None or numpy.ndarray
        Effective annual rate; None (NaN) where no price liquidates or every price below 1 does.

    Raises
    ------
    DomainError
        ``tau`` of 0, or as :func:`liquidation_price`.
    ExpiredError
        ``tau`` below 0.
    """
    years = checked("tau", tau, NOT_EXPIRED, BEFORE_MATURITY)
    price = liquidation_price(position, maintenance_collateral_ratio=maintenance_collateral_ratio)
    if price is None:
        price = math.nan
    implied = implied_yield_from_yt(price, years, on_error="nan")
    return as_fields(namespace(implied), implied=implied)["implied"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationDistance:
    """How far a position is from liquidation; None (NaN) where no price liquidates it.

    Attributes
    ----------
    price
        Liquidation price, ST per YT.
    price_move
        Relative move of the YT price to it.
    implied_apy
        Its implied yield.
    yield_move
        Move of the implied yield to it, fraction.
    standard_deviations
        That move over the standard deviation of implied-yield changes.
    """

    price: Any
    price_move: Any
    implied_apy: Any
    yield_move: Any
    standard_deviations: Any


def liquidation_distance(
    position: Position, implied_apy: Any, tau: Any, *, maintenance_collateral_ratio: Any, implied_sd: Any
) -> LiquidationDistance:
    """Distance to liquidation in price, in implied yield and in its standard deviations (tokens.md 11).

    Parameters
    ----------
    position
        Long or short.
    implied_apy, tau
        Current implied yield and years to maturity, above 0.
    maintenance_collateral_ratio
        MCR.
    implied_sd
        Standard deviation of implied-yield changes over the horizon of interest, fraction, above 0.

    Raises
    ------
    DomainError
        A value outside its domain.
    ExpiredError
        ``tau`` below 0.
    """
    mcr = {"maintenance_collateral_ratio": maintenance_collateral_ratio}
    found = (liquidation_price(position, **mcr), liquidation_yield(position, tau, **mcr))
    price, implied = (math.nan if value is None else value for value in found)
    move = implied - checked("implied_apy", implied_apy)
    deviations = move / checked("implied_sd", implied_sd, positive("implied_sd"))
    price_move = price / checked("yt", yt_price(implied_apy, tau), positive("yt")) - 1.0
    return LiquidationDistance(
        **as_fields(
            namespace(price, deviations, price_move),
            price=price,
            price_move=price_move,
            implied_apy=implied,
            yield_move=move,
            standard_deviations=deviations,
        )
    )


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
    st = distribute_many(
        position.yt, position.st, growths, yield_fee=yield_fee, yield_fee_base=yield_fee_base
    )
    margin = as_array("margin", position.margin)[..., None]
    along = Position(
        yt=as_array("yt", position.yt)[..., None],
        st=st,
        margin=margin * (1.0 + compounded(growths)) if position.margin_accrues else margin,
        margin_accrues=position.margin_accrues,
    )
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
