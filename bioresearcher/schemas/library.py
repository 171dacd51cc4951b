"""The evidence graph of a run, the shared library as `library --json` prints it, and answered questions.

The evidence graph links protocol steps to report steps and passages, and papers to the steps that depend on them. An
answered question is a line of `questions.jsonl`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Origin, Usage, Value
from bioresearcher.schemas.paper import Evidence, Failure, Paper, Section, SectionKind, Status


class StepGround(Value):
    """A passage that supports a protocol step, with the report step that was read from it."""

    paper_id: str
    report_step: str = Field(description="the report's step, `<part>.<number>`")
    section: str
    page: int | None = None
    start: int
    end: int


class StepBasis(Value):
    """A protocol step with its evidence; without grounds and facts it is unsupported."""

    step_id: str
    title: str
    grounds: tuple[StepGround, ...]
    uses: tuple[str, ...] = Field(description="earlier steps whose outputs it needs")
    tasks: tuple[str, ...] = Field(description="tasks that carry it out")
    facts: tuple[str, ...] = Field(default=(), description="facts about the data that support it")


class PaperUse(Value):
    """A paper with the steps taken from it and the steps and tasks that depend on it."""

    paper_id: str
    title: str
    status: str
    basis: str = Field(default="", description="what was read of it: full text, abstract, a note")
    report_steps: tuple[str, ...] = Field(description="steps read from it, as far as a quote supports them")
    quotes: int
    taken: tuple[str, ...] = Field(description="of these, the steps that the protocol learnt from")
    protocol_steps: tuple[str, ...]
    tasks: tuple[str, ...] = Field(description="tasks that carry out those steps")


class EvidenceGraph(Value):
    """Evidence of a run: from each protocol step to passages, and from each paper to steps and tasks."""

    steps: tuple[StepBasis, ...]
    papers: tuple[PaperUse, ...]


class StepLoss(Value):
    """Effect of the loss of papers on a step.

    `falls`: no evidence is left. `follows`: it needs the output of a step that falls. `weakened`: some is lost.
    """

    step_id: str
    title: str
    effect: Literal["falls", "follows", "weakened"]
    lost: tuple[str, ...] = Field(description="lost papers that supported it")
    left: tuple[str, ...] = Field(description="papers that still support it")
    through: tuple[str, ...] = Field(default=(), description="fallen steps whose outputs it needs")


class Without(Value):
    """A protocol without some of its papers; unaffected steps are not listed."""

    papers: tuple[str, ...]
    steps: tuple[StepLoss, ...]
    tasks: tuple[str, ...] = Field(description="tasks that carry out a step that falls or follows")

    def having(self, effect: str) -> tuple[StepLoss, ...]:
        """Select the steps with an effect, in the protocol's order."""
        return tuple(s for s in self.steps if s.effect == effect)


class LibraryEntry(Value):
    """A paper of the library with the properties of its stored text."""

    paper: Paper
    kind: Literal["jats", "pdf", "note", "record"] = Field(description="what the text was read from; record: abstract")
    characters: int
    pages: int | None = Field(description="None when the source has no pages")
    passages: int


class LibraryHit(Value):
    """A passage found by `library search`; `start` and `end` are characters of the paper's text."""

    score: float = Field(description="orders the hits, 0 to 1: 0.6 meaning, 0.4 words")
    dense: float = Field(description="cosine similarity to the query; after 16 hits by the coarser static vectors")
    lexical: float = Field(description="BM25 score")
    paper: str = Field(description="the paper's id")
    title: str
    section: str
    kind: SectionKind
    page: int | None
    start: int
    end: int
    text: str


class RunUse(Value):
    """Use of a paper in one run."""

    run: str = Field(description="name of the run folder")
    use: PaperUse


class LibraryShown(Value):
    """One paper: its text in the library (None when only runs have it), and its use in the runs."""

    paper: Paper
    entry: LibraryEntry | None
    sections: tuple[Section, ...] = ()
    warnings: tuple[str, ...] = ()
    uses: tuple[RunUse, ...] = ()


class LibraryChange(Value):
    """Result of `library add` or `library remove`."""

    added: tuple[LibraryEntry, ...] = ()
    unchanged: tuple[str, ...] = Field(default=(), description="ids of papers whose text was already there")
    removed: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()


class Citation(Value):
    """A quote that supports an answer, located in its paper."""

    number: int = Field(ge=1, description="as in the answer's sentences")
    paper_id: str
    title: str = Field(description="the paper's title without withheld passages")
    year: int | None = None
    status: Status = Field(default="unknown", description="whether the paper was retracted")
    basis: str = Field(default="", description="what was read of it: full text, abstract, a note")
    evidence: Evidence


class AnswerSentence(Value):
    """A sentence of an answer; every one has a citation."""

    text: str
    citations: tuple[int, ...] = Field(min_length=1, description="numbers of the quotes that support it")
    new_words: tuple[str, ...] = Field(default=(), description="its words that are in none of these quotes")


class LeftOut(Value):
    """A sentence of a model's answer that its quotes do not support."""

    text: str
    reason: str


class SeenPassages(Value):
    """A section of a paper of which passages were read for an answer."""

    paper_id: str
    section: str
    pages: tuple[int, ...] = Field(default=(), description="pages they begin on; empty when the source has none")
    passages: int = Field(ge=1)


class LibraryAnswer(Value):
    """A question and its answer from the run's papers."""

    number: int = Field(ge=1, description="1 for the run's first question")
    time: str
    question: str
    in_library: bool = Field(description="false: the run's papers do not answer it")
    sentences: tuple[AnswerSentence, ...] = ()
    citations: tuple[Citation, ...] = ()
    left_out: tuple[LeftOut, ...] = Field(default=(), description="sentences without a located quote")
    quotes: int = Field(default=0, description="quotes in the model's answer")
    quotes_located: int = Field(default=0, description="of these, located in the run's papers")
    papers: int = Field(default=0, description="papers that were searched")
    passages: int = Field(default=0, description="passages that the backend was given")
    looked_at: tuple[SeenPassages, ...] = Field(default=(), description="where these passages stand, closest first")
    notes: tuple[str, ...] = Field(default=(), description="remarks for the person, in sentences")
    origin: Origin
    answered_by: str = Field(default="", description="the model, or `offline`")
    usage: Usage = Field(default=Usage(), description="use of models for this answer; none when it was recorded before")
