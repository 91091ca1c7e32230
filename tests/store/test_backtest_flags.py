"""The table of a backtest's flags in databases old and new."""

from __future__ import annotations

import sqlite3

from yieldtrade.store import Store, migrations, open_store


def test_an_older_database_gains_the_table(tmp_path):
    """A database of before has no table of flags; opening it adds an empty one and keeps what it held."""
    path = tmp_path / "old.db"
    conn = sqlite3.connect(path, isolation_level=None)
    before = [step for step in migrations.MIGRATIONS if not step.__name__.endswith("backtest_flags")]
    conn.execute("CREATE TABLE migration (place INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT")
    for step in before:
        step(conn)
        conn.execute("INSERT INTO migration (name) VALUES (?)", (step.__name__,))
    conn.execute("INSERT INTO meta VALUES ('kept', 'yes')")
    conn.close()
    with Store(path) as store:
        assert "backtest_flag" not in {record["table"] for record in store.info()}
    with open_store(path, bundled=False) as store:
        found = {record["table"]: record["rows"] for record in store.info()}
        assert found["backtest_flag"] == 0
        assert store.export("meta")[1] == [{"key": "kept", "value": "yes"}]
        assert store.check() == []
