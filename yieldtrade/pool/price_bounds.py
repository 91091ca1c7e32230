"""Where the market price of a pool's share must lie while it can be minted and burnt (pool.md 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.elementwise import as_fields, checked, namespace, not_negative, positive
from yieldtrade.pool.composition import virtual_price
from yieldtrade.pool.weight_fees import (
    deposit_limits,
    fee_fraction,
    mint_capacity_usd,
    pool_fee_bps,
    withdrawal_limits,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from yieldtrade.pool.parameters import PoolParameters
    from yieldtrade.pool.state import PoolState


class PriceBounds(NamedTuple):
    """The interval of a share's market price that leaves no arbitrage with the pool.

    Attributes
    ----------
    low, high
        Below ``low`` buying and burning pays, above ``high`` minting and selling. None (NaN in arrays) where no
        asset can be taken out, or none be deposited.
    mint_open
        Whether some asset can be deposited.
    mint_capacity_usd
        USD to the AUM limit.
    binding, burn_binding
        The limit that removes the upper and the lower bound; None where there is one.
    mint_asset, burn_asset
        The asset that sets each bound.
    """

    low: Any
    high: Any
    mint_open: Any
    mint_capacity_usd: Any
    binding: Any
    burn_binding: Any
    mint_asset: Any
    burn_asset: Any


class _Side(NamedTuple):
    """The best bound on one side and its asset, whether there is one, and the limit that removes it."""

    price: Any
    asset: Any
    is_open: Any
    binding: Any


def price_bounds(pool: PoolState, params: PoolParameters, *, size_usd: ArrayLike = 0.0) -> PriceBounds:
    """Return ``VP*(1 - burn fee)`` and ``VP/(1 - mint fee)``, the best asset on each side (pool.md 6).

    Outside them an arbitrage exists or the data are stale. At the AUM limit minting is off and the upper bound
    is gone; the lower one stays while some unlocked asset within its band can be taken out.

    Parameters
    ----------
    pool, params
        The pool and its parameters.
    size_usd
        Size of the arbitrage whose fees and limits count; 0 stands for the smallest.

    Raises
    ------
    DomainError
        No shares, a pool worth nothing, or a negative size.
    MarketDefinitionError
        A parameter or target weight that nobody has published.
    """
    size = checked("size_usd", size_usd, not_negative("size_usd"))
    vp = checked("virtual_price", virtual_price(pool), positive("virtual_price"))
    fee, names = params.mint_fee(), sorted(custody.asset for custody in pool)
    mints, burns = (
        {name: fee_fraction(pool_fee_bps(pool, name, size, fee, params, inflow=inflow)) for name in names}
        for inflow in (True, False)
    )
    above = {name: vp / (1.0 - charged) for name, charged in mints.items()}
    below = {name: vp * (1.0 - charged) for name, charged in burns.items()}
    high = _best(above, {name: deposit_limits(pool, name, params) for name in names}, size, sign=1.0)
    low = _best(below, {name: withdrawal_limits(pool, name, params) for name in names}, size, sign=-1.0)
    capacity = mint_capacity_usd(pool, params)
    return PriceBounds(
        **as_fields(
            namespace(low.price, high.price, capacity),
            low=low.price,
            high=high.price,
            mint_open=high.is_open,
            mint_capacity_usd=capacity,
            binding=high.binding,
            burn_binding=low.binding,
            mint_asset=high.asset,
            burn_asset=low.asset,
        )
    )


def _best(
    prices: Mapping[str, Any], limits: Mapping[str, Mapping[str, Any]], size: Any, *, sign: float
) -> _Side:
    """Return the lowest (``sign`` 1) or highest (-1) price among the assets whose limits admit the size."""
    import numpy as np

    kinds = list(next(iter(limits.values())))
    rooms = [limits[name][kind] for name in prices for kind in kinds]
    cells = np.broadcast_arrays(size, *prices.values(), *rooms)
    least, costs = cells[0], np.stack(cells[1 : 1 + len(prices)])
    room = np.stack(cells[1 + len(prices) :]).reshape(len(prices), len(kinds), *least.shape)
    admits = (room > 0) & (room >= least)
    ranked = np.where(admits.all(axis=1), sign * costs, np.inf)
    best, is_open = ranked.argmin(axis=0), np.isfinite(ranked.min(axis=0))
    return _Side(
        _plain(np.where(is_open, sign * ranked.min(axis=0), np.nan)),
        _plain(np.where(is_open, np.array(list(prices), dtype=object)[best], None)),
        _plain(is_open),
        _plain(np.where(is_open, None, _binding(admits, kinds))),
    )


def _binding(admits: Any, kinds: list[str]) -> Any:
    """Return the first limit that alone stops every asset; where two share the work, the band is the one named."""
    import numpy as np

    stops = ~admits.any(axis=0)
    first = np.array([*kinds, "weight_band"], dtype=object)
    return first[np.where(stops.any(axis=0), stops.argmax(axis=0), len(kinds))]


def _plain(values: Any) -> Any:
    """Return an array as it is, a lone value as a Python one."""
    return values if values.ndim else values.item()
