"""Scores of gene sets and genes as columns of an analysis set, made as the skill `signature-scoring` makes its scores.

Each gene's values become z-scores within the rows of the question; their mean per sample is standardised to mean 0 and
SD 1. A gene is the set of itself alone. Rows of the matrix that repeat a name are averaged.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from bioresearcher.audit.matrix_genes import read_gene_sets
from bioresearcher.audit.tables import feature_place
from bioresearcher.errors import InputError
from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.question import Question, ScoreColumn, ScoreMade
from bioresearcher.sources.datasets.table_stream import RowStream, TableLimits

FEWEST_GENES: Final = 5
"""Genes of a set that must be usable, as `minimum_genes` of the skill."""
MOST_MISSING: Final = 0.2
"""Largest share of missing values of a used gene, as `maximum_missing` of the skill."""
LEAST_MEASURED: Final = 0.5
"""Smallest share of the used genes that a scored sample has, as `minimum_measured` of the skill."""
FEWEST_SAMPLES: Final = 6
_LEAST_SPREAD: Final = 1e-12
METHOD: Final = "mean of the genes' z-scores in these rows, standardised to SD 1"
_LIMITS: Final = TableLimits(text_bytes=8 << 30)


@dataclass(frozen=True)
class Scored:
    """A column of scores: the cells by the samples' names, and how it was made; `problem` says why it could not be."""

    cells: Mapping[str, str]
    made: ScoreMade | None
    problem: str = ""


def score_name(of: str, taken: Collection[str], *, gene: bool = False) -> str:
    """Return a name for a column of scores that no column has."""
    plain = re.sub(r"[^a-z0-9]+", "_", of.casefold()).strip("_") or "set"
    name = f"{plain}_{'expression' if gene else 'score'}"
    return next(n for n in (name, *(f"{name}_{i}" for i in range(2, len(taken) + 3))) if n not in taken)


def members(datasets: Iterable[Dataset]) -> dict[str, tuple[str, ...]]:
    """Return the genes of all gene sets of data sets; a file that cannot be read has none."""
    found: dict[str, tuple[str, ...]] = {}
    for dataset in datasets:
        for file in dataset.files:
            if file.kind != "gene_sets":
                continue
            try:
                sets = read_gene_sets(dataset.id, Path(dataset.root) / file.path).sets
            except InputError:
                continue
            found |= {name: genes for name, genes in sets.items() if name not in found}
    return found


def not_scored(column: ScoreColumn, sets: Mapping[str, Sequence[str]], measured: Collection[str]) -> str:
    """Return the reason why a set cannot be scored, by the names of the matrix alone; empty when it can."""
    genes = sets.get(column.gene_set, ())
    here = sum(g in measured for g in genes)
    if not genes or here >= FEWEST_GENES:
        return ""
    said = f"{here} of its {len(genes)} genes are measured, at least {FEWEST_GENES} are needed"
    return f"{column.gene_set} cannot be scored: {said}"


def scored(
    columns: Sequence[ScoreColumn], dataset: Dataset, samples: Sequence[str], sets: Mapping[str, tuple[str, ...]]
) -> dict[str, Scored]:
    """Make columns of scores for some samples of a data set.

    Args:
        columns: The columns.
        dataset: The data set whose matrix is read.
        samples: Names of the samples: the rows of a question, within which values are standardised.
        sets: Genes of the gene sets at hand.

    Raises:
        InputError: The matrix cannot be read as a table.
    """
    genes = {c.name: sets.get(c.gene_set, ()) if c.gene_set else (c.gene,) for c in columns}
    rows = _rows(dataset, {g for listed in genes.values() for g in listed}, samples)
    return {c.name: _one(c, genes[c.name], rows, samples) for c in columns}


