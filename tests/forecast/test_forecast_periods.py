"""Interest periods: which days a published figure covers, and when it comes."""

from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import MarketDefinitionError
from yieldtrade.forecast.periods import Calendar, calendar
from yieldtrade.market import Parameter, Terms

MONDAY = Calendar(weekday=0, hour_utc=18, compounding=365)
FRIDAY = Calendar(weekday=4, hour_utc=21, compounding=365)


def terms(**values):
    """Terms that hold these values; double underscores stand for dots."""
    known = {
        name.replace("__", "."): Parameter(
            name=name,
            value=value,
            unit="",
            valid_from=datetime(2024, 1, 1, tzinfo=UTC),
            basis="documentation",
            source="",
        )
        for name, value in values.items()
    }
    return Terms(owner="JLP", parameters=MappingProxyType(known))


def test_monday_publication_covers_monday_to_sunday():
    """The figure of Monday 5 January 2026 covers 29 December to 4 January."""
    number = MONDAY.number(np.datetime64("2026-01-01"))
    assert MONDAY.first_day(number) == np.datetime64("2025-12-29")
    assert MONDAY.start(number + 1) == datetime(2026, 1, 5, tzinfo=UTC)
    assert MONDAY.published(number) == datetime(2026, 1, 5, 18, tzinfo=UTC)


def test_friday_publication_covers_friday_to_thursday():
    """After the change of 2026 a period runs from Friday to Thursday."""
    number = FRIDAY.number(np.datetime64("2026-03-05"))
    assert FRIDAY.first_day(number) == np.datetime64("2026-02-27")
    assert FRIDAY.published(number) == datetime(2026, 3, 6, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "first"),
    [
        (datetime(2026, 1, 5, 17, 59, tzinfo=UTC), "2025-12-29"),
        (datetime(2026, 1, 5, 18, 0, tzinfo=UTC), "2026-01-05"),
        (datetime(2026, 1, 8, tzinfo=UTC), "2026-01-05"),
    ],
)
def test_running_period_is_the_first_not_published(moment, first):
    """Between its last day and its publication a period is still the running one."""
    assert MONDAY.first_day(MONDAY.running(moment)) == np.datetime64(first)


@given(
    st.integers(min_value=-40_000, max_value=40_000),
    st.integers(min_value=0, max_value=6),
)
def test_every_day_lies_in_its_period(day, weekday):
    """A day lies between the first day of its period and that of the next, a week later on the weekday."""
    cal = Calendar(weekday=weekday, hour_utc=0, compounding=365)
    when = np.datetime64(day, "D")
    number = cal.number(when)
    assert cal.first_day(number) <= when < cal.first_day(number + 1)
    assert cal.start(number).weekday() == weekday
    assert cal.start(number + 1) - cal.start(number) == timedelta(days=7)
    assert cal.numbers(np.array([when]))[0] == number


def test_calendar_reads_the_terms():
    """The weekday is written as a word, in any case."""
    read = calendar(
        terms(publication__weekday="friday", publication__hour_utc=21, publication__compounding_periods=365)
    )
    assert read == FRIDAY


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "no publication.weekday"),
        ({"publication__weekday": "Someday"}, "not a weekday"),
        ({"publication__weekday": "Monday", "publication__hour_utc": 24}, r"\[0, 24\)"),
        (
            {
                "publication__weekday": "Monday",
                "publication__hour_utc": 18,
                "publication__compounding_periods": 0,
            },
            "above 0",
        ),
    ],
)
def test_calendar_refuses_what_it_cannot_read(values, message):
    """A missing or senseless term is named, with its pool."""
    with pytest.raises(MarketDefinitionError, match=message):
        calendar(terms(**values))
