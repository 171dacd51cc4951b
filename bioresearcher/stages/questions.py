"""Questions that rules could not bind, proposed by a model and checked against the data by code."""

from __future__ import annotations

from dataclasses import replace

from bioresearcher.analysis.bind import Data, is_settled
from bioresearcher.analysis.contrasts import NotBoundError, contradiction, contrast_of
from bioresearcher.analysis.endpoints import censored_time, event_cells
from bioresearcher.analysis.mentions import is_number, levels_of
from bioresearcher.analysis.sentences import question_text
from bioresearcher.analysis.wishes import Compared
from bioresearcher.errors import AnswerError
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.schemas.ask_design import AskQuestionsInput, QuestionProposal
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Column
from bioresearcher.schemas.question import Contrast, Endpoint, Filter, Measure, Question, Questions
from bioresearcher.stages.prompts import ASK_QUESTIONS


async def propose_questions(
    caller: ModelClient, objective: Objective, questions: Questions, data: dict[str, Data]
) -> Questions:
    """Let a model bind what rules could not; a proposal that fails a check leaves the question as the rules had it.

    Nothing is asked without a model, or where the rules bound everything.
    """
    told = tuple(u for u in questions.not_understood if u.narrows and not u.where)
    open_ = [q for q in questions.questions if q.dataset in data and (q.cannot or told)]
    if caller.by_rule or not open_:
        return questions
    dataset = data[open_[0].dataset].dataset
    asked = tuple(q for q in open_ if q.dataset == dataset.id)
    values = AskQuestionsInput(objective=objective, dataset=dataset, questions=asked, not_understood=told)
    try:
        answer = await ask(replace(caller, rules=None), ASK_QUESTIONS, values)
    except AnswerError as error:
        note = f"What the rules could not bind was not asked of the model: {error.message}"
        return questions.model_copy(update={"notes": (*questions.notes, note)})
    by_id = {p.id: p for p in answer.value.questions}
    settled, notes = [], []
    for question in questions.questions:
        proposal = by_id.get(question.id)
        if proposal is None or question not in asked:
            settled.append(question)
            continue
        found, refused = bound_by(proposal, question, data[dataset.id])
        settled.append(found)
        notes += [f"{question.id}: a proposal of the model was refused: {refused}."] if refused else []
    done = {q.id for q in settled if q.origin == "model"}
    understood = {w.strip() for w in answer.value.understood} if done else set()
    left = tuple(u for u in questions.not_understood if u.words not in understood)
    return questions.model_copy(
        update={
            "questions": tuple(settled),
            "not_understood": left,
            "notes": (*questions.notes, *notes),
            "origin": "mixed" if done else questions.origin,
        }
    )


def bound_by(proposal: QuestionProposal, question: Question, data: Data) -> tuple[Question, str]:
    """A question as a proposal binds it, or as it was with the reason why the proposal is refused."""
    sheet = data.dataset.file("samples")
    columns = {c.name: c for c in sheet.columns} if sheet else {}
    try:
        update = _checked(proposal, question, data, columns)
    except NotBoundError as error:
        return question, error.why
    found = question.model_copy(update={**update, "cannot": "", "mend": "", "origin": "model"})
    said = contradiction(found.contrast, found.population)
    if said:
        return question, said
    found = is_settled(found, data.dataset)
    return found.model_copy(update={"text": question_text(found)}), ""


def _checked(
    proposal: QuestionProposal, question: Question, data: Data, columns: dict[str, Column]
) -> dict[str, object]:
    """The fields of a question that a proposal sets.

    Raises:
        NotBoundError: A name or value is not in the data, or a part of the question would be lost.
    """
    named = [f.column for f in proposal.population]
    named += [proposal.time_column, proposal.event_column, proposal.compared_column, proposal.pair]
    named += [*proposal.columns, *proposal.blocks, *proposal.adjust]
    lost = next((n for n in named if n and n not in columns), "")
    if lost:
        raise NotBoundError(f"there is no column {lost!r}")
    for one in proposal.population:
        _check_filter(one, columns[one.column])
    kept = [f for f in question.population if f.text not in [p.text for p in proposal.population]]
    if kept:
        raise NotBoundError(f"it leaves out that {kept[0].text}")
    if question.pair and not proposal.pair:
        raise NotBoundError("it leaves out the pairs")
    update: dict[str, object] = {"population": proposal.population, "pair": proposal.pair}
    update["blocks"] = tuple(dict.fromkeys((*question.blocks, *proposal.blocks)))
    update["adjust"] = tuple(dict.fromkeys((*question.adjust, *proposal.adjust)))
    update["endpoint"] = _endpoint(proposal, question, data, columns)
    update["contrast"] = _contrast(proposal, question, columns)
    update["measure"] = _measure(proposal, question, data)
    return update


def _check_filter(one: Filter, column: Column) -> None:
    strange = [v for v in one.levels if v not in levels_of(column)]
    if strange:
        raise NotBoundError(f"{column.name} has no level {strange[0]!r}")
    if not one.levels and (one.least is None and one.most is None):
        raise NotBoundError(f"nothing is said of {column.name}")
    if not one.levels and not is_number(column):
        raise NotBoundError(f"{column.name} holds no numbers")


def _endpoint(
    proposal: QuestionProposal, question: Question, data: Data, columns: dict[str, Column]
) -> Endpoint | None:
    if question.kind != "time to event":
        return question.endpoint
    if not (proposal.time_column and proposal.event_column):
        if question.endpoint is None:
            raise NotBoundError("it names no time and event")
        return question.endpoint
    time, event = columns[proposal.time_column], columns[proposal.event_column]
    cells = event_cells(event)
    if time.role != "time" or event.role != "event" or not cells:
        raise NotBoundError(f"{time.name} and {event.name} are not described as a time and an event")
    if time.endpoint != event.endpoint:
        raise NotBoundError(f"{time.name} and {event.name} belong to different endpoints")
    before = question.endpoint
    if before is not None and before.name and event.endpoint and before.name != event.endpoint:
        raise NotBoundError(f"{before.name} was asked for")
    return Endpoint(
        name=event.endpoint,
        time_column=time.name,
        event_column=event.name,
        event_level=cells,
        censored_time_column=censored_time(data.dataset, time),
        time_unit=time.unit,
    )


def _contrast(proposal: QuestionProposal, question: Question, columns: dict[str, Column]) -> Contrast | None:
    if not proposal.compared_column:
        if question.kind == "difference" and question.contrast is None:
            raise NotBoundError("it names no groups")
        return question.contrast
    column = columns[proposal.compared_column]
    strange = [v for v in (*proposal.levels, proposal.reference) if v and v not in levels_of(column)]
    if strange:
        raise NotBoundError(f"{column.name} has no level {strange[0]!r}")
    wanted = Compared(column.name, proposal.levels, 0, 0) if len(proposal.levels) > 1 else None
    found = contrast_of(column, wanted, reference=proposal.reference)
    return found.model_copy(update={"stated_by": "model"})


def _measure(proposal: QuestionProposal, question: Question, data: Data) -> Measure:
    strange = [g for g in proposal.genes if g not in data.genes] + [s for s in proposal.gene_sets if s not in data.sets]
    if strange:
        raise NotBoundError(f"there is no {strange[0]!r} among the genes and gene sets")
    if proposal.genes:
        return Measure(kind="gene", names=proposal.genes)
    if proposal.gene_sets:
        return Measure(kind="signature", names=proposal.gene_sets)
    if proposal.columns and question.measure.kind in ("none", "column"):
        return Measure(kind="column", names=proposal.columns)
    return question.measure
