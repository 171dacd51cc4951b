"""Labels of one sample in several columns, such as group, title and source, and where they contradict each other.

Two columns are compared where both tell samples apart: by the levels of one that the other names as words, and by the
concepts of `geo.sample_labels` (tumour or normal, treated or untreated, …). A column that says the same of all rows,
such as the diagnosis of the patients, contradicts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from bioresearcher.schemas.columns import as_number
from bioresearcher.sources.datasets.spec import ColumnSpec
from bioresearcher.sources.geo.sample_labels import CONCEPTS, label

_MOST_COLUMNS: Final = 40
_LEAST_SHARE: Final = 0.7
"""Share of rows that agree from which the others are contradictions and not another variable."""
_GENERAL: Final = frozenset(
    "yes no true false positive negative pos neg high low present absent none unknown left right "
    "complete partial".split()
)
"""Words of many variables: two columns that share them need not be about the same."""


@dataclass(frozen=True)
class Contradiction:
    """Rows in which two columns say different things; `column` is the group column, if one of them is it."""

    column: str
    sentence: str
    reason: str
    rows: int


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
    for group in (n for n, s in specs.items() if s.role == "group" and n in texts):
        for other in (n for n in texts if n != group):
            result = _named_levels(group, specs[group], texts[group], other, texts[other], names)
            if result is not None and frozenset((group, other)) not in seen:
                seen.add(frozenset((group, other)))
                found.append(result)
    for one, other in combinations(texts, 2):
        if frozenset((one, other)) not in seen:
            found += _concepts(one, texts[one], other, texts[other], names)
    return found


def _is_text(cells: Sequence[str]) -> bool:
    return sum(bool(c) and as_number(c) is None for c in cells) > 0.5 * len(cells) > 0


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.casefold().replace("tumour", "tumor")).strip()


def _named_levels(
    group: str, spec: ColumnSpec, cells: Sequence[str], other: str, texts: Sequence[str], names: Sequence[str] | None
) -> Contradiction | None:
    """Compare a group with a text that names its levels as words."""
    levels = {_plain(spec.codes.get(c, c)) for c in cells if c}
    if not 2 <= len(levels) <= 8 or levels & _GENERAL or any(len(v) < 2 or not re.search("[a-z]", v) for v in levels):
        return None
    patterns = {v: re.compile(rf"(?<![a-z]){re.escape(v)}(?![a-z])") for v in sorted(levels, key=len, reverse=True)}
    own = [_plain(spec.codes.get(c, c)) if c else "" for c in cells]
    return _judge(group, own, other, [_only(patterns, text) for text in texts], names)


def _only(patterns: Mapping[str, re.Pattern[str]], text: str) -> str:
    """Return the only level that a text names; a longer one covers a shorter one inside it."""
    left, named = _plain(text), []
    for level, pattern in patterns.items():
        if pattern.search(left):
            named.append(level)
            left = pattern.sub(" ", left)
    return named[0] if len(named) == 1 else ""


def _concepts(
    one: str, cells: Sequence[str], other: str, texts: Sequence[str], names: Sequence[str] | None
) -> list[Contradiction]:
    found = []
    for concept in CONCEPTS:
        if concept == "marker":
            continue
        labels = [label(c, concept) or "" if c else "" for c in cells]
        if len(set(labels) - {""}) == 2:
            others = [label(c, concept) or "" if c else "" for c in texts]
            if (result := _judge(one, labels, other, others, names)) is not None:
                found.append(result)
    return found[:1]


def _one_in_the_other(one: str, other: str) -> bool:
    """Check that all words of one label are in the other, which then says more and nothing else."""
    here, there = set(one.split()), set(other.split())
    return here <= there or there <= here


def _judge(
    one: str, own: Sequence[str], other: str, others: Sequence[str], names: Sequence[str] | None
) -> Contradiction | None:
    both = [i for i, (a, b) in enumerate(zip(own, others, strict=True)) if a and b]
    if len(both) < 4 or len({own[i] for i in both}) < 2 or len({others[i] for i in both}) < 2:
        return None
    wrong = [i for i in both if not _one_in_the_other(own[i], others[i])]
    if not wrong or len(both) - len(wrong) <= _LEAST_SHARE * len(both):
        return None
    shown = "; ".join(
        f"{names[i] if names is not None else f'row {i + 1}'}: {own[i]} by {one!r}, {others[i]} by {other!r}"
        for i in wrong[:3]
    )
    sentence = f"labels contradict each other in {len(wrong)} of {len(both)} rows ({shown})"
    reason = f"columns {one!r} and {other!r} agree in the other {len(both) - len(wrong)}"
    return Contradiction(one, sentence, reason, len(wrong))
