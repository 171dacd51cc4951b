"""Wrong and right sentences on made findings of still other kinds: pairs, several groups, slopes, agreement, cells."""

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


FINDINGS = (
    found(
        "M1.1",
        "In pairs, LDL after treatment is lower than before (mean paired difference -0.62 mmol/l, 95 % CI -0.81 to "
        "-0.43, p = 4.0e-08; 58 complete pairs; 6 of 64 patients without a second value are left out).",
        {
            "kind": "difference",
            "measure": "LDL",
            "contrast": Compared(column="visit", case="after", control="before"),
            "effect": "difference of means",
            "estimate": -0.62,
            "low": -0.81,
            "high": -0.43,
            "p": 4.0e-08,
            "n": 116,
            "pairs": 58,
            "missing": 6,
            "test": "paired t test",
        },
        difference=-0.62,
        low=-0.81,
        high=-0.43,
        p=4.0e-08,
        pairs=58,
        left_out=6,
    ),
    found(
        "M1.2",
        "In pairs, HDL after treatment is not shown to differ from before (mean paired difference 0.02 mmol/l, 95 % CI "
        "-0.03 to 0.07, p = 0.41; 58 complete pairs).",
        {
            "kind": "difference",
            "measure": "HDL",
            "contrast": Compared(column="visit", case="after", control="before"),
            "effect": "difference of means",
            "estimate": 0.02,
            "low": -0.03,
            "high": 0.07,
            "p": 0.41,
            "n": 116,
            "pairs": 58,
            "test": "paired t test",
        },
        difference=0.02,
        low=-0.03,
        high=0.07,
        p=0.41,
        pairs=58,
    ),
    found(
        "M2.1",
        "In mice, body weight differs among the 4 diets (Kruskal-Wallis p = 0.0031; n = 48, 12 per diet): medians are "
        "31.2 g (high-fat), 28.4 g (western), 25.9 g (chow) and 25.1 g (fasting).",
        {
            "kind": "difference",
            "measure": "weight",
            "contrast": Compared(column="diet", levels=("high-fat", "western", "chow", "fasting")),
            "p": 0.0031,
            "n": 48,
            "groups": {"high-fat": 12, "western": 12, "chow": 12, "fasting": 12},
            "test": "Kruskal-Wallis",
        },
        p=0.0031,
        n=48,
    ),
    found(
        "M2.2",
        "In mice, weight in high-fat is higher than in chow (difference of medians 5.3 g, p = 0.004 after Holm), "
        "weight in fasting is not shown to differ from chow (difference of medians -0.8 g, p = 0.52 after Holm).",
        None,
        p_high_fat=0.004,
        p_fasting=0.52,
    ),
    found(
        "M3.1",
        "In cohort, with sex and smoking in the model, FEV1 falls with age (linear regression, -28 ml per year, 95 % "
        "CI -35 to -21, p = 2.0e-13; n = 611; R² 0.34).",
        {
            "kind": "association",
            "measure": "age",
            "effect": "regression coefficient",
            "estimate": -28,
            "low": -35,
            "high": -21,
            "p": 2.0e-13,
            "n": 611,
            "terms": ["sex", "smoking"],
            "test": "linear regression",
        },
        coefficient=-28,
        low=-35,
        high=-21,
        p=2.0e-13,
        n=611,
        r2=0.34,
    ),
    found(
        "M3.2",
        "In cohort, an interaction of age and smoking is not shown (p = 0.18; n = 611).",
        {"kind": "association", "measure": "age", "p": 0.18, "n": 611, "test": "linear regression"},
        p=0.18,
        n=611,
    ),
    found(
        "M4.1",
        "In slides, the two readers agree in 71 of 90 slides (78.9 %; Cohen's kappa 0.61, 95 % CI 0.46 to 0.76).",
        None,
        agreed=71,
        n=90,
        percent_agreed=78.9,
        kappa=0.61,
        low=0.46,
        high=0.76,
    ),
    found(
        "M5.1",
        "In blood, 3 of 14 cell types differ in their share between severe (n = 22) and mild (n = 31) at FDR < 0.05: "
        "NEUTROPHILS (log2 fold change 1.4, FDR = 0.0002), CD8T (log2 fold change -1.1, FDR = 0.003), PDC (log2 fold "
        "change -2.0, FDR = 0.009).",
        {
            "kind": "difference",
            "measure": "cells",
            "contrast": Compared(column="severity", case="severe", control="mild"),
            "fdr": 0.05,
            "tested": 14,
            "called": 3,
            "higher": 1,
            "lower": 2,
            "n": 53,
            "groups": {"severe": 22, "mild": 31},
        },
        tested=14,
        called=3,
    ),
    found(
        "M6.1",
        "In bootstrap, the calibration slope of the model is 0.81 (95 % CI 0.66 to 0.97; n = 530, 96 events): its "
        "predictions are too extreme.",
        {
            "kind": "prediction",
            "effect": "calibration slope",
            "estimate": 0.81,
            "low": 0.66,
            "high": 0.97,
            "n": 530,
            "events": 96,
        },
        slope=0.81,
        low=0.66,
        high=0.97,
        n=530,
        events=96,
    ),
)

