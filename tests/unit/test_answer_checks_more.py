"""More wrong and right sentences, in wordings of papers' abstracts; written after the checks were."""

from __future__ import annotations

import pytest
from answer_support import ER, FINDINGS, OUTCOME

from bioresearcher.schemas.ask_answer import AnsweredQuestion, LineDraft
from bioresearcher.stages.answer_check import why_left_out

WRONG = [
    # numbers
    (ER, "T9.1", "We identified 1,709 differentially expressed genes between ER-positive and ER-negative tumours."),
    (ER, "T9.1", "Of 4,695 genes, 1,708 (26.4 %) were differentially expressed (FDR < 0.05)."),
    (ER, "T9.1", "In total 70 ER-negative and 45 ER-positive tumours were compared."),
    (ER, "T9.3", "After exclusion of 12 samples, 115 samples and 4,695 genes remained."),
    (ER, "T11.1", "HALLMARK_ESTROGEN_RESPONSE_EARLY (68 of 155 genes, FDR = 1.9e-18) was over-represented."),
    (ER, "T11.2", "HALLMARK_G2M_CHECKPOINT was over-represented (FDR = 4.4e-31)."),
    (ER, "T12.2", "HALLMARK_ESTROGEN_RESPONSE_LATE showed the highest enrichment (NES 2.81)."),
    (
        OUTCOME,
        "T16.2",
        "On multivariable analysis the score was associated with the hazard (HR 1.16, 95% CI 1.16-3.00; p = 0.01).",
    ),
    (OUTCOME, "T16.2", "In multivariable Cox regression (76 patients, 28 events) the HR was 1.87."),
    (OUTCOME, "T16.2", "The adjusted HR was 1.87 (95% CI: 1.16-2.71)."),
    (OUTCOME, "T17.2", "In the validation cohort the C-index was 0.61 (HR per SD 1.85)."),
    (OUTCOME, "T17.2", "The validation cohort of 122 patients had 38 events."),
    (OUTCOME, "T17.2", "HR = 1.85 per 1 unit of the score (p = 0.0017)."),
    (ER, "T3.2", "The median follow-up was 20 months (range 1 to 118)."),
    (ER, "T3.2", "28 of 117 patients (29.3 %) had the event."),
    # directions
    (OUTCOME, "T16.2", "High HALLMARK_E2F_TARGETS scores were associated with better prognosis (HR 1.87, p = 0.01)."),
    (OUTCOME, "T17.2", "High scores predicted reduced mortality in GSE4335 (HR 1.85)."),
    (OUTCOME, "T17.2", "Low scores were associated with poor survival in GSE4335."),
    (ER, "T9.2", "GATA3 and SCUBE2 were down-regulated in ER-positive tumours."),
    (ER, "T9.2", "GATA3 expression was elevated in ER-negative tumours (mean difference 2.09)."),
    (ER, "T12.3", "HALLMARK_G2M_CHECKPOINT was up-regulated in ER-positive tumours (NES -2.89)."),
    # significance, strength, replication
    (OUTCOME, "T17.1", "In GSE1992 the score was a significant predictor of the event (p = 0.48)."),
    (OUTCOME, "T17.1", "The score was prognostic in the discovery cohort (HR per SD 1.15, 95 % CI 0.78 to 1.71)."),
    (OUTCOME, "T17.1", "A borderline association was seen in the discovery cohort (p = 0.48)."),
    (OUTCOME, "T17.2", "There was no association in GSE4335 (HR per SD 1.85, p = 0.0017)."),
    (OUTCOME, "T17.3", "The signature was successfully validated in an independent cohort, GSE4335."),
    (OUTCOME, "T16.2", "These data prove that the score is associated with the hazard."),
    (OUTCOME, "T16.2", "The score is an independent predictor of striking prognostic value (HR 1.87)."),
    # causes and advice
    (OUTCOME, "T16.2", "E2F activity shortens survival (HR per SD 1.87)."),
    (OUTCOME, "T16.2", "The higher hazard (HR per SD 1.87) is due to proliferation."),
    (ER, "T9.1", "Oestrogen receptor status affects 1,708 of 4,695 genes."),
    (ER, "T11.2", "Loss of the receptor activates HALLMARK_E2F_TARGETS (98 of 154 genes)."),
    (OUTCOME, "T16.2", "We recommend testing the score before chemotherapy (HR 1.87)."),
    (OUTCOME, "T16.2", "The score can be used to guide therapy in breast cancer (HR 1.87)."),
    # a third part
    (ER, "T9.1", "At an FDR of 5 %, 1,708 genes differed: 944 up and 764 down in ER-positive tumours."),
    (ER, "T9.1", "Nearly half of the 4,695 genes differ between the groups."),
    (ER, "T9.2", "DNALI1 shows the largest difference, 2.34 (p = 4.5e-15)."),
    (ER, "T9.2", "The p-value of TBC1D9 is 1.8e-14."),
    (ER, "T11.1", "Three of 50 gene sets are over-represented among the genes higher in ER-positive."),
    (ER, "T12.3", "Ten gene sets are enriched towards ER-positive."),
    (OUTCOME, "T16.2", "Each SD of the score multiplies the hazard by 3.00 (95 % CI 1.16 to 3.00)."),
    (OUTCOME, "T16.2", "The risk of relapse rises because of the score (HR per SD 1.87)."),
    (OUTCOME, "T16.1", "The score is related to outcome in GSE1992 (HR per SD 1.15)."),
    (OUTCOME, "T17.1 T17.2", "Both cohorts show an association (p = 0.48 and p = 0.0017)."),
    (OUTCOME, "T17.3", "The result was reproduced in the second cohort."),
    (OUTCOME, "T16.2", "Patients with low scores died earlier (HR per SD 1.87)."),
    (OUTCOME, "T16.2", "Clinicians should measure the score."),
]

