"""Headings and outlines as text forms, how they are read back, and what is left of them when something is dropped.

Parts and lines are numbered anew by their places; what refers to them follows. Pure functions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bioresearcher.schemas.ask_design import HeadingDraft, HeadingsDraft
from bioresearcher.schemas.protocol import OutlineLine, ProtocolPart
from bioresearcher.schemas.skill import Skill
from bioresearcher.stages.drafts import MAX_LINES
from bioresearcher.stages.forms import Block, Field, FormError, Mistake, read_form, write_field, write_names
from bioresearcher.text.normalise import known_id, plain_name
from bioresearcher.text.visible import one_line

Parts = tuple[ProtocolPart, ...]
_HEADING_NOTE = (
    "# The parts of the protocol. Edit, move, add or delete them, save and close; close without a change to keep them.",
    "# A new part is written [new] Title, or [x] Title when others need it. needs: numbers of parts that stand above.",
    "# Parts are numbered anew when this is read. Lines with # are not read.",
)
_OUTLINE_NOTE = (
    "# The steps of each part, a block each. Edit, move, add or delete them, save and close.",
    "# [2] begins part 2, whose title is settled; a new step is written [new] Title. Numbers follow the places.",
    "# analysis: a vetted analysis, whose outputs are fixed; outputs: short names that other steps can refer to.",
)
_FIELDS_OF_HEADINGS = ("title", "summary", "purpose", "reason", "needs")
_FIELDS_OF_LINES = ("data", "analysis", "outputs")
_NEW = {"new", "+", ""}


@dataclass(frozen=True)
class Headings:
    """The protocol's title and summary, and its parts."""

    title: str
    summary: str
    parts: Parts

    @classmethod
    def of(cls, draft: HeadingsDraft) -> Headings:
        """A draft's headings."""
        parts = (ProtocolPart(**{n: getattr(p, n) for n in HeadingDraft.model_fields}) for p in draft.parts)
        return cls(draft.title, draft.summary, tuple(parts))

    @property
    def draft(self) -> HeadingsDraft:
        """The headings as a draft."""
        parts = (HeadingDraft(**{n: getattr(p, n) for n in HeadingDraft.model_fields}) for p in self.parts)
        return HeadingsDraft(title=self.title, summary=self.summary, parts=tuple(parts))


def headings_form(headings: Headings) -> str:
    """The headings as a person edits them."""
    lines = [*_HEADING_NOTE, "", *write_field("title", headings.title), *write_field("summary", headings.summary)]
    for part in headings.parts:
        lines += ["", f"[{part.id}] {one_line(part.title)}", *write_field("purpose", part.purpose)]
        lines += [*write_field("reason", part.reason), write_names("needs", part.depends_on)]
    return "\n".join(lines) + "\n"


def read_headings(text: str, before: Headings, max_parts: int) -> Headings:
    """The headings as they were written, numbered anew; `before` itself when nothing was changed.

    What a form does not show (relations, what a part learns from) stays with the part of the same number.

    Raises:
        FormError: With a mistake per line that is wrong.
    """
    first, *blocks = read_form(text, _FIELDS_OF_HEADINGS)
    mistakes = _misplaced(first, blocks, ("title", "summary"))
    if not blocks:
        mistakes.append(Mistake(1, "there is no part left"))
    if len(blocks) > max_parts:
        mistakes.append(Mistake(blocks[max_parts].line, f"a protocol has at most {max_parts} parts here"))
    mistakes += _same_names(blocks)
    old = {p.id: p for p in before.parts}
    names = [b.id if b.id not in _NEW else f"new {n}" for n, b in enumerate(blocks)]
    parts = []
    for number, (name, block) in enumerate(zip(names, blocks, strict=True)):
        if not block.title:
            mistakes.append(Mistake(block.line, "the part has no title"))
        parts.append(_part(name, block, old.get(name), names[:number], mistakes))
    if mistakes:
        raise FormError(mistakes)
    found = Headings(
        _kept(first.fields.get("title"), before.title),
        _kept(first.fields.get("summary"), before.summary),
        renumbered(parts),
    )
    return before if found == before else found


