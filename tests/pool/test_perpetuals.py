"""Oracles: numbers printed in the paper (golden), scans over prices, hand derivations. Covers (1) and (2)."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.pool.perpetuals import (
    collateral_ok,
    funding_payer,
    linear_funding_rate,
    linear_liquidation_price,
    linearly_liquidatable,
    min_collateral,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "pdlp.json").read_text())["cases"]
FUNDING = [case for case in GOLDEN if case["kind"] == "funding_rate"]
LIQUIDATION = [case for case in GOLDEN if case["kind"] == "liquidation_price"]

units = st.floats(0.01, 1e4)
prices = st.floats(0.01, 1e5)
leverages = st.floats(0.1, 100) | st.floats(-100, -0.1)


@pytest.mark.parametrize("case", FUNDING, ids=lambda case: case["id"])
def test_the_funding_rate_of_the_paper(case):
    """(2): the printed example has longs of four times the shorts pay three kappa."""
    rate = linear_funding_rate(**case["in"])
    assert rate == pytest.approx(case["expect"]["gamma"], rel=1e-9)
    assert funding_payer(rate) == "longs"
    assert funding_payer(rate, convention="paper_text") == "shorts"


@pytest.mark.parametrize("case", LIQUIDATION, ids=lambda case: case["id"])
def test_the_liquidation_price_of_the_paper(case):
    """Liquidation condition: the printed example ends at 1,500, of a notional of 8,000 (E1)."""
    terms, expected = case["in"], case["expect"]
    c, delta, p0 = terms["collateral"], terms["units"], terms["entry_price"]
    eta = {"long": 1, "short": -1}[terms["side"]] * expected["notional"] / c
    found = linear_liquidation_price(c, delta, eta, p0)
    assert found.price == pytest.approx(expected["price"], rel=1e-9)
    assert found.exists
    assert not found.past
    assert delta * p0 == pytest.approx(expected["notional"], rel=1e-9)


def test_the_collateral_condition_of_the_example():
    """(1): 2,000 USD at leverage 4 and a price of 2,000 carry 4 units, and no more."""
    assert collateral_ok(2000, 4, 4, 2000) is True
    assert collateral_ok(2000, 4.0001, 4, 2000) is False
    assert collateral_ok(2000, [4, 4.0001], -4, 2000).tolist() == [True, False]
    assert min_collateral(4, 4, 2000) == min_collateral(4, -4, 2000) == 2000
    assert linear_liquidation_price(2000, 4, -4, 2000) == (2500, True, False)


@given(units, leverages, prices)
def test_the_least_collateral_is_the_least(delta, eta, p0):
    """(1): just more than the least collateral is enough, just less is not."""
    least = min_collateral(delta, eta, p0)
    assert collateral_ok(least * (1 + 1e-12), delta, eta, p0)
    assert not collateral_ok(least * (1 - 1e-12), delta, eta, p0)


@given(units, leverages, prices)
def test_the_least_collateral_is_lost_at_the_price_of_its_leverage(delta, eta, p0):
    """With the least collateral the price is ``p0*(1 - 1/eta)``, 0 for a long of leverage 1 or less."""
    found = linear_liquidation_price(min_collateral(delta, eta, p0), delta, eta, p0)
    assert found.price == pytest.approx(max(0, p0 * (1 - 1 / eta)), rel=1e-9, abs=1e-12 * p0)
    if abs(eta - 1) > 1e-9:
        assert found.exists is (eta < 0 or eta > 1)


@given(units, leverages, prices, st.floats(0, 3))
def test_the_liquidation_price_divides_sound_from_liquidatable(delta, eta, p0, share):
    """Liquidation condition: it holds on one side of the price, and at it, and not on the other."""
    c = share * delta * p0
    scan = p0 * np.linspace(0.01, 5, 500)
    price = linear_liquidation_price(c, delta, eta, p0).price
    beyond = scan <= price if eta > 0 else scan >= price
    close = np.abs(scan - price) < 1e-9 * p0
    assert (linearly_liquidatable(c, delta, eta, p0, scan) == beyond)[~close].all()


def test_the_price_itself_liquidates():
    """Equality liquidates, in contrast to the program's rule; without collateral the entry does."""
    assert linearly_liquidatable(2000, 4, 4, 2000, 1500)
    assert not linearly_liquidatable(2000, 4, 4, 2000, 1500.01)
    assert linear_liquidation_price(0, 4, 4, 2000) == (2000, True, True)
    assert linearly_liquidatable(0, 4, 4, 2000, 2000)


