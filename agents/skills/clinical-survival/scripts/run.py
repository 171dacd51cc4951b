"""Time to event against columns of a clinical table: Kaplan-Meier curves, log-rank test, Cox models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from biocohort import read_sheet
from bioplot import panels
from bioskill import (
    PALETTE,
    Task,
    fail,
    group_levels,
    level_text,
    listed,
    load_task,
    number,
    p_value,
    plain_text,
    result,
    rounded,
    save_figure,
    shown_p,
    survival_table,
    where,
    write_findings,
    write_table,
)
from biosurvival import (
    LogRank,
    curve_table,
    draw_curves,
    fit_cox,
    fit_curves,
    informative,
    log_rank,
    median_phrase,
    ratio,
    ratio_with_interval,
    summarise,
    time_label,
)
from bioterms import Design, design, named_levels, need_columns
from scipy import stats

MINIMUM_GROUP = 3
"""Fewest rows of a group that is compared."""
MOST_GROUPS = 8
ALL = "all"
SHOWN = ("above the median", "at or below the median")
COLUMNS = "model variable term unit stratified_by n events hr hr_low hr_high z p ph_p c_index".split()
NOT_ESTIMATED = {
    "not converged": "the estimation does not converge",
    "unstable": "the estimation is unstable (nearly collinear terms, or a level in which all or none have the event)",
}


@dataclass(frozen=True)
class Cohort:
    """The rows that are analysed, and the columns they are analysed by.

    Attributes:
        table: Columns `time` and `event`; `group` where levels are compared; `stratum` where there are blocks.
        group: The column whose levels are compared; empty when none is.
        levels: Its levels, the reference last.
        measured: Columns whose hazard ratios are asked for beside or instead of groups.
    """

    table: pd.DataFrame
    sheet: pd.DataFrame
    group: str
    levels: tuple[str, ...]
    measured: tuple[str, ...]
    blocks: tuple[str, ...]
    adjust: tuple[str, ...]

    @property
    def main(self) -> tuple[str, ...]:
        """The columns whose association with the hazard is asked for."""
        return (self.group,) if self.group else self.measured

    def design(self, names: Sequence[str]) -> Design:
        """The terms of some columns, the compared levels as they are asked for."""
        return design(self.sheet, names, {self.group: self.levels} if self.group else None)


@dataclass(frozen=True)
class Model:
    """A fitted Cox model: a row per term, and the rows and events it rests on."""

    rows: pd.DataFrame
    design: Design
    covariance: np.ndarray
    n: int
    events: int
    idle: str = ""

    def of(self, variable: str) -> pd.DataFrame:
        """The rows of one variable's terms."""
        return self.rows[self.rows["variable"] == variable]

    def joint_p(self, variable: str) -> float:
        """The p-value of all terms of a variable together (Wald); of a single term its own."""
        own = self.of(variable)
        if len(own) == 1:
            return float(own["p"].iloc[0])
        places = [self.rows.index.get_loc(i) for i in own.index]
        beta = np.log(own["hr"].to_numpy())
        statistic = beta @ np.linalg.pinv(self.covariance[np.ix_(places, places)]) @ beta
        return float(stats.chi2.sf(statistic, len(places)))


def wanted_levels(task: Task, sheet: pd.DataFrame, group: str) -> tuple[str, ...]:
    """The levels that are compared: case and control, those that the task lists, or all of the column."""
    found = group_levels(sheet, group).dropna()
    if task.parameter("case") is not None and task.parameter("control") is not None:
        levels = tuple(level_text(task.need(w)) for w in ("case", "control"))
    else:
        named = tuple(named_levels(task.parameter("levels", ()), found.unique())) or tuple(sorted(found.unique()))
        stated = level_text(task.parameter("control", ""))
        reference = stated if stated in named else named[0] if named else ""
        levels = (*(x for x in named if x != reference), reference)
    if len(set(levels)) < 2:
        fail(f"column {group!r} has the level {listed(levels) or 'none'} only; at least two are needed to compare")
    if len(levels) > MOST_GROUPS:
        fail(f"column {group!r} has {len(levels)} levels to compare; at most {MOST_GROUPS} can be shown and told apart")
    return levels


