"""Options of the screen: bounds, contradictions, presets, legs and columns."""

from __future__ import annotations

import csv
import json
import sqlite3
from dataclasses import fields
from io import StringIO

import pytest
from click.testing import CliRunner

from yieldtrade.cli.main import cli
from yieldtrade.strategies.presets import PRESETS
from yieldtrade.strategies.row import Opportunity

STATED = (
    *("--as-of", "2026-01-01", "--implied", "JLP-08MAR26=0.19"),
    *("--set", "exponent.trading_fee=0.001", "--contract", "JLP-08MAR26", "--strategy", "fixed_income"),
)


@pytest.fixture(scope="module")
def database(tmp_path_factory, _bundled_file):
    """One database for the runs of this module, which add to it."""
    path = tmp_path_factory.mktemp("options") / "runs.db"
    path.write_bytes(_bundled_file.read_bytes())
    return path


@pytest.fixture
def run(database):
    """Run the screen in this process."""

    def call(*arguments, **environment):
        return CliRunner().invoke(
            cli,
            ["screen", *arguments, "--db", str(database)],
            env=environment,
            auto_envvar_prefix="YIELDTRADE",
        )

    return call


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--size", "0", "between 0.01 and 1e+12"),
        ("--size", "-1", "between 0.01 and 1e+12"),
        ("--size", "1e13", "between 0.01 and 1e+12"),
        ("--size", "nan", "not a finite number"),
        ("--size", "inf", "not a finite number"),
        ("--horizon", "0", "between"),
        ("--leverage", "0.99", "between 1 and 1000"),
        ("--max-leverage", "0.5", "between 1 and 1000"),
        ("--min-edge", "-0.01", "between 0 and 100"),
        ("--min-edge", "nan", "not a finite number"),
        ("--max-p-loss", "1.01", "between 0 and 1"),
        ("--max-p-loss", "35", "between 0 and 1"),
        ("--max-p-loss", "-1%", "between 0 and 1"),
        ("--max-p-liquidation", "101%", "between 0 and 1"),
        ("--kappa", "-0.1", "between 0 and 100"),
        ("--hurdle", "-1", "at -0.999 or above"),
        ("--borrow", "-0.01", "at 0 or above"),
        ("--borrow-sd", "-0.01", "at 0 or above"),
        ("--max-quote-age", "0", "between"),
        ("--max-rate-age", "-2", "between"),
        ("--seed", "-1", "x>=0"),
        ("--watch", "0", "between"),
        ("--watch-count", "-1", "x>=0"),
        ("--tolerance", "2", "between 0 and 1"),
        ("--exec-timeout", "0", "between"),
    ],
)
def test_a_value_out_of_bounds_names_its_option(run, option, value, allowed):
    """Wrong usage: the option, the value and what is allowed."""
    done = run(option, value)
    assert done.exit_code == 2
    assert f"'{option}'" in done.stderr
    assert allowed in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--leverage", "6", "--max-leverage", "3"), "--leverage 6 is above --max-leverage 3"),
        (("--borrow", "0.1"), "--borrow and --borrow-sd go together"),
        (("--explain", "x", "--rejected"), "--explain and --rejected exclude each other"),
        (("--explain", "x", "--json"), "--explain and --json exclude each other"),
        (("--explain", "x", "--columns", "row_id"), "--columns would be ignored"),
        (("--explain", "x", "--legs"), "--explain and --legs exclude"),
        (("--explain", "x", "--watch"), "--explain and --watch exclude"),
        (("--legs", "--watch"), "--legs and --watch exclude"),
        (("--legs", "--since-last"), "--legs and --since-last exclude"),
        (("--watch", "--as-of", "2026-01-01"), "a fixed moment does not change"),
        (("--watch", "--json"), "use --jsonl"),
        (("--watch", "--csv"), "--watch and --csv exclude"),
        (("--since-last", "--columns", "row_id"), "--since-last and --columns exclude"),
        (("--watch-count", "1"), "--watch-count goes with --watch"),
        (("--tolerance", "0.1"), "--tolerance goes with --watch or --since-last"),
        (("--exec", "true"), "--exec goes with --watch or --since-last"),
        (("--watch", "--exec-timeout", "1"), "--exec-timeout goes with --exec"),
        (("--since-last", "--exec", "a 'b"), "No closing quotation"),
        (("--since-last", "--exec", " "), "name a command"),
        (("--implied", "JLP-08MAR26=0.1", "--implied", "JLP-08MAR26=0.2"), "is given twice"),
        (("--set", "exponent.trading_fee=0.1", "--set", "exponent.trading_fee=0.2"), "is given twice"),
        (
            ("--as-of", "2026-01-01", "--implied", "JLP-08MAR26=0.1", "--contract", "JLP-03MAR26"),
            "--contract leaves this contract out",
        ),
    ],
)
def test_options_that_would_be_ignored_are_wrong_usage(run, arguments, message):
    """What contradicts another option, or does nothing without one, ends with code 2."""
    done = run(*arguments)
    assert (done.exit_code, message in done.stderr) == (2, True), done.stderr


def test_a_yield_of_a_matured_contract_is_refused(run):
    """It would count for nothing; the message says when it matured."""
    done = run("--as-of", "2026-04-01", "--implied", "JLP-08MAR26=0.19")
    assert "the contract matured 2026-03-08T00:00:00Z" in str(done.exception)


