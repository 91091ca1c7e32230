"""Loan to value, health and what gates leave to borrow."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DataError, DomainError, MarketDefinitionError
from yieldtrade.lending.account import (
    Account,
    Collateral,
    Debt,
    ElevationGroup,
    LendingGates,
    borrow_capacity,
    borrow_caps,
    deposit_room,
    gates_from_terms,
    health_factor,
    is_liquidatable,
    liquidation_ltv,
    loan_to_value,
    oracle_fault,
)
from yieldtrade.lending.curve import parse_curve
from yieldtrade.lending.oracle import LinearDiscountOracle
from yieldtrade.lending.reserve import Reserve
from yieldtrade.market import Parameter, Terms

GOLDEN = Path(__file__).parents[1] / "golden"
KLEND = json.loads((GOLDEN / "klend_leverage.json").read_text())["cases"]
OTHERS = json.loads((GOLDEN / "morpho_aave_drift.json").read_text())["cases"]

GROUP = ElevationGroup(number=3, max_ltv=0.85, liquidation_ltv=0.90)
RESERVE = Reserve(borrowed=800.0, available=200.0, model=parse_curve("0:0 0.8:0.1 1:1"))


def of_kind(cases, kind):
    """Cases of one kind, each named."""
    return [pytest.param(case["in"], case["expect"], id=case["id"]) for case in cases if case["kind"] == kind]


def account_of(case):
    """Account of a case, which counts in the smallest units and percent."""
    held, owed, group = case["collateral"], case["debt"], case["group"]
    return Account(
        collateral=(
            Collateral(
                asset="collateral",
                amount=held["amount_raw"] / 10 ** held["decimals"],
                price=held["price"],
                max_ltv=held["ltv_pct"] / 100,
                liquidation_ltv=held["liquidation_pct"] / 100,
                groups=frozenset(held["groups"]),
            ),
        ),
        debts=(
            Debt(
                asset="debt",
                amount=owed["amount_raw"] / 10 ** owed["decimals"],
                price=owed["price"],
                borrow_factor=owed["borrow_factor_pct"] / 100,
                groups=frozenset(owed["groups"]),
            ),
        ),
        group=group
        and ElevationGroup(
            number=group["id"], max_ltv=group["ltv_pct"] / 100, liquidation_ltv=group["liquidation_pct"] / 100
        ),
    )


@pytest.mark.parametrize(("given_", "expected"), of_kind(KLEND, "obligation"))
def test_accounts_stand_where_the_vendors_library_puts_them(given_, expected):
    """Limits, totals, loan to value and leverage equal the vendor's, in a group and outside."""
    account = account_of(given_)
    found = {
        "borrowLimit": account.borrow_limit,
        "borrowLiquidationLimit": account.liquidation_limit,
        "userTotalBorrow": account.debts_value,
        "userTotalBorrowBorrowFactorAdjusted": account.weighted_debt,
        "userTotalDeposit": account.deposits_value,
        "liquidationLtv": liquidation_ltv(account),
        "borrowUtilization": account.weighted_debt / account.borrow_limit,
        "netAccountValue": account.net_value,
        "leverage": account.leverage,
        "loanToValue": loan_to_value(account),
    }
    assert found == pytest.approx({name: float(value) for name, value in expected.items()}, rel=1e-9)


