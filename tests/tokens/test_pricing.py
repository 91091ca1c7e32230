"""Oracles: 50-digit golden prices, Pendle's library, QuantLib's discount factors, `decimal` at 60 digits."""

import json
import math
import subprocess
import sys
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest
import QuantLib
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.errors import DomainError, ExpiredError
from yieldtrade.tokens.pricing import (
    implied_yield_from_pt,
    implied_yield_from_yt,
    pt_price,
    redemption_value,
    synthetic_pt_price,
    synthetic_pt_yield,
    yt_price,
)
from yieldtrade.tokens.sensitivities import yield_delta

YEAR = 31_536_000
EPSILON = sys.float_info.epsilon
GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "pt_yt_price.json").read_text())["cases"]
PRICES = [case for case in CASES if case["kind"] == "pt_yt_price"]
PENDLE = [
    case
    for case in json.loads((GOLDEN / "pendle_apy.json").read_text())["cases"]
    if case["kind"] in {"rate_price", "pt_yt_price_in_asset"}
]

# Below 1e-12 of yield, prices of one second run into subnormal numbers.
rates = st.floats(-0.5, 10.0).filter(lambda rate: rate == 0 or abs(rate) > 1e-12)
lives = st.floats(1 / YEAR, 10.0)


def exact_pt(implied_apy, tau):
    """PT of the very numbers given, at 60 digits."""
    with localcontext() as context:
        context.prec = 60
        return (-Decimal(tau) * (1 + Decimal(implied_apy)).ln()).exp()


@pytest.mark.parametrize("case", PRICES, ids=lambda case: case["id"])
def test_prices_match_fifty_digit_values(case):
    """PT and YT reach the 18 golden digits to 1e-13 relative, down to one second before maturity."""
    implied, tau = float(case["in"]["implied_apy"]), case["in"]["seconds"] / YEAR
    assert yt_price(implied, tau) == pytest.approx(float(case["expect"]["yt"]), rel=1e-13, abs=0)
    assert pt_price(implied, tau) == pytest.approx(float(case["expect"]["pt"]), rel=1e-13, abs=0)


@pytest.mark.parametrize(
    ("implied", "seconds", "expected"),
    [
        (0.0001, 1, 3.1708206599806508e-12),
        (0.07, 15_768_000, 0.033263510954336405),
        (0.3, 15_768_000, 0.12294198069297079),
        (0.35, 6_998_400, 0.064429292355023466),
        (0.3678, 6_868_800, 0.065943472340171004),
        (3.0, 63_072_000, 0.9375),
    ],
)
def test_prices_match_the_printed_table(implied, seconds, expected):
    """The 17-digit table of tokens.md 17 is met to four units in the last place."""
    assert yt_price(implied, seconds / YEAR) == pytest.approx(expected, rel=4 * EPSILON, abs=0)


def test_market_print_is_matched_by_compound_discounting():
    """A price read from Exponent agrees with (1+r)^-T within its rounding, and with no other convention."""
    case = next(case for case in CASES if case["kind"] == "market_print")
    implied, tau = case["in"]["implied_apy"], case["in"]["days"] / 365
    observed, tolerance = case["expect"]["yt"], case["tolerance"]
    assert abs(yt_price(implied, tau) - observed) <= tolerance
    assert abs(pt_price(implied, tau) - case["expect"]["pt"]) <= tolerance
    assert abs(1 - math.exp(-implied * tau) - observed) > tolerance
    assert abs(implied * tau / (1 + implied * tau) - observed) > tolerance


