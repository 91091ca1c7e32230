"""Borrow curves: the vendor's figures, their inverses, and curves that are none."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.lending.curve import BorrowCurve, parse_curve, slot_adjustment

CASES = json.loads((Path(__file__).parents[1] / "golden" / "klend_rates.json").read_text())["cases"]
K = parse_curve("0:0 0.7:0.05 0.85:0.10 1:0.5")

UNIT = st.floats(0, 1)


def from_bps(points):
    """Curve of a case, which states it in bps."""
    return BorrowCurve((u / 10_000, r / 10_000) for u, r in points)


@st.composite
def curves(draw):
    """Curve of up to eleven points, with jumps and flat pieces among them."""
    inner = sorted(draw(st.lists(st.integers(0, 19), max_size=9)))
    steps = draw(st.lists(st.integers(0, 8), min_size=len(inner) + 2, max_size=len(inner) + 2))
    rates = np.cumsum(steps) / 64
    return BorrowCurve(zip([0.0, *(i / 20 for i in inner), 1.0], rates.tolist(), strict=True))


@pytest.mark.parametrize("case", [pytest.param(c, id=c["id"]) for c in CASES if c["kind"] == "curve_rate"])
def test_rates_equal_the_vendors(case):
    """The curve charges what the lender's own library computes, also above full utilization."""
    rate = from_bps(case["in"]["points_bps"]).rate(case["in"]["utilization"])
    assert rate == pytest.approx(case["expect"]["rate"], rel=1e-10)


@given(curves(), st.lists(st.floats(-1, 2), min_size=2, max_size=20))
def test_rate_equals_linear_interpolation_away_from_jumps_and_never_falls(curve, places):
    """Numbers and arrays agree with numpy's interpolation wherever the curve does not jump."""
    u = np.sort(places)
    rates = curve.rate(u)
    assert rates.tolist() == [curve.rate(x) for x in u.tolist()]
    assert (np.diff(rates) >= 0).all()
    xs, ys = np.array(curve.points).T
    smooth = ~np.isin(u, xs)
    assert rates[smooth] == pytest.approx(np.interp(u[smooth], xs, ys), rel=1e-12, abs=1e-15)


@given(curves())
def test_every_corner_is_met_exactly(curve):
    """At each point the curve charges that point's rate, of two at one utilization the lower."""
    for u, _ in curve.points:
        assert curve.rate(u) == min(r for v, r in curve.points if v == u)


@given(curves(), UNIT)
def test_inverse_is_the_smallest_utilization_that_reaches_a_rate(curve, share):
    """Just below the inverse less is charged, at or just above it the rate is reached."""
    low, high = curve.points[0].rate, curve.points[-1].rate
    rate = low + share * (high - low)
    u = curve.inverse(rate)
    assert u == 0 or curve.rate(u - 1e-9) <= rate + 1e-12
    assert u == 0 or curve.rate(u - 1e-6) < rate + 1e-12
    if u < 1:
        assert curve.rate(u + 1e-9) >= rate - 1e-12
    assert curve.inverse([rate, rate]).tolist() == [u, u]


@given(curves(), UNIT)
def test_the_smallest_utilization_is_found_by_brute_force_too(curve, share):
    """On a fine grid, no utilization clearly below the inverse reaches the rate."""
    low, high = curve.points[0].rate, curve.points[-1].rate
    rate = low + share * (high - low)
    assume(rate > low)
    grid = np.linspace(0, 1, 2_001)
    reached = grid[curve.rate(grid) >= rate - 1e-12]
    first = reached[0] if reached.size else 1.0
    assert curve.inverse(rate) == pytest.approx(first, abs=1 / 2_000 + 1e-9)


@given(curves(), st.floats(0, 4))
def test_largest_utilization_is_found_by_brute_force(curve, rate):
    """On a fine grid, the largest utilization charged no more than a rate is where the method says."""
    grid = np.linspace(0, 1, 2_001)
    allowed = grid[curve.rate(grid) <= rate]
    expected = allowed[-1] if allowed.size else 0.0
    assert curve.largest_utilization(rate) == pytest.approx(expected, abs=1 / 2_000 + 1e-9)


@given(curves(), st.floats(0.001, 0.999))
def test_slope_is_the_derivative_from_below(curve, u):
    """The slope equals a difference quotient within the piece that ends at or holds the utilization."""
    step = 1e-4
    assume(all(not u - step <= point.utilization <= u + step for point in curve.points))
    quotient = (curve.rate(u) - curve.rate(u - step)) / step
    assert curve.slope(u) == pytest.approx(quotient, abs=1e-7)


