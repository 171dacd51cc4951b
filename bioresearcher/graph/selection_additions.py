"""What a person adds at the gate of the selection: fetched by our clients or read from a file, and checked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bioresearcher.errors import InputError, OutsideError
from bioresearcher.graph.added_files import digests_of_data, digests_of_papers
from bioresearcher.graph.context import RunContext
from bioresearcher.papers.injection import find_suspects, shown, suspicion
from bioresearcher.papers.mining import normalise
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.paper import Document, Paper, QueryPlan, QueryTrail, ScreenedPaper
from bioresearcher.schemas.run import AddedInput
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.sources.datasets.suitability import check_dataset
from bioresearcher.sources.literature.own_papers import OwnPapers
from bioresearcher.stages import datasets, screen, search

AT_THE_GATE = "added at the gate:"


@dataclass
class Addition:
    """What came of one thing that was given.

    Attributes:
        rows: What was asked of which source.
        said: What came of it, a line each; never empty in the end.
        added: The file or folder that was read.
    """

    papers: list[Paper] = field(default_factory=list)
    datasets: list[Dataset] = field(default_factory=list)
    rows: tuple[QueryTrail, ...] = ()
    said: list[str] = field(default_factory=list)
    added: list[AddedInput] = field(default_factory=list)


async def find_given(c: RunContext, given: str, taken: Sequence[str]) -> Addition:
    """Papers and data sets that are meant by an identifier, or by `paper:<path>` or `data:<path>`.

    A service that cannot be reached, an identifier that nobody knows and a file that cannot be read are lines in
    `said`. Papers come with what is known of their retraction, data sets are inspected but not fetched.

    Args:
        c: The run.
        given: As in `Decision.given`.
        taken: Ids that data sets of the run have already.
    """
    kind, _, path = given.partition(":")
    if kind == "paper" and path.startswith("/"):
        return await _paper_file(c, Path(path))
    if kind == "data" and path.startswith("/"):
        return await _data_file(c, Path(path), taken)
    accession = normalise(given)
    return await _dataset(c, accession) if accession else await _paper(c, given)


async def _paper(c: RunContext, name: str) -> Addition:
    queries = screen.queries_for([name], AT_THE_GATE)
    sources = [s for s in c.reachable() if s.name != "own"]
    if not queries:
        return Addition(said=[f"{name}: this is no identifier of a paper or data set that can be looked up."])
    if not sources:
        return Addition(said=[f"{name} was not found before, and {_nobody(c)} Give its file: add FILE."])
    papers, rows, failures = await search.search_papers(
        sources, QueryPlan(literature=tuple(queries)), (), max_hits=c.settings.max_hits
    )
    c.unreachable.update(f.item for f in failures)
    meant = screen.matching([name], papers).ids
    found = Addition(rows=rows, said=[f"{f.item} could not be asked: {f.message}" for f in failures])
    own = {p.id: p for p in reversed(papers)}
    found.papers = await _checked(c, [own[i] for i in meant], found)
    if not found.papers:
        asked = ", ".join(s.name for s in sources if s.name not in c.unreachable)
        found.said.append(f"{name}: no paper of this name was found{f' ({asked} asked)' if asked else ''}.")
    return found


def _nobody(c: RunContext) -> str:
    """Why no service can be asked."""
    if c.settings.only_own:
        return "this run asks no service (--only-own)."
    return f"no service can be reached now ({', '.join(sorted(c.unreachable)) or 'none is configured'})."


async def _checked(c: RunContext, papers: Sequence[Paper], found: Addition) -> list[Paper]:
    """The papers with what sources say of their retraction now."""
    own = any(p.source == "own" for p in papers)  # found ones came with what their source says
    sources = [s for s in c.status_sources() if own or s in c.notices]
    checked, _, failures = await screen.check_status(sources, papers, "approve_selection")
    c.unreachable.update(f.item for f in failures)
    found.said += [f.message for f in failures]
    for paper in checked:
        reason = suspicion(f"{paper.title}\n{paper.abstract}")
        if reason:
            found.said.append(f"{paper.id}: its title or abstract {reason}; such sentences are withheld from readers.")
    return checked


async def _paper_file(c: RunContext, path: Path) -> Addition:
    found = Addition()
    try:
        source = OwnPapers([path])
        loaded, failures = await asyncio.to_thread(source.load)
    except InputError as error:
        return Addition(said=[str(error)])
    found.said += [f"{f.item}: {f.message.removeprefix(f'{f.item}: ')}" for f in failures]
    if not loaded:
        return found
    for paper, document in loaded:
        found.said += _withheld(paper, document)
    found.papers = await _checked(c, [paper for paper, _ in loaded], found)
    c.added.papers.append(source)
    papers = [paper for paper, _ in loaded]
    digests = digests_of_papers(papers, source)
    found.added.append(AddedInput(kind="paper", path=str(path), ids=tuple(p.id for p in papers), digests=digests))
    return found


def _withheld(paper: Paper, document: Document) -> list[str]:
    suspects = find_suspects(document)
    if not suspects:
        return []
    return [f"{paper.id}: {len(suspects)} sentences are withheld from readers; the first {suspects[0][2].reason}."]


async def _dataset(c: RunContext, accession: str) -> Addition:
    named = {accession: ["asked for by the researcher"]}
    elsewhere = datasets.not_asked(named)
    if elsewhere:
        return Addition(said=[f"{f.message} {f.hint}" for f in elsewhere])
    if not c.dataset_sources:
        return Addition(said=[f"{accession} was not found before, and {_nobody(c)} Give its files: add FOLDER."])
    sets, failures = await datasets.search_datasets(c.dataset_sources, QueryPlan(literature=()), named)
    found = Addition(said=[f"{f.item}: {f.message}" for f in failures])
    found.datasets = await datasets.inspect_all(c.dataset_sources, sets)
    if not sets and not failures:
        found.said.append(f"{accession}: no data set of this name was found.")
    return found


async def _data_file(c: RunContext, path: Path, taken: Sequence[str]) -> Addition:
    try:
        sets, failures = await asyncio.to_thread(load_datasets, [path], c.settings.tables)
    except (InputError, OutsideError) as error:
        return Addition(said=[str(error)])
    found = Addition(said=[f"{f.item}: {f.message.removeprefix(f'{f.item}: ')}" for f in failures])
    for dataset in sets:
        used = {*taken, *(d.id for d in found.datasets)}
        names = (dataset.id, *(f"{dataset.id}-{number}" for number in range(2, len(used) + 2)))
        found.datasets.append(dataset.model_copy(update={"id": next(n for n in names if n not in used)}))
    if found.datasets:
        ids = tuple(d.id for d in found.datasets)
        digests = digests_of_data(found.datasets)
        found.added.append(AddedInput(kind="data", path=str(path), ids=ids, digests=digests))
    return found


async def judge_paper(c: RunContext, paper: Paper, *, confirmed: bool) -> ScreenedPaper:
    """The screening of a paper that a person added: it is read, unless it is retracted and that was not confirmed."""
    seen = shown(paper)
    text = f"{seen.title}. {seen.abstract}".strip()
    (close,) = await asyncio.to_thread(c.library.rank, [text], c.objective.text)
    include = () if paper.status == "retracted" and not confirmed else (paper.id,)
    rules = screen.ScreeningRules(include=include, taken_in="Added at the gate")
    (row,) = await screen.screen_papers(c.caller, c.objective, [paper], [close], rules)
    return row


async def judge_datasets(c: RunContext, sets: Sequence[Dataset]) -> list[DatasetCheck]:
    """How far data sets that a person added suit the objective."""
    most = c.settings.max_data_mb << 20
    asked = (search.judge_dataset(c.caller, c.objective, d, check_dataset(d, c.objective, most)) for d in sets)
    return list(await asyncio.gather(*asked))
