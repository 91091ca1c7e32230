"""The tables that can be loaded: their columns, units and allowed ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from yieldtrade.sources import facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from yieldtrade.sources.facts import Fact, Record

ColumnKind: TypeAlias = Literal["date", "instant", "number", "text", "object"]

# A rate above this is taken for a percentage written where a fraction belongs.
LARGEST_RATE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: what it holds and the range allowed (bounds included).

    A file must have a ``required`` column; its cells may be empty only where it is ``nullable``.
    """

    name: str
    kind: ColumnKind = "number"
    required: bool = False
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    positive: bool = False

    @property
    def is_rate(self) -> bool:
        """Say whether the column is an annual rate, which is written as a fraction."""
        return self.name.endswith(("_apy", "_apr"))


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


def _date(name: str = "date") -> Column:
    return Column(name=name, kind="date", required=True)


def _text(name: str, *, required: bool = True) -> Column:
    return Column(name=name, kind="text", required=required)


def _rate(name: str, *, required: bool = False) -> Column:
    return Column(name=name, required=required, minimum=-0.99, maximum=LARGEST_RATE)


# More dollars than there are: a figure of cents, or a slip.
MOST_USD = 1e13


def _usd(name: str, *, required: bool = False) -> Column:
    return Column(name=name, required=required, positive=True, maximum=MOST_USD)


def _amount(name: str) -> Column:
    return Column(name=name, minimum=0.0)


def _share(name: str, *, required: bool = False) -> Column:
    return Column(name=name, required=required, nullable=True, minimum=0.0, maximum=1.0)


_ASSETS = ("sol", "eth", "btc", "usdc", "usdt", "jupusd")
_LENDING_COLUMNS = (
    _rate("supply_apy", required=True),
    _rate("borrow_apy", required=True),
    Column(name="supply_usd", required=True, minimum=0.0),
    Column(name="borrow_usd", required=True, minimum=0.0),
    Column(name="max_ltv", minimum=0.0, maximum=1.0),
)
_PRICE_COLUMNS = (
    Column(name="pt_price", positive=True, maximum=2.0),
    Column(name="yt_price", minimum=-1.0, maximum=1.0),
)
_INSTANT_KNOWN = Column(name="known_at", kind="instant")

