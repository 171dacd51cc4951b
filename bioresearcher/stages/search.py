"""Finding and selecting papers and data sets.

Queries that find nothing are relaxed, those that find too much narrowed: by fixed rules, one step at a time.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bioresearcher.errors import AnswerError, OutsideError
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.retrieval.bm25 import terms
from bioresearcher.schemas.ask_literature import JudgeDatasetInput, PlanQueriesInput
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.paper import Failure, Paper, QueryPlan, QueryTrail, SearchQuery, SearchRound
from bioresearcher.sources.protocols import Hits, LiteratureSource
from bioresearcher.sources.pubmed_offline.boolean import parse, positive_words
from bioresearcher.stages.fallback import ask_rules
from bioresearcher.stages.prompts import JUDGE_DATASET, PLAN_QUERIES

MOST_STEPS = 4
"""Steps in one direction, after which a query stays as it is."""

_TOKEN = re.compile(r'"[^"]*"?|\[[^\]]*\]?|[()]|[^\s()"\[\]]+|\s+')
_WORDS = re.compile(r'("[^"]*"|[^\s()"\[\]]+)(?:\s*(\[[^\]]*\]))?')
_WIDER = {
    "[title]": "[Title/Abstract]",
    "[ti]": "[Title/Abstract]",
    "[mesh major topic]": "[MeSH Terms]",
    "[majr]": "[MeSH Terms]",
    "[title/abstract]": "[All Fields]",
    "[tiab]": "[All Fields]",
}
_NARROWER = {
    "[all fields]": "[Title/Abstract]",
    "": "[Title/Abstract]",
    "[title/abstract]": "[Title]",
    "[tiab]": "[Title]",
    "[mesh terms]": "[MeSH Major Topic]",
    "[mh]": "[MeSH Major Topic]",
}


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Another query in a query's place, and by which rule."""

    query: str
    rule: str


def relax(query: str, missing: Sequence[str] = ()) -> Adjusted | None:
    """The query one step wider; None when no rule is left.

    In this order: without phrases that stand in no paper; wider fields; the words of a phrase apart; without its last
    AND clause, the first being what it is about.

    Args:
        query: A Boolean query as PubMed reads it.
        missing: Phrases the source said stand nowhere.
    """
    clauses = and_clauses(query)
    without = _without(clauses, {_term(m) for m in missing} - {("", "")})
    if without is not None:
        shown = ", ".join(f"“{m}”" for m in list(missing)[:3])
        return Adjusted(_joined(without), f"relaxed: without {shown}, which stands nowhere")
    wider = [_retagged(c, _WIDER) for c in clauses]
    if wider != clauses:
        return Adjusted(_joined(wider), "relaxed: looked for in wider fields")
    if len(clauses) > 1:
        loose = [clauses[0], *(_words_apart(c) for c in clauses[1:])]
        if loose != clauses:
            return Adjusted(_joined(loose), "relaxed: the words of phrases may stand apart")
        return Adjusted(_joined(clauses[:-1]), f"relaxed: without {_shown(clauses[-1])}")
    return None


def narrow(query: str, key_terms: Sequence[str]) -> Adjusted | None:
    """The query one step narrower; None when no rule is left.

    In this order: terms without a field in title or abstract; with the first key term that is not in it yet; its first
    clause in titles and as major topic only.
    """
    clauses = and_clauses(query)
    tagged = [_retagged(c, {"": _NARROWER[""], "[all fields]": _NARROWER["[all fields]"]}) for c in clauses]
    if tagged != clauses:
        return Adjusted(_joined(tagged), "narrowed: in title or abstract only")
    said = {*positive_words(parse(query))}
    for term in key_terms:
        if terms(term) and not said & {*terms(term)}:
            plain = term.replace('"', "")
            return Adjusted(_joined([*clauses, f'"{plain}"[Title/Abstract]']), f"narrowed: with “{plain}”")
    titled = [_retagged(clauses[0], _NARROWER), *clauses[1:]] if clauses else []
    if titled != clauses:
        return Adjusted(_joined(titled), "narrowed: the first term in the title or as major topic only")
    return None


def ignored(query: str, translation: str) -> tuple[str, ...]:
    """Quoted phrases of a query of which no word came back in the source's translation of it: it left them out."""
    if not translation:
        return ()
    back = {*terms(translation)}
    phrases = re.findall(r'"([^"]+)"', query)
    return tuple(dict.fromkeys(p for p in phrases if terms(p) and not back & {*terms(p)}))


