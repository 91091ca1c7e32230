"""Liquidation bonus, liquidation in parts, and the winding down of a market."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DataError, DomainError, MarketDefinitionError
from yieldtrade.lending.liquidation import (
    LiquidationRules,
    auto_deleverage,
    days_to_deleverage,
    fall_to_liquidation,
    liquidation_bonus,
    liquidation_rules,
    morpho_liquidation_factor,
    soft_liquidate,
)
from yieldtrade.market import Parameter, Terms
from yieldtrade.pool.loans import carry_clock

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = [
    case
    for name in ("klend_liquidation", "morpho_aave_drift")
    for case in json.loads((GOLDEN / f"{name}.json").read_text())["cases"]
]
UNSET = 65_535
# The figures of the lender's program and a bonus of 1 to 5 %.
RULES = LiquidationRules(
    liquidation_ltv=0.90,
    min_bonus=0.01,
    max_bonus=0.05,
    close_factor=0.20,
    full_liquidation_ltv=0.95,
    full_liquidation_debt=2.0,
    max_repayment=500_000.0,
    bad_debt_ltv=0.99,
    bad_debt_bonus=0.0099,
)


def of_kind(kind):
    """Cases of one kind, each named."""
    return [pytest.param(case["in"], case["expect"], id=case["id"]) for case in CASES if case["kind"] == kind]


@pytest.mark.parametrize(("given_", "expected"), of_kind("liquidation_bonus"))
def test_bonus_equals_the_programs(given_, expected):
    """The bonus at every distance past the limit equals that of the program's fixed-point rule."""
    group = given_["emode_max_bps"]
    rules = replace(
        RULES,
        liquidation_ltv=given_["liq_ltv_pct"] / 100,
        min_bonus=given_["min_bps"] / 10_000,
        max_bonus=given_["max_bps"] / 10_000,
        bad_debt_bonus=given_["bad_debt_bps"] / 10_000,
        group_max_bonus=None if group == UNSET else group / 10_000,
    )
    bonus = liquidation_bonus(given_["user_ltv_bps"] / 10_000, rules)
    assert bonus == pytest.approx(expected["bonus"], abs=1e-12)


@pytest.mark.parametrize(("given_", "expected"), of_kind("soft_liquidation"))
def test_rounds_equal_the_programs(given_, expected):
    """Every round of a liquidation in parts, and what is left, equal the program's."""
    rules = replace(
        RULES,
        liquidation_ltv=given_["liq_ltv_pct"] / 100,
        min_bonus=given_["min_bonus_bps"] / 10_000,
        max_bonus=given_["max_bonus_bps"] / 10_000,
        close_factor=given_["close_factor_pct"] / 100,
        full_liquidation_ltv=given_["insolvency_ltv_pct"] / 100,
    )
    left = soft_liquidate(given_["coll"], given_["debt"], rules)
    assert len(left.rounds) == expected["rounds"]
    assert (left.collateral, left.debt, left.ltv, left.equity_lost) == pytest.approx(
        [expected[name] for name in ("final_coll", "final_debt", "final_ltv", "equity_lost")], rel=1e-9
    )
    for called, step in zip(left.rounds, expected["steps"], strict=True):
        assert called._asdict() == pytest.approx(step, rel=1e-9)


@pytest.mark.parametrize(("given_", "expected"), of_kind("auto_deleverage"))
def test_deleveraging_equals_the_programs(given_, expected):
    """Threshold and bonus after some days equal the program's."""
    state = auto_deleverage(
        given_["days"],
        given_["no_bf_ltv"],
        decrease_per_day=given_["threshold_decrease_bps_per_day"] / 10_000,
        min_bonus=given_["min_bonus_bps"] / 10_000,
        bonus_per_day=given_["inc_bps_per_day"] / 10_000,
        max_bonus=given_["max_bps"] / 10_000,
    )
    assert state._asdict() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("given_", "expected"), of_kind("morpho_liquidation_incentive"))
def test_seized_factor_equals_morphos(given_, expected):
    """What a liquidator receives per debt repaid equals Morpho's library."""
    factor = morpho_liquidation_factor(float(given_["lltv"]))
    assert factor == pytest.approx(int(expected["factor_wad"]) / 1e18, rel=1e-9)


