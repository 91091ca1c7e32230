"""The charts of a forecast: APY with its fan, fees by kind, fees on volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from yieldtrade.forecast.data import CLOSE, GROSS, MEASURED, POSITION, VOLUME
from yieldtrade.forecast.periods import DAYS, day_of
from yieldtrade.forecast.target import oc_fees
from yieldtrade.report.forecast_report import past_apys
from yieldtrade.report.html import BLUE, FAINT, GREEN, GREY, INK, ORANGE, PURPLE, chart
from yieldtrade.report.output import human

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from numpy.typing import NDArray

    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.forecast.fees import FeeLine
    from yieldtrade.forecast.periods import Calendar
    from yieldtrade.forecast.result import ForecastReport
    from yieldtrade.forecast.target import Target
    from yieldtrade.market import OfficialYield
    from yieldtrade.report.html import Chart, Origin
    from yieldtrade.series import DailySeries

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
# Past periods shown before the fan, on a wide screen and on a phone.
SHOWN_PAST, SHOWN_PAST_NARROW = 40, 16
_BPS = 1e4
_FONT = 9


class Fan(NamedTuple):
    """Weekly figures by period, from the first shown to the last forecast; fractions.

    ``official``, ``measured`` and ``computed`` are the known figures by how they came about, ``quantiles`` those of
    the periods whose figure is not known, by level; NaN elsewhere.
    """

    calendar: Calendar
    first: int
    official: NDArray[np.float64]
    measured: NDArray[np.float64]
    computed: NDArray[np.float64]
    quantiles: NDArray[np.float64]


class FeeLayer(NamedTuple):
    """One kind of fees: its definition, and its mean by period in USD a day, NaN where it is not known.

    ``days`` are those that go into it, with their figures.
    """

    name: str
    definition: str
    colour: str
    days: NDArray[np.datetime64]
    usd: NDArray[np.float64]
    by_period: NDArray[np.float64]


def apy_fan(report: ForecastReport) -> Fan:
    """Gather what is known and what is forecast of the weekly APY."""
    worlds, calendar = report.worlds, report.worlds.calendar
    past = {calendar.number(day_of(start)): apy for start, apy in past_apys(report)}
    last = calendar.number(day_of(report.periods[-1].start))
    first = min([*past, worlds.first])
    known = {basis: np.full(last - first + 1, np.nan) for basis in ("official", "measured", "computed")}
    quantiles = np.full((len(LEVELS), last - first + 1), np.nan)
    for number in range(first, last + 1):
        if number in past:
            known[worlds.basis.get(number, "computed")][number - first] = past[number]
        elif number >= worlds.first:
            growth = worlds.log_growth[number - worlds.first]
            quantiles[:, number - first] = np.expm1(np.quantile(growth, LEVELS))
    return Fan(calendar, first, known["official"], known["measured"], known["computed"], quantiles)


def fan_chart(
    report: ForecastReport, history: PoolHistory, official: OfficialYield | None, origin: Origin
) -> Chart:
    """Draw the weekly APY, known and forecast."""
    fan = apy_fan(report)

    def draw(figure: Any, narrow: bool) -> None:  # noqa: FBT001
        axes = figure.subplots()
        _draw_known(axes, fan, history)
        _draw_fan(axes, fan)
        running = report.running
        if running.apy_so_far is not None:
            seen = running.start + (running.end - running.start) * running.days_observed / (2 * DAYS)
            axes.plot(
                seen, running.apy_so_far, "D", color=ORANGE, ms=5, label="running period so far", ls="none"
            )
        if official is not None:
            axes.plot(official.at, official.apy, "s", color=PURPLE, ms=5, label="published by the pool")
        axes.axvline(report.as_of, color=FAINT, lw=1, ls=":", label="as of")
        shown = SHOWN_PAST_NARROW if narrow else SHOWN_PAST
        begun = max(fan.first, fan.calendar.number(day_of(report.running.start)) - shown)
        _finish_fan(axes, fan, begun, report.periods[-1].end)
        _legend(figure, narrow)

    return chart(
        draw,
        name="apy",
        title=f"APY of {report.pool_id} by interest period, % a year",
        description=_fan_words(report, official),
        origin=origin,
    )


def _draw_known(axes: Any, fan: Fan, history: PoolHistory) -> None:
    edges = _edges(fan.calendar, fan.first, len(fan.measured))
    measured = history.values[MEASURED]
    if np.isfinite(measured).any():
        # a trailing figure is known when its day is over
        axes.plot(history.days + 1, measured, color=GREEN, lw=1, label="measured on chain, trailing 7 days")
    if np.isfinite(fan.official).any():
        axes.stairs(fan.official, edges, baseline=None, color=PURPLE, lw=1.8, label="period, published")
    if np.isfinite(fan.measured).any():
        axes.stairs(fan.measured, edges, baseline=None, color=INK, lw=1.8, label="period, measured")
    if np.isfinite(fan.computed).any():
        axes.stairs(fan.computed, edges, baseline=None, color=GREY, lw=1.8, label="period, computed")


def _draw_fan(axes: Any, fan: Fan) -> None:
    edges = _edges(fan.calendar, fan.first, fan.quantiles.shape[1])
    p10, p25, p50, p75, p90 = fan.quantiles
    axes.stairs(p90, edges, baseline=p10, fill=True, color=BLUE, alpha=0.22, label="forecast, 10 to 90 %")
    axes.stairs(p75, edges, baseline=p25, fill=True, color=BLUE, alpha=0.38, label="forecast, 25 to 75 %")
    axes.stairs(p50, edges, baseline=None, color=BLUE, lw=2.2, label="forecast, median")


def _finish_fan(axes: Any, fan: Fan, begun: int, end: datetime) -> None:
    left = fan.calendar.start(begun)
    margin = 0.01 * (end - left)
    axes.set_xlim(left - margin, end + margin)
    shown = np.concatenate([fan.official, fan.measured, fan.computed, fan.quantiles[-1]])
    place = np.tile(np.arange(fan.first, fan.first + len(fan.measured)), 4)
    shown = shown[np.isfinite(shown) & (place >= begun)]
    axes.set_ylim(0, 1.12 * float(shown.max()))
    axes.set_ylabel("APY, % a year")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")


def _fan_words(report: ForecastReport, official: OfficialYield | None) -> str:
    known = past_apys(report)[-SHOWN_PAST:]
    words = []
    if known:
        past = [apy for _, apy in known]
        words.append(
            f"The last {len(past)} known periods lie between {human(min(past), 'percent')} and "
            f"{human(max(past), 'percent')}; the last one, from {known[-1][0]:%Y-%m-%d}, "
            f"{human(past[-1], 'percent')}."
        )
    for period in report.periods:
        low, middle, high = (human(period.apy.quantiles[level], "percent") for level in (0.1, 0.5, 0.9))
        words.append(f"Period from {period.start:%Y-%m-%d}: median {middle}, 80 % interval {low} to {high}.")
    if official is not None:
        words.append(f"The pool published {human(official.apy, 'percent')}, seen {official.at:%Y-%m-%d}.")
    return " ".join(words)


def fee_layers(history: PoolHistory, target: Target, swaps: DailySeries) -> tuple[int, list[FeeLayer]]:
    """Return the number of the first period, and the kinds of fees that are known.

    Every day counts once: where its fees are split by kind the split is taken, else the sum of all kinds.
    """
    fees = oc_fees(history, target.close_multiple.value)
    counted = np.isfinite(fees) | np.isfinite(history.values[GROSS])
    numbers = target.calendar.numbers(history.days)
    kinds = [kind for kind in _kinds(history, target, swaps, fees) if np.isfinite(kind.daily).any()]
    return int(numbers[0]), [_layer(history.days, numbers, kind, counted) for kind in kinds]


class _Kind(NamedTuple):
    """One kind of fees by day; ``apart`` where other series than the model's say on which days it is known."""

    name: str
    definition: str
    colour: str
    daily: NDArray[np.float64]
    apart: bool = False


