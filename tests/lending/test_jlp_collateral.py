"""JLP as collateral: premium, size weights, and the coin moves that exhaust an account."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.lending.jlp_collateral import (
    WeightedAccount,
    asset_weight,
    coin_move_to_liquidation,
    liability_weight,
    premium_leverage_cap,
    tick_ratio,
    weights_leverage_cap,
)
from yieldtrade.lending.leverage import leverage_cap
from yieldtrade.pool.safety import is_safe, principal_shortfall, safety_buffer

CASES = json.loads((Path(__file__).parents[1] / "golden" / "morpho_aave_drift.json").read_text())["cases"]


def of_kind(kind):
    """Cases of one kind, each named."""
    return [pytest.param(case["in"], case["expect"], id=case["id"]) for case in CASES if case["kind"] == kind]


@pytest.mark.parametrize(("given_", "expected"), of_kind("drift_asset_weight"))
def test_size_discount_is_the_venues_within_one_unit(given_, expected):
    """The float weight of a deposit lies within one unit of the venue's four decimals."""
    weight = asset_weight(given_["weight"] / 1e4, given_["imf"] / 1e6, given_["size_tokens"], 1.1)
    assert weight * 1e4 == pytest.approx(expected["weight"], abs=1)


@pytest.mark.parametrize(("given_", "expected"), of_kind("drift_liability_weight"))
def test_size_premium_is_the_venues_within_one_unit(given_, expected):
    """The float weight of a debt lies within one unit of the venue's four decimals."""
    weight = liability_weight(given_["weight"] / 1e4, given_["imf"] / 1e6, given_["size_tokens"])
    assert weight * 1e4 == pytest.approx(expected["weight"], abs=1)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [case for case in of_kind("jupiter_lend_tick") if case.values[0]["tick"] >= -2_000],
)
def test_ticks_are_the_venues_ratios(given_, expected):
    """A tick is a power of 1.0015; the venue keeps it in 2^-48, too coarse far below 0."""
    ratio = tick_ratio(given_["tick"], 1.0015)
    assert ratio * 2**48 == pytest.approx(int(expected["ratio_x48"]), rel=1e-9)


def test_worked_example_of_the_premium():
    """At 3 % premium and 84 % loan to value the cap is 5.42, not 6.25."""
    assert premium_leverage_cap(0.84, 0.03) == pytest.approx(5.421053, abs=1e-6)
    assert premium_leverage_cap(0.84, 0.0) == pytest.approx(6.25)


@given(st.floats(0.01, 0.95), st.floats(-0.04, 0.5), st.floats(0, 0.1))
def test_a_higher_premium_allows_less(max_ltv, premium, more):
    """Paying more for what counts the same lowers the cap, and at the cap the lender counts its largest loan."""
    cap = premium_leverage_cap(max_ltv, premium)
    assert premium_leverage_cap(max_ltv, premium + more) <= cap
    if math.isfinite(cap) and cap < 1e6:
        assert (cap - 1) / (cap / (1 + premium)) == pytest.approx(max_ltv, rel=1e-9)


def test_weights_of_80_and_120_percent_allow_three_times():
    """The ceiling of a loop in coins at weights 0.8 and 1.2 is 3."""
    assert weights_leverage_cap(0.8, 1.2) == pytest.approx(3.0)


@given(st.floats(0.01, 1), st.floats(1, 2), st.floats(0, 0.1), st.floats(0, 1e6), st.floats(0, 1e6))
def test_size_never_helps(weight, heavy, imf, size, more):
    """A larger deposit weighs no more, a larger debt no less, and both at most as a small one does."""
    assert asset_weight(weight, imf, size + more, 1.1) <= asset_weight(weight, imf, size, 1.1) <= weight
    assert liability_weight(heavy, imf, size + more) >= liability_weight(heavy, imf, size) >= heavy


def test_leverage_of_weights_is_that_of_their_ratio():
    """Weights are a loan to value of their ratio."""
    assert weights_leverage_cap(0.9, 1.1) == pytest.approx(leverage_cap(0.9 / 1.1, 1.0, 1.0))


ACCOUNT = WeightedAccount(
    collateral_usd=1_000.0,
    asset_weight=0.9,
    debts_usd={"SOL": 300.0, "ETH": 100.0},
    liability_weights={"SOL": 1.1, "ETH": 1.1},
    exposure_shares={"SOL": 0.30, "ETH": 0.12, "BTC": 0.10},
)


