"""How far JLP may fall before a liquidation leaves the pool short, and how far it does fall (pool.md 11).

A loan becomes liquidatable at loan-to-value L and is closed a little later, when its collateral has lost the share
p. The close has to fetch the debt and the fee f on it. Whether it does is decided on the decimals that the numbers
are written as: 95 % and 2 % leave exactly 3.1 %, and a limit of exactly 95 % is not floored to 94 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import localcontext
from typing import TYPE_CHECKING, Any

from yieldtrade.elementwise import (
    Bound,
    checked,
    evaluate,
    not_negative,
    positive,
    share,
    where,
)
from yieldtrade.errors import DomainError
from yieldtrade.pool.decimals import EXACT, as_written, exactly
from yieldtrade.pool.moves import MovePercentile, MoveSide, move_percentiles, scale_move

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "MoveOutcome",
    "MovePercentile",
    "MoveSide",
    "ParameterSetReport",
    "compare_sets",
    "is_safe",
    "max_liquidation_ltv",
    "move_percentiles",
    "parameter_set_report",
    "principal_shortfall",
    "safe_ltv_grid",
    "safety_buffer",
    "scale_move",
    "total_shortfall",
]

_LTV = positive("liquidation_ltv")
_FEE = not_negative("fee")
_MOVE = share("move")
_STEP = Bound("step", lambda step, **_: (step > 0) & (step <= 1), "must be above 0 and at most 1")


def safety_buffer(liquidation_ltv: Any, fee: Any) -> Any:
    """Fall of the collateral that a liquidation survives with debt and fee paid, ``1 - L*(1+f)`` (pool.md 11).

    Parameters
    ----------
    liquidation_ltv
        L, above 0.
    fee
        f, fraction of the debt, 0 or more.

    Returns
    -------
    float or numpy.ndarray
        0 or less where ``L*(1+f) >= 1``: such terms are never safe.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    return evaluate(
        lambda xp, liquidation_ltv, fee: 1.0 - liquidation_ltv * (1.0 + fee),
        (_LTV, _FEE),
        "raise",
        liquidation_ltv=liquidation_ltv,
        fee=fee,
    )


def is_safe(liquidation_ltv: Any, fee: Any, move: Any) -> Any:
    """Whether the buffer is above 0 and covers a fall, ``1 - L*(1+f) >= p`` (pool.md 11).

    Parameters
    ----------
    liquidation_ltv, fee
        As in :func:`safety_buffer`.
    move
        p, 0 or more and below 1.

    Returns
    -------
    bool or numpy.ndarray of bool
        Decided on the decimals of the numbers; a buffer equal to the move is enough.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    held = evaluate(
        lambda xp, liquidation_ltv, fee, move: exactly(xp, _is_covered, liquidation_ltv, fee, move),
        (_LTV, _FEE, _MOVE),
        "raise",
        liquidation_ltv=liquidation_ltv,
        fee=fee,
        move=move,
    )
    return bool(held) if isinstance(held, float) else held > 0


def _is_covered(liquidation_ltv: float, fee: float, move: float) -> bool:
    with localcontext(EXACT):
        buffer = 1 - as_written(liquidation_ltv) * (1 + as_written(fee))
        return buffer > 0 and buffer >= as_written(move)


def max_liquidation_ltv(move: Any, fee: Any, step: Any = 0.01) -> Any:
    """Largest multiple of ``step`` that is a safe liquidation LTV, ``floor_step[(1-p)/(1+f)]`` (pool.md 11).

    Parameters
    ----------
    move
        p, 0 or more and below 1.
    fee
        f, 0 or more.
    step
        Above 0 and at most 1.

    Returns
    -------
    float or numpy.ndarray
        The double nearest to the multiple, such as 0.95; 0 where no multiple is safe. A fall of 0 without a fee
        gives 1, at which the buffer is 0.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    return evaluate(
        lambda xp, move, fee, step: exactly(xp, _largest_ltv, move, fee, step),
        (_MOVE, _FEE, _STEP),
        "raise",
        move=move,
        fee=fee,
        step=step,
    )


