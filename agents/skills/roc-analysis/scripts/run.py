"""Discrimination of two outcomes by numbers: area under the ROC curve with its interval, and comparisons of two."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from biocohort import read_sheet
from bioskill import (
    PALETTE,
    Task,
    fail,
    figure,
    group_levels,
    level_text,
    listed,
    load_task,
    number,
    numeric_column,
    p_value,
    plain_text,
    result,
    rounded,
    save_figure,
    shown_p,
    where,
    write_findings,
    write_table,
)
from bioterms import need_columns
from scipy import stats

LEAST = 5
"""Fewest rows of either outcome."""
MOST = 6
"""Most columns that are compared in pairs."""


def placements(values: np.ndarray, case: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The share of controls below each case and of cases above each control, ties counting half."""
    cases, controls = values[case], values[~case]
    together = stats.rankdata(np.concatenate([cases, controls]))
    n1, n0 = len(cases), len(controls)
    of_cases = (together[:n1] - stats.rankdata(cases)) / n0
    of_controls = 1 - (together[n1:] - stats.rankdata(controls)) / n1
    return of_cases, of_controls


def area(values: np.ndarray, case: np.ndarray) -> tuple[float, float]:
    """The area under the curve and its standard error (DeLong, DeLong and Clarke-Pearson 1988)."""
    of_cases, of_controls = placements(values, case)
    variance = of_cases.var(ddof=1) / len(of_cases) + of_controls.var(ddof=1) / len(of_controls)
    return float(of_cases.mean()), float(np.sqrt(variance))


def interval(auc: float, error: float) -> tuple[float, float]:
    """The 95 % interval on the logit scale, which stays within 0 and 1; a perfect area has none."""
    if error == 0 or not 0 < auc < 1:
        return auc, auc
    logit, wide = np.log(auc / (1 - auc)), stats.norm.ppf(0.975) * error / (auc * (1 - auc))
    return float(1 / (1 + np.exp(wide - logit))), float(1 / (1 + np.exp(-wide - logit)))


def difference(one: np.ndarray, other: np.ndarray, case: np.ndarray) -> tuple[float, float, float]:
    """Difference of two areas on the same rows, its standard error and p-value (DeLong et al. 1988)."""
    parts = [np.column_stack(p) for p in zip(placements(one, case), placements(other, case), strict=True)]
    gap = float(parts[0][:, 0].mean() - parts[0][:, 1].mean())
    variance = sum(float((p[:, 0] - p[:, 1]).var(ddof=1)) / len(p) for p in parts)
    if variance <= 0:
        return gap, 0.0, 1.0 if gap == 0 else 0.0
    return gap, float(np.sqrt(variance)), float(2 * stats.norm.sf(abs(gap) / np.sqrt(variance)))


def curve(values: np.ndarray, case: np.ndarray) -> pd.DataFrame:
    """Sensitivity and specificity of calling values at or above each threshold."""
    thresholds = np.unique(values)
    sensitivity = np.array([(values[case] >= t).mean() for t in thresholds])
    specificity = np.array([(values[~case] < t).mean() for t in thresholds])
    return pd.DataFrame({"threshold": thresholds, "sensitivity": sensitivity, "specificity": specificity})


def read_outcome(task: Task, sheet: pd.DataFrame) -> pd.Series:
    """True for the case level, False for the control; both need at least 5 rows."""
    column = str(task.need("group_column"))
    need_columns(sheet, [column])
    levels = group_levels(sheet, column)
    case, control = (level_text(task.need(w)) for w in ("case", "control"))
    for level in (case, control):
        count = int((levels == level).sum())
        if count < LEAST:
            fail(f"outcome {column} = {level!r} has {count} rows; at least {LEAST} of either outcome are needed")
    return levels[levels.isin([case, control])] == case


def measure(task: Task, sheet: pd.DataFrame, outcome: pd.Series, name: str) -> dict[str, Any]:
    """The area of one column on the rows in which it is known, turned so that its direction is said."""
    values = numeric_column(sheet.loc[outcome.index], name)
    known = values.notna()
    y, x = outcome[known].to_numpy(bool), values[known].to_numpy(float)
    for level, count in (("case", int(y.sum())), ("control", int((~y).sum()))):
        if count < LEAST:
            fail(f"column {name!r} is known in {count} rows of the {level}; at least {LEAST} are needed")
    if np.ptp(x) == 0:
        fail(f"column {name!r} does not vary, so it tells no outcomes apart")
    auc, error = area(x, y)
    low, high = interval(auc, error)
    p = float(stats.mannwhitneyu(x[y], x[~y], alternative="two-sided").pvalue)
    points = curve(x, y)
    best = points.loc[(points["sensitivity"] + points["specificity"]).idxmax()]
    if auc < 0.5:
        points = curve(-x, y)
        best = points.loc[(points["sensitivity"] + points["specificity"]).idxmax()].copy()
        best["threshold"] *= -1
    return {
        "variable": name,
        "n": len(x),
        "cases": int(y.sum()),
        "auc": auc,
        "low": low,
        "high": high,
        "standard_error": error,
        "p": p,
        "threshold": float(best["threshold"]),
        "sensitivity": float(best["sensitivity"]),
        "specificity": float(best["specificity"]),
        "missing": int((~known).sum()),
    }


