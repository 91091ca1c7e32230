"""Which interest period each figure that the pool published is of (forecast.md 1-2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from yieldtrade.forecast.data import pool_at
from yieldtrade.forecast.periods import DAYS, calendar, day_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.forecast.periods import Calendar
    from yieldtrade.market import OfficialYield, Pool

# Days by which a covered week may miss a period: a figure read near midnight is dated a day off.
LARGEST_SHIFT_DAYS = 1


class Official(NamedTuple):
    """Published APYs by number of the period, and how many figures cover no period of the calendar."""

    apy: Mapping[int, float]
    misaligned: int


def official_periods(history: PoolHistory, cal: Calendar) -> Official:
    """Place every official figure known on the calendar; of several of one period the last one seen counts.

    A figure that states its week is of that week. Another is of the period last published when it was seen, on the
    calendar in force then; on the day of a publication it is the new one unless it repeats the one before. Where the
    weeks of that time are not those of ``cal`` (the day of publication moved) a figure says nothing of one period.
    Figures of periods before the daily history are left aside.
    """
    found: dict[int, float] = {}
    misaligned = 0
    before: OfficialYield | None = None
    earliest = cal.number(history.days[0])
    for figure in history.official:
        first = _first_day(history.pool, cal, figure, before)
        before = figure
        number = cal.number(first + np.timedelta64(DAYS // 2, "D"))
        if abs((first - cal.first_day(number)).astype(np.int64)) > LARGEST_SHIFT_DAYS:
            misaligned += 1
        elif figure.apy > 0 and number >= earliest:
            found[number] = figure.apy
    return Official(dict(sorted(found.items())), misaligned)


def _first_day(
    pool: Pool, now: Calendar, figure: OfficialYield, before: OfficialYield | None
) -> np.datetime64:
    if figure.week_start is not None:
        return np.datetime64(figure.week_start, "D")
    documented = any(valid_from <= figure.at for valid_from, _ in pool.changes)
    cal = calendar(pool_at(pool, figure.at).terms) if documented else now
    number = cal.running(figure.at) - 1
    last_ended = cal.number(day_of(figure.at)) - 1
    publication_day = day_of(figure.at) == cal.first_day(last_ended + 1)
    repeats = before is not None and before.apy == figure.apy
    # the hour of publication is one by which it is out, and often earlier
    return cal.first_day(last_ended if publication_day and not repeats else number)
