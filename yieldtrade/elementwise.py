"""Apply one formula to numbers or to arrays, with its domain checked either way.

Numbers go through :mod:`math`, so that a single quote never imports numpy; anything else broadcasts through
numpy. A formula is written once, over a namespace ``xp`` that is one of the two; :func:`where` and
:func:`ratio` supply what :mod:`math` lacks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, overload

from yieldtrade.errors import DomainError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

Number: TypeAlias = float
OnError: TypeAlias = Literal["raise", "nan"]
Formula: TypeAlias = Callable[..., Any]

# Elements worked on at once: a block and its temporaries stay in the processor's cache.
BLOCK = 65_536


class Bound(NamedTuple):
    """A condition on the arguments of a formula.

    ``holds(**arguments)`` gives a truth value or an array of them; ``message`` completes the sentence
    "<argument> = <value> ..." and ``error`` is the class raised.
    """

    argument: str
    holds: Callable[..., Any]
    message: str
    error: type[DomainError] = DomainError


def positive(name: str) -> Bound:
    """Return the bound on a number above 0."""
    return Bound(name, lambda **given: given[name] > 0, "must be above 0")


def not_negative(name: str) -> Bound:
    """Return the bound on a number of 0 or more."""
    return Bound(name, lambda **given: given[name] >= 0, "must be 0 or more")


def share(name: str) -> Bound:
    """Return the bound on a fee or another share of a whole: 0 or more, below 1."""
    return Bound(
        name, lambda **given: (given[name] >= 0) & (given[name] < 1), "must be 0 or more and below 1"
    )


class _Task(NamedTuple):
    """What is to be evaluated, and what is refused on the way."""

    formula: Formula
    bounds: tuple[Bound, ...]
    finite: bool
    on_error: OnError


class _Fault(NamedTuple):
    """One way in which elements of a block are bad: ``bad`` marks them."""

    argument: str
    bad: NDArray[np.bool_]
    message: str
    error: type[DomainError]


@overload
def evaluate(
    formula: Formula, bounds: tuple[Bound, ...], on_error: OnError, *, finite: bool = ..., **arguments: Number
) -> float: ...
@overload
def evaluate(
    formula: Formula,
    bounds: tuple[Bound, ...],
    on_error: OnError,
    *,
    finite: bool = ...,
    **arguments: ArrayLike,
) -> NDArray[np.float64]: ...
def evaluate(
    formula: Formula,
    bounds: tuple[Bound, ...],
    on_error: OnError,
    *,
    finite: bool = True,
    **arguments: Any,
) -> Any:
    """Evaluate ``formula(xp, **arguments)`` where every bound holds.

    Parameters
    ----------
    formula
        Callable of a namespace (``math`` or ``numpy``) and the named arguments. Each element of its result
        depends on the same element of the arguments alone: it sees arrays in blocks.
    bounds
        Conditions on the arguments, each of which is already known to be a finite number.
    on_error
        ``"raise"`` raises for the first bad element and names its index; ``"nan"`` returns NaN there and
        computes the rest (for a lone number, NaN).
    finite
        Refuse an infinite result. False only for formulas in which infinity is an answer.
    **arguments
        Numbers or array-likes; arrays broadcast together.

    Returns
    -------
    float or numpy.ndarray of float64
        A float where every argument is a number, a numpy scalar or a 0-d array, else an array of the
        broadcast shape.

    Raises
    ------
    DomainError
        A value is not a finite number, or a bound does not hold.
    """
    check_choice("on_error", on_error, ("raise", "nan"))
    task = _Task(formula, bounds, finite, on_error)
    if all(_is_number(value) for value in arguments.values()):
        return _evaluate_number(task, arguments)
    return _evaluate_array(task, arguments)


def checked(name: str, value: Any, *bounds: Bound) -> Any:
    """Return ``value`` itself, as a float or an array of float64, once it is finite and within its bounds.

    Raises
    ------
    DomainError
        It is not.
    """
    return evaluate(lambda _xp, **given: given[name], bounds, "raise", **{name: value})


def check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a word that is none of those allowed.

    Raises
    ------
    DomainError
        ``value`` is not in ``allowed``.
    """
    if value not in allowed:
        raise DomainError(f"{name} = {value!r}: allowed are {', '.join(map(repr, allowed))}")


def namespace(*values: Any) -> Any:
    """Return :mod:`math` where every value is a number, else numpy."""
    if all(_is_number(value) for value in values):
        return math
    import numpy as np

    return np


def as_fields(xp: Any, **values: Any) -> dict[str, Any]:
    """Return results as the fields of a value object: numbers with None for NaN, or arrays of one shape."""
    if xp is math:
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in values.items()
        }
    return dict(zip(values, xp.broadcast_arrays(*values.values()), strict=True))


def where(xp: Any, condition: Any, yes: Any, no: Any) -> Any:
    """Choose ``yes`` where ``condition`` holds, else ``no``; both are evaluated."""
    if xp is math:
        return yes if condition else no
    return xp.where(condition, yes, no)


