"""Finding and selecting papers and data sets."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from bioresearcher.errors import AnswerError, OutsideError
from bioresearcher.llm.ask import Caller, ask
from bioresearcher.schemas.ask_search import JudgeDatasetInput, PlanQueriesInput, ScreenPaperInput
from bioresearcher.schemas.base import Origin
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.paper import (
    Failure,
    Paper,
    PaperAnswers,
    QueryPlan,
    QueryTrail,
    ScreenedPaper,
    SearchQuery,
    SearchRound,
)
from bioresearcher.sources.base import Hits, LiteratureSource
from bioresearcher.sources.boolean import parse, positive_words
from bioresearcher.stages.prompts import JUDGE_DATASET, PLAN_QUERIES, SCREEN_PAPER
from bioresearcher.stages.usable import ask_rules
from bioresearcher.stages.words import stands_in

HITS_PER_QUERY = 50
FEWEST_QUERIES = 3
MAX_QUERIES = 8
MAX_DATASET_QUERIES = 4
MAX_TERMS = 10
QUERY_CHARS = 1000


async def plan_queries(
    caller: Caller, objective: Objective, rounds: Sequence[SearchRound], known_titles: Sequence[str]
) -> QueryPlan:
    """The queries of the next round: new ones only, without repeats, at most eight.

    A first round with fewer than three queries that differ in their words is completed by the rules' queries.
    """
    asked = [SearchQuery(query=query, purpose="") for r in rounds for query in dict.fromkeys(t.query for t in r.trail)]
    values = PlanQueriesInput(
        objective=objective,
        round=len(rounds) + 1,
        previous=tuple(asked),
        known_titles=tuple(known_titles[:20]),
    )
    answer = await ask(caller, PLAN_QUERIES, values)
    plan, by_rule = answer.value, answer.origin == "offline"
    new = new_queries(plan.literature, asked, by_words=not by_rule)
    if not by_rule and not rounds and len(new) < FEWEST_QUERIES:
        said = f"completed by rule: it has {len(new)} new queries that differ in their words"
        more = await ask_rules(caller, PLAN_QUERIES, values, said)
        new += new_queries(more.value.literature, [*asked, *new]) if more else []
    return plan.model_copy(
        update={
            "literature": tuple(new[:MAX_QUERIES]),
            "datasets": plan.datasets[:MAX_DATASET_QUERIES],
            "terms": tuple(t for t in plan.terms if t.strip())[:MAX_TERMS],
        }
    )


def new_queries(
    queries: Sequence[SearchQuery], asked: Sequence[SearchQuery], *, by_words: bool = False
) -> list[SearchQuery]:
    """The queries not yet asked, on one line each; those that ask for nothing or are too long to be meant are left out.

    With `by_words` those that ask for the same words, in whatever order and form, count as one.
    """

    def key(text: str) -> object:
        return frozenset(positive_words(parse(text))) if by_words else " ".join(text.casefold().split())

    seen = {key(q.query) for q in asked}
    new = []
    for query in queries:
        line = " ".join(query.query.split())
        if len(line) <= QUERY_CHARS and positive_words(parse(line)) and key(line) not in seen:
            seen.add(key(line))
            new.append(query.model_copy(update={"query": line}))
    return new


async def search_papers(
    sources: Sequence[LiteratureSource], plan: QueryPlan, known: Collection[str]
) -> tuple[list[Paper], tuple[QueryTrail, ...], tuple[Failure, ...]]:
    """Papers not known before, what became of every query at every source, and sources that could not be asked.

    A source that cannot be reached is not asked again in this round.
    """
    found: dict[str, Paper] = {}
    trail: list[QueryTrail] = []
    failures: list[Failure] = []
    for source in sources:
        try:
            for query in plan.literature:
                hits = await source.search(query.query, HITS_PER_QUERY)
                new = {p.id: p for p in hits.papers if p.id not in known and p.id not in found}
                found |= new
                trail.append(_trail(source, query, hits, len(new)))
        except OutsideError as error:
            failures.append(Failure(item=source.name, stage="search_papers", message=error.message, hint=error.hint))
    return list(found.values()), tuple(trail), tuple(failures)


def _trail(source: LiteratureSource, query: SearchQuery, hits: Hits, new: int) -> QueryTrail:
    return QueryTrail(
        query=query.query,
        purpose=query.purpose,
        source=source.name,
        translation=hits.translation,
        warnings=(*hits.warnings, *(f"not found: {phrase}" for phrase in hits.missing)),
        hits=hits.total,
        found=tuple(p.id for p in hits.papers),
        new=new,
    )


def with_kept(rounds: Sequence[SearchRound], kept: Collection[str]) -> list[SearchRound]:
    """The rounds with how many of each query's papers are read."""

    def counted(row: QueryTrail) -> QueryTrail:
        return row.model_copy(update={"kept": sum(p in kept for p in row.found)})

    return [r.model_copy(update={"trail": tuple(counted(row) for row in r.trail)}) for r in rounds]


