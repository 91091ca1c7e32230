"""Oracles: printed examples, numpy's interpolation, exact fractions and loops over every interval."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.pool.borrowing import (
    borrow_fee,
    borrow_index,
    borrow_rate,
    borrow_rate_exact,
    borrow_utilisation,
    utilisation,
)
from yieldtrade.pool.parameters import DualSlopeCurve, LinearCurve
from yieldtrade.pool.state import CustodyState

GOLDEN = Path(__file__).parents[1] / "golden"
JUPITER = json.loads((GOLDEN / "jupiter_fees.json").read_text())["cases"]

# SOL before and after 10 October 2025 (pool.md 2).
SOL = DualSlopeCurve(minimum=0.10, target=0.60, maximum=2.30, kink=0.80)
SOL_NOW = DualSlopeCurve(minimum=0.10, target=0.35, maximum=1.50, kink=0.80)
LINEAR = LinearCurve(hourly=0.00012)
MICRO, NANO, HOURS = 10**6, 10**9, 8_760

utilisations = st.floats(0, 1)
kinks = st.integers(1, 99).map(lambda percent: percent / 100)


@st.composite
def dual_slopes(draw, least_rise=0):
    """Draw a dual slope in whole bps, each end at least ``least_rise`` bps above the one before."""
    minimum = draw(st.integers(0, 5_000))
    target = minimum + draw(st.integers(least_rise, 10_000))
    maximum = target + draw(st.integers(least_rise, 30_000))
    return DualSlopeCurve(minimum=minimum / 1e4, target=target / 1e4, maximum=maximum / 1e4, kink=draw(kinks))


linears = st.integers(1, 10**6).map(lambda hourly: LinearCurve(hourly=hourly / NANO))
curves = dual_slopes() | linears
rising = dual_slopes(least_rise=1) | linears


def of_kind(*kinds):
    """Return the golden cases of some kinds."""
    return [case for case in JUPITER if case["kind"] in kinds]


def curve_of(given_):
    """Return the dual slope of a golden case."""
    return DualSlopeCurve(
        minimum=given_["min_apr"],
        target=given_["target_apr"],
        maximum=given_["max_apr"],
        kink=given_["target_utilisation"],
    )


def custody(**amounts):
    """Return a custody of a token at a dollar."""
    return CustodyState(asset="SOL", is_stable=False, price=1.0, **amounts)


# Utilisation.


@pytest.mark.parametrize(
    ("amounts", "interest", "expected"),
    [
        ({"owned": 1_010, "locked": 200}, 0, 200 / 1_010),
        ({"owned": 80, "locked": 10, "debt": 20}, 0, 0.30),
        ({"owned": 80, "locked": 10, "debt": 25}, 5, 0.30),
        ({"owned": 80, "locked": 8, "debt": 5}, 9, 0.10),
        ({"owned": 80, "locked": 0}, 0, 0.0),
        ({"owned": 0, "locked": 5}, 0, 0.0),
        ({"owned": 0, "locked": 0}, 0, 0.0),
        ({"owned": 0, "locked": 0, "debt": 7}, 0, 1.0),
        ({"owned": 10, "locked": 12}, 0, 1.2),
    ],
)
def test_utilisation_counts_loans_but_not_their_interest(amounts, interest, expected):
    """Debt less interest, never below 0, counts as owned and as locked; nothing owned or locked is 0."""
    assert utilisation(custody(**amounts), interest) == pytest.approx(expected, rel=1e-15)


def test_utilisation_of_many_states():
    """A custody of arrays has an array of utilisations, empty states among them."""
    held = custody(owned=[100.0, 0.0, 80.0], locked=[25.0, 5.0, 0.0], debt=[0.0, 0.0, 20.0])
    assert utilisation(held, [0, 0, 4]).tolist() == pytest.approx([0.25, 0.0, 16 / 96])


@pytest.mark.parametrize("bad", [-1, math.nan, math.inf, True, "1"])
def test_interest_must_be_a_number_of_nothing_or_more(bad):
    """A negative or meaningless interest is refused by name."""
    with pytest.raises(DomainError, match="interest_accrued"):
        utilisation(custody(owned=1, debt=1), bad)


# The rate.


@pytest.mark.parametrize("case", of_kind("dual_slope_borrow_rate"), ids=lambda case: case["id"])
def test_the_dual_slope_matches_the_printed_scenarios(case):
    """Yearly rate and hourly fee on $10,000 match the golden scenarios."""
    rate = borrow_rate(case["in"]["utilisation"], curve_of(case["in"]))
    found = {"apr": rate.apr, "hourly_fee_usd_on_10000": 10_000 * rate.hourly}
    for name, expected in case["expect"].items():
        assert found[name] == pytest.approx(expected, abs=case["tolerance"][name])


@pytest.mark.parametrize("case", of_kind("linear_borrow_fee"), ids=lambda case: case["id"])
def test_the_linear_fee_matches_the_printed_one(case):
    """The hourly fee of a linear curve matches the documentation."""
    given_ = case["in"]
    u = utilisation(custody(owned=given_["owned"], locked=given_["locked"]))
    rate = borrow_rate(u, LinearCurve(hourly=given_["hourly_rate"]))
    fee = borrow_fee(given_["size_usd"], 0, rate.hourly)
    assert fee == pytest.approx(case["expect"]["fee_per_hour_usd"], abs=case["tolerance"])


def test_the_figures_of_the_specification():
    """Both sets of SOL, and what the linear curve asks on $10,000 (pool.md 15)."""
    assert borrow_rate([0, 0.28, 0.4, 0.8, 0.9, 1], SOL).apr == pytest.approx(
        [0.1, 0.275, 0.35, 0.6, 1.45, 2.3]
    )
    assert 1e4 * borrow_rate([0.4, 0.9], SOL).hourly == pytest.approx([0.3995, 1.6553], abs=5e-5)
    assert borrow_rate([0.4, 0.9], SOL_NOW).apr == pytest.approx([0.225, 0.925])
    u = borrow_utilisation(0.000033, SOL)
    assert u == pytest.approx(0.3025, abs=5e-5)
    assert borrow_rate(u, SOL_NOW).hourly == pytest.approx(0.0000222, abs=5e-8)
    assert 1e4 * borrow_rate(200 / 1_010, LINEAR).hourly == pytest.approx(0.2376, abs=5e-5)
    assert 1e4 * borrow_rate(200 / 1_010, LinearCurve(hourly=8e-5)).hourly == pytest.approx(0.1584, abs=5e-5)


@given(utilisations, dual_slopes())
def test_the_dual_slope_interpolates_its_three_points(u, curve):
    """Between its points the yearly rate is numpy's linear interpolation; a year has 8,760 hours."""
    points = [curve.minimum, curve.target, curve.maximum]
    rate = borrow_rate(u, curve)
    assert rate.apr == pytest.approx(np.interp(u, [0, curve.kink, 1], points), rel=1e-12, abs=1e-15)
    assert rate.hourly * HOURS == pytest.approx(rate.apr, rel=1e-15)


