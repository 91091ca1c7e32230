"""Rows of the JLP loop: the worked example through the screen, what is missing, the hedged row beside the other."""

from __future__ import annotations

import math

import pytest

from yieldtrade.report.screen_report import explanation, to_record
from yieldtrade.strategies.desk import Desk
from yieldtrade.strategies.inputs import BorrowForecast, Costs, ScreenSettings
from yieldtrade.strategies.jlp_loop import JlpLoop
from yieldtrade.strategies.jlp_loop_rows import opportunities
from yieldtrade.strategies.jlp_outlook import JlpOutlook
from yieldtrade.strategies.row import FLAG_WORDS
from yieldtrade.strategies.screen import screen
from yieldtrade.strategies.subject import of_pool

COSTS = Costs(swap=0.001)
HEDGE = {"hedge.funding.SOL": 0.0, "hedge.cost.SOL": 0.0}
CURVE = {
    "loans.min": 0.05,
    "loans.target": 0.10,
    "loans.max": 1.0,
    "loans.target_utilisation": 0.8,
    "loans.borrow_limit": 0.8,
    "loans.debt_asset": "USDC",
}


@pytest.fixture
def rows(by_hand):
    """Screen the loops of a pool at twice the capital for 30 days, fees of 15 % and debts at 8 %, both certain."""

    def screened(world, *, size=1_000.0, sd=0.0, **settings):
        given = {
            "borrow": BorrowForecast(mean_apy=0.08, sd_apy=0.0),
            "costs": COSTS,
            "leverage": 2.0,
            "horizon_days": 30.0,
            **settings,
        }
        forecast = by_hand.forecaster(math.expm1(0.15), sd)
        result = screen(world.view(), size, strategies=["jlp_loop"], forecast=forecast, **given)
        return {row.side: row for row in result.rows}

    return screened


def reasons(row):
    """What is missing of a row, in words."""
    return " | ".join(reason.text for reason in row.reasons if reason.code == "missing_input")


def codes(row):
    """Codes of the reasons against a row."""
    return [reason.code for reason in row.reasons]


def test_the_worked_example(by_hand, rows):
    """Collateral, loan to value, return, naive figure, probability of loss and break-evens of example 15."""
    row = rows(by_hand.pool())["kamino"]
    assert row.trade.collateral / 1_000 == pytest.approx(1.992026, abs=1e-6)
    assert row.ltv == pytest.approx(0.502001, abs=1e-6)
    assert row.figures["pnl_after_flat_costs_usd"] / 1_000 == pytest.approx(0.008375, abs=1e-6)
    assert row.net_apy_naive * 30 / 365 == pytest.approx(0.018082, abs=1e-6)
    assert row.figures["break_even_ratio"] == pytest.approx(1.008197, abs=1e-6)
    assert row.figures["p_loss_exact"] == pytest.approx(0.508383, abs=1e-6)
    assert row.break_even_borrow == pytest.approx(0.194578, abs=1e-6)
    assert row.break_even_days == pytest.approx(16.355023, abs=1e-6)
    assert row.health_factor == pytest.approx(0.80 / 0.502001, abs=1e-5)
    assert (row.horizon_days, row.leverage, row.venue) == (30.0, 2.0, "kamino")


def test_the_hedged_row_beside_the_other(by_hand, rows):
    """Residual volatility of 4 % gives example 15's probability; the lender still sees the whole volatility."""
    found = rows(by_hand.pool(pool=HEDGE))
    plain, hedged = found["kamino"], found["kamino-hedged"]
    assert hedged.figures["residual_vol"] == pytest.approx(0.04, rel=1e-9)
    assert hedged.figures["p_loss_exact"] == pytest.approx(0.360358, abs=1e-6)
    assert hedged.figures["p_liquidation_exact"] == plain.figures["p_liquidation_exact"] > 0
    assert hedged.ltv == plain.ltv
    assert [leg.token for leg in hedged.legs if leg.action == "short"] == ["SOL"]
    assert hedged.es5_usd < plain.es5_usd


def test_rows_of_a_lender_come_one_after_the_other(by_hand):
    """Each lender's loop is followed by the same loop hedged, whatever can be priced of the two."""
    view = by_hand.pool().view()
    desk = Desk(view, ScreenSettings(size_usd=1_000.0), by_hand.forecaster(0.15, 0.0))
    sides = [row.side for row in opportunities(desk, of_pool(view.pool("JLP")))]
    plain = ["kamino", "jupiter", "drift"]
    assert sides == [side for lender in plain for side in (lender, f"{lender}-hedged")]


