"""Keep the changed copies of several tables consistent: what was the same in two of them stays the same.

Two tables are linked by the columns that name their rows. A column whose cells agree with a column of an earlier table,
row by row of the same name, takes the changed cells of that table, so that a script which compares its inputs finds
them agreeing as before. Cells that did not agree before are changed each by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Row = list[str]
AGREE = 0.95
MOST_PAIRS = 4_000
MOST_CELLS = 1_000_000


@dataclass(frozen=True)
class Changed:
    """A table before and after its change, row by row; `ids` are the columns that name rows."""

    header: Row
    before: list[Row]
    after: list[Row]
    ids: frozenset[int]


@dataclass
class Links:
    """The tables that were changed so far."""

    tables: list[Changed] = field(default_factory=list)

    def apply(self, header: Row, before: list[Row], after: list[Row], ids: frozenset[int]) -> None:
        """Put the cells of linked columns of earlier tables into `after`, and keep the table for those that follow."""
        if len(before) != len(after) or len(before) * len(header) > MOST_CELLS:
            return
        for other in self.tables:
            _link(Changed(header, before, after, ids), other)
        self.tables.append(Changed(header, before, after, ids))


def _link(table: Changed, other: Changed) -> None:
    pairs = _shared_rows(table, other)
    if len(pairs) < 2:
        return
    taken: set[int] = set()
    for index, source in _column_pairs(table, other):
        if index in taken:
            continue
        both = [(r, o) for r, o in pairs if index < len(table.before[r]) and source < len(other.before[o])]
        same = [(r, o) for r, o in both if table.before[r][index] == other.before[o][source]]
        if len(same) < 2 or len(same) < AGREE * len(both) or len({table.before[r][index] for r, _ in same}) < 2:
            continue
        taken.add(index)
        for r, o in same:
            table.after[r][index] = other.after[o][source]


def _shared_rows(table: Changed, other: Changed) -> list[tuple[int, int]]:
    """Return the rows of the same name in both, by the naming columns that share most names."""
    best: list[tuple[int, int]] = []
    for own in table.ids:
        mine = _places(table.before, own)
        for theirs in other.ids:
            places = _places(other.before, theirs)
            found = [(row, places[name]) for name, row in mine.items() if name in places]
            best = found if len(found) > len(best) else best
    return best


def _places(rows: list[Row], column: int) -> dict[str, int]:
    """Return name -> row; names that occur twice are left out."""
    found: dict[str, int] = {}
    twice = set()
    for number, row in enumerate(rows):
        name = row[column] if column < len(row) else ""
        if name in found:
            twice.add(name)
        found[name] = number
    return {name: row for name, row in found.items() if name and name not in twice}


def _column_pairs(table: Changed, other: Changed) -> list[tuple[int, int]]:
    """Return the pairs of columns to compare: those of the same heading first, all others only of narrow tables."""
    mine = [i for i in range(len(table.header)) if i not in table.ids]
    theirs = [i for i in range(len(other.header)) if i not in other.ids]
    named = {other.header[i]: i for i in theirs}
    same = [(i, named[table.header[i]]) for i in mine if table.header[i] in named]
    if len(mine) * len(theirs) > MOST_PAIRS:
        return same
    return [*same, *((i, j) for i in mine for j in theirs)]
