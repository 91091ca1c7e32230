"""What ``quote`` shows of a trade: its fill through the stored pool, depth, margin position, and ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from yieldtrade.cli.options import age_days, note, warn
from yieldtrade.conventions import iso
from yieldtrade.errors import MarketDefinitionError, MissingDataError
from yieldtrade.report.output import Column

if TYPE_CHECKING:
    from datetime import datetime

    from yieldtrade.amm.base import Amm, DepthRow, Fill
    from yieldtrade.cli.options import Output
    from yieldtrade.market import AmmState, Contract, MarketView
    from yieldtrade.tokens.quote import Quote

SIDES = ("buy-pt", "sell-pt", "buy-yt", "sell-yt")
# A margin trade opens by buying YT (long) or selling it (short).
OPENING = {"long": "buy-yt", "short": "sell-yt"}

FILL = (
    Column("fill_side", "trade"),
    Column("fill_units", "tokens", "amount"),
    Column("fill_st", "ST paid or received, fees included", "amount"),
    Column("fill_average_price", "average price, ST", "price"),
    Column("fill_fee_st", "fee, ST", "amount"),
    Column("fill_fee_lp_st", "of it to LPs, ST", "amount"),
    Column("fill_fee_protocol_st", "of it to the protocol, ST", "amount"),
    Column("price_impact", "price impact", "percent"),
    Column("total_cost", "impact and fee", "percent"),
    Column("pre_trade_apy", "implied APY before", "percent"),
    Column("post_trade_apy", "implied APY after", "percent"),
    Column("execution_apy", "implied APY of the average price", "percent"),
    Column("max_size", "largest trade, tokens", "amount"),
    Column("max_size_binding", "limited by"),
    Column("fill_route", "route"),
    Column("fill_warnings", "beware"),
    Column("state_at", "pool state of", "moment"),
    Column("state_age_days", "age of the state, days", "days"),
)
DEPTH = (
    Column("move_bp", "move, bp", "number"),
    Column("target_apy", "to an APY of", "percent"),
    Column("side", "trade"),
    Column("size", "tokens", "amount"),
    Column("st_amount", "ST", "amount"),
    Column("average_price", "average price", "price"),
    Column("price_impact", "impact", "percent"),
    Column("fee", "fee, ST", "amount"),
    Column("binding", "limited by"),
)


POSITION = (
    Column("position_side", "side"),
    Column("margin_st", "margin, ST", "amount"),
    Column("position_leverage", "leverage", "number"),
    Column("yt_before_fee", "YT before the fee", "amount"),
    Column("yt", "YT after the fee", "amount"),
    Column("st", "ST owed (-) or held", "amount"),
    Column("fee_st", "fee, ST", "amount"),
    Column("collateral_ratio", "collateral ratio", "percent"),
    Column("max_leverage", "largest leverage allowed", "number"),
    Column("liquidation_yt_price", "liquidated at a YT price of", "price"),
    Column("liquidation_implied_apy", "that is an implied APY of", "percent"),
)


LEDGER = (
    Column("days_left", "days left", "days"),
    Column("yt_price", "YT, ST", "price"),
    Column("yield_received", "yield received", "amount"),
    Column("amortisation", "amortised", "amount"),
    Column("market_move", "market move", "amount", spare=1),
    Column("financing", "financing", "amount"),
    Column("total", "sum, ST", "amount"),
    Column("st", "ST balance", "amount"),
    Column("value", "value, ST", "amount"),
)


class Trade(NamedTuple):
    """What is traded besides the quote: a size through the pool, a position on margin."""

    leverage: float | None
    margin: float
    size: float | None
    unit: str
    side: str


class Pool(NamedTuple):
    """A contract's pool at the moment of the view, and the state it was built from."""

    amm: Amm
    stored: AmmState


def pool_of(view: MarketView, contract: Contract) -> Pool | None:
    """Return the pool of a contract, or None with a warning where its state is not stored or not complete."""
    from yieldtrade.amm.states import amm_of

    stored = view.amm_state(contract)
    if stored is None:
        warn(
            f"{contract.contract_id}: no state of its pool is stored, so this is the spot quote only; "
            "load one with `yieldtrade load FILE` (table amm_state)"
        )
        return None
    try:
        return Pool(amm_of(contract, stored, view.as_of), stored)
    except MarketDefinitionError as error:
        warn(
            f"{contract.contract_id}: the stored state is not complete, so this is the spot quote only: {error}"
        )
        return None


def fill_of(pool: Pool, side: str, size: float, unit: str) -> Fill:
    """Price a trade of a size through a pool."""
    return pool.amm.quote(_side(side), size, "st" if unit == "st" else "token")


