"""The integer path of Pendle pools: contract executions, the worked example, and exact arithmetic."""

from decimal import Context, Decimal
from fractions import Fraction

import pytest
from amm_cases import EXAMPLE_NOW, example_state, golden, pendle_state
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.amm import logit_fixed as fixed
from yieldtrade.amm.fixed_math import quotient
from yieldtrade.errors import CapacityError, ConvergenceError, DomainError, ExpiredError, YieldtradeError

ONE = 10**18
DIGITS = Context(prec=100)


def written(state):
    """State as a golden case writes it."""
    return {
        "totalPt": str(state.total_pt),
        "totalSy": str(state.total_sy),
        "totalLp": str(state.total_lp),
        "lastLnImpliedRate": str(state.last_ln_rate),
    }


def strings(**numbers):
    """Numbers as a golden case writes them."""
    return {name: str(number) for name, number in numbers.items()}


def precompute(state, index, now, _given):
    """Answer as the contract does."""
    terms = fixed.precompute(state, index, now)
    return strings(
        rateScalar=terms.rate_scalar,
        totalAsset=terms.total_asset,
        rateAnchor=terms.rate_anchor,
        feeRate=terms.fee_rate,
    )


def exchange_rate_from_ln_implied_rate(_state, _index, _now, given_):
    """Answer as the contract does."""
    rate = fixed.exchange_rate_from_ln_rate(given_["lnImpliedRate"], given_["timeToExpiry"])
    return strings(exchangeRate=rate)


def swap_pt(state, index, now, given_):
    """Answer as the contract does."""
    trade = fixed.execute_trade(state, index, now, given_["netPtToAccount"])
    answer = strings(netSyToAccount=trade.net_sy, netSyFee=trade.fee_sy, netSyToReserve=trade.reserve_sy)
    return {**answer, "after": written(trade.after)}


def exchange_rate(state, index, now, given_):
    """Answer as the contract does."""
    before, after = fixed.exchange_rate(state, index, now, given_["netPtToAccount"])
    return strings(preFee=before, postFee=after)


def buy_exact_yt(state, index, now, given_):
    """Answer as the contract does."""
    size = given_["exactYtOut"]
    bought = fixed.swap_sy_for_exact_yt(state, index, now, size)
    answer = strings(
        netSyIn=bought.sy,
        netSyFee=bought.leg.fee_sy,
        netSyReceivedInt=bought.leg.net_sy,
        totalSyNeedInt=fixed.to_sy_up(size, index),
    )
    return {**answer, "after": written(bought.leg.after)}


def sell_exact_yt(state, index, now, given_):
    """Answer as the contract does."""
    sold = fixed.swap_exact_yt_for_sy(state, index, now, given_["exactYtIn"])
    answer = strings(
        netSyOut=sold.sy,
        netSyFee=sold.leg.fee_sy,
        netSyOwedInt=-sold.leg.net_sy,
        netPYToRepaySyOwedInt=fixed.to_asset_up(-sold.leg.net_sy, index),
    )
    return {**answer, "after": written(sold.leg.after)}


def buy_pt_with_exact_sy(state, index, now, given_):
    """Answer as the contract does."""
    found = fixed.swap_exact_sy_for_pt(state, index, now, given_["exactSyIn"], given_["eps"])
    return strings(netPtOut=found.size, netSyFee=found.fee_sy)


def buy_yt_with_exact_sy(state, index, now, given_):
    """Answer as the contract does."""
    found = fixed.swap_exact_sy_for_yt(state, index, now, given_["exactSyIn"], given_["eps"])
    return strings(netYtOut=found.size, netSyFee=found.fee_sy)


def max_pt_in(state, index, now, _given):
    """Answer as the contract does."""
    return strings(maxPtIn=fixed.max_pt_in(state, index, now))


def max_pt_out(state, index, now, _given):
    """Answer as the contract does."""
    return strings(maxPtOut=fixed.max_pt_out(state, index, now))


def add_liquidity(state, _index, now, given_):
    """Answer as the contract does."""
    added = fixed.add_liquidity(state, now, given_["syDesired"], given_["ptDesired"])
    answer = strings(lpToReserve=added.locked_lp, lpToAccount=added.lp, syUsed=added.sy, ptUsed=added.pt)
    return {**answer, "after": written(added.after)}


