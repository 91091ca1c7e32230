"""The competing forecasts of one moment: paths, and where each model would centre them (forecast.md 3-4, 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from yieldtrade.forecast.baselines import BASELINES, baseline_points
from yieldtrade.forecast.card import fit_card
from yieldtrade.forecast.periods import DAYS
from yieldtrade.forecast.simulate import WhatIf, first_unknown, fit_models, simulate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

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
        Simulated periods; their first may lie before ``running``.
    running
        Number of the running period.
    median
        Median of the simulated ``log APR`` by period from the running one, shape (h,).
    centre
        ``log APR`` by candidate and by baseline, shape (h,) each.
    """

    target: Target
    models: Models
    paths: Paths
    running: int
    median: NDArray[np.float64]
    centre: Mapping[str, NDArray[np.float64]]

    @property
    def log_apr(self) -> NDArray[np.float64]:
        """Simulated ``log APR`` from the running period on, shape (h, paths)."""
        return self.paths.log_apr[self.running - self.paths.first :]

    def deviations(self) -> NDArray[np.float64]:
        """Return the log deviations of the paths from the median, shape (h, paths).

        A path beyond the 1st or 99th percentile of its period is moved there: a hundred weeks of record do not
        say how far beyond, and an APY compounds it.
        """
        low, high = np.quantile(self.log_apr, (TAIL, 1.0 - TAIL), axis=1)
        return np.clip(self.log_apr, low[:, None], high[:, None]) - self.median[:, None]

    @property
    def horizon(self) -> NDArray[np.int64]:
        """Weeks from the last period known to each period from the running one on, shape (h,)."""
        return self.running + np.arange(len(self.median)) - self.target.last_known()


def raw_forecast(
    history: PoolHistory,
    target: Target,
    *,
    running: int,
    periods: int,
    paths: int,
    seed: tuple[int, ...],
    what_if: WhatIf | None = None,
) -> Raw:
    """Simulate from what a history knows, and centre each candidate.

    Parameters
    ----------
    history, target
        What is known.
    running
        Number of the running period.
    periods
        How many periods from the running one on.
    paths, seed, what_if
        As in :func:`yieldtrade.forecast.simulate.simulate`.
    """
    models = fit_models(history, target)
    start = min(first_unknown(history, target), running)
    drawn = simulate(
        history,
        target,
        models,
        periods=range(start, running + periods),
        paths=paths,
        seed=seed,
        what_if=what_if or WhatIf(),
    )
    median = np.median(drawn.log_apr[running - start :], axis=1)
    horizon = running + np.arange(periods) - target.last_known()
    share = (what_if and what_if.pool_share) or history.pool.terms.number("fees.pool_share")
    points = baseline_points(target, np.maximum(horizon, 1))
    centre = {name: points[name] + np.log(share) for name in BASELINES}
    return Raw(
        target=target,
        models=models,
        paths=drawn,
        running=running,
        median=median,
        centre={
            **centre,
            STRUCTURAL: median,
            CARD: _card_centre(target, drawn, running - start, share, median),
            COMBINATION: (median + sum(centre.values())) / (1 + len(centre)),
        },
    )


def _card_centre(
    target: Target, paths: Paths, skip: int, share: float, otherwise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Put the median volume and TVL into the card; without enough weeks for it, the simulation's own median."""
    card = fit_card(target)
    if card is None:
        return otherwise
    volume = np.median(paths.volume[skip:], axis=1) / DAYS
    tvl = np.median(paths.tvl[skip:], axis=1)
    return np.asarray(card.log_rate(np.log(volume), np.log(tvl)) + np.log(share))