def _kinds(
    history: PoolHistory, target: Target, swaps: DailySeries, fees: NDArray[np.float64]
) -> Iterator[_Kind]:
    """Yield each kind of fees in the order of the stack; ``fees`` are those of opens and closes."""
    close, position, gross = (history.values[name] for name in (CLOSE, POSITION, GROSS))
    split = np.isfinite(close)
    recorded = split & np.isfinite(position)
    multiple = target.close_multiple
    yield _Kind("closes", "fees of closed positions, recorded", BLUE, close)
    text = "fees of opens and closes less closes, recorded"
    yield _Kind("opens", text, ORANGE, _where(recorded, fees - close))
    text = f"closes times {multiple.value - 1:.3f} ({multiple.source})"
    yield _Kind("opens, estimated", text, GREY, _where(split & ~recorded, fees - close))
    text = "fees of opens and closes, recorded without a split"
    yield _Kind("opens and closes", text, FAINT, _where(~split, position))
    text = "swap fees, recorded; shown, not modelled"
    yield _Kind("swaps", text, GREEN, _on_days(history.days, swaps), apart=True)
    text = "gross fees of all kinds, where opens and closes are not known apart"
    yield _Kind("all kinds", text, PURPLE, _where(~np.isfinite(fees), gross))


def _on_days(days: NDArray[np.datetime64], series: DailySeries) -> NDArray[np.float64]:
    """Place a series on a calendar, NaN where it says nothing."""
    placed = np.full(len(days), np.nan)
    inside = np.isin(series.days, days)
    placed[np.searchsorted(days, series.days[inside])] = series.values[inside]
    return placed


