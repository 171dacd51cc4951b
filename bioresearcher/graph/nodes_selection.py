"""Approval of the selection: a person takes papers and data sets in or out, and adds new ones.

What is added is fetched by our clients or read from a file, and judged as what the search found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from langgraph.runtime import Runtime

from bioresearcher.analysis.sentences import questions_lines
from bioresearcher.errors import InputError, OutsideError
from bioresearcher.graph.added_files import digests_of_data, digests_of_papers
from bioresearcher.graph.approvals import SELECTION, ask_person, decisions_at
from bioresearcher.graph.context import QUESTIONS, RunContext
from bioresearcher.graph.nodes_questions import dropped_questions, not_questions, settled_questions
from bioresearcher.graph.nodes_search import CHECKS, check_suitability, closeness, read_papers, read_with_model
from bioresearcher.graph.state import RunState, Update
from bioresearcher.papers.injection import find_suspects, suspicion
from bioresearcher.papers.mining import normal_accession
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.paper import Failure, Paper, QueryPlan, QueryTrail, ScreenedPaper, SearchRound
from bioresearcher.schemas.run import AddedInput, Decision
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.sources.literature.own_papers import OwnPapers
from bioresearcher.stages import datasets, screen, search

SCREENING = "screening.json"
ADDED_HERE = "added at the approval:"
TAKEN_IN, TAKEN_OUT = "Taken in at the approval. ", "Taken out at the approval. "


@dataclass
class _Selection:
    """Papers and data sets found and used, as the answers change them; `added` and `said` belong to the last answer."""

    papers: dict[str, Paper]
    kept: list[str]
    datasets: list[str]
    rounds: list[SearchRound]
    added: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


async def approve_selection(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Ask a person which papers and data sets to use.

    `--include` and `--exclude` count whoever answers, unless a person decides otherwise by name.
    """
    c = runtime.context
    earlier = decisions_at(state["decisions"], SELECTION)
    papers = {p.id: p for p in read_papers(c, state["found"])}
    now = _Selection(papers, list(state["kept"]), list(state["datasets"]), list(state["rounds"]))
    included = _matching(c, now, () if earlier else c.settings.include)
    excluded = _matching(c, now, () if earlier else c.settings.exclude)
    _take(c, now, included.ids, excluded.ids)
    added = [i for d in earlier if d.given for i in d.add]
    last = list(earlier[-1].add) if earlier and earlier[-1].given else []
    lost = unreached(state["failures"])
    decision = ask_person(
        c, state, SELECTION, papers=now.kept, datasets=now.datasets, added=added, last=last, unreached=lost
    )
    for given in decision.given:
        await _add(c, now, given, decision)
    taken_in, taken_out = _matching(c, now, decision.add), _matching(c, now, not_questions(decision.drop))
    _take(c, now, taken_in.ids, taken_out.ids)
    if not decision.more:
        _set_aside(c, "datasets", now.datasets)
        _set_aside(c, "papers", now.papers)
    _note_selection(c, now, closed=not decision.more)
    rounds = search.with_kept(now.rounds, now.kept)
    c.folder.write_list(rounds, "search.json")
    if decision.more and (decision.comment or decision.drop or decision.add or decision.given):
        questions = await settled_questions(c, now.datasets, [*earlier, decision])
        c.folder.write(questions, QUESTIONS)
        if decision.comment:
            now.said.append(f"The questions were bound anew with “{decision.comment}”.")
            now.said += questions_lines(questions)
    kept_out = tuple(i for i in excluded.ids if i not in taken_in.ids)
    update = {
        "add": tuple(dict.fromkeys((*included.ids, *taken_in.ids, *now.added))),
        "drop": tuple(dict.fromkeys((*kept_out, *taken_out.ids, *dropped_questions([decision])))),
        "papers": tuple(now.kept),
        "datasets": tuple(now.datasets),
        "outcome": "\n".join(now.said),
        "changed": not decision.given or bool(now.added) or bool(decision.comment),
    }
    return {
        "found": list(now.papers),
        "kept": now.kept,
        "datasets": now.datasets,
        "decisions": [decision.model_copy(update=update)],
        "failures": screen.not_known((*included.unknown, *taken_in.unknown), "--include")
        + screen.not_known((*excluded.unknown, *taken_out.unknown), "--exclude"),
        "rounds": rounds,
    }


def unreached(failures: Sequence[Failure]) -> list[str]:
    """Lines on the services that the search could not ask, so that nobody takes "0 papers" for an answer."""
    lost = [f for f in failures if f.stage in ("search_papers", "search_datasets") and "reached" in f.message]
    return list(dict.fromkeys(f"{f.item} not reached, so nothing of it is here: {f.message}" for f in lost))


