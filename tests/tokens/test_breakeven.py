"""Oracles: the table and figures of tokens.md 12, golden cycle cases, Pendle's library, the ledger."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from yieldtrade.conventions import growth_from_apy
from yieldtrade.errors import DomainError, ExpiredError
from yieldtrade.tokens.breakeven import breakeven_exit_yield, breakeven_yield, holding_return, long_yield_apy
from yieldtrade.tokens.ledger import distribute
from yieldtrade.tokens.pricing import implied_yield_from_yt, yt_price

GOLDEN = Path(__file__).parents[1] / "golden"
CYCLES = [
    case
    for case in json.loads((GOLDEN / "ratex_ledger.json").read_text())["cases"]
    if case["kind"] == "breakeven_cycle"
]
PENDLE = [
    case
    for case in json.loads((GOLDEN / "pendle_apy.json").read_text())["cases"]
    if case["kind"] == "long_yield_apy"
]
# Pendle's library writes this for an annualised figure it holds to be too large.
PENDLE_CAP = 900719925474099.1
BENCHMARKS = ("underlying", "cash", "levered_long", "levered_short")
BASES = ("none", "yt_only", "net")
FREE = {"yield_fee": 0, "yield_fee_base": "none", "trading_fee": 0}

prices = st.floats(0.0, 0.99)
fees = st.floats(0.0, 0.2)


def gain(benchmark, entry, exit_, growth, *, yield_fee, yield_fee_base, trading_fee):
    """Profit of one YT over its benchmark, by walking the cash through the ledger."""
    terms = {"yield_fee": yield_fee, "yield_fee_base": yield_fee_base}
    if benchmark == "levered_short":
        balance, yt, closing = entry * (1 - trading_fee), -1.0, 1 + trading_fee
    elif benchmark == "levered_long":
        # ST of y are borrowed, y*(1-f)/p YT bought: per YT p/(1-f)
        balance, yt, closing = -entry / (1 - trading_fee), 1.0, 1 - trading_fee
    else:
        balance, yt, closing = -entry * (1 + trading_fee), 1.0, 1 - trading_fee
    if benchmark == "cash":
        # only the YT is in the account: the ST paid would have stayed as they were
        after = balance + distribute(yt, 0.0, growth, **terms)
    else:
        after = distribute(yt, balance, growth, **terms)
    return after + yt * exit_ * closing


def cycle(case):
    """Prices and terms of a golden cycle."""
    given_ = case["in"]
    days = given_["days"] / 365
    return {
        "entry_price": yt_price(given_["implied0"], given_["tau0"]),
        "exit_price": yt_price(given_["implied1"], given_["tau0"] - days),
        "holding": days,
        "trading_fee": given_["fee"],
    }


@pytest.mark.parametrize("case", CYCLES, ids=lambda case: case["id"])
def test_cycles_match_the_golden_breakevens(case):
    """A week's trade breaks even at the golden yields, unlevered against cash and on borrowed ST."""
    trade, phi = cycle(case), case["in"]["yield_fee"]
    unlevered = breakeven_yield(benchmark="cash", yield_fee=phi, yield_fee_base="yt_only", **trade)
    assert unlevered.apy == pytest.approx(case["expect"]["apy_unlevered"], rel=1e-8)
    borrowed = breakeven_yield(benchmark="levered_long", yield_fee=0, yield_fee_base="none", **trade)
    assert borrowed.apy == pytest.approx(case["expect"]["apy_borrowed"], rel=1e-8)


@given(st.floats(1e-4, 30.0), st.floats(1 / 31_536_000, 3.0))
def test_against_the_underlying_the_breakeven_is_the_implied_yield(implied, tau):
    """Held to maturity without fees, YT bought with ST breaks even at exactly its implied yield."""
    entry = yt_price(implied, tau)
    assume(entry < 0.99)
    even = breakeven_yield(benchmark="underlying", entry_price=entry, exit_price=0, holding=tau, **FREE)
    assert even.status == "value"
    assert even.benchmark == "underlying"
    assert even.apy == pytest.approx(implied, rel=1e-13)


