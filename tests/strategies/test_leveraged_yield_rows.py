"""Rows of leveraged YT against the trade object, which steps through every settlement."""

from __future__ import annotations

import math

import pytest

from yieldtrade.strategies.inputs import ExitYield
from yieldtrade.strategies.leveraged_yield import LeveragedYield
from yieldtrade.strategies.risk import Draws
from yieldtrade.strategies.screen import screen

NAME = "AAA-2606"
TAU = 91.25 / 365


def rows_of(world, forecaster, **settings):
    """Rows by side, with an exit yield of 30 +/- 4 %."""
    asked = {"exit_yields": {NAME: ExitYield(mean=0.30, sd=0.04)}, **settings}
    found = screen(
        world.view(), 10_000, strategies=["leveraged_yield"], forecast=forecaster(0.34, 0.06), **asked
    )
    return {row.side: row for row in found.rows}


def trade_of(side, leverage, exit_tau=0.0):
    """The same trade, stepped through its settlements."""
    return LeveragedYield(
        side=side,
        implied_apy=0.30,
        tau=TAU,
        exit_tau=exit_tau,
        trading_fee=0.001,
        leverage=leverage,
        margin=10_000,
        margin_accrues=True,
        maintenance_ratio=1.05,
    )


@pytest.mark.parametrize("side", ["long", "short"])
def test_a_row_makes_what_the_stepped_trade_makes(world, forecaster, side):
    """To maturity at 3x: profit, liquidation and mark leverage are those of the trade that settles every day."""
    world.add(NAME)
    row = rows_of(world, forecaster, leverage=3.0)[side]
    trade = trade_of(side, 3.0)
    assert row.figures["pnl_after_flat_costs_usd"] == pytest.approx(float(trade.pnl(row.scenario)), rel=1e-9)
    assert row.liquidation_value == pytest.approx(trade.liquidation_price(), rel=1e-12)
    assert row.horizon_days == pytest.approx(91.25)
    assert row.leverage == 3.0
    assert math.fsum(row.decomposition.values()) == pytest.approx(float(trade.pnl(row.scenario)), rel=1e-9)


def test_the_odds_of_liquidation_are_those_of_the_random_walk(world, forecaster):
    """Watched weekly and between, four weeks at 5x are liquidated as often as watched without pause on daily steps."""
    world.add(NAME)
    held = 28 / 365
    for side in ("long", "short"):
        row = rows_of(world, forecaster, leverage=5.0, horizon_days=28)[side]
        trade = trade_of(side, 5.0, exit_tau=TAU - held)
        expected = trade.p_liquidation(
            row.scenario.settled_apy, 0.04, Draws(3), count=20_000, monitoring="continuous"
        )
        assert row.p_liquidation == pytest.approx(expected, abs=0.03)
        assert "nonlinear" in row.flags


def test_the_naive_figure_leaves_the_yield_out(world, forecaster):
    """Four weeks from p0 to p1 at an unchanged 30 %: L*(p1/p0 - 1), a year; to maturity a YT ends at nothing."""
    world.add(NAME)
    row = rows_of(world, forecaster, leverage=3.0, horizon_days=28)["long"]
    p0, p1 = (1 - 1.3**-tau for tau in (TAU, TAU - 28 / 365))
    assert row.net_apy_naive == pytest.approx((1 + 3 * (p1 / p0 - 1)) ** (365 / 28) - 1, rel=1e-9)
    assert rows_of(world, forecaster, leverage=3.0)["long"].net_apy_naive == -1.0


def test_one_interest_period_is_not_listed_twice(world, forecaster):
    """A holding of a week has its row under interest_period alone."""
    world.add(NAME)
    assert rows_of(world, forecaster, horizon_days=7) == {}


def test_without_margin_terms_both_sides_say_what_is_missing(world, forecaster):
    """A venue that states no collateral ratios is rejected with their names."""
    world.add(NAME, venue="spot")
    rows = rows_of(world, forecaster)
    assert set(rows) == {"long", "short"}
    for row in rows.values():
        assert any("initial_collateral_ratio" in reason.text for reason in row.reasons)
