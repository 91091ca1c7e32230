"""Oracles: golden rebases, RateX's published examples, the recursion written out in exact fractions."""

import itertools
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.conventions import growth_from_apy, growth_from_index
from yieldtrade.errors import DataError, DomainError, ExpiredError
from yieldtrade.tokens import ledger
from yieldtrade.tokens.ledger import (
    amortisation,
    attribute_pnl,
    compounded,
    distribute,
    distribute_many,
    entry_price,
    high_water_mark,
    in_dollars,
    ledger_growth,
    solvency_haircut,
)
from yieldtrade.tokens.pricing import implied_yield_from_yt, pt_price, yt_price

GOLDEN = Path(__file__).parents[1] / "golden"
REBASES = [
    case
    for case in json.loads((GOLDEN / "ratex_ledger.json").read_text())["cases"]
    if case["kind"] == "rebase"
]
PUBLISHED = [
    case
    for case in json.loads((GOLDEN / "ratex_published.json").read_text())["cases"]
    if case["assert"] and case["kind"] in {"rebase_step", "entry_price", "yield_distribution", "st_rebase"}
]
BASES = ("none", "yt_only", "net")
NO_FEE = {"yield_fee": 0, "yield_fee_base": "none"}
COMPONENTS = (
    "yield_received",
    "amortisation",
    "market_move",
    "financing",
    "execution",
    "fees",
    "underlying_move",
)

balances = st.floats(-1e4, 1e4)
growths = st.floats(-0.5, 0.5)
fees = st.floats(0.0, 0.3)


def exact_balance(yt, st_, steps, phi, base):
    """ST after the settlements, by the recursion of tokens.md 8 in exact fractions."""
    x, s, phi = Fraction(yt), Fraction(st_), Fraction(phi)
    for g in map(Fraction, steps):
        paid = {
            "none": (s + x) * g,
            "yt_only": s * g + x * g * (1 - phi),
            "net": (s + x) * g * (1 - phi),
        }[base]
        s += paid
    return s


@pytest.mark.parametrize("case", REBASES, ids=lambda case: case["id"])
def test_rebases_match_the_golden_ledger(case):
    """A settlement, with and without the 5 % fee, the entry price after it and the PnL are golden."""
    given_ = {name: float(value) for name, value in case["in"].items()}
    expect = {name: float(value) for name, value in case["expect"].items()}
    x, s = given_["yt"], given_["st"]
    g = growth_from_index(given_["last_rate"], given_["oracle_rate"])
    after = distribute(x, s, g, **NO_FEE)
    assert after == pytest.approx(expect["st_new"], rel=1e-12)
    net = distribute(x, s, g, yield_fee=0.05, yield_fee_base="net")
    assert net == pytest.approx(expect["st_new_after_5pct_yield_fee"], rel=1e-12)
    entry = entry_price(x, after)
    assert entry == pytest.approx(expect["entry_price_new"], rel=1e-12)
    assert x * (given_["last_price"] - entry) == pytest.approx(expect["pnl"], rel=1e-11)


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case["id"])
def test_published_examples(case):
    """RateX's own examples of distribution, rebasing and entry prices come out."""
    given_, expect, kind = case["in"], case["expect"], case["kind"]
    if kind == "yield_distribution":
        g = given_["period_return"]
        found = {
            "st_paid_per_yt": distribute(given_["yt_held"], 0, g, **NO_FEE) / given_["yt_held"],
            "st_growth_factor": distribute(0, given_["st_held"], g, **NO_FEE) / given_["st_held"],
        }
    elif kind == "st_rebase":
        found = {"st_after": distribute(0, given_["st_held"], given_["apr_one_year"], **NO_FEE)}
    elif kind == "entry_price":
        found = {"entry_price": entry_price(given_["yt"], given_["st"])}
    else:
        after = distribute(given_["yt"], given_["st"], given_["period_return"], **NO_FEE)
        found = {"st": after, "entry_price": entry_price(given_["yt"], after)}
    assert found == pytest.approx(expect, abs=case["tolerance"], rel=0)


