"""Figures far from the days around them are told at loading, and flagged."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest

from yieldtrade.sources.bundled import history_files
from yieldtrade.sources.files import parse_file
from yieldtrade.store import open_store
from yieldtrade.store.plausible import judged

JUNE = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = [f"2026-01-{day:02}" for day in range(1, 31)]
USUAL = {
    "tvl_usd": 1e9,
    "volume_usd": 5e8,
    "close_fees_usd": 2e5,
    "gross_fees_usd": 5e5,
    "swap_fees_usd": 2e4,
}


@pytest.fixture
def empty(tmp_path):
    """A database without anything in it."""
    with open_store(tmp_path / "a.db", bundled=False) as store:
        yield store


def load(store, folder, day=None, name="pool.csv", days=DAYS, **wrong):
    """Load a month of usual figures, some of one day multiplied by a factor."""
    rows = [
        [d, *(value * (wrong.get(n, 1.0) if d == day else 1.0) for n, value in USUAL.items())] for d in days
    ]
    path = Path(folder, name)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["date", *USUAL], *rows])
    return store.load([path], now=JUNE)[1]


def suspects(store):
    """Series and day of every figure stored as suspect, in its last version."""
    rows = store.export("pool_day_latest")[1]
    return [(row["series"], row["date"]) for row in rows if row["quality"] == "suspect"]


@pytest.mark.parametrize("day", ["2026-01-01", "2026-01-15", "2026-01-30"])
@pytest.mark.parametrize(
    ("series", "factor"),
    [("tvl_usd", 1e-3), ("volume_usd", 1e3), ("close_fees_usd", 1e3), ("swap_fees_usd", 1e-3)],
)
def test_a_figure_out_of_line_is_loaded_as_suspect_and_told(empty, tmp_path, series, factor, day):
    """The warning names file, line, series, value, the median of the days around and the factor."""
    (warning,) = load(empty, tmp_path, day, **{series: factor})
    line = DAYS.index(day) + 2
    assert warning.startswith(f"pool.csv:{line}: {series} of {day} = {USUAL[series] * factor:g} is ")
    assert f"is {factor:,.4g} times the median {USUAL[series]:g} of the days around" in warning
    assert suspects(empty) == [(series, day)]


def test_stored_figures_are_neighbours_too(empty, tmp_path):
    """A file of one day is held against the days stored before it; loaded again corrected it is suspect no more."""
    assert load(empty, tmp_path, days=DAYS[:20]) == []
    (warning,) = load(empty, tmp_path, DAYS[20], "b.csv", DAYS[20:21], volume_usd=1e3)
    assert "b.csv:2: volume_usd of 2026-01-21" in warning
    assert load(empty, tmp_path, days=DAYS[20:21], name="c.csv") == []
    assert suspects(empty) == []


def test_a_confirmed_figure_is_taken_as_it_is(empty, tmp_path):
    """Whoever has looked says so, and the figure is loaded under that word without a warning."""
    load(empty, tmp_path)
    path = tmp_path / "sure.csv"
    path.write_text(
        "pool,series,date,value,quality\nJLP,volume_usd,2026-01-15,5e11,confirmed\n", encoding="utf-8"
    )
    assert empty.load([path], now=JUNE)[1] == []
    assert suspects(empty) == []


def test_a_yield_has_a_bound_of_its_own(empty, tmp_path):
    """Percentages throughout agree with each other, and still no pool pays 2,500 % a year."""
    path = tmp_path / "yield.csv"
    rows = "".join(f"{day},25\n" for day in DAYS)
    path.write_text(f"date,underlying_apy\n{rows}", encoding="utf-8")
    warnings = empty.load([path], now=JUNE)[1]
    assert sum("is above 5, more than such a figure has ever been" in line for line in warnings) == len(DAYS)
    assert len(suspects(empty)) == len(DAYS)


def test_a_price_out_of_line_is_told(empty, tmp_path):
    """Prices of assets are held to the band of a stock."""
    path = tmp_path / "prices.csv"
    rows = "".join(f"SOL,{day},{2e5 if day == DAYS[9] else 200}\n" for day in DAYS)
    path.write_text(f"asset,date,price_usd\n{rows}", encoding="utf-8")
    (warning,) = empty.load([path], now=JUNE)[1]
    assert "prices.csv:11: price of SOL of 2026-01-10 = 200000 is 1,000 times the median 200" in warning


def test_no_bundled_row_is_suspect(bundled):
    """Every bundled figure lies inside the bands, whether it is loaded alone or beside the stored ones."""
    for name, data in history_files().items():
        parsed = parse_file(data, name=name, locator="", now=JUNE, kind="bundled")
        found = judged(bundled.reading(), parsed, JUNE)
        assert found.rows == parsed.rows
        told = set(found.warnings) - set(parsed.warnings)
        assert all("times the base fee of their date" in line for line in told)
        assert len(told) == (2 if name == "jlp_pool_daily.csv" else 0)


def test_fees_off_the_schedule_are_told_once(bundled, tmp_path):
    """Fees of a fifth of the base fee on their volume get one line a series, and no flag."""
    (warning,) = load(bundled, tmp_path, DAYS[3], gross_fees_usd=0.1)
    assert warning == (
        "pool.csv: gross_fees_usd of 1 of 30 days lie below 0.5 or above 3 times the base fee of their date on "
        "volume_usd, the last 2026-01-04 at 0.167 times"
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("11,0.116,,", "apy = 0.116 does not follow from apr = 11"),
        ("10.93,11.55,,", "both are fractions"),
        ("0.1093,0.1155,2026-01-05,", "together or not at all"),
        ("0.1093,0.1155,2026-01-05,2026-01-12", "are not seven days"),
    ],
)
def test_a_published_yield_must_agree_with_itself(row, message):
    """An APY that its APR does not compound to, and days that are no week, are refused."""
    text = f"pool,published_at,apr,apy,week_start,week_end\nJLP,2026-01-12T18:00:00Z,{row}\n"
    (problem,) = parse_file(text.encode(), name="a.csv", locator="", now=JUNE).problems
    assert message in problem
