"""Review of a whole protocol by a reviewer who looks at the data, and its revision by the author.

A version is checked and reviewed; the author answers every finding, with changes or with the reason against; what was
changed is checked again, and the reviewer says which findings are left. The version with the least weight of findings
is kept, the earlier one of two equal ones. Without a model nothing is judged, and the protocol says so.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bioresearcher.errors import AnswerError
from bioresearcher.llm.ask import ModelClient, ask, preview
from bioresearcher.llm.converse import Done, Talk, TalkLimits, Tool, converse
from bioresearcher.schemas.ask_design import FindingAnswer
from bioresearcher.schemas.ask_review import (
    ExamineStatementsInput,
    RankedReview,
    RecheckFindingsInput,
    ReviewerTurn,
    ReviewProtocolInput,
)
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.conversation import LookAction
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.facts import Fact, LookRecord, View
from bioresearcher.schemas.protocol import AnsweredFinding, Protocol
from bioresearcher.schemas.review import CheckFinding, DraftReview
from bioresearcher.stages.fallback import note
from bioresearcher.stages.prompts import EXAMINE_STATEMENTS, RECHECK_FINDINGS, REVIEW_PROTOCOL
from bioresearcher.stages.review_findings import (
    GRAVE,
    MOST_FINDINGS,
    MOST_NEW,
    CheckClaim,
    Evidence,
    Findings,
    answered,
    as_answered,
    changes,
    check_claims,
    disputed_checks,
    findings_left,
    handed_over,
    is_grave,
    next_number,
    verified,
    weight_of,
)
from bioresearcher.text.format import count_of

DRAFT = "protocol"
LOOK_ROUNDS = 2
LOOKS_A_ROUND = 3
REVIEW_TOKENS = 35_000
"""Input tokens that looks, review and one recheck may send together (estimate); a long protocol has fewer rounds of
looks for it, but never less than one."""
_LATER_TOKENS = 6_000
"""Of these, tokens of what the looks showed and of a recheck (estimate)."""
_SENT_TOKENS = 60_000

NOT_JUDGED = (
    "Not judged: no model reviewed this protocol. Its structure, references and statements were checked by program; "
    "whether it makes scientific sense is for a person to judge."
)

Revise = Callable[[Protocol, Findings], Awaitable[tuple[Protocol, Sequence[FindingAnswer]]]]
"""The author's revision: the changed protocol, and the answers to the findings."""
Check = Callable[[Protocol], Awaitable[tuple[Protocol, tuple[CheckFinding, ...]]]]
"""The checks: the protocol with the states of its citations judged anew, and the findings of all checks."""


@dataclass(frozen=True)
class ReviewMaterial:
    """What the reviewer has at hand beside the protocol; nothing of how it was written.

    Attributes:
        facts: Those of the audit and those that the author's looks showed.
        views: Views that the reviewer may look at.
        look: The tool that carries out looks, with the prefix `V`; None: there are none.
    """

    objective: Objective
    datasets: tuple[Dataset, ...] = ()
    facts: tuple[Fact, ...] = ()
    views: tuple[View, ...] = ()
    look: Tool | None = None


@dataclass(frozen=True)
class Reviewed:
    """The kept version with its answered findings and limitations, and the record of the review.

    Attributes:
        rounds: A row per version; that of the kept one says so.
        answered: The reviewer's findings on the way to the kept version and those that are left in it.
        limitations: What the review adds to the limitations; `protocol` has them already.
        looks: The reviewer's looks, those that were refused included.
    """

    protocol: Protocol
    rounds: tuple[DraftReview, ...]
    answered: tuple[AnsweredFinding, ...] = ()
    limitations: tuple[str, ...] = ()
    looks: tuple[LookRecord, ...] = ()

    @property
    def passed(self) -> bool:
        """True when neither an error of a check nor a finding of the two gravest kinds is left in the kept version."""
        return any(row.kept and row.passed for row in self.rounds)


