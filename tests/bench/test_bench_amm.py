"""Sized quotes on the logit curve: all at once, one by one, and through the contract's big integers."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from yieldtrade.amm.logit import LogitAmm, RawMarket
from yieldtrade.amm.logit_fixed import MarketState, execute_trade, swap_exact_yt_for_sy

SIZES = 100_000
ONE = 10**18
EXPIRY = 1_800_000_000
NOW = EXPIRY - 15_552_000

STATE = MarketState(
    total_pt=1000 * ONE,
    total_sy=1000 * ONE,
    total_lp=1000 * ONE,
    scalar_root=50 * ONE,
    expiry=EXPIRY,
    ln_fee_root=3 * 10**15,
    reserve_fee_percent=80,
    last_ln_rate=95310179804324864,
)


@pytest.fixture(scope="module")
def amm():
    """A pool of 1,000 PT and 1,000 SY at 10 %, half a year out."""
    raw = RawMarket(state=STATE, index=ONE, decimals=18)
    return LogitAmm.from_raw(raw, datetime.fromtimestamp(NOW, UTC))


@pytest.fixture(scope="module")
def sizes():
    """A hundred thousand sizes up to 70 % of the reserve."""
    return np.random.default_rng(1).uniform(1e-3, 700.0, SIZES)


def one_by_one(amm, side, sizes):
    """Quote each size on its own."""
    return [amm.quote(side, size).st_amount for size in sizes.tolist()]


def in_integers(side, sizes):
    """Trade each size with the contract's arithmetic."""
    raw = [int(size * ONE) for size in sizes.tolist()]
    if side == "BUY_PT":
        return [-execute_trade(STATE, ONE, NOW, size).net_sy / ONE for size in raw]
    return [swap_exact_yt_for_sy(STATE, ONE, NOW, size).sy / ONE for size in raw]


@pytest.mark.benchmark(group="sized quotes, 1e5 at once at least 100x one by one")
@pytest.mark.parametrize("side", ["BUY_PT", "SELL_YT"])
@pytest.mark.parametrize("way", ["at once", "one by one", "big integers"])
def test_sized_quotes(benchmark, amm, sizes, side, way):
    """The three ways give the same amounts; only their time differs."""
    if way == "at once":
        amounts = benchmark(lambda: amm.quote(side, sizes).st_amount)
    elif way == "one by one":
        amounts = benchmark.pedantic(one_by_one, (amm, side, sizes), rounds=1)
    else:
        amounts = benchmark.pedantic(in_integers, (side, sizes), rounds=1)
    np.testing.assert_allclose(amounts, amm.quote(side, sizes).st_amount, rtol=1e-11)


@pytest.mark.benchmark(group="inverses, 1e4 at once against one by one")
@pytest.mark.parametrize("way", ["at once", "one by one"])
def test_targets(benchmark, amm, way):
    """Sizes that move the yield to 10,000 targets on both sides of it."""
    targets = np.random.default_rng(2).uniform(0.07, 0.14, 10_000)

    def each():
        """Solve every target on its own."""
        return [amm.size_for_yield(target).units for target in targets.tolist()]

    if way == "at once":
        units = benchmark(lambda: amm.size_for_yield(targets).units)
    else:
        units = benchmark.pedantic(each, rounds=1)
    np.testing.assert_allclose(units, amm.size_for_yield(targets).units, rtol=1e-9)
