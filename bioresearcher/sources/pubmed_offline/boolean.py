"""Boolean queries in PubMed's syntax: their tokens, and lenient, graded matching against a few own texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bioresearcher.retrieval.bm25 import terms

_TOKEN: Final = re.compile(r'"([^"]*)"?|([()])|(\[[^\]]*\]?)|([^\s()"\[\]]+)')
_WORD: Final = re.compile(r"[^\W_]+")
_MAX_LENGTH: Final = 4_000
_MAX_DEPTH: Final = 20
_MAX_TERMS: Final = 200


@dataclass(frozen=True, slots=True)
class Term:
    """Stems that must all occur in a text, side by side if they were quoted."""

    stems: tuple[str, ...]
    quoted: bool = False
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Terms and groups joined by one operator; `excluded` are those after NOT."""

    operator: str
    members: tuple[Term | Group, ...]
    excluded: tuple[Term | Group, ...] = ()


def tokens(query: str) -> list[tuple[str, str]]:
    """Split a query into (kind, value): kinds are `quoted`, `word`, `op` (AND, OR, NOT), `tag`, `(` and `)`."""
    found = []
    for quoted, bracket, tag, word in _TOKEN.findall(query):
        if bracket:
            found.append((bracket, bracket))
        elif tag:
            found.append(("tag", " ".join(tag.strip("[]").lower().split())))
        elif word in ("AND", "OR", "NOT", "&", "|"):
            found.append(("op", {"&": "AND", "|": "OR"}.get(word, word)))
        elif quoted or word:
            found.append(("quoted" if quoted else "word", quoted or word))
    return found


def parse(query: str) -> Group:
    """Parse a query; unbalanced brackets and quotes close at the end, so it never fails.

    Field tags such as `[Title/Abstract]` are left out. Operators are AND, OR and NOT in capitals; words side by
    side are joined by AND; OR binds what stands next to it, as in PubMed from left to right.
    """
    found = [token for token in tokens(query[:_MAX_LENGTH]) if token[0] != "tag"]
    return _group(found[: 4 * _MAX_TERMS], 0, 0)[0]


def _group(found: list[tuple[str, str]], at: int, depth: int) -> tuple[Group, int]:
    clauses: list[list[Term | Group]] = []
    excluded: list[Term | Group] = []
    operator = "AND"
    while at < len(found):
        kind, value = found[at]
        at += 1
        if kind == ")":
            if depth:
                break
            continue
        if kind == "op":
            operator = value
            continue
        if kind == "(":
            inner, at = _group(found, at, depth + 1) if depth < _MAX_DEPTH else (None, at)
            member: Term | Group | None = inner if inner and (inner.members or inner.excluded) else None
        else:
            member = _term(value, quoted=kind == "quoted")
        if member is not None:
            if operator == "NOT":
                excluded.append(member)
            elif operator == "OR" and clauses:
                clauses[-1].append(member)
            else:
                clauses.append([member])
        operator = "AND"
    members = tuple(c[0] if len(c) == 1 else Group("OR", tuple(c)) for c in clauses)
    return Group("AND", members, tuple(excluded)), at


def _term(text: str, *, quoted: bool) -> Term | None:
    if text.endswith("*") and not quoted:
        prefix = re.sub(r"[^\w]", "", text).casefold()
        return Term((), prefix=prefix) if len(prefix) >= 3 else None
    stems = tuple(terms(text))
    return Term(stems, quoted=quoted) if stems else None


@dataclass(frozen=True, slots=True)
class StemmedText:
    """Text prepared for matching."""

    stems: frozenset[str]
    sequence: str
    words: str

    @classmethod
    def of(cls, text: str) -> StemmedText:
        """Prepare a text."""
        stems = terms(text)
        words = " ".join(_WORD.findall(text.casefold()))
        return cls(frozenset(stems), f" {' '.join(stems)} ", f" {words}")


def match(query: Group, text: StemmedText) -> float:
    """Compute how much of a query a text fulfils, 0 to 1; 0 if it holds something excluded.

    The share of fulfilled AND clauses, nested ones likewise; of OR alternatives the best. A quoted phrase whose
    words stand apart counts half.
    """
    if any(_share(member, text) >= 1 for member in query.excluded):
        return 0.0
    if not query.members:
        return 1.0 if query.excluded else 0.0
    shares = [_share(member, text) for member in query.members]
    join: Callable[[list[float]], float] = max if query.operator == "OR" else lambda s: sum(s) / len(s)
    return join(shares)


def _share(member: Term | Group, text: StemmedText) -> float:
    if isinstance(member, Group):
        return match(member, text)
    if member.prefix:
        return float(f" {member.prefix}" in text.words)
    present = all(stem in text.stems for stem in member.stems)
    if present and member.quoted and f" {' '.join(member.stems)} " not in text.sequence:
        return 0.5
    return float(present)


def positive_words(query: Group) -> list[str]:
    """List the stems and prefixes of all terms that are not excluded, for ranking."""
    words: list[str] = []
    for member in query.members:
        if isinstance(member, Group):
            words += positive_words(member)
        else:
            words += member.stems or (member.prefix,)
    return words
