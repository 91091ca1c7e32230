"""``pool``: what a pool holds, is worth and pays, and what trading against it or depositing into it costs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import click

from yieldtrade.cli.options import (
    NUMBER,
    RATE,
    age_days,
    note,
    opened,
    output_options,
    set_option,
    stated,
    store_options,
    told_moment,
    warn,
)
from yieldtrade.conventions import iso
from yieldtrade.errors import DataError, MarketDefinitionError, MissingDataError

if TYPE_CHECKING:
    from datetime import datetime

    from yieldtrade.cli.options import Output
    from yieldtrade.market import MarketView
    from yieldtrade.pool.overview import PoolOverview
    from yieldtrade.pool.parameters import PoolParameters
    from yieldtrade.pool.state import PositionSide
    from yieldtrade.store import Store

# A state older than one interest period says little about today's.
STALE_DAYS = 7.0
SHOWN_PARAMETERS = (
    "trade.base_bps",
    "trade.impact.model",
    "fees.pool_share",
    "weight_failsafe",
    "trade.max_leverage",
    "loans.max_ltv",
    "loans.liquidation_ltv",
    "loans.liquidation_fee",
)


class Age(NamedTuple):
    """The oldest that a figure may be, days, and the moment asked for, from which it counts; now where None."""

    max_age: float | None
    as_of: datetime | None


NO_LIMIT = Age(None, None)


class StaleDataError(MissingDataError):
    """What is stored is older than the user allows."""


@click.command(
    epilog="Examples: yieldtrade pool JLP; yieldtrade pool JLP --trade SOL long 100000; "
    "yieldtrade pool JLP --deposit USDC 50000 --set JLP.swap.add_remove_bps=10 --assume-recommended"
)
@click.argument("pool_id", metavar="POOL")
@click.option(
    "--trade",
    type=(str, click.Choice(["long", "short"]), NUMBER),
    metavar="MARKET SIDE USD",
    help="Fees of a position, as SOL long 100000.",
)
@click.option(
    "--imbalance",
    type=NUMBER,
    default=0.0,
    show_default=True,
    metavar="USD",
    help="Signed sum traded on that market in the minute before; opened longs and closed shorts count +.",
)
@click.option("--collateral", type=NUMBER, metavar="USD", help="Collateral of the position: its liquidation.")
@click.option(
    "--deposit", type=(str, NUMBER), metavar="ASSET TOKENS", help="Mint with an asset, as USDC 50000."
)
@click.option("--price", type=NUMBER, metavar="USD", help="Price of the coin traded or deposited.")
@click.option(
    "--market-price", type=NUMBER, metavar="USD", help="What a share trades at; else the last stored."
)
@click.option("--weekly", is_flag=True, help="What each reported week's return was made of.")
@click.option(
    "--drift",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Episodes out of the band, from a file with the columns time, weight and target.",
)
@click.option("--target", type=RATE, help="Target of --drift where the file has none.")
@click.option("--band", type=RATE, default=0.02, show_default=True, help="Half-width of the band of --drift.")
@click.option("--relative", is_flag=True, help="The band of --drift is a share of the target, not points.")
@click.option("--max-gap", type=NUMBER, metavar="SECONDS", help="A longer gap of --drift cuts an episode.")
@click.option(
    "--assume-recommended",
    is_flag=True,
    help="Also use parameters that were only recommended, and say which.",
)
@click.option("--max-age", type=NUMBER, metavar="DAYS", help="Refuse a state older than this.")
@set_option
@store_options
@output_options
def pool(
    pool_id: str,
    *,
    trade: tuple[str, str, float] | None,
    imbalance: float,
    collateral: float | None,
    deposit: tuple[str, float] | None,
    price: float | None,
    market_price: float | None,
    weekly: bool,
    drift: str | None,
    assume_recommended: bool,
    max_age: float | None,
    settings: tuple[str, ...],
    db: str | None,
    as_of: datetime | None,
    output: Output,
    **band: Any,
) -> None:
    """Show what a pool holds, is worth and pays; price a trade or a deposit.

    POOL is a name such as JLP. Without --as-of the moment is that of the last stored figure of what it holds. The
    exact state needs stored custodies (table custody_state); else it is put together from published figures, each
    with its date.
    """
    from yieldtrade.pool.parameters import parameters_at

    if sum(bool(part) for part in (trade, deposit, weekly, drift)) > 1:
        raise click.UsageError("choose one of --trade, --deposit, --weekly and --drift")
    if trade is None and (collateral is not None or imbalance):
        raise click.UsageError("--imbalance and --collateral go with --trade")
    if price is not None and trade is None and deposit is None:
        raise click.UsageError("--price goes with --trade or --deposit")
    with opened(db) as store:
        view = stated(state_view(store, pool_id, as_of), settings)
        note(told_moment(view, as_of))
        if drift is not None:
            output.write([_drift_record(drift, as_of, **band)], _columns("DRIFT"), alone=True)
            return
        if weekly:
            _write_weeks(view, pool_id, output)
            return
        params = parameters_at(view.pool(pool_id), view.as_of, assume_recommended=assume_recommended)
        if trade is not None:
            given = {"imbalance_usd": imbalance, "collateral_usd": collateral, "price": price}
            _write_trade(view, params, trade, given, output, Age(max_age, as_of))
            return
        found = shown_overview(view, params, market_price, Age(max_age, as_of))
        age = _age(found, view)
    if deposit is not None:
        _write_mint(found, deposit, price, age, output)
    else:
        _write_pool(found, age, output)


def shown_overview(
    view: MarketView,
    params: PoolParameters,
    market_price: float | None = None,
    limit: Age = NO_LIMIT,
) -> PoolOverview:
    """Return the pool; tell what of it is old, refuse what is older than allowed."""
    from yieldtrade.pool.overview import pool_overview

    found = pool_overview(view, params.owner, params, market_price=market_price)
    name, at = min(found.picture.dates.items(), key=lambda dated: dated[1])
    # without a moment asked for, a figure is as old as it is today
    age = age_days(at, limit.as_of)
    if limit.max_age is not None and age > limit.max_age:
        raise StaleDataError(
            f"{found.pool_id}: the last known {name}: {iso(at)[:10]}, {age:.1f} days old, more than --max-age "
            f"{limit.max_age:g}; load a newer state (custody_state)"
        )
    for part, moment in found.picture.dates.items():
        if age_days(moment, view.as_of) > STALE_DAYS:
            days = age_days(moment, view.as_of)
            warn(f"{found.pool_id}: the last known {part}: {iso(moment)[:10]}, {days:.1f} days before")
    return found


def state_view(store: Store, pool_id: str, as_of: datetime | None) -> MarketView:
    """Return the view of the moment asked for, else of the last figure of what a pool holds."""
    if as_of is not None:
        return store.view(as_of)
    named = store.view().pool(pool_id).pool_id
    return store.view(need=f"{named} state")


def _columns(name: str) -> Any:
    from yieldtrade.report import pool_report

    return getattr(pool_report, name)


def _age(found: PoolOverview, view: MarketView) -> float:
    """Days since the oldest figure that the state rests on."""
    return age_days(min(found.picture.dates.values(), default=view.as_of), view.as_of)


def _write_pool(found: PoolOverview, age: float, output: Output) -> None:
    from yieldtrade.report.pool_report import ASSETS, to_record, write_overview

    record = to_record(found, age)
    if output.for_a_person:
        write_overview(record, sys.stdout, parameters=SHOWN_PARAMETERS)
    elif output.form in ("json", "jsonl") and output.columns is None:
        output.write([record], ASSETS, alone=True)
    else:
        output.write(record["assets"], ASSETS)


def _write_weeks(view: MarketView, pool_id: str, output: Output) -> None:
    from yieldtrade.pool.weekly import weekly_returns
    from yieldtrade.report.pool_report import WEEKS, week_record

    output.write([week_record(week) for week in weekly_returns(view, view.pool(pool_id).pool_id)], WEEKS)


def _write_trade(
    view: MarketView,
    params: PoolParameters,
    trade: tuple[str, str, float],
    given: dict[str, Any],
    output: Output,
    limit: Age,
) -> None:
    from yieldtrade.pool.trade import trade_quote
    from yieldtrade.report.pool_report import header, trade_record, write_trade

    market, side, size = trade
    found = None
    try:
        found = shown_overview(view, params, limit=limit)
    except StaleDataError:
        raise
    except (MissingDataError, DataError, MarketDefinitionError) as error:
        # fees need the parameters alone
        note(f"{error}; so the cost of borrowing is not known")
    for line in found.notes if found else ():
        note(line)
    market = _asset(params, market)
    if found is not None and found.picture.is_exact and given["price"] is None:
        given["price"] = next((float(c.price) for c in found.picture.state if c.asset == market), None)
    quote = trade_quote(
        params, market, cast("PositionSide", side), size, assets=found.assets if found else (), **given
    )
    record = {**header(view, params, found), **trade_record(quote)}
    if output.for_a_person:
        write_trade(record, sys.stdout)
    elif output.form in ("json", "jsonl") and output.columns is None:
        output.write([record], _columns("TRADE"), alone=True)
    else:
        output.write(record["events"], _columns("TRADE"))


def _write_mint(
    found: PoolOverview, deposit: tuple[str, float], price: float | None, age: float, output: Output
) -> None:
    from yieldtrade.pool.entry import entry_quote
    from yieldtrade.report.pool_report import MINT, header, mint_record, write_mint

    asset, amount = deposit
    quote = entry_quote(found, _asset(found.params, asset), amount, price=price)
    for line in (*found.notes, *quote.notes):
        note(line)
    record = {**header(None, found.params, found), **mint_record(quote), "state_age_days": age}
    if output.for_a_person:
        write_mint(record, sys.stdout)
    else:
        output.write([record], MINT, alone=True)


def _asset(params: PoolParameters, name: str) -> str:
    """Return an asset of the pool as it is written there; upper and lower case are the same."""
    written = {asset.casefold(): asset for asset in params.assets()}
    return written.get(name.casefold(), name)


def _drift_record(path: str, as_of: datetime | None, **band: Any) -> dict[str, Any]:
    from yieldtrade.pool.bands import band_episodes, episode_statistics, observed_seconds
    from yieldtrade.report.pool_report import drift_record
    from yieldtrade.sources.number_series import read_series_file

    found = read_series_file(path, ["weight"], ["target"], until=as_of)
    target = found.values.get("target", band["target"])
    if target is None:
        raise click.UsageError(f"{path} has no column target; give --target")
    episodes = band_episodes(
        found.values["weight"],
        target,
        found.seconds,
        band["band"],
        "relative" if band["relative"] else "absolute",
        band["max_gap"],
    )
    seen = observed_seconds(found.seconds, band["max_gap"])
    return drift_record(episode_statistics(episodes, observed_seconds=seen))
