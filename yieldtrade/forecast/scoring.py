"""Score the forecasts of every origin, each with nothing but errors known by then (forecast.md 4, 7)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from yieldtrade.forecast.baselines import BASELINES
from yieldtrade.forecast.candidates import COMBINATION
from yieldtrade.forecast.scores import (
    COVERAGES,
    LEAST_GAIN,
    QUANTILES,
    crps,
    inside,
    pinball,
    pit,
    sorted_quantiles,
    standard_error,
)
from yieldtrade.forecast.target import official_apy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

SELECTED = "selected"
APY = "apy"
PIT_BINS = 10
# Past errors before a spread is taken from them, before intervals are calibrated, and how many are remembered.
LEAST_ERRORS = 8
LEAST_CALIBRATION = 12
MEMORY = 52
CALIBRATED = 0.80
# Errors and intervals smaller than this, in logs, are rounding.
ROUNDING = 1e-9
_ENDS = np.array([0.5 - CALIBRATED / 2, 0.5 + CALIBRATED / 2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One figure of the record.

    Parameters
    ----------
    target
        What was forecast: ``apy``, or a driver of it in USD.
    model
        Which model; ``selected`` is the one handed out.
    horizon
        Weeks ahead, 1 for the period that runs at the origin.
    days_observed
        Days of that period seen at the origin.
    metric, value
        The figure.
    origins
        How many forecasts it rests on.
    """

    target: str = APY
    model: str
    horizon: int
    days_observed: int = 0
    metric: str
    value: float
    origins: int


