"""Weekly returns taken apart: by hand on made-up weeks, and on the bundled reports."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from pool_facts import AT, view_of

from yieldtrade.errors import MissingDataError
from yieldtrade.pool.weekly import weekly_returns

END = date(2026, 2, 22)
DAYS = [(END - timedelta(days=back)).isoformat() for back in range(7)]
WEEK = {
    "week_jlp_return": {END.isoformat(): 0.02},
    "week_basket_return": {END.isoformat(): 0.03},
    "week_trader_realized_pnl_gross_usd": {END.isoformat(): 10.0},
    "week_trader_unrealized_pnl_change_usd": {END.isoformat(): 5.0},
    "tvl_usd": {DAYS[-1]: 1_000.0, DAYS[0]: 9_999.0},
    "gross_fees_usd": {**dict.fromkeys(reversed(DAYS), 1.0), "2026-02-23": 50.0},
}


def test_a_week_adds_up():
    """2 % = 3 % basket + 0.75*7/1000 fees - 15/1000 traders + rest; the pool is that of the week's first day."""
    (week,) = weekly_returns(view_of(series=WEEK), "X")
    assert week.week_end == END
    assert (week.pool_usd, week.fees_to_pool_usd, week.trader_pnl_usd) == (1_000, 5.25, 15)
    assert week.assets == 0.03
    assert week.fees == pytest.approx(0.00525)
    assert week.traders == pytest.approx(-0.015)
    assert week.residual == pytest.approx(0.02 - 0.03 - 0.00525 + 0.015)


@pytest.mark.parametrize("missing", ["tvl_usd", "gross_fees_usd", "week_trader_realized_pnl_gross_usd"])
def test_a_figure_that_is_missing_leaves_the_parts_unknown(missing):
    """Nothing is filled in: no fee of one day, no zero for an unknown profit."""
    series = {name: dict(days) for name, days in WEEK.items()}
    series[missing].pop(DAYS[-1] if missing != "week_trader_realized_pnl_gross_usd" else END.isoformat())
    (week,) = weekly_returns(view_of(series=series), "X")
    assert (week.fees, week.traders, week.residual) == (None, None, None)
    assert (week.jlp_return, week.assets) == (0.02, 0.03)


def test_no_report_says_what_to_load():
    """The columns are named by their table."""
    with pytest.raises(MissingDataError, match=r"no weekly report of X is known .* jlp_weekly_reports.csv"):
        weekly_returns(view_of(at=AT), "X")


def test_the_bundled_weeks_show_what_traders_took_and_gave(bundled):
    """Ten weeks of 2024; nine complete; in five quiet ones the parts explain the share within 0.2 points."""
    weeks = weekly_returns(bundled.view(datetime(2024, 12, 31, tzinfo=UTC)), "JLP")
    assert len(weeks) == 10
    whole = [week for week in weeks if week.residual is not None]
    assert len(whole) == 9
    assert sum(abs(week.residual) < 0.002 for week in whole) == 5
    for week in whole:
        assert week.assets + week.fees + week.traders + week.residual == pytest.approx(week.jlp_return)
        assert 0.003 < week.fees < 0.011
    # as of a moment only the reports known by then are there
    assert len(weekly_returns(bundled.view(datetime(2024, 9, 23, tzinfo=UTC)), "JLP")) == 5
