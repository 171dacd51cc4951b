"""Nodes that find, check and fetch data sets: state → stage → update."""

from __future__ import annotations

import asyncio
from typing import Any

from langgraph.runtime import Runtime

from bioresearcher.errors import InputError, OutsideError
from bioresearcher.graph.context import Context
from bioresearcher.graph.state import RunState
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.paper import Paper, QueryPlan
from bioresearcher.sources.datasets import check_dataset
from bioresearcher.stages import datasets, search, texts

Update = dict[str, Any]

FOUND = "datasets_found.json"
"""All data sets that were found, before any was looked at closely."""
CHECKS = "checks.json"


async def search_datasets(state: RunState, runtime: Runtime[Context]) -> Update:
    """The researcher's data sets, and those found by query or named in a kept paper."""
    c = runtime.context
    for dataset in c.own_datasets:
        c.folder.write(dataset, "datasets", f"{dataset.id}.json")
    failures = [f for f in c.input_failures if f.stage != "load_papers"]
    own = [d.id for d in c.own_datasets]
    if not c.dataset_sources:
        return {"datasets": own, "failures": failures}
    named = datasets.mentions(await _texts(c, state["kept"]), c.settings.include)
    plan = state["plan"] or QueryPlan(literature=())
    found, missed = await datasets.search_datasets(c.dataset_sources, plan, named)
    found = [d for d in found if d.id not in own]
    c.folder.write_list(found, FOUND)
    return {"datasets": own, "failures": [*failures, *datasets.not_asked(named), *missed]}


async def _texts(c: Context, kept: list[str]) -> dict[str, list[str]]:
    """Title and abstract of each kept paper, and the text that will be read of it where it can be had."""

    async def of(paper_id: str) -> list[str]:
        paper = c.folder.read(Paper, "papers", f"{paper_id}.json")
        about = f"{paper.title}. {paper.abstract}"
        try:
            document, _ = await texts.best_text(c.literature, paper)
        except (InputError, OutsideError):
            return [about]  # said when it is read
        return [about, document.text]

    return dict(zip(kept, await asyncio.gather(*map(of, kept)), strict=True))


async def check_datasets(state: RunState, runtime: Runtime[Context]) -> Update:
    """Suitability of each, before any value is fetched and any code is written; an unusable one is not used."""
    c = runtime.context
    max_bytes = c.settings.max_data_mb << 20
    found = c.folder.read_list(Dataset, FOUND)
    worth = datasets.promising(found, c.objective, datasets.LOOKED_AT * c.settings.max_datasets, max_bytes)
    if found:
        said = f"{len(found)} data sets found, {len(worth)} looked at closely"
        c.caller.events.emit("note", "check_datasets", "info", said)
    looked_at = await datasets.inspect_all(c.dataset_sources, worth)
    for dataset in looked_at:
        c.folder.write(dataset, "datasets", f"{dataset.id}.json")
    own = [c.folder.read(Dataset, "datasets", f"{d}.json") for d in state["datasets"]]
    known = {d.id: d for d in (*own, *looked_at)}
    checks = await asyncio.gather(
        *(
            search.judge_dataset(c.caller, c.objective, d, check_dataset(d, c.objective, max_bytes))
            for d in known.values()
        )
    )
    c.folder.write_list(checks, CHECKS)
    return {"datasets": datasets.chosen(checks, known, c.settings.max_datasets)}


async def fetch_datasets(state: RunState, runtime: Runtime[Context]) -> Update:
    """The chosen data sets' files, by our own clients; each is checked again by what its files really hold."""
    c = runtime.context
    known = [c.folder.read(Dataset, "datasets", f"{d}.json") for d in state["datasets"]]
    away = [d for d in known if d.remote is not None and not d.files]
    if not away:
        return {}
    ready = [d for d in away if d.remote is not None and d.remote.inspected]
    ready += await datasets.inspect_all(c.dataset_sources, [d for d in away if d not in ready])
    fetched, failures = await datasets.fetch_datasets(c.dataset_sources, ready)
    checks = {k.dataset_id: k for k in c.folder.read_list(DatasetCheck, CHECKS)}
    for dataset in fetched:
        c.folder.write(dataset, "datasets", f"{dataset.id}.json")
        before, after = checks.get(dataset.id), check_dataset(dataset, c.objective)
        if before is not None:  # what was judged of its meaning stands
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
