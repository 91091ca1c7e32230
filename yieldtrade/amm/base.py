"""The interface of every venue, and the values that it returns (amm.md 1-2).

A venue is an immutable value. Quoting never changes it; a fill carries the venue as the trade leaves it.
Prices and amounts are in ST, yields are effective annual fractions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from yieldtrade.conventions import utc
from yieldtrade.elementwise import OnError, as_array
from yieldtrade.errors import DomainError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

Amount: TypeAlias = Any
"""A float, or a float64 array where the size, the target or the state was one."""
Token: TypeAlias = Literal["PT", "YT"]
Unit: TypeAlias = Literal["token", "st"]
Route: TypeAlias = Literal["native", "flash", "synthetic"]
Path: TypeAlias = Literal["float", "integer", "approx"]
Binding: TypeAlias = Literal["proportion_cap", "rate_floor", "proceeds_peak", "range_end", "reserve", "none"]

MOVES_BP = (5, 10, 25, 50, 100, 250, 500)

LOWEST_YIELD, HIGHEST_YIELD = 1e-9, 1e6
"""The yields at which liquidity without an end is taken to end: prices and yields stay representable."""


class Side(StrEnum):
    """What the trader does, and with which token."""

    BUY_PT = "BUY_PT"
    SELL_PT = "SELL_PT"
    BUY_YT = "BUY_YT"
    SELL_YT = "SELL_YT"

    @classmethod
    def _missing_(cls, value: object) -> Side:
        raise DomainError(f"side = {value!r}: allowed are {', '.join(cls)}")

    @property
    def is_pt(self) -> bool:
        """Whether PT is traded, rather than YT."""
        return self in (Side.BUY_PT, Side.SELL_PT)

    @property
    def is_buy(self) -> bool:
        """Whether the trader pays ST."""
        return self in (Side.BUY_PT, Side.BUY_YT)

    @property
    def raises_yield(self) -> bool:
        """Whether the trade raises the implied yield."""
        return self in (Side.SELL_PT, Side.BUY_YT)


def side_towards(token: Token, *, rising: bool) -> Side:
    """Return the side of ``token`` that raises (or lowers) the implied yield.

    Raises
    ------
    DomainError
        ``token`` is neither ``"PT"`` nor ``"YT"``.
    """
    if is_pt(token):
        return Side.SELL_PT if rising else Side.BUY_PT
    return Side.BUY_YT if rising else Side.SELL_YT


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The largest trade on one side: tokens, the ST it moves with fees, and the `Binding` limit."""

    size: Amount
    st: Amount
    binding: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """A trade as it would be executed (amm.md 2); every number is an array where the size was one.

    Attributes
    ----------
    side
        What was traded; an array of names where targets of one call lie on both sides of the yield.
    units, st_amount
        Tokens, and ST paid (buy) or received (sell) with fees; both positive.
    gross, fee, fee_lp, fee_protocol
        ST. ``st_amount = gross + fee`` on a buy, ``gross - fee`` on a sell; ``fee = fee_lp + fee_protocol``.
    average_price
        ST per token, with fees; the spot price for a size of 0.
    spot_before, spot_after
        Marginal price of the traded token without fee, ST.
    pre_trade_yield, post_trade_yield, yield_impact
        Implied yields before and after, and their difference, signed.
    execution_yield
        Implied yield of ``average_price``: the rate locked (PT) or paid (YT). NaN where no finite yield gives
        that price.
    price_impact, total_cost
        Cost of size relative to the spot price, without and with the fee; a fraction, 0 or more.
    route
        ``native``, ``flash`` or ``synthetic``: how the venue reaches the token.
    amm_after
        The venue after the trade; unchanged where an element was refused.
    path
        ``float``, ``integer``, or ``approx`` for a curve built from a quoted depth.
    warnings
        Names of what a careful reader should know.
    """

    side: Any
    units: Amount
    st_amount: Amount
    gross: Amount
    fee: Amount
    fee_lp: Amount
    fee_protocol: Amount
    average_price: Amount
    spot_before: Amount
    spot_after: Amount
    pre_trade_yield: Amount
    post_trade_yield: Amount
    yield_impact: Amount
    execution_yield: Amount
    price_impact: Amount
    total_cost: Amount
    route: Route
    amm_after: Amm
    path: Path
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthRow:
    """One trade from the current state: how much moves the yield by ``move_bp``, and at what cost.

    A move that cannot be reached keeps its row, without size, and names the limit in ``binding``; a size that
    cannot trade keeps its row without the rest.
    """

    move_bp: float | None
    target_yield: float | None
    side: Side
    size: float | None
    st_amount: float | None
    average_price: float | None
    price_impact: float | None
    fee: float | None
    reachable: bool
    binding: Binding


