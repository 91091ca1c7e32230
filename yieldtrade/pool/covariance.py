"""Covariances of returns, checked and factored once and then solved against (pdlp.md 8, 9, 13).

Sigma is the covariance of the returns of n assets over a period. Figures by asset have shape (..., n), figures by
scenario (...); the leading axes are scenarios and broadcast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yieldtrade.elementwise import checked
from yieldtrade.errors import DomainError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

# Entries that mirror each other may differ by this much of the standard deviations they belong to (pdlp.md 13).
SYMMETRY = 1e-10
# Solving loses about as many digits as the condition number has: from here on, more than half of them.
ILL_CONDITIONED = 1e8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Covariance:
    """A covariance that is known to be symmetric and positive definite.

    Attributes
    ----------
    matrix
        Sigma, shape (n, n), exactly symmetric.
    factor
        Its lower Cholesky factor L, ``Sigma = L L'``.
    smallest_eigenvalue, largest_eigenvalue
        Of Sigma.
    condition
        Condition number of the correlations: unlike that of Sigma it does not depend on how volatile each asset is, and
        it is what decides how many digits a solution keeps.
    """

    matrix: NDArray[np.float64]
    factor: NDArray[np.float64]
    smallest_eigenvalue: float
    largest_eigenvalue: float
    condition: float

    @property
    def assets(self) -> int:
        """Return the number of assets, n."""
        return len(self.matrix)

    @property
    def ill_conditioned(self) -> bool:
        """Tell whether what is solved against Sigma keeps less than half of its digits."""
        return self.condition > ILL_CONDITIONED


def checked_covariance(cov: Any, name: str = "cov") -> Covariance:
    """Return a covariance with its factor, once it is square, symmetric and positive definite (pdlp.md 13).

    Parameters
    ----------
    cov
        Sigma, shape (n, n); a `Covariance` is returned as it is.
    name
        What messages call it.

    Raises
    ------
    DomainError
        It is not square, not symmetric to a relative 1e-10 or not positive definite (the message names its smallest
        eigenvalue), or an entry is not a finite number.
    """
    import numpy as np
    from scipy.linalg import cholesky

    if isinstance(cov, Covariance):
        return cov
    matrix = _symmetric(name, np.asarray(checked(name, cov)))
    eigenvalues = np.linalg.eigvalsh(matrix)
    spread = _correlation_eigenvalues(matrix)
    # beyond this the Cholesky factorisation succeeds whatever the rounding (Higham 2002, theorem 10.7)
    n = len(matrix)
    if not spread[0] > n * (n + 1) * np.finfo(float).eps:
        rounding = ", no more than rounding" if eigenvalues[0] > 0 else ""
        raise DomainError(
            f"{name} is not positive definite: its smallest eigenvalue is {eigenvalues[0]:.6g}{rounding}; leave out "
            f"assets without risk and assets that the others replicate"
        )
    return Covariance(
        matrix=matrix,
        factor=cholesky(matrix, lower=True),
        smallest_eigenvalue=float(eigenvalues[0]),
        largest_eigenvalue=float(eigenvalues[-1]),
        condition=float(spread[-1] / spread[0]),
    )


def _symmetric(name: str, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:  # noqa: PLR2004 - a matrix
        raise DomainError(f"{name} has shape {matrix.shape}: a square matrix is required")
    scale = np.sqrt(np.abs(np.diag(matrix)))
    uneven = np.abs(matrix - matrix.T) > SYMMETRY * np.outer(scale, scale)
    if uneven.any():
        i, j = (int(k) for k in np.argwhere(uneven)[0])
        raise DomainError(
            f"{name}[{i}, {j}] = {float(matrix[i, j])!r} and {name}[{j}, {i}] = {float(matrix[j, i])!r} differ: "
            f"a covariance is symmetric, here to a relative {SYMMETRY:g}"
        )
    return matrix / 2.0 + matrix.T / 2.0


def _correlation_eigenvalues(matrix: NDArray[np.float64]) -> NDArray[np.floating[Any]]:
    """Return the eigenvalues of the correlations in rising order; zeros where a variance is not above 0."""
    import numpy as np

    variances = np.diag(matrix)
    if not (variances > 0).all():
        return np.zeros(len(matrix))
    sd = np.sqrt(variances)
    return np.linalg.eigvalsh(matrix / sd[:, None] / sd[None, :])


def block(cov: Covariance, rows: tuple[int, ...]) -> Covariance:
    """Return the covariance of some of the assets, in the order given."""
    import numpy as np

    return checked_covariance(cov.matrix[np.ix_(rows, rows)])


def solve(cov: Covariance, right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``Sigma^-1 right`` for figures by asset of shape (..., n)."""
    from scipy.linalg import cho_solve

    columns = right.reshape(-1, cov.assets).T
    found: NDArray[np.float64] = cho_solve((cov.factor, True), columns).T.reshape(right.shape)
    return found


