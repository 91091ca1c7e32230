"""Oracles: worked examples and figures the venue printed, exact fractions, a calendar walked by day, pandas."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from yieldtrade.conventions import apr_from_apy, apy_from_apr
from yieldtrade.errors import DomainError, MarketDefinitionError
from yieldtrade.pool.fees import (
    fee_apr,
    lp_fee_share,
    pool_share,
    publication_times,
    revenue_example,
    trade_fee_revenue,
)
from yieldtrade.pool.parameters import stated_parameters

GOLDEN = Path(__file__).parents[1] / "golden"
JUPITER = json.loads((GOLDEN / "jupiter_fees.json").read_text())["cases"]
APR_APY = json.loads((GOLDEN / "apr_apy.json").read_text())["cases"]
MICRO = 10**6
WEEK = 604_800
NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)


def of_kind(*kinds):
    """Return the golden cases of some kinds."""
    return [case for case in JUPITER if case["kind"] in kinds]


# Who gets the fees.

SHARED = ("open_close", "borrow", "swap", "mint_burn")


@pytest.mark.parametrize("kind", SHARED)
def test_the_pool_gets_its_share_of_every_fee(kind):
    """Of $200 of fees the pool keeps three quarters at a share of 75 %."""
    params = stated_parameters({"fees.pool_share": 0.75})
    assert pool_share(200, kind, params) == 150
    assert pool_share([0, 4], kind, params).tolist() == [0, 3]


def test_what_a_liquidation_leaves_goes_to_one_receiver():
    """The pool gets all of it or, in the first weeks, nothing; the share of fees does not matter."""
    to = "fees.liquidation_remainder_to"
    assert pool_share(48.36, "liquidation", stated_parameters({to: "pool"})) == 48.36
    assert pool_share(48.36, "liquidation", stated_parameters({to: "trader"})) == 0
    with pytest.raises(MarketDefinitionError, match="'nobody' must be pool or trader"):
        pool_share(1, "liquidation", stated_parameters({to: "nobody"}))


def test_shares_that_are_unknown_or_impossible_are_refused():
    """A share nobody published is asked for by name; kinds, fees and shares have their domains."""
    nothing, half = stated_parameters({}), stated_parameters({"fees.pool_share": 0.5})
    with pytest.raises(MarketDefinitionError, match=r"has no fees.pool_share for 1970-01-01"):
        pool_share(1, "swap", nothing)
    with pytest.raises(MarketDefinitionError, match=r"has no fees.liquidation_remainder_to"):
        pool_share(1, "liquidation", nothing)
    with pytest.raises(DomainError, match="kind = 'funding'"):
        pool_share(1, "funding", half)
    with pytest.raises(DomainError, match=r"fee_usd\[1\] = -1.0 must be 0 or more"):
        pool_share([1, -1], "swap", half)
    with pytest.raises(DomainError, match=r"share = 1.5 must lie between 0 and 1"):
        pool_share(1, "swap", stated_parameters({"fees.pool_share": 1.5}))


@pytest.mark.parametrize("case", of_kind("lp_fee_share"), ids=lambda case: case["id"])
def test_the_worked_examples_of_a_provider_of_liquidity(case):
    """Fees of a volume and a contribution's part of them match the documents of each time."""
    given_, expect = case["in"], case["expect"]
    volume, fee, share = given_["volume_usd"], given_["fee_rate"], given_["pool_share"]
    part = lp_fee_share(given_["contribution_usd"], given_["tvl_usd"])
    result = revenue_example(volume, fee, share, given_["contribution_usd"], given_["tvl_usd"])
    near = {"abs": case["tolerance"]}
    assert result.pool_fees_usd == pytest.approx(expect["pool_fees_usd"], **near)
    assert result.lp_fees_usd == pytest.approx(expect["user_fees_usd"], **near)
    assert result.lp_share == part
    revenue = trade_fee_revenue(volume, fee * 1e4, share)
    assert revenue == pytest.approx(expect["pool_fees_usd"], **near)
    assert part * revenue == pytest.approx(expect["user_fees_usd"], **near)


