"""What a strategy is told: forecasts, exit yields, costs, one scenario, and the settings of a screen.

Rates are effective annual fractions; money is USD; every value object is immutable (strategies.md 3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from yieldtrade.elementwise import Bound, checked, not_negative, positive, share

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


# The day on which the best known contract of the field, JLP-2411, matured: any number would do.
DEFAULT_SEED = 20_241_130


class YieldForecast(Protocol):
    """Predictive distribution of the settled APY over a holding period (forecast.md 4)."""

    @property
    def mean_apy(self) -> float:
        """Mean of the samples."""

    @property
    def sd_apy(self) -> float:
        """Standard deviation of the samples."""

    @property
    def start(self) -> datetime:
        """Begin of the period."""

    @property
    def end(self) -> datetime:
        """End of the period."""

    @property
    def samples(self) -> NDArray[np.float64]:
        """Equally likely outcomes."""

    @property
    def known_fraction(self) -> float:
        """Part of the period that is already observed."""

    @property
    def model_version(self) -> str:
        """Version of the model."""

    @property
    def definition(self) -> str:
        """What is forecast, in words."""


def above_minus_one(name: str) -> Bound:
    """Return the bound on a rate: above -1, since nothing can lose more than everything."""
    return Bound(name, lambda **given: given[name] > -1, "must be above -1: a rate cannot lose everything")


def probability(name: str) -> Bound:
    """Return the bound on a probability or a part of a whole, both ends allowed."""
    return Bound(name, lambda **given: (given[name] >= 0) & (given[name] <= 1), "must lie in [0, 1]")


Forecaster: TypeAlias = Callable[[str, datetime, datetime], YieldForecast]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitYield:
    """Implied yield at the exit: normal with ``mean`` and ``sd``.

    ``rho`` is its correlation with the settled APY; ``proxy`` says in words where ``sd`` was measured if it is
    not the contract's own history.
    """

    mean: float
    sd: float
    rho: float = 0.0
    proxy: str | None = None

    def __post_init__(self) -> None:
        checked("exit mean", self.mean, above_minus_one("exit mean"))
        checked("exit sd", self.sd, not_negative("exit sd"))
        checked("rho", self.rho, Bound("rho", lambda rho: (rho >= -1) & (rho <= 1), "must lie in [-1, 1]"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BorrowForecast:
    """Average borrow APY over the holding period: normal with ``mean_apy`` and ``sd_apy``."""

    mean_apy: float
    sd_apy: float

    def __post_init__(self) -> None:
        checked("borrow mean_apy", self.mean_apy, not_negative("borrow mean_apy"))
        checked("borrow sd_apy", self.sd_apy, not_negative("borrow sd_apy"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRisk:
    """Price of the underlying in units of the debt: lognormal, ``vol`` a year, mean growth 0."""

    vol: float

    def __post_init__(self) -> None:
        checked("vol", self.vol, not_negative("vol"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The user's own costs, which no venue publishes; the defaults leave them out.

    Parameters
    ----------
    exit_slippage
        Share lost when a token is sold before maturity; where a pool's depth is stored, on top of what its fill
        costs.
    swap
        Share of the capital lost on the way into ST, and again on the way out.
    flash_fee
        Share of the debt charged on opening and on closing a loop; None takes the lender's.
    gas_usd
        Gas of the whole round trip.
    """

    exit_slippage: float = 0.0
    swap: float = 0.0
    flash_fee: float | None = None
    gas_usd: float = 0.0

    def __post_init__(self) -> None:
        for name in ("exit_slippage", "swap", "flash_fee"):
            if getattr(self, name) is not None:
                checked(name, getattr(self, name), share(name))
        checked("gas_usd", self.gas_usd, not_negative("gas_usd"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What may come: the arguments of a strategy's ``pnl``, each a number or an array.

    Parameters
    ----------
    settled_apy
        APY that the underlying settles at over the holding period.
    exit_implied
        Implied yield at which the position is closed.
    borrow_apy
        Average borrow APY over the holding period.
    underlying_ratio
        Price of the underlying at the end over the price now, in units of the debt.
    redemption_factor
        ST paid for one PT at maturity.
    debt_ratio
        Price of what is owed at the end over the price now; 1 for dollars.
    """

    settled_apy: Any = None
    exit_implied: Any = None
    borrow_apy: Any = None
    underlying_ratio: Any = 1.0
    redemption_factor: Any = 1.0
    debt_ratio: Any = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenSettings:
    """Everything that decides a screen besides the view; the defaults are the documented ones.

    Parameters
    ----------
    size_usd
        Own capital of each trade.
    horizon_days
        Holding period; None takes each strategy's own.
    leverage
        Leverage of levered trades; None takes ``default_leverage``, or the cap of the trade where lower.
    max_leverage
        No trade is levered beyond this.
    min_edge
        Smallest expected PnL over the horizon, fraction of the capital.
    max_p_loss, max_p_liquidation
        Largest probabilities accepted.
    kappa
        Weight of the expected shortfall in the score.
    hurdle
        APY the capital must beat; None takes the best USDC supply rate of ``hurdle_markets``.
    random_seed, draws
        Seed of all random numbers; outcomes a row where the forecast brings no samples.
    costs, borrow
        The user's own costs and borrow forecast.
    exit_yields
        The user's own exit yields, by contract.
    liquidation_loss
        Part of the capital lost in a liquidation.
    max_exit_impact
        Largest price impact accepted when a trade is left before maturity, where the pool's depth is stored.
    max_quote_age_days, max_rate_age_days
        Older figures are flagged ``stale``; older than ``reject_age_factor`` times that, rejected.
    min_liquidity_usd, min_exit_changes, exit_proxy_venue
        Quotes of thinner markets do not count for the exit yield; changes needed to measure its spread; where
        it is measured if the contract and its venue have too few.
    period_days
        Holding period of an interest-period trade whose underlying has no publication calendar.
    apy_from_days
        Horizon from which an annual return is shown; below it the return over the horizon is the headline.
    lender, lending_market, debt_asset
        Who lends against PT, where its rates are stored, and what is borrowed.
    resolved_probability
        A probability of loss below this is flagged ``tail_unresolved``: forecasts cut their paths at the 1st and
        99th percentile, so what lies beyond is not counted.
    simulation_gap, liquidation_gap, simulation_gate
        Difference of probabilities, and probability of liquidation, from which the simulation is the headline;
        bound on the probability of liquidation below which no paths are simulated.
    execution_delay_seconds
        Time between the two trades of a creation or redemption, over which prices may move apart: a minute by
        default, a choice of this project.
    preset
        Name of the preset whose thresholds stand where the user gave none; said, not read.
    """

    size_usd: float
    horizon_days: float | None = None
    leverage: float | None = None
    default_leverage: float = 5.0
    max_leverage: float | None = None
    min_edge: float | None = None
    max_p_loss: float | None = None
    max_p_liquidation: float | None = None
    kappa: float = 0.25
    hurdle: float | None = None
    hurdle_markets: tuple[str, ...] = ("kamino_main", "aave_v3_eth")
    random_seed: int = DEFAULT_SEED
    draws: int = 4_000
    costs: Costs = field(default_factory=Costs)
    borrow: BorrowForecast | None = None
    exit_yields: Mapping[str, ExitYield] = field(default_factory=lambda: MappingProxyType({}))
    liquidation_loss: float = 1.0
    max_exit_impact: float = 0.01
    max_quote_age_days: float = 1.0
    max_rate_age_days: float = 1.0
    reject_age_factor: float = 4.0
    min_liquidity_usd: float = 10_000.0
    min_exit_changes: int = 10
    exit_proxy_venue: str = "pendle"
    period_days: float = 7.0
    apy_from_days: float = 30.0
    lender: str = "kamino"
    lending_market: str = "kamino_main"
    debt_asset: str = "USDC"
    resolved_probability: float = 0.01
    simulation_gap: float = 0.02
    liquidation_gap: float = 0.001
    simulation_gate: float = 0.0001
    execution_delay_seconds: float = 60.0
    preset: str | None = None

    def __post_init__(self) -> None:
        for name in (*_POSITIVE, *_POSITIVE_OR_NONE):
            self._check(name, positive(name))
        for name in ("max_p_loss", "max_p_liquidation", "liquidation_loss"):
            self._check(name, probability(name))
        self._check("max_exit_impact", positive("max_exit_impact"), share("max_exit_impact"))
        self._check("min_edge")
        self._check("hurdle", above_minus_one("hurdle"))
        for name in ("kappa", "execution_delay_seconds"):
            self._check(name, not_negative(name))

    def _check(self, name: str, *bounds: Bound) -> None:
        value = getattr(self, name)
        if value is not None:
            checked(name, value, *bounds)


_POSITIVE = (
    "size_usd",
    "default_leverage",
    "max_quote_age_days",
    "max_rate_age_days",
    "reject_age_factor",
    "period_days",
    "draws",
)
_POSITIVE_OR_NONE = ("horizon_days", "leverage", "max_leverage")
