"""Oracles: numpy's inverse of the precision matrix, scipy's optimiser, regression residuals, hand derivations.

Covers of the paper: Schur complements, (15), (16) and claim B.1 (appendix B).
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from yieldtrade.errors import DomainError, MarketDefinitionError
from yieldtrade.pool.covariance import checked_covariance
from yieldtrade.pool.split import (
    conditional_covariance,
    paper_split_condition,
    pool_split_report,
)

# pdlp.md 14: two assets, utilisation .3 and .5, a fee of 2 % a period
COV = np.array([[0.04, 0.03], [0.03, 0.09]])
LENT, FEE, GAMMA = np.array([0.3, 0.5]), 0.02, 3.0
CARRY = FEE * LENT
APART = ([0], [1])

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(2, 6)


def drawn(seed, n):
    """Return a generator, a well-conditioned covariance of n assets and its two groups, in any order."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n, 2 * n + 2)) + rng.uniform(0, 1)
    sd = rng.uniform(0.001, 0.08, n)
    order, first = rng.permutation(n).tolist(), int(rng.integers(1, n))
    return rng, (root @ root.T / (2 * n + 2)) * np.outer(sd, sd), (order[:first], order[first:])


def blocks(cov, kept, others):
    """Return A, B and C of a partition."""
    return cov[np.ix_(kept, kept)], cov[np.ix_(kept, others)], cov[np.ix_(others, others)]


def test_schur_complements_by_hand():
    """Schur complements: .04 - .03^2/.09 = .03 and .09 - .03^2/.04 = .0675."""
    assert conditional_covariance(COV, [0]).matrix == pytest.approx(np.array([[0.03]]), rel=1e-12)
    assert conditional_covariance(COV, [1]).matrix == pytest.approx(np.array([[0.0675]]), rel=1e-12)


@given(seeds, sizes)
def test_schur_complements_invert_a_block_of_the_precision(seed, n):
    """Schur complements: the inverse of the kept block of Sigma^-1, and ``A - B C^-1 B'``, in the order of keep."""
    _, cov, (kept, others) = drawn(seed, n)
    found = conditional_covariance(cov, kept)
    by_precision = np.linalg.inv(np.linalg.inv(cov)[np.ix_(kept, kept)])
    a, b, c = blocks(cov, kept, others)
    scale = np.outer(np.sqrt(np.diag(a)), np.sqrt(np.diag(a)))
    assert found.matrix / scale == pytest.approx(by_precision / scale, abs=1e-9)
    assert found.matrix / scale == pytest.approx((a - b @ np.linalg.inv(c) @ b.T) / scale, abs=1e-9)
    assert found.smallest_eigenvalue > 0
    assert not found.ill_conditioned


def test_schur_complements_are_covariances_of_residuals():
    """Schur complements: what a regression of the kept assets on the others leaves has that covariance."""
    returns = np.random.default_rng(6).normal(size=(400, 5)) @ np.random.default_rng(7).normal(size=(5, 5))
    returns -= returns.mean(axis=0)
    kept, others = [3, 0], [1, 2, 4]
    coefficients = np.linalg.lstsq(returns[:, others], returns[:, kept], rcond=None)[0]
    residuals = returns[:, kept] - returns[:, others] @ coefficients
    found = conditional_covariance(np.cov(returns.T), kept)
    assert found.matrix == pytest.approx(np.cov(residuals.T), rel=1e-9)


@given(seeds, sizes)
def test_the_complement_is_at_most_the_block_in_the_loewner_order(seed, n):
    """Schur complements: ``A - (A - B C^-1 B')`` has no eigenvalue below 0, and the inverses the other way."""
    _, cov, (kept, others) = drawn(seed, n)
    a, _, _ = blocks(cov, kept, others)
    sd = np.sqrt(np.diag(a))
    own, given_ = a / np.outer(sd, sd), conditional_covariance(cov, kept).matrix / np.outer(sd, sd)
    assert np.linalg.eigvalsh(own - given_).min() >= -1e-12
    gap = np.linalg.inv(given_) - np.linalg.inv(own)
    assert np.linalg.eigvalsh(gap).min() >= -1e-9 * np.linalg.norm(np.linalg.inv(given_))


