"""Creating and redeeming shares: the worked example, the pool's own mint and burn, brute force over sizes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from yieldtrade.errors import CapacityError, DomainError
from yieldtrade.pool.composition import aum, virtual_price
from yieldtrade.pool.creation import creation_arbitrage
from yieldtrade.pool.minting import burn_jlp, mint_jlp
from yieldtrade.pool.parameters import stated_parameters
from yieldtrade.pool.state import CustodyState, PoolState
from yieldtrade.strategies.target_weight import TargetWeightArbitrage

PARAMS = stated_parameters({"swap.add_remove_bps": 10.0, "swap.tax_bps": 50.0, "weight_failsafe": 0.2})
DIRECTIONS = ("create", "redeem", "create_and_redeem")
ratios = st.floats(0.85, 1.15)
edges = st.floats(0.0, 0.01)
slopes = st.floats(1e-11, 1e-9)


def pool(*, aum_limit_usd=2e9, held=420e6):
    """The example's pool: AUM 1e9, a target of 44 % SOL, 420M held."""
    return PoolState(
        custodies=(
            CustodyState(asset="SOL", is_stable=False, owned=held / 100.0, price=100.0),
            CustodyState(asset="USDC", is_stable=True, owned=1e9 - held, price=1.0),
        ),
        supply=250e6,
        target_weights={"SOL": 0.44, "USDC": 0.56},
        aum_limit_usd=aum_limit_usd,
    )


def falling(start=25e-4, slope=2e-10):
    """A premium that falls with the size sold."""
    return lambda q: start - slope * q


def creation(**more):
    """The creation of the worked example."""
    values = {"pool": pool(), "asset": "SOL", "premium": falling(), "cost_in": 3e-4, **more}
    return TargetWeightArbitrage(direction="create", params=PARAMS, **values)


def arbitrage(direction, *, held=420e6, edge=25e-4, slope=2e-10, cost=3e-4, gas=0.0, **more):
    """A trade of each direction with an edge that falls with size."""
    terms = {
        "create": {"premium": falling(edge, slope), "cost_in": cost},
        "redeem": {"premium": lambda q: slope * q - edge, "cost_out": cost},
        "create_and_redeem": {
            "oracle_gap": edge,
            "cost_in": cost,
            "cost_out": lambda q: slope * q,
            "asset_out": "USDC",
        },
    }[direction]
    return TargetWeightArbitrage(
        direction=direction, pool=pool(held=held), params=PARAMS, asset="SOL", gas_usd=gas, **terms, **more
    )


def test_the_fees_of_the_worked_example():
    """Mint 7.727273 bps, a withdrawal of 3M 12.443182, a deposit of 50M that overshoots 12.840909."""
    assert creation().flow(1e6).mint_fee * 1e4 == pytest.approx(7.727273, abs=1e-6)
    assert creation().flow(50e6).mint_fee * 1e4 == pytest.approx(12.840909, abs=1e-6)
    assert arbitrage("redeem").flow(3e6).burn_fee * 1e4 == pytest.approx(12.443182, abs=1e-6)


def test_the_best_size_of_the_worked_example():
    """Best 3,566,108, profit 2,541.4597, zero at 7,132,216; the naive figure is 15 bps."""
    trade = creation()
    found = trade.best()
    assert found.size_usd == pytest.approx(3_566_108, abs=2)
    assert found.profit_usd == pytest.approx(2_541.4597, abs=1e-4)
    assert (found.status, found.binding, found.reason) == ("value", "edge", "")
    assert found.fee_bps == pytest.approx(7.727273, abs=1e-6)
    assert trade.pnl(7_132_214) > 0 > trade.pnl(7_132_218)
    assert trade.naive() == pytest.approx(15e-4, rel=1e-12)


def test_the_aum_limit_of_the_worked_example_binds():
    """With 2M to the limit the deposit is 2M, gains 2,051.30, and the limit is named."""
    found = creation(pool=pool(aum_limit_usd=1_002e6)).best()
    assert (found.size_usd, found.binding) == (2e6, "aum_limit")
    assert found.profit_usd == pytest.approx(2_051.30, abs=5e-3)


