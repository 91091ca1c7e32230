"""Published yields: which period each is of, and how they settle the forecast."""

from datetime import date

import numpy as np
import pytest
from forecast_facts import MemoryFacts, change, moment

from yieldtrade.forecast import forecast_apy, pool_history
from yieldtrade.forecast.baselines import baseline_points
from yieldtrade.forecast.evaluate import evaluate_forecasts
from yieldtrade.forecast.notes import quality_notes
from yieldtrade.forecast.official import official_periods
from yieldtrade.forecast.periods import calendar
from yieldtrade.forecast.simulate import WhatIf
from yieldtrade.forecast.target import build_target, definition_text, official_apy
from yieldtrade.market import MarketView, OfficialYield


def figure(at, apy, week=None, known_at=None):
    """A published yield seen at a moment."""
    days = [date.fromisoformat(day) for day in week] if week else [None, None]
    apr = 365 * np.expm1(np.log1p(apy) / 365)
    return OfficialYield(
        "JLP", moment(at), apr, apy, "made up", *days, known_at=moment(known_at) if known_at else None
    )


@pytest.fixture(scope="module")
def published(jlp_data):
    """Build a view of the bundled history with published yields."""
    series, changes = jlp_data

    def build(when, *figures, extra=()):
        facts = MemoryFacts(moment(when), series, (*changes, *extra), official=figures)
        return MarketView(as_of=moment(when), facts=facts)

    return build


def placed(view):
    """First day and APY of every official figure placed on the calendar."""
    history = pool_history(view)
    cal = calendar(history.pool.terms)
    return {str(cal.first_day(n)): apy for n, apy in official_periods(history, cal).apy.items()}


def test_a_published_figure_settles_its_period(published):
    """It takes the place of the measured one as target and as the last value known, to the last digit of the APY."""
    plain = build_target(pool_history(published("2025-12-16")))
    target = build_target(pool_history(published("2025-12-16", figure("2025-12-15T18:00", 0.0912))))
    last = target.calendar.number(np.datetime64("2025-12-08"))
    assert official_apy(target.outcome(last, "official"), 365) == pytest.approx(0.0912, rel=1e-12)
    assert [target.settled_by(last - back) for back in (-1, 0, 1, 30)] == [
        None,
        "official",
        "measured",
        "computed",
    ]
    assert plain.settled_by(last) == "measured"
    assert target.outcome(last, "measured") != plain.outcome(last, "measured")
    assert target.outcome(last - 1, "measured") == plain.outcome(last - 1, "measured")
    assert target.last_known() == last
    persistence = baseline_points(target, np.arange(1, 4))["persistence"] + np.log(0.75)
    assert official_apy(persistence, 365) == pytest.approx(np.full(3, 0.0912))
    assert (plain.definition, target.definition) == ("measured", "official")
    assert "as the pool published it, APR compounded 365 times" in definition_text(target)


@pytest.mark.parametrize(
    ("at", "period"),
    [
        ("2025-12-15T18:00", "2025-12-08"),
        ("2025-12-15T09:00", "2025-12-08"),
        ("2025-12-20T03:00", "2025-12-08"),
        ("2025-12-14T23:59", "2025-12-01"),
    ],
)
def test_a_figure_is_of_the_period_last_published(published, at, period):
    """Seen on the day of a publication it is the new one, on any day before the next one still the same."""
    assert placed(published("2025-12-31", figure(at, 0.09))) == {period: 0.09}


def test_a_figure_that_repeats_is_not_yet_the_new_one(published):
    """Before the hour of publication the old figure still stands and is not taken for the next period's."""
    seen = [figure(at, 0.09) for at in ("2025-12-13T12:00", "2025-12-15T09:00")]
    later = figure("2025-12-15T19:00", 0.12)
    assert placed(published("2025-12-31", *seen, later)) == {"2025-12-01": 0.09, "2025-12-08": 0.12}


def test_a_stated_week_counts_before_the_moment(published):
    """The days a figure says it covers decide; a week of another weekday is of no period, and that is told."""
    stated = figure("2025-12-30T12:00", 0.09, ("2025-12-01", "2025-12-07"))
    view = published("2025-12-31", stated, figure("2025-12-30T13:00", 0.2, ("2025-12-04", "2025-12-10")))
    assert placed(view) == {"2025-12-01": 0.09}
    history = pool_history(view)
    notes = quality_notes(history, build_target(history), WhatIf())
    assert "1 official figures cover no week of the calendar in force and are not used" in notes


