"""Models of volume beside the autoregression: local level, columns, and the score that chooses."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.forecast import fit_volume_model, pool_history, return_columns
from yieldtrade.forecast.local_level import GAINS, fit_local_level, rolling_levels, steady_gain
from yieldtrade.forecast.volume_scores import _direct, choose_volume_model, har_weeks, week_means
from yieldtrade.series import DailySeries


@given(st.floats(min_value=1e-4, max_value=100))
@settings(max_examples=40)
def test_the_settled_gain_is_that_of_the_filter(ratio):
    """Running the variances of the filter to their end gives the closed form."""
    p = 1.0
    for _ in range(5_000):
        p = (p + ratio) / (p + ratio + 1.0)
    assert steady_gain(ratio) == pytest.approx(p, rel=1e-6)


def test_the_level_is_that_of_a_filter_written_out():
    """With the variances found, a filter by hand over a series with holes ends at the same level and error."""
    rng = np.random.default_rng(21)
    values = 19 + 0.1 * rng.normal(size=300).cumsum() + 0.3 * rng.normal(size=300)
    values[[50, 51, 200]] = np.nan
    found = fit_local_level(values)
    level, variance = values[0], found.noise_sd**2
    for value in values[1:]:
        variance += found.change_sd**2
        if np.isfinite(value):
            gain = variance / (variance + found.noise_sd**2)
            level, variance = level + gain * (value - level), variance * (1 - gain)
    assert found.level == pytest.approx(level, rel=1e-6)
    assert found.level_sd == pytest.approx(np.sqrt(variance), rel=1e-4)
    assert found.converged
    assert found.rows == 297


def test_market_beta_comes_back_beside_the_own_level():
    """Made as log V = level + 0.8 log market + e: beta within three errors; a day without the market is missing."""
    rng = np.random.default_rng(22)
    market = 23 + 0.2 * rng.normal(size=500).cumsum()
    values = -1 + 0.03 * rng.normal(size=500).cumsum() + 0.8 * market + 0.2 * rng.normal(size=500)
    market[100:110] = np.nan
    found = fit_local_level(values, {"market": market})
    (beta,) = found.coefficients
    assert beta.name == "market"
    assert abs(beta.estimate - 0.8) < 3 * beta.std_error
    assert beta.std_error < 0.1
    assert found.rows == 490


def test_what_never_varies_has_no_local_level():
    """Constant volume, or fewer than thirty days, gives none rather than a failure."""
    assert fit_local_level(np.full(100, 19.0)) is None
    assert fit_local_level(np.random.default_rng(1).normal(size=29)) is None


def test_a_rolling_level_is_the_smoothing_that_had_erred_least():
    """The level before a day equals exponential smoothing run by hand with the best gain until then."""
    rng = np.random.default_rng(23)
    values = rng.normal(size=60).cumsum() + rng.normal(size=60)
    values[10:14] = np.nan
    found = rolling_levels(values)
    known = values[:40][np.isfinite(values[:40])]
    cost, levels = [], []
    for gain in GAINS:
        level, total = known[0], 0.0
        for value in known[1:]:
            total += (value - level) ** 2
            level += gain * (value - level)
        cost.append(total)
        levels.append(level)
    assert found[40] == pytest.approx(levels[int(np.argmin(cost))], rel=1e-12)
    assert np.isnan(found[0])
    assert len(found) == 61


def test_weeks_are_means_of_known_days():
    """A week with two days missing counts, one with three does not, and past the end there is none."""
    values = np.arange(21.0)
    values[[0, 1]] = np.nan
    values[[7, 8, 9]] = np.nan
    found = week_means(values, 5)
    assert found[0] == pytest.approx(np.mean([2, 3, 4, 5, 6]))
    assert np.isnan(found[1])
    assert found[2] == pytest.approx(17.0)
    assert np.isnan(found[3:]).all()


def driven(seed, days=700):
    """Log volume that a column pulls up or down by 0.01 a day, changing sides at random once in two months."""
    rng = np.random.default_rng(seed)
    column = np.where(np.cumsum(rng.random(days) < 1 / 60) % 2, 1.0, -1.0)
    level = 19 + 0.01 * np.concatenate([[0.0], column[:-1]]).cumsum()
    return level + 0.1 * rng.normal(size=days), column


def test_a_column_that_drives_volume_is_chosen():
    """Where a column says which way volume goes, the regression with it wins by more than two errors."""
    values, column = driven(25)
    found = choose_volume_model(values, np.ones(len(values), dtype=bool), column[:, None])
    assert found.gain["har with columns"] > 2
    assert found.model in {"har with columns", "combination"}
    third = {score.model: score.mae_log for score in found.scores if score.horizon == 3}
    assert third["har with columns"] < 0.6 * third["har"]


def test_a_column_of_noise_is_not_chosen():
    """A column that says nothing wins nothing."""
    rng = np.random.default_rng(25)
    values, _ = driven(25)
    found = choose_volume_model(values, np.ones(len(values), dtype=bool), rng.normal(size=(len(values), 1)))
    assert found.gain["har with columns"] < 2
    assert found.model != "har with columns"


def test_the_regression_with_columns_sees_only_its_past():
    """Changing every figure from an origin on leaves its forecast as it was, to the last bit."""
    values, column = driven(26)
    by_day = np.ones(len(values), dtype=bool)
    origins = np.array([200, 300])
    before = _direct(values, by_day, column[:, None], origins)
    values[300:] += 5.0
    column[300:] -= 5.0
    after = _direct(values, by_day, column[:, None], origins)
    assert (before == after).all()
    assert (before[1] != har_weeks(values[:300], by_day[:300])).all()


def test_the_autoregression_stands_on_the_bundled_history(jlp_view):
    """Neither a local level nor the equal-weight combination beats it; its error of a week ahead is near 0.25."""
    model = fit_volume_model(pool_history(jlp_view("2026-01-01")))
    assert model.choice.model == "har"
    first = {score.model: score for score in model.choice.scores if score.horizon == 1}
    assert set(first) == {"har", "local level", "combination"}
    assert first["har"].mae_log == pytest.approx(0.26, abs=0.03)
    assert first["har"].mae_log < first["local level"].mae_log
    assert first["har"].origins > 60
    assert model.exogenous is None
    assert 1e8 < np.exp(model.local_level.level) < 4e8


def test_columns_enter_with_their_names(jlp_view):
    """Given columns appear in the table, lagged a day; a shape that does not fit is refused by name."""
    history = pool_history(jlp_view("2026-01-01"))
    values = np.log(history.values["volume_usd"])
    leak = np.append(values[1:], np.nan)
    model = fit_volume_model(history, {"tomorrow": leak})
    # yesterday's "tomorrow" is today itself: the regression finds it, so the lag is one day
    assert model.exogenous["tomorrow"].t > 5
    assert "har with columns" in model.choice.gain
    with pytest.raises(DomainError, match="'short'"):
        fit_volume_model(history, {"short": leak[1:]})


def test_returns_by_hand(jlp_view):
    """The return of a day is that of its close over the one before; of a week the mean of seven to it."""
    history = pool_history(jlp_view("2024-04-29"))
    days = history.days[0] + np.arange(-1, 60)
    prices = 100 * np.exp(0.02 * np.random.default_rng(27).normal(size=61).cumsum())
    series = DailySeries(name="price_usd", unit="USD", days=days, values=prices, quality=("close",) * 61)
    found = return_columns(SimpleNamespace(asset_prices=lambda _: series), history)
    signed = np.log(prices[1:] / prices[:-1])
    assert found["SOL return, day"][:60] == pytest.approx(signed, rel=1e-9)
    assert found["SOL |return|, day"][:60] == pytest.approx(np.abs(signed), rel=1e-9)
    assert found["SOL |return|, week"][20] == pytest.approx(np.abs(signed[14:21]).mean(), rel=1e-9)
    assert np.isnan(found["SOL return, day"][60:]).all()
