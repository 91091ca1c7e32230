"""Oracles: golden cases, scipy's optimiser on (12), simulation, delta-method errors, and hand derivations.

Covers of the paper: (12), (13), (14), the variance condition and claim 4.1.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from yieldtrade.errors import DomainError, MissingDataError
from yieldtrade.hedge.delta import (
    WHY_NOT_DECISIVE,
    mean_variance_hedge,
    paper_sharpe_conditions,
    sharpe_test,
)
from yieldtrade.pool.covariance import checked_covariance

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "pdlp.json").read_text())["cases"]
# pdlp.md 14: SOL- and BTC-like assets, utilisation .2 and .3, a fee of 2 bps a period
COV = np.array([[0.0016, 0.0009], [0.0009, 0.0012]])
LENT, FEE, GAMMA = np.array([0.2, 0.3]), 2e-4, 0.02
DELTA = np.array([46.0, 22.0])
CARRY = FEE * LENT

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 5)


def of_kind(kind):
    """Return the golden cases of a kind."""
    return [case for case in GOLDEN if case["kind"] == kind]


def drawn(seed, n):
    """Return a generator and a well-conditioned covariance of daily returns."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n, 2 * n + 2)) + rng.uniform(0, 1)
    sd = rng.uniform(0.001, 0.08, n)
    return rng, (root @ root.T / (2 * n + 2)) * np.outer(sd, sd)


def sharpe(profits):
    """Sharpe ratio of a series of profits."""
    return profits.mean() / profits.std(ddof=1)


@pytest.mark.parametrize("case", of_kind("target_portfolio"), ids=lambda case: case["id"])
def test_equations_12_and_13_match_the_golden_portfolios(case):
    """(12) with costs and (13) without give the golden hedges, with f*ell as the carry."""
    of = {name: np.array(value) for name, value in case["in"].items()}
    carry = of["f"] * of["ell"]
    costly = mean_variance_hedge(of["Delta"], of["Sigma"], carry, of["gamma"], of["pi"], of["c"])
    assert costly.hedge == pytest.approx(case["expect"]["pi_new"], rel=1e-9)
    free = mean_variance_hedge(of["Delta"], of["Sigma"], carry, of["gamma"], current=of["pi"])
    assert free.hedge == pytest.approx(case["expect"]["pi_new_nocost"], rel=1e-9)


def test_equation_13_by_hand():
    """Two assets: the determinant is 1.11e-6, f ell/gamma is (.002, .003), so the tilt is (-10/37, 100/37)."""
    found = mean_variance_hedge(DELTA, COV, CARRY, GAMMA)
    determinant = 0.0016 * 0.0012 - 0.0009**2
    tilt = [
        (0.0012 * 0.002 - 0.0009 * 0.003) / determinant,
        (0.0016 * 0.003 - 0.0009 * 0.002) / determinant,
    ]
    assert tilt == pytest.approx([-10 / 37, 100 / 37], rel=1e-12)
    assert found.net == pytest.approx(tilt, rel=1e-12)
    assert found.hedge == pytest.approx([-46.270270, -19.297297], abs=5e-7)
    assert not found.ill_conditioned


def test_equation_12_by_hand():
    """With c = 1e-5 and from (-40, -20) the hedge solves the two equations of (12), here by Cramer's rule."""
    found = mean_variance_hedge(DELTA, COV, CARRY, GAMMA, current=(-40, -20), cost=1e-5)
    # (12): [[4.2e-5, 1.8e-5], [1.8e-5, 3.4e-5]] pi = (4e-5, 6e-5) - (4e-4, 2e-4) - (1.868e-3, 1.356e-3)
    right = np.array([4e-5 - 4e-4 - 1.868e-3, 6e-5 - 2e-4 - 1.356e-3])
    determinant = 4.2e-5 * 3.4e-5 - 1.8e-5**2
    by_cramer = [
        (3.4e-5 * right[0] - 1.8e-5 * right[1]) / determinant,
        (4.2e-5 * right[1] - 1.8e-5 * right[0]) / determinant,
    ]
    assert found.hedge == pytest.approx(by_cramer, rel=1e-10)
    assert found.hedge == pytest.approx([-44.224638, -20.586957], abs=5e-7)


