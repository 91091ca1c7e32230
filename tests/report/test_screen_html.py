"""The page of a screen: every accepted trade with its proof, and every rejected one with its reason."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from page_reader import Page as Read

from yieldtrade.errors import YieldtradeError
from yieldtrade.report.html import render
from yieldtrade.report.screen_html import DRAWN, screen_page, write_screen_html
from yieldtrade.report.screen_report import to_record
from yieldtrade.strategies.inputs import BorrowForecast
from yieldtrade.strategies.screen import screen
from yieldtrade.strategies.stress import row_stress

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def found(bundled):
    """A screen of JLP and one SOL market as of 2026, the unpublished fee stated."""
    view = bundled.view(JANUARY).with_terms({"exponent.trading_fee": 0.001})
    return screen(
        view.with_yields({"JLP-08MAR26": 0.19}),
        10_000,
        contracts=["JLP-08MAR26", "JLP-25MAR26"],
        borrow=BorrowForecast(mean_apy=0.08, sd_apy=0.02),
    )


def test_the_page_carries_every_row_and_its_arithmetic(found):
    """The accepted table holds the record's figures in full, rejected rows their reasons, trades their lines."""
    read = Read(render(screen_page(found)))
    records = [to_record(row) for row in found.accepted]
    assert records
    table = read.table("Accepted trades, in rank")
    place = {heading: k for k, (heading, _) in enumerate(table[0])}
    column = next(k for heading, k in place.items() if heading.startswith("PnL"))
    assert [cells[column][1] for cells in table[1:]] == [str(row["expected_pnl_usd"]) for row in records]
    text = " ".join(read.of("li"))
    for line in records[0]["explain"]:
        assert line in text
    rejected = [row for row in found.rows if row.status == "rejected"]
    assert len(read.table("The number that failed and its limit")) == len(rejected) + 1


def test_the_page_is_one_file_and_the_same_each_time(found, tmp_path):
    """No address outside is loaded; the same screen gives the same bytes; every drawing has words."""
    page = render(screen_page(found))
    assert page == render(screen_page(found))
    assert not re.search(r"(?:src|href)=[\"'](?!#)", page)
    read = Read(page)
    drawings = read.all("svg")
    # a payoff chart of each, wide and narrow, and one of stresses where more than a few apply
    stressed = sum(sum(line.applies for line in row_stress(row)) >= DRAWN for row in found.accepted)
    assert len(drawings) == 2 * (len(found.accepted) + stressed) > 2 * len(found.accepted)
    assert all(drawing.attributes["aria-labelledby"] for drawing in drawings)
    path = tmp_path / "screen.html"
    assert write_screen_html(found, str(path)) == len(path.read_bytes())
    with pytest.raises(YieldtradeError, match="cannot be written"):
        write_screen_html(found, str(tmp_path / "no" / "screen.html"))


def test_a_screen_without_trades_says_so(bundled):
    """With nothing accepted the page says what to read instead of a table."""
    found = screen(bundled.view(JANUARY), 10_000, contracts=["JLP-25MAR26"])
    read = Read(render(screen_page(found)))
    assert any("No trade is accepted" in text for text in read.of("p"))
