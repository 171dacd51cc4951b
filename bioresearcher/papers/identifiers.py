"""Identifiers of papers, ids that are safe as file names, and documents made of bibliographic records."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self

from bioresearcher.papers.canonical import DocumentBuilder, UnreadablePaper, clean, section_kind
from bioresearcher.runfolder import safe_name
from bioresearcher.schemas.paper import Document, Paper

_PMID: Final = re.compile(r"(?:PMID:?\s*)?([1-9][0-9]{0,8})")
_PMCID: Final = re.compile(r"(?:PMCID:?\s*)?(?:PMC)?\s*([1-9][0-9]{0,8})(?:\.\d+)?", re.IGNORECASE)
_DOI: Final = re.compile(
    r"(?:https?://(?:dx\.)?doi\.org/|doi:?\s*)?(10\.[0-9]{4,9}/[^\s\"<>{}|\\^`]{1,180})", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Identifiers:
    """A paper's identifiers; each is None unless it was given and well formed."""

    pmid: str | None = None
    pmcid: str | None = None
    doi: str | None = None

    @classmethod
    def of(cls, *, pmid: str | None = None, pmcid: str | None = None, doi: str | None = None) -> Self:
        """Identifiers from raw texts: `PMID 123` → `123`, `4521097` → `PMC4521097`, DOI links → lower-case DOI."""
        p = _PMID.fullmatch(pmid.strip()) if pmid else None
        c = _PMCID.fullmatch(pmcid.strip()) if pmcid else None
        d = _DOI.fullmatch(doi.strip()) if doi else None
        return cls(
            pmid=p[1] if p else None,
            pmcid=f"PMC{c[1]}" if c else None,
            doi=d[1].lower().rstrip(".,;)") if d else None,
        )

    def keys(self) -> tuple[str, ...]:
        """The identifiers as `pmid:…`, `pmcid:…` and `doi:…`; two records of one paper share at least one."""
        named = (("pmid", self.pmid), ("pmcid", self.pmcid), ("doi", self.doi))
        return tuple(f"{name}:{value}" for name, value in named if value)


def paper_id(found: Identifiers, sha256: str) -> str:
    """The paper's id: `PMID…`, else `PMC…`, else `doi-…`, else `own-<hash>` from the file's sha256.

    A DOI that does not survive as a file name (long, or with unusual characters) gets a hash at its end.
    """
    if found.pmid:
        return f"PMID{found.pmid}"
    if found.pmcid:
        return found.pmcid
    if found.doi:
        name = safe_name(f"doi-{found.doi}")
        lossless = f"doi-{found.doi.replace('/', '-', 1)}"
        if name == lossless:
            return name
        return f"{name[:60]}-{hashlib.sha256(found.doi.encode()).hexdigest()[:8]}"
    return f"own-{sha256[:12]}"


ABSTRACT_ONLY: Final = "only title and abstract were at hand, not the full text."
"""The warning of every document made of a record."""

_LABEL: Final = re.compile(r"([A-Z][A-Za-z/&,' -]{3,60}): ")
_WITHIN: Final = re.compile(r"(?<=[.!?)] )(?=([A-Z][A-Z/&,' -]{3,60}): )")
"""Place before a label in capitals that follows a sentence: many exports put a structured abstract on one line."""


def record_document(paper: Paper) -> Document:
    """Make a document of kind `record` from a paper's title and abstract, with the warning `ABSTRACT_ONLY`.

    An abstract written as `LABEL: text` paragraphs (one a line) keeps them as paragraphs of one abstract section; a
    label that names a kind of section, such as METHODS, begins a section of that kind, so that methods of a structured
    abstract are found where methods are looked for.

    Raises:
        UnreadablePaper: The record has no abstract, so there is nothing to read but the title.
    """
    blocks = [part for line in paper.abstract.splitlines() for part in _parts(clean(line)) if part]
    if not blocks:
        raise UnreadablePaper(
            f"{paper.id}: the record has neither full text nor abstract.", hint="Add the paper's file with --papers."
        )
    builder = DocumentBuilder()
    builder.section("Title", "title", 0, heading=False)
    builder.paragraph(paper.title)
    builder.section("Abstract", "abstract", 1)
    for text in blocks:
        label = _LABEL.match(text)
        kind = section_kind(label[1].capitalize()) if label else None
        if label and kind:
            builder.section(label[1].capitalize(), kind, 2)
            text = text[label.end() :]
        builder.paragraph(text)
    builder.warn(ABSTRACT_ONLY)
    return builder.build(paper.id, "record")


def _parts(line: str) -> list[str]:
    """Divide a line before each label that names a kind of section."""
    cuts = [m.start() for m in _WITHIN.finditer(line) if section_kind(m[1].capitalize())]
    return [line[a:b].strip() for a, b in zip([0, *cuts], [*cuts, len(line)], strict=True)]