FORMATS: tuple[TableFormat, ...] = (
    TableFormat(
        name="jlp_pool_daily",
        key=("date",),
        facts=facts.pool_daily_facts,
        columns=(
            _date(),
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
            _text("volume_quality", required=False),
            _amount("close_volume_usd"),
            _usd("close_fees_usd"),
            _usd("position_fees_usd"),
            _amount("swap_fees_usd"),
            Column(name="trader_pnl_usd"),
            _usd("gross_fees_usd"),
            Column(name="sol_borrow_rate_hourly", minimum=0.0, maximum=0.01),
            _amount("n_closes"),
        ),
    ),
    TableFormat(
        name="jlp_yield_daily",
        key=("date",),
        facts=facts.yield_daily_facts,
        columns=(
            _date(),
            Column(name="underlying_apy", required=True, positive=True, maximum=LARGEST_RATE),
            _amount("n_markets"),
            _text("quality", required=False),
        ),
    ),
    TableFormat(
        name="jlp_price_daily",
        key=("date",),
        facts=facts.jlp_price_facts,
        columns=(_date(), _usd("jlp_usd", required=True)),
    ),
    TableFormat(
        name="prices_daily",
        key=("date",),
        facts=facts.prices_facts,
        columns=(_date(), _usd("sol_usd", required=True), _usd("btc_usd"), _usd("eth_usd")),
    ),
    TableFormat(
        name="funding_daily",
        key=("venue", "asset", "date"),
        facts=facts.funding_facts,
        columns=(
            _date(),
            _text("asset"),
            _text("venue"),
            Column(name="funding_daily", required=True, minimum=-0.5, maximum=0.5),
            _INSTANT_KNOWN,
        ),
    ),
    TableFormat(
        name="lending_daily",
        key=("venue", "asset", "date"),
        facts=facts.lending_facts,
        columns=(_date(), _text("venue"), _text("asset"), *_LENDING_COLUMNS, _INSTANT_KNOWN),
    ),
    TableFormat(
        name="kamino_jlp_market",
        key=("as_of_utc", "symbol"),
        facts=facts.lending_market_facts,
        columns=(
            Column(name="as_of_utc", kind="instant", required=True),
            _text("symbol"),
            _text("venue", required=False),
            _text("market", required=False),
            _text("market_address", required=False),
            _text("reserve_address", required=False),
            _text("mint", required=False),
            *_LENDING_COLUMNS,
        ),
    ),
    TableFormat(
        name="yield_markets_daily",
        key=("market", "as_of_utc"),
        facts=facts.yield_markets_facts,
        check=facts.check_yield_markets,
        columns=(
            _date(),
            _text("venue"),
            _text("market"),
            _text("underlying"),
            Column(name="maturity", kind="instant", required=True),
            *_PRICE_COLUMNS,
            _rate("implied_apy", required=True),
            _rate("underlying_apy"),
            _amount("liquidity_usd"),
            _amount("tvl_usd"),
            _usd("underlying_price_usd"),
            Column(name="as_of_utc", kind="instant", required=True),
        ),
    ),
    TableFormat(
        name="yield_history_daily",
        key=("market", "date"),
        facts=facts.yield_history_facts,
        check=lambda record: facts.check_code(record["market"]),
        columns=(
            _date(),
            _text("venue"),
            _text("market"),
            _rate("implied_apy", required=True),
            _rate("underlying_apy"),
            _usd("underlying_price_usd"),
            _amount("tvl_usd"),
        ),
    ),
    TableFormat(
        name="pendle_markets",
        key=("chain", "market", "t0"),
        facts=facts.pendle_markets_facts,
        alias="market",
        check=facts.check_pendle_markets,
        columns=(
            _text("chain"),
            _text("market"),
            _text("protocol", required=False),
            _text("underlying"),
            Column(name="maturity", kind="instant", required=True),
            _date("t0"),
            _amount("lead_days"),
            _rate("implied_apy", required=True),
            *_PRICE_COLUMNS[:1],
            _amount("liquidity_usd"),
            _amount("total_pt"),
            _amount("total_sy"),
        ),
    ),
    TableFormat(
        name="pendle_amm_states",
        key=("market", "date"),
        facts=facts.pendle_states_facts,
        columns=(
            _date(),
            _text("market"),
            Column(name="maturity", kind="instant", required=True),
            _rate("implied_apy", required=True),
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
            _date("report_date"),
            _date("window_end"),
            _usd("avg_volume_usd_per_day"),
            _usd("prior_3w_avg_volume_usd_per_day"),
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
            _text("url"),
        ),
    ),
    TableFormat(
        name="jlp_nav_daily",
        key=("as_of_utc",),
        facts=facts.nav_facts,
        columns=(
            _date(),
            Column(name="as_of_utc", kind="instant", required=True),
            _usd("nav_price_usd"),
            Column(name="aum_usd", required=True, positive=True),
            _rate("official_apr"),
            _rate("official_apy"),
            *(
                Column(name=f"{asset}_{name}_usd", minimum=0.0 if name != "short_pnl" else None)
                for asset in ("sol", "eth", "btc")
                for name in ("guaranteed", "short_size", "short_pnl")
            ),
            _usd("sol_usd"),
            _usd("btc_usd"),
            _usd("eth_usd"),
        ),
    ),
    TableFormat(
        name="jlp_composition",
        key=("date",),
        facts=facts.snapshot_facts,
        columns=(
            _date(),
            _usd("aum_usd"),
            _amount("supply"),
            *(_amount(f"{asset}_value_usd") for asset in _ASSETS),
            *(_share(f"{asset}_weight") for asset in _ASSETS),
            *(_share(f"{asset}_utilisation", required=asset == "sol") for asset in _ASSETS),
            _text("source", required=False),
        ),
    ),
    TableFormat(
        name="custody_state",
        key=("pool", "asset", "at"),
        facts=facts.custody_facts,
        check=facts.check_custody,
        warn=facts.custody_warning,
        columns=(
            _text("pool"),
            _text("asset"),
            Column(name="at", kind="instant", required=True),
            Column(name="supply", required=True, minimum=0.0),
            Column(name="owned", required=True, minimum=0.0),
            Column(name="locked", required=True, minimum=0.0),
            _usd("price_usd", required=True),
            *(
                _amount(name)
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
            _text("venue"),
            _text("market"),
            _date("maturity_date"),
            _rate("last_pool_implied_apy"),
        ),
    ),
    TableFormat(
        name="pool_day",
        key=("pool", "series", "date"),
        facts=facts.pool_day_facts,
        columns=(
            _text("pool"),
            _text("series"),
            _date(),
            Column(name="value", required=True),
            _text("quality", required=False),
            _INSTANT_KNOWN,
        ),
    ),
    TableFormat(
        name="asset_day",
        key=("asset", "date"),
        facts=facts.asset_day_facts,
        columns=(_text("asset"), _date(), _usd("price_usd", required=True), _INSTANT_KNOWN),
    ),
    TableFormat(
        name="official_apy",
        key=("pool", "published_at"),
        facts=facts.official_facts,
        columns=(
            _text("pool"),
            Column(name="published_at", kind="instant", required=True),
            Column(name="week_start", kind="date"),
            Column(name="week_end", kind="date"),
            Column(name="apr", required=True, minimum=-0.99, maximum=LARGEST_RATE),
            Column(name="apy", required=True, minimum=-0.99, maximum=LARGEST_RATE),
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
            _text("contract_id"),
            Column(name="at", kind="instant", required=True),
            _rate("implied_apy", required=True),
            *_PRICE_COLUMNS,
            _rate("underlying_apy"),
            _amount("liquidity_usd"),
            _amount("tvl_usd"),
            _usd("underlying_price_usd"),
            _INSTANT_KNOWN,
        ),
    ),
    TableFormat(
        name="amm_state",
        key=("contract_id", "at"),
        facts=facts.amm_state_facts,
        check=facts.check_amm_state,
        columns=(
            _text("contract_id"),
            Column(name="at", kind="instant", required=True),
            _text("kind"),
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
