"""JLP loans: what the pool can lend, where a loan stands, and what moves would liquidate it (pool.md 10).

A loan is liquidated above its liquidation LTV: shares are burnt to repay the debt and the fee on it, the rest goes
back to the borrower. The formulas themselves are in :mod:`yieldtrade.pool.loan_terms`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yieldtrade.elementwise import (
    Bound,
    as_fields,
    checked,
    evaluate,
    namespace,
    positive,
    ratio,
    where,
)
from yieldtrade.errors import DomainError
from yieldtrade.pool.loan_terms import (
    FeeBase,
    LoanLiquidation,
    accrued_debt,
    carry_clock,
    liquidate_loan,
    liquidation_debt,
    loan_liquidation_price,
    loan_ltv,
    loop_exposure,
    max_borrow,
    repayment_multiple,
)
from yieldtrade.pool.parameters import LoanParameters
from yieldtrade.pool.state import JlpLoan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yieldtrade.pool.parameters import PoolParameters
    from yieldtrade.pool.state import PoolState

__all__ = [
    "AssetMoves",
    "FeeBase",
    "JlpLoan",
    "LoanCapacity",
    "LoanLiquidation",
    "LoanParameters",
    "LoanStatus",
    "StressRow",
    "accrued_debt",
    "asset_moves_to_liquidation",
    "carry_clock",
    "liquidate_loan",
    "liquidation_debt",
    "loan_capacity",
    "loan_liquidation_price",
    "loan_ltv",
    "loan_status",
    "loop_exposure",
    "max_borrow",
    "repayment_multiple",
    "stress_table",
]

_MOVES = Bound("moves", lambda moves: moves >= -1, "must be -1 or more: a price falls by no more than itself")
_FALL = Bound("fall", lambda fall, **_: fall <= 1, "must be at most 1: a price falls by no more than itself")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoanCapacity:
    """What the pool can still lend; a token of debt counts as a dollar.

    Attributes
    ----------
    asset
        What is lent.
    capacity_usd, binding
        The least of the two limits, and which one it is: ``"borrow_limit"`` or ``"available_liquidity"``.
    by_borrow_limit_usd, available_usd
        What the borrow limit leaves, and what no position and no loan has locked.
    pool_size_usd, borrowed_usd
        Tokens owned and lent together, and those lent.
    utilisation
        (locked + borrowed)/pool size.
    target_utilisation, to_target_usd
        Kink of the rate curve and what can be lent up to it, negative beyond; information, not a limit, and
        None where nobody has published it.
    """

    asset: str
    capacity_usd: Any
    binding: Any
    by_borrow_limit_usd: Any
    available_usd: Any
    pool_size_usd: Any
    borrowed_usd: Any
    utilisation: Any
    target_utilisation: float | None
    to_target_usd: Any | None


def loan_capacity(pool: PoolState, params: PoolParameters, asset: str | None = None) -> LoanCapacity:
    """What the pool can still lend: ``min(limit*(owned+debt) - debt, owned - locked)``, from 0 up (pool.md 10).

    Parameters
    ----------
    pool
        Its custodies.
    params
        ``loans.borrow_limit`` is the share of the lent asset that may be lent; ``loans.debt_asset`` names it.
    asset
        What is lent, where it is not the asset that the parameters name.

    Raises
    ------
    MarketDefinitionError
        A parameter that nobody has published, by its name.
    UnknownNameError
        The pool holds none of the asset.
    """
    lent = params.text("loans.debt_asset") if asset is None else asset
    limit, custody = params.number("loans.borrow_limit"), pool.custody(lent)
    known = "loans.target_utilisation" in params.terms
    target = params.number("loans.target_utilisation") if known else None
    owned, locked, debt = custody.owned, custody.locked, custody.debt
    size, used = owned + debt, locked + debt
    xp = namespace(size + used)
    by_limit = _floored(xp, limit * size - debt)
    available = _floored(xp, owned - locked)
    return LoanCapacity(
        asset=lent,
        target_utilisation=target,
        to_target_usd=None if target is None else target * size - used,
        **as_fields(
            xp,
            capacity_usd=where(xp, by_limit <= available, by_limit, available),
            binding=where(xp, by_limit <= available, "borrow_limit", "available_liquidity"),
            by_borrow_limit_usd=by_limit,
            available_usd=available,
            pool_size_usd=size,
            borrowed_usd=debt,
            utilisation=ratio(xp, used, size, at_zero=0.0),
        ),
    )


def _floored(xp: Any, value: Any) -> Any:
    return where(xp, value > 0, value, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoanStatus:
    """Where a loan stands at a virtual price, USD.

    Attributes
    ----------
    state
        ``"open"``, ``"liquidatable"`` (LTV above the limit) or ``"bad_debt"`` (debt above the collateral).
    collateral_usd, debt_usd, ltv
        Collateral at the virtual price, debt with interest, and their ratio.
    max_borrow_usd, headroom_usd
        Largest debt on opening, and what may still be borrowed; negative once the debt is beyond it.
    liquidation_price, fall_to_liquidation
        Virtual price below which the loan is liquidatable, and the relative fall to it; negative once past it.
    liquidation_debt_usd, debt_to_liquidation_usd
        Debt above which it is liquidatable, and the room to it.
    bad_debt_usd, shortfall_usd
        Debt that the collateral does not cover, and what a liquidation now would leave unpaid of debt and fee;
        0 for an open loan.
    carry_years
        Years until interest alone liquidates it; None where that never happens or no rate was given.
    """

    state: Any
    collateral_usd: Any
    debt_usd: Any
    ltv: Any
    max_borrow_usd: Any
    headroom_usd: Any
    liquidation_price: Any
    fall_to_liquidation: Any
    liquidation_debt_usd: Any
    debt_to_liquidation_usd: Any
    bad_debt_usd: Any
    shortfall_usd: Any
    carry_years: Any


def loan_status(
    loan: JlpLoan,
    virtual_price: Any,
    params: LoanParameters,
    *,
    index: Any | None = None,
    borrow_rate: Any | None = None,
    growth: Any = 0.0,
) -> LoanStatus:
    """Where a loan stands at a virtual price (pool.md 10).

    Parameters
    ----------
    loan
        Collateral and debt.
    virtual_price
        USD a share, above 0.
    params
        LTVs and the fee, which is on the debt.
    index
        Index of debt now; None takes the debt as it stands in the loan.
    borrow_rate, growth
        For the carry clock, see :func:`yieldtrade.pool.loan_terms.carry_clock`; no clock without a rate.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    debt = loan.debt_usdc if index is None else accrued_debt(loan.debt_usdc, loan.index, index)
    ltv = loan_ltv(debt, loan.collateral_jlp, virtual_price)
    limit = params.liquidation_ltv
    years = None if borrow_rate is None else carry_clock(ltv, limit, borrow_rate, growth)
    price = checked("virtual_price", virtual_price)
    most = max_borrow(loan.collateral_jlp, price, params.max_ltv)
    trigger = liquidation_debt(loan.collateral_jlp * price, limit)
    lowest = loan_liquidation_price(debt, loan.collateral_jlp, limit)
    unpaid = _unpaid(ltv, loan.collateral_jlp * price, debt, params)
    figures = as_fields(
        namespace(ltv, most, trigger, unpaid["shortfall_usd"]),
        collateral_usd=loan.collateral_jlp * price,
        debt_usd=debt,
        ltv=ltv,
        max_borrow_usd=most,
        headroom_usd=most - debt,
        liquidation_price=lowest,
        fall_to_liquidation=1.0 - lowest / price,
        liquidation_debt_usd=trigger,
        debt_to_liquidation_usd=trigger - debt,
        **unpaid,
    )
    return LoanStatus(carry_years=years, **figures)


