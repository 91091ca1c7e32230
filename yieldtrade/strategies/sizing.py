"""How much of a row's trade fits, written into the row (strategies.md 6).

A profit by size re-prices the trade with the pool's fills and the lender's curve at each size; where neither is
stored a profit is proportional to its size, and only the caps say how much fits.
"""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from yieldtrade.conventions import growth_from_apy
from yieldtrade.lending.account import borrow_caps, gates_from_terms
from yieldtrade.strategies.capacity import capacity
from yieldtrade.strategies.interest_period import cycle_pnl
from yieldtrade.strategies.principal_loop import loop_equity
from yieldtrade.tokens.pricing import pt_price

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from yieldtrade.strategies.depth import Depth
    from yieldtrade.strategies.fixed_income import FixedIncome
    from yieldtrade.strategies.inputs import Costs, Scenario
    from yieldtrade.strategies.interest_period import InterestPeriodArbitrage
    from yieldtrade.strategies.jlp_loop import JlpLoop
    from yieldtrade.strategies.loan_rate import LoanRate
    from yieldtrade.strategies.principal_loop import LeveragedPrincipalLoop
    from yieldtrade.strategies.principal_spread import PrincipalSpread
    from yieldtrade.strategies.worksheet import Worksheet

    BySize = Callable[[NDArray[np.float64]], Any]


def write_capacity(
    sheet: Worksheet, profit: BySize | None, caps: Mapping[str, float], *, years: float
) -> None:
    """Write best size, edge capacity, largest size and what binds; sizes are USD of own capital.

    Parameters
    ----------
    sheet
        The row.
    profit
        Takes an array of sizes, returns profits before hurdle and gas, NaN where a size cannot be traded;
        None where the size moves no price.
    caps
        USD of own capital at which each limit is reached, by name.
    years
        Holding period, for the hurdle.
    """
    limits = {name: cap for name, cap in caps.items() if math.isfinite(cap)}
    sheet.put(caps=MappingProxyType(limits), slack_usd=_slack(limits, sheet.capital))
    if profit is None:
        if limits:
            smallest = min(limits, key=limits.__getitem__)
            sheet.put(max_size_usd=limits[smallest], binding=smallest)
        return
    hurdle, gas = growth_from_apy(sheet.desk.hurdle or 0.0, years), sheet.desk.settings.costs.gas_usd
    found = capacity(lambda sizes: profit(sizes) - hurdle * sizes - gas, limits, size_usd=sheet.capital)
    sheet.put(
        max_size_usd=found.max_size_usd if math.isfinite(found.max_size_usd) else None,
        binding=found.binding if found.status != "none" else None,
    )
    if found.status == "none":
        sheet.note("no size gains after the hurdle at today's depth")
    if found.status != "beyond_scan":
        sheet.put(best_size_usd=found.best_size_usd, edge_capacity_usd=found.edge_capacity_usd)
    sheet.figure(best_profit_usd=found.best_profit_usd)


def _slack(limits: Mapping[str, float], size: float) -> Mapping[str, float]:
    return MappingProxyType({name: cap - size for name, cap in limits.items()})


def size_fixed_income(sheet: Worksheet, trade: FixedIncome, years: float) -> None:
    """Write how much of a PT held to maturity fits."""
    depth, kept = sheet.depth(), 1.0 - trade.management_fee
    direct, price, swap = trade.route == "direct", trade.mid_price, 1.0 + trade.swap_cost
    if depth is None:
        write_capacity(sheet, None, {}, years=years)
        return
    most = depth.largest("BUY_PT") if direct else depth.largest("SELL_YT") * price / ((1.0 - price) * kept)

    def profit(sizes: NDArray[np.float64]) -> Any:
        cost = depth.costs_of_spending("BUY_PT", sizes / swap)
        executed = price * (1.0 + cost) * swap
        if not direct:
            # ST held against a short: the fee is that of the YT sold
            fee = depth.costs_of_trading("SELL_YT", sizes / executed * kept)
            executed = (1.0 - kept * (1.0 - fee) * (1.0 - price)) * swap
        return sizes / executed * (1.0 - trade.exit_cost) - sizes

    write_capacity(sheet, profit, {"amm_entry": most * swap}, years=years)


