"""Oracles: printed examples and decoded trades, 60-digit decimals, a ring buffer walked second by second."""

import json
import math
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_CEILING, Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.pool.fees import (
    Trade,
    additive_impact_bps,
    delta_imbalance,
    linear_impact_bps,
    open_close_fee,
)
from yieldtrade.pool.integers import dceil, whole, whole_units
from yieldtrade.pool.parameters import TradeParameters

GOLDEN = Path(__file__).parents[1] / "golden"
JUPITER = json.loads((GOLDEN / "jupiter_fees.json").read_text())["cases"]

# SOL from June 2025 on (pool.md 2).
SOL = TradeParameters(
    base_bps=6, scalar_usd=1.25e9, threshold_usd=0.75e6, factor_bps=1, exponent=1, cap_bps=50
)
BASE_ONLY = TradeParameters(base_bps=6)
LINEAR = TradeParameters(base_bps=6, scalar_usd=1.25e9)
MICRO = 10**6

sizes = st.integers(0, 5_000_000 * MICRO)
imbalances = st.integers(-60_000_000 * MICRO, 60_000_000 * MICRO)
markets = st.builds(
    TradeParameters,
    base_bps=st.integers(0, 20),
    scalar_usd=st.integers(10**8, 10**10),
    threshold_usd=st.integers(10**4, 10**7),
    factor_bps=st.integers(1, 12).map(lambda n: 1 / n),
    exponent=st.sampled_from([0, 0.5, 1, 1.25, 1.5, 2, 3]),
    cap_bps=st.integers(0, 5_000),
)
caps = st.sampled_from(["total", "impact"])


def of_kind(*kinds):
    """Return the golden cases of some kinds."""
    return [case for case in JUPITER if case["kind"] in kinds]


def changed(params, **change):
    """Return parameters with some of them changed."""
    return TradeParameters(**{f.name: getattr(params, f.name) for f in fields(params)} | change)


def numbers(fee):
    """Return the numeric fields of a breakdown."""
    return [getattr(fee, f.name) for f in fields(fee) if f.name != "capped_by"]


# Open and close fees.


@pytest.mark.parametrize("case", of_kind("base_fee"), ids=lambda case: case["id"])
def test_the_base_fee_is_the_printed_one(case):
    """Without impact a trade pays its base fee, as the documentation's example."""
    params = TradeParameters(base_bps=case["in"]["fee_bps"])
    fee = open_close_fee(case["in"]["size_usd"], 0, params)
    assert fee.total_usd == pytest.approx(case["expect"]["fee_usd"], abs=case["tolerance"])
    assert (fee.base, fee.linear, fee.additive, fee.capped_by) == (fee.total_usd, 0, 0, None)


@pytest.mark.parametrize("case", of_kind("linear_impact_usd"), ids=lambda case: case["id"])
def test_the_linear_impact_is_size_times_size_over_the_scalar(case):
    """The linear part matches the golden fee, whether the scalar comes alone or with the market."""
    size, scalar = case["in"]["size_usd"], case["in"]["scalar_usd"]
    params = TradeParameters(base_bps=0, scalar_usd=scalar)
    for given_ in (params, scalar):
        fee = size * linear_impact_bps(size, given_) / 1e4
        assert fee == pytest.approx(case["expect"]["fee_usd"], abs=case["tolerance"])
    assert open_close_fee(size, 0, params).linear == pytest.approx(fee, rel=1e-15)


@pytest.mark.parametrize("case", of_kind("price_impact_bps"), ids=lambda case: case["id"])
def test_the_additive_impact_gives_the_published_total(case):
    """A trade in a lopsided minute pays the published bps, and one more by the program's ceilings."""
    given_, expect, tolerance = case["in"], case["expect"], case["tolerance"]
    params = TradeParameters(
        base_bps=given_["base_bps"],
        scalar_usd=given_["scalar_usd"],
        threshold_usd=given_["threshold_usd"],
        factor_bps=given_["factor_bps"],
        exponent=given_["exponent"],
        cap_bps=given_["max_bps"],
    )
    size, imbalance = given_["size_usd"], given_["imbalance_before_usd"] + given_["size_usd"]
    fee = open_close_fee(size, imbalance, params)
    assert fee.total_bps == pytest.approx(expect["total_bps"], abs=tolerance["total_bps"])
    exact = open_close_fee(int(size) * MICRO, int(imbalance) * MICRO, params, True)
    assert exact.total_bps == expect["total_bps_onchain_ceilings"]
    assert exact.total_usd == int(size) * MICRO * exact.total_bps // 10_000


