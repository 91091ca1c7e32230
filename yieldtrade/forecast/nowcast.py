"""The record of the nowcast: how a running week was forecast with 0 to 6 of its days seen (forecast.md 5, 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from yieldtrade.forecast.baselines import PERSISTENCE
from yieldtrade.forecast.evaluate import PATHS, SEED, evaluate_forecasts
from yieldtrade.forecast.periods import DAYS
from yieldtrade.forecast.scoring import APY, SELECTED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.forecast.evaluate import TrackRecord

_MEANS = {
    "mae_log": "error_log",
    "crps": "crps",
    "crps_apy": "crps_apy",
    "pinball": "pinball",
    "width_80": "width_80",
    "coverage_50": "coverage_50",
    "coverage_80": "coverage_80",
    "coverage_95": "coverage_95",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NowcastRecord:
    """The record of the running week by days observed, over the weeks scored at every number of days.

    Parameters
    ----------
    records
        The record of horizon 1 with 0, 1, ... 6 days observed.
    weeks
        First days of the weeks that all of them scored, shape (w,).
    """

    records: tuple[TrackRecord, ...]
    weeks: NDArray[np.datetime64]

    def by_week(self, metric: str) -> NDArray[np.float64]:
        """Return a metric of :attr:`TrackRecord.metrics` by days observed and week, shape (7, w)."""
        return np.array([self._common(record, record.metrics[metric]) for record in self.records])

    def figure(self, metric: str) -> NDArray[np.float64]:
        """Return a mean over the weeks by days observed, shape (7,), NaN without a week.

        ``mae_log``, ``median_ae_log``, ``crps``, ``crps_apy``, ``pinball``, ``width_80`` (log), ``coverage_50``,
        ``coverage_80``, ``coverage_95``, ``skill_crps_vs_persistence``.
        """
        if not len(self.weeks):
            return np.full(DAYS, np.nan)
        if metric == "median_ae_log":
            return np.asarray(np.median(self.by_week("error_log"), axis=1))
        if metric == "skill_crps_vs_persistence":
            last = [self._common(record, record.crps[PERSISTENCE]).mean() for record in self.records]
            return np.asarray(1.0 - self.figure("crps") / np.array(last))
        return np.asarray(self.by_week(_MEANS[metric]).mean(axis=1))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one row a figure and number of days observed, as :meth:`TrackRecord.rows` does."""
        for metric in (*_MEANS, "median_ae_log", "skill_crps_vs_persistence"):
            for days, value in enumerate(self.figure(metric)):
                yield {
                    "target": APY,
                    "model": SELECTED,
                    "horizon": 1,
                    "days_observed": days,
                    "metric": metric,
                    "value": float(value),
                    "origins": len(self.weeks),
                }

    def to_frame(self) -> Any:
        """Return :meth:`rows` as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(list(self.rows()))

    def _common(self, record: TrackRecord, found: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(found[np.isin(record.origins, self.weeks), 0])


def evaluate_nowcast(history: PoolHistory, *, paths: int = PATHS, seed: int = SEED) -> NowcastRecord:
    """Forecast every running week of the past with 0, 1, ... 6 of its days seen, and score it.

    Parameters
    ----------
    history
        From :func:`yieldtrade.forecast.pool_history`.
    paths, seed
        As in :func:`yieldtrade.forecast.evaluate_forecasts`.

    Raises
    ------
    DomainError
        ``paths`` below 1, ``seed`` below 0.
    MissingDataError
        The history is too short (forecast.md 9).
    """
    records = tuple(
        evaluate_forecasts(history, horizons=1, observed_days=days, paths=paths, seed=seed)
        for days in range(DAYS)
    )
    scored = [record.origins[np.isfinite(record.metrics["crps"][:, 0])] for record in records]
    weeks = scored[0]
    for days in scored[1:]:
        weeks = np.intersect1d(weeks, days)
    return NowcastRecord(records=records, weeks=weeks)
