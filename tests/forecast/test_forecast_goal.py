"""The record of the nowcast, and the goals a record is held against."""

from dataclasses import replace

import numpy as np
import pytest

from yieldtrade.forecast import evaluate_forecasts, evaluate_nowcast, goals, pool_history
from yieldtrade.forecast.scoring import SELECTED


@pytest.fixture(scope="module")
def history(jlp_view):
    """The bundled history as of the first moment of 2026."""
    return pool_history(jlp_view("2026-01-01"))


@pytest.fixture(scope="module")
def record(history):
    """Its track record."""
    return evaluate_forecasts(history)


@pytest.fixture(scope="module")
def nowcast(history):
    """The record of its running weeks."""
    return evaluate_nowcast(history)


def test_every_observed_day_helps(nowcast):
    """Error, score and width fall with each of six days observed, over the same weeks."""
    assert len(nowcast.weeks) > 60
    for metric in ("mae_log", "crps", "width_80"):
        assert (np.diff(nowcast.figure(metric)) < 0).all()
    assert (np.diff(nowcast.figure("skill_crps_vs_persistence")) > 0).all()
    assert np.abs(nowcast.figure("coverage_80") - 0.8).max() < 0.08


def test_the_nowcast_of_no_day_is_the_forecast_of_one_week(record, nowcast):
    """With nothing observed it is the record's first horizon, but for other draws of the simulation."""
    for metric in ("mae_log", "median_ae_log", "crps", "pinball"):
        assert nowcast.figure(metric)[0] == pytest.approx(record.score(metric, 1), rel=0.03)


def test_the_nowcast_has_a_row_a_day_and_figure(nowcast):
    """Seven rows a metric, all of one set of weeks."""
    frame = nowcast.to_frame()
    assert (
        frame.groupby("metric")["days_observed"].apply(list).map(lambda days: days == list(range(7)))
    ).all()
    assert (frame["origins"] == len(nowcast.weeks)).all()


def test_goals_are_sentences(record, nowcast):
    """Skill at each horizon on both scales, coverage at each with its error, and two goals of the nowcast."""
    found = goals(record, nowcast)
    assert len(found) == 8 + 8 + 8 + 2
    skill = record.score("skill_crps_vs_persistence", 1)
    assert str(found[0]) == f"CRPS skill of log APY at one week {100 * skill:.1f} % (goal at least 10 %): met"
    assert str(found[16]).startswith("coverage of the 80 % interval at one week ")
    # independent weeks: the error of a share
    share, n = record.score("coverage_80", 1), int(np.isfinite(record.crps[SELECTED][:, 0]).sum())
    assert found[16].sampling_error == pytest.approx(np.sqrt(share * (1 - share) / (n - 1)), rel=0.01)
    assert "+/-" in str(found[16])
    assert [goal.percent for goal in found[-2:]] == [False, False]


def test_a_goal_missed_is_called_so(record, nowcast):
    """A skill of 9.9 % at one week, a negative one later, a coverage of 86 % and a flat nowcast all miss."""
    worse = {"skill_crps_vs_persistence": {1: 0.099, 2: -0.001}, "coverage_80": {3: 0.86, 4: 0.85}}
    scores = tuple(
        replace(s, value=worse.get(s.metric, {}).get(s.horizon, s.value)) if s.model == SELECTED else s
        for s in record.scores
    )
    flat = replace(nowcast, records=(nowcast.records[1], *nowcast.records[1:]))
    found = {goal.what: goal for goal in goals(replace(record, scores=scores), flat)}
    assert not found["CRPS skill of log APY at one week"].met
    assert not found["CRPS skill of log APY at two weeks"].met
    assert not found["coverage of the 80 % interval at three weeks"].met
    assert found["coverage of the 80 % interval at four weeks"].met
    assert str(found["error of log APY with 0 to 6 days observed"]).endswith(": not met")


def test_what_was_never_scored_meets_no_goal(jlp_view):
    """Sixty days have no scores: every goal is open, none is met by accident."""
    history = pool_history(jlp_view("2024-04-04"))
    found = goals(evaluate_forecasts(history, horizons=2), evaluate_nowcast(history))
    assert len(found) == 2 + 2 + 2 + 2
    assert not any(goal.met for goal in found)
    assert "nan" in str(found[0])
