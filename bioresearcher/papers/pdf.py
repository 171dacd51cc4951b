"""Reads papers in PDF with pypdf: metadata and canonical text with sections and pages.

The file is hostile input. Size, pages, decoded bytes and characters are bounded before they are parsed, and a file
that pypdf cannot read gives one clear line.
"""

from __future__ import annotations

import gc
import io
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from bioresearcher.papers.canonical import DocumentBuilder, UnreadablePaper, clean
from bioresearcher.papers.identifiers import Identifiers, paper_id
from bioresearcher.papers.jats_xml import licence_name
from bioresearcher.papers.pdf_check import by_position, doubts_of
from bioresearcher.papers.pdf_first_page import find_authors, find_title
from bioresearcher.papers.pdf_layout import Line, join, tidy, vocabulary
from bioresearcher.papers.pdf_page import bare_letters, pdf_errors, read_page
from bioresearcher.papers.pdf_raised import RaisedDigits
from bioresearcher.papers.pdf_signs import Signs
from bioresearcher.papers.pdf_structure import write_sections
from bioresearcher.schemas.paper import Document, Paper

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader


MAX_BYTES: Final = 100_000_000
MAX_PAGES: Final = 300
MAX_PROTOCOL_PAGES: Final = 500  # with the forms and tables in its appendix
MAX_SECONDS: Final = 120.0
"""CPU seconds after which no further page is read."""

_COLLECT_AFTER: Final = 50_000
"""Objects after which garbage is collected while a file is read."""

_MIN_CHARACTERS: Final = 500
"""Least length of a paper."""
_MIN_LETTERS: Final = 20
"""Least length of a protocol."""

_LOST_HEADINGS: Final = 1
"""Weight of a reading without headings against those with them: a slight doubt does not outweigh them."""

_LEADERS: Final = re.compile(r"(?:\. ?|…){5,} ?\d{1,4}$")
"""Dots that lead to a page number, in a table of contents."""

_DIVIDED: Final = re.compile(r"[^\W\d_]-$|\u00ad$")

_BROKEN_HINT: Final = "Download it again, or give its XML or text instead."
_DOI: Final = re.compile(r"\b10\.\d{4,9}/[^\s\"<>{}|\\^`\]]+[^\s\"<>{}|\\^`\].,;:)]", re.IGNORECASE)
_LOST_SIGN: Final = re.compile(r"\b[Pp](?:[- ]?values?)?\s*[,5.\ufffd]\s?0\.\d|\(n5\d|\(n ?\ufffd ?\d|\ufffd ?\d")
_DIVIDED_DOI: Final = re.compile(r"(\b10\.\d{4,9}/\S{0,60}[./-])\n(?=\w)")
_PART_DOI: Final = re.compile(r"\.[gst]\d{3}$")
_YEAR: Final = (
    # a search of "trials published before May 2009" is no date of the paper
    re.compile(
        r"(?:\bP(?:ublished|UBLISHED)\b|\bpublished(?: online|:))"
        r"(?:(?!\b(?:before|after|between|since|until)\b)[^\n]){0,48}?\b((?:19|20)\d\d)\b"
    ),
    re.compile(r"(?:©|\(c\)|copyright)\D{0,20}((?:19|20)\d\d)\b", re.IGNORECASE),
    re.compile(r"accepted:?[^\n]{0,30}?\b((?:19|20)\d\d)\b", re.IGNORECASE),
)
_FILE_TITLE: Final = re.compile(r"\.(docx?|indd|pdf|tex|qxd|dvi)\b|^untitled|^microsoft word|_|\.\.", re.IGNORECASE)


