"""Answered, partly answered or not answered: the state of every question and requirement after a run.

Only what was carried out counts: a step without a task answers nothing, nor does a task that is not verified.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from bioresearcher.execution.question_check import Asked, answering
from bioresearcher.schemas.answer import (
    MOST_BESIDE,
    AnswerLine,
    Answers,
    AnswerState,
    QuestionAnswer,
    RequirementAnswer,
    SentenceRole,
)
from bioresearcher.schemas.ask_answer import CitedFinding
from bioresearcher.schemas.base import Requirement
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import DryLabTask, Finding, Outcome, TaskRecord
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.question import AnalysisSet, AnalysisSets, Question, Questions, Unbound

_DATA = re.compile(r"^(?:DATA:\s*)+")
_COMPARING = frozenset({"difference", "association", "time to event", "prediction", "enrichment", "synthesis"})
"""Kinds of results that may answer an objective; descriptions and overviews prepare one."""
_NO_STEP = "no step of the protocol carries it out"


def asked_of(task: DryLabTask, questions: Questions, sets: AnalysisSets) -> tuple[Asked, ...]:
    """Return the questions that a task is to answer, with their analysis sets."""
    found = []
    for question_id in task.questions:
        question, rows = questions.question(question_id), sets.of(question_id)
        if question is not None and rows is not None and not question.cannot and not rows.problem:
            found.append(Asked(question, rows))
    return tuple(found)


def brief(asked: Asked) -> str:
    """Return a question for a programmer: what a result must state, without the counts that it is held against."""
    question, rows = asked.question, asked.rows
    said = [f"{question.id}: {question.text.rstrip('.')}", f"kind `{question.kind}`", f"population `{rows.population}`"]
    if question.measure.names:
        said.append(f"measure {', '.join(question.measure.names)}")
    if rows.contrast_column:
        levels = f"case `{rows.case}`, control `{rows.control}`" if rows.case else f"levels {', '.join(rows.levels)}"
        said.append(f"contrast column `{rows.contrast_column}`, {levels}")
    if question.endpoint is not None:
        said.append(f"time_column `{question.endpoint.time_column}`, event_column `{question.endpoint.event_column}`")
    if rows.terms:
        said.append(f"terms {', '.join(rows.terms)}" + (f" (pairs by {question.pair})" if question.pair else ""))
    return "; ".join(said)


def answer_questions(
    questions: Questions,
    sets: AnalysisSets,
    requirements: Sequence[Requirement],
    protocol: Protocol | None,
    tasks: Sequence[DryLabTask],
    records: Sequence[TaskRecord],
) -> Answers:
    """Return the state of every question and requirement of a run."""
    done = {r.task_id: r for r in records}
    doubts = {
        q.id: said
        for q in questions.questions
        if (rows := sets.of(q.id)) and (said := not_the_score(q, rows, tasks, done))
    }
    states = tuple(
        _question(q, questions, sets.of(q.id), tasks, done, doubts.get(q.id, "")) for q in questions.questions
    )
    return Answers(
        questions=states,
        beside=_beside(states, protocol, tasks, done),
        requirements=tuple(_requirement(r, questions, protocol, tasks, done, doubts) for r in requirements),
        not_understood=tuple(_unbound(u) for u in questions.not_understood if not u.absent),
    )


def _beside(
    states: Sequence[QuestionAnswer],
    protocol: Protocol | None,
    tasks: Sequence[DryLabTask],
    done: Mapping[str, TaskRecord],
) -> tuple[AnswerLine, ...]:
    """Return results that an author's registered script states and no question asks for, where one is not answered.

    Questions are bound before the author looks: what it then plans, such as pairs that only titles tell, may answer
    the objective all the same. Rules plan nothing beyond the questions, so theirs are not told.
    """
    if protocol is None or protocol.origin == "offline" or all(q.state == "answered" for q in states):
        return ()
    told = {t for q in states for t in q.tasks}
    found = [
        AnswerLine(text=f.statement, findings=(f"{t.id}.{n}",), origin="model")
        for t in tasks
        if t.id not in told and (record := done.get(t.id)) is not None and record.verified
        for n, f in enumerate(record.findings, 1)
        if f.result is not None and f.result.kind in _COMPARING
    ]
    return tuple(found[:MOST_BESIDE])


MOST_LATER: Final = 6
"""Findings of a later task of a script, at most, that an answer may cite beside those that answer its question."""


def citable(
    question: Question,
    rows: AnalysisSet,
    tasks: Sequence[DryLabTask],
    records: Sequence[TaskRecord],
    given: str = "",
    origins: Mapping[str, str] = MappingProxyType({}),
) -> tuple[CitedFinding, ...]:
    """Return the findings that an answer may cite, those that answer the question first.

    They are of verified tasks that answer it, of later tasks of the same script that serve no other question (its
    controls, its verdict), and estimates of the same relation on the data as `given`, where the question was answered
    on a prepared copy of them. `origins` names for each data set the one that its samples come from: only findings on
    the samples of another are replication.
    """
    done = {r.task_id: r for r in records if r.verified}
    asked = Asked(question, rows)
    as_given = Asked(question, rows.model_copy(update={"population": given}))
    own: list[CitedFinding] = []
    beside: list[CitedFinding] = []
    for task in tasks:
        record = done.get(task.id)
        if record is None:
            continue
        cited = [
            CitedFinding(id=f"{task.id}.{n}", statement=f.statement, values=f.values, result=f.result)
            for n, f in enumerate(record.findings, 1)
        ]
        order = {id(f): n for n, f in enumerate(record.findings)}
        if question.id in task.questions:
            told = [order[id(f)] for f in answering(record.findings, asked)]
            rest = [n for n in range(len(cited)) if n not in told] if told else []
            own += [cited[n] for n in told]
            beside += [cited[n].model_copy(update={"role": _role(cited[n], rows, origins)}) for n in rest]
        elif own and task.skill is None and not task.questions:  # later steps of the script: controls, the verdict
            beside += [c.model_copy(update={"role": "robustness"}) for c in cited][:MOST_LATER]
        elif given and not task.questions:
            same = [f for f in answering(record.findings, as_given) if f.result and f.result.population == given]
            beside += [
                cited[order[id(f)]].model_copy(update={"role": "robustness"})
                for f in same
                if f.result and f.result.estimate
            ]
    return (*own, *beside)


def origins_of(datasets: Sequence[Dataset]) -> dict[str, str]:
    """Return for each data set the one that its samples come from: what a set or a prepared copy was made of."""
    above = {d.id: d.analysis_of or d.prepared_from or d.id for d in datasets}
    found = {}
    for name in above:
        at, seen = name, {name}
        while (up := above.get(at, at)) not in seen:
            at = up
            seen.add(at)
        found[name] = at
    return found


def is_elsewhere(finding: CitedFinding, rows: AnalysisSet, origins: Mapping[str, str]) -> bool | None:
    """Tell whether a finding is of other data than a question's; None where it does not say on which data it rests."""
    place = finding.result.population if finding.result is not None else ""
    if not place:
        return None
    here = {rows.population, rows.source}
    return place not in here and origins.get(place, place) not in {origins.get(h, h) for h in here}


