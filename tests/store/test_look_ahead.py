"""A forecast, a screen and a pool as of a moment do not see what became known later, on a real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import yieldtrade
from yieldtrade.pool.overview import pool_overview
from yieldtrade.pool.parameters import parameters_at
from yieldtrade.pool.weekly import weekly_returns
from yieldtrade.store import Store
from yieldtrade.strategies.backtest import backtest

MOMENT = datetime(2025, 10, 6, tzinfo=UTC)
# Between two published yields, the first of which is known and the second not.
PUBLISHED = datetime(2026, 2, 20, 12, tzinfo=UTC)
KEYS = {"source_id", "known_at", "available_at"}


def alter(path, moment):
    """Make every column of every later row absurd, and correct every earlier row absurdly, later."""
    later = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    after = f"{moment:%Y-%m-%d}T23:59:59Z"
    with Store(path) as store, store.writing() as conn:
        tables = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns = conn.execute(f"PRAGMA table_info({table})").fetchall()
            names = [column[1] for column in columns]
            if "available_at" not in names:
                continue
            keys = {column[1] for column in columns if column[5]} | KEYS
            absurd = {
                name: f"7 * coalesce({name}, 1)" if kind == "REAL" else f"'{ABSURD.get(name, 'x')}'"
                for _, name, kind, *_ in columns
                if name not in keys
            }
            assert absurd, table
            # names of the schema and values of this file, nothing from outside
            sets = ", ".join(f"{name} = {value}" for name, value in absurd.items())
            changed = conn.execute(f"UPDATE {table} SET {sets} WHERE available_at > ?", (later,)).rowcount  # noqa: S608
            assert changed > 0 or table != "official_apy"
            picked = ", ".join(
                f"'{after}'" if name == "known_at" else absurd.get(name, name) for name in names
            )
            conn.execute(
                f"INSERT INTO {table} ({', '.join(names)}) SELECT {picked} FROM {table} WHERE available_at <= ?",  # noqa: S608
                (later,),
            )
        assert store.check() == []


ABSURD = {
    "quality": "suspect",
    "kind": "clmm",
    "state": '{"total_pt": 1.0}',
    "week_start": "2024-01-01",
    "week_end": "2024-01-07",
}


def forecast_numbers(view):
    """Every number of a forecast."""
    report = yieldtrade.forecast(view, "JLP", paths=500)
    samples = [period.apy.samples.tobytes() for period in report.periods]
    scores = [(s.model, s.horizon, s.metric, repr(s.value)) for s in report.track_record.scores]
    past = repr((sorted(report.worlds.past.items()), report.worlds.basis, report.definition))
    return list(report.rows()), samples, scores, report.input_hash, report.notes, past


def everything(path):
    """Every number of a forecast, of a screen and of the pool."""
    with Store(path) as store:
        view = store.view(MOMENT)
        forecast = forecast_numbers(view)
        stated = view.with_yields({"JLP-16OCT25": 0.2}).with_terms({"exponent.trading_fee": 0.001})
        screened = yieldtrade.screen(stated, 10_000, contracts=["JLP-16OCT25"])
        pool = view.pool("JLP")
        overview = pool_overview(view, "JLP", parameters_at(pool, MOMENT))
        weeks = weekly_returns(view, "JLP")
        held = [record._asdict() for record in (*overview.params.terms.parameters.values(), *weeks)]
    shown = repr(
        (overview.assets, overview.aum_usd, overview.stable_share, overview.notes, overview.official, held)
    )
    return forecast, repr(screened.rows), shown


def altered(path, tmp_path, moment):
    """Copy a database and alter what is later than a moment."""
    copy = tmp_path / "altered.db"
    copy.write_bytes(path.read_bytes())
    alter(copy, moment)
    return copy


def test_nothing_known_later_changes_anything(bundled_path, tmp_path):
    """Forecast, track record, inputs digest, screen and pool are the same to the last bit."""
    assert everything(bundled_path) == everything(altered(bundled_path, tmp_path, MOMENT))


def test_no_later_published_yield_changes_a_forecast(bundled_path, tmp_path):
    """A forecast that rests on published yields does not see the next one, nor a correction of theirs."""
    found = []
    for path in (bundled_path, altered(bundled_path, tmp_path, PUBLISHED)):
        with Store(path) as store:
            found.append(forecast_numbers(store.view(PUBLISHED)))
    assert found[0] == found[1]
    assert "published" in found[0][-1]


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


def test_a_backtest_promises_nothing_from_what_came_later(bundled_path, tmp_path):
    """Altering every later figure of every table changes no promise, only what came of it."""
    promised, realised, unpriced = replayed(bundled_path)
    changed, other, also_unpriced = replayed(altered(bundled_path, tmp_path, MOMENT))
    assert promised == changed
    assert unpriced == also_unpriced
    assert len(promised) > 50
    assert sum(value is not None for value in realised) > 20
    assert any(a is not None and b is not None and a - b > 0.01 for a, b in zip(realised, other, strict=True))
