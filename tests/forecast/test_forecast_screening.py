"""One wrong row, of any series and any size, does not move a forecast beyond reason."""

import numpy as np
import pytest
from forecast_facts import MemoryFacts, moment

from yieldtrade.forecast import forecast_apy
from yieldtrade.forecast.data import CLOSE, GROSS, MEASURED, POSITION, TVL, VOLUME
from yieldtrade.market import MarketView

# A moment at which each series is alive, and days of it: the last known, one of the last week, one long past.
ALIVE = {
    VOLUME: ("2025-12-29", ("2025-12-28", "2025-12-24", "2025-06-10")),
    TVL: ("2025-12-26T12:00", ("2025-12-26", "2025-12-22", "2025-06-10")),
    MEASURED: ("2025-12-29", ("2025-12-28", "2025-12-21", "2025-10-05")),
    CLOSE: ("2025-12-29", ("2025-12-28", "2025-12-24", "2025-06-10")),
    POSITION: ("2025-12-29", ("2025-12-28", "2025-12-24", "2025-11-20")),
    GROSS: ("2024-11-18", ("2024-11-17", "2024-11-13", "2024-04-10")),
}
FACTORS = (1e-6, 1e-3, 1e-2, 1e2, 1e3, 1e6)


@pytest.fixture(scope="module")
def contaminated(jlp_data):
    """Build a view of the bundled history with one figure multiplied by a factor."""
    series, changes = jlp_data

    def build(when, name, day, factor):
        days, values, quality = series[name]
        wrong = [value * factor if d == day else value for d, value in zip(days, values, strict=True)]
        facts = MemoryFacts(moment(when), {**series, name: (days, wrong, quality)}, changes)
        return MarketView(as_of=moment(when), facts=facts)

    return build


def figures(report):
    """Every figure of the periods."""
    return np.array(
        [[*p.apy.quantiles.values(), p.apy.mean, p.fees_usd.mean, p.tvl_usd.mean] for p in report.periods]
    )


@pytest.mark.parametrize("series", ALIVE)
def test_one_wrong_row_does_not_move_the_forecast(contaminated, series):
    """A figure a hundred times or more off moves no median by a quarter, makes nothing infinite, and is told."""
    when, days = ALIVE[series]
    clean = forecast_apy(contaminated(when, series, days[0], 1.0), paths=500, track_record=False)
    for day in days:
        for factor in FACTORS:
            report = forecast_apy(contaminated(when, series, day, factor), paths=500, track_record=False)
            assert np.isfinite(figures(report)).all()
            for mine, theirs in zip(report.periods, clean.periods, strict=True):
                assert mine.apy.median == pytest.approx(theirs.apy.median, rel=0.25), (day, factor)
            assert any(
                f"{series} of {day} = " in note for note in report.notes if note.startswith("left out")
            )


def test_the_track_record_survives_a_wrong_row(contaminated):
    """The calibrated forecast stays near too, since the wrong row entered no past forecast."""
    when = ALIVE[TVL][0]
    clean, wrong = (
        forecast_apy(contaminated(when, TVL, "2025-12-22", factor), paths=500) for factor in (1.0, 1e-3)
    )
    assert wrong.running.apy.median == pytest.approx(clean.running.apy.median, rel=0.25)
    assert np.isfinite(figures(wrong)).all()
    scores = (clean.track_record.score("crps_apy", 1), wrong.track_record.score("crps_apy", 1))
    assert scores[1] == pytest.approx(scores[0], rel=0.1)
