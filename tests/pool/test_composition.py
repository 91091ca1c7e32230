"""Oracles: the custody fixtures of pool.md 15 and hedge_portfolio.md 19, published snapshots, exact fractions."""

import json
import math
from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jlp_states import at_prices, custodies, fixture_pool, pools

from yieldtrade.errors import DomainError, MissingDataError
from yieldtrade.pool.composition import (
    asset_deltas,
    aum,
    composition,
    custody_aum,
    delta_share,
    entry_return,
    premium,
    price_leg,
    stable_share,
    stable_share_by_utilisation,
    stable_share_range,
    usd_leg,
    virtual_price,
    weights,
)
from yieldtrade.pool.state import CustodyState, PoolState

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = {case["id"]: case for case in json.loads((GOLDEN / "real_stable.json").read_text())["cases"]}
COINS_THEN_STABLES = [False, False, False, True, True]
BAD_NUMBERS = [
    (math.nan, "not a finite number"),
    (math.inf, "not a finite number"),
    (True, "bool"),
    ("4", "str"),
]


def test_the_custody_fixture():
    """AUM 95,000 + 85,000, 4.00 a share, 100,000 of dollars and 80,000 that move, 0.0177778 SOL a share."""
    pool = fixture_pool()
    assert custody_aum(pool.custody("SOL")).aum_usd == pytest.approx(95_000, rel=1e-14)
    assert custody_aum(pool.custody("USDC")).aum_usd == 85_000
    assert aum(pool) == pytest.approx(180_000, rel=1e-14)
    assert virtual_price(pool) == pytest.approx(4.0, rel=1e-14)
    assert usd_leg(pool) == 100_000
    assert price_leg(pool) == pytest.approx(80_000, rel=1e-14)
    assert asset_deltas(pool) == {"SOL": pytest.approx(800 / 45_000, rel=1e-14)}
    assert stable_share(pool) == pytest.approx(5 / 9, rel=1e-14)
    assert delta_share(stable_share(pool)) == pytest.approx(4 / 9, rel=1e-14)
    assert weights(pool) == {"SOL": pytest.approx(95 / 180), "USDC": pytest.approx(85 / 180)}


@pytest.mark.parametrize(("price", "expected"), [(110, 188_000), (130, 204_000)])
def test_the_fixture_moves_with_d_alone(price, expected):
    """S stays as the price moves and the AUM rises by exactly D times the move, also once shorts are losing."""
    moved = at_prices(fixture_pool(), SOL=price)
    assert aum(moved) == pytest.approx(expected, rel=1e-14)
    assert usd_leg(moved) == 100_000
    assert price_leg(moved) == pytest.approx(80_000 * price / 100, rel=1e-14)


def test_the_hedgers_custody():
    """The custody of hedge_portfolio.md 19: AUM, exposure and a second difference of 0."""
    sol = CustodyState(
        asset="SOL",
        is_stable=False,
        owned=5e6,
        locked=2e6,
        guaranteed_usd=280e6,
        short_sizes_usd=50e6,
        short_avg_price=200,
        price=[189, 190, 191],
    )
    pool = PoolState(custodies=(sol,), supply=200e6)
    worth = aum(pool)
    assert worth[1] == pytest.approx(847_500_000, rel=1e-14)
    assert np.diff(worth) == pytest.approx(3_250_000, rel=1e-9)
    assert asset_deltas(pool)["SOL"] == pytest.approx(0.01625, rel=1e-14)


def program_aum(custody):
    """What the program counts for a custody, step by step in exact fractions."""
    number = {
        f: Fraction(getattr(custody, f)) for f in ("owned", "debt", "locked", "price", "guaranteed_usd")
    }
    held = number["owned"] + number["debt"]
    if custody.is_stable:
        return held * max(1, number["price"])
    total = number["guaranteed_usd"] + max(0, held - number["locked"]) * number["price"]
    sizes, average = Fraction(custody.short_sizes_usd), Fraction(custody.short_avg_price)
    if sizes == 0:
        return total
    change = sizes * abs(number["price"] - average) / average
    shorts_win = average > number["price"]
    return max(0, total - change) if shorts_win else total + change


