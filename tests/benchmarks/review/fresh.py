"""Other wordings of the defects that are sentences, written after the gates were changed and never used to change them.

They tell how far the gates see the defect and how far only the words of `defects.py`.
"""

from __future__ import annotations

FRESH: dict[str, tuple[str, str]] = {
    "placeholder": ("Primer sequences: <to follow>.", "Insert the cohort's name before submission."),
    "vague_words": ("Filter out bad cells.", "Use enough material and mix thoroughly."),
    "open_choice": ("Align with STAR (or HISAT2 if preferred).", "Apply a test like the t-test."),
    "malformed_accession": ("The accession is E-MTAB-XXXX.", "The settings are in doi: 10.1000/xxxx."),
    "invented_citation": (
        "The threshold was recommended by Brandt and colleagues (2015).", "Settings follow PMID 29999123.",
    ),
    "impossible_statistics": (
        "The AUC must exceed 1.2.", "Keep variants with a minor allele frequency of at least 0.8.",
    ),
    "results_claimed": (
        "The score predicted relapse in both cohorts with an AUC of 0.91.", "The treatment reduced growth by 43 %.",
    ),
    "early_selection": (
        "Impute and scale all samples together, then divide them into training and test data.",
        "Pick features by a t-test on the full data set before the model is cross-validated.",
    ),
    "leakage": ("Tune the cut-off on the validation cohort.", "The test samples may also be used for training."),
    "confounding": (
        "Samples of patients come from biobank A, those of controls from biobank B.",
        "Sequence tumours in 2019 and normal tissue in 2023.",
    ),
    "underpowered": ("Each group consists of 2 animals.", "Use 3 mice per genotype and compare them by a t-test."),
    "movable_threshold": (
        "If nothing is significant, use p < 0.1 instead.", "Set the threshold after looking at the results.",
    ),
    "lost_reference": ("Take the output of step 11.1.", "This needs the table produced in Part 12."),
    "identifiable_data": (
        "Store the patients' full names with the codes.", "Export the social insurance number of each person.",
    ),
    "dual_use": (
        "Make the strain resistant to the last-line antibiotic and more transmissible.",
        "Aerosolise Bacillus anthracis spores.",
    ),
    "wrong_accession": ("Download GSE200000 for comparison.", "Use the variants of phs000123."),
    "other_tumour": ("Validate in TCGA-THCA.", "Add the TCGA-LAML samples."),
    "wrong_unit": ("Incubate the plate at 400 °C over night.", "Bring the buffer to pH 19."),
}  # fmt: skip
