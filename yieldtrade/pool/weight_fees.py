"""The fee by target weight, and how much of an asset a pool takes or gives (pool.md 5).

The fee falls for a trade that brings an asset towards its target and rises for any other. Its rebate is judged
by the distance before the trade, so it jumps where a trade overshoots to the mirrored distance: never assume
that it is convex in the size.
"""

from __future__ import annotations

from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from yieldtrade.elementwise import (
    check_choice,
    checked,
    evaluate,
    namespace,
    not_negative,
    ratio,
    share,
    where,
)
from yieldtrade.errors import DomainError
from yieldtrade.pool.composition import aum, custody_aum
from yieldtrade.pool.integers import BPS, whole

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from yieldtrade.pool.parameters import PoolParameters, WeightFee
    from yieldtrade.pool.state import CustodyState, PoolState

WeightFeeVariant: TypeAlias = Literal["jupiter", "gmx"]

_AMOUNTS = tuple(map(not_negative, ("initial", "delta", "target", "base_bps", "tax_bps", "multiplier")))


def target_weight_fee_bps(
    initial: Any,
    delta: Any,
    target: Any,
    base_bps: Any,
    tax_bps: Any,
    inflow: Any,
    *,
    variant: WeightFeeVariant = "jupiter",
    exact: bool = False,
    multiplier: Any = 1,
) -> Any:
    """Return the fee on moving an asset's amount by ``delta`` towards or away from its target (pool.md 5).

    With ``next = initial + m*delta`` or ``max(0, initial - m*delta)`` and the distances ``d0``, ``d1`` to the
    target before and after: ``max(base - tax*d0/target, 0)`` if ``d1 < d0``, else
    ``base + tax*min((d0 + d1)/2, target)/target``; equality pays.

    Parameters
    ----------
    initial, delta, target
        Amount now, change and target, USD, 0 or more.
    base_bps, tax_bps
        Base fee and the largest rebate or tax.
    inflow
        True where the amount rises; may be an array of booleans.
    variant
        Without a target ``"jupiter"`` charges nothing and ``"gmx"`` the base fee.
    exact
        Whole numbers, divisions rounded down as the program does; numbers only.
    multiplier
        m, the factor by which a swap counts.

    Returns
    -------
    float, int or numpy.ndarray
        Basis points of ``delta``; an int in exact form.

    Raises
    ------
    DomainError
        A value that is negative or not finite, an ``inflow`` that is no truth value, an unknown variant, or
        in exact form a number that is not whole.
    """
    check_choice("variant", variant, ("jupiter", "gmx"))
    amounts = {
        "initial": initial,
        "delta": delta,
        "target": target,
        "base_bps": base_bps,
        "tax_bps": tax_bps,
        "multiplier": multiplier,
    }
    if exact:
        whole_amounts = {name: whole(name, value, 0) for name, value in amounts.items()}
        return _exact_fee_bps(**whole_amounts, inflow=_truth(inflow), untargeted=variant == "gmx")
    formula = partial(_fee_bps, untargeted=variant == "gmx", marginal=False)
    return evaluate(formula, _AMOUNTS, "raise", **amounts, direction=_direction(inflow))


