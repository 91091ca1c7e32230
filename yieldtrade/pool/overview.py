"""A pool as a holder of its share looks at it: value, premium, exposure, dollars in it, what it pays (pool.md 6-8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from yieldtrade.conventions import iso
from yieldtrade.elementwise import checked, positive
from yieldtrade.errors import MarketDefinitionError
from yieldtrade.pool.borrowing import borrow_rate, utilisation
from yieldtrade.pool.composition import (
    asset_deltas,
    aum,
    custody_aum,
    delta_share,
    premium,
    price_leg,
    stable_share,
    stable_share_by_utilisation,
    stable_share_range,
    virtual_price,
)
from yieldtrade.pool.snapshot import Dated, PoolPicture, last_figure, pool_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from yieldtrade.market import MarketView, OfficialYield
    from yieldtrade.pool.borrowing import BorrowRate
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
        What it adds to the AUM, and its share of it.
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
    weight: float
    target_weight: float | None
    deviation: float | None
    in_band: bool | None
    utilisation: float | None
    borrow_apr: float | None
    borrow_hourly: float | None
    delta_usd: float
    delta_share: float
    tokens_per_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOverview:
    """A pool at a moment; a figure that is not known is None.

    ``stable_share`` is the part of the share that is really dollars and ``stable_share_low/high`` its range where
    the stored figures do not settle it; ``delta_share`` is the rest. ``premium`` is market over virtual price.
    ``virtual_price_usd`` is AUM over supply; ``published_price`` the pool's own last figure.
    """

    pool_id: str
    picture: PoolPicture
    params: PoolParameters
    assets: tuple[AssetLine, ...]
    aum_usd: float
    aum_limit_usd: float | None
    mint_open: bool | None
    supply: float | None
    virtual_price_usd: float | None
    published_price: Dated | None
    market_price: Dated | None
    premium: float | None
    stable_share: float
    stable_share_low: float | None
    stable_share_high: float | None
    delta_share: float
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
    state = picture.state
    worth = aum(state)
    limit = state.aum_limit_usd
    virtual = virtual_price(state) if state.supply else None
    share, low, high = _dollars(picture, params)
    market = _market_price(view, pool_id, market_price)
    return PoolOverview(
        pool_id=pool_id,
        picture=picture,
        params=params,
        assets=tuple(_assets(picture, params, worth)),
        aum_usd=worth,
        aum_limit_usd=limit,
        mint_open=None if limit is None else worth < limit,
        supply=state.supply or None,
        virtual_price_usd=virtual,
        published_price=last_figure(view, pool_id, "nav_price_usd"),
        market_price=market,
        premium=_premium(market, virtual, picture),
        stable_share=share,
        stable_share_low=low,
        stable_share_high=high,
        delta_share=delta_share(share),
        official=view.official_yield(pool_id),
        notes=(*picture.notes, *_recommended(params)),
    )


def _assets(picture: PoolPicture, params: PoolParameters, worth: float) -> Iterable[AssetLine]:
    state = picture.state
    betas: Mapping[str, float] = asset_deltas(state) if state.supply else {}
    for custody in state:
        value = custody_aum(custody).aum_usd
        target = state.target_weights.get(custody.asset)
        used = _utilisation(picture, custody)
        rate = _borrow_rate(custody.asset, used, params)
        delta = _delta_usd(custody)
        yield AssetLine(
            asset=custody.asset,
            is_stable=custody.is_stable,
            value_usd=value,
            weight=value / worth,
            target_weight=target,
            deviation=None if target is None else value / worth - target,
            in_band=_in_band(value / worth, target, params),
            utilisation=used,
            borrow_apr=rate.apr if rate else None,
            borrow_hourly=rate.hourly if rate else None,
            delta_usd=delta,
            delta_share=delta / worth,
            tokens_per_share=betas.get(custody.asset) if picture.is_exact else None,
        )


def _delta_usd(custody: CustodyState) -> float:
    from yieldtrade.pool.state import PoolState

    return float(price_leg(PoolState(custodies=(custody,), supply=1.0)))


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


def _in_band(weight: float, target: float | None, params: PoolParameters) -> bool | None:
    if target is None or "weight_failsafe" not in params.terms:
        return None
    return abs(weight - target) <= params.number("weight_failsafe") * target


def _dollars(picture: PoolPicture, params: PoolParameters) -> tuple[float, float | None, float | None]:
    """Return the dollar share and, where figures leave it open, its range."""
    state = picture.state
    if picture.basis in ("custodies", "exposures") or not picture.utilisations:
        return float(stable_share(state)), None, None
    split = (
        [custody_aum(custody).aum_usd for custody in state],
        [picture.utilisations[c.asset].value if c.asset in picture.utilisations else 0.0 for c in state],
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
    at = picture.state.as_of
    if market is None or virtual is None or at is None:
        return None
    given = market.source == "given by the user"
    if not given and abs((market.at - at).total_seconds()) > PREMIUM_APART_DAYS * 86_400:
        return None
    return float(premium(market.value, virtual))


def _recommended(params: PoolParameters) -> Iterable[str]:
    if params.recommended:
        yield f"recommended only, assumed here: {', '.join(params.recommended)} (as of {iso(params.at)})"


def asset_exposures(overview: PoolOverview) -> dict[str, float]:
    """Return the share of one pool share's value that moves with each coin.

    What moves with coins nobody has split it by, as shorts known in total only, stands under ``"shorts"``.
    """
    found = {line.asset: line.delta_share for line in overview.assets if not line.is_stable}
    rest = overview.delta_share - sum(found.values())
    return {**found, "shorts": rest} if overview.picture.basis == "utilisations" else found
