"""The report: closed forms, look-ahead guard, holding periods, and what is refused."""

import subprocess
import sys
from datetime import timedelta

import numpy as np
import pytest
from forecast_facts import MemoryFacts, moment

import yieldtrade
from yieldtrade.errors import (
    DomainError,
    ExpiredError,
    MarketDefinitionError,
    MissingDataError,
    UnknownNameError,
)
from yieldtrade.forecast import forecast_apy, pool_history
from yieldtrade.forecast.scenarios import pool_sizes
from yieldtrade.forecast.target import build_target
from yieldtrade.market import MarketView

QUICK = {"paths": 200, "track_record": False}


def constant(made_view, days=140, **terms):
    """A pool whose volume, fees and TVL never change, at the start of a Monday."""
    return made_view(
        str(np.datetime64("2024-01-01") + days),
        "2024-01-01",
        terms or None,
        volume_usd=[50e6] * days,
        gross_fees_usd=[50e3] * days,
        tvl_usd=[400e6] * (days + 1),
    )


@pytest.mark.parametrize("track_record", [True, False])
def test_constant_fees_and_tvl_give_the_closed_form(made_view, track_record):
    """Every quantile of every period is (1 + APR/365)^365 - 1 with APR = 365 x 0.7 x 50,000 / 400 million."""
    report = forecast_apy(constant(made_view), paths=50, track_record=track_record)
    expected = (1 + 0.7 * 50e3 / 400e6) ** 365 - 1
    for period in report.periods:
        assert list(period.apy.quantiles.values()) == pytest.approx([expected] * 7, rel=1e-10)
        assert period.apy.mean == pytest.approx(expected, rel=1e-10)
        assert period.volume_usd.median == pytest.approx(7 * 50e6, rel=1e-10)
        assert period.fees_usd.median == pytest.approx(7 * 50e3, rel=1e-10)
        assert period.tvl_usd.median == pytest.approx(400e6, rel=1e-10)
    held = report.yield_forecast(report.as_of, report.as_of + timedelta(days=100))
    assert held.mean_apy == pytest.approx(expected, rel=1e-10)
    assert held.sd_apy == pytest.approx(0.0, abs=1e-9)


def test_what_is_assumed_enters_the_closed_form(made_view):
    """With volume, fee and share stated: APR = 365 x 0.75 x V x 6 bps / A (the seed's second example)."""
    report = forecast_apy(constant(made_view), volume_usd=50e6, fee_bps=6.0, pool_share=0.75, **QUICK)
    expected = (1 + 22_500 / 400e6) ** 365 - 1
    assert report.upcoming[1].apy.median == pytest.approx(expected, rel=1e-10)
    assert {period.model for period in report.upcoming} == {"structural"}
    assert sum("assumed by the user" in note for note in report.notes) == 3


def test_look_ahead_guard(jlp_data):
    """Changing every row after the moment changes nothing, to the last bit."""
    series, changes = jlp_data
    when = moment("2025-06-18T09:00:00")
    spoilt = {}
    for name, (days, values, quality) in series.items():
        first = "2025-06-19" if name == "tvl_usd" else "2025-06-18"
        factor = np.where(np.array(days) >= first, 3.0, 1.0)
        spoilt[name] = (days, factor * np.array(values), quality)
    one, other = (
        forecast_apy(MarketView(as_of=when, facts=MemoryFacts(when, rows, changes)), paths=100)
        for rows in (series, spoilt)
    )
    assert one.input_hash == other.input_hash
    for ours, theirs in zip(one.periods, other.periods, strict=True):
        for target in ("apy", "volume_usd", "fees_usd", "tvl_usd"):
            assert (getattr(ours, target).samples == getattr(theirs, target).samples).all()
    assert [s for s in one.track_record.scores if s.value == s.value] == [
        s for s in other.track_record.scores if s.value == s.value
    ]


