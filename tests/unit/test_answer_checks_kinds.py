"""Wrong and right sentences on made findings of other kinds: associations, curves, areas, pooled effects, wells."""

from __future__ import annotations

from typing import Any

import pytest

from bioresearcher.schemas.ask_answer import AnsweredQuestion, CitedFinding, LineDraft
from bioresearcher.schemas.execution import Compared, Result
from bioresearcher.stages.answer_check import why_left_out


def found(name: str, statement: str, result: dict[str, Any] | None = None, /, **values: Any) -> CitedFinding:
    return CitedFinding(
        id=name, statement=statement, values=values, result=Result.model_validate(result) if result else None
    )


def two(column: str, case: str, control: str) -> Compared:
    return Compared(column=column, case=case, control=control)


FINDINGS = (
    found(
        "K1.1",
        "In cohort, ferritin and CRP have rho 0.41 (95 % CI 0.25 to 0.55, p = 3.1e-06; n = 118).",
        {
            "kind": "association",
            "measure": "ferritin",
            "effect": "correlation",
            "estimate": 0.41,
            "low": 0.25,
            "high": 0.55,
            "p": 3.1e-06,
            "n": 118,
            "test": "Spearman",
        },
        name="ferritin",
        rho=0.41,
        rho_low=0.25,
        rho_high=0.55,
        p=3.1e-06,
        n=118,
    ),
    found(
        "K1.2",
        "In cohort, haemoglobin and CRP have rho -0.28 (95 % CI -0.44 to -0.11, p = 0.0018; n = 121).",
        {
            "kind": "association",
            "measure": "haemoglobin",
            "effect": "correlation",
            "estimate": -0.28,
            "low": -0.44,
            "high": -0.11,
            "p": 0.0018,
            "n": 121,
            "test": "Spearman",
        },
        name="haemoglobin",
        rho=-0.28,
        rho_low=-0.44,
        rho_high=-0.11,
        p=0.0018,
        n=121,
    ),
    found(
        "K1.3",
        "In cohort, albumin and CRP have rho -0.09 (95 % CI -0.27 to 0.09, p = 0.32; n = 120).",
        {
            "kind": "association",
            "measure": "albumin",
            "effect": "correlation",
            "estimate": -0.09,
            "low": -0.27,
            "high": 0.09,
            "p": 0.32,
            "n": 120,
            "test": "Spearman",
        },
        name="albumin",
        rho=-0.09,
        rho_low=-0.27,
        rho_high=0.09,
        p=0.32,
        n=120,
    ),
    found(
        "K2.1",
        "In plates, cisplatin has an EC50 of 4.2 µM (95 % CI 3.1 to 5.7; four-parameter log-logistic, slope 1.6, "
        "response from 98 without substance to 6 at high doses; 48 wells at 8 doses).",
        None,
        curve="cisplatin",
        ec50=4.2,
        low=3.1,
        high=5.7,
        slope=1.6,
        without_substance=98,
        at_high_doses=6,
        n=48,
        doses=8,
    ),
    found(
        "K2.2",
        "In plates, olaparib has no EC50: no plateau at high doses: at 30 the curve has come 41 % of its way.",
        None,
        curve="olaparib",
        why_not="no plateau at high doses: at 30 the curve has come 41 % of its way",
    ),
    found(
        "K3.1",
        "In cohort, the area under the ROC curve of procalcitonin for sepsis = yes against no is 0.842 (95 % CI 0.771 "
        "to 0.913, DeLong; Mann-Whitney p = 2.4e-09; n = 140, 52 with sepsis = yes); higher values go with yes. At the "
        "best threshold on these rows, 0.85, sensitivity is 81 % and specificity 76 %: chosen on the same rows, it "
        "promises too much for new ones.",
        {
            "kind": "prediction",
            "measure": "procalcitonin",
            "contrast": two("sepsis", "yes", "no"),
            "effect": "auc",
            "estimate": 0.842,
            "low": 0.771,
            "high": 0.913,
            "p": 2.4e-09,
            "n": 140,
            "groups": {"yes": 52, "no": 88},
        },
        variable="procalcitonin",
        auc=0.842,
        low=0.771,
        high=0.913,
        p=2.4e-09,
        n=140,
        cases=52,
        threshold=0.85,
        sensitivity=81,
        specificity=76,
        outcome="sepsis = yes",
    ),
    found(
        "K3.2",
        "In cohort, the areas of procalcitonin and CRP are not shown to differ (difference 0.036, 95 % CI -0.031 to "
        "0.103, p = 0.29; DeLong, each in its own direction, n = 138 with both).",
        {"kind": "prediction", "measure": "procalcitonin", "contrast": two("sepsis", "yes", "no"), "p": 0.29, "n": 138},
        difference=0.036,
        low=-0.031,
        high=0.103,
        p=0.29,
        n=138,
    ),
    found(
        "K4.1",
        "In trials, the pooled odds ratio of 9 studies is 0.72 (95 % CI 0.58 to 0.89, p = 0.0027), random effects. I² "
        "is 46 % and tau² 0.05; the prediction interval is 0.43 to 1.21.",
        {"kind": "synthesis", "effect": "odds ratio", "estimate": 0.72, "low": 0.58, "high": 0.89, "p": 0.0027, "n": 9},
        k=9,
        pooled=0.72,
        low=0.58,
        high=0.89,
        p=0.0027,
        i2=46,
        tau2=0.05,
        prediction_low=0.43,
        prediction_high=1.21,
    ),
    found(
        "K5.1",
        "In wells, IL6 in treated is 3.4 times that in vehicle (95 % CI 2.1 to 5.5, p = 0.0009, FDR 0.0027; ΔΔCt "
        "-1.77; Welch's t-test on ΔCt of 6 and 6 samples).",
        {
            "kind": "difference",
            "measure": "IL6",
            "contrast": two("arm", "treated", "vehicle"),
            "effect": "fold change",
            "estimate": 3.4,
            "low": 2.1,
            "high": 5.5,
            "p": 0.0009,
            "fdr": 0.0027,
            "n": 12,
            "groups": {"treated": 6, "vehicle": 6},
        },
        gene="IL6",
        fold_change=3.4,
        low=2.1,
        high=5.5,
        p=0.0009,
        fdr=0.0027,
        ddct=-1.77,
        n_case=6,
        n_control=6,
    ),
    found(
        "K5.2",
        "In wells, TNF in treated is 0.87 times that in vehicle (95 % CI 0.61 to 1.24, p = 0.4, FDR 0.4; ΔΔCt 0.2; "
        "Welch's t-test on ΔCt of 6 and 5 samples). 1 samples have no Ct of it or of a reference gene and are out.",
        {
            "kind": "difference",
            "measure": "TNF",
            "contrast": two("arm", "treated", "vehicle"),
            "effect": "fold change",
            "estimate": 0.87,
            "low": 0.61,
            "high": 1.24,
            "p": 0.4,
            "fdr": 0.4,
            "n": 11,
            "groups": {"treated": 6, "vehicle": 5},
        },
        gene="TNF",
        fold_change=0.87,
        low=0.61,
        high=1.24,
        p=0.4,
        fdr=0.4,
        ddct=0.2,
        n_case=6,
        n_control=5,
        left_out=1,
    ),
    found(
        "K6.1",
        "In tumours, the genes mutated most often in 214 patients or samples are TP53 (97, 45.3 %, 95 % CI 38.8 to "
        "52.0); PIK3CA (61, 28.5 %, 95 % CI 22.9 to 34.9); KMT2C (19, 8.9 %, 95 % CI 5.8 to 13.5).",
        None,
        total=214,
        TP53=97,
        PIK3CA=61,
        KMT2C=19,
    ),
    found(
        "K7.1",
        "In cohort, with age, sex in the model, smoking is associated with readmission = yes (logistic regression, "
        "odds ratio of smoking = yes against no 1.94 (95 % CI 1.22 to 3.08); p = 0.005; n = 402, 88 with "
        "readmission = yes).",
        {
            "kind": "association",
            "measure": "smoking",
            "contrast": two("smoking", "yes", "no"),
            "effect": "odds ratio",
            "estimate": 1.94,
            "low": 1.22,
            "high": 3.08,
            "p": 0.005,
            "n": 402,
            "events": 88,
            "terms": ["age", "sex"],
        },
        odds_ratio=1.94,
        low=1.22,
        high=3.08,
        p=0.005,
        n=402,
        cases=88,
    ),
)

