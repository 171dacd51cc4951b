"""Spearman correlation of a score with sample-sheet variables and with genes, Benjamini-Hochberg adjusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from biocohort import read_scores, read_sheet
from bioplot import panels
from bioskill import (
    CASE_COLOUR,
    CONTROL_COLOUR,
    NEUTRAL_COLOUR,
    Task,
    fail,
    level_text,
    load_task,
    plain_text,
    read_expression,
    read_gene_sets,
    result,
    save_figure,
    shown_p,
    write_findings,
    write_table,
)
from scipy import stats

MINIMUM_PAIRS = 10


def spearman(values: pd.DataFrame, score: pd.Series) -> pd.DataFrame:
    """Rho, n and p (t approximation) of each row of `values` with the score, over pairs without missing values."""
    x, y = values.to_numpy(float), score.to_numpy(float)
    present = ~np.isnan(x)
    n = present.sum(axis=1)
    rho = np.full(len(x), np.nan)
    full = n == x.shape[1]
    if full.any():
        ranks, target = stats.rankdata(x[full], axis=1), stats.rankdata(y)
        rho[full] = row_pearson(ranks, target)
    for row in np.flatnonzero(~full & (n >= MINIMUM_PAIRS)):
        keep = present[row]
        rho[row] = row_pearson(stats.rankdata(x[row, keep])[None, :], stats.rankdata(y[keep]))[0]
    rho[n < MINIMUM_PAIRS] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        t = rho * np.sqrt((n - 2) / (1 - rho**2))
    p = np.where(np.isnan(rho), np.nan, 2 * stats.t.sf(np.abs(t), np.maximum(n - 2, 1)))
    return pd.DataFrame({"name": values.index, "n": n, "rho": rho, "p": p})


def row_pearson(rows: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Pearson correlation of each row with the target; NaN for constant rows."""
    a = rows - rows.mean(axis=1, keepdims=True)
    b = target - target.mean()
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.clip(np.where(size > 1e-12, a @ b / size, np.nan), -1, 1)


