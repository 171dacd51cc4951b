"""The rubric of the five metrics, the measured features of a protocol, and the scores computed from them by rule.

A score is `1 + 3.5 * base * left`. `base` (0 to 1) is a weighted mean of measured shares, so a fragment starts
low however clean it is. `left` is a product over the checks that concern the metric: each takes away a part
that depends on the severity of its findings and on the share of steps they hit. Another finding can
therefore only lower a score. The rules do not judge whether the science is right, and the reasons say so.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from bioresearcher.review.check import CheckContext, CheckedProtocol, StepView, prepare
from bioresearcher.review.checks import CHECKS, SEVERITIES, applicability, count_severities, run_checks
from bioresearcher.review.record import bounded
from bioresearcher.review.vocabulary import (
    ACCEPT_CUE,
    CONTROL,
    EARLIER_CUE,
    INPUT_CUE,
    OUTPUT_CUE,
    QUALITY,
    RESAMPLING,
    SOFTWARE,
    VALIDATION,
)
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import METRICS, CheckFinding, Metric, MetricName, Review, Severity
from bioresearcher.text.format import count_of
from bioresearcher.text.visible import one_line

# -- the rubric ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Criterion:
    """One metric of the rubric: its question, and a description of each score from 1 to 5 (`anchors[0]` is 1)."""

    title: str
    question: str
    anchors: tuple[str, str, str, str, str]


RUBRIC: dict[MetricName, Criterion] = {
    "completeness": Criterion(
        "Completeness",
        "Is everything there that is needed to answer the objective: data, steps, checks, requirements?",
        (
            "A fragment: a sentence or two, or one phase of the work; inputs and outputs are missing.",
            "Main phases are missing (no data acquisition, no statistics, no validation), or most requirements are.",
            "All main phases are there; several steps lack inputs, outputs or a criterion, or a requirement is open.",
            "Everything needed is there; a few steps lack a field, and what is left out is said with its reason.",
            "Every step has inputs, action, outputs and a criterion; every requirement is met or its lack explained.",
        ),
    ),
    "level_of_detail": Criterion(
        "Level of detail",
        "Could a colleague carry it out without asking back?",
        (
            "Only intentions: no values, tools or amounts; or placeholders where they should be.",
            "Some tools are named; hardly any values; many words such as “appropriate” or “e.g.”.",
            "Tools and main thresholds are named; a number of choices are left open.",
            "Parameters, units and tools are given nearly everywhere; few choices are open.",
            "Every choice is made: parameters with units, tools with versions, criteria with numbers.",
        ),
    ),
    "correctness": Criterion(
        "Correctness",
        "Are methods, values, identifiers and references right?",
        (
            "Invented identifiers or impossible values throughout, or nothing concrete enough to be checked.",
            "Several invented or wrong identifiers, or methods that do not fit the data.",
            "Methods fit; a needed correction or check is missing, or some references cannot be looked up.",
            "Methods, values and identifiers hold; small statistical points are open.",
            "All identifiers exist and were retrieved, methods fit the data, statistics are sound, steps have sources.",
        ),
    ),
    "logical_soundness": Criterion(
        "Logical soundness",
        "Does each step follow from those before it, and would the whole answer the question?",
        (
            "Steps do not build on each other, or the order cannot work.",
            "Circular or missing inputs, or validation on the data of the discovery.",
            "The order works; some inputs come from nowhere, or controls or validation are missing.",
            "Inputs are all made or given before; controls and validation are there with small gaps.",
            "A closed chain from given data to conclusion, with controls, independent validation and fixed thresholds.",
        ),
    ),
    "structural_soundness": Criterion(
        "Structural soundness",
        "Is it divided, titled and numbered so that one can find one's way?",
        (
            "No division into parts and steps, or an empty frame.",
            "Parts without steps, repeated ids, or the same steps written again.",
            "Parts and steps are recognisable; titles are generic, or parts badly cut.",
            "Clear parts and steps with telling titles; small slips in numbering or length.",
            "Parts and steps well cut, titled and numbered without gaps; nothing twice, nothing that is no experiment.",
        ),
    ),
}


def rubric_text(metrics: tuple[MetricName, ...] = METRICS) -> str:
    """Format the rubric as Markdown, for prompts and documentation."""
    blocks = []
    for name in metrics:
        c = RUBRIC[name]
        anchors = "\n".join(f"- {score}: {text}" for score, text in enumerate(c.anchors, 1))
        blocks.append(f"### {c.title} (`{name}`)\n{c.question}\n{anchors}")
    return "\n\n".join(blocks)


# -- features of a protocol ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Share:
    """Number of things (`have` of `of`) with a property; `words` name it, such as `steps name their inputs`."""

    have: int
    of: int
    words: str

    @property
    def value(self) -> float:
        """The share as a number from 0 to 1; 0 when there is nothing to count."""
        return self.have / self.of if self.of else 0.0

    def __str__(self) -> str:
        return f"{self.have} of {self.of} {self.words}"


@dataclass(frozen=True)
class Features:
    """Measured features of a protocol; shares are over steps unless their words name something else."""

    parts: int
    steps: int
    median_words: float
    inputs: Share
    outputs: Share
    acceptance: Share
    measurable: Share
    quantities: Share
    tools: Share
    data: Share
    sources: Share
    chained: Share
    declared: Share
    reasons: Share
    purposes: Share
    titles: Share
    sized_parts: Share
    covered: Share | None
    safeguards: tuple[str, ...]


_SAFEGUARDS: dict[str, re.Pattern[str]] = {
    "quality control": QUALITY,
    "controls": CONTROL,
    "validation": VALIDATION,
    "resampling or held-out data": RESAMPLING,
}
_REAGENT = re.compile(r"\d\s*(?:[µμmn]?[lLgM]\b|°\s?C|%|min\b|h\b|rpm|×\s?g)|1:\d+|\bkit\b|clone|catalog", re.I)
_CITED = re.compile(r"GSE\d|PMID|PMC\d|10\.\d{4}/|E-[A-Z]{4}-\d|TCGA-[A-Z]|PRJ[NED]", re.I)
_BARE_TITLE = re.compile(r"\W*(?:step|part|section)?\s*[\d.]*\W*", re.I)


def measure(view: CheckedProtocol) -> Features:
    """Measure the features of a protocol, without judging them."""
    steps = view.steps
    parts = view.protocol.parts

    def share(has: Callable[[StepView], object], words: str) -> Share:
        return Share(sum(bool(has(s)) for s in steps), len(steps), words)

    def cue(s: StepView, pattern: re.Pattern[str]) -> bool:
        return view.from_text and bool(pattern.search(s.body))

    said = Counter(s.step.acceptance.strip().lower() for s in steps)
    named = Counter(o.name.strip().lower() for s in steps for o in s.step.outputs)
    met = [c for c in view.protocol.coverage if c.met]
    rest = steps[1:]
    return Features(
        parts=len(parts),
        steps=len(steps),
        median_words=median([s.words for s in steps]) if steps else 0,
        inputs=share(
            lambda s: s.step.inputs or s.step.datasets or cue(s, INPUT_CUE) or cue(s, EARLIER_CUE),
            "steps name their inputs",
        ),
        outputs=share(lambda s: _own_outputs(s, named) or cue(s, OUTPUT_CUE), "steps name their outputs"),
        acceptance=share(
            lambda s: _own_criterion(s, said) or cue(s, ACCEPT_CUE), "steps have a criterion of success of their own"
        ),
        measurable=share(lambda s: ACCEPT_CUE.search(s.body) and s.numbers, "steps have a criterion with a number"),
        quantities=share(lambda s: s.numbers or s.step.parameters, "steps hold a quantity or parameter"),
        tools=share(_tools, "steps name their software or reagents"),
        data=share(lambda s: s.step.datasets or _named_inputs(s) or _CITED.search(s.full), "steps name their data"),
        sources=share(lambda s: s.step.grounded or _CITED.search(s.step.rationale), "steps stand on a source"),
        chained=Share(
            sum(_chained(s) or cue(s, EARLIER_CUE) for s in rest), len(rest), "later steps take what came before"
        ),
        declared=Share(sum(map(_chained, rest)), len(rest), "later steps declare where their inputs come from"),
        reasons=share(_gives_reason, "steps give a reason"),
        purposes=Share(sum(bool(p.purpose.strip()) for p in parts), len(parts), "parts say what they are for"),
        titles=share(_titled, "steps have a title of their own"),
        sized_parts=Share(sum(1 <= len(p.steps) <= 15 for p in parts), len(parts), "parts have 1 to 15 steps"),
        covered=Share(len(met), len(view.protocol.coverage), "requirements are met")
        if view.protocol.coverage
        else None,
        safeguards=tuple(name for name, pattern in _SAFEGUARDS.items() if pattern.search(view.text)),
    )


_SAID_OFTEN = 3
"""Steps from which the same words for a criterion or an output say nothing about any one of them."""


def _own_criterion(s: StepView, said: Counter[str]) -> bool:
    """Return True if a step has a criterion that is not its own words again, nor that of many others."""
    criterion = s.step.acceptance.strip()
    if not criterion or said[criterion.lower()] >= _SAID_OFTEN:
        return False
    quoted = re.match(r"[“\"]([^”\"…]{20,})", criterion)
    return not (quoted and quoted.group(1).strip().lower()[:60] in f"{s.step.title} {s.step.action}".lower())


def _own_outputs(s: StepView, named: Counter[str]) -> bool:
    return any(named[o.name.strip().lower()] < _SAID_OFTEN for o in s.step.outputs)


def _titled(s: StepView) -> bool:
    title = s.step.title[:200]
    return not _BARE_TITLE.fullmatch(title) and not s.step.action.startswith(title.rstrip("."))


def _tools(s: StepView) -> bool:
    text = s.body
    return bool(
        s.step.software or s.step.skill or SOFTWARE.search(text) or (s.step.kind == "wet" and _REAGENT.search(text))
    )


def _gives_reason(s: StepView) -> bool:
    return any(line.strip() and not line.startswith("Sources:") for line in s.step.rationale.split("\n"))


def _named_inputs(s: StepView) -> bool:
    return any(i.source != "given" for i in s.step.inputs)


def _chained(s: StepView) -> bool:
    return any(i.source.startswith(("step:", "dataset:")) for i in s.step.inputs)


# -- scores and verdict -------------------------------------------------------------------------------

PASS_MEAN, PASS_LOWEST = 3.5, 2.5
"""Bounds of `pass`: no error, mean at least 3.5, and no metric below 2.5."""
FAIL_MEAN, FAIL_LOWEST, FAIL_SHARE = 2.5, 1.5, 1 / 3
"""Bounds of `fail`: mean below 2.5, any metric below 1.5, or errors in at least a third of the steps."""

MAX_RULE_SCORE = 4.5
"""Highest score computed by rule: the top of the rubric is for a reviewer who judges the science."""

HINTED_FLOW_WEIGHT = 0.7
"""Weight of a flow of data hinted at in free text, where a declared flow has weight 1."""

MAX_UNTRACED_BASE = 0.8
"""Highest base of correctness where the retrieved papers and data are not known: level 5 asks for them."""

ENOUGH_STEPS = 6
"""Fewest steps of a protocol that is no fragment."""
ENOUGH_WORDS = 25
"""Median words per step from which the level of detail is not lowered for brevity."""

_DEDUCTIONS: dict[Severity, tuple[float, float]] = {
    "error": (0.22, 0.45),
    "warning": (0.07, 0.3),
    "note": (0.005, 0.025),
}
"""Severity -> share taken away by one finding, and the share added when all steps are hit."""

_METRIC_OF: dict[str, MetricName] = {c.id: c.metric for c in CHECKS}
_TITLE_OF: dict[str, str] = {c.id: c.title for c in CHECKS}


def review_by_rule(protocol: Protocol, context: CheckContext | None = None) -> Review:
    """Review a protocol without a model: checks, measured features, and the scores computed from both.

    The result has `origin="offline"`, all five metrics, and the verdict of `decide_verdict`.
    The same protocol and context always give the same review.
    """
    known = context or CheckContext()
    findings = run_checks(protocol, known)
    view = prepare(protocol, known)
    features = measure(view)
    bases = _bases(features)
    if not _traceable(known):
        bases["correctness"] = min(bases["correctness"], MAX_UNTRACED_BASE)
    metrics = {name: _metric(name, bases[name], features, view, findings) for name in METRICS}
    verdict = decide_verdict(tuple(metrics.values()), findings, steps=features.steps)
    review = Review(metrics=metrics, findings=findings, verdict=verdict, origin="offline")
    return review.model_copy(update={"summary": _summary(review, features, known)})


def review_without_model(protocol: Protocol, context: CheckContext | None = None) -> Review:
    """Review a protocol by rule: our own with computed metrics, a foreign document with findings alone.

    A foreign document (`origin="source"`) is not judged: it has the findings that the checks' records allow, no metrics
    and no verdict.
    """
    if protocol.origin != "source":
        return review_by_rule(protocol, context)
    return _not_judged(protocol, bounded(run_checks(protocol, context)))


def _not_judged(protocol: Protocol, findings: tuple[CheckFinding, ...]) -> Review:
    steps = count_of(len(protocol.steps), "step")
    parts = count_of(len(protocol.parts), "part")
    return Review(
        metrics={},
        findings=findings,
        verdict="not judged",
        origin="offline",
        summary=f"{steps} in {parts}; {count_severities(findings)}. Not judged: checks look for mistakes in numbers and"
        " units; whether the methods, the order and the amounts are right, only a reader or a model can tell.",
    )


def decide_verdict(
    metrics: Sequence[Metric], findings: Sequence[CheckFinding], *, steps: int
) -> Literal["pass", "revise", "fail"]:
    """Derive the verdict from scores and findings."""
    scores = [m.score for m in metrics]
    mean = sum(scores) / len(scores)
    wrong = {f.location for f in findings if f.severity == "error"}
    if mean < FAIL_MEAN or min(scores) < FAIL_LOWEST or len(wrong) >= max(2, FAIL_SHARE * steps):
        return "fail"
    return "pass" if not wrong and mean >= PASS_MEAN and min(scores) >= PASS_LOWEST else "revise"


def _traceable(context: CheckContext) -> bool:
    return context.knows("paper_ids") and context.knows("datasets")


def _mean(*pairs: tuple[float, float]) -> float:
    return sum(v * w for v, w in pairs) / sum(w for _, w in pairs)


def _bases(f: Features) -> dict[MetricName, float]:
    size = min(1.0, f.steps / ENOUGH_STEPS)
    frame = 0.4 + 0.6 * size
    words = min(1.0, f.median_words / ENOUGH_WORDS)
    parts = 1.0 if 2 <= f.parts <= 15 else 0.75 if f.parts == 1 and f.steps > 2 else 0.5 if f.parts > 15 else 0.2
    covered = [(f.covered.value, 1.0)] if f.covered else []
    chained = f.declared.value + HINTED_FLOW_WEIGHT * (f.chained.value - f.declared.value)
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
            (chained, 4), (min(1.0, len(f.safeguards) / 2), 2), (max(f.reasons.value, f.purposes.value), 1), (size, 2)
        ),
        "structural_soundness": frame
        * _mean((f.titles.value, 2), (parts, 2), (f.sized_parts.value, 2), (fields, 1), (size, 1)),
    }


def _share_left(name: MetricName, findings: Sequence[CheckFinding], steps: int) -> float:
    """Compute the share of a metric, 0 to 1, that the findings of the checks leave."""
    by_check: dict[tuple[str, Severity], set[str]] = defaultdict(set)
    for f in findings:
        if _METRIC_OF[f.gate] == name:
            by_check[f.gate, f.severity].add(f"{f.location} {f.message}")
    left = 1.0
    for (_, severity), places in by_check.items():
        first, more = _DEDUCTIONS[severity]
        left *= 1 - first - more * min(1.0, len(places) / max(1, steps))
    return left


_REPORTED_SHARES: dict[MetricName, tuple[str, ...]] = {
    "completeness": ("inputs", "outputs", "acceptance", "data", "covered"),
    "level_of_detail": ("quantities", "tools", "measurable"),
    "correctness": ("quantities", "tools", "sources", "data"),
    "logical_soundness": ("chained", "reasons"),
    "structural_soundness": ("titles", "sized_parts", "purposes"),
}


def _metric(
    name: MetricName, base: float, f: Features, view: CheckedProtocol, findings: Sequence[CheckFinding]
) -> Metric:
    score = round(1 + (MAX_RULE_SCORE - 1) * base * _share_left(name, findings, f.steps), 2)
    concerned = [x for x in findings if _METRIC_OF[x.gate] == name]
    shares = (getattr(f, key) for key in _REPORTED_SHARES[name])
    measured = [str(s) for s in shares if isinstance(s, Share)]
    if name == "level_of_detail":
        measured.append(f"{f.median_words:g} words in the median step")
    if name == "logical_soundness":
        measured.append(f"safeguards named: {', '.join(f.safeguards) or 'none'}")
    if name == "structural_soundness":
        measured.append(f"{count_of(f.parts, 'part')}, {count_of(f.steps, 'step')}")
    quoted = [f"{x.location}: {x.message}" for x in _first_of_each_check(concerned)[:3]]
    return Metric(
        score=score,
        evidence=(*(quoted or _example(view)), *measured),
        reason=_reason(name, score, concerned, view.context),
    )


def _first_of_each_check(findings: Sequence[CheckFinding]) -> list[CheckFinding]:
    return list({x.gate: x for x in reversed(findings)}.values())[::-1]


def _example(view: CheckedProtocol) -> tuple[str, ...]:
    """Quote the step with most quantities, as evidence for a metric without findings."""
    best = max(view.steps, key=lambda s: (s.numbers + len(s.step.parameters), -s.index), default=None)
    return (f"{best.location}: “{one_line(best.step.action, 140)}”",) if best else ()


def _reason(name: MetricName, score: float, concerned: Sequence[CheckFinding], context: CheckContext) -> str:
    level = min(5, max(1, round(score)))
    anchor = RUBRIC[name].anchors[level - 1]
    counts = {s: sum(x.severity == s for x in concerned) for s in SEVERITIES}
    found = ", ".join(count_of(n, s) for s, n in counts.items() if n)
    broken = "; ".join(f"{x.gate} ({_TITLE_OF[x.gate]})" for x in _first_of_each_check(concerned)[:3])
    lowered = f"Lowered by {found}: not met are {broken}." if concerned else "No check found anything against it."
    return f"Nearest to level {level} of the rubric (“{anchor}”). {lowered}{_limits(name, context)}"


def _limits(name: MetricName, context: CheckContext) -> str:
    """Sentences on the limits of a score."""
    if name == "correctness":
        unknown = "" if _traceable(context) else " What was retrieved is not known here, so level 5 cannot be reached."
        return f" Whether the methods are the right ones is not judged by rule.{unknown}"
    if name == "completeness" and not context.knows("objective"):
        return " The objective is not known here, so requirements were not checked."
    return ""


def _summary(review: Review, f: Features, context: CheckContext) -> str:
    counts = count_severities(review.findings)
    apply = applicability(context)
    skipped = f"; {len(apply.skipped)} not applied because the run around it is not known" if apply.skipped else ""
    return (
        f"{count_of(f.steps, 'step')} in {count_of(f.parts, 'part')}; mean {review.mean_score:.2f} of 5; "
        f"{counts} from {len(apply.applied)} checks{skipped}."
        " The scores are computed from the checks and from what can be counted: they measure the form,"
        " nobody judged the"
        " science."
    )
