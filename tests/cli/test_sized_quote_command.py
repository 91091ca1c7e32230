"""quote with a size: the fill through a stored pool, its depth and chart, positions and the ledger."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from yieldtrade.amm.logit import LogitAmm
from yieldtrade.cli.main import cli

MOMENT = "2026-05-01"
STATE = {
    "total_pt": 1_000_000.0,
    "total_sy": 800_000.0,
    "sy_index": 1.1,
    "scalar_root": 30.0,
    "ln_fee_root": 0.003,
    "reserve_fee_percent": 80.0,
    "last_ln_implied_rate": 0.12,
}
CLMM = {
    "sqrt_price": math.sqrt(0.0671411306566402),
    "ranges": [{"liquidity": 50_000.0, "lower_sqrt": math.sqrt(0.02), "upper_sqrt": math.sqrt(0.15)}],
    "tick_spacing": 10,
}


@pytest.fixture
def run(bundled_path, tmp_path):
    """Run yieldtrade on a database that also holds two complete pool states."""
    states = [
        {"contract_id": "ONyc-13MAY26", "at": "2026-04-30T00:00:00Z", "kind": "logit", "state": STATE},
        {"contract_id": "JLP-2411", "at": "2024-09-05T00:00:00Z", "kind": "clmm", "state": CLMM},
    ]
    table = tmp_path / "states.jsonl"
    table.write_text("\n".join(map(json.dumps, states)))

    def call(*arguments):
        return CliRunner().invoke(cli, [*arguments, "--db", str(bundled_path)])

    assert call("load", str(table)).exit_code == 0
    return call


@pytest.fixture
def amm():
    """The same Pendle-type pool, built by hand."""
    names = {"reserve_fee_percent": "reserve_fee_percent", "last_ln_implied_rate": "ln_implied_rate"}
    return LogitAmm(
        as_of=datetime(2026, 5, 1, tzinfo=UTC),
        maturity=datetime(2026, 5, 13, 11, tzinfo=UTC),
        **{names.get(name, name): value for name, value in STATE.items()},
    )


@pytest.mark.parametrize("side", ["buy-pt", "sell-pt", "buy-yt", "sell-yt"])
def test_a_size_is_filled_through_the_stored_pool(run, amm, side):
    """The printed fill is the pool's: amounts, fees by kind, impact in price and in yield, the largest trade."""
    done = run("quote", "ONyc-13MAY26", "--as-of", MOMENT, "--size", "5000", "--side", side, "--json")
    record = json.loads(done.stdout)
    fill = amm.quote(side.upper().replace("-", "_"), 5000.0)
    assert record["fill_st"] == pytest.approx(fill.st_amount, rel=1e-12)
    assert record["fill_fee_lp_st"] + record["fill_fee_protocol_st"] == pytest.approx(fill.fee, rel=1e-12)
    assert record["post_trade_apy"] == pytest.approx(fill.post_trade_yield, rel=1e-12)
    assert record["price_impact"] == pytest.approx(fill.price_impact, rel=1e-9, abs=1e-15)
    assert record["max_size"] == pytest.approx(amm.max_size(fill.side).size, rel=1e-12)
    assert record["state_age_days"] == 1


def test_a_budget_in_st_is_spent(run):
    """With --unit st the size is what is paid, fees included."""
    done = run(
        "quote",
        "ONyc-13MAY26",
        "--as-of",
        MOMENT,
        "--size",
        "50",
        "--unit",
        "st",
        "--side",
        "buy-yt",
        "--json",
    )
    assert json.loads(done.stdout)["fill_st"] == pytest.approx(50, rel=1e-9)


def test_without_a_state_the_quote_is_spot_only_and_says_so(run):
    """No depth is ever invented: a contract without a stored pool gets a warning and no fill."""
    done = run("quote", "USX-01JUN26", "--size", "100", "--json")
    assert "no state of its pool is stored" in done.stderr
    assert "fill_st" not in json.loads(done.stdout)
    partial = run("quote", "USDe-25SEP25", "--as-of", "2025-09-01", "--size", "100", "--json")
    assert "has no sy_index" in partial.stderr
    assert "fill_st" not in json.loads(partial.stdout)


