"""Gates on what the researcher asked for: requirements, their coverage, and the objective itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bioresearcher.review.gate import Gate, Hit, StepView, View, short
from bioresearcher.text.format import listing

LEXICAL_COVER = 0.5
"""Share of a requirement's words a step must hold to count as answering it in a protocol of free text."""

_STOP = frozenset(
    "the a an of in on for and or to with by from at as is are be must should shall will can use using used include"
    " includes including that this these those it its their at least each every all any both between into under per"
    " not no more than design step steps protocol experiment experiments analysis study data based report state"
    " stated show".split()
)
_SHORT = {
    "fdr": "false discovery rate",
    "degs": "differential expression genes",
    "pca": "principal component",
    "qc": "quality control",
    "gsea": "gene set enrichment",
    "roc": "receiver operating",
    "km": "kaplan meier",
}


def content_words(text: str) -> frozenset[str]:
    """Words that carry the meaning, abbreviations written out, cut to six letters so that endings do not matter."""
    low = re.findall(r"[^\W_]{2,}", text.lower())
    spelt = [w for word in low for w in (word, *_SHORT.get(word, "").split())]
    return frozenset(w[:6] for w in spelt if len(w) >= 3 and w not in _STOP)


def _words_around(s: StepView) -> frozenset[str]:
    """The words of a step, of its analysis and of its part's heading."""
    return content_words(f"{s.part.title} {s.part.purpose} {s.step.skill or ''} {s.full}")


def uncovered(view: View) -> Iterator[Hit]:
    """Requirements that the protocol does not answer."""
    objective = view.context.objective
    if objective is None:
        return
    if view.read and not view.protocol.coverage:
        bags = [_words_around(s) for s in view.steps]
        for r in objective.requirements:
            wanted = content_words(r.text)
            best = max((len(wanted & bag) / len(wanted) for bag in bags if wanted), default=0.0)
            if wanted and best < LEXICAL_COVER:
                message = f"no step seems to answer {r.id}: “{short(r.text)}”"
                yield Hit("protocol", message, "Add a step for it, or say why it is not met.", "warning")
        return
    answered = {c.requirement for c in view.protocol.coverage}
    for r in objective.requirements:
        if r.id not in answered:
            yield Hit("protocol", f"requirement {r.id} is not answered: “{short(r.text)}”", "Say which steps meet it.")


def unmet(view: View) -> Iterator[Hit]:
    """Requirements said not to be met, or said to be met by nothing."""
    for c in view.protocol.coverage:
        if c.met and not c.steps:
            yield Hit(
                "protocol", f"requirement {c.requirement} is said to be met by no step", "Name the steps.", "error"
            )
        elif not c.met and not c.reason.strip():
            yield Hit(
                "protocol",
                f"requirement {c.requirement} is not met and no reason is given",
                "Give the reason.",
                "error",
            )
        elif not c.met:
            yield Hit("protocol", f"requirement {c.requirement} is not met: {short(c.reason)}", "", "note")


def coverage_points_nowhere(view: View) -> Iterator[Hit]:
    """Coverage of, or by, things that do not exist."""
    objective = view.context.objective
    known = {r.id for r in objective.requirements} if objective else None
    for c in view.protocol.coverage:
        lost = [s for s in c.steps if s not in view.by_id]
        if lost:
            yield Hit(
                "protocol", f"requirement {c.requirement} rests on steps that do not exist: {listing(lost)}", "Fix it."
            )
        if known is not None and c.requirement not in known:
            yield Hit("protocol", f"{short(c.requirement)} is not a requirement of the objective", "Take it out.")
    for s in view.steps:
        foreign = [r for r in s.step.requirements if known is not None and r not in known]
        if foreign:
            yield Hit(s.location, f"claims to meet {listing(foreign)}, which the objective does not have", "Fix it.")


def unrelated_cover(view: View) -> Iterator[Hit]:
    """Requirements met by steps that share not one word with them."""
    objective = view.context.objective
    if objective is None or not view.latin:
        return
    texts = {r.id: content_words(r.text) for r in objective.requirements}
    for c in view.protocol.coverage:
        bags = [_words_around(view.by_id[s]) for s in c.steps if s in view.by_id]
        wanted = texts.get(c.requirement, frozenset())
        if c.met and bags and len(wanted) >= 3 and not any(wanted & bag for bag in bags):
            message = f"{c.requirement} is said to be met by {listing(c.steps)}, which share no word with it"
            yield Hit("protocol", message, "Check which steps meet it.")


def off_objective(view: View) -> Iterator[Hit]:
    """Protocols that hardly mention what the objective is about."""
    objective = view.context.objective
    if objective is None or not view.steps:
        return
    wanted = content_words(objective.text)
    lacking = wanted - content_words(view.text)
    missing = sorted(w for w in re.findall(r"[^\W_]{3,}", objective.text) if w.lower()[:6] in lacking)
    gone = {w.lower()[:6] for w in missing}
    if len(wanted) >= 3 and len(gone) > 2 * len(wanted) / 3:
        message = f"hardly mentions what the objective is about; missing: {listing(missing)}"
        yield Hit("protocol", message, "Is this the protocol of this objective?")


GATES: tuple[Gate, ...] = (
    Gate("G-COV-01", "every requirement is answered", "error", "completeness", uncovered, ("objective",), "protocol"),
    Gate("G-COV-02", "requirements are met or a reason is given", "error", "completeness", unmet, (), "protocol"),
    Gate("G-COV-03", "coverage names what exists", "error", "completeness", coverage_points_nowhere, (), "protocol"),
    Gate(
        "G-COV-04",
        "covering steps are about the requirement",
        "warning",
        "completeness",
        unrelated_cover,
        ("objective",),
        "protocol",
    ),
    Gate(
        "G-COV-05",
        "the protocol is about the objective",
        "warning",
        "completeness",
        off_objective,
        ("objective",),
        "protocol",
    ),
)
