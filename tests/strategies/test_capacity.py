"""How much fits: worked examples, brute force over sizes, and every cap."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.strategies.capacity import capacity, linear_capacity
from yieldtrade.strategies.maximum import maximise

SLOTS = 63_072_000


def borrow_apy(utilization):
    """APY of the example's curve at 400 ms slots."""
    rate = np.interp(utilization, [0.0, 0.70, 0.85, 1.0], [0.0, 0.05, 0.10, 0.50])
    return np.expm1(SLOTS * np.log1p(1.25 * rate / SLOTS))


def loop_profit(equity, *, cost=0.001, leverage=3.0, tau=0.3, hurdle=0.06):
    """Profit of the levered PT of the worked example, its impact on both rates included."""
    implied = 1.12 - 0.5e-8 * leverage * np.asarray(equity)
    # beyond this the market has no more PT to sell
    executed = np.where(implied > 1.0, implied, np.nan) ** -tau * (1.0 + cost)
    rate = borrow_apy((40e6 + (leverage - 1.0) * equity) / 50e6)
    wealth = leverage / executed - (leverage - 1.0) * (1.0 + rate) ** tau
    return equity * (wealth - (1.0 + hurdle) ** tau)


def cycle_profit(units, *, fee=0.001):
    """Profit in ST of the levered YT trade over seven days, which moves the yield against itself at both legs.

    The marginal yield moves by 2e-8 a YT, so that on average a leg is filled half of that away.
    """
    entry, left = 0.25, 0.25 - 7 / 365
    low = 1.30 - 1e-8 * units
    P0, P1 = (1.30 + 1e-8 * units) ** -entry, np.where(low > 1.0, low, np.nan) ** -left
    G = 1.40 ** (7 / 365)
    borrowed = units * (1.0 - P0) / (1.0 - fee)
    return units * (G * P0 - P1) - (borrowed - units * (1.0 - P0)) * G - fee * units * (1.0 - P1)


def test_the_loop_of_the_worked_example():
    """Best size, its profit, and the edge capacity equal the stated figures."""
    found = capacity(loop_profit, {}, size_usd=50_000)
    assert found.best_size_usd == pytest.approx(427_683, abs=5)
    assert found.best_profit_usd == pytest.approx(4_179.1415, abs=1e-4)
    assert found.edge_capacity_usd == pytest.approx(854_688, abs=5)
    assert (found.binding, found.status, found.max_size_usd) == ("edge", "value", math.inf)
    assert loop_profit(300_000.0) == pytest.approx(3_806.2396, abs=1e-4)
    assert borrow_apy(40.6 / 50) == pytest.approx(0.115348, abs=1e-6)


def test_the_cap_of_the_worked_example_binds():
    """With 600,000 of the group's borrow limit left a loop of three times fits 300,000 of own capital."""
    caps = {"user_size": 1e6, "elevation_group_borrow_limit": 600_000 / (3 - 1), "max_leverage": math.inf}
    found = capacity(loop_profit, caps, size_usd=50_000)
    assert (found.max_size_usd, found.binding) == (300_000, "elevation_group_borrow_limit")
    assert found.slack_usd == {
        "user_size": 950_000,
        "elevation_group_borrow_limit": 250_000,
        "max_leverage": math.inf,
    }
    assert capacity(loop_profit, {"user_size": 500_000}, size_usd=600_000).binding == "edge"
    assert capacity(loop_profit, {"user_size": 500_000}, size_usd=600_000).slack_usd["user_size"] == -100_000


def test_the_cycle_of_the_worked_example():
    """The YT trade over a settlement is best at 174,517 YT and gains up to 349,040."""
    found = capacity(cycle_profit, {}, size_usd=1_000)
    assert found.best_size_usd == pytest.approx(174_517, abs=5)
    assert found.best_profit_usd == pytest.approx(106.1005, abs=1e-4)
    assert found.edge_capacity_usd == pytest.approx(349_040, abs=5)


def test_the_linear_check_of_the_worked_example():
    """Edge capacity is the spread over the impact, the best size half of it."""
    found = linear_capacity(
        leverage=5, implied_apy=0.12, borrow_apy=0.09, hurdle_apy=0.05, pt_impact=1e-8, borrow_impact=5e-9
    )
    assert found == pytest.approx((575_757.575758, 287_878.787879, 27_348.484848), abs=1e-6)


@given(st.floats(1, 9), st.floats(0.05, 0.3), st.floats(0, 0.2), st.floats(1e-9, 1e-6), st.floats(0, 1e-6))
def test_the_search_equals_the_linear_check(leverage, implied, borrow, ly, lb):
    """On rates linear in size the search finds the closed form, or that no size gains."""
    check = linear_capacity(
        leverage=leverage,
        implied_apy=implied,
        borrow_apy=borrow,
        hurdle_apy=0.05,
        pt_impact=ly,
        borrow_impact=lb,
    )
    spread = leverage * implied - (leverage - 1) * borrow - 0.05
    slope = ly * leverage**2 + lb * (leverage - 1) ** 2
    found = capacity(lambda E: E * (spread - slope * E), {}, size_usd=1.0)
    if check.edge_capacity_usd < 2:
        assert found.status == "none" or found.edge_capacity_usd < 2
        return
    assert found.status == "value"
    assert found.best_size_usd == pytest.approx(check.best_size_usd, rel=1e-6)
    assert found.best_profit_usd == pytest.approx(check.best_profit_usd, rel=1e-10)
    assert found.edge_capacity_usd == pytest.approx(check.edge_capacity_usd, rel=1e-12)


