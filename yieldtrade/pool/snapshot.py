"""A pool at the moment of a view, from whatever is stored of it (pool.md 6-7).

Stored custodies give the exact state. Where there are none, an approximate one is put together from published
weights, utilisations and exposures, each of its own date: assets are then counted in USD (price 1) and open
positions are taken to have been entered at the mark unless their profit is published.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from yieldtrade.conventions import DAY_SECONDS, iso
from yieldtrade.errors import DataError, MissingDataError
from yieldtrade.pool.state import CustodyState, PoolState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from yieldtrade.market import CustodyRecord, MarketView
    from yieldtrade.pool.parameters import PoolParameters

Basis: TypeAlias = Literal["custodies", "exposures", "utilisations", "weights"]

# Figures further apart than this are not put together: the market has moved, shares were minted and burnt.
APART_DAYS = 3.0
# Weights and utilisations move more slowly.
WEIGHTS_APART_DAYS = 31.0
# Published weights are rounded: a table whose sum is further from 1 than this lacks an asset.
SUM_SLACK = 0.01


class Dated(NamedTuple):
    """A figure, the day or moment it is of, and the series or file it comes from."""

    value: float
    at: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPicture:
    """What is known of a pool's state.

    Attributes
    ----------
    state
        The state; with approximate figures its assets are counted in USD, each at a price of 1.
    basis
        ``custodies``: exact; else what the split of each asset rests on beside its weight: ``exposures`` of open
        positions, ``utilisations``, or nothing.
    aum, supply, weights_at, exposures_at, utilisations
        The figures behind an approximate state; None (empty) where unknown or exact.
    targets_stand_in
        No weights near the AUM's day are known, and the target weights of that time stand in for them.
    notes
        What a reader must know of the figures.
    """

    state: PoolState
    basis: Basis
    aum: Dated | None = None
    supply: Dated | None = None
    weights_at: datetime | None = None
    exposures_at: datetime | None = None
    utilisations: Mapping[str, Dated]
    targets_stand_in: bool = False
    notes: tuple[str, ...] = ()

    @property
    def dates(self) -> dict[str, datetime]:
        """Return the day or moment of each figure that the state is put together from."""
        used = next((figure.at for figure in self.utilisations.values()), None)
        found = {
            "AUM": self.aum and self.aum.at,
            ("target weights" if self.targets_stand_in else "weights"): self.weights_at,
            "utilisations": used,
            "open positions": self.exposures_at,
            "supply": self.supply and self.supply.at,
            "state": self.state.as_of,
        }
        return {name: at for name, at in found.items() if at}

    @property
    def at(self) -> datetime:
        """Return the moment of the state: that of its custodies or of its AUM."""
        assert self.state.as_of is not None  # noqa: S101 - both ways of making a picture date it
        return self.state.as_of

    @property
    def price_at(self) -> datetime:
        """Return the day or moment of the virtual price."""
        return self.at if self.is_exact or self.supply is None else self.supply.at

    @property
    def is_exact(self) -> bool:
        """Say whether the state is that of the custodies themselves."""
        return self.basis == "custodies"


def pool_picture(view: MarketView, pool_id: str, params: PoolParameters) -> PoolPicture:
    """Return the last known state of a pool.

    Parameters
    ----------
    view
        What was known.
    pool_id
        The pool.
    params
        Its parameters at the moment of the view: which assets it holds, their targets, the AUM limit.

    Raises
    ------
    MissingDataError
        Neither custodies nor an AUM with weights are stored.
    DataError
        Stored custodies of one moment contradict each other.
    """
    records = view.custodies(pool_id)
    if not records:
        return _approximate(view, pool_id, params)
    exact, aum = _exact(records, params), _aum(view, pool_id)
    if aum is None or aum.at <= exact.at or not apart(aum.at, exact.at):
        return exact
    newer = _approximate(view, pool_id, params)
    told = f"the stored custodies, of {_day(exact.at)}, are older than what else is known"
    return replace(newer, notes=(told, *newer.notes))


def _aum(view: MarketView, pool_id: str) -> Dated | None:
    return _latest(last_figure(view, pool_id, name) for name in ("aum_usd", "tvl_usd"))


def last_figure(view: MarketView, pool_id: str, series: str) -> Dated | None:
    """Return the last figure of a daily series, with its day."""
    found = view.pool_series(pool_id, series)
    if not len(found):
        return None
    day = datetime.fromisoformat(str(found.days[-1])).replace(tzinfo=UTC)
    return Dated(float(found.values[-1]), day, series)


def _exact(records: Iterable[CustodyRecord], params: PoolParameters) -> PoolPicture:
    records = tuple(sorted(records, key=lambda record: record.at, reverse=True))
    first = records[0]
    supplies = {record.supply for record in records if record.at == first.at}
    if len(supplies) > 1:
        raise DataError(
            f"custodies of {first.pool_id} at {iso(first.at)} state several supplies: "
            f"{', '.join(f'{supply:g}' for supply in sorted(supplies))}; load them again with one"
        )
    custodies = tuple(
        CustodyState(
            asset=record.asset,
            is_stable=params.flag(f"custodies.{record.asset}.stable"),
            owned=record.owned,
            price=record.price_usd,
            locked=record.locked,
            debt=record.debt,
            guaranteed_usd=record.guaranteed_usd,
            short_sizes_usd=record.short_sizes_usd,
            short_avg_price=record.short_avg_price,
            fees_reserves=record.fees_reserves,
        )
        for record in records
    )
    missing = sorted(set(params.assets()) - {custody.asset for custody in custodies} - _retired(params))
    notes = []
    if missing:
        notes.append(
            f"no custody of {', '.join(missing)} is stored: AUM and weights leave it out, and no virtual price is "
            "taken from them"
        )
    if not first.supply:
        notes.append("there are no shares, so there is no virtual price")
    return PoolPicture(
        # shares of a pool known in part have no known value
        state=_state(custodies, 0.0 if missing else first.supply, params, first.at),
        basis="custodies",
        supply=Dated(first.supply, first.at, first.source),
        utilisations={},
        notes=tuple(notes),
    )


def _state(
    custodies: tuple[CustodyState, ...], supply: float, params: PoolParameters, at: datetime
) -> PoolState:
    known = "aum_limit_usd" in params.terms
    return PoolState(
        custodies=custodies,
        supply=supply,
        target_weights=params.target_weights(),
        aum_limit_usd=params.number("aum_limit_usd") if known else None,
        as_of=at,
    )


def _retired(params: PoolParameters) -> set[str]:
    """Return the assets whose target weight is 0 or not published: none of them need be held."""
    weights = params.target_weights()
    return {asset for asset in params.assets() if not weights.get(asset)}


# ---------------------------------------------------------------------- approximate


def _approximate(view: MarketView, pool_id: str, params: PoolParameters) -> PoolPicture:
    aum = _aum(view, pool_id)
    published = {} if aum is None else _weights(view, pool_id, params.assets(), aum.at)
    weights = published or ({} if aum is None else _targets(params, aum.at))
    if aum is None or not weights:
        raise MissingDataError(
            f"neither custodies nor an AUM with weights of {pool_id} are known as of {iso(view.as_of)}; "
            "load a table custody_state with `yieldtrade load FILE`"
        )
    weights_at = next(iter(weights.values())).at
    utilisations = _by_asset(view, pool_id, weights, "{}_utilisation")
    if any(apart(used.at, weights_at, WEIGHTS_APART_DAYS) for used in utilisations.values()):
        utilisations = {}
    exposures, exposures_at = _exposures(view, pool_id, weights, weights_at)
    supply = _supply(view, pool_id, aum)
    custodies = tuple(
        _custody(
            asset,
            is_stable=stable,
            value_usd=aum.value * weight.value,
            utilisation=utilisations.get(asset),
            exposure=exposures.get(asset),
        )
        for asset, stable in params.assets().items()
        if (weight := weights.get(asset)) is not None
    )
    basis: Basis = "exposures" if exposures else "utilisations" if utilisations else "weights"
    picture = PoolPicture(
        state=_state(custodies, supply.value if supply else 0.0, params, aum.at),
        basis=basis,
        aum=aum,
        supply=supply,
        weights_at=weights_at,
        exposures_at=exposures_at,
        utilisations=utilisations,
        targets_stand_in=not published,
    )
    return replace(picture, notes=tuple(_notes(picture)))


def _latest(found: Iterable[Dated | None]) -> Dated | None:
    return max((figure for figure in found if figure), key=lambda figure: figure.at, default=None)


def _by_asset(view: MarketView, pool_id: str, assets: Iterable[str], pattern: str) -> dict[str, Dated]:
    """Return a series of each asset at the last day on which any of them is known."""
    found = {asset: last_figure(view, pool_id, pattern.format(asset.lower())) for asset in assets}
    last = _latest(found.values())
    return {asset: figure for asset, figure in found.items() if figure and last and figure.at == last.at}


def _targets(params: PoolParameters, at: datetime) -> dict[str, Dated]:
    """Return the target weights of the assets held, as of a moment."""
    found = params.target_weights()
    return {asset: Dated(found[asset], at, "target weights") for asset in params.assets() if found.get(asset)}


def _weights(view: MarketView, pool_id: str, assets: Iterable[str], near: datetime) -> dict[str, Dated]:
    """Return the last published weights near a day, scaled to sum to 1; none where an asset is lacking."""
    patterns = ("{}_value_usd", "{}_weight", "week_weight_{}")
    tables = [_by_asset(view, pool_id, assets, pattern) for pattern in patterns]
    latest = max(tables, key=lambda table: max((f.at.timestamp() for f in table.values()), default=0.0))
    total = sum(figure.value for figure in latest.values())
    old = any(apart(figure.at, near, WEIGHTS_APART_DAYS) for figure in latest.values())
    lacking = latest is not tables[0] and abs(total - 1.0) > SUM_SLACK
    if old or lacking or not total:
        return {}
    return {asset: f._replace(value=f.value / total) for asset, f in latest.items()}


class _Exposure(NamedTuple):
    """Open positions on one asset, USD; the profit is the shorts'."""

    guaranteed_usd: float
    short_sizes_usd: float
    short_pnl_usd: float


