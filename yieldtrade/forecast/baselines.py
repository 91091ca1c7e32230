"""What any forecast has to beat: last week, the mean of four weeks, and an AR(1), all in logs (forecast.md 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from yieldtrade.forecast.har import FLAT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from yieldtrade.forecast.target import Target

PERSISTENCE, MEAN_4, AR1 = "persistence", "mean_4", "ar1"
BASELINES = (PERSISTENCE, MEAN_4, AR1)
MEAN_WEEKS = 4
LEAST_PAIRS = 8


def baseline_points(target: Target, weeks_ahead: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Forecast ``log(APR/share)`` by each baseline.

    Parameters
    ----------
    target
        The weekly history known at the origin.
    weeks_ahead
        Weeks from the last known period to each forecast one, shape (h,).
    """
    return series_points((target.level, target.computed_other), weeks_ahead)


def series_points(
    series: tuple[NDArray[np.float64], ...], weeks_ahead: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Forecast a weekly series of logs by each baseline.

    Parameters
    ----------
    series
        The series, and others that move like it, from which the AR(1) may learn its slope too; NaN where not known.
    weeks_ahead
        Weeks from the last known week of the first series, shape (h,).
    """
    known = series[0][np.isfinite(series[0])]
    flat = np.ones(len(weeks_ahead))
    return {
        PERSISTENCE: known[-1] * flat,
        MEAN_4: known[-MEAN_WEEKS:].mean() * flat,
        AR1: _ar1(series, weeks_ahead),
    }


def _ar1(series: tuple[NDArray[np.float64], ...], weeks_ahead: NDArray[np.int64]) -> NDArray[np.float64]:
    """AR(1): one slope over all series, a mean for each; without enough pairs, persistence."""
    pairs = [_pairs(values) for values in series]
    x, y = (np.concatenate([_centred(pair[side]) for pair in pairs]) for side in (0, 1))
    last = float(series[0][np.isfinite(series[0])][-1])
    before, after = pairs[0]
    size = float((x**2).sum())
    if len(x) < LEAST_PAIRS or not len(before) or size <= len(x) * FLAT**2:
        return np.full(len(weeks_ahead), last)
    slope = min(max(float((x * y).sum()) / size, 0.0), 1.0)
    # x_(t+1) - after = slope (x_t - before), run forward h weeks
    steady = slope**weeks_ahead
    drift = float(after.mean() - slope * before.mean())
    carried = weeks_ahead if slope == 1.0 else (1.0 - steady) / (1.0 - slope)
    return np.asarray(last * steady + drift * carried)


def _pairs(series: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    both = np.isfinite(series[:-1]) & np.isfinite(series[1:])
    return series[:-1][both], series[1:][both]


def _centred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values - values.mean() if len(values) else values
