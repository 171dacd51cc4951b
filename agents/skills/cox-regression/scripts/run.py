"""Cox models of a score: univariable, and with the available covariates; proportional-hazards check."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from biocohort import level_counts
from bioskill import (
    CASE_COLOUR,
    CONTROL_COLOUR,
    Task,
    fail,
    figure,
    listed,
    load_task,
    number,
    p_value,
    plain_text,
    rounded,
    save_figure,
    shown_p,
    write_findings,
    write_table,
)
from biosurvival import (
    fit_cox,
    informative,
    ratio,
    ratio_with_interval,
    score_name,
    scored_survival,
    survival_result,
    time_label,
)

MAX_LEVELS = 6
MIN_LEVEL = 5
NOT_ESTIMATED = {
    "not converged": "the estimation did not converge",
    "unstable": "the estimation is unstable (collinear terms, or a term that separates the events)",
}


@dataclass(frozen=True)
class Term:
    """One coefficient: its column in the design, the covariate it belongs to, and what one unit of it is."""

    column: str
    covariate: str
    unit: str


def encode(values: pd.Series, name: str) -> tuple[pd.DataFrame, list[Term]] | str:
    """Columns for one covariate, or why it is left out.

    More than six distinct numbers: per SD. Up to six numbers: per unit. Text with up to six levels: each level
    against the commonest.
    """
    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.notna().sum() == values.notna().sum():
        if numbers.nunique() < 2:
            return "it does not vary"
        if numbers.nunique() > MAX_LEVELS:
            sd = float(numbers.std())
            scaled = (numbers - numbers.mean()) / sd
            return scaled.to_frame(name), [Term(name, name, f"per SD ({number(sd)})")]
        return numbers.astype(float).to_frame(name), [Term(name, name, "per unit")]
    levels = level_counts(values.dropna())
    if 2 <= len(levels) <= MAX_LEVELS and levels.min() < MIN_LEVEL:
        rare = list(levels.index[levels < MIN_LEVEL])
        print(f"covariate {name!r}: levels of fewer than {MIN_LEVEL} samples count as missing: {listed(rare)}")
        values, levels = values.where(~values.isin(rare)), levels[levels >= MIN_LEVEL]
    if not 2 <= len(levels) <= MAX_LEVELS:
        return f"it is text with {len(levels)} usable levels"
    base, rest = levels.index[0], levels.index[1:]
    columns = {f"{name}: {x}": (values == x).astype(float).where(values.notna()) for x in rest}
    return pd.DataFrame(columns), [Term(c, name, f"against {base}") for c in columns]


def covariates(task: Task, sheet: pd.DataFrame) -> tuple[pd.DataFrame, list[Term], dict[str, str]]:
    """Design columns and terms of the usable covariates, and name -> reason of those left out."""
    wanted = [str(c) for c in task.parameter("covariates", ())]
    group = task.parameter("group_column")
    if group and task.parameter("adjust_for_group", True):
        wanted.append(str(group))
    excluded = {task.need("time_column"), task.need("event_column"), task.parameter("strata_column")}
    limit = float(task.parameter("maximum_missing", 0.3))
    frames, terms, left_out = [pd.DataFrame(index=sheet.index)], [], {}
    for name in dict.fromkeys(c for c in wanted if c not in excluded):
        if name not in sheet.columns:
            left_out[name] = "the sample sheet has no such column"
            continue
        share = float(sheet[name].isna().mean())
        if share > limit:
            left_out[name] = f"{number(100 * share)} % of its values are missing"
            continue
        encoded = encode(sheet[name], name)
        if isinstance(encoded, str):
            left_out[name] = encoded
            continue
        frames.append(encoded[0])
        terms.extend(encoded[1])
    return pd.concat(frames, axis=1), terms, left_out


def fit(table: pd.DataFrame, terms: list[Term], model: str, by: str | None) -> tuple[pd.DataFrame, Any] | str:
    """Rows of the result table with the fitted model, or why the model cannot be estimated.

    `by` names what the column `stratum` of the table holds. Strata that tell nothing are left out, and named beside
    the model.
    """
    columns = [t.column for t in terms]
    strata = ["stratum"] if "stratum" in table else []
    data = table[["time", "event", *columns, *strata]].dropna()
    data, idle = informative(data.set_axis(["_time", "_event", *columns, *strata], axis=1), "_event")
    flat = [c for c in columns if data[c].nunique() < 2]
    if flat or data["_event"].sum() < 2:
        return f"{flat[0]!r} does not vary" if flat else "fewer than 2 events remain"
    fitted = fit_cox(data, "_time", "_event")
    if isinstance(fitted, str):
        return NOT_ESTIMATED[fitted]
    cox = fitted.model
    summary = cox.summary
    rows = pd.DataFrame(
        {
            "model": model,
            "term": columns,
            "unit": [t.unit for t in terms],
            "stratified_by": by or "none",
            "n": len(data),
            "events": int(data["_event"].sum()),
            "hr": summary["exp(coef)"].to_numpy(),
            "hr_low": summary["exp(coef) lower 95%"].to_numpy(),
            "hr_high": summary["exp(coef) upper 95%"].to_numpy(),
            "z": summary["z"].to_numpy(),
            "p": summary["p"].to_numpy(),
            "ph_p": fitted.ph_p,
            "c_index": cox.concordance_index_,
        }
    )
    return rows, (cox, data, idle)


def draw_forest(rows: pd.DataFrame, title: str, path: Path) -> None:
    """Hazard ratios with 95 % intervals on a logarithmic axis."""
    shown = rows.iloc[::-1].reset_index(drop=True)
    fig, ax = figure(8.0, 1.4 + 0.3 * len(shown))
    colours = {"univariable": CONTROL_COLOUR, "multivariable": CASE_COLOUR}
    for row in shown.itertuples():
        colour = colours[row.model]
        ax.plot([row.hr_low, row.hr_high], [row.Index] * 2, color=colour, lw=1.5)
        ax.plot(row.hr, row.Index, "s", color=colour, markersize=5)
        text = ratio_with_interval(row.hr, row.hr_low, row.hr_high, row.p)
        ax.text(1.02, row.Index, text, transform=ax.get_yaxis_transform(), va="center", fontsize=8)
    ax.set_yticks(shown.index, [plain_text(f"{r.term}, {r.unit}", 50) for r in shown.itertuples()])
    ax.axvline(1, color="black", linewidth=0.8)
    ax.set_xscale("log")
    low, high = float(rows["hr_low"].min()), float(rows["hr_high"].max())
    candidates = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
    ticks = [t for t in candidates if low / 1.5 <= t <= high * 1.5]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.set_ylim(-0.7, len(shown) - 0.3)
    ax.set_xlabel("Hazard ratio (95 % confidence interval)")
    for model, colour in colours.items():
        part = rows[rows["model"] == model]
        if len(part):
            samples = sorted(part["n"].unique())
            count = str(samples[0]) if len(samples) == 1 else f"{samples[0]}–{samples[-1]}"
            ax.plot([], [], "s", color=colour, label=f"{model} (n = {count})")
    ax.set_title(plain_text(title, 90), fontsize=9, pad=20)
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 0.995), ncols=2, fontsize=8)
    save_figure(fig, path)


def draw_residuals(fitted: Any, name: str, words: tuple[str, float], path: Path) -> None:
    """Scaled Schoenfeld residuals of the score over time, with a running mean: flat when hazards are proportional."""
    cox, data, _ = fitted
    residuals = cox.compute_residuals(data, kind="scaled_schoenfeld")["score"] + cox.params_["score"]
    frame = pd.DataFrame({"time": data.loc[residuals.index, "_time"], "beta": residuals}).sort_values(["time", "beta"])
    window = max(5, len(frame) // 4)
    smooth = frame["beta"].rolling(window, center=True, min_periods=window // 2 + 1).mean()
    smooth = smooth.groupby(frame["time"]).mean()  # one value per time, also where events share it
    fig, ax = figure(6.0, 3.6)
    ax.plot(frame["time"], frame["beta"], "o", color=CONTROL_COLOUR, markersize=4, alpha=0.7, label="event")
    ax.plot(smooth.index, smooth, color=CASE_COLOUR, label=f"running mean of {window} events")
    ax.axhline(float(cox.params_["score"]), color="black", lw=0.8, ls="--", label="estimated log hazard ratio")
    ax.set_xlabel(words[0])
    ax.set_ylabel("Log hazard ratio per SD over time")
    ax.set_title(plain_text(f"{name}: scaled Schoenfeld residuals, test {p_value(words[1])}", 100), fontsize=9)
    ax.legend(frameon=False, fontsize=8)
    save_figure(fig, path)


def sentence(row: Any, label: str, name: str, alpha: float, with_what: str) -> tuple[str, dict[str, Any]]:
    """One model's hazard ratio of the score, in words and numbers."""
    verdict = "is associated with" if row.p < alpha else "shows no association at this sample size with"
    strata = f"stratified by {row.stratified_by}: " if row.stratified_by != "none" else ""
    text = (
        f"{with_what}the {name} score {verdict} the hazard in {label} ({strata}HR per SD {ratio(row.hr)}, 95 % CI "
        f"{ratio(row.hr_low)} to {ratio(row.hr_high)}, {p_value(row.p)}; n = {row.n}, {row.events} events)"
    )
    values = {
        "dataset": label,
        "gene_set": name,
        "hr": float(ratio(row.hr)),
        "hr_low": float(ratio(row.hr_low)),
        "hr_high": float(ratio(row.hr_high)),
        "confidence_percent": 95,
        "p": shown_p(row.p),
        "alpha": alpha,
        "n": int(row.n),
        "events": int(row.events),
        "stratified_by": row.stratified_by,
    }
    return text[0].upper() + text[1:], values


