"""Fixed income: PT bought and held to maturity, directly or as ST against a short YT (strategies.md 4.3).

Money and prices are in ST; the USD value of an ST follows its underlying.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from yieldtrade.conventions import growth_from_apy
from yieldtrade.elementwise import check_choice, evaluate, not_negative, positive, share
from yieldtrade.strategies.returns import annual_return
from yieldtrade.strategies.risk import normal_below
from yieldtrade.strategies.roots import cost_recovered
from yieldtrade.strategies.row import BreakEven
from yieldtrade.tokens.pricing import pt_price, synthetic_pt_price, yt_price

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yieldtrade.strategies.inputs import Scenario

Route: TypeAlias = Literal["direct", "synthetic"]

POSITIVE = ("implied_apy", "tau", "equity")
SHARES = ("trading_fee", "management_fee", "swap_cost", "exit_cost")
DOMAIN = (*map(positive, POSITIVE), *map(share, SHARES))


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedIncome:
    """A PT held to maturity.

    Parameters
    ----------
    implied_apy
        Implied yield y at entry, above 0.
    tau
        Years to maturity, above 0.
    trading_fee
        Fee f as a share of the ST notional: of the PT bought, or of the YT sold short.
    route
        ``direct`` buys PT, ``P_exec = P(1+f)``; ``synthetic`` holds ST against a short of YT,
        ``P_exec = 1 - (1-m)(1-f)p``.
    management_fee
        Share m of the fixed yield kept by a venue of synthetic PT.
    swap_cost
        Share of the capital lost on the way into ST.
    exit_cost
        Share of the ST redeemed that is lost on the way out.
    equity
        Own capital E, ST.

    Raises
    ------
    DomainError
        A value outside its range.
    """

    implied_apy: float
    tau: float
    trading_fee: float
    route: Route = "direct"
    management_fee: float = 0.0
    swap_cost: float = 0.0
    exit_cost: float = 0.0
    equity: float = 1.0
    mid_price: float = field(init=False)
    execution_price: float = field(init=False)
    units: float = field(init=False)

    def __post_init__(self) -> None:
        check_choice("route", self.route, ("direct", "synthetic"))
        names = (*POSITIVE, *SHARES)
        evaluate(lambda _xp, **_: 0.0, DOMAIN, "raise", **{name: getattr(self, name) for name in names})
        price = pt_price(self.implied_apy, self.tau)
        cost = price * (1.0 + self.trading_fee)
        if self.route == "synthetic":
            cost = synthetic_pt_price(
                yt_price(self.implied_apy, self.tau),
                management_fee=self.management_fee,
                trading_fee=self.trading_fee,
            )
        executed = cost * (1.0 + self.swap_cost)
        object.__setattr__(self, "mid_price", price)
        object.__setattr__(self, "execution_price", executed)
        object.__setattr__(self, "units", self.equity / executed)

    def pnl(self, scenario: Scenario) -> Any:
        """Profit in ST against cash, ``N*R*(1-c) - E``; uses redemption_factor."""
        return evaluate(
            lambda _xp, R: self.units * R * (1.0 - self.exit_cost) - self.equity,
            (not_negative("R"),),
            "raise",
            R=scenario.redemption_factor,
        )

    def gradient(self, scenario: Scenario) -> Mapping[str, float]:  # noqa: ARG002 - linear: the same everywhere
        """Derivatives of the profit."""
        return {"redemption_factor": self.units * (1.0 - self.exit_cost)}

    def advantage(self, scenario: Scenario) -> Any:
        """ST more than from holding ST, ``N*R*(1-c) - E*G``; uses settled_apy too."""
        earned = self.equity * growth_from_apy(scenario.settled_apy, self.tau)
        return self.pnl(scenario) - earned

    def fixed_apy(self, scenario: Scenario) -> Any:
        """Return of the PT, ``(N*R*(1-c)/E)^(1/tau) - 1``: also the settled APY at which holding ST is as good."""
        return annual_return(self.pnl(scenario) / self.equity, self.tau)

    def naive(self) -> float:
        """Figure that most screens show: the mid implied yield."""
        return self.implied_apy

    def p_underlying_beats(self, scenario: Scenario, mean_apy: float, sd_apy: float) -> float:
        """Probability that holding ST returns more, ``1 - Phi((fixed_apy - mean)/sd)``."""
        return 1.0 - normal_below(float(self.fixed_apy(scenario)), mean_apy, sd_apy)

    def break_evens(self, scenario: Scenario) -> dict[str, BreakEven]:
        """Every break-even (strategies.md 5)."""
        return {
            "settled_apy": BreakEven(float(self.fixed_apy(scenario)), "value"),
            "days": self._break_even_days(),
        }

    def decomposition(self, scenario: Scenario) -> dict[str, float]:
        """Profit by cause; the parts add up to ``pnl``."""
        redeemed = self.units * scenario.redemption_factor
        return {
            "pt": redeemed - self.units * self.mid_price,
            "entry_cost": self.units * self.mid_price - self.equity,
            "exit_cost": -redeemed * self.exit_cost,
        }

    def _break_even_days(self) -> BreakEven:
        """Days until the PT is worth what it cost, ``P(y, tau - t) = P_exec``."""
        return cost_recovered(self.execution_price / self.mid_price, self.implied_apy, self.tau)
