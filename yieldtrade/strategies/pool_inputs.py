"""What rows about a pool rest on, looked up once for all of them: parameters, state, premium, volatilities, a hedge.

Each finding is a figure or the reason why there is none; a row turns the reason into its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.conventions import DAYS_PER_YEAR, iso
from yieldtrade.errors import YieldtradeError
from yieldtrade.pool.overview import asset_exposures, pool_overview
from yieldtrade.pool.parameters import parameters_at
from yieldtrade.strategies.desk import MIN_RETURNS, VOL_DAYS
from yieldtrade.strategies.jlp_outlook import HedgeLeg

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from yieldtrade.pool.overview import PoolOverview
    from yieldtrade.pool.parameters import PoolParameters
    from yieldtrade.series import DailySeries
    from yieldtrade.strategies.desk import Desk
    from yieldtrade.strategies.row import InputLine
    from yieldtrade.strategies.subject import Subject


class Hedge(NamedTuple):
    """Shorts against a share, the volatility they leave, and every input with its source."""

    legs: tuple[HedgeLeg, ...]
    residual_vol: float
    source: str
    inputs: tuple[InputLine, ...]


class PoolInputs:
    """A pool at the moment of a screen.

    Parameters
    ----------
    desk
        The screen.
    subject
        The pool.
    """

    def __init__(self, desk: Desk, subject: Subject) -> None:
        self.desk = desk
        self.pool_id = subject.name
        self._params: PoolParameters | None = None
        self._overview: PoolOverview | None = None
        self._problem: str | None = None

    @property
    def params(self) -> PoolParameters:
        """The parameters in force.

        Raises
        ------
        MarketDefinitionError
            The moment lies before the first known set.
        """
        if self._params is None:
            self._params = parameters_at(self.desk.view.pool(self.pool_id), self.desk.as_of)
        return self._params

    def overview(self) -> tuple[PoolOverview | None, str]:
        """Return the pool as its holder sees it, or None and why nothing is known of it."""
        if self._overview is None and self._problem is None:
            try:
                self._overview = pool_overview(self.desk.view, self.pool_id, self.params)
            except YieldtradeError as error:
                self._problem = str(error)
        return self._overview, self._problem or ""

    def premium(self) -> tuple[InputLine | None, str]:
        """Return the market price over the virtual price less 1, or None and what is missing."""
        overview, problem = self.overview()
        if overview is None:
            return None, problem
        market, virtual = overview.market_price, overview.virtual_price_usd
        if overview.premium is None or market is None or virtual is None:
            what = (
                "market price" if market is None else "virtual price" if virtual is None else "pair of prices"
            )
            return None, f"no {what} of {self.pool_id} is stored for the day of its state"
        source = f"{market.source} {market.value:.6g} over the virtual price {virtual:.6g}"
        return self.desk.line("premium", overview.premium, "fraction", market.at, source), ""

    def hedge(self) -> tuple[Hedge | None, tuple[str, ...]]:
        """Return shorts of the whole exposure to each coin, or None and everything that is missing.

        Funding and cost of a short are terms of the pool, ``hedge.funding.COIN`` (a year, paid by the short) and
        ``hedge.cost.COIN`` (opening and closing, share of the short).
        """
        overview, problem = self.overview()
        if overview is None:
            return None, (
                f"the composition of {self.pool_id} is not known, so it cannot be hedged: {problem}",
            )
        exposures = {coin: share for coin, share in asset_exposures(overview).items() if share > 0}
        missing = []
        if overview.picture.basis in ("utilisations", "weights"):
            missing.append(
                f"open positions of {self.pool_id} are not known by coin, so its exposure cannot be hedged: load a "
                "table custody_state with `yieldtrade load FILE`"
            )
        legs, inputs = [], []
        terms = self.desk.view.pool(self.pool_id).terms
        for coin, share in exposures.items():
            names = (f"hedge.funding.{coin}", f"hedge.cost.{coin}")
            unknown = [name for name in names if name not in terms]
            missing += [
                f"{self.pool_id}.{name} is not known: nobody has published it; give it with "
                f"`--set {self.pool_id}.{name}=VALUE`"
                for name in unknown
            ]
            if unknown:
                continue
            funding, cost = map(terms.number, names)
            legs.append(HedgeLeg(coin=coin, notional=share, cost=cost, funding=funding))
            at, source = overview.picture.at, f"state of the pool by its {overview.picture.basis}"
            inputs.append(self.desk.line(f"exposure.{coin}", share, "share of value", at, source))
            inputs += [
                self.desk.parameter(self.pool_id, terms.parameters[name], value)
                for name, value in zip(names, (funding, cost), strict=True)
            ]
        residual, problem = self._residual_vol(exposures)
        if residual is None:
            missing.append(problem)
        if missing or residual is None:
            return None, tuple(missing)
        if not legs:
            return None, (f"{self.pool_id} moves with no coin, so there is nothing to hedge",)
        return Hedge(tuple(legs), residual, problem, tuple(inputs)), ()

    def _residual_vol(self, exposures: Mapping[str, float]) -> tuple[float | None, str]:
        """Volatility a year of the share's daily return less its exposure to each coin, and its source."""
        import numpy as np

        prices = {coin: self.desk.view.asset_prices(coin) for coin in exposures}
        closes = (self.desk.pool_prices(self.pool_id), *prices.values())
        common = closes[0].days
        for series in closes[1:]:
            common = np.intersect1d(common, series.days)
        common = common[-VOL_DAYS:]
        if common.size <= MIN_RETURNS:
            return None, (
                f"the volatility that a hedge leaves is not known: {common.size} days have prices of "
                f"{', '.join((self.pool_id, *prices))} alike, more than {MIN_RETURNS} are needed"
            )
        left = _returns(closes[0], common)
        for coin, series in prices.items():
            left = left - exposures[coin] * _returns(series, common)
        days = (common[-1] - common[0]).astype(np.float64)
        vol = math.sqrt(float(np.sum(left * left)) / float(days) * DAYS_PER_YEAR)
        last = iso(self.desk.as_of)[:10]
        return vol, f"{left.size} daily returns less today's exposures times those of the coins, up to {last}"


def _returns(series: DailySeries, days: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Relative changes from each of the days to the next."""
    import numpy as np

    values = series.values[np.isin(series.days, days)]
    return np.asarray(np.diff(values) / values[:-1])
