"""Concentrated liquidity in rate space of the Exponent type (amm.md 8).

The pool's coordinate is ``u = 1 + implied APY``. With liquidity L, u rises by ``n/L`` when n PT are sold, for
``L * integral of u^-tau du`` ST. The venue writes that integral in a form that is singular at one year to
maturity; the one used here is smooth there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from yieldtrade.amm.base import Side, check_moments, check_reserve, check_state
from yieldtrade.amm.curve import CurveAmm
from yieldtrade.amm.fills import Leg
from yieldtrade.amm.ranges import Segment, cut
from yieldtrade.amm.solve import larger, namespace, pick, smaller
from yieldtrade.conventions import year_fraction
from yieldtrade.elementwise import Bound, Number, evaluate
from yieldtrade.errors import DomainError

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from yieldtrade.amm.base import Amount, Path, Route

# below this the quotient expm1(z)/z is replaced by its series, exact to the last digit there
SERIES_BELOW = 1e-5
# 32 seconds either side of one year, within which the venue's own form fails
SINGULAR_WITHIN = 1e-6
BASIS_POINTS = 10_000.0


@overload
def price_integral(u_from: Number, u_to: Number, tau: Number) -> float: ...
@overload
def price_integral(u_from: ArrayLike, u_to: ArrayLike, tau: ArrayLike) -> NDArray[np.float64]: ...
def price_integral(u_from: Any, u_to: Any, tau: Any) -> Any:
    """ST that one unit of liquidity pays between two rates, the integral of ``u^-tau`` (amm.md 8).

    Parameters
    ----------
    u_from, u_to
        1 + implied APY, above 0; negative result where the second is lower.
    tau
        Years to maturity, 0 or more; one year is no exception.

    Returns
    -------
    float or numpy.ndarray
        ST per unit of liquidity.

    Raises
    ------
    DomainError
        Outside these domains.
    """
    return evaluate(
        lambda xp, u_from, u_to, tau: _integral(u_from, u_to - u_from, tau),
        (
            Bound("u_from", lambda u_from, **_: u_from > 0, "must be positive: 1 + implied APY"),
            Bound("u_to", lambda u_to, **_: u_to > 0, "must be positive: 1 + implied APY"),
            Bound("tau", lambda tau, **_: tau >= 0, "years to maturity: must be 0 or more"),
        ),
        "raise",
        u_from=u_from,
        u_to=u_to,
        tau=tau,
    )


def _integral(u: Amount, step: Amount, tau: Amount) -> Amount:
    """F(u, u + step), with all the digits of ``step``: ``u^h * l * phi1(h*l)``."""
    xp = namespace(u, step, tau)
    h, length = 1.0 - tau, xp.log1p(step / u)
    return xp.exp(h * xp.log(u)) * length * _phi1(h * length)


def _phi1(z: Amount) -> Amount:
    xp = namespace(z)
    near = abs(z) < SERIES_BELOW
    # 1 stands in for the argument where the series is taken
    ratio = pick(near, lambda: 1.0, z)
    return pick(near, lambda: 1.0 + z / 2.0 + z * z / 6.0, xp.expm1(ratio) / ratio)


def _step_for_st(u: Amount, st: Amount, tau: float) -> Amount:
    """Step of u that one unit of liquidity takes for ``st``, signed: the inverse of `_integral`."""
    xp = namespace(u, st)
    h = 1.0 - tau
    z = st * xp.exp(-h * xp.log(u))
    near = abs(h * z) < SERIES_BELOW
    inner = pick(near, lambda: 1.0, h * z)
    quotient = pick(near, lambda: 1.0 - h * z / 2.0 + (h * z) ** 2 / 3.0, xp.log1p(inner) / inner)
    return u * xp.expm1(z * quotient)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRange:
    """Liquidity between two implied yields, in PT per unit of yield."""

    lower_yield: float
    upper_yield: float
    liquidity: float

    def __post_init__(self) -> None:
        check_reserve("liquidity", self.liquidity)
        check_state("lower_yield", self.lower_yield)
        if not self.lower_yield < self.upper_yield < math.inf:
            raise DomainError(
                f"upper_yield = {self.upper_yield!r}: must be finite and above "
                f"lower_yield = {self.lower_yield!r}"
            )


class Walk(NamedTuple):
    """Where a trade along segments stands: rate reached, amount left, PT and ST moved so far."""

    u: Amount
    left: Amount
    pt: Amount
    st: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class RateClmmAmm(CurveAmm):
    """A pool of liquidity in rate space at one moment; T runs on the wall clock.

    Attributes
    ----------
    as_of, maturity
        Aware instants.
    u
        1 + implied APY, at least 1.
    ranges
        The liquidity.
    ln_fee_root
        Ln of the yearly fee factor; the fee is ``exp(ln_fee_root*T) - 1`` of what a trade pays out.
    treasury_bps
        The protocol's part of the fee, basis points.
    has_order_book
        Whether orders beside the pool may offer better prices.
    curve_path
        ``approx`` for a curve that stands in for a venue of which only the depth is known.
    """

    as_of: datetime
    maturity: datetime
    u: Amount
    ranges: tuple[RateRange, ...]
    ln_fee_root: float
    treasury_bps: float
    has_order_book: bool
    curve_path: Path = "float"

    def __post_init__(self) -> None:
        check_moments(self.as_of, self.maturity)
        check_state("u", self.u, lowest=1.0)
        check_state("ln_fee_root", self.ln_fee_root)
        check_state("treasury_bps", self.treasury_bps, highest=BASIS_POINTS)
        if not self.ranges:
            raise DomainError("ranges = (): a pool without liquidity has no price; state at least one range")
        if self.maturity > self.as_of and self.fee_rate >= 1.0:
            raise DomainError(f"ln_fee_root = {self.ln_fee_root!r}: the fee would take the whole trade")

    @property
    def tau(self) -> float:
        """Years to maturity."""
        return year_fraction(self.as_of, self.maturity)

    @property
    def implied_yield(self) -> Amount:
        """Implied yield, effective annual, fraction."""
        return self.u - 1.0

    @property
    def fee_rate(self) -> float:
        """Fee per unit paid out now."""
        return math.expm1(self.ln_fee_root * self.tau)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The liquidity cut into segments by rising rate, without gaps."""
        return cut(Segment(1.0 + r.lower_yield, 1.0 + r.upper_yield, r.liquidity) for r in self.ranges)

    @property
    def reserves(self) -> tuple[Amount, Amount]:
        """PT and ST that the pool holds."""
        pt = st = 0.0 * self.u
        for low, high, liquidity in self.segments:
            here = smaller(larger(self.u, low), high)
            pt = pt + liquidity * (here - low)
            st = st + liquidity * _integral(here, high - here, self.tau)
        return pt, st

    def at(self, now: datetime) -> RateClmmAmm:
        """Return the pool with the same liquidity and rate at another moment."""
        return replace(self, as_of=now)

    def _walk(self, amount: Amount, *, rising: bool, in_st: bool) -> Walk:
        """Trade ``amount`` of PT (or of ST) along the segments, jumping over gaps."""
        state = Walk(self.u, amount, 0.0 * amount, 0.0 * amount)
        for segment in self.segments if rising else reversed(self.segments):
            state = self._cross(segment, state, rising=rising, in_st=in_st)
        return state

    def _cross(self, segment: Segment, state: Walk, *, rising: bool, in_st: bool) -> Walk:
        low, high, liquidity = segment
        sign = 1.0 if rising else -1.0
        start = larger(state.u, low) if rising else smaller(state.u, high)
        span = larger(high - start if rising else start - low, 0.0)
        room = liquidity * (sign * _integral(start, sign * span, self.tau) if in_st else span)
        taken = smaller(state.left, room)
        within = (
            _step_for_st(start, sign * taken / liquidity, self.tau) if in_st else sign * taken / liquidity
        )
        full = state.left >= room
        step = pick(full, lambda: sign * span, within)
        pt = liquidity * sign * step
        st = taken if in_st else liquidity * sign * _integral(start, step, self.tau)
        end = pick(full, lambda: high if rising else low, start + step)
        moves = (span > 0) & (state.left > 0)
        return Walk(pick(moves, lambda: end, state.u), state.left - taken, state.pt + pt, state.st + st)

    def _leg(self, side: Side, units: Amount) -> Leg:
        fee_rate = self.fee_rate
        curve_pt = self._curve_pt(side, units)
        end = self._walk(curve_pt, rising=side.raises_yield, in_st=False)
        after = replace(self, u=end.u)
        if side is Side.SELL_PT:
            gross, fee = end.st, fee_rate * end.st
        elif side is Side.BUY_PT:
            gross, fee = end.st * (1.0 - fee_rate), fee_rate * end.st
        elif side is Side.BUY_YT:
            gross, fee = units - end.st, fee_rate * units * self._spot(pt=False)
        else:
            share = self._flash_fee
            gross, fee = units - end.st * (1.0 - share), end.st * share
        return Leg(gross, fee, fee * (self.treasury_bps / BASIS_POINTS), after)

    @property
    def _flash_fee(self) -> Amount:
        """Fee of a YT sale per PT that the curve gives: the rate on the YT value before the trade."""
        return self.fee_rate * self._spot(pt=False)

    def _curve_pt(self, side: Side, units: Amount) -> Amount:
        """PT on the curve for ``units`` traded: purchases release the fee in PT as well."""
        if side.raises_yield:
            return units
        return units / (1.0 - (self.fee_rate if side is Side.BUY_PT else self._flash_fee))

    def _units(self, side: Side, curve_pt: Amount) -> Amount:
        if side.raises_yield:
            return curve_pt
        return curve_pt * (1.0 - (self.fee_rate if side is Side.BUY_PT else self._flash_fee))

    def _pt_to_rate(self, u: Amount, *, rising: bool) -> Amount:
        pt = 0.0 * (self.u + u)
        for low, high, liquidity in self.segments:
            a, b = (smaller(larger(rate, low), high) for rate in (self.u, u))
            pt = pt + liquidity * (b - a)
        return larger(pt if rising else -pt, 0.0)

    def _limit(self, side: Side) -> tuple[Amount, Any]:
        if side.raises_yield:
            return self._pt_to_rate(self.segments[-1].high, rising=True), "range_end"
        end, binding = self.segments[0].low, "range_end"
        if side is Side.SELL_YT:
            # u^-tau = 1 - fee share: from there a YT sold costs more PT than it redeems
            xp = namespace(self._flash_fee)
            peak = xp.exp(-xp.log1p(-self._flash_fee) / self.tau)
            binding = pick(peak > end, lambda: "proceeds_peak", binding)
            end = larger(peak, end)
        return self._units(side, self._pt_to_rate(end, rising=False)), binding

    def _units_for_yield(self, side: Side, target: Amount) -> Amount:
        return self._units(side, self._pt_to_rate(1.0 + target, rising=side.raises_yield))

    def _units_for_st(self, side: Side, st: Amount) -> Amount:
        if not side.is_pt:
            return self._search_units_for_st(side, st)
        curve_st = st / (1.0 - self.fee_rate) if side is Side.SELL_PT else st
        return self._units(side, self._walk(curve_st, rising=side.raises_yield, in_st=True).pt)

    def _route(self, side: Side) -> Route:
        return "native" if side.is_pt else "flash"

    def _path(self) -> Path:
        return self.curve_path

    def _warnings(self, _side: Side, _units: Amount) -> tuple[str, ...]:
        singular = ("venue_singular",) if abs(self.tau - 1.0) <= SINGULAR_WITHIN else ()
        return (*singular, "book_not_included") if self.has_order_book else singular
