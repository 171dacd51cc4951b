"""Defects of protocols: each kind in three strengths, with the checks that should see it and the metric it concerns.

Strength 1 is one slip in one place, 2 another wording in another place, 3 is blatant or in many places. The sentences
were written from what goes wrong in protocols, before the checks were held against them. `HELD_OUT` kinds, and strength
2 of all kinds, were kept aside while checks were changed; they are reported apart.
"""

from __future__ import annotations

from edits import says
from makers import (
    Defect,
    circular,
    confounded,
    contradiction,
    covered_falsely,
    dangling,
    empty,
    few,
    fields_lost,
    foreign_link,
    generic_titles,
    in_kind,
    leakage,
    left_out,
    monster,
    no_purpose,
    numbers_gone,
    only,
    paper_section,
    repeated_id,
    requirement_lost,
    sentence,
    swapped,
    twice,
    uncorrected,
    units_gone,
    wrong_column,
)

CAUSED = ("G-FLO-01", "G-FLO-05", "G-FLO-07", "G-FLO-08", "G-STR-02", "G-COV-03")
"""Findings that follow when a step is moved or taken out."""

DEFECTS: tuple[Defect, ...] = (
    Defect(
        "wrong_accession",
        "correctness",
        ("G-REF-05", "G-DAT-01"),
        sentence(
            "Add the samples of GSE141512.",
            "Take the annotation from E-MTAB-9011.",
            "Use the runs of PRJNA561234 as well.",
        ),
    ),
    Defect(
        "malformed_accession",
        "correctness",
        ("G-REF-06",),
        sentence("Add the samples of GSE527788888888.", "See PMID: 12345678901.", "Use TCGA-COLR and GSEXXXXX."),
        ("G-REF-05",),
    ),
    Defect(
        "invented_citation",
        "correctness",
        ("G-REF-05", "G-REF-08"),
        sentence(
            "The settings are those of Whitfield et al. (2017).",
            "This follows the recommendation of Okafor and Lindqvist, 2019.",
            "See PMID: 31999999 and 10.1016/j.cell.2031.01.001.",
        ),
    ),
    Defect("foreign_link", "correctness", ("G-REF-01", "G-REF-02", "G-REF-03", "G-REF-04"), foreign_link),
    Defect(
        "placeholder",
        "level_of_detail",
        ("G-VAG-01",),
        sentence(
            "The cut-off will be filled in later (TBC).",
            "Use [gene list here] for this.",
            "Read the file path/to/data and use XX samples.",
        ),
    ),
    Defect(
        "vague_words",
        "level_of_detail",
        ("G-VAG-02",),
        sentence(
            "Use a sensible cut-off.",
            "Choose adequate settings and proceed in the usual manner.",
            "Process the data appropriately with standard methods as needed.",
        ),
    ),
    Defect(
        "open_choice",
        "level_of_detail",
        ("G-VAG-03",),
        sentence(
            "Use edgeR or DESeq2, whichever works.",
            "Draw for instance a volcano plot or something similar.",
            "Use e.g. PCA and/or UMAP.",
        ),
    ),
    Defect(
        "numbers_removed",
        "level_of_detail",
        ("G-VAG-04",),
        numbers_gone,
        ("G-STR-04", "G-STA-06", "G-STA-10", "G-STA-01", "G-STA-11", "G-FLO-08", "G-SAF-01"),
    ),
    Defect("units_removed", "level_of_detail", ("G-VAG-05",), units_gone),
    Defect(
        "wrong_unit",
        "correctness",
        ("G-VAL-01",),
        in_kind(
            "wet",
            "Incubate the samples for 30 min at 370 °C.",
            "Store the aliquots at -800 °C.",
            "Adjust to pH 17 and wash in 150 % ethanol.",
        ),
    ),
    Defect(
        "impossible_statistics",
        "correctness",
        ("G-VAL-01",),
        sentence(
            "Call hits at FDR < 5.",
            "Keep pairs with a correlation above 1.4.",
            "Use a p-value threshold of 2.0 in 1-fold cross-validation.",
        ),
    ),
    Defect(
        "results_claimed",
        "correctness",
        ("G-RES-01",),
        sentence(
            "As expected, the treatment changed 312 features (p = 0.0031).",
            "We observed a clear separation of the groups.",
            "The analysis showed that the effect was significantly stronger in patients.",
        ),
    ),
    Defect("swapped_steps", "logical_soundness", ("G-FLO-02", "G-FLO-06"), swapped, (*CAUSED, "G-FLO-09", "G-STA-04")),
    Defect("circular_input", "logical_soundness", ("G-FLO-02", "G-FLO-10"), circular, ("G-FLO-07",)),
    Defect("dangling_input", "logical_soundness", ("G-FLO-01",), dangling),
    Defect(
        "inputs_dropped", "completeness", ("G-STR-05",), fields_lost(inputs=(), datasets=()), ("G-FLO-05", "G-DAT-10")
    ),
    Defect("outputs_dropped", "completeness", ("G-STR-06",), fields_lost(outputs=()), CAUSED),
    Defect(
        "acceptance_dropped",
        "completeness",
        ("G-STR-07",),
        fields_lost(acceptance=""),
        ("G-VAG-04", "G-STA-10", "G-STA-06"),
    ),
    Defect("duplicated_step", "structural_soundness", ("G-STR-08",), twice, ("G-FLO-05", "G-FLO-07")),
    Defect("contradiction", "logical_soundness", ("G-CON-01", "G-CON-02"), contradiction, ("G-VAL-01", "G-STA-12")),
    Defect(
        "requirement_lost",
        "completeness",
        ("G-COV-01", "G-COV-02", "G-COV-03"),
        requirement_lost,
        (*CAUSED, "G-STR-03", "G-STA-10", "G-STA-03", "G-STA-02"),
    ),
    Defect("false_coverage", "completeness", ("G-COV-02", "G-COV-03", "G-COV-04"), covered_falsely),
    Defect("correction_missing", "correctness", ("G-STA-01",), uncorrected),
    Defect(
        "controls_missing",
        "logical_soundness",
        ("G-STA-07",),
        left_out("control", "Leave the blanks out.", "There is no reference group."),
    ),
    Defect(
        "replicates_missing",
        "logical_soundness",
        ("G-STA-06",),
        left_out("replicates", "Measure each sample once.", "One well is enough."),
    ),
    Defect(
        "batch_missing",
        "logical_soundness",
        ("G-STA-08", "G-STA-13"),
        left_out(
            "batch", "Pool the two data sets into one matrix.", "Combine all cohorts and ignore where they come from."
        ),
    ),
    Defect("leakage", "logical_soundness", ("G-STA-04", "G-STA-05"), leakage, ("G-DAT-10", "G-REF-05")),
    Defect(
        "early_selection",
        "logical_soundness",
        ("G-STA-05",),
        sentence(
            "Select the 100 most variable features on all samples before splitting into training and test sets.",
            "Standardise the whole matrix ahead of cross-validation.",
            "Choose the features by their association with the outcome in all patients, then cross-validate.",
        ),
    ),
    Defect(
        "proportionality_unchecked",
        "correctness",
        ("G-STA-02",),
        left_out("ph", "Hazards are taken to be proportional.", "Fit a second Cox model of disease-free survival."),
        CAUSED,
    ),
    Defect(
        "resampling_missing",
        "logical_soundness",
        ("G-STA-03",),
        left_out(
            "resampling",
            "Report performance in the samples used for fitting.",
            "Performance on the training samples is enough.",
        ),
        (*CAUSED, "G-DAT-10", "G-STA-10"),
    ),
    Defect("confounding", "logical_soundness", ("G-STA-12",), confounded, ("G-STA-08",)),
    Defect("underpowered", "logical_soundness", ("G-STA-11",), few, ("G-CON-01", "G-CON-02")),
    Defect(
        "wrong_organism",
        "correctness",
        ("G-DAT-02",),
        only(
            ("rnaseq", "survival"),
            lambda m, s: says(
                m.protocol,
                [x.id for x in m.protocol.steps if x.datasets][:: (5, 3, 1)[s - 1]],
                (
                    "Map the genes with org.Mm.eg.db.",
                    "Use the mouse annotation GRCm39.",
                    "Use the rat orthologues of Rattus norvegicus.",
                )[s - 1],
            ),
        ),
        ("G-CON-02", "G-CON-01"),
    ),
    Defect(
        "method_misfits_assay",
        "correctness",
        ("G-DAT-03",),
        only(
            ("rnaseq",),
            lambda m, s: says(
                m.protocol,
                [x.id for x in m.protocol.steps if "GSE52778" in x.datasets][:: (5, 3, 1)[s - 1]],
                ("Normalise by RMA.", "Correct the background with gcrma.", "Summarise the probe sets by MAS5.")[s - 1],
            ),
        ),
    ),
    Defect("wrong_column", "correctness", ("G-DAT-07",), wrong_column),
    Defect(
        "ethics_missing",
        "completeness",
        ("G-SAF-01",),
        left_out("ethics", "Use the hospital's samples of these patients.", "Recruit further volunteers by telephone."),
    ),
    Defect(
        "animal_approval_missing",
        "completeness",
        ("G-SAF-02",),
        left_out("animal", "Use 4 more mice per arm.", "Keep the mice until they die.", also=("ethics",)),
        ("G-SAF-01",),
    ),
    Defect(
        "hazard_unprotected",
        "completeness",
        ("G-SAF-03",),
        left_out("hazard", "Add chloroform, 0.2 ml.", "Fix in 4 % paraformaldehyde for 10 min."),
    ),
    Defect(
        "containment_missing",
        "completeness",
        ("G-SAF-04",),
        left_out("biosafety", "Produce more virus in 293T cells.", "Concentrate the virus 100-fold."),
    ),
    Defect(
        "identifiable_data",
        "completeness",
        ("G-SAF-01",),
        sentence(
            "Keep patient names in the table.",
            "Add the date of birth of each participant.",
            "List names, home addresses and phone numbers.",
        ),
    ),
    Defect(
        "dual_use",
        "correctness",
        ("G-SAF-05",),
        sentence(
            "Repeat this with H5N1 after serial passage.",
            "Increase the transmissibility of the virus by reverse genetics.",
            "Enhance the virulence of Yersinia pestis and overcome vaccine immunity.",
        ),
    ),
    Defect(
        "repeated_id",
        "structural_soundness",
        ("G-STR-01", "G-STR-02"),
        repeated_id,
        (*CAUSED, "G-FLO-02", "G-FLO-06", "G-FLO-10"),
    ),
    Defect(
        "empty",
        "completeness",
        ("G-STR-03", "G-STR-04"),
        empty,
        (*CAUSED, "G-STR-09", "G-STA-02", "G-STA-10", "G-STA-03", "G-DAT-10"),
    ),
    Defect("generic_titles", "structural_soundness", ("G-STR-09",), generic_titles),
    Defect(
        "monster_step",
        "structural_soundness",
        ("G-STR-12",),
        monster,
        (
            "G-STA-01",
            "G-STA-02",
            "G-STA-03",
            "G-STA-04",
            "G-DAT-03",
            "G-DAT-04",
            "G-DAT-02",
            "G-FLO-08",
            "G-FLO-09",
            "G-SAF-03",
            "G-CON-01",
            "G-CON-02",
        ),
    ),
    Defect(
        "movable_threshold",
        "logical_soundness",
        ("G-STA-09",),
        sentence(
            "If few features pass, relax the cut-off until enough remain.",
            "Use the cut-off with the smallest p-value.",
            "Try several tests and report the one that is significant.",
        ),
        ("G-VAG-02",),
    ),
    Defect(
        "seed_missing",
        "level_of_detail",
        ("G-STA-10",),
        left_out("seed", "Split the samples at random into halves.", "Take a bootstrap of 1000 samples."),
    ),
    Defect("paper_section", "structural_soundness", ("G-STR-10",), paper_section, ("G-STR-08", "G-STR-05", "G-FLO-05")),
    Defect("purpose_missing", "completeness", ("G-STR-11",), no_purpose),
    Defect(
        "other_tumour",
        "correctness",
        ("G-DAT-11", "G-REF-05"),
        sentence("Add the samples of TCGA-LUAD.", "Compare with TCGA-PRAD.", "Repeat it in TCGA-GBM and TCGA-UVM."),
    ),
    Defect(
        "lost_reference",
        "logical_soundness",
        ("G-FLO-08",),
        sentence(
            "Use the list generated in step 9.4.",
            "Take the samples defined in Part 14.",
            "Proceed as described in step 6.6.",
        ),
    ),
)

HELD_OUT = frozenset(
    "open_choice results_claimed false_coverage early_selection identifiable_data movable_threshold lost_reference "
    "foreign_link".split()
)
"""Kinds of which no case was looked at while checks were changed."""
HELD_OUT_STRENGTH = 2
