"""How far a PT can be levered, and limits that contradict themselves."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DataError, DomainError
from yieldtrade.lending.leverage import check_ltv_limits, leverage_cap


def test_without_discount_or_cost_the_cap_is_the_textbook_one():
    """A PT counted at what it costs can be levered 1/(1 - LTV) times."""
    assert leverage_cap(0.8, 0.9, 0.9) == pytest.approx(5.0, rel=1e-15)


def test_worked_examples_of_the_cap():
    """At 0.3 years and at 1 year, 12 % implied, 25 % discount: hand-computed from the formula's numbers."""
    near, far = 1.12**-0.3, 1 / 1.12
    caps = [leverage_cap(0.85, o, p) for o, p in ((0.925, near), (0.75, far), (0.75, far * 1.002))]
    assert caps == pytest.approx([5.360235, 3.496503, 3.479167], abs=1e-6)


@given(st.floats(0.01, 0.99), st.floats(0.05, 1.0), st.floats(0.5, 1.0))
def test_at_the_cap_the_loan_is_at_its_largest_value(max_ltv, oracle, price):
    """Levered to the cap, debt over counted collateral is the largest loan to value."""
    cap = leverage_cap(max_ltv, oracle, price)
    if math.isfinite(cap) and cap < 1e6:
        assert (cap - 1) / (cap / price * oracle) == pytest.approx(max_ltv, rel=1e-9)
    elif math.isinf(cap):
        assert max_ltv * oracle >= price


def test_a_lender_that_counts_more_than_the_price_does_not_bind():
    """Where a PT may be borrowed against for more than it costs, the cap is infinite; arrays mix freely."""
    assert leverage_cap([0.9, 0.9], 1.0, [0.9, 1.0]).tolist() == pytest.approx([math.inf, 10.0])


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((1.0, 1, 1), "max_ltv"), ((0.5, -1, 1), "oracle_price"), ((0.5, 1, 0), "execution_price")],
)
def test_values_out_of_range_are_refused(arguments, name):
    """A loan to value of 1, a negative oracle and a free PT are refused by name."""
    with pytest.raises(DomainError, match=name):
        leverage_cap(*arguments)


def test_limits_that_contradict_each_other_are_refused():
    """A loan must not be liquidatable at the value at which it may be opened."""
    check_ltv_limits(0.85, 0.90)
    with pytest.raises(DataError, match="liquidation_ltv"):
        check_ltv_limits(0.85, 0.85)
    with pytest.raises(DomainError, match="max_ltv"):
        check_ltv_limits(0.0, 0.85)
