"""Whether a task's outputs are right: each value against the true answer of `dry_truth` or a known fact."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dry_truth as truth
import numpy as np
from dry_truth import Array, first, near, number

Check = Callable[["Seen"], str]
Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Seen:
    """What a check looks at: the task's parameters, its input files and its output files, by name."""

    parameters: Mapping[str, Any]
    inputs: Mapping[str, Path]
    outputs: Mapping[str, Path]

    def matrix(self, name: str) -> tuple[list[str], list[str], Array]:
        """An expression matrix (Golub's has a column of words after the probes' names)."""
        path = self.inputs[name]
        return truth.matrix(path, skip=1 if path.name.startswith("golub.") else 0)

    def known(self, which: str = "samples", prefix: str = "") -> dict[str, dict[str, str]]:
        """The sample sheet by sample, words for 'not known' emptied."""
        absent = {"", *self.parameters.get(f"{prefix}missing_values", ())}
        rows = truth.sheet(self.inputs[which])
        clean = [{k: "" if v in absent else v for k, v in row.items()} for row in rows]
        return {row[self.parameters[f"{prefix}sample_column"]]: row for row in clean}

    def groups(self, samples: list[str]) -> tuple[Array, Array]:
        """Masks over the samples: case, control."""
        sheet, column = self.known(), self.parameters["group_column"]
        levels = np.array([sheet.get(s, {}).get(column, "") for s in samples])
        return levels == self.parameters["case"], levels == self.parameters["control"]

    def rows(self, output: str) -> Rows:
        """An output table."""
        return truth.sheet(self.outputs[output])

    def findings(self) -> list[dict[str, Any]]:
        """The values of each finding."""
        return [said["values"] for said in json.loads(self.outputs["findings"].read_text("utf-8"))]

    def survival(self, samples: list[str], which: str = "samples", prefix: str = "") -> tuple[Array, Array, Array]:
        """Time, event, and which of the samples have both."""
        sheet = self.known(which, prefix)
        cells = [
            [number(sheet.get(s, {}).get(self.parameters[f"{prefix}{k}"], "")) for k in ("time_column", "event_column")]
            for s in samples
        ]
        time, event = np.array(cells).T
        both = ~np.isnan(time) & ~np.isnan(event)
        return time[both], event[both], both

    def signature(self) -> list[str]:
        """The genes that are scored."""
        listed = self.parameters.get("genes")
        return list(listed) if listed else truth.gene_sets(self.inputs["gene_sets"])[self.parameters["gene_set"]]


def quality(seen: Seen) -> str:
    """Every sample's median is numpy's; the counts are those of the raw table."""
    features, samples, values = seen.matrix("expression")
    rows = truth.by(seen.rows("samples"), "sample")
    missing = [s for s in samples if s not in rows]
    if missing:
        return f"sample {missing[0]} is not in the table"
    checks = " ".join(f"{r['check']}={r['value']}" for r in seen.rows("checks"))
    counts = [float(r["value"]) for r in seen.rows("checks") if r["value"].replace(".", "").isdigit()]
    wrong = "" if {len(features), len(samples)} <= set(counts) else f"features and samples not counted: {checks}"
    spread = [n for n in next(iter(rows.values())) if n.startswith("median")]
    medians = [near(f"median of {s}", number(rows[s][spread[0]]), float(np.nanmedian(values[:, i])), 1e-3, 1e-3)
               for i, s in enumerate(samples)] if spread and seen.parameters["scale"] == "log2" else []  # fmt: skip
    return first(wrong, *medians)


def filtering(seen: Seen) -> str:
    """Kept are the features that vary and have few missing values; the values are the raw ones, on log2."""
    features, samples, values = seen.matrix("expression")
    factor = np.log2(10) if seen.parameters["scale"] == "log10" else 1.0
    spread = np.array([np.nanstd(row) if np.isfinite(row).any() else 0 for row in values])
    keep = (np.isnan(values).mean(axis=1) <= 0.2) & (spread > 1e-12)
    kept, columns, made = truth.matrix(seen.outputs["matrix"])
    if len(kept) != keep.sum() or set(kept) != {f for f, k in zip(features, keep, strict=True) if k}:
        return f"{len(kept)} features kept, but {keep.sum()} vary and are measured"
    order = [samples.index(s) for s in columns]
    place = {f: i for i, f in enumerate(features)}
    true = values[[place[f] for f in kept]][:, order] * factor
    return "" if np.allclose(made, true, rtol=1e-4, atol=1e-4, equal_nan=True) else "the values are not the raw ones"


