"""Rows of spreads between two PT of one underlying: impossible forwards, and venues that disagree (tokens.md 14).

Pairs are looked for within an underlying, and only what the curves report becomes a row: a later PT that costs more
than an earlier one, at one venue or two, or two venues whose PT mature within `MAX_DAYS_APART` at different yields.
A forward that is merely high or low is a view on yields, not a spread, and gets no row. PT of two chains cannot be
traded at one moment and are not compared. Forwards are taken between PT of one clock and distribution basis alone;
venues near in maturity are compared across them, each PT on its own clock, so that the yield of a running period that
only one of them credits counts as yield between the maturities.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.amm.base import Side
from yieldtrade.conventions import DAYS_PER_YEAR, growth_from_apy
from yieldtrade.strategies import fills
from yieldtrade.strategies.calendar_spread import CalendarSpread, SpreadLeg, VenuePair, venue_pairs
from yieldtrade.strategies.inputs import Scenario
from yieldtrade.strategies.risk import Factor, Outcomes, Risks, draw_scenario, probability_of_loss
from yieldtrade.strategies.scoring import hurdle_profit, score
from yieldtrade.strategies.subject import of_contracts
from yieldtrade.strategies.worksheet import Worksheet, write_row
from yieldtrade.tokens.curve import ImpliedYieldCurve
from yieldtrade.tokens.curve_nodes import CurveNode
from yieldtrade.tokens.pricing import pt_price

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from yieldtrade.strategies.desk import Desk
    from yieldtrade.strategies.inputs import YieldForecast
    from yieldtrade.strategies.row import Opportunity
    from yieldtrade.strategies.subject import Market, Subject
    from yieldtrade.strategies.worksheet import Arithmetic

NAME = "calendar_spread"
CURVE, VENUES = "curve", "venues"
# Two venues are compared where their PT mature within a week: an interest period of JLP.
MAX_DAYS_APART = 7.0


class Pair(NamedTuple):
    """The PT bought, the PT minted and sold, and whether the curve or the venues contradict each other."""

    buy: Market
    sell: Market
    side: str


def opportunities(desk: Desk, subject: Subject) -> Iterator[Opportunity]:
    """Yield a row for each pair found on an underlying; none where nothing contradicts anything."""
    for pair in find_pairs(desk, subject.markets):
        yield write_row(
            desk,
            of_contracts((pair.buy, pair.sell)),
            NAME,
            pair.side,
            lambda sheet, pair=pair: _fill(sheet, pair),  # type: ignore[misc]
        )


def find_pairs(desk: Desk, markets: Iterable[Market]) -> tuple[Pair, ...]:
    """Return the pairs of contracts that contradict each other, in order of name.

    Each PT that is sold is set against the one it contradicts most: the others could only be worse trades, and one
    wrong quote would else fill the screen with as many rows as there are contracts.
    """
    chains: defaultdict[str, list[Market]] = defaultdict(list)
    for market in markets:
        if market.quote is not None and market.tau is not None and market.tau > 0:
            chains[str(market.contract.terms.get("chain"))].append(market)
    found = [pair for group in chains.values() if len(group) > 1 for pair in _pairs(desk, group)]
    best: dict[tuple[str, str], Pair] = {}
    for pair in sorted(found, key=_contradiction):
        best[pair.sell.contract.contract_id, pair.side] = pair
    return tuple(sorted(best.values(), key=_name))


def _contradiction(pair: Pair) -> tuple[float, tuple[str, str]]:
    """ST by which the PT sold is dearer than the PT bought."""
    sold, bought = (_node(market).pt_price for market in (pair.sell, pair.buy))
    return sold - bought, _name(pair)


def _rules(market: Market) -> tuple[str, str]:
    """What must agree for a forward between PT: periods that begin on a venue's own epochs are that venue's."""
    contract = market.contract
    clock = contract.clock if contract.clock == "wall" else contract.venue_id
    return clock, str(contract.terms.get("distribution_basis"))


def _name(pair: Pair) -> tuple[str, str]:
    return pair.buy.contract.contract_id, pair.sell.contract.contract_id


def _pairs(desk: Desk, group: list[Market]) -> Iterator[Pair]:
    """Yield the impossible forwards of each curve, then those and the near pairs between venues."""
    known = {market.contract.contract_id: market for market in group}
    curves = _curves(desk, group)
    for curve in curves.values():
        for found in curve.check_no_arbitrage(tol=0.0):
            if found.earlier in known:
                yield Pair(known[found.earlier], known[found.later], CURVE)
    if not curves:
        return
    furthest = max(node.tau for curve in curves.values() for node in curve.nodes) * DAYS_PER_YEAR
    for pair in venue_pairs(curves, max_days_apart=furthest):
        side = _side(pair, known[pair.buy.name], known[pair.sell.name])
        if side is not None:
            yield Pair(known[pair.buy.name], known[pair.sell.name], side)


def _side(pair: VenuePair, buy: Market, sell: Market) -> str | None:
    """What a pair between venues contradicts: the other venue, the curve, or nothing."""
    if buy.contract.venue_id == sell.contract.venue_id:
        return None
    if abs(buy.days_left - sell.days_left) <= MAX_DAYS_APART:
        return VENUES
    impossible = pair.buy.tau < pair.sell.tau and pair.buy.pt_price < pair.sell.pt_price
    return CURVE if impossible and _rules(buy) == _rules(sell) else None


def _curves(desk: Desk, group: list[Market]) -> Mapping[str, ImpliedYieldCurve]:
    """Return the curve of each venue and set of rules, with the deepest contract of each date.

    Contracts that mature today are left out.
    """
    deepest: dict[tuple[str, object], Market] = {}
    for market in sorted(group, key=_depth):
        contract = market.contract
        if contract.maturity.date() > desk.as_of.date():
            curve = " ".join((contract.venue_id, *_rules(market)))
            deepest[curve, contract.maturity.date()] = market
    nodes: defaultdict[str, list[CurveNode]] = defaultdict(list)
    for (curve, _), market in sorted(deepest.items(), key=lambda item: item[1].contract.maturity):
        nodes[curve].append(_node(market))
    return {curve: ImpliedYieldCurve(as_of=desk.as_of, nodes=tuple(nodes[curve])) for curve in sorted(nodes)}


def _depth(market: Market) -> tuple[float, str]:
    known = None if market.quote is None else market.quote.liquidity_usd
    return (-1.0 if known is None else known), market.contract.contract_id


def _node(market: Market) -> CurveNode:
    """A PT at its quoted yield on its own clock, which is what it trades at."""
    contract, quote, tau = market.contract, market.quote, market.tau or 0.0
    implied = 0.0 if quote is None else quote.implied_apy
    return CurveNode(contract.contract_id, contract.maturity, tau, implied, pt_price(implied, tau), quote)


# ---------------------------------------------------------------------- one row


def _fill(sheet: Worksheet, pair: Pair) -> None:
    desk = sheet.desk
    days = max(pair.buy.days_left, pair.sell.days_left)
    years = days / DAYS_PER_YEAR
    sheet.put(horizon_days=days, show_apy=desk.shows_apy(days), leverage=1.0)
    sheet.flag("fixed_in_st")
    sheet.note(
        "the profit is over holding the ST that is split: the size is that ST, whose own yield is set against the "
        "hurdle as far as it goes"
    )
    if _rules(pair.buy) != _rules(pair.sell):
        sheet.note(
            "the two are paid by different clocks or rules: what a running period and another way of compounding "
            "make of one yield stays a risk beside the forecast's"
        )
    for market in (pair.buy, pair.sell):
        _check_liquidity(sheet, market)
    buy, sell = _node(pair.buy), _node(pair.sell)
    sheet.put(net_apy_naive=buy.implied_apy - sell.implied_apy)
    sheet.figure(spot_gap=sell.pt_price - buy.pt_price, yield_gap=buy.implied_apy - sell.implied_apy)
    trade = _trade(sheet, pair)
    if trade is None:
        return
    floor = trade.gradient(Scenario(settled_apy=0.0))["settled_apy"] >= 0
    later = max(pair.buy.contract.maturity, pair.sell.contract.maturity)
    forecast = sheet.forecast(desk.as_of, later, needed=not floor)
    if forecast is None and not floor:
        _put_locked(sheet, trade)
        return
    risks = _risks(forecast)
    scenario = risks.means()
    _put_locked(sheet, trade)
    _legs(sheet, pair, trade)
    pnl = arithmetic(sheet, trade, scenario)
    flat = _flat_costs(sheet)
    sheet.priced(trade, scenario, pnl=pnl, flat_costs=flat, years=years)
    parts = {name: float(part) for name, part in trade.decomposition(scenario).items()}
    sheet.put(
        decomposition=parts,
        cost_in=-(parts["impact_and_fees"] + parts["conversion"] + parts["gas"]) / sheet.capital,
    )
    sheet.break_evens(trade.break_evens(scenario))
    _score(sheet, trade, risks, forecast, years, pair)


def _check_liquidity(sheet: Worksheet, market: Market) -> None:
    """Refuse the quote of a market in which nothing can be traded: it is no price."""
    known = None if market.quote is None else market.quote.liquidity_usd
    least = sheet.desk.settings.min_liquidity_usd
    if known is not None and known < least:
        name = market.contract.contract_id
        text = f"{name} held {known:,.0f} USD, less than {least:,.0f}: nothing can be traded at its quote"
        sheet.reject("zero_capacity", known, least, text)


def _trade(sheet: Worksheet, pair: Pair) -> CalendarSpread | None:
    """Build the trade on as many PT as the size is ST, of one dollar each at entry."""
    bought = _leg(sheet, pair.buy, Side.BUY_PT)
    sold = _leg(sheet, pair.sell, Side.SELL_PT)
    base = sheet.word("yield_fee_base", pair.sell)
    yield_fee = 0.0 if base == "none" else sheet.number("yield_fee", pair.sell)
    if bought is None or sold is None or base is None or yield_fee is None:
        return None
    swap = sheet.desk.settings.costs.swap
    moved = pair.buy.contract.venue_id != pair.sell.contract.venue_id
    return CalendarSpread(
        buy=bought,
        sell=sold,
        yield_fee=yield_fee,
        # out of the ST of one venue, into that of the other
        conversion_cost=1.0 - (1.0 - swap) * (1.0 - swap) if moved else 0.0,
    )


def _leg(sheet: Worksheet, market: Market, side: Side) -> SpreadLeg | None:
    """Price a PT at its quote and fee, or at what its pool fills where its depth is known."""
    terms, quote, tau = market.contract.terms, market.quote, market.tau
    synthetic = (terms.get("pt_route") or ("synthetic" if "pt_management_fee" in terms else "direct")) == (
        "synthetic"
    )
    buying = side is Side.BUY_PT
    management = sheet.number("pt_management_fee", market) if synthetic and buying else 0.0
    fee = (
        None if management is None else _fee(sheet, market, side, synthetic=synthetic, kept=1.0 - management)
    )
    if fee is None or management is None or quote is None or tau is None:
        return None
    if synthetic:
        sheet.flag("synthetic_pt")
    units, which = sheet.capital, "buy" if buying else "sell"
    mid = sheet.work(
        f"P_{which}",
        "exp(-tau*log1p(y))",
        pt_price(quote.implied_apy, tau),
        "ST per PT",
        tau=tau,
        y=quote.implied_apy,
    )
    sign = 1.0 if buying else -1.0
    if synthetic:
        # ST against a short YT, of which the venue keeps a part; sold, the YT is bought
        st = sheet.work(
            f"st_{which}",
            "N*(1.0 - (1.0 - m)*(1.0 - s*f)*(1.0 - P))",
            units * (1.0 - (1.0 - management) * (1.0 - sign * fee) * (1.0 - mid)),
            "USD of ST",
            N=units,
            m=management,
            s=sign,
            f=fee,
            P=mid,
        )
    else:
        st = sheet.work(
            f"st_{which}",
            "N*P*(1.0 + s*f)",
            units * mid * (1.0 + sign * fee),
            "USD of ST",
            N=units,
            P=mid,
            s=sign,
            f=fee,
        )
    return SpreadLeg(market.contract.contract_id, tau, units, st, mid, quote.implied_apy)


def _fee(sheet: Worksheet, market: Market, side: Side, *, synthetic: bool, kept: float) -> float | None:
    """Fee f of a leg: the venue's, or what the pool's fill costs; of the YT traded, where the PT is synthetic."""
    depth = sheet.depth(market)
    if depth is None:
        return sheet.number("trading_fee", market)
    traded = {Side.BUY_PT: Side.SELL_YT, Side.SELL_PT: Side.BUY_YT}[side] if synthetic else side
    done = fills.accepted(sheet, depth.trade(str(traded), sheet.capital * kept))
    if done is None:
        return None
    fills.use_fill(sheet, "entry", done, market)
    return done.cost


def _risks(forecast: YieldForecast | None) -> Risks:
    """What is uncertain: the yield that settles; 0 for sure where no forecast says more and more can only add."""
    if forecast is None:
        return Risks(factors=(Factor(name="settled_apy", mean=0.0, sd=0.0),))
    factor = Factor(name="settled_apy", mean=forecast.mean_apy, sd=forecast.sd_apy, samples=forecast.samples)
    return Risks(factors=(factor,))


def _put_locked(sheet: Worksheet, trade: CalendarSpread) -> None:
    """Write what is locked in at once, and what stays a risk."""
    locked = sheet.work(
        "locked_usd",
        "sold - bought/(1.0 - c) - gas",
        trade.locked_st,
        "USD of ST",
        sold=trade.sell.st,
        bought=trade.buy.st,
        c=trade.conversion_cost,
        gas=trade.gas_st,
    )
    sheet.figure(
        locked_usd=locked,
        implied_forward_apy=trade.implied_forward,
        risk_days=trade.risk_years * DAYS_PER_YEAR,
    )
    words = {
        "none": "both mature together: no forward yield is at risk",
        "received": "the yield between the maturities is received: a risk only if it is negative",
        "missed": "the yield between the maturities is missed: a high one costs more than is locked in",
    }
    sheet.note(words[trade.forward_risk])


def _flat_costs(sheet: Worksheet) -> float:
    """Gas, and the ways into ST and out of it."""
    costs = sheet.desk.settings.costs
    return costs.gas_usd + sheet.capital * (1.0 - (1.0 - costs.swap) * (1.0 - costs.swap))


def _legs(sheet: Worksheet, pair: Pair, trade: CalendarSpread) -> None:
    start, units = sheet.desk.as_of, trade.buy.units
    bought, sold = pair.buy.contract, pair.sell.contract
    sheet.leg(start, "split", "ST", price_st=1.0, value_usd=units)
    for action, contract, leg in (("sell", sold, trade.sell), ("buy", bought, trade.buy)):
        worth = units * leg.spot
        sheet.leg(
            start,
            action,
            f"PT-{contract.contract_id}",
            price_st=leg.spot,
            value_usd=worth,
            fee_usd=abs(leg.st - worth),
        )
    price = 1.0 - trade.sell.spot
    if price > 0:
        sheet.leg(start, "keep", f"YT-{sold.contract_id}", price_st=price, value_usd=units * price)
    sheet.leg(bought.maturity, "redeem", f"PT-{bought.contract_id}", price_st=1.0, value_usd=units)


def arithmetic(sheet: Arithmetic, trade: CalendarSpread, scenario: Scenario) -> float:
    """Write the profit step by step."""
    apy, T = float(scenario.settled_apy), trade.horizon
    times = {
        "g_all": T,
        "g_yt": trade.sell.tau,
        "g_after": T - trade.sell.tau,
        "g_redeemed": T - trade.buy.tau,
    }
    g = {
        name: sheet.work(name, "expm1(t*log1p(a))", growth_from_apy(apy, t), t=t, a=apy)
        for name, t in times.items()
    }
    yields = sheet.work(
        "yt_yield",
        "(1.0 - phi)*g_yt*(1.0 + g_after)",
        (1.0 - trade.yield_fee) * g["g_yt"] * (1.0 + g["g_after"]),
        "ST per YT at the later maturity",
        phi=trade.yield_fee,
        g_yt=g["g_yt"],
        g_after=g["g_after"],
    )
    redeemed = sheet.work(
        "pt_redeemed",
        "R*(1.0 - c)*(1.0 + g_redeemed)",
        scenario.redemption_factor * (1.0 - trade.conversion_cost) * (1.0 + g["g_redeemed"]),
        "ST per PT at the later maturity",
        R=scenario.redemption_factor,
        c=trade.conversion_cost,
        g_redeemed=g["g_redeemed"],
    )
    return sheet.work(
        "pnl",
        "locked*(1.0 + g_all) + N*(yt + pt - 1.0 - g_all)",
        float(trade.pnl(scenario)),
        "USD",
        locked=trade.locked_st,
        g_all=g["g_all"],
        N=trade.buy.units,
        yt=yields,
        pt=redeemed,
    )


def _score(
    sheet: Worksheet,
    trade: CalendarSpread,
    risks: Risks,
    forecast: YieldForecast | None,
    years: float,
    pair: Pair,
) -> None:
    desk, flat = sheet.desk, _flat_costs(sheet)
    # the capital stays in ST: its own yield pays the hurdle, and what it pays beyond is not this trade's
    carry = 0.0 if forecast is None else sheet.capital * growth_from_apy(forecast.mean_apy, years)
    carry = min(max(carry, 0.0), max(hurdle_profit(sheet, years), 0.0))
    drawn = draw_scenario(risks, desk.draws, desk.settings.draws)
    losses = probability_of_loss(
        trade,
        risks,
        Outcomes(trade.pnl(drawn)),
        hurdle_pnl=hurdle_profit(sheet, years) - carry,
        flat_costs=flat,
        simulation_gap=desk.settings.simulation_gap,
        liquidation_gap=desk.settings.liquidation_gap,
    )
    venues = {market.contract.venue_id: market.contract.terms for market in (pair.buy, pair.sell)}
    score(sheet, losses, years, tuple(venues.values()), carry=carry)
