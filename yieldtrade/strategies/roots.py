"""The first moment at which a trade has paid for itself, and how the search ended."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from yieldtrade.conventions import DAYS_PER_YEAR
from yieldtrade.errors import ConvergenceError
from yieldtrade.strategies.row import BreakEven

if TYPE_CHECKING:
    from collections.abc import Callable

Term = tuple[float, float]


def first_crossing(
    gain: Callable[[float], float],
    *,
    horizon: float,
    growth: tuple[Term, Term],
    slope: float = 0.0,
    scale: float = 1.0,
    never: str = "at an unchanged implied yield the trade stays at a loss",
) -> BreakEven:
    """First ``t`` in [0, horizon] at which ``gain`` is no longer negative.

    ``gain(t) = a*exp(mu*t) + b*exp(nu*t) + slope*t + constant`` turns at most twice, without ``slope`` once, so
    few stretches need to be searched, each by a bracketed root.

    Parameters
    ----------
    gain
        The function.
    horizon
        End of the search, above 0.
    growth
        ``((a, mu), (b, nu))``, from which the turning points follow.
    slope
        What runs up evenly, such as funding.
    scale
        What the answer is multiplied with, such as days a year.
    never
        Why, where there is none.

    Returns
    -------
    BreakEven
        ``always`` where there is no loss from the start, ``never`` where there is one up to the horizon.

    Raises
    ------
    ConvergenceError
        A bracketed root was not found.
    """
    if gain(0.0) >= 0:
        return BreakEven(None, "always", "no loss from the start")
    start = 0.0
    for end in (*_turning_points(growth, slope, horizon), horizon):
        if gain(end) >= 0:
            root, iterations = _bracketed(gain, start, end)
            return BreakEven(root * scale, "value", iterations=iterations)
        start = end
    return BreakEven(None, "never", never)


def cost_recovered(cost_ratio: float, implied_apy: float, tau: float) -> BreakEven:
    """Days until the carry of a PT has paid for getting in and out, ``(1+y)^t = cost_ratio`` (strategies.md 5).

    Parameters
    ----------
    cost_ratio
        What a PT costs over what its sale at once would bring, above 0.
    implied_apy
        Implied yield at which it ages, above 0.
    tau
        Years to maturity, above 0.
    """
    years = math.log(cost_ratio) / math.log1p(implied_apy)
    if years > tau:
        return BreakEven(None, "never", "a PT costs more than the 1 ST that it redeems")
    if years <= 0:
        return BreakEven(None, "always", "no cost of entry")
    return BreakEven(years * DAYS_PER_YEAR, "value")


def rate_limit(ratio: float, years: float, what: str) -> BreakEven:
    """Annual rate up to which a trade does not lose, ``ratio^(1/t) - 1``.

    Over moments the rate leaves what numbers can hold, and the answer is a word.

    Parameters
    ----------
    ratio
        Growth over the whole time at which nothing is won or lost, above 0.
    years
        That time t, above 0.
    what
        Name of the rate, for the reason.
    """
    try:
        rate = math.expm1(math.log(ratio) / years)
    except OverflowError:
        return BreakEven(None, "always", f"no {what} that can be represented is high enough to lose")
    if rate <= -1:
        return BreakEven(None, "never", f"no {what} above -100 % is low enough")
    return BreakEven(rate, "value")


def _bracketed(function: Callable[[float], float], start: float, end: float) -> tuple[float, int]:
    from scipy.optimize import brentq

    root, how = brentq(function, start, end, xtol=1e-14, rtol=1e-14, full_output=True, disp=False)
    if not how.converged:
        raise ConvergenceError(f"break-even days: {how.flag} after {how.iterations} steps")
    return float(root), int(how.iterations)


def _turning_points(growth: tuple[Term, Term], slope: float, horizon: float) -> tuple[float, ...]:
    """Return where the derivative changes its sign inside the horizon, in order."""
    (a, mu), (b, nu) = growth
    speed = ((a * mu, mu), (b * nu, nu))
    if slope == 0:
        return _sign_change(speed, horizon)

    def derivative(t: float) -> float:
        return math.fsum((*(factor * math.exp(rate * t) for factor, rate in speed), slope))

    # between the zeros of the second derivative the first runs one way
    curvature = ((a * mu * mu, mu), (b * nu * nu, nu))
    ends = (0.0, *_sign_change(curvature, horizon), horizon)
    return tuple(
        _bracketed(derivative, left, right)[0]
        for left, right in pairwise(ends)
        if derivative(left) * derivative(right) < 0
    )


def _sign_change(terms: tuple[Term, Term], horizon: float) -> tuple[float, ...]:
    """Return where ``a*exp(mu*t) + b*exp(nu*t)`` vanishes, ``t = ln(-b/a)/(mu - nu)``, if inside the horizon."""
    (a, mu), (b, nu) = terms
    if a * b >= 0 or mu == nu:
        return ()
    t = math.log(-b / a) / (mu - nu)
    return (t,) if 0 < t < horizon else ()
