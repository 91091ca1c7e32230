"""What an underlying did pay over a holding period, from the figures published since.

The mirror of the forecasts: the same days, weights and logarithms, so that a forecast and its outcome are figures
of one definition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from yieldtrade.conventions import iso, utc
from yieldtrade.errors import DomainError
from yieldtrade.forecast.level import days_touched, known_on, seconds_inside
from yieldtrade.forecast.periods import DAYS, overlaps

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from yieldtrade.forecast.periods import Calendar
    from yieldtrade.series import DailySeries


class RealisedRate(NamedTuple):
    """A mean APY over the part of a period that is known; ``apy`` is None where none of it is."""

    apy: float | None
    known_fraction: float


def realised_daily(history: DailySeries, start: datetime, end: datetime) -> RealisedRate:
    """Average a rate over a period: the geometric mean of its daily APYs, weighted by the time in each day.

    Days without a figure are left out of the mean, not filled; ``known_fraction`` says how much is left.

    Parameters
    ----------
    history
        One APY a day, fraction, oldest first.
    start, end
        The period, aware UTC.

    Raises
    ------
    DomainError
        ``end`` not after ``start``.
    """
    begun, over = _period(start, end)
    if not len(history):
        return RealisedRate(None, 0.0)
    days = days_touched(begun, over)
    seconds = seconds_inside(days, begun, over)
    rates = known_on(history.days, np.log1p(history.values), days)
    return _mean(rates, seconds)


def realised_periods(
    trailing: DailySeries, cal: Calendar, start: datetime, end: datetime, *, settlement_lag_weeks: int = 0
) -> RealisedRate:
    """Average a pool's settled APY over a period: each moment earns at the figure of its own interest period.

    Parameters
    ----------
    trailing
        Yield of the seven days that end with each day, APY, fraction: the figure dated the last day of an interest
        period is that of the period.
    cal
        The pool's calendar.
    start, end
        The period, aware UTC.
    settlement_lag_weeks
        Each moment earns at the figure of so many periods before.

    Raises
    ------
    DomainError
        ``end`` not after ``start``.
    """
    begun, over = _period(start, end)
    if not len(trailing):
        return RealisedRate(None, 0.0)
    parts = list(overlaps(cal, begun, over))
    last_days = np.array([cal.first_day(number - settlement_lag_weeks) + DAYS - 1 for number, _ in parts])
    rates = known_on(trailing.days, np.log1p(trailing.values), last_days)
    return _mean(rates, np.array([seconds for _, seconds in parts]))


def _mean(rates: NDArray[np.float64], seconds: NDArray[np.float64]) -> RealisedRate:
    known = np.isfinite(rates)
    held = float(seconds[known].sum())
    if held == 0:
        return RealisedRate(None, 0.0)
    return RealisedRate(float(np.expm1((seconds[known] @ rates[known]) / held)), held / float(seconds.sum()))


def _period(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    begun, over = utc(start, "start"), utc(end, "end")
    if over <= begun:
        raise DomainError(f"end = {iso(over)} is not after start = {iso(begun)}")
    return begun, over
