"""Rows of values of GEO's files as repeatable streams, and the mapping of probes to genes.

A series matrix and a curated set (GDS) hold their rows as they are. A family SOFT file holds a table per sample, one
after the other: those are written to temporary files and read in step, with what else they hold of each value (calls,
p-values). Probes are mapped to genes by the platform's own
table and collapsed to one row per gene; notes state both rules with their counts.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bioresearcher.errors import InputError
from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.missing import is_missing
from bioresearcher.sources.datasets.table_stream import open_lines
from bioresearcher.sources.geo.soft import SoftEntity, entities, read_matrix
from bioresearcher.text.visible import clip

Row = tuple[str, list[str]]
"""(feature, values as written)."""
MAX_SAMPLES_SIDE_BY_SIDE = 800
"""Most tables of single samples that are read at once; a larger family has a series matrix."""
MAX_MEASURES = 3
"""Most columns beside the values that are taken over from tables of single samples, such as calls and p-values."""


class Rows(Protocol):
    """Matrix as rows of text, in the file's order.

    Attributes:
        samples: Names of the value columns.
        genes: Feature -> gene symbol, where the file itself says so.
    """

    samples: list[str]
    genes: dict[str, str]

    def __iter__(self) -> Iterator[Row]:
        """Yield (feature, values as written); can be repeated."""
        ...


@dataclass
class MatrixRows:
    """Table of a series matrix file."""

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
        """Yield the rows."""
        with open_lines(self.path) as lines:
            for row in read_matrix(lines).rows():
                yield row[0], row[1:]


@dataclass
class CuratedRows:
    """Table of a GDS file; its column IDENTIFIER holds gene symbols."""

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
                self.genes = {row[0]: row[at] for row in entity.rows() if _is_symbol(row[at], row[0])}

    def _table(self) -> Iterator[SoftEntity]:
        with open_lines(self.path) as lines:
            yield from (e for e in entities(lines) if e.kind == "DATASET" and e.header)

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows."""
        for entity in self._table():
            places = [entity.header.index(s) for s in self.samples]
            for row in entity.rows():
                yield row[0], [row[i] for i in places]


def _is_symbol(identifier: str, feature: str) -> bool:
    """Return False for an identifier that is none: empty, the feature itself, or a mark such as `--Control`."""
    return bool(identifier) and identifier != feature and not identifier.startswith("--")


@dataclass
class SampleRows:
    """Tables of single samples side by side, from temporary files with a line of feature and values each.

    `places` gives the place of the value in the lines of each file; the second of all when it is empty. `measures` are
    what else the tables of all samples hold of each value, by the name of the column, and `means` the tables' own
    descriptions of these columns.
    """

    files: list[Path]
    samples: list[str]
    genes: dict[str, str] = field(default_factory=dict)
    places: list[int] = field(default_factory=list)
    measures: dict[str, SampleRows] = field(default_factory=dict)
    means: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows.

        Raises:
            InputError: The samples' tables do not have the same rows in the same order.
        """
        with ExitStack() as stack:
            streams = [stack.enter_context(path.open(encoding="utf-8")) for path in self.files]
            for number, cells in enumerate(_in_step(streams, self.places or [1] * len(streams)), start=1):
                names = {name for name, _ in cells}
                if len(names) != 1 or len(cells) != len(streams):
                    raise InputError(
                        f"the samples' tables differ in row {number}: {', '.join(sorted(names)[:3])}.",
                        hint="Use the series matrix of this series, where GEO has put them together.",
                    )
                yield cells[0][0], [value for _, value in cells]


def _in_step(streams: Sequence[Iterator[str]], places: Sequence[int]) -> Iterator[list[tuple[str, str]]]:
    while True:
        lines = [(line, at) for stream, at in zip(streams, places, strict=True) if (line := next(stream, "")) != ""]
        if not lines:
            return
        yield [(cells[0], cells[at]) for cells, at in ((line.rstrip("\n").split("\t"), at) for line, at in lines)]


@contextmanager
def side_by_side(path: Path, platform: str) -> Iterator[SampleRows]:
    """Lay the values of a family file's samples on one platform (on any if it is empty) side by side.

    Raises:
        InputError: Too many samples, or none with a table with the columns ID_REF and VALUE.
    """
    with tempfile.TemporaryDirectory(prefix="bioresearcher-") as folder:
        files: list[Path] = []
        samples: list[str] = []
        headers: list[list[str]] = []
        means: dict[str, str] = {}
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
                places = _taken(entity.header)
                if _spill(entity, file, places):
                    files.append(file)
                    samples.append(entity.name)
                    headers.append([entity.header[i] for i in places])
                    means = entity.columns | means
        if not files:
            raise InputError(f"{path.name}: no sample has a table with values (columns ID_REF and VALUE).")
        yield SampleRows(
            files,
            samples,
            measures={
                name: SampleRows(files, samples, places=[header.index(name, 2) for header in headers])
                for name in _measures(headers)
            },
            means=means,
        )


def _taken(header: Sequence[str]) -> list[int]:
    """Places of the feature, the value and the first other columns of a sample's table."""
    others = [i for i, name in enumerate(header) if i and name.strip() and name != "VALUE"]
    return [0, header.index("VALUE"), *others[:MAX_MEASURES]]


