"""Word files read as Markdown: headings, numbered items, paragraphs, tables, notes, as a reader of the page sees them.

The file is hostile input: its directory says how large it unpacks before anything is unpacked, its XML is parsed
without entities and network, and the text is bounded. Elements are known by their local names, so that Word's "Strict"
form, which has other namespaces, is read alike. Superscripts and formulas (OMML) become text by the rules for papers.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import groupby
from typing import TYPE_CHECKING, Final

from bioresearcher.papers.canonical import MAX_CHARACTERS, UnreadablePaper
from bioresearcher.papers.docx_styles import Format, Lists, Styles, attribute, inner, small_number
from bioresearcher.papers.markup import parse_xml, superscript, tag_of
from bioresearcher.papers.symbol_font import SYMBOL
from bioresearcher.text.visible import LOST

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_XML_BYTES: Final = 40_000_000
"""Bytes of all XML that is read, unpacked; more is refused as a decompression bomb."""

_MAX_ENTRIES: Final = 5_000
_WIDEST: Final = 200
_PARTS: Final = ("styles", "numbering", "footnotes", "endnotes")
_AGAIN: Final = "Save it anew as .docx, or give its text instead."
_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    OSError,
    LookupError,
    ValueError,
)
_REMOVED: Final = ("del", "moveFrom", "delText")
_UNSEEN: Final = frozenset("pPr rPr sdtPr sdtEndPr tcPr trPr tblPr instrText delInstrText rt".split())
_SIGNS: Final = {"tab": " ", "ptab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_CHANGES: Final = {"ins": "insertions", "del": "deletions", "moveFrom": "moves"}
_UNREAD: Final = {"commentReference": "comments", "altChunk": "embedded documents", "object": "embedded objects"}
_COUNTED: Final = _CHANGES | _UNREAD

Block = tuple[str, str]
"""A block of Markdown: the mark before it (`## `, `1. `, `- `, `|` for a table), and its text."""

Stretch = tuple[str, bool]
"""A stretch of running text, and True for a superscript."""


def read_docx(data: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of a Word file as Markdown, and caveats: what was left out or is doubtful in it.

    Tracked changes are taken as accepted. Macros are never run.

    Raises:
        UnreadablePaper: Not a Word file, damaged, protected, or larger than the limits when unpacked.
    """
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            if len(archive.infolist()) > _MAX_ENTRIES:
                raise UnreadablePaper(f"it holds more than {_MAX_ENTRIES:,} files, as no Word document does.")
            macros = any(n.lower().endswith("vbaproject.bin") for n in archive.namelist())
            parts = _parts(archive)
    except _DAMAGE as error:
        locked = data.startswith(b"\xd0\xcf\x11\xe0")  # an older Word file, or an encrypted new one
        hint = "Is it protected by a password, or an older .doc? Save it anew as .docx." if locked else _AGAIN
        raise UnreadablePaper("it is not a readable Word document.", hint=hint) from error
    walker = _Walker(parts)
    try:
        walker.blocks(parts["document"])
    except RecursionError as error:
        raise UnreadablePaper("its elements are nested too deep for a document.", hint=_AGAIN) from error
    text = "\n\n".join(mark.replace("|", "") + text for mark, text in walker.out if text)
    return text, (*(["holds macros; they were ignored"] if macros else []), *walker.caveats())


def _parts(archive: zipfile.ZipFile) -> dict[str, _Element]:
    """The XML of the document and of the parts it names, by their kind."""
    size = 0

    def read(name: str) -> _Element:
        nonlocal size
        size += archive.getinfo(name).file_size
        if size > MAX_XML_BYTES:
            raise UnreadablePaper(f"it unpacks to more than {MAX_XML_BYTES // 10**6} MB.", hint="It is not read.")
        return _xml(archive.read(name), name)

    def related(name: str) -> dict[str, str]:
        folder, _, file = name.rpartition("/")
        relations = f"{folder}/_rels/{file}.rels".lstrip("/")
        found = list(read(relations)) if relations in names else []
        targets = {(r.get("Type") or "").rpartition("/")[2]: r.get("Target") or "" for r in reversed(found)}
        return {kind: (t if t.startswith("/") else f"{folder}/{t}").lstrip("/") for kind, t in targets.items()}

    names = set(archive.namelist())
    main = related("").get("officeDocument", "word/document.xml")
    if main not in names:
        raise UnreadablePaper("it is not a Word document.", hint="Save it as .docx.")
    folder = main.rpartition("/")[0]
    places = {kind: f"{folder}/{kind}.xml".lstrip("/") for kind in _PARTS} | related(main)
    return {"document": read(main)} | {kind: read(places[kind]) for kind in _PARTS if places[kind] in names}


