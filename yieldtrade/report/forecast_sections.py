"""The sections of a forecast's page that say what is expected, and how far to trust it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.conventions import iso
from yieldtrade.forecast.data import CLOSE, GROSS, MEASURED, POSITION, TVL
from yieldtrade.forecast.periods import DAYS
from yieldtrade.market import days_between
from yieldtrade.report.forecast_charts import fan_chart
from yieldtrade.report.forecast_record import (
    DRIVERS,
    NOWCAST,
    SCORES,
    driver_records,
    goal_lines,
    nowcast_records,
    score_records,
)
from yieldtrade.report.forecast_report import (
    BREAK_EVENS,
    CONTRACTS,
    RECORD,
    RECORD_CAVEAT,
    SCENARIOS,
    break_even_records,
    calendar_text,
    centre_text,
    past_apys,
    period_record,
    record_rows,
    scenario_rows,
)
from yieldtrade.report.html import Block, Items, Origin, Section, Text, Tile, Tiles, table
from yieldtrade.report.output import Column, human, present

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.forecast.fees import FeeLine
    from yieldtrade.forecast.result import ForecastReport
    from yieldtrade.forecast.target import Target
    from yieldtrade.market import MarketView
    from yieldtrade.report.forecast_report import ContractOutlook

_PERIODS = (
    Column("start", "period from", "moment"),
    Column("end", "to", "moment"),
    Column("days_observed", "days seen", "integer"),
    Column("apy_so_far", "so far", "percent"),
    *(Column(f"apy_p{level}", f"{int(level)} %", "percent") for level in ("05", "10", "25")),
    Column("apy_p50", "median", "percent"),
    *(Column(f"apy_p{level}", f"{level} %", "percent") for level in ("75", "90", "95")),
    Column("apy_mean", "mean", "percent"),
    Column("model", "centred on"),
    Column("apy_structural", "from its fees", "percent"),
    Column("apy_card", "card", "percent"),
    Column("volume_usd_p50", "volume, USD", "usd"),
    Column("oc_fees_usd_p50", "fees, USD", "usd"),
    Column("tvl_usd_p50", "TVL, USD", "usd"),
    Column("publication", "published about", "moment"),
)
_QUOTES = (Column("quote_at", "quote of", "moment"), Column("quote_source", "source of the quote"))
_LAYERS = (
    Column("name", "kind"),
    Column("definition", "definition"),
    Column("from", "from", "moment"),
    Column("to", "to", "moment"),
    Column("days", "days", "integer"),
    Column("mean_usd", "mean, USD a day", "usd"),
)


class Matter(NamedTuple):
    """What the page is made of."""

    report: ForecastReport
    outlooks: Sequence[ContractOutlook]
    view: MarketView
    history: PoolHistory
    target: Target
    line: FeeLine

    def origin(self, source: str) -> Origin:
        """Date a figure by the forecast's moment."""
        return Origin(self.report.as_of, source)

    def stored(self, *names: str) -> str:
        """Name stored series with their last days."""
        through = self.report.data_through
        known = [f"{name} to {through[name]}" for name in names if name in through]
        return f"stored series {', '.join(known)}"

    @property
    def simulation(self) -> str:
        """Name the simulation."""
        report = self.report
        return f"model {report.model_version}, {report.paths:,} paths, seed {report.seed}"

    @property
    def inputs(self) -> str:
        """Name every series the forecast rests on."""
        return self.stored(*self.report.data_through)


def headline_section(matter: Matter) -> Section:
    """Show the running period in a few figures."""
    report = matter.report
    return Section(
        key="headline",
        title="The running period",
        blocks=(
            Tiles(tiles=tuple(_tiles(report)), origin=matter.origin(f"{matter.simulation}; {matter.inputs}")),
            Text(
                text=f"Interest periods are {calendar_text(report)}. Fees: {report.fee_series}. By model, "
                f"{centre_text(report)}."
            ),
        ),
    )


def _tiles(report: ForecastReport) -> Iterator[Tile]:
    running = report.running
    start, end, published = (
        human(iso(moment), "moment") for moment in (running.start, running.end, running.publication)
    )
    low, middle, high = (human(running.apy.quantiles[level], "percent") for level in (0.1, 0.5, 0.9))
    left = max(0.0, days_between(report.as_of, running.end))
    ages = sorted(report.data_age_days.items(), key=lambda item: item[1])
    yield Tile(
        "APY so far", human(running.apy_so_far, "percent"), f"{running.days_observed} of {DAYS} days seen"
    )
    yield Tile("expected settlement", middle, f"80 %: {low} to {high}")
    yield Tile("days left", f"{left:.4g}", f"{start} to {end}, published about {published}")
    yield Tile("age of the newest figure, days", f"{ages[0][1]:.4g}", _ages(ages))
    known = past_apys(report)
    if known:
        begun, apy = known[-1]
        yield Tile("last known period", human(apy, "percent"), f"from {human(iso(begun), 'moment')}")


