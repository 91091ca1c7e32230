"""A screen as a page of its own: every accepted trade with its payoff, its stresses and its proof, in one HTML file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade import __version__
from yieldtrade.conventions import iso
from yieldtrade.report.html import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    Block,
    Items,
    Origin,
    Page,
    Pairs,
    Section,
    Text,
    Tile,
    Tiles,
    chart,
    table,
    write_page,
)
from yieldtrade.report.output import ABSENT, Column, human, present
from yieldtrade.report.screen_report import TABLE, legend, stress_records, to_record
from yieldtrade.strategies.payoff import payoffs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from yieldtrade.report.html import Chart
    from yieldtrade.strategies.payoff import Payoff
    from yieldtrade.strategies.row import Opportunity
    from yieldtrade.strategies.screen import ScreenResult

# Trades drawn one by one; the table lists all.
SHOWN = 12
# Shocks that apply, from which they are drawn and not only listed.
DRAWN = 4
FACTOR_WORDS = {
    "settled_apy": "settled APY, % a year",
    "exit_implied": "implied yield at exit, % a year",
    "borrow_apy": "borrow APY, % a year",
    "underlying_ratio": "price of the underlying, % of now",
    "redemption_factor": "ST paid for one PT, %",
}
_REJECTED = (
    Column("row_id", "id"),
    Column("trade", "trade"),
    Column("implied_apy", "implied", "percent"),
    Column("horizon_return", "return", "percent"),
    Column("p_loss", "P(loss)", "percent"),
    Column("reason_list", "rejected because"),
)
_LEGS = (
    Column("when", "when", "moment"),
    Column("action", "action"),
    Column("token", "token"),
    Column("amount", "amount", "number"),
    Column("price_st", "price, ST", "number"),
    Column("value_usd", "value, USD", "usd"),
    Column("fee_usd", "fee, USD", "usd"),
)
_STRESSES = (
    Column("name", "shock"),
    Column("pnl", "profit, USD", "usd"),
    Column("return_on_capital", "return", "percent"),
    Column("ltv", "loan to value", "percent"),
    Column("collateral_ratio", "collateral ratio", "number"),
    Column("liquidated", "liquidated"),
    Column("days_to_liquidation", "days to it", "days"),
)
_INPUTS = (
    Column("name", "input"),
    Column("value", "value"),
    Column("unit", "unit"),
    Column("as_of", "as of", "moment"),
    Column("age_days", "age, days", "days"),
    Column("source", "source"),
)


class _Sheet(NamedTuple):
    found: ScreenResult
    origin: Origin


def write_screen_html(found: ScreenResult, path: str) -> int:
    """Write the page of a screen to a file, whole or not at all, and return its size in bytes.

    Raises
    ------
    MissingDataError
        jinja2 or matplotlib is not installed.
    YieldtradeError
        The file cannot be written.
    """
    return write_page(screen_page(found), path)


def screen_page(found: ScreenResult) -> Page:
    """Lay a screen out as a page; the same for the same screen.

    Raises
    ------
    MissingDataError
        matplotlib is not installed.
    """
    settings = found.settings
    sheet = _Sheet(found, Origin(found.as_of, "the database at that moment; inputs of each trade below"))
    return Page(
        title="Yield trades that pay after every cost",
        subtitle=(
            f"As of {human(iso(found.as_of), 'moment')} UTC, at {settings.size_usd:,.0f} USD of own capital a trade, "
            "ranked by risk-adjusted dollars a day."
        ),
        sections=(
            _summary(sheet),
            *(_opportunity(sheet, row, place) for place, row in enumerate(found.accepted[:SHOWN], 1)),
            _rejected(sheet),
            _settings(sheet),
        ),
        footer=(
            f"yieldtrade {__version__}. All times are UTC. Expected figures are means, not promises; "
            "a trade's flags say what it does not know."
        ),
    )


def _summary(sheet: _Sheet) -> Section:
    found, accepted = sheet.found, sheet.found.accepted
    blocks: list[Block] = [Tiles(tiles=tuple(_tiles(found)), origin=sheet.origin)]
    if accepted:
        records = [to_record(row) for row in accepted]
        blocks.append(
            table(records, present(records, TABLE), caption="Accepted trades, in rank", origin=sheet.origin)
        )
        blocks.append(Items(lines=tuple(legend(accepted))))
    else:
        blocks.append(
            Text(text="No trade is accepted. The rejected ones below name what failed and its limit.")
        )
    if found.notes:
        blocks.append(Items(lines=found.notes))
    return Section(key="summary", title="What to do", blocks=tuple(blocks))


def _tiles(found: ScreenResult) -> Iterator[Tile]:
    accepted = found.accepted
    yield Tile("accepted", str(len(accepted)), f"of {len(found.rows)} looked at")
    if accepted:
        best = to_record(accepted[0])
        yield Tile(
            "best", f"{best['market']} {best['trade']}", f"{human(best['per_day_usd'], 'usd')} USD a day"
        )
        yield Tile(
            "expected", f"{human(best['expected_pnl_usd'], 'usd')} USD", "of the best, after every cost"
        )
        yield Tile("P(loss)", human(best["p_loss"], "percent"), "of the best")


def _opportunity(sheet: _Sheet, row: Opportunity, place: int) -> Section:
    record = to_record(row)
    drawn = tuple(payoffs(row))
    blocks: list[Block] = [Pairs(pairs=tuple(_figures(record)), origin=sheet.origin)]
    if drawn:
        blocks.append(_payoff_chart(drawn, f"payoff-{place}", sheet.origin))
    blocks.extend(_stresses(sheet, row, f"stress-{place}"))
    blocks.extend(_tables(sheet, record))
    if row.notes:
        blocks.append(Items(lines=row.notes))
    title = f"{place}. {record['market']}: {record['trade']}"
    return Section(key=f"trade-{place}", title=title, blocks=tuple(blocks))


def _figures(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a trader asks of one trade, in words and figures."""
    percent = {
        "net APY": "net_apy_shown",
        "naive APY": "net_apy_naive",
        "return over the horizon": "horizon_return",
        "probability of loss": "p_loss",
        "probability of liquidation": "p_liquidation",
        "probability of earning less than the hurdle": "p_below_hurdle",
    }
    dollars = {
        "expected profit, USD": "expected_pnl_usd",
        "risk-adjusted, USD": "risk_adjusted_usd",
        "worst 5 %, mean loss, USD": "es5_usd",
        "best size, USD": "best_size_usd",
        "largest size without a loss, USD": "edge_capacity_usd",
    }
    yield "days", human(record["horizon_days"], "days")
    for label, key in percent.items():
        if record[key] is not None:
            yield label, human(record[key], "percent")
    for label, key in dollars.items():
        if record[key] is not None:
            yield label, human(record[key], "usd")
    for label, key in (
        ("breaks even", "break_even"),
        ("liquidated at", "liquidation"),
        ("binding", "binding"),
    ):
        if record[key] is not None:
            yield label, str(record[key]).replace("\n", ", ")


