"""Rules of the reviewer: what the gates found decides."""

from __future__ import annotations

from bioresearcher.schemas.ask_review import MetricScore, ProtocolScores, ReviewDraftInput, ScoreProtocolInput
from bioresearcher.schemas.review import DraftJudgement

_INCOMPLETE = ("G-HEAD-01", "G-OUT-01", "G-STR")
_ORDER = ("G-HEAD", "G-OUT", "G-FLO")
_VAGUE = ("G-VAG",)
_FOREIGN = ("G-REF", "G-DAT")


def review_draft(values: ReviewDraftInput) -> DraftJudgement:
    """Answers from the gates' findings of severity error; without any, every answer is yes."""
    errors = [f for f in values.findings if f.severity == "error"]

    def clean(*families: str) -> bool:
        return not any(f.gate.startswith(families) for f in errors)

    return DraftJudgement(
        answers_objective=bool(values.draft.strip()),
        complete=clean(*_INCOMPLETE),
        specific=clean(*_VAGUE),
        consistent=clean(*_ORDER),
        grounded=clean(*_FOREIGN),
        quote="",
        reason="; ".join(f"{f.location}: {f.message}" for f in errors[:5]) or "The gates found no error.",
    )


def score_protocol(values: ScoreProtocolInput) -> ProtocolScores:
    """The scores computed from gates and features, unchanged."""
    metrics = {
        name: MetricScore(score=m.score, evidence=m.evidence, reason=m.reason)
        for name, m in values.by_rule.metrics.items()
    }
    return ProtocolScores(metrics=metrics, findings=(), summary=values.by_rule.summary)
