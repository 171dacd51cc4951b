"""Test in a second cohort whether a signature score keeps its association with outcome."""

from __future__ import annotations

import contextlib
import difflib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
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
    match_samples,
    number,
    p_value,
    plain_text,
    read_expression,
    read_gene_sets,
    read_samples,
    rounded,
    save_figure,
    survival_table,
    write_findings,
    write_table,
)

GROUPS = {"high": CASE_COLOUR, "low": CONTROL_COLOUR}
SMALL_STEPS = {"step_size": 0.5}
"""With the default step of 0.95 the search can circle around the optimum when events are few."""


@dataclass(frozen=True)
class Cohort:
    """One cohort: its name, time unit and endpoint as stated (None: not stated), and its samples' data."""

    role: str
    label: str
    time_unit: str | None
    endpoint: str | None
    genes_used: int
    table: pd.DataFrame


def signature_genes(task: Task) -> tuple[str, list[str]]:
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


def usable(expression: pd.DataFrame, genes: list[str], max_missing: float) -> list[str]:
    """The genes that are measured, vary, and have few missing values."""
    rows = expression.loc[[g for g in genes if g in expression.index]]
    keep = (rows.std(axis=1) > 1e-12) & (rows.isna().mean(axis=1) <= max_missing)
    return list(rows.index[keep])


def score(expression: pd.DataFrame, genes: list[str]) -> pd.Series:
    """Mean of the genes' z-scores within the cohort, standardised to SD 1: the definition of signature-scoring."""
    rows = expression.loc[genes]
    mean = rows.sub(rows.mean(axis=1), axis=0).div(rows.std(axis=1), axis=0).mean(axis=0)
    if mean.isna().any():
        fail(f"sample {mean.index[mean.isna()][0]!r} has no value for any gene of the signature")
    if not mean.std() > 1e-12:
        fail("the score is the same in all samples; it cannot be standardised")
    return (mean - mean.mean()) / mean.std()


@contextlib.contextmanager
def naming(role: str) -> Iterator[None]:
    """Trouble with the data inside says which cohort it is about."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            yield
    except SystemExit:
        fail(f"{role} cohort: {said.getvalue().removeprefix('DATA: ').strip()}")


def read_cohort(task: Task, role: str, name: str, genes: list[str]) -> tuple[Cohort, list[str]]:
    """A cohort with score, time, event and group of each sample; and the genes it could use."""
    prefix = "" if role == "discovery" else "validation_"
    path = task.inputs[f"{prefix}expression"]
    expression = read_expression(path, task.parameter(f"{prefix}feature_column"))
    used = usable(expression, genes, float(task.parameter("maximum_missing", 0.2)))
    minimum = int(task.parameter("minimum_genes", 5))
    if len(used) < minimum:
        fail(
            f"{name}: {len(used)} of {len(genes)} genes can be used in {path.name}; at least "
            f"{minimum} are needed. Do both use the same gene identifiers?"
        )
    scores = score(expression, used)
    sheet = read_samples(
        task.inputs[f"{prefix}samples"],
        task.parameter(f"{prefix}sample_column"),
        task.parameter(f"{prefix}missing_values", ()),
    )
    matched, sheet = match_samples(scores.to_frame().T, sheet)
    table = survival_table(sheet, task.need(f"{prefix}time_column"), task.need(f"{prefix}event_column"))
    values = matched.T.loc[table.index].iloc[:, 0].astype(float)
    table = table.assign(score=values, group=np.where(values > values.median(), "high", "low"))
    for group in GROUPS:
        count = int((table["group"] == group).sum())
        if count < 5:
            fail(f"the {group} group of the median split has {count} samples; at least 5 are needed")
    label = str(task.parameter(f"{prefix}dataset_label", f"the {role} cohort"))
    unit, endpoint = task.parameter(f"{prefix}time_unit"), task.parameter(f"{prefix}endpoint")
    return Cohort(role, label, unit, endpoint, len(used), table), used


def associate(cohort: Cohort) -> dict[str, Any]:
    """Cox hazard ratio per SD, Harrell's C and the log-rank test of the median split."""
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning
    from lifelines.statistics import logrank_test, proportional_hazard_test

    data = cohort.table[["time", "event", "score"]]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            cox = CoxPHFitter().fit(data, "time", "event", fit_options=SMALL_STEPS)
            check = proportional_hazard_test(cox, data, time_transform="rank")
        except (ConvergenceError, np.linalg.LinAlgError):
            fail(f"the Cox model of {cohort.label} did not converge")
    if any(issubclass(w.category, ConvergenceWarning) for w in caught):
        fail(f"the Cox model of {cohort.label} is unstable: the score separates the events completely")
    high, low = (cohort.table[cohort.table["group"] == g] for g in GROUPS)
    test = logrank_test(high["time"], low["time"], high["event"], low["event"])
    row = cox.summary.loc["score"]
    return {
        "cohort": cohort.label,
        "role": cohort.role,
        "n": len(data),
        "events": int(data["event"].sum()),
        "genes_used": cohort.genes_used,
        "hr": float(row["exp(coef)"]),
        "hr_low": float(row["exp(coef) lower 95%"]),
        "hr_high": float(row["exp(coef) upper 95%"]),
        "p": float(row["p"]),
        "c_index": float(cox.concordance_index_),
        "logrank_chi2": float(test.test_statistic),
        "logrank_p": float(test.p_value),
        "ph_p": float(np.ravel(check.p_value)[0]),
    }


