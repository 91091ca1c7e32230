"""Scores of forecasts in the database, by what was forecast."""

import sqlite3

from yieldtrade.store import migrations, open_store


def columns(path):
    """Names of the columns of the table of scores."""
    conn = sqlite3.connect(path)
    found = [row[1] for row in conn.execute("PRAGMA table_info(forecast_score)")]
    conn.close()
    return found


def test_scores_of_an_older_database_stay_scores_of_the_yield(tmp_path, monkeypatch):
    """Its rows become those of the APY with no day observed, and the view shows them."""
    path = tmp_path / "old.db"
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:2])
        with open_store(path, bundled=False):
            pass
    assert "target" not in columns(path)
    conn = sqlite3.connect(path)
    conn.execute(
        "INSERT INTO run (run_id, command, arguments, version, as_of, started_at, inputs_sha256, status) "
        "VALUES (1, 'forecast', '{}', '0.0.9', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', '', 'done')"
    )
    conn.execute("INSERT INTO forecast_score VALUES (1, 'selected', 2, 'crps', 0.25, 70)")
    conn.commit()
    conn.close()
    with open_store(path, bundled=False) as store:
        assert store.check() == []
    conn = sqlite3.connect(path)
    row = conn.execute(
        "SELECT target, model, horizon, days_observed, metric, value, origins FROM forecast_track_record"
    ).fetchone()
    conn.close()
    assert row == ("apy", "selected", 2, 0, "crps", 0.25, 70)


def test_a_new_database_and_an_old_one_have_the_same_table(tmp_path, monkeypatch):
    """Brought up to date in one step or in two, the columns are the same."""
    with open_store(tmp_path / "new.db", bundled=False):
        pass
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:1])
        with open_store(tmp_path / "old.db", bundled=False):
            pass
    with open_store(tmp_path / "old.db", bundled=False):
        pass
    assert columns(tmp_path / "old.db") == columns(tmp_path / "new.db")
    assert {"target", "days_observed"} <= set(columns(tmp_path / "new.db"))
