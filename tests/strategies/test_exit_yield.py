"""How far implied yields move, measured on stored quotes."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.strategies.desk import Desk, _measured_days
from yieldtrade.strategies.exit_yield import (
    YieldPath,
    implied_sd,
    relative_changes,
    relative_spread,
    yield_path,
)
from yieldtrade.strategies.inputs import ScreenSettings

START = datetime(2026, 1, 1, tzinfo=UTC)


def quote(day, implied, liquidity=1e6):
    """A quote some days after the start."""
    return SimpleNamespace(at=START + timedelta(days=day), implied_apy=implied, liquidity_usd=liquidity)


def test_thin_and_yieldless_quotes_do_not_count():
    """A pool below the limit, and yields of 0 or less, are left out; unknown liquidity is not thin."""
    quotes = [quote(0, 0.1), quote(1, 0.2, 9_999), quote(2, 0.0), quote(3, -0.1), quote(4, 0.3, None)]
    path = yield_path(quotes, 10_000)
    assert (path.days - path.days[0]).tolist() == [0, 4]
    assert np.exp(path.levels).tolist() == pytest.approx([math.log(1.1), math.log(1.3)])
    assert yield_path(quotes[1:4], 10_000) is None


def test_daily_quotes_give_one_overlapping_change_each():
    """Ten daily quotes hold three changes over seven days."""
    levels = np.array([0.0, 1, 4, 9, 16, 25, 36, 49, 64, 81])
    changes = relative_changes(YieldPath(np.arange(10.0), levels), 7.0)
    # later starts reach only part of the way: 6, 5 and 4 days, scaled to seven by the root of time
    expected = [49, 63, 77, 72 * math.sqrt(7 / 6), 65 * math.sqrt(7 / 5), 56 * math.sqrt(7 / 4)]
    assert changes.tolist() == pytest.approx(expected)


def test_each_quote_is_paired_with_the_nearest_distance_in_ratio():
    """Of the quotes 4 and 10 days later, seven days is nearer to ten in ratio."""
    path = YieldPath(np.array([0.0, 4.0, 10.0]), np.array([0.0, 1.0, 3.0]))
    found = relative_changes(path, 7.0)
    # 0 -> 10 days and 4 -> 10 days
    assert found.tolist() == pytest.approx([3 * math.sqrt(0.7), 2 * math.sqrt(7 / 6)])


@given(st.floats(0.5, 60.0))
def test_no_change_is_shorter_than_half_or_longer_than_twice_the_horizon(horizon):
    """Irregular quotes at the lead times of a panel: every pair lies within the allowed distances."""
    days = np.array([0.0, 30, 46, 53, 57, 59])
    found = relative_changes(YieldPath(days, days), horizon)
    gaps = {round(b - a, 6) for a in days for b in days if horizon / 2 <= b - a <= 2 * horizon}
    assert all(any(abs(c - g * math.sqrt(horizon / g)) < 1e-9 for g in gaps) for c in found)
    assert found.size <= days.size


def test_too_few_quotes_hold_no_change():
    """One quote, or none far enough apart."""
    assert relative_changes(YieldPath(np.array([0.0]), np.array([1.0])), 7.0).size == 0
    assert relative_changes(YieldPath(np.array([0.0, 1.0]), np.array([1.0, 2.0])), 7.0).size == 0


def test_spread_of_a_random_walk_is_recovered():
    """Changes over nine days of a walk with 2 % a day spread three times as much."""
    steps = np.random.default_rng(2).standard_normal(4_000) * 0.02
    path = YieldPath(np.arange(4_000.0), np.cumsum(steps))
    assert relative_spread(relative_changes(path, 9.0)) == pytest.approx(0.06, rel=0.1)


def test_spread_of_an_implied_yield_is_the_slope_of_the_measure():
    """A small relative spread times dr/d(ln ln(1+r)) equals the move of the yield."""
    r, step = 0.3, 1e-6
    moved = math.expm1(math.log1p(r) * math.exp(step)) - r
    assert implied_sd(r, step) == pytest.approx(moved, rel=1e-5)


def test_a_proxy_is_measured_at_few_horizons(world):
    """Contracts of many maturities share a handful of measurements, each scaled by the root of time."""
    for number in range(40):
        world.add(f"P{number:02}-2606", venue="spot", days=40 + number, quotes=9)
    desk = Desk(world.view(), ScreenSettings(size_usd=1_000))
    market = desk.markets((world.view().contract("P00-2606"),))[0]
    near, far = (desk.exit_yield(market, days).sd for days in (7.0, 7.2))
    assert far / near == pytest.approx(math.sqrt(7.2 / 7.0), rel=1e-12)
    assert {round(_measured_days(days), 9) for days in np.linspace(20, 40, 200)} == {
        round(7 * 2 ** (step / 4), 9) for step in (6, 7, 8, 9, 10)
    }