def remove_liquidity(state, _index, _now, given_):
    """Answer as the contract does."""
    removed = fixed.remove_liquidity(state, given_["lpToRemove"])
    answer = strings(netSyToAccount=removed.sy, netPtToAccount=removed.pt)
    return {**answer, "after": written(removed.after)}


ANSWERS = {
    answer.__name__: answer
    for answer in (
        precompute,
        exchange_rate_from_ln_implied_rate,
        swap_pt,
        exchange_rate,
        buy_exact_yt,
        sell_exact_yt,
        buy_pt_with_exact_sy,
        buy_yt_with_exact_sy,
        max_pt_in,
        max_pt_out,
        add_liquidity,
        remove_liquidity,
    )
}
CASES = golden("pendle_market")["cases"]
MARKETS = [case for case in CASES if case["kind"] == "market_state"]


@pytest.mark.parametrize("case", MARKETS, ids=lambda case: case["id"])
def test_every_contract_execution_is_reproduced(case):
    """Every call gives what the contract gave, to the last unit, or is refused where the contract reverted."""
    state, index, now = pendle_state(case["in"]), int(case["in"]["pyIndex"]), case["in"]["blockTime"]
    for call in case["calls"]:
        given_ = {name: int(value) for name, value in call["in"].items()}
        if "expect_error" in call:
            with pytest.raises(YieldtradeError):
                ANSWERS[call["kind"]](state, index, now, given_)
        else:
            assert ANSWERS[call["kind"]](state, index, now, given_) == call["expect"], call["kind"]


@pytest.mark.parametrize("case", [case for case in CASES if case["kind"] == "set_initial_rate"])
def test_initial_rates_are_those_of_the_contract(case):
    """A new pool starts at the rate that the contract stores."""
    state, given_ = pendle_state(case["in"]), case["in"]
    rate = fixed.initial_ln_rate(
        state, int(given_["pyIndex"]), given_["blockTime"], int(given_["initialAnchor"])
    )
    assert str(rate) == case["expect"]["lastLnImpliedRate"]


@pytest.mark.parametrize(
    ("pt_out", "sy", "fee", "reserve", "ln_rate"),
    [
        (10**15, -955497807823197, 1412568024152, 1130054419321, 95310142511655837),
        (-(10**15), 952674724197152, 1410479689532, 1128383751625, 95310217086217090),
        (
            100 * ONE,
            -95730551049381858097,
            141524045622839805,
            113219236498271844,
            91553741689407125,
        ),
        (
            -100 * ONE,
            95087915663033580518,
            140782126738738596,
            112625701390990876,
            99034409387604796,
        ),
    ],
)
def test_worked_example_of_pt_trades(pt_out, sy, fee, reserve, ln_rate):
    """The trades of amm.md 11 cost what is printed there."""
    trade = fixed.execute_trade(example_state(), ONE, EXAMPLE_NOW, pt_out)
    assert (trade.net_sy, trade.fee_sy, trade.reserve_sy) == (sy, fee, reserve)
    assert trade.after.last_ln_rate == ln_rate


def test_worked_example_of_terms_and_limits():
    """Scalar, anchor, fee factor and limits are those of amm.md 11."""
    state = example_state()
    terms = fixed.precompute(state, ONE, EXAMPLE_NOW)
    assert terms.rate_scalar == 101388888888888888888
    assert terms.rate_anchor == 1048124399273734156
    assert terms.fee_rate == 1001480546983884190
    assert fixed.max_pt_in(state, ONE, EXAMPLE_NOW) == 920 * ONE
    assert fixed.max_pt_out(state, ONE, EXAMPLE_NOW) == 981504589710762432018


def test_worked_example_of_yt_trades_and_bisections():
    """YT trades and the venue's bisections, with their step counts, are those of amm.md 11."""
    state = example_state()
    assert fixed.swap_sy_for_exact_yt(state, ONE, EXAMPLE_NOW, 100 * ONE).sy == 4912084336966419482
    assert fixed.swap_exact_yt_for_sy(state, ONE, EXAMPLE_NOW, 100 * ONE).sy == 4269448950618141903
    pt = fixed.swap_exact_sy_for_pt(state, ONE, EXAMPLE_NOW, 100 * ONE)
    assert (pt.size, pt.steps) == (104450353771824415453, 17)
    yt = fixed.swap_exact_sy_for_yt(state, ONE, EXAMPLE_NOW, 2 * ONE)
    assert (yt.size, yt.steps) == (41604867458343505851, 21)


