"""``screen``: every strategy on every contract, ranked, explained and stored."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from yieldtrade.cli.options import (
    Number,
    Rate,
    given_yields,
    note,
    opened,
    output_options,
    set_option,
    store_options,
)
from yieldtrade.cli.screening import Question, answered, recorded
from yieldtrade.errors import UnknownNameError
from yieldtrade.strategies.presets import PRESETS, described

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from yieldtrade.cli.options import Output
    from yieldtrade.cli.screening import Answer
    from yieldtrade.strategies.screen import ScreenResult

FOUND = 3
# From one cent to more than there is in all markets together.
SIZE = Number(0.01, 1e12)
DAYS = Number(1 / 86_400, 36_500)
LEVERAGE = Number(1, 1_000)
PROBABILITY = Rate(0, 1)
NOT_NEGATIVE = Rate(0)
HURDLE = Rate(-0.999)
EDGE = Rate(0, 100)
SECONDS = Number(0.01, 86_400)
WATCH_SECONDS = 2.0
HOOK_SECONDS = 30.0
_PRESET_HELP = "Thresholds for what of them is not given: " + "; ".join(
    f"{name} ({described(values)})" for name, values in PRESETS.items()
)


@click.command(
    epilog="Examples: yieldtrade screen --as-of 2026-01-01 --implied JLP-08MAR26=0.19 "
    "--set exponent.trading_fee=0.001 --size 10000 --rejected; "
    "yieldtrade screen --preset conservative --watch --jsonl"
)
@click.option(
    "--size",
    type=SIZE,
    default=10_000.0,
    show_default=True,
    metavar="USD",
    help="Own capital of each trade, USD.",
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
@click.option("--horizon", type=DAYS, metavar="DAYS", help="Holding period; each strategy's own by default.")
@click.option(
    "--leverage", type=LEVERAGE, help="Leverage of levered trades; 5 or the largest allowed by default."
)
@click.option("--preset", metavar="NAME", help=_PRESET_HELP)
@click.option("--max-leverage", type=LEVERAGE, help="No trade is levered beyond this.")
@click.option(
    "--borrow", type=NOT_NEGATIVE, help="Borrow APY of loops; the lender's last stored rate by default."
)
@click.option(
    "--borrow-sd", type=NOT_NEGATIVE, help="Standard deviation of its mean over the holding; with --borrow."
)
@click.option("--hurdle", type=HURDLE, help="APY to beat; the best stored USDC supply rate by default.")
@click.option("--min-edge", type=EDGE, help="Smallest expected return over the horizon.")
@click.option("--max-p-loss", type=PROBABILITY, help="Largest probability of loss accepted.")
@click.option("--max-p-liquidation", type=PROBABILITY, help="Largest probability of liquidation accepted.")
@click.option("--kappa", type=Number(0, 100), help="Weight of the expected shortfall; 0.25 by default.")
@click.option("--max-quote-age", type=DAYS, metavar="DAYS", help="Older quotes are flagged; 1 by default.")
@click.option(
    "--max-rate-age", type=DAYS, metavar="DAYS", help="Older lending rates are flagged; 1 by default."
)
@click.option(
    "--max-exit-impact",
    type=PROBABILITY,
    help="Largest price impact of leaving early, where the pool's state is stored; 1% by default.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of all random numbers.")
@click.option("--rejected", is_flag=True, help="Also the rejected rows, with their reasons.")
@click.option("--explain", metavar="ID", help="Prove one row: formulas, numbers, inputs, sources.")
@click.option("--legs", is_flag=True, help="Every leg of every row: amount, price, fee, time.")
@click.option(
    "--html",
    "html_file",
    type=click.Path(),
    metavar="FILE",
    help="Also write the screen with payoffs and stresses as one HTML file.",
)
@click.option("--exit-code", is_flag=True, help="Leave with 3 when a row is accepted.")
@click.option(
    "--since-last", is_flag=True, help="Only what changed since the last stored run of the same arguments."
)
@click.option(
    "--watch",
    type=SECONDS,
    is_flag=False,
    flag_value=WATCH_SECONDS,
    metavar="[SECONDS]",
    help="Screen again when the database changes, looked at every SECONDS (2 by default), and tell what changed.",
)
@click.option(
    "--watch-count",
    type=click.IntRange(min=0),
    metavar="N",
    help="End the watch after N later screens in which something changed; 0 ends it after the first screen.",
)
@click.option(
    "--tolerance",
    type=PROBABILITY,
    help="Relative change from which a figure counts as changed; 1% by default.",
)
@click.option(
    "--exec", "hook", metavar="COMMAND", help="Run this for each change, the event as JSON on its input."
)
@click.option(
    "--exec-timeout",
    "hook_timeout",
    type=SECONDS,
    metavar="SECONDS",
    help="Stop a command of --exec after this; 30 by default.",
)
@set_option
@store_options
@output_options
@click.pass_context
def screen(
    context: click.Context,
    /,
    *,
    size: float,
    strategies: tuple[str, ...],
    contracts: tuple[str, ...],
    implied: tuple[str, ...],
    borrow: float | None,
    borrow_sd: float | None,
    rejected: bool,
    explain: str | None,
    legs: bool,
    html_file: str | None,
    exit_code: bool,
    since_last: bool,
    watch: float | None,
    watch_count: int | None,
    tolerance: float | None,
    hook: str | None,
    hook_timeout: float | None,
    settings: tuple[str, ...],
    db: str | None,
    as_of: datetime | None,
    output: Output,
    **limits: Any,
) -> None:
    """Screen every contract for trades that pay after every cost.

    Without --as-of the moment is the last one at which quotes are stored. A contract without a stored quote takes
    --implied; a parameter that nobody has published takes --set. An option that is given wins over a preset.

    With --watch or --since-last a row that is new has appeared, one that is gone has vanished, and one has changed
    when its status, a reason, a parameter of its venues, or by more than --tolerance a figure or a break-even did;
    rows rejected before and after are told with --rejected only.
    """
    from yieldtrade.cli import watch as watching

    _check(context)
    question = Question(
        size=size,
        strategies=strategies,
        contracts=contracts,
        implied=given_yields(implied),
        settings=settings,
        borrow=_pair(borrow, borrow_sd),
        as_of=as_of,
        asked={_PYTHON_NAMES.get(name, name): value for name, value in limits.items() if value is not None},
    )
    command = watching.hook_of(hook, HOOK_SECONDS if hook_timeout is None else hook_timeout)
    telling = watching.Telling(_tolerance(tolerance), rejected, command, output)
    with opened(db) as store:
        if explain is None and not legs and watch is not None:
            answer = watching.watch(
                store,
                question,
                telling,
                seconds=watch,
                count=watch_count,
                first=lambda answer: _write(answer, output, rejected=rejected),
            )
        elif explain is None and not legs and since_last:
            answer = watching.since_last(store, question, telling)
        else:
            answer = answered(store, question)
            recorded(store, answer)
            try:
                if html_file is not None:
                    _write_html(answer.found, html_file)
            finally:
                # a page that cannot be written does not cost the reader the screen
                _show(answer, output, explain=explain, legs=legs, rejected=rejected)
    if exit_code and answer.found.accepted:
        context.exit(FOUND)


_PYTHON_NAMES = {
    "horizon": "horizon_days",
    "seed": "random_seed",
    "max_quote_age": "max_quote_age_days",
    "max_rate_age": "max_rate_age_days",
}
_FORMS = ("form_json", "form_jsonl", "form_csv", "form_table", "columns", "no_headers")
# An option, and those of which it needs one; an option, and those that would count for nothing beside it.
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "watch_count": ("watch",),
    "tolerance": ("watch", "since_last"),
    "hook": ("watch", "since_last"),
    "hook_timeout": ("hook",),
}
_APART: Mapping[str, tuple[str, ...]] = {
    "explain": ("rejected", "legs", "since_last", "watch", *_FORMS),
    "legs": ("since_last", "watch"),
    "html_file": ("watch", "since_last"),
    "watch": ("as_of", "form_json", "form_csv", "columns", "no_headers"),
    "since_last": ("columns",),
}
_WHY = {
    ("watch", "as_of"): "a fixed moment does not change",
    ("watch", "form_json"): "a list has no end; use --jsonl",
}


def _check(context: click.Context) -> None:
    """Refuse options that contradict each other or would be ignored."""
    names = {
        option.name: option.opts[0] for option in context.command.params if isinstance(option, click.Option)
    }
    given = {
        name for name in names if name and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    values = context.params
    for name, needed in _NEEDS.items():
        if name in given and not any(values.get(other) for other in needed):
            wanted = " or ".join(names[other] for other in needed)
            raise click.UsageError(f"{names[name]} goes with {wanted}")
    for name, others in _APART.items():
        for other in others:
            if name in given and other in given:
                why = _WHY.get((name, other), f"{names[other]} would be ignored")
                raise click.UsageError(f"{names[name]} and {names[other]} exclude each other: {why}")
    leverage, largest = values.get("leverage"), values.get("max_leverage")
    if leverage is not None and largest is not None and leverage > largest:
        raise click.UsageError(f"--leverage {leverage:g} is above --max-leverage {largest:g}")


def _pair(borrow: float | None, borrow_sd: float | None) -> tuple[float, float] | None:
    if borrow is None and borrow_sd is None:
        return None
    if borrow is None or borrow_sd is None:
        raise click.UsageError("--borrow and --borrow-sd go together: a rate and how far it may stray")
    return borrow, borrow_sd


def _tolerance(given: float | None) -> float:
    from yieldtrade.report.screen_changes import TOLERANCE

    return TOLERANCE if given is None else given


def _show(answer: Answer, output: Output, *, explain: str | None, legs: bool, rejected: bool) -> None:
    if explain is not None:
        _explain(answer.found, explain)
    elif legs:
        _write_legs(answer.found, output, rejected=rejected)
    else:
        _write(answer, output, rejected=rejected)


def _write_html(found: ScreenResult, html_file: str) -> None:
    from yieldtrade.report.screen_html import write_screen_html

    size = write_screen_html(found, html_file)
    note(f"wrote {html_file} ({size / 1_000:.0f} kB)")


def _explain(found: ScreenResult, row_id: str) -> None:
    from yieldtrade.report.screen_report import explanation

    rows = {row.row_id: row for row in found.rows}
    if row_id not in rows:
        raise UnknownNameError("row", row_id, rows, "yieldtrade screen --rejected --columns row_id")
    for line in explanation(rows[row_id]):
        click.echo(line)


def _write_legs(found: ScreenResult, output: Output, *, rejected: bool) -> None:
    from yieldtrade.report.output import write_table
    from yieldtrade.report.screen_report import LEG_TABLE, LEGS, leg_records

    rows = [row for row in (found.rows if rejected else found.accepted) if row.legs]
    if output.for_a_person:
        for row in rows:
            title = f"{row.row_id}, {row.status}"
            write_table(list(leg_records(row)), LEG_TABLE, sys.stdout, headers=output.headers, title=title)
        if not rows:
            click.echo("no row has legs")
    else:
        output.write([leg for row in rows for leg in leg_records(row)], LEGS)
    _note_rejected(found, rejected=rejected)


def _write(answer: Answer, output: Output, *, rejected: bool) -> None:
    from yieldtrade.report.output import Column, folded, write_table
    from yieldtrade.report.screen_report import FIELDS, REJECTED, TABLE, legend

    found = answer.found
    accepted = answer.records(found.accepted)
    others = answer.records(row for row in found.rows if row.status == "rejected")
    if output.for_a_person:
        if accepted:
            write_table(
                accepted, TABLE, sys.stdout, headers=output.headers, title=f"{len(accepted)} accepted"
            )
            for line in legend(found.accepted):
                click.echo(folded(line, sys.stdout))
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
        shown = {column.key for column in columns}
        more = [column for column in FIELDS if column.key not in shown]
        output.write([*accepted, *(others if rejected else [])], columns, more=more)
    _note_rejected(found, rejected=rejected)


def _note_rejected(found: ScreenResult, *, rejected: bool) -> None:
    others = len(found.rows) - len(found.accepted)
    if others and not rejected:
        note(f"{others} rows are rejected; --rejected shows them with their reasons")
