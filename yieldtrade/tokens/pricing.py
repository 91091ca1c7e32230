"""Prices of PT and YT from implied yield and time to maturity, and back; redemption (tokens.md 3-4, 13).

Prices are in ST per token; ``implied_apy`` is an effective annual rate, fraction; ``tau`` is years of
31,536,000 seconds to maturity on the venue's clock. Every function takes numbers or arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from yieldtrade.elementwise import Bound, Number, OnError, checked, evaluate, not_negative, share
from yieldtrade.errors import ExpiredError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

YIELD_ABOVE_MINUS_ONE = Bound(
    "implied_apy",
    lambda implied_apy, **_: implied_apy > -1,
    "must be above -1: a yield cannot lose everything",
)
NOT_EXPIRED = Bound(
    "tau",
    lambda tau, **_: tau >= 0,
    "years to maturity: the contract has expired; use redemption_value",
    ExpiredError,
)
BEFORE_MATURITY = Bound(
    "tau", lambda tau, **_: tau != 0, "years to maturity: the implied yield is undefined at maturity"
)
_HAIRCUT = Bound(
    "haircut", lambda haircut: (haircut > 0) & (haircut <= 1), "of the claim must be above 0 and at most 1"
)
YT_BELOW_ONE = Bound("yt", lambda yt, **_: yt < 1, "ST must be below 1")


@overload
def pt_price(implied_apy: Number, tau: Number, *, on_error: OnError = ...) -> float: ...
@overload
def pt_price(implied_apy: ArrayLike, tau: ArrayLike, *, on_error: OnError = ...) -> NDArray[np.float64]: ...
def pt_price(implied_apy: Any, tau: Any, *, on_error: OnError = "raise") -> Any:
    """Price of a principal token, ``exp(-tau*log1p(r))`` (tokens.md 3).

    Parameters
    ----------
    implied_apy
        Implied yield r, effective annual, fraction above -1.
    tau
        Years to maturity, 0 or more; PT is exactly 1 at 0.
    on_error
        ``"raise"`` or ``"nan"``, see :func:`yieldtrade.elementwise.evaluate`.

    Returns
    -------
    float or numpy.ndarray
        ST per PT.

    Raises
    ------
    DomainError
        A value that is not finite, a yield at or below -1, a result too large to represent.
    ExpiredError
        ``tau`` below 0.
    """
    return evaluate(
        lambda xp, implied_apy, tau: xp.exp(-tau * xp.log1p(implied_apy)),
        (YIELD_ABOVE_MINUS_ONE, NOT_EXPIRED),
        on_error,
        implied_apy=implied_apy,
        tau=tau,
    )


@overload
def yt_price(implied_apy: Number, tau: Number, *, on_error: OnError = ...) -> float: ...
@overload
def yt_price(implied_apy: ArrayLike, tau: ArrayLike, *, on_error: OnError = ...) -> NDArray[np.float64]: ...
def yt_price(implied_apy: Any, tau: Any, *, on_error: OnError = "raise") -> Any:
    """Price of a yield token, ``-expm1(-tau*log1p(r))``, exact down to the last second (tokens.md 3).

    Parameters
    ----------
    implied_apy
        Implied yield r, effective annual, fraction above -1.
    tau
        Years to maturity, 0 or more; YT is exactly 0 at 0.
    on_error
        ``"raise"`` or ``"nan"``.

    Returns
    -------
    float or numpy.ndarray
        ST per YT.

    Raises
    ------
    DomainError
        A value that is not finite, a yield at or below -1, a result too large to represent.
    ExpiredError
        ``tau`` below 0.
    """
    return evaluate(
        # 0.0 - x rather than -x, here and below: a price or yield of nothing is 0.0, never -0.0
        lambda xp, implied_apy, tau: 0.0 - xp.expm1(-tau * xp.log1p(implied_apy)),
        (YIELD_ABOVE_MINUS_ONE, NOT_EXPIRED),
        on_error,
        implied_apy=implied_apy,
        tau=tau,
    )


@overload
def implied_yield_from_yt(yt: Number, tau: Number, *, on_error: OnError = ...) -> float: ...
@overload
def implied_yield_from_yt(
    yt: ArrayLike, tau: ArrayLike, *, on_error: OnError = ...
) -> NDArray[np.float64]: ...
def implied_yield_from_yt(yt: Any, tau: Any, *, on_error: OnError = "raise") -> Any:
    """Implied yield of a YT price, ``expm1(-log1p(-yt)/tau)`` (tokens.md 3).

    Invert from YT where the YT price is what is known; forming ``1 - yt`` first loses digits.

    Parameters
    ----------
    yt
        ST per YT, below 1; negative for a negative yield.
    tau
        Years to maturity, above 0.
    on_error
        ``"raise"`` or ``"nan"``.

    Returns
    -------
    float or numpy.ndarray
        Implied yield, effective annual, fraction.

    Raises
    ------
    DomainError
        ``yt`` at or above 1, ``tau`` of 0, a value that is not finite, a result too large to represent.
    ExpiredError
        ``tau`` below 0.
    """
    return evaluate(
        lambda xp, yt, tau: xp.expm1((0.0 - xp.log1p(-yt)) / tau),
        (NOT_EXPIRED, BEFORE_MATURITY, YT_BELOW_ONE),
        on_error,
        yt=yt,
        tau=tau,
    )


@overload
def implied_yield_from_pt(pt: Number, tau: Number, *, on_error: OnError = ...) -> float: ...
@overload
def implied_yield_from_pt(
    pt: ArrayLike, tau: ArrayLike, *, on_error: OnError = ...
) -> NDArray[np.float64]: ...
def implied_yield_from_pt(pt: Any, tau: Any, *, on_error: OnError = "raise") -> Any:
    """Implied yield of a PT price, ``expm1(-log(pt)/tau)`` (tokens.md 3).

    Parameters
    ----------
    pt
        ST per PT, above 0; above 1 for a negative yield.
    tau
        Years to maturity, above 0.
    on_error
        ``"raise"`` or ``"nan"``.

    Returns
    -------
    float or numpy.ndarray
        Implied yield, effective annual, fraction.

    Raises
    ------
    DomainError
        ``pt`` at or below 0, ``tau`` of 0, a value that is not finite, a result too large to represent.
    ExpiredError
        ``tau`` below 0.
    """
    return evaluate(
        lambda xp, pt, tau: xp.expm1((0.0 - xp.log(pt)) / tau),
        (NOT_EXPIRED, BEFORE_MATURITY, Bound("pt", lambda pt, **_: pt > 0, "ST must be above 0")),
        on_error,
        pt=pt,
        tau=tau,
    )


@overload
def synthetic_pt_price(
    yt: Number, *, management_fee: Number, trading_fee: Number, on_error: OnError = ...
) -> float: ...
@overload
def synthetic_pt_price(
    yt: ArrayLike, *, management_fee: ArrayLike, trading_fee: ArrayLike, on_error: OnError = ...
) -> NDArray[np.float64]: ...
def synthetic_pt_price(yt: Any, *, management_fee: Any, trading_fee: Any, on_error: OnError = "raise") -> Any:
    """Cost of a PT made of one ST and a short of ``1-m`` YT, ``1 - (1-m)*(1-f)*yt`` (tokens.md 3).

    Parameters
    ----------
    yt
        ST per YT at which the short is filled, below 1.
    management_fee
        Share m of the fixed yield that the venue keeps, fraction.
    trading_fee
        Fee f on the ST received for the YT, fraction.
    on_error
        ``"raise"`` or ``"nan"``.

    Returns
    -------
    float or numpy.ndarray
        ST per PT.

    Raises
    ------
    DomainError
        ``yt`` at or above 1, a fee below 0 or not below 1, a value that is not finite.
    """
    return evaluate(
        lambda _xp, yt, management_fee, trading_fee: 1.0 - (1.0 - management_fee) * (1.0 - trading_fee) * yt,
        (YT_BELOW_ONE, share("management_fee"), share("trading_fee")),
        on_error,
        yt=yt,
        management_fee=management_fee,
        trading_fee=trading_fee,
    )


@overload
def synthetic_pt_yield(
    yt: Number, tau: Number, *, management_fee: Number, trading_fee: Number, on_error: OnError = ...
) -> float: ...
@overload
def synthetic_pt_yield(
    yt: ArrayLike,
    tau: ArrayLike,
    *,
    management_fee: ArrayLike,
    trading_fee: ArrayLike,
    on_error: OnError = ...,
) -> NDArray[np.float64]: ...
def synthetic_pt_yield(
    yt: Any, tau: Any, *, management_fee: Any, trading_fee: Any, on_error: OnError = "raise"
) -> Any:
    """Fixed APY of a synthetic PT after both fees, ``expm1(-log1p(-(1-m)*(1-f)*yt)/tau)`` (tokens.md 3).

    Parameters
    ----------
    yt
        ST per YT at which the short is filled, below 1.
    tau
        Years to maturity, above 0.
    management_fee, trading_fee
        As in :func:`synthetic_pt_price`.
    on_error
        ``"raise"`` or ``"nan"``.

    Returns
    -------
    float or numpy.ndarray
        Effective annual rate, fraction.

    Raises
    ------
    DomainError
        ``yt`` at or above 1, ``tau`` of 0, a fee below 0 or not below 1, a value that is not finite.
    ExpiredError
        ``tau`` below 0.
    """
    return evaluate(
        lambda xp, yt, tau, management_fee, trading_fee: xp.expm1(
            (0.0 - xp.log1p(-(1.0 - management_fee) * (1.0 - trading_fee) * yt)) / tau
        ),
        (NOT_EXPIRED, BEFORE_MATURITY, YT_BELOW_ONE, share("management_fee"), share("trading_fee")),
        on_error,
        yt=yt,
        tau=tau,
        management_fee=management_fee,
        trading_fee=trading_fee,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Redemption:
    """What one token pays at or after maturity, in ST; numbers or arrays, as they were given."""

    pt: Any
    yt: Any


def redemption_value(*, haircut: Any, undistributed_yield: Any) -> Redemption:
    """Value of an expired PT and YT: 1 ST and the yield still owed, both times the haircut (tokens.md 4, 13).

    Parameters
    ----------
    haircut
        Share of its claim that the underlying still covers, R/W of
        :func:`yieldtrade.tokens.ledger.solvency_haircut` at the last index at or before maturity; 1 where the
        venue keeps no high-water mark.
    undistributed_yield
        Yield earned by one YT up to maturity and not yet paid, ST; 0 where all was paid.

    Raises
    ------
    DomainError
        A haircut outside (0, 1], a negative yield, a value that is not finite.
    """
    covered = checked("haircut", haircut, _HAIRCUT)
    owed = checked("undistributed_yield", undistributed_yield, not_negative("undistributed_yield"))
    return Redemption(pt=covered, yt=covered * owed)