@pytest.mark.parametrize("case", PENDLE, ids=lambda case: case["id"])
def test_prices_match_pendles_library(case):
    """Rate to price and back agree with the 18-place fixed point of Pendle's own library to 1e-12."""
    given_, expect = case["in"], case["expect"]
    if case["kind"] == "rate_price":
        rate, tau = float(Decimal(given_["one_plus_apy"]) - 1), given_["time_to_expiry_s"] / YEAR
        assert 1 / pt_price(rate, tau) == pytest.approx(float(expect["pt_per_asset"]), rel=1e-12)
        assert yt_price(rate, tau) == pytest.approx(float(expect["yt_price_in_asset"]), rel=1e-12)
        pt = 1 / float(expect["pt_per_asset"])
        back = float(Decimal(expect["one_plus_apy_back"]) - 1)
        assert implied_yield_from_pt(pt, tau) == pytest.approx(back, rel=1e-12)
        assert math.log1p(implied_yield_from_pt(pt, tau)) == pytest.approx(
            float(expect["ln_implied_rate"]), rel=1e-12
        )
    else:
        rate = implied_yield_from_pt(1 / given_["ptExchangeRate"], 1.0)
        assert pt_price(rate, 1.0) == pytest.approx(expect["ptPriceAcc"], rel=1e-12)
        assert yt_price(rate, 1.0) == pytest.approx(expect["ytPriceAcc"], rel=1e-12)


@pytest.mark.parametrize("implied", [-0.2, 0.0001, 0.07, 0.35, 3.0])
@pytest.mark.parametrize("days", [1, 7, 79, 365, 3650])
def test_pt_is_quantlibs_discount_factor(implied, days):
    """On whole days PT equals QuantLib's discount factor of a flat annually compounded curve, Actual/365."""
    today = QuantLib.Date(10, 9, 2024)
    curve = QuantLib.FlatForward(
        today, implied, QuantLib.Actual365Fixed(), QuantLib.Compounded, QuantLib.Annual
    )
    assert pt_price(implied, days / 365) == pytest.approx(curve.discount(today + days), rel=1e-13, abs=0)


@pytest.mark.parametrize(
    ("before", "after", "change"), [(0.07, 0.09, 0.26787), (0.03, 0.04, 0.32368), (0.30, 0.40, 0.25950)]
)
def test_price_changes_follow_the_compound_convention(before, after, change):
    """Half a year out, YT moves as the compound row of tokens.md 6 says (26.8 % is RateX's own figure)."""
    assert yt_price(after, 0.5) / yt_price(before, 0.5) - 1 == pytest.approx(change, abs=5e-6)


@pytest.mark.parametrize(
    ("price", "band"), [(0.0671411306566402, (0.343, 0.379)), (0.0067141, (0.029, 0.032))]
)
def test_the_14894_reading_lies_in_its_bands(price, band):
    """One JLP buying 148.94 YT at 10x in September 2024 means 34-38 % a year, unlevered only 3 %."""
    # 5 and 10 September 2024 to 28 or 30 November: 79 to 86 days
    implied = implied_yield_from_yt(price, np.array([79, 80, 81, 84, 86]) / 365)
    assert ((implied > band[0]) & (implied < band[1])).all()


@given(rates, lives)
def test_pt_and_yt_add_up_to_one(implied, tau):
    """PT + YT is 1 ST to one unit in the last place."""
    pt = pt_price(implied, tau)
    assert abs(pt + yt_price(implied, tau) - 1) <= math.ulp(max(1.0, pt))


@given(rates, lives)
@settings(deadline=None)
def test_prices_match_decimal(implied, tau):
    """PT and YT agree with 60-digit arithmetic on the same numbers to the rounding of the exponent."""
    exact, exponent = exact_pt(implied, tau), abs(tau * math.log1p(implied))
    # T*ln(1+r) is rounded twice, which exp turns into a relative error of PT, and the result once
    assert pt_price(implied, tau) == pytest.approx(float(exact), rel=EPSILON * (1 + 2 * exponent), abs=0)
    allowed = 4 * EPSILON * exponent * max(1.0, float(exact))
    assert abs(yt_price(implied, tau) - float(1 - exact)) <= allowed


