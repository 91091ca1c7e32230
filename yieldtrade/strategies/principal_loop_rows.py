"""Rows of the levered PT: one on each contract, lent against by the settings' lender (strategies.md 4.2)."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.conventions import DAYS_PER_YEAR
from yieldtrade.lending.leverage import check_ltv_limits, leverage_cap
from yieldtrade.lending.oracle import LinearDiscountOracle, MarketTwapOracle
from yieldtrade.strategies import fills
from yieldtrade.strategies.inputs import PriceRisk, Scenario
from yieldtrade.strategies.loan_rate import after_own_debt, check_available, read_borrow, stored_rate
from yieldtrade.strategies.principal_loop import LeveragedPrincipalLoop
from yieldtrade.strategies.risk import (
    Factor,
    Outcomes,
    Risks,
    draw_scenario,
    normal_below,
    probability_of_loss,
)
from yieldtrade.strategies.row import InputLine
from yieldtrade.strategies.scoring import hurdle_profit, score
from yieldtrade.strategies.sizing import size_loop
from yieldtrade.strategies.worksheet import Worksheet, write_row
from yieldtrade.tokens.pricing import pt_price

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yieldtrade.lending.oracle import PrincipalOracle
    from yieldtrade.strategies.depth import Execution
    from yieldtrade.strategies.desk import Desk
    from yieldtrade.strategies.inputs import BorrowForecast, ExitYield
    from yieldtrade.strategies.loan_rate import Borrow
    from yieldtrade.strategies.row import Opportunity
    from yieldtrade.strategies.subject import Subject
    from yieldtrade.strategies.worksheet import Arithmetic

NAME = "principal_loop"


class Loan(NamedTuple):
    """Terms of the lender and the market's fee."""

    trading_fee: float
    max_ltv: float
    liquidation_ltv: float
    flash_fee: float
    oracle: PrincipalOracle


def opportunities(desk: Desk, subject: Subject) -> Iterator[Opportunity]:
    """Yield the one row of a contract."""
    yield write_row(desk, subject, NAME, "", _fill)


def _fill(sheet: Worksheet) -> None:
    desk, lender = sheet.desk, sheet.desk.lender()
    loan = _loan(sheet)
    found = read_borrow(sheet, lender, lambda: stored_rate(desk, lender, desk.borrow_rate()))
    price_risk = _price_risk(sheet)
    days = _days(sheet)
    sheet.put(horizon_days=days, show_apy=sheet.desk.shows_apy(days))
    early = days < sheet.market.days_left
    exits = sheet.exit_yield(days) if early else None
    if loan is None or found is None or price_risk is None or (early and exits is None):
        return
    trade = _trade(sheet, loan, days, None if exits is None else exits.mean)
    if trade is None:
        return
    borrow = after_own_debt(sheet, found, trade.debt)
    if borrow is None:
        return
    scenario = Scenario(
        borrow_apy=borrow.mean_apy, exit_implied=trade.implied_apy if exits is None else exits.mean
    )
    flat_costs = sheet.desk.settings.costs.gas_usd + 2.0 * loan.flash_fee * trade.debt
    _describe(sheet, trade, borrow.mean_apy)
    _returns(sheet, trade, scenario, flat_costs)
    _check(sheet, trade, found, borrow.mean_apy)
    leaving = desk.as_of + timedelta(days=days)
    size_loop(sheet, trade, scenario, leaving, loan.flash_fee, found.rate)
    _losses(sheet, trade, borrow, price_risk, exits, flat_costs)


def _loan(sheet: Worksheet) -> Loan | None:
    quote, terms = sheet.market.quote, sheet.desk.lender().terms
    trading_fee = sheet.number("trading_fee")
    max_ltv, liquidation_ltv = sheet.lender_number("pt_max_ltv"), sheet.lender_number("pt_liquidation_ltv")
    flash_fee = sheet.desk.settings.costs.flash_fee
    if flash_fee is None:
        flash_fee = sheet.lender_number("flash_fee")
    by_market = terms.get("pt_oracle_kind") == "market_twap"
    discount = 0.0 if by_market else sheet.lender_number("pt_oracle_discount")
    if trading_fee is None or max_ltv is None or liquidation_ltv is None or flash_fee is None:
        return None
    if discount is None or quote is None:
        return None
    oracle: PrincipalOracle = LinearDiscountOracle(discount=discount)
    if by_market:
        oracle = MarketTwapOracle(implied_apy=quote.implied_apy)
    return Loan(trading_fee, max_ltv, liquidation_ltv, flash_fee, oracle)


