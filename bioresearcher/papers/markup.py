"""The one conversion of markup to text: JATS, PubMed's XML, and the HTML in answers of services and in exports.

Markup that changes the meaning of a number stays visible: `10<sup>6</sup>` becomes `10^6`, not `106`, and a superscript
citation becomes `[12]`, not two more digits. The caret was chosen over `10⁶` because it can be typed, is found by word
search and exists for every exponent (`10^−x`); quotes are compared without regard to which of the two is written.
Formulas are text where their source is (MathML, TeX); what is only a picture leaves one of the marks below in its
place, in words, so that a quote with a gap says so wherever it is shown.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from bioresearcher.papers.canonical import clean

if TYPE_CHECKING:
    from lxml.etree import _Element

FORMULA: Final = "[formula not shown]"
TABLE: Final = "[table not shown]"
PICTURE: Final = "[picture not shown]"
ADDRESS: Final = "[e-mail address left out]"
MARKS: Final = (FORMULA, TABLE, PICTURE)
"""The marks of what the publisher gave as a picture only, which no reader of the text can know."""


def gap_in(text: str) -> str:
    """Say what a text does not show because its file holds a picture there; empty for a text without a mark."""
    missing = [mark[1:].split()[0] for mark in MARKS if mark in text]
    return (
        f"a {' and a '.join(missing)} of it, only a picture in the file, must be looked up in the paper"
        if missing
        else ""
    )


BLOCKS: Final = frozenset(
    ["fig", "fig-group", "table-wrap", "table-wrap-group", "supplementary-material", "boxed-text", "ref-list"]
)
"""Elements inside paragraphs that become sections of their own."""

UNREAD: Final = frozenset(
    ["object-id", "alt-text", "long-desc", "permissions", "annotation", "annotation-xml", "corresp"]
)
"""Elements that are no text of the paper: identifiers, descriptions for other media, licences of figures, addresses."""

_PICTURES: Final = frozenset(["graphic", "inline-graphic", "img", "private-char", "chem-struct-pict"])
_FORMULAS: Final = frozenset(["inline-formula", "disp-formula", "chem-struct", "chem-struct-wrap"])
_BROKEN: Final = frozenset(
    "break br p div title subtitle label list list-item def-list def-item term def disp-quote disp-formula td th tr "
    "entry row fn caption sec li ul ol h1 h2 h3 h4 h5 h6 verse-line verse-group attrib speech speaker statement "
    "preformat code media ref note mixed-citation table-wrap-foot thead tbody fig table-wrap boxed-text ref-list "
    "answer question supplementary-material".split()
)
_POWER: Final = re.compile(r"[-−–+]?\d+(?:[.,]\d+)*")
_CHARGE: Final = re.compile(r"\d?[+−–-]+")
_PLAIN_RAISED: Final = re.compile(r"st|nd|rd|th|TM|SM|MC|[^\w]+")
_ONE_TOKEN: Final = re.compile(r"[\w/,.*†‡§]+")


def parse_xml(data: bytes) -> _Element:
    """Parse XML of untrusted origin: no DTD, entity or network; without comments and processing instructions.

    Raises:
        SyntaxError: It is not well formed (lxml's `XMLSyntaxError`), or nested beyond libxml2's limit of 256.
        ValueError: It cannot be XML.
    """
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    return etree.fromstring(data, parser)


def tag_of(element: _Element) -> str:
    """The element's name without its namespace; empty for comments, instructions and entities."""
    name: object = element.tag
    return name.rpartition("}")[2] if isinstance(name, str) else ""


def inline(element: _Element, *, skip: frozenset[str] = BLOCKS) -> str:
    """The text of an element with its inline markup made readable; elements named in `skip` are left out."""
    out: list[str] = []
    if tag_of(element) in _FORMULAS:
        skip = _in_formula(element, skip)
    _walk(element, out, skip)
    return "".join(out)


def _walk(element: _Element, out: list[str], skip: frozenset[str]) -> None:
    out.append(element.text or "")
    chosen = _chosen(element) if tag_of(element) in ("alternatives", "citation-alternatives") else None
    for child in element:
        name = tag_of(child)
        if not name:
            out.append(_entity(child))
        elif name not in skip and name not in UNREAD and (chosen is None or child is chosen):
            _child(child, name, out, skip)
        out.append(child.tail or "")


def _child(child: _Element, name: str, out: list[str], skip: frozenset[str]) -> None:
    if name == "math":
        out.append(f" {formula}" if (formula := math_text(child)) and _last(out).isalnum() else formula)
        return
    if name == "tex-math":
        out.append(_tex(child))
        return
    if name in _PICTURES:
        out.append(f" {FORMULA if _is_formula(child) else PICTURE} ")
        return
    if name == "email":
        out.append(ADDRESS if (child.text or "").strip() else "")
        return
    part: list[str] = []
    _walk(child, part, _in_formula(child, skip) if name in _FORMULAS else skip)
    text = "".join(part)
    before = _last(out)
    if name == "sup":
        text = superscript(text, before, (child.tail or "")[:1], cites=_cites(child))
    elif name == "sub":
        text = _subscript(text, before)
    elif name == "xref" and child.get("ref-type") in ("table-fn", "fn"):
        text = superscript(text, before, (child.tail or "")[:1], cites=False)
    elif name == "xref" and child.get("ref-type") == "bibr":
        text = _citation(text, before, "".join(out[-12:])[-60:], child)
    elif name in _BROKEN:
        text = f" {text} "
    out.append(text)


def _chosen(alternatives: _Element) -> _Element | None:
    """The one of several renderings of the same thing that says most as text."""

    def rank(element: _Element) -> int:
        order = ("math", "tex-math", "mixed-citation")
        name = tag_of(element)
        return order.index(name) if name in order else 4 if name in (*_PICTURES, "textual-form") else 3

    return min((e for e in alternatives if tag_of(e) and tag_of(e) not in UNREAD), key=rank, default=None)


def _in_formula(element: _Element, skip: frozenset[str]) -> frozenset[str]:
    """Elements that are left out in a formula: renderings of what also stands there as MathML or TeX."""
    names = {tag_of(e) for e in element.iter()}
    if "math" in names:
        return skip | {"tex-math"} | _PICTURES
    return skip | _PICTURES if "tex-math" in names else skip


def _is_formula(picture: _Element) -> bool:
    return any(tag_of(e) in _FORMULAS for e in picture.iterancestors())


_TEX_BODY: Final = re.compile(r"\\begin\{document\}(.*?)(?:\\end\{document\}|$)", re.DOTALL)
_TEX_PREAMBLE: Final = re.compile(r"\\(?:documentclass|usepackage|setlength)(?:\[[^\]]*\])?(?:\{[^}]*\})+")


def _tex(element: _Element) -> str:
    """A formula as its TeX, without the document around it and the signs that set it apart."""
    whole = "".join(map(str, element.itertext()))
    body = _TEX_BODY.search(whole)
    plain = body[1] if body else _TEX_PREAMBLE.sub("", whole)
    return " ".join(plain.replace("$", " ").split())


def _entity(node: _Element) -> str:
    """The character of a named entity such as `&alpha;`; one that the file defines is never looked up: U+FFFD."""
    name = node.text or ""
    if not name.startswith("&"):
        return ""
    character = html.unescape(name) if re.fullmatch(r"&[A-Za-z0-9]{1,32};", name) else name
    return "\ufffd" if character == name else character


def _last(out: list[str]) -> str:
    return next((piece[-1] for piece in reversed(out) if piece), "")


def _cites(element: _Element) -> bool:
    return any(tag_of(x) == "xref" and x.get("ref-type") == "bibr" for x in element.iter())


def superscript(text: str, before: str, after: str, *, cites: bool) -> str:
    """A superscript as text between the characters `before` and `after` it: a power as `^6`, a citation as ` [12]`.

    Signs (`CD8+`, `*`), charges (`Ca2+`), ordinals and what stands before its word (`14C`) stay as they are written;
    everything else behind a letter, digit or bracket gets a caret, so that it joins no number and no word.
    """
    stripped = text.strip()
    if not stripped:
        return text
    if cites:
        return stripped if stripped.startswith("[") else f" [{stripped}]"
    if not (before.isalnum() or before in tuple(")]")):
        letter = re.fullmatch(r"[a-z]", stripped) and after.isalpha()  # the sign of a note before its text
        return f"^{stripped} " if letter else text
    charge = _CHARGE.fullmatch(stripped) and not before.isdigit()
    if charge or _PLAIN_RAISED.fullmatch(stripped):
        return text
    compact = "".join(stripped.split())
    if _POWER.fullmatch(compact):
        stripped = compact
    elif not _ONE_TOKEN.fullmatch(stripped):
        return f"^({stripped})"
    return f"^({stripped})" if after.isalnum() else f"^{stripped}"


def _subscript(text: str, before: str) -> str:
    """A subscript as text: `H2O`, `IC50`; one that would lengthen a number gets a low line."""
    return f"_{text.strip()}" if before.isdigit() and text.strip()[:1].isdigit() else text


def _citation(text: str, before: str, recent: str, element: _Element) -> str:
    """Put a bare citation number behind a word in brackets; `(Smith 2004)` and `[3]` stay."""
    parent = element.getparent()
    if parent is not None and tag_of(parent) == "sup":
        return text
    if recent.rfind("[") > recent.rfind("]") or recent.rfind("(") > recent.rfind(")"):
        return text
    if text.strip().isdigit() and (before.isalpha() or before in ".,;:)%"):
        return f" [{text.strip()}]"
    return text


def _grouped(text: str) -> str:
    """An operand as it stands, or in brackets if it has more than one term."""
    plain = re.sub(r"^([-−–+]) +", r"\1", text.strip())
    return plain if re.fullmatch(r"[-−–+]?\w+(?:[.,]\w+)*|\([^()]*\)|[^\w\s]", plain) else f"({plain})"


_ACCENTS: Final = {
    "^": "\u0302",
    "¯": "\u0304",
    "‾": "\u0304",
    "~": "\u0303",
    "∼": "\u0303",
    "˜": "\u0303",
    "˙": "\u0307",
}


def _accented(base: str, above: str) -> str:
    """A letter with what stands above it: as an accent if it is one (`x̄`), else behind it."""
    sign = _ACCENTS.get(above.strip(), above.strip())
    return f"{base}{sign}" if unicodedata.combining(sign[:1]) and len(base) == 1 else f"{base}{above}"


_JOIN: Final[dict[str, Callable[[list[str]], str]]] = {
    "mfrac": lambda p: f"({p[0]})/({p[1]})" if len(p) == 2 else " ".join(p),
    "msup": lambda p: f"{p[0]}^{_grouped(p[1])}" if len(p) == 2 else "".join(p),
    "msub": lambda p: f"{p[0]}_{_grouped(p[1])}" if len(p) == 2 else "".join(p),
    "msubsup": lambda p: f"{p[0]}_{_grouped(p[1])}^{_grouped(p[2])}" if len(p) == 3 else "".join(p),
    "msqrt": lambda p: f"√({''.join(p)})",
    "mroot": lambda p: f"√[{p[1]}]({p[0]})" if len(p) == 2 else f"√({''.join(p)})",
    "mover": lambda p: _accented(*p) if len(p) == 2 else "".join(p),
    "munderover": lambda p: f"{p[0]}_({p[1]})^({p[2]})" if len(p) == 3 else "".join(p),
    "mtr": lambda p: ", ".join(p),
    "mlabeledtr": lambda p: ", ".join(p),
    "mtable": lambda p: "; ".join(p),
}


def math_text(element: _Element) -> str:
    """A MathML formula on one line: `(a)/(b)`, `x^2`, `x_i`, `√(x)`; rows of a matrix are parted by semicolons."""
    return "".join(_math_parts(element))


def _math_parts(element: _Element) -> Iterator[str]:
    name = tag_of(element)
    if not name:
        yield _entity(element)
        return
    if name == "mspace":
        yield " "
        return
    own = " ".join((element.text or "").split())
    if name == "mo" and own and len(element) == 0:
        yield own if own in "()[]{},|" or len(own) > 3 else f" {own} "
        return
    parts: list[str] = []
    for child in element:
        if tag_of(child) not in ("annotation", "annotation-xml"):
            text = math_text(child)
            if text and parts and name in ("mrow", "math", "mstyle", "mtd") and _joins(parts[-1], text):
                text = f" {text}"
            parts += [text] if text else []
        parts += [tail] if (tail := " ".join((child.tail or "").split())) else []
    if name == "mfenced":
        between = element.get("separators", ",").strip()[:1]
        inner = (f"{between} " if between else "").join(parts)
        yield f"{element.get('open', '(')}{own}{inner}{element.get('close', ')')}"
    else:
        yield own + _JOIN.get(name, "".join)(parts)


def _joins(left: str, right: str) -> bool:
    """Return True if two operands side by side would be read as one word or number."""
    return left[-1].isalnum() and right[0].isalnum() and (len(left) > 1 or len(right) > 1 or right[0].isdigit())


# Text with tags in it: abstracts and titles of Europe PMC, Crossref and exports of reference managers. Only the names
# below are tags, and an opening one only if it is closed later: `<5% or a depth >100` is text.

_NAMES: Final = (
    "i b em strong u s sup sub sc scp tt small big span font a p div br hr h1 h2 h3 h4 h5 h6 ul ol li dl dt dd table "
    "thead tbody tr td th img title sec italic bold underline monospace abstract list list-item label ext-link xref "
    "inline-formula disp-formula alternatives tex-math inline-graphic graphic math mrow mi mn mo ms mtext mspace mfrac "
    "msup msub msubsup msqrt mroot munder mover munderover mfenced mtable mtr mtd mstyle semantics annotation mpadded "
    "mphantom menclose mmultiscripts mprescripts none"
).split()
_ATTRIBUTES: Final = r"(?:\s+[\w:-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'))*"
_TAG: Final = re.compile(
    rf"<(/?)(?:[a-z]{{1,8}}:)?({'|'.join(sorted(_NAMES, key=len, reverse=True))}){_ATTRIBUTES}\s*(/?)>", re.IGNORECASE
)
_VOID: Final = frozenset(["br", "hr", "img", "mspace", "inline-graphic", "graphic", "none", "mprescripts"])
_HEADINGS: Final = frozenset(["h1", "h2", "h3", "h4", "h5", "h6", "title", "dt"])
_PARAGRAPHS: Final = _HEADINGS | {"p", "div", "sec", "li", "list-item", "tr", "dd", "abstract", "br", "hr"}
_TWICE: Final = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,31}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});")
_DEEPEST: Final = 60


