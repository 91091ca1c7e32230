"""Shares of a pool for its assets and back, and swaps through it: what they pay and what stops them (pool.md 5-6).

A weight here is a custody's part of the AUM. The USD of a deposit are tokens times the oracle's price. The fee
stays with the custody as fees not yet distributed, so minting and burning leave the virtual price as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.elementwise import (
    Bound,
    checked,
    evaluate,
    namespace,
    not_negative,
    positive,
    ratio,
    where,
)
from yieldtrade.errors import CapacityError, DomainError, MarketDefinitionError
from yieldtrade.pool.composition import aum
from yieldtrade.pool.weight_fees import (
    WeightFeeVariant,
    deposit_limits,
    fee_fraction,
    gmx_target,
    mint_capacity_usd,
    pool_amount_usd,
    pool_fee_bps,
    swap_limits,
    target_weight_fee_bps,
    withdrawal_limits,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike

    from yieldtrade.pool.parameters import PoolParameters
    from yieldtrade.pool.state import CustodyState, PoolState

__all__ = [
    "BurnResult",
    "MintResult",
    "RankedExchange",
    "SwapFee",
    "SwapResult",
    "WeightFeeVariant",
    "burn_jlp",
    "cheapest_entry",
    "cheapest_exit",
    "gmx_target",
    "mint_capacity_usd",
    "mint_jlp",
    "pool_amount_usd",
    "swap",
    "swap_fee",
    "target_weight_fee_bps",
]

_WORTHLESS = "must be above 0: the shares of a pool worth nothing have no price"
_WORTH = Bound("aum_usd", lambda aum_usd: aum_usd > 0, _WORTHLESS)
_WORTH_OR_NEW = Bound("aum_usd", lambda aum_usd, supply, **_: (aum_usd > 0) | (supply == 0), _WORTHLESS)
_BURNABLE = Bound("supply", lambda supply: supply > 0, "must be above 0: there are no shares to burn")
_PRICED = Bound("supply", lambda supply: supply > 0, "has no price yet: give the initial_price of a share")


class SwapFee(NamedTuple):
    """The fee on a swap: the larger of what the two assets ask for."""

    fee_bps: Any
    fee_usd: Any
    in_bps: Any
    out_bps: Any


def swap_fee(
    pool: PoolState, asset_in: str, asset_out: str, usd: ArrayLike, params: PoolParameters
) -> SwapFee:
    """Return the fee on a swap, ``max(fee(in, +), fee(out, -))`` (pool.md 5).

    The figures of stablecoins apply only if both assets are stable.

    Raises
    ------
    DomainError
        A negative size, or one asset on both sides.
    MarketDefinitionError
        A parameter or target weight that nobody has published.
    """
    if asset_in == asset_out:
        raise DomainError(f"a swap of {asset_in} into itself: name two assets")
    size = checked("usd", usd, not_negative("usd"))
    stable_pair = pool.custody(asset_in).is_stable and pool.custody(asset_out).is_stable
    fee = params.swap_fee(stable_pair=stable_pair)
    of_in = pool_fee_bps(pool, asset_in, size, fee, params, inflow=True)
    of_out = pool_fee_bps(pool, asset_out, size, fee, params, inflow=False)
    bps = where(namespace(of_in, of_out), of_in > of_out, of_in, of_out)
    return SwapFee(bps, size * fee_fraction(bps), of_in, of_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class MintResult:
    """Shares for an asset: ``usd`` is the deposit before the fee, ``pool`` the state it leaves."""

    asset: str
    amount: Any
    usd: Any
    fee_bps: Any
    fee_usd: Any
    shares: Any
    pool: PoolState


def mint_jlp(
    pool: PoolState,
    asset: str,
    amount: ArrayLike,
    params: PoolParameters,
    *,
    initial_price: ArrayLike | None = None,
    aum_usd: ArrayLike | None = None,
) -> MintResult:
    """Mint shares for an asset, ``usd*(1-fee)*supply/AUM`` (pool.md 5).

    Parameters
    ----------
    pool, asset
        The pool and the asset deposited.
    amount
        Tokens, 0 or more.
    params
        Fee, weight failsafe and, where the state has none, AUM limit and target weights.
    initial_price
        USD a share while none exist; not used otherwise.
    aum_usd
        AUM that prices the shares, the pool's own if None; GMX mints at the maximised one.

    Raises
    ------
    CapacityError
        Beyond ``aum_limit`` or ``weight_band``; carries the most tokens that may be deposited.
    DomainError
        A value outside its domain, a pool worth nothing whose shares exist, or no shares and no
        ``initial_price``.
    MarketDefinitionError
        A parameter or target weight that nobody has published.
    """
    tokens = checked("amount", amount, not_negative("amount"))
    custody = pool.custody(asset)
    price = _minting_price(pool, aum_usd, initial_price)
    usd = tokens * custody.price
    limits = deposit_limits(pool, asset, params)
    _refuse_beyond(
        f"deposit of {asset}", tokens, {name: limit / custody.price for name, limit in limits.items()}
    )
    bps = pool_fee_bps(pool, asset, usd, params.mint_fee(), params, inflow=True)
    fee = fee_fraction(bps)
    shares = usd * (1.0 - fee) / price
    after = _moved(pool, custody, tokens * (1.0 - fee), tokens * fee, shares)
    return MintResult(
        asset=asset, amount=tokens, usd=usd, fee_bps=bps, fee_usd=usd * fee, shares=shares, pool=after
    )


def _minting_price(pool: PoolState, aum_usd: ArrayLike | None, initial_price: ArrayLike | None) -> Any:
    """USD a share: AUM over supply, the initial price while there are none."""
    if initial_price is None:
        checked("supply", pool.supply, _PRICED)
    return evaluate(
        lambda xp, aum_usd, supply, initial_price: where(
            xp, supply > 0, ratio(xp, aum_usd, supply, at_zero=math.nan), initial_price
        ),
        (not_negative("aum_usd"), _WORTH_OR_NEW, positive("initial_price")),
        "raise",
        aum_usd=aum(pool) if aum_usd is None else aum_usd,
        supply=pool.supply,
        # With shares everywhere it is looked at nowhere.
        initial_price=1.0 if initial_price is None else initial_price,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnResult:
    """An asset for shares: ``usd`` is before the fee, ``amount`` the tokens paid out after it."""

    asset: str
    shares: Any
    usd: Any
    fee_bps: Any
    fee_usd: Any
    amount: Any
    pool: PoolState


def burn_jlp(
    pool: PoolState,
    jlp: ArrayLike,
    asset: str,
    params: PoolParameters,
    *,
    aum_usd: ArrayLike | None = None,
) -> BurnResult:
    """Burn shares for an asset, worth ``AUM*jlp/supply``, the fee taken in tokens (pool.md 5).

    Parameters
    ----------
    pool
        The pool.
    jlp
        Shares, 0 or more.
    asset
        The asset paid out.
    params
        Fee, weight failsafe and, where the state has none, target weights.
    aum_usd
        AUM that prices the shares, the pool's own if None; GMX burns at the minimised one.

    Raises
    ------
    CapacityError
        Beyond ``weight_band``, ``unlocked_assets`` or ``supply``; carries the most shares that may be burnt.
    DomainError
        A value outside its domain, no shares, or a pool worth nothing.
    MarketDefinitionError
        A parameter or target weight that nobody has published.
    """
    shares = checked("jlp", jlp, not_negative("jlp"))
    custody = pool.custody(asset)
    supply = checked("supply", pool.supply, _BURNABLE)
    worth = checked("aum_usd", aum(pool) if aum_usd is None else aum_usd, _WORTH)
    limits = withdrawal_limits(pool, asset, params)
    most = {name: supply * (limit / worth) for name, limit in limits.items()}
    _refuse_beyond(f"burn for {asset}", shares, {**most, "supply": supply})
    usd = worth * (shares / supply)
    bps = pool_fee_bps(pool, asset, usd, params.mint_fee(), params, inflow=False)
    fee = fee_fraction(bps)
    tokens = _given_out(custody, usd)
    after = _moved(pool, custody, -tokens, tokens * fee, -shares)
    return BurnResult(
        asset=asset,
        shares=shares,
        usd=usd,
        fee_bps=bps,
        fee_usd=usd * fee,
        amount=tokens * (1.0 - fee),
        pool=after,
    )


def _given_out(custody: CustodyState, usd: Any) -> Any:
    """Tokens worth ``usd``; the limit was checked, so only rounding can exceed what is not locked."""
    tokens, free = usd / custody.price, custody.owned - custody.locked
    return where(namespace(tokens, free), (tokens > free) & (free > 0), free, tokens)


def _moved(pool: PoolState, custody: CustodyState, owned: Any, fees: Any, supply: Any) -> PoolState:
    """State after tokens, fees of them and shares were added."""
    after = replace(custody, owned=custody.owned + owned, fees_reserves=custody.fees_reserves + fees)
    custodies = tuple(after if held is custody else held for held in pool)
    return replace(pool, custodies=custodies, supply=pool.supply + supply)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapResult:
    """One asset for another: ``usd`` is before the fee, ``amount_out`` the tokens paid out after it."""

    asset_in: str
    asset_out: str
    amount_in: Any
    usd: Any
    fee_bps: Any
    fee_usd: Any
    amount_out: Any
    pool: PoolState


def swap(
    pool: PoolState, asset_in: str, asset_out: str, amount: ArrayLike, params: PoolParameters
) -> SwapResult:
    """Swap tokens through the pool at the oracle's prices, the fee taken from what comes out (pool.md 5).

    Raises
    ------
    CapacityError
        Beyond ``weight_band`` or ``unlocked_assets``; carries the most tokens that may come in.
    DomainError, MarketDefinitionError
        As `swap_fee`.
    """
    tokens = checked("amount", amount, not_negative("amount"))
    taken, given = pool.custody(asset_in), pool.custody(asset_out)
    usd = tokens * taken.price
    charged = swap_fee(pool, asset_in, asset_out, usd, params)
    limits = swap_limits(pool, asset_in, asset_out, params)
    most = {name: limit / taken.price for name, limit in limits.items()}
    _refuse_beyond(f"swap of {asset_in} for {asset_out}", tokens, most)
    out, fee = _given_out(given, usd), fee_fraction(charged.fee_bps)
    between = _moved(pool, taken, tokens, 0.0, 0.0)
    return SwapResult(
        asset_in=asset_in,
        asset_out=asset_out,
        amount_in=tokens,
        usd=usd,
        fee_bps=charged.fee_bps,
        fee_usd=charged.fee_usd,
        amount_out=out * (1.0 - fee),
        pool=_moved(between, given, -out, out * fee, 0.0),
    )


def _refuse_beyond(what: str, requested: Any, limits: Mapping[str, Any]) -> None:
    """Refuse a size beyond the tightest limit; of equal ones the first counts."""
    import numpy as np

    size, *most = np.broadcast_arrays(requested, *limits.values())
    beyond = size > np.min(most, axis=0)
    if not beyond.any():
        return
    index = tuple(int(i) for i in np.unravel_index(int(beyond.argmax()), beyond.shape))
    there = [float(limit[index]) for limit in most]
    asked, maximum = float(size[index]), min(there)
    binding = list(limits)[there.index(maximum)]
    name = f"{what} [{', '.join(map(str, index))}]" if index else what
    raise CapacityError(
        f"{name}: {asked:.10g} is beyond {binding}; at most {maximum:.10g}",
        requested=asked,
        maximum=maximum,
        binding=binding,
    )


class RankedExchange(NamedTuple):
    """Shares for one asset, or one asset for shares, beside the same through the others.

    ``usd`` is the value before the fee, ``shares`` those minted or burnt, ``amount`` the tokens paid in or out.
    Where the pool refuses these are None, ``refused`` says why, ``binding`` which limit it is (None for a missing
    target weight) and ``maximum`` the most that it takes, in the unit asked about.
    """

    asset: str
    usd: float | None = None
    fee_bps: float | None = None
    fee_usd: float | None = None
    shares: float | None = None
    amount: float | None = None
    refused: str | None = None
    binding: str | None = None
    maximum: float | None = None


def cheapest_entry(
    pool: PoolState, usd: float, params: PoolParameters, *, initial_price: float | None = None
) -> tuple[RankedExchange, ...]:
    """Return what ``usd`` of each asset mints, most shares first, those refused last with the reason (pool.md 5).

    Every asset is evaluated at the size asked for. Parameters and errors are those of `mint_jlp`; a limit that
    one asset meets ranks it as refused, with ``maximum`` in USD.
    """
    size = _one("usd", usd, pool)
    mint_capacity_usd(pool, params)

    def quote(custody: CustodyState) -> RankedExchange:
        made = mint_jlp(pool, custody.asset, size / custody.price, params, initial_price=initial_price)
        return RankedExchange(custody.asset, made.usd, made.fee_bps, made.fee_usd, made.shares, made.amount)

    return _ranked(pool, params, quote, lambda custody: custody.price)


def cheapest_exit(pool: PoolState, jlp: float, params: PoolParameters) -> tuple[RankedExchange, ...]:
    """Return what burning ``jlp`` shares pays in each asset, most USD first, those refused last (pool.md 5).

    Every asset is evaluated at the size asked for. Parameters and errors are those of `burn_jlp`; a limit that
    one asset meets ranks it as refused, with ``maximum`` in shares.
    """
    size = _one("jlp", jlp, pool)

    def quote(custody: CustodyState) -> RankedExchange:
        made = burn_jlp(pool, size, custody.asset, params)
        return RankedExchange(custody.asset, made.usd, made.fee_bps, made.fee_usd, made.shares, made.amount)

    return _ranked(pool, params, quote, lambda _: 1.0)


def _one(name: str, size: float, pool: PoolState) -> float:
    number = checked(name, size, not_negative(name))
    if isinstance(number, float) and namespace(aum(pool), pool.supply) is math:
        return number
    raise DomainError(
        f"{name} or the pool holds arrays: assets are ranked for one size and one state at a time"
    )


def _ranked(
    pool: PoolState,
    params: PoolParameters,
    quote: Callable[[CustodyState], RankedExchange],
    units: Callable[[CustodyState], float],
) -> tuple[RankedExchange, ...]:
    """Rank the assets by fee, which at one size ranks them by what comes out as well."""
    # What every asset needs is asked for first: then only an asset's own target weight can be missing.
    params.mint_fee()
    params.number("weight_failsafe")
    found = []
    for custody in pool:
        try:
            found.append(quote(custody))
        except CapacityError as error:
            most = error.maximum * units(custody)
            found.append(
                RankedExchange(custody.asset, refused=str(error), binding=error.binding, maximum=most)
            )
        except MarketDefinitionError as error:
            found.append(RankedExchange(custody.asset, refused=str(error)))
    return tuple(
        sorted(
            found,
            key=lambda q: (q.fee_bps is None, q.fee_bps or 0.0, -(q.maximum or 0.0), q.asset),
        )
    )
