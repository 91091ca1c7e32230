"""The barrier of a leveraged YT position in implied yield, and its ledger over many settlements at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.tokens.liquidation import liquidation_barrier, liquidation_price, liquidation_yield
from yieldtrade.tokens.margin import Position, collateral_ratio
from yieldtrade.tokens.positions import settle, settle_many
from yieldtrade.tokens.pricing import yt_price

MCR = {"maintenance_collateral_ratio": 1.05}
positions = st.one_of(
    st.builds(
        Position,
        yt=st.floats(1, 100),
        st=st.floats(-50, 5),
        margin=st.floats(0.01, 5),
        margin_accrues=st.booleans(),
    ),
    st.builds(
        Position,
        yt=st.floats(-100, -1),
        st=st.floats(-2, 50),
        margin=st.floats(0.01, 5),
        margin_accrues=st.booleans(),
    ),
)


@settings(deadline=None)
@given(positions, st.floats(0.05, 1.0), st.floats(-0.5, 5.0))
def test_yields_past_the_barrier_are_those_below_the_maintenance_ratio(position, tau, implied):
    """A long is below its ratio exactly at yields below the barrier, a short at yields above it."""
    barrier = liquidation_barrier(position, tau, **MCR)
    past = implied < barrier if position.yt > 0 else implied > barrier
    price = yt_price(implied, tau)
    ratio = collateral_ratio(position, price)
    if position.yt < 0 and price <= 0:
        # YT worth nothing is no debt
        past = past and ratio < math.inf
    if not math.isclose(ratio, 1.05, rel_tol=1e-9):
        assert past == (ratio < 1.05)


@settings(deadline=None)
@given(positions, st.floats(0.05, 1.0))
def test_the_barrier_is_the_liquidation_yield_where_one_exists(position, tau):
    """Numbers and arrays agree with the yield of the liquidation price; at infinity there is no such price."""
    barrier = liquidation_barrier(position, tau, **MCR)
    found = liquidation_yield(position, tau, **MCR)
    many = liquidation_barrier(position, np.array([tau, 2 * tau]), **MCR)
    assert many[0] == pytest.approx(barrier, rel=1e-12)
    price = liquidation_price(position, **MCR)
    if math.isfinite(barrier) and price is not None:
        assert found == pytest.approx(barrier, rel=1e-12)
    else:
        assert price is None or price >= 1 or barrier > 1e300


def test_barriers_at_infinity():
    """Safe at every yield lies at infinity behind, lost at every yield at infinity ahead."""
    terms = {"margin": 1.0, "margin_accrues": False}
    safe_long = Position(yt=10.0, st=-0.5, **terms)
    lost_long = Position(yt=1.0, st=-5.0, **terms)
    safe_short = Position(yt=-1.0, st=5.0, **terms)
    found = [liquidation_barrier(p, 0.2, **MCR) for p in (safe_long, lost_long, safe_short)]
    assert found == [-math.inf, math.inf, math.inf]
    with pytest.raises(DomainError, match=r"tau = 0\.0"):
        liquidation_barrier(safe_long, 0.0, **MCR)


@settings(deadline=None)
@given(
    positions,
    st.lists(st.floats(-0.01, 0.05), min_size=1, max_size=12),
    st.sampled_from(["none", "yt_only", "net"]),
    st.floats(0, 0.3),
)
def test_many_settlements_at_once_are_those_one_by_one(position, growths, base, fee):
    """Balances and margins of the array ledger equal those of the single steps."""
    along = settle_many(position, np.array(growths), yield_fee=fee, yield_fee_base=base)
    margins = np.broadcast_to(along.margin, along.st.shape)
    now = position
    for step, growth in enumerate(growths):
        now = settle(now, growth, yield_fee=fee, yield_fee_base=base)
        assert along.st[step] == pytest.approx(now.st, rel=1e-10, abs=1e-10 * abs(position.yt))
        assert margins[step] == pytest.approx(now.margin, rel=1e-12)
    assert along.yt.tolist() == [position.yt]
