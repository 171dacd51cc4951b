"""Counts of samples and events under rules of eligibility, made by our own code on the whole sample sheet.

A plan needs to know how many samples and events its rules leave, also where a rule uses a column that views withhold
(remission, transplantation). Only counts come back: no value of a matrix, no time, no comparison of groups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bioresearcher.audit.tables import Sheet
from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.conversation import Condition
from bioresearcher.text.format import count_of

MOST_LEVELS = 12
"""Levels of a counted column that are named; the others are counted together."""
FEWEST = 5
"""Samples below which no levels are counted: a count of one would tell a sample's outcome."""
_NOT_KNOWN = "not known"


def count(sheet: Sheet, where: Sequence[Condition], columns: Sequence[str]) -> str:
    """Return the flow of samples through conditions in their order, and the levels of some columns among those left.

    Each column is counted by itself, never against another, so that no link between groups and outcome is shown. Cells
    are compared as written, without blanks at their ends; a cell that means "not known" meets no condition but one that
    asks for it.

    Raises:
        ValueError: A column is not there; the message says which there are.
    """
    missing = [c for c in (*(w.column for w in where), *columns) if c not in sheet.columns]
    if missing:
        raise ValueError(f"there is no column {missing[0][:60]!r}; there is {', '.join(sheet.columns)}")
    named = [w.column for w in where if _names_samples(sheet, w.column)]
    if named:
        raise ValueError(f"{named[0]!r} names samples; a rule of eligibility uses what is known of them")
    left = list(range(sheet.rows))
    said = [f"start: {count_of(sheet.rows, 'row')}"]
    for condition in where:
        cells = sheet.known[condition.column]
        left = [n for n in left if meets(cells[n], condition)]
        said.append(f"{in_words(condition)}: {len(left)} left")
    if 0 < len(left) < FEWEST:
        return "\n".join((*said, f"levels are not counted among fewer than {FEWEST}"))
    for column in dict.fromkeys((*columns, *sheet.with_role("event"))):
        if _names_samples(sheet, column):
            continue
        found = Counter(sheet.known[column][n] or _NOT_KNOWN for n in left)
        rows = found.most_common(MOST_LEVELS)
        rest = sum(found.values()) - sum(n for _, n in rows)
        levels = [f"{level} {n}" for level, n in rows] + ([f"other levels {rest}"] if rest else [])
        said.append(f"{column}: {', '.join(levels) or 'nothing left'}")
    return "\n".join(said)


def _names_samples(sheet: Sheet, column: str) -> bool:
    """Return True for a column of ids, or of texts that all differ."""
    cells = [c for c in sheet.known[column] if c]
    texts = any(as_number(c) is None for c in cells)
    return column == sheet.sample_column or column in sheet.with_role("id") or (texts and len(set(cells)) == len(cells))


def meets(cell: str, condition: Condition) -> bool:
    """Return True if a cell meets a condition."""
    if not cell:
        return condition.not_known
    inside = not condition.values or cell in condition.values
    if condition.least is not None or condition.most is not None:
        number = as_number(cell)
        low = condition.least is None or (number is not None and number >= condition.least)
        high = condition.most is None or (number is not None and number <= condition.most)
        inside = inside and low and high
    return inside != condition.outside


def in_words(condition: Condition) -> str:
    """Return a condition in words."""
    parts = [" or ".join(map(repr, condition.values))] if condition.values else []
    parts += [f"≥ {condition.least:g}"] if condition.least is not None else []
    parts += [f"≤ {condition.most:g}"] if condition.most is not None else []
    said = " and ".join(parts) or "known"
    return f"{condition.column} {'not ' if condition.outside else ''}{said}{' or not known' * condition.not_known}"
