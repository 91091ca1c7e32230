"""The forecast's page: what it claims is what the record says, each figure dated and sourced, gaps explained."""

from __future__ import annotations

import csv
import dataclasses
import math
import re
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from page_reader import Page as Read

from yieldtrade.cli.forecast import contract_outlooks
from yieldtrade.errors import DomainError
from yieldtrade.forecast import forecast_apy
from yieldtrade.forecast.data import GROSS, TVL, VOLUME, pool_history
from yieldtrade.forecast.fees import fee_line
from yieldtrade.forecast.target import build_target
from yieldtrade.report.forecast_charts import apy_fan, fan_chart, fee_chart, fee_layers, fit_chart
from yieldtrade.report.forecast_html import forecast_page, write_forecast_html
from yieldtrade.report.forecast_report import RECORD_CAVEAT, past_apys, to_record
from yieldtrade.report.html import Origin, render
from yieldtrade.store import Store

HISTORY = Path(__file__).parents[2] / "markets" / "history"
HOSTILE = "<evil onload='x'>&\""
PATHS = 200


def moment(text):
    """An ISO moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def store(_bundled_file, tmp_path_factory):
    """The bundled history, open for the module."""
    path = tmp_path_factory.mktemp("page") / "page.db"
    shutil.copy(_bundled_file, path)
    with Store(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def view(store):
    """The end of the history, with a stated yield."""
    return store.view(moment("2026-01-01")).with_yields({"JLP-08MAR26": 0.19})


@pytest.fixture(scope="module")
def report(view):
    """A forecast with its track record."""
    return forecast_apy(view, "JLP", paths=PATHS)


@pytest.fixture(scope="module")
def outlooks(view, report):
    """The contracts beside it."""
    return contract_outlooks(view, report)


@pytest.fixture(scope="module")
def text(report, outlooks, view):
    """The page."""
    return render(forecast_page(report, outlooks, view))


@pytest.fixture(scope="module")
def read(text):
    """The page taken apart."""
    return Read(text)


@pytest.fixture(scope="module")
def record(report, outlooks):
    """The JSON record of the same forecast."""
    return to_record(report, outlooks)


@pytest.fixture(scope="module")
def history(view):
    """The daily history the forecast used."""
    return pool_history(view, "JLP")


def rows_of(name):
    """A bundled table by date."""
    with (HISTORY / name).open(encoding="utf-8") as file:
        return {row["date"]: row for row in csv.DictReader(file)}


def figures(rows):
    """The full figures of a table's body, row by row."""
    return [[value for _, value in row] for row in rows[1:]]