@given(st.floats(1e-4, 30.0), st.floats(1 / YEAR, 3.0))
def test_round_trip_through_yt_is_tight(implied, tau):
    """From yield to YT price and back loses at most 1e-13 relative while YT is below 0.99."""
    yt = yt_price(implied, tau)
    if yt < 0.99:
        assert implied_yield_from_yt(yt, tau) == pytest.approx(implied, rel=1e-13, abs=0)


@given(rates, lives)
def test_round_trips_lose_only_what_the_price_cannot_hold(implied, tau):
    """From -50 % to 1000 %, one second to ten years, a round trip errs by the rounding of the price."""
    yt, pt = yt_price(implied, tau), pt_price(implied, tau)
    delta = yield_delta(implied, tau)
    own = (1 + implied) * abs(math.log1p(implied))
    if yt < 1:
        allowed = 4 * EPSILON * (abs(yt) / delta + own)
        assert abs(implied_yield_from_yt(yt, tau) - implied) <= allowed
    # a price known to one rounding fixes the yield to d*(1+r)/T (tokens.md 3)
    assert abs(implied_yield_from_pt(pt, tau) - implied) <= 4 * EPSILON * (pt / delta + own)


def test_the_naive_difference_would_lose_the_last_second():
    """At 0.01 % and one second, 1 - (1+r)^-T is off by 7.5e-6 relative; the price here by rounding only."""
    tau = 1 / YEAR
    exact = float(1 - exact_pt(0.0001, tau))
    assert abs((1 - (1 + 0.0001) ** -tau) / exact - 1) > 7e-6
    assert yt_price(0.0001, tau) == pytest.approx(exact, rel=4 * EPSILON, abs=0)


@given(st.floats(-0.5, 9.9), st.floats(1e-6, 0.1), st.floats(1e-3, 9.9), st.floats(1e-6, 0.1))
def test_yt_rises_and_is_concave_in_yield(implied, step, tau, longer):
    """YT rises with yield and is concave, PT falls and is convex; YT rises with time at a positive yield."""
    at = [yt_price(implied + k * step, tau) for k in range(3)]
    pt = [pt_price(implied + k * step, tau) for k in range(3)]
    rounding = 4 * EPSILON * max(1.0, *map(abs, at))
    assert at[0] <= at[1] + rounding
    assert pt[0] >= pt[1] - rounding
    assert at[0] + at[2] - 2 * at[1] <= 4 * rounding
    assert pt[0] + pt[2] - 2 * pt[1] >= -4 * rounding
    if implied > 0:
        assert yt_price(implied, tau + longer) >= at[0]


@pytest.mark.parametrize("implied", [-0.99, -0.5, 0.0, 0.35, 1e6])
def test_at_maturity_pt_is_one_and_yt_nothing(implied):
    """At T = 0 PT is exactly 1 and YT exactly 0 at any yield, and the YT is not minus zero."""
    assert pt_price(implied, 0) == 1.0
    assert yt_price(implied, 0) == 0.0
    assert math.copysign(1, yt_price(implied, 0)) == 1.0


@pytest.mark.parametrize("tau", [0, 1 / YEAR, 0.5, 10.0])
def test_at_zero_yield_pt_is_one_and_yt_nothing(tau):
    """At r = 0 PT is exactly 1 and YT exactly 0, and a price of that gives exactly 0 back."""
    assert (pt_price(0, tau), yt_price(0, tau)) == (1.0, 0.0)
    if tau:
        for back in (implied_yield_from_yt(0, tau), implied_yield_from_pt(1, tau)):
            assert back == 0.0
            assert math.copysign(1, back) == 1.0


def test_negative_yield_prices_pt_above_one():
    """Between -1 and 0 a yield makes PT dearer than 1 ST and YT worth less than nothing, and comes back."""
    assert pt_price(-0.5, 2.0) == 4.0
    assert yt_price(-0.5, 2.0) == -3.0
    assert implied_yield_from_yt(-3.0, 2.0) == pytest.approx(-0.5, rel=1e-15)
    assert implied_yield_from_pt(4.0, 2.0) == pytest.approx(-0.5, rel=1e-15)


