"""Findings of checks, reviews with metrics and verdict, and the agreement of raters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Origin, Value

Severity = Literal["error", "warning", "note"]
MetricName = Literal["completeness", "level_of_detail", "correctness", "logical_soundness", "structural_soundness"]
METRICS: tuple[MetricName, ...] = (
    "completeness",
    "level_of_detail",
    "correctness",
    "logical_soundness",
    "structural_soundness",
)


class CheckFinding(Value):
    """Finding of a deterministic check."""

    gate: str = Field(description="stable id, e.g. `G-REF-01`")
    severity: Severity
    location: str = Field(description="e.g. `step 2.1`, `part 3`, `protocol`")
    message: str
    suggestion: str = ""


class Metric(Value):
    """A score with its evidence."""

    score: float = Field(ge=1, le=5)
    evidence: tuple[str, ...] = Field(description="words of the protocol, or measured features")
    reason: str
    places: tuple[str, ...] = Field(
        default=(), description="where each evidence of a reviewer stands, e.g. `step 2.1`; empty when computed by rule"
    )


class Review(Value):
    """A review of a whole protocol."""

    metrics: dict[MetricName, Metric]
    findings: tuple[CheckFinding, ...] = ()
    verdict: Literal["pass", "revise", "fail"]
    summary: str = ""
    origin: Origin

    @property
    def mean_score(self) -> float:
        """Mean of the five metrics, 1 to 5."""
        return sum(m.score for m in self.metrics.values()) / len(self.metrics)


class DraftJudgement(Value):
    """The reviewer's answer on one draft in the loop; the score 0–5 is computed from the answers."""

    answers_objective: bool = Field(description="Does the draft serve the objective?")
    complete: bool = Field(description="Is everything there that this level needs?")
    specific: bool = Field(description="Is it specific enough to act on, without vague words?")
    consistent: bool = Field(description="Is it free of contradictions, and is the order possible?")
    grounded: bool = Field(description="Does it use only data sets, papers and steps that were given?")
    quote: str = Field(description="the words of the draft that most need work, copied; empty if none")
    reason: str = Field(description="one or two sentences on what to change")

    @property
    def score(self) -> int:
        """Number of yes answers."""
        return sum((self.answers_objective, self.complete, self.specific, self.consistent, self.grounded))


class DraftReview(Value):
    """One round of `reviewed()`."""

    draft: str = Field(description="what was reviewed, e.g. `headings`, `part 2`")
    round: int
    score: float
    passed: bool
    findings: tuple[CheckFinding, ...]
    reason: str
    kept: bool = False
    stopped: str = Field(default="", description="on the last round: the reason to stop")


Level = Literal["nominal", "ordinal", "interval"]


class Coefficient(Value):
    """One coefficient; `value` is None when it is not defined, and `why` gives the reason."""

    value: float | None
    low: float | None = Field(default=None, description="lower end of the 95 % bootstrap interval over items")
    high: float | None = None
    why: str = ""


class Stratum(Value):
    """The coefficients over the items whose human labels are equally uncertain."""

    name: str
    items: int
    share: float = Field(ge=0, le=1, description="of all items")
    alpha_hh: Coefficient = Field(description="Krippendorff's alpha among people")
    alpha_hm: Coefficient = Field(description="Krippendorff's alpha of people's aggregated label with the machine's")
    kappa_hh: Coefficient = Field(description="Randolph's kappa among people")
    kappa_hm: Coefficient
    jsd: float | None = Field(description="binned Jensen-Shannon distance of the machine's labels from people's")


class Bin(Value):
    """The items with one aggregated human label, and their labels by people and by the machine."""

    label: str
    items: int
    weight: float
    human: tuple[float, ...] = Field(description="share of each label, in the order of the scale")
    machine: tuple[float, ...]
    jsd: float | None = Field(description="Jensen-Shannon distance, 0 to 0.8326; None when the bin is empty")


class Agreement(Value):
    """Result of `bioresearcher review agreement`."""

    level: Level
    labels: tuple[str, ...] = Field(description="the scale, in order")
    items: int
    raters: int
    machines: int = Field(description="machine labels per item at most")
    strata: tuple[Stratum, ...] = Field(description="all items first, then by number of different human labels")
    bins: tuple[Bin, ...]
    jsd_people: float | None = Field(
        description="the same distance with each person in turn held against the others, averaged over people"
    )
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
