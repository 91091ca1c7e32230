"""Oracles: the documents' loan of $10,000, the hand figures of pool.md 10 and 15, fractions and brute force."""

import json
import math
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError, MarketDefinitionError, UnknownNameError
from yieldtrade.pool.loans import (
    JlpLoan,
    LoanLiquidation,
    LoanParameters,
    LoanStatus,
    accrued_debt,
    asset_moves_to_liquidation,
    carry_clock,
    liquidate_loan,
    liquidation_debt,
    loan_capacity,
    loan_liquidation_price,
    loan_ltv,
    loan_status,
    loop_exposure,
    max_borrow,
    repayment_multiple,
    stress_table,
)
from yieldtrade.pool.parameters import stated_parameters
from yieldtrade.pool.state import CustodyState, PoolState

GOLDEN = Path(__file__).parent.parent / "golden"
LIMITS = [
    case
    for case in json.loads((GOLDEN / "jupiter_fees.json").read_text())["cases"]
    if case["kind"] == "jlp_loan_limits"
]
TERMS = LoanParameters(max_ltv=0.90, liquidation_ltv=0.95, liquidation_fee=0.02)
LOAN = JlpLoan(collateral_jlp=2500, debt_usdc=9000)

amounts = st.floats(1.0, 1e9)
prices = st.floats(0.01, 1e3)
ltvs = st.floats(0.01, 0.99)
fees = st.floats(0.0, 0.3)


def test_the_documented_limits():
    """$10,000 of JLP borrows at most $9,000 at 90 % and is liquidated above $9,500 at 95 %."""
    assert LIMITS
    for case in LIMITS:
        given_, expect, tolerance = case["in"], case["expect"], case["tolerance"]
        worth = given_["collateral_usd"]
        for price in (1.0, 4.0, 2.904):
            borrowed = max_borrow(worth / price, price, given_["max_ltv"])
            assert borrowed == pytest.approx(expect["max_borrow_usd"], abs=tolerance)
        trigger = liquidation_debt(worth, given_["liquidation_ltv"])
        assert trigger == pytest.approx(expect["liquidation_debt_usd"], abs=tolerance)


def test_the_worked_loan():
    """2,500 JLP at 4.00 against 9,000 USDC: LTV 90 %, liquidated below 3.789474, a fall of 5.263 %."""
    assert loan_ltv(9000, 2500, 4.0) == 0.9
    price = loan_liquidation_price(9000, 2500, 0.95)
    assert f"{price:.6f}" == "3.789474"
    assert f"{100 * (1 - price / 4):.3f}" == "5.263"
    # the logarithm of 0.95/0.90, over 0.08
    years = carry_clock(0.90, 0.95, 0.08, 0.0)
    assert f"{years:.3f}" == "0.676"


@given(debt=amounts, jlp=amounts, price=prices, limit=ltvs)
def test_price_debt_and_ltv_limits_agree(debt, jlp, price, limit):
    """At the liquidation price, and at the liquidation debt, the LTV is the limit."""
    assert loan_ltv(debt, jlp, loan_liquidation_price(debt, jlp, limit)) == pytest.approx(limit, rel=1e-14)
    assert loan_ltv(liquidation_debt(jlp * price, limit), jlp, price) == pytest.approx(limit, rel=1e-14)
    assert loan_ltv(max_borrow(jlp, price, limit), jlp, price) == pytest.approx(limit, rel=1e-14)


@given(
    debt=amounts,
    start=st.floats(0.5, 2.0),
    growth=st.floats(0.0, 3.0),
    units=st.integers(0, 10**15),
    index=st.integers(1, 10**12),
    more=st.integers(0, 10**12),
)
def test_debt_grows_with_the_index(*, debt, start, growth, units, index, more):
    """Debt is in proportion to the index; the exact form is the ceiling of the same fraction."""
    end = start * (1 + growth)
    assert accrued_debt(debt, start, end) == pytest.approx(debt * (1 + growth), rel=1e-14)
    exact = accrued_debt(units, index, index + more, exact=True)
    assert exact == math.ceil(Fraction(units * (index + more), index))
    assert isinstance(exact, int)
    assert accrued_debt(units, index, index, exact=True) == units


