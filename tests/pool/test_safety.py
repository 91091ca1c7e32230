"""Oracles: the 30 published cells and moves of discuss.jup.ag/t/39564, fractions, hand figures of pool.md 11."""

import json
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from yieldtrade.errors import DomainError, MissingDataError
from yieldtrade.pool.safety import (
    compare_sets,
    is_safe,
    max_liquidation_ltv,
    move_percentiles,
    parameter_set_report,
    principal_shortfall,
    safe_ltv_grid,
    safety_buffer,
    scale_move,
    total_shortfall,
)

GOLDEN = Path(__file__).parent.parent / "golden"
CELLS = json.loads((GOLDEN / "chaos_jlp_loans.json").read_text())["cases"]

# Percentile, 5-minute and 1-minute move in percent, as printed.
PRINTED_MOVES = [
    ("p95", "0.2187", "0.0978"),
    ("p99", "0.4109", "0.1837"),
    ("p99.9", "0.8818", "0.3944"),
    ("p99.99", "1.6908", "0.7561"),
    ("p99.999", "2.5416", "1.1366"),
]
FIVE = {f"5min {name}": float(Decimal(five) / 100) for name, five, _ in PRINTED_MOVES}
ONE = {f"1min {name}": float(Decimal(one) / 100) for name, _, one in PRINTED_MOVES}

START = datetime(2025, 1, 1, tzinfo=UTC)

ltvs = st.floats(0.01, 1.2)
fees = st.floats(0.0, 0.5)
falls = st.floats(0.0, 0.99)
# Figures as people write them: these are the ones that fall exactly on a limit.
written = st.integers(0, 999).map(lambda thousandths: thousandths / 1000)


def rational(number):
    """Return the decimal a number is written as, as a fraction."""
    return Fraction(repr(number))


@pytest.mark.parametrize("case", CELLS, ids=lambda case: case["id"])
def test_every_published_cell(case):
    """Each of the 30 published cells comes out exactly."""
    found = max_liquidation_ltv(case["in"]["move"], case["in"]["fee"])
    assert found == case["expect"]["max_liquidation_ltv_pct"] / 100


def test_the_published_tables_as_a_grid():
    """The grid has a row a fee and a column a move, as the tables are printed."""
    names, levels = ("p99.9", "p99.99", "p99.999"), [0.06, 0.05, 0.04, 0.03, 0.02]
    moves = [FIVE[f"5min {name}"] for name in names] + [ONE[f"1min {name}"] for name in names]
    table = [
        [93, 92, 91, 93, 93, 93],
        [94, 93, 92, 94, 94, 94],
        [95, 94, 93, 95, 95, 95],
        [96, 95, 94, 96, 96, 95],
        [97, 96, 95, 97, 97, 96],
    ]
    grid = safe_ltv_grid(moves, levels)
    assert grid.tolist() == [[cell / 100 for cell in row] for row in table]
    assert len(CELLS) == grid.size


def on_the_step(step):
    """Yield (move, fee, whole steps) with ``(1-p)/(1+f)`` exactly that many steps."""
    unit = Decimal(step)
    for fee in (Decimal(n) / 1000 for n in range(0, 101, 5)):
        for whole in range(1, int(1 / unit)):
            move = 1 - whole * unit * (1 + fee)
            if 0 <= move < 1:
                yield float(move), float(fee), whole


@pytest.mark.parametrize("step", ["0.01", "0.005", "0.0025"])
def test_an_exact_multiple_is_not_floored_away(step):
    """Where (1-p)/(1+f) is a multiple of the step it is the answer; a trillionth more of fall loses one step.

    The same floor in doubles misses some of these multiples, so that the test means something.
    """
    moves, levels, whole = (np.array(column) for column in zip(*on_the_step(step), strict=True))
    unit = float(step)
    expected = [float(Decimal(int(steps)) * Decimal(step)) for steps in whole]
    assert max_liquidation_ltv(moves, levels, unit).tolist() == expected
    just_more = [float(Decimal(repr(move)) + Decimal("1e-12")) for move in moves.tolist()]
    fewer = [float(Decimal(int(steps) - 1) * Decimal(step)) for steps in whole]
    assert max_liquidation_ltv(just_more, levels, unit).tolist() == fewer
    in_doubles = np.floor((1 - moves) / (1 + levels) / unit)
    assert (in_doubles != whole).any()


