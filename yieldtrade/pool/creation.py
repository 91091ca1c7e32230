"""Arbitrage by creating pool shares at a discount and by redeeming them (pdlp.md 5 and 6).

One pool at a time: vectors are of shape (n,), prices USD a unit, reserves and trades units. The shares sell, or
are bought, at the premium pi over their part of the pool's value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.elementwise import Bound, as_number, checked, not_negative, positive, share
from yieldtrade.errors import DomainError
from yieldtrade.pool.discounts import Discount, JumpingDiscount
from yieldtrade.pool.surrogate import Surrogate, SurrogateBounds, quadratic_surrogate, surrogate_bounds
from yieldtrade.pool.trade_search import BINDING_TOLERANCE, Found, Region, best_trade
from yieldtrade.pool.weights import check_simplex, checked_available, total_value, vectors

if TYPE_CHECKING:
    from yieldtrade.pool.weights import Floats

__all__ = [
    "ArbitrageResult",
    "ArbitrageStatus",
    "Costs",
    "Surrogate",
    "SurrogateBounds",
    "creation_arbitrage",
    "creation_worthwhile",
    "quadratic_surrogate",
    "redemption_arbitrage",
    "redemption_worthwhile",
    "surrogate_bounds",
]

ArbitrageStatus: TypeAlias = Literal["interior", "at_bound", "none", "infeasible", "not_converged"]
Costs: TypeAlias = float | Callable[[float], float]

# Step of the surrogate's differences, relative to the pool.
SURROGATE_PROBE = 1e-4
# How far before a jump of the discount the search starts, relative to the trade.
INSET = 1e-9
MAX_CORNERS = 20_000

_PREMIUM = Bound("premium", lambda premium: premium > -1, "must be above -1")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArbitrageResult:
    """The best arbitrage trade found, and how the search ended.

    Attributes
    ----------
    trade
        Units of each asset, 0 or more: the deposit D, or the basket lambda taken out.
    profit_usd
        Its profit after costs, 0 or more.
    discount
        F of the trade; 0 where nothing is traded.
    binding
        Names of the constraints that hold with equality: ``budget``, ``aum_limit``, ``shares``, ``failsafe[i]``,
        ``available[i]``, ``trade[i] >= 0``.
    status
        ``interior`` or ``at_bound``: the best trade has no or some binding constraint. ``none``: no trade pays.
        ``infeasible``: the binding constraints allow no trade. ``not_converged``: the search ran out of steps;
        the trade is the best one seen.
    shares
        Shares handed in by a redemption (9); None for a creation.
    """

    trade: Any
    profit_usd: float
    discount: float
    binding: tuple[str, ...]
    status: ArbitrageStatus
    shares: float | None = None


class _Pool(NamedTuple):
    """A pool seen by an arbitrageur: ``side`` is +1 for deposits, -1 for redemptions, of at most ``most`` units."""

    F: Discount
    p: Floats
    R: Floats
    target: Floats
    side: float
    most: Floats

    def units(self, z: Floats) -> Floats:
        """Units of z USD of each asset, never more than there can be whatever p*R/p rounds to."""
        import numpy as np

        return np.minimum(z / self.p, self.most)

    def rate(self, z: Floats) -> float:
        """Discount on a trade of z USD of each asset."""
        return as_number("F", self.F(self.p, self.target, self.R, self.side * self.units(z)))

    @property
    def held(self) -> Floats:
        """USD of each asset in the pool."""
        return self.p * self.R


def creation_arbitrage(
    F: Discount,
    p: Any,
    R: Any,
    target: Any,
    budget: float,
    aum_limit: float | None,
    premium: float = 0.0,
    costs: Costs = 0.0,
    *,
    failsafe: float | None = None,
) -> ArbitrageResult:
    """Deposit whose shares are worth most above what they cost (pdlp.md 5, equation 7).

    Maximises ``p.D*((1+F)*(1+pi) - 1) - costs`` over deposits ``D >= 0`` of at most the budget. The discount may be
    any function; the search starts at its quadratic surrogate's optimum among others and ends with the true
    objective.

    Parameters
    ----------
    F
        The discount; where it is -1 or less a deposit is lost.
    p, R, target
        Prices, reserves and target weights.
    budget
        USD that can be deposited, 0 or more.
    aum_limit
        Value of the pool at which minting stops, USD; None for no limit.
    premium
        Market price of a share over its part of the pool, less 1; above -1.
    costs
        USD of a trade of any size, or a function of the USD deposited; not asked for no trade.
    failsafe
        Part of its target weight by which an asset may exceed it after a deposit of it. An asset above that is not
        deposited at all, also where other deposits would dilute it. None for no such limit.

    Raises
    ------
    DomainError
        An empty pool, a discount or cost that is not a finite number, or a value outside its domain.
    """
    pool = _seen(F, p, R, target)
    pi = _number("premium", premium, _PREMIUM)
    budget = _number("budget", budget, not_negative("budget"))
    cost = _cost_of(costs)
    caps = {"budget": budget}
    if aum_limit is not None:
        limit = _number("aum_limit", aum_limit, positive("aum_limit"))
        caps["aum_limit"] = max(0.0, limit - float(pool.held.sum()))

    def profit(z: Floats) -> float:
        size = float(z.sum())
        if size <= 0:
            return 0.0
        rate = pool.rate(z)
        # (1+F)(1+pi) - 1 without its cancellation
        return size * (rate + pi + rate * pi) - cost(size)

    region, rays = _region(pool, caps, failsafe), _rays(pool)
    closed = region.closed_by(rays)
    if closed:
        return _nothing(pool, "infeasible", closed)
    found = best_trade(profit, region, rays, _points(pool, region, failsafe))
    return _result(pool, region, found)


def redemption_arbitrage(
    F: Discount,
    p: Any,
    R: Any,
    available: Any,
    target: Any,
    shares: float,
    premium: float = 0.0,
    costs: Costs = 0.0,
    *,
    failsafe: float | None = None,
) -> ArbitrageResult:
    """Basket taken out for shares bought in the market that is worth most above their price (pdlp.md 6).

    A basket lambda takes sigma of the S shares with ``p.lambda = (1+f)*(sigma/S)*p.R`` (9), f = F(-lambda).
    Maximises ``p.lambda*(f - pi)/(1+f) - costs`` (10) over ``0 <= lambda <= R^A`` and sigma <= S. A basket that
    empties the pool is left out: it leaves no weights to price it by.

    Parameters
    ----------
    F
        The discount, asked with ``D = -lambda``; where it is -1 or less nothing is redeemed.
    p, R, target
        Prices, reserves and target weights.
    available
        Units not locked, between 0 and ``R``.
    shares
        S, all shares of the pool, above 0.
    premium
        Market price of a share over its part of the pool, less 1; above -1 and below 0 for a discount.
    costs
        USD of a trade of any size, or a function of the USD taken out, such as the slippage of a secondary market;
        not asked for no trade.
    failsafe
        Part of its target weight by which an asset may fall short of it after some of it is taken out. Of an asset
        below that nothing is taken. None for no such limit.

    Raises
    ------
    DomainError
        An empty pool, a discount or cost that is not a finite number, or a value outside its domain.
    """
    pool = _seen(F, p, R, target, available)
    pi = _number("premium", premium, _PREMIUM)
    supply = _number("shares", shares, positive("shares"))
    cost = _cost_of(costs)
    total = float(pool.held.sum())

    def profit(z: Floats) -> float:
        size = float(z.sum())
        if size <= 0 or size >= total:
            return -max(size, 0.0)
        rate = pool.rate(z)
        # more than all shares would be needed
        if size > (1.0 + rate) * total:
            return -size
        return size * (rate - pi) / (1.0 + rate) - cost(size)

    region, rays = _region(pool, {}, failsafe), _rays(pool)
    closed = region.closed_by(rays)
    if closed:
        return _nothing(pool, "infeasible", closed, 0.0)
    found = best_trade(profit, region, rays, _points(pool, region, failsafe))
    return _result(pool, region, found, supply)


def _seen(F: Discount, p: Any, R: Any, target: Any, available: Any = None) -> _Pool:
    """Pool for redemptions of what is available, for deposits where that is None."""
    import numpy as np

    p, R, target = vectors(p=p, R=R, target=target)
    if p.ndim > 1:
        raise DomainError(f"p, R and target of shape {p.shape}: give one pool, a vector over its assets")
    check_simplex(target=target)
    total_value(p * R)
    if available is None:
        return _Pool(F, p, R, target, 1.0, np.full(p.size, np.inf))
    return _Pool(F, p, R, target, -1.0, checked_available(R, available))


def _number(name: str, value: Any, bound: Bound) -> float:
    number = checked(name, value, bound)
    if not isinstance(number, float):
        raise DomainError(f"{name} = {number!r}: give one number, for one pool")
    return number


def _cost_of(costs: Costs) -> Callable[[float], float]:
    """Return the costs as a function of size, checked at every call."""
    if callable(costs):
        return lambda size: _number("costs", costs(size), not_negative("costs"))
    fixed = _number("costs", costs, not_negative("costs"))
    return lambda _size: fixed


def _region(pool: _Pool, caps: dict[str, float], failsafe: float | None) -> Region:
    """Trades of what there is, within the caps on their size, and no asset traded beyond its band.

    The band of a deposit is ``v + z <= edge*(V + sum z)``, that of a basket ``v - z >= edge*(V - sum z)``. An asset
    that is beyond its band already is not traded.
    """
    import numpy as np

    size, upper = pool.p.size, pool.p * pool.most
    rows, limits = np.ones((len(caps), size)), np.array(list(caps.values()))
    names = [f"available[{i}]" for i in range(size)]
    if failsafe is None:
        return Region(upper, rows, limits, tuple(caps), tuple(names))
    edge = _edge(pool, failsafe)
    room = pool.side * (edge * pool.held.sum() - pool.held)
    bands = [f"failsafe[{i}]" for i in range(size)]
    inside = room >= 0
    return Region(
        upper=np.where(inside, upper, 0.0),
        rows=np.vstack([rows, (np.eye(size) - edge[:, None])[inside]]),
        limits=np.concatenate([limits, room[inside]]),
        row_names=(*caps, *(bands[i] for i in inside.nonzero()[0])),
        upper_names=tuple(names[i] if inside[i] else bands[i] for i in range(size)),
    )


def _edge(pool: _Pool, failsafe: float) -> Floats:
    """Weights to which the band lets deposits, or redemptions, take the assets."""
    edge: Floats = pool.target * (1.0 + pool.side * _number("failsafe", failsafe, share("failsafe")))
    return edge


def _rays(pool: _Pool) -> list[Floats]:
    """Directions of trades: one asset, all as they are or should be, what is off target, the way to the target."""
    import numpy as np

    weight, target, side = pool.held / pool.held.sum(), pool.target, pool.side
    size = side * (side * weight[target > 0] / target[target > 0]).max()
    off, way = (np.maximum(side * (s * target - weight), 0.0) for s in (1.0, size))
    return [ray for ray in (*np.eye(pool.p.size), weight, target, off, way) if ray.any()]


def _points(pool: _Pool, region: Region, failsafe: float | None) -> list[Floats]:
    """Trades worth trying: the surrogate's optimum, and where limits and jumps of the discount meet."""
    import numpy as np

    edges = [] if failsafe is None else [_edge(pool, failsafe)]
    if not isinstance(pool.F, JumpingDiscount):
        return [*_surrogate_optimum(pool), *_corners(pool, region, edges)]
    corners = _corners(pool, region, [*edges, *pool.F.jump_weights(pool.p, pool.target, pool.R)])
    # the trade is best just before a jump; some lie where all assets move alike, and shrinking stays on those
    tilt = INSET * np.arange(1, pool.p.size + 1) / pool.p.size
    return [corner for inset in (INSET, tilt, tilt[::-1]) for corner in corners * (1.0 - inset)]


