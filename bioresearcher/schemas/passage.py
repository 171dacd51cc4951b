"""Text of documents and what is quoted from it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Value

SectionKind = Literal[
    "title",
    "abstract",
    "introduction",
    "methods",
    "results",
    "discussion",
    "legend",
    "table",
    "data_availability",
    "supplementary",
    "references",
    "front",
    "other",
]


class Section(Value):
    """A stretch of the canonical text; `start` inclusive, `end` exclusive, in characters."""

    title: str
    kind: SectionKind
    level: int = Field(ge=0, description="0 for the whole document's front, 1 for top sections")
    start: int
    end: int


class Document(Value):
    """One paper's canonical text: every character position in this program refers to it.

    `pages` holds the character offset at which each page starts (empty when the source has no pages).
    """

    id: str = Field(description="the paper's id")
    text: str
    sections: tuple[Section, ...]
    pages: tuple[int, ...] = ()
    kind: Literal["jats", "pdf", "note", "record"]
    sha256: str = Field(description="of the canonical text")
    language: str | None = Field(default=None, description="ISO 639-1 code by rule; None when it could not be told")
    warnings: tuple[str, ...] = ()


class Passage(Value):
    """A retrievable stretch of a document's canonical text."""

    id: str = Field(description="`<document>:<first 12 hex of the text's sha256>`")
    document: str
    section: str
    kind: SectionKind
    page: int | None = None
    start: int
    end: int
    text: str


class Evidence(Value):
    """A quote found in its source: `text` is `document.text[start:end]`, the paper's own words."""

    document: str
    section: str
    page: int | None = None
    start: int
    end: int
    text: str