def ratio(xp: Any, numerator: Any, denominator: Any, at_zero: float) -> Any:
    """Divide, giving ``at_zero`` where the denominator is 0."""
    if xp is math:
        return numerator / denominator if denominator else at_zero
    with xp.errstate(all="ignore"):
        return xp.where(denominator == 0, at_zero, xp.divide(numerator, denominator))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _evaluate_number(task: _Task, arguments: dict[str, float]) -> float:
    try:
        return _checked_number(task, arguments)
    except DomainError:
        if task.on_error == "nan":
            return math.nan
        raise


def _checked_number(task: _Task, arguments: dict[str, float]) -> float:
    numbers = {name: as_number(name, value) for name, value in arguments.items()}
    for bound in task.bounds:
        if not bound.holds(**numbers):
            raise bound.error(f"{bound.argument} = {numbers[bound.argument]!r} {bound.message}")
    try:
        result = float(task.formula(math, **numbers))
    except OverflowError:
        result = math.nan
    if math.isnan(result) or (task.finite and math.isinf(result)):
        stated = ", ".join(f"{name} = {value!r}" for name, value in numbers.items())
        raise DomainError(f"the result for {stated} is too large to represent")
    return result


def as_number(name: str, value: float) -> float:
    """Convert ``value`` to a float, refusing what is not a finite number with the argument's name."""
    number = _to_float(value)
    if not math.isfinite(number):
        raise DomainError(f"{name} = {number!r} is not a finite number")
    return number


def _to_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _evaluate_array(task: _Task, arguments: dict[str, Any]) -> Any:
    import numpy as np

    arrays = {name: as_array(name, value) for name, value in arguments.items()}
    shape = _common_shape(arrays)
    result = np.empty(shape)
    with np.errstate(all="ignore"):
        for rows in _blocks(shape):
            part = {name: _rows(array, rows, shape) for name, array in arrays.items()}
            values = np.asarray(task.formula(np, **part))
            faults = [
                _Fault(name, ~good, message, error)
                for name, good, message, error in _checks(task, part, values)
                if not good.all()
            ]
            if faults and task.on_error == "raise":
                _refuse(faults, arrays, shape, rows)
            for fault in faults:
                values = np.where(fault.bad, np.nan, values)
            result[rows if shape else ()] = values
    return result if shape else float(result)


def as_array(name: str, value: Any) -> NDArray[np.float64]:
    """Convert ``value`` to float64, refusing text, booleans and ragged lists with the argument's name."""
    import numpy as np

    try:
        array = np.asarray(value)
    except ValueError:
        raise DomainError(f"{name} is not a regular array: give rows of equal length") from None
    if isinstance(value, (list, tuple)) and any(
        isinstance(item, (bool, np.bool)) for item in np.asarray(value, dtype=object).flat
    ):
        raise DomainError(f"{name} holds bool values: numbers are required")
    if array.dtype.kind == "O" and all(_is_number(item) for item in array.flat):
        return np.array([_to_float(item) for item in array.flat]).reshape(array.shape)
    if array.dtype.kind not in "iuf":
        raise DomainError(f"{name} holds {array.dtype.name} values: numbers are required")
    return array.astype(np.float64, copy=False)


def _common_shape(arrays: dict[str, NDArray[np.float64]]) -> tuple[int, ...]:
    import numpy as np

    try:
        return np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name}{array.shape}" for name, array in arrays.items())
        raise DomainError(f"shapes do not broadcast: {shapes}") from None


def _blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of the first axis that hold about ``BLOCK`` elements each, in order."""
    if not shape:
        yield slice(0, 1)
        return
    step = max(1, BLOCK // max(1, math.prod(shape[1:])))
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


def _rows(array: NDArray[np.float64], rows: slice, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the part of an argument that broadcasts against the rows of a block."""
    spans_rows = shape and array.ndim == len(shape) and array.shape[0] == shape[0]
    return array[rows] if spans_rows else array


def _checks(
    task: _Task, part: dict[str, NDArray[np.float64]], values: NDArray[np.float64]
) -> Iterator[tuple[str, Any, str, type[DomainError]]]:
    """Yield (argument, where all is well, message, error) in the order in which an element's faults count."""
    import numpy as np

    for name, array in part.items():
        yield name, np.isfinite(array), "is not a finite number", DomainError
    for argument, holds, message, error in task.bounds:
        yield argument, np.asarray(holds(**part)), message, error
    representable = np.isfinite(values) if task.finite else ~np.isnan(values)
    yield next(iter(part)), representable, "gives a result too large to represent", DomainError


def _refuse(
    faults: list[_Fault], arrays: dict[str, NDArray[np.float64]], shape: tuple[int, ...], rows: slice
) -> None:
    """Raise for the bad element that comes first; ``rows`` is where the block stands in the whole array."""
    import numpy as np

    block = (rows.stop - rows.start, *shape[1:]) if shape else ()

    def first(fault: _Fault) -> int:
        return int(np.broadcast_to(fault.bad, block).argmax())

    fault = min(faults, key=first)
    index = tuple(int(i) for i in np.unravel_index(first(fault), block))
    if shape:
        index = (index[0] + rows.start, *index[1:])
    value = float(np.broadcast_to(arrays[fault.argument], shape)[index])
    name = f"{fault.argument}[{', '.join(map(str, index))}]" if shape else fault.argument
    raise fault.error(f"{name} = {value!r} {fault.message}")
