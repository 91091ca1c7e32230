"""The pool and the loan as a user runs them, on the bundled history and on files of one's own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from yieldtrade.cli.main import cli

CUSTODIES = """pool,asset,at,supply,owned,locked,price_usd,debt,guaranteed_usd,short_sizes_usd,short_avg_price
JLP,SOL,2026-03-02T12:00:00Z,45000,1000,300,100,0,27000,12000,120
JLP,ETH,2026-03-02T12:00:20Z,45000,0,0,2000,0,0,0,0
JLP,BTC,2026-03-02T12:00:10Z,45000,0,0,70000,0,0,0,0
JLP,USDC,2026-03-02T12:00:00Z,45000,80000,0,0.999,5000,0,0,0
"""
MINT = ("--set", "JLP.swap.add_remove_bps=10", "--set", "JLP.swap.tax_bps=50")


@pytest.fixture
def run(bundled_path):
    """Run yieldtrade in this process on the bundled history."""

    def call(*arguments, code=0):
        done = CliRunner().invoke(cli, [*arguments, "--db", str(bundled_path)])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.stderr
        return done

    return call


@pytest.fixture
def fails(bundled_path):
    """Run yieldtrade as a process that fails as expected; return its one line."""

    def call(*arguments):
        command = [sys.executable, "-m", "yieldtrade", *arguments, "--db", str(bundled_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr.splitlines()[-1]

    return call


def record(done):
    """Read the object a command wrote."""
    return json.loads(done.stdout)


def test_the_pool_at_its_last_known_state(run):
    """Figures, each with its date, and the parameters with their sources; nothing is NaN."""
    done = run("pool", "jlp", "--json")
    found = record(done)
    assert found["as_of"] == "2026-02-28T00:00:00Z"
    assert found["aum_usd"] == pytest.approx(1_114_566_642.54)
    assert found["approximate"] is True
    assert found["dates"]["open positions"] == "2026-02-26T00:00:00Z"
    assert found["market_price_at"] == "2025-12-31T00:00:00Z"
    assert found["premium"] is None
    base = next(p for p in found["parameters"] if p["name"] == "trade.base_bps")
    assert (base["value"], base["basis"], base["valid_from"]) == (6, "documentation", "2024-07-11T00:00:00Z")
    assert "days ago" in done.stderr


def test_the_pool_for_a_person_and_for_a_pipe(run):
    """A card, a table of assets, parameters and notes; in a pipe the assets, and the columns asked for."""
    page = run("pool", "JLP", "--table").stdout
    for words in (
        "really dollars",
        "31.24%",
        "BTC",
        "15.63%",
        "trade.base_bps",
        "state is put together from",
    ):
        assert words in page
    piped = run("pool", "JLP", "--columns", "asset,weight", "--no-headers").stdout
    assert piped.splitlines()[0].split("\t") == ["BTC", "0.15626874625074985"]


def test_stored_custodies_give_the_exact_pool(run, tmp_path):
    """A loaded state is exact, and it decides the default moment."""
    file = tmp_path / "custodies.csv"
    file.write_text(CUSTODIES, "utf-8")
    run("load", str(file))
    found = record(run("pool", "JLP", "--json"))
    assert found["as_of"] == "2026-03-02T12:00:20Z"
    assert (found["basis"], found["approximate"]) == ("custodies", False)
    assert found["virtual_price_usd"] == pytest.approx(4)
    assert found["stable_share"] == pytest.approx(100 / 180)
    quote = record(run("pool", "JLP", "--deposit", "sol", "10", "--market-price", "4.02", *MINT, "--json"))
    # initial 700*100 + 27,000 = 97,000 against 0.47*180,000 = 84,600, and 1,000 more: away from the target
    fee = 10 + 50 * (12_400 + 13_400) / 2 / 84_600
    assert quote["fee_bps"] == pytest.approx(fee)
    assert quote["shares"] == pytest.approx(1_000 * (1 - fee / 1e4) / 4)
    assert quote["better"] == "mint"


def test_a_deposit_beyond_the_band_names_the_most_it_takes(run, fails):
    """USDC stands at 30.4 % of a target of 32: up to 38.4 % of the AUM may come in."""
    assert record(run("pool", "JLP", "--deposit", "USDC", "50000", *MINT, "--json"))["asset"] == "USDC"
    line = fails("pool", "JLP", "--deposit", "USDC", "900e6", *MINT)
    assert line.startswith(
        "yieldtrade: a deposit of 900,000,000 USDC is beyond the weight band: the pool takes at most"
    )
    assert fails("pool", "JLP", "--deposit", "SOL", "1", *MINT).endswith("give it with --price")


def test_the_fees_of_a_trade(run):
    """SOL for 100,000 after 5 million: 6 + 0.27 + 6.8 bps at the scalar of late 2025, charged as 14."""
    found = record(run("pool", "JLP", "--trade", "sol", "long", "100000", "--imbalance", "5e6", "--json"))
    opened, closed = found["events"]
    assert opened["total_bps"] == pytest.approx(6 + 1e5 / 3.75e9 * 1e4 + 5.1 / 0.75)
    assert opened["total_bps_onchain"] == 14
    assert closed["event"] == "close"
    assert found["borrow_hourly_usd"] == pytest.approx(1e5 * (0.1 + 0.25 * 0.0519 / 0.8) / 8_760)
    margin = ("--trade", "SOL", "long", "1000", "--collateral", "100", "--table")
    assert "liquidated by a move of" in run("pool", "JLP", *margin).stdout
    assert "liquidated at" in run("pool", "JLP", *margin, "--price", "84").stdout
    thin = ("--trade", "SOL", "long", "100000", "--collateral", "200", "--json")
    assert record(run("pool", "JLP", *thin))["liquidatable_now"] is True
    one = json.loads(run("pool", "JLP", *thin[:4], "--columns", "total_usd", "--json").stdout)
    assert [row["total_usd"] > 0 for row in one] == [True, True]
    lines = run("pool", "JLP", "--trade", "SOL", "short", "1000").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["event", "open", "close"]


def test_a_trade_of_a_time_without_a_state_still_has_its_fee(run):
    """In February 2024 a trade paid 10 bps; what borrowing cost is not known and said so."""
    done = run("pool", "JLP", "--trade", "SOL", "long", "1000", "--as-of", "2024-02-01", "--json")
    assert record(done)["events"][0]["total_usd"] == pytest.approx(1)
    assert record(done)["borrow_apr"] is None
    assert "the cost of borrowing is not known" in done.stderr


def test_weekly_returns_and_what_they_were_made_of(run):
    """Ten weeks, parts that add up where they are known, null where not."""
    weeks = record(run("pool", "JLP", "--weekly", "--json"))
    assert len(weeks) == 10
    assert weeks[0]["residual"] is None
    for week in weeks[1:]:
        parts = week["assets"] + week["fees"] + week["traders"] + week["residual"]
        assert parts == pytest.approx(week["jlp_return"])


def test_drift_of_a_weight_series(run, tmp_path):
    """One episode of ten minutes out of an hour, three points off at its peak."""
    weights = [0.32] * 3 + [0.295, 0.29] + [0.32] * 8
    rows = "".join(f"2025-08-22T22:{5 * i:02d}:00Z,{w}\n" for i, w in enumerate(weights) if i < 12)
    file = tmp_path / "weights.csv"
    file.write_text("time,weight\n" + rows, "utf-8")
    found = record(run("pool", "JLP", "--drift", str(file), "--target", "0.32", "--json"))
    assert (found["count"], found["censored"], found["median_seconds"]) == (1, 0, 600)
    assert found["max_deviation"] == pytest.approx(0.03)
    assert found["max_at"] == "2025-08-22T22:20:00Z"
    assert found["share_of_time_out"] == pytest.approx(600 / (11 * 300))
    assert "10.00 min" in run("pool", "JLP", "--drift", str(file), "--target", "0.32", "--table").stdout
    done = run("pool", "JLP", "--drift", str(file), code=2)
    assert "has no column target; give --target" in done.stderr


def test_old_figures_warn_and_can_be_refused(run, fails):
    """In mid September 2024 the last utilisations are of August; today everything bundled is old."""
    done = run("pool", "JLP", "--as-of", "2024-09-17")
    assert "warning: JLP: the last known utilisations: 2024-08-28, 20.0 days before" in done.stderr
    for command in (("pool", "JLP"), ("pool", "JLP", "--trade", "SOL", "long", "5")):
        assert "more than --max-age 15" in fails(*command, "--as-of", "2024-09-17", "--max-age", "15")
    loan = ("loan", "--collateral", "1", "--debt", "1")
    for command in (("pool", "JLP"), loan):
        assert "days old, more than --max-age 30" in fails(*command, "--max-age", "30")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pool", "JLX"), "unknown pool 'JLX'; nearest: JLP"),
        (
            ("pool", "JLP", "--as-of", "2023-01-01"),
            "JLP has no parameters for 2023-01-01T00:00:00Z; none was known yet",
        ),
        (("pool", "JLP", "--as-of", "2024-02-01"), "load a table custody_state with `yieldtrade load FILE`"),
        (("pool", "JLP", "--trade", "USDC", "long", "5"), "unknown market 'USDC'"),
        (("pool", "JLP", "--trade", "SOL", "long", "-5"), "size_usd = -5.0 must be above 0"),
        (("pool", "JLP", "--deposit", "USDC", "5"), "JLP has no swap.add_remove_bps"),
        (("pool", "JLP", "--market-price", "0"), "market_price = 0.0 must be above 0"),
        (("loan", "--collateral", "0", "--debt", "1"), "collateral_jlp = 0.0 must be above 0"),
        (("loan", "--collateral", "1", "--debt", "-1"), "debt_usdc = -1.0 must be 0 or more"),
        (
            ("loan", "--collateral", "1", "--debt", "1", "--virtual-price", "-4"),
            "virtual_price = -4.0 must be above 0",
        ),
        (
            ("loan", "--collateral", "1", "--debt", "1", "--virtual-price", "3", "--as-of", "2025-07-01"),
            "JLP has no loans.max_ltv for 2025-07-01T00:00:00Z",
        ),
    ],
)
def test_bad_input_is_one_clear_line(fails, arguments, message):
    """What is wrong, which value, what to do; no traceback and nothing on standard output."""
    assert message in fails(*arguments)


def test_prices_of_different_days_are_not_compared(run):
    """The last market price is of December, the state of February: shares are told, a verdict is not."""
    found = record(run("pool", "JLP", "--deposit", "USDC", "50000", *MINT, "--json"))
    assert found["shares"] > 0
    assert (found["better"], found["gain_usd"]) == (None, None)
    assert (found["approximate"], found["dates"]["AUM"]) == (True, "2026-02-27T00:00:00Z")


def test_an_old_state_lends_its_weights_to_no_later_day(run):
    """On 2026-02-20 the last weights were of 2024: targets and open positions of the day stand in, and are said to."""
    found = record(run("pool", "JLP", "--as-of", "2026-02-20", "--json"))
    assert found["basis"] == "exposures"
    assert found["stable_share"] == pytest.approx(0.32, abs=0.02)
    assert {line["in_band"] for line in found["assets"]} == {None}
    assert any("target weights stand in" in line for line in found["notes"])


def test_a_measured_borrow_rate_counts_before_an_old_utilisation(run):
    """In October 2025 the hourly rate of SOL is measured: the last day's, not that of a utilisation of 2024."""
    found = record(run("pool", "JLP", "--trade", "SOL", "long", "100000", "--as-of", "2025-10-15", "--json"))
    assert found["borrow_hourly_usd"] == pytest.approx(1e5 * 1.8e-5, rel=0.01)
    assert any("borrow rates as last measured: SOL" in line for line in found["notes"])


