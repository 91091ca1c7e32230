"""The ledger of a position to maturity."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.tokens.ledger_path import ledger_to_maturity
from yieldtrade.tokens.pricing import yt_price


def path(**changed):
    """A position of 100 YT at 30 % with 91 days left, settled at 50 % every week."""
    given_values = {
        "yt": 100.0,
        "st": 0.0,
        "implied_apy": 0.30,
        "tau": 91 / 365,
        "settled_apy": 0.50,
        "period_days": 7.0,
        "yield_fee": 0.0,
        "yield_fee_base": "none",
    }
    return ledger_to_maturity(**{**given_values, **changed})


def test_the_first_week_is_the_articles_example():
    """Received 0.0078063551 ST per YT, amortised 0.0047249273 (tokens.md 9)."""
    first = path()[0]
    assert first.yield_received == pytest.approx(0.78063551, abs=5e-9)
    assert first.amortisation == pytest.approx(-0.47249273, abs=5e-9)
    assert first.market_move == 0
    assert first.days_left == pytest.approx(84, abs=1e-9)


def test_a_yt_bought_for_cash_collects_the_growth_to_maturity():
    """Without a fee, one YT pays (1+u)^T - 1 ST in all, reinvested at the same rate (tokens.md 8)."""
    rows = path()
    assert len(rows) == 13
    assert rows[-1].st == pytest.approx(100 * (1.5 ** (91 / 365) - 1), rel=1e-12)
    assert rows[-1].yt_price == 0
    assert rows[-1].days_left == 0
    assert rows[-1].value == rows[-1].st


@given(
    yt=st.floats(-1e4, 1e4),
    balance=st.floats(-1e4, 1e4),
    implied=st.floats(0.001, 3),
    tau=st.floats(0.01, 2),
    settled=st.floats(0, 3),
    days=st.floats(0.5, 60),
    base=st.sampled_from(["none", "yt_only", "net"]),
)
def test_rows_add_up_to_the_change_of_value(yt, balance, implied, tau, settled, days, base):
    """Every row's components make its total, and the totals make the change from now to maturity."""
    rows = path(
        yt=yt,
        st=balance,
        implied_apy=implied,
        tau=tau,
        settled_apy=settled,
        period_days=days,
        yield_fee=0.05,
        yield_fee_base=base,
    )
    scale = 1 + max(abs(yt), abs(balance)) * (1 + settled) ** tau
    for row in rows:
        parts = row.yield_received + row.amortisation + row.market_move + row.financing
        assert parts == pytest.approx(row.total, abs=1e-9 * scale)
    change = rows[-1].value - (balance + yt * yt_price(implied, tau))
    assert math.fsum(row.total for row in rows) == pytest.approx(change, abs=1e-9 * scale)


@pytest.mark.parametrize("bad", [{"period_days": 0.0}, {"tau": 0.0}, {"settled_apy": -1.0}, {"yt": math.nan}])
def test_what_cannot_be_is_refused(bad):
    """A period, a life, a yield or a balance that makes no sense names itself."""
    with pytest.raises(DomainError):
        path(**bad)
