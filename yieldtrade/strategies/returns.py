"""A profit as an annual rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from yieldtrade.elementwise import Number, evaluate, positive, where

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

YEARS = positive("years")


@overload
def annual_return(gain: Number, years: Number) -> float: ...
@overload
def annual_return(gain: ArrayLike, years: ArrayLike) -> NDArray[np.float64]: ...
def annual_return(gain: Any, years: Any) -> Any:
    """Effective annual rate of a gain over the capital, ``(1 + gain)^(1/t) - 1`` (strategies.md 4.2).

    Parameters
    ----------
    gain
        Profit over capital, a fraction over the holding period.
    years
        Holding period t, above 0.

    Returns
    -------
    float or numpy.ndarray
        Fraction; -1 where all or more is lost.

    Raises
    ------
    DomainError
        ``years`` not above 0, a value that is not finite, a rate too large to represent.
    """
    return evaluate(_annual_return, (YEARS,), "raise", gain=gain, years=years)


def _annual_return(xp: Any, gain: Any, years: Any) -> Any:
    left = gain > -1
    return where(xp, left, xp.expm1(xp.log1p(where(xp, left, gain, 0.0)) / years), -1.0)