def test_a_buffer_equal_to_the_move_is_enough():
    """A set whose buffer is exactly the move is safe, and a trillionth more of fall is not; doubles get some wrong."""
    in_doubles = []
    for move, fee, whole in on_the_step("0.01"):
        ltv = whole / 100
        assert is_safe(ltv, fee, move) is (move > 0)
        assert not is_safe(ltv, fee, float(Decimal(repr(move)) + Decimal("1e-12")))
        in_doubles.append(1 - ltv * (1 + fee) >= move)
    assert not all(in_doubles)


@given(move=falls | written, fee=fees | written, step=st.sampled_from([0.01, 0.005, 0.001, 0.03, 1.0, 1 / 3]))
def test_the_largest_safe_ltv_against_rational_arithmetic(move, fee, step):
    """The floor is that of fractions of the written decimals, rounded once to a double."""
    unit = rational(step)
    steps = (1 - rational(move)) / (1 + rational(fee)) // unit
    assert max_liquidation_ltv(move, fee, step) == float(steps * unit)


@given(ltv=ltvs | written.filter(bool), fee=fees | written, move=falls | written)
def test_safety_against_rational_arithmetic(ltv, fee, move):
    """A set is safe where its buffer is positive and at least the move, in fractions of the written decimals."""
    buffer = 1 - rational(ltv) * (1 + rational(fee))
    assert is_safe(ltv, fee, move) is (buffer > 0 and buffer >= rational(move))
    assert safety_buffer(ltv, fee) == pytest.approx(float(buffer), abs=1e-15)


@given(move=falls | written.filter(bool), fee=fees | written, step=st.sampled_from([0.01, 0.005, 0.001]))
def test_the_largest_safe_ltv_is_safe_and_the_next_is_not(move, fee, step):
    """The limit found is safe against its move, and one step more is not."""
    found = max_liquidation_ltv(move, fee, step)
    more = float(rational(found) + rational(step))
    assert found == 0 or move == 0 or is_safe(found, fee, move)
    assert not is_safe(more, fee, move)


@given(ltv=st.floats(0.01, 1.0), fee=fees, more=st.floats(1e-6, 0.1))
def test_the_buffer_falls_in_ltv_and_fee(ltv, fee, more):
    """A higher liquidation LTV or fee leaves less buffer."""
    assert safety_buffer(ltv + more, fee) < safety_buffer(ltv, fee)
    assert safety_buffer(ltv, fee + more) < safety_buffer(ltv, fee)


@given(moves=st.lists(falls, min_size=2, max_size=6), levels=st.lists(fees, min_size=2, max_size=6))
def test_the_grid_falls_in_moves_and_fees(moves, levels):
    """A larger move or fee never allows a higher limit."""
    grid = safe_ltv_grid(sorted(moves), sorted(levels))
    assert grid.shape == (len(levels), len(moves))
    assert (np.diff(grid, axis=0) <= 0).all()
    assert (np.diff(grid, axis=1) <= 0).all()


def test_the_worked_example_of_the_source():
    """A threshold of 98 % and a fall of 3 % leave 1 % of bad debt; a buffer of a further point avoids it."""
    assert principal_shortfall(0.98, 0.03) == pytest.approx(0.01, abs=1e-15)
    assert principal_shortfall(0.97, 0.03) == pytest.approx(0.0, abs=1e-15)
    # with a fee of 2 %: 0.98*1.02 = 0.9996 against 0.97
    assert total_shortfall(0.98, 0.02, 0.03) == pytest.approx(0.0296, abs=1e-15)


@given(ltv=ltvs, fee=fees, move=falls)
def test_shortfalls_are_what_a_liquidation_leaves(ltv, fee, move):
    """On collateral of 1, shortfalls are debt L, and with the fee L(1+f), less what is left of it."""
    left = 1 - rational(move)
    principal = max(Fraction(0), rational(ltv) - left)
    total = max(Fraction(0), rational(ltv) * (1 + rational(fee)) - left)
    assert principal_shortfall(ltv, move) == pytest.approx(float(principal), abs=1e-15)
    assert total_shortfall(ltv, fee, move) == pytest.approx(float(total), abs=1e-15)
    assert total_shortfall(ltv, fee, move) >= principal_shortfall(ltv, move) >= 0
    if total > 1e-12:
        assert not is_safe(ltv, fee, move)


