"""Two or more groups compared in every feature by moderated tests: the table, the figure and the statements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bioskill
import numpy as np
import pandas as pd
from biolinear import MINIMUM_N, Terms, fit_features, moderate, read_design
from biomoderate import Prior
from bioplot import group_name, legend_below, level_name, panels
from bioterms import named_levels
from scipy import stats


@dataclass(frozen=True)
class Words:
    """What the features and their values are called.

    Attributes:
        features: Such as `genes` or `proteins`.
        value: What a value is, on the axis of a figure.
        difference: What a difference of two groups is.
    """

    features: str = "genes"
    value: str = "value in the filtered matrix"
    difference: str = "difference"


MOST_LEVELS = 8
SHOWN = 6
"""Features that are drawn where there are more than two groups."""


def read_groups(task: bioskill.Task, samples: pd.DataFrame) -> tuple[pd.Series, tuple[str, ...]]:
    """The level of each sample that is compared, and the levels; of two the control is the first."""
    column = str(task.need("group_column"))
    values = bioskill.group_levels(samples, column).dropna()
    if task.parameter("case") is not None:
        levels = tuple(bioskill.level_text(task.need(w)) for w in ("control", "case"))
    else:
        levels = tuple(dict.fromkeys(named_levels(task.need("levels"), values.unique())))
    if not 2 <= len(set(levels)) <= MOST_LEVELS or len(set(levels)) < len(levels):
        bioskill.fail(f"{len(set(levels))} levels of {column!r} are named; two to {MOST_LEVELS} can be compared")
    groups = values[values.isin(levels)]
    for level in levels:
        count = int((groups == level).sum())
        if count < MINIMUM_N:
            found = bioskill.listed(sorted(set(values)), 8)
            bioskill.fail(
                f"group {column} = {level!r} has {count} samples; at least {MINIMUM_N} are needed (found: {found})"
            )
    return groups, levels


def test_features(
    matrix: pd.DataFrame, groups: pd.Series, terms: Terms, levels: tuple[str, ...], words: Words
) -> tuple[pd.DataFrame, Prior]:
    """The table of moderated tests with false discovery rates, smallest p first, and the prior of the variances."""
    fitted = fit_features(matrix, groups, terms, levels)
    if len(fitted) < 2:
        bioskill.fail(f"fewer than 2 {words.features} have at least {MINIMUM_N} values in each group and any variance")
    table, prior = moderate(fitted, len(levels))
    table["fdr"] = stats.false_discovery_control(table["p"], method="bh")
    table = table.rename_axis("gene").reset_index()
    first = ["gene", "difference", "statistic", "df", "p", "fdr", "variance"]
    kept = [*first, *(f"{what}: {x}" for what in ("mean", "n") for x in levels)]
    return table[kept].sort_values(["p", "gene"], kind="stable", ignore_index=True), prior


def volcano(task: bioskill.Task, table: pd.DataFrame, called: pd.Series, words: Words) -> None:
    """Difference against -log10 p, the leading genes named."""
    fig, ax = bioskill.figure(6.4, 4.6)
    name = group_name(task)
    case, control = (level_name(task.need(w)) for w in ("case", "control"))
    height = -np.log10(table["p"].clip(lower=1e-300))
    for mask, colour, text in (
        (~called, bioskill.NEUTRAL_COLOUR, "not called"),
        (called & (table["difference"] < 0), bioskill.CONTROL_COLOUR, f"lower in {name} = {case}"),
        (called & (table["difference"] > 0), bioskill.CASE_COLOUR, f"higher in {name} = {case}"),
    ):
        ax.scatter(table["difference"][mask], height[mask], s=7, c=colour, linewidths=0, alpha=0.7)
        ax.scatter([], [], s=18, c=colour, label=f"{text} ({int(mask.sum())})")
    for n in table.index[called][:8]:
        place = (table["difference"][n], height[n])
        ax.annotate(bioskill.plain_text(table["gene"][n], 16), place, (3, 2), textcoords="offset points", fontsize=7)
    ax.set_xlabel(f"{words.difference}: {name} = {case} minus {name} = {control}")
    ax.set_ylabel("−log10 p (moderated t)")
    legend_below(fig, ax, columns=3)
    bioskill.save_figure(fig, *(task.outputs[n] for n in ("figure", "figure_svg") if n in task.outputs))


def boxes(task: bioskill.Task, matrix: pd.DataFrame, groups: pd.Series, table: pd.DataFrame, words: Words) -> None:
    """Values and means of the {words.features} with the smallest p-values, by group."""
    genes = list(table["gene"].head(SHOWN))
    levels = [c.removeprefix("n: ") for c in table.columns if c.startswith("n: ")]
    columns = min(3, len(genes))
    rows = -(-len(genes) // columns)
    fig, axes = panels(3.0 * columns, 2.7 * rows + 0.4, rows, columns, squeeze=False)
    jitter = np.random.default_rng(task.seed).uniform(-0.16, 0.16, len(groups))
    for place, ax in enumerate(axes.ravel()):
        if place >= len(genes):
            ax.set_axis_off()
            continue
        values = matrix.loc[genes[place], groups.index]
        for x, level in enumerate(levels):
            own = (groups == level).to_numpy()
            colour = bioskill.PALETTE[x % len(bioskill.PALETTE)]
            ax.plot(x + jitter[own], values[own], "o", color=colour, markersize=4, alpha=0.7)
            ax.plot([x - 0.28, x + 0.28], [values[own].mean()] * 2, color="black", lw=1.4)
        labels = [f"{level_name(x)}\nn = {int((groups == x).sum())}" for x in levels]
        ax.set_xticks(range(len(levels)), labels, fontsize=7)
        ax.set_title(f"{bioskill.plain_text(genes[place], 24)}: {bioskill.p_value(table['p'][place])}", fontsize=8)
        if place % columns == 0:
            ax.set_ylabel(words.value)
    fig.suptitle(f"Smallest p-values by {group_name(task)}; lines are means", fontsize=9)
    bioskill.save_figure(fig, *(task.outputs[n] for n in ("figure", "figure_svg") if n in task.outputs))


def statements(
    task: bioskill.Task,
    table: pd.DataFrame,
    about: tuple[pd.Series, Terms, tuple[str, ...], Prior],
    left: dict[str, int],
    words: Words,
) -> list[Any]:
    """How many genes differ, which lead, what the named genes do, the prior, and what was left out."""
    groups, terms, levels, prior = about
    two, column, place = len(levels) == 2, str(task.need("group_column")), bioskill.where(task)
    fdr = float(task.parameter("fdr", 0.05))
    sizes = {x: int((groups == x).sum()) for x in levels}
    n, called = len(groups), table["fdr"] < fdr
    beside = f" with {', '.join(terms.design.terms)}" if terms.design.terms else ""
    test = f"moderated {'t' if two else 'F'} test of a linear model{beside}"
    shown = " and ".join(f"{column} = {x} (n = {k})" for x, k in reversed(sizes.items()))
    values: dict[str, Any] = {"dataset": task.parameter("dataset_label", ""), "group_column": column, "n": n}
    values |= {"levels": list(levels), "group_n": list(sizes.values()), "fdr_threshold": fdr, "tested": len(table)}
    contrast = (
        {"column": column, "case": levels[1], "control": levels[0]} if two else {"column": column, "levels": levels}
    )
    pairs = terms.pairs.nunique() if terms.design.pair else None
    rests = {"contrast": contrast, "groups": sizes, "terms": terms.design.terms, "pairs": pairs, "test": test}
    rests["missing"] = left["missing"]
    numbers: dict[str, Any] = {"fdr": fdr, "tested": len(table), "called": int(called.sum())}
    text = (
        f"{place}{numbers['called']} of {len(table)} tested {words.features} differ between {shown} at "
        f"FDR < {fdr:g} ({test}, "
        "Benjamini-Hochberg)"
    )
    if two:
        numbers["higher"] = int((called & (table["difference"] > 0)).sum())
        numbers["lower"] = int((called & (table["difference"] < 0)).sum())
        text += f": {numbers['higher']} are higher and {numbers['lower']} lower in {column} = {levels[1]}."
    else:
        text += f". The test says that not all {len(levels)} levels are alike, not which differ."
        values["level_count"] = len(levels)
    if pairs is not None:
        text += f" They are {pairs} pairs by {terms.design.pair}."
        values["pairs"] = pairs
    df = "infinite" if np.isinf(prior.df) else bioskill.number(prior.df)
    text += (
        f" The variances of all {words.features} count as {df} degrees of freedom, around "
        f"{bioskill.number(prior.variance)}."
    )
    values |= {"prior_df": None if np.isinf(prior.df) else bioskill.rounded(prior.df)}
    values["prior_variance"] = bioskill.rounded(prior.variance)
    counts = {k: v for k, v in numbers.items() if k in ("called", "higher", "lower")}
    first = bioskill.result(task, "difference", n, measure="features", **rests, **numbers)
    found: list[Any] = [(text, values | counts, first)]
    rows = table.head(5)
    parts = [
        f"{r.gene} ({f'difference {bioskill.number(r.difference)}' if two else f'F = {bioskill.number(r.statistic)}'}, "
        f"{bioskill.p_value(r.p)})"
        for r in rows.itertuples()
    ]
    lead = {"genes": list(rows["gene"]), "p_values": [bioskill.shown_p(p) for p in rows["p"]], "limit": 1e-16}
    key = "differences" if two else "statistics"
    lead[key] = [bioskill.rounded(v) for v in rows["difference" if two else "statistic"]]
    lead["count"] = len(rows)
    found.append(
        (
            f"{place}the {words.features} with the smallest p-values between {shown} are {'; '.join(parts)}.",
            values | lead,
        )
    )
    found += [_named(task, table, str(g), two, (values, rests)) for g in task.parameter("genes", ())]
    if left["samples"] or left["genes"]:
        text = (
            f"{place}{left['samples']} samples were left out because {column} is none of the levels compared, or a "
            f"term or the pair is not whole, and {left['genes']} {words.features} were not tested (fewer "
            f"than {MINIMUM_N} "
            "values in a group, or no variance)."
        )
        more = {"samples_left_out": left["samples"], "genes_not_tested": left["genes"], "minimum_n": MINIMUM_N}
        found.append((text, values | more))
    return found


def _named(task: bioskill.Task, table: pd.DataFrame, gene: str, two: bool, about: Any) -> Any:
    """What a gene that was asked for does."""
    values, rests = about
    rows = table[table["gene"] == gene]
    if rows.empty:
        return f"{bioskill.where(task)}{gene} could not be tested: it is not among the tested genes.", {"gene": gene}
    row = rows.iloc[0]
    sizes = {x: int(row[f"n: {x}"]) for x in rests["groups"]}
    verdict = "differs" if row["p"] < float(task.parameter("fdr", 0.05)) else "is not shown to differ"
    size = f"difference {bioskill.number(row['difference'])}, " if two else ""
    text = (
        f"{bioskill.where(task)}{gene} {verdict} by {rests['contrast']['column']} ({size}{bioskill.p_value(row['p'])}; "
    )
    text += f"{rests['test']}; n = {sum(sizes.values())})."
    numbers = {"gene": gene, "p": bioskill.shown_p(row["p"]), "n_gene": sum(sizes.values())}
    fields = {**rests, "groups": sizes, "p": row["p"], "fdr": row["fdr"], "measure": gene}
    fields["missing"] = rests["missing"] + sum(rests["groups"].values()) - sum(sizes.values())
    if two:
        numbers["difference"] = bioskill.rounded(row["difference"])
        fields |= {"estimate": row["difference"], "effect": "difference of means"}
    return text, {**values, **numbers}, bioskill.result(task, "difference", sum(sizes.values()), **fields)


def analyse(
    task: bioskill.Task, matrix: pd.DataFrame, samples: pd.DataFrame, words: Words
) -> tuple[pd.DataFrame, list[Any]]:
    """Compare the task's groups in every feature of a logarithmic matrix, draw the figure; the table and statements."""
    asked, levels = read_groups(task, samples)
    terms = read_design(task, samples, asked)
    groups = asked[terms.samples]
    table, prior = test_features(matrix, groups, terms, levels, words)
    left = {
        "samples": len(samples) - len(groups),
        "genes": len(matrix) - len(table),
        "missing": len(asked) - len(groups),
    }
    called = table["fdr"] < float(task.parameter("fdr", 0.05))
    print(
        f"{len(table)} {words.features} tested, {int(called.sum())} called; prior df {prior.df:.6g}, variance "
        f"{prior.variance:.6g}"
    )
    if len(levels) == 2:
        volcano(task, table, called, words)
    else:
        boxes(task, matrix[groups.index], groups, table, words)
    return table, statements(task, table, (groups, terms, levels, prior), left, words)