def size_spread(
    sheet: Worksheet, trade: PrincipalSpread, scenario: Scenario, leaving: datetime, years: float
) -> None:
    """Write how much of a PT sold before maturity fits."""
    depth, costs, value = sheet.depth(), sheet.desk.settings.costs, float(trade.exit_value(scenario))
    if depth is None:
        write_capacity(sheet, None, {}, years=years)
        return
    then, swap = depth.at(leaving, scenario.exit_implied), 1.0 + costs.swap
    per_usd = trade.units * value / trade.equity
    caps = {
        "amm_entry": depth.largest("BUY_PT") * swap,
        "exit_depth": _exit_depth(sheet, then, "SELL_PT") / per_usd,
    }

    def profit(sizes: NDArray[np.float64]) -> Any:
        units = sizes / (trade.mid_price * (1.0 + depth.costs_of_spending("BUY_PT", sizes / swap)) * swap)
        return units * value * (1.0 - _leaving_cost(then.costs_of_trading("SELL_PT", units), costs)) - sizes

    write_capacity(sheet, profit, caps, years=years)


def size_loop(
    sheet: Worksheet,
    trade: LeveragedPrincipalLoop,
    scenario: Scenario,
    leaving: datetime,
    flash_fee: float,
    rate: LoanRate | None,
) -> None:
    """Write how much of a levered PT fits: the pool's depth, the lender's curve and its gates."""
    depth, costs, lever = sheet.depth(), sheet.desk.settings.costs, trade.leverage
    reserve = None if rate is None else rate.reserve
    value, then = scenario.redemption_factor, None
    if not trade.to_maturity:
        value = pt_price(scenario.exit_implied, trade.tau - trade.years)
        then = None if depth is None else depth.at(leaving, scenario.exit_implied)
    caps = {}
    if depth is not None:
        caps["amm_entry"] = depth.largest("BUY_PT") * (1.0 + costs.swap) / lever
    if then is not None:
        caps["exit_depth"] = _exit_depth(sheet, then, "SELL_PT") * trade.equity / (trade.units * value)
    if lever > 1 and rate is not None:
        caps |= {name: cap / (lever - 1.0) for name, cap in _loan_caps(sheet, rate).items()}

    def profit(sizes: NDArray[np.float64]) -> Any:
        entry: Any = trade.entry_cost
        leave, cost_of_debt = trade.exit_cost, scenario.borrow_apy
        debt = (lever - 1.0) * sizes
        if depth is not None:
            cost = depth.costs_of_spending("BUY_PT", lever * sizes / (1.0 + costs.swap))
            entry = (1.0 + cost) * (1.0 + costs.swap) - 1.0
        units = lever * sizes / (trade.mid_price * (1.0 + entry))
        if then is not None:
            leave = _leaving_cost(then.costs_of_trading("SELL_PT", units), costs)
        if reserve is not None:
            cost_of_debt = reserve.borrow_apy_after(debt, on_error="nan")
        left = _where_known(
            loop_equity,
            {"units": units, "debt": debt, "borrow_apy": cost_of_debt, "pt_value": value * (1.0 - leave)},
            years=trade.years,
        )
        return left - sizes - 2.0 * flash_fee * debt

    moves = depth is not None or reserve is not None
    write_capacity(sheet, profit if moves else None, caps, years=trade.years)