def _rows(dataset: Dataset, wanted: Collection[str], samples: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
    """Read the rows of some genes, for some samples in their order; nan where no number stands."""
    file = dataset.file("expression")
    if file is None:
        return {}
    found: dict[str, list[npt.NDArray[np.float64]]] = {}
    with RowStream(Path(dataset.root) / file.path, _LIMITS) as stream:
        at = feature_place(file, stream.header)
        place = {name.strip(): i for i, name in enumerate(stream.header) if i != at}
        order = [place.get(s) for s in samples]
        for row in stream.rows():
            name = row[at].strip()
            if name in wanted:
                numbers = [None if i is None else as_number(row[i]) for i in order]
                found.setdefault(name, []).append(np.array([np.nan if n is None else n for n in numbers]))
    return {name: _mean(np.vstack(rows), axis=0) for name, rows in found.items()}


def _mean(values: npt.NDArray[np.float64], *, axis: int) -> npt.NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of nothing but missing values: nan is right
        return np.asarray(np.nanmean(values, axis=axis))


def _sd(values: npt.NDArray[np.float64], *, axis: int | None) -> npt.NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanstd(values, axis=axis, ddof=1))


def _one(
    column: ScoreColumn, genes: Sequence[str], rows: Mapping[str, npt.NDArray[np.float64]], samples: Sequence[str]
) -> Scored:
    of = column.gene_set or column.gene
    if not genes:
        return Scored({}, None, f"there is no gene set {of}")
    measured = [g for g in genes if g in rows]
    values = np.vstack([rows[g] for g in measured]) if measured else np.empty((0, len(samples)))
    spread = _sd(values, axis=1) if len(samples) else np.empty(len(measured))
    few_missing = np.isnan(values).mean(axis=1) <= MOST_MISSING if len(samples) else np.zeros(len(measured), dtype=bool)
    values = values[(spread > _LEAST_SPREAD) & few_missing]
    used, fewest = len(values), FEWEST_GENES if column.gene_set else 1
    if used < fewest:
        return Scored(
            {}, None, f"{column.text}: {used} of {len(genes)} genes can be used, at least {fewest} are needed"
        )
    z = (values - _mean(values, axis=1)[:, None]) / _sd(values, axis=1)[:, None]
    mean = _mean(z, axis=0)
    mean[(~np.isnan(z)).mean(axis=0) < LEAST_MEASURED] = np.nan
    whole = int((~np.isnan(mean)).sum())
    if whole < FEWEST_SAMPLES:
        return Scored({}, None, f"{column.text}: {whole} rows have a score, at least {FEWEST_SAMPLES} are needed")
    sd = float(_sd(mean, axis=None))
    if not sd > _LEAST_SPREAD:
        return Scored({}, None, f"{column.text} is the same in all rows")
    score = (mean - float(np.nanmean(mean))) / sd
    cells = {s: "" if np.isnan(v) else f"{v:.10g}" for s, v in zip(samples, score, strict=True)}
    made = ScoreMade(
        column=column.name,
        of=of,
        method=METHOD if column.gene_set else "values standardised to mean 0 and SD 1 in these rows",
        genes=len(genes),
        measured=len(measured),
        used=used,
        scored=whole,
    )
    return Scored(cells, made)


def without_scores(question: Question) -> Question:
    """Return a question without what it asks of its columns of scores: its rows do not depend on them."""
    names = {s.name for s in question.scores}
    measure = question.measure
    if measure.kind == "column":
        measure = measure.model_copy(update={"names": tuple(n for n in measure.names if n not in names)})
    return question.model_copy(
        update={
            "adjust": tuple(n for n in question.adjust if n not in names),
            "outcome": "" if question.outcome in names else question.outcome,
            "measure": measure,
        }
    )


def shared_genes(question: Question, sets: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Say how many genes the sets that a question measures have in common with those that it is adjusted for."""
    measure = question.measure
    listed = {"signature": [{*sets.get(n, ())} for n in measure.names], "gene": [{n} for n in measure.names]}
    said = []
    for column in question.scores:
        own = {*sets.get(column.gene_set, ())} if column.gene_set else {column.gene}
        for name, genes in zip(measure.names, listed.get(measure.kind, ()), strict=False):
            if both := len(own & genes):
                said.append(f"{name} and {column.gene_set or column.gene} have {both} genes in common")
    return said
