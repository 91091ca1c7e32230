"""Quantiles of price moves over a horizon, and how much data stands behind them (pool.md 11)."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import localcontext
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.elementwise import Bound, check_choice, checked, evaluate, not_negative, positive, share
from yieldtrade.errors import DomainError, MissingDataError
from yieldtrade.pool.decimals import EXACT, as_written
from yieldtrade.pool.instants import MICROSECONDS, instants, microseconds
from yieldtrade.pool.integers import whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MovePercentile", "MoveSide", "move_percentiles", "scale_move"]

MoveSide: TypeAlias = Literal["abs", "down", "up"]

# Moves expected beyond a quantile: below the first it is thinly measured, below the second the figure is the
# largest of the sample.
THIN_TAIL = 10
EMPTY_TAIL = 1

_INSIDE = Bound("q", lambda q: (q > 0) & (q < 1), "must lie between 0 and 1")


class MovePercentile(NamedTuple):
    """A quantile of price moves and how much stands behind it.

    Attributes
    ----------
    q, move
        Level and value, linear between order statistics; fractions.
    n
        Moves in the sample; overlapping ones count in full although they share price changes.
    expected_tail
        Moves expected beyond the quantile, n*(1-q).
    thin
        Fewer than ten of them.
    sample_maximum
        Fewer than one: the figure is the largest of the sample and says nothing about larger ones.
    low, high
        Ends of the bootstrap interval; None without one.
    """

    q: float
    move: float
    n: int
    expected_tail: float
    thin: bool
    sample_maximum: bool
    low: float | None
    high: float | None


def move_percentiles(
    prices: Any,
    times: Any,
    horizon: Any,
    q: Any,
    *,
    side: MoveSide = "abs",
    overlap: bool = False,
    block_bootstrap: bool = False,
    block_length: int | None = None,
    resamples: int = 1000,
    confidence: float = 0.9,
    seed: int = 0,
) -> tuple[MovePercentile, ...]:
    """Quantiles of the simple price moves over exactly a horizon (pool.md 11).

    Parameters
    ----------
    prices
        Positive, one an instant.
    times
        Increasing instants, see :func:`yieldtrade.pool.bands.instants`.
    horizon
        A timedelta or seconds. A move is used only if there is a price at both of its ends: gaps are not bridged.
    q
        Level or levels, between 0 and 1.
    side
        ``"abs"``: moves of either sign by their size; ``"down"``: losses -r; ``"up"``: gains r.
    overlap
        Use every move, also those that begin before the previous one has ended. Otherwise the first move
        is taken, then the first that begins when it has ended or later, and so on.
    block_bootstrap
        Add an interval from moving blocks of consecutive moves, which keep their clustering.
    block_length
        Moves a block; by default the cube root of the sample size, rounded up.
    resamples, confidence, seed
        Of the bootstrap.

    Returns
    -------
    tuple of MovePercentile
        One a level, in the order given.

    Raises
    ------
    DomainError
        A value outside its domain, times that are naive or not increasing, series of different lengths.
    MissingDataError
        Fewer than two moves.
    """
    import numpy as np

    levels = np.atleast_1d(checked("q", q, _INSIDE))
    if levels.ndim > 1:
        raise DomainError(f"q must be a level or one series of them, not of shape {levels.shape}")
    moves = _moves(prices, times, microseconds("horizon", horizon), side, every=overlap)
    found = np.quantile(moves, levels)
    low: list[float | None] = [None] * levels.size
    high = low
    if block_bootstrap:
        plan = _Bootstrap(moves.size, block_length, resamples, confidence, seed)
        low, high = _bootstrap_interval(moves, levels, plan)
    return tuple(
        _percentile(*each, n=moves.size)
        for each in zip(levels.tolist(), found.tolist(), low, high, strict=True)
    )


def _percentile(q: float, move: float, low: float | None, high: float | None, *, n: int) -> MovePercentile:
    with localcontext(EXACT):
        tail = n * (1 - as_written(q))
    return MovePercentile(q, move, n, float(tail), tail < THIN_TAIL, tail < EMPTY_TAIL, low, high)


def _moves(prices: Any, times: Any, horizon: int, side: MoveSide, *, every: bool) -> NDArray[np.float64]:
    """Moves over the horizon in order of time, signed as the side wants them."""
    import numpy as np

    check_choice("side", side, ("abs", "down", "up"))
    stamps = instants(times)
    price = checked("prices", prices, positive("prices"))
    if np.shape(price) != stamps.shape:
        raise DomainError(f"prices{np.shape(price)} and times{stamps.shape} differ: give one price a time")
    start, end = _windows(stamps, horizon)
    if not every:
        chosen = _apart(start, end)
        start, end = start[chosen], end[chosen]
    if start.size < 2:  # noqa: PLR2004 - a quantile of one move is no quantile
        raise MissingDataError(
            f"{start.size} moves over {horizon / MICROSECONDS:g} s: 2 or more are needed, with a price at both ends"
        )
    change: NDArray[np.float64] = (price[end] - price[start]) / price[start]
    return {"abs": np.abs(change), "down": -change, "up": change}[side]


def _windows(stamps: NDArray[np.int64], horizon: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Samples that have another exactly the horizon later, and those others."""
    import numpy as np

    later = np.searchsorted(stamps, stamps + horizon)
    start = np.flatnonzero(later < stamps.size)
    start = start[stamps[later[start]] == stamps[start] + horizon]
    return start, later[start]


