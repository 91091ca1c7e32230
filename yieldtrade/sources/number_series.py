"""A series of numbers by time, read from a file of the user's own: prices of a token, weights of a pool."""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.conventions import iso, parse_instant
from yieldtrade.errors import DomainError, LoadError
from yieldtrade.sources.files import RAGGED, read_bytes, read_records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

TIMES = ("time", "at", "timestamp", "date")


class NumberSeries(NamedTuple):
    """Seconds since 1970 (UTC) and, by column, a value for each."""

    seconds: NDArray[np.float64]
    values: dict[str, NDArray[np.float64]]


def read_series_file(
    path: str, required: Sequence[str], optional: Sequence[str] = (), *, until: datetime | None = None
) -> NumberSeries:
    """Read a series from a file, up to a moment where one is given; see `read_series`."""
    from pathlib import Path

    found = read_series(read_bytes(Path(path)), path, required, optional)
    if until is None:
        return found
    known = found.seconds <= until.timestamp()
    if not known.any():
        raise LoadError(f"{path} has no rows up to {iso(until)}")
    return NumberSeries(found.seconds[known], {name: values[known] for name, values in found.values.items()})


def read_series(
    data: bytes, name: str, required: Sequence[str], optional: Sequence[str] = ()
) -> NumberSeries:
    """Read a table with a column of times and columns of numbers.

    Parameters
    ----------
    data
        The bytes of the file: CSV, JSON, JSON lines or Parquet by its name.
    name
        Its name.
    required, optional
        Columns of numbers; others are passed over. No cell of them may be empty.

    Returns
    -------
    NumberSeries
        The rows in file order.

    Raises
    ------
    LoadError
        The file is not such a table; every problem is listed with its line.
    """
    import numpy as np

    records, header = read_records(data, PurePath(name).suffix.lower(), name)
    time = next((column for column in TIMES if column in header), None)
    lacking = [*([f"a time (one of {', '.join(TIMES)})"] if time is None else [])]
    lacking += [column for column in required if column not in header]
    if time is None or lacking:
        raise LoadError(f"{name}: its columns {', '.join(header)} lack {', '.join(lacking)}")
    kept = [column for column in (*required, *optional) if column in header]
    rows: list[list[float]] = []
    problems: list[str] = []
    for line, record in records:
        try:
            rows.append(_row(record, time, kept))
        except (ValueError, DomainError) as error:
            problems.append(f"{name}:{line}: {error}")
    if problems or not rows:
        raise LoadError(f"{name}: {len(problems)} bad rows" if problems else f"{name} has no rows", problems)
    table = np.array(rows)
    return NumberSeries(table[:, 0], {column: table[:, place] for place, column in enumerate(kept, start=1)})


def _row(record: Mapping[str, Any], time: str, columns: Sequence[str]) -> list[float]:
    if RAGGED in record:
        raise ValueError(record[RAGGED])
    return [_seconds(record.get(time)), *(_number(column, record.get(column)) for column in columns)]


def _seconds(cell: Any) -> float:
    written = str(cell).strip()
    return float(written) if written.isdigit() else parse_instant(written).timestamp()


def _number(column: str, cell: Any) -> float:
    try:
        value = math.nan if isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{column} = {cell!r} is not a finite number")
    return value