def stop_reason(rounds: Sequence[SearchRound], found: int, wanted: int, max_rounds: int) -> str:
    """Why searching ends now; empty while it should go on."""
    last = rounds[-1]
    if not last.trail:
        return "no new query was left to ask"
    if found >= wanted:
        return f"{found} papers found, {wanted} wanted"
    if sum(row.new for row in last.trail) == 0:
        return "the last round found nothing new"
    if len(rounds) >= max_rounds:
        return f"all {max_rounds} rounds were used"
    return ""


async def screen_papers(
    caller: Caller, objective: Objective, papers: Sequence[Paper], relevance: Sequence[float], *, limit: int
) -> tuple[ScreenedPaper, ...]:
    """A decision on each paper, best first.

    Papers the researcher gave are kept unless retracted; others need a score of 3. At most `limit` are kept.
    """
    ranked = sorted(zip(papers, relevance, strict=True), key=lambda item: (-item[1], item[0].id))
    judged = await asyncio.gather(*(_screen(caller, objective, p, r) for p, r in ranked))
    order = sorted(judged, key=lambda s: (-s.score, -s.relevance, s.paper_id))
    own = {p.id for p in papers if p.source == "own"}
    retracted = {p.id for p in papers if p.status == "retracted"}
    decided: list[ScreenedPaper] = []
    kept = 0
    for paper in order:
        keep, why = _decision(paper, own=paper.paper_id in own, retracted=paper.paper_id in retracted)
        if keep and kept >= limit:
            keep, why = False, f"only the best {limit} papers are read"
        kept += keep
        decided.append(paper.model_copy(update={"kept": keep, "reason": f"{why}. {paper.reason}".strip()}))
    return tuple(decided)


def _decision(paper: ScreenedPaper, *, own: bool, retracted: bool) -> tuple[bool, str]:
    if retracted:
        return False, "The paper is retracted"
    if own:
        return True, "Given by the researcher"
    return paper.score >= 3, f"Score {paper.score} of 5"


async def _screen(caller: Caller, objective: Objective, paper: Paper, relevance: float) -> ScreenedPaper:
    """The answers on one paper; one that nobody could judge says so, and gets no point."""
    values = ScreenPaperInput(objective=objective, paper=paper, relevance=round(relevance, 3))
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


async def judge_dataset(caller: Caller, objective: Objective, dataset: Dataset, check: DatasetCheck) -> DatasetCheck:
    """The deterministic check completed by whether the data set is relevant; nothing in it is made better.

    Relevant needs the right condition and one more yes, and nothing known against it.
    """
    try:
        answer = await ask(caller, JUDGE_DATASET, JudgeDatasetInput(objective=objective, dataset=dataset))
    except AnswerError as error:
        reason = f"whether it fits the objective was not judged: {error.message}"
        return check.model_copy(update={"reasons": (*check.reasons, reason)})
    answers = answer.value
    fits = answers.right_condition and (answers.right_measure or answers.right_groups)
    reasons = (*check.reasons, answers.reason) if answers.reason.strip() else check.reasons
    return check.model_copy(update={"relevant": check.relevant and fits, "reasons": reasons, "origin": answer.origin})
