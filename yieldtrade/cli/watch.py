"""``screen --watch`` and ``--since-last``: screen again when the database changes, and tell what changed."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from yieldtrade.cli.options import note, warn
from yieldtrade.cli.screening import answered, recorded, rows_by_name, stored_rows, worth_telling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from yieldtrade.cli.options import Output
    from yieldtrade.cli.screening import Answer, Question
    from yieldtrade.report.screen_changes import Change
    from yieldtrade.store import Store

# Standard error of this process: what a hook prints must not mix with the events on standard output.
_STDERR = 2


class Hook(NamedTuple):
    """A command that is given each event as JSON on its standard input."""

    arguments: tuple[str, ...]
    seconds: float

    def __call__(self, event: dict[str, Any]) -> None:
        """Run the command; whatever goes wrong is a warning."""
        name = self.arguments[0]
        try:
            done = subprocess.run(  # noqa: S603 - the user's own command, no shell
                self.arguments,
                input=json.dumps(event, allow_nan=False) + "\n",
                stdout=_STDERR,
                text=True,
                timeout=self.seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            warn(f"--exec: {name} was stopped after {self.seconds:g} s (--exec-timeout)")
        except OSError as error:
            warn(f"--exec: {name} cannot be run: {error.strerror}")
        else:
            if done.returncode:
                warn(f"--exec: {name} ended with code {done.returncode}")


def hook_of(command: str | None, seconds: float) -> Hook | None:
    """Split a command line into its arguments, without a shell.

    Raises
    ------
    click.UsageError
        It is empty, or a quote is not closed.
    """
    if command is None:
        return None
    try:
        arguments = tuple(shlex.split(command))
    except ValueError as error:
        raise click.UsageError(f"--exec {command!r}: {error}") from None
    if not arguments:
        raise click.UsageError("--exec: name a command")
    return Hook(arguments, seconds)


class Telling(NamedTuple):
    """Which changes are told, and how."""

    tolerance: float
    rejected: bool
    hook: Hook | None
    output: Output


def watch(
    store: Store,
    question: Question,
    telling: Telling,
    *,
    seconds: float,
    count: int | None,
    first: Callable[[Answer], None],
) -> Answer:
    """Screen at once and after every change of the database, telling what changed since; return the last answer.

    The first screen is compared with the last stored run asked the same; ``first`` shows it to a person. ``count``
    ends the watch after so many later screens with something to tell. A screen of the same inputs as the one
    before is not stored again, so that two watches of one file do not wake each other for ever.
    """
    from yieldtrade.report.screen_changes import carried
    from yieldtrade.store.watch import revisions

    known: Mapping[str, Mapping[str, Any]] = {}
    answer, digest, reports = None, None, 0
    with closing(revisions(store, seconds)) as states:
        for _ in states:
            opening = answer is None
            answer = answered(store, question)
            if opening:
                known = stored_rows(store, answer)
            if answer.digest != digest:
                recorded(store, answer)
            digest = answer.digest
            rows = rows_by_name(answer)
            found = _changes(known, rows, answer, telling)
            told = worth_telling(found, rejected=telling.rejected)
            # a drift that is not told yet must add up, so only told or hidden changes move what is known
            known = carried(known, rows, found)
            if opening and telling.output.for_a_person:
                first(answer)
            _tell_lines(told, telling)
            reports += bool(told) and not opening
            if count is not None and reports >= count:
                break
            if opening:
                note("watching for changes of the database; end with Ctrl-C")
    assert answer is not None  # noqa: S101 - the first state comes at once
    return answer


def since_last(store: Store, question: Question, telling: Telling) -> Answer:
    """Screen once and tell what changed since the last stored run asked the same."""
    from yieldtrade.report.screen_changes import CHANGE_COLUMNS, change_records

    answer = answered(store, question)
    before = stored_rows(store, answer)
    recorded(store, answer)
    found = worth_telling(_changes(before, rows_by_name(answer), answer, telling), rejected=telling.rejected)
    if telling.output.for_a_person:
        _tell_lines(found, telling)
        if not found:
            click.echo("nothing changed")
        return answer
    if telling.output.form in ("json", "jsonl"):
        telling.output.write([change.event_record() for change in found], CHANGE_COLUMNS)
    else:
        telling.output.write(list(change_records(found)), CHANGE_COLUMNS)
    _run_hook(found, telling.hook)
    return answer


def _changes(
    before: Mapping[str, Mapping[str, Any]],
    after: Mapping[str, Mapping[str, Any]],
    answer: Answer,
    telling: Telling,
) -> tuple[Change, ...]:
    from yieldtrade.conventions import iso
    from yieldtrade.report.screen_changes import changes

    return changes(before, after, iso(answer.view.as_of), telling.tolerance)


def _tell_lines(found: Sequence[Change], telling: Telling) -> None:
    for line in _lines(found, as_json=telling.output.form == "jsonl"):
        click.echo(line)
    _run_hook(found, telling.hook)


def _lines(found: Sequence[Change], *, as_json: bool) -> Iterator[str]:
    from yieldtrade.report.output import folded
    from yieldtrade.report.screen_changes import told

    for change in found:
        if as_json:
            yield json.dumps(change.event_record(), allow_nan=False)
        else:
            yield from (folded(line, sys.stdout) for line in told(change))


def _run_hook(found: Sequence[Change], hook: Hook | None) -> None:
    if hook is not None:
        for change in found:
            hook(change.event_record())
