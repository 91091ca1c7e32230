"""Rows of parity arbitrage: an order book that quotes PT and YT apart, and pools that cannot."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from yieldtrade.amm.states import amm_of
from yieldtrade.report.screen_report import to_record
from yieldtrade.strategies.backtest import backtest
from yieldtrade.strategies.inputs import Costs
from yieldtrade.strategies.parity import parity_at
from yieldtrade.strategies.screen import screen

ONLY = ["parity"]
LOGIT = {
    "total_pt": 2e6,
    "total_sy": 1.5e6,
    "sy_index": 1.0,
    "scalar_root": 60.0,
    "ln_fee_root": 0.001,
    "reserve_fee_percent": 80.0,
    "last_ln_implied_rate": math.log(1.12),
}


def evaluated(line):
    """What Python makes of a printed line."""
    return eval(line.numbers, {"__builtins__": {}}, vars(math))  # noqa: S307 - our own arithmetic


def quoted(world, pt, yt, **more):
    """A contract of an order book whose last quote carries both prices."""
    world.add("BOOK-2606", **{"venue": "spot", "implied": 0.12} | more)
    quotes = world.facts.quotes
    quotes[-1] = quotes[-1]._replace(pt_price=pt, yt_price=yt)
    return world


def parity(world, size=1_000.0, **more):
    """Rows of parity alone."""
    return screen(world.view(), size, strategies=ONLY, **more).rows


def test_above_parity_an_st_is_split_and_both_are_sold(world):
    """0.96 and 0.05 make 1.01: on 1000 ST, 10 less the fee of 0.2 % on 1010."""
    (row,) = parity(quoted(world, 0.96, 0.05))
    assert row.row_id == "BOOK-2606:parity-mint"
    assert row.status == "accepted"
    assert row.expected_pnl_usd == pytest.approx(10.0 - 2.02, abs=1e-9)
    assert row.risk_adjusted_usd == pytest.approx(7.98 - 1_000 * (1.05 ** (1 / 365) - 1), abs=1e-9)
    assert (row.net_apy_naive, row.p_loss) == (pytest.approx(0.01), 0.0)
    assert sum(row.decomposition.values()) == pytest.approx(7.98, abs=1e-9)
    assert [(leg.action, leg.token) for leg in row.legs] == [
        ("split", "ST"),
        ("sell", "PT-BOOK-2606"),
        ("sell", "YT-BOOK-2606"),
    ]
    assert row.break_evens["pt_price"].value == pytest.approx(1 - 0.05 * 0.998)
    assert to_record(row)["trade"] == "PT+YT mint"


def test_below_parity_both_are_bought_and_joined(world):
    """0.94 and 0.05 make 0.99: 1000 pays for 1000/(0.99*1.002) pairs of one ST each."""
    (row,) = parity(quoted(world, 0.94, 0.05))
    assert row.row_id == "BOOK-2606:parity-redeem"
    assert row.expected_pnl_usd == pytest.approx(1_000 / (0.99 * 1.002) - 1_000, abs=1e-9)
    assert [leg.action for leg in row.legs] == ["buy", "buy", "join"]


@pytest.mark.parametrize(
    ("pt", "yt"), [(0.95, 0.05), (0.95, 0.0501), (0.95, 0.0499), (None, 0.07), (0.97, None)]
)
def test_parity_within_rounding_and_single_prices_get_no_row(world, pt, yt):
    """Figures of four decimals miss 1 by their rounding, and one price has nothing to be compared with."""
    assert parity(quoted(world, pt, yt)) == ()


def test_fees_and_gas_eat_a_small_gap(world):
    """0.1 % above parity does not pay 0.2 % of both: the row is rejected with the number."""
    (row,) = parity(quoted(world, 0.95, 0.051))
    found = {reason.code: reason.number for reason in row.reasons}
    assert found["no_edge_after_costs"] == pytest.approx(0.001 - 0.002 * 1.001, abs=1e-12)
    (row,) = parity(quoted(world, 0.96, 0.05), costs=Costs(gas_usd=8.0))
    found = {reason.code: reason.number for reason in row.reasons}
    assert found["no_edge_after_costs"] == pytest.approx(-0.02 / 1_000, abs=1e-9)


def test_a_missing_fee_is_named(world):
    """Without the trading fee nothing is priced."""
    (row,) = parity(quoted(world, 0.96, 0.05, without=["trading_fee"]))
    assert "spot.trading_fee" in row.reasons[0].text
    assert row.expected_pnl_usd is None


def test_one_pool_makes_both(world):
    """A venue whose curve is stated cannot miss parity: the published prices contradict it."""
    terms = {"base_asset": "USD", "amm_kind": "logit"}
    (row,) = parity(quoted(world, 0.96, 0.05, terms=terms))
    (reason,) = row.reasons
    assert (reason.code, reason.threshold) == ("inconsistent_parameters", 2e-4)
    assert reason.number == pytest.approx(0.01)
    assert "one pool" in reason.text


@pytest.mark.parametrize("yt", [0.06, 0.02])
def test_a_stored_pool_fills_both_legs_at_a_loss(world, yt):
    """Whatever is published, the YT trades on the state that the PT leaves: fees and impacts are lost."""
    world = quoted(world, 0.95, yt, price=2.0)
    (row,) = parity(world.pool_of("BOOK-2606", "logit", LOGIT))
    amm = amm_of(world.facts.listed["BOOK-2606"], world.facts.states["BOOK-2606"], world.as_of)
    direction = "mint_and_sell" if yt == 0.06 else "buy_and_redeem"
    trade = parity_at(direction, 500.0, amm.size_for_yield(0.12, "PT").amm_after)
    assert row.expected_pnl_usd == pytest.approx(2.0 * trade.pnl(), rel=1e-9)
    assert row.expected_pnl_usd < 0
    assert "no_edge_after_costs" in [reason.code for reason in row.reasons]
    assert sum(row.decomposition.values()) == pytest.approx(row.expected_pnl_usd, abs=1e-9)
    (row,) = parity(world, 1e8)
    assert [reason.code for reason in row.reasons] == ["size_above_capacity"]


def test_an_old_quote_rejects(world):
    """Both prices are of the quote's moment."""
    (row,) = parity(quoted(world, 0.96, 0.05, age_days=9.0))
    assert [reason.code for reason in row.reasons] == ["stale_data"]


def test_every_line_gives_its_result_and_the_row_can_be_priced_again(world):
    """The printed numbers evaluate to what is stored, to the last digit."""
    for yt in (0.053, 0.041):
        (row,) = parity(quoted(world, 0.95, yt), 1_234.5, costs=Costs(swap=0.0003, gas_usd=1.0))
        for line in row.explain:
            assert evaluated(line) == line.result, line
        assert row.trade.pnl(row.scenario) - row.flat_costs_usd == row.figures["pnl_after_flat_costs_usd"]


def test_a_backtest_says_that_nothing_was_held(world):
    """Whether both legs were filled as quoted is stored nowhere."""
    now = quoted(world, 0.96, 0.05).view()
    world.as_of = now.as_of + timedelta(days=5)
    (result,) = backtest([now], world.view(), 1_000.0, strategies=ONLY).results
    assert result.outcome.code == "nothing held"
