"""Sample size and power of a comparison of two groups, from the counts and spread of the data at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from biocohort import read_sheet
from bioskill import (
    CASE_COLOUR,
    CONTROL_COLOUR,
    Task,
    fail,
    figure,
    group_levels,
    level_text,
    load_task,
    number,
    numeric_column,
    percent,
    plain_text,
    result,
    rounded,
    save_figure,
    survival_table,
    two_groups,
    where,
    write_findings,
    write_table,
)
from bioterms import need_columns
from scipy import optimize, stats

LEAST = 3
"""Fewest rows of a group, and fewest events, from which spread, share and event rate are taken."""
MOST = 10_000_000
"""Rows up to which a sample size is sought."""
FAR = 30
"""Standard errors beyond the critical value from which power is that of the normal."""
LARGE = 100_000
"""Degrees of freedom from which t is taken as normal."""


@dataclass(frozen=True)
class Design:
    """A comparison of two groups, as counts.

    Attributes:
        kind: `two means`, `two proportions` or `survival`.
        effect: The effect in words.
        null: The effect of no difference.
        n: Rows of case and control (survival: those with time and event known).
        spread: Of means the pooled standard deviation; of proportions that of the control; of survival the share of
            rows with the event.
        events: Events of both groups (survival alone).
        unknown: Rows of the two groups left out, because the outcome is not known.
    """

    kind: str
    effect: str
    null: float
    n: tuple[int, int]
    spread: float
    measure: str
    events: int = 0
    unknown: int = 0


def power_means(d: float, n1: float, n2: float, alpha: float) -> float:
    """Power of the two-sided t-test for a standardised difference, by the noncentral t distribution (Cohen 1988)."""
    df, shift = n1 + n2 - 2, abs(d) * np.sqrt(n1 * n2 / (n1 + n2))
    edge = stats.t.ppf(1 - alpha / 2, df)
    if shift > edge + FAR or df > LARGE:  # there the noncentral t is no longer computed, and is the normal
        return float(stats.norm.sf(edge - shift) + stats.norm.cdf(-edge - shift))
    other = stats.nct.cdf(-edge, df, shift)  # not computed where it is below 1e-16
    return float(stats.nct.sf(edge, df, shift) + np.nan_to_num(other))


def power_proportions(p1: float, p0: float, n1: float, n0: float, alpha: float) -> float:
    """Power of the two-sided z-test of two proportions, no continuity correction (Fleiss, Levin and Paik 2003)."""
    pooled = (n1 * p1 + n0 * p0) / (n1 + n0)
    null = np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n0))
    own = np.sqrt(p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0)
    edge = stats.norm.ppf(1 - alpha / 2) * null
    return float(stats.norm.sf((edge - (p1 - p0)) / own) + stats.norm.cdf((-edge - (p1 - p0)) / own))


def power_survival(ratio: float, events: float, share: float, alpha: float) -> float:
    """Power of the two-sided log-rank test for a hazard ratio (Schoenfeld 1983)."""
    shift = abs(np.log(ratio)) * np.sqrt(events * share * (1 - share))
    edge = stats.norm.ppf(1 - alpha / 2)
    return float(stats.norm.sf(edge - shift) + stats.norm.cdf(-edge - shift))


def power_of(design: Design, effect: float, alpha: float, times: float = 1.0) -> float:
    """Power for an effect with `times` the rows of the data, shares of the groups and event rate as they are."""
    n1, n0 = (times * n for n in design.n)
    if design.kind == "two means":
        return power_means(effect / design.spread, n1, n0, alpha)
    if design.kind == "two proportions":
        return power_proportions(design.spread + effect, design.spread, n1, n0, alpha)
    return power_survival(effect, times * design.events, n1 / (n1 + n0), alpha)


def times_needed(design: Design, effect: float, alpha: float, power: float) -> float | None:
    """How many times the rows of the data are needed for a power; None beyond `MOST` rows."""
    least, most = 2 / min(design.n), MOST / sum(design.n)  # two rows of a group at least

    def lack(times: float) -> float:
        return power_of(design, effect, alpha, times) - power

    if lack(most) < 0:
        return None
    return least if lack(least) >= 0 else float(optimize.brentq(lack, least, most, xtol=1e-10))


def detectable(design: Design, alpha: float, power: float, *, lower: bool = False) -> float | None:
    """The smallest effect with the power at the present size; of proportions and ratios upwards, or `lower`."""
    at: Callable[[float], float]
    if design.kind == "two means":
        top, at = 50 * design.spread, lambda x: x
    elif design.kind == "two proportions":
        top = (design.spread if lower else 1 - design.spread) - 1e-9
        at = (lambda x: -x) if lower else (lambda x: x)
    else:
        top, at = np.log(1e6), lambda x: float(np.exp(-x if lower else x))
    if power_of(design, at(top), alpha) < power:
        return None
    return at(float(optimize.brentq(lambda x: power_of(design, at(x), alpha) - power, 1e-12, top)))


def fraction(task: Task, name: str, default: float) -> float:
    """A parameter between 0 and 1."""
    value = float(task.parameter(name, default))
    if not 0 < value < 1:
        fail(f"parameter {name} is {value:g}; it lies between 0 and 1")
    return value


def read_design(task: Task) -> Design:
    """The design from the columns that are named: numbers, an outcome of two levels, else time and event."""
    sheet = read_sheet(task)
    column, case, control = (str(task.need(n)) for n in ("group_column", "case", "control"))
    stated = [str(c) for c in task.parameter("stated_columns", ()) if str(c) != column]
    outcome, time, event = (task.parameter(n) for n in ("outcome_column", "time_column", "event_column"))
    if stated and outcome is not None:
        fail(f"two outcomes are named, {stated[0]!r} and {outcome!r}; sample size is that of one primary outcome")
    if not stated and outcome is None and None in (time, event):
        fail(
            "no outcome is named: give a column of numbers (`stated_columns`), one of two levels (`outcome_column`), "
            "or `time_column` with `event_column`"
        )
    if len(stated) > 1:
        fail(f"{len(stated)} columns are named; sample size is that of one primary outcome: name one")
    need_columns(sheet, [column, *stated, *(str(c) for c in (outcome, time, event) if c is not None)])
    groups = two_groups(sheet, column, case, control, LEAST)
    rows = sheet.loc[groups.index]
    if stated:
        return of_means(groups, numeric_column(rows, stated[0]), stated[0], (case, control))
    if outcome is not None:
        return of_proportions(task, groups, rows, str(outcome), (case, control))
    ends = survival_table(rows, str(time), str(event), LEAST)
    in_case = groups.loc[ends.index]
    n = sizes(in_case, (case, control), f"{time} and {event}")
    events = int(ends["event"].sum())
    unknown = len(rows) - len(ends)
    return Design("survival", "hazard ratio", 1.0, n, events / len(ends), str(event), events, unknown)


def sizes(in_case: pd.Series, levels: tuple[str, str], name: str) -> tuple[int, int]:
    """Rows of case and control in which the outcome is known; a group of fewer than `LEAST` is an error."""
    counts = int(in_case.sum()), int((~in_case.astype(bool)).sum())
    for level, count in zip(levels, counts, strict=True):
        if count < LEAST:
            fail(f"{name} is known in {count} rows of group {level!r}; at least {LEAST} are needed")
    return counts


def of_means(groups: pd.Series, values: pd.Series, name: str, levels: tuple[str, str]) -> Design:
    """The comparison of two means, with the pooled standard deviation of the data."""
    known = values.dropna()
    in_case = groups.loc[known.index].astype(bool)
    n = sizes(in_case, levels, name)
    parts = [known[in_case], known[~in_case]]
    variance = sum((len(p) - 1) * float(p.var(ddof=1)) for p in parts) / (len(known) - 2)
    if variance <= 0:
        fail(f"column {name!r} does not vary within the groups, so no spread can be taken from it")
    return Design(
        "two means", "difference of means", 0.0, n, float(np.sqrt(variance)), name, 0, len(values) - len(known)
    )


def of_proportions(task: Task, groups: pd.Series, rows: pd.DataFrame, name: str, levels: tuple[str, str]) -> Design:
    """The comparison of two proportions, with the control's proportion of the data."""
    cells = group_levels(rows, name).dropna()
    found = sorted(set(cells))
    level = level_text(task.parameter("outcome_level", "1" if found == ["0", "1"] else ""))
    if len(found) != 2 or level not in found:
        fail(f"outcome {name!r} needs two levels, and `outcome_level` one of them; found: {', '.join(found[:6])}")
    in_case = groups.loc[cells.index].astype(bool)
    n = sizes(in_case, levels, name)
    share = float((cells[~in_case] == level).mean())
    if share in (0.0, 1.0):
        fail(f"all {n[1]} rows of the control have the same {name!r}, which gives no proportion to plan with")
    measure = f"{name} = {level}"
    return Design("two proportions", "difference of proportions", 0.0, n, share, measure, 0, len(rows) - len(cells))


