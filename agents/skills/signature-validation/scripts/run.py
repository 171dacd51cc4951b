"""Test in a second cohort whether a signature score keeps its association with outcome."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from biocohort import read_sheet
from bioplot import panels
from bioscore import gene_status, signature_genes, standardised_mean, used_genes, z_scores
from bioskill import (
    Task,
    about,
    fail,
    load_task,
    match_samples,
    number,
    p_value,
    plain_text,
    read_expression,
    rounded,
    save_figure,
    shown_p,
    survival_table,
    write_findings,
    write_table,
)
from biosurvival import (
    draw_curves,
    fit_cox,
    fit_curves,
    informative,
    log_rank,
    ratio,
    ratio_with_interval,
    split_at_median,
    time_label,
    with_strata,
)

NOT_ESTIMATED = {
    "not converged": "did not converge",
    "unstable": "is unstable: the score separates the events completely",
}


@dataclass(frozen=True)
class Cohort:
    """One cohort: its name, time unit and endpoint as stated (None: not stated), and its samples' data."""

    role: str
    label: str
    time_unit: str | None
    endpoint: str | None
    genes_used: int
    table: pd.DataFrame
    strata: str | None
    columns: tuple[str, str] = ("", "")
    rows: int = 0


def read_cohort(task: Task, role: str, name: str, genes: list[str]) -> tuple[Cohort, list[str]]:
    """A cohort with score, time, event and group of each sample; and the genes it could use."""
    prefix = "" if role == "discovery" else "validation_"
    path = task.input(f"{prefix}expression")
    expression = read_expression(path, task.parameter(f"{prefix}feature_column"))
    used = used_genes(gene_status(expression, genes, float(task.parameter("maximum_missing", 0.2))))
    minimum = int(task.parameter("minimum_genes", 5))
    if len(used) < minimum:
        fail(
            f"{name}: {len(used)} of {len(genes)} genes can be used in {path.name}; at least "
            f"{minimum} are needed. Do both use the same gene identifiers?"
        )
    scores = standardised_mean(z_scores(expression, used), float(task.parameter("minimum_measured", 0.5))).dropna()
    matched, sheet = match_samples(scores.to_frame().T, read_sheet(task, prefix))
    table = survival_table(sheet, task.need(f"{prefix}time_column"), task.need(f"{prefix}event_column"))
    values = matched.T.loc[table.index].iloc[:, 0].astype(float)
    table = with_strata(task, table.assign(score=values), sheet, prefix)
    table, _ = split_at_median(table)
    label = str(task.parameter(f"{prefix}dataset_label", f"the {role} cohort"))
    unit, endpoint = task.parameter(f"{prefix}time_unit"), task.parameter(f"{prefix}endpoint")
    by = task.parameter(f"{prefix}strata_column")
    columns = (str(task.need(f"{prefix}time_column")), str(task.need(f"{prefix}event_column")))
    known = len(survival_table(read_sheet(task, prefix), *columns, 0))
    return Cohort(role, label, unit, endpoint, len(used), table, str(by) if by else None, columns, known), used


def associate(cohort: Cohort, *, strata: bool) -> dict[str, Any]:
    """Cox hazard ratio per SD, Harrell's C and the log-rank test of the median split, within strata or without."""
    strata = strata and cohort.strata is not None
    columns = ["time", "event", "score", *(["stratum"] if strata else [])]
    data, idle = informative(cohort.table[columns])
    if data["event"].sum() < 2:
        fail(f"{cohort.label}: fewer than 2 events are in strata of {cohort.strata} that hold anything to compare")
    fitted = fit_cox(data)
    if isinstance(fitted, str):
        fail(f"the Cox model of {cohort.label} {NOT_ESTIMATED[fitted]}")
    cox = fitted.model
    test = log_rank(cohort.table if strata else cohort.table.drop(columns="stratum", errors="ignore"))
    row = cox.summary.loc["score"]
    return {
        "cohort": cohort.label,
        "role": cohort.role,
        "stratified_by": (cohort.strata if strata else None) or "none",
        "idle_strata": idle,
        "n": len(data),
        "events": int(data["event"].sum()),
        "genes_used": cohort.genes_used,
        "hr": float(row["exp(coef)"]),
        "hr_low": float(row["exp(coef) lower 95%"]),
        "hr_high": float(row["exp(coef) upper 95%"]),
        "p": float(row["p"]),
        "c_index": float(cox.concordance_index_),
        "logrank_chi2": test.test_statistic,
        "logrank_p": test.p_value,
        "ph_p": float(fitted.ph_p[0]),
    }


