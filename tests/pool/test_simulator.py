"""Oracles: the worked step of pdlp.md 14, plain loops over dictionaries, and derivations written in the tests."""

import math

import numpy as np
import pytest
from simulator_cases import FREE, RULES, book, only, parameters, plain, quiet, schedule, start

from yieldtrade.pool.simulator import (
    CloseOrder,
    Deposit,
    OpenOrder,
    Period,
    Positions,
    SimulatorParameters,
    SimulatorState,
    available,
    net_asset_value,
    share_price,
    simulate,
    step,
    total_usd,
)

WORKED = SimulatorParameters(kappa=0.01, fee=0.001, pool_share=0.75)


def worked_state(**changed):
    """Return the state of pdlp.md 14: A long 10 ETH, B long 4, C short 5, all entered at 2,000."""
    positions = Positions(
        ids=[1, 2, 3],
        asset=[1, 1, 1],
        side=[1, 1, -1],
        size=[10, 4, 5],
        collateral=[10_000, 2_000, 2_500],
        entry=[2000, 2000, 2000],
    )
    fields = {"prices": [1, 2000], "reserves": [400_000, 200], "shares": 8000, "positions": positions}
    return SimulatorState(**fields | changed)


def test_the_worked_step_up_to_its_fees():
    """Appendix A, steps 1-4: A and C live, B is liquidated with a shortfall of 80, funding and fees are paid."""
    before = worked_state()
    assert total_usd(before) == 814_500
    after, report = step(before, [1, 1480], (), (), WORKED)
    assert report.revaluation_usd == -104_000
    assert total_usd(after) == report.total_usd == 710_500
    assert report.liquidations.ids.tolist() == [2]
    assert report.liquidations.seized_usd == 2_000
    assert report.shortfall_usd == report.liquidations.shortfall_usd == 80
    assert report.funding.rate[1] == pytest.approx(0.0126, rel=1e-12)
    assert report.funding.paid_usd == pytest.approx([0, 186.48], rel=1e-12)
    assert report.funding.shortfall_usd.tolist() == [0, 0]
    assert report.fees == pytest.approx((22.5, 7.5, 0), rel=1e-12)
    assert after.protocol_usd == pytest.approx(7.5, rel=1e-12)
    assert after.reserves == pytest.approx([402_022.5, 200], rel=1e-12)
    assert after.positions.ids.tolist() == [1, 3]
    assert after.positions.collateral == pytest.approx([9_793.52, 2_676.48], rel=1e-12)
    assert net_asset_value(after) == report.nav_usd == pytest.approx(700_622.5, rel=1e-12)
    assert share_price(after) == report.share_price == pytest.approx(87.5778125, rel=1e-12)
    assert abs(report.residual_usd) < 1e-9


def test_the_worked_step_with_a_deposit_and_an_open():
    """Appendix A, steps 5-6: 10 ETH mint 168.992574 shares at an unchanged price; an open at equality is filled."""
    order = OpenOrder(id=4, asset=1, side="long", size=2, collateral=740, leverage=4)
    after, report = step(worked_state(), [1, 1480], [Deposit(amounts=[0, 10])], [order], WORKED)
    minted = only(report.lp_outcomes)
    assert minted.accepted
    assert minted.shares == pytest.approx(168.992574, abs=5e-7)
    assert minted.value_usd == 14_800
    assert share_price(after) == pytest.approx(87.5778125, rel=1e-12)
    opened = only(report.order_outcomes)
    assert opened.accepted
    assert opened.cash_usd == 740
    assert available(after) == pytest.approx([392_022.5, 198], rel=1e-12)
    assert total_usd(after) == pytest.approx(726_040, rel=1e-12)
    assert report.lp_flow_usd == 14_800
    assert report.trader_flow_usd == 740
    assert report.rejected == ()
    assert len(report.accepted) == 2
    assert abs(report.residual_usd) < 1e-9


def test_one_unit_less_of_collateral_is_refused():
    """(1): p*delta = 2,960 > 4*739.99, so D is rejected whole and the reason names what is needed."""
    order = OpenOrder(id=4, asset=1, side="long", size=2, collateral=739.99, leverage=4)
    after, report = step(worked_state(), [1, 1480], (), [order], WORKED)
    assert only(report.rejected).reason == "collateral 739.99 USD below the 740 that its leverage needs"
    assert after.positions.ids.tolist() == [1, 3]
    assert report.trader_flow_usd == 0


