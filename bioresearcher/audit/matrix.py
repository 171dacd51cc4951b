"""Facts about the values of an expression matrix: filled in, repeated, missing, scale, batches, sex, genes."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bioresearcher.audit.matrix_filled import Filled, filled_facts, find_filled, row_fact, whole_numbers, without_filled
from bioresearcher.audit.matrix_genes import GeneSets, planned_facts, set_facts
from bioresearcher.audit.matrix_groups import Grouping, groupings
from bioresearcher.audit.matrix_repeats import feature_facts, missing_facts, sample_facts
from bioresearcher.audit.matrix_scale import scale_facts
from bioresearcher.audit.matrix_structure import batch_facts, logarithms, sex_facts, tissue_facts
from bioresearcher.audit.tables import FactDraft, Matrix, Sheet, read_names
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset


@dataclass(frozen=True)
class Examined:
    """A matrix's facts, with the values filled in and the divisions of the samples that proposals are made from."""

    facts: tuple[FactDraft, ...]
    filled: Filled
    groups: tuple[Grouping, ...]


def of_sheet(matrix: Matrix, sheet: Sheet) -> Matrix:
    """Return the matrix with its samples only: columns that stand in the sheet, else those with any number.

    Annotation beside the samples (ids, scores, texts) would be taken for outlying samples.
    """
    known = set(sheet.ids)
    keep = np.array([name.strip() in known for name in matrix.samples], dtype=bool)
    if keep.sum() < 0.5 * len(keep):
        keep = np.asarray(np.isfinite(matrix.values).any(axis=0))
    if keep.all() or not keep.any():
        return matrix
    samples = tuple(name for name, kept in zip(matrix.samples, keep, strict=True) if kept)
    return dataclasses.replace(matrix, values=matrix.values[:, keep], samples=samples)


def examine(
    dataset: Dataset, sheet: Sheet, matrix: Matrix, objective: Objective, collections: Sequence[GeneSets] = ()
) -> Examined:
    """Examine the values of a data set's matrix.

    Nothing here joins values with time, event or another outcome. Of a large matrix the rows that were read are
    examined; names of genes are those of all rows.

    Args:
        dataset: The data set; its features' names are read again in full where the matrix was read in part.
        sheet: Its sample sheet.
        matrix: Its matrix.
        objective: The research objective, for gene sets and genes that it names.
        collections: Gene sets of the run's data sets.

    Raises:
        InputError: The matrix's names cannot be read.
    """
    whole = whole_numbers(matrix.values)
    groups = tuple(groupings(sheet, matrix.samples))
    filled = find_filled(matrix)
    features = matrix.features
    if matrix.rows_total > len(features):
        names = read_names(dataset)
        features = names.features if names is not None else features
    facts: list[FactDraft] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # rows without any value: their nan is handled
        values = without_filled(matrix, filled)
        facts += filled_facts(dataset.id, matrix, filled, groups)
        fact = row_fact(dataset.id, matrix, values, whole)
        facts += [fact] if fact else []
        facts += feature_facts(dataset.id, matrix, whole)
        facts += sample_facts(dataset.id, matrix, values, whole)
        facts += missing_facts(dataset.id, matrix, groups)
        described = dataset.file("expression")
        stated = described.scale if described and not _scale_inferred(dataset) else None
        facts += scale_facts(dataset.id, matrix, values, whole, groups, stated)
        logs = logarithms(values, whole)
        given = logs if values is matrix.values else logarithms(matrix.values, whole)
        facts += batch_facts(dataset.id, logs, given, groups)
        facts += sex_facts(dataset.id, matrix, logs, sheet)
        facts += tissue_facts(dataset.id, matrix, logs, groups)
    facts += set_facts(dataset.id, features, collections, objective, matrix, filled, groups)
    facts += planned_facts(dataset.id, features, objective)
    return Examined(tuple(facts), filled, groups)


def _scale_inferred(dataset: Dataset) -> bool:
    """Tell that no source states the scale of a data set: the program read it off the values, and its notes say so."""
    said = (n.casefold() for n in dataset.notes if "scale" in n.casefold())
    return dataset.described_by == "inferred" or any("not stated" in n or "inferred" in n for n in said)
