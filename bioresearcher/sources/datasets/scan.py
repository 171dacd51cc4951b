"""Scans of the files of a data set in one pass each: sample sheets, expression matrices and gene sets (GMT)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import add
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.schemas.columns import ColumnScan, as_number
from bioresearcher.schemas.missing import is_missing, key
from bioresearcher.schemas.scale import Scale, judge_scale
from bioresearcher.sources.datasets.table_stream import RowStream, TableLimits, delimiter_of, other_delimiter

SHEET_LIMITS = TableLimits(text_bytes=48 << 20, ids=50_000)
"""Limits for sample sheets, which are small; of a larger one only the head is described."""

_MAX_ID_COLUMNS = 10
_MAX_SET_LINE = 4 << 20
"""Bytes of a line of gene sets."""
_SCALE_ROWS, _SCALE_COLUMNS, _SCALE_VALUES = 20_000, 50, 200_000
"""Part of a matrix by whose values its scale is judged."""
MAX_COLUMNS = 300
"""Most columns of a sheet that are described one by one."""


@dataclass
class SheetScan:
    """Scan of a sample sheet or another small table."""

    rows: int
    columns: list[ColumnScan]
    ids: dict[str, list[str]]
    problems: list[str]
    n_columns: int

    def column(self, name: str) -> ColumnScan | None:
        """Find a column by name."""
        return next((c for c in self.columns if c.name == name), None)


@dataclass
class MatrixScan:
    """Scan of an expression matrix: features in rows, samples in columns."""

    rows: int
    samples: list[str]
    feature_column: str
    minimum: float
    maximum: float
    whole_numbers: bool
    missing: int
    problems: list[str]
    first_ids: list[str] = field(default_factory=list)
    scale: Scale = field(default_factory=lambda: Scale("", "no values", sure=False))
    first_below: str = ""
    """The first value below 0, with its row and column."""


@dataclass
class SetsScan:
    """Scan of a collection of gene sets."""

    sets: int
    genes: int
    names: tuple[str, ...]
    problems: list[str]


def examples(values: Iterable[str], most: int = 3) -> str:
    """Quote the first few values for a message."""
    shown = [repr(v) for _, v in zip(range(most), values, strict=False)]
    return ", ".join(shown)


def scan_sheet(
    path: Path,
    missing_values: dict[str, tuple[str, ...]] | None = None,
    id_column: str | None = None,
    limits: TableLimits = SHEET_LIMITS,
) -> SheetScan:
    """Describe every column of a small table; `missing_values` adds to what means "not known" per column.

    `ids` holds, for those of the first ten columns and `id_column` whose values are all different, the values in
    file order.

    Raises:
        InputError: The file cannot be read as a table.
    """
    declared = {name: frozenset(map(key, values)) for name, values in (missing_values or {}).items()}
    with RowStream(path, limits) as stream:
        columns = [ColumnScan(n, declared.get(n, frozenset())) for n in stream.header[:MAX_COLUMNS]]
        unique: dict[int, dict[str, None]] = {
            i: {} for i, column in enumerate(columns) if i < _MAX_ID_COLUMNS or column.name == id_column
        }
        for row in stream.rows():
            for i, column in enumerate(columns):
                column.add(row[i], stream.lines)
            for i, seen in list(unique.items()):
                _note_id(i, seen, row[i].strip(), unique, limits)
        problems = stream_problems(stream)
    for column in columns:
        column.finish()
    ids = {columns[i].name: list(seen) for i, seen in unique.items()}
    return SheetScan(stream.rows_total, columns, ids, problems, len(stream.header))


def _note_id(
    index: int, seen: dict[str, None], value: str, unique: dict[int, dict[str, None]], limits: TableLimits
) -> None:
    if value in seen or not value or len(seen) >= limits.ids:
        del unique[index]
    else:
        seen[value] = None


def scan_matrix(path: Path, feature_column: str | None = None, limits: TableLimits | None = None) -> MatrixScan:
    """Scan an expression matrix; every column but the feature column must hold numbers.

    Raises:
        InputError: The file cannot be read as a table.
    """
    limits = limits or TableLimits()
    with RowStream(path, limits) as stream:
        at = stream.header.index(feature_column) if feature_column in stream.header else 0
        samples = stream.header[:at] + stream.header[at + 1 :]
        values = _Values(samples)
        names = _Names(limits.ids)
        for row in stream.rows():
            name = row.pop(at).strip()
            names.add(name)
            values.add(row, name, stream.lines)
        problems = stream_problems(stream)
        header = stream.header
    problems += names.problems(path) + values.problems(path)
    return MatrixScan(
        rows=stream.rows_total,
        samples=[s for i, s in enumerate(samples) if i not in values.all_text],
        feature_column=header[at],
        minimum=values.minimum,
        maximum=values.maximum,
        whole_numbers=values.whole,
        missing=values.missing,
        problems=problems,
        first_ids=names.first,
        scale=judge_scale(values.part, path.name, values.sums),
        first_below=values.first_below,
    )


class _Names:
    """Counter of repeated and empty row names."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.seen: set[str] = set()
        self.first: list[str] = []
        self.repeats = 0
        self.repeated: dict[str, None] = {}
        self.empty = 0
        self.unchecked = False

    def add(self, name: str) -> None:
        if is_missing(name):
            self.empty += 1
        elif name in self.seen:
            self.repeats += 1
            if len(self.repeated) < 3:
                self.repeated[name] = None
        elif len(self.seen) >= self.most:
            self.unchecked = True
        else:
            self.seen.add(name)
            if len(self.first) < 2000:
                self.first.append(name)

    def problems(self, path: Path) -> list[str]:
        found = []
        if self.repeats:
            found.append(
                f"{path.name}: {self.repeats} rows repeat a feature name, e.g. {examples(self.repeated)}; "
                "rows of one feature are averaged"
            )
        if self.empty:
            found.append(f"{path.name}: {self.empty} rows have no feature name and are left out")
        if self.unchecked:
            found.append(f"{path.name}: repeated names were looked for among the first {self.most:,} only")
        return found


