"""GEO's series matrix files: the series' and samples' attributes above one table, read as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bioresearcher.errors import InputError
from bioresearcher.sources.lines import Lines, StreamedTable

MAX_HEAD_CHARS = 512 << 20
NOT_MATRIX = "Expected GEO's series matrix text: lines that begin with !Series_ or !Sample_, then a table."


@dataclass
class SeriesMatrix(StreamedTable):
    """The head of a series matrix file; `rows()` reads the table, once.

    Attributes:
        series: Series attribute, lower case, without `Series_` -> values.
        samples: Sample attribute, lower case, without `Sample_` -> one list for each line, of one value per sample.
    """

    series: dict[str, list[str]] = field(default_factory=dict)
    samples: dict[str, list[list[str]]] = field(default_factory=dict)


def read_matrix(lines: Lines) -> SeriesMatrix:
    """Read the head up to the table.

    Raises:
        InputError: It is no series matrix, or beyond the limits.
    """
    matrix = SeriesMatrix()
    iterator = iter(lines)
    chars = 0
    for line in iterator:
        if not line.strip():
            continue
        if not line.startswith("!"):
            raise InputError(
                f"{lines.name}: line {lines.number} is none of a series matrix ({line[:40]!r}).", hint=NOT_MATRIX
            )
        chars += len(line)
        if chars > MAX_HEAD_CHARS:
            raise InputError(f"{lines.name}: its head is longer than {MAX_HEAD_CHARS >> 20} MB.")
        key, *values = line[1:].split("\t")
        name = key.strip().lower()
        if name == "series_matrix_table_begin":
            _begin_table(matrix, iterator, lines)
            return matrix
        if name.startswith("series_"):
            matrix.series.setdefault(name.removeprefix("series_"), []).extend(v for v in map(plain, values) if v)
        elif name.startswith("sample_"):
            matrix.samples.setdefault(name.removeprefix("sample_"), []).append([plain(v) for v in values])
    if not matrix.series and not matrix.samples:
        raise InputError(f"{lines.name}: the file is empty.", hint=NOT_MATRIX)
    raise InputError(f"{lines.name}: the file ends before its table: it is cut off.", hint="Download it again.")


def _begin_table(matrix: SeriesMatrix, iterator: Iterator[str], lines: Lines) -> None:
    line = next(iterator, None)
    if line is None:
        raise _cut_off(lines)
    if not _ends(line):
        matrix.header = [plain(cell) for cell in line.split("\t")]
        matrix._rows = _table(iterator, lines)


def _table(iterator: Iterator[str], lines: Lines) -> Iterator[list[str]]:
    for line in iterator:
        if _ends(line):
            return
        if line:
            yield [plain(cell) for cell in line.split("\t")]
    raise _cut_off(lines)


def _ends(line: str) -> bool:
    return line.strip().lower() == "!series_matrix_table_end"


def _cut_off(lines: Lines) -> InputError:
    return InputError(f"{lines.name}: the file ends within its table: it is cut off.", hint="Download it again.")


def plain(cell: str) -> str:
    """A cell without the quotes around it."""
    text = cell.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1].replace('""', '"').strip()
    return text
