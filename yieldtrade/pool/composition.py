"""What a pool is worth and what moves its share: AUM, virtual price, deltas, dollar share (pool.md 6-7).

``owned'`` below is ``owned + debt``: what is lent still belongs to the pool. A coin is any asset that is not a
stablecoin. A state whose numbers are arrays gives arrays of their common shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.elementwise import (
    Bound,
    as_array,
    as_fields,
    checked,
    evaluate,
    namespace,
    not_negative,
    positive,
    ratio,
    where,
)
from yieldtrade.errors import DomainError, MissingDataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from yieldtrade.pool.state import CustodyState, PoolState

_SHARES_EXIST = Bound(
    "supply", lambda supply, **_: supply > 0, "must be above 0: a share of nothing has no value"
)
_WORTH = Bound(
    "aum_usd", lambda aum_usd, **_: aum_usd > 0, "must be above 0: a pool worth nothing has no weights"
)
_UTILISATION = Bound(
    "utilisation", lambda utilisation, **_: (utilisation >= 0) & (utilisation <= 1), "must be from 0 to 1"
)
_LENT = Bound(
    "lent_utilisation",
    lambda utilisation, stable, lent_utilisation, **_: (
        (lent_utilisation >= 0) & ((stable == 0) | (lent_utilisation <= utilisation))
    ),
    "must be 0 or more and at most the utilisation",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyAum:
    """What one custody adds to the AUM, USD.

    ``marked_to_market_usd`` differs for a stablecoin below 1 (``below_par``), which the program counts at 1.
    ``clamped``: more is locked than owned, and nothing counts as free. ``floored``: the profit of the shorts
    exceeds all the rest, and the custody counts as 0.
    """

    asset: str
    aum_usd: Any
    marked_to_market_usd: Any
    clamped: Any
    floored: Any
    below_par: Any


def custody_aum(custody: CustodyState) -> CustodyAum:
    """Return what a custody adds to the AUM (pool.md 6).

    A stablecoin adds ``owned'*max(1, price)``, a coin ``guaranteed + max(0, owned'-locked)*p + Q`` with the loss
    of its shorts ``Q = short_sizes*(p - avg)/avg``, not below 0.

    Raises
    ------
    DomainError
        The value is too large to represent.
    """
    counted, market = _stable_aum(custody) if custody.is_stable else _coin_aum(custody)
    return CustodyAum(
        asset=custody.asset,
        **as_fields(
            namespace(counted, custody.locked),
            # Only Q < 0 can bring the sum below 0, so this is the program's floor under the shorts' profit.
            aum_usd=_at_least_0(counted),
            marked_to_market_usd=_at_least_0(market),
            clamped=(custody.locked > custody.owned + custody.debt) & (not custody.is_stable),
            floored=counted < 0,
            below_par=(custody.price < 1) & custody.is_stable,
        ),
    )


def _at_least_0(value: Any) -> Any:
    return where(namespace(value), value > 0, value, 0.0)


def _stable_aum(custody: CustodyState) -> tuple[Any, Any]:
    """AUM of a stablecoin, and its value at its price."""
    held = {"owned": custody.owned, "debt": custody.debt, "price": custody.price}
    counted = evaluate(
        lambda xp, owned, debt, price: (owned + debt) * where(xp, price > 1, price, 1.0), (), "raise", **held
    )
    return counted, evaluate(lambda xp, owned, debt, price: (owned + debt) * price, (), "raise", **held)


def _coin_aum(custody: CustodyState) -> tuple[Any, Any]:
    """AUM of a coin before the floor under it, twice: it counts at its price as it is."""
    free = _at_least_0(custody.owned + custody.debt - custody.locked)
    counted = evaluate(
        _coin_value,
        (),
        "raise",
        free=free,
        price=custody.price,
        guaranteed_usd=custody.guaranteed_usd,
        short_sizes=custody.short_sizes_usd,
        average=custody.short_avg_price,
    )
    return counted, counted


def _coin_value(xp: Any, free: Any, price: Any, guaranteed_usd: Any, short_sizes: Any, average: Any) -> Any:
    return guaranteed_usd + free * price + ratio(xp, short_sizes * (price - average), average, at_zero=0.0)


def _ordered(pool: PoolState) -> list[CustodyState]:
    """Return the custodies by name: sums of floats then do not depend on the order of the state."""
    return sorted(pool, key=lambda custody: custody.asset)


def aum(pool: PoolState) -> Any:
    """Return the assets under management, USD: the sum over the custodies (pool.md 6)."""
    return sum((custody_aum(custody).aum_usd for custody in _ordered(pool)), start=0.0)


def virtual_price(pool: PoolState) -> Any:
    """Return AUM over supply, USD a share; 0 for a pool worth nothing, which `composition` flags (pool.md 6).

    Raises
    ------
    DomainError
        No shares exist.
    """
    return evaluate(
        lambda xp, aum_usd, supply: aum_usd / supply,
        (_SHARES_EXIST,),
        "raise",
        aum_usd=aum(pool),
        supply=pool.supply,
    )


def premium(market_price: ArrayLike, virtual_price: ArrayLike) -> Any:
    """Return what the market pays above the virtual price, ``market/VP - 1`` (pool.md 6).

    Raises
    ------
    DomainError
        A price that is not above 0.
    """
    return evaluate(
        lambda xp, market_price, virtual_price: market_price / virtual_price - 1.0,
        (positive("market_price"), positive("virtual_price")),
        "raise",
        market_price=market_price,
        virtual_price=virtual_price,
    )


def entry_return(
    apy: ArrayLike, years: ArrayLike, premium_in: ArrayLike = 0.0, premium_out: ArrayLike = 0.0
) -> Any:
    """Return what a buyer at one premium earns who sells at another (pool.md 6).

    ``(1+r)^t*(1+pi1)/(1+pi0) - 1``: every holder who enters through the market pays this term.

    Parameters
    ----------
    apy
        Effective annual growth r of the virtual price, above -1.
    years
        Time t held, 0 or more.
    premium_in, premium_out
        pi0 and pi1, fractions above -1.

    Returns
    -------
    float or numpy.ndarray
        Return over the time held, not annualised.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    return evaluate(
        _entry_return,
        (
            _above_minus_one("apy"),
            not_negative("years"),
            *map(_above_minus_one, ("premium_in", "premium_out")),
        ),
        "raise",
        apy=apy,
        years=years,
        premium_in=premium_in,
        premium_out=premium_out,
    )


