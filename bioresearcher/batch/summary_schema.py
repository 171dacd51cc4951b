"""What a batch's summary and a comparison of two say; published as JSON Schemas."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Value

SUMMARY_FORMAT = 1

Measure = Literal[
    "execution", "verified", "completeness", "level_of_detail", "correctness", "logical_soundness",
    "structural_soundness", "tokens", "cost_usd", "wall_s",
]  # fmt: skip
"""`execution` and `verified` are shares of a protocol's tasks; the next five are the review's scores, 1 to 5."""


class Method(Value):
    """How intervals and p-values were made."""

    interval: str = "percentile bootstrap"
    level: float = 0.95
    resamples: int
    seed: int
    test: str = ""


class Figure(Value):
    """A number over `n` units with its interval; all are null when it is not known."""

    value: float | None
    low: float | None = Field(default=None, description="of the interval; null with fewer than two units")
    high: float | None = None
    n: int = Field(description="units it is over: runs of an objective, or objectives")


class Row(Value):
    """One objective over its runs, or all objectives.

    `figures` are over runs for an objective (shares of tasks: all its runs' tasks together), and means of the
    objectives' values for all of them. Runs without an outcome are in `not_begun` and in nothing else; a run counts
    with what it has, also when it failed or stopped. One without tasks has no shares, one without a review no scores,
    and what a run cost is unknown when one of its calls has no price.
    """

    id: str
    runs: int = Field(description="asked for")
    done: int
    failed: int
    stopped: int
    not_begun: int
    tasks: int
    exit_ok: int = Field(description="tasks that ended with exit code 0")
    verified: int = Field(description="tasks with verified outputs")
    outcomes: dict[str, int] = Field(description="rung of the outcome ladder -> tasks")
    figures: dict[Measure, Figure]
    tokens: int = Field(description="of all runs, in and out")
    cost_usd: float | None = Field(description="of all runs; null: not known")
    wall_s: float = Field(description="of all runs")
    cost_per_verified_usd: float | None = Field(description="null: cost not known, or nothing verified")


class Summary(Value):
    """`summary.json` of a batch folder."""

    format: int = SUMMARY_FORMAT
    name: str
    started: str
    continued: str
    method: Method
    overall: Row
    objectives: tuple[Row, ...]
    notes: tuple[str, ...] = ()


class Difference(Value):
    """How B differs from A in one measure: the mean of the units' differences, B minus A."""

    measure: Measure
    a: float | None = Field(description="mean of A over the same units")
    b: float | None
    difference: Figure
    more: int = Field(description="units where B has more")
    less: int
    same: int
    p: float | None = Field(description="of the sign-flip test, two-sided; null with fewer than two units")


class Comparison(Value):
    """Two batches, paired by objective and repeat."""

    format: int = SUMMARY_FORMAT
    a: str
    b: str
    unit: Literal["objective", "run"] = Field(description="what is resampled and flipped")
    pairs: int
    objectives: int = Field(description="with at least one pair")
    method: Method
    differences: tuple[Difference, ...]
    only_a: tuple[str, ...] = Field(description="ID #REPEAT that only A has an outcome of")
    only_b: tuple[str, ...]
    changed: tuple[str, ...] = Field(description="ids that are not the same objective in both: text, inputs, settings")
    notes: tuple[str, ...] = ()
