"""Concentrated liquidity in YT/ST: a venue's own arithmetic, the worked example, ranges and gaps."""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from amm_cases import NOW, clmm_amm, clmm_amms, golden
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.amm.clmm import range_from_ticks, range_from_yields, tick_from_yield
from yieldtrade.amm.clmm_fixed import buy_yt_fixed, input_fee_fixed, sell_yt_fixed
from yieldtrade.amm.ranges import LiquidityRange, Segment, cut
from yieldtrade.conventions import YEAR_SECONDS
from yieldtrade.errors import CapacityError, DomainError
from yieldtrade.tokens.pricing import yt_price

CASES = golden("clmm")["cases"]
Q64 = 2**64


def pool_of(given_, fee=0.0):
    """Build the pool of a golden case, in raw units."""
    return clmm_amm(
        implied=given_["implied_yield"],
        days=given_["seconds_to_maturity"] / 86_400,
        bounds=((given_["lower_rate"], given_["upper_rate"], float(given_["liquidity"])),),
        fee=fee,
    )


def swaps(case):
    """Yield the golden swaps: whether YT is bought, amount in, fee in millionths, expected answer."""
    for call in case["calls"]:
        if call["kind"] != "ticks_and_amounts":
            bought = call["kind"] == "buy_yt_with_exact_st"
            yield bought, int(call["in"]["amount_in"]), call["in"]["fee_rate_1e6"], call["expect"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_prices_ticks_and_holdings_are_those_of_the_venue(case):
    """Square root price, ticks, usable ticks and holdings follow from yields as on the venue."""
    given_, expect = case["in"], case["calls"][0]["expect"]
    amm, tau = pool_of(given_), given_["seconds_to_maturity"] / YEAR_SECONDS
    assert amm.sqrt_price * Q64 == pytest.approx(int(expect["sqrtPriceX64"]), rel=1e-12)
    assert tick_from_yield(given_["implied_yield"], tau) == expect["tickCurrent"]
    assert tick_from_yield(given_["lower_rate"], tau) == expect["rawTickLower"]
    assert tick_from_yield(given_["upper_rate"], tau) == expect["rawTickUpper"]
    only = amm.ranges[0]
    usable = range_from_ticks(expect["tickLower"], expect["tickUpper"], only.liquidity)
    assert (only.lower_sqrt, only.upper_sqrt) == (usable.lower_sqrt, usable.upper_sqrt)
    assert only.lower_sqrt * Q64 == pytest.approx(int(expect["sqrtLowerX64"]), rel=1e-14)
    assert only.upper_sqrt * Q64 == pytest.approx(int(expect["sqrtUpperX64"]), rel=1e-14)
    yt, held = amm.reserves
    assert abs(yt - int(expect["amountYT_A"])) <= 2 + 1e-11 * yt
    assert abs(held - int(expect["amountST_B"])) <= 2 + 1e-11 * held


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_integer_swaps_are_those_of_the_venue(case):
    """Every recorded swap, with its fee on the input token, comes out to the last unit."""
    sqrt_price = int(case["calls"][0]["expect"]["sqrtPriceX64"])
    liquidity = int(case["in"]["liquidity"])
    for bought, amount, fee_millionths, expect in swaps(case):
        fee = input_fee_fixed(amount, fee_millionths)
        assert fee == int(expect["trade_fee"])
        swap = (buy_yt_fixed if bought else sell_yt_fixed)(amount - fee, sqrt_price, liquidity)
        assert swap.amount_out == int(expect["amount_out"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_float_swaps_agree_with_the_venue(case):
    """Without fee, floats agree with the recorded swaps to 2 raw units and 1e-11."""
    amm = pool_of(case["in"])
    for bought, amount, fee_millionths, expect in swaps(case):
        if fee_millionths == 0:
            out = (
                amm.quote("BUY_YT", float(amount), "st").units
                if bought
                else amm.quote("SELL_YT", float(amount)).st_amount
            )
            assert abs(out - int(expect["amount_out"])) <= 2 + 1e-11 * out


def test_worked_example():
    """The pool of amm.md 11 holds, buys and sells what is printed there, in integers and in floats."""
    sqrt_price, liquidity = 4737024472271470592, 144689718484878
    assert buy_yt_fixed(6644864303, sqrt_price, liquidity).amount_out == 100748048563
    assert sell_yt_fixed(196250912, sqrt_price, liquidity).amount_out == 12941462
    amm = clmm_amm(implied=0.3678, days=79.5, fee=0.0)
    amm = replace(amm, ranges=(range_from_ticks(-27900, -26830, float(liquidity)),))
    assert amm.sqrt_price * Q64 == pytest.approx(sqrt_price, rel=1e-15)
    assert amm.ranges[0].lower_sqrt * Q64 == pytest.approx(4572031461692853731, rel=1e-15)
    assert amm.ranges[0].upper_sqrt * Q64 == pytest.approx(4823283655653330464, rel=1e-15)
    assert amm.reserves == pytest.approx((10076606625847, 1294146661177), abs=2)
    assert amm.quote("BUY_YT", 6644864303.0, "st").units == pytest.approx(100748048563, abs=1)
    assert amm.quote("SELL_YT", 196250912.0).st_amount == pytest.approx(12941462, abs=1)


def test_fees_are_taken_on_the_st_side():
    """A tenth of a percent of the ST either way, half of it to LPs; the curve does not see it."""
    free, paid = clmm_amm(fee=0.0), clmm_amm(fee=0.001)
    bought, sold = paid.quote("BUY_YT", 1000.0), paid.quote("SELL_YT", 1000.0)
    assert bought.st_amount == pytest.approx(free.quote("BUY_YT", 1000.0).st_amount / 0.999, rel=1e-14)
    assert sold.st_amount == pytest.approx(free.quote("SELL_YT", 1000.0).st_amount * 0.999, rel=1e-14)
    assert bought.fee == pytest.approx(0.001 * bought.st_amount, rel=1e-13)
    assert bought.fee_lp == pytest.approx(bought.fee_protocol, rel=1e-13)
    assert bought.post_trade_yield == free.quote("BUY_YT", 1000.0).post_trade_yield


def test_synthetic_pt_is_st_less_the_yt_it_sells():
    """PT costs 1 - (1-m)(1-f)*yt on average (tokens.md 3): 11.35 % at 12 %, half a year and m of 5 %."""
    amm = clmm_amm(implied=0.12, days=182.5, bounds=((0.05, 0.3, 1e9),), fee=0.0, management=0.05)
    fill = amm.quote("BUY_PT", 1.0)
    assert fill.average_price == pytest.approx(1 - 0.95 * yt_price(0.12, 0.5), rel=1e-8)
    assert fill.execution_yield == pytest.approx(0.1135, abs=5e-5)
    assert fill.route == "synthetic"
    assert fill.fee == 0
    assert fill.yield_impact < 0
    sale = clmm_amm(implied=0.12, days=182.5, bounds=((0.05, 0.3, 1e9),), fee=0.001, management=0.05)
    expected = 1 - 0.95 * 0.999 * yt_price(0.12, 0.5)
    assert sale.quote("BUY_PT", 1.0).average_price == pytest.approx(expected, rel=1e-8)


def test_closing_a_pt_undoes_opening_it():
    """Buying back the short costs the trading fee twice and nothing else."""
    amm = clmm_amm(fee=0.0, management=0.05)
    opened = amm.quote("BUY_PT", 500.0)
    closed = opened.amm_after.quote("SELL_PT", 500.0)
    assert closed.st_amount == pytest.approx(opened.st_amount, rel=1e-12)


def integrate(amm, size, rising):
    """Trade in a hundred thousand small steps at the price of each step's middle: no formula but L = dY/d(1/s)."""
    steps = 100_000
    ranges = [(r.lower_sqrt, r.upper_sqrt, r.liquidity) for r in amm.ranges]
    inverse, paid, left = 1.0 / amm.sqrt_price, 0.0, size
    while left > 0:
        here = 1.0 / inverse
        ahead = here * (1 + 1e-12 if rising else 1 - 1e-12)
        liquidity = sum(volume for low, high, volume in ranges if low < ahead < high)
        if liquidity == 0:
            beyond = (
                [low for low, _, _ in ranges if low > here]
                if rising
                else [h for _, h, _ in ranges if h < here]
            )
            inverse = 1.0 / (min(beyond) if rising else max(beyond))
            continue
        step = min(left, size / steps)
        ends = [bound for low, high, _ in ranges for bound in (low, high) if (bound > ahead) == rising]
        edge = min(ends) if rising else max(ends)
        step = min(step, liquidity * abs(inverse - 1.0 / edge) * (1 + 1e-9))
        after = inverse - step / liquidity if rising else inverse + step / liquidity
        paid += step / (inverse * after)
        inverse, left = after, left - step
    return paid


@pytest.mark.parametrize(
    "bounds",
    [
        ((0.30, 0.40, 1e6),),
        ((0.30, 0.40, 1e6), (0.33, 0.37, 4e6), (0.39, 0.50, 2e6)),
        ((0.34, 0.36, 1e6), (0.40, 0.50, 3e6), (0.20, 0.30, 2e6)),
    ],
)
@pytest.mark.parametrize("side", ["BUY_YT", "SELL_YT"])
def test_trades_over_ranges_agree_with_small_steps(bounds, side):
    """One range, overlapping ranges and ranges with gaps cost what many small steps cost."""
    amm = clmm_amm(bounds=bounds, fee=0.0)
    size = 0.9 * amm.max_size(side).size
    assert amm.quote(side, size).st_amount == pytest.approx(integrate(amm, size, side == "BUY_YT"), rel=1e-6)


def test_gaps_are_jumped_and_the_last_range_ends_trading():
    """Past a gap trading goes on at the next range; past the last one it is refused."""
    amm = clmm_amm(bounds=((0.34, 0.36, 1e6), (0.40, 0.50, 1e6)))
    near = clmm_amm(bounds=((0.34, 0.36, 1e6),))
    edge = near.max_size("BUY_YT").size
    before, beyond = amm.quote("BUY_YT", edge * 0.999), amm.quote("BUY_YT", edge * 1.001)
    assert before.post_trade_yield < 0.362
    assert beyond.post_trade_yield > 0.399
    most = amm.max_size("BUY_YT")
    assert most.binding == "range_end"
    assert amm.quote("BUY_YT", most.size).post_trade_yield == pytest.approx(0.5, rel=5e-3)
    with pytest.raises(CapacityError, match="range_end"):
        amm.quote("BUY_YT", most.size * 1.001)


def test_outside_all_ranges_only_one_direction_trades():
    """A price above every range has nothing to sell YT from above, and still buys YT back downwards."""
    amm = clmm_amm(implied=0.6, bounds=((0.3, 0.5, 1e6),))
    assert amm.max_size("BUY_YT").size == 0
    fill = amm.quote("SELL_YT", 100.0)
    assert fill.post_trade_yield < 0.51
    assert fill.gross / 100.0 < fill.spot_before


@settings(deadline=None, max_examples=50)
@given(clmm_amms(), st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8))
def test_arrays_trade_as_their_elements(amm, shares):
    """An array of sizes gives what each size gives alone, on every side."""
    for side in ("BUY_PT", "SELL_PT", "BUY_YT", "SELL_YT"):
        sizes = np.array(shares) * amm.max_size(side).size
        together = amm.quote(side, sizes)
        for i, size in enumerate(sizes):
            alone = amm.quote(side, float(size))
            assert together.st_amount[i] == pytest.approx(alone.st_amount, rel=1e-12, abs=1e-300)
            assert together.post_trade_yield[i] == pytest.approx(alone.post_trade_yield, rel=1e-12)


def test_a_tick_is_the_one_at_or_below_the_price():
    """1.0001^tick <= P < 1.0001^(tick+1), for numbers and for arrays."""
    tau = 0.25
    for implied in (0.01, 0.1, 0.5):
        tick = tick_from_yield(implied, tau)
        assert isinstance(tick, int)
        assert 1.0001**tick <= yt_price(implied, tau) * (1 + 1e-9)
        assert 1.0001 ** (tick + 1) > yt_price(implied, tau) * (1 - 1e-9)
    ticks = tick_from_yield([0.01, 0.1, 0.5], tau)
    assert ticks.tolist() == [tick_from_yield(implied, tau) for implied in (0.01, 0.1, 0.5)]


def test_ranges_are_cut_where_liquidity_changes():
    """Overlaps add up and gaps disappear."""
    segments = cut((Segment(1.0, 3.0, 10.0), Segment(2.0, 4.0, 5.0), Segment(6.0, 7.0, 1.0)))
    assert segments == ((1.0, 2.0, 10.0), (2.0, 3.0, 15.0), (3.0, 4.0, 5.0), (6.0, 7.0, 1.0))


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: range_from_yields(0.5, 0.3, 1.0, 0.2, 10), "lower_yield"),
        (lambda: range_from_yields(0.3, 0.5, 0.0, 0.2, 10), "liquidity"),
        (lambda: range_from_yields(0.0, 0.5, 1.0, 0.2, 10), "YT price"),
        (lambda: range_from_yields(0.3, 0.5, 1.0, 0.2, 0), "tick_spacing"),
        (lambda: range_from_yields(0.3, 0.5, 1.0, 0.2, True), "tick_spacing"),
        (lambda: range_from_ticks(10, 10, 1.0), "lower_sqrt"),
        (lambda: LiquidityRange(liquidity=1.0, lower_sqrt=math.nan, upper_sqrt=1.0), "lower_sqrt"),
        (lambda: clmm_amm(fee=1.0), "trading_fee"),
        (lambda: clmm_amm(fee=-0.1), "trading_fee"),
        (lambda: clmm_amm(management=math.nan), "pt_management_fee"),
        (lambda: clmm_amm(lp_fee_share=1.5), "lp_fee_share"),
        (lambda: clmm_amm(sqrt_price=0.0), "sqrt_price"),
        (lambda: clmm_amm(bounds=()), "ranges"),
        (lambda: buy_yt_fixed(-1, 1, 1), "amount"),
        (lambda: sell_yt_fixed(1, 1, 0), "liquidity"),
        (lambda: input_fee_fixed(1, 10**6), "fee_millionths"),
    ],
)
def test_pools_that_cannot_be_priced_are_refused(build, name):
    """Impossible ranges, fees and states are refused by name."""
    with pytest.raises(DomainError, match=name):
        build()


def test_nothing_moves_inside_a_period():
    """Between settlements T stands still: the same prices, whatever the moment."""
    amm = clmm_amm()
    later = amm.at(NOW + timedelta(days=6, hours=23))
    assert later.tau == amm.tau
    assert later.spot("YT") == amm.spot("YT")
    assert later.quote("BUY_YT", 10.0).st_amount == amm.quote("BUY_YT", 10.0).st_amount
