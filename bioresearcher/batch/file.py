"""Reads a batch file, JSONL, CSV, YAML or TOML, into plain values with their lines; `check` validates them."""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bioresearcher.config_text import YamlProblem, compose, construct, line_of
from bioresearcher.errors import InputError

MAX_BYTES = 64 << 20
TABLES = "objectives"
"""Name of the tables of a TOML file."""
LISTS = frozenset({"conditions", "requirements", "papers", "data"})
_MOST_PARSED = 500
"""Most lines like a table's header for which parsing decides whether they are one."""
_HEADER = re.compile(rf"""^[ \t]*\[\[[ \t]*["']?{TABLES}["']?[ \t]*\]\]""")


@dataclass(frozen=True)
class Problem:
    """A mistake in a batch file, and its line."""

    line: int
    message: str


@dataclass(frozen=True)
class RawEntry:
    """An objective as written in the file: its first line and its fields."""

    line: int
    fields: dict[str, Any]


Found = RawEntry | Problem


def read_batch_file(path: Path) -> list[Found]:
    """Return the objectives of a batch file in their order; an unreadable one is a problem among the rest.

    Raises:
        InputError: The file cannot be read at all, or is of no known kind.
    """
    read = READERS.get(path.suffix.lower())
    if read is None:
        known = ", ".join(READERS)
        raise InputError(f"{path}: the ending {path.suffix or '(none)'} is not known.", hint=f"Use one of {known}.")
    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: is larger than {MAX_BYTES >> 20} MB.", hint="Split it into several batches.")
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return [Problem(raw.count(b"\n", 0, error.start) + 1, "is not UTF-8 text; save the file as UTF-8")]
    try:
        return list(read(text))
    except RecursionError:
        return [Problem(1, "is nested too deeply for a batch file")]


def _jsonl(text: str) -> Iterator[Found]:
    """Read a JSON object a line; lines end at a line feed only, as JSON texts may hold other line ends."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line, object_pairs_hook=_no_repeats, parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            yield Problem(number, f"is not valid JSON: {error.msg} at character {error.pos + 1}")
            continue
        except (ValueError, RecursionError) as error:
            yield Problem(number, f"is not valid JSON: {error}")
            continue
        yield _entry(number, value)


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the field {next(n for n in names if names.count(n) > 1)!r} is given twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _entry(line: int, value: object) -> Found:
    if not isinstance(value, dict):
        return Problem(line, f"must be an objective with its fields, not {value!r:.60}")
    strange = next((name for name in value if not isinstance(name, str)), None)
    return RawEntry(line, value) if strange is None else Problem(line, f"{strange!r:.60} is no name of a field")


def _csv(text: str) -> Iterator[Found]:
    """Read a row per objective under a line of field names.

    `settings.NAME` and `budget.NAME` are columns of their own; lists are written one item a line within the cell.
    """
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    line = 1
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows, None)
        except csv.Error as error:
            yield Problem(line, f"is not valid CSV: {error}")
            return
        if row is None:
            return
        if not any(cell.strip() for cell in row):
            continue
        if not header:
            header = [cell.strip() for cell in row]
            twice = next((name for name in header if header.count(name) > 1), None)
            if twice is not None:
                yield Problem(line, f"the column {twice!r} is given twice" if twice else "a column has no name")
                return
        elif len(row) != len(header):
            yield Problem(line, f"has {len(row)} cells where the first line has {len(header)}")
        else:
            yield _row(line, dict(zip(header, row, strict=True)))


def _row(line: int, cells: dict[str, str]) -> Found:
    """Return the fields of a row; an empty cell is no field."""
    fields: dict[str, Any] = {}
    for name, cell in cells.items():
        text = cell.strip()
        if not text:
            continue
        *tables, last = name.split(".")
        place = fields
        for table in tables:
            place = place.setdefault(table, {})
            if not isinstance(place, dict):
                return Problem(line, f"{name}: {table} is given beside it")
        if name in LISTS:
            place[last] = [item.strip() for item in text.splitlines() if item.strip()]
        else:
            place[last] = _scalar(text) if tables or name == "repeats" else text
    return RawEntry(line, fields)


def _scalar(text: str) -> object:
    """Parse a number, truth value or list as JSON; anything else is text."""
    try:
        return json.loads(text, object_pairs_hook=_no_repeats, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def _yaml(text: str) -> Iterator[Found]:
    """Read a list of mappings."""
    import yaml

    try:
        root = compose(text, "a batch file")
    except YamlProblem as problem:
        yield Problem(problem.line, problem.message)
        return
    if root is None:
        return
    if not isinstance(root, yaml.SequenceNode):
        yield Problem(line_of(root), "must be a list of objectives: begin each with `- id: …`")
        return
    for node in root.value:
        try:
            yield _entry(line_of(node), construct(node, text))
        except YamlProblem as problem:
            yield Problem(problem.line, problem.message)


def _toml(text: str) -> Iterator[Found]:
    """Read tables `[[objectives]]`."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at line (\d+)", str(error))
        line = int(at[1]) if at else text.count("\n") + 1
        yield Problem(line, f"is not valid TOML: {error}")
        return
    except ValueError as error:  # a number of thousands of digits
        yield Problem(1, f"is not valid TOML: {error}")
        return
    for name in raw:
        if name != TABLES:
            yield Problem(_line_of(text, name), f"{name}: unknown; each objective is a table [[{TABLES}]]")
    tables = raw.get(TABLES, [])
    if not isinstance(tables, list):
        yield Problem(_line_of(text, TABLES), f"{TABLES}: must be tables [[{TABLES}]]")
        return
    for line, table in zip(_header_lines(text, len(tables)), tables, strict=True):
        yield _entry(line, table)


def _line_of(text: str, name: str) -> int:
    """Return the number of the first line that begins with a name."""
    found = re.search(rf"""^[ \t]*\[*[ \t]*["']?{re.escape(name)}\b""", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _header_lines(text: str, wanted: int) -> list[int]:
    """Return the line numbers of the tables' headers, which the parser does not give."""
    lines = text.split("\n")
    found = [number for number, line in enumerate(lines, start=1) if _HEADER.match(line)]
    if wanted < len(found) <= _MOST_PARSED:  # some stand in texts of several lines: the text before those is not whole
        found = [number for number in found if _is_whole("\n".join(lines[: number - 1]))]
    if len(found) != wanted:  # written as one list of inline tables
        found = [_line_of(text, TABLES)] * wanted
    return found


def _is_whole(text: str) -> bool:
    try:
        tomllib.loads(text)
    except ValueError:
        return False
    return True


READERS: dict[str, Callable[[str], Iterator[Found]]] = {
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".csv": _csv,
    ".tsv": _csv,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".toml": _toml,
}
