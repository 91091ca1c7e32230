"""Rows of interest-period arbitrage: a long and a short on each contract (strategies.md 4.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.conventions import DAYS_PER_YEAR, year_fraction
from yieldtrade.market import days_between, pricing_start
from yieldtrade.strategies import fills
from yieldtrade.strategies.inputs import Scenario
from yieldtrade.strategies.interest_period import CLOCK_MULTIPLES, InterestPeriodArbitrage
from yieldtrade.strategies.risk import (
    Factor,
    Outcomes,
    Risks,
    crossing_odds,
    draw_scenario,
    normal_below,
    probability_of_loss,
)
from yieldtrade.strategies.scoring import hurdle_profit, score
from yieldtrade.strategies.sizing import size_yield
from yieldtrade.strategies.venue_terms import read_fees, read_margin
from yieldtrade.strategies.worksheet import Worksheet, write_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from yieldtrade.market import Contract
    from yieldtrade.strategies.desk import Desk
    from yieldtrade.strategies.inputs import ExitYield, YieldForecast
    from yieldtrade.strategies.interest_period import Side
    from yieldtrade.strategies.risk import Draws
    from yieldtrade.strategies.row import Opportunity
    from yieldtrade.strategies.subject import Market, Subject
    from yieldtrade.strategies.venue_terms import Fees, Margin
    from yieldtrade.strategies.worksheet import Arithmetic

NAME = "interest_period"
SIDES: tuple[Side, ...] = ("long", "short")


class Holding(NamedTuple):
    """When the trade is left, and what the contract's clock makes of it."""

    end: datetime
    days: float
    exit_tau: float
    accrual_years: float
    entry_offset: float
    accrues_from: datetime
    accrues_to: datetime

    @property
    def years(self) -> float:
        """Years held on the wall clock."""
        return self.days / DAYS_PER_YEAR


