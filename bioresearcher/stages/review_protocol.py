"""Review of a whole protocol by a reviewer who looks at the data, and its revision by the author.

A version is checked and reviewed; the author answers every finding, with changes or with the reason against; what was
changed is checked again, and the reviewer says which findings are left. The version with the least weight of findings
is kept, the earlier one of two equal ones. Without a model nothing is judged, and the protocol says so.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from bioresearcher.errors import AnswerError
from bioresearcher.llm.ask import ModelClient, ask, preview
from bioresearcher.llm.converse import Done, Talk, TalkLimits, Tool, converse
from bioresearcher.schemas.ask_design import FindingAnswer
from bioresearcher.schemas.ask_review import (
    ExamineStatementsInput,
    RankedReview,
    RecheckFindingsInput,
    ReviewProtocolInput,
)
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.conversation import LookAction
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.facts import Fact, LookRecord, View
from bioresearcher.schemas.protocol import AnsweredFinding, Protocol
from bioresearcher.schemas.review import CheckFinding, DraftReview
from bioresearcher.stages.explore import CountTool, look_records
from bioresearcher.stages.fallback import note
from bioresearcher.stages.prompts import EXAMINE_STATEMENTS, RECHECK_FINDINGS, REVIEW_PROTOCOL
from bioresearcher.stages.review_findings import (
    GRAVE,
    MOST_FINDINGS,
    MOST_NEW,
    Evidence,
    Findings,
    NumberedCheck,
    answered,
    as_answered,
    changes,
    disputed_checks,
    findings_left,
    handed_over,
    is_grave,
    next_number,
    numbered_checks,
    relocated,
    renumbered,
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

Revise = Callable[
    [Protocol, Findings, Sequence[LookRecord]], Awaitable[tuple[Protocol, Sequence[FindingAnswer], Mapping[str, str]]]
]
"""The author's revision, from the findings and the reviewer's looks: the changed protocol, the answers to the findings,
and steps that moved, old number -> new."""
Check = Callable[[Protocol], Awaitable[tuple[Protocol, tuple[CheckFinding, ...]]]]
"""The checks: the protocol with the states of its citations judged anew, and the findings of all checks."""


@dataclass(frozen=True)
class ReviewMaterial:
    """The reviewer's material beside the protocol; nothing of how it was written.

    Attributes:
        facts: Those of the audit and those that the author's looks showed.
        views: Views that the reviewer may look at.
        look: The tool that carries out looks, with the prefix `V`; None: there are none.
    """

    objective: Objective
    datasets: tuple[Dataset, ...] = ()
    facts: tuple[Fact, ...] = ()
    views: tuple[View, ...] = ()
    look: Tool[LookAction] | None = None


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
    """A version under review.

    `disputed` holds findings of checks with the reviewer's reasons; `moved` the numbers of steps that changed since the
    version before; `numbered` the findings of checks as they are named.
    """

    protocol: Protocol
    text: str
    findings: tuple[CheckFinding, ...]
    ranked: Findings = ()
    judged: bool = True
    disputed: dict[CheckFinding, str] = field(default_factory=dict)
    answers: tuple[AnsweredFinding, ...] = ()
    notes: list[str] = field(default_factory=list)
    moved: Mapping[str, str] = field(default_factory=dict)
    numbered: tuple[NumberedCheck, ...] = ()

    @property
    def errors(self) -> tuple[CheckFinding, ...]:
        return tuple(f for f in self.findings if f.severity == "error" and f not in self.disputed)

    @property
    def handed(self) -> Findings:
        wrong = [c.id for c in self.numbered if all(m in self.disputed for m in c.members)]
        return handed_over(self.ranked, self.numbered, wrong)

    @property
    def weight(self) -> int:
        return weight_of(self.ranked, len(self.errors))

    @property
    def passed(self) -> bool:
        return not self.errors and not any(map(is_grave, self.ranked))

    def dispute(self, found: Mapping[str, str]) -> None:
        self.disputed = {m: found[c.id] for c in self.numbered if c.id in found for m in c.members}


@dataclass(frozen=True)
class _Review:
    """A review under way: its door, callables, and what it may rest on."""

    caller: ModelClient
    material: ReviewMaterial
    render: Callable[[Protocol], str]
    check: Check
    evidence: Evidence = field(default_factory=Evidence)

    async def version(self, protocol: Protocol, versions: Sequence[_Version] = ()) -> _Version:
        """Check a version; findings of checks keep the numbers that they had in earlier ones."""
        checked, findings = await self.check(protocol)
        before = [c for v in versions for c in v.numbered]
        return _Version(checked, self.render(checked), findings, numbered=numbered_checks(findings, before))

    def judge(self, first: _Version, review: RankedReview) -> None:
        """Take over a review of the first version."""
        first.ranked, notes = verified(review.findings, first.text, first.protocol, self.evidence)
        found, more = disputed_checks(review, first.numbered)
        first.dispute(found)
        first.notes += [*notes, *more]

    async def recheck(self, before: _Version, after: _Version, number: int, account: str) -> None:
        """Take over the findings that are left, and new ones from `A<number>`."""
        known = relocated(before.ranked, after.moved)
        values = RecheckFindingsInput(
            objective=self.material.objective,
            findings=known,
            answers=tuple(a.answer for a in before.answers[: len(before.ranked)]),
            changed=account or "Nothing was changed.",
        )
        try:
            recheck = (await ask(replace(self.caller, rules=None), RECHECK_FINDINGS, values)).value
        except AnswerError as error:
            after.ranked, after.judged = known, False
            after.notes.append(f"The revision was not rechecked, all findings are taken as left: {error.message}")
            note(self.caller, RECHECK_FINDINGS, after.notes[-1])
            return
        left, notes = findings_left(known, recheck)
        new, more = verified(recheck.new, after.text, after.protocol, self.evidence, first=number, most=MOST_NEW)
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
    work = _Review(caller, material, render, check)
    versions = [await work.version(protocol)]
    at_hand = _at_hand(material, versions[0])
    talk = await _looked(caller, material, at_hand, name)
    work = replace(work, evidence=_evidence(material, talk))
    try:
        said = {"said": talk.said, "results": talk.results} if talk else {}
        values = ReviewProtocolInput.model_validate({**at_hand, **said, "most": MOST_FINDINGS})
        work.judge(versions[0], (await ask(replace(caller, rules=None), REVIEW_PROTOCOL, values)).value)
    except AnswerError as error:
        versions[0].judged = False
        versions[0].notes.append(f"Not judged: the reviewer's answer could not be used. {error.message}")
        note(caller, REVIEW_PROTOCOL, versions[0].notes[-1])
    looks = look_records(talk, "reviewer") if talk else ()
    stopped = await _revisions(work, versions, revise, looks)
    return _result(caller, versions, stopped, looks)


def _at_hand(material: ReviewMaterial, first: _Version) -> dict[str, object]:
    """Return the fields of the reviewer's opening."""
    return {
        "objective": material.objective,
        "protocol_text": first.text,
        "datasets": material.datasets,
        "facts": material.facts,
        "views": material.views if material.look else (),
        "by_rule": tuple(c.shown for c in first.numbered),
    }


