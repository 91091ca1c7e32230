"""The tables that can be loaded: their columns, units and allowed ranges."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from yieldtrade.sources import facts
from yieldtrade.sources.columns import (
    LARGEST_RATE,
    MOST_USD,
    Column,
    amount_column,
    date_column,
    rate_column,
    share_column,
    text_column,
    unknown_name,
    usd_column,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from yieldtrade.sources.facts import Fact, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFormat:
    """One kind of file: its columns, the key that must be unique in it, and how a row becomes facts."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    facts: Callable[[Record], Iterable[Fact]]
    check: Callable[[Record], str | None] = lambda _record: None
    warn: Callable[[Record], str | None] = lambda _record: None
    alias: str | None = None  # column whose value names the contract by another name, as an address

    @property
    def required(self) -> frozenset[str]:
        """Names of the columns without which a file is not of this format."""
        return frozenset(column.name for column in self.columns if column.required)

    @property
    def names(self) -> frozenset[str]:
        """Names of all columns."""
        return frozenset(column.name for column in self.columns)


_ASSETS = ("sol", "eth", "btc", "usdc", "usdt", "jupusd")
_LENDING_COLUMNS = (
    rate_column("supply_apy", required=True),
    rate_column("borrow_apy", required=True),
    Column(name="supply_usd", required=True, minimum=0.0),
    Column(name="borrow_usd", required=True, minimum=0.0),
    Column(name="max_ltv", minimum=0.0, maximum=1.0),
)
_PRICE_COLUMNS = (
    Column(name="pt_price", positive=True, maximum=2.0),
    Column(name="yt_price", minimum=-1.0, maximum=1.0),
)
_INSTANT_KNOWN = Column(name="known_at", kind="instant")


def check_pool_day(record: Record) -> str | None:
    """Say what is wrong with a figure of a pool's day: a series nobody knows, or a value out of its range."""
    column = POOL_SERIES.get(record["series"])
    if column is None:
        return unknown_name("series", record["series"], POOL_SERIES)
    refusal = column.refusal(record["value"])
    return None if refusal is None else f"{record['series']} value = {record['value']:g} {refusal}"