def _role(finding: CitedFinding, rows: AnalysisSet, origins: Mapping[str, str]) -> SentenceRole:
    """Replication is on other data; other rows of the same data, such as those of another question, are none."""
    elsewhere = is_elsewhere(finding, rows, origins)
    if elsewhere or (elsewhere is None and isinstance(finding.values.get("replicated"), bool)):
        return "replication"
    own = finding.result is None or finding.result.population in ("", rows.population, rows.source)
    return "result" if own else "robustness"


def _unbound(words: Unbound) -> str:
    where = f"{words.where}: " if words.where else ""
    more = f" {words.suggestion}" if words.suggestion else ""
    return f"{where}“{words.words}”: {words.why.rstrip('.')}.{more}"


def _lost(words: Sequence[Unbound]) -> str:
    said = []
    for title, absent in (("not in the data", True), ("not understood", False)):
        named = dict.fromkeys(f"“{u.words}” ({u.why.rstrip('.')})" for u in words if u.absent is absent)
        said += [f"{title}: {'; '.join(named)}"] if named else []
    return "; ".join(said)


def _question(
    question: Question,
    questions: Questions,
    rows: AnalysisSet | None,
    tasks: Sequence[DryLabTask],
    done: Mapping[str, TaskRecord],
    doubt: str,
) -> QuestionAnswer:
    mine = [t for t in tasks if question.id in t.questions]
    cannot = question.cannot or (rows.problem if rows else "its rows were not chosen")
    findings: list[Finding] = []
    answered_by = []
    if not cannot and rows is not None:
        for task in mine:
            record = done.get(task.id)
            told = answering(record.findings, Asked(question, rows)) if record and record.verified else ()
            findings += told
            findings += [f for f in record.findings if f not in told] if told and record else []
            answered_by += [task.id] if told else []
    state: AnswerState = "answered" if answered_by else "not answered"
    why = "" if answered_by else cannot or _why_not(mine, {t.id: t for t in tasks}, done)
    lost = questions.unbound_of(question) if answered_by else ()
    lacking = [_lost(lost)] if lost else []
    lacking += [doubt] if answered_by and doubt else []
    lacking += [less] if answered_by and rows is not None and (less := _left_out(findings, rows)) else []
    if lacking:
        state = "partly answered"
        why = "; ".join(lacking)
    return QuestionAnswer(
        id=question.id,
        text=question.text,
        words=question.words,
        state=state,
        why=why,
        mend=question.mend if not answered_by else "",
        tasks=tuple(answered_by),
        findings=tuple(f.statement for f in findings),
        flow=flow_text(rows) if rows and not rows.problem else "",
    )


