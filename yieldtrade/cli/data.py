"""``load`` and ``db``: data in, and what the database holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from yieldtrade.cli.options import db_option, note, opened, output_options, warn
from yieldtrade.report.output import Column

if TYPE_CHECKING:
    from yieldtrade.cli.options import Output

_LOADED = (
    Column("file", "file"),
    Column("table", "table"),
    Column("rows", "rows", "integer"),
    Column("added", "added", "integer"),
    Column("corrected", "corrected", "integer"),
    Column("state", "state"),
)


@click.command(epilog="Example: yieldtrade load jlp_pool_daily.csv my_venue.toml")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--as", "table_format", metavar="TABLE", help="The table the files hold, if the header does not tell."
)
@click.option("--skip-bad", is_flag=True, help="Load the sound rows of a file that has bad ones.")
@db_option
@output_options
def load(
    files: tuple[Path, ...], table_format: str | None, *, skip_bad: bool, db: str | None, output: Output
) -> None:
    """Load tables of facts, or definitions, from files.

    Facts come as CSV, JSON, JSON lines or Parquet, definitions as TOML. Each file is checked row by row and
    loaded whole or not at all; a file loaded before changes nothing, and a figure that differs from the
    stored one is added as its correction.
    """
    records: list[dict[str, object]] = []
    with opened(db) as store:
        for file in files:
            note(f"loading {file.name} ...")
            loaded, warnings = store.load([file], table_format=table_format, skip_bad=skip_bad)
            for line in warnings:
                warn(line)
            records.extend(
                {
                    "file": done.name,
                    "table": done.table_format,
                    "rows": done.records,
                    "added": done.added,
                    "corrected": done.corrected,
                    "state": "loaded before" if done.seen else "loaded",
                }
                for done in loaded
            )
    output.write(records, _LOADED)


@click.group(epilog="Example: yieldtrade db info")
def db() -> None:
    """Where the database is, what it holds, whether it is sound."""


@db.command("path", epilog="Example: sqlite3 $(yieldtrade db path)")
@db_option
def db_path(db: str | None) -> None:
    """Print the path of the database file."""
    from yieldtrade.store import default_path

    click.echo(db or default_path())


_INFO = (
    Column("table", "table"),
    Column("rows", "rows", "integer"),
    Column("first", "first"),
    Column("last", "last"),
)


@db.command("info", epilog="Example: yieldtrade db info --json")
@db_option
@output_options
def db_info(db: str | None, output: Output) -> None:
    """List the tables, their rows and the moments they cover."""
    with opened(db) as store:
        output.write(store.info(), _INFO)


@db.command("check", epilog="Example: yieldtrade db check")
@db_option
def db_check(db: str | None) -> None:
    """Check that the file is sound and its facts consistent; exit code 1 if not."""
    with opened(db) as store:
        problems = store.check()
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        raise click.exceptions.Exit(1)
    click.echo("sound")


@db.command("export", epilog="Example: yieldtrade db export pool_day --csv > pool_day.csv")
@click.argument("table")
@db_option
@output_options
def db_export(table: str, db: str | None, output: Output) -> None:
    """Write a table or view of the database, every row."""
    with opened(db) as store:
        names, records = store.export(table)
    output.write(records, [Column(name, name) for name in names])
