"""PT spread: PT bought at one implied yield and sold before maturity at another (strategies.md 4.4).

Money and prices are in ST; the USD value of an ST follows its underlying. There is no debt, so nothing
liquidates. Before maturity the implied yield at exit is the only risk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.conventions import growth_from_apy
from yieldtrade.elementwise import Bound, checked, evaluate, not_negative, positive, share
from yieldtrade.errors import DomainError
from yieldtrade.strategies.returns import annual_return
from yieldtrade.strategies.risk import normal_below
from yieldtrade.strategies.roots import cost_recovered, rate_limit
from yieldtrade.strategies.row import BreakEven
from yieldtrade.tokens.pricing import pt_price

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yieldtrade.strategies.inputs import Scenario

DOMAIN = (
    positive("implied_apy"),
    positive("tau"),
    Bound("hold", lambda hold, tau, **_: (hold > 0) & (hold <= tau), "must be above 0 and at most tau"),
    share("entry_cost"),
    share("exit_cost"),
    positive("equity"),
)


class SpreadFactors(NamedTuple):
    """What a return is made of, ``(1 + carry)(1 + yield_move)(1 - costs) - 1``; at maturity the move is ``R - 1``."""

    carry: Any
    yield_move: Any
    costs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalSpread:
    """A PT held for a while.

    Parameters
    ----------
    implied_apy
        Implied yield y0 at entry, above 0.
    tau
        Years to maturity at entry, above 0.
    hold
        Years t after which it is sold, above 0; ``tau`` redeems it.
    entry_cost, exit_cost
        Share of the PT's value lost when buying, ``P_exec = P(1 + c)``, and when selling or redeeming.
    equity
        Own capital E, ST.

    Raises
    ------
    DomainError
        A value outside its range.
    """

    implied_apy: float
    tau: float
    hold: float
    entry_cost: float = 0.0
    exit_cost: float = 0.0
    equity: float = 1.0
    mid_price: float = field(init=False)
    execution_price: float = field(init=False)
    units: float = field(init=False)

    def __post_init__(self) -> None:
        names = ("implied_apy", "tau", "hold", "entry_cost", "exit_cost", "equity")
        evaluate(lambda _xp, **_: 0.0, DOMAIN, "raise", **{name: getattr(self, name) for name in names})
        price = pt_price(self.implied_apy, self.tau)
        executed = price * (1.0 + self.entry_cost)
        object.__setattr__(self, "mid_price", price)
        object.__setattr__(self, "execution_price", executed)
        object.__setattr__(self, "units", self.equity / executed)

    @property
    def exit_tau(self) -> float:
        """Years to maturity at exit; 0 where the PT is redeemed."""
        return self.tau - self.hold

    @property
    def to_maturity(self) -> bool:
        """Whether the PT is redeemed rather than sold."""
        return self.exit_tau == 0

    def exit_value(self, scenario: Scenario) -> Any:
        """ST that one PT brings before costs: its price, or the redemption factor R at maturity."""
        if self.to_maturity:
            return checked("redemption_factor", scenario.redemption_factor, not_negative("redemption_factor"))
        return pt_price(scenario.exit_implied, self.exit_tau)

    def pnl(self, scenario: Scenario) -> Any:
        """Profit in ST, ``N*P1*(1-c) - E``; uses exit_implied or, at maturity, redemption_factor."""
        return self.units * self.exit_value(scenario) * (1.0 - self.exit_cost) - self.equity

    def gradient(self, scenario: Scenario) -> Mapping[str, float]:
        """Derivatives of the profit."""
        held = self.units * (1.0 - self.exit_cost)
        if self.to_maturity:
            return {"redemption_factor": held}
        slope = -self.exit_tau * self.exit_value(scenario) / (1.0 + scenario.exit_implied)
        return {"exit_implied": held * slope}

    def naive(self, scenario: Scenario) -> Any:
        """Figure that most screens show: the change of the mid price, a fraction over the holding period."""
        return self.exit_value(scenario) / self.mid_price - 1.0

    def net_apy(self, scenario: Scenario) -> Any:
        """Exact annual return, costs included."""
        return annual_return(self.pnl(scenario) / self.equity, self.hold)

    def factors(self, scenario: Scenario) -> SpreadFactors:
        """Carry, yield move and costs, whose product is the return."""
        unmoved = pt_price(self.implied_apy, self.exit_tau)
        return SpreadFactors(
            carry=unmoved / self.mid_price - 1.0,
            yield_move=self.exit_value(scenario) / unmoved - 1.0,
            costs=1.0 - (1.0 - self.exit_cost) / (1.0 + self.entry_cost),
        )

    def decomposition(self, scenario: Scenario) -> dict[str, Any]:
        """Profit by cause; the parts add up to ``pnl``."""
        unmoved, value = pt_price(self.implied_apy, self.exit_tau), self.exit_value(scenario)
        moved = self.units * (value - unmoved)
        return {
            "carry": self.units * (unmoved - self.mid_price),
            "yield_move": 0.0 * moved if self.to_maturity else moved,
            "redemption": moved if self.to_maturity else 0.0 * moved,
            "entry_cost": self.units * self.mid_price - self.equity,
            "exit_cost": -self.units * value * self.exit_cost,
        }

    def advantage(self, scenario: Scenario) -> Any:
        """ST more than from holding ST, whose growth is that of settled_apy."""
        return self.pnl(scenario) - self.equity * growth_from_apy(scenario.settled_apy, self.hold)

    def hold_to_maturity_apy(self, redemption_factor: float = 1.0) -> float:
        """Annual return of the same purchase redeemed at maturity without cost, ``(R/P_exec)^(1/tau) - 1``."""
        return annual_return(redemption_factor / self.execution_price - 1.0, self.tau)

    def reinvestment_apy(self, scenario: Scenario, redemption_factor: float = 1.0) -> Any:
        """APY that the proceeds must earn from the exit to maturity to match holding on.

        Raises
        ------
        DomainError
            Redeemed at maturity: no time is left to reinvest.
        """
        if self.to_maturity:
            raise DomainError(
                f"hold = {self.hold!r} redeems the PT: only a sale before maturity leaves time to reinvest"
            )
        proceeds = self.exit_value(scenario) * (1.0 - self.exit_cost)
        return annual_return(redemption_factor / proceeds - 1.0, self.exit_tau)

    def break_even_exit(self, wealth_ratio: float) -> BreakEven:
        """Exit implied yield that leaves ``h`` times the capital, ``(P_exec*h/(1-c))^(-1/(tau-t)) - 1``.

        Parameters
        ----------
        wealth_ratio
            h: 1 for the capital, G for what holding ST leaves, ``(1 + hurdle)^t``; above 0.
        """
        checked("wealth_ratio", wealth_ratio, positive("wealth_ratio"))
        price = self.execution_price * wealth_ratio / (1.0 - self.exit_cost)
        if self.to_maturity:
            reason = "held to maturity: the PT redeems 1 ST whatever the yield"
            return BreakEven(None, "always" if price <= 1 else "never", reason)
        return rate_limit(1.0 / price, self.exit_tau, "exit yield")

    def break_evens(
        self, settled_apy: float | None = None, hurdle_apy: float | None = None
    ) -> dict[str, BreakEven]:
        """Every break-even (strategies.md 5): against cash, against holding ST, against the hurdle, and days."""
        found = {
            "exit_implied": self.break_even_exit(1.0),
            "days": cost_recovered(
                self.execution_price / (self.mid_price * (1.0 - self.exit_cost)), self.implied_apy, self.tau
            ),
        }
        for name, rate in (("underlying", settled_apy), ("hurdle", hurdle_apy)):
            if rate is not None:
                found[f"exit_implied_{name}"] = self.break_even_exit(1.0 + growth_from_apy(rate, self.hold))
        return found

    def p_below(self, wealth_ratio: float, mean: float, sd: float) -> float:
        """Probability of ending with less than ``h`` times the capital, ``1 - Phi((y* - mean)/sd)``, exact.

        Parameters
        ----------
        wealth_ratio
            h, above 0; 1 gives the probability of loss.
        mean, sd
            Of the normal implied yield at exit; not used at maturity, which redeems 1 ST.
        """
        limit = self.break_even_exit(wealth_ratio)
        if limit.value is None:
            return 0.0 if limit.status == "always" else 1.0
        # above the limit the sale brings less: the yield's distance is mirrored
        return normal_below(-limit.value, -mean, sd)

    def p_loss(self, mean: float, sd: float) -> float:
        """Probability of a loss against cash for a normal exit yield."""
        return self.p_below(1.0, mean, sd)