def test_the_parts_of_the_published_example():
    """6 + 0.8 + 6.8 bps of $100k: by hand 100k/1.25e9 = 0.8 bps and 5.1M/0.75M = 6.8 bps."""
    fee = open_close_fee(100_000, -5.1e6, SOL)
    assert numbers(fee) == pytest.approx([60, 8, 68, 136, 13.6], rel=1e-12)
    exact = open_close_fee(100_000 * MICRO, -5_100_000 * MICRO, SOL, exact=True)
    assert numbers(exact) == [60 * MICRO, 10 * MICRO, 70 * MICRO, 140 * MICRO, 14]
    assert all(isinstance(number, int) for number in numbers(exact))
    assert fee.capped_by is exact.capped_by is None


def test_additive_impact_begins_above_the_threshold():
    """At $2M it is 2.667 bps (exact 3); at the threshold itself it is 0, just above it a bp (exact 2)."""
    assert additive_impact_bps(2e6, SOL) == pytest.approx(8 / 3, rel=1e-15)
    assert additive_impact_bps(2_000_000 * MICRO, SOL, exact=True) == 3
    assert additive_impact_bps([0.75e6, -0.75e6], SOL).tolist() == [0, 0]
    assert additive_impact_bps(750_000 * MICRO, SOL, exact=True) == 0
    assert additive_impact_bps(math.nextafter(0.75e6, 1e9), SOL) == pytest.approx(1)
    assert additive_impact_bps(-750_000 * MICRO - 1, SOL, exact=True) == 2


def test_a_real_open_paid_seven_bps():
    """The open of $26,478.24 on 2025-04-26 paid 6 bps and one for the rounded-up linear impact of 0.21."""
    fee = open_close_fee(26_478_240_000, 0, LINEAR, exact=True)
    assert fee.total_bps == 7
    assert fee.total_usd == 18_534_768
    assert open_close_fee(26_478.24, 0, LINEAR).total_bps == pytest.approx(6.2118, abs=5e-5)


@pytest.mark.parametrize(
    "case",
    [case for case in of_kind("onchain_round_trip") if case["id"] != "trade-03"],
    ids=lambda case: case["id"],
)
def test_decoded_opens_without_impact_paid_six_bps(case):
    """Opens of April 2025 that paid no impact paid 6 bps, to the printed cent (trade-03 paid impact)."""
    size = round(case["in"]["size_usd"] * MICRO)
    fee = open_close_fee(size, 0, BASE_ONLY, exact=True)
    assert fee.total_usd / MICRO == pytest.approx(case["in"]["open_fee_usd"], abs=0.01)


def test_three_times_the_scalar_makes_the_documented_linear_fee():
    """At the scalar of 3.75e9 the linear fee on $10,000 is $0.0267, at 1.25e9 $0.08 (pool.md 3)."""
    fees = open_close_fee(10_000, 0, changed(LINEAR, scalar_usd=[3.75e9, 1.25e9])).linear
    assert fees == pytest.approx([0.0267, 0.08], abs=5e-5)


def ceiling(number):
    """Round a decimal up."""
    return int(number.to_integral_value(ROUND_CEILING))


