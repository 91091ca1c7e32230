"""Oracles: golden fees of the paper and its figure 2, the kernel written out by hand, minting arithmetic."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.pool.discounts import (
    GlpDiscount,
    QuadraticDiscount,
    check_discount,
    discount_from_fee,
    glp_discount,
)
from yieldtrade.pool.weights import ownership_fraction, rebalance_trade, weights

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = json.loads((GOLDEN / "pdlp.json").read_text())["cases"]

unit = st.floats(0, 1)
rates = st.floats(0, 0.02)


def of_kind(kind):
    """Return the golden cases of a kind."""
    return [case for case in CASES if case["kind"] == kind]


def kernel_bps(before, after, target, base, tax):
    """Fee of one asset by the rule of pool.md 5, in its own words."""
    if target == 0 or before == after:
        return base
    d0, d1 = abs(before - target), abs(after - target)
    if d1 < d0:
        return max(base - tax * d0 / target, 0)
    return base + tax * min((d0 + d1) / 2, target) / target


@pytest.mark.parametrize("case", of_kind("weight_fee_bps"), ids=lambda case: case["id"])
def test_golden_weight_fees(case):
    """The fee form of (11) on one asset is the golden fee (coverage: 11)."""
    given_ = case["in"]
    found = glp_discount(
        given_["w_before"],
        given_["w_after"],
        given_["w_target"],
        given_["base_bps"] / 1e4,
        given_["tax_bps"] / 1e4,
    )
    assert -1e4 * found == pytest.approx(case["expect"]["fee_bps"], rel=1e-9)


@pytest.mark.parametrize("case", of_kind("weight_fee_sign"), ids=lambda case: case["id"])
def test_golden_sign_of_the_weight_fee(case):
    """Printed, (11) pays the base as a discount; as deployed the same move costs nothing (coverage: 11)."""
    given_, expect = case["in"], case["expect"]
    move = given_["w_before"], given_["w_after"], given_["w_target"], given_["base"], given_["tax"]
    assert glp_discount(*move, "printed") == pytest.approx(expect["discount_as_printed"], rel=1e-9)
    assert -glp_discount(*move) == expect["fee_as_gmx"]


FIGURE_2 = [(0, 1, 60), (1, 0, 60), (0.5, 1, 35), (0.45, 0.5, 5), (0.2, 0.5, 0), (0.5, 0.7, 20)]


@pytest.mark.parametrize(("before", "after", "bps"), FIGURE_2)
def test_figure_2(before, after, bps):
    """The points read off the paper's figure 2, base 10 and tax 50 bps (coverage: figure 2)."""
    assert -1e4 * glp_discount(before, after, 0.5, 10e-4, 50e-4) == pytest.approx(bps, abs=1e-12)


@given(unit, unit, st.one_of(st.just(0.0), st.floats(0.01, 1)), rates, rates)
def test_the_fee_of_one_asset_is_the_kernel(before, after, target, base, tax):
    """One asset pays what the kernel of pool.md 5 charges; of target 0 it pays the base, as GMX's contract."""
    found = glp_discount(before, after, target, base, tax)
    assert -found == pytest.approx(kernel_bps(before, after, target, base, tax), abs=1e-15)


@given(unit, unit, st.floats(0.01, 1), rates, rates)
def test_the_printed_form_of_one_asset(before, after, target, base, tax):
    """Printed, F is max(0, gb + G) with G uncapped (coverage: 11)."""
    d0, d1 = abs(before - target) / target, abs(after - target) / target
    gain = 0 if before == after else tax * d0 if d1 < d0 else -tax * (d0 + d1) / 2
    found = glp_discount(before, after, target, base, tax, "printed")
    assert found == pytest.approx(max(0, base + gain), abs=1e-12)


def test_the_fee_of_several_assets_is_weighted_by_their_amounts():
    """Each asset pays on its own amount; printed, the best asset decides for all."""
    before, after, target = [0.5, 0.3, 0.2], [0.45, 0.35, 0.2], [0.4, 0.4, 0.2]
    # asset 0 comes closer from .25: 10 - 50*.25 < 0; asset 1 from .25: 0; asset 2 stays: 10 bps
    fee = glp_discount(before, after, target, 10e-4, 50e-4, values=[1, 2, 5])
    assert fee == pytest.approx(-5 / 8 * 10e-4, rel=1e-14)
    printed = glp_discount(before, after, target, 10e-4, 50e-4, "printed")
    assert printed == pytest.approx(10e-4 + 50e-4 * 0.25, rel=1e-14)
    assert glp_discount(before, after, target, 10e-4, 50e-4, values=[0, 0, 0]) == 0


