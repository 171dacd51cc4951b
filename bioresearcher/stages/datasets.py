"""Finding data sets by query and by the accessions that kept papers name; checking, ranking and fetching them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from bioresearcher.errors import InputError, OutsideError
from bioresearcher.papers.mining import Accession, find_accessions, normalise
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.paper import Failure, QueryPlan
from bioresearcher.sources.datasets.suitability import check_dataset
from bioresearcher.sources.geo.suitability import rank
from bioresearcher.sources.protocols import DatasetSource

HITS_PER_QUERY = 20
INSPECTED = 3
"""Data sets looked at closely for each that may be fetched."""
MAX_NAMED = 60
"""Accessions that are looked up, those named most often first."""
_QUOTE = 60
_ELSEWHERE = {
    "ArrayExpress": "ArrayExpress is not asked",
    "TCGA": "the Genomic Data Commons is not asked",
}
"""Why an accession that is none of GEO's is not looked up."""


def mentions(texts: Mapping[str, Sequence[str]], wished: Sequence[str] = ()) -> dict[str, list[str]]:
    """Accession -> where it is named, most often named first, what the researcher wishes before all.

    Args:
        texts: Paper id -> its title, abstract and, where it is known, its text.
        wished: Names from `--include`; those that are no accessions are left out.
    """
    found: dict[str, list[str]] = {a: ["asked for by the researcher"] for w in wished if (a := normalise(w))}
    counted: dict[str, list[str]] = {}
    for paper_id, parts in texts.items():
        for text in parts:
            for accession in find_accessions(text):
                if accession.kind != "GPL":  # a platform, no data set
                    counted.setdefault(accession.id, []).append(_where(paper_id, text, accession))
    for name in sorted(counted, key=lambda n: (-len(counted[n]), n)):
        found.setdefault(name, []).extend(list(dict.fromkeys(counted[name]))[:5])
    return found


def _where(paper_id: str, text: str, accession: Accession) -> str:
    around = text[max(0, accession.start - _QUOTE) : accession.end + _QUOTE]
    return f"named in {paper_id}: “…{' '.join(around.split())}…”"


def not_asked(named: Mapping[str, Sequence[str]]) -> list[Failure]:
    """Accessions of databases that are not asked, each with what the researcher can do."""
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
    """Data sets found by the plan's queries and by name, each once with all that found it; failures per source."""
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
    """The data sets worth a closer look, best first, by their summaries; asked-for ones always."""
    judged = [(check_dataset(d, objective, max_bytes), d) for d in datasets]
    ranked = sorted(judged, key=lambda pair: (not is_wished(pair[1]), not is_named(pair[1]), rank(*pair)))
    worth = [d for check, d in ranked if is_wished(d) or (check.relevant and check.verdict != "unusable")]
    return worth[:limit]


def is_wished(dataset: Dataset) -> bool:
    """Whether the researcher asked for it."""
    return dataset.remote is not None and any("asked for" in f for f in dataset.remote.found_by)


def is_named(dataset: Dataset) -> bool:
    """Whether a kept paper names it."""
    return dataset.remote is not None and any("named in" in f for f in dataset.remote.found_by)


async def inspect_all(sources: Sequence[DatasetSource], datasets: Sequence[Dataset]) -> list[Dataset]:
    """The data sets with samples and files described."""
    by_name = {s.name: s for s in sources}
    return list(await asyncio.gather(*(by_name[d.source].inspect(d) for d in datasets)))


def chosen(checks: Sequence[DatasetCheck], datasets: Mapping[str, Dataset], limit: int) -> list[str]:
    """Own data sets that can be used, then at most `limit` of those at their source that are relevant and usable."""
    own = [c.dataset_id for c in checks if datasets[c.dataset_id].remote is None and c.verdict != "unusable"]
    remote = [c for c in checks if datasets[c.dataset_id].remote is not None and c.verdict != "unusable"]
    ranked = sorted(
        (c for c in remote if c.relevant or is_wished(datasets[c.dataset_id])),
        key=lambda c: (
            not is_wished(datasets[c.dataset_id]),
            rank(c, datasets[c.dataset_id])[:2],
            not is_named(datasets[c.dataset_id]),
            rank(c, datasets[c.dataset_id]),
        ),
    )
    return own + [c.dataset_id for c in ranked[:limit]]


async def fetch_datasets(
    sources: Sequence[DatasetSource], datasets: Sequence[Dataset]
) -> tuple[list[Dataset], list[Failure]]:
    """The data sets with their files present; one that cannot be had or used is a failure."""
    by_name = {s.name: s for s in sources}
    slots = asyncio.Semaphore(2)
    failures: list[Failure] = []

    async def one(dataset: Dataset) -> Dataset | None:
        async with slots:
            try:
                return await by_name[dataset.source].fetch_dataset(dataset)
            except (InputError, OutsideError) as error:
                failures.append(_not_fetched(dataset, error.message, error.hint))
        return None

    done = await asyncio.gather(*(one(d) for d in datasets))
    return [d for d in done if d is not None], sorted(failures, key=lambda f: f.item)


def _not_fetched(dataset: Dataset, message: str, hint: str) -> Failure:
    return Failure(item=dataset.id, stage="fetch_datasets", message=message, hint=hint)
