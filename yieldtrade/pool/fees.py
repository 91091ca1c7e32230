"""Fees on opening and closing positions (pool.md 3); what they make is in `yieldtrade.pool.revenue`.

Every fee has two forms: continuous, in USD, over numbers or arrays; and exact, one at a time, in integers as the
program keeps them (USD in 1e-6, fees in whole bps). They differ by the program's rounding alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.conventions import utc
from yieldtrade.elementwise import (
    as_fields,
    check_choice,
    checked,
    evaluate,
    namespace,
    not_negative,
    positive,
    where,
)
from yieldtrade.errors import DomainError
from yieldtrade.pool.integers import BPS, MICRO, dceil, decimal, whole, whole_units
from yieldtrade.pool.parameters import TradeParameters
from yieldtrade.pool.revenue import (
    FeeKind,
    Publication,
    Revenue,
    fee_apr,
    lp_fee_share,
    pool_share,
    publication_times,
    revenue_example,
    trade_fee_revenue,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from yieldtrade.pool.state import PositionSide

__all__ = [
    "Cap",
    "FeeBreakdown",
    "FeeKind",
    "ImbalanceSign",
    "Publication",
    "Revenue",
    "Trade",
    "additive_impact_bps",
    "delta_imbalance",
    "fee_apr",
    "linear_impact_bps",
    "lp_fee_share",
    "open_close_fee",
    "pool_share",
    "publication_times",
    "revenue_example",
    "trade_fee_revenue",
]

Cap: TypeAlias = Literal["total", "impact"]
ImbalanceSign: TypeAlias = Literal["direction", "increase"]

# The program keeps the imbalance in this many one-second buckets.
WINDOW_SECONDS = 60

# An exact power is taken of exponents p/q of whole numbers up to this.
_EXPONENT_TERMS = 1_000

_ADDITIVE = ("threshold_usd", "factor_bps", "exponent")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeeBreakdown:
    """What an open or a close pays (pool.md 3).

    Attributes
    ----------
    base, linear, additive
        Its parts before the cap: USD, or in exact form 1e-6 USD rounded down.
    capped_by
        ``"total"`` or ``"impact"`` where that cap lowered the fee, else None (an empty text in an array).
    total_usd
        The fee: USD, or in exact form 1e-6 USD rounded up.
    total_bps
        The fee in bps of the size; whole in exact form; 0 for a size of 0.
    """

    base: Any
    linear: Any
    additive: Any
    capped_by: Any
    total_usd: Any
    total_bps: Any


def linear_impact_bps(size_usd: Any, params: Any, *, exact: bool = False) -> Any:
    """Linear price impact ``size/K``, in bps (pool.md 3).

    Parameters
    ----------
    size_usd
        Size of the trade, 0 or more; in exact form an integer in 1e-6 USD.
    params
        The market's `TradeParameters`, or K itself in USD, above 0.
    exact
        Round up to whole bps as the program does: ``dceil(size*1e4, K*1e6)``.

    Returns
    -------
    float, int or numpy.ndarray
        Bps; 0 where the market has no linear impact.

    Raises
    ------
    DomainError
        A value outside its domain; in exact form one that is not whole.
    """
    scalar = params.scalar_usd if isinstance(params, TradeParameters) else params
    if exact:
        size = whole("size_usd", size_usd, 0)
        return 0 if scalar is None else dceil(size * BPS, _scalar_units(scalar))
    if scalar is None:
        return 0.0 * checked("size_usd", size_usd, not_negative("size_usd"))
    return evaluate(
        lambda xp, size_usd, scalar_usd: size_usd / scalar_usd * BPS,
        (not_negative("size_usd"), positive("scalar_usd")),
        "raise",
        size_usd=size_usd,
        scalar_usd=scalar,
    )


def _scalar_units(scalar: Any) -> int:
    return whole_units("scalar_usd", checked("scalar_usd", scalar, positive("scalar_usd")), MICRO)


def additive_impact_bps(imbalance_usd: Any, params: TradeParameters, *, exact: bool = False) -> Any:
    """Additive price impact ``a*(|I|/theta)**e`` where |I| exceeds theta, else 0, in bps (pool.md 3).

    Parameters
    ----------
    imbalance_usd
        I of the market's last minute, this trade included, of either sign (`delta_imbalance`); in exact form an
        integer in 1e-6 USD.
    params
        The market's parameters; theta, a and e are its threshold, factor and exponent.
    exact
        Round up twice as the program does, ``dceil(ceil((|I|/theta)**e), fee_factor)``. Its fee factor is a
        whole divisor, the reciprocal of a in bps; the power is that of exact fractions.

    Returns
    -------
    float, int or numpy.ndarray
        Bps.

    Raises
    ------
    DomainError
        A value that is not finite; in exact form an imbalance that is not whole, a factor that is not 1/n, or an
        exponent that is no fraction of whole numbers up to 1,000.
    """
    if exact:
        return _exact_additive_bps(abs(whole("imbalance_usd", imbalance_usd)), params)
    if params.threshold_usd is None:
        return 0.0 * abs(checked("imbalance_usd", imbalance_usd))
    return evaluate(
        _additive_bps,
        (),
        "raise",
        imbalance_usd=imbalance_usd,
        **{name: getattr(params, name) for name in _ADDITIVE},
    )


def _additive_bps(xp: Any, imbalance_usd: Any, threshold_usd: Any, factor_bps: Any, exponent: Any) -> Any:
    distance = abs(imbalance_usd)
    return where(xp, distance > threshold_usd, factor_bps * (distance / threshold_usd) ** exponent, 0.0)


def _exact_additive_bps(distance: int, params: TradeParameters) -> int:
    if params.threshold_usd is None:
        return 0
    threshold = whole_units("threshold_usd", params.threshold_usd, MICRO)
    exponent, divisor = decimal("exponent", params.exponent), _fee_factor(params.factor_bps)
    if distance <= threshold or divisor is None:
        return 0
    return dceil(_ceil_power(Fraction(distance, threshold), exponent), divisor)


def _fee_factor(factor_bps: Any) -> int | None:
    """Return the program's divisor 1/a; None for a of 0, which switches the additive impact off."""
    factor = float(decimal("factor_bps", factor_bps))
    if not factor:
        return None
    divisor = round(1 / factor)
    if not divisor or 1 / divisor != factor:
        raise DomainError(
            f"factor_bps = {factor!r}: the program divides by a whole n; the exact form needs 1/n"
        )
    return divisor


