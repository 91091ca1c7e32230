"""What a parsed file becomes: rows for the fact tables, in a fixed column order."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

FactRow: TypeAlias = tuple[Any, ...]

# Columns of each fact table but for available_at and source_id, which the store adds. ``known_at`` here is the
# moment from which the figure could be known.
COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "pool_day": ("pool", "series", "date", "value", "quality", "known_at"),
        "official_apy": ("pool", "published_at", "week_start", "week_end", "apr", "apy", "known_at"),
        "asset_day": ("asset", "date", "price_usd", "known_at"),
        "funding_day": ("venue", "asset", "date", "funding_daily", "known_at"),
        "lending_day": (
            "venue",
            "asset",
            "date",
            "supply_apy",
            "borrow_apy",
            "supply_usd",
            "borrow_usd",
            "max_ltv",
            "known_at",
        ),
        "yield_quote": (
            "contract_id",
            "feed",
            "at",
            "implied_apy",
            "pt_price",
            "yt_price",
            "underlying_apy",
            "liquidity_usd",
            "tvl_usd",
            "underlying_price_usd",
            "known_at",
        ),
        "amm_state": ("contract_id", "at", "kind", "state", "known_at"),
        "custody_state": (
            "pool",
            "asset",
            "at",
            "supply",
            "owned",
            "locked",
            "price_usd",
            "debt",
            "guaranteed_usd",
            "short_sizes_usd",
            "short_avg_price",
            "fees_reserves",
            "known_at",
        ),
    }
)
KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "pool_day": ("pool", "series", "date"),
        "official_apy": ("pool", "published_at"),
        "asset_day": ("asset", "date"),
        "funding_day": ("venue", "asset", "date"),
        "lending_day": ("venue", "asset", "date"),
        "yield_quote": ("contract_id", "feed", "at"),
        "amm_state": ("contract_id", "at"),
        "custody_state": ("pool", "asset", "at"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedContract:
    """A contract that a table of quotes names, for the case that no definition file does."""

    contract_id: str
    venue_id: str
    underlying: str
    maturity: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFile:
    """A file read and checked: rows by table, and what was odd about it.

    ``problems`` are the rows that were refused (file order); ``warnings`` do not stop a load. ``lines`` holds the line
    each row of ``rows`` was read from.
    """

    name: str
    kind: Literal["bundled", "file", "web"]
    locator: str
    sha256: str
    table_format: str
    records: int
    rows: Mapping[str, list[FactRow]]
    contracts: tuple[ListedContract, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    lines: Mapping[str, list[int]] = field(default_factory=dict)
