"""The database: loading, corrections, moments, migrations, faults. Real SQLite files throughout."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime

import numpy as np
import pytest

from yieldtrade.errors import (
    LoadError,
    MarketDefinitionError,
    MissingDataError,
    NewerDatabaseError,
    StoreError,
    UnknownNameError,
)
from yieldtrade.store import Store, open_store
from yieldtrade.store.migrations import MIGRATIONS
from yieldtrade.store.record import transaction

JUNE = datetime(2026, 6, 1, tzinfo=UTC)


def moment(text):
    """Read a date as a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def empty(tmp_path):
    """A store without the bundled history."""
    with open_store(tmp_path / "empty.db", bundled=False) as store:
        yield store


def write(folder, name, text):
    """Write a file and return its path."""
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def pool_file(folder, name="pool.csv", **values):
    """Write a table of measured yields, one ``dYYYY_MM_DD`` a day."""
    rows = "".join(f"{day.replace('_', '-')},{value}\n" for day, value in values.items())
    return write(folder, name, "date,underlying_apy\n" + rows.replace("d2", "2"))


def test_a_new_database_holds_the_bundled_history_and_is_sound(bundled):
    """The bundled tables arrive whole: their row counts are those of the files."""
    rows = {record["table"]: record["rows"] for record in bundled.info()}
    assert rows["asset_day"] == 3 * 762
    assert rows["funding_day"] == 3225
    assert rows["lending_day"] == 1569 + 6
    assert rows["yield_quote"] == 201 + 142 + 1038 + 23
    assert rows["amm_state"] == 23
    assert rows["official_apy"] == 16
    assert bundled.check() == []


def test_opening_again_changes_nothing(bundled_path):
    """A database that is up to date is only read."""
    before = bundled_path.read_bytes()
    with open_store(bundled_path) as store:
        store.view()
    assert bundled_path.read_bytes() == before


def test_loading_a_file_twice_changes_nothing(empty, tmp_path):
    """The second load says so and adds no row."""
    path = pool_file(tmp_path, d2026_01_01="0.1", d2026_01_02="0.2")
    (first,), _ = empty.load([path])
    (second,), _ = empty.load([path])
    assert (first.added, first.corrected, first.seen) == (2, 0, False)
    assert (second.added, second.corrected, second.seen) == (0, 0, True)
    assert len(empty.view(JUNE).pool_series("JLP", "underlying_apy")) == 2


def test_a_correction_is_a_new_row_and_the_past_keeps_what_was_believed(empty, tmp_path):
    """A corrected figure counts from when it was loaded; only the default view takes it at its old date."""
    empty.load([pool_file(tmp_path, "a.csv", d2026_01_01="0.1", d2026_01_02="0.2")], now=moment("2026-02-01"))
    (done,), _ = empty.load(
        [pool_file(tmp_path, "b.csv", d2026_01_01="0.1", d2026_01_02="0.3", d2026_01_03="0.4")],
        now=moment("2026-03-01"),
    )
    assert (done.added, done.corrected) == (1, 1)
    series = {
        when: empty.view(when and moment(when), need="JLP")
        .pool_series("JLP", "underlying_apy")
        .values.tolist()
        for when in ("2026-02-15", "2026-03-02", None)
    }
    assert series == {"2026-02-15": [0.1, 0.2, 0.4], "2026-03-02": [0.1, 0.3, 0.4], None: [0.1, 0.3, 0.4]}
    assert empty.check() == []


def test_a_view_says_which_file_each_day_is_of(empty, tmp_path):
    """Days are counted under the file whose figure the view takes: a corrected one under its correction."""
    empty.load([pool_file(tmp_path, "a.csv", d2026_01_01="0.1", d2026_01_02="0.2")], now=moment("2026-02-01"))
    empty.load([pool_file(tmp_path, "b.csv", d2026_01_02="0.3", d2026_01_03="0.4")], now=moment("2026-03-01"))
    found = {
        (row.source, row.days, row.first, row.last)
        for row in empty.view(moment("2026-03-02")).pool_sources("jlp")
        if row.series == "underlying_apy"
    }
    assert found == {("a.csv", 1, "2026-01-01", "2026-01-01"), ("b.csv", 2, "2026-01-02", "2026-01-03")}


