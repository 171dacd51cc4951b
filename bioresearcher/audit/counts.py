"""Counts of samples and events under rules of eligibility, made by our own code on the whole sample sheet.

A plan needs to know how many samples and events its rules leave, also where a rule uses a column that views withhold
(remission, transplantation). Only counts come back: no value of a matrix, no time, no comparison of groups.

Samples are counted exactly, however few. Of an outcome nothing is counted among fewer than five samples, and nothing
else among fewer than five that were chosen by one, because that would tell a sample's outcome; and it is crossed with
no other column, because that link is the question. Names of samples are matched by beginnings or parts that at least
five share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bioresearcher.audit.derived import CROWD, NAME_PREFIX, derived_columns, name_prefix
from bioresearcher.audit.tables import Sheet
from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.conversation import Condition
from bioresearcher.sources.datasets.roles import names_outcome
from bioresearcher.text.format import count_of

MOST_LEVELS, MOST_JOINT = 12, 24
"""Levels of a counted column, and combinations of several, that are named; the others are counted together."""
FEWEST = 5
"""Samples below which nothing is counted of an outcome."""
_NOT_KNOWN = "not known"


def count(sheet: Sheet, where: Sequence[Condition], columns: Sequence[str], *, joint: bool = False) -> str:
    """Return the flow of samples through conditions in their order, and the levels of some columns among those left.

    Each column is counted by itself or, on demand, the combinations of all that are named. Columns derived from dates
    and names (`derived_columns`) can be used like others. Cells are compared as written, without blanks at their ends;
    a cell that means "not known" meets no condition but one that asks for it.

    Raises:
        ValueError: A column is not there, or may not be used so; the message says which there are, or why.
    """
    cells = _cells(sheet)
    missing = [c for c in (*(w.column for w in where), *columns) if c not in cells]
    if missing:
        raise ValueError(f"there is no column {missing[0][:60]!r}; there is {', '.join(cells)}")
    left = list(range(sheet.rows))
    said = [f"start: {count_of(sheet.rows, 'row')}"]
    for condition in where:
        values = cells[condition.column]
        if _names_samples(sheet, condition.column):
            _check_names(condition, values)
        left = [n for n in left if meets(values[n], condition)]
        said.append(f"{in_words(condition)}: {len(left)} left")
    few = 0 < len(left) < FEWEST
    chosen = any(_is_outcome(sheet, w.column) for w in where)  # then other levels tell whose outcome it is
    if joint and few and chosen:
        said.append(f"combinations are not counted among fewer than {FEWEST} samples chosen by an outcome")
    elif joint:
        said.append(_joint(sheet, cells, columns, left))
    for column in dict.fromkeys((*(() if joint else columns), *sheet.with_role("event"))):
        if _names_samples(sheet, column):
            said += [f"levels of {column} are not counted: it names samples"] if column in columns else []
        elif few and (chosen or _is_outcome(sheet, column)):
            said.append(f"levels of {column} are not counted among fewer than {FEWEST} samples")
        else:
            found = Counter(cells[column][n] or _NOT_KNOWN for n in left)
            said.append(f"{column}: {_levels(found, MOST_LEVELS)}")
    return "\n".join(said)


def derived_names(sheet: Sheet) -> tuple[str, ...]:
    """Return the columns that can be counted beside the sheet's own: years of dates, series of names."""
    return tuple(n for n in _cells(sheet) if n not in sheet.known)


def _cells(sheet: Sheet) -> Mapping[str, Sequence[str]]:
    """Return the cells of all columns, the derived ones last."""
    found: dict[str, Sequence[str]] = dict(sheet.known)
    prefix = name_prefix(sheet.ids) if sheet.ids else ()
    if prefix and NAME_PREFIX not in found:
        found[NAME_PREFIX] = prefix
    known = {c: v for c, v in sheet.known.items() if not prefix or c != sheet.sample_column}
    made = derived_columns(known, {c for c in known if _names_samples(sheet, c)})
    return found | {n: v for n, v in made.items() if v != prefix}


def _levels(found: Counter[str], most: int) -> str:
    rows = found.most_common(most)
    rest = found.total() - sum(n for _, n in rows)
    levels = [f"{level} {n}" for level, n in rows] + ([f"other levels {rest}"] if rest else [])
    return ", ".join(levels) or "nothing left"


def _joint(sheet: Sheet, cells: Mapping[str, Sequence[str]], columns: Sequence[str], left: Sequence[int]) -> str:
    """Count the combinations of some columns."""
    used = list(dict.fromkeys(columns))
    if len(used) < 2:
        raise ValueError("combinations need two columns or more in `columns`")
    for column in used:
        if _is_outcome(sheet, column):
            raise ValueError(f"{column!r} is an outcome: its link to another column is the question and is not counted")
        if _names_samples(sheet, column):
            raise ValueError(f"{column!r} names samples")
    found = Counter(" / ".join(cells[c][n] or _NOT_KNOWN for c in used) for n in left)
    return f"{' × '.join(used)}: {_levels(found, MOST_JOINT)}"


def _is_outcome(sheet: Sheet, column: str) -> bool:
    """Return True for times, events, and columns whose name or levels say that they hold an outcome."""
    if column in (*sheet.with_role("event"), *sheet.with_role("time")):
        return True
    levels = list(dict.fromkeys(c for c in sheet.known.get(column, ()) if c))
    return names_outcome(column) or (len(levels) <= MOST_LEVELS and names_outcome("", levels))


def _check_names(condition: Condition, values: Sequence[str]) -> None:
    """Refuse to pick samples by name.

    Raises:
        ValueError: The condition does not use beginnings or parts of names that at least five samples share.
    """
    sizes = [sum(v.startswith(text) for v in values) for text in condition.starts]
    sizes += [sum(text in v for v in values) for text in condition.contains]
    exact = condition.values or condition.least is not None or condition.most is not None
    if exact or not sizes or any(0 < size < CROWD for size in sizes):
        raise ValueError(
            f"{condition.column!r} names samples; a rule of eligibility uses what is known of them, or `starts` and "
            f"`contains` with a text that at least {CROWD} of them share"
        )


def _names_samples(sheet: Sheet, column: str) -> bool:
    """Return True for a column of ids, or of texts that all differ."""
    cells = [c for c in sheet.known.get(column, ()) if c]
    texts = any(as_number(c) is None for c in cells)
    return column == sheet.sample_column or column in sheet.with_role("id") or (texts and len(set(cells)) == len(cells))


def meets(cell: str, condition: Condition) -> bool:
    """Return True if a cell meets a condition."""
    if not cell:
        return condition.not_known
    inside = not (condition.values or condition.starts or condition.contains)
    inside = inside or cell in condition.values or cell.startswith(tuple(s for s in condition.starts if s))
    inside = inside or any(text in cell for text in condition.contains if text)
    if condition.least is not None or condition.most is not None:
        number = as_number(cell)
        low = condition.least is None or (number is not None and number >= condition.least)
        high = condition.most is None or (number is not None and number <= condition.most)
        inside = inside and low and high
    return inside != condition.outside


def in_words(condition: Condition) -> str:
    """Return a condition in words."""
    texts = [*map(repr, condition.values), *(f"begins with {s!r}" for s in condition.starts)]
    texts += [f"contains {s!r}" for s in condition.contains]
    parts = [" or ".join(texts)] if texts else []
    parts += [f"≥ {condition.least:g}"] if condition.least is not None else []
    parts += [f"≤ {condition.most:g}"] if condition.most is not None else []
    said = " and ".join(parts) or "known"
    return f"{condition.column} {'not ' if condition.outside else ''}{said}{' or not known' * condition.not_known}"
