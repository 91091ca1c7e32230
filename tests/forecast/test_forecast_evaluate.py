"""The track record: strictly as of each origin, scored fairly, reported also when bad."""

import numpy as np
import pytest
from forecast_facts import MemoryFacts

from yieldtrade.errors import DomainError, MissingDataError
from yieldtrade.forecast import evaluate_forecasts, pool_history
from yieldtrade.forecast.baselines import BASELINES, baseline_points
from yieldtrade.forecast.candidates import CANDIDATES, raw_forecast
from yieldtrade.forecast.evaluate import SEED
from yieldtrade.forecast.scores import crps, inside
from yieldtrade.forecast.scoring import LEAST_ERRORS, SELECTED, Forecasts, Scored
from yieldtrade.forecast.target import build_target, official_apy
from yieldtrade.market import MarketView


@pytest.fixture(scope="module")
def history(jlp_view):
    """The bundled history as of the first moment of 2026."""
    return pool_history(jlp_view("2026-01-01"))


@pytest.fixture(scope="module")
def record(history):
    """Its track record."""
    return evaluate_forecasts(history)


def test_every_origin_saw_only_its_own_past(jlp_view, record):
    """The forecast on record for a week is the one a view of its first moment makes."""
    for place in (20, 50, 85):
        day = record.origins[place]
        seen = pool_history(jlp_view(f"{day}T00:00:00"))
        target = build_target(seen)
        number = target.calendar.number(day)
        raw = raw_forecast(seen, target, end=number + 8, paths=400, seed=(SEED, number))
        ahead = slice(number - raw.paths.first, None)
        for name in (*CANDIDATES, *BASELINES):
            expected = official_apy(raw.centre[name][ahead], 365)
            assert (record.centre[name][place] == expected).all()


def test_rows_after_an_origin_change_nothing_before(jlp_data, history, record):
    """Doubling every figure after a day leaves all earlier forecasts equal to the last bit."""
    series, changes = jlp_data
    last = np.datetime64("2025-05-05")
    later = {
        name: (days, np.where(np.array(days, dtype="datetime64[D]") >= last, 2.0, 1.0) * values, quality)
        for name, (days, values, quality) in series.items()
    }
    facts = MemoryFacts(history.as_of, later, changes)
    other = evaluate_forecasts(pool_history(MarketView(as_of=history.as_of, facts=facts)))
    # the TVL dated the last day is known on it
    before = record.origins < last
    assert before.sum() > 50
    for name in (*CANDIDATES, *BASELINES):
        assert (other.centre[name][: before.sum()] == record.centre[name][before]).all()
    assert (other.chosen[: before.sum()] == record.chosen[before]).all()
    assert (other.scale[: before.sum()] == record.scale[before]).all()


def test_outcomes_are_the_weeks_that_came(history, record):
    """The outcome at horizon h of an origin is the yield of the period h weeks on, in the same definition."""
    target = build_target(history)
    place = int(np.flatnonzero(record.origins == np.datetime64("2025-10-06"))[0])
    assert record.definitions[place] == "measured"
    number = target.calendar.number(record.origins[place])
    expected = [float(official_apy(target.outcome(number + h, "measured"), 365)) for h in range(8)]
    assert record.outcome[place] == pytest.approx(expected, rel=1e-12)


def test_persistence_has_no_skill_over_itself(record):
    """Skill is counted against other models only; persistence is the mark, not a contestant."""
    assert np.isnan(record.score("skill_crps_vs_persistence", 1, "persistence"))
    mean = np.nanmean(record.crps["persistence"][:, 0])
    ours = np.nanmean(record.crps[SELECTED][:, 0])
    assert record.score("skill_crps_vs_persistence", 1) == pytest.approx(1 - ours / mean)


def test_the_record_reaches_its_goal(record):
    """CRPS skill over persistence: at least 10 % at one week, never negative up to eight; coverage near 80 %."""
    skill = [record.score("skill_crps_vs_persistence", h) for h in range(1, 9)]
    assert skill[0] >= 0.10
    assert min(skill) >= 0.0
    assert max(skill) < 0.3, "half of the error gone would be a look ahead"
    coverage = [record.score("coverage_80", h) for h in range(1, 8)]
    assert 0.75 <= np.mean(coverage) <= 0.85
    assert abs(record.score("coverage_80", 1) - 0.8) <= 0.05


def test_raw_and_calibrated_coverage_are_both_on_record(record):
    """Every horizon tells what the simulation alone would have covered."""
    for h in range(1, 9):
        assert 0 <= record.score("raw_coverage_80", h) <= 1
        assert (
            record.score("coverage_50", h) <= record.score("coverage_80", h) <= record.score("coverage_95", h)
        )


def test_transforms_fill_the_histogram(record):
    """Each scored forecast falls in one of ten bins."""
    scored = int(np.isfinite(record.crps[SELECTED][:, 0]).sum())
    assert record.pit_histogram(1).sum() == scored
    assert scored > 60


def test_the_combination_is_the_model_and_the_mean_of_four_weeks(record):
    """Where no day is observed its centre is half the simulation's median and half the mean of four weeks, in logs."""
    log_apr = {
        name: np.log(365 * np.expm1(np.log1p(record.centre[name]) / 365))
        for name in ("structural", "mean_4", "combination")
    }
    half = (log_apr["structural"] + log_apr["mean_4"]) / 2
    assert log_apr["combination"] == pytest.approx(half, rel=1e-9)


