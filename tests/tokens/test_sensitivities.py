"""Oracles: golden derivatives at 50 digits, central differences of `decimal` prices, the printed table."""

import json
import math
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.errors import DomainError, ExpiredError
from yieldtrade.tokens import sensitivities as greeks
from yieldtrade.tokens.pricing import pt_price, yt_price

GOLDEN = Path(__file__).parents[1] / "golden" / "pt_yt_price.json"
CASES = [case for case in json.loads(GOLDEN.read_text())["cases"] if case["kind"] == "sensitivities"]
TWO_ARGUMENTS = (
    greeks.yield_delta,
    greeks.yield_gamma,
    greeks.theta_per_day,
    greeks.cross,
    greeks.modified_duration,
    greeks.convexity,
    greeks.leverage,
    greeks.elasticity,
)
# Away from 0 a relative comparison of the difference quotients makes sense; 0 itself has tests of its own.
rates = st.floats(0.001, 10.0) | st.floats(-0.5, -0.001)
lives = st.floats(0.001, 10.0)
STEP = Decimal("1e-12")


def exact_yt(implied_apy, tau):
    """YT of decimal arguments at the precision of the context."""
    return 1 - (-tau * (1 + implied_apy).ln()).exp()


def differences(implied_apy, tau):
    """Sensitivities of YT by central differences at 60 digits, exact to about 1e-22."""
    with localcontext() as context:
        context.prec = 60
        r, t, h = Decimal(implied_apy), Decimal(tau), STEP

        def slope(at):
            return (exact_yt(r + h, at) - exact_yt(r - h, at)) / (2 * h)

        value = exact_yt(r, t)
        return {
            "yt": value,
            "yield_delta": slope(t),
            "yield_gamma": (exact_yt(r + h, t) - 2 * value + exact_yt(r - h, t)) / h**2,
            "theta_per_day": (exact_yt(r, t - h) - exact_yt(r, t + h)) / (2 * h) / 365,
            "cross": (slope(t + h) - slope(t - h)) / (2 * h),
        }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_sensitivities_match_fifty_digit_derivatives(case):
    """Delta, gamma, theta, duration and convexity reach the golden derivatives to 1e-13 relative."""
    point = float(case["in"]["implied_apy"]), case["in"]["seconds"] / 31_536_000
    expect = {name: float(value) for name, value in case["expect"].items()}
    assert greeks.yield_delta(*point) == pytest.approx(expect["dyt_dr"], rel=1e-13)
    assert greeks.yield_gamma(*point) == pytest.approx(expect["d2yt_dr2"], rel=1e-13)
    assert 365 * greeks.theta_per_day(*point) == pytest.approx(expect["theta_per_year"], rel=1e-13)
    assert greeks.modified_duration(*point) == pytest.approx(expect["pt_modified_duration"], rel=1e-13)
    assert greeks.convexity(*point) == pytest.approx(expect["pt_convexity"], rel=1e-13)


@pytest.mark.parametrize(
    ("days", "yt", "theta", "delta", "elasticity", "leverage"),
    [
        (180, 0.137566, -0.52, 0.31504, 0.8015, 7.3),
        (80, 0.063660, -1.21, 0.15202, 0.8358, 15.7),
        (30, 0.024364, -3.29, 0.05940, 0.8533, 41.0),
        (7, 0.005739, -14.24, 0.01412, 0.8614, 174.2),
    ],
)
def test_sensitivities_match_the_printed_table(*, days, yt, theta, delta, elasticity, leverage):
    """The table of tokens.md 5 at 35 % is met to its last printed digit."""
    point = 0.35, days / 365
    value = yt_price(*point)
    assert value == pytest.approx(yt, abs=5e-7)
    assert 100 * greeks.theta_per_day(*point) / value == pytest.approx(theta, abs=5e-3)
    assert greeks.yield_delta(*point) == pytest.approx(delta, abs=5e-6)
    assert greeks.elasticity(*point) == pytest.approx(elasticity, abs=5e-5)
    assert greeks.leverage(*point) == pytest.approx(leverage, abs=5e-2)


@given(rates, lives)
@settings(deadline=None, max_examples=50)
def test_sensitivities_match_differences_at_sixty_digits(implied, tau):
    """Every derivative agrees with a central difference of 60-digit prices to 1e-12 relative."""
    exact = {name: float(value) for name, value in differences(implied, tau).items()}
    assert greeks.yield_delta(implied, tau) == pytest.approx(exact["yield_delta"], rel=1e-12)
    assert greeks.yield_gamma(implied, tau) == pytest.approx(exact["yield_gamma"], rel=1e-12)
    assert greeks.theta_per_day(implied, tau) == pytest.approx(exact["theta_per_day"], rel=1e-12)
    # the cross derivative passes through 0 at T*ln(1+r) = 1, so its error is measured against its two terms
    scale = (1 + abs(tau * math.log1p(implied))) * (1 + implied) ** (-tau - 1)
    assert greeks.cross(implied, tau) == pytest.approx(exact["cross"], abs=1e-12 * scale)
    assert greeks.leverage(implied, tau) == pytest.approx(1 / exact["yt"], rel=1e-12)
    elasticity = exact["yield_delta"] * implied / exact["yt"]
    assert greeks.elasticity(implied, tau) == pytest.approx(elasticity, rel=1e-12)
    pt = 1 - exact["yt"] if exact["yt"] < 0.5 else pt_price(implied, tau)
    assert greeks.modified_duration(implied, tau) == pytest.approx(exact["yield_delta"] / pt, rel=1e-12)
    assert greeks.convexity(implied, tau) == pytest.approx(-exact["yield_gamma"] / pt, rel=1e-12)