def _ceil_power(base: Fraction, exponent: Fraction) -> int:
    """Return the least integer n with ``n**q >= base**p``, which is ``ceil(base**(p/q))``."""
    p, q = exponent.numerator, exponent.denominator
    if max(p, q) > _EXPONENT_TERMS:
        raise DomainError(
            f"exponent = {float(exponent)!r}: the exact form needs a fraction of whole numbers up to {_EXPONENT_TERMS}"
        )
    power = math.ceil(base**p)
    if q == 1:
        return power
    low, high = 0, 1 << (power.bit_length() // q + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if middle**q >= power else (middle, high)
    return high


def open_close_fee(
    size_usd: Any,
    imbalance_usd: Any,
    params: TradeParameters,
    exact: bool = False,  # noqa: FBT001, FBT002 - the fourth argument of pool.md 3
    *,
    cap: Cap = "total",
) -> FeeBreakdown:
    """Fee on opening or closing: base, linear and additive impact, capped (pool.md 3).

    Parameters
    ----------
    size_usd
        Size of the trade, 0 or more; in exact form an integer in 1e-6 USD.
    imbalance_usd
        I of the market's last minute, this trade included; in exact form an integer in 1e-6 USD.
    params
        The market's parameters; a part that is None is not charged.
    exact
        Compute in the program's integers, each impact rounded up to whole bps and the fee to 1e-6 USD.
    cap
        ``"total"``: the whole fee is limited while the additive part is active, as the program does;
        ``"impact"``: linear and additive together are always limited, as the documentation says.

    Returns
    -------
    FeeBreakdown
        The fee and its parts; all 0 for a size of 0.

    Raises
    ------
    DomainError
        A value outside its domain; in exact form one that is not whole.
    """
    check_choice("cap", cap, ("total", "impact"))
    if exact:
        return _exact_fee(size_usd, imbalance_usd, params, cap)
    return _continuous_fee(size_usd, imbalance_usd, params, cap)


def _continuous_fee(size_usd: Any, imbalance_usd: Any, params: TradeParameters, cap: Cap) -> FeeBreakdown:
    size = _size_of_all(size_usd, imbalance_usd, params)
    xp = namespace(size)
    bps = {
        "base": params.base_bps,
        "linear": linear_impact_bps(size, params),
        "additive": additive_impact_bps(imbalance_usd, params),
    }
    parts = {name: where(xp, size > 0, part, 0.0) for name, part in bps.items()}
    total_bps, over = _capped(xp, parts, params.cap_bps, cap)
    return FeeBreakdown(
        **as_fields(
            xp,
            **{name: _usd(size, part) for name, part in parts.items()},
            capped_by=where(xp, over, cap, None if xp is math else ""),
            total_usd=_usd(size, total_bps),
            total_bps=total_bps,
        )
    )


def _size_of_all(size_usd: Any, imbalance_usd: Any, params: TradeParameters) -> Any:
    """Return the size in the shape that all arguments and parameters broadcast to."""
    names = ("base_bps", "scalar_usd", *_ADDITIVE, "cap_bps")
    stated = {name: getattr(params, name) for name in names if getattr(params, name) is not None}
    return evaluate(
        lambda xp, size_usd, **_: size_usd,
        (not_negative("size_usd"),),
        "raise",
        size_usd=size_usd,
        imbalance_usd=imbalance_usd,
        **stated,
    )


def _usd(size_usd: Any, bps: Any) -> Any:
    return evaluate(lambda xp, size_usd, bps: size_usd * bps / BPS, (), "raise", size_usd=size_usd, bps=bps)


def _capped(xp: Any, parts: dict[str, Any], limit: Any, cap: Cap) -> tuple[Any, Any]:
    """Return the fee in bps, and whether the cap lowered it; for floats and integers alike."""
    base, impact = parts["base"], parts["linear"] + parts["additive"]
    if limit is None:
        return base + impact, False
    if cap == "impact":
        over = impact > limit
        return base + where(xp, over, limit, impact), over
    over = (parts["additive"] > 0) & (base + impact > limit)
    return where(xp, over, limit, base + impact), over


def _exact_fee(size_usd: Any, imbalance_usd: Any, params: TradeParameters, cap: Cap) -> FeeBreakdown:
    size = whole("size_usd", size_usd, 0)
    parts = {
        "base": whole_units("base_bps", params.base_bps, 1),
        "linear": linear_impact_bps(size, params, exact=True),
        "additive": additive_impact_bps(imbalance_usd, params, exact=True),
    }
    limit = None if params.cap_bps is None else whole_units("cap_bps", params.cap_bps, 1)
    if not size:
        parts = dict.fromkeys(parts, 0)
    total_bps, over = _capped(math, parts, limit, cap)
    return FeeBreakdown(
        **{name: size * bps // BPS for name, bps in parts.items()},
        capped_by=cap if over else None,
        total_usd=dceil(size * total_bps, BPS),
        total_bps=total_bps,
    )


class Trade(NamedTuple):
    """A trade on one market: an open (or increase) or a close of a long or a short, at a moment.

    ``at`` is an aware datetime or seconds since 1970; ``size_usd`` is 0 or more, whichever way it trades.
    """

    at: datetime | float
    side: PositionSide
    opens: bool
    size_usd: float


def delta_imbalance(
    trades: Iterable[Trade], at: datetime | float, sign: ImbalanceSign = "direction", *, exact: bool = False
) -> float:
    """Signed sum of the sizes traded on a market in its last 60 one-second buckets (pool.md 3).

    Parameters
    ----------
    trades
        Trades of one market in any order, the one to be charged included. Those in the seconds now-59 to now
        count; those after ``at`` do not.
    at
        Now: an aware datetime or seconds since 1970.
    sign
        ``"direction"``: opened longs and closed shorts count +, closed longs and opened shorts -;
        ``"increase"``: opens count + and closes -, whichever their side, as the venue's example code does.
    exact
        Sizes are integers in 1e-6 USD, and so is the sum.

    Returns
    -------
    float or int
        I in USD; 0 where nothing traded.

    Raises
    ------
    DomainError
        A size that is negative or not finite (not whole in exact form), an unknown side or sign, an ``opens``
        that is no boolean, or a moment without a time zone.
    """
    check_choice("sign", sign, ("direction", "increase"))
    now, signed = _seconds("at", at), []
    for i, trade in enumerate(trades):
        moment = _seconds(f"trades[{i}].at", trade.at)
        size = _signed_size(f"trades[{i}]", trade, sign, exact=exact)
        if moment <= now and math.floor(moment) > math.floor(now) - WINDOW_SECONDS:
            signed.append(size)
    return sum(signed) if exact else math.fsum(signed)


def _seconds(name: str, moment: datetime | float) -> float:
    if isinstance(moment, datetime):
        return utc(moment, name).timestamp()
    seconds = checked(name, moment)
    if not isinstance(seconds, float):
        raise DomainError(f"{name} holds an array; one moment is needed")
    return seconds


def _signed_size(name: str, trade: Trade, sign: ImbalanceSign, *, exact: bool) -> float:
    check_choice(f"{name}.side", trade.side, ("long", "short"))
    if not isinstance(trade.opens, bool):
        raise DomainError(f"{name}.opens = {trade.opens!r} must be True or False")
    label = f"{name}.size_usd"
    size = whole(label, trade.size_usd, 0) if exact else checked(label, trade.size_usd, not_negative(label))
    adds = trade.opens if sign == "increase" else trade.opens == (trade.side == "long")
    return size if adds else -size
