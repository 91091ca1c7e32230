"""Oracles: derivations written in the tests, on a pool of 1,000 USD and 10 coins at 100 with 2,000 shares."""

import re

import numpy as np
import pytest
from simulator_cases import FREE, discounted, jump, only, opening, quiet

from yieldtrade.pool.simulator import (
    BasketRedemption,
    CloseOrder,
    Deposit,
    Positions,
    Redemption,
    SimulatorParameters,
    SimulatorState,
    available,
    share_price,
    step,
)


def test_a_profitable_long_is_paid_in_its_coin():
    """E23: bought 2 coins at 100, closed at 125: 50/125 = 0.4 coins leave the pool, the 50 USD come back."""
    state, opened = step(quiet(), [1, 100], (), [opening()], FREE)
    after, report = step(state, [1, 125], (), [CloseOrder(id=7)], FREE)
    closed = only(report.order_outcomes)
    assert (closed.paid_units, closed.pnl_usd, closed.shortfall_usd) == (0.4, 50, 0)
    assert closed.cash_usd == -100
    assert after.reserves == pytest.approx([1000, 9.6], rel=1e-15)
    assert len(after.positions) == 0
    assert available(after).tolist() == after.reserves.tolist()
    assert opened.trader_flow_usd + report.trader_flow_usd == -closed.pnl_usd


def test_a_profitable_short_is_paid_in_usd():
    """Sold 2 coins at 100, closed at 80: 40 of the 200 USD it locked leave the pool."""
    state, _ = step(quiet(), [1, 100], (), [opening(side="short")], FREE)
    assert available(state).tolist() == [800, 10]
    after, report = step(state, [1, 80], (), [CloseOrder(id=7)], FREE)
    assert only(report.order_outcomes).cash_usd == -90
    assert only(report.order_outcomes).paid_units == 40
    assert after.reserves.tolist() == [960, 10]


def test_a_long_is_never_paid_more_than_it_locked():
    """At a thousand times its entry a long gets 2*(1 - 1/1000) coins, and the pool keeps R >= 0 of them."""
    state, _ = step(quiet((1000, 2)), [1, 100], (), [opening()], FREE)
    after, report = step(state, [1, 100_000], (), [CloseOrder(id=7)], FREE)
    assert only(report.order_outcomes).paid_units == pytest.approx(1.998, rel=1e-12)
    assert after.reserves == pytest.approx([1000, 0.002], rel=1e-12)


def test_a_loss_is_paid_from_the_collateral():
    """Bought 2 at 100, closed at 90: 20 of the 50 USD go to the pool, 30 come back."""
    state, _ = step(quiet(), [1, 100], (), [opening()], FREE)
    after, report = step(state, [1, 90], (), [CloseOrder(id=7)], FREE)
    assert only(report.order_outcomes).cash_usd == -30
    assert after.reserves.tolist() == [1020, 10]


def test_half_a_close_settles_half():
    """Half of 2 coins closed at 90 pays 10 of the 25 USD that half of the collateral is; half of the lock is freed."""
    state, _ = step(quiet(), [1, 100], (), [opening()], FREE)
    after, report = step(state, [1, 90], (), [CloseOrder(id=7, fraction=0.5)], FREE)
    assert only(report.order_outcomes).cash_usd == -15
    assert (after.positions.size.tolist(), after.positions.collateral.tolist()) == ([1], [25])
    assert after.positions.entry.tolist() == [100]
    assert available(after).tolist() == [1010, 9]


def test_a_close_after_funding_took_the_collateral_leaves_a_shortfall():
    """A loss of 20 with 8 left after fees of 32: the pool gets 8, 12 are booked, the trader gets nothing."""
    positions = Positions(ids=[7], asset=[1], side=[1], size=[2], collateral=[40], entry=[100])
    params = SimulatorParameters(kappa=0, fee=0.16, pool_share=0.75)
    after, report = step(quiet(positions=positions), [1, 90], (), [CloseOrder(id=7)], params)
    closed = only(report.order_outcomes)
    assert closed.cash_usd == 0
    assert closed.shortfall_usd == report.shortfall_usd == 12
    assert after.reserves == pytest.approx([1000 + 24 + 8, 10], rel=1e-12)