def test_a_known_row_changes_the_hash(jlp_view):
    """The hash tells one input from another: another moment, seed or assumption."""
    hashes = {
        forecast_apy(jlp_view("2025-06-18"), **QUICK).input_hash,
        forecast_apy(jlp_view("2025-06-19"), **QUICK).input_hash,
        forecast_apy(jlp_view("2025-06-18"), seed=2, **QUICK).input_hash,
        forecast_apy(jlp_view("2025-06-18"), cap_usd=2e9, **QUICK).input_hash,
    }
    assert len(hashes) == 4


def test_the_report_of_the_bundled_history(jlp_report):
    """On New Year 2026 the week from 29 December runs, three days in; eight follow; 3 JLP series are current."""
    running = jlp_report.running
    assert running.start == moment("2025-12-29")
    assert running.publication == moment("2026-01-05T18:00:00")
    assert running.days_observed == 3
    assert 0.03 < running.apy_so_far < 0.12
    assert [period.start for period in jlp_report.upcoming] == [
        moment("2026-01-05") + timedelta(weeks=week) for week in range(8)
    ]
    assert jlp_report.data_through["tvl_usd"] == np.datetime64("2025-12-26")
    assert jlp_report.data_age_days["tvl_usd"] == 6
    assert jlp_report.data_age_days["volume_usd"] == 0
    assert "measured on chain" in jlp_report.definition
    assert any("151 days of uncertain date" in note for note in jlp_report.notes)
    assert any("measured over computed" in note for note in jlp_report.notes)


def test_quantiles_are_those_of_the_samples(jlp_report):
    """Quantiles ascend and are the samples' own; mean and standard deviation too."""
    for period in jlp_report.periods:
        found = list(period.apy.quantiles.values())
        assert found == sorted(found)
        assert found == pytest.approx(np.quantile(period.apy.samples, list(period.apy.quantiles)))
        assert period.apy.quantile(0.5) == pytest.approx(period.apy.median)
        assert period.apy.mean == pytest.approx(period.apy.samples.mean())


def test_intervals_widen_with_the_horizon(jlp_report):
    """The eighth week is less certain than the running one."""
    widths = [np.ptp(np.log([p.apy.quantiles[0.1], p.apy.quantiles[0.9]])) for p in jlp_report.periods]
    assert widths[0] < widths[1] < widths[8]


def test_holding_period_is_the_geometric_mean(jlp_report):
    """Three days of one period and four of the next, path by path: growth to the power of time."""
    start, end = moment("2026-01-09"), moment("2026-01-16")
    first, second = (period.apy.samples for period in jlp_report.upcoming[:2])
    by_hand = ((1 + first) ** (3 / 365) * (1 + second) ** (4 / 365)) ** (365 / 7) - 1
    held = jlp_report.yield_forecast(start, end)
    assert held.samples == pytest.approx(by_hand, rel=1e-10)
    assert held.mean_apy == pytest.approx(by_hand.mean())
    assert held.sd_apy == pytest.approx(by_hand.std())
    assert held.known_fraction == 0.0
    assert (held.start, held.end) == (start, end)


def test_a_lag_settles_a_week_later(jlp_report):
    """With a lag of one week a period earns at the figure of the week before."""
    week = timedelta(weeks=1)
    start, end = moment("2026-01-09"), moment("2026-01-16")
    lagged = jlp_report.yield_forecast(start + week, end + week, settlement_lag_weeks=1)
    assert (lagged.samples == jlp_report.yield_forecast(start, end).samples).all()


def test_the_past_enters_as_known(jlp_report):
    """Of a period from 15 December to 5 January two weeks are settled, of the third three days are seen."""
    held = jlp_report.yield_forecast(moment("2025-12-15"), moment("2026-01-05"))
    assert held.known_fraction == pytest.approx((14 + 7 * 3 / 7) / 21)
    past = jlp_report.yield_forecast(moment("2025-12-15"), moment("2025-12-29"))
    assert past.known_fraction == 1.0
    assert past.sd_apy == pytest.approx(0.0, abs=1e-15)
    # measured at the ends of both weeks: 10.99 % and 6.44 %
    assert past.mean_apy == pytest.approx((1.1099 * 1.0644) ** 0.5 - 1, rel=1e-6)


