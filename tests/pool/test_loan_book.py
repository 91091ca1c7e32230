"""Oracles: a loop over paths, loans and steps; the formulas of single loans; hand figures of pool.md 10."""

import math
import tracemalloc
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.pool import loan_book
from yieldtrade.pool.loan_book import LoanBook, LoanBookResult, simulate_loan_book
from yieldtrade.pool.loans import carry_clock, liquidate_loan
from yieldtrade.pool.parameters import LoanParameters
from yieldtrade.pool.safety import is_safe

TERMS = LoanParameters(max_ltv=0.90, liquidation_ltv=0.95, liquidation_fee=0.02)
NAMES = tuple(field.name for field in fields(LoanBookResult))
FREE = {"borrow_rate": 0.0, "dt_years": 1 / 365}


def one_loan(debt=9000.0, jlp=2500.0):
    """Return a book of a single loan."""
    return LoanBook(collateral_jlp=np.array([jlp]), debt_usdc=np.array([debt]))


def debt_index(rate, dt, paths, steps):
    """Index of debt of each path and step, one step after the other."""
    rates = np.broadcast_to(np.asarray(rate, dtype=float), (paths, steps - 1))
    index = np.ones((paths, steps))
    for k in range(1, steps):
        index[:, k] = index[:, k - 1] * np.exp(rates[:, k - 1] * dt)
    return index


def step_by_step(book, prices, terms, *, borrow_rate, dt_years, delay_steps=0, fee_base="debt"):
    """Take every loan of every path through its steps, one at a time."""
    paths, steps = prices.shape
    index = debt_index(borrow_rate, dt_years, paths, steps)
    result = {name: np.zeros(paths) for name in NAMES}
    result["first_liquidation_step"][:] = np.nan
    for path in range(paths):
        for jlp, debt in zip(book.collateral_jlp, book.debt_usdc, strict=True):
            for step in range(steps):
                if debt * index[path, step] / (jlp * prices[path, step]) <= terms.liquidation_ltv:
                    continue
                run = step + delay_steps
                if run >= steps:
                    result["pending_count"][path] += 1
                    result["pending_debt_usd"][path] += debt * index[path, -1]
                    break
                owed, worth = debt * index[path, run], jlp * prices[path, run]
                closed = liquidate_loan(worth, owed, terms.liquidation_fee, fee_base)
                for name, amount in {
                    "liquidated_count": 1,
                    "liquidated_debt_usd": owed,
                    "collateral_usd": worth,
                    "burnt_usd": closed.burnt_usd,
                    "returned_usd": closed.returned_usd,
                    "fees_usd": closed.fee_usd,
                    "bad_debt_usd": closed.bad_debt_usd,
                    "unpaid_fee_usd": closed.unpaid_fee_usd,
                    "loans_with_bad_debt": closed.bad_debt_usd > 0,
                }.items():
                    result[name][path] += amount
                result["first_liquidation_step"][path] = np.fmin(result["first_liquidation_step"][path], run)
                break
    return result


def random_case(seed, *, loans=40, paths=30, steps=25, volatility=0.03):
    """Return a book with LTVs from 0 to 99 % and random paths of the price."""
    random = np.random.default_rng(seed)
    jlp = random.uniform(1, 5000, loans)
    debt = 4.0 * jlp * random.uniform(0, 0.99, loans)
    debt[0] = 0.0
    prices = 4.0 * np.exp(np.cumsum(random.normal(0, volatility, (paths, steps)), axis=1))
    return LoanBook(collateral_jlp=jlp, debt_usdc=debt), prices, random


def assert_same(found, expected, book):
    """Compare counts exactly and amounts to the rounding of sums over the whole book."""
    scale = 1e-12 * (book.debt_usdc.sum() + 10 * book.collateral_jlp.sum())
    for name in NAMES:
        exact = name.endswith(("count", "step")) or name == "loans_with_bad_debt"
        np.testing.assert_allclose(
            getattr(found, name),
            expected[name],
            rtol=0 if exact else 1e-11,
            atol=0 if exact else scale,
            err_msg=name,
        )


