"""Choice of what an author sees of a run's material, so that the opening of the conversation stays within its budget.

Nothing is rewritten or cut within a sentence: columns, facts, steps, quotes and sentences are shown or left out, the
least telling first, and how many were left out is said. The same material gives the same choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from bioresearcher.execution.question_check import Asked
from bioresearcher.offline.skill_uses import data_kind, made_for
from bioresearcher.schemas.ask_design import KnownPaper, KnownPart, KnownStep, SkillBrief
from bioresearcher.schemas.dataset import Column, Dataset
from bioresearcher.schemas.facts import Fact, Proposal, View
from bioresearcher.schemas.question import Question
from bioresearcher.stages.answers import brief
from bioresearcher.stages.design_context import DesignContext
from bioresearcher.text.format import count_of
from bioresearcher.text.words import content_words, first_sentences, overlap, sentence_texts

FACT_CHARS: Final = 6_000
"""Characters of all facts together; those of weight 3 are shown up to half as many more."""
PAPER_CHARS: Final = 4_800
"""Characters of the report parts and steps of all papers together."""
DATASET_CHARS: Final = 4_000
"""Characters of the columns of all data sets together."""
PART_CHARS: Final = 90
ACTION_CHARS: Final = 160
QUOTE_CHARS: Final = 110
LABEL_CHARS: Final = 80
LEVEL_CHARS: Final = 24
REASON_CHARS: Final = 160
SKILL_CHARS: Final = 100
NOTES_CHARS: Final = 1_200
"""Characters of the notes of one data set, of the audit or of a view; a note is shown whole or left out."""
STEPS: Final = 6
"""Steps of a part that are shown at most."""
LOW_PARTS: Final = 3
"""Other parts that are named for each paper."""
DESCRIBING: Final = {"description", "structure"}
"""Kinds of questions whose skills any plan may use, as those that answer none."""
SETS: Final = 8
"""Gene sets that are named; those nearest to the objective."""
PROPOSALS: Final = 20
_SAME: Final = 60
_LEVELS: Final = ("high", "medium", "low")
_ROLES: Final = ("id", "unit", "pair", "group", "time", "event", "batch", "covariate", "other", "annotation")


def material(bench: DesignContext, *, whole: bool = False) -> dict[str, Any]:
    """Return the values that all turns of the author's conversation share (the fields of `AuthorTurn`).

    With `whole` nothing is left out: the deterministic rules have no limit.
    """
    facts, notes, views = bench.audit.facts, bench.audit.notes, bench.views
    datasets, known, skills, proposals = bench.datasets, bench.known_papers(), bench.briefs, bench.audit.proposals
    checks = bench.checks
    if not whole:
        wanted = content_words(" ".join((bench.objective.text, *(r.text for r in bench.objective.requirements))))
        sets = any(q.measure.kind in ("signature", "gene sets") for q in bench.questions.questions)
        facts, gone = _facts(facts, ("gene sets",) if sets else ())
        notes = _whole(notes, NOTES_CHARS)
        notes += (f"{gone} facts of less weight, left out here",) if gone else ()
        datasets = _datasets(datasets, wanted)
        known = _papers(known, wanted)
        skills = tuple(map(_skill, _for_questions(skills, bench.questions.questions, bench.datasets)))
        made = {d.id for d in bench.datasets if d.analysis_of is not None}
        checks = tuple(c for c in checks if c.dataset_id not in made)
        views = tuple(map(_view, views))
        proposals = tuple(map(_proposal, proposals[:PROPOSALS]))
    return {
        "objective": bench.objective,
        "datasets": datasets,
        "checks": checks,
        "views": views,
        "facts": facts,
        "proposals": proposals,
        "notes": notes,
        "known": known,
        "skills": skills,
        "max_parts": bench.max_parts,
        "questions": tuple(
            brief(Asked(question, rows))
            for question in bench.questions.questions
            if not question.cannot and (rows := bench.sets.of(question.id)) is not None
        ),
    }


def _facts(facts: Sequence[Fact], asked: Sequence[str]) -> tuple[tuple[Fact, ...], int]:
    """Return the gravest facts that fit, in turn from each data set, and the number of those left out.

    Facts of a kind that is `asked` for count among the gravest.
    """
    turn: dict[tuple[int, str], int] = {}
    ranked = []
    for place, fact in enumerate(facts):
        key = (fact.weight, fact.dataset)
        turn[key] = turn.get(key, 0) + 1
        ranked.append((-3 if fact.kind in asked else -fact.weight, turn[key], place, fact))
    kept, spent = [], 0
    for weight, _, _, fact in sorted(ranked, key=lambda r: r[:3]):
        length = len(fact.statement) + len(fact.consequence) + 40
        if spent + length <= (FACT_CHARS * 3 // 2 if weight == -3 else FACT_CHARS):
            kept.append(fact)
            spent += length
    return tuple(kept), len(facts) - len(kept)


def _datasets(datasets: Sequence[Dataset], wanted: Sequence[str]) -> tuple[Dataset, ...]:
    """Return the data sets with the columns that fit; of one made of another only what it has more than that."""
    given = {d.id: d for d in datasets}
    of = {d.id: made for d in datasets if (made := d.prepared_from or d.analysis_of) in given}
    room = DATASET_CHARS // max(1, len(datasets) - len(of))
    return tuple(_made(d, given[of[d.id]]) if d.id in of else _dataset(d, room, wanted) for d in datasets)


def _made(dataset: Dataset, original: Dataset) -> Dataset:
    known = {c.name for f in original.files for c in f.columns}
    files = tuple(
        f.model_copy(update={"columns": tuple(_column(c) for c in f.columns if c.name not in known), "entries": ()})
        for f in dataset.files
    )
    notes = (f"columns as in {original.id}; listed are those that were added",)
    if dataset.analysis_of is not None:
        notes = (f"rows of {original.id} that the question is about; {notes[0]}",)
    return dataset.model_copy(update={"files": files, "notes": notes})


def _dataset(dataset: Dataset, room: int, wanted: Sequence[str]) -> Dataset:
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
        columns = tuple(shown[n] for n in sorted(shown))
        files.append(file.model_copy(update={"columns": columns, "entries": _sets(file.entries, wanted)}))
    notes, problems = _whole(dataset.notes, NOTES_CHARS), _whole(dataset.problems, NOTES_CHARS)
    return dataset.model_copy(update={"files": tuple(files), "notes": notes, "problems": problems})


def _sets(names: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the gene sets nearest to the objective, and the number of the others."""
    near = sorted(range(len(names)), key=lambda n: (-overlap(content_words(names[n].replace("_", " ")), wanted), n))
    kept = tuple(names[n] for n in sorted(near[:SETS]))
    return (*kept, f"and {len(names) - SETS} more") if len(names) > SETS else kept


