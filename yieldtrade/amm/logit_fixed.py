"""Pendle V2 trades in raw integers, equal to the contract to the last unit (amm.md 5).

Amounts are raw token units, rates and ratios have 18 decimals, times are whole seconds. What the contract
reverts is raised here as the error that says why, with the contract's own name in the message.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from yieldtrade.amm.fixed_math import ONE, div, exp_fixed, ln_fixed, mul, quotient
from yieldtrade.amm.logit_liquidity import Liquidity, add_liquidity, remove_liquidity
from yieldtrade.amm.logit_terms import (
    MarketState,
    Terms,
    check_whole,
    exchange_rate,
    exchange_rate_from_ln_rate,
    initial_ln_rate,
    ln_rate_of,
    max_pt_in,
    max_pt_out,
    precompute,
    rate_of,
    refusal,
    room,
    to_asset,
    to_asset_up,
    to_sy,
    to_sy_up,
)
from yieldtrade.errors import ConvergenceError, DomainError

if TYPE_CHECKING:
    from collections.abc import Callable

    Cost: TypeAlias = Callable[[int], tuple[int, int]]

__all__ = [
    "Bisection",
    "Liquidity",
    "MarketState",
    "Terms",
    "Trade",
    "YtTrade",
    "add_liquidity",
    "exchange_rate",
    "exchange_rate_from_ln_rate",
    "execute_trade",
    "exp_fixed",
    "initial_ln_rate",
    "ln_fixed",
    "max_pt_in",
    "max_pt_out",
    "precompute",
    "remove_liquidity",
    "swap_exact_sy_for_pt",
    "swap_exact_sy_for_yt",
    "swap_exact_yt_for_sy",
    "swap_sy_for_exact_yt",
    "to_asset",
    "to_asset_up",
    "to_sy",
    "to_sy_up",
]

DEFAULT_EPS = ONE // 10**5
MAX_BISECTIONS = 256


class Trade(NamedTuple):
    """A PT trade: SY to the trader (negative: paid), fee and treasury share in SY, and the state after it."""

    net_sy: int
    fee_sy: int
    reserve_sy: int
    after: MarketState


class YtTrade(NamedTuple):
    """A YT trade through the PT pool: SY paid (buy) or received (sell), and the PT trade inside it."""

    sy: int
    leg: Trade


class Bisection(NamedTuple):
    """Where the venue's bisection stopped: size, fee in SY, and steps after the first guess."""

    size: int
    fee_sy: int
    steps: int


def execute_trade(state: MarketState, index: int, now: int, pt_out: int) -> Trade:
    """Trade PT against SY, exactly as the contract does.

    Parameters
    ----------
    state
        The market before the trade.
    index
        Asset per SY, 18 decimals.
    now
        Unix seconds.
    pt_out
        PT to the trader, raw units; negative where the trader sells.

    Returns
    -------
    Trade

    Raises
    ------
    ExpiredError
        ``now`` at or after expiry.
    CapacityError
        More PT than the pool has, a PT share above 96 %, an exchange rate below one, a rate of zero.
    DomainError
        Empty reserves, or a scalar that is not positive.
    """
    check_whole("pt_out", pt_out)
    terms = precompute(state, index, now)
    net_sy, fee_sy, reserve_sy = _price(state, terms, index, pt_out)
    total_pt = state.total_pt - pt_out
    total_sy = state.total_sy - net_sy - reserve_sy
    if total_sy < 0:
        raise refusal("negative SY reserve", pt_out, room(state.total_pt, terms, pt_out), "reserve")
    settled = terms._replace(total_asset=to_asset(total_sy, index))
    ln_rate = ln_rate_of(total_pt, settled)
    if ln_rate == 0:
        raise refusal("MarketZeroLnImpliedRate", pt_out, room(state.total_pt, terms, pt_out), "rate_floor")
    after = replace(state, total_pt=total_pt, total_sy=total_sy, last_ln_rate=ln_rate)
    return Trade(net_sy, fee_sy, reserve_sy, after)


def swap_sy_for_exact_yt(state: MarketState, index: int, now: int, yt_out: int) -> YtTrade:
    """Buy exactly ``yt_out`` YT: mint pairs from SY and sell the PT to the pool in the same breath."""
    check_whole("yt_out", yt_out, lowest=0)
    leg = execute_trade(state, index, now, -yt_out)
    return YtTrade(max(to_sy_up(yt_out, index) - leg.net_sy, 0), leg)


