"""Rules of a revision: which parts a comment concerns, and what of it can be done without a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bioresearcher.llm.offline.comment import drops, settings_in
from bioresearcher.schemas.ask_design import LearntFrom, ProtocolStepDraft, SkillBrief
from bioresearcher.schemas.ask_revise import ChoosePartsInput, PartConcern, PartsChosen, RevisedPart, RevisePartInput
from bioresearcher.schemas.protocol import ProtocolStep
from bioresearcher.schemas.skill import SkillParameter
from bioresearcher.text.words import Similarity, weighted_overlap

DENSE_WEIGHT = 0.6
BESIDE = 0.03
"""How much less similar than the closest part another may be and still be concerned."""
CANNOT = (
    "by rule, a comment can drop a part or a step, give a parameter another value, add a method for which there is a "
    "vetted analysis, add a requirement, or exclude a data set or a paper; anything else needs a model (--model)"
)


@dataclass(frozen=True)
class Reviser:
    """The rules that need similarities of texts."""

    similarity: Similarity

    def choose_parts(self, values: ChoosePartsInput) -> PartsChosen:
        """The parts whose words and meaning are closest to the comment; hybrid, 0.6 dense."""
        texts = [f"{p.title}. {p.purpose} " + " ".join(s.title for s in p.steps) for p in values.parts]
        if not texts:
            return PartsChosen(parts=())
        dense = self.similarity([values.comment], texts)[0]
        lexical = [weighted_overlap([values.comment], t)[0] for t in texts]
        scores = [DENSE_WEIGHT * float(d) + (1 - DENSE_WEIGHT) * w for d, w in zip(dense, lexical, strict=True)]
        best = max(scores)
        return PartsChosen(
            parts=tuple(
                PartConcern(
                    part=p.id,
                    concerned=score >= best - BESIDE,
                    reason=f"similarity to the comment {score:.2f}, by words and meaning",
                )
                for p, score in zip(values.parts, scores, strict=True)
            )
        )


def revise_part(values: RevisePartInput) -> RevisedPart:
    """Steps dropped, and parameters set to values that the comment names."""
    whole, gone = drops(values.comment, values.part, values.skills)
    if whole:
        return RevisedPart(drop_part=True, reason="the comment drops the part")
    contracts = {s.name: s for s in values.skills}
    steps, refused, accepted = [], [], list[tuple[str, str]]()
    for step in values.part.steps:
        wanted = {n: v for (i, n), v in settings_in(values.comment, values.part).items() if i == step.id}
        why = {n: _impossible(n, v, step, contracts) for n, v in wanted.items()}
        refused += [f"step {step.id}: {said}" for said in why.values() if said]
        possible = {n: v for n, v in wanted.items() if not why[n]}
        if possible and step.id not in gone:
            accepted += possible.items()
            steps.append(with_settings(step, possible, contracts.get(step.skill or "")))
    done = [f"{n} set to {v}" for n, v in dict.fromkeys(accepted)]
    return RevisedPart(steps=tuple(steps), dropped=gone, reason="; ".join(done), not_done="; ".join(refused))


def _impossible(name: str, value: str, step: ProtocolStep, skills: Mapping[str, SkillBrief]) -> str:
    """Why a parameter cannot have a value; empty when it can, as far as its default tells."""
    skill = skills.get(step.skill or "")
    if skill is None:
        printed = next(p.value for p in step.parameters if p.name == name)
        return "" if _is_number(printed) == _is_number(value) else f"{name} is {printed} now and cannot become {value}"
    parameter = next((p for p in skill.contract.parameters if p.name == name), None)
    return _unlike(parameter, value) if parameter else f"{name} is fixed in the vetted analysis {skill.name}"


def _unlike(parameter: SkillParameter, value: str) -> str:
    default = parameter.default
    if isinstance(default, bool):
        return "" if value in {"true", "false", "yes", "no"} else f"{parameter.name} is yes or no, not {value}"
    if isinstance(default, int | float):
        if not _is_number(value):
            return f"{parameter.name} is a number, not {value}"
        if isinstance(default, int) and (float(value) != int(float(value)) or float(value) < 0):
            return f"{parameter.name} is a whole number from 0 on, not {value}"
        if isinstance(default, float) and 0 < default < 1 and not 0 < float(value) < 1:
            return f"{parameter.name} lies between 0 and 1, and {value} does not"
        return ""
    return f"{parameter.name} follows from the data and is not set by rule"


def with_settings(step: ProtocolStep, wanted: Mapping[str, str], skill: SkillBrief | None) -> ProtocolStepDraft:
    """The step with parameters at other values, in its list and in its words."""
    draft = as_draft(step)
    parameters = tuple(p.model_copy(update={"value": wanted.get(p.name, p.value)}) for p in step.parameters)
    old = {p.name: p.value for p in step.parameters}
    new = {p.name: p.value for p in parameters}
    texts = {}
    for field in ("action", "rationale", "acceptance"):
        template = getattr(skill.contract.protocol, field) if skill else ""
        texts[field] = _reworded(getattr(step, field), template, old, new, wanted if field == "action" else {})
    return draft.model_copy(update={"parameters": parameters, **texts})


def _reworded(
    text: str, template: str, old: Mapping[str, str], new: Mapping[str, str], wanted: Mapping[str, str]
) -> str:
    """A text with the new values: from its template when it was made from it, else where the old value stands alone."""
    names, pieces = re.findall(r"\{(\w+)\}", template), re.split(r"\{\w+\}", template)
    slots = [f"({re.escape(old[n]) if n in old else '.*?'})" for n in names]
    made = re.fullmatch("".join(a + b for a, b in zip(map(re.escape, pieces), [*slots, ""], strict=True)), text, re.S)
    if template and made:
        filled = [new.get(name, value) for name, value in zip(names, made.groups(), strict=True)]
        return "".join(a + b for a, b in zip(pieces, [*filled, ""], strict=True))
    for name, value in wanted.items():
        alone = re.compile(rf"(?<![\w.]){re.escape(old[name])}(?![\w]|\.\d)")
        if old[name] and len(alone.findall(text)) == 1:
            text = alone.sub(value.replace("\\", ""), text)
        else:
            text = f"{text} Set {name.replace('_', ' ')} to {value} (before: {old[name]})."
    return text


def as_draft(step: ProtocolStep) -> ProtocolStepDraft:
    """A step as its draft: with ids of report steps instead of links."""
    fields = {n: getattr(step, n) for n in ProtocolStepDraft.model_fields if n != "learnt_from"}
    refs = tuple(LearntFrom(paper_id=k.paper_id, part_id=k.part_id, step_id=k.step_id) for k in step.links)
    return ProtocolStepDraft(**fields, learnt_from=refs)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