def _ages(ages: list[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {age:.4g}" for name, age in ages)


def apy_section(matter: Matter) -> Section:
    """Show the APY of the periods past and to come."""
    report = matter.report
    official = matter.view.official_yield(report.pool_id)
    source = f"{matter.simulation}; history: {matter.stored(MEASURED, POSITION, CLOSE, GROSS, TVL)}"
    blocks: list[Block] = []
    if official is None:
        blocks.append(
            Text(
                text=f"No figure published by {report.pool_id} itself is known at this moment, so none is shown."
            )
        )
    else:
        source += f"; published figure: {official.source}"
    return Section(
        key="apy",
        title="APY by interest period",
        blocks=(
            fan_chart(report, matter.history, official, matter.origin(source)),
            *blocks,
            table(
                [period_record(period) for period in report.periods],
                _PERIODS,
                caption="APY by interest period, and medians of what is behind it: sums of volume and fees, mean TVL",
                origin=matter.origin(matter.simulation),
            ),
        ),
    )


def contracts_section(matter: Matter) -> Section:
    """Set the implied yields of the contracts beside the forecast."""
    records = [_contract_record(outlook) for outlook in matter.outlooks]
    blocks: list[Block] = []
    if not records:
        blocks.append(Text(text=f"No contract on {matter.report.pool_id} is live at this moment."))
    else:
        blocks.append(
            table(
                records,
                present(records, (*CONTRACTS, *_QUOTES)),
                caption="Implied yield against the forecast mean APY to maturity",
                origin=matter.origin(f"{matter.simulation}; quotes as each row says"),
            )
        )
        blocks.append(
            Text(
                text="P(YT gains) is the part of the simulated worlds in which the mean settled APY to maturity lies "
                "above the implied yield, so that YT earns more than it costs; fees of a trade come on top. YT is "
                "cheap where the forecast mean is above the implied yield."
            )
        )
        blocks += _quote_gaps(records)
    return Section(key="contracts", title="Implied against forecast", blocks=tuple(blocks))


def _contract_record(outlook: ContractOutlook) -> dict[str, Any]:
    quote = outlook.quote
    dated = quote is not None and quote.kind != "undated"
    return {
        **outlook.to_record(),
        "quote_at": iso(quote.at) if quote is not None and dated else None,
        "quote_source": None if quote is None else quote.source,
    }


def _quote_gaps(records: list[dict[str, Any]]) -> Iterator[Text]:
    silent = [record["contract"] for record in records if record["implied_apy"] is None]
    if silent:
        yield Text(
            text=f"No implied yield is known at this moment of {', '.join(silent)}; state one with --implied."
        )
    undated = [record["contract"] for record in records if record["quote_kind"] == "undated"]
    if undated:
        yield Text(
            text=f"The figure of {', '.join(undated)} carries no date: it is shown, but nothing is concluded from it."
        )


def scenarios_section(matter: Matter) -> Section:
    """Show APY by TVL and volume, and the volume an APY takes."""
    report = matter.report
    if not report.scenarios:
        text = "Too few weeks have yield, volume and TVL for the regression behind this table: load a longer history."
        return Section(key="scenarios", title="Scenarios", blocks=(Text(text=text),))
    origin = matter.origin(f"regression of log(APR/share) in the table of fitted lines; {matter.inputs}")
    scenarios = scenario_rows(report)
    return Section(
        key="scenarios",
        title="Scenarios",
        blocks=(
            table(
                scenarios,
                present(scenarios, SCENARIOS),
                caption="TVL by volume: APY of a week with its 80 % interval",
                origin=origin,
            ),
            Text(
                text="The regimes are percentiles of the trailing year's weekly means, so in a quiet time the volume "
                "now may lie below the bear's."
            ),
            table(
                break_even_records(report),
                BREAK_EVENS,
                caption="What must be true: volume, USD a day, that keeps an APY at a TVL, USD",
                origin=origin,
            ),
        ),
    )


def record_section(matter: Matter) -> Section:
    """Show how good such forecasts were."""
    report = matter.report
    rows = record_rows(report)
    if not rows:
        text = "The forecast was asked without a track record, so nothing says here how good such forecasts were."
        return Section(key="record", title="Track record", blocks=(Text(text=text),))
    caption = "Weekly forecasts of the past, each from what was known then, against persistence"
    origin = matter.origin(f"replay of {matter.inputs}")
    blocks: tuple[Block, ...] = (
        table(rows, RECORD, caption=caption, origin=origin),
        Text(text=RECORD_CAVEAT),
        Text(
            text="0 weeks ahead is the running period with as many days seen as now. A negative skill says that the "
            "simple forecast was better."
        ),
        Items(lines=tuple(goal_lines(report))),
        table(
            score_records(report), SCORES, caption="Scores of the chosen forecasts, log APY", origin=origin
        ),
        table(nowcast_records(report), NOWCAST, caption="The running week by days of it seen", origin=origin),
        table(
            list(driver_records(report)),
            DRIVERS,
            caption="What is behind the yield: means of a day, as simulated, not calibrated",
            origin=origin,
        ),
    )
    return Section(key="record", title="Track record", blocks=blocks)
