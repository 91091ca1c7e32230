"""Venues that list YT against ST: PT is reached by holding ST and selling YT (amm.md 1, tokens.md 3)."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.amm.base import HIGHEST_YIELD, LOWEST_YIELD, Side, check_share, check_state
from yieldtrade.amm.curve import CurveAmm
from yieldtrade.amm.fills import Leg
from yieldtrade.tokens.pricing import implied_yield_from_yt, yt_price

if TYPE_CHECKING:
    from yieldtrade.amm.base import Amount, Route


class Swap(NamedTuple):
    """A trade of YT against ST on the curve, without fee, and the venue after it."""

    yt: Amount
    st: Amount
    after: YtPoolAmm


class YtPoolAmm(CurveAmm):
    """A venue whose curve trades YT against ST, with a fee on the ST of either direction.

    The synthetic PT is one ST held against a short of ``1 - pt_management_fee`` YT. Its spot price is that of
    this package: the management fee belongs to the token, and the trading fee is the only cost of a trade.
    """

    __slots__ = ()

    trading_fee: float
    lp_fee_share: float
    pt_management_fee: float

    @property
    @abstractmethod
    def yt_spot(self) -> Amount:
        """Marginal price of YT in ST, without fee."""

    @abstractmethod
    def _swap(self, amount: Amount, *, rising: bool, in_st: bool) -> Swap:
        """Buy (rising) or sell YT: ``amount`` of YT, or of ST on the curve."""

    @abstractmethod
    def _yt_to_price(self, price: Amount, *, rising: bool) -> Amount:
        """Return the YT that moves the price to ``price``, as far as liquidity goes."""

    @abstractmethod
    def _end(self, *, rising: bool) -> tuple[float, str]:
        """Return the price at which liquidity ends and the name of that limit."""

    @property
    def implied_yield(self) -> Amount:
        """Implied yield, effective annual, fraction."""
        return implied_yield_from_yt(self.yt_spot, self.tau)

    @property
    def open_prices(self) -> tuple[float, float]:
        """YT prices at which liquidity without an end is taken to end."""
        # beyond a year the price at the highest yield would round to a whole ST
        return yt_price(LOWEST_YIELD, self.tau), yt_price(HIGHEST_YIELD, min(self.tau, 1.0))

    def _check_fees(self) -> None:
        check_share("trading_fee", self.trading_fee)
        check_share("pt_management_fee", self.pt_management_fee)
        check_state("lp_fee_share", self.lp_fee_share, highest=1.0)

    @property
    def _short_per_pt(self) -> float:
        return 1.0 - self.pt_management_fee

    def _fee_rate(self, side: Side) -> float:
        """Fee per ST on the curve; whoever buys YT pays ``gross/(1 - f)``."""
        return self.trading_fee / (1.0 - self.trading_fee) if side.raises_yield else self.trading_fee

    def _spot(self, *, pt: bool) -> Amount:
        return 1.0 - self._short_per_pt * self.yt_spot if pt else self.yt_spot

    def _leg(self, side: Side, units: Amount) -> Leg:
        yt = self._short_per_pt * units if side.is_pt else units
        swap = self._swap(yt, rising=side.raises_yield, in_st=False)
        fee = swap.st * self._fee_rate(side)
        gross = units - swap.st if side.is_pt else swap.st
        return Leg(gross, fee, fee * (1.0 - self.lp_fee_share), swap.after)

    def _limit(self, side: Side) -> tuple[Amount, Any]:
        end, binding = self._end(rising=side.raises_yield)
        # closing a PT pays less and less once a YT costs what its buyer gets back
        peak = (1.0 - self.trading_fee) / self._short_per_pt
        if side is Side.SELL_PT and peak < end:
            end, binding = peak, "proceeds_peak"
        return self._tokens(side, self._yt_to_price(end, rising=side.raises_yield)), binding

    def _tokens(self, side: Side, yt: Amount) -> Amount:
        return yt / self._short_per_pt if side.is_pt else yt

    def _units_for_yield(self, side: Side, target: Amount) -> Amount:
        yt = self._yt_to_price(yt_price(target, self.tau), rising=side.raises_yield)
        return self._tokens(side, yt)

    def _units_for_st(self, side: Side, st: Amount) -> Amount:
        if side.is_pt:
            return self._search_units_for_st(side, st)
        rate = self._fee_rate(side)
        curve_st = st / (1.0 + rate) if side.is_buy else st / (1.0 - rate)
        return self._swap(curve_st, rising=side.raises_yield, in_st=True).yt

    def _route(self, side: Side) -> Route:
        return "synthetic" if side.is_pt else "native"
