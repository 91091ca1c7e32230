"""A book of loans over many price paths, beside the same stepped through loan by loan."""

from __future__ import annotations

import numpy as np
import pytest

from yieldtrade.pool.loan_book import LoanBook, simulate_loan_book
from yieldtrade.pool.parameters import LoanParameters

TERMS = LoanParameters(max_ltv=0.90, liquidation_ltv=0.95, liquidation_fee=0.02)
LOANS, STEPS, RATE, DT, DELAY = 1_000, 250, 0.08, 1 / 365, 1
GROUP = "200 paths of 250 steps, 1,000 loans: at least 100x stepping through"


@pytest.fixture(scope="module")
def book():
    """A thousand loans between 40 and 89 % of a share price of 4."""
    rng = np.random.default_rng(7)
    shares = rng.lognormal(7, 1, LOANS)
    return LoanBook(collateral_jlp=shares, debt_usdc=4 * shares * rng.uniform(0.4, 0.89, LOANS))


def paths(count):
    """Prices that start at 4 and move 1.7 % a day."""
    rng = np.random.default_rng(8)
    steps = rng.normal(0, 0.017, (count, STEPS))
    steps[:, 0] = 0
    return 4 * np.exp(np.cumsum(steps, axis=1))


def stepped(book, prices):
    """Bad debt of each path, one loan and one step at a time in arrays of loans."""
    bad = np.zeros(len(prices))
    for path, series in enumerate(prices):
        index = np.exp(RATE * DT * np.arange(STEPS))
        due = np.full(LOANS, STEPS)
        for step in range(STEPS):
            past = book.debt_usdc * index[step] > TERMS.liquidation_ltv * book.collateral_jlp * series[step]
            due = np.where(past & (due == STEPS), step + DELAY, due)
        for loan in np.flatnonzero(due < STEPS):
            at = due[loan]
            bad[path] += max(0.0, book.debt_usdc[loan] * index[at] - book.collateral_jlp[loan] * series[at])
    return bad


def simulated(book, prices):
    """The same by the package."""
    found = simulate_loan_book(book, prices, TERMS, borrow_rate=RATE, dt_years=DT, delay_steps=DELAY)
    return found.bad_debt_usd


@pytest.mark.benchmark(group=GROUP)
@pytest.mark.parametrize("what", [simulated, stepped], ids=["ours", "stepping"])
def test_few_paths(benchmark, book, what):
    """Both find the same bad debt."""
    prices = paths(200)
    found = benchmark.pedantic(what, args=(book, prices), rounds=2)
    assert found == pytest.approx(simulated(book, prices), rel=1e-9, abs=1e-6)


@pytest.mark.benchmark(group="10,000 paths of 250 steps, 1,000 loans")
def test_many_paths(benchmark, book):
    """Two and a half billion loan-steps."""
    prices = paths(10_000)
    found = benchmark.pedantic(simulated, args=(book, prices), rounds=3)
    assert found.shape == (10_000,)
