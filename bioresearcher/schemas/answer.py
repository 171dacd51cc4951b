"""Answers of a run: what was asked of the data, and what was answered, partly or not, with the real reasons."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Origin, Value
from bioresearcher.schemas.library import Citation, LeftOut
from bioresearcher.text.visible import one_line

MOST_FOUND, MOST_STATEMENT = 3, 400
"""Statements that the end of a run repeats, and characters of each."""
MOST_BESIDE = 6
"""Results beside the questions that are kept."""
MOST_REASON = 200
"""Characters of the reason that a headline repeats."""

AnswerState = Literal["answered", "partly answered", "not answered"]


SentenceRole = Literal["result", "robustness", "replication", "open"]
"""Result: effect and direction. Robustness: the same under other choices. Replication: in other data. Open: what the
result does not settle."""

Relation = Literal["agrees", "disagrees", "not reported"]
"""A paper's report of the relation a question asks for, held against the findings of the run."""


class AnswerLine(Value):
    """A sentence of the answer to a question; its numbers, directions and comparisons were held against findings."""

    text: str
    findings: tuple[str, ...] = Field(
        description="ids such as `T9.1`: the task, and the number of the finding in its findings.json, from 1"
    )
    role: SentenceRole = "result"
    origin: Origin = "offline"
    judged: bool = Field(default=False, description="whether a reviewer found it borne out by its findings")
    overruled: str = Field(default="", description="objection of a check that the reviewer did not share; empty: none")


class PaperReading(Value):
    """A paper's report of the relation that a question asks for, with quotes located in the paper.

    Of a paper that does not report it there is no quote.
    """

    paper_id: str
    relation: Relation
    text: str = Field(default="", description="the report in one sentence")
    citations: tuple[Citation, ...] = ()
    origin: Origin = "offline"


PageAxis = Literal["helpful", "harmless", "honest"]


class PageAnswer(Value):
    """The reviewer's answer to a closed question about the first page; `yes` is the wanted answer."""

    id: str = Field(description="such as `H1`")
    axis: PageAxis
    question: str
    yes: bool
    reason: str = ""
    quote: str = Field(default="", description="words of the page that decided")
    mended: bool = Field(default=False, description="whether a revision of the page settled it")
    origin: Origin = "offline"


class QuestionAnswer(Value):
    """The state of a question after the run; only what was carried out counts."""

    id: str
    text: str = Field(description="the question in one sentence, as it was bound to the data")
    words: str = Field(default="", description="the words of the objective that ask it")
    state: AnswerState
    why: str = Field(default="", description="why it is not answered, or which part is missing")
    mend: str = Field(default="", description="the line of `dataset.toml` or the flag that settles it")
    tasks: tuple[str, ...] = Field(default=(), description="tasks whose findings answer it")
    findings: tuple[str, ...] = Field(default=(), description="their statements")
    flow: str = Field(default="", description="from all rows to those that were analysed, in words")
    sentences: tuple[AnswerLine, ...] = Field(default=(), description="the answer in words, each sentence checked")
    named: tuple[str, ...] = Field(
        default=(), description="names in the table of tests that answers “which”, as it has them"
    )
    papers: tuple[PaperReading, ...] = Field(default=(), description="reports of the same relation in the papers read")
    left_out: tuple[LeftOut, ...] = Field(default=(), description="sentences that failed a check, with the reason")

    @property
    def said(self) -> tuple[str, ...]:
        """The answer's sentences; the findings where none was written, as in a run of an earlier version."""
        return tuple(s.text for s in self.sentences) or self.findings


class RequirementAnswer(Value):
    """The state of a requirement after the run."""

    id: str
    text: str
    state: AnswerState
    why: str = ""
    steps: tuple[str, ...] = Field(default=(), description="steps that meet it")


class Answers(Value):
    """The answers of a run (`answer.json`)."""

    questions: tuple[QuestionAnswer, ...] = ()
    requirements: tuple[RequirementAnswer, ...] = ()
    not_understood: tuple[str, ...] = Field(default=(), description="words bound to nothing, each with the reason")
    page: tuple[PageAnswer, ...] = Field(default=(), description="the reviewer's closed questions about the first page")
    notes: tuple[str, ...] = Field(default=(), description="caveats of the answer as a whole")
    beside: tuple[AnswerLine, ...] = Field(
        default=(),
        description="results of the registered script that no bound question asks for, where one is not answered",
    )

    def count(self, state: AnswerState) -> int:
        """Count the questions in a state."""
        return sum(q.state == state for q in self.questions)

    def only(self, question_id: str) -> Answers:
        """Return the answers with one question alone."""
        return Answers(questions=tuple(q for q in self.questions if q.id == question_id))

    @property
    def nothing(self) -> bool:
        """True when something was asked of data and nothing of it was answered."""
        return bool(self.questions) and self.count("not answered") == len(self.questions)

    @property
    def found(self) -> tuple[str, ...]:
        """The first sentences that answer, one of each question before a second of any; at most three."""
        rows = [(q, n, text) for q in self.questions for n, text in enumerate(q.said)]
        rows.sort(key=lambda row: row[1])
        return tuple(
            f"{q.id}{'' if q.state == 'answered' else f', {q.state}'}: {one_line(text, MOST_STATEMENT)}"
            for q, _, text in rows[:MOST_FOUND]
        )

    @property
    def headline(self) -> str:
        """E.g. `2 of 3 questions answered, 1 partly`; with the first reason where nothing is answered.

        Empty when no question was asked of data.
        """
        if not self.questions:
            return ""
        total, partly = len(self.questions), self.count("partly answered")
        more = f", {partly} partly" if partly else ""
        why = next((q.why for q in self.questions if q.why), "") if self.nothing else ""
        more += f", because {one_line(why, MOST_REASON).rstrip('.')}" if why else ""
        return f"{self.count('answered')} of {total} {'question' if total == 1 else 'questions'} answered{more}"
