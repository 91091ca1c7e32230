"""Oracles: a plain walk through the samples, paths built from known episodes, hand figures of pool.md 12."""

import math
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError, MissingDataError
from yieldtrade.pool.bands import BandEpisode, band_episodes, episode_statistics, observed_seconds

START = datetime(2025, 1, 1, tzinfo=UTC)
STEP = 300


def rational(number):
    """Return the decimal a number is written as, as a fraction."""
    return Fraction(repr(float(number)))


def walk(weights, target, seconds, *, band, mode, max_gap):
    """Find episodes sample by sample, with deviations as fractions: (start, end, side, size, peak, known, known)."""
    size = []
    for weight in weights:
        gap = rational(weight) - rational(target)
        size.append(gap if mode == "absolute" else gap / rational(target))
    found, current = [], None
    for i, second in enumerate(seconds):
        out = abs(size[i]) > rational(band)
        cut = i > 0 and max_gap is not None and second - seconds[i - 1] > max_gap
        if current and (cut or not out):
            found.append((*current, seconds[i - 1] if cut else second, not cut))
            current = None
        if out:
            if current is None:
                known = i > 0 and not cut
                current = [second, known, set(), Fraction(0), second]
            current[2].add("over" if size[i] > 0 else "under")
            if abs(size[i]) > current[3]:
                current[3:] = [abs(size[i]), second]
    if current:
        found.append((*current, seconds[-1], False))
    return found


@given(
    data=st.lists(
        st.tuples(
            st.sampled_from([0.25, 0.29, 0.299, 0.3, 0.31, 0.32, 0.34, 0.341, 0.36, 0.4]),
            st.sampled_from([60, 300, 300, 300, 900, 3600]),
        ),
        min_size=1,
        max_size=40,
    ),
    band=st.sampled_from([0.0, 0.01, 0.02, 0.0625]),
    mode=st.sampled_from(["absolute", "relative"]),
    max_gap=st.sampled_from([None, 300, 900]),
)
def test_episodes_against_a_plain_walk(data, band, mode, max_gap):
    """Starts, ends, sides, peaks and censoring are those of a walk in fractions, also on the band's edge."""
    weights = [weight for weight, _ in data]
    seconds = np.cumsum([step for _, step in data]).tolist()
    found = band_episodes(weights, 0.32, seconds, band, mode, max_gap)
    expected = walk(weights, 0.32, seconds, band=band, mode=mode, max_gap=max_gap)
    assert len(found) == len(expected)
    for episode, (start, start_known, sides, size, peak, end, end_known) in zip(found, expected, strict=True):
        assert (episode.start, episode.end, episode.max_at) == (start, end, peak)
        assert (episode.start_known, episode.end_known) == (start_known, end_known)
        assert episode.censored is not (start_known and end_known)
        assert episode.side == ("both" if len(sides) == 2 else sides.pop())
        assert episode.duration_seconds == end - start
        assert episode.peak_to_band_seconds == end - peak
        assert episode.max_deviation == pytest.approx(float(size), abs=1e-15)


@given(
    lengths=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=12),
    seed=st.integers(0, 99),
)
def test_episodes_put_into_a_path_are_found(lengths, seed):
    """A path built from stretches in and out of the band gives back the stretches, their peaks and their time."""
    random = np.random.default_rng(seed)
    weights, starts, ends, peaks = [], [], [], []
    for inside, outside in lengths:
        weights += random.uniform(0.301, 0.339, inside).tolist()
        starts.append(len(weights))
        out = 0.32 + random.choice([-1, 1]) * random.uniform(0.021, 0.2, outside)
        peaks.append(len(weights) + int(np.abs(out - 0.32).argmax()))
        weights += out.tolist()
        ends.append(len(weights))
    weights.append(0.32)
    times = STEP * np.arange(len(weights))
    found = band_episodes(weights, 0.32, times)
    assert [episode.start / STEP for episode in found] == starts
    assert [episode.end / STEP for episode in found] == ends
    assert [episode.max_at / STEP for episode in found] == peaks
    assert not any(episode.censored for episode in found)
    time_out = STEP * sum(outside for _, outside in lengths)
    assert sum(episode.duration_seconds for episode in found) == time_out
    statistics = episode_statistics(found, observed_seconds=observed_seconds(times))
    assert statistics.count == len(lengths)
    assert statistics.share_of_time_out == pytest.approx(time_out / (STEP * (len(weights) - 1)))


