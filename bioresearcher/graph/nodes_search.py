"""Nodes that search, screen and read papers, and that search, check and fetch data sets: state → stage → update."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from langgraph.runtime import Runtime

from bioresearcher.errors import AnswerError, InputError, OutsideError
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.state import PaperTask, RunState, Update
from bioresearcher.papers.canonical import UnreadablePaper
from bioresearcher.papers.injection import redacted_record
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.paper import Failure, Paper, QueryPlan, SearchRound
from bioresearcher.schemas.paper_report import PaperReport
from bioresearcher.sources.datasets.suitability import check_dataset
from bioresearcher.sources.protocols import StatusSource
from bioresearcher.stages import datasets, read, screen, search
from bioresearcher.stages.describe_data import propose_readings
from bioresearcher.text.format import listing

SCREENING, SEARCH = "screening.json", "search.json"
FOUND = "datasets_found.json"
"""All data sets that were found, before any was inspected."""
CHECKS = "checks.json"


def read_papers(c: RunContext, ids: Iterable[str]) -> list[Paper]:
    """Read the records of papers from the run folder."""
    return [c.folder.read(Paper, "papers", f"{p}.json") for p in ids]


def write_papers(c: RunContext, papers: Iterable[Paper]) -> None:
    """Write the records of papers to the run folder."""
    for paper in papers:
        c.folder.write(paper, "papers", f"{paper.id}.json")


def write_datasets(c: RunContext, sets: Iterable[Dataset]) -> None:
    """Write the descriptions of data sets to the run folder."""
    for dataset in sets:
        c.folder.write(dataset, "datasets", f"{dataset.id}.json")


async def closeness(c: RunContext, papers: Sequence[Paper]) -> dict[str, float]:
    """Return how close each paper is to the objective in meaning, 0 to 1, by paper id."""
    seen = await asyncio.to_thread(lambda: [redacted_record(p) for p in papers])
    texts = [f"{p.title}. {p.abstract}".strip() for p in seen]
    values = await asyncio.to_thread(c.library.rank, texts, c.objective.text) if papers else []
    return dict(zip((p.id for p in papers), values, strict=True))


async def plan_queries(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Plan the queries of the next search round."""
    c = runtime.context
    titles = [redacted_record(p).title for p in read_papers(c, state["found"][:20])]
    plan = await search.plan_queries(c.caller, c.objective, state["rounds"], titles)
    if state["plan"] is None:
        named = screen.queries_for(c.settings.include)
        plan = plan.model_copy(update={"literature": (*named, *plan.literature)})
    elif not plan.datasets:
        plan = plan.model_copy(update={"datasets": state["plan"].datasets})
    return {"plan": plan}


