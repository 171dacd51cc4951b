"""The audit of all data sets of a run: facts numbered by weight, and the proposals that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.audit.matrix import Examined, examine
from bioresearcher.audit.matrix_genes import GeneSets, read_gene_sets
from bioresearcher.audit.prepare import proposals
from bioresearcher.audit.sheet import sheet_facts
from bioresearcher.audit.tables import FactDraft, Matrix, Sheet, read_matrix, read_sheet
from bioresearcher.errors import InputError
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.facts import Audit, Fact

MAX_FACTS = 80
"""Most facts of a run."""
MAX_OF_DATASET = 30
"""Most facts about one data set."""


@dataclass(frozen=True)
class _Seen:
    """Remainder of a data set after it was looked at: its matrix is kept without the numbers."""

    dataset: Dataset
    sheet: Sheet
    matrix: Matrix | None
    examined: Examined | None
    drafts: tuple[FactDraft, ...]


def audit(datasets: Sequence[Dataset], objective: Objective) -> Audit:
    """Audit the data sets of a run: facts `F1`, `F2` and on, the gravest first, and proposals `P1`, `P2` and on.

    At most 30 facts a data set and 80 in all are kept; a note says how many were left out. A data set or a part of it
    that cannot be read is a note, too, and so is what was read in part. Prepared data sets are passed over. No fact
    joins an outcome with values of a matrix.
    """
    notes: list[str] = []
    collections = _gene_sets(datasets, notes)
    seen = [_look(d, objective, collections, notes) for d in datasets if d.prepared_from is None and d.files]
    notes += [f"{d.id}: has no files here, so nothing was looked at." for d in datasets if not d.files]
    facts = _numbered([draft for one in seen for draft in one.drafts], notes)
    found = [p for one in seen for p in proposals(one.dataset, facts, one.sheet, one.matrix, one.examined)]
    return Audit(
        facts=tuple(facts),
        proposals=tuple(p.model_copy(update={"id": f"P{i}"}) for i, p in enumerate(found, start=1)),
        notes=tuple(notes),
    )


def _gene_sets(datasets: Sequence[Dataset], notes: list[str]) -> list[GeneSets]:
    found = []
    for dataset in datasets:
        for file in dataset.files:
            if file.kind != "gene_sets" or dataset.prepared_from is not None:
                continue
            try:
                found.append(read_gene_sets(dataset.id, Path(dataset.root) / file.path))
            except (InputError, OSError) as error:
                notes.append(f"{dataset.id}: gene sets of {file.name} could not be read ({_reason(error)}).")
    return found


def _look(dataset: Dataset, objective: Objective, collections: Sequence[GeneSets], notes: list[str]) -> _Seen:
    drafts: list[FactDraft] = []
    sheet, matrix, examined = Sheet(), None, None
    try:
        sheet = read_sheet(dataset)
        drafts += sheet_facts(dataset, objective)
    except (InputError, OSError) as error:
        notes.append(f"{dataset.id}: the sample sheet could not be looked at ({_reason(error)}).")
    try:
        matrix = read_matrix(dataset)
        if matrix is not None and matrix.values.size:
            examined = examine(dataset, sheet, matrix, objective, collections)
            drafts += examined.facts
    except (InputError, OSError) as error:
        notes.append(f"{dataset.id}: the matrix could not be looked at ({_reason(error)}).")
    if matrix is not None:
        notes += [f"{dataset.id}: {matrix.name}: {matrix.note}."] if matrix.note else []
        matrix = Matrix(matrix.name, matrix.values[:0], matrix.features, matrix.samples, matrix.rows_total, matrix.note)
    notes += [f"{dataset.id}: {sheet.name}: {sheet.note}."] if sheet.note else []
    return _Seen(dataset, sheet, matrix, examined, tuple(drafts))


def _reason(error: InputError | OSError) -> str:
    return error.message if isinstance(error, InputError) else (error.strerror or str(error))


def _numbered(drafts: Sequence[FactDraft], notes: list[str]) -> list[Fact]:
    """Number the gravest facts; of equal weight the earlier data set's and the earlier found come first."""
    ordered = sorted(drafts, key=lambda draft: -draft.weight)
    kept: list[FactDraft] = []
    of_dataset: dict[str, int] = {}
    left: dict[str, int] = {}
    for draft in ordered:
        if len(kept) < MAX_FACTS and of_dataset.get(draft.dataset, 0) < MAX_OF_DATASET:
            kept.append(draft)
            of_dataset[draft.dataset] = of_dataset.get(draft.dataset, 0) + 1
        else:
            left[draft.dataset] = left.get(draft.dataset, 0) + 1
    notes += [f"{name}: {count} lesser facts were left out." for name, count in left.items()]
    return [draft.with_id(f"F{i}") for i, draft in enumerate(kept, start=1)]
