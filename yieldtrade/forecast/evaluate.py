"""The track record: what would have been forecast each week, strictly from what was known then (forecast.md 7)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from yieldtrade.errors import MissingDataError
from yieldtrade.forecast.baselines import BASELINES
from yieldtrade.forecast.candidates import CANDIDATES, COMBINATION, raw_forecast
from yieldtrade.forecast.data import LEAST_USABLE_DAYS, check_usable, check_whole
from yieldtrade.forecast.periods import DAYS, calendar, day_of
from yieldtrade.forecast.scores import COVERAGES, QUANTILES, crps, inside, pinball, pit, sorted_quantiles
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
SELECTED = "selected"
# Past errors before a spread is taken from them, before a model is preferred, and how many are remembered.
LEAST_ERRORS = 8
LEAST_CALIBRATION = 12
# Standard errors by which a candidate must have beaten the combination.
LEAST_GAIN = 2.0
MEMORY = 52
CALIBRATED = 0.80
# Errors and intervals smaller than this, in logs, are rounding.
_ROUNDING = 1e-9
_LEVELS = np.array([0.5 - CALIBRATED / 2, 0.5, 0.5 + CALIBRATED / 2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One figure of the record; ``horizon`` counts weeks from the last known period, ``origins`` how many."""

    model: str
    horizon: int
    metric: str
    value: float
    origins: int


class Calibration(NamedTuple):
    """What the record says for one horizon: the model to centre on, and the factor on log deviations."""

    model: str
    scale: float
    errors: int


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
    return _Scoring(past, _outcomes(history, cal, past, horizons), cal, paths).record()


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


