"""Boolean queries by rule: concepts of the objective joined in different ways, with MeSH terms and field tags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from bioresearcher.llm.offline.concepts import Concept, broader, find_concepts, free_phrases
from bioresearcher.schemas.ask_search import PlanQueriesInput
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.paper import QueryPlan, SearchQuery
from bioresearcher.text.words import normal, words

NAMES: Final = 3
"""Names of a concept that are looked for in titles and abstracts, beside its heading."""
FEWEST: Final = 3
"""Concepts beside the subject below which the subject is also looked for alone."""
MOST: Final = 8
"""Queries of one round."""

_ACCESSION: Final = re.compile(r"\b(?:GSE|GDS|E-MTAB-|SRP|PRJNA)\d{2,9}\b")
_PUBLISHED_SERIES: Final = '"gse"[Entry Type]'


def plan_queries(values: PlanQueriesInput) -> QueryPlan:
    """The queries of a round: narrow first, then broader.

    Round 1 joins the subject (the first disease, else the first concept) with each topic, method and requirement.
    Round 2 takes the disease above it, and topics with methods of whatever disease. Round 3 takes what is left:
    reviews of the subject, and each requirement's methods alone.
    """
    objective = values.objective
    concepts = objective_concepts(objective)
    rounds = (_first, _second, _third)
    asked = {q.query for q in values.previous}
    made = rounds[min(values.round, 3) - 1](objective, concepts) if concepts else _words_only(objective)
    new = dict.fromkeys(q for q in made if q.query not in asked)
    distinct = {q.query: q for q in reversed(new)}
    return QueryPlan(
        literature=tuple(q for q in new if distinct[q.query] is q)[:MOST],
        datasets=tuple(_datasets(concepts)) if values.round == 1 else (),
        terms=tuple(dict.fromkeys(c.names[0] for c in concepts))[:10],
    )


def objective_concepts(objective: Objective) -> list[Concept]:
    """What the objective's sentence is about: its subject first, then the rest in the sentence's order."""
    known = find_concepts(objective.text)
    known += free_phrases([objective.text], known, 3 if known else 4)
    diseases = [c for c in known if c.kind == "disease"]
    if not diseases:
        diseases = [c for c in find_concepts(" ".join(objective.conditions)) if c.kind == "disease"][:1]
    if not diseases:  # an organ, trait or gene that is in no vocabulary says more than how it is measured
        diseases = [c for c in known if not c.heading][:1] or known[:1]
    return [*diseases, *(c for c in known if c.key not in {d.key for d in diseases})]


def block(concept: Concept, names: int = NAMES) -> str:
    """A concept as one bracket: its heading, and its names in title or abstract."""
    parts = [f'"{concept.heading}"[MeSH Terms]'] if concept.heading else []
    spelled = dict.fromkeys(s for n in concept.names[:names] for s in _spellings(n, concept.kind))
    parts += [f'"{name}"[Title/Abstract]' for name in spelled]
    return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"


def _spellings(name: str, kind: str) -> tuple[str, ...]:
    """A name as written, in American spelling, and, of a disease, in the plural or singular."""
    plain = name.replace("'", "").replace('"', "")
    spelled = normal(plain).strip()
    found = [plain]
    if not re.search(r"[^a-z ]", plain.lower()) and spelled != plain.lower():
        found.append(spelled)
    last = plain.split()[-1] if plain.split() else ""
    if kind == "disease" and last.isalpha() and not last.isupper() and not last.endswith(("ss", "us", "is", "y")):
        found.append(plain[:-1] if last.endswith("s") else f"{plain}s")
    return tuple(dict.fromkeys(found))


def _join(purpose: str, *concepts: Concept) -> SearchQuery:
    return SearchQuery(query=" AND ".join(block(c) for c in concepts), purpose=purpose)


def _first(objective: Objective, concepts: Sequence[Concept]) -> Iterator[SearchQuery]:
    subject, *others = concepts
    topics = [c for c in others if c.kind != "method"]
    methods = [c for c in others if c.kind == "method"]
    if topics and methods:
        name = subject.names[0]
        yield _join(f"{name}: {topics[0].names[0]} by {methods[0].names[0]}", subject, topics[0], methods[0])
    yield from (_join(f"{subject.names[0]} and {c.names[0]}", subject, c) for c in (*topics[:2], *methods[:2]))
    yield from _same_data(objective)
    for requirement in objective.requirements:
        found = _of_text(requirement.text, concepts)
        if found:
            yield _join(f"requirement {requirement.id}: {found[0].names[0]}", subject, found[0])
    yield from (_join(f"{subject.names[0]} and {c.names[0]}", subject, c) for c in (*topics[2:], *methods[2:]))
    for condition in objective.conditions:
        for concept in [c for c in _of_text(condition, concepts) if c.heading and c.kind != "disease"][:1]:
            yield _join(f"{subject.names[0]} and {concept.names[0]}, which is at hand", subject, concept)
    if len(others) < FEWEST:
        yield _join("the objective's subject", subject)
        yield _reviews(subject)


def _second(objective: Objective, concepts: Sequence[Concept]) -> Iterator[SearchQuery]:
    subject, *others = concepts
    above = broader(subject)
    if above is not None:
        yield from (_join(f"{above.names[0]}, which holds {subject.names[0]}: {c.names[0]}", above, c) for c in others)
    topics = [c for c in others if c.kind != "method"]
    methods = [c for c in others if c.kind == "method"]
    yield from (_join(f"{t.names[0]} by {m.names[0]}", t, m) for t in topics[:2] for m in methods[:2])
    for requirement in objective.requirements:
        found = _of_text(requirement.text, concepts)
        yield from (_join(f"requirement {requirement.id}: {c.names[0]}", subject, c) for c in found[1:3])


def _third(objective: Objective, concepts: Sequence[Concept]) -> Iterator[SearchQuery]:
    subject, *others = concepts
    yield _reviews(subject)
    for requirement in objective.requirements:
        for concept in _of_text(requirement.text, concepts)[:1]:
            for other in others[:1]:
                yield _join(f"requirement {requirement.id}: {concept.names[0]} of any disease", concept, other)
    yield _join("the objective's subject", subject)


def _reviews(subject: Concept) -> SearchQuery:
    query = f'{block(subject)} AND "review"[Publication Type]'
    return SearchQuery(query=query, purpose=f"reviews of {subject.names[0]}")


def _of_text(text: str, known: Iterable[Concept]) -> list[Concept]:
    """Concepts of a requirement or condition that the objective's sentence does not have."""
    said = {c.key for c in known}
    found = find_concepts(text)
    found += free_phrases([text], found, 2)
    return [c for c in found if c.key not in said]


