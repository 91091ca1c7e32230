"""Oracles: hand derivations on the custody fixture of pool.md 15, brute force over sizes, conservation of value."""

import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jlp_states import at_prices, fixture_pool, parameters, pools, without

from yieldtrade.errors import CapacityError, DomainError, MarketDefinitionError, UnknownNameError
from yieldtrade.pool.composition import aum, virtual_price, weights
from yieldtrade.pool.minting import burn_jlp, cheapest_entry, cheapest_exit, mint_jlp, swap, swap_fee
from yieldtrade.pool.parameters import stated_parameters
from yieldtrade.pool.state import CustodyState, PoolState

ASSETS = ("SOL", "BTC", "USDC", "USDT")
sizes = st.floats(1e-6, 0.5)


def beyond(call, *arguments, **keywords):
    """Return the refusal of a size."""
    with pytest.raises(CapacityError) as caught:
        call(*arguments, **keywords)
    return caught.value


def test_a_mint_by_hand():
    """50 SOL are 5,000 USD; d0 7,000, d1 12,000 cost 10 + 50*9.5/90 bps; the rest buys shares at 4.00."""
    made = mint_jlp(fixture_pool(), "SOL", 50, parameters())
    fee_bps = 10 + 50 * 9.5 / 90
    assert made.usd == 5_000
    assert made.fee_bps == pytest.approx(fee_bps, rel=1e-14)
    assert made.fee_usd == pytest.approx(5_000 * fee_bps / 1e4, rel=1e-14)
    assert made.shares == pytest.approx(5_000 * (1 - fee_bps / 1e4) / 4, rel=1e-14)
    sol = made.pool.custody("SOL")
    assert sol.owned + sol.fees_reserves == pytest.approx(1_050, rel=1e-14)
    assert sol.fees_reserves == pytest.approx(50 * fee_bps / 1e4, rel=1e-14)
    assert made.pool.supply == pytest.approx(45_000 + made.shares, rel=1e-14)
    assert virtual_price(made.pool) == pytest.approx(4, rel=1e-14)


def test_a_burn_by_hand():
    """1,250 shares are 5,000 USD; the outflow towards the target costs 10 - 50*7/90 bps, taken in SOL."""
    made = burn_jlp(fixture_pool(), 1_250, "SOL", parameters())
    fee_bps = 10 - 50 * 7 / 90
    assert made.usd == pytest.approx(5_000, rel=1e-14)
    assert made.fee_bps == pytest.approx(fee_bps, rel=1e-13)
    assert made.amount == pytest.approx(50 * (1 - fee_bps / 1e4), rel=1e-14)
    sol = made.pool.custody("SOL")
    assert (sol.owned, sol.fees_reserves) == (pytest.approx(950), pytest.approx(50 * fee_bps / 1e4))
    assert made.pool.supply == 43_750
    assert virtual_price(made.pool) == pytest.approx(4, rel=1e-14)


def test_arrays_of_sizes_are_sizes_one_by_one():
    """Minting, burning and swapping arrays give what each size gives alone, in the state as well."""
    pool, params = fixture_pool(), parameters()
    amounts = np.array([0.0, 1.0, 50.0])
    minted, burnt = mint_jlp(pool, "SOL", amounts, params), burn_jlp(pool, amounts, "USDC", params)
    swapped = swap(pool, "SOL", "USDC", amounts, params)
    for index, amount in enumerate(amounts.tolist()):
        assert minted.shares[index] == mint_jlp(pool, "SOL", amount, params).shares
        assert minted.pool.supply[index] == mint_jlp(pool, "SOL", amount, params).pool.supply
        assert burnt.amount[index] == burn_jlp(pool, amount, "USDC", params).amount
        assert swapped.amount_out[index] == swap(pool, "SOL", "USDC", amount, params).amount_out
    prices = at_prices(pool, SOL=np.array([100.0, 110.0]))
    assert mint_jlp(prices, "SOL", 1, params).shares[1] == pytest.approx(
        mint_jlp(at_prices(pool, SOL=110), "SOL", 1, params).shares, rel=1e-14
    )


def test_a_size_of_0_costs_nothing():
    """Nothing in gives nothing out and no fee, even where minting is off."""
    at_limit = fixture_pool(aum_limit_usd=100_000)
    made = mint_jlp(at_limit, "SOL", 0, parameters())
    assert (made.usd, made.fee_usd, made.shares) == (0, 0, 0)
    assert burn_jlp(at_limit, 0, "SOL", parameters()).amount == 0
    assert swap_fee(at_limit, "SOL", "USDC", 0, parameters()).fee_usd == 0
    assert swap(at_limit, "SOL", "USDC", 0, parameters()).amount_out == 0


