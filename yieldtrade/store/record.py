"""Transactions, and the runs of commands with their results."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence


@contextmanager
def transaction(conn: sqlite3.Connection) -> Iterator[None]:
    """Run a block in one transaction that any failure, an interrupt included, undoes."""
    conn.execute("BEGIN IMMEDIATE")
    try:
        yield
        conn.execute("COMMIT")
    except BaseException:
        if conn.in_transaction:  # a full disk has undone it already; undoing it again would hide why
            conn.execute("ROLLBACK")
        raise


def start_run(
    conn: sqlite3.Connection,
    *,
    command: str,
    arguments: dict[str, Any],
    version: str,
    as_of: str,
    now: str,
    inputs_sha256: str,
) -> int:
    """Record the start of a computation and return its number."""
    cursor = conn.execute(
        "INSERT INTO run (command, arguments, version, as_of, started_at, inputs_sha256, status) "
        "VALUES (?, ?, ?, ?, ?, ?, 'running')",
        (command, json.dumps(arguments, sort_keys=True), version, as_of, now, inputs_sha256),
    )
    return int(cursor.lastrowid or 0)


def finish_run(conn: sqlite3.Connection, run_id: int, now: str, status: str) -> None:
    """Record the end of a computation: ``done`` or ``failed``."""
    conn.execute("UPDATE run SET finished_at = ?, status = ? WHERE run_id = ?", (now, status, run_id))


def write_rows(
    conn: sqlite3.Connection, table: str, run_id: int, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Write result rows of a run."""
    names = ", ".join(("run_id", *columns))
    marks = ", ".join("?" * (len(columns) + 1))
    conn.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", ((run_id, *row) for row in rows))


def last_run(
    conn: sqlite3.Connection, command: str, arguments: dict[str, Any], not_after: str
) -> tuple[int, str] | None:
    """Return number and moment of the last finished run of a command with these arguments, as of no later moment."""
    found = conn.execute(
        "SELECT run_id, as_of FROM run WHERE command = ? AND arguments = ? AND status = 'done' AND as_of <= ? "
        "ORDER BY run_id DESC LIMIT 1",
        (command, json.dumps(arguments, sort_keys=True), not_after),
    ).fetchone()
    return (int(found[0]), str(found[1])) if found else None


def signals(conn: sqlite3.Connection, run_id: int) -> dict[str, dict[str, Any]]:
    """Return the rows a screen stored, each with every field, by name."""
    rows = conn.execute("SELECT row_id, explain FROM signal WHERE run_id = ? ORDER BY row_id", (run_id,))
    return {row[0]: json.loads(row[1]) for row in rows}
