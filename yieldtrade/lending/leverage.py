"""How far a PT can be levered against a lender's price (strategies.md 2.5)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, overload

from yieldtrade.elementwise import Bound, Number, evaluate, where
from yieldtrade.errors import DataError, DomainError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


@overload
def leverage_cap(max_ltv: Number, oracle_price: Number, execution_price: Number) -> float: ...
@overload
def leverage_cap(
    max_ltv: ArrayLike, oracle_price: ArrayLike, execution_price: ArrayLike
) -> NDArray[np.float64]: ...
def leverage_cap(max_ltv: Any, oracle_price: Any, execution_price: Any) -> Any:
    """Largest spend multiple, ``1/(1 - max_ltv*O/P_exec)`` (strategies.md 2.5).

    Parameters
    ----------
    max_ltv
        Largest loan to value at which borrowing is allowed, fraction in [0, 1).
    oracle_price
        What the lender counts a PT at, O, in units of the underlying, 0 or more.
    execution_price
        What a PT costs to buy, all fees included, above 0.

    Returns
    -------
    float or numpy.ndarray
        Value bought over own capital; infinite where ``max_ltv*O >= P_exec``, since the loan to value then
        does not bind.

    Raises
    ------
    DomainError
        A value outside its range, or not finite.
    """
    return evaluate(
        _leverage_cap,
        (
            Bound("max_ltv", lambda max_ltv, **_: (max_ltv >= 0) & (max_ltv < 1), "must be in [0, 1)"),
            Bound("oracle_price", lambda oracle_price, **_: oracle_price >= 0, "must be 0 or more"),
            Bound("execution_price", lambda execution_price, **_: execution_price > 0, "must be above 0"),
        ),
        "raise",
        finite=False,
        max_ltv=max_ltv,
        oracle_price=oracle_price,
        execution_price=execution_price,
    )


def check_ltv_limits(max_ltv: float, liquidation_ltv: float) -> None:
    """Refuse limits under which a fresh loan could be liquidated at once.

    Raises
    ------
    DomainError
        A limit outside (0, 1].
    DataError
        ``liquidation_ltv`` is not above ``max_ltv``.
    """
    for name, value in (("max_ltv", max_ltv), ("liquidation_ltv", liquidation_ltv)):
        if not 0 < value <= 1:
            raise DomainError(f"{name} = {value!r} must be a fraction in (0, 1]")
    if liquidation_ltv <= max_ltv:
        raise DataError(
            f"liquidation_ltv = {liquidation_ltv!r} must be above max_ltv = {max_ltv!r}; correct the lender's terms"
        )


def _leverage_cap(xp: Any, max_ltv: Any, oracle_price: Any, execution_price: Any) -> Any:
    room = 1.0 - max_ltv * oracle_price / execution_price
    binds = room > 0
    return where(xp, binds, 1.0 / where(xp, binds, room, 1.0), math.inf)