@given(custodies("SOL", free=False) | custodies("USDC", is_stable=True))
def test_a_custody_counts_as_the_program_steps_through_it(custody):
    """The AUM of a custody is that of the program's branches, worked out in exact fractions."""
    scale = custody.guaranteed_usd + (custody.owned + custody.debt) * custody.price + custody.short_sizes_usd
    scale *= 1 + custody.price / max(custody.short_avg_price, 1e-9) if custody.short_sizes_usd else 1
    assert custody_aum(custody).aum_usd == pytest.approx(float(program_aum(custody)), abs=1e-12 * scale)


@given(pools())
def test_the_legs_add_up_to_the_aum_while_no_floor_binds(pool):
    """AUM = S + D, D is the deltas times the prices, and S/AUM is the dollar share."""
    worth = aum(pool)
    assert not composition(pool).flags or all("below 1" in flag for flag in composition(pool).flags)
    assert usd_leg(pool) + price_leg(pool) == pytest.approx(worth, rel=1e-11)
    moving = pool.supply * sum(beta * pool.custody(asset).price for asset, beta in asset_deltas(pool).items())
    assert price_leg(pool) == pytest.approx(moving, rel=1e-11, abs=1e-11 * worth)
    assert stable_share(pool) == pytest.approx(usd_leg(pool) / worth, rel=1e-12)


@given(pools(free=False))
def test_floors_only_ever_add_to_the_legs(pool):
    """AUM >= S + D, with a difference only where a custody is marked."""
    gap = aum(pool) - usd_leg(pool) - price_leg(pool)
    scale = sum(abs(c.short_sizes_usd) + (c.owned + c.locked + c.debt) * c.price for c in pool)
    scale += sum(c.short_sizes_usd / c.short_avg_price * c.price for c in pool if c.short_avg_price)
    assert gap >= -1e-12 * scale
    marked = any(flag.startswith(("clamped", "floored")) for flag in composition(pool).flags)
    assert marked or gap <= 1e-12 * scale


def test_both_floors_open_a_gap():
    """Locked above owned and a profit of shorts above the rest both leave the AUM above S + D."""
    clamped = fixture_pool(locked=1_100)
    assert aum(clamped) == pytest.approx(85_000 + 27_000 - 2_000)
    assert usd_leg(clamped) + price_leg(clamped) == pytest.approx(110_000 - 100 * 100)
    floored = fixture_pool(short_sizes_usd=120_000, short_avg_price=1_000)
    assert aum(floored) == 85_000
    assert usd_leg(floored) + price_leg(floored) == pytest.approx(85_000 + 97_000 - 108_000)


@given(pools(), st.sampled_from(["SOL", "BTC"]))
def test_the_delta_is_the_slope_of_the_aum(pool, asset):
    """A finite difference of the AUM by a coin's price is the supply times its delta: there is no gamma."""
    price = pool.custody(asset).price
    step = 0.05 * price
    at = aum(at_prices(pool, **{asset: np.array([price - step, price, price + step])}))
    worth = at[1]
    slope = pool.supply * asset_deltas(pool)[asset]
    assert (at[2] - at[0]) / 2 == pytest.approx(slope * step, abs=1e-11 * worth)
    assert at[2] - 2 * at[1] + at[0] == pytest.approx(0, abs=1e-11 * worth)


@given(pools(free=False))
def test_the_order_of_the_custodies_changes_nothing(pool):
    """Every permutation of the custodies gives the same figures to the last bit."""
    expected = (aum(pool), usd_leg(pool), price_leg(pool), asset_deltas(pool), composition(pool).flags)
    for order in permutations(pool.custodies):
        other = replace(pool, custodies=order)
        found = (aum(other), usd_leg(other), price_leg(other), asset_deltas(other), composition(other).flags)
        assert found == expected


def test_arrays_of_states_are_states_one_by_one():
    """A state with an array of prices and one of supplies gives what each pair gives alone."""
    prices, supplies = [80.0, 100.0, 130.0], [45_000.0, 50_000.0, 0.5]
    many = replace(at_prices(fixture_pool(), SOL=np.array(prices)), supply=np.array(supplies))
    picture = composition(many)
    for index, (price, supply) in enumerate(zip(prices, supplies, strict=True)):
        lone = replace(at_prices(fixture_pool(), SOL=price), supply=supply)
        alone = composition(lone)
        for name in ("aum_usd", "virtual_price", "usd_leg", "price_leg", "stable_share", "worthless"):
            assert getattr(picture, name)[index] == getattr(alone, name)
        assert picture.parts["USDC"].weight[index] == alone.parts["USDC"].weight
        assert asset_deltas(many)["SOL"][index] == asset_deltas(lone)["SOL"]
        assert weights(many)["SOL"][index] == weights(lone)["SOL"]


