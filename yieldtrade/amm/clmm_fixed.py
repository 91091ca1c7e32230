"""One segment of concentrated liquidity in raw integers, root prices with 64 binary digits (amm.md 7)."""

from __future__ import annotations

from typing import NamedTuple

from yieldtrade.errors import DomainError

Q64 = 1 << 64
FEE_UNIT = 10**6


class FixedSwap(NamedTuple):
    """What comes out of a swap, and the square root price after it."""

    amount_out: int
    sqrt_price: int


def buy_yt_fixed(st_in: int, sqrt_price: int, liquidity: int) -> FixedSwap:
    """Buy YT with exactly ``st_in`` raw ST, inside one segment.

    Parameters
    ----------
    st_in
        Raw ST after the fee.
    sqrt_price
        Square root of the YT price in ST, times 2^64.
    liquidity
        L, raw.

    Raises
    ------
    DomainError
        An amount below 0, or a price or liquidity not above 0.
    """
    _check(st_in, sqrt_price, liquidity)
    after = sqrt_price + st_in * Q64 // liquidity
    return FixedSwap(liquidity * (after - sqrt_price) * Q64 // (after * sqrt_price), after)


def sell_yt_fixed(yt_in: int, sqrt_price: int, liquidity: int) -> FixedSwap:
    """Sell exactly ``yt_in`` raw YT for ST, inside one segment; see `buy_yt_fixed`."""
    _check(yt_in, sqrt_price, liquidity)
    scaled = liquidity * Q64
    after = -(-scaled * sqrt_price // (scaled + yt_in * sqrt_price))
    return FixedSwap(liquidity * (sqrt_price - after) // Q64, after)


def input_fee_fixed(amount: int, fee_millionths: int) -> int:
    """Fee of a venue that takes it from the input token, rounded up to a raw unit."""
    if amount < 0 or not 0 <= fee_millionths < FEE_UNIT:
        raise DomainError(
            f"amount = {amount} must be 0 or more, fee_millionths = {fee_millionths} from 0 below {FEE_UNIT}"
        )
    return amount - amount * (FEE_UNIT - fee_millionths) // FEE_UNIT


def _check(amount: int, sqrt_price: int, liquidity: int) -> None:
    if amount < 0 or sqrt_price <= 0 or liquidity <= 0:
        raise DomainError(
            f"amount = {amount} is below 0, or sqrt_price = {sqrt_price}, liquidity = {liquidity} not above 0"
        )
