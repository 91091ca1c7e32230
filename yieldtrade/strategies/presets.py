"""Named sets of thresholds for a screen: each is nothing but settings, written out here and in the documents."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from yieldtrade.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yieldtrade.strategies.inputs import ScreenSettings

# The fields of ScreenSettings that a preset states, in the order in which they are told.
THRESHOLDS = (
    "max_p_loss",
    "max_p_liquidation",
    "max_leverage",
    "min_edge",
    "kappa",
    "max_quote_age_days",
    "max_rate_age_days",
)


def _preset(*values: float) -> Mapping[str, float]:
    return MappingProxyType(dict(zip(THRESHOLDS, values, strict=True)))


# Choices of appetite, not measurements: probabilities, times, fraction of the capital, weight, days, days.
PRESETS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "conservative": _preset(0.10, 0.01, 2.0, 0.005, 0.50, 0.5, 0.5),
        "balanced": _preset(0.25, 0.05, 5.0, 0.002, 0.25, 1.0, 1.0),
        "aggressive": _preset(0.45, 0.15, 10.0, 0.0, 0.10, 3.0, 3.0),
    }
)


def preset_values(name: str | None) -> Mapping[str, float]:
    """Return the thresholds of a preset, by field of ScreenSettings; without a name, none.

    Raises
    ------
    UnknownNameError
        There is no such preset.
    """
    if name is None:
        return MappingProxyType({})
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS, "yieldtrade screen --help")
    return PRESETS[name]


def thresholds(settings: ScreenSettings) -> dict[str, Any]:
    """Return the thresholds in force in a screen, by name; None where there is no limit."""
    return {name: getattr(settings, name) for name in THRESHOLDS}


def described(values: Mapping[str, Any]) -> str:
    """Write thresholds in one line, ``max_p_loss 0.1, max_leverage 2``, without those that set no limit."""
    return ", ".join(f"{name} {value:g}" for name, value in values.items() if value is not None)
