"""Calibration of a panel from rated items: the order of asking, the stops, the fusion of answers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from bioresearcher.errors import InputError
from bioresearcher.review.panel.cascade import Thresholds, choose_thresholds
from bioresearcher.review.panel.diversity import focal_diversity
from bioresearcher.review.panel.fusion import fit_rule, out_of_fold, probabilities
from bioresearcher.schemas.judgement import Confidence
from bioresearcher.schemas.panel import Calibration, LinearRule, RatedFinding, RatedItem, RatedReview, SubPanel
from bioresearcher.schemas.protocol import Consequence

Array = NDArray[np.float64]
LEAST_ITEMS = 50
"""Rated items from which a fusion is learnt; with fewer the most accurate single reviewer decides."""
LEAST_FINDINGS = 50
"""Rated findings from which the probability of a finding is learnt."""
MOST_REVIEWERS = 6
VERDICTS: tuple[Literal["fail", "revise", "pass"], ...] = ("fail", "revise", "pass")
_GRAVITY: tuple[Consequence, ...] = get_args(Consequence)
_CONFIDENCE: tuple[Confidence, ...] = get_args(Confidence)
FEATURES = 3 + len(_GRAVITY) * len(_CONFIDENCE) + 3


def read_rated(path: Path) -> tuple[RatedItem, ...]:
    """Read rated items: JSON lines, each an item with a person's label and the reviews of it.

    Raises:
        InputError: The file is not there, a line does not fit (with its number), items repeat, or reviewers differ.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text.", hint="Give JSON lines.") from error
    items: list[RatedItem] = []
    for n, line in enumerate(lines, 1):
        if line.strip():
            try:
                items.append(RatedItem.model_validate(json.loads(line)))
            except (ValidationError, ValueError, RecursionError) as error:
                first = error.errors()[0] if isinstance(error, ValidationError) else None
                said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else "is not JSON"
                raise InputError(f"{path} line {n}: {said}.", hint="A line is {item, label, reviews}.") from error
    if not items:
        raise InputError(f"{path} holds no rated items.")
    names = [i.item for i in items]
    if len(set(names)) < len(names):
        twice = next(x for x in names if names.count(x) > 1)
        raise InputError(f"{path}: item {twice!r} stands twice.", hint="Give each document one line.")
    reviewers = set(items[0].reviews)
    other = next((i for i in items if set(i.reviews) != reviewers), None)
    if other is not None or not reviewers:
        name = other.item if other else items[0].item
        raise InputError(f"{path}: item {name!r} has not the same reviewers as the first.", hint="Ask all about each.")
    if len(reviewers) > MOST_REVIEWERS:
        raise InputError(f"{path}: {len(reviewers)} reviewers; at most {MOST_REVIEWERS} are calibrated.")
    return tuple(items)


def features_of(review: RatedReview) -> list[float]:
    """Describe a review by `FEATURES` numbers of about the same size: verdict, findings by kind, score, items."""
    verdict = [float(review.verdict == v) for v in VERDICTS]
    counts = [
        float(np.log1p(sum(f.consequence == c and f.confidence == s for f in review.findings)))
        for c in _GRAVITY
        for s in _CONFIDENCE
    ]
    score = float(np.mean(list(review.scores.values()))) / 5 if review.scores else 0.0
    missing = review.items_missing if review.items_missing is not None else 0.0
    return [*verdict, *counts, score, float(bool(review.scores)), missing]


def own_label(review: RatedReview, labels: Sequence[str]) -> str:
    """Return the label a reviewer gives by itself: its verdict, or its mean score as the nearest label."""
    if review.verdict in labels:
        return review.verdict
    numbers = _numbers(labels)
    if numbers is None or not review.scores:
        return review.verdict
    mean = float(np.mean(list(review.scores.values())))
    return min(labels, key=lambda label: (abs(numbers[label] - mean), numbers[label]))


def _numbers(labels: Sequence[str]) -> dict[str, float] | None:
    try:
        return {label: float(label) for label in labels}
    except ValueError:
        return None


