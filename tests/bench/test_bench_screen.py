"""Budget of the screen: 1,000 contracts, every strategy and its probability of loss, within 2 seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest

from yieldtrade.market import (
    Contract,
    LendingRate,
    MarketView,
    Parameter,
    Terms,
    Venue,
    YieldQuote,
)
from yieldtrade.series import DailySeries
from yieldtrade.strategies.screen import screen

AS_OF = datetime(2026, 3, 2, tzinfo=UTC)
EMPTY = DailySeries(
    name="none", unit="", days=np.array([], dtype="datetime64[D]"), values=np.array([]), quality=()
)
TERMS = {
    # half of the contracts trade on margin, half for cash
    "margin": {
        "trading_fee": 0.001,
        "yield_fee_base": "none",
        "initial_collateral_ratio": 1.10,
        "maintenance_collateral_ratio": 1.05,
        "leverage_buffer": 1.01,
        "max_leverage": 10.0,
        "margin_accrues": True,
        "pt_management_fee": 0.05,
        "base_asset": "USD",
    },
    "spot": {"trading_fee": 0.002, "yield_fee_base": "yt_only", "yield_fee": 0.05, "base_asset": "USD"},
    "kamino": {
        "pt_max_ltv": 0.85,
        "pt_liquidation_ltv": 0.90,
        "pt_oracle_discount": 0.25,
        "flash_fee": 1e-5,
        "borrow_apy_sd": 0.03,
    },
}


def terms(owner):
    """Terms of a venue."""
    known = {
        name: Parameter(
            name=name, value=value, unit="", valid_from=AS_OF, basis="assumed", source="benchmark"
        )
        for name, value in TERMS[owner].items()
    }
    return Terms(owner=owner, parameters=MappingProxyType(known))


def quotes_of(name, implied, rng):
    """Four weeks of daily quotes."""
    levels = implied * np.exp(np.cumsum(rng.normal(0.0, 0.03, 28))[::-1])
    return [
        YieldQuote(
            contract_id=name,
            at=AS_OF - timedelta(days=day, hours=1),
            implied_apy=float(levels[day]) if day else implied,
            pt_price=None,
            yt_price=None,
            underlying_apy=None,
            liquidity_usd=1e6,
            underlying_price_usd=1.0,
            kind="market",
            source="benchmark",
        )
        for day in reversed(range(28))
    ]


def market(count):
    """Build a view of ``count`` contracts on twenty underlyings."""
    rng = np.random.default_rng(count)
    listed, panels = {}, {"margin": [], "spot": [], "pendle": []}
    all_terms = {owner: terms(owner) for owner in TERMS}
    for number in range(count):
        venue, name = ("margin", "spot")[number % 2], f"U{number % 20}-{number:04d}"
        listed[name] = Contract(
            contract_id=name,
            venue_id=venue,
            underlying=f"U{number % 20}",
            maturity=AS_OF + timedelta(days=float(rng.uniform(20, 200))),
            clock="wall",
            terms=all_terms[venue],
        )
        panels[venue] += quotes_of(name, float(rng.uniform(0.05, 0.35)), rng)
    latest = {quote.contract_id: quote for panel in panels.values() for quote in panel}
    rate = LendingRate(
        venue_id="kamino_main",
        asset="USDC",
        at=AS_OF - timedelta(hours=1),
        supply_apy=0.05,
        borrow_apy=0.09,
        supply_usd=4e8,
        borrow_usd=3e8,
        source="benchmark",
    )
    facts = SimpleNamespace(
        contracts=lambda: tuple(listed.values()),
        pool_ids=tuple,
        venue=lambda venue_id: Venue(venue_id=venue_id, name=venue_id, terms=all_terms[venue_id]),
        latest_quotes=lambda _: latest,
        panel=lambda venue_id: tuple(panels[venue_id]),
        lending=lambda venue_id, _: rate if venue_id == "kamino_main" else None,
        amm_state=lambda _: None,
        asset_prices=lambda _: EMPTY,
        underlying_history=lambda _: EMPTY,
    )
    return MarketView(as_of=AS_OF, facts=facts)


def forecaster():
    """One forecast for all; what forecasts cost is measured elsewhere."""
    samples = np.random.default_rng(1).normal(0.2, 0.05, 4_000)
    one = SimpleNamespace(
        samples=samples,
        mean_apy=float(samples.mean()),
        sd_apy=float(samples.std()),
        known_fraction=0.0,
        model_version="benchmark",
        definition="benchmark",
    )
    return lambda underlying, start, end: one


@pytest.mark.benchmark(group="screen: 1,000 contracts within 2 s, linear in contracts")
@pytest.mark.parametrize("count", [100, 1000])
def test_screen(benchmark, count):
    """Every strategy of contracts on every contract, with both probabilities of loss."""
    view, forecast = market(count), forecaster()
    result = benchmark.pedantic(
        lambda: screen(view, 50_000, forecast=forecast), rounds=3, warmup_rounds=1, iterations=1
    )
    assert len(result.rows) >= 5 * count
    assert sum(row.p_loss is not None for row in result.rows) >= 3.5 * count
