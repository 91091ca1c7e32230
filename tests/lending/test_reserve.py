"""A reserve's rates, what one's own loan does to them, and reserves stated as a venue's terms."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.conventions import apy_from_apr
from yieldtrade.errors import DomainError, MarketDefinitionError, MissingDataError
from yieldtrade.lending.accrual import SLOTS_PER_YEAR
from yieldtrade.lending.curve import BorrowCurve, parse_curve, slot_adjustment
from yieldtrade.lending.reserve import Reserve, reserve_from_terms
from yieldtrade.market import LendingRate, Parameter, Terms

CASES = json.loads((Path(__file__).parents[1] / "golden" / "klend_rates.json").read_text())["cases"]
K = parse_curve("0:0 0.7:0.05 0.85:0.10 1:0.5")
EXAMPLE = Reserve(
    borrowed=800e6,
    available=200e6,
    model=K,
    take_rate=0.10,
    slot_adjustment=1.25,
    periods_per_year=SLOTS_PER_YEAR,
)


def of_kind(kind):
    """Cases of one kind, each named."""
    return [pytest.param(case["in"], case["expect"], id=case["id"]) for case in CASES if case["kind"] == kind]


def reserve_of(case):
    """Reserve of a case, which states rates in bps and percent."""
    return Reserve(
        borrowed=case["borrowed"],
        available=case["available"],
        model=BorrowCurve((u / 10_000, r / 10_000) for u, r in case["points_bps"]),
        host_rate=case.get("host_fixed_bps", 0) / 10_000,
        take_rate=case["protocol_take_pct"] / 100,
        slot_adjustment=slot_adjustment(case["recent_slot_ms"], 500),
        periods_per_year=SLOTS_PER_YEAR,
    )


@pytest.mark.parametrize(("given_", "expected"), of_kind("reserve_rates"))
def test_rates_equal_the_vendors(given_, expected):
    """Utilization and simple rates equal the vendor's to 1e-10; its APYs carry noise of 1e-4."""
    reserve = reserve_of(given_)
    for name in ("utilization", "slot_adjustment", "borrow_apr", "supply_apr"):
        assert getattr(reserve, name) == pytest.approx(expected[name], rel=1e-10), name
    for name in ("borrow_apy", "supply_apy"):
        assert getattr(reserve, name) == pytest.approx(expected[name], rel=1e-4, abs=1e-6), name


@pytest.mark.parametrize(("given_", "expected"), of_kind("apr_to_apy"))
def test_compounding_every_slot_equals_the_vendors(given_, expected):
    """A simple rate compounded every slot equals the vendor's APY within the noise of its power."""
    apy = apy_from_apr(given_["apr"], SLOTS_PER_YEAR)
    assert apy == pytest.approx(expected["apy"], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("given_", "expected"), of_kind("borrow_impact"))
def test_own_impact_equals_the_vendors(given_, expected):
    """After one's own loan the reserve stands where the vendor's library puts it."""
    after = reserve_of(given_).after_borrow(given_["borrow_amount"])
    found = (after.utilization, after.borrow_apr, after.supply_apr)
    names = ("utilization_after", "borrow_apr_after", "supply_apr_after")
    assert found == pytest.approx([expected[name] for name in names], rel=1e-10)


def test_worked_example_of_the_own_loan():
    """A thousand million supplied at 80 %: rates before and after borrowing 10M and 100M, as written down."""
    assert (EXAMPLE.borrow_apr, EXAMPLE.borrow_apy) == pytest.approx((0.104167, 0.109785), abs=1e-6)
    after = EXAMPLE.after_borrow(10e6)
    assert (after.utilization, after.borrow_apr, after.borrow_apy, after.supply_apr) == pytest.approx(
        (0.81, 0.108333, 0.114419, 0.078975), abs=1e-6
    )
    assert EXAMPLE.marginal_borrow_rate(10e6) == pytest.approx(0.1125, abs=1e-6)
    assert EXAMPLE.borrow_apr_after(100e6) == pytest.approx(0.291667, abs=1e-6)
    assert EXAMPLE.borrow_apy_after(100e6) == pytest.approx(0.338657, abs=1e-6)
    assert EXAMPLE.headroom_to_next_kink() == pytest.approx(50e6, rel=1e-12)
    assert EXAMPLE.max_borrow_at(0.15) == pytest.approx(57.5e6, rel=1e-9)