def read_target(task: Task, design: Design) -> float | None:
    """The effect that is worth finding, when it is stated."""
    stated = task.parameter("target_effect")
    if stated is None:
        return None
    target = float(stated)
    if design.kind == "survival" and target <= 0:
        fail(f"parameter target_effect is {target:g}; a hazard ratio is above 0")
    if target == design.null:
        fail(f"parameter target_effect is {target:g}, which is no difference")
    if design.kind == "two proportions" and not 0 <= design.spread + target <= 1:
        fail(
            f"parameter target_effect is {target:g}: added to the control's proportion of {design.spread:.3g} it "
            "leaves the range from 0 to 1"
        )
    return target


def effects(design: Design) -> list[float]:
    """Effects that the table lists: Cohen's small, medium and large; proportions by steps; common ratios."""
    if design.kind == "two means":
        return [d * design.spread for d in (0.2, 0.5, 0.8, 1.0, 1.5)]
    if design.kind == "two proportions":
        steps = (-0.3, -0.2, -0.1, -0.05, 0.05, 0.1, 0.2, 0.3)
        return [s for s in steps if 0 < design.spread + s < 1]
    return [0.5, 0.67, 0.8, 1.25, 1.5, 2.0, 3.0]


def table(design: Design, listed: list[float], alpha: float, power: float) -> pd.DataFrame:
    """For every effect the power at hand, and the rows and events that are needed."""
    rows = []
    for effect in listed:
        times = times_needed(design, effect, alpha, power)
        case, control = (np.nan if times is None else float(np.ceil(times * n - 1e-9)) for n in design.n)
        row = {"effect": effect, "power_at_hand": power_of(design, effect, alpha), "n_case": case, "n_control": control}
        if design.kind == "survival":
            row["events"] = np.nan if times is None else float(np.ceil(times * design.events - 1e-9))
        rows.append(row)
    return pd.DataFrame(rows)


