"""Word files read as Markdown: headings, numbered items, paragraphs, tables, notes, as a reader of the page sees them.

The file is hostile input: its directory says how large it unpacks before anything is unpacked, its XML is parsed
without entities and network, and the text is bounded. Elements are known by their local names, so that Word's "Strict"
form, which has other namespaces, is read alike. A paragraph is translated into the inline elements of JATS (`sup`,
`math`), so that its text is made by the same rules as a paper's.

Running text of a Word paragraph: superscripts and formulas by the rules for papers, signs of symbol fonts.

Formulas of Word (OMML) as MathML, so that they become text by the rules for papers' formulas.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from itertools import groupby
from typing import TYPE_CHECKING, Final

from bioresearcher.papers.canonical import MAX_CHARACTERS, UnreadablePaper
from bioresearcher.papers.docx_styles import Lists, Look, Styles, attribute, inner, small_number
from bioresearcher.papers.jats_xml import inline, math_text, tag_of

if TYPE_CHECKING:
    from lxml.etree import _Element


Shown = tuple[str, bool]
"""Text, and that it is a superscript."""

_SYMBOL: Final = (
    " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧ∆ΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼"
    + "\ufffd" * 33
    + "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪\ufffd〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭\ufffd"
)
_SYMBOL_SIGNS: Final = {code: letter for code, letter in enumerate(_SYMBOL, 32) if letter != "\ufffd"}
"""The characters of the font Symbol by their codes."""

_WINGDINGS: Final = dict(zip(bytes.fromhex("6C6E6F7176A7A8D8DFE0E8F0FBFCFDFE"), "●■☐❑❖▪☐➢←→➔⇨✗✓☒☑", strict=True))


def running_text(shown: Iterable[Shown | _Element]) -> str:
    """A paragraph's text from what it shows, formulas (MathML elements) included."""
    from lxml import etree

    p = etree.Element("p")
    for raised, group in groupby(shown, lambda x: x[1] if isinstance(x, tuple) else None):
        found = list(group)
        text = "".join(x[0] for x in found if isinstance(x, tuple))
        if raised:
            etree.SubElement(p, "sup").text = text
        elif raised is None:
            p.extend([x for x in found if not isinstance(x, tuple)])
        elif len(p):
            p[-1].tail = text
        else:
            p.text = text
    lines = (re.sub(r"[ \t\xa0]+", " ", line).strip() for line in inline(p).split("\n"))
    return "\n".join(lines).strip()


def from_symbol(text: str) -> str:
    """Text that is drawn in the font Symbol, in the characters that a reader sees: `m` is µ."""
    return "".join(_sign(ord(letter), _SYMBOL_SIGNS) or letter for letter in text)


def sign(font: str, code: str) -> str:
    """The character of a symbol (`w:sym`), from its font and its hexadecimal code; U+FFFD when it is not known."""
    if not re.fullmatch(r"[0-9A-Fa-f]{1,5}", code):
        return "\ufffd"
    number = int(code, 16)
    if font == "Symbol":
        return _sign(number, _SYMBOL_SIGNS) or "\ufffd"
    if font.startswith("Wingdings"):
        return _sign(number, _WINGDINGS if font == "Wingdings" else {}) or "\ufffd"
    return chr(number) if number > 31 and not 0xD800 <= number < 0xF900 else "\ufffd"


def _sign(code: int, table: dict[int, str]) -> str:
    """A font's own characters lie at F000 and on, or at their plain codes."""
    return table.get(code - 0xF000 if 0xF000 <= code <= 0xF0FF else code, "")


_ALIKE: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "f": ("mfrac", ("num", "den")),
    "sSup": ("msup", ("e", "sup")),
    "sSub": ("msub", ("e", "sub")),
    "sSubSup": ("msubsup", ("e", "sub", "sup")),
    "rad": ("mroot", ("e", "deg")),
    "limLow": ("msub", ("e", "lim")),
    "limUpp": ("msup", ("e", "lim")),
}
"""Elements with the MathML element that says the same, and the parts that are its children, in order."""

_ROWS: Final = {"d": ("(", "|", ")"), "eqArr": ("", ";", ""), "m": ("[", ";", "]"), "mr": ("", ",", "")}
"""What begins, parts and ends the rows of an element."""