def test_a_close_of_a_position_that_was_just_liquidated_is_rejected():
    """Its id is not open any more when the orders come."""
    report = step(worked_state(), [1, 1480], (), [CloseOrder(id=2)], WORKED)[1]
    assert only(report.rejected).reason == "no position 2 is open"


def test_the_order_of_the_appendix_charges_new_positions_too():
    """E21: last, fees fall on A, C and D: 0.001*(20,000 + 10,000 + 2,960) = 32.96, after the deposit's shares."""
    params = SimulatorParameters(kappa=0.01, fee=0.001, pool_share=0.75, order="appendix")
    order = OpenOrder(id=4, asset=1, side="long", size=2, collateral=740, leverage=4)
    after, report = step(worked_state(), [1, 1480], [Deposit(amounts=[0, 10])], [order], params)
    assert report.fees == pytest.approx((0.75 * 32.96, 0.25 * 32.96, 0), rel=1e-12)
    assert after.positions.collateral == pytest.approx([9_793.52, 2_676.48, 737.04], rel=1e-12)
    # the share price of the deposit lacks the 22.5 of fees: (700,622.5 - 22.5)/8000
    assert only(report.lp_outcomes).shares == pytest.approx(14_800 / (700_600 / 8000), rel=1e-12)
    assert total_usd(after) == pytest.approx(726_040, rel=1e-12)


def test_fees_on_the_current_notional():
    """With ``fee_base="current"`` A and C pay 0.001*1,480*(10 + 5) = 22.2."""
    params = SimulatorParameters(kappa=0.01, fee=0.001, pool_share=0.75, fee_base="current")
    report = step(worked_state(), [1, 1480], (), (), params)[1]
    assert report.fees == pytest.approx((0.75 * 22.2, 0.25 * 22.2, 0), rel=1e-12)


@pytest.mark.parametrize("rules", RULES, ids=range(len(RULES)))
@pytest.mark.parametrize("seed", range(6))
def test_random_schedules_run_as_in_plain_loops(seed, rules):
    """Reserves, shares, positions and every figure of the report agree with loops over dictionaries."""
    state, params = start(seed), parameters(rules)
    pool = plain(state, rules)
    opened = 0
    for period in schedule(state, seed):
        expected = pool.step(period.prices.tolist(), period.lp_updates, period.orders)
        state, report = step(state, period.prices, period.lp_updates, period.orders, params)
        opened += sum(outcome.accepted for outcome in report.order_outcomes)
        assert report.liquidations.ids.tolist() == expected["liquidated"]
        assert report.liquidations.shortfall_usd == pytest.approx(expected["shortfall"], abs=1e-6)
        assert report.funding.paid_usd == pytest.approx(expected["funding"], rel=1e-9, abs=1e-6)
        assert report.funding.shortfall_usd == pytest.approx(expected["funding_shortfall"], abs=1e-6)
        assert report.fees == pytest.approx(expected["fees"], rel=1e-9, abs=1e-6)
        for got, wanted in zip(report.lp_outcomes, expected["lp"], strict=True):
            assert got.accepted == (wanted is not None)
            assert got.shares == pytest.approx(wanted or 0.0, rel=1e-9)
        for got, wanted in zip(report.order_outcomes, expected["orders"], strict=True):
            assert got.accepted == (wanted is not None)
            assert got.cash_usd == pytest.approx(wanted or 0.0, rel=1e-9, abs=1e-6)
        agree(state, pool)
    assert opened > 10


def agree(state, pool):
    """Compare a state with the plain pool, field by field."""
    assert state.reserves == pytest.approx(pool.reserves, rel=1e-9)
    assert state.shares == pytest.approx(pool.shares, rel=1e-9)
    assert state.protocol_usd == pytest.approx(pool.protocol, rel=1e-9, abs=1e-9)
    assert available(state) == pytest.approx(pool.free(), rel=1e-9, abs=1e-6)
    assert net_asset_value(state) == pytest.approx(pool.nav(), rel=1e-9)
    assert total_usd(state) == pytest.approx(pool.total(), rel=1e-9)
    kept = sorted(pool.positions.items())
    assert state.positions.ids.tolist() == [key for key, _ in kept]
    for name in ("asset", "side", "size", "collateral", "entry"):
        expected = [position[name] for _, position in kept]
        assert getattr(state.positions, name).tolist() == pytest.approx(expected, rel=1e-9, abs=1e-7)