def unstated(task: Task) -> tuple[str, dict[str, Any]]:
    """The endpoint as the source states it, or that it does not."""
    endpoint = task.parameter("endpoint")
    text = f" The endpoint is {endpoint}." if endpoint else " The source does not state the endpoint."
    return text, {"endpoint": endpoint}


def without_strata(table: pd.DataFrame, term: Term) -> tuple[str, dict[str, Any]]:
    """The hazard ratio of the score alone with one baseline hazard for all, for comparison."""
    result = fit(table.drop(columns="stratum"), [term], "univariable", None)
    if isinstance(result, str):
        return f" Without strata no model could be fitted: {result}.", {}
    row = next(result[0].itertuples())
    text = f" Without strata (n = {row.n}) the HR per SD is {ratio(row.hr)} (95 % CI {ratio(row.hr_low)} to "
    values = {f"{k}_without_strata": float(ratio(getattr(row, k))) for k in ("hr", "hr_low", "hr_high")}
    values |= {"p_without_strata": shown_p(row.p), "n_without_strata": int(row.n)}
    return f"{text}{ratio(row.hr_high)}, {p_value(row.p)}).", values


def multivariable_finding(
    task: Task, result: Any, table: pd.DataFrame, terms: list[Term], words: tuple[str, str, float]
) -> Any:
    """The adjusted hazard ratio with its events per variable, or why there is none."""
    label, name, alpha = words
    names = list(dict.fromkeys(t.covariate for t in terms))
    if not names:
        return "No usable covariate was available, so no multivariable model was fitted.", {}
    listed = {f"covariate_{i}": n for i, n in enumerate(names)}
    if isinstance(result, str):
        return f"The model adjusted for {', '.join(names)} could not be used: {result}.", listed
    row = next(r for r in result[0].itertuples() if r.term == "score")
    text, values = sentence(row, label, name, alpha, f"adjusted for {', '.join(names)} (complete cases), ")
    count, limit = len(terms) + 1, int(task.parameter("events_per_variable", 10))
    ratio = row.events / count
    text += f". It has {number(ratio)} events for each of its {count} coefficients"
    text += f", fewer than {limit}: the estimate is fragile." if ratio < limit else "."
    extra = {"events_per_variable": rounded(ratio), "coefficients": count, "advised_minimum": limit}
    return text, values | extra | listed, cox_result(task, result, table, terms)


