"""Reference curves: the worked example, their invariants, and the equivalences between venues."""

import math
from dataclasses import replace

import pytest
from amm_cases import (
    DAYS,
    NOW,
    SCALES,
    YIELDS,
    clmm_amm,
    product_amm,
    rate_amm,
    yieldspace_amm,
    yieldspace_amms,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.amm.ranges import LiquidityRange
from yieldtrade.amm.reference import YieldSpaceAmm, linear_yield_amm
from yieldtrade.errors import CapacityError, DomainError

SIDES = ["BUY_PT", "SELL_PT", "BUY_YT", "SELL_YT"]


def test_worked_example_of_yieldspace():
    """Buying 10,000 PT, the yield after it and the cap are those of amm.md 11."""
    amm = yieldspace_amm(implied=0.12, days=182.5)
    assert amm.pt_reserve == pytest.approx(1.12e6)
    fill = amm.quote("BUY_PT", 10_000.0)
    assert fill.st_amount == pytest.approx(9492.719919, abs=5e-7)
    assert 100 * fill.post_trade_yield == pytest.approx(9.956216, abs=5e-7)
    most = amm.max_size("BUY_PT")
    assert most.size == pytest.approx(60_849.7378, abs=5e-5)
    assert most.binding == "rate_floor"
    assert amm.quote("BUY_PT", most.size).post_trade_yield == pytest.approx(0.0, abs=1e-12)


@settings(deadline=None)
@given(yieldspace_amms(fees=False), st.floats(0.001, 0.5), st.sampled_from([1, -1]))
def test_yieldspace_trades_solve_the_invariant(amm, share, sign):
    """The ST of a trade is what keeps x^a + y^a: found here from the invariant alone."""
    side = "BUY_PT" if sign > 0 else "SELL_PT"
    size = share * amm.max_size(side).size
    a = 1 - amm.tau * amm.time_stretch
    k = amm.st_reserve**a + amm.pt_reserve**a
    after = (k - (amm.pt_reserve - sign * size) ** a) ** (1 / a)
    expected = sign * (after - amm.st_reserve)
    assert amm.quote(side, size).st_amount == pytest.approx(
        expected, rel=1e-8, abs=1e-13 * amm.st_reserve / a
    )


def test_yieldspace_fees_are_on_the_discount():
    """A fee of 2 % of the discount n - gross, on every side; the curve does not see it."""
    free, paid = yieldspace_amm(), yieldspace_amm(fee=0.02)
    for side in SIDES:
        plain, fill = free.quote(side, 1000.0), paid.quote(side, 1000.0)
        discount = 1000.0 - plain.gross if side.endswith("PT") else plain.gross
        assert fill.gross == plain.gross
        assert fill.fee == pytest.approx(0.02 * discount, rel=1e-13)
        assert fill.post_trade_yield == plain.post_trade_yield
        assert fill.fee_protocol == 0


def test_yieldspace_sales_peak_when_the_fee_eats_the_price():
    """With a heavy fee on the discount the proceeds of a sale peak before the reserve is gone."""
    amm = yieldspace_amm(fee=0.9, days=300.0)
    peak = amm.max_size("SELL_PT")
    assert peak.binding == "proceeds_peak"
    assert amm.quote("SELL_PT", 0.999 * peak.size).st_amount < peak.st
    assert yieldspace_amm().max_size("SELL_PT").binding == "reserve"


def test_yieldspace_needs_no_remark():
    """The implied yield of a YieldSpace pool does not move with time."""
    amm = yieldspace_amm()
    assert amm.at(amm.maturity).implied_yield == amm.implied_yield == pytest.approx(0.12, rel=1e-14)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time_stretch", 2.5),
        ("time_stretch", 2.0),
        ("time_stretch", 0.0),
        ("st_reserve", 0.0),
        ("discount_fee", 1.0),
    ],
)
def test_yieldspace_pools_that_cannot_be_priced_are_refused(name, value):
    """T*s of 1 or more, empty reserves and a fee of everything are refused by name."""
    with pytest.raises(DomainError, match=name):
        replace(yieldspace_amm(), **{name: value})


def test_a_pool_below_par_is_refused_where_it_cannot_sell():
    """A pool with less PT than ST quotes a yield below zero: nothing can be bought, PT can be sold."""
    amm = YieldSpaceAmm(
        as_of=NOW,
        maturity=yieldspace_amm().maturity,
        st_reserve=1.2e6,
        pt_reserve=1e6,
        time_stretch=1.0,
        discount_fee=0.0,
    )
    assert amm.implied_yield < 0
    with pytest.raises(CapacityError, match="rate_floor"):
        amm.quote("BUY_PT", 1.0)
    assert amm.quote("SELL_PT", 1.0).st_amount > 1.0