@given(st.integers(0, 10**6), rates, rates)
@settings(max_examples=40)
def test_amounts_follow_from_the_weights_where_an_asset_is_left_alone(seed, base, tax):
    """Without amounts the least deposit is taken, which is the deposit itself if it left an asset alone."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 5))
    held, target, deposit = rng.uniform(1, 50, n), rng.dirichlet(np.ones(n)), rng.uniform(0, 30, n)
    deposit[rng.integers(n)] = 0
    before, after = weights(1.0 + 0 * held, held), weights(1.0 + 0 * held, held + deposit)
    known = glp_discount(before, after, target, base, tax, values=deposit)
    assert glp_discount(before, after, target, base, tax) == pytest.approx(known, abs=1e-13)


def test_weights_that_stay_pay_the_base():
    """A deposit of every asset alike moves no weight and pays the base fee."""
    assert glp_discount([0.5, 0.5], [0.5, 0.5], [0.4, 0.6], 10e-4, 50e-4) == pytest.approx(-10e-4)


def test_an_asset_of_target_nothing_is_never_divided_by():
    """It pays the base on its amount and cannot be the best asset of the printed form."""
    before, after, target = [0.5, 0.5], [0.6, 0.4], [1.0, 0.0]
    assert glp_discount(before, after, target, 1e-3, 5e-3, values=[0, 7]) == pytest.approx(-1e-3)
    assert glp_discount(before, after, target, 1e-3, 5e-3, "printed") == pytest.approx(1e-3 + 5e-3 * 0.5)
    assert glp_discount(0.1, 0.2, 0.0, 1e-3, 5e-3, "printed") == 0


def test_moves_are_priced_side_by_side():
    """Moves lie along leading axes, with a base and tax of their own if need be."""
    before = np.array([[0.5, 0.5], [0.2, 0.8]])
    after = np.array([[0.4, 0.6], [0.3, 0.7]])
    target, base, tax = [0.4, 0.6], [1e-3, 2e-3], [5e-3, 4e-3]
    for form in ("fee", "printed"):
        many = glp_discount(before, after, target, base, tax, form)
        alone = [glp_discount(before[k], after[k], target, base[k], tax[k], form) for k in (0, 1)]
        assert many == pytest.approx(alone, abs=1e-16)


@given(st.integers(0, 10**6), st.sampled_from(["fee", "printed"]))
@settings(max_examples=40)
def test_the_discount_object_is_the_function_of_weights(seed, form):
    """GlpDiscount forms the weights and amounts of a deposit or a redemption and asks glp_discount."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    p, R, target = rng.uniform(0.1, 9, n), rng.uniform(1, 50, n), rng.dirichlet(np.ones(n))
    D = rng.uniform(0, 5, n) if rng.random() < 0.5 else -R * rng.uniform(0, 0.9, n)
    expected = glp_discount(weights(p, R), weights(p, R + D), target, 1e-3, 5e-3, form, values=abs(p * D))
    assert GlpDiscount(gb=1e-3, gt=5e-3, form=form)(p, target, R, D) == pytest.approx(expected, abs=1e-15)


def test_no_trade_has_no_fee_but_has_the_printed_discount():
    """F(0) is 0 in the fee form; printed, it is the base, against the paper's own condition (E8)."""
    state = [1.0, 2.0], [0.4, 0.6], [10.0, 3.0], [0.0, 0.0]
    assert GlpDiscount(gb=1e-3, gt=5e-3)(*state) == 0
    assert GlpDiscount(gb=1e-3, gt=5e-3, form="printed")(*state) == 1e-3


def test_the_rebate_ends_at_the_mirrored_weight():
    """Just before the mirrored weight the rebate is whole, beyond it the trade pays tax."""
    glp, p, target, R = (
        GlpDiscount(gb=10e-4, gt=50e-4),
        np.ones(2),
        np.array([0.5, 0.5]),
        np.array([40.0, 60]),
    )
    today, mirrored = glp.jump_weights(p, target, R)
    assert today.tolist() == [0.4, 0.6]
    assert mirrored == pytest.approx([0.6, 0.4])
    # (40 + x)/(100 + x) = .6 at x = 50; distance .2 before: 10 - 50*.2 = 0, beyond it 10 + 50*.2
    assert glp(p, target, R, [49.999, 0]) == pytest.approx(0, abs=1e-15)
    assert glp(p, target, R, [50.001, 0]) == pytest.approx(-20e-4, rel=1e-4)