def and_clauses(query: str) -> list[str]:
    """The parts of a query that its outermost ANDs join; the whole query when ORs stand between them.

    What follows a NOT stays with the clause before it. Unbalanced brackets and quotes end with the query.
    """
    parts, depth, current, ored = [], 0, "", False
    for token in _TOKEN.findall(query):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth <= 0 and token in ("AND", "&"):
            parts.append(current.strip())
            current = ""
            continue
        ored = ored or (depth <= 0 and token in ("OR", "|"))
        current += token
    parts.append(current.strip())
    return [" ".join(query.split())] if ored else [p for p in parts if p]


def _joined(clauses: Sequence[str]) -> str:
    return " AND ".join(clauses)


def _without(clauses: Sequence[str], missing: Collection[tuple[str, str]]) -> list[str] | None:
    """The clauses without the missing terms; None when that changes nothing or leaves nothing.

    A term that is missing whatever the field, as sources say it that give no field, is left out where the query has it
    in one field only: elsewhere the other field may have been meant.
    """
    if not missing:
        return None
    fields = Counter(_term(m)[0] for clause in clauses for m in _members(clause))
    kept = []
    for clause in clauses:
        members = _members(clause)
        lost = [_term(m) in missing or ((_term(m)[0], "") in missing and fields[_term(m)[0]] == 1) for m in members]
        left = [m for m, gone in zip(members, lost, strict=True) if not gone]
        if len(left) == len(members):
            kept.append(clause)
        elif left:
            kept.append(left[0] if len(left) == 1 else f"({' OR '.join(left)})")
    return kept if kept and kept != list(clauses) else None


def _term(text: str) -> tuple[str, str]:
    """The stems of a term, and its field tag."""
    match = re.fullmatch(r"\s*(.*?)\s*(\[[^\]]*\])?\s*", text, re.DOTALL)
    plain, tag = (match[1], match[2] or "") if match else (text, "")
    return " ".join(terms(plain)), tag.lower()


def _members(clause: str) -> list[str]:
    """The alternatives of a bracket that holds nothing but terms joined by OR; else the clause itself."""
    inner = clause[1:-1] if clause.startswith("(") and clause.endswith(")") else clause
    found = [part.strip() for part in inner.split(" OR ")]
    return found if not re.search(r"[()]| AND | NOT ", inner) else [clause]


def _retagged(clause: str, tags: dict[str, str]) -> str:
    """The clause with other field tags; a term without one has the tag `""`."""

    def replaced() -> Iterator[str]:
        for token, tag, between in _terms_of(clause):
            new = tags.get(tag.lower()) if token else None
            yield f"{token}{new if new is not None else tag}{between}"

    return "".join(replaced())


def _terms_of(clause: str) -> Iterator[tuple[str, str, str]]:
    """(term, tag, what follows): operators, brackets and blanks are what follows an empty term."""
    at = 0
    while at < len(clause):
        match = _WORDS.match(clause, at)
        if match and match[1] not in ("AND", "OR", "NOT"):
            yield match[1], match[2] or "", ""
            at = match.end()
        else:
            end = match.end(1) if match else at + 1
            yield "", "", clause[at:end]
            at = end


def _words_apart(clause: str) -> str:
    """Quoted phrases of several words as their words joined by AND, in the same field."""

    def apart(match: re.Match[str]) -> str:
        words, tag = re.findall(r"[^\W_]+(?:[-'][^\W_]+)*", match[1]), match[2] or ""
        fields = tag.lower()
        if len(words) < 2 or "mesh" in fields or fields in {"[mh]", "[majr]", "[publication type]", "[pt]"}:
            return match[0]
        return f"({' AND '.join(f'{w}{tag}' for w in words)})"

    return re.sub(r'"([^"]+)"(\[[^\]]*\])?', apart, clause)


def _shown(clause: str) -> str:
    """A clause in a few words: its first term."""
    found = [term.strip('"') for term, _, _ in _terms_of(clause) if term]
    more = f" and {len(found) - 1} synonyms" if len(found) > 1 else ""
    return f"“{found[0] if found else clause}”{more}"


HITS_PER_QUERY = 50
CLOSE = 0.4
"""Similarity to the objective from which a paper counts as one of those that were wanted."""
FEWEST_QUERIES = 3
MAX_QUERIES = 8
MAX_DATASET_QUERIES = 4
MAX_TERMS = 10
QUERY_CHARS = 1000


async def plan_queries(
    caller: ModelClient, objective: Objective, rounds: Sequence[SearchRound], known_titles: Sequence[str]
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


async def judge_dataset(
    caller: ModelClient, objective: Objective, dataset: Dataset, check: DatasetCheck
) -> DatasetCheck:
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
