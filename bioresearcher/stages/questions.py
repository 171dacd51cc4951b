"""Questions that a model binds to the data with the audit's facts at hand; rules read them first, and check every name.

What the rules bound and the model leaves out needs its reason; what is refused stays a question that is not answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from bioresearcher.analysis.alternatives import set_apart, with_alternatives
from bioresearcher.analysis.bind import Data, is_settled
from bioresearcher.analysis.sentences import question_text
from bioresearcher.audit.tables import Sheet
from bioresearcher.errors import AnswerError
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.schemas.ask_questions import (
    AskQuestionsInput,
    ColumnTexts,
    NotHeld,
    QuestionProposal,
    QuestionProposals,
)
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.facts import Fact
from bioresearcher.schemas.question import DerivedColumn, Question, Questions, Unbound
from bioresearcher.stages.prompts import ASK_QUESTIONS
from bioresearcher.stages.question_proposals import (
    Names,
    Refused,
    bound,
    coverage_said,
    derived_columns,
    score_columns,
    where_said,
)

MOST_CELLS, MOST_SIGNS = 60, 4_000
"""Cells of a column of texts that are shown, and their signs together, for each data set."""
MOST_SETS = 100
"""Names of gene sets that are shown."""
FACTS = frozenset(
    {
        "identifiers",
        "text",
        "contradiction",
        "repeats",
        "missingness",
        "sample kinds",
        "outcome",
        "gene sets",
        "not there",
    }
)
"""Kinds of facts that bear on what a question means in the data."""


@dataclass(frozen=True)
class Source:
    """A data set to bind questions to, with its names and its sample sheet."""

    data: Data
    sheet: Sheet

    @property
    def named(self) -> Names:
        """The names that a question may use."""
        return Names.of(self.data, self.sheet)


async def propose_questions(
    caller: ModelClient, objective: Objective, by_rule: Questions, sources: Mapping[str, Source], facts: Sequence[Fact]
) -> Questions:
    """Let a model bind what the objective asks, the rules' reading at hand; it is asked once more for what is refused.

    Nothing is asked without a model or without data. A model that does not answer leaves the rules' questions.
    """
    if caller.by_rule or not sources:
        return by_rule
    values = AskQuestionsInput(
        objective=objective,
        datasets=tuple(s.data.dataset for s in sources.values()),
        gene_sets=next(iter(sources.values())).data.sets[:MOST_SETS],
        texts=tuple(t for s in sources.values() for t in _texts(s)),
        facts=tuple(f for f in facts if f.kind in FACTS and f.dataset in sources),
        by_rule=by_rule.questions,
        not_understood=by_rule.not_understood,
    )
    try:
        answer = (await ask(replace(caller, rules=None), ASK_QUESTIONS, values)).value
        found = checked(answer, objective, by_rule, sources, facts)
    except AnswerError as error:
        note = f"The questions are as rules read them, as the model's answer cannot be used: {error.message}"
        return by_rule.model_copy(update={"notes": (*by_rule.notes, note)})
    if found.refused:
        again = values.model_copy(
            update={"before": answer.model_dump_json(exclude_defaults=True), "refused": tuple(found.told)}
        )
        with suppress(AnswerError):  # without a usable second answer what held of the first one stands
            answer = (await ask(replace(caller, rules=None), ASK_QUESTIONS, again)).value
            found = checked(answer, objective, by_rule, sources, facts)
    return found.questions(objective, by_rule, answer, sources)


@dataclass(frozen=True)
class Checked:
    """Proposals held against the data: the questions they make, what each leaves open, and what was refused.

    Attributes:
        made: Questions in the order proposed; a refused one says so in `cannot`.
        not_held: For each of `made` the words that it does not hold.
        otherwise: For each of `made` why it departs from the rules' reading.
        refused: The refusals.
    """

    made: tuple[Question, ...]
    not_held: tuple[tuple[NotHeld, ...], ...]
    otherwise: tuple[str, ...]
    refused: tuple[Refused, ...]

    @property
    def told(self) -> list[str]:
        """The refusals as lines."""
        return [f"{r.what}: {r.why}" for r in self.refused]

    def questions(
        self, objective: Objective, by_rule: Questions, answer: QuestionProposals, sources: Mapping[str, Source]
    ) -> Questions:
        """Number the questions, with those of the rules that nobody took up, and the words that none of them holds."""
        kept = [q for q in by_rule.questions if not self._takes_up(q)]
        questions = tuple(q.model_copy(update={"id": f"A{n}"}) for n, q in enumerate((*self.made, *kept), 1))
        lost = [
            Unbound(
                words=one.words,
                why=one.why,
                where="" if (where := where_said(objective, one.words)) == "objective" else where,
                questions=(question.id,),
                absent=True,
            )
            for question, words in zip(questions, self.not_held, strict=False)
            for one in words
        ]
        understood = {" ".join(w.split()).casefold() for w in answer.understood} if self.made else set()
        left = [u for u in by_rule.not_understood if " ".join(u.words.split()).casefold() not in understood]
        notes = [
            f"{q.id}: bound otherwise than by rule: {why}"
            for q, why in zip(questions, self.otherwise, strict=False)
            if why
        ]
        notes += dict.fromkeys(_read_from(d) for q in self.made for d in q.derived)
        notes += dict.fromkeys(
            coverage_said(s, sources[q.dataset].data) for q in self.made for s in q.scores if q.dataset in sources
        )
        notes += [f"A proposal of the model was refused: {line}." for line in self.told]
        made = Questions(
            questions=questions,
            not_understood=tuple(dict.fromkeys((*left, *lost))),
            notes=(*(by_rule.notes if not self.made else ()), *notes),
            origin="mixed" if kept and self.made else "model" if self.made else by_rule.origin,
        )
        _, declared = set_apart(objective)
        return with_alternatives(made, declared, {i: s.data.dataset for i, s in sources.items()})

    def _takes_up(self, question: Question) -> bool:
        """Tell whether a proposal stands for a question of the rules: one that could be answered keeps its kind."""
        for made, why in zip(self.made, self.otherwise, strict=True):
            alike = _overlap(made.words, question.words) or {*made.requirements} & {*question.requirements}
            if alike and (question.cannot or why or made.kind == question.kind):
                return True
        return False


def checked(
    answer: QuestionProposals,
    objective: Objective,
    by_rule: Questions,
    sources: Mapping[str, Source],
    facts: Sequence[Fact],
) -> Checked:
    """Hold proposals against the data; a refused one becomes a question that says why it has no answer."""
    named = {i: s.named for i, s in sources.items()}
    columns, refused = derived_columns(answer.columns, named, {f.id for f in facts})
    scores, lost = score_columns(
        answer.scores, {i: n.with_columns(c for d, c in columns if d == i) for i, n in named.items()}
    )
    refused += lost
    made: list[Question] = []
    for number, proposal in enumerate(answer.questions, 1):
        source = sources.get(proposal.dataset) or (next(iter(sources.values())) if len(sources) == 1 else None)
        before = [q for q in by_rule.questions if _overlap(proposal.words, q.words)]
        problem = _unsaid(proposal, objective)
        if source is None:
            problem = problem or f"there is no data set {proposal.dataset!r}"
        question = _refused(proposal, problem)
        if source is not None and not problem:
            own = [c for d, c in columns if d == source.data.dataset.id]
            scored = [c for d, c in scores if d == source.data.dataset.id]
            found = bound(proposal, before, source.named.with_columns(own, scored), own, scored, facts)
            problem = found if isinstance(found, str) else ""
            question = _refused(proposal, problem) if isinstance(found, str) else _settled(found, source, proposal)
        if problem:
            refused.append(Refused(f"question {number} (“{proposal.words}”)", problem))
        made.append(question)
    return Checked(
        tuple(made),
        tuple(p.not_held for p in answer.questions),
        tuple(p.otherwise for p in answer.questions),
        tuple(refused),
    )


def _unsaid(proposal: QuestionProposal, objective: Objective) -> str:
    """The reason why words that a proposal copies cannot be its own; empty where they stand in the objective."""
    asked_out = (o.words for o in proposal.leave_out if o.words)
    for words in (proposal.words, *(h.words for h in proposal.not_held), *asked_out):
        if not where_said(objective, words):
            return f"“{words}” stands neither in the objective nor in a condition or requirement"
    known = {r.id for r in objective.requirements}
    lost = next((r for r in proposal.requirements if r not in known), "")
    return f"there is no requirement {lost}" if lost else ""


def _refused(proposal: QuestionProposal, problem: str) -> Question:
    question = Question(
        id="A0",
        kind=proposal.kind,
        text="",
        dataset="",
        stated=proposal.stated,
        words=proposal.words,
        requirements=proposal.requirements,
        cannot=f"it could not be bound to the data: {problem}",
        origin="model",
    )
    return question.model_copy(update={"text": f"“{proposal.words}”"})


def _settled(question: Question, source: Source, proposal: QuestionProposal) -> Question:
    """A question with what stands against it: the model's own reason, unsure readings, data that are not there."""
    if proposal.cannot:
        question = question.model_copy(update={"cannot": proposal.cannot})
    else:
        question = is_settled(question, source.data.dataset)
    text = question_text(question)
    if question.stated or question.kind == "description":  # its fields do not say what is computed
        text = f"{text.rstrip('.')}: “{' '.join(question.words.split())}”"
    return question.model_copy(update={"text": text})


