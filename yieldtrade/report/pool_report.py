"""A pool as plain values and as what a person reads on a terminal."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from yieldtrade.conventions import iso
from yieldtrade.report.output import Column, console, present, write_card, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yieldtrade.market import MarketView, Parameter
    from yieldtrade.pool.bands import EpisodeStatistics
    from yieldtrade.pool.entry import EntryQuote
    from yieldtrade.pool.overview import PoolOverview
    from yieldtrade.pool.parameters import PoolParameters
    from yieldtrade.pool.snapshot import Dated, PoolPicture
    from yieldtrade.pool.trade import EventFee, TradeQuote
    from yieldtrade.pool.weekly import WeeklyReturn

CARD = (
    Column("aum_usd", "AUM", "usd"),
    Column("market_value_usd", "with stablecoins at their price", "usd"),
    Column("aum_limit_usd", "AUM limit", "usd"),
    Column("mint_open", "minting is open"),
    Column("supply", "shares", "amount"),
    Column("virtual_price_usd", "virtual price, USD", "amount"),
    Column("published_price_usd", "virtual price published, USD", "price"),
    Column("published_price_at", "published", "moment"),
    Column("market_price_usd", "market price, USD", "price"),
    Column("market_price_at", "market price of", "moment"),
    Column("premium", "premium of the market", "percent"),
    Column("price_low_usd", "burning pays below, USD", "amount"),
    Column("price_high_usd", "minting pays above, USD", "amount"),
    Column("price_bound_missing", "no bound because of"),
    Column("stable_share", "really dollars", "percent"),
    Column("stable_share_low", "  at least", "percent"),
    Column("stable_share_high", "  at most", "percent"),
    Column("delta_share", "moves with the coins", "percent"),
    Column("official_apr", "official APR", "percent"),
    Column("official_apy", "official APY", "percent"),
    Column("official_at", "seen", "moment"),
    Column("basis", "state from"),
    Column("state_at", "state of", "moment"),
    Column("state_age_days", "oldest figure behind it, days", "days"),
)
ASSETS = (
    Column("asset", "asset"),
    Column("value_usd", "value", "usd"),
    Column("weight", "weight", "percent"),
    Column("target_weight", "target", "percent"),
    Column("deviation", "off by", "percent"),
    Column("in_band", "in band"),
    Column("utilisation", "used", "percent"),
    Column("borrow_apr", "borrow APR", "percent", spare=1),
    Column("delta_usd", "delta", "usd", spare=2),
    Column("delta_share", "delta / AUM", "percent"),
    Column("tokens_per_share", "tokens a share", "number", spare=3),
)
PARAMETERS = (
    Column("name", "parameter"),
    Column("value", "value", "number"),
    Column("unit", "unit"),
    Column("valid_from", "since", "moment"),
    Column("basis", "basis"),
    Column("source", "source", spare=1),
)
DRIFT = (
    Column("count", "episodes", "integer"),
    Column("censored", "cut off", "integer"),
    Column("share_of_time_out", "time out", "percent"),
    Column("median_seconds", "median", "duration"),
    Column("p90_seconds", "P90", "duration"),
    Column("p99_seconds", "P99", "duration"),
    Column("p99_99_seconds", "P99.99", "duration"),
    Column("max_deviation", "largest deviation", "percent"),
    Column("max_at", "at", "moment"),
    Column("max_peak_to_band_seconds", "longest from peak", "duration"),
)
WEEKS = (
    Column("week_end", "week to"),
    Column("jlp_return", "share", "percent"),
    Column("assets", "= assets", "percent"),
    Column("fees", "+ fees", "percent"),
    Column("traders", "+ from traders", "percent"),
    Column("residual", "+ rest", "percent"),
    Column("jlp_minus_assets", "share - assets", "percent", spare=4),
    Column("fees_to_pool_usd", "fees to the pool", "usd", spare=1),
    Column("trader_pnl_usd", "traders won", "usd", spare=2),
    Column("pool_usd", "pool", "usd", spare=3),
)
TRADE = (
    Column("event", "event"),
    Column("imbalance_usd", "imbalance", "usd", spare=2),
    Column("base_usd", "base", "usd"),
    Column("linear_usd", "linear", "usd"),
    Column("additive_usd", "additive", "usd"),
    Column("total_usd", "fee", "usd"),
    Column("total_bps", "bps", "number"),
    Column("total_bps_onchain", "charged, bps", "number"),
    Column("to_pool_usd", "to the pool", "usd", spare=1),
)
CARRY = (
    Column("borrowed", "borrows"),
    Column("utilisation", "used", "percent"),
    Column("borrow_apr", "borrow APR", "percent"),
    Column("borrow_hourly_usd", "borrow fee an hour", "usd"),
    Column("borrow_daily_usd", "borrow fee a day", "usd"),
    Column("leverage", "leverage", "number"),
    Column("entry_price", "entry price", "price"),
    Column("liquidation_price", "liquidated at", "price"),
    Column("liquidation_move", "liquidated by a move of", "percent"),
    Column("liquidatable_now", "liquidatable at once"),
)
MINT = (
    Column("asset", "deposit of"),
    Column("amount", "tokens", "amount"),
    Column("value_usd", "worth", "usd"),
    Column("fee_bps", "fee, bps", "number"),
    Column("fee_usd", "fee", "usd"),
    Column("shares", "shares minted", "amount"),
    Column("cost_per_share_usd", "USD a share", "price"),
    Column("market_price_usd", "market price, USD", "price"),
    Column("market_shares", "shares at the market", "amount"),
    Column("better", "better"),
    Column("gain_usd", "by", "usd"),
    Column("cheapest", "mints most for the same"),
    Column("cheapest_fee_bps", "its fee, bps", "number"),
)


def to_record(overview: PoolOverview, age_days: float | None) -> dict[str, Any]:
    """Return a pool as plain values, keys with their units; ``age_days`` is the age of the oldest figure behind it."""
    picture, official = overview.picture, overview.official
    return {
        **header(None, overview.params, overview),
        "aum_usd": overview.aum_usd,
        "market_value_usd": overview.market_value_usd,
        "aum_limit_usd": overview.aum_limit_usd,
        "mint_open": overview.mint_open,
        "supply": overview.supply,
        "virtual_price_usd": overview.virtual_price_usd,
        **_dated("published_price", overview.published_price),
        **_dated("market_price", overview.market_price),
        "premium": overview.premium,
        **_bounds(overview),
        "stable_share": overview.stable_share,
        "stable_share_low": overview.stable_share_low,
        "stable_share_high": overview.stable_share_high,
        "delta_share": overview.delta_share,
        "official_apr": official.apr if official else None,
        "official_apy": official.apy if official else None,
        "official_at": iso(official.at) if official else None,
        "state_at": iso(picture.state.as_of) if picture.state.as_of else None,
        "state_age_days": age_days,
        "assets": [asdict(line) for line in overview.assets],
        "parameters": [parameter_record(p) for p in overview.params.terms.parameters.values()],
    }


def header(view: MarketView | None, params: PoolParameters, found: PoolOverview | None) -> dict[str, Any]:
    """Return what every record about a pool says first: which, as of when, and from what figures."""
    picture = found.picture if found else None
    return {
        "pool": params.owner,
        "as_of": iso(view.as_of if view else params.at),
        "basis": picture.basis if picture else None,
        "approximate": not picture.is_exact if picture else None,
        "dates": {name: iso(at) for name, at in picture.dates.items()} if picture else {},
        "sources": _sources(picture) if picture else {},
        "recommended": list(params.recommended),
        "notes": list(found.notes) if found else [],
    }


def _sources(picture: PoolPicture) -> dict[str, str]:
    """Return the series or files that the figures of a state come from."""
    used = next(iter(picture.utilisations.values()), None)
    found = {"AUM": picture.aum, "supply": picture.supply, "utilisations": used}
    return {name: figure.source for name, figure in found.items() if figure}


def _bounds(overview: PoolOverview) -> dict[str, Any]:
    found = overview.bounds
    return {
        "price_low_usd": found.low if found else None,
        "price_high_usd": found.high if found else None,
        "price_bound_missing": (found.binding or found.burn_binding) if found else None,
    }


def _dated(name: str, figure: Dated | None) -> dict[str, Any]:
    return {
        f"{name}_usd": figure.value if figure else None,
        f"{name}_at": iso(figure.at) if figure else None,
        f"{name}_source": figure.source if figure else None,
    }


def parameter_record(parameter: Parameter) -> dict[str, Any]:
    """Return a parameter with its provenance as plain values."""
    return {**parameter._asdict(), "valid_from": iso(parameter.valid_from)}


def week_record(week: WeeklyReturn) -> dict[str, Any]:
    """Return one week's return and its parts as plain values."""
    record = {**week._asdict(), "week_end": str(week.week_end)}
    return {**record, "jlp_minus_assets": week.jlp_return - week.assets}


