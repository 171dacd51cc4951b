"""Relative quantification of qPCR: fold changes between two groups by ΔΔCt against reference genes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from bioskill import (
    CASE_COLOUR,
    CONTROL_COLOUR,
    Task,
    fail,
    figure,
    level_text,
    listed,
    load_task,
    number,
    p_value,
    plain_text,
    read_table,
    result,
    rounded,
    save_figure,
    shown_p,
    where,
    write_findings,
    write_table,
)
from bioterms import named_column
from scipy import stats

LEAST = 3
"""Fewest biological replicates (samples) of a group."""
SPREAD = 0.5
"""Cycles of standard deviation among technical replicates from which they are named as apart."""
_SAMPLE = re.compile(r"(biological_)?(sample|donor|animal|patient|mouse|subject)(_?(id|name))?|biological_replicate")
_GENE = re.compile(r"(target|gene|assay|detector|primer)(_?(name|symbol))?")
_CT = re.compile(r"(ct|cq|cp|c_t|c_q)(_?(value|mean)?)")
_NONE = re.compile(r"(?i)undetermined|undet\.?|no ct|nd|n/d|n/a|na|nan|-|")


def read_wells(task: Task) -> pd.DataFrame:
    """Wells with `sample`, `gene`, `group` and `ct` (not determined: missing), of the two groups alone."""
    path = task.input("wells")
    table = read_table(path, dtype=str, keep_default_na=False)
    columns = {}
    for name, pattern, what in (("sample", _SAMPLE, "biological sample"), ("gene", _GENE, "gene"), ("ct", _CT, "Ct")):
        found = named_column(task, table, f"{name}_column", pattern, what)
        if found is None:
            fail(f"no column holds the {what} (there are: {listed(table.columns, 12)}); name it by {name}_column")
        columns[name] = found
    group = str(task.need("group_column"))
    if group not in table.columns:
        fail(f"there is no column {group!r} (there are: {listed(table.columns, 12)})")
    wells = pd.DataFrame({k: table[c].str.strip() for k, c in columns.items()})
    wells["group"] = table[group].str.strip().map(level_text)
    wells = wells[(wells["sample"] != "") & (wells["gene"] != "")]
    none = wells["ct"].map(lambda cell: _NONE.fullmatch(cell) is not None)
    values = pd.to_numeric(wells["ct"].where(~none), errors="coerce")
    bad = wells.loc[values.isna() & ~none, "ct"]
    if len(bad):
        fail(f"column {columns['ct']!r} holds text where cycles are expected, e.g. {bad.iloc[0]!r}")
    outside = values[(values <= 0) | (values > 60)]
    if len(outside):
        fail(f"column {columns['ct']!r} holds {outside.iloc[0]:g}; cycles lie between 0 and 60")
    wells["ct"] = values
    levels = [level_text(task.need(k)) for k in ("case", "control")]
    if levels[0] == levels[1]:
        fail(f"case and control are both {levels[0]!r}; name two different levels of {group!r}")
    wells = wells[wells["group"].isin(levels)]
    both = wells.groupby("sample")["group"].nunique()
    if (both > 1).any():
        fail(
            f"sample {both.index[both > 1][0]!r} stands in both groups: pairs are not taken here, and names that are "
            "used twice must be made apart"
        )
    for level in levels:
        count = wells.loc[wells["group"] == level, "sample"].nunique()
        if count < LEAST:
            fail(
                f"group {group} = {level!r} has {count} biological replicates (column {columns['sample']!r}); at least "
                f"{LEAST} are needed, and wells of one sample are no replicates of it"
            )
    return wells


def reference_genes(task: Task, wells: pd.DataFrame) -> list[str]:
    """The reference genes that are named, as they are written in the wells; none is an error."""
    names = [str(g).strip() for g in task.parameter("reference_genes", ()) if str(g).strip()]
    if not names:
        fail("no reference gene is named (parameter reference_genes): without one, Ct only says how much was loaded")
    known = {str(g).casefold(): str(g) for g in wells["gene"].unique()}
    lost = [n for n in names if n.casefold() not in known]
    if lost:
        fail(f"reference gene {lost[0]!r} is in no well of the groups (genes: {listed(sorted(known.values()), 12)})")
    return list(dict.fromkeys(known[n.casefold()] for n in names))


def per_sample(wells: pd.DataFrame, references: list[str]) -> tuple[pd.DataFrame, pd.Series]:
    """Mean Ct of each sample and gene with its ΔCt, and the group of each sample.

    ΔCt is the Ct of a gene less the mean Ct of the reference genes, which is their geometric mean as quantities
    (Vandesompele et al. 2002). A sample without one of the reference genes has no ΔCt.
    """
    ct = wells.groupby(["sample", "gene"])["ct"].mean().unstack("gene")
    delta = ct.sub(ct[references].mean(axis=1, skipna=False), axis=0)
    return delta, wells.groupby("sample")["group"].first().loc[ct.index]


def compare(case: pd.Series, control: pd.Series, base: float) -> dict[str, float]:
    """ΔΔCt with the interval and p-value of Welch's t-test on ΔCt, and as a fold change."""
    gap = float(case.mean() - control.mean())
    parts = [float(v.var(ddof=1)) / len(v) for v in (case, control)]
    error = float(np.sqrt(sum(parts)))
    if error == 0:
        return {"ddct": gap, "fold_change": base**-gap, "low": np.nan, "high": np.nan, "p": np.nan}
    df = sum(parts) ** 2 / sum(p**2 / (len(v) - 1) for p, v in zip(parts, (case, control), strict=True))
    wide = stats.t.ppf(0.975, df) * error
    p = float(2 * stats.t.sf(abs(gap) / error, df))
    low, high = base ** -(gap + wide), base ** -(gap - wide)
    return {"ddct": gap, "fold_change": base**-gap, "low": float(low), "high": float(high), "p": p}


