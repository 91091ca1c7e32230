"""``forecast``: the APY a pool will pay, and how good such forecasts were."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from yieldtrade.cli.options import (
    NUMBER,
    Number,
    Share,
    age_days,
    given_yields,
    note,
    opened,
    output_options,
    set_option,
    stated,
    store_options,
    warn,
)
from yieldtrade.conventions import iso
from yieldtrade.errors import MissingDataError, StoreError
from yieldtrade.market import days_between

if TYPE_CHECKING:
    from datetime import datetime

    from yieldtrade.cli.options import Output
    from yieldtrade.forecast.result import ForecastReport
    from yieldtrade.market import MarketView
    from yieldtrade.report.forecast_report import ContractOutlook
    from yieldtrade.store import Store


# Data older than one interest period leave the running one without a day seen.
STALE_DAYS = 7.0
# Two years of weeks: a longer horizon is refused by the forecast itself.
MOST_PERIODS = 104
DOLLARS = Number(1.0, 1e15)


@click.command(
    epilog="Examples: yieldtrade forecast JLP; yieldtrade forecast JLP --html jlp.html; "
    "yieldtrade forecast JLP --as-of 2025-10-01 --json"
)
@click.argument("pool")
@click.option(
    "--horizon",
    "periods",
    type=click.IntRange(1, MOST_PERIODS),
    default=8,
    show_default=True,
    help="Periods (weeks) after the running one.",
)
@click.option("--cap", "cap_usd", type=DOLLARS, metavar="USD", help="AUM limit to assume.")
@click.option(
    "--volume", "volume_usd", type=DOLLARS, metavar="USD", help="Volume of every day to come to assume."
)
@click.option("--share", "pool_share", type=Share(), help="Share of fees that goes to the pool to assume.")
@click.option(
    "--fee-bps",
    type=Number(1e-3, 1e3),
    metavar="BPS",
    help="Fees over volume to assume.",
)
@click.option(
    "--implied", multiple=True, metavar="CONTRACT=RATE", help="State the implied yield of a contract."
)
@click.option("--paths", type=click.IntRange(min=100), help="Simulated paths.")
@click.option("--seed", type=int, help="Seed of the simulation.")
@click.option(
    "--track-record/--no-track-record",
    default=True,
    show_default=True,
    help="Also forecast and score the past.",
)
@click.option(
    "--html",
    "html_file",
    type=click.Path(),
    metavar="FILE",
    help="Also write the report with its charts as one HTML file.",
)
@click.option(
    "--max-age", type=NUMBER, metavar="DAYS", help="Refuse when the newest figure is older than this."
)
@click.option("--explain", is_flag=True, help="Print formulas, numbers, inputs and their sources.")
@set_option
@store_options
@output_options
def forecast(
    pool: str,
    *,
    implied: tuple[str, ...],
    html_file: str | None,
    max_age: float | None,
    explain: bool,
    settings: tuple[str, ...],
    db: str | None,
    as_of: datetime | None,
    output: Output,
    **options: Any,
) -> None:
    """Forecast the APY a pool will pay, with its track record.

    POOL is a name such as JLP. Its running interest period, the next ones, and the mean to each contract's
    maturity are forecast, each as a distribution.
    """
    from yieldtrade.forecast import forecast_apy

    asked = {name: value for name, value in options.items() if value is not None}
    with opened(db) as store:
        pool_id = store.view().pool(pool).pool_id if as_of is None else store.view(as_of).pool(pool).pool_id
        view = stated(store.view(as_of, need=pool_id), settings).with_yields(given_yields(implied))
        report = forecast_apy(view, pool_id, nowcast_by_day=asked.get("track_record", True), **asked)
        newest = min(report.data_age_days.values())
        past = 0.0 if as_of is not None else age_days(view.as_of, None)
        _check_age(report, newest + past, max_age)
        ago = "" if as_of is not None else f", {past:.0f} days ago"
        note(f"as of {iso(view.as_of)}{ago}; the newest figure was {newest:.0f} days old then")
        if newest > STALE_DAYS:
            warn(f"nothing is known of the last {newest:.0f} days: this is a forecast from old figures")
        outlooks = contract_outlooks(view, report)
        _store(store, view, report, {"pool": pool_id, **asked})
        try:
            if html_file is not None:
                _write_html(view, report, outlooks, html_file)
        finally:
            # a page that cannot be written does not cost the reader the forecast
            if explain:
                _explain(report, view)
            else:
                _write(report, outlooks, output)


def _check_age(report: ForecastReport, age: float, limit: float | None) -> None:
    if limit is not None and age > limit:
        raise MissingDataError(
            f"{report.pool_id}: the newest figure is {age:.1f} days old, more than --max-age {limit:g}; load newer "
            "ones with `yieldtrade load FILE`"
        )


def _explain(report: ForecastReport, view: MarketView) -> None:
    from yieldtrade.report.forecast_explain import explanation

    for line in explanation(report, view):
        click.echo(line)


def _write_html(
    view: MarketView, report: ForecastReport, outlooks: list[ContractOutlook], html_file: str
) -> None:
    from yieldtrade.report.forecast_html import write_forecast_html

    size = write_forecast_html(report, outlooks, html_file, view=view)
    note(f"wrote {html_file} ({size / 1_000:.0f} kB)")


def _write(report: ForecastReport, outlooks: list[ContractOutlook], output: Output) -> None:
    from yieldtrade.report.forecast_report import PERIODS, period_record, to_record, write_report

    if output.for_a_person:
        write_report(report, outlooks, sys.stdout)
    elif output.form in ("json", "jsonl") and output.columns is None:
        output.write([to_record(report, outlooks)], PERIODS, alone=True)
    else:
        output.write([period_record(period) for period in report.periods], PERIODS)


def contract_outlooks(view: MarketView, report: ForecastReport) -> list[ContractOutlook]:
    """Return the live contracts on the pool, each with its figure and the forecast to its maturity."""
    from yieldtrade.report.forecast_report import ContractOutlook

    contracts = [contract for contract in view.live_contracts() if contract.underlying == report.pool_id]
    quotes = view.quotes(tuple(contracts))
    return [
        ContractOutlook(
            contract=contract,
            quote=quotes.get(contract.contract_id),
            forecast=report.to_maturity(contract),
            days_to_maturity=days_between(view.as_of, contract.maturity),
        )
        for contract in sorted(contracts, key=lambda found: found.maturity)
    ]


def _store(store: Store, view: MarketView, report: ForecastReport, arguments: dict[str, Any]) -> None:
    from yieldtrade.report.forecast_report import SCORE_COLUMNS, quantile_rows, score_rows

    try:
        with store.recording("forecast", arguments, view, report.input_hash) as run:
            run.rows(
                "forecast",
                ("target", "period_start", "period_end", "quantile", "pool", "value", "model_version"),
                quantile_rows(report),
            )
            run.rows("forecast_score", SCORE_COLUMNS, score_rows(report))
    except StoreError as error:
        warn(f"the forecast was not recorded: {error}")