def written(value):
    """A figure of the record as a cell carries it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value)


def test_the_page_has_its_parts_in_order_and_asks_nothing_of_the_network(text, read):
    """Ten sections, three charts for two widths, well formed, no address to load from, of a modest size."""
    assert read.of("h1") == ["JLP: APY forecast"]
    assert [e.attributes["id"] for e in read.all("section")] == [
        *(
            "headline",
            "apy",
            "contracts",
            "fees",
            "fit",
            "scenarios",
            "record",
            "coefficients",
            "data",
            "model",
        )
    ]
    assert len(read.all("svg")) == 6
    assert not re.search(r"https?:|@import|src=", text)
    shown = " ".join(word for tag in ("p", "li", "td", "th", "text", "desc", "dd") for word in read.of(tag))
    assert not re.search(r"\bnan\b|\bNone\b", shown)
    assert 100_000 < len(text.encode()) < 400_000


def test_every_figure_says_when_and_whence(read):
    """Each table, chart, list and row of key figures is followed by its moment and its source."""
    blocks = [*read.all("figure"), *read.all("dl"), *read.all("div", class_="tiles")]
    origins = [t for t in read.of("p") if t.startswith("As of 2026-01-01 UTC. Source: ")]
    assert len(origins) == len(read.all("p", class_="origin")) == len(blocks)
    assert all(len(origin) > len("As of 2026-01-01 UTC. Source: .") for origin in origins)


def test_the_headline_is_that_of_the_running_period(read, record):
    """Three days of the week from 29 December are seen on 1 January, four are left, the TVL is six days old."""
    running = record["periods"][0]
    words = read.of("p")
    for part in (
        f"{100 * running['apy_so_far']:.3f}%",
        "3 of 7 days seen",
        f"{100 * running['apy_p50']:.3f}%",
        f"80 %: {100 * running['apy_p10']:.3f}% to {100 * running['apy_p90']:.3f}%",
        "2025-12-29 to 2026-01-05, published about 2026-01-05 18:00",
    ):
        assert part in words
    assert words[words.index("days left") + 1] == "4"
    (ages,) = [word for word in words if word.startswith("volume_usd 0, ")]
    assert "tvl_usd 6" in ages


def test_the_tables_carry_every_figure_of_the_record(read, record):
    """Periods, contracts, scenarios, break-evens, record and coefficients: each cell is the record's full figure."""
    levels = [f"apy_p{level}" for level in ("05", "10", "25", "50", "75", "90", "95")]
    centres = ["model", "apy_structural", "apy_card"]
    medians = ["volume_usd_p50", "oc_fees_usd_p50", "tvl_usd_p50"]
    tables = {
        "APY by interest period, and medians of what is behind it: sums of volume and fees, mean TVL": (
            "periods",
            [
                "start",
                "end",
                "days_observed",
                "apy_so_far",
                *levels,
                "apy_mean",
                *centres,
                *medians,
                "publication",
            ],
        ),
        "TVL by volume: APY of a week with its 80 % interval": (
            "scenarios",
            ["tvl_usd", "tvl_change", None, "volume_usd", "median_apy", "low_apy", "high_apy"],
        ),
        "What must be true: volume, USD a day, that keeps an APY at a TVL, USD": (
            "break_even_volumes",
            ["apy", "tvl_usd", "volume_usd"],
        ),
        "Every coefficient with its standard error": (
            "coefficients",
            ["model", "name", "estimate", "std_error", "r_squared", "rows", "errors"],
        ),
        "Implied yield against the forecast mean APY to maturity": (
            "contracts",
            [
                *("contract", "days_to_maturity", "implied_apy", "forecast_apy_mean", "forecast_apy_p10"),
                *("forecast_apy_p90", "p_yt_gains", "verdict", "quote_kind", None, None),
            ],
        ),
        "Weekly forecasts of the past, each from what was known then, against persistence": (
            "track_record",
            [
                *("horizon", "origins", "skill_crps_vs_persistence", "skill_crps_apy_vs_persistence"),
                *("skill_crps_vs_mean_4", "mae_log", "mae_log_persistence", "coverage_50", "coverage_80"),
                *("coverage_95", "raw_coverage_80"),
            ],
        ),
        "Known changes of the fee schedule: shift of the fee rate, one at a time": (
            "breaks",
            ["day", "what", "shift", "std_error"],
        ),
    }
    sources = {**record, "breaks": record["fees"]["breaks"]}
    for caption, (name, keys) in tables.items():
        found = figures(read.table(caption))
        assert len(found) == len(sources[name]) > 0
        for cells, row in zip(found, sources[name], strict=True):
            for cell, key in zip(cells, keys, strict=True):
                if key is not None:
                    assert cell == written(row[key]), (name, key)


def test_the_model_card_reproduces_the_numbers(read, record, report):
    """Version, seed, paths, the whole hash, every note, the equations and the caveat are on the page."""
    card = dict(zip(read.of("dt"), read.of("dd"), strict=True))
    assert card["model"] == record["model_version"]
    assert card["seed"] == str(record["seed"])
    assert card["paths"] == f"{PATHS}"
    assert card["inputs, sha256"] == record["inputs_sha256"]
    assert card["pool's share of fees"] == "75.00%"
    items = read.of("li")
    assert set(record["notes"]) <= set(items)
    assert any(item.startswith("APY = (1 + APR/365)^365 - 1") for item in items)
    assert any(f"b = {report.fee_model.slope:.4f}" in item for item in items)
    assert RECORD_CAVEAT in read.of("p")
    assert any(record["definition"] in word for word in read.of("p"))
    assert any(record["fee_series"] in word for word in read.of("p"))


def test_a_stated_quote_is_marked_and_the_missing_ones_are_named(read):
    """The row of the stated yield says who stated it; the two without a figure are listed."""
    rows = read.table("Implied yield against the forecast mean APY to maturity")[1:]
    stated = next(row for row in rows if row[0][0] == "JLP-08MAR26")
    assert [cell for cell, _ in stated[-3:]] == ["given", "2026-01-01", "given by the user"]
    assert (
        "No implied yield is known at this moment of JLP-03MAR26, JLP-25MAR26; state one with --implied."
        in read.of("p")
    )


def test_the_same_forecast_is_the_same_page(report, outlooks, view, text, tmp_path):
    """Rendering again, or writing to a file, gives the same bytes."""
    file = tmp_path / "page.html"
    size = write_forecast_html(report, outlooks, str(file), view=view)
    assert file.read_bytes() == text.encode()
    assert size == len(text.encode())


