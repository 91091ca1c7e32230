"""The simulation: blocks from the same days, known days fixed, one seed one answer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from yieldtrade.errors import MissingDataError
from yieldtrade.forecast import pool_history
from yieldtrade.forecast.blocks import Blocks
from yieldtrade.forecast.candidates import raw_forecast
from yieldtrade.forecast.simulate import WhatIf, first_simulated, fit_models, simulate
from yieldtrade.forecast.target import build_target


def fitted(view):
    """History, target and models of a view."""
    history = pool_history(view)
    target = build_target(history)
    return history, target, fit_models(history, target)


def paths_of(view, periods=4, paths=200, seed=(1,), **what_if):
    """Simulated paths from a view."""
    history, target, models = fitted(view)
    start = first_simulated(history, target)
    return simulate(
        history,
        target,
        models,
        periods=range(start, target.calendar.running(history.as_of) + periods),
        paths=paths,
        seed=seed,
        what_if=WhatIf(**what_if),
    )


def test_blocks_keep_days_and_weekdays_together(jlp_view):
    """Each drawn day of volume, fee rate and TVL stems from one day of the record, of the same weekday."""
    history, target, _ = fitted(jlp_view("2026-01-01"))
    day = history.days.astype(np.int64).astype(float)
    blocks = Blocks(history, target, (day, day, day))
    first = target.calendar.first_day(target.calendar.running(history.as_of))
    days = first + np.arange(21)
    drawn = blocks.draw(np.random.default_rng(2), days, 50)
    assert (drawn.volume == drawn.rate).all()
    # the TVL's changes are counted from their mean over all blocks
    assert np.ptp(drawn.volume - drawn.tvl) == 0
    assert (drawn.volume % 7 == (days.astype(np.int64) % 7)[:, None]).all()
    week = drawn.volume.reshape(3, 7, 50)
    assert (week.max(axis=1) - week.min(axis=1) == 6).all()


@pytest.mark.parametrize("as_of", ["2024-05-01", "2025-06-01", "2026-01-01"])
def test_the_tvl_drawn_has_no_drift_of_its_own(jlp_view, as_of):
    """Over 200,000 drawn days it changes by nothing on average; the model's own drift is added apart and dies out."""
    history, target, models = fitted(jlp_view(as_of))
    residuals = (models.volume.residuals, models.rate.residuals, models.tvl.residuals)
    days = target.calendar.first_day(target.calendar.running(history.as_of)) + np.arange(70)
    tvl = Blocks(history, target, residuals).draw(np.random.default_rng(3), days, 3_000).tvl
    # weeks are drawn whole, so the mean errs as that of 30,000 weeks
    error = tvl.reshape(10, 7, -1).mean(axis=1).std() / np.sqrt(30_000)
    assert abs(tvl.mean()) < 4 * error


def test_blocks_skip_days_not_known(jlp_view):
    """No day next to a missing one is drawn in a block that would hold it."""
    history, target, _ = fitted(jlp_view("2026-01-01"))
    day = np.arange(len(history), dtype=float)
    day[100:-20] = np.nan
    drawn = Blocks(history, target, (day, day, day)).draw(
        np.random.default_rng(2), history.days[-1] + np.arange(14), 400
    )
    assert np.isfinite(drawn.volume).all()
    assert set(np.unique(drawn.volume)) == {*range(100), *range(len(day) - 20, len(day))}


def test_no_whole_week_to_learn_from_is_refused(jlp_view):
    """Without seven known days in a row there are no blocks."""
    history, target, _ = fitted(jlp_view("2026-01-01"))
    gappy = np.where(np.arange(len(history)) % 6 == 0, np.nan, 0.0)
    with pytest.raises(MissingDataError, match="no seven days in a row"):
        Blocks(history, target, (gappy, gappy, gappy))


def test_known_days_are_fixed(jlp_view, jlp_data):
    """With four days of a week known, volume and fees of those days are the same on every path."""
    drawn = paths_of(jlp_view("2024-10-11"))
    volume = dict(zip(*jlp_data[0]["volume_usd"][:2], strict=True))
    seen = sum(volume[f"2024-10-{day:02d}"] for day in (7, 8, 9, 10))
    row = int(np.flatnonzero(~drawn.known)[0])
    assert drawn.volume[row].min() > seen
    assert np.median(drawn.volume[row]) == pytest.approx(7 / 4 * seen, rel=0.5)


