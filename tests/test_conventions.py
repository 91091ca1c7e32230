"""Oracles: APR and APY pairs published by Jupiter, Pendle's library, hand counts of seconds and days."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.conventions import (
    apr_from_apy,
    apy_from_apr,
    check_code_agrees,
    continuous_from_apy,
    epoch_start,
    growth_from_apy,
    growth_from_index,
    iso,
    parse_contract_code,
    parse_instant,
    utc,
    year_fraction,
)
from yieldtrade.errors import DomainError, MarketDefinitionError

GOLDEN = Path(__file__).parent / "golden"
# The pairs printed in tokens.md 2 beside those of the golden file; Jupiter shows two decimals of a percent.
PUBLISHED = [(10.93, 11.55), (42.21, 52.48), (18.89, 20.79)] + [
    (case["in"]["apr_pct"], case["expect"]["apy_pct"])
    for case in json.loads((GOLDEN / "apr_apy.json").read_text())["cases"]
]
INDEX_READINGS = [
    case
    for case in json.loads((GOLDEN / "pendle_apy.json").read_text())["cases"]
    if case["kind"] == "underlying_interest_apy"
]
moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def at(*parts):
    """Return an instant in UTC."""
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(("apr", "apy"), PUBLISHED)
def test_jupiters_pairs_compound_daily(apr, apy):
    """Every published APR gives its published APY at two decimals with 365 periods a year."""
    assert round(100 * apy_from_apr(apr / 100, 365), 2) == apy


def test_weekly_compounding_does_not_explain_the_pairs():
    """With 52 periods most published pairs fail, so the daily basis is not a matter of taste."""
    misses = sum(round(100 * apy_from_apr(apr / 100, 52), 2) != apy for apr, apy in set(PUBLISHED))
    assert misses > len(set(PUBLISHED)) / 2


@given(st.floats(-0.9, 30.0), st.sampled_from([1, 12, 52, 365, 8760, 31_536_000]))
def test_apr_and_apy_invert_each_other(apy, periods):
    """APY to APR and back returns the rate, at any compounding."""
    apr = apr_from_apy(apy, periods)
    # a relative rounding of the APR moves ln(1+APY) by as much
    assert apy_from_apr(apr, periods) == pytest.approx(apy, rel=1e-13, abs=1e-15)


@given(st.floats(0.001, 5.0))
def test_apr_lies_between_the_continuous_rate_and_the_apy(apy):
    """More periods mean a lower APR for one APY, down to the continuous rate; one period is the APY."""
    continuous = continuous_from_apy(apy)
    assert continuous <= apr_from_apy(apy, 365) <= apr_from_apy(apy, 12) <= apy * (1 + 1e-15)
    assert apr_from_apy(apy, 1) == pytest.approx(apy, rel=1e-15)
    assert apr_from_apy(apy, 1e9) == pytest.approx(continuous, rel=1e-8)


@pytest.mark.parametrize("case", INDEX_READINGS, ids=lambda case: case["id"])
def test_index_growth_annualises_as_pendles_library(case):
    """Growth between two readings, compounded to a year, is Pendle's underlying APY."""
    growth = growth_from_index(case["in"]["prevSyIndex"], case["in"]["syIndex"])
    periods = 365 / min(case["in"]["syAgeInDays"], 7)
    # (1+g)^periods is the APY of an APR of g*periods at that many periods
    apy = apy_from_apr(growth * periods, periods)
    # an index with 16 digits fixes g to 2e-16, which the power multiplies by periods*(1+apy)
    assert apy == pytest.approx(case["expect"]["value"], rel=1e-12, abs=1e-12)


@given(st.floats(-0.9, 10.0), st.floats(0.0, 5.0), st.floats(0.0, 5.0))
def test_growth_compounds(apy, first, second):
    """Growth over two spans one after the other is growth over both."""
    both = (1 + growth_from_apy(apy, first)) * (1 + growth_from_apy(apy, second)) - 1
    assert growth_from_apy(apy, first + second) == pytest.approx(both, rel=1e-12, abs=1e-13)


