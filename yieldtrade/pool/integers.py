"""Integers as the pool's program keeps them: USD in 1e-6, rates in 1e-9, bps in 1e-4 (pool.md 1)."""

from __future__ import annotations

import operator
from fractions import Fraction
from typing import Any

from yieldtrade.elementwise import checked
from yieldtrade.errors import DomainError

# Units in one.
BPS = 10_000
MICRO = 10**6
NANO = 10**9


def dceil(numerator: int, denominator: int) -> int:
    """Divide two integers and round up."""
    return -(-numerator // denominator)


def whole(name: str, value: Any, least: int | None = None) -> int:
    """Return ``value`` as a Python integer, once it is one: an exact form rounds nothing silently (pool.md 13).

    Raises
    ------
    DomainError
        It is no integer, or lies below ``least``.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise DomainError(
            f"{name} = {value!r} is not an integer; the exact form takes a whole number of units"
        )
    if least is not None and number < least:
        raise DomainError(f"{name} = {number!r} must be {least} or more")
    return number


def decimal(name: str, value: Any) -> Fraction:
    """Return a parameter as the decimals it prints: 0.1 is a tenth.

    Raises
    ------
    DomainError
        It is an array, or not finite.
    """
    number = checked(name, value)
    if not isinstance(number, float):
        raise DomainError(f"{name} holds an array; the exact form takes one number at a time")
    return Fraction(repr(number))


def whole_units(name: str, value: Any, units: int) -> int:
    """Return a parameter times ``units`` as an integer, the parameter read as the decimals it prints.

    Raises
    ------
    DomainError
        The product is not whole, or the parameter is an array.
    """
    scaled = decimal(name, value) * units
    if scaled.denominator != 1:
        step = "whole number" if units == 1 else f"whole number of 1/{units}"
        raise DomainError(f"{name} = {value!r} is not a {step}; the exact form needs one")
    return scaled.numerator
