"""Rows priced through a stored pool: fills at the user's size, capacity, exits, and what they are compared with."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from yieldtrade.amm.logit import LogitAmm
from yieldtrade.amm.states import amm_of
from yieldtrade.strategies.depth import Depth, Refusal, find_depth
from yieldtrade.strategies.inputs import Costs, ExitYield
from yieldtrade.strategies.screen import screen

LOGIT = {
    "total_pt": 2e6,
    "total_sy": 1.5e6,
    "sy_index": 1.0,
    "scalar_root": 60.0,
    "ln_fee_root": 0.001,
    "reserve_fee_percent": 80.0,
    "last_ln_implied_rate": math.log(1.12),
}
EPOCH = {"epoch_anchor": "2026-01-01T00:00:00+00:00", "epoch_seconds": 604_800.0, "base_asset": "USD"}
SCREEN = {"max_exit_impact": 0.99}


def clmm(tau, implied, liquidity):
    """A pool of one range around an implied yield."""
    yt = -math.expm1(-tau * math.log1p(implied))
    span = {"liquidity": liquidity, "lower_sqrt": math.sqrt(yt / 2), "upper_sqrt": math.sqrt(1.5 * yt)}
    return {"sqrt_price": math.sqrt(yt), "ranges": [span], "lp_fee_share": 0.5, "tick_spacing": 10}


@pytest.fixture
def pendle(world):
    """A PT/SY pool at 12 %, 109.5 days, at 2 USD per ST."""
    world.add("PTX-2606", venue="spot", implied=0.12, days=109.5, price=2.0)
    return world.pool_of("PTX-2606", "logit", LOGIT)


@pytest.fixture
def ratex(world):
    """A deep YT/ST pool at 30 % whose settlement lies four days ahead."""
    world.add("YTX-2605", implied=0.30, days=91.25, price=2.0, clock="epoch", terms=EPOCH)
    tau = (91.25 + 4.0) / 365
    return world.pool_of("YTX-2605", "clmm", clmm(tau, 0.30, 1e12))


def by_id(world, size=10_000, forecaster=None, **settings):
    """Rows by name."""
    result = screen(world.view(), size, forecast=forecaster, **{**SCREEN, **settings})
    return {row.row_id: row for row in result.rows}


def amm_at(world, name, days=0.0):
    """The stored pool of a contract, some days later."""
    view = world.view()
    contract = view.contract(name)
    return amm_of(contract, view.amm_state(contract), world.as_of).at(world.as_of + timedelta(days=days))


def test_fixed_income_redeems_what_the_pool_sold(pendle, forecaster):
    """10,000 dollars are 5,000 ST; the tokens they buy, fee and impact included, pay one ST each at maturity."""
    row = by_id(pendle, forecaster=forecaster())["PTX-2606:fixed_income"]
    bought = amm_at(pendle, "PTX-2606").quote("BUY_PT", 5_000.0, "st")
    assert row.expected_pnl_usd == pytest.approx(2.0 * bought.units - 10_000, rel=1e-9)
    assert row.trade.execution_price == pytest.approx(bought.average_price, rel=1e-12)
    assert row.cost_in == pytest.approx(1 - bought.units * 1.12**-0.3 / 5_000, rel=1e-7)
    assert "no_depth" not in row.flags
    inputs = {line.name: line for line in row.inputs}
    assert inputs["entry_fill_tokens"].value == pytest.approx(bought.units)
    assert inputs["entry_fill_cost"].value == pytest.approx(bought.total_cost, rel=1e-9)
    assert inputs["pool_state"].as_of == pendle.as_of - timedelta(days=0.01)
    assert row.figures["entry_post_trade_apy"] == pytest.approx(bought.post_trade_yield, rel=1e-9)


def test_a_cash_yt_buys_and_sells_through_the_pool(pendle, forecaster):
    """Proceeds of the sale in a week plus the yield kept, less what was paid."""
    rows = by_id(pendle, 2_000, forecaster(0.20, 0.02))
    row = rows["PTX-2606:interest_period-long"]
    bought = amm_at(pendle, "PTX-2606").quote("BUY_YT", 1_000.0, "st")
    sold = amm_at(pendle, "PTX-2606", 7).quote("SELL_YT", bought.units)
    received = 0.95 * bought.units * (1.20 ** (7 / 365) - 1)
    pnl = 2.0 * (sold.st_amount + received - 1_000)
    assert row.figures["pnl_after_flat_costs_usd"] == pytest.approx(pnl, abs=1e-6)
    assert math.fsum(row.decomposition.values()) == pytest.approx(pnl, abs=1e-6)
    assert row.figures["exit_price_impact"] == pytest.approx(sold.price_impact, rel=1e-9)


def test_a_loop_left_early_sells_into_the_pool_as_it_stands_then(pendle, forecaster):
    """Five times the capital is bought; after thirty days all of it is sold at the exit yield and the debt paid."""
    exits = {"PTX-2606": ExitYield(mean=0.15, sd=0.01)}
    row = by_id(pendle, forecaster=forecaster(), horizon_days=30, exit_yields=exits)[
        "PTX-2606:principal_loop"
    ]
    bought = amm_at(pendle, "PTX-2606").quote("BUY_PT", 25_000.0, "st")
    then = amm_at(pendle, "PTX-2606", 30).size_for_yield(0.15, "PT").amm_after
    sold = then.quote("SELL_PT", bought.units)
    pnl = 2.0 * sold.st_amount - 40_000 * 1.09 ** (30 / 365) - 10_000
    assert row.figures["pnl_after_flat_costs_usd"] == pytest.approx(pnl, abs=1e-6)
    assert row.cost_out == pytest.approx(
        2e-4 * bought.units * 1.15 ** -(79.5 / 365) * sold.total_cost, rel=1e-6
    )


def test_levered_yt_opens_and_closes_through_the_pool(ratex, forecaster):
    """Borrowed ST buys YT and borrowed YT is sold; each is unwound after the settlement in the re-marked pool."""
    ratex.facts.states.clear()
    ratex.pool_of("YTX-2605", "clmm", clmm(95.25 / 365, 0.30, 3e6))
    rows = by_id(ratex, 1_000, forecaster(0.34, 0.02), horizon_days=7, leverage=3.0)
    now, then = amm_at(ratex, "YTX-2605"), amm_at(ratex, "YTX-2605", 7)
    then = then.size_for_yield(0.30, "YT").amm_after
    growth = 1.34 ** (7 / 365) - 1
    bought = now.quote("BUY_YT", 1_500.0, "st")
    sold = then.quote("SELL_YT", bought.units)
    long = sold.st_amount - 1_500 + (bought.units - 1_500) * growth
    found = rows["YTX-2605:interest_period-long"]
    assert found.figures["pnl_after_flat_costs_usd"] == pytest.approx(2.0 * long, abs=1e-6)
    owed = 1_500 / now.spot("YT")
    opened = now.quote("SELL_YT", owed)
    closed = then.quote("BUY_YT", owed)
    short = opened.st_amount + (opened.st_amount - owed) * growth - closed.st_amount
    found = rows["YTX-2605:interest_period-short"]
    assert found.figures["pnl_after_flat_costs_usd"] == pytest.approx(2.0 * short, abs=1e-6)
    assert found.trade.trading_fee == pytest.approx(opened.total_cost, rel=1e-9)
    assert found.trade.exit_fee == pytest.approx(closed.total_cost, rel=1e-9)


def test_a_pool_without_end_costs_its_fee_alone(ratex, forecaster):
    """Through endless liquidity every row is what it is without depth, where the fee is the only cost."""
    deep = by_id(ratex, forecaster=forecaster(), horizon_days=7)
    ratex.facts.states.clear()
    spot = by_id(ratex, forecaster=forecaster(), horizon_days=7)
    for name in ("interest_period-long", "interest_period-short", "fixed_income"):
        one, other = deep[f"YTX-2605:{name}"], spot[f"YTX-2605:{name}"]
        # the pool charges a buyer f/(1-f), a closed form f: f squared on 50,000 dollars, twice
        assert one.expected_pnl_usd == pytest.approx(other.expected_pnl_usd, abs=2 * 50_000 * 0.001**2)
        assert one.break_even_settled_apy == pytest.approx(other.break_even_settled_apy, abs=1e-4)
        assert ("no_depth" in one.flags, "no_depth" in other.flags) == (False, True)


def test_a_synthetic_pt_pays_what_its_short_costs(ratex, forecaster):
    """The ST paid for each PT is one less the management fee's share of the YT sold, at the fill."""
    ratex.pool_of("YTX-2605", "clmm", clmm(95.25 / 365, 0.30, 1e6))
    row = by_id(ratex, forecaster=forecaster())["YTX-2605:fixed_income"]
    bought = amm_at(ratex, "YTX-2605").quote("BUY_PT", 5_000.0, "st")
    assert row.trade.units == pytest.approx(2.0 * bought.units, rel=1e-9)