LIPIDS = AnsweredQuestion(
    id="B1",
    kind="difference",
    text="Difference of LDL and HDL by visit, in pairs.",
    column="visit",
    case="after",
    control="before",
)
DIETS = AnsweredQuestion(id="B2", kind="difference", text="Difference of weight by diet.", column="diet")
LUNG = AnsweredQuestion(id="B3", kind="association", text="Association of age with FEV1.", terms=("sex", "smoking"))
READERS = AnsweredQuestion(id="B4", kind="description", text="Agreement of two readers.")
CELLS = AnsweredQuestion(
    id="B5",
    kind="difference",
    text="Difference of cell types by severity.",
    column="severity",
    case="severe",
    control="mild",
)
MODEL = AnsweredQuestion(id="B6", kind="prediction", text="Calibration of the risk model.")

WRONG = [
    (LIPIDS, "M1.1", "LDL fell by 0.26 mmol/l (95 % CI -0.81 to -0.43)."),
    (LIPIDS, "M1.1", "LDL was higher after treatment than before (p = 4.0e-08)."),
    (LIPIDS, "M1.1", "LDL rose by 0.62 mmol/l after treatment."),
    (LIPIDS, "M1.1", "LDL was 0.62 mg/l lower after treatment."),
    (LIPIDS, "M1.1", "The comparison rests on 64 complete pairs."),
    (LIPIDS, "M1.1", "Treatment lowers LDL by 0.62 mmol/l."),
    (LIPIDS, "M1.1", "LDL was 62 % lower after treatment (p = 4.0e-08)."),
    (LIPIDS, "M1.2", "HDL rose after treatment (0.02 mmol/l)."),
    (LIPIDS, "M1.2", "HDL was the same before and after treatment (p = 0.41)."),
    (LIPIDS, "M1.1 M1.2", "Both lipids changed significantly after treatment."),
    (LIPIDS, "M1.1", "All 64 patients had a lower LDL after treatment."),
    (DIETS, "M2.1", "Weight differs among the 5 diets (p = 0.0031)."),
    (DIETS, "M2.1", "The western diet has the highest median weight, 31.2 g."),
    (DIETS, "M2.1", "Each diet differs from the others (Kruskal-Wallis p = 0.0031)."),
    (DIETS, "M2.1", "The median of western is 25.9 g."),
    (DIETS, "M2.1", "Weight did not differ among the diets (p = 0.0031)."),
    (DIETS, "M2.2", "Fasting mice were lighter than chow mice (p = 0.52)."),
    (DIETS, "M2.2", "Weight in high-fat exceeds that in chow by 3.5 g."),
    (DIETS, "M2.2", "Weight in high-fat is lower than in chow (5.3 g, p = 0.004)."),
    (LUNG, "M3.1", "FEV1 rises with age (28 ml per year)."),
    (LUNG, "M3.1", "FEV1 falls by 28 ml per month of age."),
    (LUNG, "M3.1", "Age explains 43 % of the variance (R² 0.43)."),
    (LUNG, "M3.1", "Older people had a higher FEV1 (n = 611)."),
    (LUNG, "M3.1", "Ageing damages the lungs: FEV1 falls by 28 ml per year."),
    (LUNG, "M3.2", "The fall with age is steeper in smokers (p = 0.18)."),
    (LUNG, "M3.2", "Smoking modifies the association of age with FEV1."),
    (LUNG, "M3.1", "With sex, smoking and height in the model FEV1 falls by 28 ml per year."),
    (READERS, "M4.1", "The readers agree in 71 of 99 slides."),
    (READERS, "M4.1", "Cohen's kappa is 0.79."),
    (READERS, "M4.1", "The readers disagree in 71 of 90 slides."),
    (READERS, "M4.1", "Agreement is almost perfect (kappa 0.61)."),
    (CELLS, "M5.1", "NEUTROPHILS are less frequent in severe (log2 fold change 1.4)."),
    (CELLS, "M5.1", "Two cell types are higher and one is lower in severe."),
    (CELLS, "M5.1", "CD8T has the largest change (log2 fold change -2.0)."),
    (CELLS, "M5.1", "3 of 14 cell types differ between 31 severe and 22 mild cases."),
    (CELLS, "M5.1", "PDC are depleted by severe disease (FDR = 0.009)."),
    (MODEL, "M6.1", "The calibration slope is 0.81, so that the predictions are too moderate."),
    (MODEL, "M6.1", "The model is well calibrated (slope 0.81)."),
    (MODEL, "M6.1", "The calibration slope is 0.81 (95 % CI 0.66 to 0.79)."),
    (MODEL, "M6.1", "The model is ready to guide treatment (slope 0.81)."),
]