@given(st.floats(0, 0.5), st.floats(0, 1e6), st.floats(1, 1e6), st.floats(1, 1e6))
def test_a_mint_fee_is_the_discount_that_mints_as_many_shares(fee, deposit, aum, supply):
    """With F the ownership rule gives the shares that a fee phi mints: (1-phi)*d*supply/AUM."""
    minted = (1 - fee) * deposit * supply / aum
    owned = ownership_fraction(1.0, aum, deposit, discount_from_fee(fee, deposit, aum))
    assert owned == pytest.approx(minted / (supply + minted), rel=1e-12, abs=1e-15)


def test_the_worked_mapping_of_a_fee():
    """AUM 1,000, deposit 50, fee 10 bps: F = -0.00095242631; -phi for a small deposit; arrays broadcast."""
    assert discount_from_fee(10e-4, 50, 1000) == pytest.approx(-0.00095242631, abs=5e-12)
    assert discount_from_fee(10e-4, 0, 1000) == -10e-4
    assert discount_from_fee([0, 10e-4], 50, 1000) == pytest.approx([0, -1 / 1049.95])


def random_pool(seed):
    """Return prices, target and reserves of a pool of two to four assets."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 5))
    p = 10.0 ** rng.uniform(-1, 3, n)
    return p, rng.dirichlet(3 * np.ones(n)), rng.uniform(1, 50, n) / p


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("penalty", [0.0, 0.02])
def test_the_quadratic_discount_meets_all_conditions(seed, penalty):
    """No discount for no trade, concave, and every maximiser on target (coverage: discount conditions)."""
    report = check_discount(
        QuadraticDiscount(rate=0.1, size_penalty=penalty), *random_pool(seed), samples=150, seed=seed
    )
    assert all(verdict.holds for verdict in report)
    assert report.zero.worst == 0


def test_the_quadratic_discount_is_its_formula():
    """F is the fall of |p*X - w*(p.X)|^2 less the penalty, over the pool's value squared."""
    p, target, R, D = np.array([2.0, 1]), np.array([0.5, 0.5]), np.array([30.0, 40]), np.array([1.0, 12])
    # misses (10, -10) before, 62 and 52 of 114 after: (5, -5); net flow 14
    expected = (0.1 * (200 - 50) - 0.03 * 14**2) / 100**2
    assert QuadraticDiscount(rate=0.1, size_penalty=0.03)(p, target, R, D) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_with_a_penalty_the_best_trade_is_self_financing(seed):
    """With a penalty on size no small change of the self-financing trade to target has a higher discount."""
    p, target, R = random_pool(seed)
    F = QuadraticDiscount(rate=0.1, size_penalty=0.05)
    best = rebalance_trade(p, R, R, target).trade
    steps = 0.01 * (p @ R) / p * np.random.default_rng(seed).normal(size=(200, p.size))
    assert (F(p, target, R, best + steps) < F(p, target, R, best)).all()


def test_the_deployed_and_the_printed_fee_fail_the_conditions():
    """(11) is not concave in either form; printed, it also pays for nothing and away from the target (E8)."""
    state = [1.0, 1.0, 1.0], [0.5, 0.3, 0.2], [30.0, 30.0, 40.0]
    fee = check_discount(GlpDiscount(gb=1e-3, gt=5e-3), *state, samples=300)
    assert fee.zero.holds
    assert not fee.concave.holds
    printed = check_discount(GlpDiscount(gb=1e-3, gt=5e-3, form="printed"), *state, samples=300)
    assert (printed.zero.holds, printed.concave.holds, printed.maximised.holds) == (False, False, False)
    assert printed.zero.worst == 1e-3


def wrong_zero(p, target, R, D):
    """Pays a constant."""
    return 1e-3 + QuadraticDiscount(rate=0.1)(p, target, R, D)


def wrong_shape(p, target, R, D):
    """Grows with the square of the net flow, so it is convex."""
    return (p @ D) ** 2 / (p @ R) ** 2


def wrong_optimum(p, target, R, D):
    """Is largest at weights that are not the target."""
    shifted = target + np.array([0.05, -0.05])
    return QuadraticDiscount(rate=0.1)(p, shifted, R, D)