def _read_from(column: DerivedColumn) -> str:
    rests = f" ({', '.join(column.facts)})" if column.facts else ""
    return f"Column {column.name} is read from {column.source}: {column.reason.rstrip('.')}{rests}."


def _overlap(one: str, other: str) -> bool:
    """Tell whether two phrases of a text are about the same words: one within the other, or half of the shorter."""
    a, b = " ".join(one.split()).casefold(), " ".join(other.split()).casefold()
    if not a or not b:
        return False
    first, second = {*a.split()}, {*b.split()}
    return a in b or b in a or 2 * len(first & second) > min(len(first), len(second))


def _texts(source: Source) -> Iterable[ColumnTexts]:
    """Distinct cells of the columns of names and texts of a sheet, sorted: no row can be told from them."""
    sheet, left = source.sheet, MOST_SIGNS
    for name, cells in sheet.known.items():
        column = sheet.described.get(name)
        listed = column is not None and (column.dtype != "text" or (column.levels and column.role != "other"))
        distinct = sorted({cell for cell in cells if cell})
        if listed or len(distinct) < 2 or left <= 0:
            continue
        shown: list[str] = []
        for cell in distinct[:MOST_CELLS]:
            left -= len(cell)
            if left <= 0:
                break
            shown.append(cell)
        if shown:
            yield ColumnTexts(dataset=source.data.dataset.id, column=name, cells=tuple(shown), distinct=len(distinct))
