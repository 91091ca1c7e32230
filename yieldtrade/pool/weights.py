"""Weights of a pool, trades that bring them to target, and what a deposit owns (pdlp.md 4).

Vectors run over the assets of the pool along their last axis; leading axes are scenarios and broadcast. A lone
number is a pool of one asset. Prices p are USD a unit, reserves R and trades D units; a trade adds where it is
positive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from yieldtrade.elementwise import Bound, check_choice, checked, not_negative, positive
from yieldtrade.errors import DomainError
from yieldtrade.pool.state import WEIGHT_TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[Any]

RebalanceMode: TypeAlias = Literal["self_financing", "deposit_only", "least_turnover"]
MODES: tuple[RebalanceMode, ...] = ("self_financing", "deposit_only", "least_turnover")


def _weight(name: str) -> Bound:
    return Bound(name, lambda **given: (given[name] >= 0) & (given[name] <= 1), "must be between 0 and 1")


_DOMAINS: Mapping[str, Callable[[str], Bound]] = {
    "p": positive,
    **dict.fromkeys(("R", "available", "locked", "lent", "values"), not_negative),
    **dict.fromkeys(("target", "w_before", "w_after"), _weight),
}


def vectors(**given: Any) -> tuple[Floats, ...]:
    """Return vectors over the same assets, once they are sound; they broadcast over their leading axes.

    A name says what a vector may hold: prices ``p`` are above 0, reserves and weights 0 or more, a trade ``D``
    is any finite number.

    Raises
    ------
    DomainError
        A value outside its domain, no asset at all, or vectors over different assets.
    """
    import numpy as np

    if _are_sound(given):
        return tuple(given.values())
    arrays = {
        name: np.atleast_1d(checked(name, value, *(_DOMAINS[name](name),) if name in _DOMAINS else ()))
        for name, value in given.items()
    }
    shapes = ", ".join(f"{name}{array.shape}" for name, array in arrays.items())
    if len({array.shape[-1] for array in arrays.values()}) > 1 or next(iter(arrays.values())).shape[-1] < 1:
        raise DomainError(f"shapes do not match: {shapes}; the last axis has one entry for every asset")
    try:
        return tuple(np.broadcast_arrays(*arrays.values()))
    except ValueError:
        raise DomainError(f"shapes do not broadcast: {shapes}") from None


def _are_sound(given: dict[str, Any]) -> bool:
    """Whether nothing has to be done: a search asks for the same vectors thousands of times."""
    import numpy as np

    shape = np.shape(next(iter(given.values())))
    return all(
        type(value) is np.ndarray
        and value.dtype == np.float64
        and value.shape == shape != ()
        and value.size > 0
        and bool(np.isfinite(value).all())
        and (name not in _DOMAINS or bool(_DOMAINS[name](name).holds(**{name: value}).all()))
        for name, value in given.items()
    )


def settled(value: Any) -> Any:
    """Return a figure of one pool as a float, and those of many as they are."""
    return float(value) if value.ndim == 0 else value


def check_simplex(**given: Floats) -> None:
    """Refuse weights that do not sum to 1 (within 1e-9).

    Raises
    ------
    DomainError
        They do not.
    """
    for name, weight in given.items():
        total = weight.sum(axis=-1)
        off = abs(total - 1.0) > WEIGHT_TOLERANCE
        if off.any():
            raise DomainError(f"{name} sums to {float(total[off][0]):.10g}: weights must sum to 1")


def reserves_after(R: Floats, D: Floats) -> Floats:
    """Reserves R + D, none of them below 0.

    Raises
    ------
    DomainError
        The trade takes more of an asset than there is.
    """
    after: Floats = R + D
    over = after < 0
    if over.any():
        raise DomainError(
            f"D = {float(D[over][0])!r} of asset {first_asset(over)} takes more than the reserves of "
            f"{float(R[over][0])!r}"
        )
    return after


def checked_available(R: Any, available: Any) -> Floats:
    """Units available of each asset, none of them above its reserves.

    Raises
    ------
    DomainError
        More is said to be available than there is.
    """
    reserves, free = vectors(R=R, available=available)
    over = free > reserves
    if over.any():
        raise DomainError(
            f"available = {float(free[over][0])!r} of asset {first_asset(over)} exceeds its reserves of "
            f"{float(reserves[over][0])!r}"
        )
    return free


def first_asset(marked: Floats) -> int:
    """Return the number of the asset that the first mark of an array stands for."""
    return int(marked.nonzero()[-1][0])


def total_value(values: Floats) -> Any:
    """Value of a pool whose assets are worth ``values`` USD, of shape (..., 1).

    Raises
    ------
    DomainError
        They are worth nothing.
    """
    total = values.sum(axis=-1, keepdims=True)
    if (total <= 0).any():
        raise DomainError(f"a pool worth {float(total.min())!r} USD is empty: its weights are not defined")
    return total


def available_assets(R: Any, locked: Any) -> Any:
    """Assets that back no position, ``R^A = R - sum of what is locked`` (pdlp.md 4).

    Parameters
    ----------
    R
        Reserves, units, of shape (..., n).
    locked
        Units locked in all, of shape (..., n); or, with one axis more than ``R``, those of each loan along the
        first axis, which are summed.

    Returns
    -------
    numpy.ndarray
        Units, of shape (..., n).

    Raises
    ------
    DomainError
        More is locked than there is, which is an error in the state; or a value below 0.
    """
    import numpy as np

    loans = np.asarray(checked("locked", locked, not_negative("locked")))
    if loans.ndim > max(1, np.ndim(R)):
        loans = loans.sum(axis=0)
    reserves, taken = vectors(R=R, locked=loans)
    short = taken > reserves
    if short.any():
        raise DomainError(
            f"locked = {float(taken[short][0])!r} of asset {first_asset(short)} exceeds its reserves of "
            f"{float(reserves[short][0])!r}"
        )
    return reserves - taken


def weights(p: Any, R: Any) -> Any:
    """Share of each asset in the value of the pool, ``w = p*R/(p.R)`` (pdlp.md 4).

    Returns
    -------
    numpy.ndarray
        Of shape (..., n); each vector sums to 1.

    Raises
    ------
    DomainError
        An empty pool, which has no weights, or a value outside its domain.
    """
    p, R = vectors(p=p, R=R)
    return p * R / total_value(p * R)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RebalanceTrade:
    """A trade towards the target weights.

    Attributes
    ----------
    trade
        Units added of each asset, below 0 where taken out, of shape (..., n).
    weights
        Weights after it, of shape (..., n).
    distance
        Euclidean distance of those from the target.
    binding
        Whether the lower bound of an asset keeps the optimum from taking more of it out, of shape (..., n).
    """

    trade: Any
    weights: Any
    distance: Any
    binding: Any


def rebalance_trade(
    p: Any, R: Any, available: Any, target: Any, mode: RebalanceMode = "self_financing"
) -> RebalanceTrade:
    """Trade that minimises the distance ``|w(p, R+D) - w*|`` with ``D >= -R^A`` (pdlp.md 4, equation 6).

    Any multiple of a portfolio has its weights, so that (6) alone has no single answer. The mode picks one:

    ``self_financing``
        Value neither comes nor goes, ``p.D = 0``: the exact projection of the target on the weights that the
        locked assets allow.
    ``deposit_only``
        ``D >= 0``: the least value that reaches the target.
    ``least_turnover``
        Among all trades that reach the target, at whatever size of the pool, the one with the smallest
        turnover ``sum |p_i*D_i|``; of several, that with the smallest net flow ``|p.D|``. With s the value of
        the pool afterwards the turnover is ``sum |s*w*_i - p_i*R_i|``, so s is the median of ``p_i*R_i/w*_i``
        weighted by w*, raised to what the locked assets need.

    Parameters
    ----------
    p, R
        Prices and reserves, of shape (..., n).
    available
        Units not locked, between 0 and ``R``.
    target
        Target weights; they sum to 1.
    mode
        As above.

    Raises
    ------
    DomainError
        A value outside its domain, an empty pool, an unknown mode; or no trade of that mode reaches the target:
        an asset of target 0 has to stay, or the turnover is least where the pool is emptied.
    """
    import numpy as np

    check_choice("mode", mode, MODES)
    p, R, available, target = vectors(p=p, R=R, available=available, target=target)
    check_simplex(target=target)
    available = checked_available(R, available)
    held, floor = p * R, p * (R - available)
    total_value(held)
    if mode == "self_financing":
        aim = _projected(held, floor, target)
        binding = aim < floor
    else:
        if mode == "deposit_only":
            floor, available = held, np.zeros_like(R)
        least = _sizes(floor, target)
        size = least.max(axis=-1, keepdims=True)
        if mode == "least_turnover":
            size = _turnover_size(held, target, size)
        aim, binding = size * target, (least == size) & (target > 0)
    values = np.where(binding, floor, aim)
    reached = values / total_value(values)
    return RebalanceTrade(
        # at its bound an asset moves by what is available, whatever (p*R - p*D)/p rounds to
        trade=np.where(binding, 0.0 - available, np.maximum((values - held) / p, 0.0 - available)),
        weights=reached,
        distance=settled(np.linalg.norm(reached - target, axis=-1)),
        binding=binding,
    )


def _projected(held: Floats, floor: Floats, target: Floats) -> Any:
    """Values ``(w* - tau)*V`` with tau such that, once raised to the floor, they sum to V."""
    total = held.sum(axis=-1, keepdims=True)
    lowest = floor / total
    return (target - _threshold(target - lowest, 1.0 - lowest.sum(axis=-1, keepdims=True))) * total


def _threshold(excess: Floats, mass: Floats) -> Any:
    """Tau with ``sum max(excess - tau, 0) = mass``, by sorting."""
    import numpy as np

    ordered = -np.sort(-excess, axis=-1)
    candidates = (ordered.cumsum(axis=-1) - mass) / np.arange(1, excess.shape[-1] + 1)
    # nothing is left to share out where every asset is locked: the first candidate then cuts all
    last = np.maximum((ordered > candidates).sum(axis=-1, keepdims=True) - 1, 0)
    return np.take_along_axis(candidates, last, axis=-1)


def _sizes(floor: Floats, target: Floats) -> Floats:
    """Value of the pool at which ``floor`` USD of an asset are its target weight, asset by asset."""
    import numpy as np

    stuck = (target == 0) & (floor > 0)
    if stuck.any():
        raise DomainError(
            f"target of asset {first_asset(stuck)} is 0 and {float(floor[stuck][0])!r} USD of it stay: the "
            "target cannot be reached; self_financing comes as near as the pool can"
        )
    return np.divide(floor, target, where=target > 0, out=np.zeros(floor.shape))


def _turnover_size(held: Floats, target: Floats, least: Floats) -> Any:
    """Value of the pool after the trade of least turnover: a median of ``p*R/w*`` weighted by w*."""
    import numpy as np

    ratio = np.divide(held, target, where=target > 0, out=np.full(held.shape, np.inf))
    order = ratio.argsort(axis=-1)
    ratio = np.take_along_axis(ratio, order, axis=-1)
    below = np.take_along_axis(target, order, axis=-1).cumsum(axis=-1)
    half = below[..., -1:] / 2
    low, high = (
        np.take_along_axis(ratio, first.argmax(axis=-1, keepdims=True), axis=-1)
        for first in (below >= half, below > half)
    )
    # the net flow is least at today's value
    size = np.maximum(np.clip(held.sum(axis=-1, keepdims=True), low, high), least)
    if (size <= 0).any():
        raise DomainError(
            "least_turnover: most of the target is in assets the pool holds none of, and emptying it would turn "
            "over least; use self_financing or deposit_only"
        )
    return size


ABOVE_MINUS_ONE = Bound("F", lambda F, **_: F > -1, "must be above -1")


def ownership_fraction(p: Any, R: Any, D: Any, F: Any) -> Any:
    """Share of the pool owned after a deposit, ``(1+F)*p.D/(p.(R+D))`` (pdlp.md 4).

    Parameters
    ----------
    p, R, D
        Prices, reserves and deposit, of shape (..., n).
    F
        Discount, above -1: a number, or one for every scenario.

    Returns
    -------
    float or numpy.ndarray
        Fraction; below 0 for a net withdrawal, which a pool prices by :func:`redemption_arbitrage`'s rule
        instead.

    Raises
    ------
    DomainError
        A share of more than 1, a trade beyond the reserves, an empty pool, or a value outside its domain.
    """
    import numpy as np

    p, R, D = vectors(p=p, R=R, D=D)
    F = np.asarray(checked("F", F, ABOVE_MINUS_ONE))
    after = (p * reserves_after(R, D)).sum(axis=-1)
    if (after <= 0).any():
        raise DomainError(f"a pool worth {float(after.min())!r} USD after the trade has no shares to own")
    owned = (1.0 + F) * (p * D).sum(axis=-1) / after
    if (owned > 1).any():
        raise DomainError(
            f"a discount F = {float(F.max())!r} gives the depositor {float(owned.max())!r} of the pool: "
            "a share is at most 1"
        )
    return settled(owned)