@pytest.mark.parametrize(
    ("days", "cash", "underlying"), [(30, 36.1, 37.2), (81, 34.4, 37.2), (180, 31.6, 37.3), (365, 27.3, 37.5)]
)
def test_a_yield_fee_moves_the_breakeven_as_printed(days, cash, underlying):
    """With a 5 % fee at 35 % implied the two break-evens to maturity are those of tokens.md 12."""
    to_maturity = {
        "entry_price": yt_price(0.35, days / 365),
        "exit_price": 0,
        "holding": days / 365,
        "yield_fee": 0.05,
        "yield_fee_base": "yt_only",
        "trading_fee": 0,
    }
    for benchmark, expected in (("cash", cash), ("underlying", underlying)):
        even = breakeven_yield(benchmark=benchmark, **to_maturity)
        assert 100 * even.apy == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(("exit_yield", "expected"), [(0.30, 0.30886), (0.27, 0.7330), (0.33, -0.0051)])
def test_a_levered_week_matches_the_printed_figures(exit_yield, expected):
    """Seven days, 91 left, 30 % implied, 0.1 % fee: the break-even swings with the exit as printed."""
    even = breakeven_yield(
        benchmark="levered_long",
        entry_price=yt_price(0.30, 0.25),
        exit_price=yt_price(exit_yield, 0.25 - 7 / 365),
        holding=7 / 365,
        yield_fee=0,
        yield_fee_base="none",
        trading_fee=0.001,
    )
    assert even.apy == pytest.approx(expected, abs=6e-5)
    assert even.profits_above


@given(st.floats(0, 0.9), st.floats(0, 0.9), st.floats(0, 0.05), st.floats(0, 0.2))
def test_rows_of_the_table(entry, leaving, fee, phi):
    """Each benchmark's growth is the quotient that tokens.md 12 states for it."""
    rows = {
        ("underlying", "yt_only"): (1 - phi - leaving * (1 - fee), 1 - phi - entry * (1 + fee)),
        ("cash", "yt_only"): (1 - phi + entry * (1 + fee) - leaving * (1 - fee), 1 - phi),
        ("levered_long", "none"): (1 - leaving + fee * leaving, 1 - entry - entry * fee / (1 - fee)),
        ("levered_short", "none"): (1 - leaving - fee * leaving, 1 - entry + fee * entry),
    }
    for (benchmark, base), (numerator, denominator) in rows.items():
        even = breakeven_yield(
            benchmark=benchmark,
            entry_price=entry,
            exit_price=leaving,
            holding=1.0,
            yield_fee=phi,
            yield_fee_base=base,
            trading_fee=fee,
        )
        if numerator > 1e-3 and denominator > 1e-3:
            assert even.status == "value"
            assert 1 + even.growth == pytest.approx(numerator / denominator, rel=1e-12)
            assert even.apy == pytest.approx(even.growth, rel=1e-12)


@given(
    benchmark=st.sampled_from(BENCHMARKS),
    base=st.sampled_from(BASES),
    entry=prices,
    leaving=prices,
    fee=fees,
    phi=fees,
    growth=st.floats(-0.999, 50.0),
)
def test_the_gain_changes_sign_at_the_breakeven_only(*, benchmark, base, entry, leaving, fee, phi, growth):
    """At every growth the cash walked through the ledger gains exactly where the break-even says it does."""
    terms = {"yield_fee": phi, "yield_fee_base": base, "trading_fee": fee}
    even = breakeven_yield(benchmark=benchmark, entry_price=entry, exit_price=leaving, holding=0.5, **terms)
    profit = gain(benchmark, entry, leaving, growth, **terms)
    assume(abs(profit) > 1e-9 * (1 + abs(growth)))
    if even.status == "value":
        assert even.growth > -1
        assert (profit > 0) == ((growth > even.growth) == even.profits_above)
    else:
        assert (even.growth, even.apy) == (None, None)
        assert (profit > 0) == (even.status == "always")


