"""What the reviewer's prompts take and give."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Value
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import GateFinding, MetricName, Review


class ReviewDraftInput(Value):
    """For `reviewer/review_draft`."""

    objective: Objective
    level: Literal["headings", "outlines", "steps"]
    draft: str = Field(description="the draft as Markdown")
    findings: tuple[GateFinding, ...] = Field(description="what the deterministic gates found")


class ScoreProtocolInput(Value):
    """For `reviewer/score_protocol`."""

    objective: Objective | None = Field(description="None when it is not known, as for a protocol from elsewhere")
    protocol: Protocol
    protocol_text: str = Field(description="the protocol as text; what was left out to fit is said in it")
    rubric: str
    by_rule: Review = Field(description="the review computed from gates and measurable features")


class MetricScore(Value):
    """A score with the words it rests on."""

    score: float = Field(ge=1, le=5, description="a level of the rubric, or half way between two")
    evidence: tuple[str, ...] = Field(description="one to four stretches of the protocol, copied letter by letter")
    reason: str


class ProtocolScores(Value):
    """The reviewer's scores."""

    metrics: dict[MetricName, MetricScore]
    findings: tuple[GateFinding, ...] = Field(default=(), description="gate id `REVIEWER`, each tied to a location")
    summary: str = Field(description="two or three sentences: what must change first")