def test_the_variance_left_is_that_of_the_tilt():
    """With R = Delta the hedge leaves carry'Sigma^-1 carry/gamma^2: 5.788 falls to 0.00756757 (pdlp.md 14)."""
    found = mean_variance_hedge(DELTA, COV, CARRY, GAMMA)
    unhedged = DELTA @ COV @ DELTA
    assert unhedged == pytest.approx(5.788, rel=1e-12)
    left = found.net @ COV @ found.net
    assert left == pytest.approx(0.00756757, abs=5e-9)
    assert left == pytest.approx(CARRY @ np.linalg.inv(COV) @ CARRY / GAMMA**2, rel=1e-10)
    assert found.risk_usd == pytest.approx(GAMMA / 2 * left, rel=1e-10)
    assert found.hedge @ COV @ found.hedge == pytest.approx(5.479568, abs=5e-7)


@given(seeds, sizes)
def test_the_hedge_maximises_objective_12(seed, n):
    """Scipy's optimiser on (12) as printed, pool income included, ends where the closed form says."""
    rng, cov = drawn(seed, n)
    exposure, delta, current = rng.uniform(-50, 100, (3, n))
    ell, c, f, gamma = rng.uniform(0, 1, n), rng.uniform(0, 1e-4, n), 1e-3, rng.uniform(0.005, 0.1)

    def objective(x):
        value = f * ell @ (x + exposure) - (x - current) @ np.diag(c) @ (x - current) / 2
        return value - gamma / 2 * (x + delta) @ cov @ (x + delta)

    curvature = gamma * cov + np.diag(c)
    best = minimize(
        lambda x: -objective(x),
        current,
        jac=lambda x: -f * ell + c * (x - current) + gamma * cov @ (x + delta),
        hess=lambda _: curvature,
        method="trust-exact",
        options={"gtol": 1e-13},
    )
    found = mean_variance_hedge(delta, cov, f * ell, gamma, current, c)
    assert found.hedge == pytest.approx(best.x, rel=1e-6, abs=1e-5)
    assert found.objective_usd + f * ell @ exposure == pytest.approx(objective(found.hedge), abs=1e-12)
    assert objective(found.hedge) >= objective(best.x) - 1e-12
    for step in np.vstack([np.eye(n), -np.eye(n)]):
        assert objective(found.hedge) > objective(found.hedge + step)


def test_the_terms_of_the_objective():
    """One asset by hand: from -25 to -75 against 100, so 25 stay open and 50 are traded."""
    # gamma s^2 = 5e-7, c = 1e-5: (12) reads 1.05e-5 (-75) = carry - 1e-5 * 25 - 5e-7 * 100 for carry -4.875e-4
    found = mean_variance_hedge([100], [[1e-4]], [-4.875e-4], 0.005, current=[-25], cost=[1e-5])
    assert found.hedge == pytest.approx([-75], rel=1e-10)
    assert found.net == pytest.approx([25], rel=1e-10)
    assert found.carry_usd == pytest.approx(75 * 4.875e-4, rel=1e-10)
    assert found.risk_usd == pytest.approx(0.005 / 2 * 1e-4 * 25**2, rel=1e-10)
    assert found.cost_usd == pytest.approx(1e-5 / 2 * 50**2, rel=1e-10)
    assert found.objective_usd == pytest.approx(0.0365625 - 0.00015625 - 0.0125, rel=1e-10)


@given(seeds, sizes)
def test_limits_of_the_hedge(seed, n):
    """No carry: -Delta exactly; dear trading: stay; great risk aversion without cost: -Delta."""
    rng, cov = drawn(seed, n)
    delta, current = rng.uniform(-100, 100, (2, n))
    carry = rng.normal(0, 1e-3, n)
    assert mean_variance_hedge(delta, cov, 0, GAMMA, current).hedge.tolist() == (-delta).tolist()
    assert mean_variance_hedge(delta, cov, carry, 0.02, current, 1e12).hedge == pytest.approx(
        current, abs=1e-9
    )
    assert mean_variance_hedge(delta, cov, carry, 1e12).hedge == pytest.approx(-delta, abs=1e-6)
    gaps = [
        np.linalg.norm(mean_variance_hedge(delta, cov, carry, gamma).hedge + delta) for gamma in (1, 10, 100)
    ]
    assert gaps[0] == pytest.approx(10 * gaps[1], rel=1e-9)
    assert gaps[0] == pytest.approx(100 * gaps[2], rel=1e-9)


@given(st.floats(0, 1e-2), st.floats(0.001, 1))
def test_a_cost_aware_hedge_goes_part_of_the_way(cost, gamma):
    """Without carry one asset moves the share ``gamma s^2/(gamma s^2 + c)`` of the way from current to -Delta."""
    found = mean_variance_hedge([100.0], [[0.0025]], 0, gamma, current=[-20.0], cost=cost)
    part = gamma * 0.0025 / (gamma * 0.0025 + cost)
    assert found.hedge == pytest.approx([-20 - 80 * part], rel=1e-12)


