"""Oracles: golden cases, scans over sizes, both sides' profits written out. Covers (3), (4), (5), the interval."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.pool.arbitrage import (
    ConstantProductSwap,
    OracleSwap,
    arbitrage_trade,
    fee_interval,
    fee_interval_over,
    funding_arbitrage_size,
    funding_fee_ceiling,
    lp_fee_floor,
    rebalancing_loss,
)
from yieldtrade.pool.perpetuals import linear_funding_rate

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "pdlp.json").read_text())["cases"]
DEMAND = [case for case in GOLDEN if case["kind"] == "arbitrage_demand"]
CFMM = [case for case in GOLDEN if case["kind"] == "cfmm_arbitrage"]
POOL = ConstantProductSwap(2e6, 1000.0)
BASES = ("notional", "paper")

interests = st.floats(0.1, 1e6)
marks = st.floats(0.01, 1e5)
moves = st.floats(0.3, 0.999) | st.floats(1.001, 3.0)
kappas = st.floats(1e-3, 10.0)
bases = st.sampled_from(BASES)


@pytest.mark.parametrize("case", DEMAND, ids=lambda case: case["id"])
def test_golden_demand(case):
    """(3) and (4) in the paper's units."""
    terms, expected = case["in"], case["expect"]
    L0, p, p0 = terms["L0"], terms["p"], terms["p0"]
    assert funding_arbitrage_size(L0, p, p0) == pytest.approx(expected["ell"], rel=1e-9)
    ceiling = funding_fee_ceiling(terms["kappa"], L0, p, p0, "paper")
    assert ceiling == (pytest.approx(expected["fee_upper"], rel=1e-9), "exact")


@pytest.mark.parametrize("case", CFMM, ids=lambda case: case["id"])
def test_golden_floors(case):
    """(5) and its sufficient form in the paper's units."""
    terms, expected = case["in"], case["expect"]
    G, p0 = ConstantProductSwap(terms["R1"], terms["R2"]), terms["R1"] / terms["R2"]
    for form, name in (("exact", "fee_lower"), ("sufficient", "fee_sufficient")):
        floor = lp_fee_floor(G, terms["L0"], terms["p"], p0, "paper", form)
        assert floor == pytest.approx(expected[name], rel=1e-9)


def test_the_numbers_of_the_specification():
    """The worked example, L0 100, from 2,000 to 2,200, in both bases."""
    at = (POOL, 100, 2200, 2000)
    assert funding_arbitrage_size(100, 2200, 2000) == 10
    assert funding_arbitrage_size(100, 1800, 2000) == pytest.approx(-11.1111, abs=5e-5)
    assert lp_fee_floor(*at, "paper") == pytest.approx(476.460732, abs=5e-7)
    assert lp_fee_floor(*at) == pytest.approx(0.238230366, abs=5e-10)
    assert lp_fee_floor(*at, "paper", "sufficient") == pytest.approx(976.176963, abs=5e-7)
    assert lp_fee_floor(*at, "paper", "b_form", largest_move=1.1) == pytest.approx(2000)
    assert lp_fee_floor(*at, "paper", "sharper", largest_move=1.1) == pytest.approx(976.176963, abs=5e-7)
    paper = fee_interval(0.5, 100, POOL, 2200, 2000, "paper")
    notional = fee_interval(3, 100, POOL, 2200, 2000)
    assert paper.kappa_required == pytest.approx(524106.805, abs=5e-4)
    assert notional.kappa_required == pytest.approx(2.620534026, abs=5e-10)
    assert paper.kappa_required == pytest.approx(notional.kappa_required * 2000 * 100, rel=1e-12)
    assert paper.high == pytest.approx(0.000454545, abs=5e-10)
    assert (paper.feasible, notional.feasible) == (False, True)
    assert notional[:2] == pytest.approx((0.238230366, 3 / 11), abs=5e-10)