def swap_exact_yt_for_sy(state: MarketState, index: int, now: int, yt_in: int) -> YtTrade:
    """Sell exactly ``yt_in`` YT: buy that much PT, redeem pairs, and repay the SY owed for the PT."""
    check_whole("yt_in", yt_in, lowest=0)
    leg = execute_trade(state, index, now, yt_in)
    repaid = to_asset_up(-leg.net_sy, index)
    return YtTrade(to_sy(yt_in - repaid, index), leg)


def swap_exact_sy_for_pt(
    state: MarketState, index: int, now: int, sy_in: int, eps: int = DEFAULT_EPS
) -> Bisection:
    """Find the PT that ``sy_in`` SY buys, with the venue's own bisection.

    Parameters
    ----------
    state, index, now
        As in `execute_trade`.
    sy_in
        SY to spend, raw units.
    eps
        Relative precision of the SY consumed, 18 decimals.

    Raises
    ------
    ConvergenceError
        The bisection ended without an answer: mostly, more SY than the largest purchase costs.
    CapacityError, DomainError, ExpiredError
        As `execute_trade`.
    """
    check_whole("sy_in", sy_in, lowest=0)
    terms = precompute(state, index, now)
    largest = max_pt_out(state, index, now)

    def cost(guess: int) -> tuple[int, int]:
        net_sy, fee_sy, _ = _price(state, terms, index, guess)
        return -net_sy, fee_sy

    return _bisect(cost, 0, largest, sy_in, eps)


def swap_exact_sy_for_yt(
    state: MarketState, index: int, now: int, sy_in: int, eps: int = DEFAULT_EPS
) -> Bisection:
    """Find the YT that ``sy_in`` SY buys, with the venue's own bisection; see `swap_exact_sy_for_pt`."""
    check_whole("sy_in", sy_in, lowest=0)
    terms = precompute(state, index, now)
    largest = max_pt_in(state, index, now)

    def cost(guess: int) -> tuple[int, int]:
        net_sy, fee_sy, _ = _price(state, terms, index, -guess)
        return to_sy_up(guess, index) - net_sy, fee_sy

    return _bisect(cost, to_asset(sy_in, index), largest, sy_in, eps)


def _price(state: MarketState, terms: Terms, index: int, pt_out: int) -> tuple[int, int, int]:
    """Return SY to the trader, fee and treasury share in SY, before anything is stored."""
    if state.total_pt <= pt_out:
        maximum = room(state.total_pt, terms, pt_out)
        raise refusal("MarketInsufficientPtForTrade", pt_out, maximum, "reserve")
    rate = rate_of(state.total_pt, terms, pt_out)
    asset = -div(pt_out, rate)
    if pt_out > 0:
        if div(rate, terms.fee_rate) < ONE:
            maximum = room(state.total_pt, terms, pt_out)
            raise refusal("MarketExchangeRateBelowOne", pt_out, maximum, "rate_floor")
        fee = mul(asset, ONE - terms.fee_rate)
    else:
        fee = -quotient(asset * (ONE - terms.fee_rate), terms.fee_rate)
    net = asset - fee
    reserve = quotient(fee * state.reserve_fee_percent, 100)
    net_sy = to_sy_up(net, index) if net < 0 else to_sy(net, index)
    return net_sy, to_sy(fee, index), to_sy(reserve, index)


def _bisect(cost: Cost, low: int, high: int, sy_in: int, eps: int) -> Bisection:
    if not 0 <= eps <= ONE:
        raise DomainError(f"eps = {eps}: from 0 to 1e18, the relative precision with 18 decimals")
    enough = sy_in * (ONE - eps) // ONE
    for step in range(MAX_BISECTIONS):
        if low > high:
            break
        guess = (low + high) // 2
        needed, fee_sy = cost(guess)
        if needed <= sy_in:
            if needed >= enough:
                return Bisection(guess, fee_sy, step)
            low = guess
        else:
            high = guess - 1
    raise ConvergenceError(
        f"sy_in = {sy_in}: the venue's bisection ends without a size between {low} and {high}; "
        "the largest purchase costs less, or eps is finer than one raw unit"
    )
