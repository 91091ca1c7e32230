"""``loan``: a loan against a pool's share, what liquidates it, and whether its terms are safe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

import click

from yieldtrade.cli.options import (
    NUMBER,
    RATE,
    note,
    opened,
    output_options,
    set_option,
    stated,
    store_options,
    told_moment,
    warn,
)
from yieldtrade.cli.pool import Age, StaleDataError, shown_overview, state_view
from yieldtrade.conventions import iso
from yieldtrade.errors import MissingDataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from yieldtrade.cli.options import Output
    from yieldtrade.market import MarketView
    from yieldtrade.pool.loan_quote import LabelledMove
    from yieldtrade.pool.moves import MoveSide
    from yieldtrade.pool.overview import PoolOverview
    from yieldtrade.pool.parameters import PoolParameters

LEVELS = (0.95, 0.99, 0.999, 0.9999, 0.99999)
FEES = (0.06, 0.05, 0.04, 0.03, 0.02)
STRESS = (0.0, -0.05, -0.10, -0.15, -0.20, -0.30, -0.40, -0.50)


@click.command(
    epilog="Examples: yieldtrade loan --collateral 2500 --debt 9000 --virtual-price 4; "
    "yieldtrade loan --collateral 2500 --debt 9000 --prices jlp_5min.csv --horizon 300"
)
@click.option("--pool", "pool_id", default="JLP", show_default=True, help="Pool whose share is pledged.")
@click.option("--collateral", type=NUMBER, required=True, metavar="SHARES", help="Shares pledged.")
@click.option("--debt", type=NUMBER, required=True, metavar="USDC", help="Debt, interest included.")
@click.option(
    "--virtual-price", type=NUMBER, metavar="USD", help="Value of a share; the pool's last known by default."
)
@click.option("--borrow", type=RATE, help="Annual rate of the debt: when interest alone liquidates.")
@click.option(
    "--growth", type=RATE, default=0.0, show_default=True, help="Annual growth of the virtual price."
)
@click.option("--move", "moves", type=RATE, multiple=True, help="A fall to be safe against; may be repeated.")
@click.option(
    "--prices",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Measure the falls: a file with the columns time and price.",
)
@click.option(
    "--horizon",
    "horizons",
    type=click.FloatRange(min=0, min_open=True),
    multiple=True,
    default=(300.0,),
    show_default=True,
    metavar="SECONDS",
    help="Time between trigger and liquidation to measure over; may be repeated.",
)
@click.option(
    "--percentile",
    "levels",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    multiple=True,
    default=LEVELS,
    help="Level to measure, as 0.999; may be repeated.",
)
@click.option(
    "--side",
    type=click.Choice(["abs", "down"]),
    default="abs",
    show_default=True,
    help="Moves of either sign by their size, or losses alone.",
)
@click.option(
    "--compare",
    "compared",
    type=(RATE, RATE),
    multiple=True,
    metavar="LTV FEE",
    help="Other terms beside those the pool ever had, as 0.96 0.02; may be repeated.",
)
@click.option("--fee", "fees", type=RATE, multiple=True, default=FEES, help="Fees of the table of safe LTVs.")
@click.option("--stress", type=RATE, multiple=True, default=STRESS, help="Moves of all coins at once.")
@click.option("--interval", is_flag=True, help="Add a bootstrap interval to what is measured.")
@click.option(
    "--assume-recommended", is_flag=True, help="Also use terms that were only recommended, and say which."
)
@click.option("--max-age", type=NUMBER, metavar="DAYS", help="Refuse a state of the pool older than this.")
@set_option
@store_options
@output_options
def loan(
    pool_id: str,
    *,
    collateral: float,
    debt: float,
    virtual_price: float | None,
    borrow: float | None,
    growth: float,
    moves: tuple[float, ...],
    prices: str | None,
    compared: tuple[tuple[float, float], ...],
    fees: tuple[float, ...],
    stress: tuple[float, ...],
    assume_recommended: bool,
    max_age: float | None,
    settings: tuple[str, ...],
    db: str | None,
    as_of: datetime | None,
    output: Output,
    **measure: Any,
) -> None:
    """Show a loan against a pool's share: LTV, liquidation, stress, safety buffer.

    The terms are those of the pool at the moment (--set JLP.loans.max_ltv=0.9 states others). The falls that the
    terms must survive are given with --move, measured from --prices, or the published ones.
    """
    from yieldtrade.pool.loan_quote import known_terms, loan_quote
    from yieldtrade.pool.parameters import parameters_at
    from yieldtrade.pool.state import JlpLoan
    from yieldtrade.report.loan_report import CARD, to_record, write_loan
    from yieldtrade.report.pool_report import header, parameter_record

    with opened(db) as store:
        view = stated(state_view(store, pool_id, as_of), settings)
        note(told_moment(view, as_of))
        pool = view.pool(pool_id)
        params = parameters_at(pool, view.as_of, assume_recommended=assume_recommended)
        found, value, exposures = _share(view, params, virtual_price, Age(max_age, as_of))
    if params.recommended:
        note(f"recommended only, assumed here: {', '.join(params.recommended)}")
    quote = loan_quote(
        JlpLoan(collateral_jlp=collateral, debt_usdc=debt),
        value,
        params.loans(),
        exposures=exposures,
        moves=_falls(moves, prices, params, as_of=as_of, **measure),
        compared=(*known_terms(pool), *compared),
        fees=fees,
        stress=stress,
        borrow_rate=borrow,
        growth=growth,
    )
    if not quote.own.is_sound:
        warn("the terms leave no safety buffer: debt and fee exceed the collateral at the trigger already")
    price_at = as_of or view.as_of if virtual_price is not None or found is None else found.picture.price_at
    record = {
        **header(view, params, found),
        "virtual_price_source": "given by the user" if virtual_price is not None else "the pool's state",
        "virtual_price_at": iso(price_at),
        "terms": [
            parameter_record(p) for p in params.terms.parameters.values() if p.name.startswith("loans.")
        ],
        **to_record(quote),
    }
    if output.for_a_person:
        write_loan(record, sys.stdout)
    else:
        output.write([record], CARD, alone=True)


def _share(
    view: MarketView, params: PoolParameters, virtual_price: float | None, limit: Age
) -> tuple[PoolOverview | None, float, dict[str, float]]:
    """Return the pool where it is known, the value of a share, and what of it moves with each coin."""
    from yieldtrade.pool.overview import asset_exposures

    try:
        found = shown_overview(view, params, limit=limit)
    except MissingDataError as error:
        if virtual_price is None or isinstance(error, StaleDataError):
            raise
        note(f"{error}; so the moves of single coins are not known")
        return None, virtual_price, {}
    for line in found.notes:
        note(line)
    value = found.virtual_price_usd if virtual_price is None else virtual_price
    if value is None:
        raise MissingDataError(
            f"the virtual price of {found.pool_id} is not known by then; give --virtual-price"
        )
    return found, value, asset_exposures(found)


def _falls(
    given: Sequence[float], prices: str | None, params: PoolParameters, **measure: Any
) -> tuple[LabelledMove, ...]:
    """Return the falls stated, else those measured, else those published."""
    from yieldtrade.pool.loan_quote import LabelledMove, measured_moves, published_moves

    stated_moves = tuple(LabelledMove(f"{100 * move:.10g}%", move) for move in dict.fromkeys(given))
    if prices is None:
        return stated_moves or published_moves(params)
    from yieldtrade.sources.number_series import read_series_file

    series = read_series_file(prices, ["price"], until=measure["as_of"])
    measured = measured_moves(
        series.values["price"],
        series.seconds,
        tuple(dict.fromkeys(measure["horizons"])),
        tuple(dict.fromkeys(measure["levels"])),
        side=cast("MoveSide", measure["side"]),
        interval=measure["interval"],
    )
    return (*stated_moves, *measured)
