"""A part of the protocol as a text form, and how it is read back: ids stay, what was not touched stays as it is.

Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from bioresearcher.llm.offline.revise import as_draft
from bioresearcher.schemas.protocol import OutlineLine, ProtocolPart, ProtocolStep, StepInput, StepOutput
from bioresearcher.schemas.report import Parameter
from bioresearcher.stages.changes import next_step_id
from bioresearcher.stages.forms import (
    Block,
    Field,
    FormError,
    Mistake,
    read_form,
    write_field,
    write_items,
    write_names,
)
from bioresearcher.stages.steps import MAX_STEPS, Ground, source_of, unbound
from bioresearcher.text.normalise import known_id, plain_name
from bioresearcher.text.visible import one_line

NOTE = (
    "# Part {id} of the protocol. Edit it, save and close; close without a change to keep it as it is.",
    "# A step keeps its number; a new one is written [new] Title. A deleted one is dropped, with what needs it.",
    "# To empty a field leave its name and delete what stands behind it. Lines with # are not read.",
    "# parameters: name = value [unit]      inputs: name = given | dataset:ID/FILE | step:2.1/OUTPUT",
    "# outputs: name (kind): words          kinds: {kinds}",
)
KINDS: tuple[str, ...] = get_args(StepOutput.model_fields["kind"].annotation)
_PARAMETER = re.compile(r"(.+?)\s*=\s*(.*?)(?:\s*\[([^\[\]]*)\])?")
_INPUT = re.compile(r"(.+?)\s*=\s*(\S.*)")
_OUTPUT = re.compile(r"(.+?)\s*\((\w+)\)(?::\s*(.*))?")
_NEW = {"new", "+", ""}


@dataclass(frozen=True)
class _Shape:
    """A field of a step: how it is called in the form, how it is written, and how it is read.

    `read` gives the new value, or says in a few words why there is none.
    """

    name: str
    attribute: str
    write: Callable[[Any], list[str]]
    read: Callable[[Field, Ground, dict[str, OutlineLine]], Any]


class _Refused(Exception):
    """A value that cannot be: in which line, and why."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.mistake = Mistake(line, text)


def _text(name: str, attribute: str, *, needed: bool = False) -> _Shape:
    def read(typed: Field, _ground: Ground, _before: dict[str, OutlineLine]) -> str:
        if needed and not typed.text:
            raise _Refused(typed.line, f"{name} is empty")
        return typed.text

    return _Shape(name, attribute, lambda value: write_field(name, value), read)


def _names(name: str, attribute: str, known: Callable[[Ground], Sequence[str]]) -> _Shape:
    def read(typed: Field, ground: Ground, _before: dict[str, OutlineLine]) -> tuple[str, ...]:
        ids = known(ground)
        found = [(word, known_id(word, ids)) for word in typed.names()]
        for word, one in found:
            if one is None:
                raise _Refused(typed.line, f"{name}: there is no {word}; there is {', '.join(ids) or 'none'}")
        return tuple(dict.fromkeys(one for _, one in found if one is not None))

    return _Shape(name, attribute, lambda value: [write_names(name, value)], read)


def _items(name: str, attribute: str, show: Callable[[Any], str], one: Callable[..., Any]) -> _Shape:
    def read(typed: Field, ground: Ground, before: dict[str, OutlineLine]) -> tuple[Any, ...]:
        return tuple(one(line, text, ground, before) for line, text in typed.items())

    return _Shape(name, attribute, lambda value: write_items(name, map(show, value)), read)


def _parameter(line: int, text: str, *_: object) -> Parameter:
    found = _PARAMETER.fullmatch(text)
    if found is None:
        raise _Refused(line, f"write a parameter as name = value [unit], not “{text[:60]}”")
    return Parameter(name=found[1], value=found[2], unit=found[3] or "")


def _input(line: int, text: str, ground: Ground, before: dict[str, OutlineLine]) -> StepInput:
    found = _INPUT.fullmatch(text)
    if found is None:
        raise _Refused(line, f"write an input as name = source, not “{text[:60]}”")
    source = source_of(found[2], before, ground.datasets)
    if source is None:
        raise _Refused(
            line, f"there is no source {found[2][:80]} before this step (given, dataset:ID/FILE, step:ID/OUTPUT)"
        )
    return StepInput(name=found[1], source=source)


