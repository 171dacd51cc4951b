"""Nodes that bind the objective's questions to the data and make the rows on which each is answered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from langgraph.runtime import Runtime

from bioresearcher.analysis.bind import Data, bind_questions
from bioresearcher.analysis.derived import sheet_of
from bioresearcher.analysis.sentences import questions_lines
from bioresearcher.analysis.sets import SETS, Made, make_sets
from bioresearcher.audit.tables import Sheet, read_names, read_sheet
from bioresearcher.errors import InputError
from bioresearcher.graph.approvals import SELECTION, decisions_at
from bioresearcher.graph.context import ANALYSIS, QUESTIONS, RunContext
from bioresearcher.graph.nodes_search import CHECKS, write_datasets
from bioresearcher.graph.state import RunState, Update
from bioresearcher.offline.skill_uses import beyond_limit, unanswered
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.question import Question, Questions
from bioresearcher.schemas.run import Decision
from bioresearcher.stages.describe_data import proposed_notes
from bioresearcher.stages.questions import Source, propose_questions

_ID = re.compile(r"A\d+")
_WITHOUT_DATA = (
    "No data were given and none were to be searched: nothing is asked of data, and the run ends with the protocol."
)


async def ask_questions(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Bind what the objective and its requirements ask to the data sets; the selection's approval shows it."""
    c = runtime.context
    questions = await settled_questions(c, state["datasets"])
    c.folder.write(questions, QUESTIONS)
    for line in questions_lines(questions):
        c.caller.events.emit("note", "ask_questions", "info", line.strip())
    return {}


async def settled_questions(c: RunContext, ids: Sequence[str], made: Sequence[Decision] = ()) -> Questions:
    """Bind the objective to the data sets with these ids: by rule, then by a model with the audit's facts at hand.

    Data sets that are not fetched yet have no columns to bind to. What a person said to make the objective clearer
    counts as part of it, and questions that a person dropped are left out.
    """
    known = [c.folder.read(Dataset, "datasets", f"{i}.json") for i in ids]
    at_hand = [d for d in known if d.files and d.prepared_from is None and d.analysis_of is None]
    if not at_hand and known:
        awaited = ", ".join(d.id for d in known)
        return Questions(notes=(f"The questions are bound once the files of {awaited} are fetched.",))
    if not known and _without_data(c):
        return Questions(notes=(_WITHOUT_DATA,))
    said = [d.comment for d in made if d.comment and d.more]
    objective = c.objective.model_copy(update={"text": " ".join([c.objective.text.rstrip(), *said])})
    sources = await asyncio.to_thread(_sources, at_hand)
    questions = await asyncio.to_thread(bind_questions, objective, [s.data for s in sources])
    if not c.caller.by_rule:
        facts = (await asyncio.to_thread(c.audited, tuple(at_hand))).facts
        measured = {s.data.dataset.id: s for s in sources if s.sheet.columns}
        questions = await propose_questions(c.caller, objective, questions, measured, facts)
    told = proposed_notes(at_hand)
    dropped = dropped_questions(made)
    questions = questions.model_copy(
        update={
            "questions": tuple(q for q in questions.questions if q.id not in dropped),
            "notes": (*questions.notes, *told),
            "origin": "human" if said or dropped else questions.origin,
        }
    )
    if not c.caller.by_rule:  # a model writes code for what no skill does
        return questions
    briefs = c.bench().briefs
    kinds = {k for b in briefs for k in b.contract.answers}
    settled = tuple(_settled(q, unanswered(q, briefs), never=q.kind not in kinds) for q in questions.questions)
    return questions.model_copy(update={"questions": _within_limit(c, settled, at_hand)})


