"""Exponential and logarithm in 18-decimal integers, as the Pendle contracts compute them (amm.md 5).

Every division truncates toward zero, which Python's ``//`` does not do for negative numbers.
"""

from __future__ import annotations

from yieldtrade.errors import DomainError

ONE = 10**18
_ONE_20 = 10**20
_ONE_36 = 10**36

LOWEST_EXPONENT = -41 * ONE
HIGHEST_EXPONENT = 130 * ONE
# within this band around 1 the logarithm is taken with 36 decimals
_NEAR_ONE_LOW = 9 * ONE // 10
_NEAR_ONE_HIGH = 11 * ONE // 10

# (x, e^x): whole numbers for the first two, 20 decimals for the rest
_WHOLE_STEPS = (
    (128 * ONE, 38877084059945950922200000000000000000000000000000000000),
    (64 * ONE, 6235149080811616882910000000),
)
_STEPS = (
    (3200 * ONE, 7896296018268069516100000000000000),
    (1600 * ONE, 888611052050787263676000000),
    (800 * ONE, 298095798704172827474000),
    (400 * ONE, 5459815003314423907810),
    (200 * ONE, 738905609893065022723),
    (100 * ONE, 271828182845904523536),
    (50 * ONE, 164872127070012814685),
    (25 * ONE, 128402541668774148407),
    (125 * ONE // 10, 113314845306682631683),
    (625 * ONE // 100, 106449445891785942956),
)
_EXPONENTIAL_STEPS = _STEPS[:8]
_EXPONENTIAL_TERMS = range(2, 13)
_LOGARITHM_TERMS = range(3, 12, 2)
_NEAR_ONE_TERMS = range(3, 16, 2)


def quotient(a: int, b: int) -> int:
    """Divide, truncating toward zero."""
    return a // b if (a >= 0) == (b > 0) else -(-a // b)


def mul(a: int, b: int) -> int:
    """Product of two 18-decimal numbers."""
    return quotient(a * b, ONE)


def div(a: int, b: int) -> int:
    """Quotient of two 18-decimal numbers."""
    return quotient(a * ONE, b)


def exp_fixed(x: int) -> int:
    """Natural exponential of an 18-decimal number, to the last unit of the contract (amm.md 5).

    Parameters
    ----------
    x
        Exponent with 18 decimals, from -41e18 to 130e18.

    Returns
    -------
    int
        e^x with 18 decimals.

    Raises
    ------
    DomainError
        ``x`` outside that range.
    """
    if not LOWEST_EXPONENT <= x <= HIGHEST_EXPONENT:
        raise DomainError(f"x = {x}: the contract takes exponents from -41e18 to 130e18")
    if x < 0:
        return ONE * ONE // exp_fixed(-x)
    multiple = 1
    for step, power in _WHOLE_STEPS:
        if x >= step:
            x -= step
            multiple = power
            break
    x *= 100
    product = _ONE_20
    for step, power in _EXPONENTIAL_STEPS:
        if x >= step:
            x -= step
            product = product * power // _ONE_20
    series, term = _ONE_20 + x, x
    for i in _EXPONENTIAL_TERMS:
        term = term * x // _ONE_20 // i
        series += term
    return product * series // _ONE_20 * multiple // 100


def ln_fixed(a: int) -> int:
    """Natural logarithm of a positive 18-decimal number, to the last unit of the contract (amm.md 5).

    Parameters
    ----------
    a
        Number with 18 decimals, above 0.

    Returns
    -------
    int
        ln(a) with 18 decimals.

    Raises
    ------
    DomainError
        ``a`` not above 0.
    """
    if a <= 0:
        raise DomainError(f"a = {a}: a logarithm needs a positive number")
    if _NEAR_ONE_LOW < a < _NEAR_ONE_HIGH:
        z = quotient((a * ONE - _ONE_36) * _ONE_36, a * ONE + _ONE_36)
        return quotient(2 * _odd_series(z, _ONE_36, _NEAR_ONE_TERMS), ONE)
    return -_ln_above_one(ONE * ONE // a) if a < ONE else _ln_above_one(a)


def _ln_above_one(a: int) -> int:
    total = 0
    for step, power in _WHOLE_STEPS:
        if a >= power * ONE:
            a //= power
            total += step
    total *= 100
    a *= 100
    for step, power in _STEPS:
        if a >= power:
            a = a * _ONE_20 // power
            total += step
    z = (a - _ONE_20) * _ONE_20 // (a + _ONE_20)
    return (total + 2 * _odd_series(z, _ONE_20, _LOGARITHM_TERMS)) // 100


def _odd_series(z: int, one: int, orders: range) -> int:
    """Sum z + z^3/3 + z^5/5 + ... over ``orders``: half the logarithm of (1+z)/(1-z)."""
    square = quotient(z * z, one)
    power = total = z
    for order in orders:
        power = quotient(power * square, one)
        total += quotient(power, order)
    return total
