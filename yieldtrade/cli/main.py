"""The ``yieldtrade`` command: its sub-commands load when they are called, its failures are one line each."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from yieldtrade import __version__
from yieldtrade.errors import LoadError, YieldtradeError

if TYPE_CHECKING:
    from collections.abc import Sequence

PROBLEMS_SHOWN = 20
INTERRUPTED = 130


class Lazy(NamedTuple):
    """Where a command lives and what it does, known without importing it."""

    module: str
    attribute: str
    help: str


COMMANDS: dict[str, Lazy] = {
    "quote": Lazy(
        "yieldtrade.cli.quote", "quote", "Price PT and YT of contracts from a yield, a price or the market."
    ),
    "curve": Lazy(
        "yieldtrade.cli.curve",
        "curve",
        "Show implied yields by maturity, forward yields, roll-down and an arbitrage check.",
    ),
    "forecast": Lazy(
        "yieldtrade.cli.forecast", "forecast", "Forecast the APY a pool will pay, with its track record."
    ),
    "screen": Lazy(
        "yieldtrade.cli.screen", "screen", "Screen every contract for trades that pay after every cost."
    ),
    "backtest": Lazy(
        "yieldtrade.cli.backtest",
        "backtest",
        "Replay the screen at past dates and score what became of what it found.",
    ),
    "pool": Lazy(
        "yieldtrade.cli.pool",
        "pool",
        "Show what a pool holds, is worth and pays; price a trade or a deposit.",
    ),
    "loan": Lazy(
        "yieldtrade.cli.loan",
        "loan",
        "Show a loan against a pool's share: LTV, liquidation, stress, safety buffer.",
    ),
    "load": Lazy("yieldtrade.cli.data", "load", "Load tables of facts, or definitions, from files."),
    "markets": Lazy(
        "yieldtrade.cli.markets", "markets", "List and show venues, pools and contracts with their sources."
    ),
    "db": Lazy("yieldtrade.cli.data", "db", "Where the database is, what it holds, whether it is sound."),
    "config": Lazy(
        "yieldtrade.cli.config", "config", "Show every setting, its value and where it comes from."
    ),
}


class LazyGroup(click.Group):
    """A group that imports a command only when it is run or asked for help."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names of the commands, in the order of a first session."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return one command."""
        lazy = COMMANDS.get(cmd_name)
        if lazy is None:
            return None
        command = getattr(import_module(lazy.module), lazy.attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - the table above names commands only
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command by name; suggest the nearest where there is none."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands from the table above, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"auto_envvar_prefix": "YIELDTRADE", "help_option_names": ["-h", "--help"]},
    epilog="Example: yieldtrade quote JLP-2411 --implied 0.35",
)
@click.version_option(__version__, prog_name="yieldtrade")
def cli() -> None:
    """Price yield tokens, forecast what JLP pays, and screen for trades that pay after every cost."""


def config_files() -> dict[str, str]:
    """Return where settings are read from, the strongest first."""
    user = os.path.join(click.get_app_dir("yieldtrade"), "config.toml")
    return {"project file": "yieldtrade.toml", "user file": user}


def default_map() -> dict[str, Any]:
    """Read the settings files: a table a command, the project's over the user's."""
    merged: dict[str, Any] = {}
    for path in reversed(config_files().values()):
        if os.path.isfile(path):
            for command, settings in read_settings(path).items():
                merged.setdefault(command, {}).update(settings)
    return merged


def read_settings(path: str) -> dict[str, dict[str, Any]]:
    """Read one settings file.

    Raises
    ------
    YieldtradeError
        It is not TOML, or holds something other than a table a command.
    """
    import tomllib

    try:
        with open(path, "rb") as file:
            found = tomllib.load(file)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise YieldtradeError(f"{path}: the settings cannot be read ({error})") from None
    for command, settings in found.items():
        if command not in COMMANDS or not isinstance(settings, dict):
            raise YieldtradeError(
                f"{path}: [{command}] is not a command; settings stand in tables named {', '.join(COMMANDS)}"
            )
    return {
        command: {name.replace("-", "_"): value for name, value in settings.items()}
        for command, settings in found.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    try:
        code = cli.main(arguments, prog_name="yieldtrade", standalone_mode=False, default_map=default_map())
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; the database is whole", err=True)
        sys.exit(INTERRUPTED)
    except YieldtradeError as error:
        report_failure(error)
        sys.exit(1)
    except BrokenPipeError:
        # the reader has gone, as with `| head`; say nothing and let nothing be flushed again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def report_failure(error: YieldtradeError) -> None:
    """Say in one line what failed, and under it what was wrong with a refused file."""
    click.echo(f"yieldtrade: {error}", err=True)
    if isinstance(error, LoadError):
        for problem in error.problems[:PROBLEMS_SHOWN]:
            click.echo(f"  {problem}", err=True)
        if len(error.problems) > PROBLEMS_SHOWN:
            click.echo(f"  ... and {len(error.problems) - PROBLEMS_SHOWN} more", err=True)