FORMATS: tuple[TableFormat, ...] = (
    TableFormat(
        name="jlp_pool_daily",
        key=("date",),
        facts=facts.pool_daily_facts,
        columns=(
            date_column(),
            Column(
                name="tvl_usd",
                required=True,
                nullable=True,
                positive=True,
                maximum=MOST_USD,
            ),
            Column(
                name="volume_usd",
                required=True,
                nullable=True,
                positive=True,
                maximum=MOST_USD,
            ),
            text_column("volume_quality", required=False),
            amount_column("close_volume_usd"),
            usd_column("close_fees_usd"),
            usd_column("position_fees_usd"),
            amount_column("swap_fees_usd"),
            Column(name="trader_pnl_usd"),
            usd_column("gross_fees_usd"),
            Column(name="sol_borrow_rate_hourly", minimum=0.0, maximum=0.01),
            amount_column("n_closes"),
        ),
    ),
    TableFormat(
        name="jlp_yield_daily",
        key=("date",),
        facts=facts.yield_daily_facts,
        columns=(
            date_column(),
            Column(name="underlying_apy", required=True, positive=True, maximum=LARGEST_RATE),
            amount_column("n_markets"),
            text_column("quality", required=False),
        ),
    ),
    TableFormat(
        name="jlp_price_daily",
        key=("date",),
        facts=facts.jlp_price_facts,
        columns=(date_column(), usd_column("jlp_usd", required=True)),
    ),
    TableFormat(
        name="prices_daily",
        key=("date",),
        facts=facts.prices_facts,
        columns=(
            date_column(),
            usd_column("sol_usd", required=True),
            usd_column("btc_usd"),
            usd_column("eth_usd"),
        ),
    ),
    TableFormat(
        name="funding_daily",
        key=("venue", "asset", "date"),
        facts=facts.funding_facts,
        columns=(
            date_column(),
            text_column("asset"),
            text_column("venue"),
            Column(name="funding_daily", required=True, minimum=-0.5, maximum=0.5),
            _INSTANT_KNOWN,
        ),
    ),
    TableFormat(
        name="lending_daily",
        key=("venue", "asset", "date"),
        facts=facts.lending_facts,
        columns=(
            date_column(),
            text_column("venue"),
            text_column("asset"),
            *_LENDING_COLUMNS,
            _INSTANT_KNOWN,
        ),
    ),
    TableFormat(
        name="kamino_jlp_market",
        key=("as_of_utc", "symbol"),
        facts=facts.lending_market_facts,
        columns=(
            Column(name="as_of_utc", kind="instant", required=True),
            text_column("symbol"),
            text_column("venue", required=False),
            text_column("market", required=False),
            text_column("market_address", required=False),
            text_column("reserve_address", required=False),
            text_column("mint", required=False),
            *_LENDING_COLUMNS,
        ),
    ),
    TableFormat(
        name="yield_markets_daily",
        key=("market", "as_of_utc"),
        facts=facts.yield_markets_facts,
        check=facts.check_yield_markets,
        columns=(
            date_column(),
            text_column("venue"),
            text_column("market"),
            text_column("underlying"),
            Column(name="maturity", kind="instant", required=True),
            *_PRICE_COLUMNS,
            rate_column("implied_apy", required=True),
            rate_column("underlying_apy"),
            amount_column("liquidity_usd"),
            amount_column("tvl_usd"),
            usd_column("underlying_price_usd"),
            Column(name="as_of_utc", kind="instant", required=True),
        ),
    ),
    TableFormat(
        name="yield_history_daily",
        key=("market", "date"),
        facts=facts.yield_history_facts,
        check=lambda record: facts.check_code(record["market"]),
        columns=(
            date_column(),
            text_column("venue"),
            text_column("market"),
            rate_column("implied_apy", required=True),
            rate_column("underlying_apy"),
            usd_column("underlying_price_usd"),
            amount_column("tvl_usd"),
        ),
    ),
    TableFormat(
        name="pendle_markets",
        key=("chain", "market", "t0"),
        facts=facts.pendle_markets_facts,
        alias="market",
        check=facts.check_pendle_markets,
        columns=(
            text_column("chain"),
            text_column("market"),
            text_column("protocol", required=False),
            text_column("underlying"),
            Column(name="maturity", kind="instant", required=True),
            date_column("t0"),
            amount_column("lead_days"),
            rate_column("implied_apy", required=True),
            *_PRICE_COLUMNS[:1],
            amount_column("liquidity_usd"),
            amount_column("total_pt"),
            amount_column("total_sy"),
        ),
    ),
    TableFormat(
        name="pendle_amm_states",
        key=("market", "date"),
        facts=facts.pendle_states_facts,
        columns=(
            date_column(),
            text_column("market"),
            Column(name="maturity", kind="instant", required=True),
            rate_column("implied_apy", required=True),
            Column(name="last_ln_implied_rate", required=True),
            Column(name="total_pt", required=True, positive=True),
            Column(name="total_sy", required=True, positive=True),
            Column(name="total_lp", required=True, positive=True),
        ),
    ),
    TableFormat(
        name="jlp_weekly_reports",
        key=("report_date",),
        facts=facts.weekly_facts,
        columns=(
            date_column("report_date"),
            date_column("window_end"),
            usd_column("avg_volume_usd_per_day"),
            usd_column("prior_3w_avg_volume_usd_per_day"),
            *(
                Column(name=name, minimum=-1.0, maximum=10.0)
                for name in ("sol_return", "btc_return", "eth_return", "jlp_return", "basket_return")
            ),
            Column(name="jlp_minus_basket", minimum=-10.0, maximum=10.0),
            Column(name="trader_realized_pnl_gross_usd"),
            Column(name="trader_realized_pnl_net_usd"),
            Column(name="trader_unrealized_pnl_change_usd"),
            *(
                Column(name=f"weight_{asset}", minimum=0.0, maximum=1.0)
                for asset in ("sol", "btc", "eth", "usdc", "usdt")
            ),
            Column(name="sol_volume_share", minimum=0.0, maximum=1.0),
            text_column("url"),
        ),
    ),
    TableFormat(
        name="jlp_nav_daily",
        key=("as_of_utc",),
        facts=facts.nav_facts,
        columns=(
            date_column(),
            Column(name="as_of_utc", kind="instant", required=True),
            usd_column("nav_price_usd"),
            Column(name="aum_usd", required=True, positive=True),
            rate_column("official_apr"),
            rate_column("official_apy"),
            *(
                Column(name=f"{asset}_{name}_usd", minimum=0.0 if name != "short_pnl" else None)
                for asset in ("sol", "eth", "btc")
                for name in ("guaranteed", "short_size", "short_pnl")
            ),
            usd_column("sol_usd"),
            usd_column("btc_usd"),
            usd_column("eth_usd"),
        ),
    ),
    TableFormat(
        name="jlp_composition",
        key=("date",),
        facts=facts.snapshot_facts,
        columns=(
            date_column(),
            usd_column("aum_usd"),
            amount_column("supply"),
            *(amount_column(f"{asset}_value_usd") for asset in _ASSETS),
            *(share_column(f"{asset}_weight") for asset in _ASSETS),
            *(share_column(f"{asset}_utilisation", required=asset == "sol") for asset in _ASSETS),
            text_column("source", required=False),
        ),
    ),
    TableFormat(
        name="custody_state",
        key=("pool", "asset", "at"),
        facts=facts.custody_facts,
        check=facts.check_custody,
        warn=facts.custody_warning,
        columns=(
            text_column("pool"),
            text_column("asset"),
            Column(name="at", kind="instant", required=True),
            Column(name="supply", required=True, minimum=0.0),
            Column(name="owned", required=True, minimum=0.0),
            Column(name="locked", required=True, minimum=0.0),
            usd_column("price_usd", required=True),
            *(
                amount_column(name)
                for name in ("debt", "guaranteed_usd", "short_sizes_usd", "short_avg_price", "fees_reserves")
            ),
            _INSTANT_KNOWN,
        ),
    ),
    TableFormat(
        name="jlp_contracts",
        key=("market",),
        facts=facts.jlp_contracts_facts,
        check=lambda record: facts.check_code(record["market"]),
        columns=(
            text_column("venue"),
            text_column("market"),
            date_column("maturity_date"),
            rate_column("last_pool_implied_apy"),
        ),
    ),
    TableFormat(
        name="pool_day",
        key=("pool", "series", "date"),
        facts=facts.pool_day_facts,
        check=check_pool_day,
        columns=(
            text_column("pool"),
            text_column("series"),
            date_column(),
            Column(name="value", required=True),
            text_column("quality", required=False),
            _INSTANT_KNOWN,
        ),
    ),
    TableFormat(
        name="asset_day",
        key=("asset", "date"),
        facts=facts.asset_day_facts,
        columns=(text_column("asset"), date_column(), usd_column("price_usd", required=True), _INSTANT_KNOWN),
    ),
    TableFormat(
        name="official_apy",
        key=("pool", "published_at"),
        facts=facts.official_facts,
        check=facts.check_official,
        columns=(
            text_column("pool"),
            Column(name="published_at", kind="instant", required=True),
            Column(name="week_start", kind="date"),
            Column(name="week_end", kind="date"),
            Column(name="apr", required=True, positive=True, maximum=LARGEST_RATE),
            Column(name="apy", required=True, positive=True, maximum=LARGEST_RATE),
            _INSTANT_KNOWN,
        ),
    ),
    TableFormat(
        name="yield_quote",
        key=("contract_id", "at"),
        facts=facts.yield_quote_facts,
        check=lambda record: (
            facts.check_code(record["contract_id"]) or facts.check_quote(record, record["at"], None)
        ),
        columns=(
            text_column("contract_id"),
            Column(name="at", kind="instant", required=True),
            rate_column("implied_apy", required=True),
            *_PRICE_COLUMNS,
            rate_column("underlying_apy"),
            amount_column("liquidity_usd"),
            amount_column("tvl_usd"),
            usd_column("underlying_price_usd"),
            _INSTANT_KNOWN,
        ),
    ),
    TableFormat(
        name="amm_state",
        key=("contract_id", "at"),
        facts=facts.amm_state_facts,
        check=facts.check_amm_state,
        columns=(
            text_column("contract_id"),
            Column(name="at", kind="instant", required=True),
            text_column("kind"),
            Column(name="state", kind="object", required=True),
            _INSTANT_KNOWN,
        ),
    ),
)