@settings(max_examples=15)
@given(seeds, sizes)
def test_scenarios_agree_with_each_alone(seed, n):
    """Delta, carry, risk aversion, current hedge and cost may each vary by scenario, and nothing else changes."""
    rng, cov = drawn(seed, n)
    delta, current = rng.uniform(-100, 100, (2, 3, n))
    carry, cost = rng.normal(0, 1e-3, (2, 1, n)), rng.uniform(0, 1e-5, (3, n))
    gamma = rng.uniform(0.01, 1, (2, 3))
    for c in (cost, cost[0], 1e-5, 0):
        for g in (gamma, 0.02):
            many = mean_variance_hedge(delta, checked_covariance(cov), carry, g, current, c)
            assert many.hedge.shape == many.net.shape == (2, 3, n)
            assert many.cost_usd.shape == many.risk_usd.shape == many.carry_usd.shape == (2, 3)
            for i, j in np.ndindex(2, 3):
                one = mean_variance_hedge(
                    delta[j],
                    cov,
                    carry[i, 0],
                    np.broadcast_to(g, (2, 3))[i, j],
                    current[j],
                    np.broadcast_to(c, (3, n))[j],
                )
                for name in ("hedge", "net", "carry_usd", "risk_usd", "cost_usd", "objective_usd"):
                    assert getattr(many, name)[i, j] == pytest.approx(getattr(one, name), rel=1e-8, abs=1e-10)


def test_a_lone_scenario_gives_plain_numbers():
    """Money figures of one scenario are floats; a number stands for every asset."""
    found = mean_variance_hedge(50, COV, 0, GAMMA)
    assert found.hedge.tolist() == [-50, -50]
    assert [type(found.carry_usd), type(found.risk_usd), type(found.cost_usd)] == [float] * 3


def test_near_twins_are_flagged():
    """Two assets with a correlation of 1 - 1e-9: a hedge is given, and flagged."""
    r = 1 - 1e-9
    found = mean_variance_hedge((10, -10), [[1.0, r], [r, 1.0]], 0, GAMMA)
    assert found.hedge.tolist() == [-10, 10]
    assert found.ill_conditioned
    assert sharpe_test(0, [[1.0, r], [r, 1.0]], 1, -1, 0, 0, 0).ill_conditioned


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"risk_aversion": 0}, "risk_aversion = 0.0 must be above 0"),
        ({"risk_aversion": [1, -1]}, r"risk_aversion\[1\] = -1.0 must be above 0"),
        ({"risk_aversion": True}, "risk_aversion"),
        ({"cost": -1e-9}, "cost = -1e-09 must be 0 or more"),
        ({"cost": [0, -1]}, r"cost\[1\] = -1.0"),
        ({"cost": math.inf}, "cost = inf is not a finite number"),
        ({"delta": [46, math.nan]}, r"delta\[1\] = nan is not a finite number"),
        ({"delta": [46, 22, 1]}, r"delta has shape \(3,\): its last axis must hold 2"),
        ({"delta": ["a", "b"]}, "delta holds str"),
        ({"carry": [[0.1], [0.2]]}, r"carry has shape \(2, 1\): its last axis must hold 2"),
        ({"current": [1]}, r"current has shape \(1,\)"),
        ({"cost": [1, 2, 3]}, r"cost has shape \(3,\)"),
        (
            {"delta": np.ones((3, 2)), "carry": np.ones((4, 2))},
            r"scenarios do not broadcast: delta\(3,\), carry\(4,\)",
        ),
        (
            {"delta": np.ones((3, 2)), "risk_aversion": [1, 2]},
            r"scenarios do not broadcast: delta\(3,\), risk_aversion\(2,\)",
        ),
        ({"cov": [[1.0, 2.0], [2.0, 1.0]]}, "cov is not positive definite: its smallest eigenvalue is -1"),
        ({"cov": [[1.0, 0.2], [0.1, 1.0]]}, r"cov\[0, 1\] = 0.2 and cov\[1, 0\] = 0.1 differ"),
        ({"cov": [[1.0, 0.2]]}, r"cov has shape \(1, 2\): a square matrix"),
        ({"risk_aversion": 1e-310}, r"carry and cost over risk_aversion\[0\] = inf"),
        ({"carry": 1e200}, "carry_usd = inf"),
    ],
)
def test_impossible_hedges_are_refused(change, message):
    """Values outside their domain, shapes that do not match and bad covariances are refused by name."""
    terms = {"delta": DELTA, "cov": COV, "carry": 0.1, "risk_aversion": GAMMA, **change}
    with pytest.raises(DomainError, match=f"^{message}"):
        mean_variance_hedge(**terms)


