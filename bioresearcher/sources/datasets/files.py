"""Description of the files of one data set: each is scanned, then the files are compared with each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bioresearcher.schemas.columns import ColumnScan, as_number
from bioresearcher.schemas.dataset import Column, DataFile, Reading
from bioresearcher.sources.datasets.formats import BY_TYPE, TYPES_HEADER
from bioresearcher.sources.datasets.scan import (
    MatrixScan,
    SetsScan,
    SheetScan,
    examples,
    scan_gene_sets,
    scan_matrix,
    scan_sheet,
)
from bioresearcher.sources.datasets.spec import ColumnSpec, FileSpec
from bioresearcher.sources.datasets.table_stream import sha256_of

MIN_SAMPLES = 6
"""Least number of samples that can be analysed; the shipped skills refuse fewer, too."""

MIN_EVENTS = 5
"""Least number of events for a survival analysis."""

MIN_GROUP = 3
"""Least number of samples in a group that is compared."""

MAX_ENTRIES = 1000
"""Most names of gene sets that a description lists."""


@dataclass
class LoadedFile:
    """Description of a file, the result of its scan, problems of its data, and mistakes in its `dataset.toml`.

    `readings` says how its columns were read, and why.
    """

    file: DataFile
    scan: MatrixScan | SheetScan | SetsScan
    problems: list[str]
    mistakes: list[str] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)


def load_file(folder: Path, spec: FileSpec, scan: SheetScan | None = None) -> LoadedFile:
    """Scan one file by its description; a `scan` of a sheet made before saves a second pass.

    Raises:
        InputError: The file cannot be read as the kind its description states.
    """
    path = folder / spec.path
    size, digest = path.stat().st_size, sha256_of(path)
    base = DataFile(name=spec.name, kind=spec.kind, path=Path(spec.path).as_posix(), bytes=size, sha256=digest)
    if spec.kind == "gene_sets":
        sets = scan_gene_sets(path)
        return LoadedFile(
            base.model_copy(update={"rows": sets.sets, "entries": sets.names[:MAX_ENTRIES]}), sets, sets.problems
        )
    if spec.kind == "expression":
        return _load_matrix(path, spec, base)
    if spec.kind == "table" and spec.feature_column is not None:
        return _load_measure(path, spec, base)
    if scan is None:
        missing = {name: c.missing_values for name, c in spec.columns.items()}
        scan = scan_sheet(path, missing, spec.sample_column or _stated_id(spec))
    return _load_sheet(spec, base, scan)


def _load_measure(path: Path, spec: FileSpec, base: DataFile) -> LoadedFile:
    """Describe a table of features × samples beside the matrix, such as detection calls, by its size."""
    scan = scan_sheet(path)
    there = scan.column(spec.feature_column or "") is not None
    mistakes = [] if there else [f"feature_column: {path.name} has no column {spec.feature_column!r}"]
    beside = len(TYPES_HEADER) if spec.row_is == BY_TYPE else 1
    update: dict[str, object] = {"rows": scan.rows, "samples": scan.n_columns - beside, "row_is": spec.row_is}
    update["feature_column"] = spec.feature_column
    return LoadedFile(base.model_copy(update=update), scan, scan.problems, mistakes)


def _load_matrix(path: Path, spec: FileSpec, base: DataFile) -> LoadedFile:
    scan = scan_matrix(path, spec.feature_column)
    mistakes = []
    if spec.feature_column is not None and scan.feature_column != spec.feature_column:
        mistakes = [f"feature_column: {path.name} has no column {spec.feature_column!r}"]
    counted = spec.scale.lower() if spec.scale else scan.scale.kind
    if counted == "counts" and scan.minimum < 0:
        mistakes.append(
            f"scale: {path.name} holds counts, which cannot be negative, but {scan.first_below}; correct these values, "
            "or state another scale than counts in dataset.toml"
        )
    file = base.model_copy(
        update={
            "rows": scan.rows,
            "samples": len(scan.samples),
            "feature_column": scan.feature_column or None,
            "scale": spec.scale or (scan.scale.kind if scan.scale.sure else None) or None,
        }
    )
    return LoadedFile(file, scan, scan.problems + _scale_problems(path, spec, scan), mistakes)


def _scale_problems(path: Path, spec: FileSpec, scan: MatrixScan) -> list[str]:
    if scan.minimum > scan.maximum:
        return [f"{path.name}: no numbers were found"]
    found = []
    log_scale = (spec.scale or "").lower().startswith(("log", "ln"))
    if (spec.scale or "").lower() == "counts" and not scan.whole_numbers:
        what = "not counts (logarithms or rates?)" if scan.maximum <= 50 else "taken as estimated counts (Salmon, RSEM)"
        found.append(f"{path.name}: said to be counts, but values have decimals: {what}")
    if log_scale and scan.maximum > 50:
        found.append(f"{path.name}: said to be {spec.scale}, but values up to {scan.maximum:g} are not logarithms")
    elif spec.scale is None and scan.scale.kind in ("counts", "linear"):
        what = "counts" if scan.scale.kind == "counts" else "untransformed rates or intensities"
        found.append(
            f"{path.name}: values from {scan.minimum:g} to {scan.maximum:g} look like {what}: "
            "normalise and log-transform before analysis"
        )
    return found


def _load_sheet(spec: FileSpec, base: DataFile, scan: SheetScan) -> LoadedFile:
    name = Path(spec.path).name
    mistakes = [
        f"columns.{column}: {name} has no such column (it has: {_names(scan)})"
        for column in spec.columns
        if scan.column(column) is None
    ]
    sample_column = spec.sample_column or _stated_id(spec) or ""
    if spec.kind == "samples" and sample_column and scan.column(sample_column) is None:
        mistakes.append(f"sample_column: {name} has no column {sample_column!r} (it has: {_names(scan)})")
    columns = tuple(
        _column(c, spec.columns.get(c.name), spec.kind == "samples" and c.name == sample_column) for c in scan.columns
    )
    problems = list(scan.problems)
    if scan.n_columns > len(scan.columns):
        problems.append(f"{name}: only the first {len(scan.columns)} of {scan.n_columns} columns are described")
    for column in columns:
        found = scan.column(column.name)
        if found is not None:
            problems += _column_problems(name, column, found)
    if spec.kind == "samples" and not mistakes and sample_column and sample_column not in scan.ids:
        problems.append(f"{name}: column {sample_column!r} must name every sample once; some repeat or are empty")
    update = {"rows": scan.rows, "columns": columns, "row_is": spec.row_is}
    if spec.kind == "samples":
        update["sample_column"] = sample_column or None
    return LoadedFile(base.model_copy(update=update), scan, problems, mistakes)


def _names(scan: SheetScan) -> str:
    names = [c.name for c in scan.columns[:20]]
    return ", ".join(names) + (", …" if scan.n_columns > 20 else "")


def _stated_id(spec: FileSpec) -> str | None:
    return next((name for name, column in spec.columns.items() if column.role == "id"), None)


def _column(scan: ColumnScan, spec: ColumnSpec | None, is_id: bool) -> Column:
    spec = spec or ColumnSpec()
    levels = sorted(scan.levels, key=_natural) if scan.levels else []
    return Column(
        name=scan.name,
        dtype=scan.dtype,
        role="id" if is_id and spec.role == "other" else spec.role,
        label=spec.label,
        aliases=spec.aliases,
        levels=() if is_id else tuple(levels),
        case=spec.case,
        control=spec.control,
        missing=scan.missing,
        missing_values=tuple(dict.fromkeys((*spec.missing_values, *sorted(scan.missing_seen)))),
        unit=spec.unit,
        codes=tuple(spec.codes.items()),
        endpoint=spec.endpoint,
        event_level=spec.event_level,
        time_of=spec.time_of,
    )


def _natural(level: str) -> tuple[float, str]:
    number = as_number(level)
    return (float("inf"), level) if number is None else (number, level)


def _column_problems(name: str, column: Column, scan: ColumnScan) -> list[str]:
    where = f"{name}: column {column.name!r}"
    found = []
    if scan.first_text and (scan.mostly_numbers or column.role == "time") and column.role != "id":
        line, text = scan.first_text
        found.append(
            f"{where} holds text where numbers are expected: {scan.texts} of {scan.known} values, "
            f"first {text!r} in line {line}; correct them or list them in missing_values"
        )
    if scan.known == 0 and scan.missing and column.role not in ("other", "id"):
        found.append(f"{where} holds no known value")
    if column.role == "group":
        found += _group_problems(where, column, scan)
    if column.role == "event":
        found += _event_problems(where, column, scan)
    if column.role == "time" and scan.numbers and scan.minimum < 0:
        found.append(f"{where} holds negative times (down to {scan.minimum:g})")
    return found


def _group_problems(where: str, column: Column, scan: ColumnScan) -> list[str]:
    if scan.levels is None:
        return [f"{where} has more than 12 levels and cannot be compared as groups"]
    found = []
    for which, level in (("case", column.case), ("control", column.control)):
        size = sum(n for cell, n in scan.levels.items() if column.level_of(cell) == level)
        if level is not None and size < MIN_GROUP:
            found.append(
                f"{where}: {which} {level!r} has {size} samples "
                f"(levels: {counts(scan)}); at least {MIN_GROUP} are needed"
            )
    if len(scan.levels) < 2:
        found.append(f"{where} has {len(scan.levels)} level; nothing can be compared")
    return found


def _event_problems(where: str, column: Column, scan: ColumnScan) -> list[str]:
    if not scan.known:
        return []
    if column.event_level is None:
        return [
            f"{where}: which of its values is the event is not known ({counts(scan)}); state it with event_level"
            if not scan.binary
            else f"{where}: whether 0 or 1 is the event is not known; state it with event_level"
        ]
    events = events_of(column, scan)
    if events == 0:
        return [f"{where} holds no event: every sample is censored; survival cannot be analysed"]
    if events < MIN_EVENTS:
        return [f"{where} holds {events} events; at least {MIN_EVENTS} are needed for survival analysis"]
    return []


def events_of(column: Column, scan: ColumnScan) -> int:
    """Count the cells of an event's column that are the event."""
    return sum(n for level, n in (scan.levels or {}).items() if column.is_event(level))


