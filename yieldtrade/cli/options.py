"""Options that several commands share, and the types of what is typed."""

from __future__ import annotations

import math
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import click

from yieldtrade.conventions import iso, parse_instant
from yieldtrade.errors import DomainError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from yieldtrade.market import MarketView, ParameterValue
    from yieldtrade.report.output import Column, Form
    from yieldtrade.store import Store

# Above this a rate was almost surely typed as a percentage.
LARGEST_RATE = 30.0
SUSPICIOUS_RATE = 1.5
SMALLEST_SHARE = 1e-6


class Rate(click.ParamType[float]):
    """An annual rate, or another fraction, within bounds: 0.35, or a percentage with its sign (35%)."""

    name = "rate"

    def __init__(self, low: float = -math.inf, high: float = math.inf) -> None:
        self.low, self.high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a rate; refuse what is not a finite number, is surely a percentage, or lies out of bounds."""
        rate = value if isinstance(value, float) else self._read(value, param, ctx)
        if not math.isfinite(rate):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        if not self.low <= rate <= self.high:
            self.fail(f"{value} must lie {_between(self.low, self.high)}", param, ctx)
        return rate

    def _read(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        percent = text.endswith("%")
        try:
            rate = float(text.removesuffix("%").replace("_", "x"))
        except ValueError:
            self.fail(f"{value!r} is not a rate; write a fraction (0.35) or a percentage (35%)", param, ctx)
        if percent or not math.isfinite(rate):
            return rate / 100
        if abs(rate) > LARGEST_RATE and self.high > 1:
            self.fail(
                f"{value} is {rate:.0%} a year; rates are fractions: {rate / 100:g}, or {rate:g}%", param, ctx
            )
        if SUSPICIOUS_RATE < abs(rate) <= self.high:
            click.echo(f"warning: {value} is {rate:.0%} a year; write {rate:g}% for percent", err=True)
        return rate


def _between(low: float, high: float) -> str:
    """Say in words which numbers are allowed."""
    if math.isinf(high):
        return f"at {low:g} or above"
    return f"at {high:g} or below" if math.isinf(low) else f"between {low:g} and {high:g}"


class Number(click.ParamType[float]):
    """A finite number, within bounds where there are any."""

    name = "number"

    def __init__(self, low: float = -math.inf, high: float = math.inf) -> None:
        self.low, self.high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a number; refuse NaN, infinities and what lies out of bounds."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            self.fail(f"{value!r} is not a number", param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        if not self.low <= number <= self.high:
            self.fail(f"{value} must lie {_between(self.low, self.high)}", param, ctx)
        return number


class Share(Rate):
    """A part of a whole: above 0, at most 1, or a percentage with its sign (75%)."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a share."""
        part = super().convert(value, param, ctx)
        if not SMALLEST_SHARE <= part <= 1:
            self.fail(f"{value} must lie between {SMALLEST_SHARE:g} and 1; write 0.75 or 75%", param, ctx)
        return part


class Moment(click.ParamType[datetime]):
    """A date (its start, 00:00 UTC) or a time with its zone."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read a moment."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_instant(str(value))
        except DomainError as error:
            self.fail(str(error), param, ctx)


RATE, NUMBER, MOMENT = Rate(), Number(), Moment()


class Output(NamedTuple):
    """How a command writes its result."""

    form: Form
    columns: str | None
    headers: bool

    def write(
        self,
        records: Sequence[Any],
        columns: Sequence[Column],
        *,
        alone: bool = False,
        more: Sequence[Column] = (),
    ) -> None:
        """Write records to standard output in the form asked for.

        ``alone`` makes JSON an object, not a list; ``more`` are columns shown only where ``--columns`` names them.
        """
        from yieldtrade.report.output import chosen, render

        picked = list(columns) if self.columns is None else chosen((*columns, *more), self.columns)
        render(
            records,
            picked,
            self.form,
            sys.stdout,
            headers=self.headers,
            all_keys=self.columns is None,
            alone=alone,
        )

    @property
    def for_a_person(self) -> bool:
        """Say whether a person reads the result on a terminal, or asked for a table."""
        stream = sys.stdout
        return self.columns is None and (self.form == "table" or (self.form == "auto" and stream.isatty()))


def output_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--json --jsonl --csv --table --columns --no-headers``, handed over as one ``output``."""
    import functools

    @functools.wraps(function)
    def wrapped(*args: Any, **options: Any) -> Any:
        forms = [form for form in ("json", "jsonl", "csv", "table") if options.pop(f"form_{form}")]
        if len(forms) > 1:
            raise click.UsageError(f"choose one of --{' and --'.join(forms)}")
        output = Output(
            form=cast("Form", forms[0] if forms else "auto"),
            columns=options.pop("columns"),
            headers=not options.pop("no_headers"),
        )
        return function(*args, output=output, **options)

    for decorate in (
        click.option("--no-headers", is_flag=True, help="Leave out the heading line of tables."),
        click.option("--columns", metavar="NAMES", help="Only these columns, comma-separated."),
        click.option("--table", "form_table", is_flag=True, help="A table, also in a pipe."),
        click.option("--csv", "form_csv", is_flag=True, help="Comma-separated values."),
        click.option("--jsonl", "form_jsonl", is_flag=True, help="One JSON object a line."),
        click.option("--json", "form_json", is_flag=True, help="JSON, full precision, null for missing."),
    ):
        wrapped = decorate(wrapped)
    return wrapped