@pytest.mark.parametrize("case", of_kind("counterexample_eq14"), ids=lambda case: case["id"])
def test_the_inequality_behind_equation_14_fails_as_in_the_golden_case(case):
    """(14): here ``p.ell/lambda_max`` is positive and ``p.Sigma^-1 ell`` negative, and only the first is asked for."""
    of = case["in"]
    found = paper_sharpe_conditions((1, 1), of["Sigma"], of["ell"], 0.01, 1e-6, prices=of["p"])
    assert found.lambda_max_form == pytest.approx(case["expect"]["lambda_max_form"], rel=1e-9)
    assert found.exact_form == pytest.approx(case["expect"]["exact_form"], rel=1e-9)
    assert found.inequality_holds is False
    assert found.expectation_printed.holds is True
    assert found.expectation_direct.holds is False


@pytest.mark.parametrize("case", of_kind("counterexample_variance"), ids=lambda case: case["id"])
def test_the_printed_variance_condition_is_not_sufficient_as_in_the_golden_case(case):
    """Variance condition: Var pi <= 4 Var R holds, and the variance of the sum rises."""
    of, expect = case["in"], case["expect"]
    across = of["rho"] * math.sqrt(of["var_R"] * of["var_pi"])
    cov = [[of["var_R"], across], [across, of["var_pi"]]]
    found = paper_sharpe_conditions((1, 0), cov, 0, 0, 1, hedge=(0, 1))
    assert found.variance_printed.holds is expect["printed_condition_holds"] is True
    assert found.variance_printed[1:3] == pytest.approx((4 * of["var_R"], of["var_pi"]), rel=1e-12)
    assert found.variance_exact.holds is False
    tested = sharpe_test(0.1, cov, (1, 0), (0, 1), 0, 0, 0)
    assert tested.hedged.sd_usd**2 == pytest.approx(expect["var_total"], rel=1e-9)
    assert tested.variance_falls is False


def test_the_printed_conditions_by_hand():
    """(14) and the variance condition of pdlp.md 14: both sides, with lambda_max from the quadratic formula."""
    found = paper_sharpe_conditions(DELTA, COV, LENT, FEE, GAMMA)
    lambda_max = 0.0014 + math.sqrt(0.0002**2 + 0.0009**2)
    assert found.expectation_printed[1:] == pytest.approx((FEE * 0.5, GAMMA * lambda_max * 68, False))
    # Sigma^-1 ell = (-.27, 2.7)/(f/gamma), so p.Sigma^-1 ell = 90/37*100
    assert found.expectation_direct[1:] == pytest.approx((FEE * 9000 / 37, GAMMA * 68, False))
    assert found.lambda_max_form == pytest.approx(0.5 / lambda_max)
    assert found.exact_form == pytest.approx(9000 / 37)
    assert found.inequality_holds is True
    assert found.variance_printed[1:] == pytest.approx((4 * 5.788, 5.479568, True), abs=5e-7)
    assert found.variance_exact[1:] == pytest.approx((11.26, 5.479568, True), abs=5e-7)
    assert found.claim_4_1 is False
    assert "printed" in found.expectation_printed.label
    assert "printed" in found.variance_printed.label
    assert found.reasons == WHY_NOT_DECISIVE


@given(seeds, sizes, st.booleans())
def test_where_the_inequality_of_equation_14_holds(seed, n, diagonal):
    """(14): it does for a diagonal Sigma, and for ell parallel to p, whatever the rest."""
    rng, cov = drawn(seed, n)
    prices, lent = rng.uniform(0.01, 100, n), rng.uniform(0, 1, n)
    if diagonal:
        cov = np.diag(np.diag(cov))
    else:
        lent = 0.003 * prices
    found = paper_sharpe_conditions(1, cov, lent, FEE, GAMMA, prices=prices)
    assert found.lambda_max_form <= found.exact_form * (1 + 1e-9)