def test_worked_examples_of_soft_liquidation():
    """Three rounds, one full close, and one small round, as written down."""
    left = soft_liquidate(10_000, 9_300, RULES)
    assert [called.bonus for called in left.rounds] == pytest.approx([0.03, 0.020314, 0.01], abs=1e-6)
    assert (left.collateral, left.debt, left.ltv, left.equity_lost) == pytest.approx(
        (5363.669217, 4761.6, 0.887750, 97.930783), abs=1e-6
    )
    closed = soft_liquidate(10_000, 9_550, RULES)
    assert (len(closed.rounds), closed.debt, closed.equity_lost) == (1, 0.0, pytest.approx(429.75))
    gentle = replace(RULES, liquidation_ltv=0.80, min_bonus=0.001, max_bonus=0.10, close_factor=0.10)
    small = soft_liquidate(5_000, 4_010, gentle)
    assert (len(small.rounds), small.equity_lost) == (1, pytest.approx(0.802))


def test_worked_example_of_deleveraging():
    """On day 3 at 200 bps a day the threshold is 94 % and a bonus of 50 and 50 a day stands at 2 %."""
    state = auto_deleverage(
        3, 0.8, decrease_per_day=0.02, min_bonus=0.005, bonus_per_day=0.005, max_bonus=0.05
    )
    assert state == pytest.approx((0.94, 0.02))


@given(st.floats(1, 1e7), st.floats(0, 1.2), st.floats(0.05, 1.0))
def test_soft_liquidation_never_raises_equity_and_ends_below_the_limit(held, ltv, close_factor):
    """Bonuses only cost; it ends healthy, closed, or without collateral, and accounts for every dollar."""
    owed = held * ltv
    left = soft_liquidate(held, owed, replace(RULES, close_factor=close_factor))
    assert left.equity_lost >= -1e-9 * held
    assert left.debt == 0 or left.collateral == 0 or left.debt < RULES.liquidation_ltv * left.collateral
    repaid = math.fsum(called.repaid for called in left.rounds)
    seized = math.fsum(called.seized for called in left.rounds)
    assert (left.collateral + seized, left.debt + repaid) == pytest.approx((held, owed), rel=1e-9, abs=1e-9)
    bonuses = math.fsum(called.repaid * called.bonus for called in left.rounds)
    assert left.equity_lost == pytest.approx(bonuses, rel=1e-6, abs=1e-6 * held)


@given(st.floats(1, 1e6), st.floats(0, 0.899))
def test_a_healthy_loan_is_left_alone(held, ltv):
    """Below the limit nothing is called."""
    left = soft_liquidate(held, held * ltv, RULES)
    assert (left.rounds, left.collateral, left.equity_lost) == ((), held, 0.0)


def test_collateral_that_does_not_cover_the_bonus_leaves_bad_debt():
    """At 105 % all collateral is seized for what it covers after the bonus; the rest of the debt is bad."""
    left = soft_liquidate(1_000, 1_050, RULES)
    (called,) = left.rounds
    assert (called.seized, called.repaid) == (1_000, pytest.approx(1_000 / 1.0099))
    assert left.bad_debt == pytest.approx(1_050 - 1_000 / 1.0099)
    assert left.equity_lost == pytest.approx(called.repaid * 0.0099)


def test_large_loans_are_closed_in_calls_of_the_largest_size():
    """Two million past the full-liquidation limit take calls of half a million each."""
    left = soft_liquidate(2_083_333.0, 2_000_000.0, RULES)
    assert [called.repaid for called in left.rounds[:2]] == [500_000.0, 500_000.0]
    assert max(called.repaid for called in left.rounds) == 500_000.0


def test_a_borrow_factor_counts_for_the_limit_and_not_for_the_bonus_left():
    """Weighted 1.5 times, 500 against 800 is past 90 %; the bonus is capped by what unweighted debt leaves."""
    left = soft_liquidate(800, 500, RULES, borrow_factor=1.5)
    assert left.rounds[0].ltv_before == pytest.approx(0.9375)
    assert left.rounds[0].bonus == pytest.approx(0.0375)
    assert liquidation_bonus(0.93, RULES, ltv_unweighted=0.975) == pytest.approx(0.025)
    assert soft_liquidate(800, 500, RULES).rounds == ()


def test_a_loan_under_water_pays_no_deleveraging_bonus():
    """Above 100 % nothing is left to pay from, and the threshold never falls below nothing."""
    terms = {"decrease_per_day": 0.02, "min_bonus": 0.005, "bonus_per_day": 0.005, "max_bonus": 0.05}
    assert auto_deleverage(60, 1.1, **terms) == (0.0, 0.0)


