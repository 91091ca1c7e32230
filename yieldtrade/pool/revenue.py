"""Who gets the fees of a pool, the yield they make, and when it is published (pool.md 3, 8)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.conventions import YEAR_SECONDS, epoch_start, iso, utc
from yieldtrade.elementwise import Bound, check_choice, evaluate, not_negative, positive
from yieldtrade.errors import DomainError, MarketDefinitionError
from yieldtrade.pool.integers import BPS, whole

if TYPE_CHECKING:
    from yieldtrade.market import Terms
    from yieldtrade.pool.parameters import PoolParameters

FeeKind: TypeAlias = Literal["open_close", "borrow", "swap", "mint_burn", "liquidation"]

_KINDS = ("open_close", "borrow", "swap", "mint_burn", "liquidation")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_A_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_WEEK = timedelta(days=7)
_HOURS_OF_DAY = 24
_HOURS_OF_WEEK = 168


def _fraction(name: str) -> Bound:
    return Bound(name, lambda **given: (given[name] >= 0) & (given[name] <= 1), "must lie between 0 and 1")


def pool_share(fee_usd: Any, kind: FeeKind, params: PoolParameters) -> Any:
    """Return what the pool gets of a fee, USD (pool.md 2, 3).

    Parameters
    ----------
    fee_usd
        The fee, 0 or more; for ``"liquidation"`` what is left of the position.
    kind
        ``"open_close"``, ``"borrow"``, ``"swap"`` and ``"mint_burn"`` are shared with the protocol. What a
        liquidation leaves goes to the pool whole or not at all, as ``fees.liquidation_remainder_to`` says.
    params
        Parameters in force when the fee was paid.

    Raises
    ------
    DomainError
        A negative fee, or an unknown kind.
    MarketDefinitionError
        The share of that time is not known.
    """
    check_choice("kind", kind, _KINDS)
    share = _liquidation_share(params) if kind == "liquidation" else params.number("fees.pool_share")
    return evaluate(
        lambda xp, fee_usd, share: fee_usd * share,
        (not_negative("fee_usd"), _fraction("share")),
        "raise",
        fee_usd=fee_usd,
        share=share,
    )


def _liquidation_share(params: PoolParameters) -> float:
    receiver = params.text("fees.liquidation_remainder_to")
    if receiver not in ("pool", "trader"):
        raise MarketDefinitionError(
            f"{params.owner}: fees.liquidation_remainder_to = {receiver!r} must be pool or trader"
        )
    return 1.0 if receiver == "pool" else 0.0


def trade_fee_revenue(volume_usd: Any, base_bps: Any, share: Any) -> Any:
    """Fees that the pool gets from a volume of opens and closes, ``volume*bps/1e4*share`` (pool.md 3).

    Parameters
    ----------
    volume_usd
        Opens and closes together, 0 or more.
    base_bps
        Fee on them, 0 or more.
    share
        The pool's share of fees, 0 to 1.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    return evaluate(
        lambda xp, volume_usd, base_bps, share: volume_usd * base_bps / BPS * share,
        (not_negative("volume_usd"), not_negative("base_bps"), _fraction("share")),
        "raise",
        volume_usd=volume_usd,
        base_bps=base_bps,
        share=share,
    )


def lp_fee_share(contribution_usd: Any, pool_usd: Any) -> Any:
    """Share of the pool's fees that a contribution earns, ``contribution/pool`` (pool.md 8).

    Parameters
    ----------
    contribution_usd
        A liquidity provider's part of the pool, 0 or more.
    pool_usd
        The whole pool, that part included.

    Raises
    ------
    DomainError
        A contribution that is negative or exceeds the pool, or a pool of 0.
    """
    return evaluate(
        lambda xp, contribution_usd, pool_usd: contribution_usd / pool_usd,
        (
            positive("pool_usd"),
            not_negative("contribution_usd"),
            Bound(
                "contribution_usd",
                lambda contribution_usd, pool_usd: contribution_usd <= pool_usd,
                "exceeds pool_usd, of which it is a part",
            ),
        ),
        "raise",
        contribution_usd=contribution_usd,
        pool_usd=pool_usd,
    )


class Revenue(NamedTuple):
    """Fees of a volume that go to the pool, a contribution's share of them, and what that comes to, USD."""

    pool_fees_usd: Any
    lp_share: Any
    lp_fees_usd: Any


