"""Oracles: GMX's own unit test (golden), the kernel fixtures of pool.md 15 and strategies.md, exact fractions."""

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jlp_states import fixture_pool, parameters, pools, without

from yieldtrade.errors import DomainError, MarketDefinitionError
from yieldtrade.pool.composition import aum, weights
from yieldtrade.pool.parameters import WeightFee
from yieldtrade.pool.weight_fees import (
    deposit_limits,
    fee_fraction,
    gmx_target,
    known_target_weight,
    mint_capacity_usd,
    pool_amount_usd,
    pool_fee_bps,
    pool_fee_jump,
    target_weight_fee_bps,
    withdrawal_limits,
)

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = json.loads((GOLDEN / "gmx_fee_bps.json").read_text())["cases"]
# pool.md 15: initial 97,000, target 90,000, base 10, tax 50.
FIXTURE = [(5_000, True, 15), (5_000, False, 7), (13_999, False, 7), (14_000, False, 13), (20_000, False, 15)]

usd = st.integers(0, 10**9)
bps = st.integers(0, 500)


@pytest.mark.parametrize("case", [c for c in CASES if c["kind"] == "fee_bps"], ids=lambda case: case["id"])
@pytest.mark.parametrize("variant", ["gmx", "jupiter"])
def test_the_fee_of_the_golden_rows(case, variant):
    """Every assertion of GMX's unit test holds exactly; both variants share the kernel."""
    given_ = case["in"]
    names = ("initial_amount", "delta", "target_amount", "base_bps", "tax_bps", "increment")
    found = target_weight_fee_bps(*(given_[name] for name in names), variant=variant, exact=True)
    assert found == case["expect"]["fee_bps"]


@pytest.mark.parametrize(
    "case", [c for c in CASES if c["kind"] == "target_amount"], ids=lambda case: case["id"]
)
def test_the_targets_of_the_golden_rows(case):
    """The target amount of every golden row is exact."""
    given_ = case["in"]
    found = gmx_target(given_["weight"], given_["supply"], given_["total_weights"])
    assert found == case["expect"]["target_amount"]


def test_a_gmx_target_rounds_down_and_needs_weights():
    """A third of 100 is 33, without supply it is 0, and whole numbers and some weight are required."""
    assert gmx_target(1, 100, 3) == 33
    assert gmx_target(10_000, 0, 20_000) == 0
    assert gmx_target(0, 100, 20_000) == 0
    with pytest.raises(DomainError, match="total_weights = 0 must be 1 or more"):
        gmx_target(1, 100, 0)
    with pytest.raises(DomainError, match=r"usdg_supply = 100\.5 is not an integer"):
        gmx_target(1, 100.5, 3)


@pytest.mark.parametrize(("delta", "inflow", "fee"), FIXTURE)
def test_the_kernel_fixture(delta, inflow, fee):
    """An outflow to just inside the mirrored distance keeps the full rebate; one dollar more pays the tax."""
    assert target_weight_fee_bps(97_000, delta, 90_000, 10, 50, inflow, exact=True) == fee


def test_the_continuous_form_of_the_fixture_takes_arrays():
    """Sizes and directions as arrays give the hand derivations, rounded nowhere."""
    sizes = [5_000, 5_000, 13_999, 14_000, 20_000]
    flows = [True, False, False, False, False]
    rebated = 10 - 50 * 7 / 90
    expected = [10 + 50 * 9.5 / 90, rebated, rebated, 10 + 50 * 7 / 90, 10 + 50 * 10 / 90]
    found = target_weight_fee_bps(97_000, sizes, 90_000, 10, 50, flows)
    assert found == pytest.approx(expected, rel=1e-14)


def test_the_screeners_fees():
    """AUM 1e9, target 44 %, held 420M: mint 7.727273, withdraw 3M 12.443182, deposit 50M 12.840909 bps."""
    found = target_weight_fee_bps(420e6, [1.0, 3e6, 50e6], 440e6, 10, 50, [True, False, True])
    assert found == pytest.approx([7.727273, 12.443182, 12.840909], abs=5e-7)


def kernel(initial, delta, target, base, tax, *, inflow, multiplier=1):
    """The rule of pool.md 5 in exact fractions; the target is above 0."""
    moved = Fraction(multiplier) * Fraction(delta)
    after = initial + moved if inflow else max(0, initial - moved)
    d0, d1 = abs(Fraction(initial) - target), abs(after - target)
    if d1 < d0:
        return max(base - tax * d0 / target, 0)
    return base + tax * min((d0 + d1) / 2, target) / target


