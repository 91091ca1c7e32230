"""``config``: every setting, its value, and where it comes from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from yieldtrade.cli.main import COMMANDS, cli, config_files, read_settings
from yieldtrade.cli.options import output_options
from yieldtrade.report.output import Column

if TYPE_CHECKING:
    from yieldtrade.cli.options import Output

_COLUMNS = (
    Column("command", "command"),
    Column("option", "option"),
    Column("value", "value"),
    Column("origin", "origin"),
    Column("variable", "environment variable"),
)


@click.command(epilog="Example: yieldtrade config --csv")
@click.option("--all", "everything", is_flag=True, help="Also the settings left at their defaults.")
@output_options
def config(output: Output, *, everything: bool) -> None:
    """Show every setting, its value and where it comes from.

    Flags win over the environment, then ./yieldtrade.toml, the user file, and the default.
    """
    files = {
        origin: read_settings(path) if os.path.isfile(path) else {} for origin, path in config_files().items()
    }
    context = click.Context(cli)
    records = [
        record
        for name in COMMANDS
        if (command := cli.get_command(context, name)) is not None
        for record in _settings(name, command, files)
    ]
    output.write([r for r in records if everything or r["origin"] != "default"], _COLUMNS)


def _settings(
    name: str, command: click.Command, files: dict[str, dict[str, dict[str, Any]]]
) -> list[dict[str, Any]]:
    if isinstance(command, click.Group):
        return [
            row for part, sub in command.commands.items() for row in _settings(f"{name}_{part}", sub, files)
        ]
    records = []
    for option in command.params:
        if not isinstance(option, click.Option) or option.name is None:
            continue
        variable = option.envvar or f"YIELDTRADE_{name}_{option.name}".upper().replace("-", "_")
        value, origin = option.default, "default"
        for source, settings in reversed(files.items()):
            if option.name in settings.get(name, {}):
                value, origin = settings[name][option.name], source
        if isinstance(variable, str) and variable in os.environ:
            value, origin = os.environ[variable], "environment"
        shown = None if str(value) == "Sentinel.UNSET" else value
        records.append(
            {
                "command": name.replace("_", " "),
                "option": option.opts[0],
                "value": None if shown is None else str(shown),
                "origin": origin,
                "variable": variable,
            }
        )
    return records
