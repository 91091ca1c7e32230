"""What a falling index does to the ledger, to PT and to YT, by the venue's rule (tokens.md 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from yieldtrade.elementwise import Number, OnError, as_array, check_choice, checked, evaluate, positive, where
from yieldtrade.errors import DomainError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

NegativeYieldRule: TypeAlias = Literal["high_water_mark", "pass_through", "floor_zero"]


def high_water_mark(index: ArrayLike, *, previous: ArrayLike | None = None) -> NDArray[np.float64]:
    """Highest index so far after each reading, ``W_t = max(W_{t-1}, R_t)``.

    Parameters
    ----------
    index
        Readings R along the last axis, of shape (..., n).
    previous
        Mark before the first reading, of shape (...); None where the series starts at its own mark.

    Returns
    -------
    numpy.ndarray
        Marks of shape (..., n).

    Raises
    ------
    DomainError
        A reading or mark that is not positive and finite, or readings without an axis of time.
    """
    import numpy as np

    readings = _readings(index)
    if previous is not None:
        before = as_array("previous", checked("previous", previous, positive("previous")))
        readings = np.maximum(readings, before[..., None])
    return np.maximum.accumulate(readings, axis=-1)


def ledger_growth(index: ArrayLike, *, negative_yield_rule: NegativeYieldRule) -> NDArray[np.float64]:
    """Growth g that the ledger distributes between readings of the index, by the rule on losses.

    Parameters
    ----------
    index
        Readings R along the last axis, of shape (..., n + 1).
    negative_yield_rule
        ``pass_through`` R1/R0 - 1 as it is; ``floor_zero`` 0 where that is negative; ``high_water_mark`` the
        growth of the mark, so that nothing is paid until a loss is made good.

    Returns
    -------
    numpy.ndarray
        Growths of shape (..., n).

    Raises
    ------
    DomainError
        An unknown rule, or a reading that is not positive and finite.
    """
    import numpy as np

    check_choice(
        "negative_yield_rule", negative_yield_rule, ("high_water_mark", "pass_through", "floor_zero")
    )
    readings = _readings(index)
    if negative_yield_rule == "high_water_mark":
        readings = high_water_mark(readings)
    growth = np.diff(readings, axis=-1) / readings[..., :-1]
    return np.maximum(growth, 0.0) if negative_yield_rule == "floor_zero" else growth


def _readings(index: ArrayLike) -> NDArray[np.float64]:
    readings = as_array("index", checked("index", index, positive("index")))
    if readings.ndim == 0:
        raise DomainError(f"index = {float(readings)!r}: give the readings in order along the last axis")
    return readings


@overload
def solvency_haircut(index: Number, mark: Number, *, on_error: OnError = ...) -> float: ...
@overload
def solvency_haircut(
    index: ArrayLike, mark: ArrayLike, *, on_error: OnError = ...
) -> NDArray[np.float64]: ...
def solvency_haircut(index: Any, mark: Any, *, on_error: OnError = "raise") -> Any:
    """Share of its claim that a PT or YT still covers, ``R/W`` below the high-water mark, else 1.

    One minus it is the watermark gap.

    Parameters
    ----------
    index, mark
        Current index R and its high-water mark W, both positive.
    on_error
        ``"raise"`` or ``"nan"``.

    Returns
    -------
    float or numpy.ndarray
        Share in (0, 1].

    Raises
    ------
    DomainError
        An index or mark that is not positive and finite.
    """
    return evaluate(
        lambda xp, index, mark: where(xp, index < mark, index / mark, 1.0),
        (positive("index"), positive("mark")),
        on_error,
        index=index,
        mark=mark,
    )
