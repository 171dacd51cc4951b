"""Which vetted analyses a protocol needs: those asked for, those always done, and what they depend on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bioresearcher.llm.offline.binding import Binding, Use
from bioresearcher.schemas.ask_design import SkillBrief
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.objective import Objective
from bioresearcher.text.words import normal

_CROSS = re.compile(r"\bcross validat\w+|\b(?:biological|technical|independent|three|two|\d+) replicates?\b")


def asked_for(skill: SkillBrief, text: str) -> bool:
    """Whether one of the skill's trigger phrases stands in the text.

    A cross-validation and replicate samples are no validation.
    """
    low = normal(text)
    bare = _CROSS.sub(" ", low)
    return any(normal(t) in (low if "cross" in t else bare) for t in skill.contract.triggers)


def choose_uses(objective: Objective, datasets: tuple[Dataset, ...], skills: Sequence[SkillBrief]) -> tuple[Use, ...]:
    """The uses of skills, in the order of their contracts; each can be bound completely."""
    binding = Binding(objective, datasets)
    if binding.discovery is None:
        return ()
    by_name = {s.name: s for s in skills}
    text = " ".join([objective.text, *(r.text for r in objective.requirements)])
    wanted = {s.name for s in skills if s.contract.always or asked_for(s, text)}
    for name in list(wanted):
        _add_upstream(by_name, name, wanted)
    chosen: list[Use] = []
    step_of: dict[tuple[str, str], str] = {}
    for skill in sorted((by_name[n] for n in wanted), key=lambda s: (s.contract.order, s.name)):
        for use in _uses(skill, binding):
            if not binding.has_columns(use) or binding.parameters(use) is None:
                continue
            if binding.inputs(use, step_of) is None:
                continue
            chosen.append(use)
            step_of[skill.name, use.main.id] = "bound"
    return tuple(chosen)


def unserved(
    objective: Objective, datasets: tuple[Dataset, ...], skills: Sequence[SkillBrief]
) -> tuple[tuple[SkillBrief, str], ...]:
    """Vetted analyses that are asked for but cannot be done with the data at hand, each with what is lacking."""
    text = " ".join([objective.text, *(r.text for r in objective.requirements)])
    done = {u.skill.name for u in choose_uses(objective, datasets, skills)}
    binding = Binding(objective, datasets)
    by_name = {s.name: s for s in skills}
    asked = sorted((s for s in skills if asked_for(s, text) and s.name not in done), key=lambda s: s.contract.order)
    return tuple((s, _lacking(s, binding, by_name, frozenset())) for s in asked)


def _lacking(skill: SkillBrief, binding: Binding, by_name: dict[str, SkillBrief], seen: frozenset[str]) -> str:
    """What the skill, or one it takes its input from, lacks."""
    reason = binding.why_not(skill)
    for given in skill.contract.inputs:
        if not reason and given.required and given.skill in by_name and given.skill not in seen:
            reason = _lacking(by_name[given.skill], binding, by_name, seen | {skill.name})
    return reason


def _add_upstream(by_name: dict[str, SkillBrief], name: str, wanted: set[str]) -> None:
    for given in by_name[name].contract.inputs:
        if given.kind == "output" and given.skill in by_name and given.skill not in wanted:
            wanted.add(given.skill)
            _add_upstream(by_name, given.skill, wanted)


def _uses(skill: SkillBrief, binding: Binding) -> list[Use]:
    """The data sets a skill is used on: each measured one, or discovery (with validation where it reads both)."""
    if binding.discovery is None:
        return []
    reads_validation = any(i.role == "validation" for i in skill.contract.inputs)
    if reads_validation:
        return [Use(skill, binding.discovery, binding.validation)] if binding.validation else []
    if skill.contract.per_dataset and binding.validation is not None:
        return [Use(skill, binding.discovery), Use(skill, binding.validation)]
    return [Use(skill, binding.discovery)]
