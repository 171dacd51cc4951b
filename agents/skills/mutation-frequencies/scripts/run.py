"""Frequencies of mutated genes with exact intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from bioskill import (
    CONTROL_COLOUR,
    Task,
    fail,
    figure,
    load_task,
    plain_text,
    read_table,
    result,
    save_figure,
    to_numbers,
    where,
    write_findings,
    write_table,
)
from scipy import stats

NAMED = 5
"""Genes in the first statement."""


def exact_interval(count: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % intervals of shares by Clopper and Pearson (1934), in percent."""
    low = np.where(count > 0, stats.beta.ppf(0.025, count, total - count + 1), 0.0)
    high = np.where(count < total, stats.beta.ppf(0.975, count + 1, total - count), 1.0)
    return 100 * low, 100 * high


def read_genes(task: Task) -> pd.DataFrame:
    """Read the counts; a count above those listed is refused."""
    table = read_table(task.input("genes"), keep_default_na=False)
    lacking = [c for c in ("gene", "mutated", "listed") if c not in table.columns]
    if lacking:
        fail(f"the table of genes has no column {lacking[0]!r} (it has: {', '.join(map(str, table.columns))})")
    table = table.assign(mutated=to_numbers(table["mutated"]), listed=to_numbers(table["listed"]))
    table = table[(table["mutated"] > 0) & (table["gene"].astype(str) != "")]
    if table.empty:
        fail("no gene is mutated in anybody")
    if (table["mutated"] > table["listed"]).any():
        row = table[table["mutated"] > table["listed"]].iloc[0]
        fail(f"gene {row['gene']!r} is mutated in {row['mutated']:g} of {row['listed']:g} patients")
    if table["gene"].duplicated().any():
        fail(f"gene {table.loc[table['gene'].duplicated(), 'gene'].iloc[0]!r} stands in the table twice")
    count, total = table["mutated"].to_numpy(float), table["listed"].to_numpy(float)
    low, high = exact_interval(count, total)
    rows = pd.DataFrame({"gene": table["gene"].astype(str), "mutated": count, "listed": total})
    rows = rows.assign(percent=100 * count / total, low=low, high=high)
    return rows.sort_values(["mutated", "gene"], ascending=[False, True], kind="stable", ignore_index=True)


def draw(task: Task, rows: pd.DataFrame) -> None:
    """Shares of the first genes with their intervals."""
    fig, ax = figure(5.6, 1.2 + 0.27 * len(rows))
    place = np.arange(len(rows))
    ax.barh(place, rows["percent"], color=CONTROL_COLOUR, alpha=0.85, height=0.7)
    reach = np.vstack([rows["percent"] - rows["low"], rows["high"] - rows["percent"]])
    ax.errorbar(rows["percent"], place, xerr=reach, fmt="none", ecolor="black", elinewidth=0.9, capsize=2)
    names = [f"{plain_text(r.gene, 20)} ({r.mutated:.0f})" for r in rows.itertuples()]
    ax.set_yticks(place, names, fontsize=8)
    ax.invert_yaxis()
    ax.set_xlim(0, min(100, 1.05 * float(rows["high"].max())))
    ax.set_xlabel(f"Patients with a mutation (%), n = {int(rows['listed'].max())}; 95 % intervals")
    save_figure(fig, *(task.outputs[n] for n in ("figure", "figure_svg") if n in task.outputs))


def main() -> None:
    task = load_task()
    rows = read_genes(task)
    total, first = int(rows["listed"].max()), rows.head(NAMED)
    parts = [
        f"{r.gene} ({r.mutated:.0f}, {r.percent:.1f} %, 95 % CI {r.low:.1f} to {r.high:.1f})"
        for r in first.itertuples()
    ]
    text = f"{where(task)}the genes mutated most often in {total} patients or samples are {'; '.join(parts)}."
    values: dict[str, Any] = {"dataset": task.parameter("dataset_label", ""), "n": total, "confidence_percent": 95}
    values |= {"genes": list(first["gene"]), "mutated": [int(m) for m in first["mutated"]]}
    values |= {k: [round(v, 1) for v in first[k]] for k in ("percent", "low", "high")}
    text += f" {len(rows)} genes are mutated in at least one. Those without any listed mutation are not counted."
    values |= {"genes_mutated": len(rows)}
    found = [(text, values, result(task, "description", total, measure="mutated genes", test="exact intervals"))]
    print(f"{len(rows)} genes, {total} patients or samples")
    write_table(rows, task.outputs["table"])
    draw(task, rows.head(int(task.parameter("shown", 15))))
    write_findings(found, task.outputs["findings"])


if __name__ == "__main__":
    main()
