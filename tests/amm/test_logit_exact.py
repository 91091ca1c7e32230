"""Exact quotes: the contract's numbers through the common interface, beside the float path."""

import math
from datetime import timedelta
from decimal import Decimal

import pytest
from amm_cases import EXAMPLE_NOW, example_amm, example_state, golden, logit_amm, pendle_amm
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.amm import logit_fixed
from yieldtrade.errors import CapacityError, DomainError, ExpiredError

MARKETS = [
    case
    for case in golden("pendle_market")["cases"]
    if case["kind"] == "market_state" and case["in"]["timeToExpiry"] > 0
]
ONE = 10**18


@pytest.mark.parametrize(
    ("side", "sy"),
    [
        ("BUY_PT", 95730551049381858097),
        ("SELL_PT", 95087915663033580518),
        ("BUY_YT", 4912084336966419482),
        ("SELL_YT", 4269448950618141903),
    ],
)
def test_exact_quotes_are_those_of_the_contract(side, sy):
    """A hundred tokens cost what the contract charges, and leave the contract's state behind."""
    amm = example_amm()
    fill = amm.quote(side, 100, exact=True)
    assert fill.st_amount == sy / ONE
    assert fill.path == "integer"
    assert fill.gross == pytest.approx(amm.quote(side, 100).gross, rel=1e-13)
    pt_out = 100 * ONE if side in ("BUY_PT", "SELL_YT") else -100 * ONE
    trade = logit_fixed.execute_trade(example_state(), ONE, EXAMPLE_NOW, pt_out)
    assert fill.amm_after.raw.state == trade.after
    assert fill.fee_protocol == trade.reserve_sy / ONE


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(range(len(MARKETS))),
    st.sampled_from(["BUY_PT", "SELL_PT", "BUY_YT", "SELL_YT"]),
    st.floats(-6.0, -0.7),
)
def test_float_and_integer_agree(number, side, exponent):
    """On golden states, PT trades agree to 3 raw units and 2e-13, YT trades to 4 raw and 1e-13 of the size."""
    given_ = MARKETS[number]["in"]
    amm, token = pendle_amm(given_), 10 ** given_["decimals"]
    raw = int(amm.max_size(side).size * token * 10**exponent)
    if raw == 0:
        return
    size = Decimal(raw) / token
    exact, quick = amm.quote(side, size, exact=True), amm.quote(side, float(size))
    per_sy = token / amm.sy_index
    allowed = 3 + 2e-13 * quick.st_amount * per_sy if side.endswith("PT") else 4 + 1e-13 * raw / amm.sy_index
    assert abs(exact.st_amount - quick.st_amount) * per_sy <= allowed
    assert abs(exact.fee - quick.fee) * per_sy <= 3 + 1e-14 * raw


def test_purchases_for_st_use_the_venues_bisection():
    """Two ST buy what the venue's router finds, within 1e-5 below the budget."""
    fill = example_amm().quote("BUY_YT", 2, "st", exact=True)
    assert fill.units == 41604867458343505851 / ONE
    assert 2 * (1 - 1e-5) <= fill.st_amount <= 2
    assert example_amm().quote("BUY_PT", 100, "st", exact=True).units == 104450353771824415453 / ONE


def test_sales_for_st_raise_no_more_than_asked():
    """A sale for ST is sized by the float inverse and executed exactly."""
    fill = example_amm().quote("SELL_YT", 2, "st", exact=True)
    assert fill.path == "integer"
    assert fill.st_amount == pytest.approx(2.0, rel=1e-12)


def test_sizes_are_read_as_printed():
    """0.3 means three tenths, not the binary number nearest to it; Decimals keep all their digits."""
    amm = example_amm()
    tenths = amm.quote("BUY_PT", 0.3, exact=True)
    assert tenths.amm_after.raw.state.total_pt == 1000 * ONE - 3 * 10**17
    fine = amm.quote("BUY_PT", Decimal("100.000000000000000001"), exact=True)
    assert fine.amm_after.raw.state.total_pt == 900 * ONE - 1


@pytest.mark.parametrize("size", [-1.0, math.nan, math.inf, True, "1", [1.0], None])
def test_exact_sizes_are_single_numbers(size):
    """Negative, unreadable and several sizes are refused."""
    with pytest.raises(DomainError, match="size"):
        example_amm().quote("BUY_PT", size, exact=True)


def test_less_than_a_raw_unit_is_refused():
    """With 6 decimals a ten-millionth of a token does not exist."""
    coarse = pendle_amm(next(case["in"] for case in MARKETS if case["in"]["decimals"] == 6))
    with pytest.raises(DomainError, match="raw unit"):
        coarse.quote("BUY_PT", 1e-7, exact=True)
    assert coarse.quote("BUY_PT", 1e-6, exact=True).units == 1e-6


def test_no_size_is_no_trade():
    """A size of 0 gives a fill of zeros and the market as it is."""
    amm = example_amm()
    fill = amm.quote("SELL_YT", 0, exact=True)
    assert (fill.units, fill.st_amount, fill.path, fill.amm_after) == (0, 0, "integer", amm)


def test_refusals_are_stated_in_tokens():
    """What the contract reverts carries the largest size in tokens."""
    with pytest.raises(
        CapacityError, match=r"MarketProportionTooHigh.*tokens the largest is 920\.0"
    ) as refused:
        example_amm().quote("SELL_PT", 950, exact=True)
    assert (refused.value.requested, refused.value.maximum) == (950.0, 920.0)
    with pytest.raises(CapacityError) as beyond:
        example_amm().quote("BUY_YT", 500, "st", exact=True)
    assert beyond.value.binding == "proportion_cap"


def test_exact_quotes_need_raw_state_and_a_live_market():
    """A market built from floats has no integer path, and a matured one no price."""
    with pytest.raises(DomainError, match="from_raw"):
        logit_amm().quote("BUY_PT", 1.0, exact=True)
    matured = example_amm().at(example_amm().maturity)
    with pytest.raises(ExpiredError):
        matured.quote("BUY_PT", 1.0, exact=True)


def test_the_last_hour_is_warned_of():
    """The contract's own rounding shows in the last hour."""
    amm = example_amm()
    late = amm.at(amm.maturity - timedelta(minutes=10))
    assert late.quote("SELL_PT", 1, exact=True).warnings == ("near_expiry",)


def test_float_trades_drop_the_raw_state():
    """A float fill leaves a market without raw state, which no longer offers exact quotes."""
    after = example_amm().quote("BUY_PT", 1.0).amm_after
    assert after.raw is None
