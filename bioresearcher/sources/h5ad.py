"""h5ad files (anndata's on-disk format) as a matrix of genes × observations and a sheet of the observations.

Read through HDF5 itself: https://anndata.readthedocs.io/en/stable/fileformat-prose.html. Only `X`, `obs` and `var` are
looked at; nothing in the file is executed or unpickled.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bioresearcher.errors import InputError
from bioresearcher.sources.table_formats import Rows, Table, cell_text

MAX_VALUES = 30_000_000
"""Genes × observations that are written out as a table; single-cell data are usually more."""
_BLOCK = 2_000_000
_DEPTH = 4


def h5ad_tables(path: Path) -> Iterator[Table]:
    """The matrix (`expression`), then the observations (`samples`).

    Raises:
        InputError: It is no h5ad file, is damaged, or its matrix is too large for a table.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            missing = [name for name in ("X", "obs", "var") if name not in file]
            if missing:
                raise InputError(f"{path.name}: is no h5ad file: it has no {missing[0]!r}.")
            for name in ("X", "obs", "var"):
                _check_inside(path, file, name)
            observations, genes = _names(file["obs"]), _names(file["var"])
            cells = len(observations) * len(genes)
            if cells > MAX_VALUES:
                raise InputError(
                    f"{path.name}: {len(observations):,} observations × {len(genes):,} genes are too many for a table "
                    f"(at most {MAX_VALUES:,} values).",
                    hint="Give sums per sample (pseudo-bulk), or a subset.",
                )
            sheet = _columns(file["obs"], len(observations))
            yield Table("expression", _matrix(file["X"], genes, observations))
            yield Table("samples", _sheet(observations, sheet))
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path.name}: cannot be read as an h5ad file ({reason}).") from error


def _check_inside(path: Path, group: Any, name: str, depth: int = 0) -> None:  # noqa: ANN401 - h5py has no types
    """Refuse links and storage that would read other files, and nesting that anndata does not write."""
    import h5py

    node = group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else None
    if isinstance(node, h5py.Dataset):
        if node.external or node.is_virtual:
            node = None
    elif isinstance(node, h5py.Group) and depth < _DEPTH:
        for inner in node:
            _check_inside(path, node, inner, depth + 1)
        return
    else:
        node = None
    if node is None:
        raise InputError(f"{path.name}: {name!r} leads out of the file or too deep; it is not read.")


def _names(group: Any) -> list[str]:  # noqa: ANN401 - h5py has no types
    key = group.attrs.get("_index", "_index")
    index = group[key if key in group else "index"]
    return [cell_text(v) for v in (_decoded(index))]


def _decoded(node: Any) -> list[Any]:  # noqa: ANN401 - h5py has no types
    """A column: plain, categorical (codes into categories), or nullable (values and mask)."""
    if hasattr(node, "keys"):
        if "categories" in node:
            names = _decoded(node["categories"])
            return [names[c] if 0 <= c < len(names) else None for c in node["codes"][:].tolist()]
        values, mask = node["values"][:].tolist(), node["mask"][:].tolist()
        return [None if m else v for v, m in zip(values, mask, strict=True)]
    return list(node[:].tolist())


def _columns(group: Any, rows: int) -> dict[str, list[Any]]:  # noqa: ANN401 - h5py has no types
    key = group.attrs.get("_index", "_index")
    order = [cell_text(c) for c in group.attrs.get("column-order", [])] or [c for c in group if c not in (key, "index")]
    found = {name: _decoded(group[name]) for name in order if name in group and name != key}
    return {name: values for name, values in found.items() if len(values) == rows}


def _sheet(names: list[str], columns: dict[str, list[Any]]) -> Rows:
    yield ["sample", *columns]
    for number, name in enumerate(names):
        yield [name, *(cell_text(values[number]) for values in columns.values())]


def _matrix(node: Any, genes: list[str], observations: list[str]) -> Rows:  # noqa: ANN401 - h5py has no types
    """Genes in rows. `X` has the observations in rows: it is read in blocks of genes."""
    yield ["gene", *observations]
    step = max(1, _BLOCK // max(1, len(observations)))
    source = _sparse(node, len(observations), len(genes)) if hasattr(node, "keys") else node
    if source.shape != (len(observations), len(genes)):
        raise InputError(f"X is {source.shape[0]} × {source.shape[1]}, obs and var say otherwise.")
    for start in range(0, len(genes), step):
        block = source[:, start : start + step].T
        for name, row in zip(genes[start : start + step], block.tolist(), strict=True):
            yield [name, *(cell_text(v) for v in row)]


def _sparse(node: Any, rows: int, columns: int) -> Any:  # noqa: ANN401 - h5py has no types
    """A dense array of a compressed sparse matrix; small enough, as its size was checked."""
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