def test_independent_groups_are_their_own_complements():
    """Schur complements: with B = 0 nothing is conditioned away, (16) is 0 and one pool gains nothing."""
    cov = np.diag([0.04, 0.01, 0.09])
    assert conditional_covariance(cov, [2, 0]).matrix == pytest.approx(np.diag([0.09, 0.04]), rel=1e-14)
    found = pool_split_report(cov, ([0, 2], [1]), [0.01, 0.02, -0.01], GAMMA, prices=[1, 5, 2])
    assert [group.advantage for group in found.groups] == [0, 0]
    assert [group.holds for group in found.groups] == [True, True]
    assert found.gain_usd == pytest.approx(0, abs=1e-20)


def test_ill_conditioning_is_flagged_even_in_a_complement_of_one_asset():
    """A complement left over from near twins is a lone number of few digits, and flagged; so is the report."""
    r = 1 - 1e-9
    twins = [[1.0, r], [r, 1.0]]
    found = conditional_covariance(twins, [0])
    assert found.matrix[0, 0] == pytest.approx(1 - r**2, rel=1e-5)
    assert found.ill_conditioned
    assert pool_split_report(twins, APART, [0.01, 0.02], GAMMA).ill_conditioned
    assert not pool_split_report(COV, APART, CARRY, GAMMA).ill_conditioned


def test_equation_16_by_hand():
    """(16) of pdlp.md 14: ``(f/gamma) ell (1/.03 - 1/.04)`` and ``(1/.0675 - 1/.09)``; (15) holds for both."""
    found = pool_split_report(COV, APART, CARRY, GAMMA)
    first, second = found.groups
    assert first.advantage == pytest.approx(0.02 / 3 * 0.3 * (1 / 0.03 - 1 / 0.04), rel=1e-10)
    assert second.advantage == pytest.approx(0.02 / 3 * 0.5 * (1 / 0.0675 - 1 / 0.09), rel=1e-10)
    assert first.advantage == pytest.approx(0.0166667, abs=5e-8)
    assert second.advantage == pytest.approx(0.0123457, abs=5e-8)
    assert (first.holds, second.holds, found.paper_prefers_one_pool) == (True, True, True)
    assert (first.assets, second.assets) == ((0,), (1,))
    assert first.conditional.matrix[0, 0] == pytest.approx(0.03, rel=1e-12)


def test_the_objectives_by_hand():
    """pdlp.md 14: J_joint 2.246914e-4 and J_split 1.685185e-4, from ``carry'Sigma^-1 carry`` and the two blocks."""
    found = pool_split_report(COV, APART, CARRY, GAMMA)
    # det .0027: Sigma^-1 carry = (.09*.006 - .03*.01, .04*.01 - .03*.006)/.0027 = (8/90, 22/270)
    assert found.joint == pytest.approx([8 / 270, 22 / 810], rel=1e-10)
    assert found.separate == pytest.approx([0.006 / 0.04 / 3, 0.01 / 0.09 / 3], rel=1e-12)
    assert found.joint_usd == pytest.approx((0.006 * 8 / 90 + 0.01 * 22 / 270) / 6, rel=1e-10)
    # a = .15, c = 1/9: q_A = .0009, q_C = .01/9, 2 a B c = .001
    assert found.split_usd == pytest.approx((0.0009 + 0.01 / 9 - 0.001) / 6, rel=1e-10)
    assert found.joint_usd == pytest.approx(2.246914e-4, abs=5e-11)
    assert found.split_usd == pytest.approx(1.685185e-4, abs=5e-11)
    assert found.gain_usd == pytest.approx(found.joint_usd - found.split_usd, rel=1e-10)
    assert found.worst is None
    assert [group.worst for group in found.groups] == [None, None]


@given(seeds, sizes)
def test_equation_16_by_two_inverses(seed, n):
    """(16): ``(f/gamma) p.[(A - B C^-1 B')^-1 - A^-1] ell`` by numpy's inverses, for any p and ell of either sign."""
    rng, cov, groups = drawn(seed, n)
    prices, lent = rng.uniform(0.1, 100, n), rng.uniform(0, 1, n)
    found = pool_split_report(cov, groups, 0, GAMMA, prices=prices, lent=lent, fee=FEE)
    for group, kept, others in zip(found.groups, groups, groups[::-1], strict=True):
        a, b, c = blocks(cov, kept, others)
        own, given_ = np.linalg.inv(a), np.linalg.inv(a - b @ np.linalg.inv(c) @ b.T)
        expected = FEE / GAMMA * prices[kept] @ (given_ - own) @ lent[kept]
        size = FEE / GAMMA * prices[kept] @ np.abs(given_) @ lent[kept]
        assert group.advantage == pytest.approx(expected, abs=1e-9 * size)
        assert group.holds is bool(group.advantage >= 0)