@given(usd, usd, st.integers(1, 10**9), bps, bps, st.booleans(), st.integers(0, 3))
def test_both_forms_follow_the_rule(initial, delta, target, base, tax, inflow, multiplier):
    """The continuous form equals exact fractions; the exact form lies within its two roundings of it."""
    rule = kernel(initial, delta, target, base, tax, inflow=inflow, multiplier=multiplier)
    arguments = (initial, delta, target, base, tax, inflow)
    smooth = target_weight_fee_bps(*arguments, multiplier=multiplier)
    whole = target_weight_fee_bps(*arguments, exact=True, multiplier=multiplier)
    assert smooth == pytest.approx(float(rule), rel=1e-9, abs=1e-9)
    assert isinstance(whole, int)
    # Half a dollar lost in the mean distance, then a fraction of a bp in the division.
    assert abs(whole - rule) < 1 + Fraction(tax, 2 * target)
    assert 0 <= smooth <= base + tax


@given(usd, usd, bps, bps, st.booleans())
def test_without_a_target_the_variants_differ(initial, delta, base, tax, inflow):
    """At a target of 0 Jupiter charges nothing and GMX its base, in both forms."""
    for exact in (True, False):
        found = [
            target_weight_fee_bps(initial, delta, 0, base, tax, inflow, variant=variant, exact=exact)
            for variant in ("jupiter", "gmx")
        ]
        assert found == [0, base]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"initial": -1}, r"initial = -1\.0 must be 0 or more"),
        ({"delta": math.nan}, "delta = nan is not a finite number"),
        ({"target": [1.0, -1.0]}, r"target\[1\] = -1\.0 must be 0 or more"),
        ({"base_bps": True}, "base_bps holds bool values"),
        ({"tax_bps": "50"}, "tax_bps holds str"),
        ({"inflow": 1}, "inflow = 1: True or False is required"),
        ({"variant": "gmx2"}, "variant = 'gmx2': allowed are 'jupiter', 'gmx'"),
        ({"exact": True, "delta": 5.0}, r"delta = 5\.0 is not an integer"),
        ({"exact": True, "initial": -5}, "initial = -5 must be 0 or more"),
        ({"exact": True, "inflow": [True]}, r"inflow = \[True\]: True or False is required"),
        ({"multiplier": -1}, r"multiplier = -1\.0 must be 0 or more"),
    ],
)
def test_what_the_kernel_refuses(changes, message):
    """Negative, missing and fractional numbers, and anything but a direction, are refused by name."""
    arguments = {
        "initial": 97_000,
        "delta": 5_000,
        "target": 90_000,
        "base_bps": 10,
        "tax_bps": 50,
        "inflow": True,
    }
    with pytest.raises(DomainError, match=message):
        target_weight_fee_bps(**{**arguments, **changes})


def test_the_amount_that_jupiter_judges_by():
    """97,000 of SOL without the P&L of shorts, 84,915 of USDC at its price with what is lent; no less than 0."""
    pool = fixture_pool()
    assert pool_amount_usd(pool.custody("SOL")) == 97_000
    assert pool_amount_usd(pool.custody("USDC")) == pytest.approx(85_000 * 0.999)
    lent = fixture_pool(debt=50).custody("SOL")
    assert pool_amount_usd(lent) == 97_000
    assert pool_amount_usd(fixture_pool(locked=1_200).custody("SOL")) == 27_000


def test_the_fee_of_the_smallest_trades():
    """At a size of 0 a pool's fee is the limit of small sizes: rebated towards the target, taxed away from it."""
    pool, fee, params = fixture_pool(), WeightFee(base_bps=10, tax_bps=50), parameters()
    for asset in ("SOL", "USDC"):
        for inflow in (True, False):
            at_zero, near = pool_fee_bps(pool, asset, [0.0, 1e-6], fee, params, inflow=inflow)
            assert at_zero == pytest.approx(near, rel=1e-9)
    # 70,000 free + 15,000 guaranteed against half of 170,000: exactly on target, every trade leaves it.
    on_target = fixture_pool(guaranteed_usd=15_000, short_sizes_usd=0)
    for inflow in (True, False):
        assert pool_fee_bps(on_target, "SOL", 0.0, fee, params, inflow=inflow) == 10


