"""Compare every gene between three or more groups: F test of a linear model with pairs, blocks and covariates."""

from __future__ import annotations

from typing import Any

import bioskill
import numpy as np
import pandas as pd
from biocohort import read_matched
from biolinear import MINIMUM_N, Terms, fit_features, read_design
from bioplot import group_name, level_name, panels
from bioterms import named_levels
from scipy import stats

MOST_LEVELS = 8
SHOWN = 6
"""Genes that are drawn."""


def read_groups(task: bioskill.Task, samples: pd.DataFrame) -> tuple[pd.Series, tuple[str, ...]]:
    """The level of each sample that has one of those compared, and these levels."""
    column = str(task.need("group_column"))
    values = bioskill.group_levels(samples, column).dropna()
    levels = tuple(dict.fromkeys(named_levels(task.need("levels"), values.unique())))
    if len(levels) < 3:
        bioskill.fail(f"{len(levels)} levels of {column!r} are named; two are compared by differential-expression")
    if len(levels) > MOST_LEVELS:
        bioskill.fail(f"{len(levels)} levels of {column!r} are named; at most {MOST_LEVELS} can be compared")
    groups = values[values.isin(levels)]
    for level in levels:
        count = int((groups == level).sum())
        if count < MINIMUM_N:
            found = bioskill.listed(sorted(set(values)), 8)
            bioskill.fail(
                f"group {column} = {level!r} has {count} samples; at least {MINIMUM_N} are needed (found: {found})"
            )
    return groups, levels


def test_genes(matrix: pd.DataFrame, groups: pd.Series, terms: Terms, levels: tuple[str, ...]) -> pd.DataFrame:
    """The table of F tests with false discovery rates, smallest p first (equal p by gene name)."""
    table = fit_features(matrix, groups, terms, levels)
    if table.empty:
        bioskill.fail(f"no gene has at least {MINIMUM_N} values in each group and any variance")
    means = [f"mean: {x}" for x in levels]
    counts = table[[f"n: {x}" for x in levels]]
    table = table.assign(
        n=counts.sum(axis=1), df_groups=len(levels) - 1, spread=np.ptp(table[means].to_numpy(), axis=1)
    )
    table = table.rename(columns={"statistic": "F", "df": "df_residual", "spread": "largest_difference"})
    table["fdr"] = stats.false_discovery_control(table["p"], method="bh")
    table = table.rename_axis("gene").reset_index()
    kept = ["gene", "F", "df_groups", "df_residual", "p", "fdr", "n", "largest_difference", *means, *counts.columns]
    return table[kept].sort_values(["p", "gene"], kind="stable", ignore_index=True)


def model_name(terms: Terms) -> str:
    """The test in words."""
    if not terms.design.terms:
        return "one-way analysis of variance"
    return f"F test of a linear model with {', '.join(terms.design.terms)}"


