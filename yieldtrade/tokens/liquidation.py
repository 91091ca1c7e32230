"""Where a leveraged YT position is liquidated: in price, in implied yield, and how far that is (tokens.md 11).

Prices are ST per YT, ratios fractions. Every function takes numbers or arrays; where a number would be None, an
array holds NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from yieldtrade.elementwise import as_fields, checked, evaluate, namespace, positive, ratio, where
from yieldtrade.tokens.margin import Position, balances
from yieldtrade.tokens.pricing import BEFORE_MATURITY, NOT_EXPIRED, implied_yield_from_yt, yt_price


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


def liquidation_barrier(position: Position, tau: Any, *, maintenance_collateral_ratio: Any) -> Any:
    """Implied yield below which a long, and above which a short, is liquidated: a number at every position.

    Where no price liquidates it lies at infinity on the safe side; where every price below 1 does, on the other.
    Parameters and errors are those of :func:`liquidation_yield`.
    """
    return evaluate(
        _barrier,
        (NOT_EXPIRED, BEFORE_MATURITY, positive("maintenance_collateral_ratio")),
        "raise",
        finite=False,
        tau=tau,
        maintenance_collateral_ratio=maintenance_collateral_ratio,
        **balances(position),
    )


def _barrier(xp: Any, tau: Any, yt: Any, **terms: Any) -> Any:
    price = _liquidation_price(xp, yt=yt, **terms)
    is_short = yt < 0
    safe = where(xp, is_short, price >= 1, price <= 0)
    exists = price < 1
    implied = xp.expm1(-xp.log1p(-where(xp, exists, price, 0.0)) / tau)
    return where(xp, safe, where(xp, is_short, math.inf, -math.inf), where(xp, exists, implied, math.inf))


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
