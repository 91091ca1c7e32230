"""What a parameter may be: the unit, kind and range of each name, and how parameters must fit together.

The rules themselves are data, the ``[[rule]]`` tables of ``markets/parameters.toml``.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from yieldtrade.conventions import iso, parse_instant
from yieldtrade.errors import DomainError
from yieldtrade.lending.curve import parse_curve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from yieldtrade.market import Parameter, ParameterValue

KINDS = ("number", "integer", "text", "boolean", "moment", "curve")

# Target weights must sum to 1 within this (pool.md 13).
SUM_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterRule:
    """What a parameter may be.

    ``name`` is dotted and may hold one ``*`` for an asset. ``below`` (strict) and ``at_most`` name another
    parameter to stay under; ``sums_to`` is what the values of all assets together must come to.
    """

    name: str
    unit: str
    kind: str
    minimum: float | None
    maximum: float | None
    allowed: tuple[str, ...]
    below: str | None
    at_most: str | None
    sums_to: float | None
    description: str


def rule_for(rules: Mapping[str, ParameterRule], name: str) -> ParameterRule | None:
    """Return the rule of a parameter: its own, or one with ``*`` in place of one part of the name."""
    parts = name.split(".")
    patterns = (".".join([*parts[:at], "*", *parts[at + 1 :]]) for at in range(len(parts)))
    return next((rules[key] for key in (name, *patterns) if key in rules), None)


def nearest_names(rules: Mapping[str, ParameterRule], name: str) -> str:
    """Return a hint at the parameters whose names are closest, or nothing."""
    near = difflib.get_close_matches(name, rules, n=3, cutoff=0.5)
    return f"; nearest: {', '.join(near)}" if near else ""


def fault(rule: ParameterRule, value: object) -> str | None:
    """Say what is allowed where ``value`` does not fit its rule; None where it does."""
    if rule.kind == "boolean":
        return None if isinstance(value, bool) else "allowed is true or false"
    if rule.kind == "text":
        return _text_fault(rule, value)
    if rule.kind == "moment":
        return None if _is_moment(value) else "allowed is a time with its zone, such as 2024-09-02T00:00:00Z"
    if rule.kind == "curve":
        return _curve_fault(value)
    return _number_fault(rule, value)


def _text_fault(rule: ParameterRule, value: object) -> str | None:
    if rule.allowed:
        return None if value in rule.allowed else f"allowed is {' or '.join(rule.allowed)}"
    return None if isinstance(value, str) and value.strip() else "allowed is a text"


def _curve_fault(value: object) -> str | None:
    try:
        parse_curve(value if isinstance(value, str) else "")
    except DomainError as error:
        return str(error)
    return None


def _is_moment(value: object) -> bool:
    if isinstance(value, str):
        try:
            parse_instant(value)
        except (DomainError, OverflowError):
            return False
        return True
    return is_instant(value)


def _number_fault(rule: ParameterRule, value: object) -> str | None:
    low = -math.inf if rule.minimum is None else rule.minimum
    high = math.inf if rule.maximum is None else rule.maximum
    kinds = (int,) if rule.kind == "integer" else (int, float)
    if is_number(value) and isinstance(value, kinds) and low <= value <= high:
        return None
    noun = "a whole number" if rule.kind == "integer" else "a number"
    return f"allowed is {noun} from {low:g} to {high:g} ({rule.unit})"


def is_number(value: object) -> TypeGuard[float]:
    """Say whether a value is a finite number; a truth value is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_instant(value: object) -> TypeGuard[datetime]:
    """Say whether a value is a time with its zone, within the years that UTC can express."""
    return isinstance(value, datetime) and value.tzinfo is not None and MINYEAR < value.year < MAXYEAR


def stored(rule: ParameterRule, value: Any) -> ParameterValue:
    """Return a value in the form it is kept in: moments as text in UTC, the rest as it is."""
    if rule.kind == "moment":
        return iso(value.astimezone(UTC) if isinstance(value, datetime) else parse_instant(value))
    kept: ParameterValue = value
    return kept


class Dated(NamedTuple):
    """Parameters that begin to hold at one moment."""

    valid_from: datetime
    parameters: Sequence[Parameter]


def incoherent(rules: Mapping[str, ParameterRule], history: Iterable[Dated]) -> Iterator[str]:
    """Say where parameters that hold at the same time contradict each other.

    The history is folded in order of date. A recommendation is judged on top of what was in force, and does
    not enter it.
    """
    in_force: dict[str, Parameter] = {}
    for valid_from, parameters in sorted(history, key=lambda dated: dated.valid_from):
        changed = {parameter.name: parameter for parameter in parameters}
        folded = in_force | changed
        for broken in (*_out_of_order(rules, folded, changed), *_wrong_sums(rules, folded, changed)):
            yield f"at {iso(valid_from)}: {broken}"
        in_force |= {name: p for name, p in changed.items() if p.basis != "recommendation"}


def _out_of_order(
    rules: Mapping[str, ParameterRule], folded: Mapping[str, Parameter], changed: Mapping[str, Parameter]
) -> Iterator[str]:
    for name, parameter in folded.items():
        rule = rule_for(rules, name)
        bound = rule and (rule.below or rule.at_most)
        if rule is None or not bound:
            continue
        other = folded.get(_of_same_asset(rule.name, name, bound))
        if other is None or changed.keys().isdisjoint((name, other.name)):
            continue
        if not _in_order(parameter.value, other.value, strict=rule.below is not None):
            limit = "stay below" if rule.below else "not exceed"
            yield f"{name} = {parameter.value!r}: must {limit} {other.name} = {other.value!r}"


def _of_same_asset(pattern: str, name: str, other: str) -> str:
    """Put the asset that ``*`` stands for in ``name`` into ``other``."""
    pairs = zip(pattern.split("."), name.split("."), strict=True)
    return next((other.replace("*", part) for star, part in pairs if star == "*"), other)


def _in_order(value: object, limit: object, *, strict: bool) -> bool:
    if not (is_number(value) and is_number(limit)):
        return True  # told elsewhere
    return value < limit if strict else value <= limit


def _wrong_sums(
    rules: Mapping[str, ParameterRule], folded: Mapping[str, Parameter], changed: Mapping[str, Parameter]
) -> Iterator[str]:
    for rule in {found.name: found for name in changed if (found := rule_for(rules, name))}.values():
        if rule.sums_to is None:
            continue
        members = {name: p.value for name, p in folded.items() if rule_for(rules, name) is rule}
        numbers = [float(value) for value in members.values() if is_number(value)]
        if abs(math.fsum(numbers) - rule.sums_to) > SUM_TOLERANCE:
            listed = ", ".join(f"{name} = {value!r}" for name, value in members.items())
            yield f"{rule.name} sums to {math.fsum(numbers):g}, not {rule.sums_to:g}: {listed}"
