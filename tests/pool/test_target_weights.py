"""Oracles: quadratic and linear programmes (scipy), brute force, and the figures of pdlp.md 14."""

import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, linprog, minimize

from yieldtrade.errors import DomainError
from yieldtrade.pool.weights import (
    MODES,
    available_assets,
    check_simplex,
    ownership_fraction,
    rebalance_trade,
    vectors,
    weights,
)

amounts = st.lists(st.floats(0.5, 100.0), min_size=1, max_size=4)


def pool(seed, n=None):
    """Return prices, reserves, available units and target of a random pool."""
    rng = np.random.default_rng(seed)
    n = n or int(rng.integers(2, 6))
    p, R = 10.0 ** rng.uniform(-2, 4, n), rng.uniform(1, 100, n)
    R = R / p
    return p, R, R * rng.uniform(0, 1, n), rng.dirichlet(np.ones(n))


def test_available_assets_are_what_is_not_locked():
    """R^A is the reserves less what is locked, given in all or loan by loan (coverage: R^A)."""
    assert available_assets([10, 5], [3, 5]).tolist() == [7, 0]
    assert available_assets([10, 5], [[1, 2], [2, 0], [0, 3]]).tolist() == [7, 0]
    assert available_assets(10, 4).tolist() == [6]
    many = available_assets([[10, 5], [20, 5]], [[1, 1], [2, 2]])
    assert many.tolist() == [[9, 4], [18, 3]]


def test_more_locked_than_held_is_an_error_of_the_state():
    """A negative available amount is refused and not clipped, also as a sum of loans."""
    with pytest.raises(DomainError, match=r"locked = 6\.0 of asset 1 exceeds its reserves of 5\.0"):
        available_assets([10, 5], [3, 6])
    with pytest.raises(DomainError, match=r"locked = 6\.0 of asset 1"):
        available_assets([10, 5], [[3, 3], [3, 3]])


@given(amounts, st.data())
def test_weights_are_the_shares_of_value(R, data):
    """Weights are p*R/(p.R) and do not change with the unit of account (coverage: w)."""
    p = data.draw(st.lists(st.floats(0.01, 1e5), min_size=len(R), max_size=len(R)))
    total = sum(a * b for a, b in zip(p, R, strict=True))
    w = weights(p, R)
    assert w == pytest.approx([a * b / total for a, b in zip(p, R, strict=True)], rel=1e-14)
    assert w.sum() == pytest.approx(1, abs=1e-14)
    assert weights(7.0 * np.array(p), R) == pytest.approx(w, rel=1e-14)


def test_weights_of_many_pools_at_once():
    """Scenarios lie along leading axes; a lone number is a pool of one asset."""
    many = weights([[1, 1], [3, 1]], [1, 1])
    assert many.tolist() == [[0.5, 0.5], [0.75, 0.25]]
    assert weights(3, 2).tolist() == [1.0]


def test_the_worked_projection():
    """V 100, weights .6/.3/.1, target .4/.4/.2, first asset down to .5: .5/.35/.15, tau .05 (coverage: 6)."""
    found = rebalance_trade([1, 1, 1], [60, 30, 10], [10, 30, 10], [0.4, 0.4, 0.2])
    assert found.weights == pytest.approx([0.5, 0.35, 0.15], abs=1e-15)
    assert found.trade == pytest.approx([-10, 5, 5], abs=1e-12)
    assert found.binding.tolist() == [True, False, False]
    # distance^2 = .1^2 + .05^2 + .05^2
    assert found.distance == pytest.approx(0.015**0.5, rel=1e-14)


@pytest.mark.parametrize("seed", range(12))
def test_self_financing_is_the_exact_projection(seed):
    """No quadratic programme comes closer at p.D = 0, D >= -R^A, and the trade is feasible (coverage: 6)."""
    p, R, available, target = pool(seed)
    found = rebalance_trade(p, R, available, target)
    total = p @ R
    assert p @ found.trade == pytest.approx(0, abs=1e-12 * total)
    assert (found.trade >= -available).all()
    assert found.weights == pytest.approx(weights(p, R + found.trade), abs=1e-14)
    low = p * (R - available) / total
    qp = minimize(
        lambda v: ((v - target) ** 2).sum(),
        weights(p, R),
        jac=lambda v: 2 * (v - target),
        method="SLSQP",
        bounds=[(a, 1) for a in low],
        constraints=LinearConstraint(np.ones(p.size), 1, 1),
        options={"ftol": 1e-16},
    )
    assert found.weights == pytest.approx(qp.x, abs=1e-7)
    assert found.distance <= np.sqrt(qp.fun) + 1e-12