def at_hand(task: Task, design: Design, alpha: float, power: float) -> Any:
    """The smallest effect that the data at hand find with the power asked for."""
    case, control = (level_text(task.need(k)) for k in ("case", "control"))
    up, down = detectable(design, alpha, power), None
    if design.kind != "two means":
        down = detectable(design, alpha, power, lower=True)
    named = "difference of at least" if design.kind == "two means" else design.effect
    shown = [number(x) for x in (up, down) if x is not None]
    reach = f"a {named} {' or '.join(shown)}" if shown else f"no {design.effect}"
    plan = {
        "two means": f"standard deviation {number(design.spread)} within the groups",
        "two proportions": f"{percent(design.spread, 1):g} % in the control",
        "survival": f"{design.events} events",
    }[design.kind]
    text = (
        f"{where(task)}{design.n[0]} rows of {case} and {design.n[1]} of {control} ({plan}) find {reach} in "
        f"{design.measure} with {percent(power, 1):g} % power at a two-sided alpha of {alpha:g}."
    )
    if design.unknown:
        text += f" {design.unknown} rows without a known outcome are left out."
    text += " Power for the effect that was seen in the same data is not given: it only restates the p-value."
    values: dict[str, Any] = {"dataset": task.parameter("dataset_label", ""), "n_case": design.n[0]}
    values |= {"n_control": design.n[1], "spread": rounded(design.spread), "power_percent": percent(power, 1)}
    values |= {"percent_of_control": percent(design.spread, 1), "alpha": alpha, "events": design.events}
    values |= {"detectable": None if up is None else rounded(up), "left_out": design.unknown}
    values |= {"detectable_lower": None if down is None else rounded(down), "case": case, "control": control}
    fields: dict[str, Any] = {"effect": "smallest detectable effect", "estimate": up}
    fields |= {"measure": design.measure, "groups": {case: design.n[0], control: design.n[1]}}
    fields |= {"missing": design.unknown, "events": design.events or None}
    fields |= {k: task.parameter(k) for k in ("time_column", "event_column")}
    fields |= {"contrast": {"column": str(task.need("group_column")), "case": case, "control": control}}
    return text, values, result(task, str(task.parameter("question_kind", "description")), sum(design.n), **fields)


