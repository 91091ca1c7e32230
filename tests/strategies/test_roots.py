"""The first moment without loss, the days that carry needs, and rates too extreme for numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.strategies.roots import cost_recovered, first_crossing, rate_limit

weights = st.floats(-5, 5).filter(lambda x: abs(x) > 1e-3)
rates = st.floats(-2, 2).filter(lambda x: abs(x) > 1e-2)


@settings(deadline=None)
@given(weights, rates, weights, rates, st.floats(-3, 3), st.floats(-2, -0.001))
def test_first_crossing_is_the_first_of_a_fine_scan(a, mu, b, nu, slope, start):
    """No moment of a fine scan before the root is without loss, and at the root nothing is lost."""

    def gain(t):
        return start + a * math.expm1(mu * t) + b * math.expm1(nu * t) + slope * t

    found = first_crossing(gain, horizon=3.0, growth=((a, mu), (b, nu)), slope=slope, never="by hand")
    end = 3.0 if found.value is None else found.value
    scan = np.linspace(0, end, 400)[:-1]
    assert all(gain(t) < 1e-9 for t in scan)
    if found.value is None:
        assert (found.status, found.reason) == ("never", "by hand")
    else:
        assert gain(found.value) == pytest.approx(0.0, abs=1e-9)


def test_a_gain_between_two_turns_is_found():
    """A gain that falls, rises above 0 for a while and falls again is found before its peak, or said never to come.

    ``4*exp(t) - exp(2t) - 3.1`` vanishes at ``exp(t) = (4 +- sqrt(3.6))/2``; at the second the rise is 0.596.
    """
    peak = math.log((4 + math.sqrt(3.6)) / 2)

    def gain(start, t):
        return start + 4 * math.expm1(t) - 0.5 * math.expm1(2 * t) - 3.1 * t

    terms = {"horizon": 5.0, "growth": ((4.0, 1.0), (-0.5, 2.0)), "slope": -3.1}
    found = first_crossing(lambda t: gain(-0.5, t), **terms)
    assert 0.05 < found.value < peak
    assert gain(-0.5, 5.0) < 0
    assert gain(-0.6, peak) == pytest.approx(-0.6 + 0.596, abs=1e-3)
    assert first_crossing(lambda t: gain(-0.6, t), **terms).status == "never"


@given(st.floats(1.0001, 1.2), st.floats(0.01, 3.0), st.floats(0.01, 2.0))
def test_carry_pays_a_cost_exactly_after_the_days_found(ratio, implied, tau):
    """Compounded over the days found the carry is the cost; beyond maturity there are none."""
    found = cost_recovered(ratio, implied, tau)
    if (1 + implied) ** tau < ratio:
        assert found.status == "never"
    else:
        assert (1 + implied) ** (found.value / 365) == pytest.approx(ratio, rel=1e-12)


def test_no_cost_needs_no_days():
    """A purchase at the price of sale has paid for itself at once."""
    assert cost_recovered(1.0, 0.1, 0.5).status == "always"


@given(st.floats(0.5, 2.0), st.floats(0.05, 3.0))
def test_rate_limit_compounds_to_the_ratio(ratio, years):
    """The rate found grows to the ratio over the time."""
    assert (1 + rate_limit(ratio, years, "rate").value) ** years == pytest.approx(ratio, rel=1e-9)


def test_rates_too_extreme_for_numbers_are_said_in_words():
    """Over a second a gain bears any rate that can be written, and a loss none."""
    second = 1 / 31_536_000
    gains, loses = rate_limit(1.01, second, "borrow APY"), rate_limit(0.9, second, "borrow APY")
    assert (gains.value, gains.status, loses.value, loses.status) == (None, "always", None, "never")
    assert "borrow APY" in gains.reason
    assert "borrow APY" in loses.reason