@pytest.mark.parametrize("delay", [0, 1, 4, 24, 40])
@pytest.mark.parametrize("fee_base", ["debt", "collateral"])
def test_the_book_against_single_loans(delay, fee_base):
    """Sums over the sorted book are those of loans liquidated one by one, step by step."""
    book, prices, _ = random_case(1)
    terms = {"borrow_rate": 0.5, "dt_years": 0.01, "delay_steps": delay, "fee_base": fee_base}
    found = simulate_loan_book(book, prices, TERMS, **terms)
    expected = step_by_step(book, prices, TERMS, **terms)
    assert_same(found, expected, book)
    assert (expected["liquidated_count"].sum() > 0) == (delay < 25)
    assert expected["bad_debt_usd"].sum() > 0 or delay > 4
    assert (expected["pending_count"].sum() > 0) == (delay > 0)


@given(
    seed=st.integers(0, 999),
    rate=st.sampled_from(["none", "number", "interval", "path"]),
    delay=st.integers(0, 6),
    volatility=st.sampled_from([0.002, 0.05, 0.3]),
    fee=st.sampled_from([0.0, 0.02, 0.3]),
)
def test_any_book_and_rate_against_single_loans(seed, rate, delay, volatility, fee):
    """Also with rates by interval and by path, large moves, no fee and a fee beyond the buffer."""
    book, prices, random = random_case(seed, loans=12, paths=4, steps=10, volatility=volatility)
    shapes = {"none": (), "number": (), "interval": (9,), "path": (4, 9)}
    rates = random.uniform(0, 2, shapes[rate]) * (rate != "none")
    params = LoanParameters(max_ltv=0.8, liquidation_ltv=0.86, liquidation_fee=fee)
    terms = {"borrow_rate": rates, "dt_years": 0.02, "delay_steps": delay}
    found = simulate_loan_book(book, prices, params, **terms)
    assert_same(found, step_by_step(book, prices, params, **terms), book)


@given(seed=st.integers(0, 99), delay=st.integers(0, 4))
def test_what_a_liquidation_takes_goes_somewhere(seed, delay):
    """Collateral is burnt or returned; what is burnt repays debt or pays fees; nothing is negative."""
    book, prices, _ = random_case(seed, volatility=0.1)
    found = simulate_loan_book(book, prices, TERMS, borrow_rate=0.1, dt_years=0.01, delay_steps=delay)
    near = {"rtol": 1e-9, "atol": 1e-6}
    np.testing.assert_allclose(found.burnt_usd + found.returned_usd, found.collateral_usd, **near)
    repaid = found.liquidated_debt_usd - found.bad_debt_usd
    np.testing.assert_allclose(repaid + found.fees_usd, found.burnt_usd, **near)
    np.testing.assert_allclose(
        found.fees_usd + found.unpaid_fee_usd, 0.02 * found.liquidated_debt_usd, **near
    )
    assert all((getattr(found, name) >= 0).all() for name in NAMES if name != "first_liquidation_step")
    assert (found.liquidated_count + found.pending_count <= 40).all()


def test_a_liquidation_by_hand():
    """9,000 on 2,500 JLP passes its limit at 3.78; two steps later, at 3.50, 8,750 leave 250 and the fee of 180."""
    path = [4.0, 3.80, 3.78, 3.60, 3.50, 3.90]
    late = simulate_loan_book(one_loan(), path, TERMS, delay_steps=2, **FREE)
    assert late.first_liquidation_step.tolist() == [4]
    assert late.liquidated_debt_usd.tolist() == [9000]
    assert late.bad_debt_usd == pytest.approx([250])
    assert late.unpaid_fee_usd == pytest.approx([180])
    assert (late.fees_usd.tolist(), late.returned_usd.tolist()) == ([0], [0])
    prompt = simulate_loan_book(one_loan(), path, TERMS, **FREE)
    assert prompt.first_liquidation_step.tolist() == [2]
    assert prompt.fees_usd == pytest.approx([180])
    # 2,500*3.78 less 9,180
    assert prompt.returned_usd == pytest.approx([270])
    assert prompt.bad_debt_usd.tolist() == [0]