def _payoff_chart(lines: Sequence[Payoff], name: str, origin: Origin) -> Chart:
    """Draw the profit by each factor, a panel each, with the mean and the break-even."""

    def draw(figure: Any, narrow: bool) -> None:  # noqa: FBT001
        shown = lines[:1] if narrow else lines
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axes, line in zip(panels, shown, strict=True):
            x = [100 * value for value in line.values]
            axes.fill_between(x, line.pnl_usd, 0, where=line.pnl_usd >= 0, color=GREEN, alpha=0.25, lw=0)
            axes.fill_between(x, line.pnl_usd, 0, where=line.pnl_usd < 0, color=ORANGE, alpha=0.25, lw=0)
            axes.plot(x, line.pnl_usd, color=BLUE, lw=2)
            axes.axhline(0, color=INK, lw=0.8)
            axes.axvline(100 * line.mean, color=FAINT, lw=1, ls=":")
            axes.set_xlabel(FACTOR_WORDS.get(line.factor, line.factor))
        panels[0].set_ylabel("profit, USD")

    return chart(
        draw,
        name=name,
        title="Profit by what is uncertain, everything else at its mean (dotted)",
        description=" ".join(_words(line) for line in lines),
        origin=origin,
    )


def _words(line: Payoff) -> str:
    ends = [(100 * line.values[k], line.pnl_usd[k]) for k in (0, -1)]
    label = FACTOR_WORDS.get(line.factor, line.factor)
    low, high = (f"{human(float(pnl), 'usd')} USD at {x:.4g}" for x, pnl in ends)
    return f"{label}: {low}, {high}, mean {100 * line.mean:.4g}."