def test_the_jump_is_where_the_rebate_ends():
    """SOL 7,000 above its target of 90,000: an outflow of 14,000 pays the tax, just below it the rebate.

    With an AUM that grows by what flows out the target of half follows: x = 2*(7,000 - x/2) gives 7,000.
    """
    pool, fee, params = fixture_pool(), WeightFee(base_bps=10, tax_bps=50), parameters()
    jump = pool_fee_jump(pool, "SOL", fee, params, inflow=False)
    assert jump == pytest.approx(14_000)
    before, after = pool_fee_bps(
        pool, "SOL", [jump * (1 - 1e-9), jump * (1 + 1e-9)], fee, params, inflow=False
    )
    assert before == pytest.approx(10 - 50 * 7 / 90)
    assert after == pytest.approx(10 + 50 * 7 / 90)
    assert pool_fee_jump(pool, "SOL", fee, params, inflow=False, aum_growth=1.0) == pytest.approx(7_000)
    assert pool_fee_jump(pool, "SOL", fee, params, inflow=True) == math.inf
    doubled = WeightFee(base_bps=10, tax_bps=50, multiplier=2)
    assert pool_fee_jump(pool, "SOL", doubled, params, inflow=False) == pytest.approx(7_000)
    with pytest.raises(DomainError, match="aum_growth"):
        pool_fee_jump(pool, "SOL", fee, params, inflow=True, aum_growth=1.0)


def test_limits_are_met_exactly_at_their_size():
    """The largest deposit and withdrawal leave the weight on the edge of its band: hand derivation.

    Deposit (95,000 + x)/(180,000 + x) = 0.6 gives 32,500; withdrawal (95,000 - x)/(180,000 - x) = 0.4 gives
    38,333.33.
    """
    pool, params = fixture_pool(), parameters()
    assert deposit_limits(pool, "SOL", params) == {
        "aum_limit": pytest.approx(1e9 - 180_000),
        "weight_band": pytest.approx(32_500),
    }
    assert withdrawal_limits(pool, "SOL", params) == {
        "weight_band": pytest.approx(115_000 / 3),
        "unlocked_assets": pytest.approx(70_000),
    }


@given(pools(pegged=True), st.sampled_from(["SOL", "BTC", "USDC"]))
def test_a_size_is_within_its_limits_where_the_weight_stays_in_the_band(pool, asset):
    """Just inside the limit the weight after the trade is in the band, just outside it is not."""
    params, worth = parameters(), aum(pool)
    value, target = weights(pool)[asset] * worth, pool.target_weight(asset)
    for limit, sign in ((deposit_limits, 1), (withdrawal_limits, -1)):
        most = limit(pool, asset, params)["weight_band"]
        if most == math.inf:
            assert sign > 0
            assert target * 1.2 >= 1
            continue
        edge = target * (1 + sign * 0.2)
        after = [
            (value + sign * size) / (worth + sign * size)
            for size in (most * (1 - 1e-6), most * (1 + 1e-6) + 1e-3)
        ]
        if most > 0:
            assert sign * (after[0] - edge) <= 1e-9
        assert sign * (after[1] - edge) >= -1e-9


def test_a_deprecated_asset_takes_nothing_and_gives_everything():
    """At a target of 0 no deposit is admitted and every unlocked token may leave."""
    pool = fixture_pool(target_weights={"SOL": 0.0, "USDC": 1.0})
    assert deposit_limits(pool, "SOL", parameters())["weight_band"] == 0
    assert withdrawal_limits(pool, "SOL", parameters()) == {
        "weight_band": math.inf,
        "unlocked_assets": pytest.approx(70_000),
    }


def test_a_band_that_reaches_beyond_the_whole_never_stops_a_deposit():
    """A target of 90 % with a failsafe of 20 % has no upper edge."""
    pool = fixture_pool(target_weights={"SOL": 0.9, "USDC": 0.1})
    assert deposit_limits(pool, "SOL", parameters())["weight_band"] == math.inf


def test_what_the_state_does_not_know_comes_from_the_parameters():
    """AUM limit and target weights fall back to the parameters, and are asked for by name where both lack them."""
    pool = fixture_pool(aum_limit_usd=None, target_weights={})
    stated = parameters(aum_limit_usd=200_000.0, target_weights__SOL=0.4, target_weights__USDC=0.6)
    assert mint_capacity_usd(pool, stated) == pytest.approx(20_000)
    assert mint_capacity_usd(fixture_pool(aum_limit_usd=100_000), stated) == 0
    assert known_target_weight(pool, "SOL", stated) == 0.4
    assert known_target_weight(fixture_pool(), "SOL", stated) == 0.5
    with pytest.raises(MarketDefinitionError, match="has no aum_limit_usd"):
        mint_capacity_usd(pool, parameters())
    with pytest.raises(MarketDefinitionError, match=r"target_weights\.SOL"):
        known_target_weight(pool, "SOL", parameters())
    with pytest.raises(MarketDefinitionError, match="has no weight_failsafe"):
        deposit_limits(fixture_pool(), "SOL", without("weight_failsafe"))


def test_a_fee_of_the_whole_size_is_refused():
    """A fee of 100 % or more is no fee."""
    assert fee_fraction(np.array([15.0, 0.0])).tolist() == [0.0015, 0.0]
    with pytest.raises(DomainError, match=r"fee = 1\.0 must be 0 or more and below 1"):
        fee_fraction(10_000.0)
