"""``curve``: implied yields of one underlying by maturity, forwards, roll-down and an arbitrage check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from yieldtrade.cli.options import (
    NUMBER,
    given_yields,
    note,
    opened,
    output_options,
    store_options,
    told_moment,
    warn,
)
from yieldtrade.conventions import DAYS_PER_YEAR, growth_from_apy, iso
from yieldtrade.elementwise import checked, positive
from yieldtrade.errors import MissingDataError
from yieldtrade.market import days_between
from yieldtrade.report.output import Column

if TYPE_CHECKING:
    from datetime import datetime

    from yieldtrade.cli.options import Output
    from yieldtrade.market import MarketView
    from yieldtrade.store import Store
    from yieldtrade.tokens.curve import ImpliedYieldCurve, Violation
    from yieldtrade.tokens.curve_nodes import CurveNode

TABLE = (
    Column("contract", "contract"),
    Column("maturity", "maturity", "moment"),
    Column("days_to_maturity", "days left", "days"),
    Column("implied_apy", "implied", "percent"),
    Column("pt_price", "PT (ST)", "price"),
    Column("forward_apy", "forward", "percent"),
    Column("carry", "carry", "percent"),
    Column("total_return", "curve unchanged", "percent"),
    Column("roll_down", "roll-down", "percent"),
    Column("forwards_realised", "forwards realised", "percent"),
    Column("quote_age_days", "age, days", "days"),
    Column("kind", "quote"),
)


@click.command(
    epilog="Example: yieldtrade curve xSOL --as-of 2026-04-20 --horizon 7; "
    "yieldtrade curve JLP --as-of 2026-01-01 --implied JLP-08MAR26=0.19 --implied JLP-25MAR26=0.17"
)
@click.argument("underlying")
@click.option("--venue", metavar="NAME", help="Only this venue; needed where several quote the underlying.")
@click.option(
    "--implied", multiple=True, metavar="CONTRACT=RATE", help="State the implied yield of a contract."
)
@click.option(
    "--horizon",
    type=NUMBER,
    default=7.0,
    show_default=True,
    metavar="DAYS",
    help="Holding period of carry and roll-down.",
)
@click.option("--extrapolate", is_flag=True, help="Continue the last forward yield beyond the last maturity.")
@click.option(
    "--max-age",
    type=NUMBER,
    default=1.0,
    show_default=True,
    metavar="DAYS",
    help="Leave out quotes older than this at the moment of the curve.",
)
@click.option(
    "--cost",
    type=NUMBER,
    default=0.0,
    show_default=True,
    metavar="ST",
    help="Round-trip cost a PT; smaller rises of the price with maturity are not reported.",
)
@store_options
@output_options
def curve(
    underlying: str,
    *,
    venue: str | None,
    implied: tuple[str, ...],
    horizon: float,
    extrapolate: bool,
    max_age: float,
    cost: float,
    db: str | None,
    as_of: datetime | None,
    output: Output,
) -> None:
    """Show implied yields by maturity, forward yields, roll-down and an arbitrage check.

    Each row is a live contract of one venue; its forward runs from the maturity before. Over the horizon a PT earns
    its carry at its own yield, its total where the curve stays as it is, and every PT the same where the forwards
    come true. Without --as-of the moment is the last one at which the underlying is quoted.
    """
    from yieldtrade.tokens.curve import curve_of

    checked("horizon", horizon, positive("horizon"))
    with opened(db) as store:
        view = as_stated(_view(store, underlying, venue, as_of), underlying, venue, implied)
        found = curve_of(view, underlying, venue, max_age_days=max_age)
    note(told_moment(view, as_of))
    for contract_id, reason in found.left_out:
        note(f"{contract_id} is left out: {reason}")
    for violation in found.check_no_arbitrage(tol=cost):
        warn(told(violation))
    if horizon > found.nodes[-1].tau * DAYS_PER_YEAR and not extrapolate:
        note(
            f"the horizon of {horizon:g} days ends after the last maturity: what the forwards would return is not "
            "known; --extrapolate continues the last of them"
        )
    output.write(to_records(found, horizon, extrapolate=extrapolate), TABLE)


def _view(store: Store, underlying: str, venue: str | None, as_of: datetime | None) -> MarketView:
    """Return the view of the moment asked for, else of the underlying's last quote or, for a pool, last figures."""
    if as_of is not None:
        return store.view(as_of)
    latest = store.view()
    contracts = {
        contract.contract_id: contract
        for contract in latest.contracts()
        if contract.underlying.casefold() == underlying.casefold() and venue in (None, contract.venue_id)
    }
    quoted = [
        name for name, quote in latest.quotes(tuple(contracts.values())).items() if quote.kind == "market"
    ]
    moments = [moment for name in quoted if (moment := store.last_quoted(contracts[name]))]
    if moments:
        return store.view(max(moments))
    try:
        return store.view(need=underlying)
    except MissingDataError:
        return latest


