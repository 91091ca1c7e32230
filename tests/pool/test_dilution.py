"""Oracles: finite differences, brute force over discounts, fees and loans, the golden counter-example."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.errors import DomainError, MarketDefinitionError
from yieldtrade.pool.dilution import (
    FORMS,
    delta_bound,
    existing_holder_value,
    holder_delta,
    loan_to_value_footnote,
    weight_delta_bounds,
)
from yieldtrade.pool.parameters import stated_parameters
from yieldtrade.pool.state import CustodyState, PoolState
from yieldtrade.pool.weights import ownership_fraction

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = json.loads((GOLDEN / "pdlp.json").read_text())["cases"]
COUNTER_EXAMPLES = [case for case in CASES if case["kind"] == "counterexample_claim_3_4"]


def deposit(seed):
    """Return a random pool with a deposit, a fee and what is lent."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    p, R = rng.uniform(0.5, 20, n), rng.uniform(1, 100, n)
    D, lent = rng.uniform(0, 10, n), R * rng.uniform(0, 1, n)
    return {"p": p, "R": R, "D": D, "fee": rng.uniform(0, 0.1), "lent": lent}


def least_gradient(p, R, fee):
    """Smallest gradient of F that claim 3.4 admits, 8*f*R/(p.R)."""
    return 8 * fee * np.asarray(R) / np.dot(p, R)


def test_the_worked_dilution():
    """R 100, D 10, F .1: the holders keep 99 and not the printed 90.91 (coverage: V_new)."""
    state = {"p": 1, "R": 100, "D": 10, "F": 0.1, "fee": 0, "lent": 0}
    assert existing_holder_value(**state) == pytest.approx(99, rel=1e-15)
    assert existing_holder_value(**state, form="paper") == pytest.approx(100 / 1.1, rel=1e-15)
    lending = {**state, "fee": 0.01, "lent": 50}
    assert existing_holder_value(**lending) == pytest.approx(99.5, rel=1e-15)
    assert existing_holder_value(**lending, form="paper") == pytest.approx(100 / 1.1 + 0.5, rel=1e-15)


@given(st.integers(0, 10**6), st.floats(-0.5, 0.5))
def test_exact_dilution_follows_from_the_ownership_rule(seed, F):
    """What the depositor does not own of the pool after the deposit belongs to the others (coverage: V_new)."""
    state = deposit(seed)
    p, R, D = state["p"], state["R"], state["D"]
    rest = (1 - ownership_fraction(p, R, D, F)) * (p @ (R + D))
    value = existing_holder_value(F=F, **state)
    assert value == pytest.approx(rest + state["fee"] * (p @ state["lent"]), rel=1e-12)


@given(st.integers(0, 10**6), st.floats(0.01, 0.9))
def test_both_forms_agree_for_one_size_only(seed, F):
    """The printed value is exact where p.D = p.R/(1+F), and at no other size."""
    state = deposit(seed)
    p, R, D = state["p"], state["R"], state["D"]
    state["D"] = D * (p @ R) / (1 + F) / (p @ D)
    values = [existing_holder_value(F=F, **state, form=form) for form in FORMS]
    assert values[0] == pytest.approx(values[1], rel=1e-12)
    state["D"] = state["D"] / 2
    values = [existing_holder_value(F=F, **state, form=form) for form in FORMS]
    assert values[0] > values[1]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(6))
