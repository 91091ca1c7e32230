"""Liquidity in rate space: the venue's package, quadrature, the worked example, and one year to maturity."""

import math
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from amm_cases import NOW, golden, rate_amm, rate_amms
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from yieldtrade.amm.rate_clmm import RateRange, price_integral
from yieldtrade.conventions import YEAR_SECONDS
from yieldtrade.errors import CapacityError, DomainError
from yieldtrade.tokens.pricing import pt_price

CASES = golden("exponent_clmm")["cases"]
POOLS = [case for case in CASES if case["kind"] == "clmm_pool"]
PRICES = [case for case in CASES if case["kind"] == "pt_price"]
FEES = [case for case in CASES if case["kind"] == "fee_rate"]


def pool_of(given_):
    """Build the pool of a golden case, in raw units of ST."""
    return rate_amm(
        implied=given_["spotApyPpm"] / 1e6,
        bounds=((given_["lowerApyPpm"] / 1e6, given_["upperApyPpm"] / 1e6, float(given_["liquidity"])),),
        ln_fee_root=given_["lnFeeRateRoot"],
        maturity=NOW + timedelta(seconds=given_["secondsRemaining"]),
        treasury_bps=float(given_["treasuryFeeBps"]),
    )


def execute(amm, kind, amount, rate):
    """Return amount out, fee (both in the output token) and fill of a golden call with ``rate`` ST per SY."""
    if kind == "sell_pt":
        fill = amm.quote("SELL_PT", amount)
        return fill.st_amount / rate, fill.fee / rate, fill
    if kind == "sell_pt_flash":
        # the PT sold in a purchase of as many YT: what it brings is what the buyer does not have to pay
        fill = amm.quote("BUY_YT", amount)
        return (amount - fill.st_amount) / rate, fill.fee / rate, fill
    bought = amm.quote("BUY_PT", amount * rate, "st")
    assert bought.st_amount == pytest.approx(amount * rate, rel=1e-11)
    released = bought.units / (1 - amm.fee_rate)
    if kind == "buy_pt":
        return bought.units, released - bought.units, bought
    # the PT bought in a sale of YT: the fee is on the YT value before the trade
    units = released * (1 - amm.fee_rate * amm.spot("YT"))
    fill = amm.quote("SELL_YT", units)
    assert fill.st_amount == pytest.approx(units - amount * rate, rel=1e-9, abs=1e-9 * units)
    return units, fill.fee * released / (amount * rate), fill


@pytest.mark.parametrize("case", POOLS, ids=lambda case: case["id"])
def test_swaps_agree_with_the_venue(case):
    """Amounts agree to 2 raw units and 1e-10, fees to 2 raw units, rates to 1e-11."""
    amm, rate = pool_of(case["in"]), case["in"]["syExchangeRate"]
    for call in case["calls"]:
        expect = call["expect"]
        out, fee, fill = execute(amm, call["kind"], float(call["in"]["amountIn"]), rate)
        assert abs(out - expect["amountOut"]) <= 2 + 1e-10 * expect["amountOut"]
        assert abs(fee - expect["lpFee"] - expect["protocolFee"]) <= 2
        assert fill.fee_protocol / fill.fee == pytest.approx(case["in"]["treasuryFeeBps"] / 1e4, rel=1e-12)
        assert 1 + fill.post_trade_yield == pytest.approx(expect["finalSpotPrice"], rel=1e-11)


@pytest.mark.parametrize("case", POOLS, ids=lambda case: case["id"])
def test_holdings_agree_with_the_venue(case):
    """A range holds the PT below the rate and the SY above it, rounded up by the venue."""
    pt, held = pool_of(case["in"]).reserves
    assert abs(pt - int(case["in"]["principalPt"])) <= 2 + 1e-10 * pt
    sy = held / case["in"]["syExchangeRate"]
    assert abs(sy - int(case["in"]["principalSy"])) <= 2 + 1e-10 * sy


@pytest.mark.parametrize("case", PRICES, ids=lambda case: case["id"])
def test_prices_agree_with_the_venue(case):
    """The PT price, and the venue's effective price as an integral from where it is known, agree."""
    given_, expect = case["in"], case["expect"]
    u, tau = given_["one_plus_apy"], given_["seconds_remaining"] / YEAR_SECONDS
    assert tau == expect["tau"]
    assert rate_amm(implied=u - 1, maturity=NOW + timedelta(seconds=given_["seconds_remaining"])).spot(
        "PT"
    ) == pytest.approx(expect["pt_price_in_asset"], rel=1e-11)
    # C(1) = 1/(R*(tau-1)) and C(1) - C(u) is the integral from 1 to u
    start = 1 / (given_["sy_exchange_rate"] * (tau - 1))
    assert start - price_integral(1.0, u, tau) / given_["sy_exchange_rate"] == pytest.approx(
        expect["effective_price"], rel=1e-11
    )


