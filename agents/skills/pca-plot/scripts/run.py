"""Principal components of the most variable features, and how they relate to the groups."""

from __future__ import annotations

from typing import Any

import bioskill
import numpy as np
import pandas as pd
from biocohort import case_samples, level_counts, read_matched
from bioplot import group_name, legend_below, level_name, panels
from scipy import stats

Names = list[str]


def prepare(matrix: pd.DataFrame, maximum: int) -> tuple[pd.DataFrame, int]:
    """The most variable features, centred; missing values become the feature's mean. Also how many were missing."""
    variance = matrix.var(axis=1)
    variance = variance[variance > 0].sort_values(ascending=False, kind="stable")
    chosen = matrix.loc[variance.index[:maximum]]
    centred = chosen.sub(chosen.mean(axis=1), axis=0)
    return centred.fillna(0.0), int(chosen.isna().to_numpy().sum())


def decompose(centred: pd.DataFrame, wanted: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Scores (samples × components), variance per component, loadings (features × components)."""
    count = min(wanted, centred.shape[1] - 1, centred.shape[0])
    if count < 2:
        bioskill.fail(f"{centred.shape[0]} features vary; at least 2 are needed for two components")
    left, singular, right = np.linalg.svd(centred.T.to_numpy(), full_matrices=False)
    sign = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])  # largest loading positive
    share = (singular**2 / (singular**2).sum())[:count]
    names = [f"PC{i + 1}" for i in range(count)]
    scores = pd.DataFrame((left * singular * sign)[:, :count], index=centred.columns, columns=names)
    variance = pd.DataFrame({"component": names, "share": share, "cumulative": np.cumsum(share)})
    loadings = pd.DataFrame((right * sign[:, None])[:count].T, index=centred.index, columns=names)
    return scores, variance, loadings


def relate(scores: pd.DataFrame, group: pd.Series | None, variance: pd.DataFrame) -> pd.DataFrame:
    """The variance table with a Kruskal-Wallis test of each component against the groups, where there are any."""
    table = variance.assign(kruskal_h=np.nan, p=np.nan, fdr=np.nan)
    if group is None:
        return table
    sizes = group.value_counts()
    levels = list(sizes.index[sizes >= 3])
    if len(levels) < 2:
        return table
    tests = [stats.kruskal(*(scores.loc[group.index[group == v], c] for v in levels)) for c in table["component"]]
    table["kruskal_h"], table["p"] = [t.statistic for t in tests], [t.pvalue for t in tests]
    table["fdr"] = stats.false_discovery_control(table["p"], method="bh")
    return table


def read_groups(samples: pd.DataFrame, task: bioskill.Task) -> pd.Series | None:
    """Group level per sample (samples without one are left out), case and control only when both are named."""
    column = task.parameter("group_column")
    if column is None:
        return None
    values = bioskill.group_levels(samples, column).dropna()
    if task.parameter("case") is not None and task.parameter("control") is not None:
        is_case = case_samples(task, samples)
        return values.loc[is_case.index]
    if values.empty:
        bioskill.fail(f"group column {column!r} holds no values")
    if values.nunique() > len(bioskill.PALETTE):
        keep = level_counts(values).index[:7]
        values = values.where(values.isin(keep), "(other levels)")
    return values


def order_levels(group: pd.Series, task: bioskill.Task) -> Names:
    """Control, case, then other levels by name."""
    first = [bioskill.level_text(task.parameter(w)) for w in ("control", "case") if task.parameter(w) is not None]
    return [*(v for v in first if (group == v).any()), *sorted(set(group) - set(first))]


def draw(scores: pd.DataFrame, table: pd.DataFrame, group: pd.Series | None, task: bioskill.Task, path: Any) -> None:
    """Samples on the first two components beside the share of variance of each component."""
    fig, (ax, scree) = panels(8.0, 4.4, 1, 2, width_ratios=[3.2, 1.3])
    known = scores.index[:0] if group is None else group.index
    rest = scores.drop(index=known)
    if len(rest):
        text = "all samples" if group is None else "other or not known"
        ax.scatter(rest["PC1"], rest["PC2"], s=22, c="none", edgecolors="#777777", label=f"{text} (n = {len(rest)})")
    if group is not None:
        name = group_name(task)
        for colour, level in zip(bioskill.PALETTE, order_levels(group, task), strict=False):
            part = scores.loc[group.index[group == level]]
            text = f"{name} = {level_name(level)} (n = {len(part)})"
            ax.scatter(part["PC1"], part["PC2"], s=24, c=colour, linewidths=0.3, edgecolors="white", label=text)
    ax.axhline(0, color="#DDDDDD", linewidth=0.6, zorder=0)
    ax.axvline(0, color="#DDDDDD", linewidth=0.6, zorder=0)
    share = 100 * table["share"]
    ax.set_xlabel(f"PC1 ({share.iloc[0]:.1f} % of variance)")
    ax.set_ylabel(f"PC2 ({share.iloc[1]:.1f} % of variance)")
    scree.bar(table["component"], share, color=bioskill.NEUTRAL_COLOUR)
    scree.set_ylabel("share of variance (%)")
    scree.tick_params(axis="x", rotation=90)
    legend_below(fig, ax)
    bioskill.save_figure(fig, path)


def statements(
    task: bioskill.Task, table: pd.DataFrame, scores: pd.DataFrame, group: pd.Series | None, used: tuple[int, int, int]
) -> list[Any]:
    """Variance of the leading components, and the one most strongly tied to the groups.

    `used`: features, values that were filled in, and features left out for missing values.
    """
    place, n, (features, filled, gaps) = bioskill.where(task), len(scores), used
    base = {"dataset": task.parameter("dataset_label", ""), "samples": n, "features": features}
    first, second = (round(100 * float(s), 1) for s in table["share"].iloc[:2])
    limit = f"{100 * bioskill.MOST_FILLED:g}"
    notes = [f"{filled} missing values were replaced by their feature's mean"] if filled else []
    notes += [f"{gaps} features with more than {limit} % missing values are left out"] if gaps else []
    note = f" ({'; '.join(notes)})" if notes else ""
    found: list[Any] = [
        (
            f"{place}the first two principal components of the {features} most variable features carry {first}% and "
            f"{second}% of their variance over {n} samples{note}.",
            base
            | {"pc1_percent": first, "pc2_percent": second, "filled": filled, "components": 2}
            | ({"left_out": gaps, "limit_percent": float(limit)} if gaps else {}),
            bioskill.result(task, "structure", n, measure="features", test="principal components"),
        )
    ]
    if group is None or table["p"].isna().all():
        return found
    best = table.loc[table["p"].idxmin()]
    column, share = task.need("group_column"), round(100 * float(best["share"]), 1)
    levels = order_levels(group, task)
    sizes = {v: int((group == v).sum()) for v in levels}
    limit = float(task.parameter("fdr", 0.05))
    tested = f"{column} ({', '.join(f'{v}: n = {k}' for v, k in sizes.items())})"
    result = f"Kruskal-Wallis {bioskill.p_value(best['p'])}, FDR = {bioskill.number(best['fdr'], 2)}"
    if best["fdr"] < limit:
        text = (
            f"{place}of the first {len(table)} components, {best['component']} ({share}% of variance) differs most "
            f"clearly between the levels of {tested}: {result}."
        )
    else:
        text = (
            f"{place}none of the first {len(table)} components differs between the levels of {tested} at "
            f"FDR < {limit:g}; the smallest p-value is that of {best['component']} ({share}% of variance): {result}."
        )
    values = {"component": best["component"], "components": len(table), "share_percent": share, "column": column}
    values |= {
        "fdr_threshold": limit,
        "p": bioskill.rounded(best["p"], 2),
        "fdr": bioskill.rounded(best["fdr"], 2),
        "levels": levels,
    }
    found.append((text, base | values | {"sizes": list(sizes.values()), "p_reporting_limit": 1e-16}))
    return found


def main() -> None:
    task = bioskill.load_task()
    matrix, samples = read_matched(task)
    group = read_groups(samples, task)
    measured = bioskill.fillable(matrix)
    centred, filled = prepare(measured, int(task.parameter("top_features", 2000)))
    scores, variance, loadings = decompose(centred, int(task.parameter("components", 10)))
    table = relate(scores, group, variance)
    strongest = loadings[["PC1", "PC2"]].abs().max(axis=1).sort_values(ascending=False, kind="stable").index[:100]
    print(f"{len(centred)} features, {len(scores)} samples, {len(table)} components")
    listed = scores.rename_axis("sample").reset_index()
    if group is not None:
        listed.insert(1, "group", listed["sample"].map(group))
    bioskill.write_table(listed, task.outputs["scores"])
    bioskill.write_table(table, task.outputs["variance"])
    bioskill.write_table(loadings.loc[strongest].rename_axis("feature").reset_index(), task.outputs["loadings"])
    draw(scores, table, group, task, task.outputs["figure"])
    gaps = len(matrix) - len(measured)
    found = statements(task, table, scores, group, (len(centred), filled, gaps))
    bioskill.write_findings(found, task.outputs["findings"])


if __name__ == "__main__":
    main()
