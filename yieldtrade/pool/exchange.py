"""Position math of a perps exchange with dated fees, as JLP's (pool.md 9).

Money is USD. Collateral is fixed in USD when posted. Fees are amounts, from `yieldtrade.pool.fees`. Every
function takes numbers or arrays, also those of a position; what says yes or no is a bool or an array of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.elementwise import (
    Bound,
    as_fields,
    check_choice,
    checked,
    evaluate,
    namespace,
    not_negative,
    positive,
    where,
)
from yieldtrade.pool.borrowing import borrow_fee
from yieldtrade.pool.settlement import OPEN_FEE_COVERED, CloseResult, Remainder, Settlement, settlement
from yieldtrade.pool.state import PerpPosition, PositionSide

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "CloseResult",
    "FeeBase",
    "LiquidationPrice",
    "PerpPosition",
    "Remainder",
    "Settlement",
    "close_position",
    "effective_leverage",
    "flat_close_fee",
    "increase_position",
    "is_liquidatable",
    "liquidation_price",
    "max_loss",
    "open_position",
    "position_pnl",
    "settlement",
]

FeeBase: TypeAlias = Literal["size", "value"]

_FRACTION = Bound(
    "fraction", lambda fraction, **_: (fraction > 0) & (fraction <= 1), "must be above 0 and at most 1"
)
_FEES = (not_negative("close_fee_usd"), not_negative("borrow_fee_usd"))


class LiquidationPrice(NamedTuple):
    """Where a position is liquidated.

    Attributes
    ----------
    price
        A long is liquidated below it, a short above; 0 where there is none above 0.
    exists
        Whether there is one above 0; a long whose collateral covers its whole size has none.
    past
        Whether the position is liquidatable already.
    """

    price: Any
    exists: Any
    past: Any


def open_position(
    side: PositionSide,
    *,
    size_usd: Any,
    collateral_usd: Any,
    price: Any,
    open_fee_usd: Any = 0.0,
    borrow_index: Any = 0.0,
    opened_at: datetime | None = None,
) -> PerpPosition:
    """Open a position; the fee is taken from the collateral posted (pool.md 9).

    Raises
    ------
    DomainError
        A value outside its domain; a fee larger than the collateral.
    """
    return PerpPosition(
        side=side,
        size_usd=size_usd,
        collateral_usd=_after_fees(collateral_usd, open_fee_usd),
        entry_price=checked("price", price, positive("price")),
        borrow_index=borrow_index,
        opened_at=opened_at,
    )


def increase_position(
    position: PerpPosition,
    *,
    size_usd: Any,
    collateral_usd: Any,
    price: Any,
    open_fee_usd: Any = 0.0,
    borrow_index: Any = None,
) -> PerpPosition:
    """Add to a position; its entry becomes ``(s1+s2)/(s1/e1 + s2/e2)``, which keeps the P&L (pool.md 9).

    Parameters
    ----------
    position
        Before the increase.
    size_usd, collateral_usd, price
        Of the increase; size and collateral may be 0.
    open_fee_usd
        Of the increase, taken from the collateral.
    borrow_index
        Index of the custody now: the fee accrued since the position's own is taken from the collateral, and the
        next counts from here. None where the index has not moved.

    Raises
    ------
    DomainError
        A value outside its domain; an index below the position's; fees larger than the collateral.
    """
    index = position.borrow_index if borrow_index is None else borrow_index
    accrued = borrow_fee(position.size_usd, position.borrow_index, index)
    entry = evaluate(
        lambda _xp, size_usd, price, held, entry: (held + size_usd) / (held / entry + size_usd / price),
        (not_negative("size_usd"), positive("price")),
        "raise",
        size_usd=size_usd,
        price=price,
        held=position.size_usd,
        entry=position.entry_price,
    )
    posted = evaluate(
        lambda _xp, collateral_usd, held: held + collateral_usd,
        (not_negative("collateral_usd"),),
        "raise",
        collateral_usd=collateral_usd,
        held=position.collateral_usd,
    )
    return PerpPosition(
        side=position.side,
        size_usd=position.size_usd + checked("size_usd", size_usd),
        collateral_usd=_after_fees(posted, open_fee_usd, accrued),
        entry_price=entry,
        borrow_index=index,
        opened_at=position.opened_at,
    )


def _after_fees(collateral_usd: Any, open_fee_usd: Any, accrued_usd: Any = 0.0) -> Any:
    covered = Bound(
        "open_fee_usd",
        lambda open_fee_usd, collateral_usd, accrued_usd: open_fee_usd + accrued_usd <= collateral_usd,
        "and the borrow fee accrued exceed the collateral",
    )
    return evaluate(
        lambda _xp, open_fee_usd, collateral_usd, accrued_usd: collateral_usd - open_fee_usd - accrued_usd,
        (not_negative("open_fee_usd"), not_negative("collateral_usd"), OPEN_FEE_COVERED, covered),
        "raise",
        open_fee_usd=open_fee_usd,
        collateral_usd=collateral_usd,
        accrued_usd=accrued_usd,
    )


def position_pnl(position: PerpPosition, price: Any) -> Any:
    """Profit of a position at a price, ``side*size*(p - entry)/entry`` USD, before fees (pool.md 9)."""
    return evaluate(
        lambda _xp, price, size, entry: position.direction * size * (price - entry) / entry,
        (positive("price"),),
        "raise",
        price=price,
        size=position.size_usd,
        entry=position.entry_price,
    )


def max_loss(position: PerpPosition, *, close_fee_usd: Any, borrow_fee_usd: Any, max_leverage: Any) -> Any:
    """Collateral that must stay, ``size/max_leverage + close + borrow`` USD (pool.md 9)."""
    return evaluate(
        lambda _xp, close_fee_usd, borrow_fee_usd, max_leverage, size: (
            size / max_leverage + close_fee_usd + borrow_fee_usd
        ),
        (*_FEES, positive("max_leverage")),
        "raise",
        close_fee_usd=close_fee_usd,
        borrow_fee_usd=borrow_fee_usd,
        max_leverage=max_leverage,
        size=position.size_usd,
    )


def liquidation_price(
    position: PerpPosition,
    *,
    close_fee_usd: Any,
    borrow_fee_usd: Any,
    max_leverage: Any,
    price: Any = None,
) -> LiquidationPrice:
    """Price of liquidation, ``entry - side*(collateral - max_loss)*entry/size`` (pool.md 9).

    Parameters
    ----------
    position
        The position.
    close_fee_usd, borrow_fee_usd
        Of closing all of it.
    max_leverage
        Of the exchange; 500 asks for a margin of 0.2 % of the size.
    price
        Price now, by which ``past`` is judged; None for the entry price.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    terms = {"close_fee_usd": close_fee_usd, "borrow_fee_usd": borrow_fee_usd, "max_leverage": max_leverage}
    found = evaluate(
        lambda _xp, loss, size, collateral, entry: (
            entry - position.direction * (collateral - loss) * entry / size
        ),
        (),
        "raise",
        loss=max_loss(position, **terms),
        size=position.size_usd,
        collateral=position.collateral_usd,
        entry=position.entry_price,
    )
    past = is_liquidatable(position, position.entry_price if price is None else price, **terms)
    xp = namespace(found, 1.0 * past)
    above_0 = found > 0
    return LiquidationPrice(**as_fields(xp, price=where(xp, above_0, found, 0.0), exists=above_0, past=past))


