"""Interest periods: the seven UTC days before each publication of the pool's APY (forecast.md 1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from yieldtrade.conventions import utc
from yieldtrade.errors import MarketDefinitionError
from yieldtrade.pool.revenue import publication_clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from yieldtrade.market import Terms

DAYS = 7
_EPOCH_WEEKDAY = 3  # 1970-01-01, day 0 of datetime64, was a Thursday
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def day_of(moment: datetime) -> np.datetime64:
    """Return the UTC day that holds ``moment``."""
    return np.datetime64(utc(moment).date(), "D")


def start_of(day: np.datetime64) -> datetime:
    """Return the moment a UTC day begins."""
    return _EPOCH + timedelta(days=int(day.astype(np.int64)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """When the pool publishes: ``weekday`` (Monday is 0) at ``hour_utc``; the APY compounds ``compounding`` times.

    Periods are numbered by whole weeks, so that the number of a later period is larger.
    """

    weekday: int
    hour_utc: float
    compounding: float

    def number(self, day: np.datetime64) -> int:
        """Return the number of the period that holds a day."""
        return (int(day.astype(np.int64)) + _EPOCH_WEEKDAY - self.weekday) // DAYS

    def numbers(self, days: NDArray[np.datetime64]) -> NDArray[np.int64]:
        """Return the number of the period that holds each day."""
        return np.asarray((days.astype(np.int64) + _EPOCH_WEEKDAY - self.weekday) // DAYS)

    def first_day(self, number: int) -> np.datetime64:
        """Return the first day of a period."""
        return np.datetime64(DAYS * number - _EPOCH_WEEKDAY + self.weekday, "D")

    def start(self, number: int) -> datetime:
        """Return the moment a period begins, 00:00 UTC of its first day."""
        return start_of(self.first_day(number))

    def published(self, number: int) -> datetime:
        """Return the moment the figure of a period is published, on the day after its last."""
        return self.start(number + 1) + timedelta(hours=self.hour_utc)

    def running(self, moment: datetime) -> int:
        """Return the number of the first period that is not yet published at ``moment``."""
        today = self.number(day_of(moment))
        return today - 1 if utc(moment) < self.published(today - 1) else today


def calendar(terms: Terms) -> Calendar:
    """Read the publication calendar from a pool's terms.

    Raises
    ------
    MarketDefinitionError
        A parameter is absent, or its value is no weekday, hour or number of periods.
    """
    weekday, hour = publication_clock(terms)
    compounding = terms.number("publication.compounding_periods")
    if not compounding > 0:
        raise MarketDefinitionError(
            f"{terms.owner}: publication.compounding_periods = {compounding!r} must be above 0"
        )
    return Calendar(weekday=weekday, hour_utc=hour, compounding=compounding)


def overlaps(cal: Calendar, begun: datetime, over: datetime) -> Iterator[tuple[int, float]]:
    """Yield the interest periods a holding period touches, with the seconds of it in each."""
    number = cal.number(day_of(begun))
    while cal.start(number) < over:
        inside = min(over, cal.start(number + 1)) - max(begun, cal.start(number))
        yield number, inside.total_seconds()
        number += 1
