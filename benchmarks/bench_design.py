"""Tokens to design one protocol from three papers in six parts, when every draft passes its review.

The model is the tests' server on this machine: it records what it is sent. Its answers are the offline rules' answers
for the same question. Tokens are counted as in `bench_reading`; a request's JSON schema is counted as part of it, and
so are the reviewer's questions about each draft.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench_reading import Recalling, _backend, _caller, _size, _tokenizer
from bioresearcher.stages.review_loop import draft_and_review
from figures import ROOT, Figure, test_data

from bioresearcher.examples import load_example
from bioresearcher.llm.ask import ModelClient
from bioresearcher.llm.backend import Request
from bioresearcher.offline.backend import offline_backend
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.report.protocol_markdown import render_protocol
from bioresearcher.resources import Resources
from bioresearcher.retrieval.index import Library
from bioresearcher.review.check import CheckContext
from bioresearcher.review.checks import run_checks
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep
from bioresearcher.skills import load_skills
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.stages import design
from bioresearcher.stages.design_context import DesignContext, Similarities, assemble_protocol
from bioresearcher.stages.read import analyse_report, read_paper

sys.path.insert(0, str(ROOT / "tests" / "support"))
from model_server import ModelServer, Seen

PAPERS = ("jats/PMC1702562.xml", "jats/PMC2599765.nxml", "jats/PMC1289294.xml")
PARTS = 6
TOKENS = 80_000
YES = dict.fromkeys(("answers_objective", "complete", "specific", "consistent", "grounded"), True)
PASSED = {**YES, "quote": "", "reason": ""}


def measure(quick: bool) -> list[Figure]:
    """The figure of one design."""
    data = test_data()
    if data is None:
        return [Figure("designing a protocol", "not measured: set BIORESEARCHER_TEST_DATA")]
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        with Library(place / "library") as library:
            rules = Recalling(offline_backend(library.similarities), _key)
            door = _caller(place / "rules.sqlite", rules)
            bench = asyncio.run(_bench(door, place, [data / "fulltext" / p for p in PAPERS]))
            protocol = asyncio.run(_design(door, bench, library.similarities))
            door.ledger.close()
            return [_asked(place, bench, library.similarities, rules.known, protocol)]


def _key(request: Request) -> str:
    values: Any = request.values
    return request.prompt + (values.part.id if request.prompt.endswith("write_steps") else "")


async def _bench(door: ModelClient, place: Path, papers: list[Path]) -> DesignContext:
    example = load_example("breast-cancer")
    datasets, _ = load_datasets(example.data, place / "tables")
    lines = tuple(f"{d.id}: {d.title}" for d in datasets)
    reports, analyses = {}, {}
    for path in papers:
        paper, document = load_paper(path)
        report = await read_paper(door, example.objective, paper, document)
        reports[report.paper_id] = report
        analyses[report.paper_id] = await analyse_report(door, example.objective, report, lines)
    return DesignContext(
        example.objective, reports, analyses, tuple(datasets), load_skills(Resources()), max_parts=PARTS
    )


async def _design(door: ModelClient, bench: DesignContext, similar: Similarities) -> Protocol:
    """The design as the pipeline makes it: each level in the review loop, the parts side by side."""
    objective = bench.objective
    headings = await draft_and_review(
        door,
        objective,
        "headings",
        make=lambda found: design.design_headings(door, bench, found),
        check=design.check_headings,
        show=lambda draft: draft.model_dump_json(indent=1),
    )
    bare = design.parts_of(headings.value)
    outlines = await draft_and_review(
        door,
        objective,
        "outlines",
        make=lambda found: design.design_outlines(door, bench, bare, found),
        check=lambda draft: design.check_outlines(bare, draft),
        show=lambda draft: draft.model_dump_json(indent=1),
    )
    parts = design.with_outlines(bare, outlines.value)

    async def written(part: ProtocolPart) -> ProtocolPart:
        def whole(steps: tuple[ProtocolStep, ...]) -> Protocol:
            own = (part.model_copy(update={"steps": steps}),)
            return Protocol(id="o", title=part.title, objective_id="o", parts=own, origin="offline")

        best = await draft_and_review(
            door,
            objective,
            f"steps of part {part.id}",
            make=lambda found: design.write_steps(door, bench, part, parts, found, similar),
            check=lambda steps: run_checks(whole(steps), CheckContext(), scope="part"),
            show=lambda steps: render_protocol(whole(steps)),
        )
        return part.model_copy(update={"steps": best.value})

    done = tuple(await asyncio.gather(*(written(p) for p in parts)))
    return assemble_protocol(bench, headings.value.title, headings.value.summary, done, passed=True)


def _asked(
    place: Path, bench: DesignContext, similar: Similarities, known: dict[str, Any], by_rule: Protocol
) -> Figure:
    name, count = _tokenizer()

    def answer(seen: Seen) -> dict[str, Any]:
        schema = json.dumps(seen.body.get("response_format") or seen.body)
        for prompt, mark in (("design_headings", "HeadingsDraft"), ("design_outlines", "OutlinesDraft")):
            if mark in schema:
                return dict(known[f"designer/{prompt}"])
        part = re.search(r"^Write part (\d+):", seen.text, re.MULTILINE)
        if part:
            return dict(known[f"designer/write_steps{part[1]}"])
        return PASSED

    with ModelServer(answer) as server:
        protocol = asyncio.run(_through(server.url, place / "model.sqlite", bench, similar))
        calls = server.calls
    used = sum(_size(seen, count) for seen in calls)
    said = f"{used:,} in {len(calls)} calls for {len(protocol.parts)} parts, {len(protocol.steps)} steps ({name})"
    same = [s.id for s in protocol.steps] == [s.id for s in by_rule.steps]
    title = f"input tokens of one design, {len(bench.reports)} papers, {PARTS} parts" + (
        "" if same else "; OTHER STEPS"
    )
    return Figure(title, said, f"≤ {TOKENS:,}", used <= TOKENS and same)


async def _through(url: str, ledger: Path, bench: DesignContext, similar: Similarities) -> Protocol:
    backend = _backend(url)
    caller = _caller(ledger, backend)
    try:
        return await _design(caller, bench, similar)
    finally:
        await backend.aclose()
        caller.ledger.close()
