"""The facts each row of a loadable table becomes, and the cross-checks a row must pass."""

from __future__ import annotations

import json
import math
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from yieldtrade.conventions import iso, parse_contract_code, parse_instant, year_fraction
from yieldtrade.errors import YieldtradeError
from yieldtrade.sources.rows import COLUMNS, FactRow, ListedContract
from yieldtrade.tokens.pricing import pt_price

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Record: TypeAlias = dict[str, Any]
Fact: TypeAlias = tuple[str, FactRow] | ListedContract

JLP = "JLP"
TVL = "tvl_usd"
AMM_KINDS = ("logit", "clmm", "rate_clmm")


@lru_cache(maxsize=65_536)
def day_end(day: str) -> str:
    """Return the moment a UTC day is over, from which a figure of that day can be known."""
    return f"{date.fromisoformat(day) + timedelta(days=1)}T00:00:00Z"


def day_start(day: str) -> str:
    """Return the moment a UTC day begins, at which a state dated that day was known."""
    return f"{day}T00:00:00Z"


def _known_at(record: Record, derived: str) -> str:
    return record.get("known_at") or derived


def check_known(record: Record) -> str | None:
    """Say whether a row claims to have been known before what it tells of was over."""
    known = record.get("known_at")
    if not known:
        return None
    soonest = record.get("at") or record.get("published_at")
    if soonest is None:
        soonest = (day_start if record.get("series") == TVL else day_end)(record["date"])
    if known < soonest:
        return f"known_at = {known} lies before {soonest}, the soonest the figure could be known"
    return None


def _pool_series(record: Record, names: Iterable[str], known_at: str, quality: str) -> Iterator[Fact]:
    for name in names:
        value = record.get(name)
        if value is not None:
            yield "pool_day", (JLP, name, record["date"], value, quality, known_at)


_FLOWS = (
    "close_volume_usd",
    "close_fees_usd",
    "position_fees_usd",
    "swap_fees_usd",
    "trader_pnl_usd",
    "gross_fees_usd",
    "sol_borrow_rate_hourly",
    "n_closes",
)


def pool_daily_facts(record: Record) -> Iterator[Fact]:
    """Facts of a day of the pool: its TVL, its flows, its volume."""
    day = record["date"]
    # the TVL dated d is the state at the start of d; everything else is known when d is over
    yield from _pool_series(record, (TVL,), day_start(day), "reported")
    yield from _pool_series(record, _FLOWS, day_end(day), "reported")
    yield from _pool_series(record, ("volume_usd",), day_end(day), record.get("volume_quality") or "reported")


def yield_daily_facts(record: Record) -> Iterator[Fact]:
    """Facts of a day of the measured yield."""
    quality = record.get("quality") or "ok"
    yield from _pool_series(record, ("underlying_apy",), day_end(record["date"]), quality)


def jlp_price_facts(record: Record) -> Iterator[Fact]:
    """Facts of a day of JLP's price."""
    yield (
        "pool_day",
        (JLP, "jlp_price_usd", record["date"], record["jlp_usd"], "market", day_end(record["date"])),
    )


def pool_day_facts(record: Record) -> Iterator[Fact]:
    """Facts of one series of a pool on one day."""
    day = record["date"]
    derived = day_start(day) if record["series"] == TVL else day_end(day)
    yield (
        "pool_day",
        (
            record["pool"],
            record["series"],
            day,
            record["value"],
            record.get("quality") or "reported",
            _known_at(record, derived),
        ),
    )


def prices_facts(record: Record) -> Iterator[Fact]:
    """Facts of a day of asset prices."""
    for asset in ("SOL", "BTC", "ETH"):
        value = record.get(f"{asset.lower()}_usd")
        if value is not None:
            yield "asset_day", (asset, record["date"], value, day_end(record["date"]))


def asset_day_facts(record: Record) -> Iterator[Fact]:
    """Facts of one asset on one day."""
    day = record["date"]
    yield "asset_day", (record["asset"], day, record["price_usd"], _known_at(record, day_end(day)))


def funding_facts(record: Record) -> Iterator[Fact]:
    """Facts of a day of funding."""
    day = record["date"]
    yield (
        "funding_day",
        (record["venue"], record["asset"], day, record["funding_daily"], _known_at(record, day_end(day))),
    )


def lending_facts(record: Record) -> Iterator[Fact]:
    """Facts of a day of lending rates."""
    day = record["date"]
    yield (
        "lending_day",
        (
            record["venue"],
            record["asset"],
            day,
            record["supply_apy"],
            record["borrow_apy"],
            record["supply_usd"],
            record["borrow_usd"],
            record.get("max_ltv"),
            _known_at(record, day_end(day)),
        ),
    )


def lending_market_facts(record: Record) -> Iterator[Fact]:
    """Facts of one reserve of a snapshot of a lending market."""
    yield (
        "lending_day",
        (
            "kamino_jlp",
            record["symbol"],
            record["as_of_utc"][:10],
            record["supply_apy"],
            record["borrow_apy"],
            record["supply_usd"],
            record["borrow_usd"],
            record["max_ltv"],
            record["as_of_utc"],
        ),
    )