@given(
    st.floats(0.001, 0.2),
    st.floats(1e4, 1e7),
    st.floats(0, 0.5),
    st.floats(0, 1e3),
)
def test_no_size_of_a_fine_grid_is_better(spread, kink, steeper, gas):
    """With a kink in the rate and a fixed cost, brute force finds neither a better size nor a later edge."""

    def profit(size):
        return size * (spread - 1e-8 * size - steeper * np.maximum(size - kink, 0) / kink) - gas

    found = capacity(profit, {}, size_usd=1.0)
    grid = np.geomspace(1, 1e9, 20_001)
    values = profit(grid)
    assert found.best_profit_usd >= max(values.max(), 0.0) * (1 - 1e-12)
    beyond = grid[(values >= 0) & (grid > found.edge_capacity_usd * (1 + 1e-9))]
    assert beyond.size == 0


@settings(max_examples=30)
@given(st.floats(0, 0.002), st.floats(0, 0.002))
def test_capacity_falls_with_cost(one, other):
    """A dearer trade is best at no larger size, gains no more, and its edge is gone no later."""
    low, high = sorted((one, other))
    cheap = capacity(lambda E: loop_profit(E, cost=low), {}, size_usd=1.0)
    dear = capacity(lambda E: loop_profit(E, cost=high), {}, size_usd=1.0)
    assert dear.best_profit_usd <= cheap.best_profit_usd
    assert dear.edge_capacity_usd <= cheap.edge_capacity_usd * (1 + 1e-12)


def test_two_humps_keep_the_later_edge_and_the_higher_top():
    """A profit that is lost and comes back has its edge where it is lost for good."""

    def profit(size):
        return np.where(size < 1e4, size - size**2 / 5e3, np.where(size < 1e6, -1.0, 3e6 - size))

    found = capacity(profit, {}, size_usd=1.0)
    assert found.edge_capacity_usd == pytest.approx(3e6, rel=1e-12)
    assert found.best_profit_usd > 1.8e6


def test_sizes_that_cannot_be_traded_end_the_edge():
    """NaN beyond what a venue can fill is no profit: the edge is the last size that can be traded."""
    found = capacity(lambda size: np.where(size <= 12_345.0, size, np.nan), {}, size_usd=1.0)
    assert found.edge_capacity_usd == 12_345.0
    assert found.best_size_usd == pytest.approx(12_345.0, rel=1e-9)


def test_no_gain_and_no_end_are_said():
    """A trade that always loses has no capacity; one that never stops gaining has its scan's end and says so."""
    loses = capacity(lambda size: -size, {"exit_depth": 5.0}, size_usd=1.0)
    assert (loses.status, loses.best_size_usd, loses.edge_capacity_usd, loses.binding) == (
        "none",
        0,
        0,
        "edge",
    )
    gains = capacity(lambda size: size, {"exit_depth": 5.0}, size_usd=1.0, largest_usd=1e6)
    assert (gains.status, gains.edge_capacity_usd, gains.binding) == ("beyond_scan", 1e6, "exit_depth")


@pytest.mark.parametrize(
    ("caps", "changes", "message"),
    [
        ({"exit_depth": -1.0}, {}, "cap exit_depth = -1.0"),
        ({"exit_depth": math.nan}, {}, "cap exit_depth = nan"),
        ({}, {"size_usd": 0.0}, "size_usd"),
        ({}, {"smallest_usd": 0.0}, "smallest_usd"),
        ({}, {"smallest_usd": 10.0, "largest_usd": 10.0}, "largest_usd"),
    ],
)
def test_what_is_refused(caps, changes, message):
    """A negative cap and a size that is none are refused by name."""
    with pytest.raises(DomainError, match=message):
        capacity(loop_profit, caps, **{"size_usd": 1.0, **changes})


def test_a_profit_of_another_shape_is_refused():
    """One number for all sizes is a mistake of the caller, not a flat profit."""
    with pytest.raises(DomainError, match="one number a size"):
        capacity(lambda _: np.array([1.0]), {}, size_usd=1.0)


def test_without_impact_the_linear_check_has_no_answer():
    """No impact leaves the size without limit, which the closed form cannot say."""
    with pytest.raises(DomainError, match="nothing limits"):
        linear_capacity(
            leverage=1, implied_apy=0.1, borrow_apy=0.1, hurdle_apy=0, pt_impact=0, borrow_impact=1e-9
        )


def test_no_bracket_reaches_over_a_jump():
    """The best size just before a jump is found, and after it where that is higher."""

    def jumping(fall):
        return lambda x: np.where(x < 1, x, x - fall)

    rows = np.array([np.linspace(0, np.nextafter(1, 0), 9), np.linspace(1, 2, 9)])
    assert maximise(jumping(1.5), rows).size == np.nextafter(1, 0)
    assert maximise(jumping(0.9), rows)[:2] == (2.0, pytest.approx(1.1))