def draw_panel(axes: Any, cohort: Cohort, row: dict[str, Any], with_label: bool) -> None:
    """One cohort's curves with the numbers at risk below."""
    draw_curves(axes, cohort.table, fit_curves(cohort.table), legend_size=8)
    top, below = axes
    top.set_title(
        f"{cohort.role.capitalize()}: {plain_text(cohort.label, 40)} (n = {row['n']}, {row['events']} events)\n"
        f"HR per SD {ratio_with_interval(row['hr'], row['hr_low'], row['hr_high'], row['p'])}; "
        f"log-rank {p_value(row['logrank_p'])}",
        fontsize=8.5,
    )
    below.set_xlabel(time_label(cohort.time_unit))
    if with_label:
        top.set_ylabel("Share without event")
        below.set_title("Number at risk", fontsize=8, loc="left")


def draw(cohorts: list[Cohort], rows: list[dict[str, Any]], name: str, path: Path) -> None:
    """Both cohorts side by side."""
    fig, axes = panels(10.0, 4.8, 2, 2, sharex="col", height_ratios=[5, 1])
    for column, (cohort, row) in enumerate(zip(cohorts, rows, strict=True)):
        draw_panel(axes[:, column], cohort, row, column == 0)
    fig.suptitle(plain_text(f"{name} score, split at each cohort's median", 100), fontsize=10)
    save_figure(fig, path)


def cohort_finding(row: dict[str, Any], plain: dict[str, Any], cohort: Cohort, name: str, total: int) -> Any:
    """One cohort's result as a sentence with its numbers; of a stratified one also what comes out without strata."""
    role = cohort.role.capitalize()
    endpoint = f"endpoint: {cohort.endpoint}" if cohort.endpoint else "endpoint not stated by the source"
    strata = f", stratified by {cohort.strata}," if cohort.strata else ""
    text = (
        f"{role} ({cohort.label}, n = {row['n']}, {row['events']} events, {endpoint}): the {name} "
        f"score from {row['genes_used']} of {total} genes{strata} has HR per SD {ratio(row['hr'])} (95 % CI "
        f"{ratio(row['hr_low'])} to {ratio(row['hr_high'])}, {p_value(row['p'])}), C-index "
        f"{row['c_index']:.2f}; {'stratified ' if strata else ''}log-rank of the median split "
        f"{p_value(row['logrank_p'])}."
    )
    if row["idle_strata"]:
        text += f" Left out, because one sample or no event tells nothing: {row['idle_strata']}."
    values = {k: float(ratio(row[k])) for k in ("hr", "hr_low", "hr_high", "c_index")}
    values |= {k: shown_p(row[k]) for k in ("p", "logrank_p")}
    values |= {k: row[k] for k in ("n", "events", "genes_used")}
    values |= {"dataset": cohort.label, "gene_set": name, "genes_in_set": total, "confidence_percent": 95}
    values |= {"stratified_by": cohort.strata, "idle_strata": row["idle_strata"]}
    if cohort.strata:
        text += (
            f" Without strata (n = {plain['n']}) the HR per SD is {ratio(plain['hr'])} (95 % CI "
            f"{ratio(plain['hr_low'])} to {ratio(plain['hr_high'])}, {p_value(plain['p'])})."
        )
        values |= {f"{k}_without_strata": float(ratio(plain[k])) for k in ("hr", "hr_low", "hr_high")}
        values |= {"p_without_strata": shown_p(plain["p"]), "n_without_strata": plain["n"]}
    return text, values | {"endpoint": cohort.endpoint, "time_unit": cohort.time_unit}, cohort_result(row, cohort, name)


def cohort_result(row: dict[str, Any], cohort: Cohort, name: str) -> dict[str, Any]:
    """The `result` of one cohort's finding."""
    found = {"kind": "time to event", "population": cohort.label, "measure": name, "endpoint": cohort.endpoint or ""}
    found |= {"time_column": cohort.columns[0], "event_column": cohort.columns[1], "effect": "hazard ratio"}
    found |= {"estimate": row["hr"], "low": row["hr_low"], "high": row["hr_high"], "p": row["p"]}
    count = len(cohort.table)  # with the strata that tell nothing: they are of the population that was analysed
    found |= {"n": count, "events": int(cohort.table["event"].sum()), "missing": max(0, cohort.rows - count)}
    return found | {"terms": [cohort.strata] if cohort.strata else [], "test": "cox regression"}


