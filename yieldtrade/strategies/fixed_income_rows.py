"""Rows of fixed income: PT of each contract held to maturity (strategies.md 4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from yieldtrade.conventions import DAYS_PER_YEAR, growth_from_apy
from yieldtrade.strategies import fills
from yieldtrade.strategies.fixed_income import FixedIncome
from yieldtrade.strategies.inputs import Scenario
from yieldtrade.strategies.risk import Outcomes, Risks, normal_below, probability_of_loss
from yieldtrade.strategies.scoring import hurdle_profit, score
from yieldtrade.strategies.sizing import size_fixed_income
from yieldtrade.strategies.worksheet import Worksheet, write_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yieldtrade.strategies.depth import Execution
    from yieldtrade.strategies.desk import Desk
    from yieldtrade.strategies.fixed_income import Route
    from yieldtrade.strategies.row import Opportunity
    from yieldtrade.strategies.subject import Subject
    from yieldtrade.strategies.worksheet import Arithmetic

NAME = "fixed_income"
STRESSED_REDEMPTION = 0.98


def opportunities(desk: Desk, subject: Subject) -> Iterator[Opportunity]:
    """Yield the one row of a contract."""
    yield write_row(desk, subject, NAME, "", _fill)


def _fill(sheet: Worksheet) -> None:
    import numpy as np

    market, desk = sheet.market, sheet.desk
    years = market.days_left / DAYS_PER_YEAR
    sheet.put(horizon_days=market.days_left, show_apy=desk.shows_apy(market.days_left), leverage=1.0)
    sheet.flag("fixed_in_st")
    sheet.note("fixed in ST: the USD value of an ST follows the underlying's price over its published growth")
    if market.quote is not None:
        sheet.put(net_apy_naive=market.quote.implied_apy)
    trade = _trade(sheet)
    if trade is None:
        return
    scenario = Scenario()
    _legs(sheet, trade)
    pnl = arithmetic(sheet, trade, scenario)
    gas = desk.settings.costs.gas_usd
    sheet.priced(trade, scenario, pnl=pnl, flat_costs=gas, years=trade.tau)
    break_evens, parts = trade.break_evens(scenario), trade.decomposition(scenario)
    fixed_apy = break_evens["settled_apy"].value
    sheet.put(
        unlevered_apy=fixed_apy,
        decomposition=parts,
        cost_in=-parts["entry_cost"] / trade.equity,
        cost_out=trade.exit_cost,
    )
    sheet.break_evens(break_evens)
    stressed = Scenario(redemption_factor=STRESSED_REDEMPTION)
    sheet.figure(fixed_apy=fixed_apy, fixed_apy_redemption_098=float(trade.fixed_apy(stressed)))
    _against_underlying(sheet, trade, fixed_apy or 0.0, pnl)
    size_fixed_income(sheet, trade, years)
    losses = probability_of_loss(
        trade,
        Risks(factors=()),
        Outcomes(np.array([pnl])),
        hurdle_pnl=hurdle_profit(sheet, years),
        flat_costs=gas,
        simulation_gap=desk.settings.simulation_gap,
        liquidation_gap=desk.settings.liquidation_gap,
    )
    score(sheet, losses, years, (market.contract.terms,))


def _trade(sheet: Worksheet) -> FixedIncome | None:
    """Build the trade with the capital counted in ST worth one dollar each at entry."""
    terms, quote = sheet.market.contract.terms, sheet.market.quote
    # a venue that charges a management fee on PT makes them synthetically unless it says otherwise
    inferred = "synthetic" if "pt_management_fee" in terms else "direct"
    route = str(terms.get("pt_route") or inferred)
    trading_fee = sheet.number("trading_fee")
    management_fee = sheet.number("pt_management_fee") if route == "synthetic" else 0.0
    if trading_fee is None or management_fee is None or quote is None:
        return None
    if route == "synthetic":
        sheet.flag("synthetic_pt")
    costs = sheet.desk.settings.costs
    fee = _fee(sheet, route, trading_fee, management_fee)
    if fee is None:
        return None
    return FixedIncome(
        implied_apy=quote.implied_apy,
        tau=sheet.market.tau or 0.0,
        trading_fee=fee,
        route=cast("Route", route),
        management_fee=management_fee,
        swap_cost=costs.swap,
        exit_cost=costs.swap,
        equity=sheet.capital,
    )


def _fee(sheet: Worksheet, route: str, trading_fee: float, management_fee: float) -> float | None:
    """Fee f of the entry: the venue's, or what the pool's fill costs where its depth is known."""
    depth = sheet.depth()
    if depth is None:
        return trading_fee
    done = fills.accepted(
        sheet, depth.spend("BUY_PT", sheet.capital / (1.0 + sheet.desk.settings.costs.swap))
    )
    if done is None or route == "direct":
        return _used(sheet, done)
    # ST held against a short: the fee is that of the YT sold
    short = float(done.fill.units) * depth.st_price * (1.0 - management_fee)
    return _used(sheet, fills.accepted(sheet, depth.trade("SELL_YT", short)))


def _used(sheet: Worksheet, done: Execution | None) -> float | None:
    if done is None:
        return None
    fills.use_fill(sheet, "entry", done)
    return done.cost


def _legs(sheet: Worksheet, trade: FixedIncome) -> None:
    contract, start = sheet.market.contract, sheet.desk.as_of
    token, fees = f"PT-{contract.contract_id}", trade.units * (trade.execution_price - trade.mid_price)
    worth = trade.units * trade.mid_price
    if trade.route == "synthetic":
        short = trade.units * (1.0 - trade.management_fee)
        price = 1.0 - trade.mid_price
        sheet.leg(start, "hold", "ST", price_st=1.0, value_usd=trade.units)
        sheet.leg(
            start,
            "sell short",
            f"YT-{contract.contract_id}",
            price_st=price,
            value_usd=short * price,
            fee_usd=fees,
        )
    else:
        sheet.leg(start, "buy", token, price_st=trade.mid_price, value_usd=worth, fee_usd=fees)
    sheet.leg(
        contract.maturity,
        "redeem",
        token,
        price_st=1.0,
        value_usd=trade.units,
        fee_usd=trade.units * trade.exit_cost,
    )


def arithmetic(sheet: Arithmetic, trade: FixedIncome, scenario: Scenario) -> float:
    """Write the profit step by step."""
    price = sheet.work(
        "P", "exp(-tau*log1p(y))", trade.mid_price, "ST per PT", tau=trade.tau, y=trade.implied_apy
    )
    if trade.route == "direct":
        executed = sheet.work(
            "P_exec",
            "P*(1.0 + f)*(1.0 + swap)",
            trade.execution_price,
            "ST per PT",
            P=price,
            f=trade.trading_fee,
            swap=trade.swap_cost,
        )
    else:
        executed = sheet.work(
            "P_exec",
            "(1.0 - (1.0 - m)*(1.0 - f)*(0.0 - expm1(-tau*log1p(y))))*(1.0 + swap)",
            trade.execution_price,
            "ST per PT",
            m=trade.management_fee,
            f=trade.trading_fee,
            tau=trade.tau,
            y=trade.implied_apy,
            swap=trade.swap_cost,
        )
    units = sheet.work(
        "N", "E/P_exec", trade.units, "PT, of 1 USD of ST each", E=trade.equity, P_exec=executed
    )
    return sheet.work(
        "pnl",
        "N*R*(1.0 - c) - E",
        float(trade.pnl(scenario)),
        "USD",
        N=units,
        R=scenario.redemption_factor,
        c=trade.exit_cost,
        E=trade.equity,
    )


def _against_underlying(sheet: Worksheet, trade: FixedIncome, fixed_apy: float, pnl: float) -> None:
    """Write how the fixed return compares with holding ST, where its yield can be forecast."""
    forecast = sheet.forecast(sheet.desk.as_of, sheet.market.contract.maturity, needed=False)
    if forecast is None:
        return
    growth = growth_from_apy(forecast.mean_apy, trade.tau)
    sheet.figure(
        p_underlying_beats=1.0 - normal_below(fixed_apy, forecast.mean_apy, forecast.sd_apy),
        st_advantage_usd=pnl - trade.equity * growth,
        benchmark_underlying=growth,
    )
    if forecast.samples.size:
        sheet.figure(p_underlying_beats_simulated=float((forecast.samples > fixed_apy).mean()))
