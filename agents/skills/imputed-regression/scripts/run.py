"""A regression on complete cases and on multiply imputed covariates, side by side."""

from __future__ import annotations

import warnings
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
    numeric_column,
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
from bioterms import Term, determined, encode, need_columns
from scipy import stats

LEAST = 10
MOST_MISSING = 0.5
"""Share of missing values of a column from which it is not imputed: most of it would be the model's."""
BURN = 10


def read_outcome(task: Task, sheet: pd.DataFrame) -> tuple[str, pd.Series, bool]:
    """The outcome in words, its numbers, and whether it is of two levels."""
    column = task.parameter("group_column")
    if column is None:
        name = str(task.need("outcome_column"))
        values = numeric_column(sheet, name)
        if values.nunique() < 2:
            fail(f"outcome {name!r} does not vary")
        return name, values, set(values.dropna().unique()) <= {0.0, 1.0}
    case, control = (level_text(task.need(w)) for w in ("case", "control"))
    values = group_levels(sheet, str(column)).map({case: 1.0, control: 0.0}).astype(float)
    for level, code in ((case, 1.0), (control, 0.0)):
        if int((values == code).sum()) < LEAST:
            fail(f"outcome {column} = {level!r} has {int((values == code).sum())} rows; at least {LEAST} are needed")
    return f"{column} = {case} against {control}", values, True


def fit(frame: pd.DataFrame, y: np.ndarray, *, logistic: bool) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients without the constant, and their covariance."""
    import statsmodels.api as sm

    x = np.column_stack([np.ones(len(frame)), frame.to_numpy(float)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = sm.Logit(y, x).fit(disp=0, maxiter=200) if logistic else sm.OLS(y, x).fit()
        except (Warning, np.linalg.LinAlgError, ValueError) as error:
            fail(f"the model could not be estimated ({' '.join(str(error).split())[:100]}): leave a column out")
    if logistic and np.abs(found.params[1:] * x[:, 1:].std(axis=0)).max() > 15:
        fail("the columns separate the outcomes, so an odds ratio is not finite: leave a column out")
    return np.asarray(found.params)[1:], np.asarray(found.cov_params())[1:, 1:]


def imputed(sheet: pd.DataFrame, outcome: pd.Series, names: list[str], count: int, seed: int) -> list[pd.DataFrame]:
    """Completed columns, `count` times: predictive mean matching by chained equations, outcome among the predictors."""
    from statsmodels.imputation.mice import MICEData

    codes: dict[str, list[str]] = {}
    data = pd.DataFrame({"y": outcome}, index=sheet.index)
    for n, name in enumerate(names):
        numbers = pd.to_numeric(sheet[name], errors="coerce")
        if (numbers.isna() == sheet[name].isna()).all():
            data[f"x{n}"] = numbers.astype(float)
        else:
            levels = sheet[name].map(level_text, na_action="ignore")
            codes[name] = sorted(levels.dropna().unique())
            data[f"x{n}"] = levels.map({x: float(k) for k, x in enumerate(codes[name])})
    chain = MICEData(data, rng=seed)
    found = []
    for number_of in range(count):
        chain.update_all(BURN if number_of == 0 else 3)
        one = pd.DataFrame({n: chain.data[f"x{k}"].to_numpy() for k, n in enumerate(names)}, index=sheet.index)
        for name, levels in codes.items():
            one[name] = [levels[int(v)] for v in one[name]]
        found.append(one)
    return found


def pooled(fits: list[tuple[np.ndarray, np.ndarray]], free: float) -> pd.DataFrame:
    """Estimates by Rubin's rules, with the degrees of freedom of Barnard and Rubin (1999)."""
    m = len(fits)
    beta = np.array([b for b, _ in fits])
    within = np.array([np.diag(c) for _, c in fits]).mean(axis=0)
    between = beta.var(axis=0, ddof=1)
    total = within + (1 + 1 / m) * between
    share = np.clip((1 + 1 / m) * between / total, 1e-12, None)
    old, seen = (m - 1) / share**2, (free + 1) / (free + 3) * free * (1 - share)
    df = 1 / (1 / old + 1 / seen)
    error = np.sqrt(total)
    wide = stats.t.ppf(0.975, df) * error
    mean = beta.mean(axis=0)
    p = 2 * stats.t.sf(np.abs(mean / error), df)
    return pd.DataFrame({"beta": mean, "low": mean - wide, "high": mean + wide, "p": p, "df": df, "lost": share})


