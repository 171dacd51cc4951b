"""Lists of mutations (MAF): genes by how many patients carry them, and the most frequent as columns of the sheet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from bioresearcher.schemas.dataset import Reading
from bioresearcher.sources.datasets.sheets import GENES_HEADER
from bioresearcher.sources.datasets.table_form import Plain

_SILENT = re.compile(r"(?i)silent|intron|[35]'?_?(utr|flank)|igr|rna|lincrna|synonymous.*|intergenic.*|.*stream.*")
"""Classes of variants that change no protein."""
NOT_LISTED = "not listed"
"""Cell of a patient whom a list of mutations does not name."""
_MOST_GENES = 20
_LEAST_MUTATED = 5


def take_mutations(tables: list[Plain]) -> None:
    """Take a list of mutations (MAF) to genes: a table of frequencies, and columns of the sheet for frequent genes."""
    for table in [t for t in tables if {"Hugo_Symbol", "Tumor_Sample_Barcode"} <= set(t.header)]:
        gene, barcode = table.header.index("Hugo_Symbol"), table.header.index("Tumor_Sample_Barcode")
        kind = table.header.index("Variant_Classification") if "Variant_Classification" in table.header else None
        mutated: dict[str, set[str]] = {}
        samples: dict[str, None] = {}
        for row in table.rows():
            if len(row) <= max(gene, barcode):
                continue
            samples[row[barcode]] = None
            if kind is None or len(row) <= kind or not _SILENT.fullmatch(row[kind]):
                mutated.setdefault(row[gene], set()).add(row[barcode])
        found = [(s, column, p) for s in tables if s is not table for column, p in _by_prefix(s, list(samples)).items()]
        sheet, column, patient = max(found, key=lambda f: len(f[2]), default=(None, "", dict[str, str]()))
        units = {patient.get(s, s) for s in samples}
        people = {g: {patient.get(s, s) for s in listed} for g, listed in mutated.items()}
        order = sorted(people, key=lambda g: (-len(people[g]), g))
        share = {g: 100 * len(people[g]) / max(1, len(units)) for g in order}
        rows = [[g, str(len(people[g])), str(len(units)), f"{share[g]:.1f}"] for g in order]
        source = table.source.name
        table.name, table.header = f"{table.name}-genes", list(GENES_HEADER)
        table.rows, table.matrix, table.changed = _again(rows), False, True
        table.notes.append(
            f"{source}: a list of mutations; counted are those that may change a protein, once for each "
            f"{'patient' if patient else 'sample'} and gene ({len(units)} are listed)"
        )
        if sheet is not None and patient:
            chosen = [g for g in order if _LEAST_MUTATED <= len(people[g]) <= len(units) - _LEAST_MUTATED][:_MOST_GENES]
            _add_mutations(sheet, column, {g: people[g] for g in chosen}, units, source)


def _by_prefix(sheet: Plain, barcodes: Sequence[str]) -> dict[str, dict[str, str]]:
    """Map barcodes to the names in a sheet's columns that they are, or begin with before a hyphen."""
    found = {}
    for column, cells in sheet.ids().items():
        names = set(cells)
        mapped = {}
        for code in barcodes:
            parts = code.split("-")
            own = next((n for at in range(len(parts), 0, -1) if (n := "-".join(parts[:at])) in names), None)
            if own is not None:
                mapped[code] = own
        if len(mapped) >= 0.5 * len(barcodes):
            found[column] = mapped
    return found


def _add_mutations(sheet: Plain, column: str, genes: dict[str, set[str]], listed: set[str], source: str) -> None:
    before, own, at = sheet.rows, sheet.header, sheet.header.index(column)

    def rows() -> Iterator[list[str]]:
        for row in before():
            name = row[at]
            states = [
                "mutated" if name in people else "wild type" if name in listed else NOT_LISTED
                for people in genes.values()
            ]
            yield [*row, *[""] * (len(own) - len(row)), *states]

    absent = sum(row[at] not in listed for row in before())
    sheet.header = [*own, *(f"{g}_mutation" for g in genes)]
    sheet.rows = rows
    sheet.changed = True
    sheet.notes.append(
        f"{sheet.source.name}: columns of the {len(genes)} genes mutated most often in {source} were added"
        + (f"; {absent} patients are not listed there, so nobody knows whether they were sequenced" if absent else "")
    )
    for gene in genes if absent else ():
        sheet.readings.append(
            Reading(
                file=sheet.source.name,
                column=f"{gene}_mutation",
                says=f"{NOT_LISTED!r} may be wild type or not sequenced",
                reason=f"{absent} patients are not in {source}, which lists mutations only",
                sure=False,
                decides=True,
                line=f'codes = {{ "{NOT_LISTED}" = "wild type" }}  # or missing_values = ["{NOT_LISTED}"]',
            )
        )


def _again(rows: list[list[str]]) -> Callable[[], Iterator[list[str]]]:
    return lambda: iter(rows)
