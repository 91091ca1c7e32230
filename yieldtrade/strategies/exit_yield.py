"""How far an implied yield moves over a holding period, measured on stored quotes (strategies.md 3).

Changes are measured on the logarithm of ``ln(1 + r)``: over the stored markets the spread of that measure
hardly depends on the level of the yield, so that quiet and high-yielding markets can be pooled.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.conventions import DAY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from yieldtrade.market import YieldQuote

# A change counts for a horizon if it took between half and twice as long; it is scaled by the root of time.
SHORTEST, LONGEST = 0.5, 2.0


class YieldPath(NamedTuple):
    """Quotes of one contract: days since the epoch, rising, and the logarithm of ``ln(1 + r)``."""

    days: NDArray[np.float64]
    levels: NDArray[np.float64]


def yield_path(quotes: Iterable[YieldQuote], min_liquidity_usd: float) -> YieldPath | None:
    """Take the usable quotes of one contract; None where there are none.

    Parameters
    ----------
    quotes
        Quotes of one contract, oldest first; yields that are not positive have no logarithm and do not count.
    min_liquidity_usd
        Quotes of pools known to hold less do not count.
    """
    import numpy as np

    usable = [
        (quote.at.timestamp() / DAY_SECONDS, math.log(math.log1p(quote.implied_apy)))
        for quote in quotes
        if quote.implied_apy > 0 and (quote.liquidity_usd is None or quote.liquidity_usd >= min_liquidity_usd)
    ]
    if not usable:
        return None
    days, levels = np.array(usable).T
    return YieldPath(days, levels)


def relative_changes(path: YieldPath, horizon_days: float) -> NDArray[np.float64]:
    """Changes of a path over about ``horizon_days``, overlapping, one for each quote that has a later one.

    Each quote is paired with the later one whose distance is nearest to the horizon in ratio, between half and
    twice of it; the change is scaled by ``sqrt(horizon/distance)``, as a random walk asks.
    """
    import numpy as np

    days, levels = path
    count = days.size
    if count < 2:  # noqa: PLR2004 - a change needs two quotes
        return np.empty(0)
    after = np.searchsorted(days, days + horizon_days)
    start = np.arange(count)
    late, early = np.minimum(after, count - 1), np.maximum(after - 1, 0)
    with np.errstate(divide="ignore"):
        miss_late = np.abs(np.log((days[late] - days) / horizon_days))
        miss_early = np.abs(np.log(np.maximum(days[early] - days, 0.0) / horizon_days))
    end = np.where(miss_early < miss_late, early, late)
    gap = days[end] - days
    good = (gap >= SHORTEST * horizon_days) & (gap <= LONGEST * horizon_days)
    start, end, gap = start[good], end[good], gap[good]
    return np.asarray((levels[end] - levels[start]) * np.sqrt(horizon_days / gap))


def relative_spread(changes: NDArray[np.float64]) -> float:
    """Root mean square of changes: their mean is taken as zero, as a random walk says."""
    return math.sqrt(float(changes @ changes) / changes.size)


def implied_sd(implied_apy: float, spread: float) -> float:
    """Standard deviation of an implied yield from a relative spread, ``(1+r)*ln(1+r)*spread`` to first order."""
    return (1.0 + implied_apy) * math.log1p(implied_apy) * spread