def _part(
    name: str, block: Block, old: ProtocolPart | None, above: Sequence[str], mistakes: list[Mistake]
) -> ProtocolPart:
    part = old or ProtocolPart(id=name, title="", purpose="")
    update: dict[str, Any] = {"id": name}
    if block.title != one_line(part.title):
        update["title"] = block.title
    for field in ("purpose", "reason"):
        update[field] = _kept(block.fields.get(field), getattr(part, field))
    typed = block.fields.get("needs")
    shown = write_names("", part.depends_on).removeprefix(": ")
    if typed is not None and typed.text not in {one_line(shown), "-"}:
        needs = tuple(dict.fromkeys(typed.names()))
        for need in needs:
            if need not in above:
                mistakes.append(Mistake(typed.line, f"there is no part [{need}] above this one"))
        update["depends_on"] = needs
    elif typed is not None and typed.text == "-":
        update["depends_on"] = ()
    else:
        late = [d for d in part.depends_on if d not in above]
        if late:
            said = f"it needs part {', '.join(late)}, which does not stand above it any more; correct needs"
            mistakes.append(Mistake(typed.line if typed else block.line, said))
    gone = set(part.depends_on) - set(update.get("depends_on", part.depends_on))
    update["relations"] = tuple(r for r in part.relations if r.part not in gone)
    return part.model_copy(update=update)


def _kept(typed: Field | None, before: str) -> str:
    """What was typed, or what was there before where that is the same or the field was left out."""
    return before if typed is None or typed.text == one_line(before) else typed.text


def outlines_form(parts: Parts) -> str:
    """The outlines of all parts as a person edits them."""
    lines = [*_OUTLINE_NOTE]
    for part in parts:
        lines += ["", "", f"[{part.id}] {one_line(part.title)}"]
        for line in part.outline:
            lines += ["", f"[{line.id}] {one_line(line.title)}", write_names("data", line.datasets)]
            lines += [write_names("analysis", [line.skill] if line.skill else []), write_names("outputs", line.outputs)]
    return "\n".join(lines) + "\n"


def read_outlines(text: str, before: Parts, datasets: Sequence[str], skills: Mapping[str, Skill]) -> Parts:
    """The parts with their outlines as they were written; the same object when nothing was changed.

    Raises:
        FormError: With a mistake per line that is wrong.
    """
    first, *blocks = read_form(text, _FIELDS_OF_LINES)
    mistakes = [Mistake(f.line, f"{n} belongs below a step") for n, f in first.fields.items()]
    mistakes += _same_names(blocks)
    old = {line.id: line for part in before for line in part.outline}
    found: dict[str, list[OutlineLine]] = {}
    ids = [p.id for p in before]
    for block in blocks:
        if block.id in ids:
            found.setdefault(block.id, [])
            title = one_line(before[ids.index(block.id)].title)
            if block.title != title:
                mistakes.append(Mistake(block.line, f"the title of part {block.id} is settled: {title}"))
            mistakes += [Mistake(f.line, f"{n} belongs below a step") for n, f in block.fields.items()]
        elif not found:
            mistakes.append(Mistake(block.line, f"begin with a part: [{ids[0] if ids else 1}]"))
        elif block.id not in _NEW and block.id not in old:
            mistakes.append(Mistake(block.line, f"there is no step {block.id}; a new one is written [new] Title"))
        else:
            line = _line(block, old.get(block.id), datasets, skills, mistakes)
            found[list(found)[-1]].append(line)
    for part in before:
        lines = found.get(part.id, [])
        if not lines:
            mistakes.append(Mistake(1, f"part {part.id} has no step left; to be rid of it: drop {part.id}"))
        if len(lines) > MAX_LINES:
            mistakes.append(Mistake(1, f"part {part.id} has more than {MAX_LINES} steps"))
    if mistakes:
        raise FormError(mistakes)
    after = renumbered([p.model_copy(update={"outline": tuple(found[p.id])}) for p in before])
    return before if after == before else after