@given(seeds, sizes)
def test_equation_16_always_holds_for_parallel_p_and_ell(seed, n):
    """(16) and (15): where every asset is lent in proportion to its price they hold whatever Sigma is."""
    rng, cov, groups = drawn(seed, n)
    prices = rng.uniform(0.01, 100, n)
    found = pool_split_report(cov, groups, 0, GAMMA, prices=prices, lent=0.004 * prices, fee=FEE)
    assert [group.holds for group in found.groups] == [True, True]
    assert found.paper_prefers_one_pool is True


def test_equations_15_and_16_can_fail():
    """(16): p and ell far from parallel, and beta of opposite signs, make it negative; (15) then fails."""
    # A = I, B = (.5, -.5)', C = 1: A^-1 B = B, so the difference is p.B * B.ell/(1 - .5), here (.5)(-.5)/.5
    cov = [[1.0, 0.0, 0.5], [0.0, 1.0, -0.5], [0.5, -0.5, 1.0]]
    found = pool_split_report(cov, ([0, 1], [2]), 0, 1, prices=[2, 1, 1], lent=[0, 1, 1], fee=0.1)
    assert found.groups[0].advantage == pytest.approx(0.1 * 0.5 * -0.5 / 0.5, rel=1e-12)
    assert [group.holds for group in found.groups] == [False, True]
    assert found.paper_prefers_one_pool is False
    # and one pool still gains for carry as it is
    assert pool_split_report(cov, ([0, 1], [2]), [0.01, 0.02, 0.03], 1).gain_usd > 0


@given(seeds, sizes)
def test_carry_stands_for_the_lending_fees(seed, n):
    """(16) with carry alone is (16) with f*ell equal to it."""
    rng, cov, groups = drawn(seed, n)
    lent = rng.uniform(0, 1, n)
    plain = pool_split_report(cov, groups, FEE * lent, GAMMA)
    stated = pool_split_report(cov, groups, -1, GAMMA, lent=lent, fee=FEE)
    for one, other in zip(plain.groups, stated.groups, strict=True):
        assert one.advantage == pytest.approx(other.advantage, rel=1e-9, abs=1e-15)


@given(seeds, sizes)
def test_one_pool_is_never_worth_less_than_two(seed, n):
    """J_joint >= J_split, both by the formulas of pdlp.md 9 with numpy's inverses; the gain is their difference."""
    rng, cov, groups = drawn(seed, n)
    carry = rng.normal(0, 1e-3, n)
    found = pool_split_report(cov, groups, carry, GAMMA)
    a_block, b, c_block = blocks(cov, *groups)
    a, c = np.linalg.inv(a_block) @ carry[groups[0]], np.linalg.inv(c_block) @ carry[groups[1]]
    q = carry[groups[0]] @ a + carry[groups[1]] @ c
    joint = carry @ np.linalg.inv(cov) @ carry / (2 * GAMMA)
    split = (q - 2 * a @ b @ c) / (2 * GAMMA)
    assert found.joint_usd == pytest.approx(joint, rel=1e-8)
    assert found.split_usd == pytest.approx(split, rel=1e-8, abs=1e-9 * joint)
    assert found.gain_usd >= 0
    assert found.gain_usd == pytest.approx(joint - split, abs=1e-8 * (joint + abs(split)))
    assert found.separate[groups[0]] == pytest.approx(a / GAMMA, rel=1e-8)
    assert found.separate[groups[1]] == pytest.approx(c / GAMMA, rel=1e-8)


