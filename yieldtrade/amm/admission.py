"""Which sizes and targets a venue accepts, and what it says about the others (amm.md 1)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.amm.solve import namespace
from yieldtrade.elementwise import OnError, as_array
from yieldtrade.errors import CapacityError, DomainError

if TYPE_CHECKING:
    from collections.abc import Callable

    from yieldtrade.amm.base import Amount


class Asked(NamedTuple):
    """One refused element: what it is called, its value, the accepted interval, and where it stands."""

    name: str
    value: float
    low: float
    high: float
    place: tuple[int, ...]


def check_on_error(on_error: str) -> None:
    """Refuse anything but ``"raise"`` and ``"nan"``."""
    if on_error not in ("raise", "nan"):
        raise DomainError(f"on_error = {on_error!r}: allowed are 'raise' and 'nan'")


def admit(
    name: str,
    value: Any,
    within: tuple[Amount, Amount],
    otherwise: Amount,
    *,
    on_error: OnError,
    problem: Callable[[Asked], Exception],
) -> tuple[Amount, Any]:
    """Return values that are accepted, ``otherwise`` in place of the rest, and which those are.

    Raises
    ------
    DomainError, CapacityError
        Whatever ``problem`` makes of the first element that is not finite or not ``within``, unless
        ``on_error`` is ``"nan"``.
    """
    check_on_error(on_error)
    low, high = within
    if namespace(low, high) is math and isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
        if math.isfinite(number) and low <= number <= high:
            return number, False
        if on_error == "raise":
            raise problem(Asked(name, number, low, high, ()))
        return otherwise, True
    import numpy as np

    array, least, most = np.broadcast_arrays(as_array(name, value), low, high)
    refused = ~(np.isfinite(array) & (array >= least) & (array <= most))
    if on_error == "raise" and refused.any():
        index = tuple(int(i) for i in np.argwhere(refused)[0])
        where = f"{name}[{', '.join(map(str, index))}]" if index else name
        raise problem(Asked(where, float(array[index]), float(least[index]), float(most[index]), index))
    return np.where(refused, otherwise, array), refused


def size_problem(asked: Asked, binding: Any) -> Exception:
    """Say why a size cannot trade: not finite, negative, or above the largest."""
    if not math.isfinite(asked.value):
        return DomainError(f"{asked.name} = {asked.value}: a finite size is required")
    if asked.value < 0:
        return DomainError(
            f"{asked.name} = {asked.value!r}: sizes are 0 or more; choose the other side to turn the trade"
        )
    limit = _element(binding, asked.place)
    return CapacityError(
        f"{asked.name} = {asked.value!r} is above the largest possible, {asked.high!r} ({limit}); trade less",
        requested=asked.value,
        maximum=asked.high,
        binding=limit,
    )


def target_problem(asked: Asked, bindings: tuple[Any, Any]) -> Exception:
    """Say why a yield cannot be reached; ``bindings`` limit the way down and the way up."""
    if not math.isfinite(asked.value):
        return DomainError(f"{asked.name} = {asked.value}: a finite yield is required")
    above = asked.value > asked.high
    limit = _element(bindings[above], asked.place)
    return CapacityError(
        f"{asked.name} = {asked.value!r} is out of reach: one trade can move the implied yield from "
        f"{asked.low!r} to {asked.high!r} ({limit}); choose a target in between",
        requested=asked.value,
        maximum=asked.high if above else asked.low,
        binding=limit,
    )


def _element(names: Any, index: tuple[int, ...]) -> str:
    """Return the limit of one element of a batch; one name may stand for all."""
    if isinstance(names, str):
        return names
    shape = names.shape
    # the batch broadcasts against the sizes: trailing axes align, axes of length 1 repeat
    aligned = index[len(index) - len(shape) :]
    return str(names[tuple(0 if length == 1 else i for i, length in zip(aligned, shape, strict=True))])
