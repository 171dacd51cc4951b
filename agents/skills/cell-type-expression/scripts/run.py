"""Genes that differ between groups of donors within each cell type: moderated tests of summed counts (pseudo-bulk)."""

from __future__ import annotations

from typing import Any

import bioskill
import numpy as np
import pandas as pd
from biocohort import read_sheet
from biogroups import Words, read_groups, test_features
from biolinear import MINIMUM_N, Terms, read_design
from bioplot import group_name, legend_below, level_name
from scipy import stats

CELLS = "number of cells"
"""Row of the table that counts the cells of a type in each donor."""
LEAST_CELLS = 10
"""Fewer cells of a type in a donor say little about its expression: the donor is left out of that type."""
LEAST_CPM = 1.0
HALF = 0.5
"""Added to every count, and twice to the library size, before the logarithm (Law et al. 2014)."""


def read_types(task: bioskill.Task) -> dict[str, tuple[pd.Series, pd.DataFrame]]:
    """Of each cell type the number of cells and the counts of genes, by donor."""
    path = task.input("counts")
    table = bioskill.read_table(path)
    for name in ("cell_type", "gene"):
        if name not in table.columns:
            bioskill.fail(f"{path.name}: there is no column {name!r} (there are: {bioskill.listed(table.columns, 8)})")
    numbers = table.drop(columns=["cell_type", "gene"]).apply(pd.to_numeric, errors="coerce")
    numbers.columns = [str(c).strip() for c in numbers.columns]
    if numbers.isna().to_numpy().any() or (numbers < 0).to_numpy().any():
        bioskill.fail(f"{path.name}: holds values that are no counts (text, missing or below 0)")
    found = {}
    for kind, rows in numbers.groupby(table["cell_type"].astype(str), sort=True):
        genes = table.loc[rows.index, "gene"].astype(str)
        if (genes == CELLS).sum() != 1:
            bioskill.fail(f"{path.name}: cell type {kind!r} has no row {CELLS!r}, so that few cells are not noticed")
        counts = rows[genes != CELLS].set_axis(genes[genes != CELLS]).groupby(level=0, sort=False).sum()
        found[str(kind)] = (rows[genes == CELLS].iloc[0], counts)
    return found


def log_cpm(counts: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """Logarithms (base 2) of counts per million, of genes with 1 in as many donors as the smallest group has."""
    totals = counts.sum()
    smallest = int(groups.value_counts().min())
    kept = counts[(counts / totals * 1e6 >= LEAST_CPM).sum(axis=1) >= smallest]
    return np.log2((kept + HALF) / (totals + 2 * HALF) * 1e6)


def test_types(
    task: bioskill.Task, types: dict[str, tuple[pd.Series, pd.DataFrame]], sheet: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, pd.Series], dict[str, str], tuple[str, ...]]:
    """The tests of all types with one false discovery rate, the donors of each, and why others were not tested."""
    asked, levels = read_groups(task, sheet)
    tables, used, refused = [], dict[str, pd.Series](), dict[str, str]()
    for kind, (cells, counts) in types.items():
        enough = cells.index[(cells >= float(task.parameter("min_cells", LEAST_CELLS))) & (counts.sum() > 0)]
        groups = asked[asked.index.isin(enough)]
        sizes = {x: int((groups == x).sum()) for x in levels}
        if min(sizes.values()) < MINIMUM_N:
            refused[kind] = ", ".join(f"{x}: {n}" for x, n in sizes.items())
            continue
        with bioskill.about(f"cell type {kind!r}"):
            terms: Terms = read_design(task, sheet, groups)
            groups = groups[terms.samples]
            if min((groups == x).sum() for x in levels) < MINIMUM_N:
                refused[kind] = "too few donors with every covariate"
                continue
            table, _ = test_features(log_cpm(counts[groups.index], groups), groups, terms, levels, Words())
        tables.append(table.assign(cell_type=kind))
        used[kind] = groups
    if not tables:
        each = "; ".join(f"{k} ({v})" for k, v in refused.items())
        least = task.parameter("min_cells", LEAST_CELLS)
        bioskill.fail(
            f"no cell type has {MINIMUM_N} donors with at least {least} of its cells in each group; donors: {each}"
        )
    table = pd.concat(tables, ignore_index=True)
    table["fdr"] = stats.false_discovery_control(table["p"], method="bh")
    first = ["cell_type", "gene", "difference", "statistic", "df", "p", "fdr", "variance"]
    table = table[[*first, *(c for c in table.columns if c not in first)]]
    return table.sort_values(["p", "cell_type", "gene"], kind="stable", ignore_index=True), used, refused, levels


