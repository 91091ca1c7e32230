"""A screen as records, as stored rows, and one row explained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import Field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from yieldtrade.conventions import iso
from yieldtrade.report.output import ABSENT, Column, human, plain
from yieldtrade.strategies.row import FLAG_WORDS, Opportunity
from yieldtrade.strategies.stress import row_stress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from yieldtrade.report.output import Style
    from yieldtrade.strategies.row import ExplainLine, InputLine
    from yieldtrade.strategies.stress import StressLine

TABLE = (
    Column("market", "market"),
    Column("trade", "trade"),
    Column("horizon_days", "days", "days"),
    Column("implied_apy", "implied", "percent", spare=3),
    Column("horizon_return", "return", "percent"),
    Column("net_apy_shown", "net APY", "percent"),
    Column("net_apy_naive", "naive", "percent", spare=2),
    Column("expected_pnl_usd", "PnL $", "usd", spare=1),
    Column("per_day_usd", "$/day", "usd"),
    Column("p_loss", "P(loss)", "percent"),
    Column("break_even", "breaks even", spare=4),
    Column("liquidation", "liquidated", spare=5),
    Column("data_age_days", "age in days", "days", spare=6),
)
REJECTED = (
    Column("market", "market"),
    Column("trade", "trade"),
    # the reasons say which of these figures failed, so they can be spared
    Column("implied_apy", "implied", "percent", spare=3),
    Column("horizon_return", "return", "percent", spare=1),
    Column("p_loss", "P(loss)", "percent", spare=2),
    Column("break_even", "breaks even", spare=4),
    Column("reason_short", "rejected because"),
)
LEG_TABLE = (
    Column("when", "time", "moment"),
    Column("action", "action"),
    Column("token", "token"),
    Column("amount", "amount", "amount"),
    Column("price_st", "price ST", "price"),
    Column("value_usd", "value $", "usd", spare=1),
    Column("fee_usd", "fee $", "usd"),
)
LEGS = (
    *(Column(name, name) for name in ("row_id", "status", "strategy", "side", "venue", "market")),
    *LEG_TABLE,
)
TRADES = {
    ("interest_period", "long"): "YT long",
    ("interest_period", "short"): "YT short",
    ("principal_loop", ""): "PT loop",
    ("fixed_income", ""): "PT fixed",
    ("principal_spread", ""): "PT spread",
    ("parity", "mint"): "PT+YT mint",
    ("parity", "redeem"): "PT+YT redeem",
    ("calendar_spread", "curve"): "PT curve",
    ("calendar_spread", "venues"): "PT venues",
    ("leveraged_yield", "long"): "YT long, levered",
    ("leveraged_yield", "short"): "YT short, levered",
    ("jlp_loop", "kamino"): "JLP loop, Kamino",
    ("jlp_loop", "jupiter"): "JLP loop, Jupiter",
    ("jlp_loop", "drift"): "JLP loop, Drift",
    ("jlp_loop", "kamino-hedged"): "JLP loop, Kamino, hedged",
    ("jlp_loop", "jupiter-hedged"): "JLP loop, Jupiter, hedged",
    ("jlp_loop", "drift-hedged"): "JLP loop, Drift, hedged",
    ("target_weight", "create"): "JLP create",
    ("target_weight", "redeem"): "JLP redeem",
    ("target_weight", "create_and_redeem"): "JLP create+redeem",
}
SIGNAL_COLUMNS = (
    "row_id",
    "strategy",
    "side",
    "venue",
    "contract_id",
    "as_of",
    "horizon_days",
    "size_usd",
    "net_apy",
    "edge_usd",
    "p_loss",
    "capacity_usd",
    "binding",
    "liquidation",
    "status",
    "reason",
    "explain",
)
NAMED = 2
_RATE_STARTS = ("p_", "break_even_", "cost_", "borrow_apy", "net_apy")
_RATE_ENDS = ("_apy", "_return", "_fee", "ltv")
_NOT_KNOWN = " is not known: "
_BREAK_EVENS = (
    ("break_even_settled_apy", "APY"),
    ("break_even_borrow", "borrow"),
    ("break_even_exit_implied", "exit"),
)


def to_record(row: Opportunity) -> dict[str, Any]:
    """Return a row as plain values: every field that it is compared by, and a few put into words for tables."""
    record = {field.name: _plain(getattr(row, field.name)) for field in fields(row) if field.compare}
    age = row.oldest_input_age_s
    record["trade"] = TRADES.get((row.strategy, row.side), f"{row.strategy} {row.side}".strip())
    record["net_apy_shown"] = row.net_apy_exact if row.show_apy else None
    record["data_age_days"] = None if age is None else age / 86_400
    record["break_even"] = _break_even(row)
    record["liquidation"] = _liquidation(row)
    record["reason_list"] = "; ".join(f"{reason.code}: {reason.text}" for reason in row.reasons)
    record["reason_short"] = _reasons(row)
    record["explain"] = [str(line) for line in row.explain]
    return record


def style_of(name: str) -> Style:
    """Return how a person reads a field of a row, told from the unit its name carries."""
    last = name.rpartition(".")[2]
    if last.endswith("_usd"):
        return "usd"
    if last.endswith("days") or last == "days":
        return "days"
    if last in ("as_of", "maturity"):
        return "moment"
    if last.startswith(_RATE_STARTS) or last.endswith(_RATE_ENDS):
        return "percent"
    return "number"


def leg_records(row: Opportunity) -> Iterator[dict[str, Any]]:
    """Yield every leg of a row, with what names the row, as plain values."""
    names = ("row_id", "status", "strategy", "side", "venue", "market")
    for leg in row.legs:
        yield {**{name: getattr(row, name) for name in names}, **_plain(leg)}


def to_signal(row: Opportunity) -> tuple[Any, ...]:
    """Return a row as the store keeps it, in the order of `SIGNAL_COLUMNS`."""
    record = to_record(row)
    return (
        row.row_id,
        row.strategy,
        row.side,
        row.venue,
        row.market,
        iso(row.as_of),
        row.horizon_days,
        row.size_usd,
        row.net_apy_exact,
        row.expected_pnl_usd,
        row.p_loss,
        row.edge_capacity_usd,
        row.binding,
        record["liquidation"],
        row.status,
        "; ".join(reason.code for reason in row.reasons),
        json.dumps(plain({**record, "stress": stress_records(row) if row.status == "accepted" else []})),
    )


def legend(rows: Sequence[Opportunity]) -> Iterator[str]:
    """Yield what each flag on these rows means and which rows carry it."""
    carriers: dict[str, list[str]] = {}
    for row in rows:
        for flag in row.flags:
            carriers.setdefault(flag, []).append(row.row_id)
    for flag, names in sorted(carriers.items()):
        where = ", ".join(names) if len(names) <= NAMED else f"{len(names)} of {len(rows)} rows"
        yield f"{flag} ({where}): {FLAG_WORDS.get(flag, '')}"


def explanation(row: Opportunity) -> Iterator[str]:
    """Yield the lines that prove a row: arithmetic, inputs with sources, break-evens, flags and reasons."""
    yield (
        f"{row.row_id}   {row.status}, {row.strategy} {row.side}".rstrip()
        + f" on {row.market} at {row.venue}"
    )
    yield f"as of {iso(row.as_of)}, {human(row.horizon_days, 'days')} days, {row.size_usd:,.2f} USD"
    yield from _section("arithmetic", map(_arithmetic, row.explain))
    yield from _section("inputs", map(_input, row.inputs))
    if row.net_apy_naive is not None and row.net_apy_exact is not None:
        yield from _section(
            "naive beside exact",
            [
                f"naive {human(row.net_apy_naive, 'percent')} a year, exact {human(row.net_apy_exact, 'percent')}: "
                f"a difference of {human(row.net_apy_exact - row.net_apy_naive, 'percent')}"
            ],
        )
    yield from _section(
        "where the result comes from, USD",
        [f"{name:<14}{value:>z16,.4f}" for name, value in row.decomposition.items()],
    )
    yield from _section(
        "break-evens",
        [
            f"{name}: {found.value!r}" if found.status == "value" else f"{name}: none ({found.reason})"
            for name, found in row.break_evens.items()
        ],
    )
    yield from _section(
        "legs",
        [
            f"{iso(leg.when)}  {leg.action} {leg.token} worth {leg.value_usd:,.2f} USD at {leg.price_st:.6g} ST, "
            f"fee {leg.fee_usd:,.2f} USD"
            for leg in row.legs
        ],
    )
    yield from _section("stresses", map(_stress, row_stress(row)))
    yield from _section(
        "sizes, USD of own capital",
        [
            f"{name}: {human(value, 'usd')}"
            for name, value in (
                ("best size", row.best_size_usd),
                ("largest size without a loss", row.edge_capacity_usd),
                ("exit within the accepted impact", row.exit_depth_usd),
                *((f"cap {name}", cap) for name, cap in row.caps.items()),
            )
            if value is not None
        ],
    )
    yield from _section("flags", [f"{flag}: {FLAG_WORDS.get(flag, '')}" for flag in row.flags])
    yield from _section("rejected because", [f"{reason.code}: {reason.text}" for reason in row.reasons])
    yield from _section("notes", list(row.notes))


def _section(title: str, lines: Any) -> Iterator[str]:
    found = list(lines)
    if found:
        yield ""
        yield title
        yield from (f"  {line}" for line in found)


def _arithmetic(line: ExplainLine) -> str:
    return str(line)


def _stress(line: StressLine) -> str:
    if not line.applies:
        return f"{line.name}: n/a ({line.reason})"
    parts = [f"{human(line.pnl, 'usd')} USD, {human(line.return_on_capital, 'percent')} of the capital"]
    if line.ltv is not None:
        parts.append(f"loan to value {human(line.ltv, 'percent')}")
    if line.collateral_ratio is not None:
        parts.append(f"collateral ratio {human(line.collateral_ratio, 'number')}")
    if line.liquidated:
        parts.append("liquidated")
    if line.days_to_liquidation is not None:
        parts.append(f"{human(line.days_to_liquidation, 'days')} days to liquidation")
    return f"{line.name}: " + ", ".join(parts)


def stress_records(row: Opportunity) -> list[dict[str, Any]]:
    """Return the stresses of a row as plain values; a figure that does not apply is None, with the reason."""
    return [line._asdict() for line in row_stress(row)]


def _input(line: InputLine) -> str:
    when = "" if line.as_of is None else f", {iso(line.as_of)}"
    age = "" if line.age_days is None else f", {line.age_days:.2f} days old"
    return f"{line.name} = {line.value!r} {line.unit}{when}{age}, {line.source}"


def _break_even(row: Opportunity) -> str | None:
    parts = [
        f"{human(getattr(row, name), 'percent')} {words}"
        for name, words in _BREAK_EVENS
        if getattr(row, name) is not None
    ]
    return "\n".join(parts) or None


def _reasons(row: Opportunity) -> str:
    """Write reasons in short: the inputs that are missing in one line, each other reason in one of its own."""
    unknown, others = [], []
    for reason in row.reasons:
        name, known, _ = reason.text.partition(_NOT_KNOWN)
        if known:
            unknown.append(name)
        else:
            others.append(f"{reason.code}: {reason.text.split(': ')[0]}")
    return "\n".join([f"not known: {', '.join(unknown)}"] * bool(unknown) + others)


def _liquidation(row: Opportunity) -> str | None:
    if row.liquidation_trigger is None:
        return None
    value = ABSENT if row.liquidation_value is None else human(row.liquidation_value, "number")
    return f"{value} {row.liquidation_unit or row.liquidation_trigger}"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if hasattr(value, "_asdict"):
        return {key: _plain(item) for key, item in value._asdict().items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _field_style(field: Field[Any]) -> Style:
    """Return how a person reads a field: numbers and moments by their names, the rest as text."""
    return style_of(field.name) if str(field.type).startswith(("float", "datetime")) else "text"


# Every field of a row, for --columns; words stand for what a table puts together from several fields.
FIELDS = (
    *(Column(field.name, field.name, _field_style(field)) for field in fields(Opportunity)),
    *(Column(name, name) for name in ("trade", "reason_short", "preset", "thresholds")),
)
