"""The main effect of a question under all combinations of the alternatives that its protocol declares."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from biocohort import read_sheet
from bioplot import panels
from bioskill import (
    CASE_COLOUR,
    CONTROL_COLOUR,
    NEUTRAL_COLOUR,
    Task,
    fail,
    group_levels,
    level_text,
    listed,
    load_task,
    match_samples,
    number,
    numeric_column,
    p_value,
    percent,
    plain_text,
    read_expression,
    result,
    rounded,
    save_figure,
    shown_p,
    where,
    write_findings,
    write_table,
)
from biospecs import NORMALISATIONS, Specification, read_alternatives
from bioterms import encode, need_columns
from scipy import stats

TESTS = {
    "linear": ("linear", "robust", "median", "rank"),
    "logistic": ("logistic", "robust"),
    "cox": ("cox", "robust"),
}
"""Models by the kind of the response, the registered one first; effects of one kind are on one scale."""
SCALES = {"linear": "difference", "logistic": "odds ratio", "cox": "hazard ratio"}
LEAST = 10
"""Fewest rows of a specification."""
LEAST_EVENTS = 5


@dataclass(frozen=True)
class Effect:
    """What is estimated: the response, the exposure, and what both are called.

    Attributes:
        model: `linear`, `logistic` or `cox`.
        gene: The gene that is measured, if one is; its values depend on the normalisation.
        gene_is: `response` or `exposure`.
        response: Column of numbers or 0 and 1 (of Cox the event), where it is no gene.
        exposure: Numbers, or 1 for the case and 0 for the control, where it is no gene.
        two_groups: Whether the exposure is two groups.
    """

    model: str
    response_name: str
    exposure_name: str
    response: pd.Series | None
    exposure: pd.Series | None
    time: pd.Series | None = None
    gene: str = ""
    gene_is: str = ""
    two_groups: bool = False

    @property
    def null(self) -> float:
        """No effect, on the scale that is shown."""
        return 0.0 if self.model == "linear" else 1.0

    @property
    def scale(self) -> str:
        """What the effect is called."""
        return SCALES[self.model]


def groups_of(task: Task, sheet: pd.DataFrame) -> tuple[str, pd.Series, str]:
    """The column of two groups, 1 for the case and 0 for the control, and the groups in words."""
    column = str(task.need("group_column"))
    need_columns(sheet, [column])
    case, control = (level_text(task.need(w)) for w in ("case", "control"))
    values = group_levels(sheet, column).map({case: 1.0, control: 0.0}).astype(float)
    for level, code in ((case, 1.0), (control, 0.0)):
        if int((values == code).sum()) < 3:
            fail(f"group {column} = {level!r} has {int((values == code).sum())} rows; at least 3 are needed")
    return column, values, f"{column} = {case} against {control}"


def read_effect(task: Task, sheet: pd.DataFrame, genes: pd.DataFrame | None) -> Effect:
    """The one effect that the question asks for; more than one measure is refused."""
    kind = str(task.need("question_kind"))
    outcome = task.parameter("outcome_column")
    named = [str(g) for g in task.parameter("genes", ())]
    skipped = {str(outcome), str(task.parameter("group_column"))} if kind == "association" else set()
    columns = [str(c) for c in task.parameter("stated_columns", ()) if str(c) not in skipped]
    if len(named) + len(columns) > 1:
        fail(f"{listed([*named, *columns], 8)} are measured; a specification curve is of one effect: ask for one")
    gene = named[0] if named else ""
    if gene and (genes is None or gene not in genes.index):
        fail(f"gene {gene!r} is not in the matrix")
    need_columns(sheet, columns)
    measured = numeric_column(sheet, columns[0]) if columns else None
    name = gene or (columns[0] if columns else "")
    if kind == "time to event":
        time, event = (numeric_column(sheet, str(task.need(f"{w}_column"))) for w in ("time", "event"))
        if (time < 0).any():
            fail(f"column {task.need('time_column')!r} holds negative times")
        if not event.dropna().isin([0, 1]).all():
            fail(f"column {task.need('event_column')!r} must hold 0 (censored) and 1 (event) only")
        said = str(task.parameter("endpoint") or task.need("event_column"))
        if name:
            return Effect("cox", said, f"{name}, per unit", event, measured, time, gene, "exposure" if gene else "")
        _, values, words = groups_of(task, sheet)
        return Effect("cox", said, words, event, values, time, two_groups=True)
    if not name:
        fail("no gene or column is measured whose effect could be estimated")
    if kind == "difference":
        _, values, words = groups_of(task, sheet)
        return Effect("linear", name, words, measured, values, None, gene, "response" if gene else "", True)
    if kind != "association":
        fail(f"a specification curve is of a difference, an association or a time to event, not of {kind!r}")
    if task.parameter("group_column") is not None:
        _, values, words = groups_of(task, sheet)
        return Effect("logistic", words, f"{name}, per unit", values, measured, None, gene, "exposure" if gene else "")
    response = numeric_column(sheet, str(task.need("outcome_column")))
    model = "logistic" if set(response.dropna().unique()) <= {0.0, 1.0} else "linear"
    return Effect(model, str(outcome), f"{name}, per unit", response, measured, None, gene, "exposure" if gene else "")


def fixed_columns(task: Task, sheet: pd.DataFrame) -> list[str]:
    """Pairs and blocks, which every specification holds."""
    pair = task.parameter("pair_column")
    names = [*([str(pair)] if pair else []), *(str(b) for b in task.parameter("block_columns", ()))]
    need_columns(sheet, names)
    return list(dict.fromkeys(names))


def levels_frame(sheet: pd.DataFrame, name: str) -> pd.DataFrame:
    """A column per level but the first, of a block or pair, whatever its levels look like."""
    levels = sheet[name].map(level_text)
    return pd.get_dummies(levels, prefix=name, drop_first=True, dtype=float)


def fit(effect: Effect, one: Specification, sheet: pd.DataFrame, fixed: list[str], matrices: Any) -> dict[str, Any]:
    """One specification: n, effect, interval and p; or the reason why it cannot be fitted."""
    frame = pd.DataFrame(index=sheet.index)
    values = matrices[one.normalisation].loc[effect.gene] if effect.gene else None
    frame["y"] = values if effect.gene_is == "response" else effect.response
    frame["x"] = values if effect.gene_is == "exposure" else effect.exposure
    if effect.time is not None:
        frame["time"] = effect.time
    needed = [*fixed, *one.covariates]
    kept = frame.notna().all(axis=1) & sheet[needed].notna().all(axis=1)
    for exclusion in one.excluded:
        kept &= exclusion.left(sheet)
    frame, rows = frame[kept], sheet[kept]
    found: dict[str, Any] = {"n": len(frame)}
    if effect.model != "linear":
        found["events"] = int(frame["y"].sum())
    if why := too_few(effect, frame):
        return found | {"why_not": why}
    made = [encode(rows[c], c)[0] for c in one.covariates]
    made += [levels_frame(rows, c) for c in (fixed if effect.model != "cox" else [])]
    others = pd.concat([pd.DataFrame(index=rows.index), *made], axis=1).astype(float)
    others = others.loc[:, others.nunique() > 1]
    whole = np.column_stack([np.ones(len(frame)), frame["x"], others])
    scaled = whole / np.maximum(np.abs(whole).max(axis=0), 1e-12)
    if np.linalg.matrix_rank(scaled) < scaled.shape[1]:
        names = listed([*one.covariates, *fixed], 8)
        return found | {"why_not": f"the exposure and {names} cannot be told apart in these rows"}
    if len(frame) - whole.shape[1] < 3:
        return found | {"why_not": f"{whole.shape[1]} coefficients are too many for {len(frame)} rows"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            if effect.model == "cox":
                estimate = cox(frame, others, rows, fixed, one.test)
            else:
                estimate = regression(effect, frame, whole, one.test)
        except (Warning, ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
            return found | {"why_not": f"not estimable: {' '.join(str(error).split())[:90]}"}
    if isinstance(estimate, str):
        return found | {"why_not": estimate}
    return found | dict(zip(("estimate", "low", "high", "p"), estimate, strict=True))


def too_few(effect: Effect, frame: pd.DataFrame) -> str:
    """The reason why the rows of a specification are too few; empty when they are not."""
    if len(frame) < LEAST:
        return f"{len(frame)} rows; at least {LEAST} are needed"
    if effect.two_groups and frame["x"].value_counts().reindex([0.0, 1.0], fill_value=0).min() < 3:
        return "a group has fewer than 3 rows"
    if frame["x"].nunique() < 2 or frame["y"].nunique() < 2:
        return "the exposure or the response does not vary"
    if effect.model != "linear":
        rare = int(frame["y"].sum()) if effect.model == "cox" else int(min(frame["y"].sum(), (1 - frame["y"]).sum()))
        if rare < LEAST_EVENTS:
            return f"{rare} events; at least {LEAST_EVENTS} are needed"
    return ""


def regression(effect: Effect, frame: pd.DataFrame, whole: np.ndarray, test: str) -> Any:
    """Estimate, interval and p of the exposure in a linear, median or logistic model, or by ranks."""
    import statsmodels.api as sm

    y = frame["y"].to_numpy(float)
    if test == "rank":
        if not effect.two_groups:
            return "a rank test compares two groups"
        if whole.shape[1] > 2:
            return "a rank test takes no covariates, pairs or blocks"
        return shift(y[frame["x"] == 1], y[frame["x"] == 0])
    spread = np.maximum(whole.std(axis=0), 1e-12)
    spread[0] = 1.0
    x = whole / spread
    if effect.model == "logistic":
        fitted = sm.Logit(y, x).fit(disp=0, maxiter=200, **({"cov_type": "HC1"} if test == "robust" else {}))
        if not fitted.mle_retvals["converged"] or np.abs(fitted.params[1]) > 25:
            return "the outcomes are separated, so the odds ratio is not finite"
    elif test == "median":
        fitted = sm.QuantReg(y, x).fit(q=0.5, max_iter=5000)
    else:
        fitted = sm.OLS(y, x).fit(**({"cov_type": "HC3", "use_t": True} if test == "robust" else {}))
    numbers = [float(fitted.params[1]), *(float(v) for v in np.asarray(fitted.conf_int())[1])]
    numbers = [v / spread[1] for v in numbers]
    shown = np.exp(numbers) if effect.model == "logistic" else numbers
    return (*(float(v) for v in shown), float(fitted.pvalues[1]))


def shift(case: np.ndarray, control: np.ndarray) -> tuple[float, float, float, float]:
    """The shift of Hodges and Lehmann with its interval by the normal approximation, and Mann and Whitney's p."""
    differences = np.sort((case[:, None] - control[None, :]).ravel())
    m, n = len(case), len(control)
    spread = np.sqrt(m * n * (m + n + 1) / 12)
    k = max(0, int(np.floor(m * n / 2 - stats.norm.ppf(0.975) * spread)))
    p = float(stats.mannwhitneyu(case, control, alternative="two-sided").pvalue)
    return float(np.median(differences)), float(differences[k]), float(differences[-k - 1]), p


