"""Rules for protocol parts that are taken over from papers because no vetted analysis covers what they do."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bioresearcher.llm.offline.choose import asked_for
from bioresearcher.llm.offline.patterns import LABORATORY, WET
from bioresearcher.llm.offline.text import Similarity, clip
from bioresearcher.schemas.ask_design import (
    HeadingDraft,
    KnownPart,
    KnownStep,
    LearntFrom,
    ProtocolStepDraft,
    SkillBrief,
    WriteStepsInput,
)
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.protocol import OutlineLine, ProtocolPart, ReportPartRef, StepInput, StepOutput

LITERATURE_PARTS = 6
NEAR_ENOUGH = 0.3
"""Cosine similarity (MiniLM) from which a report part is taken to be about what is asked."""


def open_questions(objective: Objective, chosen: Sequence[SkillBrief]) -> tuple[str, ...]:
    """The texts that no chosen vetted analysis answers: laboratory work, and all when only checks were chosen."""
    asked = [s for s in chosen if asked_for(s, objective.text)]
    served = asked or any(asked_for(s, r.text) for s in chosen for r in objective.requirements)
    texts = [] if served and not LABORATORY.search(objective.text) else [objective.text]
    for requirement in objective.requirements:
        if LABORATORY.search(requirement.text) and not any(asked_for(s, requirement.text) for s in chosen):
            texts.append(requirement.text)
    return tuple(texts)


def literature_headings(
    texts: Sequence[str], known: Sequence[KnownPart], similarity: Similarity, *, first: int, taken: Collection[str]
) -> list[HeadingDraft]:
    """A part per reusable report part close to the texts: numbered from `first`, papers in order of closeness.

    Each text gets the part nearest to it, before any gets a second one. Within a paper the parts keep its order.
    Titles differ from each other and from those `taken`.
    """
    usable = [k for k in known if k.level != "low"]
    if not texts or not usable:
        return []
    rows = similarity([f"{k.title}. {k.purpose}" for k in usable], texts)
    near = rows.max(axis=1)
    order = [*(int(i) for i in rows.argmax(axis=0)), *sorted(range(len(usable)), key=lambda i: (-near[i], i))]
    best = [i for i in dict.fromkeys(order) if near[i] >= NEAR_ENOUGH][:LITERATURE_PARTS]
    best.sort(key=lambda i: (-near[i], i))
    rank: dict[str, int] = {}
    for i in best:
        rank.setdefault(usable[i].paper_id, len(rank))
    headings: list[HeadingDraft] = []
    titles = {t.casefold() for t in taken}
    for i in sorted(best, key=lambda i: (rank[usable[i].paper_id], _number(usable[i].part_id), i)):
        part = usable[i]
        title = _unique(part, titles)
        titles.add(title.casefold())
        headings.append(
            HeadingDraft(
                id=str(first + len(headings)),
                title=title,
                purpose=clip(f"Follows “{clip(part.paper_title, 120)}”: {part.purpose or part.title}", 340),
                reason=f"Referability {part.level}: {part.reuse}",
                depends_on=(),
                learns_from=(ReportPartRef(paper_id=part.paper_id, part_id=part.part_id),),
            )
        )
    return headings


def _number(part_id: str) -> int:
    return int(part_id) if part_id.isdigit() else 0


def _unique(part: KnownPart, taken: Collection[str]) -> str:
    """The part's title with a capital; with its paper's id, and then its own, when the title is taken."""
    title = clip(part.title.strip().rstrip("."), 110)
    title = title[:1].upper() + title[1:]
    for candidate in (title, f"{title} ({part.paper_id})"):
        if candidate.casefold() not in taken:
            return candidate
    return f"{title} ({part.paper_id}, part {part.part_id})"


def action_lines(part: ProtocolPart, known: dict[tuple[str, str], KnownPart]) -> tuple[OutlineLine, ...]:
    """A line per action of the report parts a heading was taken from."""
    actions = [
        action
        for ref in part.learns_from
        if (ref.paper_id, ref.part_id) in known
        for action in known[ref.paper_id, ref.part_id].actions
    ]
    return tuple(
        OutlineLine(id=f"{part.id}.{n}", title=clip(action, 160), outputs=("result",))
        for n, action in enumerate(actions[:12], 1)
    )


def literature_step(line: OutlineLine, values: WriteStepsInput) -> ProtocolStepDraft:
    """A step that repeats what a paper did, said to be so."""
    known = next((k for k in values.known if clip(k.action, 160) == line.title), None)
    action = known.details if known else line.title
    wet = bool(WET.search(action) or LABORATORY.search(values.part.title))
    ids = [other.id for other in values.part.outline]
    place = ids.index(line.id) if line.id in ids else 0
    source = f"step:{ids[place - 1]}/result" if place else "given"
    return ProtocolStepDraft(
        id=line.id,
        title=clip(line.title, 90),
        action=f"Repeat what the paper describes, on the material at hand: {action}",
        rationale="Taken over from the paper named as evidence; check its thresholds against the own material.",
        parameters=known.parameters if known else (),
        inputs=(StepInput(name="material", source=source),),
        outputs=(StepOutput(name="result", kind="material" if wet else "table", description="what the step yields"),),
        software=known.software if known else (),
        acceptance="The result exists for every sample, and the parameters used are recorded.",
        kind="wet" if wet else "dry",
        learnt_from=(step_ref(known),) if known else (),
    )


def step_ref(known: KnownStep) -> LearntFrom:
    """The report step, by ids."""
    return LearntFrom(paper_id=known.paper_id, part_id=known.part_id, step_id=known.step_id)
