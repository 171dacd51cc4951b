"""Score every sample of a cohort for a gene set: the mean of the genes' z-scores, standardised to SD 1."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np
import pandas as pd
from bioskill import (
    CASE_COLOUR,
    CONTROL_COLOUR,
    Task,
    fail,
    figure,
    load_task,
    looks_linear,
    number,
    plain_text,
    read_expression,
    read_gene_sets,
    rounded,
    save_figure,
    write_findings,
    write_table,
)


def signature(task: Task) -> tuple[str, list[str]]:
    """Name and genes of the signature: the parameter `genes` when given, else the named set of the collection."""
    listed = [str(g).strip() for g in task.parameter("genes", ()) if str(g).strip()]
    if listed:
        return str(task.parameter("gene_set", "listed genes")), list(dict.fromkeys(listed))
    name = str(task.need("gene_set"))
    if "gene_sets" not in task.inputs:
        fail("the task gives neither a gene-set collection (input 'gene_sets') nor a list (parameter 'genes')")
    sets = read_gene_sets(task.inputs["gene_sets"])
    if name not in sets:
        near = difflib.get_close_matches(name, sets, n=3, cutoff=0.4)
        hint = f"; nearest names: {', '.join(near)}" if near else ""
        fail(f"{task.inputs['gene_sets'].name}: no gene set named {name!r}{hint}")
    return name, sets[name]


def gene_status(expression: pd.DataFrame, genes: list[str], max_missing: float) -> pd.DataFrame:
    """Per gene of the signature: mean, sd, share missing, and whether it is used, absent, constant or sparse."""
    rows = expression.reindex(genes)
    table = pd.DataFrame(
        {"gene": genes, "mean": rows.mean(axis=1), "sd": rows.std(axis=1), "missing": rows.isna().mean(axis=1)}
    ).set_index("gene", drop=False)
    status = pd.Series("used", index=genes)
    status[~(table["sd"] > 1e-12)] = "constant"
    status[table["missing"] > max_missing] = "too many missing"
    status[[g not in expression.index for g in genes]] = "not measured"
    return table.assign(status=status)


def z_scores(expression: pd.DataFrame, used: list[str]) -> pd.DataFrame:
    """Each gene's values minus its mean, over its standard deviation, within this cohort."""
    rows = expression.loc[used]
    return rows.sub(rows.mean(axis=1), axis=0).div(rows.std(axis=1), axis=0)


def standardised_mean(z: pd.DataFrame) -> pd.Series:
    """The genes' mean per sample, standardised to mean 0 and SD 1 over the cohort."""
    mean = z.mean(axis=0)
    if mean.isna().any():
        fail(f"sample {mean.index[mean.isna()][0]!r} has no value for any gene of the signature")
    if not mean.std() > 1e-12:
        fail("the score is the same in all samples; it cannot be standardised")
    return (mean - mean.mean()) / mean.std()


def rest_correlation(z: pd.DataFrame) -> pd.Series:
    """Each gene's Pearson correlation with the mean of the signature's other genes."""
    total, count = z.sum(axis=0), z.notna().sum(axis=0)
    out = {}
    for gene in z.index:
        row = z.loc[gene]
        rest = (total - row.fillna(0)) / (count - row.notna()).replace(0, np.nan)
        out[gene] = row.corr(rest)
    return pd.Series(out, dtype=float)


def draw(score: pd.Series, rest: pd.Series, name: str, label: str, path: Any) -> None:
    """Left: distribution of the score. Right: how well each gene agrees with the others."""
    fig, ax = figure(7.5, 3.4)
    ax.remove()
    left, right = fig.subplots(1, 2)
    left.hist(score, bins=min(30, max(8, len(score) // 5)), color=CONTROL_COLOUR, edgecolor="white")
    left.set_xlabel("Score (SD units within the cohort)")
    left.set_ylabel(f"Samples (n = {len(score)})")
    right.hist(rest.dropna(), bins=20, color=CASE_COLOUR, edgecolor="white")
    right.axvline(0, color="black", linewidth=0.8)
    right.set_xlabel("Correlation of a gene with the mean of the others")
    right.set_ylabel(f"Genes (n = {rest.notna().sum()})")
    fig.suptitle(plain_text(f"{name} in {label}", 90), fontsize=10)
    save_figure(fig, path)


def scale_note(expression: pd.DataFrame, stated: str | None) -> str:
    """A remark when the values do not look like logarithms and the source does not say they are."""
    if stated and "log" in str(stated).lower():
        return ""
    values = expression.to_numpy(float)
    if not looks_linear(values):
        return ""
    highest = float(np.nanmax(values))
    return f" The values reach {number(highest)}, so they are probably not logarithms; none were transformed."


def main() -> None:
    task = load_task()
    name, genes = signature(task)
    expression = read_expression(task.inputs["expression"], task.parameter("feature_column"))
    if expression.shape[1] < 6:
        fail(f"{task.inputs['expression'].name}: {expression.shape[1]} samples; at least 6 are needed to standardise")
    status = gene_status(expression, genes, float(task.parameter("maximum_missing", 0.2)))
    used = list(status.index[status["status"] == "used"])
    minimum = int(task.parameter("minimum_genes", 5))
    if len(used) < minimum:
        fail(
            f"{name}: {len(used)} of its {len(genes)} genes can be used in {task.inputs['expression'].name}; "
            f"at least {minimum} are needed. Do both use the same gene identifiers?"
        )
    z = z_scores(expression, used)
    score, rest = standardised_mean(z), rest_correlation(z)
    label = str(task.parameter("dataset_label", task.inputs["expression"].stem))
    columns = ["gene", "status", "mean", "sd", "missing", "rest_correlation"]
    write_table(pd.DataFrame({"sample": score.index, "score": score.to_numpy()}), task.outputs["scores"])
    write_table(status.assign(rest_correlation=rest)[columns], task.outputs["genes"])
    draw(score, rest, name, label, task.outputs["figure"])
    share = 100 * len(used) / len(genes)
    note = scale_note(expression, task.parameter("scale"))
    first = (
        f"In {label} the {name} score of {len(score)} samples rests on {len(used)} of the set's {len(genes)} genes "
        f"({number(share)} %).{note}",
        {"dataset": label, "gene_set": name, "n": len(score), "genes_used": len(used), "genes_in_set": len(genes)}
        | {"percent_used": rounded(share)}
        | ({"highest_value": float(number(float(np.nanmax(expression.to_numpy()))))} if note else {}),
    )
    middle, negative = float(rest.median()), int((rest < 0).sum())
    second = (
        f"The median correlation of a signature gene with the mean of the others is {number(middle, 2)} in {label}; "
        f"{negative} of {len(used)} genes correlate negatively with it.",
        {"median_rest_correlation": rounded(middle, 2), "dataset": label, "genes_negative": negative}
        | {"genes_used": len(used)},
    )
    write_findings([first, second], task.outputs["findings"])


if __name__ == "__main__":
    main()
