"""Compare the outputs of two runs by their content, whatever their bytes.

Each output is split into named parts (a table's columns, a figure's pixels, …), so that a part which differs
between two runs on the same data can be left out of account. Time stamps, order of rows and lines, and
differences below `TOLERANCE` are no difference. For comparing numbers one by one, tables and findings are also read as
named rows and columns (`OutputColumns`).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import TypeAlias

from pydantic import JsonValue

from bioresearcher.execution.figures import FigureError, read_figure
from bioresearcher.execution.output_tables import (
    FindingsError,
    OutputTable,
    TableError,
    column_numbers,
    read_findings,
    read_table,
    to_number,
)
from bioresearcher.schemas.execution import DryLabTask, TaskOutput
from bioresearcher.schemas.missing import CODES, blanked, key

TOLERANCE = 1e-9
"""Share of their size by which numbers may differ."""

MAX_TEXT_BYTES = 20_000_000
MAX_COLUMNS = 24
"""Most columns of one table that are read: the declared ones first."""

Part: TypeAlias = "str | tuple[tuple[str, ...], ...] | array[float]"
"""A text or digest that must be equal, rows of cells that are compared one by one, or numbers (NaN: missing)."""


def changed_outputs(
    before: Mapping[str, Mapping[str, Part]],
    after: Mapping[str, Mapping[str, Part]],
    *,
    ignore: Mapping[str, frozenset[str]] | None = None,
) -> tuple[str, ...]:
    """Return the names of the outputs of which at least one part, not among those to ignore, differs."""
    skip = ignore or {}
    parts = {name: differing_parts(before[name], after.get(name, {})) for name in before}
    return tuple(name for name, found in parts.items() if found - skip.get(name, frozenset()))


def differing_parts(
    before: Mapping[str, Part], after: Mapping[str, Part], *, tolerance: float = TOLERANCE
) -> frozenset[str]:
    """Return the parts that differ or exist on one side only; numbers may differ by `tolerance` of their size."""
    names = before.keys() | after.keys()
    both = before.keys() & after.keys()
    return frozenset(n for n in names if n not in both or not same_part(before[n], after[n], tolerance))


def same_part(one: Part, other: Part, tolerance: float = TOLERANCE) -> bool:
    """Return True if two parts have the same content."""
    if isinstance(one, array) and isinstance(other, array):
        return len(one) == len(other) and all(map(_same_number, one, other, repeat(tolerance)))
    if not isinstance(one, tuple) or not isinstance(other, tuple):
        return type(one) is type(other) and one == other
    return len(one) == len(other) and all(_same_row(a, b, tolerance) for a, b in zip(one, other, strict=True))


def _same_row(one: tuple[str, ...], other: tuple[str, ...], tolerance: float) -> bool:
    if len(one) != len(other):
        return False
    return all(a == b or same_cell(a, b, tolerance) for a, b in zip(one, other, strict=True))


def same_cell(one: str, other: str, tolerance: float = TOLERANCE) -> bool:
    """Return True if two cells that are written differently mean the same."""
    a, b = to_number(one), to_number(other)
    if a is not None and b is not None:
        return _same_number(a, b, tolerance)
    if a is not None or b is not None:
        return False
    return (key(one) in CODES and key(other) in CODES) or stable_text(one) == stable_text(other)


def _same_number(one: float, other: float, tolerance: float) -> bool:
    return math.isclose(one, other, rel_tol=tolerance, abs_tol=1e-300) or (one != one and other != other)


# The parts of an output


def split_parts(output: TaskOutput, path: Path) -> dict[str, Part]:
    """Split one output file into parts that `same_part` can compare."""
    if output.kind == "table":
        try:
            return _table_parts(read_table(path))
        except TableError:
            return {"bytes": file_digest(path)}
    if output.kind == "figure":
        try:
            return {"picture": read_figure(path).digest}
        except FigureError:
            return {"bytes": file_digest(path)}
    if path.stat().st_size > MAX_TEXT_BYTES:
        return {"bytes": file_digest(path)}
    return {"text": _text_part(path)}


def _table_parts(table: OutputTable) -> dict[str, Part]:
    """Split a table into columns, ordered by the rows' names; where names repeat, also into whole rows."""
    parts: dict[str, Part] = {"columns": json.dumps(sorted(table.header))}
    names = [row[0] for row in table.rows]
    if len(set(names)) == len(names):
        rows = [table.rows[i] for i in sorted(range(len(names)), key=lambda i: _key(names[i : i + 1]))]
        columns = zip(*rows, strict=True) if rows else ((),) * len(table.header)
        for name, cells in zip(table.header, columns, strict=True):
            numbers = _numbers(cells)
            parts[f"column {name}"] = (cells,) if numbers is None else numbers
        return parts
    known = {name: blanked(table.column(name)) for name in sorted(table.header)}
    for name, column in known.items():
        parts[f"column {name}"] = tuple(sorted(zip(names, column, strict=True), key=_key))
    parts["rows"] = tuple(sorted(zip(*known.values(), strict=True), key=_key))
    return parts


