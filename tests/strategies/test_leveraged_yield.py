"""Leveraged YT over many settlements: profit, what secures it on the way, and how often it is liquidated.

Oracles: the documented recursion run day by day in another program, a ledger stepped by hand, and brute-force walks.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.strategies.inputs import Scenario
from yieldtrade.strategies.interest_period import InterestPeriodArbitrage
from yieldtrade.strategies.leveraged_yield import LeveragedYield
from yieldtrade.strategies.risk import Draws, Factor, Risks, draw_scenario, mean_outcome
from yieldtrade.tokens.margin import max_leverage
from yieldtrade.tokens.positions import close, collateral_ratio, settle

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "ratex_ledger.json").read_text())["cases"]
MONTH = 28 / 365
SD_MONTH = 0.01 * math.sqrt(28)
SECOND = 1 / 31_536_000


def levered(side="long", leverage=5.0, *, days=28, tau=0.25, **more):
    """The position of the worked example, without fee unless given."""
    values = {
        "implied_apy": 0.30,
        "tau": tau,
        "exit_tau": tau - days / 365,
        "trading_fee": 0.0,
        "maintenance_ratio": 1.05,
        **more,
    }
    return LeveragedYield(side=side, leverage=leverage, **values)


def of_kind(kind):
    """Golden cases of a kind."""
    return [pytest.param(case, id=case["id"]) for case in GOLDEN if case["kind"] == kind]


@pytest.mark.parametrize("case", of_kind("ledger"))
def test_trade_equals_the_golden_ledger(case):
    """Balances, prices, profit and the lowest ratio on the way equal the day-by-day recursion.

    Where a long's debt is repaid the golden program still divides by the ST balance; the ratio is infinite there.
    """
    given_, expect = case["in"], case["expect"]
    days, tau0 = given_["days"], given_["tau0"]
    trade = levered(
        given_["side"],
        given_["leverage"],
        days=days,
        tau=tau0,
        implied_apy=given_["implied0"],
        trading_fee=given_["fee"],
    )
    assert trade.steps == days
    a, path = given_["realised_apy"], np.linspace(given_["implied0"], given_["implied1"], days + 1)[1:]
    scenario = Scenario(settled_apy=a, exit_implied=given_["implied1"])
    prices = (trade.entry_price, trade.trade.exit_price(given_["implied1"]))
    assert prices == pytest.approx((expect["price_open"], expect["price_close"]), rel=1e-8)
    assert (trade.position.yt, trade.position.st) == pytest.approx(
        (expect["yt"], expect["st_open"]), rel=1e-8
    )
    assert trade.balances(a).st[-1] == pytest.approx(expect["st_close"], rel=1e-8, abs=1e-9)
    assert trade.pnl(scenario) == pytest.approx(expect["pnl_on_margin"], abs=1e-9)
    ratios = trade.collateral_ratios(a, path)
    if expect["min_cr"] > 0:
        assert ratios.min() == pytest.approx(expect["min_cr"], rel=1e-8)
        assert (ratios.min() < 1.05) == expect["below_maintenance"]
        # the barriers tell the same story in implied yield
        alive = trade.taus() > 0
        past = trade.trade.sign * (path[alive] - trade.barriers(a)[1:]) < 0
        assert past.any() == (ratios[alive] < 1.05).any()


@pytest.mark.parametrize("case", of_kind("liquidation_distance"))
def test_liquidation_equals_the_golden_distances(case):
    """Liquidation price over entry, its implied APY, and whole days at four settled yields."""
    given_, expect = case["in"], case["expect"]
    trade = levered(
        given_["side"],
        given_["leverage"],
        days=7,
        tau=given_["tau0"],
        implied_apy=given_["implied0"],
        maintenance_ratio=given_["maintenance_cr"],
    )
    assert trade.liquidation_price() / trade.entry_price == pytest.approx(expect["price_ratio"], rel=1e-8)
    assert trade.liquidation_implied() == pytest.approx(expect["implied_apy"], rel=1e-8)
    found = {f"realised_{multiple:g}": day for multiple, day in trade.liquidation_clock().items()}
    assert found == expect["days_to_liquidation"]


@pytest.mark.parametrize(
    ("side", "leverage", "ratio", "implied"),
    [
        ("long", 3, 0.716667, 0.204740),
        ("long", 5, 0.85, 0.248441),
        ("long", 8, 0.925, 0.273895),
        ("long", 9.5, 0.944737, 0.280700),
        ("short", 5, 1.142857, 0.351601),
        ("short", 9.5, 1.052632, 0.318720),
    ],
)
def test_liquidation_limits_of_the_worked_example(side, leverage, ratio, implied):
    """Price over entry and implied APY that liquidate now."""
    trade = levered(side, leverage)
    assert trade.liquidation_price() / trade.entry_price == pytest.approx(ratio, abs=1e-6)
    assert trade.liquidation_implied() == pytest.approx(implied, abs=1e-6)


def test_clocks_of_the_worked_example():
    """Days to liquidation where 0, 0.5, 1 and 1.5 times the implied yield settles."""
    clocks = {
        (side, leverage): tuple(levered(side, leverage).liquidation_clock().values())
        for side, leverage in (("long", 5), ("long", 9.5), ("short", 5))
    }
    assert clocks == {
        ("long", 5): (15, 32, None, None),
        ("long", 9.5): (6, 12, None, None),
        ("short", 5): (None, None, None, 38),
    }


def test_leverage_caps_of_the_worked_example():
    """The largest leverage for a time-weighted price away from spot, and for a fee of 0.1 %."""
    terms = {
        "cap": 10.0,
        "initial_collateral_ratio": 1.10,
        "maintenance_collateral_ratio": 1.05,
        "leverage_buffer": 1.0,
        "spot": 1.0,
    }
    found = [
        max_leverage(side, twap=rho, trading_fee=fee, **terms)
        for side, rho, fee in (("long", 0.94, 0.0), ("short", 1.06, 0.0), ("long", 1.0, 0.001))
    ]
    assert found == pytest.approx([9.090909, 8.849558, 9.900990], abs=1e-6)


@pytest.mark.parametrize(
    ("side", "leverage", "expected"), [("long", 5, 0.158), ("long", 9.5, 0.559), ("short", 5, 0.151)]
)
def test_probability_of_liquidation_of_the_worked_example(side, leverage, expected):
    """28 days, the implied yield a random walk of one point a day, checked daily."""
    found = levered(side, leverage).p_liquidation(0.30, SD_MONTH, Draws(11), count=100_000)
    assert found == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(("side", "leverage"), [("long", 5), ("short", 7), ("long", 9)])
def test_liquidations_are_as_many_as_on_a_ledger_stepped_by_hand(side, leverage):
    """Walks of other random numbers, settled step by step, are liquidated as often, with fee and accruing margin."""
    trade = levered(
        side, leverage, days=10, trading_fee=0.001, yield_fee=0.05, yield_fee_base="net", margin_accrues=True
    )
    count, sd = 40_000, 0.02 * math.sqrt(10)
    steps = np.random.default_rng(5).standard_normal((10, count)) * 0.02
    growth, position, alive = 1.4 ** (1 / 365) - 1, trade.position, np.ones(count, dtype=bool)
    for day, implied in enumerate(0.30 + np.cumsum(steps, axis=0), start=1):
        position = settle(position, growth, yield_fee=0.05, yield_fee_base="net")
        price = 1 - (1 + implied) ** -(0.25 - day / 365)
        alive &= collateral_ratio(position, price) >= 1.05
    brute = 1 - alive.mean()
    found = trade.p_liquidation(0.4, sd, Draws(2), count=count)
    assert found == pytest.approx(brute, abs=4 * math.sqrt(2 * brute * (1 - brute) / count))


def test_watching_without_pause_equals_watching_very_often():
    """The bridge between daily settlements finds what thirty-two looks a day find, and more than one look."""
    trade, count = levered("long", 5), 40_000
    daily, always = (
        trade.p_liquidation(0.30, SD_MONTH, Draws(4), count=count, monitoring=how)
        for how in ("discrete", "continuous")
    )
    often = replace(trade, settlements=28 * 32).p_liquidation(0.30, SD_MONTH, Draws(4), count=10_000)
    assert daily < often < always
    assert often == pytest.approx(always, abs=0.02)


def test_odds_of_each_path_follow_its_own_settled_yield():
    """A path whose underlying pays nothing is liquidated where one that is paid well is not."""
    trade = levered("long", 9.5)
    ends = np.full(2, 0.30)
    odds = trade.liquidation_odds(
        Scenario(settled_apy=np.array([0.0, 0.6]), exit_implied=ends), 1e-6, Draws(1)
    )
    assert odds.tolist() == [1.0, 0.0]
    certain = trade.liquidation_odds(
        Scenario(settled_apy=np.array([0.0, 0.6]), exit_implied=ends), 0.0, Draws(1)
    )
    assert certain.tolist() == [1.0, 0.0]
    alone = trade.liquidation_odds(Scenario(settled_apy=0.0, exit_implied=ends), 0.0, Draws(1))
    assert alone.tolist() == [1.0, 1.0]


def test_liquidated_paths_take_the_liquidation_loss():
    """Half the margin lost in a liquidation costs half as much as all of it, path by path."""
    trade = levered("long", 9.5, liquidation_loss=1.0, margin=2.0)
    risks = Risks(factors=(Factor(name="exit_implied", mean=0.30, sd=SD_MONTH, floor=0.0),))
    scenario = replace(draw_scenario(risks, Draws(3), 5_000), settled_apy=0.30)
    whole = trade.outcomes(scenario, SD_MONTH, Draws(3))
    half = replace(trade, liquidation_loss=0.5).outcomes(scenario, SD_MONTH, Draws(3))
    assert (whole.liquidated, half.liquidated) == (-2.0, -1.0)
    assert mean_outcome(half) - mean_outcome(whole) == pytest.approx(whole.odds.mean(), abs=1e-12)


def test_the_same_walks_serve_both_sides():
    """With shared random numbers more leverage never lowers the odds of a path, on either side."""
    for side in ("long", "short"):
        scenario = Scenario(
            settled_apy=0.3, exit_implied=0.3 + SD_MONTH * Draws(6).normal("exit_implied", 2_000)
        )
        low, high = (
            levered(side, leverage).liquidation_odds(scenario, SD_MONTH, Draws(6)) for leverage in (4, 6)
        )
        assert (high >= low).all()
        assert high.mean() > low.mean()


trades = st.builds(
    levered,
    st.sampled_from(["long", "short"]),
    leverage=st.floats(0.5, 9.0),
    days=st.integers(1, 80),
    settlements=st.integers(1, 30),
    trading_fee=st.floats(0, 0.01),
    yield_fee=st.floats(0, 0.2),
    yield_fee_base=st.sampled_from(["none", "yt_only", "net"]),
    implied_apy=st.floats(0.01, 30.0),
    maintenance_ratio=st.just(1.01),
)


@settings(deadline=None)
@given(trades, st.floats(-0.2, 30.0), st.floats(0.0, 30.0))
def test_closed_form_equals_the_ledger_settled_step_by_step(trade, settled, exit_implied):
    """Settling as often as agreed and closing at the exit price gives the profit, whatever the fee is taken from."""
    position = trade.position
    growth = (1 + settled) ** trade.settlement_years - 1
    for _ in range(trade.steps):
        position = settle(position, growth, yield_fee=trade.yield_fee, yield_fee_base=trade.yield_fee_base)
    price = 1 - (1 + exit_implied) ** -trade.exit_tau
    closing = close(position, fraction=1, fill_price=price, trading_fee=trade.trading_fee)
    found = trade.pnl(Scenario(settled_apy=settled, exit_implied=exit_implied))
    assert found == pytest.approx(closing.realised, abs=1e-9 * (1 + abs(trade.position.yt)))


@settings(deadline=None)
@given(trades, st.floats(-0.2, 30.0), st.floats(0.0, 30.0))
def test_decomposition_adds_up_to_the_profit(trade, settled, exit_implied):
    """Decay, move, yield, carry and fees add up to the profit."""
    scenario = Scenario(settled_apy=settled, exit_implied=exit_implied)
    total = math.fsum(trade.decomposition(scenario).values())
    assert total == pytest.approx(trade.pnl(scenario), abs=1e-11 * (1 + abs(trade.position.yt)))


@settings(deadline=None)
@given(trades, st.floats(-0.2, 3.0), st.floats(0.0, 3.0))
def test_gradient_is_the_slope_of_the_profit(trade, settled, exit_implied):
    """The derivatives agree with central differences, with a compounding fee too."""
    at = {"settled_apy": settled, "exit_implied": exit_implied}
    slopes, step = trade.gradient(Scenario(**at)), 1e-5
    for name, value in at.items():
        up, down = (trade.pnl(Scenario(**{**at, name: value + sign * step})) for sign in (1, -1))
        expected = (up - down) / (2 * step)
        assert slopes[name] == pytest.approx(expected, rel=1e-6, abs=1e-7 * (1 + abs(trade.position.yt)))


@settings(deadline=None)
@given(trades, st.floats(0.0, 5.0))
def test_at_a_break_even_nothing_is_won(trade, exit_implied):
    """The settled and the exit yield that break even leave no profit; without a value there is a reason."""
    scale = 1e-8 * (1 + abs(trade.position.yt))
    found = trade.break_even_settled(exit_implied)
    assert bool(found.reason) == (found.status != "value")
    if found.value is not None and -0.9 < found.value < 1e3:
        won = trade.pnl(Scenario(settled_apy=found.value, exit_implied=exit_implied))
        assert won == pytest.approx(0.0, abs=scale)
    limits = trade.break_evens(Scenario(settled_apy=0.4, exit_implied=exit_implied))
    assert limits["settled_apy"] == found
    if limits["exit_implied"].value is not None and limits["exit_implied"].value < 1e3:
        won = trade.pnl(Scenario(settled_apy=0.4, exit_implied=limits["exit_implied"].value))
        assert won == pytest.approx(0.0, abs=scale)


def test_a_fee_may_leave_no_loss_large_enough_to_break_even():
    """A short that only a fall beyond everything could save never breaks even, and says why."""
    dear = {"implied_apy": 0.3, "days": 7, "settlements": 1, "yield_fee": 0.9, "yield_fee_base": "net"}
    short = levered("short", 5.0, **dear).break_even_settled(3.0)
    long = levered("long", 5.0, **dear).break_even_settled(3.0)
    assert (short.value, short.status, long.value, long.status) == (None, "never", None, "always")
    assert "yield fee" in short.reason
    # an underlying that loses nearly everything leaves the short at a loss still, and the long with a gain
    scenario = Scenario(settled_apy=-1 + 1e-12, exit_implied=3.0)
    assert levered("short", 5.0, **dear).pnl(scenario) < 0 < levered("long", 5.0, **dear).pnl(scenario)


@settings(deadline=None)
@given(trades, st.floats(-0.2, 3.0), st.floats(0.0, 3.0))
def test_profit_is_leverage_times_that_of_one(trade, settled, exit_implied):
    """Profit is in proportion to leverage and to margin."""
    scenario = Scenario(settled_apy=settled, exit_implied=exit_implied)
    one = replace(trade, leverage=1.0, margin=3.0).pnl(scenario)
    assert trade.pnl(scenario) == pytest.approx(one * trade.leverage / 3.0, rel=1e-9, abs=1e-12)


@settings(deadline=None)
@given(st.floats(-0.2, 3.0), st.floats(0.0, 3.0), st.sampled_from(["none", "yt_only"]))
def test_levered_once_without_a_trading_fee_it_is_cash_yt_against_holding_st(settled, exit_implied, base):
    """Borrowing the ST one would have spent earns what YT bought with cash earns over the ST kept."""
    terms = {"implied_apy": 0.3, "tau": 0.25, "exit_tau": 0.1, "trading_fee": 0.0, "yield_fee": 0.05}
    cash = InterestPeriodArbitrage(side="long", leverage=None, yield_fee_base=base, **terms)
    once = LeveragedYield(side="long", leverage=1.0, maintenance_ratio=1.05, yield_fee_base=base, **terms)
    scenario = Scenario(settled_apy=settled, exit_implied=exit_implied)
    assert once.pnl(scenario) == pytest.approx(cash.against_underlying(scenario), abs=1e-12)


@settings(deadline=None)
@given(trades, st.floats(0.01, 3.0), st.floats(0.01, 3.0))
def test_profit_falls_with_each_fee(trade, settled, exit_implied):
    """A dearer trade wins less on either side; the yield fee takes from the YT of a long."""
    scenario = Scenario(settled_apy=settled, exit_implied=exit_implied)
    base = trade.pnl(scenario)
    assert replace(trade, trading_fee=trade.trading_fee + 0.001).pnl(scenario) < base
    taxed = replace(trade, yield_fee_base="yt_only", side="long")
    dearer = replace(taxed, yield_fee=taxed.yield_fee + 0.01)
    assert dearer.pnl(scenario) <= taxed.pnl(scenario)


@settings(deadline=None)
@given(trades)
def test_a_free_trade_that_settles_at_its_own_yield_gains_nothing(trade):
    """Without fees and at an unchanged implied yield that settles, nothing is won on either side."""
    free = replace(trade, trading_fee=0.0, yield_fee=0.0)
    scenario = Scenario(settled_apy=free.implied_apy, exit_implied=free.implied_apy)
    assert free.pnl(scenario) == pytest.approx(0.0, abs=1e-11 * (1 + abs(free.position.yt)))
    assert free.break_evens(scenario)["settled_apy"].value == pytest.approx(free.implied_apy, rel=1e-6)


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(["long", "short"]), st.floats(1.0, 9.5), st.floats(0.05, 3.0), st.booleans())
def test_clock_agrees_with_the_root_of_the_closed_form(side, leverage, implied, accrues):
    """Where no fee compounds, the daily ledger ends on the day after the moment solved for."""
    trade = levered(side, leverage, implied_apy=implied, margin_accrues=accrues, tau=0.4)
    found, solved = trade.liquidation_clock(), trade.trade.liquidation_clock()
    for multiple, day in found.items():
        # settling at the implied yield the position keeps its ratio: the root is not defined
        assume(multiple != 1.0 or solved[multiple] is None)
        at_end = solved[multiple] is not None and solved[multiple] >= 365 * trade.tau
        assert day == (None if at_end else solved[multiple])


def test_naive_return_is_that_of_the_price_alone():
    """Leverage times the move of the YT price, reversed for a short."""
    scenario = Scenario(settled_apy=0.3, exit_implied=0.35)
    long, short = levered("long", 5), levered("short", 5)
    move = (1 - 1.35 ** -(0.25 - MONTH)) / (1 - 1.3**-0.25) - 1
    assert (long.naive(scenario), short.naive(scenario)) == pytest.approx((5 * move, -5 * move), rel=1e-12)


def test_held_to_maturity_the_yt_ends_at_nothing():
    """At maturity only the yield counts, no exit yield breaks even, and the last moment is not watched."""
    trade = levered("long", 5, days=91.25)
    profit = trade.pnl(Scenario(settled_apy=0.5))
    held = trade.position.yt * (1.3**-0.25 * 1.5**0.25 - 1)
    assert profit == pytest.approx(held, abs=1e-9)
    assert trade.break_evens(Scenario(settled_apy=0.5))["exit_implied"].status == "never"
    assert trade.barriers(0.5).shape == (trade.steps,)
    assert 0.0 < trade.p_liquidation(0.30, 0.05, Draws(1), count=2_000) < 1.0


def test_a_second_before_maturity():
    """With one second left a position opens, counts its one settlement, and has no day on its clock."""
    trade = levered("long", 5.0, tau=2 * SECOND, days=365 * SECOND)
    assert trade.steps == 1
    assert trade.pnl(Scenario(settled_apy=0.30, exit_implied=0.30)) == pytest.approx(0.0, abs=1e-6)
    assert set(trade.liquidation_clock().values()) == {None}


def test_negative_settled_yields_help_a_short():
    """An underlying that loses pays the short and brings the long nearer to liquidation."""
    loses = Scenario(settled_apy=-0.2, exit_implied=0.30)
    assert levered("short").pnl(loses) > 0 > levered("long").pnl(loses)
    long = levered("long")
    assert (long.barriers(-0.2)[1:] > long.barriers(0.3)[1:]).all()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"leverage": 25.0}, "opens at a collateral ratio of 1.04"),
        ({"leverage": 0.0}, "leverage = 0.0 must be above 0"),
        ({"settlements": 0}, "settlements = 0.0 must be 1, 2, 3"),
        ({"settlements": 1.5}, "settlements = 1.5 must be 1, 2, 3"),
        ({"maintenance_ratio": 0.0}, "maintenance_ratio = 0.0 must be above 0"),
        ({"liquidation_loss": 1.2}, r"liquidation_loss = 1.2 must lie in \[0, 1\]"),
        ({"exit_tau": 0.3}, r"exit_tau = 0.3 must be in \[0, tau\)"),
    ],
)
def test_values_outside_their_range_are_refused(more, message):
    """Each refusal names the value and what is allowed."""
    with pytest.raises(DomainError, match=message):
        levered(**{"leverage": 5.0, **more})