def as_stated(view: MarketView, underlying: str, venue: str | None, implied: tuple[str, ...]) -> MarketView:
    """Return a view with the yields given as ``CONTRACT=RATE``, each of a contract that can be on the curve."""
    from yieldtrade.tokens.quote import refuse_expired

    given = given_yields(implied)
    for name in given:
        contract = view.contract(name)
        if contract.underlying.casefold() != underlying.casefold() or venue not in (None, contract.venue_id):
            raise click.UsageError(
                f"--implied {name}: {contract.contract_id} is on {contract.underlying} at {contract.venue_id}, "
                f"the curve on {underlying}{f' at {venue}' if venue else ''}"
            )
        refuse_expired(contract, view.as_of)
    return view.with_yields(given) if given else view


def told(violation: Violation) -> str:
    """Say what an arbitrage violation is and how it would be taken."""
    earlier, later, size, forward = violation
    than, meanwhile = ("1 ST", "") if earlier == "ST" else (f"that of {earlier}", f"buy that of {earlier}, ")
    return (
        f"the PT of {later} costs {size:.6g} ST more than {than}, a forward yield of {forward:.2%}: mint it and sell "
        f"it, {meanwhile}keep the YT; a gain before costs where yields cannot be negative"
    )


def to_records(found: ImpliedYieldCurve, horizon_days: float, *, extrapolate: bool) -> list[dict[str, Any]]:
    """Return a row a maturity, as the keys and values that are printed."""
    horizon = horizon_days / DAYS_PER_YEAR
    ahead = None
    if extrapolate or horizon <= found.nodes[-1].tau:
        ahead = growth_from_apy(found.zero_yield(horizon, extrapolate=extrapolate), horizon)
    starts = (0.0, *(node.tau for node in found.nodes))
    return [
        {
            **_node_record(found.as_of, node),
            "forward_apy": found.forward_yield(start, node.tau),
            "forward_yt_price": found.forward_yt_price(start, node.tau),
            "horizon_days": horizon_days,
            **_roll_record(found, node, horizon),
            "forwards_realised": ahead,
        }
        for start, node in zip(starts, found.nodes, strict=False)
    ]


def _node_record(as_of: datetime, node: CurveNode) -> dict[str, Any]:
    quote = node.quote
    stored = quote if quote is not None and quote.kind == "market" else None
    return {
        "contract": node.name,
        "as_of": iso(as_of),
        "maturity": iso(node.maturity),
        "days_to_maturity": days_between(as_of, node.maturity),
        "tau_years": node.tau,
        "implied_apy": node.implied_apy,
        "pt_price": node.pt_price,
        "kind": quote.kind if quote else None,
        "quoted_at": iso(stored.at) if stored else None,
        "quote_age_days": days_between(stored.at, as_of) if stored else None,
        "liquidity_usd": quote.liquidity_usd if quote else None,
        "source": quote.source if quote else None,
    }


def _roll_record(found: ImpliedYieldCurve, node: CurveNode, horizon: float) -> dict[str, float | None]:
    """Return what the PT earns over the horizon; nothing is known of one that matures before its end."""
    if horizon > node.tau:
        return {"carry": None, "total_return": None, "roll_down": None}
    rolled = found.roll_down(node.tau, horizon)
    return {"carry": rolled.carry, "total_return": rolled.total, "roll_down": rolled.roll_down}
