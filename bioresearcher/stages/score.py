"""Final scores of a protocol by the rules, and by the reviewer where a model reviews."""

from __future__ import annotations

from collections.abc import Sequence

from bioresearcher.errors import AnswerError
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.llm.shorten import tokens_of
from bioresearcher.review.brief import Brief, merge_findings, write_brief
from bioresearcher.review.check import CheckContext
from bioresearcher.review.metrics import decide_verdict, review_without_model, rubric_text
from bioresearcher.schemas.ask_program import MetricScore, ProtocolScores, ScoreProtocolInput
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import METRICS, CheckFinding, Metric, MetricName, Review
from bioresearcher.stages.fallback import note
from bioresearcher.stages.prompts import SCORE_PROTOCOL
from bioresearcher.text.normalise import known_id, stands_in, title_of

QUOTES = 6
FINDINGS = 30
QUESTION_TOKENS = 10_000
"""Largest question, in estimated tokens; with the answer's schema a review stays below 12,000."""
_FRAME_TOKENS = 1_300
"""Tokens of the fixed prompt text (estimate)."""


async def score_protocol(
    caller: ModelClient, objective: Objective | None, protocol: Protocol, context: CheckContext
) -> Review:
    """Review a protocol by the rules, with the reviewer's scores where a model reviews.

    The reviewer sees the protocol, the rubric and the checks' findings, and nothing of how the protocol was written. A
    score counts when it is a level of the rubric or half way between two, and its quotes are in the protocol; a metric
    without such a score keeps the rules' score, and its reason names this. Without any such score the rules' review is
    returned.
    """
    by_rule = review_without_model(protocol, context)
    values, shown = question(objective, protocol, by_rule)
    try:
        answer = await ask(caller, SCORE_PROTOCOL, values)
    except AnswerError as error:
        note(caller, SCORE_PROTOCOL, f"scored by rule: {error.message}")
        return by_rule
    if answer.origin == "offline":
        return by_rule
    counted, refused = _counted(answer.value, shown)
    for why, names in refused.items():
        said = ", ".join(n.replace("_", " ") for n in names)
        note(caller, SCORE_PROTOCOL, f"scored by rule, as {why}: {said}")
    if not counted:
        return by_rule
    given = {name: counted.get(name) or _by_rule(by_rule, name) for name in METRICS}
    metrics = {name: metric for name, metric in given.items() if metric is not None}
    summary = answer.value.summary.strip() or by_rule.summary
    return Review(
        metrics=metrics,
        findings=(*by_rule.findings, *reviewer_findings(answer.value.findings, protocol)),
        verdict=decide_verdict(tuple(metrics.values()), by_rule.findings, steps=len(protocol.steps)),
        summary=f"{summary} {shown.note}." if shown.note else summary,
        origin="mixed" if refused else answer.origin,
    )


def question(objective: Objective | None, protocol: Protocol, by_rule: Review) -> tuple[ScoreProtocolInput, Brief]:
    """Return the reviewer's question, cut to `QUESTION_TOKENS` in whole parts, and the part of the protocol in it."""
    rubric = rubric_text()
    condensed_review = by_rule.model_copy(update={"findings": merge_findings(by_rule.findings)})
    rest = [rubric, *(f"{f.gate} {f.severity} at {f.location}: {f.message}" for f in condensed_review.findings)]
    if objective is not None:
        rest += [objective.text, *objective.conditions, *(r.text for r in objective.requirements)]
    left = QUESTION_TOKENS - _FRAME_TOKENS - sum(tokens_of(text) + 8 for text in rest)
    shown = write_brief(protocol, by_rule.findings, left)
    values = ScoreProtocolInput(
        objective=objective, protocol=protocol, protocol_text=shown.text, rubric=rubric, by_rule=condensed_review
    )
    return values, shown


def _counted(answer: ProtocolScores, shown: Brief) -> tuple[dict[MetricName, Metric], dict[str, list[MetricName]]]:
    """Return the metrics that count, and the others by the reason why they do not."""
    counted: dict[MetricName, Metric] = {}
    refused: dict[str, list[MetricName]] = {}
    for name in METRICS:
        given = answer.metrics.get(name)
        metric = _located(given, shown) if given else None
        if metric is None or not metric.evidence:
            refused.setdefault("no words of the protocol were quoted for it", []).append(name)
        elif not (metric.score * 2).is_integer():
            refused.setdefault("its score is no level of the rubric", []).append(name)
        else:
            counted[name] = metric
    return counted, refused


def _located(given: MetricScore, shown: Brief) -> Metric:
    """Return the metric with the quotes located in the protocol shown, each with its place."""
    quotes = dict.fromkeys(q.strip() for q in given.evidence if stands_in(q, shown.text))
    found = {q: shown.place_of(q, stands_in) or "protocol" for q in list(quotes)[:QUOTES]}
    return Metric(score=given.score, evidence=tuple(found), reason=given.reason, places=tuple(found.values()))


def _by_rule(review: Review, name: MetricName) -> Metric | None:
    """Return the metric as computed by rule; None for a foreign document, which rules do not judge."""
    return _ruled(review.metrics[name]) if name in review.metrics else None


def _ruled(metric: Metric) -> Metric:
    said = "Scored by rule: the reviewer gave no score of the rubric that rests on words of the protocol."
    return metric.model_copy(update={"reason": f"{said} {metric.reason}"})


def reviewer_findings(findings: Sequence[CheckFinding], protocol: Protocol) -> tuple[CheckFinding, ...]:
    """Return the reviewer's findings, each at a place that exists, at most 30, without empty ones."""
    places = {f"part {p.id}" for p in protocol.parts} | {f"step {s.id}" for s in protocol.steps} | {"protocol"}
    ids = {place.rpartition(" ")[2]: place for place in sorted(places)}
    found = []
    for finding in findings:
        if title_of(finding.message):
            place = known_id(finding.location, places) or ids.get(known_id(finding.location, ids) or "", "protocol")
            found.append(finding.model_copy(update={"gate": "REVIEWER", "location": place}))
    return tuple(dict.fromkeys(found))[:FINDINGS]