@pytest.mark.parametrize(("given_", "expected"), of_kind(OTHERS, "morpho_position"))
def test_pt_positions_equal_morphos(given_, expected):
    """Loan to value, health and room to borrow of a PT position equal those of Morpho's library."""
    lltv, collateral = float(given_["lltv"]), int(given_["collateral"]) / 1e18
    owed, price = int(given_["borrow_assets"]) / 1e6, int(given_["price"]) / 1e24
    held = Collateral(asset="PT", amount=collateral, price=price, max_ltv=lltv - 1e-9, liquidation_ltv=lltv)
    account = Account(collateral=(held,), debts=(Debt(asset="USDC", amount=owed, price=1.0),))
    assert loan_to_value(account) == pytest.approx(int(expected["ltv_wad"]) / 1e18, rel=1e-9)
    assert health_factor(account) == pytest.approx(int(expected["health_factor_wad"]) / 1e18, rel=1e-9)
    assert account.liquidation_limit == pytest.approx(int(expected["max_borrow"]) / 1e6, rel=1e-9)
    # the venue's liquidation price, and how far the price has to move to it
    falls_to = owed / (collateral * lltv)
    assert falls_to == pytest.approx(int(expected["liquidation_price"]) / 1e24, rel=1e-9)
    change = int(expected["price_change_to_liquidation_wad"]) / 1e18
    assert 1 / health_factor(account) - 1 == pytest.approx(change, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("given_", "expected"), of_kind(OTHERS, "aave_health_factor"))
def test_health_equals_aaves(given_, expected):
    """Health factor and room to borrow equal those of Aave's library."""
    held = Collateral(
        asset="PT",
        amount=given_["collateral"],
        price=1.0,
        max_ltv=given_["ltv_bps"] / 10_000,
        liquidation_ltv=given_["liquidation_threshold_bps"] / 10_000,
    )
    debt = Debt(asset="USDC", amount=given_["debt"], price=1.0)
    account = Account(collateral=(held,), debts=(debt,))
    assert health_factor(account) == pytest.approx(float(expected["health_factor"]), rel=1e-9)
    deep = Reserve(borrowed=0.0, available=1e9, model=RESERVE.model)
    capacity = borrow_capacity(account, debt, deep, LendingGates())
    assert capacity.amount == pytest.approx(float(expected["available_borrow"]), rel=1e-9, abs=1e-9)


def position(group=None, held=5_000.0, owed=4_000.0):
    """Position of the specification: 5,000 against 4,000, borrow factor 1.5 outside its group."""
    return Account(
        collateral=(
            Collateral(
                asset="PT",
                amount=held,
                price=1.0,
                max_ltv=0.5,
                liquidation_ltv=0.6,
                groups=frozenset({3}),
            ),
        ),
        debts=(Debt(asset="USDC", amount=owed, price=1.0, borrow_factor=1.5, groups=frozenset({3})),),
        group=group,
    )


def test_a_group_replaces_limits_and_factor():
    """The same position is at 0.80 inside its group and at 1.20 outside, where it is liquidatable."""
    inside, outside = position(GROUP), position()
    assert (loan_to_value(inside), loan_to_value(outside)) == pytest.approx((0.80, 1.20))
    assert (liquidation_ltv(inside), liquidation_ltv(outside)) == pytest.approx((0.9, 0.6))
    assert (is_liquidatable(inside), is_liquidatable(outside)) == (False, True)


def test_a_debt_that_does_not_list_the_group_keeps_its_factor():
    """Only a debt reserve of the group is relieved of its borrow factor."""
    account = position(ElevationGroup(number=4, max_ltv=0.85, liquidation_ltv=0.9))
    assert (loan_to_value(account), liquidation_ltv(account)) == pytest.approx((1.2, 0.6))


@given(st.floats(1, 1e6), st.floats(0, 1e6), st.floats(0, 1e5))
def test_more_debt_raises_loan_to_value_and_lowers_health(held, owed, more):
    """Every dollar owed brings liquidation nearer; health is limit over loan to value."""
    before, after = position(GROUP, held, owed), position(GROUP, held, owed + more)
    assert loan_to_value(after) >= loan_to_value(before)
    assert health_factor(after) <= health_factor(before)
    if owed > 1e-3:
        expected = liquidation_ltv(before) / loan_to_value(before)
        assert health_factor(before) == pytest.approx(expected, rel=1e-9)
        assert is_liquidatable(before) == (owed >= before.liquidation_limit)


