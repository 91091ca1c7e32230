"""Scores of past flags: errors that allow for clusters, independent outcomes, calibration."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.regression.linear_model import OLS

from yieldtrade.strategies.backtest import Result
from yieldtrade.strategies.outcome import Realised, Unobserved
from yieldtrade.strategies.track_record import (
    brier,
    clustered_error,
    disjoint,
    reliability,
    scores,
    widest_error,
)

START = datetime(2026, 3, 2, tzinfo=UTC)


def result(contract, week, promised, realised, p_loss, *, status="accepted", strategy="loop", tested=True):
    """A flag made by hand, held for ten days."""
    row = SimpleNamespace(
        market=contract,
        strategy=strategy,
        side="",
        status=status,
        capital_usd=100.0,
        figures={"pnl_at_means_usd": 100 * promised, "pnl_sd_usd": 2.0},
        flags=(),
    )
    origin = START + timedelta(days=7 * week)
    flag = SimpleNamespace(
        row=row,
        origin=origin,
        ends_at=origin + timedelta(days=10),
        promised=promised,
        p_loss=p_loss,
        exposed=("borrow_apy",) if tested else (),
    )
    if realised is None:
        return Result(flag, Unobserved("no exit quote", "never seen"))
    seen = (SimpleNamespace(by_definition=False),) if tested else ()
    return Result(flag, Realised(None, seen, 100 * realised, 100 * realised, "checked"))


RESULTS = [
    result("A", 0, 0.02, 0.03, 0.10),
    result("A", 1, 0.02, -0.03, 0.10),
    result("B", 0, 0.01, 0.01, 0.30),
    result("B", 2, 0.01, -0.02, 0.60),
    result("C", 2, 0.05, None, 0.01),
    result("C", 2, 0.04, 0.04, 0.0, strategy="fixed", tested=False),
    result("A", 2, -0.01, -0.02, 0.9, status="rejected"),
]


def test_the_scores_by_hand():
    """Counts, means, hits and losses of a record small enough to count on fingers."""
    by_name = {(score.standing, score.strategy): score for score in scores(RESULTS)}
    loop = by_name["accepted", "loop"]
    assert (loop.flags, loop.realised, loop.by_terms, loop.contracts, loop.moments) == (5, 4, 0, 2, 3)
    assert loop.hit_rate.value == loop.lost == 0.5
    assert loop.promised.value == pytest.approx(0.015)
    assert loop.returned.value == pytest.approx(-0.0025)
    assert loop.shortfall.value == pytest.approx(-0.0175)
    assert loop.p_loss == pytest.approx(0.275)
    assert loop.holding_days == 10.0
    # ten days from week 0 run into week 1 but not into week 2
    assert (loop.independent_most, loop.independent_least) == (3, 2)
    # standard deviation 2 on 100: quantiles of +1, -5, 0 and -3 are 0.69, 0.006, 0.5 and 0.067
    assert (loop.below_tail, loop.inside_half, loop.quantiles) == (0.25, 0.5, 4)
    assert by_name["accepted", "all"].flags == 5
    fixed = by_name["accepted", "fixed"]
    assert (fixed.tested, fixed.realised, fixed.by_terms) == (False, 0, 1)
    assert by_name["rejected", "loop"].lost == 1.0


def test_errors_by_contract_and_by_moment_the_larger_counts():
    """The error of the hit rate is that of the clustering under which it is larger."""
    loop = next(score for score in scores(RESULTS) if score.strategy == "loop")
    hits = [1.0, 0.0, 1.0, 0.0]
    by_contract = clustered_error(hits, ["A", "A", "B", "B"])
    by_moment = clustered_error(hits, [0, 1, 0, 2])
    assert by_contract == 0.0
    # moments 0, 1, 2: sums 1, -1/2, -1/2; sqrt(3/2 * 3/2)/4
    assert by_moment == pytest.approx(1.5 / 4)
    assert (loop.hit_rate.error, loop.hit_rate.cluster) == (by_moment, "moment")


@given(st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 4)), min_size=3, max_size=30))
def test_clustered_errors_are_those_of_statsmodels(pairs):
    """The regression on a constant with clustered covariance has the same standard error."""
    values, labels = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    error = clustered_error(list(values), list(labels))
    if len(set(labels)) < 2:
        assert error is None
        return
    fit = OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": labels})
    assert error == pytest.approx(math.sqrt(fit.cov_params()[0, 0]), rel=1e-9, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), max_size=8))
def test_disjoint_holdings_by_trying_every_choice(pairs):
    """The count is the largest set of holdings of which no two overlap."""
    holdings = [(START + timedelta(days=a), START + timedelta(days=a + length)) for a, length in pairs]
    best = 0
    for size in range(len(holdings) + 1):
        for chosen in combinations(sorted(holdings), size):
            if all(first[1] <= second[0] for first, second in pairwise(chosen)):
                best = max(best, size)
    assert disjoint(holdings) == best


def test_brier_against_the_base_rate_by_hand():
    """Two of four lost: promising one half each time scores a quarter."""
    found = brier([0.0, 1.0, 0.5, 0.5], [0.0, 1.0, 1.0, 0.0])
    assert (found.score, found.base, found.skill) == (0.125, 0.25, 0.5)
    assert brier([0.1, 0.1], [0.0, 0.0]).skill is None


def test_bins_hold_every_probability_once():
    """Both ends of the range belong to a bin, an inner edge to the bin above it."""
    promised, lost = [0.0, 0.05, 0.049, 0.5, 1.0], [0.0, 1.0, 0.0, 1.0, 1.0]
    found = reliability(promised, lost, list("ABABC"))
    assert [(b.low, b.high, b.flags, b.contracts) for b in found] == [
        (0.0, 0.05, 2, 1),
        (0.05, 0.2, 1, 1),
        (0.5, 0.8, 1, 1),
        (0.8, 1.0, 1, 1),
    ]
    assert (found[0].promised, found[0].lost) == (pytest.approx(0.0245), 0.0)


def test_how_well_a_share_can_be_known():
    """A hundred independent outcomes know a share near one half to 9.8 points, one knows nothing."""
    assert widest_error(100) == pytest.approx(0.098)
    assert widest_error(1) == pytest.approx(0.98)
