"""What follows from a run's values by counting and grouping; no science is computed here.

The evidence graph of a run folder, and of all runs of a workspace for one paper.

Labels of the report's origins and columns, and of what calls to models took.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bioresearcher.errors import BioresearcherError
from bioresearcher.execution.task_records import automation
from bioresearcher.papers.evidence_graph import evidence_graph, named_papers
from bioresearcher.report.run_data import OutputFile, RunView, TaskView, load_view
from bioresearcher.runfolder import RunFolder, safe_name
from bioresearcher.schemas.base import Origin, Requirement, Usage
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.execution import Finding, Outcome
from bioresearcher.schemas.library import EvidenceGraph, PaperUse
from bioresearcher.schemas.paper import Paper, ScreenedPaper
from bioresearcher.schemas.paper_report import PaperReport, ReferabilityAnalysis
from bioresearcher.schemas.protocol import Coverage, ProtocolPart
from bioresearcher.settings import BUDGET
from bioresearcher.text.format import STAMPS, count_of, number, percent, setting_text
from bioresearcher.text.visible import one_line

ORIGINS: dict[Origin, str] = {
    "offline": "computed by rule, no model",
    "model": "written by a language model",
    "mixed": "written partly by a language model, partly by rule",
    "human": "given by a person",
    "source": "as the source states it",
    "scripted": "scripted replies of a test",
}

MODEL_COLUMNS = (
    "Step", "Role", "Model", "Calls", "Tokens in", "Tokens out", "Cost", "Repaired", "By rule",
)  # fmt: skip
MODEL_NUMBERS = (False, False, False, True, True, True, True, True, True)
"""Which of these columns hold numbers."""
NOT_REPEATED = (
    "Times, memory, places and the command line differ between two computations of the same; they stand in run.json "
    "and in each task’s record.json, not here. In what code printed, addresses and durations are replaced."
)
"""Why the report, which a replay repeats byte for byte, does not show them."""


def tokens_in(usage: Usage) -> str:
    """Tokens of the questions, with how many of them the provider had cached."""
    return f"{usage.input_tokens:,}" + (f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else "")


def tokens_out(usage: Usage) -> str:
    """Tokens of the answers, with how many of them were reasoning."""
    return f"{usage.output_tokens:,}" + (f" ({usage.reasoning_tokens:,} reasoning)" if usage.reasoning_tokens else "")


def cost(usage: Usage) -> str:
    """The cost to a hundredth of a cent, or that the model's price is not known."""
    return "not known" if usage.cost_usd is None else f"${usage.cost_usd:.4f}"


def anchor(*parts: str) -> str:
    """An id for use within the page, made of any texts."""
    return "-".join(safe_name(p) for p in parts)


INCIDENTAL = frozenset({"workspace", "jobs", "command", "config", *BUDGET})
"""Settings that do not change what a finished run gives."""

Tone = Literal["good", "warn", "bad", "plain"]

OUTCOMES: dict[Outcome, str] = {
    Outcome.NOT_RUN: "not run",
    Outcome.BLOCKED: "blocked, an input is missing",
    Outcome.SYNTAX: "syntax error",
    Outcome.DEPENDENCY: "a package is missing",
    Outcome.RUNTIME: "ended with an error",
    Outcome.KILLED: "ended by a limit",
    Outcome.NO_OUTPUT: "no output",
    Outcome.BAD_OUTPUT: "unusable output",
    Outcome.PLACEHOLDER: "placeholder or invented data",
    Outcome.INPUT_INDEPENDENT: "outputs do not depend on the data",
    Outcome.VERIFIED: "verified",
}