def ratio(value: float) -> str:
    """A hazard ratio for a sentence: two decimals, or significant digits where those would hide it."""
    return f"{value:.2f}" if 0.1 <= value < 100 else number(value)


def draw_panel(axes: Any, cohort: Cohort, row: dict[str, Any], with_label: bool) -> None:
    """One cohort's curves with the numbers at risk below."""
    from lifelines import KaplanMeierFitter

    top, below = axes
    for group, colour in GROUPS.items():
        part = cohort.table[cohort.table["group"] == group]
        curve = KaplanMeierFitter().fit(part["time"], part["event"])
        band = curve.confidence_interval_
        label = f"{group} score (n = {len(part)}, {int(part['event'].sum())} events)"
        top.step(
            curve.survival_function_.index, curve.survival_function_.iloc[:, 0], where="post", c=colour, label=label
        )
        top.fill_between(band.index, band.iloc[:, 0], band.iloc[:, 1], step="post", color=colour, alpha=0.12, lw=0)
        censored = part.loc[part["event"] == 0, "time"]
        top.plot(censored, curve.predict(censored), "|", color=colour, markersize=5)
    top.set_ylim(0, 1.03)
    top.set_xlim(left=0)
    top.set_title(
        f"{cohort.role.capitalize()}: {plain_text(cohort.label, 40)} (n = {row['n']}, {row['events']} events)\n"
        f"HR per SD {ratio(row['hr'])} ({ratio(row['hr_low'])}–{ratio(row['hr_high'])}), {p_value(row['p'])}; "
        f"log-rank {p_value(row['logrank_p'])}",
        fontsize=8.5,
    )
    top.legend(frameon=False, loc="lower left", fontsize=8)
    ticks = [t for t in top.get_xticks() if 0 <= t <= cohort.table["time"].max()]
    top.set_xticks(ticks)
    for line, group in enumerate(GROUPS):
        times = cohort.table.loc[cohort.table["group"] == group, "time"]
        for tick in ticks:
            below.text(tick, line, str(int((times >= tick).sum())), ha="center", va="center", color=GROUPS[group])
    below.set_ylim(len(GROUPS) - 0.4, -0.6)
    below.set_yticks(range(len(GROUPS)), list(GROUPS))
    below.spines[["left", "bottom"]].set_visible(False)
    below.tick_params(length=0)
    below.tick_params(axis="y", pad=12)
    unit = cohort.time_unit or "unit not stated by the source"
    below.set_xlabel(plain_text(f"Time ({unit})"))
    if with_label:
        top.set_ylabel("Share without event")
        below.set_title("Number at risk", fontsize=8, loc="left")