def calibrate(items: Sequence[RatedItem], budget: float | None = None) -> Calibration:
    """Learn from rated items.

    With fewer than `LEAST_ITEMS` the most accurate single reviewer within the budget decides, and nothing is fused.
    Otherwise every sub-panel, the cheapest first, gets its learnt fusion and its thresholds; that with the best
    accuracy on items it was not learnt from is kept, unless a single reviewer is as good.

    Args:
        items: Rated items with the same reviewers.
        budget: Largest mean tokens an item; None: no limit.

    Raises:
        InputError: No reviewer is within the budget.
    """
    labels = tuple(sorted({i.label for i in items}))
    names = tuple(items[0].reviews)
    costs = {name: float(np.mean([i.reviews[name].tokens for i in items])) for name in names}
    order = tuple(sorted(names, key=lambda name: (costs[name], names.index(name))))
    wanted = [i.label for i in items]
    right = {
        name: np.array([own_label(i.reviews[name], labels) == i.label for i in items], dtype=bool) for name in names
    }
    accuracy = {name: float(right[name].mean()) for name in names}
    affordable = [name for name in order if budget is None or costs[name] <= budget]
    if not affordable:
        raise InputError(
            f"the budget of {budget:g} tokens a document is below the cheapest reviewer's {min(costs.values()):.0f}.",
            hint="Give a larger --panel-budget.",
        )
    single = max(affordable, key=lambda name: (accuracy[name], -costs[name]))
    alone = Calibration(
        items=len(items),
        labels=labels,
        costs=costs,
        accuracy=accuracy,
        decides="single",
        order=(single,),
        budget=budget,
        expected_cost=costs[single],
        expected_accuracy=accuracy[single],
        findings=_finding_rule(items, names),
    )
    if len(items) < LEAST_ITEMS or len(labels) < 2:
        few = f"{len(items)} rated items are fewer than {LEAST_ITEMS}"
        why = few if len(items) < LEAST_ITEMS else "all items have one label"
        return alone.model_copy(update={"notes": (f"{why}: the most accurate reviewer decides, others only disagree",)})
    table = {name: np.array([features_of(i.reviews[name]) for i in items]) for name in names}
    ranking, best = [], None
    for size in range(1, len(order) + 1):
        for chosen in itertools.combinations(order, size):
            found = _sub_panel(chosen, table, wanted, costs, budget)
            if found is None:
                continue
            fused, cascade = found
            failed = np.stack([~right[name] for name in chosen])
            diversity = focal_diversity(failed) if size > 1 else None
            cost = sum(costs[name] for name in chosen)
            ranking.append(SubPanel(reviewers=chosen, accuracy=fused, focal_diversity=diversity, cost=cost))
            key = (cascade.accuracy, diversity or 0.0, -cascade.cost)
            if best is None or key > best[0]:
                best = (key, chosen, cascade)
    ranking.sort(key=lambda p: (-p.accuracy, -(p.focal_diversity or 0.0), p.cost))
    alone = alone.model_copy(update={"ranking": tuple(ranking)})
    if best is None or best[2].accuracy <= accuracy[single]:
        said = f"no fused panel was more accurate than {single} alone ({accuracy[single]:.0%})"
        return alone.model_copy(update={"notes": (said,)})
    _, chosen, cascade = best
    rules = tuple(fit_rule(_joined(table, chosen[: n + 1]), wanted) for n in range(len(chosen)))
    return alone.model_copy(
        update={
            "decides": "panel",
            "order": chosen,
            "rules": rules,
            "thresholds": cascade.least,
            "quotas": cascade.quotas,
            "expected_cost": cascade.cost,
            "expected_accuracy": cascade.accuracy,
        }
    )


def _joined(table: dict[str, Array], chosen: Sequence[str]) -> Array:
    return np.concatenate([table[name] for name in chosen], axis=1)


def _sub_panel(
    chosen: Sequence[str], table: dict[str, Array], wanted: Sequence[str], costs: dict[str, float], budget: float | None
) -> tuple[float, Thresholds] | None:
    """Return the accuracy of asking all, and the thresholds; None where the first alone is over the budget."""
    sure, right = [], []
    for n in range(len(chosen)):
        found, p = out_of_fold(_joined(table, chosen[: n + 1]), wanted)
        sure.append(p)
        right.append([a == b for a, b in zip(found, wanted, strict=True)])
    each = np.array([costs[name] for name in chosen])
    limit = float(each.sum()) if budget is None else budget
    if each[0] > limit:
        return None
    return float(np.mean(right[-1])), choose_thresholds(np.array(sure), np.array(right, dtype=bool), each, limit)


def finding_features(finding: RatedFinding, reviewer: str, others: int, reviewers: Sequence[str]) -> list[float]:
    """Describe a finding: gravity and confidence as steps, how many others found it, and who."""
    grave = _GRAVITY.index(finding.consequence) / (len(_GRAVITY) - 1)
    sure = _CONFIDENCE.index(finding.confidence) / (len(_CONFIDENCE) - 1)
    return [grave, sure, float(others), *(float(reviewer == name) for name in reviewers)]


def _finding_rule(items: Sequence[RatedItem], names: Sequence[str]) -> LinearRule | None:
    """Learn with what probability a person agrees with a finding; None with too few answers, or all alike."""
    rows, agreed = [], []
    order = sorted(names)
    for item in items:
        for name, review in item.reviews.items():
            for f in review.findings:
                if f.agreed is not None:
                    others = sum(
                        any(same_words(f.quote, g.quote) for g in other.findings)
                        for who, other in item.reviews.items()
                        if who != name
                    )
                    rows.append(finding_features(f, name, others, order))
                    agreed.append("yes" if f.agreed else "no")
    if len(rows) < LEAST_FINDINGS or len(set(agreed)) < 2:
        return None
    return fit_rule(np.array(rows), agreed)


def finding_probability(calibration: Calibration, finding: RatedFinding, reviewer: str, others: int) -> float | None:
    """Compute the probability that a person agrees with a finding; None where it was not learnt."""
    rule, names = calibration.findings, sorted(calibration.costs)
    if rule is None or reviewer not in names:
        return None
    row = np.array([finding_features(finding, reviewer, others, names)])
    return float(probabilities(rule, row)[0][rule.labels.index("yes")])


_SAME = 0.6
"""Share of the shorter quote's words that two quotes of one place have in common."""


def same_words(a: str, b: str) -> bool:
    """Return True if two quotes are about the same words of a document: one within the other, or mostly the same."""
    first, second = a.casefold().split(), b.casefold().split()
    if not first or not second:
        return False
    one, two = " ".join(first), " ".join(second)
    if one in two or two in one:
        return True
    common = set(first) & set(second)
    return len(common) >= _SAME * min(len(set(first)), len(set(second))) and len(common) >= 3
