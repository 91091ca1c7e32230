"""The forecast and the screen as a user runs them, on the bundled history."""

from __future__ import annotations

import json
import math
import sqlite3
import subprocess
import sys

import pytest
from click.testing import CliRunner

from yieldtrade.cli.main import cli

STATED = (
    *("--as-of", "2026-01-01", "--implied", "JLP-08MAR26=0.19"),
    *("--set", "exponent.trading_fee=0.001"),
)


@pytest.fixture(scope="module")
def database(tmp_path_factory, _bundled_file):
    """One database for the runs of this module, which add to it."""
    path = tmp_path_factory.mktemp("runs") / "runs.db"
    path.write_bytes(_bundled_file.read_bytes())
    return path


@pytest.fixture(scope="module")
def run(database):
    """Run yieldtrade in this process."""

    def call(*arguments):
        return CliRunner().invoke(cli, [*arguments, "--db", str(database)])

    return call


@pytest.fixture(scope="module")
def forecast(run):
    """The forecast of JLP at the end of its history."""
    done = run("forecast", "JLP", "--implied", "JLP-08MAR26=0.19", "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def screened(run):
    """A screen with the inputs stated."""
    done = run("screen", *STATED, "--rejected", "--json")
    assert done.exit_code == 0, done.stderr
    return {row["row_id"]: row for row in json.loads(done.stdout)}


def test_the_forecast_says_what_when_and_how_old(forecast):
    """The report carries its moment, the ages of its data, its definition and what reproduces it."""
    assert forecast["as_of"] == "2026-01-01T00:00:00Z"
    assert forecast["data_age_days"]["volume_usd"] == 0
    assert forecast["data_through"]["tvl_usd"] == "2025-12-26"
    assert "measured on chain" in forecast["definition"]
    assert len(forecast["inputs_sha256"]) == 64


def test_the_running_period_is_half_seen_and_the_next_ones_are_not(forecast):
    """Monday to Sunday: three days of the running period are known on Thursday; eight follow."""
    running, *rest = forecast["periods"]
    assert (running["start"], running["days_observed"]) == ("2025-12-29T00:00:00Z", 3)
    assert running["publication"] == "2026-01-05T18:00:00Z"
    assert len(rest) == 8
    for period in forecast["periods"]:
        levels = [period[f"apy_p{level}"] for level in ("05", "10", "25", "50", "75", "90", "95")]
        assert levels == sorted(levels)
        assert all(math.isfinite(level) and level > 0 for level in levels)
    spread = [math.log(p["apy_p90"] / p["apy_p10"]) for p in forecast["periods"]]
    assert spread[0] < min(spread[1:])


def test_the_track_record_is_shown_with_its_skill(forecast):
    """A row a week ahead, each with how many forecasts it rests on, its skill and its coverage."""
    rows = forecast["track_record"]
    assert [row["horizon"] for row in rows] == list(range(9))
    assert rows[0]["skill_crps_vs_persistence"] > rows[1]["skill_crps_vs_persistence"]
    assert "no later period was held out" in forecast["track_record_caveat"]
    for row in rows[1:]:
        assert row["origins"] > 40
        assert -1 < row["skill_crps_vs_persistence"] < 0.5
        assert 0.7 <= row["coverage_80"] <= 0.95


def test_a_stated_yield_stands_beside_the_forecast(forecast):
    """The contract whose yield is stated says whether YT is cheap; the others have no figure, not a zero."""
    found = {row["contract"]: row for row in forecast["contracts"]}
    assert found["JLP-08MAR26"]["implied_apy"] == 0.19
    assert found["JLP-08MAR26"]["verdict"] == "dear"
    assert 0 <= found["JLP-08MAR26"]["p_yt_gains"] < 0.5
    assert found["JLP-03MAR26"]["implied_apy"] is None


def test_the_forecast_is_stored_with_its_scores(forecast, database):
    """Every quantile and every score of the run is in the database."""
    conn = sqlite3.connect(database)
    targets = {row[0] for row in conn.execute("SELECT DISTINCT target FROM forecast")}
    stored = conn.execute(
        # other tests of this file may have stored runs of their own, without a record
        "SELECT value FROM forecast WHERE target = 'apy' AND quantile = 0.5 "
        "AND run_id IN (SELECT run_id FROM forecast_score) ORDER BY period_start LIMIT 1"
    ).fetchone()[0]
    scores = conn.execute(
        "SELECT count(*) FROM forecast_track_record WHERE metric = 'coverage_80'"
    ).fetchone()[0]
    scored = {
        tuple(row)
        for row in conn.execute(
            "SELECT DISTINCT target, days_observed FROM forecast_score WHERE metric = 'skill_crps_vs_persistence'"
        )
    }
    conn.close()
    # three days of the running period are seen
    assert scored == {("apy", 0), ("apy", 3), ("volume_usd", 0), ("fees_usd", 0), ("tvl_usd", 0)}
    assert targets == {"apy", "volume_usd", "oc_fees_usd", "tvl_usd"}
    assert stored == forecast["periods"][0]["apy_p50"]
    assert scores >= 8


def test_the_report_reads_well_on_a_terminal(run):
    """The printed report has its sections, in percent."""
    text = run("forecast", "JLP", "--table", "--no-track-record").stdout
    for part in ("expected settlement", "APY by interest period", "Scenarios", "What must be true", "Notes"):
        assert part in text
    assert "nan" not in text.lower().replace("binance", "")


def test_the_forecast_is_explained(run):
    """Each line of arithmetic, evaluated, gives what stands beside it; every series names its file."""
    text = run("forecast", "JLP", "--no-track-record", "--explain").stdout
    lines = [
        line.split(": ")[1].split("<-")[0]
        for line in text.splitlines()
        if " = " in line and " log APR " in line
    ]
    assert len(lines) == 12
    for line in lines:
        formula, result = line.rsplit(" = ", 1)
        assert eval(formula.replace("^", "**")) == pytest.approx(float(result), rel=1e-11)  # noqa: S307
    assert "volume_usd: 688 days from 2024-01-29 to 2025-12-31, jlp_pool_daily.csv" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("forecast", "JPL"), "unknown pool"),
        (("forecast", "JLP", "--as-of", "2024-02-10"), "usable days"),
        (("forecast", "JLP", "--as-of", "2023-01-01"), "JLP"),
        (("forecast", "JLP", "--horizon", "0"), "'--horizon': 0"),
        (("forecast", "JLP", "--cap", "-5"), "'--cap': -5 must lie"),
        (("forecast", "JLP", "--share", "0%"), "'--share': 0% must lie"),
        (("forecast", "JLP", "--no-track-record", "--max-age", "3"), "days old, more than --max-age 3"),
        (("screen", "--size", "-1"), "'--size': -1 must lie"),
        (("screen", "--strategy", "princpal_loop"), "nearest: principal_loop"),
        (("screen", "--contract", "JLP-2412"), "nearest: JLP-2411"),
        (("screen", "--implied", "JLP-08MAR=0.2"), "unknown contract"),
        (("screen", "--explain", "nothing"), "unknown row"),
        (("screen", "--as-of", "2020-01-01"), "no trade"),
    ],
)
def test_bad_input_is_one_line(database, arguments, message):
    """Names, sizes and moments that cannot be are answered with what can be, without a traceback."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "yieldtrade",
            *arguments,
            "--db",
            str(database),
            *(("--table",) if message == "no trade" else ()),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert message in done.stderr + done.stdout
    usage = 2 if "Invalid value" in done.stderr else 1
    assert done.returncode == (0 if message == "no trade" else usage)
    assert "Traceback" not in done.stderr


def test_a_screen_shows_every_contract_and_why_it_is_refused(screened):
    """Each live contract has a row a strategy and side; a refused one says what failed, the number and the limit."""
    assert {row["market"] for row in screened.values()} >= {"JLP-03MAR26", "JLP-08MAR26", "JLP-25MAR26"}
    for row in screened.values():
        assert row["status"] in ("accepted", "rejected")
        assert (row["status"] == "rejected") == bool(row["reasons"])
    missing = screened["JLP-03MAR26:fixed_income"]
    assert missing["reasons"][0]["code"] == "missing_input"
    assert missing["expected_pnl_usd"] is None


def test_fixed_income_nets_what_a_pencil_finds(screened):
    """66 days at 19 % with 0.1 % of fee: N = 1/(P*1.001), profit (N - 1) of the capital, P = 1.19^-(66/365)."""
    row = screened["JLP-08MAR26:fixed_income"]
    price = 1.19 ** -(66 / 365)
    assert row["expected_pnl_usd"] == pytest.approx(10_000 * (1 / (price * 1.001) - 1), rel=1e-12)
    assert row["net_apy_exact"] == pytest.approx((1 / (price * 1.001)) ** (365 / 66) - 1, rel=1e-12)
    assert row["net_apy_naive"] == 0.19
    assert row["status"] == "accepted"
    assert {"given_quote", "no_depth", "fixed_in_st"} <= set(row["flags"])


def test_a_long_of_an_interest_period_carries_its_risk(screened):
    """The cash long of the running period has break-evens, a probability of loss and its naive figure."""
    row = screened["JLP-08MAR26:interest_period-long"]
    assert 0 < row["p_loss"] < 1
    assert row["break_even_settled_apy"] > 0.19
    assert row["forecast_version"]
    assert row["reasons"]


def test_without_inputs_nothing_is_accepted_and_each_row_says_how_to_give_them(run):
    """An unpublished fee rejects a row and names the setting that states it."""
    rows = json.loads(run("screen", "--rejected", "--json").stdout)
    assert len(rows) == 59
    texts = [reason["text"] for row in rows for reason in row["reasons"]]
    assert any("--set exponent.trading_fee=VALUE" in text for text in texts)
    assert all(row["as_of"] == "2026-05-05T04:59:10Z" for row in rows)


def test_points_markets_are_flagged_and_their_yt_is_not_valued(run):
    """USX publishes a yield of zero: its YT pays in points, which have no price."""
    done = run("screen", "--set", "exponent.trading_fee=0.001", "--rejected", "--json")
    rows = {row["row_id"]: row for row in json.loads(done.stdout)}
    row = rows["USX-01JUN26:interest_period-long"]
    assert "points_market" in row["flags"]
    assert {reason["code"] for reason in row["reasons"]} >= {"forecast_missing"}
    assert rows["USX-01JUN26:fixed_income"]["expected_pnl_usd"] > 0


def test_a_loop_has_its_liquidation_and_its_clock(run, tmp_path):
    """With the lender's terms stated, a PT of a dollar loops: cap, trigger, break-even borrow APY."""
    lender = [
        f"--set=kamino.{name}"
        for name in ("pt_max_ltv=0.80", "pt_liquidation_ltv=0.85", "borrow_apy_sd=0.02")
    ]
    rate = tmp_path / "rate.csv"
    rate.write_text(
        "date,venue,asset,supply_apy,borrow_apy,supply_usd,borrow_usd\n"
        "2026-05-04,kamino_main,USDC,0.04,0.055,4e8,3e8\n"
    )
    assert run("load", str(rate)).exit_code == 0
    done = run(
        "screen",
        "--as-of",
        "2026-05-05T05:00:00Z",
        "--set",
        "exponent.trading_fee=0.0005",
        *lender,
        "--strategy",
        "principal_loop",
        "--contract",
        "ONyc-13MAY26",
        "--contract",
        "USX-01JUN26",
        "--rejected",
        "--json",
    )
    rows = {row["market"]: row for row in json.loads(done.stdout)}
    row = rows["ONyc-13MAY26"]
    assert row["max_leverage"] > 1
    assert row["liquidation_value"] < 1
    assert row["break_even_borrow"] is not None
    assert row["ltv"] < 0.85


