"""Opening, adjusting and leaving a levered position, against the vendor's library and by recomputation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.lending.multiply import (
    adjust,
    entry_cost,
    leverage_of_spend,
    mark_leverage,
    open_with_collateral_flash,
    open_with_debt_flash,
    position_equity,
    spend_multiple,
    target_debt,
    withdraw,
)
from yieldtrade.pool.loans import loop_exposure

CASES = json.loads((Path(__file__).parents[1] / "golden" / "klend_leverage.json").read_text())["cases"]
OPENINGS = {"open_coll_flash": open_with_collateral_flash, "open_debt_flash": open_with_debt_flash}
CLOSE = {"rel": 1e-9, "abs": 1e-8}

leverages = st.floats(1, 50)
prices = st.floats(1e-3, 1e3)
costs = st.floats(0, 0.05)
sides = st.sampled_from(["collateral", "debt"])


def of_kind(*kinds):
    """Cases of some kinds, each named."""
    return [pytest.param(case, id=case["id"]) for case in CASES if case["kind"] in kinds]


def numbers(figures):
    """Figures of a case, which states them as decimal texts."""
    return {name: float(value) for name, value in figures.items() if not isinstance(value, bool)}


@pytest.mark.parametrize("case", of_kind(*OPENINGS))
def test_openings_equal_the_vendors(case):
    """Collateral, debt, flash loan and both sides of the swap equal the vendor's."""
    given_ = numbers(case["in"])
    opened = OPENINGS[case["kind"]](
        given_["deposit"],
        given_["target_leverage"],
        price=given_["price_debt_to_coll"],
        slippage=given_["slippage_pct"] / 100,
        flash_fee=given_["flash_fee"],
        deposited="collateral" if case["in"]["deposit_is_coll"] else "debt",
    )
    names = ("collateral", "debt", "flash_loan", "swap_in_debt_token", "swap_out_coll_token")
    expected = numbers(case["expect"])
    assert list(opened) == pytest.approx([expected[name] for name in names], **CLOSE)


@pytest.mark.parametrize("case", of_kind("adjust"))
def test_adjustments_equal_the_vendors(case):
    """Changes of collateral and debt to a wanted leverage equal the vendor's."""
    given_, expected = numbers(case["in"]), numbers(case["expect"])
    change = adjust(
        given_["coll"],
        given_["debt"],
        given_["target_leverage"],
        debt_per_collateral=given_["price_coll_to_debt"],
        flash_fee=given_["flash_fee"],
    )
    assert list(change) == pytest.approx([expected["collateral_change"], expected["debt_change"]], **CLOSE)


@pytest.mark.parametrize("case", of_kind("withdraw"))
def test_withdrawals_equal_the_vendors(case):
    """What a proportional withdrawal takes and repays equals the vendor's, which prints it unsigned."""
    token, figures = case["in"]["withdraw_token"], dict(case["in"])
    del figures["withdraw_token"]
    given_, expected = numbers(figures), numbers(case["expect"])
    change = withdraw(
        given_["coll"],
        given_["debt"],
        given_["withdraw"],
        debt_per_collateral=given_["price_coll_to_debt"],
        counted_in={"coll": "collateral", "debt": "debt"}[token],
    )
    assert [-change.collateral, -change.debt] == pytest.approx(
        [expected["collateral_change"], expected["debt_change"]], **CLOSE
    )


@pytest.mark.parametrize("case", of_kind("target_debt"))
def test_debts_for_a_leverage_equal_the_vendors(case):
    """The debt that levers a deposit equals the vendor's."""
    given_ = numbers(case["in"])
    debt = target_debt(
        given_["deposit"],
        given_["target_leverage"],
        debt_per_collateral=given_["price_coll_to_debt"],
        flash_fee=given_["flash_fee"],
    )
    assert debt == pytest.approx(float(case["expect"]["debt"]), **CLOSE)


