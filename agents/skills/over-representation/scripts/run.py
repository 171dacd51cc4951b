"""Which gene sets hold more differential genes than expected: hypergeometric test against the tested genes."""

from __future__ import annotations

from typing import Any

import bioskill
import numpy as np
import pandas as pd
from bioplot import panels
from bioscore import sets_within
from scipy import stats

DIRECTIONS = ("up", "down")


def read_tests(task: bioskill.Task) -> pd.DataFrame:
    """The differential expression table with gene, difference and fdr."""
    path = task.input("differential")
    table = bioskill.read_table(path)
    for column in ("gene", "difference", "fdr"):
        if column not in table.columns:
            bioskill.fail(f"{path.name}: no column {column!r} (expected the table of differential expression)")
    for column in ("difference", "fdr"):
        bioskill.numeric_column(table, column)
    table = table.dropna(subset=["gene", "difference", "fdr"])
    return table.assign(gene=table["gene"].astype(str)).drop_duplicates("gene")


def usable_sets(task: bioskill.Task, background: set[str]) -> dict[str, list[str]]:
    """Gene sets cut down to the tested genes, those of a fitting size."""
    low, high = int(task.parameter("min_size", 10)), int(task.parameter("max_size", 500))
    sets = bioskill.read_gene_sets(task.input("gene_sets"))
    kept, largest = sets_within(sets, background, low, high)
    if not kept:
        bioskill.fail(
            f"none of the {len(sets)} gene sets has {low} to {high} genes among the {len(background)} tested ones "
            f"(largest overlap: {largest}). Are both given as gene symbols of the same organism?"
        )
    return kept


def enrich(sets: dict[str, list[str]], called: dict[str, list[str]], background: int) -> pd.DataFrame:
    """One row per set and direction; the false discovery rate is over all rows of both directions."""
    rows = []
    for direction in DIRECTIONS:
        genes = called[direction]
        for name, members in sets.items():
            inside = set(members)
            hits = [g for g in genes if g in inside]
            expected = len(members) * len(genes) / background
            rows.append(
                {
                    "direction": direction,
                    "gene_set": name,
                    "overlap": len(hits),
                    "set_size": len(members),
                    "called": len(genes),
                    "background": background,
                    "expected": expected,
                    "ratio": len(hits) / expected if expected > 0 else np.nan,
                    "genes": ",".join(hits),
                }
            )
    table = pd.DataFrame(rows)
    p = stats.hypergeom.sf(table["overlap"] - 1, background, table["set_size"], table["called"]).clip(0.0, 1.0)
    table.insert(8, "p", p)
    table.insert(9, "fdr", stats.false_discovery_control(p, method="bh"))
    table["direction"] = pd.Categorical(table["direction"], DIRECTIONS)
    return table.sort_values(["direction", "p", "gene_set"], kind="stable", ignore_index=True)


def short(name: str) -> str:
    """A set's name for a figure."""
    return bioskill.plain_text(name.removeprefix("HALLMARK_").replace("_", " "), 42)


def case_group(task: bioskill.Task) -> str:
    """The group in which `up` genes are higher, in words."""
    column, case = task.parameter("group_column"), task.parameter("case")
    return f"{column} = {bioskill.level_text(case)}" if column and case is not None else "the case group"


