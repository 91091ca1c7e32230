"""A forecast as plain values, as stored rows, and as the report a person reads on a terminal."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from yieldtrade.conventions import iso
from yieldtrade.forecast.periods import DAYS, day_of
from yieldtrade.report.forecast_record import (
    DRIVERS,
    NOWCAST,
    driver_records,
    goal_lines,
    nowcast_records,
    score_records,
)
from yieldtrade.report.output import Column, console, human, present, write_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from yieldtrade.forecast.evaluate import TrackRecord
    from yieldtrade.forecast.result import Distribution, ForecastReport, PeriodForecast, YieldForecast
    from yieldtrade.forecast.table import Regression
    from yieldtrade.market import Contract, YieldQuote

SPARKS = "▁▂▃▄▅▆▇█"
SHOWN_PAST = 40
RECORD_METRICS = (
    "skill_crps_vs_persistence",
    "skill_crps_apy_vs_persistence",
    "skill_crps_vs_mean_4",
    "mae_log",
    "coverage_50",
    "coverage_80",
    "coverage_95",
    "raw_coverage_80",
)
SCORE_COLUMNS = ("target", "model", "horizon", "days_observed", "metric", "value", "origins")
RECORD_CAVEAT = (
    "Skill is 1 - CRPS/CRPS of persistence, on log APY, on APY itself, and against the mean of four weeks. Settings of "
    "the model were chosen with this same record in view: expect less. On the last part of the bundled record alone "
    "the skill is below zero at six and at eight weeks (docs/forecast.md)."
)
# The regimes are quantiles of the trailing year: at a quiet year's end "bear" may lie above today.
REGIMES = {
    "bear": "bear: 10th percentile of a year",
    "base": "base: now",
    "bull": "bull: 90th percentile",
    "given": "yours",
}

PERIODS = (
    Column("start", "period from", "moment"),
    Column("end", "to", "moment"),
    Column("days_observed", "days seen", "integer"),
    Column("apy_p10", "10 %", "percent"),
    Column("apy_p50", "median", "percent"),
    Column("apy_p90", "90 %", "percent"),
    Column("apy_mean", "mean", "percent"),
    Column("model", "centred on", spare=3),
    Column("apy_structural", "from its fees", "percent", spare=2),
    Column("apy_card", "card", "percent", spare=2),
    Column("volume_usd_p50", "volume", "usd"),
    Column("oc_fees_usd_p50", "oc fees", "usd", spare=1),
    Column("tvl_usd_p50", "TVL", "usd"),
)
SCENARIOS = (
    Column("tvl_usd", "TVL", "usd"),
    Column("tvl_change", "change", "percent"),
    Column("cap_usd", "your cap", "usd", spare=1),
    Column("regime", "volume"),
    Column("volume_usd", "USD a day", "usd"),
    Column("median_apy", "median APY", "percent"),
    Column("low_apy", "10 %", "percent"),
    Column("high_apy", "90 %", "percent"),
)
BREAK_EVENS = (
    Column("apy", "for an APY of", "percent"),
    Column("tvl_usd", "at a TVL of", "usd"),
    Column("volume_usd", "volume a day must be", "usd"),
)
CONTRACTS = (
    Column("contract", "contract"),
    Column("days_to_maturity", "days left", "days"),
    Column("implied_apy", "implied", "percent"),
    Column("forecast_apy_mean", "forecast mean", "percent"),
    Column("forecast_apy_p10", "10 %", "percent"),
    Column("forecast_apy_p90", "90 %", "percent"),
    Column("p_yt_gains", "P(YT gains)", "percent"),
    Column("verdict", "YT is"),
    Column("quote_kind", "quote"),
)
RECORD = (
    Column("horizon", "weeks ahead", "integer"),
    Column("origins", "forecasts", "integer", spare=1),
    Column("skill_crps_vs_persistence", "skill, log", "percent"),
    Column("skill_crps_apy_vs_persistence", "skill, APY", "percent"),
    Column("skill_crps_vs_mean_4", "vs 4 weeks", "percent"),
    Column("mae_log", "log error", "number", spare=2),
    Column("mae_log_persistence", "persistence", "number", spare=3),
    Column("coverage_50", "in 50 %", "percent", spare=5),
    Column("coverage_80", "in 80 %", "percent"),
    Column("coverage_95", "in 95 %", "percent", spare=4),
    Column("raw_coverage_80", "raw 80 %", "percent", spare=6),
)
COEFFICIENTS = (
    Column("model", "line"),
    Column("name", "coefficient"),
    Column("estimate", "estimate", "number"),
    Column("std_error", "std error", "number"),
    Column("r_squared", "R2", "number"),
    Column("rows", "rows", "integer"),
)


class ContractOutlook(NamedTuple):
    """A contract beside the forecast of the mean APY to its maturity."""

    contract: Contract
    quote: YieldQuote | None
    forecast: YieldForecast
    days_to_maturity: float

    def to_record(self) -> dict[str, Any]:
        """Return plain values; the probability that YT bought at the implied yield gains over holding ST.

        A figure nobody dated may be later than the forecast: it is shown, but nothing is concluded from it.
        """
        import numpy as np

        samples = self.forecast.samples
        implied = None if self.quote is None else self.quote.implied_apy
        gains = verdict = None
        if self.quote is not None and self.quote.kind != "undated":
            gains = float((samples > self.quote.implied_apy).mean())
            verdict = "cheap" if self.forecast.mean_apy > self.quote.implied_apy else "dear"
        return {
            "contract": self.contract.contract_id,
            "maturity": iso(self.contract.maturity),
            "days_to_maturity": self.days_to_maturity,
            "implied_apy": implied,
            "quote_kind": None if self.quote is None else self.quote.kind,
            "forecast_apy_mean": self.forecast.mean_apy,
            "forecast_apy_sd": self.forecast.sd_apy,
            "forecast_apy_p10": float(np.quantile(samples, 0.1)),
            "forecast_apy_p50": float(np.quantile(samples, 0.5)),
            "forecast_apy_p90": float(np.quantile(samples, 0.9)),
            "known_fraction": self.forecast.known_fraction,
            "p_yt_gains": gains,
            "verdict": verdict,
        }


def to_record(report: ForecastReport, outlooks: Sequence[ContractOutlook]) -> dict[str, Any]:
    """Return a forecast as plain values, keys with their units."""
    return {
        "pool": report.pool_id,
        "as_of": iso(report.as_of),
        "data_age_days": dict(report.data_age_days),
        "data_through": {name: str(day) for name, day in report.data_through.items()},
        "definition": report.definition,
        "fee_series": report.fee_series,
        "model": report.model,
        "calibrated": report.calibrated,
        "periods": [period_record(period) for period in report.periods],
        "past_apy": {iso(start): apy for start, apy in past_apys(report)},
        "contracts": [outlook.to_record() for outlook in outlooks],
        "scenarios": scenario_records(report),
        "break_even_volumes": break_even_records(report),
        "coefficients": list(coefficient_records(report)),
        "fees": _fee_record(report),
        "track_record": record_rows(report),
        "track_record_caveat": RECORD_CAVEAT,
        "scores": score_records(report),
        "nowcast_record": nowcast_records(report),
        "driver_record": list(driver_records(report)),
        "goals": goal_lines(report),
        "notes": list(report.notes),
        "model_version": report.model_version,
        "seed": report.seed,
        "paths": report.paths,
        "inputs_sha256": report.input_hash,
    }


def period_record(period: PeriodForecast) -> dict[str, Any]:
    """Return one interest period as plain values."""
    record: dict[str, Any] = {
        "start": iso(period.start),
        "end": iso(period.end),
        "publication": iso(period.publication),
        "days_observed": period.days_observed,
        "apy_so_far": period.apy_so_far,
        "model": period.model,
        **{f"apy_{name}": value for name, value in period.apy_by_model.items()},
    }
    for name, found in (
        ("apy", period.apy),
        ("volume_usd", period.volume_usd),
        ("oc_fees_usd", period.fees_usd),
        ("tvl_usd", period.tvl_usd),
    ):
        record.update(_quantiles(name, found))
    return record


def _quantiles(name: str, found: Distribution) -> dict[str, float]:
    return {
        **{f"{name}_p{round(100 * level):02}": value for level, value in found.quantiles.items()},
        f"{name}_mean": found.mean,
    }


def past_apys(report: ForecastReport) -> list[tuple[datetime, float]]:
    """Return the start and the APY of the periods over whose yield is known, in order.

    A simulation may start from a period whose yield is known: there all its paths are one.
    """
    worlds = report.worlds
    over = worlds.calendar.number(day_of(report.running.start)) - worlds.first
    known = dict(worlds.past)
    for place, growth in enumerate(worlds.log_growth[:over]):
        if worlds.known[place] == 1.0 and (growth == growth[0]).all():
            known[worlds.first + place] = float(growth[0])
    return [(worlds.calendar.start(number), math.expm1(known[number])) for number in sorted(known)]


def scenario_records(report: ForecastReport) -> list[dict[str, Any]]:
    """Return the scenario table as plain values."""
    names = ("tvl_usd", "tvl_change", "regime", "volume_usd", "median_apy", "low_apy", "high_apy", "cap_usd")
    return [{name: getattr(cell, name) for name in names} for cell in report.scenarios]


def scenario_rows(report: ForecastReport) -> list[dict[str, Any]]:
    """Return the scenario table with its regimes in words."""
    return [
        {**cell, "regime": REGIMES.get(cell["regime"], cell["regime"])} for cell in scenario_records(report)
    ]


def break_even_records(report: ForecastReport) -> list[dict[str, Any]]:
    """Return the volumes that keep an APY, as plain values."""
    return [
        {"apy": found.apy, "tvl_usd": found.tvl_usd, "volume_usd": found.volume_usd}
        for found in report.break_evens
    ]


def coefficient_records(report: ForecastReport) -> Iterator[dict[str, Any]]:
    """Yield every coefficient of every fitted line with its standard error."""
    for fit in _fits(report):
        for coefficient in fit.coefficients:
            yield {
                "model": fit.equation,
                "errors": fit.errors,
                "name": coefficient.name,
                "estimate": coefficient.estimate,
                "std_error": coefficient.std_error,
                "r_squared": fit.r_squared,
                "rows": fit.rows,
            }


def _fits(report: ForecastReport) -> Iterator[Regression]:
    fees = report.fee_model
    yield fees.log_fit
    if fees.huber_fit is not None:
        yield fees.huber_fit
    yield fees.linear_fit
    yield report.volume_model.fit
    if report.apy_model is not None:
        yield report.apy_model.fit


def _fee_record(report: ForecastReport) -> dict[str, Any]:
    fees = report.fee_model
    return {
        "slope": fees.slope,
        "elasticity_r_squared": fees.elasticity_r_squared,
        "durbin_watson": fees.durbin_watson,
        "implied_bps_median": fees.implied_bps_median,
        "implied_bps_p95": fees.implied_bps_p95,
        "median_volume_usd": fees.median_volume_usd,
        "p95_volume_usd": fees.p95_volume_usd,
        "base_bps": fees.base_bps,
        "breaks": [
            {"day": str(found.day), "what": found.what, "shift": found.shift, "std_error": found.std_error}
            for found in fees.breaks
        ],
    }


def record_rows(report: ForecastReport) -> list[dict[str, Any]]:
    """Return the track record, one row a horizon; 0 stands for the running period with the days now seen."""
    rows = []
    nowcast, seen = report.nowcast_record, report.running.days_observed
    if nowcast is not None and 0 < seen < len(nowcast.records):
        rows.append({**_record_row(nowcast.records[seen], 1), "horizon": 0})
    if report.track_record is not None:
        rows.extend(_record_row(report.track_record, horizon) for horizon in _horizons(report.track_record))
    return rows


def _horizons(record: TrackRecord) -> list[int]:
    return sorted({score.horizon for score in record.scores})


def _record_row(record: TrackRecord, horizon: int) -> dict[str, Any]:
    origins = next(
        (
            s.origins
            for s in record.scores
            if (s.metric, s.horizon, s.model) == ("mae_log", horizon, "selected")
        ),
        0,
    )
    return {
        "horizon": horizon,
        "origins": origins,
        **{name: record.score(name, horizon) for name in RECORD_METRICS},
        "mae_log_persistence": record.score("mae_log", horizon, "persistence"),
    }


def score_rows(report: ForecastReport) -> list[tuple[Any, ...]]:
    """Return every score of the past weeks, and of running ones by days seen, as the store keeps it."""
    rows = [] if report.track_record is None else list(report.track_record.rows())
    if report.nowcast_record is not None:
        # with no day seen the running week is the first week ahead
        rows += [row for row in report.nowcast_record.rows() if row["days_observed"]]
    return [tuple(row[name] for name in SCORE_COLUMNS) for row in rows if math.isfinite(row["value"])]


def quantile_rows(report: ForecastReport) -> list[tuple[Any, ...]]:
    """Return every quantile as the store keeps it."""
    names = ("target", "period_start", "period_end", "quantile", "pool", "value", "model_version")
    return [tuple(row[name] for name in names) for row in report.rows()]


def sparkline(values: Sequence[float]) -> str:
    """Draw a series in one line of text."""
    low, high = min(values), max(values)
    if high == low:
        return SPARKS[0] * len(values)
    return "".join(SPARKS[round((value - low) / (high - low) * (len(SPARKS) - 1))] for value in values)


def write_report(report: ForecastReport, outlooks: Sequence[ContractOutlook], stream: TextIO) -> None:
    """Write the report for a person."""
    out = console(stream)
    for line in _headline(report):
        out.print(line, markup=False)
    periods = [period_record(period) for period in report.periods]
    write_table(periods, PERIODS, stream, title="APY by interest period, and medians of what is behind it")
    if outlooks:
        write_table(
            [outlook.to_record() for outlook in outlooks],
            CONTRACTS,
            stream,
            title="Contracts: implied yield against the mean APY to maturity",
        )
    _write_models(report, stream)
    if report.scenarios:
        scenarios = scenario_rows(report)
        write_table(
            scenarios,
            present(scenarios, SCENARIOS),
            stream,
            title="Scenarios: TVL by volume, 80 % interval of a week",
        )
        write_table(break_even_records(report), BREAK_EVENS, stream, title="What must be true")
    rows = record_rows(report)
    if rows:
        write_table(
            rows,
            RECORD,
            stream,
            title="Track record: weekly forecasts, each from what was known then, against persistence",
        )
        out.print(RECORD_CAVEAT, markup=False)
        for line in goal_lines(report, missed_only=True):
            out.print(line, markup=False)
        title = "Nowcast: the running week by days of it seen"
        write_table(nowcast_records(report), NOWCAST, stream, title=title)
        title = "Record of what is behind the yield: means of a day, from the simulation, not calibrated"
        write_table(list(driver_records(report)), DRIVERS, stream, title=title)
    out.print("Notes", style="bold")
    for line in report.notes:
        out.print(f"- {line}", markup=False)
    out.print(
        f"- model {report.model_version}, {report.paths} paths, seed {report.seed}, inputs {report.input_hash[:12]}",
        markup=False,
    )


def _headline(report: ForecastReport) -> Iterator[str]:
    running = report.running
    ages = ", ".join(
        f"{name} {age:.0f}" for name, age in sorted(report.data_age_days.items(), key=lambda item: item[1])
    )
    yield f"{report.pool_id}: APY forecast as of {iso(report.as_of)}"
    yield f"what is forecast: {report.definition}"
    yield f"fees: {report.fee_series}"
    yield f"age of the last figure in days: {ages}"
    yield f"periods: {calendar_text(report)}"
    so_far = "" if running.apy_so_far is None else f"; so far {human(running.apy_so_far, 'percent')}"
    left = DAYS - running.days_observed
    yield (
        f"running period {human(iso(running.start), 'moment')} to {human(iso(running.end), 'moment')}, "
        f"{running.days_observed} days seen, {left} to go{so_far}"
    )
    yield (
        f"expected settlement {human(running.apy.median, 'percent')} "
        f"(80 %: {human(running.apy.quantiles[0.1], 'percent')} to {human(running.apy.quantiles[0.9], 'percent')}), "
        f"published about {human(iso(running.publication), 'moment')} UTC"
    )
    known = past_apys(report)[-SHOWN_PAST:]
    past = [apy for _, apy in known]
    if past:
        yield (
            f"last {len(past)} periods {sparkline(past)} {human(min(past), 'percent')} to "
            f"{human(max(past), 'percent')}, last {human(past[-1], 'percent')} "
            f"from {human(iso(known[-1][0]), 'moment')}"
        )
    yield centre_text(report)


def centre_text(report: ForecastReport) -> str:
    """Say on which model each period is centred, and whether the spread is calibrated."""
    runs = [(model, len(list(same))) for model, same in groupby(period.model for period in report.periods)]
    calibrated = "calibrated by the track record" if report.calibrated else "not calibrated"
    parts = ", ".join(f"{count} on {model}" for model, count in runs)
    return (
        f"periods centred, in order: {parts}; spread {calibrated}. Volume, fees and TVL are medians of the simulation: "
        "they give the APY from its fees (structural), not that of another centre"
    )


WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def calendar_text(report: ForecastReport) -> str:
    """Say what an interest period is and when its figure is published."""
    calendar = report.worlds.calendar
    weekday = WEEKDAYS[calendar.weekday]
    return f"seven UTC days up to the publication, {weekday}s about {calendar.hour_utc:g}:00 UTC"


def fee_rate_text(report: ForecastReport) -> str:
    """Say what the fitted line takes of volume, beside the schedule."""
    fees = report.fee_model
    base = "unknown" if fees.base_bps is None else f"{fees.base_bps:g} bps"
    return (
        f"fees take {fees.implied_bps_median:.1f} bps of volume at its median "
        f"({human(fees.median_volume_usd, 'usd')} USD a day), {fees.implied_bps_p95:.1f} bps at its 95th percentile; "
        f"the schedule's base is {base} before price impact; Durbin-Watson {fees.durbin_watson:.2f}"
    )


def _write_models(report: ForecastReport, stream: TextIO) -> None:
    write_table(list(coefficient_records(report)), COEFFICIENTS, stream, title="Fitted lines, robust errors")
    console(stream).print(fee_rate_text(report), markup=False)