def _line(
    block: Block,
    old: OutlineLine | None,
    datasets: Sequence[str],
    skills: Mapping[str, Skill],
    mistakes: list[Mistake],
) -> OutlineLine:
    line = old or OutlineLine(id=block.id, title="")
    if not block.title:
        mistakes.append(Mistake(block.line, "the step has no title"))
    update: dict[str, Any] = {} if block.title == one_line(line.title) else {"title": block.title}
    typed = {n: f for n, f in block.fields.items() if f.text != _shown(n, line)}
    if "data" in typed:
        names = {w: known_id(w, datasets) for w in typed["data"].names()}
        lost = [w for w, one in names.items() if one is None]
        if lost:
            mistakes.append(Mistake(typed["data"].line, f"there is no data set {lost[0]}; there is {_list(datasets)}"))
        update["datasets"] = tuple(dict.fromkeys(one for one in names.values() if one))
    skill = line.skill
    if "analysis" in typed:
        words = typed["analysis"].names()
        skill = known_id(words[0], skills) if len(words) == 1 else None
        if words and skill is None:
            mistakes.append(
                Mistake(typed["analysis"].line, f"there is no vetted analysis {typed['analysis'].text[:60]}")
            )
        update["skill"] = skill
    if "outputs" in typed or ("analysis" in typed and skill):
        names_out = typed["outputs"].names() if "outputs" in typed else list(line.outputs)
        bad = [n for n in names_out if plain_name(n) != n]
        if bad and not skill:
            said = f"“{bad[0][:60]}” is no short name; use letters, digits and _"
            mistakes.append(Mistake(typed["outputs"].line if "outputs" in typed else block.line, said))
        fixed = tuple(o.name for o in skills[skill].contract.outputs) if skill else tuple(dict.fromkeys(names_out))
        update["outputs"] = fixed
    return line.model_copy(update=update)


def _shown(name: str, line: OutlineLine) -> str:
    values = {"data": line.datasets, "analysis": [line.skill] if line.skill else [], "outputs": line.outputs}
    return one_line(write_names("", values[name]).removeprefix(": "))


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _misplaced(first: Block, blocks: Sequence[Block], top: Collection[str]) -> list[Mistake]:
    below = [Mistake(f.line, f"{n} belongs below a part") for n, f in first.fields.items() if n not in top]
    return below + [
        Mistake(b.fields[n].line, f"{n} belongs above the first part") for b in blocks for n in top if n in b.fields
    ]


def _same_names(blocks: Sequence[Block]) -> list[Mistake]:
    ids = [b.id for b in blocks if b.id not in _NEW]
    twice = (b for n, b in enumerate(blocks) if b.id not in _NEW and b.id in [x.id for x in blocks[:n]])
    return [Mistake(b.line, f"[{b.id}] stands here {ids.count(b.id)} times") for b in twice]


def without(parts: Parts, names: Sequence[str]) -> Parts:
    """The parts without some of them (`2`) or without some lines (`2.3`), numbered anew.

    Raises:
        FormError: One of them is not there, or nothing would be left.
    """
    there = {p.id for p in parts} | {line.id for p in parts for line in p.outline}
    unknown = [n for n in names if n not in there]
    if unknown:
        raise FormError(
            [Mistake(0, f"there is no {one_line(unknown[0])[:40]}; there is {_list(sorted(there, key=_place))}")]
        )
    kept = [
        p.model_copy(update={"outline": tuple(o for o in p.outline if o.id not in names)}) if p.outline else p
        for p in parts
        if p.id not in names
    ]
    if not kept:
        raise FormError([Mistake(0, "this would leave no part")])
    bare = [p.id for p in kept if not p.outline and any(q.id == p.id and q.outline for q in parts)]
    if bare:
        raise FormError(
            [Mistake(0, f"this would leave part {bare[0]} without a step; to be rid of it: drop {bare[0]}")]
        )
    return renumbered(kept)


def _place(name: str) -> tuple[int, ...]:
    return tuple(int(n) for n in name.split(".") if n.isdigit())


def renumbered(parts: Sequence[ProtocolPart]) -> Parts:
    """Parts 1, 2, 3 … and their lines 1.1, 1.2 …; references to parts follow, those to parts that are gone go."""
    number = {p.id: str(n) for n, p in enumerate(parts, 1)}
    return tuple(_renumbered(p, number) for p in parts)


def _renumbered(part: ProtocolPart, number: Mapping[str, str]) -> ProtocolPart:
    new = number[part.id]
    needs = tuple(number[d] for d in part.depends_on if d in number)
    relations = (r for r in part.relations if r.part in number)
    lines = (line.model_copy(update={"id": f"{new}.{n}"}) for n, line in enumerate(part.outline, 1))
    return part.model_copy(
        update={
            "id": new,
            "depends_on": needs,
            "relations": tuple(r.model_copy(update={"part": number[r.part]}) for r in relations),
            "outline": tuple(lines),
        }
    )
