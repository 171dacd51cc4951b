"""Questions answered in words: sentences over findings, each checked, and the papers' reports of the same relation.

The words are a model's or a rule's; the checks are the same. What fails one is left out and kept with the reason.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bioresearcher.errors import AnswerError
from bioresearcher.llm.ask import Answer, ModelClient, ask
from bioresearcher.offline.paper_relations import direction_of
from bioresearcher.papers.canonical import clean
from bioresearcher.schemas.answer import AnswerLine, Answers, PaperReading, QuestionAnswer
from bioresearcher.schemas.ask_answer import (
    AnsweredQuestion,
    AnswerQuestionsInput,
    CitedFinding,
    ComparePapersInput,
    JudgeSentencesInput,
    LineDraft,
    PaperReadingDraft,
    PapersCompared,
    SentenceJudgement,
    SentenceToJudge,
    WrittenAnswer,
)
from bioresearcher.schemas.base import Objective, Origin
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import DryLabTask, TaskRecord
from bioresearcher.schemas.library import Citation, LeftOut
from bioresearcher.schemas.paper import Evidence
from bioresearcher.schemas.question import AnalysisSet, AnalysisSets, Question, Questions
from bioresearcher.stages.answer import PaperCorpus
from bioresearcher.stages.answer_check import why_left_out
from bioresearcher.stages.answer_claims import significant
from bioresearcher.stages.answer_objections import objection_to
from bioresearcher.stages.answer_tables import counts_of, names_of
from bioresearcher.stages.answers import citable, is_elsewhere, origins_of
from bioresearcher.stages.fallback import ask_rules, ask_usable, note
from bioresearcher.stages.prompts import ANSWER_QUESTIONS, COMPARE_PAPERS, JUDGE_SENTENCES
from bioresearcher.stages.quote_checks import why_not_supported
from bioresearcher.text.visible import clip
from bioresearcher.text.words import Similarity

MOST: Final = 5
"""Sentences of an answer."""
_QUOTES: Final = 3
_LABEL: Final = 30
"""Characters of a column's label that a sentence can bear."""
_ASSIGNED: Final = re.compile(r"\brandomi[sz](?:ed|ation)\b", re.IGNORECASE)
_ARM: Final = re.compile(r"treat|arm|drug|therap|placebo|dose|intervention|group", re.IGNORECASE)


@dataclass(frozen=True)
class AnswerMaterial:
    """Findings and papers of a run, from which its answers are written."""

    objective: Objective
    questions: Questions
    sets: AnalysisSets
    tasks: Sequence[DryLabTask]
    records: Sequence[TaskRecord]
    datasets: Sequence[Dataset]
    corpus: PaperCorpus | None = None
    similarity: Similarity | None = None
    tasks_dir: Path | None = None
    """Folder of the tasks, whose tables are counted; None: only what findings state is known."""

    def question(self, question_id: str) -> tuple[Question, AnalysisSet] | None:
        """Return a question with its rows, or None."""
        question, rows = self.questions.question(question_id), self.sets.of(question_id)
        return (question, rows) if question is not None and rows is not None else None

    def named(self, question: Question, tasks: Sequence[str]) -> tuple[str, ...]:
        """Return the names in the tables of the tasks that answer a question about many measures, a line a class."""
        many = question.measure.kind in ("features", "gene sets") or question.kind == "enrichment"
        if self.tasks_dir is None or not many or question.kind not in ("difference", "enrichment", "association"):
            return ()
        done = {r.task_id: r for r in self.records if r.verified}
        return next((lines for t in tasks if t in done and (lines := names_of(self.tasks_dir, done[t]))), ())

    def findings(self, question: Question, rows: AnalysisSet) -> tuple[CitedFinding, ...]:
        """Return the findings that the answer to a question may cite."""
        known = {d.id: d for d in self.datasets}
        given = next((p for i in (rows.population, rows.source) if i in known and (p := known[i].prepared_from)), "")
        cited = citable(question, rows, self.tasks, self.records, given or "", origins_of(self.datasets))
        if self.tasks_dir is None:
            return cited
        wanted = {f.id.partition(".")[0] for f in cited}
        counts = {r.task_id: counts_of(self.tasks_dir, r) for r in self.records if r.task_id in wanted}
        return tuple(f.model_copy(update={"counts": counts.get(f.id.partition(".")[0], {})}) for f in cited)


