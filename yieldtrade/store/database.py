"""The database file: opening, creating, loading into it, and the views and runs of one desk."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from yieldtrade.conventions import iso, utc
from yieldtrade.errors import LoadError, MissingDataError, StoreError, UnknownNameError, YieldtradeError
from yieldtrade.market import MarketView
from yieldtrade.sources.bundled import bundled_stamp
from yieldtrade.store import migrations, record
from yieldtrade.store.read import SqliteFacts

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from os import PathLike

    from yieldtrade.market import Contract
    from yieldtrade.sources.rows import ParsedFile
    from yieldtrade.store.write import Loaded

BUSY_TIMEOUT_SECONDS = 5.0
_STAMP = "bundled_stamp"


# Paths are text here and os.path joins them: a lone quote does not pay for importing pathlib.


def default_path() -> str:
    """Return the database in the user's application folder; ``YIELDTRADE_DB`` names another."""
    named = os.environ.get("YIELDTRADE_DB")
    if named:
        return named
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/AppData/Local")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Application Support")
    else:
        base = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.path.join(base, "yieldtrade", "yieldtrade.db")


def open_store(
    path: str | PathLike[str] | None = None,
    *,
    bundled: bool = True,
    notify: Callable[[str], None] | None = None,
) -> Store:
    """Open the database at ``path``, creating it and loading the bundled history where it is new.

    Parameters
    ----------
    path
        The SQLite file; the user's application folder where None.
    bundled
        Whether to load and keep current the bundled definitions and history.
    notify
        Called with a line of text when the file is created or brought up to date.

    Raises
    ------
    StoreError
        The file cannot be created, read or understood.
    NewerDatabaseError
        It was written by a newer version; it is left untouched.
    """
    store = Store(path if path is not None else default_path())
    store.prepare(bundled=bundled, notify=notify or (lambda _line: None))
    return store


