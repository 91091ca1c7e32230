"""Charts, written to files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldtrade.errors import DomainError, MissingDataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORMATS = (".png", ".svg")


def write_depth_chart(records: Sequence[Mapping[str, Any]], title: str, path: str) -> None:
    """Draw the size that moves the implied yield, to a PNG or SVG file by its ending.

    Parameters
    ----------
    records
        Rows of a depth table with ``target_apy``, ``size`` and ``side``.
    title
        Heading of the chart.
    path
        File to write; an existing one is replaced.

    Raises
    ------
    DomainError
        The ending is neither .png nor .svg.
    MissingDataError
        matplotlib is not installed, or no row has a size.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise DomainError(f"chart file {path!r}: its ending must be {' or '.join(FORMATS)}")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDataError(
            "charts need matplotlib; install it with `pip install 'yieldtrade[charts]'`"
        ) from None
    points = sorted(
        (100 * row["target_apy"], row["size"], row["side"]) for row in records if row["size"] is not None
    )
    if not points:
        raise MissingDataError("no move of the yield can be reached, so there is no depth to draw")
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for side in sorted({name for _, _, name in points}):
        chosen = [(apy, size) for apy, size, name in points if name == side]
        axes.plot(*zip(*chosen, strict=True), marker="o", label=side.replace("_", " ").lower())
    axes.set(title=title, xlabel="implied APY after the trade, %", ylabel="size, tokens")
    axes.set_ylim(bottom=0)
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)
