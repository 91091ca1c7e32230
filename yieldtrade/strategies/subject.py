"""What a row is about: one contract, a pool, or several contracts of one underlying traded together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from yieldtrade.market import Contract, Pool, Terms, YieldQuote

Kind: TypeAlias = Literal["contract", "pool", "contracts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """One contract at the moment of the screen: its quote and its clock.

    ``tau`` is years to maturity on the contract's own clock, None where the clock is not defined (``problem``
    says why); ``days_left`` is days on the wall clock.
    """

    contract: Contract
    quote: YieldQuote | None
    tau: float | None
    days_left: float
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is traded.

    Parameters
    ----------
    name
        The row's market, and the first part of its identifier.
    venue
        Where it trades; several are joined by ``+``.
    underlying
        What earns the yield.
    maturity
        When the first of its contracts matures; None for a pool, which never does.
    owner, terms
        Whose parameters ``terms`` are: those of the pool, else of the first contract.
    markets
        The contracts traded, by maturity; none for a pool.
    """

    name: str
    venue: str
    underlying: str
    maturity: datetime | None
    owner: str
    terms: Terms
    markets: tuple[Market, ...] = ()

    @property
    def is_priced(self) -> bool:
        """Whether every contract has a quote and a clock; a pool needs neither."""
        return all(market.tau is not None and market.quote is not None for market in self.markets)


def of_contract(market: Market) -> Subject:
    """Return a contract as a subject."""
    return of_contracts((market,))


def of_contracts(markets: Iterable[Market]) -> Subject:
    """Return contracts of one underlying as one subject, named after all of them."""
    ordered = tuple(
        sorted(markets, key=lambda market: (market.contract.maturity, market.contract.contract_id))
    )
    first = ordered[0].contract
    return Subject(
        name="/".join(market.contract.contract_id for market in ordered),
        venue="+".join(dict.fromkeys(market.contract.venue_id for market in ordered)),
        underlying=first.underlying,
        maturity=first.maturity,
        # a parameter that nobody published is asked of the venue: it holds for all of its contracts
        owner=first.venue_id,
        terms=first.terms,
        markets=ordered,
    )


def of_pool(pool: Pool) -> Subject:
    """Return a pool as a subject: no contract, no maturity."""
    return Subject(
        name=pool.pool_id,
        venue=pool.pool_id,
        underlying=pool.pool_id,
        maturity=None,
        owner=pool.pool_id,
        terms=pool.terms,
    )