def test_exact_debt_by_hand():
    """7 units at an index from 3 to 4 are 28/3, rounded up to 10; numpy integers do as well as Python's."""
    assert accrued_debt(7, 3, 4, exact=True) == 10
    assert accrued_debt(np.int64(7), np.int64(3), np.int64(4), exact=True) == 10
    assert accrued_debt(6, 3, 4, exact=True) == 8
    assert accrued_debt(0, 3, 4, exact=True) == 0


@given(ltv=st.floats(0.1, 0.94), rate=st.floats(0.001, 1.0), growth=st.floats(-0.5, 1.0))
def test_after_the_carry_clock_the_ltv_is_the_limit(ltv, rate, growth):
    """Debt and price grown for the clock's years meet at the limit; without carry there is no clock."""
    assume(abs(rate - growth) > 1e-6)
    years = carry_clock(ltv, 0.95, rate, growth)
    if rate <= growth:
        assert years is None
        return
    assert ltv * math.exp((rate - growth) * years) == pytest.approx(0.95, rel=1e-9)


def test_the_ends_of_the_carry_clock():
    """No debt or no carry: never; at the limit or past it: now, whatever the rates."""
    assert carry_clock(0.0, 0.95, 0.08, 0.0) is None
    assert carry_clock(0.90, 0.95, 0.08, 0.08) is None
    assert carry_clock(0.95, 0.95, 0.08, 0.0) == 0.0
    assert carry_clock(0.95, 0.95, 0.08, 0.09) is None
    assert carry_clock(0.96, 0.95, 0.08, 0.5) == 0.0
    many = carry_clock(np.array([0.0, 0.90, 0.95, 0.96]), 0.95, 0.08, np.array([[0.0], [0.5]]))
    assert many == pytest.approx(
        np.array([[math.nan, math.log(0.95 / 0.9) / 0.08, 0, 0], [math.nan, math.nan, math.nan, 0]]),
        nan_ok=True,
    )


def test_a_liquidation_by_hand():
    """A debt of 9,500 and 2 % burn 9,690 of 10,000 and return 310; literally "of collateral" 9,693.88."""
    closed = liquidate_loan(10_000, 9500, 0.02)
    assert (closed.burnt_usd, closed.returned_usd, closed.fee_usd) == pytest.approx((9690, 310, 190))
    assert (closed.bad_debt_usd, closed.unpaid_fee_usd, closed.shortfall_usd) == (0, 0, 0)
    literal = liquidate_loan(10_000, 9500, 0.02, "collateral")
    assert f"{literal.burnt_usd:.2f}" == "9693.88"
    assert literal.fee_usd == pytest.approx(0.02 * literal.burnt_usd)
    assert repayment_multiple(0.06) == 1.06


@pytest.mark.parametrize(
    ("collateral", "expected"),
    [
        (9690.0, (9690, 0, 9500, 190, 0, 0, 0)),
        (9600.0, (9600, 0, 9500, 100, 0, 90, 90)),
        (9500.0, (9500, 0, 9500, 0, 0, 190, 190)),
        (9000.0, (9000, 0, 9000, 0, 500, 190, 690)),
        (0.0, (0, 0, 0, 0, 9500, 190, 9690)),
    ],
)
def test_collateral_that_does_not_cover_everything(collateral, expected):
    """The debt is repaid before the fee, the fee before the borrower; what is missing is told apart."""
    names = (
        "burnt_usd",
        "returned_usd",
        "repaid_usd",
        "fee_usd",
        "bad_debt_usd",
        "unpaid_fee_usd",
        "shortfall_usd",
    )
    closed = liquidate_loan(collateral, 9500.0, 0.02)
    assert tuple(getattr(closed, name) for name in names) == pytest.approx(expected, abs=1e-9)


