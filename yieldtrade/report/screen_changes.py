"""What appeared, changed or vanished between two screens, and how it is told (strategies.md 13, stories 4 and 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.report.output import ABSENT, Column, human
from yieldtrade.report.screen_report import style_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from yieldtrade.report.output import Record

What: TypeAlias = Literal["appeared", "changed", "vanished"]

# A figure has changed when it moved by more than this part of the larger of its two values.
TOLERANCE = 0.01
FIGURES = (
    "implied_apy",
    "horizon_return",
    "net_apy_exact",
    "risk_adjusted_usd",
    "per_day_usd",
    "p_loss",
    "p_liquidation",
    "borrow_apy_now",
    "hurdle_apy",
)
CHANGE_COLUMNS = tuple(Column(name, name) for name in ("event", "row_id", "field", "old", "new", "at"))


class Change(NamedTuple):
    """One row that appeared, changed or vanished; ``fields`` holds the old and the new value of what differs."""

    event: What
    row_id: str
    fields: Mapping[str, tuple[Any, Any]]
    at: str

    @property
    def concerns_accepted(self) -> bool:
        """Say whether the row is or was accepted."""
        return "accepted" in self.fields["status"]

    def event_record(self) -> dict[str, Any]:
        """Return the event as plain values; a status that stayed is not among its fields."""
        fields = {name: list(pair) for name, pair in self.fields.items() if pair[0] != pair[1]}
        return {"event": self.event, "row_id": self.row_id, "fields": fields, "at": self.at}


def changes(
    before: Mapping[str, Record], after: Mapping[str, Record], at: str, tolerance: float = TOLERANCE
) -> tuple[Change, ...]:
    """Compare two screens.

    Parameters
    ----------
    before, after
        Records of rows by name, as :func:`~yieldtrade.report.screen_report.to_record` makes them.
    at
        Moment of the later screen.
    tolerance
        Relative change from which a figure or a break-even has changed. The status, the codes of reasons, whether
        a figure exists, and every parameter of a venue, borrow curves included, count at any change.

    Returns
    -------
    tuple of Change
        In the order of ``after``, then what vanished by name.
    """
    found = []
    for row_id, record in after.items():
        new = compared(record)
        if row_id not in before:
            found.append(Change("appeared", row_id, {name: (None, value) for name, value in new.items()}, at))
            continue
        old = compared(before[row_id])
        differing = {
            name: (old.get(name), new.get(name))
            for name in {**old, **new}
            if _differs(name, old.get(name), new.get(name), tolerance)
        }
        if differing:
            status = {"status": (old.get("status"), new.get("status"))}
            found.append(Change("changed", row_id, {**status, **differing}, at))
    for row_id in sorted(set(before) - set(after)):
        old = compared(before[row_id])
        found.append(Change("vanished", row_id, {name: (value, None) for name, value in old.items()}, at))
    return tuple(found)


def compared(record: Record) -> dict[str, Any]:
    """Return what of a row is compared: status, reasons, figures, break-evens and parameters, by name.

    A break-even that does not exist stands with its status, ``never`` or ``always``; a parameter under
    ``input.OWNER.NAME``.
    """
    reasons = [reason["code"] for reason in record.get("reasons") or ()]
    break_evens = {
        f"break_even_{name}": found["value"] if found["status"] == "value" else found["status"]
        for name, found in (record.get("break_evens") or {}).items()
    }
    parameters = {
        f"input.{line['name']}": line["value"]
        for line in record.get("inputs") or ()
        if "." in line["name"]  # OWNER.NAME; estimates and quotes carry no owner
    }
    return {
        "status": record["status"],
        "reasons": reasons,
        **{name: record.get(name) for name in FIGURES},
        **break_evens,
        **parameters,
    }


def carried(
    before: Mapping[str, Record], after: Mapping[str, Record], found: Iterable[Change]
) -> dict[str, Record]:
    """Return what the next screen is compared with: rows that changed as they are now, others as last told.

    So a slow drift is told once it adds up to more than the tolerance.
    """
    changed = {change.row_id for change in found}
    return {row_id: record if row_id in changed else before[row_id] for row_id, record in after.items()}


def change_records(found: Iterable[Change]) -> Iterator[dict[str, Any]]:
    """Yield one record a changed field, for tables."""
    for change in found:
        for name, (old, new) in change.event_record()["fields"].items():
            yield {
                "event": change.event,
                "row_id": change.row_id,
                "field": name,
                "old": old,
                "new": new,
                "at": change.at,
            }


def told(change: Change) -> Iterator[str]:
    """Yield the lines that tell a change to a person: the row, then a line a field."""
    yield f"{change.event} {change.row_id}, as of {change.at}"
    for name, (old, new) in change.event_record()["fields"].items():
        was, now = _words(name, old), _words(name, new)
        if change.event == "changed":
            yield f"  {name}: {was} -> {now}"
        elif (shown := now if change.event == "appeared" else was) != ABSENT:
            yield f"  {name}: {shown}"


def _words(name: str, value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or ABSENT
    return human(value, style_of(name))


def _differs(name: str, old: Any, new: Any, tolerance: float) -> bool:
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (old, new))
    if not numbers or name.startswith("input."):
        return bool(old != new)
    return bool(abs(new - old) > tolerance * max(abs(old), abs(new)))
