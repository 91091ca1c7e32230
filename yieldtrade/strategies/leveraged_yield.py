"""Leveraged YT: YT held on borrowed ST, or owed, over many settlements to an exit or to maturity (strategies.md 4.5).

The profit is that of :mod:`~yieldtrade.strategies.interest_period`, held longer: its closed form holds over any
number of settlements. Two things are added here. A yield fee on the whole account compounds from settlement to
settlement, which is the same as a lower settled APY without the fee; and what secures the position is followed
along the way, on the ledger of :mod:`yieldtrade.tokens.positions`. Amounts are in ST.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from yieldtrade.conventions import DAYS_PER_YEAR, growth_from_apy
from yieldtrade.elementwise import Bound, checked, evaluate, not_negative, positive
from yieldtrade.errors import DomainError
from yieldtrade.strategies.inputs import Scenario, above_minus_one, probability
from yieldtrade.strategies.interest_period import CLOCK_MULTIPLES, InterestPeriodArbitrage, Side
from yieldtrade.strategies.risk import Outcomes, crossing_odds
from yieldtrade.strategies.row import BreakEven
from yieldtrade.tokens.margin import Position, collateral_ratio
from yieldtrade.tokens.positions import liquidation_barrier, settle_many, time_to_liquidation
from yieldtrade.tokens.pricing import yt_price

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from yieldtrade.strategies.risk import Draws, Monitoring
    from yieldtrade.tokens.ledger import YieldFeeBase

_SETTLEMENTS = Bound(
    "settlements", lambda settlements, **_: (settlements >= 1) & (settlements % 1 == 0), "must be 1, 2, 3 ..."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeveragedYield:
    """A leveraged YT position held over many settlements.

    Parameters
    ----------
    side
        ``long`` or ``short``.
    implied_apy
        Implied yield y0 at entry, above 0.
    tau, exit_tau
        Years to maturity at entry and at exit, 0 to hold to maturity.
    accrual_years
        Time whose yield is received; None takes ``tau - exit_tau``.
    settlements
        How many settlements, evenly spread, the yield arrives in; None takes one a day.
    trading_fee
        Fee f as a share of the ST notional, at entry and at exit.
    yield_fee, yield_fee_base
        Fee phi on distributed yield and what it is taken from, see :func:`yieldtrade.tokens.ledger.distribute`.
    leverage
        Borrowed notional over margin.
    margin
        Own capital M, ST.
    margin_accrues
        Whether the margin token earns the yield; that income is not part of this profit.
    maintenance_ratio
        Collateral ratio below which the position is liquidated.
    liquidation_loss
        Share of the margin lost in a liquidation.

    Raises
    ------
    DomainError
        A value outside its range, or a leverage that opens below the maintenance ratio.
    """

    side: Side
    implied_apy: float
    tau: float
    exit_tau: float = 0.0
    accrual_years: float | None = None
    settlements: int | None = None
    trading_fee: float
    yield_fee: float = 0.0
    yield_fee_base: YieldFeeBase = "none"
    leverage: float
    margin: float = 1.0
    margin_accrues: bool = False
    maintenance_ratio: float
    liquidation_loss: float = 1.0
    trade: InterestPeriodArbitrage = field(init=False)
    steps: int = field(init=False)

    def __post_init__(self) -> None:
        checked("maintenance_ratio", self.maintenance_ratio, positive("maintenance_ratio"))
        checked("liquidation_loss", self.liquidation_loss, probability("liquidation_loss"))
        compounding = self.yield_fee_base == "net"
        trade = InterestPeriodArbitrage(
            side=self.side,
            implied_apy=self.implied_apy,
            tau=self.tau,
            exit_tau=self.exit_tau,
            accrual_years=self.accrual_years,
            trading_fee=self.trading_fee,
            # a fee on the whole account is a lower settled APY, see net_apy
            yield_fee=0.0 if compounding else self.yield_fee,
            yield_fee_base="none" if compounding else self.yield_fee_base,
            leverage=self.leverage,
            margin=self.margin,
            margin_accrues=self.margin_accrues,
            maintenance_ratio=self.maintenance_ratio,
            liquidation_loss=self.liquidation_loss,
        )
        opened = collateral_ratio(trade.position, trade.entry_price)
        if opened < self.maintenance_ratio:
            raise DomainError(
                f"leverage = {self.leverage!r} opens at a collateral ratio of {opened!r}, below the maintenance "
                f"ratio {self.maintenance_ratio!r}; lower the leverage"
            )
        steps = self.settlements
        if steps is None:
            steps = max(1, round(trade.accrual * DAYS_PER_YEAR))
        checked("settlements", steps, _SETTLEMENTS)
        object.__setattr__(self, "trade", trade)
        object.__setattr__(self, "steps", int(steps))

    @property
    def position(self) -> Position:
        """Balances just after opening."""
        return self.trade.position

    @property
    def entry_price(self) -> float:
        """YT price p0 before the fee."""
        return self.trade.entry_price

    @property
    def settlement_years(self) -> float:
        """Years of yield paid in one settlement."""
        return self.trade.accrual / self.steps

    def net_apy(self, settled_apy: Any) -> Any:
        """Settled APY that without a fee on the account would do the same, ``(1 + (1-phi)g)^(1/h) - 1``.

        ``g = (1+a)^h - 1`` is the growth of a settlement; the APY itself where the fee is not on the account.
        """
        if self.yield_fee_base != "net":
            return settled_apy
        return evaluate(
            lambda xp, settled_apy, kept, h: xp.expm1(
                xp.log1p(kept * xp.expm1(h * xp.log1p(settled_apy))) / h
            ),
            (above_minus_one("settled_apy"),),
            "raise",
            settled_apy=settled_apy,
            kept=1.0 - self.yield_fee,
            h=self.settlement_years,
        )

    def pnl(self, scenario: Scenario) -> Any:
        """Profit in ST at a scenario; uses settled_apy and, before maturity, exit_implied."""
        return self.trade.pnl(self._net(scenario))

    def gradient(self, scenario: Scenario) -> Mapping[str, float]:
        """Derivatives of the profit (strategies.md 7)."""
        slopes = dict(self.trade.gradient(self._net(scenario)))
        if self.yield_fee_base == "net":
            # d(net)/da = k*(1+a)^(h-1)*(1+k*g)^(1/h-1)
            a, h, kept = scenario.settled_apy, self.settlement_years, 1.0 - self.yield_fee
            grown = 1.0 + kept * growth_from_apy(a, h)
            slopes["settled_apy"] *= kept * (1.0 + a) ** (h - 1.0) * grown ** (1.0 / h - 1.0)
        return slopes

    def naive(self, scenario: Scenario) -> Any:
        """Return that most screens show, ``L*(p1/p0 - 1)``, for a short its reverse: the price alone."""
        trade = self.trade
        return (
            trade.sign * self.leverage * (trade.exit_price(scenario.exit_implied) / trade.entry_price - 1.0)
        )

    def decomposition(self, scenario: Scenario) -> dict[str, float]:
        """Profit by cause: decay, implied move, yield, cost of carry, fees; they add up to ``pnl``."""
        return self.trade.decomposition(self._net(scenario))

    def break_even_settled(self, exit_implied: float | None) -> BreakEven:
        """Settled APY at which the trade gains nothing, for an exit implied yield."""
        found = self.trade.break_even_settled(0.0 if exit_implied is None else exit_implied)
        # a fall within a day may annualise to the loss of everything, to the last digit
        if self.yield_fee_base != "net" or found.value is None or found.value <= -1:
            return found
        h = self.settlement_years
        paid = growth_from_apy(found.value, h) / (1.0 - self.yield_fee)
        if paid <= -1:
            return BreakEven(
                None,
                "always" if self.side == "long" else "never",
                "after the yield fee no loss of the underlying is large enough to turn the trade",
            )
        return found._replace(value=math.expm1(math.log1p(paid) / h))

    def break_evens(self, scenario: Scenario) -> dict[str, BreakEven]:
        """Every break-even (strategies.md 5); days at the implied yield of entry."""
        net = self.net_apy(scenario.settled_apy)
        return {
            "settled_apy": self.break_even_settled(scenario.exit_implied),
            "exit_implied": self.trade.break_even_exit(net),
            "days": self.trade.break_even_days(net),
        }

    def balances(self, settled_apy: Any) -> Position:
        """Position after each settlement at a settled APY, arrays of shape (..., steps)."""
        import numpy as np

        growth = np.asarray(growth_from_apy(settled_apy, self.settlement_years))[..., None]
        return settle_many(
            self.position,
            np.broadcast_to(growth, (*growth.shape[:-1], self.steps)),
            yield_fee=self.yield_fee,
            yield_fee_base=self.yield_fee_base,
        )

    def taus(self) -> NDArray[np.float64]:
        """Years to maturity after each settlement."""
        import numpy as np

        return np.linspace(self.tau, self.exit_tau, self.steps + 1)[1:]

    def collateral_ratios(self, settled_apy: Any, implied_path: Any) -> Any:
        """Collateral ratio after each settlement, of shape (..., steps); infinite where nothing is owed.

        Parameters
        ----------
        settled_apy
            APY of every settlement, of shape (...).
        implied_path
            Implied yield after each, of shape (..., steps) or one for all.
        """
        return collateral_ratio(self.balances(settled_apy), yt_price(implied_path, self.taus()))

    def liquidation_price(self) -> float | None:
        """YT price that liquidates now; None where no price does."""
        return self.trade.liquidation_price()

    def liquidation_implied(self) -> float | None:
        """Implied APY that liquidates now; None where none does."""
        return self.trade.liquidation_implied()

    def liquidation_clock(self) -> dict[float, int | None]:
        """Days to liquidation at a flat implied yield on a daily ledger, by multiple of it that settles.

        None where it does not come before maturity.
        """
        import numpy as np

        days = np.arange(1, math.ceil(DAYS_PER_YEAR * self.tau))
        if not days.size:
            return dict.fromkeys(CLOCK_MULTIPLES)
        settled = self.implied_apy * np.array(CLOCK_MULTIPLES)
        found = time_to_liquidation(
            self.position,
            growth_path=growth_from_apy(settled, 1.0 / DAYS_PER_YEAR)[:, None],
            implied_path=self.implied_apy,
            tau_path=self.tau - days / DAYS_PER_YEAR,
            maintenance_collateral_ratio=self.maintenance_ratio,
            yield_fee=self.yield_fee,
            yield_fee_base=self.yield_fee_base,
        )
        return {
            multiple: None if math.isnan(day) else int(day)
            for multiple, day in zip(CLOCK_MULTIPLES, found.tolist(), strict=True)
        }

    def barriers(self, settled_apy: Any) -> NDArray[np.float64]:
        """Implied yield that liquidates at the opening and after each settlement before maturity, (..., n)."""
        import numpy as np

        taus = self.taus()
        alive = taus > 0
        held = self.balances(settled_apy)
        later = Position(
            yt=held.yt,
            st=held.st[..., alive],
            margin=held.margin[..., alive] if self.margin_accrues else held.margin,
            margin_accrues=self.margin_accrues,
        )
        ratio = {"maintenance_collateral_ratio": self.maintenance_ratio}
        after = np.asarray(liquidation_barrier(later, taus[alive], **ratio))
        now = np.full((*after.shape[:-1], 1), liquidation_barrier(self.position, self.tau, **ratio))
        return np.concatenate([now, after], axis=-1)

    def liquidation_odds(
        self, scenario: Scenario, exit_sd: float, draws: Draws, monitoring: Monitoring = "discrete"
    ) -> NDArray[np.float64]:
        """Probability that each path was liquidated on the way, given the yields it ended with.

        The implied yield is a random walk from its level at entry to ``exit_implied``, with equal steps between
        settlements; the settled APY, a number or one a path, is paid evenly.

        Parameters
        ----------
        scenario
            ``exit_implied`` an array of outcomes, ``settled_apy`` likewise or a number.
        exit_sd
            Standard deviation of the implied yield at exit, 0 or more.
        draws
            Shared random numbers: rows of the same number of settlements live through the same walks.
        monitoring
            ``discrete`` looks after each settlement, ``continuous`` all the time.
        """
        import numpy as np

        checked("exit_sd", exit_sd, not_negative("exit_sd"))
        ends = np.atleast_1d(np.asarray(scenario.exit_implied, dtype=float))
        barriers = self.barriers(scenario.settled_apy)
        count = barriers.shape[-1]
        distance = self.trade.sign * (self.implied_apy - barriers.T)
        moved, part = self.trade.sign * (ends - self.implied_apy), np.arange(count) / self.steps
        if exit_sd == 0:
            line = (distance[:, None] if distance.ndim == 1 else distance) + part[:, None] * moved
            return np.where((line < 0).any(axis=0), 1.0, 0.0)
        step_sd = exit_sd / math.sqrt(self.steps)
        bridge = draws.bridge(ends.size, self.steps, self.trade.sign)
        return crossing_odds(distance / step_sd, part, moved / step_sd, bridge, monitoring)

    def outcomes(
        self, scenario: Scenario, exit_sd: float, draws: Draws, monitoring: Monitoring = "discrete"
    ) -> Outcomes:
        """Profits of drawn scenarios with their odds of liquidation, which takes its share of the margin."""
        odds = self.liquidation_odds(scenario, exit_sd, draws, monitoring)
        return Outcomes(self.pnl(scenario), odds, -self.liquidation_loss * self.margin)

    def p_liquidation(
        self,
        settled_apy: float,
        exit_sd: float,
        draws: Draws,
        *,
        count: int,
        exit_mean: float | None = None,
        monitoring: Monitoring = "discrete",
    ) -> float:
        """Probability of liquidation on the way for one settled APY; the exit mean is the entry yield if None."""
        mean = self.implied_apy if exit_mean is None else exit_mean
        ends = mean + exit_sd * draws.normal("exit_implied", count)
        scenario = Scenario(settled_apy=settled_apy, exit_implied=ends)
        return float(self.liquidation_odds(scenario, exit_sd, draws, monitoring).mean())

    def _net(self, scenario: Scenario) -> Scenario:
        return replace(scenario, settled_apy=self.net_apy(scenario.settled_apy))
