"""The levered PT: exact returns, break-evens, loan to value and what liquidates."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from yieldtrade.errors import DataError, DomainError
from yieldtrade.lending.oracle import LinearDiscountOracle, MarketTwapOracle
from yieldtrade.strategies.inputs import Scenario
from yieldtrade.strategies.principal_loop import LeveragedPrincipalLoop, loop_equity

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "pt_loops.json").read_text())["cases"]
LINEAR = LinearDiscountOracle(discount=0.25)


def loop(*, leverage=5.0, **more):
    """The loop of the worked example, entered at a cost of 0.2 %."""
    values = {
        "implied_apy": 0.12,
        "tau": 0.3,
        "max_ltv": 0.85,
        "liquidation_ltv": 0.90,
        "oracle": LINEAR,
        "entry_cost": 0.002,
        **more,
    }
    return LeveragedPrincipalLoop(leverage=leverage, **values)


def figures(case):
    """Every figure of a reference case, as this package gives it."""
    given_ = case["in"]
    linear = given_["oracle_discount"] is not None
    oracle = MarketTwapOracle(implied_apy=given_["implied_apy"])
    if linear:
        oracle = LinearDiscountOracle(discount=given_["oracle_discount"])
    trade = loop(
        leverage=given_["leverage"],
        implied_apy=given_["implied_apy"],
        tau=given_["tau"],
        max_ltv=given_["max_ltv"],
        liquidation_ltv=given_["liq_ltv"],
        oracle=oracle,
        entry_cost=given_["entry_cost"],
    )
    b = given_["borrow_apy"]
    levered = trade.debt > 0
    return {
        "max_leverage": trade.max_leverage,
        "pt_units": trade.units,
        "debt": trade.debt,
        "ltv": trade.ltv,
        "health_factor": trade.health_factor,
        "net_apy_exact": trade.net_apy(Scenario(borrow_apy=b)),
        "net_apy_naive": trade.naive(b),
        "breakeven_borrow_apy": trade.break_even_borrow(1.0).value,
        "wipeout_borrow_apy": trade.break_even_borrow(0.0).value,
        # the reference leaves out what it does not define for a market oracle
        "critical_borrow_apy": trade.critical_borrow_apy() if linear else None,
        "liquidation_underlying_ratio": trade.liquidation_ratio(),
        "liquidation_implied_apy": None if linear else trade.liquidation_implied(),
        "post_maturity_days": trade.days_after_maturity(b) if linear and levered else None,
    }


@pytest.mark.parametrize("case", [pytest.param(c, id=c["id"]) for c in GOLDEN])
def test_loops_equal_the_reference(case):
    """All thirteen figures of a loop held to maturity equal the reference to 1e-9."""
    found, expected = figures(case), case["expect"]
    for name, value in expected.items():
        if value is None:
            assert found[name] is None, name
        else:
            assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


def test_worked_example_without_cost():
    """Entry at no cost: price, PT, loan to value, cap and return at 9 %."""
    trade = loop(entry_cost=0.0)
    found = (
        trade.mid_price,
        trade.units,
        trade.ltv,
        trade.max_leverage,
        trade.net_apy(Scenario(borrow_apy=0.09)),
    )
    assert found == pytest.approx((0.966573, 5.172916, 0.835955, 5.360235, 0.245795), abs=1e-6)
    assert trade.naive(0.09) == pytest.approx(0.24, abs=1e-12)
    assert trade.critical_borrow_apy() == pytest.approx(0.658542, abs=1e-6)


def test_worked_example_with_cost():
    """Entry at 0.2 %: every figure printed in the specification."""
    trade = loop()
    entry = (trade.execution_price, trade.executed_yield, trade.units, trade.ltv, trade.max_leverage)
    assert entry == pytest.approx((0.968506, 0.112566, 5.162591, 0.837627, 5.313987), abs=1e-6)
    assert trade.mark_leverage == pytest.approx(5.040323, abs=1e-6)
    assert trade.pnl(Scenario(borrow_apy=0.09)) + 1 == pytest.approx(1.057829, abs=1e-6)
    returns = [trade.net_apy(Scenario(borrow_apy=b)) for b in (0.09, 0.14)]
    assert returns == pytest.approx([0.206104, 0.007438], abs=1e-6)
    assert trade.naive(0.14) == pytest.approx(0.04, abs=1e-12)
    limits = trade.break_evens(0.09, 0.05)
    borrow = [limits[name].value for name in ("borrow", "borrow_hurdle", "borrow_ruin")]
    assert borrow == pytest.approx([0.142034, 0.128605, 1.340771], abs=1e-6)
    assert trade.critical_borrow_apy() == pytest.approx(0.647533, abs=1e-6)
    assert trade.liquidation_ratio() == pytest.approx(0.930696, abs=1e-6)
    clock = [trade.days_after_maturity(b) for b in (0.09, 0.14)]
    assert clock == pytest.approx([524.898812, 307.746074], abs=1e-6)
    values = [trade.loan_to_value(0.09, t) for t in (0.0, 0.15, 0.30)]
    assert values == pytest.approx([0.837627, 0.815465, 0.795097], abs=1e-6)


def test_worked_example_of_an_early_exit():
    """Left after 30 days at a cost of 0.2 %: profits, break-even exit yield and days."""
    trade = loop(hold=30 / 365, exit_cost=0.002)
    profits = [trade.pnl(Scenario(borrow_apy=0.09, exit_implied=y)) for y in (0.12, 0.14)]
    assert profits == pytest.approx([-0.001789, -0.021130], abs=1e-6)
    limits = trade.break_evens(0.09, None)
    assert limits["exit_implied"].value == pytest.approx(0.118172, abs=1e-6)
    assert limits["days"].value == pytest.approx(32.932618, abs=1e-6)
    assert limits["days"].iterations > 0


def test_worked_example_of_slippage_in_yield():
    """A cost of 0.2 % with 30 days left at 12 % takes 2.6898 points off the yield."""
    trade = loop(tau=30 / 365, entry_cost=0.002, leverage=1.0)
    assert 0.12 - trade.executed_yield == pytest.approx(0.026898, abs=1e-6)


def test_worked_example_of_stressed_loops():
    """Dearer debt, a cheaper underlying and a late close, as printed in the stress table."""
    trade = loop()
    dear = [trade.pnl(Scenario(borrow_apy=0.09 * k)) for k in (1.5, 2, 3)]
    assert dear == pytest.approx([0.007708, -0.041040, -0.134763], abs=1e-6)
    fallen = [trade.pnl(Scenario(borrow_apy=0.09, underlying_ratio=x)) for x in (0.99, 0.95, 0.90)]
    assert fallen == pytest.approx([0.006203, -0.200301, -0.458430], abs=1e-6)
    late = loop(hold=0.3 + 7 / 365)
    assert late.pnl(Scenario(borrow_apy=0.09)) == pytest.approx(0.051039, abs=1e-6)
    now = [trade.loan_to_value(0.09, 0.0, x) for x in (0.95, 0.90)]
    assert now == pytest.approx([0.881712, 0.930696], abs=1e-6)


loops = st.builds(
    loop,
    leverage=st.floats(1.0, 2.4),
    implied_apy=st.floats(0.01, 0.6),
    tau=st.floats(0.02, 1.0),
    entry_cost=st.floats(0, 0.01),
    exit_cost=st.floats(0, 0.01),
    oracle=st.sampled_from([LINEAR, MarketTwapOracle(implied_apy=0.6)]),
    max_ltv=st.just(0.9),
    liquidation_ltv=st.just(0.999),
)


@settings(deadline=None)
@given(loops, st.floats(0.0, 0.5), st.floats(0.5, 1.2))
def test_profit_equals_a_debt_stepped_day_by_day(trade, borrow, ratio):
    """Interest added step by step leaves the equity of the closed form."""
    owed, steps = trade.debt, 100
    for _ in range(steps):
        owed *= (1 + borrow) ** (trade.tau / steps)
    left = trade.units * ratio * (1 - trade.exit_cost) - owed
    found = trade.pnl(Scenario(borrow_apy=borrow, underlying_ratio=ratio))
    assert found == pytest.approx(left - 1, abs=1e-10)


@settings(deadline=None)
@given(loops, st.floats(0.0, 0.5))
def test_net_return_falls_with_every_cost(trade, borrow):
    """Dearer debt, entry and exit each lower the return."""
    scenario = Scenario(borrow_apy=borrow)
    base = trade.pnl(scenario)
    assert trade.pnl(Scenario(borrow_apy=borrow + 0.01)) <= base
    for name in ("entry_cost", "exit_cost"):
        dearer = replace(trade, **{name: getattr(trade, name) + 0.0005})
        assert dearer.pnl(scenario) < base


@settings(deadline=None)
@given(loops, st.floats(0.0, 0.5), st.floats(0.0, 0.1))
def test_loan_to_value_rises_with_the_borrow_rate(trade, borrow, more):
    """The dearer the debt, the higher the loan to value at maturity."""
    assert trade.loan_to_value(borrow + more, trade.tau) >= trade.loan_to_value(borrow, trade.tau)


@settings(deadline=None)
@given(loops, st.floats(0.0, 0.5))
def test_without_debt_the_loop_is_the_pt(trade, borrow):
    """At a leverage of 1 the return is that of the PT alone, whatever debt would cost."""
    alone = replace(trade, leverage=1.0)
    price = (1 + trade.implied_apy) ** -trade.tau * (1 + trade.entry_cost)
    expected = (1 - trade.exit_cost) / price
    assert alone.pnl(Scenario(borrow_apy=borrow)) == pytest.approx(expected - 1, abs=1e-12)
    assert alone.net_apy(Scenario(borrow_apy=borrow)) == pytest.approx(
        alone.unlevered_apy, rel=1e-9, abs=1e-12
    )
    assert (alone.ltv, alone.health_factor, alone.liquidation_ratio()) == (0.0, None, None)


@settings(deadline=None)
@given(loops)
def test_debt_at_the_executed_yield_leaves_the_unlevered_return(trade):
    """Borrowing at what the PT yields at its price, leverage changes nothing."""
    assume(trade.exit_cost == 0)
    found = trade.net_apy(Scenario(borrow_apy=trade.executed_yield))
    assert found == pytest.approx(trade.unlevered_apy, rel=1e-9, abs=1e-10)


@settings(deadline=None)
@given(loops, st.floats(0.01, 0.4))
def test_decomposition_adds_up_to_the_profit(trade, borrow):
    """PT, underlying, interest and both costs add up, held to maturity or sold before."""
    for hold in (None, trade.tau / 2):
        held = replace(trade, hold=hold)
        scenario = Scenario(borrow_apy=borrow, exit_implied=0.2, underlying_ratio=0.9)
        total = math.fsum(held.decomposition(scenario).values())
        assert total == pytest.approx(held.pnl(scenario), abs=1e-12)


@settings(deadline=None)
@given(loops, st.floats(0.01, 0.4))
def test_at_a_break_even_nothing_is_won(trade, borrow):
    """The break-even borrow APY and the break-even exit yield leave exactly the capital."""
    limit = trade.break_even_borrow(1.0)
    if limit.value is not None and limit.value < 1e6:
        assert trade.pnl(Scenario(borrow_apy=limit.value)) == pytest.approx(0.0, abs=1e-9)
    early = replace(trade, hold=trade.tau / 2)
    exit_ = early.break_evens(borrow, None)["exit_implied"].value
    assert early.pnl(Scenario(borrow_apy=borrow, exit_implied=exit_)) == pytest.approx(0.0, abs=1e-9)


@settings(deadline=None)
@given(loops)
def test_critical_borrow_apy_first_touches_the_limit_at_maturity(trade):
    """At the critical rate the loan to value stays below the limit until maturity, and reaches it there."""
    assume(trade.debt > 0.01 and trade.oracle is LINEAR)
    critical = trade.critical_borrow_apy()
    assume(critical < 1e6)
    values = [trade.loan_to_value(critical, trade.tau * k / 20) for k in range(21)]
    assert max(values[:-1]) < trade.liquidation_ltv
    assert values[-1] == pytest.approx(trade.liquidation_ltv, rel=1e-9)


@settings(deadline=None)
@given(st.floats(0.05, 0.5), st.floats(0.1, 1.0), st.floats(1.1, 4.0))
def test_market_oracle_and_borrow_rate_liquidate_at_the_same_figure_now(implied, tau, leverage):
    """The liquidating implied APY now equals the critical borrow APY, though they answer other questions."""
    trade = loop(
        implied_apy=implied,
        tau=tau,
        leverage=leverage,
        oracle=MarketTwapOracle(implied_apy=implied),
        liquidation_ltv=0.95,
    )
    assert trade.liquidation_implied() == pytest.approx(trade.critical_borrow_apy(), rel=1e-12)
    later = trade.liquidation_implied(0.1, tau / 2, 0.9)
    owed = trade.debt * 1.1 ** (tau / 2)
    assert owed / (trade.units * (1 + later) ** (-tau / 2) * 0.9) == pytest.approx(0.95, rel=1e-9)


def test_gradient_is_the_slope_of_the_profit():
    """The derivatives agree with central differences, to maturity and sold before."""
    scenario = Scenario(borrow_apy=0.09, exit_implied=0.13, underlying_ratio=0.97)
    for trade in (loop(), loop(hold=0.1, exit_cost=0.002)):
        for name, slope in trade.gradient(scenario).items():
            up, down = (replace(scenario, **{name: getattr(scenario, name) + h}) for h in (1e-5, -1e-5))
            assert slope == pytest.approx((trade.pnl(up) - trade.pnl(down)) / 2e-5, rel=1e-6)


def test_oracle_above_market_starts_at_the_stated_yields():
    """A 25 % discount a year counts more than the market from 29.68 % at 0.3 years and 33.33 % at a year."""
    for tau, limit in ((0.3, 0.2968), (1.0, 1 / 3)):
        below, above = (loop(tau=tau, implied_apy=limit + h, leverage=1.0) for h in (-1e-4, 1e-4))
        assert below.oracle_price < below.mid_price
        assert above.oracle_price > above.mid_price
        assert above.prudent_max_leverage < above.max_leverage
        assert below.prudent_max_leverage == below.max_leverage


def test_liquidation_odds_and_first_passage_agree_with_stepped_paths():
    """A volatile underlying: the bridge on end points, the closed form, and paths stepped finely."""
    trade, vol, count, steps = loop(leverage=4.0), 0.4, 20_000, 400
    borrow = 0.09
    rng = np.random.default_rng(1)
    t = trade.tau
    moves = rng.standard_normal((steps, count)) * vol * math.sqrt(t / steps) - vol * vol * t / steps / 2
    path = np.cumsum(moves, axis=0)
    when = t * np.arange(1, steps + 1) / steps
    ltv = np.log([trade.loan_to_value(borrow, w) for w in when])[:, None] - path
    # steps miss crossings between them as a barrier moved by 0.5826 of a step would (Broadie, Glasserman, Kou)
    barrier = math.log(0.90) - 0.5826 * vol * math.sqrt(t / steps)
    hit = (ltv >= barrier).any(axis=0).mean()
    ends = Scenario(borrow_apy=borrow, underlying_ratio=np.exp(path[-1]))
    assert trade.liquidation_odds(ends, vol).mean() == pytest.approx(hit, abs=0.01)
    assert trade.p_liquidation(borrow, vol) == pytest.approx(hit, abs=0.01)


def test_negative_carry_loses_money_without_liquidating():
    """Under a linear oracle a loan dearer than the PT yields still lowers its own loan to value."""
    trade = loop()
    assert trade.pnl(Scenario(borrow_apy=0.20)) < 0
    assert trade.loan_to_value(0.20, 0.3) < trade.ltv
    assert trade.p_liquidation(0.20, 0.0) == 0.0
    assert trade.p_liquidation(0.70, 0.0) == 1.0


def test_sure_prices_are_liquidated_or_not():
    """Without volatility the loan to value at the end decides."""
    trade = loop()
    rates = Scenario(borrow_apy=np.array([0.09, 0.70]))
    assert trade.liquidation_odds(rates, 0.0).tolist() == [0.0, 1.0]
    assert loop(leverage=1.0).p_liquidation(0.09, 0.5) == 0.0
    assert loop(leverage=1.0).liquidation_implied() is None
    assert trade.days_after_maturity(0.0) is None


def test_wealth_that_the_pt_cannot_bring_has_no_break_even():
    """More than the PT redeems, even a debt that costs nothing does not leave."""
    assert loop().break_even_borrow(10.0).status == "never"
    assert loop(leverage=1.0).break_even_borrow(1.0).status == "always"


def test_arrays_price_like_numbers():
    """A row of borrow rates is priced like each of them."""
    together = loop().pnl(Scenario(borrow_apy=np.array([0.05, 0.09, 3.0])))
    assert together.tolist() == pytest.approx([loop().pnl(Scenario(borrow_apy=b)) for b in (0.05, 0.09, 3.0)])
    assert loop().net_apy(Scenario(borrow_apy=np.array([0.09, 30.0])))[1] == -1.0


@pytest.mark.parametrize(
    ("change", "error", "name"),
    [
        ({"implied_apy": -0.1}, DomainError, "implied_apy"),
        ({"implied_apy": math.nan}, DomainError, "implied_apy"),
        ({"tau": 0.0}, DomainError, "tau"),
        ({"tau": -0.1}, DomainError, "tau"),
        ({"leverage": 0.5}, DomainError, "leverage"),
        ({"leverage": 8.0}, DomainError, "leverage"),
        ({"liquidation_ltv": 0.85}, DataError, "liquidation_ltv"),
        ({"liquidation_ltv": 0.80}, DataError, "liquidation_ltv"),
        ({"oracle": LinearDiscountOracle(discount=5.0)}, DomainError, "leverage"),
        ({"hold": 0.0}, DomainError, "years"),
        ({"entry_cost": 1.0}, DomainError, "entry_cost"),
    ],
)
def test_bad_inputs_are_refused_by_name(change, error, name):
    """Impossible figures, and loans that open at their liquidation limit, are refused."""
    with pytest.raises(error, match=name):
        loop(**change)


@pytest.mark.parametrize("borrow", [math.nan, -1.0, None])
def test_bad_borrow_rates_are_refused(borrow):
    """A borrow APY that is not a number above -1 has no profit."""
    with pytest.raises(DomainError, match="borrow_apy"):
        loop().pnl(Scenario(borrow_apy=borrow))


def test_equity_refuses_negative_balances():
    """PT and debt are amounts, not signed balances."""
    with pytest.raises(DomainError, match="D"):
        loop_equity(units=1.0, debt=-1.0, borrow_apy=0.1, years=1.0, pt_value=1.0)
