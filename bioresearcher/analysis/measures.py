"""Measure and outcome of a question: features, genes, signatures or columns that its words name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from bioresearcher.analysis.mentions import Lexicon, is_number, levels_of
from bioresearcher.analysis.terms import word
from bioresearcher.analysis.wishes import Wishes
from bioresearcher.analysis.words import Text
from bioresearcher.schemas.dataset import Column
from bioresearcher.schemas.question import Contrast, Measure, QuestionKind


@dataclass(frozen=True)
class Ask:
    """Words that ask one question: places of their clauses in the text, and the kind they ask for."""

    kind: QuestionKind
    spans: tuple[tuple[int, int], ...]

    def has(self, text: Text, token: int) -> bool:
        """True if a token stands in the clauses of the question."""
        place = text.tokens[min(token, len(text.tokens) - 1)].start
        return any(a <= place < b for a, b in self.spans)

    def words(self, text: Text) -> str:
        """The clauses of the question as one text."""
        return " ".join(" ".join(text.raw[a:b].split()) for a, b in self.spans)


_RISK: Final = re.compile(
    r"(?i)\brisk factors?\b|\bpredictors?\b|\bdeterminants?\b|"
    r"\bwhich (?:\w+\s+)?(?:variables?|factors?|covariates?|characteristics)\b"
)


_JOINED: Final = re.compile(r"(?i)[\s,&]*(?:and|or|as well as)?[\s,]*(?:the\s+|with\s+|of\s+|patient\s+)?")
_REGRESSED: Final = re.compile(
    r"(?i)\bregress(?:ion|ing|ed)?\s+(?:of\s+)?(?P<outcome>[\w.\s-]{1,60}?)\s+on\s+(?P<by>[^.;?!]+)"
)
"""A regression that says what is explained by what."""


def listed_columns(ask: Ask, text: Text, wishes: Wishes) -> tuple[str, ...]:
    """The columns of the one list that a question names and nothing else: “are age, sex and stage associated …”.

    Empty where fewer than two columns are named, or where other words stand between them.
    """
    mentions = sorted((m for m in (*wishes.columns, *wishes.by) if ask.has(text, m.first)), key=lambda m: m.first)
    for one, other in pairwise(mentions):
        between = text.raw[text.tokens[one.end - 1].end : text.tokens[other.first].start]
        if not _JOINED.fullmatch(between) or not between.strip():
            return ()
    names = tuple(dict.fromkeys(m.name for m in mentions))
    return names if len(names) > 1 else ()


def several_outcomes(ask: Ask, text: Text, wishes: Wishes, outcome: str) -> str:
    """The reason why it is not known which column is explained: several stand behind “associated with”."""
    named = {(m.first, m.end, m.name) for m in (*wishes.columns, *wishes.by) if ask.has(text, m.first)}
    named |= {(c.first, c.end, c.column) for c in wishes.compared if c.single and ask.has(text, c.first)}
    mentions = sorted(named)
    behind = [n for n, (first, _, _) in enumerate(mentions) if _is_behind(text, first)]
    if not outcome or not behind or _REGRESSED.search(ask.words(text)):
        return ""
    names = [mentions[behind[0]][2]]
    for (_, end, _), (first, _, name) in pairwise(mentions[behind[0] :]):
        between = text.raw[text.tokens[end - 1].end : text.tokens[first].start]
        if not between.strip() or not _JOINED.fullmatch(between):
            break
        names.append(name)
    names = list(dict.fromkeys(names))
    return f"each of {' and '.join(names)} may be the column that is explained" if len(names) > 1 else ""


def _is_behind(text: Text, place: int) -> bool:
    """True if “associated with” or the like stands before a token, which may begin with the “with” itself."""
    left = text.raw[: text.tokens[place].start] + ("with " if text.tokens[place].form == "with" else "")
    return bool(word("outcome").search(left))


def _regressed(ask: Ask, text: Text, lexicon: Lexicon) -> tuple[str, list[str]]:
    """The column that a regression explains, and those it is explained by, where the words say both."""
    for start, end in ask.spans:
        found = _REGRESSED.search(text.raw, start, end)
        if found is None:
            continue
        sides = [text.tokens_in(found.start(g), found.end(g)) for g in ("outcome", "by")]
        named = [[m.name for m in lexicon.column_mentions(text, s.start, s.stop)] if s else [] for s in sides]
        if len(named[0]) == 1 and named[1]:
            return named[0][0], named[1]
    return "", []


def outcome_of(ask: Ask, text: Text, wishes: Wishes, lexicon: Lexicon, kind: QuestionKind) -> tuple[str, list[str]]:
    """The column that an association explains, and all columns that the words of a question name."""
    mentions = [m for m in wishes.columns if ask.has(text, m.first)]
    names = list(dict.fromkeys(m.name for m in mentions))
    if kind != "association":
        return "", names
    explained, _ = _regressed(ask, text, lexicon)
    if explained:
        return explained, names
    for mention in mentions:
        if word("outcome").search(text.raw[: text.tokens[mention.first].start]):
            return mention.name, names
    for one in wishes.compared:
        if one.single and ask.has(text, one.first) and _is_behind(text, one.first):
            return one.column, names
    lists = [c for c in wishes.compared if ask.has(text, c.first) and not c.single]
    if lists and not names:
        return lists[0].column, names
    scored = any(ask.has(text, m.first) for m in (*wishes.genes, *wishes.sets))
    return (names[0] if len(names) == 1 and scored else ""), names


def measure_of(
    ask: Ask, text: Text, wishes: Wishes, lexicon: Lexicon, kind: QuestionKind, columns: Sequence[str]
) -> Measure:
    """The measure that is compared or associated."""
    words = ask.words(text)
    genes = [m for m in wishes.genes if ask.has(text, m.first)]
    sets = [m for m in wishes.sets if ask.has(text, m.first)]
    matrix = lexicon.dataset.file("expression") is not None
    if kind == "enrichment":
        return Measure(kind="gene sets")
    if kind == "prediction":
        return Measure(kind="features")
    if kind == "structure":
        return Measure(kind="features" if matrix else "none")
    if kind in ("description", "synthesis"):
        return Measure(kind="none")
    if kind == "difference" and word("features").search(words):
        return Measure(kind="features")
    if sets and word("signature").search(words):
        named = tuple(dict.fromkeys(m.name for m in sets))
        return Measure(kind="signature", names=named, words=text.words(sets[0].first, sets[0].end))
    if genes:
        named = tuple(dict.fromkeys(m.name for m in genes))
        cut = "median" if kind == "time to event" and re.search(r"(?i)\bhigh\b.*\blow\b|\bmedian\b", words) else ""
        return Measure.model_validate(
            {"kind": "gene", "names": named, "cut": cut, "words": text.words(genes[0].first, genes[-1].end)}
        )
    if kind == "difference":
        return _compared_measure(wishes, lexicon, words, columns)
    if kind == "association":
        return _associated_measure(ask, text, wishes, lexicon, columns)
    return _timed_measure(ask, text, wishes, lexicon, columns) if kind == "time to event" else Measure()


def _associated_measure(ask: Ask, text: Text, wishes: Wishes, lexicon: Lexicon, columns: Sequence[str]) -> Measure:
    """The measure of an association that names no gene or signature: columns, all risk factors, or features."""
    words = ask.words(text)
    outcome = outcome_of(ask, text, wishes, lexicon, "association")[0]
    if re.search(r"(?i)\b(?:which|what) (?:\w+ )?(?:genes?|proteins?|transcripts?)\b", words):
        return Measure(kind="features")
    _, by = _regressed(ask, text, lexicon)
    left = tuple(dict.fromkeys(n for n in (by or columns) if n != outcome))
    if not left and _RISK.search(words):
        left = factors(lexicon, (outcome,))
    if left:
        return Measure(kind="column", names=left)
    matrix = lexicon.dataset.file("expression") is not None
    return Measure(kind="features" if matrix and not columns else "none")


def _timed_measure(ask: Ask, text: Text, wishes: Wishes, lexicon: Lexicon, columns: Sequence[str]) -> Measure:
    """The measure of a time to event that names no gene or signature: a list of columns, or all risk factors."""
    compared = [c for c in wishes.compared if ask.has(text, c.first)]
    listed = listed_columns(ask, text, wishes)
    if listed and all(c.single for c in compared):
        return Measure(kind="column", names=listed)
    if _RISK.search(ask.words(text)) and not columns and not compared:
        taken = [f.column for f, place, _ in wishes.filters if ask.has(text, place)]
        return Measure(kind="column", names=factors(lexicon, (*taken, *(n for n, _ in wishes.blocks))))
    return Measure()


def factors(lexicon: Lexicon, without: Sequence[str]) -> tuple[str, ...]:
    """The columns that can be risk factors."""
    return tuple(c.name for c in lexicon.columns.values() if _is_factor(c) and c.name not in without)


def _compared_measure(wishes: Wishes, lexicon: Lexicon, words: str, columns: Sequence[str]) -> Measure:
    """The measure of a comparison that names no gene or signature: numbers of the sheet by name, else features."""
    groups = {c.column for c in wishes.compared} | {m.name for m in wishes.by}
    named = tuple(n for n in columns if n not in groups and is_number(lexicon.columns[n]))
    if named and not re.search(r"(?i)\bgenes?\b|express|transcript|protein|rna", words):
        return Measure(kind="column", names=named)
    if lexicon.dataset.file("expression") is not None:
        return Measure(kind="features")
    return Measure(kind="column", names=tuple(columns[:1])) if columns else Measure(kind="features")


def _is_factor(column: Column) -> bool:
    """True for a column that can be a risk factor: a covariate, groups, or numbers without another role."""
    if column.role in ("covariate", "group"):
        return True
    return column.role == "other" and (is_number(column) or 1 < len(levels_of(column)) <= 6)


def number_as_measure(
    contrast: Contrast | None, measure: Measure, lexicon: Lexicon, kind: QuestionKind
) -> tuple[Contrast | None, Measure]:
    """A column of numbers is measured, not compared."""
    if contrast is not None and not contrast.levels and kind == "time to event" and measure.kind == "none":
        return None, Measure(kind="column", names=(contrast.column,), words=contrast.words)
    return contrast, measure
