"""The JLP loop: returns, break-evens, exact loss probability, first passage, coin debt.

Oracles: the reference figures (own formula and a simulation of another program), worked examples, interest stepped
day by day, and brute-force walks.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.errors import DataError, DomainError
from yieldtrade.lending.margin_account import AccountWeights
from yieldtrade.strategies.inputs import Scenario
from yieldtrade.strategies.jlp_loop import JlpLoop
from yieldtrade.strategies.jlp_outlook import HedgeLeg, JlpOutlook
from yieldtrade.strategies.risk import Draws, Outcomes, Risks, draw_scenario, share_below

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "jlp_first_passage.json").read_text())["cases"]
MONTH = 30 / 365
LARGEST_FIVE_MINUTE_FALL = 0.025416
DRIFT = AccountWeights(
    initial_asset=0.80, initial_liability=1.20, maintenance_asset=0.90, maintenance_liability=1.10
)
OUTLOOK = JlpOutlook(fee_yield=0.15, vol=0.40)


def loop(**more):
    """The loop of the worked example: twice levered for 30 days, bought at a premium of 0.3 %."""
    values = {
        "venue": "kamino",
        "leverage": 2.0,
        "years": MONTH,
        "max_ltv": 0.75,
        "liquidation_ltv": 0.80,
        "entry_premium": 0.003,
        "entry_cost": 0.001,
        "exit_cost": 0.001,
        **more,
    }
    return JlpLoop(**values)


def free(ltv, liquidation_ltv, days=30.0, **more):
    """A loop without premium and costs, opened at a loan to value."""
    return loop(
        leverage=1 / (1 - ltv),
        years=days / 365,
        max_ltv=liquidation_ltv - 0.01,
        liquidation_ltv=liquidation_ltv,
        entry_premium=0.0,
        entry_cost=0.0,
        exit_cost=0.0,
        **more,
    )


def coin_loop(**more):
    """A loop on weighted collateral whose debt is SOL, BTC and ETH."""
    return loop(
        venue="drift",
        max_ltv=DRIFT.max_ltv,
        liquidation_ltv=DRIFT.liquidation_ltv,
        debt_basket={"SOL": 0.6, "BTC": 0.25, "ETH": 0.15},
        **more,
    )


def of_kind(kind):
    """Reference cases of a kind."""
    return [pytest.param(case, id=case["id"]) for case in GOLDEN if case["kind"] == kind]


@pytest.mark.parametrize("case", of_kind("first_passage"))
def test_first_passage_equals_the_reference(case):
    """Fall to liquidation and probability of liquidation, closed form and simulated, at six sets of rates."""
    given_, expect = case["in"], case["expect"]
    trade = free(given_["ltv"], given_["liq_ltv"], given_["days"])
    outlook = JlpOutlook(fee_yield=given_["fee_yield"], vol=given_["volatility"])
    found = trade.p_liquidation(outlook, math.expm1(given_["borrow_rate"]))
    assert trade.liquidation_drop() == pytest.approx(expect["drop_to_liquidation"], rel=1e-12)
    assert found == pytest.approx(expect["p_liquidation"], rel=1e-6, abs=1e-10)
    error = math.sqrt(found * (1 - found) / 40_000)
    assert found == pytest.approx(expect["p_liquidation_simulated"], abs=5 * error + 2e-4)


@pytest.mark.parametrize("case", of_kind("carry_clock"))
def test_clock_at_a_flat_price_equals_the_reference(case):
    """Days until interest beyond the fee yield liquidates, or none."""
    given_ = case["in"]
    found = free(given_["ltv"], given_["liq_ltv"]).liquidation_days(
        given_["yield_rate"], math.expm1(given_["borrow_rate"])
    )
    expected = case["expect"]["days"]
    assert found is None if expected is None else found == pytest.approx(expected, rel=1e-9)


def test_returns_of_the_worked_example():
    """Collateral, loan to value, mean return, the naive one, and the growth that breaks even."""
    trade = loop()
    assert (trade.collateral, trade.ltv) == pytest.approx((1.992026, 0.502001), abs=1e-6)
    assert trade.pnl(trade.scenario(OUTLOOK, 0.08)) == pytest.approx(0.008375, abs=1e-6)
    assert trade.naive(0.15, 0.08) * MONTH == pytest.approx(0.018082, abs=1e-6)
    assert trade.break_even_ratio(0.08) == pytest.approx(1.008197, abs=1e-6)


def test_probability_of_loss_of_the_worked_example():
    """At a volatility of 40 %, and at what a hedge leaves of it."""
    hedged = JlpOutlook(fee_yield=0.15, vol=0.40, residual_vol=0.04)
    found = (loop().p_loss(OUTLOOK, 0.08), loop().p_loss(hedged, 0.08))
    assert found == pytest.approx((0.508383, 0.360358), abs=1e-6)


def test_break_evens_of_the_worked_example():
    """Borrow APY and days."""
    limits = loop().break_evens(OUTLOOK, 0.08)
    assert limits["borrow"].value == pytest.approx(0.194578, abs=1e-6)
    assert limits["days"].value == pytest.approx(16.355023, abs=1e-6)
    assert limits["days"].iterations > 0


def test_leverage_cap_of_the_worked_example():
    """JLP bought 3 % above what the lender counts it at can be levered less; a coin loop at most 3 times."""
    dear = loop(max_ltv=0.84, liquidation_ltv=0.90, entry_premium=0.03, entry_cost=0.0)
    assert dear.max_leverage == pytest.approx(5.421053, abs=1e-6)
    assert replace(dear, entry_premium=0.0).max_leverage == pytest.approx(6.25, rel=1e-12)
    assert coin_loop(entry_premium=0.0, entry_cost=0.0).max_leverage == pytest.approx(3.0, rel=1e-12)


@pytest.mark.parametrize(
    ("ltv", "vol", "days", "expected"),
    [
        (0.6, 0.25, 30, 0.0000499),
        (0.6, 0.40, 30, 0.012339),
        (0.6, 0.40, 90, 0.150184),
        (0.65, 0.40, 90, 0.299699),
    ],
)
def test_first_passage_of_the_worked_example(ltv, vol, days, expected):
    """Probability of liquidation at 80 %, fee yield 15 % and a continuous rate of 8 %."""
    found = free(ltv, 0.8, days).p_liquidation(JlpOutlook(fee_yield=0.15, vol=vol), math.expm1(0.08))
    assert found == pytest.approx(expected, abs=1e-6)


def test_clock_of_the_worked_example():
    """From 70 to 75 % at 20 % against 7 %: 193.710755 days."""
    found = free(0.70, 0.75).liquidation_days(0.07, math.expm1(0.20))
    assert found == pytest.approx(193.710755, abs=1e-6)
    assert free(0.70, 0.75).liquidation_days(0.20, math.expm1(0.20)) is None


def test_first_passage_is_as_frequent_as_on_paths_watched_often():
    """Walks of other random numbers, watched often, reach the limit as often as the formula says, just below it."""
    trade, outlook, rate = free(0.65, 0.8, 90), JlpOutlook(fee_yield=0.15, vol=0.4, drift=-0.05), 0.12
    paths, steps = 20_000, 1_000
    generator, t = np.random.default_rng(9), trade.years / steps
    level, lowest = np.zeros(paths), np.zeros(paths)
    for _ in range(steps):
        level += (0.10 - math.log1p(rate) - 0.08) * t + 0.4 * math.sqrt(t) * generator.standard_normal(paths)
        np.minimum(lowest, level, out=lowest)
    # watched at moments the barrier acts as if 0.5826 standard deviations of a step further away
    seen = np.mean(lowest < -math.log(0.8 / 0.65) + 0.5826 * 0.4 * math.sqrt(t))
    found = trade.p_liquidation(outlook, rate)
    assert found == pytest.approx(seen, abs=4 * math.sqrt(found * (1 - found) / paths))


def test_odds_of_paths_average_to_the_first_passage():
    """What each drawn end says about the way there averages to the closed form, and joins the losses."""
    trade, count = free(0.65, 0.8, 90), 200_000
    scenario = replace(
        draw_scenario(Risks(factors=(OUTLOOK.factor(trade.years),)), Draws(8), count), borrow_apy=0.08
    )
    odds = trade.liquidation_odds(scenario, OUTLOOK.vol)
    found = trade.p_liquidation(OUTLOOK, 0.08)
    assert odds.mean() == pytest.approx(found, abs=4 * math.sqrt(found * (1 - found) / count))
    profits = trade.pnl(scenario)
    exact = trade.p_loss(OUTLOOK, 0.08)
    assert np.mean(profits < 0) == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / count))
    # liquidated paths that recovered count as losses too
    assert share_below(Outcomes(profits, odds, -1.0), 0.0) > exact
    assert replace(trade, leverage=1.0).liquidation_odds(scenario, 0.4).max() == 0.0


def test_a_sudden_fall_is_a_stress_of_the_loan_to_value():
    """After the largest five-minute fall the loan to value is that of a debt against less, and liquidation nearer."""
    trade = free(0.6, 0.8, 90)
    stressed = trade.stressed_ltv(LARGEST_FIVE_MINUTE_FALL)
    assert stressed == pytest.approx(0.6 / (1 - LARGEST_FIVE_MINUTE_FALL), rel=1e-12)
    found = trade.p_liquidation(OUTLOOK, 0.08, LARGEST_FIVE_MINUTE_FALL)
    assert found == pytest.approx(free(stressed, 0.8, 90).p_liquidation(OUTLOOK, 0.08), rel=1e-9)
    assert found > trade.p_liquidation(OUTLOOK, 0.08)
    # a fall beyond the drop to liquidation liquidates for sure
    assert trade.p_liquidation(OUTLOOK, 0.08, 0.26) == 1.0


legs = st.lists(
    st.builds(
        HedgeLeg,
        coin=st.sampled_from(["SOL", "BTC", "ETH"]),
        notional=st.floats(0, 0.5),
        cost=st.floats(0, 0.01),
        funding=st.floats(-0.5, 0.5),
    ),
    max_size=3,
).map(tuple)
loops = st.builds(
    loop,
    leverage=st.floats(1.0, 3.9),
    years=st.floats(0.005, 2.0),
    max_ltv=st.just(0.9),
    liquidation_ltv=st.just(0.99),
    entry_premium=st.floats(-0.03, 0.03),
    exit_premium=st.floats(-0.03, 0.03),
    entry_cost=st.floats(0, 0.01),
    exit_cost=st.floats(0, 0.01),
    equity=st.floats(0.5, 1e6),
    hedge=legs,
)
rates = st.floats(0.0, 30.0)
ratios = st.floats(0.2, 3.0)


@settings(deadline=None)
@given(loops, st.floats(0.0, 3.0), ratios)
def test_profit_equals_interest_stepped_day_by_day(trade, borrow, ratio):
    """JLP bought at its price, sold at the end, a debt and a hedge paid in a hundred steps: the same profit."""
    spent = trade.leverage * trade.equity
    jlp = spent / (1 + trade.entry_cost) / (1 + trade.entry_premium)
    owed, paid, steps = spent - trade.equity, 0.0, 100
    for leg in trade.hedge:
        paid += jlp * leg.notional * leg.cost
    for _ in range(steps):
        owed *= (1 + borrow) ** (trade.years / steps)
        paid += sum(jlp * leg.notional * leg.funding for leg in trade.hedge) * trade.years / steps
    left = jlp * ratio * (1 + trade.exit_premium) * (1 - trade.exit_cost) - owed - paid
    found = trade.pnl(Scenario(borrow_apy=borrow, underlying_ratio=ratio))
    assert found == pytest.approx(left - trade.equity, rel=1e-9, abs=1e-9 * (spent + owed))


@settings(deadline=None)
@given(loops, rates, ratios, st.floats(0.2, 3.0))
def test_decomposition_adds_up_to_the_profit(trade, borrow, ratio, owed):
    """JLP, premium, interest, price of the debt, hedge and costs add up, for numbers and arrays."""
    scenario = Scenario(borrow_apy=borrow, underlying_ratio=ratio, debt_ratio=owed)
    scale = 1e-11 * trade.equity * (1 + borrow) ** trade.years
    total = math.fsum(trade.decomposition(scenario).values())
    assert total == pytest.approx(trade.pnl(scenario), abs=scale)
    many = Scenario(borrow_apy=borrow, underlying_ratio=np.array([ratio, 1.0]), debt_ratio=owed)
    np.testing.assert_allclose(
        sum(trade.decomposition(many).values()), trade.pnl(many), rtol=1e-9, atol=scale
    )


@settings(deadline=None)
@given(loops, st.floats(0.0, 3.0), ratios, ratios)
def test_gradient_is_the_slope_of_the_profit(trade, borrow, ratio, owed):
    """The derivatives agree with central differences."""
    at = {"borrow_apy": borrow, "underlying_ratio": ratio, "debt_ratio": owed}
    slopes, step = trade.gradient(Scenario(**at)), 1e-5
    for name, value in at.items():
        up, down = (trade.pnl(Scenario(**{**at, name: value + sign * step})) for sign in (1, -1))
        assert slopes[name] == pytest.approx((up - down) / (2 * step), rel=1e-6, abs=1e-6 * trade.equity)


@settings(deadline=None)
@given(loops, st.floats(0.0, 3.0), ratios)
def test_profit_falls_with_each_cost_and_with_the_borrow_rate(trade, borrow, ratio):
    """Dearer debt, trades, premium paid and hedge win less; a premium received wins more."""
    trade = replace(trade, hedge=(*trade.hedge, HedgeLeg(coin="SOL", notional=0.1)))
    scenario = Scenario(borrow_apy=borrow, underlying_ratio=ratio)
    base = trade.pnl(scenario)
    assert trade.pnl(replace(scenario, borrow_apy=borrow + 0.01)) <= base
    more_cost = (*trade.hedge[:-1], HedgeLeg(coin="SOL", notional=0.1, cost=0.001))
    more_funding = (*trade.hedge[:-1], HedgeLeg(coin="SOL", notional=0.1, funding=0.1))
    assert replace(trade, exit_cost=trade.exit_cost + 0.001).pnl(scenario) < base
    assert replace(trade, exit_premium=trade.exit_premium + 0.001).pnl(scenario) > base
    for hedge in (more_cost, more_funding):
        assert replace(trade, hedge=hedge).pnl(scenario) < base
    bare = replace(trade, hedge=())
    for name in ("entry_cost", "entry_premium"):
        dearer = replace(bare, **{name: getattr(bare, name) + 0.001})
        assert dearer.pnl(scenario) < bare.pnl(scenario)


@settings(deadline=None)
@given(loops, rates)
def test_without_debt_the_loop_is_the_jlp(trade, borrow):
    """At a leverage of 1 the return is that of JLP bought and sold, and nothing liquidates."""
    alone = replace(trade, leverage=1.0, hedge=())
    bought = (1 + trade.entry_premium) * (1 + trade.entry_cost)
    sold = 1.2 * (1 + trade.exit_premium) * (1 - trade.exit_cost)
    found = alone.pnl(Scenario(borrow_apy=borrow, underlying_ratio=1.2))
    assert found == pytest.approx(alone.equity * (sold / bought - 1), rel=1e-9, abs=1e-9 * alone.equity)
    mean = alone.net_apy(alone.scenario(OUTLOOK, borrow))
    assert mean == pytest.approx(alone.unlevered_apy(OUTLOOK), rel=1e-9, abs=1e-10)
    assert (alone.ltv, alone.health_factor, alone.liquidation_drop()) == (0.0, None, None)
    assert (alone.p_liquidation(OUTLOOK, borrow), alone.liquidation_days(0.0, borrow)) == (0.0, None)
    assert alone.break_evens(OUTLOOK, borrow)["borrow"].reason == "no debt"


@settings(deadline=None)
@given(st.floats(1.0, 3.9), st.floats(0.001, 5.0))
def test_a_free_round_trip_gains_nothing(leverage, years):
    """Without premium, cost, interest and growth the capital is what it was, and the days start at once."""
    trade = free(1 - 1 / leverage, 0.8, 365 * years)
    assert trade.pnl(Scenario(borrow_apy=0.0)) == pytest.approx(0.0, abs=1e-12)
    assert trade.break_evens(OUTLOOK, 0.08)["days"].status == "always"


@settings(deadline=None)
@given(loops, st.floats(0.0, 3.0), st.floats(-0.2, 1.0), st.floats(-0.5, 0.5))
def test_at_a_break_even_nothing_is_won(trade, borrow, fee_yield, drift):
    """Borrow APY, fee yield and exit premium each leave exactly the capital, or say why there is none."""
    outlook = JlpOutlook(fee_yield=fee_yield, vol=0.3, drift=drift)
    limits, scale = trade.break_evens(outlook, borrow, 0.1), 1e-8 * trade.equity * trade.leverage
    for limit in limits.values():
        assert bool(limit.reason) == (limit.value is None)
    scenario = trade.scenario(outlook, borrow)
    dear = limits["borrow"].value
    if dear is not None and -0.99 < dear < 1e6:
        assert trade.pnl(replace(scenario, borrow_apy=dear)) == pytest.approx(0.0, abs=scale)
    hurdle = limits["borrow_hurdle"].value
    if hurdle is not None and -0.99 < hurdle < 1e6:
        wanted = trade.equity * (1.1**trade.years - 1)
        assert trade.pnl(replace(scenario, borrow_apy=hurdle)) == pytest.approx(wanted, abs=scale)
    poor = replace(outlook, fee_yield=limits["fee_yield"].value)
    assert trade.pnl(trade.scenario(poor, borrow)) == pytest.approx(0.0, abs=scale)
    cheap = replace(trade, exit_premium=limits["exit_premium"].value)
    assert cheap.pnl(scenario) == pytest.approx(0.0, abs=scale)


@settings(deadline=None)
@given(loops, st.floats(0.0, 1.0), st.floats(-0.1, 0.8))
def test_break_even_days_is_the_first_day_without_loss(trade, borrow, fee_yield):
    """Sold on that day nothing is lost, on none of the days before is that so; never means on no day."""
    outlook = JlpOutlook(fee_yield=fee_yield, vol=0.3)

    def gain(days):
        held = replace(trade, years=days / 365)
        return held.pnl(held.scenario(outlook, borrow)) / trade.equity

    found = trade.break_evens(outlook, borrow)["days"]
    if found.status == "always":
        assert gain(1e-9) >= -1e-9
        return
    limit = 3_650.0 if found.value is None else found.value
    if found.value is not None and limit > 1e-6:
        assert gain(limit) == pytest.approx(0.0, abs=1e-8)
    if limit > 1e-3:
        assert all(gain(limit * part) < 1e-9 for part in np.linspace(0.01, 0.99, 40))


def test_funding_may_outrun_what_the_loop_earns():
    """Days are found where the profit first rises and then falls, and the loop is never paid where it only falls."""
    short = HedgeLeg(coin="SOL", notional=0.5, cost=0.0, funding=0.25)
    slow = loop(hedge=(short,), entry_premium=0.0, entry_cost=0.0, exit_cost=0.0005)
    never = slow.break_evens(JlpOutlook(fee_yield=0.05, vol=0.1), 0.09)["days"]
    assert (never.value, never.status) == (None, "never")
    assert "10 years" in never.reason
    # at first the hedge is paid more than interest costs; interest compounds and takes it back
    paid = replace(slow, hedge=(HedgeLeg(coin="SOL", notional=0.5, funding=-0.6),), leverage=3.0)
    found = paid.break_evens(JlpOutlook(fee_yield=0.0, vol=0.1), 0.35)["days"]
    late = replace(paid, years=9.0)
    assert 0 < found.value < 40
    assert late.pnl(late.scenario(JlpOutlook(fee_yield=0.0, vol=0.1), 0.35)) < 0


def test_hedge_legs_are_lines_of_their_own():
    """A hedge of half the collateral: cost and funding by hand, and the profit less them."""
    hedge = (
        HedgeLeg(coin="SOL", notional=0.3, cost=0.001, funding=0.12),
        HedgeLeg(coin="BTC", notional=0.2, cost=0.002, funding=-0.02),
    )
    hedged, bare = loop(hedge=hedge), loop()
    parts = hedged.decomposition(hedged.scenario(OUTLOOK, 0.08))
    assert parts["hedge_cost"] == pytest.approx(-bare.collateral * 0.0007, rel=1e-12)
    assert parts["hedge_funding"] == pytest.approx(-bare.collateral * 0.032 * MONTH, rel=1e-12)
    less = hedged.pnl(hedged.scenario(OUTLOOK, 0.08)) - bare.pnl(bare.scenario(OUTLOOK, 0.08))
    assert less == pytest.approx(parts["hedge_cost"] + parts["hedge_funding"], rel=1e-9)


def test_a_hedge_held_elsewhere_does_not_support_the_loan():
    """The residual volatility lowers the risk of loss, not that of liquidation."""
    hedged, trade = replace(OUTLOOK, residual_vol=0.04), free(0.65, 0.8, 90)
    assert trade.p_liquidation(hedged, 0.08) == trade.p_liquidation(OUTLOOK, 0.08)
    assert trade.p_loss(hedged, 0.08) < trade.p_loss(OUTLOOK, 0.08)


def test_coins_that_exhaust_an_account_do():
    """Moved by what is said to exhaust it, health is nothing: falls of coins held, rises of coins owed in excess."""
    trade = coin_loop(leverage=2.0)
    exposure = {"SOL": 0.45, "BTC": 0.10, "ETH": 0.09, "PUMP": 0.01}
    moves = trade.exhausting_moves(exposure)
    assert set(moves) == {"SOL", "BTC", "ETH", "PUMP"}
    # by hand for SOL: 0.502*(1 + 0.6 m) = 0.8182*(1 + 0.45 m)
    by_hand = (trade.liquidation_ltv - trade.ltv) / (0.6 * trade.ltv - 0.45 * trade.liquidation_ltv)
    assert moves["SOL"] is None
    assert by_hand < -1
    assert moves["BTC"] > 0
    assert moves["PUMP"] is None
    for coin, move in moves.items():
        if move is not None:
            scenario = trade.coin_scenario({coin: move}, exposure, fee_yield=0.0, borrow_apy=0.0)
            health = trade.account_health(scenario.underlying_ratio, scenario.debt_ratio)
            assert health == pytest.approx(0.0, abs=1e-12)
            half = trade.coin_scenario({coin: move / 2}, exposure, fee_yield=0.0, borrow_apy=0.0)
            assert trade.account_health(half.underlying_ratio, half.debt_ratio) > 0
    # against dollars a fall of SOL alone does it
    dollars = replace(trade, debt_basket=None, leverage=2.8, liquidation_ltv=0.75)
    fall = dollars.exhausting_moves(exposure)["SOL"]
    assert -1 < fall < 0
    assert dollars.account_health(1 + 0.45 * fall) == pytest.approx(0.0, abs=1e-12)


def test_coin_debt_hedges_the_coins_held():
    """Owing what JLP holds of a coin leaves a profit that does not move with it; drawn moves go through arrays."""
    exposure = {"SOL": 0.6 * 0.5, "BTC": 0.25 * 0.5, "ETH": 0.15 * 0.5}
    trade = coin_loop(leverage=2.0, entry_premium=0.0, entry_cost=0.0, exit_cost=0.0)
    moves = {coin: np.linspace(-0.5, 0.5, 11) for coin in exposure}
    scenario = trade.coin_scenario(moves, exposure, fee_yield=0.0, borrow_apy=0.0)
    np.testing.assert_allclose(trade.pnl(scenario), 0.0, atol=1e-12)
    with pytest.raises(DomainError, match=r"JlpLoop\.coin_scenario"):
        trade.p_loss(OUTLOOK, 0.08)


def test_liquidation_of_a_jupiter_loan_returns_what_fee_and_debt_leave():
    """A loan closed right at 95 % with a fee of 2 % returns 3.1 % of the collateral; one at 86 % and 6 % 8.84 %."""
    for limit, fee, rest in ((0.95, 0.02, 0.031), (0.86, 0.06, 0.0884)):
        trade = free(0.6, limit, venue="jupiter")
        collateral = trade.debt / limit
        assert trade.returned_by_liquidation(fee) == pytest.approx(rest * collateral, rel=1e-9)
    assert replace(trade, leverage=1.0).returned_by_liquidation(0.06) == 1.0


@settings(deadline=None)
@given(loops, st.floats(0.0, 0.5), st.floats(0.0, 0.2), ratios)
def test_loan_to_value_rises_with_the_rate_and_falls_with_the_price(trade, borrow, more, ratio):
    """Dearer debt raises the loan to value, dearer JLP lowers it; at the start it is that of the opening."""
    now = trade.loan_to_value(borrow, trade.years, ratio)
    assert trade.loan_to_value(borrow + more, trade.years, ratio) >= now
    assert trade.loan_to_value(borrow, trade.years, ratio * 1.1) <= now
    assert trade.loan_to_value(borrow, 0.0) == pytest.approx(trade.ltv, rel=1e-12)
    assert trade.account_health() == pytest.approx(1 - trade.ltv / trade.liquidation_ltv, abs=1e-12)
    assert trade.mark_leverage == pytest.approx(1 / (1 - trade.ltv), rel=1e-9)


def test_a_holding_of_one_second_and_rates_of_thousands_of_percent():
    """A second's costs are lost at any rate that can be written; at 3,000 % figures stay finite."""
    second = loop(years=1 / 31_536_000)
    limits = second.break_evens(OUTLOOK, 0.08)
    assert (limits["borrow"].value, limits["borrow"].status) == (None, "never")
    assert second.pnl(second.scenario(OUTLOOK, 30.0)) == pytest.approx(
        2 * 0.999 / (1.003 * 1.001) - 2, abs=1e-6
    )
    rich = free(0.5, 0.8, 365)
    assert (
        replace(rich, years=1 / 31_536_000, exit_premium=0.01).break_evens(OUTLOOK, 0.08)["borrow"].status
        == "always"
    )
    wild = JlpOutlook(fee_yield=math.log(31.0), vol=3.0, drift=-1.0)
    assert rich.pnl(rich.scenario(wild, 30.0)) == pytest.approx(2 * 31 / math.e - 31 - 1, rel=1e-9)
    assert 0.0 < rich.p_loss(wild, 30.0) < 1.0
    assert 0.0 < rich.p_liquidation(wild, 30.0) <= 1.0
    assert rich.break_evens(wild, 30.0)["days"].status in {"value", "never", "always"}