def counts(scan: ColumnScan) -> str:
    """Format the levels with their sizes (`0 (50), 1 (72)`), or the range of a column with too many levels."""
    if scan.levels is None:
        return f"values from {scan.minimum:g} to {scan.maximum:g}" if scan.numbers else "many texts"
    return ", ".join(f"{level} ({scan.levels[level]})" for level in sorted(scan.levels, key=_natural))


def shared_samples(files: Sequence[LoadedFile]) -> tuple[int, list[str]]:
    """Count the samples that can be analysed (in the matrix and in the sample sheet, if both exist); list problems."""
    matrix = next((f for f in files if isinstance(f.scan, MatrixScan)), None)
    sheet = next((f for f in files if f.file.kind == "samples"), None)
    if matrix is None or not isinstance(matrix.scan, MatrixScan):
        n = sheet.file.rows if sheet is not None else 0
        return n, _too_few(n) if sheet is not None else []
    if sheet is None or not isinstance(sheet.scan, SheetScan):
        n = len(matrix.scan.samples)
        return n, _too_few(n)
    ids = sheet.scan.ids.get(sheet.file.sample_column or "")
    if ids is None and sheet.file.sample_column is None:
        return 0, [f"no column of {sheet.file.path} names every sample once; state it with sample_column"]
    if ids is None:
        return 0, []  # a problem of the sheet already: it does not name every sample once
    n, problems = _compare(matrix.file.path, matrix.scan, sheet.file.path, ids)
    return n, problems + (_too_few(n) if n else [])