def test_an_aum_of_another_price_prices_the_shares_alone():
    """GMX mints at the maximised AUM and burns at the minimised one: fewer shares, less USD, the same fee."""
    pool, params = fixture_pool(), parameters()
    plain, dear = mint_jlp(pool, "SOL", 50, params), mint_jlp(pool, "SOL", 50, params, aum_usd=189_000)
    assert dear.shares == pytest.approx(plain.shares * 180 / 189)
    assert dear.fee_bps == plain.fee_bps
    assert burn_jlp(pool, 1_250, "SOL", params, aum_usd=171_000).usd == pytest.approx(4_750)


def test_minting_stops_at_the_aum_limit():
    """With 5,000 USD to the limit 50 SOL may come in and not more."""
    pool, params = fixture_pool(aum_limit_usd=185_000), parameters()
    refusal = beyond(mint_jlp, pool, "SOL", 51, params)
    assert (refusal.binding, refusal.requested) == ("aum_limit", 51)
    assert refusal.maximum == pytest.approx(50, rel=1e-12)
    assert "deposit of SOL: 51 is beyond aum_limit; at most 50" in str(refusal)
    assert beyond(mint_jlp, fixture_pool(aum_limit_usd=180_000), "SOL", 1e-9, params).maximum == 0


def test_minting_stops_above_the_weight_band():
    """(95,000 + x)/(180,000 + x) = 0.6 at 32,500 USD: 325 SOL; that size itself is taken."""
    pool, params = fixture_pool(), parameters()
    refusal = beyond(mint_jlp, pool, "SOL", 326, params)
    assert (refusal.binding, refusal.maximum) == ("weight_band", pytest.approx(325))
    assert mint_jlp(pool, "SOL", refusal.maximum, params).usd == pytest.approx(32_500)
    beyond(mint_jlp, pool, "SOL", math.nextafter(refusal.maximum, math.inf), params)


def test_burning_stops_below_the_weight_band():
    """(85,000 - x)/(180,000 - x) = 0.4 at 21,666.67 USD of USDC: 5,416.67 shares of 4.00."""
    refusal = beyond(burn_jlp, fixture_pool(), 6_000, "USDC", parameters())
    assert (refusal.binding, refusal.maximum) == ("weight_band", pytest.approx(65_000 / 3 / 4))
    assert burn_jlp(fixture_pool(), refusal.maximum, "USDC", parameters()).usd == pytest.approx(65_000 / 3)


def test_burning_stops_at_what_is_not_locked():
    """With 900 of 1,000 SOL locked 100 are free: 10,000 USD; what is lent cannot be paid out either."""
    locked = fixture_pool(locked=900, guaranteed_usd=87_000)
    refusal = beyond(burn_jlp, locked, 4_000, "SOL", parameters())
    assert refusal.binding == "unlocked_assets"
    assert refusal.maximum == pytest.approx(10_000 / virtual_price(locked))
    taken = burn_jlp(locked, refusal.maximum, "SOL", parameters())
    assert taken.pool.custody("SOL").owned == pytest.approx(900)
    lent = fixture_pool(usdc={"owned": 5_000, "debt": 80_000})
    assert beyond(burn_jlp, lent, 2_000, "USDC", parameters()).maximum == pytest.approx(5_000 * 0.999 / 4)


def test_no_more_shares_than_exist_can_be_burnt():
    """A pool of one free asset can be burnt to the last share and not beyond."""
    pool = PoolState(
        custodies=(CustodyState(asset="SOL", is_stable=False, owned=3.3, price=70.1),),
        supply=45.7,
        target_weights={"SOL": 1.0},
        aum_limit_usd=1e9,
    )
    all_of_it = burn_jlp(pool, 45.7, "SOL", parameters())
    assert (all_of_it.pool.supply, all_of_it.pool.custody("SOL").owned) == (0, pytest.approx(0, abs=1e-12))
    refusal = beyond(burn_jlp, replace(pool, supply=45.7), 45.8, "SOL", parameters())
    assert refusal.maximum == pytest.approx(45.7)
    cheap = beyond(burn_jlp, pool, 50, "SOL", parameters(), aum_usd=100.0)
    assert (cheap.binding, cheap.maximum) == ("supply", 45.7)


