"""Readers of data that are not delimited text: Excel, Parquet and h5ad.

`READERS` is the one list of these formats: the accepted suffixes and the messages are made from it. Every reader gives
tables as rows of text cells. Nothing is executed or unpickled: workbooks are read without formulas and macros, Parquet
without object columns, h5ad (https://anndata.readthedocs.io/en/stable/fileformat-prose.html) through HDF5 itself, of
which only `X`, `obs` and `var` are looked at.
"""

from __future__ import annotations

import datetime as dt
import gzip
import math
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeAlias

from bioresearcher.errors import InputError
from bioresearcher.sources.datasets.table_stream import GZIP, TABLE_SUFFIXES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_UNPACKED = 2 << 30
"""Bytes a workbook may hold unpacked; a small file can hold very much."""
MAX_CELLS = 200_000_000
"""Rows × columns of a Parquet file that are read."""
MAX_VALUES = 30_000_000
"""Genes × observations of an h5ad file that are read; single-cell data are usually more."""
_BLOCK = 2_000_000
"""Values of an h5ad matrix that are in memory at once."""
_BARCODE = re.compile(r"(?i)(?<![a-z])[ACGT]{8,}(?![a-z])")
_CELL_COLUMN = re.compile(
    r"(?i)n_?(genes|counts|umis?|features?)(_.*)?|total_counts(_.*)?|n_genes_by_counts|p(c|er)e?n?c?t?_?(counts_)?mt.*"
    r"|percent[._]mi?to?.*|leiden.*|louvain.*|seurat_clusters|cell_?types?(_.*)?|cell_?ontology.*|doublet.*|scrublet.*"
    r"|nCount_RNA|nFeature_RNA|phase|S_score|G2M_score|barcodes?|clusters?"
)
_DONOR = re.compile(
    r"(?i)(donor|patient|subject|individual|participant|mouse|animal|case|sample|library|replicate)s?"
    r"([._ ]?(id|name|no))?"
    r"|orig\.ident"
)
"""Columns of cells that name the donor or sample they came from."""
_TYPE = re.compile(
    r"(?i)((author|predicted|final|major|broad|fine)_)?cell[._ ]?types?"
    r"([._ ]?(name|label|annotation|major|broad|fine|l[123]))?"
    r"|cell_?(label|annotation|class)|annotations?|cell_ontology_class"
)
"""Columns of cells that name their type."""
_MOST_TYPES = 60
TYPES_HEADER: Final = ("cell_type", "gene")
"""First columns of the table of counts summed for each cell type and donor."""
BY_TYPE: Final = "gene of a cell type"
"""Row of that table."""
CELLS: Final = "number of cells"
"""In place of a gene: how many cells of a type each donor has."""
_DEPTH = 4
"""Groups within groups that anndata writes, at most."""

Rows = Iterator[Sequence[str]]
ExcelSheet: TypeAlias = Any
ParquetData: TypeAlias = Any
H5Node: TypeAlias = Any
"""openpyxl, fastparquet and h5py come without types."""


@dataclass
class Table:
    """One table. `rows` begins with the header and can be read once; `notes` are complete after that."""

    name: str
    rows: Rows
    notes: list[str] = field(default_factory=list)
    kind: str = ""
    """`table` of one that is no matrix, whatever it looks like."""


@contextmanager
def plain_file(path: Path) -> Iterator[Path]:
    """Give the file itself or, of a gzipped one, an unpacked copy that lives until the end of the block.

    Raises:
        InputError: It is damaged, or larger than 2 GB unpacked.
    """
    try:
        with path.open("rb") as file:
            gzipped = file.read(2) == GZIP
        if not gzipped:
            yield path
            return
        with tempfile.TemporaryDirectory(prefix="bioresearcher-") as folder:
            copy = Path(folder, path.name.removesuffix(".gz"))
            with gzip.open(path, "rb") as source, copy.open("wb") as target:
                while chunk := source.read(1 << 20):
                    if target.tell() > MAX_UNPACKED:
                        raise InputError(f"{path.name}: holds more than {MAX_UNPACKED >> 30} GB unpacked.")
                    target.write(chunk)
            yield copy
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path.name}: the gzip file is damaged ({error}).", hint="Download it again.") from error