class Calibration(NamedTuple):
    """What the record says for one horizon: the model to centre on, and the factor on log deviations."""

    model: str
    scale: float
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forecasts:
    """What was forecast at every origin, and what came of it; logs of APR, or of an amount.

    Parameters
    ----------
    number
        Number of the running period at each origin, ascending, shape (o,).
    outcome
        What came, shape (o, h), NaN where not known.
    centre
        By candidate and baseline, shape (o, h).
    deviations
        Of the simulation from its median, ascending, shape (o, h, paths).
    compounding
        Compounding periods a year of the official APY; None where the logs are of an amount.
    target
        What is forecast.
    calibrated
        Whether spreads are scaled by past errors before they are handed out.
    days_observed
        Days of the running period seen at each origin.
    """

    number: NDArray[np.int64]
    outcome: NDArray[np.float64]
    centre: Mapping[str, NDArray[np.float64]]
    deviations: NDArray[np.float64]
    compounding: float | None
    target: str = APY
    calibrated: bool = True
    days_observed: int = 0

    @property
    def default(self) -> str:
        """The model that is handed out unless another has proven better."""
        return COMBINATION if COMBINATION in self.centre else self.candidates[0]

    @property
    def unit(self) -> str:
        """Unit of the level: the last part of the name of its score."""
        return "apy" if self.compounding is not None else "usd"

    @property
    def candidates(self) -> tuple[str, ...]:
        """Models that take the spread of the simulation: all but the baselines."""
        return tuple(name for name in self.centre if name not in BASELINES)

    def level(self, logs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Official APY of a log APR, or the amount of its log."""
        return np.exp(logs) if self.compounding is None else official_apy(logs, self.compounding)

    def known_by(self, number: float, h: int) -> NDArray[np.int64]:
        """Return the last origins whose outcome at horizon h was known when period ``number`` began."""
        over = self.number + h < number
        return np.flatnonzero(over & np.isfinite(self.outcome[:, h]))[-MEMORY:]


class Scored:
    """Scores of all forecasts.

    Attributes
    ----------
    metrics
        One array of shape (o, h) by model and metric, NaN where not scored.
    chosen, scale
        The model chosen at each origin and horizon and its factor, shape (o, h).
    now
        The calibration of each horizon from everything known.
    """

    def __init__(self, forecasts: Forecasts) -> None:
        self._forecasts = forecasts
        shape = forecasts.outcome.shape
        self._known = [[forecasts.known_by(n, h) for h in range(shape[1])] for n in forecasts.number]
        enough = np.array([[len(known) >= LEAST_ERRORS for known in row] for row in self._known], dtype=bool)
        self._rows = np.flatnonzero((enough.reshape(shape) & np.isfinite(forecasts.outcome)).ravel())
        self._surprise = {name: _surprise(forecasts, name) for name in forecasts.candidates}
        self.metrics = {name: self._candidate(name) for name in forecasts.candidates}
        self.metrics |= {name: self._baseline(name) for name in BASELINES}
        self.chosen, self.scale = self._choices()
        self.metrics[SELECTED] = self._selected()
        last = [forecasts.known_by(math.inf, h) for h in range(shape[1])]
        self.now = tuple(self._calibration(h, known) for h, known in enumerate(last))

    def figures(self) -> Iterator[Score]:
        """Yield every mean over origins, and the skills."""
        for name, metrics in self.metrics.items():
            for h in range(self._forecasts.outcome.shape[1]):
                for metric, values in metrics.items():
                    if metric == "pit" and name != SELECTED:
                        continue
                    for label, value, origins in _means(metric, values[:, h]):
                        yield self._score(name, h, label, value, origins)
                yield from self._skills(name, h)

    def _score(self, name: str, h: int, metric: str, value: float, origins: int) -> Score:
        return Score(
            target=self._forecasts.target,
            model=name,
            horizon=h + 1,
            days_observed=self._forecasts.days_observed,
            metric=metric,
            value=value,
            origins=origins,
        )

    def _candidate(self, name: str) -> dict[str, NDArray[np.float64]]:
        """Score a candidate: its centre with the spread of the simulation, calibrated by its own past errors."""
        forecasts, rows = self._forecasts, self._rows
        shape = forecasts.outcome.shape
        scale = np.ones(shape)
        for place, row in enumerate(self._known):
            for h, known in enumerate(row):
                scale[place, h] = self._factor(name, h, known)
        spread = forecasts.deviations.reshape(-1, forecasts.deviations.shape[-1])[rows]
        centre = forecasts.centre[name].ravel()[rows, None]
        outcome = forecasts.outcome.ravel()[rows]
        calibrated = centre + scale.ravel()[rows, None] * spread
        found = _metrics(forecasts, centre[:, 0], calibrated, centre + spread, outcome)
        return {metric: _placed(values, rows, shape) for metric, values in found.items()}

    def _baseline(self, name: str) -> dict[str, NDArray[np.float64]]:
        """Score a baseline: its point with the spread of its own past errors, as many as were known."""
        forecasts = self._forecasts
        shape = forecasts.outcome.shape
        error = forecasts.outcome - forecasts.centre[name]
        found = {metric: np.full(shape, np.nan) for metric in self.metrics[forecasts.default]}
        known = [self._known[row // shape[1]][row % shape[1]] for row in self._rows]
        counts = np.array([len(item) for item in known], dtype=np.int64)
        for count in np.unique(counts):
            places = np.flatnonzero(counts == count)
            rows = self._rows[places]
            past = np.sort(
                [error[known[place], row % shape[1]] for place, row in zip(places, rows, strict=True)]
            )
            centre, outcome = forecasts.centre[name].ravel()[rows], forecasts.outcome.ravel()[rows]
            samples = centre[:, None] + past
            for metric, values in _metrics(forecasts, centre, samples, samples, outcome).items():
                found[metric].flat[rows] = values
        return found

    def _choices(self) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
        shape = self._forecasts.outcome.shape
        chosen, scale = np.full(shape, self._forecasts.default, dtype="U16"), np.ones(shape)
        for place, row in enumerate(self._known):
            for h, known in enumerate(row):
                chosen[place, h], scale[place, h], _ = self._calibration(h, known)
        return chosen, scale

    def _calibration(self, h: int, known: NDArray[np.int64]) -> Calibration:
        """Choose a model, and the factor that would have covered 80 % of its errors."""
        model = self._best(h, known)
        return Calibration(model, self._factor(model, h, known), len(known))

    def _factor(self, name: str, h: int, known: NDArray[np.int64]) -> float:
        return conformal_scale(self._surprise[name][known, h]) if self._forecasts.calibrated else 1.0

    def _best(self, h: int, known: NDArray[np.int64]) -> str:
        """Return the default, or the candidate that beat it in the past by two standard errors or more."""
        default = self._forecasts.default
        gain = {name: self._gain(name, h, known) for name in self._forecasts.candidates if name != default}
        best = max(gain, key=gain.__getitem__, default=default)
        return best if gain.get(best, 0.0) > LEAST_GAIN else default

    def _gain(self, name: str, h: int, known: NDArray[np.int64]) -> float:
        """Return how far a candidate's past score lies below the default's, in standard errors."""
        ours, theirs = (self.metrics[model]["crps"][known, h] for model in (self._forecasts.default, name))
        better = (ours - theirs)[np.isfinite(ours)]
        # forecasts h weeks ahead made in neighbouring weeks share weeks, so their errors go together
        error = standard_error(better, h) if len(better) >= LEAST_ERRORS else 0.0
        return float(better.mean()) / error if error > ROUNDING else 0.0

    def _selected(self) -> dict[str, NDArray[np.float64]]:
        found = {}
        for metric, values in self.metrics[self._forecasts.default].items():
            picked = values.copy()
            for name in self._forecasts.candidates:
                picked = np.where(self.chosen == name, self.metrics[name][metric], picked)
            found[metric] = picked
        return found

    def _skills(self, name: str, h: int) -> Iterator[Score]:
        for other in BASELINES:
            for metric in ("crps", f"crps_{self._forecasts.unit}"):
                own, reference = (self.metrics[model][metric][:, h] for model in (name, other))
                scored = np.isfinite(own)
                if other != name and np.any(scored) and reference[scored].mean() > ROUNDING:
                    skill = 1.0 - float(own[scored].mean() / reference[scored].mean())
                    yield self._score(name, h, f"skill_{metric}_vs_{other}", skill, int(scored.sum()))


def conformal_scale(surprise: NDArray[np.float64]) -> float:
    """Return the factor on the raw 80 % interval that would have covered 80 % of past errors (forecast.md 4).

    ``surprise`` holds past errors over the half-width of their own raw interval. Split conformal: the
    ``ceil((n+1) 0.8)``-th smallest. With fewer than twelve errors nothing is changed.
    """
    known = np.sort(surprise[np.isfinite(surprise)])
    if len(known) < LEAST_CALIBRATION:
        return 1.0
    return float(known[min(math.ceil((len(known) + 1) * CALIBRATED), len(known)) - 1])


def _surprise(forecasts: Forecasts, name: str) -> NDArray[np.float64]:
    """Errors over the half-width of the raw 80 % interval on their side; NaN where it has no width."""
    error = forecasts.outcome - forecasts.centre[name]
    ends = sorted_quantiles(forecasts.deviations, _ENDS)
    width = np.where(error >= 0, ends[..., 1], -ends[..., 0])
    wide = width > ROUNDING
    return np.where(wide, np.abs(error) / np.where(wide, width, 1.0), np.nan)


def _metrics(
    forecasts: Forecasts,
    centre: NDArray[np.float64],
    samples: NDArray[np.float64],
    raw: NDArray[np.float64],
    outcome: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """Score forecasts given as ascending samples of log APR, one a row."""
    level, came = forecasts.level(samples), forecasts.level(outcome)
    log_level, log_came = np.log(level), np.log(came)
    found = {
        "crps": crps(log_level, log_came),
        f"crps_{forecasts.unit}": crps(level, came),
        "pinball": pinball(np.log(sorted_quantiles(level, np.array(QUANTILES))), log_came),
        "error_log": np.abs(log_came - np.log(forecasts.level(centre))),
        "pit": pit(level, came),
        "width_80": np.ptp(sorted_quantiles(samples, _ENDS), axis=-1),
    }
    for coverage in COVERAGES:
        found[f"coverage_{coverage:.0%}"[:-1]] = inside(samples, outcome, coverage)
        found[f"raw_coverage_{coverage:.0%}"[:-1]] = inside(raw, outcome, coverage)
    return found


def _placed(
    values: NDArray[np.float64], rows: NDArray[np.int64], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    placed = np.full(shape, np.nan)
    placed.flat[rows] = values
    return placed


def _means(metric: str, values: NDArray[np.float64]) -> Iterator[tuple[str, float, int]]:
    """Yield what is kept of a metric over origins: its mean, of errors the median too, of transforms the counts."""
    known = values[np.isfinite(values)]
    if not len(known):
        return
    named = {metric: float(known.mean())}
    if metric == "error_log":
        named = {"mae_log": float(known.mean()), "median_ae_log": float(np.median(known))}
    if metric == "pit":
        counts = np.histogram(known, bins=PIT_BINS, range=(0.0, 1.0))[0]
        named = {f"pit_bin_{place:02d}": float(count) for place, count in enumerate(counts, start=1)}
    for label, value in named.items():
        yield label, value, len(known)