@pytest.mark.parametrize("seed", range(12))
def test_self_financing_meets_its_optimality_conditions(seed):
    """Free assets share one multiplier tau, bound ones would go lower, and nothing free stays behind."""
    p, R, available, target = pool(seed)
    found = rebalance_trade(p, R, available, target)
    low = p * (R - available) / (p @ R)
    tau = target - found.weights
    free = ~found.binding
    assert np.ptp(tau[free]) < 1e-13
    assert found.weights[~free] == pytest.approx(low[~free], abs=1e-15)
    assert (target[~free] - tau[free][0] < low[~free]).all()
    assert found.trade[~free].tolist() == (-available[~free]).tolist()


def test_everything_locked_leaves_the_pool_as_it_is():
    """Where no asset can leave and none may be paid in, the trade is nothing."""
    found = rebalance_trade([2, 1], [3, 4], [0, 0], [0.2, 0.8])
    assert found.trade == pytest.approx([0, 0], abs=1e-15)
    assert found.distance == pytest.approx(np.hypot(0.4, 0.4))


@pytest.mark.parametrize("seed", range(12))
def test_deposit_only_takes_the_least_value(seed):
    """A linear programme over D >= 0 that reaches the target deposits the same value (coverage: 6)."""
    p, R, available, target = pool(seed)
    found = rebalance_trade(p, R, available, target, "deposit_only")
    assert (found.trade >= 0).all()
    assert weights(p, R + found.trade) == pytest.approx(target, abs=1e-12)
    assert found.distance == pytest.approx(0, abs=1e-12)
    # unknowns x = p*D in shares of the pool, and the size s afterwards: w + x = s*target
    w = weights(p, R)
    n = p.size
    lp = linprog([1.0] * n + [0], A_eq=np.hstack([np.eye(n), -target[:, None]]), b_eq=-w)
    assert p @ found.trade / (p @ R) == pytest.approx(lp.fun, rel=1e-9)
    assert found.trade[found.binding].tolist() == [0.0]


@pytest.mark.parametrize("seed", range(16))
def test_least_turnover_is_the_linear_programme(seed):
    """Among all trades that reach the target, the turnover is that of a linear programme (coverage: 6)."""
    p, R, available, target = pool(seed)
    found = rebalance_trade(p, R, available, target, "least_turnover")
    assert weights(p, R + found.trade) == pytest.approx(target, abs=1e-12)
    assert (found.trade >= -available).all()
    w, n = weights(p, R), p.size
    low = p * available / (p @ R)
    # x = p*D/V split in parts up and down; w + up - down = s*target, down <= what is available
    eq = np.hstack([np.eye(n), -np.eye(n), -target[:, None]])
    bounds = [(0, None)] * n + [(0, a) for a in low] + [(0, None)]
    lp = linprog([1.0] * (2 * n) + [0], A_eq=eq, b_eq=-w, bounds=bounds)
    assert np.abs(p * found.trade).sum() / (p @ R) == pytest.approx(lp.fun, rel=1e-9)


def test_turnover_is_split_evenly_where_sizes_tie():
    """Between two medians the trade is the one of least net flow: here none."""
    # p*R/w* = 60/.5 and 40/.5: every size from 80 to 120 turns over 20
    found = rebalance_trade([1, 1], [60, 40], [60, 40], [0.5, 0.5], "least_turnover")
    assert found.trade.tolist() == [-10, 10]
    # the locked asset asks for a size of 116 at least
    found = rebalance_trade([1, 1], [60, 40], [2, 40], [0.5, 0.5], "least_turnover")
    assert found.trade.tolist() == [-2, 18]
    assert found.binding.tolist() == [True, False]