def _entry_return(xp: Any, apy: Any, years: Any, premium_in: Any, premium_out: Any) -> Any:
    return xp.expm1(years * xp.log1p(apy) + xp.log1p(premium_out) - xp.log1p(premium_in))


def _above_minus_one(name: str) -> Bound:
    return Bound(name, lambda **given: given[name] > -1, "must be above -1")


def weights(pool: PoolState) -> dict[str, Any]:
    """Return the share of each custody in the AUM, by asset (pool.md 6).

    Raises
    ------
    DomainError
        The pool is worth nothing.
    """
    total = checked("aum_usd", aum(pool), _WORTH)
    return {custody.asset: custody_aum(custody).aum_usd / total for custody in pool}


def asset_deltas(
    pool: PoolState, *, include_fee_reserves: bool = False, pool_share: ArrayLike | None = None
) -> dict[str, Any]:
    """Return the exact delta of one share, positions frozen, in tokens of each coin (pool.md 7).

    ``beta = (owned' - locked + short_sizes/short_avg_price)/supply``, the derivative of the virtual price by
    the coin's price while no floor binds. Stablecoins are dollars here and have none.

    Parameters
    ----------
    pool
        Its state.
    include_fee_reserves
        Count the pool's share of the fees collected and not yet distributed as well.
    pool_share
        That share, fraction; only needed then.

    Raises
    ------
    DomainError
        No shares exist, or ``pool_share`` outside 0 to 1.
    MissingDataError
        Fee reserves are to be included and ``pool_share`` is not given.
    """
    part = _pool_share(pool_share) if include_fee_reserves else 0.0
    return {
        custody.asset: evaluate(
            lambda xp, tokens, supply: tokens / supply,
            (_SHARES_EXIST,),
            "raise",
            tokens=_exposure(custody) + part * custody.fees_reserves,
            supply=pool.supply,
        )
        for custody in pool
        if not custody.is_stable
    }


