"""Columns of a sample sheet compared between groups: means, ranks or shares, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from biocohort import level_counts, read_sheet
from biolinear import complete
from bioplot import group_name, level_name, panels
from bioskill import (
    CASE_COLOUR,
    CONTROL_COLOUR,
    PALETTE,
    Task,
    fail,
    group_levels,
    level_text,
    listed,
    load_task,
    number,
    p_value,
    percent,
    plain_text,
    result,
    rounded,
    save_figure,
    shown_p,
    where,
    write_findings,
    write_table,
)
from bioterms import MOST_LEVELS, named_levels, reference_of
from scipy import stats

LEAST = 3
"""Fewest known values of a group."""
FEW = 5
"""Where an expected count is smaller, the chi-square distribution is no longer good."""
EXACT = 50
"""Below so many values in each group, and without ties, ranks are taken by their exact distribution."""
MOST_DIFFERENCES = 20_000_000
STEPS = 6
RANKS = ("wilcoxon test", "wilcoxon signed-rank test", "kruskal-wallis test")
MEANS = ("t test", "welch's t test", "analysis of variance")
SHARES = ("chi-square test", "fisher's exact test")


@dataclass(frozen=True)
class Compared:
    """One column in its groups.

    Attributes:
        name: The column.
        values: The known values of each level, in the order of the levels; of pairs, in the order of the pairs.
        missing: Rows of the groups that are left out for want of a value.
        counted: Of text with two levels, the one whose share is compared; empty for numbers.
    """

    name: str
    values: dict[str, pd.Series]
    missing: int
    counted: str = ""

    @property
    def numeric(self) -> bool:
        """True for numbers, False for levels."""
        return all(pd.api.types.is_numeric_dtype(v) for v in self.values.values())

    @property
    def sizes(self) -> dict[str, int]:
        """Known values of each level."""
        return {level: len(v) for level, v in self.values.items()}


def read_groups(task: Task, sheet: pd.DataFrame) -> tuple[pd.Series, tuple[str, ...]]:
    """The level of each row that is compared, and the levels, of two the case first."""
    column = str(task.need("group_column"))
    found = group_levels(sheet, column).dropna()
    if task.parameter("case") is not None:
        levels = tuple(level_text(task.need(w)) for w in ("case", "control"))
    else:
        levels = tuple(dict.fromkeys(named_levels(task.need("levels"), found.unique())))
    if not 2 <= len(levels) <= MOST_LEVELS or len(set(levels)) < len(levels):
        fail(f"{len(set(levels))} levels of {column!r} are named; two to {MOST_LEVELS} can be compared")
    groups = found[found.isin(levels)]
    for level in levels:
        count = int((groups == level).sum())
        if count < LEAST:
            there = listed(sorted(set(found)), 8) or "none"
            fail(f"group {column} = {level!r} has {count} rows; at least {LEAST} are needed (levels found: {there})")
    return groups, levels


def read_column(task: Task, sheet: pd.DataFrame, groups: pd.Series, levels: tuple[str, ...], name: str) -> Compared:
    """The known values of one column in each group, as numbers or as levels; only whole pairs where pairs are named."""
    if name not in sheet.columns:
        fail(f"the sample sheet has no column {name!r} (it has: {listed(sheet.columns, 20)})")
    if name == task.need("group_column"):
        fail(f"column {name!r} is both what is compared and the group")
    cells = sheet.loc[groups.index, name].dropna()
    if cells.empty:
        fail(f"column {name!r} has no value in {listed(levels)}")
    numbers = pd.to_numeric(cells, errors="coerce")
    known = numbers if numbers.notna().all() and numbers.nunique() > 2 else cells.map(level_text)
    if numbers.notna().any() and numbers.isna().any() and known.nunique() > MOST_LEVELS:
        fail(
            f"column {name!r} holds text where numbers are expected, e.g. {cells[numbers.isna()].iloc[0]!r}: "
            "correct it, or list it in missing_values"
        )
    if np.isinf(numbers).any():
        fail(f"column {name!r} holds infinite values")
    own = groups[known.index]
    if task.parameter("pair_column") is not None:
        known, own = whole_pairs(task, sheet, known, own)
    values = {level: known[own == level] for level in levels}
    for level, part in values.items():
        if len(part) < LEAST:
            fail(f"column {name!r} has {len(part)} values in {level!r}; at least {LEAST} are needed in each group")
    if known.nunique() < 2:
        fail(f"column {name!r} has one value only ({known.iloc[0]}); there is no difference to estimate")
    if not pd.api.types.is_numeric_dtype(known) and known.nunique() > MOST_LEVELS:
        fail(f"column {name!r} is text with {known.nunique()} levels; at most {MOST_LEVELS} can be compared")
    counted = ""
    if not pd.api.types.is_numeric_dtype(known) and known.nunique() == 2:
        reference = reference_of(known)
        counted = next(x for x in sorted(known.unique()) if x != reference)
    return Compared(name, values, len(groups) - sum(map(len, values.values())), counted)


def whole_pairs(task: Task, sheet: pd.DataFrame, known: pd.Series, own: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Values and groups of the pairs that have one known value of each group, in the order of the pairs."""
    column = str(task.need("pair_column"))
    pairs = group_levels(sheet, column)[known.index].dropna()
    pairs = pairs[complete(pairs, own[pairs.index])]
    if pairs.nunique() < LEAST:
        fail(f"column {column!r} gives {pairs.nunique()} pairs with both values; at least {LEAST} are needed")
    order = pairs.sort_values(kind="stable").index
    return known[order], own[order]