RIGHT = [
    (
        ER,
        "T9.1",
        "We compared 70 ER-positive with 45 ER-negative tumours and found 1,708 of 4,695 genes to differ (FDR < 0.05).",
    ),
    (ER, "T9.1", "Of the 4,695 genes tested, 1,708 (36.4 %) were differentially expressed."),
    (ER, "T9.1", "More genes were lower (944) than higher (764) in ER-positive tumours."),
    (ER, "T9.3", "Two samples with unknown receptor status were left out, so 115 samples remain."),
    (ER, "T9.2", "GATA3 was up-regulated in ER-positive tumours (mean difference 2.09, p = 1.1e-15)."),
    (
        ER,
        "T11.1",
        "HALLMARK_ESTROGEN_RESPONSE_EARLY was over-represented among genes higher in ER-positive "
        "tumours (73 of 155 genes).",
    ),
    (
        ER,
        "T12.2",
        "HALLMARK_ESTROGEN_RESPONSE_EARLY is the strongest set towards ER-positive (NES 2.81, FDR at most 0.001).",
    ),
    (
        OUTCOME,
        "T16.2",
        "On multivariable analysis a higher score was associated with the hazard (HR 1.87, 95% CI "
        "1.16-3.00; p = 0.01).",
    ),
    (
        OUTCOME,
        "T16.2",
        "High scores were associated with poor prognosis in GSE1992 (HR per SD 1.87; 25 events in 76 patients).",
    ),
    (
        OUTCOME,
        "T16.1",
        "On univariable analysis the score was not significantly associated with the hazard (HR 1.15; p = 0.48).",
    ),
    (
        OUTCOME,
        "T17.2",
        "In GSE4335 (n = 112, 38 events) higher scores went with a higher hazard (HR per SD 1.85, "
        "95 % CI 1.26 to 2.73).",
    ),
    (OUTCOME, "T17.2", "The C-index in GSE4335 was 0.63."),
    (
        OUTCOME,
        "T17.1 T17.2",
        "The score was associated with the hazard in GSE4335 (p = 0.0017), but not in GSE1992 (p = 0.48).",
    ),
    (OUTCOME, "T17.3", "Because no association was seen in GSE1992, there was none that GSE4335 could confirm."),
    (OUTCOME, "T16.2", "The model has only 5 events per coefficient, fewer than 10."),
    (OUTCOME, "T16.2", "Whether proliferation causes the higher hazard cannot be told from these data."),
    (ER, "T3.2", "28 of 117 samples (23.9 %) have the event; the unit of the time is not stated."),
    (ER, "T9.1", "764 genes are up and 944 down in ER-positive tumours at an FDR below 0.05."),
    (ER, "T9.2", "DNALI1 differs by 2.43 (p = 4.5e-15)."),
    (ER, "T11.1", "Two of 50 gene sets are over-represented among the genes higher in ER-positive."),
    (ER, "T12.3", "Ten gene sets are enriched towards ER-negative."),
    (OUTCOME, "T16.2", "After adjustment, each SD of the score goes with a hazard ratio of 1.87 (1.16 to 3.00)."),
    (OUTCOME, "T17.1 T17.2", "An association is seen in GSE4335 (p = 0.0017) but not in GSE1992 (p = 0.48)."),
    (OUTCOME, "T17.3", "The result was not reproduced in the second cohort."),
    (OUTCOME, "T16.2", "The interval is wide (95 % CI 1.16 to 3.00), as there are 25 events."),
]


@pytest.mark.parametrize(("question", "cited", "text"), WRONG)
def test_a_wrong_sentence_is_left_out(question: AnsweredQuestion, cited: str, text: str) -> None:
    assert why_left_out(LineDraft(text=text, findings=tuple(cited.split())), question, FINDINGS)


@pytest.mark.parametrize(("question", "cited", "text"), RIGHT)
def test_a_right_sentence_is_kept(question: AnsweredQuestion, cited: str, text: str) -> None:
    assert why_left_out(LineDraft(text=text, findings=tuple(cited.split())), question, FINDINGS) == ""
