"""Ridge-penalised Cox model or logistic classifier of many genes, judged by nested cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from biocohort import case_samples, read_matched
from bioplot import panels
from bioskill import (
    CONTROL_COLOUR,
    NEUTRAL_COLOUR,
    Task,
    fail,
    level_text,
    load_task,
    number,
    plain_text,
    result,
    rounded,
    save_figure,
    survival_table,
    write_findings,
    write_table,
)
from biosurvival import STEP_SIZE

COX_PENALTIES = (0.1, 1.0)
LOGISTIC_PENALTIES = (1.0, 10.0, 100.0)


@dataclass(frozen=True)
class Problem:
    """What is predicted: samples × genes, the outcome's columns, and the model's and measure's names."""

    x: pd.DataFrame
    y: pd.DataFrame
    kind: str
    measure: str
    model: str

    @property
    def strata(self) -> np.ndarray:
        """What every fold must hold in equal share: events, or cases."""
        return self.y["event" if self.kind == "survival" else "case"].to_numpy(int)


def load(task: Task) -> Problem:
    """The problem the task asks for: survival when it names time and event (and not `group`), else two groups."""
    matrix, sheet = read_matched(task, minimum=20)
    wanted = str(task.parameter("outcome", "auto"))
    if wanted not in ("auto", "survival", "group"):
        fail(f"parameter 'outcome' is {wanted!r}; use auto, survival or group")
    has_time = task.parameter("time_column") and task.parameter("event_column")
    if wanted == "survival" or (wanted == "auto" and has_time):
        table = survival_table(sheet, task.need("time_column"), task.need("event_column"), minimum_events=15)
        if int((table["event"] == 0).sum()) < 5:
            fail("fewer than 5 censored samples; folds cannot be balanced")
        return Problem(matrix[table.index].T, table, "survival", "C-index", "ridge Cox model")
    if not task.parameter("group_column"):
        fail("the task names neither time and event columns nor a group column; there is nothing to predict")
    case = case_samples(task, sheet, minimum=10)
    y = pd.DataFrame({"case": case.astype(int)})
    return Problem(matrix[y.index].T, y, "group", "AUC", "ridge logistic classifier")


@dataclass(frozen=True)
class Scaler:
    """Gene-wise medians, means and SDs of the training samples, and which genes vary there."""

    medians: np.ndarray
    means: np.ndarray
    sds: np.ndarray
    keep: np.ndarray

    @classmethod
    def learn(cls, x: np.ndarray) -> Scaler:
        """From training samples only. Genes without any value, or without spread, are dropped."""
        gaps = np.isnan(x)
        empty = gaps.all(axis=0)
        medians = np.zeros(x.shape[1])
        some = gaps.any(axis=0) & ~empty
        medians[some] = np.nanmedian(x[:, some], axis=0)
        filled = np.where(gaps, medians, x)
        sds = filled.std(axis=0, ddof=1)
        return cls(medians, filled.mean(axis=0), np.where(sds > 1e-12, sds, 1.0), (sds > 1e-12) & ~empty)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Samples on the training samples' scale, missing values at the training median."""
        return (np.where(np.isnan(x), self.medians, x) - self.means) / self.sds


