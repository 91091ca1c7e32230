"""The highest point of a function of one size, found by a scan and golden section (strategies.md 4.7 and 6).

Profits have kinks where a curve of rates bends and jumps where a fee does, so nothing is assumed of them but that
they are continuous along each row of the scan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from yieldtrade.elementwise import as_array
from yieldtrade.errors import DomainError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Profit: TypeAlias = Callable[[NDArray[np.float64]], Any]

# (sqrt(5) - 1)/2: what one step of golden section leaves of a bracket.
GOLDEN = 0.6180339887498949
# How many points of the scan are refined.
REFINED = 3
# Width of a bracket, relative to its upper end, at which the search ends; a maximum is flat, so that no float64
# profit tells sizes apart that are closer than about 1e-8 of each other.
WIDTH = 1e-10
MAX_STEPS = 100


class Maximum(NamedTuple):
    """The best size found; ``converged`` says that every bracket shrank to its width."""

    size: float
    value: float
    iterations: int
    converged: bool


def profits_at(profit: Profit, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Evaluate a profit at sizes in one call; NaN, a size that cannot be traded, counts as ``-inf``.

    Raises
    ------
    DomainError
        The profit does not return one number for each size.
    """
    import numpy as np

    values = as_array("profit", profit(sizes.ravel()))
    if values.shape != (sizes.size,):
        raise DomainError(
            f"profit returned the shape {values.shape} for {sizes.size} sizes: give one number a size"
        )
    return np.where(np.isnan(values), -np.inf, values).reshape(sizes.shape)


def maximise(profit: Profit, scan: NDArray[np.float64]) -> Maximum:
    """Return the best size: of the scan, or between the neighbours of its three best points.

    Parameters
    ----------
    profit
        Takes an array of sizes, returns their profits; NaN where a size cannot be traded.
    scan
        Sizes to try; each row increases and is a stretch on which the profit is continuous. No bracket
        reaches over the end of a row.

    Raises
    ------
    DomainError
        The profit does not return one number for each size.
    """
    import numpy as np

    values = profits_at(profit, scan)
    order = np.argsort(values, axis=None, kind="stable")[::-1]
    rows, columns = np.unravel_index(order[:REFINED], scan.shape)
    low = scan[rows, np.maximum(columns - 1, 0)]
    high = scan[rows, np.minimum(columns + 1, scan.shape[1] - 1)]
    sizes, steps, converged = _golden_section(profit, low, high)
    tried = np.concatenate([scan.ravel(), sizes])
    found = np.concatenate([values.ravel(), profits_at(profit, sizes)])
    best = int(found.argmax())
    return Maximum(float(tried[best]), float(found[best]), steps, converged)


def _golden_section(
    profit: Profit, low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], int, bool]:
    """Shrink all brackets at once around the better of two inner points; returns the better points."""
    import numpy as np

    inner = np.stack([high - GOLDEN * (high - low), low + GOLDEN * (high - low)])
    values = profits_at(profit, inner)
    wide, steps = high - low > WIDTH * high, 0
    while wide.any() and steps < MAX_STEPS:
        left = values[0] >= values[1]
        low, high = np.where(left, low, inner[0]), np.where(left, inner[1], high)
        fresh = np.where(left, high - GOLDEN * (high - low), low + GOLDEN * (high - low))
        inner = np.where(left, [fresh, inner[0]], [inner[1], fresh])
        priced = profits_at(profit, fresh)
        values = np.where(left, [priced, values[0]], [values[1], priced])
        wide, steps = high - low > WIDTH * high, steps + 1
    return np.where(values[0] >= values[1], inner[0], inner[1]), steps, not bool(wide.any())
