"""A forecast, a screen and a pool as of a moment do not see what became known later, on a real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import yieldtrade
from yieldtrade.pool.overview import pool_overview
from yieldtrade.pool.parameters import parameters_at
from yieldtrade.pool.weekly import weekly_returns
from yieldtrade.store import Store
from yieldtrade.strategies.backtest import backtest

MOMENT = datetime(2025, 10, 6, tzinfo=UTC)
LATER = "2025-10-06T00:00:00Z"


@pytest.fixture
def altered(bundled_path, tmp_path):
    """The bundled database with every figure that became available after the moment made absurd."""
    path = tmp_path / "altered.db"
    path.write_bytes(bundled_path.read_bytes())
    with Store(path) as store, store.writing() as conn:
        conn.execute("UPDATE pool_day SET value = 7 * value WHERE available_at > ?", (LATER,))
        conn.execute("UPDATE asset_day SET price_usd = 1 WHERE available_at > ?", (LATER,))
        conn.execute("UPDATE yield_quote SET implied_apy = 9 WHERE available_at > ?", (LATER,))
        conn.execute("UPDATE lending_day SET supply_apy = 5, borrow_apy = 6 WHERE available_at > ?", (LATER,))
        conn.execute("DELETE FROM official_apy WHERE available_at > ?", (LATER,))
    return path


def everything(path):
    """Every number of a forecast, of a screen and of the pool."""
    with Store(path) as store:
        view = store.view(MOMENT)
        report = yieldtrade.forecast(view, "JLP", paths=500)
        stated = view.with_yields({"JLP-16OCT25": 0.2}).with_terms({"exponent.trading_fee": 0.001})
        screened = yieldtrade.screen(stated, 10_000, contracts=["JLP-16OCT25"])
        pool = view.pool("JLP")
        overview = pool_overview(view, "JLP", parameters_at(pool, MOMENT))
        weeks = weekly_returns(view, "JLP")
        held = [record._asdict() for record in (*overview.params.terms.parameters.values(), *weeks)]
    samples = [period.apy.samples.tobytes() for period in report.periods]
    scores = [(s.model, s.horizon, s.metric, repr(s.value)) for s in report.track_record.scores]
    shown = repr(
        (overview.assets, overview.aum_usd, overview.stable_share, overview.notes, overview.official, held)
    )
    return list(report.rows()), samples, scores, report.input_hash, report.notes, repr(screened.rows), shown


def test_nothing_known_later_changes_anything(bundled_path, altered):
    """Forecast, track record, inputs digest, screen and pool are the same to the last bit."""
    assert everything(bundled_path) == everything(altered)


TERMS = {
    "pendle.trading_fee": 0.001,
    "kamino.pt_max_ltv": 0.85,
    "kamino.pt_liquidation_ltv": 0.90,
    "kamino.pt_oracle_discount": 0.25,
    "kamino.borrow_apy_sd": 0.02,
    "pendle.base_asset": "USD",
}


def replayed(path):
    """What was promised at the weeks up to the moment, and what is said to have come of it."""
    with Store(path) as store:
        outcome = store.view().with_terms(TERMS)
        views = [store.view(MOMENT - timedelta(days=7 * week)).with_terms(TERMS) for week in (3, 2, 1, 0)]
        found = backtest(views, outcome, 10_000.0)
    promised = [repr(result.flag.row) for result in found.results]
    return promised, [result.realised for result in found.results], found.unpriced


def test_a_backtest_promises_nothing_from_what_came_later(bundled_path, altered):
    """Altering every later figure of every table changes no promise, only what came of it."""
    promised, realised, unpriced = replayed(bundled_path)
    changed, other, also_unpriced = replayed(altered)
    assert promised == changed
    assert unpriced == also_unpriced
    assert len(promised) > 50
    assert sum(value is not None for value in realised) > 20
    assert any(a is not None and b is not None and a - b > 0.01 for a, b in zip(realised, other, strict=True))