def test_the_example_of_every_date():
    """$50M at 10, 8 and 6 bps, shared 70, 75 and 75 %, earn $1,000 of $4M $8.75, $7.50 and $5.625 (pool.md 8)."""
    result = revenue_example(50e6, [0.001, 0.0008, 0.0006], [0.70, 0.75, 0.75], 1_000, 4e6)
    assert result.pool_fees_usd == pytest.approx([35_000, 30_000, 22_500], abs=1e-9)
    assert result.lp_share == 0.00025
    assert result.lp_fees_usd == pytest.approx([8.75, 7.50, 5.625], abs=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: trade_fee_revenue(-1, 6, 0.7), "volume_usd = -1.0 must be 0 or more"),
        (lambda: trade_fee_revenue(1, -6, 0.7), "base_bps = -6.0 must be 0 or more"),
        (lambda: trade_fee_revenue(1, 6, [0.7, 1.1]), r"share\[1\] = 1.1 must lie between 0 and 1"),
        (lambda: lp_fee_share(1, 0), "pool_usd = 0.0 must be above 0"),
        (lambda: lp_fee_share(-1, 5), "contribution_usd = -1.0 must be 0 or more"),
        (lambda: lp_fee_share(6, 5), "contribution_usd = 6.0 exceeds pool_usd"),
        (lambda: revenue_example(1, math.nan, 0.7, 1, 2), "fee_rate = nan is not a finite number"),
        (lambda: revenue_example(True, 0.1, 0.7, 1, 2), "volume_usd"),
        (lambda: fee_apr(1, 0, WEEK), "pool_usd = 0.0 must be above 0"),
        (lambda: fee_apr(1, 1, 0), "seconds = 0.0 must be above 0"),
        (lambda: fee_apr([1, -1], 1, WEEK), r"fees_to_pool_usd\[1\] = -1.0 must be 0 or more"),
        (lambda: fee_apr(1.0, 1, WEEK, exact=True), "fees_to_pool_usd = 1.0 is not an integer"),
        (lambda: fee_apr(1, 1, 1.5, exact=True), "seconds = 1.5 is not an integer"),
        (lambda: fee_apr(1, 0, WEEK, exact=True), "pool_usd = 0 must be 1 or more"),
        (lambda: fee_apr(1, 1, 0, exact=True), "seconds = 0 must be 1 or more"),
        (lambda: fee_apr(-1, 1, WEEK, exact=True), "fees_to_pool_usd = -1 must be 0 or more"),
    ],
)
def test_revenues_outside_their_domain_are_refused(call, message):
    """A negative volume, fee or contribution, a share above 1 and a pool of nothing are refused."""
    with pytest.raises(DomainError, match=message):
        call()


# The yield of the fees.


def test_a_week_of_fees_makes_the_printed_yield():
    """$4.2M to a $1.1B pool in 7 days is an APR of 19.909 % and an APY of 22.023 % (pool.md 15)."""
    apr = fee_apr(4.2e6, 1.1e9, WEEK)
    assert apr == pytest.approx(0.19909, abs=5e-6)
    assert apy_from_apr(apr) == pytest.approx(0.22023, abs=5e-6)
    assert fee_apr(4_200_000 * MICRO, 1_100_000_000 * MICRO, WEEK, exact=True) == 1_990


@pytest.mark.parametrize("case", APR_APY, ids=lambda case: case["id"])
def test_fees_that_make_a_published_apr_make_its_published_apy(case):
    """The week's fees behind a published APR give that APR back and, compounded daily, the published APY."""
    apr = case["in"]["apr_pct"] / 100
    pool = 1.1e9
    found = fee_apr(apr * pool * WEEK / 31_536_000, pool, WEEK)
    assert found == pytest.approx(apr, rel=1e-14)
    assert round(100 * apy_from_apr(found), 2) == case["expect"]["apy_pct"]


@given(st.integers(0, 10**13), st.integers(1, 10**16), st.integers(1, 10**7))
@settings(max_examples=50)
def test_the_exact_apr_is_the_apr_rounded_down_to_a_bp(fees, pool, seconds):
    """In integers the APR is the exact fraction rounded down; in floats it is the fraction."""
    fraction = Fraction(fees, pool) * Fraction(365 * 86_400, seconds)
    assert fee_apr(fees, pool, seconds, exact=True) == math.floor(fraction * 10_000)
    assert fee_apr(fees, pool, seconds) == pytest.approx(float(fraction), rel=1e-14)


@given(st.floats(0, 5e7), st.floats(1e7, 5e9))
@settings(max_examples=50)
def test_the_yield_of_a_week_survives_the_round_trip_to_apy(fees, pool):
    """The APY of a week's fees converts back to their APR (pool.md 15)."""
    apr = fee_apr(fees, pool, WEEK)
    assume(apr < 100)
    assert apr_from_apy(apy_from_apr(apr)) == pytest.approx(apr, rel=1e-12, abs=1e-15)


# When it is published.

