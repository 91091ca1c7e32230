"""Who changed the database: others, not oneself."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from yieldtrade.errors import StoreError
from yieldtrade.store import open_store, record
from yieldtrade.store.watch import data_version, revisions

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def looks(monkeypatch):
    """Do something at each pause instead of sleeping; fail when nothing is left to do."""
    planned = []

    def pause(_seconds):
        assert planned, "the watch would wait for ever"
        planned.pop(0)()

    monkeypatch.setattr("yieldtrade.store.watch.time.sleep", pause)
    return planned


def commit(path, key):
    """Commit something from a connection of one's own."""
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, 'x')", (key,))


def keys(store):
    """What the reader sees."""
    return {row[0] for row in store.reading().execute("SELECT key FROM meta")}


def test_a_commit_of_another_connection_is_seen_and_read(bundled, looks):
    """The watch waits until somebody commits, and the reader then sees it."""
    looks += [lambda: None, lambda: commit(bundled.path, "one")]
    with closing(revisions(bundled, 1.0)) as states:
        next(states)
        assert "one" not in keys(bundled)
        next(states)
        assert "one" in keys(bundled)
    assert looks == []


def test_own_writes_are_no_change(bundled, looks):
    """A run recorded between two looks does not wake the watch; the commit after it does."""
    looks += [lambda: None, lambda: None, lambda: commit(bundled.path, "two")]
    with closing(revisions(bundled, 1.0)) as states:
        next(states)
        with bundled.recording("screen", {"size": 1}, bundled.view(MOMENT), "0"):
            pass
        next(states)
        assert record.last_run(bundled.reading(), "screen", {"size": 1}, "2027") is not None
    assert looks == []


def test_a_commit_while_the_block_works_is_not_missed(bundled, looks):
    """What others commit between the look and one's own write wakes the watch without a pause."""
    with closing(revisions(bundled, 1.0)) as states:
        next(states)
        commit(bundled.path, "meanwhile")
        with bundled.recording("screen", {}, bundled.view(MOMENT), "0"):
            pass
        next(states)
        assert "meanwhile" in keys(bundled)


def test_a_file_put_in_its_place_is_followed(bundled, looks, tmp_path):
    """Another file moved over the path counts as a change, and is read from then on."""
    other = tmp_path / "other.db"
    with bundled.writing() as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(bundled.path, other)
    commit(other, "replaced")
    looks += [lambda: other.replace(bundled.path), lambda: commit(bundled.path, "later")]
    with closing(revisions(bundled, 1.0)) as states:
        next(states)
        next(states)
        assert "replaced" in keys(bundled)
        next(states)
        assert "later" in keys(bundled)


def test_a_file_that_is_gone_ends_the_watch(bundled, looks, tmp_path):
    """The error names the file."""
    looks.append(lambda: shutil.move(bundled.path, tmp_path / "away.db"))
    with closing(revisions(bundled, 1.0)) as states:
        next(states)
        with pytest.raises(StoreError, match="the database file is gone"):
            next(states)


def test_after_the_watch_the_store_writes_as_before(bundled):
    """The connection that was held is closed and given back."""
    with closing(revisions(bundled, 1.0)) as states:
        next(states)
        held = bundled.held
        assert held is not None
    assert bundled.held is None
    with pytest.raises(sqlite3.ProgrammingError):
        data_version(held)
    with bundled.recording("screen", {}, bundled.view(MOMENT), "0"):
        pass


def test_the_last_run_is_of_the_same_arguments_and_of_no_later_moment(tmp_path):
    """Other commands, other arguments and later moments do not count; of several the last one does."""
    with open_store(tmp_path / "r.db", bundled=False) as store, store.writing() as conn:
        for command, size, as_of in (
            ("screen", 1, "2026-01-01"),
            ("screen", 1, "2026-01-02"),
            ("screen", 2, "2026-01-02"),
            ("quote", 1, "2026-01-02"),
            ("screen", 1, "2026-01-09"),
        ):
            run = record.start_run(
                conn,
                command=command,
                arguments={"size": size, "a": [1]},
                version="0",
                as_of=as_of,
                now=as_of,
                inputs_sha256="0",
            )
            record.finish_run(conn, run, as_of, "done")
        asked = {"a": [1], "size": 1}
        assert record.last_run(conn, "screen", asked, "2026-01-05") == (2, "2026-01-02")
        assert record.last_run(conn, "screen", asked, "2025-01-05") is None
        assert record.last_run(conn, "screen", {"size": 3}, "2026-01-05") is None
        assert record.signals(conn, 2) == {}
