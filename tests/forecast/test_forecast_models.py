"""The fitted models: volume, fees on volume, TVL and the card, against known laws and other libraries."""

import numpy as np
import pytest
from forecast_facts import change, moment
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.stattools import durbin_watson

from yieldtrade.forecast import (
    fit_apy_model,
    fit_fee_model,
    fit_tvl_model,
    fit_volume_model,
    pool_history,
)
from yieldtrade.forecast.card import capped_tvl
from yieldtrade.forecast.fees import fee_line, regime_starts
from yieldtrade.forecast.har import fit_har, least_squares, regressors, step, trailing_mean
from yieldtrade.forecast.target import build_target
from yieldtrade.forecast.tvl import shrunk
from yieldtrade.market import MarketView

LOGS = st.one_of(st.just(float("nan")), st.floats(min_value=-5, max_value=25))


@given(arrays(float, st.integers(min_value=1, max_value=60), elements=LOGS), st.integers(1, 28))
@settings(max_examples=60)
def test_trailing_mean_is_the_mean_of_known_days_before(values, width):
    """Each mean is over the days before, without the day itself, and only where half of them are known."""
    expected = []
    for day in range(len(values)):
        before = values[max(0, day - width) : day]
        known = before[np.isfinite(before)]
        expected.append(known.mean() if len(known) >= max(0.5 * width, 1) else np.nan)
    assert trailing_mean(values, width, max(0.5 * width, 1)) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_least_squares_agrees_with_lapack():
    """The normal equations give the solution of numpy's own solver."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(200, 3)), rng.normal(size=200)
    assert least_squares(x, y) == pytest.approx(np.linalg.lstsq(x, y, rcond=None)[0], rel=1e-10)


def test_least_squares_gives_no_weight_to_a_constant():
    """A column that varies by rounding alone gets no weight, and the others are as without it."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(200, 2)), rng.normal(size=200)
    flat = np.column_stack([x[:, 0], 1e-16 * rng.normal(size=200), x[:, 1]])
    weights = least_squares(flat, y)
    assert weights[1] == 0.0
    assert weights[[0, 2]] == pytest.approx(least_squares(x, y), rel=1e-12)


def test_har_recovers_its_weights():
    """A long series made with weights 0.4 and 0.35 gives them back within three standard errors."""
    rng = np.random.default_rng(5)
    values = np.zeros(6_000)
    for day in range(28, len(values)):
        month = values[day - 28 : day].mean()
        values[day] = 0.4 * values[day - 1] + 0.35 * values[day - 7 : day].mean() + 0.25 * month
        values[day] += 0.1 * rng.normal()
    har = fit_har(values, np.ones(len(values), dtype=bool))
    past, _ = regressors(values, np.ones(len(values), dtype=bool))
    known = past[np.isfinite(past).all(axis=1)]
    errors = 0.1 * np.sqrt(np.diag(np.linalg.inv(known.T @ known)))
    assert (np.abs(har.weights - [0.4, 0.35]) < 3 * errors + 0.01).all()


def test_har_expects_a_constant_to_stay():
    """A constant series is expected to stay, whatever the weights."""
    har = fit_har(np.full(100, 19.0), np.ones(100, dtype=bool))
    assert step(har, 19.0, 7 * 19.0, 28 * 19.0) == pytest.approx(19.0, rel=1e-14)
    assert np.nanmax(np.abs(har.residuals)) < 1e-12


def test_uncertain_days_do_not_enter_the_fit_alone():
    """Moving a volume to a neighbouring uncertain day changes no regression row of its own."""
    rng = np.random.default_rng(6)
    values, by_day = rng.normal(size=200), np.ones(200, dtype=bool)
    by_day[80:110] = False
    assert fit_har(values, by_day).rows == 200 - 14 - 30
    assert np.isfinite(fit_har(values, by_day).residuals[85])


def fee_world(slope, noise, seed=7, days=400, early=0.0):
    """Volume, and fees with a known slope; before day 150 the log fee rate is higher by ``early``."""
    rng = np.random.default_rng(seed)
    volume = 500e6 * np.exp(0.5 * rng.normal(size=days))
    rate = np.log(8e-4) + slope * np.log(volume / 500e6) + noise * rng.normal(size=days)
    rate[:150] += early
    return {
        "volume_usd": volume,
        "gross_fees_usd": volume * np.exp(rate),
        "tvl_usd": np.full(days + 1, 1e9),
    }