def _xml(data: bytes, name: str) -> _Element:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise UnreadablePaper("it declares a document type, which Word files never do.", hint="It is not read.")
    try:
        return parse_xml(data)
    except SyntaxError as error:
        raise UnreadablePaper(f"it is damaged: {name[:80]} is not valid XML, or too large.", hint=_AGAIN) from error


class _Walker:
    """One pass over the document; `out` holds the blocks found so far."""

    def __init__(self, parts: dict[str, _Element]) -> None:
        self.out: list[Block] = []
        self._styles = Styles(parts.get("styles"))
        self._lists = Lists(parts.get("numbering"))
        self._notes = {
            (kind, attribute(note, "id")): note
            for kind in ("footnote", "endnote")
            for note in parts.get(f"{kind}s", ())
        }
        self._pending: list[str] = []  # notes of the paragraph that is being read
        self._carried: list[Stretch] = []  # a paragraph whose mark was deleted goes on in the next one
        self._boxes: list[_Element] = []
        self._numbered = 0
        self._size = 0
        self._seen: Counter[str] = Counter()

    def caveats(self) -> Iterator[str]:
        """A line for each kind of thing that was left out or taken as final."""
        counted = {kind: f"{n:,} {kind if n > 1 else kind[:-1]}" for kind, n in self._seen.items() if n}
        if changes := [counted[kind] for kind in _CHANGES.values() if kind in counted]:
            yield f"holds tracked changes ({', '.join(changes)}); it was read as if all were accepted"
        if "hidden letters" in counted:
            yield f"{counted['hidden letters']} left out"
        yield from (f"{counted[kind]} not read" for kind in _UNREAD.values() if kind in counted)
        if "contents" in counted:
            yield "the table of contents was left out"
        if "signs" in counted:
            yield f"{counted['signs']} of a symbol font not readable"

    def blocks(self, node: _Element) -> None:
        """Read the paragraphs and tables in an element."""
        for element in node:
            name = tag_of(element)
            self._seen[_COUNTED.get(name, "")] += 1
            if name == "p":
                self._paragraph(element)
            elif name == "tbl":
                self._table(element)
            elif "Contents" in attribute(inner(element, "sdtPr", "docPartObj", "docPartGallery")):
                self._seen["contents"] += 1
            elif not _left_out(element):
                self.blocks(element)
        carried, self._carried = self._carried, []
        self._add("", _running_text(carried))

    def _collected(self, node: _Element) -> list[Block]:
        """The blocks of an element that is read by itself: a cell, a note."""
        before, self.out = self.out, []
        self.blocks(node)
        found, self.out = self.out, before
        return found

    def _count(self, characters: int) -> None:
        self._size += characters
        if self._size > MAX_CHARACTERS:
            raise UnreadablePaper(f"it holds more than {MAX_CHARACTERS:,} characters.", hint="Give the protocol alone.")

    def _add(self, mark: str, text: str) -> None:
        self._count(len(text))
        self.out.append((mark, text))

    def _paragraph(self, p: _Element) -> None:
        form = self._styles.paragraph(inner(p, "pPr"))
        stretches, self._carried = self._carried, []
        self._inline(p, stretches, form)
        mark = inner(p, "pPr", "rPr")
        if inner(mark, "del") is not None or inner(mark, "moveFrom") is not None:
            self._carried = stretches
            return
        boxes, self._boxes = self._boxes, []
        notes, self._pending = "".join(f"\n{note}" for note in self._pending), []
        if form.contents:
            self._seen["contents"] += 1
        elif stretches or not form.hidden:
            text = _running_text(stretches)
            number = self._lists.next(form) if text or not any(tag_of(x) in _REMOVED for x in p) else ""
            if form.heading and text:
                self._add("#" * min(form.heading, 6) + " ", f"{number} {text}".strip().replace("\n", " "))
                self._add("", notes.strip())
            elif form.list_id:
                self._add(_mark(number, self._lists.depth(form)), text.replace("\n", " ") + notes)
            else:
                self._add("", text + notes)
        for box in boxes:
            self.blocks(box)

    def _inline(self, node: _Element, out: list[Stretch], form: Format) -> None:
        """Collect the running text of a paragraph."""
        for element in node:
            name = tag_of(element)
            self._seen[_COUNTED.get(name, "")] += 1
            if name == "r":
                self._inline(element, out, self._styles.run(inner(element, "rPr"), form))
            elif name == "t" and element.text:
                self._text(element.text.translate(SYMBOL) if form.symbol else element.text, out, form)
            elif name in _SIGNS:
                self._text(_SIGNS[name], out, form)
            elif name == "sym":
                sign = _sign(attribute(element, "font"), attribute(element, "char"))
                self._seen["signs"] += sign == LOST
                self._text(sign, out, form)
            elif name == "oMath":
                out.append((_formula(element), False))
            elif name in ("footnoteReference", "endnoteReference"):
                self._note((name.removesuffix("Reference"), attribute(element, "id")), out, form)
            elif name == "txbxContent":
                self._boxes.append(element)
            elif not _left_out(element):
                self._inline(element, out, form)

    def _text(self, text: str, out: list[Stretch], form: Format) -> None:
        if form.hidden:
            self._seen["hidden letters"] += len(text.strip())
        else:
            out.append((text, form.raised))

    def _note(self, key: tuple[str, str], out: list[Stretch], form: Format) -> None:
        note = self._notes.pop(key, None)  # a note has one place, so one that refers to itself ends
        if note is not None and not form.hidden:
            self._numbered += 1
            number, pending = self._numbered, self._pending
            out.append((f" [note {number}]", False))
            text = " ".join(text for _, text in self._collected(note) if text)
            self._pending = [*pending, f"Note {number}: {text}"]

    def _table(self, table: _Element) -> None:
        """Rows as lines of Markdown; a table that only frames or arranges other blocks gives these blocks."""
        rows: list[list[str]] = []
        above: dict[int, str] = {}
        blocks: list[Block] = []
        single, arranged = True, False
        for row in _inside(table, "tr"):
            if inner(row, "trPr", "del") is not None:
                self._seen["deletions"] += 1
                continue
            cells: list[str] = []
            for cell in _inside(row, "tc"):
                found = self._collected(cell)
                blocks += found
                arranged = arranged or sum(bool(mark.strip(" -|") and text) for mark, text in found) > 1
                merged = inner(cell, "tcPr", "vMerge")
                goes_on = merged is not None and attribute(merged) in ("", "continue")
                above[len(cells)] = text = above.get(len(cells), "") if goes_on else _cell_text(found)
                span = small_number(attribute(inner(cell, "tcPr", "gridSpan")), 1)
                cells += [text, *[""] * (min(span, _WIDEST) - 1)]
                if len(cells) > _WIDEST:
                    break
            single = single and len(cells) <= 1
            while cells and not cells[-1]:
                cells.pop()
            rows.append(cells)
            self._count(sum(len(text) + 3 for text in cells))
        if single or arranged:
            self.out += blocks
        elif any(rows):
            self.out.append(("|", "\n".join(f"| {' | '.join(cells)} |" for cells in rows if cells)))


