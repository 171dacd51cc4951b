"""Deciding which papers are read: fixed rules, then a cheap ranking, then closed questions about the promising ones."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bioresearcher.errors import AnswerError
from bioresearcher.library.suspicion import shown
from bioresearcher.llm.ask import Caller, ask
from bioresearcher.schemas.ask_search import ScreenPaperInput
from bioresearcher.schemas.base import Origin
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.paper import DecidedBy, Paper, PaperAnswers, ScreenedPaper
from bioresearcher.stages.prompts import SCREEN_PAPER
from bioresearcher.text.normalise import stands_in

LEAST_SCORE = 3
"""Yes answers, of five, from which a paper that was found is read."""

NOTES: Mapping[str, str] = {
    "retracted": "RETRACTED",
    "concern": "There is an expression of concern about it",
    "corrected": "It was corrected after publication",
}


@dataclass(frozen=True, slots=True)
class ScreeningRules:
    """What decides about a paper whatever it is about.

    Attributes:
        since: First year of publication; None is any. A paper without a year passes.
        until: Last year of publication.
        languages: Codes such as `eng`; empty is any. A paper without a language passes.
        left_out_types: Publication types that are not evidence, compared without case.
        judged: Papers found that are judged at most, the closest to the objective; own papers come on top.
        limit: Papers read at most.
        include: Ids of papers that are used whatever else is true.
        exclude: Ids of papers that are not used.
        preprints: Ids of preprints, with the id of what was published of them.
        taken_in: How the included ones came in, in words.
    """

    since: int | None = None
    until: int | None = None
    languages: tuple[str, ...] = ()
    left_out_types: tuple[str, ...] = ()
    judged: int = 60
    limit: int = 20
    include: Collection[str] = ()
    exclude: Collection[str] = ()
    preprints: Mapping[str, str] = field(default_factory=dict)
    taken_in: str = "Taken in with --include"


async def screen_papers(
    caller: Caller, objective: Objective, papers: Sequence[Paper], relevance: Sequence[float], rules: ScreeningRules
) -> tuple[ScreenedPaper, ...]:
    """A decision with its reason on each paper, best first.

    What a rule leaves out is not judged. Of the others the closest to the objective are judged, and own and included
    papers always. Own papers are kept; others need three yes answers, or those on condition and question. At most
    `limit` are kept, included ones first.
    """
    by_id = {p.id: p for p in papers}
    close = dict(zip((p.id for p in papers), relevance, strict=True))
    ruled = {p.id: ruled_out(p, rules) for p in papers if p.id not in rules.include}
    out = {paper_id: why for paper_id, why in ruled.items() if why is not None}
    ranked = sorted((p for p in papers if p.id not in out), key=lambda p: (-close[p.id], p.id))
    found = [p for p in ranked if p.source != "own" and p.id not in rules.include]
    far = {p.id: n for n, p in enumerate(found, 1) if n > rules.judged}
    judged = await asyncio.gather(*(_screen(caller, objective, p, close[p.id]) for p in ranked if p.id not in far))
    order = sorted(judged, key=lambda s: (s.paper_id not in rules.include, -_rank(s), -s.relevance, s.paper_id))
    decided: list[ScreenedPaper] = []
    for row in order:
        keep, decided_by, said = _decision(row, by_id[row.paper_id], rules)
        if keep and sum(d.kept for d in decided) >= rules.limit and row.paper_id not in rules.include:
            keep, decided_by, said = False, "limit", f"Only the best {rules.limit} papers are read"
        update = {"kept": keep, "decided_by": decided_by, "reason": f"{said}. {row.reason}".strip()}
        decided.append(row.model_copy(update=update))
    for paper in ranked:
        if paper.id in far:
            said = f"Not judged: number {far[paper.id]} by similarity, and the closest {rules.judged} are judged."
            decided.append(_unjudged(paper, close[paper.id], "distance", said))
    decided += [_unjudged(by_id[i], close[i], *reason) for i, reason in out.items()]
    return tuple(decided)


def ruled_out(paper: Paper, rules: ScreeningRules) -> tuple[DecidedBy, str] | None:
    """The rule that leaves a paper out, and why; None when none does. Own papers fall by status only."""
    if paper.id in rules.exclude:
        return "person", "Taken out with --exclude."
    if paper.status == "retracted":
        said = f"It is retracted{_notice(paper)}: not used. --include {paper.id} would use it all the same."
        return "retraction", said
    if paper.source == "own":
        return None
    if paper.id in rules.preprints:
        return "preprint", f"A preprint of {rules.preprints[paper.id]}, which was found, too."
    left_out = {t.casefold() for t in rules.left_out_types}
    types = [t for t in paper.publication_types if t.casefold() in left_out]
    if types:
        return "type", f"Its publication type is {types[0]}."
    if rules.languages and paper.languages and not {*paper.languages} & {*rules.languages}:
        return "language", f"Its language is {', '.join(paper.languages)}; asked for: {', '.join(rules.languages)}."
    if paper.year and ((rules.since and paper.year < rules.since) or (rules.until and paper.year > rules.until)):
        return "year", f"It is of {paper.year}; asked for: {rules.since or 'any year'} to {rules.until or 'now'}."
    return None


def _notice(paper: Paper) -> str:
    notice = next((n for n in paper.notices if n.what == "retraction"), None)
    named = notice and (f"PMID {notice.pmid}" if notice.pmid else notice.doi)
    return f" ({named})" if named else ""


def _decision(row: ScreenedPaper, paper: Paper, rules: ScreeningRules) -> tuple[bool, DecidedBy, str]:
    decided_by: DecidedBy = "score"
    if paper.id in rules.include:
        keep, decided_by, why = True, "person", rules.taken_in
    elif paper.source == "own":
        keep, decided_by, why = True, "own", "Given by the researcher"
    else:
        keep, why = _worth_reading(row), f"Score {row.score} of 5"
    note = NOTES.get(paper.status)
    return keep, decided_by, f"{note}{_notice(paper)}. {why}" if note else why


def _rank(row: ScreenedPaper) -> int:
    """What orders papers before their similarity: a model's score.

    The rules' scores only say whether a paper is read: on real judgements they order papers worse than the similarity
    alone does (`tests/benchmarks/README.md`).
    """
    return LEAST_SCORE - (not _worth_reading(row)) if row.origin == "offline" else row.score


def _worth_reading(row: ScreenedPaper) -> bool:
    """Three yes answers, or both that count most: the same condition and the same question."""
    about = row.answers is not None and row.answers.same_condition and row.answers.same_question
    return row.score >= LEAST_SCORE or about


def _unjudged(paper: Paper, relevance: float, decided_by: DecidedBy, reason: str) -> ScreenedPaper:
    return ScreenedPaper(
        paper_id=paper.id,
        score=0,
        relevance=round(relevance, 3),
        answers=None,
        kept=False,
        decided_by=decided_by,
        reason=reason,
        origin="offline",
    )


async def _screen(caller: Caller, objective: Objective, paper: Paper, relevance: float) -> ScreenedPaper:
    """The answers on one paper; one that nobody could judge says so, and gets no point."""
    values = ScreenPaperInput(objective=objective, paper=shown(paper), relevance=round(relevance, 3))
    try:
        answer = await ask(caller, SCREEN_PAPER, values)
    except AnswerError as error:
        return _screened(values, None, f"Not judged: {error.message}", caller.backend.origin)
    answers, reason = answer.value, answer.value.reason
    if answer.origin != "offline" and not stands_in(answers.quote, f"{paper.title}\n{paper.abstract}"):
        answers = answers.model_copy(update={"quote": ""})
        reason = f"{reason} (The words it rests on do not stand in title or abstract.)".strip()
    return _screened(values, answers, reason, answer.origin)


def _screened(values: ScreenPaperInput, answers: PaperAnswers | None, reason: str, origin: Origin) -> ScreenedPaper:
    return ScreenedPaper(
        paper_id=values.paper.id,
        score=_score(answers) if answers else 0,
        relevance=values.relevance,
        answers=answers,
        kept=False,
        reason=reason,
        origin=origin,
    )


def _score(answers: PaperAnswers) -> int:
    return sum(
        (
            answers.same_condition,
            answers.same_question,
            answers.usable_method,
            answers.fits_data,
            answers.meets_requirement,
        )
    )