class Outlook(NamedTuple):
    """What may come: the settled APY, the implied yield at exit where that matters, costs in any case."""

    forecast: YieldForecast
    exits: ExitYield | None
    flat_costs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long a YT position is held where nobody wished otherwise, and what that makes of it.

    ``until`` returns the end and how it is known, ``naive`` the figure that most screens show; ``margin_only``
    leaves out YT bought with cash; a margin call is looked for every ``step_days``, and between them.
    """

    name: str
    until: Callable[[Desk, Market], tuple[datetime, str]]
    naive: Callable[[InterestPeriodArbitrage, Scenario], float]
    margin_only: bool
    step_days: float


def opportunities(desk: Desk, subject: Subject) -> Iterator[Opportunity]:
    """Yield the row of a long and that of a short."""
    yield from planned(desk, subject, CYCLE)


def planned(desk: Desk, subject: Subject, plan: Plan) -> Iterator[Opportunity]:
    """Yield the rows of a plan, a long and a short; both live through the same simulated futures."""
    futures = Futures()
    for side in SIDES:
        yield write_row(desk, subject, plan.name, side, partial(_fill, side=side, futures=futures, plan=plan))


class Futures:
    """Simulated growths, exit yields and exit prices of a contract, drawn when the first row asks."""

    def __init__(self) -> None:
        self._drawn: Drawn | None = None

    def drawn(self, trade: InterestPeriodArbitrage, risks: Risks, draws: Draws, count: int) -> Drawn:
        """Return the futures, which do not depend on the side of the trade."""
        if self._drawn is None:
            scenario = draw_scenario(risks, draws, count)
            price = trade.exit_price(scenario.exit_implied)
            self._drawn = Drawn(trade.growth(scenario.settled_apy), scenario.exit_implied, price)
        return self._drawn


class Drawn(NamedTuple):
    """Arrays of one length; ``exit_implied`` is None where the trade ends at maturity without margin."""

    growth: NDArray[np.float64]
    exit_implied: NDArray[np.float64] | None
    exit_price: Any


def _fill(sheet: Worksheet, side: Side, futures: Futures, plan: Plan) -> None:
    with_margin = "maintenance_collateral_ratio" in sheet.market.contract.terms
    levered = side == "short" or plan.margin_only or with_margin
    fees, holding = read_fees(sheet), _holding(sheet, plan)
    margin = read_margin(sheet, side, fees) if levered else None
    if holding is None:
        return
    forecast, exits = _outlook(sheet, holding, levered=levered)
    if fees is None or (margin is None and levered):
        return
    if plan.margin_only and fees.yield_fee_base == "net":
        sheet.note("a yield fee on the whole account is counted once, at the end, not at each settlement")
    trade = _trade(sheet, side, fees, holding, margin)
    exit_implied = trade.implied_apy if exits is None else exits.mean
    filled = _filled(sheet, trade, holding, exit_implied)
    if filled is None:
        return
    trade = filled
    exit_price = trade.exit_price(exit_implied)
    _describe(sheet, trade, holding, exit_price)
    if forecast is None:
        sheet.break_evens({"settled_apy": trade.break_even_settled(exit_implied)})
        return
    outlook = Outlook(forecast, exits, _flat_costs(sheet, trade, exit_price))
    scenario = Scenario(settled_apy=forecast.mean_apy, exit_implied=exit_implied)
    sheet.put(net_apy_naive=plan.naive(trade, scenario))
    _returns(sheet, trade, holding, scenario, outlook.flat_costs)
    size_yield(sheet, trade, scenario, holding.end, holding.years)
    if exits is not None or (holding.exit_tau == 0 and not levered):
        _losses(sheet, trade, holding, futures, outlook, plan.step_days)


def _outlook(
    sheet: Worksheet, holding: Holding, *, levered: bool
) -> tuple[YieldForecast | None, ExitYield | None]:
    """Look ahead: the settled APY, and the exit yield where the trade is left before maturity."""
    sheet.put(horizon_days=holding.days, show_apy=sheet.desk.shows_apy(holding.days))
    if holding.end < sheet.market.contract.maturity:
        sheet.flag("re_entry_needed")
    forecast = sheet.forecast(holding.accrues_from, holding.accrues_to, needed=True)
    # at maturity a YT is worth nothing whatever the yield; only a margin call on the way still depends on it
    exits = sheet.exit_yield(holding.days) if holding.exit_tau > 0 or levered else None
    return forecast, exits


def _holding(sheet: Worksheet, plan: Plan) -> Holding | None:
    """From now to the wished horizon, else to where the plan ends, never past maturity."""
    desk, market = sheet.desk, sheet.market
    contract, start = market.contract, desk.as_of
    end, source = plan.until(desk, market)
    if desk.settings.horizon_days is not None:
        end = start + timedelta(days=desk.settings.horizon_days)
        if end > contract.maturity:
            sheet.flag("horizon_cut")
            end = contract.maturity
    else:
        sheet.note(f"holding period: {source}")
    exit_tau = 0.0 if end >= contract.maturity else desk.clock(market, end)
    offset = 0.0
    if contract.clock == "epoch":
        entitlement = sheet.word("accrual_entitlement")
        if entitlement is None:
            return None
        if entitlement != "full_epoch":
            offset = year_fraction(pricing_start(contract, start), start)
    accrues_from, accrues_to = accrual_period(contract, start, end)
    accrual = (market.tau or 0.0) - exit_tau - offset
    if accrual <= 0:
        text = f"no settlement falls into the {days_between(start, end):.2f} days held"
        sheet.reject("inconsistent_parameters", accrual, 0.0, text)
        return None
    return Holding(end, days_between(start, end), exit_tau, accrual, offset, accrues_from, accrues_to)


def accrual_period(contract: Contract, start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Return from when to when the yield of a holding is received, on the contract's own clock.

    Raises
    ------
    MarketDefinitionError
        The clock is ``epoch`` and the contract does not state it, or what a buyer within a period is entitled to.
    """
    if contract.clock != "epoch":
        return start, end
    accrues_to = end if end >= contract.maturity else pricing_start(contract, end)
    if contract.terms.text("accrual_entitlement") == "full_epoch":
        return pricing_start(contract, start), accrues_to
    return start, accrues_to