def test_hostile_names_and_notes_start_nothing(report, outlooks, view):
    """Markup in a contract's name, a quote's source or a note is shown as it is."""
    bad = [
        outlook._replace(
            contract=outlook.contract._replace(contract_id=HOSTILE),
            quote=None if outlook.quote is None else outlook.quote._replace(source=HOSTILE),
        )
        for outlook in outlooks
    ]
    read = Read(
        render(forecast_page(dataclasses.replace(report, notes=(HOSTILE,), fee_series=HOSTILE), bad, view))
    )
    assert not read.all("evil")
    rows = read.table("Implied yield against the forecast mean APY to maturity")[1:]
    assert [row[0][0] for row in rows] == [HOSTILE] * 3
    assert HOSTILE in [row[-1][0] for row in rows]
    assert HOSTILE in read.of("li")


def test_what_is_missing_is_explained(report, view):
    """Without contracts, track record or enough weeks the parts are sentences, not empty tables."""
    bare = dataclasses.replace(
        report, track_record=None, nowcast_record=None, scenarios=(), break_evens=(), apy_model=None
    )
    words = Read(render(forecast_page(bare, [], view))).of("p")
    for start in (
        "No contract on JLP is live",
        "The forecast was asked without a track record",
        "Too few weeks have yield, volume and TVL",
        "No figure published by JLP itself is known",
    ):
        assert sum(word.startswith(start) for word in words) == 1, start


def test_a_view_of_another_moment_is_refused(report, outlooks, store):
    """The history shown must be the one the forecast was made from."""
    with pytest.raises(DomainError, match=r"view.as_of = 2025-12-31T00:00:00Z is not the forecast's moment"):
        forecast_page(report, outlooks, store.view(moment("2025-12-31")))


def test_known_periods_are_the_measured_figures_of_their_last_day(report):
    """Each known period from 11 August on has the figure dated its Sunday, the one just over included."""
    measured = rows_of("jlp_yield_daily.csv")
    known = dict(past_apys(report))
    assert max(known) == moment("2025-12-22")
    weeks = [start for start in known if start >= moment("2025-08-11")]
    assert len(weeks) == 20
    for start in weeks:
        sunday = (start + timedelta(days=6)).date().isoformat()
        assert known[start] == pytest.approx(float(measured[sunday]["underlying_apy"]), rel=1e-12)


def test_the_fan_holds_what_is_known_and_the_quantiles_of_the_rest(report, history):
    """No period is both; measured ones follow computed ones; the quantiles are those of the periods."""
    fan = apy_fan(report)
    known = np.isfinite(fan.measured).astype(int) + np.isfinite(fan.computed) + np.isfinite(fan.quantiles[0])
    assert known.max() == 1
    assert np.flatnonzero(np.isfinite(fan.computed))[-1] < np.flatnonzero(np.isfinite(fan.measured))[0]
    for place, period in enumerate(report.periods, start=len(fan.measured) - len(report.periods)):
        assert fan.calendar.start(fan.first + place) == period.start
        expected = [period.apy.quantiles[level] for level in (0.1, 0.25, 0.5, 0.75, 0.9)]
        assert fan.quantiles[:, place] == pytest.approx(expected, rel=1e-3)


def test_the_fees_add_up_by_hand(history, view):
    """Weeks worked out from the bundled table: all kinds in 2024, closes and estimated opens, then recorded ones."""
    target = build_target(history)
    first, layers = fee_layers(history, target, view.pool_series("JLP", "swap_fees_usd"))
    by_name = {layer.name: layer for layer in layers}
    assert list(by_name) == ["closes", "opens", "opens, estimated", "swaps", "all kinds"]
    table = rows_of("jlp_pool_daily.csv")

    def mean(monday, column):
        days = [(date.fromisoformat(monday) + timedelta(days=n)).isoformat() for n in range(7)]
        return sum(float(table[day][column]) for day in days) / 7

    def shown(name, monday):
        place = target.calendar.number(np.datetime64(monday, "D")) - first
        return by_name[name].by_period[place]

    assert shown("all kinds", "2024-07-01") == pytest.approx(mean("2024-07-01", "gross_fees_usd"))
    assert np.isnan(shown("closes", "2024-07-01"))
    closes = mean("2025-06-02", "close_fees_usd")
    assert shown("closes", "2025-06-02") == pytest.approx(closes)
    multiple = target.close_multiple.value
    assert shown("opens, estimated", "2025-06-02") == pytest.approx((multiple - 1) * closes)
    both = mean("2025-12-01", "position_fees_usd")
    assert shown("closes", "2025-12-01") + shown("opens", "2025-12-01") == pytest.approx(both)
    assert shown("swaps", "2025-12-01") == pytest.approx(mean("2025-12-01", "swap_fees_usd"))
    assert np.isnan(shown("opens, estimated", "2025-12-01"))


