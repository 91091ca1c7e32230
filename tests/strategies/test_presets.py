"""Presets: stated thresholds, nothing else, and weaker than what the user gives."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from yieldtrade.errors import UnknownNameError
from yieldtrade.strategies.inputs import ScreenSettings
from yieldtrade.strategies.presets import PRESETS, THRESHOLDS, described, preset_values, thresholds
from yieldtrade.strategies.screen import screen

DOCUMENT = Path(__file__).parents[2] / "docs" / "commands.md"


def test_every_threshold_is_a_setting():
    """A preset states fields of the settings, each preset all of them, within their ranges."""
    assert set(THRESHOLDS) <= {field.name for field in fields(ScreenSettings)}
    for name, values in PRESETS.items():
        assert tuple(values) == THRESHOLDS
        settings = ScreenSettings(size_usd=1.0, preset=name, **values)
        assert thresholds(settings) == values


def test_presets_grow_bolder():
    """From conservative to aggressive every limit widens and every demand shrinks."""
    careful, even, bold = PRESETS.values()
    assert tuple(PRESETS) == ("conservative", "balanced", "aggressive")
    for name in THRESHOLDS:
        sign = -1 if name in ("min_edge", "kappa") else 1
        assert sign * careful[name] < sign * even[name] < sign * bold[name]


def test_a_preset_cannot_be_changed():
    """The values are frozen."""
    with pytest.raises(TypeError):
        PRESETS["balanced"]["kappa"] = 0.0


def test_without_a_preset_the_settings_are_the_documented_ones(world, forecaster):
    """No preset, no threshold but kappa and the ages."""
    world.add("AAA-2606")
    settings = screen(world.view(), 1_000, forecast=forecaster()).settings
    assert settings == ScreenSettings(size_usd=1_000)
    assert settings.preset is None


def test_a_given_setting_wins_over_the_preset(world, forecaster):
    """Also where it equals the default of a screen without a preset."""
    world.add("AAA-2606")
    found = screen(
        world.view(),
        1_000,
        forecast=forecaster(),
        preset="conservative",
        kappa=0.25,
        max_p_loss=1.0,
        max_quote_age_days=2.0,
    ).settings
    expected = {**PRESETS["conservative"], "kappa": 0.25, "max_p_loss": 1.0, "max_quote_age_days": 2.0}
    assert thresholds(found) == expected
    assert found.preset == "conservative"


def test_a_preset_screens_as_its_thresholds_do(busy, forecaster):
    """The rows equal those of the same thresholds given one by one."""
    for name, values in PRESETS.items():
        by_name = screen(busy.view(), 10_000, forecast=forecaster(0.2, 0.1), preset=name)
        by_value = screen(busy.view(), 10_000, forecast=forecaster(0.2, 0.1), **values)
        assert by_name.rows == by_value.rows


def test_bolder_presets_accept_no_less(busy, forecaster):
    """What a careful preset accepts unlevered, a bolder one accepts too; the presets do differ."""
    accepted = [
        {
            row.row_id
            for row in screen(busy.view(), 10_000, forecast=forecaster(0.33, 0.03), preset=name).accepted
            if row.strategy != "principal_loop"  # levered deeper by a bolder preset: another trade
        }
        for name in PRESETS
    ]
    assert accepted[0] <= accepted[1] <= accepted[2]
    assert accepted[0] != accepted[2]


def test_an_unknown_preset_names_the_nearest():
    """A misspelt preset is answered with the one meant."""
    with pytest.raises(UnknownNameError, match="nearest: conservative"):
        preset_values("conservativ")
    assert preset_values(None) == {}


def test_thresholds_are_told_without_those_that_set_no_limit():
    """A line of names and numbers."""
    assert described({"max_p_loss": None, "kappa": 0.25, "max_leverage": 2.0}) == "kappa 0.25, max_leverage 2"


def test_the_document_lists_every_threshold():
    """Each preset's numbers stand in the commands document."""
    text = DOCUMENT.read_text()
    lines = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    for name in THRESHOLDS:
        cells = [cell.strip() for cell in lines[name].strip("|").split("|")]
        assert cells[2:] == [f"{values[name]:g}" for values in PRESETS.values()]
