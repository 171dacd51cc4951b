"""Literature search: queries, their relaxing and narrowing by fixed rules, and the rounds; relevance of data sets.

A query that finds nothing is relaxed, one that finds too much narrowed, one step at a time.
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
"""Largest number of steps in one direction."""

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
    """A query made from another, and the rule that made it."""

    query: str
    rule: str


def relax(query: str, missing: Sequence[str] = ()) -> Adjusted | None:
    """Widen a query by one step; None when no rule is left.

    In this order: without phrases that are in no paper; wider fields; the words of a phrase apart; without its last
    AND clause, as the first is the subject.

    Args:
        query: A Boolean query as PubMed reads it.
        missing: Phrases that are in no paper, according to the source.
    """
    clauses = and_clauses(query)
    without = _without(clauses, {_term(m) for m in missing} - {("", "")})
    if without is not None:
        shown = ", ".join(f"“{m}”" for m in list(missing)[:3])
        return Adjusted(" AND ".join(without), f"relaxed: without {shown}, which stands nowhere")
    wider = [_retagged(c, _WIDER) for c in clauses]
    if wider != clauses:
        return Adjusted(" AND ".join(wider), "relaxed: looked for in wider fields")
    if len(clauses) > 1:
        loose = [clauses[0], *(_words_apart(c) for c in clauses[1:])]
        if loose != clauses:
            return Adjusted(" AND ".join(loose), "relaxed: the words of phrases may stand apart")
        return Adjusted(" AND ".join(clauses[:-1]), f"relaxed: without {_short(clauses[-1])}")
    return None


def narrow(query: str, key_terms: Sequence[str]) -> Adjusted | None:
    """Narrow a query by one step; None when no rule is left.

    In this order: terms without a field in title or abstract; with the first key term that is not in it yet; its first
    clause in titles and as major topic only.
    """
    clauses = and_clauses(query)
    tagged = [_retagged(c, {tag: _NARROWER[tag] for tag in ("", "[all fields]")}) for c in clauses]
    if tagged != clauses:
        return Adjusted(" AND ".join(tagged), "narrowed: in title or abstract only")
    said = {*positive_words(parse(query))}
    for term in key_terms:
        if terms(term) and not said & {*terms(term)}:
            plain = term.replace('"', "")
            return Adjusted(" AND ".join([*clauses, f'"{plain}"[Title/Abstract]']), f"narrowed: with “{plain}”")
    titled = [_retagged(clauses[0], _NARROWER), *clauses[1:]] if clauses else []
    if titled != clauses:
        return Adjusted(" AND ".join(titled), "narrowed: the first term in the title or as major topic only")
    return None


def ignored(query: str, translation: str) -> tuple[str, ...]:
    """Return the quoted phrases that a source left out: no word of them is in its translation of the query."""
    if not translation:
        return ()
    back = {*terms(translation)}
    phrases = re.findall(r'"([^"]+)"', query)
    return tuple(dict.fromkeys(p for p in phrases if terms(p) and not back & {*terms(p)}))


def and_clauses(query: str) -> list[str]:
    """Split a query at its outermost ANDs; the whole query when ORs join its parts.

    A NOT and its term stay with the clause before it. Unbalanced brackets and quotes end with the query.
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


