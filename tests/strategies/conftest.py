"""A market made by hand: one venue with margin, one without, one lender, and forecasts from given samples."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest

from yieldtrade.market import (
    AmmState,
    Contract,
    CustodyRecord,
    LendingRate,
    MarketView,
    Parameter,
    Pool,
    Terms,
    Venue,
    YieldQuote,
)
from yieldtrade.series import DailySeries
from yieldtrade.strategies.backtest import backtest

AS_OF = datetime(2026, 3, 2, tzinfo=UTC)
RATEX = {
    "trading_fee": 0.001,
    "yield_fee_base": "none",
    "accrual_entitlement": "full_epoch",
    "initial_collateral_ratio": 1.10,
    "maintenance_collateral_ratio": 1.05,
    "leverage_buffer": 1.01,
    "max_leverage": 10.0,
    "margin_accrues": True,
    "pt_management_fee": 0.05,
}
SPOT = {"trading_fee": 0.002, "yield_fee_base": "yt_only", "yield_fee": 0.05}
LENDER = {
    "pt_max_ltv": 0.85,
    "pt_liquidation_ltv": 0.90,
    "pt_oracle_discount": 0.25,
    "flash_fee": 0.0,
    "borrow_apy_sd": 0.03,
}


def terms(owner, values):
    """Terms of an owner from a plain mapping."""
    return Terms(
        owner=owner,
        parameters=MappingProxyType(
            {
                name: Parameter(
                    name=name,
                    value=value,
                    unit="",
                    valid_from=datetime(2025, 1, 1, tzinfo=UTC),
                    basis="assumed",
                    source="by hand",
                )
                for name, value in values.items()
            }
        ),
    )


def series(name, days, values, last=AS_OF):
    """A daily series that ends on the day before ``last``."""
    end = np.datetime64(last.date(), "D")
    return DailySeries(
        name=name,
        unit="fraction",
        days=np.arange(end - days, end),
        values=np.asarray(values, dtype=float),
        quality=("ok",) * days,
    )


@dataclass
class Facts:
    """A store in memory."""

    venues: dict = field(default_factory=dict)
    listed: dict = field(default_factory=dict)
    quotes: list = field(default_factory=list)
    rates: dict = field(default_factory=dict)
    histories: dict = field(default_factory=dict)
    prices: dict = field(default_factory=dict)
    pools: dict = field(default_factory=dict)
    states: dict = field(default_factory=dict)
    borrowed: dict = field(default_factory=dict)
    holdings: tuple = ()

    def contract_ids(self):
        """See yieldtrade.market.Facts."""
        return tuple(sorted(self.listed))

    def contract(self, contract_id):
        """See yieldtrade.market.Facts."""
        return self.listed.get(contract_id)

    def contracts(self):
        """See yieldtrade.market.Facts."""
        return tuple(self.listed[name] for name in sorted(self.listed))

    def venue(self, venue_id):
        """See yieldtrade.market.Facts."""
        return self.venues.get(venue_id)

    def venue_ids(self):
        """See yieldtrade.market.Facts."""
        return tuple(sorted(self.venues))

    def pool(self, pool_id):
        """See yieldtrade.market.Facts."""
        return self.pools.get(pool_id)

    def pool_ids(self):
        """See yieldtrade.market.Facts."""
        return tuple(sorted(self.pools))

    def latest_quotes(self, contract_id):
        """See yieldtrade.market.Facts."""
        return {quote.contract_id: quote for quote in self.quotes if contract_id in (None, quote.contract_id)}

    def quote_history(self, contract_id):
        """See yieldtrade.market.Facts."""
        return tuple(quote for quote in self.quotes if quote.contract_id == contract_id)

    def feed_history(self, contract_id, feed):
        """See yieldtrade.market.Facts."""
        return tuple(quote for quote in self.quote_history(contract_id) if quote.feed == feed)

    def panel(self, venue_id):
        """See yieldtrade.market.Facts."""
        return tuple(quote for quote in self.quotes if self.listed[quote.contract_id].venue_id == venue_id)

    def official_yields(self, pool_id):
        """See yieldtrade.market.Facts."""
        return ()

    def official_yield(self, pool_id):
        """See yieldtrade.market.Facts."""

    def custodies(self, pool_id):
        """See yieldtrade.market.Facts."""
        return self.holdings

    def pool_series(self, pool_id, name):
        """See yieldtrade.market.Facts."""
        return self.prices.get(name) or series(name, 0, [])

    def asset_prices(self, asset):
        """See yieldtrade.market.Facts."""
        return self.prices.get(asset) or series(asset, 0, [])

    def lending(self, venue_id, asset):
        """See yieldtrade.market.Facts."""
        return self.rates.get((venue_id, asset))

    def amm_state(self, contract_id):
        """See yieldtrade.market.Facts."""
        return self.states.get(contract_id)

    def borrow_history(self, venue_id, asset):
        """See yieldtrade.market.Facts."""
        return self.borrowed.get((venue_id, asset)) or series("borrow_apy", 0, [])

    def underlying_history(self, underlying):
        """See yieldtrade.market.Facts."""
        return self.histories.get(underlying) or series(underlying, 0, [])


@dataclass(frozen=True)
class Forecast:
    """A forecast made by hand."""

    samples: np.ndarray
    start: datetime
    end: datetime
    known_fraction: float = 0.0
    model_version: str = "by-hand-1"
    input_hash: str = "0"
    definition: str = "made by hand"

    @property
    def mean_apy(self):
        """Of the samples."""
        return float(self.samples.mean())

    @property
    def sd_apy(self):
        """Of the samples."""
        return float(self.samples.std())


class World:
    """Builds a view step by step."""

    lender = LENDER

    def __init__(self):
        self.as_of = AS_OF
        self.facts = Facts()
        self.add_venue("margin", RATEX)
        self.add_venue("spot", SPOT)
        self.add_venue("kamino", LENDER)
        self.lend("kamino_main", borrow_apy=0.09)

    def add_venue(self, venue_id, values):
        """Add or replace a venue."""
        self.facts.venues[venue_id] = Venue(venue_id=venue_id, name=venue_id, terms=terms(venue_id, values))

    def add_pool(self, pool_id, values=None):
        """Add a pool, without parameters unless some are given: then in force since long."""
        found = terms(pool_id, values or {})
        changes = ((datetime(2025, 1, 1, tzinfo=UTC), found.parameters),) if values else ()
        self.facts.pools[pool_id] = Pool(pool_id=pool_id, name=pool_id, terms=found, changes=changes)

    def lend(self, venue_id, asset="USDC", *, borrow_apy=0.08, supply_usd=4e8, borrow_usd=3e8):
        """Store the rates of a lending market, an hour old."""
        self.facts.rates[venue_id, asset] = LendingRate(
            venue_id=venue_id,
            asset=asset,
            at=AS_OF - timedelta(hours=1),
            supply_apy=0.05,
            borrow_apy=borrow_apy,
            supply_usd=supply_usd,
            borrow_usd=borrow_usd,
            source="by hand",
        )

    def hold(self, *, sol=420e6, usdc=580e6, lent=0.0, supply=250e6, age_days=1.0):
        """Store what the pool JLP holds: SOL at 100 USD and USDC, of which some is lent; no open positions."""
        at = AS_OF - timedelta(days=age_days)

        def record(asset, owned, price, debt):
            return CustodyRecord(
                "JLP", asset, at, supply, owned, 0.0, price, debt, 0.0, 0.0, 0.0, 0.0, "by hand"
            )

        self.facts.holdings = (
            record("SOL", sol / 100.0, 100.0, 0.0),
            record("USDC", usdc - lent, 1.0, lent),
        )

    def add(
        self, contract_id, *, venue="margin", underlying="UND", days=91.25, implied=0.30, clock="wall", **more
    ):
        """List a contract and quote it daily for four weeks, the last time an hour ago."""
        values = {p.name: p.value for p in self.facts.venues[venue].terms.parameters.values()}
        values.update(more.pop("terms", {"base_asset": "USD"}))
        for name in more.pop("without", ()):
            values.pop(name, None)
        self.facts.listed[contract_id] = Contract(
            contract_id=contract_id,
            venue_id=venue,
            underlying=underlying,
            maturity=AS_OF + timedelta(days=days),
            clock=clock,
            terms=terms(contract_id, values),
            **{name: more.pop(name) for name in ("figures",) if name in more},
        )
        wobble = more.pop("wobble", 0.02)
        age = more.pop("age_days", 1 / 24)
        for back in reversed(range(more.pop("quotes", 28))):
            level = implied * (1.0 + wobble * np.sin(1.7 * back)) if back else implied
            self.quote(contract_id, AS_OF - timedelta(days=back + age), level, **more)
        return self

    def quote(self, contract_id, at, implied, *, liquidity=1e6, price=1.0, underlying_apy=None):
        """Store a market quote."""
        self.facts.quotes.append(
            YieldQuote(
                contract_id=contract_id,
                at=at,
                implied_apy=implied,
                pt_price=None,
                yt_price=None,
                underlying_apy=underlying_apy,
                liquidity_usd=liquidity,
                underlying_price_usd=price,
                kind="market",
                source="by hand",
            )
        )

    def pool_of(self, contract_id, kind, state, *, age_days=0.01):
        """Store the state of a contract's pool."""
        self.facts.states[contract_id] = AmmState(
            contract_id=contract_id,
            at=AS_OF - timedelta(days=age_days),
            kind=kind,
            state=state,
            source="by hand",
        )
        return self

    def price(self, name, values):
        """Store daily prices that end yesterday."""
        self.facts.prices[name] = series(name, len(values), values)

    def publish(self, underlying, values):
        """Store daily published yields that end yesterday."""
        self.facts.histories[underlying] = series(underlying, len(values), values)

    def view(self):
        """Return the view of this world."""
        return MarketView(as_of=self.as_of, facts=self.facts)


