"""Styles and lists of a Word file: a paragraph's heading level, and the number that Word shows before it."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bioresearcher.papers.markup import tag_of

if TYPE_CHECKING:
    from lxml.etree import _Element

_DEEPEST: Final = 20
"""Longest chain of styles that are based on each other; a longer one is a circle."""
_ROMAN: Final = tuple(
    zip((1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1), "M CM D CD C XC L XL X IX V IV I".split(), strict=True)
)


def attribute(element: _Element | None, name: str = "val") -> str:
    """The value of an attribute, whatever its namespace; empty when it is not there."""
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


@dataclass(frozen=True, slots=True)
class Format:
    """The formatting of a paragraph or of a run in it, as far as it changes what is read.

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

    def changed(self, paragraph: _Element | None, run: _Element | None) -> Format:
        """The formatting after the properties of a paragraph (`pPr`) and of a run (`rPr`) are applied."""
        new = self
        outline = small_number(attribute(inner(paragraph, "outlineLvl")), -1)
        if outline >= 0 and new.heading != 1:
            new = replace(new, heading=outline + 2 if outline < 6 else 0)
        if (numbering := inner(paragraph, "numPr")) is not None:
            list_id = attribute(inner(numbering, "numId")) or new.list_id
            depth = attribute(inner(numbering, "ilvl"))
            depth_or_same = small_number(depth, 0) if depth else new.depth
            new = replace(new, list_id="" if list_id == "0" else list_id, depth=depth_or_same)
        if (vanish := inner(run, "vanish")) is not None:
            new = replace(new, hidden=attribute(vanish) not in ("0", "false", "off"))
        if align := attribute(inner(run, "vertAlign")):
            new = replace(new, raised=align == "superscript")
        if font := attribute(inner(run, "rFonts"), "ascii"):
            new = replace(new, symbol=font == "Symbol")
        return new


class Styles:
    """The formatting that `styles.xml` defines."""

    def __init__(self, root: _Element | None) -> None:
        """Take the part's root element; None when the file has none."""
        elements = root if root is not None else ()
        self._styles = {attribute(x, "styleId"): x for x in elements if tag_of(x) == "style"}
        self._known: dict[str, Format] = {}

    def paragraph(self, properties: _Element | None) -> Format:
        """The formatting of a paragraph with the given `pPr`."""
        style = attribute(inner(properties, "pStyle"))
        return replace(self._style(style), style=style).changed(properties, None)

    def run(self, properties: _Element | None, around: Format) -> Format:
        """The formatting of a run with the given `rPr` in a paragraph with the formatting `around`."""
        if properties is None:
            return around
        own = self._style(attribute(inner(properties, "rStyle")))
        either = {name: getattr(around, name) or getattr(own, name) for name in ("hidden", "raised", "symbol")}
        return replace(around, **either).changed(None, properties)

    def _style(self, name: str) -> Format:
        """The formatting of a style with that of the styles it is based on."""
        if name not in self._known:
            chain: list[_Element] = []
            base = name
            while base in self._styles and len(chain) < _DEEPEST:
                chain.append(self._styles[base])
                base = attribute(inner(chain[-1], "basedOn"))
            undefined = re.fullmatch(r"Heading([1-9])", base)  # a built-in style that the file does not define
            found = Format(heading=1 + int(undefined[1]) if undefined else int(base == "Title"))
            for element in reversed(chain):
                title = attribute(inner(element, "name")).lower()
                numbered = re.fullmatch(r"heading ([1-9])", title)
                if numbered or title == "title":
                    found = replace(found, heading=1 + int(numbered[1]) if numbered else 1)
                if title.startswith(("toc ", "table of figures")):
                    found = replace(found, contents=True)
                found = found.changed(inner(element, "pPr"), inner(element, "rPr"))
            self._known[name] = found
        return self._known[name]


@dataclass(frozen=True, slots=True)
class _Level:
    """The numbering of one level of a list: first number, form of the digits, and the text around them."""

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
        abstract = {attribute(x, "abstractNumId"): x for x in elements if tag_of(x) == "abstractNum"}
        styled = {attribute(inner(x, "styleLink")): kind for kind, x in abstract.items()}
        self._levels: dict[str, dict[int, _Level]] = {}
        self._family: dict[str, str] = {}  # lists that go on counting together
        self._restarts: dict[tuple[str, int], int] = {}
        self._counts: dict[str, dict[int, int]] = defaultdict(dict)
        for element in (x for x in elements if tag_of(x) == "num"):
            name, kind = attribute(element, "numId"), attribute(inner(element, "abstractNumId"))
            kind = styled.get(attribute(inner(abstract.get(kind), "numStyleLink")) or "-", kind)
            self._family[name] = kind
            self._levels[name] = _levels(abstract.get(kind))
            for override in (x for x in element if tag_of(x) == "lvlOverride"):
                self._levels[name] |= _levels(override)
                if restart := attribute(inner(override, "startOverride")):
                    depth = small_number(attribute(override, "ilvl"), 0)
                    self._restarts[name, depth] = small_number(restart, 1)

    def depth(self, form: Format) -> int:
        """The paragraph's level in its list, from 0."""
        levels = self._levels.get(form.list_id, {}).items()
        by_style = next((n for n, level in levels if level.style == form.style), 0)
        return min(by_style if form.depth is None else form.depth, 8)

    def next(self, form: Format) -> str:
        """Count a paragraph of a list; the number it shows, such as `1.` or `2.1`; empty for a bullet."""
        levels, depth = self._levels.get(form.list_id, {}), self.depth(form)
        level = levels.get(depth)
        if level is None:
            return ""
        counts = self._counts[self._family[form.list_id]]
        following = counts.get(depth, level.start - 1) + 1
        counts[depth] = self._restarts.pop((form.list_id, depth), following)
        for deeper in range(depth + 1, 9):
            counts.pop(deeper, None)
        if level.form in ("bullet", "none"):
            return ""

        def number(match: re.Match[str]) -> str:
            place = int(match[1]) - 1
            own = levels.get(place, level)
            return _written(counts.get(place, own.start), "decimal" if level.digits else own.form)

        return re.sub(r"%([1-9])", number, level.text).strip()


def _levels(element: _Element | None) -> dict[int, _Level]:
    return {
        small_number(attribute(x, "ilvl"), 0): _Level(
            start=small_number(attribute(inner(x, "start")), 1),
            form=attribute(inner(x, "numFmt")) or "decimal",
            text=attribute(inner(x, "lvlText"))[:60],
            style=attribute(inner(x, "pStyle")) or "-",
            digits=inner(x, "isLgl") is not None,
        )
        for x in (element if element is not None else ())
        if tag_of(x) == "lvl"
    }


def _written(number: int, form: str) -> str:
    """A number in the form of a list: letters, Roman numerals, digits with a leading zero, or plain digits."""
    text = f"{number:02d}" if form == "decimalZero" else str(number)
    if form.endswith("Letter") and number > 0:
        text = chr(ord("a") + (number - 1) % 26) * min(1 + (number - 1) // 26, 9)
    elif form.endswith("Roman") and 0 < number < 4000:
        text = ""
        for value, sign in _ROMAN:
            times, number = divmod(number, value)
            text += sign * times
    return text.upper() if form.startswith("upper") else text.lower()
