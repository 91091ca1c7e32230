"""``forecast --html`` as a user runs it: the page is written whole, and the forecast is printed all the same."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from yieldtrade.cli.main import cli

FAST = ("--paths", "100", "--no-track-record")


@pytest.fixture(scope="module")
def database(tmp_path_factory, _bundled_file):
    """One database for the runs of this module, which add to it."""
    path = tmp_path_factory.mktemp("runs") / "runs.db"
    shutil.copy(_bundled_file, path)
    return path


def test_the_page_is_written_beside_the_usual_output(database, tmp_path):
    """The file holds the figures that are printed; standard error says what was written and how large it is."""
    file = tmp_path / "jlp.html"
    command = ["forecast", "JLP", *FAST, "--json", "--db", str(database)]
    plain = CliRunner().invoke(cli, command)
    done = CliRunner().invoke(cli, [*command, "--html", str(file)])
    assert done.exit_code == 0, done.stderr
    assert done.stdout == plain.stdout
    assert f"wrote {file} ({file.stat().st_size / 1_000:.0f} kB)" in done.stderr
    assert list(tmp_path.iterdir()) == [file]
    text = file.read_text("utf-8")
    record = json.loads(done.stdout)
    for period in record["periods"]:
        assert f'data-value="{period["apy_p50"]}"' in text
    assert record["inputs_sha256"] in text


def test_a_page_that_cannot_be_written_costs_one_line_and_not_the_forecast(database, tmp_path):
    """The forecast is printed, then one line says why there is no page; the exit code is 1, nothing is left."""
    file = tmp_path / "missing" / "jlp.html"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "yieldtrade", "forecast", "JLP", *FAST, "--csv"),
            *("--db", str(database), "--html", str(file)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.startswith("start,end,")
    assert len(done.stdout.splitlines()) == 10
    assert done.stderr.splitlines()[-1] == (
        f"yieldtrade: {file}: the page cannot be written (No such file or directory)"
    )
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_help_names_the_option():
    """The option and an example stand in the help."""
    text = CliRunner().invoke(cli, ["forecast", "--help"]).stdout
    assert "--html FILE" in text
    assert "yieldtrade forecast JLP --html jlp.html" in " ".join(text.split())