@given(
    collateral=st.floats(0, 1e9),
    debt=st.floats(0, 1e9),
    fee=fees,
    base=st.sampled_from(["debt", "collateral"]),
)
def test_a_liquidation_loses_and_makes_nothing(collateral, debt, fee, base):
    """Collateral is burnt or returned, what is burnt pays debt or fee, and nothing is negative."""
    closed = liquidate_loan(collateral, debt, fee, base)
    assert all(getattr(closed, field.name) >= 0 for field in fields(LoanLiquidation))
    near = {"rel": 1e-12, "abs": 1e-6}
    assert closed.burnt_usd + closed.returned_usd == pytest.approx(collateral, **near)
    assert closed.repaid_usd + closed.fee_usd == pytest.approx(closed.burnt_usd, **near)
    assert closed.repaid_usd + closed.bad_debt_usd == pytest.approx(debt, **near)
    assert closed.bad_debt_usd + closed.unpaid_fee_usd == pytest.approx(closed.shortfall_usd, **near)
    assert closed.burnt_usd + closed.shortfall_usd == pytest.approx(closed.due_usd, **near)
    charged = debt if base == "debt" else closed.due_usd
    assert closed.due_usd - debt == pytest.approx(fee * charged, **near)


def usdc(**changes):
    """Return a pool with the USDC of pool.md 15: 80,000 owned and 5,000 lent, some of it locked."""
    amounts_ = {"owned": 80_000, "locked": 10_000, "debt": 5000} | changes
    custody = CustodyState(asset="USDC", is_stable=True, price=0.999, **amounts_)
    other = CustodyState(asset="SOL", is_stable=False, owned=1000, price=100)
    return PoolState(custodies=(custody, other), supply=45_000)


LENDING = {"loans.borrow_limit": 0.5, "loans.debt_asset": "USDC"}
KINK = {"loans.target_utilisation": 0.9}


def test_the_borrow_limit_binds():
    """Half of 85,000 less the 5,000 lent is 37,500, below the 70,000 that is free."""
    found = loan_capacity(usdc(), stated_parameters(LENDING | KINK))
    assert (found.capacity_usd, found.binding) == (37_500, "borrow_limit")
    assert (found.by_borrow_limit_usd, found.available_usd) == (37_500, 70_000)
    assert (found.asset, found.pool_size_usd, found.borrowed_usd) == ("USDC", 85_000, 5000)
    # (10,000 + 5,000)/85,000; 90 % of 85,000 less 15,000
    assert found.utilisation == pytest.approx(15 / 85)
    assert (found.target_utilisation, found.to_target_usd) == (0.9, 61_500)


def test_available_liquidity_binds():
    """With 60,000 of 80,000 locked only 20,000 can be lent, whatever the limit leaves."""
    found = loan_capacity(usdc(locked=60_000), stated_parameters(LENDING))
    assert (found.capacity_usd, found.binding) == (20_000, "available_liquidity")
    assert (found.target_utilisation, found.to_target_usd) == (None, None)


def test_a_pool_beyond_its_limits_lends_nothing():
    """A pool past its borrow limit, or with more locked than owned, has no capacity, not a negative one."""
    over = loan_capacity(usdc(owned=1000), stated_parameters(LENDING))
    assert (over.capacity_usd, over.binding) == (0, "borrow_limit")
    clamped = loan_capacity(usdc(locked=90_000), stated_parameters(LENDING | KINK))
    assert (clamped.capacity_usd, clamped.binding) == (0, "available_liquidity")
    assert clamped.to_target_usd == pytest.approx(0.9 * 85_000 - 95_000)
    empty = loan_capacity(usdc(owned=0, locked=0, debt=0), stated_parameters(LENDING))
    assert (empty.capacity_usd, empty.utilisation) == (0, 0)


@given(
    owned=st.floats(0, 1e9),
    locked=st.floats(0, 1e9),
    debt=st.floats(0, 1e9),
    limit=st.floats(0, 1),
    part=st.floats(0, 1),
)
def test_lending_up_to_the_capacity_uses_it_up(owned, locked, debt, limit, part):
    """What is lent moves from owned to lent and leaves that much less capacity, by both limits."""
    params = stated_parameters(LENDING | {"loans.borrow_limit": limit})
    before = loan_capacity(usdc(owned=owned, locked=locked, debt=debt), params)
    lent = part * before.capacity_usd
    after = loan_capacity(usdc(owned=owned - lent, locked=locked, debt=debt + lent), params)
    assert after.capacity_usd == pytest.approx(before.capacity_usd - lent, rel=1e-9, abs=1e-3)


def test_capacity_of_many_states_at_once():
    """Arrays of a custody give the capacities and binding limits one by one."""
    locked = np.array([10_000.0, 60_000.0])
    many = loan_capacity(usdc(locked=locked), stated_parameters(LENDING | KINK))
    assert many.capacity_usd.tolist() == [37_500, 20_000]
    assert many.binding.tolist() == ["borrow_limit", "available_liquidity"]
    assert many.to_target_usd.tolist() == [61_500, 11_500]


@pytest.mark.parametrize("missing", ["loans.borrow_limit", "loans.debt_asset"])
def test_a_missing_lending_parameter_is_asked_for_by_name(missing):
    """A limit or an asset that nobody has published is named, never assumed."""
    params = stated_parameters({name: value for name, value in LENDING.items() if name != missing})
    with pytest.raises(MarketDefinitionError, match=f"pool has no {missing} for 1970-01-01"):
        loan_capacity(usdc(), params)


def test_another_asset_may_be_named():
    """An asset given wins over the parameter; one that the pool does not hold is unknown."""
    params = stated_parameters({"loans.borrow_limit": 0.5})
    assert loan_capacity(usdc(), params, "USDC").capacity_usd == 37_500
    with pytest.raises(UnknownNameError, match="USDT"):
        loan_capacity(usdc(), params, "USDT")


@given(ltv=st.floats(0, 0.99), rounds=st.integers(0, 60))
def test_a_loop_is_the_sum_of_its_rounds(ltv, rounds):
    """Exposure is 1 + L + ... + L^n, grows with every round and stays below its supremum."""
    total = sum(ltv**k for k in range(rounds + 1))
    assert loop_exposure(ltv, rounds) == pytest.approx(total, rel=1e-12)
    assert loop_exposure(ltv, rounds) <= loop_exposure(ltv) * (1 + 1e-15)
    assert loop_exposure(ltv, 100_000) == pytest.approx(loop_exposure(ltv), rel=1e-12)


def test_loops_of_many_ltvs():
    """At 90 % a loop can reach 10; one round gives 1.9; without borrowing there is nothing but the first."""
    assert loop_exposure(0.9) == pytest.approx(10)
    assert loop_exposure(0.9, 1) == pytest.approx(1.9)
    assert loop_exposure(np.array([0.0, 0.5]), np.array([[0], [2]])).tolist() == [[1.0, 1.0], [1.0, 1.75]]
    # near 1 the plain formula would lose digits: 1 + L
    assert loop_exposure(1 - 2**-40, 1) == pytest.approx(2 - 2**-40, rel=1e-15)


def test_where_the_worked_loan_stands():
    """All figures of the worked loan, by hand."""
    status = loan_status(LOAN, 4.0, TERMS, borrow_rate=0.08)
    assert status.state == "open"
    assert (status.collateral_usd, status.debt_usd, status.ltv) == (10_000, 9000, 0.9)
    assert (status.max_borrow_usd, status.headroom_usd) == (9000, 0)
    assert status.liquidation_price == pytest.approx(3.789474, abs=5e-7)
    assert status.fall_to_liquidation == pytest.approx(0.05263, abs=5e-6)
    assert (status.liquidation_debt_usd, status.debt_to_liquidation_usd) == (9500, 500)
    assert (status.bad_debt_usd, status.shortfall_usd) == (0, 0)
    assert status.carry_years == pytest.approx(0.676, abs=5e-4)
    assert loan_status(LOAN, 4.0, TERMS).carry_years is None