def is_liquidatable(
    position: PerpPosition, price: Any, *, close_fee_usd: Any, borrow_fee_usd: Any, max_leverage: Any
) -> Any:
    """Whether ``collateral + pnl - close - borrow < size/max_leverage``, strictly (pool.md 9).

    Parameters are those of :func:`liquidation_price`, the price now among them.
    """
    return settlement(
        collateral_usd=position.collateral_usd,
        pnl_usd=position_pnl(position, price),
        close_fee_usd=close_fee_usd,
        borrow_fee_usd=borrow_fee_usd,
        size_usd=position.size_usd,
        max_leverage=max_leverage,
    ).liquidated


def effective_leverage(
    position: PerpPosition, price: Any, *, close_fee_usd: Any = 0.0, borrow_fee_usd: Any = 0.0
) -> Any:
    """Leverage that counts for liquidation, ``size/(collateral + pnl - close - borrow)`` (pool.md 9).

    Above the exchange's largest leverage a position is liquidatable. Infinite where nothing is left.
    """
    return evaluate(
        _effective_leverage,
        _FEES,
        "raise",
        finite=False,
        pnl=position_pnl(position, price),
        close_fee_usd=close_fee_usd,
        borrow_fee_usd=borrow_fee_usd,
        size=position.size_usd,
        collateral=position.collateral_usd,
    )


