"""What a store offers to a view; imported by type checkers only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from yieldtrade.market import (
        AmmState,
        Contract,
        CustodyRecord,
        LendingRate,
        OfficialYield,
        Pool,
        SeriesSource,
        Venue,
        YieldQuote,
    )
    from yieldtrade.series import DailySeries


class Facts(Protocol):
    """What a store offers to a view: every answer is of one moment and never changes."""

    def contract_ids(self) -> tuple[str, ...]:
        """Names of all contracts known, in order."""

    def contract(self, contract_id: str) -> Contract | None:
        """One contract with its venue's terms folded in."""

    def contracts(self) -> tuple[Contract, ...]:
        """All contracts, in order of name."""

    def venue(self, venue_id: str) -> Venue | None:
        """One venue."""

    def venue_ids(self) -> tuple[str, ...]:
        """Names of all venues."""

    def pool(self, pool_id: str) -> Pool | None:
        """One pool."""

    def pool_ids(self) -> tuple[str, ...]:
        """Names of all pools."""

    def latest_quotes(self, contract_id: str | None) -> dict[str, YieldQuote]:
        """Last market quote of one contract, or of each."""

    def quote_history(self, contract_id: str) -> tuple[YieldQuote, ...]:
        """Every market quote of a contract, oldest first."""

    def feed_history(self, contract_id: str, feed: str) -> tuple[YieldQuote, ...]:
        """Every market quote of a contract in one feed, oldest first."""

    def amm_state(self, contract_id: str) -> AmmState | None:
        """Last known state of a contract's pool."""

    def panel(self, venue_id: str) -> tuple[YieldQuote, ...]:
        """Every market quote of a venue, by contract and time."""

    def pool_series(self, pool_id: str, series: str) -> DailySeries:
        """One daily series of a pool."""

    def pool_sources(self, pool_id: str) -> tuple[SeriesSource, ...]:
        """Where the daily series of a pool come from."""

    def custodies(self, pool_id: str) -> tuple[CustodyRecord, ...]:
        """What a pool held at the last moment stored, by asset."""

    def official_yield(self, pool_id: str) -> OfficialYield | None:
        """Last yield a pool published."""

    def official_yields(self, pool_id: str) -> tuple[OfficialYield, ...]:
        """Every version of every yield a pool published, by moment and then by when the version was known."""

    def asset_prices(self, asset: str) -> DailySeries:
        """Daily closes of an asset in USD."""

    def lending(self, venue_id: str, asset: str) -> LendingRate | None:
        """Last known rates of an asset at a lending venue."""

    def borrow_history(self, venue_id: str, asset: str) -> DailySeries:
        """Daily borrow APY of an asset at a lending venue."""

    def underlying_history(self, underlying: str) -> DailySeries:
        """Daily published yield of an underlying."""
