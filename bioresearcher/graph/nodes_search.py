"""Nodes that find and read: state → stage → update."""

from __future__ import annotations

import asyncio
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from bioresearcher.errors import AnswerError, DefectError
from bioresearcher.graph.context import Context
from bioresearcher.graph.state import PaperTask, RunState
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.paper import Failure, Paper, QueryPlan, SearchRound
from bioresearcher.schemas.passage import Document
from bioresearcher.schemas.report import Report
from bioresearcher.schemas.run import Decision
from bioresearcher.sources.datasets import check_dataset
from bioresearcher.stages import read, search

Update = dict[str, Any]


async def plan_queries(state: RunState, runtime: Runtime[Context]) -> Update:
    """Queries of the next search round."""
    c = runtime.context
    titles = [c.folder.read(Paper, "papers", f"{p}.json").title for p in state["found"][:20]]
    plan = await search.plan_queries(c.caller, c.objective, state["rounds"], titles)
    return {"plan": plan}


async def search_papers(state: RunState, runtime: Runtime[Context]) -> Update:
    """One search round over the sources."""
    c = runtime.context
    plan = state["plan"] or QueryPlan(literature=())
    new, trail, unreached = await search.search_papers(c.literature, plan, state["found"])
    last = SearchRound(round=len(state["rounds"]) + 1, trail=trail)
    found = [*state["found"], *(p.id for p in new)]
    max_rounds = c.caller.cards["search"].rounds
    reason = search.stop_reason([*state["rounds"], last], len(found), c.settings.max_papers, max_rounds)
    if reason:  # the researcher's own papers are all screened, whether a query named them or not
        new += [p for p in c.own_records if p.id not in {*found}]
        found = [*state["found"], *(p.id for p in new)]
    for paper in new:
        c.folder.write(paper, "papers", f"{paper.id}.json")
    rounds = [*state["rounds"], last.model_copy(update={"stop_reason": reason})]
    c.folder.write_list(rounds, "search.json")
    failures = [f for f in c.input_failures if f.stage == "load_papers"] + [*unreached]
    return {"found": found, "rounds": rounds, "failures": failures}


async def screen_papers(state: RunState, runtime: Runtime[Context]) -> Update:
    """Scores and selects."""
    c = runtime.context
    papers = [c.folder.read(Paper, "papers", f"{p}.json") for p in state["found"]]
    texts = [f"{p.title}. {p.abstract}".strip() for p in papers]
    relevance = await asyncio.to_thread(c.library.rank, texts, c.objective.text) if papers else []
    screened = await search.screen_papers(c.caller, c.objective, papers, relevance, limit=c.settings.max_papers)
    c.folder.write_list(screened, "screening.json")
    kept = [s.paper_id for s in screened if s.kept]
    rounds = search.with_kept(state["rounds"], kept)
    c.folder.write_list(rounds, "search.json")
    return {"kept": kept, "rounds": rounds}


async def search_datasets(state: RunState, runtime: Runtime[Context]) -> Update:
    """The data sets at hand."""
    c = runtime.context
    for dataset in c.own_datasets:
        c.folder.write(dataset, "datasets", f"{dataset.id}.json")
    failures = [f for f in c.input_failures if f.stage != "load_papers"]
    return {"datasets": [d.id for d in c.own_datasets], "failures": failures}


async def check_datasets(state: RunState, runtime: Runtime[Context]) -> Update:
    """Suitability of each, before any code is written; an unusable one is not used."""
    c = runtime.context
    datasets = [c.folder.read(Dataset, "datasets", f"{d}.json") for d in state["datasets"]]
    checks = await asyncio.gather(
        *(search.judge_dataset(c.caller, c.objective, d, check_dataset(d, c.objective)) for d in datasets)
    )
    c.folder.write_list(checks, "checks.json")
    return {"datasets": [k.dataset_id for k in checks if k.verdict != "unusable"]}


async def approve_selection(state: RunState, runtime: Runtime[Context]) -> Update:
    """Asks a person which papers and data sets to use."""
    question = {"gate": "approve_selection", "papers": state["kept"], "datasets": state["datasets"]}
    decision: Decision = interrupt(question, response_schema=Decision)
    c = runtime.context
    kept = [p for p in state["kept"] if p not in decision.drop]
    datasets = [d for d in state["datasets"] if d not in decision.drop]
    for unused in c.folder.path("datasets").glob("*.json"):
        if unused.stem not in datasets:
            unused.rename(unused.with_suffix(".unused"))
    return {"kept": kept, "datasets": datasets, "decisions": [decision]}


async def read_paper(task: PaperTask, runtime: Runtime[Context]) -> Update:
    """One paper into its report; a paper that cannot be read is a failure in the record."""
    c, paper_id = runtime.context, task["paper_id"]
    paper = c.folder.read(Paper, "papers", f"{paper_id}.json")
    if c.own_papers is None:
        raise DefectError(f"{paper_id} was selected, but there are no papers")
    document: Document = await c.own_papers.fetch(paper_id)
    c.folder.write(document, "documents", f"{paper_id}.json")
    await asyncio.to_thread(c.library.put, document)
    try:
        report = await read.read_paper(c.caller, c.objective, paper, document)
    except AnswerError as error:
        return {"failures": [Failure(item=paper_id, stage="read_paper", message=error.message, hint=error.hint)]}
    c.folder.write(report, "reports", f"{paper_id}.json")
    return {"read": [paper_id]}


async def index_papers(state: RunState, runtime: Runtime[Context]) -> Update:
    """Vectors of what was read, for searches of this run and later ones; beside the tasks, as none waits for them."""
    await asyncio.to_thread(runtime.context.library.index)
    return {}


async def analyse_reports(state: RunState, runtime: Runtime[Context]) -> Update:
    """Referability of every part of every report."""
    c = runtime.context
    datasets = tuple(f"{d.id}: {d.title}" for d in c.folder.read_all(Dataset, "datasets"))
    reports = [c.folder.read(Report, "reports", f"{p}.json") for p in sorted(state["read"])]
    failures = []

    async def analyse(report: Report) -> None:
        try:
            analysis = await read.analyse_report(c.caller, c.objective, report, datasets)
        except AnswerError as error:
            failed = Failure(item=report.paper_id, stage="analyse_reports", message=error.message, hint=error.hint)
            failures.append(failed)
        else:
            c.folder.write(analysis, "analyses", f"{analysis.paper_id}.json")

    await asyncio.gather(*(analyse(r) for r in reports))
    return {"failures": sorted(failures, key=lambda f: f.item)}
