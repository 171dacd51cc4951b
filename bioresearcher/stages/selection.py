"""What a person takes in or out by id: `PMID:123`, `PMC123`, `doi:10.…`, an accession, or an id as it is shown."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from bioresearcher.errors import InputError
from bioresearcher.library.identifiers import Identifiers, paper_id
from bioresearcher.schemas.paper import Failure, Paper, SearchQuery

_PMID = re.compile(r"(?:PMID[: ]?)?([1-9]\d{0,8})", re.IGNORECASE)
_PMCID = re.compile(r"(?:PMCID[: ]?)?PMC ?\d{1,9}(?:\.\d+)?", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{1,119}")


@dataclass(frozen=True, slots=True)
class Named:
    """Ids among those known, and names that fit none of them."""

    ids: tuple[str, ...]
    unknown: tuple[str, ...]


def named_id(text: str, option: str = "--include") -> str:
    """The id that a person's words mean, in the form this program gives ids.

    Raises:
        InputError: It cannot be an id of anything.
    """
    said = text.strip()
    if match := _PMID.fullmatch(said):
        return f"PMID{match[1]}"
    if _PMCID.fullmatch(said):
        return str(Identifiers.of(pmcid=said).pmcid)
    doi = Identifiers.of(doi=said)
    if doi.doi:
        return paper_id(doi, "")
    if not _PLAIN.fullmatch(said):
        raise InputError(
            f"{option} {text!r:.80}: this is no id.", hint="Use PMID:123, PMC123, doi:10.…, GSE123, or an id as shown."
        )
    return said


def matching(names: Iterable[str], papers: Sequence[Paper], datasets: Collection[str] = ()) -> Named:
    """The ids of papers and data sets that are meant, by whichever of their identifiers, and names of neither."""
    by_name = {alias.casefold(): paper.id for paper in reversed(papers) for alias in _aliases(paper)}
    by_name |= {d.casefold(): d for d in datasets}
    found: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for name in names:
        known = by_name.get(named_id(name).casefold()) or by_name.get(name.strip().casefold())
        (found if known else unknown)[known or name] = None
    return Named(tuple(found), tuple(unknown))


def not_known(names: Iterable[str], option: str) -> list[Failure]:
    """A line in the record for each name that fits nothing."""
    return [
        Failure(
            item=name,
            stage="approve_selection",
            message=f"{option} {name}: no paper and no data set of this run has this id.",
            hint="The ids stand in the selection table, in screening.json and in checks.json.",
        )
        for name in names
    ]


def queries_for(names: Iterable[str], why: str = "--include") -> list[SearchQuery]:
    """Queries that ask literature services for papers by id; none for what is no paper's id."""
    found = []
    for name in names:
        said = name.strip()
        pmid, doi = _PMID.fullmatch(said), Identifiers.of(doi=said).doi
        query = f"{pmid[1]}[PMID]" if pmid else f'"{doi}"[DOI]' if doi else ""
        if _PMCID.fullmatch(said):
            query = f"{Identifiers.of(pmcid=said).pmcid}[PMCID]"
        if query:
            found.append(SearchQuery(query=query, purpose=f"{why} {said}"))
    return found


def _aliases(paper: Paper) -> list[str]:
    known = Identifiers.of(pmid=paper.pmid, pmcid=paper.pmcid, doi=paper.doi)
    one_by_one = (Identifiers(pmid=known.pmid), Identifiers(pmcid=known.pmcid), Identifiers(doi=known.doi))
    return [paper.id, *(paper_id(i, "") for i in one_by_one if i.keys())]
