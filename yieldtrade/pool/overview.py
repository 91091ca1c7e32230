"""A pool as a holder of its share looks at it: value, premium, exposure, dollars in it, what it pays (pool.md 6-8)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from yieldtrade.conventions import iso
from yieldtrade.elementwise import checked, positive
from yieldtrade.errors import MarketDefinitionError
from yieldtrade.pool.borrowing import HOURS_PER_YEAR, BorrowRate, borrow_rate, utilisation
from yieldtrade.pool.composition import (
    AssetPart,
    Composition,
    asset_deltas,
    composition,
    custody_aum,
    delta_share,
    premium,
    price_leg,
    stable_share_by_utilisation,
    stable_share_range,
)
from yieldtrade.pool.price_bounds import PriceBounds, price_bounds
from yieldtrade.pool.snapshot import Dated, PoolPicture, apart, last_figure, pool_picture
from yieldtrade.pool.state import PoolState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from yieldtrade.market import MarketView, OfficialYield
    from yieldtrade.pool.parameters import PoolParameters
    from yieldtrade.pool.state import CustodyState

# A market price and a virtual price of different days give no premium.
PREMIUM_APART_DAYS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetLine:
    """One asset of a pool.

    Attributes
    ----------
    value_usd, weight
        What it adds to the AUM, and its share of it; no share in a pool worth nothing.
    market_value_usd
        The same at its market price where the program counts a stablecoin below 1 as 1; else as ``value_usd``.
    target_weight, deviation, in_band
        Target, weight less target, and whether the failsafe lets it be deposited and withdrawn; None where the
        target or the failsafe is not published.
    utilisation
        Share of it that is locked or lent; None where unknown.
    borrow_apr, borrow_hourly
        What borrowing it costs now; None where its curve is not published.
    delta_usd, delta_share
        USD of the pool that move with its price, and their share of the AUM; 0 for a stablecoin.
    tokens_per_share
        Tokens of it in the delta of one share; None for an approximate state.
    """

    asset: str
    is_stable: bool
    value_usd: float
    market_value_usd: float
    weight: float | None
    target_weight: float | None
    deviation: float | None
    in_band: bool | None
    utilisation: float | None
    borrow_apr: float | None
    borrow_hourly: float | None
    delta_usd: float
    delta_share: float | None
    tokens_per_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOverview:
    """A pool at a moment; a figure that is not known is None.

    ``stable_share`` is the part of the share that is really dollars and ``stable_share_low/high`` its range where
    the stored figures do not settle it; ``delta_share`` is the rest. ``premium`` is market over virtual price.
    ``virtual_price_usd`` is AUM over supply; ``published_price`` the pool's own figure near the state's day.
    ``bounds`` are those of the market price while shares are minted and burnt, None where the fees on that are not
    known. ``market_value_usd`` is the AUM with stablecoins below 1 at their price.
    """

    pool_id: str
    picture: PoolPicture
    params: PoolParameters
    assets: tuple[AssetLine, ...]
    aum_usd: float
    market_value_usd: float
    aum_limit_usd: float | None
    mint_open: bool | None
    supply: float | None
    virtual_price_usd: float | None
    published_price: Dated | None
    market_price: Dated | None
    premium: float | None
    bounds: PriceBounds | None
    stable_share: float | None
    stable_share_low: float | None
    stable_share_high: float | None
    delta_share: float | None
    official: OfficialYield | None
    notes: tuple[str, ...]


def pool_overview(
    view: MarketView, pool_id: str, params: PoolParameters, *, market_price: float | None = None
) -> PoolOverview:
    """Return a pool at the moment of a view.

    Parameters
    ----------
    view
        What was known.
    pool_id
        The pool.
    params
        Its parameters in force.
    market_price
        What one share trades at, USD; the last stored price where None.

    Raises
    ------
    MissingDataError
        Nothing is stored of what it holds.
    DomainError
        A market price that is not above 0.
    """
    picture = pool_picture(view, pool_id, params)
    whole = composition(picture.state)
    limit = picture.state.aum_limit_usd
    share, low, high = _dollars(picture, whole, params)
    market = _market_price(view, pool_id, market_price)
    published = last_figure(view, pool_id, "nav_price_usd")
    rates = _measured_rates(view, pool_id, picture)
    assets = tuple(_assets(picture, whole, params, rates))
    return PoolOverview(
        pool_id=pool_id,
        picture=picture,
        params=params,
        assets=assets,
        aum_usd=whole.aum_usd,
        market_value_usd=whole.marked_to_market_usd,
        aum_limit_usd=limit,
        mint_open=None if limit is None else whole.aum_usd < limit,
        supply=picture.state.supply or None,
        virtual_price_usd=whole.virtual_price,
        published_price=published if published and not apart(published.at, picture.at) else None,
        market_price=market,
        premium=_premium(market, whole.virtual_price, picture),
        bounds=_bounds(picture, whole, params),
        stable_share=share,
        stable_share_low=low,
        stable_share_high=high,
        delta_share=_delta_share(share, assets),
        official=view.official_yield(pool_id),
        notes=(
            *picture.notes,
            *map(_told, whole.flags),
            *([f"borrow rates as last measured: {', '.join(rates)}"] if rates else []),
            *_recommended(params),
        ),
    )


def _delta_share(share: float | None, assets: Iterable[AssetLine]) -> float | None:
    """Return what is not dollars; where that is not known, what moves with the coins one by one."""
    if share is not None:
        return float(delta_share(share))
    shares = [line.delta_share for line in assets if line.delta_share is not None]
    return sum(shares) if shares else None


def _bounds(picture: PoolPicture, whole: Composition, params: PoolParameters) -> PriceBounds | None:
    if not whole.virtual_price:
        return None
    try:
        return price_bounds(picture.state, params)
    except MarketDefinitionError:
        return None


def _told(flag: str) -> str:
    """Say what a flag of a composition means."""
    kind, _, asset = flag.partition(": ")
    return {
        "clamped": f"more {asset} is locked than owned: nothing of it counts as free",
        "floored": f"the profit of shorts on {asset} exceeds all the rest of its custody, which counts as 0",
        "below 1": f"{asset} trades below 1 and counts as 1 in the AUM, as the program does",
    }.get(kind, "the pool is worth nothing")


def _assets(
    picture: PoolPicture, whole: Composition, params: PoolParameters, rates: Mapping[str, BorrowRate]
) -> Iterable[AssetLine]:
    state = picture.state
    betas: Mapping[str, float] = {}
    if state.supply and picture.is_exact and not _floor_binds(whole):
        betas = asset_deltas(state)
    for custody in state:
        part = whole.parts[custody.asset]
        used = _utilisation(picture, custody)
        rate = rates.get(custody.asset) or _borrow_rate(custody.asset, used, params)
        delta = _delta_usd(custody, part)
        known = None if picture.targets_stand_in else part.target
        yield AssetLine(
            asset=custody.asset,
            is_stable=custody.is_stable,
            value_usd=part.value.aum_usd,
            market_value_usd=part.value.marked_to_market_usd,
            weight=part.weight,
            target_weight=part.target,
            deviation=None if known is None else part.deviation,
            in_band=_in_band(part.weight, known, params),
            utilisation=used,
            borrow_apr=rate.apr if rate else None,
            borrow_hourly=rate.hourly if rate else None,
            delta_usd=delta,
            delta_share=delta / whole.aum_usd if whole.aum_usd else None,
            tokens_per_share=betas.get(custody.asset),
        )


def _delta_usd(custody: CustodyState, part: AssetPart) -> float:
    """Return what moves with a coin's price: nothing under the floor, nothing of a free part that is clamped."""
    if part.value.floored:
        return 0.0
    frozen = replace(custody, locked=min(custody.locked, custody.owned + custody.debt))
    return float(price_leg(PoolState(custodies=(frozen,), supply=1.0)))