@given(seeds, sizes)
def test_neither_form_of_equation_14_is_about_income(seed, n):
    """(14) direct is ``p.pi >= 0`` for the pi of (13): the value of the hedge, negative for any short."""
    rng, cov = drawn(seed, n)
    prices, lent, delta = rng.uniform(0.01, 100, n), rng.uniform(0, 1, n), rng.uniform(-10, 10, n)
    found = paper_sharpe_conditions(delta, cov, lent, FEE, GAMMA, prices=prices)
    value = prices @ mean_variance_hedge(delta, cov, FEE * lent, GAMMA).hedge
    left, right = found.expectation_direct[1:3]
    assert (left - right) / GAMMA == pytest.approx(value, rel=1e-6, abs=1e-6)


def test_claim_4_1_is_false():
    """Claim 4.1 in one asset: its conditions ask for a purchase, which here doubles risk and halves the ratio."""
    # Sigma .01, gamma .01, Delta = R = 100: f ell = .02 tilts by 200, so pi = +100; (14) reads .02 >= .01
    claim = paper_sharpe_conditions([100], [[0.01]], [1], 0.02, 0.01)
    assert claim.claim_4_1 is True
    hedge = mean_variance_hedge([100], [[0.01]], 0.02, 0.01).hedge
    assert hedge == pytest.approx([100])
    tested = sharpe_test([0.001], [[0.01]], [100], hedge, 1.0, 0, 0)
    assert tested.unhedged == pytest.approx((1.1, 10, 0.11))
    assert tested.hedged == pytest.approx((1.2, 20, 0.06))
    assert (tested.variance_falls, tested.improves) == (False, False)


def test_claim_4_1_misses_hedges_that_pay():
    """Claim 4.1: the hedge of pdlp.md 14 fails (14), and the Sharpe ratio improves all the same."""
    assert paper_sharpe_conditions(DELTA, COV, LENT, FEE, GAMMA).claim_4_1 is False
    hedge = mean_variance_hedge(DELTA, COV, CARRY, GAMMA).hedge
    tested = sharpe_test(0, COV, DELTA, hedge, 0.05, 0, 0.001)
    assert (tested.variance_falls, tested.improves) == (True, True)


def test_conditions_by_scenario():
    """Fees, prices and hedges by scenario give the figures of each alone."""
    prices, fees = np.array([[1, 1], [2, 0.5]]), [1e-4, 2e-2]
    many = paper_sharpe_conditions(DELTA, COV, LENT, fees, GAMMA, prices=prices, exposure=(50, 20))
    for k in range(2):
        one = paper_sharpe_conditions(DELTA, COV, LENT, fees[k], GAMMA, prices=prices[k], exposure=(50, 20))
        assert many.claim_4_1[k] == one.claim_4_1
        assert many.exact_form[k] == pytest.approx(one.exact_form)
        for name in ("expectation_printed", "expectation_direct", "variance_printed", "variance_exact"):
            for side in (1, 2, 3):
                assert getattr(many, name)[side][k] == pytest.approx(getattr(one, name)[side])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fee": 1}, "fee = 1.0 must be 0 or more and below 1"),
        ({"fee": -0.1}, "fee = -0.1"),
        ({"lent": [-0.1, 0.2]}, r"lent\[0\] = -0.1 must be 0 or more"),
        ({"prices": [1, 0]}, r"prices\[1\] = 0.0 must be above 0"),
        ({"prices": [1, math.inf]}, r"prices\[1\] = inf is not a finite number"),
        ({"risk_aversion": 0}, "risk_aversion = 0.0 must be above 0"),
        ({"exposure": [1, 2, 3]}, r"exposure has shape \(3,\)"),
        ({"hedge": [math.nan, 1]}, r"hedge\[0\] = nan"),
        ({"cov": [[1.0, 1.0], [1.0, 1.0]]}, "cov is not positive definite"),
    ],
)
def test_impossible_conditions_are_refused(change, message):
    """Fees outside [0, 1), prices not above 0 and the rest are refused by name."""
    terms = {"delta": DELTA, "cov": COV, "lent": LENT, "fee": FEE, "risk_aversion": GAMMA, **change}
    with pytest.raises(DomainError, match=f"^{message}"):
        paper_sharpe_conditions(**terms)


def test_the_sharpe_ratio_of_a_hedge_by_hand():
    """One asset: half hedged at a carry of 20 bps and a cost of .1 the ratio rises from .2 to .26."""
    # m0 = .01*100 + 1 = 2, s0 = 10; m1 = .01*50 + 1 - .002*50 - .1 = 1.3, s1 = 5
    found = sharpe_test([0.01], [[0.01]], [100], [-50], 1, [0.002], 0.1)
    assert found.unhedged == pytest.approx((2, 10, 0.2))
    assert found.hedged == pytest.approx((1.3, 5, 0.26))
    assert (found.variance_falls, found.improves) == (True, True)
    assert found.difference == pytest.approx(0.06)
    assert found.interval is None
    dear = sharpe_test([0.01], [[0.01]], [100], [-50], 1, [0.002], 0.5)
    assert dear.hedged == pytest.approx((0.9, 5, 0.18))
    assert (dear.variance_falls, dear.improves) == (True, False)


