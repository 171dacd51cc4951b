"""Guessed descriptions of tables that come without `dataset.toml`: kinds of files and roles of columns.

Every guess is made by rules from names and values, is noted, and is confirmed by nobody at the source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.runfolder import safe_name
from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.dataset import FileKind, Reading
from bioresearcher.schemas.missing import blanked
from bioresearcher.sources.datasets.as_written import LIMIT
from bioresearcher.sources.datasets.endpoints import normal
from bioresearcher.sources.datasets.files import LoadedFile, load_file
from bioresearcher.sources.datasets.formats import BY_TYPE, CONVERTED_SUFFIXES, SAMPLE_FILES, TYPES_HEADER
from bioresearcher.sources.datasets.roles import names_clinical
from bioresearcher.sources.datasets.scan import SHEET_LIMITS, SheetScan, scan_sheet
from bioresearcher.sources.datasets.sheets import (
    GENES_HEADER,
    SheetReading,
    complete,
    is_study_table,
    read_cells,
    read_sheet,
)
from bioresearcher.sources.datasets.spec import ColumnSpec, DatasetSpec, FileSpec
from bioresearcher.sources.datasets.table_stream import RowStream, TableLimits, is_table, plain_suffix
from bioresearcher.sources.datasets.text_source import find_source

UNDESCRIBED = "the researcher's own files; no description was given"
"""The `source` of a data set without a description."""

_MANY_NUMBERS = 12
"""Numeric columns from which a sample sheet without a matrix may hold the measurements itself."""
_SAMPLE = re.compile(r"(^|_)(sample|specimen|aliquot|gsm|array)(_?(id|name|barcode|code|accession))?$")
_COUNTER = re.compile(
    r"^(id|index|no|nr|number|row|unnamed_0|(sample|patient|subject|case|record|participant|donor|animal|study)_?(id|no|nr|number))$"
)
_KIND_WORDS = {
    "expression": "an expression matrix (features in rows)",
    "samples": "the sample sheet",
    "gene_sets": "gene sets",
    "table": "a table",
}
_XENA = re.compile(r"(?i)(\.xena|_xena_sp|_sampleMap)(\.gz)?$")
"""Ends of names that UCSC Xena gives tables."""
_PEEK = TableLimits(text_bytes=32 << 20)
_PEEK_ROWS = 100
_MIN_SAMPLES = 3

_STATISTICS = re.compile(
    r"(log2?_?(fc|foldchange|fold_change|ratio)|log2fc|p_?val(ue)?s?|pvals_adj|logfoldchanges|padj|p_?adj\w*|adj_?p\w*|fdr"
    r"|q_?val(ue)?s?|basemean|base_mean|lfcse|stat|aveexpr|logcpm|lr|odds_?ratio|hazard_?ratio|hr|beta|se|z_?score|es|nes"
    r"|nom_p_val|fold_?change|bonferroni|ci_?(low|high|lower|upper)\w*|estimate|std_?err(or)?|t|b|f)"
)


@dataclass(frozen=True)
class TableHead:
    """Head of a table: its header and, of the first rows, how the columns look."""

    path: Path
    header: tuple[str, ...]
    first_column: tuple[str, ...]
    numeric_share: float
    rows: int


def read_head(path: Path) -> TableHead:
    """Read the first rows of a table.

    Raises:
        InputError: The file cannot be read as a table.
    """
    with RowStream(path, _PEEK) as stream:
        rows = list(stream.rows(_PEEK_ROWS))
        header = tuple(stream.header)
    known = numbers = 0
    for i in range(1, len(header)):
        cells = [cell for cell in blanked(row[i] for row in rows) if cell]
        count = sum(as_number(cell) is not None or LIMIT.fullmatch(cell) is not None for cell in cells)
        known, numbers = known + len(cells), numbers + count
    return TableHead(
        path=path,
        header=header,
        first_column=tuple(row[0].strip() for row in rows),
        numeric_share=numbers / known if known else 0.0,
        rows=len(rows),
    )


def is_data_file(path: Path) -> bool:
    """Return True if a file of a folder is data: gene sets, or a table that is no accompanying text."""
    if not path.is_file() or path.name.startswith("."):
        return False
    if path.suffix.lower() == ".gmt" or plain_suffix(path) in CONVERTED_SUFFIXES or SAMPLE_FILES.fullmatch(path.name):
        return True
    if path.name.lower().removesuffix(".gz").rpartition(".")[1] == "" or _XENA.search(path.name):
        return _has_columns(path)
    if not is_table(path) or re.match(r"(?i)(readme|licen[cs]e|changelog|notes?|manifest)\b", path.name):
        return False
    if plain_suffix(path) != ".txt" or path.name.lower().endswith(".gz"):
        return True
    with path.open("rb") as file:
        first = file.readline(1 << 20)
    return b"\t" in first or b";" in first or first.startswith(b"^") or _in_columns(path)


def _has_columns(path: Path) -> bool:
    """Tell a table with tabs in a file whose name does not say so, as UCSC Xena names its files."""
    try:
        rows = list(islice(find_source(path).rows(), 20))
    except InputError:
        return False
    widths = {len(r) for r in rows}
    return len(rows) >= 3 and len(widths) == 1 and min(widths) >= 2


def _in_columns(path: Path) -> bool:
    """Tell a table with commas or spaces in a `.txt` from prose: every line has as many cells as the header."""
    with path.open("rb") as file:
        lines = file.read(1 << 16).decode("latin-1").splitlines()[:50]
    for mark in (",", None):
        widths = [len(line.split(mark)) for line in lines if line.strip()]
        body = set(widths[1:])
        if len(widths) > 3 and len(body) == 1 and min(body) > 1 and min(body) - widths[0] in (0, 1):
            return True
    return False


def file_kinds(heads: Sequence[TableHead]) -> dict[Path, FileKind]:
    """Guess the kinds of a folder's tables together: sample names link a matrix and its sample sheet."""
    kinds: dict[Path, FileKind] = {
        p.path: "expression" if _is_matrix(p, named=any(_names_columns(o, p) for o in heads if o is not p)) else "table"
        for p in heads
    }
    matrices = [p for p in heads if kinds[p.path] == "expression"]
    sheets = [p for p in heads if kinds[p.path] == "table" and p.header[:2] != TYPES_HEADER]
    linked = [s for s in sheets if any(_links(m, s) for m in matrices)]
    chosen = linked or [s for s in sheets if _looks_clinical(s)]
    if chosen:
        kinds[chosen[0].path] = "samples"
    return kinds