def test_a_view_holds_nothing_from_after_its_moment(bundled_path, tmp_path):
    """Altering every later figure changes nothing that a view of a moment says, to the last bit."""
    when = moment("2025-10-01")

    def everything(store):
        view = store.view(when)
        names = [row["series"] for row in store.export("pool_day")[1]]
        series = {name: view.pool_series("JLP", name) for name in sorted(set(names))}
        return (
            {
                name: (found.days.tobytes(), found.values.tobytes(), found.quality)
                for name, found in series.items()
            },
            view.asset_prices("SOL").values.tobytes(),
            view.quotes(view.contracts()),
            view.panel("pendle"),
            view.underlying_history("fragSOL").values.tobytes(),
            view.lending("kamino_main", "USDC"),
            view.pool("JLP"),
        )

    with Store(bundled_path) as store:
        before = everything(store)
        with store.writing() as conn:
            conn.execute("UPDATE pool_day SET value = value * 3 WHERE available_at > '2025-10-01T00:00:00Z'")
            conn.execute("UPDATE asset_day SET price_usd = 1 WHERE available_at > '2025-10-01T00:00:00Z'")
            conn.execute("UPDATE yield_quote SET implied_apy = 9 WHERE available_at > '2025-10-01T00:00:00Z'")
            conn.execute("UPDATE lending_day SET supply_apy = 9 WHERE available_at > '2025-10-01T00:00:00Z'")
        store.load([pool_file(tmp_path, d2025_10_02="0.5", d2026_01_02="0.3")], now=JUNE)
        assert everything(store) == before


def test_a_bad_file_is_refused_whole_or_loaded_without_its_bad_rows(empty, tmp_path):
    """One bad row keeps a file out, with every problem told, unless the user says otherwise."""
    path = pool_file(tmp_path, d2026_01_01="0.1", d2026_01_02="x", d2026_01_03="-1")
    with pytest.raises(LoadError) as caught:
        empty.load([path])
    assert len(caught.value.problems) == 2
    assert empty.export("pool_day")[1] == []
    _, warnings = empty.load([path], skip_bad=True)
    assert len(empty.export("pool_day")[1]) == 1
    assert sum("skipped" in line for line in warnings) == 2


def test_a_users_definitions_lie_over_the_bundled_ones(bundled, tmp_path):
    """A TOML file adds parameters with basis user; terms that nobody publishes are errors until then."""
    contract = bundled.view().contract("ONyc-13MAY26")
    with pytest.raises(MarketDefinitionError, match=r"--set ONyc-13MAY26\.trading_fee"):
        contract.terms.number("trading_fee")
    overlay = write(
        tmp_path,
        "mine.toml",
        textwrap.dedent("""
            [venue]
            id = "exponent"
            [[parameter]]
            name = "trading_fee"
            value = 0.002
            unit = "fraction"
            valid_from = 2026-01-01T00:00:00Z
            source = "my account"
        """),
    )
    bundled.load([overlay])
    parameter = bundled.view().contract("ONyc-13MAY26").terms.parameters["trading_fee"]
    assert (parameter.value, parameter.basis) == (0.002, "user")
    assert bundled.view(moment("2025-12-01")).venue("exponent").terms.get("trading_fee") is None


def test_parameters_follow_their_dates(bundled):
    """Fees of the pool at three moments, as they were documented then."""
    pool = bundled.view(moment("2025-12-31")).pool("jlp")
    base = {
        day: pool.terms_at(moment(day)).number("trade.base_bps")
        for day in ("2024-06-01", "2024-06-20", "2024-07-20")
    }
    share = {
        day: pool.terms_at(moment(day)).number("fees.pool_share") for day in ("2024-06-01", "2024-06-20")
    }
    assert base == {"2024-06-01": 10, "2024-06-20": 7, "2024-07-20": 6}
    assert share == {"2024-06-01": 0.70, "2024-06-20": 0.75}
    with pytest.raises(MarketDefinitionError, match="first known set"):
        pool.terms_at(moment("2020-01-01"))


def test_the_default_moment_is_the_last_one_the_figures_are_there_for(bundled):
    """JLP's figures end with 2025, quotes with the last snapshot of the panel."""
    assert bundled.view(need="JLP").as_of == moment("2026-01-01")
    assert bundled.view().as_of == datetime(2026, 5, 5, 4, 59, 10, tzinfo=UTC)


def test_an_empty_database_says_what_to_load(empty):
    """Nothing stored is an error that says what to do, not an empty answer."""
    with pytest.raises(MissingDataError, match="yieldtrade load FILE"):
        empty.view()
    with pytest.raises(MissingDataError, match="lending rate"):
        empty.view(JUNE).lending("kamino_main", "USDC")


def test_names_that_do_not_exist_suggest_the_nearest(bundled):
    """A slip of the finger is answered with what was probably meant."""
    view = bundled.view()
    with pytest.raises(UnknownNameError, match="nearest: JLP-2411"):
        view.contract("JLP-2410")
    with pytest.raises(UnknownNameError, match="yieldtrade markets pools"):
        view.pool("JPL")
    assert view.contract("PT-JLP-2411").contract_id == "JLP-2411"
    assert view.contract("onyc-13may26").contract_id == "ONyc-13MAY26"


