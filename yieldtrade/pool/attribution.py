"""What moved a pool's share: its coins, its fees, its traders (pool.md 7).

Returns are fractions over the stretch of time in question, never annualised.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.elementwise import (
    Bound,
    as_array,
    as_fields,
    check_choice,
    checked,
    evaluate,
    namespace,
    not_negative,
    positive,
)
from yieldtrade.errors import DomainError, MissingDataError
from yieldtrade.pool.composition import asset_deltas, virtual_price

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import ArrayLike

    from yieldtrade.pool.state import PoolState

GammaMethod: TypeAlias = Literal["levels", "changes"]

# A line through two points says nothing of its error.
LEAST_OBSERVATIONS = 3


def basket_return(
    weights: Mapping[str, ArrayLike], returns: Mapping[str, ArrayLike], *, stables: Collection[str] = ()
) -> Any:
    """Return what the pool's assets earned at their weights, ``sum(w*r)`` with stablecoins at 0 (pool.md 7).

    Parameters
    ----------
    weights
        Weight at the start by asset, 0 or more; stablecoins may be left out.
    returns
        Return by asset, -1 or more.
    stables
        Assets that count as unmoved, whatever ``returns`` says of them.

    Raises
    ------
    MissingDataError
        An asset has a weight and no return, or the other way round.
    DomainError
        No assets, or a value outside its domain.
    """
    moving = sorted(set(weights) - set(stables))
    lone = sorted(set(moving) ^ (set(returns) - set(stables)))
    if lone:
        raise MissingDataError(
            f"weight and return are needed together; one of them is missing for {', '.join(lone)}"
        )
    if not weights:
        raise DomainError("weights: a basket holds at least one asset")
    if not moving:
        return 0.0
    given: dict[str, Any] = {f"weight of {asset}": weights[asset] for asset in moving}
    given |= {f"return of {asset}": returns[asset] for asset in moving}
    bounds = [
        bound
        for asset in moving
        for bound in (not_negative(f"weight of {asset}"), _fall(f"return of {asset}"))
    ]
    return evaluate(
        lambda xp, **of: sum(of[f"weight of {asset}"] * of[f"return of {asset}"] for asset in moving),
        tuple(bounds),
        "raise",
        **given,
    )


def _fall(name: str) -> Bound:
    return Bound(name, lambda **given: given[name] >= -1, "must be -1 or more")


def _above_minus_one(name: str) -> Bound:
    return Bound(name, lambda **given: given[name] > -1, "must be above -1")


def relative_performance(jlp_return: ArrayLike, basket_return: ArrayLike) -> Any:
    """Return what the share earned above its basket, below 0 where it lagged (pool.md 7)."""
    return evaluate(
        lambda xp, jlp_return, basket_return: jlp_return - basket_return,
        (_fall("jlp_return"), _fall("basket_return")),
        "raise",
        jlp_return=jlp_return,
        basket_return=basket_return,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnAttribution:
    """The return of a share between two states; its legs add up to ``total``.

    ``price`` is what the coins' moves earned at the first state's deltas, ``by_asset`` the same coin by coin;
    ``fees`` what reached the pool, None where that was not given; ``premium`` what the market price gained on the
    virtual one; ``residual`` the rest: positions that changed, floors, stablecoins off 1, and fees not given.
    """

    total: Any
    price: Any
    by_asset: Mapping[str, Any]
    fees: Any
    premium: Any
    residual: Any


def jlp_return_attribution(
    before: PoolState,
    after: PoolState,
    *,
    fees_usd: ArrayLike | None = None,
    premium_before: ArrayLike = 0.0,
    premium_after: ArrayLike = 0.0,
) -> ReturnAttribution:
    """Attribute the return of one share between two states of its pool (pool.md 7).

    The price leg is ``sum(beta*dp)/VP`` with the deltas and the virtual price before.

    Parameters
    ----------
    before, after
        The states.
    fees_usd
        Fees that reached the pool in between, 0 or more. They are shared among the mean of the two supplies.
    premium_before, premium_after
        Market over virtual price less 1 for a holder who counts at the market.

    Raises
    ------
    DomainError
        A state without shares or, before, worth nothing; a value outside its domain.
    UnknownNameError
        A coin of the first state is not in the second.
    """
    vp = checked("virtual price before", virtual_price(before), positive("virtual price before"))
    own = virtual_price(after) / vp - 1.0
    by_asset = {
        asset: beta * (after.custody(asset).price - before.custody(asset).price) / vp
        for asset, beta in sorted(asset_deltas(before).items())
    }
    price = sum(by_asset.values(), start=0.0)
    fees = _fee_leg(before, after, vp, fees_usd)
    total = evaluate(
        _market_return,
        (_above_minus_one("premium_before"), _above_minus_one("premium_after")),
        "raise",
        own=own,
        premium_before=premium_before,
        premium_after=premium_after,
    )
    return ReturnAttribution(
        total=total,
        price=price,
        by_asset=MappingProxyType(by_asset),
        fees=fees,
        premium=total - own,
        residual=own - price - (0.0 if fees is None else fees),
    )


def _market_return(_xp: Any, own: Any, premium_before: Any, premium_after: Any) -> Any:
    return (1.0 + own) * (1.0 + premium_after) / (1.0 + premium_before) - 1.0


def _fee_leg(before: PoolState, after: PoolState, vp: Any, fees_usd: ArrayLike | None) -> Any:
    if fees_usd is None:
        return None
    return evaluate(
        lambda xp, fees_usd, shares, vp: fees_usd / shares / vp,
        (not_negative("fees_usd"),),
        "raise",
        fees_usd=fees_usd,
        shares=(before.supply + after.supply) / 2.0,
        vp=vp,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnDecomposition:
    """The return of a share over a week and its parts, which add up to it.

    ``assets`` is the basket, ``fees`` the pool's fees over its value, ``traders`` minus their gross P&L over it,
    ``residual`` what these leave.
    """

    assets: Any
    fees: Any
    traders: Any
    residual: Any


def weekly_decomposition(
    jlp_return: ArrayLike,
    basket_return: ArrayLike,
    fees_to_pool_usd: ArrayLike,
    trader_pnl_usd: ArrayLike,
    pool_usd: ArrayLike,
) -> ReturnDecomposition:
    """Split the return of a share into its assets, the pool's fees and its traders (pool.md 7).

    Parameters
    ----------
    jlp_return, basket_return
        Of the week.
    fees_to_pool_usd
        Fees that reached the pool, 0 or more.
    trader_pnl_usd
        Gross P&L of the traders, above 0 where they won and the pool paid.
    pool_usd
        Value of the pool, above 0.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    fees = evaluate(
        lambda xp, fees_to_pool_usd, pool_usd: fees_to_pool_usd / pool_usd,
        (not_negative("fees_to_pool_usd"), positive("pool_usd")),
        "raise",
        fees_to_pool_usd=fees_to_pool_usd,
        pool_usd=pool_usd,
    )
    traders = evaluate(
        lambda xp, trader_pnl_usd, pool_usd: (0.0 - trader_pnl_usd) / pool_usd,
        (),
        "raise",
        trader_pnl_usd=trader_pnl_usd,
        pool_usd=pool_usd,
    )
    residual = evaluate(
        lambda xp, jlp_return, basket_return, fees, traders: jlp_return - basket_return - fees - traders,
        (_fall("jlp_return"), _fall("basket_return")),
        "raise",
        jlp_return=jlp_return,
        basket_return=basket_return,
        fees=fees,
        traders=traders,
    )
    return ReturnDecomposition(
        **as_fields(
            namespace(residual),
            assets=checked("basket_return", basket_return),
            fees=fees,
            traders=traders,
            residual=residual,
        )
    )


