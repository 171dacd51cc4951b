"""Sentences of an answer against the findings they cite: wrong ones are left out with the reason, right ones kept."""

from __future__ import annotations

import pytest
from answer_support import ER, FINDINGS, OUTCOME

from bioresearcher.schemas.ask_answer import AnsweredQuestion, LineDraft
from bioresearcher.stages.answer_check import why_left_out

WRONG = [
    # numbers: value, rounding, unit, n, part
    (ER, "T9.1", "1,780 of 4,695 genes differ between ER-positive and ER-negative samples at FDR < 0.05."),
    (ER, "T9.1", "1,708 of 4,965 genes differ between ER-positive and ER-negative samples."),
    (ER, "T9.1", "46 % of the tested genes differ between the groups at FDR < 0.05."),
    (ER, "T9.1", "Between ER-positive (n = 45) and ER-negative (n = 70) samples 1,708 genes differ."),
    (ER, "T9.1", "1,708 of 4,695 genes differ at FDR < 0.01."),
    (ER, "T9.2", "SCUBE2 (mean difference 2.09, p = 2e-16) differs between the groups."),
    (ER, "T9.2", "GATA3 has a mean difference of 2.09 (p = 2e-16)."),
    (ER, "T9.2", "The genes with the smallest p-values are led by ESR1 (mean difference 1.91, p = 2e-16)."),
    (OUTCOME, "T16.2", "The score goes with the hazard in GSE1992: HR per SD 1.78 (95 % CI 1.16 to 3.00, p = 0.01)."),
    (OUTCOME, "T16.2", "The score goes with the hazard: HR per SD 1.87 (95 % CI 1.26 to 3.00, p = 0.01)."),
    (OUTCOME, "T16.2", "The score goes with the hazard: HR per SD 1.87 (95 % CI 1.16 to 3.00, p = 0.001)."),
    (OUTCOME, "T16.2", "The score goes with the hazard: HR per SD 1.87 (95 % CI 1.16 to 3.00; n = 94)."),
    (OUTCOME, "T16.2", "HR per SD 1.87 in 25 patients with 76 events."),
    (OUTCOME, "T16.2", "The hazard ratio per SD of the score is 2."),
    (OUTCOME, "T16.2", "The hazard ratio per year is 1.87 (95 % CI 1.16 to 3.00)."),
    (OUTCOME, "T16.2", "The hazard ratio is 1.87 (99 % CI 1.16 to 3.00)."),
    (OUTCOME, "T16.1 T16.2", "HR per SD 1.15 (95 % CI 1.16 to 3.00, p = 0.01) in GSE1992."),
    (OUTCOME, "T16.2", "The adjusted model holds 76 samples and a median follow-up of 25 months."),
    # directions
    (ER, "T9.1", "764 genes are lower and 944 higher in ER-positive samples."),
    (ER, "T9.1", "764 genes are higher in ER-negative samples."),
    (ER, "T9.2", "SCUBE2 is lower in ER-positive samples (mean difference 1.91)."),
    (
        ER,
        "T11.1",
        "Among the genes lower in ER-positive samples, HALLMARK_ESTROGEN_RESPONSE_EARLY is over-represented.",
    ),
    (ER, "T12.3", "HALLMARK_E2F_TARGETS is enriched towards ER-positive (NES -3.11)."),
    (OUTCOME, "T16.2", "A higher score goes with a lower hazard in GSE1992: HR per SD 1.87 (95 % CI 1.16 to 3.00)."),
    (OUTCOME, "T16.2", "A higher score goes with longer survival: HR per SD 1.87 (95 % CI 1.16 to 3.00)."),
    (OUTCOME, "T16.2", "A lower score goes with shorter survival: HR per SD 1.87 (95 % CI 1.16 to 3.00)."),
    # significance and strength
    (OUTCOME, "T16.1", "The score is significantly associated with the hazard (HR per SD 1.15, p = 0.48)."),
    (OUTCOME, "T16.1", "The score is associated with the hazard: HR per SD 1.15 (95 % CI 0.78 to 1.71)."),
    (OUTCOME, "T16.1", "The score shows a trend towards a higher hazard (HR per SD 1.15)."),
    (OUTCOME, "T16.2", "The score is strongly associated with the hazard: HR per SD 1.87, p = 0.01."),
    (OUTCOME, "T16.2", "The score is not associated with the hazard in the adjusted model (p = 0.01)."),
    (OUTCOME, "T16.1", "The score has no effect on the hazard: HR per SD 1.15, p = 0.48."),
    (OUTCOME, "T16.2", "The association is highly significant (p < 0.001)."),
    (OUTCOME, "T17.3", "The association replicated in GSE4335 (p = 0.0017)."),
    (OUTCOME, "T17.3", "GSE4335 confirmed the association of GSE1992 (p = 0.48)."),
    # causes, advice, names, comparisons
    (OUTCOME, "T16.2", "The score drives a higher hazard: HR per SD 1.87."),
    (OUTCOME, "T16.2", "A higher score leads to a higher hazard (HR per SD 1.87)."),
    (OUTCOME, "T16.2", "A lower score improves survival; the HR per SD is 1.87."),
    (ER, "T9.2", "The oestrogen receptor induces SCUBE2 (mean difference 1.91)."),
    (OUTCOME, "T16.2", "Patients with a high score should receive chemotherapy (HR per SD 1.87)."),
    (OUTCOME, "T16.2", "The score in METABRIC goes with a higher hazard: HR per SD 1.87."),
    (OUTCOME, "T17.1 T17.2", "The HR per SD is larger in GSE1992 (1.15) than in GSE4335 (1.85)."),
    (ER, "T11.2", "The strongest set is HALLMARK_G2M_CHECKPOINT (88 of 162 genes)."),
    (OUTCOME, "T16.2", "A higher score doubles the hazard in GSE1992."),
    (ER, "T9.1", "The majority of the tested genes differ between the groups."),
    (OUTCOME, "T99.1", "The score goes with a higher hazard: HR per SD 1.87."),
    (OUTCOME, "", "The score goes with a higher hazard: HR per SD 1.87."),
]