class Store:
    """One SQLite file. Reads go through one read-only connection, writes through short-lived ones."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = os.path.abspath(path)
        self._reader: sqlite3.Connection | None = None
        # a connection through which all is written while somebody watches the file (store.watch)
        self.held: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the read connection; the store can still be used and opens another."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def guard(self) -> AbstractContextManager[None]:
        """Return a block in which whatever SQLite refuses becomes a StoreError that says what to do."""
        return _named_errors(self.path)

    def prepare(self, *, bundled: bool, notify: Callable[[str], None]) -> None:
        """Create or migrate the file and bring the bundled definitions and history up to date."""
        fresh = not os.path.exists(self.path)
        stamp = bundled_stamp() if bundled else ""
        if not fresh and self._is_current(stamp):
            return
        if fresh:
            notify(f"creating {self.path}")
            folder = os.path.dirname(self.path)
            try:
                os.makedirs(folder, exist_ok=True)
            except OSError as error:
                raise StoreError(
                    f"cannot create {folder}: {error.strerror}; name a place with --db"
                ) from None
        with self.writing() as conn:
            migrations.migrate(conn)
            if bundled:
                self._load_bundled(conn, stamp, notify)

    def _is_current(self, stamp: str) -> bool:
        conn = self.reading()
        with _named_errors(self.path):
            migrations.check_not_newer(conn)
            if not migrations.is_current(conn):
                return False
            if not stamp:
                return True
            row = conn.execute("SELECT value FROM meta WHERE key = ?", (_STAMP,)).fetchone()
            return bool(row and row[0] == stamp)

    def _load_bundled(self, conn: sqlite3.Connection, stamp: str, notify: Callable[[str], None]) -> None:
        from yieldtrade.sources.bundled import bundled_files, history_files
        from yieldtrade.sources.files import parse_file
        from yieldtrade.store.define import write_definitions

        now = datetime.now(UTC)
        aliases = write_definitions(conn, bundled_files(), now=now, layer=0)
        for name, data in history_files().items():
            parsed = parse_file(
                data, name=name, locator=f"bundled:{name}", now=now, kind="bundled", aliases=aliases
            )
            _load_whole(conn, parsed, now, skip_bad=False)
        with record.transaction(conn):
            conn.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_STAMP, stamp))
        notify(f"loaded the bundled history into {self.path}")

    # ----------------------------------------------------------------- connections

    def reading(self) -> sqlite3.Connection:
        """Return the read-only connection."""
        import sqlite3

        if self._reader is None:
            with _named_errors(self.path):
                self._reader = sqlite3.connect(
                    f"file:{_escaped(self.path)}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_SECONDS
                )
        return self._reader

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Open a connection that may write, in autocommit mode, for the length of a block."""
        import sqlite3

        if self.held is not None:
            with _named_errors(self.path):
                yield self.held
            return
        with _named_errors(self.path):
            conn = sqlite3.connect(self.path, isolation_level=None, timeout=BUSY_TIMEOUT_SECONDS)
            try:
                migrations.check_not_newer(conn)
                conn.execute("PRAGMA journal_mode = WAL")
                conn.execute("PRAGMA foreign_keys = ON")
                conn.execute("PRAGMA synchronous = NORMAL")
                yield conn
            finally:
                conn.close()

    # ----------------------------------------------------------------------- views

    def view(self, as_of: datetime | None = None, *, need: str = "quotes") -> MarketView:
        """Return what was known at ``as_of``.

        Parameters
        ----------
        as_of
            The moment, aware. Where None, the last moment for which the figures needed are stored, with every
            later correction of them.
        need
            What decides the default moment: ``"quotes"``, the name of a pool such as ``"JLP"`` for the last day of
            its volume, or ``"JLP state"`` for the last figure of what it holds.

        Raises
        ------
        MissingDataError
            ``as_of`` is None and nothing needed is stored.
        """
        moment = utc(as_of, "as_of") if as_of is not None else self.last_known(need)
        return MarketView(as_of=moment, facts=SqliteFacts(self.reading(), moment, as_of and moment))

    def last_known(self, need: str) -> datetime:
        """Return the last moment at which the figures needed are known.

        Raises
        ------
        MissingDataError
            None are stored.
        """
        pool = need.removesuffix(_STATE).upper()
        query = _LAST_QUOTED if need == "quotes" else _LAST_STATE if need.endswith(_STATE) else _LAST_POOL
        with _named_errors(self.path):
            row = self.reading().execute(query, {"pool": pool}).fetchone()
        if row[0] is None:
            raise MissingDataError(
                f"the database holds no {'quotes' if need == 'quotes' else f'figures of pool {pool}'}; "
                "load some with `yieldtrade load FILE`"
            )
        return datetime.fromisoformat(row[0])

    def quoted_between(
        self, start: datetime | None = None, end: datetime | None = None
    ) -> tuple[datetime, datetime]:
        """Return the first and the last moment from ``start`` to ``end`` at which a quote became known.

        Raises
        ------
        MissingDataError
            None did.
        """
        limits = {"start": iso(start) if start else "", "end": iso(end) if end else "9999"}
        query = (
            "SELECT min(available_at), max(available_at) FROM yield_quote "
            "WHERE available_at >= :start AND available_at <= :end"
        )
        with _named_errors(self.path):
            first, last = self.reading().execute(query, limits).fetchone()
        if first is None:
            raise MissingDataError(self._no_quotes(start, end))
        return datetime.fromisoformat(first), datetime.fromisoformat(last)

    def _no_quotes(self, start: datetime | None, end: datetime | None) -> str:
        hint = "load some with `yieldtrade load FILE`"
        if start is None and end is None:
            return f"the database holds no quotes; {hint}"
        first, last = self.quoted_between()
        span = f"{iso(start) if start else 'the beginning'} to {iso(end) if end else 'the end'}"
        return (
            f"no quote is stored from {span}: those stored run from {iso(first)} to {iso(last)}; choose a range "
            f"within, or {hint}"
        )

    def last_quoted(self, contract: Contract) -> datetime | None:
        """Return the moment of the last stored quote of a contract, or of its last dated published figure."""
        row = (
            self.reading()
            .execute(
                "SELECT max(available_at) FROM yield_quote WHERE contract_id = ?", (contract.contract_id,)
            )
            .fetchone()
        )
        dated = [figure.at for figure in contract.figures if figure.at is not None]
        quoted = [datetime.fromisoformat(row[0])] if row[0] else []
        return max(quoted or dated, default=None)

    # --------------------------------------------------------------------- loading

    def load(
        self,
        files: Iterable[str | PathLike[str]],
        *,
        table_format: str | None = None,
        skip_bad: bool = False,
        now: datetime | None = None,
    ) -> tuple[list[Loaded], list[str]]:
        """Load files of facts, or of definitions (TOML), each whole or not at all.

        Parameters
        ----------
        files
            Paths; the table is found from each file's header.
        table_format
            Name of the table the files hold, where the header does not tell.
        skip_bad
            Load the sound rows of a file that has bad ones.
        now
            The present moment; the clock's where None.

        Returns
        -------
        loaded, warnings
            What each file did, and what was odd.

        Raises
        ------
        LoadError
            A file was refused; files before it stay loaded.
        """
        from pathlib import Path

        from yieldtrade.sources.files import parse_file, read_bytes
        from yieldtrade.store.define import market_aliases, pool_names, write_definitions
        from yieldtrade.store.plausible import judged
        from yieldtrade.store.write import Loaded

        moment = now or datetime.now(UTC)
        loaded: list[Loaded] = []
        warnings: list[str] = []
        with self.writing() as conn:
            for file in map(Path, files):
                data = read_bytes(file)
                if file.suffix.lower() == ".toml":
                    write_definitions(conn, {file.name: data}, now=moment, layer=1, locator=str(file))
                    loaded.append(Loaded(file.name, "definitions", 1, 1, 0, seen=False))
                    continue
                parsed = parse_file(
                    data,
                    name=file.name,
                    locator=str(file.absolute()),
                    now=moment,
                    table_format=table_format,
                    aliases=market_aliases(conn),
                    pools=pool_names(conn),
                )
                parsed = judged(conn, parsed, moment)
                warnings.extend(parsed.warnings)
                if skip_bad:
                    warnings.extend(f"skipped {problem}" for problem in parsed.problems)
                loaded.append(_load_whole(conn, parsed, moment, skip_bad=skip_bad))
        return loaded, warnings

    # ------------------------------------------------------------------ the file itself

    def info(self) -> list[dict[str, Any]]:
        """Return the tables with their rows and the moments they cover."""
        conn = self.reading()
        records = []
        for table in self._names("table"):
            columns = [row[1] for row in conn.execute(f"PRAGMA table_info({table})")]
            moment = next((name for name in ("date", "at", "published_at", "as_of") if name in columns), None)
            span = f"min({moment}), max({moment})" if moment else "NULL, NULL"
            rows, first, last = conn.execute(f"SELECT count(*), {span} FROM {table}").fetchone()
            records.append({"table": table, "rows": rows, "first": first, "last": last})
        return records

    def check(self) -> list[str]:
        """Return what is wrong with the file: its structure, its references, figures known before available."""
        conn = self.reading()
        with _named_errors(self.path):
            found = [row[0] for row in conn.execute("PRAGMA integrity_check") if row[0] != "ok"]
            found.extend(
                f"{row[0]}: a row points to a missing {row[2]}"
                for row in conn.execute("PRAGMA foreign_key_check")
            )
            for table in self._names("table"):
                columns = [row[1] for row in conn.execute(f"PRAGMA table_info({table})")]
                if "available_at" in columns:
                    early = conn.execute(
                        f"SELECT count(*) FROM {table} WHERE known_at < available_at"
                    ).fetchone()[0]
                    if early:
                        found.append(f"{table}: {early} rows are known before they are available")
        return found

    def digests(self, names: Sequence[str]) -> list[str]:
        """Return the SHA-256 of the loaded files of these names, in order; of several of one name the last."""
        marks = ", ".join("?" * len(names))
        rows = self.reading().execute(
            f"SELECT name, sha256, max(source_id) FROM source WHERE name IN ({marks}) GROUP BY name ORDER BY name",
            names,
        )
        return [row[1] for row in rows]

    def export(self, table: str) -> tuple[list[str], list[dict[str, Any]]]:
        """Return the column names and every row of a table or view.

        Raises
        ------
        UnknownNameError
            There is no such table or view.
        """
        names = (*self._names("table"), *self._names("view"))
        if table not in names:
            raise UnknownNameError("table", table, names, "yieldtrade db info")
        cursor = self.reading().execute(f"SELECT * FROM {table}")
        columns = [column[0] for column in cursor.description]
        return columns, [dict(zip(columns, row, strict=True)) for row in cursor]

    def _names(self, kind: str) -> tuple[str, ...]:
        rows = self.reading().execute(
            "SELECT name FROM sqlite_master WHERE type = ? AND name NOT LIKE 'sqlite_%' ORDER BY name",
            (kind,),
        )
        return tuple(row[0] for row in rows)

    # ------------------------------------------------------------------------ runs

    @contextmanager
    def recording(
        self, command: str, arguments: dict[str, Any], view: MarketView, inputs_sha256: str
    ) -> Iterator[Recorder]:
        """Record a run and its results, all in one transaction."""
        from yieldtrade import __version__

        with self.writing() as conn, record.transaction(conn):
            run_id = record.start_run(
                conn,
                command=command,
                arguments=arguments,
                version=__version__,
                as_of=iso(view.as_of),
                now=iso(datetime.now(UTC)),
                inputs_sha256=inputs_sha256,
            )
            yield Recorder(conn, run_id)
            record.finish_run(conn, run_id, iso(datetime.now(UTC)), "done")


