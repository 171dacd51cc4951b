"""A file read as a paper, whatever it is called: its content decides how it is read."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from bioresearcher.library.apart import File, read_apart
from bioresearcher.library.canonical import UnreadablePaper, clean
from bioresearcher.library.jats import read_jats
from bioresearcher.library.notes import read_note
from bioresearcher.library.pdf import MAX_BYTES, pdf_text, read_pdf
from bioresearcher.papers.docx import read_docx
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.passage import Document

SUFFIXES: Final = frozenset([".xml", ".nxml", ".pdf", ".md", ".markdown", ".txt"])
"""Suffixes of files that are taken for papers when a folder is read."""

ACCEPTED: Final = "JATS XML (.xml, .nxml), PDF (.pdf) and notes (.md, .txt)"

_SMALL: Final = 1_000_000
"""Text files of up to so many bytes are read at once; larger ones, like every PDF, in a process with limits."""

_TEXT: Final = frozenset([".md", ".markdown", ".txt", ""])


def load_paper(path: Path) -> tuple[Paper, Document]:
    """The paper in a file and its canonical text.

    What the file begins with decides: `%PDF`, an XML element, or text. The paper's `path` is as given.

    Raises:
        UnreadablePaper: The file cannot be read as a paper; the message begins with the file's name.
    """
    try:
        paper, document = _load(path)
        return paper if paper.title else paper.model_copy(update={"title": clean(path.stem)}), document
    except UnreadablePaper as error:
        name = clean(path.name)[:120]
        raise UnreadablePaper(f"{name}: {error.message}", hint=error.hint) from error


def _load(path: Path) -> tuple[Paper, Document]:
    data = _bytes(path)
    file = File(
        name=clean(path.stem),
        suffix=path.suffix.lower(),
        path=clean(str(path)),
        sha256=hashlib.sha256(data).hexdigest(),
    )
    return read_apart(file, data) if _is_pdf(data) or len(data) > _SMALL else parse(file, data)


def _is_pdf(data: bytes) -> bool:
    return b"%PDF-" in data[:1024]


def parse(file: File, data: bytes) -> tuple[Paper, Document]:
    """The paper in a file's bytes, read in this process: without limits on the time it takes.

    Raises:
        UnreadablePaper: The bytes are no readable paper.
    """
    head = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if _is_pdf(data):
        return read_pdf(data, sha256=file.sha256, name=file.name, path=file.path)
    if _is_html(head):
        raise UnreadablePaper(
            "it is a web page, not a paper (often a login or error page saved under the paper's name).",
            hint="Download the paper itself.",
        )
    if _is_xml(data, head, file.suffix):
        return read_jats(data, sha256=file.sha256, path=file.path)
    if file.suffix in _TEXT:
        return read_note(data, sha256=file.sha256, name=file.name, path=file.path)
    raise UnreadablePaper(
        f"its content is not that of a {file.suffix or 'file'} paper.", hint=f"Accepted are {ACCEPTED}."
    )


def protocol_text(file: File, data: bytes) -> tuple[str, tuple[str, ...]]:
    """A PDF's or Word file's text as Markdown and what is doubtful in it, read in this process.

    Raises:
        UnreadablePaper: The bytes are no readable PDF or Word file.
    """
    return pdf_text(data) if file.suffix == ".pdf" or _is_pdf(data) else read_docx(data)


def _is_xml(data: bytes, head: bytes, suffix: str) -> bool:
    if head.startswith(b"<") and suffix not in (".md", ".markdown", ".txt"):
        return True
    if head.startswith(b"<?xml") or re.match(rb"<(article|pmc-articleset)[\s>]", head):
        return True
    return data.startswith((b"\xff\xfe<\x00", b"\xfe\xff\x00<"))


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise UnreadablePaper("it is not a regular file.")
        if size > MAX_BYTES:
            raise UnreadablePaper(
                f"it has {size / 1e6:.0f} MB; files above {MAX_BYTES / 1e6:.0f} MB are refused.",
                hint="Give the paper alone, without its supplement.",
            )
        data = path.read_bytes()
    except OSError as error:
        raise UnreadablePaper(
            f"it cannot be opened: {error.strerror or error}.", hint="Check its name and permissions."
        ) from error
    if not data.strip():
        raise UnreadablePaper("the file is empty.", hint="Download it again.")
    return data


def _is_html(head: bytes) -> bool:
    start = head[:1024].lower()
    return (
        start.startswith((b"<!doctype html", b"<html", b"<head", b"<body"))
        or (start.startswith(b"<?xml") and b"<html" in start)
        or (start.startswith(b"<!--") and b"<html" in start)
    )