def _trade(
    sheet: Worksheet, side: Side, fees: Fees, holding: Holding, margin: Margin | None
) -> InterestPeriodArbitrage:
    """Build the trade with the capital counted in ST worth one dollar each at entry."""
    quote, tau = sheet.market.quote, sheet.market.tau
    if margin is None:
        sheet.put(leverage=1.0, max_leverage=1.0)
    trade = InterestPeriodArbitrage(
        side=side,
        implied_apy=0.0 if quote is None else quote.implied_apy,
        tau=tau or 0.0,
        exit_tau=holding.exit_tau,
        accrual_years=holding.accrual_years,
        trading_fee=fees.trading_fee,
        yield_fee=fees.yield_fee,
        yield_fee_base=fees.yield_fee_base,
        leverage=None if margin is None else sheet.leverage(margin.cap),
        margin=sheet.capital,
        margin_accrues=margin is not None and margin.accrues,
        maintenance_ratio=None if margin is None else margin.maintenance_ratio,
        liquidation_loss=sheet.desk.settings.liquidation_loss,
    )
    sheet.put(leverage_mark=trade.mark_leverage)
    return trade


def _filled(
    sheet: Worksheet, trade: InterestPeriodArbitrage, holding: Holding, exit_implied: float
) -> InterestPeriodArbitrage | None:
    """Return the trade at what the pool's fills cost, where its depth is known; None where it cannot fill them."""
    depth, long = sheet.depth(), trade.side == "long"
    if depth is None:
        return trade
    if long:
        spent = trade.margin * (1.0 if trade.leverage is None else trade.leverage)
        entry = fills.accepted(sheet, depth.spend("BUY_YT", spent))
    else:
        entry = fills.accepted(sheet, depth.trade("SELL_YT", -float(trade.position.yt)))
    if entry is None:
        return None
    fills.use_fill(sheet, "entry", entry)
    # borrowed ST pays the fee out of what it buys, own ST pays it on top
    fee = entry.cost_of_spending if long and trade.leverage is not None else entry.cost
    opened = replace(trade, trading_fee=fee)
    sheet.put(leverage_mark=opened.mark_leverage)
    if trade.exit_tau == 0:
        return opened
    units = float(abs(opened.position.yt))
    leaving = fills.leave(sheet, "SELL_YT" if long else "BUY_YT", units, holding.end, exit_implied)
    return None if leaving is None else replace(opened, exit_fee=leaving.cost)


def _describe(sheet: Worksheet, trade: InterestPeriodArbitrage, holding: Holding, exit_price: float) -> None:
    """Write what does not depend on the forecast: legs, costs, liquidation."""
    held, p0, p1 = trade.position, trade.entry_price, exit_price
    fee, contract, start = trade.closing_fee, sheet.market.contract, sheet.desk.as_of
    token, amount = f"YT-{contract.contract_id}", abs(held.yt)
    opening_fee, closing_fee = -trade.opening_fee, fee * amount * p1
    if trade.leverage is None:
        sheet.leg(start, "pay", "ST", price_st=1.0, value_usd=trade.margin)
    else:
        sheet.leg(start, "post margin", "ST", price_st=1.0, value_usd=trade.margin)
        borrowed, price = ("ST", 1.0) if trade.side == "long" else (token, p0)
        sheet.leg(start, "borrow", borrowed, price_st=price, value_usd=trade.leverage * trade.margin)
    opening, closing = ("buy", "sell") if trade.side == "long" else ("sell", "buy back")
    sheet.leg(start, opening, token, price_st=p0, value_usd=amount * p0, fee_usd=opening_fee)
    if trade.exit_tau > 0:
        sheet.leg(holding.end, closing, token, price_st=p1, value_usd=amount * p1, fee_usd=closing_fee)
    sheet.put(cost_in=opening_fee / trade.margin, cost_out=closing_fee / trade.margin)
    if trade.leverage is None:
        return
    clock = trade.liquidation_clock()
    adverse = clock.get(CLOCK_MULTIPLES[0] if trade.side == "long" else CLOCK_MULTIPLES[-1])
    sheet.put(
        liquidation_trigger="YT price falls to" if trade.side == "long" else "YT price rises to",
        liquidation_unit="ST per YT",
        liquidation_value=trade.liquidation_price(),
        liquidation_days=None if adverse is None else float(adverse),
    )
    sheet.figure(liquidation_implied_apy=trade.liquidation_implied())
    sheet.figure(
        **{
            f"liquidation_days_settled_{multiple:g}x": None if days is None else float(days)
            for multiple, days in clock.items()
        }
    )


