"""What else may move volume: returns and volatility of the pool's assets (forecast.md 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from yieldtrade.forecast.har import LAGS, trailing_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.market import MarketView

_WEEK = LAGS[1]
_LEAST_DAYS = 4


def return_columns(
    view: MarketView, history: PoolHistory, assets: tuple[str, ...] = ("SOL",)
) -> dict[str, NDArray[np.float64]]:
    """Return absolute and signed log returns of assets, of each day and of the seven days to it.

    Parameters
    ----------
    view
        What is known; a close counts when its day is over.
    history
        From :func:`yieldtrade.forecast.pool_history`; the columns are on its days, NaN where no price is known.
    assets
        Names of the assets.
    """
    found = {}
    for asset in assets:
        prices = view.asset_prices(asset)
        # one day earlier, so that the first day of the history has a return
        logs = np.full(len(history) + 1, np.nan)
        place = (prices.days - history.days[0]).astype(np.int64) + 1
        inside = (place >= 0) & (place < len(logs))
        logs[place[inside]] = np.log(prices.values[inside])
        signed = np.diff(logs)
        for word, values in (("|return|", np.abs(signed)), ("return", signed)):
            found[f"{asset} {word}, day"] = values
            # the mean before each day, one place on: the seven days to it
            week = trailing_mean(np.append(values, np.nan), _WEEK, _LEAST_DAYS)[1:]
            found[f"{asset} {word}, week"] = week
    return found
