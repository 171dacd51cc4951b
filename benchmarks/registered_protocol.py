"""A protocol of 25 coded steps on the packaged example's data, as an author writes it: both cohorts by the same code.

Does a proliferation score (E2F targets) mark worse outcome beside ER, and does this hold in a second cohort?
"""

from __future__ import annotations

from collections.abc import Sequence

from bioresearcher.schemas.protocol import Protocol

DEFINITIONS = (
    (
        "Cohorts",
        "Data set, ER column and codes for not known, by cohort.",
        """COHORTS = {"discovery": ("GSE1992", "er_positive"), "validation": ("GSE4335", "er_status")}
MISSING = {"", "missing", "na", "x"}
SEED = 20241107
N = {"discovery": 124, "validation": 115}""",
    ),
    (
        "Score",
        "Mean of z-scores within the cohort over the measured genes of a set, scaled to SD 1.",
        """def score(values, genes):
    used = values.loc[values.index.intersection(genes)]
    used = used[used.std(axis=1) > 0]
    z = used.sub(used.mean(axis=1), axis=0).div(used.std(axis=1), axis=0)
    mean = z.mean()
    return (mean - mean.mean()) / mean.std()""",
    ),
    (
        "Cox model",
        "Partial likelihood with Efron's ties; hazard ratio per SD with Wald interval and P.",
        """def cox(rows, terms):
    from lifelines import CoxPHFitter

    used = rows[["time", "event", *terms]].dropna()
    fit = CoxPHFitter().fit(used, "time", "event")
    first = fit.summary.loc[terms[0]]
    return {
        "n": len(used),
        "events": int(used["event"].sum()),
        "estimate": float(first["exp(coef)"]),
        "low": float(first["exp(coef) lower 95%"]),
        "high": float(first["exp(coef) upper 95%"]),
        "p": float(first["p"]),
    }""",
    ),
)
"""Name, text and code of the shared definitions."""