def finding(task: Task, row: dict[str, Any]) -> Any:
    """The area of one column in words, in numbers, and as a result."""
    column, case, control = (level_text(task.need(w)) for w in ("group_column", "case", "control"))
    higher = row["auc"] >= 0.5
    text = (
        f"{where(task)}the area under the ROC curve of {row['variable']} for {column} = {case} against {control} is "
        f"{row['auc']:.3f} (95 % CI {row['low']:.3f} to {row['high']:.3f}, DeLong; Mann-Whitney {p_value(row['p'])}; "
        f"n = {row['n']}, {row['cases']} with {column} = {case}); "
        f"{'higher' if higher else 'lower'} values go with {case}. At the best threshold on these rows, "
        f"{number(row['threshold'], 4)}, sensitivity is {100 * row['sensitivity']:.0f} % and specificity "
        f"{100 * row['specificity']:.0f} %: chosen on the same rows, it promises too much for new ones."
    )
    values: dict[str, Any] = {"dataset": task.parameter("dataset_label", ""), "variable": row["variable"], "case": case}
    values |= {k: round(row[k], 3) for k in ("auc", "low", "high")} | {"n": row["n"], "cases": row["cases"]}
    values |= {"p": shown_p(row["p"]), "confidence_percent": 95, "threshold": rounded(row["threshold"], 4)}
    values |= {k: round(100 * row[k]) for k in ("sensitivity", "specificity")} | {"outcome": f"{column} = {case}"}
    values["control"] = control
    fields: dict[str, Any] = {"estimate": row["auc"], "low": row["low"], "high": row["high"], "p": row["p"]}
    fields |= {"effect": "area under the curve", "measure": row["variable"], "test": "ROC curve (DeLong)"}
    fields |= {"contrast": {"column": column, "case": case, "control": control}, "missing": row["missing"]}
    fields["groups"] = {case: row["cases"], control: row["n"] - row["cases"]}
    return text, values, result(task, "association", row["n"], **fields)


def comparisons(task: Task, sheet: pd.DataFrame, outcome: pd.Series, names: list[str]) -> list[Any]:
    """Differences of the areas of two columns, on the rows in which both are known."""
    found = []
    for one, other in combinations(names[:MOST], 2):
        pair = pd.DataFrame({n: numeric_column(sheet.loc[outcome.index], n) for n in (one, other)}).dropna()
        y = outcome[pair.index].to_numpy(bool)
        if min(y.sum(), (~y).sum()) < LEAST:
            continue
        turned = [x if area(x, y)[0] >= 0.5 else -x for x in (pair[n].to_numpy(float) for n in (one, other))]
        gap, error, p = difference(turned[0], turned[1], y)
        low, high = gap - 1.959964 * error, gap + 1.959964 * error
        verdict = "differ" if p < 0.05 else "are not shown to differ"
        text = (
            f"{where(task)}the areas of {one} and {other} {verdict} (difference {gap:.3f}, 95 % CI {low:.3f} to "
            f"{high:.3f}, {p_value(p)}; DeLong, each in its own direction, n = {len(pair)} with both)."
        )
        values: dict[str, Any] = {"dataset": task.parameter("dataset_label", ""), "variables": [one, other]}
        values |= {"difference": round(gap, 3), "low": round(low, 3), "high": round(high, 3), "p": shown_p(p)}
        values |= {"n": len(pair), "confidence_percent": 95}
        found.append((text, values))
    return found


def draw(task: Task, sheet: pd.DataFrame, outcome: pd.Series, rows: list[dict[str, Any]]) -> None:
    """The curves, with their areas in the legend."""
    fig, ax = figure(5.2, 5.0)
    ax.plot([0, 1], [0, 1], color="#999999", lw=0.8, ls="--")
    for n, row in enumerate(rows):
        values = numeric_column(sheet.loc[outcome.index], row["variable"]).dropna()
        y = outcome[values.index].to_numpy(bool)
        points = curve(values.to_numpy(float), y)
        x = [*(1 - points["specificity"]), 0.0]
        label = f"{plain_text(row['variable'], 30)}: {row['auc']:.2f} ({row['low']:.2f} to {row['high']:.2f}), "
        label += f"n = {row['n']}"
        ax.step(x, [*points["sensitivity"], 0.0], where="post", color=PALETTE[n % len(PALETTE)], label=label)
    ax.set_xlabel("1 − specificity")
    ax.set_ylabel(f"Sensitivity for {plain_text(task.need('group_column'), 30)} = {plain_text(task.need('case'), 24)}")
    ax.set_aspect("equal")
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8, title="Area (95 % interval)")
    save_figure(fig, *(task.outputs[n] for n in ("figure", "figure_svg") if n in task.outputs))


def main() -> None:
    task = load_task()
    sheet = read_sheet(task)
    outcome = read_outcome(task, sheet)
    names = [str(c) for c in task.parameter("stated_columns", ()) if str(c) != str(task.need("group_column"))]
    if not names:
        fail("no column is named whose ROC curve is asked for")
    need_columns(sheet, names)
    rows = [measure(task, sheet, outcome, n) for n in dict.fromkeys(names)]
    print(f"{listed([r['variable'] for r in rows])}: {int(outcome.sum())} cases, {int((~outcome).sum())} controls")
    write_table(pd.DataFrame(rows), task.outputs["table"])
    draw(task, sheet, outcome, rows)
    found = [finding(task, row) for row in rows] + comparisons(task, sheet, outcome, [r["variable"] for r in rows])
    write_findings(found, task.outputs["findings"])


if __name__ == "__main__":
    main()
