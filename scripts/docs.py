"""Fill the generated parts of the documents: real command output, help texts, the list of public functions.

A generated part stands between ``<!-- run: COMMAND -->`` (or ``<!-- help -->``, ``<!-- functions -->``) and
``<!-- end -->``. With ``--check`` nothing is written and a difference is a failure.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

import yieldtrade
from yieldtrade.cli.main import COMMANDS, cli
from yieldtrade.sources.tables import FORMATS

if TYPE_CHECKING:
    from yieldtrade.sources.columns import Column

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PART = re.compile(r"(<!-- (run: .+?|help|functions|tables) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
API_PACKAGES = (
    "conventions",
    "market",
    "tokens",
    "amm",
    "pool",
    "hedge",
    "forecast",
    "lending",
    "strategies",
    "store",
)


def generated(instruction: str, environment: dict[str, str]) -> str:
    """Return what stands under one instruction."""
    if instruction == "help":
        return help_texts()
    if instruction == "functions":
        return functions()
    if instruction == "tables":
        return tables()
    return output(instruction.removeprefix("run: "), environment)


def output(command: str, environment: dict[str, str]) -> str:
    """Run a command and return it with what it prints, errors included."""
    done = subprocess.run(
        shlex.split(command), capture_output=True, text=True, env=environment, cwd=ROOT, check=False
    )
    printed = "\n".join(line.rstrip() for line in (done.stdout + done.stderr).rstrip().splitlines())
    return f"```console\n$ {command}\n{printed}\n```\n"


def help_texts() -> str:
    """Return the help of every command, with all its options."""
    context = click.Context(cli, info_name="yieldtrade")
    parts = []
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        parts.extend(help_text(command, f"yieldtrade {name}"))
    return "\n".join(parts)


def help_text(command: click.Command, name: str) -> list[str]:
    """Return the help of a command and of its sub-commands."""
    with click.Context(command, info_name=name, max_content_width=100, terminal_width=100) as context:
        texts = [f"## `{name}`\n\n```text\n{command.get_help(context).rstrip()}\n```\n"]
    if isinstance(command, click.Group):
        for part, sub in command.commands.items():
            texts.extend(help_text(sub, f"{name} {part}"))
    return texts


def public_modules() -> list[str]:
    """Return the modules whose functions are the Python interface, in order."""
    names = []
    for part in API_PACKAGES:
        module = importlib.import_module(f"yieldtrade.{part}")
        names.append(module.__name__)
        if hasattr(module, "__path__"):
            names.extend(f"{module.__name__}.{info.name}" for info in pkgutil.iter_modules(module.__path__))
    return names


def functions() -> str:
    """Return a table a module: its public functions and classes and what they do."""
    parts = []
    for name in public_modules():
        module = importlib.import_module(name)
        rows = [
            (key, inspect.getdoc(item) or "")
            for key, item in vars(module).items()
            if not key.startswith("_")
            and (inspect.isfunction(item) or inspect.isclass(item))
            and item.__module__ == name
        ]
        if rows:
            parts.append(f"### `{name}`\n\n{(inspect.getdoc(module) or '').splitlines()[0]}\n")
            parts.append("| name | does |\n|---|---|")
            parts.extend(f"| `{key}` | {text.splitlines()[0].replace('|', '/')} |" for key, text in rows)
            parts.append("")
    return "\n".join(parts)


def tables() -> str:
    """Return the loadable tables with their columns and what is allowed in them."""
    parts = []
    for table in FORMATS:
        parts.append(f"### `{table.name}`\n\nOne row for each {', '.join(table.key)}.\n")
        parts.append("| column | holds | must be there | allowed |\n|---|---|---|---|")
        parts.extend(
            f"| `{column.name}` | {column.kind} | {'yes' if column.required else ''} | {allowed(column)} |"
            for column in table.columns
        )
        parts.append("")
    return "\n".join(parts)


def allowed(column: Column) -> str:
    """Say what values a column takes."""
    words = ["above 0"] if column.positive else []
    words += [f"at least {column.minimum:g}"] if column.minimum is not None else []
    words += [f"at most {column.maximum:g}"] if column.maximum is not None else []
    if column.is_rate:
        words.append("a fraction: 0.35 for 35 %")
    return ", ".join(words)


def main() -> int:
    """Write or check every document."""
    check = "--check" in sys.argv[1:]
    stale = 0
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("YIELDTRADE_")},
            "YIELDTRADE_DB": str(Path(folder, "docs.db")),
            "COLUMNS": "120",
            "NO_COLOR": "1",
        }
        subprocess.run(["yieldtrade", "db", "info"], env=environment, capture_output=True, check=True)
        for document in DOCUMENTS:
            before = document.read_text("utf-8")
            after = PART.sub(lambda m: m[1] + generated(m[2], environment) + m[4], before)
            if before == after:
                continue
            stale += 1
            name = str(document.relative_to(ROOT))
            if check:
                sys.stderr.writelines(
                    difflib.unified_diff(
                        before.splitlines(True), after.splitlines(True), name, f"{name} (now)"
                    )
                )
            else:
                document.write_text(after, "utf-8")
                print(f"wrote {name}")
    if check and stale:
        print(f"{stale} documents are out of date; run scripts/docs", file=sys.stderr)
    return int(check and stale > 0)


if __name__ == "__main__":
    # functions are listed by the module that defines them, so the package must be the checkout's
    assert Path(yieldtrade.__file__).resolve().parent.parent == ROOT
    sys.exit(main())