def test_underflow_is_returned_and_overflow_refused():
    """A PT too small to represent is 0 and its YT 1; a price or yield too large to represent is an error."""
    assert pt_price(1e300, 10.0) == 0.0
    assert yt_price(1e300, 10.0) == 1.0
    for call in (
        lambda: pt_price(-0.99, 1000.0),
        lambda: yt_price(-0.99, 1000.0),
        lambda: implied_yield_from_pt(1e-300, 1e-3),
        lambda: implied_yield_from_yt(1 - 2**-53, 1e-3),
    ):
        with pytest.raises(DomainError, match="too large to represent"):
            call()


@pytest.mark.parametrize("function", [pt_price, yt_price, implied_yield_from_pt, implied_yield_from_yt])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(function, bad):
    """NaN and infinity are refused in either argument, as a number and inside an array."""
    for arguments in ((bad, 0.5), (0.3, bad), ([0.3, bad], 0.5), (0.3, [0.5, bad])):
        with pytest.raises(DomainError, match="is not a finite number"):
            function(*arguments)


@pytest.mark.parametrize("function", [pt_price, yt_price, implied_yield_from_pt, implied_yield_from_yt])
def test_after_maturity_every_price_is_expired(function):
    """A negative time to maturity is an ExpiredError that points to redemption_value."""
    for tau in (-1e-9, [0.5, -1e-9]):
        with pytest.raises(ExpiredError, match="redemption_value"):
            function(0.3, tau)


@pytest.mark.parametrize("function", [implied_yield_from_pt, implied_yield_from_yt])
@pytest.mark.parametrize("price", [0.0, 0.3, 1.0 - 1e-9])
def test_a_price_at_maturity_has_no_yield(function, price):
    """At T = 0 the implied yield is undefined, even for a YT worth nothing."""
    with pytest.raises(DomainError, match=r"^tau = 0.0 .*undefined at maturity"):
        function(price, 0)


@pytest.mark.parametrize("implied", [-1.0, -1.5])
def test_a_yield_that_loses_everything_is_refused(implied):
    """A yield at or below -1 is refused by name, value and bound."""
    for function in (pt_price, yt_price):
        with pytest.raises(DomainError, match=rf"^implied_apy = {implied} must be above -1"):
            function(implied, 0.5)


def test_prices_outside_their_range_have_no_yield():
    """A YT of 1 ST or more and a PT of nothing or less are refused by name, value and bound."""
    for yt in (1.0, 1.5):
        with pytest.raises(DomainError, match=rf"^yt = {yt} ST must be below 1"):
            implied_yield_from_yt(yt, 0.5)
    for pt in (0.0, -0.1):
        with pytest.raises(DomainError, match=rf"^pt = {pt} ST must be above 0"):
            implied_yield_from_pt(pt, 0.5)


def test_synthetic_pt_pays_the_published_yield():
    """At 12 % and half a year a 5 % management fee leaves 11.35 %, no fee the implied yield."""
    yt = yt_price(0.12, 0.5)
    assert synthetic_pt_yield(yt, 0.5, management_fee=0.05, trading_fee=0) == pytest.approx(0.1135, abs=5e-5)
    assert synthetic_pt_yield(yt, 0.5, management_fee=0, trading_fee=0) == pytest.approx(0.12, rel=1e-14)


