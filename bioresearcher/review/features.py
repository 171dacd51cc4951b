"""What can be measured in a protocol without judging it: how many steps have what."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from bioresearcher.review.gate import StepView, View
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


@dataclass(frozen=True)
class Share:
    """`have` of `of` things have a property; `words` say it, e.g. `steps name their inputs`."""

    have: int
    of: int
    words: str

    @property
    def value(self) -> float:
        """0 to 1; 0 when there is nothing to count."""
        return self.have / self.of if self.of else 0.0

    def __str__(self) -> str:
        return f"{self.have} of {self.of} {self.words}"


@dataclass(frozen=True)
class Features:
    """Measured features of a protocol. Shares are over steps unless their words say otherwise."""

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


def measure(view: View) -> Features:
    """Measure a protocol."""
    steps = view.steps
    parts = view.protocol.parts

    def share(has: Callable[[StepView], object], words: str) -> Share:
        return Share(sum(bool(has(s)) for s in steps), len(steps), words)

    def cue(s: StepView, pattern: re.Pattern[str]) -> bool:
        return view.read and bool(pattern.search(s.body))

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
        outputs=share(lambda s: s.step.outputs or cue(s, OUTPUT_CUE), "steps name their outputs"),
        acceptance=share(lambda s: s.step.acceptance.strip() or cue(s, ACCEPT_CUE), "steps say how success is told"),
        measurable=share(lambda s: ACCEPT_CUE.search(s.body) and s.numbers, "steps have a criterion with a number"),
        quantities=share(lambda s: s.numbers or s.step.parameters, "steps hold a quantity or parameter"),
        tools=share(_tools, "steps name their software or reagents"),
        data=share(lambda s: s.step.datasets or _named_inputs(s) or _CITED.search(s.full), "steps name their data"),
        sources=share(lambda s: s.step.links or _CITED.search(s.step.rationale), "steps stand on a source"),
        chained=Share(
            sum(_chained(s) or cue(s, EARLIER_CUE) for s in rest), len(rest), "later steps take what came before"
        ),
        declared=Share(sum(map(_chained, rest)), len(rest), "later steps declare where their inputs come from"),
        reasons=share(_reason, "steps give a reason"),
        purposes=Share(sum(bool(p.purpose.strip()) for p in parts), len(parts), "parts say what they are for"),
        titles=share(_titled, "steps have a title of their own"),
        sized_parts=Share(sum(1 <= len(p.steps) <= 15 for p in parts), len(parts), "parts have 1 to 15 steps"),
        covered=Share(len(met), len(view.protocol.coverage), "requirements are met")
        if view.protocol.coverage
        else None,
        safeguards=tuple(name for name, pattern in _SAFEGUARDS.items() if pattern.search(view.text)),
    )


def _inputs(s: StepView) -> bool:
    return bool(s.step.inputs or s.step.datasets)


def _titled(s: StepView) -> bool:
    title = s.step.title[:200]
    return not _BARE_TITLE.fullmatch(title) and not s.step.action.startswith(title.rstrip("."))


def _tools(s: StepView) -> bool:
    text = s.body
    return bool(
        s.step.software or s.step.skill or SOFTWARE.search(text) or (s.step.kind == "wet" and _REAGENT.search(text))
    )


def _reason(s: StepView) -> bool:
    return any(line.strip() and not line.startswith("Sources:") for line in s.step.rationale.split("\n"))


def _named_inputs(s: StepView) -> bool:
    return any(i.source != "given" for i in s.step.inputs)


def _chained(s: StepView) -> bool:
    return any(i.source.startswith(("step:", "dataset:")) for i in s.step.inputs)