def read(task: Task) -> Cohort:
    """Read the sheet and cut it to the rows with time, event and, where levels are compared, one of them.

    With blocks, rows without a value of a block or covariate are left out of everything.
    """
    sheet = read_sheet(task)
    time, event = str(task.need("time_column")), str(task.need("event_column"))
    group = str(task.parameter("group_column") or "")
    measured = () if group else tuple(dict.fromkeys(map(str, task.parameter("stated_columns", ()))))
    blocks, adjust = (
        tuple(c for c in dict.fromkeys(map(str, task.parameter(p, ()))) if c not in (group, time, event, *measured))
        for p in ("block_columns", "adjust_columns")
    )
    adjust = tuple(c for c in adjust if c not in blocks)
    need_columns(sheet, [time, event, *([group] if group else []), *measured, *blocks, *adjust])
    table = survival_table(sheet, time, event)
    levels: tuple[str, ...] = ()
    if group:
        levels = wanted_levels(task, sheet, group)
        of_rows = group_levels(sheet, group).reindex(table.index)
        table = table.assign(group=of_rows)[of_rows.isin(levels)]
    if blocks:
        known = sheet.loc[table.index, [*blocks, *adjust]].notna().all(axis=1)
        if not known.all():
            print(f"{int((~known).sum())} rows without a value of {listed([*blocks, *adjust])} are left out")
        table = table[known]
        names = [group_levels(sheet, b).reindex(table.index) for b in blocks]
        table = table.assign(stratum=names[0].str.cat(names[1:], sep=" / ") if len(names) > 1 else names[0])
    for level in levels:
        count = int((table["group"] == level).sum())
        if count < MINIMUM_GROUP:
            fail(f"group {group} = {level!r} has {count} rows with time and event; at least {MINIMUM_GROUP} are needed")
    if table["event"].sum() < 5:
        fail(f"{int(table['event'].sum())} events in the {len(table)} rows that are analysed; at least 5 are needed")
    return Cohort(table, sheet.loc[table.index], group, levels, measured, blocks, adjust)


def fit(cohort: Cohort, made: Design, name: str) -> Model | str:
    """Fit a Cox model of all terms of a design, or say why it cannot be estimated."""
    table = cohort.table.loc[made.frame.index]
    if not made.terms:
        return f"{listed(made.left_out)} does not vary in {len(table)} rows"
    columns = [f"x{i}" for i in range(len(made.terms))]
    data = made.frame[[t.column for t in made.terms]].set_axis(columns, axis=1)
    data = data.join(table[["time", "event", *(["stratum"] if "stratum" in table else [])]])
    kept, idle = informative(data)
    if kept["event"].sum() < 2:
        return "fewer than 2 events remain"
    none = [
        t.name
        for t, c in zip(made.terms, columns, strict=True)
        if t.level and not kept.loc[kept[c] == 1, "event"].sum()
    ]
    if none:
        return f"nobody with {none[0]} has the event, so its hazard ratio is not finite"
    fitted = fit_cox(kept)
    if isinstance(fitted, str):
        return NOT_ESTIMATED[fitted]
    summary = fitted.model.summary.loc[columns]
    rows = pd.DataFrame(
        {
            "model": name,
            "variable": [t.variable for t in made.terms],
            "term": [t.name for t in made.terms],
            "unit": [t.unit for t in made.terms],
            "stratified_by": " and ".join(cohort.blocks) or "none",
            "n": len(data),
            "events": int(data["event"].sum()),
            "hr": summary["exp(coef)"].to_numpy(),
            "hr_low": summary["exp(coef) lower 95%"].to_numpy(),
            "hr_high": summary["exp(coef) upper 95%"].to_numpy(),
            "z": summary["z"].to_numpy(),
            "p": summary["p"].to_numpy(),
            "ph_p": fitted.ph_p,
            "c_index": fitted.model.concordance_index_,
        }
    )
    covariance = fitted.model.variance_matrix_.loc[columns, columns].to_numpy()
    return Model(rows, made, covariance, len(data), int(data["event"].sum()), idle)


