"""Figures that a forecast leaves out: suspect at loading, not positive, or far from the days around them.

A day that is a thousandfold wrong says nothing of its day, and even drawn in to some bound would move a weekly mean:
it counts as missing. Only figures known at the moment are looked at, so a cut of a history is judged afresh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from yieldtrade.series import CONFIRMED, SUSPECT, off_neighbours

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

VOLUME, TVL, MEASURED = "volume_usd", "tvl_usd", "underlying_apy"
GROSS, POSITION, CLOSE = "gross_fees_usd", "position_fees_usd", "close_fees_usd"
SERIES = (VOLUME, TVL, GROSS, POSITION, CLOSE, MEASURED)
FEES = (GROSS, POSITION, CLOSE)

# Factor from the median of the days around, either way. In the bundled history, crashes included and with the days
# before alone as at its end, volume goes to 3.4 and 1/4.0, TVL to 1.4 and 1/1.3, the yield to 3.0 and 1/2.5, fees
# to 8.6 and 1/4.4, fees over volume to 3.5 and 1/1.9.
WIDEST: Mapping[str, float] = {VOLUME: 8.0, TVL: 2.0, MEASURED: 5.0} | dict.fromkeys(FEES, 16.0)
WIDEST_RATE = 5.0


class LeftOut(NamedTuple):
    """A figure that is stored and not used, and why."""

    series: str
    day: np.datetime64
    value: float
    reason: str


def screened(
    days: NDArray[np.datetime64],
    values: Mapping[str, NDArray[np.float64]],
    quality: Mapping[str, NDArray[np.str_]],
) -> tuple[dict[str, NDArray[np.float64]], tuple[LeftOut, ...]]:
    """Blank the figures that a forecast must not use.

    Parameters
    ----------
    days
        Consecutive days, shape (n,).
    values, quality
        By series, shape (n,); NaN and empty where missing. A figure whose quality is ``confirmed`` is kept however
        far from its neighbours it lies.

    Returns
    -------
    values, left_out
        The figures that are used, and the others.
    """
    kept = {name: values[name].copy() for name in SERIES}
    found: list[LeftOut] = []

    def leave_out(name: str, bad: NDArray[np.bool_], reason: str) -> None:
        found.extend(
            LeftOut(name, days[row], float(values[name][row]), reason) for row in np.flatnonzero(bad)
        )
        kept[name][bad] = np.nan

    for name in SERIES:
        present = quality[name] != ""
        wrong = present & ~(np.isfinite(values[name]) & (values[name] > 0))
        leave_out(name, wrong, "not a positive number")
        leave_out(name, present & ~wrong & (quality[name] == SUSPECT), "suspect when it was loaded")
    for name in SERIES:
        away = np.exp(np.abs(off_neighbours(np.log(kept[name]))))
        far = (away > WIDEST[name]) & (quality[name] != CONFIRMED)
        leave_out(name, far, f"more than {WIDEST[name]:g} times off the median of the days around")
    for name in FEES:
        # fees move with volume, so their rate tells a wrong figure that fees alone do not
        away = np.exp(np.abs(off_neighbours(np.log(kept[name] / kept[VOLUME]))))
        far = (away > WIDEST_RATE) & (quality[name] != CONFIRMED)
        leave_out(name, far, f"over volume more than {WIDEST_RATE:g} times off the median of the days around")
    return kept, tuple(sorted(found, key=lambda item: (SERIES.index(item.series), item.day)))