def test_the_recommended_sets_against_each_other():
    """(95 %, 2 %) and (86 %, 6 %) are safe at every published move; (96 %, 2 %) fails the largest alone."""
    chosen, current, rejected = compare_sets([(0.95, 0.02), (0.86, 0.06), (0.96, 0.02)], FIVE | ONE)
    assert [report.safety_buffer for report in (chosen, current, rejected)] == pytest.approx(
        [0.031, 0.0884, 0.0208], abs=1e-15
    )
    assert chosen.fails_at == current.fails_at == ()
    assert rejected.fails_at == ("5min p99.999",)
    assert all(report.is_sound for report in (chosen, current, rejected))
    assert chosen.principal_buffer == pytest.approx(0.05)
    worst = {outcome.label: outcome for outcome in rejected.outcomes}["5min p99.999"]
    # 0.96*1.02 - (1 - 0.025416) = 0.9792 - 0.974584; the principal 0.96 is covered
    assert worst.total_shortfall == pytest.approx(0.004616, abs=1e-15)
    assert worst.principal_shortfall == 0
    assert worst.max_liquidation_ltv == 0.95
    assert [outcome.label for outcome in chosen.outcomes] == [*FIVE, *ONE]


def test_terms_without_a_buffer_are_returned_and_flagged():
    """L(1+f) >= 1 gives a buffer of 0 or less as it is, never safe, not even against no move."""
    assert safety_buffer(0.98, 0.05) == pytest.approx(-0.029, abs=1e-15)
    assert safety_buffer(1.0, 0.0) == 0
    assert is_safe(1.0, 0.0, 0.0) is False
    assert is_safe(0.999, 0.0, 0.0) is True
    report = parameter_set_report(0.98, 0.05, {"none": 0.0, "5 %": 0.05})
    assert not report.is_sound
    assert report.safety_buffer == pytest.approx(-0.029, abs=1e-15)
    assert report.fails_at == ("none", "5 %")
    assert [outcome.total_shortfall for outcome in report.outcomes] == pytest.approx([0.029, 0.079])
    assert [outcome.principal_shortfall for outcome in report.outcomes] == pytest.approx([0, 0.03])


def test_one_formula_serves_numbers_and_arrays():
    """Arrays broadcast to what the numbers give one by one."""
    ltv, fee, move = np.array([[0.95], [0.96]]), np.array([0.02, 0.06]), 0.02
    for function, given_ in (
        (safety_buffer, (ltv, fee)),
        (is_safe, (ltv, fee, move)),
        (total_shortfall, (ltv, fee, move)),
        (max_liquidation_ltv, (move, ltv - 0.9, fee)),
    ):
        found = function(*given_)
        assert found.shape == (2, 2)
        one_by_one = [function(*map(float, numbers)) for numbers in np.broadcast(*given_)]
        assert found.ravel().tolist() == one_by_one
    assert is_safe(ltv, fee, move).dtype == bool


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: safety_buffer(-0.95, 0.02), r"liquidation_ltv = -0\.95 must be above 0"),
        (lambda: safety_buffer([0.95, math.nan], 0.02), r"liquidation_ltv\[1\] = nan is not a finite number"),
        (lambda: safety_buffer(0.95, -0.02), r"fee = -0\.02 must be 0 or more"),
        (lambda: safety_buffer(True, 0.02), "liquidation_ltv holds bool values"),
        (lambda: safety_buffer("0.95", 0.02), "liquidation_ltv holds str"),
        (lambda: is_safe(0.95, 0.02, 1.0), r"move = 1\.0 must be 0 or more and below 1"),
        (lambda: is_safe(0.95, [0.02, math.inf], 0.1), r"fee\[1\] = inf is not a finite number"),
        (lambda: max_liquidation_ltv(-0.01, 0.02), r"move = -0\.01 must be 0 or more and below 1"),
        (lambda: max_liquidation_ltv([0.01, math.nan], 0.02), r"move\[1\] = nan is not a finite number"),
        (lambda: max_liquidation_ltv([0.01], 0.02, [0.0]), r"step\[0\] = 0\.0 must be above 0 and at most 1"),
        (lambda: max_liquidation_ltv(0.01, 0.02, 1.5), r"step = 1\.5 must be above 0 and at most 1"),
        (lambda: safe_ltv_grid([[0.01]], [0.02]), "must each be one series"),
        (lambda: safe_ltv_grid([0.01, 2.0], [0.02]), r"move\[0, 1\] = 2\.0 must be 0 or more and below 1"),
        (lambda: principal_shortfall(0.98, -0.1), r"move = -0\.1 must be 0 or more"),
        (lambda: total_shortfall(0, 0.02, 0.1), r"liquidation_ltv = 0\.0 must be above 0"),
        (lambda: scale_move(-0.01, 5, 1), r"move = -0\.01 must be 0 or more"),
        (lambda: scale_move(0.01, 0, 1), r"horizon_from = 0\.0 must be above 0"),
        (lambda: scale_move(0.01, 5, -1), r"horizon_to = -1\.0 must be above 0"),
    ],
)
def test_what_is_refused(call, message):
    """Values outside their domain are refused by name, value and what is allowed."""
    with pytest.raises(DomainError, match=message):
        call()


