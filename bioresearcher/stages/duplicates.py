"""The same paper found twice: by PMID, PMCID, DOI or title; preprints linked to what was published of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bioresearcher.library.identifiers import Identifiers
from bioresearcher.library.lexical import terms
from bioresearcher.schemas.paper import Paper
from bioresearcher.stages.status import worse

LEAST_TITLE = 5
"""Words below which a title (`Editorial`, `Reply to the authors`) does not say which paper it is."""

_PREPRINT_DOI = re.compile(
    r"10\.(?:1101|64898|21203/rs|20944/preprints|48550/arxiv|26434/chemrxiv|31219/osf|22541/au)\b"
)
_PREPRINT_PLACE = re.compile(r"\b(?:bioRxiv|medRxiv|arXiv|Research Square|Preprints|ChemRxiv|SSRN)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unique:
    """Papers without repeats.

    Attributes:
        papers: In the order in which they were first found.
        called: Other ids under which they were found, with the id they are kept under.
        preprints: Ids of preprints, with the id of what was published of them.
    """

    papers: tuple[Paper, ...]
    called: dict[str, str] = field(default_factory=dict)
    preprints: dict[str, str] = field(default_factory=dict)


def unique(papers: Iterable[Paper]) -> Unique:
    """Papers without repeats; what one source does not state is taken from another.

    Two are the same when they share a PMID, PMCID or DOI, or when their titles are the same and no identifier speaks
    against it. The first one found keeps its id. A preprint stays a paper of its own, because its text may differ.
    """
    kept: list[Paper] = []
    place: dict[str, int] = {}
    called: dict[str, str] = {}
    for paper in papers:
        at = next((place[k] for k in _keys(paper) if k in place), None)
        if at is None:
            title = _title_key(paper)
            at = next((place[k] for k in (title,) if k in place and _may_be_one(kept[place[k]], paper)), None)
        if at is None:
            at = len(kept)
            kept.append(paper)
        else:
            kept[at] = _joined(kept[at], paper)
            if paper.id != kept[at].id:
                called[paper.id] = kept[at].id
        for key in (*_keys(kept[at]), *_keys(paper), _title_key(paper)):
            if key:
                place.setdefault(key, at)
    return Unique(tuple(kept), called, _preprints(kept))


def is_preprint(paper: Paper) -> bool:
    """Whether identifier, place or publication type say that it was not peer reviewed when it appeared."""
    types = {t.casefold() for t in paper.publication_types}
    by_doi = bool(paper.doi and _PREPRINT_DOI.match(paper.doi))
    return "preprint" in types or by_doi or bool(paper.journal and _PREPRINT_PLACE.search(paper.journal))


def _keys(paper: Paper) -> tuple[str, ...]:
    return (f"id:{paper.id}", *Identifiers(pmid=paper.pmid, pmcid=paper.pmcid, doi=paper.doi).keys())


def _title_key(paper: Paper) -> str:
    stems = terms(paper.title)
    return f"title:{' '.join(stems)}" if len(stems) >= LEAST_TITLE else ""


def _may_be_one(one: Paper, other: Paper) -> bool:
    """Whether nothing but the title speaks: no identifier of the same kind differs, nor years by more than one."""
    pairs = ((one.pmid, other.pmid), (one.pmcid, other.pmcid), (one.doi, other.doi))
    if any(a and b and a != b for a, b in pairs) or is_preprint(one) != is_preprint(other):
        return False
    return not (one.year and other.year and abs(one.year - other.year) > 1)


def _joined(first: Paper, other: Paper) -> Paper:
    """The first one, completed by the other: identifiers, abstract, types and the worse known status."""
    given = {
        name: getattr(other, name)
        for name in Paper.model_fields
        if not getattr(first, name) and getattr(other, name) and name not in {"id", "source", "path", "sha256", "kind"}
    }
    if not given.get("abstract") and len(other.abstract) > 2 * len(first.abstract):
        given["abstract"] = other.abstract
    return worse(first, other).model_copy(update={k: v for k, v in given.items() if k not in {"status", "notices"}})


def _preprints(papers: Sequence[Paper]) -> dict[str, str]:
    published = {_title_key(p): p.id for p in reversed(papers) if _title_key(p) and not is_preprint(p)}
    return {p.id: published[_title_key(p)] for p in papers if is_preprint(p) and _title_key(p) in published}
