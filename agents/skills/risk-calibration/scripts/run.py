"""Predicted risks against outcomes: calibration with its intercept and slope, Brier score, and the decision curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from biocohort import read_sheet
from bioplot import panels
from bioskill import (
    NEUTRAL_COLOUR,
    PALETTE,
    Task,
    fail,
    group_levels,
    level_text,
    load_task,
    number,
    numeric_column,
    p_value,
    plain_text,
    result,
    save_figure,
    shown_p,
    where,
    write_findings,
    write_table,
)
from bioterms import need_columns
from scipy import optimize, special, stats

LEAST = 10
"""Fewest rows of either outcome."""
EDGE = 1e-6
"""Risks are kept this far from 0 and 1, which have no logit."""
BINS = 10
FEWEST = 10
"""Fewest rows at or above a threshold up to which the decision curve is read."""
MOST = 4
"""Most columns of risks that are drawn."""
THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.01), 2)


@dataclass(frozen=True)
class Measured:
    """One column of risks: the rows in which it is known, and its figures."""

    name: str
    risk: np.ndarray
    case: np.ndarray
    row: dict[str, Any]


def logistic(x: np.ndarray, y: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of a logistic model with an offset, and their covariance."""

    def loss(b: np.ndarray) -> float:
        eta = offset + x @ b
        return float(np.logaddexp(0, eta).sum() - y @ eta)

    def slope(b: np.ndarray) -> np.ndarray:
        return np.asarray(x.T @ (special.expit(offset + x @ b) - y))

    def curvature(b: np.ndarray) -> np.ndarray:
        p = special.expit(offset + x @ b)
        return np.asarray(x.T @ (x * (p * (1 - p))[:, None]))

    found = optimize.minimize(loss, np.zeros(x.shape[1]), jac=slope, hess=curvature, method="Newton-CG", tol=1e-12)
    if np.abs(found.x).max() > 30:
        fail("the risks separate the outcomes, so the calibration slope is not finite")
    return found.x, np.linalg.inv(curvature(found.x))