def _price_risk(sheet: Worksheet) -> PriceRisk | None:
    found = sheet.desk.price_vol(sheet.market)
    contract = sheet.market.contract
    if found is None:
        sheet.missing(
            f"no prices measure how far {contract.underlying} moves against {sheet.desk.settings.debt_asset}: "
            f"state `--set {contract.contract_id}.base_asset=USD` if it is a dollar, or load prices"
        )
        return None
    vol, source = found
    sheet.use(InputLine("underlying_vol", vol, "a year", None, None, source))
    sheet.figure(underlying_vol=vol)
    return PriceRisk(vol=vol)


def _days(sheet: Worksheet) -> float:
    """To maturity, or to the wished horizon where sooner."""
    wished, left = sheet.desk.settings.horizon_days, sheet.market.days_left
    if wished is not None and wished > left:
        sheet.flag("horizon_cut")
    if wished is not None and wished < left:
        sheet.flag("re_entry_needed")
        return wished
    return left


def _trade(
    sheet: Worksheet, loan: Loan, days: float, exit_implied: float | None
) -> LeveragedPrincipalLoop | None:
    """Build the loop at the chosen leverage; None where no leverage is allowed, or the pool cannot fill it."""
    quote, tau, settings = sheet.market.quote, sheet.market.tau, sheet.desk.settings
    if quote is None or tau is None:
        return None
    check_ltv_limits(loan.max_ltv, loan.liquidation_ltv)
    early = days < sheet.market.days_left
    price, counted = pt_price(quote.implied_apy, tau), loan.oracle.price(tau)
    if counted > price:
        sheet.flag("oracle_above_market")
    entry = _entry_cost(sheet, loan, price, counted)
    if entry is None:
        return None
    leverage, entry_cost = entry
    if leverage < 1:
        sheet.reject(
            "above_max_leverage", 1.0, leverage, f"a loop has a leverage of 1 or more, not {leverage:g}"
        )
        return None
    units = leverage * sheet.capital / (price * (1.0 + entry_cost))
    sale = _sale(sheet, loan, days, units, exit_implied) if early else 1.0
    if sale is None:
        return None
    return LeveragedPrincipalLoop(
        implied_apy=quote.implied_apy,
        tau=tau,
        leverage=leverage,
        max_ltv=loan.max_ltv,
        liquidation_ltv=loan.liquidation_ltv,
        oracle=loan.oracle,
        hold=days / DAYS_PER_YEAR if early else None,
        entry_cost=entry_cost,
        exit_cost=1.0 - sale * (1.0 - settings.costs.swap),
        equity=sheet.capital,
        liquidation_loss=settings.liquidation_loss,
    )


def _entry_cost(sheet: Worksheet, loan: Loan, price: float, counted: float) -> tuple[float, float] | None:
    """Choose the leverage and return it with the cost of entry, None where the pool cannot fill it.

    Where the depth is known, the cost of what is bought at the leverage that the fee alone would allow sets the
    cap; the cost of what is then bought is not above that.
    """
    swap, depth = sheet.desk.settings.costs.swap, sheet.depth()

    def cost_with(fee: float) -> float:
        return (1.0 + fee) * (1.0 + swap) - 1.0

    def bought(leverage: float) -> Execution | None:
        spent = leverage * sheet.capital / (1.0 + swap)
        return None if depth is None else fills.accepted(sheet, depth.spend("BUY_PT", spent))

    def cap(counted: float, fee: float) -> float:
        return leverage_cap(loan.max_ltv, counted, price * (1.0 + cost_with(fee)))

    # a loan against more than the PT would fetch cannot be liquidated whole, so the cap counts the lesser
    prudent, fee = min(counted, price), loan.trading_fee
    if depth is not None:
        tried = bought(sheet.leverage_within(cap(prudent, fee)))
        if tried is None:
            return None
        fee = tried.cost
    at_oracle = cap(counted, fee)
    sheet.figure(max_leverage_at_oracle=at_oracle if math.isfinite(at_oracle) else None)
    leverage = sheet.leverage(cap(prudent, fee))
    done = bought(leverage) if leverage > 0 else None
    if done is not None:
        fills.use_fill(sheet, "entry", done)
        fee = done.cost
        sheet.work("c_in", "(1.0 + f)*(1.0 + swap) - 1.0", cost_with(fee), f=fee, swap=swap)
    return leverage, cost_with(fee)