@given(utilisations, linears)
def test_the_linear_rate_is_proportional(u, curve):
    """A linear curve asks its hourly rate in proportion to utilisation, and 8,760 times that a year."""
    rate = borrow_rate(u, curve)
    assert rate.hourly == pytest.approx(float(Fraction(u) * Fraction(curve.hourly)), rel=1e-15, abs=0)
    assert rate.apr == pytest.approx(rate.hourly * HOURS, rel=1e-15)


@given(st.lists(utilisations, min_size=2, max_size=8), curves)
def test_the_rate_rises_within_the_curves_own_figures(us, curve):
    """Rates never fall as utilisation rises, rounding included, and stay between the curve's ends."""
    us = np.sort([*us, 0.0, 1.0, getattr(curve, "kink", 0.5)])
    rate = borrow_rate(us, curve)
    assert (np.diff(rate.apr) >= 0).all()
    if isinstance(curve, DualSlopeCurve):
        assert rate.apr[0] == curve.minimum
        assert rate.apr[-1] <= curve.maximum
    else:
        assert rate.hourly[[0, -1]].tolist() == [0, curve.hourly]


@pytest.mark.parametrize(("minimum", "target", "kink"), [(0.0008, 0.3656, 0.35), (0.1747, 0.6209, 0.29)])
def test_rounding_never_carries_a_rate_past_the_target(minimum, target, kink):
    """Here min + (target - min)*kink/kink rounds above the target; a curve that ends there asks no more."""
    assert minimum + (target - minimum) * kink / kink > target
    flat_above = DualSlopeCurve(minimum=minimum, target=target, maximum=target, kink=kink)
    rate = borrow_rate(kink, flat_above)
    assert rate.apr == target
    assert borrow_utilisation(rate.hourly, flat_above) == pytest.approx(kink, rel=1e-12)


