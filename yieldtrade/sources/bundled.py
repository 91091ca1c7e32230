"""The facts that travel with the product: where they lie and what they hold."""

from __future__ import annotations

import os

from yieldtrade.errors import MissingDataError

HISTORY = "history"


def bundled_folder() -> str:
    """Return the folder of market facts: inside the package where installed, beside it in a checkout.

    Raises
    ------
    MissingDataError
        There is none in either place.
    """
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    places = (os.path.join(package, "_markets"), os.path.join(os.path.dirname(package), "markets"))
    for folder in places:
        if os.path.isfile(os.path.join(folder, "parameters.toml")):
            return folder
    raise MissingDataError(f"no market definitions in {' nor '.join(places)}; install yieldtrade again")


def bundled_stamp() -> str:
    """Say which bundled files there are, cheaply: names, sizes and times of change."""
    found = []
    for folder, _, names in sorted(os.walk(bundled_folder())):
        for name in sorted(names):
            status = os.stat(os.path.join(folder, name))
            found.append(f"{name}:{status.st_size}:{status.st_mtime_ns}")
    return ";".join(found)


def bundled_files() -> dict[str, bytes]:
    """Return every bundled definition by its path inside the folder, such as ``venues/ratex.toml``."""
    from pathlib import Path

    folder = Path(bundled_folder())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.toml"))}


def history_files() -> dict[str, bytes]:
    """Return every bundled table of history by its file name, such as ``prices_daily.csv``."""
    from pathlib import Path

    paths = sorted(Path(bundled_folder(), HISTORY).iterdir())
    return {path.name: path.read_bytes() for path in paths if path.suffix in (".csv", ".json")}
