"""Oracles: the golden trade, scipy's bounded optimiser, closed forms of pdlp.md 3. Covers G, x*, LP loss."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from yieldtrade.errors import CapacityError, DomainError, MarketDefinitionError
from yieldtrade.pool.swaps import ConstantProductSwap, OracleSwap, arbitrage_trade, rebalancing_loss

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "pdlp.json").read_text())["cases"]
CASES = [case for case in GOLDEN if case["kind"] == "cfmm_arbitrage"]
POOL = ConstantProductSwap(2e6, 1000.0)

reserves = st.floats(1.0, 1e9)
moves = st.floats(0.2, 5.0)


class BlackBox:
    """A curve that offers no closed form."""

    def __init__(self, out, marginal, max_in=math.inf):
        self.out, self.marginal, self.max_in = out, marginal, max_in


def constant_product(R1, R2, max_in=math.inf):
    """The constant product once more, without its closed form."""
    return BlackBox(lambda x: R2 * x / (R1 + x), lambda x: R1 * R2 / (R1 + x) ** 2, max_in)


def logarithmic(price, depth, max_in=math.inf):
    """G = depth/price*log(1 + x/depth): the best trade is ``depth*(p/price - 1)``."""
    return BlackBox(
        lambda x: depth / price * np.log1p(x / depth), lambda x: 1 / price / (1 + x / depth), max_in
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
@pytest.mark.parametrize("make", [ConstantProductSwap, constant_product])
def test_the_golden_trade(case, make):
    """In closed form and by bisection: what goes in, what comes out, what the pool loses."""
    terms, expected = case["in"], case["expect"]
    trade = arbitrage_trade(make(terms["R1"], terms["R2"]), terms["p"])
    assert trade.x == pytest.approx(expected["x_star"], rel=1e-9)
    assert trade.out == pytest.approx(expected["asset_out"], rel=1e-9)
    assert trade.profit == pytest.approx(expected["lp_loss"], rel=1e-9)
    assert trade[3:] == ("interior", "buy")


def test_the_numbers_of_the_specification():
    """Up from 2,000 to 2,200 and down to 1,800, with the mean price of execution."""
    up, down = arbitrage_trade(POOL, 2200), arbitrage_trade(POOL, 1800)
    assert up[:3] == pytest.approx((97617.696340303, 46.537410754, 4764.607319394), rel=1e-11)
    assert up.x / up.out == pytest.approx(math.sqrt(2200 * 2000), rel=1e-12)
    assert up.x / up.out == pytest.approx(2097.617696, abs=5e-7)
    assert (down.x, down.profit) == pytest.approx((54.092553389, 5266.807797945), rel=1e-10)
    assert down[3:] == ("interior", "sell")


@settings(max_examples=50)
@given(reserves, reserves, moves)
def test_the_constant_product_against_an_optimiser(R1, R2, move):
    """The profit is that of scipy's best trade in either direction, and the quote ends at the market price."""
    p = R1 / R2 * move
    trade = arbitrage_trade(ConstantProductSwap(R1, R2), p)
    gains = {
        "buy": lambda x: p * R2 * x / (R1 + x) - x,
        "sell": lambda y: R1 * y / (R2 + y) - p * y,
    }
    scale = {"buy": R1, "sell": R2}
    best = {
        way: -minimize_scalar(
            lambda share, way=way: -gains[way](share * scale[way]), bounds=(0, 3), method="bounded"
        ).fun
        for way in gains
    }
    assert trade.profit == pytest.approx(max(best.values()), rel=1e-5, abs=1e-9 * R1)
    assert trade.profit == pytest.approx(R1 + p * R2 - 2 * math.sqrt(p * R1 * R2), rel=1e-6, abs=1e-9 * R1)
    if trade.direction != "none":
        assert trade.profit == pytest.approx(gains[trade.direction](trade.x), rel=1e-6, abs=1e-9 * R1)
        usd, units = (trade.x, -trade.out) if trade.direction == "buy" else (-trade.out, trade.x)
        assert (R1 + usd) / (R2 + units) == pytest.approx(p, rel=1e-9)


