"""What a model's draft is made into before anything is built on it: numbered by us, with references that exist.

Pure functions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from bioresearcher.schemas.ask_design import HeadingDraft, HeadingsDraft, OutlinesDraft
from bioresearcher.schemas.protocol import OutlineLine, ProtocolPart, Relation, ReportPartRef
from bioresearcher.schemas.skill import Skill
from bioresearcher.text.normalise import known_id, known_ids, plain_name, title_of

T = TypeVar("T")

MAX_PARTS = 12
MAX_LINES = 20
MAX_SOURCES = 12
MAX_OUTPUTS = 12


def tidy_headings(
    draft: HeadingsDraft, known: Collection[tuple[str, str]], max_parts: int = MAX_PARTS
) -> HeadingsDraft:
    """At most `max_parts` parts with ids 1, 2, 3 …, each after those it depends on.

    Parts that say nothing are left out, as are references to parts that do not exist; a cycle is cut where it closes.
    """
    parts = [p for p in draft.parts if title_of(p.title, p.purpose)][:max_parts]
    place: dict[str, int] = {}
    for number, part in enumerate(parts):
        place.setdefault(part.id, number)
    named = [(*p.depends_on, *(r.part for r in p.relations)) for p in parts]
    needs = [{place[i] for i in known_ids(names, place)} - {n} for n, names in enumerate(named)]
    order = in_order(parts, needs)
    number_of = {old: new for new, old in enumerate(order, 1)}
    tidied = tuple(
        _heading(
            parts[old],
            number_of[old],
            sorted(number_of[n] for n in needs[old]),
            known,
            _relations(parts[old], place, number_of),
        )
        for old in order
    )
    return draft.model_copy(update={"parts": tidied, "title": title_of(draft.title)})


def _relations(part: HeadingDraft, place: Mapping[str, int], number_of: Mapping[int, int]) -> dict[int, Relation]:
    """New number of an earlier part -> how this part stands to it."""
    found: dict[int, Relation] = {}
    for relation in part.relations:
        name = known_id(relation.part, place)
        if name is not None:
            number = number_of[place[name]]
            reason = title_of(relation.reason)
            found.setdefault(number, relation.model_copy(update={"part": str(number), "reason": reason}))
    return found


def _heading(
    part: HeadingDraft,
    number: int,
    needs: Sequence[int],
    known: Collection[tuple[str, str]],
    relations: Mapping[int, Relation],
) -> HeadingDraft:
    return part.model_copy(
        update={
            "id": str(number),
            "title": title_of(part.title, part.purpose),
            "depends_on": tuple(str(n) for n in needs if n < number),
            "relations": tuple(relations[n] for n in needs if n < number and n in relations),
            "learns_from": known_parts(part.learns_from, known),
        }
    )


def known_parts(refs: Sequence[ReportPartRef], known: Collection[tuple[str, str]]) -> tuple[ReportPartRef, ...]:
    """The references to report parts that exist, without repeats."""
    found = []
    for ref in refs:
        paper = known_id(ref.paper_id, {p for p, _ in known})
        part = known_id(ref.part_id, {n for p, n in known if p == paper})
        if paper is not None and part is not None:
            found.append(ReportPartRef(paper_id=paper, part_id=part))
    return tuple(dict.fromkeys(found))[:MAX_SOURCES]


def tidy_outlines(
    draft: OutlinesDraft, parts: Sequence[ProtocolPart], datasets: Collection[str], skills: Mapping[str, Skill]
) -> dict[str, tuple[OutlineLine, ...]]:
    """Part id -> its lines, at most 20, with ids `<part>.1`, `<part>.2` …; parts without a line are not in it.

    Lines for parts that do not exist are left out, as are data sets and skills that do not. A line with a vetted
    analysis has that analysis's outputs.
    """
    ids = [p.id for p in parts]
    found: dict[str, tuple[OutlineLine, ...]] = {}
    for outline in draft.parts:
        part_id = known_id(outline.part_id, ids)
        lines = [line for line in outline.lines if title_of(line.title)][:MAX_LINES]
        if part_id is not None and part_id not in found and lines:
            numbered = enumerate(lines, 1)
            found[part_id] = tuple(_line(line, f"{part_id}.{n}", datasets, skills) for n, line in numbered)
    return found


def _line(line: OutlineLine, line_id: str, datasets: Collection[str], skills: Mapping[str, Skill]) -> OutlineLine:
    skill = known_id(line.skill, skills) if line.skill else None
    own = [o.name for o in skills[skill].contract.outputs] if skill else [plain_name(o) for o in line.outputs]
    return OutlineLine(
        id=line_id,
        title=title_of(line.title),
        datasets=known_ids(line.datasets, datasets),
        skill=skill,
        outputs=tuple(dict.fromkeys(o for o in own if o))[:MAX_OUTPUTS],
    )


def in_order(items: Sequence[T], needs: Sequence[Collection[int]]) -> list[int]:
    """Positions in the given order, but what an item needs right before it when it does not stand there yet.

    A cycle is cut where it closes.
    """
    placed: list[int] = []
    begun: set[int] = set()

    def place(item: int) -> None:
        if item not in begun:
            begun.add(item)
            for needed in sorted(needs[item]):
                place(needed)
            placed.append(item)

    for item in range(len(items)):
        place(item)
    return placed
