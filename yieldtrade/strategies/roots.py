"""The first moment at which a sum of two exponentials reaches zero, and how the search ended."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from yieldtrade.errors import ConvergenceError
from yieldtrade.strategies.row import BreakEven

if TYPE_CHECKING:
    from collections.abc import Callable

Term = tuple[float, float]


def first_crossing(
    gain: Callable[[float], float], *, horizon: float, growth: tuple[Term, Term], scale: float = 1.0
) -> BreakEven:
    """First ``t`` in [0, horizon] at which ``gain`` is no longer negative.

    ``gain(t) = a*exp(mu*t) + b*exp(nu*t) + constant`` turns at most once, so at most two stretches need to be
    searched, each by a bracketed root.

    Parameters
    ----------
    gain
        The function.
    horizon
        End of the search, above 0.
    growth
        ``((a, mu), (b, nu))``, from which the turning point follows.
    scale
        What the answer is multiplied with, such as days a year.

    Returns
    -------
    BreakEven
        ``always`` where there is no loss from the start, ``never`` where there is one up to the horizon.

    Raises
    ------
    ConvergenceError
        A bracketed root was not found.
    """
    from scipy.optimize import brentq

    if gain(0.0) >= 0:
        return BreakEven(None, "always", "no loss from the start")
    ends = sorted({horizon, *_turning_point(growth, horizon)})
    start = 0.0
    for end in ends:
        if gain(end) >= 0:
            root, how = brentq(gain, start, end, xtol=1e-14, rtol=1e-14, full_output=True, disp=False)
            if not how.converged:
                raise ConvergenceError(f"break-even days: {how.flag} after {how.iterations} steps")
            return BreakEven(float(root) * scale, "value", iterations=int(how.iterations))
        start = end
    return BreakEven(None, "never", "at an unchanged implied yield the trade stays at a loss")


def _turning_point(growth: tuple[Term, Term], horizon: float) -> tuple[float, ...]:
    """Return where the derivative vanishes, ``t = ln(-b*nu/(a*mu))/(mu - nu)``, if inside the horizon."""
    (a, mu), (b, nu) = growth
    first, second = a * mu, b * nu
    if first * second >= 0 or mu == nu:
        return ()
    t = math.log(-second / first) / (mu - nu)
    return (t,) if 0 < t < horizon else ()
