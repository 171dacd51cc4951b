"""Data sets found by query and by the accessions that kept papers name: search, ranking, inspection, download."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from bioresearcher.errors import InputError, OutsideError
from bioresearcher.papers.mining import find_accessions, normal_accession
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.paper import Failure, QueryPlan
from bioresearcher.sources.datasets.suitability import check_dataset
from bioresearcher.sources.geo.suitability import sort_key
from bioresearcher.sources.protocols import DatasetSource

HITS_PER_QUERY = 20
INSPECTED = 3
"""Data sets inspected for each that may be fetched."""
MAX_NAMED = 60
"""Largest number of accessions looked up, those named most often first."""
_QUOTE = 60
_ELSEWHERE = {
    "ArrayExpress": "ArrayExpress is not asked",
    "TCGA": "the Genomic Data Commons is not asked",
}
"""Reason why an accession of another database than GEO is not looked up."""


def mentions(texts: Mapping[str, Sequence[str]], requested: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return accession -> places that name it: those the researcher requests, then the most often named.

    Args:
        texts: Paper id -> its title, abstract and, where it is known, its text.
        requested: Names from `--include`; those that are no accessions are left out.
    """
    found: dict[str, list[str]] = {a: ["asked for by the researcher"] for w in requested if (a := normal_accession(w))}
    counted: dict[str, list[str]] = {}
    for paper_id, parts in texts.items():
        for text in parts:
            for accession in find_accessions(text):
                if accession.kind != "GPL":  # a platform, no data set
                    around = text[max(0, accession.start - _QUOTE) : accession.end + _QUOTE]
                    where = f"named in {paper_id}: “…{' '.join(around.split())}…”"
                    counted.setdefault(accession.id, []).append(where)
    for name in sorted(counted, key=lambda n: (-len(counted[n]), n)):
        found.setdefault(name, []).extend(list(dict.fromkeys(counted[name]))[:5])
    return found


def not_asked(named: Mapping[str, Sequence[str]]) -> list[Failure]:
    """Return a failure for each accession of a database that is not asked, with advice to the researcher."""
    failures = []
    for name, where in named.items():
        [*kinds] = {a.kind for a in find_accessions(name)}
        why = _ELSEWHERE.get(kinds[0]) if kinds else None
        if why:
            failures.append(
                Failure(
                    item=name,
                    stage="search_datasets",
                    message=f"{name} was not looked up: {why} ({where[0]}).",
                    hint="Download its table of values and give it with --data.",
                )
            )
    return failures


async def search_datasets(
    sources: Sequence[DatasetSource], plan: QueryPlan, named: Mapping[str, Sequence[str]]
) -> tuple[list[Dataset], list[Failure]]:
    """Search data sets by the plan's queries and by name: (each once with all that found it, failures per source)."""
    asked = {n: w for n, w in named.items() if n.startswith(("GSE", "GDS", "GSM", "SRP", "ERP", "DRP", "PRJ"))}
    asked = dict(list(asked.items())[:MAX_NAMED])
    answers = await asyncio.gather(*(_ask(s, plan, asked) for s in sources))
    found: dict[str, Dataset] = {}
    for datasets, _ in answers:
        for dataset in datasets:
            found[dataset.id] = _merged(found[dataset.id], dataset) if dataset.id in found else dataset
    return list(found.values()), [f for _, failures in answers for f in failures]


async def _ask(
    source: DatasetSource, plan: QueryPlan, named: Mapping[str, Sequence[str]]
) -> tuple[list[Dataset], list[Failure]]:
    found: list[Dataset] = []
    failures: list[Failure] = []
    try:
        if named:
            datasets, wrong = await source.named(named)
            found += datasets
            failures += wrong
        for query in plan.datasets:
            found += await source.search(query.query, HITS_PER_QUERY)
    except OutsideError as error:
        failures.append(Failure(item=source.name, stage="search_datasets", message=error.message, hint=error.hint))
    return found, failures


def _merged(first: Dataset, second: Dataset) -> Dataset:
    if first.remote is None or second.remote is None:
        return first
    found_by = tuple(dict.fromkeys((*first.remote.found_by, *second.remote.found_by)))
    return first.model_copy(update={"remote": first.remote.model_copy(update={"found_by": found_by})})


def promising(datasets: Sequence[Dataset], objective: Objective, limit: int, max_bytes: int) -> list[Dataset]:
    """Return the data sets worth inspecting, best first, by their summaries; requested ones always."""
    judged = [(check_dataset(d, objective, max_bytes), d) for d in datasets]
    ranked = sorted(judged, key=lambda pair: (not is_requested(pair[1]), not is_named(pair[1]), sort_key(*pair)))
    worth = [d for check, d in ranked if is_requested(d) or (check.relevant and check.verdict != "unusable")]
    return worth[:limit]


def is_requested(dataset: Dataset) -> bool:
    """Return True if the researcher requested the data set."""
    return dataset.remote is not None and any("asked for" in f for f in dataset.remote.found_by)


def is_named(dataset: Dataset) -> bool:
    """Return True if a kept paper names the data set."""
    return dataset.remote is not None and any("named in" in f for f in dataset.remote.found_by)


async def inspect_all(sources: Sequence[DatasetSource], datasets: Sequence[Dataset]) -> list[Dataset]:
    """Complete the descriptions of data sets by their samples and files."""
    by_name = {s.name: s for s in sources}
    return list(await asyncio.gather(*(by_name[d.source].inspect(d) for d in datasets)))


def chosen(checks: Sequence[DatasetCheck], datasets: Mapping[str, Dataset], limit: int) -> list[str]:
    """Return the usable own data sets, then at most `limit` remote ones that are relevant and usable."""
    usable = [(c, datasets[c.dataset_id]) for c in checks if c.verdict != "unusable"]
    own = [d.id for _, d in usable if d.remote is None]
    remote = [(c, d) for c, d in usable if d.remote is not None and (c.relevant or is_requested(d))]
    remote.sort(
        key=lambda pair: (not is_requested(pair[1]), sort_key(*pair)[:2], not is_named(pair[1]), sort_key(*pair))
    )
    return own + [d.id for _, d in remote[:limit]]


async def fetch_datasets(
    sources: Sequence[DatasetSource], datasets: Sequence[Dataset]
) -> tuple[list[Dataset], list[Failure]]:
    """Download the files of data sets; one that is unavailable or unusable is a failure."""
    by_name = {s.name: s for s in sources}
    slots = asyncio.Semaphore(2)
    failures: list[Failure] = []

    async def one(dataset: Dataset) -> Dataset | None:
        async with slots:
            try:
                return await by_name[dataset.source].fetch_dataset(dataset)
            except (InputError, OutsideError) as error:
                failed = Failure(item=dataset.id, stage="fetch_datasets", message=error.message, hint=error.hint)
                failures.append(failed)
        return None

    done = await asyncio.gather(*(one(d) for d in datasets))
    return [d for d in done if d is not None], sorted(failures, key=lambda f: f.item)
