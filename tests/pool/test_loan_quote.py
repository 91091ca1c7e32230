"""A loan beside what could happen to it: the terms JLP had, the published falls, and falls measured from prices."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from yieldtrade.errors import DomainError, MissingDataError
from yieldtrade.pool.loan_quote import (
    LabelledMove,
    known_terms,
    loan_quote,
    measured_moves,
    published_moves,
)
from yieldtrade.pool.parameters import LoanParameters, parameters_at
from yieldtrade.pool.state import JlpLoan

LOAN = JlpLoan(collateral_jlp=2_500, debt_usdc=9_000)
TERMS = LoanParameters(max_ltv=0.90, liquidation_ltv=0.95, liquidation_fee=0.02)


@pytest.fixture
def jlp(bundled):
    """JLP with every change known at the end of 2025."""
    return bundled.view(datetime(2025, 12, 31, tzinfo=UTC)).pool("JLP")


def test_the_documented_loan():
    """2,500 JLP at 4.00 and 9,000: liquidated at 3.789474, 5.263 % down; SOL alone by that over its share."""
    quote = loan_quote(LOAN, 4.0, TERMS, exposures={"SOL": 0.4, "BTC": 0.1}, stress=(-0.2,), borrow_rate=0.08)
    assert quote.status.liquidation_price == pytest.approx(3.789474, abs=5e-7)
    assert quote.status.fall_to_liquidation == pytest.approx(1 / 19)
    assert quote.status.carry_years == pytest.approx(math.log(95 / 90) / 0.08)
    assert quote.asset_moves.alone["SOL"] == pytest.approx(-1 / 19 / 0.4)
    assert quote.asset_moves.together == pytest.approx(-1 / 19 / 0.5)
    (row,) = quote.stress
    assert row.virtual_price == pytest.approx(4 * (1 - 0.5 * 0.2))
    assert (quote.own.safety_buffer, quote.own.is_sound) == (pytest.approx(0.031), True)
    assert (quote.grid, quote.compared) == (None, ())


def test_without_exposures_nothing_is_said_of_coins():
    """Neither moves nor stress are invented."""
    quote = loan_quote(LOAN, 4.0, TERMS, exposures={}, stress=(-0.2,))
    assert (quote.asset_moves, quote.stress) == (None, ())


def test_the_terms_jlp_had_and_was_recommended(jlp):
    """86 % with 6 % and 95 % with 2 %, each once, in order; none are known before their date."""
    assert known_terms(jlp) == ((0.86, 0.06), (0.95, 0.02))


def test_the_published_falls_and_the_sets_against_them(jlp):
    """Ten percentiles, five-minute ones first; (95, 2) is safe at each, (96, 2) fails the five-minute p99.999."""
    moves = published_moves(parameters_at(jlp, datetime(2025, 12, 31, tzinfo=UTC)))
    assert [move.label for move in moves][:5] == [
        f"5min p{q}" for q in ("95", "99", "99.9", "99.99", "99.999")
    ]
    assert moves[4].move == 0.025416
    assert published_moves(parameters_at(jlp, datetime(2025, 1, 1, tzinfo=UTC))) == ()
    sets = (*known_terms(jlp), (0.96, 0.02))
    quote = loan_quote(LOAN, 4.0, TERMS, exposures={}, moves=moves, compared=sets, fees=(0.02,))
    assert [one.fails_at for one in quote.compared] == [(), (), ("5min p99.999",)]
    # the last row of the published table, 5-min p99.9 to p99.999
    assert quote.grid[0, 2:5].tolist() == pytest.approx([0.97, 0.96, 0.95])


def test_measured_falls_stand_beside_those_by_the_root_of_time():
    """A price that moves 1 % each minute, up and down in turn: 1 % over a minute, nothing over two."""
    prices = np.tile([100.0, 101.0], 500)
    seconds = 60.0 * np.arange(1_000)
    short, long = measured_moves(prices, seconds, [120, 60], [0.5])
    assert short.label == "60s p50"
    assert short.measured.n == 999
    assert short.move == pytest.approx((0.01 + 1 / 101) / 2, rel=0.01)
    assert (long.label, long.move) == ("120s p50", 0.0)
    assert long.scaled == pytest.approx(short.move * math.sqrt(2))
    assert short.scaled is None


def test_a_series_that_cannot_be_measured_is_refused():
    """Prices out of order or too few of them."""
    with pytest.raises(DomainError, match="times"):
        measured_moves(np.array([1.0, 2.0, 3.0]), np.array([0.0, 60.0, 60.0]), [60], [0.5])
    with pytest.raises(MissingDataError):
        measured_moves(np.array([1.0, 2.0]), np.array([0.0, 60.0]), [60], [0.5])
    with pytest.raises(DomainError, match="must be above 0"):
        loan_quote(LOAN, 0.0, TERMS, exposures={})
    assert LabelledMove("given", 0.01).measured is None