def store_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--db`` and ``--as-of``."""
    for decorate in (
        click.option(
            "--as-of",
            type=MOMENT,
            envvar="YIELDTRADE_AS_OF",
            help="Use only what was known at this date (00:00 UTC) or time.",
        ),
        db_option,
    ):
        function = decorate(function)
    return function


db_option = click.option(
    "--db",
    type=click.Path(dir_okay=False),
    envvar="YIELDTRADE_DB",
    help="The database file; by default in your application folder.",
)

set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="OWNER.NAME=VALUE",
    help="State a parameter of a venue, contract or pool, as kamino.pt_max_ltv=0.8.",
)


@contextmanager
def opened(db: str | None) -> Iterator[Store]:
    """Open the database, telling on standard error if it has to be made."""
    from yieldtrade.store import open_store

    with open_store(db, notify=note) as store, store.guard():
        yield store


def note(line: str) -> None:
    """Write a note to standard error."""
    click.echo(_folded(line), err=True)


def warn(line: str) -> None:
    """Write a warning to standard error."""
    click.echo(_folded(f"warning: {line}"), err=True)


def _folded(line: str) -> str:
    if not sys.stderr.isatty():
        return line  # without importing what writes tables
    from yieldtrade.report.output import folded

    return folded(line, sys.stderr)


def stated(view: MarketView, settings: Sequence[str]) -> MarketView:
    """Return a view with the parameters given as ``OWNER.NAME=VALUE``."""
    terms: dict[str, ParameterValue] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not (equals and key.strip() and value.strip()):
            raise click.UsageError(f"--set {setting}: write it as OWNER.NAME=VALUE")
        if key.strip() in terms:
            raise click.UsageError(f"--set {key.strip()} is given twice; give it once")
        terms[key.strip()] = _parameter(value.strip())
    if not terms:
        return view
    from yieldtrade.sources.stated import check_stated

    for name, stated_value in terms.items():
        check_stated(name, name.removeprefix(f"{view.owner_of(name)}."), stated_value)
    return view.with_terms(terms)


def given_yields(implied: Sequence[str]) -> dict[str, float]:
    """Read implied yields given as ``CONTRACT=RATE``."""
    given = {}
    for text in implied:
        name, equals, rate = text.partition("=")
        if not (name and equals and rate):
            raise click.UsageError(f"--implied {text}: write it as CONTRACT=RATE, as JLP-08MAR26=0.19")
        if name in given:
            raise click.UsageError(f"--implied {name} is given twice; give it once")
        given[name] = RATE.convert(rate, None, None)
        if given[name] < 0:
            raise click.UsageError(f"--implied {text}: a negative yield would price YT below nothing")
    return given


def _parameter(text: str) -> ParameterValue:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return text
    if not math.isfinite(number):
        raise click.UsageError(f"--set: {text!r} is not a finite number")
    return number


def age_days(moment: datetime, as_of: datetime | None) -> float:
    """Days from ``moment`` to the moment asked for, or to now where none was."""
    return ((as_of or datetime.now(UTC)) - moment).total_seconds() / 86_400


def told_moment(view: MarketView, as_of: datetime | None) -> str:
    """Say the moment of a view, and how long ago it was where the user named none."""
    ago = "" if as_of is not None else f", {age_days(view.as_of, None):.0f} days ago"
    return f"as of {iso(view.as_of)}{ago}"
