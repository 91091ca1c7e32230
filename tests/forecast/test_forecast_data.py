"""The daily history: what a moment may know, what is refused, what stays missing."""

import numpy as np
import pytest
from forecast_facts import MemoryFacts, change, moment

from yieldtrade.errors import (
    DataError,
    DomainError,
    MarketDefinitionError,
    MissingDataError,
    UnknownNameError,
)
from yieldtrade.forecast import pool_history
from yieldtrade.forecast.data import SERIES, check_usable, missing_shares
from yieldtrade.forecast.notes import quality_notes
from yieldtrade.forecast.simulate import WhatIf
from yieldtrade.forecast.target import build_target
from yieldtrade.market import MarketView

CUTS = ("2024-06-06T00:00:00", "2024-09-15T12:30:00", "2025-02-03T00:00:00", "2025-11-20T23:59:59")


def same(one, other):
    """Whether two histories are equal in every figure, quality and parameter."""
    return (
        one.as_of == other.as_of
        and one.pool == other.pool
        and np.array_equal(one.days, other.days)
        and all(np.array_equal(one.values[name], other.values[name], equal_nan=True) for name in SERIES)
        and all(np.array_equal(one.quality[name], other.quality[name]) for name in one.quality)
    )


@pytest.mark.parametrize("when", CUTS)
def test_a_cut_equals_a_history_built_then(jlp_view, when):
    """Cutting a later history at a moment gives the history that a view of that moment has."""
    assert same(pool_history(jlp_view("2026-01-01")).cut(moment(when)), pool_history(jlp_view(when)))


def test_a_cut_keeps_what_the_user_stated(jlp_view):
    """Parameters given by the user hold at every moment; published ones only from their date."""
    view = jlp_view("2026-01-01").with_terms({"JLP.fees.pool_share": 0.9})
    cut = pool_history(view).cut(moment("2024-05-01"))
    assert cut.pool.terms.number("fees.pool_share") == 0.9
    assert cut.pool.terms.number("trade.base_bps") == 10


def test_a_cut_does_not_look_ahead(jlp_view):
    """A moment after the history's own is refused."""
    with pytest.raises(DomainError, match="later than"):
        pool_history(jlp_view("2025-01-01")).cut(moment("2025-01-02"))


def test_tvl_is_known_a_day_earlier_than_flows(jlp_view):
    """At noon the TVL dated today is known, while volume and fees end yesterday."""
    history = pool_history(jlp_view("2025-06-10T12:00:00"))
    assert history.last_day("tvl_usd") == np.datetime64("2025-06-10")
    assert history.last_day("volume_usd") == np.datetime64("2025-06-09")
    assert history.last_day("close_fees_usd") == np.datetime64("2025-06-09")


def test_uncertain_dates_do_not_stand_alone(jlp_view):
    """Volumes of uncertain date are kept, but not by the day."""
    history = pool_history(jlp_view("2026-01-01"))
    uncertain = history.quality["volume_usd"] == "shifted_uncertain"
    assert uncertain.sum() == 151
    assert np.isfinite(history.values["volume_usd"][uncertain]).all()
    assert not history.by_day()[uncertain].any()


def test_missing_days_stay_missing(jlp_view):
    """The TVL of 5 March 2025 is not known, and nothing is put in its place."""
    history = pool_history(jlp_view("2026-01-01"))
    day = history.days == np.datetime64("2025-03-05")
    assert np.isnan(history.values["tvl_usd"][day]).all()


def test_pool_share_follows_its_dates(jlp_view):
    """The pool kept 70 % until 5 June 2024 and 75 % from the 6th."""
    history = pool_history(jlp_view("2026-01-01"))
    share = dict(zip(history.days.astype(str), history.pool_share(), strict=True))
    assert share["2024-06-05"] == 0.70
    assert share["2024-06-06"] == 0.75


def test_a_pool_without_share_is_refused(made_view):
    """A history before the first published share cannot be computed."""
    view = made_view("2019-04-01", "2019-01-01", volume_usd=[1.0] * 80, tvl_usd=[1.0] * 80)
    with pytest.raises(MarketDefinitionError, match="no parameters"):
        pool_history(view).pool_share()


def test_unknown_pool_is_refused_with_the_nearest(jlp_view):
    """A misspelt pool names the one that was meant."""
    with pytest.raises(UnknownNameError, match="nearest: JLP"):
        pool_history(jlp_view("2026-01-01"), "JLPP")


def test_nothing_known_says_what_to_load(made_view):
    """A view before the first figure says how to load one."""
    with pytest.raises(MissingDataError, match="yieldtrade load"):
        pool_history(made_view("2023-01-01", "2024-01-01", volume_usd=[1.0] * 10))


