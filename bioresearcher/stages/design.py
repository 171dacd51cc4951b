"""Designing the protocol top-down: headings, outlines, steps, and their assembly."""

from __future__ import annotations

from bioresearcher.llm.ask import Answer, ModelClient, ask
from bioresearcher.schemas.ask_design import (
    DesignHeadingsInput,
    DesignOutlinesInput,
    HeadingDraft,
    HeadingsDraft,
    KnownPart,
    OutlinesDraft,
    PartOutline,
    ProtocolStepDraft,
    StepsDraft,
    WriteStepsInput,
)
from bioresearcher.schemas.base import Origin
from bioresearcher.schemas.protocol import Link, ProtocolPart, ProtocolStep
from bioresearcher.schemas.review import CheckFinding
from bioresearcher.stages.design_context import DesignContext, Similarities
from bioresearcher.stages.draft_cleanup import (
    MAX_STEPS,
    StepReferences,
    known_parts,
    learnt_from,
    lines_for,
    match_steps,
    tidy_headings,
    tidy_outlines,
    tidy_step,
    unbound,
)
from bioresearcher.stages.fallback import ask_rules, ask_usable, by_rule_only, note
from bioresearcher.stages.prompts import DESIGN_HEADINGS, DESIGN_OUTLINES, WRITE_STEPS
from bioresearcher.text.normalise import title_of


async def design_headings(
    caller: ModelClient, bench: DesignContext, findings: tuple[CheckFinding, ...]
) -> HeadingsDraft:
    """Design the protocol's parts, numbered in an order in which they can be done; at most `bench.max_parts`.

    References to parts that do not exist are removed. A model's draft without any part is replaced by the rules'.
    """
    values = DesignHeadingsInput(
        objective=bench.objective,
        known=bench.known_parts(with_actions=False),
        datasets=bench.datasets,
        checks=bench.checks,
        skills=bench.briefs,
        max_parts=bench.max_parts,
        findings=findings,
    )
    known = {(k.paper_id, k.part_id) for k in values.known}

    def problem(draft: HeadingsDraft) -> str:
        return "" if tidy_headings(draft, known, bench.max_parts).parts else "it has no part with a title"

    answer = await ask_usable(caller, DESIGN_HEADINGS, values, problem)
    draft = answer.value
    if answer.origin == "offline":
        parts = tuple(p.model_copy(update={"learns_from": known_parts(p.learns_from, known)}) for p in draft.parts)
        return draft.model_copy(update={"parts": parts})
    surplus = len(draft.parts) - bench.max_parts
    note(caller, DESIGN_HEADINGS, f"{surplus} of {len(draft.parts)} parts left out" if surplus > 0 else "")
    tidied = tidy_headings(draft, known, bench.max_parts)
    return tidied.model_copy(update={"title": tidied.title or title_of(bench.objective.text)})


def parts_of(draft: HeadingsDraft) -> tuple[ProtocolPart, ...]:
    """Turn headings into protocol parts without outline and steps."""
    return tuple(ProtocolPart(**{name: getattr(p, name) for name in HeadingDraft.model_fields}) for p in draft.parts)


def check_headings(draft: HeadingsDraft) -> tuple[CheckFinding, ...]:
    """Check headings: numbering, titles, order of dependencies."""
    findings = []
    ids = [p.id for p in draft.parts]
    if not ids:
        findings.append(_error("G-HEAD-01", "protocol", "there is no part", "Give at least one part."))
    if ids != [str(n) for n in range(1, len(ids) + 1)]:
        findings.append(_error("G-HEAD-02", "protocol", f"part ids are {ids}", "Number the parts 1, 2, 3, …"))
    titles = [p.title.casefold().strip() for p in draft.parts]
    for part, title in zip(draft.parts, titles, strict=True):
        if not title or titles.count(title) > 1:
            findings.append(_error("G-HEAD-03", f"part {part.id}", "the title is empty or repeated", "Rename it."))
        late = [d for d in part.depends_on if d not in ids or ids.index(d) >= ids.index(part.id)]
        if late:
            findings.append(
                _error("G-HEAD-04", f"part {part.id}", f"depends on {late}", "Depend on earlier parts only.")
            )
    return tuple(findings)