def quantify(task: Task, wells: pd.DataFrame, references: list[str], base: float) -> pd.DataFrame:
    """A row per gene of interest: samples, ΔΔCt, fold change with interval, p-value, or why there is none."""
    delta, group = per_sample(wells, references)
    levels = [level_text(task.need(k)) for k in ("case", "control")]
    rows = []
    for gene in (g for g in delta.columns if g not in references):
        known = [delta.loc[group == level, gene].dropna() for level in levels]
        row: dict[str, Any] = {"gene": gene, "n_case": len(known[0]), "n_control": len(known[1])}
        row["left_out"] = len(delta) - len(known[0]) - len(known[1])
        if min(map(len, known)) < LEAST:
            row["why_not"] = f"fewer than {LEAST} samples of a group have a Ct"
        else:
            row |= compare(known[0], known[1], base)
            row["why_not"] = "" if np.isfinite(row["p"]) else "no spread between samples"
        rows.append(row)
    if not rows:
        fail("all genes are reference genes; there is none to quantify")
    columns = ["gene", "n_case", "n_control", "left_out", "ddct", "fold_change", "low", "high", "p", "fdr", "why_not"]
    table = pd.DataFrame(rows).reindex(columns=columns)
    tested = table["p"].notna()
    if not tested.any():
        fail(f"no gene can be compared: {table['gene'].iloc[0]}: {table['why_not'].iloc[0]}")
    table.loc[tested, "fdr"] = stats.false_discovery_control(table.loc[tested, "p"])
    return table


def gene_finding(task: Task, row: pd.Series, base: float) -> Any:
    """The fold change of one gene."""
    case, control = (level_text(task.need(k)) for k in ("case", "control"))
    place, values = where(task), {"dataset": task.parameter("dataset_label", ""), "gene": row["gene"]}
    values |= {"n_case": int(row["n_case"]), "n_control": int(row["n_control"]), "case": case, "control": control}
    values |= {"left_out": int(row["left_out"]), "least": LEAST}
    if row["why_not"]:
        text = f"{place}{row['gene']} was not compared: {row['why_not']} ({values['n_case']} of {case}, "
        return f"{text}{values['n_control']} of {control}).", values
    text = (
        f"{place}{row['gene']} in {case} is {number(row['fold_change'])} times that in {control} (95 % CI "
        f"{number(row['low'])} to {number(row['high'])}, {p_value(row['p'])}, FDR {number(row['fdr'], 2)}; ΔΔCt "
        f"{number(row['ddct'])}; Welch's t-test on ΔCt of {values['n_case']} and {values['n_control']} samples)."
    )
    if row["left_out"]:
        text += f" {values['left_out']} samples have no Ct of it or of a reference gene and are left out: where it is "
        text += "too rare to be found, this makes the groups look more alike."
    values |= {k: rounded(row[k]) for k in ("fold_change", "low", "high", "ddct")} | {"confidence_percent": 95}
    values |= {"p": shown_p(row["p"]), "fdr": rounded(row["fdr"], 2), "base": base}
    fields: dict[str, Any] = {"effect": "fold change", "estimate": row["fold_change"], "measure": row["gene"]}
    fields |= {k: row[k] for k in ("low", "high", "p", "fdr")} | {"test": "Welch's t-test"}
    fields |= {"groups": {case: values["n_case"], control: values["n_control"]}, "missing": values["left_out"]}
    fields["contrast"] = {"column": str(task.need("group_column")), "case": case, "control": control}
    return text, values, result(task, "difference", values["n_case"] + values["n_control"], **fields)