def unescaped(text: str) -> str:
    """Text in which entities that were escaped twice on their way (`&amp;lt;`) are the characters they stand for."""
    return _TWICE.sub(lambda m: html.unescape(m[0]), text) if "&" in text else text


def markup_lines(value: str) -> list[str]:
    """The paragraphs of a text with tags in it; a heading stands before its paragraph as `Methods: …`."""
    if "<" not in value:
        return [line for part in value.splitlines() if (line := clean(unescaped(unescaped(part))))]
    lines: list[str] = []
    heading = ""
    for name, xml in _pieces(value):
        line = clean(unescaped(inline(parse_xml(xml), skip=frozenset())))
        if name in _HEADINGS and line:
            lines += [heading] if heading else []
            heading = line.rstrip(":. ")
        elif line:
            lines.append(f"{heading}: {line}" if heading else line)
            heading = ""
    return [*lines, heading] if heading else lines


def markup_line(value: str) -> str:
    """A text with tags in it as one line."""
    return " ".join(markup_lines(value))


def _tags(value: str) -> list[re.Match[str]]:
    """The tags in a text; a pair is one only if it is closed, so that the `<b>` of `a<b>c` is text."""
    matches = list(_TAG.finditer(value))
    unclosed: dict[str, list[int]] = {}
    for number, match in enumerate(matches):
        name = match[2].lower()
        if match[1]:
            if unclosed.get(name):
                unclosed[name].pop()
        elif not match[3] and name not in _VOID and name not in _PARAGRAPHS:
            unclosed.setdefault(name, []).append(number)
    text = {n for numbers in unclosed.values() for n in numbers}
    return [match for number, match in enumerate(matches) if number not in text]


def _pieces(value: str) -> Iterator[tuple[str, bytes]]:
    """Yield each stretch between tags of paragraphs as well-formed XML, with the paragraph's tag."""
    out: list[str] = []
    opened: list[str] = []
    block, at = "p", 0

    def piece() -> bytes:
        whole = f"<t>{''.join(out)}{''.join(f'</{n}>' for n in reversed(opened))}</t>"
        out[:] = [f"<{n}>" for n in opened]
        return whole.encode()

    for match in _tags(value):
        name = match[2].lower()
        out.append(_escaped(value[at : match.start()]))
        at = match.end()
        if name in _PARAGRAPHS:
            yield block, piece()
            block = "p" if match[1] or match[3] or name in _VOID else name
        elif match[3] or name in _VOID:
            out.append(f"<{name}/>")
        elif not match[1] and len(opened) < _DEEPEST:
            opened.append(name)
            out.append(f"<{name}>")
        elif match[1] and name in opened:
            while (last := opened.pop()) != name:
                out.append(f"</{last}>")
            out.append(f"</{name}>")
    out.append(_escaped(value[at:]))
    yield block, piece()


_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _escaped(text: str) -> str:
    return html.escape(_NO_XML.sub(" ", html.unescape(text)), quote=False)