def for_target(task: Task, design: Design, row: pd.Series, alpha: float, power: float) -> Any:
    """The power for the stated effect, and the size that it needs."""
    case, control = (level_text(task.need(k)) for k in ("case", "control"))
    have = percent(float(row["power_at_hand"]), 1)
    text = f"{where(task)}the power for the stated {design.effect} of {number(row['effect'])} is {have:g} %; "
    values: dict[str, Any] = {"dataset": task.parameter("dataset_label", ""), "target": rounded(row["effect"])}
    values |= {"power_at_hand_percent": have, "power_percent": percent(power, 1), "alpha": alpha}
    if np.isnan(row["n_case"]):
        return f"{text}more than {MOST} rows would be needed for {percent(power, 1):g} %.", values | {"most": MOST}
    needed = {"n_case": int(row["n_case"]), "n_control": int(row["n_control"])}
    text += f"{percent(power, 1):g} % need {needed['n_case']} rows of {case} and {needed['n_control']} of {control}"
    if design.kind == "survival":
        needed["events"] = int(row["events"])
        text += f", with {needed['events']} events at the event rate of these data"
    return f"{text} (groups in the same ratio, no drop-out).", values | needed | {"case": case, "control": control}


def draw(task: Task, design: Design, listed: list[float], target: float | None, alpha: float, power: float) -> None:
    """Power against the number of rows, a line for each of up to four effects and the stated one."""
    fig, ax = figure(5.6, 4.0)
    times = np.geomspace(max(0.1, 2 / min(design.n)), 10, 80)
    shown = [target] if target is not None else listed[:: max(1, len(listed) // 4)]
    shades = np.linspace(1, 0.35, len(shown))
    for effect, shade in zip(shown, shades, strict=True):
        lines = [power_of(design, effect, alpha, t) for t in times]
        ax.plot(times * sum(design.n), lines, color=CONTROL_COLOUR, alpha=shade, label=number(effect))
    ax.axhline(power, color="#999999", lw=0.8, ls="--")
    ax.axvline(sum(design.n), color=CASE_COLOUR, lw=0.8, ls=":")
    ax.set_xscale("log")
    ax.set_ylim(0, 1.02)
    ax.set_xlabel(f"Rows of both groups (dotted: the {sum(design.n)} at hand)")
    ax.set_ylabel(f"Power at a two-sided alpha of {alpha:g}")
    title = f"{design.effect[:1].upper()}{design.effect[1:]}, {plain_text(design.measure, 30)}"
    ax.legend(frameon=False, fontsize=8, title=title)
    save_figure(fig, *(task.outputs[n] for n in ("figure", "figure_svg") if n in task.outputs))


def main() -> None:
    task = load_task()
    alpha, power = fraction(task, "alpha", 0.05), fraction(task, "power", 0.8)
    if power <= alpha:
        fail(f"parameter power is {power:g}; it is above alpha, {alpha:g}")
    design = read_design(task)
    target = read_target(task, design)
    listed = effects(design)
    every = listed + ([target] if target is not None else [])
    rows = table(design, every, alpha, power)
    print(f"{design.kind}: {design.n[0]} and {design.n[1]} rows, spread {number(design.spread)}")
    write_table(rows, task.outputs["table"])
    draw(task, design, listed, target, alpha, power)
    found = [at_hand(task, design, alpha, power)]
    if target is not None:
        found.append(for_target(task, design, rows.iloc[-1], alpha, power))
    write_findings(found, task.outputs["findings"])


if __name__ == "__main__":
    main()
