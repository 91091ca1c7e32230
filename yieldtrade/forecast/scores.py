"""Scores of predictive distributions given as samples (forecast.md 7)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
COVERAGES = (0.50, 0.80, 0.95)
# Standard errors by which a model must have beaten the one that stands.
LEAST_GAIN = 2.0


def crps(sorted_samples: NDArray[np.float64], outcome: NDArray[np.float64]) -> NDArray[np.float64]:
    """Continuous ranked probability score, ``E|X - y| - E|X - X'|/2``, of samples in ascending order.

    Parameters
    ----------
    sorted_samples
        Shape (..., m), each row ascending.
    outcome
        Shape (...).
    """
    m = sorted_samples.shape[-1]
    weight = (2.0 * np.arange(1, m + 1) - m - 1) / m**2
    apart = np.abs(sorted_samples - outcome[..., None]).mean(axis=-1)
    return np.asarray(apart - (sorted_samples * weight).sum(axis=-1))


def pinball(
    quantiles: NDArray[np.float64], outcome: NDArray[np.float64], levels: tuple[float, ...] = QUANTILES
) -> NDArray[np.float64]:
    """Quantile loss averaged over ``levels``; ``quantiles`` has shape (..., len(levels))."""
    level = np.asarray(levels)
    short = outcome[..., None] - quantiles
    return np.asarray(np.maximum(level * short, (level - 1.0) * short).mean(axis=-1))


def sorted_quantiles(sorted_samples: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles of ascending samples, linear between order statistics; shape (..., len(levels))."""
    place = np.asarray(levels) * (sorted_samples.shape[-1] - 1)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, sorted_samples.shape[-1] - 1)
    low, high = sorted_samples[..., below], sorted_samples[..., above]
    return np.asarray(low + (place - below) * (high - low))


def inside(
    sorted_samples: NDArray[np.float64], outcome: NDArray[np.float64], coverage: float
) -> NDArray[np.bool_]:
    """Say whether the outcome falls in the central interval of the given coverage, ends included."""
    ends = np.array([0.5 - coverage / 2, 0.5 + coverage / 2])
    low, high = np.moveaxis(sorted_quantiles(sorted_samples, ends), -1, 0)
    return np.asarray((outcome >= low) & (outcome <= high))


def pit(sorted_samples: NDArray[np.float64], outcome: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability integral transform: the share of samples below the outcome, ties counted half."""
    below = (sorted_samples < outcome[..., None]).mean(axis=-1)
    equal = (sorted_samples == outcome[..., None]).mean(axis=-1)
    return np.asarray(below + 0.5 * equal)


def standard_error(values: NDArray[np.float64], lags: int) -> float:
    """Standard error of the mean of a series whose neighbours up to ``lags`` apart go together.

    Newey-West, as in the test of Diebold and Mariano (1995) of equal forecast accuracy, with the correction of
    Harvey, Leybourne and Newbold (1997) for few and overlapping forecasts; infinite where they are too few for it.
    """
    n, centred = len(values), values - values.mean()
    variance = float((centred**2).sum())
    for lag in range(1, min(lags, n - 1) + 1):
        variance += 2.0 * (1.0 - lag / (lags + 1)) * float((centred[lag:] * centred[:-lag]).sum())
    corrected = (n - 1 - 2 * lags + lags * (lags + 1) / n) / n
    return math.sqrt(max(variance, 0.0) / corrected) / n if corrected > 0 else math.inf
