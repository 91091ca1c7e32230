"""load, db, markets, config, and what every command shares."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from yieldtrade.cli.main import COMMANDS, cli


@pytest.fixture
def run(bundled_path, monkeypatch, tmp_path):
    """Run yieldtrade in a folder of its own on a database with the bundled history."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("YIELDTRADE_DB", str(bundled_path))

    def call(*arguments, text=None, **environment):
        return CliRunner().invoke(
            cli, arguments, input=text, env=environment, auto_envvar_prefix="YIELDTRADE"
        )

    return call


def commands():
    """Every command and sub-command with its full name."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        yield name, command
        if isinstance(command, click.Group):
            for part, sub in command.commands.items():
                yield f"{name} {part}", sub


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=str)
def test_every_command_has_help_with_an_example(name, command):
    """Help tells what a command does, what each option means, and shows an example."""
    assert command.help
    assert "yieldtrade" in command.epilog or "Example" in command.epilog
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help or option.type.name == "choice", f"{name} {option.opts[0]}"


def test_the_table_of_commands_is_true():
    """What the top help says without importing a command is what the command says of itself."""
    for lazy in COMMANDS.values():
        command = getattr(import_module(lazy.module), lazy.attribute)
        assert command.get_short_help_str(200).rstrip(".") == lazy.help.rstrip(".")


def test_top_help_imports_no_command():
    """Help is instant: it lists commands from a table."""
    script = (
        "import sys; from yieldtrade.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in sys.modules if m.startswith('yieldtrade.cli.') and m != 'yieldtrade.cli.main'], "
        "file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert all(name in done.stdout for name in COMMANDS)


def test_an_unknown_command_suggests_the_nearest():
    """A misspelt command is answered with the one meant, as wrong usage."""
    done = CliRunner().invoke(cli, ["qoute"])
    assert done.exit_code == 2
    assert "Did you mean 'quote'?" in done.stderr


def test_the_first_use_says_that_it_makes_the_database(tmp_path):
    """A new file is made with the bundled history, said on standard error only."""
    done = CliRunner().invoke(
        cli, ["quote", "JLP-2411", "--implied", "0.3", "--json", "--db", str(tmp_path / "x" / "n.db")]
    )
    assert json.loads(done.stdout)["implied_apy"] == 0.3
    assert "creating" in done.stderr
    assert "loaded the bundled history" in done.stderr


def test_a_table_is_loaded_and_reported(run, tmp_path):
    """The load command says what each file did; the second time it has been seen before."""
    (tmp_path / "t.csv").write_text("date,underlying_apy\n2026-01-01,0.1\n2026-01-02,0.12\n")
    first = json.loads(run("load", "t.csv", "--json").stdout)
    assert first == [
        {
            "file": "t.csv",
            "table": "jlp_yield_daily",
            "rows": 2,
            "added": 2,
            "corrected": 0,
            "state": "loaded",
        }
    ]
    assert json.loads(run("load", "t.csv", "--json").stdout)[0]["state"] == "loaded before"


def test_a_refused_table_tells_every_problem(bundled_path, tmp_path):
    """The exit code is 1 and each bad line is told, without a traceback."""
    (tmp_path / "t.csv").write_text("date,underlying_apy\n2026-01-01,12%\n2026-01-02,nan\n")
    done = subprocess.run(
        [sys.executable, "-m", "yieldtrade", "load", str(tmp_path / "t.csv"), "--db", str(bundled_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "2 bad of 2 rows" in done.stderr
    assert "t.csv:2: underlying_apy = '12%' is a percentage; write a fraction" in done.stderr
    assert "t.csv:3" in done.stderr
    assert "Traceback" not in done.stderr
    missing = subprocess.run(
        [sys.executable, "-m", "yieldtrade", "load", "nowhere.csv", "--db", str(bundled_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (missing.returncode, "cannot be read" in missing.stderr) == (1, True)


def test_markets_are_listed_and_shown_with_their_sources(run):
    """Every parameter of a venue comes with its unit, date, basis and source."""
    names = {row["name"] for row in json.loads(run("markets", "--json").stdout)}
    assert {"ratex", "pendle", "exponent", "kamino", "JLP", "JLP-2411", "ONyc-13MAY26"} <= names
    rows = json.loads(run("markets", "ratex", "--json").stdout)
    assert all(row["source"] and row["valid_from"] and row["basis"] for row in rows)
    assert {row["name"]: row["value"] for row in rows}["trading_fee"] == 0.001
    jlp = json.loads(run("markets", "contracts", "--underlying", "JLP", "--json").stdout)
    assert len(jlp) == 10
    shown = json.loads(run("markets", "JLP-2411", "--json").stdout)
    assert any(row["name"] == "figure (article)" for row in shown)
    assert run("markets", "rattex").exit_code == 1
    assert "trade.base_bps" in run("markets", "JLP", "--csv").stdout


def test_the_database_tells_about_itself(run, bundled_path):
    """Its path, its tables, its soundness, and every row of a table."""
    assert run("db", "path").stdout.strip() == str(bundled_path)
    assert {row["table"] for row in json.loads(run("db", "info", "--json").stdout)} >= {"pool_day", "run"}
    assert run("db", "check").stdout.strip() == "sound"
    assert len(run("db", "export", "official_apy", "--csv").stdout.splitlines()) == 17
    assert run("db", "export", "nothing").exit_code == 1


def test_settings_come_from_flag_environment_and_files_in_this_order(run, tmp_path, monkeypatch):
    """The stronger place wins, and config says where each value comes from."""
    from yieldtrade.cli import main

    (tmp_path / "yieldtrade.toml").write_text('[quote]\nimplied = "0.2"\n')
    monkeypatch.setattr(main, "config_files", lambda: {"project file": tmp_path / "yieldtrade.toml"})

    def implied(*arguments, **environment):
        done = CliRunner().invoke(
            cli, ["quote", "JLP-2411", "--json", *arguments], env=environment, default_map=main.default_map()
        )
        return json.loads(done.stdout)["implied_apy"]

    assert implied() == 0.2
    assert implied(YIELDTRADE_QUOTE_IMPLIED="0.3") == 0.3
    assert implied("--implied", "0.4", YIELDTRADE_QUOTE_IMPLIED="0.3") == 0.4


def test_config_shows_value_and_origin(run, tmp_path, monkeypatch):
    """Each setting that is not a default is listed with the place it comes from."""
    (tmp_path / "yieldtrade.toml").write_text("[quote]\nmargin = 2\n")
    rows = json.loads(run("config", "--json", YIELDTRADE_QUOTE_IMPLIED="0.3").stdout)
    found = {(row["command"], row["option"]): (row["value"], row["origin"]) for row in rows}
    assert found["quote", "--margin"] == ("2", "project file")
    assert found["quote", "--implied"] == ("0.3", "environment")
    assert len(json.loads(run("config", "--all", "--json").stdout)) > len(rows)


@pytest.mark.parametrize("text", ["[quote\n", "[qoute]\nmargin = 1\n", "margin = 1\n"])
def test_a_settings_file_that_cannot_be_right_is_told(tmp_path, text):
    """A broken or misspelt settings file is an error that names it."""
    (tmp_path / "yieldtrade.toml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "yieldtrade", "db", "path"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "yieldtrade.toml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error(bundled_path):
    """Output cut by head ends quietly."""
    done = subprocess.run(
        f"{sys.executable} -m yieldtrade db export pool_day --db {bundled_path} | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("pool\t")
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr
