"""Payoffs of a row: the profit by each uncertain factor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from yieldtrade.errors import DomainError
from yieldtrade.strategies.payoff import payoffs
from yieldtrade.strategies.screen import screen

PRICED = {"AAA-2606:interest_period-long", "BBB-2606:fixed_income", "BBB-2606:principal_loop"}


@pytest.fixture
def rows(busy, forecaster):
    """Rows of three strategies, by name."""
    found = screen(busy.view(), 10_000, forecast=forecaster())
    return {row.row_id: row for row in found.rows}


def test_a_payoff_passes_through_the_row(rows):
    """At the factor's mean the line gives the row's profit at the means, after flat costs."""
    for name in PRICED:
        row = rows[name]
        expected = row.trade.pnl(row.scenario) - row.flat_costs_usd
        for line in payoffs(row, 4_001):
            assert np.interp(line.mean, line.values, line.pnl_usd) == pytest.approx(expected, abs=0.02)


def test_a_payoff_slopes_as_the_gradient_says(rows):
    """The line's slope at the mean is the trade's own derivative."""
    for name in PRICED:
        row = rows[name]
        slopes = row.trade.gradient(row.scenario)
        for line in payoffs(row, 4_001):
            if line.mean < line.values[-1]:
                slope = np.interp(line.mean, line.values, np.gradient(line.pnl_usd, line.values))
                assert slope == pytest.approx(slopes[line.factor], rel=1e-2)


def test_a_payoff_crosses_zero_at_the_break_even(rows):
    """A long YT loses below its break-even settled APY and gains above it."""
    row = rows["AAA-2606:interest_period-long"]
    line = next(line for line in payoffs(row, 4_001) if line.factor == "settled_apy")
    crossing = np.interp(0.0, line.pnl_usd, line.values)
    assert crossing == pytest.approx(row.break_even_settled_apy, abs=1e-4)


def test_factors_shown_are_those_that_move_the_profit(rows):
    """A YT sold before maturity has a settled and an exit yield; PT to maturity its redemption alone."""
    names = {name: [line.factor for line in payoffs(rows[name])] for name in PRICED}
    assert names["AAA-2606:interest_period-long"] == ["settled_apy", "exit_implied"]
    assert names["BBB-2606:fixed_income"] == ["redemption_factor"]
    assert names["BBB-2606:principal_loop"] == ["borrow_apy", "underlying_ratio"]


def test_a_row_that_was_never_priced_has_no_payoff(rows):
    """Without a trade nothing is drawn, and one point is no line."""
    row = rows["AAA-2606:interest_period-long"]
    assert list(payoffs(replace(row, trade=None))) == []
    with pytest.raises(DomainError, match="points = 1"):
        list(payoffs(row, 1))