@pytest.mark.parametrize("settings", [{}, {"horizon_days": 20, "costs": Costs(swap=0.001, gas_usd=2.0)}])
def test_every_printed_line_gives_the_stored_figure(pendle, ratex, forecaster, settings):
    """With fills too, the printed arithmetic gives each result to the last digit."""
    lines = 0
    for row in by_id(ratex, 3_333.33, forecaster(0.28, 0.05), **settings).values():
        for line in row.explain:
            given = eval(line.numbers, {"__builtins__": {"abs": abs}}, vars(math))  # noqa: S307 - our own arithmetic
            assert given == line.result, line
            assert row.figures.get(line.name, getattr(row, line.name, line.result)) == line.result
            lines += 1
        if row.trade is not None:
            again = row.trade.pnl(row.scenario) - row.flat_costs_usd
            assert again == row.figures["pnl_after_flat_costs_usd"]
    assert lines > 50


def test_size_costs(pendle, forecaster):
    """Ten times the size returns less on each dollar."""
    small, large = (by_id(pendle, size, forecaster()) for size in (10_000, 100_000))
    for name in ("PTX-2606:fixed_income", "PTX-2606:principal_loop"):
        assert large[name].horizon_return < small[name].horizon_return
        assert large[name].cost_in > small[name].cost_in