def _left_out(findings: Sequence[Finding], rows: AnalysisSet) -> str:
    """Return which rows the protocol's own exclusions left out of all results, and why; empty when one rests on all."""
    told = [f.result for f in findings if f.result is not None and f.result.n]
    if not told or not all(r.left_out for r in told):
        return ""
    why: dict[str, list[str]] = {}
    for name, said in told[0].left_out.items():
        why.setdefault(said, []).append(name)
    listed = "; ".join(f"{', '.join(names)} (“{said}”)" for said, names in why.items())
    return f"on {told[0].n} of {rows.n} rows; the registered protocol leaves out {listed}"


def not_the_score(
    question: Question, rows: AnalysisSet, tasks: Sequence[DryLabTask], done: Mapping[str, TaskRecord]
) -> str:
    """Return why the score of a question's signature is not to be interpreted; empty when its genes agree.

    A list of genes has neither weights nor directions. Where its genes go against each other, their mean measures
    nothing, so a result on it does not answer a question about the signature.
    """
    if question.measure.kind != "signature":
        return ""
    names = {n.casefold() for n in question.measure.names}
    for task in tasks:
        record = done.get(task.id)
        reads = {i.dataset for i in task.inputs if i.dataset is not None}
        if record is None or not reads & {rows.population, rows.source}:
            continue
        for values in (f.values for f in record.findings):
            name = str(values.get("gene_set", ""))
            if values.get("genes_agree") is False and name.casefold() in names:
                return (
                    f"not the published score of {name}: its list gives no weights and no directions, and "
                    f"{values.get('genes_negative')} of {values.get('genes_used')} genes go against the others "
                    f"(task {task.id}): do not interpret it"
                )
    return ""