def cox(frame: pd.DataFrame, others: pd.DataFrame, rows: pd.DataFrame, fixed: list[str], test: str) -> Any:
    """Hazard ratio of the exposure with its interval and p; blocks are strata."""
    from lifelines import CoxPHFitter

    names = {c: f"z{n}" for n, c in enumerate(others.columns)}
    scale = max(float(frame["x"].std()), 1e-12)
    table = frame.assign(x=frame["x"] / scale).join(others.rename(columns=names))
    for n, name in enumerate(fixed):
        table[f"block{n}"] = rows[name].map(level_text)
    strata = [f"block{n}" for n in range(len(fixed))]
    fitted = CoxPHFitter().fit(
        table, "time", "y", strata=strata or None, robust=test == "robust", fit_options={"step_size": 0.5}
    )
    row = fitted.summary.loc["x"]
    numbers = [row["coef"], row["coef lower 95%"], row["coef upper 95%"]]
    return (*(float(np.exp(v / scale)) for v in numbers), float(row["p"]))


def curve(effect: Effect, specs: list[Specification], task: Task, sheet: pd.DataFrame, matrix: Any) -> pd.DataFrame:
    """A row per specification, the registered one marked, smallest effect first; those not fitted last."""
    fixed = fixed_columns(task, sheet)
    used = {s.normalisation for s in specs}
    matrices = {n: NORMALISATIONS[n](matrix) for n in used} if effect.gene else {}
    for name, one in matrices.items():
        if effect.gene not in one.index:
            fail(f"{effect.gene} has missing values, so normalisation {name} cannot be made for it")
    rows = []
    for one in specs:
        covariates, excluded, test, normalisation = one.choices
        row = {"registered": "yes" if one.registered else "no", "covariates": covariates, "excluded": excluded}
        rows.append(row | {"test": test, "normalisation": normalisation} | fit(effect, one, sheet, fixed, matrices))
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    table = table.sort_values(["estimate", "n", "covariates", "excluded", "test"], kind="stable", ignore_index=True)
    return table.assign(specification=np.arange(1, len(table) + 1))


