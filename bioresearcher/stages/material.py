"""Choice of what an author sees of a run's material, so that the opening of the conversation stays within its budget.

Nothing is rewritten: columns, facts, steps and quotes are shown or left out, the least telling first, and what was
left out is said among the notes. The same material gives the same choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from bioresearcher.schemas.ask_design import KnownPaper, KnownPart, KnownStep, SkillBrief
from bioresearcher.schemas.dataset import Column, Dataset
from bioresearcher.schemas.facts import Fact, Proposal
from bioresearcher.stages.design_context import DesignContext
from bioresearcher.text.visible import clip
from bioresearcher.text.words import content_words, overlap, sentence_texts

FACT_CHARS: Final = 8_000
"""Characters of all facts together; those of weight 3 are always shown, up to twice as many."""
PAPER_CHARS: Final = 6_500
"""Characters of the report steps of all papers together."""
DATASET_CHARS: Final = 5_000
"""Characters of the columns of all data sets together."""
PART_CHARS: Final = 160
ACTION_CHARS: Final = 220
QUOTE_CHARS: Final = 140
LEVEL_CHARS: Final = 24
NOTE_CHARS: Final = 220
LOW_PARTS: Final = 6
"""Parts of low referability that are named for each paper."""
PROPOSALS: Final = 20
_ROLES: Final = ("id", "group", "time", "event", "batch", "covariate", "other")


def material(bench: DesignContext, *, whole: bool = False) -> dict[str, Any]:
    """Return the values that all turns of the author's conversation share (the fields of `AuthorTurn`).

    With `whole` nothing is left out: the deterministic rules have no limit.
    """
    facts, notes = bench.audit.facts, bench.audit.notes
    datasets, known, skills, proposals = bench.datasets, bench.known_papers(), bench.briefs, bench.audit.proposals
    if not whole:
        facts, gone = _facts(facts)
        notes = tuple(clip(n, NOTE_CHARS) for n in notes[:12])
        notes += (f"{gone} facts of less weight, left out here",) if gone else ()
        datasets = tuple(_dataset(d, DATASET_CHARS // max(1, len(datasets))) for d in datasets)
        known = _papers(known, content_words(bench.objective.text))
        skills = tuple(map(_skill, skills))
        proposals = tuple(map(_proposal, proposals[:PROPOSALS]))
    return {
        "objective": bench.objective,
        "datasets": datasets,
        "checks": bench.checks,
        "views": bench.views,
        "facts": facts,
        "proposals": proposals,
        "notes": notes,
        "known": known,
        "skills": skills,
        "max_parts": bench.max_parts,
    }


def _facts(facts: Sequence[Fact]) -> tuple[tuple[Fact, ...], int]:
    """Return the gravest facts that fit, in turn from each data set, and the number of those left out."""
    turn: dict[tuple[int, str], int] = {}
    ranked = []
    for place, fact in enumerate(facts):
        key = (fact.weight, fact.dataset)
        turn[key] = turn.get(key, 0) + 1
        ranked.append((-fact.weight, turn[key], place, fact))
    kept, spent = [], 0
    for weight, _, _, fact in sorted(ranked, key=lambda r: r[:3]):
        length = len(fact.statement) + len(fact.consequence) + 40
        if spent + length <= (2 * FACT_CHARS if weight == -3 else FACT_CHARS):
            kept.append(fact)
            spent += length
    return tuple(kept), len(facts) - len(kept)


def _dataset(dataset: Dataset, room: int) -> Dataset:
    """Return a data set with the columns that fit; those with a role first, the order of the file kept."""
    files = []
    for file in dataset.files:
        places = sorted(range(len(file.columns)), key=lambda n: (_ROLES.index(file.columns[n].role), n))
        shown: dict[int, Column] = {}
        for place in places:
            column = _column(file.columns[place])
            length = len(column.name) + len(column.label) + sum(len(v) + 3 for v in column.levels) + 30
            if length <= room or (column.role not in ("other", "id") and len(shown) < 8):
                shown[place] = column
                room -= length
        left = len(file.columns) - len(shown)
        if left:
            more = Column(name=f"({left} more columns)", dtype="text")
            shown[len(file.columns)] = more
        files.append(file.model_copy(update={"columns": tuple(shown[n] for n in sorted(shown))}))
    notes = tuple(clip(n, NOTE_CHARS) for n in dataset.notes[:6])
    problems = tuple(clip(n, NOTE_CHARS) for n in dataset.problems[:6])
    return dataset.model_copy(
        update={"files": tuple(files), "notes": notes, "problems": problems, "title": clip(dataset.title, 160)}
    )


def _column(column: Column) -> Column:
    """Return a column without levels that are too long to be told apart, and with a short label."""
    keep = column.role == "group" or all(len(v) <= LEVEL_CHARS for v in column.levels)
    levels = column.levels if keep else tuple(clip(v, LEVEL_CHARS) for v in column.levels[:3])
    return column.model_copy(update={"levels": levels, "label": clip(column.label, 80)})


def _papers(papers: Sequence[KnownPaper], wanted: Sequence[str]) -> tuple[KnownPaper, ...]:
    """Return the papers with those steps and quotes that fit: the most reusable parts first, then the nearest steps."""
    ranked = []
    for n, paper in enumerate(papers):
        for m, part in enumerate(paper.parts):
            for k, step in enumerate(part.steps):
                near = overlap(wanted, content_words(f"{part.title} {step.action}"))
                ranked.append((0 if part.level == "high" else 1, -round(near, 3), n, m, k, step))
    steps: dict[tuple[int, int, int], KnownStep] = {}
    room = PAPER_CHARS
    for _, _, n, m, k, step in sorted(ranked, key=lambda r: r[:5]):
        short = _step(step)
        length = len(short.model_dump_json(exclude_defaults=True))
        if length > room:
            short = short.model_copy(update={"quotes": (), "parameters": short.parameters[:2]})
            length = len(short.model_dump_json(exclude_defaults=True))
        if length <= room:
            steps[n, m, k] = short
            room -= length
    return tuple(
        paper.model_copy(
            update={
                "title": clip(paper.title, 160),
                "parts": _few_low(
                    part.model_copy(
                        update={
                            "title": clip(part.title, 120),
                            "purpose": clip(part.purpose, PART_CHARS),
                            "reuse": clip(part.reuse, PART_CHARS) if part.level != "low" else "",
                            "change": clip(part.change, PART_CHARS) if part.level != "low" else "",
                            "steps": tuple(s for k in range(len(part.steps)) if (s := steps.get((n, m, k)))),
                        }
                    )
                    for m, part in enumerate(paper.parts)
                ),
            }
        )
        for n, paper in enumerate(papers)
    )


def _few_low(parts: Iterable[KnownPart]) -> tuple[KnownPart, ...]:
    """Return the parts without all but a few of low referability, which are a line each."""
    kept, low = [], 0
    for part in parts:
        low += part.level == "low"
        if part.level != "low" or low <= LOW_PARTS:
            kept.append(part)
    return tuple(kept)


def _step(step: KnownStep) -> KnownStep:
    return step.model_copy(
        update={
            "action": clip(step.action, ACTION_CHARS),
            "parameters": step.parameters[:6],
            "software": step.software[:3],
            "quotes": tuple(clip(q, QUOTE_CHARS) for q in step.quotes[:1]),
        }
    )


def _skill(skill: SkillBrief) -> SkillBrief:
    """Return a skill with the first sentence of its description."""
    return skill.model_copy(update={"description": clip(next(iter(sentence_texts(skill.description)), ""), 160)})


def _proposal(proposal: Proposal) -> Proposal:
    """Return a proposal without the samples concerned, of which there may be hundreds."""
    return proposal.model_copy(update={"samples": (), "values": (), "levels": (), "reason": clip(proposal.reason, 160)})