def _exposures(
    view: MarketView, pool_id: str, assets: Iterable[str], weights_at: datetime
) -> tuple[dict[str, _Exposure], datetime | None]:
    """Return the open positions by asset, and their day; nothing where it is too far from that of the weights."""
    patterns = ("{}_guaranteed_usd", "{}_short_size_usd", "{}_short_pnl_usd")
    tables = [_by_asset(view, pool_id, assets, pattern) for pattern in patterns]
    at = next((figure.at for figure in tables[0].values()), None)
    if at is None or apart(at, weights_at):
        return {}, None
    complete = [asset for asset in tables[0] if all(asset in table for table in tables)]
    return {asset: _Exposure(*(table[asset].value for table in tables)) for asset in complete}, at


def apart(one: datetime, other: datetime, days: float = APART_DAYS) -> bool:
    """Say whether two moments lie further apart than figures that may be put together."""
    return abs((one - other).total_seconds()) > days * DAY_SECONDS


def _supply(view: MarketView, pool_id: str, aum: Dated) -> Dated | None:
    """Return the supply: published for the AUM's day, or that at which the last published price holds."""
    published = last_figure(view, pool_id, "supply")
    if published is not None and published.at == aum.at:
        return published
    price = last_figure(view, pool_id, "nav_price_usd")
    if price is None or apart(price.at, aum.at):
        return None
    return Dated(aum.value / price.value, price.at, "AUM over the published price")