@pytest.mark.parametrize(
    "case", [c for c in of_kind("position_change") if c.values[0]["in"]["action"] == "adjust"]
)
def test_adjusted_positions_equal_what_the_vendor_reports(case):
    """After an adjustment the position holds what the vendor's report of it says."""
    given_, expected = case["in"], numbers(case["expect"])
    held, owed = float(given_["deposited"]), float(given_["borrowed"])
    change = adjust(held, owed, float(given_["targetLeverage"]), flash_fee=float(given_["flash_fee"]))
    after = (held + change.collateral, owed + change.debt)
    assert after == pytest.approx((expected["totalDeposited"], expected["totalBorrowed"]), **CLOSE)
    assert after[1] / after[0] == pytest.approx(expected["ltv"], **CLOSE)


def test_worked_example_of_opening():
    """Deposit 1,000 at 4x, 0.5 % slippage, 0.001 % flash fee: the figures written down."""
    cost = {"slippage": 0.005, "flash_fee": 0.00001}
    opened = open_with_collateral_flash(1_000, 4, **cost)
    assert opened[:2] == pytest.approx((3941.060558, 2955.795419), abs=1e-6)
    assert mark_leverage(*opened[:2]) == pytest.approx(4.0, abs=1e-12)
    assert entry_cost(4, **cost) == pytest.approx(0.014735, abs=1e-6)
    assert spend_multiple(4, **cost) == pytest.approx(3.941061, abs=1e-6)
    by_debt = open_with_collateral_flash(1_000, 4, deposited="debt", **cost)
    assert by_debt[:2] == pytest.approx((3921.414078, 2941.060558), abs=1e-6)


@given(st.sampled_from(list(OPENINGS.values())), leverages, prices, costs, costs, sides)
def test_every_opening_recomputes_to_the_leverage_asked_for(opening, leverage, price, slippage, fee, side):
    """Collateral over equity of what was opened is the leverage, with whatever costs and either deposit."""
    opened = opening(1_000, leverage, price=price, slippage=slippage, flash_fee=fee, deposited=side)
    assert mark_leverage(opened.collateral, opened.debt, price) == pytest.approx(leverage, rel=1e-9)


@given(st.sampled_from(list(OPENINGS.values())), leverages, prices, costs, costs, sides)
def test_every_opening_pays_its_flash_loan_and_its_swap(opening, leverage, price, slippage, fee, side):
    """Token by token, what comes in equals what goes out: the flash lender, the swap and the deposit agree."""
    opened = opening(1_000, leverage, price=price, slippage=slippage, flash_fee=fee, deposited=side)
    own_collateral, own_debt = (1_000, 0) if side == "collateral" else (0, 1_000)
    assert opened.swap_out * (1 + slippage) == pytest.approx(
        opened.swap_in * price / (1 + fee if opening is open_with_collateral_flash else 1), rel=1e-9
    )
    if opening is open_with_collateral_flash:
        assert opened.swap_in == pytest.approx(own_debt + opened.debt, rel=1e-9)
        assert opened.collateral == pytest.approx(own_collateral + opened.swap_out, rel=1e-9)
        assert opened.flash_loan == pytest.approx(opened.swap_out * (1 + fee), rel=1e-9)
    else:
        assert opened.debt == pytest.approx(opened.flash_loan * (1 + fee), rel=1e-9)
        assert opened.swap_in == pytest.approx(own_debt + opened.flash_loan, rel=1e-9)
        assert opened.collateral == pytest.approx(own_collateral + opened.swap_out, rel=1e-9)


@given(leverages, costs, costs)
def test_without_costs_a_round_trip_returns_the_deposit(leverage, slippage, fee):
    """Free of cost the equity is the deposit; with costs it is the deposit less the entry cost."""
    free = open_with_collateral_flash(1_000, leverage)
    assert position_equity(*free[:2]) == pytest.approx(1_000, rel=1e-9)
    dear = open_with_collateral_flash(1_000, leverage, slippage=slippage, flash_fee=fee)
    lost = entry_cost(leverage, slippage, fee)
    assert position_equity(*dear[:2]) == pytest.approx(1_000 * (1 - lost), rel=1e-9)
    assert dear.collateral == pytest.approx(1_000 * spend_multiple(leverage, slippage, fee), rel=1e-9)


