"""Rows of the JLP loop: at each venue that lends against the share, without and with a hedge (strategies.md 4.6)."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.conventions import DAYS_PER_YEAR
from yieldtrade.lending.leverage import leverage_cap
from yieldtrade.strategies.jlp_loan import loan_rate, read_flash_fee, read_limits
from yieldtrade.strategies.jlp_loop import JlpLoop
from yieldtrade.strategies.jlp_outlook import JlpOutlook
from yieldtrade.strategies.loan_rate import (
    after_own_debt,
    check_available,
    read_borrow,
)
from yieldtrade.strategies.pool_inputs import PoolInputs
from yieldtrade.strategies.risk import Factor, Outcomes, Risks, draw_scenario, probability_of_loss
from yieldtrade.strategies.row import InputLine
from yieldtrade.strategies.scoring import hurdle_profit, score
from yieldtrade.strategies.sizing import size_share_loop
from yieldtrade.strategies.worksheet import Worksheet, write_row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from yieldtrade.market import Venue
    from yieldtrade.strategies.desk import Desk
    from yieldtrade.strategies.inputs import BorrowForecast, Scenario, YieldForecast
    from yieldtrade.strategies.jlp_loan import Limits
    from yieldtrade.strategies.jlp_loop import Venue as Lender
    from yieldtrade.strategies.pool_inputs import Hedge
    from yieldtrade.strategies.row import Opportunity
    from yieldtrade.strategies.subject import Subject
    from yieldtrade.strategies.worksheet import Arithmetic

NAME = "jlp_loop"
LENDERS: tuple[Lender, ...] = ("kamino", "jupiter", "drift")
HEDGED = "-hedged"
# Holding of a loop, which has no maturity, where no horizon is wished.
HOLD_DAYS = 30.0
JUMP = "published_move.p99_999_5min"
# Nodes of the average over the borrow rate: exact for polynomials of twice that degree.
NODES = 32


class Expected(NamedTuple):
    """What a row is priced at: growth of the share and the cost of the debt."""

    outlook: JlpOutlook
    borrow: BorrowForecast
    flat_costs: float

    def scenario(self, trade: JlpLoop) -> Scenario:
        """Scenario of the means."""
        return trade.scenario(self.outlook, self.borrow.mean_apy)


def opportunities(desk: Desk, subject: Subject) -> Iterator[Opportunity]:
    """Yield the loop at each lender, and after it the same loop hedged."""
    inputs = PoolInputs(desk, subject)
    for lender in LENDERS:
        at_lender = replace(subject, venue=lender)
        for side in (lender, lender + HEDGED):
            fill = partial(_fill, lender=lender, inputs=inputs, hedged=side != lender)
            yield write_row(desk, at_lender, NAME, side, fill)


def _fill(sheet: Worksheet, lender: Lender, inputs: PoolInputs, *, hedged: bool) -> None:
    desk = sheet.desk
    days = HOLD_DAYS if desk.settings.horizon_days is None else desk.settings.horizon_days
    sheet.put(horizon_days=days, show_apy=desk.shows_apy(days))
    if lender not in desk.view.facts.venue_ids():
        sheet.missing(f"the venue {lender} is not known: load its terms with `yieldtrade load FILE`")
        return
    venue = desk.venue(lender)
    if venue.terms.get("paused") is True:
        sheet.reject("market_paused", None, None, f"{lender} is paused")
    limits, flash_fee = read_limits(sheet, venue), read_flash_fee(sheet, venue)
    found = read_borrow(sheet, venue, partial(loan_rate, desk, venue, inputs))
    vol, hedge = _vol(sheet), _hedge(sheet, inputs) if hedged else None
    if limits is None or found is None or vol is None or (hedged and hedge is None):
        return
    # a forecast of fees is dear: it is asked for once nothing else is missing
    forecast = sheet.forecast(desk.as_of, _end(desk, days), needed=True)
    if forecast is None:
        return
    trade = _trade(sheet, lender, limits, _premium(sheet, inputs), days, hedge)
    if trade is None:
        return
    borrow = after_own_debt(sheet, found, trade.debt)
    if borrow is None:
        return
    check_available(sheet, found, trade.debt)
    outlook = _outlook(sheet, forecast, vol, trade.years, hedge)
    expected = Expected(outlook, borrow, desk.settings.costs.gas_usd + 2.0 * flash_fee * trade.debt)
    _describe(sheet, trade, expected)
    _stress(sheet, trade, expected, inputs)
    _returns(sheet, trade, expected)
    _check(sheet, trade, forecast, borrow)
    size_share_loop(sheet, trade, expected.scenario(trade), found.rate)
    _losses(sheet, trade, expected, venue)


# ---------------------------------------------------------------------- what the row rests on


def _end(desk: Desk, days: float) -> datetime:
    return desk.as_of + timedelta(days=days)


def _vol(sheet: Worksheet) -> float | None:
    found = sheet.desk.pool_vol(sheet.subject.name)
    if found is None:
        name = sheet.subject.name
        sheet.missing(
            f"no prices measure how far {name} moves: load its daily series {name.lower()}_price_usd with "
            "`yieldtrade load FILE`"
        )
        return None
    sheet.use(InputLine("jlp_vol", found[0], "a year", None, None, found[1]))
    sheet.figure(jlp_vol=found[0])
    return found[0]


def _hedge(sheet: Worksheet, inputs: PoolInputs) -> Hedge | None:
    """Read the hedge; everything that is missing of it rejects the row."""
    hedge, missing = inputs.hedge()
    for text in missing:
        sheet.missing(text)
    if hedge is None:
        return None
    for line in hedge.inputs:
        sheet.use(line)
    sheet.use(InputLine("residual_vol", hedge.residual_vol, "a year", None, None, hedge.source))
    sheet.figure(residual_vol=hedge.residual_vol)
    sheet.note("the hedge is held elsewhere: it does not support the loan")
    return hedge


def _premium(sheet: Worksheet, inputs: PoolInputs) -> float:
    """Return the premium paid; where it is not known the entry counts at the virtual price, flagged."""
    line, problem = inputs.premium()
    if line is None:
        sheet.flag("premium_unknown")
        sheet.note(f"{problem}: the entry is counted at the virtual price")
        return 0.0
    sheet.use_dated(line, sheet.desk.settings.max_quote_age_days)
    return float(line.value or 0.0)


def _trade(
    sheet: Worksheet, lender: Lender, limits: Limits, premium: float, days: float, hedge: Hedge | None
) -> JlpLoop | None:
    """Build the loop at the chosen leverage; None where not even the own capital can be spent."""
    settings = sheet.desk.settings
    swap = settings.costs.swap
    price = (1.0 + premium) * (1.0 + swap)
    leverage = sheet.leverage(leverage_cap(limits.max_ltv, 1.0, price))
    if leverage < 1:
        sheet.reject("above_max_leverage", 1.0, leverage, "not even the own capital may be spent")
        return None
    # a premium may be gone at the exit, a discount may still be there
    kept = min(premium, 0.0)
    sheet.note(f"the exit is counted at {kept:+.3%} of the virtual price: a premium is not counted on")
    return JlpLoop(
        venue=lender,
        leverage=leverage,
        years=days / DAYS_PER_YEAR,
        max_ltv=limits.max_ltv,
        liquidation_ltv=limits.liquidation_ltv,
        entry_premium=premium,
        exit_premium=kept,
        entry_cost=swap,
        exit_cost=1.0 - (1.0 - swap) * (1.0 - settings.costs.exit_slippage),
        equity=sheet.capital,
        hedge=() if hedge is None else hedge.legs,
        liquidation_loss=settings.liquidation_loss,
    )


def _outlook(
    sheet: Worksheet, forecast: YieldForecast, vol: float, years: float, hedge: Hedge | None
) -> JlpOutlook:
    """Put the growth together: the forecast's mean as fees, its spread beside that of the price."""
    q = sheet.work("q", "log1p(apy)", math.log1p(forecast.mean_apy), "a year", apy=forecast.mean_apy)
    spread = forecast.sd_apy / (1.0 + forecast.mean_apy)
    left = vol if hedge is None else hedge.residual_vol
    profit_vol = sheet.work(
        "profit_vol",
        "sqrt(sigma*sigma + sd_q*sd_q*t)",
        math.sqrt(left * left + spread * spread * years),
        "a year",
        sigma=left,
        sd_q=spread,
        t=years,
    )
    return JlpOutlook(fee_yield=q, vol=vol, residual_vol=profit_vol)


