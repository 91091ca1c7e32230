"""``screen``: every strategy on every contract, ranked, explained and stored."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from yieldtrade.cli.options import (
    NUMBER,
    RATE,
    given_yields,
    note,
    opened,
    output_options,
    set_option,
    stated,
    store_options,
    told_moment,
    warn,
)
from yieldtrade.errors import MissingDataError, StoreError, UnknownNameError
from yieldtrade.market import is_expired

if TYPE_CHECKING:
    from datetime import datetime

    from yieldtrade.cli.options import Output
    from yieldtrade.market import MarketView
    from yieldtrade.store import Store
    from yieldtrade.strategies.screen import ScreenResult

FOUND = 3


@click.command(
    epilog="Example: yieldtrade screen --as-of 2026-01-01 --implied JLP-08MAR26=0.19 "
    "--set exponent.trading_fee=0.001 --size 10000 --rejected"
)
@click.option(
    "--size", type=NUMBER, default=10_000.0, show_default=True, help="Own capital of each trade, USD."
)
@click.option(
    "--strategy", "strategies", multiple=True, metavar="NAME", help="Only this strategy; may be repeated."
)
@click.option(
    "--contract",
    "contracts",
    multiple=True,
    metavar="NAME",
    help="Only this contract or pool; may be repeated.",
)
@click.option(
    "--implied", multiple=True, metavar="CONTRACT=RATE", help="State the implied yield of a contract."
)
@click.option(
    "--horizon", type=NUMBER, metavar="DAYS", help="Holding period; each strategy's own by default."
)
@click.option(
    "--leverage", type=NUMBER, help="Leverage of levered trades; 5 or the largest allowed by default."
)
@click.option("--max-leverage", type=NUMBER, help="No trade is levered beyond this.")
@click.option("--borrow", type=RATE, help="Borrow APY of loops; the lender's last stored rate by default.")
@click.option(
    "--borrow-sd", type=RATE, help="Standard deviation of its mean over the holding; with --borrow."
)
@click.option("--hurdle", type=RATE, help="APY to beat; the best stored USDC supply rate by default.")
@click.option("--min-edge", type=RATE, help="Smallest expected return over the horizon.")
@click.option("--max-p-loss", type=RATE, help="Largest probability of loss accepted.")
@click.option("--max-p-liquidation", type=RATE, help="Largest probability of liquidation accepted.")
@click.option(
    "--max-exit-impact",
    type=RATE,
    help="Largest price impact of leaving early, where the pool's state is stored; 1% by default.",
)
@click.option(
    "--kappa", type=NUMBER, default=0.25, show_default=True, help="Weight of the expected shortfall."
)
@click.option("--seed", type=int, help="Seed of all random numbers.")
@click.option("--rejected", is_flag=True, help="Also the rejected rows, with their reasons.")
@click.option("--explain", metavar="ID", help="Prove one row: formulas, numbers, inputs, sources.")
@click.option("--exit-code", is_flag=True, help="Leave with 3 when a row is accepted.")
@set_option
@store_options
@output_options
def screen(
    *,
    size: float,
    strategies: tuple[str, ...],
    contracts: tuple[str, ...],
    implied: tuple[str, ...],
    borrow: float | None,
    borrow_sd: float | None,
    rejected: bool,
    explain: str | None,
    exit_code: bool,
    settings: tuple[str, ...],
    db: str | None,
    as_of: datetime | None,
    output: Output,
    **limits: Any,
) -> None:
    """Screen every contract for trades that pay after every cost.

    Without --as-of the moment is the last one at which quotes are stored. A contract without a stored quote takes
    --implied; a parameter that nobody has published takes --set.
    """
    from yieldtrade.strategies.inputs import BorrowForecast
    from yieldtrade.strategies.screen import screen as run_screen

    given = given_yields(implied)
    renamed = {"horizon": "horizon_days", "seed": "random_seed"}
    asked = {renamed.get(name, name): value for name, value in limits.items() if value is not None}
    if (borrow is None) != (borrow_sd is None):
        raise click.UsageError("--borrow and --borrow-sd go together: a rate and how far it may stray")
    with opened(db) as store:
        view = stated(_view(store, as_of, given), settings)
        view = view.with_yields(given) if given else view
        note(told_moment(view, as_of))
        found = run_screen(
            view,
            size,
            strategies=strategies or None,
            contracts=contracts or None,
            borrow=None if borrow is None else BorrowForecast(mean_apy=borrow, sd_apy=borrow_sd or 0.0),
            **asked,
        )
        for line in found.notes:
            note(line)
        _store(
            store,
            view,
            found,
            {"size": size, "implied": given, "set": list(settings), "borrow": [borrow, borrow_sd], **asked},
        )
    if explain is not None:
        _explain(found, explain)
    else:
        _write(found, output, rejected=rejected)
    if exit_code and found.accepted:
        click.get_current_context().exit(FOUND)


def _view(store: Store, as_of: datetime | None, given: dict[str, float]) -> MarketView:
    """Return the view of the moment asked for, else of the last one at which what is asked about is alive."""
    if as_of is not None:
        return store.view(as_of)
    view = store.view()
    named = [view.contract(name) for name in given]
    if named and all(is_expired(contract, view.as_of) for contract in named):
        try:
            return store.view(need=named[0].underlying)
        except MissingDataError:
            return view
    return view


def _store(store: Store, view: MarketView, found: ScreenResult, arguments: dict[str, Any]) -> None:
    from yieldtrade.report.screen_report import SIGNAL_COLUMNS, to_signal

    rows = [to_signal(row) for row in found.rows]
    inputs = sorted({str(line) for row in found.rows for line in row.inputs})
    digest = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()
    try:
        with store.recording("screen", arguments, view, digest) as run:
            run.rows("signal", SIGNAL_COLUMNS, rows)
    except StoreError as error:
        warn(f"the screen was not recorded: {error}")


def _explain(found: ScreenResult, row_id: str) -> None:
    from yieldtrade.report.screen_report import explanation

    rows = {row.row_id: row for row in found.rows}
    if row_id not in rows:
        raise UnknownNameError("row", row_id, rows, "yieldtrade screen --rejected --columns row_id")
    for line in explanation(rows[row_id]):
        click.echo(line)


def _write(found: ScreenResult, output: Output, *, rejected: bool) -> None:
    from yieldtrade.report.output import Column, write_table
    from yieldtrade.report.screen_report import REJECTED, TABLE, legend, to_record

    accepted = [to_record(row) for row in found.accepted]
    others = [to_record(row) for row in found.rows if row.status == "rejected"]
    if output.for_a_person:
        if accepted:
            write_table(
                accepted, TABLE, sys.stdout, headers=output.headers, title=f"{len(accepted)} accepted"
            )
            for line in legend(found.accepted):
                click.echo(line)
        else:
            click.echo("no trade is accepted")
        if rejected and others:
            write_table(others, REJECTED, sys.stdout, headers=output.headers, title=f"{len(others)} rejected")
    else:
        columns = (
            Column("row_id", "id"),
            Column("status", "status"),
            Column("strategy", "strategy"),
            Column("side", "side"),
            *TABLE,
            Column("reason_list", "reasons"),
        )
        output.write([*accepted, *(others if rejected else [])], columns)
    if others and not rejected:
        note(f"{len(others)} rows are rejected; --rejected shows them with their reasons")