@given(balances, balances, st.lists(growths, max_size=12), fees, st.sampled_from(BASES))
def test_closed_forms_equal_the_recursion(yt, st_, steps, phi, base):
    """Every balance along a run of settlements is that of the exact recursion to 1e-12 of the balances."""
    found = distribute_many(yt, st_, steps, yield_fee=phi, yield_fee_base=base)
    assert found.shape == (len(steps),)
    for n, balance in enumerate(found, start=1):
        exact = exact_balance(yt, st_, steps[:n], phi, base)
        growth = math.prod(1 + abs(g) for g in steps[:n])
        assert abs(balance - float(exact)) <= 1e-12 * (abs(yt) + abs(st_)) * growth


@given(balances, balances, growths, fees, st.sampled_from(BASES))
def test_one_settlement_equals_the_recursion(yt, st_, growth, phi, base):
    """One settlement is the stated rule for each fee base."""
    found = distribute(yt, st_, growth, yield_fee=phi, yield_fee_base=base)
    exact = float(exact_balance(yt, st_, [growth], phi, base))
    assert found == pytest.approx(exact, abs=1e-15 * (abs(yt) + abs(st_)), rel=1e-15)


@given(balances, balances, fees, st.sampled_from(BASES))
def test_no_growth_changes_nothing(yt, st_, phi, base):
    """A settlement with g = 0 leaves every balance as it is."""
    assert distribute(yt, st_, 0, yield_fee=phi, yield_fee_base=base) == st_


@given(st.lists(st.tuples(balances, balances), min_size=1, max_size=8), growths)
def test_distribution_conserves_st(accounts, growth):
    """With as many YT owed as held, a settlement grows the ST of all accounts by exactly g."""
    yt, st_ = np.array(accounts).T
    yt = np.append(yt, -math.fsum(yt))
    st_ = np.append(st_, 0.0)
    after = distribute(yt, st_, growth, **NO_FEE)
    size = np.abs(yt).sum() + np.abs(st_).sum()
    assert after.sum() == pytest.approx(st_.sum() * (1 + growth), abs=1e-13 * size)


@given(st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=20), fees)
def test_one_yt_collects_the_compounded_yield_less_the_fee(steps, phi):
    """A YT bought for cash has collected (1-phi)*(G-1) ST after any settlements, fee taken from YT alone."""
    collected = distribute_many(1, 0, steps, yield_fee=phi, yield_fee_base="yt_only")[-1]
    assert collected == pytest.approx((1 - phi) * (math.prod(1 + g for g in steps) - 1), abs=1e-14)


@given(st.floats(0.01, 1e3), st.floats(1.0, 3.0), st.floats(0.5, 2.0))
def test_pendles_interest_is_the_same_amount(yt, index, ratio_):
    """Interest in SY, x*(i1-i0)/(i0*i1), is worth x*g of the asset at the new index."""
    later = index * ratio_
    in_sy = yt * (later - index) / (index * later)
    paid = distribute(yt, 0, growth_from_index(index, later), **NO_FEE)
    assert paid == pytest.approx(in_sy * later, abs=1e-12 * yt)


@given(st.floats(1, 1e3), st.floats(0.01, 0.9), st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=8))
def test_the_entry_price_moves_with_growth(yt, entry, steps):
    """Without a fee 1 - entry grows exactly as the underlying, for a long and for a short."""
    for x in (yt, -yt):
        after = distribute_many(x, -x * entry, steps, **NO_FEE)[-1]
        grown = (1 - entry) * math.prod(1 + g for g in steps)
        assert 1 - entry_price(x, after) == pytest.approx(grown, rel=1e-12)


def test_arrays_of_accounts_settle_together():
    """Accounts and settlements broadcast: every account's path is the path of that account alone."""
    yt, st_ = np.array([[100.0], [-50.0]]), np.array([-10.0, 0.0, 4.0])
    phi = np.array([0.0, 0.05, 0.1])
    steps = np.array([0.01, -0.02, 0.03, 0.0])
    for base in BASES:
        paths = distribute_many(yt, st_, steps, yield_fee=phi, yield_fee_base=base)
        assert paths.shape == (2, 3, 4)
        for i, j in itertools.product(range(2), range(3)):
            alone = distribute_many(yt[i, 0], st_[j], steps, yield_fee=phi[j], yield_fee_base=base)
            assert paths[i, j] == pytest.approx(alone, rel=1e-14)


