"""Read a table from a file: CSV, JSON, JSON lines or Parquet. Every row is checked and every problem told."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from yieldtrade.conventions import iso, parse_instant
from yieldtrade.errors import DomainError, LoadError
from yieldtrade.sources.columns import unknown_name
from yieldtrade.sources.facts import check_known
from yieldtrade.sources.rows import FactRow, ListedContract, ParsedFile
from yieldtrade.sources.tables import FORMATS, TableFormat, detect_format, format_named

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from yieldtrade.sources.columns import Column
    from yieldtrade.sources.facts import Record

Numbered: TypeAlias = "tuple[int, Mapping[str, Any]]"
# Half the cells of a rate column above this: percentages, most likely.
PERCENT_SUSPICION = 1.5


def parse_file(
    data: bytes,
    *,
    name: str,
    locator: str,
    now: datetime,
    kind: Literal["bundled", "file", "web"] = "file",
    table_format: str | None = None,
    aliases: Mapping[str, str] = MappingProxyType({}),
    pools: Collection[str] | None = None,
) -> ParsedFile:
    """Read and check one file.

    Parameters
    ----------
    data
        The bytes of the file.
    name, locator
        Its name and where it was read from.
    now
        The present moment: rows dated later are refused.
    kind
        Whether it came with the product, from the user or from the web.
    table_format
        Name of the table it holds; found from its header where None.
    aliases
        Contract names by another name, such as a market's address.
    pools
        Names of the pools there are; rows of another are refused. None takes any.

    Returns
    -------
    ParsedFile
        The facts of every sound row, and the problems of every other one with its line number.

    Raises
    ------
    LoadError
        The file cannot be read at all: empty, not text, garbled, or of no known table.
    """
    records, header = read_records(data, PurePath(name).suffix.lower(), name)
    known = _format_of(header, table_format, name)
    found = _Findings(known, iso(now), pools)
    count = 0
    for line, raw in records:
        count += 1
        record, problems = found.check(line, raw)
        if problems:
            found.problems.extend(f"{name}:{line}: {problem}" for problem in problems)
            continue
        if known.alias is not None:
            record["contract_id"] = aliases.get(record[known.alias])
        found.take(record, name, line)
    if not count:
        raise LoadError(f"{name} has a header but no rows", [f"{name}: no rows below the header"])
    return ParsedFile(
        name=name,
        kind=kind,
        locator=locator,
        sha256=hashlib.sha256(data).hexdigest(),
        table_format=known.name,
        records=count,
        rows=found.rows,
        lines=found.lines,
        contracts=tuple(found.contracts.values()),
        problems=tuple(found.problems),
        warnings=(
            *_unknown_columns(name, header, known),
            *_percent_warnings(name, found.rates),
            *found.warnings,
        ),
    )


class _Findings:
    """What one file holds so far: its facts, its problems, and the rates seen."""

    def __init__(self, known: TableFormat, now: str, pools: Collection[str] | None) -> None:
        self.known = known
        self._pools = pools
        self.rows: dict[str, list[FactRow]] = {}
        self.lines: dict[str, list[int]] = {}
        self.contracts: dict[str, ListedContract] = {}
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.rates: dict[str, list[float]] = {column.name: [] for column in known.columns if column.is_rate}
        self._seen: dict[tuple[Any, ...], int] = {}
        self._readers = [(column, _reader(column, now)) for column in known.columns]

    def check(self, line: int, raw: Mapping[str, Any]) -> tuple[Record, list[str]]:
        """Read one record and say what is wrong with it."""
        record, problems = _read_record(raw, self._readers)
        if problems:
            return record, problems
        key = tuple(record[part] for part in self.known.key)
        first = self._seen.setdefault(key, line)
        if first != line:
            return record, [f"repeats line {first} ({', '.join(map(str, key))})"]
        found = (self.known.check(record), check_known(record), self._pool_problem(record))
        return record, [problem for problem in found if problem]

    def _pool_problem(self, record: Record) -> str | None:
        pool = record.get("pool")
        if pool is None or self._pools is None or pool in self._pools:
            return None
        return unknown_name("pool", pool, self._pools)

    def take(self, record: Record, name: str, line: int) -> None:
        """Keep the facts of a sound record, and what is odd about it."""
        if odd := self.known.warn(record):
            self.warnings.append(f"{name}:{line}: {odd}")
        for column, values in self.rates.items():
            if record[column] is not None:
                values.append(record[column])
        for fact in self.known.facts(record):
            if isinstance(fact, ListedContract):
                self.contracts.setdefault(fact.contract_id, fact)
            else:
                self.rows.setdefault(fact[0], []).append(fact[1])
                self.lines.setdefault(fact[0], []).append(line)


def _unknown_columns(name: str, header: Sequence[str], known: TableFormat) -> Iterator[str]:
    unknown = [column for column in header if column not in known.names]
    if unknown:
        yield f"{name}: columns of no meaning in {known.name} left out: {', '.join(unknown)}"


def _format_of(header: Sequence[str], asked: str | None, name: str) -> TableFormat:
    if asked is not None:
        known = format_named(asked)
        if known is None:
            raise LoadError(
                f"no table is named {asked!r}; known are {', '.join(sorted(f.name for f in FORMATS))}"
            )
        missing = sorted(known.required - set(header))
        if missing:
            raise LoadError(f"{name} is not a {asked} table: it lacks {', '.join(missing)}")
        return known
    found = detect_format(header)
    if found is None:
        nearest = max(FORMATS, key=lambda f: len(f.names & set(header)) / len(f.required))
        raise LoadError(
            f"{name}: the columns {', '.join(header) or '(none)'} are of no known table; the nearest is "
            f"{nearest.name}, which also needs {', '.join(sorted(nearest.required - set(header)))}. "
            f"Known tables: {', '.join(sorted(f.name for f in FORMATS))}"
        )
    return found


def read_bytes(file: Path) -> bytes:
    """Return what a file holds.

    Raises
    ------
    LoadError
        It cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise LoadError(f"{file} cannot be read: {error.strerror}") from None


