"""Totals of a run, counted from its folder, and interventions of a person beside its approvals (a raised budget)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bioresearcher.execution.task_records import automation
from bioresearcher.graph.context import QUESTIONS, RunContext
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.answer import Answers
from bioresearcher.schemas.base import Usage, UsageRow
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import DryLabTask, TaskRecord
from bioresearcher.schemas.paper_report import PaperReport
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.run import Decision, RunRecord, Spent, Totals
from bioresearcher.settings import BUDGET, Settings
from bioresearcher.stages.answer import PaperCorpus
from bioresearcher.stages.answers import answer_questions
from bioresearcher.stages.computation import NOT_REVIEWED
from bioresearcher.stages.write_answers import AnswerMaterial, still_holding

FILE = "interventions.json"
ANSWER = "answer.json"
BUDGET_CHANGED = "budget"
"""Name of a budget change among a run's decisions."""


def change_budget(folder: RunFolder, settings: Settings, said: str) -> None:
    """Put another budget into a run's manifest, and record that a person changed it.

    Raises:
        RunFolderError: It is no run folder.
        WorkspaceError: It cannot be written.
    """
    record, values = folder.read(RunRecord, "run.json"), settings.record()
    limits = {name: values[name] for name in BUDGET}
    folder.write(record.model_copy(update={"settings": record.settings | limits}), "run.json")
    note_intervention(folder, Decision(gate=BUDGET_CHANGED, approved=True, by="human", comment=said))


def note_intervention(folder: RunFolder, decision: Decision) -> None:
    """Record what a person did beside the approvals."""
    folder.write_list([*interventions(folder), decision], FILE)


def interventions(folder: RunFolder) -> tuple[Decision, ...]:
    """Read the interventions of a run, in the order in which they happened."""
    return folder.read_list(Decision, FILE)


def task_records(context: RunContext) -> list[TaskRecord]:
    """Read the records of all tasks worked on, in task order."""
    tasks = context.folder.read_list(DryLabTask, "tasks.json")
    return [
        context.folder.read(TaskRecord, "tasks", t.id, "record.json")
        for t in tasks
        if context.folder.has("tasks", t.id, "record.json")
    ]


def answers(context: RunContext) -> Answers:
    """Hold what was carried out against what was asked; written as `answer.json` once questions were asked."""
    folder = context.folder
    if not folder.has(QUESTIONS):
        return Answers()
    protocol = folder.read(Protocol, "protocol.json") if folder.has("protocol.json") else None
    found = answer_questions(
        context.questions(),
        context.analysis_sets(),
        context.objective.requirements,
        protocol,
        folder.read_list(DryLabTask, "tasks.json"),
        task_records(context),
    )
    found = with_words(context, found)
    folder.write(found, ANSWER)
    return found


def with_words(context: RunContext, states: Answers) -> Answers:
    """Add to the states what was answered in words before, as far as it still holds for the findings."""
    folder = context.folder
    if not folder.has(ANSWER):
        return states
    before = folder.read(Answers, ANSWER)
    told = {q.id: q for q in before.questions}
    rows = [
        q.model_copy(update={"sentences": o.sentences, "named": o.named, "papers": o.papers, "left_out": o.left_out})
        if (o := told.get(q.id)) and q.state != "not answered"
        else q
        for q in states.questions
    ]
    more = {"questions": tuple(rows), "page": before.page, "notes": before.notes}
    return still_holding(states.model_copy(update=more), answer_material(context))


def answer_material(context: RunContext, corpus: PaperCorpus | None = None) -> AnswerMaterial:
    """Read from which findings and papers the answers are written."""
    return AnswerMaterial(
        objective=context.objective,
        questions=context.questions(),
        sets=context.analysis_sets(),
        tasks=context.folder.read_list(DryLabTask, "tasks.json"),
        records=task_records(context),
        datasets=context.folder.read_all(Dataset, "datasets"),
        corpus=corpus,
        similarity=context.library.similarities,
        tasks_dir=context.folder.path("tasks"),
    )


