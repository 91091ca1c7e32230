"""Interest slot by slot: the vendor's factors, the exact power, and a reserve that accrues."""

from __future__ import annotations

import json
import math
from decimal import Decimal, localcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError, MissingDataError
from yieldtrade.lending.accrual import accrue, compound_slots
from yieldtrade.lending.curve import BorrowCurve
from yieldtrade.lending.reserve import Reserve

CASES = json.loads((Path(__file__).parents[1] / "golden" / "klend_rates.json").read_text())["cases"]


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=c["id"]) for c in CASES if c["kind"] == "compounded_interest"]
)
def test_factors_equal_the_vendors(case):
    """The growth factor equals that of the vendor's library."""
    factor = compound_slots(case["in"]["rate"], case["in"]["slots"])
    assert factor == pytest.approx(float(case["expect"]["factor"]), rel=1e-10)


def test_a_day_of_slots_is_counted_once():
    """216,000 real slots at 10 % grow by 0.0342524 %; adjusting the rate for them too would be a quarter more."""
    assert compound_slots(0.10, 216_000) == pytest.approx(1.000342524, abs=1e-9)
    assert compound_slots(0.10, 216_000) < 1.00035


@given(st.floats(0, 5), st.floats(0, 1), st.integers(0, 4))
def test_up_to_four_slots_the_factor_is_the_power(rate, host, n):
    """Few slots are multiplied out: the factor is ``(1+b)^n`` to the last digits of a double."""
    with localcontext(prec=50):
        exact = (1 + (Decimal(rate) + Decimal(host)) / 63_072_000) ** n
    assert compound_slots(rate, n, host_rate=host) == pytest.approx(float(exact), rel=1e-15)


@given(st.floats(0, 1), st.integers(0, 10**7))
def test_the_series_stays_below_the_power_and_close_to_it(rate, n):
    """The cut series lacks only the fourth term of the binomial, at most ``(bn)^4/24`` times the power."""
    b = rate / 63_072_000
    power = math.exp(n * math.log1p(b))
    missing = power - compound_slots(rate, n)
    assert -1e-15 * power <= missing <= (b * n) ** 4 / 24 * power + 1e-15 * power


def test_numbers_and_arrays_agree():
    """One call over rates and slots gives what single calls give."""
    slots = [0, 3, 4, 5, 1_000]
    assert compound_slots(0.1, slots).tolist() == [compound_slots(0.1, n) for n in slots]


def test_a_reserve_accrues_as_the_vendors_does():
    """A week of interest: the debt, and what is left to lenders after host and protocol."""
    case = next(c for c in CASES if c["kind"] == "accrual")
    given_, expected = case["in"], case["expect"]
    reserve = Reserve(
        borrowed=given_["borrowed"],
        available=given_["available"],
        model=BorrowCurve((u / 10_000, r / 10_000) for u, r in given_["points_bps"]),
        host_rate=given_["host_fixed_bps"] / 10_000,
        take_rate=given_["protocol_take_pct"] / 100,
        periods_per_year=63_072_000,
    )
    after = accrue(reserve, given_["slots_elapsed"])
    assert after.borrowed == pytest.approx(float(expected["total_borrow"]), rel=1e-10)
    assert after.supplied == pytest.approx(float(expected["total_supply"]), rel=1e-10)
    interest = after.borrowed - reserve.borrowed
    kept = after.supplied - reserve.supply + after.host_fee + after.protocol_fee
    assert kept == pytest.approx(interest, rel=1e-9)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: compound_slots(-0.1, 1), DomainError, "rate"),
        (lambda: compound_slots(math.nan, 1), DomainError, "rate"),
        (lambda: compound_slots(0.1, 1.5), DomainError, "whole number of slots"),
        (lambda: compound_slots(0.1, [1, -1]), DomainError, r"n\[1\]"),
        (
            lambda: accrue(Reserve(borrowed=1, available=1, model=BorrowCurve([(0, 0), (1, 1)])), 1),
            MissingDataError,
            "take_rate",
        ),
    ],
)
def test_bad_arguments_are_refused(call, error, message):
    """Negative or missing rates, broken slots and an unknown take rate are refused by name."""
    with pytest.raises(error, match=message):
        call()
