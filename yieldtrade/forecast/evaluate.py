"""The track record: what would have been forecast each week, strictly from what was known then (forecast.md 7)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from yieldtrade.errors import MissingDataError
from yieldtrade.forecast.baselines import BASELINES
from yieldtrade.forecast.candidates import CANDIDATES, STRUCTURAL, raw_forecast
from yieldtrade.forecast.data import LEAST_USABLE_DAYS, check_usable, check_whole
from yieldtrade.forecast.drivers import DRIVERS, driver_forecasts, driver_outcome
from yieldtrade.forecast.periods import DAYS, calendar, day_of
from yieldtrade.forecast.scoring import APY, PIT_BINS, SELECTED, Calibration, Forecasts, Score, Scored
from yieldtrade.forecast.target import build_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.forecast.drivers import Driver
    from yieldtrade.forecast.periods import Calendar
    from yieldtrade.forecast.target import Basis, CloseMultiple, Definition, Target

HORIZONS = 8
PATHS = 400
SEED = 20_241_130


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackRecord:
    """The record of past forecasts, one a week.

    Parameters
    ----------
    origins
        First day of the period that began at each origin, shape (o,).
    definitions
        What each forecast was of; it is scored against the outcome under the same definition.
    outcome
        Realised APY, shape (o, h), NaN where not yet or never known.
    centre
        Forecast APY at the centre of the distribution by model, shape (o, h).
    chosen
        Name of the model chosen at each origin and horizon, from scores known then, shape (o, h).
    scale
        Factor on log deviations used for the chosen model, shape (o, h).
    metrics
        Every metric of the chosen forecasts before it is averaged, NaN where not scored, shape (o, h): ``crps``,
        ``pinball``, ``error_log``, ``pit``, ``width_80`` (log), ``coverage_80``...
    crps
        Ranked probability score by model, NaN where not scored, shape (o, h).
    scores
        All figures.
    now
        Calibration by horizon from everything known, for the forecast of this moment.
    target
        What is forecast: ``apy``, or a driver of it, whose figures above are then amounts in USD.
    drivers
        The record of the volume, fees and TVL a day behind the yield, by name; empty where days of the running
        period were observed.
    """

    origins: NDArray[np.datetime64]
    definitions: tuple[str, ...]
    outcome: NDArray[np.float64]
    centre: Mapping[str, NDArray[np.float64]]
    chosen: NDArray[np.str_]
    scale: NDArray[np.float64]
    metrics: Mapping[str, NDArray[np.float64]]
    crps: Mapping[str, NDArray[np.float64]]
    scores: tuple[Score, ...]
    now: tuple[Calibration, ...]
    target: str = APY
    drivers: Mapping[str, TrackRecord] = field(default_factory=lambda: MappingProxyType({}))

    def score(self, metric: str, horizon: int, model: str = SELECTED) -> float:
        """Return one figure, NaN where it was never scored."""
        found = (s for s in self.scores if (s.metric, s.horizon, s.model) == (metric, horizon, model))
        return next((s.value for s in found), math.nan)

    def pit_histogram(self, horizon: int, bins: int = PIT_BINS) -> NDArray[np.int64]:
        """Count the probability integral transforms of a horizon in equal bins of [0, 1]."""
        values = self.metrics["pit"][:, horizon - 1]
        return np.histogram(values[np.isfinite(values)], bins=bins, range=(0.0, 1.0))[0]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one row a figure, of the yield and of its drivers."""
        yield from map(asdict, self.scores)
        for driver in self.drivers.values():
            yield from driver.rows()

    def to_frame(self) -> Any:
        """Return :meth:`rows` as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(list(self.rows()))


def evaluate_forecasts(
    history: PoolHistory,
    *,
    horizons: int = HORIZONS,
    observed_days: int = 0,
    paths: int = PATHS,
    seed: int = SEED,
) -> TrackRecord:
    """Forecast every week of the past from what was known then, and score it.

    Scores ``crps`` and ``pinball`` are of log APY, in which every week counts alike; ``crps_apy`` is of APY itself,
    which the high yields of a pool's first months dominate.

    Parameters
    ----------
    history
        From :func:`yieldtrade.forecast.pool_history`; it is cut at the start of every period, as if that were
        the present. The weeks are those of its own publication calendar.
    horizons
        Periods ahead, from the one that runs at the origin (1).
    observed_days
        Days after the start of the running period at which each origin lies, 0 to 6.
    paths
        Simulated paths an origin.
    seed
        Seed of the generator.

    Raises
    ------
    DomainError
        ``horizons`` or ``paths`` below 1, ``observed_days`` outside 0 to 6.
    MissingDataError
        The history is too short (forecast.md 9).
    """
    check_whole("horizons", horizons, 1)
    check_whole("paths", paths, 1)
    check_whole("observed_days", observed_days, 0, DAYS - 1)
    check_whole("seed", seed, 0)
    check_usable(history)
    cal = calendar(history.pool.terms)
    after = timedelta(days=observed_days)
    past = [
        _origin(cut, cal, number, (horizons, paths), seed) for number, cut in _origins(history, cal, after)
    ]
    targets = _targets(history, cal, past)
    record = _record(past, _yields(targets, cal, past, (horizons, paths), observed_days), cal)
    if observed_days:
        return record
    drivers = {}
    for name in DRIVERS:
        drivers[name] = _record(past, _amounts(history, targets, past, (horizons, paths), name), cal)
    return replace(record, drivers=MappingProxyType(drivers))


class _Origin(NamedTuple):
    number: int
    definition: Definition
    basis: Basis
    multiple: CloseMultiple
    centre: dict[str, NDArray[np.float64]]
    deviations: NDArray[np.float64]  # of the simulated log APR from its median, ascending, shape (h, paths)
    drivers: dict[str, Driver]


def _origins(history: PoolHistory, cal: Calendar, after: timedelta) -> Iterator[tuple[int, PoolHistory]]:
    """Yield each period with enough data at its origin, with the history known then."""
    usable = history.days[history.usable()]
    last = min(cal.running(history.as_of), cal.number(history.days[-1]) + 1)
    for number in range(cal.number(history.days[0]), last + 1):
        moment = cal.start(number) + after
        if int((usable < day_of(moment)).sum()) < LEAST_USABLE_DAYS or moment > history.as_of:
            continue
        cut = history.cut(moment)
        try:
            check_usable(cut)
        except MissingDataError:
            continue
        yield number, cut


def _origin(history: PoolHistory, cal: Calendar, number: int, shape: tuple[int, int], seed: int) -> _Origin:
    horizons, paths = shape
    after = history.as_of - cal.start(number)
    target = build_target(history, cal)
    raw = raw_forecast(history, target, end=number + horizons, paths=paths, seed=(seed, number))
    ahead = slice(number - raw.paths.first, None)
    centre = {name: points[ahead] for name, points in raw.centre.items()}
    return _Origin(
        number=number,
        definition=target.definition,
        basis=target.basis,
        multiple=target.close_multiple,
        centre=centre,
        deviations=np.sort(raw.deviations()[ahead], axis=1),
        drivers=driver_forecasts(raw, ahead) if after == timedelta(0) else {},
    )


def _yields(
    targets: dict[int, Target], cal: Calendar, past: list[_Origin], shape: tuple[int, int], observed_days: int
) -> Forecasts:
    """Gather the forecasts of the yield, each with its outcome under the definition it was made in."""
    horizons, paths = shape
    found = [[targets[o.number].outcome(o.number + h, o.definition) for h in range(horizons)] for o in past]
    return Forecasts(
        number=np.array([o.number for o in past], dtype=np.int64),
        outcome=np.array(found, dtype=np.float64).reshape(len(past), horizons),
        centre=_stacked([o.centre for o in past], (*CANDIDATES, *BASELINES), horizons),
        deviations=np.array([o.deviations for o in past]).reshape(len(past), horizons, paths),
        compounding=cal.compounding,
        days_observed=observed_days,
    )


def _amounts(
    history: PoolHistory, targets: dict[int, Target], past: list[_Origin], shape: tuple[int, int], name: str
) -> Forecasts:
    """Gather the forecasts of a driver of the yield."""
    horizons, paths = shape
    ahead = np.arange(horizons)
    outcome = [driver_outcome(name, history, targets[o.number], o.basis, o.number + ahead) for o in past]
    return Forecasts(
        number=np.array([o.number for o in past], dtype=np.int64),
        outcome=np.array(outcome).reshape(len(past), horizons),
        centre=_stacked([o.drivers[name].centre for o in past], (STRUCTURAL, *BASELINES), horizons),
        deviations=np.array([o.drivers[name].deviations for o in past]).reshape(len(past), horizons, paths),
        compounding=None,
        target=name,
        calibrated=False,
    )


def _stacked(
    centres: list[dict[str, NDArray[np.float64]]], names: tuple[str, ...], horizons: int
) -> dict[str, NDArray[np.float64]]:
    return {
        name: np.array([centre[name] for centre in centres]).reshape(len(centres), horizons) for name in names
    }


def _targets(history: PoolHistory, cal: Calendar, past: list[_Origin]) -> dict[int, Target]:
    """Return everything known, by number of origin: fees inferred from closes are inferred as they were then."""
    now = build_target(history, cal)
    by_multiple = {o.multiple: build_target(history, cal, o.multiple) for o in past if o.basis == "oc"}
    return {o.number: by_multiple.get(o.multiple, now) for o in past}


def _record(past: list[_Origin], forecasts: Forecasts, cal: Calendar) -> TrackRecord:
    scored = Scored(forecasts)
    return TrackRecord(
        origins=np.array([cal.first_day(o.number) for o in past], dtype="datetime64[D]"),
        definitions=tuple(o.definition for o in past),
        outcome=forecasts.level(forecasts.outcome),
        centre={name: forecasts.level(centre) for name, centre in forecasts.centre.items()},
        chosen=scored.chosen,
        scale=scored.scale,
        metrics=MappingProxyType(scored.metrics[SELECTED]),
        crps={name: found["crps"] for name, found in scored.metrics.items()},
        scores=tuple(scored.figures()),
        now=scored.now,
        target=forecasts.target,
    )
