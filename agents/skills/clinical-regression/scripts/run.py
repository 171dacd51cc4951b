"""Logistic or linear regression of a column of a clinical table on other columns."""

from __future__ import annotations

import warnings
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
    listed,
    load_task,
    number,
    p_value,
    plain_text,
    result,
    rounded,
    save_figure,
    shown_p,
    where,
    write_findings,
    write_table,
)
from bioterms import Design, design, need_columns, reference_of
from scipy import stats
from scipy.optimize import linprog

LEAST = 5
"""Fewest rows of either outcome."""
COLUMNS = "model variable term unit n estimate low high statistic p".split()


@dataclass(frozen=True)
class Outcome:
    """The column that is explained: 1 and 0 of a yes-or-no column, or numbers.

    Attributes:
        case: The level that counts as 1; empty for numbers.
    """

    name: str
    values: pd.Series
    case: str = ""
    control: str = ""

    @property
    def logistic(self) -> bool:
        """True for a column of two levels."""
        return bool(self.case)

    @property
    def effect(self) -> str:
        """The name of the effect."""
        return "odds ratio" if self.logistic else "difference"

    @property
    def test(self) -> str:
        """The name of the model."""
        return "logistic regression" if self.logistic else "linear regression"

    @property
    def text(self) -> str:
        """The outcome in words."""
        return f"{self.name} = {self.case}" if self.logistic else self.name


@dataclass(frozen=True)
class Model:
    """A fitted model: a row per term (odds ratio or difference with its interval), and the rows it rests on."""

    rows: pd.DataFrame
    design: Design
    beta: np.ndarray
    covariance: np.ndarray
    y: np.ndarray

    @property
    def n(self) -> int:
        """Rows of the model."""
        return len(self.y)

    def of(self, variable: str) -> pd.DataFrame:
        """The rows of one variable's terms."""
        return self.rows[self.rows["variable"] == variable]

    def joint_p(self, variable: str, *, logistic: bool) -> float:
        """The p-value of all terms of a variable together (Wald or F); of a single term its own."""
        own = self.of(variable)
        if len(own) == 1:
            return float(own["p"].iloc[0])
        places = [self.rows.index.get_loc(i) for i in own.index]
        beta = self.beta[places]
        statistic = float(beta @ np.linalg.pinv(self.covariance[np.ix_(places, places)]) @ beta)
        if logistic:
            return float(stats.chi2.sf(statistic, len(places)))
        return float(stats.f.sf(statistic / len(places), len(places), self.n - len(self.rows) - 1))


def read_outcome(task: Task, sheet: pd.DataFrame) -> Outcome:
    """Read the column that is explained: `case` and `control` of `group_column`, or the numbers of `outcome_column`."""
    column = task.parameter("group_column")
    if column is not None:
        need_columns(sheet, [str(column)])
        levels = group_levels(sheet, str(column))
        case, control = (level_text(task.need(w)) for w in ("case", "control"))
        values = levels.map({case: 1.0, control: 0.0})
        counts = {x: int((levels == x).sum()) for x in (case, control)}
        for level, count in counts.items():
            if count < LEAST:
                fail(f"outcome {column} = {level!r} has {count} rows; at least {LEAST} of either outcome are needed")
        return Outcome(str(column), values, case, control)
    name = str(task.need("outcome_column"))
    need_columns(sheet, [name])
    values = pd.to_numeric(sheet[name], errors="coerce")
    if (values.isna() & sheet[name].notna()).any():
        levels = group_levels(sheet, name).dropna()
        fail(
            f"outcome {name!r} is text with {levels.nunique()} levels ({listed(sorted(set(levels)), 6)}): a regression "
            "needs numbers or two levels. Name the two that are to be compared"
        )
    if values.nunique() < 2:
        fail(f"outcome {name!r} does not vary, so nothing can be associated with it")
    if set(values.dropna().unique()) <= {0.0, 1.0}:
        return Outcome(name, values, "1", "0")
    return Outcome(name, values)