def _measures(headers: Sequence[Sequence[str]]) -> list[str]:
    """Name the columns beside the values that all tables have."""
    return [n for n in dict.fromkeys(headers[0][2:]) if all(n in h[2:] for h in headers)]


def _spill(entity: SoftEntity, file: Path, places: Sequence[int]) -> int:
    count = 0
    with file.open("w", encoding="utf-8") as out:
        for row in entity.rows():
            out.write("\t".join(row[i] for i in places) + "\n")
            count += 1
    return count


_COLUMNS = (
    "genesymbol genesymbols symbol symbols genesym ilmngene genename orfsymbol gene mirnaid mirnaidlist geneassignment "
    "associatedgene ucscrefgenename".split()
)
"""Names of columns with gene symbols, without case and punctuation, the best first. Free texts such as
`Gene Title` are none; `gene_assignment` is Affymetrix's `accession // symbol // title // …`."""

_MAX_SYMBOL = 40
COLLAPSE = (
    "of several probes of one gene, the one with the largest mean over all samples was kept "
    "(MaxMean of collapseRows, Miller et al. 2011)"
)
"""The rule in words, for notes."""


_ABOUT = re.compile(r"(gene|target)?[ _]?(title|description|name|definition)", re.I)
"""Columns of a platform, beside that of the symbols, that say what a probe measures."""
_ABOUT_CHARS = 200


@dataclass
class GeneMap:
    """Mapping probe -> gene symbol, with counts of the probes left out.

    Attributes:
        source: Where it comes from, in words, e.g. `column 'Gene Symbol' of GPL96`.
        genes: Probe -> symbol, for probes that name exactly one gene.
        several: Probes that name more than one gene; `none` counts those that name no gene.
        about: Names of the columns that say what a probe measures, that of the symbols first.
        texts: Probe -> the cells of these columns as written, also of probes that name no gene or several.
    """

    source: str
    genes: dict[str, str] = field(default_factory=dict)
    several: int = 0
    none: int = 0
    about: tuple[str, ...] = ()
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass
class Collapsed:
    """Selection of one row per gene, with counts.

    Attributes:
        kept: Feature -> gene, one feature for each gene.
        rows: Rows of the matrix; `unmapped` of them have no gene.
    """

    kept: dict[str, str]
    rows: int
    unmapped: int


def gene_column(header: Sequence[str]) -> str | None:
    """Find the column of a platform table that holds gene symbols; None if there is none."""
    names = {re.sub(r"[^a-z0-9]", "", column.lower()): column for column in reversed(header)}
    return next((names[known] for known in _COLUMNS if known in names), None)


def read_platform(path: Path, platform: str = "") -> GeneMap | None:
    """Read the gene map of a platform's table (SOFT: platform, family, annotation file); None if it names no genes.

    Raises:
        InputError: The file is no SOFT file or is cut off.
    """
    with open_lines(path) as lines:
        for entity in entities(lines):
            if entity.kind not in ("PLATFORM", "ANNOTATION") or not entity.header:
                continue
            if platform and entity.kind == "PLATFORM" and entity.name != platform:
                continue
            column = gene_column(entity.header)
            if column is None:
                return None
            at = entity.header.index(column)
            places = [at, *(n for n, name in enumerate(entity.header) if n != at and _ABOUT.fullmatch(name.strip()))]
            about = tuple(entity.header[n] for n in places)
            found = GeneMap(f"column {column!r} of {entity.name or path.name}", about=about)
            for row in entity.rows():
                add_probe(found, row[0], row[at])
                found.texts[row[0]] = tuple(clip(row[n], _ABOUT_CHARS) if n < len(row) else "" for n in places)
            return found if found.genes else None
    return None


def add_probe(found: GeneMap, probe: str, cell: str) -> None:
    """Add one row of a platform's table to the map."""
    symbols = symbols_in(cell)
    if len(symbols) == 1:
        found.genes[probe] = symbols[0]
    elif symbols:
        found.several += 1
    else:
        found.none += 1


def symbols_in(cell: str) -> list[str]:
    """List the different gene symbols of a cell: `DDR1`, `DDR1 /// MIR4640`, `NM_1 // DDR1 // title`, `A;A;B`."""
    found: dict[str, None] = {}
    for part in re.split(r"///|[;|]", cell):
        fields = [f.strip() for f in part.split("//")]
        symbol = fields[1] if len(fields) > 1 else fields[0]
        if symbol.strip("-") and not is_missing(symbol) and len(symbol) <= _MAX_SYMBOL:
            found[symbol] = None
    return list(found)


def collapse(rows: Rows, genes: dict[str, str]) -> Collapsed:
    """Select for each gene the feature with the largest mean; one without numbers comes last."""
    best: dict[str, tuple[float, str]] = {}
    count = unmapped = 0
    for feature, values in rows:
        count += 1
        gene = genes.get(feature)
        if gene is None:
            unmapped += 1
            continue
        mean = mean_of(values)
        if gene not in best or mean > best[gene][0]:
            best[gene] = (mean, feature)
    return Collapsed({feature: gene for gene, (_, feature) in best.items()}, count, unmapped)


def mean_of(values: Iterable[str]) -> float:
    """Compute the mean of the numbers among some cells; minus infinity without any."""
    numbers = [n for n in map(as_number, values) if n is not None]
    return math.fsum(numbers) / len(numbers) if numbers else -math.inf