def payment(basis, kappa, L0, p, p0, ell):
    """Funding that a position of ell units collects: its share of what the other side pays."""
    if ell > 0:
        rate, share = -kappa * (1 - p / p0), ell / (L0 + ell)
    else:
        rate, share = kappa * (1 - p / p0), -ell / (L0 - ell)
    return rate * share * (p0 * L0 if basis == "notional" else 1)


def fee_paid(basis, fee, p0, ell):
    """Fee on a position of ell units."""
    return fee * abs(ell) * (p0 if basis == "notional" else 1)


@given(interests, marks, moves)
def test_the_arbitrage_brings_funding_to_0(L0, p0, move):
    """(3): with the arbitrageur's position in the book nobody pays, whichever way the price went."""
    p = p0 * move
    ell = funding_arbitrage_size(L0, p, p0)
    assert (ell > 0) is (move > 1)
    after = linear_funding_rate(L0 + max(ell, 0), L0 + max(-ell, 0), p, p0, 1.0)
    assert after == pytest.approx(0, abs=1e-12)


@given(kappas, interests, marks, moves, bases)
def test_at_the_ceiling_the_arbitrageur_makes_nothing(kappa, L0, p0, move, basis):
    """(4): the fee on the position is the funding it collects; a lower fee leaves a profit."""
    p = p0 * move
    ell = funding_arbitrage_size(L0, p, p0)
    fee = funding_fee_ceiling(kappa, L0, p, p0, basis).fee
    collected = payment(basis, kappa, L0, p, p0, ell)
    assert fee_paid(basis, fee, p0, ell) == pytest.approx(collected, rel=1e-9)
    assert fee_paid(basis, 0.99 * fee, p0, ell) < collected < fee_paid(basis, 1.01 * fee, p0, ell)


@given(interests, marks, moves, st.floats(1.0, 1e9), bases)
def test_at_the_floor_the_providers_make_nothing(L0, p0, move, R1, basis):
    """(5): the fee on what is borrowed is the loss to the arbitrage, up or down."""
    G = ConstantProductSwap(R1, R1 / p0)
    p = p0 * move
    ell = funding_arbitrage_size(L0, p, p0)
    floor = lp_fee_floor(G, L0, p, p0, basis)
    loss = rebalancing_loss(G, p)
    assert fee_paid(basis, floor, p0, ell) - loss == pytest.approx(0, abs=1e-12 * loss)
    if move > 1 and basis == "paper":
        x, out = arbitrage_trade(G, p)[:2]
        printed = (out - x / p) / (1 / p0 - 1 / p) / L0
        assert floor == pytest.approx(printed, rel=1e-6)


@given(interests, marks, moves, st.floats(1.0, 1e9), bases)
def test_sufficient_floors_lie_above_the_exact_one(L0, p0, move, R1, basis):
    """Each simpler form is larger, from the sharpest to the paper's, also after a fall."""
    G = ConstantProductSwap(R1, R1 / p0)
    p, B = p0 * move, max(move, 1 / move) * (1 + 1e-9)
    exact, sufficient = (lp_fee_floor(G, L0, p, p0, basis, form) for form in ("exact", "sufficient"))
    sharper, b_form = (
        lp_fee_floor(G, L0, p, p0, basis, form, largest_move=B) for form in ("sharper", "b_form")
    )
    assert exact < sufficient <= sharper * (1 + 1e-9)
    assert sharper < b_form
    if move > 1:
        assert sufficient == pytest.approx(sharper, rel=1e-5)


def test_bases_are_two_units_of_one_fee():
    """f_paper = p0*f, once kappa is p0*L0 times as large: floors, ceilings, intervals."""
    for p in (1500.0, 2300.0):
        notional = fee_interval(3, 100, POOL, p, 2000)
        paper = fee_interval(3 * 2000 * 100, 100, POOL, p, 2000, "paper")
        assert paper.low == pytest.approx(2000 * notional.low, rel=1e-12)
        assert paper.high == pytest.approx(2000 * notional.high, rel=1e-12)
        assert paper.feasible is notional.feasible


