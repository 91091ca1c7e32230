"""How good past forecasts were, beyond the main table: goals, the nowcast by day, what is behind the yield."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from yieldtrade.forecast.baselines import BASELINES
from yieldtrade.forecast.goal import goals
from yieldtrade.report.output import Column

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yieldtrade.forecast.result import ForecastReport

SCORES = (
    Column("horizon", "weeks ahead", "integer"),
    Column("crps", "CRPS, log", "number"),
    Column("crps_apy", "CRPS, APY", "percent"),
    Column("pinball", "pinball", "number", spare=1),
    Column("mae_log", "mean error", "number"),
    Column("median_ae_log", "median error", "number", spare=2),
    *(Column(f"skill_crps_vs_{name}", f"vs {name}", "percent") for name in BASELINES),
    Column("pit", "PIT tenths", spare=3),
)
NOWCAST = (
    Column("days_observed", "days seen", "integer"),
    Column("mae_log", "log error", "number"),
    Column("width_80", "80 % width", "number"),
    Column("crps", "CRPS", "number"),
    Column("skill_crps_vs_persistence", "skill", "percent"),
    Column("coverage_80", "in 80 %", "percent"),
    Column("weeks", "weeks", "integer", spare=1),
)
DRIVERS = (
    Column("target", "forecast of"),
    Column("horizon", "weeks ahead", "integer"),
    Column("skill_crps_vs_persistence", "vs persistence", "percent"),
    Column("skill_crps_vs_mean_4", "vs 4 weeks", "percent"),
    Column("mae_log", "log error", "number"),
    Column("coverage_80", "in 80 %", "percent"),
    Column("origins", "forecasts", "integer", spare=1),
)
# Weeks ahead at which the record of volume, fees and TVL is shown; all are stored.
DRIVER_HORIZONS = (1, 4, 8)


def goal_lines(report: ForecastReport, *, missed_only: bool = False) -> list[str]:
    """Return how many goals are met, then a line a goal: measured, wanted, whether it was reached."""
    if report.track_record is None:
        return []
    found = goals(report.track_record, report.nowcast_record)
    met = sum(goal.met for goal in found)
    shown = [str(goal) for goal in found if not (missed_only and goal.met)]
    return [f"{met} of {len(found)} goals met (skill against persistence, coverage, nowcast by day)", *shown]


def score_records(report: ForecastReport) -> list[dict[str, Any]]:
    """Return every score of the chosen forecasts, a row a horizon; PIT as counts in tenths of [0, 1]."""
    record = report.track_record
    if record is None:
        return []
    names = [column.key for column in SCORES[1:-1]]
    return [
        {
            "horizon": horizon,
            **{name: record.score(name, horizon) for name in names},
            "pit": " ".join(map(str, record.pit_histogram(horizon))),
        }
        for horizon in range(1, record.outcome.shape[1] + 1)
    ]


def nowcast_records(report: ForecastReport) -> list[dict[str, Any]]:
    """Return how the running week was forecast, a row a number of days seen."""
    record = report.nowcast_record
    if record is None or not len(record.weeks):
        return []
    figures = {column.key: record.figure(column.key) for column in NOWCAST[1:-1]}
    return [
        {
            "days_observed": days,
            **{name: float(values[days]) for name, values in figures.items()},
            "weeks": len(record.weeks),
        }
        for days in range(len(record.records))
    ]


def driver_records(report: ForecastReport) -> Iterator[dict[str, Any]]:
    """Yield how the volume, fees and TVL behind the yield were forecast."""
    if report.track_record is None:
        return
    for name, record in report.track_record.drivers.items():
        for horizon in DRIVER_HORIZONS:
            if horizon <= record.outcome.shape[1]:
                figures = {column.key: record.score(column.key, horizon) for column in DRIVERS[2:-1]}
                scored = int((record.metrics["crps"][:, horizon - 1] >= 0).sum())
                yield {"target": name, "horizon": horizon, **figures, "origins": scored}