def test_growth_of_one_year_is_the_apy():
    """One year of growth is the APY, none is 0, and an index gives R1/R0 - 1."""
    assert growth_from_apy(0.35, 1) == pytest.approx(0.35, rel=1e-15)
    assert growth_from_apy(0.35, 0) == 0
    assert growth_from_index(1.25, 1.5) == 0.2
    assert growth_from_index([1.25, 1.0], [1.5, 0.5]).tolist() == [0.2, -0.5]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: apy_from_apr(0.1, 0), "n = 0"),
        (lambda: apy_from_apr(-365, 365), "apr = -365"),
        (lambda: apr_from_apy(-1, 365), "apy = -1"),
        (lambda: continuous_from_apy(-1.5), "apy = -1.5"),
        (lambda: growth_from_apy(-1, 0.5), "apy = -1"),
        (lambda: growth_from_apy(math.nan, 0.5), "apy = nan"),
        (lambda: growth_from_index(0, 1), "start = 0"),
        (lambda: growth_from_index(1, [1, -1]), r"end\[1\] = -1"),
    ],
)
def test_rates_outside_their_domain_are_refused(call, named):
    """Impossible rates, periods and indices are refused by name and value."""
    with pytest.raises(DomainError, match=f"^{named}"):
        call()


def test_rate_conversions_take_arrays():
    """Arrays convert element by element, with NaN where asked."""
    assert np.allclose(apy_from_apr([0.1, 0.2], [[1], [2]]), [[0.1, 0.2], [0.1025, 0.21]])
    assert np.isnan(apr_from_apy([0.1, -1.0], on_error="nan")).tolist() == [False, True]


def test_a_year_is_always_31536000_seconds():
    """Time is seconds over 31,536,000, in leap years and across zones too; backwards it is negative."""
    assert year_fraction(at(2025, 1, 1), at(2026, 1, 1)) == 1.0
    assert year_fraction(at(2024, 1, 1), at(2025, 1, 1)) == 366 / 365
    assert year_fraction(at(2024, 1, 1), at(2024, 1, 1, 0, 0, 1)) == 1 / 31_536_000
    assert year_fraction(at(2026, 1, 1), at(2025, 1, 1)) == -1.0
    shanghai = timezone(timedelta(hours=8))
    assert year_fraction(at(2025, 1, 1), datetime(2025, 1, 1, 8, tzinfo=shanghai)) == 0.0


@pytest.mark.parametrize(
    "call",
    [
        utc,
        iso,
        lambda naive: year_fraction(naive, at(2025, 1, 1)),
        lambda naive: year_fraction(at(2025, 1, 1), naive),
        lambda naive: epoch_start(naive, at(2024, 1, 1), 604_800),
        lambda naive: epoch_start(at(2025, 1, 1), naive, 604_800),
        lambda naive: check_code_agrees("JLP-2411", naive),
    ],
)
def test_naive_datetimes_are_refused(call):
    """A datetime without a zone is refused wherever an instant is taken, and shown in the message."""
    with pytest.raises(DomainError, match="2024-11-28T00:00:00 has no time zone"):
        call(datetime(2024, 11, 28))  # noqa: DTZ001


def test_a_boundary_begins_the_new_epoch():
    """At a boundary the new period has begun; a microsecond earlier the old one still runs."""
    anchor, week = at(2024, 9, 2, 8), timedelta(days=7)
    for k in (-3, -1, 0, 1, 52):
        boundary = anchor + k * week
        assert epoch_start(boundary, anchor, 604_800) == boundary
        assert epoch_start(boundary - timedelta(microseconds=1), anchor, 604_800) == boundary - week
        assert epoch_start(boundary + week / 2, anchor, 604_800) == boundary


@given(moments, st.sampled_from([3600, 86_400, 604_800, 1209.5]))
def test_a_moment_lies_in_its_epoch(moment, length):
    """The epoch begins at or before the moment, ends after it, and stands whole lengths from the anchor."""
    anchor = at(2024, 9, 2, 8)
    start = epoch_start(moment, anchor, length)
    assert start <= moment < start + timedelta(seconds=length)
    assert ((start - anchor) / timedelta(seconds=length)).is_integer()