def test_a_linear_oracle_lets_the_loan_fall_as_it_ripens():
    """At 9 % a year the debt grows slower than the oracle, so that the loan to value falls every day."""
    tau = np.linspace(0.3, 0.0, 4)
    prices = LinearDiscountOracle(discount=0.25).price(tau)
    ratios = []
    for price, years in zip(prices.tolist(), (0.3 - tau).tolist(), strict=True):
        held = Collateral(asset="PT", amount=5_000.0, price=price, max_ltv=0.85, liquidation_ltv=0.9)
        debt = Debt(asset="USDC", amount=3_700.0 * 1.09**years, price=1.0)
        ratios.append(loan_to_value(Account(collateral=(held,), debts=(debt,))))
    assert ratios == sorted(ratios, reverse=True)


def test_amounts_may_be_arrays():
    """A row of debts gives a row of ratios; none is infinite where nothing is owed."""
    account = position(GROUP, owed=np.array([0.0, 2_500.0, 5_000.0]))
    assert loan_to_value(account).tolist() == [0.0, 0.5, 1.0]
    assert health_factor(account).tolist() == [math.inf, 1.8, 0.9]
    assert is_liquidatable(account).tolist() == [False, False, True]
    assert account.leverage.tolist() == [1.0, 2.0, math.inf]


def test_each_gate_is_a_named_cap():
    """Every gate says what it leaves: 800 of a thousand are lent, and each limit is counted down to it."""
    gates = LendingGates(
        borrow_limit=900.0,
        utilization_block=0.95,
        borrow_limit_outside_group=50.0,
        borrowed_outside_group=20.0,
        elevation_group_borrow_limit=600.0,
        borrowed_in_group=575.0,
        daily_withdrawal_cap=100.0,
        withdrawn_today=130.0,
        deposit_limit=10.0,
        deposited=4.0,
    )
    shared = {
        "available_liquidity": 200.0,
        "borrow_limit": 100.0,
        "utilization_block": 150.0,
        "daily_withdrawal_cap": 0.0,
    }
    assert borrow_caps(RESERVE, gates, in_group=True) == pytest.approx(
        {**shared, "elevation_group_borrow_limit": 25.0}
    )
    assert borrow_caps(RESERVE, gates, in_group=False) == pytest.approx(
        {**shared, "borrow_limit_outside_group": 30.0}
    )
    assert (deposit_room(gates), deposit_room(LendingGates())) == (6.0, None)