def size_share_loop(sheet: Worksheet, trade: JlpLoop, scenario: Scenario, rate: LoanRate | None) -> None:
    """Write how much of a levered pool share fits: what is left to borrow, and the lender's curve where it is stated.

    The share's own market is not priced by size.
    """
    if trade.debt == 0 or rate is None:
        write_capacity(sheet, None, {}, years=trade.years)
        return
    per_usd, reserve = trade.debt / trade.equity, rate.reserve

    def profit(sizes: NDArray[np.float64]) -> Any:
        after = reserve.borrow_apy_after(per_usd * sizes, on_error="nan") if reserve is not None else None
        gain = _where_known(lambda borrow: trade.pnl(replace(scenario, borrow_apy=borrow)), {"borrow": after})
        return gain * sizes / trade.equity

    caps = {"available_liquidity": max(rate.available, 0.0) / per_usd}
    write_capacity(sheet, None if reserve is None else profit, caps, years=trade.years)


def size_yield(
    sheet: Worksheet, trade: InterestPeriodArbitrage, scenario: Scenario, leaving: datetime, years: float
) -> None:
    """Write how much of a YT position fits; levered or bought with cash, long or short."""
    depth, costs, p0 = sheet.depth(), sheet.desk.settings.costs, trade.entry_price
    if depth is None:
        write_capacity(sheet, None, {}, years=years)
        return
    growth, p1 = float(trade.growth(scenario.settled_apy)), float(trade.exit_price(scenario.exit_implied))
    long, notional = trade.side == "long", 1.0 if trade.leverage is None else trade.leverage
    opening, closing = ("BUY_YT", "SELL_YT") if long else ("SELL_YT", "BUY_YT")
    then = depth.at(leaving, scenario.exit_implied) if trade.exit_tau > 0 else None
    caps = {"amm_entry": depth.largest(opening) / notional}
    if then is not None:
        caps["exit_depth"] = _exit_depth(sheet, then, closing) * trade.margin / (abs(trade.position.yt) * p1)

    def profit(sizes: NDArray[np.float64]) -> Any:
        spent = notional * sizes
        # a purchase pays its fee out of what it spends, a sale out of what it brings
        if long:
            bought, st = spent / (p0 * (1.0 + depth.costs_of_spending(opening, spent))), -spent
        else:
            bought, st = -spent / p0, spent * (1.0 - depth.costs_of_trading(opening, spent / p0))
        lost = 0.0 * sizes if then is None else then.costs_of_trading(closing, abs(bought))
        gain = _where_known(
            cycle_pnl,
            {"yt": bought, "st": st, "trading_fee": lost},
            growth=growth,
            exit_price=p1,
            kept_yt=trade.kept[0],
            kept_st=trade.kept[1],
        )
        return gain - 2.0 * costs.swap * sizes - costs.exit_slippage * abs(bought) * p1

    write_capacity(sheet, profit, caps, years=years)


def _where_known(formula: Callable[..., Any], by_size: Mapping[str, Any], **fixed: float) -> Any:
    """Evaluate a formula at the sizes that can be traded, NaN at the others."""
    import numpy as np

    arrays = dict(zip(by_size, np.broadcast_arrays(*by_size.values()), strict=True))
    known = np.logical_and.reduce([np.isfinite(values) for values in arrays.values()])
    found = formula(**{name: values[known] for name, values in arrays.items()}, **fixed)
    left = np.full(known.shape, np.nan)
    left[known] = found
    return left


def _leaving_cost(fee: Any, costs: Costs) -> Any:
    """Share of the PT's value lost in a sale: the pool's cost, the user's slippage, the swap into the debt."""
    return 1.0 - (1.0 - fee) * (1.0 - costs.exit_slippage) * (1.0 - costs.swap)


def _loan_caps(sheet: Worksheet, rate: LoanRate) -> dict[str, float]:
    """What the lender still lends, by the name of each limit, USD."""
    if rate.reserve is None:
        return {"available_liquidity": max(rate.available, 0.0)}
    gates = gates_from_terms(sheet.desk.lender().terms, sheet.desk.settings.debt_asset)
    return borrow_caps(rate.reserve, gates, in_group=True)


def _exit_depth(sheet: Worksheet, then: Depth, side: str) -> float:
    return then.largest_within(side, sheet.desk.settings.max_exit_impact)