@pytest.mark.parametrize(
    ("discount", "faulty", "worst"),
    [(wrong_zero, "zero", 1e-3), (wrong_shape, "concave", 0.05), (wrong_optimum, "maximised", 0.07)],
)
def test_each_condition_is_found_broken(discount, faulty, worst):
    """A discount that breaks one condition is caught on it, with the size of the violation and a trade."""
    p, target, R = [2.0, 1.0], [0.4, 0.6], [20.0, 60.0]
    report = check_discount(discount, p, target, R, samples=300, seed=1)
    verdict = getattr(report, faulty)
    assert not verdict.holds
    assert verdict.worst >= worst
    assert verdict.trade.shape == (2,)
    if discount is wrong_optimum:
        # the maximiser is off by (.05, -.05); from half to twice the pool no trade on target pays as much
        off = weights(p, R + verdict.trade) - target
        assert np.linalg.norm(off) == pytest.approx(verdict.worst)
        on_target = [(size * np.array(target) - [40, 60]) / p for size in np.linspace(50, 200, 400)]
        state = np.array(p), np.array(target), np.array(R)
        assert discount(*state, verdict.trade) >= max(discount(*state, D) for D in on_target)
    if discount is not wrong_shape:
        others = [v.holds for name, v in zip(report._fields, report, strict=True) if name != faulty]
        assert others == [True, True]


def test_one_seed_gives_one_report():
    """The same seed gives the same report, another one other samples."""
    state = [1.0, 1.0], [0.5, 0.5], [30.0, 30.0]
    first, second, other = (
        check_discount(GlpDiscount(gb=1e-3, gt=5e-3), *state, samples=50, seed=seed) for seed in (1, 1, 2)
    )
    assert first.concave.worst == second.concave.worst
    assert first.concave.worst != other.concave.worst


BAD = [
    (lambda: glp_discount(0.1, 0.2, 0.5, -1e-3, 0), r"gb = -0\.001 must be 0 or more"),
    (lambda: glp_discount(0.1, 0.2, 0.5, 0, np.nan), "gt = nan is not a finite number"),
    (lambda: glp_discount(1.1, 0.2, 0.5, 0, 0), r"w_before\[?0?\]? = 1\.1 must be between 0 and 1"),
    (lambda: glp_discount([0.1, 0.3], [0.5, 0.5], [0.5, 0.5], 0, 0), r"w_before sums to 0\.4"),
    (lambda: glp_discount([0.5, 0.5], [0.5, 0.5], [0.5, 0.6], 0, 0), r"target sums to 1\.1"),
    (
        lambda: glp_discount([0.5, 0.5], [1, 0], [0.5, 0.5], 0, 0),
        "w_after of asset 1 is 0: no deposit does that",
    ),
    (lambda: glp_discount(0.1, 0.2, 0.5, 0, 0, "gmx"), "form = 'gmx': allowed are 'fee', 'printed'"),
    (lambda: glp_discount(0.1, 0.2, 0.5, 0, 0, values=[-1]), r"values\[0\] = -1\.0 must be 0 or more"),
    (lambda: glp_discount(0.1, 0.2, 0.5, 0, 0, values=[1, 2]), "shapes do not match"),
    (lambda: GlpDiscount(gb=-1, gt=0), r"gb = -1\.0 must be 0 or more"),
    (lambda: GlpDiscount(gb=0, gt=True), "gt"),
    (lambda: GlpDiscount(gb=0, gt=0)([1, 1], [0.5, 0.5], [1, 1], [0, -2]), "takes more than the reserves"),
    (lambda: GlpDiscount(gb=0, gt=0)([1, 1], [0.5, 0.5], [1, 1], [-1, -1]), "empty"),
    (lambda: GlpDiscount(gb=0, gt=0)([1, 1], [0.5, 0.6], [1, 1], [0, 0]), "target sums to"),
    (lambda: QuadraticDiscount(rate=0), "rate = 0.0 must be above 0"),
    (lambda: QuadraticDiscount(rate=1, size_penalty=-1), "size_penalty = -1.0 must be 0 or more"),
    (lambda: QuadraticDiscount(rate=1)([1, 1], [0.5, 0.5], [0, 0], [1, 1]), "empty"),
    (lambda: discount_from_fee(1, 50, 1000), "fee = 1.0 must be 0 or more and below 1"),
    (lambda: discount_from_fee(0.1, -1, 1000), "deposit_usd = -1.0 must be 0 or more"),
    (lambda: discount_from_fee(0.1, 1, 0), "aum = 0.0 must be above 0"),
    (
        lambda: check_discount(GlpDiscount(gb=0, gt=0), [1], [1], [1], samples=0),
        "samples = 0 must be 1 or more",
    ),
    (lambda: check_discount(lambda *_: np.nan, [1], [1], [1]), "F = nan is not a finite number"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_of_a_discount(call, message):
    """What lies outside its domain is refused with argument and value (pdlp.md 13)."""
    with pytest.raises(DomainError, match=message):
        call()
