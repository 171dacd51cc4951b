"""Describe a cohort: one row per variable or level, for all samples and for each group."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import bioskill
import numpy as np
import pandas as pd
from biocohort import level_counts, read_sheet

COUNTED_UP_TO = 6
"""Numbers with at most this many distinct values are counted like categories (grades, stages, yes/no)."""


@dataclass(frozen=True)
class Groups:
    """The columns of the table: a title and a mask over the samples for each, and which two are compared."""

    masks: dict[str, pd.Series]
    case: str | None = None
    control: str | None = None


def make_groups(samples: pd.DataFrame, task: bioskill.Task) -> Groups:
    """`all`, then the levels of the group column: the case first, the control second, others after them."""
    everyone = {"all": pd.Series(True, index=samples.index)}
    column = task.parameter("group_column")
    if column is None:
        return Groups(everyone)
    values = bioskill.group_levels(samples, column)
    named = [bioskill.level_text(task.parameter(w)) for w in ("case", "control") if task.parameter(w) is not None]
    found = list(level_counts(values).index)
    for level in named:
        if level not in found:
            bioskill.fail(f"group {column} = {level!r} has 0 samples (levels found: {bioskill.listed(found, 8)})")
    if not found:
        bioskill.fail(f"group column {column!r} holds no values")
    levels = [*named, *(v for v in found if v not in named)] if len(found) <= COUNTED_UP_TO else named
    titles = {f"{column} = {level}": values == level for level in levels}
    rest = ~values.isin(levels)
    if rest.any():
        titles[f"{column} other or not known"] = rest
    pair = [f"{column} = {level}" for level in (named if len(named) == 2 else levels if len(levels) == 2 else [])]
    return Groups(everyone | titles, *(pair or (None, None)))


def is_number(values: pd.Series, *, always: bool = False) -> bool:
    """Whether a variable is summarised as a number rather than counted."""
    known = values.dropna()
    numbers = pd.to_numeric(known, errors="coerce")
    return bool(len(known)) and bool(numbers.notna().all()) and (always or known.nunique() > COUNTED_UP_TO)


def standardised_difference(x: pd.Series, y: pd.Series) -> float:
    """Difference of means over the root of the mean variance (Austin 2009); for 0/1 values the one of proportions."""
    if len(x) < 2 or len(y) < 2:
        return float("nan")
    indicator = set(x) | set(y) <= {0.0, 1.0}
    spread = np.sqrt((x.var(ddof=0 if indicator else 1) + y.var(ddof=0 if indicator else 1)) / 2)
    return float((x.mean() - y.mean()) / spread) if spread > 0 else float("nan")


def compare(values: pd.Series, groups: Groups) -> float:
    """Standardised difference of case minus control, where there are two groups."""
    if groups.case is None or groups.control is None:
        return float("nan")
    sides = [values[groups.masks[side]].dropna().astype(float) for side in (groups.case, groups.control)]
    return standardised_difference(*sides)


def number_rows(name: str, values: pd.Series, groups: Groups) -> list[dict[str, Any]]:
    """Median with quartiles, and the range."""
    numbers = pd.to_numeric(values)

    def shown(part: pd.Series, pattern: str) -> str:
        known = part.dropna()
        if known.empty:
            return "–"
        low, q1, middle, q3, high = known.quantile([0, 0.25, 0.5, 0.75, 1])
        return pattern.format(low=low, q1=q1, middle=middle, q3=q3, high=high)

    missing, difference = int(values.isna().sum()), compare(numbers, groups)
    return [
        {"variable": name, "level": text, "missing": missing, "smd": difference if first else np.nan}
        | {title: shown(numbers[mask], pattern) for title, mask in groups.masks.items()}
        for first, text, pattern in (
            (True, "median (quartiles)", "{middle:.4g} ({q1:.4g} to {q3:.4g})"),
            (False, "range", "{low:.4g} to {high:.4g}"),
        )
    ]


def category_rows(name: str, values: pd.Series, groups: Groups) -> list[dict[str, Any]]:
    """Count and percentage of the known values for each level; rare levels of a long list are put together."""
    levels = values.map(bioskill.level_text, na_action="ignore")
    counts = levels.value_counts().sort_index()
    if len(counts) > 12:
        keep = counts.sort_values(ascending=False, kind="stable").index[:11]
        levels = levels.where(levels.isna() | levels.isin(keep), "(other levels)")
        counts = levels.value_counts().sort_index()
    rows = []
    for level in sort_levels(list(counts.index)):
        here = (levels == level).where(levels.notna())
        row = {"variable": name, "level": bioskill.listed([level]), "missing": int(values.isna().sum())}
        row["smd"] = compare(here, groups)
        for title, mask in groups.masks.items():
            part = here[mask].dropna().astype(bool)
            row[title] = f"{int(part.sum())} ({bioskill.percent(part.sum(), len(part))}%)" if len(part) else "–"
        rows.append(row)
    return rows or [{"variable": name, "level": "no values", "missing": len(values), "smd": np.nan, "all": "–"}]


def sort_levels(levels: list[str]) -> list[str]:
    """Levels that are numbers by value, others by name after them."""

    def key(level: str) -> tuple[bool, float, str]:
        value = pd.to_numeric(level, errors="coerce")
        return (bool(np.isnan(value)), 0.0 if np.isnan(value) else float(value), level)

    return sorted(levels, key=key)


def build(samples: pd.DataFrame, task: bioskill.Task, groups: Groups) -> tuple[pd.DataFrame, list[str]]:
    """The cohort table and the covariates in it."""
    time, event, group = (task.parameter(p) for p in ("time_column", "event_column", "group_column"))
    given = task.parameter("covariates", [])
    wanted = [given] if isinstance(given, str) else list(given)
    covariates = [c for c in dict.fromkeys(wanted) if c not in (time, event, group)]
    for column in (*covariates, *(c for c in (time, event) if c)):
        if column not in samples.columns:
            bioskill.fail(f"the sample sheet has no column {column!r} (it has: {bioskill.listed(samples.columns, 30)})")
    rows: list[dict[str, Any]] = [
        {"variable": "samples", "level": "n", "missing": 0, "smd": np.nan}
        | {title: str(int(mask.sum())) for title, mask in groups.masks.items()}
    ]
    for column in covariates:
        values = samples[column]
        rows += (number_rows if is_number(values) else category_rows)(column, values, groups)
    if event:
        bioskill.numeric_column(samples, event)
        rows += category_rows(event, samples[event], groups)
    if time:
        rows += number_rows(time, bioskill.numeric_column(samples, time), groups)
    return pd.DataFrame(rows)[["variable", "level", *groups.masks, "smd", "missing"]], covariates


def statements(
    task: bioskill.Task, samples: pd.DataFrame, groups: Groups, table: pd.DataFrame, covariates: list[str]
) -> list[tuple[str, dict[str, Any]]]:
    """Size, events, missing values, and where the groups differ most."""
    place, n = bioskill.where(task), len(samples)
    label = {"dataset": task.parameter("dataset_label", ""), "samples": n}
    sizes = {title: int(mask.sum()) for title, mask in groups.masks.items() if title != "all"}
    levels = {"groups": list(sizes)}
    column, rests = task.parameter("group_column"), dict[str, Any]()
    if column and sizes:
        counts = {title.partition(" = ")[2]: k for title, k in sizes.items()}
        rests = {"contrast": {"column": str(column), "levels": list(counts)}, "groups": counts}
    if task.parameter("event_column"):
        known_events = bioskill.numeric_column(samples, task.need("event_column")).dropna()
        rests |= {"event_column": str(task.need("event_column")), "events": int((known_events == 1).sum())}
    text = f"{place}the cohort has {n} samples"
    text += f": {'; '.join(f'{title}, n = {k}' for title, k in sizes.items())}." if sizes else "."
    found: list[Any] = [(text, label | sizes | levels, bioskill.result(task, "description", n, **rests))]
    if task.parameter("event_column"):
        found.append(event_statement(task, samples, place, label))
    if covariates:
        missing = samples[covariates].isna().sum()
        complete = int(samples[covariates].notna().all(axis=1).sum())
        worst = str(missing.idxmax())
        share = bioskill.percent(missing[worst], n)
        text = f"{place}{complete} of {n} samples have no missing covariate (covariates: {len(covariates)})"
        text += f"; {worst} is missing most often ({missing[worst]} samples, {share}%)." if missing[worst] else "."
        values = {"complete": complete, "covariates": len(covariates), "covariate": worst}
        found.append((text, label | values | {"missing": int(missing[worst]), "missing_percent": share}))
    found += difference_statement(table, covariates, groups, place, label)
    return found


def difference_statement(
    table: pd.DataFrame, covariates: list[str], groups: Groups, place: str, label: dict[str, Any]
) -> list[tuple[str, dict[str, Any]]]:
    """The covariate that differs most between the two groups, if any."""
    rows = table[table["variable"].isin(covariates) & table["smd"].notna()]
    if rows.empty:
        return []
    top = rows.loc[rows["smd"].abs().idxmax()]
    name = top["variable"] if top["level"].startswith("median") else f"{top['variable']} = {top['level']}"
    sides = {side: (f"median {v}" if top["level"].startswith("median") else str(v)) for side, v in top.items()}
    text = (
        f"{place}of the covariates, {name} differs most between the groups: {sides[groups.case]} with {groups.case} "
        f"and {sides[groups.control]} with {groups.control} (standardised difference {bioskill.number(top['smd'])})."
    )
    values = {"covariate": top["variable"], "level": top["level"], "case": groups.case, "control": groups.control}
    values |= {"case_value": top[groups.case], "control_value": top[groups.control]}
    values["standardised_difference"] = bioskill.rounded(top["smd"])
    values["numbers"] = [
        float(v) for side in (groups.case, groups.control) for v in re.findall(r"-?\d+(?:\.\d+)?", str(top[side]))
    ]
    return [(text, label | values)]


def event_statement(
    task: bioskill.Task, samples: pd.DataFrame, place: str, label: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Events, and the median observed time with its range."""
    column, time = task.need("event_column"), task.parameter("time_column")
    known = bioskill.numeric_column(samples, column).dropna()
    events, share = int((known == 1).sum()), bioskill.percent((known == 1).sum(), len(known))
    values = label | {"event_column": column, "events": events, "known": len(known), "event_percent": share}
    values["event_value"] = 1
    text = f"{place}{events} of {len(known)} samples with known {column} have the event ({column} = 1; {share}%)"
    if time:
        times = bioskill.numeric_column(samples, time).dropna()
        unit = task.parameter("time_unit")
        if len(times):
            low, middle, high = (bioskill.rounded(v, 4) for v in times.quantile([0, 0.5, 1]))
            text += f"; {time} has a median of {middle:g} (range {low:g} to {high:g}, n = {len(times)})"
            text += f", in {unit}" if unit else ""
            values |= {"time_column": time, "median": middle, "lowest": low, "highest": high, "n_time": len(times)}
    return f"{text}.", values


def main() -> None:
    task = bioskill.load_task()
    samples = read_sheet(task)
    if "expression" in task.inputs:
        matrix = bioskill.read_expression(task.input("expression"), task.parameter("feature_column"))
        _, samples = bioskill.match_samples(matrix, samples)
    if len(samples) < 6:
        bioskill.fail(f"the sample sheet has {len(samples)} samples; at least 6 are needed")
    groups = make_groups(samples, task)
    table, covariates = build(samples, task, groups)
    print(f"{len(samples)} samples, {len(table)} rows")
    bioskill.write_table(table, task.outputs["table"])
    bioskill.write_findings(statements(task, samples, groups, table, covariates), task.outputs["findings"])


if __name__ == "__main__":
    main()