def read_pdf(
    data: bytes, *, sha256: str, name: str = "", path: str | None = None, source: str = "own"
) -> tuple[Paper, Document]:
    """Read a PDF as a paper and its canonical text with the positions at which pages start.

    Args:
        data: The file's bytes.
        sha256: Of the file.
        name: The file's name without its suffix; `PMC123` is taken as the paper's PMC id when the text
            states no identifier, anything else only as the title of last resort.
        path: The file as the user gave it, kept in the paper.
        source: Name of the source it came from.

    Raises:
        UnreadablePaper: Encrypted, scanned, broken, or larger than the limits.
    """
    if len(data) > MAX_BYTES:
        raise UnreadablePaper(
            f"it has {len(data) / 1e6:.0f} MB; PDFs above {MAX_BYTES / 1e6:.0f} MB are refused.",
            hint="Give the paper alone, without its supplement.",
        )
    builder = DocumentBuilder()
    tidied, stated = _lines(data, builder, least=_MIN_CHARACTERS, most=MAX_PAGES)
    paper = _paper(tidied, stated, sha256=sha256, name=name, path=path, source=source)
    document, abstract = _likeliest(tidied, builder, paper)
    if _LOST_SIGN.search(document.text):
        document = document.model_copy(
            update={"warnings": (*document.warnings, "signs such as < ≥ ± = were lost in this PDF's fonts.")}
        )
    return paper.model_copy(update={"abstract": abstract}), document


def _likeliest(pages: list[list[Line]], read: DocumentBuilder, paper: Paper) -> tuple[Document, str]:
    """The document and its abstract, read in the way that leaves the fewest doubts; those that stay are told."""
    document, abstract = _written(pages, read, paper)
    doubts = doubts_of(document)
    least, told = sum(d.weight for d in doubts), ""
    if not least:
        return document, abstract
    placed = by_position(pages)
    for way, lines, headings in (
        ("by position on the page", placed, True),
        ("without headings", pages, False),
        ("by position on the page and without headings", placed, False),
    ):
        other, its_abstract = _written(lines, read, paper, headings=headings)
        left = doubts_of(other)
        weight = sum(d.weight for d in left) + (0 if headings else _LOST_HEADINGS)
        if weight < least:
            document, abstract, doubts, told, least = other, its_abstract, left, way, weight
    warnings = [*document.warnings, *(d.text for d in doubts if d.text)]
    if told:
        warnings.append(f"its lines were read {told}, because the usual way gave no likely sections.")
    return document.model_copy(update={"warnings": tuple(warnings)}), abstract


def _written(
    pages: list[list[Line]], read: DocumentBuilder, paper: Paper, *, headings: bool = True
) -> tuple[Document, str]:
    builder = DocumentBuilder()
    for warning in read.warnings:
        builder.warn(warning)
    abstract = write_sections(pages, builder, title=paper.title, headings=headings)
    return builder.build(paper.id, "pdf"), abstract


