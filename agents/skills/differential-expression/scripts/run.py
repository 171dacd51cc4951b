"""Compare every gene between two groups: Welch's t test, Benjamini-Hochberg, volcano plot."""

from __future__ import annotations

from typing import Any

import bioskill
import numpy as np
import pandas as pd
from biocohort import case_samples, read_matched
from bioplot import group_name, legend_below, level_name
from scipy import stats
from scipy.optimize import linear_sum_assignment

LOG2_SCALES = ("log2", "log10", "ln", "log", "linear", "raw", "intensity", "counts", "count", "tpm", "fpkm", "rpkm")
"""Declared scales that the filtering step leaves on, or brings to, log2."""
MINIMUM_N = 3


def welch(case: pd.DataFrame, control: pd.DataFrame) -> pd.DataFrame:
    """One row per gene: means, difference, t, p. Missing values are left out gene by gene."""
    sides = [(g.mean(axis=1), g.std(axis=1, ddof=1), g.notna().sum(axis=1)) for g in (case, control)]
    (mean1, sd1, n1), (mean0, sd0, n0) = sides
    usable = (n1 >= MINIMUM_N) & (n0 >= MINIMUM_N) & ((sd1 > 0) | (sd0 > 0))
    parts = [side[usable].to_numpy() for side in (mean1, sd1, n1, mean0, sd0, n0)]
    test = stats.ttest_ind_from_stats(*parts, equal_var=False)
    return pd.DataFrame(
        {
            "gene": mean1.index[usable],
            "mean_case": parts[0],
            "mean_control": parts[3],
            "difference": parts[0] - parts[3],
            "t": test.statistic,
            "p": test.pvalue,
            "n_case": parts[2],
            "n_control": parts[5],
        }
    )


def test_genes(matrix: pd.DataFrame, is_case: pd.Series) -> pd.DataFrame:
    """The table of tests with false discovery rates, smallest p first (equal p by gene name)."""
    table = welch(matrix[is_case.index[is_case]], matrix[is_case.index[~is_case]])
    if table.empty:
        bioskill.fail(f"no gene has at least {MINIMUM_N} values in each group and any variance")
    table.insert(6, "fdr", stats.false_discovery_control(table["p"], method="bh"))
    return table.sort_values(["p", "gene"], kind="stable", ignore_index=True)


def label_side(ax: Any, rows: pd.DataFrame, *, edge: float, top: float) -> None:
    """Names of the top genes in a column beside the points, each joined to its point by lines that do not cross."""
    count = len(rows)
    if not count:
        return
    gap = 1.04 * top / max(count - 1, 18)
    middle = float(np.clip(rows["height"].mean(), gap * (count - 1) / 2, 1.04 * top - gap * (count - 1) / 2))
    slots = middle + gap * ((count - 1) / 2 - np.arange(count))
    x, y = rows["difference"].to_numpy() / abs(edge), rows["height"].to_numpy() / top
    distance = np.hypot(np.sign(edge) - x[:, None], slots[None, :] / top - y[:, None])
    for row, slot in zip(*linear_sum_assignment(distance), strict=True):
        ax.annotate(
            bioskill.plain_text(rows["gene"].iloc[row], 16),
            xy=(rows["difference"].iloc[row], rows["height"].iloc[row]),
            xytext=(edge, slots[slot]),
            ha="left" if edge > 0 else "right",
            va="center",
            fontsize=7.5,
            in_layout=False,
            arrowprops={"arrowstyle": "-", "color": "#777777", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 1},
        )


def volcano(table: pd.DataFrame, chosen: pd.Series, task: bioskill.Task, path: Any) -> None:
    """Difference against -log10 p, with the leading genes of each direction named."""
    shown = table.assign(height=-np.log10(table["p"].clip(lower=1e-300)))
    up, down = chosen & (table["difference"] > 0), chosen & (table["difference"] < 0)
    fig, ax = bioskill.figure(7.2, 4.8)
    name = group_name(task)
    case, control = (level_name(task.need(w)) for w in ("case", "control"))
    for mask, colour, text in (
        (~chosen, bioskill.NEUTRAL_COLOUR, "not called"),
        (down, bioskill.CONTROL_COLOUR, f"lower in {name} = {case}"),
        (up, bioskill.CASE_COLOUR, f"higher in {name} = {case}"),
    ):
        points = shown[mask]
        ax.scatter(points["difference"], points["height"], s=7, c=colour, linewidths=0, alpha=0.7)
        ax.scatter([], [], s=18, c=colour, label=f"{text} ({len(points)})")
    reach = 1.05 * float(shown["difference"].abs().max()) or 1.0
    top = float(shown["height"].max()) or 1.0
    if chosen.any():
        limit = float(shown.loc[chosen, "height"].min())
        ax.axhline(limit, color="#555555", linewidth=0.7, linestyle="--")
    count = int(task.parameter("label_genes", 10))
    for mask, right in ((up, True), (down, False)):
        rows = shown[mask].head(count)
        label_side(ax, rows, edge=reach if right else -reach, top=top)
    ax.set_xlim(-1.45 * reach, 1.45 * reach)
    ax.set_ylim(-0.02 * top, 1.08 * top)
    unit = " (log2)" if str(task.parameter("scale", "")).lower() in LOG2_SCALES else ""
    ax.set_xlabel(f"mean difference{unit}: {name} = {case} minus {name} = {control}")
    ax.set_ylabel("−log10 p (Welch's t test)")
    n1, n0 = int(table["n_case"].max()), int(table["n_control"].max())
    ax.set_title(f"{len(table)} genes; {name} = {case}: n = {n1}, {name} = {control}: n = {n0}", fontsize=9)
    fdr = float(task.parameter("fdr", 0.05))
    title = f"FDR < {fdr:g}; the dashed line is the largest p called"
    legend_below(fig, ax, columns=3, title=title, title_fontsize=8)
    bioskill.save_figure(fig, path)