CRP = AnsweredQuestion(id="A1", kind="association", text="Association of ferritin, haemoglobin, albumin with CRP.")
DOSE = AnsweredQuestion(id="A2", kind="description", text="Dose-response of cisplatin and olaparib.")
SEPSIS = AnsweredQuestion(
    id="A3", kind="prediction", text="Prediction of sepsis by procalcitonin.", column="sepsis", case="yes", control="no"
)
POOLED = AnsweredQuestion(id="A4", kind="synthesis", text="Pooled effect of corticosteroids on death, 9 trials.")
WELLS = AnsweredQuestion(
    id="A5",
    kind="difference",
    text="Difference of IL6 and TNF by arm.",
    column="arm",
    case="treated",
    control="vehicle",
)
GENES = AnsweredQuestion(id="A6", kind="description", text="Which genes are mutated most often?")
SMOKING = AnsweredQuestion(
    id="A7",
    kind="association",
    text="Association of smoking with readmission.",
    column="smoking",
    case="yes",
    control="no",
    terms=("age", "sex"),
)

WRONG = [
    (CRP, "K1.1", "Ferritin correlates with CRP (rho 0.44, 95 % CI 0.25 to 0.55)."),
    (CRP, "K1.1", "Ferritin falls as CRP rises (rho 0.41, p = 3.1e-06)."),
    (CRP, "K1.1", "Ferritin and CRP are inversely correlated (n = 118)."),
    (CRP, "K1.2", "Haemoglobin is positively correlated with CRP (n = 121)."),
    (CRP, "K1.2", "Patients with a higher CRP had higher haemoglobin (p = 0.0018)."),
    (CRP, "K1.3", "Albumin is negatively associated with CRP (rho -0.09)."),
    (CRP, "K1.1", "Ferritin is strongly determined by CRP (rho 0.41)."),
    (CRP, "K1.1 K1.2 K1.3", "All three markers are correlated with CRP."),
    (CRP, "K1.1", "CRP raises ferritin (rho 0.41, n = 118)."),
    (CRP, "K1.1 K1.2", "The correlation is closer for haemoglobin (rho -0.28) than for ferritin (rho 0.41)."),
    (DOSE, "K2.1", "Cisplatin has an EC50 of 4.2 nM (95 % CI 3.1 to 5.7)."),
    (DOSE, "K2.1", "The EC50 of cisplatin is 2.4 µM."),
    (DOSE, "K2.1", "The curve of cisplatin rests on 84 wells at 8 doses."),
    (DOSE, "K2.2", "Olaparib has an EC50 of 30 µM."),
    (SEPSIS, "K3.1", "Procalcitonin separates the groups with an AUC of 0.914."),
    (SEPSIS, "K3.1", "Sensitivity is 76 % and specificity 81 % at 0.85."),
    (SEPSIS, "K3.1", "Lower procalcitonin goes with sepsis (AUC 0.842)."),
    (SEPSIS, "K3.1", "Of 140 patients, 88 had sepsis."),
    (SEPSIS, "K3.1", "Procalcitonin will identify 81 % of new patients with sepsis."),
    (SEPSIS, "K3.2", "Procalcitonin is better than CRP (difference 0.036)."),
    (SEPSIS, "K3.2", "Procalcitonin and CRP predict sepsis equally well (p = 0.29)."),
    (POOLED, "K4.1", "The pooled odds ratio of 9 trials is 0.72 (95 % CI 0.43 to 1.21)."),
    (POOLED, "K4.1", "The pooled odds of death are 38 % lower (odds ratio 0.72)."),
    (POOLED, "K4.1", "The pooled odds ratio is 0.72, so the odds are higher with the treatment."),
    (POOLED, "K4.1", "There was no heterogeneity between the 9 studies (I² 46 %)."),
    (POOLED, "K4.1", "Corticosteroids lower the odds of death and should be given (odds ratio 0.72)."),
    (WELLS, "K5.1", "IL6 is 3.4 times lower in treated than in vehicle."),
    (WELLS, "K5.1", "IL6 rises 5.5-fold in treated cells (95 % CI 2.1 to 5.5)."),
    (WELLS, "K5.1", "IL6 is 3.4 % higher in treated samples (p = 0.0009)."),
    (WELLS, "K5.2", "TNF is reduced in treated samples (0.87 times, p = 0.4)."),
    (WELLS, "K5.1 K5.2", "Both genes differ between treated and vehicle."),
    (GENES, "K6.1", "PIK3CA is mutated in 61 % of patients."),
    (GENES, "K6.1", "PIK3CA is mutated most often (97 of 214)."),
    (GENES, "K6.1", "TP53 is mutated in 97 of 241 patients."),
    (SMOKING, "K7.1", "Smokers have 94 % higher risk of readmission because of smoking (odds ratio 1.94)."),
    (SMOKING, "K7.1", "Smoking nearly doubles the odds of readmission after adjustment for age, sex and diabetes."),
    (SMOKING, "K7.1", "Smokers are less likely to be readmitted (odds ratio 1.94, p = 0.005)."),
    (SMOKING, "K7.1", "The hazard ratio of smoking is 1.94 (95 % CI 1.22 to 3.08)."),
    (SMOKING, "K7.1", "The odds ratio is 1.94 in 402 patients, of whom 98 were readmitted."),
]

