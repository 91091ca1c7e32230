"""A loan against pool shares beside what could happen to it: moves, stress, and its safety buffer (pool.md 10-11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.pool.loans import asset_moves_to_liquidation, loan_status, stress_table
from yieldtrade.pool.moves import move_percentiles, scale_move
from yieldtrade.pool.safety import compare_sets, safe_ltv_grid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from yieldtrade.market import Pool
    from yieldtrade.pool.loans import AssetMoves, LoanStatus, StressRow
    from yieldtrade.pool.moves import MovePercentile, MoveSide
    from yieldtrade.pool.parameters import LoanParameters, PoolParameters
    from yieldtrade.pool.safety import ParameterSetReport
    from yieldtrade.pool.state import JlpLoan

PUBLISHED = "published_move."


class LabelledMove(NamedTuple):
    """A fall to be safe against: where it comes from, and what stands behind it where it was measured.

    ``scaled`` is the same percentile by the square root of time from the shortest horizon measured.
    """

    label: str
    move: float
    origin: str = "given"
    measured: MovePercentile | None = None
    scaled: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoanQuote:
    """A loan and its safety.

    Attributes
    ----------
    status
        Where it stands.
    asset_moves, stress
        Moves of the coins that liquidate it, and what moves of all of them do; None (empty) where the exposure
        of a share is not known.
    moves
        Falls it is set against.
    own, compared
        The loan's own parameters against these falls, and sets to compare.
    grid_fees, grid
        Largest safe liquidation LTV by fee (rows) and fall (columns).
    """

    loan: JlpLoan
    virtual_price: float
    params: LoanParameters
    status: LoanStatus
    asset_moves: AssetMoves | None
    stress: tuple[StressRow, ...]
    moves: tuple[LabelledMove, ...]
    own: ParameterSetReport
    compared: tuple[ParameterSetReport, ...]
    grid_fees: tuple[float, ...]
    grid: NDArray[np.float64] | None


def loan_quote(
    loan: JlpLoan,
    virtual_price: float,
    params: LoanParameters,
    *,
    exposures: Mapping[str, float],
    moves: Sequence[LabelledMove] = (),
    compared: Sequence[tuple[float, float]] = (),
    fees: Sequence[float] = (),
    stress: Sequence[float] = (),
    borrow_rate: float | None = None,
    growth: float = 0.0,
) -> LoanQuote:
    """Return a loan beside what could happen to it.

    Parameters
    ----------
    loan, virtual_price, params
        The loan, the value of a share in USD, the terms.
    exposures
        Part of a share's value that moves with each coin; empty where it is not known.
    moves
        Falls to be safe against.
    compared
        Other terms to set against them: liquidation LTV and fee.
    fees
        Fees of the grid of safe LTVs.
    stress
        Moves of all coins at once.
    borrow_rate, growth
        Annual rates of the debt and of the virtual price, for the time until interest alone liquidates it.

    Raises
    ------
    DomainError
        A number outside its domain.
    """
    status = loan_status(loan, virtual_price, params, borrow_rate=borrow_rate, growth=growth)
    falls = {move.label: move.move for move in moves}
    return LoanQuote(
        loan=loan,
        virtual_price=virtual_price,
        params=params,
        status=status,
        asset_moves=asset_moves_to_liquidation(exposures, status.fall_to_liquidation) if exposures else None,
        stress=stress_table(loan, virtual_price, params, exposures, stress) if exposures and stress else (),
        moves=tuple(moves),
        own=compare_sets([(params.liquidation_ltv, params.liquidation_fee)], falls)[0],
        compared=compare_sets(compared, falls),
        grid_fees=tuple(fees),
        grid=safe_ltv_grid(list(falls.values()), list(fees)) if falls and fees else None,
    )


def known_terms(pool: Pool) -> tuple[tuple[float, float], ...]:
    """Return every pair of liquidation LTV and fee that was ever in force or recommended, in order of date."""
    dates = sorted(valid_from for valid_from, _ in (*pool.changes, *pool.recommendations))
    found: dict[tuple[float, float], None] = {}
    for date in dates:
        terms = pool.terms_at(date, assume_recommended=True)
        if "loans.liquidation_ltv" in terms and "loans.liquidation_fee" in terms:
            found[terms.number("loans.liquidation_ltv"), terms.number("loans.liquidation_fee")] = None
    return tuple(found)


def published_moves(params: PoolParameters) -> tuple[LabelledMove, ...]:
    """Return the published percentiles of a share's price moves, the slower ones first; none before their date."""
    names = [name for name in params.terms.parameters if name.startswith(PUBLISHED)]
    found = [LabelledMove(_words(name), params.number(name), "published") for name in names]
    return tuple(sorted(found, key=lambda move: (move.label.split()[0] != "5min", move.move)))


def _words(name: str) -> str:
    """Write ``published_move.p99_9_5min`` as ``5min p99.9``."""
    level, _, horizon = name.removeprefix(PUBLISHED).rpartition("_")
    return f"{horizon} {level.replace('_', '.')}"


def measured_moves(
    prices: NDArray[np.float64],
    seconds: NDArray[np.float64],
    horizons: Sequence[float],
    levels: Sequence[float],
    *,
    side: MoveSide = "abs",
    interval: bool = False,
) -> tuple[LabelledMove, ...]:
    """Return percentiles of the moves of a price series over several horizons.

    Parameters
    ----------
    prices, seconds
        The series; seconds since 1970, increasing.
    horizons
        Seconds.
    levels
        Of the percentiles, as 0.999.
    side
        As in `move_percentiles`.
    interval
        Add a block-bootstrap interval.

    Raises
    ------
    DomainError
        A value outside its domain, or a series that is not in order.
    MissingDataError
        Fewer than two moves over a horizon.
    """
    measured = {
        horizon: move_percentiles(prices, seconds, horizon, levels, side=side, block_bootstrap=interval)
        for horizon in sorted(horizons)
    }
    shortest = min(measured)
    return tuple(
        LabelledMove(
            f"{horizon:g}s p{100 * found.q:.10g}",
            found.move,
            "measured",
            found,
            None if horizon == shortest else scale_move(base.move, shortest, horizon),
        )
        for horizon, each in measured.items()
        for found, base in zip(each, measured[shortest], strict=True)
    )