def cox_score_statistic(x: np.ndarray, time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Per gene, the square of the Cox score test at no effect (Breslow ties): a filter, not a result."""
    order = np.argsort(-time, kind="stable")
    x, time, event = x[order], time[order], event[order]
    last = np.searchsorted(-time, -time, side="right") - 1
    size = (last + 1)[:, None]
    mean = np.cumsum(x, axis=0)[last] / size
    spread = np.cumsum(x**2, axis=0)[last] / size - mean**2
    happened = event == 1
    score = (x - mean)[happened].sum(axis=0)
    return score**2 / np.maximum(spread[happened].sum(axis=0), 1e-12)


def group_statistic(x: np.ndarray, case: np.ndarray) -> np.ndarray:
    """Per gene, the square of the two-group t statistic: a filter, not a result."""
    from sklearn.feature_selection import f_classif

    return np.nan_to_num(f_classif(x, case)[0], nan=0.0, posinf=1e12)


def fit_cox(x: np.ndarray, y: pd.DataFrame, penalty: float) -> np.ndarray:
    """Coefficients of a ridge Cox model; all zero (it predicts nothing) when the estimation does not converge."""
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError

    data = pd.DataFrame(x).assign(time=y["time"].to_numpy(), event=y["event"].to_numpy())
    for step in (STEP_SIZE, STEP_SIZE / 5):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                model = CoxPHFitter(penalizer=penalty).fit(data, "time", "event", fit_options={"step_size": step})
            except ConvergenceError:
                model = None
        if model is not None and not any("failed to converge" in str(w.message) for w in caught):
            return model.params_.to_numpy()
    return np.zeros(x.shape[1])


def fit_logistic(x: np.ndarray, y: pd.DataFrame, penalty: float) -> np.ndarray:
    """Coefficients of a ridge logistic model with balanced groups."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / penalty, class_weight="balanced", max_iter=5000)
    return model.fit(x, y["case"].to_numpy()).coef_[0]


def c_index(y: pd.DataFrame, risk: np.ndarray) -> float:
    """Harrell's C; NaN when no two samples can be compared."""
    from lifelines.utils import concordance_index

    try:
        return float(concordance_index(y["time"], -risk, y["event"]))
    except ZeroDivisionError:
        return float("nan")


def auc(y: pd.DataFrame, risk: np.ndarray) -> float:
    """Area under the ROC curve."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y["case"], risk))


@dataclass(frozen=True)
class Method:
    """The steps that see only training samples: filter, fit, and the measure used on held-out ones."""

    select: Callable[[np.ndarray, pd.DataFrame], np.ndarray]
    fit: Callable[[np.ndarray, pd.DataFrame, float], np.ndarray]
    judge: Callable[[pd.DataFrame, np.ndarray], float]
    penalties: tuple[float, ...]
    genes: int


def method_for(problem: Problem, genes: int) -> Method:
    """The method for a kind of outcome."""
    if problem.kind == "survival":
        return Method(
            lambda x, y: cox_score_statistic(x, y["time"].to_numpy(), y["event"].to_numpy()),
            fit_cox,
            c_index,
            COX_PENALTIES,
            genes,
        )
    return Method(lambda x, y: group_statistic(x, y["case"].to_numpy()), fit_logistic, auc, LOGISTIC_PENALTIES, genes)


def prepare(method: Method, train: np.ndarray, y: pd.DataFrame) -> tuple[Scaler, np.ndarray]:
    """Scaling and the chosen genes' positions, learnt from training samples only."""
    scaler = Scaler.learn(train)
    statistic = np.where(scaler.keep, method.select(scaler.apply(train), y), -1.0)
    count = min(method.genes, int(scaler.keep.sum()))
    return scaler, np.sort(np.argsort(-statistic, kind="stable")[:count])


def choose_penalty(method: Method, x: np.ndarray, y: pd.DataFrame, strata: np.ndarray, folds: Any) -> float:
    """The penalty with the best mean measure over inner folds; of equal ones the largest."""
    results: dict[float, list[float]] = {p: [] for p in method.penalties}
    for train, test in folds.split(x, strata):
        scaler, genes = prepare(method, x[train], y.iloc[train])
        inside, outside = scaler.apply(x[train])[:, genes], scaler.apply(x[test])[:, genes]
        for penalty in method.penalties:
            weights = method.fit(inside, y.iloc[train], penalty)
            results[penalty].append(method.judge(y.iloc[test], outside @ weights))
    means = {p: np.mean([v for v in values if np.isfinite(v)] or [0.5]) for p, values in results.items()}
    return max(method.penalties, key=lambda p: (means[p], p))


def cross_validate(
    problem: Problem, method: Method, plan: tuple[int, int, int], seed: int, used: int | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Folds, held-out predictions, and genes chosen in each fold.

    `plan` is outer folds, repeats, inner folds; `used` limits each repeat to its first outer folds.
    """
    from sklearn.model_selection import StratifiedKFold

    outer, repeats, inner = plan
    x, strata = problem.x.to_numpy(float), problem.strata
    folds, predictions, chosen = [], [], []
    for repeat in range(repeats):
        splitter = StratifiedKFold(outer, shuffle=True, random_state=seed + repeat)
        for fold, (train, test) in enumerate(list(splitter.split(x, strata))[:used], start=1):
            y, held_out = problem.y.iloc[train], problem.y.iloc[test]
            inside = StratifiedKFold(inner, shuffle=True, random_state=seed + 100 + repeat)
            penalty = choose_penalty(method, x[train], y, strata[train], inside)
            scaler, genes = prepare(method, x[train], y)
            weights = method.fit(scaler.apply(x[train])[:, genes], y, penalty)
            risk = scaler.apply(x[test])[:, genes] @ weights
            key = {"repeat": repeat + 1, "fold": fold}
            result = method.judge(held_out, risk)
            positives = int(strata[test].sum())
            folds.append(key | {"n_test": len(test), "positives_test": positives, "penalty": penalty, "value": result})
            predictions.append(pd.DataFrame({"sample": held_out.index, **key, "prediction": risk}))
            chosen.append(pd.DataFrame({"gene": problem.x.columns[genes], **key, "weight": weights}))
    return pd.DataFrame(folds), pd.concat(predictions), pd.concat(chosen)


def shuffled(problem: Problem, seed: int) -> Problem:
    """The same problem with the outcomes dealt out to the samples at random."""
    order = np.random.default_rng(seed).permutation(len(problem.y))
    y = problem.y.iloc[order].set_axis(problem.y.index)
    return Problem(problem.x, y, problem.kind, problem.measure, problem.model)


def control(problem: Problem, method: Method, plan: tuple[int, int, int], seed: int, shuffles: int) -> pd.DataFrame:
    """The whole procedure on shuffled outcomes: a new shuffle for each held-out fold, so that luck shows as spread."""
    runs = []
    for shuffle in range(1, shuffles + 1):
        dealt = shuffled(problem, seed + shuffle)
        folds, _, _ = cross_validate(dealt, method, (plan[0], 1, plan[2]), seed + shuffle, used=1)
        runs.append(folds.assign(repeat=shuffle))
    return pd.concat(runs, ignore_index=True)


def gene_table(chosen: pd.DataFrame, fits: int) -> pd.DataFrame:
    """Per gene: in how many of the outer fits it was chosen, and its mean weight there (per SD)."""
    table = chosen.groupby("gene")["weight"].agg(chosen="count", mean_weight="mean").reset_index()
    table["share_chosen"] = table["chosen"] / fits
    table = table.assign(size=table["mean_weight"].abs())
    table = table.sort_values(["chosen", "size", "gene"], ascending=[False, False, True], kind="stable")
    return table[["gene", "chosen", "share_chosen", "mean_weight"]].reset_index(drop=True)


def draw(folds: pd.DataFrame, genes: pd.DataFrame, problem: Problem, path: Path) -> None:
    """Left: the measure in every held-out fold, real and shuffled. Right: how often genes were chosen."""
    fig, (left, right) = panels(8.5, 4.0, 1, 2, width_ratios=[1, 1.2])
    for position, (label, colour) in enumerate((("real", CONTROL_COLOUR), ("shuffled", NEUTRAL_COLOUR))):
        values = folds.loc[folds["outcome"] == label, "value"].dropna().to_numpy()
        offsets = np.linspace(-0.15, 0.15, len(values)) if len(values) > 1 else np.zeros(len(values))
        left.plot(position + offsets, values, "o", color=colour, alpha=0.8)
        left.plot([position - 0.25, position + 0.25], [values.mean()] * 2, color=colour, lw=2)
        left.text(position + 0.28, values.mean(), f"{values.mean():.2f}", va="center")
    left.axhline(0.5, color="black", lw=0.8, ls="--")
    left.set_xticks([0, 1], ["real outcomes", "shuffled outcomes"])
    left.set_xlim(-0.5, 1.6)
    left.set_ylabel(f"{problem.measure} in a held-out fold")
    left.set_title("One point per fold; line: mean; dashed: chance", fontsize=9)
    top = genes.head(15).iloc[::-1]
    right.barh([plain_text(g, 24) for g in top["gene"]], 100 * top["share_chosen"], color=CONTROL_COLOUR)
    right.tick_params(axis="y", labelsize=8)
    right.set_xlim(0, 100)
    right.set_xlabel("Folds that chose the gene (%)")
    right.set_title("Most often chosen genes", fontsize=9)
    model = problem.model[0].upper() + problem.model[1:]
    fig.suptitle(f"{model}, nested cross-validation (n = {len(problem.y)})", fontsize=10)
    save_figure(fig, path)


def outcome_words(task: Task, problem: Problem) -> tuple[str, dict[str, Any]]:
    """What was predicted, from how many samples."""
    count = int(problem.strata.sum())
    label = str(task.parameter("dataset_label", "the cohort"))
    if problem.kind == "survival":
        endpoint = task.parameter("endpoint")
        what = f"time to {endpoint}" if endpoint else "time to event (endpoint not stated by the source)"
        return f"{what} in {label} (n = {len(problem.y)}, {count} events)", {"events": count, "endpoint": endpoint}
    group = task.parameter("group_label") or task.parameter("group_column")
    case, control = task.parameter("case"), task.parameter("control")
    text = f"{group} = {case} ({count} samples) against {group} = {control} ({len(problem.y) - count}) in {label}"
    return text, {
        "group": group,
        "case": case,
        "control": control,
        "n_case": count,
        "n_control": len(problem.y) - count,
    }


def prediction_result(task: Task, problem: Problem, value: float) -> dict[str, Any]:
    """The `result` of the held-out performance."""
    count = int(problem.strata.sum())
    rests: dict[str, Any] = {"measure": "features", "estimate": value, "test": problem.model}
    if problem.kind == "survival":
        rests |= {f"{k}_column": str(task.need(f"{k}_column")) for k in ("time", "event")} | {"events": count}
    else:
        case, control = level_text(task.need("case")), level_text(task.need("control"))
        rests["contrast"] = {"column": str(task.need("group_column")), "case": case, "control": control}
        rests["groups"] = {case: count, control: len(problem.y) - count}
    return result(task, "prediction", len(problem.y), **rests)


def findings(task: Task, problem: Problem, folds: pd.DataFrame, genes: pd.DataFrame, plan: tuple[int, int, int]) -> Any:
    """Held-out performance with its spread, the shuffled control, and how stable the chosen genes are."""
    real = folds.loc[folds["outcome"] == "real", "value"].dropna()
    chance = folds.loc[folds["outcome"] == "shuffled", "value"].dropna()
    words, about = outcome_words(task, problem)
    selected = int(genes["chosen"].sum() / (plan[0] * plan[1]))
    values: dict[str, Any] = about | {
        "dataset": str(task.parameter("dataset_label", "the cohort")),
        "n": len(problem.y),
        "genes_offered": problem.x.shape[1],
        "genes_per_model": selected,
        "outer_folds": plan[0],
        "repeats": plan[1],
        "inner_folds": plan[2],
        "folds_measured": len(real),
    }
    spread = {"mean": real.mean(), "sd": real.std(), "lowest": real.min(), "highest": real.max()}
    values |= {k: round(float(v), 2) for k, v in spread.items()}
    first = (
        f"For {words}, a {problem.model} of {selected} genes chosen from {problem.x.shape[1]} reaches a mean held-out "
        f"{problem.measure} of {spread['mean']:.2f} (SD {spread['sd']:.2f}, lowest {spread['lowest']:.2f}, highest "
        f"{spread['highest']:.2f} over {len(real)} folds: {plan[0]} outer, {plan[1]} repeats, {plan[2]} inner; "
        "scaling, choice of genes and penalty inside the training folds). The folds overlap, so the spread is no "
        "confidence interval.",
        values,
        prediction_result(task, problem, float(spread["mean"])),
    )
    second = (
        f"The same procedure on shuffled outcomes gives a mean {problem.measure} of {chance.mean():.2f} (SD "
        f"{chance.std():.2f}) over {len(chance)} shuffles, one held-out fold each; 0.5 is chance.",
        {"shuffled_mean": round(float(chance.mean()), 2), "shuffled_sd": round(float(chance.std()), 2)}
        | {"shuffles": len(chance), "chance": 0.5},
    )
    fits = plan[0] * plan[1]
    always = int((genes["chosen"] == fits).sum())
    third = (
        f"{len(genes)} different genes were chosen over {fits} fits, {always} of them in every fit; the most often "
        f"chosen is {genes['gene'].iloc[0]} ({number(100 * genes['share_chosen'].iloc[0])} % of the fits).",
        {"always_chosen": always, "fits": fits, "ever_chosen": len(genes), "gene": genes["gene"].iloc[0]}
        | {"percent": rounded(100 * genes["share_chosen"].iloc[0])},
    )
    return [first, second, third]


def main() -> None:
    task = load_task()
    problem = load(task)
    seed = int(task.parameter("seed", 7))
    plan = tuple(int(task.parameter(k, d)) for k, d in (("outer_folds", 5), ("repeats", 2), ("inner_folds", 3)))
    smallest = int(min(problem.strata.sum(), (1 - problem.strata).sum()))
    if smallest < plan[0] * 2:
        fail(f"the smaller outcome has {smallest} samples; {plan[0] * 2} are needed for {plan[0]} outer folds")
    method = method_for(problem, int(task.parameter("genes_per_model", 20)))
    folds, predictions, chosen = cross_validate(problem, method, plan, seed)
    chance = control(problem, method, plan, seed, int(task.parameter("shuffles", 5)))
    folds = pd.concat([folds.assign(outcome="real"), chance.assign(outcome="shuffled")], ignore_index=True)
    if not (folds.groupby("outcome")["value"].count() > 1).all():
        fail("no fold has samples that can be compared; the outcome cannot be predicted from so few events")
    genes = gene_table(chosen, plan[0] * plan[1])
    columns = ["outcome", "repeat", "fold", "n_test", "positives_test", "penalty", "value"]
    write_table(folds[columns].assign(measure=problem.measure), task.outputs["folds"])
    write_table(predictions, task.outputs["predictions"])
    write_table(genes, task.outputs["genes"])
    draw(folds, genes, problem, task.outputs["figure"])
    write_findings(findings(task, problem, folds, genes, plan), task.outputs["findings"])


if __name__ == "__main__":
    main()
