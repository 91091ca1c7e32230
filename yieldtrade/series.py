"""A daily series: the one value object that holds arrays, apart so that a quote does not pay for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray


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