@pytest.mark.parametrize("length", [0, -1, math.nan, math.inf])
def test_an_epoch_needs_a_length(length):
    """A length that is not a positive number is refused."""
    with pytest.raises(DomainError, match="epoch_seconds"):
        epoch_start(at(2025, 1, 1), at(2024, 1, 1), length)


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("JLP-2411", ("JLP", 2024, 11, None)),
        ("YT-JLP-2506", ("JLP", 2025, 6, None)),
        ("PT-ONyc-10JAN27", ("ONyc", 2027, 1, 10)),
        ("ST-SOL-2412", ("SOL", 2024, 12, None)),
        ("sUSDe-x-7FEB26", ("sUSDe-x", 2026, 2, 7)),
        ("ONyc-10jan27", ("ONyc", 2027, 1, 10)),
        ("X-29FEB28", ("X", 2028, 2, 29)),
        (" JLP-2411 ", ("JLP", 2024, 11, None)),
    ],
)
def test_contract_codes_are_read(code, parts):
    """YYMM and DDMMMYY are read after the last hyphen, with or without the name of a token in front."""
    assert tuple(parse_contract_code(code)) == parts


def test_four_digits_are_never_a_day():
    """2506 is June 2025, not the 25th of June."""
    assert parse_contract_code("JLP-2506")[1:] == (2025, 6, None)


@pytest.mark.parametrize(
    "code",
    ["JLP", "JLP-", "-2411", "JLP-2413", "JLP-2400", "JLP-24111", "X-31FEB27", "X-00JAN27", "X-10JUX27", ""],
)
def test_other_codes_are_refused(code):
    """Anything else, even an impossible month or day, is a MarketDefinitionError that shows the code."""
    with pytest.raises(MarketDefinitionError, match="contract code"):
        parse_contract_code(code)


@pytest.mark.parametrize(
    ("code", "maturity"),
    [
        ("JLP-2412", at(2024, 12, 28)),
        ("JLP-2506", at(2025, 6, 28)),
        ("JLP-2609", at(2026, 9, 29)),
        ("ONyc-10JAN27", at(2027, 1, 10, 12)),
    ],
)
def test_a_maturity_may_agree_with_its_code(code, maturity):
    """A maturity on any day of the coded month, or on the coded day, agrees."""
    check_code_agrees(code, maturity)


@pytest.mark.parametrize(
    ("code", "maturity"),
    [
        ("JLP-2412", at(2024, 11, 28)),
        ("JLP-2412", at(2025, 12, 28)),
        ("ONyc-10JAN27", at(2027, 1, 11)),
        # 00:30 of 1 December in Shanghai is still November in UTC
        ("JLP-2412", datetime(2024, 12, 1, 0, 30, tzinfo=timezone(timedelta(hours=8)))),
    ],
)
def test_a_maturity_may_contradict_its_code(code, maturity):
    """Another year, month or coded day, counted in UTC, is a MarketDefinitionError."""
    with pytest.raises(MarketDefinitionError, match=code):
        check_code_agrees(code, maturity)


def test_instants_are_read_and_written():
    """A date is its start in UTC, a time carries its zone, and both are written alike."""
    assert parse_instant("2025-12-31") == at(2025, 12, 31)
    assert parse_instant("2025-12-31T18:00:00Z") == at(2025, 12, 31, 18)
    assert parse_instant("2025-12-31T18:00:00+08:00") == at(2025, 12, 31, 10)
    assert iso(parse_instant("2025-12-31T18:00:00+08:00")) == "2025-12-31T10:00:00Z"


@pytest.mark.parametrize("text", ["2025-12-31T18:00:00", "tomorrow", "31/12/2025", ""])
def test_other_instants_are_refused(text):
    """A time without a zone and anything that is not a time are refused."""
    with pytest.raises(DomainError, match="moment"):
        parse_instant(text)