def test_ceilings_by_move():
    """E5: the largest move bounds some move of the band, the smallest suffices for all; each is named."""
    rises = np.linspace(1.02, 1.2, 50) * 2000
    exact = funding_fee_ceiling(3, 100, rises, 2000).fee
    necessary = funding_fee_ceiling(3, 100, None, 2000, largest_move=1.2)
    sufficient = funding_fee_ceiling(3, 100, None, 2000, smallest_move=1.02)
    assert necessary == (pytest.approx(3 * (1 - 1 / 1.2)), "necessary")
    assert sufficient == (pytest.approx(3 * (1 - 1 / 1.02)), "sufficient")
    assert necessary.fee == pytest.approx(exact.max())
    assert sufficient.fee == pytest.approx(exact.min())
    in_paper = funding_fee_ceiling(0.5, 100, 2200, 2000, "paper", largest_move=1.1)
    assert in_paper.fee == pytest.approx(0.000454545, abs=5e-10)
    assert funding_fee_ceiling(3, 100, 2200, 2000, smallest_move=1.02).fee == sufficient.fee


@given(interests, marks, moves, st.floats(1.0, 1e9), bases)
def test_kappa_required_opens_the_interval(L0, p0, move, R1, basis):
    """A larger kappa than required leaves room for a fee, a smaller one none; after a rise it has a closed form."""
    G, p = ConstantProductSwap(R1, R1 / p0), p0 * move
    required = fee_interval(1, L0, G, p, p0, basis).kappa_required
    for factor in (0.999, 1.001):
        interval = fee_interval(factor * required, L0, G, p, p0, basis)
        assert interval.feasible is (factor > 1)
        assert interval.high == pytest.approx(factor * interval.low, rel=1e-9)
    if move > 1:
        unit = p0 if basis == "paper" else 1 / L0
        closed = rebalancing_loss(G, p) * p * unit / (p - p0) ** 2
        assert required == pytest.approx(closed, rel=1e-9)


def test_without_a_move_there_is_no_interval():
    """At p = p0 sizes are 0 and the interval is undefined, which is said rather than computed."""
    assert funding_arbitrage_size(100, 2000, 2000) == 0
    assert funding_fee_ceiling(3, 100, 2000, 2000).fee == 0
    for basis in BASES:
        assert lp_fee_floor(POOL, 100, 2000, 2000, basis) is None
        assert fee_interval(3, 100, POOL, 2000, 2000, basis) == (None, None, False, None)
    many = fee_interval(3, 100, POOL, [1100, 2000, 2200], 2000)
    for field in (many.low, many.high, many.kappa_required):
        assert np.isnan(field).tolist() == [False, True, False]
    assert many.feasible.tolist() == [False, False, True]


def test_arrays_of_prices_agree_with_single_prices():
    """Sizes, ceilings, floors and intervals of price scenarios are those of each price."""
    prices = [1500.0, 1990.0, 2050.0, 2600.0]
    sizes = funding_arbitrage_size(100, prices, 2000)
    ceilings = funding_fee_ceiling(3, 100, prices, 2000).fee
    floors = lp_fee_floor(POOL, 100, prices, 2000, form="sufficient")
    many = fee_interval(3, 100, POOL, prices, 2000)
    for k, p in enumerate(prices):
        assert sizes[k] == pytest.approx(funding_arbitrage_size(100, p, 2000), rel=1e-14)
        assert ceilings[k] == pytest.approx(funding_fee_ceiling(3, 100, p, 2000).fee, rel=1e-14)
        assert floors[k] == pytest.approx(lp_fee_floor(POOL, 100, p, 2000, form="sufficient"), rel=1e-14)
        one = fee_interval(3, 100, POOL, p, 2000)
        assert tuple(field[k] for field in many) == pytest.approx(tuple(one), rel=1e-14)