class Recorder:
    """Writes the results of one run."""

    def __init__(self, conn: sqlite3.Connection, run_id: int) -> None:
        self._conn = conn
        self.run_id = run_id

    def rows(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Write rows of a result table."""
        record.write_rows(self._conn, table, self.run_id, columns, rows)


# The last quote decides, not the last moment a daily figure could have been known.
_LAST_QUOTED = (
    "SELECT coalesce((SELECT max(available_at) FROM yield_quote WHERE feed = 'snapshot'), "
    "(SELECT max(available_at) FROM yield_quote))"
)
# Volume is what every forecast needs; a pool without it takes whatever else is known of it.
_LAST_POOL = (
    "SELECT coalesce((SELECT max(available_at) FROM pool_day WHERE pool = :pool AND series = 'volume_usd'), "
    "(SELECT max(available_at) FROM pool_day WHERE pool = :pool))"
)
_STATE = " state"
_LAST_STATE = (
    "SELECT max(moment) FROM (SELECT max(available_at) AS moment FROM custody_state WHERE pool = :pool "
    "UNION ALL SELECT max(available_at) FROM pool_day WHERE pool = :pool)"
)


def _load_whole(conn: sqlite3.Connection, parsed: ParsedFile, now: datetime, *, skip_bad: bool) -> Loaded:
    if parsed.problems and not skip_bad:
        raise LoadError(
            f"{parsed.name} was not loaded: {len(parsed.problems)} bad of {parsed.records} rows; "
            "mend them, or load the sound rows with --skip-bad",
            parsed.problems,
        )
    from yieldtrade.store.write import load_parsed

    with record.transaction(conn):
        return load_parsed(conn, parsed, iso(now))


def _escaped(path: str) -> str:
    """Write a path so that nothing in it reads as a part of a URI."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


@contextmanager
def _named_errors(path: str) -> Iterator[None]:
    """Turn what SQLite says into what the user can do."""
    import sqlite3

    try:
        yield
    except YieldtradeError:
        raise
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {_advice(str(error))}") from error


# What SQLite says of a file, in part, and what to do about it; the first that fits counts.
_ADVICE = (
    (("locked", "busy"), "another process is writing to it; try again in a moment"),
    (
        ("not a database", "malformed"),
        "it is not a sound SQLite database ({message}); name another with --db, or move it away",
    ),
    (("readonly",), "it cannot be written (read-only); name another with --db"),
    (
        ("unable to open",),
        "it cannot be opened; does the folder exist, and may you read and write there? (--db names another)",
    ),
    (("full",), "the disk is full; nothing was written"),
    (
        ("disk I/O",),
        "it cannot hold a database ({message}); name an ordinary file on a sound disk with --db",
    ),
)


def _advice(message: str) -> str:
    for signs, advice in _ADVICE:
        if any(sign in message for sign in signs):
            return advice.format(message=message)
    return message
