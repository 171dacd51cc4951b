"""Summaries of a run's values for all forms of the report: labels, counts, groups, and the evidence graph.

Values are counted, grouped and put into words; no science is computed here.
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

# -- labels -------------------------------------------------------------------------------------------

ORIGINS: dict[Origin, str] = {
    "offline": "computed by rule, no model",
    "model": "written by a language model",
    "mixed": "written partly by a language model, partly by rule",
    "human": "given by a person",
    "source": "as the source states it",
    "scripted": "scripted replies of a test",
}

KINDS = {"jats": "full text (JATS)", "pdf": "full text (PDF)", "note": "method note", "record": "record only"}
"""Kind of a paper's text -> label."""

MODEL_COLUMNS = ("Step", "Role", "Model", "Calls", "Tokens in", "Tokens out", "Cost", "Repaired", "By rule")
"""Columns of the table on the use of models."""
MODEL_NUMBERS = (False, False, False, True, True, True, True, True, True)
"""True for the columns of `MODEL_COLUMNS` that hold numbers."""
NOT_REPEATED = (
    "Times, memory, places and the command line differ between two computations of the same; they stand in run.json "
    "and in each task’s record.json, not here. In what code printed, addresses and durations are replaced."
)
"""Note on values that the report leaves out because a replay, which repeats it byte for byte, could not repeat them."""


def tokens_in(usage: Usage) -> str:
    """Format the input tokens, with the number of them that the provider had cached."""
    return f"{usage.input_tokens:,}" + (f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else "")


def tokens_out(usage: Usage) -> str:
    """Format the output tokens, with the number of them that were reasoning."""
    return f"{usage.output_tokens:,}" + (f" ({usage.reasoning_tokens:,} reasoning)" if usage.reasoning_tokens else "")


def cost(usage: Usage) -> str:
    """Format the cost in US dollars to a hundredth of a cent, or `not known` without a price for the model."""
    return "not known" if usage.cost_usd is None else f"${usage.cost_usd:.4f}"


def anchor(*parts: str) -> str:
    """Make an id for links within the HTML page."""
    return "-".join(safe_name(p) for p in parts)


INCIDENTAL_SETTINGS = frozenset({"workspace", "jobs", "command", "config", *BUDGET})
"""Settings that do not change the results of a finished run."""

Tone = Literal["good", "warn", "bad", "plain"]
"""Colour of a mark in the HTML report."""

OUTCOMES: dict[Outcome, str] = {
    Outcome.NOT_RUN: "not run",
    Outcome.BLOCKED: "blocked: the data do not allow it, or an input is missing",
    Outcome.SYNTAX: "syntax error",
    Outcome.DEPENDENCY: "a package is missing",
    Outcome.RUNTIME: "ended with an error",
    Outcome.KILLED: "ended by a limit",
    Outcome.NO_OUTPUT: "no output",
    Outcome.BAD_OUTPUT: "unusable output",
    Outcome.PLACEHOLDER: "placeholder or invented data",
    Outcome.INPUT_INDEPENDENT: "outputs do not depend on the data",
    Outcome.OFF_QUESTION: "answers another question",
    Outcome.VERIFIED: "verified",
}

_NEGATIVE = re.compile(
    r"\b(?:(?:did|does|do|could|was|were|is|are) ?(?:not|n't)(?: be)?(?: been)?|fail(?:ed|s)? to|cannot be) "
    r"(?:replicated?|confirm(?:ed)?|reproduced?|validated?)\b|\bno replication\b",
    re.IGNORECASE,
)


# -- rows of the report -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stamp:
    """A short mark at the head of the report."""

    text: str
    tone: Tone


@dataclass(frozen=True)
class FindingRow:
    """A finding with its task and the data sets from which the task computed it."""

    task: TaskView
    finding: Finding
    datasets: tuple[str, ...]
    number: int = 1

    @property
    def id(self) -> str:
        """The finding's id: task, and number in its findings.json from 1."""
        return f"{self.task.task.id}.{self.number}"

    @property
    def negative(self) -> bool:
        """True if the words of the statement report a failed replication or confirmation; nothing is computed."""
        return _NEGATIVE.search(one_line(self.finding.statement)) is not None


