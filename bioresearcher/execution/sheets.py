"""Outputs as rows and columns whose numbers can be held against those of another run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import JsonValue

from bioresearcher.execution.findings import FindingsError, read_findings
from bioresearcher.execution.tables import Table, TableError, column_numbers, read_table
from bioresearcher.schemas.task import DryLabTask, TaskOutput

MAX_COLUMNS = 24
"""Columns of one table that are looked at: the declared ones first."""

_REPLICATE = re.compile(
    r"(?:n_?|i_?)?(?:iter(?:ation)?|perm(?:utation)?|boot(?:strap)?|repl(?:icate)?|repeat|draw|sim(?:ulation)?|chain|shuffle"
    r"|resample)s?(?:[_ -]?(?:id|no|number|index))?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Sheet:
    """The rows and columns of one output.

    Attributes:
        names: The rows' names, unique, in the order of the file.
        cells: Column -> cells in that order; the column that names the rows is not among them.
        declared: Columns that the task declares; empty when it declares none.
        replicates: The rows are repeats of a random experiment, so what they hold may be drawn.
    """

    names: tuple[str, ...]
    cells: Mapping[str, tuple[str, ...]]
    declared: frozenset[str] = frozenset()
    replicates: bool = False

    @cached_property
    def numbers(self) -> dict[str, tuple[float | None, ...]]:
        """The columns of numbers; what is not known is None."""
        columns = ((name, column_numbers(cells)) for name, cells in self.cells.items())
        return {name: tuple(values) for name, values in columns if values and any(v is not None for v in values)}

    @cached_property
    def place(self) -> dict[str, int]:
        """Name -> row."""
        return {name: row for row, name in enumerate(self.names)}


def read_sheets(task: DryLabTask, folder: Path) -> dict[str, Sheet]:
    """The sheet of each declared table and findings file that can be read, by output name."""
    found: dict[str, Sheet] = {}
    for output in task.outputs:
        path = folder / output.file
        if not path.is_file():
            continue
        try:
            if output.kind == "table":
                found[output.name] = _of_table(read_table(path), output)
            elif output.kind == "findings":
                found[output.name] = _of_findings(path)
        except (TableError, FindingsError):
            continue
    return found


def _of_table(table: Table, output: TaskOutput) -> Sheet:
    rules = {rule.name for rule in output.columns}
    keys = _key_columns(table)
    others = [i for i in range(len(table.header)) if i not in keys]
    chosen = sorted(others, key=lambda i: (table.header[i] not in rules, i))[:MAX_COLUMNS]
    return Sheet(
        names=tuple(_unique("\x1f".join(row[i] for i in keys) for row in table.rows)),
        cells={table.header[i]: tuple(row[i] for row in table.rows) for i in chosen},
        declared=frozenset(rules & {table.header[i] for i in chosen}),
        replicates=any(_REPLICATE.fullmatch(table.header[i].strip()) for i in keys),
    )


def _key_columns(table: Table) -> tuple[int, ...]:
    """What names the rows: the first column, with the other columns of text when it repeats."""
    first = [row[0] for row in table.rows]
    if len(set(first)) == len(first):
        return (0,)
    columns = enumerate(zip(*table.rows, strict=True))
    return (0, *(i for i, cells in columns if i and column_numbers(cells) is None))


def _unique(names: Iterator[str]) -> Iterator[str]:
    """The n-th of equal names gets its number."""
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}\x1f#{seen[name]}"


def _of_findings(path: Path) -> Sheet:
    """Every number of the findings as a column of its own with one row."""
    values = {
        f"{number}.{place}": (str(value),)
        for number, finding in enumerate(read_findings(path), 1)
        for place, value in _leaves(finding.values)
    }
    return Sheet(names=("",), cells=values)


def _leaves(value: JsonValue, place: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield place, value
    elif isinstance(value, dict | list):
        items: Sequence[tuple[str, JsonValue]] = (
            list(value.items()) if isinstance(value, dict) else [(str(i), v) for i, v in enumerate(value)]
        )
        for key, item in items:
            yield from _leaves(item, f"{place}.{key}" if place else key)
