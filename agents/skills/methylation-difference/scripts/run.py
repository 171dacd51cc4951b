"""Methylation arrays: beta values as M values, and moderated tests of every site with the difference of beta."""

from __future__ import annotations

from typing import Any

import bioskill
import numpy as np
import pandas as pd
from biocohort import read_sheet
from biogroups import Words, analyse, read_groups
from biolinear import read_design

EDGE = 0.001
"""Beta values are kept this far from 0 and 1, which have no M value."""


def m_values(task: bioskill.Task, matrix: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """M values (Du et al. 2010), beta values, and how many were set off from 0 and 1."""
    values = matrix.to_numpy(float)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    declared = str(task.parameter("scale", "")).strip().lower()
    if declared in ("m", "m values", "m-values") or (low < 0 and high > 1 and not declared):
        if high > 20 or low < -20:
            bioskill.fail(f"M values lie between -20 and 20; the matrix holds {low:g} to {high:g}")
        return matrix, 1 / (1 + 2.0**-matrix), {"given": "M values", "set_off": 0}
    if declared == "percent":
        if low < 0 or high > 100:
            bioskill.fail(f"percentages lie between 0 and 100; the matrix holds {low:g} to {high:g}")
        matrix, given = matrix / 100, "percent"
    else:
        if low < 0 or high > 1:
            bioskill.fail(
                f"beta values lie between 0 and 1; the matrix holds {low:g} to {high:g}: state scale = "
                '"percent" or "M", or give beta values'
            )
        given = "beta values"
    inside = matrix.clip(EDGE, 1 - EDGE)
    moved = int(((matrix < EDGE) | (matrix > 1 - EDGE)).to_numpy().sum())
    return np.log2(inside / (1 - inside)), matrix, {"given": given, "set_off": moved}


def main() -> None:
    task = bioskill.load_task()
    given = bioskill.read_expression(task.input("expression"), task.parameter("feature_column"))
    given, samples = bioskill.match_samples(given, read_sheet(task))
    empty = int(given.isna().all(axis=1).sum())
    given = given[given.notna().any(axis=1)]
    if given.empty:
        bioskill.fail("every value is missing")
    matrix, beta, done = m_values(task, given)
    words = Words("sites", "M value (log2 of methylated to unmethylated)", "difference of M")
    table, found = analyse(task, matrix, samples, words)
    groups, levels = read_groups(task, samples)
    kept = read_design(task, samples, groups).samples
    means = {x: beta[[s for s in kept if groups[s] == x]].mean(axis=1).reindex(table["gene"]) for x in levels}
    table = table.assign(**{f"beta: {x}": v.to_numpy() for x, v in means.items()})
    if len(levels) == 2:
        table["difference_of_beta"] = table[f"beta: {levels[1]}"] - table[f"beta: {levels[0]}"]
        lead = table.head(5)
        parts = [f"{r.gene} ({r.difference_of_beta:+.3f})" for r in lead.itertuples()]
        text = (
            f"{bioskill.where(task)}the means of beta differ by {'; '.join(parts)} (methylated share, "
            f"{levels[1]} minus "
            f"{levels[0]}, not adjusted) in the sites with the smallest p-values."
        )
        shown = [round(abs(v), 3) for v in lead["difference_of_beta"]]
        found.append((text, {"dataset": task.parameter("dataset_label"), "sites": list(lead["gene"]), "sizes": shown}))
    text = (
        f"{bioskill.where(task)}{len(matrix)} sites in {matrix.shape[1]} samples were given as "
        f"{done['given']} and tested "
        f"as M values; {done['set_off']} beta values within {EDGE:g} of 0 or 1 were set to that distance, and {empty} "
        "sites have no value."
    )
    values = {**done, "edge": EDGE, "ends": [0, 1], "sites": len(matrix), "samples": matrix.shape[1], "empty": empty}
    found.append((text, {"dataset": task.parameter("dataset_label"), **values}))
    bioskill.write_table(table.rename(columns={"gene": "site"}), task.outputs["table"])
    bioskill.write_findings(found, task.outputs["findings"])


if __name__ == "__main__":
    main()
