"""Inputs and answers of the steps that answer questions in words, compare papers with them, and judge the page."""

from __future__ import annotations

from pydantic import Field, JsonValue

from bioresearcher.schemas.answer import PageAxis, Relation, SentenceRole
from bioresearcher.schemas.base import SENTENCE, Value
from bioresearcher.schemas.execution import Result
from bioresearcher.schemas.paper import Passage
from bioresearcher.schemas.question import QuestionKind


class CitedFinding(Value):
    """A finding of a verified task that an answer may cite."""

    id: str = Field(description="`T9.1`")
    statement: str
    values: dict[str, JsonValue] = Field(default_factory=dict)
    result: Result | None = None
    role: SentenceRole = "result"
    counts: dict[str, int] = Field(default_factory=dict, description="counts over the tables of its task")


class AnsweredQuestion(Value):
    """A question with the names that its answer uses."""

    id: str
    kind: QuestionKind
    text: str
    words: str = Field(default="", description="the objective's words that it came from")
    column: str = ""
    case: str = Field(default="", description="level of interest, as in the data")
    control: str = ""
    terms: tuple[str, ...] = Field(default=(), description="columns that a model must hold")
    labels: dict[str, str] = Field(default_factory=dict, description="column -> its label, where that is short")
    flow: str = ""
    randomised: bool = Field(default=False, description="whether the groups were assigned at random")


class AnswerQuestionsInput(Value):
    """Input of `designer/answer_questions`: one question with its findings."""

    question: AnsweredQuestion
    why: str = Field(description="the part that is not answered; empty when all is")
    findings: tuple[CitedFinding, ...]
    named: tuple[str, ...] = Field(default=(), description="lines of names that the page shows below the answer")
    problems: tuple[str, ...] = Field(default=(), description="findings of the reviewer on an earlier answer")


class LineDraft(Value):
    """A sentence of an answer as it was written, before any check."""

    text: str = Field(json_schema_extra=SENTENCE)
    findings: tuple[str, ...] = Field(description="ids of the findings that it rests on")
    role: SentenceRole = "result"


class WrittenAnswer(Value):
    """Answer to one question."""

    sentences: tuple[LineDraft, ...] = ()


class SentenceToJudge(Value):
    """A sentence of an answer that passed the checks, with the findings that it cites."""

    id: str = Field(description="`S1`, `S2`, …")
    text: str
    findings: tuple[str, ...] = Field(description="statements of the findings, with their values")
    objection: str = Field(default="", description="what a program has against it, read off words; it may be misread")


class JudgeSentencesInput(Value):
    """Input of `reviewer/judge_sentences`."""

    question: str
    sentences: tuple[SentenceToJudge, ...]


class SentenceJudgement(Value):
    """The answer for one sentence."""

    id: str
    reason: str = Field(json_schema_extra=SENTENCE)
    holds: bool = Field(description="Do its findings say this, and no less and no more?")


class SentenceJudgements(Value):
    """One answer per sentence."""

    sentences: tuple[SentenceJudgement, ...]


class ComparePapersInput(Value):
    """Input of `literature/compare_papers`: an answer, and the passages nearest to its question."""

    question: AnsweredQuestion
    names: tuple[str, ...] = Field(default=(), description="measures that the relation is about")
    answer: tuple[str, ...] = Field(description="sentences of the answer from the data")
    higher: bool | None = Field(default=None, description="direction of the run's estimate; None when there is none")
    passages: tuple[Passage, ...]


class PaperReadingDraft(Value):
    """A paper's report of a relation as it was read, before its quotes are located."""

    paper_id: str
    relation: Relation
    text: str = Field(default="", json_schema_extra=SENTENCE)
    quotes: tuple[str, ...] = ()


class PapersCompared(Value):
    """Reports of the papers on one relation."""

    papers: tuple[PaperReadingDraft, ...] = ()


class PageQuestion(Value):
    """A closed question about the first page."""

    id: str
    axis: PageAxis
    question: str


class JudgePageInput(Value):
    """Input of `reviewer/judge_page`."""

    objective: str
    page: str = Field(description="the first page as text")
    questions: tuple[PageQuestion, ...]


class PageReply(Value):
    """Answer to a closed question about the page."""

    id: str
    yes: bool
    quote: str = Field(default="", description="words of the page that decide, copied letter by letter")
    reason: str = Field(default="", json_schema_extra=SENTENCE)


class JudgedPage(Value):
    """Answers to all closed questions about the page."""

    answers: tuple[PageReply, ...]
