"""The values that readers of bibliographies give: references as their files state them, and broken entries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference as its file states it; texts are raw.

    Attributes:
        types: Publication types as PubMed or Web of Science name them, such as `Retracted Publication`.
        notice_of: What the entry says that it retracts, corrects or doubts, with identifiers in free text.
        noticed: (kind of notice, free text with its identifiers) of notices about the entry.
        files: Paths of files beside the bibliography.
    """

    line: int
    label: str
    title: str
    authors: tuple[str, ...] = ()
    date: str = ""
    journal: str = ""
    pmid: str = ""
    pmcid: str = ""
    doi: str = ""
    note: str = ""
    abstract: str = ""
    types: tuple[str, ...] = ()
    notice_of: tuple[str, ...] = ()
    noticed: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnreadableReference:
    """An entry that cannot be read, and the reason."""

    line: int
    message: str