def test_interval_narrows_with_the_days_observed(jlp_view):
    """Averaged over ten weeks the width of the running period falls with every day, to nothing at its end."""
    widths = np.zeros((10, 8))
    for week in range(10):
        monday = np.datetime64("2024-09-16") + 7 * week
        for day in range(8):
            history, target, models = fitted(jlp_view(f"{monday + day}T01:00:00"))
            drawn = simulate(
                history,
                target,
                models,
                periods=range(first_simulated(history, target), target.calendar.number(monday) + 1),
                paths=200,
                seed=(week,),
                what_if=WhatIf(),
            )
            low, high = np.quantile(drawn.log_apr[-1], (0.1, 0.9))
            widths[week, day] = high - low
    mean = widths.mean(axis=0)
    assert (np.diff(mean) < 0).all()
    assert (widths[:, 7] == 0).all()


def test_tvl_stops_at_the_cap(jlp_view):
    """No path exceeds a cap above the TVL now; a cap below it stops growth and drives nobody out."""
    view = jlp_view("2024-10-14")
    history = pool_history(view)
    now = history.values["tvl_usd"][np.isfinite(history.values["tvl_usd"])][-1]
    assert paths_of(view, cap_usd=1.02 * now).tvl.max() <= 1.02 * now * (1 + 1e-12)
    assert paths_of(view).tvl.max() > 1.1 * now
    tight = paths_of(view, cap_usd=0.5 * now)
    assert tight.tvl.max() <= now * (1 + 1e-12)
    assert np.median(tight.tvl[-1]) > 0.7 * now


def test_assumed_volume_and_fee_leave_only_the_tvl_to_chance(jlp_view):
    """With volume, fee and share stated the fees are exact: V x bps x 7 days."""
    drawn = paths_of(jlp_view("2024-10-14"), volume_usd=500e6, fee_bps=6.0, pool_share=0.5)
    later = drawn.fees[-1]
    assert later == pytest.approx(7 * 500e6 * 6e-4)
    assert np.exp(drawn.log_apr[-1]) == pytest.approx(365 / 7 * 0.5 * later / drawn.tvl[-1])


def test_one_seed_one_answer(jlp_view):
    """The same seed gives the same bits, another seed others."""
    view = jlp_view("2025-12-31")
    first, again, other = (paths_of(view, seed=(seed,)).log_apr for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_the_bits_do_not_depend_on_the_number_of_threads():
    """One thread or two: every sample is the same to the last digit."""
    script = (
        "import sys, json; sys.path.insert(0, sys.argv[1])\n"
        "from forecast_facts import MemoryFacts, bundled_changes, bundled_series, moment\n"
        "from yieldtrade.forecast import forecast_apy\n"
        "from yieldtrade.market import MarketView\n"
        "when = moment('2025-12-31')\n"
        "facts = MemoryFacts(when, bundled_series(), bundled_changes())\n"
        "report = forecast_apy(MarketView(as_of=when, facts=facts), paths=500)\n"
        "print(json.dumps([p.apy.samples.tolist() for p in report.periods]))\n"
    )
    found = []
    for threads in ("1", "2"):
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        done = subprocess.run(
            [sys.executable, "-c", script, str(Path(__file__).parent)],
            env={**os.environ, **dict.fromkeys(names, threads)},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout))
    assert found[0] == found[1]


def test_data_that_ended_long_ago_still_forecast(jlp_view):
    """Five years after the data a year of uncertainty is simulated, and no more."""
    history, target, _ = fitted(jlp_view("2031-01-01"))
    running = target.calendar.running(history.as_of)
    assert running - first_simulated(history, target) == 52
    raw = raw_forecast(history, target, end=running + 1, paths=300, seed=(1,))
    low, high = np.quantile(np.exp(raw.median[-1] + raw.deviations()[-1]), (0.1, 0.9))
    assert 0.001 < low < high < 10


def test_median_and_ratio_enter_the_yield(jlp_view):
    """The simulated yield is that of fees over TVL times the level of the measured ratio."""
    history, target, models = fitted(jlp_view("2026-01-01"))
    drawn = paths_of(jlp_view("2026-01-01"), paths=2_000)
    plain = np.log(365 / 7 * 0.75 * drawn.fees[-1] / drawn.tvl[-1])
    assert np.median(drawn.log_apr[-1] - plain) == pytest.approx(target.ratio.level, abs=0.05)
    assert models.fees.slope == pytest.approx(0.16, abs=0.05)
    assert history.as_of.year == 2026
