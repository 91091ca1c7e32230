"""Look at figures of a file beside those around them, stored and loaded, before they are stored."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.conventions import iso
from yieldtrade.series import CONFIRMED, NEIGHBOUR_DAYS, SUSPECT, off_neighbours
from yieldtrade.sources.rows import COLUMNS
from yieldtrade.store.read import SqliteFacts

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from yieldtrade.series import DailySeries
    from yieldtrade.sources.rows import FactRow, ParsedFile


class Band(NamedTuple):
    """How many times a figure may lie off the median of the days around it, and the most it may be at all."""

    factor: float
    most: float = float("inf")


# The furthest off in the bundled history, with the days before alone or those on both sides: volume 4.0, fees 8.6,
# swap fees 28, TVL 1.4, prices 1.5, the measured yield 3.0 (0.43 at its largest).
_FLOW, _QUIET_FLOW, _STOCK, _YIELD = Band(20.0), Band(60.0), Band(3.0), Band(5.0, 5.0)
BANDS = {
    "volume_usd": _FLOW,
    "close_volume_usd": _FLOW,
    "close_fees_usd": _FLOW,
    "position_fees_usd": _FLOW,
    "oc_fees_usd": _FLOW,
    "gross_fees_usd": _FLOW,
    "swap_fees_usd": _QUIET_FLOW,
    "tvl_usd": _STOCK,
    "aum_usd": _STOCK,
    "nav_price_usd": _STOCK,
    "jlp_price_usd": _STOCK,
    "underlying_apy": _YIELD,
}
ASSET_BAND = _STOCK
# Fees over volume as multiples of the base fee of their day (forecast.md 2), and the volume each is a part of. Price
# impact and fees of other kinds take sound days above the band (91 of the bundled 676), so it is told by the file and
# makes no row suspect.
SCHEDULE = (0.5, 3.0)
FEES_OF = {
    "gross_fees_usd": "volume_usd",
    "oc_fees_usd": "volume_usd",
    "position_fees_usd": "volume_usd",
    "close_fees_usd": "close_volume_usd",
}
_BPS = 1e4
_QUALITY = COLUMNS["pool_day"].index("quality")


def judged(conn: sqlite3.Connection, parsed: ParsedFile, now: datetime) -> ParsedFile:
    """Return a parsed file with what is out of line told, and its rows of the pool flagged as suspect.

    A row whose quality is ``confirmed`` is taken as it is.
    """
    facts = SqliteFacts(conn, now, None)
    warnings: list[str] = []
    rows = dict(parsed.rows)
    if "pool_day" in rows:
        rows["pool_day"], odd = _judged_pool(facts, parsed)
        warnings += odd
    warnings += _odd_assets(facts, parsed)
    return replace(parsed, rows=rows, warnings=(*parsed.warnings, *warnings))


def _judged_pool(facts: SqliteFacts, parsed: ParsedFile) -> tuple[list[FactRow], list[str]]:
    rows, lines = list(parsed.rows["pool_day"]), parsed.lines["pool_day"]
    figures = {pool: _Figures(facts, pool, own) for pool, own in _by_first(rows).items()}
    odd = {
        (pool, name): of_pool.odd(name, band)
        for pool, of_pool in figures.items()
        for name, band in BANDS.items()
        if name in of_pool.own
    }
    warnings: list[str] = []
    for place, (row, line) in enumerate(zip(rows, lines, strict=True)):
        pool, name, day, value, quality = row[: _QUALITY + 1]
        why = odd.get((pool, name), {}).get(day)
        if why is not None and quality != CONFIRMED:
            rows[place] = (*row[:_QUALITY], SUSPECT, *row[_QUALITY + 1 :])
            warnings.append(
                f"{parsed.name}:{line}: {name} of {day} = {value:g} {why}; loaded as {SUSPECT}, which a forecast "
                f"leaves out: load it again corrected, or as pool_day with quality {CONFIRMED}"
            )
    told = (found for of_pool in figures.values() for found in of_pool.off_schedule())
    return rows, [*warnings, *(f"{parsed.name}: {found}" for found in told)]


def _odd_assets(facts: SqliteFacts, parsed: ParsedFile) -> Iterator[str]:
    rows, lines = parsed.rows.get("asset_day", ()), parsed.lines.get("asset_day", ())
    odd: dict[str, dict[str, str]] = {}
    for asset, of_asset in _by_first(rows).items():
        own = {day: price for _, day, price, *_ in of_asset}
        odd[asset] = _outside(_joined(facts.asset_prices(asset), own), own, ASSET_BAND)
    for (asset, day, price, *_), line in zip(rows, lines, strict=True):
        if day in odd[asset]:
            yield f"{parsed.name}:{line}: price of {asset} of {day} = {price:g} {odd[asset][day]}"


def _by_first(rows: Iterable[FactRow]) -> dict[str, list[FactRow]]:
    """Group rows by what their first column names."""
    found: dict[str, list[FactRow]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return found


class _Figures:
    """The series of one pool: those of the file, and with them what is stored."""

    def __init__(self, facts: SqliteFacts, pool: str, rows: list[FactRow]) -> None:
        self._facts, self._pool = facts, pool
        self.own: dict[str, dict[str, float]] = {}
        for _, name, day, value, *_ in rows:
            self.own.setdefault(name, {})[day] = value

    def all(self, name: str) -> dict[str, float]:
        return _joined(self._facts.pool_series(self._pool, name), self.own.get(name, {}))

    def odd(self, name: str, band: Band) -> dict[str, str]:
        return _outside(self.all(name), self.own[name], band)

    def off_schedule(self) -> Iterator[str]:
        """Tell of each series of fees how many of its days lie outside the band of the fee schedule."""
        pool = self._facts.pool(self._pool)
        bases = [
            (iso(valid_from)[:10], float(terms["trade.base_bps"].value))
            for valid_from, terms in (pool.changes if pool is not None else ())
            if "trade.base_bps" in terms
        ]
        for name, part in FEES_OF.items():
            volume = self.all(part) if name in self.own else {}
            relative = {
                day: _BPS * fees / volume[day] / base
                for day, fees in self.own.get(name, {}).items()
                if volume.get(day, 0.0) > 0 and (base := _in_force(bases, day)) is not None
            }
            odd = sorted(day for day, ratio in relative.items() if not SCHEDULE[0] <= ratio <= SCHEDULE[1])
            if odd:
                yield (
                    f"{name} of {len(odd)} of {len(relative)} days lie below {SCHEDULE[0]:g} or above {SCHEDULE[1]:g} "
                    f"times the base fee of their date on {part}, the last {odd[-1]} at {relative[odd[-1]]:.3g} times"
                )


def _in_force(bases: list[tuple[str, float]], day: str) -> float | None:
    return next((base for since, base in reversed(bases) if since <= day), None)


def _joined(stored: DailySeries, own: dict[str, float]) -> dict[str, float]:
    """Return a stored series with the file's figures over it, by day."""
    return {**dict(zip(stored.days.astype(str).tolist(), stored.values.tolist(), strict=True)), **own}


def _outside(values: dict[str, float], asked: dict[str, float], band: Band) -> dict[str, str]:
    """Say of each day asked for that lies outside a band how far."""
    import numpy as np

    names = sorted(values)
    days = np.array(names, dtype="datetime64[D]").astype(np.int64)
    # a gap counts no longer than it takes for two days to be no neighbours: a date of another century costs nothing
    places = np.concatenate([[0], np.minimum(np.diff(days), NEIGHBOUR_DAYS + 1).cumsum()])
    logs = np.full(places[-1] + 1, np.nan)
    figures = np.array([values[name] for name in names])
    positive = figures > 0
    logs[places[positive]] = np.log(figures[positive])
    off = dict(zip(names, off_neighbours(logs)[places].tolist(), strict=True))
    found: dict[str, str] = {}
    for day, value in asked.items():
        factor = math.exp(abs(off[day]))
        if factor > band.factor:
            median = value / math.exp(off[day])
            found[day] = f"is {value / median:,.4g} times the median {median:g} of the days around"
        elif value > band.most:
            found[day] = f"is above {band.most:g}, more than such a figure has ever been"
    return found
