"""Nodes that design the protocol, program its tasks and score it: state → stage → update."""

from __future__ import annotations

import asyncio

from langgraph.runtime import Runtime

from bioresearcher.errors import InputError
from bioresearcher.execution.input_snapshot import keep_inputs
from bioresearcher.graph.approvals import HEADINGS, OUTLINES
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.nodes_approvals import (
    HEADINGS_FILE,
    OUTLINES_FILE,
    as_findings,
    commented_draft,
    draft_name,
    passed_now,
)
from bioresearcher.graph.revisions import kept_ids, settle_tasks
from bioresearcher.graph.state import CodeTask, PartTask, RunState, Update, revisions_of
from bioresearcher.report.protocol_markdown import render_protocol
from bioresearcher.review.checks import run_checks
from bioresearcher.runfolder import write_text
from bioresearcher.schemas.ask_design import HeadingsDraft
from bioresearcher.schemas.base import origin_of
from bioresearcher.schemas.dataset import DatasetCheck
from bioresearcher.schemas.execution import DryLabTask, TaskRecord
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep
from bioresearcher.schemas.review import CheckFinding, DraftReview
from bioresearcher.stages import design, design_context, program, score
from bioresearcher.stages.design_context import DesignContext
from bioresearcher.stages.review_loop import draft_and_review


