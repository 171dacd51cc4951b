"""Other wordings of the defects that are sentences: they tell whether checks see the defect or only known words.

`FRESH` was written after the checks had been changed for `defects.py`; what it showed was then used to change them.
`UNSEEN` was written before that, and was never used.
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

UNSEEN: dict[str, tuple[str, str]] = {
    "placeholder": ("Sample size: N = ?? per group.", "Antibody clone and dilution to be added once ordered."),
    "vague_words": ("Keep only good quality reads.", "Incubate for some time at a low temperature."),
    "open_choice": ("Normalise by TMM, RLE or another method.", "One could use a Wilcoxon test here."),
    "malformed_accession": ("Data are under GSE-52778-X.", "The spectra are in PXD00XXXX."),
    "invented_citation": ("Proceed as in Silva & Moreau (2020).", "The cut-off was taken from Nakamura 2016."),
    "impossible_statistics": ("Require a power of 1.5.", "Use a C-index above 2 as the criterion."),
    "results_claimed": (
        "Patients with a high score lived 14 months longer.",
        "It turned out that 27 features were different.",
    ),
    "early_selection": (
        "Perform feature selection once on the entire data, followed by 10-fold cross-validation.",
        "Batch-correct and z-score the complete matrix prior to the train/test split.",
    ),
    "leakage": (
        "Choose hyperparameters by their performance in the external cohort.",
        "Add the validation samples to the discovery set to gain power.",
    ),
    "confounding": (
        "Cases were sequenced at centre 1, whereas controls were sequenced at centre 2.",
        "Use fresh tissue for patients and archived tissue for controls.",
    ),
    "underpowered": ("Include two animals per arm.", "A single replicate per condition is sequenced."),
    "movable_threshold": (
        "Loosen the filter in case too few features survive.",
        "Pick whichever cut-off separates the curves best.",
    ),
    "lost_reference": ("Start from the matrix of step 8.2.", "Apply the model built in part 11."),
    "identifiable_data": (
        "Record each patient's address and telephone number.",
        "Link the results to the hospital ID and birth date.",
    ),
    "dual_use": (
        "Select for variants of SARS-CoV-2 that escape neutralising antibodies.",
        "Reconstruct the 1918 influenza virus.",
    ),
    "wrong_accession": ("Reanalyse SRP123456 as well.", "Use the counts of E-GEOD-10000."),
    "other_tumour": ("Take TCGA-STAD as a further cohort.", "Include the TCGA-CHOL cases."),
    "wrong_unit": ("Culture the cells at 3700 °C.", "Keep the tubes at -500 °C."),
}
"""A second set, written before `FRESH` was used to change checks, and never used to change them itself."""