@pytest.mark.parametrize(
    ("mean", "income", "cost"), [(-0.02, 1, 0), (-0.01, 1, 0), (0.01, 1, 1.5), (0.01, 1, 2)]
)
def test_no_verdict_where_a_mean_is_not_positive(mean, income, cost):
    """A mean of 0 or less on either side is reported, and ``improves`` is None, NaN in an array."""
    terms = ([[0.01]], [100], [-50], income, 0)
    found = sharpe_test([mean], *terms, cost)
    assert min(found.unhedged.mean_usd, found.hedged.mean_usd) <= 0
    assert found.improves is None
    assert found.variance_falls is True
    assert math.isfinite(found.difference)
    many = sharpe_test([mean], *terms, [cost, 0])
    assert math.isnan(many.improves[0])


@given(seeds, sizes)
def test_no_hedge_changes_nothing(seed, n):
    """Hedging with nothing at no cost leaves both figures, and counts as no worse."""
    rng, cov = drawn(seed, n)
    found = sharpe_test(rng.uniform(0, 0.01, n), cov, rng.uniform(1, 100, n), 0, 1.0, 0.01, 0)
    assert found.unhedged == found.hedged
    assert (found.improves, found.variance_falls, found.difference) == (True, True, 0)


@given(seeds, sizes)
def test_variances_of_the_hedged_portfolio(seed, n):
    """Variance condition: it falls exactly where the standard deviation does; the printed condition is necessary."""
    rng, cov = drawn(seed, n)
    exposure, hedge = rng.normal(0, 100, (2, 20, n))
    found = sharpe_test(0, cov, exposure, hedge, 0, 0, 0)
    assert found.variance_falls.tolist() == (found.hedged.sd_usd <= found.unhedged.sd_usd).tolist()
    printed = paper_sharpe_conditions(exposure, cov, 0, 0, 1, hedge=hedge)
    assert printed.variance_exact.holds.tolist() == found.variance_falls.tolist()
    assert (printed.variance_printed.holds | ~found.variance_falls).all()


def test_twice_the_short_leaves_the_variance():
    """Variance condition: pi = -2R has exactly four times the variance of R and leaves that of the sum as it was."""
    found = sharpe_test(0.01, COV, DELTA, -2 * DELTA, 0, 0, 0)
    assert found.variance_falls is True
    assert found.hedged.sd_usd == found.unhedged.sd_usd
    further = sharpe_test(0.01, COV, DELTA, -2.0001 * DELTA, 0, 0, 0)
    assert further.variance_falls is False


def test_means_and_variances_by_simulation():
    """Profits simulated from normal returns have the means and variances stated, within five standard errors."""
    mean, n = np.array([0.002, -0.001]), 400_000
    hedge, carry = np.array([-30.0, -25.0]), np.array([0.0003, -0.0002])
    found = sharpe_test(mean, COV, DELTA, hedge, 0.08, carry, 0.01)
    returns = np.random.default_rng(5).multivariate_normal(mean, COV, n)
    unhedged = returns @ DELTA + 0.08
    hedged = unhedged + (returns + carry) @ hedge - 0.01
    for profits, stated in ((unhedged, found.unhedged), (hedged, found.hedged)):
        assert profits.mean() == pytest.approx(stated.mean_usd, abs=5 * stated.sd_usd / math.sqrt(n))
        assert profits.var() == pytest.approx(stated.sd_usd**2, rel=5 * math.sqrt(2 / n))


def test_a_riskless_hedge_beats_any_other():
    """A full hedge bears no risk: its ratio is infinite where it earns, and the interval is too."""
    samples = np.random.default_rng(2).multivariate_normal([0.01, 0.01], COV, 50)
    terms = (0.01, COV, DELTA, -DELTA, 1, 0)
    found = sharpe_test(*terms, 0, samples=samples)
    assert found.hedged == (1, 0, math.inf)
    assert found.improves is True
    assert found.difference == math.inf
    assert found.interval[:2] == (math.inf, math.inf)
    losing = sharpe_test(*terms, 2, samples=samples)
    assert losing.hedged == (-1, 0, -math.inf)
    assert losing.improves is None
    assert losing.interval[:2] == (-math.inf, -math.inf)


