"""Definitions as JSON, as they stand in the database, and back."""

from __future__ import annotations

from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from yieldtrade.conventions import iso
from yieldtrade.market import Figure, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def encode_parameter(parameter: Parameter) -> dict[str, Any]:
    """Write a parameter as JSON."""
    return {
        "name": parameter.name,
        "value": parameter.value,
        "unit": parameter.unit,
        "valid_from": iso(parameter.valid_from),
        "basis": parameter.basis,
        "source": parameter.source,
        "note": parameter.note,
    }


def decode_parameter(body: Mapping[str, Any]) -> Parameter:
    """Read a parameter from JSON."""
    return Parameter(**{**body, "valid_from": datetime.fromisoformat(body["valid_from"])})


def encode_figure(figure: Figure) -> dict[str, Any]:
    """Write a published figure as JSON."""
    return {
        "kind": figure.kind,
        "at": iso(figure.at) if figure.at else None,
        "implied_apy": figure.implied_apy,
        "yt_price": figure.yt_price,
        "source": figure.source,
        "note": figure.note,
    }


def decode_figure(body: Mapping[str, Any]) -> Figure:
    """Read a published figure from JSON."""
    at = body["at"]
    return Figure(**{**body, "at": datetime.fromisoformat(at) if at else None})


def in_force(parameters: Iterable[Parameter], as_of: datetime) -> Mapping[str, Parameter]:
    """Fold dated parameters: of those in force at ``as_of``, the last of each name; recommendations stay out."""
    folded: dict[str, Parameter] = {}
    for parameter in sorted(parameters, key=lambda p: p.valid_from):
        if parameter.valid_from <= as_of and parameter.basis != "recommendation":
            folded[parameter.name] = parameter
    return MappingProxyType(folded)
