"""The five metrics by rule: measured features, lowered by what the gates found.

A score is `1 + 3.5 * base * kept`. `base` (0 to 1) is a weighted mean of measured shares, so a fragment starts
low however clean it is. `kept` is a product over the gates that concern the metric: each takes away a part
that depends on the severity of its findings and on the share of steps they hit. Another finding can
therefore only lower a score. Whether the science is right is not judged here, and the reasons say so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from bioresearcher.review.features import Features, Share, measure
from bioresearcher.review.gate import GateContext, View, make_view
from bioresearcher.review.gates import GATES, SEVERITIES, applicability, count_severities, run_gates
from bioresearcher.review.rubric import RUBRIC
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import METRICS, GateFinding, Metric, MetricName, Review, Severity
from bioresearcher.text.format import count_of
from bioresearcher.text.visible import one_line

PASS_MEAN, PASS_LOWEST = 3.5, 2.5
"""`pass`: no error, mean at least 3.5, and no metric below 2.5."""
FAIL_MEAN, FAIL_LOWEST, FAIL_SHARE = 2.5, 1.5, 1 / 3
"""`fail`: mean below 2.5, any metric below 1.5, or errors in at least a third of the steps. Else `revise`."""

RULE_TOP = 4.5
"""The highest score a rule can give: the top of the rubric is for a reviewer who judges the science."""

READ_TRUST = 0.7
"""How far a flow of data that is only hinted at in free text counts, against one that is declared."""

UNTRACED_LIMIT = 0.8
"""Highest base of correctness where it is not known what was retrieved: level 5 asks for that."""

ENOUGH_STEPS = 6
"""Steps from which a protocol is not held to be a fragment."""
ENOUGH_WORDS = 25
"""Median words per step from which length does not count against the level of detail."""

_TAKES: dict[Severity, tuple[float, float]] = {"error": (0.22, 0.45), "warning": (0.07, 0.3), "note": (0.005, 0.025)}
"""Severity -> what one finding takes away, and what is added when all steps are hit."""

_METRIC_OF: dict[str, MetricName] = {g.id: g.metric for g in GATES}
_TITLE_OF: dict[str, str] = {g.id: g.title for g in GATES}


def review_by_rule(protocol: Protocol, context: GateContext | None = None) -> Review:
    """Review a protocol without a model: gates, measured features, and the scores computed from both.

    The result has `origin="offline"`, all five metrics, and the verdict of `decide`.
    The same protocol and context always give the same review.
    """
    known = context or GateContext()
    findings = run_gates(protocol, known)
    view = make_view(protocol, known)
    features = measure(view)
    bases = _bases(features)
    if not _traceable(known):
        bases["correctness"] = min(bases["correctness"], UNTRACED_LIMIT)
    metrics = {name: _metric(name, bases[name], features, view, findings) for name in METRICS}
    verdict = decide(tuple(metrics.values()), findings, steps=features.steps)
    review = Review(metrics=metrics, findings=findings, verdict=verdict, origin="offline")
    return review.model_copy(update={"summary": _summary(review, features, known)})


def decide(
    metrics: Sequence[Metric], findings: Sequence[GateFinding], *, steps: int
) -> Literal["pass", "revise", "fail"]:
    """The verdict that scores and findings come to."""
    scores = [m.score for m in metrics]
    mean = sum(scores) / len(scores)
    wrong = {f.location for f in findings if f.severity == "error"}
    if mean < FAIL_MEAN or min(scores) < FAIL_LOWEST or len(wrong) >= max(2, FAIL_SHARE * steps):
        return "fail"
    return "pass" if not wrong and mean >= PASS_MEAN and min(scores) >= PASS_LOWEST else "revise"


def _traceable(context: GateContext) -> bool:
    return context.knows("paper_ids") and context.knows("datasets")


def _mean(*pairs: tuple[float, float]) -> float:
    return sum(v * w for v, w in pairs) / sum(w for _, w in pairs)


def _bases(f: Features) -> dict[MetricName, float]:
    size = min(1.0, f.steps / ENOUGH_STEPS)
    frame = 0.4 + 0.6 * size
    words = min(1.0, f.median_words / ENOUGH_WORDS)
    parts = 1.0 if 2 <= f.parts <= 15 else 0.75 if f.parts == 1 and f.steps > 2 else 0.5 if f.parts > 15 else 0.2
    covered = [(f.covered.value, 1.0)] if f.covered else []
    chained = f.declared.value + READ_TRUST * (f.chained.value - f.declared.value)
    fields = (f.inputs.value + f.outputs.value + f.acceptance.value) / 3
    return {
        "completeness": frame
        * _mean(
            (f.inputs.value, 1), (f.outputs.value, 1), (f.acceptance.value, 1), (f.data.value, 0.5), (size, 1), *covered
        ),
        "level_of_detail": (0.6 + 0.4 * size)
        * _mean((f.quantities.value, 3), (words, 2), (f.tools.value, 2), (f.measurable.value, 1), (f.outputs.value, 1)),
        "correctness": (0.5 + 0.5 * size)
        * _mean((1.0, 4), (f.quantities.value, 2), (f.tools.value, 2), (max(f.sources.value, f.data.value), 2)),
        "logical_soundness": frame
        * _mean(
            (chained, 4),
            (min(1.0, len(f.safeguards) / 2), 2),
            (max(f.reasons.value, f.purposes.value), 1),
            (size, 2),
        ),
        "structural_soundness": frame
        * _mean((f.titles.value, 2), (parts, 2), (f.sized_parts.value, 2), (fields, 1), (size, 1)),
    }


def _kept(name: MetricName, findings: Sequence[GateFinding], steps: int) -> float:
    """What the gates leave of a metric, 0 to 1."""
    by_gate: dict[tuple[str, Severity], set[str]] = defaultdict(set)
    for f in findings:
        if _METRIC_OF[f.gate] == name:
            by_gate[f.gate, f.severity].add(f"{f.location} {f.message}")
    kept = 1.0
    for (_, severity), places in by_gate.items():
        first, more = _TAKES[severity]
        kept *= 1 - first - more * min(1.0, len(places) / max(1, steps))
    return kept


_SHOWN: dict[MetricName, tuple[str, ...]] = {
    "completeness": ("inputs", "outputs", "acceptance", "data", "covered"),
    "level_of_detail": ("quantities", "tools", "measurable"),
    "correctness": ("quantities", "tools", "sources", "data"),
    "logical_soundness": ("chained", "reasons"),
    "structural_soundness": ("titles", "sized_parts", "purposes"),
}


def _metric(name: MetricName, base: float, f: Features, view: View, findings: Sequence[GateFinding]) -> Metric:
    score = round(1 + (RULE_TOP - 1) * base * _kept(name, findings, f.steps), 2)
    concerned = [x for x in findings if _METRIC_OF[x.gate] == name]
    shares = (getattr(f, key) for key in _SHOWN[name])
    measured = [str(s) for s in shares if isinstance(s, Share)]
    if name == "level_of_detail":
        measured.append(f"{f.median_words:g} words in the median step")
    if name == "logical_soundness":
        measured.append(f"safeguards named: {', '.join(f.safeguards) or 'none'}")
    if name == "structural_soundness":
        measured.append(f"{count_of(f.parts, 'part')}, {count_of(f.steps, 'step')}")
    quoted = [f"{x.location}: {x.message}" for x in _first_of_each_gate(concerned)[:3]]
    return Metric(
        score=score,
        evidence=(*(quoted or _example(view)), *measured),
        reason=_reason(name, score, concerned, view.context),
    )


def _first_of_each_gate(findings: Sequence[GateFinding]) -> list[GateFinding]:
    return list({x.gate: x for x in reversed(findings)}.values())[::-1]


def _example(view: View) -> tuple[str, ...]:
    """When no gate found anything: words of the step with most quantities, to stand for the rest."""
    best = max(view.steps, key=lambda s: (s.numbers + len(s.step.parameters), -s.index), default=None)
    return (f"{best.location}: “{one_line(best.step.action, 140)}”",) if best else ()


def _reason(name: MetricName, score: float, concerned: Sequence[GateFinding], context: GateContext) -> str:
    level = min(5, max(1, round(score)))
    anchor = RUBRIC[name].anchors[level - 1]
    counts = {s: sum(x.severity == s for x in concerned) for s in SEVERITIES}
    found = ", ".join(count_of(n, s) for s, n in counts.items() if n)
    gates = "; ".join(f"{x.gate} ({_TITLE_OF[x.gate]})" for x in _first_of_each_gate(concerned)[:3])
    lowered = f"Lowered by {found}: not met are {gates}." if concerned else "No gate found anything against it."
    return f"Nearest to level {level} of the rubric (“{anchor}”). {lowered}{_limits(name, context)}"


def _limits(name: MetricName, context: GateContext) -> str:
    """What the score cannot tell."""
    if name == "correctness":
        unknown = "" if _traceable(context) else " What was retrieved is not known here, so level 5 cannot be reached."
        return f" Whether the methods are the right ones is not judged by rule.{unknown}"
    if name == "completeness" and not context.knows("objective"):
        return " The objective is not known here, so requirements were not checked."
    return ""


def _summary(review: Review, f: Features, context: GateContext) -> str:
    counts = count_severities(review.findings)
    apply = applicability(context)
    skipped = f"; {len(apply.skipped)} not applied because the run around it is not known" if apply.skipped else ""
    return (
        f"{count_of(f.steps, 'step')} in {count_of(f.parts, 'part')}; mean {review.mean_score:.2f} of 5; "
        f"{counts} from {len(apply.applied)} gates{skipped}."
        " Computed by rule from the gates and from what can be counted, without a model."
    )