@pytest.mark.parametrize("bad", [0.0, -5.0, np.inf, np.nan])
@pytest.mark.parametrize("series", SERIES)
def test_figures_that_are_not_positive_count_as_missing(made_view, series, bad):
    """A zero, negative or unbounded figure already stored fails no forecast: its day is missing, and that is told."""
    values = np.full(100, 0.1 if series == "underlying_apy" else 1e6)
    facts = made_view("2024-05-01", "2024-01-01", **{"volume_usd": np.full(100, 1e6), series: values}).facts
    days, _, quality = facts.series[series]
    facts.series[series] = (days, np.where(np.arange(100) == 41, bad, values), quality)
    history = pool_history(MarketView(as_of=facts.as_of, facts=facts))
    assert np.flatnonzero(np.isnan(history.values[series])).tolist() == [41]
    (item,) = history.left_out
    assert (item.series, str(item.day), item.reason) == (series, "2024-02-11", "not a positive number")
    target = build_target(history) if series in ("volume_usd", "tvl_usd") else None
    if target is not None:
        (note,) = (n for n in quality_notes(history, target, WhatIf()) if n.startswith("left out"))
        assert note == f"left out, not a positive number: {series} of 2024-02-11 = {bad:g}"


def test_suspect_figures_are_left_out_and_confirmed_ones_kept(made_view):
    """A figure flagged at loading is not used; one that is flagged as confirmed is, however far off it lies."""
    facts = made_view("2024-05-01", "2024-01-01", volume_usd=np.full(100, 1e6)).facts
    days, values, _ = facts.series["volume_usd"]
    quality = np.where(np.arange(100) == 41, "suspect", np.where(np.arange(100) == 60, "confirmed", "ok"))
    facts.series["volume_usd"] = (days, np.where(np.arange(100) == 60, 1e9, values), quality)
    history = pool_history(MarketView(as_of=facts.as_of, facts=facts))
    assert [(str(item.day), item.reason) for item in history.left_out] == [
        ("2024-02-11", "suspect when it was loaded")
    ]
    assert history.values["volume_usd"][60] == 1e9


def test_a_level_that_moves_for_good_is_left_out_for_a_week_only(made_view):
    """Days after a jump are left out until half of the days around them lie at the new level."""
    volume = np.where(np.arange(100) < 50, 1e6, 1e8)
    after = {}
    for day in (51, 60, 70):
        view = made_view(str(np.datetime64("2024-01-01") + day), "2024-01-01", volume_usd=volume)
        after[day] = len(pool_history(view).left_out)
    assert after == {51: 1, 60: 5, 70: 0}


def test_no_bundled_figure_is_left_out(jlp_view):
    """Crashes and all, the bundled history lies within the bands at its end and at every week before."""
    history = pool_history(jlp_view("2026-01-01"))
    weeks = np.arange(np.datetime64("2024-03-01"), np.datetime64("2026-01-01"), 7)
    assert not history.left_out
    assert not any(history.cut(moment(str(day))).left_out for day in weeks)


def test_unordered_days_are_refused():
    """A day that comes twice is refused."""
    series = {"tvl_usd": (["2024-01-02", "2024-01-02"], [1.0, 2.0], ["reported"] * 2)}
    facts = MemoryFacts(moment("2024-02-01"), series, (change("2020-01-01", fees__pool_share=0.7),))
    with pytest.raises(DataError, match="in order"):
        pool_history(MarketView(as_of=facts.as_of, facts=facts))


def test_fewer_than_60_usable_days_are_refused_with_the_count(made_view):
    """59 days are refused, named, with what to load; 60 are accepted."""
    arrays = {"volume_usd": [1e6] * 59, "gross_fees_usd": [1e3] * 59, "tvl_usd": [1e7] * 60}
    with pytest.raises(MissingDataError, match=r"59 usable days.*60 are needed.*yieldtrade load"):
        check_usable(pool_history(made_view("2024-02-29", "2024-01-01", **arrays)))
    longer = {name: [*values, values[0]] for name, values in arrays.items()}
    check_usable(pool_history(made_view("2024-03-01", "2024-01-01", **longer)))


def test_a_tenth_of_the_days_may_be_missing(made_view):
    """A series with more than a tenth of its days missing is refused; a long hole counts as no series at all."""

    def history(missing):
        volume = np.full(200, 1e6)
        volume[missing] = np.nan
        view = made_view(
            "2024-07-19",
            "2024-01-01",
            volume_usd=volume,
            gross_fees_usd=np.full(200, 1e3),
            tvl_usd=np.full(201, 1e7),
        )
        return pool_history(view)

    check_usable(history(np.arange(5, 195, 10)))
    with pytest.raises(MissingDataError, match=r"volume_usd are missing, at most 10%"):
        check_usable(history(np.arange(5, 195, 5)))
    hole = history(np.arange(50, 90))
    check_usable(hole)
    assert missing_shares(hole)["volume_usd"] == 0.0
