"""Put an expression matrix on a log2 scale when it is not, and drop features that carry no information."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import bioskill
import numpy as np
import pandas as pd
from biocohort import read_sheet

HALF = 0.5
"""Added to every count, and twice to the library size, before the logarithm (voom, Law et al. 2014): small libraries do
not make a read against none a difference of many doublings."""
OTHER_LOGARITHMS = {"log10": 10.0, "ln": float(np.e), "log": float(np.e)}
LINEAR_SCALES = ("linear", "raw", "intensity", "intensities", "tpm", "fpkm", "rpkm")
COUNT_SCALES = ("counts", "count", "raw counts", "read counts")


@dataclass(frozen=True)
class Scaled:
    """A matrix after scaling: the numbers, what was done, why, and of counts the library sizes that were divided by."""

    matrix: pd.DataFrame
    action: str
    rule: str
    totals: pd.Series | None = None
    counts: pd.DataFrame | None = None


def choose_scaling(matrix: pd.DataFrame, declared: str, wanted: str) -> tuple[str, str]:
    """The scaling to do (`none`, `log2`, `cpm`, or the name of another logarithm) and the reason for it."""
    if wanted != "auto":
        if wanted not in {"none", "log2", "cpm"}:
            bioskill.fail(f"parameter normalisation is {wanted!r}; use auto, none, log2 or cpm")
        return wanted, f"asked for by the parameter normalisation = {wanted}"
    values = matrix.to_numpy()
    seen = bioskill.scale_of(values)
    linear = seen.kind in ("counts", "linear")
    if declared == "log2" or declared in OTHER_LOGARITHMS:
        if linear and np.nanquantile(values, 0.99) > 50:
            bioskill.fail(
                f"the scale is declared as {declared!r} but the 99th percentile is {np.nanquantile(values, 0.99):.4g}: "
                "correct the scale, or set the parameter normalisation"
            )
        return ("none" if declared == "log2" else declared), f"declared as {declared}"
    if declared in COUNT_SCALES:
        return "cpm", f"declared as {declared}"
    if declared in LINEAR_SCALES:
        return "log2", f"declared as {declared}"
    if declared:
        return "none", f"declared as {declared}, which is left as it is"
    if not linear:
        return "none", f"looks logarithmic ({seen.why})" if seen.kind == "log2" else seen.why
    if seen.kind == "counts":
        return "cpm", f"looks like counts ({seen.why})"
    return "log2", f"looks linear ({seen.why})"


def scale_matrix(matrix: pd.DataFrame, kind: str, rule: str) -> Scaled:
    """The matrix on the chosen scale; `none` leaves every number as it is."""
    if kind == "none":
        return Scaled(matrix, "left as it is", rule)
    if kind in OTHER_LOGARITHMS:
        return Scaled(matrix * np.log2(OTHER_LOGARITHMS[kind]), f"{kind} values converted to log2", rule)
    below = int((matrix < 0).to_numpy().sum())
    note = f"; {below} negative values set to 0 first" if below else ""

    def changed(work: Callable[[Any], Any]) -> pd.DataFrame:
        values = bioskill.by_rows(matrix.to_numpy(), lambda part: work(part.clip(min=0)))
        return pd.DataFrame(values, index=matrix.index, columns=matrix.columns, copy=False)

    if kind == "log2":
        return Scaled(changed(lambda part: np.log2(part + 1)), f"log2(value + 1){note}", rule)
    totals = matrix.clip(lower=0).sum() if below else matrix.sum()
    if (totals <= 0).any():
        bioskill.fail(f"sample {totals.index[totals <= 0][0]!r} has no counts; leave it out")
    whole = (totals + 2 * HALF).to_numpy()
    action = f"log2 counts per million, (count + {HALF:g}) / (library size + {2 * HALF:g}){note}"
    return Scaled(changed(lambda part: np.log2((part + HALF) / whole * 1e6)), action, rule, totals, matrix)


def row_spread(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The largest minus the smallest value of each row."""
    return np.fmax.reduce(values, axis=1) - np.fmin.reduce(values, axis=1)