def test_the_tightest_limit_binds():
    """With 1,000 USD to the AUM limit that one binds, although the band would bind later."""
    pool = fixture_pool(aum_limit_usd=181_000)
    refusal = beyond(mint_jlp, pool, "SOL", 1_000, parameters())
    assert (refusal.binding, refusal.maximum) == ("aum_limit", pytest.approx(10))


def test_a_refusal_of_an_array_names_the_first_element():
    """Of several sizes the first one beyond its limit is named with its index."""
    refusal = beyond(mint_jlp, fixture_pool(), "SOL", [[1.0, 400.0], [500.0, 2.0]], parameters())
    assert (refusal.requested, refusal.maximum, refusal.binding) == (400.0, pytest.approx(325), "weight_band")
    assert "deposit of SOL [0, 1]: 400" in str(refusal)


def test_the_first_shares_need_a_price():
    """Without shares a mint needs an initial price; the first deposit meets no band and no fee without a target."""
    empty = PoolState(
        custodies=(CustodyState(asset="SOL", is_stable=False, owned=0, price=100),),
        supply=0,
        target_weights={"SOL": 1.0},
        aum_limit_usd=1e6,
    )
    with pytest.raises(DomainError, match=r"supply = 0\.0 has no price yet: give the initial_price"):
        mint_jlp(empty, "SOL", 10, parameters())
    made = mint_jlp(empty, "SOL", 10, parameters(), initial_price=2.0)
    assert (made.shares, made.fee_bps) == (500, 0)
    assert virtual_price(made.pool) == 2
    with pytest.raises(DomainError, match=r"initial_price = 0\.0 must be above 0"):
        mint_jlp(empty, "SOL", 10, parameters(), initial_price=0)
    with pytest.raises(DomainError, match="there are no shares to burn"):
        burn_jlp(empty, 1, "SOL", parameters())


def test_an_initial_price_counts_only_without_shares():
    """Where shares exist the AUM prices them."""
    with_price = mint_jlp(fixture_pool(), "SOL", 50, parameters(), initial_price=1.0)
    assert with_price.shares == mint_jlp(fixture_pool(), "SOL", 50, parameters()).shares


def test_a_worthless_pool_neither_mints_nor_burns():
    """AUM 0 with shares in circulation refuses both."""
    pool = replace(fixture_pool(owned=0, locked=0, guaranteed_usd=0, usdc={"owned": 0, "debt": 0}), supply=10)
    assert aum(pool) == 0
    for call in (
        lambda: mint_jlp(pool, "SOL", 1, parameters()),
        lambda: mint_jlp(pool, "SOL", 1, parameters(), initial_price=1.0),
        lambda: burn_jlp(pool, 1, "SOL", parameters()),
    ):
        with pytest.raises(
            DomainError, match=r"aum_usd = 0\.0 must be above 0: the shares of a pool worth nothing"
        ):
            call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda pool, p: mint_jlp(pool, "SOL", -1, p), r"amount = -1\.0 must be 0 or more"),
        (lambda pool, p: mint_jlp(pool, "SOL", math.nan, p), "amount = nan is not a finite number"),
        (lambda pool, p: mint_jlp(pool, "SOL", True, p), "amount holds bool"),
        (lambda pool, p: burn_jlp(pool, "ten", "SOL", p), "jlp holds str"),
        (lambda pool, p: burn_jlp(pool, math.inf, "SOL", p), "jlp = inf is not a finite number"),
        (lambda pool, p: burn_jlp(pool, 1, "SOL", p, aum_usd=-1), r"aum_usd = -1\.0 must be above 0"),
        (lambda pool, p: swap(pool, "SOL", "USDC", -1, p), r"amount = -1\.0 must be 0 or more"),
        (lambda pool, p: swap_fee(pool, "SOL", "SOL", 1, p), "a swap of SOL into itself"),
        (lambda pool, p: cheapest_entry(pool, [1.0, 2.0], p), "ranked for one size"),
        (lambda pool, p: cheapest_exit(pool, -1, p), r"jlp = -1\.0 must be 0 or more"),
    ],
)
def test_what_is_no_size_is_refused(call, message):
    """Negative, missing and non-numeric sizes are refused by name."""
    with pytest.raises(DomainError, match=message):
        call(fixture_pool(), parameters())


