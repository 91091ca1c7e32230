"""The value objects of a pool refuse what no pool can be, and take arrays for scenarios."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from yieldtrade.errors import DomainError, MarketDefinitionError, UnknownNameError
from yieldtrade.pool.state import CustodyState, JlpLoan, PerpPosition, PoolState, checked_weights

SOL = {"asset": "SOL", "is_stable": False, "owned": 1_000, "price": 100}


def pool(**changed):
    """Build a pool of one asset."""
    given = {"custodies": [CustodyState(**SOL)], "supply": 10.0, **changed}
    return PoolState(**given)


def test_numbers_become_floats_and_arrays_stay_arrays():
    """One state stands for many scenarios where a field is an array."""
    custody = CustodyState(**{**SOL, "price": [90, 100, 110]})
    assert type(custody.owned) is float
    assert custody.price.tolist() == [90.0, 100.0, 110.0]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"owned": -1}, r"custody of SOL: owned = -1.0 must be 0 or more"),
        ({"price": 0}, r"custody of SOL: price = 0.0 must be above 0"),
        ({"price": float("nan")}, "price = nan is not a finite number"),
        ({"locked": float("inf")}, "locked = inf is not a finite number"),
        ({"owned": True}, "owned holds bool values"),
        ({"owned": "12"}, "owned holds .* values: numbers are required"),
        ({"short_sizes_usd": 5.0}, "short_avg_price = 0.0 with open shorts: their mean entry price must be"),
        ({"price": [90, -1, 3]}, r"price\[1\] = -1.0 must be above 0"),
    ],
)
def test_a_custody_that_cannot_be_is_refused(changed, message):
    """The message names the asset, the field, the value and what is allowed."""
    with pytest.raises(DomainError, match=message):
        CustodyState(**{**SOL, **changed})


def test_more_locked_than_owned_is_possible():
    """The program lets it happen; the AUM says what it means."""
    assert CustodyState(**SOL, locked=1_500).locked == 1_500


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"custodies": []}, DomainError, "a pool holds at least one asset"),
        ({"custodies": [CustodyState(**SOL)] * 2}, DomainError, "SOL, SOL: an asset is there twice"),
        ({"supply": -1}, DomainError, "supply = -1.0 must be 0 or more"),
        ({"aum_limit_usd": 0}, DomainError, "aum_limit_usd = 0.0 must be above 0"),
        ({"as_of": datetime(2026, 1, 1)}, DomainError, "has no time zone"),  # noqa: DTZ001
        ({"target_weights": {"SOL": 0.9}}, MarketDefinitionError, "sum to 0.9, not 1: SOL = 0.9"),
        (
            {"target_weights": {"SOL": 1.5, "USDC": -0.5}},
            MarketDefinitionError,
            "must be 0 or more: SOL = 1.5, USDC = -0.5",
        ),
    ],
)
def test_a_pool_that_cannot_be_is_refused(changed, error, message):
    """The message says which rule is broken and lists the values."""
    with pytest.raises(error, match=message):
        pool(**changed)


def test_a_missing_custody_and_a_missing_target_are_named():
    """Both say what there is or how to state it."""
    with pytest.raises(UnknownNameError, match=r"unknown asset of the pool 'SOLX'; nearest: SOL"):
        pool().custody("SOLX")
    with pytest.raises(MarketDefinitionError, match=r"state it as target_weights.SOL"):
        pool().target_weight("SOL")
    assert pool(target_weights={"SOL": 1.0}, as_of=datetime(2026, 1, 1, tzinfo=UTC)).target_weight("SOL") == 1


def test_weights_may_miss_one_by_rounding_and_hold_a_retired_asset():
    """1e-9 is tolerated; a weight of 0 is that of an asset being retired."""
    assert checked_weights({"SOL": 0.6, "USDC": 0.4 + 5e-10, "USDT": 0})["USDT"] == 0.0


def test_positions_and_loans_are_checked_too():
    """A side is long or short; sizes and collateral are amounts."""
    with pytest.raises(DomainError, match=r"side = 'up': allowed are 'long', 'short'"):
        PerpPosition(side="up", size_usd=1, collateral_usd=1, entry_price=1)
    with pytest.raises(DomainError, match=r"entry_price\[1\] = 0.0 must be above 0"):
        PerpPosition(side="long", size_usd=1, collateral_usd=1, entry_price=np.array([1.0, 0.0]))
    with pytest.raises(DomainError, match=r"debt_usdc = -1.0 must be 0 or more"):
        JlpLoan(collateral_jlp=1, debt_usdc=-1)
    assert PerpPosition(side="short", size_usd=1, collateral_usd=1, entry_price=1).direction == -1.0
