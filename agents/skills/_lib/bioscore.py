"""Gene signatures: the genes of a set that a cohort can use, and the score of its samples."""

from __future__ import annotations

import difflib
from collections.abc import Container

import pandas as pd
from bioskill import Task, fail, read_gene_sets


def signature_genes(task: Task) -> tuple[str, list[str]]:
    """Return name and genes of the signature: the parameter `genes` if given, else the named set of the collection."""
    listed = [str(g).strip() for g in task.parameter("genes", ()) if str(g).strip()]
    if listed:
        return str(task.parameter("gene_set") or " + ".join(listed[:5])), list(dict.fromkeys(listed))
    name = str(task.need("gene_set"))
    if "gene_sets" not in task.inputs:
        fail("the task gives neither a gene-set collection (input 'gene_sets') nor a list (parameter 'genes')")
    sets = read_gene_sets(task.inputs["gene_sets"])
    if name not in sets:
        near = difflib.get_close_matches(name, sets, n=3, cutoff=0.4)
        hint = f"; nearest names: {', '.join(near)}" if near else ""
        fail(f"{task.inputs['gene_sets'].name}: no gene set named {name!r}{hint}")
    return name, sets[name]


def sets_within(
    sets: dict[str, list[str]], genes: Container[str], low: int, high: int
) -> tuple[dict[str, list[str]], int]:
    """Return the sets with `low` to `high` members in `genes`, cut to those, and the largest such number of any set."""
    cut = {name: [g for g in members if g in genes] for name, members in sets.items()}
    kept = {name: members for name, members in cut.items() if low <= len(members) <= high}
    return kept, max((len(members) for members in cut.values()), default=0)


def gene_status(expression: pd.DataFrame, genes: list[str], max_missing: float) -> pd.DataFrame:
    """Return mean, sd, share missing and status (used, not measured, constant, too many missing) of each gene."""
    rows = expression.reindex(genes)
    table = pd.DataFrame(
        {"gene": genes, "mean": rows.mean(axis=1), "sd": rows.std(axis=1), "missing": rows.isna().mean(axis=1)}
    ).set_index("gene", drop=False)
    status = pd.Series("used", index=genes)
    status[~(table["sd"] > 1e-12)] = "constant"
    status[table["missing"] > max_missing] = "too many missing"
    status[[g not in expression.index for g in genes]] = "not measured"
    return table.assign(status=status)


def used_genes(status: pd.DataFrame) -> list[str]:
    """Return the genes that a score can use: measured, varying, and with few missing values."""
    return list(status.index[status["status"] == "used"])


def z_scores(expression: pd.DataFrame, used: list[str]) -> pd.DataFrame:
    """Return each gene's values minus its mean, over its standard deviation, within this cohort."""
    rows = expression.loc[used]
    return rows.sub(rows.mean(axis=1), axis=0).div(rows.std(axis=1), axis=0)


def standardised_mean(z: pd.DataFrame, least: float) -> pd.Series:
    """Return the mean of each sample's measured genes, standardised to mean 0 and SD 1 over the scored samples.

    Samples with a smaller share of measured genes than `least` have no score (NaN); fewer than 6 scores are an error.
    """
    mean = z.mean(axis=0).where(z.notna().mean(axis=0) >= least)
    if mean.notna().sum() < 6:
        fail(
            f"{int(mean.notna().sum())} of {len(mean)} samples are measured for a share of at least {least:g} of the "
            f"{len(z)} genes of the score; at least 6 are needed"
        )
    if not mean.std() > 1e-12:
        fail("the score is the same in all samples; it cannot be standardised")
    return (mean - mean.mean()) / mean.std()