def quality(task: Task, wells: pd.DataFrame, references: list[str], efficiency: float) -> Any:
    """Technical replicates, reference genes between the groups, and the efficiency that was assumed."""
    known = wells.dropna(subset="ct").groupby(["sample", "gene"])["ct"]
    apart, several = int((known.std() > SPREAD).sum()), int((known.size() > 1).sum())
    none = int(wells["ct"].isna().sum())
    ct = wells.groupby(["sample", "gene"])["ct"].mean().unstack("gene")[references].mean(axis=1, skipna=False)
    group = wells.groupby("sample")["group"].first()
    case, control = (level_text(task.need(k)) for k in ("case", "control"))
    gap = float(ct[group == case].mean() - ct[group == control].mean())
    text = (
        f"{where(task)}{len(wells)} wells were read, {none} of them without a Ct; technical replicates are averaged "
        f"({several} samples and genes have several wells, {apart} of them more than {SPREAD:g} cycles of standard "
        f"deviation). Reference: {listed(references)}, whose mean Ct differs by {number(gap, 2)} cycles between {case} "
        f"and {control}. An amplification efficiency of {efficiency:g} % is taken for every gene."
    )
    if len(references) == 1:
        text += " With a single reference gene it cannot be seen if it changes itself."
    values: dict[str, Any] = {"dataset": task.parameter("dataset_label", ""), "wells": len(wells), "without": none}
    values |= {"several": several, "apart": apart, "cycles": SPREAD, "references": references, "case": case}
    values |= {"reference_difference": rounded(gap, 2), "efficiency_percent": efficiency, "control": control}
    return text, values


def draw(task: Task, table: pd.DataFrame) -> None:
    """Fold changes with intervals on a logarithmic axis, with the samples of the groups."""
    rows = table[table["why_not"] == ""].head(40).reset_index(drop=True)
    fig, ax = figure(6.0, 1.4 + 0.32 * len(rows))
    for n, row in rows.iterrows():
        ax.plot([row["low"], row["high"]], [n, n], color=CONTROL_COLOUR, lw=1.4)
        ax.plot(row["fold_change"], n, "o", color=CASE_COLOUR, markersize=5)
    names = [f"{plain_text(r.gene, 24)} (n = {r.n_case} and {r.n_control})" for r in rows.itertuples()]
    ax.set_yticks(range(len(rows)), names)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.axvline(1, color="black", lw=0.8)
    case, control = (plain_text(task.need(k), 24) for k in ("case", "control"))
    ax.set_xlabel(f"Fold change of {case} against {control} (95 % interval)")
    save_figure(fig, *(task.outputs[n] for n in ("figure", "figure_svg") if n in task.outputs))


def main() -> None:
    task = load_task()
    efficiency = float(task.parameter("efficiency_percent", 100))
    if not 50 <= efficiency <= 120:
        fail(f"parameter efficiency_percent is {efficiency:g}; an amplification efficiency lies between 50 and 120 %")
    base = 1 + efficiency / 100
    wells = read_wells(task)
    references = reference_genes(task, wells)
    table = quantify(task, wells, references, base)
    print(f"{wells['sample'].nunique()} samples, {len(table)} genes, reference {listed(references)}")
    write_table(table, task.outputs["table"])
    draw(task, table)
    found = [gene_finding(task, row, base) for _, row in table.iterrows()]
    write_findings([*found, quality(task, wells, references, efficiency)], task.outputs["findings"])


if __name__ == "__main__":
    main()