def test_certain_growth_loses_or_does_not():
    """Without volatility the probability of loss is 0 or 1, and so is that of liquidation."""
    certain = JlpOutlook(fee_yield=0.15, vol=0.0)
    assert (loop().p_loss(certain, 0.08), loop().p_loss(certain, 0.5)) == (0.0, 1.0)
    falling = JlpOutlook(fee_yield=0.0, vol=0.0, drift=-1.0)
    assert [free(0.6, 0.8, days).p_liquidation(falling, 0.0) for days in (100, 110)] == [0.0, 1.0]
    # what the hedge is paid may exceed all that is owed
    paid = loop(hedge=(HedgeLeg(coin="SOL", notional=1.0, funding=-20.0),), years=1.0)
    assert paid.p_loss(OUTLOOK, 0.08) == 0.0
    limits = paid.break_evens(OUTLOOK, 0.08)
    assert (limits["fee_yield"].status, limits["exit_premium"].status) == ("always", "always")


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"venue": "aave"}, DomainError, "venue = 'aave': allowed are"),
        ({"leverage": 0.9}, DomainError, "leverage = 0.9 must be 1 or more"),
        ({"years": 0.0}, DomainError, "years = 0.0 must be above 0"),
        ({"entry_premium": -1.0}, DomainError, "entry_premium = -1.0 must be above -1"),
        ({"leverage": 6.0}, DomainError, "opens at a loan to value of 0.836"),
        ({"liquidation_ltv": 0.7}, DataError, "liquidation_ltv = 0.7 must be above"),
        ({"debt_basket": {"SOL": 1.0}}, DomainError, "kamino lends dollars only"),
        ({"debt_basket": {"SOL": 0.7}, "venue": "drift"}, DomainError, "add up to 0.7, not to 1"),
        ({"debt_basket": {"SOL": 1.2, "BTC": -0.2}, "venue": "drift"}, DomainError, "part of BTC = -0.2"),
        ({"liquidation_loss": -0.1}, DomainError, "liquidation_loss = -0.1 must lie in"),
    ],
)
def test_values_outside_their_range_are_refused(more, error, message):
    """Each refusal names the value and what is allowed."""
    with pytest.raises(error, match=message):
        loop(**more)


def test_outlooks_and_hedges_outside_their_range_are_refused():
    """A volatility below 0, percent for a fraction, a negative short."""
    with pytest.raises(DomainError, match=r"vol = -0\.1 must be 0 or more"):
        JlpOutlook(fee_yield=0.1, vol=-0.1)
    with pytest.raises(DomainError, match=r"fee_yield = 55\.0 must lie within \+-50 a year"):
        JlpOutlook(fee_yield=55.0, vol=0.1)
    with pytest.raises(DomainError, match=r"residual_vol = -1\.0 must be 0 or more"):
        JlpOutlook(fee_yield=0.1, vol=0.1, residual_vol=-1.0)
    with pytest.raises(DomainError, match=r"notional = -0\.5 must be 0 or more"):
        HedgeLeg(coin="SOL", notional=-0.5)