def exact_by_decimals(size, imbalance, params, cap):
    """Return the fee and its bps by 60-digit decimals: every ceiling of pool.md 3 in the order written."""
    with localcontext() as context:
        context.prec = 60
        linear = ceiling(Decimal(size) * 10_000 / (Decimal(str(params.scalar_usd)) * MICRO))
        additive, threshold = 0, Decimal(str(params.threshold_usd)) * MICRO
        if abs(imbalance) > threshold:
            power = (Decimal(abs(imbalance)) / threshold) ** Decimal(str(params.exponent))
            # 60 digits cannot tell a whole power from one a hair above it; what is within 1e-40 is whole.
            nearest = power.to_integral_value()
            power = nearest if abs(power - nearest) < Decimal("1e-40") else power
            additive = ceiling(Decimal(ceiling(power)) / round(1 / params.factor_bps))
        base, limit = int(params.base_bps), int(params.cap_bps)
        total = base + linear + additive
        if cap == "impact":
            total = base + min(linear + additive, limit)
        elif additive:
            total = min(total, limit)
        return ceiling(Decimal(size) * total / 10_000), total


@given(sizes, imbalances, markets, caps)
def test_the_exact_fee_is_that_of_long_decimals(size, imbalance, params, cap):
    """In integers the fee equals the written formula in 60-digit decimals, ceiling by ceiling."""
    fee = open_close_fee(size, imbalance, params, exact=True, cap=cap)
    expected = exact_by_decimals(size, imbalance, params, cap) if size else (0, 0)
    assert (fee.total_usd, fee.total_bps) == expected


@given(sizes, imbalances, markets, caps)
@example(1, 0, SOL, "total")
@example(5_000_000 * MICRO, 60_000_000 * MICRO, SOL, "total")
def test_exact_and_continuous_fees_differ_by_rounding_alone(size, imbalance, params, cap):
    """Each impact differs by at most a bp, upwards, and amounts by that and 1e-6 USD (pool.md 1)."""
    exact = open_close_fee(size, imbalance, params, exact=True, cap=cap)
    fee = open_close_fee(size / MICRO, imbalance / MICRO, params, cap=cap)
    slack = 1e-9 * (1 + fee.total_bps)
    for impact in ("linear", "additive"):
        bps = linear_impact_bps if impact == "linear" else additive_impact_bps
        units = size if impact == "linear" else imbalance
        continuous = bps(units / MICRO, params)
        assert (
            -1e-9 * (1 + continuous) <= bps(units, params, exact=True) - continuous <= 1 + 1e-9 * continuous
        )
    assert -slack <= exact.total_bps - fee.total_bps <= 2 + slack
    of_rounded_bps = Fraction(size * exact.total_bps, 10_000)
    assert 0 <= exact.total_usd - of_rounded_bps < 1
    assert exact.base / MICRO == pytest.approx(fee.base, abs=1.001e-6, rel=1e-12)
    parts = exact.base + exact.linear + exact.additive
    assert exact.capped_by or parts <= exact.total_usd <= parts + 3


@given(sizes, sizes, imbalances, imbalances, markets, caps)
def test_fees_are_not_negative_and_grow(size, more, imbalance, further, params, cap):
    """No part is negative; a larger trade pays more, a more lopsided minute no less unless capped lower."""
    small, large = sorted((size / MICRO, more / MICRO))
    near, far = sorted((imbalance / MICRO, further / MICRO), key=abs)
    fees = open_close_fee([small, large, large], [near, near, far], params, cap=cap)
    for column in numbers(fees):
        assert (column >= 0).all()
    assert fees.total_usd[0] <= fees.total_usd[1] * (1 + 1e-12)
    assert (np.diff(fees.base) >= 0).all()
    assert (np.diff(fees.linear) >= 0).all()
    assert fees.additive[2] >= fees.additive[1] * (1 - 1e-12)
    assert cap == "total" or fees.total_usd[2] >= fees.total_usd[1] * (1 - 1e-12)