@given(seeds, st.integers(2, 4))
def test_the_joint_optimum_by_optimisation(seed, n):
    """Scipy's search for the top of ``carry.e - (gamma/2) e'Sigma e`` ends at the joint optimum."""
    rng, cov, groups = drawn(seed, n)
    carry = rng.normal(0, 1e-3, n)
    found = pool_split_report(cov, groups, carry, GAMMA)
    sd = np.sqrt(np.diag(cov))

    def loss(scaled):
        return 1e3 * (GAMMA / 2 * (scaled / sd) @ cov @ (scaled / sd) - carry @ (scaled / sd))

    best = minimize(loss, np.zeros(n), method="BFGS", options={"gtol": 1e-8})
    assert -best.fun / 1e3 == pytest.approx(found.joint_usd, rel=1e-6)
    assert best.x / sd == pytest.approx(found.joint, rel=1e-3, abs=1e-4 * np.abs(found.joint).max())


def test_claim_b_1_has_a_premise_that_never_holds():
    """Claim B.1: over 2,000 random matrices sigma_min of the complement never exceeds sigma_max of the block."""
    for seed in range(2000):
        _, cov, (kept, others) = drawn(seed, 2 + seed % 5)
        found = paper_split_condition(cov, kept)
        a, b, c = blocks(cov, kept, others)
        complement = a - b @ np.linalg.inv(c) @ b.T
        assert found.holds is False
        assert found.sigma_min == pytest.approx(
            np.linalg.svd(complement, compute_uv=False)[-1], rel=1e-6, abs=1e-12 * found.sigma_max
        )
        assert found.sigma_max == pytest.approx(np.linalg.svd(a, compute_uv=False)[0], rel=1e-10)
        assert found.sigma_min <= found.sigma_max * (1 + 1e-12)


def test_claim_b_1_is_false_even_where_it_comes_closest():
    """Claim B.1: one asset kept and independent of the other makes both singular values equal, and no more."""
    found = paper_split_condition(np.diag([0.3, 0.7]), [0])
    assert (found.sigma_min, found.sigma_max) == pytest.approx((0.3, 0.3))
    assert found.holds is False
    assert "can never hold" in found.reason
    assert "inverse" in found.reason


def test_claim_b_1_says_nothing_about_the_gain():
    """Claim B.1: its premise fails, and by (15) and by J one pool is better all the same."""
    assert paper_split_condition(COV, [0]).holds is False
    found = pool_split_report(COV, APART, CARRY, GAMMA)
    assert found.paper_prefers_one_pool is True
    assert found.gain_usd > 0


def test_worst_cases_by_hand():
    """One asset to zero at 1.2 times its target: by pool and by all capital, one pool against two."""
    cov = np.diag([0.04, 0.01, 0.02, 0.0001])
    weights = [0.44, 0.1, 0.11, 0.35]
    found = pool_split_report(cov, ([0, 1], [2, 3]), 0.01, GAMMA, target_weights=weights, failsafe=0.2)
    assert (found.worst.asset, found.worst.of_pool, found.worst.of_capital) == (
        0,
        pytest.approx(0.528),
        pytest.approx(0.528),
    )
    first, second = (group.worst for group in found.groups)
    # .44/.54 * 1.2 = .9778 of the first pool, which holds .54 of all; .35/.46 * 1.2 = .9130 of the second
    assert (first.asset, first.of_pool) == (0, pytest.approx(0.44 / 0.54 * 1.2))
    assert first.of_capital == pytest.approx(0.44 * 1.2)
    assert (second.asset, second.of_pool) == (3, pytest.approx(0.35 / 0.46 * 1.2))
    assert second.of_capital == pytest.approx(0.35 * 1.2)


def test_separate_pools_may_set_their_own_weights():
    """Own target weights replace those of the common pool; no pool loses more than all it has."""
    own = [0.5, 0.5, 0.1, 0.9]
    found = pool_split_report(
        np.diag([0.04, 0.01, 0.02, 0.0001]),
        ([0, 1], [3, 2]),
        0.01,
        GAMMA,
        target_weights=[0.44, 0.1, 0.11, 0.35],
        own_weights=own,
        failsafe=0.2,
    )
    first, second = (group.worst for group in found.groups)
    assert (first.of_pool, first.of_capital) == pytest.approx((0.6, 0.6 * 0.54))
    assert (second.asset, second.of_pool, second.of_capital) == (3, 1.0, pytest.approx(0.46))


