"""Liquidity of a Pendle market in raw integers, equal to the contract to the last unit (amm.md 5)."""

from __future__ import annotations

from dataclasses import replace
from math import isqrt
from typing import NamedTuple

from yieldtrade.amm.logit_terms import MarketState, check_whole, seconds_to_expiry
from yieldtrade.errors import CapacityError, DomainError

# compiled into the contracts, the same for every market
MINIMUM_LIQUIDITY = 1000


class Liquidity(NamedTuple):
    """Liquidity added or removed: LP, SY and PT moved, LP locked for ever, and the state after."""

    lp: int
    sy: int
    pt: int
    locked_lp: int
    after: MarketState


def add_liquidity(state: MarketState, now: int, sy_desired: int, pt_desired: int) -> Liquidity:
    """Add liquidity in the pool's proportion, never more than desired of either token.

    The first deposit sets the proportion itself and locks 1,000 raw LP for ever.

    Raises
    ------
    ExpiredError
        ``now`` at or after expiry.
    DomainError
        Nothing, or too little for one unit of LP, was offered.
    """
    check_whole("sy_desired", sy_desired)
    check_whole("pt_desired", pt_desired)
    seconds_to_expiry(state, now)
    if sy_desired <= 0 or pt_desired <= 0:
        raise DomainError(
            f"sy_desired = {sy_desired}, pt_desired = {pt_desired}: both must be positive "
            "(MarketZeroAmountsInput)"
        )
    lp, sy, pt, locked = _deposit(state, sy_desired, pt_desired)
    if lp <= 0 or sy <= 0 or pt <= 0:
        raise DomainError(
            f"sy_desired = {sy_desired}, pt_desired = {pt_desired}: too little for one unit of LP "
            "(MarketZeroAmountsOutput)"
        )
    after = replace(
        state,
        total_pt=state.total_pt + pt,
        total_sy=state.total_sy + sy,
        total_lp=state.total_lp + lp + locked,
    )
    return Liquidity(lp, sy, pt, locked, after)


def remove_liquidity(state: MarketState, lp: int) -> Liquidity:
    """Redeem ``lp`` raw LP for its share of both reserves, rounded down; possible after expiry too.

    Raises
    ------
    DomainError
        ``lp`` not positive, or worth less than one unit of either token.
    CapacityError
        More LP than exists.
    """
    check_whole("lp", lp)
    if lp <= 0:
        raise DomainError(f"lp = {lp}: a positive amount is required (MarketZeroAmountsInput)")
    if lp > state.total_lp:
        raise CapacityError(
            f"lp = {lp} is more than the {state.total_lp} in existence",
            requested=lp,
            maximum=state.total_lp,
            binding="reserve",
        )
    sy, pt = lp * state.total_sy // state.total_lp, lp * state.total_pt // state.total_lp
    if sy == 0 and pt == 0:
        raise DomainError(f"lp = {lp} is worth less than one unit of both tokens (MarketZeroAmountsOutput)")
    after = replace(
        state, total_pt=state.total_pt - pt, total_sy=state.total_sy - sy, total_lp=state.total_lp - lp
    )
    return Liquidity(lp, sy, pt, 0, after)


def _deposit(state: MarketState, sy: int, pt: int) -> tuple[int, int, int, int]:
    """Return LP issued, SY and PT used, and LP locked."""
    if state.total_lp == 0:
        return isqrt(sy * pt) - MINIMUM_LIQUIDITY, sy, pt, MINIMUM_LIQUIDITY
    by_pt = pt * state.total_lp // state.total_pt
    by_sy = sy * state.total_lp // state.total_sy
    if by_pt < by_sy:
        return by_pt, -(-state.total_sy * by_pt // state.total_lp), pt, 0
    return by_sy, sy, -(-state.total_pt * by_sy // state.total_lp), 0
