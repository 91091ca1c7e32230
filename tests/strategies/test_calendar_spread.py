"""Spreads of PT: a ledger of what is held from settlement to settlement, hand derivations, and the curve's check."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.amm.reference import YieldSpaceAmm
from yieldtrade.errors import DomainError
from yieldtrade.strategies.calendar_spread import (
    CalendarSpread,
    SpreadLeg,
    curve_spreads,
    leg_of,
    st_leg,
    venue_pairs,
)
from yieldtrade.strategies.inputs import Scenario
from yieldtrade.tokens.curve import ImpliedYieldCurve

NOW = datetime(2026, 3, 2, tzinfo=UTC)
YEAR = timedelta(days=365)
rates = st.floats(0.02, 0.6)
times = st.floats(0.02, 1.0)
apys = st.floats(-0.3, 2.0)


def leg(tau, implied, *, units=1.0, cost=0.0, name="PT"):
    """A PT at an implied yield; ``cost`` is what a fee adds to its price, below 0 where it is sold."""
    price = (1.0 + implied) ** -tau
    return SpreadLeg(name, tau, units, units * price * (1.0 + cost), price, implied)


def ledger(trade, apy, steps=64):
    """ST at the later maturity over holding the ST that was split, settled in many equal steps."""
    units, T = trade.buy.units, trade.horizon
    # the moments at which something is settled or redeemed
    moments = sorted({*np.linspace(0, T, steps + 1).tolist(), trade.buy.tau, trade.sell.tau})
    held, yt, waiting = trade.locked_st, units, units
    for start, end in pairwise(moments):
        if waiting and trade.buy.tau <= start:
            held, waiting = held + waiting * (1 - trade.conversion_cost), 0.0
        if trade.sell.tau <= start:
            yt = 0.0
        growth = (1.0 + apy) ** (end - start) - 1.0
        # the yield of a YT is paid out in ST, which grows from then on
        held += (held + yt * (1.0 - trade.yield_fee)) * growth
    held += waiting * (1 - trade.conversion_cost)
    return held - units * (1.0 + apy) ** T


@settings(deadline=None)
@given(rates, rates, times, times, apys, st.floats(0, 0.05), st.floats(0, 0.1))
def test_the_profit_is_that_of_a_ledger(one, other, early, late, apy, cost, phi):
    """What a ledger of settlements ends with is the closed form, whichever leg matures first."""
    trade = CalendarSpread(
        buy=leg(early, one), sell=leg(late, other), yield_fee=phi, conversion_cost=cost, gas_st=0.001
    )
    assert trade.pnl(Scenario(settled_apy=apy)) == pytest.approx(ledger(trade, apy), abs=1e-11)


def test_a_negative_forward_is_locked_in():
    """A later PT at 0.97 against an earlier at 0.95: 0.02 at once, and the yield between them for nothing."""
    trade = CalendarSpread(
        buy=SpreadLeg("early", 0.25, 1.0, 0.95, 0.95, 0.228),
        sell=SpreadLeg("late", 0.75, 1.0, 0.97, 0.97, 0.041),
    )
    assert trade.locked_st == pytest.approx(0.02)
    assert (trade.forward_risk, trade.risk_years) == ("received", 0.5)
    assert trade.implied_forward == pytest.approx((0.95 / 0.97) ** 2 - 1)
    assert trade.pnl(Scenario(settled_apy=0.0)) == pytest.approx(0.02)
    # 0.02 grown over 0.75 years, and half a year of 30 % on one ST
    assert trade.pnl(Scenario(settled_apy=0.30)) == pytest.approx(0.02 * 1.3**0.75 + 1.3**0.5 - 1)
    even = trade.break_evens(Scenario())["settled_apy"]
    assert (even.status, even.reason) == ("value", "it gains above this")
    assert even.value < 0
    assert trade.pnl(Scenario(settled_apy=even.value)) == pytest.approx(0.0, abs=1e-12)


@given(st.floats(0.05, 0.5), st.floats(0.1, 0.5), st.floats(0.51, 1.0))
def test_without_costs_the_break_even_is_the_forward(implied, early, late):
    """On a flat curve without fees the spread gains exactly what settles above (or below) the forward yield."""
    received = CalendarSpread(buy=leg(early, implied), sell=leg(late, implied))
    missed = CalendarSpread(buy=leg(late, implied), sell=leg(early, implied))
    for trade, words in ((received, "above"), (missed, "below")):
        assert trade.naive() == 0.0
        assert trade.implied_forward == pytest.approx(implied, rel=1e-9)
        assert trade.pnl(Scenario(settled_apy=implied)) == pytest.approx(0.0, abs=1e-13)
        even = trade.break_evens(Scenario())["settled_apy"]
        assert even.value == pytest.approx(implied, rel=1e-7)
        assert even.reason == f"it gains {words} this"
    assert received.forward_risk == "received"
    assert missed.forward_risk == "missed"


@given(rates, st.floats(0, 0.3), times, apys)
def test_one_maturity_at_two_venues_has_no_forward_risk(low, gap, tau, apy):
    """With equal maturities the whole profit is the difference of the prices, whatever settles."""
    trade = CalendarSpread(buy=leg(tau, low + gap), sell=leg(tau, low))
    assert (trade.forward_risk, trade.implied_forward) == ("none", None)
    difference = (1 + low) ** -tau - (1 + low + gap) ** -tau
    assert trade.pnl(Scenario(settled_apy=apy)) == pytest.approx(difference * (1 + apy) ** tau, abs=1e-13)
    assert trade.net_apy(Scenario(settled_apy=0.0)) == pytest.approx(
        (1 + difference / (1 - difference)) ** (1 / tau) - 1, rel=1e-7, abs=1e-12
    )


@given(rates, rates, times, times, apys, st.floats(0.9, 1.0), st.floats(0, 0.1), st.floats(0, 0.05))
def test_the_parts_add_up_and_the_gradient_is_the_slope(one, other, early, late, apy, factor, phi, cost):
    """Profit by cause sums to the profit; derivatives equal central differences; each cost only lowers it."""
    trade = CalendarSpread(
        buy=leg(early, one, units=3.0, cost=0.002),
        sell=leg(late, other, units=3.0, cost=-0.002),
        yield_fee=phi,
        conversion_cost=cost,
        gas_st=0.01,
    )
    at = Scenario(settled_apy=apy, redemption_factor=factor)
    assert math.fsum(trade.decomposition(at).values()) == pytest.approx(trade.pnl(at), abs=1e-12)
    for name, slope in trade.gradient(at).items():
        up, down = (replace(at, **{name: getattr(at, name) + step}) for step in (1e-5, -1e-5))
        assert slope == pytest.approx((trade.pnl(up) - trade.pnl(down)) / 2e-5, rel=1e-5, abs=1e-6)
    assert replace(trade, gas_st=0.02).pnl(at) < trade.pnl(at)
    assert replace(trade, conversion_cost=cost + 0.01).pnl(at) < trade.pnl(at)
    if apy > 1e-6:
        assert replace(trade, yield_fee=phi + 0.01).pnl(at) < trade.pnl(at)


def test_arrays_of_scenarios_are_scenarios_one_by_one():
    """Profits of many settled APYs are those of each."""
    trade = CalendarSpread(buy=leg(0.2, 0.3), sell=leg(0.7, 0.2), yield_fee=0.05)
    found = trade.pnl(Scenario(settled_apy=np.array([0.0, 0.2, 1.0])))
    assert found.tolist() == pytest.approx([trade.pnl(Scenario(settled_apy=a)) for a in (0.0, 0.2, 1.0)])


def test_a_spread_that_always_gains_or_loses_has_no_break_even():
    """The sign of the difference of the prices decides where both mature together."""
    gains = CalendarSpread(buy=leg(0.5, 0.3), sell=leg(0.5, 0.2)).break_evens(Scenario())["settled_apy"]
    loses = CalendarSpread(buy=leg(0.5, 0.2), sell=leg(0.5, 0.3)).break_evens(Scenario())["settled_apy"]
    assert (gains.status, loses.status) == ("always", "never")
    assert gains.reason == "it gains at every settled APY from -90% to 3000%"


def market(implied, years):
    """A pool of a million ST at an implied yield."""
    return YieldSpaceAmm(
        as_of=NOW,
        maturity=NOW + YEAR * years,
        st_reserve=1e6,
        pt_reserve=1e6 * (1.0 + implied),
        time_stretch=0.5,
        discount_fee=0.01,
    )


def test_the_curves_own_check_finds_the_spreads():
    """Each pair that the curve reports becomes a spread at the size, filled on both legs."""
    curve = ImpliedYieldCurve.from_prices(
        NOW, [NOW + YEAR * t for t in (0.25, 0.5, 0.75)], [0.95, 0.97, 0.90], names=["a", "b", "c"]
    )
    implied = {node.name: node.implied_apy for node in curve.nodes}
    years = {node.name: node.tau for node in curve.nodes}

    def quote(name, side, units):
        return market((1.0 + implied[name]) ** 2 - 1.0, years[name]).quote(side, units)

    (found,) = curve_spreads(curve, 100.0, quote, tol=0.001)
    assert (found.buy.name, found.sell.name) == ("a", "b")
    assert (found.buy.spot, found.sell.spot) == (pytest.approx(0.95), pytest.approx(0.97))
    assert 0 < found.locked_st < 100 * 0.02
    assert found.pnl(Scenario(settled_apy=0.0)) == pytest.approx(found.locked_st)
    assert curve_spreads(curve, 100.0, quote, tol=0.03) == ()


def test_a_pt_above_one_st_is_sold_against_st():
    """Where a PT costs more than the ST it redeems nothing is bought: the ST is kept."""
    trade = CalendarSpread(buy=st_leg(2.0), sell=SpreadLeg("dear", 0.5, 2.0, 2.02, 1.01, -0.02))
    assert trade.locked_st == pytest.approx(0.02)
    assert trade.pnl(Scenario(settled_apy=0.2)) == pytest.approx(0.02 * 1.2**0.5 + 2 * (1.2**0.5 - 1))
    curve = ImpliedYieldCurve.from_prices(NOW, [NOW + YEAR * 0.5], [1.01], names=["dear"])

    def quote(name, side, units):
        return market(0.05, 0.5).quote(side, units)

    (found,) = curve_spreads(curve, 2.0, quote, tol=0.0)
    assert (found.buy.name, found.buy.tau, found.sell.name) == ("ST", 0.0, "dear")


def test_a_flat_curve_offers_nothing():
    """No pair of a curve with positive forwards is reported."""
    curve = ImpliedYieldCurve.from_yields(NOW, [NOW + YEAR * t for t in (0.25, 0.5)], [0.2, 0.2])
    assert curve_spreads(curve, 1.0, lambda *_: None, tol=0.0) == ()


def test_pairs_of_venues_are_near_in_time_and_ordered_by_their_gap():
    """PT is bought where the yield is higher; the order of the venues does not matter."""
    curves = {
        "x": ImpliedYieldCurve.from_yields(
            NOW, [NOW + YEAR * t for t in (0.25, 0.5)], [0.20, 0.30], names=["x1", "x2"]
        ),
        "y": ImpliedYieldCurve.from_yields(NOW, [NOW + YEAR * 0.5 + timedelta(days=2)], [0.25], names=["y1"]),
        "z": ImpliedYieldCurve.from_yields(NOW, [NOW + YEAR * 0.5], [0.10], names=["z1"]),
    }
    found = venue_pairs(curves, max_days_apart=7)
    assert [(p.buy_venue, p.buy.name, p.sell_venue, p.sell.name) for p in found] == [
        ("x", "x2", "z", "z1"),
        ("y", "y1", "z", "z1"),
        ("x", "x2", "y", "y1"),
    ]
    assert [p.yield_gap for p in found] == pytest.approx([0.20, 0.15, 0.05])
    assert [p.days_apart for p in found] == pytest.approx([0, 2, 2])
    assert venue_pairs(dict(reversed(curves.items())), max_days_apart=7) == found
    assert [p.days_apart for p in venue_pairs(curves, max_days_apart=0)] == [0]
    late = ImpliedYieldCurve.from_yields(NOW + timedelta(days=1), [NOW + YEAR], [0.1])
    with pytest.raises(DomainError, match="different moments"):
        venue_pairs({**curves, "w": late}, max_days_apart=7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sell": leg(0.5, 0.2, units=2.0)}, "the legs must be equal"),
        ({"buy": leg(-0.1, 0.2)}, "tau"),
        ({"buy": leg(0.1, 0.2, units=0.0)}, "units"),
        ({"buy": st_leg(1.0), "sell": st_leg(1.0)}, "nothing between them"),
        ({"yield_fee": 1.0}, "yield_fee"),
        ({"conversion_cost": -0.1}, "conversion_cost"),
        ({"gas_st": -0.1}, "gas_st"),
    ],
)
def test_what_is_refused(changes, message):
    """Legs that do not match and values outside their range are refused by name."""
    with pytest.raises(DomainError, match=message):
        CalendarSpread(**{"buy": leg(0.25, 0.2), "sell": leg(0.5, 0.2), **changes})


def test_a_fill_of_yt_is_no_leg():
    """A leg is made of PT."""
    fill = market(0.2, 0.5).quote("SELL_PT", 5.0)
    assert leg_of("a", 0.5, fill).st == fill.st_amount
    with pytest.raises(DomainError, match="a leg buys or sells PT"):
        leg_of("a", 0.5, market(0.2, 0.5).quote("SELL_YT", 5.0))
