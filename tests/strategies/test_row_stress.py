"""Rows of a screen under every shock of the stress table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from yieldtrade.strategies.inputs import Costs, Scenario
from yieldtrade.strategies.jlp_loop import JlpLoop
from yieldtrade.strategies.screen import screen
from yieldtrade.strategies.stress import row_stress, standard_shocks, stress_test

CURVE = "0:0 0.7:0.05 0.85:0.10 1:0.5"


@pytest.fixture
def rows(busy, forecaster):
    """Rows by name, gas of 7 dollars, and a lender whose curve is stated."""
    busy.add_venue("kamino", busy.lender | {"borrow_curve.USDC": CURVE})
    found = screen(busy.view(), 10_000, forecast=forecaster(), costs=Costs(gas_usd=7.0))
    return {row.row_id: row for row in found.rows}


def lines_of(row):
    """Stresses by name."""
    return {line.name: line for line in row_stress(row)}


def test_the_base_is_the_row(rows):
    """Without a shock every priced row makes its own profit at the means, after flat costs."""
    priced = [row for row in rows.values() if row.trade is not None]
    assert {row.strategy for row in priced} >= {"interest_period", "principal_loop", "fixed_income"}
    for row in priced:
        base = lines_of(row)["base"]
        assert base.pnl == pytest.approx(row.figures["pnl_after_flat_costs_usd"], rel=1e-12)
        assert base.return_on_capital == pytest.approx(base.pnl / row.capital_usd, rel=1e-12)


def test_a_loop_pays_the_rate_of_a_full_reserve(rows):
    """At 100 % utilization the curve's 50 % is compounded by the second; the debt grows at that."""
    row = rows["BBB-2606:principal_loop"]
    found = lines_of(row)["utilization 100%"]
    rate = (1 + 0.5 / 31_536_000) ** 31_536_000 - 1
    trade = row.trade
    left = trade.units * (1 - trade.exit_cost) - trade.debt * (1 + rate) ** trade.years
    assert found.pnl == pytest.approx(left - trade.equity - row.flat_costs_usd, rel=1e-6)


def test_settled_shocks_move_by_the_forecasts_spread(rows):
    """One standard deviation of the forecast less is the profit at 28 %, of 34 +/- 6 %."""
    row = rows["AAA-2606:interest_period-long"]
    expected = row.trade.pnl(replace(row.scenario, settled_apy=0.28)) - row.flat_costs_usd
    assert lines_of(row)["settled APY -1 sd"].pnl == pytest.approx(float(expected), rel=1e-9)


def test_what_does_not_apply_says_why(rows):
    """No figure of a shock that does not touch the trade is 0: it is absent, with the reason."""
    lines = lines_of(rows["BBB-2606:fixed_income"])
    assert lines["borrow APY x2"].pnl is None
    assert "borrow" in lines["borrow APY x2"].reason
    assert lines["redemption factor 0.98"].pnl < lines["base"].pnl


def test_a_row_without_a_price_has_no_stresses(rows):
    """Nothing is stressed that was never priced."""
    assert row_stress(replace(rows["BBB-2606:fixed_income"], trade=None)) == ()


def test_a_jlp_loop_is_stressed_by_its_price_and_its_premium():
    """A fall by a fifth lifts the loan to value by a quarter; the exit at -1 % brings 1 % less of the share."""
    trade = JlpLoop(
        venue="kamino", leverage=2.0, years=30 / 365, max_ltv=0.84, liquidation_ltv=0.88, equity=1_000.0
    )
    scenario = Scenario(borrow_apy=0.08, underlying_ratio=1.0)
    lines = {line.name: line for line in stress_test(trade, scenario, standard_shocks())}
    assert lines["base"].ltv == pytest.approx(0.5)
    assert lines["underlying -20%"].ltv == pytest.approx(0.625)
    assert lines["underlying -40%"].liquidated is False
    assert lines["base"].pnl - lines["premium -1%"].pnl == pytest.approx(20.0)
    assert lines["premium 0%"].pnl is None
    assert "not known" in lines["limit cut, 200 bps a day"].reason