def test_an_oracle_swap_costs_only_beyond_its_fee():
    """Within its fee an oracle swap loses nothing and any fee will do; beyond, the floor pays for all it sells."""
    swap, back = OracleSwap(2000, 0.001, 5), OracleSwap(1 / 2000, 0.001, 8000)
    quiet = fee_interval(3, 100, swap, 2001, 2000)
    assert (quiet.low, quiet.feasible, quiet.kappa_required) == (0, True, 0)
    cap = 5 * 2000 / 0.999
    assert lp_fee_floor(swap, 100, 2200, 2000) == pytest.approx((5 * 2200 - cap) / (10 * 2000))
    assert lp_fee_floor(swap, 100, 2200, 2000, form="sufficient") == pytest.approx(cap / (100 * 2000))
    down = lp_fee_floor(swap, 100, 1800, 2000, reverse=back)
    assert down == pytest.approx((8000 - 1800 * 4 / 0.999) / (100 / 9 * 2000))
    sufficient = lp_fee_floor(swap, 100, 1800, 2000, form="sufficient", reverse=back)
    assert sufficient == pytest.approx(1800 * 4 / 0.999 / (100 * 2000))
    assert sufficient > down


def test_the_probability_that_a_fee_suits_both():
    """Counted scenario by scenario for each fee, with what is missing on either side."""
    rng = np.random.default_rng(7)
    prices = np.append(2000 * np.exp(0.1 * rng.standard_normal(300)), [2000.0, 2000.0])
    fees = np.linspace(0, 0.6, 25)
    terms = {"kappa": 4, "L0": 100, "G": POOL, "p0": 2000}
    shares = fee_interval_over(prices, fees, **terms)
    intervals = [fee_interval(4, 100, POOL, float(p), 2000) for p in prices[:-2]]
    for k, fee in enumerate(fees):
        inside = sum(low <= fee <= high for low, high, *_ in intervals) / 302
        assert shares.inside[k] == pytest.approx(inside, abs=1e-12)
        assert shares.below_floor[k] == pytest.approx(sum(fee < i.low for i in intervals) / 302, abs=1e-12)
        assert shares.above_ceiling[k] == pytest.approx(sum(fee > i.high for i in intervals) / 302, abs=1e-12)
    assert shares.undefined == pytest.approx(2 / 302)
    assert shares.inside.max() > 0.1
    alone = fee_interval_over(prices, float(fees[8]), **terms)
    assert alone[:3] == pytest.approx(tuple(field[8] for field in shares[:3]))
    assert all(isinstance(field, float) for field in alone)


def test_the_ends_belong_to_the_interval():
    """A fee at the floor or at the ceiling suits both sides."""
    interval = fee_interval(3, 100, POOL, 2200, 2000)
    terms = {"kappa": 3, "L0": 100, "G": POOL, "p0": 2000}
    for fee in interval[:2]:
        assert fee_interval_over(2200, fee, **terms) == (1, 0, 0, 0)
    assert fee_interval_over(2200, np.nextafter(interval.low, 0), **terms) == (0, 1, 0, 0)
    assert fee_interval_over(2200, np.nextafter(interval.high, 1), **terms) == (0, 0, 1, 0)


def test_a_fall_needs_to_know_how_the_pool_buys():
    """A one-way exchange is refused below p0, for the first scenario there."""
    swap = OracleSwap(2000, 0.001, 5)
    with pytest.raises(
        DomainError, match=r"p\[1\] = 1900.0 lies below p0, where the pool buys: state `reverse`"
    ):
        lp_fee_floor(swap, 100, [2100, 1900], 2000)
    with pytest.raises(DomainError, match="state `reverse`"):
        fee_interval(3, 100, swap, 1900, 2000)


