"""Styles and lists of a Word file: a paragraph's heading level, and the number that Word shows before it."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bioresearcher.papers.jats_xml import tag_of

if TYPE_CHECKING:
    from lxml.etree import _Element

_DEEPEST: Final = 20
"""Styles are based on each other at most so many times."""


@dataclass(frozen=True, slots=True)
class Look:
    """The looks of a paragraph or of a run in it, as far as they change what is read.

    Attributes:
        heading: Level from 1 (the title's; `heading 1` has 2); 0 for other paragraphs.
        contents: It is a line of the table of contents.
        list_id: The list it belongs to; empty for none.
        depth: Its level in the list from 0; None when the list says it by the style.
        style: Id of the paragraph's style.
        hidden: It is not shown.
        raised: It is a superscript.
        symbol: Its letters are drawn in the font Symbol.
    """

    heading: int = 0
    contents: bool = False
    list_id: str = ""
    depth: int | None = None
    style: str = ""
    hidden: bool = False
    raised: bool = False
    symbol: bool = False


def attribute(element: _Element | None, name: str = "val") -> str:
    """An attribute's value, whatever its namespace; empty when it is not there."""
    pairs = element.attrib.items() if element is not None else ()
    return next((str(value) for key, value in pairs if str(key).rpartition("}")[2] == name), "")


def inner(element: _Element | None, *path: str) -> _Element | None:
    """The element at the end of a path of local names."""
    for name in path:
        element = next((x for x in element if tag_of(x) == name), None) if element is not None else None
    return element


def small_number(text: str, default: int) -> int:
    """A whole number of up to four digits; the default for anything else."""
    return int(text) if re.fullmatch(r"[0-9]{1,4}", text) else default


class Styles:
    """The looks that `styles.xml` defines."""

    def __init__(self, root: _Element | None) -> None:
        """Take the part's root element; None when the file has none."""
        styles = [x for x in root if tag_of(x) == "style"] if root is not None else []
        self._styles = {attribute(x, "styleId"): x for x in styles}
        self._known: dict[str, Look] = {}

    def paragraph(self, properties: _Element | None) -> Look:
        """The looks of a paragraph with the given `pPr`."""
        style = attribute(inner(properties, "pStyle"))
        return _changed(replace(self._style(style), style=style), properties, None)

    def run(self, properties: _Element | None, look: Look) -> Look:
        """The looks of a run with the given `rPr` in a paragraph with the given looks."""
        if properties is None:
            return look
        own = self._style(attribute(inner(properties, "rStyle")))
        look = replace(
            look,
            hidden=look.hidden or own.hidden,
            raised=look.raised or own.raised,
            symbol=look.symbol or own.symbol,
        )
        return _changed(look, None, properties)

    def _style(self, name: str, depth: int = 0) -> Look:
        element = self._styles.get(name)
        if element is None:
            fallback = re.fullmatch(r"Heading([1-9])", name)
            return Look(heading=1 + int(fallback[1]) if fallback else int(name == "Title"))
        if name not in self._known and depth < _DEEPEST:
            based = attribute(inner(element, "basedOn"))
            look = self._style(based, depth + 1) if based else Look()
            title = attribute(inner(element, "name")).lower()
            numbered = re.fullmatch(r"heading ([1-9])", title)
            if numbered or title == "title":
                look = replace(look, heading=1 + int(numbered[1]) if numbered else 1)
            look = replace(look, contents=look.contents or title.startswith(("toc ", "table of figures")))
            self._known[name] = _changed(look, inner(element, "pPr"), inner(element, "rPr"))
        return self._known.get(name, Look())


def _changed(look: Look, paragraph: _Element | None, run: _Element | None) -> Look:
    """The looks after the properties of a paragraph (`pPr`) and of a run (`rPr`) are applied."""
    outline = small_number(attribute(inner(paragraph, "outlineLvl")), -1)
    if outline >= 0 and look.heading != 1:
        look = replace(look, heading=outline + 2 if outline < 6 else 0)
    numbering = inner(paragraph, "numPr")
    if numbering is not None:
        listed, depth = attribute(inner(numbering, "numId")) or look.list_id, attribute(inner(numbering, "ilvl"))
        look = replace(
            look, list_id="" if listed == "0" else listed, depth=small_number(depth, 0) if depth else look.depth
        )
    if (vanish := inner(run, "vanish")) is not None:
        look = replace(look, hidden=attribute(vanish) not in ("0", "false", "off"))
    if align := attribute(inner(run, "vertAlign")):
        look = replace(look, raised=align == "superscript")
    if font := attribute(inner(run, "rFonts"), "ascii"):
        look = replace(look, symbol=font == "Symbol")
    return look


@dataclass(frozen=True, slots=True)
class _Level:
    """How a level of a list is numbered."""

    start: int
    form: str
    text: str
    style: str
    digits: bool


class Lists:
    """The lists that `numbering.xml` defines, and how far each has been counted."""

    def __init__(self, root: _Element | None) -> None:
        """Take the part's root element; None when the file has none."""
        elements = list(root) if root is not None else []
        abstract = [x for x in elements if tag_of(x) == "abstractNum"]
        styled = {attribute(inner(x, "styleLink")): attribute(x, "abstractNumId") for x in abstract}
        links = {attribute(x, "abstractNumId"): attribute(inner(x, "numStyleLink")) for x in abstract}
        levels = {attribute(x, "abstractNumId"): _levels(x) for x in abstract}
        self._levels: dict[str, dict[int, _Level]] = {}
        self._family: dict[str, str] = {}  # lists that go on counting together
        self._restarts: dict[tuple[str, int], int] = {}
        for element in elements:
            if tag_of(element) == "num":
                name, kind = attribute(element, "numId"), attribute(inner(element, "abstractNumId"))
                kind = styled.get(links.get(kind, "") or "-", kind)
                self._family[name] = kind
                self._levels[name] = dict(levels.get(kind, {}))
                for override in (x for x in element if tag_of(x) == "lvlOverride"):
                    depth = small_number(attribute(override, "ilvl"), 0)
                    self._levels[name] |= _levels(override)
                    if restart := attribute(inner(override, "startOverride")):
                        self._restarts[name, depth] = small_number(restart, 1)
        self._counts: dict[str, dict[int, int]] = defaultdict(dict)

    def depth(self, look: Look) -> int:
        """The paragraph's level in its list, from 0."""
        levels = self._levels.get(look.list_id, {}).items()
        found = look.depth if look.depth is not None else next((n for n, x in levels if x.style == look.style), 0)
        return min(found, 8)

    def next(self, look: Look) -> str:
        """Count a paragraph of a list; the number it shows, such as `1.` or `2.1`; empty for a bullet."""
        levels, depth = self._levels.get(look.list_id, {}), self.depth(look)
        level = levels.get(depth)
        if level is None:
            return ""
        counts = self._counts[self._family[look.list_id]]
        restart = self._restarts.pop((look.list_id, depth), None)
        counts[depth] = restart if restart is not None else counts.get(depth, level.start - 1) + 1
        for deeper in range(depth + 1, 9):
            counts.pop(deeper, None)
        if level.form in ("bullet", "none"):
            return ""

        def shown(match: re.Match[str]) -> str:
            place = int(match[1]) - 1
            of = levels.get(place, level)
            return _written(counts.get(place, of.start), "decimal" if level.digits else of.form)

        return re.sub(r"%([1-9])", shown, level.text).strip()


def _levels(element: _Element) -> dict[int, _Level]:
    return {
        small_number(attribute(x, "ilvl"), 0): _Level(
            start=small_number(attribute(inner(x, "start")), 1),
            form=attribute(inner(x, "numFmt")) or "decimal",
            text=attribute(inner(x, "lvlText"))[:60],
            style=attribute(inner(x, "pStyle")) or "-",
            digits=inner(x, "isLgl") is not None,
        )
        for x in element
        if tag_of(x) == "lvl"
    }


def _written(number: int, form: str) -> str:
    if form in ("lowerLetter", "upperLetter") and number > 0:
        letter = chr(ord("a") + (number - 1) % 26) * min(1 + (number - 1) // 26, 9)
        return letter.upper() if form == "upperLetter" else letter
    if form in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        roman = _roman(number)
        return roman if form == "upperRoman" else roman.lower()
    return f"{number:02d}" if form == "decimalZero" else str(number)


def _roman(number: int) -> str:
    values = (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1)
    out = ""
    for value, sign in zip(values, "M CM D CD C XC L XL X IX V IV I".split(), strict=True):
        times, number = divmod(number, value)
        out += sign * times
    return out