_SMALL: Final = frozenset(["sub", "sup", "lim"])
_OPERATORS: Final = re.compile(r"([=+−<>≤≥≈≠±×→∈~≡∼-])")


def mathml(formula: _Element) -> _Element:
    """A formula (`m:oMath`) as MathML, as far as a line of text needs it."""
    return _made("math", _children(formula))


def _made(tag: str, children: Sequence[_Element] = (), text: str = "") -> _Element:
    from lxml import etree

    element = etree.Element(tag)
    element.text = text
    element.extend(children)
    return element


def _children(node: _Element | None) -> list[_Element]:
    return [made for element in (node if node is not None else ()) for made in _translated(element)]


def _translated(element: _Element) -> list[_Element]:
    name = tag_of(element)
    properties = inner(element, f"{name}Pr")
    if name == "t":
        return _tokens(element.text or "")
    if name in _ALIKE:
        tag, names = _ALIKE[name]
        parts = [_part(element, part) for part in names]
        if name == "rad" and not math_text(parts[1]).strip():
            return [_made("msqrt", parts[:1])]
        if attribute(inner(properties, "type")) == "noBar":  # a binomial coefficient
            parts.insert(1, _made("mo", text="over"))
            tag = "mrow"
        return [_made(tag, parts)]
    if name == "nary":
        limits = {part: _part(element, part) for part in ("sub", "sup")}
        limits = {part: row for part, row in limits.items() if math_text(row)}
        tag = {0: "mrow", 1: f"m{next(iter(limits), '')}", 2: "msubsup"}[len(limits)]
        return [
            _made(tag, [_mi(_math_sign(properties, "chr", "∫")), *limits.values()]),
            *_bracketed(inner(element, "e")),
        ]
    if name == "sPre":
        return [_mi("_"), _part(element, "sub"), _mi("^"), _part(element, "sup"), *_bracketed(inner(element, "e"))]
    if name in ("acc", "bar"):
        accent = _math_sign(properties, "chr", "\u0302" if name == "acc" else "\u0305")
        return [*_children(inner(element, "e")), _mi(accent)]
    if name == "func":
        return [*_children(inner(element, "fName")), *_bracketed(inner(element, "e"))]
    if name in _ROWS:
        signs: list[str] = list(_ROWS[name])
        if name == "d":
            keys = ("begChr", "sepChr", "endChr")
            signs = [_math_sign(properties, key, default) for key, default in zip(keys, signs, strict=True)]
        rows = [
            _made("mrow", (_translated if tag_of(x) == "mr" else _children)(x))
            for x in element
            if tag_of(x) in ("e", "mr")
        ]
        return [_mi(signs[0]), *[x for row in rows for x in (row, _mi(signs[1]))][:-1], _mi(signs[2])]
    return [] if name.endswith("Pr") or name in ("del", "moveFrom") else _children(element)


def _bracketed(node: _Element | None) -> list[_Element]:
    """What a function or a sum is taken of, in brackets unless it has its own."""
    row = _made("mrow", _children(node))
    text = math_text(row)
    return [row] if text.startswith(("(", "[", "{")) or not text else [_mi("("), row, _mi(")")]


def _part(element: _Element, name: str) -> _Element:
    """A part as one element; an exponent or index of several signs is put in brackets."""
    row = _made("mrow", _children(inner(element, name)))
    if name in _SMALL and not re.fullmatch(r"\s*[-−+]?\s*[\w.]*|.", math_text(row)):
        return _made("mrow", [_mi("("), row, _mi(")")])
    return row


def _math_sign(properties: _Element | None, name: str, default: str) -> str:
    """A sign that the properties state; the default when they do not, and nothing when they state an empty one."""
    stated = inner(properties, name)
    return attribute(stated) if stated is not None else default


def _mi(text: str) -> _Element:
    return _made("mi", text=text)


def _tokens(text: str) -> list[_Element]:
    if re.fullmatch(r"[-−+]?[\d.,]+", text):
        return [_mi(text)]
    pieces = [piece for piece in _OPERATORS.split(text) if piece]
    return [_made("mo" if _OPERATORS.fullmatch(x) or x != x.strip() else "mi", text=x) for x in pieces]


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

