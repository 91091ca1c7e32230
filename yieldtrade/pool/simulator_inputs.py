"""Rules of the simulated pool and what is done to it, each refused where it is stated (pdlp.md 10, 13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from yieldtrade.elementwise import Bound, check_choice, not_negative, positive, share
from yieldtrade.errors import MarketDefinitionError
from yieldtrade.pool.simulator_state import index, settle_numbers, vector, whole_number
from yieldtrade.pool.state import PositionSide, checked_weights, settle_fields

if TYPE_CHECKING:
    from yieldtrade.pool.discounts import Discount

StepOrder: TypeAlias = Literal["paper", "appendix"]
FeeBase: TypeAlias = Literal["entry", "current"]


def _fraction(name: str) -> Bound:
    return Bound(name, lambda **given: (given[name] > 0) & (given[name] <= 1), "must be in (0, 1]")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatorParameters:
    """The rules of a simulated pool.

    Attributes
    ----------
    kappa
        Slope of the linear funding rate a period, 0 or more; 0 is none. A number, or one for each asset.
    fee
        Lending fee f a period, fraction of the notional. A number, or one for each asset.
    pool_share
        Share s of the fee that goes to the pool; the rest is the protocol's.
    maintenance
        Share of a position's current notional that its equity must exceed; 0 in the paper. A number, or one for
        each asset.
    order
        ``"paper"``: fees before updates and orders; ``"appendix"``: last, and from new positions too (E21).
    fee_base
        Notional that pays: at the ``"entry"`` price or the ``"current"`` one.
    discount
        F(prices, target, reserves, change) of a change of the reserves in units; None is F = 0.
    target_weights
        By asset, on the simplex; needed by ``discount`` and ``weight_failsafe``.
    weight_failsafe
        How far a weight may lie from its target, as a fraction of that; None is no limit.
    aum_limit_usd
        Net asset value beyond which nothing is deposited; None is no limit.
    max_leverage
        Of an opened position; None is no limit.
    first_share_price
        USD a share of the first deposit into an empty pool.
    """

    kappa: Any
    fee: Any
    pool_share: Any
    maintenance: Any = 0.0
    order: StepOrder = "paper"
    fee_base: FeeBase = "entry"
    discount: Discount | None = None
    target_weights: Any | None = None
    weight_failsafe: float | None = None
    aum_limit_usd: float | None = None
    max_leverage: float | None = None
    first_share_price: float = 1.0

    def __post_init__(self) -> None:
        settle_fields(self, ("kappa",), not_negative)
        settle_fields(self, ("fee", "maintenance"), share)
        settle_numbers(self, ("pool_share",), share)
        for name, bound in (
            ("weight_failsafe", not_negative),
            ("aum_limit_usd", positive),
            ("max_leverage", positive),
            ("first_share_price", positive),
        ):
            if getattr(self, name) is not None:
                settle_numbers(self, (name,), bound)
        check_choice("order", self.order, ("paper", "appendix"))
        check_choice("fee_base", self.fee_base, ("entry", "current"))
        self._settle_targets()

    def _settle_targets(self) -> None:
        if self.target_weights is not None:
            row = vector("target_weights", self.target_weights)
            checked_weights({str(asset): weight for asset, weight in enumerate(row.tolist())})
            object.__setattr__(self, "target_weights", row)
            return
        for name in ("discount", "weight_failsafe"):
            if getattr(self, name) is not None:
                raise MarketDefinitionError(f"{name} needs target_weights")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Deposit:
    """A basket paid in for new shares: units by asset, 0 or more."""

    amounts: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "amounts", vector("amounts", self.amounts, not_negative("amounts")))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Redemption:
    """Shares returned for a basket.

    ``weights`` are the shares of the basket's value by asset, summing to 1; None takes every asset in proportion
    to its available units.
    """

    shares: Any
    weights: Any | None = None

    def __post_init__(self) -> None:
        settle_numbers(self, ("shares",), positive)
        if self.weights is not None:
            row = vector("weights", self.weights)
            checked_weights({str(asset): weight for asset, weight in enumerate(row.tolist())})
            object.__setattr__(self, "weights", row)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BasketRedemption:
    """A basket taken out for as many shares as it costs: units by asset, 0 or more."""

    basket: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "basket", vector("basket", self.basket, not_negative("basket")))


LpUpdate: TypeAlias = Deposit | Redemption | BasketRedemption


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenOrder:
    """A position to open at the oracle price: units, USD of collateral, leverage without its sign."""

    id: int
    asset: int
    side: PositionSide
    size: Any
    collateral: Any
    leverage: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", whole_number("id", self.id))
        object.__setattr__(self, "asset", index("asset", self.asset))
        check_choice("side", self.side, ("long", "short"))
        settle_numbers(self, ("size", "collateral", "leverage"), positive)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CloseOrder:
    """A share of a position, by its id, to close at the oracle price."""

    id: int
    fraction: Any = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", whole_number("id", self.id))
        settle_numbers(self, ("fraction",), _fraction)


Order: TypeAlias = OpenOrder | CloseOrder


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Period:
    """What happens in one step: oracle prices, then updates of liquidity and orders in their order."""

    prices: Any
    lp_updates: tuple[LpUpdate, ...] = ()
    orders: tuple[Order, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "prices", vector("prices", self.prices, positive("prices")))
        object.__setattr__(self, "lp_updates", tuple(self.lp_updates))
        object.__setattr__(self, "orders", tuple(self.orders))
