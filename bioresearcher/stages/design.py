"""The plan of a protocol as parts, its checks, and its steps as the protocol records them."""

from __future__ import annotations

from bioresearcher.schemas.ask_design import HeadingDraft, ProtocolPlan, ProtocolStepDraft
from bioresearcher.schemas.base import Origin
from bioresearcher.schemas.protocol import Citation, ProtocolPart, ProtocolStep
from bioresearcher.schemas.review import CheckFinding
from bioresearcher.stages.design_context import DesignContext
from bioresearcher.text.format import listing

GRAVE = 3
"""Weight of a fact that can turn a result round."""


def parts_of(plan: ProtocolPlan) -> tuple[ProtocolPart, ...]:
    """Turn a plan into protocol parts with outlines, without steps."""
    return tuple(
        ProtocolPart(**{name: getattr(p, name) for name in HeadingDraft.model_fields}, outline=p.lines)
        for p in plan.parts
    )


def protocol_step(bench: DesignContext, draft: ProtocolStepDraft, origin: Origin) -> ProtocolStep:
    """Return a draft as a step of the protocol; its citations are not checked yet."""
    known = {d.id for d in bench.datasets}
    requirements = {r.id for r in bench.objective.requirements}
    fields = {name: getattr(draft, name) for name in type(draft).model_fields if name != "citations"}
    fields["datasets"] = tuple(d for d in draft.datasets if d in known)
    fields["requirements"] = tuple(r for r in draft.requirements if r in requirements)
    fields["skill"] = draft.skill if draft.skill in bench.skills else None
    citations = tuple(Citation(kind=c.kind, ref=c.ref.strip(), claim=c.claim.strip()) for c in draft.citations)
    return ProtocolStep(**fields, citations=tuple(dict.fromkeys(citations)), origin=origin)


def check_plan(plan: ProtocolPlan, bench: DesignContext) -> tuple[CheckFinding, ...]:
    """Check a plan: numbering, titles, order, lines, the facts and papers it names, a rule for the answer.

    Errors make a plan unusable as it stands; warnings are for its review.
    """
    return (*_check_parts(plan), *_check_lines(plan), *_check_page(plan, bench))


def _check_parts(plan: ProtocolPlan) -> list[CheckFinding]:
    findings = []
    ids = [p.id for p in plan.parts]
    if not ids:
        findings.append(_error("G-HEAD-01", "protocol", "there is no part", "Give at least one part."))
    if ids != [str(n) for n in range(1, len(ids) + 1)]:
        findings.append(_error("G-HEAD-02", "protocol", f"part ids are {ids}", "Number the parts 1, 2, 3, …"))
    titles = [p.title.casefold().strip() for p in plan.parts]
    for part, title in zip(plan.parts, titles, strict=True):
        if not title or titles.count(title) > 1:
            findings.append(_error("G-HEAD-03", f"part {part.id}", "the title is empty or repeated", "Rename it."))
        late = [d for d in part.depends_on if d not in ids or ids.index(d) >= ids.index(part.id)]
        if late:
            findings.append(
                _error("G-HEAD-04", f"part {part.id}", f"depends on {late}", "Depend on earlier parts only.")
            )
    return findings


def _check_lines(plan: ProtocolPlan) -> list[CheckFinding]:
    findings = []
    seen: dict[str, str] = {}
    for part in plan.parts:
        if not part.lines:
            findings.append(_error("G-OUT-01", f"part {part.id}", "it has no step", "Give at least one line."))
        expected = [f"{part.id}.{n}" for n in range(1, len(part.lines) + 1)]
        if [line.id for line in part.lines] != expected:
            ids = [line.id for line in part.lines]
            findings.append(_error("G-OUT-02", f"part {part.id}", f"line ids are {ids}", f"Use {expected}."))
        for line in part.lines:
            title = line.title.casefold().strip()
            if title in seen:
                said = f"line {line.id} has the title of {seen[title]}"
                findings.append(_warning("G-OUT-04", f"part {part.id}", said, "Join them, or say how they differ."))
            seen.setdefault(title, line.id)
    return findings


def _check_page(plan: ProtocolPlan, bench: DesignContext) -> list[CheckFinding]:
    findings = []
    named = {f.fact for f in plan.facts} | {c for d in plan.decisions for c in d.cites}
    grave = [f.id for f in bench.facts if f.weight >= GRAVE and f.id not in named]
    if grave:
        said = f"facts that can turn the result round are not dealt with: {listing(grave, 12)}"
        findings.append(_warning("G-PLAN-01", "protocol", said, "Act on each, or say why it is harmless."))
    unknown = sorted({f.fact for f in plan.facts} - {*bench.known.facts, *bench.known.looks})
    if unknown:
        findings.append(
            _error("G-PLAN-02", "protocol", f"facts that are not there: {listing(unknown)}", "Use the ids listed.")
        )
    if not plan.answer_rule:
        said = "no rule says which result gives which answer"
        findings.append(_warning("G-PLAN-03", "protocol", said, "Fix the rule before any result."))
    forgotten = sorted(set(bench.reports) - {p.paper_id for p in plan.papers})
    if forgotten:
        said = f"papers that are neither used nor named as not used: {listing(forgotten)}"
        findings.append(_warning("G-PLAN-04", "protocol", said, "Name each with its use, or why it is not used."))
    return findings


def _error(gate: str, location: str, message: str, suggestion: str) -> CheckFinding:
    return CheckFinding(gate=gate, severity="error", location=location, message=message, suggestion=suggestion)


def _warning(gate: str, location: str, message: str, suggestion: str) -> CheckFinding:
    return CheckFinding(gate=gate, severity="warning", location=location, message=message, suggestion=suggestion)