def test_ratios_without_mean_and_risk_are_undefined():
    """Nothing held and nothing earned has no ratio: None, and so are the difference and its interval."""
    samples = np.random.default_rng(2).multivariate_normal([0.01, 0.01], COV, 50)
    found = sharpe_test(0.01, COV, DELTA, -DELTA, 0, 0, 0, samples=samples)
    assert found.hedged == (0, 0, None)
    assert found.difference is None
    assert found.interval[:2] == (None, None)
    many = sharpe_test(0.01, COV, DELTA, [-DELTA, 0 * DELTA], 0, 0, 0, samples=samples)
    assert np.isnan(many.difference).tolist() == np.isnan(many.interval.low).tolist() == [True, False]


def test_the_bootstrap_interval_has_the_width_of_theory():
    """For normal returns the interval is 3.92 standard errors wide, by the delta method (Jobson and Korkie, Memmel)."""
    mean, periods = np.array([0.004, 0.003]), 1500
    net = np.array([0.4, -1.6]) * DELTA
    returns = np.random.default_rng(11).multivariate_normal(mean, COV, periods)
    profits = returns @ np.column_stack([DELTA, net]) + 0.05
    s0, s1 = sharpe(profits[:, 0]), sharpe(profits[:, 1])
    rho = np.corrcoef(profits.T)[0, 1]
    error = math.sqrt((2 - 2 * rho + (s0**2 + s1**2 - 2 * s0 * s1 * rho**2) / 2) / periods)
    terms = (mean, COV, DELTA, net - DELTA, 0.05, 0, 0)
    for level, deviations in ((0.95, 1.96), (0.5, 0.6745)):
        interval = sharpe_test(*terms, samples=returns, draws=4000, level=level).interval
        assert interval.high - interval.low == pytest.approx(2 * deviations * error, rel=0.1)
        assert (interval.high + interval.low) / 2 == pytest.approx(s1 - s0, abs=0.3 * error)
        assert (interval.level, interval.periods) == (level, periods)


def test_one_block_of_everything_is_the_sample_itself():
    """A block as long as the sample only turns it round: the interval shrinks to the sample's own difference."""
    returns = np.random.default_rng(4).multivariate_normal([0.004, 0.003], COV, 40)
    own = sharpe_test(
        returns.mean(axis=0), np.cov(returns.T), DELTA, -DELTA / 2, 1, 0.001, 0.01, samples=returns, block=40
    )
    assert own.interval[:2] == pytest.approx((own.difference, own.difference), rel=1e-10)
    unhedged = returns @ DELTA + 1
    hedged = returns @ DELTA / 2 + 1 - 0.001 * DELTA.sum() / 2 - 0.01
    assert own.difference == pytest.approx(sharpe(hedged) - sharpe(unhedged), rel=1e-10)


def test_the_bootstrap_against_resampling_by_hand():
    """Drawing rows from twelve periods and taking both ratios of each draw gives the same quantiles."""
    rng = np.random.default_rng(77)
    returns, hedge = rng.multivariate_normal([0.004, 0.003], COV, 12), np.array([-30.0, -5.0])
    drawn_ = returns[rng.integers(0, 12, size=(40_000, 12))]
    ratios = []
    for exposure, certain in ((DELTA, 1.0), (DELTA + hedge, 1.0 - 0.002 * 35 - 0.1)):
        profits = drawn_ @ exposure + certain
        ratios.append(profits.mean(axis=1) / profits.std(axis=1, ddof=1))
    found = sharpe_test(0, COV, DELTA, hedge, 1, 0.002, 0.1, samples=returns, draws=40_000, level=0.8)
    low, high = np.quantile(ratios[1] - ratios[0], [0.1, 0.9])
    assert found.interval[:2] == pytest.approx((low, high), abs=0.02 * (high - low))


def test_blocks_keep_serial_dependence():
    """Returns in runs of ten equal days: blocks of ten see fewer independent days, and a wider interval."""
    runs = np.random.default_rng(8).multivariate_normal([0.004, 0.003], COV, 60)
    returns = np.repeat(runs, 10, axis=0)
    widths = []
    for block in (1, 10):
        interval = sharpe_test(
            0, COV, DELTA, (-40, 0), 1, 0, 0, samples=returns, block=block, draws=1000
        ).interval
        widths.append(interval.high - interval.low)
    # independent days: sqrt(10) too narrow
    assert widths[1] / widths[0] == pytest.approx(math.sqrt(10), rel=0.2)


