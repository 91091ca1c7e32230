"""The quote command, as a user runs it: a real process on a real database."""

from __future__ import annotations

import json
import math
import sqlite3
import subprocess
import sys

import pytest
from click.testing import CliRunner

from yieldtrade.cli.main import cli

ARTICLE_PRICE = 10 / 148.94


@pytest.fixture
def run(bundled_path):
    """Run yieldtrade in this process and return its result."""

    def call(*arguments, text=None):
        return CliRunner().invoke(cli, [*arguments, "--db", str(bundled_path)], input=text)

    return call


@pytest.fixture
def process(bundled_path):
    """Run yieldtrade as a process of its own and return its outcome."""

    def call(*arguments, text=None):
        return subprocess.run(
            [sys.executable, "-m", "yieldtrade", *arguments, "--db", str(bundled_path)],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return call


def test_a_quote_from_an_implied_yield(run):
    """81 days before 30 November 2024 at 35 %: YT = 1 - 1.35^-(81/365)."""
    done = run("quote", "JLP-2411", "--implied", "0.35", "--as-of", "2024-09-10", "--json")
    record = json.loads(done.stdout)
    assert done.exit_code == 0
    assert record["contract"] == "JLP-2411"
    assert math.isclose(record["yt_price"], 1 - 1.35 ** -(81 / 365), rel_tol=1e-12)
    assert math.isclose(record["pt_price"] + record["yt_price"], 1.0, rel_tol=1e-15)
    assert math.isclose(record["tau_years"], 81 / 365, rel_tol=1e-15)
    assert record["days_to_maturity"] == 81
    assert record["implied_apy"] == 0.35
    assert record["data_age_days"] is None
    assert record["break_even_apy"] == pytest.approx(0.35, rel=1e-12)


def test_the_articles_example_is_reproduced(run):
    """1 JLP of margin at 10x buys 148.94 YT at 0.067141 ST; the implied yield lies in the band of that reading."""
    done = run("quote", "JLP-2411", "--leverage", "10", "--margin", "1", "--json")
    record = json.loads(done.stdout)
    assert record["yt_before_fee"] == pytest.approx(148.94, abs=1e-9)
    assert record["yt"] == pytest.approx(148.94 * 0.999, abs=1e-9)
    assert record["yt_price"] == pytest.approx(ARTICLE_PRICE, rel=1e-12)
    assert 0.343 <= record["implied_apy"] <= 0.353
    assert record["kind"] == "published"
    assert record["st"] == -10
    assert record["max_leverage"] == pytest.approx(1 / 0.101, rel=1e-12)
    assert "not 10" in done.stderr


def test_a_price_is_kept_to_the_last_digit_and_inverted(run):
    """The price the user gives is the price quoted; the yield comes from it."""
    record = json.loads(
        run("quote", "JLP-2411", "--yt-price", "0.067141", "--as-of", "2024-09-05", "--json").stdout
    )
    assert record["yt_price"] == 0.067141
    assert record["implied_apy"] == pytest.approx((1 - 0.067141) ** -(365 / 86) - 1, rel=1e-12)
    record = json.loads(run("quote", "ONyc-13MAY26", "--pt-price", "0.99", "--json").stdout)
    assert record["pt_price"] == 0.99


def test_the_stored_market_is_quoted_at_its_last_moment(run):
    """Without a figure the last snapshot is used, and PT and YT agree with the venue's own to its rounding."""
    record = json.loads(run("quote", "ONyc-13MAY26", "--json").stdout)
    assert record["as_of"] == "2026-05-05T04:59:10Z"
    assert record["kind"] == "market"
    assert record["source"] == "yield_markets_daily.csv"
    assert record["pt_price"] == pytest.approx(0.9973123, abs=2e-6)
    assert record["data_age_days"] > 100


def test_a_quote_carries_its_yield_to_a_later_moment(run):
    """A day after the snapshot the same yield is priced with a day less."""
    record = json.loads(run("quote", "ONyc-13MAY26", "--as-of", "2026-05-06", "--json").stdout)
    assert record["implied_apy"] == 0.12644432
    assert record["pt_price"] == pytest.approx(1.12644432 ** -((7 * 24 + 11) / (365 * 24)), rel=1e-12)
    assert record["data_age_days"] == pytest.approx(0.792, abs=1e-3)


def test_many_contracts_and_every_form(run):
    """Several names give rows; the forms carry the same figures under the same names."""
    names = ("ONyc-13MAY26", "USX-01JUN26")
    objects = json.loads(run("quote", *names, "--json").stdout)
    lines = [json.loads(line) for line in run("quote", *names, "--jsonl").stdout.splitlines()]
    comma = run("quote", *names, "--csv").stdout.splitlines()
    tabs = run("quote", *names).stdout.splitlines()
    assert [record["contract"] for record in objects] == list(names)
    assert [record["pt_price"] for record in lines] == [record["pt_price"] for record in objects]
    assert comma[0].split(",")[:3] == ["contract", "implied_apy", "pt_price"]
    assert tabs[1].split("\t")[2] == repr(objects[0]["pt_price"])
    assert run("quote", *names, "--columns", "yt_price", "--no-headers", "--csv").stdout.splitlines() == [
        repr(record["yt_price"]) for record in objects
    ]
    assert "12.64%" in run("quote", *names, "--table").stdout
    assert len(run("quote", "--all").stdout.splitlines()) == 10 + 1


def test_quotes_are_read_from_standard_input_a_line_each(run):
    """A lone dash reads JSON lines, as many as there are."""
    text = '{"contract": "JLP-2411", "implied_apy": 0.3}\n\n{"contract": "ONyc-13MAY26", "yt_price": 0.003}\n'
    found = [json.loads(line) for line in run("quote", "-", "--jsonl", text=text).stdout.splitlines()]
    assert [(record["contract"], record["input"]) for record in found] == [
        ("JLP-2411", "implied_apy"),
        ("ONyc-13MAY26", "yt_price"),
    ]
    for bad in (
        "nonsense",
        '{"implied_apy": 0.3}',
        '{"contract": "JLP-2411", "implied": 1}',
        '{"contract": "JLP-2411", "implied_apy": "x"}',
    ):
        done = run("quote", "-", text=text + bad + "\n")
        assert done.exit_code == 2
        assert "line 4" in done.stderr


def test_an_explained_quote_can_be_evaluated(run):
    """The printed arithmetic gives the printed result."""
    text = run("quote", "JLP-2411", "--implied", "0.35", "--explain").stdout
    line = next(line for line in text.splitlines() if line.strip().startswith("YT "))
    expression, result = line.rsplit(" = ", 2)[-2:]
    assert eval(expression, {"expm1": math.expm1, "log1p": math.log1p}) == float(result.split()[0])  # noqa: S307


def test_a_quote_is_logged_with_its_run(run, bundled_path):
    """Each quote leaves a run and its figures; --no-log leaves none."""
    run("quote", "JLP-2411", "--implied", "0.35")
    run("quote", "JLP-2411", "--implied", "0.36", "--no-log")
    conn = sqlite3.connect(bundled_path)
    rows = conn.execute(
        "SELECT command, status, contract_id, implied_apy, kind FROM run JOIN quote_log USING (run_id)"
    ).fetchall()
    conn.close()
    assert rows == [("quote", "done", "JLP-2411", 0.35, "given")]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("JLP-2412", "--implied", "0.3"), 1, "nearest: JLP-2411"),
        (("JLP-2411", "--implied", "35"), 2, "rates are fractions: 0.35, or 35%"),
        (("JLP-2411", "--implied", "nan"), 2, "not a finite number"),
        (("JLP-2411", "--implied", "-0.1"), 1, "is negative"),
        (("JLP-2411", "--implied", "-2"), 1, "-1"),
        (("JLP-2411", "--pt-price", "1.2"), 1, "negative"),
        (("JLP-2411", "--pt-price", "0"), 1, "above 0"),
        (("JLP-2411", "--yt-price", "1"), 1, "below 1"),
        (("JLP-2411", "--implied", "0.3", "--pt-price", "0.9"), 1, "give one of"),
        (("JLP-2411", "--implied", "0.3", "--as-of", "2024-11-30"), 1, "matured on 2024-11-30"),
        (("JLP-2411", "--implied", "0.3", "--as-of", "2024-13-01"), 2, "is not a date"),
        (("JLP-2411", "--implied", "0.3", "--as-of", "2024-10-01T12:00:00"), 2, "no time zone"),
        (("JLP-24NOV25",), 1, "matured on 2025-11-24"),
        (("JLP-08MAR26", "--as-of", "2025-12-31", "--leverage", "3"), 1, "has no trading_fee"),
        (("JLP-2411", "--leverage", "11"), 1, "above 10, the most ratex offers"),
        (("JLP-2411", "--leverage", "-1"), 1, "leverage"),
        (("ONyc-13MAY26", "--max-age", "1"), 1, "more than --max-age 1"),
        (("JLP-2411", "--columns", "yt_prise"), 1, "nearest: yt_price"),
        (("JLP-2411", "--json", "--csv"), 2, "choose one"),
        (("JLP-2411", "--set", "ratex"), 2, "OWNER.NAME=VALUE"),
        (("JLP-2411", "--set", "ratx.trading_fee=0"), 1, "nearest: ratex"),
        ((), 2, "name a contract"),
    ],
)
def test_bad_input_is_one_line_that_says_what_to_do(process, arguments, code, message):
    """Every failure has its exit code, its message on standard error, and no traceback."""
    done = process("quote", *arguments)
    assert done.returncode == code
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_undated_figure_is_shown_with_a_warning(run):
    """A pool yield nobody dated is a price with a warning, and never silently a market's."""
    done = run("quote", "JLP-08MAR26", "--as-of", "2025-12-31", "--json")
    record = json.loads(done.stdout)
    assert (record["kind"], record["implied_apy"], record["quoted_at"]) == ("undated", 0.0742429, None)
    assert "may be later than as_of" in done.stderr