Piece = tuple[str, str]
"""What stands before a block in Markdown (`## `, `1. `, `- `, `|` for a table), and its text."""


def read_docx(data: bytes) -> tuple[str, tuple[str, ...]]:
    """A Word file's text as Markdown, and what was left out or is doubtful in it.

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
    return text, (*(["holds macros; they were ignored"] if macros else []), *walker.doubts())


def _parts(archive: zipfile.ZipFile) -> dict[str, _Element]:
    """The document's XML and that of the parts it names, by their kind."""
    size = 0

    def read(name: str) -> _Element:
        nonlocal size
        size += archive.getinfo(name).file_size
        if size > MAX_XML_BYTES:
            raise UnreadablePaper(f"it unpacks to more than {MAX_XML_BYTES // 10**6} MB.", hint="It is not read.")
        return _xml(archive.read(name), name)

    def related(name: str) -> dict[str, str]:
        folder, _, file = name.rpartition("/")
        listed = f"{folder}/_rels/{file}.rels".lstrip("/")
        found = list(read(listed)) if listed in names else []
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
    from lxml import etree

    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise UnreadablePaper("it declares a document type, which Word files never do.", hint="It is not read.")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise UnreadablePaper(f"it is damaged: {name[:80]} is not valid XML, or too large.", hint=_AGAIN) from error