def draw(task: bioskill.Task, matrix: pd.DataFrame, groups: pd.Series, table: pd.DataFrame, levels: Any) -> None:
    """Values and means of the genes with the smallest p-values, by group."""
    genes = list(table["gene"].head(SHOWN))
    columns = min(3, len(genes))
    rows = -(-len(genes) // columns)
    fig, axes = panels(3.0 * columns, 2.7 * rows + 0.4, rows, columns, squeeze=False)
    names = [level_name(x) for x in levels]
    counts = {x: int((groups == x).sum()) for x in levels}
    jitter = np.random.default_rng(task.seed).uniform(-0.16, 0.16, len(groups))
    for place, ax in enumerate(axes.ravel()):
        if place >= len(genes):
            ax.set_axis_off()
            continue
        values, row = matrix.loc[genes[place], groups.index], table.iloc[place]
        for x, level in enumerate(levels):
            own = (groups == level).to_numpy()
            colour = bioskill.PALETTE[x % len(bioskill.PALETTE)]
            ax.plot(x + jitter[own], values[own], "o", color=colour, markersize=4, alpha=0.7)
            ax.plot([x - 0.28, x + 0.28], [values[own].mean()] * 2, color="black", lw=1.4)
        labels = [f"{name}\nn = {counts[x]}" for name, x in zip(names, levels, strict=True)]
        ax.set_xticks(range(len(levels)), labels, fontsize=7, rotation=35 if len(levels) > 4 else 0)
        gene = bioskill.plain_text(genes[place], 24)
        ax.set_title(f"{gene}: {bioskill.p_value(row['p'])}, FDR {bioskill.number(row['fdr'], 2)}", fontsize=8)
        if place % columns == 0:
            ax.set_ylabel("value in the filtered matrix")
    fig.suptitle(f"Smallest p-values by {group_name(task)}; lines are means", fontsize=9)
    bioskill.save_figure(fig, *(task.outputs[n] for n in ("figure", "figure_svg") if n in task.outputs))


def statements(
    task: bioskill.Task,
    table: pd.DataFrame,
    groups: pd.Series,
    terms: Terms,
    levels: tuple[str, ...],
    left: dict[str, int],
) -> list[Any]:
    """How many genes differ, which lead, what the named genes do, and what was left out."""
    column, place, fdr = str(task.need("group_column")), bioskill.where(task), float(task.parameter("fdr", 0.05))
    sizes = {x: int((groups == x).sum()) for x in levels}
    n, called = len(groups), int((table["fdr"] < fdr).sum())
    test, pairs = model_name(terms), terms.pairs.nunique() if terms.design.pair else None
    rests = {"contrast": {"column": column, "levels": levels}, "groups": sizes, "terms": terms.design.terms}
    rests |= {"pairs": pairs, "test": test, "missing": left["missing"]}
    values: dict[str, Any] = {"dataset": task.parameter("dataset_label", ""), "group_column": column, "n": n}
    values |= {"levels": list(levels), "group_n": list(sizes.values()), "fdr_threshold": fdr, "tested": len(table)}
    shown = ", ".join(f"{x} (n = {k})" for x, k in sizes.items())
    text = (
        f"{place}{called} of {len(table)} tested genes differ between the {len(levels)} levels of {column}, {shown}, "
        f"at FDR < {fdr:g} ({test}, Benjamini-Hochberg). The test says that not all levels are alike, not which differ."
    )
    numbers = {"fdr": fdr, "tested": len(table), "called": called}
    counts = values | {"significant": called, "level_count": len(levels)}
    if pairs is not None:
        text += f" They are {pairs} complete sets by {terms.design.pair}."
        counts["pairs"] = pairs
    found: list[Any] = [(text, counts, bioskill.result(task, "difference", n, measure="features", **rests, **numbers))]
    found += [named(task, table, gene, levels, (values, rests)) for gene in map(str, task.parameter("genes", ()))]
    top = table.head(5)
    phrases, more = [], {"genes": list(top["gene"]), "p_values": [bioskill.shown_p(p) for p in top["p"]]}
    for row in top.to_dict("records"):
        highest, lowest = (f(levels, key=lambda x, r=row: r[f"mean: {x}"]) for f in (max, min))
        span = bioskill.number(row["largest_difference"])
        p = bioskill.p_value(row["p"])
        phrases.append(f"{row['gene']} (highest in {highest}, lowest in {lowest}: means {span} apart, {p})")
    more["largest_differences"] = [bioskill.rounded(v) for v in top["largest_difference"]]
    text = f"{place}the genes with the smallest p-values over {column} ({shown}) are {'; '.join(phrases)}."
    found.append((text, values | more))
    if any(left.values()):
        lacking = f" or of which {', '.join(terms.design.terms)} is not known" if terms.design.terms else ""
        text = (
            f"{place}{left['samples']} samples were left out because {column} is none of these levels{lacking}, and "
            f"{left['genes']} genes were not tested (fewer than {MINIMUM_N} values in a group, or no variance); {n} "
            f"samples and {len(table)} genes remain."
        )
        found.append(
            (
                text,
                values
                | {"samples_left_out": left["samples"], "genes_not_tested": left["genes"], "minimum_n": MINIMUM_N},
            )
        )
    return found


def named(
    task: bioskill.Task, table: pd.DataFrame, gene: str, levels: tuple[str, ...], about: tuple[dict[str, Any], Any]
) -> Any:
    """What a gene that was asked for does: its means and its p-value."""
    values, rests = about
    rows = table[table["gene"] == gene]
    if rows.empty:
        text = (
            f"{bioskill.where(task)}{gene} could not be tested between these levels: it is not in the filtered matrix."
        )
        return text, {**values, "gene": gene}
    row = rows.iloc[0]
    means = {x: bioskill.rounded(row[f"mean: {x}"]) for x in levels}
    sizes = {x: int(row[f"n: {x}"]) for x in levels}
    verdict = "differs" if row["p"] < float(task.parameter("fdr", 0.05)) else "is not shown to differ"
    text = (
        f"{bioskill.where(task)}{gene} {verdict} between the levels of {values['group_column']} ({rests['test']}, F "
        f"{bioskill.number(row['F'])}, {bioskill.p_value(row['p'])}; means "
        f"{', '.join(f'{x} {bioskill.number(m)} (n = {sizes[x]})' for x, m in means.items())})."
    )
    numbers = {"gene": gene, "F": bioskill.rounded(row["F"]), "p": bioskill.shown_p(row["p"])}
    numbers |= {"means": list(means.values()), "n_gene": list(sizes.values())}
    fields = {**rests, "groups": sizes, "p": row["p"], "fdr": row["fdr"], "measure": gene}
    fields["missing"] = rests["missing"] + values["n"] - sum(sizes.values())
    return text, {**values, **numbers}, bioskill.result(task, "difference", sum(sizes.values()), **fields)


def main() -> None:
    task = bioskill.load_task()
    matrix, samples = read_matched(task)
    asked, levels = read_groups(task, samples)
    terms = read_design(task, samples, asked)
    groups = asked[terms.samples]
    table = test_genes(matrix, groups, terms, levels)
    left = {
        "samples": len(samples) - len(groups),
        "genes": len(matrix) - len(table),
        "missing": len(asked) - len(groups),
    }
    print(f"{len(table)} genes tested")
    bioskill.write_table(table, task.outputs["table"])
    draw(task, matrix, groups, table, levels)
    bioskill.write_findings(statements(task, table, groups, terms, levels, left), task.outputs["findings"])


if __name__ == "__main__":
    main()
