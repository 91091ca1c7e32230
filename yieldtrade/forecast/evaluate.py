"""The track record: what would have been forecast each week, strictly from what was known then (forecast.md 7)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from yieldtrade.errors import MissingDataError
from yieldtrade.forecast.baselines import BASELINES
from yieldtrade.forecast.candidates import CANDIDATES, raw_forecast
from yieldtrade.forecast.data import LEAST_USABLE_DAYS, check_usable, check_whole
from yieldtrade.forecast.periods import DAYS, calendar, day_of
from yieldtrade.forecast.scoring import SELECTED, Calibration, Forecasts, Score, Scored
from yieldtrade.forecast.target import build_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.forecast.periods import Calendar
    from yieldtrade.forecast.target import CloseMultiple, Definition

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
    transform
        Probability integral transforms of the chosen forecasts, NaN where not scored, shape (o, h).
    crps
        Ranked probability score by model, NaN where not scored, shape (o, h).
    scores
        All figures.
    now
        Calibration by horizon from everything known, for the forecast of this moment.
    """

    origins: NDArray[np.datetime64]
    definitions: tuple[str, ...]
    outcome: NDArray[np.float64]
    centre: Mapping[str, NDArray[np.float64]]
    chosen: NDArray[np.str_]
    scale: NDArray[np.float64]
    transform: NDArray[np.float64]
    crps: Mapping[str, NDArray[np.float64]]
    scores: tuple[Score, ...]
    now: tuple[Calibration, ...]

    def score(self, metric: str, horizon: int, model: str = SELECTED) -> float:
        """Return one figure, NaN where it was never scored."""
        found = (s for s in self.scores if (s.metric, s.horizon, s.model) == (metric, horizon, model))
        return next((s.value for s in found), math.nan)

    def pit_histogram(self, horizon: int, bins: int = 10) -> NDArray[np.int64]:
        """Count the probability integral transforms of a horizon in equal bins of [0, 1]."""
        values = self.transform[:, horizon - 1]
        return np.histogram(values[np.isfinite(values)], bins=bins, range=(0.0, 1.0))[0]


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
    past = [_origin(cut, cal, number, horizons, paths, seed) for number, cut in _origins(history, cal, after)]
    return _record(past, _outcomes(history, cal, past, horizons), cal, paths)


class _Origin(NamedTuple):
    number: int
    definition: Definition
    multiple: CloseMultiple
    centre: dict[str, NDArray[np.float64]]
    deviations: NDArray[np.float64]  # of the simulated log APR from its median, ascending, shape (h, paths)


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


def _origin(
    history: PoolHistory, cal: Calendar, number: int, horizons: int, paths: int, seed: int
) -> _Origin:
    target = build_target(history, cal)
    raw = raw_forecast(history, target, end=number + horizons, paths=paths, seed=(seed, number))
    ahead = slice(number - raw.paths.first, None)
    centre = {name: points[ahead] for name, points in raw.centre.items()}
    return _Origin(
        number, target.definition, target.close_multiple, centre, np.sort(raw.deviations()[ahead], axis=1)
    )


def _outcomes(history: PoolHistory, cal: Calendar, past: list[_Origin], horizons: int) -> NDArray[np.float64]:
    """Return the ``log APR`` that came of each forecast, under the definition it was made in, shape (o, h)."""
    target = build_target(history, cal)
    # fees inferred from closes are inferred for the outcome as they were for the forecast
    targets = {o.multiple: build_target(history, cal, o.multiple) for o in past if o.definition == "oc"}
    found = [
        [targets.get(o.multiple, target).outcome(o.number + h, o.definition) for h in range(horizons)]
        for o in past
    ]
    return np.array(found, dtype=np.float64).reshape(len(past), horizons)


def _record(past: list[_Origin], outcome: NDArray[np.float64], cal: Calendar, paths: int) -> TrackRecord:
    names = (*CANDIDATES, *BASELINES)
    shape = outcome.shape
    forecasts = Forecasts(
        number=np.array([o.number for o in past], dtype=np.int64),
        outcome=outcome,
        centre={name: np.array([o.centre[name] for o in past]).reshape(shape) for name in names},
        deviations=np.array([o.deviations for o in past]).reshape(*shape, paths),
        compounding=cal.compounding,
    )
    scored = Scored(forecasts)
    return TrackRecord(
        origins=np.array([cal.first_day(o.number) for o in past], dtype="datetime64[D]"),
        definitions=tuple(o.definition for o in past),
        outcome=forecasts.apy(outcome),
        centre={name: forecasts.apy(centre) for name, centre in forecasts.centre.items()},
        chosen=scored.chosen,
        scale=scored.scale,
        transform=scored.values[SELECTED]["pit"],
        crps={name: metrics["crps"] for name, metrics in scored.values.items()},
        scores=tuple(scored.figures()),
        now=scored.now,
    )
