"""The record of past forecasts as a report shows it, beyond its main table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from yieldtrade.forecast import forecast_apy
from yieldtrade.report.forecast_record import driver_records, goal_lines, nowcast_records, score_records


@pytest.fixture
def report(bundled):
    """The forecast of mid 2025, with its record."""
    moment = datetime(2025, 6, 18, tzinfo=UTC)
    return forecast_apy(bundled.view(moment), paths=200, nowcast_by_day=True)


def test_the_record_is_told_in_rows(report):
    """A row a horizon, a day seen, and a driver; counts of the transforms add up to the forecasts scored."""
    scores, record = score_records(report), report.track_record
    assert [row["horizon"] for row in scores] == list(range(1, 9))
    for row in scores:
        assert row["crps"] == record.score("crps", row["horizon"])
        assert sum(map(int, row["pit"].split())) == record.pit_histogram(row["horizon"]).sum() > 0
    by_day = nowcast_records(report)
    assert [row["days_observed"] for row in by_day] == list(range(7))
    assert by_day[6]["crps"] < by_day[0]["crps"]
    found = {(row["target"], row["horizon"]): row for row in driver_records(report)}
    assert set(found) == {(name, h) for name in ("volume_usd", "fees_usd", "tvl_usd") for h in (1, 4, 8)}
    assert found["tvl_usd", 1]["mae_log"] < found["tvl_usd", 8]["mae_log"]


def test_goals_are_counted_and_missed_ones_named(report):
    """The first line counts; with missed ones only, as many lines follow as goals are not met."""
    every, missed = goal_lines(report), goal_lines(report, missed_only=True)
    met, of = (int(word) for word in every[0].split()[:3:2])
    assert len(every) == 1 + of
    assert len(missed) == 1 + of - met
    assert all(line.endswith("not met") for line in missed[1:])


def test_without_a_record_nothing_is_claimed(report):
    """A forecast asked without its past has no rows and no goals."""
    bare = replace(report, track_record=None, nowcast_record=None)
    assert (
        goal_lines(bare) == score_records(bare) == nowcast_records(bare) == list(driver_records(bare)) == []
    )
