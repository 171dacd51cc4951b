"""The headings and the outlines of a plan as forms: written, read back, and reduced when parts or steps are dropped.

Parts and lines are numbered anew by their places; references to them follow, those in the plan's first page included.
Pure functions.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from bioresearcher.schemas.ask_design import PlannedPart, ProtocolPlan
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.protocol import OutlineLine
from bioresearcher.schemas.skill import Skill
from bioresearcher.stages.draft_cleanup import MAX_STEPS
from bioresearcher.stages.forms import QUOTING, Form, FormError, Item, Mistake, write, write_items
from bioresearcher.text.visible import one_line

V = TypeVar("V", bound=Value)
Parts = tuple[PlannedPart, ...]
_REFERENCE = re.compile(
    r"\b(?:parts?|steps?)\s+\d+(?:\.\d+)?\b(?:(?:,|,? and|,? or| to|\s?–)\s?\d+(?:\.\d+)?\b(?! ?%))*", re.IGNORECASE
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
DROPPED = "(dropped)"
"""Written in the place of the number of a part or step that was dropped."""
_HEADING_NOTE = f"""\
# The parts of the protocol. Edit, move, add or delete them, save and close; close without a change to keep them.
# A new part has `id: new`, or another word when others need it. depends_on: ids of parts that stand above.
# Parts are numbered anew when this is read. To empty a field, delete what stands behind its colon.
{QUOTING}

"""
_OUTLINE_NOTE = f"""\
# The steps of each part. Edit, move, add or delete them, save and close; close without a change to keep them.
# A new step has `id: new`; steps are numbered anew by their places. The titles of parts are settled.
# skill: its outputs are fixed; outputs: short names that other steps can refer to.
{QUOTING}