def separated(x: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """Return weights of the columns (the first is the constant) that tell the outcomes apart; None when none do.

    A linear programme looks for weights by which no row of one outcome lies on the side of the other (Albert and
    Anderson 1984): then the maximum-likelihood estimate does not exist.
    """
    scaled = x / np.maximum(np.abs(x).max(axis=0), 1e-12)
    signed = np.where(y == 1, 1.0, -1.0)[:, None] * scaled
    found = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(y)), bounds=[(-1, 1)] * x.shape[1])
    return found.x if found.success and -found.fun > 1e-6 else None


def refuse_separation(made: Design, x: np.ndarray, outcome: Outcome, y: np.ndarray) -> None:
    """Refuse terms that tell the outcomes apart, naming them."""
    for place, term in enumerate(made.terms, 1):
        alone = separated(x[:, [0, place]], y)
        if alone is not None and abs(alone[1]) > 1e-6:
            fail(
                f"{term.name!r} separates {outcome.name} = {outcome.case} from {outcome.control} (all rows on one side "
                "have one outcome), so its odds ratio is not finite: leave the column out, or put levels together"
            )
    weights = separated(x, y)
    if weights is not None:
        names = [t.name for t, w in zip(made.terms, weights[1:], strict=True) if abs(w) > 1e-6]
        fail(
            f"{listed(names)} together separate {outcome.name} = {outcome.case} from {outcome.control}, so their odds "
            "ratios are not finite: use fewer columns"
        )


