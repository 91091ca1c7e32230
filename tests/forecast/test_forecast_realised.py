"""What an underlying did pay: means over the days known, and over interest periods."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.forecast.level import level_spread_forecast
from yieldtrade.forecast.periods import Calendar
from yieldtrade.forecast.realised import realised_daily, realised_periods
from yieldtrade.series import DailySeries

START = datetime(2026, 3, 2, tzinfo=UTC)


def daily(values, missing=()):
    """A daily series from the start on, without the days missing."""
    days = np.arange("2026-03-02", "2026-06-01", dtype="datetime64[D]")[: len(values)]
    kept = [i for i in range(len(values)) if i not in missing]
    return DailySeries(
        name="apy",
        unit="fraction",
        days=days[kept],
        values=np.asarray(values, dtype=float)[kept],
        quality=("ok",) * len(kept),
    )


def test_a_day_counts_with_the_time_held_in_it():
    """Half of the first day and all of the second: a geometric mean with weights 1 and 2."""
    found = realised_daily(daily([0.10, 0.20]), START + timedelta(hours=12), START + timedelta(days=2))
    assert found.apy == pytest.approx(math.exp((math.log(1.1) + 2 * math.log(1.2)) / 3) - 1, rel=1e-12)
    assert found.known_fraction == 1.0


def test_missing_days_are_left_out_and_told():
    """A day without a figure takes no part, and the known part shrinks."""
    history = daily([0.10, 0.20, 0.30, 0.10], missing=(1, 2))
    found = realised_daily(history, START, START + timedelta(days=4))
    assert (found.apy, found.known_fraction) == (pytest.approx(0.10, rel=1e-12), 0.5)
    nothing = realised_daily(history, START + timedelta(days=1), START + timedelta(days=3))
    assert (nothing.apy, nothing.known_fraction) == (None, 0.0)
    assert realised_daily(daily([]), START, START + timedelta(days=1)) == (None, 0.0)


@given(
    st.lists(st.floats(0.0, 3.0).filter(lambda x: x == 0 or x > 1e-6), min_size=8, max_size=20),
    st.floats(0.1, 6.9),
)
def test_the_outcome_is_what_a_forecast_of_known_days_says(values, days):
    """Forecast and outcome share one definition: over days already known they are the same number."""
    history = daily([*values, 0.1])
    start, end = START + timedelta(days=0.3), START + timedelta(days=0.3 + days)
    forecast = level_spread_forecast(history, start, end, paths=2)
    assert forecast.known_fraction == pytest.approx(1.0)
    assert realised_daily(history, start, end).apy == pytest.approx(forecast.mean_apy, rel=1e-9, abs=1e-12)


def test_a_pool_pays_the_figure_of_each_interest_period():
    """Periods from Monday to Sunday: the figure dated their Sunday counts, with a lag that of the week before."""
    cal = Calendar(weekday=0, hour_utc=18.0, compounding=365.0)
    values = np.full(21, 9.0)
    values[[6, 13, 20]] = 0.1, 0.2, 0.4
    start, end = START + timedelta(days=5), START + timedelta(days=11)
    found = realised_periods(daily(values), cal, start, end)
    assert found.apy == pytest.approx(math.exp((2 * math.log(1.1) + 4 * math.log(1.2)) / 6) - 1, rel=1e-12)
    lagged = realised_periods(
        daily(values), cal, start + timedelta(days=7), end + timedelta(days=7), settlement_lag_weeks=1
    )
    assert lagged.apy == pytest.approx(found.apy, rel=1e-12)
    half = realised_periods(daily(values[:10]), cal, start, end)
    assert (half.apy, half.known_fraction) == (pytest.approx(0.1, rel=1e-12), pytest.approx(1 / 3))


def test_a_reversed_period_is_refused():
    """The end must come after the start."""
    with pytest.raises(DomainError, match="is not after"):
        realised_daily(daily([0.1]), START, START)
