"""Phenotypes and covariates of PLINK (https://www.cog-genomics.org/plink/1.9/input#pheno): `.fam`, `.pheno`, `.cov`.

The codes are those of the format: -9 is missing in a phenotype or covariate; a phenotype of 1 and 2 is control and
case, with 0 as missing; the sex of a `.fam` file is 1 male, 2 female. Genotypes are not read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.schemas.columns import as_number
from bioresearcher.sources.datasets.folders import Found
from bioresearcher.sources.datasets.formats import PLINK_SUFFIXES, Table
from bioresearcher.sources.datasets.table_stream import plain_suffix
from bioresearcher.sources.datasets.text_source import find_source

_FAM = ("FID", "IID", "father", "mother", "sex", "phenotype")
_SEX = {"1": "male", "2": "female", "0": ""}
_STATUS = {"1": "control", "2": "case", "0": "", "-9": ""}


def phenotypes(paths: Sequence[Path]) -> Found | None:
    """Read PLINK's tables of persons: by their suffix, or by a header that begins with FID and IID.

    Raises:
        InputError: Rows have different numbers of cells, or a person stands in a file twice.
    """
    found = Found()
    for path in paths:
        fam = plain_suffix(path) == ".fam"
        if not fam and plain_suffix(path) not in (*PLINK_SUFFIXES, ".txt", ".tsv"):
            continue
        first = next(iter(_rows(path, most=1)), [])
        headed = [c.lstrip("#").upper() for c in first[:2]] == ["FID", "IID"]
        if not headed and plain_suffix(path) not in PLINK_SUFFIXES:
            continue  # any other table is not read here: it may be a matrix of many millions of values
        rows = _rows(path)
        header, body = _headed(path, rows, headed=headed, fam=fam)
        notes: list[str] = []
        columns = [_read(path, n, [r[at] for r in body], notes, fam=fam) for at, n in enumerate(header)]
        kept = [at for at, n in enumerate(header) if at == 1 or (at > 1 and n not in ("father", "mother"))]
        shown = "_".join(path.name.removesuffix(".gz").rsplit(".", 1)) if not path.name.endswith(".txt") else path.stem
        found.tables.append((path, Table(shown, _table(header, columns, kept), notes)))
        found.used.add(path)
    return found if found.tables else None


def _rows(path: Path, most: int | None = None) -> list[list[str]]:
    try:
        return list(islice(find_source(path).rows(), most))
    except InputError:
        return []


def _headed(path: Path, rows: list[list[str]], *, headed: bool, fam: bool) -> tuple[list[str], list[list[str]]]:
    width = len(rows[0]) if rows else 0
    uneven = next((n for n, r in enumerate(rows, 1) if len(r) != width), None)
    if uneven is not None or width < 3:
        raise InputError(
            f"{path.name}: row {uneven or 1} has {len(rows[(uneven or 1) - 1]) if rows else 0} cells, not {width}; "
            "PLINK's files have the family, the person and at least one value in every row.",
            hint="Write NA or -9 where a value is missing.",
        )
    if headed:
        header, body = [rows[0][0].lstrip("#"), *rows[0][1:]], rows[1:]
    elif fam and width == len(_FAM):
        header, body = list(_FAM), rows
    else:
        header = ["FID", "IID", *(f"value_{n}" for n in range(1, width - 1))]
        body = rows
    persons = [tuple(r[:2]) for r in body]
    twice = next((p for p, count in Counter(persons).items() if count > 1), None)
    if twice is not None:
        raise InputError(f"{path.name}: person {' '.join(twice)} stands in it more than once.", hint="Keep one row.")
    if len({r[1] for r in body}) < len(body):  # persons of different families have the same number
        body = [[r[0], f"{r[0]}_{r[1]}", *r[2:]] for r in body]
    return header, body


def _read(path: Path, name: str, cells: list[str], notes: list[str], *, fam: bool) -> list[str]:
    """The cells of a column by the codes of the format."""
    if name in ("FID", "IID", "father", "mother"):
        return cells
    known = {c for c in cells if c not in ("-9", "NA", "nan", "NaN", "")}
    if name.lower() == "sex" and known <= {*_SEX}:
        notes.append(f"{path.name}: column {name!r}: 1 = male, 2 = female, 0 = not known (PLINK's codes)")
        return [_SEX.get(c, "") for c in cells]
    phenotype = plain_suffix(path) not in (".cov", ".covar")
    if phenotype and {"1", "2"} <= known <= {"0", "1", "2"}:
        notes.append(f"{path.name}: column {name!r}: 1 = control, 2 = case, 0 and -9 = not known (PLINK's codes)")
        return [_STATUS.get(c, "") for c in cells]
    missing = sum(as_number(c) == -9 for c in cells)
    if missing:
        notes.append(f"{path.name}: column {name!r}: -9 is not known in {missing} rows (PLINK's code)")
    return ["" if as_number(c) == -9 else c for c in cells]


def _table(header: list[str], columns: list[list[str]], kept: list[int]) -> Iterator[list[str]]:
    yield [header[at] for at in kept]
    for row in zip(*(columns[at] for at in kept), strict=True):
        yield list(row)
