"""``backtest``: what became of the trades that the screen would have shown."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from yieldtrade.cli.options import (
    MOMENT,
    NUMBER,
    RATE,
    Number,
    Share,
    note,
    opened,
    output_options,
    set_option,
    stated,
    store_options,
    warn,
)
from yieldtrade.conventions import iso
from yieldtrade.errors import DomainError, MissingDataError, StoreError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from yieldtrade.cli.options import Output
    from yieldtrade.market import MarketView
    from yieldtrade.report.backtest_report import Period
    from yieldtrade.store import Store
    from yieldtrade.strategies.backtest import BacktestResult

WEEK = 7.0
# Between a day and ten years.
WEEKS = Number(1.0 / WEEK, 520.0)


@click.command(
    epilog="Example: yieldtrade backtest --from 2025-01-05 --to 2025-06-01 --set pendle.trading_fee=0.001 --flags"
)
@click.option("--from", "start", type=MOMENT, help="First date screened; that of the first quote by default.")
@click.option("--to", "end", type=MOMENT, help="Last date; that of the last quote by default.")
@click.option(
    "--every", type=WEEKS, default=1.0, show_default=True, metavar="WEEKS", help="Weeks between two screens."
)
@click.option(
    "--size", type=NUMBER, default=10_000.0, show_default=True, help="Own capital of each trade, USD."
)
@click.option(
    "--strategy", "strategies", multiple=True, metavar="NAME", help="Only this strategy; may be repeated."
)
@click.option(
    "--contract", "contracts", multiple=True, metavar="NAME", help="Only this contract; may be repeated."
)
@click.option(
    "--horizon", type=NUMBER, metavar="DAYS", help="Holding period; each strategy's own by default."
)
@click.option(
    "--leverage", type=NUMBER, help="Leverage of levered trades; 5 or the largest allowed by default."
)
@click.option("--max-leverage", type=NUMBER, help="No trade is levered beyond this.")
@click.option("--hurdle", type=RATE, help="APY to beat; the best USDC supply rate of the day by default.")
@click.option("--min-edge", type=RATE, help="Smallest expected return over the horizon.")
@click.option("--max-p-loss", type=RATE, help="Largest probability of loss accepted.")
@click.option("--max-p-liquidation", type=RATE, help="Largest probability of liquidation accepted.")
@click.option(
    "--kappa", type=NUMBER, default=0.25, show_default=True, help="Weight of the expected shortfall."
)
@click.option("--seed", type=int, help="Seed of all random numbers.")
@click.option(
    "--tolerance",
    type=Number(0.0, 30.0),
    default=2.0,
    show_default=True,
    metavar="DAYS",
    help="Farthest that a quote or price may lie from the exit.",
)
@click.option(
    "--coverage",
    type=Share(),
    default=0.7,
    show_default=True,
    help="Part of a holding for which daily rates must be known.",
)
@click.option("--flags", "list_flags", is_flag=True, help="List every flag with what became of it.")
@click.option("--explain", metavar="FLAG", help="Prove one flag: promised and realised arithmetic.")
@set_option
@store_options
@output_options
def backtest(
    *,
    start: datetime | None,
    end: datetime | None,
    every: float,
    size: float,
    strategies: tuple[str, ...],
    contracts: tuple[str, ...],
    tolerance: float,
    coverage: float,
    list_flags: bool,
    explain: str | None,
    settings: tuple[str, ...],
    db: str | None,
    as_of: datetime | None,
    output: Output,
    **limits: Any,
) -> None:
    """Replay the screen at past dates and score what became of what it found.

    Each date is screened with what was known by then, rejected rows that could be priced apart from accepted ones.
    Every trade is then priced again at what happened; what was never observed stays unrealised. --as-of takes
    outcomes as known at a moment; a parameter given with --set holds at every date.
    """
    from yieldtrade.report.backtest_report import Period
    from yieldtrade.strategies.backtest import backtest as run_backtest
    from yieldtrade.strategies.backtest import origins
    from yieldtrade.strategies.outcome import Tolerances

    renamed = {"horizon": "horizon_days", "seed": "random_seed"}
    asked = {renamed.get(name, name): value for name, value in limits.items() if value is not None}
    with opened(db) as store:
        outcome = stated(store.view(as_of), settings)
        first, last = _range(store, outcome, start, end)
        period = Period(first, last, WEEK * every)
        moments = origins(first, last, period.every_days)
        note(
            f"{len(moments)} screens from {iso(first)} to {iso(last)}, outcomes as known at {iso(outcome.as_of)}"
        )
        found = run_backtest(
            _views(store, outcome, moments),
            outcome,
            size,
            contracts=contracts or None,
            strategies=strategies or None,
            tolerances=Tolerances(quote_days=tolerance, known_fraction=coverage),
            **asked,
        )
        arguments = {"from": iso(first), "to": iso(last), "every_weeks": every, "size": size, **asked}
        arguments |= {"set": list(settings), "contracts": list(contracts), "strategies": list(strategies)}
        arguments |= {"tolerance_days": tolerance, "coverage": coverage}
        _store(store, outcome, found, arguments)
    if explain is not None:
        _explain(found, explain)
    else:
        _write(found, period, output, list_flags=list_flags)


def _range(
    store: Store, outcome: MarketView, start: datetime | None, end: datetime | None
) -> tuple[datetime, datetime]:
    """Return the range asked for, else that of the stored quotes, within what is known."""
    from datetime import timedelta

    from yieldtrade.strategies.outcome import Tolerances

    if start is not None and end is not None and end < start:
        raise DomainError(f"the range is reversed: --from {iso(start)} is later than --to {iso(end)}")
    for name, moment in (("--from", start), ("--to", end)):
        if moment is not None and moment > outcome.as_of:
            raise DomainError(
                f"{name} {iso(moment)} lies after {iso(outcome.as_of)}, the last moment anything is known of: only "
                "the past can be replayed"
            )
    # a first date may live on quotes of the days before it
    since = None if start is None else start - timedelta(days=Tolerances().entry_days)
    first, last = store.quoted_between(since, end or outcome.as_of)
    return start or first, end or last


def _views(store: Store, outcome: MarketView, moments: tuple[datetime, ...]) -> Iterator[MarketView]:
    """Yield the view of each moment, with the parameters the user states, telling how far it has come."""
    with click.progressbar(moments, label="screening", file=sys.stderr) as shown:
        for moment in shown:
            yield store.view(moment).with_terms(outcome.given_terms)


def _store(store: Store, view: MarketView, found: BacktestResult, arguments: dict[str, Any]) -> None:
    from yieldtrade.report.backtest_report import FLAG_COLUMNS, to_stored

    rows = [to_stored(result) for result in found.results]
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    try:
        with store.recording("backtest", arguments, view, digest) as run:
            run.rows("backtest_flag", FLAG_COLUMNS, rows)
    except StoreError as error:
        warn(f"the backtest was not recorded: {error}")


def _explain(found: BacktestResult, flag_id: str) -> None:
    from yieldtrade.report.backtest_report import explanation

    flags = {result.flag.flag_id: result for result in found.results}
    if flag_id not in flags:
        raise UnknownNameError("flag", flag_id, flags, "yieldtrade backtest --flags --columns flag_id")
    for line in explanation(flags[flag_id]):
        click.echo(line)


def _write(found: BacktestResult, period: Period, output: Output, *, list_flags: bool) -> None:
    from yieldtrade.report.backtest_report import (
        FLAGS,
        SCORES,
        evidence,
        flag_record,
        score_record,
        to_record,
        write_report,
    )

    if not found.results:
        lines = "; ".join(evidence(found))
        raise MissingDataError(
            f"no row could be priced at any of {len(found.origins)} dates{': ' if lines else ''}{lines}"
        )
    if list_flags:
        output.write([flag_record(result) for result in found.results], FLAGS)
    elif output.for_a_person:
        write_report(found, sys.stdout, headers=output.headers)
        return
    elif output.form == "json" and output.columns is None:
        output.write([to_record(found, period)], SCORES, alone=True)
    else:
        output.write([score_record(score) for score in found.scores()], SCORES)
    for line in evidence(found):
        note(line)