@given(
    benchmark=st.sampled_from(BENCHMARKS),
    base=st.sampled_from(BASES),
    entry=prices,
    fee=fees,
    phi=fees,
    growth=st.floats(-0.9, 20.0),
)
def test_the_exit_breakeven_leaves_no_gain(*, benchmark, base, entry, fee, phi, growth):
    """At the price of the exit break-even the cash walked through the ledger gains nothing."""
    terms = {"yield_fee": phi, "yield_fee_base": base, "trading_fee": fee}
    out = breakeven_exit_yield(
        benchmark=benchmark, entry_price=entry, growth=growth, tau_at_exit=0.5, **terms
    )
    scale = 1 + abs(growth)
    if out.status == "value":
        assert gain(benchmark, entry, out.price, growth, **terms) == pytest.approx(0, abs=1e-13 * scale)
        assert yt_price(out.apy, 0.5) == pytest.approx(out.price, rel=1e-12, abs=1e-15)
        better = 0.1 if out.profits_above else -0.1
        assert gain(benchmark, entry, out.price + better, growth, **terms) > 0
    else:
        # even an exit at 1 ST leaves a long without a gain and a short with one
        at_most = gain(benchmark, entry, 1.0, growth, **terms)
        assert at_most <= 1e-13 * scale if out.status == "never" else at_most >= -1e-13 * scale
        assert out.profits_above == (out.status == "never")


def test_the_articles_week_loses_its_edge_at_28_percent():
    """A 50 % week on a 30 % implied yield gains nothing if the exit implied yield is 28.167 %."""
    out = breakeven_exit_yield(
        benchmark="cash",
        entry_price=yt_price(0.3, 91 / 365),
        growth=growth_from_apy(0.5, 7 / 365),
        tau_at_exit=84 / 365,
        **FREE,
    )
    assert 100 * out.apy == pytest.approx(28.167, abs=5e-4)


def test_the_exit_breakeven_of_a_position_is_that_of_its_entry_price():
    """Without growth and fees a levered position is flat at the yield of its entry price."""
    for benchmark in ("levered_long", "levered_short"):
        out = breakeven_exit_yield(benchmark=benchmark, entry_price=0.08, growth=0, tau_at_exit=0.2, **FREE)
        assert out.apy == pytest.approx(implied_yield_from_yt(0.08, 0.2), rel=1e-14)


@pytest.mark.parametrize("phi", [0.05, 0.5])
def test_never_where_the_fee_eats_the_yield(phi):
    """A YT that costs what it keeps of the yield, or more, never beats the underlying to maturity."""
    for entry in (1 - phi, 0.999):
        even = breakeven_yield(
            benchmark="underlying",
            entry_price=entry,
            exit_price=0,
            holding=0.5,
            yield_fee=phi,
            yield_fee_base="yt_only",
            trading_fee=0,
        )
        assert (even.status, even.apy) == ("never", None)


def test_always_where_the_exit_pays_for_every_loss():
    """Bought at 0.1 and sold at 0.9 with half the yield taken, no loss of the underlying undoes the gain."""
    # kept = 0.5: gain = 0.9 - 0.1 + 0.5*g is positive for every g > -1
    even = breakeven_yield(
        benchmark="cash",
        entry_price=0.1,
        exit_price=0.9,
        holding=0.5,
        yield_fee=0.5,
        yield_fee_base="yt_only",
        trading_fee=0,
    )
    assert (even.status, even.apy, even.growth) == ("always", None, None)


