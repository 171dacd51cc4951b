"""A question to a run's library with what was answered: a line of `questions.jsonl`."""

from __future__ import annotations

from pydantic import Field

from bioresearcher.schemas.base import Origin, Value
from bioresearcher.schemas.paper import Status
from bioresearcher.schemas.passage import Evidence
from bioresearcher.schemas.usage import Usage


class Citation(Value):
    """A quote that an answer stands on, found in its paper."""

    number: int = Field(ge=1, description="as in the answer's sentences")
    paper_id: str
    title: str = Field(description="the paper's, without what was withheld")
    year: int | None = None
    status: Status = Field(default="unknown", description="whether the paper was retracted")
    evidence: Evidence


class AnswerSentence(Value):
    """A sentence of an answer; every one has a citation."""

    text: str
    citations: tuple[int, ...] = Field(min_length=1, description="numbers of the quotes it stands on")
    new_words: tuple[str, ...] = Field(default=(), description="its words that stand in none of these quotes")


class LeftOut(Value):
    """A sentence of a model's answer that its quotes do not bear out."""

    text: str
    reason: str


class LibraryAnswer(Value):
    """A question and its answer from the run's papers."""

    number: int = Field(ge=1, description="1 for the run's first question")
    time: str
    question: str
    in_library: bool = Field(description="false: the run's papers do not answer it")
    sentences: tuple[AnswerSentence, ...] = ()
    citations: tuple[Citation, ...] = ()
    left_out: tuple[LeftOut, ...] = Field(default=(), description="sentences that stand on no quote that was found")
    quotes: int = Field(default=0, description="quotes that the answer offered")
    quotes_located: int = Field(default=0, description="of these, found in the run's papers")
    papers: int = Field(default=0, description="papers that were searched")
    passages: int = Field(default=0, description="passages that were shown to whoever answered")
    notes: tuple[str, ...] = Field(default=(), description="what the person should know, in sentences")
    origin: Origin
    answered_by: str = Field(default="", description="the model, or `offline`")
    usage: Usage = Field(default=Usage(), description="what this answer cost; nothing when it was recorded before")