def test_a_recovery_does_not_call_a_liquidation_off():
    """A loan past its limit is closed after the delay although the price has come back."""
    found = simulate_loan_book(one_loan(), [4.0, 3.7, 4.2], TERMS, delay_steps=1, **FREE)
    assert found.liquidated_count.tolist() == [1]
    # 2,500*4.2 less 9,180
    assert found.returned_usd == pytest.approx([1320])


def test_only_an_ltv_above_the_limit_liquidates():
    """A debt of 9,500 on 10,000 is at the limit and stays; the next double of debt does not."""
    still = simulate_loan_book(one_loan(9500.0), [[4.0, 4.0]], TERMS, **FREE)
    assert (still.liquidated_count.tolist(), np.isnan(still.first_liquidation_step).all()) == ([0], True)
    above = simulate_loan_book(one_loan(9500.000001), [[4.0, 4.0]], TERMS, **FREE)
    assert above.first_liquidation_step.tolist() == [0]


def test_what_is_past_its_limit_when_the_path_ends_is_pending():
    """A loan whose execution falls after the last step is neither safe nor lost: it is counted apart."""
    found = simulate_loan_book(one_loan(), [[4.0, 3.9, 3.7], [4.0, 3.7, 3.7]], TERMS, delay_steps=1, **FREE)
    assert found.pending_count.tolist() == [1, 0]
    assert found.pending_debt_usd.tolist() == [9000, 0]
    assert found.liquidated_count.tolist() == [0, 1]


@pytest.mark.parametrize(("rate", "growth"), [(0.08, 0.0), (0.5, 0.1), (0.3, 0.3)])
def test_interest_alone_liquidates_after_the_carry_clock(rate, growth):
    """On a flat or growing path a loan at 90 % is liquidated on the first day past its carry clock, or never."""
    days = np.arange(400)
    path = 4.0 * np.exp(growth * days / 365)
    found = simulate_loan_book(one_loan(), path, TERMS, borrow_rate=rate, dt_years=1 / 365)
    years = carry_clock(0.9, 0.95, rate, growth)
    if years is None:
        assert np.isnan(found.first_liquidation_step).all()
    else:
        assert found.first_liquidation_step.tolist() == [math.floor(365 * years) + 1]


@given(move=st.floats(0.0001, 0.2), terms=st.sampled_from([(0.95, 0.02), (0.86, 0.06), (0.96, 0.02)]))
def test_the_safety_buffer_is_what_a_late_liquidation_survives(move, terms):
    """A loan just at its limit that falls by p before execution leaves nothing unpaid iff its terms are safe at p."""
    ltv, fee = terms
    params = LoanParameters(max_ltv=0.5, liquidation_ltv=ltv, liquidation_fee=fee)
    debt = ltv * 1000 * (1 + 1e-12)
    found = simulate_loan_book(one_loan(debt, 1000.0), [1.0, 1 - move], params, delay_steps=1, **FREE)
    assert found.liquidated_count.tolist() == [1]
    short = found.bad_debt_usd[0] + found.unpaid_fee_usd[0]
    assert (short < 1e-8) == is_safe(ltv, fee, move)


def test_blocks_do_not_matter(monkeypatch):
    """Paths worked on a few at a time give what they give at once, also with rates by path."""
    book, prices, random = random_case(3)
    terms = {"borrow_rate": random.uniform(0, 1, (30, 24)), "dt_years": 0.01, "delay_steps": 2}
    at_once = simulate_loan_book(book, prices, TERMS, **terms)
    monkeypatch.setattr(loan_book, "_CELLS", 60)
    in_blocks = simulate_loan_book(book, prices, TERMS, **terms)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(in_blocks, name), getattr(at_once, name))