def test_every_day_of_fees_counts_once(history, view):
    """All layers but swaps add up to the fees the model rests on, day by day and in the mean of a broken week."""
    target = build_target(history)
    first, layers = fee_layers(history, target, view.pool_series("JLP", "swap_fees_usd"))
    modelled = [layer for layer in layers if layer.name != "swaps"]
    assert sum(layer.usd.sum() for layer in modelled) == pytest.approx(np.nansum(target.fees))
    # 10 November is estimated, 11 blank, the other five days of that week are recorded
    week = target.calendar.numbers(history.days) == target.calendar.number(np.datetime64("2025-11-10"))
    place = target.calendar.number(np.datetime64("2025-11-10")) - first
    assert np.nansum([layer.by_period[place] for layer in modelled]) == pytest.approx(
        np.nanmean(target.fees[week])
    )


def test_the_fit_shows_the_days_behind_the_line_and_the_dated_schedule(report, history, read):
    """As many points as rows in the fit; base fees of the dates they hold from, none for days left out."""
    line = fee_line(history, build_target(history))
    block = fit_chart(report, history, line, Origin(report.as_of, "x"))
    uses = re.findall(r"<use [^>]*></use>", block.wide)
    assert len(uses) > report.fee_model.log_fit.rows == int((line.group >= 0).sum())
    (words,) = Read(block.wide).of("desc")
    assert f"{report.fee_model.log_fit.rows} days" in words
    assert f"slope of {report.fee_model.log_fit['b'].estimate:.3f}" in words
    assert words.endswith("The schedule's base fee: 10 bps from 2023-11-07, 6 bps from 2024-07-11.")
    assert {"10 bps from 2023-11-07", "6 bps from 2024-07-11"} <= set(read.of("text"))


def test_charts_say_in_words_what_they_show(read, record):
    """The description of the fan carries the interval of every period."""
    (words,) = {word for word in read.of("desc") if "80 % interval" in word}
    for period in record["periods"]:
        assert f"Period from {period['start'][:10]}: median " in words
    assert "the last one, from 2025-12-22, 6.440%" in words


def test_old_data_and_a_published_figure(store):
    """Fifty days after the data end the fan begins there, and the pool's own figure is drawn with its source."""
    view = store.view(moment("2026-02-20"))
    report = forecast_apy(view, "JLP", paths=100, track_record=False, periods=1, cap_usd=2e9)
    fan = apy_fan(report)
    # Fridays by then: eight weeks from 26 December, the first not seen to its end, to 20 February, and one more; the
    # pool published those from 30 January and 6 February, which are drawn as known
    assert np.isfinite(fan.quantiles[2]).sum() == 7
    assert fan.official[np.isfinite(fan.official)] == pytest.approx([0.5248, 0.1155])
    read = Read(render(forecast_page(report, contract_outlooks(view, report), view)))
    assert "published by the pool" in read.of("text")
    assert any("published figure: jlp_nav_daily.csv" in word for word in read.of("p"))
    assert any("carries no date: it is shown" in word for word in read.of("p"))
    words = read.of("p")
    assert words[words.index("days left") + 1] == "0"
    assert words[words.index("APY so far") + 1] == "-"


def test_the_first_year_knows_gross_fees_only(store):
    """In November 2024 the one kind is all kinds, and nothing measured is drawn."""
    view = store.view(moment("2024-11-01"))
    report = forecast_apy(view, "JLP", paths=100, track_record=False)
    read = Read(render(forecast_page(report, [], view)))
    rows = read.table("What the chart stacks, with its definitions")
    assert [row[0][0] for row in rows[1:]] == ["all kinds"]
    assert not any("measured on chain" in word for word in read.of("text"))


def test_a_world_without_change_can_be_drawn(report, history):
    """One volume, one fee, one TVL: no axis is without extent."""
    known = {name: np.isfinite(history.values[name]) for name in history.values}
    flat = {
        name: np.where(known[name], {VOLUME: 5e8, TVL: 1e9}.get(name, 5e5), np.nan) for name in history.values
    }
    flat["underlying_apy"] = np.full(len(history), np.nan)
    still = dataclasses.replace(history, values=flat)
    target = build_target(still)
    origin = Origin(report.as_of, "x")
    worlds = dataclasses.replace(
        report.worlds, log_growth=np.full_like(report.worlds.log_growth, 0.1), past={2900: 0.1}
    )
    steady = dataclasses.replace(report, worlds=worlds)
    assert "median" in fan_chart(steady, still, None, origin).wide
    first, layers = fee_layers(still, target, _nothing())
    assert {layer.name for layer in layers} >= {"closes", "all kinds"}
    assert "closes" in fee_chart(steady, target.calendar, first, layers, origin).narrow
    assert "fitted line" in fit_chart(steady, still, fee_line(still, target), origin).wide
    assert np.isfinite(still.values[GROSS]).any()


def _nothing():
    from yieldtrade.series import DailySeries

    return DailySeries(
        name="swap_fees_usd", unit="USD", days=np.array([], "datetime64[D]"), values=np.array([]), quality=()
    )
