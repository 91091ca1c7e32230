"""Rows as a terminal table, tab-separated text, CSV, JSON or JSON lines: one way for every command."""

from __future__ import annotations

import json
import math
import os
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TextIO, TypeAlias

from yieldtrade.errors import DomainError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Form: TypeAlias = Literal["auto", "table", "tsv", "csv", "json", "jsonl"]
Style: TypeAlias = Literal[
    "text", "percent", "price", "number", "amount", "usd", "days", "integer", "moment", "duration"
]
Record: TypeAlias = "Mapping[str, Any]"

DIGITS = 4
AMOUNT_DIGITS = 6  # amounts that are traded
ABSENT = "-"
WIDTH_OFF_TERMINAL = 160
# Blanks between two columns, and the width to which long texts are folded.
GAP = 3
WIDEST_TEXT = 44


_WORDS = {None: ABSENT, True: "yes", False: "no"}


class Column(NamedTuple):
    """A column of a table: the key of the value, its heading, and how a person reads it.

    On a narrow terminal the column with the highest ``spare`` is left out first; 0 always stays.
    """

    key: str
    heading: str
    style: Style = "text"
    spare: int = 0


def human(value: Any, style: Style) -> str:
    """Write a value for a person: four significant digits, rates in percent, times to the minute."""
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if style == "moment":
        return str(value).removesuffix("T00:00:00Z").replace("T", " ").removesuffix("Z").removesuffix(":00")
    if not isinstance(value, (int, float)):
        return _cell(value)
    if not math.isfinite(value):
        return ABSENT if math.isnan(value) else f"{value:g}"
    if style == "percent":
        return f"{significant(100 * value)}%"
    if style == "usd":
        return _dollars(value)
    if style == "amount":
        return significant(value, AMOUNT_DIGITS)
    if style == "integer":
        return f"{value:,.0f}"
    if style == "duration":
        return _duration(value)
    return significant(value)


def significant(value: float, digits: int = DIGITS) -> str:
    """Write a number with ``digits`` significant digits and no exponent where a person can read it."""
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if not -6 <= exponent < 9:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, digits - 1 - exponent)}f}"


def _dollars(value: float) -> str:
    for scale, suffix in ((1e9, "B"), (1e6, "M")):
        if abs(value) >= scale:
            return f"{significant(value / scale)}{suffix}"
    # no minus before a zero
    return f"{value:z,.2f}"


def _duration(seconds: float) -> str:
    for scale, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if abs(seconds) >= scale:
            return f"{significant(seconds / scale)} {unit}"
    return f"{significant(seconds)} s"


def chosen(columns: Sequence[Column], names: str | None) -> list[Column]:
    """Return the columns a user asked for by a comma-separated list, in that order.

    Raises
    ------
    UnknownNameError
        One of them does not exist.
    """
    if names is None:
        return list(columns)
    known = {column.key: column for column in columns}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise DomainError(f"--columns {names!r} names no column; known are {', '.join(known)}")
    for name in wanted:
        if name not in known:
            raise UnknownNameError("column", name, known, "--json, whose keys are the columns")
    return [known[name] for name in wanted]


def present(records: Sequence[Record], columns: Sequence[Column]) -> list[Column]:
    """Return the columns that hold a value in some record: the rest would say nothing to a person."""
    return [column for column in columns if any(record.get(column.key) is not None for record in records)]


def render(
    records: Sequence[Record],
    columns: Sequence[Column],
    form: Form,
    stream: TextIO,
    *,
    headers: bool = True,
    all_keys: bool = True,
    alone: bool = False,
) -> None:
    """Write records to ``stream``.

    Parameters
    ----------
    records
        One mapping a row.
    columns
        What tables show, in order.
    form
        ``auto`` is a table on a terminal and tab-separated text elsewhere.
    headers
        Whether tables have a heading line.
    all_keys
        Whether JSON carries every key of the records, or the columns only.
    alone
        Whether JSON writes the only record as an object rather than a list of one.
    """
    if form == "auto":
        form = "table" if stream.isatty() else "tsv"
    if form in ("json", "jsonl"):
        wanted = [
            dict(record) if all_keys else {c.key: record.get(c.key) for c in columns} for record in records
        ]
        _write_json(wanted[0] if alone and form == "json" else wanted, form, stream)
    elif form == "table":
        write_table(records, columns, stream, headers=headers)
    else:
        _write_separated(records, columns, form, stream, headers=headers)