def _left_out(element: _Element) -> bool:
    """Return True if a reader of the final document does not see the element."""
    name = tag_of(element)
    if name == "Fallback":
        return inner(element.getparent(), "Choice") is not None
    return name in _UNSEEN or name in _REMOVED or not name


def _inside(node: _Element, name: str) -> Iterator[_Element]:
    """The rows of a table or the cells of a row, also those in content controls and tracked insertions."""
    for element in node:
        if tag_of(element) == name:
            yield element
        elif tag_of(element) not in ("p", "tbl") and not _left_out(element):
            yield from _inside(element, name)


def _cell_text(found: list[Block]) -> str:
    """A cell's blocks on one line; a nested table's cells are parted by commas."""
    parts = [
        "; ".join(row[2:-2].replace(" | ", ", ") for row in text.split("\n"))
        if mark == "|"
        else f"{mark.strip(' -#')} {text}"
        for mark, text in found
    ]
    return " ".join(" ".join(parts).split()).replace("|", "/")


def _mark(number: str, depth: int) -> str:
    """An item's mark: digits as Markdown writes them, words as they are (`Step 1:`), all others behind a bullet."""
    digits = re.fullmatch(r"\(?(\d{1,3}(?:\.\d{1,3}){0,3})[.)]{0,2}", number)
    if digits and not depth:
        return f"{digits[1]}. "
    bullet = "" if re.match(r"[^\W\d_]{3,} ?\d", number) and not depth else "    " * min(depth, 4) + "- "
    return f"{bullet}{number} " if number else bullet