def test_compounding_runs_along_the_last_axis():
    """Growth since the start after each step is the product of the steps so far less one."""
    assert compounded([0.1, 0.1, -0.5]) == pytest.approx([0.1, 0.21, -0.395], rel=1e-14)
    assert compounded([[0.1], [0.2]]).shape == (2, 1)


@pytest.mark.parametrize("growth", [-1, -1.5, math.nan, math.inf])
def test_an_underlying_cannot_lose_everything(growth):
    """A growth of -1 or less, or none at all, is refused in one settlement and in many."""
    with pytest.raises(DomainError, match=r"^growth = "):
        distribute(1, 1, growth, **NO_FEE)
    with pytest.raises(DomainError, match=r"^growth\[1\] = "):
        distribute_many(1, 1, [0.1, growth], **NO_FEE)


def test_fees_and_shapes_are_checked():
    """A fee of the whole, an unknown base and settlements without an axis are refused."""
    with pytest.raises(DomainError, match=r"yield_fee = 1.0 must be 0 or more and below 1"):
        distribute(1, 1, 0.1, yield_fee=1, yield_fee_base="net")
    with pytest.raises(DomainError, match="yield_fee_base = 'gross'"):
        distribute(1, 1, 0.1, yield_fee=0, yield_fee_base="gross")
    with pytest.raises(DomainError, match="one growth for each settlement"):
        distribute_many(1, 1, 0.1, **NO_FEE)
    with pytest.raises(DomainError, match=r"^yt = 0.0 has no entry price"):
        entry_price(0, 1)


def test_amortisation_of_the_articles_week():
    """At 30 % with 91 days left, seven days cost 0.0047249273 ST of a YT of 0.0633179337."""
    assert amortisation(0.3, 91 / 365, 7 / 365) == pytest.approx(0.0047249273, abs=5e-11)
    assert yt_price(0.3, 91 / 365) == pytest.approx(0.0633179337, abs=5e-11)


def test_the_articles_week_is_attributed_as_printed():
    """A cycle at 50 % on a 30 % YT receives 0.00781, loses 0.00472 by age and keeps 4.867 % of the price."""
    week = attribute_pnl(
        yt=1,
        st=0,
        implied_start=0.3,
        implied_end=0.3,
        tau=91 / 365,
        period=7 / 365,
        growth=growth_from_apy(0.5, 7 / 365),
        **NO_FEE,
    )
    assert week.yield_received == pytest.approx(0.0078063551, abs=5e-11)
    assert week.amortisation == pytest.approx(-0.0047249273, abs=5e-11)
    assert week.total == pytest.approx(0.0030814278, abs=5e-11)
    assert 100 * week.total / yt_price(0.3, 91 / 365) == pytest.approx(4.867, abs=5e-4)
    assert (week.market_move, week.financing, week.execution, week.fees, week.underlying_move) == (0,) * 5
    # at the exit yield that undoes it nothing is left
    undone = implied_yield_from_yt(yt_price(0.3, 91 / 365) - week.yield_received, 84 / 365)
    assert 100 * undone == pytest.approx(28.167, abs=5e-4)


@given(
    x=balances,
    s=balances,
    implied=st.tuples(st.floats(-0.3, 3.0), st.floats(-0.3, 3.0)),
    times=st.tuples(st.floats(0.0, 2.0), st.floats(0.0, 1.0)),
    growth=growths,
    fee=st.tuples(fees, st.sampled_from(BASES)),
    trade=st.tuples(balances, st.floats(-0.5, 1.0), st.floats(0.0, 10.0)),
)
@settings(deadline=None)
def test_components_add_up_to_the_change_of_value(*, x, s, implied, times, growth, fee, trade):
    """The reported total is the exact sum of its parts and the change of st + yt*price, trades included."""
    tau, part = times
    bought, fill, paid = trade
    terms = {"yield_fee": fee[0], "yield_fee_base": fee[1]}
    found = attribute_pnl(
        yt=x,
        st=s,
        implied_start=implied[0],
        implied_end=implied[1],
        tau=tau,
        period=part * tau,
        growth=growth,
        traded_yt=bought,
        fill_price=fill,
        fees=paid,
        **terms,
    )
    parts = [getattr(found, name) for name in COMPONENTS]
    assert found.total == math.fsum(parts)
    p0, p1 = yt_price(implied[0], tau), yt_price(implied[1], tau - part * tau)
    assert (found.yt_end, found.execution) == (x + bought, bought * (p1 - fill))
    st_end = distribute(x, s, growth, **terms) - bought * fill - paid
    assert found.st_end == pytest.approx(st_end, abs=1e-12 * (abs(s) + abs(x) + abs(bought) + paid))
    change = found.st_end + found.yt_end * p1 - (s + x * p0)
    assert found.total == pytest.approx(change, abs=1e-12 * (abs(x) + abs(s) + abs(bought) + paid))