async def _looked(
    caller: ModelClient, material: ReviewMaterial, at_hand: Mapping[str, object], name: str
) -> Talk | None:
    """Let the reviewer look; None when there is nothing to look at."""
    if material.look is None or not material.views:
        return None
    values = ExamineStatementsInput.model_validate({**at_hand, "round": 1, "rounds": LOOK_ROUNDS})
    once = preview(caller, EXAMINE_STATEMENTS, values).tokens
    rounds = min(LOOK_ROUNDS, max(1, (REVIEW_TOKENS - _LATER_TOKENS) // max(once, 1) - 1))
    limits = TalkLimits(
        rounds=rounds,
        actions=LOOKS_A_ROUND,
        per_kind={"look": LOOK_ROUNDS * LOOKS_A_ROUND, "count": LOOK_ROUNDS * LOOKS_A_ROUND},
        sent_tokens=max(_SENT_TOKENS, once),
    )
    tools: dict[str, Tool[Any]] = {"look": material.look, "count": CountTool(material.datasets, prefix="W")}
    return await converse(caller, EXAMINE_STATEMENTS, values, tools, limits, name=name)


def _evidence(material: ReviewMaterial, talk: Talk | None) -> Evidence:
    """Return the ids of the facts and of the author's looks behind them, and of the reviewer's looks that were run."""
    ran = (d.id for d in talk.done if d.id and not _refusal(d)) if talk else ()
    known = {i for f in material.facts for i in ((f.id, f.shown_by) if f.kind == "look" else (f.id,))}
    return Evidence(frozenset(known), frozenset(ran))


def _refusal(done: Done) -> str:
    """Return why a look was not run, by the conversation or by the tool itself; empty when it was."""
    return done.refused or str(done.meta.get("refused") or "")


async def _revisions(work: _Review, versions: list[_Version], revise: Revise, looks: Sequence[LookRecord]) -> str:
    """Let the author answer and revise while it is worth it; return why it ends."""
    most = work.caller.cards["reviewer"].rounds
    ranked = [versions[0].ranked]
    while True:
        before = versions[-1]
        handed = before.handed
        stopped = _why_stop(versions, handed, most)
        if stopped:
            return stopped
        try:
            revised, given, moved = await revise(before.protocol, handed, looks)
        except AnswerError as error:
            return f"the author's revision could not be used: {error.message}"
        after = await work.version(revised, versions)
        after.moved = moved
        account, shortened = changes(before.text, after.text)
        before.answers, notes = answered(handed, given, changed=bool(account))
        before.notes += notes
        after.notes += [shortened] if shortened else []
        after.disputed = {f: before.disputed[f] for f in after.findings if f in before.disputed}
        after.judged = before.judged
        if before.judged:
            await work.recheck(before, after, next_number(ranked), account)
        ranked.append(after.ranked)
        still = {f.id for f in after.ranked} | _still_wrong(before, after)
        before.answers = tuple(a.model_copy(update={"left": a.finding in still}) for a in before.answers)
        versions.append(after)


def _still_wrong(before: _Version, after: _Version) -> set[str]:
    """Return the numbers of checks of which an error is left."""
    return {c.id for c in before.numbered if any(m in after.errors for m in c.members)}


def _why_stop(versions: Sequence[_Version], handed: Findings, most: int) -> str:
    """Return why there is no other revision; empty when there is one."""
    last = versions[-1]
    if not handed:
        return "nothing is left to answer" if last.judged else "the checks found no error"
    if len(versions) > 1:
        if versions[-2].judged and not last.judged:
            return "the revision could not be rechecked"
        if last.weight >= min(v.weight for v in versions[:-1]):
            return "the revision left as much as there was before it"
        if not any(map(is_grave, handed)):
            return "only findings of lesser consequence are left"
    return "the rounds are used up" if len(versions) > most else ""


def _best(versions: Sequence[_Version]) -> int:
    """Return the number of the version with the least weight; of equal ones the first.

    A revision that could not be rechecked weighs as if nothing had been mended; it goes before its equals, because its
    author had the findings.
    """

    def rank(number: int) -> tuple[int, bool, int]:
        unchecked = number > 0 and versions[number - 1].judged and not versions[number].judged
        return versions[number].weight, not unchecked, number

    return min(range(len(versions)), key=rank)


def _result(caller: ModelClient, versions: Sequence[_Version], stopped: str, looks: tuple[LookRecord, ...]) -> Reviewed:
    """Return the best version with its answers, its limitations and the record."""
    kept = _best(versions)
    shared = _one_mind(caller) if versions[0].judged else ""
    rows = []
    for number, version in enumerate(versions):
        last = number == len(versions) - 1
        rows.append(
            DraftReview(
                draft=DRAFT,
                round=number + 1,
                weight=version.weight,
                judged=version.judged,
                passed=version.passed,
                findings=version.findings,
                ranked=version.ranked,
                disputed=tuple(f"{f.gate} at {f.location}: {why}" for f, why in version.disputed.items()),
                answers=version.answers,
                reason=_in_words(version),
                notes=(*([shared] if shared and number == 0 else []), *version.notes),
                kept=number == kept,
                stopped=stopped if last else "",
            )
        )
    answers = _answers(versions, kept)
    limitations = _limitations(versions[kept], shared)
    more = [text for text in limitations if text not in versions[kept].protocol.limitations]
    protocol = versions[kept].protocol
    protocol = protocol.model_copy(update={"answered": answers, "limitations": (*protocol.limitations, *more)})
    return Reviewed(protocol, tuple(rows), answers, limitations, looks)


def _answers(versions: Sequence[_Version], kept: int) -> tuple[AnsweredFinding, ...]:
    """Return the reviewer's findings up to the kept version, each with its last answer, and those left in it.

    Steps have the numbers of the kept version.
    """
    found: dict[str, AnsweredFinding] = {}
    for version, after in pairwise(versions[: kept + 1]):
        ids = {f.id for f in version.ranked}
        found |= {a.finding: a for a in version.answers if a.finding in ids}
        found = {i: _renumbered(a, after.moved, answer=i not in ids) for i, a in found.items()}
    dropped = kept < len(versions) - 1
    why = (
        "Not changed: the revision that was to mend it left as much or more, and was not kept."
        if dropped
        else "Left as it is: the review had ended."
    )
    for finding in versions[kept].ranked:
        if finding.id not in found:
            found[finding.id] = as_answered(finding, why, done=False, left=True)
    return tuple(found.values())


def _renumbered(finding: AnsweredFinding, moved: Mapping[str, str], *, answer: bool) -> AnsweredFinding:
    """Return an answered finding with new numbers of steps; the last answer has them already."""
    names = ("location", "said", "answer") if answer else ("location", "said")
    return finding.model_copy(update={n: renumbered(getattr(finding, n), moved) for n in names})


def _limitations(version: _Version, shared: str) -> tuple[str, ...]:
    """Return what the review adds to the limitations of the version that is kept."""
    said = [f"{f.id} of the review is left ({f.consequence}), at {f.location}: {f.problem}" for f in version.ranked]
    said = [text for text, f in zip(said, version.ranked, strict=True) if f.consequence in GRAVE]
    if not version.judged:
        said.insert(0, next((n for n in version.notes if n.startswith("The revision was not")), NOT_JUDGED))
    if version.errors:
        said.append(
            f"{count_of(len(version.errors), 'error')} of the checks of the text are left; the record lists them."
        )
    return tuple([*said, shared] if shared else said)


def _in_words(version: _Version) -> str:
    """Say in a sentence what stands against a version."""
    counts: dict[str, int] = {}
    for finding in version.ranked:
        counts[finding.consequence] = counts.get(finding.consequence, 0) + 1
    parts = [f"{n} “{kind}”" for kind, n in counts.items()]
    parts += [f"{count_of(len(version.errors), 'error')} of checks"] if version.errors else []
    said = ", ".join(parts) or "nothing"
    return f"Found: {said}." if version.judged else f"Not judged by a model; of checks alone: {said}."


async def _by_rule(protocol: Protocol, check: Check, render: Callable[[Protocol], str]) -> Reviewed:
    """Return the protocol with the findings of the checks; nothing is judged."""
    checked, findings = await check(protocol)
    version = _Version(checked, render(checked), findings, judged=False, notes=[NOT_JUDGED])
    row = DraftReview(
        draft=DRAFT,
        round=1,
        weight=version.weight,
        judged=False,
        passed=version.passed,
        findings=findings,
        reason=_in_words(version),
        notes=tuple(version.notes),
        kept=True,
        stopped="no model reviews",
    )
    limitations = _limitations(version, "")
    more = [text for text in limitations if text not in checked.limitations]
    update = {"limitations": (*checked.limitations, *more)}
    return Reviewed(checked.model_copy(update=update), (row,), (), limitations)


def _one_mind(caller: ModelClient) -> str:
    """Say that one model, or models of one family, wrote and reviewed; empty when they are not known to be."""
    rows = caller.ledger.rows()
    asked = {p.name for p in (EXAMINE_STATEMENTS, REVIEW_PROTOCOL, RECHECK_FINDINGS)}
    writers = {row.model for row in rows if row.role == "designer"}
    reviewers = {row.model for row in rows if row.step in asked}
    same = sorted(writers & reviewers)
    if same:
        return f"One model wrote this protocol and reviewed it ({same[0]}): both may miss the same."
    kin = [(w, r) for w in sorted(writers) for r in sorted(reviewers) if _family(w) and _family(w) == _family(r)]
    if not kin:
        return ""
    return (
        f"The models that wrote and reviewed this protocol are of one family ({', '.join(kin[0])}): "
        "both may miss the same."
    )


def _family(model: str) -> str:
    """Return the first word of a model's name without provider, owner and version: `gpt` of `openai:gpt-5-mini`."""
    found = re.match(r"[a-z]+", model.casefold().partition(":")[2].rpartition("/")[2])
    return found[0] if found else ""
