"""``quote``: prices, sensitivities, break-evens and a leveraged position of contracts."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from yieldtrade.cli.fill import (
    FILL,
    POSITION,
    SIDES,
    Trade,
    fill_of,
    fill_record,
    pool_of,
    position_record,
    write_depth,
    write_ledger,
)
from yieldtrade.cli.options import (
    NUMBER,
    RATE,
    age_days,
    opened,
    output_options,
    set_option,
    stated,
    store_options,
    warn,
)
from yieldtrade.conventions import iso
from yieldtrade.errors import MissingDataError, StoreError, YieldtradeError
from yieldtrade.report.output import Column

if TYPE_CHECKING:
    from datetime import datetime

    from yieldtrade.cli.options import Output
    from yieldtrade.market import MarketView
    from yieldtrade.store import Store
    from yieldtrade.tokens.quote import Quote

TABLE = (
    Column("contract", "contract"),
    Column("implied_apy", "implied", "percent"),
    Column("pt_price", "PT (ST)", "price"),
    Column("yt_price", "YT (ST)", "price"),
    Column("days_to_maturity", "days left", "days"),
    Column("underlying_apy", "underlying", "percent", spare=1),
    Column("break_even_apy", "YT breaks even at", "percent", spare=2),
    Column("theta_pct_per_day", "YT decay a day", "percent", spare=4),
    Column("yt_leverage", "leverage", "number", spare=5),
    Column("kind", "quote"),
    Column("as_of", "as of", "moment", spare=3),
    Column("data_age_days", "age, days", "days"),
)


CARD = (
    Column("as_of", "as of", "moment"),
    Column("maturity", "maturity", "moment"),
    Column("days_to_maturity", "days left", "days"),
    Column("tau_years", "years on its clock", "number"),
    Column("implied_apy", "implied APY", "percent"),
    Column("pt_price", "PT, ST", "price"),
    Column("yt_price", "YT, ST", "price"),
    Column("st_price", "ST, ST", "price"),
    Column("pt_price_usd", "PT, USD", "price"),
    Column("yt_price_usd", "YT, USD", "price"),
    Column("underlying_apy", "underlying APY", "percent"),
    Column("break_even_apy", "YT breaks even against holding ST at", "percent"),
    Column("break_even_cash_apy", "YT gets its cost back at", "percent"),
    Column("yield_delta_per_bp", "YT per basis point, ST", "price"),
    Column("theta_per_day", "YT per day, ST", "price"),
    Column("theta_pct_per_day", "YT per day, of its price", "percent"),
    Column("yt_leverage", "yield-bearing ST per ST of YT", "number"),
    Column("yt_elasticity", "% of YT per % of yield", "number"),
    Column("modified_duration", "PT modified duration, years", "number"),
    Column("convexity", "PT convexity, years^2", "number"),
    Column("quote_basis", "from"),
    Column("data_age_days", "data age, days", "days"),
)


@click.command(
    epilog="Examples: yieldtrade quote JLP-2411 --implied 0.35; yieldtrade quote ONyc-13MAY26 USX-01JUN26 --json"
)
@click.argument("contracts", nargs=-1)
@click.option(
    "--all", "everything", is_flag=True, help="Every contract with a stored quote at the last moment."
)
@click.option("--implied", type=RATE, help="Implied yield: 0.35 or 35%.")
@click.option("--pt-price", type=NUMBER, help="Price of PT in ST.")
@click.option("--yt-price", type=NUMBER, help="Price of YT in ST.")
@click.option("--leverage", type=NUMBER, help="Also open a margin position: borrowed notional over margin.")
@click.option("--margin", type=NUMBER, default=1.0, show_default=True, help="Margin of the position, ST.")
@click.option("--size", type=NUMBER, help="Also fill a trade of this size through the stored pool.")
@click.option(
    "--unit",
    type=click.Choice(["token", "st"]),
    default="token",
    show_default=True,
    help="What --size counts: tokens, or ST spent or raised with fees.",
)
@click.option(
    "--side",
    type=click.Choice(["long", "short", *SIDES]),
    default="long",
    show_default=True,
    help="Of the position or the trade; a long buys YT, a short sells it.",
)
@click.option("--depth", is_flag=True, help="Print what moves the implied yield by how much.")
@click.option("--depth-file", metavar="FILE", help="Draw the depth to a .png or .svg file.")
@click.option(
    "--ledger", is_flag=True, help="Print what is received and amortised, period by period, to maturity."
)
@click.option(
    "--settled", type=RATE, help="APY at which the ledger settles; the underlying's last by default."
)
@click.option(
    "--every", type=NUMBER, default=7.0, show_default=True, metavar="DAYS", help="Period of the ledger."
)
@click.option("--explain", is_flag=True, help="Print formulas, numbers and sources.")
@click.option("--max-age", type=NUMBER, metavar="DAYS", help="Refuse a stored quote older than this.")
@click.option("--no-log", is_flag=True, help="Do not record the quote in the database.")
@set_option
@store_options
@output_options
def quote(
    contracts: tuple[str, ...],
    *,
    everything: bool,
    implied: float | None,
    pt_price: float | None,
    yt_price: float | None,
    leverage: float | None,
    margin: float,
    size: float | None,
    unit: str,
    side: str,
    depth: bool,
    depth_file: str | None,
    ledger: bool,
    settled: float | None,
    every: float,
    explain: bool,
    max_age: float | None,
    no_log: bool,
    settings: tuple[str, ...],
    db: str | None,
    as_of: datetime | None,
    output: Output,
) -> None:
    """Price PT and YT of contracts from a yield, a price or the market.

    CONTRACTS are names such as JLP-2411. The price comes from --implied, --pt-price or --yt-price, else
    from the stored market. A lone - reads JSON objects from standard input, one a line, with the keys
    contract and implied_apy, pt_price or yt_price.
    """
    inputs = {"implied_apy": implied, "pt_price": pt_price, "yt_price": yt_price}
    trade = Trade(leverage, margin, size, unit, side)
    if size is not None and size < 0:
        raise click.UsageError(
            f"--size {size:g}: sizes are 0 or more; choose the other --side to turn the trade"
        )
    if leverage is not None and side in SIDES:
        raise click.UsageError("--leverage opens a position: --side is long or short")
    with opened(db) as store:
        asked = _asked(store, contracts, inputs, as_of, everything=everything)
        done = [_one(store, name, given, trade, settings, as_of) for name, given in asked]
        for found, _, record in done:
            _check_age(found, record["data_age_days"], max_age)
        if not no_log:
            _log(store, done, {"contracts": [name for name, _ in asked], **inputs, **trade._asdict()})
        if depth or depth_file:
            write_depth(done, depth_file, output)
            return
        if ledger:
            write_ledger(done, settled, every, output)
            return
    records = [record for _, _, record in done]
    if explain:
        for found, _, record in done:
            click.echo("\n".join(explanation(found, record)))
    elif output.for_a_person and len(records) == 1:
        _card(records[0])
    else:
        alone = len(contracts) == 1 and contracts != ("-",)
        more = (FILL if size is not None else ()) + (POSITION if leverage is not None else ())
        output.write(records, TABLE + more, alone=alone)


def _asked(
    store: Store,
    contracts: tuple[str, ...],
    inputs: dict[str, float | None],
    as_of: datetime | None,
    *,
    everything: bool,
) -> list[tuple[str, dict[str, float | None]]]:
    if contracts == ("-",):
        lines = [(number, line) for number, line in enumerate(sys.stdin, 1) if line.strip()]
        if not lines:
            raise click.UsageError("standard input holds no line; each line is a JSON object with a contract")
        return [_from_line(number, line) for number, line in lines]
    if everything:
        if contracts:
            raise click.UsageError("--all stands without contract names")
        view = store.view(as_of)
        return [(name, inputs) for name in view.quotes(view.live_contracts())]
    if not contracts:
        raise click.UsageError("name a contract, as JLP-2411; `yieldtrade markets contracts` lists them")
    return [(name, inputs) for name in contracts]


def _from_line(number: int, line: str) -> tuple[str, dict[str, float | None]]:
    allowed = ("implied_apy", "pt_price", "yt_price")
    try:
        body = json.loads(line)
        name = body["contract"]
        given = {key: body.get(key) for key in allowed}
        unknown = set(body) - {"contract", *allowed}
        wrong = [
            key
            for key, value in given.items()
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)))
        ]
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError, RecursionError):
        raise click.UsageError(
            f'line {number} is not an object with a contract, as {{"contract": "JLP-2411", "implied_apy": 0.35}}'
        ) from None
    if unknown or wrong:
        raise click.UsageError(
            f"line {number}: {', '.join(sorted(unknown) or wrong)} cannot be read; allowed are "
            f"numbers under {', '.join(allowed)}"
        )
    rate = given["implied_apy"]
    if rate is not None:
        given["implied_apy"] = RATE.convert(str(rate), None, None)
    return str(name), given


def _one(
    store: Store,
    name: str,
    given: dict[str, float | None],
    trade: Trade,
    settings: tuple[str, ...],
    as_of: datetime | None,
) -> tuple[Quote, MarketView, dict[str, Any]]:
    from yieldtrade.tokens.quote import quote as price

    view = stated(_view(store, name, as_of), settings)
    found = price(view, name, **given)
    record = to_record(found, as_of)
    contract = view.contract(found.contract_id)
    # a size is asked of the pool; a position takes it where it is stored, and else the quoted price
    wanted = trade.size is not None or (trade.leverage is not None and view.amm_state(contract) is not None)
    pool = pool_of(view, contract) if wanted else None
    if pool is not None and trade.size is not None:
        fill = fill_of(pool, trade.side, trade.size, trade.unit)
        record.update(fill_record(pool, fill, trade.side, as_of))
    if trade.leverage is not None:
        record.update(position_record(contract, found, trade, trade.leverage, pool))
    return found, view, record


def _view(store: Store, name: str, as_of: datetime | None) -> MarketView:
    """Return the view of the moment asked for, else of the contract's last quote or published figure."""
    if as_of is not None:
        return store.view(as_of)
    latest = store.view()
    contract = latest.contract(name)
    quoted = store.last_quoted(contract)
    if quoted is not None:
        return store.view(quoted)
    try:
        return store.view(need=contract.underlying)
    except MissingDataError:
        return latest


