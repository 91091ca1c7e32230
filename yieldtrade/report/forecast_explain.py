"""A forecast proved in lines: formulas, the same with numbers, inputs and their sources."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from yieldtrade.conventions import apr_from_apy, iso
from yieldtrade.report.forecast_report import centre_text, coefficient_records
from yieldtrade.report.output import human

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from yieldtrade.forecast.result import ForecastReport, PeriodForecast
    from yieldtrade.market import MarketView

CHAIN = (
    "log V_t        heterogeneous autoregression on means of 1, 7 and 28 days, shocks in blocks of 7 days",
    "log(f_t/V_t)   a + b log V_t + regime dummies + residual run forward",
    "log A_t        log A_(t-1) + drift x damping^t + shock, A <= AUM limit",
    "APR            365/7 x sum of share x f_t / mean of A_t x ratio of measured to computed yield",
    "APY            (1 + APR/n)^n - 1",
    "centre         structural: median of the simulation; combination: mean of log APR of structural and mean of "
    "4 weeks; card: level + b log V - c log min(A, cap) + log share",
    "paths          centre + scale x (path - median), scale from past errors; then what is assumed, path by path",
)


def explanation(report: ForecastReport, view: MarketView) -> Iterator[str]:
    """Yield the lines that prove a forecast."""
    yield f"{report.pool_id}: APY forecast as of {iso(report.as_of)}, {report.definition}"
    yield centre_text(report)
    yield from _section("formulas", CHAIN)
    for period in report.periods[:2]:
        yield from _section(f"period from {iso(period.start)} to {iso(period.end)}", _period(report, period))
    yield from _section(
        "coefficients",
        [
            f"{item['model']}: {item['name']} = {item['estimate']:.6g} +/- {item['std_error']:.2g}"
            for item in coefficient_records(report)
        ],
    )
    yield from _section("inputs", list(_inputs(report, view)))
    yield from _section("notes", report.notes)
    yield ""
    yield (
        f"model {report.model_version}, {report.paths} paths, seed {report.seed}, inputs sha256 {report.input_hash}"
    )


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {line}" for line in lines)


def _period(report: ForecastReport, period: PeriodForecast) -> list[str]:
    n, lines = report.worlds.calendar.compounding, []
    for name, apy in sorted(period.apy_by_model.items()):
        apr = apr_from_apy(apy, n)
        chosen = "   <- the centre" if name == period.model else ""
        lines.append(
            f"{name:<12} log APR {math.log(apr):.6f}: (1 + {apr!r}/{n:g})^{n:g} - 1 = {apy!r}{chosen}"
        )
    found = period.apy
    levels = ", ".join(
        f"{level:.0%} {human(value, 'percent')}" for level, value in sorted(found.quantiles.items())
    )
    lines.append(f"median of the paths {found.median!r}, mean {found.mean!r}; {levels}")
    lines.append(
        f"medians behind it: volume {human(period.volume_usd.median, 'usd')}, fees "
        f"{human(period.fees_usd.median, 'usd')}, TVL {human(period.tvl_usd.median, 'usd')} USD, "
        f"{period.days_observed} of 7 days observed, share {human(report.pool_share, 'percent')}"
    )
    return lines


def _inputs(report: ForecastReport, view: MarketView) -> Iterator[str]:
    for found in view.pool_sources(report.pool_id):
        if found.series in report.data_through:
            yield (
                f"{found.series}: {found.days} days from {found.first} to {found.last}, {found.source}; last known "
                f"{report.data_age_days[found.series]:.1f} days before the moment"
            )
