"""What is forecast: the weekly fee APR, measured on chain where it is, else computed (forecast.md 1-2).

Everything here is a logarithm of ``APR / pool share``, so that a change of the share moves no history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np

from yieldtrade.conventions import DAYS_PER_YEAR
from yieldtrade.errors import MissingDataError
from yieldtrade.forecast.data import CLOSE, GROSS, MEASURED, POSITION, TVL, VOLUME
from yieldtrade.forecast.official import Official, official_periods
from yieldtrade.forecast.periods import DAYS, calendar, day_of
from yieldtrade.forecast.ratio import Ratio, fit_ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.forecast.periods import Calendar

Basis: TypeAlias = Literal["gross", "oc"]
Definition: TypeAlias = Literal["official", "measured", "gross", "oc"]
SettledBy: TypeAlias = Literal["official", "measured", "computed"]

# Every position that is closed was opened: where the ratio is not yet known, opens are taken to pay like closes.
SIDES_OF_A_TRADE = 2.0
LEAST_OVERLAP_DAYS = 20
# Official and measured APYs of one period that differ by more are told. The measured figure moves by 6 % at the median
# (31 % on one day in twenty) when its window moves by a day, so less than this may be the hours at the edges.
#
# Whether the two differ by a level the bundled history cannot say: the measured yield ends on 2025-12-31 and the first
# official figure is of the week to 2026-02-05, so they share no period. None is assumed: a period takes the official
# figure as it is, and the ratio to the computed yield follows whichever figures settled the periods.
LARGEST_DISAGREEMENT = 0.10
# A period counts with this many of its seven days known.
LEAST_FEE_DAYS = 6
LEAST_TVL_DAYS = 5


_LARGEST_GROWTH = float(np.log(np.finfo(np.float64).max)) / 2.0 - 1.0


class CloseMultiple(NamedTuple):
    """Fees of opens and closes over those of closes: the figure, its spread, where it comes from."""

    value: float
    sd: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """The weekly history of the yield under the definition in force, as known at one moment.

    Arrays run over the periods ``first .. first + n - 1`` of the calendar, NaN where not known.

    Parameters
    ----------
    calendar
        The publication calendar.
    first
        Number of the first period.
    definition
        What the forecast is of: ``official`` figures where any is known, else ``measured`` on chain, else computed
        from ``gross`` or ``oc`` fees over TVL.
    basis
        The fee series that is alive: ``gross`` (all kinds) or ``oc`` (opens and closes).
    close_multiple
        How fees of opens and closes follow from those of closes.
    fees
        Daily fees of the basis, USD; where only the other basis is known, that one.
    fee_basis
        Which basis each day's fees are of: 1 for oc, 0 for gross, -1 for neither.
    share
        Mean pool share by period.
    official, measured
        ``log(APR/share)`` published by the pool, and measured on chain.
    settled
        The official one where known, else the measured one.
    computed, computed_other
        ``log(APR/share)`` computed from fees over TVL: of the basis, and of the other one.
    level
        The predictor: settled where known, else computed times the ratio known now.
    volume, tvl
        Mean daily volume and mean TVL by period, USD.
    ratio
        Settled over computed, a slow local level; None where no period has both.
    misaligned
        How many official figures cover no period of the calendar.
    """

    calendar: Calendar
    first: int
    definition: Definition
    basis: Basis
    close_multiple: CloseMultiple
    fees: NDArray[np.float64]
    fee_basis: NDArray[np.int64]
    share: NDArray[np.float64]
    official: NDArray[np.float64]
    measured: NDArray[np.float64]
    settled: NDArray[np.float64]
    computed: NDArray[np.float64]
    computed_other: NDArray[np.float64]
    level: NDArray[np.float64]
    volume: NDArray[np.float64]
    tvl: NDArray[np.float64]
    ratio: Ratio | None
    misaligned: int

    def outcome(self, number: int, definition: Definition) -> float:
        """Return ``log APR`` of a period under a definition, NaN where it is not known."""
        place = number - self.first
        if not 0 <= place < len(self.share):
            return float("nan")
        if definition in ("official", "measured"):
            known = self.settled
        else:
            known = self.computed if definition == self.basis else self.computed_other
        return float(known[place] + np.log(self.share[place]))

    def settled_by(self, number: int) -> SettledBy | None:
        """Say where the known yield of a period comes from, None where it is not known."""
        place = number - self.first
        if not 0 <= place < len(self.share):
            return None
        if np.isfinite(self.official[place]):
            return "official"
        # a measured yield that nothing ties to the computed ones takes no part in a forecast of those
        if np.isfinite(self.measured[place]) and self.definition in ("official", "measured"):
            return "measured"
        return "computed" if np.isfinite(self.level[place]) else None

    def apy(self, known: NDArray[np.float64]) -> NDArray[np.float64]:
        """Official APY by period of one of the arrays of ``log(APR/share)``."""
        return official_apy(known + np.log(self.share), self.calendar.compounding)

    def last_known(self) -> int:
        """Return the number of the last period whose yield is known.

        Raises
        ------
        MissingDataError
            None is.
        """
        known = np.flatnonzero(np.isfinite(self.level))
        if not len(known):
            raise MissingDataError(
                f"no seven-day period has fees on {LEAST_FEE_DAYS} days and TVL on {LEAST_TVL_DAYS}: "
                "load a longer history with `yieldtrade load FILE` (columns of jlp_pool_daily.csv)"
            )
        return self.first + int(known[-1])


def log_growth(log_apr: Any, n: float) -> NDArray[np.float64]:
    """``log(1 + APY)`` of a log APR compounded n times a year, ``n log1p(APR/n)``."""
    return np.asarray(n * np.log1p(np.exp(log_apr) / n))


def official_apy(log_apr: Any, n: float) -> NDArray[np.float64]:
    """Official APY of a log APR, ``(1 + APR/n)^n - 1``.

    An APY too large for its square to be a float, which only the tail of a simulation can reach, counts as the
    largest of those.
    """
    return np.asarray(np.expm1(np.minimum(log_growth(log_apr, n), _LARGEST_GROWTH)))


def close_multiple(history: PoolHistory) -> CloseMultiple:
    """Return fees of opens and closes over those of closes, from what was known by then (forecast.md 2).

    A published figure comes first, then the days on which both are known, then two: a close for every open.
    """
    terms = history.pool.terms
    if "oc_per_close_fee" in terms:
        return CloseMultiple(
            terms.number("oc_per_close_fee"),
            terms.number("oc_per_close_fee_sd") if "oc_per_close_fee_sd" in terms else 0.0,
            "published",
        )
    ratios = history.values[POSITION] / history.values[CLOSE]
    ratios = ratios[np.isfinite(ratios)]
    if len(ratios) >= LEAST_OVERLAP_DAYS:
        return CloseMultiple(float(ratios.mean()), float(ratios.std(ddof=1)), f"{len(ratios)} days of both")
    return CloseMultiple(SIDES_OF_A_TRADE, 0.0, "assumed, an open for every close")


def build_target(
    history: PoolHistory, cal: Calendar | None = None, multiple: CloseMultiple | None = None
) -> Target:
    """Assemble the weekly target from a daily history; every estimate in it is of that history alone.

    ``cal`` and ``multiple`` replace the history's own calendar and close multiple, so that the forecasts of many
    moments can be compared with what came of them.
    """
    cal = cal or calendar(history.pool.terms)
    multiple = multiple or close_multiple(history)
    oc = oc_fees(history, multiple.value)
    gross = history.values[GROSS]
    published = official_periods(history, cal)
    weeks = _Weeks(history, cal, max(published.apy, default=None))
    by_basis = {"gross": weeks.computed(gross), "oc": weeks.computed(oc)}
    basis = _live_basis(gross, oc, by_basis)
    alive, other = (oc, gross) if basis == "oc" else (gross, oc)
    share, computed = weeks.share(), by_basis[basis]
    official, measured = weeks.official(published, share), weeks.measured(history, share)
    settled = np.where(np.isfinite(official), official, measured)
    ratio = fit_ratio(settled - computed)
    return Target(
        calendar=cal,
        first=weeks.first,
        definition="official" if published.apy else "measured" if ratio is not None else basis,
        basis=basis,
        close_multiple=multiple,
        fees=np.where(np.isfinite(alive), alive, other),
        fee_basis=_fee_basis(alive, other, basis),
        share=share,
        official=official,
        measured=measured,
        settled=settled,
        computed=computed,
        computed_other=by_basis["gross" if basis == "oc" else "oc"],
        level=_spliced(settled, computed, ratio, official),
        volume=weeks.mean(history.values[VOLUME], LEAST_TVL_DAYS),
        tvl=weeks.mean(history.values[TVL], LEAST_TVL_DAYS),
        ratio=ratio,
        misaligned=published.misaligned,
    )


def oc_fees(history: PoolHistory, multiple: float) -> NDArray[np.float64]:
    """Return daily fees of opens and closes, USD: as recorded, elsewhere a multiple of those of closes."""
    position = history.values[POSITION]
    return np.where(np.isfinite(position), position, multiple * history.values[CLOSE])


def definition_text(target: Target) -> str:
    """Say in words what the forecast is of."""
    fees = "gross fees" if target.basis == "gross" else "fees of opens and closes"
    n = f"{target.calendar.compounding:g}"
    if target.definition == "official":
        others = "where none is known, " + (
            "as measured on chain; before that, " if target.ratio is not None else ""
        )
        return (
            f"fee APY of a seven-day period as the pool published it, APR compounded {n} times; {others}from {fees} "
            "over TVL"
        )
    if target.definition == "measured":
        return f"fee APY of a seven-day period as measured on chain; before it was measured, from {fees} over TVL"
    return f"computed: (1 + APR/{n})^{n} - 1, APR = 365/7 x pool share x {fees} of seven days / mean TVL"


class _Weeks:
    """The calendar's periods over a history: means over the days of each."""

    def __init__(self, history: PoolHistory, cal: Calendar, last: int | None = None) -> None:
        self.first = cal.number(history.days[0])
        ends = cal.number(history.days[-1])
        self._count = (ends if last is None else max(ends, last)) - self.first + 1
        self._before = int((history.days[0] - cal.first_day(self.first)).astype(np.int64))
        self._compounding = cal.compounding
        self._daily_share = history.pool_share()
        # a published figure may come after the last day of the history
        self._shares = self._daily_share
        if last is not None and last > ends:
            self._shares = history.pool_share_on(np.arange(history.days[0], cal.first_day(last + 1)))
        self._tvl = history.values[TVL]
        self._over = np.arange(self._count) + self.first < cal.number(day_of(history.as_of))

    def grid(self, daily: NDArray[np.float64]) -> NDArray[np.float64]:
        """Lay a daily series out as one row of seven days a period."""
        laid = np.full(self._count * DAYS, np.nan)
        laid[self._before : self._before + len(daily)] = daily
        return laid.reshape(self._count, DAYS)

    def mean(self, daily: NDArray[np.float64], least: int) -> NDArray[np.float64]:
        """Return the mean over the known days of each period, NaN where fewer than ``least`` are."""
        grid = self.grid(daily)
        known = np.isfinite(grid)
        count = known.sum(axis=1)
        total = np.where(known, grid, 0.0).sum(axis=1)
        return np.where(count >= least, total / np.maximum(count, 1), np.nan)

    def share(self) -> NDArray[np.float64]:
        return self.mean(self._shares, 1)

    def computed(self, fees: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``log(APR/share)`` of the periods that are over."""
        flow = self.mean(self._daily_share * fees, LEAST_FEE_DAYS)
        stock = self.mean(self._tvl, LEAST_TVL_DAYS)
        return np.where(self._over, np.log(DAYS_PER_YEAR * flow / stock / self.share()), np.nan)

    def measured(self, history: PoolHistory, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the trailing figure dated the last day of each period, as ``log(APR/share)``."""
        return self._log_rate(self.grid(history.values[MEASURED])[:, -1], share)

    def official(self, published: Official, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the published figure of each period, as ``log(APR/share)``."""
        apy = np.full(self._count, np.nan)
        for number, figure in published.apy.items():
            apy[number - self.first] = figure
        return self._log_rate(apy, share)

    def _log_rate(self, apy: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
        n = self._compounding
        return np.asarray(np.log(n * np.expm1(np.log1p(apy) / n) / share))


def _live_basis(
    gross: NDArray[np.float64], oc: NDArray[np.float64], computed: dict[str, NDArray[np.float64]]
) -> Basis:
    """Return the fee series with the most recent figure; a new one takes over with its first whole period."""
    newer: Basis
    newer, older = ("gross", "oc") if _last(gross) >= _last(oc) else ("oc", "gross")
    if np.isfinite(computed[newer]).any() or not np.isfinite(computed[older]).any():
        return newer
    return "oc" if newer == "gross" else "gross"


def _last(values: NDArray[np.float64]) -> int:
    known = np.flatnonzero(np.isfinite(values))
    return int(known[-1]) if len(known) else -1


def _fee_basis(alive: NDArray[np.float64], other: NDArray[np.float64], basis: Basis) -> NDArray[np.int64]:
    live = 1 if basis == "oc" else 0
    return np.where(np.isfinite(alive), live, np.where(np.isfinite(other), 1 - live, -1))


def _spliced(
    settled: NDArray[np.float64],
    computed: NDArray[np.float64],
    ratio: Ratio | None,
    official: NDArray[np.float64],
) -> NDArray[np.float64]:
    if ratio is None and not np.isfinite(official).any():
        return computed
    return np.where(np.isfinite(settled), settled, computed + (ratio.level if ratio is not None else 0.0))
