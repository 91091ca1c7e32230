"""The formulas of JLP loans: USDC borrowed from the pool against its own share (pool.md 10).

The collateral counts at the virtual price, not at the market's, and a USDC of debt counts as a dollar. Where a
number would be None, an array holds NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from yieldtrade.elementwise import (
    Bound,
    as_fields,
    check_choice,
    checked,
    evaluate,
    namespace,
    not_negative,
    positive,
    ratio,
    share,
    where,
)
from yieldtrade.pool.integers import dceil, whole

FeeBase: TypeAlias = Literal["debt", "collateral"]

_DEBT = not_negative("debt_usdc")
_JLP = positive("collateral_jlp")
_PRICE = positive("virtual_price")
_LIQUIDATION_LTV = positive("liquidation_ltv")
_COLLATERAL = not_negative("collateral_usd")
_LOOP_LTV = share("ltv")
_ROUNDS = Bound(
    "rounds", lambda rounds, **_: (rounds >= 0) & (rounds % 1 == 0), "must be a whole number of 0 or more"
)


def loan_ltv(debt_usdc: Any, collateral_jlp: Any, virtual_price: Any) -> Any:
    """Loan to value, ``debt/(jlp*VP)`` (pool.md 10).

    Parameters
    ----------
    debt_usdc
        USDC, 0 or more.
    collateral_jlp
        Shares, above 0.
    virtual_price
        USD a share, above 0.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    return evaluate(
        lambda xp, debt_usdc, collateral_jlp, virtual_price: ratio(
            xp, debt_usdc, collateral_jlp * virtual_price, at_zero=math.inf
        ),
        (_DEBT, _JLP, _PRICE),
        "raise",
        debt_usdc=debt_usdc,
        collateral_jlp=collateral_jlp,
        virtual_price=virtual_price,
    )


def max_borrow(collateral_jlp: Any, virtual_price: Any, max_ltv: Any) -> Any:
    """Largest debt on opening, ``max_ltv*jlp*VP`` USDC (pool.md 10).

    Raises
    ------
    DomainError
        A value that is not positive and finite.
    """
    return evaluate(
        lambda xp, collateral_jlp, virtual_price, max_ltv: max_ltv * (collateral_jlp * virtual_price),
        (_JLP, _PRICE, positive("max_ltv")),
        "raise",
        collateral_jlp=collateral_jlp,
        virtual_price=virtual_price,
        max_ltv=max_ltv,
    )


def loan_liquidation_price(debt_usdc: Any, collateral_jlp: Any, liquidation_ltv: Any) -> Any:
    """Virtual price below which a loan is liquidatable, ``debt/(jlp*liq_ltv)`` (pool.md 10).

    Parameters
    ----------
    debt_usdc
        USDC, 0 or more; without debt the price is 0.
    collateral_jlp, liquidation_ltv
        Above 0.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    return evaluate(
        lambda xp, debt_usdc, collateral_jlp, liquidation_ltv: ratio(
            xp, debt_usdc, collateral_jlp * liquidation_ltv, at_zero=math.inf
        ),
        (_DEBT, _JLP, _LIQUIDATION_LTV),
        "raise",
        debt_usdc=debt_usdc,
        collateral_jlp=collateral_jlp,
        liquidation_ltv=liquidation_ltv,
    )


def liquidation_debt(collateral_usd: Any, liquidation_ltv: Any) -> Any:
    """Debt above which a loan is liquidatable, ``liq_ltv*collateral`` (pool.md 10).

    Raises
    ------
    DomainError
        A negative collateral, or an LTV that is not positive.
    """
    return evaluate(
        lambda xp, collateral_usd, liquidation_ltv: collateral_usd * liquidation_ltv,
        (_COLLATERAL, _LIQUIDATION_LTV),
        "raise",
        collateral_usd=collateral_usd,
        liquidation_ltv=liquidation_ltv,
    )


def accrued_debt(debt_usdc: Any, index_from: Any, index_to: Any, *, exact: bool = False) -> Any:
    """Debt grown with the index, ``debt*index_to/index_from`` (pool.md 10).

    Parameters
    ----------
    debt_usdc
        Debt when the index stood at ``index_from``; in exact form an integer of its smallest units.
    index_from, index_to
        Positive; an index never falls.
    exact
        Integers as the program keeps them, rounded up; one loan at a time.

    Raises
    ------
    DomainError
        A value outside its domain, a falling index, or an exact form of what is no integer.
    """
    if exact:
        debt, start = whole("debt_usdc", debt_usdc, 0), whole("index_from", index_from, 1)
        return dceil(debt * whole("index_to", index_to, start), start)
    return evaluate(
        lambda xp, debt_usdc, index_from, index_to: debt_usdc * (index_to / index_from),
        (
            _DEBT,
            positive("index_from"),
            Bound(
                "index_to",
                lambda index_to, index_from, **_: index_to >= index_from,
                "is below index_from: an index of debt never falls",
            ),
        ),
        "raise",
        debt_usdc=debt_usdc,
        index_from=index_from,
        index_to=index_to,
    )


def carry_clock(ltv: Any, liquidation_ltv: Any, borrow_rate: Any, growth: Any) -> Any:
    """Years until interest alone liquidates a loan, ``ln(liq_ltv/ltv)/(b - g)`` (pool.md 10).

    Parameters
    ----------
    ltv
        0 or more.
    liquidation_ltv
        Above 0.
    borrow_rate, growth
        Continuously compounded rates a year of the debt, 0 or more, and of the virtual price.

    Returns
    -------
    float, None or numpy.ndarray
        Years, 0 for a loan that is already past its limit; None (NaN) where it never gets there: ``b <= g`` or
        no debt.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    years = evaluate(
        _carry_clock,
        (not_negative("ltv"), _LIQUIDATION_LTV, not_negative("borrow_rate")),
        "raise",
        finite=False,
        ltv=ltv,
        liquidation_ltv=liquidation_ltv,
        borrow_rate=borrow_rate,
        growth=growth,
    )
    return _none_for_infinity(years)


