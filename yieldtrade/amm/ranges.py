"""Ticks, ranges and segments of concentrated liquidity, and the walk of a trade along them (amm.md 7)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.amm.base import check_reserve
from yieldtrade.amm.solve import larger, pick, smaller
from yieldtrade.elementwise import evaluate
from yieldtrade.errors import DomainError
from yieldtrade.tokens.pricing import yt_price

if TYPE_CHECKING:
    from collections.abc import Iterable

    from yieldtrade.amm.base import Amount

# ln 1.0001: a tick is a step of one basis point in price
LN_TICK = math.log1p(1e-4)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidityRange:
    """Liquidity between two prices.

    Attributes
    ----------
    liquidity
        L, in ST^0.5 YT^0.5.
    lower_sqrt, upper_sqrt
        Square roots of the YT prices between which it works; 0 and infinity leave an end open.
    lower_yield, upper_yield
        The yields that define the range, from which it is re-marked at settlements; None where only prices
        are known.
    """

    liquidity: float
    lower_sqrt: float
    upper_sqrt: float
    lower_yield: float | None = None
    upper_yield: float | None = None

    def __post_init__(self) -> None:
        check_reserve("liquidity", self.liquidity)
        if not 0.0 <= self.lower_sqrt < self.upper_sqrt:
            raise DomainError(
                f"lower_sqrt = {self.lower_sqrt!r}: the lower end must be 0 or more and below "
                f"upper_sqrt = {self.upper_sqrt!r}"
            )


def tick_from_yield(implied_apy: Amount, tau: Amount) -> Any:
    """Tick at or below the YT price of a yield, ``floor(ln P / ln 1.0001)`` (amm.md 7).

    Parameters
    ----------
    implied_apy
        Yield, effective annual, fraction above 0.
    tau
        Years to maturity, above 0.

    Returns
    -------
    int, or an array of whole numbers

    Raises
    ------
    DomainError
        A yield without a positive YT price.
    """
    price = yt_price(implied_apy, tau)
    check_reserve("YT price", price)
    ticks = evaluate(lambda xp, price: xp.floor(xp.log(price) / LN_TICK), (), "raise", price=price)
    return int(ticks) if isinstance(ticks, float) else ticks


def range_from_ticks(lower_tick: int, upper_tick: int, liquidity: float) -> LiquidityRange:
    """Build a range from two ticks; it has no yields and cannot be re-marked."""
    return LiquidityRange(
        liquidity=liquidity, lower_sqrt=_sqrt_at(lower_tick), upper_sqrt=_sqrt_at(upper_tick)
    )


def range_from_yields(
    lower_yield: float, upper_yield: float, liquidity: float, tau: float, tick_spacing: int
) -> LiquidityRange:
    """Build a range from two yields, rounded outwards to usable ticks (amm.md 7).

    Parameters
    ----------
    lower_yield, upper_yield
        Effective annual, fractions, above 0.
    liquidity
        L, in ST^0.5 YT^0.5.
    tau
        Years to maturity on the venue's clock.
    tick_spacing
        Every how many ticks a range may end.

    Raises
    ------
    DomainError
        Yields out of order, no liquidity, or a spacing that is not a positive whole number.
    """
    if isinstance(tick_spacing, bool) or not isinstance(tick_spacing, int) or tick_spacing < 1:
        raise DomainError(f"tick_spacing = {tick_spacing!r}: a whole number of 1 or more is required")
    if not lower_yield < upper_yield:
        raise DomainError(f"lower_yield = {lower_yield!r} must be below upper_yield = {upper_yield!r}")
    lower = tick_from_yield(lower_yield, tau) // tick_spacing
    upper = -(-tick_from_yield(upper_yield, tau) // tick_spacing)
    ticks = range_from_ticks(lower * tick_spacing, upper * tick_spacing, liquidity)
    return replace(ticks, lower_yield=lower_yield, upper_yield=upper_yield)


def _sqrt_at(tick: int) -> float:
    return math.exp(tick / 2.0 * LN_TICK)


class Segment(NamedTuple):
    """Two points of a curve's coordinate between which the liquidity is the same."""

    low: float
    high: float
    liquidity: float


def cut(pieces: Iterable[Segment]) -> tuple[Segment, ...]:
    """Cut overlapping pieces into segments by rising coordinate, leaving out gaps without liquidity."""
    pieces = tuple(pieces)
    bounds = sorted({bound for piece in pieces for bound in (piece.low, piece.high)})
    segments = (
        Segment(a, b, math.fsum(piece.liquidity for piece in pieces if piece.low <= a and b <= piece.high))
        for a, b in pairwise(bounds)
    )
    return tuple(segment for segment in segments if segment.liquidity > 0)


class Walk(NamedTuple):
    """Where a trade along segments stands: price reached, amount left to trade, YT and ST moved so far."""

    sqrt_price: Amount
    left: Amount
    yt: Amount
    st: Amount


def walk(
    segments: tuple[Segment, ...], sqrt_price: Amount, amount: Amount, *, rising: bool, in_st: bool
) -> Walk:
    """Trade ``amount`` of YT (or of ST) along the segments, jumping over gaps.

    YT and ST are formed from the amount itself, never from a difference of prices, so that small trades keep
    all their digits.
    """
    state = Walk(sqrt_price, amount, 0.0 * amount, 0.0 * amount)
    for segment in segments if rising else reversed(segments):
        state = _cross(segment, state, rising=rising, in_st=in_st)
    return state


def _cross(segment: Segment, state: Walk, *, rising: bool, in_st: bool) -> Walk:
    liquidity, left = segment.liquidity, state.left
    if rising:
        start, bound = larger(state.sqrt_price, segment.low), segment.high
        span = larger(bound - start, 0.0)
    else:
        start, bound = smaller(state.sqrt_price, segment.high), segment.low
        span = larger(start - bound, 0.0)
    room_st = liquidity * span
    room = room_st if in_st else room_st / (start * bound)
    taken = smaller(left, room)
    if in_st:
        shift = taken / liquidity
        within = start + shift if rising else start - shift
    else:
        shift = taken * start / liquidity
        within = start / (1.0 - shift) if rising else start / (1.0 + shift)
    end = pick(left >= room, lambda: bound, within)
    yt = taken / (start * end) if in_st else taken
    st = taken if in_st else taken * start * end
    moves = (span > 0) & (left > 0)
    return Walk(pick(moves, lambda: end, state.sqrt_price), left - taken, state.yt + yt, state.st + st)


def yt_between(segments: tuple[Segment, ...], from_sqrt: Amount, to_sqrt: Amount) -> Amount:
    """YT that changes hands between two prices, positive where the second is higher."""
    total = 0.0 * (from_sqrt + to_sqrt)
    for low, high, liquidity in segments:
        a, b = (smaller(larger(sqrt, low), high) for sqrt in (from_sqrt, to_sqrt))
        total = total + liquidity * (b - a) / (a * b)
    return total