@given(leverages, costs, costs)
def test_the_debt_is_one_less_than_the_spend_multiple(leverage, slippage, fee):
    """Of own money in debt tokens, the loan is what is spent beyond it."""
    opened = open_with_collateral_flash(1_000, leverage, slippage=slippage, flash_fee=fee, deposited="debt")
    spent = 1_000 * spend_multiple(leverage, slippage, fee)
    assert opened.debt == pytest.approx(spent - 1_000, rel=1e-9, abs=1e-9)


@given(leverages, costs, costs)
def test_spend_multiple_and_mark_leverage_invert_each_other(leverage, slippage, fee):
    """The mark leverage of a spend multiple of a mark leverage is that leverage."""
    multiple = spend_multiple(leverage, slippage, fee)
    assert leverage_of_spend(multiple, slippage, fee) == pytest.approx(leverage, rel=1e-9)


@given(st.floats(1.01, 20), leverages, prices)
def test_a_free_adjustment_recomputes_to_the_leverage(before, leverage, price):
    """Adjusted without a fee, the position has the leverage asked for and the equity it had."""
    held, owed = 1_000.0, 1_000.0 * (before - 1) / before * price
    change = adjust(held, owed, leverage, debt_per_collateral=price)
    after = (held + change.collateral, owed + change.debt)
    assert mark_leverage(*after, 1 / price) == pytest.approx(leverage, rel=1e-8)
    assert position_equity(*after, price) == pytest.approx(position_equity(held, owed, price), rel=1e-8)


@given(st.floats(1.01, 20), st.floats(0, 0.999), prices)
def test_a_withdrawal_keeps_the_leverage_and_returns_the_amount(before, part, price):
    """What comes out is the amount asked for, and the rest is levered as before."""
    held, owed = 1_000.0, 1_000.0 * (before - 1) / before * price
    equity = position_equity(held, owed, price)
    change = withdraw(held, owed, part * equity, debt_per_collateral=price)
    after = (held + change.collateral, owed + change.debt)
    assert position_equity(*after, price) == pytest.approx(equity * (1 - part), rel=1e-9)
    assert mark_leverage(*after, 1 / price) == pytest.approx(before, rel=1e-6)


def test_loops_by_hand_approach_the_cap():
    """Putting 1 in, borrowing 75 % and again, sums the series by brute force; without end it is 1/(1 - LTV)."""
    exposure, loan = 0.0, 1.0
    for _ in range(6):
        exposure, loan = exposure + loan, loan * 0.75
    assert loop_exposure(0.75, 5) == pytest.approx(exposure, rel=1e-14)
    assert loop_exposure(0.75) == 4.0


def test_arrays_are_opened_at_once():
    """A row of leverages gives what each alone does."""
    leverages_ = np.array([1.0, 2.0, 5.0])
    opened = open_with_debt_flash(1_000, leverages_, price=2.0, slippage=0.01)
    for i, leverage in enumerate(leverages_.tolist()):
        single = open_with_debt_flash(1_000, leverage, price=2.0, slippage=0.01)
        assert [column[i] if np.ndim(column) else column for column in opened] == pytest.approx(list(single))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: open_with_collateral_flash(0, 2), "deposit"),
        (lambda: open_with_collateral_flash(1, 0.5), "leverage"),
        (lambda: open_with_debt_flash(1, 2, price=0), "price"),
        (lambda: open_with_debt_flash(1, 2, slippage=-0.1), "slippage"),
        (lambda: open_with_debt_flash(1, 2, flash_fee=-0.1), "flash_fee"),
        (lambda: open_with_debt_flash(1, 2, deposited="other"), "deposited"),
        (lambda: adjust(100, 100, 2), "no equity"),
        (lambda: adjust(100, 50, 0.9), "leverage"),
        (lambda: withdraw(100, 50, 51), "more than the position's equity"),
        (lambda: withdraw(100, 50, 1, counted_in="x"), "counted_in"),
        (lambda: mark_leverage(100, 100), "collateral or more"),
        (lambda: leverage_of_spend(60, 0.02, 0.0), "cannot be reached"),
        (lambda: target_debt(-1, 2), "deposit"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    """What cannot be opened, adjusted or withdrawn is refused by name."""
    with pytest.raises(DomainError, match=message):
        call()
