"""The weekly target: computed by hand, measured on chain, and how the two are joined."""

import json
from pathlib import Path

import numpy as np
import pytest

from yieldtrade.forecast import pool_history
from yieldtrade.forecast.data import MEASURED
from yieldtrade.forecast.ratio import GAIN, fit_ratio
from yieldtrade.forecast.target import build_target, close_multiple, log_growth, official_apy

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "apr_apy.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["id"])
def test_published_pairs_of_apr_and_apy(case):
    """An APR that Jupiter published gives the APY it published beside it, to both decimals."""
    apy = float(official_apy(np.log(case["in"]["apr_pct"] / 100), 365))
    assert round(100 * apy, 2) == case["expect"]["apy_pct"]


def test_growth_stays_finite_where_the_apy_does_not():
    """An absurd APR compounds to the largest APY that can be squared, and its log growth is still exact."""
    assert np.isfinite(official_apy(np.log(1e6), 365) ** 2)
    assert log_growth(np.log(1e6), 365) == pytest.approx(365 * np.log1p(1e6 / 365))


@pytest.mark.parametrize(
    ("share", "bps", "to_pool"),
    # $50M x 0.1 % x 70 % = $35,000 of a $4M pool with $1,000: $8.75; 0.06 % x 75 %: $22,500, $5.625 (seed)
    [(0.70, 10, 35_000.0), (0.75, 6, 22_500.0)],
)
def test_the_seed_example(made_view, share, bps, to_pool):
    """A constant day of the seed's example is an APR of 365 times what the pool gets over its size."""
    days = 70
    view = made_view(
        "2024-03-11",
        "2024-01-01",
        {"fees__pool_share": share},
        volume_usd=[50e6] * days,
        gross_fees_usd=[50e6 * bps * 1e-4] * days,
        tvl_usd=[4e6] * (days + 1),
    )
    target = build_target(pool_history(view))
    apr = np.exp([target.outcome(target.first + week, "gross") for week in range(10)])
    assert apr == pytest.approx(365 * to_pool / 4e6, rel=1e-12)
    assert 1_000 * to_pool / 4e6 == pytest.approx(8.75 if bps == 10 else 5.625)


def test_week_is_summed_fees_over_mean_tvl(jlp_view, jlp_data):
    """The week of 9 September 2024, from the table itself: 365/7 x 0.75 x sum of fees / mean TVL."""
    target = build_target(pool_history(jlp_view("2024-10-01")))
    fees, tvl = (dict(zip(*jlp_data[0][name][:2], strict=True)) for name in ("gross_fees_usd", "tvl_usd"))
    week = [f"2024-09-{day:02d}" for day in range(9, 16)]
    apr = 365 / 7 * 0.75 * sum(fees[d] for d in week) / (sum(tvl[d] for d in week) / 7)
    number = target.calendar.number(np.datetime64("2024-09-09"))
    assert target.definition == "gross"
    assert np.exp(target.outcome(number, "gross")) == pytest.approx(apr, rel=1e-12)


def test_measured_figure_is_the_one_dated_the_last_day(jlp_view, jlp_data):
    """The measured yield of a period is the trailing figure of its Sunday, back from APY to APR."""
    target = build_target(pool_history(jlp_view("2026-01-01")))
    apy = dict(zip(*jlp_data[0][MEASURED][:2], strict=True))["2025-12-28"]
    number = target.calendar.number(np.datetime64("2025-12-22"))
    outcome = target.outcome(number, "measured")
    assert target.definition == "measured"
    assert official_apy(outcome, 365) == pytest.approx(apy, rel=1e-12)


def test_before_it_was_measured_the_yield_is_computed(jlp_view):
    """Without a measured week the forecast is of computed fees; the ratio is not known before its data."""
    target = build_target(pool_history(jlp_view("2025-08-01")))
    assert (target.definition, target.basis, target.ratio) == ("oc", "oc", None)
    later = build_target(pool_history(jlp_view("2025-08-11")))
    assert (later.definition, later.ratio.weeks) == ("measured", 1)


def test_a_running_period_is_not_yet_known(jlp_view):
    """Six days of seven do not make a period known while its seventh is still to come."""
    target = build_target(pool_history(jlp_view("2024-09-15T12:00:00")))
    number = target.calendar.number(np.datetime64("2024-09-15"))
    assert np.isnan(target.outcome(number, "gross"))
    assert np.isfinite(target.outcome(number - 1, "gross"))
    assert target.last_known() == number - 1


def test_close_multiple_is_assumed_until_it_can_be_measured(jlp_view):
    """Two until the overlap has twenty days, then its mean, and the published figure once that is in force."""
    assert close_multiple(pool_history(jlp_view("2025-11-12")))[:2] == (2.0, 0.0)
    assert close_multiple(pool_history(jlp_view("2025-12-01")))[:2] == (2.0, 0.0)
    measured = close_multiple(pool_history(jlp_view("2025-12-20")))
    assert measured.value == pytest.approx(1.94, abs=0.02)
    assert measured.sd == pytest.approx(0.10, abs=0.03)
    published = close_multiple(pool_history(jlp_view("2026-03-01")))
    assert published == (1.94, 0.10, "published")


def test_share_changes_move_no_history(made_view):
    """The predictor is free of the pool share: a change of it leaves the level where it was."""
    arrays = {"volume_usd": [5e7] * 70, "gross_fees_usd": [5e4] * 70, "tvl_usd": [4e6] * 71}
    low, high = (
        build_target(
            pool_history(made_view("2024-03-11", "2024-01-01", {"fees__pool_share": share}, **arrays))
        )
        for share in (0.5, 0.8)
    )
    assert low.level == pytest.approx(high.level, abs=1e-12, nan_ok=True)


def test_ratio_is_a_mean_first_and_a_moving_level_later():
    """The first weeks are averaged; after 1/gain weeks each new one moves the level by the gain."""
    ratio = fit_ratio(np.array([np.nan, 0.2, 0.4, np.nan, 0.6]))
    assert ratio.level == pytest.approx(0.4)
    assert ratio.weeks == 3
    assert ratio.residuals == pytest.approx([np.nan, np.nan, 0.2, np.nan, 0.3], nan_ok=True)
    steady = fit_ratio(np.concatenate([np.full(50, 0.3), [1.3]]))
    assert steady.level == pytest.approx(0.3 + GAIN)
    assert fit_ratio(np.full(5, np.nan)) is None


def test_spread_of_the_ratio_starts_from_its_prior():
    """One week tells nothing of the spread; many weeks leave the prior behind."""
    assert fit_ratio(np.array([0.3])).sd(0.25) == pytest.approx(0.25)
    rng = np.random.default_rng(1)
    assert fit_ratio(0.3 + 0.1 * rng.normal(size=2_000)).sd(0.5) == pytest.approx(0.104, abs=0.005)
