"""Short protocols in the dense form in which strong models write plans; a statistician would find nothing wrong."""

from __future__ import annotations

from review_support import context, dataset

from bioresearcher.review.check import CheckContext
from bioresearcher.schemas.dataset import Column
from bioresearcher.schemas.paper_report import Parameter
from bioresearcher.schemas.protocol import Citation, Protocol, ProtocolPart, ProtocolStep, StepInput, StepOutput

CITED = (Citation(kind="fact", ref="F1", claim="124 samples.", state="supported"),)
NAMES = ("pid", "age", "sex", "grade", "node", "er_positive", "batch", "time", "event", "treated", "visit")
R = "R ≥ 4.2, survival 3.5"

PLANS: dict[str, tuple[tuple[str, str, str, dict[str, str]], ...]] = {
    "survival of one score": (
        (
            "Freeze the eligible set",
            "Keep primary, untreated tumours of GSE1992. Drop the 7 arrays named in F1 (GSM140983, GSM141004) and rows "
            "whose `time` is 0 or missing. Expected after F1 and F4: 112 of 124 patients, 41 events. Do not read "
            "`event` before the registration.",
            "112 rows, one per `pid`; otherwise stop and report the rows that differ.",
            {"sample_column": "pid"},
        ),
        (
            "Score each tumour",
            "z-standardise the log2 ratio of each of the 38 measured genes over the 112 patients (sample SD, n − 1), "
            "average them with equal weights, and scale the mean to SD 1. A gene with more than 20 % missing values is "
            "left out; an array is scored when at least 30 genes remain.",
            "All 112 scores are finite; mean 0 and SD 1 within 1e-8.",
            {},
        ),
        (
            "Primary test: Cox model",
            "Fit `coxph(Surv(time, event) ~ score + age + grade + node + strata(batch), ties = 'efron')`. The only "
            "confirmatory test is the two-sided Wald test of `score` at alpha = 0.05 in pooled data; it needs no "
            "adjustment as it is one test. Report HR per SD with 95 % CI. Proportional hazards: `cox.zph` with the "
            "Kaplan–Meier transform; if p < 0.05 for `score`, report RMST up to the 80th percentile of follow-up "
            "beside the HR, in the units of `time`.",
            "The model converges with 6 coefficients for 41 events (6.8 events per coefficient).",
            {"covariates": "age + grade + node", "strata_column": "strata(batch)"},
        ),
        (
            "Sensitivity analyses",
            "S1: without `node`. S2: complete cases only. S3: score split at its median, fixed before outcome, "
            "Kaplan–Meier curves and log-rank test. All are descriptive: they cannot overturn the primary result.",
            "Each HR stands in one table with its n and events.",
            {},
        ),
    ),
    "two-arm trial, continuous outcome": (
        (
            "Analysis sets",
            "Intention-to-treat: all randomised patients in the arm to which they were allocated (62 per arm). "
            "Per-protocol: those with at least 80 % of doses. The unit of analysis is the patient (`pid`).",
            "Both sets are fixed and signed before unblinding.",
            {},
        ),
        (
            "Primary analysis: ANCOVA",
            "`lm(change ~ treated + baseline + sex + age)`, two-sided at the 5 % level; adjusted mean difference with "
            "95 % CI (HC3 standard errors). One primary endpoint, hence no multiplicity correction. Secondary "
            "endpoints follow in the fixed sequence E2, E3, E4; testing stops at the first p ≥ 0.05.",
            "Residual degrees of freedom are 119.",
            {"group_column": "treated", "covariates": "baseline, sex and age"},
        ),
        (
            "Missing outcome",
            "Multiple imputation by chained equations (m = 50, seed 20260101, predictive mean matching with 5 donors); "
            "Rubin's rules. Tipping point: shift imputed values in the treated arm by δ = 0 to 10 in steps of 1.",
            "Imputed and observed distributions overlap; trace plots show no trend.",
            {"seed": "20260101"},
        ),
    ),
    "differential expression": (
        (
            "Model each gene",
            "limma 3.56 on the log2 matrix: `~ er_positive + grade + batch`, empirical Bayes with trend; contrast "
            "er_positive 1 − 0. Genes are called at Benjamini–Hochberg FDR < 0.05 and |log2 FC| ≥ 1.",
            "P-values above 0.5 are uniform: π0 between 0.3 and 1.",
            {"group_column": "er_positive", "covariates": "grade + batch"},
        ),
        (
            "Enrichment of Hallmark sets",
            "camera with inter-gene correlation 0.01 on the moderated t statistics; 50 sets, BH over the 50, reported "
            "at FDR < 0.05.",
            "Each set has between 15 and 500 measured genes.",
            {},
        ),
    ),
    "nested case-control": (
        (
            "Conditional logistic regression",
            "`clogit(case ~ log2(marker) + bmi + smoking + strata(pair))` for 96 pairs matched on age ± 2 years, sex "
            "and date of blood draw. OR per doubling with 95 % profile-likelihood CI. Primary: marker alone; the four "
            "other markers are exploratory with Holm's adjustment over 4 tests.",
            "Every stratum has one case and one control.",
            {},
        ),
        (
            "Linearity",
            "Add a restricted cubic spline with 3 knots at the 10th, 50th and 90th percentile; compare by likelihood "
            "ratio on 1 df, p < 0.05 leads to the spline in the figure but not in the primary estimate.",
            "Both log likelihoods are given.",
            {},
        ),
    ),
    "random-effects meta-analysis of cohorts": (
        (
            "Fit the same model in each cohort",
            "In GSE1992 and in GSE4335 apart: `coxph(Surv(time, event) ~ score + age)`. No pooling of patients. "
            "The score's weights come from GSE1992 alone and are frozen before GSE4335 is opened; GSE4335 tests them. "
            "Check proportional hazards in each by scaled Schoenfeld residuals.",
            "Two log HRs with standard errors.",
            {"covariates": "age"},
        ),
        (
            "Combine",
            "Fixed-effect inverse-variance mean of the 2 log HRs, as 2 studies do not carry a between-study variance; "
            "Q and I² are reported and not tested. Rule: supported when both HR > 1 and the combined CI excludes 1.",
            "The combined estimate lies between the two.",
            {},
        ),
    ),
    "longitudinal mixed model": (
        (
            "Primary model",
            "`lmer(y ~ visit * treated + age + sex + (1 + visit | pid), REML = TRUE)`; test visit:treated by "
            "Kenward–Roger F, alpha 0.05. Visits at 0, 4, 8 and 12 weeks. R² (marginal) is reported. If the fit is "
            "singular, drop the random slope (rule fixed now).",
            "Convergence with gradient < 0.002.",
            {"covariates": "visit * treated + age + sex", "group_column": "treated"},
        ),
        (
            "Autocorrelation",
            "Compare with AR(1) residuals by AIC; a difference above 10 is reported, the primary result stays.",
            "Both AIC values stand in the table.",
            {},
        ),
    ),
    "propensity-weighted comparison": (
        (
            "Weights",
            "Logistic propensity score with age, sex, grade, node (linear and squared age). Overlap weights. Balance: "
            "all standardised mean differences < 0.1 (Love plot). C-index of the score is not a criterion.",
            "Effective sample size at least 60 in each arm.",
            {},
        ),
        (
            "Weighted hazard ratio",
            "`coxph(Surv(time, event) ~ treated, weights = w, robust = TRUE, cluster = pid)`. Two-sided 95 % CI by "
            "bootstrap of the whole procedure (2,000 resamples, seed 7). Follow-up is cut at the largest time at which "
            "10 are at risk. Test proportional hazards with cox.zph.",
            "E-value reported for estimate and limit.",
            {"group_column": "treated"},
        ),
    ),
    "competing risks": (
        (
            "Cumulative incidence",
            "Aalen–Johansen estimate by er_positive; Gray's test is the primary test (one, two-sided, 0.05). Fine–Gray "
            "subdistribution model and cause-specific Cox model with age and grade as secondary, both reported without "
            "tests; log(−log) plots for proportionality.",
            "Incidences of both causes add up to 1 − survival at every time.",
            {"group_column": "er_positive"},
        ),
    ),
    "diagnostic accuracy": (
        (
            "Area under the curve",
            "AUC with DeLong's 95 % CI for marker + age + sex; the marker is useful if the lower limit is > 0.70. "
            "Optimism by 10 × 10-fold cross-validation (seed 11). Cut-off fixed at 12.5 ng/ml from an earlier study; "
            "sensitivity and specificity there with Clopper–Pearson intervals.",
            "AUC of a permuted outcome (200 permutations) has mean 0.50 ± 0.02.",
            {},
        ),
        (
            "Calibration",
            "Slope and intercept, flexible calibration curve (loess, span 0.75), Brier score. Net benefit for "
            "thresholds of 5 % to 30 %.",
            "Slope is given with its CI.",
            {},
        ),
    ),
    "pseudobulk single-cell": (
        (
            "Cells and donors",
            "Keep cells with 500–6,000 genes and < 15 % mitochondrial UMI; Scrublet score below 0.25. Sum counts per "
            "donor and cell type; donors with fewer than 30 cells of a type are left out of that type. The donor is "
            "the unit: n = 12 versus 11.",
            "Each donor has at least 1 cell type left.",
            {},
        ),
        (
            "Test each cell type",
            "edgeR 4.0 quasi-likelihood F test, design `~ batch + sex + condition`; BH within cell type, then Simes "
            "over the 9 cell types, FDR 0.05.",
            "Dispersion trend is monotone; ≥ 3 donors per group.",
            {},
        ),
    ),
    "epigenetic clock": (
        (
            "Age acceleration",
            "Regress predicted on chronological age with sex and 6 cell proportions; residual = acceleration in years. "
            "Correlate predicted with chronological age: Pearson r ≥ 0.8 is required, otherwise stop. R > 4.1 and "
            "minfi ≥ 1.44.",
            "Mean of the residuals is 0.",
            {},
        ),
        (
            "Association with mortality",
            "Cox model per 5 years of acceleration, age as time scale, strata by centre; scaled Schoenfeld test. One "
            "test at 0.05; two-sided.",
            "At least 10 events per coefficient (F3: 58 events, 4 coefficients).",
            {},
        ),
    ),
    "Mendelian randomisation": (
        (
            "Instruments",
            "Variants with p < 5 × 10⁻⁸, clumped at r² < 0.001 in 10 Mb windows (1000 Genomes EUR), F > 10; "
            "palindromic ones with MAF > 0.42 are dropped. Harmonise to the exposure allele.",
            "Mean F above 30.",
            {},
        ),
        (
            "Estimates",
            "IVW with multiplicative random effects is primary. Weighted median, MR-Egger and MR-PRESSO (10,000 draws, "
            "seed 3) are sensitivity analyses; an Egger intercept with p < 0.05 is reported as pleiotropy.",
            "All four estimates with SE stand in a forest plot.",
            {},
        ),
    ),
    "model with held-out test": (
        (
            "Split",
            "Patients of GSE1992 are split 70:30 by `pid`, stratified by event (seed 42), before any gene is seen.",
            "86 and 38 patients; no `pid` in both.",
            {"seed": "42"},
        ),
        (
            "Elastic net",
            "Cox elastic net (glmnet 4.1, α = 0.5, λ at the minimum of 10-fold deviance), genes standardised within "
            "each training fold only. The linear predictor is applied once to the 38 patients: Harrell's C with "
            "bootstrap CI (1,000). C > 0.6 is the success criterion. Proportional hazards by cox.zph.",
            "Between 5 and 60 genes have a coefficient.",
            {},
        ),
    ),
}
"""Name of a plan -> its steps: title, action, acceptance, parameters."""