@pytest.mark.parametrize(
    ("price", "state", "bad_debt", "shortfall"),
    [
        (4.0, "open", 0, 0),
        (3.79, "open", 0, 0),
        # 2,500*3.7 = 9,250 against 9,000 and a fee of 180
        (3.70, "liquidatable", 0, 0),
        # 9,100 against 9,180
        (3.64, "liquidatable", 0, 80),
        (3.60, "liquidatable", 0, 180),
        # 8,750 against 9,180, of which 9,000 is debt
        (3.50, "bad_debt", 250, 430),
    ],
)
def test_the_states_of_a_falling_loan(price, state, bad_debt, shortfall):
    """Open, liquidatable, and past its collateral, with what a liquidation would leave unpaid."""
    status = loan_status(LOAN, price, TERMS)
    assert status.state == state
    assert status.bad_debt_usd == pytest.approx(bad_debt)
    assert status.shortfall_usd == pytest.approx(shortfall)


def test_the_limit_itself_is_not_liquidatable():
    """Liquidation needs an LTV above the limit: 9,500 against 10,000 is open, a cent more is not."""
    at = loan_status(JlpLoan(collateral_jlp=2500, debt_usdc=9500), 4.0, TERMS)
    assert (at.ltv, at.state, at.carry_years) == (0.95, "open", None)
    assert loan_status(JlpLoan(collateral_jlp=2500, debt_usdc=9500.01), 4.0, TERMS).state == "liquidatable"


def test_an_unpayable_fee_is_no_shortfall_of_an_open_loan():
    """Where L(1+f) is above 1 an open loan could not pay the fee, but nothing liquidates it."""
    terms = LoanParameters(max_ltv=0.9, liquidation_ltv=0.98, liquidation_fee=0.05)
    status = loan_status(JlpLoan(collateral_jlp=100, debt_usdc=97), 1.0, terms)
    assert (status.state, status.shortfall_usd) == ("open", 0)


def test_interest_counts_by_the_index():
    """A loan of 9,000 at an index of 1.0 owes 9,450 at 1.05 and is then past its max LTV."""
    status = loan_status(LOAN, 4.0, TERMS, index=1.05)
    assert status.debt_usd == pytest.approx(9450)
    assert status.headroom_usd == pytest.approx(-450)


def test_many_loans_and_prices_at_once():
    """Arrays of loans and prices give every field one by one."""
    loans = JlpLoan(collateral_jlp=np.array([2500.0, 1000.0, 10.0]), debt_usdc=np.array([9000.0, 0.0, 41.0]))
    prices_ = np.array([[4.0], [3.5]])
    many = loan_status(loans, prices_, TERMS, borrow_rate=0.08)
    for i, j in np.ndindex(2, 3):
        one = JlpLoan(collateral_jlp=loans.collateral_jlp[j], debt_usdc=loans.debt_usdc[j])
        single = loan_status(one, float(prices_[i, 0]), TERMS, borrow_rate=0.08)
        for field in fields(LoanStatus):
            expected, found = getattr(single, field.name), getattr(many, field.name)[i, j]
            assert np.isnan(found) if expected is None else found == expected


