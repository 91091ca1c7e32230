"""JLP loop: JLP bought with own and borrowed money, lent against at its virtual price (strategies.md 4.6, 2.7).

Money is in USD at entry, JLP counts at its virtual price; ``equity`` E is the own capital, ``leverage`` L the spend
multiple. ``underlying_ratio`` of a scenario is the virtual price at the end over the price now, the growth R that
fees, prices and traders' losses leave (of a hedged loop: with the hedge's gains in it), and ``debt_ratio`` the same
for coins owed. Rates called continuous are compounded continuously, the others are effective annual.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from yieldtrade.conventions import DAYS_PER_YEAR
from yieldtrade.elementwise import (
    Bound,
    check_choice,
    checked,
    evaluate,
    not_negative,
    positive,
    share,
)
from yieldtrade.errors import DomainError
from yieldtrade.lending.leverage import check_ltv_limits, leverage_cap
from yieldtrade.lending.margin_account import check_basket, exhausting_moves
from yieldtrade.pool.loan_terms import carry_clock, liquidate_loan
from yieldtrade.strategies.inputs import Scenario, above_minus_one, probability
from yieldtrade.strategies.principal_loop import loop_equity
from yieldtrade.strategies.returns import annual_return
from yieldtrade.strategies.risk import first_passage, normal_below, passage_odds
from yieldtrade.strategies.roots import first_crossing, rate_limit
from yieldtrade.strategies.row import BreakEven

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from yieldtrade.strategies.jlp_outlook import HedgeLeg, JlpOutlook

Venue: TypeAlias = Literal["kamino", "jupiter", "drift"]

# A loop has no maturity: days to break even are sought this far, which no loan terms outlive.
LONGEST_YEARS = 10.0

DOMAIN = (
    Bound("leverage", lambda leverage, **_: leverage >= 1, "must be 1 or more"),
    positive("years"),
    above_minus_one("entry_premium"),
    above_minus_one("exit_premium"),
    share("entry_cost"),
    share("exit_cost"),
    positive("equity"),
    probability("liquidation_loss"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JlpLoop:
    """A levered JLP position and what its lender thinks of it.

    Parameters
    ----------
    venue
        ``kamino`` and ``jupiter`` lend USDC; ``drift`` lends coins too, against weighted collateral.
    leverage
        Spend multiple L, 1 or more.
    years
        Holding period t, above 0.
    max_ltv, liquidation_ltv
        Debt over collateral up to which one may borrow and from which one is liquidated; of weighted accounts,
        see :class:`~yieldtrade.lending.margin_account.AccountWeights`.
    entry_premium, exit_premium
        Market price over virtual price less 1, when buying and when selling.
    entry_cost, exit_cost
        Share of the value lost when buying and when selling.
    equity
        Own capital E.
    hedge
        Shorts held against the JLP; what they gain belongs to ``underlying_ratio``, what they cost is counted here.
    debt_basket
        Part of the debt owed in each coin; None for dollars.
    liquidation_loss
        Share of the capital lost in a liquidation.

    Raises
    ------
    DomainError
        A value outside its range, coins owed to a venue that lends dollars, or a loan that is at its liquidation
        limit from the start.
    DataError
        A liquidation limit that is not above the borrowing limit.
    """

    venue: Venue
    leverage: float
    years: float
    max_ltv: float
    liquidation_ltv: float
    entry_premium: float = 0.0
    exit_premium: float = 0.0
    entry_cost: float = 0.0
    exit_cost: float = 0.0
    equity: float = 1.0
    hedge: tuple[HedgeLeg, ...] = ()
    debt_basket: Mapping[str, float] | None = None
    liquidation_loss: float = 1.0
    execution_price: float = field(init=False)
    collateral: float = field(init=False)
    debt: float = field(init=False)

    def __post_init__(self) -> None:
        check_choice("venue", self.venue, ("kamino", "jupiter", "drift"))
        evaluate(
            lambda _xp, **_: 0.0,
            DOMAIN,
            "raise",
            leverage=self.leverage,
            years=self.years,
            entry_premium=self.entry_premium,
            exit_premium=self.exit_premium,
            entry_cost=self.entry_cost,
            exit_cost=self.exit_cost,
            equity=self.equity,
            liquidation_loss=self.liquidation_loss,
        )
        check_ltv_limits(self.max_ltv, self.liquidation_ltv)
        if self.debt_basket is not None:
            check_basket(self.debt_basket)
            if self.venue != "drift":
                raise DomainError(
                    f"debt_basket = {dict(self.debt_basket)!r}: {self.venue} lends dollars only"
                )
        self._derive()
        if not self.ltv < self.liquidation_ltv:
            raise DomainError(
                f"leverage = {self.leverage!r} opens at a loan to value of {self.ltv!r}, not below the liquidation "
                f"limit {self.liquidation_ltv!r}; at most {self.max_leverage!r} is allowed"
            )

    def _derive(self) -> None:
        """Set the derived fields: price paid per USD of virtual price, ``C = L*E/price``, ``D = (L-1)*E``."""
        price = (1.0 + self.entry_premium) * (1.0 + self.entry_cost)
        derived = {
            "execution_price": price,
            "collateral": self.leverage * self.equity / price,
            "debt": (self.leverage - 1.0) * self.equity,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @property
    def ltv(self) -> float:
        """Loan to value at entry, ``D/C`` at the virtual price."""
        return self.debt / self.collateral

    @property
    def health_factor(self) -> float | None:
        """Liquidation limit over loan to value; None without debt."""
        return self.liquidation_ltv / self.ltv if self.debt > 0 else None

    @property
    def max_leverage(self) -> float:
        """Largest spend multiple for JLP bought at its premium, ``1/(1 - max_ltv/(1 + pi))``."""
        return leverage_cap(self.max_ltv, 1.0, self.execution_price)

    @property
    def mark_leverage(self) -> float:
        """Collateral over the equity, both at the virtual price."""
        return self.collateral / (self.collateral - self.debt)

    @property
    def hedge_cost(self) -> float:
        """Cost of opening and closing the hedge, USD."""
        return self.collateral * math.fsum(leg.notional * leg.cost for leg in self.hedge)

    @property
    def hedge_funding(self) -> float:
        """Funding that the hedge pays a year, USD; below 0 where it is paid."""
        return self.collateral * math.fsum(leg.notional * leg.funding for leg in self.hedge)

    @property
    def hedge_total(self) -> float:
        """Cost and funding of the hedge over the holding period, USD."""
        return self.hedge_cost + self.hedge_funding * self.years

    def scenario(self, outlook: JlpOutlook, borrow_apy: Any) -> Scenario:
        """Scenario in which JLP grows at its mean."""
        return Scenario(borrow_apy=borrow_apy, underlying_ratio=outlook.mean_ratio(self.years))

    def coin_scenario(
        self, moves: Mapping[str, Any], exposure: Mapping[str, float], *, fee_yield: float, borrow_apy: Any
    ) -> Scenario:
        """Scenario that follows from relative moves of the coins, numbers or arrays.

        JLP moves by its exposure to each coin on top of its fees, the debt by what is owed in it; both are linear,
        as while positions in the pool are frozen.
        """
        basket = self.debt_basket or {}
        held: Any = 1.0 + sum(exposure.get(coin, 0.0) * move for coin, move in moves.items())
        owed: Any = 1.0 + sum(basket.get(coin, 0.0) * move for coin, move in moves.items())
        return Scenario(
            borrow_apy=borrow_apy,
            underlying_ratio=held * math.exp(fee_yield * self.years),
            debt_ratio=owed,
        )

    def pnl(self, scenario: Scenario) -> Any:
        """Profit, ``C*R*(1+pi1)*(1-c) - D*X*(1+b)^t - hedge - E``; of borrow_apy, underlying_ratio, debt_ratio."""
        final = loop_equity(
            units=self.collateral,
            debt=self.debt * checked("debt_ratio", scenario.debt_ratio, not_negative("debt_ratio")),
            borrow_apy=scenario.borrow_apy,
            years=self.years,
            pt_value=1.0 + self.exit_premium,
            underlying_ratio=scenario.underlying_ratio,
            exit_cost=self.exit_cost,
        )
        return final - self.equity - self.hedge_total

    def gradient(self, scenario: Scenario) -> Mapping[str, float]:
        """Derivatives of the profit (strategies.md 7)."""
        grown = (1.0 + scenario.borrow_apy) ** self.years
        owed = self.debt * scenario.debt_ratio * grown
        return {
            "borrow_apy": -owed * self.years / (1.0 + scenario.borrow_apy),
            "underlying_ratio": self.collateral * self._kept,
            "debt_ratio": -self.debt * grown,
        }

    def naive(self, fee_yield: float, borrow_apy: float) -> float:
        """Figure that most screens show, ``L*q - (L-1)*b`` a year."""
        return self.leverage * fee_yield - (self.leverage - 1.0) * borrow_apy

    def net_apy(self, scenario: Scenario) -> Any:
        """Exact annual return on the own capital; -1 where it is lost."""
        return annual_return(self.pnl(scenario) / self.equity, self.years)

    def unlevered_apy(self, outlook: JlpOutlook) -> float:
        """Annual return of the same JLP without debt and hedge, at its mean growth."""
        gain = outlook.mean_ratio(self.years) * self._kept / self.execution_price - 1.0
        return annual_return(gain, self.years)

    def decomposition(self, scenario: Scenario) -> dict[str, Any]:
        """Profit by cause; the parts add up to ``pnl``."""
        grown, moved = self._interest(scenario.borrow_apy), scenario.debt_ratio - 1.0
        value = self.collateral * scenario.underlying_ratio
        return {
            "jlp": value - self.collateral,
            "premium": value * self.exit_premium - self.collateral * self.entry_premium,
            "borrow": -self.debt * (grown - 1.0),
            "debt_price": -self.debt * grown * moved,
            "hedge_cost": -self.hedge_cost,
            "hedge_funding": -self.hedge_funding * self.years,
            "entry_cost": -self.collateral * (1.0 + self.entry_premium) * self.entry_cost,
            "exit_cost": -value * (1.0 + self.exit_premium) * self.exit_cost,
        }

    def break_even_ratio(self, borrow_apy: float, wealth: float | None = None) -> float:
        """Growth R that leaves ``wealth``, the capital if None, ``(E + D(1+b)^t + hedge)/(C(1+pi1)(1-c))``."""
        wanted = self.equity if wealth is None else wealth
        owed = self.debt * float(self._interest(borrow_apy))
        return (wanted + owed + self.hedge_total) / (self.collateral * self._kept)

    def break_even_borrow(self, outlook: JlpOutlook, wealth: float) -> BreakEven:
        """Borrow APY at which ``wealth`` is left at the mean growth, ``((C*R*(1-c) - wealth)/D)^(1/t) - 1``."""
        room = self.collateral * self._kept * outlook.mean_ratio(self.years) - self.hedge_total - wealth
        if self.debt == 0:
            return BreakEven(None, "always" if room >= 0 else "never", "no debt")
        if room <= 0:
            return BreakEven(
                None, "never", "the JLP does not bring the wanted wealth even with a debt of nothing"
            )
        return rate_limit(room / self.debt, self.years, "borrow APY")

    def break_evens(
        self, outlook: JlpOutlook, borrow_apy: float, hurdle_apy: float | None = None
    ) -> dict[str, BreakEven]:
        """Every break-even at the mean growth (strategies.md 5)."""
        found = {
            "borrow": self.break_even_borrow(outlook, self.equity),
            "borrow_ruin": self.break_even_borrow(outlook, 0.0),
            "fee_yield": self._break_even_fee_yield(outlook, borrow_apy),
            "exit_premium": self._break_even_premium(outlook, borrow_apy),
            "days": self._break_even_days(outlook, borrow_apy),
        }
        if hurdle_apy is not None:
            wanted = self.equity * math.exp(self.years * math.log1p(hurdle_apy))
            found["borrow_hurdle"] = self.break_even_borrow(outlook, wanted)
        return found

    def p_below(self, wealth: float, outlook: JlpOutlook, borrow_apy: float) -> float:
        """Probability of ending with less than ``wealth``, exact for a lognormal R and a debt in dollars.

        Raises
        ------
        DomainError
            Coins are owed: profit then depends on two prices, see :meth:`coin_scenario`.
        """
        if self.debt_basket is not None:
            raise DomainError(
                "no exact probability where coins are owed: draw their moves, see JlpLoop.coin_scenario"
            )
        limit = self.break_even_ratio(borrow_apy, wealth)
        if limit <= 0:
            return 0.0
        spread = outlook.profit_vol * math.sqrt(self.years)
        return normal_below(math.log(limit), outlook.growth_rate * self.years - 0.5 * spread * spread, spread)

    def p_loss(self, outlook: JlpOutlook, borrow_apy: float) -> float:
        """Probability of a loss; liquidation on the way is left out, see :meth:`p_liquidation`."""
        return self.p_below(self.equity, outlook, borrow_apy)

    def loan_to_value(
        self, borrow_apy: Any, years: Any, underlying_ratio: Any = 1.0, debt_ratio: Any = 1.0
    ) -> Any:
        """Loan to value after ``years``, ``D*X*(1+b)^t/(C*R)``.

        Raises
        ------
        DomainError
            A price that is not positive, a value that is not finite.
        """
        return evaluate(
            lambda xp, b, t, R, X: self.debt * X * xp.exp(t * xp.log1p(b)) / (self.collateral * R),
            (above_minus_one("b"), not_negative("t"), positive("R"), not_negative("X")),
            "raise",
            b=borrow_apy,
            t=years,
            R=underlying_ratio,
            X=debt_ratio,
        )

    def liquidation_drop(self) -> float | None:
        """Fall of the virtual price that liquidates now, ``1 - LTV/liq``; None without debt."""
        return 1.0 - self.ltv / self.liquidation_ltv if self.debt > 0 else None

    def stressed_ltv(self, move: float) -> float:
        """Loan to value right after a sudden fall of the virtual price by ``move``, a share below 1."""
        return self.ltv / float(1.0 - checked("move", move, share("move")))

    def liquidation_days(self, fee_yield: float, borrow_apy: float) -> float | None:
        """Days until interest alone liquidates at a flat basket, ``ln(liq/LTV)/(r - q)``; None for never."""
        years = carry_clock(self.ltv, self.liquidation_ltv, math.log1p(borrow_apy), fee_yield)
        return None if years is None else float(years) * DAYS_PER_YEAR

    def p_liquidation(self, outlook: JlpOutlook, borrow_apy: float, move: float = 0.0) -> float:
        """Probability of liquidation while held, watched without pause (strategies.md 7).

        Jumps are outside the formula: ``move`` starts it after a sudden fall, such as the largest of five minutes.
        """
        if self.debt == 0:
            return 0.0
        distance = math.log(self.liquidation_ltv / self.stressed_ltv(move))
        spread = outlook.vol * math.sqrt(self.years)
        rate = outlook.growth_rate - math.log1p(borrow_apy)
        return first_passage(distance, rate * self.years - 0.5 * spread * spread, spread)

    def liquidation_odds(self, scenario: Scenario, vol: float) -> NDArray[np.float64]:
        """Probability that each path was liquidated on the way, given the loan to value it ended with.

        For a loop without a hedge elsewhere, whose R is the price that the lender sees; its logarithm is a
        Brownian bridge between the two ends.
        """
        import numpy as np

        final = self.loan_to_value(
            scenario.borrow_apy, self.years, scenario.underlying_ratio, scenario.debt_ratio
        )
        if self.debt == 0:
            return np.zeros(np.shape(final))
        start = math.log(self.liquidation_ltv / self.ltv)
        end = np.log(self.liquidation_ltv / np.asarray(final))
        return passage_odds(start, end, vol * math.sqrt(self.years))

    def account_health(self, underlying_ratio: Any = 1.0, debt_ratio: Any = 1.0) -> Any:
        """Share of the weighted collateral that is free, ``1 - LTV/liq`` after moves; 0 or less is liquidated."""
        ltv = self.loan_to_value(0.0, 0.0, underlying_ratio, debt_ratio)
        return 1.0 - ltv / self.liquidation_ltv

    def exhausting_moves(self, exposure: Mapping[str, float]) -> dict[str, float | None]:
        """Fall or rise of each coin that alone liquidates now; None where none does.

        Parameters
        ----------
        exposure
            Part of JLP's value that moves with each coin, of a hedge on the same account less its short.
        """
        return exhausting_moves(
            ltv=self.ltv,
            liquidation_ltv=self.liquidation_ltv,
            exposure=exposure,
            basket=self.debt_basket or {},
        )

    def returned_by_liquidation(self, fee: float) -> float:
        """What a loan closed right at its limit returns to the borrower, USD, after the fee on the debt."""
        if self.debt == 0:
            return self.collateral
        return float(liquidate_loan(self.debt / self.liquidation_ltv, self.debt, fee).returned_usd)

    @property
    def _kept(self) -> float:
        """What one USD of virtual price brings at exit, ``(1+pi1)*(1-c)``."""
        return (1.0 + self.exit_premium) * (1.0 - self.exit_cost)

    def _interest(self, borrow_apy: Any) -> Any:
        return evaluate(
            lambda xp, borrow_apy: xp.exp(self.years * xp.log1p(borrow_apy)),
            (above_minus_one("borrow_apy"),),
            "raise",
            borrow_apy=borrow_apy,
        )

    def _break_even_fee_yield(self, outlook: JlpOutlook, borrow_apy: float) -> BreakEven:
        limit = self.break_even_ratio(borrow_apy)
        if limit <= 0:
            return BreakEven(None, "always", "what the hedge is paid exceeds capital and debt")
        return BreakEven(math.log(limit) / self.years - outlook.drift, "value")

    def _break_even_premium(self, outlook: JlpOutlook, borrow_apy: float) -> BreakEven:
        limit = self.break_even_ratio(borrow_apy) * (1.0 + self.exit_premium)
        premium = limit / outlook.mean_ratio(self.years) - 1.0
        if premium <= -1:
            return BreakEven(None, "always", "what the hedge is paid exceeds capital and debt")
        return BreakEven(premium, "value")

    def _break_even_days(self, outlook: JlpOutlook, borrow_apy: float) -> BreakEven:
        """First day on which the loop could be left without loss, on the mean path."""
        rising, funding = self.collateral * self._kept, math.log1p(borrow_apy)
        # written in changes since the entry, so that without costs it starts at exactly nothing
        costs = self.leverage * self.equity * (1.0 - self._kept / self.execution_price) + self.hedge_cost

        def gain(t: float) -> float:
            grown = rising * math.expm1(t * outlook.growth_rate)
            return grown - self.debt * math.expm1(t * funding) - costs - self.hedge_funding * t

        return first_crossing(
            gain,
            horizon=LONGEST_YEARS,
            growth=((rising, outlook.growth_rate), (-self.debt, funding)),
            slope=-self.hedge_funding,
            scale=DAYS_PER_YEAR,
            never=f"the mean path stays at a loss for {LONGEST_YEARS:g} years",
        )