def test_a_moved_publication_day_keeps_old_weeks_apart(published):
    """A figure of a Monday's week is of no period once weeks end on Thursdays."""
    moved = change("2025-12-26", publication__weekday="Friday")
    view = published(
        "2025-12-31", figure("2025-12-15T18:00", 0.09), figure("2025-12-27T00:00", 0.12), extra=(moved,)
    )
    assert placed(view) == {"2025-12-19": 0.12}


def test_the_running_period_says_what_settled_it(published):
    """After its last day a period is known: by measurement, and by the pool's own figure where that is out."""
    for figures, basis, apy in (
        ((), "measured", None),
        ((figure("2025-12-15T10:00", 0.0912),), "official", 0.0912),
    ):
        report = forecast_apy(published("2025-12-15T12:00", *figures), paths=200, track_record=False)
        assert (report.running.basis, report.upcoming[0].basis) == (basis, None)
        assert apy is None or report.running.apy.median == pytest.approx(apy)
        assert set(report.worlds.basis.values()) == {"measured", "computed", basis}


def test_a_disagreement_is_told_with_both_numbers(published):
    """Beyond 10 % the note names the period and both figures; within it there is none."""
    measured = float(
        official_apy(build_target(pool_history(published("2025-12-16"))).outcome(2919, "measured"), 365)
    )
    for factor, told in ((1.05, False), (1.5, True)):
        official = factor * measured
        history = pool_history(published("2025-12-16", figure("2025-12-15T18:00", official)))
        target = build_target(history)
        assert str(target.calendar.first_day(2919)) == "2025-12-08"
        notes = " ".join(quality_notes(history, target, WhatIf()))
        assert f"official over measured APY: {factor:.3f} at the median of 1 periods" in notes
        said = f"period from 2025-12-08 differ by more than 10%: {official:.2%} official, {measured:.2%} measured"
        assert (said in notes) is told


def test_figures_after_the_daily_history_are_known_too(published):
    """Two months after the daily series end, the last published figure is the last value known."""
    figures = (figure("2026-02-20T22:00", 0.0727), figure("2026-02-13T22:00", 0.1155))
    target = build_target(pool_history(published("2026-02-27T00:00", *reversed(figures))))
    assert str(target.calendar.first_day(target.last_known())) == "2026-02-13"
    report = forecast_apy(published("2026-02-27T00:00", *reversed(figures)), paths=300, track_record=False)
    assert 0.02 < report.upcoming[0].apy.median < 0.4


def test_the_bundled_figures_are_of_three_weeks(bundled):
    """The sixteen sightings of February 2026 are the figures of three periods that end on Thursdays."""
    view = bundled.view(moment("2026-02-27"))
    assert placed(view) == {"2026-01-30": 0.5248, "2026-02-06": 0.1155, "2026-02-13": 0.0727}


def test_the_record_is_scored_against_what_was_published(published):
    """Past forecasts are of the official figure once there is one, and a later figure enters no earlier origin."""
    figures = tuple(
        figure(f"{day}T18:00", 0.10 + 0.001 * n)
        for n, day in enumerate(np.arange(np.datetime64("2025-11-03"), np.datetime64("2025-12-30"), 7))
    )
    record, plain = (
        evaluate_forecasts(
            pool_history(published("2025-12-30", *known)), horizons=1, observed_days=1, paths=50
        )
        for known in (figures, ())
    )
    row = list(record.origins.astype(str)).index("2025-11-17")
    assert record.definitions[row] == "official"
    assert record.outcome[row, 0] == pytest.approx(0.103)
    assert record.centre["persistence"][row, 0] == pytest.approx(0.102)
    early = record.origins < np.datetime64("2025-11-03")
    assert early.any()
    assert np.array_equal(record.centre["persistence"][early], plain.centre["persistence"][early])


def test_a_correction_enters_no_origin_before_it_was_known(published):
    """A cut of the history holds the version of a figure known then; the history itself the last one."""
    view = published(
        "2025-12-30", figure("2025-11-10T18:00", 0.5), figure("2025-11-10T18:00", 0.1, known_at="2025-12-01")
    )
    history = pool_history(view)
    assert [found.apy for found in history.official] == [0.1]
    assert [found.apy for found in history.cut(moment("2025-11-30")).official] == [0.5]
    assert [found.apy for found in history.cut(moment("2025-12-02")).official] == [0.1]
    assert history.cut(moment("2025-11-10T17:00")).official == ()