def _whole(notes: Sequence[str], room: int) -> tuple[str, ...]:
    """Return the notes that fit, each whole, and the number of those left out."""
    kept = []
    for note in notes:
        if len(note) <= room:
            kept.append(note)
            room -= len(note)
    left = len(notes) - len(kept)
    return (*kept, f"{left} more notes are not shown") if left else tuple(kept)


def _column(column: Column) -> Column:
    """Return a column without levels that are long texts, whose number is said, and with a short label."""
    kept = tuple(v for v in column.levels if column.role == "group" or len(v) <= LEVEL_CHARS)
    left = len(column.levels) - len(kept)
    levels = (*kept, f"({count_of(left, 'long text')})") if left else kept
    return column.model_copy(update={"levels": levels, "label": first_sentences(column.label, LABEL_CHARS)})


def _papers(papers: Sequence[KnownPaper], wanted: Sequence[str]) -> tuple[KnownPaper, ...]:
    """Return the papers with those parts, steps and quotes that fit.

    Parts come in the order of their referability, those nearest to the objective first; each with its nearest steps.
    Parts of low referability, and those for which there is no room, are a title, at most three of a paper.
    """
    ranked = []
    for n, paper in enumerate(papers):
        for m, part in enumerate(paper.parts):
            text = " ".join((part.title, part.purpose, *(s.action for s in part.steps)))
            ranked.append((_LEVELS.index(part.level), -round(overlap(wanted, content_words(text)), 3), n, m))
    room, shown = PAPER_CHARS, {}
    gone: dict[int, int] = {}
    for level, _, n, m in sorted(ranked):
        part = _short(papers[n].parts[m])
        spent = len(part.title) + len(part.purpose) + len(part.reuse) + len(part.change) + 40
        if _LEVELS[level] == "low" or spent > room:
            continue
        room -= spent
        order = sorted(part.steps, key=lambda s: -round(overlap(wanted, content_words(s.action)), 3))
        kept = set()
        for step in order[:STEPS]:
            length = len(step.model_dump_json(exclude_defaults=True))
            if length <= room:
                kept.add(step.ref)
                room -= length
        shown[n, m] = part.model_copy(update={"steps": tuple(s for s in part.steps if s.ref in kept)})
        gone[n] = gone.get(n, 0) + len(part.steps) - len(kept)
    found = []
    for n, paper in enumerate(papers):
        bare = [m for m in range(len(paper.parts)) if (n, m) not in shown]
        titles = {m: _title_only(paper.parts[m]) for m in bare[:LOW_PARTS]}
        parts = tuple(shown.get((n, m)) or titles[m] for m in range(len(paper.parts)) if (n, m) in shown or m in titles)
        read = f"{paper.read}; {count_of(gone[n], 'step')} not shown" if gone.get(n) else paper.read
        found.append(paper.model_copy(update={"read": read, "parts": parts}))
    return tuple(found)