def _largest_ltv(move: float, fee: float, step: float) -> float:
    with localcontext(EXACT):
        unit = as_written(step)
        return float((1 - as_written(move)) // ((1 + as_written(fee)) * unit) * unit)


def safe_ltv_grid(moves: Any, fees: Any, step: float = 0.01) -> NDArray[np.float64]:
    """Largest safe liquidation LTVs, a row a fee and a column a move (pool.md 11); as the published tables.

    Raises
    ------
    DomainError
        Moves or fees are no series, or one is outside its domain.
    """
    import numpy as np

    columns, rows = np.atleast_1d(checked("moves", moves)), np.atleast_1d(checked("fees", fees))
    if columns.ndim > 1 or rows.ndim > 1:
        raise DomainError(f"moves{columns.shape} and fees{rows.shape} must each be one series")
    grid: NDArray[np.float64] = max_liquidation_ltv(columns[None, :], rows[:, None], step)
    return grid


def principal_shortfall(liquidation_ltv: Any, move: Any) -> Any:
    """Debt that the collateral no longer covers, ``max(0, L - (1-p))`` (pool.md 11).

    Parameters and errors are those of :func:`is_safe`.

    Returns
    -------
    float or numpy.ndarray
        Fraction of the collateral's value when the loan became liquidatable: the liquidity providers' bad debt.
    """
    return total_shortfall(liquidation_ltv, 0.0, move)


def total_shortfall(liquidation_ltv: Any, fee: Any, move: Any) -> Any:
    """Debt and fee that the collateral no longer covers, ``max(0, L*(1+f) - (1-p))`` (pool.md 11).

    Parameters, unit and errors are those of :func:`principal_shortfall`.
    """
    return evaluate(
        _total_shortfall, (_LTV, _FEE, _MOVE), "raise", liquidation_ltv=liquidation_ltv, fee=fee, move=move
    )


def _total_shortfall(xp: Any, liquidation_ltv: Any, fee: Any, move: Any) -> Any:
    short = liquidation_ltv * (1.0 + fee) - (1.0 - move)
    return where(xp, short > 0, short, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveOutcome:
    """What a fall during the delay does under a set of terms; shortfalls are fractions of the collateral.

    ``max_liquidation_ltv`` is the largest liquidation LTV safe against the fall at the set's fee.
    """

    label: str
    move: float
    is_safe: bool
    max_liquidation_ltv: float
    principal_shortfall: float
    total_shortfall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSetReport:
    """A pair of liquidation LTV and fee against falls of the collateral.

    Attributes
    ----------
    liquidation_ltv, fee
        The set.
    safety_buffer
        Fall up to which debt and fee are covered; 0 or less for a set that never is.
    principal_buffer
        Fall up to which the debt alone is covered, 1 - L.
    is_sound
        Whether the buffer is above 0.
    outcomes
        One a move, in the order given.
    """

    liquidation_ltv: float
    fee: float
    safety_buffer: float
    principal_buffer: float
    is_sound: bool
    outcomes: tuple[MoveOutcome, ...]

    @property
    def fails_at(self) -> tuple[str, ...]:
        """Return the labels of the moves against which the set is not safe."""
        return tuple(outcome.label for outcome in self.outcomes if not outcome.is_safe)


def parameter_set_report(
    liquidation_ltv: float, fee: float, moves: Mapping[str, float], step: float = 0.01
) -> ParameterSetReport:
    """Set one pair of liquidation LTV and fee against labelled falls (pool.md 11).

    Parameters
    ----------
    liquidation_ltv, fee
        Numbers, as in :func:`safety_buffer`.
    moves
        Falls by label, such as ``{"5min p99.9": 0.008818}``.
    step
        Of the largest safe LTV at the fee.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    buffer = safety_buffer(liquidation_ltv, fee)
    outcomes = tuple(
        MoveOutcome(
            label=label,
            move=float(move),
            is_safe=is_safe(liquidation_ltv, fee, move),
            max_liquidation_ltv=max_liquidation_ltv(move, fee, step),
            principal_shortfall=principal_shortfall(liquidation_ltv, move),
            total_shortfall=total_shortfall(liquidation_ltv, fee, move),
        )
        for label, move in moves.items()
    )
    return ParameterSetReport(
        liquidation_ltv=float(liquidation_ltv),
        fee=float(fee),
        safety_buffer=buffer,
        principal_buffer=1.0 - float(liquidation_ltv),
        is_sound=is_safe(liquidation_ltv, fee, 0.0),
        outcomes=outcomes,
    )


def compare_sets(
    sets: Iterable[tuple[float, float]], moves: Mapping[str, float], step: float = 0.01
) -> tuple[ParameterSetReport, ...]:
    """Set pairs of liquidation LTV and fee against the same falls, in the order given (pool.md 11).

    Errors are those of :func:`parameter_set_report`.
    """
    return tuple(parameter_set_report(ltv, fee, moves, step) for ltv, fee in sets)
