"""Levered PT: PT bought with own and borrowed money, lent against by a PT oracle (strategies.md 4.2, 2.5).

Money is in units of the debt at the entry price of the underlying, PT prices in ST; ``equity`` E is the own
capital, ``leverage`` L the spend multiple (value bought over own capital). Functions take numbers or arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from yieldtrade.conventions import DAYS_PER_YEAR
from yieldtrade.elementwise import Bound, evaluate, not_negative, positive, share
from yieldtrade.errors import DomainError
from yieldtrade.lending.leverage import check_ltv_limits, leverage_cap
from yieldtrade.strategies.inputs import Scenario, above_minus_one
from yieldtrade.strategies.returns import annual_return
from yieldtrade.strategies.risk import first_passage, passage_odds
from yieldtrade.strategies.roots import first_crossing, rate_limit
from yieldtrade.strategies.row import BreakEven
from yieldtrade.tokens.pricing import pt_price

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from yieldtrade.lending.oracle import PrincipalOracle


DOMAIN = (
    positive("implied_apy"),
    positive("tau"),
    Bound("leverage", lambda leverage, **_: leverage >= 1, "must be 1 or more"),
    positive("years"),
    share("entry_cost"),
    share("exit_cost"),
    positive("equity"),
)
_EQUITY_DOMAIN = (
    not_negative("N"),
    not_negative("D"),
    above_minus_one("borrow_apy"),
    not_negative("years"),
    not_negative("P"),
    not_negative("X"),
    share("exit_cost"),
)


def loop_equity(
    *,
    units: Any,
    debt: Any,
    borrow_apy: Any,
    years: Any,
    pt_value: Any,
    underlying_ratio: Any = 1.0,
    exit_cost: Any = 0.0,
) -> Any:
    """What is left after selling the PT and paying the debt, ``N*P*X*(1-c) - D*(1+b)^t`` (strategies.md 4.2).

    Parameters
    ----------
    units, debt
        PT held N and debt at entry D, 0 or more.
    borrow_apy
        Average borrow APY b, above -1.
    years
        Holding period t, 0 or more.
    pt_value
        ST that one PT brings at the end: its price before maturity, the redemption factor R after it.
    underlying_ratio
        Price of the underlying at the end over the price at entry, X.
    exit_cost
        Share c of the proceeds lost at exit.

    Raises
    ------
    DomainError
        A value outside its domain, or not finite.
    """
    return evaluate(
        lambda xp, N, D, borrow_apy, years, P, X, exit_cost: (
            N * P * X * (1.0 - exit_cost) - D * xp.exp(years * xp.log1p(borrow_apy))
        ),
        _EQUITY_DOMAIN,
        "raise",
        N=units,
        D=debt,
        borrow_apy=borrow_apy,
        years=years,
        P=pt_value,
        X=underlying_ratio,
        exit_cost=exit_cost,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeveragedPrincipalLoop:
    """A levered PT and what its lender thinks of it.

    Parameters
    ----------
    implied_apy
        Implied yield y at entry, above 0.
    tau
        Years to maturity at entry, above 0.
    leverage
        Spend multiple L, 1 or more.
    max_ltv, liquidation_ltv
        Loan to value up to which one may borrow, and from which one is liquidated.
    oracle
        What the lender counts a PT at.
    hold
        Years held; None to maturity, more than ``tau`` for a late close.
    entry_cost, exit_cost
        Share of the PT's value lost when buying, and when selling or redeeming.
    equity
        Own capital E.
    liquidation_loss
        Share of the capital lost in a liquidation.

    Raises
    ------
    DomainError
        A value outside its range, or a loan that is at its liquidation limit from the start.
    DataError
        A liquidation limit that is not above the borrowing limit.
    """

    implied_apy: float
    tau: float
    leverage: float
    max_ltv: float
    liquidation_ltv: float
    oracle: PrincipalOracle
    hold: float | None = None
    entry_cost: float = 0.0
    exit_cost: float = 0.0
    equity: float = 1.0
    liquidation_loss: float = 1.0
    mid_price: float = field(init=False)
    execution_price: float = field(init=False)
    oracle_price: float = field(init=False)
    units: float = field(init=False)
    debt: float = field(init=False)

    def __post_init__(self) -> None:
        evaluate(
            lambda _xp, **_: 0.0,
            DOMAIN,
            "raise",
            implied_apy=self.implied_apy,
            tau=self.tau,
            leverage=self.leverage,
            years=self.years,
            entry_cost=self.entry_cost,
            exit_cost=self.exit_cost,
            equity=self.equity,
        )
        check_ltv_limits(self.max_ltv, self.liquidation_ltv)
        self._derive()
        if self.debt > 0 and not self.ltv < self.liquidation_ltv:
            raise DomainError(
                f"leverage = {self.leverage!r} opens at a loan to value of {self.ltv!r}, not below the liquidation "
                f"limit {self.liquidation_ltv!r}; at most {self.max_leverage!r} is allowed"
            )

    def _derive(self) -> None:
        """Set the derived fields: ``P``, ``P_exec = P(1+c)``, ``O``, ``N = L*E/P_exec``, ``D = (L-1)*E``."""
        price = pt_price(self.implied_apy, self.tau)
        derived = {
            "mid_price": price,
            "execution_price": price * (1.0 + self.entry_cost),
            "oracle_price": self.oracle.price(self.tau),
            "units": self.leverage * self.equity / (price * (1.0 + self.entry_cost)),
            "debt": (self.leverage - 1.0) * self.equity,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @property
    def years(self) -> float:
        """Holding period t."""
        return self.tau if self.hold is None else self.hold

    @property
    def to_maturity(self) -> bool:
        """Whether the PT is redeemed rather than sold."""
        return self.years >= self.tau

    @property
    def executed_yield(self) -> float:
        """Yield of the PT at what it costs, ``P_exec^(-1/tau) - 1``."""
        return math.expm1(-math.log(self.execution_price) / self.tau)

    @property
    def unlevered_apy(self) -> float:
        """Return of the PT without debt over the holding period, at unchanged implied yield."""
        gain = self._proceeds(1.0, self.implied_apy) / self.execution_price - 1.0
        return annual_return(gain, self.years)

    @property
    def ltv(self) -> float:
        """Loan to value at entry, ``D/(N*O)``; infinite where the lender counts the PT as nothing."""
        if self.debt == 0:
            return 0.0
        counted = self.units * self.oracle_price
        return self.debt / counted if counted > 0 else math.inf

    @property
    def health_factor(self) -> float | None:
        """Liquidation limit over loan to value; None without debt."""
        return self.liquidation_ltv / self.ltv if self.debt > 0 else None

    @property
    def max_leverage(self) -> float:
        """Largest spend multiple at the lender's price."""
        return leverage_cap(self.max_ltv, self.oracle_price, self.execution_price)

    @property
    def prudent_max_leverage(self) -> float:
        """The same with the PT counted at no more than its market price: what liquidation could recover."""
        return leverage_cap(self.max_ltv, min(self.oracle_price, self.mid_price), self.execution_price)

    @property
    def mark_leverage(self) -> float:
        """Value of the PT over the equity, both at the market price."""
        value = self.units * self.mid_price
        return value / (value - self.debt)

    def pnl(self, scenario: Scenario) -> Any:
        """Profit at a scenario: of borrow_apy, underlying_ratio, and redemption_factor or, sold early, exit_implied."""
        value = scenario.redemption_factor
        if not self.to_maturity:
            value = pt_price(scenario.exit_implied, self.tau - self.years)
        final = loop_equity(
            units=self.units,
            debt=self.debt,
            borrow_apy=scenario.borrow_apy,
            years=self.years,
            pt_value=value,
            underlying_ratio=scenario.underlying_ratio,
            exit_cost=self.exit_cost,
        )
        return final - self.equity

    def gradient(self, scenario: Scenario) -> Mapping[str, float]:
        """Derivatives of the profit (strategies.md 7)."""
        remaining = max(self.tau - self.years, 0.0)
        value = scenario.redemption_factor if self.to_maturity else pt_price(scenario.exit_implied, remaining)
        held = self.units * (1.0 - self.exit_cost)
        slopes = {
            "borrow_apy": -self.debt * self.years * (1.0 + scenario.borrow_apy) ** (self.years - 1.0),
            "underlying_ratio": held * value,
        }
        if not self.to_maturity:
            slope = -remaining * value / (1.0 + scenario.exit_implied)
            slopes["exit_implied"] = held * slope * scenario.underlying_ratio
        return slopes

    def naive(self, borrow_apy: float) -> float:
        """Figure that most screens show, ``L*y - (L-1)*b``."""
        return self.leverage * self.implied_apy - (self.leverage - 1.0) * borrow_apy

    def net_apy(self, scenario: Scenario) -> Any:
        """Exact annual return on the own capital, ``(W/E)^(1/t) - 1``; -1 where it is lost."""
        return annual_return(self.pnl(scenario) / self.equity, self.years)

    def break_even_borrow(self, wealth: float) -> BreakEven:
        """Borrow APY at which ``wealth`` is left at the implied yield of entry, ``((V - wealth)/D)^(1/t) - 1``."""
        if self.debt == 0:
            return BreakEven(None, "always" if self._value_at_entry_yield() >= wealth else "never", "no debt")
        room = self._value_at_entry_yield() - wealth
        if room <= 0:
            return BreakEven(
                None, "never", "the PT does not bring the wanted wealth even with a debt of nothing"
            )
        return rate_limit(room / self.debt, self.years, "borrow APY")

    def break_evens(self, borrow_apy: float, hurdle_apy: float | None) -> dict[str, BreakEven]:
        """Every break-even of the loop (strategies.md 5)."""
        found = {
            "borrow": self.break_even_borrow(self.equity),
            "borrow_ruin": self.break_even_borrow(0.0),
            "borrow_unlevered": BreakEven(self.executed_yield, "value"),
            "exit_implied": self._break_even_exit(borrow_apy),
            "days": self._break_even_days(borrow_apy),
        }
        if hurdle_apy is not None:
            wanted = self.equity * math.exp(self.years * math.log1p(hurdle_apy))
            found["borrow_hurdle"] = self.break_even_borrow(wanted)
        return found

    def loan_to_value(self, borrow_apy: Any, years: float, underlying_ratio: Any = 1.0) -> Any:
        """Loan to value after ``years``, ``D(1+b)^t/(N*O(tau-t)*X)`` (strategies.md 2.5).

        Raises
        ------
        DomainError
            A PT counted as nothing, a price that is not positive, a value that is not finite.
        """
        return evaluate(
            lambda xp, b, X, oracle: self.debt * xp.exp(years * xp.log1p(b)) / (self.units * oracle * X),
            (above_minus_one("b"), positive("X"), positive("oracle")),
            "raise",
            b=borrow_apy,
            X=underlying_ratio,
            oracle=self.oracle.price(self.tau - years),
        )

    def critical_borrow_apy(self) -> float | None:
        """Constant borrow APY that first reaches the liquidation limit at maturity (strategies.md 2.5).

        Exact under a linear oracle, whose PT grows by more a year than such a loan before maturity; None
        without debt.
        """
        if self.debt == 0:
            return None
        return math.expm1(math.log(self.liquidation_ltv * self.units / self.debt) / self.tau)

    def liquidation_ratio(self) -> float | None:
        """Underlying price over the price now that liquidates now, ``D/(liq*N*O)``; None without debt."""
        if self.debt == 0:
            return None
        return self.debt / (self.liquidation_ltv * self.units * self.oracle_price)

    def liquidation_implied(
        self, borrow_apy: float = 0.0, years: float = 0.0, underlying_ratio: float = 1.0
    ) -> float | None:
        """Implied APY that liquidates after ``years`` under a market oracle, ``(liq*N*X/D_t)^(1/(tau-t)) - 1``."""
        if self.debt == 0 or years >= self.tau:
            return None
        owed = self.debt * math.exp(years * math.log1p(borrow_apy))
        return math.expm1(
            math.log(self.liquidation_ltv * self.units * underlying_ratio / owed) / (self.tau - years)
        )

    def days_after_maturity(self, borrow_apy: float) -> float | None:
        """Days after maturity, where the PT counts as 1, until the debt reaches the limit (strategies.md 2.5).

        None without debt or where it never does; below 0 it does so before maturity.
        """
        if self.debt == 0 or borrow_apy <= 0:
            return None
        owed = self.debt * math.exp(self.tau * math.log1p(borrow_apy))
        return DAYS_PER_YEAR * math.log(self.liquidation_ltv * self.units / owed) / math.log1p(borrow_apy)

    def liquidation_odds(self, scenario: Scenario, vol: float) -> NDArray[np.float64]:
        """Probability that each path was liquidated on the way, given where it ended.

        The logarithm of the loan to value moves with the underlying's price around a drift taken as even over
        the holding: a Brownian bridge between its two ends.
        """
        import numpy as np

        years = min(self.years, self.tau)
        start = math.log(self.liquidation_ltv / self.ltv)
        final = self.loan_to_value(scenario.borrow_apy, years, scenario.underlying_ratio)
        end = np.log(self.liquidation_ltv / np.asarray(final))
        return passage_odds(start, end, vol * math.sqrt(years))

    def p_liquidation(self, borrow_apy: float, vol: float) -> float:
        """Probability of liquidation while held at one borrow APY, watched without pause (strategies.md 7)."""
        if self.debt == 0:
            return 0.0
        years = min(self.years, self.tau)
        start = math.log(self.liquidation_ltv / self.ltv)
        end = math.log(self.liquidation_ltv / self.loan_to_value(borrow_apy, years))
        spread = vol * math.sqrt(years)
        return first_passage(start, end - start - 0.5 * spread * spread, spread)

    def decomposition(self, scenario: Scenario) -> dict[str, float]:
        """Profit by cause; the parts add up to ``pnl``."""
        value = scenario.redemption_factor
        if not self.to_maturity:
            value = pt_price(scenario.exit_implied, self.tau - self.years)
        owed = math.expm1(self.years * math.log1p(scenario.borrow_apy))
        gross = self.units * value * scenario.underlying_ratio
        return {
            "pt": self.units * (value - self.mid_price),
            "underlying": gross - self.units * value,
            "borrow": -self.debt * owed,
            "entry_cost": -self.units * (self.execution_price - self.mid_price),
            "exit_cost": -gross * self.exit_cost,
        }

    def _proceeds(self, units: float, exit_implied: float) -> float:
        value = 1.0 if self.to_maturity else pt_price(exit_implied, self.tau - self.years)
        return units * value * (1.0 - self.exit_cost)

    def _value_at_entry_yield(self) -> float:
        return self._proceeds(self.units, self.implied_apy)

    def _break_even_exit(self, borrow_apy: float) -> BreakEven:
        """Exit implied yield from ``PT1 = (E + D(1+b)^t)/(N(1-c))``."""
        if self.to_maturity:
            return BreakEven(None, "never", "held to maturity: there is no exit yield")
        owed = self.debt * math.exp(self.years * math.log1p(borrow_apy))
        price = (self.equity + owed) / (self.units * (1.0 - self.exit_cost))
        return BreakEven(math.expm1(-math.log(price) / (self.tau - self.years)), "value")

    def _break_even_days(self, borrow_apy: float) -> BreakEven:
        """First day on which the loop could be left without loss at the implied yield of entry."""
        carry, funding = math.log1p(self.implied_apy), math.log1p(borrow_apy)
        rising = self.units * (1.0 - self.exit_cost) * self.mid_price
        costs = self.leverage * self.equity * (self.entry_cost + self.exit_cost) / (1.0 + self.entry_cost)

        # written in changes since the entry, so that without costs it starts at exactly nothing
        def gain(t: float) -> float:
            return rising * math.expm1(t * carry) - self.debt * math.expm1(t * funding) - costs

        return first_crossing(
            gain, horizon=self.tau, growth=((rising, carry), (-self.debt, funding)), scale=DAYS_PER_YEAR
        )