def test_the_bootstrap_is_seeded():
    """The same seed gives the same interval to the last bit, another seed another one nearby."""
    returns = np.random.default_rng(4).multivariate_normal([0.004, 0.003], COV, 200)
    one, same, other = (
        sharpe_test(0, COV, DELTA, -DELTA / 3, 1, 0.001, 0, samples=returns, seed=seed).interval
        for seed in (1, 1, 2)
    )
    assert one == same != other
    assert one.low == pytest.approx(other.low, abs=0.1 * (one.high - one.low))


def test_sharpe_tests_by_scenario():
    """Hedges, incomes and costs by scenario give the figures and intervals of each alone."""
    returns = np.random.default_rng(4).multivariate_normal([0.004, 0.003], COV, 100)
    hedges = -np.array([[[10, 5]], [[46, 22]], [[60, 60]]])
    income, cost = np.array([1.0, -1.0]), np.array([[0.0], [0.1], [0.2]])
    many = sharpe_test(0.002, COV, DELTA, hedges, income, 1e-3, cost, samples=returns)
    for i, j in np.ndindex(3, 2):
        one = sharpe_test(0.002, COV, DELTA, hedges[i, 0], income[j], 1e-3, cost[i, 0], samples=returns)
        for name in ("unhedged", "hedged"):
            alone = [getattr(one, name).mean_usd, getattr(one, name).sd_usd, getattr(one, name).sharpe]
            assert [figure[i, j] for figure in getattr(many, name)] == pytest.approx(alone, rel=1e-10)
        assert many.variance_falls[i, j] == one.variance_falls
        expected = math.nan if one.improves is None else float(one.improves)
        assert many.improves[i, j] == pytest.approx(expected, nan_ok=True)
        assert many.difference[i, j] == pytest.approx(one.difference, rel=1e-9)
        assert [many.interval.low[i, j], many.interval.high[i, j]] == pytest.approx(
            one.interval[:2], rel=1e-8
        )


SAMPLES = np.random.default_rng(0).normal(0, 0.03, (10, 2))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"mean": [0.1, math.nan]}, DomainError, r"mean\[1\] = nan is not a finite number"),
        ({"exposure": [1, 2, 3]}, DomainError, r"exposure has shape \(3,\): its last axis must hold 2"),
        ({"hedge": "short"}, DomainError, "hedge"),
        ({"income": math.inf}, DomainError, "income = inf"),
        ({"cost": -1}, DomainError, "cost = -1.0 must be 0 or more"),
        ({"income": [1, 2], "cost": [1, 2, 3]}, DomainError, "scenarios do not broadcast: income"),
        ({"cov": [[0.0, 0.0], [0.0, 1.0]]}, DomainError, "cov is not positive definite"),
        ({"mean": 1e200, "exposure": 1e200}, DomainError, "mean_usd = inf"),
        ({"samples": SAMPLES[:, :1]}, DomainError, r"samples has shape \(10, 1\): rows of 2 returns"),
        ({"samples": SAMPLES[0]}, DomainError, r"samples has shape \(2,\)"),
        ({"samples": [[0.1, math.nan]] * 3}, DomainError, r"samples\[0, 1\] = nan"),
        (
            {"samples": SAMPLES[:9]},
            MissingDataError,
            "samples holds 9 periods: an interval needs at least 10",
        ),
        ({"samples": SAMPLES, "level": 1.0}, DomainError, "level = 1.0 must lie between 0 and 1"),
        ({"samples": SAMPLES, "level": 0}, DomainError, "level = 0 must lie"),
        ({"samples": SAMPLES, "level": math.nan}, DomainError, "level = nan is not a finite number"),
        ({"samples": SAMPLES, "draws": 0}, DomainError, "draws = 0 must be a whole number from 1"),
        ({"samples": SAMPLES, "draws": 2.5}, DomainError, "draws = 2.5 must be a whole number"),
        ({"samples": SAMPLES, "block": 11}, DomainError, "block = 11 must be a whole number from 1 to 10"),
        ({"samples": SAMPLES, "block": True}, DomainError, "block = True must be a whole number"),
    ],
)
def test_impossible_sharpe_tests_are_refused(change, error, message):
    """Values outside their domain, shapes that do not match and too few returns are refused by name."""
    terms = {"mean": 0.01, "cov": COV, "exposure": DELTA, "hedge": -DELTA, "income": 1, "carry": 0, "cost": 0}
    with pytest.raises(error, match=f"^{message}"):
        sharpe_test(**{**terms, **change})