def fit(outcome: Outcome, made: Design, name: str) -> Model:
    """Fit the outcome on all terms of a design, whose rows have all values."""
    import statsmodels.api as sm

    y = outcome.values[made.frame.index].to_numpy(float)
    x = np.column_stack([np.ones(len(y)), made.frame[[t.column for t in made.terms]].to_numpy(float)])
    if outcome.logistic:
        few = min(int((y == 1).sum()), int((y == 0).sum()))
        if few < LEAST:
            fail(f"{few} rows of one outcome of {outcome.name} have all values; at least {LEAST} are needed")
        refuse_separation(made, x, outcome, y)
    elif len(y) < x.shape[1] + 3:
        fail(f"{len(y)} rows have all values, too few for a model of {x.shape[1] - 1} coefficients")
    spread = np.array([1.0, *np.maximum(x[:, 1:].std(axis=0), 1e-12)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            family = (
                sm.Logit(y, x / spread).fit(disp=0, maxiter=200) if outcome.logistic else sm.OLS(y, x / spread).fit()
            )
        except (Warning, np.linalg.LinAlgError, ValueError) as error:
            fail(f"the {outcome.test} of {outcome.name} could not be estimated ({' '.join(str(error).split())[:100]})")
    interval = np.asarray(family.conf_int())[1:] / spread[1:, None]
    beta = np.asarray(family.params)[1:] / spread[1:]
    covariance = np.asarray(family.cov_params())[1:, 1:] / np.outer(spread[1:], spread[1:])
    shown = np.exp if outcome.logistic else np.asarray
    rows = pd.DataFrame(
        {
            "model": name,
            "variable": [t.variable for t in made.terms],
            "term": [t.name for t in made.terms],
            "unit": [t.unit for t in made.terms],
            "n": len(y),
            "estimate": shown(beta),
            "low": shown(interval[:, 0]),
            "high": shown(interval[:, 1]),
            "statistic": np.asarray(family.tvalues)[1:],
            "p": np.asarray(family.pvalues)[1:],
        }
    )
    return Model(rows, made, beta, covariance, y)


def size(outcome: Outcome, value: float) -> str:
    """An odds ratio with two or more decimals, or a difference with three digits, for a sentence."""
    if outcome.logistic and 0.1 <= value < 100:
        return f"{value:.3f}" if 0.8 < value < 1.25 else f"{value:.2f}"
    return number(value)


def finding(task: Task, outcome: Outcome, model: Model, variable: str, left: int) -> Any:
    """The effect of one column in a model, in words, in numbers, and as a result that answers a question."""
    own, alpha = model.of(variable), float(task.parameter("alpha", 0.05))
    p = model.joint_p(variable, logistic=outcome.logistic)
    beside = [v for v in model.design.variables if v != variable]
    values: dict[str, Any] = {"dataset": task.parameter("dataset_label"), "n": model.n, "confidence_percent": 95}
    values |= {
        "alpha": alpha,
        "p": shown_p(p),
        "variable": variable,
        "terms": list(own["term"]),
        "outcome": outcome.text,
    }
    for key in ("estimate", "low", "high"):
        numbers = [float(size(outcome, v)) for v in own[key]]
        values[key] = numbers[0] if len(numbers) == 1 else numbers
    values["p_values"] = [shown_p(v) for v in own["p"]]
    values["units"] = list(own["unit"])
    phrases = [
        f"{r.term} {r.unit} {size(outcome, r.estimate)} (95 % CI {size(outcome, r.low)} to {size(outcome, r.high)}"
        + (f", {p_value(r.p)})" if len(own) > 1 else ")")
        for r in own.itertuples()
    ]
    verdict = "is associated with" if p < alpha else "shows no association at this sample size with"
    with_what = f"with {', '.join(beside)} in the model, " if beside else ""
    together = f"all levels together {p_value(p)}" if len(own) > 1 else p_value(p)
    text = (
        f"{where(task)}{with_what}{variable} {verdict} {outcome.text} ({outcome.test}, {outcome.effect} of "
        f"{'; '.join(phrases)}; {together}; n = {model.n}"
    )
    fields: dict[str, Any] = {"p": p, "measure": variable, "test": outcome.test, "terms": beside, "missing": left}
    fields["effect"] = "odds ratio" if outcome.logistic else "regression coefficient"
    if outcome.logistic:
        cases = int(model.y.sum())
        text += f", {cases} with {outcome.text}"
        values["cases"] = cases
        fields["groups"] = {outcome.case: cases, outcome.control: model.n - cases}
        fields["contrast"] = {"column": outcome.name, "case": outcome.case, "control": outcome.control}
    if len(own) == 1:
        fields |= {k: own[k].iloc[0] for k in ("estimate", "low", "high")}
    values |= {f"beside_{i}": name for i, name in enumerate(beside)}
    return f"{text}).", values, result(task, "association", model.n, **fields)


def model_finding(task: Task, outcome: Outcome, model: Model, left: int, names: list[str]) -> Any:
    """Complete cases, and how many rows of the rarer outcome or rows there are for each coefficient."""
    count = len(model.rows)
    few = int(min(model.y.sum(), model.n - model.y.sum())) if outcome.logistic else model.n
    what = "rows of the rarer outcome" if outcome.logistic else "rows"
    least, each = int(task.parameter("events_per_variable", 10)), few / count
    fragile = f", fewer than {least}: its estimates are fragile" if each < least else ""
    text = (
        f"{where(task)}the model of {outcome.text} rests on {model.n} rows with all of "
        f"{', '.join([outcome.name, *names])} ({left} rows are left out for want of a value) and has {number(each)} "
        f"{what} for each of its {count} coefficients{fragile}."
    )
    values: dict[str, Any] = {
        "dataset": task.parameter("dataset_label"),
        "n": model.n,
        "left_out": left,
        "outcome": outcome.text,
    }
    values |= {"per_coefficient": rounded(each), "coefficients": count, "advised_minimum": least, "columns": names}
    if outcome.logistic:
        ranks = stats.rankdata(model.design.frame[[t.column for t in model.design.terms]].to_numpy(float) @ model.beta)
        cases = model.y == 1
        n1, n0 = int(cases.sum()), int((~cases).sum())
        area = (ranks[cases].sum() - n1 * (n1 + 1) / 2) / (n1 * n0)
        text += f" Its area under the receiver operating characteristic curve is {number(area)} on its own rows."
        values["area_under_curve"] = rounded(area)
    if model.design.left_out:
        text += f" Left out, because they do not vary in these rows: {', '.join(model.design.left_out)}."
        values["not_varying"] = list(model.design.left_out)
    return text, values


def draw(task: Task, outcome: Outcome, models: list[Model]) -> None:
    """Odds ratios (logarithmic axis) or differences with 95 % intervals, alone and together."""
    rows = pd.concat([m.rows for m in models], ignore_index=True)
    names = list(dict.fromkeys(zip(rows["variable"], rows["term"], rows["unit"], strict=True)))
    both = rows["model"].nunique() > 1
    fig, ax = figure(7.4, 1.5 + 0.5 * len(names))
    colours = {"alone": CONTROL_COLOUR, "together": CASE_COLOUR}
    texts = []
    for place, key in enumerate(names):
        own = rows[(rows["variable"] == key[0]) & (rows["term"] == key[1])]
        for row in own.itertuples():
            y = place + (0.14 if row.model == "together" else -0.14) * both
            ax.plot([row.low, row.high], [y, y], color=colours[row.model], lw=1.5)
            ax.plot(row.estimate, y, "s" if row.model == "together" else "o", color=colours[row.model], markersize=5)
        last = own.iloc[-1]
        low, high = size(outcome, last.low), size(outcome, last.high)
        told = f"{size(outcome, last.estimate)} ({low} to {high}), {p_value(last.p)}"
        texts.append(f"{plain_text(f'{key[1]}, {key[2]}', 44)}\n{plain_text(told)}")
    ax.set_yticks(range(len(names)), texts, fontsize=8)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.axvline(1 if outcome.logistic else 0, color="black", linewidth=0.8)
    if outcome.logistic:
        ax.set_xscale("log")
        low, high = float(rows["low"].min()), float(rows["high"].max())
        near, wide = (0.8, 0.9, 1, 1.1, 1.25), (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
        ticks = [t for t in (near if low > 0.7 and high < 1.4 else wide) if low / 1.3 <= t <= high * 1.3]
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
    name = plain_text(outcome.text, 50)
    ax.set_xlabel(
        f"Odds ratio of {name} (95 % confidence interval)"
        if outcome.logistic
        else f"Difference of {name} (95 % confidence interval)"
    )
    for model in models[-1:] if not both else (models[0], models[-1]):
        label = model.rows["model"].iloc[0]
        sizes = sorted({m.n for m in models if m.rows["model"].iloc[0] == label})
        count = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        ax.plot([], [], "s" if label == "together" else "o", color=colours[label], label=f"{label} (n = {count})")
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=8)
    save_figure(fig, *(task.outputs[name] for name in ("figure", "figure_svg") if name in task.outputs))


def main() -> None:
    task = load_task()
    sheet = read_sheet(task)
    outcome = read_outcome(task, sheet)
    names = [str(c) for p in ("stated_columns", "block_columns", "adjust_columns") for c in task.parameter(p, ())]
    names = [c for c in dict.fromkeys(names) if c != outcome.name]
    stated = [c for c in names if c in {str(s) for s in task.parameter("stated_columns", ())}]
    if not stated:
        fail(f"no column is named that may be associated with {outcome.name}")
    need_columns(sheet, names)
    known = sheet[outcome.values.notna()]
    blocks = {str(b): levels_last(known, str(b)) for b in task.parameter("block_columns", ()) if str(b) in names}
    models = []
    for variable in names:
        single = design(known, [variable], blocks)
        if single.terms and len(names) > 1:
            models.append(fit(outcome, single, "alone"))
    made = design(known, names, blocks)
    if not set(stated) & {*made.variables}:
        unknown = [c for c in stated if sheet[c].isna().all()]
        if unknown:
            fail(f"column {unknown[0]!r} has no known value, so nothing can be estimated for it")
        fail(f"{listed(stated)} does not vary in the {len(made.frame)} rows with all values")
    together = fit(outcome, made, "together")
    models.append(together)
    left = len(known) - together.n
    print(f"{together.n} rows, {left} left out for want of a value")
    found = [finding(task, outcome, together, v, left) for v in stated if v in together.design.variables]
    found.append(model_finding(task, outcome, together, left, names))
    write_table(pd.concat([m.rows for m in models], ignore_index=True)[COLUMNS], task.outputs["table"])
    draw(task, outcome, models)
    write_findings(found, task.outputs["findings"])


def levels_last(sheet: pd.DataFrame, name: str) -> tuple[str, ...]:
    """The levels of a block, the reference last: a block has a mean for each level, also where levels are numbers."""
    levels = group_levels(sheet, name).dropna()
    if levels.empty:
        return ()
    reference = reference_of(levels)
    return (*(x for x in sorted(levels.unique()) if x != reference), reference)


if __name__ == "__main__":
    main()