def test_fee_slope_is_recovered(made_view):
    """A made pool's elasticity of 0.15 comes back within three standard errors, in all three fits."""
    model = fit_fee_model(pool_history(made_view("2024-02-05", "2023-01-01", **fee_world(0.15, 0.2))))
    assert abs(model.slope - 0.15) < 3 * model.log_fit["b"].std_error
    assert abs(model.huber_fit["b"].estimate - 0.15) < 3 * model.huber_fit["b"].std_error
    assert model.log_fit["b"].std_error < 0.05
    assert model.implied_bps_median == pytest.approx(8.0, rel=0.05)
    assert model.implied_bps_p95 > model.implied_bps_median
    assert model.base_bps == 10


def test_fee_slope_covers_at_its_rate(made_world):
    """Over 100 made worlds the slope lies within three Newey-West errors of the truth at least 97 times."""
    within = 0
    for seed in range(100):
        history = pool_history(made_world(seed, weeks=26)[0])
        line = fee_line(history, build_target(history))
        within += abs(line.slope - 0.15) < 3 * line.slope_se
    assert within >= 97


def test_one_slope_and_one_error_two_ways(jlp_view):
    """The slope and error that forecasts use are those of the regression with dummies in statsmodels."""
    history = pool_history(jlp_view("2026-01-01"))
    line = fee_line(history, build_target(history))
    model = fit_fee_model(history)
    assert model.log_fit["b"].estimate == pytest.approx(line.slope, rel=1e-9)
    assert model.log_fit["b"].std_error == pytest.approx(line.slope_se, rel=1e-9)
    assert model.log_fit["a"].estimate == pytest.approx(line.intercept, rel=1e-9)
    rows = line.group >= 0
    assert model.durbin_watson == pytest.approx(durbin_watson(line.residuals[rows]), rel=1e-9)


def test_fees_of_2025_have_the_elasticity_of_the_record(jlp_view):
    """February to December 2025: log fees on log volume has slope 1.15 and R squared 0.85, fees bend upward."""
    history = pool_history(jlp_view("2026-01-01"))
    line = fee_line(history, build_target(history))
    oc = (history.days >= np.datetime64("2025-02-01")) & (line.group >= 0)
    x, y = line.x[oc], line.y[oc] + line.x[oc]
    plain = OLS(y, np.column_stack([np.ones(len(x)), x])).fit()
    assert plain.params[1] == pytest.approx(1.15, abs=0.05)
    assert plain.rsquared == pytest.approx(0.85, abs=0.05)
    model = fit_fee_model(history)
    assert 1 + model.slope == pytest.approx(1.15, abs=0.05)
    assert model.linear_fit["c"].estimate < 0
    assert model.linear_fit["k"].estimate == pytest.approx(16e-4, abs=4e-4)


def test_huber_shrugs_off_outliers(made_view):
    """Ten days of absurd fees at high volume bend the least squares line and hardly the robust one."""
    world = fee_world(0.15, 0.05)
    high = np.argsort(world["volume_usd"])[-10:]
    world["gross_fees_usd"][high] *= 4
    model = fit_fee_model(pool_history(made_view("2024-02-05", "2023-01-01", **world)))
    assert model.log_fit["b"].estimate - 0.15 > 0.1
    assert abs(model.huber_fit["b"].estimate - 0.15) < 0.05


def test_a_fee_change_gets_its_own_intercept(made_view):
    """Where the schedule changed, the fit takes both sides, and the check finds the size of the step."""
    world = fee_world(0.15, 0.1, early=0.3)
    plain = made_view("2024-02-05", "2023-01-01", **world).facts
    changed = change("2023-05-31", trade__base_bps=7)
    plain.known_pool = type(plain.known_pool)(
        pool_id="JLP",
        name="JLP",
        terms=plain.known_pool.terms.overlaid("JLP", changed[1]),
        changes=(*plain.known_pool.changes, changed),
    )
    history = pool_history(MarketView(as_of=moment("2024-02-05"), facts=plain))
    assert [day for day, _ in regime_starts(history, ("trade.base_bps",))] == [np.datetime64("2023-05-31")]
    model = fit_fee_model(history)
    assert model.log_fit["regime 1"].estimate == pytest.approx(0.3, abs=3 * 0.03)
    (check,) = model.breaks
    assert check.what == "trade.base_bps 10 -> 7"
    assert check.shift == pytest.approx(-0.3, abs=4 * check.std_error)