def cohort(seen: Seen) -> str:
    """Numbers missing are counted from the text; the standardised difference of age is Austin's formula."""
    sheet = list(seen.known().values())
    rows = seen.rows("table")
    found = []
    for name in seen.parameters["covariates"]:
        row = next((r for r in rows if r["variable"] == name and r["missing"]), None)
        if row is None:
            return f"no row for {name}"
        found.append(near(f"missing {name}", number(row["missing"]), sum(not r[name] for r in sheet)))
    column = seen.parameters["group_column"]
    one, zero = (
        np.array([float(r["age"]) for r in sheet if r[column] == seen.parameters[w] and r["age"]])
        for w in ("case", "control")
    )
    true = (one.mean() - zero.mean()) / np.sqrt((one.var(ddof=1) + zero.var(ddof=1)) / 2)
    smd = next(number(r["smd"]) for r in rows if r["variable"] == "age")
    return first(*found, near("standardised difference of age", smd, float(true), 5e-3, 5e-3))


def differential(known: Mapping[str, Any]) -> Check:
    """Welch's t gene by gene, adjusted by statsmodels; known genes and counts where there are any."""

    def check(seen: Seen) -> str:
        from scipy import stats

        features, samples, values = seen.matrix("matrix")
        case, control = seen.groups(samples)
        rows = seen.rows("table")
        mine = truth.by(rows, "gene")
        tested = stats.ttest_ind(values[:, case], values[:, control], axis=1, equal_var=False, nan_policy="omit")
        p = dict(zip(features, np.ma.getdata(tested.pvalue), strict=True))
        true = np.array([p[r["gene"]] for r in rows])
        got = np.array([float(r["p"]) for r in rows])
        if not np.allclose(np.log10(got), np.log10(true), atol=5e-3):
            return "p-values are not Welch's"
        called = int((truth.adjusted(true) < 0.05).sum())
        said = sum(float(r["fdr"]) < 0.05 for r in rows)
        where = {r["gene"]: i for i, r in enumerate(rows)}
        late = [g for g in known.get("top", ()) if where.get(g, 9999) >= 10]
        late += [g for i, g in enumerate(known.get("first", ())) if where.get(g) != i]
        return first(
            near("genes called", said, known.get("called", called), 0),
            near("genes called", called, said, 0),
            f"{late[0]} is not where it is known to be (rank {where.get(late[0])})" if late else "",
            "a gene's two means do not give its difference"
            if any(
                abs(float(r["mean_case"]) - float(r["mean_control"]) - float(r["difference"])) > 1e-3
                for r in list(mine.values())[:50]
            )
            else "",
        )

    return check


def heat_map(seen: Seen) -> str:
    """The samples' two branches are those of average linkage on correlation of the forty genes, by scikit-learn."""
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.metrics import adjusted_rand_score

    features, samples, values = seen.matrix("matrix")
    ranked = sorted(truth.sheet(seen.inputs["differential"]), key=lambda r: float(r["p"]))[:40]
    place = {f: i for i, f in enumerate(features)}
    case, control = seen.groups(samples)
    used = case | control
    rows = values[[place[r["gene"]] for r in ranked]][:, used]
    z = np.nan_to_num((rows - np.nanmean(rows, axis=1, keepdims=True)) / np.nanstd(rows, axis=1, ddof=1, keepdims=True))
    apart = np.clip(1 - np.corrcoef(z.T), 0, 2)
    model = AgglomerativeClustering(2, metric="precomputed", linkage="average").fit(apart)
    branch = truth.by(seen.rows("clusters"), "sample")
    names = [s for s, u in zip(samples, used, strict=True) if u]
    if set(branch) != set(names):
        return "the samples are not those of the two groups"
    return near("agreement of branches", adjusted_rand_score(model.labels_, [branch[s]["cluster"] for s in names]), 1.0)


def components(seen: Seen) -> str:
    """Shares of variance are the covariance matrix's eigenvalues."""
    _, samples, values = seen.matrix("matrix")
    rows = values[np.argsort(-np.nanvar(values, axis=1, ddof=1), kind="stable")[:2000]]
    centred = np.nan_to_num(rows - np.nanmean(rows, axis=1, keepdims=True))
    eigen = np.sort(np.linalg.eigvalsh(centred.T @ centred))[::-1]
    shares = [float(r["share"]) for r in seen.rows("variance")][:3]
    if len(seen.rows("scores")) != len(samples):
        return "not every sample has a score"
    true = eigen / eigen.sum()
    return first(*(near(f"share of PC{i + 1}", s, float(true[i]), 5e-3) for i, s in enumerate(shares)))