@given(
    weights=st.lists(st.floats(0, 1), min_size=2, max_size=60),
    steps=st.lists(st.integers(1, 1000), min_size=60, max_size=60),
    max_gap=st.one_of(st.none(), st.integers(1, 1000)),
)
def test_durations_sum_to_the_time_out_of_band(weights, steps, max_gap):
    """Episodes together last as long as samples out of band hold, gaps apart, with censored ones as observed."""
    times = np.cumsum(steps[: len(weights)])
    found = band_episodes(weights, 0.5, times, 0.1, max_gap=max_gap)
    held = np.diff(times)
    counted = held <= (max_gap or 10**9)
    out = np.array([abs(rational(weight) - Fraction(1, 2)) > Fraction(1, 10) for weight in weights[:-1]])
    assert sum(episode.duration_seconds for episode in found) == held[out & counted].sum()
    assert observed_seconds(times, max_gap) == held[counted].sum()


def test_an_episode_by_hand():
    """Out at 00:10 by 3 points, peak of 5 at 00:20, back inside at 00:30: 20 minutes, 10 of them from the peak."""
    weights = [0.32, 0.33, 0.29, 0.28, 0.27, 0.28, 0.31]
    times = [START + timedelta(minutes=5 * i) for i in range(7)]
    (episode,) = band_episodes(weights, 0.32, times)
    assert episode == BandEpisode(
        start=times[2],
        end=times[6],
        side="under",
        duration_seconds=1200.0,
        max_deviation=pytest.approx(0.05, abs=1e-15),
        max_at=times[4],
        peak_to_band_seconds=600.0,
        start_known=True,
        end_known=True,
    )
    assert not episode.censored


def test_a_moving_target_and_the_two_readings_of_deviation():
    """Deviations are from the target of the moment: in points, or relative to it."""
    weights, target = [0.10, 0.10, 0.10, 0.10], [0.10, 0.08, 0.07, 0.11]
    (points,) = band_episodes(weights, target, [0, 1, 2, 3], band=0.025)
    assert (points.start, points.end) == (2.0, 3.0)
    assert points.max_deviation == pytest.approx(0.03)
    (relative,) = band_episodes(weights, target, [0, 1, 2, 3], band=0.2, mode="relative")
    assert (relative.start, relative.end) == (1.0, 3.0)
    # 0.10/0.07 - 1
    assert relative.max_deviation == pytest.approx(3 / 7)


def test_a_deviation_of_just_the_band_is_inside():
    """0.34 and 0.30 are within 0.02 of 0.32 although their doubles are not; a hair more is out."""
    assert 0.34 - 0.32 > 0.02
    assert band_episodes([0.34, 0.30, 0.32], 0.32, [0, 1, 2]) == ()
    assert len(band_episodes([0.32, 0.3400000000001, 0.32], 0.32, [0, 1, 2])) == 1
    # 20 % of 0.26 is 0.052: the published failsafe band of 20.8 to 31.2 %
    assert band_episodes([0.208, 0.312], 0.26, [0, 1], band=0.2, mode="relative") == ()
    assert len(band_episodes([0.26, 0.3121, 0.26], 0.26, [0, 1, 2], band=0.2, mode="relative")) == 1


def test_a_target_of_nothing():
    """A target of 0 has deviations in points and none relative to it."""
    (episode,) = band_episodes([0.0, 0.05, 0.0], 0.0, [0, 1, 2])
    assert episode.side == "over"
    with pytest.raises(DomainError, match=r"target\[1\] = 0\.0 has no relative deviation"):
        band_episodes([0.0, 0.05, 0.0], [0.1, 0.0, 0.1], [0, 1, 2], mode="relative")
    with pytest.raises(DomainError, match=r"target = 0\.0 has no relative deviation"):
        band_episodes([0.0, 0.05, 0.0], 0.0, [0, 1, 2], mode="relative")


def test_crossing_the_band_between_two_samples_is_one_episode():
    """An episode ends with a sample inside; a jump from above to below the band is none."""
    (episode,) = band_episodes([0.32, 0.40, 0.25, 0.32], 0.32, [0, 1, 2, 3])
    assert (episode.side, episode.duration_seconds) == ("both", 2.0)


def test_the_ends_of_the_data_censor():
    """Episodes open at the first or last sample are censored; what was seen of them is kept."""
    first, last = band_episodes([0.4, 0.4, 0.32, 0.2, 0.2], 0.32, [0, 10, 20, 30, 40])
    assert (first.start_known, first.end_known, first.duration_seconds) == (False, True, 20.0)
    assert (last.start_known, last.end_known, last.duration_seconds) == (True, False, 10.0)
    assert (last.end, last.side) == (40.0, "under")
    (whole,) = band_episodes([0.4, 0.4], 0.32, [0, 10])
    assert (whole.start_known, whole.end_known) == (False, False)
    (instant,) = band_episodes([0.4], 0.32, [7])
    assert (instant.start, instant.end, instant.duration_seconds, instant.censored) == (7.0, 7.0, 0.0, True)


