"""Re-marking of a YT/ST pool when interest settles (amm.md 7)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

from yieldtrade.amm.ranges import LiquidityRange, range_from_yields
from yieldtrade.conventions import iso, utc
from yieldtrade.errors import DomainError, ExpiredError
from yieldtrade.tokens.pricing import yt_price

if TYPE_CHECKING:
    from datetime import datetime

    from yieldtrade.amm.clmm import ClmmAmm

RemarkRule: TypeAlias = Literal["hold_yt", "hold_value", "hold_liquidity"]
RULES = get_args(RemarkRule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A settlement of a pool, in ST and YT.

    Attributes
    ----------
    amm
        The pool after it.
    distribution
        Yield on the YT and ST that the pool held.
    st_released
        ST that left the pool because its YT is worth less: ST held before less ST held after.
    reserve
        What the LPs' reserve receives: ``distribution + st_released``.
    st_before, st_after, yt_before, yt_after
        Holdings of the pool.
    """

    amm: ClmmAmm
    distribution: float
    st_released: float
    reserve: float
    st_before: float
    st_after: float
    yt_before: float
    yt_after: float


def remark(amm: ClmmAmm, now: datetime, *, growth: float = 0.0, rule: RemarkRule | None = None) -> Remark:
    """Carry a pool over a settlement at its closing yield.

    The yield stays; price and range bounds follow from it and the new T, ticks are rounded again. Liquidity
    follows the rule: ``hold_yt`` keeps the YT of each range (one without YT keeps what it would hold at its
    lower bound; one mostly in ST never takes more ST than it has), ``hold_value`` keeps the value of its
    holdings at the new price, ``hold_liquidity`` keeps L. The distribution goes to the reserve under every
    rule. Positions to be liquidated in the same settlement come after this.

    Parameters
    ----------
    amm
        The pool before it.
    now
        A moment in the interest period that begins.
    growth
        Growth of ST over the period that ended, fraction, not annualised.
    rule
        In place of the pool's own ``remark_rule``.

    Raises
    ------
    DomainError
        An unknown rule, growth of -1 or less, an earlier ``now``, a range known by prices only.
    ExpiredError
        ``now`` at or after maturity: the pool is closed.
    """
    rule = amm.remark_rule if rule is None else rule
    if rule not in RULES:
        raise DomainError(f"rule = {rule!r}: allowed are {', '.join(RULES)}")
    if not (math.isfinite(growth) and growth > -1):
        raise DomainError(f"growth = {growth!r}: a finite fraction above -1 is required")
    if utc(now) >= utc(amm.maturity):
        raise ExpiredError(f"now = {iso(now)}: the pool closed at {iso(amm.maturity)}; use redemption_value")
    moved = replace(amm, as_of=now)
    if moved.epoch < amm.epoch:
        raise DomainError(
            f"now = {iso(now)} lies before the period of {iso(amm.epoch)}; re-mark forwards only"
        )
    if not isinstance(amm.sqrt_price, float):
        raise DomainError("sqrt_price holds many states: re-mark one pool at a time")
    priced = replace(moved, sqrt_price=math.sqrt(yt_price(amm.implied_yield, moved.tau)))
    after = replace(priced, ranges=tuple(_remark_range(old, amm, priced, rule) for old in amm.ranges))
    (yt_before, st_before), (yt_after, st_after) = amm.reserves, after.reserves
    distribution = growth * (yt_before + st_before)
    return Remark(
        amm=after,
        distribution=distribution,
        st_released=st_before - st_after,
        reserve=distribution + (st_before - st_after),
        st_before=st_before,
        st_after=st_after,
        yt_before=yt_before,
        yt_after=yt_after,
    )


def _remark_range(old: LiquidityRange, before: ClmmAmm, priced: ClmmAmm, rule: str) -> LiquidityRange:
    if old.lower_yield is None or old.upper_yield is None:
        raise DomainError(
            "a range known by its prices only cannot be re-marked; build it with range_from_yields"
        )
    new = range_from_yields(old.lower_yield, old.upper_yield, old.liquidity, priced.tau, priced.tick_spacing)
    if rule == "hold_liquidity":
        return new
    held, would_hold = _holdings(old, before.sqrt_price), _holdings(new, priced.sqrt_price)
    if rule == "hold_value":
        ratio = _value(held, priced.yt_spot) / _value(would_hold, priced.yt_spot)
    else:
        at_bounds = _holdings(old, old.lower_sqrt).yt / _holdings(new, new.lower_sqrt).yt
        ratio = held.yt / would_hold.yt if held.yt > 0 and would_hold.yt > 0 else at_bounds
        if held.st > held.yt * before.yt_spot:
            # the last YT of a range changes many times over when its end is rounded to another tick
            ratio = min(ratio, held.st / would_hold.st)
    return replace(new, liquidity=old.liquidity * ratio)


class Holdings(NamedTuple):
    """YT and ST of a range per unit of its liquidity."""

    yt: float
    st: float


def _value(held: Holdings, price: float) -> float:
    return held.st + held.yt * price


def _holdings(within: LiquidityRange, sqrt_price: float) -> Holdings:
    low, high = within.lower_sqrt, within.upper_sqrt
    here = min(max(sqrt_price, low), high)
    return Holdings((high - here) / (here * high), here - low)
