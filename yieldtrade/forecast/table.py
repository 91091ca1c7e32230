"""Tables of coefficients, as a reader sees them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficient:
    """One coefficient; ``std_error`` is NaN where the column does not vary or the method gives none."""

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Design:
    """Named columns of a regression and what they explain, shapes (n, k) and (n,)."""

    names: tuple[str, ...]
    x: NDArray[np.float64]
    y: NDArray[np.float64]

    def independent(self) -> list[int]:
        """Return the columns that the ones before them do not already give."""
        kept: list[int] = []
        for column in range(self.x.shape[1]):
            if np.linalg.matrix_rank(self.x[:, [*kept, column]]) > len(kept):
                kept.append(column)
        return kept


def regression(design: Design, equation: str, lags: int) -> Regression:
    """Fit by least squares with Newey-West errors; R squared is about the mean."""
    from statsmodels.regression.linear_model import OLS

    kept = design.independent()
    fitted = (
        OLS(design.y, design.x[:, kept]).fit(cov_type="HAC", cov_kwds={"maxlags": lags}) if kept else None
    )
    residuals = design.y if fitted is None else np.asarray(fitted.resid)
    return Regression(
        equation=equation,
        errors=f"Newey-West, {lags} lags",
        coefficients=_coefficients(design, kept, fitted),
        r_squared=r_squared(design.y, residuals),
        rows=len(design.y),
    )


def robust_regression(design: Design, equation: str) -> Regression:
    """Fit by Huber's method, which gives outliers less weight."""
    from statsmodels.robust.robust_linear_model import RLM

    kept = design.independent()
    return Regression(
        equation=equation,
        errors="robust scale",
        coefficients=_coefficients(design, kept, RLM(design.y, design.x[:, kept]).fit()),
        r_squared=None,
        rows=len(design.y),
    )


def r_squared(y: NDArray[np.float64], residuals: NDArray[np.float64]) -> float:
    """Share of the variance about the mean that is explained; 1 where there is nothing to explain."""
    spread = float(((y - y.mean()) ** 2).sum())
    return 1.0 - float((residuals**2).sum()) / spread if spread > 0 else 1.0


def _coefficients(design: Design, kept: list[int], fitted: Any) -> tuple[Coefficient, ...]:
    place = {column: row for row, column in enumerate(kept)}
    return tuple(
        Coefficient(
            name=name,
            estimate=float(fitted.params[place[column]]) if column in place else 0.0,
            std_error=float(fitted.bse[place[column]]) if column in place else math.nan,
        )
        for column, name in enumerate(design.names)
    )
