"""What bibliographies of all formats say of a paper."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One reference as its file states it; texts are raw."""

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
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Broken:
    """An entry that cannot be read, and why."""

    line: int
    message: str