_LOOP = "for name, (dataset, er) in COHORTS.items():\n"
STEPS = (
    ("1", "Read both sample sheets", "", '''sheets = {name: table(dataset, "samples").set_index("pid") for name, (dataset, _) in COHORTS.items()}
for name, sheet in sheets.items():
    check(f"samples of {name}", len(sheet), N[name])'''),
    ("1", "Read both matrices and hold them against the sheets", "", '''values = {name: matrix(dataset, "expression") for name, (dataset, _) in COHORTS.items()}
for name in COHORTS:
    check(f"samples with a profile in {name}", len(values[name].columns.intersection(sheets[name].index)), N[name])'''),
    ("1", "Recode time, event and ER", "eligible.tsv", _LOOP + '''    sheet = sheets[name]
    for column in ("time", "event"):
        sheet[column] = pd.to_numeric(sheet[column], errors="coerce")
    sheet["er"] = pd.to_numeric(sheet[er].where(~sheet[er].isin(MISSING)), errors="coerce")
    sheet["eligible"] = sheet["time"].gt(0) & sheet["event"].isin([0, 1])
eligible = pd.concat({n: s[["time", "event", "er", "eligible"]] for n, s in sheets.items()}, names=["cohort", "sample"])
eligible.reset_index().to_csv(OUT / "eligible.tsv", sep="\\t", index=False)
finding(f"{int(eligible['eligible'].sum())} samples are eligible.", {"eligible": int(eligible["eligible"].sum())})'''),
    ("1", "Flow of samples", "flow.tsv", '''flow = eligible.groupby("cohort").agg(n=("eligible", "size"), eligible=("eligible", "sum"), er_known=("er", "count"))
flow.reset_index().to_csv(OUT / "flow.tsv", sep="\\t", index=False)'''),
    ("2", "Filled-in constants per array", "constants.tsv", '''rows = []
for name in COHORTS:
    share = values[name].apply(lambda array: array.value_counts().iloc[0] / len(array))
    rows.append(pd.DataFrame({"cohort": name, "sample": share.index, "commonest_share": share.to_numpy()}))
pd.concat(rows).to_csv(OUT / "constants.tsv", sep="\\t", index=False)'''),
    ("2", "Spread of arrays", "spread.tsv", '''spread = pd.concat({n: values[n].describe().T for n in COHORTS}, names=["cohort", "sample"])
spread.reset_index().to_csv(OUT / "spread.tsv", sep="\\t", index=False)'''),
    ("2", "Distribution of profiles, drawn", "spread.png", '''import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
fig, axes = plt.subplots(1, 2, figsize=(8, 3))
for ax, name in zip(axes, COHORTS):
    ax.plot(np.sort(values[name].median().to_numpy()))
    ax.set_title(name)
fig.savefig(OUT / "spread.png")
plt.close(fig)'''),
    ("2", "Near duplicates", "duplicates.tsv", '''close = []
for name in COHORTS:
    r = np.corrcoef(values[name].sub(values[name].median(axis=1), axis=0).fillna(0).T.to_numpy())
    np.fill_diagonal(r, np.nan)
    close.append({"cohort": name, "closest": float(np.nanmax(r))})
pd.DataFrame(close).to_csv(OUT / "duplicates.tsv", sep="\\t", index=False)
print(pd.DataFrame(close))'''),
    ("3", "Genes of the set that are measured", "genes.tsv", '''e2f = gene_sets("hallmark", "gene_sets")["HALLMARK_E2F_TARGETS"]
used = [g for g in e2f if all(g in values[n].index for n in COHORTS)]
pd.DataFrame({"gene": e2f, "measured": [g in used for g in e2f], "mean": [values["discovery"].loc[g].mean() if g in used else None for g in e2f]}).to_csv(OUT / "genes.tsv", sep="\\t", index=False)
finding(f"{len(used)} of {len(e2f)} genes of the set are measured in both cohorts.", {"measured": len(used), "set": len(e2f)})'''),
    ("3", "Score per tumour", "scores.tsv", _LOOP + '''    sheets[name]["score"] = score(values[name], used)
scores = pd.concat({n: s["score"] for n, s in sheets.items()}, names=["cohort", "sample"]).rename("score")
scores.reset_index().to_csv(OUT / "scores.tsv", sep="\\t", index=False)'''),
    ("3", "Score against ER", "score_er.tsv", '''rows = []
for name in COHORTS:
    known = sheets[name].dropna(subset=["score", "er"])
    test = stats.mannwhitneyu(known.loc[known["er"] == 1, "score"], known.loc[known["er"] == 0, "score"])
    rows.append({"cohort": name, "n": len(known), "p": float(test.pvalue)})
pd.DataFrame(rows).to_csv(OUT / "score_er.tsv", sep="\\t", index=False)'''),
    ("3", "Score per tumour, drawn", "scores.png", '''fig, ax = plt.subplots()
for name in COHORTS:
    ax.hist(sheets[name]["score"].dropna(), bins=20, alpha=0.5, label=name)
ax.legend()
fig.savefig(OUT / "scores.png")
plt.close(fig)'''),
    ("4", "Rows of the models", "", '''rows_of = {n: sheets[n][sheets[n]["eligible"]] for n in COHORTS}
for name in COHORTS:
    check(f"eligible tumours of {name}", len(rows_of[name]), N[name])'''),
    ("4", "Cox model of the score alone", "cox_alone.tsv", '''alone = {n: cox(rows_of[n], ["score"]) for n in COHORTS}
pd.DataFrame(alone).T.rename_axis("cohort").reset_index().to_csv(OUT / "cox_alone.tsv", sep="\\t", index=False)'''),
    ("4", "Cox model adjusted for ER", "cox_adjusted.tsv", '''adjusted = {n: cox(rows_of[n], ["score", "er"]) for n in COHORTS}
pd.DataFrame(adjusted).T.rename_axis("cohort").reset_index().to_csv(OUT / "cox_adjusted.tsv", sep="\\t", index=False)
a = adjusted["discovery"]
finding(f"In GSE1992 the hazard ratio per SD of the score beside ER is {a['estimate']:.2f} ({a['low']:.2f} to {a['high']:.2f}).",
        kind="time to event", population="GSE1992", measure="HALLMARK_E2F_TARGETS", time_column="time",
        event_column="event", effect="hazard ratio", terms=["er_positive"], **a)'''),
    ("4", "Proportional hazards", "schoenfeld.tsv", '''from lifelines import CoxPHFitter
from lifelines.statistics import proportional_hazard_test
ph = []
for name in COHORTS:
    known = rows_of[name][["time", "event", "score", "er"]].dropna()
    test = proportional_hazard_test(CoxPHFitter().fit(known, "time", "event"), known, time_transform="rank")
    ph.append({"cohort": name, "p": float(test.summary.loc["score", "p"])})
pd.DataFrame(ph).to_csv(OUT / "schoenfeld.tsv", sep="\\t", index=False)'''),
    ("5", "Validation beside ER", "", '''v = adjusted["validation"]
finding(f"In GSE4335 the hazard ratio per SD beside ER is {v['estimate']:.2f} ({v['low']:.2f} to {v['high']:.2f}).", v)'''),
    ("5", "Same direction", "direction.tsv", '''same = (a["estimate"] > 1) == (v["estimate"] > 1)
pd.DataFrame([{"discovery": a["estimate"], "validation": v["estimate"], "same": same}]).to_csv(OUT / "direction.tsv", sep="\\t", index=False)'''),
    ("5", "Random sets of the same size", "random_sets.tsv", '''rng = np.random.default_rng(SEED)
draws = []
for n in range(30):
    genes = rng.choice(values["discovery"].index, size=len(used), replace=False)
    rows = rows_of["discovery"].assign(score=score(values["discovery"], genes))
    draws.append({"permutation": n, "estimate": cox(rows, ["score", "er"])["estimate"]})
pd.DataFrame(draws).to_csv(OUT / "random_sets.tsv", sep="\\t", index=False)'''),
    ("5", "Place of the score among random sets", "", '''larger = sum(abs(np.log(d["estimate"])) >= abs(np.log(a["estimate"])) for d in draws)
finding(f"{larger} of {len(draws)} random sets do at least as much.", {"larger": larger, "draws": len(draws)})'''),
    ("6", "Without the sets' commonest constants", "masked.tsv", '''masked = {}
for name in COHORTS:
    array = values[name].apply(lambda x: x.where(x != x.value_counts().index[0]))
    masked[name] = cox(rows_of[name].assign(score=score(array, used)), ["score", "er"])
pd.DataFrame(masked).T.rename_axis("cohort").reset_index().to_csv(OUT / "masked.tsv", sep="\\t", index=False)'''),
    ("6", "Median split", "median_split.tsv", '''split = {n: cox(rows_of[n].assign(high=(rows_of[n]["score"] > rows_of[n]["score"].median()).astype(int)), ["high", "er"]) for n in COHORTS}
pd.DataFrame(split).T.rename_axis("cohort").reset_index().to_csv(OUT / "median_split.tsv", sep="\\t", index=False)'''),
    ("6", "ER-positive tumours only", "er_positive.tsv", '''positive = {n: cox(rows_of[n][rows_of[n]["er"] == 1], ["score"]) for n in COHORTS}
pd.DataFrame(positive).T.rename_axis("cohort").reset_index().to_csv(OUT / "er_positive.tsv", sep="\\t", index=False)'''),
    ("7", "Table of results", "results.tsv", '''results = pd.DataFrame([{"model": m, "cohort": n, **r[n]} for m, r in (("alone", alone), ("beside ER", adjusted), ("masked", masked)) for n in COHORTS])
results.to_csv(OUT / "results.tsv", sep="\\t", index=False)'''),
    ("7", "Verdict by the answer rule", "verdict.txt", '''verdict = "supported" if same and a["p"] < 0.05 and v["p"] < 0.05 else "not supported"
(OUT / "verdict.txt").write_text(f"{verdict}: P {a['p']:.3g} and {v['p']:.3g}\\n")
finding(f"By the answer rule: {verdict} (P {a['p']:.3g} and {v['p']:.3g}).", {"p_discovery": a["p"], "p_validation": v["p"]})'''),
)  # fmt: skip
"""Part, title, file and code of the steps."""
PARTS = ("Eligibility", "Quality", "Measurement", "Main analysis", "Validation", "Sensitivity", "Answer")


