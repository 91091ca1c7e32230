"""Oracles: closed forms and figures of pdlp.md 14, brute-force grids, the claims on random concave discounts."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from yieldtrade.errors import DomainError
from yieldtrade.pool import trade_search
from yieldtrade.pool.creation import (
    creation_arbitrage,
    creation_worthwhile,
    quadratic_surrogate,
    redemption_arbitrage,
    redemption_worthwhile,
    surrogate_bounds,
)
from yieldtrade.pool.discounts import GlpDiscount, QuadraticDiscount

ONE = {"p": [10], "R": [100], "target": [1]}
PAIR = {"p": [1, 1], "R": [50, 50]}


def parabola(p, target, R, D):
    """Discount of pdlp.md 14, of a deposit or a basket: 0.02*d - 0.002*d^2."""
    d = np.abs(D)[0]
    return 0.02 * d - 0.002 * d**2


def flat(rate):
    """Return a discount of one rate on every trade."""
    return lambda p, target, R, D: rate


def linear(rate):
    """Return costs in proportion to the trade."""
    return lambda size_usd: rate * size_usd


def test_the_worked_creation():
    """One asset at 10 USD: d_S = 20/3, S = 2.962963 (coverage: 7)."""
    found = creation_arbitrage(parabola, **ONE, budget=1000, aum_limit=None)
    assert found.trade == pytest.approx([20 / 3], abs=1e-6)
    assert found.profit_usd == pytest.approx(2.962963, abs=5e-7)
    assert found.discount == pytest.approx(0.02 * 20 / 3 - 0.002 * 400 / 9, abs=1e-9)
    assert (found.status, found.binding, found.shares) == ("interior", (), None)


def test_the_worked_surrogate():
    """d_F = d_H = 5 with f .05 and S 2.5; what it misses, .462963, is below the sharp bound 2.5 (coverage: 8)."""
    surrogate = quadratic_surrogate(lambda d: parabola(1, 1, 1, d) * np.sign(d[0]), 1, mu=0.004, probe=1e-6)
    assert surrogate.d_h == pytest.approx([5], abs=1e-6)

    def f(d):
        return 0.02 * d[0] - 0.002 * d[0] ** 2

    exact = quadratic_surrogate(f, 1, probe=1e-3)
    assert exact.d_h == pytest.approx([5], rel=1e-9)
    assert exact.mu == pytest.approx(0.004, rel=1e-9)
    assert (surrogate.estimated, exact.estimated) == (False, True)
    assert exact.value([5]) == pytest.approx(0.05, rel=1e-9)
    gap = 2.962963 - f([5]) * 50
    assert gap == pytest.approx(0.462963, abs=1e-9)
    sharp = surrogate_bounds(0.02, 0.004, [10])["sharp"]
    assert sharp.gap_usd == pytest.approx(2.5, rel=1e-12)
    assert sharp.f_to_h == pytest.approx(5, rel=1e-12)


WORKED = [(0.0, 6.714975842, 2.837317965), (-0.01, 6.971596, 3.493446), (0.01, 6.440825, 2.207692)]


@pytest.mark.parametrize(("premium", "basket", "profit"), WORKED)
def test_the_worked_redemptions(premium, basket, profit):
    """With 8 available the basket and its profit, at par and at a premium or discount (coverage: 9, 10)."""
    found = redemption_arbitrage(parabola, **ONE, available=[8], shares=500, premium=premium)
    assert found.trade == pytest.approx([basket], abs=1e-6)
    assert found.profit_usd == pytest.approx(profit, abs=5e-7)
    assert found.status == "interior"
    # (9): p.lambda = (1 + f)*(sigma/S)*p.R
    assert 10 * found.trade[0] == pytest.approx((1 + found.discount) * found.shares / 500 * 1000, rel=1e-12)
    # what the basket is worth above the price of the shares
    price = found.shares / 500 * 1000 * (1 + premium)
    assert found.profit_usd == pytest.approx(10 * found.trade[0] - price, rel=1e-10)


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_the_surrogate_of_a_quadratic_is_itself(seed):
    """Gradient, smallest curvature and maximiser of a random concave quadratic come out (coverage: 8)."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    g, root = rng.normal(size=n), rng.normal(size=(n, n))
    hessian = root @ root.T + 0.1 * np.eye(n)
    found = quadratic_surrogate(lambda d: g @ d - d @ hessian @ d / 2, n, probe=rng.uniform(0.01, 0.1, n))
    smallest = np.linalg.eigvalsh(hessian)[0]
    assert found.g == pytest.approx(g, abs=1e-9)
    assert found.mu == pytest.approx(smallest, rel=1e-7)
    assert found.d_h == pytest.approx(g / smallest, rel=1e-6, abs=1e-6)
    # (8): f lies below h everywhere
    d = rng.normal(scale=5, size=(50, n))
    f = d @ g - np.einsum("ki,ij,kj->k", d, hessian, d) / 2
    assert (f <= found.value(d) + 1e-6 * (1 + abs(f))).all()


