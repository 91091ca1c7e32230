"""The backtest as a user runs it, on the bundled history."""

from __future__ import annotations

import json
import math
import re
import sqlite3

import pytest
from click.testing import CliRunner

from yieldtrade.cli.main import cli
from yieldtrade.errors import DomainError, MissingDataError, UnknownNameError

STATED = (
    *("--set", "pendle.trading_fee=0.001", "--set", "exponent.trading_fee=0.001"),
    *("--set", "kamino.pt_max_ltv=0.85", "--set", "kamino.pt_liquidation_ltv=0.9"),
    *("--set", "kamino.pt_oracle_discount=0.25", "--set", "kamino.borrow_apy_sd=0.02"),
    *("--set", "sUSDe-26DEC24.base_asset=USD"),
)
RANGE = ("--from", "2024-11-26", "--to", "2024-12-24")
YT = ("--from", "2026-01-15", "--to", "2026-02-12", "--contract", "fragSOL-15DEC26")
FLAG = "2026-01-15/fragSOL-15DEC26:interest_period-long"


@pytest.fixture(scope="module")
def database(tmp_path_factory, _bundled_file):
    """One database for the runs of this module, which add to it."""
    path = tmp_path_factory.mktemp("runs") / "runs.db"
    path.write_bytes(_bundled_file.read_bytes())
    return path


@pytest.fixture(scope="module")
def run(database):
    """Run the backtest in this process."""

    def call(*arguments):
        return CliRunner().invoke(cli, ["backtest", *arguments, "--db", str(database)])

    return call


@pytest.fixture(scope="module")
def whole(run):
    """A month of weeks on every market, as JSON."""
    done = run(*RANGE, *STATED, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_the_json_says_what_was_replayed_and_how_thin_it_is(whole):
    """Range, moments, scores by strategy and standing, and the evidence in words."""
    found, told = whole
    assert (found["from"], found["to"]) == ("2024-11-26T00:00:00Z", "2024-12-24T00:00:00Z")
    assert (found["moments"], found["every_days"]) == (5, 7.0)
    assert found["untested"] == ["JLP"]
    loop = next(score for score in found["scores"] if score["strategy"] == "principal_loop")
    assert loop["realised"] == loop["scored"] == 1
    assert loop["independent_most"] == 1
    assert math.isclose(loop["difference"], loop["realised_return"] - loop["promised_return"], abs_tol=1e-12)
    text = "\n".join(found["evidence"])
    assert "thin evidence" in text
    assert "nothing on JLP is tested" in text
    assert "screening" in told
    assert "5 screens from 2024-11-26T00:00:00Z" in told


def test_flags_are_stored_with_their_run(database, run):
    """Every flag listed is a row of the run, with the same figures."""
    done = run(*YT, *STATED, "--flags", "--jsonl")
    assert done.exit_code == 0, done.stderr
    listed = {flag["flag_id"]: flag for flag in map(json.loads, done.stdout.splitlines())}
    with sqlite3.connect(database) as conn:
        conn.row_factory = sqlite3.Row
        last = conn.execute("SELECT max(run_id) FROM run WHERE command = 'backtest'").fetchone()[0]
        stored = {
            row["flag_id"]: row
            for row in conn.execute("SELECT * FROM backtest_flag WHERE run_id = ?", (last,))
        }
    assert set(stored) == set(listed)
    for name, row in stored.items():
        flag = listed[name]
        assert (row["promised_return"], row["realised_return"]) == (
            flag["promised_return"],
            flag["realised_return"],
        )
        assert (row["outcome"], row["status"]) == (flag["outcome"], flag["standing"])
        assert row["lost"] == (None if flag["lost"] is None else int(flag["lost"]))
    assert {flag["outcome"] for flag in listed.values()} == {"realised", "unrealised"}
    assert all(flag["reason"] for flag in listed.values() if flag["outcome"] == "unrealised")


def test_one_flag_is_explained_by_sums_that_hold(run):
    """Promised and realised lines each give their result, and the causes add up to the profit."""
    done = run(*YT, *STATED, "--explain", FLAG)
    assert done.exit_code == 0, done.stderr
    maths = {"expm1": math.expm1, "log1p": math.log1p, "fabs": math.fabs}
    sums = re.findall(r"^  (\w+) = .* = (.*) = (-?[\d.e-]+)(?: .*)?$", done.stdout, re.MULTILINE)
    names = [name for name, _, _ in sums]
    assert {"realised_pnl_usd", "realised_return", "horizon_return"} <= set(names)
    assert names.count("pnl") == 2
    for _, numbers, result in sums:
        assert eval(numbers, {"__builtins__": {}}, maths) == float(result)  # noqa: S307
    causes = re.findall(r"^  (\w+) +(-?[\d.,]+) +(-?[\d.,]+) +-?[\d.,]+$", done.stdout, re.MULTILINE)
    realised = sum(float(came.replace(",", "")) for _, _, came in causes)
    profit = next(float(result) for name, _, result in sums if name == "realised_pnl_usd")
    assert realised == pytest.approx(profit, abs=0.001)


def test_the_table_is_for_people_and_the_rest_for_programs(run):
    """A table has scores, calibration and the evidence; CSV has the scores, the evidence goes to standard error."""
    table = run(*YT, *STATED, "--table")
    for words in ("realised - promised", "is P(loss) calibrated", "holding periods overlap", "unrealised:"):
        assert words in table.stdout, words
    lines = run(*YT, *STATED, "--csv")
    assert lines.stdout.splitlines()[0].startswith("standing,trade,flags")
    assert "holding periods overlap" in lines.stderr
    assert "holding" not in lines.stdout.replace("holding_days", "")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("--from", "2025-02-01", "--to", "2025-01-01"), DomainError, "reversed"),
        (("--to", "2031-01-01"), DomainError, "only the past can be replayed"),
        (("--from", "2026-02-01", "--as-of", "2026-01-01"), DomainError, "only the past"),
        (
            ("--from", "2020-01-01", "--to", "2020-06-01"),
            MissingDataError,
            "those stored run from 2023-12-03",
        ),
        (("--contract", "JLP-2411X"), UnknownNameError, "JLP-2411"),
        (("--from", "2026-05-01", "--strategy", "luck"), UnknownNameError, "screen --help"),
        ((*YT, "--explain", "x", "--set", "exponent.trading_fee=0.001"), UnknownNameError, "flag"),
        ((*RANGE,), MissingDataError, "pendle.trading_fee"),
    ],
)
def test_what_cannot_be_replayed_is_refused_in_words(run, arguments, error, words):
    """Each mistake is named with what is allowed or what to do."""
    done = run(*arguments)
    assert isinstance(done.exception, error), done.output
    assert words in str(done.exception)


def test_steps_are_weeks(run):
    """Every two weeks halves the moments; less than a day is refused."""
    done = run(*YT, *STATED, "--every", "2", "--json")
    assert json.loads(done.stdout)["moments"] == 3
    assert run(*YT, "--every", "0.1").exit_code == 2