def cox_result(task: Task, fitted: Any, table: pd.DataFrame, terms: list[Term]) -> dict[str, Any]:
    """The `result` of a model's hazard ratio of the score, beside the terms of its covariates.

    Rows of strata that tell nothing count: they are of the population that was analysed.
    """
    row = next(r for r in fitted[0].itertuples() if r.term == "score")
    used = table.dropna(subset=["time", "event", "score", *(t.column for t in terms)])
    by = [row.stratified_by] if row.stratified_by != "none" else []
    numbers = {"estimate": row.hr, "low": row.hr_low, "high": row.hr_high, "p": row.p, "effect": "hazard ratio"}
    names = list(dict.fromkeys(t.covariate for t in terms))
    return survival_result(task, used, terms=[*names, *by], test="cox regression", **numbers)


def proportional_finding(rows: pd.DataFrame, alpha: float) -> Any:
    """What the test of proportional hazards says of the score in each model."""
    score = rows[rows["term"] == "score"]
    parts = [f"{r.model} {p_value(r.ph_p)}" for r in score.itertuples()]
    values = {f"ph_p_{r.model}": shown_p(r.ph_p) for r in score.itertuples()}
    doubt = (score["ph_p"] < alpha).any()
    verdict = (
        "Proportional hazards are doubtful for the score, so its hazard ratio is an average over the follow-up"
        if doubt
        else "No departure from proportional hazards was detected for the score"
    )
    return f"{verdict} (scaled Schoenfeld residuals: {', '.join(parts)}).", values | {"alpha": alpha}