def draw(table: pd.DataFrame, task: bioskill.Task, path: Any) -> None:
    """Bars of -log10 p for the leading sets of each direction; filled when the false discovery rate is met."""
    limit, count = float(task.parameter("fdr", 0.05)), int(task.parameter("show_sets", 10))
    fig, axes = panels(7.6, 1.6 + 0.42 * count, 2, 1, sharex=True)
    for ax, direction, colour in zip(axes, DIRECTIONS, (bioskill.CASE_COLOUR, bioskill.CONTROL_COLOUR), strict=True):
        side = table[table["direction"] == direction]
        rows = side[side["overlap"] > 0].head(count).iloc[::-1]
        met = rows["fdr"] < limit
        heights = -np.log10(rows["p"].clip(lower=1e-300))
        labels = [short(n) for n in rows["gene_set"]]
        ax.barh(range(len(rows)), heights, color=np.where(met, colour, "white"), edgecolor=colour, linewidth=0.8)
        ax.set_yticks(range(len(rows)), labels, fontsize=7.5)
        for y, (x, row) in enumerate(zip(heights, rows.itertuples(), strict=True)):
            ax.text(x, y, f"  {row.overlap} of {row.set_size}", va="center", fontsize=7, in_layout=False)
        if rows.empty:
            ax.text(0.02, 0.5, "no called gene is in a tested set", transform=ax.transAxes)
        called = int(side["called"].iloc[0])
        word = "higher" if direction == "up" else "lower"
        title = f"{called} genes {word} in {bioskill.plain_text(case_group(task), 50)}"
        ax.set_title(title, fontsize=9, loc="left")
    axes[1].set_xlabel("−log10 p (hypergeometric test)")
    text = f"filled bars: FDR < {limit:g}; n of m: n of the set's m tested genes are among those called"
    fig.supxlabel(text, fontsize=8)
    top = -np.log10(table["p"].clip(lower=1e-300)).max()
    axes[1].set_xlim(0, 1.16 * max(float(top), 1.0))
    bioskill.save_figure(fig, path)


def statements(task: bioskill.Task, table: pd.DataFrame, sets: int, tests: pd.DataFrame) -> list[Any]:
    """For each direction, how many sets and which lead."""
    place, limit = bioskill.where(task), float(task.parameter("fdr", 0.05))
    found = []
    for direction in DIRECTIONS:
        rows = table[table["direction"] == direction]
        met, first = rows[rows["fdr"] < limit], rows.iloc[0]
        word = "higher" if direction == "up" else "lower"
        values = {"dataset": task.parameter("dataset_label", ""), "direction": direction, "sets_tested": sets}
        values |= {"significant_sets": len(met), "called_genes": int(first["called"]), "fdr_threshold": limit}
        values |= {"background_genes": int(first["background"])}
        text = (
            f"{place}{len(met)} of {sets} gene sets are over-represented at FDR < {limit:g} among the "
            f"{first['called']} genes {word} in {case_group(task)} (background: {first['background']} tested genes)"
        )
        values |= {"group_column": task.parameter("group_column"), "case": task.parameter("case")}
        parts = []
        for row in met.head(3).itertuples():
            parts.append(f"{row.gene_set} ({row.overlap} of {row.set_size} genes, FDR = {row.fdr:.2g})")
        values |= {"sets": list(met["gene_set"][:3]), "overlaps": [int(v) for v in met["overlap"][:3]]}
        values |= {"set_sizes": [int(v) for v in met["set_size"][:3]]}
        values |= {"fdr": [bioskill.rounded(v, 2) for v in met["fdr"][:3]]}
        numbers = {"fdr": limit, "tested": sets, "called": len(met), "test": "hypergeometric"}
        result = bioskill.enrichment_result(task, tests, **numbers)
        found.append((f"{text}: {'; '.join(parts)}." if parts else f"{text}.", values, result))
    return found


def main() -> None:
    task = bioskill.load_task()
    tests = read_tests(task)
    limit, least = float(task.parameter("fdr", 0.05)), float(task.parameter("min_difference", 0.0))
    chosen = tests[(tests["fdr"] < limit) & (tests["difference"].abs() >= least)]
    called = {
        "up": list(chosen.loc[chosen["difference"] > 0, "gene"]),
        "down": list(chosen.loc[chosen["difference"] < 0, "gene"]),
    }
    sets = usable_sets(task, set(tests["gene"]))
    table = enrich(sets, called, len(tests))
    print(f"{len(sets)} sets tested; called genes: {len(called['up'])} up, {len(called['down'])} down")
    bioskill.write_table(table, task.outputs["table"])
    draw(table, task, task.outputs["figure"])
    bioskill.write_findings(statements(task, table, len(sets), tests), task.outputs["findings"])


if __name__ == "__main__":
    main()
