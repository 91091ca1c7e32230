"""Notice that others have changed the database file."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.errors import StoreError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator
    from os import PathLike

    from yieldtrade.store.database import Store


class FileState(NamedTuple):
    """Which file stands at a path, and when it was last written."""

    device: int
    inode: int
    written_ns: int
    size: int


def revisions(store: Store, seconds: float) -> Generator[None]:
    """Yield at once, and after every change by others; what the block itself writes through the store is none.

    SQLite counts the commits of all connections but one's own in ``PRAGMA data_version``, so the store writes
    through one connection meanwhile, which also counts. The count is taken before the block reads: a commit in
    the meantime is not missed. A file written over or replaced without SQLite shows in its time, size and inode.

    Parameters
    ----------
    store
        An open store; it reads anew at every step.
    seconds
        Time between two looks at the file.

    Raises
    ------
    StoreError
        The file is gone or cannot be read.
    """
    while True:
        with store.writing() as conn:
            store.held = conn
            try:
                yield from _of_one_file(store, conn, seconds)
            finally:
                store.held = None


def _of_one_file(store: Store, conn: sqlite3.Connection, seconds: float) -> Generator[None]:
    """Yield as long as the file that ``conn`` has open stands at the path."""
    first = file_state(store.path)
    while file_state(store.path)[:2] == first[:2]:
        version = data_version(conn)
        store.close()  # a reader that stays open may hold an older state
        yield
        state = file_state(store.path)
        while state[:2] == first[:2] and file_state(store.path) == state and data_version(conn) == version:
            time.sleep(seconds)


def data_version(conn: sqlite3.Connection) -> int:
    """Return SQLite's count of the commits made by other connections."""
    return int(conn.execute("PRAGMA data_version").fetchone()[0])


def file_state(path: str | PathLike[str]) -> FileState:
    """Return the state of the file at a path.

    Raises
    ------
    StoreError
        There is none.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - store.database speaks of paths as text
    except OSError as error:
        raise StoreError(f"{path}: the database file is gone ({error.strerror})") from None
    return FileState(found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