async def design_headings(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Design the headings: the protocol's parts."""
    c = runtime.context
    bench = c.bench()
    said, before = commented_draft(c, state, HEADINGS)
    best = await draft_and_review(
        c.caller,
        c.objective,
        draft_name("headings", said),
        make=lambda findings: design.design_headings(c.caller, bench, (*as_findings(said, before), *findings)),
        check=design.check_headings,
        show=lambda d: d.model_dump_json(indent=1),
    )
    if not best.value.parts:
        raise InputError(
            f"no protocol can be designed: {_why_nothing(c, bench)}.",
            hint="Correct the data or give papers nearer to the objective, and start a new run; report.md says more.",
        )
    c.folder.write(best.value, "design", HEADINGS_FILE)
    return {
        "parts": [p.id for p in best.value.parts],
        "reviews": list(best.rounds),
        "passed": passed_now(state, "headings", best.passed),
    }


def _why_nothing(c: RunContext, bench: DesignContext) -> str:
    """Return the reasons why neither data nor papers give a part."""
    said = [f"{f.item} could not be loaded ({f.message.rstrip('.')})" for f in c.own.failures]
    for check in c.folder.read_list(DatasetCheck, "checks.json"):
        if check.verdict == "unusable":
            said.append(f"{check.dataset_id} is unusable ({check.reasons[0] if check.reasons else 'no reason given'})")
    if not bench.reports:
        said.append("no paper was read" if c.own.papers else "no papers were given")
    else:
        said.append(f"none of the {len(bench.reports)} papers read describes a method near the objective")
    return "; ".join(said)


async def design_outlines(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Design the outlines: a line per step."""
    c = runtime.context
    bench = c.bench()
    said, before = commented_draft(c, state, OUTLINES)
    parts = design.parts_of(c.folder.read(HeadingsDraft, "design", HEADINGS_FILE))
    best = await draft_and_review(
        c.caller,
        c.objective,
        draft_name("outlines", said),
        make=lambda findings: design.design_outlines(c.caller, bench, parts, (*as_findings(said, before), *findings)),
        check=lambda d: design.check_outlines(parts, d),
        show=lambda d: d.model_dump_json(indent=1),
    )
    c.folder.write_list(design.with_outlines(parts, best.value), "design", OUTLINES_FILE)
    return {"reviews": list(best.rounds), "passed": passed_now(state, "outlines", best.passed)}


async def write_steps(task: PartTask, runtime: Runtime[RunContext]) -> Update:
    """Write the steps of one part."""
    c = runtime.context
    bench = c.bench()
    parts = c.folder.read_list(ProtocolPart, "design", OUTLINES_FILE)
    part = next(p for p in parts if p.id == task["part_id"])
    context = c.check_context()

    def whole(steps: tuple[ProtocolStep, ...]) -> Protocol:
        written = part.model_copy(update={"steps": steps})
        return Protocol(
            id=c.objective.id,
            title=part.title,
            objective_id=c.objective.id,
            parts=(written,),
            origin=origin_of(s.origin for s in steps),
        )

    def check(steps: tuple[ProtocolStep, ...]) -> tuple[CheckFinding, ...]:
        return run_checks(whole(steps), context, scope="part")

    best = await draft_and_review(
        c.caller,
        c.objective,
        f"steps of part {part.id}",
        make=lambda findings: design.write_steps(c.caller, bench, part, parts, findings, c.library.similarities),
        check=check,
        show=lambda steps: render_protocol(whole(steps)),
    )
    c.folder.write(part.model_copy(update={"steps": best.value}), "design", "parts", f"{part.id}.json")
    passed = [f"part {part.id}"] if best.passed else []
    return {"written": [part.id], "reviews": list(best.rounds), "passed": passed}


async def assemble_protocol(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Assemble the parts to one protocol."""
    c = runtime.context
    headings = c.folder.read(HeadingsDraft, "design", HEADINGS_FILE)
    parts = tuple(c.folder.read(ProtocolPart, "design", "parts", f"{p}.json") for p in state["parts"])
    if not any(p.steps for p in parts):
        anew, by_rule = await design.design_by_rule(c.caller, c.bench(), c.library.similarities)
        headings, parts = (anew, by_rule) if by_rule else (headings, parts)
    passed = {"headings", "outlines", *(f"part {p}" for p in state["parts"])} <= set(state["passed"])
    protocol = await asyncio.to_thread(
        design_context.assemble_protocol, c.bench(), headings.title, headings.summary, parts, passed=passed
    )
    c.folder.write(protocol, "protocol.json")
    rounds: list[DraftReview] = sorted(state["reviews"], key=lambda r: (r.draft, r.round))
    c.folder.write_list(rounds, "rounds.json")
    write_text(c.folder.path("protocol.md"), render_protocol(protocol))
    return {}


async def extract_tasks(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Extract the dry-lab tasks; after a revision those that still hold keep their ids and records."""
    c = runtime.context
    bench = c.bench()
    protocol = c.folder.read(Protocol, "protocol.json")
    found = await program.extract_tasks(c.caller, protocol, bench.datasets, c.skills)
    tasks, done = found.tasks, list[str]()
    if revisions_of(state["decisions"]):
        old = c.folder.read_list(DryLabTask, "tasks.json")
        tasks = kept_ids(tasks, old)
        done = await asyncio.to_thread(settle_tasks, c.folder, tasks, old)
    c.folder.write_list(tasks, "tasks.json")
    for task in tasks:
        c.folder.write(task, "tasks", task.id, "task.json")
    await asyncio.to_thread(keep_inputs, c.folder, tasks, {d.id: d for d in bench.datasets})
    return {"tasks": [t.id for t in tasks], "done": done, "failures": list(found.refused)}


async def program_task(task: CodeTask, runtime: Runtime[RunContext]) -> Update:
    """Program one task: code, runs, repairs, verified outcome."""
    c, task_id = runtime.context, task["task_id"]
    spec = c.folder.read(DryLabTask, "tasks", task_id, "task.json")
    if c.sandbox is None:
        record: TaskRecord = program.not_run(spec, c.sandbox_note)
    else:
        async with c.task_slots:
            if runtime.control is not None and runtime.control.drain_requested:
                return {}  # stopping: a task that has not begun is left for the resumed run
            c.caller.events.emit("task", "program_task", "start", spec.title, task=task_id)
            record = await program.program_task(c.caller, c.workbench(c.sandbox, task_id), spec)
    c.folder.write(record, "tasks", task_id, "record.json")
    c.caller.events.emit("task", "program_task", "done", spec.title, task=task_id, outcome=str(record.outcome))
    return {"done": [task_id]}


async def collect_tasks(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Join the branches of a round of tasks."""
    return {}


async def score_protocol(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Score the protocol on the five metrics."""
    c = runtime.context
    protocol = c.folder.read(Protocol, "protocol.json")
    review = await score.score_protocol(c.caller, c.objective, protocol, c.check_context())
    c.folder.write(review, "review.json")
    return {}