def test_the_cap_limits_the_whole_fee_while_the_additive_part_is_active():
    """As in the program: 6 + 0.8 + 100 bps become 50, but 6 + 400 of a huge calm trade stay."""
    fee = open_close_fee(100_000, 75e6, SOL)
    assert (fee.total_bps, fee.total_usd, fee.capped_by) == (50, 500, "total")
    assert numbers(fee)[:3] == pytest.approx([60, 8, 1_000])
    calm = open_close_fee(50e6, 0.75e6, SOL)
    assert (calm.total_bps, calm.capped_by) == (pytest.approx(406), None)
    exact = open_close_fee(100_000 * MICRO, 75_000_000 * MICRO, SOL, exact=True)
    assert (exact.total_bps, exact.total_usd, exact.capped_by) == (50, 500 * MICRO, "total")
    assert open_close_fee(50_000_000 * MICRO, 0, SOL, exact=True).total_bps == 406


def test_the_documented_cap_limits_the_impact_always():
    """With cap="impact" the base comes on top of 50 bps, and a calm trade is limited too."""
    fees = open_close_fee([100_000, 50e6, 100_000], [75e6, 0, 2e6], SOL, cap="impact")
    assert fees.total_bps == pytest.approx([56, 56, 6 + 0.8 + 8 / 3])
    assert fees.capped_by.tolist() == ["impact", "impact", ""]
    exact = open_close_fee(50_000_000 * MICRO, 0, SOL, exact=True, cap="impact")
    assert (exact.total_bps, exact.capped_by) == (56, "impact")


def test_a_fee_just_at_the_cap_is_not_capped():
    """At $33M the additive part is 44 bps, and 6 + 44 just meet 50; at $37.5M the impact alone does."""
    params = TradeParameters(base_bps=6, threshold_usd=0.75e6, factor_bps=1, exponent=1, cap_bps=50)
    assert open_close_fee(1.0, 33e6, params).capped_by is None
    assert open_close_fee(1.0, 33e6 + 1, params).capped_by == "total"
    assert open_close_fee(1.0, 37.5e6, params, cap="impact").capped_by is None
    assert open_close_fee(1.0, 37.5e6 + 1, params, cap="impact").capped_by == "impact"
    assert open_close_fee(MICRO, 33_000_000 * MICRO, params, exact=True).capped_by is None
    assert open_close_fee(MICRO, 33_000_000 * MICRO + 1, params, exact=True).capped_by == "total"


@pytest.mark.parametrize("params", [SOL, LINEAR, BASE_ONLY])
@pytest.mark.parametrize("cap", ["total", "impact"])
def test_a_size_of_nothing_pays_nothing(params, cap):
    """Every fee of a size of 0 is 0, even in a lopsided minute (pool.md 13)."""
    for exact in (False, True):
        fee = open_close_fee(0, 75_000_000 * MICRO, params, exact, cap=cap)
        assert numbers(fee) == [0] * 5
        assert fee.capped_by is None
        assert linear_impact_bps(0, params, exact=exact) == 0
    fees = open_close_fee([0, 100], 75e6, params, cap=cap)
    assert [column[0] for column in numbers(fees)] == [0] * 5
    assert fees.capped_by[0] == ""
    assert fees.total_usd[1] > 0


@given(st.lists(st.tuples(st.floats(0, 1e7), st.floats(-1e8, 1e8)), min_size=1, max_size=5), markets, caps)
def test_arrays_price_as_their_elements(trades, params, cap):
    """An array of trades pays what each pays alone, and says where the cap fell."""
    size, imbalance = (list(column) for column in zip(*trades, strict=True))
    fees = open_close_fee(size, imbalance, params, cap=cap)
    for i, (one_size, one_imbalance) in enumerate(trades):
        fee = open_close_fee(one_size, one_imbalance, params, cap=cap)
        assert [column[i] for column in numbers(fees)] == pytest.approx(numbers(fee), rel=1e-12)
        assert fees.capped_by[i] == (fee.capped_by or "")


def test_sizes_imbalances_and_parameters_broadcast():
    """Two sizes against three imbalances and three caps make a table of one shape."""
    fees = open_close_fee([[1e5], [2e5]], [0, 2e6, 75e6], changed(SOL, cap_bps=[50, 50, 20]))
    assert fees.total_bps.shape == fees.capped_by.shape == fees.base.shape == (2, 3)
    assert fees.total_bps[:, 2].tolist() == [20, 20]
    assert fees.capped_by.tolist() == [["", "", "total"]] * 2
    with pytest.raises(DomainError, match="do not broadcast"):
        open_close_fee([1, 2], [1, 2, 3], SOL)
    with pytest.raises(DomainError, match="do not broadcast"):
        open_close_fee([1, 2], 0, changed(SOL, cap_bps=[1, 2, 3]))


