"""Fields inside texts of a sample sheet: `Age = 70; Grade = 3`, `key: value | key: value`, GEO's characteristics."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

SEPARATORS = ("|", ";", "//", "\t", ",")
"""Separators of fields, the less ambiguous first: a comma may stand inside a value."""
MAX_FIELDS = 30
"""Most fields of a column that are given out, those that most rows have first."""

_PAIR = re.compile(r"\s*([A-Za-z][\w .()/%#+-]{0,48}?)\s*(?:=|:(?!//))\s*(.*?)\s*", re.DOTALL)
_LEAST_ROWS = 3
_LEAST_SHARE = 0.6


@dataclass(frozen=True)
class TextField:
    """A field that stands inside the texts of a column.

    Attributes:
        column: The column of texts.
        key: The field's name as most rows write it.
        values: Its value in every row; empty where the row has none.
    """

    column: str
    key: str
    values: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name for facts: the column and the field."""
        return f"{self.column}: {self.key}"


def pairs_in(text: str, separator: str) -> list[tuple[str, str]]:
    """List the (key, value) pairs of a text whose fields the separator parts; parts that are no pair are left out."""
    found = (_PAIR.fullmatch(part) for part in text.split(separator))
    return [(match[1], match[2]) for match in found if match]


def text_fields(column: str, cells: Sequence[str]) -> list[TextField]:
    """Parse the fields inside a column's texts; none unless at least 60 % of the parts of its texts are pairs.

    Args:
        column: The column's name.
        cells: Its cells; empty where nothing is known.
    """
    texts = [cell for cell in cells if cell]
    if sum("=" in text or ":" in text for text in texts) < max(_LEAST_ROWS, _LEAST_SHARE * len(texts)):
        return []
    separator = _separator(texts)
    if separator is None:
        return []
    rows = [pairs_in(cell, separator) for cell in cells]
    spelt: dict[str, Counter[str]] = {}
    for row in rows:
        for key, _ in row:
            spelt.setdefault(key.casefold(), Counter())[key] += 1
    often = sorted((key for key in spelt if spelt[key].total() >= _LEAST_ROWS), key=lambda k: -spelt[k].total())
    fields = []
    for folded in often[:MAX_FIELDS]:
        values = tuple(next((v for k, v in row if k.casefold() == folded), "") for row in rows)
        fields.append(TextField(column, spelt[folded].most_common(1)[0][0], values))
    return fields


def _separator(texts: Sequence[str]) -> str | None:
    """Find the separator that gives most pairs while most parts are pairs."""
    best, most = None, 0
    for separator in SEPARATORS:
        parts = [part for text in texts for part in text.split(separator) if part.strip()]
        pairs = sum(_PAIR.fullmatch(part) is not None for part in parts)
        if pairs > most and pairs >= _LEAST_SHARE * len(parts):
            best, most = separator, pairs
    return best
