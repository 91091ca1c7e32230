"""PT bought and sold again: carry, yield move, costs, and the exact probability of loss."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.strategies.fixed_income import FixedIncome
from yieldtrade.strategies.inputs import Scenario
from yieldtrade.strategies.principal_spread import PrincipalSpread
from yieldtrade.strategies.risk import Draws, Factor, Risks, delta_method, draw_scenario, normal_below

SECOND = 1 / 31_536_000


def spread(**more):
    """The trade of the worked example: 60 days at 20 %, 0.1 % each way."""
    values = {"implied_apy": 0.20, "tau": 0.5, "hold": 60 / 365, "entry_cost": 0.001, "exit_cost": 0.001}
    return PrincipalSpread(**{**values, **more})


def test_return_of_the_worked_example():
    """From 20 to 15 %: the return, the naive one, and what it is made of."""
    trade, scenario = spread(), Scenario(exit_implied=0.15)
    assert trade.pnl(scenario) == pytest.approx(0.043160, abs=1e-6)
    assert trade.naive(scenario) == pytest.approx(0.045248, abs=1e-6)
    carry, move, costs = trade.factors(scenario)
    assert (carry, move) == pytest.approx((0.030424, 0.014386), abs=1e-6)
    assert (1 + carry) * (1 + move) * (1 - costs) - 1 == pytest.approx(trade.pnl(scenario), abs=1e-15)


def test_break_evens_of_the_worked_example():
    """Exit yield against cash and against ST at 20 %, days until the carry has paid the costs."""
    limits = spread().break_evens(settled_apy=0.20)
    assert limits["exit_implied"].value == pytest.approx(0.304295, abs=1e-6)
    assert limits["exit_implied_underlying"].value == pytest.approx(0.192870, abs=1e-6)
    assert limits["days"].value == pytest.approx(4.003916, abs=1e-6)
    assert "exit_implied_hurdle" not in limits


def test_probability_of_loss_of_the_worked_example():
    """For an exit yield of 20 +- 4 %: exact, and to first order."""
    trade = spread()
    assert trade.p_loss(0.20, 0.04) == pytest.approx(0.004562, abs=1e-6)
    risks = Risks(factors=(Factor(name="exit_implied", mean=0.20, sd=0.04),))
    mean, sd, _ = delta_method(trade, risks)
    assert normal_below(0.0, mean, sd) == pytest.approx(0.006839, abs=1e-6)


def test_exact_probability_of_loss_is_the_share_of_simulated_losses():
    """Drawn exit yields lose as often as the closed form says, where it is near one half too."""
    for mean, hold in ((0.30, 60 / 365), (0.22, 10 / 365)):
        trade = spread(hold=hold)
        risks = Risks(factors=(Factor(name="exit_implied", mean=mean, sd=0.04),))
        lost = np.mean(trade.pnl(draw_scenario(risks, Draws(3), 200_000)) < 0)
        exact = trade.p_loss(mean, 0.04)
        assert 0.05 < exact < 0.95
        assert lost == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 200_000))


spreads = st.builds(
    lambda tau, part, **more: spread(tau=tau, hold=part * tau, **more),
    implied_apy=st.floats(0.001, 30.0),
    tau=st.floats(0.01, 2.0),
    part=st.floats(0.01, 0.99),
    entry_cost=st.floats(0, 0.02),
    exit_cost=st.floats(0, 0.02),
    equity=st.floats(0.1, 1e6),
)
yields = st.floats(-0.3, 30.0)


@settings(deadline=None)
@given(spreads, yields)
def test_decomposition_adds_up_to_the_profit(trade, exit_implied):
    """Carry, yield move, redemption and both costs add up, sold or redeemed, for numbers and arrays."""
    for held, scenario in (
        (trade, Scenario(exit_implied=exit_implied)),
        (replace(trade, hold=trade.tau), Scenario(redemption_factor=0.98)),
    ):
        total = math.fsum(held.decomposition(scenario).values())
        assert total == pytest.approx(held.pnl(scenario), abs=1e-11 * held.units)
    many = Scenario(exit_implied=np.array([exit_implied, 0.1]))
    np.testing.assert_allclose(
        sum(trade.decomposition(many).values()), trade.pnl(many), atol=1e-11 * trade.units, rtol=1e-12
    )


@settings(deadline=None)
@given(spreads, yields)
def test_gradient_is_the_slope_of_the_profit(trade, exit_implied):
    """The derivatives agree with central differences."""
    for held, name, at in ((trade, "exit_implied", exit_implied), (replace(trade, hold=trade.tau), "R", 0.9)):
        key = "redemption_factor" if name == "R" else name
        step = 1e-5 * (1 + at)
        up, down = (held.pnl(Scenario(**{key: at + sign * step})) for sign in (1, -1))
        slope = held.gradient(Scenario(**{key: at}))[key]
        assert slope == pytest.approx((up - down) / (2 * step), rel=1e-6, abs=1e-8 * held.units)


@settings(deadline=None)
@given(spreads, st.floats(0.0, 3.0))
def test_at_a_break_even_exactly_the_wanted_wealth_is_left(trade, rate):
    """Each exit limit leaves the capital, what ST would have grown to, and the hurdle."""
    limits = trade.break_evens(settled_apy=rate, hurdle_apy=rate / 2)
    for name, apy in (
        ("exit_implied", 0.0),
        ("exit_implied_underlying", rate),
        ("exit_implied_hurdle", rate / 2),
    ):
        limit = limits[name].value
        if limit is not None and -0.9 < limit < 1e6:
            left = 1 + trade.pnl(Scenario(exit_implied=limit)) / trade.equity
            assert left == pytest.approx((1 + apy) ** trade.hold, rel=1e-9)
        assert bool(limits[name].reason) == (limit is None)


@settings(deadline=None)
@given(spreads)
def test_break_even_days_is_when_the_carry_has_paid_the_costs(trade):
    """Sold on that day at the yield of entry, the capital is left; before it, less."""
    found = trade.break_evens()["days"]
    if found.value is None:
        redeemed = replace(trade, hold=trade.tau).pnl(Scenario())
        costs = trade.entry_cost + trade.exit_cost
        assert costs < 1e-15 if found.status == "always" else redeemed <= 1e-9 * trade.equity
        return
    if found.value > 1e-6:
        for part, wins in ((1.0, 0.0), (0.9, -1.0)):
            now = replace(trade, hold=part * min(found.value / 365, trade.tau))
            scenario = Scenario(exit_implied=trade.implied_apy, redemption_factor=1.0)
            gain = now.pnl(scenario) / now.equity
            assert gain == pytest.approx(0.0, abs=1e-9) if wins == 0 else gain < 0


@settings(deadline=None)
@given(spreads, yields, yields)
def test_a_free_round_trip_gains_nothing_and_costs_lower_the_profit(trade, exit_implied, higher):
    """Sold at once at the entry yield nothing is won; dearer trades and a higher exit yield win less."""
    free = replace(trade, entry_cost=0.0, exit_cost=0.0, hold=trade.tau * 1e-12)
    assert free.pnl(Scenario(exit_implied=free.implied_apy)) == pytest.approx(0.0, abs=1e-10 * free.equity)
    assert free.break_evens()["days"].status == "always"
    base = trade.pnl(Scenario(exit_implied=exit_implied))
    for name in ("entry_cost", "exit_cost"):
        dearer = replace(trade, **{name: getattr(trade, name) + 0.001})
        assert dearer.pnl(Scenario(exit_implied=exit_implied)) < base
    low, high = sorted((exit_implied, higher))
    assert trade.pnl(Scenario(exit_implied=high)) <= trade.pnl(Scenario(exit_implied=low))


@settings(deadline=None)
@given(spreads)
def test_redeemed_it_is_the_fixed_income_trade(trade):
    """Held to maturity the profit and the annual return are those of the PT bought as fixed income."""
    held = replace(trade, hold=trade.tau)
    fixed = FixedIncome(
        implied_apy=trade.implied_apy,
        tau=trade.tau,
        trading_fee=trade.entry_cost,
        exit_cost=trade.exit_cost,
        equity=trade.equity,
    )
    scenario = Scenario(redemption_factor=0.98, settled_apy=0.1)
    assert held.pnl(scenario) == pytest.approx(fixed.pnl(scenario), rel=1e-12, abs=1e-12 * trade.units)
    assert held.net_apy(scenario) == pytest.approx(fixed.fixed_apy(scenario), rel=1e-9, abs=1e-12)
    assert held.advantage(scenario) == pytest.approx(fixed.advantage(scenario), abs=1e-9 * trade.units)
    limit = held.break_evens()["exit_implied"]
    assert (limit.value, limit.status) == (None, "always" if held.pnl(Scenario()) >= 0 else "never")
    assert held.p_loss(0.1, 0.05) == (0.0 if limit.status == "always" else 1.0)


@settings(deadline=None)
@given(spreads, st.floats(0.0, 3.0))
def test_reinvesting_at_the_matching_rate_equals_holding_on(trade, exit_implied):
    """The return to the exit and the reinvestment rate after it compound to the return to maturity."""
    scenario = Scenario(exit_implied=exit_implied)
    sold = 1 + trade.pnl(scenario) / trade.equity
    later = (1 + trade.reinvestment_apy(scenario)) ** trade.exit_tau
    assert sold * later == pytest.approx((1 + trade.hold_to_maturity_apy()) ** trade.tau, rel=1e-9)
    with pytest.raises(DomainError, match="redeems the PT"):
        replace(trade, hold=trade.tau).reinvestment_apy(scenario)


def test_a_second_before_maturity_limits_are_said_in_words():
    """With a second left a PT bought well below 1 cannot lose, and one that must bring more than 1 cannot win."""
    trade = spread(hold=0.5 - SECOND)
    assert trade.pnl(Scenario(exit_implied=30.0)) == pytest.approx(
        trade.pnl(Scenario(exit_implied=0.0)), abs=2e-7
    )
    assert trade.break_even_exit(1.0).status == "always"
    assert trade.break_even_exit(1.2).status == "never"
    assert (trade.p_loss(0.2, 0.04), trade.p_below(1.2, 0.2, 0.04)) == (0.0, 1.0)
    assert spread(tau=SECOND, hold=SECOND, entry_cost=0.0, exit_cost=0.0).pnl(Scenario()) > 0


def test_a_certain_exit_yield_loses_or_does_not():
    """Without spread the probability is 0 or 1, on either side of the limit."""
    trade = spread()
    limit = trade.break_even_exit(1.0).value
    assert (trade.p_loss(limit - 1e-6, 0.0), trade.p_loss(limit + 1e-6, 0.0)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"hold": 0.0}, r"hold = 0.0 must be above 0 and at most tau"),
        ({"hold": 0.6}, r"hold = 0.6 must be above 0 and at most tau"),
        ({"implied_apy": 0.0}, "implied_apy = 0.0 must be above 0"),
        ({"exit_cost": 1.0}, "exit_cost = 1.0 must be 0 or more and below 1"),
        ({"equity": -1.0}, "equity = -1.0 must be above 0"),
    ],
)
def test_values_outside_their_range_are_refused(more, message):
    """Each refusal names the value and what is allowed."""
    with pytest.raises(DomainError, match=message):
        spread(**more)
