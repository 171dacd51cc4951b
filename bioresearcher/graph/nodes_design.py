"""Nodes that design the protocol, program its tasks and score it: state → stage → update."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from langgraph.runtime import Runtime

from bioresearcher.audit.rehearsal import make_copies
from bioresearcher.errors import InputError
from bioresearcher.execution.input_snapshot import keep_inputs
from bioresearcher.graph.approvals import HEADINGS, OUTLINES
from bioresearcher.graph.context import DEFINITIONS, VIEWS, RunContext
from bioresearcher.graph.nodes_approvals import PLAN_FILE, as_findings, commented_draft, comments
from bioresearcher.graph.nodes_search import SCREENING
from bioresearcher.graph.revisions import kept_ids, settle_tasks
from bioresearcher.graph.state import CodeTask, RunState, Update, revisions_of
from bioresearcher.graph.talks import EXPLORED, WRITTEN, planned, read_talk, write_talk
from bioresearcher.report.protocol_evidence import write_protocol
from bioresearcher.report.protocol_markdown import render_for_review
from bioresearcher.review.checks import run_checks
from bioresearcher.review.checks_numbers import marked
from bioresearcher.runfolder import write_text
from bioresearcher.schemas.ask_design import FindingAnswer, ProtocolPlan
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.execution import DryLabTask, TaskRecord
from bioresearcher.schemas.facts import Audit, Fact, LookRecord
from bioresearcher.schemas.paper import Failure, ScreenedPaper
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import CheckFinding, DraftReview, RankedFinding, Review
from bioresearcher.stages import author, extract, program, score, shared_code
from bioresearcher.stages.author_revision import Reviser
from bioresearcher.stages.claims import check_claims
from bioresearcher.stages.computation import NOT_REVIEWED
from bioresearcher.stages.design import parts_of
from bioresearcher.stages.design_context import DesignContext, beyond_limit
from bioresearcher.stages.design_context import assemble_protocol as assemble_protocol_of
from bioresearcher.stages.look import LookTool
from bioresearcher.stages.material import material
from bioresearcher.stages.mend_script import ROUNDS_LATER, Stage, code_changes, folder_of, rehearsed
from bioresearcher.stages.outline_form import with_parts
from bioresearcher.stages.read import LEVELS
from bioresearcher.stages.registration import LOOKS
from bioresearcher.stages.review_protocol import ReviewMaterial, review_and_revise

AUTHORS_PLAN, DRAFT_FILE, REVIEWED_FILE = "author-plan.json", "draft.json", "reviewed.json"
REHEARSED_FILE = "rehearsed.json"
_NAMED: Final = 3
"""Papers that a refusal names with a reason each."""
REVIEWER_SEES: Final = 2_048
"""Bytes shown of a reviewer's look."""


def facts_at_hand(bench: DesignContext) -> tuple[Fact, ...]:
    """Return the facts that the author was shown and those of looks: the reviewer has the same."""
    return (*material(bench)["facts"], *bench.looked)


def facts_shown(bench: DesignContext) -> Audit:
    """Return all facts, those of looks included, as the protocol prints them."""
    return bench.audit.model_copy(update={"facts": bench.facts})


