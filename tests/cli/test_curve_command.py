"""The curve command on the bundled history."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from yieldtrade.cli.curve import curve
from yieldtrade.errors import DomainError, ExpiredError, MissingDataError, UnknownNameError

XSOL = ("xSOL", "--as-of", "2026-04-20")
JLP = ("JLP", "--as-of", "2026-01-01")
NEAR, FAR = 7.5 / 365, 114.5 / 365


@pytest.fixture
def run(bundled_path):
    """Run the command and return its result; an error of the package is raised."""

    def call(*arguments):
        done = CliRunner().invoke(curve, [*arguments, "--db", str(bundled_path)])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return call


def rows(done):
    """The rows of a JSON result."""
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_a_row_a_maturity(run):
    """Two live contracts of xSOL give two rows, with the forward between them, and say when they were quoted."""
    done = run(*XSOL, "--json")
    near, far = rows(done)
    assert [near["contract"], far["contract"]] == ["xSOL-27APR26", "xSOL-12AUG26"]
    assert [near["implied_apy"], far["implied_apy"]] == [0.23060069, 0.25340161]
    assert [near["days_to_maturity"], far["days_to_maturity"]] == [7.5, 114.5]
    assert near["pt_price"] == pytest.approx(1.23060069**-NEAR, rel=1e-13)
    assert near["forward_apy"] == pytest.approx(0.23060069, rel=1e-12)
    between = (1.25340161**FAR / 1.23060069**NEAR) ** (1 / (FAR - NEAR)) - 1
    assert far["forward_apy"] == pytest.approx(between, rel=1e-12)
    assert far["forward_yt_price"] == pytest.approx(near["pt_price"] - far["pt_price"], rel=1e-12)
    assert [near["kind"], far["kind"]] == ["market", "market"]
    assert near["quoted_at"] == "2026-04-19T06:47:32Z"
    assert near["quote_age_days"] == pytest.approx(0.71699, abs=1e-5)
    assert "as of 2026-04-20T00:00:00Z" in done.stderr
    assert "warning" not in done.stderr


def test_carry_and_roll_down_over_the_horizon(run):
    """Over five days the August PT earns its carry, or the forwards' return where they come true."""
    near, far = rows(run(*XSOL, "--horizon", "5", "--json"))
    h = 5 / 365
    assert far["carry"] == pytest.approx(1.25340161**h - 1, rel=1e-12)
    slope = far["forward_apy"]
    assert far["total_return"] == pytest.approx((1 + slope) ** h - 1, rel=1e-12)
    assert far["roll_down"] == pytest.approx((1 + slope) ** h / 1.25340161**h - 1, rel=1e-9)
    assert near["forwards_realised"] == far["forwards_realised"]
    assert near["forwards_realised"] == pytest.approx(1.23060069**h - 1, rel=1e-12)
    assert near["roll_down"] == 0


def test_a_pt_that_matures_within_the_horizon_has_no_return_over_it(run):
    """Its figures are absent, the others are there; forwards beyond the last maturity are asked for by name."""
    near, far = rows(run(*XSOL, "--horizon", "30", "--json"))
    assert near["carry"] is near["total_return"] is near["roll_down"] is None
    assert far["roll_down"] is not None
    done = run(*XSOL, "--horizon", "200", "--json")
    assert [row["forwards_realised"] for row in rows(done)] == [None, None]
    assert "--extrapolate" in done.stderr
    beyond = rows(run(*XSOL, "--horizon", "200", "--extrapolate", "--json"))
    growth = 1.25340161**FAR * (1 + far["forward_apy"]) ** (200 / 365 - FAR)
    assert [row["forwards_realised"] for row in beyond] == pytest.approx([growth - 1] * 2, rel=1e-12)


def test_every_form_of_output(run):
    """Tables, CSV and chosen columns show the same figures."""
    objects = rows(run(*XSOL, "--json"))
    assert run(*XSOL, "--columns", "forward_apy", "--no-headers", "--csv").stdout.splitlines() == [
        repr(row["forward_apy"]) for row in objects
    ]
    assert [json.loads(line) for line in run(*XSOL, "--jsonl").stdout.splitlines()] == objects
    table = run(*XSOL, "--table").stdout
    assert "25.34" in table
    assert "roll-down" in table


def test_without_a_moment_the_last_quote_of_the_underlying_counts(run):
    """The near contract has matured at xSOL's last quote: the curve is flat at the other's yield."""
    done = run("xsol", "--json")
    (row,) = rows(done)
    assert row["contract"] == "xSOL-12AUG26"
    assert row["as_of"] == "2026-05-05T04:59:10Z"
    assert row["quote_age_days"] == 0
    assert row["forward_apy"] == pytest.approx(row["implied_apy"], rel=1e-12)