def _short(part: KnownPart) -> KnownPart:
    return part.model_copy(
        update={
            "purpose": "" if part.reuse else first_sentences(part.purpose, PART_CHARS),
            "reuse": first_sentences(part.reuse, PART_CHARS),
            "change": first_sentences(part.change, PART_CHARS),
            "steps": tuple(map(_step, part.steps)),
        }
    )


def _title_only(part: KnownPart) -> KnownPart:
    none = {"purpose": "", "reuse": "", "change": "", "steps": ()}
    return part.model_copy(update=none)


def _step(step: KnownStep) -> KnownStep:
    """Return a step with short texts; a quote that only repeats the action is left out."""
    quotes = (q for q in step.quotes if q[:_SAME] != step.action[:_SAME])
    return step.model_copy(
        update={
            "action": first_sentences(step.action, ACTION_CHARS),
            "parameters": step.parameters[:6],
            "software": step.software[:3],
            "quotes": tuple(first_sentences(q, QUOTE_CHARS) for q in quotes)[:1],
        }
    )


def _view(view: View) -> View:
    """Return a view with its withheld columns by reason: `<columns>: <reason>`."""
    columns: dict[str, list[str]] = {}
    for text in view.withheld:
        name, _, reason = text.partition(": ")
        columns.setdefault(reason, []).append(name)
    withheld = [f"{', '.join(names)}: {reason}" if reason else ", ".join(names) for reason, names in columns.items()]
    return view.model_copy(update={"withheld": _whole(withheld, NOTES_CHARS)})


def _for_questions(
    skills: Sequence[SkillBrief], questions: Sequence[Question], datasets: Sequence[Dataset]
) -> tuple[SkillBrief, ...]:
    """Return the skills for these kinds of questions and data, those that describe data, and those that these read."""
    asked = {(q.kind, q.measure.kind) for q in questions}
    kinds = {data_kind(d) for d in datasets}
    kept = {
        s.name
        for s in skills
        if any(made_for(s, kind) for kind in kinds)
        and (not asked or {*s.contract.answers} <= DESCRIBING or any(_fits(s, *one) for one in asked))
    }
    by_name = {s.name: s for s in skills}
    found: set[str] = set()
    while kept - found:
        new = kept - found
        found |= new
        kept |= {i.skill for n in new for i in by_name[n].contract.inputs if i.skill in by_name}
    return tuple(s for s in skills if s.name in kept)


def _fits(skill: SkillBrief, kind: str, measure: str) -> bool:
    """True for a skill that measures what a question measures; where that is the sheet alone, for its kind only."""
    alone = measure in ("none", "column")
    return measure in skill.contract.measures and (not alone or kind in skill.contract.answers)


def _skill(skill: SkillBrief) -> SkillBrief:
    """Return a skill with the first clauses of its description."""
    first = next(iter(sentence_texts(skill.description)), "")
    while len(first) > SKILL_CHARS and ", " in first:
        first = first.rpartition(", ")[0]
    return skill.model_copy(update={"description": f"{first.rstrip('.')}." if first else ""})


def _proposal(proposal: Proposal) -> Proposal:
    """Return a proposal without the samples concerned, of which there may be hundreds."""
    reason = first_sentences(proposal.reason, REASON_CHARS)
    return proposal.model_copy(update={"samples": (), "values": (), "levels": (), "reason": reason})