def _apart(start: NDArray[np.intp], end: NDArray[np.intp]) -> list[int]:
    """Windows taken one after another, each the first to begin at or after the end of the one before."""
    import numpy as np

    following = np.searchsorted(start, end).tolist()
    chosen, at = [], 0
    while at < len(following):
        chosen.append(at)
        at = following[at]
    return chosen


class _Bootstrap(NamedTuple):
    """Terms of a moving-block bootstrap of ``n`` values."""

    n: int
    block_length: int | None
    resamples: int
    confidence: float
    seed: int


def _bootstrap_interval(
    moves: NDArray[np.float64], levels: NDArray[np.float64], plan: _Bootstrap
) -> tuple[list[float | None], list[float | None]]:
    """Percentile interval of each quantile over resamples made of blocks of consecutive moves."""
    import numpy as np

    confidence = float(checked("confidence", plan.confidence, share("confidence")))
    usual = math.ceil(math.cbrt(plan.n))
    length = whole("block_length", usual if plan.block_length is None else plan.block_length, least=1)
    if length > plan.n:
        raise DomainError(f"block_length = {length} must be at most the {plan.n} moves of the sample")
    blocks = -(-plan.n // length)
    random = np.random.default_rng(plan.seed)
    drawn = np.empty((whole("resamples", plan.resamples, least=1), levels.size))
    for row in drawn:
        starts = random.integers(0, plan.n - length + 1, blocks)
        sample = (starts[:, None] + np.arange(length)).ravel()[: plan.n]
        row[:] = np.quantile(moves[sample], levels)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return low.tolist(), high.tolist()


def scale_move(move: Any, horizon_from: Any, horizon_to: Any) -> Any:
    """Move over another horizon by the square root of time, ``p*sqrt(h_to/h_from)`` (pool.md 11).

    Right for independent increments; jumps and fat tails make it too kind at short horizons.

    Parameters
    ----------
    move
        0 or more.
    horizon_from, horizon_to
        Above 0: timedeltas, or numbers of one unit of time.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    return evaluate(
        lambda xp, move, horizon_from, horizon_to: move * xp.sqrt(horizon_to / horizon_from),
        (not_negative("move"), positive("horizon_from"), positive("horizon_to")),
        "raise",
        move=move,
        horizon_from=_span(horizon_from),
        horizon_to=_span(horizon_to),
    )


def _span(horizon: Any) -> Any:
    return horizon.total_seconds() if isinstance(horizon, timedelta) else horizon