def fill_record(pool: Pool, fill: Fill, side: str, as_of: datetime | None) -> dict[str, Any]:
    """Return a fill as plain values, keys with their units."""
    capacity = pool.amm.max_size(_side(side))
    return {
        "fill_side": side,
        "fill_units": fill.units,
        "fill_st": fill.st_amount,
        "fill_gross_st": fill.gross,
        "fill_average_price": fill.average_price,
        "fill_fee_st": fill.fee,
        "fill_fee_lp_st": fill.fee_lp,
        "fill_fee_protocol_st": fill.fee_protocol,
        "spot_before": fill.spot_before,
        "spot_after": fill.spot_after,
        "price_impact": fill.price_impact,
        "total_cost": fill.total_cost,
        "pre_trade_apy": fill.pre_trade_yield,
        "post_trade_apy": fill.post_trade_yield,
        "yield_impact": fill.yield_impact,
        "execution_apy": fill.execution_yield,
        "max_size": capacity.size,
        "max_size_st": capacity.st,
        "max_size_binding": str(capacity.binding),
        "fill_route": fill.route,
        "fill_path": fill.path,
        "fill_warnings": ", ".join(fill.warnings) or None,
        "state_at": iso(pool.stored.at),
        "state_age_days": age_days(pool.stored.at, as_of),
        "state_source": pool.stored.source,
    }


def depth_records(pool: Pool) -> list[dict[str, Any]]:
    """Return what moves the yield by how much, a row a move up and down."""
    return [_depth_record(row) for row in pool.amm.depth()]


def _depth_record(row: DepthRow) -> dict[str, Any]:
    return {
        "move_bp": row.move_bp,
        "target_apy": row.target_yield,
        "side": str(row.side),
        "size": row.size,
        "st_amount": row.st_amount,
        "average_price": row.average_price,
        "price_impact": row.price_impact,
        "fee": row.fee,
        "reachable": row.reachable,
        "binding": None if row.reachable else str(row.binding),
    }


def _side(side: str) -> str:
    return OPENING.get(side, side).upper().replace("-", "_")


def position_record(
    contract: Contract, found: Quote, trade: Trade, leverage: float, pool: Pool | None
) -> dict[str, Any]:
    """Open the position at the pool's fill, or at the quoted price, and return it as plain values."""
    from yieldtrade.tokens.margin_quote import margin_quote

    price = None
    if pool is not None:
        fill = fill_of(pool, trade.side, leverage * trade.margin, "st")
        price = fill.gross / fill.units
    side: Any = trade.side
    position = margin_quote(
        contract, found, side=side, leverage=leverage, margin=trade.margin, fill_price=price
    )
    if leverage > position.max_leverage:
        warn(
            f"{found.contract_id}: the collateral ratios and the fee allow a leverage of "
            f"{position.max_leverage:.4g} at this price, not {leverage:g}"
        )
    return position.to_record()


def write_depth(
    done: list[tuple[Quote, MarketView, dict[str, Any]]], file: str | None, output: Output
) -> None:
    """Write the depth of one contract's pool, and draw it where a file is named."""
    if len(done) != 1:
        raise click.UsageError("--depth shows one contract at a time")
    found, view, _ = done[0]
    pool = pool_of(view, view.contract(found.contract_id))
    if pool is None:
        raise MissingDataError(
            f"{found.contract_id} has no complete stored state of its pool, so no depth is known"
        )
    records = depth_records(pool)
    if file is not None:
        from yieldtrade.report.charts import write_depth_chart

        write_depth_chart(records, f"Depth of {found.contract_id}, {iso(found.as_of)}", file)
        note(f"wrote {file}")
    output.write(records, DEPTH)


def write_ledger(
    done: list[tuple[Quote, MarketView, dict[str, Any]]], settled: float | None, every: float, output: Output
) -> None:
    """Write the ledger of one position to maturity, a row a period."""
    from yieldtrade.tokens.ledger_path import ledger_to_maturity
    from yieldtrade.tokens.quote import yield_fee_base

    if len(done) != 1:
        raise click.UsageError("--ledger shows one contract at a time")
    found, view, record = done[0]
    contract = view.contract(found.contract_id)
    settled = found.underlying_apy if settled is None else settled
    if settled is None:
        raise MissingDataError(
            f"no yield of {found.underlying} is stored to settle at; give one with --settled"
        )
    # a position as it was opened, else the YT traded, else a single one
    sold = -1.0 if record.get("fill_side") in ("sell-yt", "short") else 1.0
    yt = record.get("yt", sold * record.get("fill_units", 1.0))
    rows = ledger_to_maturity(
        yt=yt,
        st=record.get("st", 0.0),
        implied_apy=found.implied_apy,
        tau=found.tau_years,
        settled_apy=settled,
        period_days=every,
        yield_fee=contract.terms.number("yield_fee"),
        yield_fee_base=yield_fee_base(contract),
    )
    note(f"{yt:,.6g} YT at {found.implied_apy:.4%} implied, settled at {settled:.4%} every {every:g} days")
    output.write([row._asdict() for row in rows], LEDGER)
