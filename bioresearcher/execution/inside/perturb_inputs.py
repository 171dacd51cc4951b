"""Make a changed copy of each input file, the same for the same seed. Called as `perturb_inputs.py spec.json`.

The spec is `{"variant", "seed", "files": [{"path", "out"}]}`. Names of rows and columns stay; cells move as
text, so that nothing is reformatted. Variants, from the strongest change to none:

- `resample`: values drawn anew, with replacement, from the same column (matrix: the same row), so that also
  counts and means change;
- `permute`: values of each column shuffled over the rows;
- `touch`: a single value of each column (matrix: of each row) replaced by another one;
- `nudge`: every measured number moved by up to a twentieth; labels, names and columns of few values stay;
- `drop`: as `permute`, and a tenth of the rows left out;
- `rewrite`: the same values in other bytes;
- `rename`: the same values, and parts of the names exchanged, alike in all files (`renamed.py`).

The copies stay consistent: rows of the same name are left out of all tables, cells that two tables share change alike
(`linked.py`), and check sums, with the sizes beside them in a list of frozen files, stay.

Gene sets (GMT) exchange members, JSON numbers change places, the tables inside SOFT and series matrix files change as
tables do, the numbers of `X` and the layers of an h5ad file change within their rows; other files are copied. One line
of JSON on standard output says what was done to each file. Tables are read in blocks, so that memory stays small.
"""

from __future__ import annotations

import csv
import json
import random
import re
import shutil
import sys
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from statistics import median
from typing import IO, TYPE_CHECKING, Any

from bioresearcher.execution.inside.linked import Links
from bioresearcher.execution.inside.renamed import new_names
from bioresearcher.execution.inside.rows import open_text, separator_of, split_rows
from bioresearcher.schemas.missing import blanked

if TYPE_CHECKING:
    import h5py

VARIANTS = ("resample", "permute", "touch", "nudge", "drop", "rewrite", "rename")
BLOCK_CELLS = 1_000_000
PROBE_ROWS = 200
MATRIX_COLUMNS = 8
NUDGED_VALUES = 8
"""Fewest different numbers of a column that is taken for measured, not for labels."""
_LOW = re.compile(r"(95_?)?(ci_?)?(95_?)?(low|lower|lb|lcl|ll|lci|l95)(_?(ci|95|limit|bound))*")
_HIGH = re.compile(r"(95_?)?(ci_?)?(95_?)?(high|upper|ub|ucl|ul|uci|u95)(_?(ci|95|limit|bound))*")
_DECIMAL = re.compile(r"-?\d+\.\d+")
_CHECK_SUM = re.compile(
    r"(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{56}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128})"
)

_BESIDE = "\x1f"
"""Between cells that move together; no cell of numbers holds it."""

Row = list[str]


def kind_of(path: Path) -> str:
    """Return `table`, `soft`, `gene_sets`, `json`, `h5ad` or `other`, by the suffix and the first character of text."""
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix in {".tsv", ".csv", ".txt", ".tab", ".soft"}:
        try:
            with open_text(path, "r") as lines:
                begins = lines.read(1)
        except (OSError, EOFError):
            return "table"
        return "soft" if begins in {"!", "^"} or suffix == ".soft" else "table"
    return {".gmt": "gene_sets", ".json": "json", ".h5ad": "h5ad"}.get(suffix, "other")


def number(text: str) -> float | None:
    """Return the cell as a number, or None."""
    try:
        return float(text)
    except ValueError:
        return None


def numeric_columns(rows: list[Row]) -> dict[int, list[float]]:
    """Return the columns (but the first) whose known values are nearly all numbers, with those numbers."""
    found: dict[int, list[float]] = {}
    for index in range(1, max((len(row) for row in rows), default=0)):
        known = [cell for cell in blanked(row[index] for row in rows if index < len(row)) if cell]
        values = [v for v in map(number, known) if v is not None]
        if values and len(values) >= 0.95 * len(known):
            found[index] = values
    return found


def matrix_columns(rows: list[Row]) -> tuple[int, ...]:
    """Return the columns of a measurement matrix, many numeric columns on one scale; empty for other tables."""
    numeric = numeric_columns(rows)
    width = max((len(row) for row in rows), default=0)
    if len(numeric) < MATRIX_COLUMNS or len(numeric) < 0.8 * (width - 1):
        return ()
    centres = [median(v) for v in numeric.values()]
    spreads = [max(v) - min(v) for v in numeric.values()]
    typical = median(spreads) + 1e-12
    alike = all(abs(c - median(centres)) <= 2 * typical for c in centres) and max(spreads) <= 10 * typical
    return tuple(numeric) if alike else ()


