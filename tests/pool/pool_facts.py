"""What a view offers of a pool, made by hand for the tests of pictures and overviews."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import numpy as np

from yieldtrade.market import CustodyRecord, MarketView, OfficialYield, Parameter, Pool, Terms
from yieldtrade.series import DailySeries

AT = datetime(2026, 3, 1, tzinfo=UTC)
TERMS = {
    "custodies.SOL.stable": False,
    "custodies.USDC.stable": True,
    "target_weights.SOL": 0.5,
    "target_weights.USDC": 0.5,
    "weight_failsafe": 0.2,
    "fees.pool_share": 0.75,
    "trade.base_bps": 6,
    "trade.impact.model": "none",
    "trade.max_leverage": 500,
    "borrow.SOL.model": "linear",
    "borrow.SOL.hourly": 0.0001,
    "aum_limit_usd": 1e6,
    "swap.add_remove_bps": 10,
    "swap.tax_bps": 50,
}
# The custody fixture of pool.md 15.
SOL = CustodyRecord("X", "SOL", AT, 45_000, 1_000, 300, 100, 0, 27_000, 12_000, 120, 0, "f.csv")
USDC = CustodyRecord("X", "USDC", AT, 45_000, 80_000, 0, 0.999, 5_000, 0, 0, 0, 0, "f.csv")


class PoolFacts:
    """The part of a store that pictures of a pool ask: custodies, daily series, the official yield."""

    def __init__(self, *, custodies=(), series=None, terms=None, official=None):
        self.records = tuple(custodies)
        self.series = series or {}
        self.terms = {**TERMS, **(terms or {})}
        self.official = official

    def custodies(self, pool_id):
        """Stored custodies."""
        return self.records

    def official_yield(self, pool_id):
        """The published yield."""
        return self.official

    def pool_series(self, pool_id, name):
        """A daily series, given as {day: value}."""
        found = self.series.get(name, {})
        return DailySeries(
            name=name,
            unit="",
            days=np.array(list(found), dtype="datetime64[D]"),
            values=np.array(list(found.values()), dtype=float),
            quality=("reported",) * len(found),
        )

    def pool(self, pool_id):
        """The pool with its parameters, in force since long."""
        since = AT - timedelta(days=900)
        known = {
            name: Parameter(name, value, "", since, "documentation", "a page")
            for name, value in self.terms.items()
            if value is not None
        }
        terms = Terms("X", MappingProxyType(known))
        return Pool("X", "X", terms, ((since, terms.parameters),)) if pool_id == "X" else None

    def pool_ids(self):
        """The one pool there is."""
        return ("X",)


def view_of(at=AT, **facts):
    """Return a view of such facts."""
    return MarketView(as_of=at, facts=PoolFacts(**facts))


def official(apr, apy):
    """A published yield."""
    return OfficialYield("X", AT, apr, apy, "f.csv")
