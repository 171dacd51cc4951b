"""Describe input files. Called as `describe_inputs.py spec.json` with `{"files": [{"name", "path"}]}`.

Prints a JSON list of texts, one per file, each at most `LIMIT` characters: of a table rows, columns with type, missing
count and distinct values, and the first three rows; of JSON the tree of its keys with values; of a text all of it, up
to `TEXT_CHARS`. Cells are whole up to `CELL` characters. Tables are read in one pass, without keeping them; beyond
`FULL_CELLS` cells rows are only counted, which is said. Of this package it imports what `lay_script` lays beside it.
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

LIMIT = 5000
CELL = 120
TEXT_CHARS, TEXT_END = 3000, 600
EXAMPLES, EXAMPLE_ROWS, EXAMPLES_CHARS = 10, 300, 500
JSON_BYTES, JSON_KEYS, JSON_ITEMS, JSON_DEPTH = 20_000_000, 30, 3, 6
HEAD_ROWS = 3
HEAD_COLUMNS = 8
LISTED_COLUMNS = 24
NAMED_COLUMNS = 60
CODES_LISTED = 6
FULL_CELLS = 10_000_000
NUMERIC = ("integer", "number")

# letters, marks and variation selectors that show nothing: a copy, as nothing of the program is inside the sandbox
UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U0001d159") | frozenset(
    map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)


def plain(text: str, width: int = CELL) -> str:
    """Return a text for one line: invisible characters replaced, long cells cut."""
    line = "".join(c if c.isprintable() and c not in UNSEEN else "·" for c in text)
    return line if len(line) <= width else line[: width - 1] + "…"


def dtype_of(column: ColumnScan) -> str:
    """Return the narrowest type that holds all known values."""
    return column.dtype if column.known else "empty"


def line_of(column: ColumnScan, values: dict[str, None] | None = None) -> str:
    """Return one line on a column: name, type, missing count, levels, range or ten values, and codes for missing."""
    said = f"  {plain(column.name)}: {dtype_of(column)}, {column.missing} missing"
    few = column.levels and (len(column.levels) <= 6 or column.dtype not in NUMERIC)
    if few and column.levels:
        said += "; values " + ", ".join(f"{plain(k)!r} ({n})" for k, n in sorted(column.levels.items()))
    elif column.dtype in NUMERIC:
        said += f"; {column.minimum:g} to {column.maximum:g}"
    elif values:
        shown = [repr(plain(value)) for value in values]
        while len(shown) > 2 and sum(map(len, shown)) > EXAMPLES_CHARS:
            shown.pop()
        said += f"; more than 12 values, the first {', '.join(shown)}"
    codes = [repr(plain(code)) for code in sorted(column.missing_seen)[:CODES_LISTED]]
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
        values: list[dict[str, None]] = [{} for _ in range(len(header) + 1)]
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
            if count <= EXAMPLE_ROWS:
                for known, cell in zip(values, row, strict=False):
                    if len(known) < EXAMPLES and cell.strip():
                        known[cell.strip()] = None
        count += sum(1 for row in rows if row and row != [""])
    for column in columns:
        column.finish()
    name = {"\t": "tab", ",": "comma", ";": "semicolon"}[separator]
    lines_out = [f"{count} rows × {len(columns)} columns, {name}-separated, first line is the header"]
    lines_out += [f"  (types, ranges and missing values are those of the first {looked_at} rows)"] * (looked_at < count)
    lines_out += column_lines(columns, values)
    lines_out.append("  first rows: " + " | ".join(plain(c.name) for c in columns[:HEAD_COLUMNS]))
    lines_out += ["    " + " | ".join(plain(c) for c in row[:HEAD_COLUMNS]) for row in head]
    return "\n".join(lines_out)


def column_lines(columns: list[ColumnScan], values: list[dict[str, None]]) -> list[str]:
    """Return one line per column; many numeric columns of a matrix are summed up in one."""
    first = {id(column): known for column, known in zip(columns, values, strict=False)}

    def line(column: ColumnScan) -> str:
        return line_of(column, first.get(id(column)))

    numeric = [c for c in columns[1:] if c.dtype in NUMERIC]
    if len(columns) <= LISTED_COLUMNS or len(numeric) < 0.8 * len(columns):
        return [*map(line, columns[:LISTED_COLUMNS]), *named(columns[LISTED_COLUMNS:])]
    others = [columns[0], *(c for c in columns[1:] if c.dtype not in NUMERIC)][:LISTED_COLUMNS]
    names = ", ".join(plain(c.name) for c in numeric[:EXAMPLES])
    low, high = min(c.minimum for c in numeric), max(c.maximum for c in numeric)
    missing = sum(c.missing for c in numeric)
    total = f"  {len(numeric)} numeric columns ({names}, …): {low:g} to {high:g}, {missing} missing"
    return [*map(line, others), total]


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


def is_table(path: Path) -> bool:
    """Return True if the first lines of a text have the same number of cells, at least two, and are no sentences."""
    with open_text(path, "r") as lines:
        first = [line for line in islice(lines, 10) if line.strip()]
    if not first or "\t" in first[0]:
        return bool(first)
    separator = separator_of(path, first[0])
    if f"{separator} " in first[0]:
        return False
    widths = {len(row) for row in split_rows(iter(first), separator)}
    return len(first) > 1 and len(widths) == 1 and widths != {1}


def describe_text(path: Path) -> str:
    """Show a text in full, a long one with its beginning and end."""
    with open_text(path, "r") as lines:
        text = lines.read(JSON_BYTES)
    said = f"text of {len(text)} characters"
    if len(text) <= TEXT_CHARS:
        return f"{said}:\n{lines_of(text)}"
    head, end = text[: TEXT_CHARS - TEXT_END].rpartition("\n")[0], text[-TEXT_END:].partition("\n")[2]
    left = len(text) - len(head) - len(end)
    return f"{said}; of them {left} in the middle are left out:\n{lines_of(head)}\n[{left} characters]\n{lines_of(end)}"


def lines_of(text: str) -> str:
    """Return a text with its line ends; what is invisible is replaced."""
    return "\n".join(plain(line.replace("\t", " "), TEXT_CHARS) for line in text.splitlines())


def describe_json(path: Path) -> str:
    """Show JSON in full, a long one as the tree of its keys with values."""
    with open_text(path, "r") as lines:
        text = lines.read(JSON_BYTES + 1)
    if len(text) <= TEXT_CHARS or len(text) > JSON_BYTES:
        return f"JSON, {describe_text(path)}"
    return "\n".join([f"JSON of {len(text)} characters, as the tree of its keys:", *tree(json.loads(text))])


def tree(value: object, depth: int = 1) -> list[str]:
    """Return lines on a JSON value: keys with their values; of lists the length and the first items."""
    pad = "  " * depth
    if isinstance(value, dict):
        items = [(json.dumps(plain(str(key)), ensure_ascii=False), item) for key, item in value.items()]
        more = len(items) - JSON_KEYS
        last = [f"{pad}({more} more keys)"] if more > 0 else []
        return [line for key, item in items[:JSON_KEYS] for line in branch(key, item, depth)] + last
    if isinstance(value, list):
        items = [(f"item {n}", item) for n, item in enumerate(value[:JSON_ITEMS], 1)]
        return [line for key, item in items for line in branch(key, item, depth)]
    return [pad + plain(json.dumps(value, ensure_ascii=False), 2 * CELL)]


def branch(key: str, value: object, depth: int) -> list[str]:
    """Return the lines of one key."""
    pad = "  " * depth
    if not isinstance(value, dict | list):
        return [f"{pad}{key}: {plain(json.dumps(value, ensure_ascii=False), 2 * CELL)}"]
    plainly = json.dumps(value, ensure_ascii=False)
    if len(plainly) <= CELL:
        return [f"{pad}{key}: {plain(plainly)}"]
    size = f"{len(value)} {'keys' if isinstance(value, dict) else 'items'}"
    return [f"{pad}{key}: {size}", *(tree(value, depth + 1) if depth < JSON_DEPTH else [])]


def describe(path: Path) -> str:
    """Describe one file by its suffix."""
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix == ".gmt":
        return describe_gene_sets(path)
    if suffix == ".json":
        return describe_json(path)
    if suffix in {".tsv", ".csv", ".tab"} or (suffix == ".txt" and is_table(path)):
        return describe_table(path)
    if suffix in {".txt", ".md", ".toml", ".yaml", ".yml"}:
        return describe_text(path)
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
        except (OSError, csv.Error, ValueError, EOFError, RecursionError) as error:
            body = f"cannot be read as {path.suffix or 'text'}: {type(error).__name__}: {plain(str(error), 120)}"
        text = f"{plain(file['name'], 60)} ({plain(path.name, 60)}): {body}"
        found.append(whole_lines(text))
    return found


def whole_lines(text: str) -> str:
    """Cut a text at the end of a line, so that it has at most `LIMIT` characters, and say how much is left out."""
    if len(text) <= LIMIT:
        return text
    room = LIMIT - 60
    kept = text[:room].rpartition("\n")[0] or text[:room]
    return f"{kept}\n  ({len(text) - len(kept)} more characters of this description)"


if __name__ == "__main__":
    print(json.dumps(texts(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["files"])))  # noqa: T201 - the script's answer