def test_forecast_to_maturity(jlp_report, contract):
    """A contract is forecast from now to its maturity, by its own lag."""
    march = contract("JLP-25MAR26", "2026-03-25")
    expected = jlp_report.yield_forecast(moment("2026-01-01"), moment("2026-03-25"))
    assert (jlp_report.to_maturity(march).samples == expected.samples).all()
    lagged = jlp_report.to_maturity(contract("JLP-25MAR26", "2026-03-25", settlement_lag_weeks=1))
    assert lagged.known_fraction > expected.known_fraction


def test_contracts_that_cannot_be_forecast(jlp_report, contract):
    """Another underlying and a matured contract are refused."""
    with pytest.raises(ExpiredError, match="matured at 2025-11-24"):
        jlp_report.to_maturity(contract("JLP-24NOV25", "2025-11-24"))
    other = contract("ONyc-25MAR26", "2026-03-25", underlying="ONyc")
    with pytest.raises(DomainError, match="is on ONyc"):
        jlp_report.to_maturity(other)


def test_paths_reach_the_last_live_contract(jlp_data, contract):
    """A contract that matures in eighteen months lengthens the simulation to its end."""
    series, changes = jlp_data
    when = moment("2025-12-31")
    far = contract("JLP-30JUN27", "2027-06-30")
    view = MarketView(as_of=when, facts=MemoryFacts(when, series, changes, (far,)))
    report = forecast_apy(view, periods=1, **QUICK)
    low, high = np.quantile(report.to_maturity(far).samples, (0.1, 0.9))
    assert 0.02 < low < high < 0.6


def test_far_periods_are_no_wider_than_the_record(jlp_view):
    """A period two years ahead is not less certain than a week picked from the record, or one eight weeks on."""
    report = forecast_apy(jlp_view("2026-01-01"), periods=104, **QUICK)
    widths = [np.log(p.apy.quantiles[0.9] / p.apy.quantiles[0.1]) for p in report.upcoming]
    history = pool_history(jlp_view("2026-01-01"))
    target = build_target(history)
    weeks = np.concatenate([target.level, target.computed_other])
    record = np.ptp(np.nanquantile(weeks, (0.1, 0.9)))
    assert max(widths[20:]) < 1.2 * max(record, widths[6])
    assert min(widths[20:]) > 0.8 * widths[6]


@pytest.mark.parametrize(
    ("start", "end", "lag", "message"),
    [
        ("2026-02-01", "2026-02-01", 0, "not after start"),
        ("2026-02-01", "2026-03-01", -1, "whole number"),
        ("2026-02-01", "2026-03-01", 0.5, "whole number"),
        ("2026-02-01", "2026-03-01", True, "whole number"),
        ("2026-02-01", "2029-01-01", 0, "ask for more periods"),
    ],
)
def test_senseless_holding_periods_are_refused(jlp_report, start, end, lag, message):
    """An empty, endless or oddly lagged period is refused."""
    with pytest.raises(DomainError, match=message):
        jlp_report.yield_forecast(moment(start), moment(end), settlement_lag_weeks=lag)


def test_periods_never_known_are_refused(jlp_report):
    """A holding period that begins before the record is refused with the week that is missing."""
    with pytest.raises(MissingDataError, match="2023-12-25"):
        jlp_report.yield_forecast(moment("2023-12-28"), moment("2026-01-10"))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"periods": 0}, "periods"),
        ({"periods": -3}, "periods"),
        ({"periods": 1_000}, "periods"),
        ({"periods": 2.5}, "periods"),
        ({"periods": True}, "periods"),
        ({"paths": 0}, "paths"),
        ({"seed": -1}, "seed"),
        ({"cap_usd": 0.0}, "cap_usd"),
        ({"volume_usd": float("nan")}, "volume_usd"),
        ({"fee_bps": -1.0}, "fee_bps"),
        ({"pool_share": 1.5}, "pool_share"),
        ({"volume_usd": 1e300}, "volume_usd"),
        ({"pool_share": 0.0}, "pool_share"),
    ],
)
def test_senseless_arguments_are_refused(jlp_view, arguments, name):
    """An argument out of range is named."""
    with pytest.raises(DomainError, match=name):
        forecast_apy(jlp_view("2026-01-01"), **arguments)