def named_question(question: Question, rows: AnalysisSet, material: AnswerMaterial) -> AnsweredQuestion:
    """Return a question with the names and the design that its answer must keep to."""
    data = next((d for d in material.datasets if d.id in (rows.population, rows.source)), None)
    labels = {c.name: c.label for f in data.files for c in f.columns if c.label} if data else {}
    column = rows.contrast_column or question.outcome
    told = [data.title, *data.notes] if data else []
    said = " ".join([material.objective.text, *material.objective.conditions, *told])
    return AnsweredQuestion(
        id=question.id,
        kind=question.kind,
        text=question.text,
        words=question.words,
        column=column,
        case=rows.case or "",
        control=rows.control or "",
        terms=rows.terms,
        labels={name: label for name, label in labels.items() if len(label) <= _LABEL},
        flow=_flow(rows),
        randomised=bool(_ASSIGNED.search(said)) and bool(_ARM.search(f"{column} {labels.get(column, '')}")),
    )


def _flow(rows: AnalysisSet) -> str:
    return f"{rows.start} rows, {rows.n} analysed, {', '.join(rows.filters)}"


async def write_answers(caller: ModelClient, material: AnswerMaterial, states: Answers) -> Answers:
    """Return the states of a run's questions with their answers in words.

    Raises:
        BackendError: The backend gave no answer.
        StoppedError: The budget is used up, or the run is stopping.
    """
    rows = await asyncio.gather(*(_written(caller, material, q, ()) for q in states.questions))
    return states.model_copy(update={"questions": tuple(rows)})


async def revised(
    caller: ModelClient, material: AnswerMaterial, answers: Answers, problems: dict[str, tuple[str, ...]]
) -> Answers:
    """Return answers of which those with problems were written once more; `problems` by the question's id."""

    async def again(answer: QuestionAnswer) -> QuestionAnswer:
        return await _written(caller, material, answer, problems[answer.id]) if answer.id in problems else answer

    return answers.model_copy(update={"questions": tuple(await asyncio.gather(*map(again, answers.questions)))})


def still_holding(answers: Answers, material: AnswerMaterial) -> Answers:
    """Return answers without sentences whose findings are no longer there, or say something else by now."""
    rows = []
    for answer in answers.questions:
        found = material.question(answer.id)
        if found is None or answer.state == "not answered":
            rows.append(answer.model_copy(update={"sentences": (), "named": (), "papers": ()}))
            continue
        findings = material.findings(*found)
        named = named_question(*found, material)
        kept = tuple(s for s in answer.sentences if why_left_out(_as_draft(s), named, findings) in ("", s.overruled))
        rows.append(answer.model_copy(update={"sentences": kept}))
    return answers.model_copy(update={"questions": tuple(rows)})


def _as_draft(line: AnswerLine) -> LineDraft:
    return LineDraft(text=line.text, findings=line.findings, role=line.role)


async def _written(
    caller: ModelClient, material: AnswerMaterial, state: QuestionAnswer, problems: tuple[str, ...]
) -> QuestionAnswer:
    found = material.question(state.id)
    if found is None or state.state == "not answered":
        return state
    question, rows = found
    findings = material.findings(question, rows)
    named = named_question(question, rows, material)
    if not findings:
        return state
    lists = material.named(question, state.tasks)
    values = AnswerQuestionsInput(question=named, why=state.why, findings=findings, named=lists, problems=problems)
    lines, left = await _sentences(caller, values)
    if not question.compares_with:
        lines = _in_place(lines, findings, rows, origins_of(material.datasets))
    papers, unread = await _papers(caller, material, question, named, findings, lines)
    return state.model_copy(update={"sentences": lines, "named": lists, "papers": papers, "left_out": (*left, *unread)})


def _in_place(
    lines: Sequence[AnswerLine], findings: Sequence[CitedFinding], rows: AnalysisSet, origins: Mapping[str, str]
) -> tuple[AnswerLine, ...]:
    """Call a sentence robustness that calls itself replication, where all it rests on are the same samples."""
    same = {f.id for f in findings if f.role != "replication" and is_elsewhere(f, rows, origins) is False}
    return tuple(
        line.model_copy(update={"role": "robustness"})
        if line.role == "replication" and {*line.findings} <= same
        else line
        for line in lines
    )