def _same_data(objective: Objective) -> Iterator[SearchQuery]:
    """Studies that used the data sets that are at hand."""
    text = " ".join([objective.text, *objective.conditions])
    names = dict.fromkeys(_ACCESSION.findall(text))
    if names:
        either = " OR ".join(f'"{n}"[Title/Abstract] OR "{n}"[Secondary Source ID]' for n in list(names)[:4])
        yield SearchQuery(query=f"({either})", purpose="studies of the same data sets")


def _datasets(concepts: Sequence[Concept]) -> Iterator[SearchQuery]:
    """Queries for series in GEO: the subject with each of the first concepts, then the subject alone."""
    if not concepts:
        return
    subject, *others = concepts
    for concept in [c for c in others if c.kind == "topic"][:2]:
        query = f"{_anywhere(subject)} AND {_anywhere(concept)} AND {_PUBLISHED_SERIES}"
        yield SearchQuery(query=query, purpose=f"{subject.names[0]} and {concept.names[0]}")
    yield SearchQuery(query=f"{_anywhere(subject)} AND {_PUBLISHED_SERIES}", purpose=subject.names[0])


def _anywhere(concept: Concept) -> str:
    names = dict.fromkeys(s for n in concept.names[:NAMES] for s in _spellings(n, concept.kind))
    quoted = [f'"{n}"[All Fields]' for n in names]
    return quoted[0] if len(quoted) == 1 else f"({' OR '.join(quoted)})"


def _words_only(objective: Objective) -> Iterator[SearchQuery]:
    """For an objective without any concept: its rarest words together."""
    found = list(dict.fromkeys(words(objective.text)))[:3]
    if found:
        yield SearchQuery(query=" AND ".join(found), purpose="words of the objective")