@given(st.floats(-0.5, 10.0), st.floats(0.001, 10.0), st.floats(0, 1))
def test_decay_of_a_period_is_the_fall_of_the_price(implied, tau, part):
    """The decay of a period equals the difference of the two prices, and all of it is the whole price."""
    period = part * tau
    fall = greeks.one_period_decay(implied, tau, period)
    difference = yt_price(implied, tau) - yt_price(implied, tau - period)
    assert fall == pytest.approx(difference, abs=1e-14 * max(1, pt_price(implied, tau)))
    stated = pt_price(implied, tau) * math.expm1(period * math.log1p(implied))
    assert fall == pytest.approx(stated, rel=1e-13, abs=1e-300)
    assert greeks.one_period_decay(implied, tau, tau) == yt_price(implied, tau)


@pytest.mark.parametrize("implied", [-0.5, 0.0, 0.35, 3.0])
def test_limits_at_maturity(implied):
    """At T = 0 delta, gamma, duration and convexity are 0, theta is -ln(1+r)/365 and leverage infinite."""
    assert greeks.yield_delta(implied, 0) == 0
    assert greeks.yield_gamma(implied, 0) == 0
    assert greeks.modified_duration(implied, 0) == 0
    assert greeks.convexity(implied, 0) == 0
    assert greeks.theta_per_day(implied, 0) == pytest.approx(-math.log(1 + implied) / 365, rel=1e-15)
    assert greeks.cross(implied, 0) == pytest.approx(1 / (1 + implied), rel=1e-15)
    assert greeks.leverage(implied, 0) == math.inf


def test_limits_of_elasticity():
    """Elasticity tends to r/((1+r)*ln(1+r)) towards maturity and to 1 towards no yield, without a jump."""
    assert greeks.elasticity(0.35, 0) == pytest.approx(0.35 / (1.35 * math.log(1.35)), rel=1e-15)
    assert greeks.elasticity(0.35, 1e-12) == pytest.approx(greeks.elasticity(0.35, 0), rel=1e-11)
    assert greeks.elasticity(0, 0.5) == 1
    assert greeks.elasticity(1e-12, 0.5) == pytest.approx(1, rel=1e-11)
    assert greeks.elasticity(0, 0) == 1


def test_limits_at_zero_yield():
    """At r = 0 leverage is infinite, theta nothing, and delta and gamma are T and -T(T+1)."""
    assert greeks.leverage(0, 0.5) == math.inf
    assert greeks.theta_per_day(0, 0.5) == 0
    assert greeks.yield_delta(0, 0.5) == 0.5
    assert greeks.yield_gamma(0, 0.5) == -0.75


def test_duration_and_convexity_predict_the_pt():
    """dPT/PT is -D*dr + C*dr^2/2 up to the third order of the move."""
    move = 1e-4
    actual = pt_price(0.3 + move, 0.5) / pt_price(0.3, 0.5) - 1
    predicted = -greeks.modified_duration(0.3, 0.5) * move + greeks.convexity(0.3, 0.5) * move**2 / 2
    assert actual == pytest.approx(predicted, abs=move**3)


@pytest.mark.parametrize("greek", TWO_ARGUMENTS, ids=lambda greek: greek.__name__)
def test_arrays_agree_with_numbers(greek):
    """A grid that includes both limits equals the greeks computed one by one."""
    implied, tau = np.array([-0.3, 0.0, 0.35])[:, None], np.array([0.0, 0.1, 2.0])
    grid = greek(implied, tau)
    for (i, j), value in np.ndenumerate(grid):
        assert value == pytest.approx(greek(float(implied[i, 0]), float(tau[j])), rel=1e-15)


@pytest.mark.parametrize("greek", TWO_ARGUMENTS, ids=lambda greek: greek.__name__)
def test_domain_errors_and_nan(greek):
    """Outside the domain a greek raises, or gives NaN there and the rest beside it."""
    with pytest.raises(DomainError, match=r"^implied_apy\[1\] = -1.0 must be above -1"):
        greek([0.3, -1.0], 0.5)
    with pytest.raises(ExpiredError, match=r"^tau = -0.1 "):
        greek(0.3, -0.1)
    assert np.isnan(greek([0.3, -1.0], 0.5, on_error="nan")).tolist() == [False, True]
    assert math.isnan(greek(0.3, math.nan, on_error="nan"))


def test_a_period_stays_within_the_life():
    """A period below 0 or beyond maturity is refused by name."""
    with pytest.raises(DomainError, match=r"^period = -0.1 must be 0 or more"):
        greeks.one_period_decay(0.3, 0.5, -0.1)
    with pytest.raises(DomainError, match=r"^period = 0.6 .*at most tau"):
        greeks.one_period_decay(0.3, 0.5, 0.6)
