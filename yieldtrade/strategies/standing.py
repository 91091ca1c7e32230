"""How a trade stands with its lender or venue in a scenario, and what it leaves by (strategies.md 8 and 9).

Each function is registered for the trades it knows; another trade's module registers its own. Without a
registration a trade has no loan, sells nothing before maturity and cannot be closed late.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import singledispatch
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.conventions import DAYS_PER_YEAR, growth_from_apy
from yieldtrade.errors import ConvergenceError
from yieldtrade.lending.oracle import MarketTwapOracle
from yieldtrade.strategies.interest_period import InterestPeriodArbitrage
from yieldtrade.strategies.jlp_loop import JlpLoop
from yieldtrade.strategies.principal_loop import LeveragedPrincipalLoop, loop_equity
from yieldtrade.tokens.margin import collateral_ratio
from yieldtrade.tokens.positions import time_to_liquidation
from yieldtrade.tokens.pricing import pt_price, yt_price

if TYPE_CHECKING:
    from collections.abc import Callable

    from yieldtrade.strategies.inputs import Scenario


class Standing(NamedTuple):
    """What a lender sees; all None for a trade that nothing can liquidate.

    Attributes
    ----------
    ltv, collateral_ratio
        The one that the venue watches.
    liquidated
        Whether its limit is reached within the holding.
    days
        Days from now until it is; 0 where it is reached now, None for never.
    """

    ltv: float | None = None
    collateral_ratio: float | None = None
    liquidated: bool | None = None
    days: float | None = None


class WindDown(NamedTuple):
    """A loan closed by a lender that cuts its limit: when, and the profit left; ``pnl`` None where it never is."""

    standing: Standing
    pnl: float | None


class LimitCut(NamedTuple):
    """Terms of an auto-deleverage (strategies.md 2.6).

    The threshold falls from 1 by ``per_day`` after ``margin_call_days``; the bonus is ``bonus`` and
    ``bonus_per_day`` for each of those days, at most ``1 - LTV``.
    """

    per_day: float
    margin_call_days: float
    bonus: float
    bonus_per_day: float


@singledispatch
def capital_of(trade: Any) -> float:
    """Own capital of a trade, in the unit of its profit."""
    return float(trade.equity)


@singledispatch
def standing(trade: Any, scenario: Scenario, implied_shift: float = 0.0, after: float = 0.0) -> Standing:  # noqa: ARG001
    """How a trade stands ``after`` years, the market's implied yield moved now by ``implied_shift``."""
    return Standing()


@singledispatch
def exit_value(trade: Any, scenario: Scenario) -> float | None:  # noqa: ARG001
    """Value of what is sold or bought back in the market at the exit; None where nothing is."""
    return None


@singledispatch
def closed_late(trade: Any, years: float) -> Any | None:  # noqa: ARG001
    """Return the trade closed ``years`` after its maturity; None where that changes nothing."""
    return None


@singledispatch
def at_premium(trade: Any, premium: float) -> Any | None:  # noqa: ARG001
    """Return the trade left at a premium of the pool's share over its virtual price; None where it has none."""
    return None


@singledispatch
def wound_down(trade: Any, scenario: Scenario, cut: LimitCut) -> WindDown | None:  # noqa: ARG001
    """Return what an auto-deleverage leaves of a trade; None without a loan."""
    return None


@capital_of.register(InterestPeriodArbitrage)
def _cycle_capital(trade: InterestPeriodArbitrage) -> float:
    return trade.margin


@standing.register(InterestPeriodArbitrage)
def _cycle_standing(
    trade: InterestPeriodArbitrage,
    scenario: Scenario,
    implied_shift: float = 0.0,
    after: float = 0.0,  # noqa: ARG001 - no oracle of the underlying's price watches it
) -> Standing:
    """Collateral ratio now, and days by the daily ledger at a flat implied yield."""
    if trade.leverage is None or trade.maintenance_ratio is None:
        return Standing()
    implied = trade.implied_apy + implied_shift
    ratio = float(collateral_ratio(trade.position, yt_price(implied, trade.tau)))
    days = 0.0 if ratio < trade.maintenance_ratio else _ledger_days(trade, scenario.settled_apy, implied)
    held = (trade.tau - trade.exit_tau) * DAYS_PER_YEAR
    return Standing(collateral_ratio=ratio, liquidated=days is not None and days <= held, days=days)


def _ledger_days(trade: InterestPeriodArbitrage, settled_apy: float, implied: float) -> float | None:
    left = [trade.tau - day / DAYS_PER_YEAR for day in range(1, int(trade.tau * DAYS_PER_YEAR) + 1)]
    if not left:
        return None
    found = time_to_liquidation(
        trade.position,
        growth_path=growth_from_apy(settled_apy, 1.0 / DAYS_PER_YEAR),
        implied_path=implied,
        tau_path=left,
        maintenance_collateral_ratio=trade.maintenance_ratio,
        yield_fee=trade.yield_fee,
        yield_fee_base=trade.yield_fee_base,
    )
    return None if found is None else float(found)


@exit_value.register(InterestPeriodArbitrage)
def _cycle_exit(trade: InterestPeriodArbitrage, scenario: Scenario) -> float | None:
    if trade.exit_tau == 0:
        return None
    return float(abs(trade.position.yt) * trade.exit_price(scenario.exit_implied))