RIGHT = [
    (CRP, "K1.1", "Ferritin rises with CRP (rho 0.41, 95 % CI 0.25 to 0.55, n = 118)."),
    (CRP, "K1.1", "Patients with a higher CRP tend to have more ferritin (rho 0.41)."),
    (CRP, "K1.2", "Haemoglobin is negatively correlated with CRP (rho -0.28, p = 0.0018)."),
    (CRP, "K1.3", "No correlation of albumin with CRP is shown (rho -0.09, p = 0.32; n = 120)."),
    (
        CRP,
        "K1.1 K1.2",
        "Ferritin (rho 0.41) and haemoglobin (rho -0.28) are correlated with CRP, in opposite directions.",
    ),
    (DOSE, "K2.1", "The EC50 of cisplatin is 4.2 µM (95 % CI 3.1 to 5.7; 48 wells)."),
    (DOSE, "K2.2", "Olaparib has no EC50, as its curve reaches no plateau at high doses."),
    (
        SEPSIS,
        "K3.1",
        "Procalcitonin has an area under the ROC curve of 0.84 (95 % CI 0.77 to 0.91; 52 of 140 with sepsis).",
    ),
    (SEPSIS, "K3.1", "Sensitivity is 81 % and specificity 76 % at a threshold chosen on the same rows."),
    (SEPSIS, "K3.2", "The areas of procalcitonin and CRP are not shown to differ (p = 0.29)."),
    (POOLED, "K4.1", "The pooled odds ratio of 9 studies is 0.72 (95 % CI 0.58 to 0.89), with an I² of 46 %."),
    (
        POOLED,
        "K4.1",
        "The odds are 28 % lower (pooled odds ratio 0.72), but the prediction interval (0.43 to 1.21) holds 1.",
    ),
    (WELLS, "K5.1", "IL6 is 3.4-fold higher in treated than in vehicle (95 % CI 2.1 to 5.5, p = 0.0009)."),
    (WELLS, "K5.2", "No difference of TNF between treated and vehicle is shown (fold change 0.87, p = 0.4)."),
    (WELLS, "K5.1 K5.2", "IL6 differs between the arms (p = 0.0009), TNF does not (p = 0.4)."),
    (GENES, "K6.1", "TP53 is mutated most often, in 97 of 214 patients (45.3 %)."),
    (GENES, "K6.1", "PIK3CA is mutated in 28.5 % of the patients (95 % CI 22.9 to 34.9)."),
    (
        SMOKING,
        "K7.1",
        "Smoking goes with higher odds of readmission, with age and sex in the model (odds ratio 1.94, p = 0.005).",
    ),
    (SMOKING, "K7.1", "88 of 402 patients were readmitted (21.9 %)."),
]


@pytest.mark.parametrize(("question", "cited", "text"), WRONG)
def test_a_wrong_sentence_is_left_out(question: AnsweredQuestion, cited: str, text: str) -> None:
    assert why_left_out(LineDraft(text=text, findings=tuple(cited.split())), question, FINDINGS)


@pytest.mark.parametrize(("question", "cited", "text"), RIGHT)
def test_a_right_sentence_is_kept(question: AnsweredQuestion, cited: str, text: str) -> None:
    assert why_left_out(LineDraft(text=text, findings=tuple(cited.split())), question, FINDINGS) == ""