def _stresses(sheet: _Sheet, row: Opportunity, name: str) -> Iterator[Block]:
    records = stress_records(row)
    shown = [record for record in records if record["pnl"] is not None]
    if not shown:
        return
    if len(shown) >= DRAWN:
        yield _stress_chart(shown, name, sheet.origin)
    yield table(shown, present(shown, _STRESSES), caption="Stresses", origin=sheet.origin)
    absent: dict[str, list[str]] = {}
    for record in records:
        if record["pnl"] is None:
            absent.setdefault(record["reason"], []).append(record["name"])
    if absent:
        yield Items(lines=tuple(f"n/a: {', '.join(names)} ({reason})" for reason, names in absent.items()))


def _stress_chart(shown: Sequence[dict[str, Any]], name: str, origin: Origin) -> Chart:
    def draw(figure: Any, narrow: bool) -> None:  # noqa: FBT001
        axes = figure.subplots()
        values = [record["pnl"] for record in shown]
        colours = [GREEN if value >= 0 else ORANGE for value in values]
        axes.barh(range(len(shown)), values, color=colours, alpha=0.85)
        axes.set_yticks(range(len(shown)), [record["name"] for record in shown], fontsize=7 if narrow else 8)
        axes.invert_yaxis()
        axes.axvline(0, color=INK, lw=0.8)
        axes.set_xlabel("profit, USD")

    words = "; ".join(f"{record['name']} {human(record['pnl'], 'usd')} USD" for record in shown)
    return chart(
        draw, name=name, title="Profit under each shock, one at a time", description=words, origin=origin
    )


def _tables(sheet: _Sheet, record: dict[str, Any]) -> Iterator[Block]:
    parts = [{"part": name, "usd": value} for name, value in record["decomposition"].items()]
    if parts:
        columns = (Column("part", "part"), Column("usd", "USD", "usd"))
        yield table(parts, columns, caption="Where the result comes from", origin=sheet.origin)
    if record["legs"]:
        yield table(record["legs"], present(record["legs"], _LEGS), caption="Legs", origin=sheet.origin)
    inputs = [{**line, "value": _value(line["value"])} for line in record["inputs"]]
    yield table(inputs, present(inputs, _INPUTS), caption="Inputs and their sources", origin=sheet.origin)
    yield Items(lines=tuple(record["explain"]))


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.10g}" if math.isfinite(value) else ABSENT
    return ABSENT if value is None else str(value)


def _rejected(sheet: _Sheet) -> Section:
    records = [to_record(row) for row in sheet.found.rows if row.status == "rejected"]
    if not records:
        return Section(key="rejected", title="Rejected", blocks=(Text(text="Nothing was rejected."),))
    shown = table(
        records,
        present(records, _REJECTED),
        caption="The number that failed and its limit",
        origin=sheet.origin,
    )
    return Section(key="rejected", title="Rejected", blocks=(shown,))


def _settings(sheet: _Sheet) -> Section:
    settings = sheet.found.settings
    names = (
        "size_usd",
        "horizon_days",
        "leverage",
        "max_leverage",
        "min_edge",
        "max_p_loss",
        "max_p_liquidation",
    )
    more = (
        "kappa",
        "hurdle",
        "random_seed",
        "max_quote_age_days",
        "max_rate_age_days",
        "lender",
        "debt_asset",
    )
    pairs = tuple((name, _value(getattr(settings, name))) for name in (*names, *more))
    return Section(key="settings", title="Settings", blocks=(Pairs(pairs=pairs, origin=sheet.origin),))
