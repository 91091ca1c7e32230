"""Histories at the edge of what can be forecast: short, with holes, constant, all zero, of the future."""

import numpy as np
import pytest
from forecast_facts import MemoryFacts, change, moment

from yieldtrade.errors import MissingDataError
from yieldtrade.forecast import forecast_apy, pool_history
from yieldtrade.market import MarketView

DAYS = 120


def world(days=DAYS, seed=5, **replaced):
    """Volume, gross fees and TVL of an ordinary pool."""
    rng = np.random.default_rng(seed)
    volume = 5e8 * np.exp(0.3 * rng.normal(size=days))
    return {
        "volume_usd": volume,
        "gross_fees_usd": 1e-3 * volume * np.exp(0.1 * rng.normal(size=days)),
        "tvl_usd": 1e9 * np.exp(0.01 * rng.normal(size=days + 1).cumsum()),
        **replaced,
    }


def forecast(made_view, arrays, days=DAYS, **options):
    """Forecast on the day after the last figure."""
    view = made_view(str(np.datetime64("2024-01-01") + days), "2024-01-01", **arrays)
    return forecast_apy(view, paths=200, track_record=False, **options)


def finite(report):
    """Whether every figure of every period is finite."""
    return all(np.isfinite([*p.apy.quantiles.values(), p.apy.mean]).all() for p in report.periods)


@pytest.mark.parametrize("days", [1, 7, 59])
def test_a_short_history_is_refused_with_its_count(made_view, days):
    """Fewer than 60 usable days are named, and what to load."""
    with pytest.raises(MissingDataError, match=rf"{days} usable days .* 60 are needed.*yieldtrade load"):
        forecast(made_view, world(days), days)


def test_holes_are_forecast_over_and_told(made_view):
    """A day in twenty missing from each series is not filled, and the notes say how much is missing."""
    arrays = world()
    for shift, name in enumerate(arrays):
        arrays[name][np.arange(3 + 5 * shift, DAYS - 10, 20)] = np.nan
    report = forecast(made_view, arrays)
    assert finite(report)
    for name in ("volume_usd", "tvl_usd", "fees"):
        assert any(f"of the days of {name} are missing and stay so" in note for note in report.notes)


@pytest.mark.parametrize("series", ["volume_usd", "gross_fees_usd", "tvl_usd"])
def test_a_constant_series_is_forecast(made_view, series):
    """A series that never moves has no spread of its own, and nothing becomes infinite or NaN."""
    arrays = world()
    arrays[series] = np.full(len(arrays[series]), np.median(arrays[series]))
    assert finite(forecast(made_view, arrays))


@pytest.mark.parametrize("series", ["volume_usd", "gross_fees_usd", "tvl_usd"])
def test_a_series_of_zeros_is_no_series(made_view, series):
    """Where every figure is zero none is known: refused with the counts, not with a division by zero."""
    with pytest.raises(MissingDataError, match=rf"0 usable days.*{series} 0"):
        forecast(made_view, world(**{series: np.zeros(DAYS)}))


def test_a_lone_zero_does_not_fail_the_forecast(made_view):
    """One zero in the last week counts as missing, and the message shows a plain number."""
    arrays = world()
    arrays["volume_usd"][-3] = 0.0
    report = forecast(made_view, arrays)
    assert finite(report)
    told = [note for note in report.notes if note.startswith("left out")]
    assert told == ["left out, not a positive number: volume_usd of 2024-04-27 = 0"]
    assert "np." not in " ".join(report.notes)


def test_figures_of_the_future_are_not_seen(made_view):
    """A store that holds days to come gives a view none of them."""
    arrays = world()
    known = {name: values[: 90 + (name == "tvl_usd")] for name, values in arrays.items()}
    seen, exact = (forecast(made_view, held, 90) for held in (arrays, known))
    assert seen.input_hash == exact.input_hash
    assert all(
        mine.apy.samples.tobytes() == theirs.apy.samples.tobytes()
        for mine, theirs in zip(seen.periods, exact.periods, strict=True)
    )


def test_nothing_at_all_is_refused():
    """A pool without a figure says what to load."""
    facts = MemoryFacts(moment("2024-05-01"), {}, (change("2020-01-01", fees__pool_share=0.7),))
    with pytest.raises(MissingDataError, match=r"no history of JLP .*yieldtrade load"):
        pool_history(MarketView(as_of=facts.as_of, facts=facts))