def test_orders_of_one_step_see_each_other():
    """One step opens, closes and opens an id again; what a close frees, the next open locks."""
    orders = [
        opening(size=10, collateral=250),
        opening(id=8),
        CloseOrder(id=7),
        opening(size=4, collateral=100),
        opening(id=8, side="short"),
    ]
    after, report = step(quiet(), [1, 100], (), orders, FREE)
    assert [outcome.accepted for outcome in report.order_outcomes] == [True, False, True, True, True]
    assert after.positions.ids.tolist() == [7, 8]
    assert after.positions.size.tolist() == [4, 2]
    assert after.positions.side.tolist() == [1, -1]
    assert after.locked.tolist() == [200, 4]


def test_an_open_may_lock_the_last_unit():
    """10 coins are there: an open of 10 is filled, the next of the least bit is not."""
    orders = [opening(size=10, collateral=250), opening(id=8, size=1e-9)]
    after, report = step(quiet(), [1, 100], (), orders, FREE)
    assert [outcome.accepted for outcome in report.order_outcomes] == [True, False]
    assert available(after).tolist() == [1000, 0]


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (CloseOrder(id=99), "no position 99 is open"),
        (opening(id=1), "position 1 is open already"),
        (opening(leverage=20), "leverage 20 above the limit of 10"),
        (opening(collateral=49), "collateral 49 USD below the 50 that its leverage needs"),
        (opening(size=10.5, collateral=500), "locks 10.5 of asset 1: 9 are available"),
        (opening(side="short", size=11, collateral=500), "locks 1100 of asset 0: 1000 are available"),
    ],
)
def test_orders_that_the_state_does_not_admit_are_rejected(order, reason):
    """A rejected order changes nothing, and the report says why."""
    positions = Positions(ids=[1], asset=[1], side=[1], size=[1], collateral=[50], entry=[100])
    params = SimulatorParameters(kappa=0, fee=0, pool_share=0, max_leverage=10)
    state = quiet(positions=positions)
    after, report = step(state, [1, 100], (), [order], params)
    assert only(report.rejected) == only(report.order_outcomes)
    assert only(report.rejected).reason == reason
    assert only(report.rejected).cash_usd == 0
    assert after.reserves.tolist() == state.reserves.tolist()
    assert after.positions.ids.tolist() == [1]


def test_the_first_deposit_sets_the_share_price():
    """An empty pool mints a share a USD, or at the price that the rules state."""
    empty = SimulatorState(prices=[1, 100], reserves=[0, 0], shares=0)
    assert share_price(empty) is None
    after, report = step(empty, [1, 100], [Deposit(amounts=[50, 1])], (), FREE)
    assert report.lp_outcomes[0].shares == after.shares == 150
    params = SimulatorParameters(kappa=0, fee=0, pool_share=0, first_share_price=10)
    assert step(empty, [1, 100], [Deposit(amounts=[50, 1])], (), params)[0].shares == 15


@pytest.mark.parametrize("way", [Redemption(shares=2000), BasketRedemption(basket=[1000, 10])])
def test_the_last_share_takes_everything(way):
    """Shares are 0 exactly when the pool is empty, and then a deposit starts it again."""
    after, report = step(quiet(), [1, 100], [way], (), FREE)
    assert after.shares == 0
    assert after.reserves.tolist() == [0, 0]
    assert report.share_price is None
    assert only(report.lp_outcomes).value_usd == -2000
    assert step(after, [1, 90], [Deposit(amounts=[0, 2])], (), FREE)[0].shares == 180


def test_the_last_share_pays_no_fee_to_nobody():
    """With a fee of 1 % half of the shares get 990; the rest leave with all that is left, as nobody is behind."""
    params = discounted(lambda p, target, R, D: -0.01)
    after, report = step(quiet(), [1, 100], [Redemption(shares=1000), Redemption(shares=1000)], (), params)
    assert [outcome.value_usd for outcome in report.lp_outcomes] == pytest.approx([-990, -1010], rel=1e-12)
    assert (after.shares, after.reserves.tolist()) == (0, [0, 0])