async def _sentences(caller: ModelClient, values: AnswerQuestionsInput) -> tuple[tuple[AnswerLine, ...], list[LeftOut]]:
    draft: Answer[WrittenAnswer] = await ask_usable(caller, ANSWER_QUESTIONS, values, _says_nothing)
    judged = await _judged(caller, values, draft) if draft.origin == "model" and not caller.by_rule else None
    lines, left = judged or checked(draft.value, values.question, values.findings, draft.origin)
    note(caller, ANSWER_QUESTIONS, f"{values.question.id}: {len(left)} sentences left out" if left else "")
    if not lines and draft.origin != "offline":
        told = f"{values.question.id}: answered by rule, as no sentence of the model's passed the checks"
        stand_in = await ask_rules(caller, ANSWER_QUESTIONS, values, told)
        if stand_in is not None:
            lines, more = checked(stand_in.value, values.question, values.findings, stand_in.origin)
            left += more
    return lines, left


async def _judged(
    caller: ModelClient, values: AnswerQuestionsInput, draft: Answer[WrittenAnswer]
) -> tuple[tuple[AnswerLine, ...], list[LeftOut]] | None:
    """Return the sentences that a reviewer finds borne out, and those left out; None where it gives no usable answer.

    A certain objection of a check decides. Whose number it is, directions and what a clause claims are for a reader:
    the reviewer sees every other sentence, with the check's objection if there is one.
    """
    texts = [d.model_copy(update={"text": clean(d.text)}) for d in draft.value.sentences]
    drafts = list({d.text: d for d in texts}.values())
    against = [objection_to(d, values.question, values.findings) for d in drafts]
    open_ = [n for n, o in enumerate(against) if o is None or not o.certain]
    told = {f.id: _told(f) for f in values.findings}
    asked = JudgeSentencesInput(
        question=values.question.words or values.question.text,
        sentences=tuple(
            SentenceToJudge(
                id=f"S{n + 1}",
                text=drafts[n].text,
                findings=tuple(told[i] for i in dict.fromkeys(drafts[n].findings)),
                objection=o.why if (o := against[n]) is not None else "",
            )
            for n in open_
        ),
    )
    replies: dict[str, SentenceJudgement] = {}
    if open_:
        try:
            answer = await ask(replace(caller, rules=None), JUDGE_SENTENCES, asked)
        except AnswerError as error:
            note(caller, JUDGE_SENTENCES, f"{values.question.id}: sentences were checked by rule only: {error.message}")
            return None
        replies = {j.id: j for j in answer.value.sentences}
    kept: list[AnswerLine] = []
    left: list[LeftOut] = []
    for n, (line, objection) in enumerate(zip(drafts, against, strict=True)):
        said, reply = (objection.why if objection else ""), replies.get(f"S{n + 1}")
        if (objection is not None and objection.certain) or reply is None:
            why = said
        elif not reply.holds:
            why = f"the reviewer: {clip(reply.reason, 240)}"
        else:
            why = ""
        if not why and len(kept) >= MOST:
            why = f"an answer has at most {MOST} sentences"
        if why:
            left.append(LeftOut(text=clip(line.text, 300), reason=why))
        else:
            cited = tuple(dict.fromkeys(line.findings))
            made = AnswerLine(text=line.text, findings=cited, role=line.role, origin=draft.origin)
            kept.append(made.model_copy(update={"judged": reply is not None, "overruled": said}))
    return tuple(kept), left


def _told(finding: CitedFinding) -> str:
    """The statement of a finding with its values, as far as they are numbers or words."""
    values = {k: v for k, v in finding.values.items() if isinstance(v, (str, int, float))}
    said = "; ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items())
    return f"{finding.statement} ({clip(said, 600)})" if said else finding.statement


def _says_nothing(draft: WrittenAnswer) -> str:
    return "" if any(s.text.strip() for s in draft.sentences) else "it has no sentence"


def checked(
    written: WrittenAnswer, question: AnsweredQuestion, findings: Sequence[CitedFinding], origin: Origin
) -> tuple[tuple[AnswerLine, ...], list[LeftOut]]:
    """Return the sentences that pass every check, at most five, and those left out with the reason."""
    kept: list[AnswerLine] = []
    left: list[LeftOut] = []
    for draft in written.sentences:
        draft = draft.model_copy(update={"text": clean(draft.text)})
        why = why_left_out(draft, question, findings)
        if not why and len(kept) >= MOST:
            why = f"an answer has at most {MOST} sentences"
        if why:
            left.append(LeftOut(text=clip(draft.text, 300), reason=why))
        elif draft.text not in {k.text for k in kept}:
            cited = tuple(dict.fromkeys(draft.findings))
            kept.append(AnswerLine(text=draft.text, findings=cited, role=draft.role, origin=origin))
    return tuple(kept), left


# papers -----------------------------------------------------------------------------------------------


