"""What holds on every venue, in random states and at sizes up to the largest (amm.md 10)."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest
from amm_cases import SIDES, additive_amms, all_amms, logit_amms, trades, yieldspace_amms
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from yieldtrade.amm.base import Side
from yieldtrade.errors import CapacityError, ExpiredError

BUYS = (Side.BUY_PT, Side.BUY_YT)
FASTER = settings(deadline=None, max_examples=150)


def opposite(side):
    """Return the side that undoes a trade."""
    return Side[("SELL" if side.is_buy else "BUY") + side[-3:]]


def rounding(fill):
    """Noise of an amount of ST: a few units in the last place of the tokens that move."""
    return 1e-14 * fill.units


@FASTER
@given(trades(all_amms()), st.floats(1.01, 10.0))
def test_larger_trades_have_worse_prices_and_move_more(trade, factor):
    """Average price worsens with size, cost and proceeds grow, and the yield moves on."""
    amm, side, size = trade
    larger = min(size * factor, amm.max_size(side).size)
    assume(larger > size * 1.001)
    small, large = amm.quote(side, size), amm.quote(side, larger)
    slack = rounding(small) / size + 1e-13 * small.average_price
    if side.is_buy:
        assert large.average_price >= small.average_price - slack
    else:
        assert large.average_price <= small.average_price + slack
    assert large.st_amount >= small.st_amount - rounding(large)
    further = (large.post_trade_yield - small.post_trade_yield) * (1 if side.raises_yield else -1)
    assert further >= -1e-13 * (1 + small.post_trade_yield)


@FASTER
@given(all_amms(), st.sampled_from(SIDES), st.floats(1e-4, 0.3))
def test_the_largest_trade_within_an_impact(amm, side, impact):
    """It stays within the limit and reaches it, or is the whole capacity, whose impact is no more."""
    fill, capacity = amm.size_for_impact(side, impact), amm.max_size(side)
    # the noise of the impact is that of a price
    assert fill.price_impact <= impact + 1e-9
    if fill.units < capacity.size:
        assert fill.price_impact == pytest.approx(impact, abs=1e-9)


@FASTER
@given(trades(all_amms()))
def test_trades_move_the_yield_their_way_and_cost_something(trade):
    """BUY_PT and SELL_YT lower the yield; impact and fee are not negative; the parts add up exactly."""
    amm, side, size = trade
    fill = amm.quote(side, size)
    moved = fill.yield_impact if side.raises_yield else -fill.yield_impact
    assert moved >= -1e-15 * (1 + amm.implied_yield) / amm.tau
    assert fill.price_impact >= 0
    assert fill.total_cost >= fill.price_impact
    assert fill.fee >= 0
    assert fill.fee_lp + fill.fee_protocol == fill.fee
    assert fill.st_amount == (fill.gross + fill.fee if side.is_buy else fill.gross - fill.fee)
    assert amm.quote(side, size) == fill


@FASTER
@given(trades(all_amms(), sides=BUYS, most=0.9))
def test_a_round_trip_never_gains(trade):
    """Buying and selling again at once returns at most what was paid."""
    amm, side, size = trade
    bought = amm.quote(side, size)
    back = opposite(side)
    assume(bought.amm_after.max_size(back).size >= size)
    assert bought.amm_after.quote(back, size).st_amount <= bought.st_amount + 1e-12 * size


@FASTER
@given(trades(additive_amms(fees=False), most=0.9))
def test_a_round_trip_without_fees_is_exact(trade):
    """Off Pendle, a fee-free trade and its reverse return what was paid and the state that was."""
    amm, side, size = trade
    there = amm.quote(side, size)
    assume(there.amm_after.max_size(opposite(side)).size >= size)
    back = there.amm_after.quote(opposite(side), size)
    assert back.st_amount == pytest.approx(there.st_amount, rel=1e-12, abs=1e-12 * size)
    assert back.post_trade_yield == pytest.approx(amm.implied_yield, rel=1e-9)


@FASTER
@given(trades(additive_amms(), most=0.9), st.floats(0.05, 0.95))
def test_splitting_changes_nothing_off_pendle(trade, share):
    """One trade costs what any split of it does; flash fees may differ by the fee on the move in between."""
    amm, side, size = trade
    whole, first = amm.quote(side, size), amm.quote(side, size * share)
    assume(first.amm_after.max_size(side).size >= size * (1 - share))
    second = first.amm_after.quote(side, size * (1 - share))
    allowed = 1e-12 * size + 1e-12 * whole.st_amount
    if hasattr(amm, "fee_rate") and not side.is_pt:
        # the flash fee is charged on the YT value before each piece
        allowed += 2 * amm.fee_rate * size * abs(whole.spot_after - whole.spot_before)
    assert abs(first.st_amount + second.st_amount - whole.st_amount) <= allowed


@FASTER
@given(trades(logit_amms(), most=0.9), st.floats(0.05, 0.95))
def test_splitting_gains_a_bounded_amount_on_pendle(trade, share):
    """A Pendle trade of up to a fifth of the reserves gains less in pieces than the move of the price."""
    amm, side, size = trade
    assume(size <= 0.2 * min(amm.total_pt, amm.total_asset))
    whole, first = amm.quote(side, size), amm.quote(side, size * share)
    assume(first.amm_after.max_size(side).size >= size * (1 - share))
    second = first.amm_after.quote(side, size * (1 - share))
    gain = (first.st_amount + second.st_amount - whole.st_amount) * (-1 if side.is_buy else 1)
    assert -1e-12 * size <= gain
    assert gain <= size * abs(whole.spot_after - whole.spot_before) + 1e-12 * size


@FASTER
@given(trades(logit_amms(), sides=BUYS, most=0.9))
def test_a_round_trip_leaves_pendle_pools_no_poorer(trade):
    """After buying and selling again, PT is the same and SY is not lower."""
    amm, side, size = trade
    bought = amm.quote(side, size)
    assume(bought.amm_after.max_size(opposite(side)).size >= size)
    after = bought.amm_after.quote(opposite(side), size).amm_after
    assert after.total_pt == pytest.approx(amm.total_pt, rel=1e-14)
    assert after.total_sy >= amm.total_sy * (1 - 1e-14)


@FASTER
@given(trades(yieldspace_amms(), most=0.9))
def test_yieldspace_keeps_its_invariant(trade):
    """x^a + y^a is the same after a trade, with or without fees, which stay apart."""
    amm, side, size = trade
    assert amm.quote(side, size).amm_after.invariant == pytest.approx(amm.invariant, rel=1e-13)


@FASTER
@given(trades(all_amms(), sides=(Side.BUY_PT,), most=0.5))
def test_a_pair_costs_at_least_one_st(trade):
    """Buying n PT and then n YT costs n ST or more: cheaper would be minted and sold at a profit."""
    amm, _, size = trade
    first = amm.quote(Side.BUY_PT, size)
    assume(first.amm_after.max_size(Side.BUY_YT).size >= size)
    assert first.st_amount + first.amm_after.quote(Side.BUY_YT, size).st_amount >= size * (1 - 1e-12)


@FASTER
@given(trades(all_amms(), sides=(Side.SELL_PT,), most=0.5))
def test_a_pair_sells_for_at_most_one_st(trade):
    """Selling n PT and then n YT raises n ST or less (a synthetic PT carries its own management fee)."""
    amm, _, size = trade
    assume(getattr(amm, "pt_management_fee", 0.0) == 0.0)
    first = amm.quote(Side.SELL_PT, size)
    assume(first.amm_after.max_size(Side.SELL_YT).size >= size)
    assert first.st_amount + first.amm_after.quote(Side.SELL_YT, size).st_amount <= size * (1 + 1e-12)


@FASTER
@given(trades(all_amms(), most=0.9))
def test_prices_stay_between_nothing_and_one_st(trade):
    """PT averages lie in (0, 1] and YT averages in [0, 1); only a fee above the yield takes PT beyond 1."""
    amm, side, size = trade
    fill = amm.quote(side, size)
    if side.is_pt:
        assert 0 < fill.gross / size <= 1 + 1e-15
        assert fill.average_price > 0
        assert fill.average_price <= 1 + 1e-15 or fill.execution_yield < 0
    else:
        assert 0 <= fill.average_price < 1


@FASTER
@given(trades(additive_amms(fees=False)))
def test_average_lies_between_the_spots_off_pendle(trade):
    """Without fees the average price lies between spot before and spot after."""
    amm, side, size = trade
    fill = amm.quote(side, size)
    low, high = sorted((fill.spot_before, fill.spot_after))
    assert low - rounding(fill) / size <= fill.average_price <= high + rounding(fill) / size


@FASTER
@given(trades(logit_amms(fees=False)))
def test_average_lies_beyond_the_spot_after_on_pendle(trade):
    """Without fees the average price is at or worse than spot after: the whole trade is priced at its end."""
    amm, side, size = trade
    fill = amm.quote(side, size)
    worse = (fill.average_price - fill.spot_after) * (1 if side.is_buy else -1)
    assert worse >= -rounding(fill) / size


@FASTER
@given(all_amms(), st.sampled_from(SIDES))
def test_the_largest_size_trades_and_more_does_not(amm, side):
    """At the largest size the quote is finite and inverts; a billionth more is refused by its limit."""
    most = amm.max_size(side)
    fill = amm.quote(side, most.size)
    assert all(
        math.isfinite(number) for number in (fill.st_amount, fill.post_trade_yield, fill.average_price)
    )
    assert fill.st_amount == pytest.approx(most.st, rel=1e-14)
    if most.size > 0:
        assert amm.quote(side, most.st, unit="st").units == pytest.approx(most.size, rel=1e-9)
        family = "PT" if side.is_pt else "YT"
        inverse = amm.size_for_yield(fill.post_trade_yield, family)
        assert inverse.post_trade_yield == pytest.approx(fill.post_trade_yield, rel=1e-9, abs=1e-12)
    above = most.size * (1 + 1e-9) if most.size > 0 else 1e-9
    with pytest.raises(CapacityError) as refused:
        amm.quote(side, above)
    assert refused.value.maximum == most.size
    assert refused.value.binding == most.binding


@FASTER
@given(all_amms(), st.sampled_from(SIDES), st.floats(1e-9, 1e-3))
def test_money_grows_with_size_right_up_to_the_limit(amm, side, short):
    """Buying more never costs less and selling more never yields less, at the limit itself too."""
    most = amm.max_size(side).size
    assume(most > 0)
    nearly, full = amm.quote(side, most * (1 - short)), amm.quote(side, most)
    assert full.st_amount >= nearly.st_amount - rounding(full)


@FASTER
@given(trades(all_amms()))
def test_the_yield_reached_gives_the_size_back(trade):
    """The trade to the yield that a trade reached has its size, as far as the yield can tell it."""
    amm, side, size = trade
    fill = amm.quote(side, size)
    assume(fill.post_trade_yield != fill.pre_trade_yield)
    found = amm.size_for_yield(fill.post_trade_yield, "PT" if side.is_pt else "YT")
    # what a few last digits of a yield are worth in tokens, where the curve is steepest on the way
    digits = 32 * 2.3e-16 * (1 + fill.post_trade_yield) / amm.tau
    assert found.side is side
    assert found.post_trade_yield == pytest.approx(fill.post_trade_yield, rel=1e-9, abs=digits)
    assert found.units == pytest.approx(size, rel=1e-9 + 4 * digits / abs(fill.yield_impact))


@FASTER
@given(trades(all_amms(), most=0.9))
def test_the_money_moved_gives_the_size_back(trade):
    """The trade for the ST that a trade moved has its size, and never exceeds the budget."""
    amm, side, size = trade
    st_amount = amm.quote(side, size).st_amount
    assume(st_amount > 0)
    found = amm.size_for_budget(side, st_amount)
    assert found.st_amount <= st_amount * (1 + 1e-12)
    marginal = amm.quote(side, size).spot_after
    noise = rounding(found) / (marginal * size) if marginal > 0 else 1.0
    assert found.units == pytest.approx(size, rel=1e-9 + 4 * noise)


@FASTER
@given(all_amms(), st.sampled_from(["PT", "YT"]))
def test_the_current_yield_needs_no_trade(amm, family):
    """A target at the current yield gives a fill of zeros at the spot price."""
    fill = amm.size_for_yield(amm.implied_yield, family)
    assert (fill.units, fill.st_amount, fill.fee, fill.yield_impact) == (0, 0, 0, 0)
    assert (fill.price_impact, fill.total_cost) == (0, 0)
    assert fill.average_price == fill.spot_before == amm.spot(family)


@FASTER
@given(all_amms(), st.sampled_from(SIDES))
def test_tiny_trades_cost_spot_and_fee(amm, side):
    """A trade of 1e-12 of the largest costs the spot price and the fee, and hardly moves the yield."""
    move = 1.001 if side.raises_yield else 0.999
    most = amm.max_size(side).size
    if most > 1e-3 * amm.size_for_yield(amm.implied_yield * 1.001).units:
        most = min(most, amm.size_for_yield(amm.implied_yield * move, "PT" if side.is_pt else "YT").units)
    assume(most > 0)
    fill, tenfold = amm.quote(side, 1e-12 * most), amm.quote(side, 1e-11 * most)
    assert fill.average_price > 0
    assert fill.gross / fill.units == pytest.approx(fill.spot_before, rel=1e-9, abs=1e-14)
    assert all(
        not math.isnan(getattr(fill, name)) for name in ("execution_yield", "total_cost", "spot_after")
    )
    assert abs(fill.yield_impact) <= abs(tenfold.yield_impact) + 1e-13 / amm.tau


@FASTER
@given(all_amms(), st.floats(0.0, 0.9))
def test_waiting_moves_prices_only_through_time(amm, share):
    """At another moment of the same period the yield is the same, and PT has moved towards 1."""
    assume(not hasattr(amm, "epoch_seconds"))
    # a pool that stores the price of YT keeps that instead, until it is re-marked
    assume(not hasattr(amm, "yt_reserve"))
    later = amm.at(amm.as_of + share * (amm.maturity - amm.as_of))
    assert later.implied_yield == amm.implied_yield
    assert amm.spot("PT") - 1e-15 <= later.spot("PT") <= 1.0
    assert replace(later, as_of=amm.as_of) == amm


@FASTER
@given(all_amms(), st.floats(0.0, 1e-3))
def test_nothing_trades_from_maturity_on(amm, days):
    """From the instant of maturity on, every question is an ExpiredError."""
    closed = replace(amm, as_of=amm.maturity + timedelta(days=days))
    for question in (
        lambda: closed.quote("BUY_PT", 1.0),
        lambda: closed.max_size("SELL_YT"),
        lambda: closed.spot("PT"),
        lambda: closed.size_for_yield(0.1),
        lambda: closed.size_for_budget("BUY_YT", 1.0),
        closed.depth,
    ):
        with pytest.raises(ExpiredError, match="matured"):
            question()