def test_a_redemption_takes_the_available_units_in_proportion():
    """With 5 of 10 coins locked, 300 shares of 1 USD take 1000:500 of USD and coins: 200 USD and 1 coin."""
    positions = Positions(ids=[1], asset=[1], side=[1], size=[5], collateral=[200], entry=[100])
    after, report = step(quiet(positions=positions), [1, 100], [Redemption(shares=300)], (), FREE)
    assert only(report.lp_outcomes).accepted
    assert after.reserves == pytest.approx([800, 9], rel=1e-12)
    assert after.shares == 1700


def test_redemptions_by_weights_and_by_basket_agree():
    """300 shares in weights 2/3 and 1/3 are 200 USD and 1 coin, and that basket costs 300 shares."""
    shares = step(quiet(), [1, 100], [Redemption(shares=300, weights=[2 / 3, 1 / 3])], (), FREE)[0]
    basket = step(quiet(), [1, 100], [BasketRedemption(basket=[200, 1])], (), FREE)[0]
    assert shares.reserves == pytest.approx(basket.reserves, rel=1e-12)
    assert shares.shares == pytest.approx(basket.shares, rel=1e-12) == 1700


def test_a_deposit_at_a_discount_mints_its_ownership():
    """Ownership (1 + 0.1)*200/2200 is 0.1 of all shares; the existing 2000 keep 2000 - 0.1*200 = 1980 USD (E14)."""
    params = discounted(lambda p, target, R, D: 0.1)
    after, report = step(quiet(), [1, 100], [Deposit(amounts=[200, 0])], (), params)
    minted = only(report.lp_outcomes)
    assert minted.discount == 0.1
    assert minted.shares / after.shares == pytest.approx(0.1, rel=1e-12)
    assert 2000 * share_price(after) == pytest.approx(1980, rel=1e-12)


def test_a_discount_sees_the_weights_of_its_turn():
    """F is asked with prices, target, the reserves at that moment and the change: deposits +D, redemptions -D."""
    asked = []

    def discount(p, target, R, D):
        asked.append((p.tolist(), target.tolist(), R.tolist(), D.tolist()))
        return 0.0

    updates = [Deposit(amounts=[100, 0]), BasketRedemption(basket=[0, 1])]
    step(quiet(), [1, 100], updates, (), discounted(discount))
    assert asked == [
        ([1, 100], [0.5, 0.5], [1000, 10], [100, 0]),
        ([1, 100], [0.5, 0.5], [1100, 10], [0, -1]),
    ]


@pytest.mark.parametrize("weights", [None, [0.8, 0.2]])
def test_a_redemption_solves_equation_nine_with_a_discount_that_moves(weights):
    """(9): p.lambda = (1 + F(-lambda))*(sigma/S)*NAV holds for the basket paid, checked on the reserves."""

    def discount(p, target, R, D):
        return -0.02 + 0.3 * float(D @ p) / float(R @ p)

    update = Redemption(shares=300, weights=weights)
    after, report = step(quiet(), [1, 100], [update], (), discounted(discount))
    basket = np.array([1000, 10]) - after.reserves
    value = basket @ [1, 100]
    # the value solves v = 300*(0.98 - 0.3*v/2000)
    assert value == pytest.approx(0.98 * 300 / (1 + 0.3 * 300 / 2000), rel=1e-9)
    assert basket * [1, 100] / value == pytest.approx(weights or [0.5, 0.5], rel=1e-9)
    assert after.shares == 1700
    assert only(report.lp_outcomes).discount == pytest.approx(-0.02 - 0.3 * value / 2000, rel=1e-9)


def test_a_basket_redemption_at_a_fee_burns_more_shares():
    """(9): a basket of 99 at F = -0.01 costs 99/0.99 = 100 USD of shares."""
    params = discounted(lambda p, target, R, D: -0.01)
    after = step(quiet(), [1, 100], [BasketRedemption(basket=[99, 0])], (), params)[0]
    assert after.shares == pytest.approx(1900, rel=1e-12)