def test_of_two_markets_on_one_date_the_deeper_is_shown(run):
    """The last quotes of weETH, long before the last of all, are of one date on two chains."""
    done = run("weETH", "--json")
    (row,) = rows(done)
    assert row["as_of"] == "2024-09-25T00:57:00Z"
    assert row["contract"] == "weETH.arbitrum-26SEP24"
    assert "weETH.bsc-26SEP24 is left out: weETH.arbitrum-26SEP24 matures on the same date" in done.stderr


def test_a_pool_without_quotes_counts_from_its_last_figures(run):
    """JLP has no stored quotes: given yields make its curve at the last moment of the pool's figures."""
    done = run("JLP", "--implied", "JLP-25MAR26=17%", "--implied", "PT-JLP-08MAR26=0.19", "--json")
    near, far = rows(done)
    assert [near["contract"], near["implied_apy"], near["kind"]] == ["JLP-08MAR26", 0.19, "given"]
    assert [far["contract"], far["implied_apy"], far["quote_age_days"]] == ["JLP-25MAR26", 0.17, None]
    assert near["as_of"] == "2026-01-01T00:00:00Z"
    assert near["days_to_maturity"] == 66
    assert "JLP-03MAR26 is left out: no quote" in done.stderr


def test_an_arbitrage_is_a_warning(run):
    """A March PT dearer than an earlier one is told on standard error with its size; the rows stay as they are."""
    given = ("--implied", "JLP-08MAR26=0.19", "--implied", "JLP-25MAR26=0.01")
    done = run(*JLP, *given, "--json")
    near, far = rows(done)
    size = 1.01 ** -(83 / 365) - 1.19 ** -(66 / 365)
    assert far["pt_price"] - near["pt_price"] == pytest.approx(size, rel=1e-12)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert f"JLP-25MAR26 costs {size:.6g} ST more than that of JLP-08MAR26" in line
    assert "-46.57%" in line
    assert "warning" not in run(*JLP, *given, "--cost", "0.03").stderr


def test_stale_quotes_are_left_out(run):
    """Quotes older than --max-age are no nodes; without any there is no curve, and the message says why."""
    with pytest.raises(MissingDataError, match="xSOL-27APR26: its quote is 0"):
        run(*XSOL, "--max-age", "0.5")
    done = run(*XSOL, "--max-age", "0.5", "--implied", "xSOL-12AUG26=0.3", "--json")
    (row,) = rows(done)
    assert [row["contract"], row["kind"], row["quoted_at"]] == ["xSOL-12AUG26", "given", None]
    assert "xSOL-27APR26 is left out" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("xSL",), UnknownNameError, "nearest: xSOL"),
        ((*XSOL, "--venue", "exponnt"), UnknownNameError, "nearest: exponent"),
        ((*XSOL, "--venue", "pendle"), MissingDataError, "at pendle"),
        ((*JLP, "--implied", "JLP-2412=0.1"), UnknownNameError, "nearest: JLP-2411"),
        ((*JLP, "--implied", "JLP-2411=0.1"), ExpiredError, "matured on 2024-11-30"),
        ((*JLP,), MissingDataError, "undated"),
        ((*XSOL, "--horizon", "0"), DomainError, "horizon"),
        ((*XSOL, "--max-age", "0"), DomainError, "max_age_days"),
        ((*XSOL, "--cost", "-1"), DomainError, "tol"),
        (("xSOL", "--as-of", "2020-01-01"), MissingDataError, "no contract on xSOL"),
    ],
)
def test_what_makes_no_curve_is_an_error(run, arguments, error, message):
    """Each failure names what was asked, and what to do."""
    with pytest.raises(error, match=message):
        run(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*XSOL, "--implied", "xSOL-12AUG26"), "CONTRACT=RATE"),
        ((*XSOL, "--implied", "xSOL-12AUG26=30.5"), "30.5%"),
        ((*XSOL, "--implied", "JLP-08MAR26=0.1"), "is on JLP at exponent"),
        ((*JLP, "--venue", "ratex", "--implied", "JLP-08MAR26=0.1"), "the curve on JLP at ratex"),
        ((*XSOL, "--horizon", "nan"), "finite"),
        ((), "UNDERLYING"),
    ],
)
def test_wrong_usage_is_told(run, arguments, message):
    """What cannot be meant leaves with 2 and says how it is written."""
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