def test_a_size_that_the_pool_cannot_fill_is_refused_with_the_most_it_can(pendle, forecaster):
    """Nothing is cut: the row is rejected and names both sizes in dollars."""
    row = by_id(pendle, 1e8, forecaster())["PTX-2606:fixed_income"]
    (reason,) = row.reasons
    most = 2.0 * amm_at(pendle, "PTX-2606").max_size("BUY_PT").st
    assert (reason.code, reason.number) == ("size_above_capacity", 1e8)
    assert reason.threshold == pytest.approx(most, rel=1e-9)
    assert row.expected_pnl_usd is None


def test_a_pool_at_the_end_of_its_range_has_no_capacity(ratex, forecaster):
    """A buyer of YT at the highest price of the only range gets nothing."""
    tau = 95.25 / 365
    state = clmm(tau, 0.30, 1e6)
    state["ranges"][0]["upper_sqrt"] = state["sqrt_price"]
    ratex.pool_of("YTX-2605", "clmm", state)
    row = by_id(ratex, forecaster=forecaster())["YTX-2605:interest_period-long"]
    assert [reason.code for reason in row.reasons] == ["zero_capacity"]
    assert row.reasons[0].threshold == 0.0


def test_an_exit_that_moves_the_price_too_far_is_refused(pendle, forecaster):
    """The row says how many dollars could be sold within the limit; selling just those stays within it."""
    only = {"horizon_days": 30, "strategies": ["principal_loop"], "forecaster": forecaster()}
    free = by_id(pendle, 100_000, **only)["PTX-2606:principal_loop"]
    limit = 0.5 * free.figures["exit_price_impact"]
    row = by_id(pendle, 100_000, **only, max_exit_impact=limit)["PTX-2606:principal_loop"]
    (reason,) = [reason for reason in row.reasons if reason.code == "size_above_capacity"]
    assert reason.threshold == row.exit_depth_usd < reason.number
    then = amm_at(pendle, "PTX-2606", 30)
    tokens = row.exit_depth_usd / 2.0 / then.spot("PT")
    assert then.quote("SELL_PT", tokens).price_impact == pytest.approx(limit, rel=1e-9)
    assert free.exit_depth_usd > row.exit_depth_usd
    held = by_id(pendle, 100_000, forecaster())["PTX-2606:fixed_income"]
    assert held.exit_depth_usd is None