@given(dual_slopes())
def test_the_rate_is_continuous_at_the_kink(curve):
    """On both sides of the kink, a hair apart, the curve asks its target."""
    sides = [math.nextafter(curve.kink, 0), curve.kink, math.nextafter(curve.kink, 1)]
    assert borrow_rate(sides, curve).apr == pytest.approx([curve.target] * 3, rel=1e-12, abs=1e-12)


def test_utilisation_above_one_is_extended_only_when_asked():
    """Above 1 the rate is refused, or follows the upper slope: 2.3 + 1.7*0.1/0.2 = 3.15 at 1.1."""
    with pytest.raises(DomainError, match=r"u = 1.1 must be at most 1; allow_over=True"):
        borrow_rate(1.1, SOL)
    with pytest.raises(DomainError, match=r"u\[1\] = 1.5 must be at most 1"):
        borrow_rate([0.5, 1.5], LINEAR)
    assert borrow_rate([1, 1.1], SOL, allow_over=True).apr == pytest.approx([2.3, 3.15])
    assert borrow_rate(1.5, LINEAR, allow_over=True).hourly == pytest.approx(0.00018)


@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf, True, "1"])
@pytest.mark.parametrize("curve", [SOL, LINEAR])
@pytest.mark.parametrize("allow_over", [True, False])
def test_bad_utilisations_are_refused(bad, curve, allow_over):
    """Negative and meaningless utilisations are refused, whether over 1 is allowed or not."""
    with pytest.raises(DomainError, match="u "):
        borrow_rate(bad, curve, allow_over=allow_over)


def test_utilisations_and_curves_broadcast():
    """Two utilisations against the two sets of SOL make a table."""
    both = DualSlopeCurve(minimum=0.10, target=[0.60, 0.35], maximum=[2.30, 1.50], kink=0.80)
    rate = borrow_rate([[0.4], [0.9]], both)
    assert rate.apr == pytest.approx(np.array([[0.35, 0.225], [1.45, 0.925]]))
    assert borrow_rate([0.5, 1], LinearCurve(hourly=[1e-4, 2e-4])).hourly.tolist() == [5e-5, 2e-4]


# The rate in integers.


@pytest.mark.parametrize("case", of_kind("dual_slope_borrow_rate_integer"), ids=lambda case: case["id"])
def test_the_exact_rate_matches_the_integer_cases(case):
    """Hourly rate and fee of an hour match the golden integers to the unit."""
    given_ = case["in"]
    curve = DualSlopeCurve(
        minimum=given_["min_bps"] / 1e4,
        target=given_["target_bps"] / 1e4,
        maximum=given_["max_bps"] / 1e4,
        kink=given_["target_utilisation_1e9"] / 1e9,
    )
    rate = borrow_rate_exact(given_["locked"], given_["owned"], curve)
    assert rate.hourly == case["expect"]["hourly_rate_1e9"]
    index = borrow_index([rate.hourly], [0, 3_600], 0, exact=True)
    fee = borrow_fee(given_["size_usd_1e6"], *index, exact=True)
    assert fee == case["expect"]["fee_one_hour_usd_1e6"]


def test_the_exact_figures_of_the_specification():
    """At 40 and 90 % the hour on $10,000 costs exactly 0.399540 and 1.655250 (pool.md 15)."""
    size = 10_000 * MICRO
    hourly = [borrow_rate_exact(locked, 1_000, SOL).hourly for locked in (400, 900)]
    assert [borrow_fee(size, 0, rate, exact=True) for rate in hourly] == [399_540, 1_655_250]
    # 200*120,000/1,010 = 23,762.4 rounded up; times 8,760 a year.
    assert borrow_rate_exact(200, 1_010, LINEAR) == (23_763, 23_763 * HOURS)