@dataclass
class _Version:
    """A version under review. `disputed` holds findings of checks, `why` the reasons by the ids of the claims."""

    protocol: Protocol
    text: str
    findings: tuple[CheckFinding, ...]
    ranked: Findings = ()
    judged: bool = True
    disputed: dict[CheckFinding, str] = field(default_factory=dict)
    answers: tuple[AnsweredFinding, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def claims(self) -> tuple[CheckClaim, ...]:
        return check_claims(self.findings)

    @property
    def errors(self) -> tuple[CheckFinding, ...]:
        return tuple(f for f in self.findings if f.severity == "error" and f not in self.disputed)

    @property
    def handed(self) -> Findings:
        wrong = [c.id for c in self.claims if all(m in self.disputed for m in c.members)]
        return handed_over(self.ranked, self.claims, wrong)

    @property
    def weight(self) -> int:
        return weight_of(self.ranked, len(self.errors))

    @property
    def passed(self) -> bool:
        return not self.errors and not any(map(is_grave, self.ranked))

    def dispute(self, found: Mapping[str, str]) -> None:
        self.disputed = {m: found[c.id] for c in self.claims if c.id in found for m in c.members}


@dataclass(frozen=True)
class _Review:
    """A review under way: its door, callables, and what it may rest on."""

    caller: ModelClient
    material: ReviewMaterial
    render: Callable[[Protocol], str]
    check: Check
    evidence: Evidence

    async def version(self, protocol: Protocol) -> _Version:
        checked, findings = await self.check(protocol)
        return _Version(checked, self.render(checked), findings)

    async def judge(self, first: _Version, review: RankedReview) -> None:
        """Take over a review of the first version."""
        first.ranked, notes = verified(review.findings, first.text, first.protocol, self.evidence)
        found, more = disputed_checks(review, first.claims)
        first.dispute(found)
        first.notes += [*notes, *more]

    async def recheck(self, before: _Version, after: _Version, number: int, account: str) -> None:
        """Take over the findings that are left, and new ones from `A<number>`."""
        values = RecheckFindingsInput(
            objective=self.material.objective,
            findings=before.ranked,
            answers=tuple(a.answer for a in before.answers[: len(before.ranked)]),
            changed=account or "Nothing was changed.",
        )
        try:
            recheck = (await ask(replace(self.caller, rules=None), RECHECK_FINDINGS, values)).value
        except AnswerError as error:
            after.ranked, after.judged = before.ranked, False
            after.notes.append(f"The revision was not rechecked, all findings are taken as left: {error.message}")
            note(self.caller, RECHECK_FINDINGS, after.notes[-1])
            return
        left, notes = findings_left(before.ranked, recheck)
        new, more = verified(
            recheck.new, after.text, after.protocol, self.evidence, first=number, most=MOST_NEW
        )
        after.ranked = (*left, *new)
        after.notes += [*notes, *more]


async def review_and_revise(
    caller: ModelClient,
    material: ReviewMaterial,
    protocol: Protocol,
    *,
    revise: Revise,
    render: Callable[[Protocol], str],
    check: Check,
    name: str = "review",
) -> Reviewed:
    """Review a protocol, let its author answer and revise, and return the best version with the record.

    The first revision answers whatever was found; another follows only while findings of the two gravest kinds or
    errors of checks are left, at most as often as the reviewer's card says. `render` writes the protocol as Markdown,
    as the reviewer reads it and quotes from it. `name` is the conversation's in the ledger, one for each review of a
    run.

    Raises:
        BackendError: A model gave no answer.
        StoppedError: The budget is used up, or the run is stopping.
    """
    if caller.by_rule:
        return await _by_rule(protocol, check, render)
    talk, problem = None, ""
    work = _Review(caller, material, render, check, Evidence())
    versions = [await work.version(protocol)]
    try:
        talk, review = await _looked_and_reviewed(caller, material, versions[0], name)
        work = replace(work, evidence=_evidence(material, talk))
        await work.judge(versions[0], review)
    except AnswerError as error:
        problem = f"Not judged: the reviewer's answer could not be used. {error.message}"
        note(caller, REVIEW_PROTOCOL, problem)
        versions[0].judged = False
        versions[0].notes.append(problem)
    stopped = await _revisions(work, versions, revise)
    looks = tuple(_record(one, d) for one in talk.rounds for d in one.done) if talk else ()
    return _result(caller, versions, stopped, looks)


async def _looked_and_reviewed(
    caller: ModelClient, material: ReviewMaterial, first: _Version, name: str
) -> tuple[Talk | None, RankedReview]:
    """Let the reviewer look, then rank; the looks that were made are lost to the caller when the review fails."""
    at_hand = {
        "objective": material.objective,
        "protocol_text": first.text,
        "datasets": material.datasets,
        "facts": material.facts,
        "views": material.views if material.look else (),
        "by_rule": tuple(c.shown for c in first.claims),
    }
    door, talk = replace(caller, rules=None), None
    if material.look is not None and material.views:
        values = ExamineStatementsInput(**at_hand, round=1, rounds=LOOK_ROUNDS)
        once = preview(door, EXAMINE_STATEMENTS, values).tokens
        rounds = min(LOOK_ROUNDS, max(1, (REVIEW_TOKENS - _LATER_TOKENS) // max(once, 1) - 1))
        limits = TalkLimits(
            rounds=rounds,
            actions=LOOKS_A_ROUND,
            per_kind={"look": LOOK_ROUNDS * LOOKS_A_ROUND},
            sent_tokens=_SENT_TOKENS,
        )
        talk = await converse(caller, EXAMINE_STATEMENTS, values, {"look": material.look}, limits, name=name)
    said = {"said": talk.said, "results": talk.results} if talk else {}
    answer = await ask(door, REVIEW_PROTOCOL, ReviewProtocolInput(**at_hand, **said, most=MOST_FINDINGS))
    return talk, answer.value


def _evidence(material: ReviewMaterial, talk: Talk | None) -> Evidence:
    """Return the ids of the facts, and of the looks that were run."""
    ran = (d.id for d in talk.done if d.id and not _refusal(d)) if talk else ()
    return Evidence(frozenset(f.id for f in material.facts), frozenset(ran))
