"""Sensitivities of PT and YT to the implied yield and to time, per token and in ST (tokens.md 5).

``implied_apy`` r is an effective annual rate, fraction above -1; ``tau`` T is years to maturity, 0 or more.
Numbers give a float, arrays broadcast to an array of float64. Every function raises ``DomainError`` for a
value that is not finite, a yield at or below -1 or a result too large to represent, and ``ExpiredError`` for
``tau`` below 0; ``on_error="nan"`` returns NaN there instead. The Macaulay duration of a PT is ``tau``.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, overload

from yieldtrade.conventions import DAYS_PER_YEAR
from yieldtrade.elementwise import Bound, Number, OnError, evaluate, not_negative, ratio
from yieldtrade.tokens.pricing import NOT_EXPIRED, YIELD_ABOVE_MINUS_ONE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

_BOUNDS = (YIELD_ABOVE_MINUS_ONE, NOT_EXPIRED)
_WITHIN_LIFE = Bound(
    "period", lambda period, tau, **_: period <= tau, "years must not reach beyond maturity: at most tau"
)


@overload
def yield_delta(implied_apy: Number, tau: Number, *, on_error: OnError = ...) -> float: ...
@overload
def yield_delta(
    implied_apy: ArrayLike, tau: ArrayLike, *, on_error: OnError = ...
) -> NDArray[np.float64]: ...
def yield_delta(implied_apy: Any, tau: Any, *, on_error: OnError = "raise") -> Any:
    """Change of the YT price for a change of yield, ``dYT/dr = T*(1+r)^(-T-1)``; that of PT is its negative.

    ST per unit of yield: times 1e-4 for one basis point.
    """
    return evaluate(
        lambda xp, implied_apy, tau: tau * xp.exp(-(tau + 1.0) * xp.log1p(implied_apy)),
        _BOUNDS,
        on_error,
        implied_apy=implied_apy,
        tau=tau,
    )


@overload
def yield_gamma(implied_apy: Number, tau: Number, *, on_error: OnError = ...) -> float: ...
@overload
def yield_gamma(
    implied_apy: ArrayLike, tau: ArrayLike, *, on_error: OnError = ...
) -> NDArray[np.float64]: ...
def yield_gamma(implied_apy: Any, tau: Any, *, on_error: OnError = "raise") -> Any:
    """Curvature of the YT price, ``d2YT/dr2 = -T*(T+1)*(1+r)^(-T-2)``; that of PT is its negative."""
    return evaluate(
        lambda xp, implied_apy, tau: 0.0 - tau * (tau + 1.0) * xp.exp(-(tau + 2.0) * xp.log1p(implied_apy)),
        _BOUNDS,
        on_error,
        implied_apy=implied_apy,
        tau=tau,
    )


@overload
def theta_per_day(implied_apy: Number, tau: Number, *, on_error: OnError = ...) -> float: ...
@overload
def theta_per_day(
    implied_apy: ArrayLike, tau: ArrayLike, *, on_error: OnError = ...
) -> NDArray[np.float64]: ...
def theta_per_day(implied_apy: Any, tau: Any, *, on_error: OnError = "raise") -> Any:
    """Change of the YT price in a day at constant yield, ``-ln(1+r)*(1+r)^-T/365``; PT gains the same.

    A rate at this instant; :func:`one_period_decay` gives the finite amount.
    """
    return evaluate(
        lambda xp, implied_apy, tau: (
            (0.0 - xp.log1p(implied_apy)) * xp.exp(-tau * xp.log1p(implied_apy)) / DAYS_PER_YEAR
        ),
        _BOUNDS,
        on_error,
        implied_apy=implied_apy,
        tau=tau,
    )


@overload
def cross(implied_apy: Number, tau: Number, *, on_error: OnError = ...) -> float: ...
@overload
def cross(implied_apy: ArrayLike, tau: ArrayLike, *, on_error: OnError = ...) -> NDArray[np.float64]: ...
def cross(implied_apy: Any, tau: Any, *, on_error: OnError = "raise") -> Any:
    """Change of the YT's delta with time to maturity, ``d2YT/dr dT = (1+r)^(-T-1)*(1 - T*ln(1+r))``."""
    return evaluate(
        lambda xp, implied_apy, tau: (
            xp.exp(-(tau + 1.0) * xp.log1p(implied_apy)) * (1.0 - tau * xp.log1p(implied_apy))
        ),
        _BOUNDS,
        on_error,
        implied_apy=implied_apy,
        tau=tau,
    )


