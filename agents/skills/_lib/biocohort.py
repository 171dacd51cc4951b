"""The cohort of a task: its sample sheet, the matrix on the same samples, and the groups compared."""

from __future__ import annotations

import pandas as pd
from bioskill import Task, match_samples, read_expression, read_samples, two_groups


def read_sheet(task: Task, prefix: str = "") -> pd.DataFrame:
    """Read the sample sheet (input `samples`) by the parameters `sample_column` and `missing_values`.

    `prefix` stands before all three names, say `validation_` for the second of two cohorts.
    """
    return read_samples(
        task.input(f"{prefix}samples"),
        task.parameter(f"{prefix}sample_column"),
        task.parameter(f"{prefix}missing_values", ()),
    )


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