def means(one: Compared, *, equal: bool, paired: bool) -> dict[str, Any]:
    """Difference of two means with interval and p, or p of several means."""
    parts = [v.to_numpy(float) for v in one.values.values()]
    if paired:
        gaps = parts[0] - parts[1]
        if np.ptp(gaps) == 0:
            fail(f"column {one.name!r}: all pairs differ by {gaps[0]:g}; there is no spread to test with")
        done = stats.ttest_1samp(gaps, 0)
        low, high = done.confidence_interval(0.95)
        return {"estimate": gaps.mean(), "low": low, "high": high, "p": done.pvalue, "test": "paired t test"}
    if max(np.ptp(x) for x in parts) == 0 or (len(parts) > 2 and not equal and min(np.ptp(x) for x in parts) == 0):
        fail(f"column {one.name!r} does not vary within the groups; there is no spread to test with")
    if len(parts) > 2:
        name = "one-way analysis of variance" if equal else "Welch's analysis of variance"
        return {"p": stats.f_oneway(*parts, equal_var=equal).pvalue, "test": name}
    done = stats.ttest_ind(*parts, equal_var=equal)
    low, high = done.confidence_interval(0.95)
    name = "Student's t test" if equal else "Welch's t test"
    return {
        "estimate": parts[0].mean() - parts[1].mean(),
        "low": low,
        "high": high,
        "p": done.pvalue,
        "test": name,
    }


def below(sizes: tuple[int, int]) -> np.ndarray:
    """Numbers of ways in which the Mann–Whitney statistic of two groups is 0, 1, 2, … without ties."""
    ways = np.zeros(sizes[0] * sizes[1] + 1)
    ways[0] = 1
    for n in range(1, sizes[1] + 1):  # Gaussian binomial coefficient, factor by factor
        top = sizes[0] + n
        for k in range(len(ways) - 1, top - 1, -1):
            ways[k] -= ways[k - top]
        for k in range(n, len(ways)):
            ways[k] += ways[k - n]
    return ways