@pytest.mark.parametrize(
    ("update", "params", "reason"),
    [
        (Deposit(amounts=[0, 0]), FREE, "a deposit of nothing"),
        (BasketRedemption(basket=[0, 0]), FREE, "a redemption of nothing"),
        (Redemption(shares=2001), FREE, r"burns 2001 shares: 2000 exist"),
        (BasketRedemption(basket=[0, 6]), FREE, r"takes 6 of asset 1: 5 are available"),
        (Redemption(shares=600, weights=[0, 1]), FREE, r"takes 6 of asset 1: 5 are available"),
        (Redemption(shares=1400, weights=[1, 0]), FREE, r"takes 1400 of asset 0: 1000 are available"),
        (Redemption(shares=2000), FREE, r"takes .* are available"),
        (
            Redemption(shares=600, weights=[0, 1]),
            discounted(lambda p, target, R, D: 0.01),
            "worth more than the 500 USD that are available in these proportions",
        ),
        (Redemption(shares=150), discounted(jump), "no basket is worth these shares at its own discount"),
        (
            Deposit(amounts=[2000, 0]),
            discounted(lambda p, target, R, D: 1.5),
            "the discount 1.5 would give the depositor all of the pool",
        ),
        (
            Deposit(amounts=[101, 0]),
            SimulatorParameters(kappa=0, fee=0, pool_share=0, aum_limit_usd=2100),
            "net asset value 2101 USD above the limit of 2100",
        ),
        (
            Deposit(amounts=[300, 0]),
            SimulatorParameters(kappa=0, fee=0, pool_share=0, target_weights=[0.5, 0.5], weight_failsafe=0.1),
            "weight of asset 0 would be 0.565217, target 0.5 within 0.1 of itself",
        ),
        (
            BasketRedemption(basket=[0, 3]),
            SimulatorParameters(kappa=0, fee=0, pool_share=0, target_weights=[0.5, 0.5], weight_failsafe=0.1),
            "weight of asset 0 would be 0.588235, target 0.5 within 0.1 of itself",
        ),
    ],
)
def test_updates_that_the_state_does_not_admit_are_rejected(update, params, reason):
    """A rejected update changes nothing, and the report says why; 5 of the 10 coins are locked."""
    positions = Positions(ids=[1], asset=[1], side=[1], size=[5], collateral=[200], entry=[100])
    state = quiet(positions=positions)
    after, report = step(state, [1, 100], [update], (), params)
    outcome = only(report.rejected)
    assert re.fullmatch(reason, outcome.reason), outcome.reason
    assert (outcome.shares, outcome.value_usd) == (0, 0)
    assert after.reserves.tolist() == state.reserves.tolist()
    assert after.shares == state.shares


def test_limits_are_met_exactly():
    """A deposit up to the AUM limit and up to the failsafe is accepted."""
    limits = {"aum_limit_usd": 2200, "target_weights": [0.5, 0.5], "weight_failsafe": 0.25}
    params = SimulatorParameters(kappa=0, fee=0, pool_share=0, **limits)
    assert only(step(quiet(), [1, 100], [Deposit(amounts=[200, 0])], (), params)[1].lp_outcomes).accepted


def test_an_update_may_bring_weights_back_into_the_failsafe():
    """After a fall to 40 the coin weighs 0.286 of 0.5: coins may come in, USD may not, as it lies outside already."""
    params = SimulatorParameters(kappa=0, fee=0, pool_share=0, target_weights=[0.5, 0.5], weight_failsafe=0.2)
    coins, usd = Deposit(amounts=[0, 2]), Deposit(amounts=[80, 0])
    report = step(quiet(), [1, 40], [coins, usd], (), params)[1]
    assert [outcome.accepted for outcome in report.lp_outcomes] == [True, False]