def test_constant_product_by_hand():
    """10 ST and 200 YT: 20 YT cost 10*20/180, the price goes from 0.05 to (10 + 1.11)/180."""
    amm = replace(product_amm(fee=0.0), st_reserve=10.0, yt_reserve=200.0)
    fill = amm.quote("BUY_YT", 20.0)
    assert fill.st_amount == pytest.approx(10 * 20 / 180, rel=1e-15)
    assert fill.spot_after == pytest.approx((10 + 10 / 9) / 180, rel=1e-15)
    assert fill.route == "native"
    back = fill.amm_after.quote("SELL_YT", 20.0)
    assert back.st_amount == pytest.approx(fill.st_amount, rel=1e-14)


@settings(deadline=None)
@given(YIELDS, DAYS, SCALES, st.floats(1e-6, 0.2), st.sampled_from(SIDES), st.floats(0.0, 0.01))
def test_constant_product_is_one_open_range(implied, days, scale, share, side, fee):
    """S*Y = k trades like concentrated liquidity of sqrt(k) from 0 to infinity."""
    product = product_amm(implied=implied, days=days, scale=scale, fee=fee)
    root = math.sqrt(product.st_reserve * product.yt_reserve)
    anywhere = LiquidityRange(liquidity=root, lower_sqrt=0.0, upper_sqrt=math.inf)
    pool = clmm_amm(implied=implied, days=days, fee=fee, ranges=(anywhere,))
    size = share * scale
    for other in (product, pool):
        assert other.max_size(side).size >= size
    ours, theirs = product.quote(side, size), pool.quote(side, size)
    assert ours.st_amount == pytest.approx(theirs.st_amount, rel=1e-11)
    assert ours.post_trade_yield == pytest.approx(theirs.post_trade_yield, rel=1e-11)
    budget = pool.size_for_budget(side, theirs.st_amount)
    assert product.size_for_budget(side, theirs.st_amount).units == pytest.approx(budget.units, rel=1e-9)


def test_open_liquidity_has_no_binding_limit():
    """Where liquidity has no end, trading ends only where yields cannot be represented."""
    most = product_amm().max_size("BUY_YT")
    assert most.binding == "none"
    assert product_amm().quote("BUY_YT", most.size).post_trade_yield == pytest.approx(
        1e6 ** (365 / 365), rel=1e9
    )
    assert math.isfinite(
        product_amm().quote("SELL_YT", product_amm().max_size("SELL_YT").size).post_trade_yield
    )


def test_closing_pt_peaks_where_a_yt_costs_what_it_frees():
    """Closing a PT stops paying at a YT price of (1-f)/(1-m): 0.99 at 1 % and 0, 0.9/0.95 at 10 % and 5 %."""
    dear = product_amm(implied=0.8, days=500.0, fee=0.01)
    peak = dear.max_size("SELL_PT")
    assert peak.binding == "proceeds_peak"
    fill = dear.quote("SELL_PT", peak.size)
    assert fill.amm_after.spot("YT") == pytest.approx(0.99, rel=1e-12)
    assert dear.quote("SELL_PT", peak.size * 0.999).st_amount < fill.st_amount
    managed = replace(dear, trading_fee=0.1, pt_management_fee=0.05)
    after = managed.quote("SELL_PT", managed.max_size("SELL_PT").size).amm_after
    assert after.spot("YT") == pytest.approx(0.9 / 0.95, rel=1e-12)


@settings(deadline=None)
@given(YIELDS, st.floats(1e-9, 1e-5), DAYS, st.floats(-0.9, 10.0))
def test_linear_curve_moves_the_yield_by_the_size(implied, per_pt, days, move):
    """On the linear curve the yield moves by lambda_y for every PT, as in rate space with L = 1/lambda_y."""
    maturity = rate_amm(days=days).maturity
    amm = linear_yield_amm(implied_yield=implied, yield_per_pt=per_pt, as_of=NOW, maturity=maturity)
    target = implied * (1 + move)
    fill = amm.size_for_yield(target, "PT")
    assert fill.units == pytest.approx(abs(target - implied) / per_pt, rel=1e-9, abs=1e-15 / per_pt)
    assert fill.path == "approx"
    same = rate_amm(implied=implied, days=days, bounds=((0.0, 1e6, 1 / per_pt),), ln_fee_root=0.0)
    assert fill.st_amount == pytest.approx(same.quote(fill.side, fill.units).st_amount, rel=1e-12)


def test_linear_curve_needs_a_slope():
    """No move per PT is no curve."""
    with pytest.raises(DomainError, match="yield_per_pt"):
        linear_yield_amm(implied_yield=0.1, yield_per_pt=0.0, as_of=NOW, maturity=rate_amm().maturity)