def verdict(first: dict[str, Any], second: dict[str, Any], name: str, alpha: float) -> tuple[str, dict[str, Any], bool]:
    """Whether the association replicated: found in discovery, same direction and p < alpha in validation."""
    same = (first["hr"] > 1) == (second["hr"] > 1)
    replicated = first["p"] < alpha and same and second["p"] < alpha
    values = {
        "gene_set": name,
        "alpha": alpha,
        "discovery_hr": float(ratio(first["hr"])),
        "discovery_p": shown_p(first["p"]),
        "validation_hr": float(ratio(second["hr"])),
        "validation_p": shown_p(second["p"]),
        "validation_hr_low": float(ratio(second["hr_low"])),
        "validation_hr_high": float(ratio(second["hr_high"])),
        "no_effect_hr": 1,
        "same_direction": same,
        "replicated": replicated,
        "discovery": first["cohort"],
        "validation": second["cohort"],
    }
    if replicated:
        text = (
            f"The association of the {name} score with outcome seen in {first['cohort']} replicated in "
            f"{second['cohort']}: same direction and {p_value(second['p'])} there."
        )
    else:
        text = not_replicated(first, second, name, alpha)
    return text, values, replicated


def not_replicated(first: dict[str, Any], second: dict[str, Any], name: str, alpha: float) -> str:
    """Why the association did not replicate, and what the validation interval leaves open."""
    if not first["p"] < alpha:
        return (
            f"The association of the {name} score with outcome did not replicate: there was none at p < {alpha:g} in "
            f"{first['cohort']} ({p_value(first['p'])}) that {second['cohort']} ({p_value(second['p'])}) could confirm."
        )
    same = (first["hr"] > 1) == (second["hr"] > 1)
    why = f"{'the same' if same else 'the opposite'} direction, {p_value(second['p'])}"
    why += f", which is not below {alpha:g}." if second["p"] >= alpha else "."
    text = f"The association of the {name} score with outcome seen in {first['cohort']} did not replicate in "
    text += f"{second['cohort']}: {why}"
    low, high = second["hr_low"], second["hr_high"]
    if low <= 1 <= high and low <= first["hr"] <= high:
        text += (
            f" The validation interval ({ratio(low)} to {ratio(high)}) holds both 1 and the discovery HR "
            f"{ratio(first['hr'])}: the data agree with no association as well as with the same one."
        )
    return text


def endpoint_remark(discovery: Cohort, validation: Cohort) -> str:
    """What keeps the two outcomes from being compared directly; empty when both sources state the same endpoint."""
    if not (discovery.endpoint and validation.endpoint):
        return " The sources do not state both endpoints, so the cohorts may count different events."
    if discovery.endpoint.strip().lower() != validation.endpoint.strip().lower():
        return f" The endpoints differ ({discovery.endpoint}; {validation.endpoint})."
    return ""


def main() -> None:
    task = load_task()
    alpha = float(task.parameter("alpha", 0.05))
    name, genes = signature_genes(task)
    with about("discovery cohort"):
        discovery, used = read_cohort(task, "discovery", name, genes)
    with about("validation cohort"):
        validation, _ = read_cohort(task, "validation", name, used)
    cohorts = (discovery, validation)
    rows = [associate(c, strata=True) for c in cohorts]
    plain = [associate(c, strata=False) for c in cohorts]
    text, values, replicated = verdict(rows[0], rows[1], name, alpha)
    if verdict(plain[0], plain[1], name, alpha)[2] is not replicated:
        text += f" Without strata it would have been called {'not ' if replicated else ''}replicated: the answer "
        text += "depends on whether batches are compared with each other."
    shared = 100 * validation.genes_used / len(used)
    limit = float(task.parameter("warn_shared_percent", 70))
    if shared < limit:
        text += f" Only {number(shared)} % of the genes of the discovery score are measured in validation."
        values["percent_genes_shared"] = rounded(shared)
    text += endpoint_remark(discovery, validation)
    values |= {"discovery_endpoint": discovery.endpoint, "validation_endpoint": validation.endpoint}
    bare = {f"{k}_without_strata": [row[k] for row in plain] for k in ("n", "hr", "hr_low", "hr_high", "p")}
    table = (
        pd.DataFrame(rows)
        .assign(**bare)
        .drop(columns="idle_strata")
        .assign(genes_in_set=len(genes), replicated=["NA", "yes" if replicated else "no"])
    )
    write_table(table, task.outputs["table"])
    draw(list(cohorts), rows, name, task.outputs["figure"])
    both = zip(rows, plain, cohorts, strict=True)
    findings = [cohort_finding(*parts, name, len(genes)) for parts in both]
    write_findings([*findings, (text, values)], task.outputs["findings"])


if __name__ == "__main__":
    main()