def moved(account, coin, move):
    """Weighted collateral less weighted debt after one coin moved, recomputed from the holdings."""
    share = account.exposure_shares.get(coin, 0.0)
    collateral = account.collateral_usd * (1 + share * move) * account.asset_weight
    debts = (
        debt * (1 + (move if name == coin else 0)) * account.liability_weights[name]
        for name, debt in account.debts_usd.items()
    )
    return collateral - sum(debts)


@pytest.mark.parametrize(("coin", "up"), [("SOL", True), ("ETH", True), ("BTC", None)])
def test_a_coin_that_moves_by_its_distance_exhausts_the_account(coin, up):
    """Owed more than held, a rise liquidates; held alone, no fall of one coin is enough here."""
    move = coin_move_to_liquidation(ACCOUNT, coin)
    if up is None:
        assert move is None
        assert moved(ACCOUNT, coin, -1.0) > 0
    else:
        assert move > 0
        assert moved(ACCOUNT, coin, move) == pytest.approx(0.0, abs=1e-9)


def test_an_exposed_coin_liquidates_by_falling():
    """Debt in one coin against JLP full of another: the fall of the other exhausts it."""
    account = WeightedAccount(
        collateral_usd=1_000.0,
        asset_weight=0.9,
        debts_usd={"ETH": 700.0},
        liability_weights={"ETH": 1.1},
        exposure_shares={"SOL": 0.5},
    )
    move = coin_move_to_liquidation(account, "SOL")
    assert -1 < move < 0
    assert moved(account, "SOL", move) == pytest.approx(0.0, abs=1e-9)


def test_health_is_the_fall_of_jlp_that_is_left():
    """Health is the free part of the weighted collateral, and JLP may fall by just that."""
    assert ACCOUNT.health == pytest.approx(1 - 440 / 900)
    fallen = ACCOUNT.collateral_usd * (1 - ACCOUNT.fall_to_liquidation) * ACCOUNT.asset_weight
    assert fallen == pytest.approx(ACCOUNT.weighted_debt)


def test_a_matched_coin_never_liquidates():
    """Weighted debt equal to weighted exposure moves with it: no move of that coin matters."""
    account = WeightedAccount(
        collateral_usd=1_000.0,
        asset_weight=0.5,
        debts_usd={"SOL": 100.0},
        liability_weights={"SOL": 1.25},
        exposure_shares={"SOL": 0.25},
    )
    assert coin_move_to_liquidation(account, "SOL") is None


def test_worked_examples_of_the_buffers():
    """Limits of 95, 86 and 96 % with their fees leave the buffers written down; the last fails at 2.5416 %."""
    assert safety_buffer([0.95, 0.86, 0.96], [0.02, 0.06, 0.02]).tolist() == pytest.approx(
        [0.0310, 0.0884, 0.0208]
    )
    assert not is_safe(0.96, 0.02, 0.025416)
    assert principal_shortfall(0.98, 0.03) == pytest.approx(0.01)


def _account(**change):
    figures = {
        "collateral_usd": 1.0,
        "asset_weight": 0.9,
        "debts_usd": {"SOL": 0.5},
        "liability_weights": {"SOL": 1.1},
    }
    return WeightedAccount(**{**figures, **change})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: premium_leverage_cap(0.8, -1.0), "premium"),
        (lambda: premium_leverage_cap(1.0, 0.0), "max_ltv"),
        (lambda: asset_weight(0.8, -0.1, 1, 1.1), "imf"),
        (lambda: asset_weight(0.8, 0.1, -1, 1.1), "size"),
        (lambda: liability_weight(0, 0.1, 1), "weight"),
        (lambda: weights_leverage_cap(1.2, 1.2), "below the liability weight"),
        (lambda: tick_ratio(0.5, 1.0015), "tick"),
        (lambda: tick_ratio(1, 1.0), "base"),
        (lambda: _account(collateral_usd=0.0), "collateral_usd"),
        (lambda: _account(debts_usd={"SOL": -1.0}), "debt of SOL"),
        (lambda: _account(liability_weights={}), "liability_weights has no SOL"),
        (lambda: _account(liability_weights={"SOL": 0.0}), "liability weight of SOL"),
        (lambda: _account(exposure_shares={"SOL": math.inf}), "exposure share of SOL"),
        (lambda: coin_move_to_liquidation(_account(), "DOGE"), "the account knows SOL"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    """Free tokens, negative sizes, missing weights and unknown coins are refused by name."""
    with pytest.raises(DomainError, match=message):
        call()
