"""Series of numbers by time from a user's file: read whole, or refused with every bad line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from yieldtrade.errors import LoadError
from yieldtrade.sources.number_series import read_series

NOON = datetime(2025, 8, 22, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("time", ["2025-08-22T12:00:00Z", str(int(NOON)), "2025-08-22T14:00:00+02:00"])
def test_times_are_iso_with_a_zone_or_seconds(time):
    """Each form gives the same second; columns of no interest are passed over."""
    found = read_series(f"at,price,remark\n{time},3.9,x\n".encode(), "p.csv", ["price"], ["target"])
    assert found.seconds.tolist() == [NOON]
    assert {name: values.tolist() for name, values in found.values.items()} == {"price": [3.9]}


def test_json_lines_read_the_same():
    """A form is told by the ending of the name."""
    data = b'{"time": 10, "weight": 0.3, "target": 0.32}\n{"time": 20, "weight": 0.31, "target": 0.32}\n'
    found = read_series(data, "w.jsonl", ["weight"], ["target"])
    assert found.values["target"].tolist() == [0.32, 0.32]


def test_every_bad_line_is_told():
    """A zone that is missing, a word for a number, an empty cell, a row too short."""
    data = b"time,price\n2025-08-22T12:00:00,3\n2025-08-22,abc\n2025-08-22,\n2025-08-22\n2025-08-23,nan\n"
    with pytest.raises(LoadError, match=r"p\.csv: 5 bad rows") as refused:
        read_series(data, "p.csv", ["price"])
    said = refused.value.problems
    assert [line.split(" ")[0] for line in said] == [f"p.csv:{n}:" for n in (2, 3, 4, 5, 6)]
    assert "has no time zone" in said[0]
    assert "price = 'abc' is not a finite number" in said[1]
    assert "has 1 cells where the header has 2" in said[3]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"price\n3\n", r"its columns price lack a time \(one of time, at, timestamp, date\)"),
        (b"time,weight\n1,3\n", "its columns time, weight lack price"),
        (b"time,price\n", "p.csv has no rows"),
        (b"", "p.csv is empty"),
    ],
)
def test_what_is_no_such_table_is_refused(data, message):
    """The message says what is lacking."""
    with pytest.raises(LoadError, match=message):
        read_series(data, "p.csv", ["price"])
