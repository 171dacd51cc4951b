"""The final scores of a protocol."""

from __future__ import annotations

from bioresearcher.errors import ReplyInvalidError
from bioresearcher.llm.ask import Caller, ask
from bioresearcher.review.gates import GateContext
from bioresearcher.review.metrics import decide, review_by_rule
from bioresearcher.review.rubric import rubric_text
from bioresearcher.schemas.ask_review import ScoreProtocolInput
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import METRICS, Review
from bioresearcher.stages.prompts import SCORE_PROTOCOL


async def score_protocol(
    caller: Caller, objective: Objective, protocol: Protocol, protocol_text: str, context: GateContext
) -> Review:
    """The review by rule, with the reviewer's scores where a model reviews.

    Raises:
        ReplyInvalidError: A metric is missing, or a score quotes no evidence.
    """
    by_rule = review_by_rule(protocol, context)
    values = ScoreProtocolInput(
        objective=objective, protocol=protocol, protocol_text=protocol_text, rubric=rubric_text(), by_rule=by_rule
    )
    scores = await ask(caller, SCORE_PROTOCOL, values)
    for name in METRICS:
        if name not in scores.metrics or not any(e.strip() for e in scores.metrics[name].evidence):
            raise ReplyInvalidError(f"reviewer/score_protocol: {name} has no score with evidence")
    if caller.origin == "offline":
        return by_rule
    verdict = decide(tuple(scores.metrics.values()), by_rule.findings, steps=len(protocol.steps))
    return Review.model_validate(
        {
            "metrics": scores.metrics,
            "findings": (*by_rule.findings, *scores.findings),
            "verdict": verdict,
            "summary": scores.summary,
            "origin": caller.origin,
        }
    )