def test_moves_of_the_assets_to_a_fall():
    """With 44 % in SOL and 10 % in BTC a fall of 5 % is one of 11.36 % of SOL, 50 % of BTC, 9.26 % of both."""
    found = asset_moves_to_liquidation({"SOL": 0.44, "BTC": 0.10, "ETH": 0.04, "USDC": 0.0}, 0.05)
    assert found.alone["SOL"] == pytest.approx(-0.05 / 0.44)
    assert found.alone["BTC"] == pytest.approx(-0.5)
    assert found.alone["ETH"] is None
    assert found.alone["USDC"] is None
    assert found.together == pytest.approx(-0.05 / 0.58)
    assert asset_moves_to_liquidation({"ETH": 0.05}, 0.05).alone["ETH"] == -1.0
    past = asset_moves_to_liquidation({"SOL": 0.5}, -0.01)
    assert past.alone["SOL"] == pytest.approx(0.02)
    short = asset_moves_to_liquidation({"SOL": -0.5}, 0.01)
    assert short.alone["SOL"] == pytest.approx(0.02)
    many = asset_moves_to_liquidation({"SOL": 0.4, "ETH": 0.04}, np.array([0.02, 0.05]))
    assert many.alone["ETH"] == pytest.approx(np.array([-0.5, math.nan]), nan_ok=True)
    assert many.together == pytest.approx(np.array([-0.02, -0.05]) / 0.44)


def fixture_price(sol):
    """Virtual price of the custody fixture of pool.md 15 at a price of SOL: (S + D)/supply."""
    guaranteed, free, shorts = 27_000, (1000 - 300) * sol, 12_000 * (sol - 120) / 120
    return (guaranteed + free + shorts + 85_000) / 45_000


def test_moves_against_a_revaluation_of_the_pool():
    """On the custody fixture the move found for SOL takes the revalued pool just to the liquidation price."""
    price = fixture_price(100)
    assert price == 4.0
    share = (1000 - 300 + 12_000 / 120) / 45_000 * 100 / price
    status = loan_status(LOAN, price, TERMS)
    move = asset_moves_to_liquidation({"SOL": share}, status.fall_to_liquidation).alone["SOL"]
    assert fixture_price(100 * (1 + move)) == pytest.approx(status.liquidation_price, rel=1e-14)
    for row in stress_table(LOAN, price, TERMS, {"SOL": share}, [-0.05, -0.2, -0.5]):
        assert row.virtual_price == pytest.approx(fixture_price(100 * (1 + row.move)), rel=1e-14)


