"""How long and how far a weight stays outside a band around its target (pool.md 12).

A weight is known at its samples only and is taken to hold until the next one. Times are aware datetimes, numpy
datetime64 (UTC) or seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import localcontext
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.conventions import utc
from yieldtrade.elementwise import Bound, check_choice, checked, not_negative, positive
from yieldtrade.errors import DomainError
from yieldtrade.pool.decimals import EXACT, as_written, exactly
from yieldtrade.pool.instants import MICROSECONDS, instants, microseconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "BandEpisode",
    "BandMode",
    "BandSide",
    "Censoring",
    "EpisodeStatistics",
    "band_episodes",
    "episode_statistics",
    "observed_seconds",
]

BandMode: TypeAlias = Literal["absolute", "relative"]
BandSide: TypeAlias = Literal["over", "under", "both"]
Censoring: TypeAlias = Literal["drop", "as_observed"]

_ABOVE_ZERO = Bound("target", lambda target: target > 0, "has no relative deviation: it must be above 0")

# Doubles this close to a threshold are compared once more by their decimals. It is far above the rounding of a
# difference of numbers up to 1, so that it decides how, never what, is decided.
_CLOSE = 1e-9


class _Samples(NamedTuple):
    """A series against its band: instants, deviations, where it is out, and which steps are gaps."""

    times: NDArray[np.int64]
    deviation: NDArray[np.float64]
    outside: NDArray[np.bool_]
    gaps: NDArray[np.bool_]


class _Runs(NamedTuple):
    """Samples at which episodes start and end, and whether either was seen."""

    first: NDArray[np.intp]
    end: NDArray[np.intp]
    start_known: NDArray[np.bool_]
    end_known: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class BandEpisode:
    """A time outside the band, from the first sample out to the first sample back inside.

    Attributes
    ----------
    start, end
        Instants, of the kind that was given; ``end`` is the last sample out where the return was not seen.
    side
        ``"over"`` or ``"under"`` the target, ``"both"`` where it crossed without a sample inside.
    duration_seconds
        From start to end.
    max_deviation, max_at
        Largest absolute deviation and when it was first seen.
    peak_to_band_seconds
        From ``max_at`` to the end.
    start_known, end_known
        False where the series, or a gap in it, begins or ends outside the band.
    """

    start: Any
    end: Any
    side: BandSide
    duration_seconds: float
    max_deviation: float
    max_at: Any
    peak_to_band_seconds: float
    start_known: bool
    end_known: bool

    @property
    def censored(self) -> bool:
        """Return whether the episode may have lasted longer than was seen."""
        return not (self.start_known and self.end_known)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeStatistics:
    """Summary of episodes outside a band; None where there is nothing to summarise.

    Attributes
    ----------
    count, censored
        Complete episodes, and those whose start or end went unseen.
    share_of_time_out
        Time out of band, of both kinds, over the time observed; None where that was not given.
    median_seconds, p90_seconds, p99_seconds, p99_99_seconds
        Quantiles of duration, linear between order statistics.
    max_deviation, max_at
        Largest deviation of all episodes and when it was first seen.
    max_peak_to_band_seconds
        Longest way back from a peak.
    """

    count: int
    censored: int
    share_of_time_out: float | None
    median_seconds: float | None
    p90_seconds: float | None
    p99_seconds: float | None
    p99_99_seconds: float | None
    max_deviation: float | None
    max_at: Any | None
    max_peak_to_band_seconds: float | None


def band_episodes(
    weights: Any,
    target: Any,
    times: Any,
    band: float = 0.02,
    mode: BandMode = "absolute",
    max_gap: Any | None = None,
) -> tuple[BandEpisode, ...]:
    """Find the episodes during which a weight is outside a band around its target (pool.md 12).

    Parameters
    ----------
    weights
        Share of the pool at each sample, 0 to 1.
    target
        Its target, a series or one number.
    times
        Instants of the samples, increasing.
    band
        Half-width: in points of weight, or relative to the target. A deviation of just ``band`` is inside; the
        numbers are compared as the decimals they are written as, so that 0.34 is within 0.02 of 0.32.
    mode
        ``"absolute"``: w - target; ``"relative"``: w/target - 1.
    max_gap
        Longest step between samples (timedelta or seconds) over which a weight is taken to hold; None: any.

    Returns
    -------
    tuple of BandEpisode
        In order of time.

    Raises
    ------
    DomainError
        A value outside its domain, a target of 0 in relative mode, unsorted, repeated or naive times, or series
        of different lengths.
    MissingDataError
        No samples.
    """
    samples = _samples(weights, target, times, band, mode, max_gap)
    runs = _runs(samples)
    if not runs.first.size:
        return ()
    return _episodes(samples, runs, times)


def observed_seconds(times: Any, max_gap: Any | None = None) -> float:
    """Time that a series of samples covers, its gaps left out (pool.md 12); errors as :func:`band_episodes`."""
    import numpy as np

    steps = np.diff(instants(times))
    return float(steps[~_gaps(steps, max_gap)].sum()) / MICROSECONDS


def episode_statistics(
    episodes: Iterable[BandEpisode], *, censored: Censoring = "drop", observed_seconds: float | None = None
) -> EpisodeStatistics:
    """Summarise episodes (pool.md 12).

    Parameters
    ----------
    episodes
        As :func:`band_episodes` returns them.
    censored
        ``"drop"`` leaves episodes whose start or end went unseen out of the durations and of the way back from
        a peak; ``"as_observed"`` takes what was seen of them. The time out and the largest deviation count them
        always.
    observed_seconds
        Time that the samples cover, from :func:`observed_seconds`; only the share of time out needs it.

    Raises
    ------
    DomainError
        An unknown word, or an observed time that is not positive.
    """
    check_choice("censored", censored, ("drop", "as_observed"))
    every = tuple(episodes)
    complete = tuple(episode for episode in every if not episode.censored)
    used = every if censored == "as_observed" else complete
    peak = max(every, key=lambda episode: episode.max_deviation, default=None)
    median, p90, p99, p99_99 = _quantiles([episode.duration_seconds for episode in used])
    return EpisodeStatistics(
        count=len(complete),
        censored=len(every) - len(complete),
        share_of_time_out=_share_out(every, observed_seconds),
        median_seconds=median,
        p90_seconds=p90,
        p99_seconds=p99,
        p99_99_seconds=p99_99,
        max_deviation=peak.max_deviation if peak else None,
        max_at=peak.max_at if peak else None,
        max_peak_to_band_seconds=max((episode.peak_to_band_seconds for episode in used), default=None),
    )


def _share_out(episodes: tuple[BandEpisode, ...], observed: float | None) -> float | None:
    if observed is None:
        return None
    time = checked("observed_seconds", observed, positive("observed_seconds"))
    return float(sum(episode.duration_seconds for episode in episodes) / time)


def _quantiles(durations: list[float]) -> tuple[float | None, ...]:
    """Median, P90, P99 and P99.99, or as many None."""
    import numpy as np

    levels = (0.5, 0.9, 0.99, 0.9999)
    if not durations:
        return (None,) * len(levels)
    return tuple(float(value) for value in np.quantile(durations, levels))


def _samples(
    weights: Any, target: Any, times: Any, band: float, mode: BandMode, max_gap: Any | None
) -> _Samples:
    import numpy as np

    check_choice("mode", mode, ("absolute", "relative"))
    stamps = instants(times)
    weight = checked("weights", weights, _a_weight("weights"))
    aim = checked("target", target, _a_weight("target"))
    if np.shape(weight) != stamps.shape or np.shape(aim) not in {(), stamps.shape}:
        raise DomainError(
            f"weights{np.shape(weight)}, target{np.shape(aim)} and times{stamps.shape}: give one weight a time, "
            "and one target for all or one a time"
        )
    if mode == "relative":
        checked("target", aim, _ABOVE_ZERO)
    unit = aim if mode == "relative" else 1.0
    outside = _outside(weight, aim, unit, float(checked("band", band, not_negative("band"))))
    return _Samples(stamps, (weight - aim) / unit, outside, _gaps(np.diff(stamps), max_gap))


def _a_weight(name: str) -> Bound:
    return Bound(
        name, lambda **given: (given[name] >= 0) & (given[name] <= 1), "must be a weight from 0 to 1"
    )


def _outside(weight: Any, aim: Any, unit: Any, band: float) -> NDArray[np.bool_]:
    """Where ``|w - target| > band*unit``; doubles too close to tell are compared by their decimals."""
    import numpy as np

    excess = np.abs(weight - aim) - band * unit
    outside: NDArray[np.bool_] = excess > 0
    near = np.abs(excess) <= _CLOSE
    near_values = (np.broadcast_to(value, near.shape)[near] for value in (weight, aim, unit, band))
    outside[near] = exactly(np, _is_outside, *near_values)
    return outside


def _is_outside(weight: float, aim: float, unit: float, band: float) -> bool:
    with localcontext(EXACT):
        return abs(as_written(weight) - as_written(aim)) > as_written(band) * as_written(unit)


def _gaps(steps: NDArray[np.int64], max_gap: Any | None) -> NDArray[np.bool_]:
    import numpy as np

    if max_gap is None:
        return np.zeros(steps.shape, dtype=bool)
    return steps > microseconds("max_gap", max_gap)


def _runs(samples: _Samples) -> _Runs:
    """Cut the samples outside the band into runs, at samples inside and at gaps."""
    import numpy as np

    out, edge = samples.outside, np.array([True])
    cut_before, cut_after = np.append(edge, samples.gaps), np.append(samples.gaps, edge)
    inside_before, inside_after = np.append(edge, ~out[:-1]), np.append(~out[1:], edge)
    first = np.flatnonzero(out & (cut_before | inside_before))
    last = np.flatnonzero(out & (cut_after | inside_after))
    start_known, end_known = ~cut_before[first], ~cut_after[last]
    return _Runs(first, last + end_known, start_known, end_known)


def _episodes(samples: _Samples, runs: _Runs, times: Any) -> tuple[BandEpisode, ...]:
    import numpy as np

    size = np.where(samples.outside, np.abs(samples.deviation), 0.0)
    peak = _first_peaks(size, samples.outside, runs.first)
    over = np.logical_or.reduceat(samples.outside & (samples.deviation > 0), runs.first)
    under = np.logical_or.reduceat(samples.outside & (samples.deviation < 0), runs.first)
    durations = (samples.times[runs.end] - samples.times[runs.first]) / MICROSECONDS
    given = np.asarray(times)
    return tuple(
        BandEpisode(
            start=_moment(given, runs.first[i]),
            end=_moment(given, runs.end[i]),
            side="both" if over[i] and under[i] else "over" if over[i] else "under",
            duration_seconds=float(durations[i]),
            max_deviation=float(size[peak[i]]),
            max_at=_moment(given, peak[i]),
            peak_to_band_seconds=float(samples.times[runs.end[i]] - samples.times[peak[i]]) / MICROSECONDS,
            start_known=bool(runs.start_known[i]),
            end_known=bool(runs.end_known[i]),
        )
        for i in range(runs.first.size)
    )


def _first_peaks(
    size: NDArray[np.float64], outside: NDArray[np.bool_], first: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Index of the first largest deviation of each run; ``size`` is 0 at samples inside."""
    import numpy as np

    run = np.searchsorted(first, np.arange(size.size), side="right") - 1
    top = np.maximum.reduceat(size, first)
    peaks = np.flatnonzero(outside & (size == top[run]))
    return peaks[np.unique(run[peaks], return_index=True)[1]]


def _moment(given: NDArray[Any], index: int) -> Any:
    """Return an instant as it was given: an aware datetime in UTC, a datetime64 or seconds."""
    if given.dtype.kind == "O":
        return utc(given[index])
    return given[index] if given.dtype.kind == "M" else float(given[index])