def draw(cohorts: list[Cohort], rows: list[dict[str, Any]], name: str, path: Path) -> None:
    """Both cohorts side by side."""
    fig, ax = figure(10.0, 4.8)
    ax.remove()
    axes = fig.subplots(2, 2, sharex="col", height_ratios=[5, 1])
    for column, (cohort, row) in enumerate(zip(cohorts, rows, strict=True)):
        draw_panel(axes[:, column], cohort, row, column == 0)
    fig.suptitle(plain_text(f"{name} score, split at each cohort's median", 100), fontsize=10)
    save_figure(fig, path)


def cohort_finding(row: dict[str, Any], cohort: Cohort, name: str, total: int) -> tuple[str, dict[str, Any]]:
    """One cohort's result as a sentence with its numbers."""
    role = cohort.role.capitalize()
    endpoint = f"endpoint: {cohort.endpoint}" if cohort.endpoint else "endpoint not stated by the source"
    text = (
        f"{role} ({cohort.label}, n = {row['n']}, {row['events']} events, {endpoint}): the {name} "
        f"score from {row['genes_used']} of {total} genes has HR per SD {ratio(row['hr'])} (95 % CI "
        f"{ratio(row['hr_low'])} to {ratio(row['hr_high'])}, {p_value(row['p'])}), C-index "
        f"{row['c_index']:.2f}; log-rank of the median split {p_value(row['logrank_p'])}."
    )
    values = {k: float(ratio(row[k])) for k in ("hr", "hr_low", "hr_high", "c_index")}
    values |= {k: max(float(f"{row[k]:.2g}"), 1e-16) for k in ("p", "logrank_p")}
    values |= {k: row[k] for k in ("n", "events", "genes_used")}
    values |= {"dataset": cohort.label, "gene_set": name, "genes_in_set": total, "confidence_percent": 95}
    return text, values | {"endpoint": cohort.endpoint, "time_unit": cohort.time_unit}


def verdict(first: dict[str, Any], second: dict[str, Any], name: str, alpha: float) -> tuple[str, dict[str, Any], bool]:
    """Whether the association replicated: found in discovery, same direction and p < alpha in validation."""
    same = (first["hr"] > 1) == (second["hr"] > 1)
    replicated = first["p"] < alpha and same and second["p"] < alpha
    values = {
        "gene_set": name,
        "alpha": alpha,
        "discovery_hr": float(ratio(first["hr"])),
        "discovery_p": max(float(f"{first['p']:.2g}"), 1e-16),
        "validation_hr": float(ratio(second["hr"])),
        "validation_p": max(float(f"{second['p']:.2g}"), 1e-16),
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
            f"{ratio(first['hr'])}: the data fit no association and the same association."
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
    with naming("discovery"):
        discovery, used = read_cohort(task, "discovery", name, genes)
    with naming("validation"):
        validation, _ = read_cohort(task, "validation", name, used)
    rows = [associate(discovery), associate(validation)]
    text, values, replicated = verdict(rows[0], rows[1], name, alpha)
    shared = 100 * validation.genes_used / len(used)
    limit = float(task.parameter("warn_shared_percent", 70))
    if shared < limit:
        text += f" Only {number(shared)} % of the genes of the discovery score are measured in validation."
        values["percent_genes_shared"] = rounded(shared)
    text += endpoint_remark(discovery, validation)
    values |= {"discovery_endpoint": discovery.endpoint, "validation_endpoint": validation.endpoint}
    table = pd.DataFrame(rows).assign(genes_in_set=len(genes), replicated=["NA", "yes" if replicated else "no"])
    write_table(table, task.outputs["table"])
    draw([discovery, validation], rows, name, task.outputs["figure"])
    both = zip(rows, (discovery, validation), strict=True)
    findings = [cohort_finding(row, cohort, name, len(genes)) for row, cohort in both]
    write_findings([*findings, (text, values)], task.outputs["findings"])


if __name__ == "__main__":
    main()