def _unpaid(ltv: Any, collateral: Any, debt: Any, params: LoanParameters) -> dict[str, Any]:
    """Return the state of a loan, its bad debt, and what a liquidation now would leave unpaid."""
    closed = liquidate_loan(collateral, debt, params.liquidation_fee)
    xp = namespace(ltv, closed.due_usd, params.liquidation_ltv)
    bad = closed.bad_debt_usd > 0
    past = bad | (ltv > params.liquidation_ltv)
    return {
        "state": where(xp, bad, "bad_debt", where(xp, past, "liquidatable", "open")),
        "bad_debt_usd": closed.bad_debt_usd,
        "shortfall_usd": where(xp, past, closed.shortfall_usd, 0.0),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetMoves:
    """Relative moves that bring about a fall of the JLP price; None (NaN) where none of -100 % or less does.

    ``alone`` holds the move of each asset while the others stand still, ``together`` that of all at once.
    """

    alone: Mapping[str, Any]
    together: Any


def asset_moves_to_liquidation(exposure_shares: Mapping[str, Any], fall: Any) -> AssetMoves:
    """Moves of the assets that bring the JLP price down by a fall, ``-fall/share`` (pool.md 7, 10).

    Exact while positions are frozen and no floor binds, as the value of JLP is then linear in prices.

    Parameters
    ----------
    exposure_shares
        Part of one JLP's value that moves with each asset, ``beta_i*p_i/VP``.
    fall
        Relative fall of the virtual price, at most 1, such as `LoanStatus.fall_to_liquidation`; negative for a
        rise, and then so are the moves.

    Raises
    ------
    DomainError
        No assets, a share that is not finite, or a fall above 1.
    """
    total = _total_share(exposure_shares)
    return AssetMoves(
        alone={asset: _move_for(share, fall) for asset, share in exposure_shares.items()},
        together=_move_for(total, fall),
    )


def _total_share(exposure_shares: Mapping[str, Any]) -> Any:
    if not exposure_shares:
        raise DomainError("exposure_shares: name at least one asset and the share that moves with it")
    return sum(checked(f"share of {asset}", share) for asset, share in exposure_shares.items())


def _move_for(share: Any, fall: Any) -> Any:
    move = evaluate(_relative_move, (_FALL,), "raise", finite=False, fall=fall, share=share)
    xp = namespace(move)
    return as_fields(xp, move=where(xp, abs(move) == math.inf, math.nan, move))["move"]


def _relative_move(xp: Any, fall: Any, share: Any) -> Any:
    """Return ``-fall/share``, infinite where no possible move will do."""
    move = ratio(xp, 0.0 - fall, share, at_zero=math.inf)
    return where(xp, move < -1, math.inf, move)


@dataclass(frozen=True, slots=True, kw_only=True)
class StressRow:
    """A loan after a move of all crypto assets at once; its figures are those of `LoanStatus`."""

    move: float
    virtual_price: Any
    ltv: Any
    state: Any
    bad_debt_usd: Any
    shortfall_usd: Any


def stress_table(
    loan: JlpLoan,
    virtual_price: Any,
    params: LoanParameters,
    exposure_shares: Mapping[str, Any],
    moves: Any,
) -> tuple[StressRow, ...]:
    """Set a loan against moves of all crypto assets at once, before anyone liquidates it (pool.md 7, 10).

    Parameters
    ----------
    loan, virtual_price, params
        As in :func:`loan_status`.
    exposure_shares
        As in :func:`asset_moves_to_liquidation`, of the crypto assets.
    moves
        Relative moves, -1 or more; a row each.

    Raises
    ------
    DomainError
        A value outside its domain, or a move that leaves JLP without value.
    """
    import numpy as np

    total = _total_share(exposure_shares)
    start = checked("virtual_price", virtual_price, positive("virtual_price"))
    series = np.atleast_1d(checked("moves", moves, _MOVES))
    if series.ndim > 1:
        raise DomainError(f"moves must be one series, not of shape {series.shape}")
    return tuple(_stress_row(loan, start * (1.0 + total * move), params, move) for move in series.tolist())


def _stress_row(loan: JlpLoan, virtual_price: Any, params: LoanParameters, move: float) -> StressRow:
    status = loan_status(loan, virtual_price, params)
    return StressRow(
        move=move,
        virtual_price=virtual_price,
        ltv=status.ltv,
        state=status.state,
        bad_debt_usd=status.bad_debt_usd,
        shortfall_usd=status.shortfall_usd,
    )