def _sale(
    sheet: Worksheet, loan: Loan, days: float, units: float, exit_implied: float | None
) -> float | None:
    """Share of the PT's value that a sale before maturity brings, None where the pool cannot take them."""
    fee, desk = loan.trading_fee, sheet.desk
    if sheet.depth() is not None and exit_implied is not None:
        done = fills.leave(sheet, "SELL_PT", units, desk.as_of + timedelta(days=days), exit_implied)
        if done is None:
            return None
        fee = done.cost
    return (1.0 - fee) * (1.0 - desk.settings.costs.exit_slippage)


def _describe(sheet: Worksheet, trade: LeveragedPrincipalLoop, borrow_apy: float) -> None:
    """Write legs, loan to value and what liquidates the loop."""
    contract, start, settings = sheet.market.contract, sheet.desk.as_of, sheet.desk.settings
    token = f"PT-{contract.contract_id}"
    worth = trade.units * trade.mid_price
    cost = trade.units * (trade.execution_price - trade.mid_price)
    sheet.leg(start, "borrow", settings.debt_asset, price_st=0.0, value_usd=trade.debt)
    sheet.leg(start, "buy", token, price_st=trade.mid_price, value_usd=worth, fee_usd=cost)
    sheet.put(
        leverage_mark=trade.mark_leverage,
        ltv=sheet.work(
            "ltv",
            "D/(N*O)",
            trade.ltv,
            D=trade.debt,
            N=trade.units,
            O=trade.oracle_price,
        )
        if trade.debt > 0
        else 0.0,
        health_factor=trade.health_factor,
        cost_in=cost / trade.equity,
        liquidation_trigger="underlying price falls to",
        liquidation_unit="of the price now",
        liquidation_value=trade.liquidation_ratio(),
        liquidation_days=trade.days_after_maturity(borrow_apy),
    )
    sheet.figure(
        critical_borrow_apy=trade.critical_borrow_apy(),
        executed_yield=trade.executed_yield,
        oracle_price=trade.oracle_price,
        market_price=trade.mid_price,
    )
    if isinstance(trade.oracle, MarketTwapOracle):
        sheet.figure(liquidation_implied_apy=trade.liquidation_implied())
    else:
        sheet.note(
            "negative carry costs money but does not liquidate: the lender's price of the PT rises faster"
        )


def _returns(sheet: Worksheet, trade: LeveragedPrincipalLoop, scenario: Scenario, flat_costs: float) -> None:
    """Write profit, naive figure, break-evens and decomposition at the means."""
    pnl = arithmetic(sheet, trade, scenario)
    sheet.priced(trade, scenario, pnl=pnl, flat_costs=flat_costs, years=trade.years)
    parts = trade.decomposition(scenario)
    sheet.put(
        net_apy_naive=trade.naive(scenario.borrow_apy),
        unlevered_apy=trade.unlevered_apy,
        decomposition=parts,
        cost_out=-parts["exit_cost"] / trade.equity,
    )
    sheet.break_evens(trade.break_evens(scenario.borrow_apy, sheet.desk.hurdle))


