"""What the reviewer's prompts take and give."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Value
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import GateFinding, Metric, MetricName, Review


class ReviewDraftInput(Value):
    """For `reviewer/review_draft`."""

    objective: Objective
    level: Literal["headings", "outlines", "steps"]
    draft: str = Field(description="the draft as Markdown")
    findings: tuple[GateFinding, ...] = Field(description="what the deterministic gates found")


class ScoreProtocolInput(Value):
    """For `reviewer/score_protocol`."""

    objective: Objective
    protocol: Protocol
    protocol_text: str = Field(description="the protocol as Markdown")
    rubric: str
    by_rule: Review = Field(description="the review computed from gates and measurable features")


class ProtocolScores(Value):
    """The reviewer's scores."""

    metrics: dict[MetricName, Metric]
    findings: tuple[GateFinding, ...] = Field(default=(), description="gate id `REVIEWER`, each tied to a location")
    summary: str = Field(description="two or three sentences: what must change first")