def filter_features(scaled: Scaled, task: bioskill.Task) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """The kept features, and one row per rule with how many features it removed."""
    values = scaled.matrix.to_numpy()
    max_missing = float(task.parameter("max_missing", 0.2))
    gaps = bioskill.by_rows(values, lambda part: np.isnan(part).sum(axis=1))
    spread = bioskill.by_rows(values, row_spread)
    n = values.shape[1]
    rules: list[tuple[str, Any]] = [
        (f"share of missing values above {max_missing:g}", (gaps / n > max_missing) | (n - gaps < 3)),
        ("same value in all samples", spread <= 1e-9),
    ]
    if scaled.totals is not None and scaled.counts is not None:
        totals, low = scaled.totals.to_numpy(), float(task.parameter("min_cpm", 1.0))
        share = float(task.parameter("min_cpm_share", 0.1))
        text = f"counts per million of {low:g} or more in less than a share {share:g} of the samples"
        reached = bioskill.by_rows(
            scaled.counts.to_numpy(), lambda part: (part.clip(min=0) / totals * 1e6 >= low).mean(axis=1)
        )
        rules.append((text, reached < share))
    left, before = np.ones(len(values), dtype=bool), len(values)
    rows = [{"step": "scale", "rule": scaled.rule, "action": scaled.action, "before": before, "after": before}]
    for text, drop in rules:
        before = int(left.sum())
        left &= ~drop
        rows.append(
            {"step": "filter", "rule": text, "action": "features dropped", "before": before, "after": int(left.sum())}
        )
    kept = scaled.matrix if left.all() else scaled.matrix[left]
    for row in rows:
        row["removed"] = row["before"] - row["after"]
    return kept, rows


def statements(
    task: bioskill.Task, scaled: Scaled, kept: pd.DataFrame, rows: list[dict[str, Any]]
) -> list[tuple[str, dict[str, Any]]]:
    """What was done, with the counts."""
    place, label = bioskill.where(task), task.parameter("dataset_label", "")
    before, n = rows[0]["before"], kept.shape[1]
    counted = {"dataset": label, "samples": n, "features_before": before, "features_kept": len(kept)}
    removed = {f"removed: {r['rule']}": r["removed"] for r in rows if r["step"] == "filter"}
    reasons = "; ".join(f"{r['removed']} for {r['rule']}" for r in rows if r["step"] == "filter")
    verb = "was left as it is" if scaled.action == "left as it is" else f"was transformed: {scaled.action}"
    numbers = {"percentile": 99, "percentile_limit": 100, "range_limit": 50, "base": 2, "offset": 1, "half": HALF}
    found: list[tuple[str, dict[str, Any]]] = [
        (
            f"{place}{len(kept)} of {before} features were kept for {n} samples; removed: {reasons}.",
            counted | removed | {"rules": list(removed)},
        ),
        (
            f"{place}the matrix of {n} samples {verb} (scale: {scaled.rule}).",
            {"dataset": label, "samples": n, "action": scaled.action, "rule": scaled.rule} | numbers,
        ),
    ]
    missing = int(kept.isna().to_numpy().sum())
    if missing:
        share = bioskill.percent(missing, kept.size)
        text = f"{place}{missing} values ({share}%) of the kept {len(kept)} features stay missing (n = {n} samples)."
        found.append((text, counted | {"missing_values": missing, "missing_percent": share}))
    return found


def main() -> None:
    task = bioskill.load_task()
    matrix = bioskill.read_expression(task.input("expression"), task.parameter("feature_column"))
    if "samples" in task.inputs:
        matrix, _ = bioskill.match_samples(matrix, read_sheet(task))
    declared = str(task.parameter("scale", "")).strip().lower()
    kind, rule = choose_scaling(matrix, declared, str(task.parameter("normalisation", "auto")))
    scaled, before = scale_matrix(matrix, kind, rule), len(matrix)
    kept, rows = filter_features(scaled, task)
    scaled, matrix = replace(scaled, matrix=kept, counts=None), kept  # what is not written is let go
    if kept.empty:
        removed = "; ".join(f"{r['removed']} for {r['rule']}" for r in rows if r["removed"])
        bioskill.fail(f"none of {before} features is left after filtering ({removed})")
    print(f"{scaled.action}; {len(kept)} of {before} features kept, {kept.shape[1]} samples")
    bioskill.write_table(kept.rename_axis("feature").reset_index(), task.outputs["matrix"])
    order = ["step", "rule", "action", "before", "removed", "after"]
    bioskill.write_table(pd.DataFrame(rows)[order], task.outputs["summary"])
    bioskill.write_findings(statements(task, scaled, kept, rows), task.outputs["findings"])


if __name__ == "__main__":
    main()
