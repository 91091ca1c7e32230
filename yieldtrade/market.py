"""The value objects everything speaks of, and the MarketView that hands them out.

A :class:`MarketView` is an immutable picture of what was known at one moment. Whatever computes takes a view;
whatever stores builds one. Nothing in it became known after ``as_of``.
"""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.conventions import epoch_start, iso, parse_instant, utc, year_fraction
from yieldtrade.elementwise import as_number
from yieldtrade.errors import (
    DataError,
    DomainError,
    MarketDefinitionError,
    MissingDataError,
    UnknownNameError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yieldtrade.facts import Facts
    from yieldtrade.series import DailySeries

ParameterValue: TypeAlias = float | int | str | bool
QuoteKind: TypeAlias = Literal["market", "given", "undated"]

CONTRACT_LISTING = "yieldtrade markets contracts"


class Parameter(NamedTuple):
    """One fact about a venue, pool or contract, with where it comes from.

    ``basis`` is documentation, onchain, adopted, recommendation, inferred, assumed or user.
    """

    name: str
    value: ParameterValue
    unit: str
    valid_from: datetime
    basis: str
    source: str
    note: str = ""


class Terms(NamedTuple):
    """The parameters in force for one owner; a missing one is an error where needed, never a default."""

    owner: str
    parameters: Mapping[str, Parameter]

    def __contains__(self, name: object) -> bool:
        return name in self.parameters

    def get(self, name: str) -> ParameterValue | None:
        """Return the value of ``name``, or None where nobody has published it."""
        parameter = self.parameters.get(name)
        return None if parameter is None else parameter.value

    def number(self, name: str) -> float:
        """Return the numeric parameter ``name``.

        Raises
        ------
        MarketDefinitionError
            The parameter is not known, or not a number.
        """
        value = self._required(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise MarketDefinitionError(f"{self.owner}: {name} = {value!r} is not a number")
        return float(value)

    def text(self, name: str) -> str:
        """Return the textual parameter ``name``.

        Raises
        ------
        MarketDefinitionError
            The parameter is not known.
        """
        return str(self._required(name))

    def overlaid(self, owner: str, over: Mapping[str, Parameter]) -> Terms:
        """Return these terms with those of a more specific owner on top."""
        return Terms(owner=owner, parameters=MappingProxyType({**self.parameters, **over}))

    def _required(self, name: str) -> ParameterValue:
        value = self.get(name)
        if value is None:
            raise MarketDefinitionError(
                f"{self.owner} has no {name}: nobody has published it; "
                f"give it with `--set {self.owner}.{name}=VALUE` or load a TOML file that states it"
            )
        return value


class Venue(NamedTuple):
    """A place where yield tokens trade or are lent against."""

    venue_id: str
    name: str
    terms: Terms


ChangeSet: TypeAlias = "tuple[datetime, Mapping[str, Parameter]]"


class Pool(NamedTuple):
    """A perpetual demand lending pool at one moment: its parameters in force and their change history.

    ``changes`` lists the dated change sets ``(valid_from, {name: Parameter})`` known at the view's moment, in
    order; ``terms`` is their fold. ``recommendations`` are sets that were only recommended; no fold holds them
    unless it is asked to.
    """

    pool_id: str
    name: str
    terms: Terms
    changes: tuple[ChangeSet, ...]
    recommendations: tuple[ChangeSet, ...] = ()

    def terms_at(self, moment: datetime, *, assume_recommended: bool = False) -> Terms:
        """Fold the change sets that were in force at ``moment``.

        Parameters
        ----------
        moment
            Aware moment.
        assume_recommended
            Also fold the sets that were only recommended.

        Raises
        ------
        MarketDefinitionError
            ``moment`` lies before the first known set.
        """
        when = utc(moment)
        if not self.changes or when < self.changes[0][0]:
            first = (
                f"the first known set is of {iso(self.changes[0][0])}"
                if self.changes
                else "none was known yet"
            )
            raise MarketDefinitionError(f"{self.pool_id} has no parameters for {iso(when)}; {first}")
        folded: dict[str, Parameter] = {}
        sets = self.changes
        if assume_recommended:
            sets = tuple(sorted((*sets, *self.recommendations), key=lambda change: change[0]))
        for valid_from, parameters in sets:
            if valid_from <= when:
                folded.update(parameters)
        return Terms(owner=self.pool_id, parameters=MappingProxyType(folded))


class Figure(NamedTuple):
    """A published figure about a contract that is not a market quote; ``at`` is None where it is undated."""

    kind: str
    at: datetime | None
    implied_apy: float | None
    yt_price: float | None
    source: str
    note: str = ""


class Contract(NamedTuple):
    """A maturity of PT and YT on one underlying at one venue."""

    contract_id: str
    venue_id: str
    underlying: str
    maturity: datetime
    clock: Literal["wall", "epoch"]
    terms: Terms
    figures: tuple[Figure, ...] = ()
    source: str = ""
    note: str = ""


class YieldQuote(NamedTuple):
    """A price of a contract at a moment; prices in ST, rates effective annual fractions.

    ``kind`` says what stands behind it: ``market`` a stored quote, ``given`` the user's own figure, ``undated``
    a pool figure whose moment nobody recorded. ``feed`` names the series a stored quote belongs to: feeds differ
    in method and are never spliced.
    """

    contract_id: str
    at: datetime
    implied_apy: float
    pt_price: float | None
    yt_price: float | None
    underlying_apy: float | None
    liquidity_usd: float | None
    underlying_price_usd: float | None
    kind: QuoteKind
    source: str
    feed: str = ""


class AmmState(NamedTuple):
    """What a contract's pool held at a moment: ``kind`` names the curve, amounts are in whole tokens."""

    contract_id: str
    at: datetime
    kind: str
    state: Mapping[str, Any]
    source: str


class LendingRate(NamedTuple):
    """Supply and borrow rates of one asset at one lending venue; APYs as fractions, totals in USD."""

    venue_id: str
    asset: str
    at: datetime
    supply_apy: float
    borrow_apy: float
    supply_usd: float
    borrow_usd: float
    source: str


class CustodyRecord(NamedTuple):
    """What a pool held of one asset at a moment, as stored: whole tokens and USD; see `pool.state.CustodyState`."""

    pool_id: str
    asset: str
    at: datetime
    supply: float
    owned: float
    locked: float
    price_usd: float
    debt: float
    guaranteed_usd: float
    short_sizes_usd: float
    short_avg_price: float
    fees_reserves: float
    source: str


class OfficialYield(NamedTuple):
    """The yield a pool itself published: APR and APY as fractions, and the moment it was seen.

    ``week_start`` and ``week_end`` are the first and last UTC day it covers, None where not stated; ``known_at`` is
    the moment this version of it was known, None for the moment it was seen.
    """

    pool_id: str
    at: datetime
    apr: float
    apy: float
    source: str
    week_start: date | None = None
    week_end: date | None = None
    known_at: datetime | None = None


class SeriesSource(NamedTuple):
    """Where days of a pool's series come from: how many, from which to which."""

    series: str
    source: str
    days: int
    first: str
    last: str


class MarketView(NamedTuple):
    """An immutable picture of everything known at ``as_of``, read when asked for.

    Parameters
    ----------
    as_of
        The moment, aware UTC.
    facts
        What was known by then; a store builds it.
    given_yields
        Implied yields the user states for contracts, fraction, by contract name; they stand in for quotes.
    given_terms
        Parameters the user states, by ``owner.name``.
    """

    as_of: datetime
    facts: Facts
    given_yields: Mapping[str, float] = MappingProxyType({})
    given_terms: Mapping[str, ParameterValue] = MappingProxyType({})

    def with_yields(self, implied: Mapping[str, float]) -> MarketView:
        """Return this view with the user's implied yields in place of stored quotes."""
        stated = {
            self.contract(name).contract_id: as_number("implied_apy", rate) for name, rate in implied.items()
        }
        for name, rate in stated.items():
            if not -1 < rate < math.inf:
                raise DomainError(f"implied_apy of {name} = {rate!r}: a finite yield above -1 is needed")
        return self._replace(given_yields=MappingProxyType({**self.given_yields, **stated}))

    def with_terms(self, terms: Mapping[str, ParameterValue]) -> MarketView:
        """Return this view with the user's parameters (``owner.name``) over the published ones."""
        for key, value in terms.items():
            self.owner_of(key)
            if not isinstance(value, (str, int, float)) or value != value:  # noqa: PLR0124 - NaN alone differs
                raise MarketDefinitionError(
                    f"parameter {key} = {value!r}: a number, a text or true or false is needed"
                )
        return self._replace(given_terms=MappingProxyType({**self.given_terms, **terms}))

    def owner_of(self, key: str) -> str:
        """Return the venue, contract or pool that a parameter ``OWNER.NAME`` belongs to.

        Raises
        ------
        UnknownNameError
            No such owner exists.
        """
        owners = (*self.facts.venue_ids(), *self.facts.contract_ids(), *self.facts.pool_ids())
        # owners may hold dots themselves, so the owner is looked for rather than split off
        found = [owner for owner in owners if key.startswith(f"{owner}.") and len(key) > len(owner) + 1]
        if not found:
            raise UnknownNameError(
                "owner of the parameter (OWNER.NAME)",
                key.split(".", maxsplit=1)[0],
                owners,
                "yieldtrade markets",
            )
        return max(found, key=len)

    def contract(self, contract_id: str) -> Contract:
        """Return one contract; a leading ``PT-``, ``YT-`` or ``ST-`` is dropped.

        Raises
        ------
        UnknownNameError
            There is no such contract; the message suggests the nearest.
        """
        name = contract_id
        if contract_id[:3] in ("PT-", "YT-", "ST-"):
            name = contract_id[3:]
        found = self.facts.contract(name)
        if found is None:
            raise UnknownNameError("contract", contract_id, self.facts.contract_ids(), CONTRACT_LISTING)
        return self._with_given(found)

    def contracts(self) -> tuple[Contract, ...]:
        """Return every contract, in order of name."""
        return tuple(self._with_given(contract) for contract in self.facts.contracts())

    def live_contracts(self) -> tuple[Contract, ...]:
        """Return the contracts that have not matured at ``as_of``."""
        return tuple(contract for contract in self.contracts() if contract.maturity > self.as_of)

    def venue(self, venue_id: str) -> Venue:
        """Return one venue.

        Raises
        ------
        UnknownNameError
            There is no such venue.
        """
        found = self.facts.venue(venue_id)
        if found is None:
            raise UnknownNameError("venue", venue_id, self.facts.venue_ids(), "yieldtrade markets venues")
        return found._replace(terms=found.terms.overlaid(venue_id, self._given_for(venue_id)))

    def pool(self, pool_id: str) -> Pool:
        """Return one pool; names are matched without regard to case.

        Raises
        ------
        UnknownNameError
            There is no such pool.
        """
        found = self.facts.pool(pool_id.upper())
        if found is None:
            raise UnknownNameError("pool", pool_id, self.facts.pool_ids(), "yieldtrade markets pools")
        return found._replace(terms=found.terms.overlaid(found.pool_id, self._given_for(found.pool_id)))

    def quote(self, contract: Contract) -> YieldQuote | None:
        """Return the best figure known for a contract, or None where nothing is known.

        The user's own figure comes first, then the last market quote, then an undated one.
        """
        return self.quotes((contract,)).get(contract.contract_id)

    def quotes(self, contracts: tuple[Contract, ...]) -> dict[str, YieldQuote]:
        """Return the best figure known for each contract that has one (see `quote`)."""
        one = contracts[0].contract_id if len(contracts) == 1 else None
        stored = self.facts.latest_quotes(one)
        found: dict[str, YieldQuote] = {}
        for contract in contracts:
            given = self.given_yields.get(contract.contract_id)
            best = _given_quote(contract, given, self.as_of, stored) if given is not None else None
            best = best or stored.get(contract.contract_id) or _undated_quote(contract, self.as_of)
            if best is not None:
                found[contract.contract_id] = best
        return found

    def amm_state(self, contract: Contract) -> AmmState | None:
        """Return the last known state of a contract's pool, or None where none is stored."""
        return self.facts.amm_state(contract.contract_id)

    def quote_history(self, contract: Contract) -> tuple[YieldQuote, ...]:
        """Return every market quote of a contract known, oldest first."""
        return self.facts.quote_history(contract.contract_id)

    def feed_history(self, contract: Contract, feed: str) -> tuple[YieldQuote, ...]:
        """Return every market quote of a contract in one feed, oldest first."""
        return self.facts.feed_history(contract.contract_id, feed)

    def panel(self, venue_id: str) -> tuple[YieldQuote, ...]:
        """Return every market quote of a venue known, by contract and time."""
        return self.facts.panel(venue_id)

    def pool_series(self, pool_id: str, series: str) -> DailySeries:
        """Return a daily series of a pool, possibly empty."""
        return self.facts.pool_series(pool_id.upper(), series)

    def pool_sources(self, pool_id: str) -> tuple[SeriesSource, ...]:
        """Return where the daily series of a pool come from, in order of series and first day."""
        return self.facts.pool_sources(pool_id.upper())

    def custodies(self, pool_id: str) -> tuple[CustodyRecord, ...]:
        """Return what a pool held at the last moment stored, an entry an asset; empty where nothing is stored."""
        return self.facts.custodies(pool_id.upper())

    def official_yield(self, pool_id: str) -> OfficialYield | None:
        """Return the last yield a pool published, or None where none is stored."""
        return self.facts.official_yield(pool_id.upper())

    def official_yields(self, pool_id: str) -> tuple[OfficialYield, ...]:
        """Return every version of every yield a pool published, oldest first; empty where none is stored."""
        return self.facts.official_yields(pool_id.upper())

    def asset_prices(self, asset: str) -> DailySeries:
        """Return the daily closes of an asset in USD, possibly empty."""
        return self.facts.asset_prices(asset)

    def underlying_history(self, underlying: str) -> DailySeries:
        """Return the daily published yield of an underlying, fraction, possibly empty."""
        return self.facts.underlying_history(underlying)

    def lending(self, venue_id: str, asset: str) -> LendingRate:
        """Return the last known rates of an asset at a lending venue.

        Raises
        ------
        MissingDataError
            None is stored at ``as_of``.
        """
        found = self.facts.lending(venue_id, asset)
        if found is None:
            raise MissingDataError(
                f"no lending rate of {asset} at {venue_id} is known as of {iso(self.as_of)}; "
                "load one with `yieldtrade load FILE` (columns of lending_daily.csv)"
            )
        return found

    def borrow_history(self, venue_id: str, asset: str) -> DailySeries:
        """Return the daily borrow APY of an asset at a lending venue, fraction, possibly empty."""
        return self.facts.borrow_history(venue_id, asset)

    def _given_for(self, owner: str) -> dict[str, Parameter]:
        prefix = f"{owner}."
        return {
            key[len(prefix) :]: Parameter(
                name=key[len(prefix) :],
                value=value,
                unit="as given",
                valid_from=self.as_of,
                basis="user",
                source="given by the user",
            )
            for key, value in self.given_terms.items()
            if key.startswith(prefix)
        }

    def _with_given(self, contract: Contract) -> Contract:
        if not self.given_terms:
            return contract
        over = {**self._given_for(contract.venue_id), **self._given_for(contract.contract_id)}
        return contract._replace(terms=contract.terms.overlaid(contract.contract_id, over))


def pricing_start(contract: Contract, moment: datetime) -> datetime:
    """Return the instant from which a contract's clock counts: now, or the start of the running period.

    Raises
    ------
    MarketDefinitionError
        The clock is ``epoch`` and the contract does not state its anchor or length.
    """
    if contract.clock == "wall":
        return utc(moment)
    return epoch_start(moment, *epoch_clock(contract))


def epoch_clock(contract: Contract) -> tuple[datetime, float]:
    """Return a settlement of a contract and the seconds between two of them.

    Raises
    ------
    MarketDefinitionError
        The contract does not state them.
    """
    anchor = contract.terms.text("epoch_anchor")
    try:
        settled = parse_instant(anchor)
    except DomainError as error:
        raise MarketDefinitionError(f"{contract.contract_id}: epoch_anchor = {anchor!r}: {error}") from None
    return settled, contract.terms.number("epoch_seconds")


def years_to_maturity(contract: Contract, moment: datetime) -> float:
    """Years to maturity on the contract's own clock (tokens.md 2); negative after it."""
    return year_fraction(pricing_start(contract, moment), contract.maturity)


def is_expired(contract: Contract, moment: datetime) -> bool:
    """Say whether a contract has matured; always by the wall clock, exactly at maturity is expired."""
    return utc(moment) >= contract.maturity


def days_between(start: datetime, end: datetime) -> float:
    """Days from ``start`` to ``end``, as a float."""
    return (utc(end) - utc(start)) / timedelta(days=1)


def _given_quote(
    contract: Contract, implied_apy: float, at: datetime, stored: Mapping[str, YieldQuote]
) -> YieldQuote:
    known = stored.get(contract.contract_id)
    return YieldQuote(
        contract_id=contract.contract_id,
        at=at,
        implied_apy=implied_apy,
        pt_price=None,
        yt_price=None,
        underlying_apy=known.underlying_apy if known else None,
        liquidity_usd=known.liquidity_usd if known else None,
        underlying_price_usd=known.underlying_price_usd if known else None,
        kind="given",
        source="given by the user",
    )


def _undated_quote(contract: Contract, at: datetime) -> YieldQuote | None:
    for figure in contract.figures:
        if figure.at is None and figure.implied_apy is not None:
            return YieldQuote(
                contract_id=contract.contract_id,
                at=at,
                implied_apy=figure.implied_apy,
                pt_price=None,
                yt_price=None,
                underlying_apy=None,
                liquidity_usd=None,
                underlying_price_usd=None,
                kind="undated",
                source=figure.source,
            )
    return None


def check_prices_agree(pt_price: float, yt_price: float, tolerance: float) -> None:
    """Refuse a PT and a YT that do not add up to one ST within ``tolerance``.

    Raises
    ------
    DataError
        They do not.
    """
    if abs(pt_price + yt_price - 1.0) > tolerance:
        raise DataError(f"pt_price {pt_price} + yt_price {yt_price} = {pt_price + yt_price}, not 1 ST")
