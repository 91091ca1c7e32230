"""The daily history of a pool as a forecast sees it: one unbroken calendar, NaN where nothing is known.

A figure of day d is known when d is over; the TVL dated d is the state at the start of d, so it is known then
and stands behind the fees of d (warning W4 of the bundled history).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from yieldtrade.conventions import utc
from yieldtrade.errors import DataError, DomainError, MissingDataError
from yieldtrade.forecast.periods import day_of, start_of
from yieldtrade.forecast.screening import (
    CLOSE,
    FEES,
    GROSS,
    MEASURED,
    POSITION,
    SERIES,
    TVL,
    VOLUME,
    LeftOut,
    screened,
)
from yieldtrade.market import Pool
from yieldtrade.series import DailySeries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from numpy.typing import NDArray

    from yieldtrade.market import MarketView, OfficialYield, Parameter

__all__ = [
    "CLOSE",
    "FEES",
    "GROSS",
    "MEASURED",
    "POSITION",
    "SERIES",
    "TVL",
    "VOLUME",
    "PoolHistory",
    "Stored",
    "check_usable",
    "check_whole",
    "missing_shares",
    "pool_at",
    "pool_history",
]

UNCERTAIN = "shifted_uncertain"

LEAST_USABLE_DAYS = 60
LARGEST_MISSING_SHARE = 0.10
# A hole longer than this is not a day that is missing but a series that was not there.
LONGEST_HOLE_DAYS = 28
_QUALITY = "U32"
_DAY = np.timedelta64(1, "D")


class Stored(NamedTuple):
    """What a view held: series by name and every official figure, each with its versions."""

    series: Mapping[str, DailySeries]
    official: tuple[OfficialYield, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoolHistory:
    """Everything a forecast reads of one pool, as known at ``as_of``.

    Parameters
    ----------
    pool
        The pool with its dated parameters known at ``as_of``.
    as_of
        The moment, aware UTC.
    days
        Every UTC day from the first figure to the last, shape (n,).
    values
        One array of shape (n,) by series name, NaN where the day is missing or left out; USD, the measured
        yield a fraction.
    quality
        How the figure of a day came about, by series name; empty where missing.
    official
        The yields the pool published, oldest first, in the version known at ``as_of``.
    left_out
        The figures that are stored and not used.
    stored
        What it was all made of.
    """

    pool: Pool
    as_of: datetime
    days: NDArray[np.datetime64]
    values: Mapping[str, NDArray[np.float64]]
    quality: Mapping[str, NDArray[np.str_]]
    official: tuple[OfficialYield, ...]
    left_out: tuple[LeftOut, ...]
    stored: Stored

    def __len__(self) -> int:
        return len(self.days)

    def last_day(self, *series: str) -> np.datetime64 | None:
        """Return the last day on which any of the series is known, or None."""
        known = np.logical_or.reduce([np.isfinite(self.values[name]) for name in series])
        return self.days[np.flatnonzero(known)[-1]] if known.any() else None

    def by_day(self) -> NDArray[np.bool_]:
        """Say which volumes may be used day by day; the rest hold in a mean of a week only (W2)."""
        return np.asarray(np.isfinite(self.values[VOLUME]) & (self.quality[VOLUME] != UNCERTAIN))

    def usable(self) -> NDArray[np.bool_]:
        """Say on which days volume, fees of some kind and TVL are all known."""
        fees = np.logical_or.reduce([np.isfinite(self.values[name]) for name in FEES])
        return np.asarray(fees & np.isfinite(self.values[VOLUME]) & np.isfinite(self.values[TVL]))

    def pool_share(self) -> NDArray[np.float64]:
        """Return the share of fees that went to the pool, by day, from the dated parameters.

        Raises
        ------
        MarketDefinitionError
            No share is known for the first day.
        """
        return self.pool_share_on(self.days)

    def pool_share_on(self, days: NDArray[np.datetime64]) -> NDArray[np.float64]:
        """Return the share of fees that went to the pool on given days, the first of which comes first.

        Raises
        ------
        MarketDefinitionError
            No share is known for the first of them.
        """
        share = self._dated_on(days, "fees.pool_share")
        if np.isnan(share[0]):
            share[np.isnan(share)] = self.pool.terms_at(start_of(days[0])).number("fees.pool_share")
        return share

    def dated(self, name: str) -> NDArray[np.float64]:
        """Return a numeric parameter by day, NaN before it was first published."""
        return self._dated_on(self.days, name)

    def _dated_on(self, days: NDArray[np.datetime64], name: str) -> NDArray[np.float64]:
        found = np.full(len(days), np.nan)
        for valid_from, parameters in self.pool.changes:
            if name in parameters:
                found[days >= day_of(valid_from)] = float(parameters[name].value)
        return found

    def cut(self, moment: datetime) -> PoolHistory:
        """Return the history as it stood at an earlier moment: equal to one built from a view of then.

        A figure is taken to have been known when its day was over (the TVL: when it began) unless the store says that
        it came later; a corrected one counts as it was before the correction was known.

        Raises
        ------
        DomainError
            ``moment`` is later than the history's own.
        MissingDataError
            Nothing was known by then.
        """
        when = utc(moment)
        if when > self.as_of:
            raise DomainError(f"moment = {when} is later than the history's as_of = {self.as_of}")
        today = day_of(when)
        series = {
            name: _known(found, today if name == TVL else today - _DAY, when)
            for name, found in self.stored.series.items()
        }
        official = tuple(found for found in self.stored.official if (found.known_at or found.at) <= when)
        return _history(pool_at(self.pool, when), when, Stored(series, official))


def pool_history(view: MarketView, pool_id: str = "JLP") -> PoolHistory:
    """Read the daily history of a pool from a view.

    Raises
    ------
    UnknownNameError
        There is no such pool.
    MissingDataError
        Nothing is stored of it.
    DataError
        The days of a series are not in order, each once.
    """
    pool = view.pool(pool_id)
    series = {name: view.pool_series(pool.pool_id, name) for name in SERIES}
    return _history(pool, view.as_of, Stored(series, view.official_yields(pool.pool_id)))


def check_usable(history: PoolHistory) -> None:
    """Refuse a history too short or too full of holes to forecast from (forecast.md 9).

    Raises
    ------
    MissingDataError
        Fewer than 60 usable days, or more than a tenth of the days of a series missing.
    """
    count = int(history.usable().sum())
    if count < LEAST_USABLE_DAYS:
        known = ", ".join(
            f"{name} {int(np.isfinite(history.values[name]).sum())}" for name in SERIES if name != MEASURED
        )
        raise MissingDataError(
            f"{history.pool.pool_id}: {count} usable days as of {history.as_of:%Y-%m-%d}, "
            f"{LEAST_USABLE_DAYS} are needed: days with {VOLUME}, {TVL} and one of {', '.join(FEES)} "
            f"(known days: {known}); load more with `yieldtrade load FILE` (columns of jlp_pool_daily.csv)"
        )
    for name, share in missing_shares(history).items():
        if share > LARGEST_MISSING_SHARE:
            raise MissingDataError(
                f"{history.pool.pool_id}: {share:.1%} of the days of {name} are missing, at most "
                f"{LARGEST_MISSING_SHARE:.0%} may be; load them with `yieldtrade load FILE`"
            )


def check_whole(name: str, value: int, least: int, most: int | None = None) -> None:
    """Refuse what is not a whole number within its range.

    Raises
    ------
    DomainError
        It is not.
    """
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise DomainError(f"{name} = {value!r} must be a whole number {allowed}")


def missing_shares(history: PoolHistory) -> dict[str, float]:
    """Return the share of days missing from volume, TVL and fees between their first and last known day.

    Holes longer than ``LONGEST_HOLE_DAYS`` are not counted: there the series did not exist.
    """
    fees = np.logical_or.reduce([np.isfinite(history.values[name]) for name in FEES])
    known = {VOLUME: np.isfinite(history.values[VOLUME]), TVL: np.isfinite(history.values[TVL]), "fees": fees}
    return {name: _missing_share(np.flatnonzero(mask)) for name, mask in known.items()}


def pool_at(pool: Pool, moment: datetime) -> Pool:
    """Return a pool as it was known at ``moment``: later change sets dropped, the user's own terms kept."""
    published = _folded(pool)
    own = {name: term for name, term in pool.terms.parameters.items() if term != published.get(name)}
    changes = tuple(change for change in pool.changes if change[0] <= moment)
    dated = Pool(pool_id=pool.pool_id, name=pool.name, terms=pool.terms, changes=changes)
    terms = dated.terms_at(moment).overlaid(pool.pool_id, own)
    return Pool(pool_id=pool.pool_id, name=pool.name, terms=terms, changes=changes)