async def design_outlines(
    caller: ModelClient, bench: DesignContext, parts: tuple[ProtocolPart, ...], findings: tuple[CheckFinding, ...]
) -> OutlinesDraft:
    """Design a line per step for each part, numbered within it, at most 20; unknown data sets and skills are removed.

    A part for which a model gives no line gets the rules' lines, where they have any.
    """
    values = DesignOutlinesInput(
        objective=bench.objective,
        parts=parts,
        known=_taken_up(bench, parts),
        datasets=bench.datasets,
        checks=bench.checks,
        skills=bench.briefs,
        findings=findings,
    )
    answer = await ask(caller, DESIGN_OUTLINES, values)
    if answer.origin == "offline":
        return answer.value
    surplus = sum(max(0, len(p.lines) - MAX_STEPS) for p in answer.value.parts)
    note(caller, DESIGN_OUTLINES, f"{surplus} lines beyond {MAX_STEPS} in a part left out" if surplus else "")
    lines = tidy_outlines(answer.value, parts, [d.id for d in bench.datasets], bench.skills)
    bare = [p.id for p in parts if p.id not in lines]
    said = f"completed by rule: it has no step for part {', '.join(bare)}"
    by_rule = await ask_rules(caller, DESIGN_OUTLINES, values, said) if bare else None
    ruled = {p.part_id: p.lines for p in by_rule.value.parts} if by_rule else {}
    return OutlinesDraft(
        parts=tuple(PartOutline(part_id=p.id, lines=lines.get(p.id) or ruled.get(p.id, ())) for p in parts)
    )


def _taken_up(bench: DesignContext, parts: tuple[ProtocolPart, ...]) -> tuple[KnownPart, ...]:
    """Return the report parts that headings learn from, with their actions; all when no heading names any."""
    known = bench.known_parts(with_actions=True)
    refs = {(r.paper_id, r.part_id) for p in parts for r in p.learns_from}
    return tuple(k for k in known if (k.paper_id, k.part_id) in refs) or known


def with_outlines(parts: tuple[ProtocolPart, ...], draft: OutlinesDraft) -> tuple[ProtocolPart, ...]:
    """Add their outlines to the parts."""
    lines = {p.part_id: p.lines for p in draft.parts}
    return tuple(p.model_copy(update={"outline": lines.get(p.id, ())}) for p in parts)


def check_outlines(parts: tuple[ProtocolPart, ...], draft: OutlinesDraft) -> tuple[CheckFinding, ...]:
    """Check outlines: every part has lines, numbered within it."""
    findings = []
    outlined = with_outlines(parts, draft)
    for part in outlined:
        if not part.outline:
            findings.append(_error("G-OUT-01", f"part {part.id}", "it has no step", "Give at least one line."))
        expected = [f"{part.id}.{n}" for n in range(1, len(part.outline) + 1)]
        if [line.id for line in part.outline] != expected:
            ids = [line.id for line in part.outline]
            findings.append(_error("G-OUT-02", f"part {part.id}", f"line ids are {ids}", f"Use {expected}."))
    unknown = {p.part_id for p in draft.parts} - {p.id for p in parts}
    if unknown:
        findings.append(_error("G-OUT-03", "protocol", f"outlines of unknown parts {sorted(unknown)}", "Drop them."))
    return tuple(findings)


async def write_steps(
    caller: ModelClient,
    bench: DesignContext,
    part: ProtocolPart,
    parts: tuple[ProtocolPart, ...],
    findings: tuple[CheckFinding, ...],
    similarities: Similarities,
) -> tuple[ProtocolStep, ...]:
    """Write the steps of one part, linked to the passages they were learnt from."""
    values = WriteStepsInput(
        objective=bench.objective,
        part=part,
        all_parts=parts,
        known=bench.known_steps(part.learns_from),
        datasets=bench.datasets,
        checks=bench.checks,
        skills=tuple(b for b in bench.briefs if b.name in {line.skill for line in part.outline}),
        findings=findings,
    )
    answer = await ask(caller, WRITE_STEPS, values)
    by_rule = answer.origin == "offline"
    drafts = (
        [(s, answer.origin) for s in answer.value.steps] if by_rule else await _completed(caller, bench, values, answer)
    )
    return tuple(link_step(bench, step, origin, similarities) for step, origin in drafts)


