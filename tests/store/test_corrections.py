"""A correction counts from when it was loaded: for a view of the past, and for every past origin of a forecast."""

from datetime import UTC, datetime

import numpy as np
import pytest

import yieldtrade
from yieldtrade.forecast import pool_history
from yieldtrade.forecast.data import SERIES
from yieldtrade.forecast.evaluate import evaluate_forecasts
from yieldtrade.store import Store

LOADED = datetime(2026, 6, 1, tzinfo=UTC)
BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
DAY = np.datetime64("2025-12-22")


def load(store, folder, name, rows, now):
    """Load figures of the pool in the long form."""
    path = folder / name
    path.write_text(f"pool,series,date,value,quality,known_at\n{rows}", encoding="utf-8")
    return store.load([path], now=now)


@pytest.fixture
def corrected(bundled_path, tmp_path):
    """The bundled history with one wrong day of fees, believed since its date, and its correction of June."""
    with Store(bundled_path) as store:
        sound = store.view(BEFORE).pool_series("JLP", "close_fees_usd")
        right = float(sound.values[sound.days == DAY][0])
        with store.writing() as conn:
            conn.execute(
                "UPDATE pool_day SET value = 3 * value WHERE date = ? "
                "AND series IN ('close_fees_usd', 'position_fees_usd')",
                (str(DAY),),
            )
            position = conn.execute(
                "SELECT value / 3 FROM pool_day WHERE date = ? AND series = 'position_fees_usd'", (str(DAY),)
            ).fetchone()[0]
        rows = f"JLP,close_fees_usd,{DAY},{right},,\nJLP,position_fees_usd,{DAY},{position},,\n"
        (done,), _ = load(store, tmp_path, "right.csv", rows, LOADED)
        assert (done.added, done.corrected) == (0, 2)
        yield store


def fees(history, day=DAY):
    """Fees of closes of one day."""
    return float(history.values["close_fees_usd"][history.days == day][0])


def test_the_default_view_takes_the_correction_and_the_past_what_was_believed(corrected):
    """Without a moment the corrected figure counts; as of one before it was loaded the wrong one does."""
    now, then, after = (pool_history(corrected.view(when, need="JLP")) for when in (None, BEFORE, LOADED))
    assert fees(now) == fees(after) == pytest.approx(fees(then) / 3)


def test_a_forecast_follows_the_view(corrected, tmp_path, bundled_path):
    """The forecast without a moment is that of a history that was never wrong; the one of the past is not."""
    options = {"paths": 200, "track_record": False}
    now = yieldtrade.forecast(corrected.view(None, need="JLP"), "JLP", **options)
    then = yieldtrade.forecast(corrected.view(now.as_of), "JLP", **options)
    assert now.as_of == then.as_of
    with corrected.writing() as conn:
        conn.execute("DELETE FROM pool_day WHERE known_at >= '2026-06-01' AND date = ?", (str(DAY),))
        conn.execute(
            "UPDATE pool_day SET value = value / 3 WHERE date = ? "
            "AND series IN ('close_fees_usd', 'position_fees_usd')",
            (str(DAY),),
        )
    never = yieldtrade.forecast(corrected.view(None, need="JLP"), "JLP", **options)
    assert now.running.apy.median == pytest.approx(never.running.apy.median, rel=1e-9)
    assert then.running.apy.median != pytest.approx(now.running.apy.median, rel=0.02)


@pytest.mark.parametrize("when", ["2025-12-20", "2025-12-23", "2025-12-30"])
def test_a_cut_equals_a_view_of_then_whatever_was_corrected(corrected, when):
    """The history of the default view, cut, is the history that a view of that moment gives."""
    moment = datetime.fromisoformat(when).replace(tzinfo=UTC)
    cut, then = (
        pool_history(corrected.view(None, need="JLP")).cut(moment),
        pool_history(corrected.view(moment)),
    )
    for name in SERIES:
        assert np.array_equal(cut.values[name], then.values[name], equal_nan=True)
        assert np.array_equal(cut.quality[name], then.quality[name])
    assert cut.official == then.official


def test_past_origins_do_not_see_the_correction(corrected):
    """Every past forecast is what it was before the correction was loaded, to the last bit."""
    past, now = (
        evaluate_forecasts(pool_history(corrected.view(when, need="JLP")), paths=20, horizons=2)
        for when in (BEFORE, None)
    )
    for name, centre in past.centre.items():
        assert np.array_equal(centre, now.centre[name][: len(centre)], equal_nan=True)


def test_a_figure_that_came_late_is_unknown_before(corrected, tmp_path):
    """A figure loaded with the moment it became known enters no origin before that."""
    load(
        corrected,
        tmp_path,
        "late.csv",
        "JLP,gross_fees_usd,2024-12-02,900000,,2025-03-01T00:00:00Z\n",
        LOADED,
    )
    history = pool_history(corrected.view(None, need="JLP"))
    day = np.datetime64("2024-12-02")
    for when, known in ((datetime(2025, 2, 1, tzinfo=UTC), False), (datetime(2025, 3, 2, tzinfo=UTC), True)):
        cut = history.cut(when)
        assert bool(np.isfinite(cut.values["gross_fees_usd"][cut.days == day][0])) is known
