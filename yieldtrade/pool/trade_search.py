"""The best trade of an objective that need be neither concave nor continuous.

A trade is the USD z it moves of every asset, 0 or more. The region of trades is a polytope that holds 0, so that
any trade shrinks into it. The search tries sizes along rays, improves the best of them with SLSQP, which is fast
where the objective is smooth, and then step by step along exchanges of assets, which stops at a jump where SLSQP
does not.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from yieldtrade.pool.weights import Floats

# Sizes along a ray: the largest, and a half again and again.
LADDER = 24
# Mixtures of two assets, and sizes of each.
PAIR_GRID = 8
SMOOTH_STARTS = 4
STEPPED_STARTS = 3
ROUNDS = 3
# The last step, and the distance from a constraint within which it binds, relative to the trade.
STEP_TOLERANCE = 1e-12
BINDING_TOLERANCE = 1e-9
# Below this part of the profit a gain is rounding.
GAIN_TOLERANCE = 1e-14
# So small that SLSQP goes on until its gradient, which resolves more than the profit does, is used up.
SMOOTH_TOLERANCE = 1e-20
MAX_MOVES = 5_000


class Region(NamedTuple):
    """Trades with ``0 <= z <= upper`` and ``rows @ z <= limits``, all limits 0 or more.

    Constraints have names: ``row_names`` for the rows, ``upper_names`` asset by asset.
    """

    upper: Floats
    rows: Floats
    limits: Floats
    row_names: tuple[str, ...]
    upper_names: tuple[str, ...]

    def reach(self, z: Floats, direction: Floats) -> float:
        """How many times the direction can be followed from ``z`` before it leaves the region."""
        import numpy as np

        slack = np.concatenate([self.limits - self.rows @ z, self.upper - z, z])
        speed = np.concatenate([self.rows @ direction, direction, -direction])
        nearing = speed > 0
        # a direction that hardly nears a constraint may reach it beyond all numbers
        with np.errstate(over="ignore"):
            return max(0.0, float((slack[nearing] / speed[nearing]).min())) if nearing.any() else 0.0

    def within(self, z: Floats) -> Floats:
        """Shrink a trade into the region, its negative parts cut off."""
        import numpy as np

        inside = np.minimum(np.maximum(z, 0.0), self.upper)
        shrunk: Floats = inside * min(1.0, self.reach(np.zeros(z.size), inside)) if inside.any() else inside
        return shrunk

    def inside(self, trades: Floats) -> Floats:
        """Return those of many trades, one a row, that the region holds."""
        import numpy as np

        near = BINDING_TOLERANCE * np.abs(trades).max(axis=1, keepdims=True)
        held = (trades >= -near) & (trades <= self.upper + near)
        kept = held.all(axis=1) & (trades @ self.rows.T <= self.limits + near).all(axis=1)
        found: Floats = np.maximum(trades[kept], 0.0)
        return found

    def binding(self, z: Floats) -> tuple[str, ...]:
        """Names of the constraints that hold with equality at a trade."""
        near = BINDING_TOLERANCE * z.max()
        rows = [n for n, s in zip(self.row_names, self.limits - self.rows @ z, strict=True) if s <= near]
        upper = [n for n, s in zip(self.upper_names, self.upper - z, strict=True) if s <= near]
        lower = [f"trade[{i}] >= 0" for i, amount in enumerate(z) if amount <= near]
        return (*rows, *dict.fromkeys(upper), *lower)

    def closed_by(self, rays: Iterable[Floats]) -> tuple[str, ...]:
        """Names of the constraints that leave no trade but 0; none where one of the rays leads somewhere."""
        import numpy as np

        if any(self.reach(np.zeros(self.upper.size), ray) > 0 for ray in rays):
            return ()
        rows = [n for n, limit in zip(self.row_names, self.limits, strict=True) if limit <= 0]
        upper = [n for n, limit in zip(self.upper_names, self.upper, strict=True) if limit <= 0]
        return tuple(dict.fromkeys([*rows, *upper]))


class Found(NamedTuple):
    """The best trade found, its profit, and whether the search came to rest there."""

    values: Floats
    profit_usd: float
    converged: bool


def best_trade(
    profit: Callable[[Floats], float], region: Region, rays: Sequence[Floats], points: Sequence[Floats]
) -> Found:
    """Search a region for the largest profit; the zero trade, of profit 0, is always a candidate.

    Parameters
    ----------
    profit
        Profit of a trade in USD, a finite number wherever the region reaches.
    region
        The trades allowed.
    rays
        Directions, none of them 0, along which sizes are tried.
    points
        Further trades to start from; they are shrunk into the region.
    """
    import numpy as np

    nothing = np.zeros(region.upper.size)
    ends = [ray * region.reach(nothing, ray) for ray in rays]
    ladders = [[end * 0.5**k for k in range(LADDER)] for end in ends if end.any()]
    inside = [[z] for z in map(region.within, points) if z.any()]
    starts = [_best_of(profit, tried) for tried in (*ladders, *_pairs(region), *inside)]
    if not starts:
        return Found(nothing, 0.0, converged=True)
    ranked = sorted(starts, key=_profit_of, reverse=True)
    ranked += [_smoothed(profit, region, start) for start in ranked[:SMOOTH_STARTS]]
    ranked = sorted(ranked, key=_profit_of, reverse=True)[:STEPPED_STARTS]
    best = max((_stepped(profit, region, start) for start in ranked), key=_profit_of)
    for _ in range(ROUNDS if best.profit_usd > 0 else 0):
        last, best = best, _stepped(profit, region, _smoothed(profit, region, best))
        if not _gains(best.profit_usd, last.profit_usd):
            break
    if best.profit_usd <= 0:
        return Found(nothing, 0.0, best.converged)
    return _without_dust(profit, best)


def _profit_of(found: Found) -> float:
    return found.profit_usd


def _best_of(profit: Callable[[Floats], float], trades: Sequence[Floats]) -> Found:
    return max((Found(z, profit(z), converged=False) for z in trades), key=_profit_of)


def _without_dust(profit: Callable[[Floats], float], found: Found) -> Found:
    """Leave out the assets of which next to nothing is traded, where that costs nothing."""
    import numpy as np

    z = found.values
    cleaned = np.where(z <= BINDING_TOLERANCE * z.max(), 0.0, z)
    kept = profit(cleaned)
    return found if _gains(found.profit_usd, kept) else Found(cleaned, kept, found.converged)


def _pairs(region: Region) -> list[list[Floats]]:
    """Trades in two assets, a list for each pair that can be traded: mixtures of the two, and sizes of each."""
    import numpy as np

    nothing = np.zeros(region.upper.size)
    ends = [axis * region.reach(nothing, axis) for axis in np.eye(nothing.size)]
    parts = np.arange(1, PAIR_GRID + 1) / PAIR_GRID
    lists = []
    for first, second in combinations([end for end in ends if end.any()], 2):
        mixed = [part * first + (1.0 - part) * second for part in parts[:-1]]
        lists.append([size * region.reach(nothing, mix) * mix for mix in mixed for size in parts])
    return lists


def _smoothed(profit: Callable[[Floats], float], region: Region, start: Found) -> Found:
    """Trade that SLSQP ends on, or the start where that is no better."""
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, minimize

    size = float(start.values.max())
    unit = max(abs(start.profit_usd), size * np.finfo(float).eps)
    found = minimize(
        lambda x: -profit(np.maximum(x, 0.0) * size) / unit,
        start.values / size,
        method="SLSQP",
        jac="3-point",
        bounds=Bounds(0.0, region.upper / size, keep_feasible=True),
        constraints=[LinearConstraint(region.rows, -np.inf, region.limits / size)]
        if region.row_names
        else (),
        options={"ftol": SMOOTH_TOLERANCE, "maxiter": 200},
    )
    if not np.isfinite(found.x).all():
        return start
    z = region.within(found.x * size)
    improved = Found(z, profit(z), converged=False)
    # at equal profit SLSQP's gradient places the optimum better than profits, which are flat there, can
    return start if not z.any() or _gains(start.profit_usd, improved.profit_usd) else improved


def _gains(profit: float, over: float) -> bool:
    """Whether a profit is larger than another by more than rounding."""
    return profit - over > GAIN_TOLERANCE * abs(over)


def _stepped(profit: Callable[[Floats], float], region: Region, start: Found) -> Found:
    """Follow the best of a few directions, by half as far each time that none of them helps."""
    best, value, step = start.values, start.profit_usd, 0.25
    smallest = best.max() * 0.5**LADDER
    for _ in range(MAX_MOVES):
        # a trade that only gains by losing less ends at none
        if step < STEP_TOLERANCE or (value <= 0 and best.max() < smallest):
            return Found(best, value, converged=True)
        gained, reached = max(
            ((profit(trade), trade) for trade in _moves(region, best, step)),
            key=lambda move: move[0],
            default=(value, best),
        )
        if _gains(gained, value):
            best, value, step = reached, gained, min(2.0 * step, 0.25)
        else:
            step /= 2.0
    return Found(best, value, converged=False)


def _moves(region: Region, z: Floats, step: float) -> list[Floats]:
    """Trades a step away: more or less of one asset, one for another, more or less of all, along the borders.

    A step is a part of the trade; one that would leave the region ends at its border.
    """
    import numpy as np

    axes = np.eye(z.size) * z.max()
    exchanges = [a - b for i, a in enumerate(axes) for j, b in enumerate(axes) if i != j]
    along = _along_borders(region, z) * z.max()
    directions = [*axes, *-axes, *exchanges, *along, *-along, z, -z]
    lengths = [min(step, region.reach(z, direction)) for direction in directions]
    return [np.maximum(z + r * d, 0.0) for r, d in zip(lengths, directions, strict=True) if r > 0]


def _along_borders(region: Region, z: Floats) -> Floats:
    """Axes projected on the rows that bind at a trade, one a row; empty where none binds."""
    import numpy as np

    at_border = region.rows[region.limits - region.rows @ z <= BINDING_TOLERANCE * z.max()]
    if not len(at_border):
        return np.zeros((0, z.size))
    projected = np.eye(z.size) - np.linalg.pinv(at_border) @ at_border
    rest: Floats = projected[np.linalg.norm(projected, axis=1) > BINDING_TOLERANCE]
    return rest