_NEGATIVE = re.compile(
    r"\b(?:(?:did|does|do|could|was|were|is|are) ?(?:not|n't)(?: be)?(?: been)?|fail(?:ed|s)? to|cannot be) "
    r"(?:replicated?|confirm(?:ed)?|reproduced?|validated?)\b|\bno replication\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Stamp:
    """A short mark at the head of the report."""

    text: str
    tone: Tone


@dataclass(frozen=True)
class FindingRow:
    """A finding with the task it comes from and the data sets that task rests on."""

    task: TaskView
    finding: Finding
    datasets: tuple[str, ...]

    @property
    def negative(self) -> bool:
        """Whether the statement itself says that something did not replicate; nothing is computed."""
        return _NEGATIVE.search(one_line(self.finding.statement)) is not None


@dataclass(frozen=True)
class PartFindings:
    """The findings that belong to one protocol part, or to none."""

    title: str
    rows: tuple[FindingRow, ...]

    @property
    def by_task(self) -> tuple[tuple[TaskView, tuple[FindingRow, ...]], ...]:
        """The rows of each task together, tasks in the order of their first row."""
        grouped: dict[str, list[FindingRow]] = {}
        for row in self.rows:
            grouped.setdefault(row.task.task.id, []).append(row)
        return tuple((rows[0].task, tuple(rows)) for rows in grouped.values())


@dataclass(frozen=True)
class RequirementRow:
    """A requirement with its coverage; None when the protocol says nothing about it."""

    requirement: Requirement
    coverage: Coverage | None


@dataclass(frozen=True)
class PaperView:
    """A paper with all that the run knows of it. `used_by` names the protocol steps resting on it."""

    paper: Paper
    screened: ScreenedPaper | None
    report: PaperReport | None
    analysis: ReferabilityAnalysis | None
    used_by: tuple[str, ...]


@dataclass(frozen=True)
class DatasetView:
    """A data set with the check made before its use."""

    dataset: Dataset
    check: DatasetCheck | None


@dataclass(frozen=True)
class TaskRates:
    """Counts over the run's tasks."""

    tasks: int
    exit_ok: int
    verified: int
    ladder: tuple[tuple[Outcome, int], ...]

    @property
    def exit_rate(self) -> str:
        """Share of tasks whose last process ended with exit code 0."""
        return percent(self.exit_ok, self.tasks)

    @property
    def verified_rate(self) -> str:
        """Share of tasks that were verified."""
        return percent(self.verified, self.tasks)


def task_rates(view: RunView) -> TaskRates:
    """Both success rates and the count at each rung, from the tasks themselves."""
    ladder = tuple((rung, sum(t.outcome is rung for t in view.tasks)) for rung in Outcome)
    return TaskRates(
        tasks=len(view.tasks),
        exit_ok=sum(t.record is not None and t.record.exit_ok for t in view.tasks),
        verified=sum(t.verified for t in view.tasks),
        ladder=ladder,
    )


def automation_rows(view: RunView) -> tuple[tuple[str, str], ...]:
    """How far programming went by itself, as (what, how much); times are not among them, as they differ each time."""
    auto = automation([t.record for t in view.tasks if t.record is not None], view.run.usage)
    people = view.run.totals.human_interventions
    errors = (f"{OUTCOMES[Outcome(rung)]}: {n}" for rung, n in auto.error_classes.items())
    tokens, cost = auto.tokens_per_verified, auto.cost_per_verified_usd
    asked = any(row.step.startswith("programmer/") for row in view.run.usage)
    none = "nothing was verified" if asked and tokens is None else "no model was asked"
    return (
        ("Attempts, repairs included", number(auto.attempts)),
        ("Repairs", number(auto.repairs)),
        ("Attempts that failed, by class", "; ".join(errors) or "none"),
        ("Human interventions", number(people)),
        ("Tokens of the programmer per verified task", none if tokens is None else f"{tokens:,.0f}"),
        ("Cost per verified task", f"${cost:.4f}" if cost is not None else none if tokens is None else "not known"),
        ("CPU seconds", "`totals.cpu_s` in run.json"),
    )


def title(view: RunView) -> str:
    """The protocol's title, else the objective."""
    chosen = view.protocol.title if view.protocol and view.protocol.title.strip() else view.run.objective.text
    return one_line(chosen, 160) or answering_run(view)[0]


def headline(view: RunView) -> Stamp:
    """The one line that says how far the run came: verified of all tasks, and the sandbox used."""
    counted = task_rates(view)
    if counted.tasks == 0:
        return Stamp("No task was run", "warn")
    tone: Tone = "good" if counted.verified == counted.tasks else "warn" if counted.verified else "bad"
    return Stamp(f"{counted.verified} of {count_of(counted.tasks, 'task')} verified", tone)


def stamps(view: RunView) -> tuple[Stamp, ...]:
    """Further marks: how the run ended, the sandbox, and anything that limits trust."""
    run = view.run
    ended: dict[str, Stamp] = {
        "done": Stamp("Run complete", "good"),
        "running": Stamp("Run not finished", "warn"),
        "stopped": Stamp(f"Run stopped{_stop_reason(run.stopped_by)}", "warn"),
        "failed": Stamp(f"Run failed{_stop_reason(run.stopped_by)}", "bad"),
    }
    said = [ended[run.status]]
    bare = [t for t in view.tasks if t.unsandboxed]
    names = sorted({t.record.sandbox for t in view.tasks if t.record and t.record.sandbox not in {"", "none"}})
    if bare:
        said.append(Stamp(f"{count_of(len(bare), 'task')} ran UNSANDBOXED", "bad"))
    if names:
        said.append(Stamp(f"Sandbox: {', '.join(names)}", "plain"))
    elif not bare:
        said.append(Stamp("No sandbox was used: no code was run", "warn"))
    if irrelevant_datasets(view):
        said.append(Stamp("Data do not look relevant to the objective", "bad"))
    withdrawn = sum(p.status == "retracted" for p in used_papers(view))
    if withdrawn:
        said.append(Stamp(f"{count_of(withdrawn, 'retracted paper')} in use", "bad"))
    altered = sum(bool(t.altered) for t in view.tasks)
    if altered:
        said.append(Stamp(f"Outputs of {count_of(altered, 'task')} changed since the run", "bad"))
    return tuple(said)


def irrelevant_datasets(view: RunView) -> tuple[str, ...]:
    """Data sets with samples that tasks read although they do not look relevant to the objective."""
    doubted = {c.dataset_id for c in view.checks if not c.relevant}
    read = {i.dataset for t in view.tasks for i in t.task.inputs}
    return tuple(d.id for d in view.datasets if d.id in doubted & read and d.n_samples)


def _stop_reason(reason: str) -> str:
    return f": {one_line(reason, 80)}" if reason.strip() else ""


def requirement_rows(view: RunView) -> tuple[RequirementRow, ...]:
    """The objective's requirements in order, each with the protocol's coverage of it."""
    coverage = {c.requirement: c for c in view.protocol.coverage} if view.protocol else {}
    return tuple(RequirementRow(r, coverage.get(r.id)) for r in view.run.objective.requirements)


def task_datasets(view: RunView) -> dict[str, tuple[str, ...]]:
    """Task id -> the data sets it rests on, directly or through the tasks it reads from."""
    rank = {row.dataset.id: n for n, row in enumerate(dataset_views(view))}
    found: dict[str, tuple[str, ...]] = {}
    by_id = {t.task.id: t.task for t in view.tasks}

    def collect(task_id: str, path: frozenset[str]) -> tuple[str, ...]:
        task = by_id.get(task_id)
        if task is None or task_id in path:
            return ()
        if task_id not in found:
            own = [i.dataset for i in task.inputs if i.dataset is not None]
            above = [d for need in task.needs for d in collect(need, path | {task_id})]
            found[task_id] = tuple(sorted({*own, *above}, key=lambda d: (rank.get(d, len(rank)), d)))
        return found[task_id]

    return {task_id: collect(task_id, frozenset()) for task_id in by_id}


def findings_by_part(view: RunView) -> tuple[PartFindings, ...]:
    """Findings of verified tasks only, grouped by the protocol part of the task's first step."""
    rests_on = task_datasets(view)
    rows = [
        FindingRow(t, f, rests_on.get(t.task.id, ()))
        for t in view.tasks
        if t.verified and t.record
        for f in t.record.findings
    ]
    parts = view.protocol.parts if view.protocol else ()
    grouped = [PartFindings(p.title, tuple(r for r in rows if _part_of(r.task, parts) is p)) for p in parts]
    grouped.append(PartFindings("Outside the protocol's parts", tuple(r for r in rows if not _part_of(r.task, parts))))
    return tuple(g for g in grouped if g.rows)


def negative_findings(parts: Iterable[PartFindings]) -> tuple[FindingRow, ...]:
    """Findings whose statement says that something did not replicate or was not confirmed."""
    return tuple(row for part in parts for row in part.rows if row.negative)


def _part_of(task: TaskView, parts: Iterable[ProtocolPart]) -> ProtocolPart | None:
    first = task.task.step_ids[0] if task.task.step_ids else None
    return next((p for p in parts if any(s.id == first for s in p.steps)), None)


def paper_views(view: RunView) -> tuple[PaperView, ...]:
    """All papers: read ones first, then kept ones, then the others; best screening score first."""
    screened = {s.paper_id: s for s in view.screening}
    reports = {r.paper_id: r for r in view.reports}
    analyses = {a.paper_id: a for a in view.analyses}
    used: dict[str, list[str]] = {}
    for step in view.protocol.steps if view.protocol else ():
        for link in step.links:
            used.setdefault(link.paper_id, []).append(step.id)
    rows = [
        PaperView(
            p, screened.get(p.id), reports.get(p.id), analyses.get(p.id), tuple(dict.fromkeys(used.get(p.id, ())))
        )
        for p in view.papers
    ]
    return tuple(sorted(rows, key=_paper_order))


def used_papers(view: RunView) -> tuple[Paper, ...]:
    """Papers that were read or chosen to be; where nothing was screened, all."""
    left_out = {s.paper_id for s in view.screening if not s.kept} - {r.paper_id for r in view.reports}
    return tuple(p for p in view.papers if p.id not in left_out)


def title_with_status(paper: Paper) -> str:
    """The title, after what everybody who reads it has to know."""
    return f"{STAMPS[paper.status]}: {paper.title}" if paper.status in STAMPS else paper.title


def unused_mentions(report: PaperReport) -> tuple[str, ...]:
    """Data sets, software and tests that a paper names and no step of its report carries."""
    kinds = {"accession", "software", "test"}
    return tuple(dict.fromkeys(f"{m.name} {m.value}".strip() for m in report.mined if m.kind in kinds and not m.steps))


def _paper_order(row: PaperView) -> tuple[bool, bool, int, str]:
    kept = row.screened is not None and row.screened.kept
    return (row.report is None, not kept, -(row.screened.score if row.screened else 0), row.paper.id)


def dataset_views(view: RunView) -> tuple[DatasetView, ...]:
    """All data sets with their checks: discovery, validation, reference, others."""
    order = ("discovery", "validation", "reference", "unspecified")
    checks = {c.dataset_id: c for c in view.checks}
    rows = sorted(view.datasets, key=lambda d: (order.index(d.role), d.id))
    return tuple(DatasetView(d, checks.get(d.id)) for d in rows)


def dataset_facts(row: DatasetView) -> tuple[tuple[str, str], ...]:
    """Facts of a data set and how it fits, as names with texts; an empty text is not known."""
    d, check = row.dataset, row.check
    unstated = "not stated by the source"
    time = d.column("time")
    fits = (
        f"{check.verdict}: {'; '.join(check.reasons) or 'no reason given'} ({ORIGINS[check.origin]})" if check else ""
    )
    size = f"{number(d.n_samples)} samples, {number(d.n_features)} features" if d.n_samples else "not counted"
    return (
        ("Role", d.role),
        ("Accession", d.accession or "none"),
        ("Measured", " · ".join(filter(None, (d.organism, d.assay, d.platform)))),
        ("Size", size),
        ("Source", d.source),
        ("Page", d.remote.url if d.remote else ""),
        ("Found", "; ".join(d.remote.found_by[:3]) if d.remote else ""),
        ("Licence", d.licence or "not stated"),
        ("Citation", d.citation or "not stated"),
        ("Endpoint", (d.endpoint or unstated) if d.column("event") else ""),
        ("Time unit", (time.unit or unstated) if time else ""),
        ("Check", fits or "not checked"),
        ("Described by", d.described_by),
        *(("Note", note) for note in d.notes),
        *(("Problem", problem) for problem in d.problems),
    )


def answering_run(view: RunView) -> tuple[str, str]:
    """Id and start of the run that asked for the answers: a replay reports what that run gave."""
    replay = view.run.replay_of
    return (replay.run_id, replay.started) if replay else (view.run.run_id, view.run.started)


def result_settings(view: RunView) -> tuple[tuple[str, str], ...]:
    """The settings that can change what a run gives; anything named like a credential is left out."""
    return tuple((k, setting_text(k, v)) for k, v in view.run.settings.items() if k not in INCIDENTAL)


def tasks_of_step(view: RunView, step_id: str) -> tuple[TaskView, ...]:
    """The tasks that carry out a protocol step."""
    return tuple(t for t in view.tasks if step_id in t.task.step_ids)


def commands(view: RunView) -> tuple[tuple[str, str], ...]:
    """(what it does, command line) to repeat and check the run; run them inside the run folder."""
    rows: list[tuple[str, str]] = []
    replay = view.run.replay_of
    asked = list(replay.command) if replay else view.run.settings.get("command")
    if isinstance(asked, list) and asked:
        rows.append(("Run it again from the start", shlex.join(one_line(str(a)) for a in asked)))
    elif isinstance(asked, str) and asked.strip():
        rows.append(("Run it again from the start", one_line(asked)))
    if view.run.status == "done":
        line = "bioresearcher run --replay . --workspace ../.."
        rows.append(("Run it again from its recorded answers, without a model or a network, and compare", line))
    else:
        rows.append(("Go on where it stopped", "bioresearcher resume ."))
    rows.append(("Write this report again from the stored values", "bioresearcher report ."))
    if view.protocol is not None:
        rows.append(("Review the protocol again", "bioresearcher review protocol.json"))
    if any(t.outputs for t in view.tasks):
        rows.append(("Compare the outputs with the checksums given above", "sha256sum tasks/*/outputs/*"))
    return tuple(rows)


KINDS = {"jats": "full text (JATS)", "pdf": "full text (PDF)", "note": "method note", "record": "record only"}


def output_caption(task: TaskView, output: OutputFile) -> str:
    """What an output shows, as its task declared it; else the task's title."""
    declared = next((o.description for o in task.task.outputs if o.name == output.artifact.name), "")
    return one_line(declared or task.task.title, 300)


EVIDENCE_FILE = "evidence.json"


def graph_of(view: RunView) -> EvidenceGraph:
    """The graph of what a run folder holds."""
    return evidence_graph(view.papers, view.reports, view.protocol, [t.task for t in view.tasks])


def paper_use(paper: Paper, report: PaperReport, view: RunView) -> PaperUse:
    """The use of one paper: parts taken from it, steps and tasks that stand on it."""
    return evidence_graph([paper], [report], view.protocol, [t.task for t in view.tasks]).papers[0]


def use_rows(use: PaperUse) -> tuple[tuple[str, str], ...]:
    """The use of a paper in a run, as names with their values."""
    return (
        ("read", f"{len(use.report_steps)} steps with {use.quotes} quotes{_named(use.report_steps)}"),
        ("taken over", f"{len(use.taken)} of them{_named(use.taken)}"),
        ("protocol steps that stand on it", f"{len(use.protocol_steps)}{_named(use.protocol_steps)}"),
        ("tasks that carry those out", f"{len(use.tasks)}{_named(use.tasks)}"),
    )


def _named(ids: tuple[str, ...]) -> str:
    return f": {', '.join(ids)}" if ids else ""


def uses_in_runs(runs: Path, name: str) -> Iterator[tuple[str, Paper, PaperUse]]:
    """(run, paper, what was taken from it) for each run of a workspace that knows the paper; newest run first.

    A run folder that cannot be read is left out.
    """
    for folder in sorted((p for p in runs.iterdir() if p.is_dir()), reverse=True) if runs.is_dir() else ():
        try:
            view = load_view(RunFolder(folder))
        except (BioresearcherError, OSError):
            continue
        yield from ((folder.name, paper, use) for paper, use in _uses(view, name))


def _uses(view: RunView, name: str) -> Iterable[tuple[Paper, PaperUse]]:
    found = named_papers(view.papers, name)
    if not found:
        return
    uses = {u.paper_id: u for u in graph_of(view).papers}
    for paper in found:
        yield paper, uses[paper.id]