def test_a_composition_tells_weights_targets_and_deviations():
    """Each part shows its weight, target and the difference; an unknown target leaves both away."""
    parts = composition(fixture_pool()).parts
    assert parts["SOL"].weight == pytest.approx(95 / 180)
    assert parts["SOL"].target == 0.5
    assert parts["SOL"].deviation == pytest.approx(95 / 180 - 0.5)
    unknown = composition(fixture_pool(target_weights={})).parts["SOL"]
    assert (unknown.target, unknown.deviation) == (None, None)


def test_a_stablecoin_below_1_shows_its_value_at_the_market_beside():
    """USDC at 0.999 counts as 85,000 and would fetch 84,915; at 1.01 both are 85,850."""
    below = composition(fixture_pool())
    assert below.marked_to_market_usd == pytest.approx(95_000 + 84_915)
    assert below.flags == ("below 1: USDC",)
    above = custody_aum(fixture_pool(usdc={"price": 1.01}).custody("USDC"))
    assert above.aum_usd == above.marked_to_market_usd == pytest.approx(85_850)
    assert above.below_par is False


def test_marks_say_which_floor_bound():
    """More locked than owned is marked clamped, an overwhelming profit of shorts floored; the price of each."""
    clamped = custody_aum(fixture_pool(locked=1_000.5).custody("SOL"))
    assert (clamped.clamped, clamped.floored) == (True, False)
    assert custody_aum(fixture_pool(locked=1_000).custody("SOL")).clamped is False
    assert custody_aum(fixture_pool(locked=1_050, debt=60).custody("SOL")).clamped is False
    floored = custody_aum(fixture_pool(short_sizes_usd=120_000, short_avg_price=1_000).custody("SOL"))
    assert (floored.clamped, floored.floored, floored.aum_usd) == (False, True, 0.0)
    pool = at_prices(
        fixture_pool(short_sizes_usd=120_000, short_avg_price=1_000), SOL=np.array([100.0, 900.0])
    )
    assert composition(pool).parts["SOL"].value.floored.tolist() == [True, False]
    assert composition(pool).flags == ("floored: SOL", "below 1: USDC")


def test_lent_tokens_still_belong_to_the_pool():
    """Debt counts as owned in the value and in the delta of any asset."""
    lent, whole = fixture_pool(owned=900, debt=100), fixture_pool()
    assert aum(lent) == aum(whole)
    assert asset_deltas(lent) == asset_deltas(whole)


def test_an_empty_short_book_is_worth_nothing():
    """Sizes and mean price of 0 add nothing and divide by nothing."""
    pool = fixture_pool(short_sizes_usd=0, short_avg_price=0)
    assert aum(pool) == pytest.approx(85_000 + 97_000)
    assert asset_deltas(pool)["SOL"] == pytest.approx(700 / 45_000)


def test_the_published_virtual_price():
    """AUM of 379,999,961.21 USD over 130,851,840.225 shares is the 2.904 that the pool showed."""
    cash = CustodyState(asset="USDC", is_stable=True, owned=379_999_961.21, price=1)
    pool = PoolState(custodies=(cash,), supply=130_851_840.225)
    assert virtual_price(pool) == pytest.approx(2.904, abs=5e-4)


def test_a_pool_without_shares_has_no_virtual_price():
    """Virtual price and deltas are refused at a supply of 0; the picture leaves the price away."""
    pool = replace(fixture_pool(), supply=0)
    with pytest.raises(DomainError, match=r"supply = 0\.0 must be above 0: a share of nothing"):
        virtual_price(pool)
    with pytest.raises(DomainError, match=r"supply = 0\.0 must be above 0"):
        asset_deltas(pool)
    assert composition(pool).virtual_price is None
    assert composition(pool).worthless is False


def test_a_worthless_pool_has_a_virtual_price_of_0_and_says_so():
    """AUM 0 with shares gives 0 and a flag; its weights are refused, and None in the picture."""
    empty = CustodyState(asset="USDC", is_stable=True, owned=0, price=1)
    pool = PoolState(custodies=(empty,), supply=10)
    assert virtual_price(pool) == 0
    picture = composition(pool)
    assert picture.flags == ("AUM 0",)
    assert (picture.stable_share, picture.parts["USDC"].weight) == (None, None)
    with pytest.raises(DomainError, match=r"aum_usd = 0\.0 must be above 0"):
        weights(pool)
    with pytest.raises(DomainError, match=r"aum_usd = 0\.0 must be above 0"):
        stable_share(pool)