@given(st.integers(-41 * ONE, 130 * ONE))
def test_exponential_is_close_to_the_true_one(x):
    """exp_fixed agrees with 100-digit arithmetic to 18 decimals or 17 digits, whichever is coarser."""
    exact = Decimal(x).scaleb(-18).exp(DIGITS).scaleb(18)
    assert abs(fixed.exp_fixed(x) - int(exact)) <= 2 + exact * Decimal("1e-17")


@given(st.one_of(st.integers(1, 10**40), st.integers(10**40, 10**90)))
def test_logarithm_is_close_to_the_true_one(a):
    """ln_fixed agrees with 100-digit arithmetic to 18 decimals, or as far as the reciprocal of ``a`` goes."""
    exact = Decimal(a).scaleb(-18).ln(DIGITS) * ONE
    coarse = Fraction(a, ONE) * 2 if a < ONE else 0
    assert abs(fixed.ln_fixed(a) - int(exact)) <= 50 + coarse


@pytest.mark.parametrize(
    "call",
    [
        lambda: fixed.exp_fixed(-41 * ONE - 1),
        lambda: fixed.exp_fixed(130 * ONE + 1),
        lambda: fixed.ln_fixed(0),
        lambda: fixed.ln_fixed(-ONE),
    ],
)
def test_exponential_and_logarithm_have_a_domain(call):
    """Exponents that the contract cannot take, and logarithms of nothing, are domain errors."""
    with pytest.raises(DomainError):
        call()


def test_exponential_and_logarithm_at_one():
    """e^0 is exactly 1 and ln 1 exactly 0; either side of 1 the signs are right."""
    assert fixed.exp_fixed(0) == ONE
    assert fixed.ln_fixed(ONE) == 0
    assert fixed.ln_fixed(ONE + 10**6) == 10**6 - 1 or fixed.ln_fixed(ONE + 10**6) == 10**6
    assert fixed.ln_fixed(ONE - 10**6) == -(10**6)


@given(st.integers(-(10**40), 10**40), st.integers(-(10**20), 10**20).filter(bool))
def test_division_truncates_toward_zero(a, b):
    """Quotients lose their fraction whatever the signs, as in Solidity."""
    assert quotient(a, b) == int(Fraction(a, b))