def net_benefit(risk: np.ndarray, case: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Net benefit of acting on risks at or above each threshold (Vickers and Elkin 2006)."""
    called = risk[None, :] >= thresholds[:, None]
    odds = thresholds / (1 - thresholds)
    return np.asarray((called & case).mean(axis=1) - odds * (called & ~case).mean(axis=1))


def last_threshold(risk: np.ndarray) -> float:
    """The threshold that `FEWEST` rows still reach; beyond it, net benefit is that of a few rows."""
    return float(np.sort(risk)[-FEWEST])


def read_outcome(task: Task, sheet: pd.DataFrame) -> pd.Series:
    """True for the case, False for the control; both need at least 10 rows."""
    column = str(task.need("group_column"))
    need_columns(sheet, [column])
    levels = group_levels(sheet, column)
    case, control = (level_text(task.need(w)) for w in ("case", "control"))
    for level in (case, control):
        if (count := int((levels == level).sum())) < LEAST:
            fail(f"outcome {column} = {level!r} has {count} rows; at least {LEAST} of either outcome are needed")
    return levels[levels.isin([case, control])] == case


def measure(sheet: pd.DataFrame, outcome: pd.Series, name: str) -> Measured:
    """Calibration of one column of risks on the rows in which it is known."""
    values = numeric_column(sheet.loc[outcome.index], name)
    known = values.notna()
    risk, case = values[known].to_numpy(float), outcome[known].to_numpy(bool)
    if len(risk) and (risk.min() < 0 or risk.max() > 1):
        fail(
            f"column {name!r} holds {number(risk.min())} to {number(risk.max())}; a predicted risk lies "
            f"between 0 and 1 "
            "(of a marker, ask for its ROC curve)"
        )
    if min(case.sum(), (~case).sum()) < LEAST:
        fail(f"column {name!r} is known in fewer than {LEAST} rows of an outcome")
    if np.ptp(risk) == 0:
        fail(f"column {name!r} does not vary")
    y = case.astype(float)
    logit = special.logit(np.clip(risk, EDGE, 1 - EDGE))
    one = np.ones((len(y), 1))
    large, large_cov = logistic(one, y, logit)
    both, both_cov = logistic(np.column_stack([one[:, 0], logit]), y, np.zeros(len(y)))
    wide = stats.norm.ppf(0.975)
    errors = float(np.sqrt(large_cov[0, 0])), float(np.sqrt(both_cov[1, 1]))
    lack = 2 * float(_likelihood(y, both[0] + both[1] * logit) - _likelihood(y, logit))
    row = {
        "variable": name,
        "n": len(y),
        "cases": int(case.sum()),
        "expected": float(risk.sum()),
        "intercept": float(large[0]),
        "intercept_low": float(large[0] - wide * errors[0]),
        "intercept_high": float(large[0] + wide * errors[0]),
        "slope": float(both[1]),
        "slope_low": float(both[1] - wide * errors[1]),
        "slope_high": float(both[1] + wide * errors[1]),
        "p": float(stats.chi2.sf(max(lack, 0.0), 2)),
        "brier": float(((risk - y) ** 2).mean()),
        "brier_of_mean": float(y.mean() * (1 - y.mean())),
        "missing": int((~known).sum()),
    }
    return Measured(name, risk, case, row)


def _likelihood(y: np.ndarray, eta: np.ndarray) -> float:
    return float((y * eta - np.logaddexp(0, eta)).sum())


def finding(task: Task, one: Measured) -> Any:
    """Calibration of one column in words, numbers and as a result."""
    row, column, case = one.row, str(task.need("group_column")), level_text(task.need("case"))
    text = (
        f"{where(task)}{one.name} predicts {row['expected']:.1f} and {row['cases']} have {column} = "
        f"{case} (n = {row['n']}): "
        f"calibration-in-the-large {row['intercept']:.3f} (95 % CI {row['intercept_low']:.3f} to "
        f"{row['intercept_high']:.3f}; ideal 0), calibration slope {row['slope']:.3f} (95 % CI "
        f"{row['slope_low']:.3f} to "
        f"{row['slope_high']:.3f}; ideal 1), Brier score {row['brier']:.4f} ({row['brier_of_mean']:.4f} for the mean "
        f"risk). The risks {'are not calibrated' if row['p'] < 0.05 else 'are not shown to be miscalibrated'} "
        f"(likelihood ratio test, {p_value(row['p'])})."
    )
    values: dict[str, Any] = {"dataset": task.parameter("dataset_label", ""), "variable": one.name, "case": case}
    values |= {k: round(row[k], 3) for k in row if k.startswith(("intercept", "slope"))}
    values |= {"expected": round(row["expected"], 1), "cases": row["cases"], "n": row["n"], "outcome": column}
    values |= {k: round(row[k], 4) for k in ("brier", "brier_of_mean")} | {"p": shown_p(row["p"]), "ideal": [0, 1]}
    values["confidence_percent"] = 95
    control = level_text(task.need("control"))
    fields: dict[str, Any] = {"estimate": row["slope"], "low": row["slope_low"], "high": row["slope_high"]}
    fields |= {"effect": "calibration slope", "p": row["p"], "measure": one.name, "missing": row["missing"]}
    fields |= {
        "test": "calibration and decision curve",
        "groups": {case: row["cases"], control: row["n"] - row["cases"]},
    }
    fields["contrast"] = {"column": column, "case": case, "control": control}
    return text, values, result(task, "association", row["n"], **fields)


def decision(task: Task, one: Measured, thresholds: np.ndarray, benefit: np.ndarray, every: np.ndarray) -> Any:
    """Where acting on the risks is of more net benefit than acting on everybody and on nobody."""
    better = (benefit > np.maximum(every, 0.0)) & (thresholds <= last_threshold(one.risk))
    runs = np.flatnonzero(np.diff(np.concatenate([[0], better.astype(int), [0]])))
    spans = [(float(thresholds[a]), float(thresholds[b - 1])) for a, b in zip(runs[::2], runs[1::2], strict=True)]
    parts = " and ".join(f"{100 * a:.0f} to {100 * b:.0f} %" for a, b in spans[:4])
    said = f"at thresholds of {parts}" if spans else "at no threshold"
    more = f" (and {len(spans) - 4} more ranges)" if len(spans) > 4 else ""
    text = (
        f"{where(task)}acting on {one.name} has more net benefit than acting on everybody or nobody {said}{more} "
        f"(decision curve on the same {one.row['n']} rows, read up to where {FEWEST} rows are called; no interval)."
    )
    values: dict[str, Any] = {"dataset": task.parameter("dataset_label", ""), "variable": one.name, "n": one.row["n"]}
    values |= {
        "fewest": FEWEST,
        "ranges_percent": [[round(100 * a), round(100 * b)] for a, b in spans],
        "more": max(0, len(spans) - 4),
    }
    return text, values


def draw(task: Task, found: list[Measured], curves: pd.DataFrame) -> None:
    """Observed against predicted risk by tenths with intervals, and net benefit over thresholds."""
    fig, (left, right) = panels(8.6, 4.2, 1, 2)
    left.plot([0, 1], [0, 1], color=NEUTRAL_COLOUR, lw=1, ls="--", label="ideal")
    for colour, one in zip(PALETTE, found[:MOST], strict=False):
        tenth = np.ceil(stats.rankdata(one.risk) / len(one.risk) * BINS)
        rows = pd.DataFrame({"risk": one.risk, "case": one.case}).groupby(tenth)["case"].agg(["sum", "size"])
        mean = pd.Series(one.risk).groupby(tenth).mean()
        ends = [stats.binomtest(int(k), int(n)).proportion_ci(method="wilson") for k, n in rows.to_numpy()]
        left.vlines(mean, [e.low for e in ends], [e.high for e in ends], color=colour, lw=1)
        label = f"{plain_text(one.name, 24)} (n = {one.row['n']}, {one.row['cases']} cases)"
        left.plot(mean, rows["sum"] / rows["size"], "o", color=colour, markersize=4, label=label)
        own = curves[(curves["variable"] == one.name) & (curves["threshold"] <= last_threshold(one.risk))]
        right.plot(own["threshold"], own["net_benefit"], color=colour, label=plain_text(one.name, 24))
    own = curves[curves["variable"] == found[0].name]
    right.plot(own["threshold"], own["everybody"], color=NEUTRAL_COLOUR, ls="--", label="everybody")
    right.axhline(0, color="black", lw=0.8, label="nobody")
    top = float(max(curves["net_benefit"].max(), 0.01))
    right.set_ylim(-0.25 * top, 1.15 * top)
    reached = max(last_threshold(o.risk) for o in found)
    shown = curves.loc[(curves["net_benefit"] > -0.25 * top) & (curves["threshold"] <= reached), "threshold"]
    right.set_xlim(0, float(min(1.0, shown.max() + 0.05)))
    outcome = plain_text(f"{task.need('group_column')} = {level_text(task.need('case'))}", 30)
    left.set_xlabel("Predicted risk (tenths of the rows)")
    left.set_ylabel(f"Observed share of {outcome}\n(95 % interval)")
    right.set_xlabel("Threshold of risk")
    right.set_ylabel("Net benefit (true positives per row)")
    for ax in (left, right):
        ax.legend(frameon=False, fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    save_figure(fig, *(task.outputs[n] for n in ("figure", "figure_svg") if n in task.outputs))


def main() -> None:
    task = load_task()
    sheet = read_sheet(task)
    outcome = read_outcome(task, sheet)
    names = [str(c) for c in task.need("stated_columns") if str(c) != str(task.need("group_column"))]
    if not names:
        fail("no column of predicted risks is named")
    need_columns(sheet, names)
    found = [measure(sheet, outcome, n) for n in dict.fromkeys(names)]
    said, curves = [], []
    for one in found:
        benefit = net_benefit(one.risk, one.case, THRESHOLDS)
        share = one.case.mean()
        every = share - (1 - share) * THRESHOLDS / (1 - THRESHOLDS)
        said += [finding(task, one), decision(task, one, THRESHOLDS, benefit, every)]
        own = {"variable": one.name, "threshold": THRESHOLDS, "net_benefit": benefit, "everybody": every}
        curves.append(pd.DataFrame(own))
    print(f"{len(found)} columns of risks, {int(outcome.sum())} of {len(outcome)} rows have the outcome")
    write_table(pd.DataFrame([o.row for o in found]), task.outputs["table"])
    whole = pd.concat(curves, ignore_index=True)
    write_table(whole, task.outputs["curves"])
    draw(task, found, whole)
    write_findings(said, task.outputs["findings"])


if __name__ == "__main__":
    main()