def test_a_screen_is_stored_and_can_set_the_exit_code(run, database, screened):
    """Signals are rows of the run; --exit-code leaves with 3 when something is accepted."""
    assert run("screen", *STATED, "--exit-code").exit_code == 3
    assert run("screen", "--exit-code").exit_code == 0
    conn = sqlite3.connect(database)
    stored = conn.execute("SELECT DISTINCT row_id FROM signal").fetchall()
    explain = conn.execute("SELECT explain FROM signal WHERE row_id = 'JLP-08MAR26:fixed_income'").fetchone()[
        0
    ]
    conn.close()
    assert {row[0] for row in stored} >= set(screened)
    assert json.loads(explain)["inputs"]


def test_the_same_screen_twice_is_the_same(run):
    """Same view, same settings: the same rows to the last digit."""
    first, second = (run("screen", *STATED, "--rejected", "--json").stdout for _ in range(2))
    assert first == second


def test_an_explained_row_can_be_evaluated(run, screened):
    """Each printed line of arithmetic gives the printed result."""
    text = run("screen", *STATED, "--explain", "JLP-08MAR26:fixed_income").stdout
    lines = [line.strip() for line in text.split("\narithmetic\n")[1].split("\n\n")[0].splitlines()]
    names = {"exp": math.exp, "expm1": math.expm1, "log1p": math.log1p, "log": math.log}
    assert len(lines) >= 4
    for line in lines:
        _, _, numbers, result = line.split(" = ", 3)
        assert eval(numbers, names) == float(result.split()[0])  # noqa: S307
    for part in ("inputs", "naive beside exact", "break-evens", "legs", "flags"):
        assert f"\n{part}\n" in text