def registered(coded: bool = True, skip: Sequence[str] = ()) -> Protocol:
    """Return the protocol; without code when not `coded`, and without that of the parts to `skip`."""
    parts = []
    for number, title in enumerate(PARTS, 1):
        own = [s for s in STEPS if s[0] == str(number)]
        steps = [
            {
                "id": f"{number}.{n}",
                "title": what,
                "action": f"{what}: for both cohorts alike, by the definitions above.",
                "acceptance": "The counts are those of the flow table.",
                "kind": "dry",
                "origin": "model",
                "code": code if coded and str(number) not in skip else "",
                "datasets": ["GSE1992", "GSE4335"],
                "inputs": [{"name": "samples", "source": "dataset:GSE1992/samples"},
                           {"name": "expression", "source": "dataset:GSE1992/expression"}],
                "outputs": [{"name": file.split(".")[0], "kind": "figure" if file.endswith("png") else "table"}]
                if file else [{"name": "counts_seen", "kind": "decision"}],
            }
            for n, (_, what, file, code) in enumerate(own, 1)
        ]  # fmt: skip
        parts.append({"id": str(number), "title": title, "purpose": title, "steps": steps})
    definitions = [{"name": n, "text": t, "code": c if coded else ""} for n, t, c in DEFINITIONS]
    values = {"id": "registered", "title": "Proliferation and outcome", "objective_id": "registered", "parts": parts}
    return Protocol.model_validate({**values, "definitions": definitions, "origin": "model"})