def _output(line: int, text: str, *_: object) -> StepOutput:
    found = _OUTPUT.fullmatch(text)
    if found is None or found[2] not in KINDS:
        raise _Refused(line, f"write an output as name (kind): words; kinds are {', '.join(KINDS)}")
    if plain_name(found[1]) != found[1]:
        raise _Refused(line, f"“{found[1][:60]}” is no short name; use letters, digits and _")
    return StepOutput.model_validate({"name": found[1], "kind": found[2], "description": found[3] or ""})


def _kind(typed: Field, *_: object) -> str:
    if typed.text not in {"dry", "wet"}:
        raise _Refused(typed.line, "kind is dry or wet")
    return typed.text


def _skill(typed: Field, ground: Ground, _before: dict[str, OutlineLine]) -> str | None:
    (*names,) = typed.names()
    skill = known_id(names[0], ground.skills) if len(names) == 1 else None
    if names and skill is None:
        raise _Refused(typed.line, f"there is no vetted analysis {typed.text[:60]}")
    return skill


def _shown_parameter(value: Parameter) -> str:
    return f"{value.name} = {value.value}{f' [{value.unit}]' if value.unit else ''}"


SHAPES: tuple[_Shape, ...] = (
    _Shape("kind", "kind", lambda value: [f"kind: {value}"], _kind),
    _text("works on", "object"),
    _text("action", "action", needed=True),
    _text("why", "rationale"),
    _items("parameters", "parameters", _shown_parameter, _parameter),
    _items("inputs", "inputs", lambda v: f"{v.name} = {v.source}", _input),
    _items(
        "outputs",
        "outputs",
        lambda v: f"{v.name} ({v.kind}){f': {v.description}' if one_line(v.description) else ''}",
        _output,
    ),
    _names("data", "datasets", lambda ground: [d.id for d in ground.datasets]),
    _items("software", "software", str, lambda _line, text, *_: text),
    _text("accepted when", "acceptance"),
    _names("meets", "requirements", lambda ground: [r.id for r in ground.objective.requirements]),
    _Shape("analysis", "skill", lambda value: [write_names("analysis", [value] if value else [])], _skill),
)
_PART = ("title", "purpose")


def part_form(part: ProtocolPart) -> str:
    """The part as a person edits it."""
    lines = [note.format(id=part.id, kinds=", ".join(KINDS)) for note in NOTE]
    lines += ["", *write_field("title", part.title), *write_field("purpose", part.purpose)]
    for step in part.steps:
        lines += ["", f"[{step.id}] {one_line(step.title)}"]
        for shape in SHAPES:
            lines += shape.write(getattr(step, shape.attribute))
    return "\n".join(lines) + "\n"


def read_part(text: str, part: ProtocolPart, ground: Ground) -> ProtocolPart:
    """The part as it was written; steps that were changed are a person's, all others the same objects.

    Args:
        text: The form as it came from the editor.
        part: The part as it was.
        ground: The whole protocol, whose lines stand for its steps as they are, and what steps may refer to.

    Raises:
        FormError: With a mistake per line that cannot be read or refers to what does not exist.
    """
    first, *blocks = read_form(text, [*_PART, *(s.name for s in SHAPES)])
    mistakes = [Mistake(f.line, f"{n} belongs below a step") for n, f in first.fields.items() if n not in _PART]
    mistakes += [
        Mistake(b.fields[n].line, f"{n} belongs above the first step") for b in blocks for n in _PART if n in b.fields
    ]
    if len(blocks) > MAX_STEPS:
        mistakes.append(Mistake(blocks[MAX_STEPS].line, f"a part has at most {MAX_STEPS} steps"))
    ids = [b.id for b in blocks if b.id not in _NEW]
    old = {s.id: s for s in part.steps}
    for block in blocks:
        if block.id not in _NEW and block.id not in old:
            mistakes.append(Mistake(block.line, f"part {part.id} has no step {block.id}; a new one is written [new]"))
        elif ids.count(block.id) > 1:
            mistakes.append(Mistake(block.line, f"step {block.id} stands here twice"))
        if not block.title:
            mistakes.append(Mistake(block.line, "the step has no title"))
    if mistakes:
        raise FormError(mistakes)
    return _Reading(part, ground, mistakes).read(first, blocks)


