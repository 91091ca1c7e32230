"""One-file HTML pages: text, key figures, sortable tables and charts as inline SVG, for any report.

A page asks nothing of the network (its own policy forbids it), follows the reader's light or dark setting, and is
the same to the last byte for the same values. Every text is escaped. Figures state their moment and their source:
what shows some cannot be made without an :class:`Origin`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, TypeAlias

from yieldtrade.conventions import iso
from yieldtrade.errors import MissingDataError, YieldtradeError
from yieldtrade.report.output import human

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from xml.etree.ElementTree import Element

    from yieldtrade.report.output import Column

# Colours to draw with. They stand in the drawing for variables of the style sheet, which has two values of each.
INK, FAINT, RULE = "#fe0001", "#fe0002", "#fe0003"
BLUE, ORANGE, GREEN, PURPLE, GREY = "#fe0004", "#fe0005", "#fe0006", "#fe0007", "#fe0008"
_VARIABLES = {
    INK: "ink",
    FAINT: "faint",
    RULE: "rule",
    BLUE: "blue",
    ORANGE: "orange",
    GREEN: "green",
    PURPLE: "purple",
    GREY: "grey",
}
_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "date.converter": "concise",
    "grid.color": RULE,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "hatch.color": INK,
    "font.size": 10,
}
# Inches of a chart on a wide screen and on a phone; a point of the drawing is about a pixel of either.
_WIDE, _NARROW = (11.0, 4.4), (4.7, 4.4)
# Texts longer than this are folded.
_LONG_TEXT = 28
_WIDE_CELL = "wide"
_SCRIPT, _SHEET, _TEMPLATE = "page.js", "page.css", "page.html"

Draw: TypeAlias = "Callable[[Any, bool], None]"


class Origin(NamedTuple):
    """When the figures beside it were known, and where they come from."""

    as_of: datetime
    source: str

    @property
    def moment(self) -> str:
        """The moment as a person reads it."""
        return human(iso(self.as_of), "moment")


class Tile(NamedTuple):
    """One key figure."""

    label: str
    value: str
    note: str = ""


class Head(NamedTuple):
    """The heading of a column."""

    text: str
    numeric: bool


class Cell(NamedTuple):
    """One cell: what is read, what it is sorted by (empty where absent), and how it is set."""

    text: str
    value: str
    style: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A list of sentences."""

    kind: ClassVar[str] = "items"
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """Key figures side by side."""

    kind: ClassVar[str] = "tiles"
    tiles: tuple[Tile, ...]
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Names and what they stand for, a line each."""

    kind: ClassVar[str] = "pairs"
    pairs: tuple[tuple[str, str], ...]
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table a reader can sort; make one with :func:`table`."""

    kind: ClassVar[str] = "table"
    caption: str
    heads: tuple[Head, ...]
    rows: tuple[tuple[Cell, ...], ...]
    origin: Origin

    @property
    def steady(self) -> bool:
        """Say whether the first column is narrow enough to stand still while the others are scrolled."""
        return all(row[0].style != _WIDE_CELL for row in self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart drawn twice, for a wide screen and for a phone; make one with :func:`chart`."""

    kind: ClassVar[str] = "chart"
    title: str
    wide: str
    narrow: str
    origin: Origin


Block: TypeAlias = Text | Items | Tiles | Pairs | Table | Chart


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a page; ``key`` is its anchor."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A whole page."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    footer: str


def table(
    records: Sequence[Mapping[str, Any]], columns: Sequence[Column], *, caption: str, origin: Origin
) -> Table:
    """Lay records out as a table: read with four significant digits, sorted by the full figure."""
    cells = [[_cell(record.get(column.key), column) for column in columns] for record in records]
    return Table(
        caption=caption,
        heads=tuple(Head(column.heading, _numeric(column)) for column in columns),
        rows=tuple(map(tuple, cells)),
        origin=origin,
    )


def _numeric(column: Column) -> bool:
    return column.style not in ("text", "moment")


def _cell(value: Any, column: Column) -> Cell:
    text = human(value, column.style)
    if _numeric(column):
        return Cell(text, _sorted_by(value), "number")
    return Cell(text, _sorted_by(value), _WIDE_CELL if len(text) > _LONG_TEXT else "")


def _sorted_by(value: Any) -> str:
    """Write a value so that the script on the page reads it in full: as JavaScript writes numbers."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return str(value)


def chart(draw: Draw, *, name: str, title: str, description: str, origin: Origin) -> Chart:
    """Draw a chart for a wide screen and for a phone.

    Parameters
    ----------
    draw
        Called with a matplotlib figure and whether it is the narrow one; it draws in the colours of this module.
    name
        Identifies the chart on its page: letters, digits and hyphens.
    title
        Its heading.
    description
        The same in words, for whoever cannot see it.
    origin
        When its figures were known and where they come from.

    Raises
    ------
    MissingDataError
        matplotlib is not installed.
    """
    return Chart(
        title=title,
        wide=inline_svg(draw, name=f"{name}-wide", title=title, description=description),
        narrow=inline_svg(draw, name=f"{name}-narrow", title=title, description=description, narrow=True),
        origin=origin,
    )


def inline_svg(draw: Draw, *, name: str, title: str, description: str, narrow: bool = False) -> str:
    """Draw one SVG element to stand inside a page: coloured by the style sheet, no two ids alike, no dates.

    The reader's matplotlib settings have no say in it.

    Raises
    ------
    MissingDataError
        matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDataError(_lacking("matplotlib")) from None
    drawn = io.StringIO()
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        mpl.rcParams["svg.hashsalt"] = name
        figure = Figure(figsize=_NARROW if narrow else _WIDE, layout="constrained")
        draw(figure, narrow)
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return _cleaned(drawn.getvalue(), name, (title, description), "chart narrow" if narrow else "chart wide")


def _lacking(library: str) -> str:
    return f"an HTML report needs {library}; install it with `pip install 'yieldtrade[charts]'`"


_SVG: Final = "{http://www.w3.org/2000/svg}"
_LINK: Final = "{http://www.w3.org/1999/xlink}href"
_TARGET = re.compile(r"url\(#([^)]+)\)")
_FAMILY = re.compile(r"font-family: [^;]*; ?")
_COLOUR = re.compile("|".join(_VARIABLES))
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_UNWANTED = ("metadata", "style")


def _cleaned(svg: str, name: str, texts: tuple[str, str], kind: str) -> str:
    """Make a drawing part of a page: its own ids, short numbers, variables for colours, words for those who hear it."""
    from xml.etree import ElementTree as ET

    root = ET.fromstring(svg)  # noqa: S314 - drawn a moment ago, by us
    _strip(root)
    used = {target for element in root.iter() for target in _targets(element)}
    for element in root.iter():
        _rename(element, used, name)
        _share_style(element)
        element.attrib = {key: _plain(key, value) for key, value in element.attrib.items()}
        if element.tag != "text":
            element.text = None
        element.tail = "\n"
    titles = (ET.Element("title", {"id": f"{name}-title"}), ET.Element("desc", {"id": f"{name}-desc"}))
    for place, (element, text) in enumerate(zip(titles, texts, strict=True)):
        element.text, element.tail = text, "\n"
        root.insert(place, element)
    root.attrib = {
        "class": kind,
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-desc",
    }
    root.tail = None
    return ET.tostring(root, encoding="unicode", short_empty_elements=False)


def _strip(element: Element) -> None:
    """Drop namespaces, which HTML does not need, and what matplotlib says of itself."""
    element.tag = element.tag.removeprefix(_SVG)
    if _LINK in element.attrib:
        element.attrib["href"] = element.attrib.pop(_LINK)
    for child in list(element):
        if child.tag.removeprefix(_SVG) in _UNWANTED:
            element.remove(child)
        else:
            _strip(child)


def _targets(element: Element) -> Iterator[str]:
    """Yield the ids an element points at."""
    for key, value in element.attrib.items():
        yield from (found[1] for found in _TARGET.finditer(f"url({value})" if key == "href" else value))


def _rename(element: Element, used: set[str], name: str) -> None:
    """Keep only the ids that something points at, and make them the drawing's own."""
    given = element.attrib.pop("id", None)
    if given in used:
        element.attrib["id"] = f"{name}-{given}"
    for key, value in element.attrib.items():
        if key == "href":
            element.attrib[key] = value.replace("#", f"#{name}-")
        else:
            element.attrib[key] = _TARGET.sub(rf"url(#{name}-\1)", value)


def _share_style(element: Element) -> None:
    """Write the style of many equal marks once, on their group."""
    styles = {child.attrib.get("style") for child in element}
    marks = len(element) > 1 and all(child.tag == "use" for child in element)
    if marks and len(styles) == 1 and "style" not in element.attrib and None not in styles:
        element.attrib["style"] = element[0].attrib["style"]
        for child in element:
            del child.attrib["style"]


def _plain(key: str, value: str) -> str:
    """Round coordinates to a hundredth of a point; put variables for colours; leave the font to the page."""
    if key in ("d", "x", "y", "width", "height", "transform", "points"):
        return " ".join(_LONG_NUMBER.sub(lambda match: f"{float(match[0]):.2f}", value).split())
    return _COLOUR.sub(lambda match: f"var(--{_VARIABLES[match[0]]})", _FAMILY.sub("", value))


def render(page: Page) -> str:
    """Return the page as text: the same for the same page.

    Raises
    ------
    MissingDataError
        jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError:
        raise MissingDataError(_lacking("jinja2")) from None
    loader = PackageLoader("yieldtrade.report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style, script = (loader.get_source(environment, name)[0] for name in (_SHEET, _SCRIPT))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        environment.get_template(_TEMPLATE)
        .render(page=page, style=style.rstrip(), script=script, script_hash=digest)
        .lstrip()
    )


def write_page(page: Page, path: str) -> int:
    """Write a page to a file, whole or not at all, and return its size in bytes; an existing file is replaced.

    Raises
    ------
    MissingDataError
        A library is not installed.
    YieldtradeError
        The file cannot be written.
    """
    text = render(page).encode()
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if target.exists() and not target.is_file():
            raise YieldtradeError(f"{path}: the page cannot be written (not a regular file)")
        with temporary.open("xb") as file:
            file.write(text)
        temporary.replace(target)
    except OSError as error:
        raise YieldtradeError(f"{path}: the page cannot be written ({error.strerror})") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return len(text)