class _Values:
    """Statistics of a matrix: range, missing cells, texts among the numbers."""

    def __init__(self, samples: Sequence[str]) -> None:
        self.samples = samples
        self.minimum, self.maximum = math.inf, -math.inf
        self.whole = True
        self.missing = 0
        self.rows = 0
        self.texts: dict[int, int] = {}
        self.first: list[str] = []
        self.part: list[float] = []
        self.sums = [0.0] * len(samples)
        self.first_below = ""

    def add(self, row: list[str], name: str, line: int) -> None:
        self.rows += 1
        try:
            numbers = list(map(float, row))
            total = sum(numbers)
        except ValueError:
            total = math.nan
            numbers = []
        if not math.isfinite(total):
            numbers = self._one_by_one(row, name, line)
        elif numbers:
            self.sums = list(map(add, self.sums, numbers))
        if numbers:
            if self.rows <= _SCALE_ROWS and len(self.part) < _SCALE_VALUES:
                self.part += numbers[:_SCALE_COLUMNS]
            least = min(numbers)
            if least < 0 and not self.first_below:
                at = next((i for i, c in enumerate(row) if as_number(c) == least), 0)
                self.first_below = f"{least:g} (row {name!r}, column {self.samples[at]!r})"
            self.minimum = min(self.minimum, least)
            self.maximum = max(self.maximum, max(numbers))
            self.whole = self.whole and all(n.is_integer() for n in numbers)

    def _one_by_one(self, row: list[str], name: str, line: int) -> list[float]:
        numbers = []
        for i, cell in enumerate(row):
            number = as_number(cell)
            if number is not None:
                numbers.append(number)
            elif is_missing(cell):
                self.missing += 1
            else:
                self.texts[i] = self.texts.get(i, 0) + 1
                if len(self.first) < 3:
                    self.first.append(f"{cell!r} (row {name!r}, line {line}, column {self.samples[i]!r})")
        return numbers

    @property
    def all_text(self) -> list[int]:
        """Places of columns that hold text in every row, such as descriptions: they are no samples."""
        return [i for i, count in self.texts.items() if count == self.rows]

    def problems(self, path: Path) -> list[str]:
        if not self.texts:
            return []
        whole = [self.samples[i] for i in self.all_text]
        if whole and len(whole) == len(self.texts):
            return [
                f"{path.name}: column {whole[0]!r} holds text in every row ({len(whole)} such columns): "
                "remove it, beside the feature column there may be samples only"
            ]
        return [
            f"{path.name}: {sum(self.texts.values())} cells hold text where numbers are expected: "
            f"{', '.join(self.first)}; correct them or write NA"
        ]