def excel_tables(path: Path) -> Iterator[Table]:
    """Read one table per non-empty sheet of a workbook; formulas count with their last calculated value.

    Raises:
        InputError: It is no workbook of Excel 2007 or later, is damaged, encrypted, or too large unpacked.
    """
    _check_zip(path)
    import openpyxl

    with path.open("rb") as raw:  # by its content: a workbook may have any name
        try:
            book = openpyxl.load_workbook(raw, read_only=True, data_only=True, keep_links=False)
            names = list(book.sheetnames)
        except Exception as error:
            raise _unreadable(path, "an Excel workbook", error) from error
        try:
            for name in names:
                sheet = book[name]
                if not hasattr(sheet, "iter_rows"):
                    continue  # a sheet that is a chart
                sheet.reset_dimensions()  # some programs state a single cell
                table = Table(name, iter(()))
                table.rows = _sheet_rows(path, sheet, table)
                yield table
        finally:
            book.close()


def refuse_old_excel(path: Path) -> Iterator[Table]:
    """Refuse the binary format of Excel before 2007.

    Raises:
        InputError: Always.
    """
    raise InputError(f"{path.name}: the old Excel format is not read.", hint="Save it as .xlsx or CSV.")


def _check_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(i.file_size for i in archive.infolist()) > MAX_UNPACKED:
                raise InputError(f"{path.name}: holds more than {MAX_UNPACKED >> 30} GB unpacked.")
            for info in archive.infolist():
                if info.filename.endswith(".xml"):
                    with archive.open(info) as part:
                        if b"<!DOCTYPE" in part.read(4096):
                            raise InputError(f"{path.name}: {info.filename} declares a document type; not read.")
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
        raise InputError(
            f"{path.name}: is no Excel workbook of 2007 or later ({' '.join(str(error).split())}).",
            hint="Save it as .xlsx without a password, or export it as CSV or TSV.",
        ) from error


def _sheet_rows(path: Path, sheet: ExcelSheet, table: Table) -> Rows:
    dates = 0
    try:
        for row in sheet.iter_rows(values_only=True):
            cells = [cell_text(v) for v in row]
            if not any(cells):
                continue
            dates += isinstance(row[0], (dt.date, dt.datetime))
            yield cells
    except Exception as error:
        raise _unreadable(path, f"sheet {table.name!r}", error) from error
    if dates:
        table.notes.append(
            f"{path.name}: {dates} cells of the first column of sheet {table.name!r} are dates: Excel turns gene names "
            "such as SEPT2 into dates; correct them at the source"
        )


def parquet_tables(path: Path) -> Iterator[Table]:
    """Read the one table of a Parquet file, with its index if that has a name or holds text.

    Raises:
        InputError: It is no Parquet file, is damaged, or has nested columns.
    """
    import fastparquet

    with ExitStack() as opened:

        def open_with(name: str, mode: str = "rb") -> IO[bytes]:  # the library leaves closing to chance
            if Path(name) != path:  # a Parquet file may say that its columns are in other files
                raise FileNotFoundError(f"{name} is not part of it")
            return opened.enter_context(path.open(mode))

        try:
            file = fastparquet.ParquetFile(str(path), open_with=open_with)
            rows = int(file.count())
            if rows * max(1, len(file.columns)) > MAX_CELLS:
                raise InputError(f"{path.name}: {rows:,} rows × {len(file.columns):,} columns are too many cells.")
        except Exception as error:
            raise _unreadable(path, "a Parquet file", error) from error
        yield Table(path.name.split(".")[0], _parquet_rows(path, file))


def _parquet_rows(path: Path, file: ParquetData) -> Rows:
    header: list[str] = []
    try:
        for part in file.iter_row_groups():
            table = part.reset_index() if part.index.name is not None or part.index.dtype == object else part
            if not header:
                header = [cell_text(c) for c in table.columns]
                yield header
            for row in table.itertuples(index=False, name=None):
                yield [cell_text(v) for v in row]
    except Exception as error:
        raise _unreadable(path, "a Parquet file", error) from error