def draw(task: bioskill.Task, table: pd.DataFrame, used: dict[str, pd.Series], called: pd.Series) -> None:
    """How many genes are higher and lower in each cell type."""
    kinds = list(used)[::-1]
    fig, ax = bioskill.figure(6.8, 1.5 + 0.34 * len(kinds))
    name, case = group_name(task), level_name(task.need("case"))
    up = [int((called & (table["cell_type"] == k) & (table["difference"] > 0)).sum()) for k in kinds]
    down = [int((called & (table["cell_type"] == k) & (table["difference"] < 0)).sum()) for k in kinds]
    y = np.arange(len(kinds))
    ax.barh(y, up, color=bioskill.CASE_COLOUR, label=f"higher in {name} = {case} ({sum(up)})")
    ax.barh(y, [-n for n in down], color=bioskill.CONTROL_COLOUR, label=f"lower in {name} = {case} ({sum(down)})")
    reach = 1.25 * max(1, *up, *down)
    for at, (more, less) in enumerate(zip(up, down, strict=True)):
        ax.text(more + 0.015 * reach, at, str(more), va="center", ha="left", fontsize=8)
        ax.text(-less - 0.015 * reach, at, str(less), va="center", ha="right", fontsize=8)
    ax.set_xlim(-reach, reach)
    ax.axvline(0, color="#555555", lw=0.8)
    labels = [f"{bioskill.plain_text(k, 28)} (n = {len(used[k])})" for k in kinds]
    ax.set_yticks(y, labels, fontsize=8)
    ax.xaxis.set_major_formatter(lambda x, _: f"{abs(x):g}")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("genes called (n: donors)")
    title = f"FDR < {float(task.parameter('fdr', 0.05)):g} over all genes and cell types"
    legend_below(fig, ax, columns=2, title=title, title_fontsize=8)
    bioskill.save_figure(fig, *(task.outputs[n] for n in ("figure", "figure_svg") if n in task.outputs))


def statements(
    task: bioskill.Task,
    table: pd.DataFrame,
    about: tuple[dict[str, pd.Series], dict[str, str], tuple[str, ...], pd.Series],
    sheet: pd.DataFrame,
) -> list[Any]:
    """How many genes differ in each cell type, which lead, and which types were not tested."""
    used, refused, levels, called = about
    place, column = bioskill.where(task), str(task.need("group_column"))
    fdr = float(task.parameter("fdr", 0.05))
    donors = pd.concat(list(used.values()))
    donors = donors[~donors.index.duplicated()]
    sizes = {x: int((donors == x).sum()) for x in levels}
    up = called & (table["difference"] > 0)
    terms = read_design(task, sheet, donors).design.terms
    beside = f" with {', '.join(terms)}" if terms else ""
    test = f"moderated t test of a linear model{beside}"
    shown = " and ".join(f"{column} = {x} (n = {k})" for x, k in reversed(sizes.items()))
    numbers = {"fdr": fdr, "tested": len(table), "called": int(called.sum()), "higher": int(up.sum())}
    numbers["lower"] = numbers["called"] - numbers["higher"]
    values: dict[str, Any] = {"dataset": task.parameter("dataset_label", ""), "group_column": column}
    values |= {"n": len(donors), "levels": list(levels), "group_n": list(sizes.values()), "fdr_threshold": fdr}
    text = (
        f"{place}{numbers['called']} of {len(table)} tested pairs of gene and cell type differ between donors with "
        f"{shown} at FDR < {fdr:g} over all of them ({test}, counts summed by donor): {numbers['higher']} are higher "
        f"and {numbers['lower']} lower in {column} = {levels[1]}."
    )
    contrast = {"column": column, "case": levels[1], "control": levels[0]}
    rests = {"contrast": contrast, "groups": sizes, "terms": terms, "test": test, "missing": 0}
    result = bioskill.result(task, "difference", len(donors), measure="features", **rests, **numbers)
    found: list[Any] = [(text, values | {k: v for k, v in numbers.items() if k != "fdr"}, result)]
    parts, own = [], {"types": list(used), "tested_by_type": [], "called_by_type": [], "donors_by_type": []}
    for kind, groups in used.items():
        rows = table["cell_type"] == kind
        parts.append(f"{kind} {int((called & rows).sum())} of {int(rows.sum())} ({len(groups)} donors)")
        own["tested_by_type"].append(int(rows.sum()))
        own["called_by_type"].append(int((called & rows).sum()))
        own["donors_by_type"].append(len(groups))
    found.append((f"{place}genes called of those tested: {'; '.join(parts)}.", values | own))
    rows = table.head(5)
    names = [f"{r.gene} in {r.cell_type}" for r in rows.itertuples()]
    lead = [
        f"{n} (difference {bioskill.number(d)}, {bioskill.p_value(p)})"
        for n, d, p in zip(names, rows["difference"], rows["p"], strict=True)
    ]
    more = {"genes": names, "differences": [bioskill.rounded(d) for d in rows["difference"]], "count": len(rows)}
    more |= {"p_values": [bioskill.rounded(p, 2) for p in rows["p"]], "p_reporting_limit": 1e-16}
    found.append((f"{place}the smallest p-values between donors with {shown} are {'; '.join(lead)}.", values | more))
    if refused:
        least = float(task.parameter("min_cells", LEAST_CELLS))
        many = "type was" if len(refused) == 1 else "types were"
        text = (
            f"{place}{len(refused)} cell {many} not tested, for fewer than {MINIMUM_N} donors in a group with at least "
            f"{least:g} of their cells: {'; '.join(f'{k} ({v})' for k, v in refused.items())}."
        )
        more = {"not_tested": len(refused), "minimum_n": MINIMUM_N, "least_cells": least}
        found.append((text, values | more | {"refused": [f"{k} ({v})" for k, v in refused.items()]}))
    return found


def main() -> None:
    task = bioskill.load_task()
    types, sheet = read_types(task), read_sheet(task)
    table, used, refused, levels = test_types(task, types, sheet)
    called = table["fdr"] < float(task.parameter("fdr", 0.05))
    print(f"{len(table)} pairs of gene and cell type tested in {len(used)} cell types, {int(called.sum())} called")
    bioskill.write_table(table, task.outputs["table"])
    draw(task, table, used, called)
    bioskill.write_findings(statements(task, table, (used, refused, levels, called), sheet), task.outputs["findings"])


if __name__ == "__main__":
    main()
