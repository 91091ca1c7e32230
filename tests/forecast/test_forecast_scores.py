"""Scores against their definitions and closed forms."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.regression.linear_model import OLS

from yieldtrade.forecast.scores import crps, inside, pinball, pit, sorted_quantiles, standard_error
from yieldtrade.forecast.scoring import conformal_scale

NUMBERS = st.floats(min_value=-100, max_value=100)
SAMPLES = arrays(float, st.integers(min_value=1, max_value=30), elements=NUMBERS)


@given(SAMPLES, NUMBERS)
@settings(max_examples=80)
def test_crps_is_distance_less_half_the_spread(samples, outcome):
    """The fast form equals E|X - y| - E|X - X'|/2 over all pairs."""
    expected = np.abs(samples - outcome).mean() - np.abs(samples[:, None] - samples[None, :]).mean() / 2
    assert float(crps(np.sort(samples), np.array(outcome))) == pytest.approx(expected, abs=1e-9)


def test_crps_of_a_normal():
    """A fine normal sample has the closed form y(2 Phi(y) - 1) + 2 phi(y) - 1/sqrt(pi)."""
    normal = NormalDist()
    samples = np.array([normal.inv_cdf((i + 0.5) / 20_000) for i in range(20_000)])
    for y in (-1.5, 0.0, 0.7):
        expected = y * (2 * normal.cdf(y) - 1) + 2 * normal.pdf(y) - 1 / math.sqrt(math.pi)
        assert float(crps(samples, np.array(y))) == pytest.approx(expected, abs=1e-4)


@given(SAMPLES, st.floats(min_value=0, max_value=1))
@settings(max_examples=60)
def test_quantiles_agree_with_numpy(samples, level):
    """Linear interpolation between order statistics, as numpy does it."""
    ours = sorted_quantiles(np.sort(samples), np.array([level]))
    assert ours == pytest.approx([np.quantile(samples, level)], abs=1e-9)


def test_pinball_charges_the_wrong_side():
    """At level 0.9 an outcome above costs nine times one as far below."""
    loss = pinball(np.array([[1.0], [1.0]]), np.array([2.0, 0.0]), (0.9,))
    assert loss == pytest.approx([0.9, 0.1])


def test_coverage_and_transform():
    """Of 101 even samples the central half runs from the 26th to the 76th, ends included."""
    samples = np.arange(101.0)[None, :]
    outcomes = [24.9, 25.0, 75.0, 75.1]
    assert [bool(inside(samples, np.array([y]), 0.5)[0]) for y in outcomes] == [False, True, True, False]
    assert float(pit(samples, np.array([50.0]))[0]) == pytest.approx(0.5)
    assert float(pit(samples, np.array([-1.0]))[0]) == 0.0


def test_conformal_factor_is_the_right_order_statistic():
    """Of 19 errors the 16th smallest: ceil(20 x 0.8); with fewer than twelve nothing is changed."""
    surprise = np.arange(1.0, 20.0)
    assert conformal_scale(np.random.default_rng(0).permutation(surprise)) == 16.0
    assert conformal_scale(np.concatenate([surprise, [np.nan]])) == 16.0
    assert conformal_scale(surprise[:11]) == 1.0


def test_conformal_factor_covers_what_comes():
    """The next of exchangeable errors falls within the factor at least 80 % of the time."""
    rng = np.random.default_rng(11)
    covered = [
        draws[-1] <= conformal_scale(draws[:-1]) for draws in np.abs(rng.standard_t(3, size=(4_000, 40)))
    ]
    assert 0.79 < np.mean(covered) < 0.84


@pytest.mark.parametrize("weeks", [1, 4, 8])
def test_the_error_of_a_mean_loss_is_that_of_the_corrected_test(weeks):
    """The Newey-West error of a constant in statsmodels, over the root of (n + 1 - 2h + h(h-1)/n)/n."""
    losses = np.convolve(np.random.default_rng(12).normal(size=60), np.ones(weeks), mode="valid")
    n = len(losses)
    plain = OLS(losses, np.ones(n)).fit(cov_type="HAC", cov_kwds={"maxlags": weeks - 1}).bse[0]
    factor = (n + 1 - 2 * weeks + weeks * (weeks - 1) / n) / n
    assert standard_error(losses, weeks - 1) == pytest.approx(plain / math.sqrt(factor), rel=1e-12)


def test_too_few_overlapping_losses_prove_nothing():
    """Eight forecasts of the eighth week overlap so far that their mean has no known error."""
    assert standard_error(np.arange(8.0), 7) == math.inf
