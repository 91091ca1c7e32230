"""What the debt of a levered row costs, before and after the own loan (strategies.md 2.1 and 3)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.conventions import apy_from_apr
from yieldtrade.errors import MarketDefinitionError, MissingDataError
from yieldtrade.lending.reserve import reserve_from_terms
from yieldtrade.strategies.inputs import BorrowForecast
from yieldtrade.strategies.row import InputLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from yieldtrade.lending.reserve import Reserve
    from yieldtrade.market import LendingRate, Venue
    from yieldtrade.strategies.desk import Desk
    from yieldtrade.strategies.worksheet import Worksheet


class LoanRate(NamedTuple):
    """What a debt costs now.

    ``line`` is the rate with its date and source, ``available`` what is left to borrow, USD; ``reserve`` and
    ``curve`` are the reserve and what states its curve, None where nobody has stated one.
    """

    line: InputLine
    available: float
    reserve: Reserve | None = None
    curve: InputLine | None = None


class Borrow(NamedTuple):
    """The borrow rate of a row before the own debt; ``rate`` is None where the user gave the forecast."""

    forecast: BorrowForecast
    rate: LoanRate | None
    lender: str


def stored_rate(desk: Desk, venue: Venue, rate: LendingRate, *, with_curve: bool = True) -> LoanRate:
    """Return a stored rate of the debt asset with the curve that the terms of a venue state for it.

    Parameters
    ----------
    desk
        The screen.
    venue
        The lender.
    rate
        What is stored of its market.
    with_curve
        Whether the stated curve is that of this market.
    """
    line = desk.line("borrow_apy", rate.borrow_apy, "APY", rate.at, rate.source)
    available, asset = rate.supply_usd - rate.borrow_usd, desk.settings.debt_asset
    reserve = reserve_from_terms(venue.terms, rate, asset) if with_curve else None
    if reserve is None:
        return LoanRate(line, available)
    name = f"borrow_curve.{asset}"
    curve = desk.parameter(venue.venue_id, venue.terms.parameters[name], venue.terms.text(name))
    return LoanRate(line, available, reserve, curve)


def read_borrow(sheet: Worksheet, venue: Venue, find: Callable[[], LoanRate]) -> Borrow | None:
    """Take the user's forecast, else the rate found with the spread that the venue's terms state.

    Parameters
    ----------
    sheet
        The row; a missing rate or spread rejects it.
    venue
        The lender.
    find
        Returns its rate.
    """
    settings = sheet.desk.settings
    if settings.borrow is not None:
        borrow = settings.borrow
        sheet.use(InputLine("borrow_apy", borrow.mean_apy, "APY", None, None, "given by the user"))
        sheet.use(InputLine("borrow_apy_sd", borrow.sd_apy, "APY", None, None, "given by the user"))
        sheet.put(borrow_apy_now=borrow.mean_apy, borrow_apy_post_trade=borrow.mean_apy)
        return Borrow(borrow, None, venue.venue_id)
    spread = sheet.venue_number(venue, "borrow_apy_sd")
    try:
        rate = find()
    except (MissingDataError, MarketDefinitionError) as error:
        sheet.missing(str(error))
        return None
    now = float(rate.line.value or 0.0)
    sheet.use_dated(rate.line, settings.max_rate_age_days)
    sheet.put(borrow_apy_now=now)
    if rate.reserve is None:
        sheet.flag("no_borrow_curve")
        sheet.put(borrow_apy_post_trade=now)
    if spread is None:
        return None
    return Borrow(BorrowForecast(mean_apy=now, sd_apy=spread), rate, venue.venue_id)


def after_own_debt(sheet: Worksheet, borrow: Borrow, debt: float) -> BorrowForecast | None:
    """Return the borrow rate once the own debt is taken, by the lender's curve (strategies.md 2.1).

    Without a curve, or at the user's own rate, it stays what it is; None where there is less to borrow.
    """
    rate = borrow.rate
    if rate is None or rate.reserve is None or rate.curve is None:
        return borrow.forecast
    reserve = rate.reserve
    sheet.use(rate.curve)
    sheet.lent_by(reserve)
    if debt > reserve.available:
        _too_much_debt(sheet, debt, reserve.available)
        return None
    after = float(reserve.borrow_apy_after(debt))
    marginal = apy_from_apr(float(reserve.marginal_borrow_rate(debt)), reserve.periods_per_year)
    source = f"curve of {borrow.lender} with the own debt, which others do not react to"
    sheet.use(InputLine("borrow_apy_post_trade", after, "APY", None, None, source))
    sheet.put(borrow_apy_post_trade=after, borrow_apy_marginal=float(marginal))
    sheet.figure(
        borrow_apy_of_curve_now=float(reserve.borrow_apy),
        borrow_headroom_to_kink_usd=float(reserve.headroom_to_next_kink()),
    )
    return replace(borrow.forecast, mean_apy=after)


def check_available(sheet: Worksheet, borrow: Borrow, debt: float) -> None:
    """Reject a debt that is not there to borrow; the user's own rate says nothing of it."""
    if borrow.rate is not None and debt > borrow.rate.available:
        _too_much_debt(sheet, debt, borrow.rate.available)


def _too_much_debt(sheet: Worksheet, debt: float, available: float) -> None:
    text = f"a debt of {debt:,.0f} USD is more than the {available:,.0f} USD left to borrow"
    sheet.reject("size_above_capacity", debt, available, text)