def test_the_delta_is_the_gradient_of_the_value(seed, form):
    """Central differences in each price, with a discount that moves with prices, give the delta."""
    state = deposit(seed)
    p = state.pop("p")
    slope = np.random.default_rng(seed).normal(scale=0.01, size=p.size)

    def value(prices):
        F = 0.1 + slope @ (prices - p) + 3 * slope[0] * (prices - p) @ (prices - p)
        return existing_holder_value(prices, F=F, **state, form=form)

    delta = holder_delta(p, F=0.1, grad_F=slope, **state, form=form)
    for i, step in enumerate(1e-4 * np.eye(p.size)):
        assert delta[i] == pytest.approx((value(p + step) - value(p - step)) / 2e-4, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("case", COUNTER_EXAMPLES, ids=lambda case: case["id"])
def test_claim_3_4_is_false(case):
    """Within its own hypotheses the multiplier 0.7878 exceeds the printed bound 0.49 (coverage: claim 3.4)."""
    F, f, expect = case["in"]["F"], case["in"]["f"], case["expect"]
    p, R = np.array([2.0, 5.0]), np.array([30.0, 8.0])
    delta = holder_delta(p, R, 0 * R, F, least_gradient(p, R, f), f, R, "paper")
    assert delta / R == pytest.approx(np.full(2, expect["multiplier"]), rel=1e-9)
    bound = delta_bound(f)
    assert bound.printed == pytest.approx(expect["printed_bound"], rel=1e-9)
    assert bound.simple == pytest.approx(expect["corrected_bound"], rel=1e-9)
    assert bound.tight == pytest.approx(0.93, rel=1e-12)
    assert bound.printed < expect["multiplier"] < bound.tight < bound.simple


@pytest.mark.parametrize("fee", [0.0, 0.001, 0.01, 0.05, 1 / 16, 0.08, 0.1, 1 / 8, 0.2, 0.5, 0.9])
def test_the_tight_bound_is_reached_and_never_passed(fee):
    """Over all F in [0, 1] and ell <= R the largest multiplier is the tight bound (coverage: claim 3.4)."""
    p, R = np.array([2.0]), np.array([30.0])
    F = np.linspace(0, 1, 4001)[:, None]
    worst = -np.inf
    for part in (0.0, 0.3, 0.9, 1.0):
        delta = holder_delta(p, R, 0 * R, F[:, 0], least_gradient(p, R, fee), fee, part * R, "paper")
        worst = max(worst, (delta / R).max())
    bound = delta_bound(fee)
    assert worst <= bound.tight + 1e-12
    assert worst == pytest.approx(bound.tight, abs=1e-6)
    assert bound.tight <= bound.simple
    # the printed bound is met only by fees from 1/8 up
    assert (worst <= bound.printed + 1e-12) == (fee >= 1 / 8)


@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 3))
@settings(max_examples=60)
def test_no_admissible_pool_passes_the_bounds(seed, F, excess):
    """Any pool, any gradient at or above the admissible one, any loans: delta <= tight <= simple times R."""
    state = deposit(seed)
    p, R, fee = state["p"], state["R"], state["fee"]
    gradient = least_gradient(p, R, fee) * (1 + excess)
    delta = holder_delta(p, R, state["D"], F, gradient, fee, state["lent"], "paper")
    bound = delta_bound(fee)
    assert (delta <= bound.tight * R * (1 + 1e-12)).all()
    assert bound.tight <= bound.simple


def test_bounds_of_many_fees():
    """Fees may be an array; the pieces of the tight bound meet at 1/16 and 1/8."""
    fees = np.array([0.01, 1 / 16, 0.1, 1 / 8, 0.3])
    bound = delta_bound(fees)
    # 1 - 7f; 9/16; 1/3.2 + .1; 3/8; .2
    assert bound.tight == pytest.approx([0.93, 0.5625, 0.4125, 0.375, 0.2], rel=1e-14)
    for edge in (1 / 16, 1 / 8):
        above = delta_bound(np.nextafter(edge, 1)).tight
        assert above == pytest.approx(delta_bound(edge).tight, rel=1e-14)


def test_footnote_5():
    """The footnote's loan-to-value is (w*L1 + (1-w)*L2)/(3/2 - f), and no lending rule (coverage: footnote 5)."""
    # a quarter of .8 and three quarters of .6 are .65
    assert loan_to_value_footnote(0.25, 0.8, 0.6, 0.01) == pytest.approx(0.65 / 1.49, rel=1e-15)
    assert loan_to_value_footnote([0, 1], 0.8, 0.6, 0.0) == pytest.approx([0.4, 0.8 / 1.5])
    assert "not a lending rule" in loan_to_value_footnote.__doc__


WEIGHTS = {"SOL": 0.47, "BTC": 0.13, "ETH": 0.08, "USDC": 0.32, "USDT": 0.0}


def jlp(targets=WEIGHTS, **utilisation):
    """Return a pool without shorts at its target weights, longs opened at today's price without collateral."""
    custodies = []
    for asset, weight in targets.items():
        stable = asset.startswith("USD")
        price, u = (1.0, 0.0) if stable else (50.0, utilisation.get(asset, 0.0))
        value = 1e6 * weight
        custodies.append(
            CustodyState(
                asset=asset,
                is_stable=stable,
                owned=value / price,
                locked=u * value / price,
                guaranteed_usd=u * value,
                price=price,
            )
        )
    return PoolState(custodies=tuple(custodies), supply=1000.0, target_weights=targets)


