"""Inputs and answers of the reviewer's prompts on a document from elsewhere."""

from __future__ import annotations

from pydantic import Field

from bioresearcher.schemas.base import SENTENCE, Value
from bioresearcher.schemas.judgement import ConclusionCheck, Confidence, DocumentKind, ItemAnswer, JudgedFinding
from bioresearcher.schemas.protocol import Consequence
from bioresearcher.schemas.review import MetricName


class Item(Value):
    """A question of a checklist."""

    id: str
    question: str


class CheckClaim(Value):
    """A finding of a check, as a claim that may be disputed."""

    id: str = Field(description="`C1`, `C2`, …")
    check: str
    location: str
    message: str


class JudgeDocumentInput(Value):
    """Input of `reviewer/judge_document`."""

    title: str
    kind: DocumentKind
    kind_fixed: bool = Field(description="whether the kind was given and is not to be questioned")
    questions: tuple[str, ...]
    items: tuple[Item, ...]
    metrics: tuple[str, ...] = Field(description="names of the metrics with their questions")
    claims: tuple[CheckClaim, ...]
    piece: int
    pieces: int
    outline: str = Field(description="headings of the whole document, when it is shown in pieces")
    carried: str = Field(description="the reviewer's own notes on earlier pieces")
    found: tuple[str, ...] = Field(description="findings on earlier pieces")
    text: str = Field(description="the piece of the document, in full")
    most: int


class GivenFinding(Value):
    """A finding as the reviewer gives it."""

    location: str
    quote: str
    problem: str
    why: str = Field(json_schema_extra=SENTENCE)
    consequence: Consequence
    mend: str
    confidence: Confidence


class GivenAnswer(Value):
    """An answer to an item of a checklist."""

    item: str
    answer: ItemAnswer
    quote: str = ""


class GivenScore(Value):
    """A score of a metric; None is `not assessable`."""

    metric: MetricName
    score: float | None = Field(default=None, ge=1, le=5)
    quote: str = ""
    reason: str = ""


class GivenDispute(Value):
    """A check's finding that does not hold."""

    claim: str = Field(description="its id, e.g. `C2`")
    why: str


class DocumentJudgement(Value):
    """The reviewer's answer on a piece, or on the whole document."""

    kind: DocumentKind = Field(description="the kind of this document")
    kind_reason: str = ""
    findings: tuple[GivenFinding, ...] = Field(description="the gravest first")
    most_serious: int = Field(default=0, description="number of the gravest finding in this list, from 1; 0: none")
    items: tuple[GivenAnswer, ...] = ()
    disputed: tuple[GivenDispute, ...] = ()
    scores: tuple[GivenScore, ...] = Field(default=(), description="with the last piece")
    conclusion: ConclusionCheck | None = Field(default=None, description="of a finished study, with the last piece")
    not_assessable: tuple[str, ...] = ()
    confidence: Confidence = "likely"
    carry: str = Field(default="", description="notes for the next piece: amounts, names, definitions to compare")
    summary: str = ""


class VerifyFindingsInput(Value):
    """Input of `reviewer/verify_findings`."""

    kind: DocumentKind
    findings: tuple[JudgedFinding, ...]
    text: str = Field(description="the document, or the stretches around the findings")
    whole: bool


class VerifiedFinding(Value):
    """One finding after a second look."""

    finding: str
    quote: str = Field(description="words of the document that show it, copied")
    reason: str = Field(json_schema_extra=SENTENCE)
    holds: bool
    consequence: Consequence


class VerifiedFindings(Value):
    """One answer per finding."""

    findings: tuple[VerifiedFinding, ...]
