"""The facts that travel with the product: where they lie and what they hold."""

from __future__ import annotations

from pathlib import Path

from yieldtrade.errors import MissingDataError


def bundled_folder() -> Path:
    """Return the folder of market facts: inside the package where installed, beside it in a checkout.

    Raises
    ------
    MissingDataError
        There is none in either place.
    """
    package = Path(__file__).resolve().parent.parent
    places = (package / "_markets", package.parent / "markets")
    for folder in places:
        if (folder / "parameters.toml").is_file():
            return folder
    raise MissingDataError(
        f"no market definitions in {' nor '.join(map(str, places))}; install yieldtrade again"
    )


def bundled_files() -> dict[str, bytes]:
    """Return every bundled definition by its path inside the folder, such as ``venues/ratex.toml``."""
    folder = bundled_folder()
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.toml"))}


def history_files() -> dict[str, bytes]:
    """Return every bundled table of history by its file name, such as ``prices_daily.csv``."""
    folder = bundled_folder() / "history"
    return {
        path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in (".csv", ".json")
    }