# ---------------------------------------------------------------------- what the row says


def _describe(sheet: Worksheet, trade: JlpLoop, expected: Expected) -> None:
    """Write legs, loan and liquidation."""
    borrow_apy, fee_yield = expected.borrow.mean_apy, expected.outlook.fee_yield
    share, debt, start = sheet.subject.name, sheet.desk.settings.debt_asset, sheet.desk.as_of
    end = _end(sheet.desk, trade.years * DAYS_PER_YEAR)
    scenario = expected.scenario(trade)
    parts = trade.decomposition(scenario)
    bought, owed = trade.collateral * (1.0 + trade.entry_premium), trade.debt
    sold = trade.collateral * float(scenario.underlying_ratio) * (1.0 + trade.exit_premium)
    due = owed * math.exp(trade.years * math.log1p(borrow_apy))
    sheet.leg(start, "pay", debt, price_st=1.0, value_usd=trade.equity)
    if owed > 0:
        sheet.leg(start, "borrow", debt, price_st=1.0, value_usd=owed)
    sheet.leg(
        start,
        "buy",
        share,
        price_st=1.0 + trade.entry_premium,
        value_usd=bought,
        fee_usd=-parts["entry_cost"],
    )
    for short in trade.hedge:
        size = short.notional * trade.collateral
        sheet.leg(start, "short", short.coin, price_st=1.0, value_usd=size, fee_usd=short.cost * size)
    sheet.leg(
        end, "sell", share, price_st=1.0 + trade.exit_premium, value_usd=sold, fee_usd=-parts["exit_cost"]
    )
    if owed > 0:
        sheet.leg(end, "repay", debt, price_st=1.0, value_usd=due)
    drop = trade.liquidation_drop()
    sheet.put(
        leverage_mark=trade.mark_leverage,
        ltv=trade.ltv,
        health_factor=trade.health_factor,
        cost_in=(trade.leverage * trade.equity - trade.collateral) / trade.equity,
        cost_out=-parts["exit_cost"] / trade.equity,
    )
    if drop is not None:
        sheet.put(
            liquidation_trigger="JLP price falls to",
            liquidation_unit="of the JLP price now",
            liquidation_value=1.0 - drop,
            liquidation_days=trade.liquidation_days(fee_yield, borrow_apy),
        )


