"""Tables and lines of the screen on terminals of 80 and 120 columns."""

from __future__ import annotations

import re
from io import StringIO

import pytest

from yieldtrade.report.output import Column, folded, human, write_table
from yieldtrade.report.screen_report import FIELDS, LEG_TABLE, REJECTED, TABLE

MARKETS = ("JLP-08MAR26", "fragSOL-15DEC26", "PT-kySOL-15JUN26")
REASON = (
    "no_edge_after_costs: expected return over the horizon -0.6203% after costs, not above 0.0000%\n"
    "not known: exponent.initial_collateral_ratio, exponent.maintenance_collateral_ratio, exponent.max_leverage"
)


class Terminal(StringIO):
    """A stream that says it is a terminal; its width comes from COLUMNS."""

    def isatty(self):
        """See io.TextIOBase."""
        return True

    def text(self):
        """What is written, without colours."""
        return re.sub(r"\x1b\[[\d;]*m", "", self.getvalue())


@pytest.fixture(params=[80, 120])
def width(request, monkeypatch):
    """The width of the terminal."""
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("TERM", "xterm")
    return request.param


def record(market):
    """A row with every figure at its usual length."""
    figures = {column.key: -1234.5678 for column in (*TABLE, *REJECTED) if column.style != "text"}
    rates = {column.key: -0.123456 for column in (*TABLE, *REJECTED) if column.style == "percent"}
    return {
        **figures,
        **rates,
        "market": market,
        "trade": "PT fixed",
        "break_even": "12.34% APY\n5.678% borrow\n23.45% exit",
        "liquidation": "0.9123 PT price in ST",
        "reason_short": REASON,
    }


def printed(columns, width):
    """The lines of a table."""
    stream = Terminal()
    write_table([record(market) for market in MARKETS], columns, stream)
    lines = stream.text().splitlines()
    assert max(map(len, lines)) <= width
    return lines


@pytest.mark.parametrize("columns", [TABLE, REJECTED], ids=["accepted", "rejected"])
def test_no_name_and_no_number_is_broken(columns, width):
    """Names stand whole; every number on the page is one of those written; headings that stand are whole."""
    lines = printed(columns, width)
    text = "\n".join(lines)
    assert all(market in text for market in MARKETS)
    table = text.split("left out")[0]
    allowed = {
        "-12.35%",
        "-1,234.57",
        "-1,235",
        "12.34%",
        "5.678%",
        "23.45%",
        "0.9123",
        "-0.6203%",
        "0.0000%",
    }
    numbers = re.findall(r"(?<![\w-])-?\d[\d.,]*%?", table)
    assert len(numbers) >= 3 * len(MARKETS) or columns is REJECTED
    assert set(numbers) <= allowed
    heading = next(line for line in lines if "market" in line)
    known = {word for column in columns for word in column.heading.split()}
    assert set(heading.split()) <= known


def test_reasons_break_between_words(width):
    """Each word of a reason stands whole, however narrow the terminal."""
    text = " ".join(" ".join(printed(REJECTED, width)).split())
    assert set(REASON.split()) <= set(text.split())


def test_a_text_gives_way_before_a_number(width):
    """Where nothing can be spared a text is folded, and the numbers beside it stay whole."""
    columns = [Column("text", "text"), *(Column(f"n{place}", f"n{place}", "usd") for place in range(4))]
    stream = Terminal()
    row = {"text": "words " * 30, **{f"n{place}": 123_456.78 for place in range(4)}}
    write_table([row], columns, stream)
    assert stream.text().count("123,456.78") == 4


def test_lines_are_folded_at_blanks_on_a_terminal_only(width):
    """A line is folded to the width, ids unbroken; in a file it stays one line."""
    line = "no_depth (" + ", ".join(f"{market}:interest_period-long" for market in MARKETS) + "): spot quote"
    lines = folded(line, Terminal()).splitlines()
    assert max(map(len, lines)) <= width
    assert " ".join(" ".join(lines).split()) == line
    assert all(f"{market}:interest_period-long" in "\n".join(lines) for market in MARKETS)
    assert folded(line, StringIO()) == line


def test_legs_fit(width):
    """A table of legs keeps who, when, what, how much and at which price."""
    leg = {
        "row_id": "fragSOL-15DEC26:interest_period-short",
        "status": "rejected",
        "strategy": "interest_period",
        "side": "short",
        "venue": "exponent",
        "market": "fragSOL-15DEC26",
        "when": "2026-01-01T18:30:00Z",
        "action": "redeem",
        "token": "PT-fragSOL-15DEC26",
        "amount": 2281.932703207509,
        "price_st": 0.9690349781283836,
        "value_usd": 9990.00999000999,
        "fee_usd": 9.990009990008925,
    }
    stream = Terminal()
    write_table([leg], LEG_TABLE, stream)
    words = stream.text().split()
    assert {"2026-01-01", "redeem", "PT-fragSOL-15DEC26", "2,281.93", "0.9690", "9.99"} <= set(words)
    assert ("9,990.01" in words) == (width == 120)


def test_fields_are_read_by_their_kind():
    """A list of flags is text, which is folded; a share is a percentage, an amount dollars, a moment a date."""
    styles = {column.key: column.style for column in FIELDS}
    expected = {
        **dict.fromkeys(("flags", "status", "inputs", "decomposition", "trade"), "text"),
        **dict.fromkeys(("p_loss", "net_apy_exact", "break_even_borrow", "horizon_return", "ltv"), "percent"),
        **dict.fromkeys(("es5_usd", "expected_pnl_usd"), "usd"),
        **dict.fromkeys(("break_even_days", "horizon_days"), "days"),
        **dict.fromkeys(("maturity", "as_of"), "moment"),
        **dict.fromkeys(("leverage", "health_factor"), "number"),
    }
    assert {name: styles[name] for name in expected} == expected


def test_ids_and_flags_stay_whole_beside_numbers(width):
    """Two long texts and numbers: each text is folded between its words."""
    row_id = "fragSOL-15DEC26:fixed_income"
    flags = ["fixed_in_st", "given_quote", "no_depth", "stale_hurdle", "tail_risk_not_priced"]
    columns = [Column("id", "id"), Column("pnl", "PnL $", "usd"), Column("flags", "flags")]
    stream = Terminal()
    write_table([{"id": row_id, "pnl": 1234.5, "flags": flags * 3}], columns, stream)
    assert max(map(len, stream.text().splitlines())) <= width
    words = stream.text().replace(";", " ").split()
    assert {row_id, "1,234.50", *flags} <= set(words)
    assert words.count("tail_risk_not_priced") == 3


@pytest.mark.parametrize(
    ("value", "text"), [(-0.0, "0.00"), (-0.001, "0.00"), (-0.006, "-0.01"), (-2e6, "-2.000M")]
)
def test_a_loss_of_nothing_has_no_minus(value, text):
    """What rounds to zero dollars is written as zero, whatever its sign."""
    assert human(value, "usd") == text