def _returns(
    sheet: Worksheet,
    trade: InterestPeriodArbitrage,
    holding: Holding,
    scenario: Scenario,
    flat_costs: float,
) -> None:
    """Write profit, naive figure, break-evens and decomposition at the means."""
    settled, exit_implied = scenario.settled_apy, scenario.exit_implied
    pnl = arithmetic(sheet, trade, scenario)
    sheet.priced(trade, scenario, pnl=pnl, flat_costs=flat_costs, years=holding.years)
    sheet.put(decomposition=trade.decomposition(scenario))
    break_even = trade.break_even_settled(exit_implied)
    sheet.break_evens(
        {
            "settled_apy": break_even,
            "exit_implied": trade.break_even_exit(settled),
            "days": trade.break_even_days(settled),
        }
    )
    growth = trade.growth(settled)
    against = pnl if trade.leverage is not None else pnl - trade.margin * growth
    sheet.figure(benchmark_underlying=growth, against_underlying_usd=against)
    if trade.margin_accrues:
        sheet.figure(margin_yield_usd=trade.margin * growth)
        sheet.note("what the margin itself earns is not part of the profit")
    # over a day a break-even growth of a few percent less annualises to the loss of everything
    if trade.exit_tau > 0 and break_even.value is not None and break_even.value > -1:
        mark_risk = trade.mark_risk(exit_implied, break_even.value)
        edge = trade.sign * (settled - break_even.value)
        sheet.figure(forecast_edge_apy=edge, mark_risk_apy_per_point=mark_risk)
        if mark_risk > edge:
            sheet.flag("mark_risk_dominates")


def arithmetic(sheet: Arithmetic, trade: InterestPeriodArbitrage, scenario: Scenario) -> float:
    """Write the profit step by step, each line from the ones before."""
    held, (k_yt, k_st), f = trade.position, trade.kept, trade.trading_fee
    p0 = sheet.work(
        "p0",
        "0.0 - expm1(-tau*log1p(y0))",
        trade.entry_price,
        "ST per YT",
        tau=trade.tau,
        y0=trade.implied_apy,
    )
    p1 = sheet.work(
        "p1",
        "0.0 - expm1(-tau1*log1p(y1))",
        trade.exit_price(scenario.exit_implied),
        "ST per YT",
        tau1=trade.exit_tau,
        y1=scenario.exit_implied,
    )
    g = sheet.work(
        "g",
        "expm1(t*log1p(a))",
        trade.growth(scenario.settled_apy),
        t=trade.accrual,
        a=scenario.settled_apy,
    )
    formula = "capital/(p0*(1.0 + f))"
    if trade.leverage is not None:
        formula = "capital*L*(1.0 - f)/p0" if trade.side == "long" else "-(capital*L)/p0"
    leverage = {} if trade.leverage is None else {"L": trade.leverage}
    sheet.work("x", formula, held.yt, "YT, of 1 USD of ST each", capital=trade.margin, f=f, p0=p0, **leverage)
    return sheet.work(
        "pnl",
        "x*p1 + s + (k_yt*x + k_st*s)*g - f*fabs(x)*p1",
        float(trade.pnl_at(g, p1)),
        "USD",
        x=held.yt,
        p1=p1,
        s=held.st,
        k_yt=k_yt,
        k_st=k_st,
        g=g,
        f=trade.closing_fee,
    )


def _flat_costs(sheet: Worksheet, trade: InterestPeriodArbitrage, exit_price: float) -> float:
    """Gas, both swaps of the capital, and the slippage of the exit at its mean price."""
    costs = sheet.desk.settings.costs
    sold = float(abs(trade.position.yt)) * exit_price
    return costs.gas_usd + 2.0 * costs.swap * trade.margin + costs.exit_slippage * sold