@dataclass(frozen=True)
class PartFindings:
    """The findings of one protocol part, or of tasks outside the parts."""

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
    """A requirement with its coverage; None when the protocol does not mention it."""

    requirement: Requirement
    coverage: Coverage | None


@dataclass(frozen=True)
class PaperView:
    """A paper with its screening, paper report and analysis; `used_by` are the protocol steps that rest on it."""

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
    """Counts over the run's tasks; `ladder` has the number of tasks by outcome, from the lowest."""

    tasks: int
    exit_ok: int
    verified: int
    ladder: tuple[tuple[Outcome, int], ...]

    @property
    def exit_rate(self) -> str:
        """Percentage of tasks whose last process ended with exit code 0."""
        return percent(self.exit_ok, self.tasks)

    @property
    def verified_rate(self) -> str:
        """Percentage of tasks that were verified."""
        return percent(self.verified, self.tasks)


def task_rates(view: RunView) -> TaskRates:
    """Count the tasks by success and by outcome, from the tasks themselves."""
    ladder = tuple((rung, sum(t.outcome is rung for t in view.tasks)) for rung in Outcome)
    return TaskRates(
        tasks=len(view.tasks),
        exit_ok=sum(t.record is not None and t.record.exit_ok for t in view.tasks),
        verified=sum(t.verified for t in view.tasks),
        ladder=ladder,
    )


def automation_rows(view: RunView) -> tuple[tuple[str, str], ...]:
    """Measures of automatic programming as (name, value); without times, as these differ in each computation."""
    auto = automation([t.record for t in view.tasks if t.record is not None], view.run.usage)
    people = view.run.totals.human_interventions
    errors = (f"{OUTCOMES[Outcome(rung)]}: {n}" for rung, n in auto.error_classes.items())
    tokens, usd = auto.tokens_per_verified, auto.cost_per_verified_usd
    asked = any(row.step.startswith("programmer/") for row in view.run.usage)
    none = "nothing was verified" if asked and tokens is None else "no model was asked"
    return (
        ("Attempts, repairs included", number(auto.attempts)),
        ("Repairs", number(auto.repairs)),
        ("Attempts that failed, by class", "; ".join(errors) or "none"),
        ("Human interventions", number(people)),
        ("Tokens of the programmer per verified task", none if tokens is None else f"{tokens:,.0f}"),
        ("Cost per verified task", f"${usd:.4f}" if usd is not None else none if tokens is None else "not known"),
        ("CPU seconds", "`totals.cpu_s` in run.json"),
    )


def title(view: RunView) -> str:
    """Return the protocol's title, else the objective."""
    chosen = view.protocol.title if view.protocol and view.protocol.title.strip() else view.run.objective.text
    return one_line(chosen, 160) or answering_run(view)[0]


def headline(view: RunView) -> Stamp:
    """Make the first mark of the report: the questions that were answered; without any, the verified tasks."""
    told = view.run.answers
    if told.questions:
        whole = told.count("answered") == len(told.questions)
        return Stamp(told.headline, "good" if whole else "bad" if told.nothing else "warn")
    return verified_mark(view)


def verified_mark(view: RunView) -> Stamp:
    """Make the mark with the number of verified tasks of all."""
    counted = task_rates(view)
    if counted.tasks == 0:
        return Stamp("No task was run", "warn")
    tone: Tone = "good" if counted.verified == counted.tasks else "warn" if counted.verified else "bad"
    return Stamp(f"{counted.verified} of {count_of(counted.tasks, 'task')} verified", tone)


