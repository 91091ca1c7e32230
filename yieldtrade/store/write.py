"""Write the facts of a parsed file: new ones, and corrections of those stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.sources.rows import COLUMNS, KEYS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from yieldtrade.sources.rows import FactRow, ListedContract, ParsedFile


class Loaded(NamedTuple):
    """What loading one file did: records read, fact rows added and corrected; ``seen`` if loaded before."""

    name: str
    table_format: str
    records: int
    added: int
    corrected: int
    seen: bool


def load_parsed(conn: sqlite3.Connection, parsed: ParsedFile, now: str) -> Loaded:
    """Store the facts of a parsed file inside the caller's transaction.

    A figure already stored with the same value is left alone; one stored with another value is corrected by a
    new row known from ``now``.
    """
    seen = conn.execute(
        "SELECT 1 FROM source WHERE sha256 = ? AND name = ?", (parsed.sha256, parsed.name)
    ).fetchone()
    if seen:
        return Loaded(parsed.name, parsed.table_format, parsed.records, 0, 0, seen=True)
    source_id = add_source(conn, parsed.name, parsed.kind, parsed.locator, parsed.sha256, parsed.records, now)
    added = corrected = 0
    for table, rows in parsed.rows.items():
        new, changed = _merge(conn, table, rows, source_id, now)
        added, corrected = added + new, corrected + changed
    for contract in parsed.contracts:
        _add_listed_contract(conn, contract, source_id)
    return Loaded(parsed.name, parsed.table_format, parsed.records, added, corrected, seen=False)


def add_source(
    conn: sqlite3.Connection, name: str, kind: str, locator: str, sha256: str, rows: int, now: str
) -> int:
    """Record where rows come from and return its number."""
    cursor = conn.execute(
        "INSERT INTO source (name, kind, locator, fetched_at, sha256, rows) VALUES (?, ?, ?, ?, ?, ?)",
        (name, kind, locator, now, sha256, rows),
    )
    return int(cursor.lastrowid or 0)


def _merge(
    conn: sqlite3.Connection, table: str, rows: Sequence[FactRow], source_id: int, now: str
) -> tuple[int, int]:
    columns, key = COLUMNS[table], KEYS[table]
    names = ", ".join(columns)
    target = f"INSERT INTO {table} ({names}, available_at, source_id)"
    if conn.execute(f"SELECT NOT EXISTS (SELECT 1 FROM {table})").fetchone()[0]:
        marks = ", ".join("?" * len(columns))
        conn.executemany(f"{target} VALUES ({marks}, ?, ?)", ((*row, row[-1], source_id) for row in rows))
        return len(rows), 0
    marks = ", ".join("?" * len(columns))
    conn.execute(f"CREATE TEMP TABLE incoming ({names})")
    conn.executemany(f"INSERT INTO incoming VALUES ({marks})", rows)
    same_key = " AND ".join(f"{{0}}.{name} = {{1}}.{name}" for name in key)
    values = [name for name in columns if name not in (*key, "known_at")]
    changed = " OR ".join(f"i.{name} IS NOT last.{name}" for name in values)
    picked = ", ".join(f"i.{name}" for name in columns[:-1])
    before = conn.total_changes
    newer = (
        f"({same_key.format('newer', 'last')}) "
        "AND (newer.known_at, newer.source_id) > (last.known_at, last.source_id)"
    )
    corrected = conn.execute(
        f"SELECT count(*) FROM incoming i JOIN {table} last ON {same_key.format('last', 'i')} "
        f"WHERE NOT EXISTS (SELECT 1 FROM {table} newer WHERE {newer}) AND ({changed})"
    ).fetchone()[0]
    conn.execute(
        f"{target} SELECT {picked}, "
        "CASE WHEN last.known_at IS NULL OR i.known_at > last.known_at THEN i.known_at ELSE :now END, "
        "coalesce(last.available_at, i.known_at), :source_id "
        f"FROM incoming i LEFT JOIN {table} last ON {same_key.format('last', 'i')} "
        f"AND NOT EXISTS (SELECT 1 FROM {table} newer WHERE {newer}) "
        f"WHERE last.known_at IS NULL OR {changed}",
        {"now": now, "source_id": source_id},
    )
    written = conn.total_changes - before
    conn.execute("DROP TABLE incoming")
    return written - corrected, corrected


def _add_listed_contract(conn: sqlite3.Connection, contract: ListedContract, source_id: int) -> None:
    terms = json.dumps({"parameters": [], "figures": [], "source": contract.source, "note": ""})
    conn.execute(
        "INSERT OR IGNORE INTO contract (contract_id, venue, underlying, maturity, clock, terms, layer, source_id) "
        "SELECT :id, :venue, :underlying, :maturity, 'wall', :terms, 1, :source_id "
        "WHERE NOT EXISTS (SELECT 1 FROM contract WHERE contract_id = :id)",
        {
            "id": contract.contract_id,
            "venue": contract.venue_id,
            "underlying": contract.underlying,
            "maturity": contract.maturity,
            "terms": terms,
            "source_id": source_id,
        },
    )