@pytest.mark.parametrize("exponent", [0, 0.25, 0.5, 1, 1.5, 2, 2.5, 3])
@pytest.mark.parametrize("root", [2, 3, 4])
def test_exact_powers_round_up_only_where_they_are_not_whole(root, exponent):
    """A base of root**4 over the threshold has a whole power root**(4e); 1e-6 USD more adds one bp."""
    params = changed(SOL, exponent=exponent, threshold_usd=1)
    power = root ** round(4 * exponent)
    assert additive_impact_bps(root**4 * MICRO, params, exact=True) == power
    assert additive_impact_bps(root**4 * MICRO + 1, params, exact=True) == power + (exponent > 0)


def test_the_fee_factor_divides_the_rounded_power():
    """A factor of 1/3 bp is a divisor of 3: of a power of 6.8, rounded to 7, it makes ceil(7/3) = 3."""
    assert additive_impact_bps(5_100_000 * MICRO, changed(SOL, factor_bps=1 / 3), exact=True) == 3
    assert additive_impact_bps(5.1e6, changed(SOL, factor_bps=1 / 3)) == pytest.approx(6.8 / 3)


@pytest.mark.parametrize("cap", ["total", "impact"])
def test_a_factor_of_nothing_switches_the_additive_part_off(cap):
    """As in the program, a factor of 0 charges no additive part in either form."""
    params = changed(SOL, factor_bps=0)
    fee = open_close_fee(100_000, 75e6, params, cap=cap)
    assert (fee.additive, fee.total_bps, fee.capped_by) == (0, pytest.approx(6.8), None)
    assert open_close_fee(100_000 * MICRO, 75_000_000 * MICRO, params, exact=True, cap=cap).total_bps == 7


@pytest.mark.parametrize("bad", [100_000.0, Fraction(1, 2), True, "1", None, [1, 2], Decimal(3)])
def test_the_exact_form_takes_integers_only(bad):
    """Nothing that is not an integer is rounded silently (pool.md 13)."""
    for call in (
        lambda: open_close_fee(bad, 0, SOL, exact=True),
        lambda: linear_impact_bps(bad, SOL, exact=True),
    ):
        with pytest.raises(DomainError, match="is not an integer"):
            call()
    with pytest.raises(DomainError, match=r"imbalance_usd = .* is not an integer"):
        open_close_fee(1, bad, SOL, exact=True)


def test_the_exact_form_takes_integers_of_numpy():
    """A numpy integer is a whole number and computes as Python's, without overflowing."""
    size = np.int64(5_000_000_000_000_000)
    fee = open_close_fee(size, np.int64(0), SOL, exact=True)
    assert (
        fee.total_usd
        == open_close_fee(int(size), 0, SOL, exact=True).total_usd
        == 5 * 10**15 * 40_006 // 10**4
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base_bps": 6.5}, r"base_bps = 6.5 is not a whole number"),
        ({"cap_bps": 49.5}, r"cap_bps = 49.5 is not a whole number"),
        ({"scalar_usd": 1e-7}, r"scalar_usd = 1e-07 is not a whole number of 1/1000000"),
        ({"threshold_usd": 0.1 + 0.2}, r"threshold_usd = 0.30000000000000004 is not a whole number"),
        ({"factor_bps": 2}, r"factor_bps = 2.0: the program divides by a whole n"),
        ({"factor_bps": 0.3}, r"factor_bps = 0.3: the program divides by a whole n"),
        ({"exponent": math.pi}, r"exponent = 3.14\d*: the exact form needs a fraction"),
        ({"base_bps": [6, 7]}, r"base_bps holds an array"),
    ],
)
def test_parameters_that_the_program_cannot_hold_are_refused(change, message):
    """The exact form refuses a parameter that is not a whole number of the program's units."""
    with pytest.raises(DomainError, match=message):
        open_close_fee(MICRO, 2_000_000 * MICRO, changed(SOL, **change), exact=True)