def whole(found: tuple[np.ndarray, np.ndarray], free: float, *, logistic: bool) -> pd.DataFrame:
    """Estimates of the complete cases."""
    beta, error = found[0], np.sqrt(np.diag(found[1]))
    wide = (stats.norm.ppf(0.975) if logistic else stats.t.ppf(0.975, free)) * error
    tail = stats.norm.sf if logistic else lambda z: stats.t.sf(z, free)
    return pd.DataFrame({"beta": beta, "low": beta - wide, "high": beta + wide, "p": 2 * tail(np.abs(beta / error))})


def encoded(frame: pd.DataFrame, names: list[str], references: dict[str, list[str]]) -> tuple[pd.DataFrame, list[Term]]:
    """The design columns of all variables; levels and references as in the complete cases."""
    frames, terms = [pd.DataFrame(index=frame.index)], list[Term]()
    for name in names:
        columns, own = encode(frame[name], name, references.get(name, ()))
        frames.append(columns)
        terms += own
    return pd.concat(frames, axis=1), terms


def finding(task: Task, rows: pd.DataFrame, about: dict[str, Any], variable: str) -> list[Any]:
    """Each term of a column that is asked about: complete cases beside the imputed rows."""
    found: list[Any] = []
    for term in dict.fromkeys(rows.loc[rows["variable"] == variable, "term"]):
        own = rows[rows["term"] == term].set_index("rows")
        old, new = own.loc["complete cases"], own.loc["imputed"]
        base: dict[str, Any] = {"dataset": task.parameter("dataset_label"), "term": term, "confidence_percent": 95}
        same = (old["low"] > about["null"]) == (new["low"] > about["null"]) and (old["high"] < about["null"]) == (
            new["high"] < about["null"]
        )
        text = (
            f"{where(task)}the {about['effect']} of {term} for {about['outcome']} is "
            f"{number(old['estimate'])} (95 % CI "
            f"{number(old['low'])} to {number(old['high'])}, {p_value(old['p'])}) on {about['complete']} "
            f"complete cases and "
            f"{number(new['estimate'])} (95 % CI {number(new['low'])} to {number(new['high'])}, "
            f"{p_value(new['p'])}) on "
            f"{about['n']} rows with {about['count']} imputations: the conclusion "
            f"{'does not change' if same else 'changes'}."
        )
        values = base | {"n": about["n"], "complete": about["complete"], "imputations": about["count"]}
        for key, row in (("complete_cases", old), ("imputed", new)):
            values[key] = [rounded(row[k]) for k in ("estimate", "low", "high")] + [shown_p(row["p"])]
        fields: dict[str, Any] = {k: old[k] for k in ("estimate", "low", "high", "p")}
        fields |= {"effect": about["effect"], "measure": variable, "missing": about["n"] - about["complete"]}
        fields |= {"test": "complete cases beside multiple imputation", "terms": about["beside"](variable)}
        found.append((text, values, result(task, "association", about["complete"], **fields)))
    return found


def draw(task: Task, rows: pd.DataFrame, about: dict[str, Any]) -> None:
    """Both estimates of each term with 95 % intervals."""
    terms = list(dict.fromkeys(rows["term"]))
    fig, ax = figure(7.0, 1.6 + 0.45 * len(terms))
    sizes = {"complete cases": about["complete"], "imputed": about["n"]}
    for kind, colour, step in (("complete cases", CONTROL_COLOUR, -0.14), ("imputed", CASE_COLOUR, 0.14)):
        own = rows[rows["rows"] == kind].set_index("term").loc[terms]
        y = np.arange(len(terms)) + step
        ax.hlines(y, own["low"], own["high"], color=colour)
        ax.plot(
            own["estimate"],
            y,
            "o" if step < 0 else "s",
            color=colour,
            markersize=5,
            label=f"{kind} (n = {sizes[kind]})",
        )
    ax.axvline(about["null"], color="black", lw=0.8)
    if about["null"] == 1:
        ax.set_xscale("log")
        ticks = [t for t in (0.1, 0.2, 0.5, 0.8, 1, 1.25, 2, 5, 10) if rows["low"].min() <= t <= rows["high"].max()]
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
    units = rows.drop_duplicates("term").set_index("term")["unit"]
    ax.set_yticks(range(len(terms)), [plain_text(f"{t}, {units[t]}", 44) for t in terms], fontsize=8)
    ax.set_ylim(len(terms) - 0.5, -0.5)
    ax.set_xlabel(plain_text(f"{about['effect'].capitalize()} for {about['outcome']} (95 % interval)", 80))
    ax.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    save_figure(fig, *(task.outputs[n] for n in ("figure", "figure_svg") if n in task.outputs))


