"""Inputs and answers of the reviewer's prompts on a whole protocol: statements to look at, ranked findings, claims."""

from __future__ import annotations

from pydantic import Field

from bioresearcher.schemas.base import SENTENCE, Objective, Value
from bioresearcher.schemas.conversation import Turn
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.facts import Fact, View
from bioresearcher.schemas.review import CheckFinding, DisputedCheck, RankedFinding


class ReviewerTurn(Turn):
    """The reviewer's material in every turn: the protocol and the facts, never how it was written."""

    objective: Objective
    protocol_text: str = Field(description="the whole protocol as Markdown")
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
    disputed: tuple[DisputedCheck, ...] = Field(default=(), description="findings of checks that are wrong here")


class RecheckFindingsInput(Value):
    """Input of `reviewer/recheck_findings`."""

    objective: Objective
    findings: tuple[RankedFinding, ...]
    answers: tuple[str, ...] = Field(description="the author's answer to each finding, in the same order")
    changed: str = Field(description="changed sections: sentences put in, taken out and unchanged")


class FindingLeft(Value):
    """One finding and if it is left after the revision."""

    finding: str
    reason: str = Field(json_schema_extra=SENTENCE)
    left: bool = Field(description="Is the problem still there?")


class FindingsLeft(Value):
    """One answer per finding, and problems that the revision made anew."""

    findings: tuple[FindingLeft, ...]
    new: tuple[RankedFinding, ...] = Field(default=(), description="problems that the revision made, at most four")


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