def fit_all(cohort: Cohort) -> tuple[list[Model], Model | None, str]:
    """All models, the one that answers (all columns asked for with all covariates), and why there is none."""
    if not cohort.main:
        return [], None, ""
    models, why = list[Model](), ""
    every = (*cohort.main, *cohort.adjust)
    for variable in dict.fromkeys(every):
        alone = fit(cohort, cohort.design([variable]), "alone")
        if isinstance(alone, Model):
            models.append(alone)
        elif len(every) == 1:
            why = alone
        else:
            print(f"no model of {variable} alone: {alone}")
    if len(every) == 1:
        return models, models[0] if models else None, why
    together = fit(cohort, cohort.design(every), "together")
    if isinstance(together, str):
        return models, None, together
    if together.design.left_out:
        print(f"left out of the model, because they do not vary: {listed(together.design.left_out)}")
    if cohort.adjust and together.n < len(cohort.table):
        same = cohort.design(every).frame.index
        part = Cohort(
            cohort.table.loc[same],
            cohort.sheet.loc[same],
            cohort.group,
            cohort.levels,
            cohort.measured,
            cohort.blocks,
            (),
        )
        bare = fit(part, part.design(cohort.main), "alone, rows of the model together")
        models += [bare] if isinstance(bare, Model) else []
    return [*models, together], together, ""


def endpoint_of(task: Task) -> str:
    """The endpoint in words; `time to event` when the source does not state it."""
    return str(task.parameter("endpoint") or "time to event")


def rests(task: Task, cohort: Cohort, n: int, events: int, **fields: Any) -> dict[str, Any]:
    """The `result` of a finding: rows, events, columns, and what they are compared by."""
    columns = {f"{k}_column": str(task.need(f"{k}_column")) for k in ("time", "event")}
    known = {"events": events, "missing": len(cohort.table) - n, "endpoint": task.parameter("endpoint"), **columns}
    return result(task, "time to event", n, **known, **fields)


def compared(cohort: Cohort, rows: pd.Index | None = None) -> dict[str, Any]:
    """Contrast and group sizes of a comparison of levels, on some rows; empty when no levels are compared."""
    if not cohort.group:
        return {}
    table = cohort.table if rows is None else cohort.table.loc[rows]
    contrast: dict[str, Any] = {"column": cohort.group}
    contrast |= (
        dict(zip(("case", "control"), cohort.levels, strict=True))
        if len(cohort.levels) == 2
        else {"levels": cohort.levels}
    )
    sizes = {x: int((table["group"] == x).sum()) for x in cohort.levels}
    happened = {x: int(table.loc[table["group"] == x, "event"].sum()) for x in cohort.levels}
    return {"contrast": contrast, "groups": sizes, "group_events": happened}


def log_rank_finding(task: Task, cohort: Cohort, test: LogRank) -> Any:
    """Whether the curves of the levels differ, with their sizes and events."""
    alpha, n, events = float(task.parameter("alpha", 0.05)), len(cohort.table), int(cohort.table["event"].sum())
    fields = compared(cohort)
    parts = [f"{x}: {fields['group_events'][x]} events in {fields['groups'][x]}" for x in cohort.levels]
    verdict = "differs" if test.p_value < alpha else "shows no detected difference"
    strata = f"stratified by {' and '.join(cohort.blocks)}, " if cohort.blocks else ""
    text = (
        f"{where(task)}{endpoint_of(task)} {verdict} between the levels of {cohort.group} ({strata}log-rank chi-square "
        f"{number(test.test_statistic)}, degrees of freedom {test.df}, {p_value(test.p_value)}; n = {n}, {events} "
        f"events; {'; '.join(parts)}).{unstated(task)}"
    )
    values = {"dataset": task.parameter("dataset_label"), "n": n, "events": events, "p": shown_p(test.p_value)}
    values |= {"chi_square": rounded(test.test_statistic), "df": test.df, "alpha": alpha, "levels": list(cohort.levels)}
    values |= {"group_n": list(fields["groups"].values()), "group_events": list(fields["group_events"].values())}
    return text, values, rests(task, cohort, n, events, p=test.p_value, test="log-rank", terms=cohort.blocks, **fields)


def unstated(task: Task) -> str:
    """What the source does not say about the outcome, as the end of a sentence."""
    lacking = [w for w, k in (("endpoint", "endpoint"), ("time unit", "time_unit")) if not task.parameter(k)]
    return f" The source does not state the {' or the '.join(lacking)}." if lacking else ""


def hazard_finding(task: Task, cohort: Cohort, model: Model, variable: str, *, answers: bool) -> Any:
    """The hazard ratios of one column's terms in a model; with `answers`, as a result that answers a question."""
    own, alpha, p = model.of(variable), float(task.parameter("alpha", 0.05)), model.joint_p(variable)
    beside = [v for v in model.design.variables if v != variable]
    phrases, values = [], {"dataset": task.parameter("dataset_label"), "n": model.n, "events": model.events}
    values |= {
        "confidence_percent": 95,
        "alpha": alpha,
        "p": shown_p(p),
        "variable": variable,
        "terms": list(own["term"]),
    }
    for key in ("hr", "hr_low", "hr_high"):
        numbers = [float(ratio(v)) for v in own[key]]
        values[key] = numbers[0] if len(numbers) == 1 else numbers
    values["p_values"] = [shown_p(v) for v in own["p"]]
    for row in own.itertuples():
        each = f", {p_value(row.p)}" if len(own) > 1 else ""
        phrases.append(
            f"{row.term} {row.unit} {ratio(row.hr)} (95 % CI {ratio(row.hr_low)} to {ratio(row.hr_high)}{each})"
        )
    verdict = "is associated with" if p < alpha else "shows no association at this sample size with"
    with_what = f"with {', '.join(beside)} in the model, " if beside else ""
    with_what += f"stratified by {' and '.join(cohort.blocks)}, " if cohort.blocks else ""
    together = f"all levels together {p_value(p)}" if len(own) > 1 else p_value(p)
    text = (
        f"{where(task)}{with_what}{variable} {verdict} the hazard of {endpoint_of(task)} (Cox regression, hazard ratio "
        f"of {'; '.join(phrases)}; {together}; n = {model.n}, {model.events} events)."
    )
    values |= {f"beside_{i}": name for i, name in enumerate((*beside, *cohort.blocks))}
    if model.idle:
        text, values["idle_strata"] = (
            f"{text} Strata that tell nothing, of one row or without an event: {model.idle}.",
            model.idle,
        )
    if beside:
        each = model.events / len(model.rows)
        text += f" The model has {number(each)} events for each of its {len(model.rows)} coefficients"
        least = int(task.parameter("events_per_variable", 10))
        text += f", fewer than {least}: the estimates are fragile." if each < least else "."
        values |= {"events_per_variable": rounded(each), "coefficients": len(model.rows), "advised_minimum": least}
    left = len(cohort.table) - model.n
    if left:
        text += f" {left} rows without a value of these columns are left out."
        values["left_out"] = left
    if not answers:
        return text, values
    fields: dict[str, Any] = {"p": p, "effect": "hazard ratio", "test": "cox regression", "measure": variable}
    fields["terms"] = [*beside, *cohort.blocks]
    if len(own) == 1:
        fields |= {"estimate": own["hr"].iloc[0], "low": own["hr_low"].iloc[0], "high": own["hr_high"].iloc[0]}
    fields |= compared(cohort, model.design.frame.index) if variable == cohort.group else {}
    return text, values, rests(task, cohort, model.n, model.events, **fields)