def statements(
    task: bioskill.Task, table: pd.DataFrame, chosen: pd.Series, is_case: pd.Series, left_out: dict[str, int]
) -> list[tuple[str, dict[str, Any]]]:
    """How many genes differ, which lead, and what was not tested."""
    column, place = task.need("group_column"), bioskill.where(task)
    case, control = bioskill.level_text(task.need("case")), bioskill.level_text(task.need("control"))
    n1, n0 = int(is_case.sum()), int((~is_case).sum())
    fdr, least = float(task.parameter("fdr", 0.05)), float(task.parameter("min_difference", 0.0))
    up = int((chosen & (table["difference"] > 0)).sum())
    down = int((chosen & (table["difference"] < 0)).sum())
    values = {"dataset": task.parameter("dataset_label", ""), "group_column": column, "case": case}
    values |= {"control": control, "n_case": n1, "n_control": n0, "fdr_threshold": fdr, "tested": len(table)}
    extra = f" and an absolute mean difference of at least {least:g}" if least > 0 else ""
    text = (
        f"{place}{int(chosen.sum())} of {len(table)} tested genes differ between {column} = {case} (n = {n1}) and "
        f"{column} = {control} (n = {n0}) at FDR < {fdr:g}{extra} (Welch's t test, Benjamini-Hochberg): "
        f"{up} are higher and {down} lower in {column} = {case}."
    )
    gaps = int(((table["n_case"] < n1) | (table["n_control"] < n0)).sum())
    if gaps:
        text += f" {gaps} of the tested genes have missing values and rest on fewer samples, as the table says."
        values["genes_with_gaps"] = gaps
    counts = {"significant": int(chosen.sum()), "higher_in_case": up, "lower_in_case": down}
    found = [(text, values | counts | ({"min_difference": least} if least > 0 else {}))]
    rows = table.head(5)
    parts = [
        f"{r.gene} (mean difference {bioskill.number(r.difference)}, {bioskill.p_value(r.p)})"
        for r in rows.itertuples()
    ]
    numbers = {
        "genes": list(rows["gene"]),
        "differences": [bioskill.rounded(d) for d in rows["difference"]],
        "p_values": [bioskill.rounded(p, 2) for p in rows["p"]],
        "p_reporting_limit": 1e-16,
        "count": len(rows),
    }
    text = (
        f"{place}the genes with the smallest p-values between {column} = {case} (n = {n1}) and {column} = {control} "
        f"(n = {n0}) are {'; '.join(parts)}."
    )
    found.append((text, values | numbers))
    if any(left_out.values()):
        text = (
            f"{place}{left_out['samples']} samples were left out because {column} is neither {case} nor {control} or "
            f"is not known, and {left_out['genes']} genes were not tested (fewer than {MINIMUM_N} values in a group, "
            f"or no variance); {n1 + n0} samples and {len(table)} genes remain."
        )
        more = {"samples_left_out": left_out["samples"], "genes_not_tested": left_out["genes"]}
        found.append((text, values | more | {"minimum_n": MINIMUM_N, "samples": n1 + n0}))
    return found


def main() -> None:
    task = bioskill.load_task()
    matrix, samples = read_matched(task)
    is_case = case_samples(task, samples)
    table = test_genes(matrix, is_case)
    chosen = (table["fdr"] < float(task.parameter("fdr", 0.05))) & (
        table["difference"].abs() >= float(task.parameter("min_difference", 0.0))
    )
    left_out = {"samples": len(samples) - len(is_case), "genes": len(matrix) - len(table)}
    print(f"{len(table)} genes tested, {int(chosen.sum())} called")
    bioskill.write_table(table, task.outputs["table"])
    volcano(table, chosen, task, task.outputs["figure"])
    bioskill.write_findings(statements(task, table, chosen, is_case, left_out), task.outputs["findings"])


if __name__ == "__main__":
    main()