COLUMNS = ["specification", "registered", "covariates", "excluded", "test", "normalisation", "n", "events"]
COLUMNS += ["estimate", "low", "high", "p", "why_not"]
AXES = ("covariates", "excluded", "test", "normalisation")


def judged(table: pd.DataFrame, effect: Effect, alpha: float) -> tuple[pd.DataFrame, pd.Series, pd.Series, pd.Series]:
    """The fitted rows, the registered one, and which agree with its sign, and with its sign at p < alpha."""
    fitted = table[table["estimate"].notna()].reset_index(drop=True)
    chosen = table[table["registered"] == "yes"].iloc[0]
    if pd.isna(chosen["estimate"]):
        fail(f"the registered analysis cannot be fitted: {chosen['why_not']}")
    same = np.sign(fitted["estimate"] - effect.null) == np.sign(chosen["estimate"] - effect.null)
    return fitted, chosen, same, same & (fitted["p"] < alpha)


def statements(task: Task, table: pd.DataFrame, effect: Effect) -> list[Any]:
    """The registered effect, the range over all specifications, shares, what decides it, and what was not fitted."""
    alpha, place = float(task.parameter("alpha", 0.05)), where(task)
    fitted, chosen, same, strong = judged(table, effect, alpha)
    base: dict[str, Any] = {"dataset": task.parameter("dataset_label"), "confidence_percent": 95, "alpha": alpha}
    base |= {"response": effect.response_name, "exposure": effect.exposure_name}
    events = f", {int(chosen['events'])} events" if pd.notna(chosen["events"]) else ""
    text = (
        f"{place}the registered analysis of {effect.response_name} by {effect.exposure_name} gives a {effect.scale} of "
        f"{number(chosen['estimate'])} (95 % CI {number(chosen['low'])} to {number(chosen['high'])}, "
        f"{p_value(chosen['p'])}; covariates: {chosen['covariates']}; n = {int(chosen['n'])}{events})."
    )
    values = base | {k: rounded(chosen[k]) for k in ("estimate", "low", "high")} | {"p": shown_p(chosen["p"])}
    values |= {"n": int(chosen["n"]), "covariates": chosen["covariates"]}
    values |= {"events": int(chosen["events"])} if events else {}
    kind = str(task.need("question_kind"))
    fields: dict[str, Any] = {k: chosen[k] for k in ("estimate", "low", "high", "p")}
    names = {"difference": "difference of means", "association": "regression coefficient"}
    fields["effect"] = effect.scale if effect.model != "linear" else names[kind]
    fields |= {"measure": effect.gene or effect.response_name, "test": f"specification curve, {chosen['test']} model"}
    found: list[Any] = [(text, values, result(task, kind, int(chosen["n"]), **fields))]
    counts = {"specifications": len(fitted), "same_sign": int(same.sum()), "same_sign_and_p": int(strong.sum())}
    shares = {k: percent(counts[k], len(fitted)) for k in ("same_sign", "same_sign_and_p")}
    low, middle, high = (number(v) for v in fitted["estimate"].quantile([0, 0.5, 1]))
    text = (
        f"{place}over all {len(fitted)} specifications the {effect.scale} is {low} to {high} (median {middle}; n = "
        f"{int(fitted['n'].min())} to {int(fitted['n'].max())}): {counts['same_sign']} ({shares['same_sign']} %) have "
        f"the sign of the registered one, {counts['same_sign_and_p']} ({shares['same_sign_and_p']} %) also "
        f"p < {alpha:g}. They are fits of the same rows, so the shares are no test, and the registered one stays "
        "the answer."
    )
    more = counts | {f"{k}_percent": v for k, v in shares.items()}
    more |= {"smallest": float(low), "median": float(middle), "largest": float(high)}
    more |= {"least_n": int(fitted["n"].min()), "most_n": int(fitted["n"].max())}
    found.append((text, base | more))
    found += by_axis(place, base, fitted, same, strong)
    lost = table[table["estimate"].isna()]
    if len(lost):
        reasons = Counter(lost["why_not"])
        told = "; ".join(f"{why} ({k})" for why, k in reasons.most_common(4))
        text = f"{place}{len(lost)} of {len(table)} specifications could not be fitted: {told}."
        digits = [float(t) for t in "".join(c if c.isdigit() else " " for c in told).split()]
        found.append((text, base | {"not_fitted": len(lost), "declared": len(table), "numbers": digits}))
    return found