def trade_record(quote: TradeQuote) -> dict[str, Any]:
    """Return what a position costs as plain values; ``events`` holds the open and the close."""
    return {
        "market": quote.market,
        "side": quote.side,
        "size_usd": quote.size_usd,
        "events": [_event_record(event) for event in (quote.open, quote.close)],
        "round_trip_fee_usd": quote.open.fee.total_usd + quote.close.fee.total_usd,
        "borrowed": quote.borrowed.asset if quote.borrowed else None,
        "utilisation": quote.borrowed.utilisation if quote.borrowed else None,
        "borrow_apr": quote.borrow_apr,
        "borrow_hourly_usd": quote.borrow_hourly_usd,
        "borrow_daily_usd": quote.borrow_daily_usd,
        "leverage": quote.leverage,
        "entry_price": quote.entry_price,
        "liquidation_price": quote.liquidation_price,
        "liquidation_move": quote.liquidation_move,
        "liquidatable_now": quote.liquidatable_now,
    }


def _event_record(event: EventFee) -> dict[str, Any]:
    fee = event.fee
    return {
        "event": event.event,
        "imbalance_usd": event.imbalance_usd,
        "base_usd": fee.base,
        "linear_usd": fee.linear,
        "additive_usd": fee.additive,
        "capped_by": fee.capped_by,
        "total_usd": fee.total_usd,
        "total_bps": fee.total_bps,
        "total_bps_onchain": event.total_bps_onchain,
        "total_usd_onchain": event.total_usd_onchain,
        "to_pool_usd": event.to_pool_usd,
    }