def _write_json(records: Any, form: Form, stream: TextIO) -> None:
    if form == "jsonl":
        for record in records:
            stream.write(json.dumps(plain(record), allow_nan=False) + "\n")
    else:
        stream.write(json.dumps(plain(records), indent=2, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """Return ``value`` in JSON's own types; infinities and NaN, which JSON lacks, become null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _write_separated(
    records: Sequence[Record], columns: Sequence[Column], form: Form, stream: TextIO, *, headers: bool
) -> None:
    import csv

    writer = csv.writer(stream, delimiter="\t" if form == "tsv" else ",", lineterminator="\n")
    if headers:
        writer.writerow([column.key for column in columns])
    for record in records:
        writer.writerow([_cell(record.get(column.key)) for column in columns])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict) or (
        isinstance(value, (list, tuple)) and any(isinstance(v, dict) for v in value)
    ):
        return json.dumps(plain(value), allow_nan=False)
    if isinstance(value, (list, tuple)):
        return "; ".join(map(str, value))
    return str(value)


def write_table(
    records: Sequence[Record],
    columns: Sequence[Column],
    stream: TextIO,
    *,
    headers: bool = True,
    title: str = "",
) -> None:
    """Write a table for a person, without the columns that can be spared where the terminal is too narrow."""
    from rich import box
    from rich.table import Table

    terminal = console(stream)
    natural = {column: _natural_width(records, column) for column in columns}
    shown = _fitting(natural, terminal.width)
    fits = _width(natural, shown) <= terminal.width
    table = Table(
        box=box.SIMPLE_HEAD, show_header=headers, title=title or None, title_justify="left", pad_edge=False
    )
    squeezed = {} if fits else _squeezed(records, {c: natural[c] for c in shown}, terminal.width)
    for column in shown:
        table.add_column(
            column.heading,
            justify="left" if column.style in ("text", "moment") else "right",
            width=squeezed.get(column),
            overflow="fold",
            # a number is never broken; texts give way, at their blanks
            no_wrap=column.style != "text" or (fits and natural[column] <= WIDEST_TEXT),
        )
    for record in records:
        table.add_row(*(human(record.get(column.key), column.style) for column in shown))
    terminal.print(table)
    left_out = [column.heading for column in columns if column not in shown]
    if left_out:
        terminal.print(f"left out for want of width: {', '.join(left_out)}", style="dim", markup=False)


def _natural_width(records: Sequence[Record], column: Column) -> int:
    cells = (human(record.get(column.key), column.style) for record in records)
    return max(len(column.heading), *(len(line) for cell in cells for line in cell.split("\n")), 0)


def _squeezed(records: Sequence[Record], natural: Mapping[Column, int], width: int) -> dict[Column, int]:
    """Return widths at which texts are folded between words, if the terminal is wide enough for the longest ones."""
    texts = [column for column in natural if column.style == "text"]
    widths = {column: _longest_word(records, column) for column in texts}
    left = width - sum(GAP + widths.get(column, natural[column]) for column in natural)
    if left < 0:
        return {}
    for place, column in enumerate(sorted(texts, key=lambda column: natural[column])):
        # the shortest text first: what it does not need is left to the longer ones
        more = min(natural[column] - widths[column], left // (len(texts) - place))
        widths[column] += more
        left -= more
    return widths


def _longest_word(records: Sequence[Record], column: Column) -> int:
    cells = (human(record.get(column.key), column.style) for record in records)
    return max(len(word) for text in (column.heading, *cells) for word in text.split() or [""])


def _fitting(natural: Mapping[Column, int], width: int) -> list[Column]:
    """Return the columns that fit, those that can be spared dropped one by one."""
    shown = list(natural)
    spared = sorted((column for column in natural if column.spare), key=lambda column: -column.spare)
    while spared and _width(natural, shown) > width:
        shown.remove(spared.pop(0))
    return shown


def _width(natural: Mapping[Column, int], shown: Sequence[Column]) -> int:
    return sum(min(natural[column], WIDEST_TEXT) + GAP for column in shown)


def folded(line: str, stream: TextIO) -> str:
    """Fold a line at its blanks to the width of a terminal; elsewhere it stays one line."""
    if not stream.isatty():
        return line
    import textwrap

    return textwrap.fill(
        line,
        console(stream).width,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def write_card(record: Record, columns: Sequence[Column], stream: TextIO, *, title: str = "") -> None:
    """Write one record for a person, a line a figure; figures that are absent are left out."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for column in columns:
        value = record.get(column.key)
        if value is not None:
            table.add_row(column.heading, Text(human(value, column.style)))
    terminal = console(stream)
    if title:
        terminal.print(Text(title, style="bold"))
    terminal.print(table)


def console(stream: TextIO) -> Any:
    """Return a terminal writer for a stream; it honours NO_COLOR, TERM=dumb and COLUMNS."""
    from rich.console import Console

    width = None if stream.isatty() else int(os.environ.get("COLUMNS") or WIDTH_OFF_TERMINAL)
    return Console(file=stream, highlight=False, width=width)