def _names_columns(sheet: TableHead, table: TableHead) -> bool:
    """Return True if the rows of one table are called like most columns of another, and not like its rows."""
    rows, columns = set(sheet.first_column), set(table.header[1:])
    shared = len(rows & columns)
    return (
        shared >= _MIN_SAMPLES and shared >= 0.5 * min(len(rows), len(columns)) and not rows & set(table.first_column)
    )


def _is_matrix(table: TableHead, *, named: bool) -> bool:
    """Return True for features in rows and samples in columns; `named`: its columns are rows of another table."""
    columns = len(table.header) - 1
    if columns < _MIN_SAMPLES or table.numeric_share < 0.9 or table.rows == 0 or table.header == GENES_HEADER:
        return False
    if table.header[:2] == TYPES_HEADER:
        return False
    if (_looks_clinical(table) and not named) or is_study_table(table.header) or names_statistics(table.header[1:]):
        return False
    names = [n for n in table.first_column if n]
    texts = sum(as_number(n) is None for n in names)
    return len(set(names)) >= 0.5 * len(names) and (texts > 0 or columns >= 6)


def _looks_clinical(table: TableHead) -> bool:
    """Return True for a clinical variable among the names; numbered names (relapse_1, patient 2) are samples."""
    return names_clinical(table.header)


def names_statistics(header: Sequence[str]) -> bool:
    """Return True if several of some columns are called like results of tests: a table of results is no matrix."""
    return sum(_STATISTICS.fullmatch(normal(name)) is not None for name in header) >= 2


def _links(matrix: TableHead, sheet: TableHead) -> bool:
    samples = set(matrix.header[1:])
    return bool(samples & set(sheet.first_column)) or _looks_clinical(sheet)


