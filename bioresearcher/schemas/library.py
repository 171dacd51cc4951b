"""The shared library as `bioresearcher library --json` prints it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Value
from bioresearcher.schemas.evidence import PaperUse
from bioresearcher.schemas.paper import Failure, Paper
from bioresearcher.schemas.passage import Section, SectionKind


class LibraryEntry(Value):
    """A paper of the library and the text that is stored of it."""

    paper: Paper
    kind: Literal["jats", "pdf", "note", "record"] = Field(description="what the text was read from; record: abstract")
    characters: int
    pages: int | None = Field(description="None when the source has no pages")
    passages: int


class LibraryHit(Value):
    """A passage found by `library search`; `start` and `end` are characters of the paper's text."""

    score: float = Field(description="orders the hits, 0 to 1: 0.6 meaning, 0.4 words")
    dense: float = Field(description="cosine similarity to the query; after 16 hits by the coarser static vectors")
    lexical: float = Field(description="BM25 score")
    paper: str = Field(description="the paper's id")
    title: str
    section: str
    kind: SectionKind
    page: int | None
    start: int
    end: int
    text: str


class RunUse(Value):
    """What stands on a paper in one run."""

    run: str = Field(description="name of the run folder")
    use: PaperUse


class LibraryShown(Value):
    """One paper: its text in the library (None when only runs know it), and what stands on it in the runs."""

    paper: Paper
    entry: LibraryEntry | None
    sections: tuple[Section, ...] = ()
    warnings: tuple[str, ...] = ()
    uses: tuple[RunUse, ...] = ()


class LibraryChange(Value):
    """What `library add` or `library remove` did."""

    added: tuple[LibraryEntry, ...] = ()
    unchanged: tuple[str, ...] = Field(default=(), description="ids of papers whose text was already there")
    removed: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