def _matching(c: RunContext, now: _Selection, names: Sequence[str]) -> screen.Named:
    return screen.find_named(names, list(now.papers.values()), _known_datasets(c))


def _known_datasets(c: RunContext) -> list[str]:
    """Return the ids of all data sets that were inspected; unused ones keep their file until the approval is closed."""
    return [p.stem for p in sorted(c.folder.path("datasets").glob("*.json"))]


def _take(c: RunContext, now: _Selection, taken_in: Sequence[str], taken_out: Sequence[str]) -> None:
    known = _known_datasets(c)
    now.kept = [p for p in dict.fromkeys((*now.kept, *taken_in)) if p in now.papers and p not in taken_out]
    now.datasets = [d for d in dict.fromkeys((*now.datasets, *taken_in)) if d in known and d not in taken_out]


def _set_aside(c: RunContext, place: str, used: Collection[str]) -> None:
    for unused in c.folder.path(place).glob("*.json"):
        if unused.stem not in used:
            unused.rename(unused.with_suffix(".unused"))


async def _add(c: RunContext, now: _Selection, given: str, decision: Decision) -> None:
    """Add the papers and data sets that `given` names; each is judged as those that were found."""
    found = await find_given(c, given, _known_datasets(c))
    before = len(now.said)
    now.said += found.said
    await _add_papers(c, now, found, decision)
    await _add_datasets(c, now, found)
    if found.rows:
        called = {p.id: p.id for p in found.papers}
        rows = search.with_new(found.rows, now.papers, called)
        last = now.rounds[-1] if now.rounds else SearchRound(round=1, trail=())
        now.rounds = [*now.rounds[:-1], last.model_copy(update={"trail": (*last.trail, *rows)})]
    c.added.record(c.folder, found.added)
    if len(now.said) == before:
        now.said.append(f"{given}: nothing was found.")


async def _add_papers(c: RunContext, now: _Selection, found: Addition, decision: Decision) -> None:
    own = [p for p in found.papers if p.source == "own"]
    one = screen.unique([*own, *now.papers.values(), *found.papers])
    rows = {r.paper_id: r for r in c.folder.read_list(ScreenedPaper, SCREENING)}
    joined = {p.id: p for p in one.papers}
    for other, name in one.called.items():  # found before, and now read from the researcher's own file
        if other in now.papers:
            now.kept = [name if p == other else p for p in now.kept]
            now.papers.pop(other)
            if other in rows:
                why = f"It is read from the researcher's own {name}."
                rows[other] = rows[other].model_copy(update={"kept": False, "decided_by": "person", "reason": why})
    for paper_id in dict.fromkeys(one.called.get(p.id, p.id) for p in found.papers):
        paper = joined[paper_id]
        known = paper_id in now.papers and paper.source != "own"
        row = await judge_paper(c, paper, confirmed=paper_id in decision.confirmed)
        rows[paper_id] = row
        now.papers[paper_id] = paper
        now.added.append(paper_id)
        c.folder.write(paper, "papers", f"{paper_id}.json")
        now.kept = [p for p in now.kept if p != paper_id] + ([paper_id] if row.kept else [])
        now.said.append(_paper_line(paper, row, known=known))
    c.folder.write_list(rows.values(), SCREENING)


def _paper_line(paper: Paper, row: ScreenedPaper, *, known: bool) -> str:
    name = f"{paper.id} “{paper.title}” ({paper.year or 'n.d.'}, from {paper.source})"
    if not row.kept:
        return f"{name} is not taken in: it is retracted."
    warned = {"concern": "; there is an expression of concern about it", "corrected": "; it was corrected"}
    unknown = "; whether it was retracted is not known" if paper.status == "unknown" else ""
    how = "was found before and is taken in" if known else "is added"
    return f"{name} {how}{warned.get(paper.status, unknown)}."


async def _add_datasets(c: RunContext, now: _Selection, found: Addition) -> None:
    if not found.datasets:
        return
    checks = {k.dataset_id: k for k in c.folder.read_list(DatasetCheck, CHECKS)}
    added = await read_with_model(c, found.datasets)
    for dataset, check in zip(added, await check_suitability(c, added), strict=True):
        c.folder.write(dataset, "datasets", f"{dataset.id}.json")
        checks[dataset.id] = check
        now.added.append(dataset.id)
        usable = check.verdict != "unusable"
        now.datasets = [d for d in now.datasets if d != dataset.id] + ([dataset.id] if usable else [])
        reasons = f": {'; '.join(r.rstrip('.') for r in check.reasons)}" if check.reasons else ""
        said = "is added" if usable else "is not taken in"
        relevant = "" if check.relevant else ", though it does not look relevant"
        now.said.append(f"{dataset.id} “{dataset.title}” {said}; it is {check.verdict}{relevant}{reasons}.")
    c.folder.write_list(checks.values(), CHECKS)