@pytest.mark.parametrize("case", FEES, ids=lambda case: case["id"])
def test_fee_rates_agree_with_the_venue(case):
    """The fee factor scales with time in its exponent."""
    amm = rate_amm(
        ln_fee_root=case["in"]["ln_fee_rate_root"],
        maturity=NOW + timedelta(seconds=case["in"]["seconds_remaining"]),
    )
    assert 1 + amm.fee_rate == pytest.approx(case["expect"]["fee_rate"], rel=1e-11)
    assert math.ceil(amm.fee_rate * case["in"]["amount"]) == pytest.approx(case["expect"]["fee"], abs=1)


def test_worked_example():
    """The swap of amm.md 11, and the same as a flash swap, give what is printed there."""
    rate = 1.268876934
    amm = rate_amm(
        implied=0.194707,
        bounds=((0.1, 0.3, 282197093964.0),),
        ln_fee_root=0.003918,
        maturity=NOW + timedelta(seconds=20_370_029),
    )
    out, fee, fill = execute(amm, "sell_pt", 24098008.0, rate)
    assert out == pytest.approx(16886681, abs=2)
    assert fee == pytest.approx(34320 + 8579, abs=2)
    assert fill.post_trade_yield == pytest.approx(0.194792394245782, rel=1e-11)
    out, fee, _ = execute(amm, "sell_pt_flash", 24098008.0, rate)
    assert out == pytest.approx(16924355, abs=2)
    assert fee == pytest.approx(4180 + 1045, abs=2)


@given(st.floats(1.0, 3.0), st.floats(1.0, 3.0), st.floats(0.0, 5.0))
def test_the_integral_is_the_integral(a, b, tau):
    """price_integral agrees with adaptive quadrature of u^-tau."""
    expected, _ = integrate.quad(lambda u: u**-tau, a, b, epsabs=0, epsrel=1e-12)
    assert price_integral(a, b, tau) == pytest.approx(expected, rel=1e-10, abs=1e-15)


@pytest.mark.parametrize("offset", [-1e-9, 0.0, 1e-9, 1e-7, -1e-5])
def test_one_year_is_no_exception(offset):
    """At tau of one year the integral is ln(u1/u0), and close to it nearly so."""
    assert price_integral(1.1, 1.4, 1.0 + offset) == pytest.approx(
        math.log(1.4 / 1.1), rel=1e-8 + abs(offset)
    )


def test_integrals_of_small_steps_keep_their_digits():
    """A step of 1e-12 integrates to the price times the step."""
    step = 1.25 + 2.0**-40 - 1.25
    assert price_integral(1.25, 1.25 + step, 0.7) == pytest.approx(step * pt_price(0.25, 0.7), rel=1e-11)


def test_the_integral_takes_arrays_and_refuses_nonsense():
    """Arrays broadcast; rates at or below -100 % and negative times are refused."""
    many = price_integral([1.1, 1.2], 1.3, 0.5)
    np.testing.assert_allclose(
        many, [price_integral(1.1, 1.3, 0.5), price_integral(1.2, 1.3, 0.5)], rtol=1e-15
    )
    for bad in ((0.0, 1.0, 0.5), (1.0, -1.0, 0.5), (1.0, 1.2, -0.1), (math.nan, 1.2, 0.5)):
        with pytest.raises(DomainError):
            price_integral(*bad)


@settings(deadline=None)
@given(rate_amms(), st.floats(0.001, 0.95), st.sampled_from(["BUY_PT", "SELL_PT", "BUY_YT", "SELL_YT"]))
def test_quotes_are_smooth_through_one_year(amm, share, side):
    """At tau = 1 -+ 1e-9 a quote agrees with tau = 1 to 1e-8."""
    year = amm.at(amm.maturity - timedelta(days=365))
    size = share * year.max_size(side).size
    if size == 0:
        return
    # 32 milliseconds are 1e-9 years
    for shift in (-32, 32):
        near = year.at(year.as_of + timedelta(milliseconds=shift))
        if near.max_size(side).size >= size:
            other = near.quote(side, size).st_amount
            assert other == pytest.approx(year.quote(side, size).st_amount, rel=1e-8, abs=1e-8 * size)


@pytest.mark.parametrize("minutes", [-30_000, -100, -1, 0, 1, 100, 30_000])
@pytest.mark.parametrize("side", ["BUY_PT", "SELL_PT"])
def test_budgets_are_met_around_one_year(minutes, side):
    """The closed inverse spends its budget to 1e-13 at one year, near it, and where its series ends."""
    amm = rate_amm(maturity=NOW + timedelta(days=365, minutes=minutes), ln_fee_root=0.0)
    for st_amount in (1e-3, 1.0, 1e2, 1e3, 1e4):
        fill = amm.size_for_budget(side, st_amount)
        sign = 1 if side == "SELL_PT" else -1
        # the budget is the integral over the step, by quadrature of a smooth function
        expected, _ = integrate.quad(
            lambda share, fill=fill, sign=sign: (1.15 + sign * share * fill.units / 1e6) ** -amm.tau, 0.0, 1.0
        )
        assert fill.units * expected == pytest.approx(st_amount, rel=1e-13)