def _floor_binds(whole: Composition) -> bool:
    return any(part.value.clamped or part.value.floored for part in whole.parts.values())


def _measured_rates(view: MarketView, pool_id: str, picture: PoolPicture) -> dict[str, BorrowRate]:
    """Return the borrow rates measured near the view's moment and after the utilisation known."""
    found = {}
    for custody in picture.state:
        rate = last_figure(view, pool_id, f"{custody.asset.lower()}_borrow_rate_hourly")
        used = picture.utilisations.get(custody.asset)
        since = picture.at if picture.is_exact else used.at if used else None
        if rate and not apart(rate.at, view.as_of) and (since is None or rate.at > since):
            found[custody.asset] = BorrowRate(rate.value, rate.value * HOURS_PER_YEAR)
    return found


def _utilisation(picture: PoolPicture, custody: CustodyState) -> float | None:
    if picture.is_exact:
        return float(utilisation(custody))
    published = picture.utilisations.get(custody.asset)
    return published.value if published else None


def _borrow_rate(asset: str, used: float | None, params: PoolParameters) -> BorrowRate | None:
    """Return the rate of an asset, or None where its utilisation or its curve is not known."""
    if used is None:
        return None
    try:
        curve = params.borrow_curve(asset)
    except MarketDefinitionError:
        return None
    return borrow_rate(used, curve, allow_over=True)


