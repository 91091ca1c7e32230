"""Bring a database of any earlier version up to date, inside one transaction.

Each migration is a function of a connection; the ledger table records which have run. A database that knows
a migration this version does not is newer, and is refused untouched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldtrade.errors import NewerDatabaseError
from yieldtrade.store import schema
from yieldtrade.store.record import transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

LEDGER = "migration"


def m001_facts_and_results(conn: sqlite3.Connection) -> None:
    """Create the tables and views of the first version."""
    for script in (schema.FACTS, schema.RESULTS, schema.VIEWS):
        for statement in _statements(script):
            conn.execute(statement)


def m002_custody_states(conn: sqlite3.Connection) -> None:
    """Add what a pool holds of each asset."""
    for statement in _statements(schema.CUSTODIES):
        conn.execute(statement)


def m003_scores_by_target(conn: sqlite3.Connection) -> None:
    """Tell scores of the yield from those of what it is made of, and of a running period by days observed."""
    for statement in _statements(schema.SCORES):
        conn.execute(statement)


def m004_backtest_flags(conn: sqlite3.Connection) -> None:
    """Add what became of past opportunities."""
    for statement in _statements(schema.BACKTESTS):
        conn.execute(statement)


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    m001_facts_and_results,
    m002_custody_states,
    m003_scores_by_target,
    m004_backtest_flags,
)


def applied(conn: sqlite3.Connection) -> tuple[str, ...]:
    """Return the names of the migrations a database has seen, in order."""
    found = conn.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (LEDGER,)).fetchone()
    return tuple(row[0] for row in conn.execute(f"SELECT name FROM {LEDGER} ORDER BY place")) if found else ()


def check_not_newer(conn: sqlite3.Connection) -> None:
    """Refuse a database written by a newer version.

    Raises
    ------
    NewerDatabaseError
        It has seen a migration that this version does not know.
    """
    unknown = set(applied(conn)) - {migration.__name__ for migration in MIGRATIONS}
    if unknown:
        raise NewerDatabaseError(
            f"the database was written by a newer version (it has {', '.join(sorted(unknown))}); "
            "upgrade yieldtrade, or name another file with --db. It was left untouched"
        )


def is_current(conn: sqlite3.Connection) -> bool:
    """Say whether every migration of this version has run."""
    return len(applied(conn)) >= len(MIGRATIONS)


def migrate(conn: sqlite3.Connection) -> tuple[str, ...]:
    """Run the migrations that are missing, all or none; return their names.

    ``conn`` must be in autocommit mode (``isolation_level=None``).
    """
    with transaction(conn):
        check_not_newer(conn)
        conn.execute(
            f"CREATE TABLE IF NOT EXISTS {LEDGER} (place INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT"
        )
        done = applied(conn)
        missing = [migration for migration in MIGRATIONS if migration.__name__ not in done]
        for migration in missing:
            migration(conn)
            conn.execute(f"INSERT INTO {LEDGER} (name) VALUES (?)", (migration.__name__,))
    return tuple(migration.__name__ for migration in missing)


def _statements(script: str) -> list[str]:
    import sqlite3

    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        # a comment after the closing semicolon would hide it from complete_statement
        if ";" in line and sqlite3.complete_statement(current):
            statements.append(current.strip())
            current = ""
    return statements
