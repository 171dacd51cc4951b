"""Numbers that a task was given: in its parameters' company, those of its inputs count as sources of stated numbers.

All numbers of a small table that an earlier task made count, of larger tables and of data sets' files only those of
rows that a statement names (else nearly any number would stand somewhere), and numbers of rows and columns; of JSON and
texts all.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from bioresearcher.execution.output_tables import (
    SMALL_TABLE_CELLS,
    OutputTable,
    TableError,
    numbers_in,
    numbers_of,
    read_table,
    to_number,
    without_dates,
)
from bioresearcher.schemas.execution import DryLabTask
from bioresearcher.schemas.missing import blanked

_MOST_BYTES: Final = 5_000_000
_MOST_COLUMNS, _MOST_ROWS, _MOST_LEVELS = 60, 2_000, 12
_TABLES: Final = frozenset({".tsv", ".csv", ".tab"})
_TEXTS: Final = frozenset({".txt", ".md"})


@dataclass(frozen=True)
class Given:
    """Numbers of a task's inputs: those that always count, and tables of which the named rows count."""

    always: tuple[float, ...] = ()
    tables: tuple[OutputTable, ...] = ()

    def numbers(self, statement: str) -> Iterator[float]:
        """Iterate over the numbers that count for a statement."""
        yield from self.always
        words = set(re.findall(r"[\w.+-]*\w", statement)) if self.tables else set()
        for table in self.tables:
            for row in table.rows:
                if row[0].strip() in words:
                    yield from _finite(row)


def given_numbers(task: DryLabTask, inputs: Mapping[str, Path]) -> Given:
    """Read the numbers of a task's inputs; files that are large or of another kind have none."""
    always: list[float] = []
    tables: list[OutputTable] = []
    for given in task.inputs:
        path = inputs.get(given.name)
        if path is None or not path.is_file() or path.stat().st_size > _MOST_BYTES:
            continue
        suffix = path.suffix.lower()
        try:
            if suffix == ".json":
                always += numbers_of(_without_sentences(json.loads(path.read_text(encoding="utf-8"))))
            elif suffix in _TEXTS and given.task is not None:
                always += [n.value for n in numbers_in(without_dates(path.read_text(encoding="utf-8")))]
            elif suffix in _TABLES:
                table = read_table(path)
                always += [len(table.rows), len(table.header), *_levels(table)]
                if given.task is not None and len(table.rows) * len(table.header) <= SMALL_TABLE_CELLS:
                    always += [v for row in table.rows for v in _finite(row)]
                else:
                    tables.append(table)
        except (OSError, ValueError, RecursionError, TableError):
            continue
    return Given(tuple(always), tuple(tables))


def _without_sentences(value: JsonValue) -> JsonValue:
    """Return findings without their sentences, whose numbers count as far as they are values; all else as it is."""
    if isinstance(value, list) and value and all(isinstance(one, dict) and "statement" in one for one in value):
        return [[one.get("values"), one.get("result")] for one in value if isinstance(one, dict)]
    return value


def _levels(table: OutputTable) -> Iterator[float]:
    """Iterate over the numbers of levels of short text columns, such as of groups."""
    for cells in zip(*table.rows[:_MOST_ROWS], strict=True) if len(table.header) <= _MOST_COLUMNS else ():
        levels = {cell for cell in blanked(cells) if cell}
        if 1 < len(levels) <= _MOST_LEVELS and not all(to_number(cell) is not None for cell in levels):
            yield len(levels)


def declared_bounds(source: str) -> tuple[float, ...]:
    """Return the numbers of a protocol's steps, one in JSON a line, that are parameters or bounds in what is to do."""
    found: list[float] = []
    for line in source.splitlines():
        try:
            step = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(step, dict):
            continue
        given = [p.get("value") for p in step.get("parameters") or () if isinstance(p, dict)]
        found += numbers_of([str(value) for value in given if value is not None])
        words = f"{step.get('action', '')} {step.get('acceptance', '')}"
        found += [n.value for n in numbers_in(without_dates(words)) if n.bound]
    return tuple(dict.fromkeys(found))


def _finite(row: tuple[str, ...]) -> Iterator[float]:
    return (v for v in map(to_number, row) if v is not None and math.isfinite(v))