def _pool_share(pool_share: ArrayLike | None) -> Any:
    if pool_share is None:
        raise MissingDataError("fee reserves count by the pool's share of the fees: give pool_share")
    in_range = Bound(
        "pool_share", lambda pool_share: (pool_share >= 0) & (pool_share <= 1), "must be from 0 to 1"
    )
    return checked("pool_share", pool_share, in_range)


def _exposure(custody: CustodyState) -> Any:
    """Tokens of a coin that the pool is long, positions frozen and no floor binding."""
    sizes, average = custody.short_sizes_usd, custody.short_avg_price
    sold = ratio(namespace(sizes, average), sizes, average, at_zero=0.0)
    return custody.owned + custody.debt - custody.locked + sold


def usd_leg(pool: PoolState) -> Any:
    """Return S, the USD part of the AUM: ``sum(guaranteed) + sum(stables) - sum(short_sizes)`` (pool.md 7).

    ``AUM = S + D`` with the `price_leg` D while no floor binds, and ``AUM >= S + D`` where one does.
    """
    return sum((_usd_part(custody) for custody in _ordered(pool)), start=0.0)


def _usd_part(custody: CustodyState) -> Any:
    if custody.is_stable:
        return custody_aum(custody).aum_usd
    return custody.guaranteed_usd - custody.short_sizes_usd


def price_leg(pool: PoolState) -> Any:
    """Return D, the part of the AUM that moves with the coins, linear in their prices (pool.md 7).

    ``D = sum p*(owned' - locked + short_sizes/short_avg_price) = supply*sum(beta*p)``.
    """
    coins = (custody for custody in _ordered(pool) if not custody.is_stable)
    return checked("price_leg", sum((custody.price * _exposure(custody) for custody in coins), start=0.0))


def stable_share(pool: PoolState) -> Any:
    """Return the part of the AUM that is really dollars, ``S/AUM`` (pool.md 7).

    Raises
    ------
    DomainError
        The pool is worth nothing.
    """
    return evaluate(
        lambda xp, usd, aum_usd: usd / aum_usd, (_WORTH,), "raise", usd=usd_leg(pool), aum_usd=aum(pool)
    )


def delta_share(stable_share: ArrayLike) -> Any:
    """Return the part that moves with the coins, ``1 - stable_share`` (pool.md 7)."""
    return 1.0 - checked("stable_share", stable_share)


class AssetPart(NamedTuple):
    """One asset in a pool: what it adds, its share of the AUM, its target, and the first less the second.

    ``target`` and ``deviation`` (points of weight) are None where the target is not known.
    """

    value: CustodyAum
    weight: Any
    target: float | None
    deviation: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """A pool, its worth and its parts; None (NaN in arrays) for what is undefined.

    ``virtual_price`` is undefined without shares, ``stable_share`` and the weights for a pool worth nothing;
    ``worthless`` marks shares of such a pool. ``usd_leg`` and ``price_leg`` are S and D; ``parts`` go by asset.
    """

    aum_usd: Any
    marked_to_market_usd: Any
    virtual_price: Any
    usd_leg: Any
    price_leg: Any
    stable_share: Any
    worthless: Any
    parts: Mapping[str, AssetPart]

    @property
    def flags(self) -> tuple[str, ...]:
        """What a reader must know of the figures, such as ``"clamped: SOL"``; for arrays, if true anywhere."""
        found = ["AUM 0"] if _any(self.worthless) else []
        for mark, words in (("clamped", "clamped"), ("floored", "floored"), ("below_par", "below 1")):
            found += [
                f"{words}: {asset}"
                for asset, part in sorted(self.parts.items())
                if _any(getattr(part.value, mark))
            ]
        return tuple(found)


def _any(mark: Any) -> bool:
    return bool(mark.any()) if hasattr(mark, "any") else bool(mark)


def composition(pool: PoolState) -> Composition:
    """Return a pool with its worth, its parts and their marks (pool.md 6-7)."""
    values = {custody.asset: custody_aum(custody) for custody in _ordered(pool)}
    total = sum((value.aum_usd for value in values.values()), start=0.0)
    usd = usd_leg(pool)
    xp = namespace(total, usd, pool.supply)
    return Composition(
        **as_fields(
            xp,
            aum_usd=total,
            marked_to_market_usd=sum((value.marked_to_market_usd for value in values.values()), start=0.0),
            virtual_price=ratio(xp, total, pool.supply, at_zero=math.nan),
            usd_leg=usd,
            price_leg=price_leg(pool),
            stable_share=ratio(xp, usd, total, at_zero=math.nan),
            worthless=(total == 0) & (pool.supply > 0),
        ),
        parts=MappingProxyType({c.asset: _part(pool, c, values[c.asset], total) for c in pool}),
    )