@given(st.integers(0, 10**15), st.integers(1, 10**15), curves)
def test_the_exact_rate_rounds_as_written(locked, owned, curve):
    """By fractions: utilisation down to 1e-9, the yearly rate up to a bp, the hourly down to 1e-9."""
    found = borrow_rate_exact(locked, owned, curve)
    if isinstance(curve, LinearCurve):
        hourly = Fraction(str(curve.hourly)) * NANO
        assert found.hourly == math.ceil(Fraction(locked, owned) * hourly)
        assert found.apr == found.hourly * HOURS
        return
    u = Fraction(math.floor(Fraction(locked, owned) * NANO), NANO)
    low, middle, high, kink = (
        Fraction(str(value)) for value in (curve.minimum, curve.target, curve.maximum, curve.kink)
    )
    if u <= kink:
        bps = math.ceil((middle - low) * u / kink * 10_000) + low * 10_000
    else:
        bps = math.ceil((high - middle) * (u - kink) / (1 - kink) * 10_000) + middle * 10_000
    assert found.apr == bps * NANO / 10_000
    assert found.hourly == math.floor(Fraction(found.apr, HOURS))


@given(st.integers(0, 10**12), st.integers(1, 10**12), curves)
@example(0, 1, SOL)
@example(10**12, 10**12, SOL)
def test_exact_and_continuous_rates_differ_by_rounding_alone(locked, owned, curve):
    """A yearly rate differs by at most a bp, upwards, an hourly one of a linear curve by 1e-9 (pool.md 1)."""
    assume(locked <= owned)
    exact, rate = borrow_rate_exact(locked, owned, curve), borrow_rate(locked / owned, curve)
    if isinstance(curve, LinearCurve):
        assert -1e-12 <= exact.hourly / NANO - rate.hourly <= 1e-9 + 1e-12
    else:
        # Rounding utilisation down to 1e-9 takes that much off, times the steepest slope.
        slope = max(
            (curve.target - curve.minimum) / curve.kink, (curve.maximum - curve.target) / (1 - curve.kink)
        )
        assert -1e-9 * slope - 1e-12 <= exact.apr / NANO - rate.apr <= 1e-4 + 1e-12
        assert 0 <= exact.apr / HOURS - exact.hourly < 1


def test_the_exact_rate_of_an_empty_custody():
    """With nothing owned or locked, utilisation is 0: the dual slope asks its minimum, the linear curve 0."""
    for locked, owned in ((5, 0), (0, 0), (0, 7)):
        assert borrow_rate_exact(locked, owned, SOL) == (10**8 // HOURS, 10**8)
        assert borrow_rate_exact(locked, owned, LINEAR) == (0, 0)


def test_the_exact_rate_goes_on_above_full_utilisation():
    """The program computes there too: 2.3 + 1.7*0.1/0.2 = 315 % at 110 %, and 1.5 times the linear rate."""
    assert borrow_rate_exact(11, 10, SOL).apr == 3_150_000_000
    assert borrow_rate_exact(15, 10, LINEAR).hourly == 180_000


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: borrow_rate_exact(1.0, 2, SOL), "locked = 1.0 is not an integer"),
        (lambda: borrow_rate_exact(1, True, SOL), "owned = True is not an integer"),
        (lambda: borrow_rate_exact(-1, 2, LINEAR), "locked = -1 must be 0 or more"),
        (lambda: borrow_rate_exact([1], 2, LINEAR), r"locked = \[1\] is not an integer"),
        (
            lambda: borrow_rate_exact(1, 2, LinearCurve(hourly=1.5e-9)),
            "hourly = 1.5e-09 is not a whole number of 1/1000000000",
        ),
        (
            lambda: borrow_rate_exact(
                1, 2, DualSlopeCurve(minimum=0.10005, target=0.6, maximum=2.3, kink=0.8)
            ),
            "minimum = 0.10005 is not a whole number of 1/10000",
        ),
        (
            lambda: borrow_rate_exact(1, 2, DualSlopeCurve(minimum=0.1, target=0.6, maximum=2.3, kink=1 / 3)),
            "kink = 0.333333.* is not a whole number of 1/1000000000",
        ),
        (
            lambda: borrow_rate_exact(
                1, 2, DualSlopeCurve(minimum=0.1, target=[0.6, 0.7], maximum=2.3, kink=0.8)
            ),
            "target holds an array",
        ),
    ],
)
def test_the_exact_rate_rounds_nothing_silently(call, message):
    """Broken amounts and curves finer than the program's units are refused (pool.md 13)."""
    with pytest.raises(DomainError, match=message):
        call()


