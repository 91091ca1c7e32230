"""Pendle pools with floats: contract executions, the worked example, limits, set-up and LP value."""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from amm_cases import DAYS, NOW, SCALES, YIELDS, example_amm, golden, logit_amm, logit_amms, pendle_amm
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize

from yieldtrade.amm.logit import (
    LogitAmm,
    divergence_loss,
    initial_proportion,
    lp_value,
    market_parameters,
    yield_range,
)
from yieldtrade.amm.logit_fixed import MarketState, max_pt_in
from yieldtrade.conventions import YEAR_SECONDS
from yieldtrade.errors import CapacityError, DomainError, ExpiredError

MARKETS = [
    case
    for case in golden("pendle_market")["cases"]
    if case["kind"] == "market_state" and case["in"]["timeToExpiry"] > 0
]
FINE_MARKETS = [
    case for case in MARKETS if case["in"]["decimals"] == 18 and case["in"]["timeToExpiry"] >= 86_400
]
ONE = 10**18


def calls(case, *kinds):
    """Return the answered calls of some kinds, with whole-number arguments and answers."""
    return [
        (call["kind"], {k: int(v) for k, v in call["in"].items()}, call["expect"])
        for call in case["calls"]
        if call["kind"] in kinds and "expect" in call
    ]


def traded(amm, token, kind, given_, expect):
    """Quote the golden call; return the fill, its size and SY in raw units, and the contract's SY."""
    if kind == "swap_pt":
        size, sy = given_["netPtToAccount"], abs(int(expect["netSyToAccount"]))
        side = "BUY_PT" if size > 0 else "SELL_PT"
    elif kind == "buy_exact_yt":
        size, sy, side = given_["exactYtOut"], int(expect["netSyIn"]), "BUY_YT"
    else:
        size, sy, side = given_["exactYtIn"], int(expect["netSyOut"]), "SELL_YT"
    return amm.quote(side, abs(size) / token), abs(size), sy


@pytest.mark.parametrize("case", MARKETS, ids=lambda case: case["id"])
def test_trades_agree_with_the_contract(case):
    """Amounts and fees are within 3 raw units and 1e-14 of the size, rates within the contract's rounding."""
    amm, token = pendle_amm(case["in"]), 10 ** case["in"]["decimals"]
    fine = case["in"]["decimals"] == 18
    for kind, given_, expect in calls(case, "swap_pt", "buy_exact_yt", "sell_exact_yt"):
        fill, size, sy = traded(amm, token, kind, given_, expect)
        allowed = 3 + 1e-14 * size
        assert abs(fill.st_amount / amm.sy_index * token - sy) <= allowed
        assert abs(fill.fee / amm.sy_index * token - int(expect["netSyFee"])) <= allowed
        after = fill.amm_after
        ln_error = abs(after.ln_implied_rate * ONE - int(expect["after"]["lastLnImpliedRate"]))
        assert ln_error * amm.tau <= (1e-14 if fine else 1e-9) * ONE
        assert (
            abs(after.total_pt * token - int(expect["after"]["totalPt"])) <= 3 + 1e-15 * token * amm.total_pt
        )
        assert (
            abs(after.total_sy * token - int(expect["after"]["totalSy"])) <= 3 + 1e-15 * token * amm.total_sy
        )


@pytest.mark.parametrize("case", FINE_MARKETS, ids=lambda case: case["id"])
def test_fine_markets_agree_to_twelve_digits(case):
    """With 18 decimals and a day or more left, amounts agree to 1e-12 and rates to 6e-14."""
    amm = pendle_amm(case["in"])
    for kind, given_, expect in calls(case, "swap_pt", "buy_exact_yt", "sell_exact_yt"):
        fill, _, sy = traded(amm, ONE, kind, given_, expect)
        assert fill.st_amount / amm.sy_index * ONE == pytest.approx(sy, rel=1e-12)
        assert fill.amm_after.ln_implied_rate * ONE == pytest.approx(
            int(expect["after"]["lastLnImpliedRate"]), rel=6e-14
        )