"""
_TOP = ("title", "summary")
_HEADING = ("title", "purpose", "reason", "depends_on")
_LINE = ("title", "datasets", "skill", "outputs")


def headings_form(plan: ProtocolPlan) -> str:
    """Write the headings of a plan as a form."""
    return f"{_HEADING_NOTE}{write(plan, _TOP)}parts:\n{write_items(plan.parts, _HEADING)}"


def read_headings(text: str, before: ProtocolPlan, max_parts: int) -> ProtocolPlan:
    """Read the headings of a form into the plan, numbered anew; `before` itself when nothing was changed.

    Fields that a form does not show (relations, sources, lines) stay with the part of the same id; a new part has no
    line yet.

    Raises:
        FormError: Holds all mistakes.
    """
    form = Form(text, (*_TOP, "parts"))
    items = form.items(("parts",), form.fields.pop("parts", ""), _HEADING, max_parts)
    if not items:
        form.wrong(("parts",), "there is no part left")
    old = {p.id: p for p in before.parts}
    names = [item.id or f"new {n}" for n, item in enumerate(items)]
    parts = [_part(form, item, names[n], old.get(names[n]), names[:n]) for n, item in enumerate(items)]
    top, _ = form.read((), form.fields, before, before)
    form.done()
    found = with_parts(top, parts)
    return before if found == before else found


def _part(form: Form, item: Item, name: str, old: PlannedPart | None, above: Sequence[str]) -> PlannedPart:
    new = PlannedPart(id=name, title="", purpose="", reason="", lines=())
    part, _ = form.read(item.at, item.fields, old, new)
    needs = tuple(dict.fromkeys(part.depends_on))
    for need in needs:
        if need not in above:
            said = f"it needs part {need[:40]}, which does not stand above it; correct depends_on"
            form.wrong((*item.at, "depends_on"), said)
    gone = {*old.depends_on} - {*needs} if old else ()
    relations = tuple(r for r in part.relations if r.part not in gone)
    return part.model_copy(update={"depends_on": needs, "relations": relations})


def outlines_form(plan: ProtocolPlan) -> str:
    """Write the outlines of all parts of a plan as a form."""
    found = f"{_OUTLINE_NOTE}parts:\n"
    for part in plan.parts:
        name, _, _ = write(part, ("id",)).partition("\n")
        lines = textwrap.indent(write_items(part.lines, _LINE), "  ")
        found += f"\n- {name}  # {one_line(part.title)}\n  steps:\n{lines}"
    return found


def read_outlines(
    text: str, before: ProtocolPlan, datasets: Sequence[str], skills: Mapping[str, Skill]
) -> ProtocolPlan:
    """Read the outlines of a form into the plan; the same object when nothing was changed.

    Raises:
        FormError: Holds all mistakes.
    """
    form = Form(text, ("parts",))
    old = {line.id: line for part in before.parts for line in part.lines}
    found: dict[str, tuple[OutlineLine, ...]] = {p.id: () for p in before.parts}
    for part in form.items(("parts",), form.fields.get("parts"), ("steps",), len(before.parts)):
        if part.id not in found:
            there = ", ".join(found) or "none"
            form.wrong((*part.at, "id"), f"there is no part {part.id[:40] or 'new'}; there is {there}")
        items = form.items((*part.at, "steps"), part.fields.get("steps"), _LINE, MAX_STEPS)
        found[part.id] = tuple(_line(form, item, old, datasets, skills) for item in items)
    for part_id in (p.id for p in before.parts if not found[p.id]):
        form.wrong(("parts",), f"part {part_id} has no step left; to be rid of it: drop {part_id}")
    form.done()
    after = with_parts(before, [p.model_copy(update={"lines": found[p.id]}) for p in before.parts])
    return before if after == before else after


def _line(
    form: Form, item: Item, old: Mapping[str, OutlineLine], datasets: Sequence[str], skills: Mapping[str, Skill]
) -> OutlineLine:
    if item.id and item.id not in old:
        form.wrong((*item.at, "id"), f"there is no step {item.id[:40]}; a new one has `id: new`")
    known: dict[str, Collection[str]] = {"datasets": datasets, "skill": skills}
    line, changed = form.read(item.at, item.fields, old.get(item.id), OutlineLine(id="new", title=""), known)
    if line.skill and ("skill" in changed or "outputs" in changed):
        return line.model_copy(update={"outputs": tuple(o.name for o in skills[line.skill].contract.outputs)})
    return line.model_copy(update={"outputs": tuple(dict.fromkeys(line.outputs))}) if "outputs" in changed else line


def drop_items(plan: ProtocolPlan, names: Sequence[str]) -> ProtocolPlan:
    """Drop some parts (`2`) or lines (`2.3`) of a plan and number the rest anew.

    Raises:
        FormError: One of them does not exist, or nothing would be left.
    """
    parts = plan.parts
    there = {p.id for p in parts} | {line.id for p in parts for line in p.lines}
    unknown = [n for n in names if n not in there]
    if unknown:
        known = ", ".join(sorted(there, key=lambda name: [int(n) for n in name.split(".") if n.isdigit()])) or "none"
        raise FormError([Mistake(0, f"there is no {one_line(unknown[0])[:40]}; there is {known}")])
    kept = [
        p.model_copy(update={"lines": tuple(o for o in p.lines if o.id not in names)}) if p.lines else p
        for p in parts
        if p.id not in names
    ]
    if not kept:
        raise FormError([Mistake(0, "this would leave no part")])
    bare = [p.id for p in kept if not p.lines and any(q.id == p.id and q.lines for q in parts)]
    if bare:
        said = f"this would leave part {bare[0]} without a step; to be rid of it: drop {bare[0]}"
        raise FormError([Mistake(0, said)])
    return with_parts(plan, kept)


def with_parts(plan: ProtocolPlan, parts: Sequence[PlannedPart]) -> ProtocolPlan:
    """Give a plan other parts, numbered 1, 2, 3 … with lines 1.1, 1.2 …; references in the whole plan follow.

    Parts and lines keep their old ids until here, by which references find them; new ones have other ids. A reference
    to a part or step that is not there any more is removed, or in a sentence becomes `(dropped)`.
    """
    number = {p.id: str(n) for n, p in enumerate(parts, 1)}
    moved = dict.fromkeys((i for p in plan.parts for i in (p.id, *(line.id for line in p.lines))), DROPPED)
    for part in parts:
        now = {part.id: number[part.id]}
        now |= {line.id: f"{number[part.id]}.{n}" for n, line in enumerate(part.lines, 1)}
        moved |= {i: new for i, new in now.items() if i in moved}
    settled = plan.model_copy(update={"parts": tuple(_numbered(p, number) for p in parts)})
    return settled if all(a == b for a, b in moved.items()) else _settled(settled, moved)


def _numbered(part: PlannedPart, number: Mapping[str, str]) -> PlannedPart:
    new = number[part.id]
    needs = tuple(number[d] for d in part.depends_on if d in number)
    relations = tuple(r.model_copy(update={"part": number[r.part]}) for r in part.relations if r.part in number)
    lines = tuple(line.model_copy(update={"id": f"{new}.{n}"}) for n, line in enumerate(part.lines, 1))
    return part.model_copy(update={"id": new, "depends_on": needs, "relations": relations, "lines": lines})


def _settled(value: V, moved: Mapping[str, str]) -> V:
    """Return a value whose sentences name parts and steps by their new numbers."""

    def reference(match: re.Match[str]) -> str:
        step = match[0][0] in "sS"
        return _NUMBER.sub(lambda n: moved.get(n[0], n[0]) if ("." in n[0]) is step else n[0], match[0])

    def one(found: object) -> object:
        if isinstance(found, str):
            return _REFERENCE.sub(reference, found)
        if isinstance(found, Value):
            return _settled(found, moved)
        return tuple(map(one, found)) if isinstance(found, tuple) else found

    return value.model_copy(update={name: one(getattr(value, name)) for name in type(value).model_fields})
