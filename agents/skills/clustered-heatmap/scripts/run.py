"""Clustered heat map of the leading genes: z-scored rows, average linkage on correlation, group colour bar."""

from __future__ import annotations

from typing import Any

import bioskill
import numpy as np
import pandas as pd
from biocohort import case_samples, read_matched
from bioplot import group_name, legend_below, level_name, panels
from scipy.cluster import hierarchy
from scipy.spatial import distance


def top_genes(task: bioskill.Task, matrix: pd.DataFrame) -> list[str]:
    """The genes with the smallest p-values that are in the matrix, which holds those with few missing values."""
    ranked = bioskill.read_table(task.input("differential"))
    for column in ("gene", "p"):
        if column not in ranked.columns:
            bioskill.fail(f"{task.input('differential').name}: no column {column!r}")
    ranked = ranked.assign(gene=ranked["gene"].astype(str)).sort_values("p", kind="stable")
    genes = [g for g in ranked["gene"] if g in matrix.index][: int(task.parameter("top_genes", 40))]
    if len(genes) < 3:
        bioskill.fail(f"{len(genes)} genes of the table are in the matrix; at least 3 are needed")
    return genes


def standardise(matrix: pd.DataFrame) -> pd.DataFrame:
    """Each row to mean 0 and standard deviation 1; rows without variance are dropped, missing values become 0."""
    spread = matrix.std(axis=1, ddof=1)
    usable = matrix[spread > 1e-9]
    return usable.sub(usable.mean(axis=1), axis=0).div(spread[spread > 1e-9], axis=0).fillna(0.0)