def test_random_attributions_hold_to_a_few_roundings():
    """Over 20,000 periods at once the components miss the change of value by 1e-12 at most."""
    rng = np.random.default_rng(17)
    n = 20_000
    x, s = rng.uniform(-1e3, 1e3, (2, n))
    r0, r1 = rng.uniform(0.0, 1.0, (2, n))
    tau, g = rng.uniform(0.02, 2.0, n), rng.uniform(-0.01, 0.03, n)
    found = attribute_pnl(
        yt=x,
        st=s,
        implied_start=r0,
        implied_end=r1,
        tau=tau,
        period=7 / 365,
        growth=g,
        yield_fee=0.05,
        yield_fee_base="yt_only",
    )
    change = found.st_end + x * yt_price(r1, tau - 7 / 365) - (s + x * yt_price(r0, tau))
    assert (np.abs(found.total - change) <= 1e-12 * (np.abs(x) + np.abs(s))).all()
    # the sum of the components is math.fsum's to the last rounding
    parts = np.array([getattr(found, name) for name in COMPONENTS])
    exact = np.array([math.fsum(column) for column in parts.T])
    assert (np.abs(found.total - exact) <= np.spacing(np.abs(exact))).all()
    assert found.fees.shape == (n,)


def test_a_gain_needs_growth_beyond_the_ageing():
    """At unchanged yield a YT gains if and only if the cycle's growth is above PT0*((1+r)^dt - 1)."""
    edge = pt_price(0.3, 0.25) * (1.3 ** (7 / 365) - 1)
    for growth, gains in ((edge * 0.999, False), (edge * 1.001, True)):
        week = attribute_pnl(
            yt=1, st=0, implied_start=0.3, implied_end=0.3, tau=0.25, period=7 / 365, growth=growth, **NO_FEE
        )
        assert (week.total > 0) == gains


@pytest.mark.parametrize("yt", [1.0, [1.0, 2.0]])
def test_components_that_miss_the_change_of_value_are_refused(yt, monkeypatch):
    """Were the ledger to pay a billionth more than the components say, the attribution would be refused."""
    terms = {"implied_start": 0.3, "implied_end": 0.4, "tau": 0.25, "period": 0.02, "growth": 0.01, **NO_FEE}
    attribute_pnl(yt=yt, st=1.0, **terms)
    monkeypatch.setattr(ledger, "distribute", lambda *args, **kwargs: distribute(*args, **kwargs) + 1e-9)
    with pytest.raises(DataError, match="miss the change of value"):
        attribute_pnl(yt=yt, st=1.0, **terms)


def test_attribution_refuses_what_its_parts_refuse():
    """An expired start, a period beyond maturity and a missing number are refused by name."""
    terms = {"yt": 1, "st": 0, "implied_start": 0.3, "implied_end": 0.3, "growth": 0.01, **NO_FEE}
    with pytest.raises(ExpiredError):
        attribute_pnl(**terms, tau=-0.1, period=0)
    with pytest.raises(DomainError, match=r"^period = 0.3"):
        attribute_pnl(**terms, tau=0.25, period=0.3)
    with pytest.raises(DomainError, match=r"^st = nan"):
        attribute_pnl(**{**terms, "st": math.nan}, tau=0.25, period=0.1)


