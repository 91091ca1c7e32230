"""A daily series: the one value object that holds arrays, apart so that a quote does not pay for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class DailySeries:
    """A series of one value a UTC day, missing days absent. ``quality`` tells how each value came about."""

    name: str
    unit: str
    days: NDArray[np.datetime64]
    values: NDArray[np.float64]
    quality: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)