def by_axis(place: str, base: dict[str, Any], fitted: pd.DataFrame, same: pd.Series, strong: pd.Series) -> list[Any]:
    """For each axis with alternatives: the median effect and the shares of each choice."""
    found: list[Any] = []
    for axis in AXES:
        choices = list(dict.fromkeys(fitted[axis]))
        if len(choices) < 2 or len(choices) > 16:
            continue
        parts, numbers = [], []
        for choice in sorted(choices):
            own = fitted[axis] == choice
            k, agree, sure = int(own.sum()), int((own & same).sum()), int((own & strong).sum())
            middle = number(fitted.loc[own, "estimate"].median())
            parts.append(f"{choice}: median {middle}, {agree} of {k} with its sign, {sure} of {k} also significant")
            numbers += [float(middle), agree, k, sure]
        text = f"{place}by the choice of {axis} — {'; '.join(parts)}."
        found.append((text, base | {"axis": axis, "choices": sorted(choices), "numbers": numbers}))
    return found


def draw(task: Task, table: pd.DataFrame, effect: Effect) -> None:
    """Effects with intervals in order, the n of each, and which choices each was made with."""
    alpha = float(task.parameter("alpha", 0.05))
    fitted, _, _, _ = judged(table, effect, alpha)
    marks = [(axis, c) for axis in AXES for c in _marks(fitted, axis)]
    fig, (top, middle, below) = panels(
        7.6, 4.0 + 0.2 * len(marks), 3, 1, sharex=True, height_ratios=[3.0, 0.7, max(0.6, 0.16 * len(marks))]
    )
    x = np.arange(1, len(fitted) + 1)
    mine = (fitted["registered"] == "yes").to_numpy()
    sure = (fitted["p"] < alpha).to_numpy()
    width = float(np.clip(160 / len(fitted), 0.4, 2.2))
    for mask, colour, text in (
        (~sure & ~mine, NEUTRAL_COLOUR, f"p ≥ {alpha:g}"),
        (sure & ~mine, CONTROL_COLOUR, f"p < {alpha:g}"),
        (mine, CASE_COLOUR, "registered"),
    ):
        if mask.any():
            rows = fitted[mask]
            top.vlines(x[mask], rows["low"], rows["high"], color=colour, lw=width * (1.6 if mask is mine else 1))
            style = {"marker": "D", "s": 34, "zorder": 5} if mask is mine else {"marker": "o", "s": 5 + 3 * width}
            top.scatter(x[mask], rows["estimate"], color=colour, label=f"{text} ({len(rows)})", **style)
    top.axhline(effect.null, color="black", lw=0.8)
    if effect.model != "linear":
        top.set_yscale("log")
        from matplotlib.ticker import NullFormatter, ScalarFormatter

        top.yaxis.set_major_formatter(ScalarFormatter())
        top.yaxis.set_minor_formatter(NullFormatter())
        ends = float(fitted["low"].min()), float(fitted["high"].max())
        steps = (0.05, 0.1, 0.2, 0.5, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10, 20)
        if ticks := [t for t in steps if ends[0] <= t <= ends[1]]:
            top.set_yticks(ticks, [f"{t:g}" for t in ticks])
    label = f"{effect.scale.capitalize()} of {effect.response_name}\n{effect.exposure_name}\n(95 % interval)"
    top.set_ylabel("\n".join(plain_text(part, 44) for part in label.split("\n")), fontsize=8)
    top.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    middle.bar(x, fitted["n"], color=NEUTRAL_COLOUR, width=0.9)
    middle.bar(x[mine], fitted["n"][mine], color=CASE_COLOUR, width=0.9)
    middle.set_ylabel("n", rotation=0, labelpad=12)
    for place, (axis, choice) in enumerate(marks):
        has = _has(fitted, axis, choice)
        below.scatter(x[has], np.full(has.sum(), place), marker="|", s=26, color="black", lw=max(0.6, width))
        below.scatter(x[has & mine], [place] * int((has & mine).sum()), marker="D", s=16, color=CASE_COLOUR, zorder=4)
    names = {"covariates": "adjusted for", "excluded": "left out", "test": "model", "normalisation": "normalised"}
    below.set_yticks(range(len(marks)), [plain_text(f"{names[a]}: {c}", 40) for a, c in marks], fontsize=7)
    below.set_ylim(len(marks) - 0.4, -0.6)
    below.set_xlabel(f"Specification, smallest effect first ({len(fitted)} of {len(table)} declared could be fitted)")
    save_figure(fig, *(task.outputs[n] for n in ("figure", "figure_svg") if n in task.outputs))