def _in_band(weight: float | None, target: float | None, params: PoolParameters) -> bool | None:
    if weight is None or target is None or "weight_failsafe" not in params.terms:
        return None
    return abs(weight - target) <= params.number("weight_failsafe") * target


def _dollars(
    picture: PoolPicture, whole: Composition, params: PoolParameters
) -> tuple[float | None, float | None, float | None]:
    """Return the dollar share and, where figures leave it open, its range."""
    state = picture.state
    if picture.is_exact and _floor_binds(whole):
        # S + D falls short of the AUM under a floor, so S/AUM is no share of it
        return None, None, None
    if picture.basis in ("custodies", "exposures") or not picture.utilisations:
        return whole.stable_share, None, None
    if any(custody.asset not in picture.utilisations for custody in state):
        return None, None, None
    split = (
        [custody_aum(custody).aum_usd for custody in state],
        [picture.utilisations[custody.asset].value for custody in state],
        [custody.is_stable for custody in state],
    )
    low = float(stable_share_by_utilisation(*split))
    if "loans.max_ltv" not in params.terms:
        return low, None, None
    return low, low, float(stable_share_range(*split).high)


def _market_price(view: MarketView, pool_id: str, given: float | None) -> Dated | None:
    if given is None:
        return last_figure(view, pool_id, "jlp_price_usd")
    return Dated(checked("market_price", given, positive("market_price")), view.as_of, "given by the user")


def _premium(market: Dated | None, virtual: float | None, picture: PoolPicture) -> float | None:
    if market is None or not virtual:
        return None
    given = market.source == "given by the user"
    if not given and apart(market.at, picture.at, PREMIUM_APART_DAYS):
        return None
    return float(premium(market.value, virtual))


def _recommended(params: PoolParameters) -> Iterable[str]:
    if params.recommended:
        yield f"recommended only, assumed here: {', '.join(params.recommended)} (as of {iso(params.at)})"


def asset_exposures(overview: PoolOverview) -> dict[str, float]:
    """Return the share of one pool share's value that moves with each coin.

    What moves with coins nobody has split it by, as shorts known in total only, stands under ``"shorts"``.
    """
    found = {
        line.asset: line.delta_share
        for line in overview.assets
        if not line.is_stable and line.delta_share is not None
    }
    if overview.picture.basis != "utilisations" or overview.delta_share is None:
        return found
    rest = overview.delta_share - sum(found.values())
    return {**found, "shorts": rest} if overview.stable_share is not None else found