@pytest.mark.parametrize(("sy", "index"), [(7, 3 * ONE // 2), (-7, 3 * ONE // 2), (1, 1), (-1, 1), (0, ONE)])
def test_conversions_round_the_absolute_value(sy, index):
    """To asset and to SY round toward zero, their ``_up`` forms away from it, alike for either sign."""
    exact = Fraction(sy * index, ONE)
    assert fixed.to_asset(sy, index) == int(exact)
    assert abs(fixed.to_asset_up(sy, index)) == -(-abs(sy) * index // ONE)
    assert fixed.to_sy(-sy, index) == -fixed.to_sy(sy, index)
    assert abs(fixed.to_sy_up(sy, index)) * index >= abs(sy) * ONE


def test_expired_markets_are_refused():
    """At expiry itself nothing is priced any more, but liquidity can still be removed."""
    state = example_state()
    for call in (
        lambda: fixed.execute_trade(state, ONE, state.expiry, ONE),
        lambda: fixed.max_pt_in(state, ONE, state.expiry),
        lambda: fixed.add_liquidity(state, state.expiry, ONE, ONE),
        lambda: fixed.swap_exact_sy_for_yt(state, ONE, state.expiry, ONE),
    ):
        with pytest.raises(ExpiredError, match="MarketExpired"):
            call()
    assert fixed.remove_liquidity(state, ONE).pt == ONE


@pytest.mark.parametrize(
    ("pt_out", "revert", "binding", "maximum"),
    [
        (1000 * ONE, "MarketInsufficientPtForTrade", "reserve", 981504589710762432018),
        (999 * ONE, "MarketExchangeRateBelowOne", "rate_floor", 981504589710762432018),
        # the rate itself is still above one here, but not after the fee
        (983 * ONE, "MarketExchangeRateBelowOne", "rate_floor", 981504589710762432018),
        (-921 * ONE, "MarketProportionTooHigh", "proportion_cap", 920 * ONE),
    ],
)
def test_refusals_name_the_limit_and_the_largest_trade(pt_out, revert, binding, maximum):
    """A trade that the contract reverts says why, and carries the largest possible one."""
    with pytest.raises(CapacityError, match=revert) as refused:
        fixed.execute_trade(example_state(), ONE, EXAMPLE_NOW, pt_out)
    assert refused.value.requested == abs(pt_out)
    assert refused.value.maximum == maximum
    assert refused.value.binding == binding


def test_a_limit_that_the_contract_cannot_compute_counts_as_none():
    """Where the router's own formula leaves the domain of the exponential, the largest trade is given as 0."""
    state = example_state(scalar_root=800 * ONE, last_ln_rate=5 * 10**17)
    with pytest.raises(DomainError, match="exponents"):
        fixed.max_pt_out(state, ONE, EXAMPLE_NOW)
    with pytest.raises(CapacityError, match="MarketInsufficientPtForTrade") as refused:
        fixed.execute_trade(state, ONE, EXAMPLE_NOW, 1000 * ONE)
    assert refused.value.maximum == 0


def test_a_trade_to_a_rate_of_zero_is_refused():
    """Without fee the last purchase would leave a rate of 0, which the contract cannot store."""
    state = example_state(ln_fee_root=0)
    terms = fixed.precompute(state, ONE, EXAMPLE_NOW)
    largest = fixed.max_pt_out(state, ONE, EXAMPLE_NOW) * 1000 // 999
    low, high = 0, largest + ONE
    # the largest purchase that is priced at all, found by halving
    while high - low > 1:
        middle = (low + high) // 2
        try:
            rate = fixed.exchange_rate(state, ONE, EXAMPLE_NOW, middle)[0]
        except CapacityError:
            high = middle
        else:
            low = middle
            assert rate >= ONE
    assert terms.fee_rate == ONE
    with pytest.raises(CapacityError, match="MarketZeroLnImpliedRate") as refused:
        fixed.execute_trade(state, ONE, EXAMPLE_NOW, low)
    assert refused.value.binding == "rate_floor"


def test_nothing_can_be_bought_when_the_fee_exceeds_the_yield():
    """A fee above the yield leaves no purchase: the largest one is an error, as in the contract."""
    with pytest.raises(CapacityError, match="no PT can be bought") as refused:
        fixed.max_pt_out(example_state(ln_fee_root=10**17), ONE, EXAMPLE_NOW)
    assert refused.value.maximum == 0


def test_nothing_can_be_sold_above_the_share_cap():
    """A pool with more than 96 % PT takes none, and still sells."""
    state = example_state(total_sy=20 * ONE)
    with pytest.raises(CapacityError, match="no PT can be sold"):
        fixed.max_pt_in(state, ONE, EXAMPLE_NOW)
    assert fixed.execute_trade(state, ONE, EXAMPLE_NOW, 100 * ONE).net_sy < 0


@pytest.mark.parametrize(
    "changes", [{"total_pt": 0}, {"total_sy": 0}, {"scalar_root": 0}, {"scalar_root": -ONE}]
)
def test_states_that_cannot_be_priced_are_refused(changes):
    """Empty reserves and a scalar that is not positive are domain errors."""
    with pytest.raises(DomainError):
        fixed.precompute(example_state(**changes), ONE, EXAMPLE_NOW)


@pytest.mark.parametrize("changes", [{"total_pt": 1.5}, {"total_lp": True}, {"expiry": "1800000000"}])
def test_raw_states_hold_whole_numbers(changes):
    """Floats, booleans and text are refused by name."""
    with pytest.raises(DomainError, match=next(iter(changes))):
        example_state(**changes)


def test_raw_sizes_are_whole_numbers():
    """A float size, an index of 0 and a negative exact amount are refused."""
    state = example_state()
    with pytest.raises(DomainError, match="pt_out"):
        fixed.execute_trade(state, ONE, EXAMPLE_NOW, 1.0)
    with pytest.raises(DomainError, match="index"):
        fixed.execute_trade(state, 0, EXAMPLE_NOW, 1)
    with pytest.raises(DomainError, match="yt_in"):
        fixed.swap_exact_yt_for_sy(state, ONE, EXAMPLE_NOW, -1)
    with pytest.raises(DomainError, match="eps"):
        fixed.swap_exact_sy_for_pt(state, ONE, EXAMPLE_NOW, ONE, 2 * ONE)


def test_more_sy_than_the_largest_purchase_costs_does_not_converge():
    """The venue's bisection ends without an answer beyond the largest purchase."""
    with pytest.raises(ConvergenceError):
        fixed.swap_exact_sy_for_yt(example_state(), ONE, EXAMPLE_NOW, 900 * ONE)
    with pytest.raises(ConvergenceError):
        fixed.swap_exact_sy_for_yt(example_state(), ONE, EXAMPLE_NOW, 950 * ONE)
    with pytest.raises(ConvergenceError):
        fixed.swap_exact_sy_for_pt(example_state(), ONE, EXAMPLE_NOW, 5000 * ONE)


def test_the_first_deposit_sets_the_proportion_and_locks_liquidity():
    """sqrt(400*900) is 600 LP for the first deposit, of which 1,000 raw units stay locked."""
    empty = example_state(total_pt=0, total_sy=0, total_lp=0)
    added = fixed.add_liquidity(empty, EXAMPLE_NOW, 400 * ONE, 900 * ONE)
    assert (added.lp, added.locked_lp) == (600 * ONE - 1000, 1000)
    assert (added.after.total_pt, added.after.total_sy, added.after.total_lp) == (
        900 * ONE,
        400 * ONE,
        600 * ONE,
    )


@pytest.mark.parametrize(("sy", "pt"), [(7 * ONE, 3 * ONE), (3 * ONE, 7 * ONE), (3 * ONE, 3 * ONE)])
def test_deposits_take_the_pools_proportion(sy, pt):
    """A deposit into 1000 PT and 500 SY takes them two to one, as much as both amounts allow."""
    state = example_state(total_sy=500 * ONE)
    added = fixed.add_liquidity(state, EXAMPLE_NOW, sy, pt)
    fits = min(sy, pt // 2)
    assert (added.sy, added.pt, added.lp) == (fits, 2 * fits, 2 * fits)
    assert added.after.total_lp == 1000 * ONE + 2 * fits


def test_dust_is_no_liquidity():
    """Too little for a unit of LP, or LP worth less than a unit of both tokens, is refused."""
    vast = example_state(total_pt=10**30, total_sy=10**30)
    with pytest.raises(DomainError, match="MarketZeroAmountsOutput"):
        fixed.add_liquidity(vast, EXAMPLE_NOW, 1, 1)
    poor = example_state(total_pt=10, total_sy=10)
    with pytest.raises(DomainError, match="MarketZeroAmountsOutput"):
        fixed.remove_liquidity(poor, 1)


@pytest.mark.parametrize(("sy", "pt"), [(0, ONE), (ONE, 0), (-1, ONE)])
def test_empty_deposits_are_refused(sy, pt):
    """Nothing of either token is no deposit."""
    with pytest.raises(DomainError, match="MarketZeroAmountsInput"):
        fixed.add_liquidity(example_state(), EXAMPLE_NOW, sy, pt)


def test_withdrawals_stay_within_the_supply():
    """More LP than exists, or none, cannot be redeemed."""
    state = example_state()
    with pytest.raises(CapacityError):
        fixed.remove_liquidity(state, state.total_lp + 1)
    with pytest.raises(DomainError):
        fixed.remove_liquidity(state, 0)


def test_reserves_of_1e30_tokens_are_priced():
    """Integers do not overflow: a pool 1e27 times the example trades 1e27 times as much at the same price."""
    scale = 10**27
    base = example_state()
    vast = example_state(total_pt=base.total_pt * scale, total_sy=base.total_sy * scale)
    small = fixed.execute_trade(base, ONE, EXAMPLE_NOW, 100 * ONE)
    large = fixed.execute_trade(vast, ONE, EXAMPLE_NOW, 100 * ONE * scale)
    assert large.net_sy / scale == pytest.approx(small.net_sy, rel=1e-15)


@given(st.integers(1, 900 * ONE))
def test_a_purchase_and_its_sale_never_gain(size):
    """Raw round trips lose or break even, and PT returns to where it was."""
    state = example_state()
    bought = fixed.execute_trade(state, ONE, EXAMPLE_NOW, size)
    sold = fixed.execute_trade(bought.after, ONE, EXAMPLE_NOW, -size)
    assert sold.net_sy <= -bought.net_sy
    assert sold.after.total_pt == state.total_pt
    assert sold.after.total_sy >= state.total_sy
