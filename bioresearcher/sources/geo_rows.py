"""Rows of numbers out of GEO's files, feature by feature and as often as needed, without holding the matrix.

A series matrix and a curated set (GDS) hold their rows as they are. A family SOFT file holds a table per sample, one
after the other: those are laid beside each other in temporary files and read in step.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bioresearcher.errors import InputError
from bioresearcher.sources.lines import open_lines
from bioresearcher.sources.series_matrix import read_matrix
from bioresearcher.sources.soft import SoftEntity, entities

Row = tuple[str, list[str]]
MAX_SAMPLES_SIDE_BY_SIDE = 800
"""Tables of single samples that are read at once; a larger family has a series matrix."""


class Rows(Protocol):
    """A matrix as rows of text, in the file's order.

    Attributes:
        samples: Names of the value columns.
        genes: Feature -> gene symbol, where the file itself says so.
    """

    samples: list[str]
    genes: dict[str, str]

    def __iter__(self) -> Iterator[Row]:
        """(feature, values as written); can be gone through again."""
        ...


@dataclass
class MatrixRows:
    """The table of a series matrix file."""

    path: Path
    samples: list[str] = field(default_factory=list)
    genes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the samples' names.

        Raises:
            InputError: It is no series matrix.
        """
        with open_lines(self.path) as lines:
            self.samples = read_matrix(lines).header[1:]

    def __iter__(self) -> Iterator[Row]:
        """The rows."""
        with open_lines(self.path) as lines:
            for row in read_matrix(lines).rows():
                yield row[0], row[1:]


@dataclass
class CuratedRows:
    """The table of a GDS file; its column IDENTIFIER holds gene symbols."""

    path: Path
    samples: list[str] = field(default_factory=list)
    genes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the samples' names and the genes.

        Raises:
            InputError: The file holds no data set.
        """
        for entity in self._table():
            self.samples = [c for c in entity.header if re.fullmatch(r"GSM\d+", c)]
            at = entity.header.index("IDENTIFIER") if "IDENTIFIER" in entity.header else None
            if at is not None:
                self.genes = {row[0]: row[at] for row in entity.rows() if row[at] and row[at] != row[0]}

    def _table(self) -> Iterator[SoftEntity]:
        with open_lines(self.path) as lines:
            yield from (e for e in entities(lines) if e.kind == "DATASET" and e.header)

    def __iter__(self) -> Iterator[Row]:
        """The rows."""
        for entity in self._table():
            places = [entity.header.index(s) for s in self.samples]
            for row in entity.rows():
                yield row[0], [row[i] for i in places]


@dataclass
class SampleRows:
    """Tables of single samples, laid side by side; made by `side_by_side`."""

    files: list[Path]
    samples: list[str]
    genes: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Row]:
        """The rows.

        Raises:
            InputError: The samples' tables do not have the same rows in the same order.
        """
        with ExitStack() as stack:
            streams = [stack.enter_context(path.open(encoding="utf-8")) for path in self.files]
            for number, cells in enumerate(_in_step(streams), start=1):
                names = {name for name, _ in cells}
                if len(names) != 1 or len(cells) != len(streams):
                    raise InputError(
                        f"the samples' tables differ in row {number}: {', '.join(sorted(names)[:3])}.",
                        hint="Use the series matrix of this series, where GEO has put them together.",
                    )
                yield cells[0][0], [value for _, value in cells]


def _in_step(streams: Sequence[Iterator[str]]) -> Iterator[list[tuple[str, str]]]:
    while True:
        lines = [line for stream in streams if (line := next(stream, "")) != ""]
        if not lines:
            return
        yield [(name, value) for name, _, value in (line.rstrip("\n").partition("\t") for line in lines)]


@contextmanager
def side_by_side(path: Path, platform: str) -> Iterator[SampleRows]:
    """The values of a family file's samples on one platform (all of them when it is empty).

    Raises:
        InputError: Too many samples, or none with a table with the columns ID_REF and VALUE.
    """
    with tempfile.TemporaryDirectory(prefix="bioresearcher-") as folder:
        files: list[Path] = []
        samples: list[str] = []
        with open_lines(path) as lines:
            for entity in entities(lines):
                if entity.kind != "SAMPLE" or (platform and entity.first("platform_id") not in ("", platform)):
                    continue
                if "VALUE" not in entity.header:
                    continue
                if len(files) >= MAX_SAMPLES_SIDE_BY_SIDE:
                    raise InputError(
                        f"{path.name}: more than {MAX_SAMPLES_SIDE_BY_SIDE} samples.",
                        hint="Use the series matrix of this series.",
                    )
                file = Path(folder, str(len(files)))
                if _spill(entity, file):
                    files.append(file)
                    samples.append(entity.name)
        if not files:
            raise InputError(f"{path.name}: no sample has a table with values (columns ID_REF and VALUE).")
        yield SampleRows(files, samples)


def _spill(entity: SoftEntity, file: Path) -> int:
    at, count = entity.header.index("VALUE"), 0
    with file.open("w", encoding="utf-8") as out:
        for row in entity.rows():
            out.write(f"{row[0]}\t{row[at]}\n")
            count += 1
    return count
