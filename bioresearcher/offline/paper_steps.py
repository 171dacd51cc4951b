"""Parts and steps that repeat what a paper describes, where no skill serves the objective."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from bioresearcher.offline.read import LABORATORY, WET
from bioresearcher.offline.skill_uses import asked_for
from bioresearcher.schemas.ask_design import (
    CitationDraft,
    HeadingDraft,
    KnownPaper,
    KnownPart,
    KnownStep,
    ProtocolStepDraft,
    SkillBrief,
)
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.protocol import OutlineLine, ReportPartRef, StepInput, StepOutput
from bioresearcher.text.visible import clip
from bioresearcher.text.words import Similarity

NOTE = "a note"
"""`KnownPaper.read` of a note: its advice is its writer's, not that of the authors it is about."""
LITERATURE_PARTS = 6
LITERATURE_STEPS = 12
"""Most steps that a part takes over from a paper's part."""
_CRITERIA = tuple(
    (re.compile(pattern, re.IGNORECASE), criterion)
    for pattern, criterion in (
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
"""Acceptance criteria by the kind of step; the first two that fit are used."""
NEAR_ENOUGH = 0.3
"""Cosine similarity (MiniLM) from which a report part is taken to be about a question."""


def open_questions(objective: Objective, chosen: Sequence[SkillBrief]) -> tuple[str, ...]:
    """The texts of the objective and its requirements that no chosen skill answers.

    These ask for laboratory work; the objective's own text is among them, too, when no chosen skill was asked for.
    """
    asked = [s for s in chosen if asked_for(s, objective.text)]
    served = asked or any(asked_for(s, r.text) for s in chosen for r in objective.requirements)
    texts = [] if served and not LABORATORY.search(objective.text) else [objective.text]
    for requirement in objective.requirements:
        if LABORATORY.search(requirement.text) and not any(asked_for(s, requirement.text) for s in chosen):
            texts.append(requirement.text)
    return tuple(texts)


def known_parts(known: Sequence[KnownPaper]) -> Iterator[tuple[KnownPaper, KnownPart]]:
    """Yield the parts of all papers, each with its paper."""
    return ((paper, part) for paper in known for part in paper.parts)


def literature_headings(
    texts: Sequence[str], known: Sequence[KnownPaper], similarity: Similarity, *, first: int, taken: Collection[str]
) -> list[HeadingDraft]:
    """Make a part per reusable report part close to the texts: numbered from `first`, papers in order of closeness.

    Each text gets the part nearest to it, before any gets a second one. Within a paper the parts keep its order.
    Titles differ from each other and from those `taken`. Parts whose steps are not given are not usable.
    """
    usable = [(paper, part) for paper, part in known_parts(known) if part.level != "low" and part.steps]
    if not texts or not usable:
        return []
    rows = similarity([f"{part.title}. {part.purpose}" for _, part in usable], texts)
    near = rows.max(axis=1)
    order = [*(int(i) for i in rows.argmax(axis=0)), *sorted(range(len(usable)), key=lambda i: (-near[i], i))]
    best = [i for i in dict.fromkeys(order) if near[i] >= NEAR_ENOUGH][:LITERATURE_PARTS]
    best.sort(key=lambda i: (-near[i], i))
    rank: dict[str, int] = {}
    for i in best:
        rank.setdefault(usable[i][0].paper_id, len(rank))
    headings: list[HeadingDraft] = []
    titles = {t.casefold() for t in taken}
    for i in sorted(best, key=lambda i: (rank[usable[i][0].paper_id], _number(usable[i][1].part_id), i)):
        paper, part = usable[i]
        title = _unique(paper, part, titles)
        titles.add(title.casefold())
        headings.append(
            HeadingDraft(
                id=str(first + len(headings)),
                title=title,
                purpose=clip(f"Follows {_source(paper)}: {part.purpose or part.title}", 340),
                reason=f"Referability {part.level}: {part.reuse}",
                learns_from=(ReportPartRef(paper_id=paper.paper_id, part_id=part.part_id),),
            )
        )
    return headings


def _source(paper: KnownPaper) -> str:
    return f"{'the note about ' if paper.read == NOTE else ''}“{clip(paper.title, 120)}”"


def _number(part_id: str) -> int:
    return int(part_id) if part_id.isdigit() else 0


def _unique(paper: KnownPaper, part: KnownPart, taken: Collection[str]) -> str:
    """The part's title with a capital; with its paper's id, and then its own, if the title is taken."""
    title = clip(part.title.strip().rstrip("."), 110)
    title = title[:1].upper() + title[1:]
    for candidate in (title, f"{title} ({paper.paper_id})"):
        if candidate.casefold() not in taken:
            return candidate
    return f"{title} ({paper.paper_id}, part {part.part_id})"


def part_steps(refs: Sequence[ReportPartRef], known: Sequence[KnownPaper]) -> list[KnownStep]:
    """The steps of the report parts that a heading was taken from, in order."""
    wanted = {(r.paper_id, r.part_id) for r in refs}
    return [s for paper, part in known_parts(known) if (paper.paper_id, part.part_id) in wanted for s in part.steps]


def action_lines(part_id: str, steps: Sequence[KnownStep]) -> tuple[OutlineLine, ...]:
    """Make an outline line per step of a paper."""
    return tuple(
        OutlineLine(id=f"{part_id}.{n}", title=clip(step.action, 160), outputs=("result",))
        for n, step in enumerate(steps[:LITERATURE_STEPS], 1)
    )


def literature_step(
    line: OutlineLine,
    before: str | None,
    steps: Sequence[KnownStep],
    *,
    part_title: str = "",
    notes: Collection[str] = (),
) -> ProtocolStepDraft:
    """Make a step that repeats the step of a paper with the line's title, says so, and cites it.

    It takes its material from the step `before` in its part; without one, the material is given. Of the papers `notes`
    only a note was read: such a step is attributed to the note.
    """
    known = next((k for k in steps if clip(k.action, 160) == line.title), None)
    action = known.action if known else line.title
    wet = bool(WET.search(action) or LABORATORY.search(part_title))
    paper = known.ref.partition("/")[0] if known else ""
    said = clip(known.quotes[0], 400) if known and known.quotes and known.quotes[0] != action else ""
    if paper in notes:
        source = f"the note on {paper}"
        why = f"It is the advice of a note on {paper}; the paper itself was not read."
    else:
        source = paper or "the paper"
        why = f"{paper} did it this way; its settings were chosen for its own material."
    claim = CitationDraft(kind="passage", ref=known.ref, claim=clip(action, 400)) if known else None
    return ProtocolStepDraft(
        id=line.id,
        title=clip(line.title, 90),
        action=f"As {source} describes it: {action}" + (f" In its words: “{said}”" if said else ""),
        rationale=why if known else "",
        parameters=known.parameters if known else (),
        inputs=(StepInput(name="material", source=f"step:{before}/result" if before else "given"),),
        outputs=(StepOutput(name="result", kind="material" if wet else "table", description=_yields(line)),),
        software=known.software if known else (),
        acceptance=acceptance(line, known, wet=wet),
        kind="wet" if wet else "dry",
        citations=(claim,) if claim else (CitationDraft(kind="general", claim=clip(action, 400)),),
    )


def _yields(line: OutlineLine) -> str:
    return clip(f"what “{line.title.rstrip('.')}” gives", 120)


def acceptance(line: OutlineLine, known: KnownStep | None, *, wet: bool) -> str:
    """The acceptance criterion of a step from a paper: by its own settings, software, test, or by its record."""
    about = f"{known.action} {' '.join(known.quotes)}" if known else line.title
    checks = []
    if known and known.parameters:
        stated = ", ".join(f"{p.name} {p.value} {p.unit}".strip() for p in known.parameters[:4])
        checks.append(f"The {'bench record' if wet else 'log'} shows {stated}, or the deviation and its reason.")
    if known and known.software:
        checks.append(f"{' and '.join(known.software[:3])} ended without error, and the version that ran is recorded.")
    if not checks:
        checks += [criterion for pattern, criterion in _CRITERIA if pattern.search(about)][:2]
    if not checks:
        how = "with date, person and lot numbers" if wet else "with the code or settings used"
        checks.append(f"“{clip(line.title.rstrip('.'), 80)}” is on record for every sample or unit, {how}.")
    return " ".join(checks)