def test_a_pool_of_one_asset_loses_everything():
    """Separated, one asset's holders bear its fall alone, and the others none of it."""
    found = pool_split_report(COV, APART, CARRY, GAMMA, target_weights=[0.4, 0.6], failsafe=0.2)
    assert [group.worst.of_pool for group in found.groups] == [1.0, 1.0]
    assert [group.worst.of_capital for group in found.groups] == pytest.approx([0.4, 0.6])
    assert found.worst.of_pool == pytest.approx(0.72)


@settings(max_examples=20)
@given(seeds, sizes)
def test_scenarios_agree_with_each_alone(seed, n):
    """Carry, prices, fees and risk aversion may vary by scenario, and nothing else changes."""
    rng, cov, groups = drawn(seed, n)
    carry, prices = rng.normal(0, 1e-3, (2, 1, n)), rng.uniform(0.1, 10, (3, n))
    lent, fee, gamma = rng.uniform(0, 1, n), rng.uniform(0, 0.1, 3), rng.uniform(0.1, 10, (2, 1))
    many = pool_split_report(checked_covariance(cov), groups, carry, gamma, prices=prices, lent=lent, fee=fee)
    assert many.joint.shape == many.separate.shape == (2, 3, n)
    for i, j in np.ndindex(2, 3):
        one = pool_split_report(
            cov, groups, carry[i, 0], gamma[i, 0], prices=prices[j], lent=lent, fee=fee[j]
        )
        for name in ("joint", "separate", "joint_usd", "split_usd", "gain_usd"):
            assert getattr(many, name)[i, j] == pytest.approx(getattr(one, name), rel=1e-7, abs=1e-12)
        for group, alone in zip(many.groups, one.groups, strict=True):
            assert group.advantage[i, j] == pytest.approx(alone.advantage, rel=1e-7, abs=1e-12)
            assert group.holds[i, j] == (group.advantage[i, j] >= 0)
        both = many.groups[0].holds[i, j] and many.groups[1].holds[i, j]
        assert many.paper_prefers_one_pool[i, j] == both


def test_a_lone_scenario_gives_plain_numbers():
    """Figures of one scenario are floats and bools, with order of assets as stated."""
    found = pool_split_report(COV, ((1,), (0,)), CARRY, GAMMA)
    assert found.groups[0].assets == (1,)
    assert found.separate == pytest.approx([0.05, 1 / 27])
    for value in (found.joint_usd, found.split_usd, found.gain_usd, found.groups[0].advantage):
        assert type(value) is float


def test_one_asset_is_refused():
    """One asset: there is nothing to split, for any of the three functions."""
    calls = (
        lambda: conditional_covariance([[0.04]], [0]),
        lambda: paper_split_condition([[0.04]], [0]),
        lambda: pool_split_report([[0.04]], ([0], []), [0.01], 1),
    )
    for call in calls:
        with pytest.raises(DomainError, match=r"^cov is of one asset: it takes two or more"):
            call()


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ([], r"keep = \(\): at least one of the 2 assets is needed, and not all"),
        ([0, 1], r"keep = \(0, 1\): at least one of the 2 assets is needed, and not all"),
        ([2], r"keep = \(2,\): 2 is not a position of an asset, 0 to 1"),
        ([-1], r"keep = \(-1,\): -1 is not a position"),
        ([0.5], r"keep = \(0.5,\): 0.5 is not a position"),
        ([True], r"keep = \(True,\): True is not a position"),
        ([0, 0], r"keep = \(0, 0\): an asset is there twice"),
        (["SOL"], r"keep = \('SOL',\): 'SOL' is not a position"),
    ],
)
def test_positions_that_are_none_are_refused(keep, message):
    """Assets are named by position: none, all, twice, outside and other things are refused."""
    for function in (conditional_covariance, paper_split_condition):
        with pytest.raises(DomainError, match=f"^{message}"):
            function(COV, keep)


