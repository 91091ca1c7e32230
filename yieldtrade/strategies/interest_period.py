"""Interest-period arbitrage: hold YT (or owe it) over a settlement, collect its yield, leave (strategies.md 4.1).

Amounts are in ST, prices in ST per YT, rates effective annual fractions. A long on borrowed ST is short PT:
its loan grows at the settled yield, and there is no other borrow rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from yieldtrade.conventions import DAYS_PER_YEAR, growth_from_apy
from yieldtrade.elementwise import Bound, check_choice, evaluate, positive, share
from yieldtrade.errors import DomainError
from yieldtrade.strategies.returns import annual_return
from yieldtrade.strategies.roots import first_crossing
from yieldtrade.strategies.row import BreakEven
from yieldtrade.tokens.breakeven import breakeven_exit_yield, breakeven_yield
from yieldtrade.tokens.ledger import kept_shares
from yieldtrade.tokens.positions import (
    Position,
    liquidation_barrier,
    liquidation_price,
    liquidation_yield,
    open_long,
    open_short,
)
from yieldtrade.tokens.pricing import pt_price, yt_price

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yieldtrade.strategies.inputs import Scenario
    from yieldtrade.tokens.breakeven import Benchmark
    from yieldtrade.tokens.ledger import YieldFeeBase

Side: TypeAlias = Literal["long", "short"]

GROWTH = Bound("g", lambda g, **_: g > -1, "must be above -1: an underlying cannot lose everything")
FEE = share("f")
PRICE = Bound("p1", lambda p1, **_: p1 < 1, "ST must be below 1")

DOMAIN = (
    positive("implied_apy"),
    positive("tau"),
    Bound("exit_tau", lambda exit_tau, tau, **_: (exit_tau >= 0) & (exit_tau < tau), "must be in [0, tau)"),
    positive("accrual_years"),
    share("trading_fee"),
    share("exit_fee"),
    positive("margin"),
)

# Multiples of the implied yield at which the underlying may settle, for the clock to liquidation.
CLOCK_MULTIPLES = (0.0, 0.5, 1.0, 1.5)
ONE_POINT = 0.01


def cycle_pnl(
    *,
    yt: Any,
    st: Any,
    growth: Any,
    exit_price: Any,
    trading_fee: Any,
    kept_yt: Any = 1.0,
    kept_st: Any = 1.0,
) -> Any:
    """Profit of ``yt`` YT and ``st`` ST after a settlement, sold at exit (strategies.md 4.1).

    ``x*p1 + s + (k_yt*x + k_st*s)*g - f*|x|*p1``. With ``s = -S0``, ``x = S0(1-f)/p0`` it is
    ``Y(G*P0 - P1) - (S0 - Y*p0)G - f*Y*p1``; with ``k_st = 0`` the cash form, whose outlay does not grow.

    Parameters
    ----------
    yt, st
        Signed balances x and s just after opening, debt negative, without the margin.
    growth
        Growth g of the underlying that is settled, above -1.
    exit_price
        YT price p1 at exit before the fee; 0 at maturity.
    trading_fee
        Fee f as a share of the ST notional.
    kept_yt, kept_st
        Shares of g that reach YT and ST after the yield fee.

    Returns
    -------
    float or numpy.ndarray
        ST.

    Raises
    ------
    DomainError
        A value outside its domain, or not finite.
    """
    return evaluate(
        lambda xp, x, s, g, p1, f, k_yt, k_st: x * p1 + s + (k_yt * x + k_st * s) * g - f * xp.fabs(x) * p1,
        (GROWTH, PRICE, FEE),
        "raise",
        x=yt,
        s=st,
        g=growth,
        p1=exit_price,
        f=trading_fee,
        k_yt=kept_yt,
        k_st=kept_st,
    )


def naive_edge(side: Side, implied_apy: float, settled_apy: float) -> float:
    """Edge that most screens show: the settled APY less the implied one, for a short the reverse."""
    return settled_apy - implied_apy if side == "long" else implied_apy - settled_apy


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestPeriodArbitrage:
    """A YT position over a settlement.

    Parameters
    ----------
    side
        ``long`` or ``short``.
    implied_apy
        Implied yield y0 at entry, above 0.
    tau, exit_tau
        Years to maturity at entry and at exit, on the contract's clock.
    accrual_years
        Time whose yield is received, above 0; None takes ``tau - exit_tau``.
    trading_fee
        Fee f as a share of the ST notional, at entry and at exit.
    exit_fee
        The fee at exit where it is another one, as where either holds the price impact of a size; None takes
        ``trading_fee``.
    yield_fee, yield_fee_base
        Fee phi on distributed yield and what it is taken from, see :func:`yieldtrade.tokens.ledger.distribute`.
    leverage
        Borrowed notional over margin; None buys the YT with the margin as cash, which a short cannot.
    margin
        Own capital M, ST.
    margin_accrues
        Whether the margin token earns the yield; that income is not part of this profit, but it secures the
        position.
    maintenance_ratio
        Collateral ratio below which a levered position is liquidated; None where it has none.
    liquidation_loss
        Share of the margin lost in a liquidation.

    Raises
    ------
    DomainError
        A value outside its range.
    """

    side: Side
    implied_apy: float
    tau: float
    exit_tau: float
    accrual_years: float | None = None
    trading_fee: float
    exit_fee: float | None = None
    yield_fee: float = 0.0
    yield_fee_base: YieldFeeBase = "none"
    leverage: float | None = None
    margin: float = 1.0
    margin_accrues: bool = False
    maintenance_ratio: float | None = None
    liquidation_loss: float = 1.0
    accrual: float = field(init=False)
    entry_price: float = field(init=False)
    position: Position = field(init=False)
    kept: tuple[float, float] = field(init=False)
    closing_fee: float = field(init=False)

    def __post_init__(self) -> None:
        check_choice("side", self.side, ("long", "short"))
        accrual = self.tau - self.exit_tau if self.accrual_years is None else self.accrual_years
        evaluate(
            lambda _xp, **_: 0.0,
            DOMAIN,
            "raise",
            implied_apy=self.implied_apy,
            tau=self.tau,
            exit_tau=self.exit_tau,
            accrual_years=accrual,
            trading_fee=self.trading_fee,
            exit_fee=self.trading_fee if self.exit_fee is None else self.exit_fee,
            margin=self.margin,
        )
        if self.leverage is None and self.side == "short":
            raise DomainError("leverage = None: a short owes YT, so it needs margin and a leverage")
        self._derive(accrual)

    def _derive(self, accrual: float) -> None:
        """Set the derived fields: years of yield t, price p0, balances, shares kept of a growth, fee at exit."""
        kept_yt, kept_st = kept_shares(self.yield_fee, self.yield_fee_base)
        price = yt_price(self.implied_apy, self.tau)
        derived = {
            "accrual": accrual,
            "entry_price": price,
            "position": self._opened(price),
            # the outlay of a cash trade does not grow
            "kept": (kept_yt, 0.0 if self.leverage is None else kept_st),
            "closing_fee": self.trading_fee if self.exit_fee is None else self.exit_fee,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def _opened(self, price: float) -> Position:
        """Balances just after opening."""
        fee = self.trading_fee
        if self.leverage is None:
            bought = self.margin / (price * (1.0 + fee))
            return Position(yt=bought, st=-self.margin, margin=self.margin, margin_accrues=False)
        opened = open_long if self.side == "long" else open_short
        return opened(
            margin=self.margin,
            leverage=self.leverage,
            fill_price=price,
            trading_fee=fee,
            margin_accrues=self.margin_accrues,
        )

    @property
    def sign(self) -> int:
        """1 for a long, -1 for a short."""
        return 1 if self.side == "long" else -1

    @property
    def benchmark(self) -> Benchmark:
        """What the profit is measured against: cash, or nothing but the margin where it is levered."""
        if self.leverage is None:
            return "cash"
        return "levered_long" if self.side == "long" else "levered_short"

    @property
    def opening_fee(self) -> float:
        """Fee paid at entry, as a change of the account: below 0."""
        if self.leverage is None:
            return -self.margin * self.trading_fee / (1.0 + self.trading_fee)
        return -self.leverage * self.margin * self.trading_fee

    @property
    def mark_leverage(self) -> float:
        """Market value of the YT over the equity just after opening."""
        held = self.position
        value = held.yt * self.entry_price
        left = self.margin + held.st + value if self.leverage is not None else value
        return float(abs(value) / left)

    def growth(self, settled_apy: Any) -> Any:
        """Growth g of the underlying over the time whose yield is received."""
        return growth_from_apy(settled_apy, self.accrual)

    def exit_price(self, exit_implied: Any) -> Any:
        """YT price p1 at an implied yield at exit; None stands for maturity, where it is 0."""
        return yt_price(0.0 if exit_implied is None else exit_implied, self.exit_tau)

    def pnl(self, scenario: Scenario) -> Any:
        """Profit in ST at a scenario; uses settled_apy and, before maturity, exit_implied."""
        return self.pnl_at(self.growth(scenario.settled_apy), self.exit_price(scenario.exit_implied))

    def pnl_at(self, growth: Any, exit_price: Any) -> Any:
        """Profit in ST for a growth of the underlying and a YT price at exit."""
        return cycle_pnl(
            yt=self.position.yt,
            st=self.position.st,
            growth=growth,
            exit_price=exit_price,
            trading_fee=self.closing_fee,
            kept_yt=self.kept[0],
            kept_st=self.kept[1],
        )

    def gradient(self, scenario: Scenario) -> Mapping[str, float]:
        """Derivatives of the profit (strategies.md 7)."""
        held, (kept_yt, kept_st), t = self.position, self.kept, self.accrual
        slopes = {
            "settled_apy": (kept_yt * held.yt + kept_st * held.st)
            * t
            * (1.0 + scenario.settled_apy) ** (t - 1.0)
        }
        if scenario.exit_implied is not None:
            per_yield = self.exit_tau * (1.0 + scenario.exit_implied) ** (-self.exit_tau - 1.0)
            slopes["exit_implied"] = (held.yt - self.closing_fee * abs(held.yt)) * per_yield
        return slopes

    def against_underlying(self, scenario: Scenario) -> Any:
        """Profit over having kept the outlay in ST, for a cash trade; the same as ``pnl`` for a levered one."""
        profit = self.pnl(scenario)
        if self.leverage is not None:
            return profit
        return profit - self.margin * self.growth(scenario.settled_apy)

    def naive(self, settled_apy: float) -> float:
        """Edge that most screens show, ``a - y0`` (a short: ``y0 - a``)."""
        return naive_edge(self.side, self.implied_apy, settled_apy)

    def decomposition(self, scenario: Scenario) -> dict[str, float]:
        """Profit by cause: decay, implied move, yield, cost of carry, fees; they add up to ``pnl``."""
        held, (kept_yt, kept_st), p0 = self.position, self.kept, self.entry_price
        g, p1 = self.growth(scenario.settled_apy), self.exit_price(scenario.exit_implied)
        unmoved = self.exit_price(self.implied_apy)
        return {
            "decay": held.yt * (unmoved - p0),
            "implied_move": held.yt * (p1 - unmoved),
            "yield": kept_yt * held.yt * g,
            "carry": -kept_st * held.yt * p0 * g,
            "fees": self.opening_fee * (1.0 + kept_st * g) - self.closing_fee * abs(held.yt) * p1,
        }

    def break_even_settled(self, exit_implied: float) -> BreakEven:
        """Settled APY at which the trade gains nothing, for an exit implied yield (strategies.md 5)."""
        found = breakeven_yield(
            benchmark=self.benchmark,
            entry_price=self.entry_price,
            exit_price=self.exit_price(exit_implied),
            holding=self.accrual,
            yield_fee=self.yield_fee,
            yield_fee_base=self.yield_fee_base,
            trading_fee=self.trading_fee,
            exit_fee=self.exit_fee,
        )
        reason = "" if found.status == "value" else f"it gains at {_WORDS[found.status]} settled APY"
        return BreakEven(found.apy, found.status, reason)

    def break_even_exit(self, settled_apy: float) -> BreakEven:
        """Exit implied yield at which the trade gains nothing, for a settled APY."""
        if self.exit_tau == 0:
            return BreakEven(None, "never", "held to maturity: the YT ends at 0 whatever the yield")
        found = breakeven_exit_yield(
            benchmark=self.benchmark,
            entry_price=self.entry_price,
            growth=self.growth(settled_apy),
            tau_at_exit=self.exit_tau,
            yield_fee=self.yield_fee,
            yield_fee_base=self.yield_fee_base,
            trading_fee=self.trading_fee,
            exit_fee=self.exit_fee,
        )
        reason = "" if found.status == "value" else f"it gains at {_WORDS[found.status]} exit yield"
        return BreakEven(found.apy, found.status, reason)

    def break_even_days(self, settled_apy: float) -> BreakEven:
        """Days until the trade could be left without loss, at the implied yield of entry and a settled APY."""
        held, (kept_yt, kept_st) = self.position, self.kept
        settled, implied = math.log1p(settled_apy), math.log1p(self.implied_apy)
        grows = kept_yt * held.yt + kept_st * held.st
        principal = pt_price(self.implied_apy, self.tau)
        closing_fee = self.closing_fee * abs(held.yt)

        # written in changes since the entry, so that without fees it starts at exactly nothing
        def gain(t: float) -> float:
            decayed = held.yt * principal * math.expm1(t * implied)
            price = -math.expm1((t - self.tau) * implied)
            return float(self.opening_fee + grows * math.expm1(t * settled) - decayed - closing_fee * price)

        falls = -(held.yt - closing_fee) * principal
        return first_crossing(
            gain, horizon=self.tau, growth=((grows, settled), (falls, implied)), scale=DAYS_PER_YEAR
        )

    def mark_risk(self, exit_implied: float, break_even: float) -> float:
        """Move of the break-even settled APY for one point more of exit implied yield.

        Along the break-even the profit stays 0, and it is linear in growth and in exit price.
        """
        held, (kept_yt, kept_st) = self.position, self.kept
        per_price = held.yt - self.closing_fee * abs(held.yt)
        per_growth = kept_yt * held.yt + kept_st * held.st
        rise = self.exit_price(exit_implied + ONE_POINT) - self.exit_price(exit_implied)
        growth = float(self.growth(break_even) - per_price * rise / per_growth)
        return abs(annual_return(growth, self.accrual) - break_even)

    def liquidation_price(self) -> float | None:
        """YT price that liquidates now; None for a cash trade or where no price does."""
        if self.leverage is None or self.maintenance_ratio is None:
            return None
        found: float | None = liquidation_price(
            self.position, maintenance_collateral_ratio=self.maintenance_ratio
        )
        return found

    def liquidation_implied(self) -> float | None:
        """Implied APY that liquidates now."""
        if self.leverage is None or self.maintenance_ratio is None:
            return None
        found: float | None = liquidation_yield(
            self.position, self.tau, maintenance_collateral_ratio=self.maintenance_ratio
        )
        return found

    def liquidation_clock(self) -> dict[float, int | None]:
        """Days to liquidation at a flat implied yield, by multiple of it that settles; None for never.

        Assets less the maintenance ratio times the debt are a sum of two exponentials of time, so the moment
        is a root; a daily ledger sees it on the day after.
        """
        if self.leverage is None or self.maintenance_ratio is None:
            return {}
        held, (kept_yt, kept_st) = self.position, self.kept
        # a long owes ST and holds YT, a short the reverse; what is owed counts maintenance_ratio times
        weight_yt, weight_st = (1.0, self.maintenance_ratio) if held.yt > 0 else (self.maintenance_ratio, 1.0)
        implied = math.log1p(self.implied_apy)
        falls = -weight_yt * held.yt * math.exp(-self.tau * implied)
        found: dict[float, int | None] = {}
        for multiple in CLOCK_MULTIPLES:
            settled = math.log1p(multiple * self.implied_apy)
            grows = weight_st * (kept_yt * held.yt + kept_st * held.st)
            grows += self.margin if self.margin_accrues else 0.0
            start = weight_yt * held.yt + weight_st * held.st + self.margin

            def deficit(
                t: float, *, settled: float = settled, grows: float = grows, start: float = start
            ) -> float:
                return float(-(start + grows * math.expm1(settled * t) + falls * math.exp(implied * t)))

            crossing = first_crossing(
                deficit, horizon=self.tau, growth=((grows, settled), (falls, implied)), scale=DAYS_PER_YEAR
            )
            found[multiple] = None if crossing.value is None else math.ceil(crossing.value)
        return found

    def liquidation_barrier(self, settled_apy: float, accrued: float, tau: float) -> float:
        """Implied yield that liquidates later on; infinite on the safe side where none does.

        Parameters
        ----------
        settled_apy
            APY paid so far.
        accrued
            Years of yield already settled.
        tau
            Years to maturity then, above 0.
        """
        if self.maintenance_ratio is None:
            return -math.inf * self.sign
        held, (kept_yt, kept_st) = self.position, self.kept
        growth = math.expm1(accrued * math.log1p(settled_apy))
        st = held.st + (kept_yt * held.yt + kept_st * held.st) * growth
        later = Position(
            yt=held.yt,
            st=st,
            margin=self.margin * (1.0 + growth) if self.margin_accrues else self.margin,
            margin_accrues=self.margin_accrues,
        )
        return float(liquidation_barrier(later, tau, maintenance_collateral_ratio=self.maintenance_ratio))


_WORDS: Mapping[str, str] = {"never": "no", "always": "every"}
