"""Reading tables from files: every form, every fault."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from yieldtrade.errors import LoadError
from yieldtrade.sources.files import parse_file
from yieldtrade.sources.tables import FORMATS, detect_format

NOW = datetime(2026, 6, 1, tzinfo=UTC)
POOL = "date,tvl_usd,volume_usd,volume_quality,close_fees_usd\n"
QUOTES = (
    "date,venue,market,underlying,maturity,pt_price,yt_price,implied_apy,underlying_apy,liquidity_usd,"
    "tvl_usd,underlying_price_usd,as_of_utc\n"
)


def parse(text, name="pool.csv", **options):
    """Parse a table given as text or bytes."""
    data = text if isinstance(text, bytes) else text.encode()
    return parse_file(data, name=name, locator="test", now=NOW, **options)


def test_a_sound_table_becomes_one_fact_a_filled_cell():
    """Each filled cell of a wide table becomes one row; an empty one becomes nothing, never a zero."""
    parsed = parse(POOL + "2026-01-01,100,50,as_labelled,2\n2026-01-02,,60,,\n")
    assert parsed.problems == ()
    assert parsed.rows["pool_day"] == [
        ("JLP", "tvl_usd", "2026-01-01", 100.0, "reported", "2026-01-01T00:00:00Z"),
        ("JLP", "close_fees_usd", "2026-01-01", 2.0, "reported", "2026-01-02T00:00:00Z"),
        ("JLP", "volume_usd", "2026-01-01", 50.0, "as_labelled", "2026-01-02T00:00:00Z"),
        ("JLP", "volume_usd", "2026-01-02", 60.0, "reported", "2026-01-03T00:00:00Z"),
    ]


def test_a_figure_is_known_when_its_day_is_over_and_a_state_when_it_is_taken():
    """TVL is the state at the start of its day, volume the sum of it: they become known a day apart."""
    rows = parse(POOL + "2026-01-01,100,50,,\n").rows["pool_day"]
    assert {row[1]: row[-1] for row in rows} == {
        "tvl_usd": "2026-01-01T00:00:00Z",
        "volume_usd": "2026-01-02T00:00:00Z",
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2026-01-01,100,0,,", "volume_usd = '0' must be above 0"),
        ("2026-01-01,-5,50,,", "tvl_usd = '-5' must be above 0"),
        ("2026-01-01,nan,50,,", "tvl_usd = 'nan' is not a finite number"),
        ("2026-01-01,1e999,50,,", "is not a finite number"),
        ("2026-01-01,abc,50,,", "tvl_usd = 'abc' is not a number"),
        ("2026-01-01,1_000,50,,", "is not a number"),
        ("2026-13-01,100,50,,", "date = '2026-13-01' is not a day"),
        ("20260101,100,50,,", "is not a day; write it as 2025-12-31"),
        ("2026-07-01,100,50,,", "lies in the future"),
        (",100,50,,", "date is empty"),
        ("2026-01-01,100,50", "has 3 cells where the header has 5"),
    ],
)
def test_a_bad_cell_is_told_with_its_line_value_and_what_is_allowed(row, message):
    """A row that cannot be right is a problem that names file, line, column and value."""
    parsed = parse(POOL + "2025-12-31,100,50,,\n" + row + "\n")
    assert len(parsed.problems) == 1
    assert parsed.problems[0].startswith("pool.csv:3: ")
    assert message in parsed.problems[0]
    assert len(parsed.rows["pool_day"]) == 2


def test_every_problem_of_a_file_is_told():
    """Reading goes on after a bad row, so that all of them are mended at once."""
    parsed = parse(POOL + "".join(f"2026-01-{day:02},x,y,,\n" for day in range(1, 11)))
    assert len(parsed.problems) == 20


def test_a_repeated_row_names_the_line_it_repeats():
    """Two rows with one key are a problem, not a choice of ours."""
    parsed = parse(POOL + "2026-01-01,100,50,,\n2026-01-01,100,50,,\n")
    assert "pool.csv:3: repeats line 2 (2026-01-01)" in parsed.problems


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"", "a.csv", "is empty"),
        (b"   \n", "a.csv", "is empty"),
        (POOL.encode(), "a.csv", "a header but no rows"),
        (b"\xff\xfe\x00a", "a.csv", "not UTF-8"),
        (b"date\x00,tvl\n", "a.csv", "zero byte"),
        (b"a,b,c\n1,2,3\n", "a.csv", "of no known table"),
        (b"date,date\n1,2\n", "a.csv", "more than once"),
        ((POOL + '2026-01-01,"100,50,,\n').encode(), "a.csv", "breaks off or is garbled"),
        (b'{"rows": [', "a.json", "not JSON"),
        (b'{"a": 1}', "a.json", "a list of objects"),
        (b"[1, 2]", "a.json", "a list of objects"),
        (b'{"a": 1}\n[]\n', "a.jsonl", "a.jsonl:2"),
        (b"PAR1 and then nothing", "a.parquet", "arquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(data, name, message):
    """An empty, garbled, truncated or foreign file says what it is."""
    with pytest.raises(LoadError, match=message):
        parse(data, name)


def test_unknown_columns_are_listed_and_left_out():
    """A column of no meaning is named, so that a misspelt one is seen."""
    parsed = parse("date,tvl_usd,volume_usd,volum_quality\n2026-01-01,1,2,x\n")
    assert parsed.warnings == ("pool.csv: columns of no meaning in jlp_pool_daily left out: volum_quality",)


def test_percentages_where_fractions_belong_are_suspected():
    """A yield column around 9 is 900 % a year: most likely percent."""
    rows = "".join(f"2026-01-{day:02},{8 + day / 10}\n" for day in range(1, 9))
    parsed = parse("date,underlying_apy\n" + rows)
    assert any("are these percentages?" in line for line in parsed.warnings)


def test_a_rate_of_3500_percent_is_refused():
    """35 in a rate column is 3500 % a year."""
    parsed = parse("date,underlying_apy\n2026-01-01,35\n")
    assert "is above 30" in parsed.problems[0]
    assert "0.35 for 35 %" in parsed.problems[0]


def quote_row(pt="0.985", yt="0.015", implied="0.06", as_of="2026-04-17T05:00:00Z", market="X-20JUL26"):
    """One row of quotes."""
    return f"2026-04-17,exponent,{market},X,2026-07-20T12:00:00Z,{pt},{yt},{implied},,1,1,1,{as_of}\n"


def test_prices_that_contradict_each_other_are_refused():
    """PT and YT add up to one ST, and PT agrees with the implied yield.

    94.29 days at 6 %: PT = 1.06^-(94.29/365) = 0.98506.
    """
    assert parse(QUOTES + quote_row(pt="0.98506", yt="0.01494")).problems == ()
    assert "must add up to 1 ST" in parse(QUOTES + quote_row(pt="0.98506", yt="0.02")).problems[0]
    assert "does not agree with implied_apy" in parse(QUOTES + quote_row(implied="0.6")).problems[0]
    late = parse(QUOTES + quote_row().replace("2026-07-20", "2026-04-16"))
    assert "at or after the maturity" in late.problems[0]
    assert "is neither NAME-YYMM" in parse(QUOTES + quote_row(market="X")).problems[0]


def test_the_same_rows_load_from_csv_json_and_json_lines():
    """The form of a file does not change what it says."""
    records = [{"date": "2026-01-01", "underlying_apy": 0.1}, {"date": "2026-01-02", "underlying_apy": 0.2}]
    forms = {
        "a.csv": "date,underlying_apy\n2026-01-01,0.1\n2026-01-02,0.2\n",
        "a.json": json.dumps(records),
        "a.jsonl": "\n".join(map(json.dumps, records)),
    }
    found = [parse(text, name).rows for name, text in forms.items()]
    assert found[0] == found[1] == found[2]
    assert len(found[0]["pool_day"]) == 2


def test_the_table_can_be_named_where_the_header_does_not_tell():
    """--as names the table; a file that lacks its columns is refused with their names."""
    text = "pool,series,date,value\nJLP,volume_usd,2026-01-01,5\n"
    assert parse(text, table_format="pool_day").table_format == "pool_day"
    with pytest.raises(LoadError, match="it lacks"):
        parse(text, table_format="prices_daily")
    with pytest.raises(LoadError, match="no table is named 'pol_day'"):
        parse(text, table_format="pol_day")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("JLP,volume_usd,2026-01-01,0", "volume_usd value = 0 must be above 0"),
        ("JLP,tvl_usd,2026-01-01,-5", "tvl_usd value = -5 must be above 0"),
        ("JLP,underlying_apy,2026-01-01,35", "is above 30, the most allowed; rates are fractions"),
        ("JLP,swap_fees_usd,2026-01-01,-1", "is below 0, the least allowed"),
        ("JLP,volum_usd,2026-01-01,5", "series = 'volum_usd' is not known; nearest: volume_usd"),
        ("JPL,volume_usd,2026-01-01,5", "pool = 'JPL' is not known; nearest: JLP; known are JLP"),
    ],
)
def test_the_long_table_allows_what_the_wide_ones_do(row, message):
    """A figure out of its series' range, a series and a pool nobody knows are refused with what is allowed."""
    text = f"pool,series,date,value\nJLP,trader_pnl_usd,2025-12-31,-7\n{row}\n"
    parsed = parse(text, "long.csv", pools=("JLP",))
    assert len(parsed.problems) == 1
    assert parsed.problems[0].startswith("long.csv:3: ")
    assert message in parsed.problems[0]
    assert len(parsed.rows["pool_day"]) == 1