def _folded(pool: Pool) -> dict[str, Parameter]:
    folded: dict[str, Parameter] = {}
    for _, parameters in pool.changes:
        folded.update(parameters)
    return folded


def _missing_share(known: NDArray[np.int64]) -> float:
    holes = np.diff(known) - 1
    missing = int(holes[holes <= LONGEST_HOLE_DAYS].sum())
    return missing / (missing + len(known)) if len(known) else 0.0


def _known(series: DailySeries, last: np.datetime64, when: datetime) -> DailySeries:
    """Return a series to its day ``last`` as it stood at a moment."""
    until = int(np.searchsorted(series.days, last, side="right"))
    days, values, quality = series.days[:until], series.values[:until], series.quality[:until]
    if series.versions:
        uncertain = {version.day for version in series.versions}
        then = {
            v.day: (v.day, v.value, v.quality)
            for v in series.versions
            if v.known_at <= when and v.day <= last
        }
        rows = [row for row in zip(days, values, quality, strict=True) if row[0] not in uncertain]
        rows = sorted((*rows, *then.values()), key=lambda row: row[0])
        days = np.array([row[0] for row in rows], dtype="datetime64[D]")
        values = np.array([row[1] for row in rows], dtype=np.float64)
        quality = tuple(row[2] for row in rows)
    return DailySeries(
        name=series.name,
        unit=series.unit,
        days=days,
        values=values,
        quality=quality,
        versions=series.versions,
    )