def over_represented(known: Mapping[str, Any]) -> Check:
    """Fisher's exact test of every two-by-two table."""

    def check(seen: Seen) -> str:
        from scipy.stats import fisher_exact

        tests = truth.sheet(seen.inputs["differential"])
        called = {
            way: {r["gene"] for r in tests if float(r["fdr"]) < 0.05 and (float(r["difference"]) > 0) == (way == "up")}
            for way in ("up", "down")
        }
        background = {r["gene"] for r in tests}
        sets, rows = truth.gene_sets(seen.inputs["gene_sets"]), seen.rows("table")
        found = []
        for row in rows:
            members, hits = set(sets[row["gene_set"]]) & background, called[row["direction"]]
            a, b, c = len(members & hits), len(members - hits), len(hits - members)
            p = fisher_exact([[a, b], [c, len(background) - a - b - c]], alternative="greater")[1]
            found.append(near(f"p of {row['gene_set']} {row['direction']}", float(row["p"]), p, 5e-3))
        for way in ("up", "down"):
            best = next(r["gene_set"] for r in rows if r["direction"] == way)
            if way in known and best != known[way]:
                found.append(f"the leading set {way} is {best}, but {known[way]} is known to be")
        return first(*found)

    return check


def ranked(known: Mapping[str, Any]) -> Check:
    """Enrichment scores by their definition; known sets have the known sign and are significant."""

    def check(seen: Seen) -> str:
        ranking = [(r["gene"], float(r["t"])) for r in truth.sheet(seen.inputs["table"])]
        sets = truth.gene_sets(seen.inputs["gene_sets"])
        rows = truth.by(seen.rows("table"), "gene_set")
        found = [
            near(f"score of {n}", float(r["es"]), truth.running_score(ranking, set(sets[n])), 0.01, 0.01)
            for n, r in rows.items()
        ]
        for way, sign in (("up", 1), ("down", -1)):
            row = rows.get(known.get(way, ""))
            if row is not None and (float(row["nes"]) * sign <= 0 or float(row["fdr"]) > 0.05):
                found.append(f"{known[way]} is known to be enriched {way}")
        return first(*found)

    return check


def scoring(seen: Seen) -> str:
    """The score by its definition."""
    features, samples, values = seen.matrix("expression")
    true = truth.score(features, values, seen.signature())
    mine = {r["sample"]: float(r["score"]) for r in seen.rows("scores")}
    got = np.array([mine.get(s, np.nan) for s in samples])
    return "" if np.allclose(got, true, atol=2e-3) else f"scores differ by up to {np.nanmax(np.abs(got - true)):.3g}"


def _scored(seen: Seen) -> tuple[list[str], Array]:
    rows = truth.sheet(seen.inputs["scores"])
    return [r["sample"] for r in rows], np.array([float(r["score"]) for r in rows])


def correlation(seen: Seen) -> str:
    """Spearman's rho of every tenth gene by scipy; false discovery rates by statsmodels."""
    from scipy.stats import spearmanr

    names, scores = _scored(seen)
    features, samples, values = seen.matrix("expression")
    order = [samples.index(n) for n in names]
    place = {f: i for i, f in enumerate(features)}
    rows = [r for r in seen.rows("table") if r["kind"] == "gene"]
    if len(rows) < 0.9 * len(features):
        return f"{len(rows)} of {len(features)} genes are in the table"
    found = []
    for row in rows[::10]:
        true = spearmanr(values[place[row["name"]], order], scores, nan_policy="omit")
        found += [near(f"rho of {row['name']}", float(row["rho"]), float(true[0]), 5e-3, 1e-3)]
        found += [near(f"p of {row['name']}", float(row["p"]), float(true[1]), 2e-2)]
    usable = [r for r in rows if r["fdr"] and r["p"]]
    true_fdr = truth.adjusted(np.array([float(r["p"]) for r in usable]))
    wrong = np.abs(true_fdr - [float(r["fdr"]) for r in usable]).max() > 1e-3
    return first(*found, "false discovery rates are not Benjamini and Hochberg's" if wrong else "")