def test_a_stress_table_by_hand():
    """With 60 % in crypto a fall of 10 % takes 4.00 to 3.76: liquidatable; 20 % to 3.52: 200 of bad debt."""
    rows = stress_table(LOAN, 4.0, TERMS, {"SOL": 0.45, "BTC": 0.15}, [0, -0.05, -0.1, -0.15, -0.2])
    assert [row.move for row in rows] == [0, -0.05, -0.1, -0.15, -0.2]
    assert [row.virtual_price for row in rows] == pytest.approx([4.0, 3.88, 3.76, 3.64, 3.52])
    assert [row.ltv for row in rows] == pytest.approx([9000 / (2500 * row.virtual_price) for row in rows])
    assert [row.state for row in rows] == ["open", "open", "liquidatable", "liquidatable", "bad_debt"]
    assert [row.bad_debt_usd for row in rows] == pytest.approx([0, 0, 0, 0, 200])
    assert [row.shortfall_usd for row in rows] == pytest.approx([0, 0, 0, 80, 380])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: loan_ltv(-1, 2500, 4), r"debt_usdc = -1\.0 must be 0 or more"),
        (lambda: loan_ltv(9000, [2500, 0], 4), r"collateral_jlp\[1\] = 0\.0 must be above 0"),
        (lambda: loan_ltv(9000, 2500, 0), r"virtual_price = 0\.0 must be above 0"),
        (lambda: loan_ltv(9000, 2500, math.nan), "virtual_price = nan is not a finite number"),
        (lambda: loan_ltv(True, 2500, 4), "debt_usdc holds bool values"),
        (lambda: loan_ltv("9000", 2500, 4), "debt_usdc holds str"),
        (lambda: loan_ltv(1e-300, 1e-200, 1e-200), "is too large to represent"),
        (lambda: loan_ltv([1, 2], [1, 2, 3], 4), r"shapes do not broadcast: debt_usdc\(2,\)"),
        (lambda: max_borrow(2500, 4, -0.9), r"max_ltv = -0\.9 must be above 0"),
        (lambda: loan_liquidation_price(9000, 2500, 0), r"liquidation_ltv = 0\.0 must be above 0"),
        (lambda: liquidation_debt(-1, 0.95), r"collateral_usd = -1\.0 must be 0 or more"),
        (lambda: accrued_debt(1, 2, 1.5), r"index_to = 1\.5 is below index_from"),
        (lambda: accrued_debt(1, 0, 1), r"index_from = 0\.0 must be above 0"),
        (lambda: accrued_debt(1.0, 1, 2, exact=True), r"debt_usdc = 1\.0 is not an integer; the exact form"),
        (lambda: accrued_debt(1, 1, 2.5, exact=True), r"index_to = 2\.5 is not an integer"),
        (lambda: accrued_debt(True, 1, 2, exact=True), "debt_usdc = True is not an integer"),
        (lambda: accrued_debt(-1, 1, 2, exact=True), "debt_usdc = -1 must be 0 or more"),
        (lambda: accrued_debt(1, 3, 2, exact=True), "index_to = 2 must be 3 or more"),
        (lambda: carry_clock(-0.1, 0.95, 0.08, 0), r"ltv = -0\.1 must be 0 or more"),
        (lambda: carry_clock(0.9, 0.95, -0.08, 0), r"borrow_rate = -0\.08 must be 0 or more"),
        (lambda: carry_clock(0.9, 0.95, 0.08, math.inf), "growth = inf is not a finite number"),
        (lambda: liquidate_loan(-1, 9500, 0.02), r"collateral_usd = -1\.0 must be 0 or more"),
        (lambda: liquidate_loan(1, 9500, -0.02), r"fee = -0\.02 must be 0 or more"),
        (lambda: liquidate_loan(1, 9500, 1, "collateral"), r"fee = 1\.0 must be 0 or more and below 1"),
        (
            lambda: liquidate_loan(1, 9500, 0.02, "loan"),
            "fee_base = 'loan': allowed are 'debt', 'collateral'",
        ),
        (lambda: loop_exposure(1.0), r"ltv = 1\.0 must be 0 or more and below 1"),
        (lambda: loop_exposure(0.5, -1), r"rounds = -1\.0 must be a whole number of 0 or more"),
        (lambda: loop_exposure(0.5, [1, 1.5]), r"rounds\[1\] = 1\.5 must be a whole number"),
        (lambda: loan_status(LOAN, -4, TERMS), r"virtual_price = -4\.0 must be above 0"),
        (lambda: loan_status(LOAN, 4, TERMS, index=0.9), r"index_to = 0\.9 is below index_from"),
        (lambda: asset_moves_to_liquidation({}, 0.05), "exposure_shares: name at least one asset"),
        (lambda: asset_moves_to_liquidation({"SOL": math.nan}, 0.05), "share of SOL = nan is not a finite"),
        (lambda: asset_moves_to_liquidation({"SOL": 0.5}, 1.1), r"fall = 1\.1 must be at most 1"),
        (
            lambda: stress_table(LOAN, 4, TERMS, {"SOL": 0.5}, [0, -1.1]),
            r"moves\[1\] = -1\.1 must be -1 or more",
        ),
        (lambda: stress_table(LOAN, 4, TERMS, {"SOL": 0.5}, [[0]]), "moves must be one series"),
        (lambda: stress_table(LOAN, 4, TERMS, {"SOL": 1.0}, [-1]), r"virtual_price = 0\.0 must be above 0"),
        (lambda: stress_table(LOAN, 4, TERMS, {}, [0]), "exposure_shares: name at least one asset"),
    ],
)
def test_what_is_refused(call, message):
    """Values outside their domain are refused by name, value and what is allowed."""
    with pytest.raises(DomainError, match=message):
        call()
