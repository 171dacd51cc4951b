"""A paper read into a standardised experimental report, and how far it can be reused."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Origin, Value
from bioresearcher.schemas.passage import Evidence


class Parameter(Value):
    """A named value; `unit` is empty when the value has none or the source states none."""

    name: str
    value: str
    unit: str = ""


class Statement(Value):
    """A sentence with the quotes it stands on."""

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
    evidence: tuple[Evidence, ...] = Field(default=(), description="the quotes the step stands on")
    results: tuple[Statement, ...] = ()
    supported: bool = Field(description="whether at least one quote was located")


class ReportPart(Value):
    """One experiment or analysis of a paper."""

    id: str
    title: str
    purpose: str = ""
    steps: tuple[ReportStep, ...]


class Report(Value):
    """A paper's experimental report."""

    paper_id: str
    title: str
    parts: tuple[ReportPart, ...]
    quotes: int = Field(description="quotes offered by the reader")
    quotes_located: int = Field(description="of these, found in the document")
    dropped: tuple[str, ...] = Field(default=(), description="quotes that could not be found, as offered")
    suspicious: tuple[str, ...] = Field(default=(), description="passages that look like instructions to a model")
    origin: Origin


class PartReferability(Value):
    """How far one part of a report can be reused for the objective."""

    part_id: str
    level: Literal["low", "medium", "high"]
    reason: str
    reuse: str = Field(description="what to take over")
    change: str = Field(description="what must be different here")


class Analysis(Value):
    """Referability of every part of one paper."""

    paper_id: str
    parts: tuple[PartReferability, ...]
    origin: Origin
