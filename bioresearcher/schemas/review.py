"""Findings of checks, reviews with metrics and verdict, and the agreement of raters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import SENTENCE, Origin, Value
from bioresearcher.schemas.judgement import Judgement
from bioresearcher.schemas.protocol import AnsweredFinding, Consequence

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

    metrics: dict[MetricName, Metric] = Field(
        description="empty when nobody judged: a foreign document without a model"
    )
    findings: tuple[CheckFinding, ...] = ()
    verdict: Literal["pass", "revise", "fail", "not judged"]
    summary: str = ""
    origin: Origin
    judgement: Judgement | None = Field(default=None, description="a model's review of a document from elsewhere")

    @property
    def judged(self) -> bool:
        """True if there are scores."""
        return bool(self.metrics)

    @property
    def mean_score(self) -> float | None:
        """Mean of the metrics that were scored, 1 to 5; None where none was."""
        return sum(m.score for m in self.metrics.values()) / len(self.metrics) if self.metrics else None


class RankedFinding(Value):
    """A finding of the reviewer on a protocol, or an error of a check as its author is shown it."""

    id: str = Field(description="`A1`, `A2`, …; an error of a check is `C1`, `C2`, …")
    location: str = Field(description="e.g. `step 2.1`, `decision rule`, `protocol`")
    statement: str = Field(default="", description="the protocol's words it is about, copied")
    problem: str = Field(description="what is wrong, and what would follow from it")
    consequence: Consequence
    shown_by: str = Field(default="", description="look or fact id that shows it; empty for reasoning alone")
    contradicts: str = Field(default="", description="id of the fact that the problem contradicts; empty: none")
    do: str = Field(description="what the author can do about it")


class DisputedCheck(Value):
    """A finding of a check that the reviewer holds to be wrong here."""

    check: str = Field(description="its id as listed, e.g. `C3`")
    why: str = Field(description="why it does not hold for this protocol", json_schema_extra=SENTENCE)


class DraftReview(Value):
    """A version of a protocol in its review: findings on it, and the author's answers, which made the next version."""

    draft: str = Field(description="what was reviewed, e.g. `protocol`")
    round: int = Field(description="1 for the first version")
    score: float | None = Field(default=None, description="yes answers of five; only in runs of earlier versions")
    weight: int | None = Field(
        default=None, description="findings against this version, weighted by consequence; None in earlier versions"
    )
    judged: bool = Field(default=True, description="whether a model judged this version; else only checks did")
    passed: bool = Field(description="no error of a check and no finding of the two gravest kinds is left")
    findings: tuple[CheckFinding, ...] = Field(description="of checks")
    ranked: tuple[RankedFinding, ...] = Field(default=(), description="the reviewer's, the gravest first")
    disputed: tuple[str, ...] = Field(default=(), description="findings of checks that the reviewer disputes, with why")
    answers: tuple[AnsweredFinding, ...] = Field(default=(), description="the author's, one per finding handed over")
    reason: str = Field(description="the result in a sentence")
    notes: tuple[str, ...] = Field(default=(), description="what of an answer could not be used, and why")
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
