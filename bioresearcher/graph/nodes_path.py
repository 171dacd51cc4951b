"""Nodes of the short path: the choice of it, before anything is searched, and the plan that is made by program."""

from __future__ import annotations

import asyncio

from langgraph.runtime import Runtime

from bioresearcher.errors import InputError
from bioresearcher.graph.context import PATH, RunContext
from bioresearcher.graph.nodes_design import REVIEWED_FILE
from bioresearcher.graph.nodes_questions import settled_questions
from bioresearcher.graph.nodes_search import read_with_model, write_datasets
from bioresearcher.graph.state import RunState, Update
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.question import Questions
from bioresearcher.schemas.run import ChosenPath
from bioresearcher.sources.datasets.plain import as_plain_table, plain_columns
from bioresearcher.stages.computation import asks_for_more, computation_plan, is_plain_table, why_designed


async def choose_path(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Bind the objective to the data given, and choose the short path where nothing is left to search or design.

    The questions are bound by the same call as later, which so is answered from the ledger where the data sets stay the
    same. By rule there is nothing to choose: rules bind their own skills.
    """
    c = runtime.context
    if c.caller.by_rule:
        return {}
    why, ids = _barred(c), list[str]()
    if not why:
        given = await asyncio.to_thread(_as_spoken_of, c)
        write_datasets(c, given)
        ids = [d.id for d in await read_with_model(c, given)]
        why = "" if c.settings.plan == "short" else _why_full(c, await settled_questions(c, ids))
    _take(c, "choose_path", why)
    if why:
        return {}
    return {"datasets": ids, "failures": list(c.own.failures)}


def _as_spoken_of(c: RunContext) -> list[Dataset]:
    """Return the data sets given; tables whose columns the objective speaks of are read as they are written."""
    found = []
    for dataset in c.own.datasets:
        try:
            plain = is_plain_table(c.objective, dataset, plain_columns(dataset))
            found.append(as_plain_table(dataset, c.settings.tables) if plain else dataset)
        except InputError:  # it stays as it was read
            found.append(dataset)
    return found


async def plan_computation(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Make the plan of the short path: one step that computes what the questions ask.

    A person may have made the questions clearer since the path was chosen; where they need more now, it is left.

    Raises:
        InputError: The short path is asked for, and no question can be answered.
    """
    c = runtime.context
    bench = c.bench()
    if why := _why_full(c, bench.questions):
        _take(c, "plan_computation", why)
        return {}
    protocol = computation_plan(bench)
    if protocol is None:
        lost = "; ".join(f"{q.id} cannot be answered ({q.cannot.rstrip('.')})" for q in bench.questions.questions)
        raise InputError(
            f"nothing can be computed: {lost or 'the objective asks nothing of the data'}.",
            hint="Correct the data or the objective; --plan full searches and designs.",
        )
    c.folder.write(protocol, "design", REVIEWED_FILE)
    return {"parts": [p.id for p in protocol.parts]}


def _barred(c: RunContext) -> str:
    """Return why the short path is out of question before any question is bound; empty when it is not."""
    if not c.own.datasets:
        return "no data were given that can be read"
    if c.settings.plan != "auto":
        return "it is asked for (`plan`)" if c.settings.plan == "full" else ""
    if c.own.papers or c.own.pubmed_files:
        return "papers were given"
    if c.settings.include:
        return "papers or data sets are named to be used"
    words = asks_for_more(c.objective)
    return f"the objective says “{words}”" if words else ""


def _why_full(c: RunContext, questions: Questions) -> str:
    """Return why bound questions need all of the pipeline; empty when they do not, or the short path is asked for."""
    return "" if c.settings.plan == "short" else why_designed(c.objective, questions)


def _take(c: RunContext, step: str, why: str) -> None:
    """Record the path, and say it: the short one where there is no reason against it."""
    c.folder.write(ChosenPath(short=not why, why=why), PATH)
    if why:
        said = f"the whole pipeline is carried out: {why}"
    else:
        asked = "as `plan` asks" if c.settings.plan == "short" else "as the questions say what is computed"
        said = f"short path, {asked}: no search, no design, no review of a plan; --plan full does them"
    c.caller.events.emit("note", step, "info", said)