def stamps(view: RunView) -> tuple[Stamp, ...]:
    """Make the further marks: the end of the run, the sandbox, and anything that limits trust."""
    run = view.run
    ended: dict[str, Stamp] = {
        "done": Stamp("Run complete", "good"),
        "running": Stamp("Run not finished", "warn"),
        "stopped": Stamp(f"Run stopped{_stop_reason(run.stopped_by)}", "warn"),
        "failed": Stamp(f"Run failed{_stop_reason(run.stopped_by)}", "bad"),
    }
    marks = [*([verified_mark(view)] if run.answers.questions else []), ended[run.status]]
    unsandboxed = [t for t in view.tasks if t.unsandboxed]
    names = sorted({t.record.sandbox for t in view.tasks if t.record and t.record.sandbox not in {"", "none"}})
    if unsandboxed:
        marks.append(Stamp(f"{count_of(len(unsandboxed), 'task')} ran UNSANDBOXED", "bad"))
    if names:
        marks.append(Stamp(f"Sandbox: {', '.join(names)}", "plain"))
    elif not unsandboxed:
        marks.append(Stamp("No sandbox was used: no code was run", "warn"))
    if irrelevant_datasets(view):
        marks.append(Stamp("Data do not look relevant to the objective", "bad"))
    withdrawn = sum(p.status == "retracted" for p in used_papers(view))
    if withdrawn:
        marks.append(Stamp(f"{count_of(withdrawn, 'retracted paper')} in use", "bad"))
    altered = sum(bool(t.altered) for t in view.tasks)
    if altered:
        marks.append(Stamp(f"Outputs of {count_of(altered, 'task')} changed since the run", "bad"))
    return tuple(marks)


def irrelevant_datasets(view: RunView) -> tuple[str, ...]:
    """List data sets with samples that tasks read although their check found them not relevant to the objective."""
    doubted = {c.dataset_id for c in view.checks if not c.relevant}
    read = {i.dataset for t in view.tasks for i in t.task.inputs}
    return tuple(d.id for d in view.datasets if d.id in doubted & read and d.n_samples)


def _stop_reason(reason: str) -> str:
    return f": {one_line(reason, 80)}" if reason.strip() else ""


def requirement_rows(view: RunView) -> tuple[RequirementRow, ...]:
    """List the objective's requirements in order, each with its coverage in the protocol."""
    coverage = {c.requirement: c for c in view.protocol.coverage} if view.protocol else {}
    return tuple(RequirementRow(r, coverage.get(r.id)) for r in view.run.objective.requirements)


def task_datasets(view: RunView) -> dict[str, tuple[str, ...]]:
    """Map each task id to the data sets it rests on, directly or through the tasks it reads from."""
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
    """Group the findings of verified tasks by the protocol part of the task's first step."""
    rests_on = task_datasets(view)
    rows = [
        FindingRow(t, f, rests_on.get(t.task.id, ()), n)
        for t in view.tasks
        if t.verified and t.record
        for n, f in enumerate(t.record.findings, 1)
    ]
    parts = view.protocol.parts if view.protocol else ()
    grouped = [PartFindings(p.title, tuple(r for r in rows if _part_of(r.task, parts) is p)) for p in parts]
    grouped.append(PartFindings("Outside the protocol's parts", tuple(r for r in rows if not _part_of(r.task, parts))))
    return tuple(g for g in grouped if g.rows)


def negative_findings(parts: Iterable[PartFindings]) -> tuple[FindingRow, ...]:
    """Select the findings whose statement reports a failed replication or confirmation."""
    return tuple(row for part in parts for row in part.rows if row.negative)


def _part_of(task: TaskView, parts: Iterable[ProtocolPart]) -> ProtocolPart | None:
    first = task.task.step_ids[0] if task.task.step_ids else None
    return next((p for p in parts if any(s.id == first for s in p.steps)), None)


def paper_views(view: RunView) -> tuple[PaperView, ...]:
    """List all papers: read ones first, then kept ones, then the others; best screening score first."""
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
    """List the papers that were read or selected for reading; all where nothing was screened."""
    left_out = {s.paper_id for s in view.screening if not s.kept} - {r.paper_id for r in view.reports}
    return tuple(p for p in view.papers if p.id not in left_out)