def test_fee_reserves_count_by_the_share_of_the_pool():
    """20 SOL of undistributed fees at a pool share of 75 % add 15 SOL to the delta."""
    pool = fixture_pool(fees_reserves=20)
    with_fees = asset_deltas(pool, include_fee_reserves=True, pool_share=0.75)
    assert with_fees["SOL"] == pytest.approx(815 / 45_000)
    assert asset_deltas(pool)["SOL"] == pytest.approx(800 / 45_000)
    assert asset_deltas(pool, include_fee_reserves=True, pool_share=1)["SOL"] == pytest.approx(820 / 45_000)
    assert asset_deltas(pool, include_fee_reserves=True, pool_share=0) == asset_deltas(pool)
    with pytest.raises(MissingDataError, match="give pool_share"):
        asset_deltas(pool, include_fee_reserves=True)
    with pytest.raises(DomainError, match=r"pool_share = 1\.1 must be from 0 to 1"):
        asset_deltas(pool, include_fee_reserves=True, pool_share=1.1)


def test_a_value_beyond_floats_is_refused():
    """An AUM that no float holds is an error, not infinity."""
    with pytest.raises(DomainError, match="too large to represent"):
        custody_aum(CustodyState(asset="SOL", is_stable=False, owned=1e200, price=1e200))


def test_the_premium_is_market_over_virtual_price():
    """4.10 in the market on 4.00 is 2.5 %, and the premium takes arrays."""
    assert premium(4.1, 4.0) == pytest.approx(0.025)
    assert premium([4.1, 3.9], 4.0) == pytest.approx([0.025, -0.025])
    with pytest.raises(DomainError, match=r"virtual_price = 0\.0 must be above 0"):
        premium(4.1, 0.0)
    with pytest.raises(DomainError, match=r"market_price\[1\] = -1\.0 must be above 0"):
        premium([4.1, -1.0], 4.0)


@pytest.mark.parametrize(("value", "message"), BAD_NUMBERS)
def test_what_is_no_number_is_refused(value, message):
    """NaN, infinity, booleans and text are refused wherever a number belongs."""
    with pytest.raises(DomainError, match=f"market_price.*{message}"):
        premium(value, 4.0)
    with pytest.raises(DomainError, match=f"years.*{message}"):
        entry_return(0.3, value)
    with pytest.raises(DomainError, match=f"utilisation.*{message}"):
        stable_share_by_utilisation([1.0, 2.0], [0.5, value], [True, False])


def test_a_premium_that_closes_eats_the_yield():
    """At 30 % a year a 2 % premium that closes in 30 days leaves 0.18 % instead of 2.18 %."""
    assert entry_return(0.3, 30 / 365) == pytest.approx(0.0218, abs=5e-5)
    assert entry_return(0.3, 30 / 365, 0.02) == pytest.approx(0.0018, abs=5e-5)
    exact = 1.3 ** (30 / 365) * 1.01 / 1.02 - 1
    assert entry_return([0.3, 0.0], 30 / 365, 0.02, 0.01) == pytest.approx(
        [exact, 1.01 / 1.02 - 1], rel=1e-12
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1.0, 1, 0, 0), r"apy = -1\.0 must be above -1"),
        ((0.1, -1, 0, 0), r"years = -1\.0 must be 0 or more"),
        ((0.1, 1, -1, 0), r"premium_in = -1\.0 must be above -1"),
        ((0.1, 1, 0, -2), r"premium_out = -2\.0 must be above -1"),
    ],
)
def test_an_entry_outside_its_domain_is_refused(arguments, message):
    """Growth and premiums of -100 % and negative times are refused by name."""
    with pytest.raises(DomainError, match=message):
        entry_return(*arguments)


