"""Scores, rejections and the order of rows."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.strategies.inputs import ScreenSettings
from yieldtrade.strategies.ranking import (
    combined_tail,
    hurdle_pnl,
    limit_reasons,
    per_day,
    rank,
    risk_adjusted,
    tail_cost,
)
from yieldtrade.strategies.returns import annual_return
from yieldtrade.strategies.row import Opportunity

NOW = datetime(2026, 3, 2, tzinfo=UTC)
CAPITAL = 50_000.0


def row(name, a_day=None, score=None, status="accepted"):
    """A row with a score."""
    return Opportunity(
        row_id=name,
        strategy="fixed_income",
        side="",
        venue="v",
        market=name,
        underlying="U",
        maturity=NOW,
        as_of=NOW,
        size_usd=CAPITAL,
        capital_usd=CAPITAL,
        per_day_usd=a_day,
        risk_adjusted_usd=score,
        status=status,
    )


@pytest.mark.parametrize(
    ("mean", "es5", "p_tail", "years", "score", "a_day"),
    [
        (1670.09, 39_499.12, 0.02, 7 / 365, -8270.87, None),
        (2891.45, 604.08, 0.03, 0.3, 1548.39, 14.140549),
        (1625.91, 0.0, 0.02, 0.3, 586.55, 5.356598),
    ],
)
def test_scores_of_the_worked_example(mean, es5, p_tail, years, score, a_day):
    """Cycle, loop and fixed income at 50,000 dollars, hurdle 5 %, kappa 0.25."""
    tail = tail_cost(CAPITAL, 1.0, p_tail, years)
    found = risk_adjusted(mean, hurdle_pnl(CAPITAL, 0.05, years), 0.25, es5, tail)
    assert found == pytest.approx(score, abs=0.011)
    if a_day is not None:
        assert per_day(found, years) == pytest.approx(a_day, abs=1e-4)


def test_tails_of_independent_venues_combine():
    """Two venues that fail with 1 and 2 % a year: 2.98 %."""
    assert combined_tail([0.01, 0.02]) == pytest.approx(0.0298)
    assert combined_tail([]) == 0.0


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.booleans()), max_size=12), st.randoms()
)
def test_order_does_not_depend_on_the_order_of_the_rows(scores, rng):
    """Whatever way the rows come in, they leave in the same order: best a day first, rejected last."""
    rows = [
        row(f"r{i:02d}", a_day, total, "accepted" if good else "rejected")
        for i, (a_day, total, good) in enumerate(scores)
    ]
    shuffled = list(rows)
    random.Random(rng.random()).shuffle(shuffled)  # noqa: S311 - no secret
    ranked = rank(shuffled)
    assert ranked == rank(rows)
    assert [r.status for r in ranked] == sorted(r.status for r in ranked)
    accepted = [r.per_day_usd for r in ranked if r.status == "accepted"]
    assert accepted == sorted(accepted, reverse=True)


def test_ties_go_to_the_larger_score_then_to_the_name():
    """Equal dollars a day: total first, name last; a row without score comes after those with one."""
    rows = [row("b", 1.0, 5.0), row("a", 1.0, 5.0), row("c", 1.0, 9.0), row("d")]
    assert [r.row_id for r in rank(rows)] == ["c", "a", "b", "d"]


def test_reasons_carry_the_number_and_the_threshold():
    """Each limit that is failed names the figure and what was asked."""
    settings = ScreenSettings(size_usd=1.0, min_edge=0.02, max_p_loss=0.3, max_p_liquidation=0.01)
    figures = {"horizon_return": 0.01, "risk_adjusted_usd": -5.0, "p_loss": 0.4, "p_liquidation": 0.02}
    found = [(reason.code, reason.number, reason.threshold) for reason in limit_reasons(figures, settings)]
    assert found == [
        ("no_edge_after_costs", 0.01, 0.02),
        ("risk_adjusted_negative", -5.0, 0.0),
        ("p_loss_above_limit", 0.4, 0.3),
        ("p_liquidation_above_limit", 0.02, 0.01),
    ]
    assert not list(
        limit_reasons({"horizon_return": 0.03, "risk_adjusted_usd": 0.0, "p_loss": 0.3}, settings)
    )
    assert not list(limit_reasons({}, settings))


def test_without_a_wish_a_trade_must_still_gain():
    """Exactly nothing is no edge."""
    settings = ScreenSettings(size_usd=1.0)
    assert [reason.code for reason in limit_reasons({"horizon_return": 0.0}, settings)] == [
        "no_edge_after_costs"
    ]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("size_usd", 0.0),
        ("size_usd", float("nan")),
        ("size_usd", True),
        ("size_usd", "10"),
        ("horizon_days", -1.0),
        ("leverage", 0.0),
        ("max_p_loss", 1.5),
        ("kappa", -0.1),
        ("hurdle", -1.0),
        ("min_edge", float("inf")),
        ("reject_age_factor", 0.0),
    ],
)
def test_impossible_settings_are_refused_by_name(setting, value):
    """A setting outside its range is refused with its name."""
    with pytest.raises(DomainError, match=setting):
        ScreenSettings(**{"size_usd": 1.0, setting: value})


def test_annual_return_of_gains_and_total_losses():
    """Ten percent in half a year is 21 % a year; all lost is -1, and so is more."""
    assert annual_return(0.1, 0.5) == pytest.approx(0.21)
    assert annual_return([0.1, -1.0, -3.0], 0.5).tolist() == pytest.approx([0.21, -1.0, -1.0])
    with pytest.raises(DomainError, match="years"):
        annual_return(0.1, 0.0)