# The inverse.


@given(utilisations, rising, st.sampled_from(["hour", "year"]))
@example(1.0, SOL, "hour")
@example(0.8, SOL, "hour")
@example(0.0, SOL, "year")
def test_rate_and_utilisation_are_inverse(u, curve, per):
    """The utilisation of a rate is the one it was computed at; every rate of the curve is taken back."""
    rate = borrow_rate(u, curve)
    found = borrow_utilisation(rate.hourly if per == "hour" else rate.apr, curve, per=per)
    # A bp of rise over the whole range amplifies the rounding of rates of up to 450 % by 1e5.
    assert found == pytest.approx(u, abs=1e-9)
    assert 0 <= found <= 1
    again = borrow_rate(found, curve)
    assert again.hourly == pytest.approx(rate.hourly, rel=1e-12)


def test_the_utilisation_of_printed_rates():
    """35 % a year is 40 % utilised and 145 % is 90 %, by the year or by the hour."""
    assert borrow_utilisation([0.35, 1.45], SOL, per="year") == pytest.approx([0.4, 0.9])
    assert borrow_utilisation([0.35 / HOURS, 1.45 / HOURS], SOL) == pytest.approx([0.4, 0.9])
    assert borrow_utilisation(0.00006, LINEAR) == pytest.approx(0.5)
    assert borrow_utilisation(0.00006 * HOURS, LINEAR, per="year") == pytest.approx(0.5)


def test_a_flat_stretch_answers_its_lowest_utilisation():
    """Where many utilisations pay a rate, the inverse gives the first of them."""
    flat_below = DualSlopeCurve(minimum=0.2, target=0.2, maximum=0.5, kink=0.8)
    flat_above = DualSlopeCurve(minimum=0.1, target=0.5, maximum=0.5, kink=0.8)
    flat = DualSlopeCurve(minimum=0.3, target=0.3, maximum=0.3, kink=0.8)
    assert borrow_utilisation([0.2, 0.35], flat_below, per="year") == pytest.approx([0, 0.9])
    assert borrow_utilisation([0.3, 0.5], flat_above, per="year") == pytest.approx([0.4, 0.8])
    assert borrow_utilisation(0.3, flat, per="year") == 0
    assert borrow_utilisation(0, LinearCurve(hourly=0)) == 0


@pytest.mark.parametrize(
    ("rate", "curve", "per", "message"),
    [
        (0.09, SOL, "year", "rate = 0.09 must lie within the curve, 0.1 to 2.3 per year"),
        ([0.5, 2.31], SOL, "year", r"rate\[1\] = 2.31 must lie within the curve, 0.1 to 2.3 per year"),
        (
            0.35,
            SOL,
            "hour",
            r"rate = 0.35 must lie within the curve, 1.1415\d*e-05 to 0.00026255\d* per hour",
        ),
        (0.00013, LINEAR, "hour", "rate = 0.00013 must lie within the curve, 0 to 0.00012 per hour"),
        (-1e-9, LINEAR, "hour", "rate = -1e-09 must lie within"),
        (1e-9, LinearCurve(hourly=0), "hour", "within the curve, 0 to 0 per hour"),
        (1, LinearCurve(hourly=[1e-4, 2e-4]), "hour", r"rate\[0\] = 1.0 must lie between the curve's rates"),
        (math.nan, SOL, "year", "rate = nan is not a finite number"),
        (0.5, SOL, "day", "per = 'day': allowed are 'hour', 'year'"),
    ],
)
def test_rates_the_curve_never_asks_are_refused(rate, curve, per, message):
    """A rate outside the curve has no utilisation; the message names the range."""
    with pytest.raises(DomainError, match=message):
        borrow_utilisation(rate, curve, per=per)


# The index and the fee.


def test_the_printed_round_trip_pays_its_borrow_fee():
    """Two days at half of 0.012 % an hour on $1,000: 48*0.00006*1,000 = $2.88, as printed."""
    (case,) = of_kind("round_trip")
    given_ = case["in"]
    rate = borrow_rate(given_["utilisation"], LinearCurve(hourly=given_["hourly_rate"])).hourly
    index = borrow_index([rate], [0, given_["hours"] * 3_600], 0.25)
    fee = borrow_fee(given_["size_usd"], index[0], index[-1])
    assert fee == pytest.approx(case["expect"]["borrow_fee_usd"], abs=case["tolerance"])


