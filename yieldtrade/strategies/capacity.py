"""How much of a trade fits: the best size, the size at which its edge is gone, and what binds (strategies.md 6).

Sizes are dollars of own capital; a profit is what is left after the hurdle.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from yieldtrade.elementwise import Bound, checked, evaluate, not_negative, positive
from yieldtrade.errors import DomainError
from yieldtrade.strategies.maximum import maximise, profits_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from yieldtrade.strategies.maximum import Profit

CapacityStatus: TypeAlias = Literal["value", "none", "beyond_scan", "not_converged"]

SCANNED = 200
SMALLEST_USD = 1.0
LARGEST_USD = 1e9
# Parts into which one step divides the bracket of the edge: a step is one array call.
PARTS = 64
MAX_EDGE_STEPS = 20


class TradeCapacity(NamedTuple):
    """How much of a trade fits.

    Attributes
    ----------
    best_size_usd, best_profit_usd
        Size of the largest profit and that profit, whatever the caps; 0 where no size gains.
    edge_capacity_usd
        Largest size without a loss; with status ``beyond_scan`` the largest size looked at, which is a lower bound.
    max_size_usd
        Smallest cap, infinite without any.
    binding
        Name of the smallest cap if it lies below the best size, else ``edge``.
    caps, slack_usd
        Each cap, and what is left to it beyond the user's size; below 0 where the size exceeds it.
    status
        ``none``: no size gains. ``beyond_scan``: the largest size looked at still does. ``not_converged``: a
        search ran out of steps.
    iterations
        Steps of golden section and of the search for the edge.
    """

    best_size_usd: float
    best_profit_usd: float
    edge_capacity_usd: float
    max_size_usd: float
    binding: str
    caps: Mapping[str, float]
    slack_usd: Mapping[str, float]
    status: CapacityStatus
    iterations: int


def capacity(
    profit: Profit,
    caps: Mapping[str, float],
    *,
    size_usd: float,
    smallest_usd: float = SMALLEST_USD,
    largest_usd: float = LARGEST_USD,
) -> TradeCapacity:
    """Return how much of a trade fits, by a scan of 200 sizes and golden section (strategies.md 6).

    Parameters
    ----------
    profit
        Takes an array of sizes, returns their profits after the hurdle; NaN where a size cannot be traded.
    caps
        Dollars of own capital at which each limit is reached, by name: 0 or more, infinite where it never is.
    size_usd
        The user's size, above 0.
    smallest_usd, largest_usd
        Ends of the scan.

    Raises
    ------
    DomainError
        A cap that is negative or not a number, a size outside its range, or a profit that does not return one
        number for each size.
    """
    import numpy as np

    limits = _checked_caps(caps)
    size = checked("size_usd", size_usd, positive("size_usd"))
    _check_ends(smallest_usd, largest_usd)
    scan = np.geomspace(smallest_usd, largest_usd, SCANNED)
    best = maximise(profit, scan[None, :])
    edge, status, steps = _edge(profit, scan, best.size if best.value > 0 else None)
    gains = status != "none"
    best_size = best.size if gains else 0.0
    smallest = min(limits, key=lambda name: limits[name], default="edge")
    most = limits.get(smallest, math.inf)
    return TradeCapacity(
        best_size_usd=best_size,
        best_profit_usd=best.value if gains else 0.0,
        edge_capacity_usd=edge,
        max_size_usd=most,
        binding=smallest if most < best_size else "edge",
        caps=MappingProxyType(limits),
        slack_usd=MappingProxyType({name: cap - size for name, cap in limits.items()}),
        status=status if best.converged else "not_converged",
        iterations=best.iterations + steps,
    )


def _check_ends(smallest_usd: float, largest_usd: float) -> None:
    larger = Bound(
        "largest_usd",
        lambda smallest_usd, largest_usd: largest_usd > smallest_usd,
        "must be above smallest_usd",
    )
    evaluate(
        lambda _xp, **_: 0.0,
        (positive("smallest_usd"), larger),
        "raise",
        smallest_usd=smallest_usd,
        largest_usd=largest_usd,
    )


def _checked_caps(caps: Mapping[str, float]) -> dict[str, float]:
    limits = {name: float(cap) for name, cap in caps.items()}
    for name, cap in limits.items():
        if not cap >= 0:
            raise DomainError(f"cap {name} = {cap!r}: dollars of 0 or more are required")
    return limits


def _edge(profit: Profit, scan: NDArray[np.float64], best: float | None) -> tuple[float, CapacityStatus, int]:
    """Largest size without a loss, how the search ended, and its steps; ``best`` is a size that gains."""
    import numpy as np

    if best is None:
        return 0.0, "none", 0
    last = float(np.max(scan[profits_at(profit, scan) >= 0], initial=best))
    above = scan[scan > last]
    if above.size == 0:
        return last, "beyond_scan", 0
    low, high, steps = last, float(above[0]), 0
    while np.nextafter(low, high) < high and steps < MAX_EDGE_STEPS:
        parts = np.linspace(low, high, PARTS + 1)
        # the lower end gains whatever rounding says of it here
        index = int(np.max(np.flatnonzero(profits_at(profit, parts[:-1]) >= 0), initial=0))
        low, high, steps = float(parts[index]), float(parts[index + 1]), steps + 1
    return low, "value" if np.nextafter(low, high) >= high else "not_converged", steps


class LinearCapacity(NamedTuple):
    """Capacity where implied yield and borrow rate move in proportion to size; profit is dollars a year."""

    edge_capacity_usd: float
    best_size_usd: float
    best_profit_usd: float


def linear_capacity(
    *,
    leverage: float,
    implied_apy: float,
    borrow_apy: float,
    hurdle_apy: float,
    pt_impact: float,
    borrow_impact: float,
) -> LinearCapacity:
    """Check the capacity of a loop by hand, ``(L*y - (L-1)*b - h)/(ly*L^2 + lb*(L-1)^2)`` (strategies.md 6).

    Parameters
    ----------
    leverage
        Spend multiple L, 1 or more.
    implied_apy, borrow_apy, hurdle_apy
        Simple annual rates before the own impact.
    pt_impact, borrow_impact
        Move of each rate for a dollar of PT bought, ly, and borrowed, lb; 0 or more, and one that counts above 0.

    Raises
    ------
    DomainError
        A value outside its range, or no impact at all: then nothing limits the size.
    """
    checked("leverage", leverage, Bound("leverage", lambda leverage: leverage >= 1, "must be 1 or more"))
    for name, impact in (("pt_impact", pt_impact), ("borrow_impact", borrow_impact)):
        checked(name, impact, not_negative(name))
    spread = checked("spread", leverage * implied_apy - (leverage - 1.0) * borrow_apy - hurdle_apy)
    slope = pt_impact * leverage**2 + borrow_impact * (leverage - 1.0) ** 2
    if slope == 0:
        raise DomainError("pt_impact and borrow_impact move nothing: without impact nothing limits the size")
    edge = max(spread, 0.0) / slope
    return LinearCapacity(edge, edge / 2.0, edge / 2.0 * max(spread, 0.0) / 2.0)