def _marks(fitted: pd.DataFrame, axis: str) -> list[str]:
    """The choices of an axis that are drawn: single covariates and exclusions, and models; none without another."""
    if fitted[axis].nunique() < 2:
        return []
    separator = {"covariates": ", ", "excluded": "; "}.get(axis)
    if separator is None:
        return sorted(set(fitted[axis]))
    return sorted({part for cell in fitted[axis] for part in cell.split(separator)})


def _has(fitted: pd.DataFrame, axis: str, choice: str) -> np.ndarray:
    separator = {"covariates": ", ", "excluded": "; "}.get(axis)
    return np.array([choice in (cell.split(separator) if separator else [cell]) for cell in fitted[axis]])


def main() -> None:
    task = load_task()
    sheet, genes = read_sheet(task), None
    if "matrix" in task.inputs:
        genes, sheet = match_samples(read_expression(task.input("matrix")), sheet)
    effect = read_effect(task, sheet, genes)
    fixed = fixed_columns(task, sheet)
    covariates = tuple(str(c) for c in task.parameter("adjust_columns", ()) if str(c) not in fixed)
    need_columns(sheet, covariates)
    tests = TESTS[effect.model]
    registered = Specification(covariates, (), tests[0], "given", registered=True)
    texts = [str(t) for t in task.need("alternatives")]
    declared = read_alternatives(texts, registered, sheet, tests, bool(effect.gene))
    table = curve(effect, declared.specifications(), task, sheet, genes)
    print(f"{len(table)} specifications, {int(table['estimate'].notna().sum())} fitted")
    found = statements(task, table, effect)
    write_table(table[COLUMNS], task.outputs["table"])
    draw(task, table, effect)
    write_findings(found, task.outputs["findings"])


if __name__ == "__main__":
    main()
