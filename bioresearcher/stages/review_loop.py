"""The review loop: checks, then the reviewer, then another draft with the findings; the best draft is kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.schemas.ask_program import ReviewDraftInput
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.review import CheckFinding, DraftReview
from bioresearcher.stages.prompts import REVIEW_DRAFT
from bioresearcher.text.visible import clip

T = TypeVar("T")

REASON_CHARS = 600


@dataclass(frozen=True)
class ReviewedDraft(Generic[T]):
    """The best draft with all rounds; `passed` is True if it needs no other round."""

    value: T
    passed: bool
    rounds: tuple[DraftReview, ...]


async def draft_and_review(
    caller: ModelClient,
    objective: Objective,
    name: str,
    *,
    make: Callable[[tuple[CheckFinding, ...]], Awaitable[T]],
    check: Callable[[T], tuple[CheckFinding, ...]],
    show: Callable[[T], str],
) -> ReviewedDraft[T]:
    """Draft, check and review until a draft passes, nothing improves, or the rounds are used up.

    A draft passes when no check reports an error and the reviewer's score reaches the card's threshold. `name`
    starts with the level: `headings`, `outlines` or `steps`.
    """
    card = caller.cards["reviewer"]
    best: tuple[float, int] | None = None
    values: list[T] = []
    rounds: list[DraftReview] = []
    findings: tuple[CheckFinding, ...] = ()
    for number in range(1, card.rounds + 2):
        value = await make(findings)
        findings = check(value)
        errors = sum(f.severity == "error" for f in findings)
        level = name.split(" ")[0]
        values_in = ReviewDraftInput.model_validate(
            {"objective": objective, "level": level, "draft": show(value), "findings": findings}
        )
        judgement = (await ask(caller, REVIEW_DRAFT, values_in)).value
        passed = errors == 0 and judgement.score >= card.threshold
        values.append(value)
        rounds.append(
            DraftReview(
                draft=name,
                round=number,
                score=judgement.score,
                passed=passed,
                findings=findings,
                reason=judgement.reason,
            )
        )
        rank = judgement.score - errors
        improved = best is None or rank > best[0]
        if improved:
            best = (rank, number - 1)
        stopped = _why_stop(passed, improved, repeated=value in values[:-1], last=number > card.rounds)
        if stopped:
            rounds[-1] = rounds[-1].model_copy(update={"stopped": stopped})
            break
        if judgement.reason.strip():
            said = clip(judgement.reason, REASON_CHARS)
            note = CheckFinding(gate="REVIEWER", severity="warning", location=name, message=said)
            findings = (*findings, note)
    index = best[1] if best else 0
    kept = tuple(r.model_copy(update={"kept": i == index}) for i, r in enumerate(rounds))
    return ReviewedDraft(values[index], rounds[index].passed, kept)


def _why_stop(passed: bool, improved: bool, *, repeated: bool, last: bool) -> str:
    """Return why there is no other round; empty when there is one."""
    if passed:
        return "it passed"
    if repeated:
        return "the same draft came again"
    if not improved:
        return "it was no better than the best before"
    return "the rounds are used up" if last else ""