@pytest.mark.parametrize("case", MARKETS, ids=lambda case: case["id"])
def test_limits_agree_with_the_contract(case):
    """The largest sale is the contract's, and its router buys 99.9 % of the largest purchase."""
    amm, token = pendle_amm(case["in"]), 10 ** case["in"]["decimals"]
    for kind, _, expect in calls(case, "max_pt_in", "max_pt_out"):
        if kind == "max_pt_in":
            ours, theirs = amm.max_size("SELL_PT").size * token, int(expect["maxPtIn"])
        else:
            ours, theirs = 0.999 * amm.max_size("BUY_PT").size * token, int(expect["maxPtOut"])
        assert abs(ours - theirs) <= max(20, 1e-7 * theirs)


@pytest.mark.parametrize("case", MARKETS, ids=lambda case: case["id"])
def test_budgets_agree_with_the_venues_bisection(case):
    """The venue's size costs what it was given to 1e-5; the exact size is larger by 0 to 2e-5."""
    amm, token = pendle_amm(case["in"]), 10 ** case["in"]["decimals"]
    for kind, given_, expect in calls(case, "buy_pt_with_exact_sy", "buy_yt_with_exact_sy"):
        side = "BUY_PT" if kind == "buy_pt_with_exact_sy" else "BUY_YT"
        sy = given_["exactSyIn"]
        size = int(expect.get("netPtOut") or expect["netYtOut"])
        cost = amm.quote(side, size / token).st_amount / amm.sy_index * token
        assert sy * (1 - 1e-5) - 4 <= cost <= sy + 4
        if sy >= 100_000:
            ours = amm.size_for_budget(side, sy / token * amm.sy_index).units * token
            assert 0 <= ours / size - 1 <= 2e-5


@pytest.mark.parametrize("case", MARKETS, ids=lambda case: case["id"])
def test_scalar_and_anchor_agree_with_the_contract(case):
    """Scalar and anchor are the contract's, to 1e-12 with 18 decimals."""
    amm = pendle_amm(case["in"])
    for _, _, expect in calls(case, "precompute"):
        tolerance = 1e-12 if case["in"]["decimals"] == 18 else 1e-8
        assert amm.rate_scalar * ONE == pytest.approx(int(expect["rateScalar"]), rel=1e-12)
        assert amm.rate_anchor * ONE == pytest.approx(int(expect["rateAnchor"]), rel=tolerance)


@pytest.mark.parametrize(
    ("side", "st_amount", "fee"),
    [
        ("BUY_PT", 95.730551049381858, 0.141524045622839805),
        ("SELL_PT", 95.087915663033581, 0.140782126738738596),
        ("BUY_YT", 4.912084336966419, 0.140782126738738596),
        ("SELL_YT", 4.269448950618142, 0.141524045622839805),
    ],
)
def test_worked_example_of_a_hundred(side, st_amount, fee):
    """A hundred tokens on each side cost what amm.md 11 prints; 80 % of the fee goes to the treasury."""
    fill = example_amm().quote(side, 100)
    assert fill.st_amount == pytest.approx(st_amount, rel=1e-14)
    assert fill.fee == pytest.approx(fee, rel=1e-14)
    assert fill.fee_protocol == pytest.approx(0.8 * fee, rel=1e-14)
    assert (fill.route, fill.path) == ("native" if side.endswith("PT") else "flash", "float")


def test_worked_example_of_prices_around_a_trade():
    """Buying 100 without fee: spot 0.954085, 0.955854 after, and an average beyond both (amm.md 3)."""
    fill = logit_amm(ln_fee_root=0.0).quote("BUY_PT", 100)
    assert fill.spot_before == pytest.approx(0.954085, abs=1e-6)
    assert fill.spot_after == pytest.approx(0.955854, abs=1e-6)
    assert fill.average_price == pytest.approx(0.955890, abs=1e-6)


def test_worked_example_of_capacity():
    """The floor lies at 982.49, yet a sale of YT pays most at 720.43 and next to nothing at 981."""
    amm = example_amm()
    assert amm.max_size("BUY_PT").size == pytest.approx(982.49, abs=5e-3)
    peak = amm.max_size("SELL_YT")
    assert peak.size == pytest.approx(720.43, abs=5e-3)
    assert peak.st == pytest.approx(20.0856, abs=5e-5)
    assert [amm.max_size(side).binding for side in ("BUY_PT", "SELL_YT", "SELL_PT", "BUY_YT")] == [
        "rate_floor",
        "proceeds_peak",
        "proportion_cap",
        "proportion_cap",
    ]
    assert amm.max_size("BUY_YT").size == pytest.approx(920.0, rel=1e-14)


