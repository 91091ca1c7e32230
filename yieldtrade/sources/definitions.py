"""Market definitions: venues, pools and contracts with dated, sourced parameters, read from TOML.

The bundled files lie in the ``markets`` folder; a file of the user's own has the same form. Reading is pure
(bytes to values) and complete: the problems of all files are collected, and one error carries them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, cast

from yieldtrade.conventions import check_code_agrees, iso, parse_contract_code
from yieldtrade.errors import LoadError, MarketDefinitionError
from yieldtrade.market import Figure, Parameter
from yieldtrade.sources.checked_table import UNREAD, CheckedTable
from yieldtrade.sources.parameter_rules import (
    KINDS,
    Dated,
    ParameterRule,
    fault,
    incoherent,
    nearest_names,
    rule_for,
    stored,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

BASES = ("documentation", "onchain", "adopted", "recommendation", "inferred", "assumed", "user")
VENUE_KINDS = ("yield", "lending", "perps")
CLOCKS = ("wall", "epoch")
SECTIONS = ("rule", "venue", "parameter", "pool", "change", "contract")
_KEYS_OF_PARAMETER = ("name", "value", "unit", "valid_from", "basis", "source", "note")
_KEYS_OF_CONTRACT = (
    "id",
    "venue",
    "underlying",
    "maturity",
    "clock",
    "valid_from",
    "basis",
    "source",
    "note",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueDefinition:
    """A venue as one file states it; ``kind`` is yield, lending or perps."""

    venue_id: str
    name: str
    chain: str
    kind: str
    parameters: tuple[Parameter, ...]
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """The parameters of a pool that change at one moment; each carries what is said of the set."""

    valid_from: datetime
    basis: str
    source: str
    parameters: tuple[Parameter, ...]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolDefinition:
    """A pool as one file states it, its change sets strictly in order of date."""

    pool_id: str
    name: str
    venue_id: str
    changes: tuple[ChangeSet, ...]
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractDefinition:
    """A contract as one file states it; ``valid_from`` is since when it is known, None where nobody knows."""

    contract_id: str
    venue_id: str
    underlying: str
    maturity: datetime
    clock: Literal["wall", "epoch"]
    valid_from: datetime | None
    parameters: tuple[Parameter, ...]
    figures: tuple[Figure, ...]
    basis: str
    source: str
    note: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """Everything a set of files defines, in order of file and place in it."""

    rules: tuple[ParameterRule, ...] = ()
    venues: tuple[VenueDefinition, ...] = ()
    pools: tuple[PoolDefinition, ...] = ()
    contracts: tuple[ContractDefinition, ...] = ()


def read_definitions(
    files: Mapping[str, bytes], *, user: bool = False, known_venues: Iterable[str] = ()
) -> Definitions:
    """Read definition files.

    Parameters
    ----------
    files
        Content by file name; the names appear in problems and results.
    user
        The files are the user's own and build on the bundled ones: every basis becomes ``user``, and what
        names a bundled venue, pool or contract lies over it and may leave out what is stated there. A
        contract then carries the bundled parameters and figures that the user's do not replace; a venue or
        pool only the user's.
    known_venues
        Venues that exist besides those of the files.

    Returns
    -------
    Definitions
        What the files define.

    Raises
    ------
    LoadError
        Anything is wrong in any file; ``problems`` lists all of it, naming file, table, key, value and what
        is allowed.
    """
    base = _bundled() if user else Definitions()
    reader = _Reader(base, known_venues, user=user)
    found = reader.read(files)
    if reader.problems:
        problems = sorted(reader.problems, key=lambda problem: problem.split(": ", 1)[0])
        count = f"{len(problems)} problem{'s' * (len(problems) > 1)}"
        raise LoadError(
            f"market definitions refused, {count}; correct and load again; first: {problems[0]}", problems
        )
    return found


def _bundled() -> Definitions:
    from yieldtrade.sources.bundled import bundled_files

    return read_definitions(bundled_files())


class _Reader:
    """One reading of several files: what is known so far, and every problem."""

    def __init__(self, base: Definitions, known_venues: Iterable[str], *, user: bool) -> None:
        self.user = user
        self.problems: list[str] = []
        self.rules = {rule.name: rule for rule in base.rules}
        self.venues = {venue.venue_id: venue for venue in base.venues}
        self.pools = {pool.pool_id: pool for pool in base.pools}
        self.contracts = {contract.contract_id: contract for contract in base.contracts}
        self.venue_names = {*known_venues, *self.venues}
        self.defined: dict[tuple[str, str], str] = {}

    def read(self, files: Mapping[str, bytes]) -> Definitions:
        """Read all files, rules and venues first: the rest is judged by them."""
        tables = [CheckedTable(content, name, self.problems) for name, content in self._parsed(files)]
        for table in tables:
            self._rules(table)
        venues = tuple(venue for table in tables for venue in self._venue(table))
        self.venue_names.update(venue.venue_id for venue in venues)
        pools = tuple(pool for table in tables for pool in self._pool(table))
        contracts = tuple(contract for table in tables for contract in self._contracts(table))
        for table in tables:
            table.close(*SECTIONS)
        return Definitions(rules=tuple(self.rules.values()), venues=venues, pools=pools, contracts=contracts)

    def _parsed(self, files: Mapping[str, bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
        import tomllib

        for name in sorted(files):
            try:
                yield name, tomllib.loads(files[name].decode("utf-8-sig"))
            except UnicodeDecodeError as error:
                line = files[name].count(b"\n", 0, error.start) + 1
                self.problems.append(f"{name}: line {line} is not UTF-8 text; save the file as UTF-8")
            except tomllib.TOMLDecodeError as error:
                lines = files[name].count(b"\n") + 1
                where = str(error).replace("at end of document", f"at end of document, line {lines}")
                self.problems.append(f"{name}: not valid TOML: {where}")

    def _rules(self, file: CheckedTable) -> None:
        for table in file.tables("rule", "name"):
            rule = _rule(table)
            if rule.name in self.rules:
                table.refuse("name", "a rule for this name exists already")
            self.rules[rule.name] = rule

    def _venue(self, file: CheckedTable) -> Iterator[VenueDefinition]:
        parameters = file.tables("parameter", "name")
        if (content := file.take("venue")) is None:
            for orphan in parameters:
                orphan.report("whose parameter it is, no [venue] in this file says")
            return
        table = CheckedTable(content, f"{file.where}: [venue]", self.problems)
        venue_id = self._own_id(table, "venue")
        under = self.venues.get(venue_id)
        venue = VenueDefinition(
            venue_id=venue_id,
            name=table.text("name", under.name if under else None),
            chain=table.text("chain", under.chain if under else None),
            kind=table.text("kind", under.kind if under else None, VENUE_KINDS),
            parameters=self._parameters(parameters),
            file=file.where,
        )
        table.close("id", "name", "chain", "kind")
        self._check_coherent(table, _by_date(under.parameters if under else ()), _by_date(venue.parameters))
        yield venue

    def _pool(self, file: CheckedTable) -> Iterator[PoolDefinition]:
        changes = file.tables("change", "valid_from")
        if (content := file.take("pool")) is None:
            for orphan in changes:
                orphan.report("whose change it is, no [pool] in this file says")
            return
        table = CheckedTable(content, f"{file.where}: [pool]", self.problems)
        pool_id = self._own_id(table, "pool")
        under = self.pools.get(pool_id)
        pool = PoolDefinition(
            pool_id=pool_id,
            name=table.text("name", under.name if under else None),
            venue_id=self._venue_named(table, under.venue_id if under else None),
            changes=tuple(self._change(change) for change in changes),
            file=file.where,
        )
        table.close("id", "name", "venue")
        _check_ordered(changes, pool.changes)
        before = [Dated(change.valid_from, change.parameters) for change in under.changes] if under else []
        self._check_coherent(table, before, [Dated(c.valid_from, c.parameters) for c in pool.changes])
        yield pool

    def _contracts(self, file: CheckedTable) -> Iterator[ContractDefinition]:
        for table in file.tables("contract", "id"):
            contract = self._contract(table, file.where)
            table.close(*_KEYS_OF_CONTRACT, "parameter", "figure")
            _check_code(table, contract)
            self._check_coherent(table, [], _by_date(contract.parameters))
            yield contract

    def _contract(self, table: CheckedTable, file: str) -> ContractDefinition:
        contract_id = self._own_id(table, "contract")
        under = self.contracts.get(contract_id)
        dated = "valid_from" in table.content
        valid_from = table.moment("valid_from") if dated else under.valid_from if under else None
        basis, source = self._basis(table), table.text("source", under.source if under else None)
        own = self._parameters(table.tables("parameter", "name"), valid_from, basis, source)
        figures = tuple(_figure(figure) for figure in table.tables("figure", "kind"))
        clock = table.text("clock", under.clock if under else None, CLOCKS)
        return ContractDefinition(
            contract_id=contract_id,
            venue_id=self._venue_named(table, under.venue_id if under else None),
            underlying=table.text("underlying", under.underlying if under else None),
            maturity=table.moment("maturity", under.maturity if under else None),
            clock=cast("Literal['wall', 'epoch']", clock),
            valid_from=valid_from,
            parameters=(*_still_in_force(under.parameters if under else (), own), *own),
            figures=(*(under.figures if under else ()), *figures),
            basis=basis,
            source=source,
            note=table.text("note", under.note if under else ""),
            file=file,
        )

    def _own_id(self, table: CheckedTable, kind: str) -> str:
        """Return the id of a table; one that another table of these files has is refused."""
        name = table.text("id")
        if before := self.defined.get((kind, name)):
            table.refuse("id", f"defined already by {before}")
        self.defined[kind, name] = table.where
        return name

    def _venue_named(self, table: CheckedTable, fallback: str | None) -> str:
        venue_id = table.text("venue", fallback)
        if venue_id and venue_id not in self.venue_names:
            table.refuse("venue", f"unknown venue; known are {', '.join(sorted(self.venue_names))}")
        return venue_id

    def _basis(self, table: CheckedTable, fallback: str | None = None) -> str:
        stated = table.text("basis", "user" if self.user else fallback, BASES)
        return "user" if self.user else stated

    def _parameters(
        self,
        tables: Iterable[CheckedTable],
        valid_from: datetime | None = None,
        basis: str | None = None,
        source: str | None = None,
    ) -> tuple[Parameter, ...]:
        found: dict[tuple[str, datetime], Parameter] = {}
        for table in tables:
            name = table.text("name")
            rule = rule_for(self.rules, name)
            parameter = Parameter(
                name=name,
                value=self._value(table, name, "value"),
                unit=table.text("unit", allowed=(rule.unit,) if rule else ()),
                valid_from=table.moment("valid_from", valid_from),
                basis=self._basis(table, basis),
                source=table.text("source", source),
                note=table.text("note", ""),
            )
            table.close(*_KEYS_OF_PARAMETER)
            if (name, parameter.valid_from) in found:
                table.refuse("name", f"stated already for {iso(parameter.valid_from)}")
            found[name, parameter.valid_from] = parameter
        return tuple(found.values())

    def _change(self, table: CheckedTable) -> ChangeSet:
        valid_from, basis = table.moment("valid_from"), self._basis(table)
        source, note = table.text("source"), table.text("note", "")
        flat = CheckedTable(dict(_leaves(table.content, table.unread)), table.where, table.problems)
        if not flat.content:
            table.report("names no parameter that changes")
        parameters = tuple(
            Parameter(
                name=name,
                value=self._value(flat, name, name),
                unit=rule.unit if (rule := rule_for(self.rules, name)) else "",
                valid_from=valid_from,
                basis=basis,
                source=source,
                note=note,
            )
            for name in flat.content
        )
        return ChangeSet(valid_from=valid_from, basis=basis, source=source, parameters=parameters, note=note)

    def _value(self, table: CheckedTable, name: str, key: str) -> Any:
        value = table.take(key)
        rule = rule_for(self.rules, name)
        if rule is None:
            table.refuse(key, f"unknown parameter {name}{nearest_names(self.rules, name)}")
        elif wrong := fault(rule, value):
            table.refuse(key, wrong)
        else:
            return stored(rule, value)
        return value

    def _check_coherent(self, table: CheckedTable, before: Iterable[Dated], own: Iterable[Dated]) -> None:
        for problem in incoherent(self.rules, (*before, *own)):
            table.report(problem)


def _rule(table: CheckedTable) -> ParameterRule:
    rule = ParameterRule(
        name=table.text("name"),
        unit=table.text("unit"),
        kind=table.text("kind", "number", KINDS),
        minimum=table.number("minimum"),
        maximum=table.number("maximum"),
        allowed=table.texts("allowed"),
        below=table.text("below", "") or None,
        at_most=table.text("at_most", "") or None,
        sums_to=table.number("sums_to"),
        description=table.text("description"),
    )
    table.close(
        "name", "unit", "kind", "minimum", "maximum", "allowed", "below", "at_most", "sums_to", "description"
    )
    return rule


def _figure(table: CheckedTable) -> Figure:
    figure = Figure(
        kind=table.text("kind"),
        at=table.moment("at") if "at" in table.content else None,
        implied_apy=table.number("implied_apy", above=-1),
        yt_price=table.number("yt_price", below=1),
        source=table.text("source"),
        note=table.text("note", ""),
    )
    if table.content.keys().isdisjoint(("implied_apy", "yt_price")):
        table.report("states neither implied_apy nor yt_price")
    table.close("kind", "at", "implied_apy", "yt_price", "source", "note")
    return figure


def _leaves(content: Mapping[str, Any], keys: Iterable[str], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Flatten nested tables to dotted names."""
    for key in sorted(keys):
        if isinstance(content[key], dict):
            yield from _leaves(content[key], content[key], f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", content[key]


def _still_in_force(before: Iterable[Parameter], own: Sequence[Parameter]) -> Iterator[Parameter]:
    """Leave out what the user's own parameters replace: the same name, from the same date or a later one."""
    for parameter in before:
        if all(other.name != parameter.name or parameter.valid_from < other.valid_from for other in own):
            yield parameter


def _by_date(parameters: Iterable[Parameter]) -> list[Dated]:
    dates: dict[datetime, list[Parameter]] = {}
    for parameter in parameters:
        dates.setdefault(parameter.valid_from, []).append(parameter)
    return [Dated(*dated) for dated in dates.items()]


def _check_ordered(tables: Sequence[CheckedTable], changes: Sequence[ChangeSet]) -> None:
    dated = [(table, set_) for table, set_ in zip(tables, changes, strict=True) if set_.valid_from != UNREAD]
    for (_, earlier), (table, later) in pairwise(dated):
        if later.valid_from <= earlier.valid_from:
            table.refuse("valid_from", f"must come after the set before it, {iso(earlier.valid_from)}")


def _check_code(table: CheckedTable, contract: ContractDefinition) -> None:
    """Refuse a code that contradicts maturity or underlying; a suffix after a dot may tell twins apart."""
    try:
        said = parse_contract_code(contract.contract_id).underlying
        if contract.maturity != UNREAD:
            check_code_agrees(contract.contract_id, contract.maturity)
    except MarketDefinitionError as error:
        table.report(str(error))
        return
    if contract.underlying and said != contract.underlying and not said.startswith(f"{contract.underlying}."):
        table.refuse("underlying", f"the code says {said}")