@pytest.mark.parametrize("bad", [math.nan, math.inf, True, "1", -1.0])
def test_bad_sizes_are_refused_by_name(bad):
    """NaN, infinity, truth values, text and negative sizes are refused at the boundary (pool.md 13)."""
    with pytest.raises(DomainError, match="size_usd"):
        open_close_fee(bad, 0, SOL)
    with pytest.raises(DomainError, match="size_usd"):
        linear_impact_bps(bad, SOL)
    with pytest.raises(DomainError, match="size_usd"):
        linear_impact_bps(bad, BASE_ONLY)


@pytest.mark.parametrize("bad", [math.nan, math.inf, True, "1"])
def test_bad_imbalances_are_refused_by_name(bad):
    """An imbalance must be a finite number, of either sign."""
    for params in (SOL, BASE_ONLY):
        with pytest.raises(DomainError, match="imbalance_usd"):
            open_close_fee(1, bad, params)
        with pytest.raises(DomainError, match="imbalance_usd"):
            additive_impact_bps(bad, params)


def test_a_bad_element_is_named_by_its_index():
    """The first bad size of an array is named."""
    with pytest.raises(DomainError, match=r"size_usd\[2\] = -1.0 must be 0 or more"):
        open_close_fee([1, 2, -1, math.nan], 0, SOL)
    with pytest.raises(DomainError, match="size_usd = -5 must be 0 or more"):
        open_close_fee(-5, 0, SOL, exact=True)
    with pytest.raises(DomainError, match=r"scalar_usd = 0.* must be above 0"):
        linear_impact_bps(1, 0)
    with pytest.raises(DomainError, match=r"scalar_usd = 0.* must be above 0"):
        linear_impact_bps(1, 0, exact=True)


def test_an_unknown_cap_is_refused():
    """The cap is one of two."""
    with pytest.raises(DomainError, match=r"cap = 'none': allowed are 'total', 'impact'"):
        open_close_fee(1, 0, SOL, cap="none")


def test_integer_helpers():
    """Ceilings go up for either sign; units are whole or refused; a least value is kept."""
    assert [dceil(7, 2), dceil(8, 2), dceil(-7, 2), dceil(0, 5)] == [4, 4, -3, 0]
    assert whole_units("h", 0.00012, 10**9) == 120_000
    assert whole("n", 3, 3) == 3
    with pytest.raises(DomainError, match="n = 2 must be 3 or more"):
        whole("n", 2, 3)


# The imbalance of the last minute.

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)


def trade(at, side="long", size=1.0, *, opens=True):
    """Return a trade."""
    return Trade(at=at, side=side, opens=opens, size_usd=size)


@pytest.mark.parametrize(
    ("side", "opens", "direction", "increase"),
    [("long", True, 1, 1), ("long", False, -1, -1), ("short", True, -1, 1), ("short", False, 1, -1)],
)
def test_signs_of_trades(side, opens, direction, increase):
    """By direction opened longs and closed shorts add; by increase opens add, whichever their side."""
    trades = [trade(100, side, 5.0, opens=opens)]
    assert delta_imbalance(trades, 100) == delta_imbalance(trades, 100, "direction") == 5 * direction
    assert delta_imbalance(trades, 100, sign="increase") == 5 * increase


def test_the_window_is_sixty_seconds_that_end_with_now():
    """Seconds now-59 to now count; a trade 60 s old leaves only the present one; later ones are unknown."""
    old, now = trade(1_000, size=10), trade(1_060, size=1)
    assert delta_imbalance([old, now], 1_059) == 10
    assert delta_imbalance([old, now], 1_060) == 1
    assert delta_imbalance([old, now], 999) == 0
    assert delta_imbalance([], 5) == 0