def test_changes_with_no_day_between_are_one_break(jlp_view):
    """The two fee cuts of mid 2024, between which no volume has a sure date, are one step, and not read off 2025."""
    early, late = (
        fit_fee_model(pool_history(jlp_view(when))).breaks for when in ("2024-11-15", "2026-01-01")
    )
    cut = "2024-06-07: trade.base_bps 10 -> 7, trade.impact.model none -> linear; 2024-07-11: trade.base_bps 7 -> 6"
    assert [check.what for check in early] == [cut]
    days = ["2024-06-07", "2025-06-03", "2025-09-17", "2025-12-02"]
    assert [str(check.day) for check in late] == days
    assert late[0].what == cut
    # fees of opens and closes, lower than gross ones, are a change of basis and no part of the cut
    assert late[0].shift == pytest.approx(early[0].shift, abs=2 * early[0].std_error)


def test_a_young_regime_joins_the_one_before(made_view):
    """With fewer than 30 days since a change there is no dummy for it; no day is lost."""
    facts = made_view("2024-02-05", "2023-01-01", **fee_world(0.15, 0.1)).facts
    changed = change("2024-01-20", trade__base_bps=7)
    facts.known_pool = type(facts.known_pool)(
        pool_id="JLP",
        name="JLP",
        terms=facts.known_pool.terms,
        changes=(*facts.known_pool.changes, changed),
    )
    history = pool_history(MarketView(as_of=moment("2024-02-05"), facts=facts))
    line = fee_line(history, build_target(history))
    assert len(line.intercepts) == 1
    assert (line.group == 0).sum() == 400


def test_constant_volume_has_no_slope(made_view):
    """Where volume never varies the slope is 0 and unknown, and nothing fails."""
    view = made_view(
        "2024-04-01", "2024-01-01", volume_usd=[1e6] * 91, gross_fees_usd=[1e3] * 91, tvl_usd=[1e7] * 92
    )
    model = fit_fee_model(pool_history(view))
    assert model.slope == 0.0
    assert model.huber_fit is None
    assert np.isnan(model.log_fit["b"].std_error)
    assert model.implied_bps_median == pytest.approx(10.0)


def test_volume_model_reports_its_weights(jlp_view):
    """The weights forecasts use lie near plain least squares; a shock fades within days."""
    model = fit_volume_model(pool_history(jlp_view("2026-01-01")))
    for weight, name in zip(model.weights, ("w1", "w7"), strict=True):
        assert abs(weight - model.fit[name].estimate) < model.fit[name].std_error
    assert 1 <= model.half_life_days <= 7
    assert 1e8 < model.level_usd < 4e8


def test_drift_is_shrunk_and_damped():
    """A drift four errors from zero is nearly kept, one error is halved, none stays none."""
    assert shrunk(0.02, 0.005) == pytest.approx(0.02 * 16 / 17)
    assert shrunk(-0.02, 0.02) == pytest.approx(-0.01)
    assert shrunk(0.0, 0.0) == 0.0


def test_tvl_drift_halves_every_week(made_view):
    """A TVL that grows 1 % a day is expected to go on, by half as much each week."""
    view = made_view("2024-04-01", "2024-01-01", tvl_usd=1e8 * np.exp(0.01 * np.arange(92)))
    model = fit_tvl_model(pool_history(view))
    assert np.isnan(model.response)
    path = model.drift_path(29)
    assert path[0] == pytest.approx(0.01)
    assert path[7::7] / path[:-7:7] == pytest.approx(0.5)
    assert model.cap_usd is None
    assert model.daily_sd == pytest.approx(0.0, abs=1e-12)