class Concave:
    """A mu-strongly concave f with f(0) = 0 on a box, by its formula: a quadratic less convex terms."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.n = int(rng.integers(1, 4))
        self.mu = rng.uniform(0.002, 0.05)
        self.slope = rng.uniform(-0.02, 0.08, self.n)
        self.slope[0] = rng.uniform(0.02, 0.08)
        self.bend, self.weight = rng.normal(size=(2, self.n)), rng.uniform(0, 0.05, 2)
        self.box = rng.choice([0.5, 30.0]) * rng.uniform(0.5, 1, self.n)
        self.p = rng.uniform(0.5, 20, self.n)

    def f(self, d):
        """Value at d, or along leading axes."""
        turned = np.sqrt(1 + (d @ self.bend.T) ** 2) - 1
        return d @ self.slope - self.mu / 2 * (d**2).sum(axis=-1) - turned @ self.weight

    def gradient(self, d):
        """Gradient at d, or along leading axes."""
        along = d @ self.bend.T
        return self.slope - self.mu * d - (self.weight * along / np.sqrt(1 + along**2)) @ self.bend

    def largest(self, function):
        """Return the maximiser over the box, from the best points of a grid that must hold it."""
        near = self.near()
        starts = near[np.argsort(function(near))[-8:]]
        box = [(0, b) for b in self.box]
        found = [minimize(lambda d: -function(d), d, bounds=box, method="L-BFGS-B").x for d in starts]
        return max(found, key=function)

    def near(self):
        """Points that fill the box as far as f >= 0 can reach, |d| <= 2*|grad f(0)|/mu."""
        reach = 2 * np.linalg.norm(self.gradient(np.zeros(self.n))) / self.mu
        return self.points(np.minimum(self.box, reach))

    def points(self, box):
        """Points that fill a box."""
        axes = [np.linspace(0, b, {1: 400, 2: 40, 3: 14}[self.n]) for b in box]
        return np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, self.n)


@pytest.mark.parametrize("seed", range(10))
def test_the_claims_hold_on_random_concave_discounts(seed):
    """True distances and gaps stay below every bound that is offered (coverage: claims 3.1, 3.2, 3.3)."""
    case = Concave(seed)

    def creation(d):
        return case.f(d) * (d @ case.p)

    d_f, d_s = case.largest(case.f), case.largest(creation)
    points = np.vstack([case.near(), case.points(case.box)])
    assert case.f(points).max() <= case.f(d_f) + 1e-9
    assert creation(points).max() <= creation(d_s) + 1e-7
    surrogate = quadratic_surrogate(case.f, case.n, mu=case.mu, probe=1e-4)
    d_h = np.clip(surrogate.d_h, 0, case.box)
    G = np.linalg.norm(case.gradient(points), axis=1).max()
    bounds = surrogate_bounds(G, case.mu, case.p, gradient_at_zero=np.linalg.norm(surrogate.g))
    slack = 1e-6
    gap = creation(d_s) - creation(d_f)
    for name, bound in bounds.items():
        assert np.linalg.norm(d_f - d_h) <= bound.f_to_h + slack, name
        assert np.linalg.norm(d_s - d_h) <= bound.s_to_h + slack, name
        assert gap <= bound.gap_usd + slack, name
    if ((d_f > 0) & (d_f < case.box)).all():
        for bound in bounds.values():
            assert np.linalg.norm(d_f - surrogate.d_h) <= bound.f_to_h_interior + slack
    # the steps of the sharp form, one by one
    g0 = np.linalg.norm(surrogate.g)
    assert case.f(d_f) <= g0**2 / (2 * case.mu) + slack
    assert np.linalg.norm(d_s - d_f) <= g0 / case.mu + slack


def test_the_bounds_of_the_claims():
    """2G/mu, G/mu, 4G/mu; (40 + 8/C)|p|G^3/mu^2 printed, 40|p|G^3/mu^2 + 8G^2/mu corrected (coverage: 3.3)."""
    bounds = surrogate_bounds(0.1, 0.05, [3, 4], gradient_at_zero=0.04)
    # |p| = 5, C = 3, G^3/mu^2 = .4, G^2/mu = .2
    assert bounds["paper"] == pytest.approx((4, 2, 8, (40 + 8 / 3) * 5 * 0.4), rel=1e-12)
    assert bounds["corrected"] == pytest.approx((4, 2, 8, 80 + 1.6), rel=1e-12)
    # .8 = .04 over .05, .064 = 5 times .000064 over .005
    assert bounds["sharp"] == pytest.approx((0.8, 0.8, 0.8, 0.064), rel=1e-12)
    many = surrogate_bounds([0.1, 0.2], 0.05, [[3, 4], [3, 4]])
    assert many["sharp"].gap_usd == pytest.approx([1, 8], rel=1e-12)
    assert many["corrected"].gap_usd[0] == pytest.approx(81.6, rel=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_the_surrogate_bounds_a_redemption(seed):
    """p.l*f/(1+f) <= p.l*f <= p.l*(g.l - mu/2*|l|^2) for f > -1, g = grad f(0) (coverage: 10, E13)."""
    case = Concave(seed)
    surrogate = quadratic_surrogate(case.f, case.n, mu=case.mu, probe=1e-4)
    baskets = case.near()
    f = case.f(baskets)
    baskets, f = baskets[f > -1], f[f > -1]
    size = baskets @ case.p
    assert len(f) > 100
    assert (size * f / (1 + f) <= size * f + 1e-12).all()
    assert (size * f <= size * surrogate.value(baskets) + 1e-6 * size).all()


def brute_force(F, p, R, target, tops, profit, side):
    """Return the best profit on a grid of trades in one or two assets up to the tops."""
    axes = [np.linspace(0, top, 2001 if len(tops) == 1 else 241) for top in tops]
    trades = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, len(tops))
    size = trades @ p
    trades, size = trades[size > 0], size[size > 0]
    rates = F(p, target, R, side * trades)
    return max(0.0, np.nanmax(profit(trades, size, rates)))


def random_state(seed):
    """Return a random pool of one or two assets worth 100 USD, its target, and a generator."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 3))
    p = 10.0 ** rng.uniform(-1, 3, n)
    return p, 100 * rng.dirichlet(np.ones(n)) / p, rng.dirichlet(2 * np.ones(n)), rng