def to_record(found: Quote, as_of: datetime | None) -> dict[str, Any]:
    """Return a quote as the keys and values that are printed and stored."""
    given = found.to_record()
    record = {"contract": given.pop("contract_id"), "venue": given.pop("venue_id"), **given, "st_price": 1.0}
    record["yield_delta_per_bp"] = found.yield_delta * 1e-4
    record["theta_pct_per_day"] = found.theta_per_day / found.yt_price if found.yt_price else None
    record["data_age_days"] = age_days(found.quoted_at, as_of) if found.quoted_at else None
    when = f", quoted {iso(found.quoted_at)}" if found.quoted_at else ""
    record["quote_basis"] = f"{found.input} ({found.kind}), {found.source}{when}"
    return record


def _check_age(found: Quote, age: float | None, max_age: float | None) -> None:
    if found.kind == "undated":
        for line in found.notes:
            warn(f"{found.contract_id}: {line}")
    if max_age is not None and age is not None and age > max_age:
        raise YieldtradeError(
            f"{found.contract_id}: the last quote is {age:.1f} days old, more than --max-age {max_age:g}; "
            "load a newer one, or give --implied"
        )


def _log(
    store: Store, done: list[tuple[Quote, MarketView, dict[str, Any]]], arguments: dict[str, Any]
) -> None:
    from yieldtrade.report.output import plain

    rows = [
        (
            found.contract_id,
            found.implied_apy,
            found.pt_price,
            found.yt_price,
            found.tau_years,
            found.kind,
            json.dumps(plain(record)),
        )
        for found, _, record in {found.contract_id: item for item in done for found in item[:1]}.values()
    ]
    columns = ("contract_id", "implied_apy", "pt_price", "yt_price", "tau_years", "kind", "result")
    try:
        with store.recording("quote", arguments, done[0][1], _fingerprint(store, done)) as run:
            run.rows("quote_log", columns, rows)
    except StoreError as error:
        warn(f"the quote was not recorded: {error}")


