"""The table of docs/pool.md names functions and tests that exist."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROW = re.compile(
    r"^\| (?P<item>.+?) \| `(?P<function>[\w.]+)` \| `(?P<file>[\w/.]+)::(?P<test>\w+)` \|$", re.MULTILINE
)
TABLES = (
    (HERE.parent / "docs" / "pool.md")
    .read_text("utf-8")
    .split("<!-- coverage -->")[1]
    .split("<!-- end coverage -->")[0]
)
ROWS = [match.groupdict() for match in ROW.finditer(TABLES)]
# Every item that pdlp.md asks for, as its row begins.
PAPER = (
    *(f"({number})" for number in range(1, 17)),
    "liquidation condition",
    "G, x*, LP loss",
    "constant product example",
    "R^A, w",
    "ownership",
    "discount conditions",
    "claim 3.1",
    "claim 3.2",
    "claim 3.3",
    "claim 3.4",
    "footnote 5",
    "V_new",
    "figure 2",
    "variance condition",
    "claim 4.1",
    *(f"appendix A, step {number}" for number in range(1, 7)),
    "Schur complements",
    "claim B.1",
)


def test_every_line_of_the_tables_is_understood():
    """Each line with a cell is a heading, a rule or a row of three."""
    lines = [line for line in TABLES.splitlines() if line.startswith("|")]
    headings = [line for line in lines if line.endswith("| function | test |") or set(line) <= set("|-")]
    assert len(lines) == len(ROWS) + len(headings)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["item"][:40])
def test_the_function_and_the_test_exist(row):
    """The module has the function, the file has the test."""
    module, _, name = row["function"].rpartition(".")
    assert callable(getattr(importlib.import_module(f"yieldtrade.{module}"), name))
    tree = ast.parse((HERE / row["file"]).read_text("utf-8"))
    assert row["test"] in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("item", PAPER)
def test_every_item_of_the_paper_has_a_row(item):
    """Equations, claims, conditions, the figure and the steps of the appendix."""
    assert any(row["item"].startswith(item) for row in ROWS), item
