"""A forecast as a page of its own: the report of a pool's APY in one HTML file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldtrade import __version__
from yieldtrade.conventions import iso
from yieldtrade.errors import DomainError
from yieldtrade.forecast.data import pool_history
from yieldtrade.forecast.fees import fee_line
from yieldtrade.forecast.target import build_target
from yieldtrade.report.forecast_evidence import (
    coefficients_section,
    data_section,
    fees_section,
    fit_section,
    model_section,
)
from yieldtrade.report.forecast_sections import (
    Matter,
    apy_section,
    contracts_section,
    headline_section,
    record_section,
    scenarios_section,
)
from yieldtrade.report.html import Page, write_page
from yieldtrade.report.output import human

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yieldtrade.forecast.result import ForecastReport
    from yieldtrade.market import MarketView
    from yieldtrade.report.forecast_report import ContractOutlook

SECTIONS = (
    headline_section,
    apy_section,
    contracts_section,
    fees_section,
    fit_section,
    scenarios_section,
    record_section,
    coefficients_section,
    data_section,
    model_section,
)


def write_forecast_html(
    report: ForecastReport, outlooks: Sequence[ContractOutlook], path: str, *, view: MarketView
) -> int:
    """Write the page of a forecast to a file, whole or not at all, and return its size in bytes.

    Parameters
    ----------
    report, outlooks
        The forecast, and the contracts on the pool beside it.
    path
        File to write; an existing one is replaced.
    view
        The view the forecast was made from; the history shown is read from it.

    Raises
    ------
    DomainError
        The view is of another moment than the forecast.
    MissingDataError
        jinja2 or matplotlib is not installed.
    YieldtradeError
        The file cannot be written.
    """
    return write_page(forecast_page(report, outlooks, view), path)


def forecast_page(report: ForecastReport, outlooks: Sequence[ContractOutlook], view: MarketView) -> Page:
    """Lay a forecast out as a page; the same for the same forecast and view.

    Raises
    ------
    DomainError
        The view is of another moment than the forecast.
    MissingDataError
        matplotlib is not installed.
    """
    if view.as_of != report.as_of:
        raise DomainError(f"view.as_of = {iso(view.as_of)} is not the forecast's moment, {iso(report.as_of)}")
    history = pool_history(view, report.pool_id)
    target = build_target(history)
    matter = Matter(report, outlooks, view, history, target, fee_line(history, target))
    return Page(
        title=f"{report.pool_id}: APY forecast",
        subtitle=(
            f"As of {human(iso(report.as_of), 'moment')} UTC, from what was known then. Forecast is the "
            f"{report.definition}."
        ),
        sections=tuple(section(matter) for section in SECTIONS),
        footer=(
            f"yieldtrade {__version__}, model {report.model_version}. All times are UTC. A forecast is a "
            "distribution, not a promise; the track record says how far to trust it."
        ),
    )
