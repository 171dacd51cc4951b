"""Offline rules of a revision: parse a comment on a protocol, choose the parts it concerns, and carry it out.

Rules recognise in a comment names of parts and steps, things to drop, parameters to set, data to exclude, and
requirements to add. Other wishes are reported as not understood, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bioresearcher.offline.skill_uses import asked_for
from bioresearcher.schemas.ask_design import (
    ChoosePartsInput,
    CitationDraft,
    PartConcern,
    PartsChosen,
    ProtocolStepDraft,
    RevisedPart,
    RevisePartInput,
    SkillBrief,
)
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep
from bioresearcher.schemas.skill import SkillParameter
from bioresearcher.text.words import Similarity, normalised, weighted_overlap

_CUT = re.compile(
    r"[.;](?=\s|$)|\n|,?\s+(?:and|but|then)\s+(?:please\s+)?"
    r"(?=(?:drop|remove|delete|omit|leave|skip|exclude|add|include|set|use|change|raise|lower|increase|reduce|require)\b)",
    re.IGNORECASE,
)
_DROP = re.compile(r"\b(?:drop|remove|delete|omit|skip|leave\s+out|take\s+out)\b", re.IGNORECASE)
_EXCLUDE = re.compile(
    r"\b(?:exclude|ignore|drop|remove|omit|leave\s+out|without|(?:do\s+not|don['’]t|never)\s+use)\b", re.IGNORECASE
)
_ADD = re.compile(r"\b(?:add|include|also|additionally|perform|plan|carry\s+out)\b", re.IGNORECASE)
_REQUIRE = re.compile(
    r"^\s*(?:please\s+)?(?:add\s+(?:a|the|as\s+a)\s+|new\s+)?(?:requirement\s*(?:R\d+)?\s*[:,]|requirement\s+R\d+\s+must|"
    r"require\s+(?:that\s+)?|(?:the\s+)?(?:protocol|design|plan|it)\s+must\s+)\s*(.{8,})$",
    re.IGNORECASE | re.DOTALL,
)
_PARTS = re.compile(r"\bparts?\s+(\d+(?:\s*(?:,|and|&)\s*\d+)*)(?!\.?\d)", re.IGNORECASE)
_STEPS = re.compile(r"\bsteps?\s+(\d+\.\d+(?:\s*(?:,|and|&)\s*\d+\.\d+)*)", re.IGNORECASE)
_LEAST_TITLE = 10
"""Shortest title, in characters, that is recognised in a comment."""
_VALUE = r"([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?|true|false|yes|no)"
_LINK = (
    r"(?:\s+(?:from\s+\S+(?=\s+to\b)|(?:in|of|for)\s+(?:steps?\s+\d+\.\d+|parts?\s+\d+)|cut-?off|threshold|level|value"
    r"|number|of|to|at|is|be|below|under|than|less))*"
)
"""Words that may be between a parameter's name and its value."""
_SYNONYMS = {
    "fdr": ("fdr", "false discovery rate"),
    "alpha": ("alpha", "significance level"),
    "permutations": ("permutations",),
}
"""Other names of a parameter in comments."""


def clauses(comment: str) -> tuple[str, ...]:
    """Divide a comment into clauses that each ask for one thing."""
    return tuple(piece.strip() for piece in _CUT.split(comment) if piece and piece.strip())


def named_steps(clause: str, steps: Collection[str]) -> tuple[str, ...]:
    """Ids of existing steps that a clause names by number (`step 2.1`, `steps 2.1 and 3.2`)."""
    return tuple(n for n in _numbers(_STEPS, clause) if n in steps)


def named_parts(clause: str, parts: Collection[str]) -> tuple[str, ...]:
    """Ids of existing parts that a clause names by number (`part 2`)."""
    return tuple(n for n in _numbers(_PARTS, clause) if n in parts)


def _numbers(pattern: re.Pattern[str], text: str) -> Iterable[str]:
    """The numbers of parts or steps in a text, each once."""
    return dict.fromkeys(n for group in pattern.findall(text) for n in re.findall(r"\d+(?:\.\d+)?", group))