def solve_with_diagonal(
    cov: Covariance, diagonal: NDArray[np.float64], right: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``(Sigma + Diag(d))^-1 right`` for d of 0 or more and right, both of shape (..., n)."""
    import numpy as np
    from scipy.linalg import cho_factor, cho_solve

    matrix = cov.matrix + diagonal[..., None] * np.eye(cov.assets)
    if matrix.ndim == 2:  # noqa: PLR2004 - one matrix for all scenarios is factored once
        columns = right.reshape(-1, cov.assets).T
        one: NDArray[np.float64] = cho_solve(cho_factor(matrix, lower=True), columns).T.reshape(right.shape)
        return one
    shape = np.broadcast_shapes(matrix.shape[:-1], right.shape)
    matrix = np.broadcast_to(matrix, (*shape, cov.assets))
    column = np.broadcast_to(right, shape)[..., None]
    found: NDArray[np.float64] = cho_solve(cho_factor(matrix, lower=True), column)[..., 0]
    return found


def covariance_of(cov: Covariance, x: NDArray[np.float64], y: NDArray[np.float64]) -> Any:
    """Return ``x'Sigma y`` as ``(L'x)'(L'y)``, so that no variance comes out below 0."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        return inner(x @ cov.factor, y @ cov.factor)


def inner(x: NDArray[np.float64], y: NDArray[np.float64]) -> Any:
    """Return ``x'y`` over the assets; what is too large to represent is infinite, for the caller to refuse."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        return (x * y).sum(axis=-1)


def align(n: int, by_asset: Mapping[str, Any], by_scenario: Mapping[str, Any]) -> list[NDArray[np.float64]]:
    """Return figures by asset, shape (..., n), and then figures by scenario, shape (...), all of one (...).

    Parameters
    ----------
    n
        Number of assets.
    by_asset
        Named figures of shape (..., n); a number stands for the same in every asset and scenario.
    by_scenario
        Named figures of shape (...).

    Raises
    ------
    DomainError
        A last axis does not hold n figures, the leading axes do not broadcast, or a figure is not finite.
    """
    import numpy as np

    vectors = {name: np.asarray(checked(name, value)) for name, value in by_asset.items()}
    for name, array in vectors.items():
        if array.ndim and array.shape[-1] != n:
            raise DomainError(
                f"{name} has shape {array.shape}: its last axis must hold {n}, one figure an asset"
            )
    scalars = {name: np.asarray(checked(name, value)) for name, value in by_scenario.items()}
    leading = {name: array.shape[:-1] for name, array in vectors.items()}
    leading |= {name: array.shape for name, array in scalars.items()}
    try:
        shape = np.broadcast_shapes(*leading.values())
    except ValueError:
        stated = ", ".join(f"{name}{scenarios}" for name, scenarios in leading.items() if scenarios)
        raise DomainError(f"scenarios do not broadcast: {stated}") from None
    aligned = [np.broadcast_to(array, (*shape, n)) for array in vectors.values()]
    return aligned + [np.broadcast_to(array, shape) for array in scalars.values()]


def verdict(condition: Any) -> Any:
    """Return a condition as a bool, or an array of them over scenarios."""
    return condition if getattr(condition, "ndim", 0) else bool(condition)
