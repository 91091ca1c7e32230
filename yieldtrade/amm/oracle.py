"""Time-weighted rates and prices of Pendle-type oracles (amm.md 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from yieldtrade.amm.base import is_pt
from yieldtrade.amm.solve import larger
from yieldtrade.elementwise import Number, OnError, as_array, evaluate
from yieldtrade.errors import DomainError, MissingDataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


@overload
def twap_ln_rate(
    observed_at: ArrayLike, ln_rates: ArrayLike, *, now: Number, window_seconds: Number
) -> float: ...
@overload
def twap_ln_rate(
    observed_at: ArrayLike, ln_rates: ArrayLike, *, now: ArrayLike, window_seconds: ArrayLike
) -> NDArray[np.float64]: ...
def twap_ln_rate(observed_at: Any, ln_rates: Any, *, now: Any, window_seconds: Any) -> Any:
    """Time-weighted mean of lambda over a window, each value holding until the next change.

    Parameters
    ----------
    observed_at
        Moments of the changes in seconds from any common origin, increasing; shape (n,).
    ln_rates
        Lambda, ln(1 + implied APY), from each of these moments on; shape (n,).
    now
        End of the window, same clock; a number or an array.
    window_seconds
        Length of the window, above 0; venues use 900 or 1,800.

    Returns
    -------
    float or numpy.ndarray
        Mean lambda.

    Raises
    ------
    MissingDataError
        The window begins before the first observation.
    DomainError
        Observations that do not increase or differ in number, or a value that is not finite.
    """
    import numpy as np

    times, rates = as_array("observed_at", observed_at), as_array("ln_rates", ln_rates)
    _check_observations(times, rates)
    end, length = np.broadcast_arrays(as_array("now", now), as_array("window_seconds", window_seconds))
    if not (np.isfinite(end).all() and np.isfinite(length).all() and (length > 0).all()):
        raise DomainError(
            f"now = {now!r}, window_seconds = {window_seconds!r}: finite, and the window positive"
        )
    start = end - length
    if (start < times[0]).any():
        raise MissingDataError(
            f"a window from {float(start.min())!r} begins before the first observation, {float(times[0])!r}; "
            "load older observations or shorten the window"
        )
    cumulative = np.concatenate(([0.0], np.cumsum(rates[:-1] * np.diff(times))))

    def integral(moment: NDArray[np.float64]) -> NDArray[np.float64]:
        """Integral of lambda from the first observation to ``moment``."""
        last = np.searchsorted(times, moment, side="right") - 1
        return cumulative[last] + rates[last] * (moment - times[last])

    mean = (integral(end) - integral(start)) / length
    return float(mean) if mean.ndim == 0 and np.ndim(now) == np.ndim(window_seconds) == 0 else mean


def _check_observations(times: NDArray[np.float64], rates: NDArray[np.float64]) -> None:
    import numpy as np

    if times.ndim != 1 or times.shape != rates.shape or not times.size:
        raise DomainError(
            f"observed_at{times.shape} and ln_rates{rates.shape}: two lists of one length are required"
        )
    if not (np.isfinite(times).all() and np.isfinite(rates).all()):
        raise DomainError("observed_at and ln_rates must be finite numbers")
    if (np.diff(times) <= 0).any():
        raise DomainError("observed_at must increase; sort the observations and drop repeated ones")


@overload
def twap_price(token: str, mean_ln_rate: Number, tau: Number, *, on_error: OnError = ...) -> float: ...
@overload
def twap_price(
    token: str, mean_ln_rate: ArrayLike, tau: ArrayLike, *, on_error: OnError = ...
) -> NDArray[np.float64]: ...
def twap_price(token: str, mean_ln_rate: Any, tau: Any, *, on_error: OnError = "raise") -> Any:
    """Price of PT or YT in ST at a mean rate: ``exp(-lambda*T)`` and 1 less that; 1 and 0 from maturity on.

    Parameters
    ----------
    token
        ``"PT"`` or ``"YT"``.
    mean_ln_rate
        From `twap_ln_rate`.
    tau
        Years to maturity; 0 or less is matured.
    on_error
        ``"raise"`` or ``"nan"``, see :func:`yieldtrade.elementwise.evaluate`.

    Raises
    ------
    DomainError
        Another token, or a value that is not finite.
    """
    if is_pt(token):
        return evaluate(
            lambda xp, rate, tau: xp.exp(-rate * larger(tau, 0.0)), (), on_error, rate=mean_ln_rate, tau=tau
        )
    return evaluate(
        # 0.0 - x rather than -x: a YT worth nothing is 0.0, never -0.0
        lambda xp, rate, tau: 0.0 - xp.expm1(-rate * larger(tau, 0.0)),
        (),
        on_error,
        rate=mean_ln_rate,
        tau=tau,
    )
