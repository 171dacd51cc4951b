"""A model's judgement of a document from elsewhere, and the decision of several reviewers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import SENTENCE, Value
from bioresearcher.schemas.protocol import Consequence

DocumentKind = Literal[
    "bench protocol",
    "dry-lab plan",
    "analysis plan",
    "trial protocol",
    "animal study",
    "finished study",
    "grant proposal",
    "other text",
]
Confidence = Literal["sure", "likely", "possible"]
ItemAnswer = Literal["yes", "partly", "no", "not applicable", "not assessable"]
Follows = Literal["yes", "partly", "no", "not assessable", "no conclusion"]


class JudgedFinding(Value):
    """A finding of the reviewer on a document; its quote stands in the document."""

    id: str = Field(description="`A1`, `A2`, … in order of consequence")
    location: str = Field(description="where, by the document's own numbers or headings")
    quote: str = Field(description="words copied from the document; where something is missing, those beside the gap")
    problem: str = Field(description="what is wrong")
    why: str = Field(description="why it matters, with the numbers or the mechanism")
    consequence: Consequence
    mend: str = Field(description="what to write or do instead")
    confidence: Confidence
    reviewers: tuple[str, ...] = Field(default=(), description="who found it, in a panel")
    probability: float | None = Field(
        default=None, description="share of such findings that people agreed with; None when it was not learnt"
    )


class AnsweredItem(Value):
    """An item of a standard checklist with the reviewer's answer."""

    item: str
    question: str
    source: str
    answer: ItemAnswer
    quote: str = Field(default="", description="words that show `yes` or `partly`")
    note: str = ""


class ConclusionCheck(Value):
    """The reviewer's answer if the conclusion of a finished study follows from its results."""

    follows: Follows
    why: str = Field(default="", json_schema_extra=SENTENCE)


class DisputedClaim(Value):
    """A check's finding that the reviewer holds to be wrong here."""

    check: str = Field(description="id of the check, e.g. `G-STR-08`")
    location: str
    message: str
    why: str


class Member(Value):
    """One reviewer of a panel, and its review in numbers."""

    name: str
    asked: bool
    verdict: str = ""
    mean_score: float | None = None
    findings: int = 0
    tokens: int = 0
    most_serious: str = ""
    why: str = Field(default="", description="why it was asked, or was not")


class PanelDecision(Value):
    """The way from several reviewers to one review."""

    members: tuple[Member, ...]
    decided_by: str = Field(description="a reviewer's name, or `learnt rule`")
    probability: float | None = Field(default=None, description="calibrated probability of the decision; None: none")
    agree: bool = Field(description="whether all that were asked came to the same verdict")
    disagreements: tuple[str, ...] = ()
    explanation: str


class Judgement(Value):
    """A model's review of a document."""

    kind: DocumentKind
    kind_reason: str
    checklists: tuple[str, ...] = ()
    findings: tuple[JudgedFinding, ...] = Field(default=(), description="the gravest first")
    most_serious: str = Field(default="", description="id of the gravest finding; empty: none")
    invalidates: bool = Field(default=False, description="whether that finding invalidates the result")
    not_assessable: tuple[str, ...] = Field(default=(), description="what could not be judged, and why")
    confidence: Confidence = "likely"
    conclusion: ConclusionCheck | None = None
    items: tuple[AnsweredItem, ...] = ()
    disputed: tuple[DisputedClaim, ...] = ()
    dropped: tuple[str, ...] = Field(default=(), description="findings that were left out, and why")
    pieces: int = 1
    passes: int = 1
    panel: PanelDecision | None = None