def test_many_positions_run_as_in_plain_loops():
    """Liquidations, funding and fees of 2,000 positions in four markets agree with loops over them."""
    state, rules = book(2000, 3), {"kappa": 0.02, "fee": 0.01, "pool_share": 0.4, "maintenance": 0.01}
    pool = plain(state, rules)
    for move in ([1, 1.04, 0.95, 1.1, 0.9], [1, 0.9, 1.07, 0.97, 1.02]):
        prices = state.prices * move
        expected = pool.step(prices.tolist())
        state, report = step(state, prices, (), (), parameters(rules))
        assert report.liquidations.ids.tolist() == expected["liquidated"]
        assert len(expected["liquidated"]) > 50
        assert report.fees == pytest.approx(expected["fees"], rel=1e-9, abs=1e-6)
        agree(state, pool)


def test_the_whole_collateral_of_a_liquidated_position_goes_to_the_pool():
    """A maintenance of 5 % takes a long of 1 coin with 4 USD left at 90: 14 USD go to the pool, none is short."""
    positions = Positions(ids=[1], asset=[1], side=[1], size=[1], collateral=[14], entry=[100])
    params = SimulatorParameters(kappa=0, fee=0, pool_share=0, maintenance=0.05)
    after, report = step(quiet(positions=positions), [1, 90], (), (), params)
    assert report.liquidations.ids.tolist() == [1]
    assert report.shortfall_usd == 0
    assert after.reserves.tolist() == [1014, 10]
    assert available(after).tolist() == [1014, 10]


def test_liquidation_at_equality():
    """The condition of the paper holds at equality: a long of 1 at 100 with 10 USD is liquidated at 90 exactly."""
    positions = Positions(ids=[1], asset=[1], side=[1], size=[1], collateral=[10], entry=[100])
    state = quiet(positions=positions)
    assert step(state, [1, 90], (), (), FREE)[1].liquidations.ids.tolist() == [1]
    assert step(state, [1, math.nextafter(90, 91)], (), (), FREE)[1].liquidations.ids.tolist() == []


def test_payers_of_funding_give_at_most_their_collateral():
    """A payer of 300 due with 40 in escrow gives 40; receivers share it 3:1 by size; 260 are booked as short.

    L 6 (one long of 6), S 4 (3 and 1): at kappa 1 and p' = p the rate is 6/4 - 1 = 0.5, due 0.5*100*6 = 300.
    """
    positions = Positions(
        ids=[1, 2, 3],
        asset=[1, 1, 1],
        side=[1, -1, -1],
        size=[6, 3, 1],
        collateral=[40, 50, 60],
        entry=[100, 100, 100],
    )
    params = SimulatorParameters(kappa=1, fee=0, pool_share=0)
    after, report = step(quiet(positions=positions), [1, 100], (), (), params)
    assert report.funding.rate[1] == 0.5
    assert report.funding.paid_usd.tolist() == [0, 40]
    assert report.funding.shortfall_usd.tolist() == [0, 260]
    assert after.positions.collateral.tolist() == [0, 80, 70]


def test_shorts_pay_where_the_rate_is_negative():
    """Rising to 120 with L = S: the rate is 0.1*(1 - 1.2) = -0.02, the short pays 0.02*120*2 = 4.8."""
    positions = Positions(
        ids=[1, 2], asset=[1, 1], side=[1, -1], size=[2, 2], collateral=[50, 50], entry=[100, 100]
    )
    params = SimulatorParameters(kappa=0.1, fee=0, pool_share=0)
    after, report = step(quiet(positions=positions), [1, 120], (), (), params)
    assert report.funding.paid_usd == pytest.approx([0, -4.8], rel=1e-12)
    assert after.positions.collateral == pytest.approx([54.8, 45.2], rel=1e-12)