def main() -> None:
    task = load_task()
    sheet = read_sheet(task)
    outcome, values, logistic = read_outcome(task, sheet)
    skipped = {str(task.parameter("group_column")), str(task.parameter("outcome_column"))}
    lists = [task.parameter(p, ()) for p in ("stated_columns", "block_columns", "adjust_columns")]
    names = list(dict.fromkeys(str(c) for one in lists for c in one if str(c) not in skipped))
    stated = [str(c) for c in lists[0] if str(c) in names]
    if not stated:
        fail(f"no column is named that may be associated with {outcome}")
    need_columns(sheet, names)
    sheet, values = sheet[values.notna()], values.dropna()
    missing = sheet[names].isna()
    for name in names:
        if missing[name].mean() > MOST_MISSING:
            fail(
                f"column {name!r} is missing in {100 * missing[name].mean():.0f} % of the rows; at most "
                f"{100 * MOST_MISSING:g} % are imputed: leave it out"
            )
    complete = ~missing.any(axis=1)
    if complete.all():
        fail(f"no value of {listed(names)} is missing, so there is nothing to impute")
    if complete.sum() < len(names) + LEAST:
        fail(f"{int(complete.sum())} rows have all values; too few to compare with")
    frame, terms = encoded(sheet[complete], names, {})
    determined(frame, terms)
    references = {}
    for term in terms:
        if term.level:
            own = [t for t in terms if t.variable == term.variable]
            references[term.variable] = [*(t.level for t in own), term.reference]
    count = int(task.parameter("imputations", 20))
    if not 2 <= count <= 100:
        fail(f"parameter imputations is {count}; use 2 to 100")
    first = whole(
        fit(frame, values[complete].to_numpy(), logistic=logistic), complete.sum() - len(terms) - 1, logistic=logistic
    )
    fits = []
    for one in imputed(sheet, values, names, count, task.seed):
        made, _ = encoded(one, names, references)
        fits.append(fit(made[frame.columns], values.to_numpy(), logistic=logistic))
    second = pooled(fits, len(sheet) - len(terms) - 1)
    shown = np.exp if logistic else np.asarray
    parts = []
    for kind, table in (("complete cases", first), ("imputed", second)):
        part = pd.DataFrame({"rows": kind, "variable": [t.variable for t in terms], "term": [t.name for t in terms]})
        part["unit"], part["n"] = [t.unit for t in terms], int(complete.sum()) if kind != "imputed" else len(sheet)
        part[["estimate", "low", "high"]] = shown(table[["beta", "low", "high"]].to_numpy())
        part["p"] = table["p"].to_numpy()
        part["missing_information"] = table["lost"].to_numpy() if "lost" in table else np.nan
        parts.append(part)
    rows = pd.concat(parts, ignore_index=True)
    about: dict[str, Any] = {
        "null": 1.0 if logistic else 0.0,
        "effect": "odds ratio" if logistic else "regression coefficient",
    }
    about |= {"outcome": outcome, "n": len(sheet), "complete": int(complete.sum()), "count": count}
    about["beside"] = lambda v: [n for n in names if n != v]
    found = [f for v in stated for f in finding(task, rows, about, v)]
    told = {n: int(missing[n].sum()) for n in names if missing[n].any()}
    share = percent(int((~complete).sum()), len(sheet))
    text = (
        f"{where(task)}{int((~complete).sum())} of {len(sheet)} rows ({share} %) lack a value: "
        f"{'; '.join(f'{n} {k}' for n, k in told.items())}. They were imputed {count} times by chained equations with "
        "predictive mean matching and pooled by Rubin's rules; this supposes that values are missing at random given "
        "the columns of the model."
    )
    extra = {"dataset": task.parameter("dataset_label"), "incomplete": int((~complete).sum()), "n": len(sheet)}
    found.append((text, extra | {"incomplete_percent": share, "missing": told, "imputations": count}))
    print(f"{int(complete.sum())} complete of {len(sheet)} rows, {count} imputations")
    write_table(rows, task.outputs["table"])
    draw(task, rows, about)
    write_findings(found, task.outputs["findings"])


if __name__ == "__main__":
    main()
