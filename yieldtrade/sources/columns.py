"""The columns of tables that can be loaded: what each holds and which values are allowed."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

ColumnKind: TypeAlias = Literal["date", "instant", "number", "text", "object"]

# A rate above this is taken for a percentage written where a fraction belongs.
LARGEST_RATE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: what it holds and the range allowed (bounds included).

    A file must have a ``required`` column; its cells may be empty only where it is ``nullable``.
    """

    name: str
    kind: ColumnKind = "number"
    required: bool = False
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    positive: bool = False

    def refusal(self, value: float) -> str | None:
        """Say why a number is out of the column's range, None where it is inside."""
        if self.positive and value <= 0:
            return "must be above 0; leave the cell empty where the figure is not known"
        if self.minimum is not None and value < self.minimum:
            return f"is below {self.minimum:g}, the least allowed"
        if self.maximum is not None and value > self.maximum:
            hint = "; rates are fractions, 0.35 for 35 %" if self.maximum == LARGEST_RATE else ""
            return f"is above {self.maximum:g}, the most allowed{hint}"
        return None

    @property
    def is_rate(self) -> bool:
        """Say whether the column is an annual rate, which is written as a fraction."""
        return self.name.endswith(("_apy", "_apr"))


def date_column(name: str = "date") -> Column:
    """Return a required column of UTC days."""
    return Column(name=name, kind="date", required=True)


def text_column(name: str, *, required: bool = True) -> Column:
    """Return a column of text."""
    return Column(name=name, kind="text", required=required)


def rate_column(name: str, *, required: bool = False) -> Column:
    """Return a column of an annual rate, fraction."""
    return Column(name=name, required=required, minimum=-0.99, maximum=LARGEST_RATE)


# More dollars than there are: a figure of cents, or a slip.
MOST_USD = 1e13


def usd_column(name: str, *, required: bool = False) -> Column:
    """Return a column of a positive amount of USD."""
    return Column(name=name, required=required, positive=True, maximum=MOST_USD)


def amount_column(name: str) -> Column:
    """Return a column of an amount of at least 0."""
    return Column(name=name, minimum=0.0)


def share_column(name: str, *, required: bool = False) -> Column:
    """Return a column of a share, 0 to 1."""
    return Column(name=name, required=required, nullable=True, minimum=0.0, maximum=1.0)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is not known, which ones are nearest, and which there are."""
    names = sorted(known)
    nearest = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
    return f"{kind} = {name!r} is not known{hint}; known are {', '.join(names)}"