def _where(mask: NDArray[np.bool_], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mask, values, np.nan)


def _layer(
    days: NDArray[np.datetime64], numbers: NDArray[np.int64], kind: _Kind, counted: NDArray[np.bool_]
) -> FeeLayer:
    """Average a kind over each period: over the days whose fees are known, of whatever kind, or over its own."""
    known = np.isfinite(kind.daily)
    place = numbers - numbers[0]
    total = np.bincount(place, weights=np.where(known, kind.daily, 0.0))
    count = np.bincount(place, weights=known if kind.apart else counted)
    some = np.bincount(place, weights=known) > 0
    mean = np.where(some, total / np.maximum(count, 1), np.nan)
    return FeeLayer(kind.name, kind.definition, kind.colour, days[known], kind.daily[known], mean)


def fee_chart(
    report: ForecastReport, calendar: Calendar, first: int, layers: list[FeeLayer], origin: Origin
) -> Chart:
    """Draw the kinds of fees on top of one another, by period."""
    edges = _edges(calendar, first, len(layers[0].by_period))

    def draw(figure: Any, narrow: bool) -> None:  # noqa: FBT001
        axes = figure.subplots()
        base = np.zeros(len(edges) - 1)
        for layer in layers:
            top = base + np.nan_to_num(layer.by_period)
            drawn = np.where(np.isfinite(layer.by_period), top, np.nan)
            axes.stairs(
                drawn, edges, baseline=base, fill=True, color=layer.colour, alpha=0.85, label=layer.name
            )
            base = top
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0, 1.05 * float(base.max()))
        axes.set_ylabel("fees, USD a day")
        axes.yaxis.set_major_formatter(_dollars)
        _legend(figure, narrow)

    words = "; ".join(
        f"{layer.name}: {human(float(layer.usd.mean()), 'usd')} USD a day on average from {layer.days[0]} to "
        f"{layer.days[-1]}"
        for layer in layers
    )
    return chart(
        draw,
        name="fees",
        title=f"Fees of {report.pool_id} by kind, mean USD a day of each interest period",
        description=f"Stacked by period. {words}.",
        origin=origin,
    )