def test_one_question_at_a_time(run):
    """Two of them are a usage error, and so is an option that the question has no use for."""
    for options in (("--price", "5"), ("--collateral", "5"), ("--imbalance", "5", "--weekly")):
        assert "go" in run("pool", "JLP", *options, code=2).stderr
    done = run("pool", "JLP", "--weekly", "--trade", "SOL", "long", "5", code=2)
    assert "choose one of --trade, --deposit, --weekly and --drift" in done.stderr


def test_the_documented_loan(run):
    """2,500 JLP at 4 against 9,000: 90 %, liquidated at 3.789474; its terms survive every published fall."""
    found = record(
        run(
            "loan",
            "--collateral",
            "2500",
            "--debt",
            "9000",
            "--virtual-price",
            "4",
            "--borrow",
            "8%",
            "--json",
        )
    )
    assert (found["ltv"], found["state"]) == (pytest.approx(0.9), "open")
    assert (found["pool"], found["virtual_price_source"]) == ("JLP", "given by the user")
    assert {"loans.max_ltv", "loans.liquidation_ltv"} <= {term["name"] for term in found["terms"]}
    assert found["liquidation_price_usd"] == pytest.approx(3.789474, abs=5e-7)
    assert found["carry_years"] == pytest.approx(0.676, abs=5e-4)
    assert found["safety_buffer"] == pytest.approx(0.031)
    assert len(found["falls"]) == 10
    assert all(fall["is_safe"] for fall in found["falls"])
    assert [row["asset"] for row in found["asset_moves"]] == [
        "BTC alone",
        "ETH alone",
        "SOL alone",
        "all together",
    ]
    assert found["stress"][-1]["state"] == "bad_debt"


