"""Lending rates in the integers of the venues' programs, exact to the last bit (strategies.md 2.1, 2.2).

klend counts fractions in 1/2^60 and cuts off; Aave in 1e-27, Morpho in 1e-18 and Drift in 1e-6, each rounded as
stated at its function. The float forms are in `curve`, `accrual` and `rate_models`.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

from yieldtrade.conventions import YEAR_SECONDS
from yieldtrade.errors import DomainError
from yieldtrade.lending.accrual import EXACT_SLOTS, SLOTS_PER_YEAR
from yieldtrade.lending.rate_models import (
    DRIFT_SEGMENTS,
    MORPHO_MAX_RATE,
    MORPHO_MIN_RATE,
    MORPHO_SPEED,
    MORPHO_STEEPNESS,
    MORPHO_TARGET,
)
from yieldtrade.pool.integers import BPS, MICRO, decimal, whole, whole_units

FRACTION_BITS = 60
WAD = 10**18
RAY = 10**27

# Units of the square root of a size that is counted in 1e-9 and multiplied by ten.
_ROOT_UNITS = 10**5

_LN_2_WAD = 693_147_180_559_945_309
# Natural logarithm of 1e-18, in 1e-18: below it the exponential is 0.
_LN_WEI_WAD = -41_446_531_673_892_822_312


def compound_slots_bits(rate: float, n: int, slots_per_year: int = SLOTS_PER_YEAR) -> int:
    """Growth factor over ``n`` slots times 2^60, as klend computes it (strategies.md 2.2).

    Every product and quotient is cut off to 1/2^60.

    Parameters
    ----------
    rate
        Rate of curve and host together, fraction, read as the decimals it prints.
    n
        Slots, a whole number.
    slots_per_year
        Slots a year that the rate counts on.

    Raises
    ------
    DomainError
        A negative rate, or a number of slots that is not whole.
    """
    slots, clock = whole("n", n, 0), whole("slots_per_year", slots_per_year, 1)
    yearly = decimal("rate", rate)
    if yearly < 0:
        raise DomainError(f"rate = {rate!r} must be 0 or more")
    one = 1 << FRACTION_BITS
    b = (yearly.numerator * one // yearly.denominator) // clock
    if slots <= EXACT_SLOTS:
        return _power(one + b, slots)
    squared = _cut(b * b)
    cubed = _cut(squared * b)
    second = squared * slots * (slots - 1) // 2
    third = cubed * slots * (slots - 1) * (slots - 2) // 6
    return one + b * slots + second + third


def _power(base: int, exponent: int) -> int:
    """Return a power of up to four, multiplied out by squares as the program does."""
    squared = _cut(base * base)
    return (1 << FRACTION_BITS, base, squared, _cut(squared * base), _cut(squared * squared))[exponent]


def _cut(product: int) -> int:
    return product >> FRACTION_BITS


class IndexGrowth(NamedTuple):
    """Growth of the two indexes of an Aave reserve, times 1e27."""

    borrow: int
    supply: int


def aave_index_growth(rate_ray: int, seconds: int) -> IndexGrowth:
    """Growth of Aave's borrow and supply index over seconds: a cubic series, and simple interest (strategies.md 2.1).

    Parameters
    ----------
    rate_ray
        Simple annual rate times 1e27, 0 or more.
    seconds
        Time passed, a whole number of 0 or more.

    Raises
    ------
    DomainError
        A number that is negative or not whole.
    """
    rate, n = whole("rate_ray", rate_ray, 0), whole("seconds", seconds, 0)
    share_of_year = _nearest(n * RAY, YEAR_SECONDS)
    supply = RAY + _nearest(rate * share_of_year, RAY)
    b = rate // YEAR_SECONDS
    squared = _nearest(b * b, RAY)
    cubed = _nearest(squared * b, RAY)
    second = n * (n - 1) * squared // 2
    third = n * (n - 1) * max(n - 2, 0) * cubed // 6
    return IndexGrowth(RAY + b * n + second + third, supply)


def _nearest(numerator: int, denominator: int) -> int:
    return (numerator + denominator // 2) // denominator


class MorphoRates(NamedTuple):
    """Rates a second times 1e18: the mean over the time passed, the rate then, and the rate at target then."""

    average: int
    end: int
    end_at_target: int


def morpho_rates_wad(utilization_wad: int, rate_at_target: int, elapsed: int) -> MorphoRates:
    """Rates of Morpho's adaptive curve after seconds at one utilization, in its integers (strategies.md 2.1).

    Parameters
    ----------
    utilization_wad
        Utilization times 1e18, 0 to 1e18.
    rate_at_target
        Rate a second at target utilization when the time began, times 1e18, above 0.
    elapsed
        Seconds passed.

    Raises
    ------
    DomainError
        A number that is negative or not whole, or a utilization above 1.
    """
    u, start = whole("utilization_wad", utilization_wad, 0), whole("rate_at_target", rate_at_target, 1)
    seconds = whole("elapsed", elapsed, 0)
    if u > WAD:
        raise DomainError(f"utilization_wad = {u} must be at most {WAD}")
    target = whole_units("target", MORPHO_TARGET, WAD)
    error = _toward_zero((u - target) * WAD, WAD - target if u > target else target)
    speed = _toward_zero(MORPHO_SPEED * WAD // YEAR_SECONDS * error, WAD)
    adaptation = speed * seconds
    end = middle = start
    if adaptation:
        end, middle = (_adapted(start, a) for a in (adaptation, _toward_zero(adaptation, 2)))
    average = (start + end + 2 * middle) // 4
    return MorphoRates(_on_curve(average, error), _on_curve(end, error), end)


def _adapted(start: int, adaptation: int) -> int:
    low, high = (whole_units("rate", r, WAD) // YEAR_SECONDS for r in (MORPHO_MIN_RATE, MORPHO_MAX_RATE))
    return min(max(start * _exponential(adaptation) // WAD, low), high)


def _on_curve(rate_at_target: int, error: int) -> int:
    steepness = MORPHO_STEEPNESS * WAD
    coefficient = WAD - WAD * WAD // steepness if error < 0 else steepness - WAD
    return _toward_zero((_toward_zero(coefficient * error, WAD) + WAD) * rate_at_target, WAD)


def _exponential(x: int) -> int:
    """Return ``e^x`` in 1e-18: a power of two times a series of second order around 0."""
    if x < _LN_WEI_WAD:
        return 0
    halves = _toward_zero(x + (_LN_2_WAD // 2 if x >= 0 else -(_LN_2_WAD // 2)), _LN_2_WAD)
    rest = x - halves * _LN_2_WAD
    near = WAD + rest + rest * rest // WAD // 2
    return near << halves if halves >= 0 else near >> -halves


def _toward_zero(numerator: int, denominator: int) -> int:
    quotient = abs(numerator) // denominator
    return quotient if numerator >= 0 else -quotient


class DriftRates(NamedTuple):
    """What borrowers pay and depositors earn a year, in 1e-6."""

    borrow: int
    deposit: int


def drift_rates(
    utilization: int,
    *,
    optimal_utilization: int,
    optimal_rate: int,
    max_rate: int,
    min_rate: int = 0,
    insurance_factor: int = 0,
) -> DriftRates:
    """Rates of a Drift spot market in its integers, each quotient cut off (strategies.md 2.1).

    Parameters
    ----------
    utilization
        In 1e-6.
    optimal_utilization, optimal_rate, max_rate
        Kink of the curve, rate there and rate at full utilization, in 1e-6.
    min_rate
        Floor of the borrow rate, in 1e-6.
    insurance_factor
        Part of the interest that goes to the insurance fund, in 1e-6.

    Raises
    ------
    DomainError
        A number that is negative or not whole, or a maximum below the rate at the kink.
    """
    u, kink = whole("utilization", utilization, 0), whole("optimal_utilization", optimal_utilization, 1)
    base, floor = whole("optimal_rate", optimal_rate, 0), whole("min_rate", min_rate, 0)
    extra = whole("max_rate", max_rate, base) - base
    rate = u * (base * MICRO // kink) // MICRO if u <= kink else base + _drift_extra(u, kink, extra)
    rate = max(rate, floor)
    kept = MICRO - whole("insurance_factor", insurance_factor, 0)
    return DriftRates(rate, rate * kept * u // MICRO // MICRO)


def _drift_extra(u: int, kink: int, extra: int) -> int:
    ends = [kink, *(whole_units("segment", segment.end, MICRO) for segment in DRIFT_SEGMENTS)]
    weights = [whole_units("weight", segment.weight, 1000) for segment in DRIFT_SEGMENTS]
    added = 0
    for (start, end), weight in zip(pairwise(ends), weights, strict=True):
        whole_segment = extra * weight // 1000
        if u <= end:
            return added + whole_segment * (u - start) // (end - start)
        added += whole_segment
    return added


def drift_asset_weight(weight: int, imf: int, size: int) -> int:
    """Weight of a deposit on Drift after its size discount, in 1e-4 (strategies.md 2.7).

    Parameters
    ----------
    weight
        Of a small deposit, in 1e-4.
    imf
        Size factor in 1e-6; 0 switches the rule off.
    size
        Tokens in 1e-9.

    Raises
    ------
    DomainError
        A number that is negative or not whole.
    """
    plain, factor = whole("weight", weight, 0), whole("imf", imf, 0)
    if factor == 0:
        return plain
    grown = MICRO + _root_of_size(size) * factor // _ROOT_UNITS
    return min(plain, (MICRO + MICRO // 10) * BPS // grown)


def drift_liability_weight(weight: int, imf: int, size: int) -> int:
    """Weight of a debt on Drift after its size premium, in 1e-4; arguments are those of `drift_asset_weight`."""
    plain, factor = whole("weight", weight, 0), whole("imf", imf, 0)
    if factor == 0:
        return plain
    unit = _ROOT_UNITS * MICRO // BPS
    return max(plain, plain - plain // 5 + _root_of_size(size) * factor // unit)


def _root_of_size(size: int) -> int:
    """Return the square root of a size in tokens, times `_ROOT_UNITS`."""
    return math.isqrt(whole("size", size, 0) * 10 + 1)
