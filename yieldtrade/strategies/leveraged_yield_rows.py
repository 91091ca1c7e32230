"""Rows of leveraged YT: a long and a short on each contract, over many settlements (strategies.md 4.5).

The trade is that of an interest period, held on: the same ledger, margin and liquidation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldtrade.market import days_between
from yieldtrade.strategies import interest_period_rows
from yieldtrade.strategies.interest_period_rows import Plan, planned
from yieldtrade.strategies.returns import annual_return

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from yieldtrade.strategies.desk import Desk
    from yieldtrade.strategies.inputs import Scenario
    from yieldtrade.strategies.interest_period import InterestPeriodArbitrage
    from yieldtrade.strategies.row import Opportunity
    from yieldtrade.strategies.subject import Market, Subject

NAME = "leveraged_yield"
# A position of months is looked at once a week, and by the bridge between the weeks.
STEP_DAYS = 7.0

arithmetic = interest_period_rows.arithmetic


def opportunities(desk: Desk, subject: Subject) -> Iterator[Opportunity]:
    """Yield a long and a short; none where the wished holding is one interest period: that trade has its own rows."""
    if _is_longer(desk, subject):
        yield from planned(desk, subject, PLAN)


def _is_longer(desk: Desk, subject: Subject) -> bool:
    market, wished = subject.markets[0], desk.settings.horizon_days
    period = days_between(desk.as_of, desk.period_end(market)[0])
    return (market.days_left if wished is None else min(wished, market.days_left)) > period


def _to_maturity(desk: Desk, market: Market) -> tuple[datetime, str]:  # noqa: ARG001 - a plan may ask the desk
    return market.contract.maturity, "to maturity"


def _naive(trade: InterestPeriodArbitrage, scenario: Scenario) -> float:
    """Price move times leverage, ``L*(p1/p0 - 1)``, a year; the yield received and owed left out."""
    moved = float(trade.exit_price(scenario.exit_implied)) / trade.entry_price - 1.0
    leverage = 1.0 if trade.leverage is None else trade.leverage
    return annual_return(trade.sign * leverage * moved, trade.tau - trade.exit_tau)


PLAN = Plan(name=NAME, until=_to_maturity, naive=_naive, margin_only=True, step_days=STEP_DAYS)