def proportional_finding(task: Task, cohort: Cohort, model: Model) -> Any:
    """What the test of proportional hazards says of the columns asked for."""
    alpha = float(task.parameter("alpha", 0.05))
    own = model.rows[model.rows["variable"].isin(cohort.main)]
    doubtful = own[own["ph_p"] < alpha]
    parts = [f"{r.term} {p_value(r.ph_p)}" for r in own.itertuples()]
    verdict = "No departure from proportional hazards was detected"
    if len(doubtful):
        names = listed(doubtful["term"])
        verdict = f"Proportional hazards are doubtful for {names}: the hazard ratio is an average over the follow-up"
    values = {"ph_p": [shown_p(v) for v in own["ph_p"]], "terms": list(own["term"]), "alpha": alpha}
    return f"{verdict} (scaled Schoenfeld residuals against ranked time: {listed(parts, 12)}).", values


def median_finding(task: Task, cohort: Cohort, summary: pd.DataFrame) -> Any:
    """Kaplan-Meier medians of the levels, or of all rows where none are compared."""
    unit = f" {task.parameter('time_unit')}" if task.parameter("time_unit") else ""
    values: dict[str, Any] = {
        "dataset": task.parameter("dataset_label"),
        "confidence_percent": 95,
        "time_unit": task.parameter("time_unit"),
    }
    values["levels"] = list(summary["group"])
    phrases = []
    for row in summary.itertuples(index=False):
        called = f"with {cohort.group} = {row.group}" if cohort.group else "in all rows"
        text, numbers = median_phrase(row, unit, called, str(row.group))
        phrases.append(text)
        values |= numbers
    n, events = len(cohort.table), int(cohort.table["event"].sum())
    text = (
        f"{where(task)}the Kaplan-Meier median {endpoint_of(task)} is {'; '.join(phrases)}; n = {n}, {events} events."
    )
    values |= {"n": n, "events": events}
    if cohort.main:
        return text, values
    return f"{text}{unstated(task)}", values, rests(task, cohort, n, events, test="kaplan-meier", terms=cohort.blocks)


def shown_groups(cohort: Cohort) -> tuple[pd.DataFrame, dict[str, str], str]:
    """The table with the groups whose curves are drawn, the name of each in the legend, and a remark for the title."""
    if cohort.group:
        names = {x: plain_text(f"{cohort.group} = {x}", 34) for x in cohort.levels}
        return cohort.table, names, ""
    if len(cohort.measured) == 1:
        values = pd.to_numeric(cohort.sheet[cohort.measured[0]], errors="coerce")
        cut = float(values.median()) if values.notna().any() else np.nan
        high = values > cut
        if values.notna().all() and high.any() and not high.all():
            table = cohort.table.assign(group=np.where(high, *SHOWN))
            name = plain_text(cohort.measured[0], 20)
            return (
                table,
                {SHOWN[0]: f"{name} > {number(cut)}", SHOWN[1]: f"{name} ≤ {number(cut)}"},
                ", split for display only",
            )
    return cohort.table.assign(group=ALL), {ALL: "all rows"}, ""


def draw(task: Task, cohort: Cohort, curves: Mapping[str, Any], model: Model | None, title: str) -> None:
    """Curves with numbers at risk; beside them the hazard ratios of the model that answers."""
    shown, names, remark = curves["table"], curves["names"], curves["remark"]
    colours = dict(zip(names, PALETTE[1::-1] if len(names) == 2 else PALETTE, strict=False))
    tall = 5.0 + 0.22 * max(0, len(names) - 2)
    if model is None:
        fig, axes = panels(6.4, tall, 2, 1, sharex=True, height_ratios=[5, 0.5 * len(names)])
        left = axes
    else:
        tall = max(tall, 1.6 + 0.5 * len(model.rows))
        fig, axes = panels(11.0, tall, 2, 2, sharex="col", height_ratios=[5, 0.5 * len(names)], width_ratios=[1.15, 1])
        left = axes[:, 0]
        axes[1, 1].set_axis_off()
        draw_ratios(axes[0, 1], model)
    draw_curves(left, shown, curves["fits"], 8, colours, names)
    left[0].set_ylabel(plain_text(f"Share without event: {endpoint_of(task)}"))
    left[0].set_title(plain_text(f"{title}{remark}", 90), fontsize=9)
    left[1].set_title("Number at risk", fontsize=8, loc="left")
    left[1].set_xlabel(time_label(task.parameter("time_unit")))
    save_figure(fig, *(task.outputs[name] for name in ("figure", "figure_svg") if name in task.outputs))