@settings(max_examples=40)
@given(reserves, reserves, moves)
def test_bisection_agrees_with_the_closed_form(R1, R2, move):
    """A black box with its reverse is traded as the constant product it is, in either direction."""
    known = arbitrage_trade(ConstantProductSwap(R1, R2), R1 / R2 * move)
    found = arbitrage_trade(constant_product(R1, R2), R1 / R2 * move, reverse=constant_product(R2, R1))
    assert found.x == pytest.approx(known.x, rel=1e-9, abs=1e-9 * (R1 if move > 1 else R2))
    assert found.profit == pytest.approx(known.profit, rel=1e-9, abs=1e-9 * R1)


def test_small_moves_keep_their_digits():
    """A move of a hundredth of a bp loses ``R1*m^2/4`` to first order, in closed form without cancellation."""
    assert rebalancing_loss(POOL, 2000 * (1 + 1e-6)) == pytest.approx(2e6 * 1e-12 / 4, rel=1e-5)


@given(st.floats(0.5, 3.0), st.floats(0.01, 1e6), st.floats(0.01, 1e6))
def test_capacity_binds_or_does_not(move, depth, cap):
    """A black box ends where its marginal meets the price, at its capacity before, or does not start."""
    trade = arbitrage_trade(logarithmic(100.0, depth, cap), 100 * move)
    best = depth * (move - 1)
    assert trade.x == pytest.approx(min(max(best, 0), cap), rel=1e-9, abs=1e-9 * depth)
    if abs(move - 1) > 1e-9 and abs(best / cap - 1) > 1e-9:
        assert trade.status == ("none" if best <= 0 else "interior" if best < cap else "at_capacity")
    assert trade.profit == pytest.approx(100 * move * trade.out - trade.x, rel=1e-12)
    assert trade.profit >= -1e-12 * depth


def test_arrays_of_prices_agree_with_single_prices():
    """Black boxes and closed forms alike give each price its own trade."""
    prices = np.array([1500.0, 2000.0, 2000.1, 2600.0, 9000.0])
    exchanges = (
        (POOL, None),
        (constant_product(2e6, 1000.0, 5e5), None),
        (logarithmic(2000.0, 1e5), logarithmic(1 / 2000.0, 50.0)),
        (OracleSwap(2000, 0.001, 5), OracleSwap(1 / 2000, 0.001, 4000)),
    )
    for G, reverse in exchanges:
        many = arbitrage_trade(G, prices, reverse=reverse)
        for k, p in enumerate(prices):
            one = arbitrage_trade(G, float(p), reverse=reverse)
            assert tuple(field[k] for field in many[:3]) == pytest.approx(one[:3], rel=1e-12)
            assert tuple(field[k] for field in many[3:]) == one[3:]


def test_reserves_in_arrays():
    """Pools of several sizes are traded against one price, a black box's capacities too."""
    many = arbitrage_trade(ConstantProductSwap([2e6, 4e6], [1000, 2000]), 2200)
    assert many.profit == pytest.approx([4764.607319394, 2 * 4764.607319394])
    capped = constant_product(2e6, 1000.0, np.array([5e4, 1e6]))
    assert arbitrage_trade(capped, 2200).status.tolist() == ["at_capacity", "interior"]


def test_an_oracle_swap_is_all_or_nothing():
    """Everything is bought where the price exceeds the quote by more than the fee, nothing else."""
    swap = OracleSwap(2000, 0.001, 5)
    cap = 5 * 2000 / 0.999
    trade = arbitrage_trade(swap, 2200)
    assert trade == (
        pytest.approx(cap),
        5,
        pytest.approx(cap * (2200 * 0.999 / 2000 - 1)),
        "at_capacity",
        "buy",
    )
    assert trade.profit == pytest.approx(5 * 2200 - cap)
    assert arbitrage_trade(swap, 2002) == (0, 0, 0, "none", "none")
    assert arbitrage_trade(swap, 2000 / 0.999 * (1 + 1e-12)).status == "at_capacity"
    assert arbitrage_trade(OracleSwap(2000, 0.001, 0), 2200).status == "none"
    # the other way the pool's 4,000 USD buy 2.002 units
    down = arbitrage_trade(swap, 1800, reverse=OracleSwap(1 / 2000, 0.001, 4000))
    assert down == (
        pytest.approx(2 / 0.999),
        4000,
        pytest.approx(4000 - 1800 * 2 / 0.999),
        "at_capacity",
        "sell",
    )


