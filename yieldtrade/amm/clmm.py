"""Concentrated liquidity in YT/ST of the RateX type (amm.md 7).

The price is ST per YT and the pool keeps its square root. Ranges are given in yields; inside one with
liquidity L the pool holds ``L*(1/sqrt(P) - 1/sqrt(Pu))`` YT and ``L*(sqrt(P) - sqrt(Pl))`` ST.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from yieldtrade.amm.base import check_moments, check_reserve
from yieldtrade.amm.ranges import (
    LiquidityRange,
    Segment,
    cut,
    range_from_ticks,
    range_from_yields,
    tick_from_yield,
    walk,
    yt_between,
)
from yieldtrade.amm.remark import Remark, RemarkRule, remark
from yieldtrade.amm.solve import larger, namespace, smaller
from yieldtrade.amm.yt_pool import Swap, YtPoolAmm
from yieldtrade.conventions import epoch_start, utc, year_fraction
from yieldtrade.errors import DomainError

if TYPE_CHECKING:
    from datetime import datetime

    from yieldtrade.amm.base import Amount

__all__ = [
    "ClmmAmm",
    "LiquidityRange",
    "Remark",
    "RemarkRule",
    "range_from_ticks",
    "range_from_yields",
    "remark",
    "tick_from_yield",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClmmAmm(YtPoolAmm):
    """A pool of concentrated liquidity in YT/ST at one moment.

    Attributes
    ----------
    as_of, maturity
        Aware instants.
    epoch_anchor, epoch_seconds
        A settlement and the time between two of them; T runs from the last settlement and so moves in steps.
    sqrt_price
        Square root of the YT price in ST.
    ranges
        The liquidity.
    trading_fee, lp_fee_share
        Fee as a share of ST traded, and the LPs' part of it.
    pt_management_fee
        Share of YT that a synthetic PT does not get to sell.
    tick_spacing
        Every how many ticks a range may end.
    remark_rule
        What settlements do to the liquidity, see `remark`.
    """

    as_of: datetime
    maturity: datetime
    epoch_anchor: datetime
    epoch_seconds: float
    sqrt_price: Amount
    ranges: tuple[LiquidityRange, ...]
    trading_fee: float
    lp_fee_share: float
    pt_management_fee: float
    tick_spacing: int
    remark_rule: RemarkRule = "hold_yt"

    def __post_init__(self) -> None:
        check_moments(self.as_of, self.maturity)
        check_reserve("sqrt_price", self.sqrt_price)
        self._check_fees()
        if not self.ranges:
            raise DomainError("ranges = (): a pool without liquidity has no price; state at least one range")

    @property
    def epoch(self) -> datetime:
        """Start of the running interest period."""
        return epoch_start(self.as_of, self.epoch_anchor, self.epoch_seconds)

    @property
    def tau(self) -> float:
        """Years from the last settlement to maturity."""
        return year_fraction(self.epoch, self.maturity)

    @property
    def yt_spot(self) -> Amount:
        """Marginal price of YT in ST, without fee."""
        return self.sqrt_price * self.sqrt_price

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The liquidity cut into segments by rising square root price."""
        low, high = (math.sqrt(price) for price in self.open_prices)
        return cut(Segment(max(r.lower_sqrt, low), min(r.upper_sqrt, high), r.liquidity) for r in self.ranges)

    @property
    def reserves(self) -> tuple[Amount, Amount]:
        """YT and ST that the pool holds."""
        segments = self.segments
        yt = yt_between(segments, self.sqrt_price, segments[-1].high)
        st = 0.0 * yt
        for low, high, liquidity in segments:
            st = st + liquidity * (smaller(larger(self.sqrt_price, low), high) - low)
        return yt, st

    def at(self, now: datetime) -> ClmmAmm:
        """Return the pool at another moment, re-marked where a settlement lies between.

        No yield is distributed here; `remark` takes it and tells where the ST went.

        Raises
        ------
        DomainError
            ``now`` lies in an earlier interest period: settlements cannot be undone.
        """
        moved = replace(self, as_of=now)
        if utc(now) >= utc(self.maturity) or moved.epoch == self.epoch:
            return moved
        return remark(self, now).amm

    def _swap(self, amount: Amount, *, rising: bool, in_st: bool) -> Swap:
        end = walk(self.segments, self.sqrt_price, amount, rising=rising, in_st=in_st)
        return Swap(end.yt, end.st, replace(self, sqrt_price=end.sqrt_price))

    def _yt_to_price(self, price: Amount, *, rising: bool) -> Amount:
        sqrt = namespace(price).sqrt(price)
        yt = yt_between(self.segments, self.sqrt_price, sqrt)
        return larger(yt if rising else -yt, 0.0)

    def _end(self, *, rising: bool) -> tuple[float, str]:
        segments = self.segments
        end = segments[-1].high if rising else segments[0].low
        is_open = any((r.upper_sqrt > end) if rising else (r.lower_sqrt < end) for r in self.ranges)
        return end * end, "none" if is_open else "range_end"
