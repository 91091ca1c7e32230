"""Curves with a closed form: oracles in tests, stand-ins where only the depth is known (amm.md 9)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from yieldtrade.amm.base import HIGHEST_YIELD, Side, check_moments, check_reserve, check_share
from yieldtrade.amm.curve import CurveAmm
from yieldtrade.amm.fills import Leg
from yieldtrade.amm.rate_clmm import RateClmmAmm, RateRange
from yieldtrade.amm.solve import larger, namespace
from yieldtrade.amm.yt_pool import Swap, YtPoolAmm
from yieldtrade.conventions import year_fraction
from yieldtrade.errors import DomainError

if TYPE_CHECKING:
    from datetime import datetime

    from yieldtrade.amm.base import Amount, Route

# with that many times as much PT, what is left of the ST is lost in the rounding of what was there
HIGHEST_RESERVE_RATIO = 1e4


@dataclass(frozen=True, slots=True, kw_only=True)
class YieldSpaceAmm(CurveAmm):
    """A YieldSpace pool of PT and ST: ``x^a + y^a = k`` with ``a = 1 - T*time_stretch``.

    Its implied yield stays as time passes. Fees are kept apart from the reserves.

    Attributes
    ----------
    as_of, maturity
        Aware instants; T runs on the wall clock.
    st_reserve, pt_reserve
        x and y; the PT reserve includes the virtual part.
    time_stretch
        s, with ``T*s`` below 1.
    discount_fee
        Fee as a share of the discount, ``n - gross``.
    """

    as_of: datetime
    maturity: datetime
    st_reserve: Amount
    pt_reserve: Amount
    time_stretch: float
    discount_fee: float

    def __post_init__(self) -> None:
        check_moments(self.as_of, self.maturity)
        for name in ("st_reserve", "pt_reserve", "time_stretch"):
            check_reserve(name, getattr(self, name))
        check_share("discount_fee", self.discount_fee)
        if self.tau * self.time_stretch >= 1.0:
            raise DomainError(
                f"time_stretch = {self.time_stretch!r}: T*s must be below 1 with T = {self.tau!r} years"
            )

    @property
    def tau(self) -> float:
        """Years to maturity."""
        return year_fraction(self.as_of, self.maturity)

    @property
    def implied_yield(self) -> Amount:
        """Implied yield ``(y/x)^s - 1``, effective annual, fraction."""
        xp = namespace(self.st_reserve, self.pt_reserve)
        return xp.expm1(self.time_stretch * xp.log(self.pt_reserve / self.st_reserve))

    @property
    def _exponent(self) -> float:
        """A, the exponent of the invariant."""
        return 1.0 - self.tau * self.time_stretch

    @property
    def invariant(self) -> Amount:
        """K, the sum ``x^a + y^a``."""
        return self.st_reserve**self._exponent + self.pt_reserve**self._exponent

    def at(self, now: datetime) -> YieldSpaceAmm:
        """Return the pool with the same reserves at another moment."""
        return replace(self, as_of=now)

    def _st_for(self, pt_in: Amount) -> Amount:
        """ST that the pool pays for ``pt_in`` PT; both negative where it sells PT."""
        x, y, a = self.st_reserve, self.pt_reserve, self._exponent
        xp = namespace(pt_in, x, y)
        grown = (y / x) ** a * xp.expm1(a * xp.log1p(pt_in / y))
        return -x * xp.expm1(xp.log1p(-grown) / a)

    def _leg(self, side: Side, units: Amount) -> Leg:
        pt_in = units if side.raises_yield else -units
        paid = self._st_for(pt_in)
        value = abs(paid)
        discount = units - value
        after = replace(self, st_reserve=self.st_reserve - paid, pt_reserve=self.pt_reserve + pt_in)
        fee = self.discount_fee * discount
        return Leg(value if side.is_pt else discount, fee, 0.0 * fee, after)

    def _pt_to_ratio(self, ln_ratio: Amount) -> Amount:
        """PT that the pool takes in until its reserves are ``y/x = exp(ln_ratio)``; negative downwards."""
        xp = namespace(ln_ratio, self.st_reserve, self.pt_reserve)
        ratio = xp.exp(ln_ratio)
        x = (self.invariant / (1.0 + ratio**self._exponent)) ** (1.0 / self._exponent)
        return ratio * x - self.pt_reserve

    def _limit(self, side: Side) -> tuple[Amount, Any]:
        if not side.raises_yield:
            # equal reserves are a yield of 0 and a PT price of 1
            return larger(-self._pt_to_ratio(0.0), 0.0), "rate_floor"
        ln_ratio, binding = math.log(HIGHEST_RESERVE_RATIO), "reserve"
        if side is Side.SELL_PT and self.discount_fee > 0:
            # the PT price at which the fee on the growing discount takes all of a further PT
            peak = math.log1p(1.0 / self.discount_fee) / (self.tau * self.time_stretch)
            if peak < ln_ratio:
                ln_ratio, binding = peak, "proceeds_peak"
        return larger(self._pt_to_ratio(ln_ratio), 0.0), binding

    def _units_for_yield(self, side: Side, target: Amount) -> Amount:
        pt_in = self._pt_to_ratio(namespace(target).log1p(target) / self.time_stretch)
        return larger(pt_in if side.raises_yield else -pt_in, 0.0)

    def _route(self, side: Side) -> Route:
        return "native" if side.is_pt else "flash"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantProductAmm(YtPoolAmm):
    """A pool of YT and ST with ``S*Y = k``.

    Attributes
    ----------
    as_of, maturity
        Aware instants; T runs on the wall clock.
    st_reserve, yt_reserve
        S and Y; the YT price S/Y must be below 1.
    trading_fee, lp_fee_share
        Fee as a share of ST traded, and the LPs' part of it; kept apart from the reserves.
    pt_management_fee
        Share of YT that a synthetic PT does not get to sell.
    """

    as_of: datetime
    maturity: datetime
    st_reserve: Amount
    yt_reserve: Amount
    trading_fee: float
    lp_fee_share: float
    pt_management_fee: float = 0.0

    def __post_init__(self) -> None:
        check_moments(self.as_of, self.maturity)
        check_reserve("st_reserve", self.st_reserve)
        check_reserve("yt_reserve", self.yt_reserve)
        self._check_fees()

    @property
    def tau(self) -> float:
        """Years to maturity."""
        return year_fraction(self.as_of, self.maturity)

    @property
    def yt_spot(self) -> Amount:
        """Marginal price of YT in ST, without fee."""
        return self.st_reserve / self.yt_reserve

    def at(self, now: datetime) -> ConstantProductAmm:
        """Return the pool with the same reserves at another moment."""
        return replace(self, as_of=now)

    def _swap(self, amount: Amount, *, rising: bool, in_st: bool) -> Swap:
        s, y = self.st_reserve, self.yt_reserve
        sign = 1.0 if rising else -1.0
        # the other reserve follows from k, without a difference that could lose its digits
        if in_st:
            st_after = s + sign * amount
            yt, st, yt_after = amount * y / st_after, amount, s * (y / st_after)
        else:
            yt_after = y - sign * amount
            yt, st, st_after = amount, amount * s / yt_after, s * (y / yt_after)
        return Swap(yt, st, replace(self, st_reserve=st_after, yt_reserve=yt_after))

    def _yt_to_price(self, price: Amount, *, rising: bool) -> Amount:
        xp = namespace(price, self.st_reserve, self.yt_reserve)
        # k = S*Y; at the price P the pool holds sqrt(k/P) YT
        yt = self.yt_reserve - xp.sqrt(self.st_reserve / price) * xp.sqrt(self.yt_reserve)
        return larger(yt if rising else -yt, 0.0)

    def _end(self, *, rising: bool) -> tuple[float, str]:
        return self.open_prices[rising], "none"


def linear_yield_amm(
    *,
    implied_yield: float,
    yield_per_pt: float,
    as_of: datetime,
    maturity: datetime,
    ln_fee_root: float = 0.0,
    lower_yield: float = 0.0,
    upper_yield: float = HIGHEST_YIELD,
) -> RateClmmAmm:
    """Build a curve on which the implied yield moves by ``yield_per_pt`` for every PT traded.

    This is liquidity of ``1/yield_per_pt`` in one range of `RateClmmAmm`. It stands in for a venue of which
    only a depth such as "0.2 points for 10,000" is known; its fills say ``approx``.

    Parameters
    ----------
    implied_yield
        Now, effective annual, fraction.
    yield_per_pt
        Move of the yield per PT, fraction, above 0.
    as_of, maturity
        Aware instants.
    ln_fee_root
        Ln of the yearly fee factor.
    lower_yield, upper_yield
        Where the curve ends.

    Raises
    ------
    DomainError
        Outside these domains.
    """
    check_reserve("yield_per_pt", yield_per_pt)
    return RateClmmAmm(
        as_of=as_of,
        maturity=maturity,
        u=1.0 + implied_yield,
        ranges=(RateRange(lower_yield=lower_yield, upper_yield=upper_yield, liquidity=1.0 / yield_per_pt),),
        ln_fee_root=ln_fee_root,
        treasury_bps=0.0,
        has_order_book=False,
        curve_path="approx",
    )