RIGHT = [
    (LIPIDS, "M1.1", "LDL is lower after treatment than before (mean paired difference -0.62 mmol/l, p = 4.0e-08)."),
    (LIPIDS, "M1.1", "After treatment LDL was 0.62 mmol/l lower (95 % CI 0.43 to 0.81; 58 pairs)."),
    (LIPIDS, "M1.1", "Six of 64 patients have no second value and are left out."),
    (LIPIDS, "M1.2", "No difference of HDL before and after treatment is shown (p = 0.41; 58 pairs)."),
    (DIETS, "M2.1", "Weight differs among the four diets (Kruskal-Wallis p = 0.0031; n = 48)."),
    (DIETS, "M2.1", "The median weight is highest with high-fat (31.2 g) and lowest with fasting (25.1 g)."),
    (DIETS, "M2.2", "Weight in high-fat is 5.3 g higher than in chow (p = 0.004 after Holm)."),
    (DIETS, "M2.2", "Fasting is not shown to differ from chow (p = 0.52)."),
    (LUNG, "M3.1", "FEV1 falls by 28 ml per year of age (95 % CI 21 to 35), with sex and smoking in the model."),
    (LUNG, "M3.1", "Older people had a lower FEV1 (-28 ml per year; n = 611)."),
    (LUNG, "M3.2", "An interaction of age and smoking is not shown (p = 0.18)."),
    (READERS, "M4.1", "The readers agree in 71 of 90 slides (78.9 %), with a kappa of 0.61."),
    (READERS, "M4.1", "They disagree in 19 of 90 slides."),
    (CELLS, "M5.1", "3 of 14 cell types differ between severe and mild: one is higher and two are lower in severe."),
    (CELLS, "M5.1", "NEUTROPHILS are more frequent in severe than in mild (log2 fold change 1.4, FDR = 0.0002)."),
    (CELLS, "M5.1", "PDC has the largest change (log2 fold change -2.0)."),
    (MODEL, "M6.1", "The calibration slope is 0.81 (95 % CI 0.66 to 0.97), so the predictions are too extreme."),
    (MODEL, "M6.1", "The interval of the slope (0.66 to 0.97) excludes 1."),
]


@pytest.mark.parametrize(("question", "cited", "text"), WRONG)
def test_a_wrong_sentence_is_left_out(question: AnsweredQuestion, cited: str, text: str) -> None:
    assert why_left_out(LineDraft(text=text, findings=tuple(cited.split())), question, FINDINGS)


@pytest.mark.parametrize(("question", "cited", "text"), RIGHT)
def test_a_right_sentence_is_kept(question: AnsweredQuestion, cited: str, text: str) -> None:
    assert why_left_out(LineDraft(text=text, findings=tuple(cited.split())), question, FINDINGS) == ""