MONDAYS = stated_parameters({"publication.weekday": "Monday", "publication.hour_utc": 18})
FRIDAYS = stated_parameters(
    {"publication.weekday": "Friday", "publication.hour_utc": 21, "publication.tolerance_hours": 7}
)


def test_the_figure_is_published_on_mondays_at_18():
    """June 2024 held four Mondays; both ends of the range are included."""
    start, end = datetime(2024, 6, 3, 18, tzinfo=UTC), datetime(2024, 6, 24, 18, tzinfo=UTC)
    times = publication_times(start, end, MONDAYS)
    assert [(time.at.day, time.at.hour, time.at.strftime("%A")) for time in times] == [
        (3, 18, "Monday"),
        (10, 18, "Monday"),
        (17, 18, "Monday"),
        (24, 18, "Monday"),
    ]
    assert all(time.earliest == time.at for time in times)
    step = timedelta(microseconds=1)
    assert publication_times(start + step, end - step, MONDAYS) == times[1:3]
    assert publication_times(start + step, start + 2 * step, MONDAYS) == ()


def test_a_tolerance_states_the_earliest_moment():
    """The eight changes of 2026 were out by Fridays 21:00 and none before 14:00 UTC."""
    (time,) = publication_times(NOON, NOON + timedelta(days=6), FRIDAYS)
    assert time.at == datetime(2025, 9, 5, 21, tzinfo=UTC)
    assert time.earliest == datetime(2025, 9, 5, 14, tzinfo=UTC)


@given(
    st.datetimes(datetime(1960, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 - the zone is added below
    st.integers(0, 120),
    st.sampled_from(["Monday", "tuesday", "Wednesday", "THURSDAY", "Friday", "Saturday", "Sunday"]),
    st.integers(0, 23),
)
def test_publications_are_those_of_a_calendar_walked_day_by_day(start, days, weekday, hour):
    """Walking the days and keeping those of the weekday gives the same instants, and so does pandas."""
    first = start.replace(tzinfo=UTC)
    last = first + timedelta(days=days, hours=5)
    params = stated_parameters({"publication.weekday": weekday, "publication.hour_utc": hour})
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    walked = [midnight + timedelta(days=i, hours=hour) for i in range(days + 2)]
    expected = [day for day in walked if first <= day <= last and f"{day:%A}".lower() == weekday.lower()]
    found = [time.at for time in publication_times(first, last, params)]
    assert found == expected
    ranged = pd.date_range(midnight, last, freq=f"W-{weekday[:3].upper()}") + pd.Timedelta(hours=hour)
    assert found == [stamp for stamp in ranged if first <= stamp <= last]


def test_moments_of_another_zone_are_answered_in_utc():
    """A range given in another zone is the same range; the answer is in UTC."""
    zone = timezone(timedelta(hours=-7))
    start, end = datetime(2024, 6, 1, tzinfo=zone), datetime(2024, 6, 15, tzinfo=zone)
    times = publication_times(start, end, MONDAYS)
    assert times == publication_times(start.astimezone(UTC), end.astimezone(UTC), MONDAYS)
    assert len(times) == 2
    assert all(time.at.tzinfo is UTC for time in times)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"publication.weekday": "Monday"}, "has no publication.hour_utc"),
        ({"publication.hour_utc": 18}, "has no publication.weekday"),
        ({"publication.weekday": "Mon", "publication.hour_utc": 18}, "'Mon' is not a weekday"),
        ({"publication.weekday": "Monday", "publication.hour_utc": 24}, "24.0 must lie in"),
        (
            {
                "publication.weekday": "Monday",
                "publication.hour_utc": 1,
                "publication.tolerance_hours": -1,
            },
            r"tolerance_hours = -1.0 must lie in \[0, 168\]",
        ),
    ],
)
def test_a_calendar_that_is_none_is_refused(values, message):
    """An unknown or impossible calendar is a configuration error that names the parameter."""
    with pytest.raises(MarketDefinitionError, match=message):
        publication_times(NOON, NOON, stated_parameters(values))


def test_ranges_of_publications_are_checked():
    """A moment without a zone and an end before the start are refused."""
    with pytest.raises(DomainError, match=r"start = .* has no time zone"):
        publication_times(NOON.replace(tzinfo=None), NOON, MONDAYS)
    with pytest.raises(DomainError, match=r"end = .* has no time zone"):
        publication_times(NOON, NOON.replace(tzinfo=None), MONDAYS)
    with pytest.raises(DomainError, match="lies before start"):
        publication_times(NOON, NOON - timedelta(seconds=1), MONDAYS)
