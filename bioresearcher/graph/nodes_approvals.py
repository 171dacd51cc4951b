"""The gates of the protocol and of its tasks: what a person approves, changes, skips or limits.

The gate of the selection: which papers are read and which data sets are used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langgraph.runtime import Runtime

from bioresearcher.errors import InputError, NothingRevisedError
from bioresearcher.execution.folders import LIMITS
from bioresearcher.graph.approvals import PROTOCOL, SELECTION, TASKS, asked, is_asked, made_at
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.nodes_search import CHECKS
from bioresearcher.graph.revise import edit_run, in_force, revise_run
from bioresearcher.graph.revisions import recorded, with_revisions
from bioresearcher.graph.selection_additions import Addition, find_given, judge_datasets, judge_paper
from bioresearcher.graph.state import RunState, revisions_of
from bioresearcher.schemas.dataset import DatasetCheck
from bioresearcher.schemas.execution import DryLabTask, Limits
from bioresearcher.schemas.paper import Failure, Paper, ScreenedPaper, SearchRound
from bioresearcher.schemas.run import Decision, Revision
from bioresearcher.stages import program, screen, search
from bioresearcher.stages.forms import FormError

Update = dict[str, Any]
SKIPPED = "skipped by a person"


async def approve_protocol(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Asks a person whether the protocol may be carried out; a comment revises the parts that it concerns."""
    c = runtime.context
    c = replace(c, objective=with_revisions(c.folder, c.objective))
    made = made_at(state["decisions"], PROTOCOL)
    revised = made[-1].revision if made and made[-1].more and is_revision(made[-1]) and made[-1].changed else 0
    approved = approved_parts(made, recorded(c.folder))
    shown = {"protocol": "protocol.md", "approved": approved, "revision": revised, "last": list(_last(made))}
    decision = asked(c, state, PROTOCOL, **shown)
    if not (decision.more and is_revision(decision)):
        return {"decisions": [decision]}
    revision, said = await _revised(c, decision)
    if revision is None:
        return {"decisions": [decision.model_copy(update={"outcome": said, "changed": False})]}
    parts = ", ".join(revision.changed_parts) or "none"
    update = {"revision": revision.number, "outcome": f"revision {revision.number}: parts changed: {parts}"}
    return {**in_force(c.folder, revision), "decisions": [decision.model_copy(update=update)]}


def _last(made: Sequence[Decision]) -> tuple[str, ...]:
    """The parts that the last answer approved or wrote anew."""
    return made[-1].parts if made and made[-1].more else ()


async def _revised(c: RunContext, decision: Decision) -> tuple[Revision | None, str]:
    """The revision that an answer asks for; else why there is none."""
    try:
        if decision.text:
            revision = await asyncio.to_thread(edit_run, c, decision.parts[0], decision.text)
            return revision, "nothing was changed"
        return await revise_run(c, decision.comment, None), ""
    except FormError as error:
        return None, "\n".join(map(str, error.mistakes))
    except (NothingRevisedError, InputError) as error:
        return None, str(error)


def is_revision(decision: Decision) -> bool:
    """Whether an answer at the gate of the protocol asks for another one."""
    return bool(decision.comment or decision.text)


def approved_parts(made: Sequence[Decision], revisions: Sequence[Revision]) -> list[str]:
    """Parts that a person approved and that were not changed since."""
    changed = {r.number: r.changed_parts for r in revisions}
    found: dict[str, None] = {}
    for decision in made:
        if decision.more and is_revision(decision):
            if not decision.changed:
                continue
            found = {p: None for p in found if p not in changed.get(decision.revision, ())}
        else:
            found |= dict.fromkeys(decision.parts)
    return list(found)