class Amm(Protocol):
    """What every venue can be asked (amm.md 1)."""

    @property
    def as_of(self) -> datetime:
        """Moment of the state."""

    @property
    def implied_yield(self) -> Amount:
        """Implied yield, effective annual."""

    def spot(self, token: Token) -> Amount:
        """Marginal price of ``token`` in ST, without trading fee."""

    def quote(
        self,
        side: Side | str,
        size: Any,
        unit: Unit = "token",
        *,
        exact: bool = False,
        on_error: OnError = "raise",
    ) -> Fill:
        """Price a trade of ``size`` tokens, or one that spends or raises ``size`` ST."""

    def max_size(self, side: Side | str) -> Capacity:
        """Return the largest trade."""

    def size_for_yield(self, target: Any, family: Token = "YT", *, on_error: OnError = "raise") -> Fill:
        """Price the trade that moves the implied yield to ``target``."""

    def size_for_budget(self, side: Side | str, st: Any, *, on_error: OnError = "raise") -> Fill:
        """Price the trade that spends (buy) or raises (sell) ``st``, fees included."""

    def size_for_impact(self, side: Side | str, impact: Any) -> Fill:
        """Price the largest trade whose price impact stays within ``impact``."""

    def depth(
        self, moves_bp: Sequence[float] = MOVES_BP, *, sizes: Sequence[float] = (), family: Token = "YT"
    ) -> tuple[DepthRow, ...]:
        """Tabulate size and cost against moves of the yield."""

    def at(self, now: datetime) -> Amm:
        """Return the venue with the same reserves at another moment."""


def is_pt(token: str) -> bool:
    """Whether ``token`` is ``"PT"`` rather than ``"YT"``; anything else is refused.

    Raises
    ------
    DomainError
        Another name.
    """
    if token not in _IS_PT:
        raise DomainError(f"token = {token!r}: allowed are 'PT' and 'YT'")
    return _IS_PT[token]


_IS_PT = {"PT": True, "YT": False}


def check_state(name: str, value: Amount, *, lowest: float = 0.0, highest: float = math.inf) -> None:
    """Refuse a state or parameter that is not a finite number from ``lowest`` to ``highest``."""
    if not _all_hold(
        name, value, lambda number: (number >= lowest) & (number <= highest) & (number < math.inf)
    ):
        upper = f" and at most {highest:g}" if math.isfinite(highest) else ""
        raise DomainError(f"{name} = {value!r}: a finite number of at least {lowest:g}{upper} is required")


def check_share(name: str, value: Amount) -> None:
    """Refuse a fee that is not from 0 to below 1."""
    if not _all_hold(name, value, lambda number: (number >= 0) & (number < 1)):
        raise DomainError(f"{name} = {value!r}: a fraction from 0 to below 1 is required")


def check_reserve(name: str, value: Amount) -> None:
    """Refuse a reserve that is not a positive finite number: an empty pool cannot be priced."""
    if not _all_hold(name, value, lambda number: (number > 0) & (number < math.inf)):
        raise DomainError(
            f"{name} = {value!r}: a positive finite amount is required; an empty pool has no price"
        )


def _all_hold(name: str, value: Amount, holds: Callable[[Amount], Any]) -> bool:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return bool(holds(value))
    return bool(holds(as_array(name, value)).all())


def check_moments(as_of: datetime, maturity: datetime) -> None:
    """Refuse moments without a time zone."""
    utc(as_of, "as_of")
    utc(maturity, "maturity")