def test_worked_example_of_targets():
    """Moving the yield to 11 % and 9 % takes the sizes of amm.md 11, one by one or as an array."""
    amm = example_amm()
    up, down = amm.size_for_yield(0.11), amm.size_for_yield(0.09)
    assert (up.side, down.side) == ("BUY_YT", "SELL_YT")
    assert up.units == pytest.approx(240.7992, abs=5e-5)
    assert up.st_amount == pytest.approx(12.451466, abs=5e-7)
    assert down.units == pytest.approx(238.0856, abs=5e-5)
    assert down.st_amount == pytest.approx(9.551273, abs=5e-7)
    both = amm.size_for_yield([0.11, 0.09, amm.implied_yield])
    assert both.side.tolist()[:2] == ["BUY_YT", "SELL_YT"]
    np.testing.assert_allclose(both.units, [up.units, down.units, 0.0], rtol=1e-12)
    np.testing.assert_allclose(both.post_trade_yield, [0.11, 0.09, amm.implied_yield], rtol=1e-12)
    assert both.amm_after.total_pt[0] == pytest.approx(up.amm_after.total_pt, rel=1e-14)


@settings(deadline=None, max_examples=60)
@given(logit_amms())
def test_peaks_beat_their_neighbours_and_scipy(amm):
    """A peak pays at least as much as any size scipy's bounded search finds below the other limits."""
    for side, bound in (("SELL_YT", amm.max_size("BUY_PT").size), ("SELL_PT", amm.max_size("BUY_YT").size)):
        peak = amm.max_size(side)
        if peak.binding != "proceeds_peak":
            continue
        fee = math.expm1(amm.ln_fee_root * amm.tau)

        def proceeds(n, side=side, fee=fee):
            """Proceeds straight from the formulas of amm.md 3."""
            sign = 1.0 if side == "SELL_YT" else -1.0
            x0 = math.expm1(amm.ln_implied_rate * amm.tau)
            moved = math.log1p(-sign * n / amm.total_pt) - math.log1p(sign * n / amm.total_asset)
            x = x0 + moved / amm.rate_scalar
            return n * (x - fee) / (1 + x) if side == "SELL_YT" else n / ((1 + x) * (1 + fee))

        best = optimize.minimize_scalar(lambda n: -proceeds(n), bounds=(0.0, bound), method="bounded")
        assert peak.st == pytest.approx(proceeds(peak.size), rel=1e-9, abs=1e-13 * peak.size)
        assert peak.st >= -best.fun * (1 - 1e-12) - 1e-13 * peak.size
        for share in (1 - 1e-4, 1 + 1e-4):
            assert proceeds(min(peak.size * share, bound)) <= peak.st + 1e-13 * peak.size


def test_a_sale_of_pt_can_peak_before_the_cap():
    """A flat curve near expiry pays less and less for PT: the peak binds before the share of 96 %."""
    amm = logit_amm(
        maturity=NOW + timedelta(days=400), total_pt=150.0, total_sy=850.0, scalar_root=1.5, ln_fee_root=0.0
    )
    peak = amm.max_size("SELL_PT")
    assert peak.binding == "proceeds_peak"
    raw = MarketState(
        total_pt=150 * ONE,
        total_sy=850 * ONE,
        total_lp=ONE,
        scalar_root=3 * ONE // 2,
        expiry=int(amm.maturity.timestamp()),
        ln_fee_root=0,
        reserve_fee_percent=80,
        last_ln_rate=95310179804324864,
    )
    # the contract's bisection of the slope ends at the same size
    assert max_pt_in(raw, ONE, int(NOW.timestamp())) / ONE == pytest.approx(peak.size, rel=1e-12)
    assert peak.size < 0.96 * 1000.0 - 150.0
    with pytest.raises(CapacityError, match="proceeds_peak"):
        amm.quote("SELL_PT", peak.size * 1.001)


def test_a_state_beyond_a_cap_trades_only_back():
    """Above 96 % PT nothing can be sold, and PT can still be bought."""
    amm = logit_amm(total_pt=970.0, total_sy=30.0)
    assert amm.max_size("SELL_PT").size == 0
    assert amm.max_size("BUY_YT") == amm.max_size("BUY_YT")
    assert amm.max_size("BUY_YT").st == 0
    with pytest.raises(CapacityError, match=r"largest possible, 0\.0"):
        amm.quote("BUY_YT", 1.0)
    assert amm.quote("SELL_PT", 0.0).st_amount == 0
    assert amm.quote("BUY_PT", 50.0).st_amount > 0