def test_a_misspelt_preset_names_the_nearest(run):
    """And says how to list them."""
    assert "nearest: aggressive" in str(run("--preset", "agressive").exception)


def test_the_help_lists_every_threshold_of_every_preset(run):
    """Each preset with each of its numbers."""
    text = " ".join(run("--help").stdout.split())
    for name, values in PRESETS.items():
        listed = text.split(f"{name} (")[1].split(")")[0]
        assert dict(part.split(" ") for part in listed.split(", ")) == {
            key: f"{value:g}" for key, value in values.items()
        }


def test_rows_and_the_stored_run_state_the_preset_and_what_is_in_force(run, database):
    """An option wins over the preset; both stand in the JSON, in the run and on standard error."""
    done = run(*STATED, "--preset", "conservative", "--kappa", "0.25", "--rejected", "--json")
    row = json.loads(done.stdout)[0]
    expected = {**PRESETS["conservative"], "kappa": 0.25}
    assert (row["preset"], row["thresholds"]) == ("conservative", expected)
    assert "preset conservative, in force: max_p_loss 0.1, " in done.stderr
    conn = sqlite3.connect(database)
    stored = json.loads(conn.execute("SELECT arguments FROM run ORDER BY run_id DESC").fetchone()[0])
    conn.close()
    assert (stored["preset"], stored["thresholds"], stored["kappa"]) == ("conservative", expected, 0.25)


def test_without_a_preset_the_row_says_so(run):
    """No preset, no limit but the documented ones."""
    row = json.loads(run(*STATED, "--json").stdout)[0]
    assert row["preset"] is None
    assert row["thresholds"] == {
        "max_p_loss": None,
        "max_p_liquidation": None,
        "max_leverage": None,
        "min_edge": None,
        "kappa": 0.25,
        "max_quote_age_days": 1.0,
        "max_rate_age_days": 1.0,
    }


def test_a_preset_comes_from_the_environment_too(run):
    """The twin of the option, which a flag overrides."""
    twin = {"YIELDTRADE_SCREEN_PRESET": "balanced"}
    assert json.loads(run(*STATED, "--json", **twin).stdout)[0]["preset"] == "balanced"
    flag = run(*STATED, "--json", "--preset", "aggressive", **twin)
    assert json.loads(flag.stdout)[0]["preset"] == "aggressive"


def test_legs_are_exported_with_amount_price_fee_and_time(run):
    """PT of 10,000 dollars at 19 % and 0.1 %: bought for 10,000/1.001, redeemed at 1 after 66 days."""
    done = run(*STATED, "--legs", "--csv")
    buy, redeem = csv.DictReader(StringIO(done.stdout))
    spent = 10_000 / 1.001
    assert (buy["action"], redeem["action"]) == ("buy", "redeem")
    assert (buy["when"], redeem["when"]) == ("2026-01-01T00:00:00Z", "2026-03-08T00:00:00Z")
    assert float(buy["price_st"]) == pytest.approx(1.19 ** -(66 / 365), rel=1e-12)
    assert float(buy["value_usd"]) == pytest.approx(spent, rel=1e-12)
    assert float(buy["fee_usd"]) == pytest.approx(10_000 - spent, rel=1e-9)
    assert float(redeem["value_usd"]) == pytest.approx(spent / 1.19 ** -(66 / 365), rel=1e-12)
    assert float(buy["amount"]) == pytest.approx(float(redeem["amount"]), rel=1e-12)
    assert {buy["row_id"], redeem["row_id"]} == {"JLP-08MAR26:fixed_income"}


def test_legs_of_every_row_shown(run):
    """As many legs as the rows of the JSON have, rejected ones with --rejected."""
    arguments = ("--as-of", "2026-01-01", "--set", "exponent.trading_fee=0.001", "--rejected")
    rows = json.loads(run(*arguments, "--json").stdout)
    legs = json.loads(run(*arguments, "--legs", "--json").stdout)
    assert [leg["row_id"] for leg in legs] == [row["row_id"] for row in rows for _ in row["legs"]]
    accepted = json.loads(run(*arguments[:-1], "--legs", "--json").stdout)
    assert 0 < len(accepted) < len(legs)
    assert {leg["status"] for leg in accepted} == {"accepted"}


def test_any_field_of_a_row_can_be_a_column(run):
    """Every field of the row by its name; nested ones as JSON."""
    names = [field.name for field in fields(Opportunity)]
    done = run(*STATED, "--csv", "--columns", ",".join(names))
    (row,) = csv.DictReader(StringIO(done.stdout))
    assert list(row) == names
    full = json.loads(run(*STATED, "--json").stdout)[0]
    assert float(row["es5_usd"]) == full["es5_usd"]
    assert json.loads(row["inputs"]) == full["inputs"]
    assert json.loads(row["figures"]) == full["figures"]
    assert row["flags"].split("; ") == full["flags"]


def test_a_column_that_does_not_exist_names_the_nearest(run):
    """Also among the fields that no table shows by itself."""
    assert "nearest: es5_usd" in str(run(*STATED, "--csv", "--columns", "es_usd").exception)
