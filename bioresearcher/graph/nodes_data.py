"""Nodes that look at the data before the plan: the audit, prepared copies, views, and the designer's looks."""

from __future__ import annotations

import asyncio
import hashlib

from langgraph.runtime import Runtime

from bioresearcher.audit.prepare import prepare
from bioresearcher.audit.views import make_views
from bioresearcher.errors import InputError
from bioresearcher.graph.context import LOOKED, PASSAGES, VIEWS, RunContext
from bioresearcher.graph.nodes_search import CHECKS, write_datasets
from bioresearcher.graph.state import RunState, Update
from bioresearcher.graph.talks import EXPLORED, write_talk
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.facts import Audit
from bioresearcher.schemas.paper import Document, Failure, Paper
from bioresearcher.stages import explore
from bioresearcher.stages.answer import PaperCorpus
from bioresearcher.stages.explore import ReadTool, tools_of
from bioresearcher.stages.look import LookTool
from bioresearcher.stages.registration import FACTS, LOOKS

PREPARED = "prepared"
"""Folder of the run that holds the prepared copies of data sets."""


async def audit_data(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Audit the data sets, prepare copies as the facts propose, and make the views that may be looked at.

    On the short path rows and values stay as they were given, and nobody looks before the plan.
    """
    c = runtime.context
    given = tuple(c.folder.read(Dataset, "datasets", f"{d}.json") for d in state["datasets"])
    given = tuple(d for d in given if d.files and d.prepared_from is None)
    found = await asyncio.to_thread(c.audited, given)
    c.folder.write(found, FACTS)
    said = f"{len(found.facts)} facts about {len(given)} data sets, {len(found.proposals)} proposals"
    c.caller.events.emit("note", "audit_data", "info", said)
    prepared, failures = ([], []) if c.short else await asyncio.to_thread(_prepared, c, given, found)
    write_datasets(c, prepared)
    checks = c.folder.read_list(DatasetCheck, CHECKS)
    known = {k.dataset_id for k in checks}
    like = {k.dataset_id: k for k in checks}
    more = [
        like[d.prepared_from].model_copy(update={"dataset_id": d.id})
        for d in prepared
        if d.prepared_from in like and d.id not in known
    ]
    c.folder.write_list([*checks, *more], CHECKS)
    if not c.caller.by_rule and not c.short:  # only a model looks
        secret = hashlib.sha256("\n".join(sorted(f.sha256 for d in given for f in d.files)).encode()).digest()
        views = await asyncio.to_thread(make_views, given, c.objective, c.folder.path(VIEWS), secret)
        c.folder.write_list(views, f"{VIEWS}.json")
    ids = [d for d in state["datasets"] if d not in {p.id for p in prepared}]
    return {"datasets": [*ids, *(d.id for d in prepared)], "failures": failures}


def _prepared(c: RunContext, given: tuple[Dataset, ...], found: Audit) -> tuple[list[Dataset], list[Failure]]:
    """Carry out the proposals on copies; one that cannot be made is a failure, and the data stay as given."""
    made, failures = [], []
    for dataset in given:
        proposals = tuple(p for p in found.proposals if p.dataset == dataset.id)
        if not proposals:
            continue
        try:
            made.append(prepare(dataset, proposals, c.folder.path(PREPARED)))
        except InputError as error:
            failures.append(Failure(item=dataset.id, stage="audit_data", message=error.message, hint=error.hint))
    return made, failures


async def explore_data(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Let the designer look at views and read in the papers before it plans; nothing is looked at by rule."""
    c = runtime.context
    if c.caller.by_rule:
        return {}
    bench = c.bench()
    look = LookTool(c.sandbox, c.folder.path(VIEWS), bench.views) if c.sandbox and bench.views else None
    if look is None and bench.views:
        c.caller.events.emit("note", "explore_data", "info", f"no look at the data: {c.sandbox_note}")
    corpus = PaperCorpus(c.folder.read_all(Paper, "papers"), c.folder.read_all(Document, "documents"))
    read = ReadTool(corpus, c.library.similarities) if bench.reports else None
    found = await explore.explore_data(c.caller, bench, tools_of(look, read, bench))
    c.folder.write_list(found.looks, LOOKS)
    c.folder.write_list(found.facts, LOOKED)
    c.folder.write_list(found.passages, PASSAGES)
    write_talk(c.folder, EXPLORED, found.talk)
    return {}