def describe_tables(folder: Path, paths: Sequence[Path]) -> tuple[DatasetSpec, list[LoadedFile]]:
    """Guess a description of tables and load them by it; every guess becomes a note of the description.

    Raises:
        InputError: A table cannot be read.
    """
    tables = [p for p in paths if p.suffix.lower() != ".gmt"]
    heads = [read_head(p) for p in tables]
    kinds = file_kinds(heads)
    samples = {s for p in heads if kinds[p.path] == "expression" for s in p.header[1:]}
    notes = [
        "There is no dataset.toml: what follows was inferred from names and values, "
        "and nothing of it was confirmed by the source."
    ]
    taken: set[str] = set()
    loaded: list[LoadedFile] = []
    specs: list[FileSpec] = []
    for path in paths:
        kind: FileKind = kinds.get(path, "gene_sets")
        one, spec, found = _describe(folder, path, kind, samples, _name(path, kind, taken))
        notes += found
        specs.append(spec)
        loaded.append(one)
    matrices = [(one, s) for one, s in zip(loaded, specs, strict=True) if s.kind == "expression"]
    if len(matrices) > 1:
        (first, spec), others = matrices[0], [s.path for _, s in matrices[1:]]
        first.readings.append(_which_matrix(spec.path, others))
        notes.append(f"{len(matrices)} files are matrices; {spec.path} is the first: {', '.join(others)} are not read.")
    title = paths[0].name if len(paths) == 1 else folder.resolve().name
    gene_sets = {f.kind for f in specs} <= {"gene_sets", "table"} and len(tables) < len(paths)
    dataset = DatasetSpec(
        id=safe_name(paths[0].name.split(".")[0] if len(paths) == 1 else title),
        title=title,
        source=UNDESCRIBED,
        role="reference" if gene_sets else "unspecified",
        notes=tuple(notes),
        files=tuple(specs),
    )
    return dataset, loaded


def _which_matrix(path: str, others: Sequence[str]) -> Reading:
    """The reading that one of several matrices is analysed: which one is meant decides every result."""
    return Reading(
        file=path,
        says="the matrix that is analysed",
        reason=f"there are {len(others) + 1}, and nothing says which one is meant: {', '.join([path, *others])}",
        sure=False,
        decides=True,
        line='kind = "table"  # of each matrix that is not meant',
    )


def _name(path: Path, kind: FileKind, taken: set[str]) -> str:
    """Name a file by its kind (a table by its file name), with a number if that name is taken."""
    stem = safe_name(path.name.split(".")[0]) if kind == "table" else kind
    base = (stem if stem[0].isalpha() else f"t-{stem}").replace(".", "-")[:36]
    name = next(n for n in (base, *(f"{base}-{i}" for i in range(2, 1000))) if n not in taken)
    taken.add(name)
    return name


def _describe(
    folder: Path, path: Path, kind: FileKind, samples: set[str], name: str
) -> tuple[LoadedFile, FileSpec, list[str]]:
    notes = [f"{path.name} was taken as {_KIND_WORDS[kind]}."]
    if kind in ("expression", "gene_sets"):
        spec = FileSpec(name=name, kind=kind, path=path.name)
        return load_file(folder, spec), spec, notes
    if kind == "table" and read_head(path).header[:2] == TYPES_HEADER:
        spec = FileSpec(name=name, kind=kind, path=path.name, feature_column=TYPES_HEADER[1], row_is=BY_TYPE)
        return load_file(folder, spec), spec, notes
    scan = scan_sheet(path)
    columns = read_cells(path, SHEET_LIMITS)
    sample_column, why = _sample_column(scan, columns, samples) if kind == "samples" else (None, "")
    found = read_sheet(path.name, scan, columns, sample_column, why, measured=bool(samples) or kind != "samples")
    if kind == "table" and found.row_is not in ("study", "mutated gene"):
        found.readings = [r for r in found.readings if r.column]
    notes += found.notes
    notes += [
        f"{path.name}: column {r.column!r} {r.says}: {r.reason}."
        for r in found.readings
        if r.decides and (not r.sure or "means not known" in r.says)
    ]
    notes += [
        f"{r.says[:1].upper()}{r.says[1:]}: {path.name}, {r.reason}."
        for r in found.readings
        if r.says.startswith(("labels contradict", "batch and group"))
    ]
    numbers = [c.name for c in scan.columns if found.columns[c.name].role == "other" and c.numbers and not c.texts]
    if kind == "samples" and not samples and len(numbers) >= _MANY_NUMBERS:
        notes.append(
            f"{path.name}: {len(numbers)} further columns hold numbers ({numbers[0]}, …). If they are measurements, "
            "give them as a matrix of their own, features in rows and samples in columns: as they are, no analysis "
            "of measurements uses them."
        )
    stated = {n: c for n, c in found.columns.items() if c != ColumnSpec()}
    spec = FileSpec(
        name=name, kind=kind, path=path.name, sample_column=sample_column, columns=stated, row_is=found.row_is
    )
    return _with_readings(folder, spec, scan, found), spec, notes