def _corners(pool: _Pool, region: Region, edges: list[Floats]) -> Floats:
    """Trades where as many limits meet as there are assets, one a row; none where they are too many.

    An asset is at 0, at all there is, or at a weight e afterwards: ``z = a + e*s`` with s the sum of the trade
    and ``a = side*(e*V - v)``. Then ``s = sum a/(1 - sum e)``; or s is a cap and one asset takes what is left.
    """
    import numpy as np

    size, total = pool.p.size, pool.held.sum()
    fixed = [(upper, 0.0 * upper) for upper in (np.zeros(size), region.upper) if np.isfinite(upper).all()]
    moving = [(pool.side * (edge * total - pool.held), edge) for edge in edges]
    at, slope = (np.array(part) for part in zip(*fixed, *moving, strict=True))
    if len(at) ** size > MAX_CORNERS:
        return np.zeros((0, size))
    chosen = np.indices((len(at),) * size).reshape(size, -1).T
    a, e = at[chosen, np.arange(size)], slope[chosen, np.arange(size)]
    rest = 1.0 - e.sum(axis=1)
    sums = np.divide(a.sum(axis=1), rest, where=rest > 0, out=np.full(len(a), -1.0))
    corners = [a + e * sums[:, None]]
    for cap in region.limits[(region.rows == 1).all(axis=1)]:
        full = a + e * cap
        for i in range(size):
            left = full.copy()
            left[:, i] += cap - full.sum(axis=1)
            corners.append(left)
    return region.inside(np.vstack(corners))


