"""Rows of the PT spread: PT of each contract bought, and sold again before maturity (strategies.md 4.4)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from yieldtrade.conventions import DAYS_PER_YEAR, growth_from_apy
from yieldtrade.strategies.inputs import Scenario
from yieldtrade.strategies.principal_spread import PrincipalSpread
from yieldtrade.strategies.risk import Factor, Outcomes, Risks, draw_scenario, probability_of_loss
from yieldtrade.strategies.scoring import hurdle_profit, score
from yieldtrade.strategies.worksheet import Worksheet, write_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yieldtrade.strategies.desk import Desk
    from yieldtrade.strategies.inputs import ExitYield
    from yieldtrade.strategies.row import Opportunity
    from yieldtrade.strategies.subject import Subject
    from yieldtrade.strategies.worksheet import Arithmetic

NAME = "principal_spread"
# Part of the time left after which the PT is sold, where nobody wished for another.
SOLD_AFTER = 0.5


def opportunities(desk: Desk, subject: Subject) -> Iterator[Opportunity]:
    """Yield the one row of a contract."""
    yield write_row(desk, subject, NAME, "", _fill)


def _fill(sheet: Worksheet) -> None:
    days = _days(sheet)
    if days is None:
        return
    years = days / DAYS_PER_YEAR
    sheet.put(horizon_days=days, show_apy=sheet.desk.shows_apy(days), leverage=1.0)
    sheet.flag("re_entry_needed")
    exits = sheet.exit_yield(days)
    trade = _trade(sheet, days)
    if trade is None or exits is None:
        return
    scenario, gas = Scenario(exit_implied=exits.mean), sheet.desk.settings.costs.gas_usd
    _legs(sheet, trade, scenario, days)
    pnl = arithmetic(sheet, trade, scenario)
    sheet.priced(trade, scenario, pnl=pnl, flat_costs=gas, years=years)
    parts = trade.decomposition(scenario)
    sheet.put(
        net_apy_naive=_naive_apy(trade, scenario),
        unlevered_apy=trade.hold_to_maturity_apy(),
        decomposition=parts,
        cost_in=-parts["entry_cost"] / trade.equity,
        cost_out=-parts["exit_cost"] / trade.equity,
    )
    sheet.figure(
        hold_to_maturity_apy=trade.hold_to_maturity_apy(),
        reinvestment_apy=float(trade.reinvestment_apy(scenario)),
    )
    _against_underlying(sheet, trade, days)
    _losses(sheet, trade, exits, years)


def _days(sheet: Worksheet) -> float | None:
    """The wished horizon, else half of the time left; None where that is maturity: fixed income has that row."""
    wished, left = sheet.desk.settings.horizon_days, sheet.market.days_left
    days = SOLD_AFTER * left if wished is None else wished
    if days < left:
        return days
    text = f"the horizon of {days:g} days reaches maturity in {left:.2f} days: fixed income is that trade"
    sheet.reject("inconsistent_parameters", days, left, text)
    return None


def _trade(sheet: Worksheet, days: float) -> PrincipalSpread | None:
    """Build the trade with the capital counted in ST worth one dollar each at entry."""
    quote, tau, costs = sheet.market.quote, sheet.market.tau, sheet.desk.settings.costs
    fee = sheet.number("trading_fee")
    if quote is None or tau is None or fee is None:
        return None
    exit_tau = sheet.desk.clock(sheet.market, sheet.desk.as_of + timedelta(days=days))
    return PrincipalSpread(
        implied_apy=quote.implied_apy,
        tau=tau,
        hold=tau - exit_tau,
        entry_cost=(1.0 + fee) * (1.0 + costs.swap) - 1.0,
        exit_cost=1.0 - (1.0 - fee) * (1.0 - costs.exit_slippage) * (1.0 - costs.swap),
        equity=sheet.capital,
    )


def _naive_apy(trade: PrincipalSpread, scenario: Scenario) -> float:
    return float(growth_from_apy(trade.naive(scenario), 1.0 / trade.hold))


def _legs(sheet: Worksheet, trade: PrincipalSpread, scenario: Scenario, days: float) -> None:
    token, start = f"PT-{sheet.market.contract.contract_id}", sheet.desk.as_of
    bought, sold = trade.units * trade.mid_price, trade.units * float(trade.exit_value(scenario))
    sheet.leg(start, "buy", token, price_st=trade.mid_price, value_usd=bought, fee_usd=trade.equity - bought)
    sheet.leg(
        start + timedelta(days=days),
        "sell",
        token,
        price_st=float(trade.exit_value(scenario)),
        value_usd=sold,
        fee_usd=sold * trade.exit_cost,
    )


def arithmetic(sheet: Arithmetic, trade: PrincipalSpread, scenario: Scenario) -> float:
    """Write the profit step by step."""
    price = sheet.work(
        "P", "exp(-tau*log1p(y))", trade.mid_price, "ST per PT", tau=trade.tau, y=trade.implied_apy
    )
    units = sheet.work(
        "N",
        "E/(P*(1.0 + c_in))",
        trade.units,
        "PT, of 1 USD of ST each",
        E=trade.equity,
        P=price,
        c_in=trade.entry_cost,
    )
    value = sheet.work(
        "P1",
        "exp(-tau1*log1p(y1))",
        float(trade.exit_value(scenario)),
        "ST per PT",
        tau1=trade.exit_tau,
        y1=scenario.exit_implied,
    )
    return sheet.work(
        "pnl",
        "N*P1*(1.0 - c) - E",
        float(trade.pnl(scenario)),
        "USD",
        N=units,
        P1=value,
        c=trade.exit_cost,
        E=trade.equity,
    )


def _against_underlying(sheet: Worksheet, trade: PrincipalSpread, days: float) -> None:
    """Write the break-evens, against holding ST too where its yield can be forecast."""
    start, desk = sheet.desk.as_of, sheet.desk
    forecast = sheet.forecast(start, start + timedelta(days=days), needed=False)
    settled = None if forecast is None else forecast.mean_apy
    sheet.break_evens(trade.break_evens(settled, desk.hurdle))
    if settled is not None:
        growth = growth_from_apy(settled, trade.hold)
        sheet.figure(benchmark_underlying=growth)


def _losses(sheet: Worksheet, trade: PrincipalSpread, exits: ExitYield, years: float) -> None:
    desk, gas = sheet.desk, sheet.desk.settings.costs.gas_usd
    # no venue quotes a negative implied yield
    risks = Risks(factors=(Factor(name="exit_implied", mean=exits.mean, sd=exits.sd, floor=0.0),))
    drawn = draw_scenario(risks, desk.draws, desk.settings.draws)
    losses = probability_of_loss(
        trade,
        risks,
        Outcomes(trade.pnl(drawn)),
        hurdle_pnl=hurdle_profit(sheet, years),
        flat_costs=gas,
        simulation_gap=desk.settings.simulation_gap,
        liquidation_gap=desk.settings.liquidation_gap,
        exact=lambda threshold: trade.p_below(1.0 + threshold / trade.equity, exits.mean, exits.sd),
    )
    score(sheet, losses, years, (sheet.market.contract.terms,))