def h5ad_tables(path: Path) -> Iterator[Table]:
    """Read the matrix of an h5ad file (`expression`), then its observations (`samples`).

    Single cells are no independent samples: their counts are summed for each donor, if the observations name one.

    Raises:
        InputError: It is no h5ad file, is damaged, its matrix is too large for a table, or it holds single cells whose
            donors are not named or whose values are no counts.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            missing = [name for name in ("X", "obs", "var") if name not in file]
            if missing == ["X"]:
                raise InputError(
                    f"{path.name}: the h5ad file has no matrix X, so it holds no measurements.",
                    hint="Write it with its counts in X.",
                )
            if missing:
                raise InputError(f"{path.name}: is no h5ad file: it has no {missing[0]!r}.")
            for name in ("X", "obs", "var", *(n for n in ("raw", "layers") if n in file)):
                _check_h5_node(path, file, name)
            if not hasattr(file["obs"], "keys") and "uns" in file:
                for name in (n for n in file["uns"] if n.endswith("_categories")):
                    _check_h5_node(path, file["uns"], name)
            observations, genes = _h5_names(file["obs"]), _h5_names(file["var"])
            sheet = _h5_columns(file, "obs", len(observations))
            if are_cells(observations, list(sheet), "obsm" in file and len(file["obsm"]) > 0):
                yield from _cells_summed(path, file, observations, sheet)
                return
            cells = len(observations) * len(genes)
            if cells > MAX_VALUES:
                raise InputError(
                    f"{path.name}: {len(observations):,} observations × {len(genes):,} genes are too many for a table "
                    f"(at most {MAX_VALUES:,} values).",
                    hint="Give sums per sample (pseudo-bulk), or a subset.",
                )
            yield Table("expression", _h5_matrix(file["X"], genes, observations))
            yield Table("samples", _h5_sheet(observations, sheet))
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path.name}: cannot be read as an h5ad file ({reason}).") from error


def are_cells(names: Sequence[str], columns: Sequence[str], embedded: bool) -> bool:
    """Tell single cells from samples: by barcodes as names, or by columns and embeddings that only cells have."""
    barcodes = sum(bool(_BARCODE.search(n)) for n in names[:1000])
    if barcodes > 0.5 * min(len(names), 1000) or any(re.search(r"(?i)(^|[_-])cell[_-]?\d+", n) for n in names[:3]):
        return True
    marks = sum(bool(_CELL_COLUMN.fullmatch(c)) for c in columns)
    return len(names) >= 50 and (marks >= 2 or (marks >= 1 and embedded))


def _cells_summed(
    path: Path, file: H5Node, names: Sequence[str], columns: Mapping[str, Sequence[Any]]
) -> Iterator[Table]:
    """Yield the counts summed for each donor, and what is the same in all cells of a donor."""
    unit, levels = _donors(path, len(names), columns)
    source, var = _count_node(path, file)
    genes = _h5_names(var)
    wanted = list(dict.fromkeys(v for v in levels if v))
    number = {name: at for at, name in enumerate(wanted)}
    rows = [number.get(v, -1) for v in levels]
    totals = _sums_by(source, rows, len(wanted), len(genes))
    lost = rows.count(-1)

    def matrix() -> Rows:
        yield ["gene", *wanted]
        for at, gene in enumerate(genes):
            yield [gene, *(cell_text(float(v)) for v in totals[:, at])]

    notes = [
        f"{path.name}: {len(names):,} single cells of {len(wanted)} {unit!r}: cells of one are no independent "
        "samples, so their counts were summed (pseudo-bulk); differences may come from the mixture of cell types"
    ]
    notes += [f"{path.name}: {lost:,} cells without {unit!r} were left out"] if lost else []
    constant, varies = {}, []
    for name, values in columns.items():
        per: dict[str, set[str]] = {}
        for donor, value in zip(levels, values, strict=True):
            per.setdefault(donor, set()).add(cell_text(value))
        if name != unit and all(len(found) == 1 for donor, found in per.items() if donor):
            constant[name] = [next(iter(per[d])) for d in wanted]
        elif name != unit:
            varies.append(name)
    if varies:
        notes.append(
            f"{path.name}: columns that differ between cells of one {unit!r} were left out: {', '.join(varies)}"
        )
    yield Table("expression", matrix(), notes)
    count = [str(rows.count(at)) for at in range(len(wanted))]
    yield Table("samples", _h5_sheet(wanted, {**constant, "cells": count}, unit))
    yield from _types_summed(path, source, genes, wanted, rows, {n: v for n, v in columns.items() if n != unit})


def _types_summed(
    path: Path,
    source: H5Node,
    genes: Sequence[str],
    donors: Sequence[str],
    rows: Sequence[int],
    columns: Mapping[str, Sequence[Any]],
) -> Iterator[Table]:
    """Yield the counts summed for each cell type and donor, where one column of the cells names their types."""
    named = {n: [cell_text(v) for v in values] for n, values in columns.items() if _TYPE.fullmatch(n)}
    named = {n: cells for n, cells in named.items() if 2 <= len(set(cells) - {""}) <= _MOST_TYPES}
    if len(named) != 1:
        return  # none, or several: which one is meant is not guessed
    [(column, cells)] = named.items()
    types = sorted({c for c, donor in zip(cells, rows, strict=True) if c and donor >= 0})
    if len(types) * len(donors) * len(genes) > MAX_VALUES:
        return
    number = {name: at for at, name in enumerate(types)}
    both = [number[c] * len(donors) + d if c and d >= 0 else -1 for c, d in zip(cells, rows, strict=True)]
    totals = _sums_by(source, both, len(types) * len(donors), len(genes))
    size = [both.count(at) for at in range(len(types) * len(donors))]

    def lines() -> Rows:
        yield [*TYPES_HEADER, *donors]
        for kind, own in number.items():
            part = slice(own * len(donors), (own + 1) * len(donors))
            yield [kind, CELLS, *map(str, size[part])]
            for at, gene in enumerate(genes):
                yield [kind, gene, *(cell_text(float(v)) for v in totals[part, at])]

    notes = [f"{path.name}: counts were summed for each of {len(types)} cell types ({column!r}) and donor, too"]
    yield Table("cell-types", lines(), notes, kind="table")


def _donors(path: Path, cells: int, columns: Mapping[str, Sequence[Any]]) -> tuple[str, list[str]]:
    """Find the column of the donors: the coarsest of those named like one."""
    found = []
    for name, values in columns.items():
        if not _DONOR.fullmatch(name):
            continue
        levels = [cell_text(v) for v in values]
        count = len(set(levels) - {""})
        if 2 <= count <= cells / 5:
            found.append((count, name, levels))
    if not found:
        raise InputError(
            f"{path.name}: holds {cells:,} single cells, and no column of its observations names the donors (it has: "
            f"{', '.join(list(columns)[:12]) or 'none'}). Cells of one donor are no independent samples.",
            hint="Name the donor of each cell in a column `donor`, or give counts summed per donor.",
        )
    _, name, levels = min(found)
    return name, levels


def _count_node(path: Path, file: H5Node) -> tuple[H5Node, H5Node]:
    """Find counts: the layer `counts`, the raw matrix, or the matrix itself if its values are whole."""
    import numpy as np

    candidates = [(file["layers"]["counts"], file["var"])] if "layers" in file and "counts" in file["layers"] else []
    if "raw" in file and "X" in file["raw"] and "var" in file["raw"]:
        candidates.append((file["raw"]["X"], file["raw"]["var"]))
    candidates.append((file["X"], file["var"]))
    for node, var in candidates:
        part = (node["data"] if hasattr(node, "keys") else node)[:1000]
        if (part >= 0).all() and (part == np.rint(part)).all() and part.max(initial=0) > 1:
            return node, var
    raise InputError(
        f"{path.name}: holds single cells whose values are no counts (normalised or logarithms); their sums per "
        "donor mean nothing.",
        hint="Keep the counts in the layer `counts` or in `raw`, or give counts summed per donor.",
    )


def _sums_by(node: H5Node, rows: Sequence[int], groups: int, genes: int) -> npt.NDArray[np.float64]:
    """Sum the rows of a matrix, dense or sparse, by their groups; rows of group -1 are left out."""
    import numpy as np

    totals = np.zeros((groups, genes))
    of = np.array(rows)
    if not hasattr(node, "keys"):
        step = max(1, _BLOCK // max(1, genes))
        for start in range(0, len(of), step):
            block, part = node[start : start + step], of[start : start + step]
            np.add.at(totals, part[part >= 0], block[part >= 0])
        return totals
    starts = node["indptr"][:]
    by_row = "csc" not in str(node.attrs.get("encoding-type", node.attrs.get("h5sparse_format", "csr")))
    step = 4_000_000
    outer_of = np.repeat(np.arange(len(starts) - 1), np.diff(starts)) if len(starts) > 1 else np.array([], int)
    for start in range(0, int(starts[-1]), step):
        data, inner = node["data"][start : start + step], node["indices"][start : start + step]
        outer = outer_of[start : start + step]
        cell, gene = (outer, inner) if by_row else (inner, outer)
        keep = of[cell] >= 0
        np.add.at(totals, (of[cell[keep]], gene[keep]), data[keep])
    return totals


def _check_h5_node(path: Path, group: H5Node, name: str, depth: int = 0) -> None:
    """Refuse links and storage that would read other files, and nesting that anndata does not write."""
    import h5py

    node = group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else None
    if isinstance(node, h5py.Dataset):
        if node.external or node.is_virtual:
            node = None
    elif isinstance(node, h5py.Group) and depth < _DEPTH:
        for inner in node:
            _check_h5_node(path, node, inner, depth + 1)
        return
    else:
        node = None
    if node is None:
        raise InputError(f"{path.name}: {name!r} leads out of the file or too deep; it is not read.")


def _h5_names(group: H5Node) -> list[str]:
    if not hasattr(group, "keys"):  # a table of records, as before anndata 0.7
        return [cell_text(v) for v in group["index" if "index" in group.dtype.names else group.dtype.names[0]].tolist()]
    key = group.attrs.get("_index", "_index")
    index = group[key if key in group else "index"]
    return [cell_text(v) for v in (_h5_values(index))]


def _h5_values(node: H5Node) -> list[Any]:
    """Values of a column: plain, categorical (codes into categories), or nullable (values and mask)."""
    if hasattr(node, "keys"):
        if "categories" in node:
            names = _h5_values(node["categories"])
            return [names[c] if 0 <= c < len(names) else None for c in node["codes"][:].tolist()]
        values, mask = node["values"][:].tolist(), node["mask"][:].tolist()
        return [None if m else v for v, m in zip(values, mask, strict=True)]
    return list(node[:].tolist())


def _h5_columns(file: H5Node, place: str, rows: int) -> dict[str, list[Any]]:
    """Read the columns of the observations; codes of categories become their words in every version of the format."""
    group = file[place]
    if not hasattr(group, "keys"):  # a table of records; the words stand in `uns`
        names = [n for n in group.dtype.names if n not in ("index", "_index")]
        words = {n: file["uns"][f"{n}_categories"] for n in names if "uns" in file and f"{n}_categories" in file["uns"]}
        return {n: _in_words(group[n].tolist(), words.get(n)) for n in names}
    key = group.attrs.get("_index", "_index")
    order = [cell_text(c) for c in group.attrs.get("column-order", [])] or [c for c in group if c not in (key, "index")]
    words = dict(group["__categories"]) if "__categories" in group else {}  # anndata 0.7
    found = {
        name: _in_words(_h5_values(group[name]), words.get(name))
        for name in order
        if name in group and name not in (key, "__categories")
    }
    return {name: values for name, values in found.items() if len(values) == rows}


def _in_words(values: list[Any], categories: H5Node | None) -> list[Any]:
    if categories is None:
        return values
    names = _h5_values(categories)
    return [names[int(c)] if 0 <= int(c) < len(names) else None for c in values]


def _h5_sheet(names: Sequence[str], columns: Mapping[str, Sequence[Any]], unit: str = "sample") -> Rows:
    yield [unit, *columns]
    for number, name in enumerate(names):
        yield [name, *(cell_text(values[number]) for values in columns.values())]


def _h5_matrix(node: H5Node, genes: list[str], observations: list[str]) -> Rows:
    """Rows of genes × observations. `X` has the observations in rows, so it is read in blocks of genes."""
    yield ["gene", *observations]
    step = max(1, _BLOCK // max(1, len(observations)))
    source = _h5_dense(node, len(observations), len(genes)) if hasattr(node, "keys") else node
    if source.shape != (len(observations), len(genes)):
        raise InputError(f"X is {source.shape[0]} × {source.shape[1]}, obs and var say otherwise.")
    for start in range(0, len(genes), step):
        block = source[:, start : start + step].T
        for name, row in zip(genes[start : start + step], block.tolist(), strict=True):
            yield [name, *(cell_text(v) for v in row)]


def _h5_dense(node: H5Node, rows: int, columns: int) -> H5Node:
    """Expand a compressed sparse matrix (CSR or CSC); its size was checked before."""
    import numpy as np

    data, indices, starts = node["data"][:], node["indices"][:], node["indptr"][:]
    by_row = "csc" not in str(node.attrs.get("encoding-type", node.attrs.get("h5sparse_format", "csr")))
    dense = np.zeros((rows, columns), dtype=np.float32 if data.dtype.itemsize <= 4 else np.float64)
    for outer in range(len(starts) - 1):
        inside = slice(int(starts[outer]), int(starts[outer + 1]))
        if by_row:
            dense[outer, indices[inside]] = data[inside]
        else:
            dense[indices[inside], outer] = data[inside]
    return dense


def cell_text(value: object) -> str:
    """Format a value as a cell on one line: empty when missing, whole numbers without a point."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat()
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return "" if text in ("nan", "NaT", "<NA>", "None") else " ".join(text.split())


