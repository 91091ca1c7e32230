"""Curves of the venues against their own libraries and their integer forms."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.lending.fixed import drift_rates
from yieldtrade.lending.rate_models import (
    aave_curve,
    drift_curve,
    jlp_loan_curve,
    morpho_curve,
    morpho_rate_at_target,
)
from yieldtrade.pool.borrowing import borrow_rate
from yieldtrade.pool.parameters import DualSlopeCurve

CASES = json.loads((Path(__file__).parents[1] / "golden" / "morpho_aave_drift.json").read_text())["cases"]
SECONDS = 31_536_000


def of_kind(kind):
    """Cases of one kind, each named."""
    return [pytest.param(case["in"], case["expect"], id=case["id"]) for case in CASES if case["kind"] == kind]


@pytest.mark.parametrize(("given_", "expected"), of_kind("morpho_rate"))
def test_adaptive_rate_is_the_vendors_within_its_second_order(given_, expected):
    """With a true exponential the final rate is within 0.8 % of the vendor's, and exact where nothing moves."""
    u = int(given_["utilization_wad"]) / 1e18
    start = int(given_["start_rate_at_target"]) / 1e18 * SECONDS
    moved = morpho_rate_at_target(start, u, given_["elapsed_s"])
    tolerance = 8e-3 if given_["elapsed_s"] else 1e-9
    assert moved / SECONDS * 1e18 == pytest.approx(int(expected["end_rate_at_target"]), rel=tolerance)
    rate = morpho_curve(moved).rate(u)
    assert rate / SECONDS * 1e18 == pytest.approx(int(expected["end_borrow_rate"]), rel=tolerance)


@given(st.floats(0.001, 2), st.floats(0, 1), st.floats(0, 1e9), st.floats(0, 1e9))
def test_adaptation_composes_and_stays_in_its_range(start, u, first, second):
    """Two times in a row move the rate as their sum does, and never outside 0.1 % to 200 %."""
    once = morpho_rate_at_target(start, u, first + second)
    twice = morpho_rate_at_target(morpho_rate_at_target(start, u, first), u, second)
    assert twice == pytest.approx(once, rel=1e-9)
    assert 0.001 * (1 - 1e-12) <= once <= 2.0 * (1 + 1e-12)


@pytest.mark.parametrize(("given_", "expected"), of_kind("drift_interest"))
def test_drift_curve_is_the_vendors_within_its_rounding(given_, expected):
    """The float curve lies within two millionths of the venue's truncated rate."""
    curve = drift_curve(given_["optimal_util"] / 1e6, given_["optimal_rate"] / 1e6, given_["max_rate"] / 1e6)
    assert curve.rate(given_["utilization"] / 1e6) * 1e6 == pytest.approx(expected["borrow_rate"], abs=2)


@given(
    st.integers(1_000, 999_000),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**7),
    st.integers(0, 10**6),
)
def test_drift_curve_and_integers_agree_for_every_kink(kink, u, base, extra, floor):
    """Curve and integer rule agree also where the kink makes the rate jump and where the floor binds."""
    curve = drift_curve(kink / 1e6, base / 1e6, (base + extra) / 1e6, floor / 1e6)
    exact = drift_rates(u, optimal_utilization=kink, optimal_rate=base, max_rate=base + extra, min_rate=floor)
    assert curve.rate(u / 1e6) * 1e6 == pytest.approx(exact.borrow, abs=8)


def test_drift_jumps_just_above_a_kink_of_85_percent():
    """At 85 % the whole first segment is passed at once: 5 % of the rise; at 70 % nothing jumps."""
    curve = drift_curve(0.85, 0.08, 2.0)
    assert curve.rate([0.85, math.nextafter(0.85, 1)]).tolist() == pytest.approx([0.08, 0.08 + 0.05 * 1.92])
    smooth = drift_curve(0.7, 0.1, 1.0)
    assert smooth.rate(math.nextafter(0.7, 1)) == pytest.approx(0.1, abs=1e-12)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 0.99), st.floats(0, 1))
def test_jlp_loan_curve_is_the_pools_rule(minimum, to_target, to_maximum, kink, u):
    """The adapter charges what the pool's own borrow rate does, an hour being 1/8,760 of a year."""
    rule = DualSlopeCurve(
        minimum=minimum, target=minimum + to_target, maximum=minimum + to_target + to_maximum, kink=kink
    )
    expected = borrow_rate(u, rule)
    rate = jlp_loan_curve(rule).rate(u)
    assert rate == pytest.approx(expected.apr, rel=1e-9, abs=1e-12)
    assert rate / 8_760 == pytest.approx(expected.hourly, rel=1e-9, abs=1e-15)


def test_aave_curve_adds_its_slopes():
    """Base 1 %, 4 % to a kink of 90 %, 60 % beyond: half way up each slope, half of it is charged."""
    assert aave_curve(0.01, 0.9, 0.04, 0.6).rate([0, 0.45, 0.9, 0.95, 1]).tolist() == pytest.approx(
        [0.01, 0.03, 0.05, 0.35, 0.65]
    )


@given(st.floats(0.001, 2))
def test_morphos_curve_spans_a_quarter_to_four_times(rate):
    """At no utilization a quarter of the rate at target is charged, at full utilization four times it."""
    assert morpho_curve(rate).rate([0.0, 0.9, 1.0]).tolist() == pytest.approx([rate / 4, rate, rate * 4])


@pytest.mark.parametrize(
    "call",
    [
        lambda: drift_curve(1.0, 0.1, 1.0),
        lambda: drift_curve(0.8, 0.2, 0.1),
        lambda: drift_curve(0.8, -0.2, 0.1),
        lambda: drift_curve(0.8, None, 0.1),
        lambda: drift_curve(0.8, 0.1, 0.2, math.nan),
        lambda: jlp_loan_curve(
            DualSlopeCurve(minimum=0.0, target=np.array([0.1, 0.2]), maximum=1.0, kink=0.8)
        ),
        lambda: aave_curve(0.0, 0.9, -0.01, 0.5),
        lambda: morpho_curve(-0.1),
        lambda: morpho_rate_at_target(0.0, 0.5, 1),
        lambda: morpho_rate_at_target(0.1, 1.5, 1),
        lambda: morpho_rate_at_target(0.1, np.array([0.5, 0.6]), [1, -1]),
    ],
)
def test_bad_curves_are_refused(call):
    """Kinks at the ends, falling or negative rates and impossible utilizations are refused."""
    with pytest.raises(DomainError):
        call()
