"""The record of volume, fees and TVL: outcomes as they came, scored like the yield."""

import numpy as np
import pytest

from yieldtrade.forecast import evaluate_forecasts, pool_history
from yieldtrade.forecast.drivers import DRIVERS
from yieldtrade.forecast.scores import crps
from yieldtrade.forecast.scoring import LEAST_ERRORS


@pytest.fixture(scope="module")
def history(jlp_view):
    """The bundled history as of the first moment of 2026."""
    return pool_history(jlp_view("2026-01-01"))


@pytest.fixture(scope="module")
def record(history):
    """Its track record."""
    return evaluate_forecasts(history)


def week(history, name, monday):
    """The known figures of a series in the seven days from a Monday."""
    inside = (history.days >= monday) & (history.days < monday + np.timedelta64(7, "D"))
    values = history.values[name][inside]
    return values[np.isfinite(values)]


@pytest.mark.parametrize("ahead", [1, 4])
def test_outcomes_are_means_of_the_days_that_came(history, record, ahead):
    """Volume and TVL of a week in August 2025, and its fees as inferred from closes by what was known then."""
    place = int(np.flatnonzero(record.origins == np.datetime64("2025-08-04"))[0])
    monday = record.origins[place] + np.timedelta64(7 * (ahead - 1), "D")
    for name in ("volume_usd", "tvl_usd"):
        expected = week(history, name, monday).mean()
        assert record.drivers[name].outcome[place, ahead - 1] == pytest.approx(expected, rel=1e-12)
    # before any day of both was known, opens were taken to pay like closes, or as published
    closes = week(history, "close_fees_usd", monday).mean()
    multiple = record.drivers["fees_usd"].outcome[place, ahead - 1] / closes
    assert 1.7 < multiple < 2.1


def test_fees_are_scored_on_the_basis_forecast(history, record):
    """A forecast of gross fees has no outcome once that series has ended."""
    place = int(np.flatnonzero(record.origins == np.datetime64("2024-11-18"))[0])
    outcome = record.drivers["fees_usd"].outcome[place]
    monday = record.origins[place]
    assert outcome[0] == pytest.approx(week(history, "gross_fees_usd", monday).mean(), rel=1e-12)
    assert np.isnan(outcome[2:]).all()


def test_persistence_of_a_driver_is_its_last_week(history, record):
    """The mark for volume is the mean of the seven days before the origin."""
    place = int(np.flatnonzero(record.origins == np.datetime64("2025-08-04"))[0])
    before = week(history, "volume_usd", record.origins[place] - np.timedelta64(7, "D")).mean()
    assert record.drivers["volume_usd"].centre["persistence"][place] == pytest.approx([before] * 8, rel=1e-12)


def test_a_driver_is_scored_as_handed_out(record):
    """No factor is put on its spread, so raw and final coverage are one."""
    for name in DRIVERS:
        driver = record.drivers[name]
        assert driver.target == name
        assert (driver.scale == 1.0).all()
        for h in range(1, 9):
            assert driver.score("coverage_80", h) == driver.score("raw_coverage_80", h)


def test_drivers_beat_persistence_at_one_week(record):
    """Volume, fees and TVL of the coming week are each forecast better than by last week's, none by magic."""
    for name in DRIVERS:
        assert 0.05 < record.drivers[name].score("skill_crps_vs_persistence", 1) < 0.5


def test_a_running_week_is_no_outcome(jlp_view):
    """On a Sunday six days of volume are known; the week counts only when it is over."""
    record = evaluate_forecasts(pool_history(jlp_view("2025-08-10T12:00:00")), horizons=2)
    for name in DRIVERS:
        assert np.isnan(record.drivers[name].outcome[-1]).all()
        assert np.isfinite(record.drivers[name].outcome[-2, 0])


def test_every_figure_is_a_row(record):
    """One row a score: yield and drivers, six ways to measure, ten bins of transforms, skill against three marks."""
    frame = record.to_frame()
    assert set(frame["target"]) == {"apy", *DRIVERS}
    keys = ["target", "model", "horizon", "days_observed", "metric"]
    assert not frame.duplicated(keys).any()
    ours = frame[(frame["target"] == "apy") & (frame["model"] == "selected") & (frame["horizon"] == 8)]
    found = dict(zip(ours["metric"], ours["value"], strict=True))
    wanted = {
        "mae_log",
        "median_ae_log",
        "pinball",
        "crps",
        "crps_apy",
        "coverage_50",
        "coverage_80",
        "coverage_95",
    }
    wanted |= {f"skill_crps_vs_{mark}" for mark in ("persistence", "mean_4", "ar1")}
    assert wanted <= set(found)
    bins = [found[f"pit_bin_{place:02d}"] for place in range(1, 11)]
    assert bins == list(record.pit_histogram(8))
    assert sum(bins) == ours["origins"].iloc[0]
    amounts = frame[frame["target"] == "tvl_usd"]
    assert {"crps", "crps_usd", "skill_crps_vs_persistence"} <= set(amounts["metric"])


def test_crps_of_a_driver_by_hand(history, record):
    """Persistence of TVL with its errors of the weeks before, scored on logs."""
    driver = record.drivers["tvl_usd"]
    place = 40
    errors = np.log(driver.outcome[:place, 0] / driver.centre["persistence"][:place, 0])
    samples = np.sort(np.log(driver.centre["persistence"][place, 0]) + errors[np.isfinite(errors)][-52:])
    assert len(samples) > LEAST_ERRORS
    expected = float(crps(samples, np.log(driver.outcome[place, 0])))
    assert driver.crps["persistence"][place, 0] == pytest.approx(expected, rel=1e-9)