def test_delta_range_by_weight():
    """An asset's delta lies between none and the top of its weight band; a stablecoin has none."""
    bounds = weight_delta_bounds(jlp(), 0.2)
    assert list(bounds) == list(WEIGHTS)
    assert bounds["SOL"] == pytest.approx((0, 0.564))
    assert bounds["BTC"] == pytest.approx((0, 0.156))
    assert bounds["USDC"] == bounds["USDT"] == (0, 0)
    stated = stated_parameters({"weight_failsafe": 0.2})
    assert weight_delta_bounds(jlp(), stated) == bounds


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_no_admissible_pool_leaves_its_delta_range(seed):
    """Random weights inside every band and random utilisation keep p*beta*supply/AUM inside the range."""
    rng = np.random.default_rng(seed)
    targets = dict(zip(("SOL", "ETH", "USDC"), rng.dirichlet(np.ones(3)).tolist(), strict=True))
    failsafe = rng.uniform(0, 0.9)
    w = np.array(list(targets.values()))
    shift = rng.normal(size=3) * w
    shift = shift - shift.mean()
    # the largest step along the shift that keeps all weights in their bands
    step = rng.choice([rng.random(), 1.0]) * min(failsafe * w / abs(shift))
    drifted = dict(zip(targets, w + step * shift, strict=True))
    pool = jlp(drifted, SOL=rng.random(), ETH=rng.choice([0.0, 1.0]))
    bounds = weight_delta_bounds(
        PoolState(custodies=pool.custodies, supply=pool.supply, target_weights=targets), failsafe
    )
    # the AUM is 1e6: longs opened at today's price owe what they locked
    for custody in pool:
        delta = 0.0 if custody.is_stable else (custody.owned - custody.locked) * custody.price / 1e6
        low, high = bounds[custody.asset]
        assert low - 1e-12 <= delta <= high + 1e-12


def test_a_heavy_asset_is_bounded_by_the_others():
    """An asset with most of the weight rises only as far as the others fall: 1 - .4*.8, not .6*1.2."""
    bounds = weight_delta_bounds(jlp({"SOL": 0.6, "ETH": 0.4}), 0.2)
    assert bounds["SOL"].high == pytest.approx(0.68)
    assert bounds["ETH"].high == pytest.approx(0.48)
    assert weight_delta_bounds(jlp({"SOL": 0.6, "ETH": 0.4}), 0)["SOL"].high == pytest.approx(0.6)


STATE = {"p": [1, 2], "R": [10, 5], "D": [1, 0], "F": 0.1, "fee": 0.01, "lent": [5, 5]}
BAD = [
    ({"F": -1}, r"F = -1\.0 must be above -1"),
    ({"F": 21, "form": "exact"}, r"F = 21\.0 gives the depositor 1\.047\d* of the pool"),
    ({"fee": 1}, r"fee = 1\.0 must be 0 or more and below 1"),
    ({"fee": -0.1}, r"fee = -0\.1 must be 0 or more"),
    ({"lent": [11, 0]}, r"lent = 11\.0 of asset 0 exceeds its reserves of 10\.0"),
    ({"lent": [-1, 0]}, r"lent\[0\] = -1\.0 must be 0 or more"),
    ({"D": [-11, 0]}, r"D = -11\.0 of asset 0 takes more than the reserves"),
    ({"R": [0, 0], "lent": [0, 0]}, r"worth 0\.0 USD is empty"),
    ({"p": [1, np.inf]}, r"p\[1\] = inf is not a finite number"),
    ({"D": [1, 2, 3]}, "shapes do not match"),
    ({"form": "printed"}, "form = 'printed': allowed are 'exact', 'paper'"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_arguments_of_a_dilution(change, message):
    """What lies outside its domain is refused by value and delta alike (pdlp.md 13)."""
    given_ = {**STATE, **change}
    with pytest.raises(DomainError, match=message):
        existing_holder_value(**given_)
    with pytest.raises(DomainError, match=message):
        holder_delta(**given_, grad_F=[0, 0])


def test_bad_arguments_of_the_bounds():
    """Fees, weights and failsafes outside their domain are refused; an unknown target or failsafe is named."""
    with pytest.raises(DomainError, match=r"fee\[1\] = 1\.0 must be 0 or more and below 1"):
        delta_bound([0.1, 1.0])
    with pytest.raises(DomainError, match=r"weight = 1\.5 must be between 0 and 1"):
        loan_to_value_footnote(1.5, 0.5, 0.5, 0.1)
    with pytest.raises(DomainError, match=r"failsafe = 1\.0 must be 0 or more and below 1"):
        weight_delta_bounds(jlp(), 1.0)
    with pytest.raises(DomainError, match=r"grad_F\[0\] = nan is not a finite number"):
        holder_delta(**STATE, grad_F=[np.nan, 0])
    with pytest.raises(MarketDefinitionError, match="weight_failsafe"):
        weight_delta_bounds(jlp(), stated_parameters({"trade.base_bps": 6}))
    nameless = PoolState(custodies=jlp().custodies, supply=1.0)
    with pytest.raises(MarketDefinitionError, match="target weight of SOL is not known"):
        weight_delta_bounds(nameless, 0.2)