def _within_limit(c: RunContext, questions: tuple[Question, ...], datasets: Sequence[Dataset]) -> tuple[Question, ...]:
    """Settle the questions for which `max_tasks` leaves no task, before anybody approves of them."""
    limit = c.settings.max_tasks
    if limit is None:
        return questions
    held = tuple(d.model_copy(update={"questions": tuple(q for q in questions if q.dataset == d.id)}) for d in datasets)
    lost = beyond_limit(c.objective, held, c.bench().briefs, limit)
    why = {"cannot": f"--max-tasks {limit} leaves no task for it", "mend": "a larger --max-tasks, or none"}
    return tuple(q.model_copy(update=why) if q.id in lost and not q.cannot else q for q in questions)


def _without_data(c: RunContext) -> bool:
    """Return True for a run that only reads and designs; data that cannot be read or used were given all the same."""
    unread = any(f.stage != "load_papers" for f in c.own.failures)
    return not (c.own.datasets or c.dataset_sources or unread)


def dropped_questions(made: Sequence[Decision]) -> tuple[str, ...]:
    """The questions that a person took out."""
    return tuple(dict.fromkeys(i for d in made for i in d.drop if _ID.fullmatch(i)))


def not_questions(ids: Sequence[str]) -> tuple[str, ...]:
    """The ids that are those of papers and data sets."""
    return tuple(i for i in ids if not _ID.fullmatch(i))


def _settled(question: Question, reason: str, *, never: bool) -> Question:
    """A question with the reason why no skill answers it; with `never`, no data could make one answer it."""
    if not reason or (question.cannot and not never):
        return question
    more = f"; {question.cannot}" if question.cannot else ""
    return question.model_copy(update={"cannot": f"{reason}{more}", "mend": "" if never else question.mend})


def _sources(datasets: Sequence[Dataset]) -> list[Source]:
    """Data sets with the names of their features, all gene sets at hand, and their sample sheets."""
    sets = tuple(name for d in datasets for f in d.files for name in f.entries)
    found = []
    for dataset in datasets:
        try:
            names = read_names(dataset)
        except InputError:
            names = None
        try:
            sheet = sheet_of(read_sheet(dataset), names)
        except InputError:
            sheet = Sheet()
        found.append(Source(Data(dataset, frozenset(names.features) if names else frozenset(), sets), sheet))
    return found


async def make_analysis_sets(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Choose the rows of each question, and write them where they are not those of a data set as it is."""
    c = runtime.context
    known = [c.folder.read(Dataset, "datasets", f"{i}.json") for i in state["datasets"]]
    asked = await settled_questions(c, state["datasets"], decisions_at(state["decisions"], SELECTION))
    made = await asyncio.to_thread(make_sets, asked, known, c.folder.path(ANALYSIS))
    c.folder.write(made.questions, QUESTIONS)
    c.folder.write(made.sets, ANALYSIS, SETS)
    added = [d for d in made.datasets if d.analysis_of is not None]
    write_datasets(c, [*made.datasets, *_recorded(known, made)])
    checks = c.folder.read_list(DatasetCheck, CHECKS)
    like = {k.dataset_id: k for k in checks}
    more = [
        like[d.analysis_of].model_copy(update={"dataset_id": d.id})
        for d in added
        if d.analysis_of in like and d.id not in like
    ]
    c.folder.write_list([*checks, *more], CHECKS)
    ready = sum(not q.cannot for q in made.questions.questions)
    said = f"{ready} of {len(made.questions.questions)} questions have rows to be answered on"
    c.caller.events.emit("note", "make_analysis_sets", "info", said)
    ids = [d for d in state["datasets"] if d not in {a.id for a in added}]
    return {"datasets": [*ids, *(d.id for d in added)]}


def _recorded(known: Sequence[Dataset], made: Made) -> list[Dataset]:
    """Data sets with the questions that cannot be answered on them, so that nobody binds them anew."""
    held = {d.id: d for d in made.datasets}
    found: list[Dataset] = []
    lost = [q for q in made.questions.questions if q.cannot]
    for dataset in known:
        own = held.get(dataset.id, dataset.model_copy(update={"questions": ()}))
        mine = tuple(q for q in lost if q.dataset in (dataset.id, ""))
        if mine:
            found.append(own.model_copy(update={"questions": (*own.questions, *mine)}))
    return found
