"""What many tests need: a database with the bundled history, made once and copied."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import settings

from yieldtrade.store import Store, open_store

settings.register_profile("suite", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch, tmp_path_factory):
    """No test sees the user's database, settings or terminal preferences."""
    home = tmp_path_factory.mktemp("home")
    for name in ("YIELDTRADE_DB", "YIELDTRADE_AS_OF", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(home))


@pytest.fixture(scope="session")
def _bundled_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundled") / "bundled.db"
    with open_store(path) as store, store.writing() as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def bundled_path(_bundled_file, tmp_path):
    """Path of a fresh database that holds the bundled history."""
    path = tmp_path / "yieldtrade.db"
    shutil.copy(_bundled_file, path)
    return path


@pytest.fixture
def bundled(bundled_path):
    """An open store with the bundled history."""
    with Store(bundled_path) as store:
        yield store