@pytest.mark.parametrize("figure", ["0,0.2", "-0.1,0.2", "0.2,0", "0.2,-0.1"])
def test_a_published_yield_is_above_zero(figure):
    """A pool that publishes no yield publishes none: zero and less are refused."""
    parsed = parse(f"pool,published_at,apr,apy\nJLP,2026-01-05T18:00:00Z,{figure}\n")
    assert "must be above 0" in parsed.problems[0]


@pytest.mark.parametrize(
    ("header", "row", "soonest"),
    [
        ("pool,series,date,value", "JLP,volume_usd,2026-01-05,5", "2026-01-06T00:00:00Z"),
        ("pool,series,date,value", "JLP,tvl_usd,2026-01-06,5", "2026-01-06T00:00:00Z"),
        ("asset,date,price_usd", "SOL,2026-01-05,5", "2026-01-06T00:00:00Z"),
        ("pool,published_at,apr,apy", "JLP,2026-01-06T00:00:00Z,0.1093,0.1155", "2026-01-06T00:00:00Z"),
    ],
)
def test_nothing_is_known_before_it_is(header, row, soonest):
    """A figure may have become known as soon as its day was over, and no second sooner: it would be foresight."""
    sound = parse(f"{header},known_at\n{row},{soonest}\n", "long.csv")
    early = parse(f"{header},known_at\n{row},2026-01-05T23:59:59Z\n", "long.csv")
    assert sound.problems == ()
    assert early.problems == (
        f"long.csv:2: known_at = 2026-01-05T23:59:59Z lies before {soonest}, the soonest the figure could be known",
    )


