"""The questions of a text: which clauses ask for something of their own, and for what kind of answer."""

from __future__ import annotations

import re
from typing import Final

from bioresearcher.analysis.measures import Ask
from bioresearcher.analysis.terms import endpoints_named, kinds_in, word
from bioresearcher.analysis.words import Text
from bioresearcher.schemas.question import QuestionKind

_SECOND: Final = re.compile(r"(?i),\s+and\s+(?=(?:is|are|does|do|did|was|were)\s)")
_POINTS_BACK: Final = re.compile(
    r"(?i)\b(?:it|its|they|their|them|this|these|that|those\s+(?:genes|scores)|such|same|so)\b"
)
"""Words that stand for something that the clause before named."""
_SIDES: Final = re.compile(r"(?i)\bbetween\b[^,.;?!]*\band\b[^,.;?!]*")


def asks_of(text: Text) -> list[Ask]:
    """The questions of a text: a clause that asks for something else than those before it begins another."""
    found: list[Ask] = []
    loose: list[tuple[int, int]] = []
    clauses, anew = _clauses(text)
    for start, end in clauses:
        words = text.raw[start:end]
        kinds = kinds_in(words)
        kind: QuestionKind | None = kinds[0] if kinds else None
        sides = kind == "difference" and not re.search(r"(?i)\btime to\b", words)
        rest = _SIDES.sub(" ", words) if sides else words  # "between relapse and remission" names groups, no endpoint
        survival = bool(word("survival").search(rest)) or bool(endpoints_named(Text(rest)))
        if survival and kind not in ("synthesis", "prediction"):
            kind = "time to event"
        if found and found[-1].kind == "description" and kind is None and word("beyond").search(words):
            kind = "description"  # a question of its own, which no description answers
            anew.add((start, end))
        again = found and kind == found[-1].kind and (start, end) not in anew
        if kind is None or again or (found and _only_method(words, found[-1].kind)):
            if found:
                found[-1] = Ask(found[-1].kind, (*found[-1].spans, (start, end)))
            else:
                loose.append((start, end))
            continue
        found.append(Ask(kind, (*loose, (start, end))))
        loose = []
    if not found and text.tokens:
        found = [Ask("description", ((0, len(text.raw)),))]
    elif loose and found:
        found[0] = Ask(found[0].kind, (*loose, *found[0].spans))
    return found


def _clauses(text: Text) -> tuple[list[tuple[int, int]], set[tuple[int, int]]]:
    """The clauses of a text, and those of them that ask of an endpoint by themselves as the one before does.

    Such are the two of “does survival differ between A and B, and is the score associated with survival?”.
    """
    found: list[tuple[int, int]] = []
    anew: set[tuple[int, int]] = set()
    for start, end in text.clauses():
        cut = _SECOND.search(text.raw, start, end)
        halves = [(start, cut.start()), (cut.start(), end)] if cut else []
        said = [text.raw[a:b] for a, b in halves]
        if said and all(word("survival").search(s) for s in said) and not _POINTS_BACK.search(said[1]):
            found += halves
            anew.add(halves[1])
        elif said and kinds_in(said[0])[:1] == ("description",) and kinds_in(said[1])[:1] not in ((), ("description",)):
            found += halves
        else:
            found.append((start, end))
    return found, anew


def _only_method(words: str, before: QuestionKind) -> bool:
    """True for a clause that names how the question before it is to be answered, and asks nothing of its own."""
    asks = re.search(
        r"(?i)\?|\b(?:is|are|does|do|which|what|whether|how|identify|find|test|examine|investigate|describe"
        r"|summari[sz]e)\b",
        words,
    )
    return not asks and before in ("time to event", "association", "difference") and not word("survival").search(words)
