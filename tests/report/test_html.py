"""The page that reports share: structure, escaping, no network, colours, charts, writing."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import sys
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import matplotlib as mpl
import pytest
from page_reader import Page as Read

from yieldtrade.errors import MissingDataError, YieldtradeError
from yieldtrade.report.html import (
    BLUE,
    INK,
    ORANGE,
    Items,
    Origin,
    Page,
    Pairs,
    Section,
    Text,
    Tile,
    Tiles,
    chart,
    inline_svg,
    render,
    table,
    write_page,
)
from yieldtrade.report.output import Column

HOSTILE = """</script><evil onload="x">&amp;'"{{ 7 * 7 }}$x$"""
ORIGIN = Origin(datetime(2026, 1, 1, tzinfo=UTC), "a file")
SHEET = (files("yieldtrade.report") / "templates" / "page.css").read_text("utf-8")


def draw(figure, narrow):
    """Points, an area and texts in the page's colours."""
    axes = figure.subplots()
    axes.plot([1, 2, 3], [1, 4, 2], "o", color=BLUE, label=HOSTILE)
    axes.fill_between([1, 2, 3], [0, 1, 0], [2, 5, 3], color=ORANGE, alpha=0.3)
    axes.set(xlabel="narrow" if narrow else "wide")
    figure.legend()


def page(word="plain", **more):
    """A page with one block of every kind."""
    columns = (Column("name", word), Column("rate", "rate", "percent"))
    origin = Origin(ORIGIN.as_of, word)
    blocks = (
        Text(text=word),
        Items(lines=(word,)),
        Tiles(tiles=(Tile(word, word, word),), origin=origin),
        Pairs(pairs=((word, word),), origin=origin),
        table([{"name": word, "rate": 1 / 3}], columns, caption=word, origin=origin),
        chart(draw, name="c", title=word, description=word, origin=origin),
    )
    words = {"title": word, "subtitle": word, "footer": word, **more}
    return Page(sections=(Section(key="one", title=word, blocks=blocks),), **words)