class GammaEstimate(NamedTuple):
    """How the pool's delta answers the price, fitted by least squares.

    Attributes
    ----------
    k
        Tokens a share by USD of price; below 0 where traders go long into a rally.
    stderr
        Its standard error.
    intercept, intercept_stderr
        Delta at the first price (``"levels"``), or its drift a step at an unchanged price (``"changes"``).
    n
        Observations in the fit: the length of the series, or one less.
    method
        What was fitted.
    """

    k: Any
    stderr: Any
    intercept: Any
    intercept_stderr: Any
    n: int
    method: GammaMethod


def behavioural_gamma(
    beta_series: ArrayLike, price_series: ArrayLike, *, method: GammaMethod = "levels"
) -> GammaEstimate:
    """Estimate k of ``beta(p) = b0 + k*dp``, the gamma that traders' behaviour makes (pool.md 7).

    With positions frozen the share has none; this is how positions change with the price.

    Parameters
    ----------
    beta_series
        Exact deltas of one coin in time, tokens a share, along the last axis.
    price_series
        Its prices at the same moments, USD, above 0.
    method
        ``"levels"`` fits beta on price. Both wander slowly, so its standard error is too small. ``"changes"``
        fits the step of beta on the step of the price, which is noisier and safe from that.

    Raises
    ------
    DomainError
        Fewer than three observations, series of different lengths, a price that never moves, or a value
        outside its domain.
    """
    import numpy as np

    check_choice("method", method, ("levels", "changes"))
    price = as_array("price_series", checked("price_series", price_series, positive("price_series")))
    beta = as_array("beta_series", checked("beta_series", beta_series))
    if not price.ndim or beta.shape != price.shape:
        raise DomainError(
            f"beta_series{beta.shape} and price_series{price.shape}: give a value a moment in each"
        )
    at = price[..., 0]
    if method == "changes":
        beta, price, at = np.diff(beta), np.diff(price), np.zeros(())
    if price.shape[-1] < LEAST_OBSERVATIONS:
        raise DomainError(
            f"n = {price.shape[-1]} observations of {method}: {LEAST_OBSERVATIONS} or more are needed"
        )
    if not np.ptp(price, axis=-1).all():
        raise DomainError(f"price_series: without any variation of its {method} there is no slope")
    return GammaEstimate(*_line(price, beta, at), price.shape[-1], method)


