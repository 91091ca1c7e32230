"""A TOML table being read: its keys are handed out checked, and whatever is wrong with them is noted."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from yieldtrade.sources.parameter_rules import is_instant, is_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Stands for a date that could not be read until the error is raised.
UNREAD = datetime(1970, 1, 1, tzinfo=UTC)


class CheckedTable:
    """A TOML table being read.

    Parameters
    ----------
    content
        The table as parsed.
    where
        File, table and name of it, for problems.
    problems
        The list that problems are added to.
    """

    def __init__(self, content: Any, where: str, problems: list[str]) -> None:
        self.content: Mapping[str, Any] = content if isinstance(content, dict) else {}
        self.where = where
        self.problems = problems
        self.unread = set(self.content)
        if not isinstance(content, dict):
            self.report("must be a table")

    def report(self, problem: str) -> None:
        """Note a problem of this table."""
        self.problems.append(f"{self.where}: {problem}")

    def refuse(self, key: str, why: str) -> None:
        """Note a problem of one key, with its value."""
        value = self.content.get(key)
        self.report(f"{key} is missing; {why}" if value is None else f"{key} = {shown(value)}: {why}")

    def take(self, key: str) -> Any:
        """Return the value of a key, None where it is missing."""
        self.unread.discard(key)
        return self.content.get(key)

    def text(self, key: str, fallback: str | None = None, allowed: Sequence[str] = ()) -> str:
        """Return a text; without a fallback it must be there."""
        value = self.take(key)
        if value is None and fallback is not None:
            return fallback
        if not isinstance(value, str) or not value.strip() or (allowed and value not in allowed):
            self.refuse(key, f"allowed is {' or '.join(allowed)}" if allowed else "a text is needed")
            return ""
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, empty where it is missing or wrong."""
        value = self.take(key)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        if value is not None:
            self.refuse(key, "a list of texts is needed")
        return ()

    def moment(self, key: str, fallback: datetime | None = None) -> datetime:
        """Return an instant in UTC; without a fallback it must be there."""
        value = self.take(key)
        if value is None and fallback is not None:
            return fallback
        if not is_instant(value):
            self.refuse(key, "a time with its zone is needed, such as 2024-06-07T00:00:00Z")
            return UNREAD
        return value.astimezone(UTC)

    def number(self, key: str, above: float = -math.inf, below: float = math.inf) -> float | None:
        """Return a number strictly between two bounds, or None where it is missing or wrong."""
        value = self.take(key)
        if is_number(value) and above < value < below:
            return float(value)
        if value is not None:
            self.refuse(key, f"allowed is a number between {above:g} and {below:g}")
        return None

    def tables(self, key: str, label: str) -> list[CheckedTable]:
        """Return the tables of a ``[[key]]``, each known by its number and its ``label``."""
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.report(f"{key}: write each as [[{key}]]")
            return []
        return [
            CheckedTable(item, f"{self.where}: [[{key}]] {place} ({_label(item, label)})", self.problems)
            for place, item in enumerate(value, 1)
        ]

    def close(self, *known: str) -> None:
        """Note every key that nobody asked for."""
        for key in sorted(self.unread):
            self.report(f"{key} = {shown(self.content[key])}: unknown key; known are {', '.join(known)}")


def shown(value: object) -> str:
    """Write a value as it stands in a TOML file."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, date) else repr(value)


def _label(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key, "unnamed")
    return value if isinstance(value, str) else shown(value)