@overload
def modified_duration(implied_apy: Number, tau: Number, *, on_error: OnError = ...) -> float: ...
@overload
def modified_duration(
    implied_apy: ArrayLike, tau: ArrayLike, *, on_error: OnError = ...
) -> NDArray[np.float64]: ...
def modified_duration(implied_apy: Any, tau: Any, *, on_error: OnError = "raise") -> Any:
    """Relative loss of a PT per unit of yield, ``T/(1+r)``."""
    return evaluate(
        lambda _xp, implied_apy, tau: tau / (1.0 + implied_apy),
        _BOUNDS,
        on_error,
        implied_apy=implied_apy,
        tau=tau,
    )


@overload
def convexity(implied_apy: Number, tau: Number, *, on_error: OnError = ...) -> float: ...
@overload
def convexity(implied_apy: ArrayLike, tau: ArrayLike, *, on_error: OnError = ...) -> NDArray[np.float64]: ...
def convexity(implied_apy: Any, tau: Any, *, on_error: OnError = "raise") -> Any:
    """Convexity of a PT, ``C = T*(T+1)/(1+r)^2`` in ``dPT/PT = -D*dr + C*dr^2/2``."""
    return evaluate(
        lambda _xp, implied_apy, tau: tau / (1.0 + implied_apy) * (tau + 1.0) / (1.0 + implied_apy),
        _BOUNDS,
        on_error,
        implied_apy=implied_apy,
        tau=tau,
    )


@overload
def leverage(implied_apy: Number, tau: Number, *, on_error: OnError = ...) -> float: ...
@overload
def leverage(implied_apy: ArrayLike, tau: ArrayLike, *, on_error: OnError = ...) -> NDArray[np.float64]: ...
def leverage(implied_apy: Any, tau: Any, *, on_error: OnError = "raise") -> Any:
    """ST of yield-bearing notional per ST paid for YT, ``1/YT``; infinite where the YT is worth nothing."""
    return evaluate(
        lambda xp, implied_apy, tau: ratio(
            xp, 1.0, 0.0 - xp.expm1(-tau * xp.log1p(implied_apy)), at_zero=inf
        ),
        _BOUNDS,
        on_error,
        finite=False,
        implied_apy=implied_apy,
        tau=tau,
    )


@overload
def elasticity(implied_apy: Number, tau: Number, *, on_error: OnError = ...) -> float: ...
@overload
def elasticity(implied_apy: ArrayLike, tau: ArrayLike, *, on_error: OnError = ...) -> NDArray[np.float64]: ...
def elasticity(implied_apy: Any, tau: Any, *, on_error: OnError = "raise") -> Any:
    """Relative change of the YT price per relative change of yield, ``r*T*(1+r)^(-T-1)/YT``.

    Its limits are ``r/((1+r)*ln(1+r))`` at T = 0 and 1 at r = 0.
    """
    return evaluate(_elasticity, _BOUNDS, on_error, implied_apy=implied_apy, tau=tau)


def _elasticity(xp: Any, implied_apy: Any, tau: Any) -> Any:
    # With L = ln(1+r) it is [r/L] * [T*L / (1 - e^(-T*L))] * e^(-T*L) / (1+r), and each bracket tends to 1.
    log_growth = xp.log1p(implied_apy)
    exponent = tau * log_growth
    yield_over_log = ratio(xp, implied_apy, log_growth, at_zero=1.0)
    exponent_over_yt = ratio(xp, exponent, -xp.expm1(-exponent), at_zero=1.0)
    return yield_over_log * exponent_over_yt * xp.exp(-exponent) / (1.0 + implied_apy)


@overload
def one_period_decay(
    implied_apy: Number, tau: Number, period: Number, *, on_error: OnError = ...
) -> float: ...
@overload
def one_period_decay(
    implied_apy: ArrayLike, tau: ArrayLike, period: ArrayLike, *, on_error: OnError = ...
) -> NDArray[np.float64]: ...
def one_period_decay(implied_apy: Any, tau: Any, period: Any, *, on_error: OnError = "raise") -> Any:
    """Fall of the YT price over a period at constant yield, ``YT(r,T) - YT(r,T-dt)``.

    Parameters
    ----------
    implied_apy, tau
        Yield and years to maturity at the start of the period.
    period
        Its length dt in years, 0 to ``tau``.
    on_error
        ``"raise"`` or ``"nan"``.

    Returns
    -------
    float or numpy.ndarray
        ST per YT.

    Raises
    ------
    DomainError
        A period below 0 or beyond maturity, or as stated for the module.
    ExpiredError
        ``tau`` below 0.
    """
    # PT(r,T)*expm1(dt*L) written as PT(r,T-dt)*(-expm1(-dt*L)), which cannot overflow for r > 0.
    return evaluate(
        lambda xp, implied_apy, tau, period: (
            xp.exp((period - tau) * xp.log1p(implied_apy)) * (0.0 - xp.expm1(-period * xp.log1p(implied_apy)))
        ),
        (*_BOUNDS, not_negative("period"), _WITHIN_LIFE),
        on_error,
        implied_apy=implied_apy,
        tau=tau,
        period=period,
    )