def test_slope_at_a_kink_is_that_of_the_piece_below():
    """At 85 % the last dollar came up the gentler slope; nothing is charged beyond the ends."""
    assert K.slope([0.0, 0.85, 0.86, 1.1]).tolist() == pytest.approx([0.05 / 0.7, 0.05 / 0.15, 0.4 / 0.15, 0])


def test_a_jump_charges_the_lower_rate_at_its_place():
    """Two points of one utilization: 10 % up to it, 20 % just above it, and the inverse stays there."""
    curve = parse_curve("0:0 0.8:0.1 0.8:0.2 1:0.2")
    assert curve.rate([0.8, math.nextafter(0.8, 1)]).tolist() == pytest.approx([0.1, 0.2])
    assert curve.inverse([0.1, 0.15, 0.2]).tolist() == [0.8, 0.8, 0.8]
    assert curve.largest_utilization([0.15, 0.2]).tolist() == [0.8, 1.0]


def test_a_last_point_repeated_to_fill_places_is_no_jump():
    """Reserves pad their eleven places with the last point; the curve stays what it is."""
    padded = BorrowCurve([(0, 0), (0.8, 0.1), *[(1, 1)] * 9])
    assert padded.rate([0.4, 0.8, 1.0]).tolist() == pytest.approx([0.05, 0.1, 1.0])
    assert (padded.inverse(1.0), padded.next_kink(0.8)) == (1.0, 1.0)


def test_next_kink_skips_corners_that_do_not_bend():
    """A point in the middle of a line is no kink; a jump is one; after the last comes full utilization."""
    curve = parse_curve("0:0 0.25:0.25 0.5:0.5 0.75:0.5 0.75:0.75 1:0.75")
    assert curve.next_kink([0.0, 0.25, 0.5, 0.75]).tolist() == [0.5, 0.5, 0.75, 1.0]
    assert parse_curve("0:0.08 1:0.08").next_kink(0.3) == 1.0


def test_kinked_builds_the_two_slopes():
    """The two-slope form is the curve through its three corners."""
    assert BorrowCurve.kinked(0.0, 0.8, 0.1, 1.0) == parse_curve("0:0 0.8:0.1 1:1")


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([(0, 0)], "2 to 11 points"),
        ([(i / 11, 0) for i in range(12)], "2 to 11 points"),
        ([(0, 0), (100, 0.5)], "percent or bps"),
        ([(0.1, 0), (1, 0.5)], "from utilization 0 to 1"),
        ([(0, -0.01), (1, 0.5)], "must be 0 or more"),
        ([(0, 0), (0.5, 0.2), (1, 0.1)], r"point 2 .* rate = 0.1 after 0.2"),
        ([(0, 0), (0.6, 0.1), (0.5, 0.2), (1, 0.3)], r"point 2 .* utilization = 0.5"),
        ([(0, 0), (1, 0.5), (1, 0.6)], "cannot jump at utilization 1"),
        ([(0, 0), (1, math.nan)], "rate = nan"),
        ([(0, 0), (math.inf, 1)], "utilization = inf"),
        ([(0, None), (1, 0.5)], "rate"),
        ([(0, 0), (1, [0.5, 0.6])], "one number at a time"),
        ([(0, 0), (0.5, 0.1, 0.2), (1, 1)], "pair of utilization and rate"),
        ([0, 1], "pair of utilization and rate"),
    ],
)
def test_points_that_are_no_curve_are_refused(points, message):
    """Too few or many points, percent, falling columns, negative rates and broken numbers are told."""
    with pytest.raises(DomainError, match=message):
        BorrowCurve(points)


@pytest.mark.parametrize("text", ["", "0:0", "0:0 0.5 1:1", "0:0 half:0.1 1:1", "0:0 1:0.5:2", "0=0 1=1"])
def test_text_that_is_no_curve_is_refused(text):
    """A curve is written as utilization and rate joined by a colon, nothing else."""
    with pytest.raises(DomainError, match="borrow curve"):
        parse_curve(text)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: K.inverse(0.6), "never charged"),
        (lambda: K.inverse(-0.1), "rate"),
        (lambda: K.rate(math.nan), "u"),
        (lambda: BorrowCurve.kinked(0, 1, 0.1, 0.2), "kink"),
        (lambda: BorrowCurve.kinked(0, 0.8, 0.3, 0.2), "falls"),
        (lambda: slot_adjustment(0, 500), "recent_slot_ms"),
        (lambda: slot_adjustment(400, math.inf), "reference_slot_ms"),
    ],
)
def test_numbers_outside_the_domain_are_refused(call, message):
    """A rate beyond the curve, a kink at the end and a slot without length are refused by name."""
    with pytest.raises(DomainError, match=message):
        call()


def test_slots_of_400_ms_are_worth_a_quarter_more():
    """A curve that counts on 500 ms is paid 1.25 times as often at 400 ms."""
    assert slot_adjustment(400, 500) == 1.25