def test_unknown_assets_and_unpublished_fees_are_asked_for_by_name():
    """An asset the pool does not hold and a fee that nobody published name themselves."""
    with pytest.raises(UnknownNameError, match="BONK"):
        mint_jlp(fixture_pool(), "BONK", 1, parameters())
    with pytest.raises(MarketDefinitionError, match=r"has no swap\.add_remove_bps"):
        mint_jlp(fixture_pool(), "SOL", 1, without("swap.add_remove_bps"))
    with pytest.raises(MarketDefinitionError, match=r"has no swap\.multiplier"):
        swap_fee(fixture_pool(), "SOL", "USDC", 1, without("swap.multiplier"))


@given(pools(pegged=True), st.sampled_from(ASSETS), st.sampled_from(ASSETS), sizes)
def test_mint_then_burn_never_gains(pool, asset_in, asset_out, size):
    """Through any asset and back through any, what comes out is worth at most what went in."""
    params = parameters(weight_failsafe=1e6)
    price_in, price_out = pool.custody(asset_in).price, pool.custody(asset_out).price
    amount = size * aum(pool) / price_in
    minted = mint_jlp(pool, asset_in, amount, params)
    try:
        burnt = burn_jlp(minted.pool, minted.shares, asset_out, params)
    except CapacityError as refusal:
        assume(refusal.maximum > 0)
        part = refusal.maximum / minted.shares
        burnt = burn_jlp(minted.pool, refusal.maximum, asset_out, params)
        amount *= part
    assert burnt.amount * price_out <= amount * price_in * (1 + 1e-12)
    if asset_in == asset_out:
        assert burnt.amount <= amount * (1 + 1e-12)


@given(pools(), st.sampled_from(ASSETS), sizes)
def test_a_round_trip_never_takes_more_than_the_pool_booked(pool, asset, size):
    """Also below 1, where the program books a stablecoin at 1, no more leaves than was booked as entered."""
    params = parameters(weight_failsafe=1e6)
    amount = size * aum(pool)
    minted = mint_jlp(pool, asset, amount / pool.custody(asset).price, params)
    try:
        burnt = burn_jlp(minted.pool, minted.shares, asset, params)
    except CapacityError:
        assume(False)
    booked = (
        amount / pool.custody(asset).price * max(pool.custody(asset).price, 1.0 if asset[0] == "U" else 0.0)
    )
    assert burnt.usd - burnt.fee_usd <= booked * (1 + 1e-12)


@given(pools(pegged=True), st.sampled_from(ASSETS), sizes)
def test_minting_and_burning_leave_the_virtual_price(pool, asset, size):
    """Neither moves the value of the other shares: the fee waits outside the AUM until it is distributed."""
    params, before = parameters(weight_failsafe=1e6), virtual_price(pool)
    minted = mint_jlp(pool, asset, size * aum(pool) / pool.custody(asset).price, params)
    assert virtual_price(minted.pool) == pytest.approx(before, rel=1e-9)
    shares = min(minted.shares, 0.5 * pool.supply)
    try:
        burnt = burn_jlp(minted.pool, shares, asset, params)
    except CapacityError:
        assume(False)
    assert virtual_price(burnt.pool) == pytest.approx(before, rel=1e-7)


@given(pools(), sizes)
def test_the_order_of_the_custodies_changes_no_quote(pool, size):
    """Every permutation of the custodies ranks and prices alike, to the last bit."""
    params = parameters()
    entries = cheapest_entry(pool, size * aum(pool), params)
    exits = cheapest_exit(pool, size * pool.supply, params)
    for order in list(permutations(pool.custodies))[::5]:
        other = replace(pool, custodies=order)
        assert cheapest_entry(other, size * aum(pool), params) == entries
        assert cheapest_exit(other, size * pool.supply, params) == exits


def test_a_swap_by_hand():
    """50 SOL for USDC: the tax on SOL exceeds the one on USDC, and the fee comes out of the USDC."""
    made = swap(fixture_pool(), "SOL", "USDC", 50, parameters())
    in_bps = 10 + 50 * 9.5 / 90
    start = 90_000 - 84_915
    out_bps = 10 + 50 * (start + 2_500) / 90_000
    fees = swap_fee(fixture_pool(), "SOL", "USDC", 5_000, parameters())
    assert fees.in_bps == pytest.approx(in_bps, rel=1e-13)
    assert fees.out_bps == pytest.approx(out_bps, rel=1e-13)
    assert made.fee_bps == fees.fee_bps == max(fees.in_bps, fees.out_bps)
    assert made.fee_usd == pytest.approx(5_000 * in_bps / 1e4)
    assert made.amount_out == pytest.approx(5_000 * (1 - in_bps / 1e4) / 0.999)
    usdc = made.pool.custody("USDC")
    assert usdc.owned + made.amount_out + usdc.fees_reserves == pytest.approx(80_000)
    assert made.pool.custody("SOL").owned == 1_050


