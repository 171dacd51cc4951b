"""A panel of reviewers on documents: the cheapest first, stop when sure, otherwise the next, within the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bioresearcher.errors import BudgetError, InputError
from bioresearcher.llm.ask import ModelClient
from bioresearcher.review.check import CheckContext
from bioresearcher.review.panel.calibrate import FEATURES, VERDICTS
from bioresearcher.review.panel.decide import (
    disagreements,
    fused_findings,
    fused_label,
    in_numbers,
    label_of,
    stops,
)
from bioresearcher.schemas.judgement import Judgement, Member, PanelDecision
from bioresearcher.schemas.panel import Calibration
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import Review
from bioresearcher.stages.judge import GRAVITY, JudgeOptions, as_check_findings, judge_document, ranked, verdict_of

_AGAIN = "Make it by: bioresearcher review calibrate RATED"
Document = tuple[Protocol, str, CheckContext]


@dataclass(frozen=True)
class Reviewer:
    """A member of a panel: its name and whom to ask."""

    name: str
    caller: ModelClient
    options: JudgeOptions

    async def review(self, document: Document) -> tuple[Review, int]:
        """Review a document; also return the tokens it took.

        Raises:
            BudgetError: The budget is used up.
        """
        before = _tokens(self.caller)
        review = await judge_document(self.caller, *document, self.options)
        return review, _tokens(self.caller) - before


def _tokens(caller: ModelClient) -> int:
    spent = caller.meter.spent if caller.meter else None
    return spent.input_tokens + spent.output_tokens if spent else 0


def load_calibration(path: Path) -> Calibration:
    """Read what `review calibrate` wrote.

    Raises:
        InputError: The file cannot be read or is no calibration.
    """
    try:
        found = Calibration.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise InputError(f"{path} is no calibration.", hint=_AGAIN) from error
    fits = found.decides == "single" or len(found.rules) == len(found.thresholds) == len(found.order)
    if not fits or any(len(row) != (n + 1) * FEATURES for n, rule in enumerate(found.rules) for row in rule.weights):
        raise InputError(f"{path} was made by another version.", hint=_AGAIN)
    return found


async def review_by_panel(
    reviewers: Sequence[Reviewer], documents: Sequence[Document], calibration: Calibration | None
) -> list[Review]:
    """Review documents one after the other by a panel.

    Without a calibration nobody knows who is right: all are asked, as far as the budget goes, in the order given; the
    last of them decides, and disagreement is told. With one that names a single reviewer this one decides, and the
    others are asked to tell disagreement. With a learnt rule the order, the stops and the decision are the rule's; the
    mean cost over the documents stays within its budget.

    Raises:
        BudgetError: The budget is used up before the first reviewer answered.
        InputError: The calibration is of other reviewers.
    """
    if calibration is not None:
        unknown = [name for name in calibration.order if name not in {r.name for r in reviewers}]
        if unknown:
            raise InputError(
                f"the calibration asks {', '.join(unknown)}, which --panel does not name.",
                hint=f"--panel {','.join(calibration.costs)}",
            )
    found, spent = [], 0.0
    for n, document in enumerate(documents):
        review, tokens = await _one(reviewers, document, calibration, spent, n, len(documents))
        spent += tokens
        found.append(review)
    return found


async def _one(
    reviewers: Sequence[Reviewer],
    document: Document,
    calibration: Calibration | None,
    spent: float,
    n: int,
    documents: int,
) -> tuple[Review, int]:
    """Review one document and return the tokens it took."""
    learnt = calibration is not None and calibration.decides == "panel"
    by_name = {r.name: r for r in reviewers}
    order = [by_name[name] for name in calibration.order] if calibration and learnt else list(reviewers)
    if calibration and not learnt:  # the one that decides first: a budget that ends early must not take it away
        order.sort(key=lambda r: r.name != calibration.order[0])
    reviews: dict[str, Review] = {}
    used: dict[str, int] = {}
    why = {r.name: "not among those the learnt rule asks" for r in reviewers} | {r.name: "" for r in order}
    for k, reviewer in enumerate(order):
        if reviews and calibration and learnt:
            stop = _stop(calibration, list(reviews.values()), spent + sum(used.values()), n, documents)
            if stop:
                why |= {r.name: stop for r in order[k:]}
                break
        try:
            reviews[reviewer.name], used[reviewer.name] = await reviewer.review(document)
        except BudgetError as error:
            if not reviews:
                raise
            why |= {r.name: f"the budget is used up: {error.message}" for r in order[k:]}
            break
        why[reviewer.name] = "asked first" if k == 0 else "asked, as it was not sure yet" if learnt else "asked, too"
    members = tuple(_member(r.name, reviews.get(r.name), used.get(r.name, 0), why[r.name]) for r in reviewers)
    return _decided(reviews, members, calibration, document[0]), sum(used.values())


def _stop(calibration: Calibration, reviews: Sequence[Review], spent: float, n: int, documents: int) -> str:
    """Return why no other reviewer is asked; empty when the next one is."""
    numbers = [in_numbers(r) for r in reviews]
    label, p = fused_label(calibration, numbers)
    if stops(calibration, numbers):
        return f"sure enough without it: {label} with probability {p:.2f}"
    if calibration.budget is not None:
        following = calibration.costs[calibration.order[len(reviews)]]
        kept = (documents - n - 1) * calibration.costs[calibration.order[0]]
        if spent + following + kept > calibration.budget * documents:
            return f"not within the budget of {calibration.budget:g} tokens a document"
    return ""


def _member(name: str, review: Review | None, tokens: int, why: str) -> Member:
    if review is None:
        return Member(name=name, asked=False, why=why)
    j = review.judgement
    worst = next((f.problem for f in j.findings if f.id == j.most_serious), "") if j else ""
    return Member(
        name=name,
        asked=True,
        verdict=review.verdict,
        mean_score=review.mean_score,
        findings=len(j.findings) if j else 0,
        tokens=tokens,
        most_serious=worst,
        why=why,
    )


def _decided(
    reviews: dict[str, Review], members: tuple[Member, ...], calibration: Calibration | None, protocol: Protocol
) -> Review:
    """Make the panel's review: the learnt rule's label where it is a verdict, else the deciding reviewer's."""
    names = list(reviews)
    apart = disagreements(reviews)
    probability: float | None = None
    if calibration is not None and calibration.decides == "panel":
        label, probability = fused_label(calibration, [in_numbers(r) for r in reviews.values()])
        decider, by = reviews[names[-1]], "learnt rule"
        findings, dropped = fused_findings(reviews, calibration)
        text = (
            f"{len(names)} of {len(calibration.order)} reviewers asked; the rule learnt from {calibration.items} rated "
            f"documents gives “{label}” with probability {probability:.2f} (right in "
            f"{calibration.expected_accuracy:.0%} of documents it had not seen)."
        )
    elif calibration is not None:
        by = calibration.order[0]
        decider = reviews[by]
        findings, dropped = list(decider.judgement.findings) if decider.judgement else [], []
        label = label_of(in_numbers(decider), calibration)
        text = (
            f"{by} decides: the most accurate single reviewer on {calibration.items} rated documents "
            f"({calibration.accuracy[by]:.0%}); the others only tell where they disagree."
        )
    else:
        by = names[-1]
        decider = reviews[by]
        findings, dropped = list(decider.judgement.findings) if decider.judgement else [], []
        label = decider.verdict
        text = (
            f"Nothing was learnt from rated documents: {by}, the last that was asked, decides; the others only tell "
            "where they disagree."
        )
    order = ranked(findings)
    verdict = next((v for v in VERDICTS if v == label), verdict_of(order))
    if label != verdict:
        text += f" People's labels here are not verdicts: the label is {label}."
    decision = PanelDecision(
        members=members,
        decided_by=by,
        probability=probability,
        agree=not apart,
        disagreements=apart,
        explanation=text,
    )
    base = decider.judgement or Judgement(kind="other text", kind_reason="not judged")
    worst = order[0] if order else None
    judgement = base.model_copy(
        update={
            "findings": order,
            "most_serious": base.most_serious if order == base.findings else worst.id if worst else "",
            "invalidates": worst is not None and worst.consequence == GRAVITY[0],
            "dropped": (*base.dropped, *dropped),
            "panel": decision,
        }
    )
    checks = tuple(f for f in decider.findings if f.gate != "REVIEWER")
    return decider.model_copy(
        update={
            "verdict": verdict,
            "findings": (*checks, *as_check_findings(order, protocol)),
            "judgement": judgement,
        }
    )
