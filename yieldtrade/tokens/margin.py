"""What secures a leveraged YT position: its balances, collateral ratio and largest leverage (tokens.md 10).

Prices are ST per YT, ratios and fees fractions. Functions take numbers or arrays unless they say otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from yieldtrade.elementwise import (
    Bound,
    check_choice,
    checked,
    evaluate,
    not_negative,
    positive,
    ratio,
    share,
    where,
)
from yieldtrade.tokens.pricing import yt_price

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Side: TypeAlias = Literal["long", "short"]

_PRICE = Bound("price", lambda price, **_: price < 1, "ST must be below 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A leveraged position in YT; numbers, or arrays that broadcast together.

    Attributes
    ----------
    yt, st
        Signed balances, debt negative.
    margin
        ST set aside for it.
    margin_accrues
        Whether the margin token earns the yield (JLP) or not (SOL).
    """

    yt: Any
    st: Any
    margin: Any
    margin_accrues: bool


def trade_fee(yt: Any, price: Any, trading_fee: Any) -> Any:
    """Fee of a trade, ST: the fee times the ST notional ``|yt|*price`` (tokens.md 10)."""
    return evaluate(
        lambda xp, yt, price, trading_fee: xp.fabs(yt) * price * trading_fee,
        (not_negative("price"), _PRICE, share("trading_fee")),
        "raise",
        yt=yt,
        price=price,
        trading_fee=trading_fee,
    )


def equity(position: Position, price: Any) -> Any:
    """Value of a position with its margin at a price, ``M + s + x*P`` ST (tokens.md 10)."""
    return evaluate(
        lambda _xp, price, yt, st, margin: margin + st + yt * price,
        (_PRICE,),
        "raise",
        price=price,
        **balances(position),
    )


def collateral_ratio(position: Position, price: Any) -> Any:
    """Assets and margin over what is owed: long ``(x*P + M)/|s|``, short ``(s + M)/(|x|*P)`` (tokens.md 10).

    Parameters
    ----------
    position
        Long or short.
    price
        Spot or time-weighted price, below 1.

    Returns
    -------
    float or numpy.ndarray
        Ratio; infinite where nothing is owed.

    Raises
    ------
    DomainError
        A price of 1 or more, or a value that is not finite.
    """
    return evaluate(_collateral_ratio, (_PRICE,), "raise", finite=False, price=price, **balances(position))


def _collateral_ratio(xp: Any, price: Any, yt: Any, st: Any, margin: Any) -> Any:
    owed = where(xp, yt > 0, -st, -yt * price)
    assets = margin + where(xp, yt > 0, yt * price, st)
    return where(xp, owed > 0, ratio(xp, assets, owed, at_zero=math.inf), math.inf)


def balances(position: Position) -> dict[str, Any]:
    """Return the three balances of a position by name, as arguments of a formula."""
    return {"yt": position.yt, "st": position.st, "margin": position.margin}


def max_leverage(
    side: Side,
    *,
    cap: Any,
    initial_collateral_ratio: Any,
    maintenance_collateral_ratio: Any,
    trading_fee: Any,
    leverage_buffer: Any,
    twap: Any,
    spot: Any,
) -> Any:
    """Largest leverage at which a position may be opened (tokens.md 10).

    The least of the cap, the initial requirement at spot ``1/(ICR-1+f)`` and the maintenance requirement on
    the time-weighted price: with ``rho = TWAP/spot``, long ``1/(MCR*b - rho*(1-f))`` and short
    ``1/(MCR*b*rho - 1 + f)``. A requirement whose denominator is not positive does not bind.

    Parameters
    ----------
    side
        ``long`` or ``short``.
    cap
        Largest leverage the venue offers.
    initial_collateral_ratio, maintenance_collateral_ratio
        ICR and MCR, such as 1.10 and 1.05.
    trading_fee
        Fee f as a share of the ST notional.
    leverage_buffer
        Factor b on MCR.
    twap, spot
        Time-weighted and current price, ST per YT, above 0.

    Raises
    ------
    DomainError
        A value outside its domain, or an unknown side.
    """
    check_choice("side", side, ("long", "short"))

    terms = {
        "cap": cap,
        "initial_collateral_ratio": initial_collateral_ratio,
        "maintenance_collateral_ratio": maintenance_collateral_ratio,
        "leverage_buffer": leverage_buffer,
        "twap": twap,
        "spot": spot,
    }
    bounds = (*map(positive, terms), share("trading_fee"))
    formula = _max_long if side == "long" else _max_short
    return evaluate(formula, bounds, "raise", **terms, trading_fee=trading_fee)


def _max_long(xp: Any, twap: Any, spot: Any, trading_fee: Any, **terms: Any) -> Any:
    at_twap = _buffered(**terms) - twap / spot * (1.0 - trading_fee)
    return _least(xp, at_twap, trading_fee=trading_fee, **terms)


def _max_short(xp: Any, twap: Any, spot: Any, trading_fee: Any, **terms: Any) -> Any:
    at_twap = _buffered(**terms) * twap / spot - 1.0 + trading_fee
    return _least(xp, at_twap, trading_fee=trading_fee, **terms)


def _buffered(*, maintenance_collateral_ratio: Any, leverage_buffer: Any, **_: Any) -> Any:
    return maintenance_collateral_ratio * leverage_buffer


def _least(
    xp: Any, at_twap: Any, *, cap: Any, initial_collateral_ratio: Any, trading_fee: Any, **_: Any
) -> Any:
    limit = cap
    for denominator in (initial_collateral_ratio - 1.0 + trading_fee, at_twap):
        bound = where(xp, denominator > 0, ratio(xp, 1.0, denominator, at_zero=math.inf), math.inf)
        limit = where(xp, bound < limit, bound, limit)
    return limit


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWeightedPrice:
    """A price averaged over a window of time.

    Attributes
    ----------
    price
        Price of the mean implied yield at the current time to maturity.
    raw
        Mean of the prices in the window, which mixes two epochs where it straddles a settlement.
    """

    price: float
    raw: float


def time_weighted_price(
    implied_path: ArrayLike, tau_path: ArrayLike, *, durations: ArrayLike, tau: float
) -> TimeWeightedPrice:
    """Average a window of readings so that it may straddle a settlement (tokens.md 10).

    Parameters
    ----------
    implied_path, tau_path
        Implied yield and years to maturity of each reading, of shape (n,).
    durations
        How long each reading stood, in any one unit, above 0.
    tau
        Years to maturity now.

    Raises
    ------
    DomainError
        A value outside its domain.
    ExpiredError
        A ``tau`` below 0.
    """
    import numpy as np

    weights = checked("durations", durations, positive("durations"))
    return TimeWeightedPrice(
        price=yt_price(float(np.average(checked("implied_apy", implied_path), weights=weights)), tau),
        raw=float(np.average(yt_price(implied_path, tau_path), weights=weights)),
    )
