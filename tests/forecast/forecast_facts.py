"""A small store in memory: the bundled history, or made-up series, seen only as far as a moment allows."""

from __future__ import annotations

import csv
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np

from yieldtrade.market import Parameter, Pool, Terms
from yieldtrade.series import DailySeries

MARKETS = Path(__file__).parents[2] / "markets"
TOLD = ("basis", "source", "note", "valid_from")


def moment(text):
    """Read an ISO moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def parameter(name, value, valid_from):
    """A dated parameter whose origin does not matter."""
    return Parameter(name=name, value=value, unit="", valid_from=valid_from, basis="documentation", source="")


def flattened(table, prefix=""):
    """Yield dotted names and values of a TOML table."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def change(valid_from, **values):
    """One dated change set; double underscores in names stand for dots."""
    when = moment(valid_from)
    named = {name.replace("__", "."): value for name, value in values.items()}
    return when, {name: parameter(name, value, when) for name, value in named.items()}


PLAIN_TERMS = {
    "fees__pool_share": 0.7,
    "publication__weekday": "Monday",
    "publication__hour_utc": 18,
    "publication__compounding_periods": 365,
    "trade__base_bps": 10,
}


class MemoryFacts:
    """Facts that obey the moment: a figure of a day is known when the day is over, the TVL when it begins."""

    def __init__(self, as_of, series, changes, contracts=(), pool_id="JLP", official=()):
        self.official = official
        self.today = np.datetime64(as_of.date(), "D")
        self.as_of, self.series, self.known_contracts, self.pool_id = as_of, series, contracts, pool_id
        known = tuple(c for c in changes if c[0] <= as_of)
        folded = {}
        for _, parameters in known:
            folded.update(parameters)
        terms = Terms(owner=pool_id, parameters=MappingProxyType(folded))
        self.known_pool = Pool(pool_id=pool_id, name=pool_id, terms=terms, changes=known)

    def pool(self, pool_id):
        """One pool."""
        return self.known_pool if pool_id == self.pool_id else None

    def pool_ids(self):
        """Names of pools."""
        return (self.pool_id,)

    def contract_ids(self):
        """Names of contracts."""
        return tuple(contract.contract_id for contract in self.known_contracts)

    def contract(self, contract_id):
        """One contract."""
        return next((c for c in self.known_contracts if c.contract_id == contract_id), None)

    def contracts(self):
        """All contracts."""
        return self.known_contracts

    def venue_ids(self):
        """No venue is known."""
        return ()

    def pool_sources(self, pool_id):
        """Memory has no files."""
        return ()

    def official_yields(self, pool_id):
        """What the pool published by then."""
        return tuple(found for found in self.official if found.at <= self.as_of)

    def pool_series(self, pool_id, name):
        """A series as far as it was known."""
        days, values, quality = self.series.get(name, ((), (), ()))
        days = np.array(days, dtype="datetime64[D]")
        last = self.today if name == "tvl_usd" else self.today - np.timedelta64(1, "D")
        kept = days <= last
        return DailySeries(
            name=name,
            unit="",
            days=days[kept],
            values=np.array(values, dtype=float)[kept],
            quality=tuple(np.array(quality, dtype=str)[kept].tolist()),
        )


def bundled_series():
    """The bundled daily tables as series by name."""
    found = {}
    for name in ("jlp_pool_daily", "jlp_yield_daily"):
        with (MARKETS / "history" / f"{name}.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                for column, cell in row.items():
                    if column in ("date", "volume_quality", "quality", "n_markets") or not cell:
                        continue
                    how = {"volume_usd": row.get("volume_quality"), "underlying_apy": row.get("quality")}
                    days, values, quality = found.setdefault(column, ([], [], []))
                    days.append(row["date"])
                    values.append(float(cell))
                    quality.append(how.get(column) or "reported")
    return found


def bundled_changes():
    """The dated parameters of JLP that are in force by themselves (recommendations are not)."""
    with (MARKETS / "jlp.toml").open("rb") as file:
        sets = tomllib.load(file)["change"]
    return tuple(
        (
            item["valid_from"],
            {
                name: parameter(name, value, item["valid_from"])
                for name, value in flattened({k: v for k, v in item.items() if k not in TOLD})
            },
        )
        for item in sets
        if item["basis"] != "recommendation"
    )