async def search_papers(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Search one round over the sources."""
    c = runtime.context
    plan = state["plan"] or QueryPlan(literature=())
    sources = c.reachable(state["failures"])
    papers, rows, unreached = await search.search_papers(sources, plan, state["rounds"], max_hits=c.settings.max_hits)
    c.unreachable.update(f.item for f in unreached)
    one = screen.unique([*c.own.records, *read_papers(c, state["found"]), *papers])
    trail = search.with_new(rows, state["found"], one.called)
    last = SearchRound(round=len(state["rounds"]) + 1, trail=trail)
    found = list(dict.fromkeys([*state["found"], *(p for row in trail for p in row.found)]))
    by_id = {p.id: p for p in one.papers}
    close = await closeness(c, [by_id[p] for p in found])
    enough = sum(by_id[p].source == "own" or close[p] >= search.CLOSE for p in found)
    max_rounds = c.caller.cards["search"].rounds
    reason = search.stop_reason([*state["rounds"], last], enough, c.settings.max_papers, max_rounds)
    if reason:  # the researcher's own papers are all screened, whether a query named them or not
        found = list(dict.fromkeys([*found, *(one.called.get(p.id, p.id) for p in c.own.records)]))
    write_papers(c, (by_id[p] for p in found))
    rounds = [*state["rounds"], last.model_copy(update={"stop_reason": reason})]
    c.folder.write_list(rounds, SEARCH)
    unread = await c.own.pubmed_files.unreadable() if c.own.pubmed_files else []
    failures = [f for f in c.own.failures if f.stage == "load_papers"] + unread + [*unreached]
    return {"found": found, "rounds": rounds, "failures": failures}


async def screen_papers(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Screen the papers found: retraction status, scores, selection."""
    c = runtime.context
    papers = read_papers(c, state["found"])
    own = [p for p in papers if p.source == "own" and (p.pmid or p.doi)]  # found ones came with their status
    papers, unreached = await _rechecked(c, papers, own, c.status_sources(state["failures"]))
    close = await closeness(c, papers)
    near = sorted(papers, key=lambda p: (-close[p.id], p.id))[: c.settings.max_judged]
    found = [p for p in near if p.source != "own" and p.doi]  # whose source may not know of notices
    notices = [s for s in c.services.notices if s.name not in c.unreachable]
    papers, unnoticed = await _rechecked(c, papers, found, notices)
    rules = screen.ScreeningRules(
        since=c.settings.since,
        until=c.settings.until,
        languages=c.settings.languages,
        left_out_types=c.settings.left_out_types,
        judged=c.settings.max_judged,
        limit=c.settings.max_papers,
        include=screen.find_named(c.settings.include, papers).ids,
        exclude=screen.find_named(c.settings.exclude, papers).ids,
        preprints=screen.unique(papers).preprints,
        read_all=c.settings.read_all,
    )
    screened = await screen.screen_papers(c.caller, c.objective, papers, [close[p.id] for p in papers], rules)
    c.folder.write_list(screened, SCREENING)
    aside = [s.paper_id for s in screened if s.decided_by == "set aside"]
    if aside:
        told = f"set aside as irrelevant: {listing(aside)}; --read-all reads them, --include ID one of them"
        c.caller.events.emit("note", "screen_papers", "info", told)
    kept = [s.paper_id for s in screened if s.kept]
    rounds = search.with_kept(state["rounds"], kept)
    c.folder.write_list(rounds, SEARCH)
    return {"kept": kept, "rounds": rounds, "failures": [*unreached, *unnoticed]}


async def _rechecked(
    c: RunContext, papers: Sequence[Paper], some: Sequence[Paper], sources: Sequence[StatusSource]
) -> tuple[list[Paper], list[Failure]]:
    """Return the papers with the present retraction status of some of them, and the sources that failed."""
    checked, _, failures = await screen.check_status(sources, some, "screen_papers")
    c.unreachable.update(f.item for f in failures)
    write_papers(c, checked)
    now = {p.id: p for p in checked}
    return [now.get(p.id, p) for p in papers], failures


async def check_status(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Check the retraction status of the papers in use once more, right before the run report is written."""
    c = runtime.context
    papers = read_papers(c, state["kept"])
    checked, rows, failures = await screen.check_status(c.status_sources(state["failures"]), papers, "check_status")
    write_papers(c, checked)
    c.folder.write_list(rows, "status.json")
    return {"failures": failures}


async def read_paper(task: PaperTask, runtime: Runtime[RunContext]) -> Update:
    """Read one paper into its paper report; a paper that cannot be read is a failure in the record."""
    c, paper_id = runtime.context, task["paper_id"]
    paper = c.folder.read(Paper, "papers", f"{paper_id}.json")
    try:
        document, failures = await read.best_text(c.reachable(), paper)
    except (UnreadablePaper, OutsideError) as error:
        return {"failures": [Failure(item=paper_id, stage="read_paper", message=error.message, hint=error.hint)]}
    c.unreachable.update(f.item for f in failures)
    paper = paper.model_copy(update={"kind": document.kind})
    c.folder.write(paper, "papers", f"{paper_id}.json")
    c.folder.write(document, "documents", f"{paper_id}.json")
    await asyncio.to_thread(c.library.put, document, paper)
    try:
        report = await read.read_paper(c.caller, c.objective, paper, document, c.library.similarities)
    except AnswerError as error:
        failed = Failure(item=paper_id, stage="read_paper", message=error.message, hint=error.hint)
        return {"failures": [*failures, failed]}
    c.folder.write(report, "reports", f"{paper_id}.json")
    return {"read": [paper_id], "failures": failures}


async def index_papers(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Index the papers read, for searches of this run and later ones; beside the tasks, as none waits for it."""
    c = runtime.context
    await asyncio.to_thread(c.library.index)
    if c.library.note:
        c.caller.events.emit("note", "index_papers", "info", c.library.note)
    return {}


async def analyse_reports(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Judge the referability of every part of every paper report."""
    c = runtime.context
    datasets = tuple(f"{d.id}: {d.title}" for d in c.folder.read_all(Dataset, "datasets"))
    reports = [c.folder.read(PaperReport, "reports", f"{p}.json") for p in sorted(state["read"])]
    failures = []

    async def analyse(report: PaperReport) -> None:
        try:
            analysis = await read.analyse_report(c.caller, c.objective, report, datasets)
        except AnswerError as error:
            failed = Failure(item=report.paper_id, stage="analyse_reports", message=error.message, hint=error.hint)
            failures.append(failed)
        else:
            c.folder.write(analysis, "analyses", f"{analysis.paper_id}.json")

    await asyncio.gather(*(analyse(r) for r in reports))
    return {"failures": sorted(failures, key=lambda f: f.item)}


async def search_datasets(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Collect the researcher's data sets, and search others by query and by accessions that kept papers name."""
    c = runtime.context
    write_datasets(c, c.own.datasets)
    failures = [f for f in c.own.failures if f.stage != "load_papers"]
    own = [d.id for d in c.own.datasets]
    if not c.dataset_sources:
        return {"datasets": own, "failures": failures}
    named = datasets.mentions(await _texts(c, state["kept"]), c.settings.include)
    plan = state["plan"] or QueryPlan(literature=())
    found, missed = await datasets.search_datasets(c.dataset_sources, plan, named)
    found = [d for d in found if d.id not in own]
    c.folder.write_list(found, FOUND)
    return {"datasets": own, "failures": [*failures, *datasets.not_asked(named), *missed]}


async def _texts(c: RunContext, kept: list[str]) -> dict[str, list[str]]:
    """Return title and abstract of each kept paper, and the text that will be read of it where it is available."""

    async def of(paper_id: str) -> list[str]:
        paper = c.folder.read(Paper, "papers", f"{paper_id}.json")
        about = f"{paper.title}. {paper.abstract}"
        try:
            document, _ = await read.best_text(c.literature, paper)
        except (InputError, OutsideError):
            return [about]  # the failure is recorded when it is read
        return [about, document.text]

    return dict(zip(kept, await asyncio.gather(*map(of, kept)), strict=True))


async def check_datasets(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Check the suitability of each data set before any value is fetched; an unusable one is not used."""
    c = runtime.context
    max_bytes = c.settings.max_data_mb << 20
    found = c.folder.read_list(Dataset, FOUND)
    worth = datasets.promising(found, c.objective, datasets.INSPECTED * c.settings.max_datasets, max_bytes)
    if found:
        said = f"{len(found)} data sets found, {len(worth)} inspected"
        c.caller.events.emit("note", "check_datasets", "info", said)
    inspected = await datasets.inspect_all(c.dataset_sources, worth)
    write_datasets(c, inspected)
    own = await read_with_model(c, [c.folder.read(Dataset, "datasets", f"{d}.json") for d in state["datasets"]])
    known = {d.id: d for d in (*own, *inspected)}
    checks = await check_suitability(c, known.values())
    c.folder.write_list(checks, CHECKS)
    return {"datasets": datasets.chosen(checks, known, c.settings.max_datasets)}


async def read_with_model(c: RunContext, sets: Sequence[Dataset]) -> tuple[Dataset, ...]:
    """Let a model propose what the rules left open in own data; what came of it is told and written."""
    found = await propose_readings(c.caller, c.objective, sets)
    for before, after in zip(sets, found, strict=True):
        if after != before:
            write_datasets(c, [after])
        for note in after.notes[len(before.notes) :]:
            c.caller.events.emit("note", "check_datasets", "info", f"{after.id}: {note}")
    return found


async def check_suitability(c: RunContext, sets: Iterable[Dataset]) -> list[DatasetCheck]:
    """Check how far data sets suit the objective: by the rules, then for relevance, where any may be of use."""
    max_bytes, objective = c.settings.max_data_mb << 20, c.objective
    if c.short:  # the data were given for what is computed of them
        return [check_dataset(d, objective, max_bytes) for d in sets]
    checked = (search.judge_dataset(c.caller, objective, d, check_dataset(d, objective, max_bytes)) for d in sets)
    return list(await asyncio.gather(*checked))


async def fetch_datasets(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Fetch the chosen data sets' files by our own clients; each is checked again by the files' real contents."""
    c = runtime.context
    known = [c.folder.read(Dataset, "datasets", f"{d}.json") for d in state["datasets"]]
    away = [d for d in known if d.remote is not None and not d.files]
    if not away:
        return {}
    ready = [d for d in away if d.remote is not None and d.remote.inspected]
    ready += await datasets.inspect_all(c.dataset_sources, [d for d in away if d not in ready])
    fetched, failures = await datasets.fetch_datasets(c.dataset_sources, ready)
    checks = {k.dataset_id: k for k in c.folder.read_list(DatasetCheck, CHECKS)}
    write_datasets(c, fetched)
    for dataset in fetched:
        before, after = checks.get(dataset.id), check_dataset(dataset, c.objective)
        if before is not None:  # its judged relevance stands
            said = before.reasons[-1:] if before.origin != "offline" else ()
            update = {"relevant": before.relevant, "origin": before.origin, "reasons": (*after.reasons, *said)}
            after = after.model_copy(update=update)
        checks[dataset.id] = after
    c.folder.write_list(checks.values(), CHECKS)
    usable = {d.id for d in fetched if checks[d.id].verdict != "unusable"}
    lost = {d.id for d in away} - usable
    for dataset_id in lost:
        path = c.folder.path("datasets", f"{dataset_id}.json")
        path.rename(path.with_suffix(".unused"))
    return {"datasets": [d for d in state["datasets"] if d not in lost], "failures": failures}