def test_refusals_of_views(jlp_view, made_view):
    """An unknown pool, too short a history, and a pool that does not say when it publishes."""
    with pytest.raises(UnknownNameError, match="JLPX"):
        forecast_apy(jlp_view("2026-01-01"), "JLPX")
    with pytest.raises(MissingDataError, match="60 are needed"):
        forecast_apy(jlp_view("2024-02-15"))
    view = constant(made_view)
    terms = {k: v for k, v in view.facts.known_pool.terms.parameters.items() if k != "publication.hour_utc"}
    pool = view.facts.known_pool
    view.facts.known_pool = type(pool)(
        pool_id="JLP", name="JLP", terms=type(pool.terms)(owner="JLP", parameters=terms), changes=pool.changes
    )
    with pytest.raises(MarketDefinitionError, match=r"no publication.hour_utc"):
        forecast_apy(view)


@pytest.mark.parametrize(
    ("when", "days"), [("2026-06-01", 151), ("2030-01-01", 1_461)], ids=["five months", "four years"]
)
def test_data_that_ended_long_ago(jlp_view, when, days):
    """The age is shown, the horizon counts from the moment, and the interval is wide but no nonsense."""
    report = forecast_apy(jlp_view(when), **QUICK)
    assert report.data_age_days["volume_usd"] == days
    assert report.running.publication > report.as_of
    assert report.running.days_observed == 0
    assert report.running.apy_so_far is None
    assert any(f"volume end on 2025-12-31, {days + 1} days ago" in note for note in report.notes)
    low, high = report.running.apy.quantiles[0.1], report.running.apy.quantiles[0.9]
    assert 0.001 < low < high < 5


def test_a_complete_period_collapses_before_publication(jlp_view):
    """On Monday morning the week measured on chain is settled: 6.44 % on every path, until 18:00."""
    report = forecast_apy(jlp_view("2025-12-29T10:00:00"), **QUICK)
    assert report.running.days_observed == 7
    assert report.running.apy.samples == pytest.approx(0.0644)
    assert report.running.apy_so_far == pytest.approx(0.0644)
    assert report.upcoming[0].start == moment("2025-12-29")


def test_a_cap_of_the_user_holds_tvl_down(jlp_view):
    """A cap at the TVL of mid October 2024 raises the yield against one far away."""
    view = jlp_view("2024-10-14")
    tight, far = (forecast_apy(view, cap_usd=cap, **QUICK).upcoming[7] for cap in (780e6, 1e12))
    assert tight.tvl_usd.quantiles[0.95] <= 781e6
    assert tight.apy.mean > far.apy.mean


def test_scenarios_fall_with_size_and_rise_with_volume(jlp_report):
    """Four sizes by three regimes; each interval holds its median; the card orders the cells."""
    cells = {(round(c.tvl_change, 2), c.regime): c for c in jlp_report.scenarios}
    assert {change for change, _ in cells} == {-0.2, 0.0, 0.2, 0.5}
    for regime in ("bear", "base", "bull"):
        assert cells[-0.2, regime].median_apy > cells[0.5, regime].median_apy
    for cell in cells.values():
        assert cell.low_apy < cell.median_apy < cell.high_apy
    assert cells[0.0, "bear"].median_apy < cells[0.0, "bull"].median_apy