def _part(pool: PoolState, custody: CustodyState, value: CustodyAum, total: Any) -> AssetPart:
    xp = namespace(value.aum_usd, total)
    weight = ratio(xp, value.aum_usd, total, at_zero=math.nan)
    target = pool.target_weights.get(custody.asset)
    known = as_fields(xp, weight=weight, deviation=weight - (target or 0.0))
    return AssetPart(value, known["weight"], target, None if target is None else known["deviation"])


class ShareRange(NamedTuple):
    """Both ends of a share that is not known exactly, with the reason."""

    low: Any
    high: Any
    note: str


def stable_share_by_utilisation(
    values_usd: ArrayLike,
    utilisation: ArrayLike,
    is_stable: Sequence[bool] | NDArray[np.bool_],
    *,
    lent_utilisation: ArrayLike = 0.0,
) -> Any:
    """Return the dollar share from values and utilisation alone (pool.md 7).

    ``(sum over coins of u*v + sum over stables of (1-u)*v)/sum(v)``. For snapshots without custody state; it
    assumes that what is locked is the size of the positions, so open P&L does not show. Where the state is
    known use `stable_share`.

    Parameters
    ----------
    values_usd
        Gross value of what is owned, or weights, 0 or more; assets lie along the last axis.
    utilisation
        Of each asset, from 0 to 1.
    is_stable
        Which assets are dollar stablecoins.
    lent_utilisation
        The part of a stablecoin's utilisation that is loans against the share: claims in USD, not shorts. 0
        is right only before such loans; where it is not known use `stable_share_range`. Coins have none.

    Returns
    -------
    float or numpy.ndarray
        The share, a value for each row of assets.

    Raises
    ------
    DomainError
        A value outside its domain, more lent than utilised, no axis of assets, or nothing owned.
    """
    import numpy as np

    values = as_array("values_usd", values_usd)
    dollars = evaluate(
        _dollars,
        (not_negative("values_usd"), _UTILISATION, _LENT),
        "raise",
        values_usd=values,
        utilisation=utilisation,
        stable=_marks("is_stable", is_stable).astype(float),
        lent_utilisation=lent_utilisation,
    )
    if np.ndim(dollars) == 0:
        raise DomainError("values_usd, utilisation and is_stable are single values: give an entry an asset")
    gross = np.broadcast_to(values, dollars.shape).sum(axis=-1)
    return evaluate(
        lambda xp, dollars, values_in_all: dollars / values_in_all,
        (positive("values_in_all"),),
        "raise",
        dollars=dollars.sum(axis=-1),
        values_in_all=gross,
    )


def _dollars(xp: Any, values_usd: Any, utilisation: Any, stable: Any, lent_utilisation: Any) -> Any:
    return values_usd * where(xp, stable > 0, 1.0 - (utilisation - lent_utilisation), utilisation)


def _marks(name: str, values: Any) -> NDArray[np.bool_]:
    import numpy as np

    marks = np.asarray(values)
    if marks.dtype != np.bool:
        raise DomainError(f"{name} holds {marks.dtype.name} values: True or False an asset is required")
    return marks


def stable_share_range(
    values_usd: ArrayLike, utilisation: ArrayLike, is_stable: Sequence[bool] | NDArray[np.bool_]
) -> ShareRange:
    """Return both ends of the dollar share where it is not known how much of the stablecoins is lent (pool.md 7).

    The low end takes all of their utilisation for shorts, the high end all of it for loans. Parameters and
    errors are those of `stable_share_by_utilisation`.
    """
    import numpy as np

    all_lent = np.where(_marks("is_stable", is_stable), checked("utilisation", utilisation), 0.0)
    return ShareRange(
        stable_share_by_utilisation(values_usd, utilisation, is_stable),
        stable_share_by_utilisation(values_usd, utilisation, is_stable, lent_utilisation=all_lent),
        "how much of the stablecoins' utilisation is loans is not known: low if none is, high if all is",
    )
