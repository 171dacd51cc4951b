"""Rated reviews, from which a panel learns, and what it learnt."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Value
from bioresearcher.schemas.judgement import Confidence
from bioresearcher.schemas.protocol import Consequence
from bioresearcher.schemas.review import MetricName


class RatedFinding(Value):
    """A finding of one reviewer; `agreed` is a person's answer, None where nobody looked."""

    quote: str = ""
    problem: str = ""
    consequence: Consequence
    confidence: Confidence
    agreed: bool | None = None


class RatedReview(Value):
    """One reviewer's review of one document, in numbers."""

    verdict: str
    scores: dict[MetricName, float] = Field(default_factory=dict)
    findings: tuple[RatedFinding, ...] = ()
    items_missing: float | None = Field(default=None, ge=0, le=1, description="share of checklist items answered no")
    tokens: int = Field(default=0, ge=0, description="tokens in and out")


class RatedItem(Value):
    """A document with a person's label and the reviews of it, by reviewer: a line of RATED."""

    item: str
    label: str = Field(description="`pass`, `revise`, `fail`, or a score, as a person gave it")
    reviews: dict[str, RatedReview]


class LinearRule(Value):
    """A softmax regression: probability of each label from features; `weights` has a row a label."""

    labels: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]


class SubPanel(Value):
    """A set of reviewers with what its learnt fusion reaches on items it was not learnt from."""

    reviewers: tuple[str, ...] = Field(description="in the order they are asked, the cheapest first")
    accuracy: float
    focal_diversity: float | None = Field(description="None for a single reviewer, and where nobody fails")
    cost: float = Field(description="mean cost of asking all of them, in tokens")


class Calibration(Value):
    """The result of learning from rated items: a plain JSON file."""

    version: int = 1
    items: int
    labels: tuple[str, ...]
    costs: dict[str, float] = Field(description="mean tokens of each reviewer")
    accuracy: dict[str, float] = Field(description="share of items with the person's label, of each reviewer alone")
    decides: Literal["single", "panel"]
    order: tuple[str, ...] = Field(description="who is asked, in this order; one for `single`")
    rules: tuple[LinearRule, ...] = Field(default=(), description="fusion of the first, the first two, …")
    thresholds: tuple[float, ...] = Field(default=(), description="least probability at which it stops after each")
    quotas: tuple[float, ...] = Field(default=(), description="share of items that is to end after each")
    budget: float | None = Field(default=None, description="mean tokens an item; None: no limit")
    expected_cost: float
    expected_accuracy: float = Field(description="on items it was not learnt from")
    ranking: tuple[SubPanel, ...] = Field(default=(), description="the most accurate first")
    findings: LinearRule | None = Field(default=None, description="probability that a person agrees with a finding")
    notes: tuple[str, ...] = ()