def _too_few(n: int) -> list[str]:
    return [] if n >= MIN_SAMPLES else [f"only {n} samples; at least {MIN_SAMPLES} are needed for any analysis"]


def _compare(matrix_path: str, matrix: MatrixScan, sheet_path: str, ids: list[str]) -> tuple[int, list[str]]:
    in_sheet, in_matrix = set(ids), set(matrix.samples)
    shared = len(in_matrix & in_sheet)
    only_matrix = [s for s in matrix.samples if s not in in_sheet]
    only_sheet = [s for s in ids if s not in in_matrix]
    if shared == 0:
        return 0, [_no_match(matrix_path, matrix, sheet_path, ids)]
    return shared, [
        f"{len(names)} of {total} samples in {here} are not in {there}, e.g. {examples(names)}"
        for here, there, names, total in (
            (matrix_path, sheet_path, only_matrix, len(matrix.samples)),
            (sheet_path, matrix_path, only_sheet, len(ids)),
        )
        if names
    ]


def _no_match(matrix_path: str, matrix: MatrixScan, sheet_path: str, ids: list[str]) -> str:
    text = f"no sample of {matrix_path} ({examples(matrix.samples, 2)}, …) is in {sheet_path} ({examples(ids, 2)}, …)"
    loose = len({_loose(s) for s in matrix.samples} & {_loose(s) for s in ids})
    if set(matrix.first_ids) & set(ids):
        return f"{text}; the matrix has the samples in its rows: transpose it, features must be rows"
    if loose:
        return f"{text}; {loose} would match if case and punctuation were ignored: make the names equal"
    return f"{text}; make the names equal"


def _loose(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()