def test_the_published_tables_come_out(run):
    """The largest safe LTVs of five fees at three five-minute and three one-minute falls: all thirty cells."""
    found = record(run("loan", "--collateral", "2500", "--debt", "9000", "--json"))
    labels = [f"{h} p{q}" for h in ("5min", "1min") for q in ("99.9", "99.99", "99.999")]
    cells = {
        round(100 * row["fee"]): [round(100 * row[label]) for label in labels] for row in found["safe_ltv"]
    }
    assert cells == {
        6: [93, 92, 91, 93, 93, 93],
        5: [94, 93, 92, 94, 94, 94],
        4: [95, 94, 93, 95, 95, 95],
        3: [96, 95, 94, 96, 96, 95],
        2: [97, 96, 95, 97, 97, 96],
    }


def test_falls_measured_from_a_price_series(run, tmp_path, fails):
    """Over a minute and over five, with what stands behind each; other terms beside them."""
    rows = "".join(f"{60 * i},{4 + 0.01 * (i % 3)}\n" for i in range(600))
    file = tmp_path / "prices.csv"
    file.write_text("time,price\n" + rows, "utf-8")
    asked = ("--collateral", "2500", "--debt", "9000", "--prices", str(file), "--percentile", "0.99")
    found = record(
        run("loan", *asked, "--horizon", "60", "--horizon", "300", "--compare", "96%", "2%", "--json")
    )
    minute, five = found["falls"]
    assert (minute["n"], five["n"]) == (599, 119)
    assert minute["move"] == pytest.approx(0.02 / 4.02, rel=1e-3)
    assert five["remark"].startswith("thin")
    assert five["scaled"] == pytest.approx(minute["move"] * 5**0.5)
    assert [one["liquidation_ltv"] for one in found["compared"]] == [0.86, 0.95, 0.96]
    page = run("loan", *asked, "--interval", "--table").stdout
    assert "thin: fewer than ten beyond" in page
    file.write_text("time,price\n" + rows + "0,4\n", "utf-8")
    assert "times" in fails("loan", *asked)