@given(st.floats(0, 1), st.floats(0.001, 0.5))
def test_the_day_of_deleveraging_is_when_the_threshold_meets_the_loan(ltv, decrease):
    """On the day told, the threshold equals the loan to value; without hurry it lies above before."""
    day = days_to_deleverage(ltv, decrease)
    terms = {"decrease_per_day": decrease, "min_bonus": 0.0, "bonus_per_day": 0.01, "max_bonus": 0.1}
    assert auto_deleverage(day, ltv, **terms).threshold == pytest.approx(ltv, abs=1e-12)
    assert 0 <= auto_deleverage([0, day], ltv, **terms).bonus.max() <= min(0.1, 1 - ltv)


@given(st.floats(0.01, 0.89))
def test_a_fall_to_the_limit_is_a_liquidation(ltv):
    """After the fall told the loan stands at its limit; interest alone takes the clock's years."""
    fall = fall_to_liquidation(ltv, 0.9)
    assert ltv / (1 - fall) == pytest.approx(0.9, rel=1e-12)
    years = carry_clock(ltv, 0.9, math.log1p(0.09), 0.0)
    assert ltv * 1.09**years == pytest.approx(0.9, rel=1e-9)


def test_worked_example_of_the_flat_price_clock():
    """From 70 to 75 % at 20 % interest against a basket that earns 7 %: 193.7 days."""
    assert 365 * carry_clock(0.70, 0.75, 0.20, 0.07) == pytest.approx(193.710755, abs=1e-6)


def terms_of(values):
    """Terms of a lender with these parameters."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return Terms("kamino", {n: Parameter(n, v, "unit", moment, "user", "test") for n, v in values.items()})


STATED = {
    "liquidation_ltv.PT": 0.90,
    "liquidation_fee.PT": 0.01,
    "max_liquidation_fee.PT": 0.05,
    "bad_debt_liquidation_fee.PT": 0.0099,
    "close_factor": 0.2,
    "full_liquidation_ltv": 0.95,
    "full_liquidation_debt_usd": 2,
    "max_liquidation_usd": 500_000,
    "bad_debt_ltv": 0.99,
}


def test_rules_are_read_from_terms():
    """Every rule comes from the lender's terms, and a missing one is asked for by its name."""
    assert liquidation_rules(terms_of(STATED), "PT") == RULES
    for name in STATED:
        rest = {key: value for key, value in STATED.items() if key != name}
        with pytest.raises(MarketDefinitionError, match=name):
            liquidation_rules(terms_of(rest), "PT")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: replace(RULES, min_bonus=0.06), DataError, "min_bonus"),
        (lambda: replace(RULES, liquidation_ltv=0.0), DomainError, "liquidation_ltv"),
        (lambda: replace(RULES, close_factor=0.0), DomainError, "close_factor"),
        (lambda: replace(RULES, bad_debt_bonus=-0.1), DomainError, "bad_debt_bonus"),
        (lambda: replace(RULES, group_max_bonus=1.1), DomainError, "group_max_bonus"),
        (lambda: replace(RULES, max_repayment=0.0), DomainError, "max_repayment"),
        (lambda: soft_liquidate(-1, 1, RULES), DomainError, "collateral"),
        (lambda: soft_liquidate(1, math.nan, RULES), DomainError, "debt"),
        (lambda: soft_liquidate(1, 1, RULES, borrow_factor=0.5), DomainError, "borrow_factor"),
        (lambda: soft_liquidate([1, 2], 1, RULES), DomainError, "one position at a time"),
        (lambda: liquidation_bonus(-0.1, RULES), DomainError, "ltv"),
        (lambda: days_to_deleverage(0.5, 0.0), DomainError, "decrease_per_day"),
        (lambda: days_to_deleverage(1.5, 0.1), DomainError, "ltv"),
        (lambda: fall_to_liquidation(0.5, 0.0), DomainError, "liquidation_ltv"),
        (lambda: morpho_liquidation_factor(1.1), DomainError, "liquidation_ltv"),
    ],
)
def test_bad_rules_and_positions_are_refused(call, error, message):
    """Contradicting limits, negative values and rows of positions are refused by name."""
    with pytest.raises(error, match=message):
        call()
