"""Write definitions of venues, pools and contracts; the user's lie over the bundled ones."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from yieldtrade.conventions import iso
from yieldtrade.store.codec import encode_figure, encode_parameter
from yieldtrade.store.record import transaction
from yieldtrade.store.write import add_source

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from datetime import datetime

    from yieldtrade.sources.definitions import ContractDefinition, PoolDefinition, VenueDefinition

MARKET_ADDRESS = "market_address"


def write_definitions(
    conn: sqlite3.Connection,
    files: Mapping[str, bytes],
    *,
    now: datetime,
    layer: int,
    locator: str = "bundled",
) -> dict[str, str]:
    """Read, check and store definition files in one transaction; return contract names by market address.

    Parameters
    ----------
    conn
        A connection in autocommit mode.
    files
        TOML texts by name.
    now
        The present moment.
    layer
        0 for the bundled definitions, 1 for the user's.
    locator
        Where the files were read from.

    Raises
    ------
    LoadError
        A file is wrong; every problem of every file is told and nothing is stored.
    """
    from sqlite_utils import Database

    from yieldtrade.sources.definitions import read_definitions

    known = [row[0] for row in conn.execute("SELECT DISTINCT name FROM definition WHERE kind = 'venue'")]
    found = read_definitions(files, user=layer > 0, known_venues=known)
    digest = hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()
    name = "markets" if layer == 0 else ", ".join(sorted(files))
    db = Database(conn)
    with transaction(conn):
        row = conn.execute(
            "SELECT source_id FROM source WHERE sha256 = ? AND name = ?", (digest, name)
        ).fetchone()
        kind = "bundled" if layer == 0 else "file"
        source_id = row[0] if row else add_source(conn, name, kind, locator, digest, len(files), iso(now))
        bodies = [_venue_row(venue) for venue in found.venues] + [_pool_row(pool) for pool in found.pools]
        for body in bodies:
            merged = body["body"] if layer == 0 else _over_stored(conn, body)
            db.table("definition").upsert(
                {**body, "body": json.dumps(merged), "layer": layer, "source_id": source_id},
                pk=("kind", "name", "layer"),
            )
        db.table("contract").upsert_all(
            (
                {**_contract_row(contract), "layer": layer, "source_id": source_id}
                for contract in found.contracts
            ),
            pk=("contract_id", "layer"),
        )
    return market_aliases(conn)


def market_aliases(conn: sqlite3.Connection) -> dict[str, str]:
    """Return the contract names by the address of their market, where definitions state one."""
    aliases = {}
    for contract_id, terms in conn.execute("SELECT contract_id, terms FROM contract ORDER BY layer"):
        for parameter in json.loads(terms)["parameters"]:
            if parameter["name"] == MARKET_ADDRESS:
                aliases[parameter["value"]] = contract_id
    return aliases


def pool_names(conn: sqlite3.Connection) -> tuple[str, ...] | None:
    """Return the names of the pools defined; None where nothing defines any."""
    rows = conn.execute("SELECT DISTINCT name FROM definition WHERE kind = 'pool' ORDER BY name")
    return tuple(row[0] for row in rows) or None


def _venue_row(venue: VenueDefinition) -> dict[str, Any]:
    body = {
        "name": venue.name,
        "kind": venue.kind,
        "chain": venue.chain,
        "parameters": [encode_parameter(parameter) for parameter in venue.parameters],
    }
    return {"kind": "venue", "name": venue.venue_id, "body": body}


def _pool_row(pool: PoolDefinition) -> dict[str, Any]:
    changes = [
        {
            "valid_from": iso(change.valid_from),
            "parameters": [encode_parameter(parameter) for parameter in change.parameters],
        }
        for change in pool.changes
    ]
    return {"kind": "pool", "name": pool.pool_id, "body": {"name": pool.name, "changes": changes}}


def _contract_row(contract: ContractDefinition) -> dict[str, Any]:
    terms = {
        "parameters": [encode_parameter(parameter) for parameter in contract.parameters],
        "figures": [encode_figure(figure) for figure in contract.figures],
        "source": contract.source,
        "note": contract.note,
    }
    return {
        "contract_id": contract.contract_id,
        "venue": contract.venue_id,
        "underlying": contract.underlying,
        "maturity": iso(contract.maturity),
        "clock": contract.clock,
        "valid_from": iso(contract.valid_from) if contract.valid_from else None,
        "terms": json.dumps(terms),
    }


def _over_stored(conn: sqlite3.Connection, row: dict[str, Any]) -> dict[str, Any]:
    """Add a user's sets to those the user gave before; of equal name and moment the new one stays."""
    stored = conn.execute(
        "SELECT body FROM definition WHERE kind = ? AND name = ? AND layer = 1", (row["kind"], row["name"])
    ).fetchone()
    body: dict[str, Any] = row["body"]
    if stored is None:
        return body
    before = json.loads(stored[0])
    if "changes" in body:
        kept = {change["valid_from"]: change for change in (*before["changes"], *body["changes"])}
        return {**body, "changes": list(kept.values())}
    parameters = {(p["name"], p["valid_from"]): p for p in (*before["parameters"], *body["parameters"])}
    return {**body, "parameters": list(parameters.values())}