def test_break_even_volume_gives_the_apy_back(jlp_report):
    """At the volume asked for 50 % the card says 50 %: log(APR/share) = level + b log V - c log A."""
    card = jlp_report.apy_model.card
    volume = jlp_report.break_even_volume(0.5, tvl_usd=1e9)
    apr = 0.75 * np.exp(card.level + card.b * np.log(volume) - card.c * np.log(1e9))
    assert (1 + apr / 365) ** 365 - 1 == pytest.approx(0.5, rel=1e-9)
    asked = [item for item in jlp_report.break_evens if item.apy == 0.5]
    assert len(asked) == 4
    assert asked[0].volume_usd == pytest.approx(
        jlp_report.break_even_volume(0.5, tvl_usd=asked[0].tvl_usd), rel=1e-9
    )
    with pytest.raises(DomainError, match="apy"):
        jlp_report.break_even_volume(0.0, tvl_usd=1e9)


def test_a_share_in_force_assumed_changes_nothing(jlp_view):
    """Stating what holds anyway gives the same numbers to the last bit."""
    view = jlp_view("2026-01-01")
    plain, stated = (forecast_apy(view, pool_share=share, **QUICK) for share in (None, 0.75))
    for one, other in zip(plain.periods, stated.periods, strict=True):
        assert np.array_equal(one.apy.samples, other.apy.samples)
        assert one.model == other.model


def test_a_share_assumed_scales_the_calibrated_apr(jlp_view):
    """On days to come the pool gets 0.6 of the fees, not 0.75: every path's APR falls to 0.8 of what it was."""
    view = jlp_view("2026-01-01")
    plain, less = (forecast_apy(view, pool_share=share, **QUICK).upcoming[3] for share in (None, 0.6))
    apr = [365 * np.expm1(np.log1p(period.apy.samples) / 365) for period in (plain, less)]
    assert apr[1] == pytest.approx(0.8 * apr[0], rel=1e-9)
    assert less.model == plain.model == "combination"


def test_each_period_says_what_it_is_centred_on(jlp_report):
    """A begun week is the simulation's; the median lies at the centre named, beside what its fees would give."""
    assert jlp_report.running.model == "structural"
    for period in jlp_report.upcoming:
        assert period.apy.median == pytest.approx(period.apy_by_model[period.model], rel=2e-3)
        week = 52.142857 * 0.75 * period.fees_usd.median / period.tvl_usd.median
        from_fees = np.log1p(period.apy_by_model["structural"])
        assert from_fees == pytest.approx(week * 1.323, rel=0.1)  # the ratio of measured to computed yield


def test_a_users_cap_makes_the_size_it_allows(jlp_view):
    """A cap above a pool that does not fill its limit leaves it as it is; one below brings it down."""
    view = jlp_view("2026-01-01")
    sizes = {}
    for cap in (2e9, 9e8):
        report = forecast_apy(view, cap_usd=cap, **QUICK)
        own = [cell for cell in report.scenarios if cell.cap_usd is not None]
        assert [cell.cap_usd for cell in own] == [cap] * 3
        sizes[cap] = {cell.tvl_usd for cell in own}
    assert sizes[9e8] == {9e8}
    assert sizes[2e9] == {forecast_apy(view, **QUICK).running.tvl_usd.median}


@pytest.mark.parametrize(
    ("tvl", "limit", "cap", "expected"),
    [
        (100.0, 100.0, 150.0, (150.0, 0.5)),  # a full pool fills a wider limit
        (96.0, 100.0, 80.0, (80.0, -0.2)),
        (90.0, 100.0, 150.0, (90.0, 0.0)),  # one that is not full does not
        (90.0, None, 45.0, (45.0, -0.5)),
    ],
)
def test_pool_sizes(tvl, limit, cap, expected):
    """The last size is what the user's limit makes of the pool, relative to its size now."""
    found = pool_sizes(tvl, limit, cap)
    assert (found[-1].tvl_usd, found[-1].tvl_change) == pytest.approx(expected)
    assert [size.tvl_change for size in found[:-1]] == [-0.2, 0.0, 0.2, 0.5]