@given(st.floats(0.5, 2.0), st.floats(0.5, 2.0), st.floats(0.1, 50.0))
def test_dollars_add_the_move_of_the_underlying(start, end, margin):
    """In dollars the parts add up to E1*U1 - E0*U0, with the underlying's move on the equity at the start."""
    x, s = 100.0, -9.0
    week = attribute_pnl(
        yt=x, st=s, implied_start=0.3, implied_end=0.35, tau=0.3, period=0.02, growth=0.006, **NO_FEE
    )
    before = margin + s + x * yt_price(0.3, 0.3)
    after = margin + week.st_end + x * yt_price(0.35, 0.3 - 0.02)
    usd = in_dollars(week, equity_start=before, usd_per_st_start=start, usd_per_st_end=end)
    assert usd.underlying_move == pytest.approx(before * (end - start), rel=1e-14)
    assert usd.total == math.fsum(getattr(usd, name) for name in COMPONENTS)
    assert usd.total == pytest.approx(after * end - before * start, abs=1e-12 * 100)


def test_dollars_need_positive_prices():
    """A dollar value of ST that is not positive is refused by name."""
    week = attribute_pnl(
        yt=1, st=0, implied_start=0.3, implied_end=0.3, tau=0.3, period=0, growth=0, **NO_FEE
    )
    with pytest.raises(DomainError, match=r"^usd_per_st_end = 0.0"):
        in_dollars(week, equity_start=1, usd_per_st_start=1, usd_per_st_end=0)


INDEX = [1.0, 1.2, 0.9, 1.1, 1.2, 1.5]


def test_the_high_water_mark_only_rises():
    """The mark is the highest reading so far, starting from an earlier mark where there is one."""
    assert high_water_mark(INDEX).tolist() == [1.0, 1.2, 1.2, 1.2, 1.2, 1.5]
    assert high_water_mark(INDEX, previous=1.25).tolist() == [1.25, 1.25, 1.25, 1.25, 1.25, 1.5]
    assert high_water_mark([INDEX, INDEX], previous=[0.5, 2.0])[:, -1].tolist() == [1.5, 2.0]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("pass_through", [0.2, -0.25, 2 / 9, 1 / 11, 0.25]),
        ("floor_zero", [0.2, 0, 2 / 9, 1 / 11, 0.25]),
        ("high_water_mark", [0.2, 0, 0, 0, 0.25]),
    ],
)
def test_losses_reach_the_ledger_by_the_rule(rule, expected):
    """Passed through, floored without memory, or made good first before anything is paid again."""
    assert ledger_growth(INDEX, negative_yield_rule=rule) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@given(st.lists(st.floats(0.5, 2.0), min_size=2, max_size=10))
def test_under_a_high_water_mark_pt_and_yt_share_the_loss(readings):
    """The mark's growth compounds to the mark's rise; below the mark claims are covered to R/W."""
    mark = high_water_mark(readings)
    growth = ledger_growth(readings, negative_yield_rule="high_water_mark")
    assert (growth >= 0).all()
    assert compounded(growth)[-1] == pytest.approx(mark[-1] / mark[0] - 1, abs=1e-12)
    haircut = solvency_haircut(readings, mark)
    assert haircut * mark == pytest.approx(np.array(readings), rel=1e-15)
    assert (haircut <= 1).all()


def test_the_haircut_never_exceeds_one():
    """An index above a stale mark covers every claim in full and no more."""
    assert solvency_haircut(1.3, 1.2) == 1.0
    assert solvency_haircut(0.9, 1.2) == 0.75


def test_readings_are_checked():
    """A reading or mark that is not positive, a lone reading and an unknown rule are refused."""
    with pytest.raises(DomainError, match=r"^index\[1\] = 0.0 must be above 0"):
        high_water_mark([1, 0])
    with pytest.raises(DomainError, match=r"^previous = -1.0"):
        high_water_mark([1, 2], previous=-1)
    with pytest.raises(DomainError, match="readings in order"):
        high_water_mark(1.0)
    with pytest.raises(DomainError, match="negative_yield_rule = 'forgive'"):
        ledger_growth([1, 2], negative_yield_rule="forgive")
    with pytest.raises(DomainError, match=r"^mark = 0.0"):
        solvency_haircut(1, 0)
