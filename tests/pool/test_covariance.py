"""Oracles: numpy's general solver and eigenvalues, dense products, hand derivations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.pool.covariance import (
    align,
    block,
    checked_covariance,
    covariance_of,
    solve,
    solve_with_diagonal,
    verdict,
)

TWO = [[0.0016, 0.0009], [0.0009, 0.0012]]
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 6)


def drawn(seed, n):
    """Return a generator and a covariance of daily returns, from correlations of one of many strengths."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n, n + 2)) + rng.uniform(0, 4)
    sd = rng.uniform(1e-4, 0.08, n)
    correlations = np.corrcoef(factors).reshape(n, n)
    return rng, correlations * np.outer(sd, sd)


@given(seeds, sizes)
def test_a_covariance_is_kept_with_its_factor_and_eigenvalues(seed, n):
    """The matrix stays, its factor multiplies back to it, the eigenvalues are numpy's; checking twice is once."""
    _, cov = drawn(seed, n)
    found = checked_covariance(cov)
    assert found.matrix == pytest.approx(cov, rel=1e-12)
    assert found.factor @ found.factor.T == pytest.approx(found.matrix, rel=1e-12, abs=1e-18)
    values = np.linalg.eigvals(found.matrix).real
    assert found.smallest_eigenvalue == pytest.approx(values.min(), abs=1e-14 * values.max())
    assert found.largest_eigenvalue == pytest.approx(values.max(), rel=1e-12)
    assert checked_covariance(found) is found
    assert found.assets == n


@given(seeds, st.integers(2, 6), st.lists(st.floats(-6, 6), min_size=6, max_size=6))
def test_no_change_of_units_alters_the_verdict(seed, n, powers):
    """The condition number is that of the correlations: scaling any asset's returns leaves it alone."""
    _, cov = drawn(seed, n)
    scale = 10.0 ** np.array(powers[:n])
    sd = np.sqrt(np.diag(cov))
    condition = np.linalg.cond(cov / np.outer(sd, sd))
    for matrix in (cov, cov * np.outer(scale, scale)):
        assert checked_covariance(matrix).condition == pytest.approx(condition, rel=1e-6)


def test_small_variances_are_no_fault():
    """A stablecoin beside a coin is as good as any pair, at any ratio of variances."""
    found = checked_covariance(np.diag([1e-24, 1e-3]))
    assert found.condition == pytest.approx(1.0, rel=1e-14)
    assert not found.ill_conditioned


def test_ill_conditioning_is_flagged():
    """Correlations [[1, r], [r, 1]] have the condition number (1 + r)/(1 - r): flagged above 1e8."""
    for r, flagged in ((0.99, False), (1 - 3e-8, False), (1 - 1e-8, True), (1 - 1e-12, True)):
        found = checked_covariance([[4.0, 2 * r], [2 * r, 1.0]])
        assert found.condition == pytest.approx((1 + r) / (1 - r), rel=1e-3)
        assert found.ill_conditioned is flagged


def test_rounding_between_mirrored_entries_is_evened_out():
    """Entries that differ by less than 1e-10 of the standard deviations become their mean."""
    found = checked_covariance([[1.0, 0.5], [0.5 + 4e-11, 1.0]])
    assert found.matrix[0, 1] == found.matrix[1, 0] == pytest.approx(0.5 + 2e-11, abs=1e-16)


@pytest.mark.parametrize(
    ("cov", "message"),
    [
        (0.04, r"cov has shape \(\): a square matrix is required"),
        ([0.04, 0.01], r"cov has shape \(2,\): a square"),
        ([[0.04, 0.01]], r"cov has shape \(1, 2\): a square"),
        (np.zeros((0, 0)), r"cov has shape \(0, 0\): a square"),
        (np.ones((2, 2, 2)), r"cov has shape \(2, 2, 2\): a square"),
        ([[0.04], [0.01, 0.09]], "cov is not a regular array"),
        ([[1.0, math.nan], [0.5, 1.0]], r"cov\[0, 1\] = nan is not a finite number"),
        ([[math.inf, 0.5], [0.5, 1.0]], r"cov\[0, 0\] = inf is not a finite number"),
        ([["a", "b"], ["c", "d"]], "cov holds str"),
        ([[True, False], [False, True]], "cov holds bool values"),
        ([[1.0, 0.5], [0.5 + 2e-10, 1.0]], r"cov\[0, 1\] = 0.5 and cov\[1, 0\] = 0.5000000002 differ"),
        ([[1e-6, 4e-7], [4e-7 * (1 + 1e-9), 1e-6]], r"cov\[0, 1\] = 4e-07 and cov\[1, 0\] = 4.0000"),
        (
            [[1.0, 2.0], [2.0, 1.0]],
            "cov is not positive definite: its smallest eigenvalue is -1; leave out assets without risk",
        ),
        ([[0.0, 0.0], [0.0, 1.0]], "cov is not positive definite: its smallest eigenvalue is 0;"),
        ([[-0.5, 0.0], [0.0, 1.0]], "cov is not positive definite: its smallest eigenvalue is -0.5;"),
        (np.ones((3, 3)), "cov is not positive definite: its smallest eigenvalue is "),
        (
            [[1.0, 1.0 - 2e-16], [1.0 - 2e-16, 1.0]],
            r"cov is not positive definite: its smallest eigenvalue is 2\.\d+e-16, no more than rounding",
        ),
    ],
)
def test_what_is_no_covariance_is_refused(cov, message):
    """A matrix that is not square, symmetric and positive definite is refused, with the eigenvalue named."""
    with pytest.raises(DomainError, match=f"^{message}"):
        checked_covariance(cov)
    with pytest.raises(DomainError, match=f"^{message.replace('cov', 'other')}"):
        checked_covariance(cov, "other")