def test_a_fee_above_the_yield_leaves_one_direction():
    """When the fee exceeds the yield nothing can be bought, and a sale of YT would pay nothing."""
    amm = logit_amm(ln_fee_root=0.2)
    assert amm.max_size("BUY_PT").size == amm.max_size("SELL_YT").size == 0
    assert amm.max_size("SELL_YT").binding == "rate_floor"
    assert amm.quote("SELL_PT", 10.0).st_amount > 0


def test_a_pool_far_from_its_floor_keeps_its_last_pt():
    """Where the floor would need more PT than there is, the reserve itself is the limit, and can be quoted."""
    amm = logit_amm(scalar_root=400.0, ln_implied_rate=0.5, maturity=NOW + timedelta(days=365))
    assert amm.max_size("BUY_PT").binding == "reserve"
    largest = amm.max_size("BUY_PT").size
    assert largest < amm.total_pt
    assert math.isfinite(amm.quote("BUY_PT", largest).st_amount)


def test_a_fee_free_purchase_to_the_floor_ends_at_no_yield():
    """Without fee the largest purchase takes the rate to the floor: PT costs 1 and the yield is 0."""
    fill = logit_amm(ln_fee_root=0.0).quote("BUY_PT", logit_amm(ln_fee_root=0.0).max_size("BUY_PT").size)
    assert fill.average_price == pytest.approx(1.0, rel=1e-14)
    assert fill.post_trade_yield == pytest.approx(0.0, abs=1e-14)
    assert fill.post_trade_yield >= 0


def test_a_steep_scalar_gives_a_flat_price():
    """As the scalar grows the price no longer depends on size (amm.md 10.12)."""
    fill = logit_amm(scalar_root=1e12, ln_fee_root=0.0).quote("BUY_PT", 500.0)
    assert fill.average_price == pytest.approx(fill.spot_before, rel=1e-9)
    assert fill.price_impact == pytest.approx(0.0, abs=1e-9)


@given(YIELDS, DAYS, SCALES)
def test_reserves_scale(implied, days, scale):
    """A pool of any scale up to 1e30 prices a share of itself alike."""
    kinds = {"maturity": NOW + timedelta(days=days), "ln_implied_rate": math.log1p(implied)}
    small = logit_amm(**kinds)
    large = logit_amm(**kinds, total_pt=1000.0 * scale * 1e18, total_sy=1000.0 * scale * 1e18)
    ours, theirs = small.quote("BUY_YT", 100.0), large.quote("BUY_YT", 100.0 * scale * 1e18)
    assert theirs.st_amount / (scale * 1e18) == pytest.approx(ours.st_amount, rel=1e-11)


def test_states_can_be_arrays():
    """Many states are quoted at once, each as it is alone, with its own limits."""
    rates = np.log1p([0.05, 0.1, 0.3])
    many = logit_amm(ln_implied_rate=rates, total_pt=np.array([500.0, 1000.0, 1500.0]))
    for side in ("BUY_PT", "SELL_PT", "BUY_YT", "SELL_YT"):
        limits = many.max_size(side)
        fills = many.quote(side, 20.0)
        halves = many.size_for_budget(side, limits.st / 2)
        for i, (rate, pt) in enumerate(zip(rates, [500.0, 1000.0, 1500.0], strict=True)):
            alone = logit_amm(ln_implied_rate=float(rate), total_pt=pt)
            assert limits.size[i] == pytest.approx(alone.max_size(side).size, rel=1e-13)
            assert limits.binding[i] == alone.max_size(side).binding if np.ndim(limits.binding) else True
            assert fills.st_amount[i] == pytest.approx(alone.quote(side, 20.0).st_amount, rel=1e-13)
            half = alone.size_for_budget(side, float(limits.st[i]) / 2)
            assert halves.units[i] == pytest.approx(half.units, rel=1e-12)
    with pytest.raises(CapacityError, match=r"size\[0\]") as refused:
        many.quote("BUY_PT", 600.0)
    assert refused.value.maximum == many.max_size("BUY_PT").size[0]


