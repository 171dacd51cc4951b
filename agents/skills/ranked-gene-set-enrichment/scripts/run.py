"""Ranked gene-set enrichment (pre-ranked GSEA, offline) of a differential-expression table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from bioscore import sets_within
from bioskill import (
    CASE_COLOUR,
    CONTROL_COLOUR,
    Task,
    about,
    enrichment_result,
    fail,
    figure,
    load_task,
    number,
    plain_text,
    read_gene_sets,
    read_table,
    rounded,
    save_figure,
    to_numbers,
    write_findings,
    write_table,
)

COLUMNS = {"ES": "es", "NES": "nes", "NOM p-val": "p", "FDR q-val": "fdr", "Lead_genes": "leading_edge"}


def read_ranking(task: Task) -> pd.Series:
    """The ranking statistic per gene, largest first; of a repeated gene the largest absolute value is kept."""
    column = task.parameter("rank_column", "t")
    path = task.input("table")
    table = read_table(path)
    for needed in ("gene", column):
        if needed not in table.columns:
            fail(f"{path.name}: no column {needed!r} (it has: {', '.join(map(str, table.columns))})")
    with about(path.name):
        values = to_numbers(table[column])
    ranking = pd.DataFrame({"gene": table["gene"].astype(str), "value": values}).dropna()
    ranking = ranking[np.isfinite(ranking["value"])]
    order = ranking["value"].abs().sort_values(ascending=False, kind="stable").index
    ranking = ranking.loc[order].drop_duplicates("gene")
    ranking = ranking.sort_values(["value", "gene"], ascending=[False, True], kind="stable")
    if len(ranking) < 100:
        fail(f"{path.name}: {len(ranking)} genes with a value of {column!r}; at least 100 are needed to rank")
    if ranking["value"].nunique() < 10:
        fail(f"{path.name}: column {column!r} has hardly any distinct values; it cannot rank genes")
    return untied(ranking.set_index("gene")["value"])


def untied(ranking: pd.Series) -> pd.Series:
    """The same order with equal values set apart by far less than their rounding, so that no tie is arbitrary."""
    step = 1e-10 * float(ranking.abs().max())
    return ranking - step * ranking.groupby(ranking).cumcount()


def measured_sets(sets: dict[str, list[str]], genes: pd.Index, low: int, high: int) -> dict[str, list[str]]:
    """The sets with `low` to `high` of their genes in the ranking, cut to those genes."""
    kept, best = sets_within(sets, set(genes), low, high)
    if not kept:
        fail(
            f"none of the {len(sets)} gene sets has {low} to {high} genes in the ranking (most: {best}); "
            "do both use the same gene identifiers?"
        )
    return kept


def enrich(ranking: pd.Series, sets: dict[str, list[str]], permutations: int, seed: int) -> pd.DataFrame:
    """One row per set: size, es, nes, p, fdr, direction, leading edge; strongest first."""
    import gseapy

    result = gseapy.prerank(
        rnk=ranking,
        gene_sets=sets,
        min_size=1,
        max_size=100_000,
        permutation_num=permutations,
        seed=seed,
        threads=1,
        outdir=None,
        no_plot=True,
        verbose=False,
    ).res2d
    table = result.rename(columns=COLUMNS).assign(gene_set=result["Term"])
    for column in ("es", "nes", "p", "fdr"):
        table[column] = pd.to_numeric(table[column], errors="coerce")
    table = table.dropna(subset=["nes", "p", "fdr"])
    # A count of permutations cannot show less than one in their number.
    table[["p", "fdr"]] = table[["p", "fdr"]].clip(lower=1 / permutations, upper=1.0)
    table["size"] = [len(sets[name]) for name in table["gene_set"]]
    table["direction"] = np.where(table["nes"] > 0, "up", "down")
    order = table["nes"].abs().sort_values(ascending=False, kind="stable").index
    columns = ["gene_set", "size", "es", "nes", "p", "fdr", "direction", "leading_edge"]
    return table.loc[order, columns].reset_index(drop=True)


def draw(table: pd.DataFrame, labels: tuple[str, str], alpha: float, path: Any) -> None:
    """Bars of the normalised enrichment score of the strongest sets of both directions."""
    up = table[table["nes"] > 0].head(12)
    down = table[table["nes"] < 0].head(12)
    shown = pd.concat([up, down]).sort_values("nes").reset_index(drop=True)
    fig, ax = figure(8.0, 1.3 + 0.24 * max(len(shown), 4))
    colours = [CASE_COLOUR if v > 0 else CONTROL_COLOUR for v in shown["nes"]]
    alphas = [1.0 if q < alpha else 0.3 for q in shown["fdr"]]
    for row, (value, colour, opacity) in enumerate(zip(shown["nes"], colours, alphas, strict=True)):
        ax.barh(row, value, color=colour, alpha=opacity)
    names = [plain_text(f"{r.gene_set} ({r.size})") for r in shown[["gene_set", "size"]].itertuples(index=False)]
    ax.set_yticks(range(len(shown)), names)
    ax.set_ylim(-0.8, len(shown) - 0.2)
    ax.tick_params(axis="y", labelsize=7)
    ax.axvline(0, color="black", linewidth=0.8)
    sides = f"positive: higher in {labels[0]}; negative: higher in {labels[1]}"
    fig.supxlabel(f"Normalised enrichment score\n({plain_text(sides, 100)})", fontsize=9)
    ax.set_title(f"Strongest gene sets; pale: FDR ≥ {alpha:g}; in brackets: genes ranked", fontsize=9)
    save_figure(fig, path)


def top_statement(table: pd.DataFrame, direction: str, label: str, alpha: float, floor: float) -> Any:
    """What the strongest sets of a direction are, or that none passes."""
    passing = table[(table["direction"] == direction) & (table["fdr"] < alpha)]
    if passing.empty:
        return f"No gene set is enriched towards {label} at FDR < {alpha:g}.", {"alpha": alpha, "label": label}
    parts, values = [], {"alpha": alpha, "label": label, "sets_passing": len(passing)}
    for rank, row in enumerate(passing.head(3).itertuples(index=False)):
        bound = "at most" if row.fdr <= floor else "="
        parts.append(f"{row.gene_set} (NES {number(row.nes)}, FDR {bound} {row.fdr:.2g}, {row.size} genes)")
        values |= {
            f"gene_set_{rank}": row.gene_set,
            f"nes_{rank}": rounded(row.nes),
            f"fdr_{rank}": float(f"{row.fdr:.2g}"),
            f"genes_{rank}": int(row.size),
        }
    verb = "is" if len(passing) == 1 else "are"
    noun = "gene set" if len(passing) == 1 else "gene sets"
    return (
        f"{len(passing)} {noun} {verb} enriched towards {label} at FDR < {alpha:g}; strongest: {'; '.join(parts)}.",
        values,
    )


def main() -> None:
    task = load_task()
    alpha = float(task.parameter("alpha", 0.05))
    permutations = int(task.parameter("permutations", 1000))
    seed = int(task.parameter("seed", 7))
    ranking = read_ranking(task)
    everything = read_gene_sets(task.input("gene_sets"))
    low, high = int(task.parameter("minimum_genes", 10)), int(task.parameter("maximum_genes", 500))
    sets = measured_sets(everything, ranking.index, low, high)
    table = enrich(ranking, sets, permutations, seed)
    if table.empty:
        fail("no enrichment score could be computed; is the ranking statistic one-sided or constant?")
    group = task.parameter("group_label") or task.parameter("group_column", "group")
    labels = (f"{group} = {task.parameter('case', 'case')}", f"{group} = {task.parameter('control', 'control')}")
    write_table(table, task.outputs["table"])
    draw(table, labels, alpha, task.outputs["figure"])
    numbers = {"fdr": alpha, "tested": len(table), "called": int((table["fdr"] < alpha).sum()), "test": "ranked GSEA"}
    tested = (
        f"{len(table)} of {len(everything)} gene sets had {low} to {high} genes among the {len(ranking)} ranked "
        f"genes and were tested with {permutations} gene permutations, which ignore correlation between genes.",
        {
            "sets_tested": len(table),
            "sets_given": len(everything),
            "minimum_genes": low,
            "maximum_genes": high,
            "genes_ranked": len(ranking),
            "permutations": permutations,
        },
        enrichment_result(task, read_table(task.input("table")), **numbers),
    )
    up = top_statement(table, "up", labels[0], alpha, 1 / permutations)
    down = top_statement(table, "down", labels[1], alpha, 1 / permutations)
    write_findings([tested, up, down], task.outputs["findings"])


if __name__ == "__main__":
    main()