def test_terms_without_a_buffer_are_warned_of(run):
    """95 % with a fee of 20 % cannot be repaid even at the trigger; the buffer is shown negative."""
    terms = ("--set", "JLP.loans.liquidation_fee=0.2", "--move", "1%")
    done = run("loan", "--collateral", "2500", "--debt", "1000", *terms, "--json")
    assert "the terms leave no safety buffer" in done.stderr
    twice = record(
        run("loan", "--collateral", "2500", "--debt", "1000", "--move", "3%", "--move", "3%", "--json")
    )
    assert [(fall["label"], fall["origin"]) for fall in twice["falls"]] == [("3%", "given")]
    assert record(done)["safety_buffer"] == pytest.approx(-0.14)
    assert record(done)["falls"][0]["label"] == "1%"


def test_a_loan_that_no_fall_liquidates_says_so(run):
    """Even with every coin at nothing the dollars in the shares cover a small debt."""
    page = run("loan", "--collateral", "2500", "--debt", "1000", "--table").stdout
    assert "no fall of the coins liquidates it" in page
    found = record(run("pool", "JLP", "--deposit", "USDC", "50000", *MINT, "--json"))
    # USDC is underweight and costs nothing; others that cost nothing either are not named before it
    assert (found["fee_bps"], found["cheapest"]) == (pytest.approx(found["cheapest_fee_bps"]), "USDC")