def test_the_one_minute_column_is_the_five_minute_one_scaled():
    """Four of five printed 1-minute moves are the 5-minute ones over sqrt(5); 0.4109 gives 0.18376, printed 0.1837."""
    scaled = [scale_move(float(five), 5, 1) for _, five, _ in PRINTED_MOVES]
    agrees = [f"{value:.4f}" == one for value, (_, _, one) in zip(scaled, PRINTED_MOVES, strict=True)]
    assert agrees == [True, False, True, True, True]
    assert f"{scaled[1]:.5f}" == "0.18376"
    assert scale_move(0.02, timedelta(minutes=5), timedelta(minutes=20)) == pytest.approx(0.04, rel=1e-15)
    assert scale_move(np.array([0.0, 0.02]), 1, 4).tolist() == [0.0, 0.04]


def quantile(values, q):
    """Linear interpolation between order statistics, by hand."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def moves_by_hand(prices, seconds, horizon, *, overlap):
    """Moves over the horizon from a plain walk through the samples."""
    known = dict(zip(seconds, prices, strict=True))
    moves, free_from = [], -math.inf
    for second in seconds:
        if second + horizon in known and (overlap or second >= free_from):
            moves.append(known[second + horizon] / known[second] - 1)
            free_from = second + horizon
    return moves


SIDED = {"abs": abs, "down": lambda move: -move, "up": lambda move: move}


@given(
    start=st.integers(0, 10**9),
    steps=st.lists(st.sampled_from([60, 60, 60, 120, 300, 37]), min_size=20, max_size=80),
    horizon=st.sampled_from([60, 120, 300]),
    side=st.sampled_from(sorted(SIDED)),
    overlap=st.booleans(),
    seed=st.integers(0, 99),
)
def test_percentiles_against_a_plain_walk(start, steps, horizon, side, overlap, seed):
    """Quantiles, sample size and tail counts are those of a plain walk over a series with gaps."""
    seconds = (start + np.cumsum(steps)).tolist()
    prices = np.exp(np.random.default_rng(seed).normal(0, 0.01, len(seconds))).tolist()
    moves = [SIDED[side](move) for move in moves_by_hand(prices, seconds, horizon, overlap=overlap)]
    call = {"side": side, "overlap": overlap}
    if len(moves) < 2:
        with pytest.raises(MissingDataError, match=f"^{len(moves)} moves over {horizon} s: 2 or more"):
            move_percentiles(prices, seconds, horizon, 0.5, **call)
        return
    found = move_percentiles(prices, seconds, horizon, [0.5, 0.9, 0.99], **call)
    for each, q in zip(found, (0.5, 0.9, 0.99), strict=True):
        assert (each.q, each.n) == (q, len(moves))
        assert each.move == pytest.approx(quantile(moves, q), abs=1e-14)
        assert each.expected_tail == pytest.approx(len(moves) * (1 - q))
        assert (each.low, each.high) == (None, None)


def test_a_gap_is_not_bridged():
    """A move needs a price exactly a horizon later: the one over a missing sample is not used."""
    seconds = [0, 300, 600, 1200, 1500]
    prices = [100.0, 101.0, 100.0, 50.0, 50.5]
    (largest,) = move_percentiles(prices, seconds, 300, 0.999999)
    assert largest.n == 3
    assert largest.move == pytest.approx(0.01, rel=1e-4)


def test_windows_do_not_overlap_unless_asked():
    """One-minute samples hold one five-minute move every five minutes, or one every minute."""
    seconds = np.arange(61) * 60
    prices = np.linspace(3.0, 4.0, 61)
    (apart,), (every,) = (
        move_percentiles(prices, seconds, 300, 0.5, overlap=overlap) for overlap in (False, True)
    )
    assert (apart.n, every.n) == (12, 56)


def test_sides_of_a_falling_series():
    """Losses are -r, gains r, and the cautious default takes either by its size."""
    prices, seconds = [100.0, 90.0, 99.0, 89.1], [0, 1, 2, 3]
    values = {side: move_percentiles(prices, seconds, 1, 0.5, side=side)[0].move for side in SIDED}
    # moves -0.1, 0.1, -0.1
    assert values == pytest.approx({"abs": 0.1, "down": 0.1, "up": -0.1})


def test_how_much_stands_behind_a_percentile():
    """A year of 5-minute moves has one beyond p99.999 (thin); where fewer than one is expected it is the maximum."""
    n = 105_120
    prices = np.exp(np.cumsum(np.random.default_rng(5).normal(0, 1e-3, n + 1)))
    levels = [0.999, 0.9999, 0.99999, 0.999999]
    found = move_percentiles(prices, np.arange(n + 1) * 300, timedelta(minutes=5), levels)
    assert [each.n for each in found] == [n] * 4
    assert [each.expected_tail for each in found] == pytest.approx([105.12, 10.512, 1.0512, 0.10512])
    assert [each.thin for each in found] == [False, False, True, True]
    assert [each.sample_maximum for each in found] == [False, False, False, True]
    largest = np.abs(np.diff(prices) / prices[:-1]).max()
    assert found[-1].move <= largest < found[-1].move * 1.05


@pytest.mark.parametrize(("n", "q", "thin", "maximum"), [(100, 0.9, False, False), (10, 0.9, True, False)])
def test_tail_counts_on_the_limit(n, q, thin, maximum):
    """An expected tail of exactly 10 is not thin and one of exactly 1 is not the sample maximum.

    In doubles 100*(1 - 0.9) is below 10.
    """
    (found,) = move_percentiles(np.arange(1.0, n + 2), np.arange(n + 1), 1, q)
    assert found.expected_tail == n / 10
    assert (found.thin, found.sample_maximum) == (thin, maximum)
    assert 100 * (1 - 0.9) < 10


def test_kinds_of_time_agree():
    """Aware datetimes, datetime64, pandas stamps and seconds give the same moves, also off the whole second."""
    prices = np.random.default_rng(2).uniform(3, 4, 50)
    seconds = 45.1 + 300 * np.arange(50)
    moments = [START + timedelta(seconds=float(second)) for second in seconds]
    stamps = np.array([moment.replace(tzinfo=None) for moment in moments], dtype="datetime64[ns]")
    kinds = (seconds, moments, stamps, pd.DatetimeIndex(moments), 1.7e9 + seconds)
    found = [move_percentiles(prices, times, timedelta(minutes=5), [0.5, 0.9]) for times in kinds]
    assert found[0][0].n == 49
    assert all(each == found[0] for each in found)


def test_seconds_with_fractions_meet_exactly():
    """Moves over a tenth of a second are found although neither 0.1 nor its multiples are doubles."""
    for start in (0.0, 1.1e9, 1.7e9):
        (found,) = move_percentiles(np.linspace(3, 4, 50), start + 0.1 * np.arange(50), 0.1, 0.5)
        assert found.n == 49


NORMAL = np.cumprod(1 + np.random.default_rng(3).normal(0, 0.01, 401))


def test_blocks_of_one_are_the_ordinary_bootstrap():
    """With blocks of one move the interval is that of scipy's percentile bootstrap."""
    call = {"side": "up", "block_bootstrap": True, "block_length": 1, "resamples": 4000}
    (found,) = move_percentiles(NORMAL, np.arange(401), 1, 0.5, **call)
    reference = bootstrap(
        (np.diff(NORMAL) / NORMAL[:-1],),
        np.median,
        n_resamples=4000,
        confidence_level=0.9,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert found.low == pytest.approx(reference.low, abs=1e-4)
    assert found.high == pytest.approx(reference.high, abs=1e-4)
    assert found.low < found.move < found.high


def test_the_bootstrap_keeps_clusters_and_its_seed():
    """Blocks widen the interval of clustered moves; a seed repeats it; one block of everything repeats the sample."""
    random = np.random.default_rng(4)
    scale = np.repeat(random.choice([0.001, 0.01], 40), 25)
    prices = np.cumprod(1 + np.append(0, scale * random.normal(size=1000)))
    times = np.arange(1001)

    def interval(**call):
        (found,) = move_percentiles(prices, times, 1, 0.5, block_bootstrap=True, resamples=400, **call)
        return found.low, found.high, found.move

    low, high, _ = interval(block_length=1)
    low_blocks, high_blocks, _ = interval(block_length=25)
    assert high_blocks - low_blocks > 2 * (high - low)
    assert interval(seed=7) == interval(seed=7) != interval(seed=8)
    whole_low, whole_high, move = interval(block_length=1000)
    assert whole_low == whole_high == move
    assert interval() == interval(block_length=10)


def test_the_last_block_can_be_drawn():
    """Moves 0, 0 and 1 in blocks of two: the one large move is only in the last block, and some resamples hold it."""
    call = {"block_bootstrap": True, "block_length": 2, "confidence": 0.98}
    (found,) = move_percentiles([1.0, 1.0, 1.0, 2.0], [0, 1, 2, 3], 1, 0.99, **call)
    assert found.low == 0 < found.high


PRICES, TIMES = [3.0, 3.1, 3.2], [0, 300, 600]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prices": [3.0, math.nan, 3.2]}, r"prices\[1\] = nan is not a finite number"),
        ({"prices": [3.0, 0.0, 3.2]}, r"prices\[1\] = 0\.0 must be above 0"),
        ({"prices": [3.0, True, 3.2]}, "prices holds bool values"),
        ({"prices": [3.0, 3.1]}, r"prices\(2,\) and times\(3,\) differ"),
        ({"times": [0, 300, 300]}, r"times\[2\] = 300 repeats times\[1\]"),
        ({"times": [0, 600, 300]}, r"times\[2\] = 300 is earlier than times\[1\]"),
        (
            {"times": [datetime(2025, 1, 1, 0, minute) for minute in range(3)]},  # noqa: DTZ001
            r"times\[0\] .* has no time zone",
        ),
        (
            {"times": np.array(["2025-01-01", "NaT", "2025-01-03"], "datetime64[s]")},
            r"times\[1\] is not a time",
        ),
        ({"times": ["a", "b", "c"]}, "times holds str"),
        ({"times": [0, math.nan, 600]}, r"times\[1\] = nan is not a finite number"),
        ({"times": [0, 1, 1.7e12]}, r"times\[2\] = 1700000000000\.0 must be seconds within 4e\+09 of 0"),
        ({"times": [[0, 300, 600]]}, r"times must be a series, one instant a sample, not of shape \(1, 3\)"),
        ({"horizon": 0}, r"horizon = 0\.0 must be above 0"),
        ({"horizon": timedelta(0)}, "horizon = .* must be a microsecond or more"),
        ({"horizon": "5min"}, "horizon holds str"),
        ({"q": 0.0}, r"q = 0\.0 must lie between 0 and 1"),
        ({"q": [0.5, 1.0]}, r"q\[1\] = 1\.0 must lie between 0 and 1"),
        ({"q": [[0.5]]}, r"q must be a level or one series of them"),
        ({"side": "both"}, "side = 'both': allowed are 'abs', 'down', 'up'"),
        ({"block_bootstrap": True, "block_length": 0}, "block_length = 0 must be 1 or more"),
        ({"block_bootstrap": True, "block_length": 3}, "block_length = 3 must be at most the 2 moves"),
        ({"block_bootstrap": True, "resamples": 1.5}, "resamples = 1.5 is not an integer"),
        ({"block_bootstrap": True, "confidence": 1}, r"confidence = 1\.0 must be 0 or more and below 1"),
    ],
)
def test_percentiles_that_are_refused(changes, message):
    """Bad prices, times, horizons, levels and bootstrap terms are refused by name."""
    call = {"prices": PRICES, "times": TIMES, "horizon": 300, "q": 0.5} | changes
    with pytest.raises(DomainError, match=message):
        move_percentiles(**call)


@pytest.mark.parametrize(
    ("prices", "times", "message"),
    [
        (PRICES, [0, 100, 200], "^0 moves over 300 s: 2 or more are needed"),
        (PRICES, [0, 300, 900], "^1 moves over 300 s"),
        ([], [], "times: no samples"),
    ],
)
def test_too_few_moves_are_refused(prices, times, message):
    """Fewer than two usable moves are missing data."""
    with pytest.raises(MissingDataError, match=message):
        move_percentiles(prices, times, 300, 0.5)
