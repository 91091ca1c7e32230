"""Minting beside the market: shares, the better way and by how much, limits in the user's tokens."""

from __future__ import annotations

import pytest
from pool_facts import AT, SOL, USDC, view_of

from yieldtrade.errors import CapacityError, MarketDefinitionError, MissingDataError
from yieldtrade.pool.entry import entry_quote
from yieldtrade.pool.overview import pool_overview
from yieldtrade.pool.parameters import parameters_at

APPROXIMATE = {
    "aum_usd": {"2026-02-28": 1_000.0},
    "nav_price_usd": {"2026-02-28": 4.0},
    "sol_weight": {"2026-02-28": 0.52},
    "usdc_weight": {"2026-02-28": 0.48},
}


def overview(market_price=None, **facts):
    """Return the overview of a view's moment."""
    view = view_of(**facts)
    return pool_overview(view, "X", parameters_at(view.pool("X"), AT), market_price=market_price)


def test_a_deposit_mints_at_the_virtual_price_less_the_fee():
    """USDC 85,000 before a target of 90,000: 1,000 in earns tax*d0/target = 50*5,000/90,000 off the 10 bps.

    The initial amount counts owned + debt at the oracle's 0.999: 84,915, so d0 = 5,085 and the fee 7.175 bps.
    """
    quote = entry_quote(overview(4.02, custodies=(SOL, USDC)), "USDC", 1_000)
    usd, fee = 999.0, 10 - 50 * (90_000 - 84_915) / 90_000
    assert quote.value_usd == pytest.approx(usd)
    assert quote.fee_bps == pytest.approx(fee)
    assert quote.shares == pytest.approx(usd * (1 - fee / 1e4) / 4)
    assert quote.cost_per_share_usd == pytest.approx(4 / (1 - fee / 1e4))
    assert quote.market_shares == pytest.approx(usd / 4.02)
    assert quote.better == "mint"
    assert quote.gain_usd == pytest.approx((quote.shares - quote.market_shares) * 4)
    assert (quote.cheapest, quote.cheapest_fee_bps) == ("USDC", quote.fee_bps)


def test_a_market_below_the_cost_of_minting_is_better():
    """At 3.98 the market gives more; without a market price nothing is claimed."""
    assert entry_quote(overview(3.98, custodies=(SOL, USDC)), "USDC", 1_000).better == "market"
    silent = entry_quote(overview(custodies=(SOL, USDC)), "USDC", 1_000)
    assert (silent.better, silent.gain_usd, silent.market_shares) == (None, None, None)
    assert "give --market-price" in silent.notes[0]


def test_an_approximate_state_needs_the_price_of_a_coin():
    """Two SOL at 10 USD are a deposit of 20; a stablecoin is a dollar."""
    found = overview(series=APPROXIMATE)
    quote = entry_quote(found, "SOL", 2, price=10)
    assert quote.value_usd == pytest.approx(20)
    # 520 of a target of 500, moving away: 10 + 50*((20 + 40)/2)/500 bps
    assert quote.fee_bps == pytest.approx(10 + 50 * 30 / 500)
    assert quote.shares == pytest.approx(20 * (1 - quote.fee_bps / 1e4) / 4)
    assert quote.cheapest == "USDC"
    assert "the state is approximate" in quote.notes[-1]
    with pytest.raises(
        MissingDataError, match="the price of SOL is not stored with the pool's state; give it with --price"
    ):
        entry_quote(found, "SOL", 2)
    assert entry_quote(found, "USDC", 5).value_usd == 5


def test_limits_are_told_in_the_tokens_deposited():
    """The band lets SOL rise to 60 % of an AUM that grows with it; the AUM limit leaves 200 USD here."""
    found = overview(series=APPROXIMATE, terms={"aum_limit_usd": 1_200})
    with pytest.raises(
        CapacityError, match=r"beyond the aum limit: the pool takes at most 20 SOL \(200.00 USD\)"
    ) as full:
        entry_quote(found, "SOL", 25, price=10)
    assert (full.value.requested, full.value.maximum, full.value.binding) == (
        25,
        pytest.approx(20),
        "aum_limit",
    )


@pytest.mark.parametrize("name", ["swap.add_remove_bps", "swap.tax_bps", "weight_failsafe", "aum_limit_usd"])
def test_what_nobody_published_is_asked_for_by_name(name):
    """No default stands in for a parameter of the venue."""
    with pytest.raises(MarketDefinitionError, match=f"X has no {name}"):
        entry_quote(overview(custodies=(SOL, USDC), terms={name: None}), "USDC", 10)
