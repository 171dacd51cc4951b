"""Facts about data that shape a design, the proposals that follow from them, and looks at data without outcomes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Value
from bioresearcher.schemas.paper import Evidence

FactKind = Literal[
    "identifiers",
    "text",
    "contradiction",
    "repeats",
    "filled values",
    "missingness",
    "scale",
    "batch",
    "sample kinds",
    "outcome",
    "follow-up",
    "gene sets",
    "not there",
    "look",
]


class FactNumber(Value):
    """A number of a fact, by name; `unit` is empty for counts."""

    name: str
    value: float
    unit: str = ""


class Fact(Value):
    """Something about the data that a protocol must take into account, with the rows behind it."""

    id: str = Field(description="`F1`, `F2`, … over all data sets of a run")
    kind: FactKind
    dataset: str = Field(description="id of the data set")
    statement: str = Field(description="one or two sentences with every number that matters")
    numbers: tuple[FactNumber, ...] = ()
    rows: tuple[str, ...] = Field(default=(), description="samples, features or columns behind it, at most 40")
    row_count: int = Field(default=0, description="how many there are in all")
    consequence: str = Field(default="", description="the decision of a design that it bears on")
    weight: Literal[1, 2, 3] = Field(default=1, description="3 can turn a result round, 2 shapes a step, 1 is a note")
    shown_by: str = Field(description="the audit's function, or the id of the look that showed it")


class Proposal(Value):
    """A preparation of a data set that facts suggest; a protocol takes it up or says why not."""

    id: str = Field(description="`P1`, `P2`, … over all data sets of a run")
    dataset: str
    kind: Literal["leave out samples", "treat as missing", "add column"]
    what: str = Field(description="one sentence, with counts")
    reason: str
    facts: tuple[str, ...] = Field(description="ids of the facts it follows from")
    samples: tuple[str, ...] = Field(default=(), description="samples concerned, all of them")
    values: tuple[float, ...] = Field(default=(), description="treat as missing: the filled-in value of each sample")
    column: str = Field(default="", description="add column: its name")
    levels: tuple[str, ...] = Field(default=(), description="add column: the value of each of `samples`")


class Audit(Value):
    """The audit of all data sets of a run."""

    facts: tuple[Fact, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    notes: tuple[str, ...] = Field(default=(), description="what could not be looked at, and why")


class ViewFile(Value):
    """A file of a view, as CSV; its columns with their kinds and levels are its description."""

    name: str
    rows: int
    columns: tuple[str, ...] = Field(description="names; of a matrix only the first eight")
    n_columns: int
    what: str = Field(description="what a row and a column are, in words")
    source: str = Field(default="", description="name of the data set's file that it was made of, where it is one")


class View(Value):
    """A true copy of a data set without the link to the outcome, to look at before the plan is registered."""

    id: str = Field(description="`<data set>/open`, `<data set>/outcome` or `<data set>/design`")
    dataset: str
    kind: Literal["open", "outcome", "design"]
    files: tuple[ViewFile, ...]
    withheld: tuple[str, ...] = Field(default=(), description="what is not in it, each with the reason, in words")
    beside: tuple[str, ...] = Field(default=(), description="gene sets and tables of genes that every look can read")
    digest: str = Field(description="sha256 over its files")


class PassageRead(Value):
    """A passage of a paper that an author asked for and read; a citation names it by its id."""

    id: str = Field(description="`Q1`, `Q2`, … over all papers of a run")
    query: str
    evidence: Evidence


class LookRecord(Value):
    """A look: a small read-only script on a view, and what it showed."""

    id: str = Field(description="`L1`, `L2`, …; the reviewer's are `V1`, `V2`, …")
    by: Literal["designer", "reviewer"]
    round: int
    why: str
    view: str
    code: str
    shown: str = Field(description="exactly what the model saw")
    exit_code: int | None = None
    killed: str = Field(default="", description="the limit that ended it; empty otherwise")
    bytes_seen: int = 0
    refused: str = Field(default="", description="why it was not run; empty when it was")