@given(st.integers(0, 10**6))
@settings(max_examples=30)
def test_a_pool_on_target_is_left_alone(seed):
    """At the target weights every mode trades nothing."""
    p, _, part, target = pool(seed)
    assume(target.min() > 1e-3)
    R = 100.0 * target / p
    for mode in MODES:
        found = rebalance_trade(p, R, np.minimum(part, R), target, mode)
        assert p * found.trade == pytest.approx(np.zeros(p.size), abs=1e-11)
        assert found.distance == pytest.approx(0, abs=1e-12)


@given(st.integers(0, 10**6))
@settings(max_examples=30)
def test_rebalancing_does_not_depend_on_labels_or_units(seed):
    """Permuting the assets permutes the trade; counting in thousandths multiplies it."""
    p, R, available, target = pool(seed)
    order = np.random.default_rng(seed).permutation(p.size)
    for mode in MODES:
        try:
            found = rebalance_trade(p, R, available, target, mode)
        except DomainError:
            continue
        moved = rebalance_trade(p[order], R[order], available[order], target[order], mode)
        small = rebalance_trade(p / 1000, 1000 * R, 1000 * available, target, mode)
        scale = 1e-11 * (p @ R)
        assert (p * found.trade)[order] == pytest.approx(p[order] * moved.trade, abs=scale)
        assert p * found.trade == pytest.approx(p / 1000 * small.trade, abs=scale)


def test_many_pools_are_rebalanced_at_once():
    """Pools along a leading axis get the trades they get alone."""
    pools = [pool(seed, 3) for seed in range(5)]
    stacked = [np.stack(parts) for parts in zip(*pools, strict=True)]
    for mode in MODES:
        together = rebalance_trade(*stacked, mode)
        assert together.distance.shape == (5,)
        for k, alone in enumerate(pools):
            found = rebalance_trade(*alone, mode)
            assert together.trade[k] == pytest.approx(found.trade, rel=1e-12, abs=1e-12)
            assert together.binding[k].tolist() == found.binding.tolist()


def test_an_asset_of_target_nothing_leaves_or_stays():
    """An asset of target 0 is taken out where it may leave; what is locked of it stays, with tau at work."""
    p, R, target = [1, 1, 1], [50, 40, 10], [0.5, 0.5, 0]
    for mode in ("self_financing", "least_turnover"):
        gone = rebalance_trade(p, R, R, target, mode)
        assert gone.trade[2] == -10
        assert gone.distance == pytest.approx(0, abs=1e-15)
    # locked at 4 of 100: .5 - .02, .5 - .02, .04
    kept = rebalance_trade(p, R, [50, 40, 6], target)
    assert kept.weights == pytest.approx([0.48, 0.48, 0.04], abs=1e-15)
    with pytest.raises(DomainError, match=r"target of asset 2 is 0 and 4\.0 USD of it stay"):
        rebalance_trade(p, R, [50, 40, 6], target, "least_turnover")
    with pytest.raises(DomainError, match=r"target of asset 2 is 0 and 10\.0 USD of it stay.*self_financing"):
        rebalance_trade(p, R, R, target, "deposit_only")


def test_least_turnover_never_empties_a_pool():
    """Where emptying the pool would turn over least there is no least trade, and the mode says so."""
    with pytest.raises(DomainError, match="least_turnover: most of the target is in assets"):
        rebalance_trade([1, 1], [100, 0], [100, 0], [0.3, 0.7], "least_turnover")
    # with 30 locked the size is 100: 70 out, 70 in
    found = rebalance_trade([1, 1], [100, 0], [70, 0], [0.3, 0.7], "least_turnover")
    assert found.trade == pytest.approx([-70, 70])


def test_ownership_after_a_deposit():
    """R 100, D 10, F .1: ownership 0.1; the validity condition is D >= -R (coverage: ownership)."""
    assert ownership_fraction(1, 100, 10, 0.1) == pytest.approx(0.1, rel=1e-15)
    assert ownership_fraction([2, 1], [10, 80], [0, 25], 0.0) == pytest.approx(0.2, rel=1e-15)
    assert ownership_fraction([2, 1], [10, 80], [-10, 25], 0.0) == pytest.approx(5 / 105, rel=1e-15)
    assert ownership_fraction(1, 0, 10, 0.0) == 1
    many = ownership_fraction([1], [100], [[10], [20]], [0.1, 0.2])
    assert many == pytest.approx([0.1, 0.2])