def _exact_fee_bps(
    *,
    initial: int,
    delta: int,
    target: int,
    base_bps: int,
    tax_bps: int,
    multiplier: int,
    inflow: bool,
    untargeted: bool,
) -> int:
    if target == 0:
        return base_bps if untargeted else 0
    step = multiplier * delta
    after = initial + step if inflow else max(0, initial - step)
    d0, d1 = abs(initial - target), abs(after - target)
    if d1 < d0:
        return max(base_bps - tax_bps * d0 // target, 0)
    return base_bps + tax_bps * min((d0 + d1) // 2, target) // target


def _fee_bps(
    xp: Any,
    *,
    initial: Any,
    delta: Any,
    target: Any,
    base_bps: Any,
    tax_bps: Any,
    multiplier: Any,
    direction: Any,
    untargeted: bool,
    marginal: bool,
) -> Any:
    """Return the continuous form; ``marginal`` takes a ``delta`` of 0 for the smallest trade above it."""
    after = initial + direction * multiplier * delta
    d0, d1 = abs(initial - target), abs(where(xp, after > 0, after, 0.0) - target)
    closer = (d1 < d0) | (marginal & (delta == 0) & (direction * (target - initial) > 0))
    rebated = base_bps - tax_bps * ratio(xp, d0, target, at_zero=0.0)
    apart = ratio(xp, (d0 + d1) / 2, target, at_zero=0.0)
    taxed = base_bps + tax_bps * where(xp, apart < 1, apart, 1.0)
    fee = where(xp, closer, where(xp, rebated > 0, rebated, 0.0), taxed)
    return where(xp, target == 0, base_bps if untargeted else 0.0 * base_bps, fee)


def _truth(inflow: Any) -> bool:
    if isinstance(inflow, bool):
        return inflow
    raise DomainError(f"inflow = {inflow!r}: True or False is required")


def _direction(inflow: Any) -> Any:
    """Return +1 for what flows in and -1 for what flows out."""
    if isinstance(inflow, bool):
        return 1.0 if inflow else -1.0
    import numpy as np

    flows = np.asarray(inflow)
    if flows.dtype != np.bool:
        raise DomainError(f"inflow = {inflow!r}: True or False is required")
    return np.where(flows, 1.0, -1.0)


def gmx_target(weight: int, usdg_supply: int, total_weights: int) -> int:
    """Return the target amount of a token in GMX v1, ``weight*supply//total_weights`` (pool.md 5).

    Raises
    ------
    DomainError
        A number that is not whole or is negative, or no weights in all.
    """
    part, supply = whole("weight", weight, 0), whole("usdg_supply", usdg_supply, 0)
    return part * supply // whole("total_weights", total_weights, 1)


def pool_amount_usd(custody: CustodyState) -> Any:
    """Return the amount by which Jupiter's fee judges an asset, its "initial", USD (pool.md 5).

    A stablecoin's ``owned'*p``; for a coin ``(owned'-locked')*p + guaranteed_usd``, the P&L of shorts left out.
    ``owned'`` and ``locked'`` both include the debt, which cancels; more locked than owned counts as nothing.
    """
    price = custody.price
    if custody.is_stable:
        return (custody.owned + custody.debt) * price
    return _unlocked(custody) * price + custody.guaranteed_usd


def _unlocked(custody: CustodyState) -> Any:
    free = custody.owned - custody.locked
    return where(namespace(free), free > 0, free, 0.0)


def pool_fee_bps(
    pool: PoolState, asset: str, usd: ArrayLike, fee: WeightFee, params: PoolParameters, *, inflow: bool
) -> Any:
    """Return the fee by weight on ``usd`` of an asset that enters or leaves a pool (pool.md 5).

    Parameters
    ----------
    pool, asset
        The pool and one of its assets.
    usd
        Size, 0 or more; at 0 it is the fee of the smallest trades.
    fee
        Base, tax and multiplier.
    params
        Give the target weight where the state does not.
    inflow
        Whether the asset enters.

    Raises
    ------
    DomainError
        A size outside its domain.
    MarketDefinitionError
        The target weight is not known.
    """
    return evaluate(
        partial(_fee_bps, untargeted=False, marginal=True),
        _AMOUNTS,
        "raise",
        initial=pool_amount_usd(pool.custody(asset)),
        delta=usd,
        target=aum(pool) * known_target_weight(pool, asset, params),
        base_bps=fee.base_bps,
        tax_bps=fee.tax_bps,
        multiplier=fee.multiplier,
        direction=_direction(inflow),
    )


def pool_fee_jump(
    pool: PoolState,
    asset: str,
    fee: WeightFee,
    params: PoolParameters,
    *,
    inflow: bool,
    aum_growth: float = 0.0,
) -> Any:
    """Return the size at which the fee by weight jumps from its rebate to the tax, USD (pool.md 5).

    A trade towards the target overshoots to the mirrored distance at ``m*x = 2*|t - v|``.

    Parameters
    ----------
    pool, asset, fee, params, inflow
        See :func:`pool_fee_bps`.
    aum_growth
        USD by which the AUM that sets the target has grown for each USD of an outflow, such as by a deposit
        whose shares are burnt; 0 or more.

    Returns
    -------
    float or numpy.ndarray
        Infinite where the trade leads away from the target from the start.

    Raises
    ------
    DomainError
        A growth below 0, or one with an inflow.
    MarketDefinitionError
        The target weight is not known.
    """
    growth = checked("aum_growth", aum_growth, not_negative("aum_growth"))
    if inflow and aum_growth:
        raise DomainError("aum_growth: only an outflow's target is taken to move with its size")
    weight = known_target_weight(pool, asset, params)
    distance = _direction(inflow) * (aum(pool) * weight - pool_amount_usd(pool.custody(asset)))
    size = ratio(namespace(distance), 2.0 * distance, fee.multiplier + 2.0 * weight * growth, at_zero=inf)
    return where(namespace(size), distance > 0, size, inf)


def fee_fraction(fee_bps: Any) -> Any:
    """Return a fee as a fraction, once it is one: below the whole size.

    Raises
    ------
    DomainError
        It is not.
    """
    return checked("fee", fee_bps / BPS, share("fee"))


def known_target_weight(pool: PoolState, asset: str, params: PoolParameters) -> float:
    """Return an asset's target weight from the state, else from the parameters of its moment.

    Raises
    ------
    MarketDefinitionError
        Neither gives it.
    """
    if pool.target_weights:
        return pool.target_weight(asset)
    stated = params.target_weights().get(asset)
    return pool.target_weight(asset) if stated is None else stated


def mint_capacity_usd(pool: PoolState, params: PoolParameters) -> Any:
    """Return the USD that may still be deposited, ``max(0, aum_limit - AUM)`` (pool.md 6).

    Raises
    ------
    MarketDefinitionError
        Neither the state nor the parameters give the AUM limit.
    """
    limit = pool.aum_limit_usd
    room = (params.number("aum_limit_usd") if limit is None else limit) - aum(pool)
    return where(namespace(room), room > 0, room, 0.0)


def deposit_limits(pool: PoolState, asset: str, params: PoolParameters) -> dict[str, Any]:
    """Return the largest deposit of an asset by each limit, USD, in the order in which they count (pool.md 5).

    A deposit is blocked above the AUM limit and where it leaves the asset above its weight band.
    """
    _, high = _band(pool, asset, params)
    value, total = custody_aum(pool.custody(asset)).aum_usd, aum(pool)
    # (value + x)/(total + x) <= high; an empty pool has no weights to keep.
    room = _room(high * total - value, 1.0 - high, unlimited=(total == 0) | (high >= 1))
    return {"aum_limit": mint_capacity_usd(pool, params), "weight_band": room}


def withdrawal_limits(pool: PoolState, asset: str, params: PoolParameters) -> dict[str, Any]:
    """Return the largest withdrawal of an asset by each limit, USD, in the order in which they count (pool.md 5).

    A withdrawal is blocked where it leaves the asset below its weight band, and beyond what is not locked.
    """
    low, _ = _band(pool, asset, params)
    custody = pool.custody(asset)
    value, total = custody_aum(custody).aum_usd, aum(pool)
    # (value - x)/(total - x) >= low; the only asset of any worth keeps its weight of 1.
    room = _room(value - low * total, 1.0 - low, unlimited=(value == total) | (low <= 0))
    return {"weight_band": room, "unlocked_assets": _unlocked(custody) * custody.price}


def swap_limits(pool: PoolState, asset_in: str, asset_out: str, params: PoolParameters) -> dict[str, Any]:
    """Return the largest swap by each limit, USD: both bands at a constant AUM, then what is not locked."""
    (_, high), (low, _) = _band(pool, asset_in, params), _band(pool, asset_out, params)
    given, total = pool.custody(asset_out), aum(pool)
    into = _room(high * total - custody_aum(pool.custody(asset_in)).aum_usd, 1.0, unlimited=False)
    out_of = _room(custody_aum(given).aum_usd - low * total, 1.0, unlimited=low <= 0)
    within = where(namespace(into, out_of), into < out_of, into, out_of)
    return {"weight_band": within, "unlocked_assets": _unlocked(given) * given.price}


def _band(pool: PoolState, asset: str, params: PoolParameters) -> tuple[float, float]:
    """Lowest and highest weight of an asset that its deposits and withdrawals may leave."""
    width = checked("weight_failsafe", params.number("weight_failsafe"), not_negative("weight_failsafe"))
    target = known_target_weight(pool, asset, params)
    return target * (1.0 - width), target * (1.0 + width)


def _room(distance: Any, per_usd: float, *, unlimited: Any) -> Any:
    """USD that use up a distance, each ``per_usd`` of it; at least 0, infinite where nothing limits."""
    xp = namespace(distance)
    room = ratio(xp, distance, per_usd, at_zero=inf)
    return where(xp, unlimited, inf, where(xp, room > 0, room, 0.0))
