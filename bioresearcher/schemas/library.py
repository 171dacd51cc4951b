"""The shared library as `bioresearcher library --json` prints it.

A question to a run's library with what was answered: a line of `questions.jsonl`.

What stands on what: protocol steps on report steps on passages, and papers under the steps that would fall.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Origin, Usage, Value
from bioresearcher.schemas.paper import Evidence, Failure, Paper, Section, SectionKind, Status


class StepGround(Value):
    """A passage that a step stands on, by the report step that was read from it."""

    paper_id: str
    report_step: str = Field(description="the report's step, `<part>.<number>`")
    section: str
    page: int | None = None
    start: int
    end: int


class StepBasis(Value):
    """A protocol step with all it stands on; no grounds means that it is unsupported."""

    step_id: str
    title: str
    grounds: tuple[StepGround, ...]
    uses: tuple[str, ...] = Field(description="earlier steps whose outputs it needs")
    tasks: tuple[str, ...] = Field(description="tasks that carry it out")


class PaperUse(Value):
    """A paper with what was taken from it and what stands on it."""

    paper_id: str
    title: str
    status: str
    report_steps: tuple[str, ...] = Field(description="steps read from it, as far as a quote supports them")
    quotes: int
    taken: tuple[str, ...] = Field(description="of these, the steps that the protocol learnt from")
    protocol_steps: tuple[str, ...]
    tasks: tuple[str, ...] = Field(description="tasks that carry out those steps")


class EvidenceGraph(Value):
    """Both directions: from each protocol step down to passages, and from each paper up to steps and tasks."""

    steps: tuple[StepBasis, ...]
    papers: tuple[PaperUse, ...]


class StepLoss(Value):
    """What the loss of papers does to a step.

    `falls`: no ground is left. `follows`: it needs the output of a step that falls. `weakened`: it loses some grounds.
    """

    step_id: str
    title: str
    effect: Literal["falls", "follows", "weakened"]
    lost: tuple[str, ...] = Field(description="papers it stood on that are gone")
    left: tuple[str, ...] = Field(description="papers it still stands on")
    through: tuple[str, ...] = Field(default=(), description="fallen steps whose outputs it needs")


class Without(Value):
    """A protocol without some of its papers; steps that are not touched are not listed."""

    papers: tuple[str, ...]
    steps: tuple[StepLoss, ...]
    tasks: tuple[str, ...] = Field(description="tasks that carry out a step that falls or follows")

    def having(self, effect: str) -> tuple[StepLoss, ...]:
        """The steps of one effect, in the protocol's order."""
        return tuple(s for s in self.steps if s.effect == effect)


class LibraryEntry(Value):
    """A paper of the library and the text that is stored of it."""

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
    """What stands on a paper in one run."""

    run: str = Field(description="name of the run folder")
    use: PaperUse


class LibraryShown(Value):
    """One paper: its text in the library (None when only runs know it), and what stands on it in the runs."""

    paper: Paper
    entry: LibraryEntry | None
    sections: tuple[Section, ...] = ()
    warnings: tuple[str, ...] = ()
    uses: tuple[RunUse, ...] = ()


class LibraryChange(Value):
    """What `library add` or `library remove` did."""

    added: tuple[LibraryEntry, ...] = ()
    unchanged: tuple[str, ...] = Field(default=(), description="ids of papers whose text was already there")
    removed: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()


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