def test_locked_assets_stay_at_every_prefix():
    """E22: two redemptions that fit alone do not fit together; a deposit between them makes room."""
    positions = Positions(ids=[1], asset=[1], side=[1], size=[5], collateral=[200], entry=[100])
    three, two = BasketRedemption(basket=[0, 3]), Deposit(amounts=[0, 2])
    state = quiet(positions=positions)
    report = step(state, [1, 100], [three, three], (), FREE)[1]
    assert [outcome.accepted for outcome in report.lp_outcomes] == [True, False]
    report = step(state, [1, 100], [three, two, three], (), FREE)[1]
    assert [outcome.accepted for outcome in report.lp_outcomes] == [True, True, True]


def test_a_pool_without_shares_redeems_none():
    """There is nothing to redeem, which is a reason and not a division by 0."""
    empty = SimulatorState(prices=[1, 100], reserves=[0, 0], shares=0)
    updates = [Redemption(shares=1), BasketRedemption(basket=[1, 0])]
    report = step(empty, [1, 100], updates, (), FREE)[1]
    assert {outcome.reason for outcome in report.rejected} == {"the pool has no shares to redeem"}


def test_a_pool_that_is_all_locked_redeems_none():
    """Every unit backs a position: nothing can leave."""
    positions = Positions(
        ids=[1, 2], asset=[1, 1], side=[1, -1], size=[10, 10], collateral=[500, 500], entry=[100, 100]
    )
    report = step(quiet(positions=positions), [1, 100], [Redemption(shares=1)], (), FREE)[1]
    assert only(report.rejected).reason == "nothing is available: every unit is locked"


def test_a_fee_that_takes_all_shares_and_leaves_assets_is_refused():
    """At F = -0.5 a basket of 1000 costs all 2000 shares and leaves 1000 USD to nobody; one of 1100 costs 2200."""
    params = discounted(lambda p, target, R, D: -0.5)
    updates = [BasketRedemption(basket=[1000, 0]), BasketRedemption(basket=[1000, 1])]
    report = step(quiet(), [1, 100], updates, (), params)[1]
    assert [outcome.reason for outcome in report.rejected] == [
        "would leave 1000 USD for 0 shares",
        "burns 2200 shares: 2000 exist",
    ]


@pytest.mark.parametrize("params", [FREE, discounted(lambda p, target, R, D: -0.01)])
@pytest.mark.parametrize("seed", range(25))
def test_the_last_share_takes_everything_in_spite_of_rounding(seed, params):
    """Whatever the amounts, and if the shares are counted a last bit off, nothing is left and nothing refused."""
    rng = np.random.default_rng(seed)
    state = SimulatorState(
        prices=[1, rng.uniform(0.1, 1e5)], reserves=rng.uniform(0.1, 1e6, 2), shares=rng.uniform(1, 1e6)
    )
    counted = Redemption(shares=state.shares * (1 + rng.choice([-1e-15, 0, 1e-15])))
    after, report = step(state, state.prices, [counted], (), params)
    assert report.rejected == ()
    assert (after.shares, after.reserves.tolist()) == (0, [0, 0])


def test_a_basket_of_all_that_is_available_may_be_a_last_bit_off():
    """10*(1 + 1e-13) coins are the 10 that are there; 10*(1 + 1e-9) are more."""
    updates = [
        BasketRedemption(basket=[0, 10 * (1 + 1e-13)]),
        BasketRedemption(basket=[1000 * (1 + 1e-9), 0]),
    ]
    after, report = step(quiet(), [1, 100], updates, (), FREE)
    assert [outcome.accepted for outcome in report.lp_outcomes] == [True, False]
    assert after.reserves.tolist() == [1000, 0]


def test_locks_that_exceed_the_reserves_by_rounding_leave_nothing_available():
    """0.1 + 0.2 coins lock 0.30000000000000004 of 0.3: none is available, and a redemption takes USD alone."""
    positions = Positions(
        ids=[1, 2], asset=[1, 1], side=[1, 1], size=[0.1, 0.2], collateral=[5, 5], entry=[100, 100]
    )
    state = quiet((1000, 0.3), positions=positions)
    assert available(state).tolist() == [1000, 0]
    after = step(state, [1, 100], [Redemption(shares=100)], (), FREE)[0]
    assert after.reserves.tolist() == [900, 0.3]
