"""Checks of the analyses in R and of the survival model: the true answers come from numpy, scipy and statsmodels."""

from __future__ import annotations

import dry_truth as truth
import numpy as np
from dry_checks import Check, Seen
from dry_truth import Array, first, near, number


def limma(called: int = 0, top: tuple[str, ...] = ()) -> Check:
    """Every gene's moderated t and p from Smyth's formulas; known genes among the first ten."""

    def check(seen: Seen) -> str:
        features, samples, values = seen.matrix("matrix")
        case, control = seen.groups(samples)
        rows = seen.rows("table")
        place = {f: i for i, f in enumerate(features)}
        statistic, p = truth.moderated(values[[place[r["gene"]] for r in rows]], case, control)
        got_t, got_p = (np.array([float(r[name]) for r in rows]) for name in ("t", "p"))
        # the prior is estimated from all genes: a small difference in it moves all statistics together
        if not np.allclose(got_t, statistic, rtol=5e-3, atol=5e-3):
            return f"t differs from Smyth's by up to {np.abs(got_t - statistic).max():.3g}"
        seen_p = p > 1e-30
        if not np.allclose(np.log10(got_p[seen_p]), np.log10(p[seen_p]), atol=0.05):
            return "p-values are not those of the moderated t"
        fdr = np.array([float(r["fdr"]) for r in rows])
        if np.abs(truth.adjusted(got_p) - fdr).max() > 1e-3:
            return "false discovery rates are not Benjamini and Hochberg's"
        first_ten = {r["gene"] for r in rows[:10]}
        absent = [gene for gene in top if gene not in first_ten]
        if absent:
            return f"{absent[0]} is not among the first ten"
        return near("genes called", float((fdr < 0.05).sum()), called, 0.02) if called else ""

    return check


def two_groups_survive(seen: Seen) -> str:
    """Log-rank test, sizes and medians from their formulas; the hazard ratio by statsmodels."""
    sheet = seen.known()
    names = [n for n, row in sheet.items() if row[seen.parameters["group_column"]]]
    case, control = seen.groups(names)
    names = [n for n, used in zip(names, case | control, strict=True) if used]
    time, event, both = seen.survival(names)
    case = seen.groups(names)[0][both]
    found = []
    for row, part in zip(seen.rows("groups"), (~case, case), strict=True):
        found += [near(f"n of {row['group']}", float(row["n"]), part.sum(), 0)]
        found += [near(f"events of {row['group']}", float(row["events"]), event[part].sum(), 0)]
        median = truth.median_survival(time[part], event[part])
        found += [near(f"median of {row['group']}", number(row["median_time"]), median, 0.02)]
        found += [near("log-rank p", float(row["logrank_p"]), truth.log_rank(time, event, case), 1e-2)]
    ratio, p = truth.cox(time, event, case.astype(float)[:, None])
    model = seen.rows("model")[0]
    return first(
        *found,
        near("hazard ratio", float(model["hazard_ratio"]), float(ratio[0]), 5e-3),
        near("p", float(model["p"]), float(p[0]), 2e-2),
        near("events", float(model["events"]), event.sum(), 0),
    )


def variable_genes(seen: Seen) -> str:
    """The genes of largest variance, and the branches of average linkage by scikit-learn."""
    from scipy.stats import fisher_exact
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.metrics import adjusted_rand_score

    features, samples, values = seen.matrix("matrix")
    case, control = seen.groups(samples)
    used = case | control
    names = [s for s, u in zip(samples, used, strict=True) if u]
    kept = values[:, used]
    spread = np.where(np.isnan(kept).any(axis=1), -1, kept.var(axis=1, ddof=1))
    best = np.argsort(-spread, kind="stable")[:40]
    shown = {row["gene"] for row in seen.rows("table")}
    if shown != {features[i] for i in best}:
        return "the genes shown are not those of largest variance"
    z = (kept[best] - kept[best].mean(axis=1, keepdims=True)) / kept[best].std(axis=1, ddof=1, keepdims=True)
    labels = AgglomerativeClustering(2, linkage="average").fit(z.T).labels_
    said = truth.by(seen.rows("clusters"), "sample")
    mine = [said[n]["cluster"] for n in names]
    table = [[sum(m == c and k == g for m, k in zip(mine, case[used], strict=True)) for g in (True, False)]
             for c in ("1", "2")]  # fmt: skip
    p = float(fisher_exact(table)[1])
    told = seen.findings()[0]["p"]
    return first(
        near("agreement of branches", adjusted_rand_score(labels, mine), 1.0), near("Fisher's p", float(told), p, 1e-2)
    )


def survival_predicted(seen: Seen) -> str:
    """Each fold's C-index from its predictions; a ridge model of our own on the same folds reaches the same."""
    _, samples, values = seen.matrix("matrix")
    time, event, both = seen.survival(samples)
    names = [s for s, b in zip(samples, both, strict=True) if b]
    at = {name: i for i, name in enumerate(names)}
    x = values[:, both].T
    x = np.where(np.isnan(x), np.nanmedian(x, axis=0), x)
    rows, folds = seen.rows("predictions"), seen.rows("folds")
    for repeat in {r["repeat"] for r in rows}:
        if sorted(r["sample"] for r in rows if r["repeat"] == repeat) != sorted(names):
            return f"repeat {repeat}: not every sample is predicted once"
    found, theirs, own = [], [], []
    for fold in (f for f in folds if f["outcome"] == "real"):
        part = [r for r in rows if (r["repeat"], r["fold"]) == (fold["repeat"], fold["fold"])]
        test = np.array([at[r["sample"]] for r in part])
        c = truth.concordance(time[test], event[test], np.array([float(r["prediction"]) for r in part]))
        found.append(near(f"C-index of fold {fold['repeat']}.{fold['fold']}", float(fold["value"]), c, 0, 0.01))
        theirs.append(float(fold["value"]))
        own.append(_own_model(time, event, x, test))
    shuffled = [float(f["value"]) for f in folds if f["outcome"] == "shuffled" and f["value"] not in ("", "NA")]
    return first(
        *found,
        near("mean C-index", float(np.mean(theirs)), float(np.mean(own)), 0, 0.08),
        "" if len(shuffled) >= 3 else "no control on shuffled outcomes",
        near("C-index on shuffled outcomes", float(np.mean(shuffled)), 0.5, 0, 0.2),
    )


def _own_model(time: Array, event: Array, x: Array, test: Array) -> float:
    """The C-index of held-out samples from a ridge model of the twenty genes best in single Cox models."""
    train = np.setdiff1d(np.arange(len(time)), test)
    mean, sd = x[train].mean(axis=0), x[train].std(axis=0, ddof=1)
    z = (x - mean) / np.where(sd > 1e-12, sd, 1)
    happened = time[train][event[train] == 1]
    risks = time[train][None, :] >= happened[:, None]
    middle = risks @ z[train] / risks.sum(axis=1, keepdims=True)
    wide = risks @ z[train] ** 2 / risks.sum(axis=1, keepdims=True) - middle**2
    score = (z[train][event[train] == 1] - middle).sum(axis=0) ** 2 / np.maximum(wide.sum(axis=0), 1e-9)
    best = np.argsort(-score)[:20]
    weights = truth.ridge_cox(time[train], event[train], z[train][:, best], 0.5)
    return truth.concordance(time[test], event[test], z[test][:, best] @ weights)
