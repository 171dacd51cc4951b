"""The way of a number: sentences of the answer, finding, cell of a table, script, analysis set, and input files."""

from __future__ import annotations

from pydantic import Field

from bioresearcher.schemas.base import Value


class TracedSentence(Value):
    """A sentence of the answer that holds the number and rests on the finding."""

    question: str
    text: str


class TracedCell(Value):
    """A cell of an output table that holds the number."""

    file: str = Field(description="path in the run folder")
    row: int = Field(description="1 for the first row below the header")
    row_name: str
    column: str
    value: str = Field(description="as the table has it, before rounding for the statement")


class TracedLine(Value):
    """A line of a script that names the column or key of the number, or writes its file."""

    file: str = Field(description="path in the run folder")
    line: int
    text: str
    why: str


class TracedInput(Value):
    """A file that the task read, directly or through an earlier task."""

    name: str
    file: str = Field(description="data set and file, or task and output")
    sha256: str
    kept: str = Field(default="", description="path of the copy in the run folder; empty when there is none")
    state: str = Field(description="`unchanged`, `changed` or `not in the run folder`")
    through: str = Field(default="", description="the earlier task that read it, where this one did not itself")


class TracedSet(Value):
    """The rows on which a finding rests."""

    id: str
    population: str
    flow: str = Field(description="from all rows to those that were analysed, in words")


class TracedPlace(Value):
    """One place where the number stands, with the way to it.

    `finding` is empty where only a table holds the number; `exact` is the number before rounding, where it is kept.
    """

    finding: str = Field(default="", description="`T9.1`")
    task: str
    title: str
    outcome: str
    statement: str = ""
    keys: tuple[str, ...] = Field(default=(), description="names of the number among the finding's values")
    exact: tuple[float, ...] = ()
    sentences: tuple[TracedSentence, ...] = ()
    cells: tuple[TracedCell, ...] = ()
    more_cells: int = Field(default=0, description="further cells of the task's tables that round to the number")
    lines: tuple[TracedLine, ...] = ()
    sets: tuple[TracedSet, ...] = ()
    inputs: tuple[TracedInput, ...] = ()


class NearMiss(Value):
    """A number of the run that is near the one that was asked for."""

    text: str
    value: float
    place: str
    difference: str = Field(description="in words")


class NumberTrace(Value):
    """Places of a number in a run, those with a finding first; near misses only where there is none."""

    run_id: str
    asked: str
    values: tuple[float, ...]
    places: tuple[TracedPlace, ...] = ()
    flows: tuple[TracedSet, ...] = Field(default=(), description="analysis sets with that many rows, pairs or events")
    left_out: int = Field(default=0, description="further places, in tables only")
    near: tuple[NearMiss, ...] = ()