def main() -> None:
    task = load_task()
    table, sheet = scored_survival(task)
    alpha = float(task.parameter("alpha", 0.05))
    label, by = str(task.parameter("dataset_label", "the cohort")), task.parameter("strata_column")
    name = score_name(task)
    design, terms, left_out = covariates(task, sheet)
    for covariate, reason in left_out.items():
        print(f"covariate {covariate!r} is left out: {reason}")
    table = table.join(design.drop(columns=["time", "event", "score", "stratum"], errors="ignore"))
    score_term = Term("score", "score", "per SD")
    alone = fit(table, [score_term], "univariable", by)
    if isinstance(alone, str):
        fail(f"no Cox model of the score could be fitted: {alone}")
    by_covariate = {c: [t for t in terms if t.covariate == c] for c in dict.fromkeys(t.covariate for t in terms)}
    singles = [fit(table, group, "univariable", by) for group in by_covariate.values()]
    adjusted = fit(table, [score_term, *terms], "multivariable", by) if terms else "no covariate"
    fitted = [alone, *singles, adjusted]
    rows = pd.concat([f[0] for f in fitted if not isinstance(f, str)], ignore_index=True)
    write_table(rows, task.outputs["table"])
    axis = time_label(task.parameter("time_unit"))
    draw_forest(rows, f"{name} score and covariates, {label}", task.outputs["figure"])
    draw_residuals(alone[1], name, (axis, float(alone[0]["ph_p"].iloc[0])), task.outputs["residuals"])
    first, values = sentence(next(alone[0].itertuples()), label, name, alpha, "")
    ending, endpoint = unstated(task)
    if idle := alone[1][2]:
        ending = f" Left out, because one sample or no event tells nothing: {idle}.{ending}"
        values["idle_strata"] = idle
    if by:
        remark, numbers = without_strata(table, score_term)
        ending, values = f"{remark}{ending}", values | numbers
    second = multivariable_finding(task, adjusted, table, terms, (label, name, alpha))
    third = proportional_finding(rows, alpha)
    alone_result = cox_result(task, alone, table, [])
    write_findings([(f"{first}.{ending}", values | endpoint, alone_result), second, third], task.outputs["findings"])


if __name__ == "__main__":
    main()