def id_columns(rows: list[Row]) -> frozenset[int]:
    """Return the columns that name the rows: the first, and text columns without a repeat.

    Of a list of files with check sums (every row has one) all columns are such: files keep their sums and sizes.
    """
    width = max((len(row) for row in rows), default=0)
    if width <= 1:
        return frozenset()
    if rows and all(any(_CHECK_SUM.fullmatch(cell) for cell in row) for row in rows):
        return frozenset(range(width))
    numeric = numeric_columns(rows)
    unique = {i for i in range(1, width) if i not in numeric and len({r[i] for r in rows if i < len(r)}) == len(rows)}
    return frozenset({0} | (unique if len(rows) > 2 else set()))


def linked_columns(header: Row, rows: list[Row]) -> tuple[int, ...]:
    """Return the limits of an interval and the numbers that lie in it in every row; empty without such columns.

    They move together: an estimate outside its own interval is nothing that could have been measured.
    """
    names = [re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") for name in header]
    low = [i for i, name in enumerate(names) if _LOW.fullmatch(name)]
    high = [i for i, name in enumerate(names) if _HIGH.fullmatch(name)]
    if len(low) != 1 or len(high) != 1 or not rows:
        return ()

    def held(row: Row, index: int) -> bool:
        cells = [number(row[i]) if i < len(row) else None for i in (low[0], index, high[0])]
        return None in cells or cells == sorted(cells, key=lambda v: v or 0.0)

    between = [i for i in numeric_columns(rows) if i not in (*low, *high) and all(held(row, i) for row in rows)]
    return (*low, *between, *high)


def change(values: list[str], variant: str, rng: random.Random) -> list[str]:
    """Return one column (or matrix row) after the variant."""
    if variant == "resample":
        return rng.choices(values, k=len(values))
    if variant == "nudge":
        return nudged(values, rng)
    changed = list(values)
    if variant in {"permute", "drop"}:
        rng.shuffle(changed)
    elif variant == "touch" and len(set(values)) > 1:
        target = rng.randrange(len(values))
        changed[target] = rng.choice([v for v in values if v != values[target]])
    return changed


def nudged(values: list[str], rng: random.Random) -> list[str]:
    """Move the numbers of a measured column (or matrix row) by up to a twentieth, as precise as they were written.

    Columns of few different numbers are labels, and stay, as do whole numbers too small to move.
    """
    numbers = [number(cell) for cell in values]
    different = {value for value in numbers if value is not None}
    if len(different) < NUDGED_VALUES:
        return values
    found = []
    for cell, value in zip(values, numbers, strict=True):
        decimals = len(cell.partition(".")[2]) if _DECIMAL.fullmatch(cell) else 0
        plain = value is not None and (decimals or cell.strip().lstrip("-").isdigit())
        found.append(f"{value * (1 + rng.uniform(-0.05, 0.05)):.{decimals}f}" if plain and value else cell)
    return found


def longer(cell: str) -> str:
    """Return the same number with one more decimal zero."""
    return cell + "0" if _DECIMAL.fullmatch(cell) else cell


def change_list(rows: list[Row], variant: str, rng: random.Random) -> list[Row]:
    """Change a file of one column: entries are its data, so some are left out."""
    if variant == "resample":
        return rng.choices(rows, k=len(rows))
    if variant == "nudge":
        return [[cell] for cell in nudged([row[0] for row in rows], rng)]
    if variant == "touch":
        gone = rng.randrange(len(rows))
        return rows[:gone] + rows[gone + 1 :]
    return thinned(rows, rng)


def thinned(rows: list[Row], rng: random.Random) -> list[Row]:
    """Leave out a tenth of the rows, at least one."""
    keep = sorted(rng.sample(range(len(rows)), len(rows) - max(1, len(rows) // 10)))
    return [rows[i] for i in keep]


def change_block(rows: list[Row], variant: str, rng: random.Random, shape: tuple[Any, Any, Any]) -> list[Row]:
    """Return one block of a table after the variant; `shape` is (matrix columns, id columns, linked columns)."""
    matrix, ids, linked = shape
    if variant == "rewrite":
        return [[longer(cell) for cell in row] for row in rows]
    width = max(len(row) for row in rows)
    if width == 1:
        return change_list(rows, variant, rng)
    rows = [list(row) for row in rows]
    if matrix and variant in {"resample", "touch", "nudge"}:
        for row in rows:
            present = [i for i in matrix if i < len(row)]
            for i, cell in zip(present, change([row[i] for i in present], variant, rng), strict=True):
                row[i] = cell
        return rows
    if linked and all(len(row) == width for row in rows):
        groups = change([_BESIDE.join(row[i] for i in linked) for row in rows], variant, rng)
        for row, group in zip(rows, groups, strict=True):
            for i, cell in zip(linked, group.split(_BESIDE), strict=True):
                row[i] = cell
        ids = ids | frozenset(linked)
    for index in (i for i in range(width) if i not in ids):
        holders = [row for row in rows if index < len(row)]
        for row, cell in zip(holders, change([r[index] for r in holders], variant, rng), strict=True):
            row[index] = cell
    return thinned_alike(rows) if variant == "drop" and len(rows) > 1 else rows


def thinned_alike(rows: list[Row]) -> list[Row]:
    """Leave out about a tenth of the rows, at least one, chosen by their names: the same ones in every table."""
    marks = [zlib.crc32(row[0].encode("utf-8", "surrogateescape")) for row in rows]
    gone = {mark for mark in marks if mark % 10 == 0} or {marks[0]}
    kept = [row for row, mark in zip(rows, marks, strict=True) if mark not in gone]
    return kept or rows[1:]


def blocks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield rows in blocks of about a million cells; empty lines are left out."""
    kept = (row for row in rows if row and row != [""])
    for first in kept:
        yield [first, *islice(kept, max(1, BLOCK_CELLS // len(first)))]


def write_rows(target: IO[str], rows: Iterable[Row], separator: str, end: str) -> None:
    """Write rows of cells as text, the inverse of `split_rows`."""
    if separator == "\t":
        target.writelines("\t".join(row) + end for row in rows)
    else:
        csv.writer(target, delimiter=separator, lineterminator=end).writerows(rows)


def perturb_table(source: Path, target: Path, variant: str, rng: random.Random, links: Links | None = None) -> bool:
    """Write the changed table, consistent with the tables of `links`; return True if something did change."""
    csv.field_size_limit(10_000_000)
    with open_text(source, "r") as lines, open_text(target, "w") as out:
        top = next(lines, "")
        while top.startswith("#"):
            out.write(top)
            top = next(lines, "")
        separator = separator_of(source, top)
        rows = split_rows(chain([top], lines), separator)
        header = next(rows, None)
        if header is None:
            return False
        parts = blocks(rows)
        first = next(parts, [])
        probe = first[:PROBE_ROWS]
        shape = (matrix_columns(probe), id_columns(probe), linked_columns(header, probe))
        decimals = any(_DECIMAL.fullmatch(cell) for row in probe for cell in row)
        end = "\r\n" if variant == "rewrite" and not decimals else "\n"
        write_rows(out, [header], separator, end)
        changed = variant == "rewrite"
        for block in chain([first] if first else [], parts):
            result = change_block(block, variant, rng, shape)
            if links is not None and block is first and variant != "rewrite":
                links.apply(header, first, result, shape[1])
            changed = changed or result != block
            write_rows(out, result, separator, end)
    return changed


def names_of(source: Path) -> list[str]:
    """Return the names in a table: of its rows, and of the columns of a matrix; none of other files."""
    if kind_of(source) != "table":
        return []
    with open_text(source, "r") as lines:
        top = next((line for line in lines if not line.startswith("#")), "")
        rows = list(split_rows(chain([top], lines), separator_of(source, top)))
    probe = rows[1 : PROBE_ROWS + 1]
    ids = id_columns(probe) or {0}
    found = [row[i] for row in rows[1:] for i in ids if i < len(row) and number(row[i]) is None]
    return [*found, *(rows[0][i] for i in matrix_columns(probe) if rows)]


def rename_file(source: Path, target: Path, new: dict[str, str]) -> bool:
    """Write a copy with new names in place of whole cells or texts; return True if there was one."""
    kind = kind_of(source)
    if kind == "json":
        value, count = _renamed_json(json.loads(source.read_text(encoding="utf-8")), new)
        target.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
        return count > 0
    if kind not in {"table", "gene_sets"}:
        shutil.copyfile(source, target)
        return False
    with open_text(source, "r") as lines, open_text(target, "w") as out:
        top = next(lines, "")
        while top.startswith("#"):
            out.write(top)
            top = next(lines, "")
        separator = separator_of(source, top)
        rows = [row for row in split_rows(chain([top], lines), separator) if row and row != [""]]
        write_rows(out, ([new.get(cell, cell) for cell in row] for row in rows), separator, "\n")
    return any(cell in new for row in rows for cell in row)


def _renamed_json(value: object, new: dict[str, str]) -> tuple[object, int]:
    if isinstance(value, str):
        return new.get(value, value), value in new
    if isinstance(value, list):
        items = [_renamed_json(item, new) for item in value]
        return [item for item, _ in items], sum(count for _, count in items)
    if isinstance(value, dict):
        pairs = [(new.get(key, key), key in new, _renamed_json(item, new)) for key, item in value.items()]
        return {key: item for key, _, (item, _) in pairs}, sum(count + own for _, own, (_, count) in pairs)
    return value, 0


def perturb_soft(source: Path, target: Path, variant: str, rng: random.Random) -> bool:
    """Change the tables between `table_begin` and `table_end` of GEO's SOFT and series matrix files."""
    changed = False
    with open_text(source, "r") as lines, open_text(target, "w") as out:
        for line in lines:
            if line.lower().startswith("!") and "_table_begin" in line.lower():
                out.write(line)
                changed |= _soft_table(lines, out, variant, rng)
            else:
                out.write(line.rstrip("\r\n") + ("\r\n" if variant == "rewrite" else "\n"))
    return changed or variant == "rewrite"


def _soft_table(lines: Iterator[str], out: IO[str], variant: str, rng: random.Random) -> bool:
    """Change one table up to its end line, which is written too."""
    ended: list[str] = []

    def inside() -> Iterator[str]:
        for line in lines:
            if line.startswith("!"):
                ended.append(line)
                return
            yield line

    rows = split_rows(inside(), "\t")
    header = next(rows, None)
    changed = False
    if header is not None:
        write_rows(out, [header], "\t", "\n")
        parts = blocks(rows)
        first = next(parts, [])
        shape = (matrix_columns(first[:PROBE_ROWS]), id_columns(first[:PROBE_ROWS]), ())
        for block in chain([first] if first else [], parts):
            result = change_block(block, variant, rng, shape)
            changed = changed or result != block
            write_rows(out, result, "\t", "\n")
    out.writelines(ended)
    return changed


def perturb_h5ad(source: Path, target: Path, variant: str, rng: random.Random) -> bool:
    """The numbers of `X`, layers and `raw/X`: dense ones within rows, sparse ones among the places that are filled."""
    import h5py

    shutil.copyfile(source, target)
    seed = rng.getrandbits(32)
    changed = variant == "rewrite"
    with h5py.File(target, "r+") as file:
        if variant == "rewrite":
            file.attrs["rewritten"] = 1
            return True
        names = ["X", *(f"layers/{name}" for name in file.get("layers", ())), "raw/X"]
        for name in (n for n in names if n in file):
            values = file[name]["data"] if isinstance(file[name], h5py.Group) else file[name]
            for start in range(0, values.shape[0], max(1, BLOCK_CELLS // (values.shape[1] if values.ndim == 2 else 1))):
                changed |= _change_array(values, start, variant, seed)
    return changed


def _change_array(values: h5py.Dataset, start: int, variant: str, seed: int) -> bool:
    """Change about a million numbers of a data set, from row `start`."""
    import numpy as np

    generator = np.random.default_rng((seed, start))
    width = values.shape[1] if values.ndim == 2 else 1
    before = values[start : start + max(1, BLOCK_CELLS // width)]
    axis = before.ndim - 1
    after = generator.permuted(before, axis=axis)
    if variant == "resample":
        after = np.take(before, generator.integers(0, before.shape[axis], before.shape[axis]), axis=axis)
    elif variant == "touch":
        after = before.copy()
        after.reshape(-1)[0] = before.max()
    elif variant == "nudge":
        after = (before * generator.uniform(0.95, 1.05, before.shape)).astype(before.dtype)
    values[start : start + len(after)] = after
    return not np.array_equal(before, after, equal_nan=True)


def perturb_gene_sets(source: Path, target: Path, variant: str, rng: random.Random) -> bool:
    """Exchange members among sets of unchanged names and sizes."""
    with open_text(source, "r") as lines:
        rows = [line.rstrip("\r\n").split("\t") for line in lines if line.strip()]
    before = [list(row) for row in rows]
    places = [(r, c) for r, row in enumerate(rows) for c in range(2, len(row)) if row[c]]
    if variant == "touch":
        places = rng.sample(places, max(2, len(places) // 10)) if len(places) > 2 else places
    if variant not in ("rewrite", "nudge"):
        members = [rows[r][c] for r, c in places]
        rng.shuffle(members)
        for (r, c), member in zip(places, members, strict=True):
            rows[r][c] = member
    if variant == "drop" and len(rows) > 1:
        rows = thinned(rows, rng)
    with open_text(target, "w") as out:
        write_rows(out, rows, "\t", "\r\n" if variant == "rewrite" else "\n")
    return variant == "rewrite" or rows != before


def number_places(value: object) -> list[tuple[Any, Any]]:
    """Return (container, key) of each number in a JSON value."""
    found: list[tuple[Any, Any]] = []
    waiting: list[Any] = [value]
    while waiting:
        box = waiting.pop()
        items = box.items() if isinstance(box, dict) else enumerate(box) if isinstance(box, list) else ()
        for key, item in items:
            if isinstance(item, int | float) and not isinstance(item, bool):
                found.append((box, key))
            waiting.append(item)
    return found


def perturb_json(source: Path, target: Path, variant: str, rng: random.Random) -> bool:
    """Exchange numbers among their places, whole numbers among whole numbers."""
    value = json.loads(source.read_text(encoding="utf-8"))
    changed = variant == "rewrite"
    for kind in (int, float) if variant != "rewrite" else ():
        places = [(box, key) for box, key in number_places(value) if type(box[key]) is kind]
        before = [json.dumps(box[key]) for box, key in places]
        after = change(before, variant, rng) if before and (variant != "nudge" or kind is float) else before
        changed = changed or after != before
        for (box, key), text in zip(places, after, strict=True):
            box[key] = json.loads(text)
    target.write_text(json.dumps(value, indent=3 if variant == "rewrite" else None), encoding="utf-8")
    return changed


WRITERS = {
    "soft": perturb_soft,
    "gene_sets": perturb_gene_sets,
    "json": perturb_json,
    "h5ad": perturb_h5ad,
}


def least_rows(source: Path) -> int:
    """Count the rows of a table or the columns of a matrix: one in so many values changes when one is touched."""
    with open_text(source, "r") as lines:
        top = next((line for line in lines if not line.startswith("#")), "")
        separator = separator_of(source, top)
        probe = list(islice(split_rows(lines, separator), PROBE_ROWS))
        matrix = matrix_columns(probe)
        return len(matrix) if matrix else len(probe) + sum(1 for _ in lines)


_TROUBLE = (csv.Error, ValueError, TypeError, KeyError, OSError, ImportError, RecursionError, EOFError, zlib.error)


def perturb_file(
    source: Path, target: Path, variant: str, rng: random.Random, links: Links | None = None
) -> dict[str, Any]:
    """Write one changed copy; a file that cannot be understood is copied, and the answer says so."""
    target.parent.mkdir(parents=True, exist_ok=True)
    kind = kind_of(source)
    if kind != "other":
        try:
            rows = {"rows": least_rows(source)} if kind == "table" and variant == "touch" else {}
            if kind == "table":
                return {"kind": kind, "changed": perturb_table(source, target, variant, rng, links), **rows}
            return {"kind": kind, "changed": WRITERS[kind](source, target, variant, rng)}
        except _TROUBLE as error:
            kind = f"other ({type(error).__name__})"
    shutil.copyfile(source, target)
    return {"kind": kind, "changed": False}


def rename_files(spec: dict[str, Any], rng: random.Random) -> list[dict[str, Any]]:
    """Write copies with the same new names in all; a file that cannot be understood is copied."""
    names: list[str] = []
    for file in spec["files"]:
        try:
            names += names_of(Path(file["path"]))
        except _TROUBLE:
            continue
    new, done = new_names(names, rng), []
    for file in spec["files"]:
        source, target = Path(file["path"]), Path(file["out"])
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            done.append({"kind": kind_of(source), "changed": rename_file(source, target, new)})
        except _TROUBLE as error:
            shutil.copyfile(source, target)
            done.append({"kind": f"other ({type(error).__name__})", "changed": False})
    return done


def perturb_files(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Write the changed copies of all files, consistent with each other."""

    def chance(index: int) -> random.Random:
        return random.Random(f"{spec['seed']}:{spec['variant']}:{index}")  # noqa: S311 - not for secrets

    if spec["variant"] == "rename":
        return rename_files(spec, chance(0))
    links = Links()
    return [
        perturb_file(Path(file["path"]), Path(file["out"]), spec["variant"], chance(index), links)
        for index, file in enumerate(spec["files"])
    ]


def main(argv: list[str]) -> None:
    """Read the spec, write the copies, print one answer per file."""
    spec = json.loads(Path(argv[1]).read_text(encoding="utf-8"))
    print(json.dumps(perturb_files(spec)))  # noqa: T201 - the script's answer


if __name__ == "__main__":
    main(sys.argv)