def stream_problems(stream: RowStream) -> list[str]:
    """List problems of form that reading a table showed; call it after the rows were read."""
    name, header = stream.path.name, stream.header
    found = []
    other = other_delimiter(header, delimiter_of(stream.path))
    if other is not None:
        found.append(
            f"{name}: only one column was found and its name holds {other!r}: "
            "use commas in .csv files and tabs in .tsv files"
        )
    if stream.rows_seen == 0 and stream.ragged == 0:
        found.append(f"{name}: there is a header but no row")
    if stream.ragged and stream.first_ragged is not None:
        found.append(_ragged_problem(stream, stream.first_ragged))
    if stream.text.latin1_line is not None:
        found.append(
            f"{name}: line {stream.text.latin1_line} is not UTF-8 and was read as Latin-1 here; "
            "save the file as UTF-8, the analyses need it"
        )
    if stream.text.bom:
        found.append(f"{name}: starts with a byte order mark, which is left out on reading")
    found += _header_problems(name, header)
    if stream.truncated:
        more = ", rows after 8 GB not even counted" if stream.uncounted else ""
        found.append(
            f"{name}: very large; the first {stream.rows_seen:,} of {stream.rows_total:,} rows were checked{more}"
        )
    return found


def _ragged_problem(stream: RowStream, first: tuple[int, int]) -> str:
    name, width = stream.path.name, len(stream.header)
    if stream.rows_seen == 0 and first[1] == width + 1:
        return (
            f"{name}: every row has one cell more than the header ({width}): "
            "the first column has no name; add one, e.g. 'gene'"
        )
    return (
        f"{name}: {stream.ragged} rows do not have {width} cells as the header has "
        f"(first: line {first[0]} with {first[1]}); correct them, tables like this may not be read"
    )


def _header_problems(name: str, header: list[str]) -> list[str]:
    repeated = [column for column, count in Counter(header).items() if count > 1]
    found = []
    if repeated:
        found.append(f"{name}: {len(repeated)} column names occur more than once, e.g. {examples(repeated)}")
    padded = [column for column in header if column != column.strip()]
    if padded:
        found.append(f"{name}: column names begin or end with a space, e.g. {examples(padded)}")
    return found


def scan_gene_sets(path: Path) -> SetsScan:
    """Scan a GMT file: name, description, then symbols, separated by tabs.

    Raises:
        InputError: The file cannot be read or holds no gene set.
    """
    names: dict[str, None] = {}
    genes: set[str] = set()
    bad: list[int] = []
    repeated = 0
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(iter(lambda: file.readline(_MAX_SET_LINE), b""), start=1):
                fields = raw.decode("utf-8").rstrip("\r\n").split("\t")
                if len(fields) < 3 or not fields[0]:
                    bad += [number] if raw.strip() else []
                    continue
                repeated += fields[0] in names
                names[fields[0]] = None
                genes.update(f for f in fields[2:] if f)
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name}: is not UTF-8 text.", hint="Save the gene sets as UTF-8.") from error
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror}).") from error
    if not names:
        raise InputError(
            f"{path.name}: no gene sets found.",
            hint="Expected a line per set: name, description, then symbols, separated by tabs.",
        )
    problems = [f"{path.name}: line {bad[0]} is no gene set ({len(bad)} such lines)"] if bad else []
    problems += [f"{path.name}: {repeated} set names occur more than once"] if repeated else []
    return SetsScan(len(names), len(genes), tuple(names), problems)
