"""The nodes of a curve of implied yields: from figures, or from the quotes of a market (tokens.md 14)."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.conventions import iso, utc, year_fraction
from yieldtrade.elementwise import as_array
from yieldtrade.errors import (
    DataError,
    DomainError,
    MarketDefinitionError,
    MissingDataError,
    UnknownNameError,
)
from yieldtrade.market import CONTRACT_LISTING, days_between
from yieldtrade.tokens.pricing import implied_yield_from_pt, pt_price

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from numpy.typing import ArrayLike

    from yieldtrade.market import Contract, MarketView, YieldQuote


class CurveNode(NamedTuple):
    """A PT on a curve: ``pt_price`` is its discount factor ``(1 + implied_apy)^-tau``, ``quote`` its source."""

    name: str
    maturity: datetime
    tau: float
    implied_apy: float
    pt_price: float
    quote: YieldQuote | None = None


class LeftOut(NamedTuple):
    """A live contract that is not on a curve, and why."""

    contract_id: str
    reason: str


def nodes_from_yields(
    as_of: datetime, maturities: Sequence[datetime], implied_apy: Sequence[float], names: Sequence[str] | None
) -> tuple[CurveNode, ...]:
    """Return nodes at implied yields, one a maturity."""
    taus = _years(as_of, maturities, implied_apy=implied_apy, names=names)
    return _nodes(maturities, names, taus, implied_apy, pt_price(list(implied_apy), taus))


def nodes_from_prices(
    as_of: datetime, maturities: Sequence[datetime], pt_prices: Sequence[float], names: Sequence[str] | None
) -> tuple[CurveNode, ...]:
    """Return nodes at PT prices, one a maturity."""
    taus = _years(as_of, maturities, pt_prices=pt_prices, names=names)
    return _nodes(maturities, names, taus, implied_yield_from_pt(list(pt_prices), taus), pt_prices)


def _years(as_of: datetime, maturities: Sequence[datetime], **given: Sequence[object] | None) -> list[float]:
    """Return the years to each maturity, once there is one of everything given for each."""
    for name, values in given.items():
        if values is not None and len(values) != len(maturities):
            raise DomainError(
                f"{name} holds {len(values)} for {len(maturities)} maturities: give one for each"
            )
    return [year_fraction(as_of, maturity) for maturity in maturities]


def _nodes(
    maturities: Sequence[datetime],
    names: Sequence[str] | None,
    taus: Sequence[float],
    implied_apy: ArrayLike,
    pt_prices: ArrayLike,
) -> tuple[CurveNode, ...]:
    labels = names or [iso(maturity) for maturity in maturities]
    yields, prices = as_array("implied_apy", implied_apy).tolist(), as_array("pt_prices", pt_prices).tolist()
    return tuple(map(CurveNode, labels, maturities, taus, yields, prices))


def check_nodes(as_of: datetime, nodes: tuple[CurveNode, ...]) -> None:
    """Refuse nodes that are not in order, a date of their own each after the date of valuation, or not positive.

    Raises
    ------
    DomainError
        They are not as they should be.
    """
    if not nodes:
        raise DomainError("nodes is empty: a curve needs the price or the yield of at least one PT")
    dates = [utc(as_of, "as_of").date(), *(utc(node.maturity, "maturity").date() for node in nodes)]
    for node, (earlier, later) in zip(nodes, pairwise(dates), strict=True):
        if later <= earlier:
            raise DomainError(
                f"{node.name} matures on {later}, not after {earlier}: give maturities in order, one a date "
                "(UTC), all after the date of valuation"
            )
        if not node.pt_price > 0:
            raise DomainError(f"pt_price = {node.pt_price!r} of {node.name} must be above 0")


def nodes_of(
    view: MarketView, underlying: str, venue_id: str | None, max_age_days: float
) -> tuple[tuple[CurveNode, ...], tuple[LeftOut, ...]]:
    """Return the nodes of a curve in order of maturity, and what is left out of it.

    See :func:`yieldtrade.tokens.curve.curve_of`, which states the rules and the errors.
    """
    contracts = _live(view, underlying, venue_id)
    quotes = view.quotes(contracts) if contracts else {}
    reasons = {
        c.contract_id: _reason_against(view.as_of, c, quotes.get(c.contract_id), max_age_days)
        for c in contracts
    }
    left_out = [LeftOut(contract_id, reason) for contract_id, reason in reasons.items() if reason]
    usable = [contract for contract in contracts if not reasons[contract.contract_id]]
    if not usable:
        raise MissingDataError(_nothing_usable(view.as_of, underlying, venue_id, left_out))
    _check_one_st(underlying, usable)
    kept, shallower = _one_a_date(usable, quotes)
    nodes = tuple(_node(view.as_of, contract, quotes[contract.contract_id]) for contract in kept)
    return nodes, (*left_out, *shallower)


def _live(view: MarketView, underlying: str, venue_id: str | None) -> tuple[Contract, ...]:
    """Return the live contracts on an underlying, at one venue or at all."""
    venues = {None} if venue_id is None else {view.venue(venue_id).venue_id}
    on_it = [c for c in view.live_contracts() if c.underlying.casefold() == underlying.casefold()]
    if not on_it:
        # matured, or listed later than the view's moment: a name that is not known at all is another error
        known = {view.contract(name).underlying for name in view.facts.contract_ids()}
        if underlying.casefold() not in map(str.casefold, known):
            raise UnknownNameError("underlying", underlying, known, CONTRACT_LISTING)
    return tuple(contract for contract in on_it if venues & {None, contract.venue_id})


def _reason_against(
    as_of: datetime, contract: Contract, quote: YieldQuote | None, max_age_days: float
) -> str:
    """Say why a live contract cannot be a node; nothing where it can."""
    if _day(contract.maturity) == _day(as_of):
        return "it matures today"
    if quote is None:
        return "no quote of it is known"
    if quote.kind == "undated":
        return "its only figure is undated, so its age cannot be judged"
    age = days_between(quote.at, as_of)
    if age > max_age_days:
        return f"its quote is {age:.1f} days old, more than {max_age_days:g}"
    return ""


def _nothing_usable(as_of: datetime, underlying: str, venue_id: str | None, left_out: list[LeftOut]) -> str:
    where = f" at {venue_id}" if venue_id else ""
    because = "; ".join(f"{contract_id}: {reason}" for contract_id, reason in left_out) or "none is live"
    return (
        f"no contract on {underlying}{where} can stand on a curve as of {iso(as_of)} ({because}); "
        "give yields with --implied CONTRACT=RATE, ask for another moment with --as-of, or load quotes"
    )


def _check_one_st(underlying: str, contracts: list[Contract]) -> None:
    """Refuse contracts that are not on one and the same ST: of several venues, or paid by different rules."""
    venues = sorted({contract.venue_id for contract in contracts})
    if len(venues) > 1:
        raise DomainError(
            f"venue_id is missing: {underlying} is quoted at {' and '.join(venues)}, whose STs may differ; "
            "name one of them (--venue)"
        )
    bases = {str(contract.terms.get("distribution_basis")) for contract in contracts}
    if len(bases) > 1:
        raise MarketDefinitionError(
            f"the contracts on {underlying} at {venues[0]} are not on one ST: their distribution_basis is "
            f"{' and '.join(sorted(bases))}; correct it with a TOML file, or ask at a moment when one is live"
        )


def _one_a_date(
    contracts: list[Contract], quotes: dict[str, YieldQuote]
) -> tuple[list[Contract], list[LeftOut]]:
    """Return the deepest contract of each maturity date, in order, and the others."""
    by_date: defaultdict[date, list[Contract]] = defaultdict(list)
    for contract in sorted(contracts, key=lambda contract: contract.maturity):
        by_date[_day(contract.maturity)].append(contract)
    kept, shallower = [], []
    for together in by_date.values():
        deepest = _deepest(together, quotes)
        kept.append(deepest)
        reason = f"{deepest.contract_id} matures on the same date and is deeper"
        shallower += [LeftOut(other.contract_id, reason) for other in together if other is not deepest]
    return kept, shallower


def _deepest(contracts: list[Contract], quotes: dict[str, YieldQuote]) -> Contract:
    if len(contracts) == 1:
        return contracts[0]
    depths = {contract.contract_id: quotes[contract.contract_id].liquidity_usd for contract in contracts}
    known = [depth for depth in depths.values() if depth is not None]
    if len(known) < len(contracts) or known.count(max(known)) > 1:
        raise DataError(
            f"{' and '.join(depths)} mature on one date ({_day(contracts[0].maturity)}) and which is deeper "
            "is not known; load quotes with their liquidity"
        )
    return max(contracts, key=lambda contract: depths[contract.contract_id] or 0.0)


def _node(as_of: datetime, contract: Contract, quote: YieldQuote) -> CurveNode:
    tau = year_fraction(as_of, contract.maturity)
    return CurveNode(
        name=contract.contract_id,
        maturity=contract.maturity,
        tau=tau,
        implied_apy=quote.implied_apy,
        pt_price=pt_price(quote.implied_apy, tau),
        quote=quote,
    )


def _day(moment: datetime) -> date:
    return utc(moment).date()