def random_discount(kind, rng):
    """Return a discount of a kind with random parameters."""
    if kind == "quadratic":
        return QuadraticDiscount(rate=rng.uniform(0.05, 0.5), size_penalty=rng.uniform(0, 0.3))
    return GlpDiscount(gb=rng.uniform(0, 0.004), gt=rng.uniform(0, 0.02), form=kind)


KINDS = ("quadratic", "fee", "printed")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_no_deposit_on_a_grid_pays_more(kind, seed):
    """A brute-force grid finds no better deposit, smooth or with jumps (coverage: 7, 11)."""
    p, R, target, rng = random_state(seed)
    F, premium, budget = random_discount(kind, rng), rng.uniform(-0.01, 0.02), rng.uniform(5, 120)
    found = creation_arbitrage(F, p, R, target, budget, None, premium)
    best = brute_force(
        F,
        p,
        R,
        target,
        budget / p,
        lambda _d, size, f: np.where(size <= budget, size * ((1 + f) * (1 + premium) - 1), 0.0),
        1,
    )
    assert found.profit_usd >= best * (1 - 1e-6) - 1e-12
    assert found.status != "not_converged"
    assert (found.trade >= 0).all()
    assert p @ found.trade <= budget * (1 + 1e-12)
    if found.trade.any():
        value = (p @ found.trade) * ((1 + F(p, target, R, found.trade)) * (1 + premium) - 1)
        assert found.profit_usd == pytest.approx(value, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_no_basket_on_a_grid_pays_more(kind, seed):
    """A brute-force grid finds no better basket, smooth or with jumps (coverage: 10, 11)."""
    p, R, target, rng = random_state(seed)
    F, premium = random_discount(kind, rng), rng.uniform(-0.02, 0.01)
    available = R * rng.uniform(0.1, 0.95, p.size)
    found = redemption_arbitrage(F, p, R, available, target, 1000, premium)

    def profit(_basket, size, f):
        return np.where(size <= (1 + f) * 100, size * (f - premium) / (1 + f), 0.0)

    best = brute_force(F, p, R, target, available, profit, -1)
    assert found.profit_usd >= best * (1 - 1e-6) - 1e-12
    assert found.status != "not_converged"
    assert (found.trade >= 0).all()
    assert (found.trade <= available).all()
    assert 0 <= found.shares <= 1000 * (1 + 1e-9)


@pytest.mark.parametrize(("kind", "failsafe"), [("fee", 0.5), ("quadratic", 0.3), ("fee", None)])
def test_three_assets_against_a_grid(kind, failsafe):
    """Also with three assets, and inside the failsafe, the search is at least as good as a grid."""
    rng = np.random.default_rng(7)
    p, v, target = np.array([100.0, 20, 1]), np.array([50.0, 30, 20]), np.array([0.3, 0.3, 0.4])
    F = random_discount(kind, rng)
    found = creation_arbitrage(F, p, v / p, target, 60, None, 0.008, failsafe=failsafe)
    axis = np.linspace(0, 60, 41)
    z = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    z = z[(z.sum(axis=1) > 0) & (z.sum(axis=1) <= 60)]
    if failsafe is not None:
        high = target * (1 + failsafe)
        after = (v + z) / (100 + z.sum(axis=1, keepdims=True))
        z = z[((z == 0) | ((after <= high) & (v / 100 <= high))).all(axis=1)]
    best = (z.sum(axis=1) * ((1 + F(p, target, v / p, z / p)) * 1.008 - 1)).max()
    assert best > 0
    assert found.profit_usd >= best * (1 - 1e-9)


def test_a_rebate_is_used_up_to_the_mirrored_weight():
    """Taking out an overweight asset stops just before the fee jumps, at a third of the pool."""
    F = GlpDiscount(gb=10e-4, gt=50e-4)
    # (60 - z)/(100 - z) = .4 at z = 100/3, at no fee; taking all 36 costs 21.25 bps of the basket
    found = redemption_arbitrage(F, [1, 1], [40, 60], [0, 36], [0.5, 0.5], 100, -0.01)
    assert found.trade == pytest.approx([0, 100 / 3], rel=1e-8)
    assert found.trade[1] < 100 / 3
    assert found.profit_usd == pytest.approx(1 / 3, rel=1e-8)
    assert 36 * (0.01 - 21.25e-4) / (1 - 21.25e-4) < 1 / 3


def test_the_budget_and_the_limit_bind():
    """The smaller of budget and room below the AUM limit caps a deposit, and is named."""
    within = {"F": parabola, **ONE}
    found = creation_arbitrage(**within, budget=40, aum_limit=2000)
    # 4 units: f = .08 - .032
    assert (found.trade[0], found.profit_usd) == pytest.approx((4, 40 * 0.048), rel=1e-9)
    assert (found.binding, found.status) == (("budget",), "at_bound")
    found = creation_arbitrage(**within, budget=100, aum_limit=1030)
    assert found.trade == pytest.approx([3], rel=1e-9)
    assert (found.binding, found.status) == (("aum_limit",), "at_bound")


@pytest.mark.parametrize(
    ("budget", "limit", "names"),
    [(0, None, ("budget",)), (10, 1000, ("aum_limit",)), (10, 900, ("aum_limit",))],
)
def test_no_room_to_deposit_is_infeasible(budget, limit, names):
    """At the limit, or without money, the status is infeasible, the profit 0 and the constraint named."""
    found = creation_arbitrage(parabola, **ONE, budget=budget, aum_limit=limit)
    assert (found.status, found.binding, found.profit_usd) == ("infeasible", names, 0)
    assert (found.trade.tolist(), found.discount) == ([0], 0)


def test_nothing_to_take_out_is_infeasible():
    """A pool whose assets are all locked cannot be redeemed from."""
    found = redemption_arbitrage(flat(0.0), **PAIR, available=[0, 0], target=[0.5, 0.5], shares=9)
    assert (found.status, found.binding) == ("infeasible", ("available[0]", "available[1]"))
    assert (found.profit_usd, found.shares) == (0, 0)


def test_a_trade_that_does_not_pay_is_not_made():
    """Without a premium a fee makes no creation pay: the trade is none and its profit 0."""
    F = GlpDiscount(gb=1e-3, gt=5e-3)
    found = creation_arbitrage(F, **PAIR, target=[0.5, 0.5], budget=10, aum_limit=None)
    assert (found.status, found.binding, found.profit_usd) == ("none", (), 0)
    assert found.trade.tolist() == [0, 0]
    found = redemption_arbitrage(F, **PAIR, available=[50, 50], target=[0.5, 0.5], shares=9, premium=0.01)
    assert (found.status, found.profit_usd, found.shares) == ("none", 0, 0)


def test_the_failsafe_limits_a_deposit():
    """A deposit stops at the upper band of its asset, and an asset above its band is left alone."""
    state = {**PAIR, "target": [0.3, 0.7], "budget": 1000, "aum_limit": None, "premium": 0.01}
    found = creation_arbitrage(flat(0.0), **state, failsafe=0.2)
    # asset 0 stands at .5 > .36; (50 + x)/(100 + x) = .84 at x = 34/.16
    assert found.trade == pytest.approx([0, 212.5], rel=1e-9)
    assert found.binding == ("failsafe[1]", "failsafe[0]", "trade[0] >= 0")
    assert found.profit_usd == pytest.approx(2.125, rel=1e-9)
    blocked = creation_arbitrage(flat(0.0), **{**state, "target": [0.3, 0.7], "R": [90, 0]}, failsafe=0.0)
    # asset 0 is far above its band, asset 1 may be deposited up to x/(90 + x) = .7
    assert blocked.trade == pytest.approx([0, 210], rel=1e-9)


def test_the_failsafe_limits_a_redemption():
    """A basket stops at the lower band of its asset, and of an asset below its band nothing is taken."""
    found = redemption_arbitrage(
        flat(0.0), **PAIR, available=[50, 50], target=[0.7, 0.3], shares=9, premium=-0.01, failsafe=0.2
    )
    # asset 0 stands at .5 < .56; (50 - z)/(100 - z) = .24 at z = 26/.76
    assert found.trade == pytest.approx([0, 26 / 0.76], rel=1e-9)
    assert "failsafe[0]" in found.binding
    assert "failsafe[1]" in found.binding


def test_both_bands_closed_are_infeasible():
    """A failsafe of nothing on a pool at its target still allows every asset alike, and nothing else."""
    found = creation_arbitrage(
        flat(0.0), **PAIR, target=[0.5, 0.5], budget=10, aum_limit=None, premium=0.01, failsafe=0.0
    )
    assert found.trade == pytest.approx([5, 5], rel=1e-9)
    assert found.profit_usd == pytest.approx(0.1, rel=1e-9)


def test_all_shares_can_be_handed_in_and_no_more():
    """At a burn fee of 20 % and half price, all shares bring 80 of 100 for 50 (E12)."""
    found = redemption_arbitrage(flat(-0.2), [1], [100], [100], [1], shares=7, premium=-0.5)
    assert found.trade == pytest.approx([80], rel=1e-9)
    assert found.profit_usd == pytest.approx(30, rel=1e-9)
    assert found.shares == pytest.approx(7, rel=1e-9)
    assert (found.binding, found.status) == (("shares",), "at_bound")


def test_a_pool_is_never_emptied():
    """A basket of everything leaves no pool to price; the best one stays just short of it."""
    found = redemption_arbitrage(GlpDiscount(gb=0, gt=0), [2, 1], [20, 60], [20, 60], [0.5, 0.5], 9, -0.1)
    assert 2 * found.trade[0] + found.trade[1] < 100
    assert found.profit_usd == pytest.approx(10, rel=1e-9)


def test_a_discount_below_minus_one_pays_nobody():
    """Sizes at which the discount is nonsense are passed over: neither chosen nor an error."""

    def steep(p, target, R, D):
        return parabola(p, target, R, 3 * D)

    found = redemption_arbitrage(steep, [10], [100], [100], [1], 9)
    # f(3d): the optimum is a third of the worked one
    assert found.trade == pytest.approx([6.714975842 / 3], abs=1e-6)


def test_costs_are_paid_once_a_trade_is_made():
    """Fixed costs come off the profit and can make it none; costs by size move the optimum."""
    state = {"F": parabola, **ONE, "budget": 1000, "aum_limit": None}
    free = creation_arbitrage(**state)
    fixed = creation_arbitrage(**state, costs=1.0)
    assert fixed.profit_usd == pytest.approx(free.profit_usd - 1, rel=1e-9)
    assert fixed.trade == pytest.approx(free.trade, rel=1e-6)
    assert creation_arbitrage(**state, costs=3.0).status == "none"
    # the derivative of d*(.02*d - .002*d^2 - .01) is .04*d - .006*d^2 - .01
    sized = creation_arbitrage(**state, costs=linear(0.01))
    assert sized.trade == pytest.approx([(0.04 + 0.00136**0.5) / 0.012], abs=1e-6)
    asked = []
    redemption_arbitrage(
        parabola, **ONE, available=[8], shares=5, costs=lambda size: asked.append(size) or 0.0
    )
    assert min(asked) > 0


def test_a_search_cut_short_says_so(monkeypatch):
    """A search that runs out of steps returns its best trade with the status not_converged."""
    monkeypatch.setattr(trade_search, "MAX_MOVES", 2)
    found = creation_arbitrage(parabola, **ONE, budget=1000, aum_limit=None)
    assert found.status == "not_converged"
    assert found.profit_usd == pytest.approx(2.962963, abs=1e-2)


def test_trades_do_not_depend_on_labels_or_units():
    """Permuting assets permutes the trade; other units of account leave it as it is."""
    p, R, target = np.array([2.0, 1, 5]), np.array([20.0, 50, 2]), np.array([0.3, 0.4, 0.3])
    F = QuadraticDiscount(rate=0.3, size_penalty=0.1)
    found = creation_arbitrage(F, p, R, target, 50, None)
    order = [2, 0, 1]
    moved = creation_arbitrage(F, p[order], R[order], target[order], 50, None)
    large = creation_arbitrage(F, 1e6 * p, R, target, 50e6, None)
    assert moved.trade == pytest.approx(found.trade[order], abs=1e-5)
    assert large.trade == pytest.approx(found.trade, abs=1e-5)
    assert large.profit_usd == pytest.approx(1e6 * found.profit_usd, rel=1e-9)


def test_many_assets_fall_back_on_the_other_starts(monkeypatch):
    """Where corners are too many to list the search still finds the mirrored weight."""
    monkeypatch.setattr("yieldtrade.pool.creation.MAX_CORNERS", 1)
    F = GlpDiscount(gb=10e-4, gt=50e-4)
    found = redemption_arbitrage(F, [1, 1], [40, 60], [0, 36], [0.5, 0.5], 100, -0.01)
    assert found.profit_usd == pytest.approx(1 / 3, rel=1e-6)


PERCENT = st.floats(0, 0.05)


@given(st.floats(-0.05, 0.1), PERCENT, PERCENT)
@settings(max_examples=15)
def test_creation_is_worthwhile_where_it_earns(premium, fee, exit_costs):
    """Mint and sell pays iff (1+pi)(1-fee) > 1 + exit, which is when a deposit at F = -fee earns (JLP)."""
    margin = (1 + premium) * (1 - fee) - 1 - exit_costs
    if abs(margin) < 1e-9:
        return
    found = creation_arbitrage(flat(-fee), [1], [100], [1], 10, None, premium, linear(exit_costs))
    assert creation_worthwhile(premium, fee, exit_costs) == (found.profit_usd > 0) == (margin > 0)
    assert found.profit_usd == pytest.approx(max(0, 10 * margin), abs=1e-9)


@given(st.floats(-0.1, 0.05), PERCENT, PERCENT)
@settings(max_examples=15)
def test_redemption_is_worthwhile_where_it_earns(premium, fee, entry):
    """Buy and burn pays iff 1 - fee > (1+pi)(1+entry), which is when a basket at f = -fee earns (JLP)."""
    price = (1 + premium) * (1 + entry) / (1 - fee)
    if abs(1 - price) < 1e-9:
        return
    costs = linear(entry * (1 + premium) / (1 - fee))
    found = redemption_arbitrage(flat(-fee), [1], [100], [10], [1], 9, premium, costs)
    assert redemption_worthwhile(premium, fee, entry) == (found.profit_usd > 0) == (price < 1)
    assert found.profit_usd == pytest.approx(max(0, 10 * (1 - price)), abs=1e-9)


def test_corollaries_of_many_premiums():
    """The corollaries take arrays; at equality nothing is earned."""
    assert creation_worthwhile([0.0, 0.01, 0.02], 0.0, 0.01).tolist() == [False, False, True]
    assert redemption_worthwhile([0.0, -0.25, -0.5], 0.25, 0.0).tolist() == [False, False, True]


GIVEN = {"F": parabola, **ONE, "budget": 10, "aum_limit": None}
BAD = [
    ({"p": [0]}, r"p\[0\] = 0\.0 must be above 0"),
    ({"R": [0]}, r"worth 0\.0 USD is empty"),
    ({"target": [0.9]}, "target sums to"),
    ({"budget": -1}, r"budget = -1\.0 must be 0 or more"),
    ({"budget": np.inf}, "budget = inf is not a finite number"),
    ({"aum_limit": 0}, r"aum_limit = 0\.0 must be above 0"),
    ({"premium": -1}, r"premium = -1\.0 must be above -1"),
    ({"premium": [0.0, 0.1]}, "give one number, for one pool"),
    ({"budget": True}, "budget"),
    ({"costs": -1}, r"costs = -1\.0 must be 0 or more"),
    ({"costs": linear(-1)}, r"costs = -.* must be 0 or more"),
    ({"failsafe": 1}, r"failsafe = 1\.0 must be 0 or more and below 1"),
    ({"F": flat(np.nan)}, "F = nan is not a finite number"),
    ({"p": [[10], [11]]}, re.escape("shape (2, 1): give one pool")),
    ({"p": [10, 1]}, "shapes do not match"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_arguments_of_a_creation(change, message):
    """What lies outside its domain is refused with argument and value (pdlp.md 13)."""
    with pytest.raises(DomainError, match=message):
        creation_arbitrage(**{**GIVEN, **change})


BAD_REDEMPTION = [
    ({"available": [101]}, r"available = 101\.0 of asset 0 exceeds its reserves of 100\.0"),
    ({"available": [-1]}, r"available\[0\] = -1\.0 must be 0 or more"),
    ({"shares": 0}, r"shares = 0\.0 must be above 0"),
    ({"premium": -1.5}, r"premium = -1\.5 must be above -1"),
    ({"F": flat(np.inf)}, "F = inf is not a finite number"),
]


@pytest.mark.parametrize(("change", "message"), BAD_REDEMPTION)
def test_bad_arguments_of_a_redemption(change, message):
    """What lies outside its domain is refused with argument and value (pdlp.md 13)."""
    with pytest.raises(DomainError, match=message):
        redemption_arbitrage(**{"F": parabola, **ONE, "available": [8], "shares": 5, **change})


def test_bad_surrogates_are_refused():
    """A discount for nothing, one that is convex, mu of 0, a probe of 0 and bad bounds are refused."""
    with pytest.raises(DomainError, match=r"f\(0\) = 1\.0: a discount must be 0 for no trade"):
        quadratic_surrogate(lambda d: 1.0 + d[0], 1, probe=0.1)
    with pytest.raises(DomainError, match="as measured must be above 0: f is then not strongly concave"):
        quadratic_surrogate(lambda d: d[0] ** 2, 1, probe=0.1)
    # concave along both axes, convex along their diagonal
    with pytest.raises(DomainError, match=r"mu = -1\.0"):
        quadratic_surrogate(lambda d: -(d[0] ** 2) / 2 - d[1] ** 2 / 2 + 2 * d[0] * d[1], 2, probe=1.0)
    with pytest.raises(DomainError, match=r"mu = 0\.0 as given must be above 0"):
        quadratic_surrogate(lambda d: -d[0], 1, mu=0, probe=0.1)
    with pytest.raises(DomainError, match=r"probe = 0\.0 must be above 0"):
        quadratic_surrogate(lambda d: -d[0], 1, probe=0)
    with pytest.raises(DomainError, match="dim = 0 must be 1 or more"):
        quadratic_surrogate(lambda d: 0.0, 0, probe=0.1)
    with pytest.raises(DomainError, match="f = nan is not a finite number"):
        quadratic_surrogate(lambda d: np.nan, 1, probe=0.1)
    with pytest.raises(DomainError, match=r"mu = 0\.0 must be above 0"):
        surrogate_bounds(1, 0, [1])
    with pytest.raises(DomainError, match=r"gradient_at_zero = 2\.0 exceeds G = 1\.0"):
        surrogate_bounds(1, 1, [1], gradient_at_zero=2)