async def approve_tasks(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Asks a person which tasks are run, and within which limits, where the settings name this gate."""
    c = runtime.context
    if not is_asked(c, TASKS) or not state["tasks"]:
        return {}
    tasks = {t.id: t for t in c.folder.read_list(DryLabTask, "tasks.json")}
    about = revisions_of(state["decisions"])
    made = [d for d in made_at(state["decisions"], TASKS) if d.revision == about]
    before = skipped(made), own_limits(made)
    decision = asked(c, state, TASKS, skipped=before[0], limits={t: v.model_dump() for t, v in before[1].items()})
    known = {"drop": _known(decision.drop, tasks), "add": _known(decision.add, tasks)}
    decision = decision.model_copy(update=known)
    if decision.more or not decision.approved:
        return {"decisions": [decision]}
    for task_id, limits in own_limits([*made, decision]).items():
        if task_id in tasks:
            c.folder.write(limits, "tasks", task_id, LIMITS)
    out = [t for t in skipped([*made, decision]) if t not in state["done"]]
    for task_id in out:
        record = program.not_run(tasks[task_id], SKIPPED)
        c.folder.write(record, "tasks", task_id, "record.json")
        outcome = str(record.outcome)
        c.caller.events.emit("task", "program_task", "done", tasks[task_id].title, task=task_id, outcome=outcome)
    return {"decisions": [decision], "done": out}


def _known(ids: Sequence[str], tasks: dict[str, DryLabTask]) -> tuple[str, ...]:
    return tuple(i for i in ids if i in tasks)


def skipped(made: Sequence[Decision]) -> list[str]:
    """The tasks that are not to be run, after all that was said."""
    found: dict[str, None] = {}
    for decision in made:
        found |= dict.fromkeys(decision.drop)
        found = {t: None for t in found if t not in decision.add}
    return list(found)


def own_limits(made: Sequence[Decision]) -> dict[str, Limits]:
    """The limits that single tasks were given, the last word on each."""
    return {task: limits for decision in made for task, limits in decision.limits.items()}


SCREENING = "screening.json"


@dataclass
class _Selection:
    """What is found and what of it is used, as the gate changes it; `added` and `said` are of the last answer."""

    papers: dict[str, Paper]
    kept: list[str]
    datasets: list[str]
    rounds: list[SearchRound]
    added: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


async def approve_selection(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Asks a person which papers and data sets to use.

    What `--include` and `--exclude` say counts whoever answers, unless a person says otherwise by name.
    """
    c = runtime.context
    earlier = made_at(state["decisions"], SELECTION)
    papers = {p: c.folder.read(Paper, "papers", f"{p}.json") for p in state["found"]}
    now = _Selection(papers, list(state["kept"]), list(state["datasets"]), list(state["rounds"]))
    wished = screen.matching(() if earlier else c.settings.include, list(papers.values()), _known_papers(c))
    unwanted = screen.matching(() if earlier else c.settings.exclude, list(papers.values()), _known_papers(c))
    _take(c, now, wished.ids, unwanted.ids)
    added = [i for d in earlier if d.given for i in d.add]
    last = list(earlier[-1].add) if earlier and earlier[-1].given else []
    decision = asked(c, state, SELECTION, papers=now.kept, datasets=now.datasets, added=added, last=last)
    for given in decision.given:
        await _add(c, now, given, decision)
    taken_in = screen.matching(decision.add, list(now.papers.values()), _known_papers(c))
    taken_out = screen.matching(decision.drop, list(now.papers.values()), _known_papers(c))
    _take(c, now, taken_in.ids, taken_out.ids)
    if not decision.more:
        _set_aside(c, "datasets", now.datasets)
        _set_aside(c, "papers", now.papers)
    _note_selection(c, now, closed=not decision.more)
    rounds = search.with_kept(now.rounds, now.kept)
    c.folder.write_list(rounds, "search.json")
    kept_out = tuple(i for i in unwanted.ids if i not in taken_in.ids)
    update = {
        "add": tuple(dict.fromkeys((*wished.ids, *taken_in.ids, *now.added))),
        "drop": tuple(dict.fromkeys((*kept_out, *taken_out.ids))),
        "papers": tuple(now.kept),
        "datasets": tuple(now.datasets),
        "outcome": "\n".join(now.said),
        "changed": not decision.given or bool(now.added),
    }
    return {
        "found": list(now.papers),
        "kept": now.kept,
        "datasets": now.datasets,
        "decisions": [decision.model_copy(update=update)],
        "failures": _not_known((*wished.unknown, *taken_in.unknown), (*unwanted.unknown, *taken_out.unknown)),
        "rounds": rounds,
    }


def _not_known(wished: Sequence[str], unwanted: Sequence[str]) -> list[Failure]:
    return screen.not_known(wished, "--include") + screen.not_known(unwanted, "--exclude")


def _known_papers(c: RunContext) -> list[str]:
    """Every data set that was looked at; those that are not used keep their file until the gate is closed."""
    return [p.stem for p in sorted(c.folder.path("datasets").glob("*.json"))]


def _take(c: RunContext, now: _Selection, taken_in: Sequence[str], taken_out: Sequence[str]) -> None:
    known = _known_papers(c)
    now.kept = [p for p in dict.fromkeys((*now.kept, *taken_in)) if p in now.papers and p not in taken_out]
    now.datasets = [d for d in dict.fromkeys((*now.datasets, *taken_in)) if d in known and d not in taken_out]


def _set_aside(c: RunContext, place: str, used: Collection[str]) -> None:
    for unused in c.folder.path(place).glob("*.json"):
        if unused.stem not in used:
            unused.rename(unused.with_suffix(".unused"))


async def _add(c: RunContext, now: _Selection, given: str, decision: Decision) -> None:
    """Take in what was given; each paper and data set is judged as those that were found."""
    found = await find_given(c, given, _known_papers(c))
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
                said = {
                    "kept": False,
                    "decided_by": "person",
                    "reason": f"It is read from the researcher's own {name}.",
                }
                rows[other] = rows[other].model_copy(update=said)
    for paper_id in dict.fromkeys(one.called.get(p.id, p.id) for p in found.papers):
        paper = joined[paper_id]
        known = paper_id in now.papers and paper.source != "own"
        row = await judge_paper(c, paper, confirmed=paper_id in decision.confirmed)
        rows[paper_id] = row
        now.papers[paper_id] = paper
        now.added.append(paper_id)
        c.folder.write(paper, "papers", f"{paper_id}.json")
        now.kept = [p for p in now.kept if p != paper_id] + ([paper_id] if row.kept else [])
        now.said.append(_said_of_paper(paper, row, known=known))
    c.folder.write_list(rows.values(), SCREENING)


def _said_of_paper(paper: Paper, row: ScreenedPaper, *, known: bool) -> str:
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
    for dataset, check in zip(found.datasets, await judge_datasets(c, found.datasets), strict=True):
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
    """The screening as the person at the gate changed it; numbers of rows stay the same while it is open."""
    rows = []
    for row in c.folder.read_list(ScreenedPaper, SCREENING):
        used = row.paper_id in now.kept
        if closed and row.paper_id not in now.papers:
            continue
        said = "" if used == row.kept else "Taken in at the gate. " if used else "Taken out at the gate. "
        reason = row.reason.removeprefix("Taken in at the gate. ").removeprefix("Taken out at the gate. ")
        rows.append(row.model_copy(update={"kept": used, "reason": f"{said}{reason}"}))
    c.folder.write_list(rows, SCREENING)
