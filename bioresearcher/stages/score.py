"""The final scores of a protocol."""

from __future__ import annotations

from collections.abc import Sequence

from bioresearcher.errors import AnswerError
from bioresearcher.llm.ask import Caller, ask
from bioresearcher.review.gates import GateContext
from bioresearcher.review.metrics import decide, review_by_rule
from bioresearcher.review.rubric import rubric_text
from bioresearcher.schemas.ask_review import ScoreProtocolInput
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import METRICS, GateFinding, Metric, Review
from bioresearcher.stages.prompts import SCORE_PROTOCOL
from bioresearcher.stages.usable import tell
from bioresearcher.stages.words import known_id, stands_in, title_of

QUOTES = 6
FINDINGS = 30


async def score_protocol(
    caller: Caller, objective: Objective, protocol: Protocol, protocol_text: str, context: GateContext
) -> Review:
    """The review by rule, with the reviewer's scores where a model reviews.

    A score counts when words it quotes stand in the protocol; a metric without such a score keeps the one by rule,
    which its reason says. A review in which no score counts is the one by rule.
    """
    by_rule = review_by_rule(protocol, context)
    values = ScoreProtocolInput(
        objective=objective, protocol=protocol, protocol_text=protocol_text, rubric=rubric_text(), by_rule=by_rule
    )
    try:
        answer = await ask(caller, SCORE_PROTOCOL, values)
    except AnswerError as error:
        tell(caller, SCORE_PROTOCOL, f"scored by rule: {error.message}")
        return by_rule
    if answer.origin == "offline":
        return by_rule
    shown = {name: supported(metric, protocol_text) for name, metric in answer.value.metrics.items()}
    counted = {name: metric for name, metric in shown.items() if metric.evidence}
    missing = [name for name in METRICS if name not in counted]
    if missing:
        names = ", ".join(n.replace("_", " ") for n in missing)
        tell(caller, SCORE_PROTOCOL, f"scored by rule, as no words of the protocol were quoted for it: {names}")
    if not counted:
        return by_rule
    metrics = {name: counted.get(name) or _ruled(by_rule.metrics[name]) for name in METRICS}
    return Review(
        metrics=metrics,
        findings=(*by_rule.findings, *reviewer_findings(answer.value.findings, protocol)),
        verdict=decide(tuple(metrics.values()), by_rule.findings, steps=len(protocol.steps)),
        summary=answer.value.summary.strip() or by_rule.summary,
        origin="mixed" if missing else answer.origin,
    )


def supported(metric: Metric, text: str) -> Metric:
    """The metric with those of its quotes that stand in the text."""
    quotes = dict.fromkeys(q.strip() for q in metric.evidence if stands_in(q, text))
    return metric.model_copy(update={"evidence": tuple(quotes)[:QUOTES]})


def _ruled(metric: Metric) -> Metric:
    said = "Scored by rule: the reviewer gave no score that rests on words of the protocol."
    return metric.model_copy(update={"reason": f"{said} {metric.reason}"})


def reviewer_findings(findings: Sequence[GateFinding], protocol: Protocol) -> tuple[GateFinding, ...]:
    """The reviewer's findings as such, each at a place that exists, at most 30; those that say nothing are left out."""
    places = {f"part {p.id}" for p in protocol.parts} | {f"step {s.id}" for s in protocol.steps} | {"protocol"}
    ids = {place.rpartition(" ")[2]: place for place in sorted(places)}
    found = []
    for finding in findings:
        if title_of(finding.message):
            place = known_id(finding.location, places) or ids.get(known_id(finding.location, ids) or "", "protocol")
            found.append(finding.model_copy(update={"gate": "REVIEWER", "location": place}))
    return tuple(dict.fromkeys(found))[:FINDINGS]
