"""What a trader pays: the documented examples through the whole chain, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pool_facts import AT, SOL, USDC, view_of

from yieldtrade.errors import DomainError, MarketDefinitionError, UnknownNameError
from yieldtrade.pool.overview import pool_overview
from yieldtrade.pool.parameters import parameters_at, stated_parameters
from yieldtrade.pool.trade import trade_quote

ADDITIVE = stated_parameters(
    {
        "custodies.SOL.stable": False,
        "custodies.USDC.stable": True,
        "fees.pool_share": 0.75,
        "trade.base_bps": 6,
        "trade.impact.model": "additive",
        "trade.impact.on_open": True,
        "trade.impact.on_close": False,
        "trade.impact.scalar_usd.SOL": 1.25e9,
        "trade.impact.threshold_usd": 750_000,
        "trade.impact.factor_bps": 1,
        "trade.impact.exponent": 1,
        "trade.impact.cap_bps": 50,
        "trade.max_leverage": 500,
        "trade.max_position_usd": 2.5e6,
    }
)


def test_the_published_open_of_100_000():
    """SOL, 5.0 million of imbalance before: 6 + 0.8 + 6.8 = 13.6 bps, charged as 14; 75 % of it to the pool."""
    quote = trade_quote(ADDITIVE, "SOL", "long", 100_000, imbalance_usd=5e6)
    assert quote.open.imbalance_usd == 5.1e6
    assert quote.open.fee.total_bps == pytest.approx(13.6)
    assert quote.open.total_bps_onchain == 14
    assert quote.open.fee.total_usd == pytest.approx(136)
    assert quote.open.to_pool_usd == pytest.approx(102)
    # closes pay no impact here
    assert (quote.close.fee.total_bps, quote.close.total_bps_onchain) == (6, 6)
    assert (quote.borrowed, quote.borrow_apr, quote.leverage) == (None, None, None)


def test_a_short_counts_against_the_imbalance():
    """Opening a short after 5 million of longs leaves 4.9: 1 bp * 4.9/0.75."""
    quote = trade_quote(ADDITIVE, "SOL", "short", 100_000, imbalance_usd=5e6)
    assert quote.open.fee.additive == pytest.approx(100_000 * 1e-4 * 4.9 / 0.75)
    assert quote.close.imbalance_usd == 100_000


def test_a_position_borrows_what_it_locks():
    """A long pays the coin's rate, 0.3 x 1 bp an hour on 1,000 USD; a short that of the largest stablecoin."""
    view = view_of(custodies=(SOL, USDC))
    params = parameters_at(view.pool("X"), AT)
    assets = pool_overview(view, "X", params).assets
    long = trade_quote(params, "SOL", "long", 1_000, assets=assets)
    assert long.borrowed.asset == "SOL"
    assert long.borrow_hourly_usd == pytest.approx(1_000 * 0.3 * 0.0001)
    assert long.borrow_daily_usd == pytest.approx(24 * 0.03)
    short = trade_quote(params, "SOL", "short", 1_000, assets=assets)
    assert (short.borrowed.asset, short.borrow_hourly_usd) == ("USDC", None)


def test_collateral_gives_the_liquidation_price():
    """Size 1,000 on 100.6 at 100 with 0.6 in and 0.6 out: 90.26 for a long, 109.74 for a short (pool.md 15)."""
    view = view_of(custodies=(SOL, USDC))
    params = parameters_at(view.pool("X"), AT)
    for side, price in (("long", 90.26), ("short", 109.74)):
        quote = trade_quote(params, "SOL", side, 1_000, collateral_usd=100.6, price=100)
        assert quote.leverage == pytest.approx(10)
        assert quote.liquidation_price == pytest.approx(price)
        assert quote.liquidation_move == pytest.approx(price / 100 - 1)


@pytest.mark.parametrize(
    ("market", "side", "size", "error", "message"),
    [
        ("USDC", "long", 1_000, UnknownNameError, "unknown market 'USDC'"),
        ("SOL", "up", 1_000, DomainError, "side = 'up': allowed are 'long', 'short'"),
        ("SOL", "long", 0, DomainError, "size_usd = 0.0 must be above 0"),
        ("SOL", "long", float("nan"), DomainError, "size_usd = nan is not a finite number"),
        ("SOL", "long", 2.6e6, DomainError, r"2,600,000.00 exceeds the largest position, 2,500,000.00 USD"),
    ],
)
def test_what_cannot_be_traded_is_refused(market, side, size, error, message):
    """The message says what is wrong and what is allowed."""
    with pytest.raises(error, match=message):
        trade_quote(ADDITIVE, market, side, size)


def test_a_fee_of_a_time_nobody_published_is_asked_for(bundled):
    """From June 2024 to June 2025 linear impact had scalars that nobody published."""
    view = bundled.view(datetime(2025, 5, 1, tzinfo=UTC))
    params = parameters_at(view.pool("JLP"), view.as_of)
    with pytest.raises(MarketDefinitionError, match=r"--set JLP.trade.impact.scalar_usd.SOL=VALUE"):
        trade_quote(params, "SOL", "long", 1_000)


def test_parameters_that_the_programs_integers_cannot_hold_leave_its_fee_unknown():
    """A stated base of 6.5 bps has a fee and no whole-bps form."""
    stated = stated_parameters(
        {
            "custodies.SOL.stable": False,
            "fees.pool_share": 0.75,
            "trade.base_bps": 6.5,
            "trade.impact.model": "none",
        }
    )
    quote = trade_quote(stated, "SOL", "long", 1_000)
    assert quote.open.fee.total_usd == pytest.approx(0.65)
    assert quote.open.total_bps_onchain is None


def test_a_collateral_that_the_open_fee_uses_up_has_no_leverage():
    """Six bps of 1,000 are 0.60: posted and paid, the position is liquidatable at once."""
    quote = trade_quote(
        stated_parameters(
            {
                "custodies.SOL.stable": False,
                "fees.pool_share": 0.75,
                "trade.base_bps": 6,
                "trade.impact.model": "none",
                "trade.max_leverage": 500,
            }
        ),
        "SOL",
        "long",
        1_000,
        collateral_usd=0.6,
    )
    assert (quote.leverage, quote.liquidatable_now) == (None, True)