def known() -> CheckContext:
    """The run around the plans: two cohorts with the columns that they name, and arrays of their own."""
    base = context()
    columns = (
        Column(name="array", dtype="text", levels=("GSM140983", "GSM141004", "GSM141010")),
        *(Column(name=n, dtype="number", role=_ROLES.get(n, "other")) for n in NAMES),
    )
    made = {}
    for name, n in (("GSE1992", 124), ("GSE4335", 115)):
        found = dataset(name, "discovery" if name == "GSE1992" else "validation", n)
        sheet = found.files[1].model_copy(update={"columns": columns, "sample_column": "pid"})
        made[name] = found.model_copy(update={"files": (found.files[0], sheet), "assay": None})
    return CheckContext(paper_ids=base.paper_ids, reports=base.reports, datasets=made)


_ROLES = {"pid": "id", "er_positive": "group", "time": "time", "event": "event", "batch": "batch"}


def strong(name: str) -> Protocol:
    """One of the plans as a protocol of one part."""
    own = "GSE4335" in str(PLANS[name])
    datasets = ("GSE1992", "GSE4335") if own else ("GSE1992",)
    steps = tuple(
        ProtocolStep(
            id=f"1.{n}",
            title=title,
            action=action,
            acceptance=acceptance,
            parameters=tuple(Parameter(name=k, value=v) for k, v in parameters.items()),
            inputs=(
                StepInput(name="samples", source="dataset:GSE1992/samples")
                if n == 1
                else StepInput(name="table", source=f"step:1.{n - 1}/table_{n - 1}"),
            ),
            outputs=(StepOutput(name=f"table_{n}", kind="table", description="what the step computes"),),
            datasets=datasets,
            software=(R,),
            kind="dry",
            citations=CITED,
            origin="model",
        )
        for n, (title, action, acceptance, parameters) in enumerate(PLANS[name], 1)
    )
    part = ProtocolPart(id="1", title=name.capitalize(), purpose="Answer the question by one plan.", steps=steps)
    return Protocol(id="o", title=f"Plan: {name}", objective_id="o", parts=(part,), origin="model")
