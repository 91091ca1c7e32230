"""How a debt grows slot by slot (strategies.md 2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, overload

from yieldtrade.conventions import YEAR_SECONDS
from yieldtrade.elementwise import Bound, Number, evaluate, not_negative, where
from yieldtrade.errors import MissingDataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from yieldtrade.lending.reserve import Reserve

# The curves of klend count on slots of half a second.
SLOTS_PER_YEAR = 2 * YEAR_SECONDS
# Up to here the program multiplies out; beyond, it takes the first terms of the binomial series.
EXACT_SLOTS = 4

_WHOLE = Bound("n", lambda n, **_: (n >= 0) & (n % 1 == 0), "must be a whole number of slots, 0 or more")


@overload
def compound_slots(
    rate: Number, n: Number, *, host_rate: Number = ..., slots_per_year: Number = ...
) -> float: ...
@overload
def compound_slots(
    rate: ArrayLike, n: ArrayLike, *, host_rate: ArrayLike = ..., slots_per_year: Number = ...
) -> NDArray[np.float64]: ...
def compound_slots(rate: Any, n: Any, *, host_rate: Any = 0.0, slots_per_year: Any = SLOTS_PER_YEAR) -> Any:
    """Growth factor of a debt over ``n`` slots, ``1 + b n + b^2 n(n-1)/2 + b^3 n(n-1)(n-2)/6`` (strategies.md 2.2).

    Parameters
    ----------
    rate
        Rate of the curve, without slot adjustment, 0 or more.
    n
        Slots that really passed. Count them, or multiply the rate by the slot adjustment; never both.
    host_rate
        Fixed rate of the host, 0 or more.
    slots_per_year
        Slots a year that the rates count on.

    Returns
    -------
    float or numpy.ndarray
        Exactly ``(1+b)^n`` for four slots or less, with ``b = (rate + host_rate)/slots_per_year``.

    Raises
    ------
    DomainError
        A negative rate, a broken or negative number of slots, a value that is not finite.
    """
    return evaluate(
        _compound,
        (not_negative("rate"), _WHOLE, not_negative("host_rate")),
        "raise",
        rate=rate,
        n=n,
        host_rate=host_rate,
        slots_per_year=slots_per_year,
    )


def _compound(xp: Any, rate: Any, n: Any, host_rate: Any, slots_per_year: Any) -> Any:
    b = (rate + host_rate) / slots_per_year
    series = 1.0 + b * n * (1.0 + b * (n - 1.0) / 2.0 * (1.0 + b * (n - 2.0) / 3.0))
    few = n <= EXACT_SLOTS
    return where(xp, few, (1.0 + b) ** where(xp, few, n, 0.0), series)


class Accrued(NamedTuple):
    """A reserve after interest: what is borrowed, what lenders own, and what left them for host and protocol."""

    borrowed: Any
    supplied: Any
    host_fee: Any
    protocol_fee: Any


def accrue(reserve: Reserve, slots: Any) -> Accrued:
    """Let a reserve accrue over slots at its present utilization (strategies.md 2.2).

    The debt grows at curve and host rate together. The host takes what it alone would have grown by, the protocol
    its part of the rest.

    Parameters
    ----------
    reserve
        Its ``periods_per_year`` are the slots a year of the curve; its slot adjustment is not applied.
    slots
        Slots that really passed, a whole number.

    Raises
    ------
    MissingDataError
        The reserve's take rate is not known.
    DomainError
        A value outside its domain.
    """
    if reserve.take_rate is None:
        raise MissingDataError("take_rate of the reserve is not known; load it to tell what lenders earn")
    clock = reserve.periods_per_year
    curve = reserve.model.rate(reserve.utilization)
    grown = reserve.borrowed * compound_slots(curve, slots, host_rate=reserve.host_rate, slots_per_year=clock)
    host_fee = reserve.borrowed * (compound_slots(reserve.host_rate, slots, slots_per_year=clock) - 1.0)
    protocol_fee = (grown - reserve.borrowed - host_fee) * reserve.take_rate
    supplied = reserve.supply + (grown - reserve.borrowed) - host_fee - protocol_fee
    return Accrued(grown, supplied, host_fee, protocol_fee)