def _effective_leverage(
    xp: Any, pnl: Any, close_fee_usd: Any, borrow_fee_usd: Any, size: Any, collateral: Any
) -> Any:
    left = collateral + pnl - close_fee_usd - borrow_fee_usd
    return where(xp, left > 0, size / where(xp, left > 0, left, 1.0), xp.inf)


def flat_close_fee(
    position: PerpPosition,
    price: Any,
    *,
    close_fee_bps: Any,
    close_fee_on: FeeBase = "size",
    fraction: Any = 1.0,
) -> Any:
    """Close fee at a flat rate, USD, without price impact (pool.md 9).

    Parameters
    ----------
    position, price
        What is closed, and where.
    close_fee_bps
        Rate in bps.
    close_fee_on
        ``size``: the size at entry, as the program charges; ``value``: ``size*p/entry``, as the example of the
        documentation does.
    fraction
        Part closed, above 0 and at most 1.

    Raises
    ------
    DomainError
        A value outside its domain, or an unknown base.
    """
    check_choice("close_fee_on", close_fee_on, ("size", "value"))
    return evaluate(
        lambda _xp, close_fee_bps, price, fraction, size, entry: (
            fraction * size * (price / entry if close_fee_on == "value" else 1.0) * close_fee_bps / 1e4
        ),
        (not_negative("close_fee_bps"), positive("price"), _FRACTION),
        "raise",
        close_fee_bps=close_fee_bps,
        price=price,
        fraction=fraction,
        size=position.size_usd,
        entry=position.entry_price,
    )


def close_position(
    position: PerpPosition,
    price: Any,
    *,
    close_fee_usd: Any,
    max_leverage: Any,
    borrow_fee_usd: Any = 0.0,
    fraction: Any = 1.0,
    open_fee_usd: Any = 0.0,
    remainder_to: Remainder = "pool",
) -> CloseResult:
    """Close the fraction x of a position: realise x of its P&L, return x of its collateral (pool.md 9).

    A position past liquidation is closed whole, whatever the fraction; fees of a part then grow in proportion.
    What stays open keeps its borrow index, and pays its own share later.

    Parameters
    ----------
    position, price
        What is closed, and where.
    close_fee_usd, borrow_fee_usd
        Of the part closed.
    max_leverage
        Of the exchange.
    fraction
        Part closed, above 0 and at most 1.
    open_fee_usd
        Of the whole position, where its collateral is stated before that fee.
    remainder_to
        As in :func:`settlement`.

    Raises
    ------
    DomainError
        A value outside its domain; an open fee larger than the collateral.
    """
    pnl = position_pnl(position, price)
    close = _of_whole("close_fee_usd", close_fee_usd, fraction)
    borrow = _of_whole("borrow_fee_usd", borrow_fee_usd, fraction)
    whole = settlement(
        collateral_usd=position.collateral_usd,
        open_fee_usd=open_fee_usd,
        pnl_usd=pnl,
        close_fee_usd=close,
        borrow_fee_usd=borrow,
        size_usd=position.size_usd,
        max_leverage=max_leverage,
        remainder_to=remainder_to,
    )
    xp = namespace(whole.payout_usd)
    part = where(xp, whole.liquidated, 1.0, checked("fraction", fraction))
    posted = position.collateral_usd - checked("open_fee_usd", open_fee_usd)
    return CloseResult(
        position=position,
        **as_fields(
            xp,
            pnl_usd=part * pnl,
            close_fee_usd=part * close,
            borrow_fee_usd=part * borrow,
            liquidation_fee_usd=part * whole.liquidation_fee_usd,
            payout_usd=part * whole.payout_usd,
            pool_shortfall_usd=part * whole.pool_shortfall_usd,
            liquidated=whole.liquidated,
            remaining_size_usd=(1.0 - part) * position.size_usd,
            remaining_collateral_usd=(1.0 - part) * posted,
        ),
    )


def _of_whole(name: str, fee_usd: Any, fraction: Any) -> Any:
    """Return the fee that the whole position would pay, in proportion to that of a part."""
    return evaluate(
        lambda _xp, fraction, **fee: fee[name] / fraction,
        (not_negative(name), _FRACTION),
        "raise",
        **{name: fee_usd, "fraction": fraction},
    )