def test_cost_and_funding_of_the_hedge_are_paid(by_hand, rows):
    """A short of 42 % of the collateral that costs 0.2 % and pays 10 % a year lowers the profit by just that."""
    world = by_hand.pool(pool={"hedge.funding.SOL": 0.10, "hedge.cost.SOL": 0.002})
    found = rows(world)
    plain, hedged = (found[side].figures["pnl_after_flat_costs_usd"] for side in ("kamino", "kamino-hedged"))
    short = 0.42 * found["kamino"].trade.collateral
    assert plain - hedged == pytest.approx(short * (0.002 + 0.10 * 30 / 365), rel=1e-9)


def test_what_a_hedge_lacks_is_named(by_hand, rows):
    """Funding and cost of the short are asked of the pool by name, and without custodies the composition is missed."""
    text = reasons(rows(by_hand.pool())["kamino-hedged"])
    assert "JLP.hedge.funding.SOL" in text
    assert "JLP.hedge.cost.SOL" in text
    world = by_hand.pool(pool=HEDGE)
    world.facts.holdings = ()
    found = rows(world)
    assert "composition of JLP is not known" in reasons(found["kamino-hedged"])
    assert found["kamino"].expected_pnl_usd is not None


def test_a_hedge_without_prices_of_its_coin_is_refused(by_hand, rows):
    """What it would leave cannot be measured."""
    world = by_hand.pool(pool=HEDGE)
    del world.facts.prices["SOL"]
    assert "volatility that a hedge leaves is not known" in reasons(rows(world)["kamino-hedged"])


def test_liquidation_figures(by_hand, rows):
    """Trigger as a share of the price now, flat-basket days, first passage, and the loan after a sudden fall."""
    row = rows(by_hand.pool(), borrow=BorrowForecast(mean_apy=0.20, sd_apy=0.0))["kamino"]
    assert row.liquidation_trigger == "JLP price falls to"
    assert row.liquidation_unit == "of the JLP price now"
    assert row.trade.loan_to_value(0.0, 0.0, row.liquidation_value) == pytest.approx(0.80, rel=1e-12)
    years = math.log(0.80 / row.ltv) / (math.log1p(0.20) - 0.15)
    assert row.liquidation_days == pytest.approx(years * 365, rel=1e-9)
    assert row.figures["ltv_after_sudden_fall"] == pytest.approx(row.ltv / (1 - 0.025416), rel=1e-12)
    assert row.figures["p_liquidation_after_sudden_fall"] > row.figures["p_liquidation_exact"]
    direct = JlpLoop.p_liquidation(row.trade, JlpOutlook(fee_yield=0.15, vol=0.40), 0.20)
    assert row.figures["p_liquidation_exact"] == pytest.approx(direct, rel=1e-9)


def test_no_sudden_fall_without_a_published_one(by_hand, rows):
    """The figure is absent and a note says which parameter is not known."""
    row = rows(by_hand.pool(without=("published_move.p99_999_5min",)))["kamino"]
    assert "ltv_after_sudden_fall" not in row.figures
    assert any("published_move.p99_999_5min is not known" in note for note in row.notes)


def test_a_premium_is_paid_and_not_counted_on_a_discount_is_kept(by_hand, rows):
    """The exit is at the virtual price after a premium, and at the discount after a discount."""
    above, below = (rows(by_hand.pool(premium=pi))["kamino"].trade for pi in (0.02, -0.01))
    assert (above.entry_premium, above.exit_premium) == pytest.approx((0.02, 0.0), abs=1e-12)
    assert (below.entry_premium, below.exit_premium) == pytest.approx((-0.01, -0.01), abs=1e-12)


def test_an_unknown_premium_is_said(by_hand, rows):
    """A state days older than the price gives none: the row is flagged and enters at the virtual price."""
    world = by_hand.pool()
    world.hold(age_days=3.5)
    row = rows(world)["kamino"]
    assert "premium_unknown" in row.flags
    assert row.trade.entry_premium == 0.0
    assert any("entry is counted at the virtual price" in note for note in row.notes)
    assert "premium" not in {line.name for line in row.inputs}
    assert "premium_unknown" not in rows(by_hand.pool())["kamino"].flags


@pytest.mark.parametrize("name", ["max_ltv.JLP", "liquidation_ltv.JLP"])
def test_a_missing_loan_term_is_named(by_hand, rows, name):
    """A lender whose limit nobody has published lends nothing."""
    world = by_hand.pool()
    terms = {p.name: p.value for p in world.facts.venues["kamino"].terms.parameters.values()}
    world.add_venue("kamino", {key: value for key, value in terms.items() if key != name})
    row = rows(world)["kamino"]
    assert f"kamino.{name}" in reasons(row)
    assert row.expected_pnl_usd is None