@given(st.floats(0, 0.99), st.floats(0, 0.5), st.floats(0, 0.05), st.floats(0.01, 3))
def test_synthetic_pt_cost_is_what_the_short_leaves(yt, management, trading, tau):
    """One ST less the proceeds of shorting (1-m) YT at the fee is the cost, and its yield is that of a PT."""
    short = 1 - management
    proceeds = short * yt - trading * short * yt
    fees = {"management_fee": management, "trading_fee": trading}
    cost = synthetic_pt_price(yt, **fees)
    assert cost == pytest.approx(1 - proceeds, rel=1e-13)
    fixed = synthetic_pt_yield(yt, tau, **fees)
    assert pt_price(fixed, tau) == pytest.approx(cost, rel=1e-12)


@pytest.mark.parametrize("fees", [(-0.01, 0), (0, -0.01), (1, 0), (0, 1)])
def test_synthetic_pt_refuses_impossible_fees(fees):
    """A fee below 0 or of the whole is refused."""
    with pytest.raises(DomainError, match="must be 0 or more and below 1"):
        synthetic_pt_price(0.1, management_fee=fees[0], trading_fee=fees[1])


def test_redemption_pays_the_haircut_and_what_is_owed():
    """After maturity PT is 1 ST and YT its unpaid yield, both times the share the underlying still covers."""
    whole = redemption_value(haircut=1, undistributed_yield=0)
    assert (whole.pt, whole.yt) == (1.0, 0.0)
    impaired = redemption_value(haircut=0.75, undistributed_yield=0.5)
    assert (impaired.pt, impaired.yt) == (0.75, 0.375)
    many = redemption_value(haircut=[1, 0.5], undistributed_yield=0.25)
    assert many.pt.tolist() == [1, 0.5]
    assert many.yt.tolist() == [0.25, 0.125]


@pytest.mark.parametrize(
    ("haircut", "owed", "named"), [(0, 0, "haircut"), (1.01, 0, "haircut"), (1, -0.1, "undistributed_yield")]
)
def test_redemption_refuses_the_impossible(haircut, owed, named):
    """A haircut outside (0, 1] and a negative claim are refused by name."""
    with pytest.raises(DomainError, match=f"^{named} = "):
        redemption_value(haircut=haircut, undistributed_yield=owed)


def test_arrays_and_numbers_agree():
    """A grid priced at once equals the same grid priced one by one to one unit in the last place."""
    implied, tau = np.array([-0.3, 0.0, 0.07, 0.35, 3.0])[:, None], np.array([0.0, 1 / YEAR, 0.2, 2.0])
    for function in (pt_price, yt_price):
        grid = function(implied, tau)
        assert grid.shape == (5, 4)
        for (i, j), value in np.ndenumerate(grid):
            single = function(float(implied[i, 0]), float(tau[j]))
            assert value == pytest.approx(single, rel=2 * EPSILON, abs=0)


def test_one_quote_never_imports_numpy():
    """Prices, greeks, break-evens and positions of numbers leave numpy unloaded in a fresh process."""
    program = """
import sys
from yieldtrade.tokens import breakeven, ledger, positions, pricing, sensitivities
yt = pricing.yt_price(0.35, 0.25)
pricing.implied_yield_from_yt(yt, 0.25), pricing.synthetic_pt_yield(yt, 0.25, management_fee=0, trading_fee=0)
pricing.redemption_value(haircut=1, undistributed_yield=0)
sensitivities.elasticity(0.35, 0.25), sensitivities.leverage(0.35, 0.25)
breakeven.breakeven_yield(benchmark="cash", entry_price=yt, exit_price=0.0, holding=0.25, yield_fee=0.05,
                          yield_fee_base="yt_only", trading_fee=0.001)
ledger.attribute_pnl(yt=1, st=0, implied_start=0.3, implied_end=0.3, tau=0.25, period=0.02, growth=0.01,
                     yield_fee=0, yield_fee_base="none")
position = positions.open_long(margin=1, leverage=5, fill_price=yt, trading_fee=0, margin_accrues=False)
positions.liquidation_yield(position, 0.25, maintenance_collateral_ratio=1.05)
sys.exit("numpy was imported" if "numpy" in sys.modules else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