def test_the_order_of_loans_does_not_matter():
    """A book in any order, or with a loan split in two, gives the same amounts."""
    book, prices, random = random_case(4)
    order = random.permutation(40)
    shuffled = LoanBook(collateral_jlp=book.collateral_jlp[order], debt_usdc=book.debt_usdc[order])
    halves = LoanBook(
        collateral_jlp=np.tile(book.collateral_jlp / 2, 2), debt_usdc=np.tile(book.debt_usdc / 2, 2)
    )
    terms = {"borrow_rate": 0.1, "dt_years": 0.01, "delay_steps": 1}
    found, mixed, split = (
        simulate_loan_book(each, prices, TERMS, **terms) for each in (book, shuffled, halves)
    )
    for name in NAMES:
        doubled = 2 if name.endswith("count") or name == "loans_with_bad_debt" else 1
        np.testing.assert_allclose(getattr(mixed, name), getattr(found, name), rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(getattr(split, name), doubled * getattr(found, name), rtol=1e-9, atol=1e-6)


def test_a_large_book_stays_small_in_memory():
    """Work arrays do not grow with loans times paths: 20,000 loans on 500 paths need far less than 80 MB."""
    book, prices, _ = random_case(6, loans=20_000, paths=500, steps=50)
    tracemalloc.start()
    found = simulate_loan_book(book, prices, TERMS, borrow_rate=0.1, dt_years=0.01, delay_steps=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6
    assert found.liquidated_count.shape == (500,)


PATH = [[4.0, 3.9, 3.8]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: one_loan(-1.0), r"debt_usdc\[0\] = -1\.0 must be 0 or more"),
        (lambda: one_loan(1.0, 0.0), r"collateral_jlp\[0\] = 0\.0 must be above 0"),
        (lambda: LoanBook(collateral_jlp=[1, 2], debt_usdc=[1]), r"collateral_jlp\(2,\) and debt_usdc\(1,\)"),
        (lambda: LoanBook(collateral_jlp=1.0, debt_usdc=1.0), "a book is two series of one length"),
        (lambda: LoanBook(collateral_jlp=[], debt_usdc=[]), "a book is two series of one length"),
        (lambda: LoanBook(collateral_jlp=[True], debt_usdc=[1]), "collateral_jlp holds bool values"),
    ],
)
def test_books_that_are_refused(call, message):
    """A book needs two equal series of collateral above 0 and debt of 0 or more."""
    with pytest.raises(DomainError, match=message):
        call()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"price_paths": [[4.0, 0.0, 3.8]]}, r"price_paths\[0, 1\] = 0\.0 must be above 0"),
        ({"price_paths": [[4.0, math.nan, 3.8]]}, r"price_paths\[0, 1\] = nan is not a finite number"),
        ({"price_paths": np.ones((2, 3, 4))}, r"price_paths of shape \(2, 3, 4\) must have paths and steps"),
        ({"price_paths": np.ones((0, 3))}, r"price_paths of shape \(0, 3\) must have paths and steps"),
        ({"borrow_rate": -0.1}, r"borrow_rate = -0\.1 must be 0 or more"),
        ({"borrow_rate": [0.1, 0.1, 0.1]}, r"borrow_rate of shape \(1, 3\): give one number, 2 "),
        ({"borrow_rate": np.ones((2, 2))}, r"borrow_rate of shape \(2, 2\)"),
        ({"borrow_rate": 1e6}, r"index\[0, 1\] = inf is not a finite number"),
        ({"dt_years": 0}, r"dt_years = 0\.0 must be above 0"),
        ({"delay_steps": -1}, "delay_steps = -1 must be 0 or more"),
        ({"delay_steps": 1.5}, "delay_steps = 1.5 is not an integer"),
        ({"fee_base": "loan"}, "fee_base = 'loan': allowed are 'debt', 'collateral'"),
        (
            {"params": LoanParameters(max_ltv=0.9, liquidation_ltv=[0.95, 0.96], liquidation_fee=0.02)},
            "one liquidation LTV and one fee",
        ),
    ],
)
def test_simulations_that_are_refused(changes, message):
    """Bad paths, rates, steps and terms are refused by name, value and index."""
    call = {"book": one_loan(), "price_paths": PATH, "params": TERMS, **FREE} | changes
    with pytest.raises(DomainError, match=message):
        simulate_loan_book(**call)
