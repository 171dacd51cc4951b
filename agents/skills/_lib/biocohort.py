"""The cohort of a task: its sample sheet, the matrix on the same samples, and the groups compared."""

from __future__ import annotations

import pandas as pd
from bioskill import (
    Task,
    fail,
    match_samples,
    numeric_column,
    read_expression,
    read_samples,
    read_table,
    two_groups,
)


def read_sheet(task: Task, prefix: str = "") -> pd.DataFrame:
    """Read the sample sheet (input `samples`) by the parameters `sample_column` and `missing_values`.

    `prefix` stands before all three names, say `validation_` for the second of two cohorts.
    """
    return read_samples(
        task.input(f"{prefix}samples"),
        task.parameter(f"{prefix}sample_column"),
        task.parameter(f"{prefix}missing_values", ()),
    )


def read_scores(task: Task) -> pd.Series:
    """Read one number per sample (input `scores`): the column `score`, or that of the parameter `score_column`.

    A named column may stand in any table with sample ids, also in the sample sheet; it is scaled to SD 1 over its known
    values, as a score of `signature-scoring` is. Samples without a number are left out.
    """
    path, column = task.input("scores"), task.parameter("score_column")
    known = {str(name) for name in read_table(path, dtype=str).columns}
    ids = next((name for name in ("sample", task.parameter("sample_column")) if name in known), None)
    table = read_samples(path, ids, task.parameter("missing_values", ()) if column else ())
    values = numeric_column(table, column or "score").dropna()
    if column is None:
        return values
    if values.nunique() < 2:
        fail(f"{path.name}: column {column!r} has one value only")
    return (values - values.mean()) / values.std()


def read_matched(task: Task, minimum: int = 6) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the input `matrix` and the sample sheet on the samples they share (at least `minimum`)."""
    matrix = read_expression(task.input("matrix"))
    return match_samples(matrix, read_sheet(task), minimum)


def case_samples(task: Task, samples: pd.DataFrame, minimum: int = 3) -> pd.Series:
    """Return True for the task's case and False for its control; samples that are neither are left out."""
    return two_groups(samples, task.need("group_column"), task.need("case"), task.need("control"), minimum)


def level_counts(levels: pd.Series) -> pd.Series:
    """Count the samples of each level, the commonest first, equal counts by name."""
    return levels.value_counts().sort_index().sort_values(ascending=False, kind="stable")
