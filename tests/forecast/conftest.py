"""Views for the tests of the forecast: of the bundled history, of made-up series, of worlds with known laws."""

from types import MappingProxyType

import numpy as np
import pytest
from forecast_facts import (
    PLAIN_TERMS,
    MemoryFacts,
    bundled_changes,
    bundled_series,
    change,
    moment,
    parameter,
)

from yieldtrade.forecast import forecast_apy
from yieldtrade.market import Contract, MarketView, Terms


@pytest.fixture(scope="session")
def jlp_data():
    """The bundled series and parameters."""
    return bundled_series(), bundled_changes()


@pytest.fixture(scope="session")
def jlp_view(jlp_data):
    """Build a view of the bundled history at a moment."""
    series, changes = jlp_data

    def build(text, contracts=()):
        when = moment(text)
        return MarketView(as_of=when, facts=MemoryFacts(when, series, changes, contracts))

    return build


@pytest.fixture(scope="session")
def made_view():
    """Build a view of made-up series: arrays by name, on consecutive days from ``first``."""

    def build(as_of, first, terms=None, **arrays):
        when = moment(as_of)
        series = {}
        for name, values in arrays.items():
            days = np.datetime64(first, "D") + np.arange(len(values))
            known = np.isfinite(np.asarray(values, dtype=float))
            quality = np.where(known, "as_labelled", "")
            series[name] = (days[known], np.asarray(values, dtype=float)[known], quality[known])
        changes = (change("2020-01-01", **{**PLAIN_TERMS, **(terms or {})}),)
        return MarketView(as_of=when, facts=MemoryFacts(when, series, changes))

    return build


@pytest.fixture(scope="session")
def jlp_report(jlp_view):
    """The forecast of the first moment of 2026, made once."""
    return forecast_apy(jlp_view("2026-01-01"), paths=1_000)


@pytest.fixture(scope="session")
def made_world(made_view):
    """Build a view of a pool with known laws, and its APR in the seven days after.

    log V is an AR(1), fees are V to the power 1.15 with noise, TVL a random walk; the view ends on a Monday.
    """

    def build(seed, weeks=52, slope=0.15):
        rng = np.random.default_rng(seed)
        days = 7 * weeks
        z, noise = np.zeros(days + 107), 0.35 * rng.normal(size=days + 107)
        for day in range(1, len(z)):
            z[day] = 0.9 * z[day - 1] + noise[day]
        z = z[100:]
        volume = 500e6 * np.exp(z)
        fees = volume * 10e-4 * np.exp(slope * z + 0.12 * rng.normal(size=days + 7))
        tvl = 1e9 * np.exp(np.concatenate([[0.0], 0.012 * rng.normal(size=days + 7)]).cumsum())
        view = made_view(
            str(np.datetime64("2024-01-01") + days),
            "2024-01-01",
            volume_usd=volume[:days],
            gross_fees_usd=fees[:days],
            tvl_usd=tvl[: days + 1],
        )
        apr = 365 * 0.7 * fees[days : days + 7].mean() / tvl[days : days + 7].mean()
        return view, apr

    return build


@pytest.fixture
def contract():
    """Build a contract on JLP with a maturity."""

    def build(contract_id, maturity, underlying="JLP", **terms):
        parameters = {name: parameter(name, value, moment("2020-01-01")) for name, value in terms.items()}
        return Contract(
            contract_id=contract_id,
            venue_id="ratex",
            underlying=underlying,
            maturity=moment(maturity),
            clock="wall",
            terms=Terms(owner=contract_id, parameters=MappingProxyType(parameters)),
        )

    return build
