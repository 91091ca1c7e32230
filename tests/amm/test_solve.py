"""The root finder, against scipy and against functions with known roots."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from yieldtrade.amm.solve import find_root

CURVES = [
    (lambda x: x**3 - 2.0, 0.0, 2.0),
    (lambda x: math.exp(-x) - x, 0.0, 1.0),
    (lambda x: math.atan(x - 1e-3), -50.0, 80.0),
    (lambda x: (x - 1.0) ** 9, 0.0, 3.0),
    (lambda x: math.copysign(math.sqrt(abs(x - 0.3)), x - 0.3), 0.0, 1.0),
]


@pytest.mark.parametrize(("curve", "low", "high"), CURVES)
def test_roots_agree_with_scipy(curve, low, high):
    """The root is that of scipy's Brent, reached within the allowed steps."""
    root = find_root(curve, low, high)
    assert root.converged
    expected = optimize.brentq(curve, low, high, xtol=1e-300, rtol=9e-16, maxiter=1000)
    # a ninth power is flat at its root: no method sees it closer than where the power underflows the digits
    assert root.at == pytest.approx(expected, rel=1e-13 if curve is not CURVES[3][0] else 1e-3)


def test_the_lower_side_never_exceeds():
    """``below`` is the end at which the function is not positive, for rising and for falling functions."""
    for sign in (1.0, -1.0):
        root = find_root(lambda x, sign=sign: sign * (x * x - 2.0), 0.0, 2.0)
        assert sign * (root.below**2 - 2.0) <= 0.0
        assert root.below == pytest.approx(math.sqrt(2.0), rel=1e-14)


def test_roots_at_the_ends_are_found():
    """A root at either end of the bracket is returned as it stands."""
    assert find_root(lambda x: x - 1.0, 1.0, 2.0)[:2] == (1.0, 1.0)
    assert find_root(lambda x: x - 2.0, 1.0, 2.0)[:2] == (2.0, 2.0)


def test_roots_of_any_size_are_reached():
    """A root 1e-300 of the bracket away is found to its last digits."""
    root = find_root(lambda x: x - 1e-300, 0.0, 1.0)
    assert root.converged
    assert root.at == pytest.approx(1e-300, rel=1e-14)
    subnormal = find_root(lambda x: x - 1e-315, 0.0, 1.0)
    assert subnormal.converged
    assert subnormal.at <= 2 * sys.float_info.min


def test_a_lost_bracket_is_reported():
    """Ends of the same sign do not converge, alone or as elements of an array."""
    assert not find_root(lambda x: x * x + 1.0, -1.0, 1.0).converged
    roots = find_root(lambda x: x - np.array([0.5, 5.0]), np.zeros(2), np.ones(2))
    assert roots.converged.tolist() == [True, False]


@settings(deadline=None)
@given(st.lists(st.floats(1e-9, 0.999), min_size=1, max_size=20))
def test_arrays_have_the_roots_of_their_elements(targets):
    """An array of problems is solved as each alone, including roots far below the bracket."""
    wanted = np.array(targets)
    together = find_root(lambda x: np.expm1(3.0 * x) - np.expm1(3.0 * wanted), np.zeros(len(wanted)), 1.0)
    assert together.converged.all()
    np.testing.assert_allclose(together.at, wanted, rtol=1e-12)
    for target, root in zip(targets, together.at, strict=True):
        alone = find_root(lambda x, t=target: math.expm1(3.0 * x) - math.expm1(3.0 * t), 0.0, 1.0)
        assert alone.at == pytest.approx(float(root), rel=1e-14)