def _unreadable(path: Path, what: str, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    reason = " ".join(str(error).split())[:160] or type(error).__name__
    return InputError(f"{path.name}: cannot be read as {what} ({reason}).", hint="Export it as CSV or TSV.")


READERS: Final[Mapping[str, Callable[[Path], Iterator[Table]]]] = {
    ".xlsx": excel_tables,
    ".xlsm": excel_tables,
    ".xls": refuse_old_excel,
    ".parquet": parquet_tables,
    ".h5ad": h5ad_tables,
}
"""Suffix → reader of the tables in an unpacked file; each suffix also with `.gz`. A new format is a new line here."""

PLINK_SUFFIXES: Final = (".fam", ".pheno", ".phe", ".cov", ".covar")
"""Suffixes of PLINK's tables of persons."""

CONVERTED_SUFFIXES: Final = (*READERS, ".soft", ".mtx", ".h5", ".maf", ".gct", ".zip", *PLINK_SUFFIXES)
"""Suffixes of files that are converted to TSV before they are read; `.soft` is GEO's text format."""

ACCEPTED: Final = (
    f"tables ({', '.join((*TABLE_SUFFIXES, *(s for s in READERS if READERS[s] is not refuse_old_excel)))}, each also "
    "with .gz), GEO's SOFT or series matrix files, or gene sets (.gmt)"
)
"""The accepted formats in words, for messages and help."""

SUPPLEMENT_SUFFIXES: Final = (*TABLE_SUFFIXES, ".xlsx")
"""Suffixes of supplementary files at a source that can be read as one table of values, each also with `.gz`."""

SAMPLE_FILES: Final = re.compile(
    r"(quant(\.genes)?\.sf|abundance\.tsv|.*\.(genes|isoforms)\.results|.*readspergene\.out\.tab|.*\.(htseq|counts?)"
    r"|.*augmented_star_gene_counts\.tsv)"
    r"(\.gz)?",
    re.I,
)
"""Names of files that hold one sample each, by the programs that write them."""
