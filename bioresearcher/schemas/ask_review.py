"""Inputs and answers of the reviewer's prompts on a whole protocol: statements to look at, ranked findings, claims."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import SENTENCE, Objective, Value
from bioresearcher.schemas.conversation import Turn
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.facts import Fact, View
from bioresearcher.schemas.review import CheckFinding

Consequence = Literal["invalidates the result", "changes the result", "weakens it", "wording"]


class RankedFinding(Value):
    """A finding of the review; the gravest first."""

    id: str = Field(description="`A1`, `A2`, …")
    consequence: Consequence
    location: str = Field(description="e.g. `step 2.1`, `decision rule`, `protocol`")
    statement: str = Field(default="", description="the protocol's words it is about, copied")
    problem: str = Field(description="what is wrong, and what would follow from it")
    shown_by: str = Field(default="", description="look or fact id that shows it; empty for reasoning alone")
    do: str = Field(description="what the author can do about it")


class ReviewerTurn(Turn):
    """What the reviewer has at hand in every turn: the protocol and the facts, never how it was written."""

    objective: Objective
    protocol_text: str
    datasets: tuple[Dataset, ...]
    facts: tuple[Fact, ...] = ()
    views: tuple[View, ...] = ()
    by_rule: tuple[CheckFinding, ...] = Field(default=(), description="findings of checks, which may be disputed")


class ExamineStatementsInput(ReviewerTurn):
    """Input of `reviewer/examine_statements`."""

    round: int
    rounds: int


class ReviewProtocolInput(ReviewerTurn):
    """Input of `reviewer/review_protocol`."""

    most: int = Field(default=12, description="findings at most")


class RankedReview(Value):
    """The review of a protocol."""

    findings: tuple[RankedFinding, ...] = Field(description="the gravest first")
    disputed: tuple[str, ...] = Field(default=(), description="ids of checks whose finding is wrong here, with why")


class RecheckFindingsInput(Value):
    """Input of `reviewer/recheck_findings`."""

    objective: Objective
    findings: tuple[RankedFinding, ...]
    answers: tuple[str, ...] = Field(description="the author's answer to each finding, in the same order")
    changed: str = Field(description="changed steps and first page, in full")


class FindingLeft(Value):
    """Whether a finding is left after the revision."""

    finding: str
    reason: str = Field(json_schema_extra=SENTENCE)
    left: bool = Field(description="Is the problem still there?")


class FindingsLeft(Value):
    """One answer per finding, and problems that the revision made anew."""

    findings: tuple[FindingLeft, ...]
    new: tuple[RankedFinding, ...] = ()


class Claim(Value):
    """A claim of a step and the words it is said to rest on."""

    id: str
    step: str = Field(description="the step's title and action")
    claim: str
    source: str = Field(description="the fact or the passage, in full")


class JudgeClaimsInput(Value):
    """Input of `reviewer/judge_claims`."""

    claims: tuple[Claim, ...]


class ClaimJudgement(Value):
    """The answer for one claim."""

    id: str
    reason: str = Field(json_schema_extra=SENTENCE)
    supports: bool = Field(description="Does the source say what the claim takes from it?")


class ClaimJudgements(Value):
    """One answer per claim."""

    claims: tuple[ClaimJudgement, ...]