@given(ratios, st.floats(1, 3e7), edges)
def test_a_creation_is_minting_and_selling(ratio, size, premium):
    """The profit is what the pool's own minting gives, sold at the premium over the virtual price."""
    state = pool(held=420e6 * ratio)
    trade = TargetWeightArbitrage(
        direction="create", pool=state, params=PARAMS, asset="SOL", premium=premium, gas_usd=7.0
    )
    made = mint_jlp(state, "SOL", size / 100.0, PARAMS)
    sold = made.shares * virtual_price(state) * (1.0 + premium)
    assert trade.pnl(size) == pytest.approx(sold - size - 7.0, abs=1e-12 * size + 1e-9)


@given(ratios, st.floats(1, 3e7), edges)
def test_a_redemption_is_buying_and_burning(ratio, size, discount):
    """The profit is what the pool's own burning pays out, less the shares bought at a discount."""
    state = pool(held=420e6 * ratio)
    trade = TargetWeightArbitrage(
        direction="redeem", pool=state, params=PARAMS, asset="SOL", premium=-discount, cost_out=0.002
    )
    assume(size < trade.max_size_usd)
    shares = size / virtual_price(state)
    made = burn_jlp(state, shares, "SOL", PARAMS)
    paid = shares * virtual_price(state) * (1.0 - discount)
    expected = made.amount * 100.0 * (1.0 - 0.002) - paid
    assert trade.pnl(size) == pytest.approx(expected, abs=1e-12 * size + 1e-9)


@given(ratios, st.floats(1, 3e7), edges)
def test_a_round_trip_is_minting_then_burning(ratio, size, gap):
    """Depositing one asset and burning the shares for another in the state it leaves gives the profit."""
    state = pool(held=420e6 * ratio)
    trade = TargetWeightArbitrage(
        direction="create_and_redeem",
        pool=state,
        params=PARAMS,
        asset="SOL",
        asset_out="USDC",
        oracle_gap=gap,
        cost_in=0.001,
    )
    made = mint_jlp(state, "SOL", size / 100.0, PARAMS)
    out = burn_jlp(made.pool, made.shares, "USDC", PARAMS)
    expected = out.amount + gap * size - size * 1.001
    assert trade.pnl(size) == pytest.approx(expected, abs=1e-12 * size + 1e-8)


@settings(max_examples=40)
@given(st.sampled_from(DIRECTIONS), ratios, edges, slopes, st.floats(0, 1e3))
def test_no_size_of_a_fine_grid_is_better(direction, ratio, edge, slope, gas):
    """Brute force over sizes finds no profit above the best, jumps of the fees or not."""
    trade = arbitrage(direction, held=420e6 * ratio, edge=edge, slope=slope, gas=gas)
    found = trade.best()
    grid = np.unique(
        np.concatenate([np.geomspace(1, trade.max_size_usd, 4001), trade._stretches(1e18)[1:-1]])
    )
    profits = trade.pnl(grid[grid <= trade.max_size_usd])
    assert profits.max() <= found.profit_usd * (1 + 1e-9) + 1e-9 * found.size_usd * 1e-3
    assert found.profit_usd == pytest.approx(float(trade.pnl(found.size_usd)), abs=1e-12)
    assert (found.status == "none") == (found.profit_usd == 0)


def test_the_search_over_baskets_finds_the_same_deposit():
    """Creation as the paper states it, on deposits of SOL alone, ends at the same size and profit."""
    trade = creation()

    def discount(p, target, R, D):
        size = float(p[0] * D[0])
        # a deposit of the other asset is lost
        return -float(trade.flow(size).mint_fee) if D[1] == 0 else -1.0

    def costs(size):
        return 3e-4 * size + 2e-10 * size**2 * (1.0 - float(trade.flow(size).mint_fee))

    found = creation_arbitrage(
        discount,
        np.array([100.0, 1.0]),
        np.array([4.2e6, 580e6]),
        np.array([0.44, 0.56]),
        budget=20e6,
        aum_limit=None,
        premium=25e-4,
        costs=costs,
    )
    assert found.profit_usd == pytest.approx(trade.best().profit_usd, rel=1e-9)
    assert found.trade[0] * 100.0 == pytest.approx(trade.best().size_usd, rel=1e-3)