def test_two_feeds_of_one_market_are_never_spliced(bundled):
    """One market, fragSOL, is quoted by two tables that differ by 0.7 points: a history is of one of them."""
    view = bundled.view()
    history = view.quote_history(view.contract("fragSOL-15DEC26"))
    assert {quote.source for quote in history} == {"yield_history_daily.csv"}
    assert view.quote(view.contract("fragSOL-15DEC26")).source == "yield_markets_daily.csv"


def test_figures_the_user_states_stand_in_for_quotes(bundled):
    """An implied yield or a parameter given for a view is used and labelled; the view before is unchanged."""
    view = bundled.view(moment("2026-01-01"))
    contract = view.contract("JLP-08MAR26")
    stated = view.with_yields({"JLP-08MAR26": 0.19}).with_terms({"exponent.trading_fee": 0.001})
    assert (stated.quote(contract).implied_apy, stated.quote(contract).kind) == (0.19, "given")
    assert stated.contract("JLP-08MAR26").terms.number("trading_fee") == 0.001
    assert view.with_yields({"PT-jlp-08mar26": 0.2}).quote(contract).implied_apy == 0.2
    assert view.quote(contract).kind == "undated"
    with pytest.raises(UnknownNameError):
        view.with_terms({"exponen.trading_fee": 0.001})


def test_a_database_from_the_future_is_refused_untouched(bundled_path):
    """A file that knows a migration this version does not is left as it is."""
    with sqlite3.connect(bundled_path) as conn:
        conn.execute("INSERT INTO migration (name) VALUES ('m999_from_the_future')")
    conn.close()
    before = bundled_path.read_bytes()
    with pytest.raises(NewerDatabaseError, match="m999_from_the_future"):
        open_store(bundled_path)
    assert bundled_path.read_bytes() == before


def test_an_interrupted_migration_leaves_no_trace(tmp_path, monkeypatch):
    """Migrations run all or none."""
    from yieldtrade.store import migrations

    def broken(conn):
        conn.execute("CREATE TABLE half (x)")
        raise KeyboardInterrupt

    monkeypatch.setattr(migrations, "MIGRATIONS", (*MIGRATIONS, broken))
    path = tmp_path / "a.db"
    with pytest.raises(KeyboardInterrupt):
        open_store(path, bundled=False)
    conn = sqlite3.connect(path)
    assert conn.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    conn.close()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.db", b"this is no database, whatever its name says", "not a sound SQLite database"),
        ("folder/that/is/a/file/a.db", None, "cannot create"),
    ],
)
def test_a_path_that_cannot_be_a_database_says_so(tmp_path, name, content, message):
    """A foreign file, or a folder that cannot be made, is one clear error."""
    path = tmp_path / name
    if content is None:
        (tmp_path / "folder").write_text("a file where a folder is needed")
    else:
        path.write_bytes(content)
    with pytest.raises(StoreError, match=message):
        open_store(path)


def test_a_read_only_folder_says_so():
    """Where nothing can be written the error names the place and the way out."""
    with pytest.raises(StoreError, match="--db"):
        open_store("/proc/yieldtrade-cannot-be-here/a.db")


def test_a_writer_waits_and_then_says_the_database_is_busy(bundled, monkeypatch, tmp_path):
    """Another writer's lock is waited for, then told."""
    from yieldtrade.store import database

    monkeypatch.setattr(database, "BUSY_TIMEOUT_SECONDS", 0.05)
    other = sqlite3.connect(bundled.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StoreError, match="another process is writing"):
            bundled.load([pool_file(tmp_path, d2026_01_01="0.1")])
        assert len(bundled.view().quotes(bundled.view().contracts())) > 0  # readers go on
    finally:
        other.close()


