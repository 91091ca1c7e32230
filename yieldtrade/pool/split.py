"""One pool or two: what the assets of one pool are worth beside those of another (pdlp.md 9).

Assets fall into two groups, ``Sigma = [[A, B], [B', C]]``. The covariance of one group given the other is the Schur
complement, ``A - B C^-1 B'``. Units are those of the hedge: exposures in USD, carry a fraction over a period, gamma in
1/USD. Figures by asset have shape (..., n); the leading axes are scenarios and broadcast.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import fsum
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.elementwise import as_array, checked, not_negative, positive, share
from yieldtrade.errors import DomainError, MarketDefinitionError
from yieldtrade.pool.covariance import (
    Covariance,
    align,
    block,
    checked_covariance,
    covariance_of,
    inner,
    solve,
    verdict,
)
from yieldtrade.pool.state import checked_weights

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    Figures = NDArray[np.float64]

Assets: TypeAlias = "tuple[int, ...]"

WHY_NEVER = (
    "the premise can never hold: the covariance of the kept assets given the others is at most their own in the "
    "Loewner order, so its smallest singular value is never above the largest of theirs; besides, the proof takes the "
    "conditional covariance where (13) needs its inverse"
)


def conditional_covariance(cov: Any, keep: Iterable[int]) -> Covariance:
    """Covariance of some assets given the others, ``A - B C^-1 B'`` (pdlp.md 9, appendix B, E19).

    Parameters
    ----------
    cov
        Sigma, shape (n, n), or a `Covariance`.
    keep
        Positions of the assets kept, A, in the order wanted: at least one and not all. The paper's notation names
        the complement by them, the usual one by the others.

    Returns
    -------
    Covariance
        With its smallest eigenvalue; ``ill_conditioned`` where it or Sigma is.

    Raises
    ------
    DomainError
        Sigma is no covariance or of one asset, or ``keep`` does not name some of its assets.
    """
    sigma = checked_covariance(cov)
    kept = _positions("keep", keep, sigma.assets)
    return _given(sigma, kept, _others(kept, sigma.assets))


def _given(sigma: Covariance, kept: Assets, others: Assets) -> Covariance:
    whole = block(sigma, others + kept)
    # with the others first, the trailing block of the Cholesky factor is the factor of the complement
    trailing = whole.factor[len(others) :, len(others) :]
    found = checked_covariance(trailing @ trailing.T, f"the covariance of assets {kept} given {others}")
    # however tame by itself, a difference cannot be known better than what it was taken from
    return replace(found, condition=max(found.condition, whole.condition))


def _positions(name: str, positions: Iterable[int], n: int) -> Assets:
    if n == 1:
        raise DomainError("cov is of one asset: it takes two or more to tell one pool from two")
    found = tuple(positions)
    for position in found:
        if isinstance(position, bool) or not isinstance(position, Integral) or not 0 <= position < n:
            raise DomainError(f"{name} = {found}: {position!r} is not a position of an asset, 0 to {n - 1}")
    if len(set(found)) < len(found):
        raise DomainError(f"{name} = {found}: an asset is there twice")
    if not 0 < len(found) < n:
        raise DomainError(f"{name} = {found}: at least one of the {n} assets is needed, and not all")
    return tuple(int(position) for position in found)


def _others(kept: Assets, n: int) -> Assets:
    return tuple(position for position in range(n) if position not in kept)


class PaperSplitCondition(NamedTuple):
    """Claim B.1's premise ``sigma_min(Sigma/A) > sigma_max(A)``: never true, shown for the record."""

    holds: Literal[False]
    sigma_min: float
    sigma_max: float
    reason: str


def paper_split_condition(cov: Any, keep: Iterable[int]) -> PaperSplitCondition:
    """Return the premise of claim B.1, which is always false, with its two singular values (pdlp.md 9, E20).

    Parameters and errors are those of :func:`conditional_covariance`.
    """
    sigma = checked_covariance(cov)
    kept = _positions("keep", keep, sigma.assets)
    given = conditional_covariance(sigma, kept)
    return PaperSplitCondition(
        False, given.smallest_eigenvalue, block(sigma, kept).largest_eigenvalue, WHY_NEVER
    )


