"""Spreads between PT of one underlying: other maturities, other venues (tokens.md 14, amm.md 2).

ST is split into PT and YT of one contract, the PT sold and PT of the other contract bought; the YT is kept. At the
two maturities this pays what holding the ST would have paid, but for the time between them. The difference of the
prices is locked in at once; the yield between the maturities, received where the PT bought matures first and missed
where it matures last, stays a risk. Amounts are ST.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.amm.base import Side
from yieldtrade.conventions import DAYS_PER_YEAR, growth_from_apy
from yieldtrade.elementwise import checked, evaluate, not_negative, positive, share
from yieldtrade.errors import ConvergenceError, DomainError
from yieldtrade.strategies.returns import annual_return
from yieldtrade.strategies.row import BreakEven

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from yieldtrade.amm.base import Fill
    from yieldtrade.strategies.inputs import Scenario
    from yieldtrade.tokens.curve import ImpliedYieldCurve
    from yieldtrade.tokens.curve_nodes import CurveNode

ForwardRisk: TypeAlias = Literal["none", "received", "missed"]
Quoter: TypeAlias = "Callable[[str, Side, float], Fill]"
"""Prices a trade of a number of PT of a named contract."""

ST = "ST"
# Settled APYs among which the break-even is looked for, and how many.
LOWEST_APY, HIGHEST_APY, SCANNED = -0.9, 30.0, 400


class SpreadLeg(NamedTuple):
    """One PT of a spread: years to maturity, units, ST paid or received with fees, spot price and implied yield."""

    name: str
    tau: float
    units: float
    st: float
    spot: float
    implied_apy: float


def leg_of(name: str, tau: float, fill: Fill) -> SpreadLeg:
    """Return the leg of a fill of PT.

    Raises
    ------
    DomainError
        The fill is one of YT.
    """
    if not fill.side.is_pt:
        raise DomainError(f"{name} is a fill of {fill.side!s}: a leg buys or sells PT")
    return SpreadLeg(name, tau, fill.units, fill.st_amount, fill.spot_before, fill.pre_trade_yield)


def st_leg(units: float) -> SpreadLeg:
    """Return the leg that keeps ST where an earlier PT would be bought: a PT that matures now."""
    return SpreadLeg(ST, 0.0, units, units, 1.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarSpread:
    """PT of one contract bought, PT of another minted and sold, and its YT kept to maturity.

    Parameters
    ----------
    buy, sell
        The legs, of equal units.
    yield_fee
        Share of the YT's yield that its venue keeps.
    conversion_cost
        Share of the ST lost whenever it moves from one venue to the other; 0 where they use one token.
    gas_st
        Gas of the whole trade.

    Raises
    ------
    DomainError
        Legs of different sizes, or a value outside its range.
    """

    buy: SpreadLeg
    sell: SpreadLeg
    yield_fee: float = 0.0
    conversion_cost: float = 0.0
    gas_st: float = 0.0

    def __post_init__(self) -> None:
        for leg in (self.buy, self.sell):
            evaluate(
                lambda _xp, **_: 0.0,
                (positive("units"), not_negative("tau"), not_negative("st")),
                "raise",
                units=leg.units,
                tau=leg.tau,
                st=leg.st,
            )
        if self.buy.units != self.sell.units:
            raise DomainError(
                f"{self.buy.units!r} PT are bought and {self.sell.units!r} sold: the legs must be equal"
            )
        if self.horizon == 0:
            raise DomainError("both legs mature now: there is nothing between them")
        for name in ("yield_fee", "conversion_cost"):
            checked(name, getattr(self, name), share(name))
        checked("gas_st", self.gas_st, not_negative("gas_st"))

    @property
    def horizon(self) -> float:
        """Years to the later maturity T, at which the profit is counted."""
        return max(self.buy.tau, self.sell.tau)

    @property
    def locked_st(self) -> float:
        """What is in hand at once, ST: sold less bought, conversion and gas paid."""
        return self.sell.st - self.buy.st / (1.0 - self.conversion_cost) - self.gas_st

    @property
    def risk_years(self) -> float:
        """Time between the maturities, whose yield stays a risk."""
        return abs(self.sell.tau - self.buy.tau)

    @property
    def forward_risk(self) -> ForwardRisk:
        """Whether the yield between the maturities is received, missed, or there is none."""
        if self.risk_years == 0:
            return "none"
        return "received" if self.buy.tau < self.sell.tau else "missed"

    @property
    def implied_forward(self) -> float | None:
        """Forward yield between the maturities at the executed prices; None for one maturity or a price of 0.

        Without costs, a PT bought first gains above it and a PT bought last below it.
        """
        (early, late) = sorted((self.buy, self.sell), key=lambda leg: leg.tau)
        if self.risk_years == 0 or not (early.st > 0 and late.st > 0):
            return None
        return math.expm1(math.log(early.st / late.st) / self.risk_years)

    @property
    def capital(self) -> float:
        """ST needed at the beginning: the ST that is split, less what is locked in."""
        return self.buy.units - self.locked_st

    def pnl(self, scenario: Scenario) -> Any:
        """Profit at the later maturity over holding the ST that is split; of settled_apy and redemption_factor.

        ``locked*G(T) + N*((1-phi)*(G(Ts)-1)*G(T-Ts) + R*(1-c)*G(T-Tb) - G(T))`` with the growth G of one ST.
        """
        g, units = self._growths(scenario.settled_apy), self.buy.units
        held = (1.0 - self.yield_fee) * g["sell"] * (1.0 + g["after_sell"])
        redeemed = scenario.redemption_factor * (1.0 - self.conversion_cost) * (1.0 + g["after_buy"])
        return self.locked_st * (1.0 + g["all"]) + units * (held + redeemed - 1.0 - g["all"])

    def gradient(self, scenario: Scenario) -> Mapping[str, float]:
        """Derivatives of the profit."""
        g, d, units = self._growths(scenario.settled_apy), self._slopes(scenario.settled_apy), self.buy.units
        kept = 1.0 - self.conversion_cost
        held = d["sell"] * (1.0 + g["after_sell"]) + g["sell"] * d["after_sell"]
        slope = (1.0 - self.yield_fee) * held + scenario.redemption_factor * kept * d["after_buy"] - d["all"]
        return {
            "settled_apy": self.locked_st * d["all"] + units * slope,
            "redemption_factor": units * kept * (1.0 + g["after_buy"]),
        }

    def net_apy(self, scenario: Scenario) -> Any:
        """Profit over the capital as an annual rate: what the spread adds to holding the ST."""
        return annual_return(self.pnl(scenario) / self.capital, self.horizon)

    def naive(self) -> float:
        """Figure that most screens show: implied yield bought less implied yield sold."""
        return self.buy.implied_apy - self.sell.implied_apy

    def decomposition(self, scenario: Scenario) -> dict[str, Any]:
        """Profit by cause; the parts add up to ``pnl``."""
        g, units, c = self._growths(scenario.settled_apy), self.buy.units, self.conversion_cost
        factor, later = scenario.redemption_factor, 1.0 + g["after_buy"]
        received = g["sell"] * (1.0 + g["after_sell"])
        return {
            "spot_gap": units * (self.sell.spot - self.buy.spot),
            "impact_and_fees": self.sell.st - units * self.sell.spot - (self.buy.st - units * self.buy.spot),
            "conversion": -self.buy.st * c / (1.0 - c) - units * factor * c * later,
            "gas": -self.gas_st,
            "growth_of_locked": self.locked_st * g["all"],
            "forward": units * (received + g["after_buy"] - g["all"]),
            "yield_fee": -self.yield_fee * units * received,
            "redemption": units * (factor - 1.0) * later,
        }

    def break_evens(self, scenario: Scenario) -> dict[str, BreakEven]:
        """Settled APY, even over the time to the later maturity, at which nothing is gained (strategies.md 5)."""
        return {"settled_apy": self._break_even_settled(scenario)}

    def _break_even_settled(self, scenario: Scenario) -> BreakEven:
        """Root nearest to 0 of the settled APYs looked at."""
        from dataclasses import replace

        import numpy as np
        from scipy.optimize import brentq

        def gain(apy: Any) -> Any:
            return self.pnl(replace(scenario, settled_apy=apy))

        apys = np.expm1(np.linspace(math.log1p(LOWEST_APY), math.log1p(HIGHEST_APY), SCANNED))
        gains = gain(apys)
        changes = np.flatnonzero((gains[:-1] >= 0) != (gains[1:] >= 0))
        if changes.size == 0:
            always = bool(gains[0] >= 0)
            words = "gains" if always else "loses"
            reason = f"it {words} at every settled APY from {LOWEST_APY:.0%} to {HIGHEST_APY:.0%}"
            return BreakEven(None, "always" if always else "never", reason)
        k = int(changes[np.abs(apys[changes]).argmin()])
        root, how = brentq(gain, apys[k], apys[k + 1], xtol=1e-14, full_output=True, disp=False)
        if not how.converged:
            raise ConvergenceError(f"break-even settled APY: {how.flag} after {how.iterations} steps")
        side = "above" if gains[k + 1] >= 0 else "below"
        return BreakEven(float(root), "value", f"it gains {side} this", iterations=int(how.iterations))

    def _times(self) -> dict[str, float]:
        T = self.horizon
        return {
            "all": T,
            "sell": self.sell.tau,
            "after_sell": T - self.sell.tau,
            "after_buy": T - self.buy.tau,
        }

    def _growths(self, apy: Any) -> dict[str, Any]:
        return {name: growth_from_apy(apy, t) for name, t in self._times().items()}

    def _slopes(self, apy: float) -> dict[str, float]:
        return {name: t * (1.0 + apy) ** (t - 1.0) for name, t in self._times().items()}


def curve_spreads(
    curve: ImpliedYieldCurve,
    units: float,
    quote: Quoter,
    *,
    tol: float,
    yield_fee: float = 0.0,
    gas_st: float = 0.0,
) -> tuple[CalendarSpread, ...]:
    """Return the spread of every pair of which the later PT costs more than the earlier (tokens.md 14).

    Parameters
    ----------
    curve
        Prices of one venue; see :meth:`yieldtrade.tokens.curve.ImpliedYieldCurve.check_no_arbitrage`.
    units
        PT of each leg, above 0.
    quote
        Prices the legs at that size, by the name of the node.
    tol
        Difference of the spot prices that is not looked at, ST per PT.
    yield_fee, gas_st
        See `CalendarSpread`.
    """
    taus = {node.name: node.tau for node in curve.nodes}

    def leg(name: str, side: Side) -> SpreadLeg:
        return st_leg(units) if name == ST else leg_of(name, taus[name], quote(name, side, units))

    return tuple(
        CalendarSpread(
            buy=leg(found.earlier, Side.BUY_PT),
            sell=leg(found.later, Side.SELL_PT),
            yield_fee=yield_fee,
            gas_st=gas_st,
        )
        for found in curve.check_no_arbitrage(tol=tol)
    )


class VenuePair(NamedTuple):
    """PT of one underlying at two venues, near in maturity: where the yield is higher, and where lower."""

    buy_venue: str
    buy: CurveNode
    sell_venue: str
    sell: CurveNode
    yield_gap: float
    days_apart: float


def venue_pairs(curves: Mapping[str, ImpliedYieldCurve], *, max_days_apart: float) -> tuple[VenuePair, ...]:
    """Return the pairs of PT of one underlying at different venues, largest difference of yields first.

    Parameters
    ----------
    curves
        Curve of the underlying at each venue, all of one moment.
    max_days_apart
        Most days between the maturities, 0 or more.

    Raises
    ------
    DomainError
        Curves of different moments, or a number of days below 0.
    """
    most = checked("max_days_apart", max_days_apart, not_negative("max_days_apart"))
    if len({curve.as_of for curve in curves.values()}) > 1:
        raise DomainError("curves of different moments: build them all from one view")
    nodes = [(venue, node) for venue in sorted(curves) for node in curves[venue].nodes]
    pairs = [
        VenuePair(v, x, w, y, x.implied_apy - y.implied_apy, abs(x.tau - y.tau) * DAYS_PER_YEAR)
        for v, x in nodes
        for w, y in nodes
        if v != w and x.implied_apy > y.implied_apy
    ]
    near = [pair for pair in pairs if pair.days_apart <= most]
    return tuple(sorted(near, key=lambda pair: -pair.yield_gap))