def test_forms_that_the_pool_does_not_allow():
    """Simple forms need a constant product, a move, a price within it and a pool that quotes the mark price."""
    swap = OracleSwap(2000, 0, 5)
    refusals = [
        (
            lambda: lp_fee_floor(swap, 1, 2200, 2000, form="sharper", largest_move=2),
            "form = 'sharper' holds for",
        ),
        (lambda: lp_fee_floor(POOL, 1, 2200, 2000, form="b_form"), "form = 'b_form' needs largest_move"),
        (
            lambda: lp_fee_floor(POOL, 1, 2200, 2000, largest_move=2),
            "largest_move = 2: form 'exact' takes none",
        ),
        (
            lambda: lp_fee_floor(POOL, 1, 2500, 2000, form="sharper", largest_move=1.2),
            "p = 2500.0 over p0 contradicts largest_move",
        ),
        (
            lambda: lp_fee_floor(POOL, 1, 1600, 2000, form="sharper", largest_move=1.2),
            "p = 1600.0 over p0 contradicts largest_move",
        ),
        (lambda: lp_fee_floor(POOL, 1, 2200, 2100, form="sufficient"), "p0 = 2100.0 is not the pool's quote"),
        (lambda: lp_fee_floor(POOL, 1, 2200, 1900, form="sufficient"), "p0 = 1900.0 is not the pool's quote"),
        (
            lambda: lp_fee_floor(swap, 1, 2200, 2000, form="sufficient", reverse=OracleSwap(1 / 2001, 0, 1)),
            "p0 = 2000.0 is not the pool's quote",
        ),
    ]
    for call, message in refusals:
        with pytest.raises(DomainError, match=f"^{message}"):
            call()
    # without a price the bound holds for every move of the band
    anywhere = lp_fee_floor(POOL, 100, None, 2000, "paper", "sharper", largest_move=1.1)
    assert anywhere == pytest.approx(976.176963, abs=5e-7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: funding_arbitrage_size(0, 1, 1), "L0 = 0.0 must be above 0"),
        (lambda: funding_arbitrage_size(1, [1, 0], 1), r"p\[1\] = 0.0 must be above 0"),
        (lambda: funding_arbitrage_size(1, 1, math.nan), "p0 = nan"),
        (lambda: funding_fee_ceiling(-1, 1, 1, 1), "kappa = -1.0 must be 0 or more"),
        (lambda: funding_fee_ceiling(1, 1, None, 1), "p holds object"),
        (lambda: funding_fee_ceiling(1, 1, 1, 1, "euro"), "basis = 'euro'"),
        (
            lambda: funding_fee_ceiling(1, 1, None, 1, largest_move=2, smallest_move=1.1),
            "largest_move and smallest_move give different bounds",
        ),
        (
            lambda: funding_fee_ceiling(1, 1, None, 1, largest_move=0.9),
            "largest_move = 0.9 must be 1 or more",
        ),
        (lambda: funding_fee_ceiling(1, 1, None, 0, largest_move=2), "p0 = 0.0 must be above 0"),
        (lambda: funding_fee_ceiling(1, 1, 3, 1, largest_move=2), "p = 3.0 over p0 contradicts largest_move"),
        (
            lambda: funding_fee_ceiling(1, 1, 0.9, 1, largest_move=2),
            "p = 0.9 over p0 contradicts largest_move",
        ),
        (lambda: funding_fee_ceiling(1, 1, 1.1, 1, smallest_move=2), "p = 1.1 over p0 contradicts smallest"),
        (lambda: lp_fee_floor(POOL, 0, 1, 1), "L0 = 0.0"),
        (lambda: lp_fee_floor(POOL, 1, -1, 1), "p = -1.0"),
        (lambda: lp_fee_floor(POOL, 1, 1, 1, "x"), "basis = 'x'"),
        (lambda: lp_fee_floor(POOL, 1, 1, 1, form="x"), "form = 'x'"),
        (lambda: fee_interval(-1, 1, POOL, 1, 1), "kappa = -1.0"),
        (lambda: fee_interval_over([], 0.1, kappa=1, L0=1, G=POOL, p0=1), "prices holds no scenario"),
        (lambda: fee_interval_over([1], -0.1, kappa=1, L0=1, G=POOL, p0=1), "fees = -0.1 must be 0 or more"),
    ],
)
def test_invalid_input_is_refused(call, message):
    """What is no number, or outside its domain, is refused by name."""
    with pytest.raises(DomainError, match=f"^{message}"):
        call()