class WorstCase(NamedTuple):
    """One asset of a pool goes to zero while it weighs as much as the failsafe admits.

    Attributes
    ----------
    asset
        Its position; the one that costs the pool most.
    of_pool
        Loss of the pool's holders, share of the pool: ``min(1, target*(1 + failsafe))``.
    of_capital
        The same as a share of the capital of both pools together, divided by target weights.
    """

    asset: int
    of_pool: float
    of_capital: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupReport:
    """One group of assets as a pool of its own, against its part in a common pool.

    Attributes
    ----------
    assets
        Positions.
    conditional
        Covariance given the other group; flags its own conditioning.
    advantage
        Left side of (16), ``(f/gamma) p.[(A - B C^-1 B')^-1 - A^-1] ell``, USD.
    holds
        Whether it is 0 or more: the paper's verdict (15) for this group, in favour of one pool.
    worst
        Stand-alone worst case; None without target weights.
    """

    assets: Assets
    conditional: Covariance
    advantage: Any
    holds: Any
    worst: WorstCase | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SplitReport:
    """What one pool gains over two, and what separation buys.

    Attributes
    ----------
    groups
        The two groups.
    joint
        Optimum of one pool, ``Sigma^-1 carry/gamma``, USD by asset.
    separate
        Optimum of each pool by its own block, side by side.
    joint_usd, split_usd
        ``carry.e - (gamma/2) e'Sigma e`` of the two, both under the whole Sigma.
    gain_usd
        Their difference, 0 or more.
    worst
        Worst case of one pool; None without target weights.
    ill_conditioned
        Whether Sigma or a conditional covariance is close to singular (a block never is without Sigma).
    """

    groups: tuple[GroupReport, GroupReport]
    joint: Any
    separate: Any
    joint_usd: Any
    split_usd: Any
    gain_usd: Any
    worst: WorstCase | None
    ill_conditioned: bool

    @property
    def paper_prefers_one_pool(self) -> Any:
        """Tell whether (15) holds for both groups, as it does wherever p is parallel to ell; it does not decide."""
        first, second = self.groups
        return verdict(first.holds & second.holds)


def pool_split_report(
    cov: Any,
    groups: tuple[Iterable[int], Iterable[int]],
    carry: Any,
    risk_aversion: Any,
    *,
    prices: Any = 1.0,
    lent: Any = None,
    fee: Any = None,
    target_weights: Any = None,
    own_weights: Any = None,
    failsafe: Any = None,
) -> SplitReport:
    """Weigh one pool against two: (16), the optima and their worth, and the worst cases (pdlp.md 9).

    Parameters
    ----------
    cov
        Sigma, shape (n, n), or a `Covariance`.
    groups
        Positions of the assets of each pool; every asset is in one of them.
    carry
        Pay per USD held over a period by asset, shape (..., n).
    risk_aversion
        gamma, 1/USD, above 0, by scenario.
    prices
        p of (16), above 0; 1 where exposures are USD.
    lent, fee
        ell and f of (16), both or neither; ``carry`` stands for ``f*ell`` without them.
    target_weights
        Of the common pool by asset, shape (n,), summing to 1; they also say how capital would be divided.
    own_weights
        Of the separate pools, shape (n,), summing to 1 in each group; the common ones in proportion without them.
    failsafe
        Relative distance from its target at which a weight is held, fraction of the target (0.2 for JLP); needed
        with target weights.

    Raises
    ------
    DomainError
        A value outside its domain, shapes that do not match, a Sigma that is no covariance or of one asset, or groups
        that do not part its assets.
    MarketDefinitionError
        Weights that are negative or do not sum to 1.
    """
    import numpy as np

    sigma = checked_covariance(cov)
    first, second = _partition(groups, sigma.assets)
    parts = (_part(sigma, first, second), _part(sigma, second, first))
    worst, *apart = _worst_cases((first, second), target_weights, own_weights, failsafe)
    named = {
        "carry": carry,
        "fee*lent": _fee_flow(carry, lent, fee),
        "prices": checked("prices", prices, positive("prices")),
    }
    gamma = checked("risk_aversion", risk_aversion, positive("risk_aversion"))
    carry, flow, p, gamma = align(sigma.assets, named, {"risk_aversion": gamma})
    with np.errstate(over="ignore", invalid="ignore"):
        tilt = checked("fee*lent/risk_aversion", flow / gamma[..., None])
        sides = tuple(zip(parts, parts[::-1], apart, strict=True))
        reports = [_group(sigma, part, other, (p, tilt), alone) for part, other, alone in sides]
        optima = _optima(sigma, parts, carry, gamma)
    return SplitReport(
        groups=(reports[0], reports[1]),
        **{name: checked(name, value) for name, value in optima.items()},
        worst=worst,
        ill_conditioned=any(part.given.ill_conditioned for part in parts),
    )


class _Part(NamedTuple):
    """A group of assets with its own covariance and that given the other group."""

    assets: Assets
    own: Covariance
    given: Covariance


def _part(sigma: Covariance, assets: Assets, others: Assets) -> _Part:
    return _Part(assets, block(sigma, assets), _given(sigma, assets, others))


def _partition(groups: tuple[Iterable[int], Iterable[int]], n: int) -> tuple[Assets, Assets]:
    found = tuple(tuple(group) for group in groups)
    if len(found) != 2:  # noqa: PLR2004 - one pool or two
        raise DomainError(f"groups = {found}: two groups are required")
    first, second = (_positions(f"groups[{which}]", group, n) for which, group in enumerate(found))
    if sorted(first + second) != list(range(n)):
        raise DomainError(f"groups = {found}: each of the {n} assets must be in one group")
    return first, second


