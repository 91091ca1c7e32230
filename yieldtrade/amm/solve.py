"""Choices and roots that work alike on a number and on an array of them."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from yieldtrade.amm.base import Amount

# bisection alone needs no more from the largest double down to the smallest
MAX_STEPS = 2200
# two roundings of the result: a bracket can hardly get narrower
RELATIVE_WIDTH = 4 * sys.float_info.epsilon
SMALLEST = sys.float_info.min / sys.float_info.epsilon


def namespace(*values: Amount) -> Any:
    """Return :mod:`math` where every value is a number, else numpy."""
    for value in values:
        if not isinstance(value, (int, float)):
            import numpy as np

            return np
    return math


def pick(condition: Any, chosen: Callable[[], Amount], other: Amount) -> Amount:
    """Return ``chosen()`` where ``condition`` holds, else ``other``; a number computes only what it needs."""
    if isinstance(condition, bool):
        return chosen() if condition else other
    import numpy as np

    return np.where(condition, chosen(), other)


def smaller(a: Amount, b: Amount) -> Amount:
    """Return the smaller of two, element by element."""
    return pick(b < a, lambda: b, a)


def larger(a: Amount, b: Amount) -> Amount:
    """Return the larger of two, element by element."""
    return pick(b > a, lambda: b, a)


def ratio(amount: Amount, units: Amount) -> Amount:
    """Divide, quietly where an element of ``units`` is 0: the caller replaces that element."""
    if namespace(amount, units) is math:
        return amount / units
    import numpy as np

    with np.errstate(all="ignore"):
        return amount / units


def any_of(condition: Any) -> bool:
    """Whether the condition holds for the number, or for any element."""
    return condition if isinstance(condition, bool) else bool(condition.any())


def all_of(condition: Any) -> bool:
    """Whether the condition holds for the number, or for every element."""
    return condition if isinstance(condition, bool) else bool(condition.all())


class Root(NamedTuple):
    """How a search ended.

    ``at`` is the best point, ``below`` the end of the last bracket where the function is not positive;
    ``converged`` is False where the ends had the same sign or the steps ran out.
    """

    at: Amount
    below: Amount
    converged: Any


def find_root(function: Callable[[Amount], Amount], low: Amount, high: Amount) -> Root:
    """Find where ``function`` crosses 0 between ``low`` and ``high``, elements side by side.

    Chandrupatla's method: inverse quadratic interpolation where it is safe, bisection elsewhere; as fast as
    Brent's and free of his history-dependent branches, so that all elements of an array advance together.

    Parameters
    ----------
    function
        Takes and returns a number or an array.
    low, high
        Ends of the bracket, with values of opposite sign (or 0) there.

    Returns
    -------
    Root
        The root to about 1e-15 relative, and whether it was reached.
    """
    if namespace(low, high) is math:
        return _search(function, _Ends(float(low), function(low), float(high), function(high)), _either)
    import numpy as np

    low, high = np.broadcast_arrays(np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64))
    with np.errstate(all="ignore"):
        return _search(function, _Ends(low, function(low), high, function(high)), np.where)


class _Ends(NamedTuple):
    """A bracket: the end last computed, and the other, with their values."""

    near: Amount
    f_near: Amount
    far: Amount
    f_far: Amount


def _either(condition: Any, chosen: Amount, other: Amount) -> Amount:
    """Do for a number what ``numpy.where`` does for arrays."""
    return chosen if condition else other


def _search(function: Callable[[Amount], Amount], ends: _Ends, where: Callable[..., Amount]) -> Root:
    bracketed = (ends.f_near <= 0) != (ends.f_far <= 0)
    done = (ends.f_near == 0) | (ends.f_far == 0)
    ended = done | ((ends.f_near <= 0) == (ends.f_far <= 0))
    share = 0.0 * (ends.near + ends.far) + 0.5
    for _ in range(MAX_STEPS):
        if all_of(ended):
            break
        point = ends.near + share * (ends.far - ends.near)
        narrower, old, f_old = _narrow(ends, point, function(point), where)
        # an element that has ended keeps its bracket while the others go on
        ends = _Ends(*(where(ended, kept, new) for kept, new in zip(ends, narrower, strict=True)))
        margin = _margin(ends, where)
        done = done | (bracketed & ((2 * margin >= 1) | (ends.f_near == 0)))
        ended = ended | done
        if not all_of(ended):
            following = _next_share(ends, old, f_old)
            # at least the tolerance away from either end, or the last step would never close the bracket
            following = where(
                following < margin, margin, where(following > 1 - margin, 1 - margin, following)
            )
            share = where(ended, share, following)
    at = where(abs(ends.f_near) <= abs(ends.f_far), ends.near, ends.far)
    below = where(ends.f_far == 0, ends.far, where(ends.f_near <= 0, ends.near, ends.far))
    return Root(at, below, done)


def _narrow(
    ends: _Ends, point: Amount, value: Amount, where: Callable[..., Amount]
) -> tuple[_Ends, Amount, Amount]:
    """Replace the end on the same side of the root by ``point``; also return the end that drops out."""
    near, f_near, far, f_far = ends
    same = (value <= 0) == (f_near <= 0)
    narrower = _Ends(point, value, where(same, far, near), where(same, f_far, f_near))
    return narrower, where(same, near, far), where(same, f_near, f_far)


def _margin(ends: _Ends, where: Callable[..., Amount]) -> Amount:
    """Tolerance as a share of the bracket's width; a half or more where the bracket is narrow enough."""
    best = where(abs(ends.f_near) < abs(ends.f_far), abs(ends.near), abs(ends.far))
    # numbers below the smallest normal one have no relative width left to narrow
    tolerance = where(best > SMALLEST, RELATIVE_WIDTH * best, RELATIVE_WIDTH * SMALLEST)
    return tolerance / abs(ends.far - ends.near)


def _next_share(ends: _Ends, old: Amount, f_old: Amount) -> Amount:
    """Where to try next, as a share of the way from the near end to the far one."""
    near, f_near, far, f_far = ends
    position = (near - far) / (old - far)
    height = (f_near - f_far) / (f_old - f_far)
    safe = (height**2 < position) & ((1 - height) ** 2 < 1 - position)
    return pick(
        safe,
        lambda: (
            f_near / (f_far - f_near) * f_old / (f_far - f_old)
            + (old - near) / (far - near) * f_near / (f_old - f_near) * f_far / (f_old - f_far)
        ),
        0.5,
    )