def _without(clauses: Sequence[str], missing: Collection[tuple[str, str]]) -> list[str] | None:
    """Remove missing terms from clauses; None when that changes nothing or leaves nothing.

    A term reported as missing without a field is removed where the query has it in one field only: elsewhere the
    report may concern the other field.
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
    """Return the stems of a term, and its field tag."""
    match = re.fullmatch(r"\s*(.*?)\s*(\[[^\]]*\])?\s*", text, re.DOTALL)
    plain, tag = (match[1], match[2] or "") if match else (text, "")
    return " ".join(terms(plain)), tag.lower()


def _members(clause: str) -> list[str]:
    """Return the alternatives of a bracket of terms joined by OR only; else the clause itself."""
    inner = clause[1:-1] if clause.startswith("(") and clause.endswith(")") else clause
    found = [part.strip() for part in inner.split(" OR ")]
    return found if not re.search(r"[()]| AND | NOT ", inner) else [clause]


def _retagged(clause: str, tags: dict[str, str]) -> str:
    """Replace the field tags of a clause; a term without one has the tag `""`."""
    return "".join(
        f"{token}{tags.get(tag.lower(), tag) if token else tag}{between}" for token, tag, between in _terms_of(clause)
    )


def _terms_of(clause: str) -> Iterator[tuple[str, str, str]]:
    """Yield (term, tag, rest): operators, brackets and blanks are the rest after an empty term."""
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
    """Replace quoted phrases of several words by their words joined by AND, in the same field."""

    def apart(match: re.Match[str]) -> str:
        words, tag = re.findall(r"[^\W_]+(?:[-'][^\W_]+)*", match[1]), match[2] or ""
        fields = tag.lower()
        if len(words) < 2 or "mesh" in fields or fields in {"[mh]", "[majr]", "[publication type]", "[pt]"}:
            return match[0]
        return f"({' AND '.join(f'{w}{tag}' for w in words)})"

    return re.sub(r'"([^"]+)"(\[[^\]]*\])?', apart, clause)


def _short(clause: str) -> str:
    """Describe a clause in a few words: by its first term."""
    found = [term.strip('"') for term, _, _ in _terms_of(clause) if term]
    more = f" and {len(found) - 1} synonyms" if len(found) > 1 else ""
    return f"“{found[0] if found else clause}”{more}"


HITS_PER_QUERY = 50
CLOSE = 0.4
"""Similarity to the objective from which a paper counts towards the number wanted."""
FEWEST_QUERIES = 3
MAX_QUERIES = 8
MAX_DATASET_QUERIES = 4
MAX_TERMS = 10
QUERY_CHARS = 1000


async def plan_queries(
    caller: ModelClient, objective: Objective, rounds: Sequence[SearchRound], known_titles: Sequence[str]
) -> QueryPlan:
    """Plan the queries of the next round: new ones only, without repeats, at most eight.

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
    """Return the queries not yet asked, on one line each, without empty and overlong ones.

    With `by_words` queries of the same words, in any order and form, count as one.
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
    """Put this round's queries to every source: (papers, best first, a row per query, failures).

    A query that finds nothing is relaxed, one with more than `max_hits` narrowed, where the source takes queries
    literally. A query is put to a source once in a run. A source that cannot be reached is not asked again that round;
    its earlier results count. The same paper may come several times, from one source or from several.
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
    """Yield the query and its relaxed or narrowed forms, each with the papers taken from it."""
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
        if wide and next_hits.total == 0:  # too narrow: the earlier papers are better than none
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
    """Rewrite rows with the ids under which papers are kept, and with the number of papers new in each row.

    Args:
        rows: A round's rows.
        known: Ids known before the round.
        called: The id under which a paper is kept, for those found under another.
    """
    seen = {*known}
    counted = []
    for row in rows:
        found = tuple(dict.fromkeys(called.get(p, p) for p in row.found))
        counted.append(row.model_copy(update={"found": found, "new": len({*found} - seen)}))
        seen |= {*found}
    return tuple(counted)


def with_kept(rounds: Sequence[SearchRound], kept: Collection[str]) -> list[SearchRound]:
    """Rewrite rounds with the number of each query's papers that are read."""

    def counted(row: QueryTrail) -> QueryTrail:
        return row.model_copy(update={"kept": sum(p in kept for p in row.found)})

    return [r.model_copy(update={"trail": tuple(counted(row) for row in r.trail)}) for r in rounds]


def stop_reason(rounds: Sequence[SearchRound], found: int, wanted: int, max_rounds: int) -> str:
    """Return the reason to stop searching; empty to go on. `found` counts papers close to the objective."""
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
    """Complete the deterministic check by the relevance of the data set; nothing in it is improved.

    A relevant data set has the right condition and one more yes, and the check did not rule it out.
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