def named_by_title(clause: str, items: Sequence[ProtocolPart | ProtocolStep]) -> tuple[str, ...]:
    """Ids of the parts or steps whose title is in the clause."""
    text = normalised(clause)
    return tuple(i.id for i in items if len(i.title) >= _LEAST_TITLE and normalised(i.title) in text)


def unknown_names(comment: str, protocol: Protocol) -> tuple[str, ...]:
    """Parts and steps that the comment names and the protocol does not have (`part 9`, `step 2.7`)."""
    parts, steps = {p.id for p in protocol.parts}, {s.id for s in protocol.steps}
    unknown_parts = (f"part {n}" for n in _numbers(_PARTS, comment) if n not in parts)
    return (*unknown_parts, *(f"step {n}" for n in _numbers(_STEPS, comment) if n not in steps))


def drops(comment: str, part: ProtocolPart, skills: Sequence[SkillBrief] = ()) -> tuple[bool, tuple[str, ...]]:
    """True if the comment drops the whole part, and the ids of its steps that it drops by number, title or skill."""
    whole, gone = False, list[str]()
    for clause in clauses(comment):
        if not _DROP.search(clause):
            continue
        own = (*named_steps(clause, [s.id for s in part.steps]), *named_by_title(clause, part.steps))
        if not own and not _PARTS.search(clause) and not _STEPS.search(clause):
            meant = {s.name for s in skills if asked_for(s, clause)}
            own = tuple(s.id for s in part.steps if s.skill in meant)
        gone += own
        whole |= not own and part.id in (*named_parts(clause, [part.id]), *named_by_title(clause, [part]))
    return whole, tuple(dict.fromkeys(gone))


def settings_in(comment: str, part: ProtocolPart) -> dict[tuple[str, str], str]:
    """The new values of parameters that the comment sets: (step id, parameter) → value.

    A clause that names parts or steps means only those; any other means every step that has the parameter.
    """
    found: dict[tuple[str, str], str] = {}
    for clause in clauses(comment):
        steps = named_steps(clause, [s.id for s in part.steps])
        elsewhere = bool(_STEPS.search(clause) or _PARTS.search(clause)) and not steps
        if elsewhere and part.id not in named_parts(clause, [part.id]):
            continue
        for step in part.steps:
            for parameter in step.parameters if not steps or step.id in steps else ():
                value = _set_to(parameter.name, clause)
                if value is not None and value != parameter.value:
                    found[step.id, parameter.name] = value
    return found


def _set_to(name: str, clause: str) -> str | None:
    """The value behind the name of a parameter, or behind a synonym; None when the clause sets none."""
    names = (name, name.replace("_", " "), *_SYNONYMS.get(name.casefold(), ()))
    for candidate in sorted(dict.fromkeys(names), key=len, reverse=True):
        words = re.escape(candidate).replace(r"\ ", r"[\s_-]+")
        pattern = rf"\b{words}\b{_LINK}\s*(?:=|:|<=?|≤)?\s*{_VALUE}(?![\w.]*\d)"
        match = re.search(pattern, clause, re.IGNORECASE)
        if match:
            return match[1].casefold()
    return None


def excluded_ids(comment: str, ids: Collection[str]) -> tuple[str, ...]:
    """The ids of data sets and papers, among `ids`, that the comment excludes."""
    found = []
    for clause in clauses(comment):
        if _EXCLUDE.search(clause):
            text = clause.casefold()
            found += [i for i in ids if re.search(rf"(?<![\w]){re.escape(i.casefold())}(?!\w)", text)]
    return tuple(dict.fromkeys(found))


def new_requirements(comment: str) -> tuple[str, ...]:
    """The texts of requirements that the comment adds."""
    found = (_REQUIRE.match(clause) for clause in clauses(comment))
    return tuple(" ".join(m[1].split()) for m in found if m)


def adding_clauses(comment: str) -> tuple[str, ...]:
    """The clauses that ask for additional work."""
    return tuple(c for c in clauses(comment) if (_ADD.search(c) and not _DROP.search(c)) or _REQUIRE.match(c))