def _line(x: Any, y: Any, at: Any) -> tuple[Any, Any, Any, Any]:
    """Least squares of ``y = intercept + k*(x - at)``: k, its error, the intercept, its error."""
    import numpy as np

    n, mean, level = x.shape[-1], x.mean(axis=-1), y.mean(axis=-1)
    dx, dy = x - mean[..., None], y - level[..., None]
    spread = (dx**2).sum(axis=-1)
    k = (dx * dy).sum(axis=-1) / spread
    noise = ((dy - k[..., None] * dx) ** 2).sum(axis=-1) / (n - 2)
    away = at - mean
    stderr, start_stderr = np.sqrt(noise / spread), np.sqrt(noise * (1.0 / n + away**2 / spread))
    return tuple(_plain(value) for value in (k, stderr, level + k * away, start_stderr))


def _plain(value: Any) -> Any:
    return value if value.ndim else float(value)


def hedge_gamma_loss(k: ArrayLike, move: ArrayLike) -> Any:
    """Return what a hedge set at the start loses over a price move, ``-k*move**2/2`` USD a share (pool.md 7).

    Above 0 for ``k < 0``, whichever way the price goes.
    """
    return evaluate(lambda xp, k, move: (0.0 - k) * move**2 / 2.0, (), "raise", k=k, move=move)


def round_trip_loss(k: ArrayLike, move: ArrayLike, *, rebalanced: bool) -> Any:
    """Return what a hedge loses when the price moves away and comes back, USD a share (pool.md 7).

    A static hedge recovers all of it; one that was rebalanced at the far point loses ``-k*move**2``, half on
    each way.
    """
    return (2.0 if rebalanced else 0.0) * hedge_gamma_loss(k, move)