def test_two_loads_at_once_both_arrive(bundled_path, tmp_path):
    """Writers queue; neither loses a row."""
    paths = [
        pool_file(tmp_path, f"{n}.csv", **{f"d2026_0{n}_01": "0.1", f"d2026_0{n}_02": "0.2"})
        for n in (2, 3, 4)
    ]

    def load(path):
        with Store(bundled_path) as store:
            store.load([path], now=JUNE)

    threads = [threading.Thread(target=load, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Store(bundled_path) as store:
        days = store.view(JUNE).pool_series("JLP", "underlying_apy").days
        assert (days >= np.datetime64("2026-01-01")).sum() == 6
        assert store.check() == []


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_load_stopped_midway_leaves_all_or_nothing(bundled_path, tmp_path, stop):
    """Whether interrupted or killed: the file is sound, holds nothing of the table, and the load completes later."""
    rows = "".join(f"made_up_{n},2026-01-{day:02},1.5\n" for n in range(4000) for day in range(1, 21))
    table = write(tmp_path, "big.csv", "asset,date,price_usd\n" + rows)
    command = [sys.executable, "-m", "yieldtrade", "load", str(table), "--db", str(bundled_path)]
    # stopped at the moment its transaction has begun to write: its journal then outgrows a reader's
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    journal = bundled_path.with_name(bundled_path.name + "-wal")
    deadline = time.monotonic() + 30
    while child.poll() is None and time.monotonic() < deadline:
        if journal.exists() and journal.stat().st_size > 1_000_000:
            break
        time.sleep(0.001)
    child.send_signal(stop)
    _, errors = child.communicate(timeout=30)
    if stop == signal.SIGINT and child.returncode != 0:
        assert child.returncode == 130, errors
        assert b"Traceback" not in errors
    with Store(bundled_path) as store:
        assert store.check() == []
        found = sum(row["asset"].startswith("made_up") for row in store.export("asset_day")[1])
        assert found in (0, 80_000)
        store.load([table])
        found = sum(row["asset"].startswith("made_up") for row in store.export("asset_day")[1])
        assert found == 80_000


def test_the_shell_can_read_the_common_questions(bundled):
    """The views that people ask for exist and answer."""
    assert len(bundled.export("latest_quotes")[1]) == 175 + 2 + 11  # Pendle panel, its states, Exponent
    daily = {row["date"]: row for row in bundled.export("jlp_daily")[1]}
    assert daily["2025-12-31"]["volume_usd"] == 176462429
    assert bundled.export("open_signals")[1] == []
    with pytest.raises(UnknownNameError, match="db info"):
        bundled.export("lates_quotes")


def test_every_column_of_a_fact_tells_its_unit_or_needs_none(bundled):
    """Every column that holds a number says its unit in the schema's own comments or in its name."""
    conn = bundled.reading()
    for (sql,) in conn.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND sql LIKE '%REAL%'"):
        for line in sql.splitlines():
            if " REAL" in line:
                assert "--" in line or "_usd" in line, line


if os.name == "nt":  # pragma: no cover
    pytest.skip("signals and /proc are those of a POSIX system", allow_module_level=True)


def test_a_contract_of_a_venue_nobody_knew_is_not_listed(bundled):
    """In 2024 nothing of Exponent was known, so none of its later contracts stands in a view of then."""
    venues = {contract.venue_id for contract in bundled.view(moment("2024-12-20")).live_contracts()}
    assert "exponent" not in venues


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), -1.0])
def test_a_yield_that_cannot_be_is_refused_where_it_is_stated(bundled, rate):
    """A view does not take a yield it could not price."""
    with pytest.raises(ValueError, match=r"JLP-08MAR26|implied_apy"):
        bundled.view().with_yields({"JLP-08MAR26": rate})


@pytest.mark.parametrize("as_of", ["2024-09-10", 5, datetime(2024, 9, 10)])  # noqa: DTZ001 - naive on purpose
def test_a_moment_must_be_an_aware_datetime(bundled, as_of):
    """Text, numbers and naive datetimes are refused with what is needed."""
    with pytest.raises(ValueError, match=r"aware datetime|no time zone"):
        bundled.view(as_of)


@pytest.mark.parametrize("pages_allowed", [1, 40])
def test_a_full_disk_is_named_and_nothing_is_left_half_written(tmp_path, pages_allowed):
    """SQLite undoes the transaction itself when it runs out of space; the reason must survive our undoing it."""

    def overfill(store):
        with store.writing() as conn:
            pages = conn.execute("PRAGMA page_count").fetchone()[0]
            conn.execute("PRAGMA cache_size = 1")
            conn.execute(f"PRAGMA max_page_count = {pages + pages_allowed}")
            with transaction(conn):
                conn.execute("INSERT INTO filler VALUES ('first')")
                conn.execute("INSERT INTO filler VALUES (zeroblob(10000000))")

    with open_store(tmp_path / "small.db", bundled=False) as store:
        with store.writing() as conn:
            conn.execute("CREATE TABLE filler (data BLOB)")
        with pytest.raises(StoreError, match="the disk is full"):
            overfill(store)
        assert store.reading().execute("SELECT count(*) FROM filler").fetchone()[0] == 0


def test_a_path_that_cannot_hold_a_database_is_said_to_be_so():
    """A device swallows what is written and gives nothing back."""
    with pytest.raises(StoreError, match=r"^/dev/null: it cannot hold a database .* name an ordinary file"):
        open_store("/dev/null", bundled=False)