async def _completed(
    caller: ModelClient, bench: DesignContext, values: WriteStepsInput, answer: Answer[StepsDraft]
) -> list[tuple[ProtocolStepDraft, Origin]]:
    """Return a model's steps in the outline's order, each with its origin.

    The rules write a line that the model left out, and a step whose skill it did not bind in full; where they cannot,
    such a step goes without the skill, and a line without a step.
    """
    part = values.part
    lines = lines_for(part, answer.value.steps)
    outlined = tuple(p.model_copy(update={"outline": lines}) if p.id == part.id else p for p in values.all_parts)
    ground = StepReferences(bench.objective, outlined, bench.datasets, bench.skills)
    shown = [(k.paper_id, k.part_id, k.step_id) for k in values.known]
    matched = match_steps(lines, answer.value.steps)
    written = {line.id: tidy_step(matched[line.id], line, ground) for line in lines if line.id in matched}
    lacking = {line.id: "it was not written" for line in lines if line.id not in written}
    lacking |= {i: why for i, why in ((i, unbound(s, ground)) for i, s in written.items()) if why}
    if not lines:
        lacking[part.id] = "no step was written"
    said = "; ".join(f"{name}: {why}" for name, why in lacking.items())
    by_rule = await ask_rules(caller, WRITE_STEPS, values, f"completed by rule: {said}") if lacking else None
    ruled = {s.id: s for s in by_rule.value.steps if s.skill or s.learnt_from} if by_rule else {}
    found: list[tuple[ProtocolStepDraft, Origin]] = []
    for line in lines:
        step, stand_in = written.get(line.id), ruled.get(line.id)
        if line.id not in lacking and step is not None:
            found.append((step, answer.origin))
        elif stand_in is not None and (step is None or stand_in.skill == step.skill):
            found.append((stand_in, "offline"))
        elif step is not None:
            found.append((step.model_copy(update={"skill": None}), answer.origin))
    return [(s.model_copy(update={"learnt_from": learnt_from(s.learnt_from, shown)}), o) for s, o in found]


def link_step(
    bench: DesignContext, draft: ProtocolStepDraft, origin: Origin, similarities: Similarities
) -> ProtocolStep:
    """Add a link per report step that a step was learnt from; references that do not exist are dropped."""
    known = {d.id for d in bench.datasets}
    requirements = {r.id for r in bench.objective.requirements}
    links = []
    for ref in dict.fromkeys(draft.learnt_from):
        source = bench.report_step(ref)
        if source is None or not source.evidence:
            continue
        near = similarities([f"{draft.title}. {draft.action}"], [f"{source.action} {source.details}"])[0][0]
        links.append(
            Link(
                paper_id=ref.paper_id,
                part_id=ref.part_id,
                step_id=ref.step_id,
                evidence=source.evidence[0],
                similarity=round(min(max(float(near), 0.0), 1.0), 3),
            )
        )
    fields = {name: getattr(draft, name) for name in type(draft).model_fields if name != "learnt_from"}
    fields["datasets"] = tuple(d for d in draft.datasets if d in known)
    fields["requirements"] = tuple(r for r in draft.requirements if r in requirements)
    fields["skill"] = draft.skill if draft.skill in bench.skills else None
    fields["novelty"] = "" if links else _novelty(draft, fields["skill"])
    return ProtocolStep(**fields, links=tuple(links), origin=origin)


def _novelty(draft: ProtocolStepDraft, skill: str | None) -> str:
    """Return the reason for a step without literature: in the designer's words, else from the skill it uses."""
    if draft.novelty.strip():
        return draft.novelty.strip()
    if skill is not None:
        return f"It follows the skill {skill}; no paper that was read describes it closely enough."
    return "No paper that was read describes it, and no reason for it was given."


async def design_by_rule(
    caller: ModelClient, bench: DesignContext, similarities: Similarities
) -> tuple[HeadingsDraft, tuple[ProtocolPart, ...]]:
    """Design everything by the rules, when no step of a model's design could be written; nothing without rules."""
    if caller.rules is None:
        return HeadingsDraft(title="", summary="", parts=()), ()
    note(caller, DESIGN_HEADINGS, "designed anew by rule, as no step of the model's design could be written")
    rules = by_rule_only(caller)
    headings = await design_headings(rules, bench, ())
    parts = parts_of(headings)
    parts = with_outlines(parts, await design_outlines(rules, bench, parts, ()))
    steps = [await write_steps(rules, bench, part, parts, (), similarities) for part in parts]
    return headings, tuple(p.model_copy(update={"steps": s}) for p, s in zip(parts, steps, strict=True))


def _error(gate: str, location: str, message: str, suggestion: str) -> CheckFinding:
    return CheckFinding(gate=gate, severity="error", location=location, message=message, suggestion=suggestion)
