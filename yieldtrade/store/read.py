"""Answer a view's questions from SQLite: only what was known at its moment."""

from __future__ import annotations

import json
from datetime import date, datetime
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from yieldtrade.conventions import iso
from yieldtrade.market import (
    AmmState,
    Contract,
    CustodyRecord,
    LendingRate,
    OfficialYield,
    Pool,
    SeriesSource,
    Terms,
    Venue,
    YieldQuote,
)
from yieldtrade.store.codec import decode_figure, decode_parameter, in_force

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from yieldtrade.market import ChangeSet, Parameter
    from yieldtrade.series import DailySeries

_QUOTE_COLUMNS = (
    "contract_id, at, implied_apy, pt_price, yt_price, underlying_apy, liquidity_usd, underlying_price_usd, "
    "(SELECT name FROM source WHERE source.source_id = q.source_id) AS source, feed"
)
# A snapshot carries prices; a daily figure or a bare state stands in only where there is none.
_FEED_ORDER = "CASE feed WHEN 'snapshot' THEN 0 WHEN 'state' THEN 1 ELSE 2 END"


class SqliteFacts:
    """The facts of one moment, read from a database when asked for.

    Parameters
    ----------
    conn
        A read connection; rows come as tuples.
    as_of
        The moment: a figure that could not be known by then is left out.
    known_by
        Versions of a figure that became known later than this are left out; None takes the last version of
        every figure available at ``as_of``.
    """

    def __init__(self, conn: sqlite3.Connection, as_of: datetime, known_by: datetime | None) -> None:
        self._conn = conn
        self._as_of = as_of
        self._limits = {"as_of": iso(as_of), "known_by": iso(known_by) if known_by else "9999"}

    # ------------------------------------------------------------------ definitions

    def contract_ids(self) -> tuple[str, ...]:
        """Names of all contracts known, in order."""
        rows = self._conn.execute("SELECT DISTINCT contract_id FROM contract ORDER BY contract_id")
        return tuple(row[0] for row in rows)

    def contract(self, contract_id: str) -> Contract | None:
        """One contract with its venue's terms folded in; names are matched without regard to case."""
        found = self._contracts(
            "WHERE contract_id = coalesce("
            "(SELECT contract_id FROM contract WHERE contract_id = :name), "
            "(SELECT max(contract_id) FROM contract WHERE contract_id = :name COLLATE NOCASE))",
            name=contract_id,
        )
        return found[0] if found else None

    def contracts(self) -> tuple[Contract, ...]:
        """All contracts known by the moment of the view, in order of name."""
        found = self._contracts("WHERE valid_from IS NULL OR valid_from <= :as_of", **self._limits)
        return tuple(contract for contract in found if self._venue_is_known(contract.venue_id))

    def _venue_is_known(self, venue_id: str) -> bool:
        """Say whether a venue had published anything; of one without a definition nothing is known either way."""
        venue = self.venue(venue_id)
        return venue is None or bool(venue.terms.parameters)

    def _contracts(self, where: str, **arguments: str) -> tuple[Contract, ...]:
        rows = self._conn.execute(
            f"SELECT contract_id, venue, underlying, maturity, clock, terms FROM contract {where} "
            "ORDER BY contract_id, layer",
            arguments,
        )
        return tuple({row[0]: self._decode_contract(row) for row in rows}.values())

    def _decode_contract(self, row: tuple[Any, ...]) -> Contract:
        contract_id, venue_id, underlying, maturity, clock, terms = row
        body = json.loads(terms)
        own = in_force(map(decode_parameter, body["parameters"]), self._as_of)
        venue = self.venue(venue_id)
        terms_of_venue = venue.terms if venue else Terms(owner=venue_id, parameters=MappingProxyType({}))
        return Contract(
            contract_id=contract_id,
            venue_id=venue_id,
            underlying=underlying,
            maturity=datetime.fromisoformat(maturity),
            clock=clock,
            terms=terms_of_venue.overlaid(contract_id, own),
            figures=tuple(map(decode_figure, body["figures"])),
            source=body["source"],
            note=body["note"],
        )

    def venue(self, venue_id: str) -> Venue | None:
        """One venue."""
        if venue_id not in self._venues:
            bodies = self._definitions("venue", venue_id)
            self._venues[venue_id] = self._decode_venue(venue_id, bodies) if bodies else None
        return self._venues[venue_id]

    @cached_property
    def _venues(self) -> dict[str, Venue | None]:
        return {}

    def _decode_venue(self, venue_id: str, bodies: list[dict[str, Any]]) -> Venue:
        folded: dict[str, Parameter] = {}
        for body in bodies:
            folded.update(in_force(map(decode_parameter, body["parameters"]), self._as_of))
        return Venue(
            venue_id=venue_id,
            name=bodies[0]["name"],
            terms=Terms(owner=venue_id, parameters=MappingProxyType(folded)),
        )

    def venue_ids(self) -> tuple[str, ...]:
        """Names of all venues."""
        return self._names("venue")

    def pool(self, pool_id: str) -> Pool | None:
        """One pool, with the change sets known at the view's moment."""
        bodies = self._definitions("pool", pool_id)
        if not bodies:
            return None
        sets = [change for body in bodies for change in body["changes"]]
        known = self._change_sets(sets, recommended=False)
        folded: dict[str, Parameter] = {}
        for _, parameters in known:
            folded.update(parameters)
        return Pool(
            pool_id=pool_id,
            name=bodies[0]["name"],
            terms=Terms(owner=pool_id, parameters=MappingProxyType(folded)),
            changes=known,
            recommendations=self._change_sets(sets, recommended=True),
        )

    def _change_sets(self, sets: list[dict[str, Any]], *, recommended: bool) -> tuple[ChangeSet, ...]:
        """Return the change sets known at the moment of the view, in order: those in force, or recommended only."""
        decoded = (_decode_change(change, recommended=recommended) for change in sets)
        known = (change for change in decoded if change[0] <= self._as_of and change[1])
        return tuple(sorted(known, key=lambda change: change[0]))

    def pool_ids(self) -> tuple[str, ...]:
        """Names of all pools."""
        return self._names("pool")

    def _definitions(self, kind: str, name: str) -> list[dict[str, Any]]:
        rows = self._conn.execute(
            "SELECT body FROM definition WHERE kind = ? AND name = ? ORDER BY layer", (kind, name)
        )
        return [json.loads(row[0]) for row in rows]

    def _names(self, kind: str) -> tuple[str, ...]:
        rows = self._conn.execute(
            "SELECT DISTINCT name FROM definition WHERE kind = ? ORDER BY name", (kind,)
        )
        return tuple(row[0] for row in rows)

    # ----------------------------------------------------------------------- quotes

    def latest_quotes(self, contract_id: str | None) -> dict[str, YieldQuote]:
        """Last market quote of one contract, or of each."""
        one = "AND contract_id = :contract_id" if contract_id is not None else ""
        rows = self._conn.execute(
            f"SELECT {_QUOTE_COLUMNS} FROM (SELECT *, row_number() OVER (PARTITION BY contract_id "
            f"ORDER BY {_FEED_ORDER}, at DESC, known_at DESC, source_id DESC) AS place "
            f"FROM yield_quote WHERE available_at <= :as_of AND known_at <= :known_by {one}) q WHERE place = 1",
            {**self._limits, "contract_id": contract_id},
        )
        return {row[0]: _quote(row) for row in rows}

    def quote_history(self, contract_id: str) -> tuple[YieldQuote, ...]:
        """Every market quote of a contract in its longest feed, oldest first."""
        return self._quotes(
            "AND contract_id = :name AND feed = (SELECT feed FROM yield_quote WHERE contract_id = :name "
            "AND available_at <= :as_of GROUP BY feed ORDER BY count(*) DESC, feed LIMIT 1)",
            contract_id,
        )

    def feed_history(self, contract_id: str, feed: str) -> tuple[YieldQuote, ...]:
        """Every market quote of a contract in one feed, oldest first."""
        return self._quotes("AND contract_id = :name AND feed = :feed", contract_id, feed=feed)

    def amm_state(self, contract_id: str) -> AmmState | None:
        """Last known state of a contract's pool."""
        row = self._conn.execute(
            "SELECT at, amm_state.kind, state, source.name FROM amm_state JOIN source USING (source_id) "
            "WHERE contract_id = :contract_id AND available_at <= :as_of AND known_at <= :known_by "
            "ORDER BY at DESC, known_at DESC, source_id DESC LIMIT 1",
            {**self._limits, "contract_id": contract_id},
        ).fetchone()
        if row is None:
            return None
        return AmmState(
            contract_id=contract_id,
            at=datetime.fromisoformat(row[0]),
            kind=row[1],
            state=MappingProxyType(json.loads(row[2])),
            source=row[3],
        )

    def panel(self, venue_id: str) -> tuple[YieldQuote, ...]:
        """Every snapshot quote of a venue, by contract and time."""
        return self._quotes(
            "AND feed = 'snapshot' AND contract_id IN (SELECT contract_id FROM contract WHERE venue = :name)",
            venue_id,
        )

    def _quotes(self, where: str, name: str, **arguments: str) -> tuple[YieldQuote, ...]:
        rows = self._conn.execute(
            f"SELECT {_QUOTE_COLUMNS} FROM (SELECT *, row_number() OVER (PARTITION BY contract_id, feed, at "
            "ORDER BY known_at DESC, source_id DESC) AS place FROM yield_quote "
            f"WHERE available_at <= :as_of AND known_at <= :known_by {where}) q WHERE place = 1 "
            "ORDER BY contract_id, at",
            {**self._limits, "name": name, **arguments},
        )
        return tuple(map(_quote, rows))

    # ----------------------------------------------------------------------- series

    def pool_series(self, pool_id: str, series: str) -> DailySeries:
        """One daily series of a pool."""
        where, arguments = "pool = :pool AND series = :series", {"pool": pool_id, "series": series}
        rows = self._daily("SELECT date, value, quality", "pool_day", where, arguments)
        # a state is known when its day begins, a figure of a day when it is over
        soonest = "date" if series == "tvl_usd" else "date(date, '+1 day')"
        limits = f"{where} AND available_at <= :as_of AND known_at <= :known_by"
        versions = self._conn.execute(
            f"SELECT date, value, quality, known_at FROM pool_day WHERE {limits} AND date IN (SELECT date "
            f"FROM pool_day WHERE {limits} GROUP BY date HAVING count(*) > 1 OR min(known_at) > {soonest} "
            "|| 'T00:00:00Z') ORDER BY date, known_at, source_id",
            {**self._limits, **arguments},
        ).fetchall()
        return _series(series, rows, versions)

    def pool_sources(self, pool_id: str) -> tuple[SeriesSource, ...]:
        """Where the daily series of a pool come from: of every day the version that a series takes."""
        rows = self._conn.execute(
            "WITH known AS (SELECT *, row_number() OVER (PARTITION BY series, date "
            "ORDER BY known_at DESC, source_id DESC) AS place FROM pool_day "
            "WHERE pool = :pool AND available_at <= :as_of AND known_at <= :known_by) "
            "SELECT series, source.name, count(*), min(date), max(date) FROM known JOIN source USING (source_id) "
            "WHERE place = 1 GROUP BY series, source_id ORDER BY series, min(date), source.name",
            {**self._limits, "pool": pool_id},
        )
        return tuple(map(SeriesSource._make, rows))

    def custodies(self, pool_id: str) -> tuple[CustodyRecord, ...]:
        """What a pool held at the last moment stored, by asset."""
        rows = self._conn.execute(
            "WITH known AS (SELECT *, row_number() OVER (PARTITION BY asset, at "
            "ORDER BY known_at DESC, source_id DESC) AS place FROM custody_state "
            "WHERE pool = :pool AND available_at <= :as_of AND known_at <= :known_by) "
            "SELECT pool, asset, at, supply, owned, locked, price_usd, debt, guaranteed_usd, short_sizes_usd, "
            "short_avg_price, fees_reserves, (SELECT name FROM source WHERE source.source_id = known.source_id) "
            "FROM known WHERE place = 1 AND at = (SELECT max(at) FROM known AS same WHERE same.asset = known.asset) "
            # the assets of one state are read within moments of each other
            "AND at >= strftime('%Y-%m-%dT%H:%M:%SZ', (SELECT max(at) FROM known), '-1 hour') ORDER BY asset",
            {**self._limits, "pool": pool_id},
        )
        return tuple(
            CustodyRecord._make((*row[:2], datetime.fromisoformat(row[2]), *row[3:])) for row in rows
        )

    def official_yield(self, pool_id: str) -> OfficialYield | None:
        """Last yield a pool published."""
        row = self._conn.execute(
            "SELECT published_at, apr, apy, source.name FROM official_apy JOIN source USING (source_id) "
            "WHERE pool = :pool AND available_at <= :as_of AND known_at <= :known_by "
            "ORDER BY published_at DESC, known_at DESC, source_id DESC LIMIT 1",
            {**self._limits, "pool": pool_id},
        ).fetchone()
        return OfficialYield(pool_id, datetime.fromisoformat(row[0]), row[1], row[2], row[3]) if row else None

    def official_yields(self, pool_id: str) -> tuple[OfficialYield, ...]:
        """Every version of every yield a pool published, by moment and then by when the version was known."""
        rows = self._conn.execute(
            "SELECT published_at, apr, apy, source.name, week_start, week_end, known_at "
            "FROM official_apy JOIN source USING (source_id) "
            "WHERE pool = :pool AND available_at <= :as_of AND known_at <= :known_by "
            "ORDER BY published_at, known_at, source_id",
            {**self._limits, "pool": pool_id},
        )
        return tuple(
            OfficialYield(
                pool_id,
                datetime.fromisoformat(at),
                apr,
                apy,
                source,
                week_start=week_start and date.fromisoformat(week_start),
                week_end=week_end and date.fromisoformat(week_end),
                known_at=datetime.fromisoformat(known_at),
            )
            for at, apr, apy, source, week_start, week_end, known_at in rows
        )

    def asset_prices(self, asset: str) -> DailySeries:
        """Daily closes of an asset in USD."""
        rows = self._daily("SELECT date, price_usd, 'close'", "asset_day", "asset = :asset", {"asset": asset})
        return _series("price_usd", rows)

    def underlying_history(self, underlying: str) -> DailySeries:
        """Daily published yield of an underlying, from the longest feed of its longest-quoted contract."""
        rows = self._conn.execute(
            "WITH known AS (SELECT q.*, row_number() OVER (PARTITION BY contract_id, feed, at "
            "ORDER BY known_at DESC, source_id DESC) AS place FROM yield_quote q "
            "JOIN (SELECT DISTINCT contract_id FROM contract WHERE underlying = :underlying) USING (contract_id) "
            "WHERE available_at <= :as_of AND known_at <= :known_by), "
            "sound AS (SELECT * FROM known WHERE place = 1 AND underlying_apy IS NOT NULL), "
            "longest AS (SELECT contract_id, feed FROM sound GROUP BY contract_id, feed "
            "ORDER BY count(*) DESC, contract_id, feed LIMIT 1) "
            "SELECT substr(at, 1, 10) AS day, underlying_apy, feed FROM sound "
            "JOIN longest USING (contract_id, feed) GROUP BY day HAVING at = max(at) ORDER BY day",
            {**self._limits, "underlying": underlying},
        ).fetchall()
        return _series("underlying_apy", rows)

    def borrow_history(self, venue_id: str, asset: str) -> DailySeries:
        """Daily borrow APY of an asset at a lending venue."""
        rows = self._daily(
            "SELECT date, borrow_apy, 'snapshot'",
            "lending_day",
            "venue = :venue AND asset = :asset",
            {"venue": venue_id, "asset": asset},
        )
        return _series("borrow_apy", rows)

    def _daily(
        self, select: str, table: str, where: str, arguments: dict[str, str]
    ) -> list[tuple[str, float, str]]:
        # with max() in the select list SQLite takes the other columns from the row that holds the maximum
        rows = self._conn.execute(
            f"{select}, max(known_at || printf('%012d', source_id)) FROM {table} "
            f"WHERE {where} AND available_at <= :as_of AND known_at <= :known_by GROUP BY date ORDER BY date",
            {**self._limits, **arguments},
        )
        return [(row[0], row[1], row[2]) for row in rows]

    def lending(self, venue_id: str, asset: str) -> LendingRate | None:
        """Last known rates of an asset at a lending venue."""
        row = self._conn.execute(
            "SELECT available_at, supply_apy, borrow_apy, supply_usd, borrow_usd, source.name "
            "FROM lending_day JOIN source USING (source_id) WHERE venue = :venue AND asset = :asset "
            "AND available_at <= :as_of AND known_at <= :known_by "
            "ORDER BY date DESC, known_at DESC, source_id DESC LIMIT 1",
            {**self._limits, "venue": venue_id, "asset": asset},
        ).fetchone()
        if row is None:
            return None
        return LendingRate(
            venue_id=venue_id,
            asset=asset,
            at=datetime.fromisoformat(row[0]),
            supply_apy=row[1],
            borrow_apy=row[2],
            supply_usd=row[3],
            borrow_usd=row[4],
            source=row[5],
        )