def test_terms_the_user_states_complete_a_state(run):
    """A state that lacks the curve's parameters works with them stated."""
    stated = [f"--set=USDe-25SEP25.{name}" for name in ("scalar_root=40", "ln_fee_root=0.003", "sy_index=1")]
    done = run(
        "quote",
        "USDe-25SEP25",
        "--as-of",
        "2025-09-01",
        "--size",
        "100",
        "--side",
        "buy-pt",
        *stated,
        "--json",
    )
    record = json.loads(done.stdout)
    assert 0.98 < record["fill_average_price"] < 1
    assert record["pre_trade_apy"] == pytest.approx(0.147002, abs=1e-6)


def test_a_leveraged_position_opens_at_the_pools_price(run):
    """Borrowed ST moves the pool: less YT than at spot, and the position is that of the average price."""
    spot = json.loads(
        run(
            "quote",
            "JLP-2411",
            "--as-of",
            "2024-09-05",
            "--yt-price",
            "0.0671411306566402",
            "--leverage",
            "5",
            "--margin",
            "1",
            "--json",
        ).stdout
    )
    large = json.loads(
        run(
            "quote",
            "JLP-2411",
            "--as-of",
            "2024-09-05",
            "--yt-price",
            "0.0671411306566402",
            "--leverage",
            "5",
            "--margin",
            "100",
            "--json",
        ).stdout
    )
    assert spot["yt"] < 5 * 0.999 / 0.0671411306566402
    assert large["yt"] / 100 < spot["yt"]
    assert large["st"] == -500


def test_depth_is_a_table_and_a_chart(run, tmp_path):
    """Moves up and down with what trades them, also drawn; an unknown ending is refused."""
    rows = json.loads(run("quote", "ONyc-13MAY26", "--as-of", MOMENT, "--depth", "--json").stdout)
    assert {row["side"] for row in rows} == {"BUY_YT", "SELL_YT"}
    reached = [row for row in rows if row["reachable"]]
    assert len(reached) >= 10
    assert all(row["size"] > 0 for row in reached)
    for name in ("depth.png", "depth.svg"):
        chart = tmp_path / name
        assert run("quote", "ONyc-13MAY26", "--as-of", MOMENT, "--depth-file", str(chart)).exit_code == 0
        assert chart.stat().st_size > 5_000
    assert chart.read_text().lstrip().startswith("<?xml")
    refused = run("quote", "ONyc-13MAY26", "--as-of", MOMENT, "--depth-file", str(tmp_path / "depth.gif"))
    assert "must be .png or .svg" in str(refused.exception)


def test_the_ledger_runs_to_maturity(run):
    """The last row is maturity: YT is worth nothing and the ST is what was collected."""
    done = run(
        "quote",
        "JLP-2411",
        "--implied",
        "0.3",
        "--as-of",
        "2024-10-05",
        "--ledger",
        "--settled",
        "0.5",
        "--json",
    )
    rows = json.loads(done.stdout)
    assert (rows[-1]["days_left"], rows[-1]["yt_price"]) == (0, 0)
    assert rows[-1]["st"] == pytest.approx(1.5 ** (56 / 365) - 1, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--size", "-1"), 2, "sizes are 0 or more"),
        (("--size", "nan"), 2, "not a finite number"),
        (("--size", "1e12"), 1, "largest possible"),
        (("--leverage", "2", "--side", "buy-pt"), 2, "--side is long or short"),
        (("--ledger", "--every", "0"), 1, "period_days"),
        (("--size", "5", "--as-of", "2026-05-14"), 1, "matured"),
    ],
)
def test_bad_sizes_are_one_line(run, bundled_path, arguments, code, message):
    """A size that cannot trade names the largest one that can, without a traceback."""
    moment = () if "--as-of" in arguments else ("--as-of", MOMENT)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "yieldtrade",
            "quote",
            "ONyc-13MAY26",
            *moment,
            *arguments,
            "--db",
            str(bundled_path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"contract_id": "ONyc-13MAY26", "at": "2026-04-30T00:00:00Z", "kind": "cubic", "state": {}}',
            "is no curve",
        ),
        (
            '{"contract_id": "ONyc-13MAY26", "at": "2026-04-30T00:00:00Z", "kind": "logit", "state": [1]}',
            "JSON object",
        ),
    ],
)
def test_a_state_that_is_none_is_refused(run, tmp_path, line, message):
    """A pool state of an unknown curve or form is a problem with its line."""
    table = tmp_path / "bad.jsonl"
    table.write_text(line)
    problems = run("load", str(table)).exception.problems
    assert message in problems[0]
