"""What a trade of the user's size costs in a contract's pool, at entry and at exit (strategies.md 3, amm.md 2).

Sizes are in USD, or in tokens of 1 USD of ST each, as the trades of this package count them; the pool's own
tokens are those over the USD price of an ST.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.amm.base import Side
from yieldtrade.amm.states import amm_of
from yieldtrade.errors import CapacityError, YieldtradeError
from yieldtrade.market import days_between

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from yieldtrade.amm.base import Amm, Fill, Unit
    from yieldtrade.market import AmmState, MarketView
    from yieldtrade.strategies.subject import Market


# a price is a few roundings off at most
ROUNDING = 1e-12


class Refusal(NamedTuple):
    """Why a pool cannot fill a trade: what was asked for, the most it fills, both in USD, and its limit."""

    requested_usd: float
    maximum_usd: float
    binding: str


class Execution(NamedTuple):
    """A trade as the pool fills it, and what one token is worth there without it, ST."""

    fill: Fill
    mid_price: float

    @property
    def cost(self) -> float:
        """Impact and fee over the value of the tokens at the mid price: the fee f of a closed form, 0 or more."""
        return max(self._against_mid, 0.0)

    @property
    def gives_back(self) -> float:
        """What a trade brings more than the mid price: a synthetic PT sold, beyond the rounding of a ratio near 1."""
        gain = -self._against_mid
        return gain if self.fill.route == "synthetic" and gain > ROUNDING else 0.0

    @property
    def _against_mid(self) -> float:
        ratio = float(self.fill.average_price) / self.mid_price
        return ratio - 1.0 if Side(self.fill.side).is_buy else 1.0 - ratio

    @property
    def cost_of_spending(self) -> float:
        """The same over the ST paid, for a purchase that pays its fee out of what it spends."""
        return self.cost / (1.0 + self.cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """A contract's pool at one moment and implied yield.

    Parameters
    ----------
    amm
        The pool; trades are priced from this state, each on its own.
    stored
        The state it was built from.
    st_price
        USD per ST now.
    """

    amm: Amm
    stored: AmmState
    st_price: float

    def at(self, moment: datetime, implied_apy: float) -> Depth:
        """Return the pool at another moment, traded by others to an implied yield.

        Reserves stay; a pool that settles is re-marked (amm.md 7).

        Raises
        ------
        CapacityError
            No trade moves the pool to that yield.
        DomainError
            The pool cannot be re-marked.
        """
        moved = self.amm if moment == self.amm.as_of else self.amm.at(moment)
        if moved.implied_yield != implied_apy:
            moved = moved.size_for_yield(implied_apy, "PT").amm_after
        return Depth(amm=moved, stored=self.stored, st_price=self.st_price)

    def spend(self, side: str, usd: float) -> Execution | Refusal:
        """Fill a purchase that spends ``usd`` of ST, fees included."""
        return self._filled(side, usd / self.st_price, "st")

    def trade(self, side: str, units: float) -> Execution | Refusal:
        """Fill a trade of ``units`` tokens of 1 USD of ST each."""
        return self._filled(side, units / self.st_price, "token")

    def largest_within(self, side: str, max_impact: float) -> float:
        """Value at the mid price, USD, of the largest trade whose price impact stays within a limit."""
        return float(self.amm.size_for_impact(side, max_impact).units * self._mid(side) * self.st_price)

    def largest(self, side: str) -> float:
        """Value at the mid price, USD, of the largest trade that the pool fills."""
        return float(self.amm.max_size(side).size) * self._mid(side) * self.st_price

    def costs_of_spending(self, side: str, usd: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cost f of purchases that spend ``usd`` of ST each, NaN where the pool cannot fill one."""
        return self._costs(side, usd / self.st_price, "st")

    def costs_of_trading(self, side: str, units: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cost f of trades of tokens of 1 USD of ST each, NaN where the pool cannot fill one."""
        return self._costs(side, units / self.st_price, "token")

    def _costs(self, side: str, sizes: NDArray[np.float64], unit: Unit) -> NDArray[np.float64]:
        import numpy as np

        price = np.asarray(self.amm.quote(side, sizes, unit, on_error="nan").average_price) / self._mid(side)
        against = price - 1.0 if Side(side).is_buy else 1.0 - price
        return np.where(np.isnan(against), np.nan, np.maximum(against, 0.0))

    def _mid(self, side: str) -> float:
        """Price at which PT and YT make one ST; what a venue withholds from a synthetic PT counts as cost."""
        yt = float(self.amm.spot("YT"))
        return 1.0 - yt if Side(side).is_pt else yt

    def _filled(self, side: str, size: float, unit: str) -> Execution | Refusal:
        try:
            fill = self.amm.quote(side, size, "st" if unit == "st" else "token")
        except CapacityError as refused:
            worth = self.st_price if unit == "st" else self._mid(side) * self.st_price
            return Refusal(refused.requested * worth, refused.maximum * worth, refused.binding)
        return Execution(fill, self._mid(side))


class FoundDepth(NamedTuple):
    """A contract's pool, or why a stored state of it is not used; neither where none is stored."""

    depth: Depth | None
    problem: str = ""


def find_depth(view: MarketView, market: Market, st_price: float | None, max_age_days: float) -> FoundDepth:
    """Return the pool of a contract at the quoted implied yield.

    Parameters
    ----------
    view
        What is known.
    market
        The contract, priced and not matured.
    st_price
        USD per ST, None where it is not known.
    max_age_days
        An older state is not used.
    """
    stored = view.amm_state(market.contract)
    if stored is None or market.quote is None:
        return FoundDepth(None)
    age = days_between(stored.at, view.as_of)
    if age > max_age_days:
        return _unused(f"it is {age:.1f} days old, at most {max_age_days:g} are allowed")
    if st_price is None:
        return _unused("no USD price of the underlying says how many tokens the size is")
    try:
        amm = amm_of(market.contract, stored, view.as_of)
        found = Depth(amm=amm, stored=stored, st_price=st_price)
        return FoundDepth(found.at(view.as_of, market.quote.implied_apy))
    except YieldtradeError as error:
        return _unused(str(error))


def _unused(why: str) -> FoundDepth:
    return FoundDepth(None, f"the stored state of the pool is not used: {why}")
