"""One screen as the command line asks for it: the question, its answer, and its place in the database."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.cli.options import note, stated, told_moment, warn
from yieldtrade.conventions import iso
from yieldtrade.errors import ExpiredError, MissingDataError, StoreError
from yieldtrade.market import is_expired
from yieldtrade.strategies.presets import described, thresholds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from yieldtrade.market import MarketView
    from yieldtrade.report.screen_changes import Change
    from yieldtrade.store import Store
    from yieldtrade.strategies.row import Opportunity
    from yieldtrade.strategies.screen import ScreenResult


class Question(NamedTuple):
    """What a screen is asked; ``asked`` are the settings the user gave, by their names in Python."""

    size: float
    strategies: tuple[str, ...]
    contracts: tuple[str, ...]
    implied: Mapping[str, float]
    settings: tuple[str, ...]
    borrow: tuple[float, float] | None
    as_of: datetime | None
    asked: Mapping[str, Any]


class Answer(NamedTuple):
    """What a screen found, the view it looked at, and the question as the database keeps it."""

    view: MarketView
    found: ScreenResult
    arguments: dict[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 of every input of every row."""
        inputs = sorted({str(line) for row in self.found.rows for line in row.inputs})
        return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()

    def records(self, rows: Iterable[Opportunity]) -> list[dict[str, Any]]:
        """Return rows as plain values, each with the preset and the thresholds in force."""
        from yieldtrade.report.screen_report import to_record

        settings = self.found.settings
        stated = {"preset": settings.preset, "thresholds": thresholds(settings)}
        return [{**to_record(row), **stated} for row in rows]


def answered(store: Store, question: Question) -> Answer:
    """Screen, telling on standard error the moment, the preset and what the screen notes."""
    from yieldtrade.strategies.inputs import BorrowForecast
    from yieldtrade.strategies.screen import screen

    given = dict(question.implied)
    view = stated(_view(store, question.as_of, given), question.settings)
    if given:
        _check_given(view, question)
        view = view.with_yields(given)
    note(told_moment(view, question.as_of))
    borrow = question.borrow
    found = screen(
        view,
        question.size,
        strategies=question.strategies or None,
        contracts=question.contracts or None,
        borrow=None if borrow is None else BorrowForecast(mean_apy=borrow[0], sd_apy=borrow[1]),
        **question.asked,
    )
    if found.settings.preset is not None:
        note(f"preset {found.settings.preset}, in force: {described(thresholds(found.settings))}")
    for line in found.notes:
        note(line)
    arguments = {
        "size": question.size,
        "strategies": sorted(question.strategies),
        "contracts": sorted(question.contracts),
        "implied": given,
        "set": sorted(question.settings),
        "borrow": borrow and list(borrow),
        **question.asked,
        "preset": found.settings.preset,
        "thresholds": thresholds(found.settings),
    }
    return Answer(view, found, arguments)


def recorded(store: Store, answer: Answer) -> None:
    """Store a screen and its rows; a failure is a warning, since the result is there."""
    from yieldtrade.report.screen_report import SIGNAL_COLUMNS, to_signal

    rows = [to_signal(row) for row in answer.found.rows]
    try:
        with store.recording("screen", answer.arguments, answer.view, answer.digest) as run:
            run.rows("signal", SIGNAL_COLUMNS, rows)
    except StoreError as error:
        warn(f"the screen was not recorded: {error}")


def rows_by_name(answer: Answer) -> dict[str, dict[str, Any]]:
    """Return every row as the database would give it back, by name."""
    from yieldtrade.report.output import plain
    from yieldtrade.report.screen_report import to_record

    return {row.row_id: plain(to_record(row)) for row in answer.found.rows}


def stored_rows(store: Store, answer: Answer) -> dict[str, dict[str, Any]]:
    """Return the rows of the last stored run that was asked the same, of no later moment; none if there is none."""
    from yieldtrade.store.record import last_run, signals

    conn = store.reading()
    last = last_run(conn, "screen", answer.arguments, iso(answer.view.as_of))
    if last is None:
        note("no earlier run of these arguments is stored: every row is new")
        return {}
    number, moment = last
    note(f"compared with run {number}, as of {moment}")
    return signals(conn, number)


def worth_telling(found: Iterable[Change], *, rejected: bool) -> list[Change]:
    """Return the changes of rows that are or were accepted; with ``rejected`` all."""
    return [change for change in found if rejected or change.concerns_accepted]


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


def _check_given(view: MarketView, question: Question) -> None:
    """Refuse a yield of a contract that the screen leaves out: it would count for nothing."""
    import click

    screened = {view.contract(name).contract_id for name in question.contracts}
    for name in question.implied:
        contract = view.contract(name)
        if screened and contract.contract_id not in screened:
            raise click.UsageError(f"--implied {name}: --contract leaves this contract out")
        if not screened and is_expired(contract, view.as_of):
            raise ExpiredError(
                f"--implied {name}: the contract matured {iso(contract.maturity)}, before the screen's "
                f"{iso(view.as_of)}; name an earlier moment with --as-of"
            )