def test_close_to_one_year_the_venue_may_refuse():
    """Within 32 seconds of one year a fill warns that the venue's own form is singular."""
    year = rate_amm(days=365.0)
    assert year.quote("BUY_PT", 1.0).warnings == ("venue_singular",)
    assert year.at(NOW + timedelta(seconds=31)).quote("BUY_PT", 1.0).warnings == ("venue_singular",)
    assert year.at(NOW + timedelta(seconds=40)).quote("BUY_PT", 1.0).warnings == ()


def test_an_order_book_is_warned_of():
    """Where a book sits beside the pool, the quote is a bound and says so."""
    assert rate_amm(has_order_book=True).quote("SELL_YT", 1.0).warnings == ("book_not_included",)


@pytest.mark.parametrize(
    "bounds",
    [
        ((0.10, 0.20, 1e6),),
        ((0.10, 0.20, 1e6), (0.14, 0.16, 5e6), (0.18, 0.30, 2e6)),
        ((0.14, 0.16, 1e6), (0.20, 0.30, 3e6), (0.05, 0.10, 2e6)),
    ],
)
@pytest.mark.parametrize("rising", [True, False])
def test_trades_over_ranges_agree_with_quadrature(bounds, rising):
    """PT and ST of a trade across ranges and gaps are integrals of L and of L*u^-tau."""
    amm = rate_amm(bounds=bounds, ln_fee_root=0.0)
    side = "SELL_PT" if rising else "BUY_PT"
    size = 0.9 * amm.max_size(side).size
    fill = amm.quote(side, size)
    low, high = sorted((1.15, 1 + fill.post_trade_yield))

    def liquidity(u):
        """Liquidity at a rate."""
        return sum(volume for lower, upper, volume in bounds if lower <= u - 1 < upper)

    edges = sorted({1 + end for pair in bounds for end in pair[:2] if low < 1 + end < high})
    pieces = [low, *edges, high]
    pt = sum(integrate.quad(liquidity, a, b, epsrel=1e-12)[0] for a, b in pairwise(pieces))
    money = sum(
        integrate.quad(lambda u: liquidity(u) * u**-amm.tau, a, b, epsrel=1e-12)[0]
        for a, b in pairwise(pieces)
    )
    assert size == pytest.approx(pt, rel=1e-10)
    assert fill.st_amount == pytest.approx(money, rel=1e-10)


def test_ranges_end_and_yt_sales_peak():
    """Trading ends with the last range, a sale of YT where another one costs more PT than it redeems."""
    amm = rate_amm()
    assert amm.max_size("SELL_PT").binding == "range_end"
    assert amm.max_size("SELL_PT").size == pytest.approx((0.4 - 0.15) * 1e6, rel=1e-12)
    with pytest.raises(CapacityError, match="range_end"):
        amm.quote("SELL_PT", 0.26e6)
    dear = rate_amm(ln_fee_root=0.9, bounds=((0.0, 0.4, 1e6),))
    peak = dear.max_size("SELL_YT")
    assert peak.binding == "proceeds_peak"
    assert dear.quote("SELL_YT", peak.size * 0.999).st_amount < peak.st


@settings(deadline=None, max_examples=50)
@given(rate_amms(), st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8))
def test_arrays_trade_as_their_elements(amm, shares):
    """An array of sizes, and of budgets, gives what each gives alone, on every side."""
    for side in ("BUY_PT", "SELL_PT", "BUY_YT", "SELL_YT"):
        most = amm.max_size(side)
        together = amm.quote(side, np.array(shares) * most.size)
        budgets = amm.size_for_budget(side, np.array(shares) * most.st)
        for i, share in enumerate(shares):
            alone = amm.quote(side, share * most.size)
            assert together.st_amount[i] == pytest.approx(alone.st_amount, rel=1e-12, abs=1e-15 * most.size)
            budget = amm.size_for_budget(side, share * most.st)
            assert budgets.units[i] == pytest.approx(budget.units, rel=1e-9, abs=1e-9 * most.size)


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: rate_amm(implied=-0.01), "u"),
        (lambda: rate_amm(bounds=()), "ranges"),
        (lambda: rate_amm(ln_fee_root=-0.1), "ln_fee_root"),
        (lambda: rate_amm(ln_fee_root=5.0), "ln_fee_root"),
        (lambda: rate_amm(treasury_bps=10_001.0), "treasury_bps"),
        (lambda: RateRange(lower_yield=0.2, upper_yield=0.1, liquidity=1.0), "upper_yield"),
        (lambda: RateRange(lower_yield=-0.2, upper_yield=0.1, liquidity=1.0), "lower_yield"),
        (lambda: RateRange(lower_yield=0.1, upper_yield=math.inf, liquidity=1.0), "upper_yield"),
        (lambda: RateRange(lower_yield=0.1, upper_yield=0.2, liquidity=0.0), "liquidity"),
    ],
)
def test_pools_that_cannot_be_priced_are_refused(build, name):
    """Rates below zero, empty pools and impossible fees are refused by name."""
    with pytest.raises(DomainError, match=name):
        build()