class _Scoring:
    """Scores of all origins; at each of them only errors known by then are used."""

    def __init__(self, past: list[_Origin], outcome: NDArray[np.float64], cal: Calendar, paths: int) -> None:
        self._past, self._cal, self._outcome, self._shape = past, cal, outcome, outcome.shape
        self._number = np.array([o.number for o in past], dtype=np.int64)
        self._deviations = np.array([o.deviations for o in past]).reshape(*self._shape, paths)
        self._centre = {
            name: np.array([o.centre[name] for o in past]).reshape(self._shape)
            for name in (*CANDIDATES, *BASELINES)
        }
        self._error = {name: self._outcome - centre for name, centre in self._centre.items()}
        ends = sorted_quantiles(self._deviations, _LEVELS)
        self._surprise = {
            name: _relative(self._error[name], ends[..., 0], ends[..., 2]) for name in CANDIDATES
        }
        self._scored: dict[str, dict[str, NDArray[np.float64]]] = {
            name: {} for name in (*CANDIDATES, *BASELINES, SELECTED)
        }
        self._scale = np.ones(self._shape)
        self._chosen = np.full(self._shape, COMBINATION, dtype="U16")

    def record(self) -> TrackRecord:
        """Run through the origins in order and collect every figure."""
        horizons = range(self._shape[1])
        for h in horizons:
            for place in range(self._shape[0]):
                self._score(place, h, self._known_by(self._number[place], h))
        apr = {name: self._apy(centre) for name, centre in self._centre.items()}
        return TrackRecord(
            origins=np.array([self._cal.first_day(int(n)) for n in self._number], dtype="datetime64[D]"),
            definitions=tuple(o.definition for o in self._past),
            outcome=self._apy(self._outcome),
            centre=apr,
            chosen=self._chosen,
            scale=self._scale,
            transform=self._metric(SELECTED, "pit"),
            crps={name: self._metric(name, "crps") for name in self._scored},
            scores=tuple(self._figures()),
            now=tuple(self._calibration(h, self._known_by(np.iinfo(np.int64).max, h)) for h in horizons),
        )

    def _known_by(self, number: int, h: int) -> NDArray[np.int64]:
        """Return the origins whose outcome at horizon h was known when period ``number`` began."""
        return np.flatnonzero((self._number + h < number) & np.isfinite(self._outcome[:, h]))[-MEMORY:]

    def _calibration(self, h: int, known: NDArray[np.int64]) -> Calibration:
        """Choose a model, and the factor that would have covered 80 % of its errors."""
        model = self._best(h, known)
        return Calibration(model, conformal_scale(self._surprise[model][known, h]), len(known))

    def _best(self, h: int, known: NDArray[np.int64]) -> str:
        """Return the combination, or the candidate that beat it in the past by two standard errors or more."""
        gain = {name: self._gain(name, h, known) for name in CANDIDATES if name != COMBINATION}
        best = max(gain, key=gain.__getitem__)
        return best if gain[best] > LEAST_GAIN else COMBINATION

    def _gain(self, name: str, h: int, known: NDArray[np.int64]) -> float:
        """Return how far a candidate's past score lies below the combination's, in standard errors."""
        better = (self._metric(COMBINATION, "crps") - self._metric(name, "crps"))[known, h]
        better = better[np.isfinite(better)]
        spread = float(better.std()) if len(better) >= LEAST_ERRORS else 0.0
        return float(better.mean()) / spread * math.sqrt(len(better)) if spread > _ROUNDING else 0.0

    def _score(self, place: int, h: int, known: NDArray[np.int64]) -> None:
        model, scale, _ = self._calibration(h, known)
        self._chosen[place, h], self._scale[place, h] = model, scale
        outcome = self._outcome[place, h]
        if len(known) < LEAST_ERRORS or not math.isfinite(outcome):
            return
        spread = self._deviations[place, h]
        for name in CANDIDATES:
            centre = self._centre[name][place, h]
            own = conformal_scale(self._surprise[name][known, h])
            self._note(name, place, h, centre + own * spread, centre + spread)
        for name in BASELINES:
            samples = self._centre[name][place, h] + np.sort(self._error[name][known, h])
            self._note(name, place, h, samples, samples)
        for metric, values in self._scored[model].items():
            self._put(SELECTED, metric, place, h, values[place, h])

    def _note(
        self, name: str, place: int, h: int, log_samples: NDArray[np.float64], log_raw: NDArray[np.float64]
    ) -> None:
        samples, raw = self._apy(log_samples), self._apy(log_raw)
        outcome = self._apy(self._outcome[place, h])
        figures = {
            "crps": crps(np.log(samples), np.log(outcome)),
            "crps_apy": crps(samples, outcome),
            "pinball": pinball(np.log(sorted_quantiles(samples, np.array(QUANTILES))), np.log(outcome)),
            "error_log": np.abs(np.log(outcome) - np.log(self._apy(self._centre[name][place, h]))),
            "pit": pit(samples, outcome),
        }
        for coverage in COVERAGES:
            figures[f"coverage_{coverage:.0%}"[:-1]] = inside(samples, outcome, coverage)
            figures[f"raw_coverage_{coverage:.0%}"[:-1]] = inside(raw, outcome, coverage)
        for metric, value in figures.items():
            self._put(name, metric, place, h, float(value))

    def _put(self, name: str, metric: str, place: int, h: int, value: float) -> None:
        self._scored[name].setdefault(metric, np.full(self._shape, np.nan))[place, h] = value

    def _metric(self, name: str, metric: str) -> NDArray[np.float64]:
        return self._scored[name].get(metric, np.full(self._shape, np.nan))

    def _apy(self, log_apr: NDArray[np.float64]) -> NDArray[np.float64]:
        n = self._cal.compounding
        return np.asarray(np.expm1(n * np.log1p(np.exp(log_apr) / n)))

    def _figures(self) -> Iterator[Score]:
        for name, metrics in self._scored.items():
            for h in range(self._shape[1]):
                for metric, values in metrics.items():
                    yield from _figures(name, h, metric, values[:, h])
                yield from self._skills(name, h)

    def _skills(self, name: str, h: int) -> Iterator[Score]:
        own = self._metric(name, "crps")[:, h]
        scored = np.isfinite(own)
        for other in BASELINES:
            for metric in ("crps", "crps_apy"):
                reference = self._metric(other, metric)[scored, h].sum()
                if other != name and reference > _ROUNDING * scored.sum():
                    yield Score(
                        model=name,
                        horizon=h + 1,
                        metric=f"skill_{metric}_vs_{other}",
                        value=1.0 - float(self._metric(name, metric)[scored, h].sum() / reference),
                        origins=int(scored.sum()),
                    )


def conformal_scale(surprise: NDArray[np.float64]) -> float:
    """Return the factor on the raw 80 % interval that would have covered 80 % of past errors (forecast.md 4).

    ``surprise`` holds past errors over the half-width of their own raw interval. Split conformal: the
    ``ceil((n+1) 0.8)``-th smallest. With fewer than twelve errors nothing is changed.
    """
    known = np.sort(surprise[np.isfinite(surprise)])
    if len(known) < LEAST_CALIBRATION:
        return 1.0
    return float(known[min(math.ceil((len(known) + 1) * CALIBRATED), len(known)) - 1])


def _relative(
    error: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Errors over the half-width on their side; NaN where the interval has no width."""
    width = np.where(error >= 0, high, -low)
    wide = width > _ROUNDING
    return np.where(wide, np.abs(error) / np.where(wide, width, 1.0), np.nan)


def _figures(name: str, h: int, metric: str, values: NDArray[np.float64]) -> Iterator[Score]:
    known = values[np.isfinite(values)]
    if not len(known) or metric == "pit":
        return
    named = {metric: float(known.mean())}
    if metric == "error_log":
        named = {"mae_log": float(known.mean()), "median_ae_log": float(np.median(known))}
    for label, value in named.items():
        yield Score(model=name, horizon=h + 1, metric=label, value=value, origins=len(known))
