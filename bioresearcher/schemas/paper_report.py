"""Paper reports: what was read from a paper in a standard form, and its referability."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Origin, Value
from bioresearcher.schemas.paper import Evidence


class Parameter(Value):
    """A named value; `unit` is empty when the value has none or the source states none."""

    name: str
    value: str
    unit: str = ""


Level = Literal["low", "medium", "high"]
MentionKind = Literal["accession", "software", "gene", "number", "test", "cohort"]


class Mention(Value):
    """Something a paper states literally, found by rule; `start` and `end` are positions in its canonical text."""

    kind: MentionKind
    name: str
    value: str = Field(default="", description="the version of software, the value of a number, the size of a cohort")
    unit: str = ""
    section: str
    start: int
    end: int
    times: int = Field(default=1, description="how often the paper states it")
    steps: tuple[str, ...] = Field(default=(), description="the report's steps that contain it")


class Suspect(Value):
    """A passage that addresses a model instead of a reader; it was withheld from the reading."""

    reason: str
    text: str = Field(description="its first characters")
    section: str = ""
    start: int | None = Field(default=None, description="place in the canonical text; None for title and abstract")


class Statement(Value):
    """A sentence with the quotes that support it."""

    text: str
    evidence: tuple[Evidence, ...] = ()


class ReportStep(Value):
    """One step of an experiment as the paper describes it."""

    id: str = Field(description="`<part>.<number>`, e.g. `2.1`")
    action: str = Field(description="what was done, as an imperative clause")
    details: str = ""
    parameters: tuple[Parameter, ...] = ()
    datasets: tuple[str, ...] = Field(default=(), description="accessions or names the step used")
    software: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = Field(default=(), description="the quotes that support the step")
    results: tuple[Statement, ...] = ()
    supported: bool = Field(description="whether at least one quote was located")
    genes: tuple[str, ...] = Field(default=(), description="approved symbols (HGNC) in its quotes and results")
    tests: tuple[str, ...] = Field(default=(), description="statistical tests and models named in its quotes")
    cohorts: tuple[str, ...] = Field(default=(), description="sizes of groups stated in its quotes")
    unquoted: tuple[str, ...] = Field(default=(), description="numbers it gives that its quotes do not hold")


class ReportPart(Value):
    """One experiment or analysis of a paper."""

    id: str
    title: str
    purpose: str = ""
    steps: tuple[ReportStep, ...]


class PaperReport(Value):
    """Report of a paper: its experiments and analyses as steps with quotes."""

    paper_id: str
    title: str
    parts: tuple[ReportPart, ...]
    quotes: int = Field(description="quotes offered by the reader")
    quotes_located: int = Field(description="of these, found in the document")
    dropped: tuple[str, ...] = Field(default=(), description="quotes that could not be found, as offered")
    suspicious: tuple[str, ...] = Field(default=(), description="passages that look like instructions to a model")
    suspects: tuple[Suspect, ...] = Field(
        default=(), description="these passages, with the reason why they were withheld"
    )
    mined: tuple[Mention, ...] = Field(default=(), description="statements of the paper found by rule")
    origin: Origin


class PartReferability(Value):
    """Referability of one part of a report: how well it can be reused for the objective."""

    part_id: str
    level: Level
    reason: str
    reuse: str = Field(description="what to take over")
    change: str = Field(description="what must be different here")
    datasets: tuple[str, ...] = Field(default=(), description="data sets of the part that carry over")


class ReferabilityAnalysis(Value):
    """Referability of every part of one paper, and of the paper as a whole: that of its best part."""

    paper_id: str
    parts: tuple[PartReferability, ...]
    origin: Origin
    level: Level = "low"
    reason: str = Field(default="", description="how many parts are of which level, and which is best")
    datasets: tuple[str, ...] = Field(default=(), description="data sets that carry over, of all parts")
