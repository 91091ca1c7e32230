"""Speed of the forecast: one report of the bundled history, and 300 rolling origins."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "forecast"))

from forecast_facts import PLAIN_TERMS, MemoryFacts, bundled_changes, bundled_series, change, moment

from yieldtrade.forecast import evaluate_forecasts, forecast_apy, pool_history
from yieldtrade.market import MarketView

WEEKS = 310


@pytest.fixture(scope="module")
def jlp():
    """The bundled history as of the first moment of 2026."""
    when = moment("2026-01-01")
    return MarketView(as_of=when, facts=MemoryFacts(when, bundled_series(), bundled_changes()))


@pytest.fixture(scope="module")
def six_years():
    """A made-up history of 310 weeks."""
    rng = np.random.default_rng(1)
    days = np.datetime64("2020-01-06") + np.arange(7 * WEEKS)
    volume = 5e8 * np.exp(0.3 * rng.normal(size=len(days)))
    arrays = {
        "volume_usd": volume,
        "gross_fees_usd": volume * 1e-3 * np.exp(0.1 * rng.normal(size=len(days))),
        "tvl_usd": 1e9 * np.exp((0.01 * rng.normal(size=len(days))).cumsum()),
    }
    series = {name: (days, values, ["as_labelled"] * len(days)) for name, values in arrays.items()}
    when = moment(str(days[-1] + 1))
    facts = MemoryFacts(when, series, (change("2020-01-01", **PLAIN_TERMS),))
    return pool_history(MarketView(as_of=when, facts=facts))


def test_one_forecast(benchmark, jlp):
    """A whole report with its track record (budget 3 s with imports)."""
    report = benchmark(forecast_apy, jlp)
    assert len(report.periods) == 9


def test_300_rolling_origins(benchmark, six_years):
    """The track record of 300 origins (budget 5 s)."""
    record = benchmark.pedantic(evaluate_forecasts, (six_years,), rounds=3)
    assert len(record.origins) >= 300