def _losses(
    sheet: Worksheet,
    trade: InterestPeriodArbitrage,
    holding: Holding,
    futures: Futures,
    outlook: Outlook,
    step_days: float,
) -> None:
    desk, (forecast, exits, flat_costs) = sheet.desk, outlook
    risks = _risks(outlook)
    drawn = futures.drawn(trade, risks, desk.draws, forecast.samples.size or desk.settings.draws)
    p_liquidation, odds = None, None
    if exits is not None and trade.maintenance_ratio is not None:
        p_liquidation, odds = _liquidation(sheet, trade, holding, outlook, drawn, step_days)
        if odds is not None:
            sheet.note(f"a liquidation is counted as a loss of {trade.liquidation_loss:.0%} of the capital")
    losses = probability_of_loss(
        trade,
        risks,
        Outcomes(trade.pnl_at(drawn.growth, drawn.exit_price), odds, -trade.liquidation_loss * trade.margin),
        hurdle_pnl=hurdle_profit(sheet, holding.years),
        flat_costs=flat_costs,
        simulation_gap=desk.settings.simulation_gap,
        liquidation_gap=desk.settings.liquidation_gap,
        p_liquidation=p_liquidation,
    )
    if losses.p_loss < desk.settings.resolved_probability:
        sheet.flag("tail_unresolved")
    score(sheet, losses, holding.years, (sheet.market.contract.terms,))


def _risks(outlook: Outlook) -> Risks:
    forecast, exits, _ = outlook
    settled = Factor(name="settled_apy", mean=forecast.mean_apy, sd=forecast.sd_apy, samples=forecast.samples)
    if exits is None:
        return Risks(factors=(settled,))
    # no venue quotes a negative implied yield
    marked = Factor(name="exit_implied", mean=exits.mean, sd=exits.sd, floor=0.0)
    return Risks(factors=(settled, marked), rho=exits.rho)


def _liquidation(
    sheet: Worksheet,
    trade: InterestPeriodArbitrage,
    holding: Holding,
    outlook: Outlook,
    drawn: Drawn,
    step_days: float,
) -> tuple[float, NDArray[np.float64] | None]:
    """Bound on the probability of a margin call, and that of each future where the bound is not negligible.

    The implied yield is a random walk, watched in steps and between them; the barrier moves with the
    clock and with what has settled at the mean of the forecast.
    """
    import numpy as np

    desk, exits = sheet.desk, outlook.exits
    if exits is None or drawn.exit_implied is None:
        return 0.0, None
    steps = max(1, math.ceil(holding.days / step_days))
    barriers = [
        trade.liquidation_barrier(
            outlook.forecast.mean_apy, max(trade.tau - tau - holding.entry_offset, 0.0), tau
        )
        for tau in _clock(desk, sheet.market, holding, steps)
    ]
    part = np.arange(len(barriers)) / steps
    line = trade.implied_apy + part * (exits.mean - trade.implied_apy)
    distance = trade.sign * (line - np.array(barriers))
    bound = min(1.0, 2.0 * normal_below(0.0, float(distance.min()), exits.sd))
    if bound < desk.settings.simulation_gate:
        return bound, None
    if exits.sd == 0:
        return bound, np.ones(drawn.exit_implied.size)
    step_sd = exits.sd / math.sqrt(steps)
    bridge = desk.draws.bridge(drawn.exit_implied.size, steps, trade.sign)
    end = trade.sign * (drawn.exit_implied - exits.mean) / step_sd
    return bound, crossing_odds(distance / step_sd, part, end, bridge)


def _clock(desk: Desk, market: Market, holding: Holding, steps: int) -> list[float]:
    """Years to maturity at the begin and after each step, as far as the contract lives."""
    moments = (desk.as_of + step / steps * timedelta(days=holding.days) for step in range(steps))
    taus = [*(desk.clock(market, moment) for moment in moments), holding.exit_tau]
    return [tau for tau in taus if tau > 0]


CYCLE = Plan(
    name=NAME,
    until=lambda desk, market: desk.period_end(market),
    naive=lambda trade, scenario: trade.naive(scenario.settled_apy),
    margin_only=False,
    step_days=1.0,
)