def drops_something(clause: str) -> bool:
    """Return True if a clause asks to drop something."""
    return bool(_DROP.search(clause))


def drops_or_sets(comment: str, parts: Sequence[ProtocolPart], skills: Sequence[SkillBrief] = ()) -> bool:
    """Return True if the comment drops something in one of the parts or sets one of their parameters."""
    return any(any(drops(comment, p, skills)) or settings_in(comment, p) for p in parts)


def not_understood(
    comment: str, parts: Sequence[ProtocolPart], skills: Sequence[SkillBrief], ids: Collection[str]
) -> tuple[str, ...]:
    """The clauses that no rule can carry out."""
    return tuple(
        clause
        for clause in clauses(comment)
        if not drops_or_sets(clause, parts, skills)
        and not excluded_ids(clause, ids)
        and not new_requirements(clause)
        and not (adding_clauses(clause) and any(asked_for(s, clause) for s in skills))
    )


DENSE_WEIGHT = 0.6
BESIDE = 0.03
"""Largest difference in similarity from the closest part with which another is concerned, too."""
ABILITIES = (
    "by rule, a comment can drop a part or a step, give a parameter another value, add a method for which there is a "
    "skill, add a requirement, or exclude a data set or a paper; an endpoint, a group or a population belongs to a "
    "question: it is set where the selection is approved, or in dataset.toml; anything else needs a model (--model)"
)
"""Message that lists the changes which the rules can carry out."""


@dataclass(frozen=True)
class OfflineReviser:
    """The rules of a revision that compare texts by `similarity`."""

    similarity: Similarity

    def choose_parts(self, values: ChoosePartsInput) -> PartsChosen:
        """Choose the parts closest to the comment in meaning (0.6) and words (0.4)."""
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
    """Drop the steps and set the parameters that the comment names."""
    whole, gone = drops(values.comment, values.part, values.skills)
    if whole:
        return RevisedPart(drop_part=True, reason="the comment drops the part")
    contracts = {s.name: s for s in values.skills}
    steps, refused, accepted = [], [], list[tuple[str, str]]()
    for step in values.part.steps:
        wanted = {n: v for (i, n), v in settings_in(values.comment, values.part).items() if i == step.id}
        reasons = {n: _impossible(n, v, step, contracts) for n, v in wanted.items()}
        refused += [f"step {step.id}: {reason}" for reason in reasons.values() if reason]
        possible = {n: v for n, v in wanted.items() if not reasons[n]}
        if possible and step.id not in gone:
            accepted += possible.items()
            steps.append(with_settings(step, possible, contracts.get(step.skill or "")))
    done = [f"{n} set to {v}" for n, v in dict.fromkeys(accepted)]
    return RevisedPart(steps=tuple(steps), dropped=gone, reason="; ".join(done), not_done="; ".join(refused))


def _impossible(name: str, value: str, step: ProtocolStep, skills: Mapping[str, SkillBrief]) -> str:
    """The reason why a parameter cannot have a value, judged by its default; empty when it can."""
    skill = skills.get(step.skill or "")
    if skill is None:
        printed = next(p.value for p in step.parameters if p.name == name)
        return "" if _is_number(printed) == _is_number(value) else f"{name} is {printed} now and cannot become {value}"
    parameter = next((p for p in skill.contract.parameters if p.name == name), None)
    return _unlike(parameter, value) if parameter else f"{name} is fixed in the skill {skill.name}"


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
    return f"{parameter.name} follows from the data and is not set by a comment"


def with_settings(step: ProtocolStep, wanted: Mapping[str, str], skill: SkillBrief | None) -> ProtocolStepDraft:
    """The step with new values of parameters, in its list of parameters and in its texts."""
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
    """Put the new values into a text: by its template if it was made from it, else where the old value stands alone."""
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
    """Make a draft of a step, with the citations that were not cut."""
    fields = {n: getattr(step, n) for n in ProtocolStepDraft.model_fields if n != "citations"}
    kept = (c for c in step.citations if c.state != "cut")
    return ProtocolStepDraft(
        **fields, citations=tuple(CitationDraft(kind=c.kind, ref=c.ref, claim=c.claim) for c in kept)
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