class _Walker:
    """One pass over the document; `out` holds the blocks found so far."""

    def __init__(self, parts: dict[str, _Element]) -> None:
        self.out: list[Piece] = []
        self._styles = Styles(parts.get("styles"))
        self._lists = Lists(parts.get("numbering"))
        self._notes = {
            (kind, attribute(note, "id")): note
            for kind in ("footnote", "endnote")
            for note in parts.get(f"{kind}s", ())
        }
        self._pending: list[str] = []  # notes of the paragraph that is being read
        self._carried: list[Shown | _Element] = []  # a paragraph whose mark was deleted goes on in the next one
        self._boxes: list[_Element] = []
        self._numbered = 0
        self._size = 0
        self._seen: Counter[str] = Counter()

    def doubts(self) -> Iterator[str]:
        """What was left out, or taken as final, a line each."""
        seen = self._seen

        def counted(kind: str) -> str:
            return f"{seen[kind]:,} {kind if seen[kind] > 1 else kind[:-1]}"

        changes = [counted(kind) for kind in _CHANGES.values() if seen[kind]]
        if changes:
            yield f"holds tracked changes ({', '.join(changes)}); it was read as if all were accepted"
        if seen["hidden letters"]:
            yield f"{counted('hidden letters')} left out"
        yield from (f"{counted(kind)} not read" for kind in _UNREAD.values() if seen[kind])
        if seen["contents"]:
            yield "the table of contents was left out"
        if seen["signs"]:
            yield f"{counted('signs')} of a symbol font not readable"

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
        self._add("", running_text(carried))

    def _collected(self, node: _Element) -> list[Piece]:
        """The blocks of an element that is read by itself: a cell, a note."""
        before, self.out = self.out, []
        self.blocks(node)
        found, self.out = self.out, before
        return found

    def _add(self, mark: str, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_CHARACTERS:
            raise UnreadablePaper(f"it holds more than {MAX_CHARACTERS:,} characters.", hint="Give the protocol alone.")
        self.out.append((mark, text))

    def _paragraph(self, p: _Element) -> None:
        look = self._styles.paragraph(inner(p, "pPr"))
        pieces, self._carried = self._carried, []
        self._inline(p, pieces, look)
        mark = inner(p, "pPr", "rPr")
        if inner(mark, "del") is not None or inner(mark, "moveFrom") is not None:
            self._carried = pieces
            return
        boxes, self._boxes = self._boxes, []
        notes, self._pending = "".join(f"\n{note}" for note in self._pending), []
        if look.contents:
            self._seen["contents"] += 1
        elif pieces or not look.hidden:
            text = running_text(pieces)
            number = self._lists.next(look) if text or not any(tag_of(x) in _REMOVED for x in p) else ""
            if look.heading and text:
                self._add("#" * min(look.heading, 6) + " ", f"{number} {text}".strip().replace("\n", " "))
                self._add("", notes.strip())
            elif look.list_id:
                self._add(_mark(number, self._lists.depth(look)), text.replace("\n", " ") + notes)
            else:
                self._add("", text + notes)
        for box in boxes:
            self.blocks(box)

    def _inline(self, node: _Element, out: list[Shown | _Element], look: Look) -> None:
        """Collect what a paragraph shows: text with `sup` for superscripts, formulas as elements."""
        for element in node:
            name = tag_of(element)
            self._seen[_COUNTED.get(name, "")] += 1
            if name == "r":
                own = self._styles.run(inner(element, "rPr"), look)
                self._inline(element, out, own)
            elif name == "t" and element.text:
                self._show(from_symbol(element.text) if look.symbol else element.text, out, look)
            elif name in _SIGNS:
                self._show(_SIGNS[name], out, look)
            elif name == "sym":
                shown = sign(attribute(element, "font"), attribute(element, "char"))
                self._seen["signs"] += shown == "\ufffd"
                self._show(shown, out, look)
            elif name == "oMath":
                out.append(mathml(element))
            elif name in ("footnoteReference", "endnoteReference"):
                self._note((name.removesuffix("Reference"), attribute(element, "id")), out, look)
            elif name == "txbxContent":
                self._boxes.append(element)
            elif not _left_out(element):
                self._inline(element, out, look)

    def _show(self, text: str, out: list[Shown | _Element], look: Look) -> None:
        if look.hidden:
            self._seen["hidden letters"] += len(text.strip())
        else:
            out.append((text, look.raised))

    def _note(self, key: tuple[str, str], out: list[Shown | _Element], look: Look) -> None:
        note = self._notes.pop(key, None)  # a note has one place, so one that refers to itself ends
        if note is not None and not look.hidden:
            self._numbered += 1
            number, pending = self._numbered, self._pending
            out.append((f" [note {number}]", False))
            text = " ".join(text for _, text in self._collected(note) if text)
            self._pending = [*pending, f"Note {number}: {text}"]

    def _table(self, table: _Element) -> None:
        """Rows as lines of Markdown; a table that only frames or arranges other blocks gives these blocks."""
        rows: list[list[str]] = []
        above: dict[int, str] = {}
        blocks: list[Piece] = []
        single, arranged = True, False
        for row in _inside(table, "tr"):
            properties = inner(row, "trPr")
            if inner(properties, "del") is not None:
                self._seen["deletions"] += 1
                continue
            cells: list[str] = []
            for cell in _inside(row, "tc"):
                found = self._collected(cell)
                blocks += found
                arranged = arranged or sum(bool(m.strip(" -|") and t) for m, t in found) > 1
                properties = inner(cell, "tcPr")
                merged = inner(properties, "vMerge")
                text = above.get(len(cells), "") if _continues(merged) else _cell_text(found)
                above[len(cells)] = text
                cells += [text, *[""] * (min(small_number(attribute(inner(properties, "gridSpan")), 1), _WIDEST) - 1)]
                if len(cells) > _WIDEST:
                    break
            single = single and len(cells) <= 1
            while cells and not cells[-1]:
                cells.pop()
            rows.append(cells)
            self._size += sum(len(text) + 3 for text in cells)
            if self._size > MAX_CHARACTERS:
                self._add("|", "")
        if single or arranged:
            self.out += blocks
        elif any(map(any, rows)):
            self.out.append(("|", "\n".join(f"| {' | '.join(cells)} |" for cells in rows if any(cells))))


def _left_out(element: _Element) -> bool:
    """Whether a reader of the final document does not see the element."""
    name = tag_of(element)
    if name == "Fallback":
        parent = element.getparent()
        return parent is not None and inner(parent, "Choice") is not None
    return name in _UNSEEN or name in _REMOVED or not name


def _inside(node: _Element, name: str) -> Iterator[_Element]:
    """The rows of a table or the cells of a row, also those in content controls and tracked insertions."""
    for element in node:
        if tag_of(element) == name:
            yield element
        elif tag_of(element) not in ("p", "tbl") and not _left_out(element):
            yield from _inside(element, name)


def _continues(merged: _Element | None) -> bool:
    return merged is not None and attribute(merged) in ("", "continue")


def _cell_text(found: list[Piece]) -> str:
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
