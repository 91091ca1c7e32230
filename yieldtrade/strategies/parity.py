"""Parity arbitrage: one PT and one YT of a contract are one ST, whatever they trade at (amm.md 1-2).

Either an ST is split and both halves sold, or both are bought and joined. Amounts are ST. Nothing is held
afterwards, so that no scenario moves the profit; what stays a risk is that the second leg is not filled as quoted.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.amm.base import Side
from yieldtrade.elementwise import Bound, check_choice, checked, evaluate, not_negative, positive, share
from yieldtrade.errors import DomainError
from yieldtrade.strategies.row import BreakEven

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yieldtrade.amm.base import Amm, Fill
    from yieldtrade.strategies.inputs import Scenario

ParityDirection: TypeAlias = Literal["mint_and_sell", "buy_and_redeem"]

_SIDES: Mapping[str, tuple[Side, Side]] = MappingProxyType(
    {"mint_and_sell": (Side.SELL_PT, Side.SELL_YT), "buy_and_redeem": (Side.BUY_PT, Side.BUY_YT)}
)
_PAIRED = Bound(
    "yt_units", lambda pt_units, yt_units: pt_units == yt_units, "must equal the PT of the other leg"
)


class QuotedFill(NamedTuple):
    """A trade at a quoted price, where no pool is known: as a `Fill` is read, with no impact of its size."""

    side: Side
    units: Any
    st_amount: Any
    gross: Any
    fee: Any
    spot_before: Any


def quoted_fill(side: Side, units: Any, price: Any, fee: float) -> QuotedFill:
    """Return a trade at a quoted price; ``fee`` is a share of what is paid or received.

    Raises
    ------
    DomainError
        Units or a price that is not above 0, or a fee outside [0, 1).
    """
    checked("units", units, positive("units"))
    checked("price", price, positive("price"))
    checked("fee", fee, share("fee"))
    gross = units * price
    paid = gross * (1.0 + fee) if side.is_buy else gross * (1.0 - fee)
    return QuotedFill(side, units, paid, gross, gross * fee, price)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ParityArbitrage:
    """Equal numbers of PT and YT of one contract against ST.

    Parameters
    ----------
    direction
        ``mint_and_sell`` splits ST and sells both, ``buy_and_redeem`` buys both and joins them.
    pt, yt
        Fills of the two legs, fees included. On one pool the second is quoted on the state that the first
        leaves: see :func:`parity_at`. Where only prices are quoted, see :func:`quoted_fill`.
    fee
        Share of the ST split, or of the ST joined, that the protocol keeps.
    gas_st
        Gas of the whole trade.

    Raises
    ------
    DomainError
        Fills of another side or of different sizes, or a value outside its range.
    """

    direction: ParityDirection
    pt: Fill | QuotedFill
    yt: Fill | QuotedFill
    fee: float = 0.0
    gas_st: float = 0.0

    def __post_init__(self) -> None:
        check_choice("direction", self.direction, tuple(_SIDES))
        for leg, fill, side in zip(("pt", "yt"), (self.pt, self.yt), _SIDES[self.direction], strict=True):
            if fill.side is not side:
                raise DomainError(f"{leg} is a fill of {fill.side!s}: {self.direction} needs {side!s}")
        evaluate(
            lambda xp, pt_units, yt_units: pt_units,
            (positive("pt_units"), _PAIRED),
            "raise",
            pt_units=self.pt.units,
            yt_units=self.yt.units,
        )
        checked("fee", self.fee, share("fee"))
        checked("gas_st", self.gas_st, not_negative("gas_st"))

    @property
    def _sign(self) -> int:
        """1 where PT and YT are sold."""
        return 1 if self.direction == "mint_and_sell" else -1

    @property
    def st_for_pairs(self) -> Any:
        """ST that the pairs cost to split, ``N/(1-fee)``, or bring when joined, ``N*(1-fee)``."""
        units = self.pt.units
        return units / (1.0 - self.fee) if self._sign > 0 else units * (1.0 - self.fee)

    @property
    def outlay(self) -> Any:
        """ST that the trade needs at its beginning."""
        return self.st_for_pairs if self._sign > 0 else self.pt.st_amount + self.yt.st_amount

    def pnl(self, scenario: Scenario | None = None) -> Any:  # noqa: ARG002 - nothing is held: no scenario moves it
        """Profit, ST: both legs against the ST of the pairs, less gas."""
        return self._sign * (self.pt.st_amount + self.yt.st_amount - self.st_for_pairs) - self.gas_st

    def gradient(self, scenario: Scenario | None = None) -> Mapping[str, float]:  # noqa: ARG002
        """Derivatives of the profit: none, since nothing is held."""
        return {}

    def naive(self) -> Any:
        """Figure that most screens show: distance of the spot prices from parity, ST a pair.

        Each price is that at which its own leg begins: on one pool the second holds the impact of the first.
        """
        return self._sign * (self.pt.spot_before + self.yt.spot_before - 1.0)

    def decomposition(self) -> dict[str, Any]:
        """Profit by cause; the parts add up to ``pnl``."""
        units, sign = self.pt.units, self._sign
        return {
            "gap": units * self.naive(),
            "pt_impact": sign * (self.pt.gross - units * self.pt.spot_before),
            "yt_impact": sign * (self.yt.gross - units * self.yt.spot_before),
            "pt_fee": -self.pt.fee,
            "yt_fee": -self.yt.fee,
            "protocol_fee": -sign * (self.st_for_pairs - units),
            "gas": -self.gas_st,
        }

    def break_evens(self) -> dict[str, BreakEven]:
        """Average price of each leg, fees included, at which nothing is left with the other as filled; one size."""
        room = self.st_for_pairs + self._sign * self.gas_st
        legs = {"pt_price": self.yt, "yt_price": self.pt}
        return {name: _price((room - other.st_amount) / self.pt.units) for name, other in legs.items()}


def _price(price: float) -> BreakEven:
    if price <= 0:
        return BreakEven(None, "never", "the other leg costs more than the pair brings")
    return BreakEven(float(price), "value")


def parity_at(
    direction: ParityDirection,
    units: Any,
    pt_venue: Amm,
    yt_venue: Amm | None = None,
    *,
    fee: float = 0.0,
    gas_st: float = 0.0,
) -> ParityArbitrage:
    """Quote both legs at a size.

    Parameters
    ----------
    direction, fee, gas_st
        See `ParityArbitrage`.
    units
        PT and YT, numbers or an array, above 0.
    pt_venue, yt_venue
        Where each is traded; None trades the YT where the PT was, on the state that leaves.

    Raises
    ------
    CapacityError
        A venue does not take the size.
    DomainError
        As `ParityArbitrage`.
    """
    check_choice("direction", direction, tuple(_SIDES))
    pt_side, yt_side = _SIDES[direction]
    pt = pt_venue.quote(pt_side, units)
    yt = (pt.amm_after if yt_venue is None else yt_venue).quote(yt_side, units)
    return ParityArbitrage(direction=direction, pt=pt, yt=yt, fee=fee, gas_st=gas_st)
