"""What lenders count a PT at: the venues' integer rule, its float form, and the market's price."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.lending.oracle import LinearDiscountOracle, MarketTwapOracle, scope_price, wad_price

CASES = json.loads((Path(__file__).parents[1] / "golden" / "pt_oracles.json").read_text())["cases"]
YEAR = 31_536_000


def of_kind(kind):
    """Cases of one kind, each named."""
    return [pytest.param(case, id=case["id"]) for case in CASES if case["kind"] == kind]


@pytest.mark.parametrize("case", of_kind("scope_pt_price"))
def test_scope_price_equals_the_integer_rule(case):
    """The nine-decimal feed is reproduced to the last unit, also after maturity."""
    price = scope_price(case["in"]["time_left_s"], case["in"]["discount_bps"])
    assert price._asdict() == case["expect"]


@pytest.mark.parametrize("case", of_kind("spark_pt_price"))
def test_wad_price_equals_the_integer_rule(case):
    """The eighteen-decimal feed is reproduced to the last unit."""
    price = wad_price(case["in"]["time_left_s"], int(case["in"]["base_discount_wad"]))
    assert (str(price.value), price.decimals) == (case["expect"]["answer_wad"], 18)


@pytest.mark.parametrize("case", of_kind("scope_pt_price"))
def test_float_price_is_the_integer_price_within_one_unit(case):
    """The float form and the on-chain form differ by the rounding of one unit at most."""
    oracle = LinearDiscountOracle(discount=case["in"]["discount_bps"] / 10_000)
    value = oracle.price(case["in"]["time_left_s"] / YEAR)
    assert abs(value * 10 ** case["expect"]["decimals"] - case["expect"]["value"]) <= 1


@pytest.mark.parametrize("case", of_kind("scope_pt_parameters"))
def test_every_published_entry_is_worth_three_quarters_a_year_before_maturity(case):
    """The discount seen in every published entry takes a quarter off a year before maturity."""
    assert LinearDiscountOracle(discount=case["expect"]["discount_per_year"]).price(1.0) == 0.75


@pytest.mark.parametrize(("days", "value"), [(90, 938_356_165), (30, 979_452_055), (365, 750_000_000)])
def test_worked_example_of_the_linear_oracle(days, value):
    """A discount of 2,500 bps a year, 90, 30 and 365 days before maturity."""
    assert scope_price(days * 86_400, 2_500) == (value, 9)


@given(st.integers(0, 4 * YEAR), st.integers(0, 10_000))
def test_integer_price_rises_to_maturity_and_never_leaves_its_range(seconds, bps):
    """A PT counts between nothing and one underlying, and no less a second later."""
    now, later = scope_price(seconds + 1, bps), scope_price(seconds, bps)
    assert 0 <= now.value <= 10**9
    assert later.value / 10**later.decimals >= now.value / 10**now.decimals


def test_price_is_clipped_at_nothing_and_one_after_maturity():
    """A far maturity counts as 0 and a matured PT as 1, in one array."""
    assert LinearDiscountOracle(discount=0.25).price([5.0, 4.0, 0.0, -1.0]).tolist() == [0.0, 0.0, 1.0, 1.0]


def test_market_oracle_is_the_price_at_the_average_yield():
    """The market oracle prices at its average yield: 1.21 to the power of minus a half is 1/1.1."""
    oracle = MarketTwapOracle(implied_apy=0.21)
    assert oracle.price(0.5) == pytest.approx(1 / 1.1, rel=1e-15)
    assert oracle.price(np.array([0.5, -0.1]))[1] == 1.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: scope_price(1.5, 2_500),
        lambda: scope_price(True, 2_500),
        lambda: scope_price(1, -1),
        lambda: wad_price("1", 1),
        lambda: LinearDiscountOracle(discount=-0.1).price(0.5),
        lambda: LinearDiscountOracle(discount=0.25).price(math.nan),
        lambda: MarketTwapOracle(implied_apy=-1.0).price(0.5),
    ],
)
def test_bad_arguments_are_refused(call):
    """Fractions of seconds, booleans, negative discounts and worthless PT are refused by name."""
    with pytest.raises(DomainError, match=r"seconds_left|discount|tau|implied_apy"):
        call()
