"""Describe input files. Called as `describe_inputs.py spec.json` with `{"files": [{"name", "path"}]}`.

Prints a JSON list of texts, one per file, each at most `LIMIT` characters: rows, columns with type, missing
count and distinct values, and the first three rows. Reads in one pass, without keeping the table; beyond `FULL_CELLS`
cells rows are only counted, which is said. Of this package it imports what `lay_script` lays beside it.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable
from itertools import chain, islice
from pathlib import Path

from bioresearcher.execution.inside.rows import open_text, separator_of, split_rows
from bioresearcher.schemas.columns import ColumnScan

LIMIT = 3500
HEAD_ROWS = 3
HEAD_COLUMNS = 8
LISTED_COLUMNS = 24
NAMED_COLUMNS = 60
LEVELS = 6
FULL_CELLS = 10_000_000
NUMERIC = ("integer", "number")

# letters, marks and variation selectors that show nothing: a copy, as nothing of the program is inside the sandbox
UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U0001d159") | frozenset(
    map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)


def plain(text: str, width: int = 28) -> str:
    """Return a text for one line: invisible characters replaced, long cells cut."""
    line = "".join(c if c.isprintable() and c not in UNSEEN else "·" for c in text)
    return line if len(line) <= width else line[: width - 1] + "…"


def dtype_of(column: ColumnScan) -> str:
    """Return the narrowest type that holds all known values."""
    return column.dtype if column.known else "empty"


def line_of(column: ColumnScan) -> str:
    """Return one line on a column: name, type, missing count, levels or range, and the codes for missing."""
    said = f"  {plain(column.name, 40)}: {dtype_of(column)}, {column.missing} missing"
    if column.levels and len(column.levels) <= LEVELS:
        said += "; values " + ", ".join(f"{plain(k, 20)!r} ({n})" for k, n in sorted(column.levels.items()))
    elif column.dtype in NUMERIC:
        said += f"; {column.minimum:g} to {column.maximum:g}"
    codes = [repr(plain(code, 20)) for code in sorted(column.missing_seen)[:LEVELS]]
    return f"{said}; missing is written {', '.join(codes)}" if codes else said


def describe_table(path: Path) -> str:
    """Describe shape, columns and first rows of a table."""
    csv.field_size_limit(10_000_000)
    with open_text(path, "r") as lines:
        top = next(lines, "")
        separator = separator_of(path, top)
        rows = split_rows(chain([top], lines), separator)
        header = next(rows, [])
        head: list[list[str]] = []
        columns = [ColumnScan(name) for name in header]
        count = looked_at = 0
        for row in (r for r in rows if r and r != [""]):
            count += 1
            if count * len(header) > FULL_CELLS:
                break
            looked_at = count
            if count == 1 and len(row) == len(header) + 1:
                columns.insert(0, ColumnScan("(row names, unnamed)"))
            if len(head) < HEAD_ROWS:
                head.append(row)
            for column, cell in zip(columns, row, strict=False):
                column.add(cell, count)
        count += sum(1 for row in rows if row and row != [""])
    for column in columns:
        column.finish()
    name = {"\t": "tab", ",": "comma", ";": "semicolon"}[separator]
    lines_out = [f"{count} rows × {len(columns)} columns, {name}-separated, first line is the header"]
    lines_out += [f"  (types, ranges and missing values are those of the first {looked_at} rows)"] * (looked_at < count)
    lines_out += column_lines(columns)
    lines_out.append("  first rows: " + " | ".join(plain(c.name) for c in columns[:HEAD_COLUMNS]))
    lines_out += ["    " + " | ".join(plain(c) for c in row[:HEAD_COLUMNS]) for row in head]
    return "\n".join(lines_out)


def column_lines(columns: list[ColumnScan]) -> list[str]:
    """Return one line per column; many numeric columns of a matrix are summed up in one."""
    numeric = [c for c in columns[1:] if c.dtype in NUMERIC]
    if len(columns) <= LISTED_COLUMNS or len(numeric) < 0.8 * len(columns):
        return [*map(line_of, columns[:LISTED_COLUMNS]), *named(columns[LISTED_COLUMNS:])]
    others = [columns[0], *(c for c in columns[1:] if c.dtype not in NUMERIC)][:LISTED_COLUMNS]
    names = ", ".join(plain(c.name, 20) for c in numeric[:4])
    low, high = min(c.minimum for c in numeric), max(c.maximum for c in numeric)
    missing = sum(c.missing for c in numeric)
    total = f"  {len(numeric)} numeric columns ({names}, …): {low:g} to {high:g}, {missing} missing"
    return [*map(line_of, others), total]


def named(columns: list[ColumnScan]) -> list[str]:
    """List further columns by name and type alone."""
    if not columns:
        return []
    names = ", ".join(f"{plain(c.name)} ({dtype_of(c)})" for c in columns[:NAMED_COLUMNS])
    more = len(columns) - NAMED_COLUMNS
    return [f"  {len(columns)} more columns: {names}" + (f", … and {more} more" if more > 0 else "")]


def describe_gene_sets(path: Path) -> str:
    """Describe gene sets: their number, their sizes, and the first three."""
    with open_text(path, "r") as lines:
        sizes: list[int] = []
        head: list[str] = []
        for line in lines:
            fields = line.rstrip("\r\n").split("\t")
            if len(fields) < 3:
                continue
            sizes.append(len(fields) - 2)
            if len(head) < HEAD_ROWS:
                head.append(f"  {plain(fields[0], 60)}: {', '.join(plain(f) for f in islice(fields, 2, 6))}, …")
    if not sizes:
        return "no gene sets found"
    first = (
        f"{len(sizes)} gene sets (GMT: name, description, symbols; tab-separated), {min(sizes)} to {max(sizes)} genes"
    )
    return "\n".join([first, *head])


def describe(path: Path) -> str:
    """Describe one file by its suffix."""
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix == ".gmt":
        return describe_gene_sets(path)
    if suffix in {".tsv", ".csv", ".txt", ".tab"}:
        return describe_table(path)
    with path.open("rb") as file:
        start = file.read(400)
    size = path.stat().st_size
    shown = plain(start.decode("utf-8", errors="replace"), 300) if b"\0" not in start else "(binary)"
    return f"{size} bytes; starts with: {shown}"


def texts(files: Iterable[dict[str, str]]) -> list[str]:
    """Return one bounded text per file; a file that cannot be read is described by its error."""
    found = []
    for file in files:
        path = Path(file["path"])
        try:
            body = describe(path)
        except (OSError, csv.Error, ValueError, EOFError) as error:
            body = f"cannot be read as {path.suffix or 'text'}: {type(error).__name__}: {plain(str(error), 120)}"
        text = f"{plain(file['name'], 60)} ({plain(path.name, 60)}): {body}"
        found.append(text if len(text) <= LIMIT else text[: LIMIT - 1] + "…")
    return found


if __name__ == "__main__":
    print(json.dumps(texts(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["files"])))  # noqa: T201 - the script's answer