def test_the_pool_is_taken_at_the_quoted_yield(pendle, forecaster):
    """The user's own yield, or a newer quote, is where the pool is traded from, not where it was stored."""
    view = pendle.view().with_yields({"PTX-2606": 0.14})
    rows = {row.row_id: row for row in screen(view, 10_000, forecast=forecaster()).rows}
    row = rows["PTX-2606:fixed_income"]
    moved = amm_at(pendle, "PTX-2606").size_for_yield(0.14, "PT").amm_after
    bought = moved.quote("BUY_PT", 5_000.0, "st")
    assert row.trade.mid_price == pytest.approx(1.14**-0.3, rel=1e-12)
    assert row.trade.units == pytest.approx(2.0 * bought.units, rel=1e-9)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda w: w.pool_of("PTX-2606", "logit", LOGIT, age_days=4.1), "4.1 days old, at most 4"),
        (lambda w: w.pool_of("PTX-2606", "logit", {**LOGIT, "scalar_root": None}), "scalar_root"),
        (
            lambda w: w.add("PTX-2606", venue="spot", days=109.5, price=None, terms={"base_asset": "SOL"}),
            "no USD price",
        ),
        (lambda w: w.quote("PTX-2606", w.as_of, 9.0, price=2.0), "out of reach"),
    ],
)
def test_a_state_that_cannot_be_used_says_why(pendle, forecaster, spoil, problem):
    """Too old, not complete, without a price, or never at that yield: the spot quote stands, flagged, with a note."""
    spoil(pendle)
    row = by_id(pendle, forecaster=forecaster())["PTX-2606:fixed_income"]
    assert "no_depth" in row.flags
    assert any("the stored state of the pool is not used" in note and problem in note for note in row.notes)
    assert row.expected_pnl_usd is not None


def test_an_old_state_is_flagged(pendle, forecaster):
    """Beyond a day it is stale, and the row is as old as it."""
    pendle.pool_of("PTX-2606", "logit", LOGIT, age_days=2)
    row = by_id(pendle, forecaster=forecaster())["PTX-2606:fixed_income"]
    assert ("stale" in row.flags, row.oldest_input_age_s) == (True, 2 * 86_400)


def test_a_refusal_is_told_in_dollars_on_either_side(pendle):
    """Spending counts in ST, selling in tokens at the mid price."""
    view = pendle.view()
    (market,) = screen_markets(view)
    found = find_depth(view, market, 2.0, 4.0)
    assert isinstance(found.depth, Depth)
    assert isinstance(found.depth.amm, LogitAmm)
    refused = found.depth.trade("SELL_PT", 1e9)
    assert isinstance(refused, Refusal)
    capacity = found.depth.amm.max_size("SELL_PT").size
    assert refused.requested_usd == pytest.approx(1e9 * 1.12**-0.3, rel=1e-9)
    assert refused.maximum_usd == pytest.approx(2.0 * capacity * 1.12**-0.3, rel=1e-9)
    assert refused.binding == "proportion_cap"


def screen_markets(view):
    """Markets of every contract, as a screen looks them up."""
    from yieldtrade.strategies.desk import Desk
    from yieldtrade.strategies.inputs import ScreenSettings

    return Desk(view, ScreenSettings(size_usd=1_000)).markets(view.contracts())