def _fingerprint(store: Store, done: list[tuple[Quote, MarketView, dict[str, Any]]]) -> str:
    """Return the digests of the files the quotes came from; the user's own figures stand in the arguments."""
    names = sorted({found.source for found, _, _ in done})
    return ",".join(store.digests(names))


def _card(record: dict[str, Any]) -> None:
    from yieldtrade.report.output import write_card

    stream = sys.stdout
    write_card(record, CARD, stream, title=f"{record['contract']} on {record['venue']}")
    if "fill_units" in record:
        write_card(record, FILL, stream, title="fill")
    if "yt" in record:
        write_card(record, POSITION, stream, title="position")


def explanation(found: Quote, record: dict[str, Any]) -> list[str]:
    """Return the formulas of a quote, the same with numbers, and what they rest on."""
    r, tau, yt = found.implied_apy, found.tau_years, found.yt_price
    lines = [
        f"{found.contract_id} as of {iso(found.as_of)}",
        f"  from          {record['quote_basis']}",
        f"  clock         {found.clock}: {tau!r} years of 31,536,000 s to {iso(found.maturity)}",
        f"  implied APY   r = {r!r}",
        f"  PT            exp(-tau*log1p(r)) = exp(-{tau!r}*log1p({r!r})) = {found.pt_price!r} ST",
        f"  YT            -expm1(-tau*log1p(r)) = -expm1(-{tau!r}*log1p({r!r})) = {yt!r} ST",
        f"  dYT/dr        tau*(1+r)^(-tau-1) = {found.yield_delta!r} ST, a basis point is worth "
        f"{record['yield_delta_per_bp']!r}",
        f"  decay a day   -ln(1+r)*(1+r)^-tau/365 = {found.theta_per_day!r} ST",
        f"  leverage      1/YT = {found.yt_leverage!r}",
    ]
    if found.break_even_apy is not None:
        lines.append(
            f"  break-even    G = (1-phi)/(1-phi-YT), phi = {found.yield_fee!r}: "
            f"u* = G^(1/tau)-1 = {found.break_even_apy!r} against holding ST; "
            f"{found.break_even_cash_apy!r} to get the cost back"
        )
    if "yt" in record:
        notional = record["position_leverage"] * record["margin_st"]
        lines += [
            f"  position      {record['position_side']}, margin {record['margin_st']!r} ST at "
            f"{record['position_leverage']:g}x: notional {notional!r} ST",
            f"  YT            notional/YT = {notional!r}/{yt!r} = {record['yt_before_fee']!r} before the fee, "
            f"{record['yt']!r} after {record['fee_st']!r} ST of it",
        ]
    lines += [f"  note          {note}" for note in found.notes]
    return lines