@pytest.mark.parametrize("side", [1, -1])
def test_no_funding_without_the_other_side(side):
    """A market with one side only pays nothing and has no rate."""
    positions = Positions(ids=[1], asset=[1], side=[side], size=[2], collateral=[50], entry=[100])
    after, report = step(
        quiet(positions=positions), [1, 101], (), (), SimulatorParameters(kappa=1, fee=0, pool_share=0)
    )
    assert np.isnan(report.funding.rate).all()
    assert report.funding.paid_usd.tolist() == [0, 0]
    assert after.positions.collateral.tolist() == [50]


def test_funding_by_market_with_a_kappa_for_each():
    """Each market has its own kappa and pays on its own: 0.1*(3 - 1)*100*3 = 60 in one, nothing in the other."""
    positions = Positions(
        ids=[1, 2, 3, 4],
        asset=[1, 1, 2, 2],
        side=[1, -1, 1, -1],
        size=[3, 1, 3, 1],
        collateral=[100, 100, 100, 100],
        entry=[100, 100, 100, 100],
    )
    state = quiet((1000, 10, 10), positions=positions)
    params = SimulatorParameters(kappa=[0, 0.1, 0], fee=0, pool_share=0)
    report = step(state, [1, 100, 100], (), (), params)[1]
    assert report.funding.paid_usd == pytest.approx([0, 60, 0], rel=1e-12)


def test_a_fee_takes_at_most_the_collateral():
    """0.5*2*100 = 100 due, 30 in escrow: 30 are paid, 70 booked; the position is liquidated one step later."""
    positions = Positions(ids=[1], asset=[1], side=[1], size=[2], collateral=[30], entry=[100])
    params = SimulatorParameters(kappa=0, fee=0.5, pool_share=0.6)
    after, report = step(quiet(positions=positions), [1, 100], (), (), params)
    assert report.fees == (18, 12, 70)
    assert after.positions.collateral.tolist() == [0]
    assert step(after, [1, 100], (), (), params)[1].liquidations.ids.tolist() == [1]


def test_a_simulation_is_its_steps():
    """``simulate`` chains steps; its series are the figures of the reports."""
    state, params = start(2), parameters(RULES[0])
    periods = schedule(state, 2)
    run = simulate(state, iter(periods), params)
    for number, period in enumerate(periods):
        state, report = step(state, period.prices, period.lp_updates, period.orders, params)
        assert run.reports[number].nav_usd == report.nav_usd
        assert run.series.nav_usd[number] == net_asset_value(state)
        assert run.series.share_price[number] == pytest.approx(share_price(state), rel=1e-15)
        assert run.series.total_usd[number] == total_usd(state)
        assert run.series.reserves[number].tolist() == state.reserves.tolist()
        assert run.series.locked[number].tolist() == state.locked.tolist()
        assert run.series.pool_fees_usd[number] == report.fees.pool_usd
        assert run.series.protocol_fees_usd[number] == report.fees.protocol_usd
        assert run.series.funding_usd[number].tolist() == report.funding.paid_usd.tolist()
        assert run.series.shortfall_usd[number] == report.shortfall_usd
        assert run.series.liquidations[number] == len(report.liquidations.ids)
        assert run.series.prices[number].tolist() == period.prices.tolist()
        assert run.series.shares[number] == state.shares
        assert run.series.lp_flow_usd[number] == report.lp_flow_usd
        assert run.series.trader_flow_usd[number] == report.trader_flow_usd
    assert run.series.t.tolist() == list(range(1, len(periods) + 1))
    assert run.final.t == state.t == len(periods)
    assert run.series.protocol_fees_usd.sum() == pytest.approx(state.protocol_usd, rel=1e-12)


def test_a_simulation_of_no_periods():
    """It ends where it starts, with series of no rows."""
    state = quiet()
    run = simulate(state, [], FREE)
    assert run.final is state
    assert run.reports == ()
    assert run.series.nav_usd.shape == (0,)
    assert run.series.prices.shape == (0, 2)


def test_the_share_price_of_an_empty_pool_is_missing_in_a_series():
    """NaN, not 0."""
    empty = SimulatorState(prices=[1, 100], reserves=[0, 0], shares=0)
    periods = [Period(prices=[1, 100]), Period(prices=[1, 100], lp_updates=[Deposit(amounts=[5, 0])])]
    assert simulate(empty, periods, FREE).series.share_price == pytest.approx([math.nan, 1], nan_ok=True)