def test_an_oracle_swap_by_bisection():
    """Stripped of its closed form it is traded the same, up to the corner."""
    swap = OracleSwap(2000, 0.001, 5)
    bare = BlackBox(swap.out, swap.marginal, swap.max_in)
    for p in (1900, 2001, 2010, 2200):
        known, found = arbitrage_trade(swap, p), arbitrage_trade(bare, p)
        assert found[:3] == pytest.approx(known[:3], rel=1e-12)
        assert found[3:] == known[3:]


def test_exchange_functions():
    """G and its slope, which at 0 is one over the quote; an oracle swap refuses what it cannot serve."""
    for G, price in ((POOL, 2000), (OracleSwap(2000, 0, 5), 2000), (OracleSwap(2000, 0.01, 5), 2000 / 0.99)):
        assert G.out(0) == 0
        assert G.marginal(0) == pytest.approx(1 / price, rel=1e-14)
        step = 1e-3
        slope = (G.out(500 + step) - G.out(500 - step)) / (2 * step)
        assert G.marginal(500) == pytest.approx(slope, rel=1e-7)
    assert POOL.out([0, 2e6]).tolist() == [0, 500]
    swap = OracleSwap(2000, 0.01, 5)
    assert swap.out(swap.max_in) == 5
    assert swap.marginal(swap.max_in) == 0
    with pytest.raises(CapacityError, match=r"x = 20000.0 USD buy more than is available") as refused:
        swap.out([100, 20000])
    assert (refused.value.requested, refused.value.binding) == (20000, "available")
    assert refused.value.maximum == swap.max_in
    with pytest.raises(CapacityError, match=r"x = 10102.0"):
        swap.out(10102)


def test_a_pool_at_the_market_price_is_left_alone():
    """Where the price is the pool's own, whatever its rounding, nothing is traded either way."""
    for R1, R2 in ((2e6, 1000.0), (1.0, 3.0), (0.1, 0.7), (1e7 / 3, 11.0)):
        assert arbitrage_trade(ConstantProductSwap(R1, R2), R1 / R2) == (0, 0, 0, "none", "none")
        assert rebalancing_loss(ConstantProductSwap(R1, R2), R1 / R2) == 0


def test_exchanges_without_an_answer_are_refused():
    """A quote that no size moves, one that is no number, and an output that is none."""
    endless = BlackBox(lambda x: x / 100, lambda x: 0.01 + 0 * x)
    with pytest.raises(MarketDefinitionError, match="state the most it takes, max_in"):
        arbitrage_trade(endless, 101)
    assert arbitrage_trade(endless, 100).status == "none"
    broken = BlackBox(lambda x: x, lambda x: math.nan)
    with pytest.raises(DomainError, match=r"marginal at x = 0.0 is not a number"):
        arbitrage_trade(broken, 1)
    mute = BlackBox(lambda x: math.nan, lambda x: 1 / (1 + x))
    with pytest.raises(DomainError, match=r"G.out\(x\) = nan"):
        arbitrage_trade(mute, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ConstantProductSwap(0, 1), "R1 = 0.0 must be above 0"),
        (lambda: ConstantProductSwap(1, [1, -1]), r"R2\[1\] = -1.0 must be above 0"),
        (lambda: OracleSwap(0, 0, 1), "price = 0.0"),
        (lambda: OracleSwap(1, 1, 1), "fee = 1.0 must be 0 or more and below 1"),
        (lambda: OracleSwap(1, 0, -1), "available = -1.0"),
        (lambda: POOL.out(-1), "x = -1.0 must be 0 or more"),
        (lambda: POOL.marginal(math.inf), "x = inf"),
        (lambda: OracleSwap(1, 0, 1).out(-1), "x = -1.0"),
        (lambda: OracleSwap(1, 0, 1).marginal(-1), "x = -1.0"),
        (lambda: arbitrage_trade(POOL, 0), "p = 0.0 must be above 0"),
        (lambda: rebalancing_loss(POOL, [1, math.nan]), r"p\[1\] = nan"),
    ],
)
def test_invalid_input_is_refused(call, message):
    """What is no number, or outside its domain, is refused by name."""
    with pytest.raises(DomainError, match=f"^{message}"):
        call()