def draw_ratios(ax: Any, model: Model) -> None:
    """Hazard ratios with 95 % intervals on a logarithmic axis, the numbers beside the names."""
    rows = model.rows.iloc[::-1].reset_index(drop=True)
    for row in rows.itertuples():
        ax.plot([row.hr_low, row.hr_high], [row.Index] * 2, color=PALETTE[0], lw=1.5)
        ax.plot(row.hr, row.Index, "s", color=PALETTE[0], markersize=5)
    texts = [
        f"{plain_text(f'{r.term}, {r.unit}', 40)}\n{ratio_with_interval(r.hr, r.hr_low, r.hr_high, r.p)}"
        for r in rows.itertuples()
    ]
    ax.set_yticks(rows.index, texts, fontsize=8)
    ax.axvline(1, color="black", linewidth=0.8)
    ax.set_xscale("log")
    low, high = float(rows["hr_low"].min()), float(rows["hr_high"].max())
    near, wide = (0.8, 0.9, 1, 1.1, 1.25), (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
    ticks = [t for t in (near if low > 0.7 and high < 1.4 else wide) if low / 1.3 <= t <= high * 1.3]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.tick_params(axis="x", labelbottom=True)
    ax.set_ylim(-0.7, len(rows) - 0.3)
    ax.set_xlabel("Hazard ratio (95 % confidence interval)")
    ax.set_title(f"Cox regression, n = {model.n}, {model.events} events", fontsize=9)


def main() -> None:
    task = load_task()
    cohort = read(task)
    models, best, why = fit_all(cohort)
    if best is None and cohort.main and (cohort.adjust or not cohort.group):
        fail(f"the Cox model of {listed([*cohort.main, *cohort.adjust])} cannot be used: {why}")
    shown, names, remark = shown_groups(cohort)
    curves = {"table": shown, "names": names, "remark": remark, "fits": fit_curves(shown, names)}
    summary = summarise(shown, curves["fits"])
    test = log_rank(cohort.table) if cohort.group else None
    summary = summary.assign(logrank_p=test.p_value) if test else summary
    found: list[Any] = [log_rank_finding(task, cohort, test)] if test else []
    for variable in cohort.main:
        alone = next((m for m in models if m.design.variables == (variable,)), None)
        if alone is not None and (alone is not best and cohort.group):
            found.append(hazard_finding(task, cohort, alone, variable, answers=True))
        if best is not None and best.of(variable).shape[0]:
            found.append(hazard_finding(task, cohort, best, variable, answers=True))
    if best is not None:
        found.append(proportional_finding(task, cohort, best))
        if best.design.left_out:
            found.append(
                (
                    f"Left out of the model, because they do not vary: {', '.join(best.design.left_out)}.",
                    {"columns": list(best.design.left_out)},
                )
            )
    elif cohort.main:
        found.append(
            (f"No hazard ratio of {cohort.group} can be given: {why}.", {"variable": cohort.group, "why": why})
        )
    if cohort.group or not cohort.main:
        found.append(median_finding(task, cohort, summary))
    title = f"{task.parameter('dataset_label') or 'cohort'}" + (f": log-rank {p_value(test.p_value)}" if test else "")
    write_table(summary, task.outputs["summary"])
    write_table(curve_table(curves["fits"]), task.outputs["curves"])
    every = pd.concat([m.rows for m in models], ignore_index=True) if models else pd.DataFrame(columns=COLUMNS)
    write_table(every, task.outputs["table"])
    draw(task, cohort, curves, best, title)
    write_findings(found, task.outputs["findings"])


if __name__ == "__main__":
    main()
