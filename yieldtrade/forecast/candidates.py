"""The competing forecasts of one moment: paths, and where each model would centre them (forecast.md 3-4, 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from yieldtrade.forecast.baselines import MEAN_4, baseline_points
from yieldtrade.forecast.card import fit_card
from yieldtrade.forecast.data import FEES
from yieldtrade.forecast.periods import DAYS
from yieldtrade.forecast.simulate import WhatIf, first_simulated, fit_models, simulate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from yieldtrade.forecast.card import Card
    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.forecast.simulate import Models, Paths
    from yieldtrade.forecast.target import Target

STRUCTURAL, CARD, COMBINATION = "structural", "card", "combination"
TAIL = 0.01
CANDIDATES = (STRUCTURAL, CARD, COMBINATION)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Raw:
    """The forecast of one moment before calibration.

    Parameters
    ----------
    target, models
        What it was made from.
    paths
        Simulated periods, h of them.
    median
        Median of the simulated ``log APR`` by period, shape (h,).
    centre
        ``log APR`` by candidate and by baseline, shape (h,) each.
    horizon
        Weeks from the last period known to each period, at least 1, shape (h,).
    observed
        Days of each period whose fees are known, shape (h,).
    """

    target: Target
    models: Models
    paths: Paths
    median: NDArray[np.float64]
    centre: Mapping[str, NDArray[np.float64]]
    horizon: NDArray[np.int64]
    observed: NDArray[np.int64]

    def deviations(self) -> NDArray[np.float64]:
        """Return the log deviations of the paths from the median, shape (h, paths).

        A path beyond the 1st or 99th percentile of its period is moved there: a hundred weeks of record do not
        say how far beyond, and an APY compounds it.
        """
        low, high = np.quantile(self.paths.log_apr, (TAIL, 1.0 - TAIL), axis=1)
        return np.clip(self.paths.log_apr, low[:, None], high[:, None]) - self.median[:, None]


def raw_forecast(
    history: PoolHistory,
    target: Target,
    *,
    end: int,
    paths: int,
    seed: tuple[int, ...],
    what_if: WhatIf | None = None,
) -> Raw:
    """Simulate from what a history knows up to the period before number ``end``, and centre each candidate.

    Parameters
    ----------
    history, target
        What is known.
    end
        Number of the period after the last; the first is the running one, or an earlier one not yet known.
    paths, seed, what_if
        As in :func:`yieldtrade.forecast.simulate.simulate`.
    """
    models = fit_models(history, target)
    assumed = what_if or WhatIf()
    start = first_simulated(history, target)
    drawn = simulate(
        history, target, models, periods=range(start, end), paths=paths, seed=seed, what_if=assumed
    )
    median = np.median(drawn.log_apr, axis=1)
    horizon = np.maximum(np.arange(start, end) - target.last_known(), 1)
    share = history.pool.terms.number("fees.pool_share") if assumed.pool_share is None else assumed.pool_share
    baselines = {name: points + np.log(share) for name, points in baseline_points(target, horizon).items()}
    observed = observed_days(history, target, range(start, end))
    # card and combination see whole weeks; once a day of it is observed the simulation was the better forecast
    begun = observed > 0
    whole = {
        CARD: _card_centre(fit_card(history, target), drawn, share, median),
        # the one model of what fees will be and the one smooth level of what they were, equal weights; last week and
        # AR(1) are noisier estimates of that level and only take weight from it (docs/forecast.md)
        COMBINATION: (median + baselines[MEAN_4]) / 2.0,
    }
    return Raw(
        target=target,
        models=models,
        paths=drawn,
        median=median,
        centre={
            **baselines,
            STRUCTURAL: median,
            **{name: np.where(begun, median, centre) for name, centre in whole.items()},
        },
        horizon=horizon,
        observed=observed,
    )


def observed_days(history: PoolHistory, target: Target, periods: range) -> NDArray[np.int64]:
    """Count the days of each period whose fees are known."""
    fees = np.logical_or.reduce([np.isfinite(history.values[name]) for name in FEES])
    numbers = target.calendar.numbers(history.days[fees]) - periods.start
    return np.bincount(numbers[numbers >= 0], minlength=len(periods))


def _card_centre(
    card: Card | None, paths: Paths, share: float, otherwise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Put the median volume and TVL into the card; without enough weeks for it, the simulation's own median."""
    if card is None:
        return otherwise
    volume = np.median(paths.volume, axis=1) / DAYS
    return np.asarray(card.log_rate(np.log(volume), np.log(np.median(paths.tvl, axis=1))) + np.log(share))