def test_an_ownership_of_more_than_the_pool_is_refused():
    """A discount that gives more than the whole pool is refused, one that gives all of it is not."""
    # (1+F)*10/20 = 1 at F = 1
    assert ownership_fraction(1, 10, 10, 1.0) == 1
    with pytest.raises(DomainError, match=r"F = 1\.2 gives the depositor 1\.1 of the pool"):
        ownership_fraction(1, 10, 10, 1.2)


BAD = [
    ({"p": [1, 0]}, r"p\[1\] = 0\.0 must be above 0"),
    ({"p": [1, -2]}, r"p\[1\] = -2\.0 must be above 0"),
    ({"p": [1, np.nan]}, r"p\[1\] = nan is not a finite number"),
    ({"p": [True, 1]}, "p holds bool values"),
    ({"R": [-1, 5]}, r"R\[0\] = -1\.0 must be 0 or more"),
    ({"R": ["a", 5]}, "R holds"),
    ({"R": [np.inf, 5]}, r"R\[0\] = inf is not a finite number"),
    ({"R": [0, 0], "available": [0, 0]}, r"a pool worth 0\.0 USD is empty"),
    ({"available": [11, 0]}, r"available = 11\.0 of asset 0 exceeds its reserves of 10\.0"),
    ({"available": [-1, 0]}, r"available\[0\] = -1\.0 must be 0 or more"),
    ({"target": [0.5, 0.4]}, r"target sums to 0\.9: weights must sum to 1"),
    ({"target": [1.5, -0.5]}, r"target\[0\] = 1\.5 must be between 0 and 1"),
    ({"target": [0.2, 0.3, 0.5]}, r"shapes do not match: p\(2,\), R\(2,\), available\(2,\), target\(3,\)"),
    ({"mode": "clip"}, "mode = 'clip': allowed are 'self_financing', 'deposit_only', 'least_turnover'"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_arguments_of_a_rebalancing(change, message):
    """What lies outside its domain is refused with argument and value (pdlp.md 13)."""
    sound = {"p": [1, 2], "R": [10, 5], "available": [5, 5], "target": [0.5, 0.5]}
    with pytest.raises(DomainError, match=message):
        rebalance_trade(**{**sound, **change})


def test_bad_trades_are_refused():
    """A trade beyond the reserves, a discount of -1, an emptied pool, no assets, and axes that do not match."""
    with pytest.raises(DomainError, match=r"D = -11\.0 of asset 1 takes more than the reserves of 10\.0"):
        ownership_fraction([1, 1], [10, 10], [20, -11], 0)
    with pytest.raises(DomainError, match=r"F = -1\.0 must be above -1"):
        ownership_fraction(1, 10, 10, -1)
    with pytest.raises(DomainError, match=r"worth 0\.0 USD after the trade"):
        ownership_fraction(1, 10, -10, 0)
    with pytest.raises(DomainError, match=re.escape("shapes do not match: p(0,), R(0,)")):
        weights([], [])
    with pytest.raises(DomainError, match=re.escape("shapes do not broadcast: p(3, 2), R(2, 2)")):
        weights(np.ones((3, 2)), np.ones((2, 2)))


def test_vectors_already_sound_are_checked_all_the_same():
    """Arrays of float64 pass as they are, but not with a value outside their domain."""
    p, R = np.array([1.0, 2.0]), np.array([0.0, 3.0])
    first, second = vectors(p=p, R=R)
    assert first is p
    assert second is R
    for name, bad in (("p", R), ("R", -p), ("D", np.array([np.nan, 1.0])), ("target", 2 * p)):
        with pytest.raises(DomainError, match=rf"{name}\["):
            vectors(**{name: bad})
    with pytest.raises(DomainError, match="shapes do not match"):
        vectors(p=p, R=np.ones(3))


def test_weights_off_the_simplex_are_refused():
    """Weights must sum to 1 within 1e-9, in every scenario."""
    check_simplex(target=np.array([0.5, 0.5 + 0.9e-9]))
    with pytest.raises(DomainError, match="target sums to"):
        check_simplex(target=np.array([[0.5, 0.5], [0.5, 0.5 + 2e-9]]))
