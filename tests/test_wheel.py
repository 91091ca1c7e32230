"""The built wheel, installed in an environment of its own and run away from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The command of an environment that holds the wheel and finds its dependencies, but no checkout."""
    venv = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(venv / "bin" / "python"),
        "--disable-pip-version-check",
    ]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    (site,) = (venv / "lib").glob("python*/site-packages")
    # the dependencies' folder is only put on the path: an editable install in it is not seen from here
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return venv / "bin" / "yieldtrade"


def run(command, *arguments, folder):
    """Run the installed command in a folder, with nothing of this environment's settings."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("YIELDTRADE", "PYTHON"))
    }
    return subprocess.run(
        [str(command), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )


def test_the_wheel_holds_the_code_and_the_facts_and_nothing_else(wheel):
    """Code, market definitions, history and licence travel; tests and scripts do not."""
    names = zipfile.ZipFile(wheel).namelist()
    assert "yieldtrade/_markets/jlp.toml" in names
    assert "yieldtrade/_markets/history/jlp_pool_daily.csv" in names
    assert "yieldtrade/_markets/history/SOURCES.md" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert all(name.startswith(("yieldtrade/", "yieldtrade-")) for name in names)


def test_the_installed_command_works_from_any_folder(installed, tmp_path):
    """Away from the checkout it makes its database from the facts in the wheel and quotes."""
    done = run(installed, "quote", "JLP-2411", "--implied", "0.35", "--json", "--db", "a.db", folder=tmp_path)
    assert json.loads(done.stdout)["implied_apy"] == 0.35
    listed = run(installed, "markets", "ratex", "--csv", "--db", "a.db", folder=tmp_path)
    assert "trading_fee" in listed.stdout
    where = run(
        installed.with_name("python"), "-c", "import yieldtrade; print(yieldtrade.__file__)", folder=tmp_path
    )
    assert str(ROOT) not in where.stdout
