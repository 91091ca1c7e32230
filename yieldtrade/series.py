"""A daily series: the one value object that holds arrays, apart so that a quote does not pay for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray


# The days around: two weeks on either side, at least four of them known.
NEIGHBOUR_DAYS = 14
LEAST_NEIGHBOURS = 4
# Qualities with a meaning of their own: out of line with the days around when loaded; looked at and right.
SUSPECT = "suspect"
CONFIRMED = "confirmed"


class Version(NamedTuple):
    """One version of a day's figure, and the moment it became known."""

    day: np.datetime64
    value: float
    quality: str
    known_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DailySeries:
    """A series of one value a UTC day, missing days absent.

    ``quality`` tells how each value came about. ``versions`` holds every version, oldest first, of the days whose value
    was not known as soon as it could be: those corrected, and those that came late.
    """

    name: str
    unit: str
    days: NDArray[np.datetime64]
    values: NDArray[np.float64]
    quality: tuple[str, ...]
    versions: tuple[Version, ...] = ()

    def __len__(self) -> int:
        return len(self.values)


def off_neighbours(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logs of consecutive days less the median of the known days around each, NaN where too few are known.

    Of an even number of days both middle ones and all between them are medians: the last days before a lasting move
    and the first after it are in line with one of the two.
    """
    import numpy as np

    width = 2 * NEIGHBOUR_DAYS + 1
    padded = np.pad(logs, NEIGHBOUR_DAYS, constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(padded, width)
    others = np.sort(np.delete(around, NEIGHBOUR_DAYS, axis=1), axis=1)  # NaN comes last
    count = np.isfinite(others).sum(axis=1)
    rows = np.arange(len(logs))
    upper = others[rows, np.minimum(count // 2, width - 2)]
    lower = others[rows, np.maximum((count - 1) // 2, 0)]
    return np.where(count >= LEAST_NEIGHBOURS, logs - np.clip(logs, lower, upper), np.nan)