def terms_of(values):
    """Terms of a lender with these parameters."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return Terms("kamino", {n: Parameter(n, v, "tokens", moment, "user", "test") for n, v in values.items()})


def test_gates_are_read_from_terms():
    """What the terms state of an asset becomes its gates; a limit without its usage is asked for."""
    stated = {
        "borrow_limit.USDC": 900,
        "elevation_group_borrow_limit.USDC": 600,
        "borrowed_in_group.USDC": 575,
        "min_position.SOL": 1,
    }
    assert gates_from_terms(terms_of(stated), "USDC") == LendingGates(
        borrow_limit=900.0, elevation_group_borrow_limit=600.0, borrowed_in_group=575.0
    )
    assert gates_from_terms(terms_of({}), "USDC") == LendingGates()
    with pytest.raises(MarketDefinitionError, match=r"withdrawn_today\.USDC"):
        gates_from_terms(terms_of({"daily_withdrawal_cap.USDC": 10}), "USDC")


@pytest.mark.parametrize(
    ("gates", "amount", "binding"),
    [
        (LendingGates(), 200.0, "available_liquidity"),
        (LendingGates(elevation_group_borrow_limit=30.0), 30.0, "elevation_group_borrow_limit"),
        (LendingGates(utilization_block=0.7), 0.0, "utilization_block"),
        (LendingGates(borrow_limit=850.0, min_position=5_000.0), 0.0, "min_position"),
        (LendingGates(borrow_limit=850.0, min_position=4_050.0), 50.0, "borrow_limit"),
    ],
)
def test_the_smallest_cap_binds(gates, amount, binding):
    """Capacity is the smallest of all caps and carries its name; below the smallest position it is nothing."""
    account = position(GROUP)
    capacity = borrow_capacity(account, account.debts[0], RESERVE, gates)
    assert (capacity.amount, capacity.binding) == (pytest.approx(amount), binding)
    assert capacity.caps["max_ltv"] == pytest.approx(250.0)


@given(st.floats(100, 1e4), st.floats(0, 5e3))
def test_borrowing_the_capacity_ends_at_a_limit(held, owed):
    """After the whole capacity the account is at its own limit, or the reserve is empty."""
    account = position(GROUP, held, owed)
    capacity = borrow_capacity(account, account.debts[0], RESERVE, LendingGates())
    after = position(GROUP, held, owed + capacity.amount)
    if capacity.binding == "max_ltv":
        assert after.weighted_debt == pytest.approx(max(after.borrow_limit, owed), rel=1e-9)
    else:
        assert after.weighted_debt <= after.borrow_limit * (1 + 1e-12)


def test_a_price_too_old_or_too_far_from_its_average_is_told():
    """Each fault carries the reason, the number measured and its limit; a good price has none."""
    old = oracle_fault(age_seconds=181, max_age_seconds=180)
    assert old[:3] == ("oracle_stale", 181, 180)
    far = oracle_fault(age_seconds=1, max_age_seconds=180, price=0.94, twap=1.0, max_divergence=0.05)
    assert (far.reason, far.measured, far.limit) == ("oracle_stale", pytest.approx(0.06), 0.05)
    assert "differs by 6.0000%" in far.message
    assert oracle_fault(age_seconds=180, max_age_seconds=180) is None
    assert oracle_fault(age_seconds=0, max_age_seconds=180, price=0.96, twap=1.0, max_divergence=0.05) is None


def _collateral(**change):
    figures = {"asset": "PT", "amount": 1.0, "price": 1.0, "max_ltv": 0.5, "liquidation_ltv": 0.6}
    return Collateral(**{**figures, **change})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: _collateral(liquidation_ltv=0.5), DataError, "liquidation_ltv"),
        (lambda: _collateral(max_ltv=0.7), DataError, "liquidation_ltv"),
        (lambda: _collateral(amount=-1), DomainError, "amount"),
        (lambda: _collateral(price=0), DomainError, "price"),
        (lambda: Debt(asset="USDC", amount=1, price=1, borrow_factor=0.9), DomainError, "borrow_factor"),
        (lambda: ElevationGroup(number=1, max_ltv=0.9, liquidation_ltv=0.9), DataError, "liquidation_ltv"),
        (lambda: Account(collateral=()), DomainError, "at least one deposit"),
        (
            lambda: Account(collateral=(_collateral(),), debts=position().debts * 2, group=GROUP),
            DomainError,
            "one debt reserve",
        ),
        (
            lambda: borrow_capacity(
                position(GROUP), Debt(asset="SOL", amount=0, price=1), RESERVE, LendingGates()
            ),
            DomainError,
            "SOL cannot be borrowed beside USDC",
        ),
        (lambda: liquidation_ltv(Account(collateral=(_collateral(amount=0),))), DomainError, "deposits"),
        (lambda: LendingGates(borrow_limit=-1.0), DomainError, "borrow_limit"),
        (lambda: LendingGates(utilization_block=1.1), DomainError, "utilization_block"),
        (lambda: oracle_fault(age_seconds=-1, max_age_seconds=1), DomainError, "age_seconds"),
        (lambda: oracle_fault(age_seconds=1, max_age_seconds=1, price=1.0), DomainError, "twap, max_div"),
    ],
)
def test_bad_accounts_are_refused(call, error, message):
    """Limits that contradict each other, negative numbers and half-stated comparisons are refused by name."""
    with pytest.raises(error, match=message):
        call()


def test_collateral_that_is_not_lent_against_is_held():
    """A reserve with a borrowing limit of nothing counts in the value, not in the limit."""
    account = Account(collateral=(_collateral(), _collateral(max_ltv=0.0, liquidation_ltv=0.0)))
    assert (account.deposits_value, account.borrow_limit) == (2.0, 0.5)
