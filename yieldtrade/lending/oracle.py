"""How lending venues value PT collateral (strategies.md 2.5).

Prices are fractions of the underlying's own oracle price; ``tau`` is years of 31,536,000 seconds to maturity,
and at or after maturity every oracle says 1.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, SupportsIndex, overload

from yieldtrade.conventions import YEAR_SECONDS
from yieldtrade.elementwise import Bound, Number, evaluate, where
from yieldtrade.errors import DomainError
from yieldtrade.tokens.pricing import YIELD_ABOVE_MINUS_ONE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

SCOPE_DECIMALS = 9
WAD_DECIMALS = 18
BPS = 10_000

_DISCOUNT = Bound("discount", lambda discount, **_: discount >= 0, "a year must be 0 or more")


class FixedPoint(NamedTuple):
    """An on-chain price: ``value / 10**decimals``."""

    value: int
    decimals: int


class PrincipalOracle(Protocol):
    """What a lender believes one PT to be worth, in units of its underlying."""

    def price(self, tau: Any) -> Any:
        """Price at ``tau`` years to maturity; 1 at and after maturity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearDiscountOracle:
    """PT at a simple discount a year from 1, whatever the market says.

    Parameters
    ----------
    discount
        Discount a year d, fraction, 0 or more; market data with a date.
    """

    discount: float

    @overload
    def price(self, tau: Number) -> float: ...
    @overload
    def price(self, tau: ArrayLike) -> NDArray[np.float64]: ...
    def price(self, tau: Any) -> Any:
        """Price ``O = 1 - d*tau``, never below 0, and 1 after maturity.

        Raises
        ------
        DomainError
            A value that is not finite, or a negative discount.
        """
        return evaluate(_linear_price, (_DISCOUNT,), "raise", discount=self.discount, tau=tau)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketTwapOracle:
    """PT re-priced at a time-weighted average of its implied yield.

    Parameters
    ----------
    implied_apy
        Average implied yield, effective annual, fraction above -1.
    """

    implied_apy: float

    @overload
    def price(self, tau: Number) -> float: ...
    @overload
    def price(self, tau: ArrayLike) -> NDArray[np.float64]: ...
    def price(self, tau: Any) -> Any:
        """Price ``(1 + r)^-tau`` at the average yield, 1 after maturity.

        Raises
        ------
        DomainError
            A value that is not finite, or a yield at or below -1.
        """
        return evaluate(
            _market_price, (YIELD_ABOVE_MINUS_ONE,), "raise", implied_apy=self.implied_apy, tau=tau
        )


def scope_price(seconds_left: int, discount_bps: int) -> FixedPoint:
    """Integer price of Scope's linear-discount feed, exact to the last unit (strategies.md 2.5).

    Parameters
    ----------
    seconds_left
        Seconds to maturity; 0 or less is matured.
    discount_bps
        Discount a year in basis points, 0 or more.

    Returns
    -------
    FixedPoint
        ``10^9 - floor(10^9 * seconds_left * bps / (10^4 * 31,536,000))`` with 9 decimals, not below 0; after
        maturity 1 with none.

    Raises
    ------
    DomainError
        An argument that is not a whole number, or a negative discount.
    """
    left, discount = _whole("seconds_left", seconds_left), _discount("discount_bps", discount_bps)
    if left <= 0:
        return FixedPoint(1, 0)
    return FixedPoint(_discounted(SCOPE_DECIMALS, left, discount, BPS), SCOPE_DECIMALS)


def wad_price(seconds_left: int, discount_wad: int) -> FixedPoint:
    """Integer price of a linear-discount feed with 18 decimals, ``10^18 - floor(seconds * discount / year)``.

    Parameters
    ----------
    seconds_left
        Seconds to maturity; 0 or less is matured.
    discount_wad
        Discount a year times 10^18, 0 or more.

    Raises
    ------
    DomainError
        An argument that is not a whole number, or a negative discount.
    """
    left, discount = _whole("seconds_left", seconds_left), _discount("discount_wad", discount_wad)
    return FixedPoint(_discounted(WAD_DECIMALS, max(left, 0), discount, 10**WAD_DECIMALS), WAD_DECIMALS)


def _linear_price(xp: Any, discount: Any, tau: Any) -> Any:
    price = 1.0 - discount * tau
    return where(xp, tau <= 0, 1.0, where(xp, price < 0, 0.0, price))


def _market_price(xp: Any, implied_apy: Any, tau: Any) -> Any:
    return where(xp, tau <= 0, 1.0, xp.exp(-tau * xp.log1p(implied_apy)))


def _discounted(decimals: int, seconds_left: int, discount: int, unit: int) -> int:
    one: int = 10**decimals
    return max(one - one * seconds_left * discount // (unit * YEAR_SECONDS), 0)


def _whole(name: str, value: SupportsIndex) -> int:
    if isinstance(value, bool):
        raise DomainError(f"{name} = {value!r}: a whole number is required")
    try:
        return operator.index(value)
    except TypeError:
        raise DomainError(f"{name} = {value!r}: a whole number is required") from None


def _discount(name: str, value: SupportsIndex) -> int:
    whole = _whole(name, value)
    if whole < 0:
        raise DomainError(f"{name} = {whole}: a discount must be 0 or more")
    return whole
