"""What is left of a leveraged position when it is closed, and who gets it (pool.md 9).

Money is USD; functions take numbers or arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from yieldtrade.elementwise import (
    Bound,
    check_choice,
    checked,
    evaluate,
    namespace,
    not_negative,
    positive,
    where,
)
from yieldtrade.errors import DomainError
from yieldtrade.pool.state import PerpPosition

Remainder: TypeAlias = Literal["pool", "trader"]

OPEN_FEE_COVERED = Bound(
    "open_fee_usd",
    lambda open_fee_usd, collateral_usd, **_: open_fee_usd <= collateral_usd,
    "exceeds the collateral",
)


class Settlement(NamedTuple):
    """How what is left of a position is shared out, USD.

    Attributes
    ----------
    payout_usd
        To the trader.
    liquidation_fee_usd
        Kept by the pool at a liquidation: all that is left.
    pool_shortfall_usd
        Loss beyond the collateral, which the pool bears.
    liquidated
        Whether the position was past liquidation.
    """

    payout_usd: Any
    liquidation_fee_usd: Any
    pool_shortfall_usd: Any
    liquidated: Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CloseResult:
    """What a close, whole or partial, pays and leaves.

    Attributes
    ----------
    position
        The position before it.
    pnl_usd, close_fee_usd, borrow_fee_usd
        Realised, and charged, on what was closed.
    liquidation_fee_usd, payout_usd, pool_shortfall_usd, liquidated
        As in `Settlement`.
    remaining_size_usd, remaining_collateral_usd
        What stays open; 0 where nothing does.
    """

    position: PerpPosition
    pnl_usd: Any
    close_fee_usd: Any
    borrow_fee_usd: Any
    liquidation_fee_usd: Any
    payout_usd: Any
    pool_shortfall_usd: Any
    liquidated: Any
    remaining_size_usd: Any
    remaining_collateral_usd: Any

    @property
    def remaining(self) -> PerpPosition | None:
        """The position that stays open, None where nothing does.

        Raises
        ------
        DomainError
            In arrays, some elements stay open and others do not; read ``remaining_size_usd``.
        """
        size = self.remaining_size_usd
        if isinstance(size, float):
            return self._rest() if size > 0 else None
        closed = size == 0
        if closed.all():
            return None
        if closed.any():
            raise DomainError(
                f"remaining: of {closed.size} positions {int(closed.sum())} are closed, the others stay open; "
                "read remaining_size_usd"
            )
        return self._rest()

    def _rest(self) -> PerpPosition:
        return PerpPosition(
            side=self.position.side,
            size_usd=self.remaining_size_usd,
            collateral_usd=self.remaining_collateral_usd,
            entry_price=self.position.entry_price,
            borrow_index=self.position.borrow_index,
            opened_at=self.position.opened_at,
        )


def settlement(
    *,
    collateral_usd: Any,
    pnl_usd: Any,
    close_fee_usd: Any,
    borrow_fee_usd: Any,
    size_usd: Any,
    max_leverage: Any,
    open_fee_usd: Any = 0.0,
    remainder_to: Remainder = "pool",
) -> Settlement:
    """Share out ``collateral - open_fee + pnl - close - borrow``: to the trader, or at a liquidation the pool.

    The payout identity of pool.md 9.

    Parameters
    ----------
    collateral_usd
        Collateral posted, before ``open_fee_usd``.
    pnl_usd
        Profit of the price, before fees.
    close_fee_usd, borrow_fee_usd
        Charged at this close.
    size_usd, max_leverage
        Liquidated if less than ``size/max_leverage`` is left.
    open_fee_usd
        Charged on the collateral; 0 where the collateral is stated after it.
    remainder_to
        Who keeps what a liquidation leaves: the pool, or, before 2023-12-19, the trader.

    Raises
    ------
    DomainError
        A value outside its domain; an open fee larger than the collateral.
    """
    check_choice("remainder_to", remainder_to, ("pool", "trader"))
    amounts = {
        "open_fee_usd": open_fee_usd,
        "collateral_usd": collateral_usd,
        "close_fee_usd": close_fee_usd,
        "borrow_fee_usd": borrow_fee_usd,
    }
    terms = {"size_usd": size_usd, "max_leverage": max_leverage}
    bounds = (*map(not_negative, amounts), *map(positive, terms), OPEN_FEE_COVERED)
    left = evaluate(_left, bounds, "raise", **amounts, pnl_usd=pnl_usd, **terms)
    liquidated = left < checked("size_usd", size_usd) / checked("max_leverage", max_leverage)
    xp = namespace(left)
    worth = where(xp, left > 0, left, 0.0)
    to_pool = where(xp, liquidated, worth, 0.0) if remainder_to == "pool" else 0.0 * worth
    return Settlement(worth - to_pool, to_pool, where(xp, left < 0, -left, 0.0), liquidated)


def _left(
    _xp: Any,
    open_fee_usd: Any,
    collateral_usd: Any,
    close_fee_usd: Any,
    borrow_fee_usd: Any,
    pnl_usd: Any,
    **_: Any,
) -> Any:
    return collateral_usd - open_fee_usd + pnl_usd - close_fee_usd - borrow_fee_usd
