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

_MOST_BYTES: Final = 5_000_000
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
                always += numbers_of(json.loads(path.read_text(encoding="utf-8")))
            elif suffix in _TEXTS and given.task is not None:
                always += [n.value for n in numbers_in(without_dates(path.read_text(encoding="utf-8")))]
            elif suffix in _TABLES:
                table = read_table(path)
                always += [len(table.rows), len(table.header)]
                if given.task is not None and len(table.rows) * len(table.header) <= SMALL_TABLE_CELLS:
                    always += [v for row in table.rows for v in _finite(row)]
                else:
                    tables.append(table)
        except (OSError, ValueError, RecursionError, TableError):
            continue
    return Given(tuple(always), tuple(tables))


def _finite(row: tuple[str, ...]) -> Iterator[float]:
    return (v for v in map(to_number, row) if v is not None and math.isfinite(v))
