"""Time-weighted rates against a second-by-second mean, and the prices they give."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.amm.oracle import twap_ln_rate, twap_price
from yieldtrade.errors import DomainError, MissingDataError
from yieldtrade.tokens.pricing import pt_price, yt_price


@st.composite
def observations(draw):
    """Changes of the rate at whole seconds, from 0 on."""
    gaps = draw(st.lists(st.integers(1, 60), min_size=1, max_size=12))
    times = [0, *np.cumsum(gaps).tolist()]
    return times, draw(st.lists(st.floats(0.0, 1.0), min_size=len(times), max_size=len(times)))


@given(observations(), st.integers(1, 200), st.integers(0, 100))
def test_means_agree_with_counting_seconds(seen, window, later):
    """Each value holds until the next: the mean is that of the value at every second."""
    times, rates = seen
    now = max(times[-1], window) + later
    at_each_second = [
        rates[max(i for i, time in enumerate(times) if time <= second)] for second in range(now - window, now)
    ]
    mean = twap_ln_rate(times, rates, now=now, window_seconds=window)
    assert mean == pytest.approx(math.fsum(at_each_second) / window, rel=1e-9, abs=1e-12)


def test_many_windows_at_once():
    """An array of moments gives an array of means."""
    means = twap_ln_rate([0, 100], [0.1, 0.2], now=[100, 150, 200], window_seconds=100)
    np.testing.assert_allclose(means, [0.1, 0.15, 0.2], rtol=1e-14)


def test_unix_seconds_keep_their_digits():
    """Large clock readings do not blur a short window."""
    start = 1_700_000_000
    mean = twap_ln_rate([start, start + 300], [0.1, 0.2], now=start + 900, window_seconds=900)
    assert mean == pytest.approx((300 * 0.1 + 600 * 0.2) / 900, rel=1e-14)


def test_a_window_before_the_first_observation_is_missing_data():
    """What was not observed is not guessed."""
    assert twap_ln_rate([1000], [0.1], now=1900, window_seconds=900) == pytest.approx(0.1)
    with pytest.raises(MissingDataError, match="first observation"):
        twap_ln_rate([1000], [0.1], now=1899, window_seconds=900)


@pytest.mark.parametrize(
    ("times", "rates", "now", "window"),
    [
        ([], [], 10, 1),
        ([0, 1], [0.1], 10, 1),
        ([1, 0], [0.1, 0.2], 10, 1),
        ([0, 0], [0.1, 0.2], 10, 1),
        ([0, 1], [0.1, math.nan], 10, 1),
        ([0], [0.1], 10, 0),
        ([0], [0.1], math.nan, 1),
    ],
)
def test_observations_that_make_no_series_are_refused(times, rates, now, window):
    """Empty, unordered or unreadable observations and windows of no length are refused."""
    with pytest.raises(DomainError):
        twap_ln_rate(times, rates, now=now, window_seconds=window)


def test_prices_at_a_mean_rate():
    """PT is exp(-lambda*T) and YT the rest; from maturity on PT is 1 and YT is 0."""
    assert twap_price("PT", math.log(1.1), 0.5) == pytest.approx(pt_price(0.1, 0.5), rel=1e-15)
    assert twap_price("YT", math.log(1.1), 0.5) == pytest.approx(yt_price(0.1, 0.5), rel=1e-15)
    for tau in (0.0, -0.1):
        assert twap_price("PT", 0.1, tau) == 1.0
        assert twap_price("YT", 0.1, tau) == 0.0
    np.testing.assert_allclose(
        twap_price("PT", 0.1, [-1.0, 0.0, 1.0]), [1.0, 1.0, math.exp(-0.1)], rtol=1e-15
    )
    with pytest.raises(DomainError, match="token"):
        twap_price("ST", 0.1, 0.5)