def _quote(record: Record, feed: str, contract_id: str, at: str, known_at: str) -> Fact:
    return (
        "yield_quote",
        (
            contract_id,
            feed,
            at,
            record["implied_apy"],
            record.get("pt_price"),
            record.get("yt_price"),
            record.get("underlying_apy"),
            record.get("liquidity_usd"),
            record.get("tvl_usd"),
            record.get("underlying_price_usd"),
            known_at,
        ),
    )


def yield_markets_facts(record: Record) -> Iterator[Fact]:
    """Facts of one market of a snapshot of quotes."""
    yield ListedContract(
        contract_id=record["market"],
        venue_id=record["venue"],
        underlying=record["underlying"],
        maturity=record["maturity"],
        source="the table of quotes that names it",
    )
    yield _quote(record, "snapshot", record["market"], record["as_of_utc"], record["as_of_utc"])


def yield_history_facts(record: Record) -> Iterator[Fact]:
    """Facts of a day of a market's implied yield."""
    known = day_end(record["date"])
    yield _quote(record, "daily", record["market"], known, known)


# The figures were quoted 57 minutes after t0 (median over 1,038 rows, markets/history/SOURCES.md).
_PENDLE_DELAY = timedelta(minutes=57)


def pendle_quoted_at(record: Record) -> str:
    """Return the moment a row of the Pendle panel was really quoted."""
    return iso(parse_instant(record["t0"]) + _PENDLE_DELAY)


def pendle_contract_id(record: Record) -> str:
    """Return the contract name of a row of the Pendle panel: underlying and maturity, as ``sUSDe-27NOV25``."""
    return f"{record['underlying']}-{parse_instant(record['maturity']).strftime('%d%b%y').upper()}"


def pendle_markets_facts(record: Record) -> Iterator[Fact]:
    """Facts of one quote of the Pendle panel."""
    at = pendle_quoted_at(record)
    yield _quote(record, "snapshot", record.get("contract_id") or pendle_contract_id(record), at, at)


def pendle_states_facts(record: Record) -> Iterator[Fact]:
    """Facts of one state of a Pendle pool."""
    code = parse_contract_code(_short_year(record["market"]))
    contract_id = f"{code.underlying}-{parse_instant(record['maturity']).strftime('%d%b%y').upper()}"
    known = day_end(record["date"])  # the hour of the state is not recorded
    state = {name: record[name] for name in ("total_pt", "total_sy", "total_lp", "last_ln_implied_rate")}
    yield "amm_state", (contract_id, day_start(record["date"]), "logit", json.dumps(state), known)
    yield _quote(record, "state", contract_id, day_start(record["date"]), known)


def _short_year(market: str) -> str:
    """Write ``PT-USDe-25SEP2025`` with the two-digit year of a contract code."""
    head, hyphen, ending = market.rpartition("-")
    return f"{head}{hyphen}{ending[:-4]}{ending[-2:]}" if ending[-4:].isdigit() else market


def yield_quote_facts(record: Record) -> Iterator[Fact]:
    """Facts of one quote."""
    yield _quote(record, "snapshot", record["contract_id"], record["at"], _known_at(record, record["at"]))


def amm_state_facts(record: Record) -> Iterator[Fact]:
    """Facts of one state of a pool."""
    yield (
        "amm_state",
        (
            record["contract_id"],
            record["at"],
            record["kind"],
            json.dumps(record["state"], sort_keys=True),
            _known_at(record, record["at"]),
        ),
    )


def check_amm_state(record: Record) -> str | None:
    """Say what is wrong with a state of a pool."""
    if record["kind"] not in AMM_KINDS:
        return f"kind = {record['kind']!r} is no curve; known are {', '.join(AMM_KINDS)}"
    return check_code(record["contract_id"])


_WEEKLY_TEXT = ("report_date", "window_end", "url")


def weekly_facts(record: Record) -> Iterator[Fact]:
    """Facts of one weekly risk report."""
    # a report can close its window on the day after its own date
    known = day_end(max(record["report_date"], record["window_end"]))
    for name, value in record.items():
        if name not in _WEEKLY_TEXT and value is not None:
            yield "pool_day", (JLP, f"week_{name}", record["window_end"], value, "weekly_report", known)


# Columns of the wide tables that are no series of the pool: prices of assets, the official yield, a count of feeds.
NOT_SERIES = ("sol_usd", "btc_usd", "eth_usd", "official_apr", "official_apy", "n_markets")
_NAV_TEXT = ("date", "as_of_utc", *NOT_SERIES)


def nav_facts(record: Record) -> Iterator[Fact]:
    """Facts of one snapshot of the pool and its official yield."""
    names = [name for name in record if name not in _NAV_TEXT]
    yield from _pool_series(record, names, record["as_of_utc"], "snapshot")
    if record.get("official_apr") is not None and record.get("official_apy") is not None:
        at = record["as_of_utc"]
        yield (
            "official_apy",
            (JLP, at, None, None, record["official_apr"], record["official_apy"], at),
        )


