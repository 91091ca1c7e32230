"""The invariants of pdlp.md 10, after every step of random schedules over several assets and markets."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator_cases import FREE, RULES, book, only, parameters, quiet, schedule, start

from yieldtrade.pool.simulator import (
    CloseOrder,
    Deposit,
    OpenOrder,
    Positions,
    SimulatorParameters,
    net_asset_value,
    share_price,
    step,
    total_usd,
)

# of T, the largest residual that is rounding (pdlp.md 10)
RESIDUAL = 1e-9
TARGET = [0.25, 0.25, 0.25, 0.25]
seeds = st.integers(0, 10_000)


def towards_target(p, target, R, D):
    """A discount for coming closer to the target weights, a fee for moving away; 0 for no trade."""

    def distance(units):
        return float(np.sum((p * units / (p @ units) - target) ** 2))

    return 0.2 * (distance(R) - distance(R + D))


GUARDED = SimulatorParameters(
    kappa=[0.02, 0.05, 0.01, 0.03],
    fee=[0.001, 0.004, 0.002, 0.003],
    pool_share=0.75,
    maintenance=0.01,
    discount=towards_target,
    target_weights=TARGET,
    weight_failsafe=0.9,
    aum_limit_usd=9e5,
    max_leverage=10,
)
EVERY_RULE = [*map(parameters, RULES), GUARDED]
rules = pytest.mark.parametrize("params", EVERY_RULE, ids=range(len(EVERY_RULE)))


def walk(seed, params):
    """Yield state, period, next state and report of a random schedule."""
    state = start(seed)
    for period in schedule(state, seed):
        after, report = step(state, period.prices, period.lp_updates, period.orders, params)
        yield state, period, after, report
        state = after


def rows(positions):
    """Positions one by one, as plain numbers."""
    columns = (getattr(positions, name).tolist() for name in ("ids", "asset", "side", "size"))
    return list(zip(*columns, positions.collateral.tolist(), positions.entry.tolist(), strict=True))


def bits(state):
    """Everything in a state but its count of steps, to the last bit."""
    book = state.positions
    arrays = (state.prices, state.reserves, book.ids, book.asset, book.side, book.size, book.collateral)
    return [array.tobytes() for array in (*arrays, book.entry)], state.shares, state.protocol_usd


@rules
@settings(max_examples=6)
@given(seed=seeds)
def test_all_value_is_accounted_for(params, seed):
    """Step 1 changes T by R.(p' - p), steps 2-4 by nothing, steps 5-6 by the cash from outside and nothing else."""
    for before, period, after, report in walk(seed, params):
        scale = RESIDUAL * total_usd(before)
        move = float(before.reserves @ (period.prices - before.prices))
        unflowed, quiet_report = step(before, period.prices, (), (), params)
        assert report.revaluation_usd == pytest.approx(move, abs=scale)
        assert total_usd(unflowed) - total_usd(before) == pytest.approx(move, abs=scale)
        cash = report.lp_flow_usd + report.trader_flow_usd
        assert total_usd(after) - total_usd(unflowed) == pytest.approx(cash, abs=scale)
        assert abs(report.residual_usd) <= scale
        assert abs(quiet_report.residual_usd) <= scale
        deposits = sum(
            float(update.amounts @ period.prices)
            for update, outcome in zip(period.lp_updates, report.lp_outcomes, strict=True)
            if outcome.accepted and isinstance(update, Deposit)
        )
        assert deposits == pytest.approx(sum(max(o.value_usd, 0) for o in report.lp_outcomes), abs=scale)


@rules
@settings(max_examples=6)
@given(seed=seeds)
def test_nothing_is_negative_and_reserves_cover_what_is_locked(params, seed):
    """R >= locked >= 0, collateral >= 0, and shares are 0 only with an empty pool."""
    for _, _, after, _ in walk(seed, params):
        locked = np.zeros(4)
        for _, asset, side, size, collateral, entry in rows(after.positions):
            locked[asset if side > 0 else after.numeraire] += size if side > 0 else size * entry
            assert collateral >= 0
            assert size > 0
        assert after.locked == pytest.approx(locked, rel=1e-12)
        assert (after.reserves * (1 + 1e-12) >= locked).all()
        assert after.reserves.min() > 0
        assert after.shares > 0
        assert after.protocol_usd >= 0


@rules
@settings(max_examples=6)
@given(seed=seeds)
def test_every_accepted_open_is_collateralised(params, seed):
    """(1) holds for it at its own price and leverage, which stays within the limit."""
    for _, period, _, report in walk(seed, params):
        for order, outcome in zip(period.orders, report.order_outcomes, strict=True):
            if outcome.accepted and isinstance(order, OpenOrder):
                price = float(period.prices[order.asset])
                assert price * order.size <= order.leverage * order.collateral
                assert params.max_leverage is None or order.leverage <= params.max_leverage


@rules
@settings(max_examples=6)
@given(seed=seeds)
def test_liquidated_are_those_whose_equity_is_used_up(params, seed):
    """After step 2 no position is left with collateral + pnl <= maintenance*size*p', and no other one was taken."""
    maintenance = np.broadcast_to(params.maintenance, 4)
    for before, period, _, report in walk(seed, params):
        due = []
        for key, asset, side, size, collateral, entry in rows(before.positions):
            equity = collateral + side * size * (period.prices[asset] - entry)
            if equity <= maintenance[asset] * size * period.prices[asset]:
                due.append(key)
        assert report.liquidations.ids.tolist() == due


@rules
@settings(max_examples=6)
@given(seed=seeds)
def test_funding_and_pnl_are_zero_sum(params, seed):
    """Funding paid is funding received in each market; what traders gain the pool loses.

    Without flows the pool's value, the traders' equity and the protocol's fees change by R.(p' - p) together.
    """
    for before, period, _, _ in walk(seed, params):
        unpaid = replace(params, fee=0.0)
        after = step(before, period.prices, (), (), unpaid)[0]
        survivors = np.isin(before.positions.ids, after.positions.ids)
        for asset in range(4):
            posted = before.positions.collateral[survivors & (before.positions.asset == asset)].sum()
            held = after.positions.collateral[after.positions.asset == asset].sum()
            assert held == pytest.approx(posted, rel=1e-12, abs=1e-9)
        charged = step(before, period.prices, (), (), params)[0]
        moved = float(before.reserves @ (period.prices - before.prices))
        changes = [
            net_asset_value(charged) - net_asset_value(before),
            equity(charged) - equity(before),
            charged.protocol_usd - before.protocol_usd,
        ]
        assert sum(changes) == pytest.approx(moved, abs=RESIDUAL * total_usd(before))


def equity(state):
    """What the traders own: their collateral and their profit."""
    return sum(
        collateral + side * size * (float(state.prices[asset]) - entry)
        for _, asset, side, size, collateral, entry in rows(state.positions)
    )


@given(
    side=st.sampled_from(["long", "short"]),
    size=st.floats(0.01, 10.0),
    price=st.floats(60.0, 160.0),
    fraction=st.floats(0.05, 1.0),
)
def test_a_round_trip_moves_its_profit_from_the_pool_to_the_trader(side, size, price, fraction):
    """Opened at 100 with full collateral and closed at p, the trader is up by the profit and the pool down."""
    order = OpenOrder(id=1, asset=1, side=side, size=size, collateral=100 * size, leverage=1)
    state = quiet()
    opened, first = step(state, [1, 100], (), [order], FREE)
    orders = [CloseOrder(id=1, fraction=fraction), CloseOrder(id=1)]
    closed, last = step(opened, [1, price], (), orders, FREE)
    profit = (1 if side == "long" else -1) * size * (price - 100)
    assert first.trader_flow_usd + last.trader_flow_usd == pytest.approx(-profit, rel=1e-9, abs=1e-9)
    assert net_asset_value(closed) == pytest.approx(1000 + 10 * price - profit, rel=1e-12)
    assert len(closed.positions) == 0


@settings(max_examples=20)
@given(seed=seeds, amounts=st.lists(st.floats(1.0, 5e4), min_size=4, max_size=4))
def test_a_deposit_without_discount_leaves_the_share_price(seed, amounts):
    """With traders in profit and in loss, d/share price new shares keep the price of every share."""
    params = parameters(RULES[0])
    *_, (_, _, state, _) = walk(seed, params)
    after = step(state, state.prices, (), (), replace(params, fee=0.0, kappa=0.0))[0]
    deposit = Deposit(amounts=np.array(amounts) / after.prices)
    paid = step(after, after.prices, [deposit], (), replace(params, fee=0.0, kappa=0.0))[0]
    assert paid.shares > after.shares
    assert share_price(paid) == pytest.approx(share_price(after), rel=1e-12)


@settings(max_examples=20)
@given(seed=seeds, amounts=st.lists(st.floats(1.0, 5e4), min_size=4, max_size=4))
def test_a_discount_moves_the_value_of_existing_shares_by_its_cost(seed, amounts):
    """With F existing holders' value changes by exactly -F*p.D, F taken at the weights before the deposit (E14)."""
    params = replace(GUARDED, fee=0.0, kappa=0.0, weight_failsafe=None, aum_limit_usd=None)
    *_, (_, _, state, _) = walk(seed, params)
    state = step(state, state.prices, (), (), params)[0]
    deposit = Deposit(amounts=np.array(amounts) / state.prices)
    after, report = step(state, state.prices, [deposit], (), params)
    value = float(deposit.amounts @ state.prices)
    F = towards_target(state.prices, np.array(TARGET), state.reserves, deposit.amounts)
    assert only(report.lp_outcomes).discount == F
    kept = state.shares * share_price(after)
    assert kept == pytest.approx(net_asset_value(state) - F * value, rel=1e-12)


@settings(max_examples=15)
@given(seed=seeds)
def test_the_order_of_positions_changes_no_bit(seed):
    """Positions given in another order are the same positions."""
    state, params = book(300, seed), SimulatorParameters(kappa=0.02, fee=0.01, pool_share=0.4)
    rng = np.random.default_rng(seed)
    order = rng.permutation(300)
    columns = {
        name: getattr(state.positions, name)[order]
        for name in ("ids", "asset", "side", "size", "collateral", "entry")
    }
    shuffled = replace(state, positions=Positions(**columns))
    prices = state.prices * np.array([1, 1.03, 0.96, 1.05, 0.93])
    one, other = (step(start, prices, (), (), params) for start in (state, shuffled))
    assert bits(one[0]) == bits(other[0])
    taken, same = one[1].liquidations, other[1].liquidations
    assert taken.ids.tolist() == same.ids.tolist()
    assert (taken.seized_usd, taken.shortfall_usd) == (same.seized_usd, same.shortfall_usd)
    assert one[1].fees == other[1].fees


@settings(max_examples=15)
@given(seed=seeds)
def test_the_labels_of_assets_change_no_bit(seed):
    """Renumbering the assets, and with them the numeraire and the markets, renumbers the result."""
    state = book(300, seed)
    new = np.random.default_rng(seed).permutation(5)
    old = np.argsort(new)
    kappa, fee = np.array([0, 0.02, 0.03, 0.01, 0.05]), np.array([0, 0.01, 0.02, 0.005, 0.001])
    prices = state.prices * np.array([1, 1.03, 0.96, 1.05, 0.93])
    held = state.positions
    renumbered = replace(
        state,
        prices=state.prices[old],
        reserves=state.reserves[old],
        numeraire=int(new[0]),
        positions=replace(held, asset=new[held.asset]),
    )
    one, report = step(state, prices, (), (), SimulatorParameters(kappa=kappa, fee=fee, pool_share=0.4))
    other, renumbered_report = step(
        renumbered, prices[old], (), (), SimulatorParameters(kappa=kappa[old], fee=fee[old], pool_share=0.4)
    )
    assert other.reserves.tolist() == one.reserves[old].tolist()
    assert other.positions.collateral.tolist() == one.positions.collateral.tolist()
    assert renumbered_report.funding.paid_usd.tolist() == report.funding.paid_usd[old].tolist()
    assert renumbered_report.nav_usd == report.nav_usd
    assert renumbered_report.total_usd == report.total_usd


@settings(max_examples=15)
@given(seed=seeds)
def test_positions_split_in_halves_leave_all_totals(seed):
    """Two halves are liquidated, fund and pay as the whole did."""
    state = book(200, seed)
    held = state.positions
    both = {name: np.concatenate([getattr(held, name)] * 2) for name in ("asset", "side", "entry")}
    halves = {name: np.concatenate([getattr(held, name) / 2] * 2) for name in ("size", "collateral")}
    split = replace(
        state, positions=Positions(ids=np.concatenate([held.ids, held.ids + 200]), **both, **halves)
    )
    params = SimulatorParameters(kappa=0.3, fee=0.02, pool_share=0.4, maintenance=0.01)
    prices = state.prices * np.array([1, 1.04, 0.95, 1.06, 0.94])
    (one, report), (other, halved) = (step(start, prices, (), (), params) for start in (state, split))
    assert sorted(halved.liquidations.ids.tolist()) == sorted(
        [*report.liquidations.ids.tolist(), *(report.liquidations.ids + 200).tolist()]
    )
    assert halved.liquidations[1:] == pytest.approx(report.liquidations[1:], rel=1e-12, abs=1e-6)
    assert halved.funding.paid_usd == pytest.approx(report.funding.paid_usd, rel=1e-9)
    assert halved.funding.shortfall_usd == pytest.approx(report.funding.shortfall_usd, rel=1e-9, abs=1e-6)
    assert halved.fees == pytest.approx(report.fees, rel=1e-9)
    assert other.reserves == pytest.approx(one.reserves, rel=1e-12)
    assert total_usd(other) == pytest.approx(total_usd(one), rel=1e-12)
    assert net_asset_value(other) == pytest.approx(net_asset_value(one), rel=1e-12)


@rules
@settings(max_examples=5)
@given(seed=seeds)
def test_a_period_in_which_nothing_happens_is_the_identity(params, seed):
    """No price change, kappa = 0, f = 0, no updates and nobody to liquidate: only the count of steps moves."""
    idle = replace(params, kappa=0.0, fee=0.0)
    *_, (_, _, state, _) = walk(seed, params)
    state = step(state, state.prices, (), (), idle)[0]
    after, report = step(state, state.prices, (), (), idle)
    assert bits(after) == bits(state)
    assert after.t == state.t + 1
    assert report.residual_usd == report.revaluation_usd == 0


@rules
@settings(max_examples=5)
@given(seed=seeds)
def test_a_step_is_deterministic_and_writes_to_no_input(params, seed):
    """The same inputs give the same bits, and states, prices and baskets are what they were."""
    for before, period, after, report in walk(seed, params):
        held, prices = bits(before), period.prices.copy()
        baskets = [u.amounts.copy() for u in period.lp_updates if isinstance(u, Deposit)]
        again, report_again = step(before, prices, period.lp_updates, period.orders, params)
        assert bits(again) == bits(after)
        assert report_again.lp_outcomes == report.lp_outcomes
        assert report_again.order_outcomes == report.order_outcomes
        assert bits(before) == held
        assert prices.tolist() == period.prices.tolist()
        for basket, update in zip(
            baskets, [u for u in period.lp_updates if isinstance(u, Deposit)], strict=True
        ):
            assert basket.tolist() == update.amounts.tolist()


def test_a_state_keeps_its_own_copies():
    """Writing to the arrays a state was made of does not change it, and its own are read-only."""
    reserves, sizes = np.array([1000.0, 10.0]), np.array([1.0])
    positions = Positions(ids=[1], asset=[1], side=[1], size=sizes, collateral=[50], entry=[100])
    state = quiet(reserves, positions=positions)
    reserves[:], sizes[:] = 0, 0
    after = step(state, [1, 101], (), (), parameters(RULES[0]))[0]
    for held in (state, after):
        for array in (
            held.prices,
            held.reserves,
            held.locked,
            held.positions.size,
            held.positions.collateral,
        ):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 5.0


@settings(max_examples=20)
@given(
    baskets=st.lists(st.tuples(st.floats(10.0, 500.0), st.floats(0.1, 5.0)), min_size=2, max_size=5),
    seed=seeds,
)
def test_deposits_in_any_order_leave_the_same_reserves(baskets, seed):
    """Accepted deposits add up to the same reserves; whom the discount favours depends on who comes first."""
    params = replace(FREE, discount=towards_target, target_weights=[0.3, 0.7])
    updates = [Deposit(amounts=basket) for basket in baskets]
    order = np.random.default_rng(seed).permutation(len(updates))
    one = step(quiet(), [1, 100], updates, (), params)[0]
    other = step(quiet(), [1, 100], [updates[k] for k in order], (), params)[0]
    assert other.reserves == pytest.approx(one.reserves, rel=1e-14)


def test_the_order_of_deposits_decides_who_gets_the_discount():
    """Of two alike that mend the weights the first gets more shares, and always the same number of them."""
    params = replace(FREE, discount=towards_target, target_weights=[0.3, 0.7])
    coins = Deposit(amounts=[0, 5])
    first, second = step(quiet(), [1, 100], [coins, coins], (), params)[1].lp_outcomes
    assert first.discount > second.discount > 0
    assert first.shares > second.shares
