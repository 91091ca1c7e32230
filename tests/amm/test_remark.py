"""Settlements of a YT/ST pool: what happens to price, ranges, liquidity and ST."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest
from amm_cases import NOW, SCALES, YIELDS, clmm_amm
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.amm.clmm import range_from_ticks, remark
from yieldtrade.errors import DomainError, ExpiredError
from yieldtrade.tokens.pricing import yt_price

WEEK = timedelta(days=7)


@st.composite
def pools(draw):
    """Weekly or daily pools of two ranges, one of them anywhere."""
    implied = draw(YIELDS)
    low = implied * draw(st.floats(0.3, 2.0))
    return clmm_amm(
        implied=implied,
        days=draw(st.floats(20.0, 300.0)),
        bounds=(
            (implied * draw(st.floats(0.5, 0.8)), implied * draw(st.floats(1.25, 2.0)), draw(SCALES)),
            (low, low * draw(st.floats(1.3, 2.0)), draw(SCALES)),
        ),
        epoch_seconds=draw(st.sampled_from([86_400.0, 604_800.0])),
    )


@settings(deadline=None)
@given(pools(), st.floats(0.0, 0.02), st.sampled_from(["hold_yt", "hold_value", "hold_liquidity"]))
def test_yield_stays_and_books_balance(amm, growth, rule):
    """Under every rule the yield is unchanged and ST before + distribution = ST in pool + reserve."""
    settled = remark(amm, amm.as_of + WEEK, growth=growth, rule=rule)
    assert settled.amm.implied_yield == pytest.approx(amm.implied_yield, rel=1e-12)
    assert settled.distribution == pytest.approx(growth * (settled.yt_before + settled.st_before))
    total = settled.st_before + settled.distribution
    assert settled.st_after + settled.reserve == pytest.approx(total, rel=1e-12)
    assert settled.amm.yt_spot == pytest.approx(yt_price(amm.implied_yield, settled.amm.tau), rel=1e-12)
    assert settled.amm.reserves == pytest.approx((settled.yt_after, settled.st_after), rel=1e-15)


@settings(deadline=None)
@given(pools())
def test_holding_yt_releases_st(amm):
    """``hold_yt`` keeps the YT of a wide range and releases ST: YT is worth less with less time to go."""
    wide = replace(amm, ranges=amm.ranges[:1])
    settled = remark(wide, amm.as_of + WEEK)
    assert settled.yt_after == pytest.approx(settled.yt_before, rel=1e-10)
    assert settled.st_released >= 0


@settings(deadline=None)
@given(pools())
def test_ranges_anywhere_take_no_st_beyond_their_rounding(amm):
    """Wherever a range lies, re-marking takes no more ST than the tick spacing at its lower end is worth."""
    settled = remark(amm, amm.as_of + WEEK)
    sliver = sum(r.liquidity for r in settled.amm.ranges) * settled.amm.sqrt_price * 10 * 1e-4 / 2
    assert settled.st_released >= -sliver


def test_a_range_that_ends_at_the_price_is_not_blown_up():
    """A range down to its last tick of YT keeps its ST, not its YT times the change of the rounding."""
    for end in (0.3501, 0.3505, 0.351, 0.352, 0.355):
        amm = clmm_amm(bounds=((0.2, end, 1e6),))
        for week in range(1, 9):
            after = remark(amm, NOW + week * WEEK).amm
            # at the same ST, liquidity rises as the square root of the price falls
            assert after.ranges[0].liquidity <= 1.05e6 * math.sqrt(amm.yt_spot / after.yt_spot)
            assert after.reserves[1] <= amm.reserves[1] * (1 + 1e-12)


def test_st_falls_with_the_price_of_yt():
    """A single wide range loses the share of its ST that the YT price loses, or up to half a percent more."""
    amm = clmm_amm(bounds=((0.25, 0.5, 1e6),))
    settled = remark(amm, NOW + WEEK)
    price_ratio = settled.amm.yt_spot / amm.yt_spot
    assert price_ratio * (1 - 5e-3) <= settled.st_after / settled.st_before <= price_ratio


def test_holding_value_keeps_the_value_of_each_range():
    """``hold_value``: each range is worth at the new price what its holdings were worth there."""
    amm = clmm_amm(bounds=((0.25, 0.5, 1e6),))
    settled = remark(amm, NOW + WEEK, rule="hold_value")
    price = settled.amm.yt_spot
    before = settled.st_before + settled.yt_before * price
    assert settled.st_after + settled.yt_after * price == pytest.approx(before, rel=1e-12)


def test_holding_liquidity_keeps_it():
    """``hold_liquidity`` leaves L alone."""
    amm = clmm_amm(remark_rule="hold_liquidity")
    assert remark(amm, NOW + WEEK).amm.ranges[0].liquidity == amm.ranges[0].liquidity


def test_ranges_without_yt_keep_what_they_would_hold():
    """A range wholly below the price holds ST only; it keeps the YT it would hold at its lower bound."""
    amm = clmm_amm(bounds=((0.2, 0.5, 1.0), (0.20, 0.30, 1e6)))
    after = remark(amm, NOW + WEEK).amm
    low, new = amm.ranges[1], after.ranges[1]
    would = low.liquidity * (1 / low.lower_sqrt - 1 / low.upper_sqrt)
    assert new.liquidity * (1 / new.lower_sqrt - 1 / new.upper_sqrt) == pytest.approx(would, rel=1e-12)


def test_bounds_are_rounded_again_from_the_same_yields():
    """The range still belongs to its yields: usable ticks around their prices at the new T."""
    after = remark(clmm_amm(bounds=((0.25, 0.5, 1e6),)), NOW + WEEK).amm
    only, tick = after.ranges[0], math.log(1.0001)
    for bound, implied in ((only.lower_sqrt, 0.25), (only.upper_sqrt, 0.5)):
        ticks = 2 * math.log(bound) / tick
        assert ticks == pytest.approx(round(ticks, -1), abs=1e-6)
        assert abs(ticks - math.log(yt_price(implied, after.tau)) / tick) <= 10
    assert (only.lower_yield, only.upper_yield) == (0.25, 0.5)


def test_the_pools_clock_re_marks_across_settlements():
    """``at`` a later period re-marks by the pool's rule, once for all settlements passed."""
    amm = clmm_amm()
    later = amm.at(NOW + 2 * WEEK + timedelta(hours=1))
    assert later == remark(amm, NOW + 2 * WEEK + timedelta(hours=1)).amm
    assert later.tau == pytest.approx(amm.tau - 14 / 365)
    assert later.spot("YT") < amm.spot("YT")
    assert amm.at(amm.maturity).sqrt_price == amm.sqrt_price


def test_the_pool_closes_at_maturity():
    """There is no settlement into or beyond maturity."""
    amm = clmm_amm()
    with pytest.raises(ExpiredError, match="closed"):
        remark(amm, amm.maturity)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"rule": "hold_price"}, "rule"),
        ({"growth": -1.0}, "growth"),
        ({"growth": math.nan}, "growth"),
    ],
)
def test_unknown_rules_and_losses_of_everything_are_refused(change, name):
    """A rule that does not exist and growth of -1 or less are refused by name."""
    with pytest.raises(DomainError, match=name):
        remark(clmm_amm(), NOW + WEEK, **change)


def test_settlements_run_forwards_on_ranges_with_yields():
    """An earlier period, a range known by prices only and a batch of states are refused."""
    amm = clmm_amm()
    with pytest.raises(DomainError, match="forwards"):
        amm.at(NOW - WEEK)
    with pytest.raises(DomainError, match="range_from_yields"):
        remark(replace(amm, ranges=(range_from_ticks(-28000, -26000, 1e6),)), NOW + WEEK)
    with pytest.raises(DomainError, match="one pool"):
        remark(amm.quote("BUY_YT", [1.0, 2.0]).amm_after, NOW + WEEK)