def _stress(sheet: Worksheet, trade: JlpLoop, expected: Expected, inputs: PoolInputs) -> None:
    """Write where the loan stands after the largest published fall of five minutes."""
    if trade.debt == 0:
        return
    terms = inputs.params.terms
    if JUMP not in terms:
        sheet.note(f"{inputs.pool_id}.{JUMP} is not known: no sudden fall is set against the loan")
        return
    move = terms.number(JUMP)
    sheet.use(sheet.desk.parameter(inputs.pool_id, terms.parameters[JUMP], move))
    sheet.figure(
        sudden_fall=move,
        ltv_after_sudden_fall=trade.stressed_ltv(move),
        p_liquidation_after_sudden_fall=trade.p_liquidation(expected.outlook, expected.borrow.mean_apy, move),
    )


def _returns(sheet: Worksheet, trade: JlpLoop, expected: Expected) -> None:
    """Write profit, naive figure, break-evens and decomposition at the means."""
    outlook, borrow_apy, scenario = expected.outlook, expected.borrow.mean_apy, expected.scenario(trade)
    growth, years = outlook.growth_rate, trade.years
    sheet.work("R", "exp(g*t)", outlook.mean_ratio(years), "virtual price over now", g=growth, t=years)
    pnl = arithmetic(sheet, trade, scenario)
    sheet.priced(trade, scenario, pnl=pnl, flat_costs=expected.flat_costs, years=years)
    sheet.work(
        "net_apy_naive",
        "L*q - (L - 1.0)*b",
        trade.naive(outlook.fee_yield, borrow_apy),
        "APY",
        L=trade.leverage,
        q=outlook.fee_yield,
        b=borrow_apy,
    )
    sheet.put(
        net_apy_naive=trade.naive(outlook.fee_yield, borrow_apy),
        unlevered_apy=trade.unlevered_apy(outlook),
        decomposition=trade.decomposition(scenario),
    )
    sheet.figure(break_even_ratio=trade.break_even_ratio(borrow_apy))
    sheet.break_evens(trade.break_evens(outlook, borrow_apy, sheet.desk.hurdle))