def attracted(response, weeks=80, seed=31):
    """A pool whose TVL grows in a week by ``response`` times the log of the last week's APR over its mean."""
    rng = np.random.default_rng(seed)
    log_apr = np.log(0.3) + 0.4 * rng.normal(size=weeks)
    growth = 0.01 * rng.normal(size=weeks)
    growth[1:] += response * (log_apr[:-1] - log_apr.mean())
    tvl = 1e9 * np.exp(np.concatenate([[0.0], np.repeat(growth / 7, 7)]).cumsum())
    fees = np.repeat(np.exp(log_apr), 7) * tvl[:-1] / 365 / 0.7
    return log_apr, {"volume_usd": 1e3 * fees, "gross_fees_usd": fees, "tvl_usd": tvl}


def test_flows_follow_the_last_yield(made_view):
    """A response of 0.1 a week comes back within three errors, and pulls TVL by it over seven days."""
    log_apr, arrays = attracted(0.1)
    as_of = str(np.datetime64("2024-01-01") + 7 * 80)
    model = fit_tvl_model(pool_history(made_view(as_of, "2024-01-01", **arrays)))
    assert abs(model.response - 0.1) < 3 * model.response_se
    assert model.response_weeks == 79
    gap = log_apr[-1] - log_apr.mean()
    assert model.pull == pytest.approx(shrunk(model.response, model.response_se) * gap / 7, rel=0.02)
    assert model.drift_path(1)[0] == pytest.approx((model.drift + model.pull) / 2, rel=1e-12)


@pytest.mark.parametrize(("response", "weeks"), [(0.0, 80), (-0.1, 80), (0.1, 20)])
def test_flows_without_a_proven_response_have_no_pull(made_view, response, weeks):
    """None, a wrong sign, or too few weeks: the drift alone goes on."""
    _, arrays = attracted(response, weeks)
    as_of = str(np.datetime64("2024-01-01") + 7 * weeks)
    model = fit_tvl_model(pool_history(made_view(as_of, "2024-01-01", **arrays)))
    assert model.pull is None
    assert model.drift_path(1)[0] == model.drift


def test_cap_comes_from_the_dated_terms(jlp_view):
    """The limit of 3 billion is in force from 27 February 2026 and not known before."""
    assert fit_tvl_model(pool_history(jlp_view("2026-02-26"))).cap_usd is None
    assert fit_tvl_model(pool_history(jlp_view("2026-02-28"))).cap_usd == 3e9


def test_card_recovers_its_elasticities(made_view):
    """Weekly APR made as V to 0.8 over A to 0.6 gives both back within four standard errors."""
    rng = np.random.default_rng(8)
    days = 7 * 90
    volume = 500e6 * np.exp(np.repeat(0.4 * rng.normal(size=90), 7))
    tvl = 1e9 * np.exp(np.repeat(0.3 * rng.normal(size=90), 7))
    apr = (
        0.4 * (volume / 500e6) ** 0.8 * (tvl / 1e9) ** -0.6 * np.exp(np.repeat(0.05 * rng.normal(size=90), 7))
    )
    view = made_view(
        str(np.datetime64("2024-01-01") + days),
        "2024-01-01",
        volume_usd=volume,
        gross_fees_usd=apr * tvl / 365 / 0.7,
        tvl_usd=tvl,
    )
    model = fit_apy_model(pool_history(view))
    assert abs(model.fit["b"].estimate - 0.8) < 4 * model.fit["b"].std_error
    assert abs(model.fit["c"].estimate - 0.6) < 4 * model.fit["c"].std_error
    assert (model.card.b, model.card.c) == pytest.approx(
        (model.fit["b"].estimate, model.fit["c"].estimate), rel=1e-9
    )
    assert model.fit.r_squared > 0.95


def test_card_counts_no_more_than_the_limit(made_view):
    """Where the recorded TVL lies above the AUM limit of its date, the card takes the limit, else the TVL."""
    tvl = np.repeat([400e6, 900e6], 70)
    view = made_view(
        "2024-05-20",
        "2024-01-01",
        {"aum_limit_usd": 700e6},
        volume_usd=[50e6] * 140,
        gross_fees_usd=[50e3] * 140,
        tvl_usd=tvl,
    )
    history = pool_history(view)
    found = capped_tvl(history, build_target(history))
    assert found[:10] == pytest.approx([400e6] * 10)
    assert found[10:20] == pytest.approx([700e6] * 10)