def _custody(
    asset: str, *, is_stable: bool, value_usd: float, utilisation: Dated | None, exposure: _Exposure | None
) -> CustodyState:
    """Return a custody in USD at a price of 1 whose contribution to the AUM is ``value_usd``."""
    locked = utilisation.value * value_usd if utilisation else 0.0
    if is_stable or exposure is None:
        return CustodyState(
            asset=asset,
            is_stable=is_stable,
            owned=value_usd,
            price=1.0,
            locked=locked,
            guaranteed_usd=0.0 if is_stable else locked,
        )
    # value = guaranteed + (owned - locked) + Q with Q, what the pool has made on shorts, minus their profit
    made = -exposure.short_pnl_usd
    free = value_usd - exposure.guaranteed_usd - made
    sizes = exposure.short_sizes_usd
    return CustodyState(
        asset=asset,
        is_stable=False,
        owned=free + locked,
        price=1.0,
        locked=locked,
        guaranteed_usd=exposure.guaranteed_usd,
        short_sizes_usd=sizes,
        short_avg_price=sizes / (sizes + made) if sizes else 0.0,
    )


def _notes(picture: PoolPicture) -> Iterable[str]:
    aum = picture.aum
    known = ", ".join(f"{name} of {_day(at)}" for name, at in picture.dates.items() if name != "state")
    yield f"no custodies are stored: the state is put together from {known}"
    if aum and aum.source == "tvl_usd":
        yield "the AUM is the public TVL, whose faults the sources of the history describe"
    if picture.targets_stand_in:
        yield "no weights near that day are known: the target weights stand in for them"
    if picture.supply is None:
        yield "neither supply nor virtual price are known near that day"
    elif picture.supply.source != "supply":
        yield f"the virtual price is the one published on {_day(picture.supply.at)}"
    if picture.basis == "utilisations":
        yield "shorts are not known by asset: they count in the total delta and in no asset's"
    if picture.basis == "weights":
        yield "open positions are not known: the delta counts every coin as free, so it is too high"


def _day(moment: datetime) -> str:
    return iso(moment)[:10]
