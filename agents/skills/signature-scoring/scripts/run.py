"""Score every sample of a cohort for a gene set: the mean of the genes' z-scores, standardised to SD 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from bioplot import panels
from bioscore import gene_status, signature_genes, standardised_mean, used_genes, z_scores
from bioskill import (
    CASE_COLOUR,
    CONTROL_COLOUR,
    fail,
    listed,
    load_task,
    looks_linear,
    number,
    plain_text,
    read_expression,
    rounded,
    save_figure,
    write_findings,
    write_table,
)

MOST_AGAINST = 0.25
"""Share of genes that may correlate negatively with the mean of the others; of genes without any relation, half do."""
LEAST_MEDIAN = 0.1
"""Median correlation below which the genes have no score in common."""
NOT_PUBLISHED = (
    " The list gives no weights and no directions, and its genes do not agree: this mean is not the published score; "
    "do not interpret it."
)


def rest_correlation(z: pd.DataFrame) -> pd.Series:
    """Each gene's Pearson correlation with the mean of the signature's other genes."""
    total, count = z.sum(axis=0), z.notna().sum(axis=0)
    out = {}
    for gene in z.index:
        row = z.loc[gene]
        rest = (total - row.fillna(0)) / (count - row.notna()).replace(0, np.nan)
        out[gene] = row.corr(rest)
    return pd.Series(out, dtype=float)


def disagree(rest: pd.Series) -> bool:
    """True where the genes do not go together: more than a quarter against the others, or hardly any correlation."""
    return bool((rest < 0).mean() > MOST_AGAINST or rest.median() < LEAST_MEDIAN)


def draw(score: pd.Series, rest: pd.Series, name: str, label: str, path: Any) -> None:
    """Left: distribution of the score. Right: how well each gene agrees with the others."""
    fig, (left, right) = panels(7.5, 3.4, 1, 2)
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


def gap_remark(status: pd.DataFrame, without: list[str], least: float) -> tuple[str, dict[str, Any]]:
    """What missing values cost the score: genes that are not used for them, and samples without a score."""
    genes = int((status["status"] == "too many missing").sum())
    text, values = "", dict[str, Any]()
    if genes:
        text += f" {genes} measured genes are not used because too many of their values are missing."
        values["genes_with_gaps"] = genes
    if without:
        text += (
            f" {len(without)} samples with less than {number(100 * least)} % of the used genes measured have no score "
        )
        text += f"({listed(without)})."
        values |= {"samples_without_score": len(without), "least_percent": rounded(100 * least), "left_out": without}
        values["more"] = max(0, len(without) - 5)
    return text, values


def main() -> None:
    task = load_task()
    name, genes = signature_genes(task)
    expression = read_expression(task.input("expression"), task.parameter("feature_column"))
    if expression.shape[1] < 6:
        fail(f"{task.input('expression').name}: {expression.shape[1]} samples; at least 6 are needed to standardise")
    status = gene_status(expression, genes, float(task.parameter("maximum_missing", 0.2)))
    used = used_genes(status)
    minimum = int(task.parameter("minimum_genes", 5))
    if task.parameter("genes"):
        minimum = min(minimum, len(genes))  # genes that are named are meant, be it one
    if len(used) < minimum:
        fail(
            f"{name}: {len(used)} of its {len(genes)} genes can be used in {task.input('expression').name}; "
            f"at least {minimum} are needed. Do both use the same gene identifiers?"
        )
    z, least = z_scores(expression, used), float(task.parameter("minimum_measured", 0.5))
    score, rest = standardised_mean(z, least), rest_correlation(z)
    without = score.index[score.isna()]
    label = str(task.parameter("dataset_label", task.input("expression").stem))
    columns = ["gene", "status", "mean", "sd", "missing", "rest_correlation"]
    table = {"sample": score.index, "score": score.to_numpy(), "genes_measured": z.notna().sum(axis=0).to_numpy()}
    write_table(pd.DataFrame(table), task.outputs["scores"])
    write_table(status.assign(rest_correlation=rest)[columns], task.outputs["genes"])
    draw(score.dropna(), rest, name, label, task.outputs["figure"])
    share = 100 * len(used) / len(genes)
    note = scale_note(expression, task.parameter("scale"))
    gaps, gap_values = gap_remark(status, list(without), least)
    first = (
        f"In {label} the {name} score of {score.notna().sum()} samples rests on {len(used)} of the set's {len(genes)} "
        f"genes ({number(share)} %).{gaps}{note}",
        {
            "dataset": label,
            "gene_set": name,
            "n": int(score.notna().sum()),
            "genes_used": len(used),
            "genes_in_set": len(genes),
        }
        | {"percent_used": rounded(share)}
        | gap_values
        | ({"highest_value": float(number(float(np.nanmax(expression.to_numpy()))))} if note else {}),
    )
    if len(used) == 1:
        write_findings([first], task.outputs["findings"])
        return
    apart = disagree(rest)
    middle, negative = float(rest.median()), int((rest < 0).sum())
    second = (
        f"The median correlation of a signature gene with the mean of the others is {number(middle, 2)} in {label}; "
        f"{negative} of {len(used)} genes correlate negatively with it.{NOT_PUBLISHED if apart else ''}",
        {"median_rest_correlation": rounded(middle, 2), "dataset": label, "genes_negative": negative}
        | {"genes_used": len(used), "gene_set": name, "genes_agree": not apart},
    )
    write_findings([first, second], task.outputs["findings"])


if __name__ == "__main__":
    main()