def title_with_status(paper: Paper) -> str:
    """Return the title, preceded by the paper's status such as `RETRACTED` where there is one."""
    return f"{STAMPS[paper.status]}: {paper.title}" if paper.status in STAMPS else paper.title


def unused_mentions(report: PaperReport) -> tuple[str, ...]:
    """List data sets, software and tests that a paper names and no step of its paper report has."""
    kinds = {"accession", "software", "test"}
    return tuple(dict.fromkeys(f"{m.name} {m.value}".strip() for m in report.mined if m.kind in kinds and not m.steps))


def _paper_order(row: PaperView) -> tuple[bool, bool, int, str]:
    kept = row.screened is not None and row.screened.kept
    return (row.report is None, not kept, -(row.screened.score if row.screened else 0), row.paper.id)


def dataset_views(view: RunView) -> tuple[DatasetView, ...]:
    """List all data sets with their checks: discovery, validation, reference, others."""
    order = ("discovery", "validation", "reference", "unspecified")
    checks = {c.dataset_id: c for c in view.checks}
    rows = sorted(view.datasets, key=lambda d: (order.index(d.role), d.id))
    return tuple(DatasetView(d, checks.get(d.id)) for d in rows)


def dataset_facts(row: DatasetView) -> tuple[tuple[str, str], ...]:
    """List the facts of a data set and its check as (name, text); an empty text is not known."""
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
    """Return id and start of the run that recorded the answers; of a replay this is the original run."""
    replay = view.run.replay_of
    return (replay.run_id, replay.started) if replay else (view.run.run_id, view.run.started)


def result_settings(view: RunView) -> tuple[tuple[str, str], ...]:
    """List the settings that can change the results of a run, as (name, text); credentials are masked."""
    return tuple((k, setting_text(k, v)) for k, v in view.run.settings.items() if k not in INCIDENTAL_SETTINGS)


def tasks_of_step(view: RunView, step_id: str) -> tuple[TaskView, ...]:
    """List the tasks that carry out a protocol step."""
    return tuple(t for t in view.tasks if step_id in t.task.step_ids)


def commands(view: RunView) -> tuple[tuple[str, str], ...]:
    """List commands that repeat and check the run, as (purpose, command line); they are run inside the run folder."""
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


def output_caption(task: TaskView, output: OutputFile) -> str:
    """Return the caption of an output: its declared description, else the task's title."""
    declared = next((o.description for o in task.task.outputs if o.name == output.artifact.name), "")
    return one_line(declared or task.task.title, 300)


# -- evidence graph -----------------------------------------------------------------------------------

EVIDENCE_FILE = "evidence.json"


def run_evidence_graph(view: RunView) -> EvidenceGraph:
    """Build the evidence graph of a run."""
    return evidence_graph(view.papers, view.reports, view.protocol, [t.task for t in view.tasks])


def paper_use(paper: Paper, report: PaperReport, view: RunView) -> PaperUse:
    """Collect the use of one paper: parts taken from it, and the steps and tasks that rest on it."""
    return evidence_graph([paper], [report], view.protocol, [t.task for t in view.tasks]).papers[0]


def use_rows(use: PaperUse) -> tuple[tuple[str, str], ...]:
    """List the use of a paper in a run, as (name, text)."""
    return (
        ("read", f"{len(use.report_steps)} steps with {use.quotes} quotes{_named(use.report_steps)}"),
        ("taken over", f"{len(use.taken)} of them{_named(use.taken)}"),
        ("protocol steps that stand on it", f"{len(use.protocol_steps)}{_named(use.protocol_steps)}"),
        ("tasks that carry those out", f"{len(use.tasks)}{_named(use.tasks)}"),
    )


def _named(ids: tuple[str, ...]) -> str:
    return f": {', '.join(ids)}" if ids else ""


def uses_in_runs(runs: Path, name: str) -> Iterator[tuple[str, Paper, PaperUse]]:
    """Yield (run id, paper, its use) for each run of a workspace that knows the paper, newest run first.

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
    uses = {u.paper_id: u for u in run_evidence_graph(view).papers}
    for paper in found:
        yield paper, uses[paper.id]
