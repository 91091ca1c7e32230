"""Oracles: the two identities of tokens.md 15, Pendle's library for pool values and weights, a day walked through."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError, ExpiredError
from yieldtrade.tokens.ledger import distribute
from yieldtrade.tokens.lp import LpIncome, lp_apy, lp_carry, venue_lp_apy
from yieldtrade.tokens.pricing import implied_yield_from_pt, yt_price

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "pendle_apy.json").read_text())["cases"]
POOLS = {
    case["group"]: {
        c["kind"]: c["expect"]["value"]
        for c in GOLDEN
        if c["group"] == case["group"] and "value" in c["expect"]
    }
    | case["in"]
    for case in GOLDEN
    if case["kind"] == "pt_weight_of_pool"
}

rates = st.floats(-0.5, 3.0)
taus = st.floats(0.001, 3.0)
FEES = LpIncome("fees", 70.0, 100_000.0, 7)


@given(rates, rates, taus, st.floats(0.001, 1e6))
def test_st_alone_grows_at_the_underlying_yield(implied, underlying, tau, amount):
    """Without YT the carry is ln(1+u), whatever is implied."""
    carry = lp_carry(st=amount, yt=0, implied_apy=implied, underlying_apy=underlying, tau=tau)
    assert carry == pytest.approx(math.log1p(underlying), rel=1e-14)


@given(rates, rates, taus, st.floats(0.001, 1e6))
def test_st_without_its_yt_grows_at_the_implied_yield(implied, underlying, tau, amount):
    """ST short of every YT is PT: the carry is ln(1+r), whatever the underlying yields."""
    carry = lp_carry(st=amount, yt=-amount, implied_apy=implied, underlying_apy=underlying, tau=tau)
    assert carry == pytest.approx(math.log1p(implied), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("pool", list(POOLS))
def test_a_pool_of_pt_and_sy_is_the_weighted_mean(pool):
    """On Pendle's own pool values and weights the carry is w_pt*ln(1+r) + w_sy*ln(1+u)."""
    figures = POOLS[pool]
    tau, underlying = 0.4, 0.17
    implied = implied_yield_from_pt(1 / figures["ptExchangeRate"], tau)
    st_held = figures["totalSy"] * figures["syIndex"] + figures["totalPt"]
    yt_held = -figures["totalPt"]
    weight = figures["pt_weight_of_pool"]
    assert st_held + yt_held * yt_price(implied, tau) == pytest.approx(
        figures["liquidity_in_asset"], rel=1e-12
    )
    carry = lp_carry(st=st_held, yt=yt_held, implied_apy=implied, underlying_apy=underlying, tau=tau)
    expected = weight * math.log1p(implied) + (1 - weight) * math.log1p(underlying)
    assert carry == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("st_held", "yt_held"), [(100.0, 40.0), (100.0, -60.0), (-3.0, 500.0)])
def test_the_carry_is_what_the_ledger_pays_in_a_moment(st_held, yt_held):
    """Value before and after a second of distribution and of decay at constant yield grows at the carry."""
    implied, underlying, tau, second = 0.30, 0.45, 0.5, 1 / 31_536_000
    before = st_held + yt_held * yt_price(implied, tau)
    growth = math.expm1(second * math.log1p(underlying))
    paid = distribute(yt_held, st_held, growth, yield_fee=0, yield_fee_base="none") - st_held
    decay = yt_held * (yt_price(implied, tau - second) - yt_price(implied, tau))
    carry = lp_carry(st=st_held, yt=yt_held, implied_apy=implied, underlying_apy=underlying, tau=tau)
    assert carry == pytest.approx((paid + decay) / before / second, rel=1e-6)


def test_arrays_of_holdings():
    """Arrays broadcast; each element is what the number gives."""
    yt_held = np.array([-1.0, 0.0, 2.0])
    many = lp_carry(st=1.0, yt=yt_held, implied_apy=0.1, underlying_apy=[[0.05], [0.2]], tau=0.5)
    assert many.shape == (2, 3)
    assert many[1, 2] == pytest.approx(
        lp_carry(st=1.0, yt=2.0, implied_apy=0.1, underlying_apy=0.2, tau=0.5), rel=1e-15
    )


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"st": 0.0, "yt": 0.0}, DomainError),
        ({"st": 0.01, "yt": -1.0}, DomainError),
        ({"tau": -0.1}, ExpiredError),
        ({"implied_apy": -1.0}, DomainError),
        ({"underlying_apy": -1.0}, DomainError),
        ({"st": math.nan}, DomainError),
        ({"yt": True}, DomainError),
    ],
)
def test_holdings_without_a_rate_of_growth_are_refused(change, error):
    """A holding worth nothing has no growth rate, and inputs stay in their domains."""
    holding = {"st": 1.0, "yt": -0.5, "implied_apy": 0.3, "underlying_apy": 0.2, "tau": 0.5} | change
    with pytest.raises(error):
        lp_carry(**holding)