def test_a_state_without_yield_stands_among_others():
    """A rate of 0 gives YT away, can only rise, and does not disturb the states beside it."""
    many = logit_amm(ln_implied_rate=np.array([0.0, math.log(1.1)]))
    fill = many.size_for_budget("BUY_YT", 1.0)
    np.testing.assert_allclose(fill.st_amount, [1.0, 1.0], rtol=1e-12)
    assert fill.price_impact[0] == math.inf
    assert many.max_size("SELL_YT").size[0] == 0
    assert many.max_size("SELL_YT").binding.tolist() == ["rate_floor", "proceeds_peak"]


def test_set_up_of_a_market():
    """Anchor, scalar and share for 3-30 % and 180 days are those of amm.md 11, and give back the band."""
    tau = 180 / 365
    parameters = market_parameters(0.03, 0.30, 0.003, tau)
    assert parameters.anchor == pytest.approx(1.0764060286868533, rel=1e-15)
    assert parameters.scalar_root == pytest.approx(17.555444228791618, rel=1e-13)
    assert parameters.ln_fee_root == math.log1p(0.003)
    share = initial_proportion(0.12, parameters.anchor, parameters.scalar_root, tau)
    assert share == pytest.approx(0.3376550709, abs=1e-10)
    amm = logit_amm(
        total_pt=share,
        total_sy=1.0 - share,
        scalar_root=parameters.scalar_root,
        ln_implied_rate=math.log1p(0.12),
    )
    assert amm.rate_anchor == pytest.approx(parameters.anchor, rel=1e-13)
    assert yield_range(amm) == pytest.approx((0.03, 0.30), rel=1e-12)


@pytest.mark.parametrize(
    ("low", "high", "fee", "tau", "name"),
    [
        (0.3, 0.03, 0.003, 0.5, "max_yield"),
        (-0.1, 0.3, 0.003, 0.5, "min_yield"),
        (0.03, 0.3, 0.06, 0.5, "fee"),
        (0.03, 0.3, 0.003, 0.0, "tau"),
    ],
)
def test_set_up_refuses_what_the_venue_refuses(low, high, fee, tau, name):
    """Yields out of order or negative, a fee above 5 % and no time are refused by name."""
    with pytest.raises(DomainError, match=name):
        market_parameters(low, high, fee, tau)


def test_set_up_takes_arrays():
    """Several markets are set up at once."""
    many = market_parameters([0.03, 0.05], 0.30, 0.003, 0.5)
    one = market_parameters(0.05, 0.30, 0.003, 0.5)
    assert many.scalar_root[1] == pytest.approx(one.scalar_root, rel=1e-15)


def test_lp_value_at_spot_is_a_share_of_the_reserves():
    """An LP token holds its share of ST and of PT at the spot price, and after maturity of both at 1."""
    amm = logit_amm(total_lp=500.0)
    assert lp_value(amm) == pytest.approx((1000.0 + 1000.0 * amm.spot("PT")) / 500.0, rel=1e-15)
    assert lp_value(replace(amm, as_of=amm.maturity)) == pytest.approx(2000.0 / 500.0, rel=1e-15)
    assert lp_value(example_amm()) == pytest.approx(1 + amm.spot("PT"), rel=1e-15)
    assert lp_value(amm, haircut=0.9) == pytest.approx(0.9 * lp_value(amm), rel=1e-15)


@settings(deadline=None)
@given(logit_amms(fees=False), st.floats(0.005, 0.05), st.sampled_from(["SELL_PT", "BUY_PT"]))
def test_lp_value_does_not_follow_a_manipulated_spot(amm, share, side):
    """With a mean rate, a push of the spot rate moves the LP value ten times less than spot valuation."""
    mean = amm.ln_implied_rate
    true = lp_value(amm, mean_ln_rate=mean)
    assert true == pytest.approx(lp_value(amm), rel=1e-12)
    size = share * min(amm.total_pt, amm.total_asset)
    assume(size < amm.max_size(side).size)
    pushed = amm.quote(side, size).amm_after
    error = abs(lp_value(pushed, mean_ln_rate=mean) - true)
    assert error <= 0.1 * abs(lp_value(pushed) - true) + 1e-13 * true