def test_a_figure_of_the_future_is_refused():
    """A day that is not over by the present moment, and a moment of knowing to come, are refused with it."""
    rows = "JLP,volume_usd,2026-06-02,5,\nJLP,volume_usd,2026-05-01,5,2026-06-02T00:00:00Z\n"
    text = f"pool,series,date,value,known_at\n{rows}"
    parsed = parse(text, "long.csv")
    assert "long.csv:2: date = '2026-06-02' lies in the future (today is 2026-06-01)" in parsed.problems
    assert "long.csv:3: known_at = '2026-06-02T00:00:00Z' lies in the future" in parsed.problems[1]


def test_every_format_is_found_by_its_own_required_columns():
    """The columns a format needs are enough to tell it from the others."""
    for table in FORMATS:
        assert detect_format(table.names) is table


@pytest.mark.parametrize("cell", [["x"], {}, True])
def test_a_json_cell_of_the_wrong_kind_is_a_problem_of_its_row(cell):
    """A list, an object or a truth value where a day or a number belongs names its column."""
    parsed = parse(json.dumps([{"date": cell, "underlying_apy": cell}]), "a.json")
    assert len(parsed.problems) == 2
    assert "date = " in parsed.problems[0]


def test_json_nested_beyond_reason_is_refused():
    """A file that is all brackets is no table."""
    with pytest.raises(LoadError, match=r"nested too deeply|not JSON"):
        parse("[" * 100_000, "a.json")


def test_more_dollars_than_there_are_is_a_slip():
    """A TVL of 1e300 is refused like any other figure outside its range."""
    assert "the most allowed" in parse(POOL + "2026-01-01,1e300,50,,\n").problems[0]