def _surrogate_optimum(pool: _Pool) -> list[Floats]:
    """Optimum of the quadratic surrogate in USD, none where the discount has no surrogate."""
    probe = SURROGATE_PROBE * float(pool.held.sum())
    try:
        return [quadratic_surrogate(pool.rate, pool.p.size, probe=probe).d_h]
    except DomainError:
        # not defined on both sides of 0, not 0 there, or not concave: the other starts remain
        return []


def _nothing(
    pool: _Pool, status: ArbitrageStatus, binding: tuple[str, ...] = (), shares: float | None = None
) -> ArbitrageResult:
    import numpy as np

    return ArbitrageResult(
        trade=np.zeros(pool.p.size),
        profit_usd=0.0,
        discount=0.0,
        binding=binding,
        status=status,
        shares=shares,
    )


def _result(pool: _Pool, region: Region, found: Found, supply: float | None = None) -> ArbitrageResult:
    """Return the trade with its discount, the shares it takes, and what binds it."""
    if not found.values.any():
        status: ArbitrageStatus = "none" if found.converged else "not_converged"
        return _nothing(pool, status, shares=None if supply is None else 0.0)
    rate, binding = pool.rate(found.values), region.binding(found.values)
    part = float(found.values.sum() / pool.held.sum()) / (1.0 + rate)
    if supply is not None and part >= 1.0 - BINDING_TOLERANCE:
        binding = ("shares", *binding)
    ended: ArbitrageStatus = "at_bound" if binding else "interior"
    return ArbitrageResult(
        trade=pool.units(found.values),
        profit_usd=found.profit_usd,
        discount=rate,
        binding=binding,
        status=ended if found.converged else "not_converged",
        shares=None if supply is None else supply * part,
    )


