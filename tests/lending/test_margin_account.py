"""Weighted accounts: limits from weights, the size discount, and moves that exhaust them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DataError, DomainError
from yieldtrade.lending.leverage import leverage_cap
from yieldtrade.lending.margin_account import (
    AccountWeights,
    check_basket,
    discounted_weight,
    exhausting_moves,
)


def weights(**more):
    """Weights of JLP against coins owed."""
    values = {
        "initial_asset": 0.80,
        "initial_liability": 1.20,
        "maintenance_asset": 0.90,
        "maintenance_liability": 1.10,
    }
    return AccountWeights(**{**values, **more})


def test_weights_cap_leverage_at_three():
    """0.80 against 1.20 allows three times, and endless loops of borrowing two thirds add up to it."""
    limits = weights()
    assert leverage_cap(limits.max_ltv, 1.0, 1.0) == pytest.approx(3.0, rel=1e-12)
    assert sum(limits.max_ltv**n for n in range(200)) == pytest.approx(3.0, rel=1e-12)
    # debt of 0.9 at a weight of 1.1 uses up a collateral of 1.1 at a weight of 0.9
    assert limits.liquidation_ltv == pytest.approx(0.9 / 1.1, rel=1e-12)


def test_size_discount():
    """2,000 tokens at a factor of 0.003 count at most 0.969877, which leaves a weight of 0.80 as it is."""
    assert discounted_weight(1.0, 0.003, 2_000) == pytest.approx(0.969877, abs=1e-6)
    assert discounted_weight(0.80, 0.003, 2_000) == 0.80
    many = discounted_weight(0.8, 0.003, np.array([0.0, 1e6]))
    np.testing.assert_allclose(many, [0.8, 1.1 / 4.0], rtol=1e-12)


@given(
    st.floats(0.0, 0.8),
    st.dictionaries(st.sampled_from(["SOL", "BTC", "ETH"]), st.floats(0.0, 0.5)),
    st.dictionaries(st.sampled_from(["SOL", "BTC", "ETH"]), st.floats(0.05, 1.0)),
)
def test_moves_bring_the_account_exactly_to_its_limit(ltv, exposure, parts):
    """After the move alone, debt over collateral is at the limit; where none is named no move to -100 % does it."""
    total = sum(parts.values())
    basket = {coin: part / total for coin, part in parts.items()}
    moves = exhausting_moves(ltv=ltv, liquidation_ltv=0.82, exposure=exposure, basket=basket)
    assert set(moves) == {*exposure, *basket}
    for coin, move in moves.items():
        held, owed = exposure.get(coin, 0.0), basket.get(coin, 0.0)
        if move is not None:
            assert ltv * (1 + owed * move) == pytest.approx(0.82 * (1 + held * move), rel=1e-9, abs=1e-9)
            assert move >= -1
        else:
            lost = ltv * (1 - owed) - 0.82 * (1 - held)
            gone_up = ltv * owed - 0.82 * held
            assert lost <= 1e-12
            assert gone_up <= 1e-12


def test_parts_of_a_debt_are_the_whole_of_it():
    """Parts that do not add up to 1, or are not positive, are refused by name."""
    check_basket({"SOL": 0.5, "BTC": 0.5})
    with pytest.raises(DomainError, match=r"add up to 0\.9"):
        check_basket({"SOL": 0.5, "BTC": 0.4})
    with pytest.raises(DomainError, match="part of BTC"):
        check_basket({"SOL": 1.0, "BTC": 0.0})


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"initial_asset": 0.0}, DomainError, "asset_weight = 0.0 must lie in"),
        ({"maintenance_asset": 1.2}, DomainError, "asset_weight = 1.2 must lie in"),
        ({"maintenance_liability": 0.9}, DomainError, "liability_weight = 0.9 must be 1 or more"),
        ({"maintenance_asset": 0.7}, DataError, "leave no room"),
    ],
)
def test_weights_outside_their_range_are_refused(more, error, message):
    """Each refusal names the value and what is allowed."""
    with pytest.raises(error, match=message):
        weights(**more)