def test_worked_example_of_a_small_reserve():
    """On 50 million at 80 %, borrowing 600,000 brings the rate to 11.5348 %."""
    reserve = Reserve(
        borrowed=40e6, available=10e6, model=K, slot_adjustment=1.25, periods_per_year=SLOTS_PER_YEAR
    )
    assert reserve.borrow_apy_after(600_000) == pytest.approx(0.115348, abs=1e-6)


def test_rates_of_a_squeeze_are_those_of_the_stress_table():
    """At 95 and 100 % utilization the example's curve costs 58.1 and 86.8 % a year."""
    assert EXAMPLE.borrow_apy_at([0.95, 1.0]).tolist() == pytest.approx([0.581436, 0.868246], abs=1e-6)


def test_sizes_are_priced_at_once():
    """Two hundred sizes in one call give what two hundred calls give."""
    sizes = np.geomspace(1, 199e6, 200)
    for method in (
        EXAMPLE.borrow_apr_after,
        EXAMPLE.borrow_apy_after,
        EXAMPLE.marginal_borrow_rate,
        lambda q: EXAMPLE.after_borrow(q).borrow_apy,
    ):
        assert method(sizes).tolist() == pytest.approx([method(q) for q in sizes.tolist()], rel=1e-14)


@given(st.floats(0, 199e6), st.floats(0, 1e6))
def test_a_larger_loan_never_costs_less(q, more):
    """Rates and the marginal rate rise with the size; the last dollar costs no less than the average one."""
    assert EXAMPLE.borrow_apy_after(q + more) >= EXAMPLE.borrow_apy_after(q)
    assert EXAMPLE.marginal_borrow_rate(q) >= EXAMPLE.borrow_apr_after(q)


@given(st.floats(1e5, 195e6))
def test_the_marginal_rate_is_the_derivative_of_what_the_loan_pays(q):
    """Between kinks, the marginal rate is the slope of size times rate, by central differences."""
    step = 100.0
    if abs(q - 50e6) < 2 * step:
        return
    paid = [size * EXAMPLE.borrow_apr_after(size) for size in (q - step, q + step)]
    assert EXAMPLE.marginal_borrow_rate(q) == pytest.approx((paid[1] - paid[0]) / (2 * step), rel=1e-6)


@given(st.floats(0, 1))
def test_the_largest_loan_at_a_rate_is_just_affordable(apr):
    """After the largest loan no more than the rate is charged, after a larger one more."""
    most = EXAMPLE.max_borrow_at(apr)
    assert EXAMPLE.borrow_apr_after(most) <= max(apr, EXAMPLE.borrow_apr) * (1 + 1e-12)
    if most + 1e3 <= 200e6:
        assert EXAMPLE.borrow_apr_after(most + 1e3) > apr


@given(st.floats(0, 1e9))
def test_a_deposit_lowers_both_rates(q):
    """More money lying there cheapens the loan and thins the yield, at ``U' = B/(S+q)``."""
    after = EXAMPLE.after_deposit(q)
    assert after.utilization == pytest.approx(800e6 / (1e9 + q), rel=1e-12)
    assert after.borrow_apr <= EXAMPLE.borrow_apr
    assert after.supply_apr <= EXAMPLE.supply_apr * (1 + 1e-12)


@given(st.floats(0, 1), st.floats(0, 0.05))
def test_lenders_earn_no_more_than_borrowers_pay(utilization, host):
    """What lenders receive is at most what borrowers pay on what is lent."""
    reserve = Reserve(
        borrowed=1e6 * utilization, available=1e6 * (1 - utilization), model=K, host_rate=host, take_rate=0.1
    )
    assert reserve.supply_apr <= reserve.utilization * reserve.borrow_apr + 1e-15


def test_fees_lie_outside_what_lenders_own():
    """Fees of 200 leave 800 of a thousand, so that 400 lent are one half."""
    reserve = Reserve(borrowed=400.0, available=600.0, fees=200.0, model=K)
    assert (reserve.supply, reserve.utilization) == (800.0, 0.5)
    assert reserve.after_borrow(400.0).utilization == 1.0


