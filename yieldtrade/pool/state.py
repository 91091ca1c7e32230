"""What a pool holds at a moment, and the positions and loans against it (pool.md 1).

Amounts are whole tokens, USD and fractions. A number may be an array, so that one state stands for many
scenarios; all arrays of a state broadcast together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import fsum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from yieldtrade.conventions import utc
from yieldtrade.elementwise import Bound, check_choice, checked, evaluate, not_negative, positive
from yieldtrade.errors import DomainError, MarketDefinitionError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

PositionSide: TypeAlias = Literal["long", "short"]
Fields: TypeAlias = "tuple[str, ...]"

# Target weights must sum to 1 within this (pool.md 13).
WEIGHT_TOLERANCE = 1e-9


def settle_fields(value: Any, names: Fields, *bounds: Any) -> None:
    """Replace the numbers of a frozen value object by themselves as floats or arrays, once they are sound.

    ``bounds`` are makers of a `Bound` from an argument's name, such as `positive`.
    """
    for name in names:
        made = tuple(bound(name) for bound in bounds)
        object.__setattr__(value, name, checked(name, getattr(value, name), *made))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CustodyState:
    """What the pool holds of one asset.

    Attributes
    ----------
    asset
        Its name, such as ``"SOL"``.
    is_stable
        Whether it is a dollar stablecoin.
    owned, locked
        Tokens of the pool, and those of them that back open positions. ``locked`` may exceed ``owned``; the AUM
        then counts nothing as free and is marked clamped.
    price
        USD a token, above 0.
    debt
        Tokens lent out (USDC of JLP loans), without interest accrued.
    guaranteed_usd
        Size less collateral of the open longs, at their last update.
    short_sizes_usd, short_avg_price
        Open shorts: total size, and their size-weighted mean entry price; both 0 for an empty book.
    fees_reserves
        Tokens of fees collected and not yet distributed.
    decimals
        Of the token's smallest unit; only exact forms need it.
    """

    asset: str
    is_stable: bool
    owned: Any
    price: Any
    locked: Any = 0.0
    debt: Any = 0.0
    guaranteed_usd: Any = 0.0
    short_sizes_usd: Any = 0.0
    short_avg_price: Any = 0.0
    fees_reserves: Any = 0.0
    decimals: int | None = None

    def __post_init__(self) -> None:
        try:
            settle_fields(self, ("price",), positive)
            amounts = ("owned", "locked", "debt", "guaranteed_usd", "short_sizes_usd")
            settle_fields(self, (*amounts, "short_avg_price", "fees_reserves"), not_negative)
            _check_book(self.short_sizes_usd, self.short_avg_price)
        except DomainError as error:
            raise DomainError(f"custody of {self.asset}: {error}") from None


def _check_book(sizes: Any, average: Any) -> None:
    evaluate(
        lambda xp, short_avg_price, sizes: short_avg_price,
        (
            Bound(
                "short_avg_price",
                lambda short_avg_price, sizes: (short_avg_price > 0) | (sizes == 0),
                "with open shorts: their mean entry price must be above 0",
            ),
        ),
        "raise",
        short_avg_price=average,
        sizes=sizes,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoolState:
    """A pool at a moment.

    Attributes
    ----------
    custodies
        What it holds, an entry an asset; their order means nothing.
    supply
        Share tokens in circulation.
    target_weights
        Target share of the AUM by asset; empty where they are not known.
    aum_limit_usd
        AUM at which minting stops; None where it is not known.
    as_of
        Moment of the state; None for a state that is not of any.
    """

    custodies: tuple[CustodyState, ...]
    supply: Any
    target_weights: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    aum_limit_usd: Any | None = None
    as_of: datetime | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "custodies", tuple(self.custodies))
        settle_fields(self, ("supply",), not_negative)
        if self.aum_limit_usd is not None:
            settle_fields(self, ("aum_limit_usd",), positive)
        if self.as_of is not None:
            object.__setattr__(self, "as_of", utc(self.as_of, "as_of"))
        names = [custody.asset for custody in self.custodies]
        if not names:
            raise DomainError("custodies: a pool holds at least one asset")
        if len(set(names)) < len(names):
            raise DomainError(f"custodies {', '.join(names)}: an asset is there twice")
        if self.target_weights:
            object.__setattr__(self, "target_weights", MappingProxyType(checked_weights(self.target_weights)))

    def __iter__(self) -> Iterator[CustodyState]:
        return iter(self.custodies)

    def custody(self, asset: str) -> CustodyState:
        """Return the custody of an asset.

        Raises
        ------
        UnknownNameError
            The pool holds none of it.
        """
        for custody in self.custodies:
            if custody.asset == asset:
                return custody
        raise UnknownNameError("asset of the pool", asset, [c.asset for c in self], "yieldtrade pool POOL")

    def target_weight(self, asset: str) -> float:
        """Return the target weight of an asset that the pool holds.

        Raises
        ------
        UnknownNameError
            The pool holds none of it.
        MarketDefinitionError
            Its target weight is not known.
        """
        self.custody(asset)
        weight = self.target_weights.get(asset)
        if weight is None:
            raise MarketDefinitionError(
                f"the target weight of {asset} is not known; state it as target_weights.{asset}"
            )
        return weight


def checked_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """Return target weights as floats, once none is negative and they sum to 1.

    Raises
    ------
    MarketDefinitionError
        They do not; the message lists them.
    """
    listed = ", ".join(f"{asset} = {weight!r}" for asset, weight in weights.items())
    numbers = {
        asset: float(checked(f"target weight of {asset}", weight)) for asset, weight in weights.items()
    }
    if any(weight < 0 for weight in numbers.values()):
        raise MarketDefinitionError(f"target weights must be 0 or more: {listed}")
    total = fsum(numbers.values())
    if abs(total - 1.0) > WEIGHT_TOLERANCE:
        raise MarketDefinitionError(f"target weights sum to {total:.10g}, not 1: {listed}")
    return numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PerpPosition:
    """A leveraged position of a trader; ``borrow_index`` is the custody's index when its fee last counted."""

    side: PositionSide
    size_usd: Any
    collateral_usd: Any
    entry_price: Any
    borrow_index: Any = 0.0
    opened_at: datetime | None = None

    def __post_init__(self) -> None:
        check_choice("side", self.side, ("long", "short"))
        settle_fields(self, ("size_usd", "entry_price"), positive)
        settle_fields(self, ("collateral_usd", "borrow_index"), not_negative)

    @property
    def direction(self) -> float:
        """Return +1 for a long and -1 for a short."""
        return 1.0 if self.side == "long" else -1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JlpLoan:
    """A loan of USDC against pool shares; ``index`` is the debt index when ``debt_usdc`` was owed."""

    collateral_jlp: Any
    debt_usdc: Any
    index: Any = 1.0
    opened_at: datetime | None = None

    def __post_init__(self) -> None:
        settle_fields(self, ("collateral_jlp", "index"), positive)
        settle_fields(self, ("debt_usdc",), not_negative)