@given(
    st.lists(st.tuples(st.floats(0, 1e-3), st.integers(1, 10**6)), min_size=1, max_size=12),
    st.floats(0, 10),
    st.integers(-(10**9), 10**9),
)
def test_the_index_adds_simple_interest(steps, index0, start):
    """Every step adds rate times hours; nothing compounds. The sum is that of exact fractions."""
    rates = [rate for rate, _ in steps]
    times = [start, *(start + int(t) for t in np.cumsum([seconds for _, seconds in steps]))]
    path = borrow_index(rates, times, index0)
    expected = Fraction(index0)
    assert path[0] == index0
    for i, (rate, seconds) in enumerate(steps):
        expected += Fraction(rate) * Fraction(seconds, 3_600)
        assert path[i + 1] == pytest.approx(float(expected), rel=1e-12)
    assert (np.diff(path) >= 0).all()


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**6)), min_size=1, max_size=12),
    st.integers(0, 10**10),
    st.integers(0, 5 * 10**12),
)
def test_exact_index_and_fee_round_up(steps, index0, size):
    """Every step of the index rounds up to 1e-9, the fee to 1e-6 USD; in all at most one unit each."""
    rates = [rate for rate, _ in steps]
    times = [0, *(int(t) for t in np.cumsum([seconds for _, seconds in steps]))]
    path = borrow_index(rates, times, index0, exact=True)
    grown = [math.ceil(Fraction(rate * seconds, 3_600)) for rate, seconds in steps]
    assert path == tuple(index0 + sum(grown[:i]) for i in range(len(steps) + 1))
    continuous = borrow_index(np.array(rates) / NANO, times, index0 / NANO)
    difference = np.array(path) / NANO - continuous
    assert (difference >= -1e-12 * (1 + continuous)).all()
    assert (difference <= np.arange(len(path)) * 1e-9 + 1e-12 * (1 + continuous)).all()
    fee = borrow_fee(size, path[0], path[-1], exact=True)
    assert fee == math.ceil(Fraction(size * sum(grown), NANO))
    floats = borrow_fee(size / MICRO, path[0] / NANO, path[-1] / NANO)
    assert fee / MICRO == pytest.approx(floats, abs=1e-6 + 1e-12 * (1 + size / MICRO * path[-1] / NANO))


def test_times_are_seconds_or_datetimes_of_any_zone():
    """Aware datetimes of any zone make the path that their seconds make."""
    east = timezone(timedelta(hours=9))
    noon = datetime(2025, 9, 1, 12, tzinfo=UTC)
    moments = [noon, (noon + timedelta(hours=1)).astimezone(east), noon + timedelta(hours=3)]
    path = borrow_index([1e-5, 2e-5], moments, 0)
    assert path == pytest.approx([0, 1e-5, 5e-5])
    assert path.tolist() == borrow_index([1e-5, 2e-5], [m.timestamp() for m in moments], 0).tolist()


def test_indexes_of_many_custodies():
    """Rates of shape (custodies, intervals) and a start each make a path each; one rate serves all intervals."""
    rates = [[1e-5, 2e-5], [3e-5, 0]]
    path = borrow_index(rates, [0, 3_600, 7_200], [0.5, 1.0])
    assert path == pytest.approx(np.array([[0.5, 0.50001, 0.50003], [1.0, 1.00003, 1.00003]]))
    assert borrow_index(1e-5, [0, 3_600, 10_800], 0) == pytest.approx([0, 1e-5, 3e-5])
    assert borrow_index(1e-5, [0, 3_600], [0, 1]) == pytest.approx(np.array([[0, 1e-5], [1, 1.00001]]))
    assert borrow_index(36, [0, 100, 150], 5, exact=True) == (5, 6, 7)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(
    ("rates", "times", "index0", "message"),
    [
        ([1, 1], [0, 5, 5], 0, r"times\[2\] does not come after times\[1\]"),
        ([1, 1], [0, -5, 5], 0, r"times\[1\] does not come after times\[0\]"),
        ([1, 1, 1], [0, 5, 6], 0, "rates holds 3 values for the 2 intervals"),
        ([1], [0], 0, "two or more"),
        ([1], 0, 0, "two or more"),
        ([1, -1], [0, 5, 6], 0, r"rates\[1\] = -1(\.0)? must be 0 or more"),
        ([1], [0, 5], -1, r"index0 = -1(\.0)? must be 0 or more"),
    ],
)
def test_bad_paths_are_refused(exact, rates, times, index0, message):
    """Times must rise, rates fit them, and neither rates nor the index be negative, in both forms."""
    with pytest.raises(DomainError, match=message):
        borrow_index(rates, times, index0, exact=exact)