def read_records(data: bytes, suffix: str, name: str) -> tuple[Iterable[Numbered], list[str]]:
    """Return the rows of a table with their line numbers, cells as they stand, and the names of its columns.

    Parameters
    ----------
    data
        The bytes of the file.
    suffix
        The ending of its name, which tells the form: .parquet, .json, .jsonl; anything else is CSV.
    name
        Its name, for messages. A row that is malformed as a whole holds the key `RAGGED`, whose value says how.

    Raises
    ------
    LoadError
        The file is empty, not text or garbled.
    """
    if not data.strip():
        raise LoadError(f"{name} is empty")
    if suffix == ".parquet":
        return _read_parquet(data, name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LoadError(
            f"{name} is not UTF-8 text: byte {error.start} is 0x{data[error.start]:02x}"
        ) from None
    if "\x00" in text:
        raise LoadError(f"{name} is not text: it holds a zero byte at character {text.index(chr(0))}")
    if suffix == ".json":
        return _read_json(text, name)
    if suffix in (".jsonl", ".ndjson"):
        return _read_json_lines(text, name)
    return _read_csv(text, name)


def _read_csv(text: str, name: str) -> tuple[Iterable[Numbered], list[str]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        header = [column.strip() for column in next(reader)]
    except (csv.Error, StopIteration) as error:
        raise LoadError(f"{name}: the header cannot be read ({error})") from None
    doubled = sorted({column for column in header if header.count(column) > 1})
    if doubled:
        raise LoadError(f"{name}: the header names {', '.join(doubled)} more than once")
    return _csv_records(reader, header, name), header


def _csv_records(reader: Any, header: list[str], name: str) -> Iterator[Numbered]:
    width = len(header)
    try:
        for cells in reader:
            if not cells:
                continue
            if len(cells) == width:
                yield reader.line_num, dict(zip(header, cells, strict=True))
            else:
                yield reader.line_num, {RAGGED: f"has {len(cells)} cells where the header has {width}"}
    except csv.Error as error:
        raise LoadError(
            f"{name}:{reader.line_num}: the CSV breaks off or is garbled ({error})",
            [f"{name}:{reader.line_num}: {error}"],
        ) from None


# A key no column can have: the record is malformed as a whole and the value says how.
RAGGED = "\n"


def _read_json(text: str, name: str) -> tuple[Iterable[Numbered], list[str]]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise LoadError(f"{name}:{error.lineno}: not JSON ({error.msg})") from None
    except RecursionError:
        raise LoadError(f"{name}: JSON nested too deeply to be a table") from None
    common: dict[str, Any] = {}
    if isinstance(value, dict):
        lists = [item for item in value.values() if isinstance(item, list)]
        if len(lists) != 1:
            raise LoadError(f"{name}: a JSON table is a list of objects, or an object that holds one list")
        common = {key: item for key, item in value.items() if not isinstance(item, (list, dict))}
        value = lists[0]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise LoadError(f"{name}: a JSON table is a list of objects")
    return _objects(enumerate(({**common, **item} for item in value), start=1))


def _read_json_lines(text: str, name: str) -> tuple[Iterable[Numbered], list[str]]:
    numbered = []
    for line, content in enumerate(text.splitlines(), start=1):
        if not content.strip():
            continue
        try:
            item = json.loads(content)
        except json.JSONDecodeError as error:
            raise LoadError(f"{name}:{line}: not JSON ({error.msg})") from None
        except RecursionError:
            raise LoadError(f"{name}:{line}: JSON nested too deeply to be a row") from None
        if not isinstance(item, dict):
            raise LoadError(f"{name}:{line}: each line must be a JSON object")
        numbered.append((line, item))
    return _objects(numbered)


def _read_parquet(data: bytes, name: str) -> tuple[Iterable[Numbered], list[str]]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise LoadError(
            f"{name}: reading Parquet needs pyarrow; install it with `pip install 'yieldtrade[parquet]'`"
        ) from None
    try:
        table = pyarrow.parquet.read_table(io.BytesIO(data))
    except (OSError, ValueError) as error:
        raise LoadError(f"{name} is not a Parquet file ({error})") from None
    return _objects(enumerate(table.to_pylist(), start=1))


def _objects(numbered: Iterable[Numbered]) -> tuple[Iterable[Numbered], list[str]]:
    records = list(numbered)
    header = list(dict.fromkeys(key for _, record in records for key in record))
    return records, header


Reader: TypeAlias = "Callable[[Any], Any]"


def _read_record(
    raw: Mapping[str, Any], readers: Sequence[tuple[Column, Reader]]
) -> tuple[Record, list[str]]:
    if RAGGED in raw:
        return {}, [str(raw[RAGGED])]
    record: Record = {}
    problems: list[str] = []
    for column, reader in readers:
        cell = raw.get(column.name)
        if cell is None or cell == "":
            if column.required and not column.nullable:
                problems.append(f"{column.name} is empty; a {column.kind} is required")
            record[column.name] = None
            continue
        try:
            record[column.name] = reader(cell)
        except TypeError:
            problems.append(f"{column.name} = {cell!r} is not a {column.kind}")
        except ValueError as error:
            problems.append(f"{column.name} = {cell!r} {error}")
    return record, problems


def _reader(column: Column, now: str) -> Reader:
    if column.kind == "date":
        return lru_cache(maxsize=65_536)(lambda cell: _date(cell, now[:10]))
    if column.kind == "instant":
        return lambda cell: _instant(cell, None if column.name == "maturity" else now)
    if column.kind == "text":
        return _text
    if column.kind == "object":
        return _object
    return lambda cell: _number(cell, column)


def _date(cell: Any, today: str) -> str:
    text = cell.isoformat() if isinstance(cell, (date, datetime)) else cell
    try:
        if len(text) != len("2025-12-31"):
            raise ValueError  # noqa: TRY301 - one message for every wrong form
        date.fromisoformat(text)
    except (TypeError, ValueError):
        raise ValueError("is not a day; write it as 2025-12-31") from None
    if text > today:
        raise ValueError(f"lies in the future (today is {today})")
    return str(text)


def _instant(cell: Any, now: str | None) -> str:
    if isinstance(cell, datetime):
        cell = cell.replace(tzinfo=cell.tzinfo or UTC).isoformat()
    if not isinstance(cell, str):
        raise ValueError("is not a moment; write it as 2025-12-31T18:00:00Z")
    try:
        text = iso(parse_instant(cell))
    except DomainError:
        raise ValueError("is not a moment; write it as 2025-12-31T18:00:00Z") from None
    if now is not None and text > now:
        raise ValueError(f"lies in the future (now is {now})")
    return text


def _text(cell: Any) -> str:
    if not isinstance(cell, str):
        raise ValueError("is not text")
    return cell.strip()


def _object(cell: Any) -> dict[str, Any]:
    try:
        value = json.loads(cell) if isinstance(cell, str) else cell
    except json.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise ValueError('is not a JSON object, such as {"total_pt": 1000.0}')
    return value


def _number(cell: Any, column: Column) -> float:
    if isinstance(cell, bool):
        raise ValueError("is not a number")
    if isinstance(cell, str):
        if cell.rstrip().endswith("%"):
            raise ValueError("is a percentage; write a fraction, 0.35 for 35 %")
        if "_" in cell:
            raise ValueError("is not a number")
    try:
        value = float(cell)
    except (TypeError, ValueError):
        raise ValueError("is not a number") from None
    if not math.isfinite(value):
        raise ValueError("is not a finite number")
    refusal = column.refusal(value)
    if refusal is not None:
        raise ValueError(refusal)
    return value


def _percent_warnings(name: str, columns: Mapping[str, list[float]]) -> Iterator[str]:
    for column, values in columns.items():
        if values and sorted(values)[len(values) // 2] > PERCENT_SUSPICION:
            median = sorted(values)[len(values) // 2]
            yield (
                f"{name}: {column} has a median of {median:g}, that is {median:.0%} a year; rates are "
                "fractions (0.35 for 35 %): are these percentages?"
            )