def test_positions_may_come_from_numpy():
    """Integers of numpy are positions like any other."""
    assert conditional_covariance(COV, np.array([1])).matrix == pytest.approx(np.array([[0.0675]]))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"groups": ([0, 1], [2])}, DomainError, r"groups\[0\] = \(0, 1\): at least one"),
        ({"groups": ([0],)}, DomainError, r"groups = \(\(0,\),\): two groups are required"),
        ({"groups": ([0], [0])}, DomainError, "groups = .*: each of the 2 assets must be in one group"),
        ({"groups": ([0], [2])}, DomainError, r"groups\[1\] = \(2,\): 2 is not a position"),
        ({"groups": ([0], [])}, DomainError, r"groups\[1\] = \(\): at least one"),
        ({"cov": [[1.0, 2.0], [2.0, 1.0]]}, DomainError, "cov is not positive definite: .* is -1"),
        ({"cov": [[1.0, 0.2], [0.3, 1.0]]}, DomainError, r"cov\[0, 1\] = 0.2 and cov\[1, 0\] = 0.3 differ"),
        ({"carry": [0.1, math.nan]}, DomainError, r"carry\[1\] = nan is not a finite number"),
        ({"carry": [0.1, 0.2, 0.3]}, DomainError, r"carry has shape \(3,\): its last axis must hold 2"),
        ({"carry": 1e200}, DomainError, r"joint_usd = inf"),
        ({"risk_aversion": 0}, DomainError, "risk_aversion = 0.0 must be above 0"),
        ({"risk_aversion": [1, -1]}, DomainError, r"risk_aversion\[1\] = -1.0"),
        ({"prices": [1, 0]}, DomainError, r"prices\[1\] = 0.0 must be above 0"),
        ({"lent": LENT}, DomainError, "fee is needed beside lent"),
        ({"fee": 0.1}, DomainError, "lent is needed beside fee"),
        ({"lent": LENT, "fee": 1}, DomainError, "fee = 1.0 must be 0 or more and below 1"),
        ({"lent": [-0.1, 0.2], "fee": 0.1}, DomainError, r"lent\[0\] = -0.1 must be 0 or more"),
        ({"lent": [0.1] * 3, "fee": 0.1}, DomainError, r"fee\*lent has shape \(3,\)"),
        (
            {"carry": np.ones((3, 2)), "prices": np.ones((4, 2))},
            DomainError,
            r"scenarios do not broadcast: carry\(3,\), fee\*lent\(3,\), prices\(4,\)",
        ),
        ({"failsafe": 0.2}, DomainError, "target_weights are needed beside own_weights or failsafe"),
        ({"own_weights": [1, 1]}, DomainError, "target_weights are needed"),
        ({"target_weights": [0.4, 0.6]}, DomainError, "failsafe is needed beside target_weights"),
        (
            {"target_weights": [0.4, 0.6], "failsafe": -0.1},
            DomainError,
            "failsafe = -0.1 must be 0 or more",
        ),
        (
            {"target_weights": [0.4, 0.6], "failsafe": [0.1, 0.2]},
            DomainError,
            r"failsafe has shape \(2,\): one number is required",
        ),
        (
            {"target_weights": [0.4, 0.5], "failsafe": 0.2},
            MarketDefinitionError,
            "target weights sum to 0.9, not 1",
        ),
        (
            {"target_weights": [1.4, -0.4], "failsafe": 0.2},
            MarketDefinitionError,
            "target weights must be 0 or more: asset 0 = 1.4, asset 1 = -0.4",
        ),
        (
            {"target_weights": [0.4, math.nan], "failsafe": 0.2},
            DomainError,
            "target weight of asset 1 = nan is not a finite number",
        ),
        (
            {"target_weights": [0.4, 0.3, 0.3], "failsafe": 0.2},
            DomainError,
            r"target_weights has shape \(3,\): 2 weights are required",
        ),
        (
            {"target_weights": [1, 0], "failsafe": 0.2},
            MarketDefinitionError,
            r"target weights of assets \(1,\) sum to 0: give own_weights",
        ),
        (
            {"target_weights": [0.4, 0.6], "own_weights": [1, 0.6], "failsafe": 0.2},
            MarketDefinitionError,
            "target weights sum to 0.6, not 1: asset 1 = 0.6",
        ),
    ],
)
def test_impossible_splits_are_refused(change, error, message):
    """Groups that do not part the assets, values outside their domain and weights off the simplex are refused."""
    terms = {"cov": COV, "groups": APART, "carry": CARRY, "risk_aversion": GAMMA, **change}
    with pytest.raises(error, match=f"^{message}"):
        pool_split_report(**terms)
