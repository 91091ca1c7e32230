"""Parity of PT and YT with ST: hand derivations, pools with closed forms, and what never gains."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.amm.reference import YieldSpaceAmm
from yieldtrade.errors import CapacityError, DomainError
from yieldtrade.strategies.inputs import Scenario
from yieldtrade.strategies.parity import ParityArbitrage, parity_at

NOW = datetime(2026, 3, 2, tzinfo=UTC)
DIRECTIONS = ("mint_and_sell", "buy_and_redeem")
OTHER = {"mint_and_sell": "buy_and_redeem", "buy_and_redeem": "mint_and_sell"}


def venue(implied, *, fee=0.0, days=182.5):
    """A YieldSpace pool of a million ST at an implied yield."""
    return YieldSpaceAmm(
        as_of=NOW,
        maturity=NOW + timedelta(days=days),
        st_reserve=1e6,
        pt_reserve=1e6 * (1.0 + implied),
        time_stretch=1.0,
        discount_fee=fee,
    )


def test_two_venues_by_hand():
    """PT sold where the yield is 10 % and YT where it is 20 %: above parity by the difference of the PT prices."""
    trade = parity_at("mint_and_sell", 1_000.0, venue(0.10), venue(0.20))
    gap = 1.10**-0.5 - 1.20**-0.5
    assert trade.naive() == pytest.approx(gap, rel=1e-12)
    assert trade.pnl() == pytest.approx(trade.pt.st_amount + trade.yt.st_amount - 1_000.0, abs=1e-12)
    assert 0 < trade.pnl() < 1_000.0 * gap
    assert trade.outlay == 1_000.0
    other = parity_at("buy_and_redeem", 1_000.0, venue(0.10), venue(0.20))
    assert other.naive() == pytest.approx(-gap, rel=1e-12)
    assert other.pnl() < -1_000.0 * gap
    assert other.outlay == other.pt.st_amount + other.yt.st_amount


@settings(deadline=None)
@given(st.sampled_from(DIRECTIONS), st.floats(0.02, 1.0), st.floats(0, 0.05), st.floats(1, 5e3))
def test_one_pool_never_gains(direction, implied, fee, units):
    """On one curve the two legs undo each other: nothing is gained without fees, and the fees are lost with them."""
    trade = parity_at(direction, units, venue(implied, fee=fee))
    # the first leg moved the price at which the second begins: what seems a gap is its impact
    assert trade.naive() >= -1e-12
    if fee == 0:
        assert trade.pnl() == pytest.approx(0.0, abs=1e-8)
    else:
        assert trade.pnl() == pytest.approx(-trade.pt.fee - trade.yt.fee, abs=1e-8)


@settings(deadline=None)
@given(
    st.sampled_from(DIRECTIONS),
    st.floats(0.05, 0.5),
    st.floats(0.05, 0.5),
    st.floats(1, 5e3),
    st.floats(0, 0.01),
    st.floats(0, 1),
)
def test_the_parts_add_up_and_no_cost_gains(direction, one, other, units, fee, gas):
    """Profit by cause sums to the profit; a fee and gas only lower it; both directions never gain together."""
    first, second = venue(one, fee=0.01), venue(other, fee=0.01)
    trade = parity_at(direction, units, first, second, fee=fee, gas_st=gas)
    assert math.fsum(trade.decomposition().values()) == pytest.approx(trade.pnl(), abs=1e-9 * units)
    free = parity_at(direction, units, first, second)
    assert trade.pnl() <= free.pnl()
    assert free.pnl() + parity_at(OTHER[direction], units, first, second).pnl() < 0
    assert trade.pnl() <= units * trade.naive()


def test_the_break_even_of_a_leg():
    """With the other leg as filled, a price of the break-even leaves nothing after fee and gas."""
    for direction in DIRECTIONS:
        trade = parity_at(direction, 500.0, venue(0.1), venue(0.2), fee=0.001, gas_st=0.3)
        for leg, name in (("pt", "pt_price"), ("yt", "yt_price")):
            price = trade.break_evens()[name].value
            at_even = replace(trade, **{leg: replace(getattr(trade, leg), st_amount=price * 500.0)})
            assert at_even.pnl() == pytest.approx(0.0, abs=1e-10)
    dear = parity_at("buy_and_redeem", 500.0, venue(0.1), venue(0.2), gas_st=100.0)
    assert dear.break_evens()["yt_price"].status == "never"


def test_no_scenario_moves_it():
    """Nothing is held, so that the profit is the same whatever comes and has no derivative."""
    trade = parity_at("mint_and_sell", 10.0, venue(0.1), venue(0.2))
    assert trade.pnl(Scenario(settled_apy=5.0, exit_implied=3.0, underlying_ratio=0.1)) == trade.pnl()
    assert trade.gradient(Scenario()) == {}


def test_arrays_of_sizes_are_sizes_one_by_one():
    """Fills of many sizes give the profit of each."""
    sizes = np.array([1.0, 100.0, 1e4])
    many = parity_at("mint_and_sell", sizes, venue(0.1), venue(0.2), fee=0.001)
    alone = [
        parity_at("mint_and_sell", size, venue(0.1), venue(0.2), fee=0.001).pnl() for size in sizes.tolist()
    ]
    assert many.pnl() == pytest.approx(alone, rel=1e-12)


def test_what_is_refused():
    """Fills of the wrong side or of two sizes, sizes of nothing or beyond a pool, and fees that are none."""
    sold, bought = venue(0.1).quote("SELL_PT", 5.0), venue(0.1).quote("BUY_YT", 5.0)
    with pytest.raises(DomainError, match="yt is a fill of BUY_YT: mint_and_sell needs SELL_YT"):
        ParityArbitrage(direction="mint_and_sell", pt=sold, yt=bought)
    with pytest.raises(DomainError, match="must equal the PT"):
        ParityArbitrage(direction="mint_and_sell", pt=sold, yt=venue(0.1).quote("SELL_YT", 6.0))
    with pytest.raises(DomainError, match="pt_units"):
        parity_at("mint_and_sell", 0.0, venue(0.1))
    with pytest.raises(DomainError, match="fee = 1"):
        parity_at("mint_and_sell", 1.0, venue(0.1), fee=1.0)
    with pytest.raises(DomainError, match="gas_st"):
        parity_at("mint_and_sell", 1.0, venue(0.1), gas_st=-1.0)
    with pytest.raises(DomainError, match="direction"):
        parity_at("both", 1.0, venue(0.1))
    with pytest.raises(CapacityError):
        parity_at("buy_and_redeem", 1e9, venue(0.1))
