"""Text of PDF and Word files, read with guards: these files come from anywhere."""

from __future__ import annotations

import logging
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.errors import InputError

if TYPE_CHECKING:
    from lxml.etree import _Element
    from pypdf import PdfReader

MAX_PAGES = 500
MAX_XML_BYTES = 40_000_000
"""Uncompressed bytes of one part of a Word file; more is refused as a decompression bomb."""
MAX_ENTRIES = 5_000

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"

# what pypdf was seen to raise on damaged files, besides its own errors
_DAMAGE = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    AssertionError,
    RecursionError,
    OverflowError,
    NotImplementedError,
    OSError,
    EOFError,
    struct.error,
    zlib.error,
)


def pdf_text(path: Path) -> tuple[str, list[str]]:
    """A PDF's text, running heads and hyphens taken out, and warnings.

    Raises:
        InputError: Not a PDF, encrypted, more than `MAX_PAGES` pages, or without text (a scan).
    """
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    damage = (PyPdfError, *_DAMAGE)
    with _quiet():
        try:
            reader = PdfReader(path)
            if reader.is_encrypted and not reader.decrypt(""):
                raise InputError(f"{path.name} is encrypted.", hint="Save it without a password.")
            count = len(reader.pages)
        except damage as error:
            raise InputError(
                f"{path.name} is not a readable PDF.", hint="Open and save it anew, or give text."
            ) from error
        if count > MAX_PAGES:
            raise InputError(f"{path.name} has {count} pages; at most {MAX_PAGES} are read.")
        pages, lost = _pages(reader, count, damage)
    text = _mend(_without_running_heads(pages))
    if len(re.findall(r"\w", text)) < 20:
        raise InputError(f"{path.name} holds no text: a scan?", hint="Run text recognition (OCR) on it first.")
    warnings = [f"{len(lost)} of {count} pages could not be read: {', '.join(lost[:5])}"] if lost else []
    warnings.append("signs such as < and ≥ are often lost in PDF text; check thresholds in the original")
    return text, warnings


def _pages(reader: PdfReader, count: int, damage: tuple[type[Exception], ...]) -> tuple[list[str], list[str]]:
    pages, lost = [], []
    for i in range(count):
        try:
            pages.append(reader.pages[i].extract_text())
        except damage:
            lost.append(str(i + 1))
    return pages, lost


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pypdf silent: it logs a line per oddity, and what matters comes back as a warning of ours."""
    logger = logging.getLogger("pypdf")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _without_running_heads(pages: list[str]) -> str:
    """Lines that stand at the edge of most pages, and bare page numbers, are not the protocol's words."""
    lines = [[x.rstrip() for x in page.split("\n") if x.strip()] for page in pages]
    edges = Counter(re.sub(r"\d+", "#", x) for page in lines for x in {*page[:2], *page[-2:]})
    heads = {x for x, n in edges.items() if len(pages) >= 3 and n > len(pages) / 2}
    kept = []
    for page in lines:
        inner = range(2, len(page) - 2)
        body = [x for i, x in enumerate(page) if i in inner or re.sub(r"\d+", "#", x) not in heads]
        kept.append("\n".join(x for x in body if not re.fullmatch(r"\s*\d{1,4}\s*", x)))
    return "\n".join(kept)


def _mend(text: str) -> str:
    text = re.sub(r"(?<=[a-z])-\n(?=[a-z])", "", text)
    for mark, letters in (
        ("ﬁ", "fi"),
        ("ﬂ", "fl"),
        ("ﬀ", "ff"),
        ("ﬃ", "ffi"),
        ("ﬄ", "ffl"),
        ("\xa0", " "),
        ("\xad", ""),
    ):
        text = text.replace(mark, letters)
    return text


def docx_text(path: Path) -> tuple[str, list[str]]:
    """A Word file's text as Markdown (headings, list items, paragraphs), and warnings.

    Macros are never run and are named in a warning. External entities and document types are refused.

    Raises:
        InputError: Not a Word file, damaged, or too large when unpacked.
    """
    warnings: list[str] = []
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(names) > MAX_ENTRIES or "word/document.xml" not in names:
                raise InputError(f"{path.name} is not a Word document.", hint="Save it as .docx.")
            if any(n.lower().endswith("vbaproject.bin") for n in names) or path.suffix.lower() == ".docm":
                warnings.append("holds macros; they were ignored")
            body = _xml(archive, "word/document.xml", path)
            styles = _xml(archive, "word/styles.xml", path) if "word/styles.xml" in names else None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error) as error:
        raise InputError(
            f"{path.name} is not a readable Word document.",
            hint="Is it protected by a password? Save it anew as .docx.",
        ) from error
    levels = _heading_levels(styles) if styles is not None else {}
    lines = [line for p in body.iter(f"{_W}p") if (line := _paragraph(p, levels))]
    return "\n\n".join(lines), warnings


def _xml(archive: zipfile.ZipFile, name: str, path: Path) -> _Element:
    from lxml import etree

    with archive.open(name) as handle:
        data = handle.read(MAX_XML_BYTES + 1)
    if len(data) > MAX_XML_BYTES:
        raise InputError(f"{path.name} unpacks to more than {MAX_XML_BYTES // 10**6} MB.", hint="It is not read.")
    if b"<!DOCTYPE" in data[:4000] or b"<!ENTITY" in data[:4000]:
        raise InputError(f"{path.name} declares a document type, which Word files never do.", hint="It is not read.")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
    )
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise InputError(f"{path.name} is damaged: {name} is not valid XML.", hint="Save it anew.") from error


def _heading_levels(styles: _Element) -> dict[str, int]:
    """Style id -> heading level; `Title` is level 1 and `heading 1` comes below it."""
    levels: dict[str, int] = {}
    for style in styles.iter(f"{_W}style"):
        name = style.find(f"{_W}name")
        said = (name.get(f"{_W}val") or "").lower() if name is not None else ""
        outline = style.find(f"{_W}pPr/{_W}outlineLvl")
        level = outline.get(f"{_W}val") if outline is not None else None
        numbered = re.fullmatch(r"heading (\d)", said)
        if said == "title":
            levels[style.get(f"{_W}styleId") or ""] = 1
        elif numbered or (level and level.isdigit() and int(level) < 6):
            levels[style.get(f"{_W}styleId") or ""] = 1 + (int(numbered.group(1)) if numbered else int(level or 0) + 1)
    return levels


def _paragraph(p: _Element, levels: dict[str, int]) -> str:
    pieces = []
    for node in p.iter(f"{_W}t", f"{_W}tab", f"{_W}br"):
        pieces.append(node.text or "" if node.tag == f"{_W}t" else " " if node.tag == f"{_W}tab" else "\n")
    text = re.sub(r"[ \t]+", " ", "".join(pieces)).strip()
    if not text:
        return ""
    style = p.find(f"{_W}pPr/{_W}pStyle")
    name = style.get(f"{_W}val") or "" if style is not None else ""
    fallback = re.fullmatch(r"Heading(\d)", name)
    level = levels.get(name) or (1 if name == "Title" else 1 + int(fallback.group(1)) if fallback else 0)
    if level:
        return "#" * min(level, 6) + " " + text.replace("\n", " ")
    if p.find(f"{_W}pPr/{_W}numPr") is None:
        return text
    depth = p.find(f"{_W}pPr/{_W}numPr/{_W}ilvl")
    nested = int(depth.get(f"{_W}val") or 0) if depth is not None and (depth.get(f"{_W}val") or "").isdigit() else 0
    return "    " * min(nested, 4) + "- " + text.replace("\n", " ")
