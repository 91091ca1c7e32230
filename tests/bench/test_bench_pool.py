"""The simulator's steps on many positions, beside the same in a plain loop: trader-steps a second."""

from __future__ import annotations

import numpy as np
import pytest

from yieldtrade.pool.simulator import Positions, SimulatorParameters, SimulatorState, step

KAPPA, FEE, SHARE, MAINTENANCE = 0.02, 0.001, 0.75, 0.002
TERMS = SimulatorParameters(kappa=KAPPA, fee=FEE, pool_share=SHARE, maintenance=MAINTENANCE)
START, NOW = np.array([1.0, 150.0, 3_000.0]), np.array([1.0, 143.0, 3_090.0])


def pool(traders):
    """A pool of USD and two coins with so many leveraged positions."""
    rng = np.random.default_rng(3)
    asset = rng.integers(1, 3, traders)
    notional = rng.lognormal(7, 1, traders)
    positions = Positions(
        ids=np.arange(traders),
        asset=asset,
        side=rng.choice([-1.0, 1.0], traders, p=[0.3, 0.7]),
        size=notional / START[asset],
        collateral=notional / rng.uniform(2, 40, traders),
        entry=START[asset] * rng.uniform(0.97, 1.03, traders),
    )
    locked = positions.locked_by_asset(3, 0)
    return SimulatorState(
        prices=START, reserves=1.5 * locked + 1, shares=1_000.0, positions=positions, numeraire=0
    )


def vectorised(state):
    """Collateral left after liquidations, funding and fees."""
    return step(state, NOW, (), (), TERMS)[0].positions.collateral


def plain(state):
    """The same, position by position."""
    book = state.positions
    columns = (book.asset, book.side, book.size, book.collateral, book.entry)
    rows = [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)]
    live = [
        row
        for row in rows
        if row[3] + row[1] * row[2] * (NOW[row[0]] - row[4]) > MAINTENANCE * NOW[row[0]] * row[2]
    ]
    for market in (1, 2):
        sizes = {s: sum(row[2] for row in live if row[0] == market and row[1] == s) for s in (1.0, -1.0)}
        rate = KAPPA * (sizes[1.0] / sizes[-1.0] - NOW[market] / START[market])
        payer, pot = (1.0 if rate > 0 else -1.0), 0.0
        for row in live:
            if row[0] == market and row[1] == payer:
                paid = min(abs(rate) * NOW[market] * row[2], row[3])
                row[3] -= paid
                pot += paid
        for row in live:
            if row[0] == market and row[1] == -payer:
                row[3] += pot * row[2] / sizes[-payer]
    for row in live:
        row[3] -= min(FEE * row[2] * row[4], row[3])
    return np.array([row[3] for row in live])


@pytest.mark.benchmark(group="a step of 100,000 traders: at least 20x a plain loop")
@pytest.mark.parametrize("what", [vectorised, plain], ids=["ours", "loop"])
def test_a_step(benchmark, what):
    """Both leave the same collateral."""
    state = pool(100_000)
    found = benchmark.pedantic(what, args=(state,), rounds=5, warmup_rounds=1)
    assert found == pytest.approx(vectorised(state), rel=1e-9)


@pytest.mark.benchmark(group="a step of 1,000,000 traders")
def test_a_large_step(benchmark):
    """Trader-steps a second are a million over this time."""
    state = pool(1_000_000)
    assert benchmark.pedantic(vectorised, args=(state,), rounds=5, warmup_rounds=1).size > 100_000