def load_stated(folder: Path, spec: FileSpec, endpoint: str | None) -> LoadedFile:
    """Load a file by its description; what that leaves open is read by rule.

    Raises:
        InputError: The file cannot be read as the kind its description states.
    """
    path = folder / spec.path
    if spec.kind not in ("samples", "table"):
        return load_file(folder, spec)
    missing = {name: c.missing_values for name, c in spec.columns.items()}
    ids = spec.sample_column or next((n for n, c in spec.columns.items() if c.role == "id"), None)
    scan = scan_sheet(path, missing, ids)
    found = complete(spec, scan, read_cells(path, SHEET_LIMITS), endpoint)
    update: dict[str, object] = {"columns": found.columns, "row_is": found.row_is}
    if spec.kind == "samples" and spec.sample_column is None:
        update["sample_column"] = found.sample_column
    completed = spec.model_copy(update=update)
    return _with_readings(folder, completed, scan, found)


def _with_readings(folder: Path, spec: FileSpec, scan: SheetScan, found: SheetReading) -> LoadedFile:
    """Load a sheet by its reading; it is scanned anew if more cells are missing than the first scan knew."""
    missing = {name: c.missing_values for name, c in found.columns.items() if c.missing_values}
    if missing or (spec.sample_column and spec.sample_column not in scan.ids):
        scan = scan_sheet(folder / spec.path, missing, spec.sample_column)
    loaded = load_file(folder, spec, scan)
    loaded.readings += found.readings
    return loaded


def _sample_column(scan: SheetScan, columns: Mapping[str, Sequence[str]], samples: set[str]) -> tuple[str | None, str]:
    """Find the column of sample names, with the reason: the matrix's samples, unique names, or unique numbers.

    Without a matrix a sheet may have none: its rows are then numbered.
    """
    ids = {name: list(cells) for name, cells in columns.items() if cells and "" not in cells}
    ids = {name: cells for name, cells in ids.items() if len(set(cells)) == len(cells)}
    shared = {name: len(samples & set(cells)) for name, cells in ids.items()}
    best = max(shared, key=lambda name: shared[name], default=None)
    if best is not None and shared[best] > 0:
        return best, "its values are samples of the matrix"
    names = [n for n in ids if (c := scan.column(n)) is not None and c.texts > 0]
    named = [n for n in names if _SAMPLE.search(normal(n))]
    if names:
        return (named or names)[0], "its values are names that all differ"
    first = scan.columns[0].name if scan.columns else None
    counters = [n for n in ids if _COUNTER.search(normal(n)) or (n == first and _counts_up(columns.get(n, ())))]
    if counters:
        return counters[0], "its values are numbers that all differ"
    if samples or first is None or first in ids:
        return first or None, "it is the first column"
    return None, "no column holds names that all differ"


def _counts_up(cells: Sequence[str]) -> bool:
    """Check that cells are whole numbers, each one more than the last."""
    numbers = [int(c) for c in cells if c.isdecimal()]
    return len(numbers) == len(cells) and all(b == a + 1 for a, b in pairwise(numbers))