def normal_forecaster(mean=0.34, sd=0.06, count=4000, seed=5):
    """A forecaster whose samples have exactly this mean and standard deviation."""
    draws = np.random.default_rng(seed).standard_normal(count)
    draws = (draws - draws.mean()) / draws.std()

    def forecast(underlying, start, end):
        return Forecast(samples=mean + sd * draws, start=start, end=end)

    return forecast


POOL = {
    "custodies.SOL.stable": False,
    "custodies.USDC.stable": True,
    "target_weights.SOL": 0.44,
    "target_weights.USDC": 0.56,
    "weight_failsafe": 0.2,
    "aum_limit_usd": 2e9,
    "swap.add_remove_bps": 10.0,
    "swap.tax_bps": 50.0,
    "published_move.p99_999_5min": 0.025416,
}
JLP_LOANS = {"max_ltv.JLP": 0.75, "liquidation_ltv.JLP": 0.80, "flash_fee": 0.0, "borrow_apy_sd": 0.0}


def pool_market(*, premium=0.003, pool=None, kamino=None, vol=0.40, residual=0.04, without=()):
    """The pool JLP: AUM 1e9, 42 % SOL, virtual price 4, a premium, daily prices of this volatility.

    What the share moves by beside 42 % of SOL's moves has the volatility ``residual``.
    """
    world = World()
    values = {**POOL, **(pool or {})}
    world.add_pool("JLP", {name: value for name, value in values.items() if name not in without})
    world.add_venue("kamino", {**JLP_LOANS, **(kamino or {})})
    world.lend("kamino_jlp")
    world.hold()
    days = 100
    moved = np.tile([1.0, -1.0], days // 2)
    # daily log changes of one size have exactly this volatility
    jlp = np.expm1(vol / math.sqrt(365) * moved)
    apart = residual / math.sqrt(365) * np.where(np.arange(days) % 4 < 2, 1.0, -1.0)
    prices = np.concatenate([[1.0], np.cumprod(1.0 + jlp)])
    world.price("jlp_price_usd", 4.0 * (1.0 + premium) * prices / prices[-1])
    world.price("SOL", 100.0 * np.concatenate([[1.0], np.cumprod(1.0 + (jlp - apart) / 0.42)]))
    return world


@pytest.fixture
def world():
    """An empty market."""
    return World()


@pytest.fixture
def forecaster():
    """Build forecasters from a mean and a standard deviation."""
    return normal_forecaster


@pytest.fixture
def busy(world):
    """Margin and spot markets, an epoch clock, a market near maturity, and a volatile underlying."""
    world.add("AAA-2606", implied=0.30, days=91.25)
    world.add("BBB-2606", venue="spot", implied=0.12, days=109.5)
    world.add("CCC-2605", implied=0.05, days=60, wobble=0.3)
    epoch = {"epoch_anchor": "2026-01-01T00:00:00+00:00", "epoch_seconds": 86_400.0 * 7}
    world.add("DDD-2606", implied=0.40, days=100, clock="epoch", terms={"base_asset": "USD", **epoch})
    world.add("EEE-2603", venue="spot", implied=0.20, days=4)
    world.price("SOL", 100 * np.exp(0.04 * (np.arange(200) % 2)))
    world.add("FFF-2609", venue="spot", implied=0.25, days=200, terms={"base_asset": "SOL"})
    return world


def later(world, days, *, implied=0.30, settled=0.34, borrow=0.09):
    """The same world some days on: quotes, published yields and borrow rates of every day in between."""
    last = AS_OF + timedelta(days=days)
    for contract in world.facts.listed:
        for day in range(1, days + 1):
            world.quote(contract, AS_OF + timedelta(days=day), implied)
    count = days + 2
    world.facts.histories["UND"] = series("UND", count, np.full(count, settled), last + timedelta(days=1))
    world.facts.borrowed["kamino_main", "USDC"] = series(
        "borrow_apy", count, np.full(count, borrow), last + timedelta(days=1)
    )
    world.as_of = last
    return world


def replayed(now, then, forecaster, **more):
    """The results of one origin, by row."""
    found = backtest([now.view()], then.view(), 1_000.0, forecast=forecaster, **more)
    return {result.flag.row.row_id: result for result in found.results}


def still_market(venue="margin", days=91.25, implied=0.30, **more):
    """A world with one contract quoted without a wobble, at a lender whose rate is certain."""
    world = World()
    world.add_venue("kamino", {**world.lender, "borrow_apy_sd": 0.0})
    return world.add("AAA-2606", venue=venue, days=days, implied=implied, wobble=0.0, **more)


@pytest.fixture(scope="session")
def by_hand():
    """What builds a market, lets time pass in it, and replays a screen of it."""
    return SimpleNamespace(
        as_of=AS_OF,
        World=World,
        series=series,
        forecaster=normal_forecaster,
        market=still_market,
        pool=pool_market,
        later=later,
        replay=replayed,
    )
