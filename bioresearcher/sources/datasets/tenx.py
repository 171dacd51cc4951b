"""Matrices of single cells as 10x Genomics' programs write them: `matrix.mtx` with its names, and `.h5`.

Cells of a sample are no independent samples, so their counts are summed for each sample. Nothing is unpickled; of an
HDF5 file only the matrix's own arrays are read (https://www.10xgenomics.com/support, feature-barcode matrices).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from bioresearcher.errors import InputError
from bioresearcher.schemas.columns import as_number
from bioresearcher.sources.datasets.folders import Found, SideBySide
from bioresearcher.sources.datasets.formats import Table
from bioresearcher.sources.datasets.table_stream import open_lines, plain_suffix
from bioresearcher.sources.datasets.text_source import find_source

MTX = re.compile(r"(?P<stem>.*?)[._-]?matrix\.mtx(\.gz)?", re.I)
"""Names of 10x matrices; the barcodes and genes have the same beginning."""
H5 = re.compile(r"(?P<stem>.*?)[._-]?((filtered|raw)_(feature|gene)_bc_matrix(es)?(_h5)?)?\.h5", re.I)
H5Node: TypeAlias = Any
"""h5py comes without types."""
_MIN_FILES = 3
_MOST_ENTRIES = 500_000_000
"""Values of a matrix of cells that are read."""
_PART = 4_000_000


def single_cells(paths: Sequence[Path]) -> Found | None:
    """Sum the cells of each sample of 10x matrices; None without any.

    Raises:
        InputError: A matrix is damaged or not complete, holds no counts, or there are fewer than three samples.
    """
    matrices = [*tenx_matrices(paths), *_h5_matrices(paths)]
    if not matrices:
        return None
    joined = sum_cells(matrices)
    table = Table("pseudobulk", joined.rows(), [])
    return Found(tables=[(joined.used[0], table)], used={*joined.used}, notes=joined.notes)


@dataclass(frozen=True)
class Cells:
    """Files of a 10x matrix: single cells of one sample; of an HDF5 file the three are the same."""

    name: str
    matrix: Path
    barcodes: Path
    genes: Path

    @property
    def hdf5(self) -> bool:
        """Return True if all stands in one HDF5 file."""
        return plain_suffix(self.matrix) == ".h5"


def tenx_matrices(paths: Sequence[Path]) -> list[Cells]:
    """Find 10x matrices: a `matrix.mtx` with barcodes and genes (or features) of the same prefix beside it."""
    found = []
    for path in paths:
        if (match := MTX.fullmatch(path.name)) is None:
            continue
        beside = [p for p in paths if p.parent == path.parent and p.name.startswith(match["stem"])]
        barcodes = [p for p in beside if re.search(r"barcodes\.tsv(\.gz)?$", p.name, re.I)]
        genes = [p for p in beside if re.search(r"(genes|features)\.tsv(\.gz)?$", p.name, re.I)]
        if not barcodes or not genes:
            lost = " and ".join(w for w, own in (("barcodes", barcodes), ("genes", genes)) if not own)
            name = f"{path.parent.name}/{path.name}"
            raise InputError(
                f"{name}: is a sparse matrix, and the {lost} that belong to it are not beside it.",
                hint="Give matrix.mtx, barcodes.tsv and genes.tsv (or features.tsv) together.",
            )
        found.append(Cells(match["stem"].strip("._-") or path.parent.name, path, barcodes[0], genes[0]))
    return found


def sum_cells(matrices: Sequence[Cells]) -> SideBySide:
    """Sum the counts of the cells of each sample: cells are no independent samples, their sums per sample are.

    Raises:
        InputError: There are fewer than three samples, or the values are no counts.
    """
    if len(matrices) < _MIN_FILES:
        cells = sum(_h5_cells(m.matrix) if m.hdf5 else _lines(m.barcodes) for m in matrices)
        raise InputError(
            f"{matrices[0].matrix.name}: holds {cells:,} cells of {len(matrices)} samples. Cells of a sample are "
            "no independent samples, and no vetted analysis here clusters cells; sums per sample need at least "
            f"{_MIN_FILES} samples, and an analysis six.",
            hint="Give the matrices of more samples (a folder or prefix each), or a table of counts per sample.",
        )
    columns, features = [], []
    for one in matrices:
        sums = _h5_sums(one.matrix) if one.hdf5 else _sums(one, _gene_names(one.genes))
        columns.append(sums)
        features.append(list(sums))
    shared = set.intersection(*(set(f) for f in features))
    if not shared:
        raise InputError(
            f"{matrices[0].matrix.name} and {len(matrices) - 1} more matrices of cells have no gene in common.",
            hint="Give matrices that were made with the same reference.",
        )
    return SideBySide(
        [m.name for m in matrices],
        [n for n in dict.fromkeys(features[0]) if n in shared],
        columns,
        list(dict.fromkeys(p for m in matrices for p in (m.matrix, m.barcodes, m.genes))),
        [
            f"{len(matrices)} matrices of single cells: the counts of all cells of a sample were summed (pseudo-bulk), "
            "because cells of one sample are not independent; differences may come from the mixture of cell types"
        ],
    )


def _lines(path: Path) -> int:
    return sum(1 for _ in find_source(path).rows())


def _gene_names(path: Path) -> list[str]:
    rows = list(find_source(path).rows())
    return [row[1] if len(row) > 1 and row[1] else row[0] for row in rows]


def _sums(one: Cells, names: Sequence[str]) -> dict[str, str]:
    totals = [0.0] * len(names)
    with open_lines(one.matrix) as lines:
        body = (line for line in lines if not line.startswith("%"))
        rows = int(next(body, "0").split()[0])
        if rows != len(names):
            raise InputError(f"{one.matrix.name}: has {rows:,} rows, {one.genes.name} has {len(names):,} genes.")
        for line in body:
            gene, _, value = line.split()[:3]
            number = as_number(value)
            if number is None or number < 0 or number != int(number):
                raise InputError(f"{one.matrix.name}: holds {value}, which is no count of reads or molecules.")
            totals[int(gene) - 1] += number
    found: dict[str, float] = {}
    for name, total in zip(names, totals, strict=True):
        found[name] = found.get(name, 0.0) + total
    return {name: f"{total:.0f}" for name, total in found.items()}


def _h5_matrices(paths: Sequence[Path]) -> list[Cells]:
    """Find 10x matrices in HDF5; of a filtered and a raw one of a sample the filtered one."""
    found: dict[str, Path] = {}
    for path in paths:
        if plain_suffix(path) != ".h5" or (match := H5.fullmatch(path.name)) is None:
            continue
        generic = match[2] is not None and not match["stem"]
        name = path.parent.name if generic else match["stem"].strip("._-") or path.stem
        key = f"{path.parent}/{name}"
        if key not in found or found[key].name.lower().find("raw_") >= 0:
            found[key] = path
    return [Cells(key.rsplit("/", 1)[1], path, path, path) for key, path in found.items()]


def _h5_group(path: Path, file: H5Node) -> H5Node:
    """The group of the matrix: `matrix` of version 3, a genome of version 2.

    Raises:
        InputError: There is none, or several genomes.
    """
    import h5py

    needed = {"data", "indices", "indptr", "barcodes", "shape"}
    groups = [k for k in file if isinstance(file.get(k, getlink=True), h5py.HardLink) and hasattr(file[k], "keys")]
    found = [file[k] for k in groups if needed - {"barcodes"} <= set(file[k])]
    if len(found) != 1:
        what = "holds no 10x matrix" if not found else f"holds matrices of {len(found)} genomes ({', '.join(groups)})"
        raise InputError(f"{path.name}: {what}.", hint="Give the filtered feature-barcode matrix of one genome.")
    if "barcodes" not in found[0]:
        raise InputError(f"{path.name}: the 10x matrix has no barcodes.", hint="Export it again from Cell Ranger.")
    for name in needed:
        node = found[0][name]
        if not isinstance(node, h5py.Dataset) or node.external or node.is_virtual:
            raise InputError(f"{path.name}: {name!r} leads out of the file; it is not read.")
    return found[0]


def _h5_cells(path: Path) -> int:
    import h5py

    with h5py.File(path, "r") as file:
        return len(_h5_group(path, file)["barcodes"])


def _h5_sums(path: Path) -> dict[str, str]:
    """The counts of all cells, summed for each gene; other features (antibodies, guides) are left out."""
    import h5py
    import numpy as np

    try:
        with h5py.File(path, "r") as file:
            group = _h5_group(path, file)
            features = group.get("features", group)
            ids = features["id" if "id" in features else "genes"][:].tolist()
            names = features["name" if "name" in features else "gene_names"][:].tolist()
            kinds = (
                features["feature_type"][:].tolist() if "feature_type" in features else [b"Gene Expression"] * len(ids)
            )
            rows, entries = int(group["shape"][0]), int(group["data"].shape[0])
            if rows != len(names) or entries > _MOST_ENTRIES:
                said = f"has {rows:,} rows and {len(names):,} names" if rows != len(names) else f"{entries:,} values"
                raise InputError(f"{path.name}: cannot be read as a 10x matrix ({said}).")
            totals = np.zeros(rows)
            for start in range(0, entries, _PART):
                data = group["data"][start : start + _PART]
                if (data < 0).any() or (data != np.rint(data)).any():
                    raise InputError(f"{path.name}: holds values that are no counts of molecules.")
                totals += np.bincount(group["indices"][start : start + _PART], weights=data, minlength=rows)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path.name}: cannot be read as a 10x matrix ({reason}).") from error
    sums: dict[str, float] = {}
    for name, other, kind, total in zip(names, ids, kinds, totals, strict=True):
        if kind == b"Gene Expression":
            gene = (name or other).decode("utf-8", "replace")
            sums[gene] = sums.get(gene, 0.0) + float(total)
    return {name: f"{total:.0f}" for name, total in sums.items()}