def test_parts_of_a_second_fall_into_its_bucket():
    """A trade 59.9 s old still counts if its second is now-59, and one 59.1 s old not if it is now-60."""
    assert delta_imbalance([trade(1_000.0)], 1_059.9) == 1
    assert delta_imbalance([trade(1_000.9)], 1_060.0) == 0
    assert delta_imbalance([trade(1_000.5)], 1_000.4) == 0


def test_moments_may_be_datetimes_of_any_zone():
    """An aware datetime of any zone is the same instant as its seconds since 1970."""
    east = timezone(timedelta(hours=9))
    trades = [trade(NOON - timedelta(seconds=59), size=2), trade(NOON.astimezone(east), "short", 0.5)]
    assert delta_imbalance(trades, NOON) == 1.5
    assert delta_imbalance(trades, NOON.timestamp()) == 1.5


def test_the_imbalance_adds_without_drift():
    """Ten trades of 0.1 make 1, where adding them one by one makes 0.9999999999999999."""
    assert delta_imbalance([trade(5, size=0.1)] * 10, 5) == 1.0


def ring_buffer(trades, now):
    """Walk a ring of sixty one-second buckets from the first trade to now, emptying each as it is reached."""
    ring, by_second = [0] * 60, {}
    for one in trades:
        adds = (one.side == "long") == one.opens
        by_second[one.at] = by_second.get(one.at, 0) + (one.size_usd if adds else -one.size_usd)
    for second in range(min(by_second, default=now), now + 1):
        ring[second % 60] = by_second.get(second, 0)
    return sum(ring)


@given(
    st.lists(
        st.builds(
            Trade,
            at=st.integers(0, 200),
            side=st.sampled_from(["long", "short"]),
            opens=st.booleans(),
            size_usd=st.integers(0, 10**12),
        ),
        max_size=20,
    ),
    st.integers(0, 220),
)
def test_the_imbalance_is_that_of_a_ring_of_buckets(trades, now):
    """The sum equals that of sixty buckets walked second by second, in whole numbers and in floats."""
    expected = ring_buffer([one for one in trades if one.at <= now], now)
    assert delta_imbalance(trades, now, exact=True) == expected
    assert delta_imbalance(reversed(trades), now) == expected


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (trade(5, "up"), r"trades\[1\].side = 'up': allowed are 'long', 'short'"),
        (trade(5, opens="yes"), r"trades\[1\].opens = 'yes' must be True or False"),
        (trade(5, size=-1), r"trades\[1\].size_usd = -1.0 must be 0 or more"),
        (trade(5, size=math.nan), r"trades\[1\].size_usd = nan is not a finite number"),
        (trade(NOON.replace(tzinfo=None)), r"trades\[1\].at = .* has no time zone"),
        (trade(math.inf), r"trades\[1\].at = inf is not a finite number"),
        (trade([1, 2]), r"trades\[1\].at holds an array"),
    ],
)
def test_bad_trades_are_refused_with_their_place(bad, message):
    """A bad trade is named by its place, even outside the window."""
    with pytest.raises(DomainError, match=message):
        delta_imbalance([trade(5), bad], 10_000)


def test_bad_arguments_of_the_imbalance_are_refused():
    """The sign is one of two, now has a zone, and exact sizes are whole."""
    with pytest.raises(DomainError, match="sign = 'up': allowed are 'direction', 'increase'"):
        delta_imbalance([], 0, "up")
    with pytest.raises(DomainError, match=r"at = .* has no time zone"):
        delta_imbalance([], NOON.replace(tzinfo=None))
    with pytest.raises(DomainError, match=r"trades\[0\].size_usd = 1.5 is not an integer"):
        delta_imbalance([trade(5, size=1.5)], 5, exact=True)


def test_a_minute_of_trades_charged_to_the_last():
    """Fifty opened longs of $100k before one more make the published $5.1M and its 14 bps."""
    trades = [trade(1_000 + i, size=100_000 * MICRO) for i in range(51)]
    imbalance = delta_imbalance(trades, 1_050, exact=True)
    assert imbalance == 5_100_000 * MICRO
    assert open_close_fee(100_000 * MICRO, imbalance, SOL, exact=True).total_bps == 14