def revenue_example(
    volume_usd: Any, fee_rate: Any, share: Any, contribution_usd: Any, pool_usd: Any
) -> Revenue:
    """Fees of a volume as one liquidity provider sees them, ``volume*fee*share*contribution/pool`` (pool.md 8).

    Parameters
    ----------
    volume_usd
        Volume of the day, the week or any other time.
    fee_rate
        Fee on it, a fraction: 0.001 is 10 bps.
    share
        The pool's share of fees, 0 to 1.
    contribution_usd, pool_usd
        As in `lp_fee_share`.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    lp_share = lp_fee_share(contribution_usd, pool_usd)
    pool_fees = evaluate(
        lambda xp, volume_usd, fee_rate, share: volume_usd * fee_rate * share,
        (not_negative("volume_usd"), not_negative("fee_rate"), _fraction("share")),
        "raise",
        volume_usd=volume_usd,
        fee_rate=fee_rate,
        share=share,
    )
    lp_fees = evaluate(
        lambda xp, pool_fees, lp_share: pool_fees * lp_share,
        (),
        "raise",
        pool_fees=pool_fees,
        lp_share=lp_share,
    )
    return Revenue(pool_fees, lp_share, lp_fees)


# The yield that fees make, and when it is published.


def fee_apr(fees_to_pool_usd: Any, pool_usd: Any, seconds: Any, *, exact: bool = False) -> Any:
    """Simple annual yield of the fees of a time, ``fees*31,536,000/(pool*seconds)`` (pool.md 8).

    The published APY is its `yieldtrade.conventions.apy_from_apr`, compounded 365 times.

    Parameters
    ----------
    fees_to_pool_usd
        Fees already times the pool's share, 0 or more.
    pool_usd
        Value of the pool, above 0.
    seconds
        Length of the time, above 0. The program takes a new figure once it exceeds a week.
    exact
        Integers (both amounts in the same unit), and the APR in whole bps rounded down as the program keeps it.

    Returns
    -------
    float, int or numpy.ndarray
        APR: a fraction, or bps in exact form.

    Raises
    ------
    DomainError
        A value outside its domain; in exact form one that is not whole.
    """
    if exact:
        fees, pool = whole("fees_to_pool_usd", fees_to_pool_usd, 0), whole("pool_usd", pool_usd, 1)
        return fees * YEAR_SECONDS * BPS // (pool * whole("seconds", seconds, 1))
    return evaluate(
        lambda xp, fees_to_pool_usd, pool_usd, seconds: (
            fees_to_pool_usd / pool_usd * (YEAR_SECONDS / seconds)
        ),
        (not_negative("fees_to_pool_usd"), positive("pool_usd"), positive("seconds")),
        "raise",
        fees_to_pool_usd=fees_to_pool_usd,
        pool_usd=pool_usd,
        seconds=seconds,
    )


class Publication(NamedTuple):
    """A publication of the yield: the moment by which it is out, and the earliest at which it may be, UTC."""

    at: datetime
    earliest: datetime


def publication_times(start: datetime, end: datetime, params: PoolParameters) -> tuple[Publication, ...]:
    """Return the weekly publications of the yield from ``start`` to ``end``, both included (pool.md 8).

    Parameters
    ----------
    start, end
        Aware moments; a publication counts by the moment at which it is out.
    params
        Its calendar: ``publication.weekday`` and ``publication.hour_utc``; ``publication.tolerance_hours``, if
        stated, is how much earlier the figure may be out. A later change of calendar is not in it.

    Raises
    ------
    DomainError
        A moment without a time zone, or an end before the start.
    MarketDefinitionError
        The calendar is not known, or its weekday or an hour is none.
    """
    first, last = utc(start, "start"), utc(end, "end")
    if last < first:
        raise DomainError(f"end = {iso(last)} lies before start = {iso(first)}")
    weekday, hour = publication_clock(params)
    anchor = _A_MONDAY + timedelta(days=weekday, hours=hour)
    early = timedelta(hours=_tolerance_hours(params))
    moment = epoch_start(first, anchor, _WEEK.total_seconds())
    if moment < first:
        moment += _WEEK
    weeks = (last - moment) // _WEEK + 1
    times = (moment + week * _WEEK for week in range(weeks))
    return tuple(Publication(at=time, earliest=time - early) for time in times)


def publication_clock(terms: Terms | PoolParameters) -> tuple[int, float]:
    """Return the weekday of publication, Monday being 0, and the hour of that day (UTC) by which it is out.

    Raises
    ------
    MarketDefinitionError
        They are not known, or are no weekday or hour.
    """
    weekday = terms.text("publication.weekday")
    if weekday.strip().lower() not in _WEEKDAYS:
        raise MarketDefinitionError(
            f"{terms.owner}: publication.weekday = {weekday!r} is not a weekday such as Monday"
        )
    hour = terms.number("publication.hour_utc")
    if not 0 <= hour < _HOURS_OF_DAY:
        raise MarketDefinitionError(f"{terms.owner}: publication.hour_utc = {hour!r} must lie in [0, 24)")
    return _WEEKDAYS.index(weekday.strip().lower()), hour


def _tolerance_hours(params: PoolParameters) -> float:
    name = "publication.tolerance_hours"
    hours = params.number(name) if name in params.terms else 0.0
    if not 0 <= hours <= _HOURS_OF_WEEK:
        raise MarketDefinitionError(f"{params.owner}: {name} = {hours!r} must lie in [0, 168]")
    return hours
