"""Requirements that a step meets: by the method it carries out and the columns it models, never by shared words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bioresearcher.analysis.mentions import Lexicon
from bioresearcher.analysis.reading import read_wishes
from bioresearcher.analysis.terms import methods_named
from bioresearcher.analysis.words import Text
from bioresearcher.offline.skill_binding import NOT_STATED
from bioresearcher.offline.skill_uses import asked_for, carries_out
from bioresearcher.schemas.ask_design import ProtocolStepDraft, SkillBrief
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.protocol import ProtocolStep
from bioresearcher.text.words import content_words, overlap

SHARED = 0.6
"""Share of a requirement's words that a step of a paper has when it describes what the requirement asks for."""

_ASSUMED = re.compile(r"(?i)\b(?:not|never|without)\b[^.;]*\bassum")
_STATED = {"time_unit": "unit", "endpoint": "endpoint", "scale": "scale"}
"""Sources of parameters that a data set may not state, and the word by which a requirement means them."""

Step = ProtocolStepDraft | ProtocolStep


def methods_of(requirement: Requirement) -> tuple[str, ...]:
    """The models, tests and analyses that a requirement names."""
    return tuple(dict.fromkeys(m.name for m, _ in methods_named(Text(requirement.text))))


def columns_of(requirement: Requirement, datasets: Iterable[Dataset]) -> tuple[tuple[str, ...], bool]:
    """The columns that a requirement wants in the model, in any of the data sets, and if it wants pairs."""
    text = Text(requirement.text)
    found: dict[str, None] = {}
    paired = False
    for dataset in datasets:
        wishes = read_wishes(text, Lexicon.of(dataset))
        found |= dict.fromkeys(n for n, _ in (*wishes.adjust, *wishes.blocks))
        paired = paired or bool(wishes.paired)
    return tuple(found), paired


def requirements_met(
    step: Step, skill: SkillBrief | None, objective: Objective, datasets: Sequence[Dataset] = ()
) -> tuple[str, ...]:
    """Ids of the requirements that a step helps to meet.

    A step of a skill meets one that asks for the skill, or for a method that it carries out; columns and pairs that the
    requirement wants in the model must be among the step's parameters. A step without a skill, taken from a paper,
    meets one that names no method and most of whose words it has.
    """
    return tuple(r.id for r in objective.requirements if _meets(step, skill, r, datasets))


def _meets(step: Step, skill: SkillBrief | None, requirement: Requirement, datasets: Sequence[Dataset]) -> bool:
    named = methods_of(requirement)
    columns, paired = columns_of(requirement, datasets)
    if skill is None:
        text = content_words(f"{step.title} {step.action} {step.rationale} {step.acceptance}")
        return not columns and overlap(content_words(requirement.text), text) >= SHARED
    used = {part.strip() for p in step.parameters for part in p.value.split(",")}
    if columns and not {*columns} <= used:
        return False
    if paired and not any(
        p.name == "pair_column" and p.value not in ("", "none", "not stated") for p in step.parameters
    ):
        return False
    if named:
        return any(carries_out(skill, n) for n in named)
    if _ASSUMED.search(requirement.text):
        return _says_not_stated(step, skill, requirement)
    return asked_for(skill, requirement.text)


def _says_not_stated(step: Step, skill: SkillBrief, requirement: Requirement) -> bool:
    """True if a step leaves open what a requirement forbids to assume."""
    open_ = {p.name for p in step.parameters if p.value == NOT_STATED}
    words = requirement.text.casefold()
    meant = [p.name for p in skill.contract.parameters if p.source in _STATED and _STATED[p.source] in words]
    return any(name in open_ for name in meant)


def methods_lacking(requirement: Requirement, skills: Iterable[SkillBrief]) -> tuple[str, ...]:
    """The methods that a requirement names and none of some skills carries out."""
    known = tuple(skills)
    return tuple(n for n in methods_of(requirement) if not any(carries_out(s, n) for s in known))