def test_the_best_size_may_lie_just_before_a_jump():
    """A deposit that would pay the tax one dollar later stops at the mirrored distance."""
    trade = TargetWeightArbitrage(
        direction="create", pool=pool(), params=PARAMS, asset="SOL", premium=9e-4, depth_usd=60e6
    )
    found = trade.best()
    # 420M to the mirrored 460M keeps the fee of 7.727 bps; from there it is above 12, more than the premium
    assert found.size_usd == pytest.approx(40e6, rel=1e-9)
    assert found.size_usd < 40e6
    assert trade.pnl(40e6) < 0 < found.profit_usd


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_without_a_premium_there_is_no_arbitrage(direction):
    """The pool's discount is never positive, so that at fair prices every size loses its fee."""
    found = arbitrage(direction, edge=0.0, cost=0.0, slope=0.0).best()
    assert (found.status, found.reason, found.size_usd, found.profit_usd) == (
        "none",
        "no_positive_discount",
        0,
        0,
    )
    assert found.fee_bps is None


def test_gas_that_takes_the_whole_gain_is_told_apart():
    """A trade that gains before gas and not after it says that costs took the edge."""
    assert creation(gas_usd=2_500.0).best().status == "value"
    assert creation(gas_usd=2_600.0).best().reason == "no_edge_after_costs"
    assert creation(premium=0.0, gas_usd=2_600.0).best().reason == "no_positive_discount"


def test_a_pool_at_its_limit_has_no_capacity():
    """Where minting has stopped the best size is nothing, and the limit is named."""
    found = creation(pool=pool(aum_limit_usd=999e6)).best()
    assert (found.reason, found.binding, found.size_usd) == ("zero_capacity", "aum_limit", 0)


@given(st.sampled_from(DIRECTIONS), edges, st.floats(0, 0.01), st.floats(0, 0.01), st.floats(1, 2e7))
def test_profit_falls_with_each_cost(direction, edge, one, other, size):
    """More cost or gas never gains, and a larger edge never loses."""
    low, high = sorted((one, other))

    def profit(**changes):
        return arbitrage(direction, **{"edge": edge, "cost": low, **changes}).pnl(size)

    assert profit(cost=high) <= profit()
    assert profit(gas=5.0) == pytest.approx(profit() - 5.0)
    assert profit(edge=edge + 0.001) > profit()


@given(st.sampled_from(DIRECTIONS), edges, st.floats(1, 2e7), st.floats(0, 100))
def test_the_parts_add_up_and_the_break_even_breaks_even(direction, edge, size, gas):
    """Profit by cause sums to the profit, and at the break-even premium or gap nothing is left."""
    trade = arbitrage(direction, edge=edge, gas=gas)
    parts = trade.decomposition(size)
    assert math.fsum(parts.values()) == pytest.approx(trade.pnl(size), abs=1e-12 * size + 1e-9)
    ((name, even),) = trade.break_evens(size).items()
    if even.status == "never":
        assert direction == "redeem"
        assert gas > size * 0.99
        return
    level = {name: even.value, "gas_usd": gas, "asset": "SOL"}
    costs = {
        "create": {"cost_in": 3e-4},
        "redeem": {"cost_out": 3e-4},
        "create_and_redeem": {"cost_in": 3e-4, "cost_out": 2e-10 * size, "asset_out": "USDC"},
    }[direction]
    at_even = TargetWeightArbitrage(direction=direction, pool=pool(), params=PARAMS, **level, **costs)
    assert at_even.pnl(size) == pytest.approx(0.0, abs=1e-11 * size + 1e-9)


def test_arrays_of_sizes_are_sizes_one_by_one():
    """Profits of many sizes are those of each, and a size of nothing costs no gas."""
    sizes = np.array([0.0, 1.0, 1e6, 50e6])
    for direction in DIRECTIONS:
        trade = arbitrage(direction, gas=5.0)
        assert trade.pnl(sizes).tolist() == [trade.pnl(size) for size in sizes.tolist()]
        assert trade.pnl(0.0) == 0.0