def signed_below(n: int) -> np.ndarray:
    """Numbers of ways in which the signed-rank statistic of n pairs is 0, 1, 2, … without ties."""
    ways = np.zeros(n * (n + 1) // 2 + 1)
    ways[0] = 1
    for rank in range(1, n + 1):
        ways[rank:] += ways[:-rank].copy()
    return ways


def interval(sorted_gaps: np.ndarray, ways: np.ndarray | None, spread: float) -> tuple[float, float]:
    """Ends of the 95 % interval of a shift: ordered differences, by the exact distribution or its normal limit."""
    if ways is not None:
        k = int(np.searchsorted(np.cumsum(ways) / ways.sum(), 0.025))
    else:
        k = int(np.floor(len(sorted_gaps) / 2 - stats.norm.isf(0.025) * spread))
    k = max(k, 1)
    return float(sorted_gaps[k - 1]), float(sorted_gaps[-k])


def ranks(one: Compared, *, paired: bool) -> dict[str, Any]:
    """Hodges–Lehmann shift of two groups with interval and rank test, or the rank test of several groups."""
    parts = [v.to_numpy(float) for v in one.values.values()]
    if len(parts) > 2:
        return {"p": stats.kruskal(*parts).pvalue, "test": "Kruskal-Wallis test"}
    if paired:
        gaps = parts[0] - parts[1]
        gaps = gaps[gaps != 0]
        if len(gaps) < LEAST:
            fail(f"column {one.name!r}: {len(gaps)} pairs differ; at least {LEAST} are needed")
        row, column = np.triu_indices(len(gaps))
        walsh = np.sort((gaps[row] + gaps[column]) / 2)
        exact = len(gaps) < EXACT and len(np.unique(np.abs(gaps))) == len(gaps)
        n = len(gaps)
        spread = np.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        low, high = interval(walsh, signed_below(n) if exact else None, spread)
        done = stats.wilcoxon(gaps, method="exact" if exact else "asymptotic", correction=not exact)
        test = "Wilcoxon signed-rank test"
        return {"estimate": float(np.median(walsh)), "low": low, "high": high, "p": done.pvalue, "test": test}
    m, n = map(len, parts)
    exact = max(m, n) < EXACT and len(np.unique(np.concatenate(parts))) == m + n
    done = stats.mannwhitneyu(*parts, method="exact" if exact else "asymptotic")
    found = {"p": done.pvalue, "test": "Wilcoxon rank-sum test"}
    if m * n > MOST_DIFFERENCES:
        print(f"column {one.name!r}: {m} × {n} differences are too many for a shift with interval; p only")
        return found
    gaps = np.sort(np.subtract.outer(*parts), axis=None)
    low, high = interval(gaps, below((m, n)) if exact else None, np.sqrt(m * n * (m + n + 1) / 12))
    return found | {"estimate": float(np.median(gaps)), "low": low, "high": high}


def wilson(count: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    found = stats.binomtest(count, n).proportion_ci(0.95, method="wilson")
    return found.low, found.high


def shares(one: Compared, test: str) -> dict[str, Any]:
    """Difference of two shares with Newcombe's interval, or the association of levels and groups; with p."""
    levels = sorted(set(pd.concat(one.values.values())))
    table = np.array([[int((v == x).sum()) for x in levels] for v in one.values.values()])
    expected = stats.contingency.expected_freq(table)
    small = expected.min() < FEW
    two = table.shape == (2, 2)
    if two and test != "chi-square test" and (small or test == "fisher's exact test"):
        found = {"p": stats.fisher_exact(table).pvalue, "test": "Fisher's exact test"}
    elif test == "fisher's exact test":
        fail(f"Fisher's exact test is made of two groups and two levels; {one.name!r} gives {table.shape}")
    else:
        found = {"p": stats.chi2_contingency(table, correction=False).pvalue, "test": "chi-square test"}
        found["smallest_expected"] = float(expected.min())
    if len(one.values) == 2 and one.counted:
        (n1, n2), (c1, c2) = table.sum(axis=1), table[:, levels.index(one.counted)]
        p1, p2 = c1 / n1, c2 / n2
        (l1, u1), (l2, u2) = wilson(int(c1), int(n1)), wilson(int(c2), int(n2))
        low = p1 - p2 - np.hypot(p1 - l1, u2 - p2)
        high = p1 - p2 + np.hypot(u1 - p1, p2 - l2)
        found |= {"estimate": p1 - p2, "low": low, "high": high}
    return found


def compare(task: Task, one: Compared) -> dict[str, Any]:
    """The comparison of one column by the test that is asked for, else by what it holds."""
    test, paired = str(task.parameter("test") or ""), task.parameter("pair_column") is not None
    known = (*RANKS, *MEANS, *SHARES)
    if test and test not in known:
        fail(f"parameter test is {test!r}; known are {', '.join(known)}")
    if paired and len(one.values) > 2:
        fail("pairs of more than two groups are not compared; name two levels")
    if paired and not one.numeric:
        fail(f"column {one.name!r} holds levels; pairs are compared in numbers only")
    if test in SHARES and one.numeric:
        fail(f"column {one.name!r} holds numbers; a {test} compares shares of levels")
    if test in (*RANKS, *MEANS) and not one.numeric:
        fail(f"column {one.name!r} holds levels ({listed(sorted(set(pd.concat(one.values.values()))))}), not numbers")
    if test == "wilcoxon signed-rank test" and not paired:
        fail("a signed-rank test compares pairs; name the column that says which rows belong together")
    if not one.numeric:
        return shares(one, test) | {"effect": "difference of proportions"}
    if test in RANKS:
        return ranks(one, paired=paired) | {"effect": "location shift"}
    equal = test in ("t test", "analysis of variance")
    return means(one, equal=equal, paired=paired) | {"effect": "difference of means"}


def rows_of(one: Compared, found: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of the table for one column: one per group, and per level where it holds levels."""
    about = {"column": one.name, "test": found["test"], "p": found["p"]}
    about |= {k: found.get(k) for k in ("estimate", "low", "high")}
    rows = []
    for group, values in one.values.items():
        if one.numeric:
            numbers = {"mean": values.mean(), "sd": values.std(), "median": values.median()}
            rows.append(about | {"group": group, "level": "", "n": len(values)} | numbers)
            continue
        for level in sorted(set(pd.concat(one.values.values()))):
            count = int((values == level).sum())
            rows.append(about | {"group": group, "level": level, "n": len(values), "count": count})
            rows[-1]["share"] = count / len(values)
    return rows


def statement(task: Task, one: Compared, found: dict[str, Any]) -> Any:
    """One column in words, with its numbers and its result."""
    column, place, two = str(task.need("group_column")), where(task), len(one.values) == 2
    values: dict[str, Any] = {"dataset": task.parameter("dataset_label", ""), "group_column": column, "name": one.name}
    values |= {"confidence_percent": 95, "p": shown_p(found["p"]), "n": sum(one.sizes.values())}
    said = []
    for n, (level, known) in enumerate(one.values.items()):
        values |= {f"level_{n}": level, f"n_{n}": len(known)}
        if one.numeric:
            text = f"mean {number(known.mean())}, SD {number(known.std())}, median {number(known.median())}"
            values |= {f"mean_{n}": rounded(known.mean()), f"sd_{n}": rounded(known.std())}
            values[f"median_{n}"] = rounded(known.median())
        elif one.counted:
            count = int((known == one.counted).sum())
            text = f"{one.counted} in {count} of {len(known)}, {percent(count, len(known))} %"
            values |= {f"count_{n}": count, f"percent_{n}": percent(count, len(known)), "counted": one.counted}
        else:
            counts = [(x, int(k)) for x, k in level_counts(known).items()]
            text = ", ".join(f"{x} {k}" for x, k in counts)
            values |= {f"levels_{n}": [x for x, _ in counts], f"counts_{n}": [k for _, k in counts]}
        said.append(f"{column} = {level} ({text}; n = {len(known)})")
    text = f"{place}{one.name}: {' and '.join(said) if two else '; '.join(said)}"
    p = p_value(found["p"])
    if found.get("estimate") is not None:
        what = {"location shift": "shift (Hodges-Lehmann)"}.get(found["effect"], found["effect"])
        text += f". The {what} is {number(found['estimate'])} (95 % CI {number(found['low'])} to "
        text += f"{number(found['high'])}, {p}, {found['test']})."
        values |= {k: rounded(found[k]) for k in ("estimate", "low", "high")}
    else:
        text += f" ({found['test']}, {p})."
        if not two:
            text += f" The test says that not all {len(one.values)} groups are alike, not which differ."
            values["groups"] = len(one.values)
    if found.get("smallest_expected", FEW) < FEW:
        text += f" The smallest expected count is {number(found['smallest_expected'], 2)}: p is rough."
        values["smallest_expected"] = rounded(found["smallest_expected"], 2)
    steps = sorted(set(pd.concat(one.values.values()))) if one.numeric else []
    if 0 < len(steps) <= STEPS and all(float(x).is_integer() for x in steps) and found["effect"] == MEAN:
        text += f" {one.name} has {len(steps)} values ({listed(f'{x:g}' for x in steps)}), which are taken as numbers."
        values |= {"steps": len(steps), "step_values": [float(x) for x in steps]}
    if one.missing:
        text += f" {one.missing} rows of these groups are left out"
        text += " (no value, or no whole pair)." if task.parameter("pair_column") is not None else " (no value)."
        values["missing"] = one.missing
    levels = list(one.values)
    contrast = {"case": levels[0], "control": levels[1]} if two else {"levels": levels}
    fields: dict[str, Any] = {"measure": one.name, "groups": one.sizes, "missing": one.missing}
    fields |= {k: found.get(k) for k in ("estimate", "low", "high", "p", "test")}
    fields |= {"effect": found["effect"] if found.get("estimate") is not None else None}
    pair = task.parameter("pair_column")
    fields |= {"pairs": one.sizes[levels[0]], "terms": [str(pair)]} if pair is not None else {}
    fields["contrast"] = {"column": column, **contrast}
    return text, values, result(task, "difference", sum(one.sizes.values()), **fields)


MEAN = "difference of means"


def draw(task: Task, columns: list[Compared], found: list[dict[str, Any]]) -> None:
    """Values with means, or shares with intervals, of each group; a panel per column."""
    shown = columns[:6]
    wide = min(3, len(shown))
    tall = -(-len(shown) // wide)
    levels = list(shown[0].values)
    fig, axes = panels(max(3.4, 0.9 * len(levels) + 1.2) * wide, 3.2 * tall, tall, wide, squeeze=False)
    random = np.random.default_rng(task.seed)
    for place, ax in enumerate(axes.ravel()):
        if place >= len(shown):
            ax.set_axis_off()
            continue
        one = shown[place]
        (draw_numbers if one.numeric else draw_shares)(ax, one, random)
        labels = [f"{level_name(x)}\nn = {n}" for x, n in one.sizes.items()]
        ax.set_xticks(range(len(labels)), labels, fontsize=8)
        ax.set_xlim(-0.6, len(labels) - 0.4)
        ax.set_title(f"{p_value(found[place]['p'])} ({found[place]['test']})", fontsize=8)
    means = "diamonds are means, " if any(one.numeric for one in shown) else ""
    fig.suptitle(f"By {group_name(task)}; {means}error bars are 95 % intervals", fontsize=9)
    save_figure(fig, *(task.outputs[n] for n in ("figure", "figure_svg") if n in task.outputs))


def group_colours(count: int) -> list[str]:
    """Colours of groups: of two, those of case and control in every other figure."""
    return [CASE_COLOUR, CONTROL_COLOUR] if count == 2 else [PALETTE[x % len(PALETTE)] for x in range(count)]


def draw_numbers(ax: Any, one: Compared, random: np.random.Generator) -> None:
    """Each value as a point, with the mean and its interval."""
    for x, values in enumerate(one.values.values()):
        colour = group_colours(len(one.values))[x]
        points = values.to_numpy(float)
        ax.plot(x + random.uniform(-0.22, 0.22, len(points)), points, "o", color=colour, markersize=3, alpha=0.5)
        half = stats.t.isf(0.025, len(points) - 1) * stats.sem(points)
        ax.errorbar(x, points.mean(), half, fmt="D", color="black", markersize=4, capsize=4, lw=1.3)
    ax.set_ylabel(plain_text(one.name, 40))


def draw_shares(ax: Any, one: Compared, random: np.random.Generator) -> None:
    """Shares of the counted level with intervals, or of all levels on top of each other."""
    everything = sorted(set(pd.concat(one.values.values())))
    for x, values in enumerate(one.values.values()):
        if one.counted:
            count, n = int((values == one.counted).sum()), len(values)
            low, high = (100 * v for v in wilson(count, n))
            share = 100 * count / n
            ax.bar(x, share, 0.6, color=group_colours(len(one.values))[x])
            ax.errorbar(x, share, [[max(0, share - low)], [max(0, high - share)]], color="black", capsize=4, lw=1.3)
            continue
        tops = [0.0, *np.cumsum([100 * (values == level).mean() for level in everything])]
        for k, (low, high) in enumerate(pairwise(tops)):
            label = plain_text(everything[k], 20) if x == 0 else None
            ax.bar(x, high - low, 0.6, bottom=low, color=PALETTE[k % len(PALETTE)], label=label)
    ax.set_ylim(0, 100)
    level = f" = {plain_text(one.counted, 20)}" if one.counted else ""
    ax.set_ylabel(f"{plain_text(one.name, 30)}{level} (%)")
    if not one.counted:
        ax.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def main() -> None:
    task = load_task()
    sheet = read_sheet(task)
    groups, levels = read_groups(task, sheet)
    names = list(dict.fromkeys(str(c) for c in task.need("stated_columns")))
    if not names:
        fail("no column is named that is to be compared (parameter stated_columns)")
    columns = [read_column(task, sheet, groups, levels, name) for name in names]
    found = [compare(task, one) for one in columns]
    rows = [row for one, numbers in zip(columns, found, strict=True) for row in rows_of(one, numbers)]
    order = ["column", "group", "level", "n", "mean", "sd", "median", "count", "share"]
    table = pd.DataFrame(rows).reindex(columns=[*order, "estimate", "low", "high", "p", "test"])
    write_table(table, task.outputs["table"])
    draw(task, columns, found)
    told = [statement(task, one, numbers) for one, numbers in zip(columns, found, strict=True)]
    if len(columns) > 1:
        least = float(np.min(stats.false_discovery_control([f["p"] for f in found])))
        text = f"{where(task)}{len(columns)} columns were compared; the smallest false discovery rate "
        text += f"(Benjamini-Hochberg) is {number(least, 2)}."
        told.append((text, {"columns": len(columns), "smallest_fdr": rounded(least, 2)}))
    write_findings(told, task.outputs["findings"])


if __name__ == "__main__":
    main()
