"""How JLP is expected to grow, and what a hedge of it costs (strategies.md 4.6)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from yieldtrade.elementwise import Bound, checked, evaluate, not_negative, share
from yieldtrade.strategies.risk import Factor

# Continuous rates beyond this are figures in percent: they multiply by e^50 in a year.
LARGEST_RATE = 50.0


def _rate(name: str) -> Bound:
    return Bound(
        name,
        lambda **given: abs(given[name]) <= LARGEST_RATE,
        f"must lie within +-{LARGEST_RATE:g} a year: give a fraction, continuously compounded",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeLeg:
    """One coin sold short against the JLP.

    Parameters
    ----------
    coin
        What is sold.
    notional
        Short as a share of the collateral's value at entry, 0 or more.
    cost
        Cost of opening and closing it, a share of the short.
    funding
        Simple rate a year that the short pays, below 0 where it is paid.

    Raises
    ------
    DomainError
        A value outside its range.
    """

    coin: str
    notional: float
    cost: float = 0.0
    funding: float = 0.0

    def __post_init__(self) -> None:
        checked("notional", self.notional, not_negative("notional"))
        checked("cost", self.cost, share("cost"))
        checked("funding", self.funding)


@dataclass(frozen=True, slots=True, kw_only=True)
class JlpOutlook:
    """How JLP is expected to grow: ``ln R ~ Normal((q + drift - sigma^2/2)t, sigma^2 t)`` (strategies.md 4.6).

    Parameters
    ----------
    fee_yield
        Continuous fee yield q.
    vol
        Volatility of the virtual price a year, in units of what is owed; it decides on liquidation.
    drift
        Continuous growth of the basket's price and of traders' losses.
    residual_vol
        Volatility left to the profit of a hedged loop; None takes ``vol``. A hedge held elsewhere does not
        support the loan.

    Raises
    ------
    DomainError
        A volatility below 0, a value that is not finite.
    """

    fee_yield: float
    vol: float
    drift: float = 0.0
    residual_vol: float | None = None

    def __post_init__(self) -> None:
        for name in ("fee_yield", "drift"):
            checked(name, getattr(self, name), _rate(name))
        checked("vol", self.vol, not_negative("vol"))
        checked("residual_vol", self.profit_vol, not_negative("residual_vol"))

    @property
    def profit_vol(self) -> float:
        """Volatility of what the profit depends on."""
        return self.vol if self.residual_vol is None else self.residual_vol

    @property
    def growth_rate(self) -> float:
        """Continuous growth of the mean."""
        return self.fee_yield + self.drift

    def mean_ratio(self, years: float) -> float:
        """Mean of R."""
        return math.exp(self.growth_rate * years)

    def factor(self, years: float) -> Factor:
        """R as an uncertain field of a scenario."""
        mean = self.mean_ratio(years)
        relative = evaluate(
            lambda xp, vol, years: xp.sqrt(xp.expm1(vol * vol * years)),
            (not_negative("vol"), not_negative("years")),
            "raise",
            vol=self.profit_vol,
            years=years,
        )
        return Factor(name="underlying_ratio", mean=mean, sd=mean * relative, shape="lognormal")