def test_more_periods_than_assets_are_needed():
    """The sample covariance of 3 assets over 3 periods has rank 2 and is refused, over 8 periods it is not."""
    returns = np.random.default_rng(1).normal(size=(8, 3))
    with pytest.raises(DomainError, match="not positive definite"):
        checked_covariance(np.cov(returns[:3].T))
    assert checked_covariance(np.cov(returns.T)).assets == 3


@given(seeds, sizes)
def test_solving_agrees_with_a_general_solver(seed, n):
    """Solutions for many scenarios, with one diagonal added or one a scenario, are those of numpy's LU solver."""
    rng, matrix = drawn(seed, n)
    cov = checked_covariance(matrix)
    right, rows = rng.normal(size=(3, 2, n)), rng.uniform(0, 0.01, (2, n))
    tolerance = {"rel": 1e-9 * cov.condition, "abs": 0}
    close = np.linalg.solve(matrix, right[..., None])[..., 0]
    assert np.linalg.norm(solve(cov, right) - close) <= 1e-13 * cov.condition * np.linalg.norm(close)
    assert solve(cov, right[0, 0]) == pytest.approx(solve(cov, right)[0, 0], **tolerance)
    for diagonal in (rows[0], rows, 0 * rows):
        dense = matrix + diagonal[..., None] * np.eye(n)
        expected = np.linalg.solve(np.broadcast_to(dense, (3, 2, n, n)), right[..., None])[..., 0]
        found = solve_with_diagonal(cov, diagonal, right)
        assert found.shape == (3, 2, n)
        assert np.linalg.norm(found - expected) <= 1e-13 * cov.condition * np.linalg.norm(expected)


@given(seeds, sizes)
def test_products_with_a_covariance(seed, n):
    """``x'Sigma y`` is the dense product, and ``x'Sigma x`` is never below 0."""
    rng, matrix = drawn(seed, n)
    cov = checked_covariance(matrix)
    x, y = rng.normal(size=(2, 4, n))
    scale = np.sqrt(np.einsum("ki,ij,kj->k", x, matrix, x) * np.einsum("ki,ij,kj->k", y, matrix, y))
    gap = covariance_of(cov, x, y) - np.einsum("ki,ij,kj->k", x, matrix, y)
    assert (np.abs(gap) <= 1e-12 * scale).all()
    assert (covariance_of(cov, x, x) >= 0).all()


def test_the_variance_of_a_nearly_replicated_position_is_not_negative():
    """Long one asset and short its near twin: variance 2(1 - r), which a plain product may lose to rounding."""
    r = 1 - 1e-13
    cov = checked_covariance([[1.0, r], [r, 1.0]])
    assert covariance_of(cov, np.array([1.0, -1.0]), np.array([1.0, -1.0])) == pytest.approx(2e-13, rel=1e-2)


def test_blocks_keep_the_order_given():
    """Part of a covariance has the rows and columns asked for, in that order."""
    _, matrix = drawn(3, 4)
    assert block(checked_covariance(matrix), (2, 0)).matrix == pytest.approx(
        np.array([[matrix[2, 2], matrix[2, 0]], [matrix[0, 2], matrix[0, 0]]]), rel=1e-12
    )


def test_figures_are_aligned_over_scenarios():
    """Numbers stand for every asset and scenario; figures by asset and by scenario get one leading shape."""
    x, y, s = align(2, {"x": 3, "y": [[1, 2], [3, 4], [5, 6]]}, {"s": [7, 8, 9]})
    assert x.tolist() == [[3, 3]] * 3
    assert y.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert s.tolist() == [7, 8, 9]
    x, s = align(2, {"x": [1, 2]}, {"s": 7})
    assert (x.tolist(), s.tolist(), s.shape) == ([1, 2], 7, ())


@pytest.mark.parametrize(
    ("by_asset", "by_scenario", "message"),
    [
        ({"x": [1, 2, 3]}, {}, r"x has shape \(3,\): its last axis must hold 2, one figure an asset"),
        ({"x": [[1], [2]]}, {}, r"x has shape \(2, 1\)"),
        ({"x": [[1, 2]] * 3}, {"s": [1, 2]}, r"scenarios do not broadcast: x\(3,\), s\(2,\)"),
        ({"x": [1, math.nan]}, {}, r"x\[1\] = nan is not a finite number"),
        ({"x": 1}, {"s": math.inf}, "s = inf is not a finite number"),
        ({"x": [True, False]}, {}, "x holds bool values"),
        ({"x": 1}, {"s": "a"}, "s"),
    ],
)
def test_figures_that_do_not_fit_are_refused(by_asset, by_scenario, message):
    """A wrong number of assets, scenarios that do not broadcast and values that are no numbers are named."""
    with pytest.raises(DomainError, match=f"^{message}"):
        align(2, by_asset, by_scenario)


def test_verdicts_are_plain_truth_values():
    """One scenario gives a bool, many an array."""
    assert verdict(np.bool_(1)) is True
    assert verdict(np.array(0.5) > 1) is False
    assert verdict(np.array([True, False])).tolist() == [True, False]
