"""A loan against pool shares as plain values and as what a person reads on a terminal."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

from yieldtrade.report.output import Column, console, present, write_card, write_table

if TYPE_CHECKING:
    from yieldtrade.pool.loan_quote import LabelledMove, LoanQuote
    from yieldtrade.pool.safety import ParameterSetReport

CARD = (
    Column("state", "the loan is"),
    Column("collateral_jlp", "collateral, shares", "amount"),
    Column("virtual_price_usd", "virtual price, USD", "price"),
    Column("virtual_price_at", "virtual price of", "moment"),
    Column("virtual_price_source", "taken from"),
    Column("collateral_usd", "collateral", "usd"),
    Column("debt_usd", "debt", "usd"),
    Column("ltv", "LTV", "percent"),
    Column("max_ltv", "may borrow up to", "percent"),
    Column("max_borrow_usd", "that is", "usd"),
    Column("headroom_usd", "may still borrow", "usd"),
    Column("liquidation_ltv", "liquidated above", "percent"),
    Column("liquidation_price_usd", "liquidated at a virtual price of, USD", "price"),
    Column("fall_to_liquidation", "that is a fall of", "percent"),
    Column("liquidation_debt_usd", "or at a debt of", "usd"),
    Column("carry_years", "interest alone liquidates it in, years", "number"),
    Column("liquidation_fee", "liquidation fee", "percent"),
    Column("safety_buffer", "safety buffer 1 - L (1 + f)", "percent"),
    Column("bad_debt_usd", "bad debt now", "usd"),
    Column("shortfall_usd", "unpaid if liquidated now", "usd"),
)
MOVES = (Column("asset", "move of"), Column("move", "by", "percent"))
STRESS = (
    Column("move", "all coins move by", "percent"),
    Column("virtual_price_usd", "virtual price", "price"),
    Column("ltv", "LTV", "percent"),
    Column("state", "the loan is"),
    Column("bad_debt_usd", "bad debt", "usd"),
    Column("shortfall_usd", "debt and fee unpaid", "usd"),
)
FALLS = (
    Column("label", "fall"),
    Column("move", "of", "percent"),
    Column("is_safe", "safe"),
    Column("principal_shortfall", "debt unpaid", "percent"),
    Column("total_shortfall", "with the fee", "percent"),
    Column("n", "moves seen", "integer"),
    Column("expected_tail", "beyond it", "number", spare=1),
    Column("low", "at least", "percent", spare=2),
    Column("high", "at most", "percent", spare=2),
    Column("scaled", "by root of time", "percent", spare=3),
    Column("remark", "beware"),
)
SETS = (
    Column("liquidation_ltv", "liquidation LTV", "percent"),
    Column("fee", "fee", "percent"),
    Column("safety_buffer", "buffer", "percent"),
    Column("fails_at", "not safe against"),
)


def to_record(quote: LoanQuote) -> dict[str, Any]:
    """Return a loan as plain values, keys with their units."""
    status = asdict(quote.status)
    return {
        "collateral_jlp": quote.loan.collateral_jlp,
        "debt_usdc": quote.loan.debt_usdc,
        "virtual_price_usd": quote.virtual_price,
        "max_ltv": quote.params.max_ltv,
        "liquidation_ltv": quote.params.liquidation_ltv,
        "liquidation_fee": quote.params.liquidation_fee,
        "safety_buffer": quote.own.safety_buffer,
        "is_sound": quote.own.is_sound,
        **{("liquidation_price_usd" if key == "liquidation_price" else key): status[key] for key in status},
        "asset_moves": _moves(quote),
        "stress": [_stress(row) for row in quote.stress],
        "falls": [_fall(*pair) for pair in zip(quote.moves, quote.own.outcomes, strict=True)],
        "compared": [_set(one) for one in quote.compared],
        "safe_ltv": _grid(quote),
    }


def _moves(quote: LoanQuote) -> list[dict[str, Any]]:
    found = quote.asset_moves
    if found is None or found.together is None:
        return []
    alone = [{"asset": f"{asset} alone", "move": move} for asset, move in found.alone.items()]
    return [*alone, {"asset": "all together", "move": found.together}]


def _stress(row: Any) -> dict[str, Any]:
    record = asdict(row)
    return {("virtual_price_usd" if key == "virtual_price" else key): record[key] for key in record}


def _fall(move: LabelledMove, outcome: Any) -> dict[str, Any]:
    seen = move.measured
    return {
        **asdict(outcome),
        "n": seen.n if seen else None,
        "expected_tail": seen.expected_tail if seen else None,
        "low": seen.low if seen else None,
        "high": seen.high if seen else None,
        "scaled": move.scaled,
        "origin": move.origin,
        "remark": _remark(move),
    }


def _remark(move: LabelledMove) -> str | None:
    if move.measured is None:
        return move.origin
    if move.measured.sample_maximum:
        return "the largest of the sample"
    return "thin: fewer than ten beyond" if move.measured.thin else None


def _set(one: ParameterSetReport) -> dict[str, Any]:
    return {
        "liquidation_ltv": one.liquidation_ltv,
        "fee": one.fee,
        "safety_buffer": one.safety_buffer,
        "fails_at": ", ".join(one.fails_at) or "none of them",
    }


def _grid(quote: LoanQuote) -> list[dict[str, Any]]:
    if quote.grid is None:
        return []
    labels = [move.label for move in quote.moves]
    rows = zip(quote.grid_fees, quote.grid.tolist(), strict=True)
    return [{"fee": fee, **dict(zip(labels, row, strict=True))} for fee, row in rows]


def write_loan(record: dict[str, Any], stream: TextIO) -> None:
    """Write a loan for a person: a card, then moves, stress, and safety against the falls."""
    write_card(record, CARD, stream)
    labels = [key for key in record["safe_ltv"][0] if key != "fee"] if record["safe_ltv"] else []
    # on a narrow terminal the smallest falls are left out first
    falls = {fall["label"]: fall["move"] for fall in record["falls"]}
    spare = {label: rank for rank, label in enumerate(sorted(falls, key=lambda label: -falls[label]))}
    grid = (
        Column("fee", "fee", "percent"),
        *(Column(label, label, "percent", spare[label]) for label in labels),
    )
    back = "moves that bring it back under the trigger"
    tables: tuple[tuple[str, tuple[Column, ...], str], ...] = (
        ("asset_moves", MOVES, back if record["fall_to_liquidation"] < 0 else "moves that liquidate it"),
        ("stress", STRESS, "stress, before anyone liquidates"),
        ("falls", FALLS, "safe against a fall between the trigger and the liquidation"),
        ("compared", SETS, "terms against the same falls"),
        ("safe_ltv", grid, "largest safe liquidation LTV"),
    )
    for key, columns, title in tables:
        if record[key]:
            write_table(record[key], present(record[key], columns), stream, title=title)
    if not record["asset_moves"]:
        why = (
            "no fall of the coins liquidates it"
            if record["stress"]
            else "the exposure of a share is not known"
        )
        console(stream).print(why, style="dim")
    if not record["falls"]:
        console(stream).print("no falls to be safe against: give --move or --prices", style="dim")
