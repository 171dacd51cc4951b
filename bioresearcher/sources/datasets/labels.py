"""Labels of one sample in several columns, such as group, title and source, and where they contradict each other.

Two columns are compared where both tell samples apart: by the levels of one that the other names as words, and by the
concepts of `geo.sample_labels` (tumour or normal, treated or untreated, …). A column that says the same of all rows,
such as the diagnosis of the patients, contradicts nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from bioresearcher.schemas.columns import as_number
from bioresearcher.sources.datasets.spec import ColumnSpec
from bioresearcher.sources.geo.sample_labels import CONCEPTS, label, may_differ

_MOST_COLUMNS: Final = 40
_LEAST_SHARE: Final = 0.7
"""Share of rows that agree from which the others are contradictions and not another variable."""
_GENERAL: Final = frozenset(
    "yes no true false positive negative pos neg high low present absent none unknown left right "
    "complete partial".split()
)
"""Words of many variables: two columns that share them need not be about the same."""
_OF_A_GENE: Final = re.compile(r"(?i)[a-z0-9][._ -](mut(ation|ated|ant)?s?|genotype)([._ -]?status)?$")
"""Names of columns that say whether one gene is mutated: two of them are about two genes."""


@dataclass(frozen=True)
class Contradiction:
    """Rows in which two columns say different things; `column` is the group column, if one of them is it."""

    column: str
    sentence: str
    reason: str
    rows: int


def _of_two_genes(one: str, other: str) -> bool:
    """Return True if two columns say of one gene each whether it is mutated."""
    return _OF_A_GENE.search(one) is not None and _OF_A_GENE.search(other) is not None


def contradictions(known: Mapping[str, Sequence[str]], specs: Mapping[str, ColumnSpec]) -> list[Contradiction]:
    """Find pairs of columns that label samples differently.

    Args:
        known: Cells of the columns, empty where they are missing.
        specs: What the columns are; groups are compared with all texts.
    """
    texts = {n: c for n, c in known.items() if _is_text(c)}
    texts = dict(list(texts.items())[:_MOST_COLUMNS])
    found: list[Contradiction] = []
    seen: set[frozenset[str]] = set()
    names = next((c for n, c in known.items() if n in specs and specs[n].role == "id"), None)
    plain = {n: _of_each(c, _plain) for n, c in texts.items()}
    for group in (n for n, s in specs.items() if s.role == "group" and n in texts):
        for other, result in _named_levels(group, specs[group], plain, texts[group], names):
            if frozenset((group, other)) not in seen and not _of_two_genes(group, other):
                seen.add(frozenset((group, other)))
                found.append(result)
    labels = {concept: _labels(texts, concept) for concept in CONCEPTS if concept != "marker"}
    for one, other in combinations(texts, 2):
        if _of_two_genes(one, other):
            continue
        if frozenset((one, other)) not in seen:
            found += _concepts(one, other, labels, names)
    return found


def _of_each(cells: Sequence[str], read: Callable[[str], str]) -> list[str]:
    """Read each different cell once; a column of labels repeats a few."""
    values = {cell: read(cell) for cell in dict.fromkeys(cells)}
    return [values[cell] for cell in cells]


def _is_text(cells: Sequence[str]) -> bool:
    return sum(bool(c) and as_number(c) is None for c in cells) > 0.5 * len(cells) > 0


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.casefold().replace("tumour", "tumor")).strip()


def _named_levels(
    group: str,
    spec: ColumnSpec,
    plain: Mapping[str, Sequence[str]],
    cells: Sequence[str],
    names: Sequence[str] | None,
) -> Iterator[tuple[str, Contradiction]]:
    """Compare a group with the texts that name its levels as words."""
    own = _of_each(cells, lambda c: _plain(spec.codes.get(c, c)) if c else "")
    levels = {level for level, c in zip(own, cells, strict=True) if c}
    if not 2 <= len(levels) <= 8 or levels & _GENERAL or any(len(v) < 2 or not re.search("[a-z]", v) for v in levels):
        return
    patterns = {v: re.compile(rf"(?<![a-z]){re.escape(v)}(?![a-z])") for v in sorted(levels, key=len, reverse=True)}
    for other, texts in plain.items():
        if other == group:
            continue
        result = _judge(group, own, other, _of_each(texts, lambda text: _only(patterns, text)), names)
        if result is not None:
            yield other, result


def _only(patterns: Mapping[str, re.Pattern[str]], text: str) -> str:
    """Return the only level that a plain text names; a longer one covers a shorter one inside it."""
    left, named = text, []
    for level, pattern in patterns.items():
        if level in left and pattern.search(left):
            named.append(level)
            left = pattern.sub(" ", left)
    return named[0] if len(named) == 1 else ""


def _labels(texts: Mapping[str, Sequence[str]], concept: str) -> dict[str, list[str]]:
    """Label the cells of the columns that tell both sides of a concept."""
    told = {n: cells for n, cells in texts.items() if may_differ(set(cells), concept)}
    read = {n: _of_each(cells, lambda c: (label(c, concept) or "") if c else "") for n, cells in told.items()}
    return {n: labels for n, labels in read.items() if len(set(labels) - {""}) == 2}


def _concepts(
    one: str, other: str, labels: Mapping[str, Mapping[str, Sequence[str]]], names: Sequence[str] | None
) -> list[Contradiction]:
    found = []
    for told in labels.values():
        if one in told and other in told:
            result = _judge(one, told[one], other, told[other], names)
            if result is not None:
                found.append(result)
    return found[:1]


def _one_in_the_other(one: str, other: str) -> bool:
    """Check that all words of one label are in the other, which then says more and nothing else."""
    here, there = set(one.split()), set(other.split())
    return here <= there or there <= here


def _judge(
    one: str, own: Sequence[str], other: str, others: Sequence[str], names: Sequence[str] | None
) -> Contradiction | None:
    pairs = {(a, b): n for (a, b), n in Counter(zip(own, others, strict=True)).items() if a and b}
    both = sum(pairs.values())
    if both < 4 or len({a for a, _ in pairs}) < 2 or len({b for _, b in pairs}) < 2:
        return None
    apart = {(a, b) for a, b in pairs if not _one_in_the_other(a, b)}
    count = sum(pairs[pair] for pair in apart)
    if not apart or both - count <= _LEAST_SHARE * both:
        return None
    wrong = [i for i, pair in enumerate(zip(own, others, strict=True)) if pair in apart]
    shown = "; ".join(
        f"{names[i] if names is not None else f'row {i + 1}'}: {own[i]} by {one!r}, {others[i]} by {other!r}"
        for i in wrong[:3]
    )
    sentence = f"labels contradict each other in {count} of {both} rows ({shown})"
    reason = f"columns {one!r} and {other!r} agree in the other {both - count}"
    return Contradiction(one, sentence, reason, count)