@standing.register(LeveragedPrincipalLoop)
def _loop_standing(
    trade: LeveragedPrincipalLoop, scenario: Scenario, implied_shift: float = 0.0, after: float = 0.0
) -> Standing:
    """Loan to value, and days until it reaches the limit at a constant borrow APY.

    Its logarithm is convex before maturity and a straight line after it, so from below it crosses the limit once.
    """
    if trade.debt == 0:
        return Standing()
    ltv = _ltv_path(trade, scenario, implied_shift)
    days = _days_to(trade, scenario, ltv, after)
    held = trade.years * DAYS_PER_YEAR
    return Standing(ltv=ltv(after), liquidated=days is not None and days <= held, days=days)


def _ltv_path(
    trade: LeveragedPrincipalLoop, scenario: Scenario, implied_shift: float = 0.0
) -> Callable[[float], float]:
    """Loan to value by time; a market oracle follows a shift of the implied yield, a linear one does not."""

    def ltv(t: float) -> float:
        counted = scenario.underlying_ratio
        if implied_shift and isinstance(trade.oracle, MarketTwapOracle):
            moved = MarketTwapOracle(implied_apy=trade.oracle.implied_apy + implied_shift)
            counted *= moved.price(trade.tau - t) / trade.oracle.price(trade.tau - t)
        return float(trade.loan_to_value(scenario.borrow_apy, t, counted))

    return ltv


def _days_to(
    trade: LeveragedPrincipalLoop, scenario: Scenario, ltv: Callable[[float], float], after: float
) -> float | None:
    limit = trade.liquidation_ltv
    if ltv(after) >= limit:
        return after * DAYS_PER_YEAR
    maturity = max(trade.tau, after)
    at_maturity = ltv(maturity)
    if at_maturity >= limit:
        return _root(lambda t: ltv(t) - limit, after, maturity) * DAYS_PER_YEAR
    growth = math.log1p(scenario.borrow_apy)
    return None if growth <= 0 else (maturity + math.log(limit / at_maturity) / growth) * DAYS_PER_YEAR


def _root(excess: Callable[[float], float], low: float, high: float) -> float:
    from scipy.optimize import brentq

    root, how = brentq(excess, low, high, xtol=1e-14, full_output=True, disp=False)
    if not how.converged:
        raise ConvergenceError(f"time to liquidation: {how.flag} after {how.iterations} steps")
    return float(root)


@exit_value.register(LeveragedPrincipalLoop)
def _loop_exit(trade: LeveragedPrincipalLoop, scenario: Scenario) -> float | None:
    if trade.to_maturity:
        return None
    price = pt_price(scenario.exit_implied, trade.tau - trade.years)
    return float(trade.units * price * scenario.underlying_ratio)


@closed_late.register(LeveragedPrincipalLoop)
def _loop_closed_late(trade: LeveragedPrincipalLoop, years: float) -> LeveragedPrincipalLoop | None:
    return replace(trade, hold=trade.tau + years) if trade.debt > 0 and trade.to_maturity else None


@wound_down.register(LeveragedPrincipalLoop)
def _loop_wound_down(trade: LeveragedPrincipalLoop, scenario: Scenario, cut: LimitCut) -> WindDown | None:
    """Debt repaid at once from the collateral at the lender's price, with the bonus; the rest of the PT is kept."""
    if trade.debt == 0:
        return None
    ltv, wait = _ltv_path(trade, scenario), cut.margin_call_days / DAYS_PER_YEAR

    def above(t: float) -> float:
        return ltv(t) - (1.0 - cut.per_day * DAYS_PER_YEAR * (t - wait))

    # at the end of this time the threshold is 0
    last = wait + 1.0 / (cut.per_day * DAYS_PER_YEAR)
    reached = wait if above(wait) >= 0 else _root(above, wait, last)
    found = Standing(ltv=ltv(0.0), liquidated=reached <= trade.years, days=reached * DAYS_PER_YEAR)
    if not found.liquidated:
        return WindDown(found, None)
    bonus = min(
        cut.bonus + cut.bonus_per_day * (reached - wait) * DAYS_PER_YEAR, max(1.0 - ltv(reached), 0.0)
    )
    kept = trade.units * max(1.0 - ltv(reached) * (1.0 + bonus), 0.0)
    value = scenario.redemption_factor
    if not trade.to_maturity:
        value = pt_price(scenario.exit_implied, trade.tau - trade.years)
    left = loop_equity(
        units=kept,
        debt=0.0,
        borrow_apy=scenario.borrow_apy,
        years=trade.years,
        pt_value=value,
        underlying_ratio=scenario.underlying_ratio,
        exit_cost=trade.exit_cost,
    )
    return WindDown(found, float(left - trade.equity))


@standing.register(JlpLoop)
def _share_standing(
    trade: JlpLoop,
    scenario: Scenario,
    implied_shift: float = 0.0,  # noqa: ARG001 - a pool's share has no implied yield
    after: float = 0.0,  # noqa: ARG001 - the scenario's price is that of now
) -> Standing:
    """Loan to value at the scenario's price, before any interest; the clock is the row's own."""
    if trade.debt == 0:
        return Standing()
    ltv = trade.ltv * float(scenario.debt_ratio) / float(scenario.underlying_ratio)
    liquidated = ltv >= trade.liquidation_ltv
    return Standing(ltv=ltv, liquidated=liquidated, days=0.0 if liquidated else None)


@at_premium.register(JlpLoop)
def _share_at_premium(trade: JlpLoop, premium: float) -> JlpLoop:
    return replace(trade, exit_premium=premium)