def test_scenarios_take_the_users_volume_and_fee(made_view):
    """With 8 bps of 60 million on 400 million: APR = 365 x 0.7 x 48,000 / 400e6, the seed's arithmetic."""
    report = forecast_apy(constant(made_view), volume_usd=60e6, fee_bps=8.0, **QUICK)
    cell = next(c for c in report.scenarios if c.regime == "given" and c.tvl_change == 0.0)
    expected = (1 + 0.7 * 48e3 / 400e6) ** 365 - 1
    assert cell.median_apy == pytest.approx(expected, rel=1e-9)
    assert next(c for c in report.scenarios if c.regime == "base").volume_usd == pytest.approx(50e6)
    assert report.break_even_volume(expected, tvl_usd=400e6) == pytest.approx(60e6, rel=1e-9)


def test_quantiles_and_frames_of_distributions(jlp_report):
    """A distribution gives any quantile, and its quantiles with the mean as a frame."""
    held = jlp_report.yield_forecast(jlp_report.as_of, jlp_report.as_of + timedelta(days=40))
    assert held.quantile(0.9) == held.quantiles[0.9] == pytest.approx(np.quantile(held.samples, 0.9))
    for found, mean in ((held, held.mean_apy), (jlp_report.running.apy, jlp_report.running.apy.mean)):
        frame = found.to_frame().set_index("quantile").value
        assert frame[0.05] == found.quantiles[0.05]
        assert frame[-1.0] == mean
    with pytest.raises(DomainError, match=r"level = 1.5 must lie in \[0, 1\]"):
        held.quantile(1.5)


def test_frame_has_a_row_a_target_period_and_quantile(jlp_report):
    """Nine periods, four targets, seven quantiles and the mean; values as in the report."""
    frame = jlp_report.to_frame()
    assert len(frame) == 9 * 4 * 8
    assert set(frame["target"]) == {"apy", "volume_usd", "oc_fees_usd", "tvl_usd"}
    row = frame[
        (frame.target == "apy") & (frame.period_start == "2026-01-05T00:00:00Z") & (frame["quantile"] == 0.9)
    ]
    assert row.value.item() == jlp_report.upcoming[0].apy.quantiles[0.9]
    assert row.publication.item() == "2026-01-12T18:00:00Z"


def test_interval_covers_400_made_worlds(made_world):
    """Over 400 seeded worlds the 80 % interval of next week holds the outcome 75 to 85 % of the time."""
    covered = 0
    for seed in range(400):
        view, apr = made_world(seed)
        report = forecast_apy(view, periods=1, paths=200, track_record=False)
        apy = (1 + apr / 365) ** 365 - 1
        quantiles = report.upcoming[0].apy.quantiles
        covered += quantiles[0.1] <= apy <= quantiles[0.9]
    assert 0.75 <= covered / 400 <= 0.85


def test_the_package_is_the_function(made_view):
    """yieldtrade.forecast(view, pool) is forecast_apy."""
    view = constant(made_view)
    called, named = yieldtrade.forecast(view, "JLP", **QUICK), forecast_apy(view, **QUICK)
    assert called.input_hash == named.input_hash
    assert (called.running.apy.samples == named.running.apy.samples).all()


def test_importing_the_package_is_light():
    """Importing yieldtrade.forecast loads neither numpy nor statsmodels."""
    script = (
        "import sys, yieldtrade.forecast\n"
        "heavy = {'numpy', 'scipy', 'pandas', 'statsmodels'} & set(sys.modules)\n"
        "print(*sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_public_names_can_be_had():
    """Every name the package lists exists; another one does not."""
    for name in yieldtrade.forecast.__all__:
        assert getattr(yieldtrade.forecast, name).__name__ == name
    assert set(yieldtrade.forecast.__all__) <= set(dir(yieldtrade.forecast))
    with pytest.raises(AttributeError, match="no attribute 'tea_leaves'"):
        _ = yieldtrade.forecast.tea_leaves
