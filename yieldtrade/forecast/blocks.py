"""Shocks drawn from the record in blocks of seven days, all series from the same days (forecast.md 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from yieldtrade.errors import MissingDataError
from yieldtrade.forecast.periods import DAYS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.forecast.target import Target

# Place of the TVL among the daily residuals.
TVL_ROW = 2


class Shocks(NamedTuple):
    """Residuals drawn for every day and path (the ratio: every period and path)."""

    volume: NDArray[np.float64]
    rate: NDArray[np.float64]
    tvl: NDArray[np.float64]
    ratio: NDArray[np.float64]


class Blocks:
    """Every run of seven days on which all daily residuals are known.

    Parameters
    ----------
    history, target
        What is known.
    residuals
        Daily residuals of volume, fee rate and TVL, shape (n,) each, NaN where not known.

    Raises
    ------
    MissingDataError
        There is no such run.
    """

    def __init__(
        self, history: PoolHistory, target: Target, residuals: tuple[NDArray[np.float64], ...]
    ) -> None:
        daily = np.stack(residuals)
        windows = np.lib.stride_tricks.sliding_window_view(daily, DAYS, axis=1)
        starts = np.flatnonzero(np.isfinite(windows).all(axis=(0, 2)))
        if not len(starts):
            raise MissingDataError(
                f"{history.pool.pool_id}: no seven days in a row with volume, fees and TVL to learn from as of "
                f"{history.as_of:%Y-%m-%d}; load more with `yieldtrade load FILE` (columns of jlp_pool_daily.csv)"
            )
        # the days drawn are not all days: what their TVL changed on average would be a drift that never dies out
        daily[TVL_ROW] -= windows[TVL_ROW][starts].mean()
        self._daily, self._starts = daily, starts
        self._weekday = (history.days[starts].astype(np.int64)) % DAYS
        # the ratio of the period that holds the middle of the block
        middle = target.calendar.numbers(history.days[starts + DAYS // 2]) - target.first
        self._weekly_sd = float(windows[1][starts].mean(axis=1).std())
        self._ratio = target.ratio
        known = target.ratio.residuals if target.ratio is not None else np.full(len(target.share), np.nan)
        self._block_ratio = known[np.clip(middle, 0, len(known) - 1)]

    def draw(self, rng: np.random.Generator, days: NDArray[np.datetime64], paths: int) -> Shocks:
        """Draw one block a period and path, and lay it out by day."""
        weeks = len(days) // DAYS
        picked = rng.integers(0, len(self._starts), size=(weeks, paths))
        tails = rng.laplace(size=(weeks, paths))
        # turn each block so that its weekdays fall on those of the period: day k takes place (k + turn) mod 7
        turn = (int(days[0].astype(np.int64)) - self._weekday) % DAYS
        place = (np.arange(DAYS)[:, None] + turn[None, :]) % DAYS + self._starts[None, :]
        place = place[:, picked].transpose(1, 0, 2).reshape(weeks * DAYS, paths)
        volume, rate, tvl = self._daily[:, place]
        return Shocks(volume, rate, tvl, self._ratio_shocks(picked, tails))

    def _ratio_shocks(self, picked: NDArray[np.int64], tails: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take the ratio's residual of the block's own week, elsewhere a draw of the same spread.

        The double exponential has fat tails (a crash doubled the ratio in a week) and a finite mean of its exponential.
        """
        if self._ratio is None:
            return np.zeros(picked.shape)
        own = self._block_ratio[picked]
        scale = self._ratio.sd(self._weekly_sd) / np.sqrt(2.0)
        return np.where(np.isfinite(own), own, scale * tails)