@pytest.mark.parametrize(
    "case", [c for c in CASES.values() if c["kind"] == "real_stable_share"], ids=lambda c: c["id"]
)
def test_published_snapshots_give_the_dollar_share(case):
    """Values and utilisations of a published snapshot give the golden dollars and share."""
    assets = case["in"]["assets"].values()
    values = [asset["value_usd"] for asset in assets]
    split = [asset["utilisation"] for asset in assets], [asset["stable"] for asset in assets]
    share, expect, tolerance = stable_share_by_utilisation(values, *split), case["expect"], case["tolerance"]
    assert math.fsum(values) == pytest.approx(expect["gross_value_usd"], abs=tolerance["gross_value_usd"])
    assert share == pytest.approx(expect["real_stable_share"], abs=tolerance["real_stable_share"])
    assert share * math.fsum(values) == pytest.approx(
        expect["real_stable_usd"], abs=tolerance["real_stable_usd"]
    )
    assert delta_share(share) == pytest.approx(expect["delta_share"], abs=tolerance["delta_share"])


@pytest.mark.parametrize(
    "case", [c for c in CASES.values() if c["kind"] == "delta_from_weights"], ids=lambda c: c["id"]
)
def test_published_deltas_follow_from_weights(case):
    """Weights with one utilisation for longs and one for shorts give the delta published."""
    given_ = case["in"]
    stable = [asset.startswith("USD") for asset in given_["weights"]]
    used = np.where(stable, given_["short_utilisation"], given_["long_utilisation"])
    share = stable_share_by_utilisation(list(given_["weights"].values()), used, stable)
    assert delta_share(share) == pytest.approx(case["expect"]["delta"], abs=case["tolerance"])


def test_two_published_deltas_at_once():
    """Long utilisation of 70 and 80 % with 10 % short gives 0.230 and 0.165 in one call."""
    used = [[0.7, 0.7, 0.7, 0.1, 0.1], [0.8, 0.8, 0.8, 0.1, 0.1]]
    shares = stable_share_by_utilisation([0.44, 0.10, 0.11, 0.26, 0.09], used, COINS_THEN_STABLES)
    assert delta_share(shares) == pytest.approx([0.230, 0.165], abs=1e-12)


def test_loans_inside_the_utilisation_leave_a_range():
    """On 2026-02-27 the naive share is 22.2 %; the real one, about 31 %, lies inside the range returned."""
    snapshot = [46.07, 7.92, 15.63, 30.40], [0.0519, 0.0322, 0.0619, 0.3886], [False, False, False, True]
    found = stable_share_range(*snapshot)
    assert found.low == pytest.approx(0.222, abs=5e-4)
    assert found.low == stable_share_by_utilisation(*snapshot)
    assert found.low < 0.31 < found.high
    coins = (46.07 * 0.0519 + 7.92 * 0.0322 + 15.63 * 0.0619) / 100.02
    assert found.high == pytest.approx(coins + 30.40 / 100.02)
    assert "not known" in found.note
    known = stable_share_by_utilisation(*snapshot, lent_utilisation=[0, 0, 0, 0.30])
    assert known == pytest.approx(coins + (1 - 0.0886) * 30.40 / 100.02)


@pytest.mark.parametrize(
    ("arguments", "lent", "message"),
    [
        (([-1.0, 2.0], [0.5, 0.5], [True, False]), 0, r"values_usd\[0\] = -1\.0 must be 0 or more"),
        (([1.0, 2.0], [0.5, 1.5], [True, False]), 0, r"utilisation\[1\] = 1\.5 must be from 0 to 1"),
        (
            ([1.0, 2.0], [0.5, 0.5], [True, False]),
            0.6,
            r"lent_utilisation\[0\] = 0\.6 must be 0 or more and at most",
        ),
        (
            ([1.0, 2.0], [0.5, 0.5], [True, False]),
            [-0.1, 0],
            r"lent_utilisation\[0\] = -0\.1 must be 0 or more",
        ),
        (([0.0, 0.0], [0.5, 0.5], [True, False]), 0, r"values_in_all = 0\.0 must be above 0"),
        ((1.0, 0.5, True), 0, "give an entry an asset"),
        (([1.0, 2.0], [0.5, 0.5], ["yes", "no"]), 0, "True or False an asset is required"),
        (([1.0, 2.0], [0.5, 0.5, 0.5], [True, False]), 0, "shapes do not broadcast"),
    ],
)
def test_a_snapshot_outside_its_domain_is_refused(arguments, lent, message):
    """Negative values, utilisations above 1, more lent than used and nothing owned are refused by name."""
    with pytest.raises(DomainError, match=message):
        stable_share_by_utilisation(*arguments, lent_utilisation=lent)