def test_lp_value_follows_its_formula():
    """The value at a mean rate is amm.md 4 evaluated by hand with numbers of the worked example."""
    amm, mean = logit_amm(), math.log(1.12)
    tau = 180 / 365
    e, eo = 1.1**tau, 1.12**tau
    eh = (e + eo) / 2
    # equal reserves: logit is 0 and the anchor is E
    c = math.exp(50.0 / tau * (eo - e))
    n = (c * 1000.0 - 1000.0) / (1 + c / eh)
    expected = (1000.0 - n / eh + (1000.0 + n) / eo) / 1000.0
    assert lp_value(amm, mean_ln_rate=mean) == pytest.approx(expected, rel=1e-12)
    # far away in either direction the pool would hold one token only, bought at the mean of both rates
    steep = logit_amm(scalar_root=1e5)
    high, low = math.exp(0.5 * tau), math.exp(0.01 * tau)
    assert lp_value(steep, mean_ln_rate=0.5) == pytest.approx((1 + (e + high) / 2) / high, rel=1e-9)
    assert lp_value(steep, mean_ln_rate=0.01) == pytest.approx(1 + 1 / ((e + low) / 2), rel=1e-9)


def test_divergence_loss_is_zero_at_entry_and_negative_after_a_move():
    """LP tokens equal what was put in at once, and less after a fee-free move of the yield in small trades."""
    amm = logit_amm(ln_fee_root=0.0)
    entry = {"lp": 100.0, "pt_in": 100.0, "st_in": 100.0}
    assert divergence_loss(amm, **entry) == pytest.approx(0.0, abs=1e-15)
    moved = amm
    for _ in range(200):
        moved = moved.quote("SELL_PT", 2.5).amm_after
    loss = divergence_loss(moved, **entry)
    held = 100.0 * moved.spot("PT") + 100.0
    owned = 0.1 * (moved.total_pt * moved.spot("PT") + moved.total_sy)
    assert loss == pytest.approx(owned / held - 1.0, rel=1e-9)
    assert loss < 0
    matured = replace(amm, as_of=amm.maturity)
    assert divergence_loss(matured, **entry) == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("haircut", [-0.1, 1.1, math.nan])
def test_haircuts_are_fractions(haircut):
    """A haircut outside 0 to 1 is refused, as is a pool without LP supply."""
    with pytest.raises(DomainError, match="haircut"):
        lp_value(logit_amm(), haircut=haircut)
    with pytest.raises(DomainError, match="total_lp"):
        lp_value(logit_amm(total_lp=None))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("total_pt", 0.0),
        ("total_sy", -1.0),
        ("sy_index", math.nan),
        ("scalar_root", math.inf),
        ("ln_implied_rate", -0.01),
        ("ln_fee_root", -0.001),
        ("reserve_fee_percent", 101.0),
        ("total_pt", True),
        ("total_pt", "1000"),
    ],
)
def test_states_that_cannot_be_priced_are_refused(name, value):
    """Empty or unreadable reserves, a yield below 0 and impossible fees are refused by name."""
    with pytest.raises(DomainError, match=name):
        logit_amm(**{name: value})


def test_naive_moments_are_refused():
    """A moment without time zone is no moment."""
    with pytest.raises(DomainError, match="as_of"):
        logit_amm(as_of=NOW.replace(tzinfo=None))


def test_yield_range_needs_a_live_market():
    """The band of a matured market is an ExpiredError."""
    with pytest.raises(ExpiredError):
        yield_range(logit_amm(as_of=NOW + timedelta(days=180)))


def test_near_expiry_and_dust_are_warned_of():
    """The last hour, and amounts of a few raw units with few decimals, call for the integer path."""
    assert example_amm().quote("BUY_PT", 1e-9).warnings == ()
    late = logit_amm(maturity=NOW + timedelta(minutes=59))
    assert late.quote("BUY_PT", 1.0).warnings == ("near_expiry",)
    coarse = next(case for case in MARKETS if case["in"]["decimals"] == 6)
    amm = pendle_amm(coarse["in"])
    assert amm.quote("BUY_PT", 0.5).warnings == ("dust",)
    assert amm.quote("BUY_PT", 1.5).warnings == ()


def test_time_alone_moves_the_spot():
    """At unchanged lambda PT rises towards 1 with time, and the yield stays."""
    amm = logit_amm()
    later = amm.at(NOW + timedelta(days=90))
    assert isinstance(later, LogitAmm)
    assert later.implied_yield == amm.implied_yield
    assert later.spot("PT") == pytest.approx(1.1 ** (-90 * 86400 / YEAR_SECONDS), rel=1e-15)
