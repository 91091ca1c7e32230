"""Comparisons decided on the decimals that numbers are written as.

0.95*(1 + 0.02) is 0.969 to a reader; in doubles a sum, a quotient or a threshold of such numbers may fall on either
side of it. Where a limit must be met exactly, the formula runs on decimals of as many digits as it needs.
"""

from __future__ import annotations

import math
from decimal import Context, Decimal, Inexact
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# Sums and products of a few doubles fit in these digits; a result that did not would raise.
EXACT = Context(prec=4000, traps=[Inexact])


def as_written(number: float) -> Decimal:
    """Return the decimal that a double is written as: the shortest that reads back as it."""
    return Decimal(repr(float(number)))


def exactly(xp: Any, function: Callable[..., Any], *values: Any) -> Any:
    """Apply a function of numbers, one element at a time where ``xp`` is numpy; its results become floats."""
    if xp is math:
        return float(function(*values))
    return xp.frompyfunc(function, len(values), 1)(*values).astype(float)