def official_facts(record: Record) -> Iterator[Fact]:
    """Facts of one published yield."""
    at = record["published_at"]
    yield (
        "official_apy",
        (
            record["pool"],
            at,
            record.get("week_start"),
            record.get("week_end"),
            record["apr"],
            record["apy"],
            _known_at(record, at),
        ),
    )


# Published pairs agree to 4e-5 with 365 compounding periods; 52 would differ by 0.5 % at most among those seen.
_COMPOUNDING = 365
_WEEK_DAYS = 7
_APY_TOLERANCE = 0.02


def check_official(record: Record) -> str | None:
    """Say what contradicts what in a published yield: APR and APY, or the days it covers."""
    apr, apy = record["apr"], record["apy"]
    expected = math.expm1(_COMPOUNDING * math.log1p(apr / _COMPOUNDING))
    if abs(apy - expected) > _APY_TOLERANCE * expected:
        return (
            f"apy = {apy:g} does not follow from apr = {apr:g}, which compounds to {expected:.4g} "
            f"(tolerance {_APY_TOLERANCE:.0%}); both are fractions, 0.35 for 35 %"
        )
    start, end = record.get("week_start"), record.get("week_end")
    if start is None and end is None:
        return None
    if start is None or end is None:
        return "week_start and week_end are given together or not at all"
    if (date.fromisoformat(end) - date.fromisoformat(start)).days != _WEEK_DAYS - 1:
        return (
            f"week_start = {start} to week_end = {end} are not seven days; week_end is the last day it covers"
        )
    return None


# the columns between its key and the moment it became known
_CUSTODY = COLUMNS["custody_state"][3:-1]


def custody_facts(record: Record) -> Iterator[Fact]:
    """Facts of what a pool held of one asset at a moment; an amount left out is none of it."""
    amounts = (0.0 if record.get(name) is None else record[name] for name in _CUSTODY)
    key = (record["pool"], record["asset"], record["at"])
    yield "custody_state", (*key, *amounts, _known_at(record, record["at"]))


def check_custody(record: Record) -> str | None:
    """Say what contradicts what in a custody."""
    if record.get("short_sizes_usd") and not record.get("short_avg_price"):
        return (
            f"short_sizes_usd = {record['short_sizes_usd']:g} without short_avg_price: "
            "open shorts have a mean entry price above 0"
        )
    return None


def custody_warning(record: Record) -> str | None:
    """Say what is odd about a custody, yet possible."""
    owned = record["owned"] + (record.get("debt") or 0.0)
    if record["locked"] > owned:
        return (
            f"{record['asset']}: locked = {record['locked']:g} exceeds owned = {owned:g}; "
            "nothing of it counts as free"
        )
    return None


def snapshot_facts(record: Record) -> Iterator[Fact]:
    """Facts of the pool's composition as its own pages showed it on a day."""
    names = [name for name in record if name not in ("date", "source")]
    yield from _pool_series(record, names, day_end(record["date"]), "published")


def jlp_contracts_facts(record: Record) -> Iterator[Fact]:
    """Facts of one contract that existed."""
    yield ListedContract(
        contract_id=record["market"],
        venue_id=record["venue"],
        underlying=parse_contract_code(record["market"]).underlying,
        maturity=day_start(record["maturity_date"]),
        source="the table of contracts that names it",
    )


# PT and YT are printed with ten decimals, the implied yield with eight digits and a stamp of minutes.
_PARITY_TOLERANCE = 1e-6
_PRICE_TOLERANCE = 5e-3


def check_quote(record: Record, at: str, maturity: str | None) -> str | None:
    """Say what contradicts what in a quote: PT and YT, price and yield, or its moment and maturity."""
    pt, yt = record.get("pt_price"), record.get("yt_price")
    if pt is not None and yt is not None and abs(pt + yt - 1.0) > _PARITY_TOLERANCE:
        return f"pt_price + yt_price = {pt + yt:.10g}: they must add up to 1 ST within {_PARITY_TOLERANCE:g}"
    if pt is None or maturity is None:
        return None
    tau = year_fraction(parse_instant(at), parse_instant(maturity))
    if tau <= 0:
        return f"quoted at {at}, at or after the maturity {maturity}"
    model = pt_price(record["implied_apy"], tau)
    if abs(model - pt) > _PRICE_TOLERANCE:
        return (
            f"pt_price = {pt:.6g} does not agree with implied_apy = {record['implied_apy']:.6g}, "
            f"which prices PT at {model:.6g} with {tau * 365:.2f} days left (tolerance {_PRICE_TOLERANCE:g})"
        )
    return None


def check_code(contract_id: str) -> str | None:
    """Say what is wrong with a contract code."""
    try:
        parse_contract_code(contract_id)
    except YieldtradeError as error:
        return str(error)
    return None


def check_yield_markets(record: Record) -> str | None:
    """Say what is wrong with one market of a snapshot."""
    return check_code(record["market"]) or check_quote(record, record["as_of_utc"], record["maturity"])


def check_pendle_markets(record: Record) -> str | None:
    """Say what is wrong with one quote of the Pendle panel."""
    return check_quote(record, pendle_quoted_at(record), record["maturity"])