def _fee_flow(carry: Any, lent: Any, fee: Any) -> Any:
    if lent is None and fee is None:
        return carry
    if lent is None or fee is None:
        missing, stated = ("lent", "fee") if lent is None else ("fee", "lent")
        raise DomainError(f"{missing} is needed beside {stated}: (16) takes both, or carry in their place")
    each = as_array("fee", checked("fee", fee, share("fee")))[..., None]
    return each * checked("lent", lent, not_negative("lent"))


def _group(
    sigma: Covariance, part: _Part, other: _Part, income: tuple[Figures, Figures], worst: WorstCase | None
) -> GroupReport:
    """Report on one group; ``income`` holds p and ``(f/gamma) ell``."""
    import numpy as np

    across = sigma.matrix[np.ix_(part.assets, other.assets)]
    # (A - B C^-1 B')^-1 - A^-1 = A^-1 B (C - B'A^-1 B)^-1 B'A^-1 (Woodbury): no difference of near equals, and a
    # square for parallel p and ell
    p, tilt = (solve(part.own, figures[..., part.assets]) @ across for figures in income)
    advantage = checked("advantage", inner(p, solve(other.given, tilt)))
    return GroupReport(
        assets=part.assets,
        conditional=part.given,
        advantage=advantage,
        holds=verdict(advantage >= 0),
        worst=worst,
    )


def _optima(sigma: Covariance, parts: tuple[_Part, _Part], carry: Figures, gamma: Figures) -> dict[str, Any]:
    """Optima of one pool and of two, and ``carry.e - (gamma/2) e'Sigma e`` of each."""
    import numpy as np

    joint = solve(sigma, carry) / gamma[..., None]
    separate = np.empty_like(joint)
    for part in parts:
        separate[..., part.assets] = solve(part.own, carry[..., part.assets]) / gamma[..., None]
    lost = joint - separate
    return {
        "joint": joint,
        "separate": separate,
        "joint_usd": inner(carry, joint) / 2.0,
        "split_usd": inner(carry, separate) - gamma / 2.0 * covariance_of(sigma, separate, separate),
        # the objective is quadratic with its top at the joint optimum, so this is the difference, and never below 0
        "gain_usd": gamma / 2.0 * covariance_of(sigma, lost, lost),
    }


def _worst_cases(
    parts: tuple[Assets, Assets], target_weights: Any, own_weights: Any, failsafe: Any
) -> tuple[WorstCase | None, WorstCase | None, WorstCase | None]:
    """Worst cases of the common pool and of each separate one, None for all without target weights."""
    if target_weights is None:
        if own_weights is not None or failsafe is not None:
            raise DomainError("target_weights are needed beside own_weights or failsafe")
        return None, None, None
    if failsafe is None:
        raise DomainError(
            "failsafe is needed beside target_weights: how far from its target a weight is held"
        )
    room = 1.0 + checked("failsafe", failsafe, not_negative("failsafe"))
    if getattr(room, "ndim", 0):
        raise DomainError(f"failsafe has shape {room.shape}: one number is required")
    n = sum(len(part) for part in parts)
    targets = _weights("target_weights", target_weights, n)
    checked_weights({f"asset {position}": weight for position, weight in enumerate(targets)})
    own = targets if own_weights is None else _weights("own_weights", own_weights, n)
    first, second = (
        _worst(_own_targets(part, own, scaled=own_weights is None), room, fsum(targets[i] for i in part))
        for part in parts
    )
    return _worst(dict(enumerate(targets)), room, 1.0), first, second


def _weights(name: str, weights: Any, n: int) -> list[float]:
    array = as_array(name, weights)
    if array.shape != (n,):
        raise DomainError(f"{name} has shape {array.shape}: {n} weights are required, one an asset")
    return [float(weight) for weight in array]


def _own_targets(part: Assets, weights: list[float], *, scaled: bool) -> dict[int, float]:
    """Return the target weights of a separate pool by position; ``scaled`` from those of the common pool."""
    total = fsum(weights[position] for position in part) if scaled else 1.0
    if total == 0:
        raise MarketDefinitionError(f"target weights of assets {part} sum to 0: give own_weights")
    own = {position: weights[position] / total for position in part}
    checked_weights({f"asset {position}": weight for position, weight in own.items()})
    return own


def _worst(targets: dict[int, float], room: float, capital: float) -> WorstCase:
    """Worst case of a pool that holds a share ``capital`` of all capital; ``room`` is 1 plus the failsafe."""
    asset = max(targets, key=lambda position: targets[position])
    lost = min(1.0, targets[asset] * room)
    return WorstCase(asset, lost, capital * lost)
