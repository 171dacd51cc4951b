"""Shares of cell types by donor, compared between groups of donors by moderated tests of their logits."""

from __future__ import annotations

import re
from typing import Any

import bioskill
import numpy as np
import pandas as pd
from biogroups import Words, analyse, read_groups
from biolinear import design_of
from bioplot import level_name, panels
from bioterms import named_column

HALF = 0.5
"""Added to every count of cells, so that a type that a donor lacks has a logit (Phipson et al. 2022)."""
MOST_STRAY = 0.02
"""Largest share of a donor's cells that may have another group than its others; they are left out and counted."""
LEAST_CELLS = 50
"""Fewer cells of a donor say little about its shares; the donor is named."""
SHOWN = 8
_DONOR = re.compile(r"(donor|patient|subject|individual|participant|mouse|animal|sample|orig_ident)(_?(id|name))?")
_TYPE = re.compile(
    r"(cell_?type|celltype|cluster|annotation|cell_?label|seurat_clusters|leiden|louvain)s?(_?(id|name))?"
)


def stray(table: pd.DataFrame, donor: str, columns: list[str]) -> pd.DataFrame:
    """True for cells whose value is not the commonest of their donor."""
    common = table.groupby(donor)[columns].transform(lambda cells: cells.mode().iloc[0])
    return table[columns] != common


def read_cells(task: bioskill.Task) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, str], int]:
    """Cells counted by type and donor, what is the same in all cells of a donor, and how many cells are left out."""
    table = bioskill.read_table(task.input("cells"), dtype=str, keep_default_na=False)
    columns = []
    for parameter, pattern, what in (("donor_column", _DONOR, "donor"), ("type_column", _TYPE, "cell type")):
        name = named_column(task, table, parameter, pattern, what)
        if name is None:
            bioskill.fail(
                f"no column holds the {what} (there are: {bioskill.listed(table.columns, 12)}); name it by {parameter}"
            )
        columns.append(name)
    donor, kind = columns
    table = table[(table[donor].str.strip() != "") & (table[kind].str.strip() != "")]
    group = str(task.need("group_column"))
    for name in (group, *design_of(task, group).terms):
        if name not in table.columns:
            bioskill.fail(f"there is no column {name!r} (there are: {bioskill.listed(table.columns, 12)})")
    wanted = [group, *design_of(task, group).terms]
    apart = stray(table, donor, wanted)
    for name in wanted:
        share = apart[name].groupby(table[donor]).mean()
        if (share > MOST_STRAY).any():
            hint = "" if design_of(task, group).pair else "; for paired samples, name the sample as the donor"
            bioskill.fail(
                f"{100 * share.max():.0f} % of the cells of donor {share.idxmax()!r} have another "
                f"{name!r} than its others: "
                f"it is no property of the donor{hint}"
            )
    left = int(apart.any(axis=1).sum())
    table = table[~apart.any(axis=1)]
    counts = pd.crosstab(table[kind].str.strip(), table[donor].str.strip())
    if len(counts) < 2:
        bioskill.fail(f"column {kind!r} has one cell type; shares need two")
    sheet = table.drop_duplicates(donor).set_index(table.drop_duplicates(donor)[donor].str.strip())[wanted]
    return counts, sheet.replace("", np.nan), (donor, kind), left


def shares(counts: pd.DataFrame) -> pd.DataFrame:
    """Logits (natural) of the shares of types in each donor, half a cell added to each count."""
    raised = counts + HALF
    share = raised / raised.sum()
    return np.log(share / (1 - share))


def draw(task: bioskill.Task, counts: pd.DataFrame, groups: pd.Series, table: pd.DataFrame, levels: Any) -> None:
    """Share of each type in each donor, by group, with medians."""
    kinds = list(table["gene"].head(SHOWN))
    columns = min(4, len(kinds))
    rows = -(-len(kinds) // columns)
    share = 100 * counts / counts.sum()
    fig, axes = panels(2.4 * columns, 2.6 * rows + 0.4, rows, columns, squeeze=False)
    jitter = np.random.default_rng(task.seed).uniform(-0.14, 0.14, len(groups))
    for place, ax in enumerate(axes.ravel()):
        if place >= len(kinds):
            ax.set_axis_off()
            continue
        values = share.loc[kinds[place], groups.index].to_numpy()
        for x, level in enumerate(levels):
            own = (groups == level).to_numpy()
            ax.plot(x + jitter[own], values[own], "o", color=bioskill.PALETTE[x], markersize=4, alpha=0.8)
            ax.plot([x - 0.25, x + 0.25], [np.median(values[own])] * 2, color="black", lw=1.4)
        names = [f"{level_name(x)}\nn = {int((groups == x).sum())}" for x in levels]
        ax.set_xticks(range(len(levels)), names, fontsize=7)
        ax.set_xlim(-0.6, len(levels) - 0.4)
        ax.set_ylim(bottom=0)
        ax.set_title(f"{bioskill.plain_text(kinds[place], 22)}: FDR {table['fdr'][place]:.2g}", fontsize=8)
        if place % columns == 0:
            ax.set_ylabel("Share of a donor's cells (%)")
    fig.suptitle("A point is a donor; lines are medians", fontsize=9)
    bioskill.save_figure(fig, *(task.outputs[n] for n in ("figure", "figure_svg") if n in task.outputs))


def main() -> None:
    task = bioskill.load_task()
    counts, sheet, (donor, kind), left = read_cells(task)
    groups, levels = read_groups(task, sheet)
    words = Words("cell types", "logit of the share", "difference of logits")
    table, found = analyse(task, shares(counts), sheet, words)
    kept = groups.index.intersection(counts.columns)
    share = 100 * counts / counts.sum()
    for level in levels:
        own = share[groups.index[groups == level]]
        table[f"percent: {level}"] = own.mean(axis=1).reindex(table["gene"]).to_numpy()
    few = counts.sum()[lambda s: s < LEAST_CELLS]
    text = (
        f"{bioskill.where(task)}{int(counts[kept].to_numpy().sum())} cells of {len(counts)} types "
        f"({kind}) from {len(kept)} "
        f"donors ({donor}) were counted; n is donors, never cells. Shares add up to 1, so that one "
        f"type's rise lowers the "
        "others."
    )
    values: dict[str, Any] = {"dataset": task.parameter("dataset_label"), "cells": int(counts[kept].to_numpy().sum())}
    values |= {"types": len(counts), "donors": len(kept), "whole": 1}
    if left:
        text += f" {left} cells were left out, because their donor's other cells have another group or term."
        values["left_out"] = left
    if len(few):
        text += f" {len(few)} donors have fewer than {LEAST_CELLS} cells ({bioskill.listed(few.index)})."
        values |= {"few": len(few), "least_cells": LEAST_CELLS, "few_donors": list(few.index)}
    bioskill.write_table(table.rename(columns={"gene": "cell_type"}), task.outputs["table"])
    draw(task, counts, groups, table, levels)
    bioskill.write_findings([*found, (text, values)], task.outputs["findings"])


if __name__ == "__main__":
    main()
