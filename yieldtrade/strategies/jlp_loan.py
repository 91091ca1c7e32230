"""Terms and rates of the venues that lend against a pool's share (strategies.md 2.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.errors import MissingDataError
from yieldtrade.lending.leverage import check_ltv_limits
from yieldtrade.lending.margin_account import AccountWeights
from yieldtrade.lending.rate_models import jlp_loan_curve
from yieldtrade.lending.reserve import Reserve
from yieldtrade.pool.borrowing import HOURS_PER_YEAR
from yieldtrade.pool.loans import loan_capacity
from yieldtrade.strategies.loan_rate import LoanRate, stored_rate

if TYPE_CHECKING:
    from yieldtrade.market import Venue
    from yieldtrade.strategies.desk import Desk
    from yieldtrade.strategies.pool_inputs import PoolInputs
    from yieldtrade.strategies.worksheet import Worksheet

# Where the rates of a lender's JLP market are stored; the pool itself lends by its own curve.
MARKETS = {"kamino": "kamino_jlp", "drift": "drift"}


class Limits(NamedTuple):
    """Debt over collateral up to which one may borrow, and from which one is liquidated."""

    max_ltv: float
    liquidation_ltv: float


def read_limits(sheet: Worksheet, venue: Venue) -> Limits | None:
    """Read the loan terms of a venue; weighted accounts are asked for their weights."""
    share = sheet.subject.name
    if venue.venue_id == "drift":
        return _weights(sheet, venue, share)
    found = [sheet.venue_number(venue, f"{name}.{share}") for name in ("max_ltv", "liquidation_ltv")]
    if found[0] is None or found[1] is None:
        return None
    check_ltv_limits(found[0], found[1])
    return Limits(found[0], found[1])


def _weights(sheet: Worksheet, venue: Venue, share: str) -> Limits | None:
    """Read the limits of an account that owes the debt asset against the share."""
    debt = sheet.desk.settings.debt_asset
    sheet.note(f"the debt is counted as {debt}; debts in coins, which hedge the share, are not screened")
    names = (
        f"asset_weight_initial.{share}",
        f"liability_weight_initial.{debt}",
        f"asset_weight_maintenance.{share}",
        f"liability_weight_maintenance.{debt}",
    )
    values = [value for name in names if (value := sheet.venue_number(venue, name)) is not None]
    if len(values) < len(names):
        return None
    weights = AccountWeights(
        initial_asset=values[0],
        initial_liability=values[1],
        maintenance_asset=values[2],
        maintenance_liability=values[3],
    )
    return Limits(weights.max_ltv, weights.liquidation_ltv)


def read_flash_fee(sheet: Worksheet, venue: Venue) -> float:
    """Share of the debt charged on opening and on closing: the user's, else the venue's; a venue may have none."""
    given = sheet.desk.settings.costs.flash_fee
    if given is not None:
        return given
    return (sheet.venue_number(venue, "flash_fee") or 0.0) if "flash_fee" in venue.terms else 0.0


def loan_rate(desk: Desk, venue: Venue, inputs: PoolInputs) -> LoanRate:
    """Return what a lender charges for the debt asset.

    Raises
    ------
    MissingDataError, MarketDefinitionError
        Its rate, or the curve of the pool's own loans and what it has lent, are not known.
    """
    if venue.venue_id == "jupiter":
        return _pool_rate(desk, inputs)
    settings, market = desk.settings, MARKETS[venue.venue_id]
    stored = desk.view.lending(market, settings.debt_asset)
    return stored_rate(desk, venue, stored, with_curve=market == settings.lending_market)


def _pool_rate(desk: Desk, inputs: PoolInputs) -> LoanRate:
    """Return the rate of the pool's own loans, by its curve at the utilisation of what it lends."""
    curve = inputs.params.loan_curve()
    overview, problem = inputs.overview()
    if overview is None or not overview.picture.is_exact:
        raise MissingDataError(
            problem
            or f"what {inputs.pool_id} has lent is not known: load a table custody_state with `yieldtrade load FILE`"
        )
    room = loan_capacity(overview.picture.state, inputs.params)
    used = room.utilisation * room.pool_size_usd
    reserve = Reserve(
        borrowed=used,
        available=room.pool_size_usd - used,
        model=jlp_loan_curve(curve),
        periods_per_year=HOURS_PER_YEAR,
    )
    text = f"loan curve of {inputs.pool_id} at {room.utilisation:.2%} in use"
    line = desk.line("borrow_apy", float(reserve.borrow_apy), "APY", overview.picture.at, text)
    params = inputs.params.terms
    slope = desk.parameter(inputs.pool_id, params.parameters["loans.target"], params.number("loans.target"))
    return LoanRate(line, float(room.capacity_usd), reserve, slope)