def _decode_change(change: Mapping[str, Any], *, recommended: bool) -> ChangeSet:
    parameters = map(decode_parameter, change["parameters"])
    found = {p.name: p for p in parameters if (p.basis == "recommendation") is recommended}
    return datetime.fromisoformat(change["valid_from"]), MappingProxyType(found)


def _quote(row: tuple[Any, ...]) -> YieldQuote:
    return YieldQuote(
        contract_id=row[0],
        at=datetime.fromisoformat(row[1]),
        implied_apy=row[2],
        pt_price=row[3],
        yt_price=row[4],
        underlying_apy=row[5],
        liquidity_usd=row[6],
        underlying_price_usd=row[7],
        kind="market",
        source=row[8],
        feed=row[9],
    )


def _series(
    name: str, rows: Iterable[tuple[str, float, str]], versions: Iterable[tuple[str, float, str, str]] = ()
) -> DailySeries:
    import numpy as np

    from yieldtrade.series import DailySeries, Version

    found = list(rows)
    return DailySeries(
        name=name,
        unit=_unit(name),
        days=np.array([row[0] for row in found], dtype="datetime64[D]"),
        values=np.array([row[1] for row in found], dtype=np.float64),
        quality=tuple(row[2] for row in found),
        versions=tuple(
            Version(np.datetime64(day, "D"), value, quality, datetime.fromisoformat(known_at))
            for day, value, quality, known_at in versions
        ),
    )


def _unit(series: str) -> str:
    if series.endswith("_usd"):
        return "USD"
    if series.endswith(("_apy", "_apr", "_hourly", "_return")):
        return "fraction"
    return ""
