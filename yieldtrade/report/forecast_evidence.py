"""The sections of a forecast's page that say what it rests on: fees, fits, data, equations."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from yieldtrade import __version__
from yieldtrade.forecast.data import CLOSE, GROSS, MEASURED, POSITION, TVL, VOLUME
from yieldtrade.report.forecast_charts import fee_chart, fee_layers, fit_chart, fit_rows
from yieldtrade.report.forecast_report import (
    COEFFICIENTS,
    calendar_text,
    centre_text,
    coefficient_records,
    fee_rate_text,
)
from yieldtrade.report.html import Block, Items, Pairs, Section, Text, table
from yieldtrade.report.output import Column, human

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yieldtrade.forecast.result import ForecastReport
    from yieldtrade.report.forecast_charts import FeeLayer
    from yieldtrade.report.forecast_sections import Matter

SWAPS = "swap_fees_usd"
SERIES_WORDS = {
    VOLUME: "volume of opened and closed positions, USD a day",
    TVL: "value locked at the start of the day, USD",
    GROSS: "fees of all kinds, USD a day",
    POSITION: "position and price-impact fees of opens and closes, USD a day",
    CLOSE: "the same fees of closes alone, USD a day",
    MEASURED: "fee yield of the trailing seven days as measured on chain, annualised",
    SWAPS: "swap fees, USD a day; shown, not modelled",
}
SERIES_WORDS = {
    VOLUME: "volume of opened and closed positions, USD a day",
    TVL: "value locked at the start of the day, USD",
    GROSS: "fees of all kinds, USD a day",
    POSITION: "position and price-impact fees of opens and closes, USD a day",
    CLOSE: "the same fees of closes alone, USD a day",
    MEASURED: "fee yield of the trailing seven days as measured on chain, annualised",
    SWAPS: "swap fees, USD a day; shown, not modelled",
}

_LAYERS = (
    Column("name", "kind"),
    Column("definition", "definition"),
    Column("from", "from", "moment"),
    Column("to", "to", "moment"),
    Column("days", "days", "integer"),
    Column("mean_usd", "mean, USD a day", "usd"),
)
_BREAKS = (
    Column("day", "from", "moment"),
    Column("what", "what changed"),
    Column("shift", "shift of log(fees/V)", "number"),
    Column("std_error", "std error", "number"),
)
_SERIES = (
    Column("series", "series"),
    Column("definition", "definition"),
    Column("from", "from", "moment"),
    Column("to", "to", "moment"),
    Column("days", "days", "integer"),
    Column("quality", "quality, days"),
    Column("age", "age, days", "days"),
)


def fees_section(matter: Matter) -> Section:
    """Show the kinds of fees over time."""
    swaps = matter.view.pool_series(matter.report.pool_id, SWAPS)
    first, layers = fee_layers(matter.history, matter.target, swaps)
    source = matter.stored(POSITION, CLOSE, GROSS)
    if len(swaps):
        source += f", {SWAPS} to {swaps.days[-1]}"
    origin = matter.origin(source)
    return Section(
        key="fees",
        title="Fees over time",
        blocks=(
            fee_chart(matter.report, matter.target.calendar, first, layers, origin),
            table(
                [_layer_record(layer) for layer in layers],
                _LAYERS,
                caption="What the chart stacks, with its definitions",
                origin=origin,
            ),
            Text(
                text="Days without any figure are left out of the means, never counted as zero. Borrow, liquidation, "
                "mint and redeem fees have no daily series of their own here: where only opens and closes are known "
                "they show in the ratio of the measured to the computed yield (see the data notes)."
            ),
        ),
    )


def _layer_record(layer: FeeLayer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "definition": layer.definition,
        "from": str(layer.days[0]),
        "to": str(layer.days[-1]),
        "days": len(layer.days),
        "mean_usd": float(layer.usd.mean()),
    }


def fit_section(matter: Matter) -> Section:
    """Show the fit of fees on volume."""
    report, history = matter.report, matter.history
    origin = matter.origin(
        f"{matter.stored(VOLUME, POSITION, CLOSE, GROSS)}; schedule: dated parameter trade.base_bps"
    )
    fitted, out = fit_rows(history, matter.line)
    blocks: list[Block] = [
        fit_chart(report, history, matter.line, origin),
        Text(text=f"{fee_rate_text(report)[:1].upper()}{fee_rate_text(report)[1:]}."),
        Text(
            text=f"{fitted} days are in the fit; {out} days with a volume are not: their fees are not known, their "
            "date is uncertain, or their regime is too short."
        ),
    ]
    if report.fee_model.breaks:
        breaks = [
            {"day": str(found.day), "what": found.what, "shift": found.shift, "std_error": found.std_error}
            for found in report.fee_model.breaks
        ]
        caption = "Known changes of the fee schedule: shift of the fee rate, one at a time"
        blocks.append(table(breaks, _BREAKS, caption=caption, origin=origin))
    else:
        blocks.append(
            Text(text="No change of the fee schedule has 30 days in the fit on both sides: none was checked.")
        )
    return Section(key="fit", title="Fees on volume", blocks=tuple(blocks))


def coefficients_section(matter: Matter) -> Section:
    """Show every coefficient."""
    return Section(
        key="coefficients",
        title="Fitted lines",
        blocks=(
            table(
                list(coefficient_records(matter.report)),
                (*COEFFICIENTS, Column("errors", "errors")),
                caption="Every coefficient with its standard error",
                origin=matter.origin(matter.inputs),
            ),
        ),
    )


def data_section(matter: Matter) -> Section:
    """Show the series, their quality, and what was left out."""
    names = [*matter.report.data_through, SWAPS]
    records = [record for name in names if (record := _series_record(matter, name)) is not None]
    return Section(
        key="data",
        title="Data",
        blocks=(
            table(
                records,
                _SERIES,
                caption="Series, their definitions and their quality",
                origin=matter.origin("the database; `yieldtrade db export source` lists the files behind it"),
            ),
            Items(lines=matter.report.notes),
        ),
    )


def _series_record(matter: Matter, name: str) -> dict[str, Any] | None:
    series = matter.view.pool_series(matter.report.pool_id, name)
    if not len(series):
        return None
    words = Counter(word for word in series.quality if word)
    return {
        "series": name,
        "definition": SERIES_WORDS.get(name, name),
        "from": str(series.days[0]),
        "to": str(series.days[-1]),
        "days": len(series),
        "quality": ", ".join(f"{word} {count}" for word, count in sorted(words.items())) or None,
        "age": matter.report.data_age_days.get(name),
    }


def model_section(matter: Matter) -> Section:
    """Show the equations and what reproduces the numbers."""
    report = matter.report
    pairs = (
        ("model", report.model_version),
        ("centres and spread", centre_text(report)),
        ("paths", f"{report.paths:,}"),
        ("seed", str(report.seed)),
        ("inputs, sha256", report.input_hash),
        ("pool's share of fees", human(report.pool_share, "percent")),
        ("compounding", f"{report.worlds.calendar.compounding:g} times a year"),
        ("interest periods", calendar_text(report)),
        ("yieldtrade", __version__),
    )
    return Section(
        key="model",
        title="Model card",
        blocks=(
            Pairs(pairs=pairs, origin=matter.origin(matter.inputs)),
            Text(text="Same inputs and seed, same numbers to the last digit. The equations:"),
            Items(lines=tuple(_equations(report))),
        ),
    )


def _equations(report: ForecastReport) -> Iterator[str]:
    n = f"{report.worlds.calendar.compounding:g}"
    volume, tvl = report.volume_model, report.tvl_model
    yield f"APY = (1 + APR/{n})^{n} - 1, APR = 365/7 x share x fees of seven days / mean TVL"
    yield f"fees: {report.fee_model.log_fit.equation}; b = {report.fee_model.slope:.4f}"
    yield (
        f"volume: {volume.fit.equation}; used with w1 = {volume.weights[0]:.4f}, w7 = {volume.weights[1]:.4f}; drawn "
        f"to {human(volume.level_usd, 'usd')} USD a day, half of a shock is gone after {volume.half_life_days} days"
    )
    cap = "none known" if tvl.cap_usd is None else f"{human(tvl.cap_usd, 'usd')} USD"
    yield (
        f"TVL: log A_t = log A_(t-1) + drift x damping^t + e, A <= cap; drift = {tvl.drift:.6f} a day "
        f"(standard error {tvl.drift_se:.6f}), damping = {tvl.damping:.4f}, sd of e = {tvl.daily_sd:.4f}, "
        f"cap {cap}, {tvl.rows} days"
    )
    if report.apy_model is None:
        yield "APY regression: left out, too few weeks have yield, volume and TVL"
    else:
        level = f"level of the last four weeks {report.apy_model.level:.4f}"
        yield f"APY regression: {report.apy_model.fit.equation}; {level}"
    yield (
        "simulation: shocks of volume, fees and TVL drawn together in blocks of seven days; fees over TVL give the APR "
        "of each period, times the ratio of measured to computed yield where it is measured"
    )