def test_missing_prices_and_rates_are_named(by_hand, rows):
    """Without daily prices there is no volatility, without a rate no debt, without a venue no lender."""
    world = by_hand.pool()
    del world.facts.prices["jlp_price_usd"]
    assert "jlp_price_usd" in reasons(rows(world)["kamino"])
    world = by_hand.pool()
    del world.facts.rates["kamino_jlp", "USDC"]
    found = rows(world, borrow=None)
    assert "no lending rate of USDC at kamino_jlp" in reasons(found["kamino"])
    assert "the venue jupiter is not known" in reasons(found["jupiter"])


def test_the_stored_rate_of_the_jlp_market_is_used(by_hand, rows):
    """Without the user's figure the debt costs what the lender's JLP market last charged; no curve is assumed."""
    row = rows(by_hand.pool(), borrow=None)["kamino"]
    assert (row.borrow_apy_now, row.borrow_apy_post_trade) == (0.08, 0.08)
    assert "no_borrow_curve" in row.flags
    assert row.figures["pnl_after_flat_costs_usd"] / 1_000 == pytest.approx(0.008375, abs=1e-6)


def test_a_stated_curve_is_moved_by_the_own_debt(by_hand, rows):
    """A curve of the market that the loop borrows in raises the rate by the own million."""
    curve = {"borrow_curve.USDC": "0:0 0.5:0.05 1:1", "max_ltv.JLP": 0.75}
    found = rows(by_hand.pool(kamino=curve), size=1e6, borrow=None, lending_market="kamino_jlp")["kamino"]
    assert "no_borrow_curve" not in found.flags
    used = (3e8 + 1e6) / 4e8
    assert found.borrow_apy_post_trade == pytest.approx(
        math.expm1(0.05 + 0.95 * (used - 0.5) / 0.5), rel=1e-6
    )
    assert found.borrow_apy_now == 0.08


def test_how_much_of_a_loop_fits(by_hand, rows):
    """On the stated curve a tenth less or more than the best size makes less; 100 million are left to borrow."""
    curve = {"borrow_curve.USDC": "0:0 0.5:0.01 0.8:0.06 1:1", "max_ltv.JLP": 0.75}

    def at(size):
        return rows(by_hand.pool(kamino=curve), size=size, borrow=None, lending_market="kamino_jlp")["kamino"]

    row = at(1e6)
    assert row.caps["available_liquidity"] == pytest.approx(1e8)
    best = row.best_size_usd
    made = {part: at(part * best).figures["pnl_after_flat_costs_usd"] for part in (0.9, 1.0, 1.1)}
    after = {part: pnl - at(part * best).hurdle_usd for part, pnl in made.items()}
    assert after[1.0] > max(after[0.9], after[1.1]) > 0
    assert row.figures["best_profit_usd"] == pytest.approx(after[1.0], rel=1e-4)


def test_the_pool_lends_by_its_own_curve(by_hand, rows):
    """Jupiter's rate lies on the loan curve at the utilisation of the lent coin, with the own debt on top."""
    world = by_hand.pool(pool=CURVE)
    world.add_venue("jupiter", {"max_ltv.JLP": 0.80, "liquidation_ltv.JLP": 0.86, "borrow_apy_sd": 0.0})
    world.hold(lent=232e6)
    row = rows(world, size=1e6, borrow=None)["jupiter"]

    def on_curve(used):
        return math.expm1(8760 * math.log1p((0.05 + 0.05 * used / 0.8) / 8760))

    assert row.borrow_apy_now == pytest.approx(on_curve(0.4), rel=1e-9)
    assert row.borrow_apy_post_trade == pytest.approx(on_curve(233 / 580), rel=1e-9)
    assert row.expected_pnl_usd is not None
    silent = by_hand.pool()
    silent.add_venue("jupiter", {"max_ltv.JLP": 0.80, "liquidation_ltv.JLP": 0.86, "borrow_apy_sd": 0.0})
    assert "JLP has no loans.min" in reasons(rows(silent, borrow=None)["jupiter"])


def test_more_than_the_pool_may_lend_is_refused(by_hand, rows):
    """The borrow limit counts: 80 % of 580M may be lent, 460M are, so 10M is too much."""
    world = by_hand.pool(pool=CURVE)
    world.add_venue("jupiter", {"max_ltv.JLP": 0.80, "liquidation_ltv.JLP": 0.86, "borrow_apy_sd": 0.0})
    world.hold(lent=460e6)
    assert "size_above_capacity" in codes(rows(world, size=10e6, borrow=None)["jupiter"])
    assert "size_above_capacity" not in codes(rows(world, size=1e6, borrow=None)["jupiter"])


