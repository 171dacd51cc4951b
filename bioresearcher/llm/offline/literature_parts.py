"""Rules for protocol parts that are taken over from papers because no vetted analysis covers what they do."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from bioresearcher.llm.offline.choose import asked_for
from bioresearcher.llm.offline.patterns import LABORATORY, WET
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
from bioresearcher.text.visible import clip
from bioresearcher.text.words import Similarity

LITERATURE_PARTS = 6
_CHECKS = tuple(
    (re.compile(pattern, re.IGNORECASE), said)
    for pattern, said in (
        (r"\b(?:exclu|inclu|eligib|enrol|recruit)\w*", "A flow count gives how many were eligible, left out and why."),
        (r"\brandomi[sz]|\ballocat", "The allocation list exists, was made before treatment, and was concealed."),
        (
            r"\b(?:t[- ]test|wilcoxon|anova|chi-?squared?|log-?rank|regression|correlat|p[- ]values?|signific\w+)",
            "Every comparison is listed with its statistic, p-value and group sizes, also those without a difference.",
        ),
        (r"\b(?:false discovery|bonferroni|benjamini|multiple test)", "Raw and corrected p-values stand side by side."),
        (r"\bnormali[sz]", "Distributions of the samples before and after are plotted and overlap afterwards."),
        (
            r"\b(?:cluster|classif|group)",
            "Each sample has exactly one class, and class sizes sum to the number of samples.",
        ),
        (r"\b(?:align|map)(?:ped|ping)?\b", "The mapped share of reads is recorded for each sample."),
        (
            r"\b(?:sequenc|library prep)",
            "Reads and quality per sample are recorded; samples below the minimum are named.",
        ),
        (r"\b(?:stain|immuno|antibod|blot)", "Positive and negative controls were run alongside and read as expected."),
        (r"\b(?:PCR|amplif|primer)", "No-template controls stay negative, and replicates of a sample agree."),
        (r"\b(?:RNA|DNA|extract|isolat|purif)", "Concentration and purity of each sample are measured and recorded."),
        (
            r"\b(?:cultur|seed|transfect|grown|cells?)\b",
            "Passage number, viability and density are recorded for each vessel.",
        ),
        (r"\b(?:mice|mouse|rats?|animals?)\b", "Every animal is accounted for, with sex, age, cage and group."),
        (
            r"\b(?:download|retriev|obtain|data ?sets?)",
            "Files, versions and checksums of what was obtained are listed.",
        ),
        (r"\b(?:score|rank|weight)", "Each unit has a score with the direction of the scale stated."),
    )
)
"""What shows that a step of a kind was carried out; the first two that fit are asked for."""
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
        object="the material at hand" if not place else f"what step {ids[place - 1]} yields",
        action=f"As the paper describes it: {action}",
        rationale=f"{known.paper_id} did it this way; its settings were chosen for its own material." if known else "",
        parameters=known.parameters if known else (),
        inputs=(StepInput(name="material", source=source),),
        outputs=(StepOutput(name="result", kind="material" if wet else "table", description=_yields(line)),),
        software=known.software if known else (),
        acceptance=acceptance(line, known, wet=wet),
        kind="wet" if wet else "dry",
        learnt_from=(step_ref(known),) if known else (),
    )


def _yields(line: OutlineLine) -> str:
    return clip(f"what “{line.title.rstrip('.')}” gives", 120)


def acceptance(line: OutlineLine, known: KnownStep | None, *, wet: bool) -> str:
    """How to tell that a step from a paper was carried out: by its own settings, software, test, or by its record."""
    about = f"{known.action} {known.details}" if known else line.title
    checks = []
    if known and known.parameters:
        stated = ", ".join(f"{p.name} {p.value} {p.unit}".strip() for p in known.parameters[:4])
        checks.append(f"The {'bench record' if wet else 'log'} shows {stated}, or the deviation and its reason.")
    if known and known.software:
        checks.append(f"{' and '.join(known.software[:3])} ended without error, and the version that ran is recorded.")
    if not checks:
        checks += [said for pattern, said in _CHECKS if pattern.search(about)][:2]
    if not checks:
        how = "with date, person and lot numbers" if wet else "with the code or settings used"
        checks.append(f"“{clip(line.title.rstrip('.'), 80)}” is on record for every sample or unit, {how}.")
    return " ".join(checks)


def step_ref(known: KnownStep) -> LearntFrom:
    """The report step, by ids."""
    return LearntFrom(paper_id=known.paper_id, part_id=known.part_id, step_id=known.step_id)