def test_lp_apy_by_hand():
    """Carry at 20 %, 0.07 % of fees in 7 days, 0.02 % and 0.5 % of rewards: the growth factors multiply."""
    rewards = [LpIncome("POINT", 20.0, 100_000.0, 7), LpIncome("GIFT", 500.0, 100_000.0, 30)]
    found = lp_apy(carry=math.log(1.2), fees=FEES, rewards=rewards)
    fee, point, gift = 1.0007 ** (365 / 7), 1.0002 ** (365 / 7), 1.005 ** (365 / 30)
    assert found.apy == pytest.approx(1.2 * fee * point * gift - 1, rel=1e-12)
    assert found.carry_apy == pytest.approx(0.2, rel=1e-14)
    assert found.fees == ("fees", pytest.approx(fee - 1, rel=1e-12), 70.0, 100_000.0, 7)
    assert [(reward.name, reward.days) for reward in found.rewards] == [("POINT", 7), ("GIFT", 30)]
    assert [reward.apy for reward in found.rewards] == pytest.approx([point - 1, gift - 1], rel=1e-12)


def test_without_income_the_lp_earns_the_carry():
    """No fees and no rewards leave the growth of the tokens."""
    none = LpIncome("fees", 0, 1.0, 7)
    found = lp_apy(carry=np.log1p([0.1, -0.2]), fees=none)
    assert found.apy == pytest.approx([0.1, -0.2], rel=1e-14)
    assert found.fees.apy == 0
    assert found.rewards == ()


@pytest.mark.parametrize(
    "income", [("x", -1.0, 1.0, 7), ("x", 1.0, 0.0, 7), ("x", 1.0, 1.0, 0), ("x", math.nan, 1.0, 7)]
)
def test_incomes_that_are_no_rate_are_refused(income):
    """An income is 0 or more over a positive value and window."""
    with pytest.raises(DomainError):
        lp_apy(carry=0.1, fees=LpIncome(*income))
    with pytest.raises(DomainError):
        lp_apy(carry=0.1, fees=FEES, rewards=[LpIncome(*income)])


SHOWN = {
    "amm_share": 0.6,
    "synthetic_pt_share": 0.25,
    "fees": FEES,
    "underlying_apy": 0.08,
    "pt_fixed_apy": 0.11,
    "rewards": (LpIncome("GIFT", 100.0, 50_000.0, 30),),
}


def test_the_venues_figure_by_hand():
    """60 % in the AMM, a quarter of the reserve in PT: a weighted sum of APYs plus rewards plus points."""
    fee, gift = 1.0007 ** (365 / 7) - 1, 1.002 ** (365 / 30) - 1
    found = venue_lp_apy(**SHOWN, implied_apy=0.12)
    income = 0.6 * (fee + 0.08) + 0.4 * (0.25 * 0.11 + 0.75 * 0.08) + gift
    assert found.income_apy == pytest.approx(income, rel=1e-13)
    assert found.apy == pytest.approx(income + 0.12 - 0.08, rel=1e-13)
    assert found.points == pytest.approx(0.04, rel=1e-13)
    assert [
        found.amm_fees,
        found.amm_underlying,
        found.reserve_pt,
        found.reserve_underlying,
        found.rewards,
    ] == (pytest.approx([0.6 * fee, 0.048, 0.011, 0.024, gift], rel=1e-13))
    assert [line.name for line in found.basis] == ["fees", "GIFT"]
    assert found.method == "sum of APYs"


def test_points_are_no_income():
    """Without points the venue's figure is its income; with them the income is the same."""
    without, with_points = venue_lp_apy(**SHOWN), venue_lp_apy(**SHOWN, implied_apy=0.5)
    assert without.points == 0
    assert without.apy == without.income_apy == with_points.income_apy
    assert with_points.apy - without.apy == pytest.approx(0.42, rel=1e-12)


@pytest.mark.parametrize(
    "change",
    [
        {"amm_share": 1.1},
        {"amm_share": -0.1},
        {"synthetic_pt_share": 1.01},
        {"underlying_apy": -1.0},
        {"pt_fixed_apy": math.inf},
        {"implied_apy": math.nan},
    ],
)
def test_parts_of_the_venues_figure_stay_in_their_domains(change):
    """Parts lie between 0 and 1, yields above -1."""
    with pytest.raises(DomainError, match=next(iter(change))):
        venue_lp_apy(**SHOWN | change)
