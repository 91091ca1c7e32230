"""Reads a page back: its elements, texts and tables, refusing what is not well formed."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import NamedTuple

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Element(NamedTuple):
    """One element: its tag, attributes and place in the tree."""

    tag: str
    attributes: dict[str, str | None]
    path: tuple[str, ...]


class Page(HTMLParser):
    """A page taken apart."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.tables, self._open, self._texts = [], [], [], [""]
        self.texts = []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        """Open an element."""
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"an attribute twice in <{tag}>"
        self.elements.append(Element(tag, dict(attrs), tuple(self._open)))
        if tag in VOID:
            return
        self._open.append(tag)
        self._texts.append("")
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])

    def handle_endtag(self, tag):
        """Close the element opened last, and no other."""
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1] == tag, f"</{tag}> within {self._open}"
        self._open.pop()
        text = self._texts.pop()
        self.texts.append((tag, text.strip()))
        self._texts[-1] += text
        if tag in ("td", "th"):
            last = next(e for e in reversed(self.elements) if e.tag == tag)
            self.tables[-1][-1].append((text, last.attributes.get("data-value")))

    def handle_data(self, data):
        """Collect text."""
        self._texts[-1] += data

    def all(self, tag, **attributes):
        """Return the elements of a tag with these attributes."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [e for e in self.elements if e.tag == tag and wanted.items() <= e.attributes.items()]

    def of(self, tag):
        """Return the texts of the elements of a tag."""
        return [text for name, text in self.texts if name == tag]

    def table(self, caption):
        """Return the rows of the table under a caption, the headings first."""
        captions = [e.attributes["aria-label"] for e in self.elements if e.attributes.get("role") == "region"]
        return self.tables[captions.index(caption)]