def test_the_dearer_side_of_a_swap_sets_its_fee():
    """The other way round both sides are rebated: the smaller rebate counts."""
    fees = swap_fee(fixture_pool(), "USDC", "SOL", 5_000, parameters())
    assert fees.fee_bps == pytest.approx(max(10 - 50 * 5_085 / 90_000, 10 - 50 * 7_000 / 90_000))


def stable_pool():
    """A pool on target with two stablecoins."""
    held = [("SOL", False, 1_000, 100.0), ("USDC", True, 50_000, 1.0), ("USDT", True, 50_000, 1.0)]
    return PoolState(
        custodies=tuple(
            CustodyState(asset=asset, is_stable=stable, owned=owned, price=price)
            for asset, stable, owned, price in held
        ),
        supply=50_000,
        target_weights={"SOL": 0.5, "USDC": 0.25, "USDT": 0.25},
        aum_limit_usd=1e9,
    )


def test_stable_figures_apply_between_two_stablecoins_only():
    """On target 1,000 USD cost base + tax*500/target on each side: 2.2 bps between stables, 11 with a coin."""
    pool, params = stable_pool(), parameters()
    assert swap_fee(pool, "USDC", "USDT", 1_000, params).fee_bps == pytest.approx(2 + 20 * 500 / 50_000)
    assert swap_fee(pool, "SOL", "USDC", 1_000, params).fee_bps == pytest.approx(10 + 50 * 500 / 50_000)


def test_the_multiplier_scales_the_step_of_a_swap():
    """With a multiplier of 3 the distance grows three times as fast."""
    fees = swap_fee(stable_pool(), "SOL", "USDC", 1_000, parameters(swap__multiplier=3.0))
    assert fees.out_bps == pytest.approx(10 + 50 * 1_500 / 50_000)
    assert fees.in_bps == pytest.approx(10 + 50 * 1_500 / 100_000)


def test_a_swap_stops_at_both_bands_and_at_what_is_not_locked():
    """SOL in to 60 % of 180,000 leaves 13,000 USD, USDC out to 40 % as well; 5,000 free USDC bind first."""
    refusal = beyond(swap, fixture_pool(), "SOL", "USDC", 131, parameters())
    assert (refusal.binding, refusal.maximum) == ("weight_band", pytest.approx(130))
    assert weights(swap(fixture_pool(), "SOL", "USDC", 129.9, parameters()).pool)["SOL"] == pytest.approx(
        0.6, abs=1e-3
    )
    lent = fixture_pool(usdc={"owned": 5_000, "debt": 80_000})
    scarce = beyond(swap, lent, "SOL", "USDC", 60, parameters())
    assert (scarce.binding, scarce.maximum) == ("unlocked_assets", pytest.approx(5_000 * 0.999 / 100))
    deprecated = replace(stable_pool(), target_weights={"SOL": 0.5, "USDC": 0.5, "USDT": 0.0})
    assert swap(deprecated, "USDT", "USDC", 0, parameters()).amount_out == 0
    all_of_it = beyond(swap, deprecated, "USDC", "USDT", 50_001, parameters())
    assert (all_of_it.binding, all_of_it.maximum) == ("unlocked_assets", 50_000)
    # USDC out to 32 % of 180,000 leaves 27,400 USD, SOL in to 72 % would leave 34,600.
    out = beyond(
        swap, fixture_pool(target_weights={"SOL": 0.6, "USDC": 0.4}), "SOL", "USDC", 300, parameters()
    )
    assert (out.binding, out.maximum) == ("weight_band", pytest.approx(274))


def test_entries_are_ranked_by_what_they_mint():
    """5,000 USD: USDC is underweight and rebated, SOL pays the tax; every line is the mint of that asset."""
    ranked = cheapest_entry(fixture_pool(), 5_000, parameters())
    assert [quote.asset for quote in ranked] == ["USDC", "SOL"]
    assert ranked[0].fee_bps < 10 < ranked[1].fee_bps
    for quote in ranked:
        price = fixture_pool().custody(quote.asset).price
        made = mint_jlp(fixture_pool(), quote.asset, 5_000 / price, parameters())
        assert (quote.shares, quote.fee_usd, quote.amount) == (made.shares, made.fee_usd, made.amount)
        assert (quote.refused, quote.binding) == (None, None)