def test_the_loss_by_a_price_gap_is_what_draws_give():
    """With a volatility of 80 % and a delay of ten minutes the probability equals a simulation's."""
    trade, size = creation(), 3e6
    gaps = np.random.default_rng(5).normal(0.0, 0.8 * math.sqrt(600 / 31_536_000), 400_000)
    simulated = float((trade.pnl(size, 1.0 + gaps) < 0).mean())
    assert trade.p_loss(size, vol=0.8, delay_seconds=600) == pytest.approx(simulated, abs=0.003)
    assert 0.3 < simulated < 0.49
    assert trade.p_loss(size, vol=0.8, delay_seconds=0) == 0.0
    assert trade.p_loss(7.2e6, vol=0.0, delay_seconds=600) == 1.0


def test_a_size_beyond_a_cap_is_refused_by_name():
    """The tightest cap, its size and the slack to every cap are stated."""
    trade = creation(depth_usd=5e6)
    with pytest.raises(CapacityError, match="beyond market_depth; at most 5000000") as refused:
        trade.pnl(np.array([1.0, 6e6]))
    assert (refused.value.binding, refused.value.maximum) == ("market_depth", 5e6)
    slack = trade.slack(6e6)
    assert slack["market_depth"] == -1e6
    assert slack["aum_limit"] == pytest.approx(994e6)
    # (420 + x)/(1000 + x) = 0.528
    assert slack["weight_band"] == pytest.approx((528 - 420) / (1 - 0.528) * 1e6 - 6e6)


def test_a_round_trip_stops_where_what_it_burns_for_runs_out():
    """What is locked of the asset taken out, and its band, cap the deposit whose shares are burnt."""
    state = pool()
    locked = PoolState(
        custodies=(
            CustodyState(
                asset="SOL", is_stable=False, owned=4.2e6, locked=4.1e6, price=100.0, guaranteed_usd=400e6
            ),
            state.custody("USDC"),
        ),
        supply=250e6,
        target_weights={"SOL": 0.44, "USDC": 0.56},
        aum_limit_usd=2e9,
    )
    trade = TargetWeightArbitrage(
        direction="create_and_redeem", pool=locked, params=PARAMS, asset="USDC", asset_out="SOL"
    )
    made = mint_jlp(locked, "USDC", trade.caps["unlocked_assets"], PARAMS)
    burnt = made.shares * virtual_price(locked)
    assert burnt == pytest.approx(0.1e6 * 100.0, rel=1e-9)
    assert aum(locked) == pytest.approx(990e6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"direction": "burn"}, "direction = 'burn'"),
        ({"cost_out": 0.1}, "cost_out = 0.1: create does not use it"),
        ({"oracle_gap": 0.1}, "oracle_gap"),
        ({"asset_out": "USDC"}, "asset_out"),
        ({"direction": "create_and_redeem", "premium": 0.0, "asset_out": "SOL"}, "name an asset other than"),
        ({"gas_usd": -1.0}, "gas_usd"),
        ({"depth_usd": math.nan}, "depth_usd"),
    ],
)
def test_what_is_refused(changes, message):
    """A term that the direction would leave out, and values outside their range, are refused."""
    with pytest.raises(DomainError, match=message):
        TargetWeightArbitrage(
            **{"direction": "create", "pool": pool(), "params": PARAMS, "asset": "SOL", **changes}
        )


def test_terms_by_size_are_checked_where_they_are_used():
    """A premium of -1 or less and a size that is none are refused when the profit is asked for."""
    with pytest.raises(DomainError, match="premium"):
        creation(premium=lambda q: -1.0 - 0.0 * q).pnl(1.0)
    with pytest.raises(DomainError, match=r"^q = "):
        creation().pnl(-1.0)
    with pytest.raises(DomainError, match="no break-even"):
        creation().break_evens(0)
    state = pool()
    many = PoolState(
        custodies=state.custodies, supply=np.array([1.0, 2.0]), target_weights={"SOL": 0.44, "USDC": 0.56}
    )
    with pytest.raises(DomainError, match="arrays"):
        creation(pool=many)