def tree(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Average linkage on 1 - Pearson correlation of the rows; a row without variance is unrelated to all (1)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = distance.pdist(values, metric="correlation")
    apart = np.clip(np.nan_to_num(apart, nan=1.0), 0.0, 2.0)
    return hierarchy.linkage(apart, method="average", optimal_ordering=len(values) <= 400)


def adjusted_rand(first: pd.Series, second: pd.Series) -> float:
    """Agreement of two partitions: 1 the same, about 0 as by chance (Hubert and Arabie 1985)."""

    def pairs(counts: Any) -> float:
        values = np.asarray(counts, dtype=float)
        return float((values * (values - 1) / 2).sum())

    both = pairs(pd.crosstab(first, second))
    rows, columns = pairs(first.value_counts()), pairs(second.value_counts())
    expected = rows * columns / pairs([len(first)])
    highest = (rows + columns) / 2
    return (both - expected) / (highest - expected) if highest != expected else 1.0


def draw_tree(ax: Any, linkage: Any, *, side: bool) -> None:
    """A dendrogram that lines up with the rows (`side`) or columns of an image."""
    drawn = hierarchy.dendrogram(linkage, no_plot=True)
    for x, y in zip(drawn["icoord"], drawn["dcoord"], strict=True):
        along = (np.array(x) - 5) / 10
        ax.plot(*((y, along) if side else (along, y)), color="#444444", linewidth=0.6)
    leaves = len(drawn["leaves"])
    if side:
        ax.set(ylim=(leaves - 0.5, -0.5))
        ax.invert_xaxis()
    else:
        ax.set(xlim=(-0.5, leaves - 0.5))
        ax.set_ylim(bottom=0)
    ax.axis("off")


def draw(ordered: pd.DataFrame, is_case: pd.Series, trees: tuple[Any, Any], task: bioskill.Task, path: Any) -> None:
    """The heat map with both trees, the group bar and a legend."""
    genes, count = ordered.shape
    few, height = count <= 60, 0.16 * min(genes, 80)
    size = (8.2, height + (2.9 if few else 2.2))
    fig, axes = panels(*size, 3, 2, width_ratios=[1, 8], height_ratios=[0.9, 0.16, height])
    fig.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    for ax in axes[:2, 0]:
        ax.axis("off")
    draw_tree(axes[0, 1], trees[1], side=False)
    draw_tree(axes[2, 0], trees[0], side=True)
    bar, heat = axes[1, 1], axes[2, 1]
    colours = np.array([[0.0, 0.447, 0.698], [0.835, 0.369, 0.0]])
    bar.imshow(colours[is_case[ordered.columns].astype(int).to_numpy()][None, :, :], aspect="auto")
    bar.axis("off")
    image = heat.imshow(ordered.to_numpy(), aspect="auto", cmap="RdBu_r", vmin=-3, vmax=3, interpolation="nearest")
    heat.yaxis.tick_right()
    names = [bioskill.plain_text(g, 24) for g in ordered.index]
    heat.set_yticks(range(genes) if genes <= 80 else [], names if genes <= 80 else [], fontsize=7)
    titles = [bioskill.plain_text(c, 24) for c in ordered.columns]
    heat.set_xticks(range(count) if few else [], titles if few else [], fontsize=6, rotation=90)
    heat.tick_params(length=0)
    heat.spines[:].set_visible(False)
    heat.set_xlabel("" if few else f"{count} samples")
    scale = fig.colorbar(image, ax=axes[:, 1], shrink=0.5, aspect=30, pad=0.01, location="right", extend="both")
    scale.set_label("z-score of the gene")
    name = group_name(task)
    for which, side, colour in (("case", True, colours[1]), ("control", False, colours[0])):
        level = level_name(task.need(which))
        bar.scatter([], [], marker="s", s=50, color=colour, label=f"{name} = {level} (n = {(is_case == side).sum()})")
    legend_below(fig, bar)
    bioskill.save_figure(fig, path)


def statements(task: bioskill.Task, scores: pd.DataFrame, is_case: pd.Series, cluster: pd.Series) -> list[Any]:
    """How the two largest branches of samples relate to the groups."""
    place, column = bioskill.where(task), task.need("group_column")
    case, control = bioskill.level_text(task.need("case")), bioskill.level_text(task.need("control"))
    inside = {c: is_case[cluster == c] for c in (1, 2)}
    agreement = adjusted_rand(is_case, cluster.loc[is_case.index])
    counts = {c: (int(v.sum()), int((~v).sum())) for c, v in inside.items()}
    values = {"dataset": task.parameter("dataset_label", ""), "genes": len(scores), "samples": len(cluster)}
    values |= {"group_column": column, "case": case, "control": control, "clusters": 2}
    values |= {"cluster_1_size": len(inside[1]), "cluster_2_size": len(inside[2])}
    values |= {"cluster_1_case": counts[1][0], "cluster_1_control": counts[1][1]}
    values |= {"cluster_2_case": counts[2][0], "cluster_2_control": counts[2][1]}
    values["adjusted_rand_index"] = bioskill.rounded(agreement, 2)
    branches = "; ".join(
        f"one of {len(inside[c])} samples ({counts[c][0]} with {column} = {case}, {counts[c][1]} with {column} = "
        f"{control})"
        for c in (1, 2)
    )
    text = (
        f"{place}average linkage of {len(cluster)} samples on the {len(scores)} genes with the smallest p-values has "
        f"2 main branches: {branches}; adjusted Rand index {bioskill.number(agreement, 2)}. The genes were chosen by "
        "their difference between these groups, so agreement of branches and groups is no independent evidence."
    )
    rests = {"contrast": {"column": column, "case": case, "control": control}, "test": "average linkage"}
    rests["groups"] = {case: int(is_case.sum()), control: int((~is_case).sum())}
    return [(text, values, bioskill.result(task, "structure", len(is_case), measure="features", **rests))]


def main() -> None:
    task = bioskill.load_task()
    matrix, samples = read_matched(task)
    is_case = case_samples(task, samples)
    scores = standardise(matrix.loc[top_genes(task, bioskill.fillable(matrix[is_case.index])), is_case.index])
    if len(scores) < 3:
        bioskill.fail(f"{len(scores)} of the leading genes vary over these samples; at least 3 are needed")
    trees = tree(scores.to_numpy()), tree(scores.T.to_numpy())
    cluster = pd.Series(hierarchy.fcluster(trees[1], 2, criterion="maxclust"), index=scores.columns)
    rows, columns = (hierarchy.leaves_list(t) for t in trees)
    ordered = scores.iloc[rows, columns]
    print(f"{len(scores)} genes, {scores.shape[1]} samples")
    bioskill.write_table(ordered.rename_axis("gene").reset_index(), task.outputs["table"])
    group = is_case.map(
        {True: bioskill.level_text(task.need("case")), False: bioskill.level_text(task.need("control"))}
    )
    listed = pd.DataFrame({"sample": ordered.columns, "cluster": cluster[ordered.columns].to_numpy()})
    listed["group"] = listed["sample"].map(group)
    bioskill.write_table(listed, task.outputs["clusters"])
    draw(ordered, is_case, trees, task, task.outputs["figure"])
    bioskill.write_findings(statements(task, scores, is_case, cluster), task.outputs["findings"])


if __name__ == "__main__":
    main()