@pytest.mark.parametrize(
    ("entry", "leaving", "status"),
    # kept 0.5 = entry: the growth cancels and the gain is leaving - entry whatever happens
    [(0.5, 0.6, "always"), (0.5, 0.4, "never"), (0.5, 0.5, "never")],
)
def test_where_growth_cancels_the_price_decides(entry, leaving, status):
    """If the yield on the YT equals that on the ST paid, only the move of the price counts."""
    even = breakeven_yield(
        benchmark="underlying",
        entry_price=entry,
        exit_price=leaving,
        holding=0.5,
        yield_fee=0.5,
        yield_fee_base="yt_only",
        trading_fee=0,
    )
    assert even.status == status


def test_an_apy_too_large_to_represent_leaves_the_growth():
    """One second before maturity the growth needed is a number though its annual rate is not."""
    even = breakeven_yield(benchmark="cash", entry_price=0.5, exit_price=0, holding=1 / 31_536_000, **FREE)
    assert (even.status, even.growth, even.apy) == ("value", 0.5, None)


@given(st.lists(st.tuples(prices, prices, fees, fees), min_size=1, max_size=5), st.sampled_from(BENCHMARKS))
def test_arrays_of_trades_agree_with_single_trades(trades, benchmark):
    """Many trades at once give the status and numbers of each alone, with NaN for None."""
    entry, leaving, fee, phi = np.array(trades).T
    common = {"benchmark": benchmark, "yield_fee_base": "yt_only"}
    many = breakeven_yield(
        entry_price=entry, exit_price=leaving, holding=0.5, yield_fee=phi, trading_fee=fee, **common
    )
    exits = breakeven_exit_yield(
        entry_price=entry, growth=0.01, tau_at_exit=0.5, yield_fee=phi, trading_fee=fee, **common
    )
    assert many.benchmark == exits.benchmark == benchmark
    for k, (p0, p1, f, share) in enumerate(trades):
        one = breakeven_yield(
            entry_price=p0, exit_price=p1, holding=0.5, yield_fee=share, trading_fee=f, **common
        )
        out = breakeven_exit_yield(
            entry_price=p0, growth=0.01, tau_at_exit=0.5, yield_fee=share, trading_fee=f, **common
        )
        assert (many.status[k], many.profits_above[k]) == (one.status, one.profits_above)
        assert (exits.status[k], exits.profits_above[k]) == (out.status, out.profits_above)
        for array, number in (
            (many.growth, one.growth),
            (many.apy, one.apy),
            (exits.price, out.price),
            (exits.apy, out.apy),
        ):
            expected = math.nan if number is None else number
            assert array[k] == pytest.approx(expected, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("case", PENDLE, ids=lambda case: case["id"])
def test_long_yield_matches_pendles_library(case):
    """ROI and long yield APY equal Pendle's to 1e-12, except where its library caps the figure."""
    given_, expect = case["in"], case["expect"]
    shown = long_yield_apy(
        yt=1 - 1 / given_["ptExchangeRate"],
        underlying_apy=given_["underlyingInterestApy"],
        tau=given_["daysToExpiry"] / 365,
        yield_fee=given_["interestFeeRate"],
        reward_apr=given_["underlyingRewardApy"],
    )
    assert shown.roi == pytest.approx(expect["ytRoi"], rel=1e-12, abs=1e-12)
    if expect["ytFloatingApy"] == PENDLE_CAP:
        assert shown.annualised is None or shown.annualised > PENDLE_CAP
    else:
        # the power 1/T multiplies the rounding of ROI; the library rounds as much
        rel = 1e-12 * max(1, 365 / given_["daysToExpiry"])
        assert shown.annualised == pytest.approx(expect["ytFloatingApy"], rel=rel, abs=1e-12)


@pytest.mark.parametrize(
    ("days", "roi", "annualised"), [(90, 4.9, 21.5), (30, -0.2, -2.4), (7, -2.1, -66.8), (1, -2.6, -99.99)]
)
def test_roi_and_annualised_match_the_printed_pairs(days, roi, annualised):
    """35 % implied, 36 % underlying, 5 % fee: modest ROIs beside wild annualised figures, as printed."""
    tau = days / 365
    pair = long_yield_apy(yt=yt_price(0.35, tau), underlying_apy=0.36, tau=tau, yield_fee=0.05, reward_apr=0)
    assert 100 * pair.roi == pytest.approx(roi, abs=0.05)
    assert 100 * pair.annualised == pytest.approx(annualised, abs=0.05)


@given(st.floats(0.01, 0.9), st.floats(0.01, 3), st.floats(0, 0.2))
def test_long_yield_is_nothing_at_the_cash_breakeven(entry, tau, phi):
    """Pendle's long yield APY is 0 exactly where the break-even against cash lies."""
    even = breakeven_yield(
        benchmark="cash",
        entry_price=entry,
        exit_price=0,
        holding=tau,
        yield_fee=phi,
        yield_fee_base="yt_only",
        trading_fee=0,
    )
    assume(even.apy is not None and even.apy < 1e6)
    pair = long_yield_apy(yt=entry, underlying_apy=even.apy, tau=tau, yield_fee=phi, reward_apr=0)
    assert pair.roi == pytest.approx(0, abs=1e-11)


def test_a_return_is_the_payoff_over_the_cost():
    """1.21 for 1 over two years is 21 % and 10 % a year; a total loss has no annual rate."""
    two_years = holding_return(payoff=1.21, cost=1, holding=2)
    assert two_years.roi == pytest.approx(0.21, rel=1e-14)
    assert two_years.annualised == pytest.approx(0.10, rel=1e-13)
    assert holding_return(payoff=0, cost=1, holding=2) == holding_return(payoff=0, cost=5, holding=1)
    assert holding_return(payoff=0, cost=1, holding=2).annualised is None
    assert holding_return(payoff=-1, cost=1, holding=2).annualised is None
    assert holding_return(payoff=100, cost=1, holding=1e-6).annualised is None
    many = holding_return(payoff=[1.21, 0, 1.0], cost=1, holding=2)
    assert many.roi == pytest.approx([0.21, -1, 0])
    assert many.annualised == pytest.approx([0.1, math.nan, 0], nan_ok=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"benchmark": "libor"}, "benchmark = 'libor': allowed are 'underlying'"),
        ({"yield_fee_base": "gross"}, "yield_fee_base = 'gross'"),
        ({"entry_price": 1.0}, "entry_price = 1.0 must be 0 or more and below 1"),
        ({"exit_price": -0.1}, "exit_price = -0.1"),
        ({"holding": 0}, "holding = 0.0 must be above 0"),
        ({"yield_fee": 1}, "yield_fee = 1.0"),
        ({"trading_fee": math.nan}, "trading_fee = nan is not a finite number"),
        ({"entry_price": [0.1, 2]}, r"entry_price\[1\] = 2.0"),
    ],
)
def test_impossible_trades_are_refused(change, message):
    """A value outside its domain and an unknown word are refused by name."""
    terms = {"benchmark": "cash", "entry_price": 0.1, "exit_price": 0, "holding": 0.5, **FREE, **change}
    with pytest.raises(DomainError, match=f"^{message}"):
        breakeven_yield(**terms)


def test_an_exit_at_or_after_maturity_has_no_yield():
    """At maturity the exit yield is undefined, after it expired."""
    terms = {"benchmark": "cash", "entry_price": 0.1, "growth": 0.01, **FREE}
    with pytest.raises(DomainError, match="undefined at maturity"):
        breakeven_exit_yield(tau_at_exit=0, **terms)
    with pytest.raises(ExpiredError):
        breakeven_exit_yield(tau_at_exit=-0.1, **terms)
    with pytest.raises(DomainError, match=r"^yt = 0.0 must be above 0"):
        long_yield_apy(yt=0, underlying_apy=0.3, tau=0.5, yield_fee=0, reward_apr=0)
