"""Finding and selecting papers and data sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

from bioresearcher.errors import AnswerError, OutsideError
from bioresearcher.llm.ask import Caller, ask
from bioresearcher.schemas.ask_search import JudgeDatasetInput, PlanQueriesInput
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.paper import (
    Failure,
    Paper,
    QueryPlan,
    QueryTrail,
    SearchQuery,
    SearchRound,
)
from bioresearcher.sources.base import Hits, LiteratureSource
from bioresearcher.sources.boolean import parse, positive_words
from bioresearcher.stages.adjust import MOST_STEPS, ignored, narrow, relax
from bioresearcher.stages.prompts import JUDGE_DATASET, PLAN_QUERIES
from bioresearcher.stages.usable import ask_rules

HITS_PER_QUERY = 50
CLOSE = 0.4
"""Similarity to the objective from which a paper counts as one of those that were wanted."""
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
    sources: Sequence[LiteratureSource], plan: QueryPlan, rounds: Sequence[SearchRound], *, max_hits: int
) -> tuple[list[Paper], tuple[QueryTrail, ...], tuple[Failure, ...]]:
    """What this round's queries give at every source: papers, best first, what became of each query, failures.

    A query that finds nothing is relaxed, one with more than `max_hits` narrowed, where the source takes queries
    literally. A query is put to a source once in a run. A source that cannot be reached is not asked again that round;
    what it gave before counts. The same paper may come several times, from one source or from several.
    """
    asked = {(row.source, row.query) for r in rounds for row in r.trail}
    answers = await asyncio.gather(*(_ask_source(s, plan, asked, max_hits) for s in sources))
    papers = [paper for found, _, _ in answers for paper in found]
    failures = tuple(failure for _, _, failure in answers if failure is not None)
    return papers, tuple(row for _, rows, _ in answers for row in rows), failures


async def _ask_source(
    source: LiteratureSource, plan: QueryPlan, asked: Collection[tuple[str, str]], max_hits: int
) -> tuple[list[Paper], list[QueryTrail], Failure | None]:
    before = {query for name, query in asked if name == source.name}
    papers: list[Paper] = []
    rows: list[QueryTrail] = []
    try:
        for query in plan.literature:
            if query.query in before:
                continue
            async for row, found in _adjusted(source, query, plan.terms, max_hits, before):
                rows.append(row)
                papers += found
    except OutsideError as error:
        failure = Failure(item=source.name, stage="search_papers", message=error.message, hint=error.hint)
        return papers, rows, failure
    return papers, rows, None


async def _adjusted(
    source: LiteratureSource, query: SearchQuery, key_terms: Sequence[str], max_hits: int, before: set[str]
) -> AsyncIterator[tuple[QueryTrail, Sequence[Paper]]]:
    """The query and what it was relaxed or narrowed to, each with what was taken from it."""
    before.add(query.query)
    row, hits = await _asked(source, query)
    wide = hits.total > max_hits
    for _ in range(MOST_STEPS):
        if not hits.literal or 0 < hits.total <= max_hits or (hits.total > max_hits) != wide:
            break
        other = narrow(row.query, key_terms) if wide else relax(row.query, hits.missing)
        if other is None or other.query in before:
            break
        before.add(other.query)
        step = SearchQuery(query=other.query, purpose=query.purpose)
        next_row, next_hits = await _asked(source, step, adjusts=row.query, rule=other.rule)
        if wide and next_hits.total == 0:  # too narrow: what was found before is better than nothing
            yield next_row, ()
            break
        yield row.model_copy(update={"found": ()}), ()
        row, hits = next_row, next_hits
    yield row, hits.papers


async def _asked(
    source: LiteratureSource, query: SearchQuery, *, adjusts: str = "", rule: str = ""
) -> tuple[QueryTrail, Hits]:
    hits = await source.search(query.query, HITS_PER_QUERY)
    said = {m.partition("[")[0] for m in hits.missing}
    left_out = [p for p in ignored(query.query, hits.translation) if p not in said]
    row = QueryTrail(
        query=query.query,
        purpose=query.purpose,
        source=source.name,
        translation=hits.translation,
        warnings=(
            *hits.warnings,
            *(f"“{phrase}” stands nowhere" for phrase in hits.missing),
            *(f"“{phrase}” was left out of the search" for phrase in left_out),
        ),
        hits=hits.total,
        found=tuple(p.id for p in hits.papers),
        adjusts=adjusts,
        rule=rule,
    )
    return row, hits


def with_new(rows: Sequence[QueryTrail], known: Collection[str], called: Mapping[str, str]) -> tuple[QueryTrail, ...]:
    """The rows with the ids under which papers are kept, and how many of each row nobody knew before it.

    Args:
        rows: A round's rows.
        known: Ids known before the round.
        called: For papers that are known under another id, that id.
    """
    seen = {*known}
    counted = []
    for row in rows:
        found = tuple(dict.fromkeys(called.get(p, p) for p in row.found))
        counted.append(row.model_copy(update={"found": found, "new": len({*found} - seen)}))
        seen |= {*found}
    return tuple(counted)


def with_kept(rounds: Sequence[SearchRound], kept: Collection[str]) -> list[SearchRound]:
    """The rounds with how many of each query's papers are read."""

    def counted(row: QueryTrail) -> QueryTrail:
        return row.model_copy(update={"kept": sum(p in kept for p in row.found)})

    return [r.model_copy(update={"trail": tuple(counted(row) for row in r.trail)}) for r in rounds]


def stop_reason(rounds: Sequence[SearchRound], found: int, wanted: int, max_rounds: int) -> str:
    """Why searching ends now; empty while it should go on. `found` counts papers close to the objective."""
    last = rounds[-1]
    if not last.trail:
        return "no new query was left to ask"
    if found >= wanted:
        return f"{found} papers close to the objective were found, {wanted} wanted"
    if sum(row.new for row in last.trail) == 0:
        return "the last round found nothing new"
    if len(rounds) >= max_rounds:
        return f"all {max_rounds} rounds were used"
    return ""


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