def _numbers(cells: Sequence[str]) -> array[float] | None:
    """Return a column of numbers in little memory; None if a cell is neither a number nor missing."""
    values = column_numbers(cells)
    return None if values is None else array("d", (math.nan if value is None else value for value in values))


def _key(row: Iterable[str]) -> tuple[str, ...]:
    """Return a sorting key that differences below the tolerance do not move."""
    numbers = ((to_number(cell), cell) for cell in row)
    return tuple(stable_text(cell) if number is None else f"{number:.6g}" for number, cell in numbers)


def _text_part(path: Path) -> Part:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return hashlib.sha256(data).hexdigest()
    if path.suffix.lower() == ".json":
        try:
            return _json_part(json.loads(text))
        except (ValueError, RecursionError):
            pass
    return "\n".join(sorted(filter(None, map(stable_text, text.splitlines()))))


def _json_part(value: object) -> Part:
    """Return leaves with their paths, as rows; the order of a list's entries does not count."""
    return tuple(sorted(_leaves(value), key=_key))


def _leaves(value: object, path: str = "") -> Iterable[tuple[str, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, f"{path}[]")
    else:
        yield (path, str(value))


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_STAMP = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? +(?:\d{1,2} )?"
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
    r"[ \d:.,]*(?:GMT|UTC|[A-Z]{3,4})?(?: \d{4})?"
    r"|\b\d{1,2}[/.]\d{1,2}[/.]\d{4}\b|\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"
    r"|\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"
    r"|\b\d+(?:\.\d+)? ?(?:s|ms|sec|secs|seconds|minutes)\b(?= elapsed)|(?<=elapsed: )\d+(?:\.\d+)?",
    re.IGNORECASE,
)


def stable_text(text: str) -> str:
    """Return a text without time stamps, identifiers drawn at random, and runs of spaces."""
    return " ".join(_STAMP.sub("<time>", text).split())


# An output as rows and columns
_REPLICATE = re.compile(
    r"(?:n_?|i_?)?(?:iter(?:ation)?|perm(?:utation)?|boot(?:strap)?|repl(?:icate)?|repeat|draw|sim(?:ulation)?|chain|shuffle"
    r"|resample)s?(?:[_ -]?(?:id|no|number|index))?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class OutputColumns:
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
        """Column -> its numbers, None where one is missing; columns of text are left out."""
        columns = ((name, column_numbers(cells)) for name, cells in self.cells.items())
        return {name: tuple(values) for name, values in columns if values and any(v is not None for v in values)}

    @cached_property
    def place(self) -> dict[str, int]:
        """Row name -> row number, from 0."""
        return {name: row for row, name in enumerate(self.names)}


def read_columns(task: DryLabTask, folder: Path) -> dict[str, OutputColumns]:
    """Read each declared table and findings file that can be read, by output name."""
    found: dict[str, OutputColumns] = {}
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


def _of_table(table: OutputTable, output: TaskOutput) -> OutputColumns:
    rules = {rule.name for rule in output.columns}
    keys = _key_columns(table)
    others = [i for i in range(len(table.header)) if i not in keys]
    chosen = sorted(others, key=lambda i: (table.header[i] not in rules, i))[:MAX_COLUMNS]
    return OutputColumns(
        names=tuple(_unique("\x1f".join(row[i] for i in keys) for row in table.rows)),
        cells={table.header[i]: tuple(row[i] for row in table.rows) for i in chosen},
        declared=frozenset(rules & {table.header[i] for i in chosen}),
        replicates=any(_REPLICATE.fullmatch(table.header[i].strip()) for i in keys),
    )


def _key_columns(table: OutputTable) -> tuple[int, ...]:
    """Return the columns that name the rows: the first, with the other columns of text if it repeats."""
    first = [row[0] for row in table.rows]
    if len(set(first)) == len(first):
        return (0,)
    columns = enumerate(zip(*table.rows, strict=True))
    return (0, *(i for i, cells in columns if i and column_numbers(cells) is None))


def _unique(names: Iterator[str]) -> Iterator[str]:
    """Number the repeats of a name from the second on."""
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}\x1f#{seen[name]}"


def _of_findings(path: Path) -> OutputColumns:
    """Read every number of the findings as a column of its own with one row."""
    values = {
        f"{number}.{place}": (str(value),)
        for number, finding in enumerate(read_findings(path), 1)
        for place, value in _number_leaves(finding.values)
    }
    return OutputColumns(names=("",), cells=values)


def _number_leaves(value: JsonValue, place: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield place, value
    elif isinstance(value, dict | list):
        items: Sequence[tuple[str, JsonValue]] = (
            list(value.items()) if isinstance(value, dict) else [(str(i), v) for i, v in enumerate(value)]
        )
        for key, item in items:
            yield from _number_leaves(item, f"{place}.{key}" if place else key)
