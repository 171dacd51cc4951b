"""The decision of a panel on one document: stop or go on, findings put together, disagreement named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np

from bioresearcher.review.panel.calibrate import (
    features_of,
    finding_probability,
    own_label,
    same_words,
)
from bioresearcher.review.panel.fusion import probabilities
from bioresearcher.schemas.judgement import Confidence, JudgedFinding
from bioresearcher.schemas.panel import Calibration, RatedFinding, RatedReview
from bioresearcher.schemas.protocol import Consequence
from bioresearcher.schemas.review import Review

GAP = 1.0
"""Difference of mean scores, in points of 5, from which reviewers disagree."""
DOUBT = 0.5
"""Probability below which a finding is left out."""
_GRAVITY: tuple[Consequence, ...] = get_args(Consequence)
_CONFIDENCE: tuple[Confidence, ...] = get_args(Confidence)


def in_numbers(review: Review, tokens: int = 0) -> RatedReview:
    """Write a review in the numbers that a panel learns from."""
    j = review.judgement
    applicable = [i for i in j.items if i.answer in {"yes", "partly", "no"}] if j else []
    missing = sum(i.answer == "no" for i in applicable) / len(applicable) if applicable else None
    findings = j.findings if j else ()
    return RatedReview(
        verdict=review.verdict,
        scores={name: m.score for name, m in review.metrics.items()},
        findings=tuple(_rated(f) for f in findings),
        items_missing=missing,
        tokens=tokens,
    )


def _rated(f: JudgedFinding) -> RatedFinding:
    return RatedFinding(quote=f.quote, problem=f.problem, consequence=f.consequence, confidence=f.confidence)


def fused_label(calibration: Calibration, reviews: Sequence[RatedReview]) -> tuple[str, float]:
    """Return the label that the learnt rule gives after the first reviewers of the order, and its probability."""
    rule = calibration.rules[len(reviews) - 1]
    row = np.array([[x for review in reviews for x in features_of(review)]])
    p = probabilities(rule, row)[0]
    return rule.labels[int(p.argmax())], float(p.max())


def stops(calibration: Calibration, reviews: Sequence[RatedReview]) -> bool:
    """Return True if the panel is sure enough after these reviewers."""
    if len(reviews) >= len(calibration.order):
        return True
    return fused_label(calibration, reviews)[1] >= calibration.thresholds[len(reviews) - 1]


def disagreements(reviews: Mapping[str, Review]) -> tuple[str, ...]:
    """Name where reviewers disagree: verdict, mean score, and findings that invalidate the result for one of them."""
    found = []
    verdicts = {name: r.verdict for name, r in reviews.items()}
    if len(set(verdicts.values())) > 1:
        found.append("verdict: " + ", ".join(f"{name} {v}" for name, v in verdicts.items()))
    means = {name: r.mean_score for name, r in reviews.items() if r.mean_score is not None}
    if means and max(means.values()) - min(means.values()) >= GAP:
        found.append("mean score: " + ", ".join(f"{name} {m:.1f}" for name, m in means.items()))
    for name, review in reviews.items():
        for f in review.judgement.findings if review.judgement else ():
            others = [o for o in reviews if o != name and not _found_by(f, reviews[o])]
            if f.consequence == _GRAVITY[0] and others:
                found.append(f"{name} holds that the result is invalid, {', '.join(others)} did not: {f.problem}")
    return tuple(found)


def _found_by(f: JudgedFinding, review: Review) -> bool:
    return any(same_words(f.quote, g.quote) for g in (review.judgement.findings if review.judgement else ()))


def fused_findings(
    reviews: Mapping[str, Review], calibration: Calibration | None
) -> tuple[list[JudgedFinding], list[str]]:
    """Put the findings of several reviewers together; those about the same words are one.

    The gravest version is kept. Where it was learnt how often people agree with such findings, those below `DOUBT`
    are left out.

    Returns:
        The findings, and what was left out with the reason.
    """
    groups: list[list[tuple[str, JudgedFinding]]] = []
    for name, review in reviews.items():
        for f in review.judgement.findings if review.judgement else ():
            near = (g for g in groups if any(w != name and same_words(f.quote, o.quote) for w, o in g))
            group = next(near, None)
            if group is None:
                groups.append([(name, f)])
            else:
                group.append((name, f))
    kept, dropped = [], []
    for group in groups:
        group.sort(key=lambda pair: (_GRAVITY.index(pair[1].consequence), _CONFIDENCE.index(pair[1].confidence)))
        name, f = group[0]
        who = tuple(dict.fromkeys(w for w, _ in group))
        p = finding_probability(calibration, _rated(f), name, len(who) - 1) if calibration else None
        if p is not None and p < DOUBT:
            dropped.append(f"{f.location}: {f.problem} (people agreed with {p:.0%} of such findings)")
        else:
            kept.append(f.model_copy(update={"reviewers": who, "probability": p}))
    return kept, dropped


def label_of(review: RatedReview, calibration: Calibration) -> str:
    """Return the label of a single reviewer in the words people used."""
    return own_label(review, calibration.labels)
