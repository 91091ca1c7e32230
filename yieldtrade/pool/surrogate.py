"""The quadratic surrogate of a discount known only by asking it, and how far it can be off (pdlp.md 5).

``f(d)`` is the discount on a deposit d with everything else fixed, f(0) = 0. If it is mu-strongly concave it lies
below ``h(d) = g.d - (mu/2)*d.d`` with ``g = grad f(0)`` (8). F, H and S mark the maximisers of f, of h and of
``S(d) = f(d)*(p.d)``.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.elementwise import as_number, checked, not_negative, positive
from yieldtrade.errors import DomainError
from yieldtrade.pool.weights import settled, vectors

if TYPE_CHECKING:
    from collections.abc import Callable

    from yieldtrade.pool.weights import Floats


class Surrogate(NamedTuple):
    """The concave quadratic ``h(d) = g.d - (mu/2)*d.d`` above a discount.

    ``d_h = g/mu`` is its maximiser over all d; ``estimated`` tells that mu was measured and not given, so that h
    may lie below the discount away from 0.
    """

    g: Floats
    mu: float
    d_h: Floats
    estimated: bool

    def value(self, d: Any) -> Any:
        """Return h(d) for one deposit, or for many along leading axes."""
        deposits = vectors(d=d)[0]
        return settled(deposits @ self.g - self.mu / 2.0 * (deposits**2).sum(axis=-1))


def quadratic_surrogate(
    f: Callable[[Any], Any], dim: int, mu: float | None = None, *, probe: Any
) -> Surrogate:
    """Surrogate of a black-box discount from its values around no trade (pdlp.md 5, equation 8).

    Parameters
    ----------
    f
        Discount of a deposit, an array of ``dim`` units.
    dim
        Number of assets.
    mu
        Strong concavity, above 0; None measures the smallest curvature at 0 from second differences along every
        axis and every pair of axes. That is exact for a quadratic and an estimate for anything else.
    probe
        Step of the differences, units, above 0: a number, or one for every asset.

    Returns
    -------
    Surrogate
        Its maximiser is not projected on any constraint.

    Raises
    ------
    DomainError
        A discount for no trade, one that is not a finite number, mu of 0 or below given or measured (f is not
        strongly concave there), or a value outside its domain.
    """
    import numpy as np

    if dim < 1:
        raise DomainError(f"dim = {dim!r} must be 1 or more")
    steps = np.diag(np.broadcast_to(checked("probe", probe, positive("probe")), (dim,)))

    def at(d: Floats) -> float:
        return as_number("f", f(d))

    nothing = at(np.zeros(dim))
    if nothing != 0:
        raise DomainError(f"f(0) = {nothing!r}: a discount must be 0 for no trade")
    ahead, behind = (np.array([at(side * step) for step in steps]) for side in (1.0, -1.0))
    g = (ahead - behind) / (2.0 * steps.diagonal())
    size = _smallest_curvature(at, steps, ahead + behind) if mu is None else as_number("mu", mu)
    if size <= 0:
        known = "measured" if mu is None else "given"
        raise DomainError(
            f"mu = {size!r} as {known} must be above 0: f is then not strongly concave around 0"
        )
    return Surrogate(g=g, mu=size, d_h=g / size, estimated=mu is None)


def _smallest_curvature(at: Callable[[Floats], float], steps: Floats, sums: Floats) -> float:
    """Smallest eigenvalue of minus the Hessian at 0; ``sums`` are f(h) + f(-h) along the axes."""
    import numpy as np

    hessian = np.diag(sums)
    for i, j in combinations(range(len(steps)), 2):
        mixed = [
            first * second * at(first * steps[i] + second * steps[j])
            for first in (1.0, -1.0)
            for second in (1.0, -1.0)
        ]
        hessian[i, j] = hessian[j, i] = sum(mixed) / 4.0
    length = steps.diagonal()
    return float(np.linalg.eigvalsh(-hessian / np.outer(length, length))[0])


class SurrogateBounds(NamedTuple):
    """Upper bounds on distances between maximisers, units, and on what the surrogate's point can miss, USD.

    ``f_to_h``: |d_F - d_H|; ``f_to_h_interior``: the same where no constraint binds at d_F; ``s_to_h``: |d_S - d_H|;
    ``gap_usd``: S(d_S) - S(d_F).
    """

    f_to_h: Any
    f_to_h_interior: Any
    s_to_h: Any
    gap_usd: Any


def surrogate_bounds(
    G: Any, mu: Any, p: Any, *, gradient_at_zero: Any | None = None
) -> dict[str, SurrogateBounds]:
    """Bounds of claims 3.1, 3.2 and 3.3, as printed, corrected and sharp (pdlp.md 5).

    ``"paper"``
        2G/mu, G/mu, 4G/mu and ``(40 + 8/C)*|p|*G^3/mu^2`` with C the smallest price. G bounds the norm of the
        gradient over the domain, which has to be bounded.
    ``"corrected"``
        The same distances; the gap ``40*|p|*G^3/mu^2 + 8*G^2/mu`` does not need mu <= G.
    ``"sharp"``
        With ``G0 = |grad f(0)|`` alone: both distances G0/mu, the gap ``|p|*G0^3/(2*mu^2)``. By (8) any d with
        f(d) >= 0 has ``|d - g/mu| <= G0/mu``, which holds for d_F, and for d_S where p.d_S > 0; projecting g/mu
        on a convex set that holds them keeps it. ``f(d_F) <= G0^2/(2*mu)`` and ``|d_S - d_F| <= G0/mu`` give the
        gap.

    Parameters
    ----------
    G
        Bound on |grad f|, a unit, 0 or more.
    mu
        Strong concavity, above 0.
    p
        Prices, of shape (..., n).
    gradient_at_zero
        |grad f(0)|, at most ``G``; ``G`` where it is not given.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    import numpy as np

    G = checked("G", G, not_negative("G"))
    mu = checked("mu", mu, positive("mu"))
    p = vectors(p=p)[0]
    length = settled(np.linalg.norm(p, axis=-1))
    g0 = G if gradient_at_zero is None else gradient_at_zero
    g0 = checked("gradient_at_zero", g0, not_negative("gradient_at_zero"))
    if np.any(np.asarray(g0) > G):
        raise DomainError(f"gradient_at_zero = {g0!r} exceeds G = {G!r}, which bounds every gradient")
    unit, cubic = G / mu, length * G**3 / mu**2
    distances = (2.0 * unit, unit, 4.0 * unit)
    return {
        "paper": SurrogateBounds(*distances, (40.0 + 8.0 / settled(p.min(axis=-1))) * cubic),
        "corrected": SurrogateBounds(*distances, 40.0 * cubic + 8.0 * G**2 / mu),
        "sharp": SurrogateBounds(g0 / mu, g0 / mu, g0 / mu, length * g0**3 / (2.0 * mu**2)),
    }