def test_a_long_without_leverage_has_no_liquidation_price():
    """At leverage 1, or with more collateral than the size is worth, there is none above 0, and that is said."""
    # 0.1*3 is not 0.3 in doubles
    assert linear_liquidation_price(min_collateral(3, 1, 0.1), 3, 1, 0.1) == (0, False, False)
    assert linear_liquidation_price(9000, 4, 4, 2000) == (0, False, False)
    many = linear_liquidation_price([2000, 8000, 8000], 4, [4, 1, -1], 2000)
    assert many.price.tolist() == [1500, 0, 4000]
    assert many.exists.tolist() == [True, False, True]
    assert many.past.tolist() == [False, False, False]


@given(units, units, prices, st.floats(0.001, 1))
def test_funding_vanishes_where_the_sides_balance(L, S, p0, kappa):
    """(2): the rate is 0 at p = p0*L/S, rises with L and falls with p and S."""
    assert linear_funding_rate(L, S, p0 * L / S, p0, kappa) == pytest.approx(0, abs=1e-12 * kappa * L / S)
    rate = linear_funding_rate(L, S, p0, p0, kappa)
    assert linear_funding_rate(2 * L, S, p0, p0, kappa) - rate == pytest.approx(kappa * L / S, rel=1e-9)
    assert linear_funding_rate(L, S, 2 * p0, p0, kappa) - rate == pytest.approx(
        -kappa, rel=1e-9, abs=1e-12 * kappa * L / S
    )


def test_who_pays():
    """E2: the side of the sign, nobody at 0; without kappa nobody ever."""
    assert funding_payer([0.1, 0, -0.1]).tolist() == ["longs", "nobody", "shorts"]
    assert funding_payer([0.1, 0, -0.1], "paper_text").tolist() == ["shorts", "nobody", "longs"]
    assert funding_payer(linear_funding_rate(1000, 250, 2000, 2000, 0)) == "nobody"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: linear_funding_rate(10, 0, 1, 1, 1), "S = 0.0 must be above 0"),
        (lambda: linear_funding_rate(10, [5, 0], 1, 1, 1), r"S\[1\] = 0.0 must be above 0"),
        (lambda: linear_funding_rate(-1, 1, 1, 1, 1), "L = -1.0 must be 0 or more"),
        (lambda: linear_funding_rate(1, 1, 0, 1, 1), "p = 0.0"),
        (lambda: linear_funding_rate(1, 1, 1, -1, 1), "p0 = -1.0"),
        (lambda: linear_funding_rate(1, 1, 1, 1, -0.1), "kappa = -0.1"),
        (lambda: collateral_ok(1, 1, 0, 1), "eta = 0.0 must not be 0"),
        (lambda: collateral_ok(-1, 1, 1, 1), "c = -1.0"),
        (lambda: collateral_ok(1, -1, 1, 1), "delta = -1.0"),
        (lambda: collateral_ok(1, 1, 1, math.nan), "p0 = nan is not a finite number"),
        (lambda: collateral_ok(1, 1, True, 1), "eta holds bool"),
        (lambda: min_collateral(1, [2, 0], 1), r"eta\[1\] = 0.0 must not be 0"),
        (lambda: linear_liquidation_price(1, 0, 1, 1), "delta = 0.0 must be above 0"),
        (lambda: linear_liquidation_price(1, 1, 0, 1), "eta = 0.0"),
        (lambda: linearly_liquidatable(1, 1, 1, 1, 0), "p = 0.0 must be above 0"),
        (lambda: funding_payer(math.inf), "rate = inf"),
        (lambda: funding_payer(0.1, "mine"), "convention = 'mine'"),
    ],
)
def test_invalid_input_is_refused(call, message):
    """What is no number, or outside its domain, is refused by name."""
    with pytest.raises(DomainError, match=f"^{message}"):
        call()
