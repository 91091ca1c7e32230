"""Tables of coefficients, as a reader sees them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficient:
    """One coefficient; ``std_error`` is NaN where the method gives none."""

    name: str
    estimate: float
    std_error: float

    @property
    def t(self) -> float:
        """Estimate over its standard error."""
        return self.estimate / self.std_error if self.std_error > 0 else math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """A fitted equation: its coefficients, how their errors were computed, R squared, and how many rows."""

    equation: str
    errors: str
    coefficients: tuple[Coefficient, ...]
    r_squared: float | None
    rows: int

    def __getitem__(self, name: str) -> Coefficient:
        return next(item for item in self.coefficients if item.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakCheck:
    """Shift of a log level from ``day`` on, when ``what`` changed."""

    day: np.datetime64
    what: str
    shift: float
    std_error: float