def _carry_clock(xp: Any, ltv: Any, liquidation_ltv: Any, borrow_rate: Any, growth: Any) -> Any:
    drift = borrow_rate - growth
    room = xp.log(liquidation_ltv / where(xp, ltv > 0, ltv, liquidation_ltv))
    years = where(xp, (drift <= 0) | (ltv == 0), math.inf, ratio(xp, room, drift, at_zero=math.inf))
    return where(xp, ltv > liquidation_ltv, 0.0, years)


def _none_for_infinity(value: Any) -> Any:
    xp = namespace(value)
    return as_fields(xp, value=where(xp, value == math.inf, math.nan, value))["value"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoanLiquidation:
    """How the collateral of a liquidated loan is used, USD.

    Attributes
    ----------
    due_usd
        Debt and fee.
    burnt_usd, returned_usd
        Collateral burnt towards it, and what goes back to the borrower.
    repaid_usd, fee_usd
        What the burnt collateral pays of the debt, and then of the fee to the pool.
    bad_debt_usd, unpaid_fee_usd, shortfall_usd
        What it leaves unpaid of the debt, of the fee, and of both.
    """

    due_usd: Any
    burnt_usd: Any
    returned_usd: Any
    repaid_usd: Any
    fee_usd: Any
    bad_debt_usd: Any
    unpaid_fee_usd: Any
    shortfall_usd: Any


def repayment_multiple(fee: Any, fee_base: FeeBase = "debt") -> Any:
    """Debt and fee over debt: ``1 + f``, or ``1/(1 - f)`` for a fee on the collateral burnt (pool.md 10).

    Parameters
    ----------
    fee
        Fraction, 0 or more; on the collateral also below 1.
    fee_base
        ``"debt"`` is the reading that agrees with the safety buffer; ``"collateral"`` takes the documents' "2 %
        of liquidated collateral" literally.

    Raises
    ------
    DomainError
        A fee outside its domain, or an unknown base.
    """
    check_choice("fee_base", fee_base, ("debt", "collateral"))
    if fee_base == "debt":
        return evaluate(lambda xp, fee: 1.0 + fee, (not_negative("fee"),), "raise", fee=fee)
    return evaluate(lambda xp, fee: ratio(xp, 1.0, 1.0 - fee, math.inf), (share("fee"),), "raise", fee=fee)


def liquidate_loan(
    collateral_usd: Any, debt_usdc: Any, fee: Any, fee_base: FeeBase = "debt"
) -> LoanLiquidation:
    """Share out the collateral of a liquidated loan: debt first, then the fee, then the borrower (pool.md 10).

    Parameters
    ----------
    collateral_usd, debt_usdc
        At execution, 0 or more.
    fee, fee_base
        As in :func:`repayment_multiple`.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    due = evaluate(
        lambda xp, debt_usdc, multiple, collateral_usd: debt_usdc * multiple,
        (_DEBT, _COLLATERAL),
        "raise",
        debt_usdc=debt_usdc,
        multiple=repayment_multiple(fee, fee_base),
        collateral_usd=collateral_usd,
    )
    collateral, debt = checked("collateral_usd", collateral_usd), checked("debt_usdc", debt_usdc)
    xp = namespace(due)
    burnt = where(xp, collateral < due, collateral, due)
    repaid = where(xp, collateral < debt, collateral, debt)
    return LoanLiquidation(
        **as_fields(
            xp,
            due_usd=due,
            burnt_usd=burnt,
            returned_usd=collateral - burnt,
            repaid_usd=repaid,
            fee_usd=burnt - repaid,
            bad_debt_usd=debt - repaid,
            unpaid_fee_usd=(due - debt) - (burnt - repaid),
            shortfall_usd=due - burnt,
        )
    )


def loop_exposure(ltv: Any, rounds: Any | None = None) -> Any:
    """Exposure to JLP of one put in and borrowed against again, ``(1-L^(n+1))/(1-L)`` (pool.md 10).

    Parameters
    ----------
    ltv
        L borrowed each time, 0 or more and below 1.
    rounds
        n, a whole number of 0 or more; None for the supremum 1/(1-L).

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    if rounds is None:
        return evaluate(lambda xp, ltv: 1.0 / (1.0 - ltv), (_LOOP_LTV,), "raise", ltv=ltv)
    return evaluate(_loop_exposure, (_LOOP_LTV, _ROUNDS), "raise", ltv=ltv, rounds=rounds)


def _loop_exposure(xp: Any, ltv: Any, rounds: Any) -> Any:
    some = ltv > 0
    power = (rounds + 1.0) * xp.log(where(xp, some, ltv, 0.5))
    return where(xp, some, -xp.expm1(power) / (1.0 - ltv), 1.0)