def write_trade(record: dict[str, Any], stream: TextIO) -> None:
    """Write what a position costs for a person: both fees, then what holding it costs and what liquidates it."""
    title = f"{record['market']} {record['side']}, {record['size_usd']:,.2f} USD"
    write_table(record["events"], TRADE, stream, title=title)
    write_card(record, CARRY, stream)


def mint_record(quote: EntryQuote) -> dict[str, Any]:
    """Return a deposit beside buying at the market as plain values."""
    return {name: value for name, value in asdict(quote).items() if name != "notes"}


def write_mint(record: dict[str, Any], stream: TextIO) -> None:
    """Write a deposit for a person."""
    write_card(record, MINT, stream)


def drift_record(found: EpisodeStatistics) -> dict[str, Any]:
    """Return a summary of episodes out of a band as plain values, its moments in UTC."""
    at = found.max_at
    return {**asdict(found), "max_at": None if at is None else iso(datetime.fromtimestamp(float(at), UTC))}


def write_overview(record: dict[str, Any], stream: TextIO, *, parameters: Sequence[str] = ()) -> None:
    """Write a pool for a person: a card, its assets, the parameters named, and what to know of the figures."""
    # a market price of another day than the state stands in no relation to it
    far: tuple[str, ...] = () if record["premium"] is not None else ("market_price_usd", "market_price_at")
    prices = (record["published_price_usd"], record["virtual_price_usd"])
    if None not in prices and math.isclose(*prices):
        far = (*far, "published_price_usd", "published_price_at")
    if record["market_value_usd"] == record["aum_usd"]:
        far = (*far, "market_value_usd")
    card = [column for column in CARD if column.key not in far]
    write_card(record, card, stream, title=f"{record['pool']} as of {record['as_of']}")
    write_table(record["assets"], present(record["assets"], ASSETS), stream)
    shown = [row for row in record["parameters"] if row["name"] in parameters]
    if shown:
        write_table(shown, PARAMETERS, stream)
    terminal = console(stream)
    for line in record["notes"]:
        terminal.print(line, style="dim", markup=False)