def creation_worthwhile(premium: Any, mint_fee: Any, exit_costs: Any) -> Any:
    """Whether minting and selling pays while minting is open: ``(1+pi)*(1-mint_fee) > 1 + exit`` (pdlp.md 5).

    Parameters
    ----------
    premium
        Market price of a share over its part of the pool, less 1; above -1.
    mint_fee
        Fraction, 0 or more and below 1.
    exit_costs
        Of selling the shares, as a part of the deposit, 0 or more.

    Returns
    -------
    bool or numpy.ndarray of bool
    """
    pi = checked("premium", premium, _PREMIUM)
    fee = checked("mint_fee", mint_fee, share("mint_fee"))
    return (1.0 + pi) * (1.0 - fee) > 1.0 + checked("exit_costs", exit_costs, not_negative("exit_costs"))


def redemption_worthwhile(premium: Any, burn_fee: Any, entry_costs: Any) -> Any:
    """Whether buying and burning pays: ``1 - burn_fee > (1+pi)*(1+entry)`` (pdlp.md 6).

    Parameters
    ----------
    premium
        Market price of a share over its part of the pool, less 1; above -1.
    burn_fee
        Fraction, 0 or more and below 1.
    entry_costs
        Of buying the shares, as a part of their price, 0 or more.

    Returns
    -------
    bool or numpy.ndarray of bool
    """
    pi = checked("premium", premium, _PREMIUM)
    fee = checked("burn_fee", burn_fee, share("burn_fee"))
    return 1.0 - fee > (1.0 + pi) * (1.0 + checked("entry_costs", entry_costs, not_negative("entry_costs")))
