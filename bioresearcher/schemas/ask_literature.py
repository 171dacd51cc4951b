"""Inputs and answers of the prompts of the search agent and the literature agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from bioresearcher.schemas.base import SENTENCE, Objective, Value
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.paper import Paper, Passage, SearchQuery, SectionKind
from bioresearcher.schemas.paper_report import PaperReport, Parameter


class OutlineSection(Value):
    """A section of a paper as a prompt shows it."""

    number: int
    title: str
    kind: SectionKind
    opening: str = Field(description="its first sentence or two")


class OutlinePaperInput(Value):
    """Input of `literature/outline_paper`."""

    droppable: ClassVar[Mapping[str, int]] = {"sections": 1}

    objective: Objective
    title: str
    abstract: str
    sections: tuple[OutlineSection, ...]


class OutlinedPart(Value):
    """An experiment or analysis of the paper and where it is described."""

    title: str = Field(description="what was done, as a noun phrase")
    purpose: str = Field(description="why, in one sentence", json_schema_extra=SENTENCE)
    sections: tuple[int, ...] = Field(description="numbers of the sections that describe it or its results")


class PaperOutline(Value):
    """The paper's experiments, in the order in which they build on each other."""

    parts: tuple[OutlinedPart, ...]


class ReportPartInput(Value):
    """Input of `literature/report_part`."""

    droppable: ClassVar[Mapping[str, int]] = {"passages": 1}

    objective: Objective
    paper_title: str
    part: OutlinedPart
    passages: tuple[Passage, ...]


class ResultDraft(Value):
    """A result with the words that state it."""

    text: str
    quote: str = Field(description="copied letter by letter from one passage", json_schema_extra=SENTENCE)


class ReportStepDraft(Value):
    """One step of a part."""

    action: str = Field(description="what was done, as an imperative clause", json_schema_extra=SENTENCE)
    details: str = Field(description="how, with everything needed to repeat it; only what the passages state")
    parameters: tuple[Parameter, ...] = ()
    datasets: tuple[str, ...] = Field(default=(), description="accessions or names as written")
    software: tuple[str, ...] = Field(default=(), description="name and version as written")
    quotes: tuple[str, ...] = Field(description="one to three sentences copied letter by letter from the passages")
    results: tuple[ResultDraft, ...] = ()


class PartDraft(Value):
    """The steps of one part."""

    steps: tuple[ReportStepDraft, ...]


class JudgeReferabilityInput(Value):
    """Input of `literature/judge_referability`."""

    objective: Objective
    report: PaperReport
    datasets: tuple[str, ...] = Field(description="the data sets at hand: id and title")


class PartAnswers(Value):
    """Closed questions about one part; the level is computed from them."""

    part_id: str
    same_question: bool = Field(description="Does the part pursue a question the objective needs answered?")
    same_kind_of_data: bool = Field(description="Can its method be applied to the kind of data at hand?")
    reusable_steps: bool = Field(description="Are its steps described well enough to be repeated?")
    feasible: bool = Field(description="Can it be done under the given conditions?")
    reuse: str = Field(description="what to take over, in one sentence", json_schema_extra=SENTENCE)
    change: str = Field(description="what must be different here, in one sentence", json_schema_extra=SENTENCE)
    reason: str = Field(description="what decided, in one sentence", json_schema_extra=SENTENCE)

    @property
    def level(self) -> Literal["low", "medium", "high"]:
        """`high` with four yes answers, `medium` with three, else `low`; never above `low` for another question."""
        yes = sum((self.same_question, self.same_kind_of_data, self.reusable_steps, self.feasible))
        if not self.same_question or yes <= 2:
            return "low"
        return "high" if yes == 4 else "medium"


class ReferabilityDraft(Value):
    """Answers for every part of a report."""

    parts: tuple[PartAnswers, ...]


class AnswerQuestionInput(Value):
    """Input of `literature/answer_question`."""

    droppable: ClassVar[Mapping[str, int]] = {"passages": 1}

    question: str
    passages: tuple[Passage, ...] = Field(description="the closest first")


class SentenceDraft(Value):
    """One sentence of an answer with the words it stands on."""

    text: str = Field(description="one statement of the passages, in English", json_schema_extra=SENTENCE)
    quotes: tuple[str, ...] = Field(description="one to three sentences copied letter by letter from the passages")


class AnswerDraft(Value):
    """An answer from the passages alone; `in_library` is false and there is no sentence when they hold none."""

    in_library: bool = Field(description="Do the passages answer the question?")
    sentences: tuple[SentenceDraft, ...] = ()


class PlanQueriesInput(Value):
    """Input of `search/plan_queries`."""

    objective: Objective
    round: int = Field(description="1 for the first round")
    previous: tuple[SearchQuery, ...] = Field(description="queries already asked")
    known_titles: tuple[str, ...] = Field(description="titles of relevant papers found so far")


class ScreenPaperInput(Value):
    """Input of `search/screen_paper`."""

    objective: Objective
    paper: Paper
    relevance: float = Field(description="cosine similarity of title and abstract to the objective, 0 to 1")


class JudgeDatasetInput(Value):
    """Input of `search/judge_dataset`."""

    objective: Objective
    dataset: Dataset


class DatasetAnswers(Value):
    """Closed questions about one data set."""

    right_condition: bool = Field(description="Are its samples from the objective's disease or condition?")
    right_measure: bool = Field(description="Does it measure what the objective needs?")
    right_groups: bool = Field(description="Does it hold the groups or outcomes to be compared, or is it a reference?")
    quote: str = Field(
        description="words copied from the description on which the answers rest", json_schema_extra=SENTENCE
    )
    reason: str = Field(description="one sentence, naming what decided", json_schema_extra=SENTENCE)


class OpenReading(Value):
    """A statement about a column on which a result depends, and of which the rules are not sure."""

    number: int
    file: str
    column: str
    says: str
    reason: str
    line: str = Field(description="the line that would settle it; … stands for what only the data's source knows")


class ColumnValues(Value):
    """Some values of a column of texts that is not described by its levels."""

    file: str
    column: str
    values: tuple[str, ...]


class DescribeDataInput(Value):
    """Input of `search/describe_data`: what rules could not read for sure."""

    objective: Objective
    dataset: Dataset
    values: tuple[ColumnValues, ...] = ()
    open: tuple[OpenReading, ...]


class ReadingProposal(Value):
    """A line that settles an open reading; every name and level in it is checked against the data."""

    number: int = Field(description="number of the reading")
    reason: str = Field(description="the words of the description that say so", json_schema_extra=SENTENCE)
    certainty: Literal["high", "low"]
    line: str = Field(description="one line, key = value, with the key of the line that was shown")


class ReadingProposals(Value):
    """Proposals for the readings that the description settles; none for the others."""

    readings: tuple[ReadingProposal, ...]
