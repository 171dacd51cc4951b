"""Headings and outlines as forms: written, read back, and reduced when parts or steps are dropped.

Parts and lines are numbered anew by their places, and references to them follow. Pure functions.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bioresearcher.schemas.ask_design import HeadingDraft, HeadingsDraft
from bioresearcher.schemas.protocol import OutlineLine, ProtocolPart
from bioresearcher.schemas.skill import Skill
from bioresearcher.stages.design import parts_of
from bioresearcher.stages.draft_cleanup import MAX_STEPS
from bioresearcher.stages.forms import QUOTING, Form, FormError, Item, Mistake, write, write_items
from bioresearcher.text.visible import one_line

Parts = tuple[ProtocolPart, ...]
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


@dataclass(frozen=True)
class Headings:
    """The protocol's title and summary, and its parts."""

    title: str
    summary: str
    parts: Parts

    @classmethod
    def of(cls, draft: HeadingsDraft) -> Headings:
        """Return the headings of a draft."""
        return cls(draft.title, draft.summary, parts_of(draft))

    @property
    def draft(self) -> HeadingsDraft:
        """The headings as a draft."""
        parts = (HeadingDraft(**{n: getattr(p, n) for n in HeadingDraft.model_fields}) for p in self.parts)
        return HeadingsDraft(title=self.title, summary=self.summary, parts=tuple(parts))


def headings_form(headings: Headings) -> str:
    """Write the headings as a form."""
    return f"{_HEADING_NOTE}{write(headings.draft, _TOP)}parts:\n{write_items(headings.parts, _HEADING)}"


def read_headings(text: str, before: Headings, max_parts: int) -> Headings:
    """Read the headings of a form, numbered anew; `before` itself when nothing was changed.

    Fields that a form does not show (relations, sources) stay with the part of the same id.

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
    top, _ = form.read((), form.fields, before.draft, before.draft)
    form.done()
    found = Headings(top.title, top.summary, renumbered(parts))
    return before if found == before else found


def _part(form: Form, item: Item, name: str, old: ProtocolPart | None, above: Sequence[str]) -> ProtocolPart:
    part, _ = form.read(item.at, item.fields, old, ProtocolPart(id=name, title="", purpose=""))
    needs = tuple(dict.fromkeys(part.depends_on))
    for need in needs:
        if need not in above:
            said = f"it needs part {need[:40]}, which does not stand above it; correct depends_on"
            form.wrong((*item.at, "depends_on"), said)
    gone = {*old.depends_on} - {*needs} if old else ()
    relations = tuple(r for r in part.relations if r.part not in gone)
    return part.model_copy(update={"depends_on": needs, "relations": relations})


def outlines_form(parts: Parts) -> str:
    """Write the outlines of all parts as a form."""
    found = f"{_OUTLINE_NOTE}parts:\n"
    for part in parts:
        name, _, _ = write(part, ("id",)).partition("\n")
        lines = textwrap.indent(write_items(part.outline, _LINE), "  ")
        found += f"\n- {name}  # {one_line(part.title)}\n  steps:\n{lines}"
    return found


def read_outlines(text: str, before: Parts, datasets: Sequence[str], skills: Mapping[str, Skill]) -> Parts:
    """Read the outlines of a form into the parts; the same object when nothing was changed.

    Raises:
        FormError: Holds all mistakes.
    """
    form = Form(text, ("parts",))
    old = {line.id: line for part in before for line in part.outline}
    found: dict[str, tuple[OutlineLine, ...]] = {p.id: () for p in before}
    for part in form.items(("parts",), form.fields.get("parts"), ("steps",), len(before)):
        if part.id not in found:
            there = ", ".join(found) or "none"
            form.wrong((*part.at, "id"), f"there is no part {part.id[:40] or 'new'}; there is {there}")
        items = form.items((*part.at, "steps"), part.fields.get("steps"), _LINE, MAX_STEPS)
        found[part.id] = tuple(_line(form, item, old, datasets, skills) for item in items)
    for part_id in (p.id for p in before if not found[p.id]):
        form.wrong(("parts",), f"part {part_id} has no step left; to be rid of it: drop {part_id}")
    form.done()
    after = renumbered([p.model_copy(update={"outline": found[p.id]}) for p in before])
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


def drop_items(parts: Parts, names: Sequence[str]) -> Parts:
    """Drop some parts (`2`) or lines (`2.3`) and number the rest anew.

    Raises:
        FormError: One of them does not exist, or nothing would be left.
    """
    there = {p.id for p in parts} | {line.id for p in parts for line in p.outline}
    unknown = [n for n in names if n not in there]
    if unknown:
        known = ", ".join(sorted(there, key=lambda name: [int(n) for n in name.split(".") if n.isdigit()])) or "none"
        raise FormError([Mistake(0, f"there is no {one_line(unknown[0])[:40]}; there is {known}")])
    kept = [
        p.model_copy(update={"outline": tuple(o for o in p.outline if o.id not in names)}) if p.outline else p
        for p in parts
        if p.id not in names
    ]
    if not kept:
        raise FormError([Mistake(0, "this would leave no part")])
    bare = [p.id for p in kept if not p.outline and any(q.id == p.id and q.outline for q in parts)]
    if bare:
        said = f"this would leave part {bare[0]} without a step; to be rid of it: drop {bare[0]}"
        raise FormError([Mistake(0, said)])
    return renumbered(kept)


def renumbered(parts: Sequence[ProtocolPart]) -> Parts:
    """Number parts 1, 2, 3 … and lines 1.1, 1.2 …; references to parts follow, those to dropped parts are removed."""
    number = {p.id: str(n) for n, p in enumerate(parts, 1)}

    def one(part: ProtocolPart) -> ProtocolPart:
        new = number[part.id]
        needs = tuple(number[d] for d in part.depends_on if d in number)
        relations = tuple(r.model_copy(update={"part": number[r.part]}) for r in part.relations if r.part in number)
        lines = tuple(line.model_copy(update={"id": f"{new}.{n}"}) for n, line in enumerate(part.outline, 1))
        return part.model_copy(update={"id": new, "depends_on": needs, "relations": relations, "outline": lines})

    return tuple(map(one, parts))
