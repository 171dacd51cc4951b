"""Columns read off others: patients in titles, tissues in descriptions, as a question declares them, cell by cell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bioresearcher.audit.tables import MatrixNames, Sheet
from bioresearcher.schemas.question import DerivedColumn

NAMES = "sample"
"""Column of the samples' names where a data set has a matrix and no sheet."""


def sheet_of(sheet: Sheet, names: MatrixNames | None) -> Sheet:
    """Return the sheet, or, where a data set has none, one of the names of the matrix's columns."""
    if sheet.columns or names is None:
        return sheet
    ids = tuple(n.strip() for n in names.samples)
    return Sheet(name="samples", columns={NAMES: list(ids)}, ids=ids, sample_column=NAMES)


def with_derived(sheet: Sheet, derived: Iterable[DerivedColumn]) -> Sheet:
    """Return the sheet with columns read off its own; one whose source is not there is left out."""
    columns = dict(sheet.columns)
    for one in derived:
        if one.source in sheet.columns and one.name not in columns:
            columns[one.name] = [one.of(cell) for cell in sheet.known[one.source]]
    return replace(sheet, columns=columns)