def test_an_observed_week_is_forecast_better(history):
    """With three days observed the error of the running week is smaller than with none."""
    none, three = (evaluate_forecasts(history, horizons=1, observed_days=days) for days in (0, 3))
    assert three.score("mae_log", 1) < 0.8 * none.score("mae_log", 1)
    assert three.score("coverage_80", 1) == pytest.approx(0.8, abs=0.08)


def made_forecasts(rng, origins=30, horizons=2, paths=99):
    """Forecasts with known errors, for a scoring by hand."""
    outcome = -2 + 0.3 * rng.normal(size=(origins, horizons))
    centre = {name: outcome + 0.2 * rng.normal(size=outcome.shape) for name in (*CANDIDATES, *BASELINES)}
    outcome[-1] = np.nan
    return Forecasts(
        number=100 + np.arange(origins),
        outcome=outcome,
        centre=centre,
        deviations=np.sort(0.2 * rng.normal(size=(origins, horizons, paths)), axis=2),
        compounding=365.0,
    )


def test_a_baseline_is_scored_with_the_errors_known_then():
    """Origin 20 at two weeks: persistence plus its errors of origins 0 to 18, whose outcomes were in."""
    forecasts = made_forecasts(np.random.default_rng(1))
    scored = Scored(forecasts)
    errors = (forecasts.outcome - forecasts.centre["persistence"])[:19, 1]
    samples = np.sort(np.log(official_apy(forecasts.centre["persistence"][20, 1] + errors, 365)))
    came = np.log(official_apy(forecasts.outcome[20, 1], 365))
    assert scored.metrics["persistence"]["crps"][20, 1] == pytest.approx(
        float(crps(samples, came)), rel=1e-12
    )


def test_a_candidate_is_scored_with_the_factor_known_then():
    """Origin 20 at one week: the factor is the conformal one of origins 0 to 19, then the raw spread times it."""
    forecasts = made_forecasts(np.random.default_rng(2))
    scored = Scored(forecasts)
    centre, spread = forecasts.centre["card"], forecasts.deviations
    surprise = []
    for place in range(20):
        error = forecasts.outcome[place, 0] - centre[place, 0]
        low, high = np.quantile(spread[place, 0], (0.1, 0.9))
        surprise.append(error / high if error >= 0 else error / low)
    factor = np.sort(surprise)[16]  # ceil(21 x 0.8) = 17th of 20
    samples = centre[20, 0] + factor * spread[20, 0]
    logs = np.log(official_apy(samples, 365))
    came = np.log(official_apy(forecasts.outcome[20, 0], 365))
    assert scored.metrics["card"]["crps"][20, 0] == pytest.approx(float(crps(logs, came)), rel=1e-12)
    covered = inside(samples[None], forecasts.outcome[20:21, 0], 0.8)[0]
    assert scored.metrics["card"]["coverage_80"][20, 0] == float(covered)


def test_nothing_is_scored_before_errors_are_known():
    """At one week the ninth origin is the first with eight known errors, at two weeks the tenth."""
    values = Scored(made_forecasts(np.random.default_rng(3))).metrics["persistence"]["crps"]
    assert np.flatnonzero(np.isfinite(values[:, 0]))[0] == LEAST_ERRORS
    assert np.flatnonzero(np.isfinite(values[:, 1]))[0] == LEAST_ERRORS + 1
    assert np.isnan(values[-1]).all()


def test_a_clearly_better_model_is_chosen_from_then_on():
    """A candidate that is always right replaces the combination once its past says so, never before."""
    forecasts = made_forecasts(np.random.default_rng(4), origins=60)
    forecasts.centre["structural"][:-1] = forecasts.outcome[:-1]
    scored = Scored(forecasts)
    assert (scored.chosen[: 2 * LEAST_ERRORS, 0] == "combination").all()
    assert (scored.chosen[30:, 0] == "structural").all()
    assert scored.now[0].model == "structural"


def test_baselines_by_hand(made_view):
    """Persistence and the mean of four weeks, in logs of APR over share, for fees that double weekly."""
    fees = np.repeat(1e3 * 2.0 ** np.arange(10), 7)
    view = made_view(
        "2024-03-11", "2024-01-01", volume_usd=[1e6] * 70, gross_fees_usd=fees, tvl_usd=[1e8] * 71
    )
    target = build_target(pool_history(view))
    points = baseline_points(target, np.array([1, 2]))
    last = np.log(365 * fees[-1] / 1e8)
    assert points["persistence"] == pytest.approx([last, last])
    assert points["mean_4"] == pytest.approx([last - 1.5 * np.log(2)] * 2)
    # a random walk with drift: the slope is one, each week adds log 2
    assert points["ar1"] == pytest.approx([last + np.log(2), last + 2 * np.log(2)])


@pytest.mark.parametrize(
    "arguments", [{"horizons": 0}, {"paths": 0}, {"observed_days": 7}, {"seed": -1}, {"horizons": True}]
)
def test_senseless_arguments_are_refused(history, arguments):
    """Horizons, paths and days out of range are named."""
    with pytest.raises(DomainError, match=next(iter(arguments))):
        evaluate_forecasts(history, **arguments)


def test_a_short_history_has_no_record(jlp_view):
    """Fewer than 60 usable days: refused, not an empty table."""
    with pytest.raises(MissingDataError, match="usable days"):
        evaluate_forecasts(pool_history(jlp_view("2024-03-01")))


def test_sixty_days_have_a_record_without_scores(jlp_view):
    """With just enough days there are no past errors: every score is NaN and nothing is calibrated."""
    record = evaluate_forecasts(pool_history(jlp_view("2024-04-04")), horizons=2)
    assert np.isnan(record.score("crps", 1))
    assert [item.scale for item in record.now] == [1.0, 1.0]
