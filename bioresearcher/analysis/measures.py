"""Measure and outcome of a question: features, genes, signatures or columns that its words name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
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


def outcome_of(ask: Ask, text: Text, wishes: Wishes, lexicon: Lexicon, kind: QuestionKind) -> tuple[str, list[str]]:
    """The column that an association explains, and all columns that the words of a question name."""
    mentions = [m for m in wishes.columns if ask.has(text, m.first)]
    names = list(dict.fromkeys(m.name for m in mentions))
    if kind != "association":
        return "", names
    for mention in mentions:
        if word("outcome").search(text.raw[: text.tokens[mention.first].start]):
            return mention.name, names
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
        outcome = outcome_of(ask, text, wishes, lexicon, kind)[0]
        if re.search(r"(?i)\b(?:which|what) (?:\w+ )?(?:genes?|proteins?|transcripts?)\b", words):
            return Measure(kind="features")
        left = tuple(n for n in columns if n != outcome)
        if not left and _RISK.search(words):
            left = tuple(c.name for c in lexicon.columns.values() if _is_factor(c) and c.name != outcome)
        return (
            Measure(kind="column", names=left)
            if left
            else Measure(kind="features" if matrix and not columns else "none")
        )
    return Measure()


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