def pdf_text(data: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of a PDF without running heads and with divided words made whole, and caveats.

    Raises:
        UnreadablePaper: Encrypted, scanned, broken, or larger than the limits.
    """
    builder = DocumentBuilder()
    pages, _ = _lines(data, builder, least=_MIN_LETTERS, most=MAX_PROTOCOL_PAGES)
    words = vocabulary(pages)
    lines: list[str] = []
    for line in (line.text for page in pages for line in page):
        if _LEADERS.search(line):
            builder.warn("the table of contents was left out")
        elif lines and _DIVIDED.search(lines[-1]) and line[:1].islower():
            lines[-1] = join(lines[-1], line, words)
        else:
            lines.append(line)
    builder.warn("signs such as < and ≥ are often lost in PDF text; check thresholds in the original")
    return "\n".join(lines), builder.warnings


def _lines(data: bytes, builder: DocumentBuilder, *, least: int, most: int) -> tuple[list[list[Line]], dict[str, str]]:
    """The lines of the pages, tidied, and the metadata of the file.

    Raises:
        UnreadablePaper: It has fewer than `least` letters, more than `most` pages, or is no readable PDF.
    """
    signs, raised = Signs(), RaisedDigits()
    try:
        with _rare_collection():
            reader = _open(data, most)
            stated = _information(reader)
            pages = [read_page(page, builder, number, signs, raised) for number, page in _pages(reader, builder)]
    except pdf_errors() as error:
        raise UnreadablePaper(f"the PDF is damaged ({type(error).__name__}).", hint=_BROKEN_HINT) from error
    if sum(len(line.text) for lines in pages for line in lines) < least:
        raise UnreadablePaper(
            "the PDF holds hardly any text: it looks scanned, or its fonts cannot be decoded.",
            hint="Run text recognition (OCR) on it first, or give its text.",
        )
    if signs.found:
        found = " ".join(sorted(signs.found))
        builder.warn(
            f"some signs ({found}) were read from the shapes of a sign font: check thresholds in the original."
        )
    tidied = tidy(pages)
    if not any(tidied):  # numbers of glyphs that pass for letters
        raise UnreadablePaper(
            "its fonts have no map from glyphs to letters, so that no word can be read.",
            hint="Run text recognition (OCR) on it first, or give its text.",
        )
    return tidied, stated


@contextmanager
def _rare_collection() -> Iterator[None]:
    """Collect garbage rarely while pypdf makes its many small objects; that takes a sixth of the time otherwise."""
    usual = gc.get_threshold()
    if 0 < usual[0] < _COLLECT_AFTER:
        gc.set_threshold(_COLLECT_AFTER, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _open(data: bytes, most: int) -> PdfReader:
    from pypdf import PdfReader

    for library in ("pypdf", "fontTools"):
        logging.getLogger(library).setLevel(logging.CRITICAL)  # one line for each repaired object otherwise
    if not data.strip():
        raise UnreadablePaper("the file is empty.", hint=_BROKEN_HINT)
    reader = PdfReader(io.BytesIO(data), strict=False)
    if reader.is_encrypted and not _unlocked(reader):
        raise UnreadablePaper(
            "the PDF is encrypted and needs a password.", hint="Save a copy without protection and give that."
        )
    count = len(reader.pages)
    if count > most:
        raise UnreadablePaper(
            f"it has {count} pages; more than {most} are no single document.",
            hint="Give the paper's own pages.",
        )
    if count == 0:
        raise UnreadablePaper("the PDF has no pages.", hint=_BROKEN_HINT)
    return reader


def _unlocked(reader: PdfReader) -> bool:
    """Try the empty password, with which many publishers encrypt."""
    from pypdf.errors import DependencyError, PyPdfError

    try:
        return bool(reader.decrypt(""))
    except (DependencyError, PyPdfError, NotImplementedError):
        return False


def _pages(reader: PdfReader, builder: DocumentBuilder) -> Iterator[tuple[int, PageObject]]:
    started = time.process_time()
    for number, page in enumerate(reader.pages, 1):
        if time.process_time() - started > MAX_SECONDS:
            builder.warn(f"reading took more than {MAX_SECONDS:.0f} s: pages from {number} on were left out.")
            return
        yield number, page


def _information(reader: PdfReader) -> dict[str, str]:
    metadata: Any = reader.metadata or {}
    return {k: clean(str(metadata.get(k) or "")) for k in ("/Title", "/Author", "/Subject")}


def _paper(
    pages: list[list[Line]], stated: dict[str, str], *, sha256: str, name: str, path: str | None, source: str
) -> Paper:
    first = "\n".join(line.text for lines in pages[:2] for line in lines)
    doi = _DOI.search(_DIVIDED_DOI.sub(r"\1", first))
    pmcid = name if re.fullmatch(r"PMC\d{1,9}", name) else None
    found = Identifiers.of(doi=_PART_DOI.sub("", doi[0]) if doi else None, pmcid=pmcid)
    title = stated["/Title"]
    printed = bare_letters(first)
    if len(title.split()) < 4 or _FILE_TITLE.search(title) or bare_letters(title) not in printed:
        title = find_title(pages) or title or name
    years = (pattern.search(first) for pattern in _YEAR)
    year = next((int(match[1]) for match in years if match), None)
    return Paper(
        id=paper_id(found, sha256),
        title=title,
        authors=find_authors(pages),
        year=year,
        pmcid=found.pmcid,
        doi=found.doi,
        source=source,
        kind="pdf",
        path=path,
        sha256=sha256,
        licence=licence_name(first, " ".join(first.split())),
    )
