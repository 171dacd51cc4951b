"""Queries that find nothing are relaxed, those that find too much narrowed: by fixed rules, one step at a time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from bioresearcher.library.lexical import terms
from bioresearcher.sources.boolean import parse, positive_words

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
