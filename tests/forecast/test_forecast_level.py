"""Level and spread of an underlying's own history."""

import numpy as np
import pytest
from forecast_facts import moment

from yieldtrade.errors import DataError, DomainError, MissingDataError
from yieldtrade.forecast import level_spread_forecast
from yieldtrade.series import DailySeries


def series(values, first="2026-01-01", days=None):
    """A daily history of APYs."""
    when = (
        np.datetime64(first) + np.arange(len(values))
        if days is None
        else np.array(days, dtype="datetime64[D]")
    )
    return DailySeries(
        name="underlying_apy",
        unit="fraction",
        days=when,
        values=np.array(values, dtype=float),
        quality=("ok",) * len(values),
    )


NOW, LATER = moment("2026-01-31"), moment("2026-05-01")


def test_a_constant_yield_is_certain():
    """Thirty days of 6 % forecast 6 % without spread."""
    found = level_spread_forecast(series([0.06] * 30), NOW, LATER)
    assert found.samples == pytest.approx(0.06, rel=1e-12)
    assert found.sd_apy == pytest.approx(0.0, abs=1e-12)
    assert not found.points


def test_points_settle_at_nothing():
    """A history of zeros is a points market: 0 is known, and flagged not to be all."""
    found = level_spread_forecast(series([0.0] * 30), NOW, LATER)
    assert found.points
    assert (found.samples == 0.0).all()
    assert (found.mean_apy, found.sd_apy, found.known_fraction) == (0.0, 0.0, 1.0)


def test_recent_figures_weigh_more():
    """After a move from 10 to 5 % the level lies between, nearer the new one."""
    found = level_spread_forecast(
        series([0.10] * 30 + [0.05] * 30), moment("2026-03-02"), moment("2026-06-01")
    )
    assert 0.05 < found.mean_apy < 0.07


def test_spread_grows_with_the_changes_of_the_past():
    """Twice the daily changes give about twice the spread."""
    rng = np.random.default_rng(5)
    noise = rng.normal(size=60).cumsum()
    narrow, wide = (
        level_spread_forecast(series(0.08 + size * noise), moment("2026-03-02"), moment("2026-04-02")).sd_apy
        for size in (0.001, 0.002)
    )
    assert wide == pytest.approx(2 * narrow, rel=0.1)


def test_days_already_in_the_history_are_known():
    """A period of ten days with all known is their mean in logs; half known, half of it."""
    values = np.linspace(0.05, 0.08, 30)
    past = level_spread_forecast(series(values), moment("2026-01-21"), moment("2026-01-31"))
    assert past.known_fraction == 1.0
    assert past.mean_apy == pytest.approx(np.exp(np.log1p(values[20:]).mean()) - 1, rel=1e-12)
    assert past.sd_apy == pytest.approx(0.0, abs=1e-15)
    half = level_spread_forecast(series(values), moment("2026-01-21"), moment("2026-02-10"))
    assert half.known_fraction == pytest.approx(0.5)
    assert half.sd_apy > 0


def test_parts_of_days_count_as_parts():
    """From noon of one day to noon of the next each day counts half."""
    found = level_spread_forecast(
        series([0.02] * 20 + [0.04] * 10), moment("2026-01-20T12:00:00"), moment("2026-01-21T12:00:00")
    )
    assert found.mean_apy == pytest.approx((1.02 * 1.04) ** 0.5 - 1, rel=1e-12)


def test_same_seed_same_samples():
    """One seed, one answer; the hash tells seeds apart."""
    rng = np.random.default_rng(6)
    history = series(0.08 + 0.01 * rng.normal(size=40))
    one, two, other = (
        level_spread_forecast(history, moment("2026-02-10"), LATER, seed=seed, paths=50) for seed in (1, 1, 2)
    )
    assert (one.samples == two.samples).all()
    assert (one.samples != other.samples).any()
    assert one.input_hash == two.input_hash != other.input_hash


@pytest.mark.parametrize(
    ("history", "start", "end", "error", "message"),
    [
        (series([0.06] * 4), NOW, LATER, MissingDataError, "4 days of history, 5 are needed"),
        (series([0.06] * 30), LATER, NOW, DomainError, "not after start"),
        (series([0.06] * 30), NOW, moment("2040-01-01"), DomainError, "at most 1826"),
        (series([0.06] * 9 + [-1.0]), NOW, LATER, DataError, "2026-01-10"),
        (series([0.06] * 9 + [np.nan]), NOW, LATER, DataError, "2026-01-10"),
    ],
)
def test_what_cannot_be_forecast_is_refused(history, start, end, error, message):
    """Too short a history, an empty or endless period, and figures that are no APY."""
    with pytest.raises(error, match=message):
        level_spread_forecast(history, start, end)