def totals(context: RunContext, values: dict[str, Any], wall_s: float) -> Totals:
    """Count a run's totals; `cpu_s` is the CPU time of the tasks' attempts."""
    folder = context.folder
    reports = folder.read_all(PaperReport, "reports")
    protocol = folder.read(Protocol, "protocol.json") if folder.has("protocol.json") else None
    steps = protocol.steps if protocol else ()
    records = task_records(context)
    used = {i for s in steps for i in s.datasets}
    usage = context.caller.ledger.usage()
    told = answers(context)
    auto = automation(records, context.caller.ledger.rows())
    return Totals(
        papers_found=len(values.get("found", [])),
        papers_read=len(reports),
        datasets_used=len(used & {d.id for d in folder.read_all(Dataset, "datasets")}),
        quotes=sum(r.quotes for r in reports),
        quotes_located=sum(r.quotes_located for r in reports),
        steps=len(steps),
        steps_linked=sum(s.grounded for s in steps),
        tasks=len(values.get("tasks", [])),
        exit_ok=sum(r.exit_ok for r in records),
        verified=sum(r.verified for r in records),
        questions=len(told.questions),
        answered=told.count("answered"),
        partly_answered=told.count("partly answered"),
        outcomes=dict(sorted(Counter(str(r.outcome) for r in records).items())),
        task_outcomes=auto.task_outcomes,
        attempts=auto.attempts,
        error_classes=auto.error_classes,
        repairs=auto.repairs,
        human_interventions=sum(
            d.by == "human" and d.changed for d in (*values.get("decisions", []), *interventions(folder))
        ),
        calls=usage.calls,
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cost_usd=usage.cost_usd,
        tokens_per_verified=auto.tokens_per_verified,
        cost_per_verified_usd=auto.cost_per_verified_usd,
        wall_s=round(wall_s, 1),
        cpu_s=round(sum(a.use.cpu_s for r in records for a in r.attempts), 1),
    )


_WORK: Mapping[str, tuple[str, str]] = {
    "search/": ("search", "run"),
    "literature/": ("reading", "paper"),
    "designer/": ("design", "protocol"),
    "reviewer/": ("review", "protocol"),
    "designer/answer_questions": ("answers", "run"),
    "literature/compare_papers": ("answers", "run"),
    "reviewer/judge_page": ("answers", "run"),
    "programmer/extract_tasks": ("tasks", "task"),
    "programmer/write_code": ("code", "task"),
    "programmer/repair_code": ("repairs", "task"),
    "programmer/": ("code", "task"),
}
"""Beginning of a prompt's name, the longest first that fits -> what its calls are spent for, and the unit."""


def spent_for(rows: Sequence[UsageRow], *, papers: int, protocols: int, tasks: int) -> tuple[Spent, ...]:
    """Sum the use of models by what it was spent for, in the order of the pipeline; steps of no known kind are `other`.

    Screening counts as search: `papers` are those that were read.
    """
    units = {"run": 1, "paper": papers, "protocol": protocols, "task": tasks}
    sums: dict[tuple[str, str], Usage] = {}
    for row in rows:
        known = max((p for p in _WORK if row.step.startswith(p)), key=len, default="")
        work = _WORK.get(known, ("other", "run"))
        sums[work] = sums.get(work, Usage()) + row.usage
    order = [*dict.fromkeys(_WORK.values()), ("other", "run")]
    return tuple(
        Spent(
            work=work,
            unit=unit,
            units=units[unit],
            usage=sums[work, unit],
            not_cached=sums[work, unit].input_tokens - sums[work, unit].cached_tokens,
            input_per_unit=round(sums[work, unit].input_tokens / units[unit], 1) if units[unit] else None,
        )
        for work, unit in order
        if (work, unit) in sums
    )


def _of_models(rows: tuple[UsageRow, ...]) -> list[str]:
    """Return the caveats of a run in which models answered."""
    models = sorted({row.model for row in rows})
    if not models:
        return []
    said = [
        f"Reports, design, code and review were written by a language model ({', '.join(models)}): quotes, identifiers "
        "and results were checked, its reasoning was not."
    ]
    by_rule = {row.step: row.by_rule for row in rows if row.by_rule}
    if by_rule:
        steps = ", ".join(f"{step} ({number})" for step, number in sorted(by_rule.items()))
        said.append(f"Answers given by rule, because the model's could not be used: {steps}.")
    return said


def known_limits(context: RunContext) -> list[str]:
    """Return the caveats that only the run itself knows; the run report adds those its values show."""
    said = [NOT_REVIEWED] if context.short else []
    if context.caller.by_rule:
        said.append(
            "No language model was used: reading, design and review follow deterministic rules, and the wording of "
            "steps comes from the skills and from the papers read."
        )
    else:
        said += _of_models(context.caller.ledger.rows())
    if not context.short and not any(source.hosts for source in context.literature):
        files = ", PubMed files" if context.own.pubmed_files else ""
        said.append(
            f"Only the researcher's own papers{files} and data sets were searched; no literature service was asked."
        )
    if not context.literature and not context.added.papers and not context.short:
        said.append("No papers were given, so no step rests on literature.")
    data = [one for one in context.added.inputs if one.kind == "data"]
    if not (context.own.datasets or data or context.own.failures):
        said.append("No data were given, so nothing was computed.")
    if context.sandbox is None:
        said.append(context.sandbox_note)
    return said
