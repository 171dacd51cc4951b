"""The parts of a design as one protocol: which steps meet a requirement, why others are not met, and what limits it."""

from __future__ import annotations

from bioresearcher.llm.offline.choose import asked_for, unserved
from bioresearcher.schemas.base import origin_of
from bioresearcher.schemas.objective import Objective, Requirement
from bioresearcher.schemas.protocol import Coverage, Protocol, ProtocolPart
from bioresearcher.stages.bench import Bench
from bioresearcher.stages.steps import with_sources
from bioresearcher.text.visible import clip
from bioresearcher.text.words import overlap, words

NEAR = 0.5
"""Share of a requirement's words from which a report part is named as the nearest."""


def assemble_protocol(
    bench: Bench,
    title: str,
    summary: str,
    parts: tuple[ProtocolPart, ...],
    *,
    passed: bool,
) -> Protocol:
    """The whole protocol with the coverage of the requirements and its limitations."""
    parts, lost = with_sources(parts)
    steps = [s for p in parts for s in p.steps]
    coverage = tuple(cover(r, parts, bench) for r in bench.objective.requirements)
    limitations = []
    if not passed:
        limitations.append("At least one part did not pass the review loop; the best version found is shown.")
    limitations += _not_as_asked(parts)
    if lost:
        limitations.append(f"Inputs that no step makes, and that were left out: {', '.join(lost)}.")
    unsupported = [s.id for s in steps if not s.links]
    if unsupported:
        limitations.append(f"Steps without support in the papers read: {', '.join(unsupported)}.")
    limitations += [f"Requirement {c.requirement} is not met by any step: {c.reason}" for c in coverage if not c.met]
    limitations += [f"{d.id}: {note}" for d in bench.datasets for note in (*d.notes, *d.problems)]
    return Protocol(
        id=bench.objective.id,
        title=title,
        objective_id=bench.objective.id,
        summary=summary,
        parts=parts,
        coverage=coverage,
        limitations=tuple(limitations),
        origin=origin_of(s.origin for s in steps),
    )


def cover(requirement: Requirement, parts: tuple[ProtocolPart, ...], bench: Bench) -> Coverage:
    """The steps that meet a requirement; without one, why there is none."""
    by = tuple(s.id for p in parts for s in p.steps if requirement.id in s.requirements)
    return Coverage(
        requirement=requirement.id, steps=by, met=bool(by), reason="" if by else _why_not(requirement, bench)
    )


def _why_not(requirement: Requirement, bench: Bench) -> str:
    """What was lacking for a requirement: data, a method in the papers, a vetted analysis."""
    alone = Objective(id=bench.objective.id, text=requirement.text, conditions=bench.objective.conditions)
    briefs = bench.briefs
    asked = [s.name for s in briefs if asked_for(s, requirement.text)]
    lacking = {s.name: why for s, why in unserved(alone, bench.datasets, briefs)}
    if lacking:
        name, why = next(iter(lacking.items()))
        return f"the vetted analysis {name} would meet it, but {why or 'its inputs cannot be had'}."
    if asked:
        return f"the vetted analysis {asked[0]} would meet it, but no step of the plan uses it for this."
    said = "no vetted analysis does what it asks for"
    known = bench.known_parts(with_actions=True)
    if not known:
        return f"{said}, and no paper was read that could show how."
    wanted = words(requirement.text)
    near = max(known, key=lambda k: overlap(wanted, words(" ".join((k.title, k.purpose, *k.actions)))))
    share = overlap(wanted, words(" ".join((near.title, near.purpose, *near.actions))))
    if share < NEAR:
        return f"{said}, and none of the {len(known)} report parts read describes it."
    where = f"“{clip(near.title, 80)}” ({near.paper_id} part {near.part_id}, referability {near.level})"
    return f"{said}; {where} comes nearest, but no step of the plan takes it up for this."


def _not_as_asked(parts: tuple[ProtocolPart, ...]) -> list[str]:
    """Where the rules stood in for a model, and what nobody could write."""
    steps = [s for p in parts for s in p.steps]
    by_rule = [s.id for s in steps if s.origin == "offline"]
    said = []
    if by_rule and len(by_rule) < len(steps):
        said.append(f"Steps written by rule, because the model's could not be used: {', '.join(by_rule)}.")
    written = {s.id for s in steps}
    lost = [line.id for p in parts for line in p.outline if line.id not in written]
    if lost:
        said.append(f"Planned steps that could not be written: {', '.join(lost)}.")
    empty = [p.id for p in parts if not p.steps]
    if empty:
        said.append(f"Parts without any step: {', '.join(empty)}.")
    return said