def _note_selection(c: RunContext, now: _Selection, *, closed: bool) -> None:
    """Rewrite the screening as the person changed it; all rows stay while the approval is open."""
    rows = []
    for row in c.folder.read_list(ScreenedPaper, SCREENING):
        used = row.paper_id in now.kept
        if closed and row.paper_id not in now.papers:
            continue
        said = "" if used == row.kept else TAKEN_IN if used else TAKEN_OUT
        reason = row.reason.removeprefix(TAKEN_IN).removeprefix(TAKEN_OUT)
        rows.append(row.model_copy(update={"kept": used, "reason": f"{said}{reason}"}))
    c.folder.write_list(rows, SCREENING)


@dataclass
class Addition:
    """Papers and data sets found for one identifier or path that a person typed.

    Attributes:
        rows: The queries put to each source.
        said: The result in words, a line each; never empty in the end.
        added: The file or folder that was read.
    """

    papers: list[Paper] = field(default_factory=list)
    datasets: list[Dataset] = field(default_factory=list)
    rows: tuple[QueryTrail, ...] = ()
    said: list[str] = field(default_factory=list)
    added: list[AddedInput] = field(default_factory=list)


async def find_given(c: RunContext, given: str, taken: Sequence[str]) -> Addition:
    """Find the papers and data sets of an identifier, or of `paper:<path>` or `data:<path>`.

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
    accession = normal_accession(given)
    return await _dataset(c, accession) if accession else await _paper(c, given)


async def _paper(c: RunContext, name: str) -> Addition:
    queries = screen.queries_for([name], ADDED_HERE)
    sources = [s for s in c.reachable() if s.name != "own"]
    if not queries:
        return Addition(said=[f"{name}: this is no identifier of a paper or data set that can be looked up."])
    if not sources:
        return Addition(said=[f"{name} was not found before, and {_no_service(c)} Give its file: add FILE."])
    papers, rows, failures = await search.search_papers(
        sources, QueryPlan(literature=tuple(queries)), (), max_hits=c.settings.max_hits
    )
    c.unreachable.update(f.item for f in failures)
    meant = screen.find_named([name], papers).ids
    found = Addition(rows=rows, said=[f"{f.item} could not be asked: {f.message}" for f in failures])
    own = {p.id: p for p in reversed(papers)}
    found.papers = await _checked(c, [own[i] for i in meant], found)
    if not found.papers:
        asked = ", ".join(s.name for s in sources if s.name not in c.unreachable)
        found.said.append(f"{name}: no paper of this name was found{f' ({asked} asked)' if asked else ''}.")
    return found


def _no_service(c: RunContext) -> str:
    """Return the reason why no service can be asked."""
    if c.settings.only_own:
        return "this run asks no service (--only-own)."
    return f"no service can be reached now ({', '.join(sorted(c.unreachable)) or 'none is configured'})."


async def _checked(c: RunContext, papers: Sequence[Paper], found: Addition) -> list[Paper]:
    """Return the papers with their present retraction status."""
    own = any(p.source == "own" for p in papers)  # found ones came with what their source says
    sources = [s for s in c.status_sources() if own or s in c.services.notices]
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
        if suspects := find_suspects(document):
            count, first = len(suspects), suspects[0][2].reason
            found.said.append(f"{paper.id}: {count} sentences are withheld from readers; the first {first}.")
    papers = [paper for paper, _ in loaded]
    found.papers = await _checked(c, papers, found)
    c.added.papers.append(source)
    digests = digests_of_papers(papers, source)
    found.added.append(AddedInput(kind="paper", path=str(path), ids=tuple(p.id for p in papers), digests=digests))
    return found


async def _dataset(c: RunContext, accession: str) -> Addition:
    named = {accession: ["asked for by the researcher"]}
    elsewhere = datasets.not_asked(named)
    if elsewhere:
        return Addition(said=[f"{f.message} {f.hint}" for f in elsewhere])
    if not c.dataset_sources:
        return Addition(said=[f"{accession} was not found before, and {_no_service(c)} Give its files: add FOLDER."])
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
    """Screen a paper that a person added: it is read, unless it is retracted and that was not confirmed."""
    close = (await closeness(c, [paper]))[paper.id]
    include = () if paper.status == "retracted" and not confirmed else (paper.id,)
    rules = screen.ScreeningRules(include=include, taken_in="Added at the approval")
    (row,) = await screen.screen_papers(c.caller, c.objective, [paper], [close], rules)
    return row