def luminance(colour):
    """Relative luminance of a colour (WCAG 2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """Contrast ratio of two colours (WCAG 2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def schemes():
    """The variables of the sheet in light and in dark."""
    light, dark = SHEET.split("@media (prefers-color-scheme: dark)")
    found = [dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in (light, dark)]
    assert found[0].keys() == found[1].keys()
    return found


def test_a_page_is_well_formed_and_its_anchors_lead_somewhere():
    """Every element is closed, every id is there once, every link of the navigation leads to a section."""
    text = render(page())
    read = Read(text)
    assert text.startswith('<!doctype html>\n<html lang="en">')
    ids = [e.attributes["id"] for e in read.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    assert [e.attributes["href"] for e in read.all("a")] == ["#one"]
    assert read.all("section", id="one")
    assert read.all("meta", name="viewport", content="width=device-width, initial-scale=1")


def test_hostile_text_stays_text_wherever_it_stands():
    """Markup, template code and formulas in any text come out as they were written, and start nothing."""
    text = render(page(HOSTILE))
    read = Read(text)
    assert not read.all("evil")
    assert len(read.all("script")) == 1
    assert "49" not in "".join(read.of("p"))
    for tag in ("title", "h1", "h2", "p", "li", "dt", "dd", "figcaption", "th", "desc", "text"):
        assert HOSTILE in read.of(tag), tag
    for name in ("aria-label", "data-value"):
        assert HOSTILE in [e.attributes.get(name) for e in read.elements]


def test_a_page_asks_nothing_of_the_network():
    """No address stands in it, and its policy allows the one script it carries and nothing else."""
    text = render(page())
    read = Read(text)
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert all(found.startswith("#") for found in re.findall(r"url\(([^)]*)\)", text))
    for element in read.elements:
        assert "src" not in element.attributes
        assert element.attributes.get("href", "#").startswith("#")
        assert not any(name.startswith("on") for name in element.attributes)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [e.attributes["content"] for e in read.all("meta") if "http-equiv" in e.attributes]
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_a_table_reads_in_four_digits_and_sorts_by_the_full_figure():
    """Cells carry what a script sorts by: full precision, nothing if absent, infinities as JavaScript does."""
    rates = [1 / 3, None, math.inf, math.nan, -0.5, True]
    records = [{"name": f"n{place}", "rate": rate} for place, rate in enumerate(rates)]
    block = table(
        records, (Column("name", "name"), Column("rate", "rate", "percent")), caption="rates", origin=ORIGIN
    )
    read = Read(render(Page(title="", subtitle="", footer="", sections=(_section(block),))))
    head, *rows = read.table("rates")
    assert [text for text, _ in head] == ["name", "rate"]
    assert [row[1] for row in rows] == [
        ("33.33%", repr(1 / 3)),
        ("-", ""),
        ("inf", "Infinity"),
        ("-", ""),
        ("-50.00%", "-0.5"),
        ("yes", "True"),
    ]
    assert len(read.all("th", scope="col")) == 2
    assert len(read.all("th", scope="row")) == len(rates)
    assert read.all("div", class_="scroll", tabindex="0", role="region")
    assert block.steady
    assert "As of 2026-01-01 UTC. Source: a file." in read.of("p")


def _section(block):
    return Section(key="one", title="", blocks=(block,))


def test_long_texts_fold_and_then_their_column_scrolls_along():
    """A long first cell is folded; a column that wide does not stand still on a phone."""
    long = table([{"name": "a " * 20}], (Column("name", "name"),), caption="", origin=ORIGIN)
    assert not long.steady
    assert Read(render(Page(title="", subtitle="", footer="", sections=(_section(long),)))).all(
        "th", class_="wide"
    )


def test_a_chart_is_drawn_for_both_widths_in_the_colours_of_the_sheet():
    """Two drawings, each with its title and description; no colour of its own, no font, no date, no id of the other."""
    block = chart(draw, name="c", title="Title", description="What it shows", origin=ORIGIN)
    for svg, kind in ((block.wide, "wide"), (block.narrow, "narrow")):
        read = Read(svg)
        (root,) = read.all("svg", role="img", class_=f"chart {kind}")
        assert root.attributes["aria-labelledby"] == f"c-{kind}-title c-{kind}-desc"
        assert "width" not in root.attributes
        assert (read.of("title"), read.of("desc")) == (["Title"], ["What it shows"])
        assert kind in read.of("text")
        assert not re.search(r"#[0-9a-fA-F]{6}\b", svg)
        assert not re.search(r"font-family|<!--|<style|metadata|xmlns", svg)
        assert set(re.findall(r"var\(--(\w+)\)", svg)) >= {"ink", "faint", "rule", "blue", "orange"}
        ids = {e.attributes["id"] for e in read.elements if "id" in e.attributes}
        used = set(re.findall(r'(?:url\(|href=")#([\w-]+)', svg))
        assert used
        assert used <= ids
        assert all(name.startswith(f"c-{kind}-") for name in ids)


def test_equal_marks_write_their_style_once():
    """A thousand points cost no more than their places."""

    def many(figure, _):
        figure.subplots().plot(range(1_000), range(1_000), "o", color=BLUE)

    svg = inline_svg(many, name="m", title="", description="")
    assert len(re.findall("<use ", svg)) > 1_000
    assert len(svg) < 80_000


def test_a_drawing_does_not_depend_on_who_draws_it():
    """The same bytes again, whatever the reader's own settings of matplotlib are, which stay as they were."""
    first = inline_svg(draw, name="c", title="t", description="d")
    with mpl.rc_context({"font.size": 30, "text.color": "red", "svg.fonttype": "path", "axes.grid": False}):
        assert inline_svg(draw, name="c", title="t", description="d") == first
        assert mpl.rcParams["font.size"] == 30
    assert inline_svg(draw, name="other", title="t", description="d") != first
    assert render(page()) == render(page())


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_stand_out_in_light_and_dark(scheme):
    """Texts have a contrast of at least 4.5 and lines of at least 3 to what they stand on (WCAG 2)."""
    found = schemes()[scheme]
    for name in ("ink", "faint", "link"):
        assert min(contrast(found[name], found[ground]) for ground in ("paper", "panel")) >= 4.5
    for name in ("blue", "orange", "green", "purple", "grey"):
        assert contrast(found[name], found["paper"]) >= 3
    assert INK not in found.values()


def test_every_colour_drawn_with_is_in_the_sheet():
    """No variable is used that the sheet does not define."""
    defined = set(schemes()[0])
    used = set(re.findall(r"var\(--(\w+)\)", render(page()) + SHEET))
    assert used <= defined


def test_a_page_is_written_whole_and_leaves_nothing_else(tmp_path):
    """The file holds the page, replaces an older one, also behind a link, and has no company."""
    file, link = tmp_path / "page.html", tmp_path / "link.html"
    link.symlink_to(file)
    file.write_text("old")
    size = write_page(page(), str(link))
    assert file.read_bytes() == render(page()).encode()
    assert file.stat().st_size == size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.html", "page.html"]
    assert link.is_symlink()


@pytest.mark.parametrize("path", ["missing/page.html", "folder", "file/page.html"])
def test_a_path_that_cannot_be_written_is_one_line(tmp_path, path):
    """A missing folder, a folder, a file for a folder: one line that names the path, and nothing written."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept")
    with pytest.raises(YieldtradeError, match=rf"{path}: the page cannot be written \([^\n]+\)$"):
        write_page(page(), str(tmp_path / path))
    assert sorted(found.name for found in tmp_path.rglob("*")) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "kept"


def test_a_write_that_fails_half_way_keeps_the_old_page(tmp_path, monkeypatch):
    """When the disk gives up the old file stands and the unfinished one is gone."""
    file = tmp_path / "page.html"
    file.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(YieldtradeError, match="No space left on device"):
        write_page(page(), str(file))
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_a_missing_library_is_named_with_its_remedy(monkeypatch, library):
    """Without a library the error says how to install it."""
    ready = page()
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(
        MissingDataError, match=rf"needs {library}; install it with `pip install 'yieldtrade\[charts\]'`"
    ):
        render(ready) if library == "jinja2" else page()