def format_named(name: str) -> TableFormat | None:
    """Return the format of this name, if there is one."""
    return next((known for known in FORMATS if known.name == name), None)


def detect_format(header: Iterable[str]) -> TableFormat | None:
    """Return the format whose columns fit a header best: all required ones, and the most in common."""
    present = frozenset(header)
    fitting = [known for known in FORMATS if known.required <= present]
    return max(fitting, key=lambda known: len(known.names & present), default=None)


def _pool_series() -> dict[str, Column]:
    """Every series a pool can have, with its range: those of the wide tables, and those only the long one holds."""
    found = {
        "jlp_price_usd": usd_column("jlp_price_usd"),
        "oc_fees_usd": usd_column("oc_fees_usd"),
        **{
            name: amount_column(name)
            for name in ("pool_fees_usd", "liq_fees_usd", "aum_limit_usd", "borrow_rate_hourly")
        },
    }
    for table, prefix in (
        ("jlp_pool_daily", ""),
        ("jlp_yield_daily", ""),
        ("jlp_nav_daily", ""),
        ("jlp_composition", ""),
        ("jlp_weekly_reports", "week_"),
    ):
        known = next(known for known in FORMATS if known.name == table)
        for column in known.columns:
            if column.kind == "number" and column.name not in facts.NOT_SERIES:
                found.setdefault(f"{prefix}{column.name}", column)
    return found


POOL_SERIES: Mapping[str, Column] = MappingProxyType(_pool_series())