def fit_chart(report: ForecastReport, history: PoolHistory, line: FeeLine, origin: Origin) -> Chart:
    """Draw fees over volume against volume, both on logarithmic axes, with the fitted line and the schedule."""
    rows = np.flatnonzero(line.group >= 0)
    volume, bps = np.exp(line.x[rows]), _BPS * np.exp(line.y[rows])
    now = line.group[rows] == line.group[rows][-1]
    schedule = _schedule(history, rows, volume)

    def draw(figure: Any, narrow: bool) -> None:  # noqa: FBT001
        axes = figure.subplots()
        if not now.all():
            axes.plot(
                volume[~now], bps[~now], "o", color=GREY, ms=3, alpha=0.6, label="other regimes or series"
            )
        axes.plot(volume[now], bps[now], "o", color=BLUE, ms=3, alpha=0.7, label="days of the regime now")
        ends = np.array([volume[now].min(), volume[now].max()])
        fitted = _BPS * np.exp(line.intercept + line.slope * np.log(ends))
        axes.plot(ends, fitted, color=ORANGE, lw=2.2, label="fitted line, regime now")
        _draw_schedule(axes, schedule)
        _log_axes(axes, narrow)
        _legend(figure, narrow)

    fees = report.fee_model
    return chart(
        draw,
        name="fit",
        title=f"Fees of {report.pool_id} over volume, bps, against volume, USD a day",
        description=(
            f"{len(rows)} days on logarithmic axes. The line has a slope of {fees.slope:.3f}: "
            f"{fees.implied_bps_median:.1f} bps at {human(fees.median_volume_usd, 'usd')} USD a day, "
            f"{fees.implied_bps_p95:.1f} bps at {human(fees.p95_volume_usd, 'usd')}. The schedule's base fee: "
            f"{', '.join(step.text for step in schedule) or 'not published'}."
        ),
        origin=origin,
    )


class _Step(NamedTuple):
    """A base fee of the schedule over the volumes of the days it held."""

    bps: float
    low: float
    high: float
    text: str


def _draw_schedule(axes: Any, schedule: list[_Step]) -> None:
    for place, step in enumerate(schedule):
        label = "schedule's base fee" if place == 0 else None
        axes.plot([step.low, step.high], [step.bps] * 2, color=GREEN, lw=1.8, ls="--", label=label)
        end = (step.high, step.bps)
        axes.annotate(step.text, end, (4, 0), textcoords="offset points", fontsize=_FONT, va="center")


def _schedule(history: PoolHistory, rows: NDArray[np.int64], volume: NDArray[np.float64]) -> list[_Step]:
    """Return the dated base fees of the days in a fit; days before the first published one have none."""
    name = "trade.base_bps"
    sets = [
        (valid_from, float(terms[name].value)) for valid_from, terms in history.pool.changes if name in terms
    ]
    begun = [day_of(valid_from) for valid_from, _ in sets]
    over = [*begun[1:], history.days[-1] + 1]
    steps = []
    for (valid_from, bps), first, last in zip(sets, begun, over, strict=False):
        inside = volume[(history.days[rows] >= first) & (history.days[rows] < last)]
        if len(inside):
            text = f"{bps:g} bps from {valid_from:%Y-%m-%d}"
            steps.append(_Step(bps, float(inside.min()), float(inside.max()), text))
    return steps


def fit_rows(history: PoolHistory, line: FeeLine) -> tuple[int, int]:
    """Return how many days take part in the fit, and how many have a volume but take none."""
    fitted = int((line.group >= 0).sum())
    return fitted, int(np.isfinite(history.values[VOLUME]).sum()) - fitted


def _log_axes(axes: Any, narrow: bool) -> None:  # noqa: FBT001
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set(xscale="log", yscale="log", xlabel="volume, USD a day", ylabel="fees over volume, bps")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if narrow else (1.0, 2.0, 5.0)))
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(_dollars)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())


def _dollars(value: float, _: int) -> str:
    """Write a mark of an axis in USD, short."""
    for scale, suffix in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:g}{suffix}"
    return f"{value:g}"


def _legend(figure: Any, narrow: bool) -> None:  # noqa: FBT001
    figure.legend(loc="outside lower center", ncols=2 if narrow else 4, fontsize=_FONT)


def _edges(calendar: Calendar, first: int, count: int) -> NDArray[np.datetime64]:
    return np.array([calendar.first_day(first + place) for place in range(count + 1)])
