"""Compare every gene between two groups: Welch's t test, or a linear model with pairs, blocks and covariates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bioskill
import numpy as np
import pandas as pd
from biocohort import case_samples, read_matched
from biolinear import MINIMUM_N, Design, Terms, fit_features, read_design
from bioplot import group_name, legend_below, level_name
from scipy import stats
from scipy.optimize import linear_sum_assignment

LOG2_SCALES = ("log2", "log10", "ln", "log", "linear", "raw", "intensity", "counts", "count", "tpm", "fpkm", "rpkm")
"""Declared scales that the filtering step leaves on, or brings to, log2."""


@dataclass(frozen=True)
class Test:
    """What was compared and how: `is_case` of the samples analysed, the model's design, and the test's name."""

    is_case: pd.Series
    design: Design
    pairs: int | None = None

    @property
    def name(self) -> str:
        """The test in words."""
        if not self.design.terms:
            return "Welch's t test"
        if self.design.terms == (self.design.pair,):
            return "paired t test"
        return f"linear model with {', '.join(self.design.terms)}"


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


def modelled(matrix: pd.DataFrame, is_case: pd.Series, terms: Terms) -> pd.DataFrame:
    """One row per gene of the linear model: means, adjusted difference, t, p."""
    groups = is_case.map({True: "case", False: "control"})
    table = fit_features(matrix, groups, terms, ("control", "case"))
    if table.empty:
        return table
    columns = {
        "mean: case": "mean_case",
        "mean: control": "mean_control",
        "n: case": "n_case",
        "n: control": "n_control",
    }
    table = table.rename(columns={**columns, "statistic": "t"}).rename_axis("gene").reset_index()
    return table[["gene", "mean_case", "mean_control", "difference", "t", "p", "n_case", "n_control"]]


def compare_genes(matrix: pd.DataFrame, is_case: pd.Series, terms: Terms | None = None) -> pd.DataFrame:
    """The table of tests with false discovery rates, smallest p first (equal p by gene name)."""
    if terms is None:
        table = welch(matrix[is_case.index[is_case]], matrix[is_case.index[~is_case]])
    else:
        table = modelled(matrix, is_case, terms)
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


def volcano(table: pd.DataFrame, chosen: pd.Series, task: bioskill.Task, test: str, path: Any) -> None:
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
    ax.set_ylabel(bioskill.plain_text(f"−log10 p ({test})"))
    n1, n0 = int(table["n_case"].max()), int(table["n_control"].max())
    ax.set_title(f"{len(table)} genes; {name} = {case}: n = {n1}, {name} = {control}: n = {n0}", fontsize=9)
    fdr = float(task.parameter("fdr", 0.05))
    title = f"FDR < {fdr:g}; the dashed line is the largest p called"
    legend_below(fig, ax, columns=3, title=title, title_fontsize=8)
    bioskill.save_figure(fig, path)


def named(task: bioskill.Task, table: pd.DataFrame, gene: str, about: tuple[dict[str, Any], dict[str, Any]]) -> Any:
    """What a gene that was asked for does: its difference and its p-value."""
    values, rests = about
    contrast = rests["contrast"]
    groups = f"{contrast['column']} = {contrast['case']} and {contrast['column']} = {contrast['control']}"
    rows = table[table["gene"] == gene]
    if rows.empty:
        text = f"{bioskill.where(task)}{gene} could not be tested between {groups}: it is not in the filtered matrix."
        return text, {**values, "gene": gene}
    row = rows.iloc[0]
    n1, n0 = int(row["n_case"]), int(row["n_control"])
    numbers = {"gene": gene, "difference": bioskill.rounded(row["difference"]), "p": bioskill.shown_p(row["p"])}
    numbers |= {"n_gene_case": n1, "n_gene_control": n0, "fdr": bioskill.rounded(row["fdr"])}
    verdict = "differs" if row["p"] < float(task.parameter("fdr", 0.05)) else "is not shown to differ"
    text = (
        f"{bioskill.where(task)}{gene} {verdict} between {groups} ({rests['test']}, mean difference "
        f"{bioskill.number(row['difference'])}, {bioskill.p_value(row['p'])}; n = {n1} and {n0})."
    )
    fields = {**rests, "groups": {contrast["case"]: n1, contrast["control"]: n0}, "effect": "difference of means"}
    fields |= {"estimate": row["difference"], "p": row["p"], "fdr": row["fdr"], "measure": gene}
    fields["missing"] = rests["missing"] + sum(rests["groups"].values()) - n1 - n0
    return text, {**values, **numbers}, bioskill.result(task, "difference", n1 + n0, **fields)


def statements(
    task: bioskill.Task, table: pd.DataFrame, chosen: pd.Series, test: Test, left_out: dict[str, int]
) -> list[Any]:
    """How many genes differ, which lead, what the named genes do, and what was not tested."""
    is_case = test.is_case
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
        f"{column} = {control} (n = {n0}) at FDR < {fdr:g}{extra} ({test.name}, Benjamini-Hochberg): "
        f"{up} are higher and {down} lower in {column} = {case}."
    )
    gaps = int(((table["n_case"] < n1) | (table["n_control"] < n0)).sum())
    if gaps:
        text += f" {gaps} of the tested genes have missing values and rest on fewer samples, as the table says."
        values["genes_with_gaps"] = gaps
    counts = {"significant": int(chosen.sum()), "higher_in_case": up, "lower_in_case": down}
    if test.pairs is not None:
        text += f" They are {test.pairs} pairs by {test.design.pair}."
        values["pairs"] = test.pairs
    rests = {"contrast": {"column": column, "case": case, "control": control}, "groups": {case: n1, control: n0}}
    rests |= {"terms": test.design.terms, "pairs": test.pairs, "test": test.name, "missing": left_out["missing"]}
    numbers = {"fdr": fdr, "tested": len(table), "called": counts["significant"], "higher": up, "lower": down}
    result = bioskill.result(task, "difference", n1 + n0, measure="features", **rests, **numbers)
    found: list[Any] = [(text, values | counts | ({"min_difference": least} if least > 0 else {}), result)]
    found += [named(task, table, gene, (values, rests)) for gene in map(str, task.parameter("genes", ()))]
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
        lacking = f" or of which {', '.join(test.design.terms)} is" if test.design.terms else " or is"
        whole = " in the whole pair" if test.design.pair else ""
        text = (
            f"{place}{left_out['samples']} samples were left out because {column} is neither {case} nor {control}"
            f"{lacking} not known{whole}, and {left_out['genes']} genes were not tested (fewer than {MINIMUM_N} values "
            f"in a group, or no variance); {n1 + n0} samples and {len(table)} genes remain."
        )
        more = {"samples_left_out": left_out["samples"], "genes_not_tested": left_out["genes"]}
        found.append((text, values | more | {"minimum_n": MINIMUM_N, "samples": n1 + n0}))
    return found


def main() -> None:
    task = bioskill.load_task()
    matrix, samples = read_matched(task)
    asked = case_samples(task, samples)
    terms = read_design(task, samples, asked.map({True: "case", False: "control"}))
    if terms.design.terms:
        is_case, pairs = asked[terms.samples], terms.pairs.nunique() if terms.design.pair else None
        table, test = compare_genes(matrix, is_case, terms), Test(is_case, terms.design, pairs)
    else:
        table, test = compare_genes(matrix, asked), Test(asked, terms.design)
    chosen = (table["fdr"] < float(task.parameter("fdr", 0.05))) & (
        table["difference"].abs() >= float(task.parameter("min_difference", 0.0))
    )
    left_out = {"samples": len(samples) - len(test.is_case), "genes": len(matrix) - len(table)}
    left_out["missing"] = len(asked) - len(test.is_case)
    print(f"{len(table)} genes tested, {int(chosen.sum())} called")
    bioskill.write_table(table, task.outputs["table"])
    volcano(table, chosen, task, test.name, task.outputs["figure"])
    bioskill.write_findings(statements(task, table, chosen, test, left_out), task.outputs["findings"])


if __name__ == "__main__":
    main()
