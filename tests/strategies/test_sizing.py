"""How much of a row's trade fits: the screen itself, asked at other sizes, agrees."""

from __future__ import annotations

import math

import pytest

from yieldtrade.strategies.inputs import BorrowForecast, ExitYield
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
CURVE = "0:0 0.7:0.05 0.85:0.10 1:0.5"
EXITS = {"PTX-2606": ExitYield(mean=0.10, sd=0.001)}
MAKE = {
    "fixed_income": {},
    "principal_spread": {"exit_yields": EXITS, "horizon_days": 60},
    "principal_loop": {"leverage": 3.0},
    "interest_period-long": {"exit_yields": {"PTX-2606": ExitYield(mean=0.14, sd=0.001)}},
}


@pytest.fixture
def pendle(world):
    """A PT/SY pool at 12 %, 109.5 days to go, and a lender whose borrow curve is stated."""
    world.add("PTX-2606", venue="spot", implied=0.12, days=109.5)
    world.add_venue("kamino", world.lender | {"borrow_curve.USDC": CURVE})
    return world.pool_of("PTX-2606", "logit", LOGIT)


def row_of(world, strategy, size, forecaster, **settings):
    """One row at a size; exits may move the price by anything."""
    asked = {"max_exit_impact": 0.99, "kappa": 0.0, "forecast": forecaster(0.34, 0.01), **settings}
    found = screen(world.view(), size, strategies=[strategy.partition("-")[0]], **asked)
    return {row.row_id: row for row in found.rows}[f"PTX-2606:{strategy}"]


def after_hurdle(row):
    """What the row makes beyond the hurdle at the means."""
    return row.figures["pnl_after_flat_costs_usd"] - row.hurdle_usd


@pytest.mark.parametrize("strategy", MAKE)
def test_the_best_size_is_best_and_the_edge_ends_where_said(pendle, forecaster, strategy):
    """A tenth less or more than the best size makes less; just within the edge gains, just beyond it loses."""
    settings = MAKE[strategy]
    row = row_of(pendle, strategy, 10_000, forecaster, **settings)
    best, edge = row.best_size_usd, row.edge_capacity_usd
    assert 0 < best < edge
    made = {
        s: after_hurdle(row_of(pendle, strategy, s * best, forecaster, **settings)) for s in (0.9, 1.0, 1.1)
    }
    assert made[1.0] > max(made[0.9], made[1.1]) > 0
    assert row.figures["best_profit_usd"] == pytest.approx(made[1.0], rel=1e-6)
    assert after_hurdle(row_of(pendle, strategy, 0.999 * edge, forecaster, **settings)) > 0
    assert after_hurdle(row_of(pendle, strategy, 1.001 * edge, forecaster, **settings)) < 0


def test_the_smallest_cap_binds_below_the_best_size(pendle, forecaster):
    """At 3x a group that still lends 600,000 takes 300,000 of own capital: that binds, not the edge."""
    limits = {
        "borrow_curve.USDC": CURVE,
        "elevation_group_borrow_limit.USDC": 2_600_000.0,
        "borrowed_in_group.USDC": 2_000_000.0,
    }
    pendle.add_venue("kamino", pendle.lender | limits)
    pendle.pool_of("PTX-2606", "logit", {**LOGIT, "total_pt": 2e9, "total_sy": 1.5e9})
    row = row_of(pendle, "principal_loop", 10_000, forecaster, leverage=3.0)
    assert row.binding == "elevation_group_borrow_limit"
    assert row.max_size_usd == pytest.approx(300_000)
    assert row.caps["elevation_group_borrow_limit"] == row.max_size_usd < row.best_size_usd
    assert row.slack_usd["elevation_group_borrow_limit"] == pytest.approx(290_000)


def test_without_depth_or_curve_only_the_caps_are_known(world, forecaster):
    """What moves no price has no best size: the liquidity left to borrow is the one limit, and none for PT."""
    world.add("PTX-2606", venue="spot", implied=0.12, days=109.5)
    loop = row_of(world, "principal_loop", 10_000, forecaster, leverage=3.0)
    assert (loop.best_size_usd, loop.edge_capacity_usd) == (None, None)
    assert (loop.binding, loop.max_size_usd) == ("available_liquidity", pytest.approx(1e8 / 2))
    fixed = row_of(world, "fixed_income", 10_000, forecaster)
    assert (fixed.best_size_usd, fixed.max_size_usd, fixed.binding, dict(fixed.caps)) == (
        None,
        None,
        None,
        {},
    )


def test_a_trade_without_an_edge_has_no_size(pendle, forecaster):
    """Where the debt costs more than the PT yields, the best size is 0 and nothing binds."""
    stated = {"leverage": 3.0, "borrow": BorrowForecast(mean_apy=0.5, sd_apy=0.01)}
    row = row_of(pendle, "principal_loop", 10_000, forecaster, **stated)
    assert (row.best_size_usd, row.edge_capacity_usd, row.binding) == (0.0, 0.0, None)