def arithmetic(sheet: Arithmetic, trade: LeveragedPrincipalLoop, scenario: Scenario) -> float:
    """Write the profit step by step."""
    price = sheet.work(
        "P", "exp(-tau*log1p(y))", trade.mid_price, "ST per PT", tau=trade.tau, y=trade.implied_apy
    )
    units = sheet.work(
        "N",
        "L*E/(P*(1.0 + c_in))",
        trade.units,
        "PT, of 1 USD of ST each",
        L=trade.leverage,
        E=trade.equity,
        P=price,
        c_in=trade.entry_cost,
    )
    value = scenario.redemption_factor
    if not trade.to_maturity:
        value = sheet.work(
            "V",
            "exp(-tau1*log1p(y1))",
            pt_price(scenario.exit_implied, trade.tau - trade.years),
            "ST per PT",
            tau1=trade.tau - trade.years,
            y1=scenario.exit_implied,
        )
    return sheet.work(
        "pnl",
        "N*V*X*(1.0 - c) - D*exp(t*log1p(b)) - E",
        float(trade.pnl(scenario)),
        "USD",
        N=units,
        V=value,
        X=scenario.underlying_ratio,
        c=trade.exit_cost,
        D=trade.debt,
        t=trade.years,
        b=scenario.borrow_apy,
        E=trade.equity,
    )


def _check(sheet: Worksheet, trade: LeveragedPrincipalLoop, borrow: Borrow, borrow_apy: float) -> None:
    """Reject a loop whose PT yields less than its debt costs, or whose debt is not there to borrow."""
    if trade.debt == 0:
        return
    earned = trade.executed_yield
    if earned <= borrow_apy:
        text = f"the PT yields {earned:.4%} at its price, the debt costs {borrow_apy:.4%}"
        sheet.reject("negative_carry", earned, borrow_apy, text)
    check_available(sheet, borrow, trade.debt)


def _losses(
    sheet: Worksheet,
    trade: LeveragedPrincipalLoop,
    borrow: BorrowForecast,
    price_risk: PriceRisk,
    exits: ExitYield | None,
    flat_costs: float,
) -> None:
    desk, vol = sheet.desk, price_risk.vol
    factors = [Factor(name="borrow_apy", mean=borrow.mean_apy, sd=borrow.sd_apy, floor=0.0)]
    if vol > 0:
        spread = math.sqrt(math.expm1(vol * vol * trade.years))
        factors.append(Factor(name="underlying_ratio", mean=1.0, sd=spread, shape="lognormal"))
    if exits is not None:
        factors.append(Factor(name="exit_implied", mean=exits.mean, sd=exits.sd, floor=0.0))

    def below(threshold: float) -> float:
        """Probability of less than a profit where only the borrow rate is uncertain: that of paying more."""
        limit = trade.break_even_borrow(trade.equity + threshold)
        if limit.value is None:
            return 0.0 if limit.status == "always" else 1.0
        return 1.0 - normal_below(limit.value, borrow.mean_apy, borrow.sd_apy)

    risks = Risks(factors=tuple(factors))
    drawn = draw_scenario(risks, desk.draws, desk.settings.draws)
    p_liquidation = trade.p_liquidation(borrow.mean_apy, vol)
    simulated = trade.debt > 0 and p_liquidation >= desk.settings.simulation_gate
    if simulated:
        sheet.note(f"a liquidation is counted as a loss of {trade.liquidation_loss:.0%} of the capital")
    outcomes = Outcomes(
        trade.pnl(drawn),
        trade.liquidation_odds(drawn, vol) if simulated else None,
        -trade.liquidation_loss * trade.equity,
    )
    losses = probability_of_loss(
        trade,
        risks,
        outcomes,
        hurdle_pnl=hurdle_profit(sheet, trade.years),
        flat_costs=flat_costs,
        simulation_gap=desk.settings.simulation_gap,
        liquidation_gap=desk.settings.liquidation_gap,
        p_liquidation=p_liquidation,
        exact=below if len(factors) == 1 and trade.debt > 0 else None,
    )
    score(sheet, losses, trade.years, (sheet.market.contract.terms, desk.lender().terms))
