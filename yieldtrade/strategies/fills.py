"""Trades of the user's size on a worksheet: what the pool fills, what it refuses, what an exit may move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldtrade.strategies.depth import Execution
from yieldtrade.strategies.row import InputLine

if TYPE_CHECKING:
    from datetime import datetime

    from yieldtrade.strategies.depth import Refusal
    from yieldtrade.strategies.subject import Market
    from yieldtrade.strategies.worksheet import Worksheet


def accepted(sheet: Worksheet, found: Execution | Refusal) -> Execution | None:
    """Return a trade that the pool fills; one that it cannot fill rejects the row."""
    if isinstance(found, Execution):
        return found
    asked, most = found.requested_usd, found.maximum_usd
    code = "size_above_capacity" if most > 0 else "zero_capacity"
    text = (
        f"a trade of {asked:,.2f} USD is more than the {most:,.2f} USD that the pool fills ({found.binding})"
    )
    sheet.reject(code, asked, most, text)
    return None


def use_fill(sheet: Worksheet, when: str, done: Execution, market: Market | None = None) -> None:
    """Record a fill as inputs of a row, ``when`` being ``entry`` or ``exit``."""
    fill, market = done.fill, market or sheet.market
    source = f"{fill.side} through the stored pool, {fill.route}"
    for name, value, unit in (
        ("fill_tokens", fill.units, "tokens"),
        ("fill_st", fill.st_amount, "ST, fee included"),
        ("fill_fee_st", fill.fee, "ST"),
        ("average_price", fill.average_price, "ST per token"),
        ("mid_price", done.mid_price, "ST per token"),
        ("price_impact", fill.price_impact, "of the spot price"),
        ("post_trade_apy", fill.post_trade_yield, "APY"),
        ("fill_cost", done.cost, "of the mid price, fee included"),
    ):
        sheet.use(InputLine(sheet.named(market, f"{when}_{name}"), float(value), unit, None, None, source))
    impact = sheet.named(market, f"{when}_price_impact")
    after = sheet.named(market, f"{when}_post_trade_apy")
    sheet.figure(**{impact: float(fill.price_impact), after: float(fill.post_trade_yield)})


def leave(
    sheet: Worksheet,
    side: str,
    units: float,
    moment: datetime,
    implied_apy: float,
    market: Market | None = None,
) -> Execution | None:
    """Fill the trade that ends a holding before maturity, in the pool as it will stand at an implied yield.

    Writes what could be traded within the accepted price impact; a trade beyond that, or beyond the pool, rejects
    the row.

    Parameters
    ----------
    sheet
        The row.
    side
        ``SELL_PT``, ``SELL_YT`` or ``BUY_YT``.
    units
        Tokens, of 1 USD of ST each.
    moment
        When the trade is left.
    implied_apy
        Implied yield then, before the trade.
    market
        The contract, where the row has several.

    Returns
    -------
    Execution or None
        None where the depth is not known, or the pool cannot fill the trade.

    Raises
    ------
    CapacityError
        The pool cannot stand at that yield.
    """
    now, limit = sheet.depth(market), sheet.desk.settings.max_exit_impact
    if now is None:
        return None
    then = now.at(moment, implied_apy)
    within = then.largest_within(side, limit)
    sheet.exit_depth(within)
    done = accepted(sheet, then.trade(side, units))
    if done is None:
        return None
    use_fill(sheet, "exit", done, market)
    if done.gives_back > 0:
        sheet.note(
            f"the sale brings {done.gives_back:.4%} more than the mid price: a synthetic PT gives back part of its "
            "management fee, which is not counted"
        )
    impact, asked = float(done.fill.price_impact), units * done.mid_price
    if impact > limit:
        moves = f"leaving with {asked:,.0f} USD moves the price by {impact:.2%}"
        text = f"{moves}; {within:,.0f} USD stay within {limit:.2%}"
        sheet.reject("size_above_capacity", asked, within, text)
    return done