@pytest.mark.parametrize(
    ("rates", "times", "message"),
    [
        ([1], [datetime(2025, 1, 1), datetime(2025, 1, 2)], r"times\[0\] = .* has no time zone"),  # noqa: DTZ001
        ([1], [datetime(2025, 1, 1, tzinfo=UTC), 5], r"times\[1\] = 5: an aware datetime"),
        ([1], [[0, 1], [2, 3]], "in one row"),
        ([1], [0, math.nan], r"times\[1\] = nan is not a finite number"),
        ([math.inf], [0, 1], r"rates\[0\] = inf is not a finite number"),
        ([True], [0, 1], "rates holds bool values"),
        ([1], "now", "times holds str"),
        ([1], np.array(3.0), "two or more"),
        ([[1, 2], [3, 4]], [0, 1, 2], "shapes do not broadcast"),
    ],
)
def test_times_and_rates_must_be_sound(rates, times, message):
    """Naive or mixed moments, tables of times, and what is no finite number are refused."""
    with pytest.raises(DomainError, match=message):
        borrow_index(rates, times, [0, 1, 2] if message.startswith("shapes") else 0)


@pytest.mark.parametrize(
    ("rates", "times", "index0", "message"),
    [
        ([1.0], [0, 5], 0, r"rates\[0\] = 1.0 is not an integer"),
        ([1], [0, 5.5], 0, r"times\[1\] = 5.5 is not an integer"),
        ([1], [0, 5], 0.0, r"index0 = 0.0 is not an integer"),
    ],
)
def test_the_exact_index_takes_integers_only(rates, times, index0, message):
    """Nothing that is not an integer is rounded silently (pool.md 13)."""
    with pytest.raises(DomainError, match=message):
        borrow_index(rates, times, index0, exact=True)


def test_the_fee_is_on_the_whole_size():
    """$10,000 over a growth of 0.00004 pays $0.40; a size of 0 nothing; arrays element by element."""
    assert borrow_fee(10_000, 1.5, 1.50004) == pytest.approx(0.4)
    assert borrow_fee(0, 1, 2) == borrow_fee(0, 1, 2, exact=True) == 0
    assert borrow_fee(10, 3, 3) == borrow_fee(10, 3, 3, exact=True) == 0
    assert borrow_fee([1, 2], 0, [[0.5], [1]]).tolist() == [[0.5, 1], [1, 2]]
    assert borrow_fee(1, 0, 1, exact=True) == 1


@pytest.mark.parametrize(
    ("arguments", "exact", "message"),
    [
        ((-1, 0, 1), False, "size_usd = -1.0 must be 0 or more"),
        ((-1, 0, 1), True, "size_usd = -1 must be 0 or more"),
        ((1, -1, 1), False, "index_from = -1.0 must be 0 or more"),
        ((1, -1, 1), True, "index_from = -1 must be 0 or more"),
        ((1, 2, 1), False, "index_to = 1.0 lies below index_from"),
        ((1, 2, 1), True, "index_to = 1 lies below index_from"),
        ((1, 2, [3, 1]), False, r"index_to\[1\] = 1.0 lies below index_from"),
        ((1.5, 0, 1), True, "size_usd = 1.5 is not an integer"),
        ((1, 0, 1.5), True, "index_to = 1.5 is not an integer"),
        ((math.nan, 0, 1), False, "size_usd = nan is not a finite number"),
        ((True, 0, 1), False, "size_usd"),
    ],
)
def test_bad_fees_are_refused(arguments, exact, message):
    """A negative size, an index that falls and a broken integer are refused by name."""
    with pytest.raises(DomainError, match=message):
        borrow_fee(*arguments, exact=exact)
