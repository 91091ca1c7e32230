"""Rows of parity arbitrage: PT and YT of each contract whose prices do not make one ST (amm.md 1-2).

A row is written only where a quote carries both prices and they miss 1 ST by more than `ROUNDING`. One that derives
the YT from the PT, or both from one implied yield, keeps parity by construction and gets no row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldtrade.amm.base import Side
from yieldtrade.conventions import DAYS_PER_YEAR
from yieldtrade.errors import CapacityError
from yieldtrade.strategies.inputs import Scenario
from yieldtrade.strategies.parity import ParityArbitrage, parity_at, quoted_fill
from yieldtrade.strategies.risk import Outcomes, Risks, probability_of_loss
from yieldtrade.strategies.scoring import hurdle_profit, score
from yieldtrade.strategies.worksheet import Worksheet, write_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yieldtrade.strategies.depth import Depth
    from yieldtrade.strategies.desk import Desk
    from yieldtrade.strategies.parity import ParityDirection
    from yieldtrade.strategies.row import Opportunity
    from yieldtrade.strategies.subject import Market, Subject
    from yieldtrade.strategies.worksheet import Arithmetic

NAME = "parity"
# Two prices published to four decimals add up to 1 within one unit of the last of them each.
ROUNDING = 2e-4
# Both trades and the split are settled at once; the capital is counted as bound for a day.
BOUND_DAYS = 1.0
_SIDES: dict[ParityDirection, str] = {"mint_and_sell": "mint", "buy_and_redeem": "redeem"}


def opportunities(desk: Desk, subject: Subject) -> Iterator[Opportunity]:
    """Yield the row of a contract whose two prices miss parity; none where they keep it."""
    gap = parity_gap(subject.markets[0])
    if gap is None or abs(gap) <= ROUNDING:
        return
    direction: ParityDirection = "mint_and_sell" if gap > 0 else "buy_and_redeem"
    yield write_row(desk, subject, NAME, _SIDES[direction], lambda sheet: _fill(sheet, direction, gap))


def parity_gap(market: Market) -> float | None:
    """PT and YT as quoted, together, less one ST; None where not both are quoted."""
    quote = market.quote
    if quote is None or quote.pt_price is None or quote.yt_price is None:
        return None
    return quote.pt_price + quote.yt_price - 1.0


def _fill(sheet: Worksheet, direction: ParityDirection, gap: float) -> None:
    desk, years = sheet.desk, BOUND_DAYS / DAYS_PER_YEAR
    sheet.put(horizon_days=BOUND_DAYS, show_apy=desk.shows_apy(BOUND_DAYS), leverage=1.0)
    sheet.figure(parity_gap=gap)
    sheet.flag("re_entry_needed")
    sheet.note(
        "nothing is held afterwards: what stays a risk is that the second leg is not filled as quoted, "
        "which is not counted; no fee on splitting or joining is known, none is counted"
    )
    trade = _trade(sheet, direction, gap)
    if trade is None:
        return
    scenario, flat = Scenario(), _flat_costs(sheet)
    _legs(sheet, trade)
    pnl = arithmetic(sheet, trade, scenario)
    sheet.priced(trade, scenario, pnl=pnl, flat_costs=flat, years=years)
    parts = {name: float(part) for name, part in trade.decomposition().items()}
    sheet.put(
        net_apy_naive=float(trade.naive()),
        decomposition=parts,
        cost_in=-(parts["pt_fee"] + parts["yt_fee"] + parts["pt_impact"] + parts["yt_impact"])
        / sheet.capital,
    )
    sheet.break_evens(trade.break_evens())
    _score(sheet, trade, pnl, flat, years)


def _trade(sheet: Worksheet, direction: ParityDirection, gap: float) -> ParityArbitrage | None:
    """Build the trade in the one pool where it is stored, else at the quotes where PT and YT trade apart."""
    depth, contract = sheet.depth(), sheet.market.contract
    if depth is not None:
        sheet.note("both legs go through one pool, the YT on the state that the PT leaves: it keeps parity")
        return _pooled(sheet, depth, direction)
    if "amm_kind" in contract.terms:
        text = (
            f"the quoted PT and YT of {contract.contract_id} miss 1 ST by {gap:.6f}, but one pool of "
            f"{contract.venue_id} makes both, at parity by construction: they cannot both be traded "
            f"(at most {ROUNDING:g} is rounding)"
        )
        sheet.reject("inconsistent_parameters", gap, ROUNDING, text)
        return None
    return _quoted(sheet, direction)


def _pooled(sheet: Worksheet, depth: Depth, direction: ParityDirection) -> ParityArbitrage | None:
    """Fill both legs in the pool, in tokens of one dollar of ST each."""
    try:
        found = parity_at(direction, sheet.capital / depth.st_price, depth.amm)
    except CapacityError as refused:
        asked, most = refused.requested * depth.st_price, refused.maximum * depth.st_price
        text = f"a trade of {asked:,.2f} USD is more than the {most:,.2f} USD that the pool fills ({refused.binding})"
        sheet.reject("size_above_capacity" if most > 0 else "zero_capacity", asked, most, text)
        return None
    legs = [
        quoted_fill(fill.side, sheet.capital, float(fill.spot_before), 0.0)._replace(
            st_amount=float(fill.st_amount) * depth.st_price,
            gross=float(fill.gross) * depth.st_price,
            fee=float(fill.fee) * depth.st_price,
        )
        for fill in (found.pt, found.yt)
    ]
    return ParityArbitrage(direction=direction, pt=legs[0], yt=legs[1])


def _quoted(sheet: Worksheet, direction: ParityDirection) -> ParityArbitrage | None:
    """Take both legs at the quoted prices and the trading fee; the size is what is split, or paid for both."""
    quote, fee = sheet.market.quote, sheet.number("trading_fee")
    if quote is None or quote.pt_price is None or quote.yt_price is None or fee is None:
        return None
    if direction == "mint_and_sell":
        units, sides = sheet.capital, (Side.SELL_PT, Side.SELL_YT)
    else:
        units = sheet.capital / ((quote.pt_price + quote.yt_price) * (1.0 + fee))
        sides = (Side.BUY_PT, Side.BUY_YT)
    pt, yt = (
        quoted_fill(side, units, price, fee)
        for side, price in zip(sides, (quote.pt_price, quote.yt_price), strict=True)
    )
    return ParityArbitrage(direction=direction, pt=pt, yt=yt)


def _flat_costs(sheet: Worksheet) -> float:
    """Gas, and the ways into ST and out of it."""
    costs = sheet.desk.settings.costs
    return costs.gas_usd + sheet.capital * (1.0 - (1.0 - costs.swap) * (1.0 - costs.swap))


def _legs(sheet: Worksheet, trade: ParityArbitrage) -> None:
    minted, name = trade.direction == "mint_and_sell", sheet.market.contract.contract_id
    start = sheet.desk.as_of
    pairs = float(trade.st_for_pairs)
    if minted:
        sheet.leg(start, "split", "ST", price_st=1.0, value_usd=pairs)
    for token, fill in (("PT", trade.pt), ("YT", trade.yt)):
        sheet.leg(
            start,
            "sell" if minted else "buy",
            f"{token}-{name}",
            price_st=float(fill.spot_before),
            value_usd=float(fill.gross),
            fee_usd=float(fill.fee),
        )
    if not minted:
        sheet.leg(start, "join", "ST", price_st=1.0, value_usd=pairs)


def arithmetic(sheet: Arithmetic, trade: ParityArbitrage, scenario: Scenario) -> float:
    """Write the profit step by step."""
    minted = trade.direction == "mint_and_sell"
    pairs = sheet.work(
        "st_for_pairs",
        "N/(1.0 - fee)" if minted else "N*(1.0 - fee)",
        float(trade.st_for_pairs),
        "USD of ST",
        N=float(trade.pt.units),
        fee=trade.fee,
    )
    return sheet.work(
        "pnl",
        "s*(pt + yt - pairs) - gas",
        float(trade.pnl(scenario)),
        "USD",
        s=1.0 if minted else -1.0,
        pt=float(trade.pt.st_amount),
        yt=float(trade.yt.st_amount),
        pairs=pairs,
        gas=trade.gas_st,
    )


def _score(sheet: Worksheet, trade: ParityArbitrage, pnl: float, flat: float, years: float) -> None:
    import numpy as np

    losses = probability_of_loss(
        trade,
        Risks(factors=()),
        Outcomes(np.array([pnl])),
        hurdle_pnl=hurdle_profit(sheet, years),
        flat_costs=flat,
        simulation_gap=sheet.desk.settings.simulation_gap,
        liquidation_gap=sheet.desk.settings.liquidation_gap,
    )
    score(sheet, losses, years, (sheet.market.contract.terms,))