RIGHT = [
    (
        ER,
        "T9.1",
        "1,708 of 4,695 genes differ between ER-positive (n = 70) and ER-negative (n = 45) samples at FDR < 0.05.",
    ),
    (ER, "T9.1", "At FDR < 0.05, 764 genes are higher and 944 lower in ER-positive samples."),
    (ER, "T9.1", "764 genes are lower in ER-negative samples."),
    (ER, "T9.1", "36 % of the 4,695 tested genes differ between the groups."),
    (
        ER,
        "T9.2",
        "SCUBE2 (mean difference 1.9, p = 2e-16) and GATA3 (mean difference 2.1, p = 1.1e-15) are "
        "higher in ER-positive.",
    ),
    (
        ER,
        "T11.2",
        "Among the 944 genes lower in ER-positive samples, the strongest set is "
        "HALLMARK_E2F_TARGETS (98 of 154 genes).",
    ),
    (ER, "T12.3", "HALLMARK_E2F_TARGETS leads the sets enriched towards ER-negative (NES -3.11)."),
    (
        OUTCOME,
        "T16.2",
        "A higher score goes with a higher hazard: HR per SD 1.87 (95 % CI 1.16 to 3.00, p = 0.01; n = 76, 25 events).",
    ),
    (
        OUTCOME,
        "T16.2",
        "A higher E2F score was associated with shorter survival in GSE1992 (HR 1.9, 95 % CI 1.2 to 3.0).",
    ),
    (OUTCOME, "T16.2", "A low score goes with a lower hazard in GSE1992."),
    (
        OUTCOME,
        "T16.1",
        "No clear association with the hazard was seen: HR per SD 1.15 (95 % CI 0.78 to 1.71, p = 0.48).",
    ),
    (OUTCOME, "T16.1 T16.2", "Unadjusted the HR per SD is 1.15 (p = 0.48), adjusted it is 1.87 (p = 0.01)."),
    (OUTCOME, "T16.2", "With 25 events for 5 coefficients the estimate is fragile."),
    (OUTCOME, "T16.2", "The score is associated with the hazard (p < 0.05), but this does not show that it drives it."),
    (OUTCOME, "T17.1 T17.2", "The HR per SD is larger in GSE4335 (1.85) than in GSE1992 (1.15)."),
    (OUTCOME, "T17.3", "The association did not replicate: GSE1992 showed none (p = 0.48)."),
    (OUTCOME, "T17.3", "The sources do not state both endpoints, so the cohorts may count different events."),
    (OUTCOME, "T16.3", "Proportional hazards are doubtful for the score (p = 0.027)."),
]


@pytest.mark.parametrize(("question", "cited", "text"), WRONG)
def test_a_sentence_that_its_findings_do_not_bear_is_left_out(
    question: AnsweredQuestion, cited: str, text: str
) -> None:
    assert why_left_out(LineDraft(text=text, findings=tuple(cited.split())), question, FINDINGS)


@pytest.mark.parametrize(("question", "cited", "text"), RIGHT)
def test_a_sentence_that_its_findings_bear_is_kept(question: AnsweredQuestion, cited: str, text: str) -> None:
    assert why_left_out(LineDraft(text=text, findings=tuple(cited.split())), question, FINDINGS) == ""