def kaplan_meier(seen: Seen) -> str:
    """Log-rank test, group sizes and median times from their formulas."""
    names, scores = _scored(seen)
    time, event, both = seen.survival(names)
    scores = scores[both]
    high = scores > np.median(scores)
    rows = truth.by(seen.rows("summary"), "group")
    found = [near("log-rank p", float(rows["high"]["logrank_p"]), truth.log_rank(time, event, high), 5e-3)]
    for name, part in (("high", high), ("low", ~high)):
        found += [near(f"n {name}", float(rows[name]["n"]), part.sum(), 0)]
        found += [near(f"events {name}", float(rows[name]["events"]), event[part].sum(), 0)]
        true = truth.median_survival(time[part], event[part])
        found += [near(f"median time {name}", number(rows[name]["median_time"]), true, 1e-3)]
    return first(*found)


def cox(seen: Seen) -> str:
    """The score's hazard ratio by statsmodels, alone in the model."""
    names, scores = _scored(seen)
    time, event, both = seen.survival(names)
    ratio, p = truth.cox(time, event, scores[both][:, None])
    row = next(r for r in seen.rows("table") if r["n"] == str(int(both.sum())) and "score" in r["term"].lower())
    return first(
        near("hazard ratio", float(row["hr"]), float(ratio[0]), 5e-3), near("p", float(row["p"]), float(p[0]), 2e-2)
    )


def validation(known: Mapping[str, Any]) -> Check:
    """Hazard ratios in both cohorts by statsmodels from a score of its own; known values where there are any."""

    def check(seen: Seen) -> str:
        found, usable = [], None
        for index, prefix in enumerate(("", "validation_")):
            features, samples, values = seen.matrix(f"{prefix}expression")
            genes = seen.signature() if usable is None else usable
            usable = [g for g in genes if g in features]
            time, event, both = seen.survival(samples, f"{prefix}samples", prefix)
            score = truth.score(features, values, usable)
            ratio, p = truth.cox(time, event, score[both][:, None])
            row = seen.rows("table")[index]
            found += [near(f"hazard ratio {index + 1}", float(row["hr"]), float(ratio[0]), 1e-2)]
            found += [near(f"p {index + 1}", float(row["p"]), float(p[0]), 5e-2)]
            found += [near(f"log-rank {index + 1}", float(row["logrank_p"]),
                           truth.log_rank(time, event, score[both] > np.median(score[both])), 2e-2)]  # fmt: skip
            if known.get("hr"):
                found += [near(f"known hazard ratio {index + 1}", float(row["hr"]), known["hr"][index], 0, 0.01)]
                found += [near(f"known p {index + 1}", float(row["p"]), known["p"][index], 0.1)]
        said = seen.rows("table")[1]["replicated"]
        if "replicated" in known and said.lower() not in (known["replicated"], "false"):
            found.append(f"replicated: {said}, but it is {known['replicated']}")
        return first(*found)

    return check


def predicted(least: float) -> Check:
    """The held-out area under the curve by scikit-learn, beside that of a model of its own (within 0.08)."""

    def check(seen: Seen) -> str:
        from sklearn.feature_selection import SelectKBest
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import roc_auc_score
        from sklearn.model_selection import StratifiedKFold, cross_val_predict
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        _, samples, values = seen.matrix("matrix")
        case, control = seen.groups(samples)
        label = dict(zip(samples, case, strict=True))
        rows = seen.rows("predictions")
        used = [s for s, u in zip(samples, case | control, strict=True) if u]
        aucs = []
        for repeat in sorted({r["repeat"] for r in rows}):
            part = [r for r in rows if r["repeat"] == repeat]
            if sorted(r["sample"] for r in part) != sorted(used):
                return f"repeat {repeat}: not every sample is predicted once"
            aucs.append(roc_auc_score([label[r["sample"]] for r in part], [float(r["prediction"]) for r in part]))
        x = np.nan_to_num(values[:, case | control].T)
        folds = StratifiedKFold(5, shuffle=True, random_state=1)
        model = make_pipeline(StandardScaler(), SelectKBest(k=20), LogisticRegression(max_iter=5000))
        own = cross_val_predict(model, x, case[case | control], cv=folds, method="predict_proba")[:, 1]
        true = roc_auc_score(case[case | control], own)
        return first(
            near("AUC", float(np.mean(aucs)), float(true), 0, 0.08),
            "" if np.mean(aucs) >= least else f"AUC {np.mean(aucs):.3f} is below {least}",
        )

    return check


OF_SCORES: Mapping[str, Check] = {"correlation": correlation, "kaplan-meier": kaplan_meier, "cox-regression": cox}