def test_a_gap_cuts_an_episode():
    """A gap ends one censored episode and begins another; a step of just the gap does not."""
    weights, times = [0.32, 0.4, 0.4, 0.4, 0.32], [0, 300, 600, 1500, 1800]
    before, after = band_episodes(weights, 0.32, times, max_gap=timedelta(minutes=14))
    assert (before.start, before.end, before.end_known) == (300.0, 600.0, False)
    assert (after.start, after.end, after.start_known) == (1500.0, 1800.0, False)
    assert observed_seconds(times, 840) == 900.0
    (whole,) = band_episodes(weights, 0.32, times, max_gap=900)
    assert (whole.duration_seconds, whole.censored) == (1500.0, False)
    assert observed_seconds(times, 900) == observed_seconds(times) == 1800.0


def test_a_return_or_a_start_within_a_gap_is_not_known():
    """Out before and inside after a gap, or the reverse: the moment of change was not seen."""
    (left,) = band_episodes([0.32, 0.4, 0.32], 0.32, [0, 300, 9000], max_gap=600)
    assert (left.end, left.end_known, left.duration_seconds) == (300.0, False, 0.0)
    (entered,) = band_episodes([0.32, 0.4, 0.32], 0.32, [0, 9000, 9300], max_gap=600)
    assert (entered.start, entered.start_known, entered.end_known) == (9000.0, False, True)


def test_kinds_of_time_give_the_same_episodes():
    """Moments come back as they were given: aware datetimes in UTC, datetime64, or seconds."""
    weights = [0.32, 0.4, 0.45, 0.32]
    moments = [datetime(2025, 8, 22, 22, 10, 45, 500_000, UTC) + timedelta(minutes=5 * i) for i in range(4)]
    tokyo = [moment.astimezone(timezone(timedelta(hours=9))) for moment in moments]
    stamps = np.array([moment.replace(tzinfo=None) for moment in moments], dtype="datetime64[ns]")
    for times, expected in (
        (moments, moments),
        (tokyo, moments),
        (pd.DatetimeIndex(moments), moments),
        (stamps, list(stamps)),
        (np.arange(4) * 300, [0.0, 300.0, 600.0, 900.0]),
    ):
        (episode,) = band_episodes(weights, 0.32, times)
        assert (episode.start, episode.max_at, episode.end) == (expected[1], expected[2], expected[3])
        assert type(episode.start) in {datetime, pd.Timestamp, np.datetime64, float}
        assert (episode.duration_seconds, episode.peak_to_band_seconds) == (600.0, 300.0)
    assert band_episodes(weights, 0.32, tokyo)[0].start.utcoffset() == timedelta(0)


def episode(duration, *, deviation=0.03, peak=0.0, known=True):
    """Return an episode of a duration, its peak so long before its end."""
    return BandEpisode(
        start=0.0,
        end=duration,
        side="under",
        duration_seconds=duration,
        max_deviation=deviation,
        max_at=duration - peak,
        peak_to_band_seconds=peak,
        start_known=True,
        end_known=known,
    )


def test_statistics_by_hand():
    """Durations of 1 to 5 hours: median 3; P90 at place 3.6 is 4.6; P99 at 3.96, P99.99 at 3.9996."""
    episodes = [
        episode(3600.0 * hours, deviation=hours / 100, peak=60.0 * hours) for hours in (3, 1, 5, 2, 4)
    ]
    found = episode_statistics(episodes, observed_seconds=100 * 3600)
    assert (found.count, found.censored) == (5, 0)
    assert found.share_of_time_out == pytest.approx(0.15)
    quantiles = (found.median_seconds, found.p90_seconds, found.p99_seconds, found.p99_99_seconds)
    assert quantiles == pytest.approx(tuple(3600 * hours for hours in (3, 4.6, 4.96, 4.9996)))
    assert (found.max_deviation, found.max_at, found.max_peak_to_band_seconds) == (0.05, 17700.0, 300.0)


def test_censored_episodes_are_counted_apart():
    """Dropped ones miss from durations and ways back, but not from time out and the largest deviation."""
    episodes = [episode(60.0, peak=30.0), episode(600.0, deviation=0.1, peak=500.0, known=False)]
    dropped = episode_statistics(episodes, observed_seconds=6600)
    assert (dropped.count, dropped.censored) == (1, 1)
    assert (dropped.median_seconds, dropped.p99_99_seconds) == (60.0, 60.0)
    assert (dropped.max_peak_to_band_seconds, dropped.max_deviation) == (30.0, 0.1)
    assert dropped.share_of_time_out == pytest.approx(0.1)
    kept = episode_statistics(episodes, censored="as_observed", observed_seconds=6600)
    assert (kept.count, kept.censored, kept.median_seconds) == (1, 1, 330.0)
    assert (kept.max_peak_to_band_seconds, kept.share_of_time_out) == (500.0, dropped.share_of_time_out)


