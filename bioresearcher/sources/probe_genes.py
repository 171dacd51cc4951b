"""Probes to genes by a platform's own table, and one row for each gene: both rules are stated with what they did."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.missing import is_missing
from bioresearcher.sources.geo_rows import Rows
from bioresearcher.sources.lines import open_lines
from bioresearcher.sources.soft import entities

_COLUMNS = (
    "genesymbol", "genesymbols", "symbol", "symbols", "genesym", "ilmngene", "genename", "orfsymbol", "gene",
    "mirnaid", "mirnaidlist", "geneassignment", "associatedgene", "ucscrefgenename",
)  # fmt: skip
"""Names of columns that hold gene symbols, without case and punctuation, the best first. Free texts such as
`Gene Title` are none; `gene_assignment` is Affymetrix's `accession // symbol // title // …`."""

_MAX_SYMBOL = 40
COLLAPSE = (
    "of several probes of one gene, the one with the largest mean over all samples was kept "
    "(MaxMean of collapseRows, Miller et al. 2011)"
)
"""The rule, in words, for notes."""


@dataclass
class GeneMap:
    """Probe -> gene symbol, with what was left out.

    Attributes:
        source: Where it comes from, in words, e.g. `column 'Gene Symbol' of GPL96`.
        genes: Probe -> symbol, for probes that name exactly one gene.
        several: Probes that name more than one gene; `none` counts those that name no gene.
    """

    source: str
    genes: dict[str, str] = field(default_factory=dict)
    several: int = 0
    none: int = 0


@dataclass
class Collapsed:
    """Which rows are written: feature -> gene, and how many there were.

    Attributes:
        kept: Feature -> gene, one feature for each gene.
        rows: Rows of the matrix; `unmapped` of them have no gene.
    """

    kept: dict[str, str]
    rows: int
    unmapped: int


def gene_column(header: Sequence[str]) -> str | None:
    """The column of a platform table that holds gene symbols, or None."""
    names = {re.sub(r"[^a-z0-9]", "", column.lower()): column for column in reversed(header)}
    return next((names[known] for known in _COLUMNS if known in names), None)


def read_platform(path: Path, platform: str = "") -> GeneMap | None:
    """The map of a platform's table (SOFT: a platform, a family, or an annotation file); None when it names no genes.

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
            found = GeneMap(f"column {column!r} of {entity.name or path.name}")
            for row in entity.rows():
                add_probe(found, row[0], row[at])
            return found if found.genes else None
    return None


def add_probe(found: GeneMap, probe: str, cell: str) -> None:
    """Take one row of a platform's table into the map."""
    symbols = symbols_in(cell)
    if len(symbols) == 1:
        found.genes[probe] = symbols[0]
    elif symbols:
        found.several += 1
    else:
        found.none += 1


def symbols_in(cell: str) -> list[str]:
    """The different gene symbols of a cell: `DDR1`, `DDR1 /// MIR4640`, `NM_1 // DDR1 // title`, `A;A;B`."""
    found: dict[str, None] = {}
    for part in re.split(r"///|[;|]", cell):
        fields = [f.strip() for f in part.split("//")]
        symbol = fields[1] if len(fields) > 1 else fields[0]
        if symbol.strip("-") and not is_missing(symbol) and len(symbol) <= _MAX_SYMBOL:
            found[symbol] = None
    return list(found)


def collapse(rows: Rows, genes: dict[str, str]) -> Collapsed:
    """For each gene the feature with the largest mean; a feature without any number is nobody's best."""
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
    """The mean of the numbers among some cells; minus infinity without any."""
    numbers = [n for n in map(as_number, values) if n is not None]
    return math.fsum(numbers) / len(numbers) if numbers else -math.inf