def test_drift_is_priced_by_its_weights_and_refused_while_paused(by_hand, rows):
    """Weights 0.8/1.0 and 0.9/1.0 are limits of 0.8 and 0.9; a paused venue trades nothing."""
    world = by_hand.pool()
    weights = {
        "asset_weight_initial.JLP": 0.8,
        "asset_weight_maintenance.JLP": 0.9,
        "liability_weight_initial.USDC": 1.0,
        "liability_weight_maintenance.USDC": 1.0,
    }
    world.add_venue("drift", {**weights, "borrow_apy_sd": 0.0})
    row = rows(world)["drift"]
    assert (row.trade.max_ltv, row.trade.liquidation_ltv) == (0.8, 0.9)
    assert "market_paused" not in codes(row)
    world.add_venue("drift", {**weights, "borrow_apy_sd": 0.0, "paused": True})
    assert "market_paused" in codes(rows(world)["drift"])
    world.add_venue("drift", {"asset_weight_initial.JLP": 0.8})
    assert "drift.liability_weight_initial.USDC" in reasons(rows(world)["drift"])


def test_the_spread_of_fees_and_of_the_borrow_rate_widen_the_loss(by_hand, rows):
    """The exact probability agrees with a simulation of all three, and differs from that without spreads."""
    world = by_hand.pool(pool=HEDGE, vol=0.1)
    settings = {"draws": 400_000, "liquidation_gap": 1.0, "simulation_gap": 1.0}
    row = rows(world, sd=0.3, borrow=BorrowForecast(mean_apy=0.08, sd_apy=0.05), **settings)["kamino-hedged"]
    simulated = row.figures["p_loss_simulated"]
    assert row.p_loss == row.figures["p_loss_exact"] == pytest.approx(simulated, abs=0.003)
    certain = rows(world, **settings)["kamino-hedged"]
    assert abs(certain.p_loss - row.p_loss) > 0.01


def test_a_debt_dearer_than_the_fees_is_refused(by_hand, rows):
    """Negative carry carries both rates."""
    row = rows(by_hand.pool(), borrow=BorrowForecast(mean_apy=0.25, sd_apy=0.0))["kamino"]
    (found,) = [reason for reason in row.reasons if reason.code == "negative_carry"]
    assert (found.number, found.threshold) == (pytest.approx(math.expm1(0.15)), 0.25)


def test_the_default_holding_is_thirty_days_and_leverage_is_cut_to_the_limit(by_hand, rows):
    """Without a wish the loop is held 30 days and levered as far as the premium leaves room."""
    row = rows(by_hand.pool(), horizon_days=None, leverage=None, default_leverage=9.0)["kamino"]
    cap = 1 / (1 - 0.75 / (1.003 * 1.001))
    assert (row.horizon_days, row.leverage) == (30.0, pytest.approx(cap, rel=1e-9))
    assert row.max_leverage == pytest.approx(cap, rel=1e-9)
    assert row.ltv == pytest.approx(0.75, rel=1e-9)
    assert "leverage_cut" in row.flags


@pytest.mark.parametrize("settings", [{}, {"leverage": 1.0}, {"horizon_days": 7.0, "leverage": 3.3}])
def test_every_line_evaluates_and_every_flag_has_words(by_hand, rows, settings):
    """Printed numbers give the stored figures; parts add up to the profit; a row can be explained and priced again."""
    world = by_hand.pool(pool={"hedge.funding.SOL": 0.07, "hedge.cost.SOL": 0.001})
    found = rows(world, sd=0.02, size=12_345.67, costs=Costs(swap=0.0007, gas_usd=3.0), **settings)
    for side in ("kamino", "kamino-hedged"):
        row = found[side]
        for line in row.explain:
            assert eval(line.numbers, {"__builtins__": {}}, vars(math)) == line.result, line  # noqa: S307 - own arithmetic
            assert row.figures.get(line.name, getattr(row, line.name, line.result)) == line.result, line
        pnl = next(line.result for line in row.explain if line.name == "pnl")
        assert math.fsum(row.decomposition.values()) == pytest.approx(pnl, abs=1e-8)
        assert row.trade.pnl(row.scenario) - row.flat_costs_usd == row.figures["pnl_after_flat_costs_usd"]
        assert set(row.flags) <= set(FLAG_WORDS)
        assert to_record(row)["trade"].startswith("JLP loop, Kamino")
        assert any(side in line for line in explanation(row))