async def plan_protocol(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Plan the protocol: first page, parts, and a line per step."""
    c = runtime.context
    bench = c.bench()
    said, before = commented_draft(c, state, HEADINGS)
    earlier = (planned(len(said) - 1, 0),) if said else ()
    talk = read_talk(c.folder, *earlier, EXPLORED)
    found = await author.plan_protocol(c.caller, bench, talk, findings=as_findings(said, before))
    if not found.plan.parts:
        raise InputError(
            f"no protocol can be designed: {_why_nothing(c, bench)}.",
            hint="Correct the data or give other papers, and start a new run; report.md says more.",
        )
    _keep_plan(c, found, planned(len(said), 0))
    return {"parts": [p.id for p in found.plan.parts]}


def _keep_plan(c: RunContext, found: author.Planned, name: str) -> None:
    """Write a plan twice, as the author made it and as a person may change it, with the conversation after it."""
    c.folder.write(found.plan, "design", AUTHORS_PLAN)
    c.folder.write(found.plan, "design", PLAN_FILE)
    write_talk(c.folder, name, found.talk)


def _why_nothing(c: RunContext, bench: DesignContext) -> str:
    """Return the reasons why neither data nor papers give a part."""
    said = [
        f"{f.item} could not be loaded ({f.message.rstrip('.')}{f'. {f.hint}' if f.hint else ''})".replace(".)", ")")
        for f in c.own.failures
    ]
    for check in c.folder.read_list(DatasetCheck, "checks.json"):
        if check.verdict == "unusable":
            known = c.folder.has("datasets", f"{check.dataset_id}.json")
            found = c.folder.read(Dataset, "datasets", f"{check.dataset_id}.json").problems if known else ()
            reasons = [r.rstrip(".") for r in (*check.reasons[:1], *found[:2])]
            said.append(f"{check.dataset_id} is unusable ({'; '.join(reasons) or 'no reason given'})")
    lost = [(q.id, q.cannot.rstrip("."), q.mend) for q in c.questions().questions if q.cannot]
    said += [f"{i} cannot be answered ({why}{f'; to settle it: {mend}' if mend else ''})" for i, why, mend in lost]
    if bench.reports:
        said.append(_not_near(bench))
    elif rows := c.folder.read_list(ScreenedPaper, SCREENING):
        said.append(_none_read(rows))
    elif c.own.papers:
        said.append("no paper was read")
    elif not said:  # data whose names do not match are no want of papers
        said.append("no papers were given")
    return "; ".join(said)


def _none_read(rows: Sequence[ScreenedPaper]) -> str:
    """Return why none of the papers found was read, as screening decided."""
    why = [f"{row.paper_id}: {row.reason.rstrip('.')}" for row in rows[:_NAMED]]
    more = f"; and {len(rows) - _NAMED} more in {SCREENING}" if len(rows) > _NAMED else ""
    return f"no paper was read, of {len(rows)} found ({'; '.join(why)}{more})"


def _not_near(bench: DesignContext) -> str:
    """Return what is against the best part of each paper that was read."""
    why = []
    for paper_id in [*bench.reports][:_NAMED]:
        found, parts = bench.analyses.get(paper_id), bench.reports[paper_id].parts
        if not parts:
            why.append(f"{paper_id}: no step was read from it")
        elif found is not None and found.parts:
            best = min(found.parts, key=lambda p: LEVELS.index(p.level))
            why.append(f"{paper_id}, part {best.part_id}: {best.reason.rstrip('.')}")
    said = f"none of the {len(bench.reports)} papers read describes a method that can be followed"
    return f"{said} ({'; '.join(why)})" if why else said


async def fit_outlines(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Give lines to parts that a person added, and follow a person's comments on the outlines."""
    c = runtime.context
    plan = c.folder.read(ProtocolPlan, "design", PLAN_FILE)
    said, before = commented_draft(c, state, OUTLINES)
    bare = {p.id for p in plan.parts if not p.lines}
    if not said and not bare:
        return {}
    on_headings = len(comments(state, HEADINGS))
    talk = read_talk(c.folder, *(planned(on_headings, n) for n in range(len(said) - 1, -1, -1)), EXPLORED)
    fixed = parts_of(plan)
    found = await author.plan_protocol(c.caller, c.bench(), talk, fixed=fixed, findings=as_findings(said, before))
    lines = {p.id: p.lines for p in found.plan.parts}
    parts = tuple(
        p.model_copy(update={"lines": lines.get(p.id) or p.lines}) if said or p.id in bare else p for p in plan.parts
    )
    fitted = with_parts(plan if not said else found.plan.model_copy(update={"parts": plan.parts}), parts)
    _keep_plan(c, replace(found, plan=fitted), planned(on_headings, len(said)))
    return {}


async def write_steps(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Write the steps of all parts, as one author, and assemble the draft."""
    c = runtime.context
    bench = c.bench()
    counts = len(comments(state, HEADINGS)), len(comments(state, OUTLINES))
    names = [planned(counts[0], n) for n in range(counts[1], -1, -1)]
    plan = c.folder.read(ProtocolPlan, "design", AUTHORS_PLAN)
    settled = c.folder.read(ProtocolPlan, "design", PLAN_FILE)
    plan, talk = author.settle(plan, parts_of(settled), read_talk(c.folder, *names, EXPLORED))
    written = await author.write_steps(c.caller, bench, talk, plan)
    draft = await asyncio.to_thread(assemble_protocol_of, bench, written.plan, written.parts, told=written.told)
    c.folder.write(draft, "design", DRAFT_FILE)
    write_talk(c.folder, WRITTEN, written.talk)
    return {"parts": [p.id for p in draft.parts]}


async def rehearse_script(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Run the draft's script on copies without outcomes, and let the author mend it."""
    c = runtime.context
    draft = c.folder.read(Protocol, "design", DRAFT_FILE)
    c.folder.write(await rehearsed(await _stage(c), draft), "design", REHEARSED_FILE)
    return {}


async def _stage(c: RunContext) -> Stage:
    """Return what rehearsals need: the door, the sandbox, and copies with shuffled outcomes and groups."""
    bench = c.bench()
    if c.caller.by_rule or c.sandbox is None or not bench.views:
        return Stage(c.caller, c.objective, bench.datasets, None, None)
    folder = folder_of(c.folder.path(VIEWS))
    copies = await asyncio.to_thread(make_copies, bench.datasets, c.objective, folder, bench.questions.questions)
    return Stage(c.caller, c.objective, bench.datasets, c.sandbox, copies)


async def review_protocol(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Check the draft, let the reviewer look and judge, and let the author answer and revise."""
    c = runtime.context
    bench = c.bench()
    draft = c.folder.read(Protocol, "design", REHEARSED_FILE)
    context = c.check_context()
    talk = read_talk(c.folder, WRITTEN)
    changed = code_changes(c.folder.read(Protocol, "design", DRAFT_FILE), draft)
    talk = talk.model_copy(update={"results": "\n\n".join(t for t in (talk.results, changed) if t)})
    reviser = Reviser(c.caller, bench, talk)
    stage = await _stage(c)

    async def revise(
        protocol: Protocol, findings: Sequence[RankedFinding], looks: Sequence[LookRecord]
    ) -> tuple[Protocol, tuple[FindingAnswer, ...], Mapping[str, str]]:
        revised, answers, moved = await reviser(protocol, findings, looks)
        again = await rehearsed(stage, revised, ROUNDS_LATER)
        more = (reviser.talk.results, code_changes(revised, again))
        reviser.talk = reviser.talk.model_copy(update={"results": "\n\n".join(t for t in more if t)})
        return again, answers, moved

    async def check(protocol: Protocol) -> tuple[Protocol, tuple[CheckFinding, ...]]:
        claimed = await check_claims(c.caller, reviser.bench, protocol)
        seen = (k.shown for k in reviser.bench.looks if k.by == "reviewer")
        known = replace(context, shown=(*(context.shown or ()), *seen))
        return claimed, await asyncio.to_thread(run_checks, claimed, known)

    look = None
    if c.sandbox and bench.views:
        look = LookTool(c.sandbox, c.folder.path(VIEWS), bench.views, prefix="V", shown_bytes=REVIEWER_SEES)
    reviewed = await review_and_revise(
        c.caller,
        ReviewMaterial(c.objective, bench.datasets, facts_at_hand(bench), bench.views, look),
        draft,
        revise=revise,
        render=lambda protocol: render_for_review(protocol, facts_shown(bench), reviser.bench.looks),
        check=check,
    )
    seen = (*(context.shown or ()), *(k.shown for k in reviewed.looks))
    c.folder.write(await asyncio.to_thread(marked, reviewed.protocol, seen), "design", REVIEWED_FILE)
    c.folder.write_list([k for k in bench.looks if k.by != "reviewer"] + list(reviewed.looks), LOOKS)
    return {"reviews": list(reviewed.rounds), "passed": ["protocol"] if reviewed.passed else []}


async def assemble_protocol(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Put the reviewed protocol in force."""
    c = runtime.context
    protocol = c.folder.read(Protocol, "design", REVIEWED_FILE)
    c.folder.write(protocol, "protocol.json")
    undone = beyond_limit(c.bench(), protocol)
    if undone:
        c.caller.events.emit("note", "assemble_protocol", "info", undone)
    for part in protocol.parts:
        c.folder.write(part, "design", "parts", f"{part.id}.json")
    rounds: list[DraftReview] = sorted(state["reviews"], key=lambda r: (r.draft, r.round))
    c.folder.write_list(rounds, "rounds.json")
    write_protocol(c.folder, protocol)
    return {"parts": [p.id for p in protocol.parts]}


async def extract_tasks(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Extract the dry-lab tasks; after a revision those that still hold keep their ids and records."""
    c = runtime.context
    bench = c.bench()
    protocol = c.folder.read(Protocol, "protocol.json")
    if c.short:  # its step is one task as it stands
        found = extract.copied_tasks(protocol, bench.datasets, c.settings.max_tasks)
    else:
        found = await extract.extract_tasks(c.caller, protocol, bench.datasets, c.skills, c.settings.max_tasks)
    tasks, done = found.tasks, list[str]()
    if revisions_of(state["decisions"]):
        old = c.folder.read_list(DryLabTask, "tasks.json")
        tasks = kept_ids(tasks, old)
        done = await asyncio.to_thread(settle_tasks, c.folder, tasks, old)
    told = await _shared_code(c, protocol)
    c.folder.write_list(tasks, "tasks.json")
    for task in tasks:
        c.folder.write(task, "tasks", task.id, "task.json")
    await asyncio.to_thread(keep_inputs, c.folder, tasks, {d.id: d for d in bench.datasets})
    return {"tasks": [t.id for t in tasks], "done": done, "failures": [*found.refused, *told]}


async def _shared_code(c: RunContext, protocol: Protocol) -> list[Failure]:
    """Write the helper module of the protocol's definitions, after it was imported in the sandbox once."""
    if c.caller.by_rule or c.sandbox is None:
        return []
    module = await shared_code.tried(c.sandbox, shared_code.definitions_module(protocol))
    if module.text:
        write_text(c.folder.path(*DEFINITIONS), module.text)
    else:
        c.folder.path(*DEFINITIONS).unlink(missing_ok=True)  # of the protocol before a revision
    return [Failure(item="definitions", stage="extract_tasks", message=module.told)] if module.told else []


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
    """Score the protocol on the five metrics; a plan that nobody designed is not scored."""
    c = runtime.context
    if c.short:
        c.folder.write(Review(metrics={}, verdict="not judged", summary=NOT_REVIEWED, origin="offline"), "review.json")
        return {}
    protocol = c.folder.read(Protocol, "protocol.json")
    review = await score.score_protocol(c.caller, c.objective, protocol, c.check_context())
    c.folder.write(review, "review.json")
    return {}