def finish(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The table with its 95 % interval (Bonett and Wright) and FDR, without rows that could not be computed."""
    table = table.dropna(subset=["rho"]).copy()
    z = np.arctanh(table["rho"].clip(-0.999999, 0.999999))
    half = 1.959964 * np.sqrt((1 + table["rho"] ** 2 / 2) / (table["n"] - 3))
    table["rho_low"], table["rho_high"] = np.tanh(z - half), np.tanh(z + half)
    table["fdr"] = stats.false_discovery_control(table["p"]) if len(table) else []
    order = table["rho"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].assign(kind=kind)


def sheet_values(task: Task, sheet: pd.DataFrame) -> pd.DataFrame:
    """Variables × samples as numbers: number columns as they are, the group as 1 (case) and 0 (control)."""
    group, case, control = (task.parameter(k) for k in ("group_column", "case", "control"))
    rows = {}
    for name in dict.fromkeys(
        str(c)
        for c in [*task.parameter("covariates", ()), *task.parameter("stated_columns", ()), *([group] if group else [])]
    ):
        if name not in sheet.columns:
            print(f"variable {name!r} is left out: the sample sheet has no such column")
            continue
        column = sheet[name]
        if name == group and case is not None and control is not None:
            coded = (level_text(case), level_text(control)) == ("1", "0")
            label = name if coded else f"{name} ({case} = 1, {control} = 0)"
            numbers = column.map(level_text, na_action="ignore").map({level_text(case): 1.0, level_text(control): 0.0})
        else:
            label, numbers = name, pd.to_numeric(column, errors="coerce")
            if numbers.isna().sum() > column.isna().sum():
                print(f"variable {name!r} is left out: it holds text without an order")
                continue
        if numbers.notna().sum() >= MINIMUM_PAIRS and numbers.nunique() > 1:
            rows[label] = numbers.astype(float)
        else:
            print(f"variable {name!r} is left out: it does not vary or has too few values")
    return pd.DataFrame(rows, index=sheet.index).T


def chosen_genes(task: Task, expression: pd.DataFrame) -> pd.DataFrame:
    """The named genes' rows, or all rows when no genes are named."""
    named = list(dict.fromkeys(str(g).strip() for g in task.parameter("genes", ()) if str(g).strip()))
    if not named:
        return expression
    present = [g for g in named if g in expression.index]
    absent = [g for g in named if g not in expression.index]
    if not present:
        fail(f"none of the {len(named)} named genes is in the matrix (first: {named[0]!r})")
    if absent:
        print(f"not measured and left out: {', '.join(absent)}")
    return expression.loc[present]


def members(task: Task) -> set[str]:
    """Genes of the scored set, whose correlation with the score is partly by construction; empty when unknown."""
    if "gene_sets" not in task.inputs or not task.parameter("gene_set"):
        return set()
    return set(read_gene_sets(task.input("gene_sets")).get(str(task.parameter("gene_set")), []))


def draw_panel(ax: Any, shown: pd.DataFrame, title: str) -> None:
    """Rho with its interval, one line per variable; grey: a gene of the scored set."""
    shown = shown.sort_values("rho").reset_index(drop=True)
    for row in shown.itertuples():
        colour = NEUTRAL_COLOUR if row.in_set == "yes" else CASE_COLOUR if row.rho > 0 else CONTROL_COLOUR
        ax.plot([row.rho_low, row.rho_high], [row.Index] * 2, color=colour, lw=1.5)
        ax.plot(row.rho, row.Index, "o", color=colour, markersize=5)
    ax.set_yticks(range(len(shown)), [plain_text(n, 40) for n in shown["name"]])
    ax.set_ylim(-0.7, max(len(shown), 4) - 0.3)
    ax.set_xlim(-1, 1)
    ax.set_xticks([-1, -0.5, 0, 0.5, 1])
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_xlabel("Spearman rho (95 % CI)")
    ax.set_title(title, fontsize=9)


def draw(table: pd.DataFrame, name: str, label: str, path: Path) -> None:
    """Sample-sheet variables on the left, the strongest genes of both directions on the right."""
    sheet, genes = table[table["kind"] == "variable"], table[table["kind"] == "gene"]
    outside = genes[genes["in_set"] != "yes"] if (genes["in_set"] == "no").any() else genes
    shown = pd.concat([outside[outside["rho"] > 0].head(10), outside[outside["rho"] <= 0].head(10)])
    parts = [(sheet, "Sample-sheet variables"), (shown, "Strongest genes outside the scored set")]
    parts = [(t, title) for t, title in parts if len(t)]
    if len(shown) and not (genes["in_set"] == "no").any():
        parts[-1] = (shown, "Genes")
    rows = max(len(t) for t, _ in parts)
    fig, axes = panels(4.4 * len(parts), 1.6 + 0.2 * max(rows, 6), 1, len(parts), squeeze=False)
    for panel, (shown_rows, title) in zip(axes[0], parts, strict=True):
        draw_panel(panel, shown_rows, title)
    fig.suptitle(plain_text(f"Correlation with the {name} score, {label}", 90), fontsize=10)
    save_figure(fig, path)


def row_words(row: Any, index: int) -> tuple[str, dict[str, Any]]:
    """One correlation in words with its numbers."""
    fdr = "FDR < 1e-16" if row.fdr < 1e-16 else f"FDR {row.fdr:.2g}"
    values = {
        f"name_{index}": row.name,
        f"rho_{index}": float(f"{row.rho:.2f}"),
        f"fdr_{index}": shown_p(row.fdr),
        f"n_{index}": int(row.n),
    }
    return f"{row.name} (rho {row.rho:.2f}, {fdr}, n = {row.n})", values


def summary(rows: pd.DataFrame, what: str, score: tuple[str, str], alpha: float) -> tuple[str, dict[str, Any]]:
    """How many of a family pass, and the strongest of them."""
    name, label = score
    passing = rows[rows["fdr"] < alpha]
    values = {"gene_set": name, "dataset": label, "tested": len(rows), "passing": len(passing), "alpha": alpha}
    text = f"In {label}, {len(passing)} of {len(rows)} {what} correlate with the {name} score at FDR < {alpha:g}"
    if passing.empty:
        return f"{text}.", values
    parts = []
    for index, row in enumerate(passing.head(3).itertuples(index=False)):
        words, numbers = row_words(row, index)
        parts.append(words)
        values |= numbers
    return f"{text}; strongest: {'; '.join(parts)}.", values


def variable_finding(task: Task, row: Any, score: tuple[str, str], rows: int) -> Any:
    """The correlation with one variable of the sheet, as an answer to a question about it."""
    name, label = score
    text = f"In {label}, {row.name} and the {name} score have rho {row.rho:.2f} (95 % CI {row.rho_low:.2f} to "
    text += f"{row.rho_high:.2f}, p {shown(row.p)}; n = {row.n})."
    values = {"name": row.name, "rho": float(f"{row.rho:.2f}"), "n": int(row.n), "p": shown_p(row.p)}
    values |= {"rho_low": float(f"{row.rho_low:.2f}"), "rho_high": float(f"{row.rho_high:.2f}"), "gene_set": name}
    values |= {"dataset": label, "confidence_percent": 95}
    column = row.name.partition(" (")[0]
    numbers = {"estimate": row.rho, "low": row.rho_low, "high": row.rho_high, "p": row.p, "fdr": row.fdr}
    rests = {"contrast": {"column": column}, "effect": "correlation", "test": "spearman", "missing": rows - int(row.n)}
    return text, values, result(task, "association", int(row.n), measure=name, **rests, **numbers)


def shown(p: float) -> str:
    """A p-value after the letter p."""
    return "< 1e-16" if p < 1e-16 else f"= {p:.2g}"


def scored_samples(task: Task) -> tuple[pd.Series, pd.DataFrame]:
    """The score and the sample sheet of the samples that are in both."""
    sheet, values = read_sheet(task), read_scores(task)
    shared = [s for s in values.index if s in sheet.index]
    if len(shared) < MINIMUM_PAIRS:
        fail(
            f"only {len(shared)} of the {len(values)} scored samples are in the sample sheet "
            f"{task.input('samples').name} ({len(sheet)}); at least {MINIMUM_PAIRS} are needed. Do the names match?"
        )
    score, sheet = values[shared], sheet.loc[shared]
    if score.nunique() < 3:
        fail("the score has fewer than three distinct values; ranks say nothing")
    return score, sheet


def main() -> None:
    task = load_task()
    score, sheet = scored_samples(task)
    sheet_rows = read_sheet(task).index
    parts = [finish(spearman(sheet_values(task, sheet), score), "variable").assign(in_set="NA")]
    expression = read_expression(task.input("expression"), task.parameter("feature_column"))
    shared = [s for s in score.index if s in expression.columns]
    if len(shared) < MINIMUM_PAIRS:
        fail(f"only {len(shared)} scored samples are in the matrix; at least {MINIMUM_PAIRS} are needed")
    genes = finish(spearman(chosen_genes(task, expression)[shared], score[shared]), "gene")
    inside = members(task)
    genes["in_set"] = np.where(genes["name"].isin(inside), "yes", "no") if inside else "NA"
    table = pd.concat([*[p for p in parts if len(p)], genes], ignore_index=True)
    if table.empty:
        fail("no variable or gene could be correlated with the score")
    columns = ["kind", "name", "in_set", "n", "rho", "rho_low", "rho_high", "p", "fdr"]
    write_table(table[columns], task.outputs["table"])
    scored = task.parameter("gene_set") or task.parameter("score_column") or "signature"
    words = (str(scored), str(task.parameter("dataset_label", "the cohort")))
    draw(table, *words, task.outputs["figure"])
    alpha = float(task.parameter("alpha", 0.05))
    findings: list[Any] = []
    if len(parts[0]):
        findings.append(summary(parts[0], "sample-sheet variables", words, alpha))
    outside = genes[genes["in_set"] != "yes"]
    if len(outside):
        what = "genes outside the scored set" if inside else "genes"
        findings.append(summary(outside, what, words, alpha))
    if not findings:
        row = genes.iloc[0]
        text = f"All named genes belong to the scored set; the strongest is {row['name']} (rho {row['rho']:.2f})."
        findings.append((text, {"name": row["name"], "rho": float(f"{row['rho']:.2f}")}))
    stated = {str(c) for c in task.parameter("stated_columns", ())}
    for row in parts[0].itertuples(index=False):
        if row.name.partition(" (")[0] in stated:
            findings.append(variable_finding(task, row, words, len(sheet_rows)))
    write_findings(findings, task.outputs["findings"])


if __name__ == "__main__":
    main()