async def _papers(
    caller: ModelClient,
    material: AnswerMaterial,
    question: Question,
    named: AnsweredQuestion,
    findings: Sequence[CitedFinding],
    lines: Sequence[AnswerLine],
) -> tuple[tuple[PaperReading, ...], list[LeftOut]]:
    """Return what the papers read say of the relation; nothing of counts or structure, which are of these samples."""
    corpus = material.corpus
    if corpus is None or question.kind in ("description", "structure") or not lines:
        return (), []
    wanted = " ".join(filter(None, (question.words, *question.measure.names, question.text)))
    passages = await asyncio.to_thread(corpus.passages_for, clip(wanted, 1_000), material.similarity)
    if not passages:
        return (), []
    values = ComparePapersInput(
        question=named,
        names=question.measure.names,
        answer=tuple(line.text for line in lines),
        higher=_higher(findings),
        passages=passages,
    )
    try:
        draft: Answer[PapersCompared] = await ask(caller, COMPARE_PAPERS, values)
    except AnswerError as error:
        note(caller, COMPARE_PAPERS, f"{question.id}: not compared with the papers: {error.message}")
        return (), []
    return compared(draft.value, values, corpus, draft.origin)


def _higher(findings: Sequence[CitedFinding]) -> bool | None:
    """Return the direction of the run's own estimate; None where it has none at the usual level."""
    first = next((f for f in findings if f.result and f.result.estimate is not None), None)
    if first is None or first.result is None or first.result.estimate is None or not significant(first):
        return None
    nothing = {"hazard ratio": 1, "odds ratio": 1, "fold change": 1, "area under the curve": 0.5}
    return first.result.estimate > nothing.get(first.result.effect, 0)


def compared(
    drafts: PapersCompared, values: ComparePapersInput, corpus: PaperCorpus, origin: Origin
) -> tuple[tuple[PaperReading, ...], list[LeftOut]]:
    """Return the readings whose quotes stand in their paper and bear them, one a paper; others with the reason."""
    kept: dict[str, PaperReading] = {}
    left: list[LeftOut] = []
    shown = {p.document for p in values.passages}
    for draft in drafts.papers:
        if draft.paper_id not in shown:
            why = f"{clip(draft.paper_id, 60)} was not shown"
            left.append(LeftOut(text=clip(draft.text or draft.paper_id, 300), reason=why))
        elif draft.relation == "not reported":
            nothing = PaperReading(paper_id=draft.paper_id, relation="not reported", origin=origin)
            kept.setdefault(draft.paper_id, nothing)
        else:
            found = [e for q in draft.quotes[:_QUOTES] if q.strip() and (e := corpus.find(q, [draft.paper_id]))]
            why = _why_not(draft, values, found)
            if why:
                left.append(LeftOut(text=clip(draft.text, 300), reason=why))
            elif kept.get(draft.paper_id) is None or kept[draft.paper_id].relation == "not reported":
                kept[draft.paper_id] = _reading(draft, found, corpus, origin)
    return tuple(kept.values()), left


def _why_not(draft: PaperReadingDraft, values: ComparePapersInput, found: Sequence[Evidence]) -> str:
    own = [e for e in found if e.document == draft.paper_id]
    if len(own) < len(found):
        return f"its quote is of another paper than {draft.paper_id}"
    if not own:
        return "no quote of it was found in the paper"
    quotes = [e.text for e in own]
    said = " ".join(quotes)
    names = [w for n in values.names for w in re.split(r"[\W_]+", n) if len(w) > 2]
    if names and not any(re.search(rf"\b{re.escape(w)}", said, re.IGNORECASE) for w in names):
        return "its quotes do not speak of what was measured"
    way = direction_of(said, values)
    if way and values.higher is not None and ((way > 0) == values.higher) != (draft.relation == "agrees"):
        return "its quotes read the other way"
    return why_not_supported(clean(draft.text), quotes)


def _reading(draft: PaperReadingDraft, found: Sequence[Evidence], corpus: PaperCorpus, origin: Origin) -> PaperReading:
    paper = corpus.paper(draft.paper_id)
    citations = tuple(
        Citation(
            number=n,
            paper_id=paper.id,
            title=paper.title,
            year=paper.year,
            status=paper.status,
            basis=paper.basis,
            evidence=e,
        )
        for n, e in enumerate(dict.fromkeys(found), 1)
    )
    return PaperReading(
        paper_id=paper.id, relation=draft.relation, text=clean(draft.text), citations=citations, origin=origin
    )
