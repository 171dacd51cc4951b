"""Reads the bytes of a file as a paper or as the text of a protocol; the content decides how, not the file's name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bioresearcher.papers.canonical import UnreadablePaper
from bioresearcher.papers.docx import read_docx
from bioresearcher.papers.jats import read_jats
from bioresearcher.papers.notes import read_note
from bioresearcher.papers.pdf import pdf_text, read_pdf
from bioresearcher.schemas.paper import Document, Paper

SUFFIXES: Final = frozenset([".xml", ".nxml", ".pdf", ".md", ".markdown", ".txt"])
"""Suffixes of the files that are read as papers in a folder."""

ACCEPTED: Final = "JATS XML (.xml, .nxml), PDF (.pdf) and notes (.md, .txt)"

_TEXT: Final = frozenset([".md", ".markdown", ".txt", ""])


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file's name without suffix, suffix, path as given, and sha256 of its bytes."""

    name: str
    suffix: str
    path: str
    sha256: str


def is_pdf(data: bytes) -> bool:
    """Return True if the bytes begin like a PDF."""
    return b"%PDF-" in data[:1024]


def parse(file: SourceFile, data: bytes) -> tuple[Paper, Document]:
    """Read a file's bytes as a paper, in this process: without limits on time and memory.

    Raises:
        UnreadablePaper: The bytes are no readable paper.
    """
    head = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if is_pdf(data):
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


def protocol_text(file: SourceFile, data: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of a PDF or Word file as Markdown, with caveats; read in this process.

    Raises:
        UnreadablePaper: The bytes are no readable PDF or Word file.
    """
    return pdf_text(data) if file.suffix == ".pdf" or is_pdf(data) else read_docx(data)


def _is_xml(data: bytes, head: bytes, suffix: str) -> bool:
    if head.startswith(b"<") and suffix not in (".md", ".markdown", ".txt"):
        return True
    if head.startswith(b"<?xml") or re.match(rb"<(article|pmc-articleset)[\s>]", head):
        return True
    return data.startswith((b"\xff\xfe<\x00", b"\xfe\xff\x00<"))


def _is_html(head: bytes) -> bool:
    start = head[:1024].lower()
    return (
        start.startswith((b"<!doctype html", b"<html", b"<head", b"<body"))
        or (start.startswith(b"<?xml") and b"<html" in start)
        or (start.startswith(b"<!--") and b"<html" in start)
    )