def flow_text(rows: AnalysisSet) -> str:
    """Return the way from all rows to those that are analysed, in words."""
    steps = [f"{step.left_out} left out ({step.reason})" for step in rows.flow if step.left_out]
    groups = [f"{g.level} {g.n}" + (f" ({g.events} events)" if g.events is not None else "") for g in rows.groups]
    parts = [f"{rows.start} rows", *steps, f"{rows.n} analysed"]
    parts += [f"{rows.pairs} pairs"] if rows.pairs is not None else []
    parts += [f"{rows.events} events"] if rows.events is not None else []
    if rows.covariates and rows.complete < rows.n:
        happened = f" ({rows.complete_events} events)" if rows.complete_events is not None else ""
        parts.append(f"{rows.complete} complete in the covariates {', '.join(rows.covariates)}{happened}")
    return ", ".join(parts) + (f"; groups: {', '.join(groups)}" if groups else "")


def _why_not(mine: Sequence[DryLabTask], tasks: Mapping[str, DryLabTask], done: Mapping[str, TaskRecord]) -> str:
    """Return why none of a question's tasks answers it: of one that waited in vain, why the task before it failed."""
    if not mine:
        return _NO_STEP
    found = [_first_failed(t, tasks, done) for t in mine]
    said = {t.id: done.get(t.id) for t in found}
    return "; ".join(f"task {i}: {_reason(r)}" if r else f"task {i} was not carried out" for i, r in said.items())


def _first_failed(task: DryLabTask, tasks: Mapping[str, DryLabTask], done: Mapping[str, TaskRecord]) -> DryLabTask:
    """Return the first task on the way to a blocked one that was itself not carried out well."""
    record = done.get(task.id)
    if record is None or record.outcome != Outcome.BLOCKED:
        return task
    before = (tasks[i] for i in task.needs if i in tasks and not ((r := done.get(i)) and r.verified))
    first = next(before, None)
    return task if first is None else _first_failed(first, tasks, done)


def _reason(record: TaskRecord) -> str:
    if record.verified:
        return "its findings state nothing of it"
    return f"{record.outcome}: {_DATA.sub('', record.message) or 'no reason was recorded'}"


def _left_undone(protocol: Protocol, requirement: str) -> str:
    """Return what the plan itself says that it does not do of a requirement, which its steps only prepare."""
    named = re.compile(rf"\b{re.escape(requirement)}\b")
    said = (f"the plan leaves out: {n.what.rstrip('.')} ({n.why})" for n in protocol.not_done if named.search(n.what))
    return next(said, "")


def _requirement(
    requirement: Requirement,
    questions: Questions,
    protocol: Protocol | None,
    tasks: Sequence[DryLabTask],
    done: Mapping[str, TaskRecord],
    doubts: Mapping[str, str],
) -> RequirementAnswer:
    row = next((c for c in protocol.coverage if c.requirement == requirement.id), None) if protocol else None
    lost = [u for u in questions.not_understood if u.where == requirement.id and u.narrows]
    steps = row.steps if row and row.met else ()
    run = {i for t in tasks for i in t.step_ids if (r := done.get(t.id)) and r.verified}
    carried = [s for s in steps if s in run]
    state: AnswerState = "answered" if carried else "not answered"
    why = ""
    if not row or not row.met:
        why = (row.reason if row else "") or "no step meets it"
    elif not carried:
        why = f"{'steps' if len(steps) > 1 else 'step'} {', '.join(steps)} planned, but nothing of it was carried out"
    else:
        served = {q for t in tasks if {*t.step_ids} & {*carried} for q in t.questions}
        lacking = [_lost(lost)] if lost else []
        lacking += filter(None, [_left_undone(protocol, requirement.id) if protocol else ""])
        lacking += dict.fromkeys(doubts[q] for q in sorted(served & {*doubts}))
        if lacking:
            state = "partly answered"
            why = "; ".join(lacking)
    return RequirementAnswer(id=requirement.id, text=requirement.text, state=state, why=why, steps=tuple(carried))