def test_exits_are_ranked_by_what_they_pay():
    """1,250 shares: SOL is overweight and cheaper to leave by."""
    ranked = cheapest_exit(fixture_pool(), 1_250, parameters())
    assert [quote.asset for quote in ranked] == ["SOL", "USDC"]
    net = [quote.usd - quote.fee_usd for quote in ranked]
    assert net == sorted(net, reverse=True)
    assert ranked[0].amount == burn_jlp(fixture_pool(), 1_250, "SOL", parameters()).amount


def test_the_ranking_follows_the_jump_of_the_rebate():
    """One dollar past the mirrored distance SOL loses its rebate: 6.1 bps become 13.9, a convex search errs."""
    params = parameters(weight_failsafe=0.3)
    inside, outside = (
        next(q for q in cheapest_exit(fixture_pool(), usd / 4, params) if q.asset == "SOL")
        for usd in (13_999, 14_000)
    )
    assert inside.fee_bps == pytest.approx(10 - 50 * 7 / 90)
    assert outside.fee_bps == pytest.approx(10 + 50 * 7 / 90)


def test_refused_assets_come_last_with_their_reason():
    """33,000 USD fit into USDC and not into SOL, whose largest deposit is told in USD."""
    ranked = cheapest_entry(fixture_pool(), 33_000, parameters(weight_failsafe=0.2))
    assert [quote.asset for quote in ranked] == ["USDC", "SOL"]
    assert (ranked[1].binding, ranked[1].shares) == ("weight_band", None)
    assert ranked[1].maximum == pytest.approx(32_500)
    assert "beyond weight_band" in ranked[1].refused
    full = cheapest_entry(fixture_pool(aum_limit_usd=180_000), 1, parameters())
    assert {(quote.binding, quote.maximum) for quote in full} == {("aum_limit", 0)}
    exits = cheapest_exit(fixture_pool(), 9_000, parameters())
    assert (exits[-1].asset, exits[-1].maximum) == ("USDC", pytest.approx(65_000 / 12))


def test_the_size_told_as_largest_is_taken():
    """Asked again for the largest size of a refused asset, the pool takes it."""
    for quote in cheapest_entry(fixture_pool(), 1e6, parameters()):
        again = {
            q.asset: q for q in cheapest_entry(fixture_pool(), quote.maximum * (1 - 1e-12), parameters())
        }
        assert again[quote.asset].refused is None


def test_an_asset_without_a_target_weight_is_ranked_as_refused():
    """A custody that nobody gave a target weight is shown with that reason, the others are ranked."""
    new = CustodyState(asset="JupUSD", is_stable=True, owned=10, price=1)
    pool = replace(fixture_pool(), custodies=(*fixture_pool().custodies, new))
    last = cheapest_entry(pool, 100, parameters())[-1]
    assert (last.asset, last.binding) == ("JupUSD", None)
    assert "the target weight of JupUSD is not known" in last.refused
    with pytest.raises(MarketDefinitionError, match=r"has no swap\.tax_bps"):
        cheapest_exit(pool, 100, without("swap.tax_bps"))
    with pytest.raises(MarketDefinitionError, match="has no aum_limit_usd"):
        cheapest_entry(fixture_pool(aum_limit_usd=None), 100, parameters())


def test_a_liquidation_repaid_in_dollars_leaves_the_pool_short_of_them():
    """Of 46/8/13/33 %, 8 % of the pool burnt for USDC leaves 25/92 in USDC and the coins heavier, SOL at half."""
    values = {"SOL": 46.0, "ETH": 8.0, "BTC": 13.0, "USDC": 33.0}
    state = PoolState(
        custodies=tuple(
            CustodyState(asset=name, is_stable=name == "USDC", owned=value, price=1.0)
            for name, value in values.items()
        ),
        supply=100.0,
        target_weights={name: value / 100 for name, value in values.items()},
    )
    free = {"swap.add_remove_bps": 0, "swap.tax_bps": 0, "weight_failsafe": 0.5}
    after = burn_jlp(state, 8.0, "USDC", stated_parameters(free)).pool
    assert {name: round(weight, 4) for name, weight in weights(after).items()} == {
        "SOL": 0.5,
        "ETH": round(8 / 92, 4),
        "BTC": round(13 / 92, 4),
        "USDC": round(25 / 92, 4),
    }