def test_nothing_to_summarise():
    """Without complete episodes there are no quantiles; without an observed time no share."""
    empty = episode_statistics(band_episodes([0.32, 0.33], 0.32, [0, 1]))
    assert (empty.count, empty.censored, empty.share_of_time_out) == (0, 0, None)
    assert (empty.median_seconds, empty.max_deviation, empty.max_at) == (None, None, None)
    assert empty.max_peak_to_band_seconds is None
    assert episode_statistics([], observed_seconds=10).share_of_time_out == 0.0
    only_censored = episode_statistics([episode(60.0, known=False)])
    assert (only_censored.censored, only_censored.median_seconds) == (1, None)
    assert only_censored.max_deviation == 0.03


def test_the_last_percentile_of_the_published_count_is_the_maximum():
    """With 483 episodes P99.99 lies 0.05 of the way below the longest; duration and way back are different clocks."""
    durations = [2100.0 + i for i in range(482)] + [53.5 * 86_400]
    episodes = [episode(duration, peak=min(duration, 12.5 * 86_400)) for duration in durations]
    found = episode_statistics(episodes)
    assert found.count == 483
    # place 0.9999*482 = 481.9518 between the two longest
    assert found.p99_99_seconds == pytest.approx(2581 + 0.9518 * (53.5 * 86_400 - 2581))
    assert found.max_peak_to_band_seconds == 12.5 * 86_400


def test_a_year_of_five_minute_samples():
    """A year of samples agrees with runs counted from the signs of a random path."""
    n = 105_120
    path = 0.32 + np.clip(np.cumsum(np.random.default_rng(1).normal(0, 1e-3, n)), -0.3, 0.3)
    found = band_episodes(path, 0.32, STEP * np.arange(n))
    out = np.abs(path - 0.32) > 0.02
    assert len(found) == np.count_nonzero(np.diff(out.astype(int)) == 1) + out[0]
    assert sum(episode.duration_seconds for episode in found) == STEP * np.count_nonzero(out[:-1])
    assert max(episode.max_deviation for episode in found) == np.abs(path - 0.32).max()


WEIGHTS, TIMES = [0.32, 0.40, 0.32], [0, 300, 600]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": [0.32, math.nan, 0.32]}, r"weights\[1\] = nan is not a finite number"),
        ({"weights": [0.32, 32.0, 0.32]}, r"weights\[1\] = 32\.0 must be a weight from 0 to 1"),
        ({"weights": [0.32, -0.1, 0.32]}, r"weights\[1\] = -0\.1 must be a weight from 0 to 1"),
        ({"weights": [0.32, True, 0.32]}, "weights holds bool values"),
        ({"weights": "0.32"}, "weights holds str"),
        ({"weights": [0.32, 0.4]}, r"weights\(2,\), target\(\) and times\(3,\): give one weight a time"),
        ({"weights": 0.32}, r"weights\(\), target\(\) and times\(3,\): give one weight a time"),
        ({"target": [0.32, 0.32]}, r"weights\(3,\), target\(2,\) and times\(3,\)"),
        ({"target": 1.2}, r"target = 1\.2 must be a weight from 0 to 1"),
        ({"band": -0.02}, r"band = -0\.02 must be 0 or more"),
        ({"band": math.inf}, "band = inf is not a finite number"),
        ({"mode": "points"}, "mode = 'points': allowed are 'absolute', 'relative'"),
        ({"max_gap": 0}, r"max_gap = 0\.0 must be above 0"),
        ({"max_gap": timedelta(seconds=-1)}, "max_gap = .* must be a microsecond or more"),
        ({"times": [0, 300, 300]}, r"times\[2\] = 300 repeats times\[1\]"),
        ({"times": [300, 0, 600]}, r"times\[1\] = 0 is earlier than times\[0\]"),
        (
            {"times": [START, START.replace(tzinfo=None), START]},
            r"times\[1\] = 2025-01-01T00:00:00 has no time zone",
        ),
    ],
)
def test_what_is_refused(changes, message):
    """Bad weights, targets, bands, words and times are refused by name, value and index."""
    call = {"weights": WEIGHTS, "target": 0.32, "times": TIMES} | changes
    with pytest.raises(DomainError, match=message):
        band_episodes(**call)


def test_no_samples_and_bad_summaries_are_refused():
    """No samples are missing data; an unknown word or an observed time of 0 is refused."""
    with pytest.raises(MissingDataError, match="times: no samples"):
        band_episodes([], 0.32, [])
    with pytest.raises(DomainError, match="censored = 'keep': allowed are 'drop', 'as_observed'"):
        episode_statistics([], censored="keep")
    with pytest.raises(DomainError, match=r"observed_seconds = 0\.0 must be above 0"):
        episode_statistics([], observed_seconds=0)