def arithmetic(sheet: Arithmetic, trade: JlpLoop, scenario: Scenario) -> float:
    """Write the profit step by step."""
    price = sheet.work(
        "price",
        "(1.0 + pi0)*(1.0 + c0)",
        trade.execution_price,
        "USD per USD of virtual price",
        pi0=trade.entry_premium,
        c0=trade.entry_cost,
    )
    held = sheet.work(
        "C",
        "L*E/price",
        trade.collateral,
        "USD of virtual price",
        L=trade.leverage,
        E=trade.equity,
        price=price,
    )
    debt = sheet.work("D", "(L - 1.0)*E", trade.debt, "USD", L=trade.leverage, E=trade.equity)
    hedge = sheet.work(
        "H",
        "cost + funding*t",
        trade.hedge_total,
        "USD",
        cost=trade.hedge_cost,
        funding=trade.hedge_funding,
        t=trade.years,
    )
    return sheet.work(
        "pnl",
        "C*(1.0 + pi1)*R*(1.0 - c1) - D*X*exp(t*log1p(b)) - E - H",
        float(trade.pnl(scenario)),
        "USD",
        C=held,
        pi1=trade.exit_premium,
        R=scenario.underlying_ratio,
        c1=trade.exit_cost,
        D=debt,
        X=scenario.debt_ratio,
        t=trade.years,
        b=scenario.borrow_apy,
        E=trade.equity,
        H=hedge,
    )


def _check(sheet: Worksheet, trade: JlpLoop, forecast: YieldForecast, borrow: BorrowForecast) -> None:
    """Reject a loop whose share pays less than its debt costs."""
    earned, owed = forecast.mean_apy, borrow.mean_apy
    if trade.debt > 0 and earned <= owed:
        text = f"the fees bring {earned:.4%}, the debt costs {owed:.4%}"
        sheet.reject("negative_carry", earned, owed, text)


def _losses(sheet: Worksheet, trade: JlpLoop, expected: Expected, venue: Venue) -> None:
    import numpy as np

    desk, borrow, outlook = sheet.desk, expected.borrow, expected.outlook
    factors = (
        Factor(name="borrow_apy", mean=borrow.mean_apy, sd=borrow.sd_apy, floor=0.0),
        outlook.factor(trade.years),
    )
    risks = Risks(factors=factors)
    drawn = draw_scenario(risks, desk.draws, desk.settings.draws)
    pnl, odds = trade.pnl(drawn), None
    p_liquidation = trade.p_liquidation(outlook, borrow.mean_apy)
    if trade.debt > 0 and p_liquidation >= desk.settings.simulation_gate:
        sheet.note(f"a liquidation is counted as a loss of {trade.liquidation_loss:.0%} of the capital")
        # what a hedge leaves moves apart from the price that the lender sees
        odds = (
            np.full(pnl.shape, p_liquidation) if trade.hedge else trade.liquidation_odds(drawn, outlook.vol)
        )
    losses = probability_of_loss(
        trade,
        risks,
        Outcomes(pnl, odds, -trade.liquidation_loss * trade.equity),
        hurdle_pnl=hurdle_profit(sheet, trade.years),
        flat_costs=expected.flat_costs,
        simulation_gap=desk.settings.simulation_gap,
        liquidation_gap=desk.settings.liquidation_gap,
        p_liquidation=p_liquidation,
        exact=partial(_p_below, trade, outlook, borrow),
    )
    p_loss = _p_below(trade, outlook, borrow, expected.flat_costs)
    sheet.figure(p_loss_exact=p_loss, p_liquidation_exact=p_liquidation)
    score(sheet, losses, trade.years, (venue.terms, sheet.subject.terms))


def _p_below(trade: JlpLoop, outlook: JlpOutlook, borrow: BorrowForecast, profit: float) -> float:
    """Probability of less than a profit, averaged over the borrow rate, which is normal and never below 0."""
    wealth = trade.equity + profit
    if borrow.sd_apy == 0 or trade.debt == 0:
        return trade.p_below(wealth, outlook, borrow.mean_apy)
    import numpy as np

    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    rates = np.maximum(borrow.mean_apy + borrow.sd_apy * nodes, 0.0)
    odds = [trade.p_below(wealth, outlook, float(rate)) for rate in rates]
    return float(np.dot(weights, odds) / weights.sum())
