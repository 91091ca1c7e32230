"""What a trader pays to open, hold and close a position against a pool, at today's parameters (pool.md 3, 4, 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.elementwise import as_number, check_choice
from yieldtrade.errors import DomainError, UnknownNameError
from yieldtrade.pool.exchange import liquidation_price, open_position
from yieldtrade.pool.fees import FeeBreakdown, open_close_fee, pool_share
from yieldtrade.pool.integers import MICRO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yieldtrade.pool.overview import AssetLine
    from yieldtrade.pool.parameters import PoolParameters, TradeParameters
    from yieldtrade.pool.state import PositionSide


class EventFee(NamedTuple):
    """The fee of an open or a close: as computed, in the program's whole bps, and the pool's part of it, USD.

    ``imbalance_usd`` is that of the last minute with the trade in it.
    """

    event: str
    imbalance_usd: float
    fee: FeeBreakdown
    total_bps_onchain: int | None
    to_pool_usd: float

    @property
    def total_usd_onchain(self) -> float | None:
        """Return the fee at the program's whole bps, USD."""
        if self.total_bps_onchain is None or not self.fee.total_bps:
            return None if self.total_bps_onchain is None else 0.0
        return float(self.fee.total_usd / self.fee.total_bps * self.total_bps_onchain)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeQuote:
    """A position of a size on one market.

    Attributes
    ----------
    open, close
        Fees of both ways, the close as if nothing else had traded within the minute.
    borrowed
        The asset whose custody the position borrows from; None where the pool's assets are not known.
    borrow_apr, borrow_hourly_usd, borrow_daily_usd
        What it pays at the custody's utilisation; None where that or its curve is not known.
    leverage, liquidation_price, liquidation_move, liquidatable_now
        With the collateral given, the open fee taken from it and the close fee still to pay, without borrow fees.
        The prices are None where no entry price is known.
    """

    market: str
    side: PositionSide
    size_usd: float
    open: EventFee
    close: EventFee
    borrowed: AssetLine | None
    borrow_apr: float | None
    borrow_hourly_usd: float | None
    borrow_daily_usd: float | None
    leverage: float | None = None
    entry_price: float | None = None
    liquidation_price: float | None = None
    liquidatable_now: bool | None = None
    liquidation_move: float | None = None


def trade_quote(
    params: PoolParameters,
    market: str,
    side: PositionSide,
    size_usd: float,
    *,
    assets: Sequence[AssetLine] = (),
    imbalance_usd: float = 0.0,
    collateral_usd: float | None = None,
    price: float | None = None,
) -> TradeQuote:
    """Return what a position costs.

    Parameters
    ----------
    params
        The pool's parameters in force.
    market
        A coin the pool holds.
    side
        ``"long"`` or ``"short"``.
    size_usd
        Above 0 and at most the largest position where one is published.
    assets
        The pool's assets, for what borrowing costs; none where its state is not known.
    imbalance_usd
        Signed sum of what traded on the market in the minute before, opened longs and closed shorts counting +.
    collateral_usd
        Posted; None leaves out leverage and liquidation.
    price
        Entry price, USD a token; without one the move that liquidates is known and the price is not.

    Raises
    ------
    UnknownNameError
        The pool holds no such coin.
    DomainError
        A number outside its domain, or a size above the largest allowed.
    MarketDefinitionError
        A parameter that the fee of that time needs was never published.
    """
    check_choice("side", side, ("long", "short"))
    coins = [asset for asset, stable in params.assets().items() if not stable]
    if market not in coins:
        raise UnknownNameError("market", market, coins, "yieldtrade pool POOL")
    size = _checked_size(size_usd, params)
    signed = size if side == "long" else -size
    before = as_number("imbalance_usd", imbalance_usd)
    borrowed = _borrowed(assets, market, side)
    apr = borrowed.borrow_apr if borrowed else None
    hourly = borrowed.borrow_hourly if borrowed else None
    opened = _event(params, market, "open", size, before + signed)
    closed = _event(params, market, "close", size, -signed)
    return TradeQuote(
        market=market,
        side=side,
        size_usd=size,
        open=opened,
        close=closed,
        borrowed=borrowed,
        borrow_apr=apr,
        borrow_hourly_usd=None if hourly is None else hourly * size,
        borrow_daily_usd=None if hourly is None else hourly * size * 24,
        **_liquidation(params, side, size, (opened, closed), collateral_usd, price),
    )


def _checked_size(size_usd: float, params: PoolParameters) -> float:
    size = as_number("size_usd", size_usd)
    if size <= 0:
        raise DomainError(f"size_usd = {size!r} must be above 0")
    most = params.terms.get("trade.max_position_usd")
    if most is not None and size > float(most):
        raise DomainError(f"size_usd = {size:,.2f} exceeds the largest position, {float(most):,.2f} USD")
    return size


def _event(params: PoolParameters, market: str, event: str, size: float, imbalance: float) -> EventFee:
    trade = params.trade(market, event)
    fee = open_close_fee(size, imbalance, trade)
    charged = _charged_bps(size, imbalance, trade)
    return EventFee(event, imbalance, fee, charged, pool_share(fee.total_usd, "open_close", params))


def _charged_bps(size: float, imbalance: float, trade: TradeParameters) -> int | None:
    """Return the fee in the program's whole bps; None for stated parameters that its integers cannot hold."""
    try:
        charged = open_close_fee(round(size * MICRO), round(imbalance * MICRO), trade, exact=True)
    except DomainError:
        return None
    return int(charged.total_bps)


def _borrowed(assets: Sequence[AssetLine], market: str, side: PositionSide) -> AssetLine | None:
    """Return the custody a position locks: its own coin for a long, the largest stablecoin for a short."""
    lines = [line for line in assets if (line.is_stable if side == "short" else line.asset == market)]
    return max(lines, key=lambda line: line.value_usd, default=None)


def _liquidation(
    params: PoolParameters,
    side: PositionSide,
    size: float,
    fees: tuple[EventFee, EventFee],
    collateral_usd: float | None,
    price: float | None,
) -> dict[str, Any]:
    if collateral_usd is None:
        return {}
    opened, closed = (event.fee.total_usd for event in fees)
    position = open_position(
        side,
        size_usd=size,
        collateral_usd=collateral_usd,
        price=1.0 if price is None else price,
        open_fee_usd=opened,
    )
    found = liquidation_price(
        position, close_fee_usd=closed, borrow_fee_usd=0.0, max_leverage=params.number("trade.max_leverage")
    )
    return {
        # nothing is left of a collateral that the open fee uses up
        "leverage": size / position.collateral_usd if position.collateral_usd else None,
        "entry_price": price,
        "liquidation_price": found.price if found.exists and price is not None else None,
        "liquidatable_now": bool(found.past),
        "liquidation_move": found.price / position.entry_price - 1.0 if found.exists else None,
    }