def test_a_full_reserve_lends_nothing():
    """At full utilization there is no headroom, and the last unit is refused or marked."""
    full = EXAMPLE.after_borrow(200e6)
    assert (full.utilization, full.headroom_to_next_kink(), full.max_borrow_at(9.0)) == (1.0, 0.0, 0.0)
    with pytest.raises(DomainError, match="left to lend"):
        full.borrow_apr_after(1.0)
    rates = full.borrow_apy_after([0.0, 1.0], on_error="nan")
    assert rates[0] == pytest.approx(full.borrow_apy, rel=1e-14)
    assert math.isnan(rates[1])
    assert math.isnan(full.borrow_apr_after(1.0, on_error="nan"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"borrowed": 0.0, "available": 0.0}, "supply = 0.0"),
        ({"borrowed": 0.0, "available": 1.0, "fees": 2.0}, "supply = -1.0"),
        ({"borrowed": -1.0}, "borrowed"),
        ({"available": math.nan}, "available"),
        ({"available": None}, "available"),
        ({"host_rate": -0.01}, "host_rate"),
        ({"take_rate": 1.2}, "take_rate"),
        ({"slot_adjustment": 0.0}, "slot_adjustment"),
    ],
)
def test_reserves_that_cannot_be_are_refused(change, message):
    """Zero liquidity is no utilization of zero; negative and missing numbers are refused by name."""
    with pytest.raises(DomainError, match=message):
        Reserve(**{"borrowed": 1.0, "available": 1.0, "model": K, **change})


def test_what_lenders_earn_is_not_guessed():
    """Without a published take rate the lenders' rate is missing rather than the whole interest."""
    with pytest.raises(MissingDataError, match="take_rate"):
        _ = Reserve(borrowed=1.0, available=1.0, model=K).supply_apr


def terms_of(**values):
    """Terms of a lender with these parameters."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    named = {key.replace("__", "."): value for key, value in values.items()}
    return Terms("kamino", {n: Parameter(n, v, "unit", moment, "user", "test") for n, v in named.items()})


def stored(supply, borrow):
    """Stored totals of a reserve."""
    return LendingRate("kamino", "USDC", datetime(2026, 1, 1, tzinfo=UTC), 0.02, 0.04, supply, borrow, "test")


def test_a_reserve_is_read_from_terms():
    """The stated curve, slot lengths and totals give the reserve of the worked example."""
    terms = terms_of(
        borrow_curve__USDC="0:0 0.7:0.05 0.85:0.10 1:0.5",
        borrow_take_rate__USDC=0.10,
        slots_per_year=SLOTS_PER_YEAR,
        reference_slot_ms=500,
        recent_slot_ms=400,
    )
    reserve = reserve_from_terms(terms, stored(1e9, 800e6), "USDC")
    assert (reserve.borrow_apr, reserve.supply_apr) == (EXAMPLE.borrow_apr, EXAMPLE.supply_apr)
    assert reserve_from_terms(terms, stored(1e9, 800e6), "SOL") is None


def test_a_venue_that_counts_seconds_needs_no_slots():
    """Without slots a year the curve is taken as yearly and compounded every second."""
    reserve = reserve_from_terms(
        terms_of(borrow_curve__USDC="0:0.1 1:0.1", borrow_host_rate__USDC=0.01), stored(1e6, 5e5), "USDC"
    )
    assert (reserve.borrow_apr, reserve.periods_per_year) == (pytest.approx(0.11), 31_536_000)


def test_terms_say_how_loans_end():
    """A fixed term and liquidation switched off are flags of the reserve; unsaid, loans are open and liquidated."""
    curve = {"borrow_curve__USDC": "0:0 1:0.5"}
    plain = reserve_from_terms(terms_of(**curve), stored(1e6, 5e5), "USDC")
    assert (plain.is_fixed_term, plain.liquidates_on_price) == (False, True)
    flagged = terms_of(**curve, fixed_term__USDC=True, price_liquidation__USDC=False)
    reserve = reserve_from_terms(flagged, stored(1e6, 5e5), "USDC")
    assert (reserve.is_fixed_term, reserve.liquidates_on_price) == (True, False)
    assert reserve.after_borrow(1.0).is_fixed_term


@pytest.mark.parametrize(
    ("values", "totals", "error", "message"),
    [
        (
            {"slots_per_year": 63_072_000, "reference_slot_ms": 500},
            (1e6, 5e5),
            MarketDefinitionError,
            "recent",
        ),
        ({"borrow_curve__USDC": "0:1 1:0"}, (1e6, 5e5), DomainError, "kamino: USDC: point 1"),
        ({}, (0.0, 0.0), DomainError, "kamino: USDC: supply"),
        ({}, (1.0, 2.0), DomainError, "borrow_usd = 2.0 is above"),
    ],
)
def test_terms_that_make_no_reserve_are_told(values, totals, error, message):
    """A slot of unknown length, a falling curve, an empty reserve and crossed totals name the venue and asset."""
    terms = terms_of(**{"borrow_curve__USDC": "0:0 1:0.5", **values})
    with pytest.raises(error, match=message):
        reserve_from_terms(terms, stored(*totals), "USDC")
