"""Everything stored, in one SQLite file: facts with the moment they became known, definitions, results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldtrade.store.database import Store, default_path, open_store

if TYPE_CHECKING:
    from datetime import datetime
    from os import PathLike

    from yieldtrade.market import MarketView

__all__ = ["Store", "default_path", "open_store", "view"]


def view(
    as_of: datetime | None = None, *, path: str | PathLike[str] | None = None, need: str = "quotes"
) -> MarketView:
    """Open the database at ``path`` and return what was known at ``as_of`` (see `Store.view`)."""
    return open_store(path).view(as_of, need=need)