def test_a_lone_quote_imports_no_heavy_library(bundled_path):
    """numpy, pandas and their like stay out of a quote's process."""
    script = (
        "import sys; from yieldtrade.cli.main import cli\n"
        f"cli.main(['quote', 'JLP-2411', '--implied', '0.35', '--json', '--db', {str(bundled_path)!r}],"
        " standalone_mode=False)\n"
        "heavy = {'numpy', 'pandas', 'scipy', 'statsmodels', 'sqlite_utils', 'rich', 'QuantLib'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "text", "code", "message"),
    [
        (
            ("JLP-2411", "--implied", ".35", "--set", "JLP-2411.epoch_anchor=abc"),
            None,
            1,
            "a time with its zone",
        ),
        (("JLP-2411", "--implied", ".35", "--set", "ratex.trading_fe=0.1"), None, 1, "nearest: trading_fee"),
        (("JLP-2411", "--implied", ".35", "--set", "ratex.trading_fee=3"), None, 1, "trading_fee = 3"),
        (("JLP-2411", "--as-of", "9999-12-31T23:59:59-12:00"), None, 2, "is not a date"),
        (("JLP-2411", "--as-of", "2024-W10-1"), None, 2, "is not a date"),
        (("JLP-2411", "--columns", ","), None, 1, "names no column"),
        (("JLP-2411", "--size", "-1"), None, 2, "sizes are 0 or more"),
        (("-",), "\n \n", 2, "holds no line"),
        (("-",), '{"contract": "JLP-2411", "implied_apy": 35}', 2, "rates are fractions"),
        (("-",), "[" * 5000, 2, "line 1"),
    ],
)
def test_nonsense_is_refused_where_it_is_stated(process, arguments, text, code, message):
    """Unknown parameters, impossible moments, empty input and percentages are one line that names them."""
    done = process("quote", *arguments, text=text)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
