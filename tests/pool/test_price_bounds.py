"""Oracles: hand derivations on the custody fixture of pool.md 15, and the shares that minting and burning give."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from jlp_states import fixture_pool, parameters, pools

from yieldtrade.errors import DomainError, MarketDefinitionError
from yieldtrade.pool.composition import aum, virtual_price
from yieldtrade.pool.minting import cheapest_entry, cheapest_exit
from yieldtrade.pool.price_bounds import price_bounds

USDC_IN = (10 - 50 * (90_000 - 84_915) / 90_000) / 1e4
SOL_OUT = (10 - 50 * 7_000 / 90_000) / 1e4


def test_the_bounds_of_the_fixture():
    """Around 4.00: SOL leaves at 10 - 3.889 bps, USDC enters at 10 - 2.825."""
    bounds = price_bounds(fixture_pool(), parameters())
    assert bounds.low == pytest.approx(4 * (1 - SOL_OUT), rel=1e-14)
    assert bounds.high == pytest.approx(4 / (1 - USDC_IN), rel=1e-14)
    assert (bounds.mint_asset, bounds.burn_asset) == ("USDC", "SOL")
    assert bounds.mint_open is True
    assert (bounds.binding, bounds.burn_binding) == (None, None)
    assert bounds.mint_capacity_usd == pytest.approx(1e9 - 180_000)


def test_at_the_aum_limit_the_upper_bound_is_gone():
    """Minting is off and any premium can stand; the lower bound stays as it was."""
    bounds = price_bounds(fixture_pool(aum_limit_usd=180_000), parameters())
    assert (bounds.high, bounds.mint_open, bounds.mint_asset) == (None, False, None)
    assert (bounds.binding, bounds.mint_capacity_usd) == ("aum_limit", 0)
    assert bounds.low == price_bounds(fixture_pool(), parameters()).low
    assert bounds.burn_binding is None


def test_the_best_asset_within_its_band_sets_a_bound():
    """SOL below its band cannot leave, and the lower bound passes to USDC, which pays the base less its rebate."""
    params = parameters(weight_failsafe=0.01)
    targets = {"SOL": 0.55, "USDC": 0.45}
    bounds = price_bounds(fixture_pool(target_weights=targets), params)
    # SOL at 52.8 % of a target of 55, USDC at 47.2 % of 45.
    assert (bounds.mint_asset, bounds.burn_asset) == ("SOL", "USDC")
    sol_in = (10 - 50 * (99_000 - 97_000) / 99_000) / 1e4
    usdc_out = (10 - 50 * (84_915 - 81_000) / 81_000) / 1e4
    assert bounds.high == pytest.approx(4 / (1 - sol_in), rel=1e-14)
    assert bounds.low == pytest.approx(4 * (1 - usdc_out), rel=1e-14)


def test_with_everything_locked_the_lower_bound_is_gone():
    """No free token of any asset: only the upper bound is left, and what removed the other is named."""
    pool = fixture_pool(locked=1_000, guaranteed_usd=97_000, usdc={"owned": 0, "debt": 85_000})
    bounds = price_bounds(pool, parameters())
    assert (bounds.low, bounds.burn_asset, bounds.burn_binding) == (None, None, "unlocked_assets")
    assert bounds.high is not None


def test_limits_that_share_the_work_are_named_by_the_band():
    """SOL within its band is all locked and USDC is free but below its band: nothing can leave."""
    pool = fixture_pool(locked=1_000, guaranteed_usd=97_000, target_weights={"SOL": 0.3, "USDC": 0.7})
    bounds = price_bounds(pool, parameters())
    assert (bounds.low, bounds.burn_binding) == (None, "weight_band")
    on_target = fixture_pool(target_weights={"SOL": 95 / 180, "USDC": 85 / 180})
    shut = price_bounds(on_target, parameters(weight_failsafe=0.0))
    assert (shut.high, shut.binding, shut.mint_open) == (None, "weight_band", False)


def test_bounds_of_a_size_count_its_fees_and_limits():
    """For 35,000 USD SOL is too heavy to enter and 15,000 pass the mirrored distance on the way out."""
    params = parameters()
    bounds = price_bounds(fixture_pool(), params, size_usd=[0.0, 15_000.0, 35_000.0])
    for index, size in enumerate((15_000, 35_000), start=1):
        entry, leave = (
            cheapest_entry(fixture_pool(), size, params)[0],
            cheapest_exit(fixture_pool(), size / 4, params)[0],
        )
        assert bounds.mint_asset[index] == entry.asset
        assert bounds.high[index] == pytest.approx(size / entry.shares, rel=1e-12)
        assert bounds.burn_asset[index] == leave.asset
        assert bounds.low[index] == pytest.approx((leave.usd - leave.fee_usd) / leave.shares, rel=1e-12)
    assert bounds.high[0] == price_bounds(fixture_pool(), params).high
    beyond = price_bounds(fixture_pool(aum_limit_usd=190_000), params, size_usd=15_000)
    assert (beyond.high, beyond.binding, beyond.mint_capacity_usd) == (
        None,
        "aum_limit",
        pytest.approx(10_000),
    )


def test_a_last_dollar_of_room_keeps_minting_open():
    """Half a dollar below the limit the smallest trades and that half dollar still enter, a whole one does not."""
    pool = fixture_pool(aum_limit_usd=180_000.5)
    room = price_bounds(pool, parameters()).mint_capacity_usd
    assert room == pytest.approx(0.5)
    assert price_bounds(pool, parameters()).mint_open is True
    assert price_bounds(pool, parameters(), size_usd=[room, 1.0]).mint_open.tolist() == [True, False]


def test_arrays_of_states_have_bounds_each():
    """One call over AUM limits below and above: NaN and a name where minting is off, numbers where it is on."""
    pool = fixture_pool(aum_limit_usd=np.array([170_000.0, 1e9]))
    bounds = price_bounds(pool, parameters())
    assert np.isnan(bounds.high).tolist() == [True, False]
    assert bounds.mint_open.tolist() == [False, True]
    assert bounds.binding.tolist() == ["aum_limit", None]
    assert bounds.mint_asset.tolist() == [None, "USDC"]
    assert bounds.low.tolist() == [price_bounds(fixture_pool(), parameters()).low] * 2


@given(pools(pegged=True))
def test_the_virtual_price_lies_between_its_bounds(pool):
    """Fees are never negative, so low <= VP <= high, and the smallest real trades meet the bounds."""
    params, vp = parameters(), virtual_price(pool)
    bounds = price_bounds(pool, params)
    small = 1e-9 * aum(pool)
    if bounds.low is not None:
        assert bounds.low <= vp
        leave = cheapest_exit(pool, small / vp, params)[0]
        assert (leave.usd - leave.fee_usd) / leave.shares == pytest.approx(bounds.low, rel=1e-6)
    assert bounds.high >= vp
    entry = cheapest_entry(pool, small, params)[0]
    assert entry.usd / entry.shares == pytest.approx(bounds.high, rel=1e-6)


def test_what_has_no_bounds():
    """Without shares or worth, without an AUM limit or at a negative size there are none."""
    with pytest.raises(DomainError, match=r"supply = 0\.0 must be above 0"):
        price_bounds(replace(fixture_pool(), supply=0), parameters())
    worthless = fixture_pool(owned=0, locked=0, guaranteed_usd=0, usdc={"owned": 0, "debt": 0})
    with pytest.raises(DomainError, match=r"virtual_price = 0\.0 must be above 0"):
        price_bounds(worthless, parameters())
    with pytest.raises(DomainError, match=r"size_usd = -1\.0 must be 0 or more"):
        price_bounds(fixture_pool(), parameters(), size_usd=-1)
    with pytest.raises(MarketDefinitionError, match="has no aum_limit_usd"):
        price_bounds(fixture_pool(aum_limit_usd=None), parameters())