def _history(pool: Pool, as_of: datetime, stored: Stored) -> PoolHistory:
    """Lay the series out on one calendar and leave out what must not be used."""
    for name, series in stored.series.items():
        _check_ordered(pool.pool_id, name, series)
    some = [series.days for series in stored.series.values() if len(series)]
    if not some:
        raise _nothing(pool.pool_id, as_of)
    days = np.arange(min(day[0] for day in some), max(day[-1] for day in some) + _DAY)
    unknown, unsaid = np.full(len(days), np.nan), np.full(len(days), "", dtype=_QUALITY)
    read = {name: _on(days, found, unknown, found.values) for name, found in stored.series.items()}
    words = {
        name: _on(days, found, unsaid, np.array(found.quality, dtype=_QUALITY))
        for name, found in stored.series.items()
    }
    values, left_out = screened(days, read, words)
    known = np.flatnonzero(np.logical_or.reduce([np.isfinite(values[name]) for name in SERIES]))
    if not len(known):
        raise _nothing(pool.pool_id, as_of)
    # days before the first figure and after the last are no part of it
    span = slice(known[0], known[-1] + 1)
    kept = {name: values[name][span] for name in SERIES}
    return PoolHistory(
        pool=pool,
        as_of=as_of,
        days=days[span],
        values=MappingProxyType(kept),
        quality=MappingProxyType(
            {name: np.where(np.isfinite(kept[name]), words[name][span], "") for name in SERIES}
        ),
        # of several versions of a figure the last one counts
        official=tuple({found.at: found for found in stored.official}.values()),
        left_out=left_out,
        stored=stored,
    )


def _on(days: NDArray[np.datetime64], series: DailySeries, blank: NDArray[Any], values: Any) -> NDArray[Any]:
    """Place the values of a series on the calendar, over ``blank``."""
    placed = blank.copy()
    placed[(series.days - days[0]).astype(np.int64)] = values
    return placed


def _check_ordered(pool_id: str, name: str, series: DailySeries) -> None:
    if len(series) > 1 and not (np.diff(series.days) > np.timedelta64(0, "D")).all():
        raise DataError(f"{pool_id} {name}: the days are not in order, each once")


def _nothing(pool_id: str, as_of: datetime) -> MissingDataError:
    return MissingDataError(
        f"no history of {pool_id} is known as of {as_of:%Y-%m-%d %H:%M} UTC; load it with "
        "`yieldtrade load FILE` (columns of jlp_pool_daily.csv)"
    )