class _Reading:
    """Reads the steps of one part in order; each may refer to those before it."""

    def __init__(self, part: ProtocolPart, ground: Ground, mistakes: list[Mistake]) -> None:
        self._part, self._ground, self._mistakes = part, ground, mistakes
        self._before = self._lines_before()
        self._outline = list(part.outline)

    def _lines_before(self) -> dict[str, OutlineLine]:
        found: dict[str, OutlineLine] = {}
        for part in self._ground.parts:
            if part.id == self._part.id:
                break
            found |= {line.id: line for line in part.outline}
        return found

    def read(self, first: Block, blocks: Sequence[Block]) -> ProtocolPart:
        old = {s.id: s for s in self._part.steps}
        steps: list[ProtocolStep] = []
        for block in blocks:
            step = self._step(block, old.get(block.id))
            if step is not None:
                steps.append(step)
                line = line_of(step)
                self._before[step.id] = line
                if old.get(step.id) is not step:
                    self._outline = [line if o.id == line.id else o for o in self._outline]
                    self._outline += [line] if step.id not in old and self._part.outline else []
        if self._mistakes:
            raise FormError(self._mistakes)
        update: dict[str, Any] = {}
        for name in _PART:
            before = getattr(self._part, name)
            if name in first.fields and first.fields[name].text != one_line(before):
                update[name] = first.fields[name].text
        if tuple(steps) != self._part.steps:
            kept = {s.id for s in steps}
            gone = {s.id for s in self._part.steps} - kept
            update |= {"steps": tuple(steps), "outline": tuple(o for o in self._outline if o.id not in gone)}
        return self._part.model_copy(update=update) if update else self._part

    def _step(self, block: Block, old: ProtocolStep | None) -> ProtocolStep | None:
        update: dict[str, Any] = {}
        if old is None or block.title != one_line(old.title):
            update["title"] = block.title
        for shape in SHAPES:
            typed = block.fields.get(shape.name)
            if typed is None or (
                old is not None and _same(typed, shape.write(getattr(old, shape.attribute)), shape.name)
            ):
                continue
            try:
                update[shape.attribute] = shape.read(typed, self._ground, self._before)
            except _Refused as refused:
                self._mistakes.append(refused.mistake)
                return None
        step = self._made(block, old, update)
        why = self._problem(step, old) if step is not None and step is not old else ""
        if why:
            self._mistakes.append(Mistake(block.line, why))
        return None if why else step

    def _made(self, block: Block, old: ProtocolStep | None, update: dict[str, Any]) -> ProtocolStep | None:
        if old is not None:
            changed = {k: v for k, v in update.items() if v != getattr(old, k)}
            return old.model_copy(update={**changed, "origin": "human"}) if changed else old
        if "action" not in update:
            self._mistakes.append(Mistake(block.line, "a new step needs at least a line action: …"))
            return None
        lines = tuple(OutlineLine(id=i, title="") for i in self._before if i.startswith(f"{self._part.id}."))
        new = next_step_id(self._part.model_copy(update={"outline": (*self._part.outline, *lines)}))
        made = {"kind": "dry", "novelty": "A person added it.", **update, "id": new, "origin": "human"}
        return ProtocolStep.model_validate(made)

    def _problem(self, step: ProtocolStep, old: ProtocolStep | None) -> str:
        names = [o.name for o in step.outputs]
        if len(names) != len(set(names)):
            return "two outputs have the same name"
        if step.skill is None:
            return ""
        contract = self._ground.skills[step.skill].contract
        if names != [o.name for o in contract.outputs] and (
            old is None or old.outputs != step.outputs or not old.skill
        ):
            wanted = ", ".join(o.name for o in contract.outputs)
            return f"the outputs of {step.skill} are {wanted}; to have others, empty the line analysis"
        lines = tuple(self._before.values())
        parts = (ProtocolPart(id="0", title="", purpose="", outline=(*lines, line_of(step))),)
        ground = Ground(self._ground.objective, parts, self._ground.datasets, self._ground.skills)
        was = unbound(as_draft(old), ground) if old is not None and old.skill else ""
        now = unbound(as_draft(step), ground)
        return f"{now}; correct it, or empty the line analysis" if now and now != was else ""


def _same(typed: Field, shown: list[str], name: str) -> bool:
    """Whether a field is as it was shown."""
    before = Field(0, [(0, shown[0].removeprefix(f"{name}:")), *((0, line) for line in shown[1:])])
    return typed.text == before.text


def line_of(step: ProtocolStep) -> OutlineLine:
    """The line that stands for a step as it is."""
    outputs = tuple(o.name for o in step.outputs)
    return OutlineLine(id=step.id, title=step.title, datasets=step.datasets, skill=step.skill, outputs=outputs)