def _running_text(stretches: Iterable[Stretch]) -> str:
    """The text of a paragraph, with its superscripts made readable."""
    groups = [(raised, "".join(text for text, _ in group)) for raised, group in groupby(stretches, lambda s: s[1])]
    out = ""
    for n, (raised, text) in enumerate(groups):
        following = groups[n + 1][1][:1] if n + 1 < len(groups) else ""
        out += superscript(text, out[-1:], following, cites=False) if raised else text
    return "\n".join(re.sub(r"[ \t\xa0]+", " ", line).strip() for line in out.split("\n")).strip()


# -- signs of symbol fonts ----------------------------------------------------------------------------

_WINGDINGS: Final = {
    first + code: letter
    for first in (0, 0xF000)
    for code, letter in zip(bytes.fromhex("6C6E6F7176A7A8D8DFE0E8F0FBFCFDFE"), "●■☐❑❖▪☐➢←→➔⇨✗✓☒☑", strict=True)
}


def _sign(font: str, code: str) -> str:
    """The character of a symbol (`w:sym`), from its font and its hexadecimal code; U+FFFD when it is not known."""
    if not re.fullmatch(r"[0-9A-Fa-f]{1,5}", code):
        return LOST
    number = int(code, 16)
    if font == "Symbol":
        return SYMBOL.get(number, LOST)
    if font.startswith("Wingdings"):
        return _WINGDINGS.get(number, LOST) if font == "Wingdings" else LOST
    return chr(number) if number > 31 and not 0xD800 <= number < 0xF900 else LOST


# -- formulas -----------------------------------------------------------------------------------------

_SCRIPTS: Final = {
    "sSup": ("", "sup"),
    "sSub": ("sub", ""),
    "limLow": ("lim", ""),
    "limUpp": ("", "lim"),
    **dict.fromkeys(("sSubSup", "sPre", "nary"), ("sub", "sup")),
}
"""Elements with an index below and above, and the names of these."""
_ROWS: Final = {"d": ("(", "|", ")"), "eqArr": ("", ";", ""), "m": ("[", ";", "]"), "mr": ("", ",", "")}
"""The signs before, between and after the rows of an element."""
_OPERATORS: Final = re.compile(r"([=+−<>≤≥≈≠±×→∈~≡∼-])")


def _formula(node: _Element | None) -> str:
    """A formula, or a part of one, on one line as those of papers: `(a)/(b)`, `x^2`, `x_i`, `sqrt(x)`."""
    return "".join(map(_term, node)) if node is not None else ""


def _term(element: _Element) -> str:
    name = tag_of(element)
    properties = inner(element, f"{name}Pr")

    def part(key: str) -> str:
        return _formula(inner(element, key))

    def stated(key: str, default: str) -> str:
        """A sign that the properties state, which may be none."""
        sign = inner(properties, key)
        return attribute(sign) if sign is not None else default

    if name == "t":
        text = element.text or ""
        return text if re.fullmatch(r"[-−+]?[\d.,]+", text) else _OPERATORS.sub(r" \1 ", text)
    if name == "f":
        fraction = "{} over {}" if stated("type", "") == "noBar" else "({})/({})"  # without a bar: a binomial
        return fraction.format(part("num"), part("den"))
    if name in _SCRIPTS:
        low, high = (_index(part(key)) for key in _SCRIPTS[name])
        scripts = (f"_{low}" if low else "") + (f"^{high}" if high else "")
        if name == "nary":
            return stated("chr", "∫") + scripts + _bracketed(part("e"))
        return scripts + _bracketed(part("e")) if name == "sPre" else part("e") + scripts
    if name == "rad":
        degree = part("deg").strip()
        return f"root({part('e')}, {degree})" if degree else f"sqrt({part('e')})"
    if name in ("acc", "bar"):
        return part("e") + stated("chr", "\u0302" if name == "acc" else "\u0305")
    if name == "func":
        return part("fName") + _bracketed(part("e"))
    if name in _ROWS:
        signs = _ROWS[name]
        left, between, right = (
            stated(key, sign) if name == "d" else sign
            for key, sign in zip(("begChr", "sepChr", "endChr"), signs, strict=True)
        )
        rows = (_term(x) if tag_of(x) == "mr" else _formula(x) for x in element if tag_of(x) in ("e", "mr"))
        return left + between.join(rows) + right
    return "" if name.endswith("Pr") or name in _REMOVED else _formula(element)


def _bracketed(text: str) -> str:
    """The argument of a function or sum, in brackets unless it has its own."""
    return f"({text})" if text.strip() and not text.lstrip().startswith(("(", "[", "{")) else text


def _index(text: str) -> str:
    """An exponent or index, in brackets if it has several signs."""
    text = text.strip()
    return "".join(text.split()) if re.fullmatch(r"[-−+]?\s*[\w.]*|.", text) else f"({text})"
