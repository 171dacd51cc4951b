"""Clean protocols in three fields, and the run around one of them (loaded by path)."""

from __future__ import annotations

from bioresearcher.review.check import CheckContext
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.dataset import Column, DataFile, Dataset
from bioresearcher.schemas.paper import Evidence
from bioresearcher.schemas.paper_report import PaperReport, Parameter, ReportPart, ReportStep
from bioresearcher.schemas.protocol import (
    Coverage,
    Link,
    Protocol,
    ProtocolPart,
    ProtocolStep,
    ReportPartRef,
    StepInput,
    StepOutput,
)

QUOTE = "Differences between groups were tested gene by gene and adjusted for multiple testing."
OBJECTIVE = Objective(
    id="er-status",
    text="Characterise expression differences between oestrogen-receptor-positive and -negative breast tumours in "
    "patients, and test a proliferation signature against survival in two cohorts.",
    requirements=(
        Requirement(id="R1", text="Differential expression with control of the false discovery rate."),
        Requirement(id="R2", text="Survival analysis with a check of proportional hazards."),
        Requirement(id="R3", text="External validation of the signature in the independent cohort."),
    ),
)


def dataset(name: str, role: str, n: int) -> Dataset:
    """A breast cohort with groups and follow-up of unstated unit."""
    columns = (
        Column(name="pid", dtype="text", role="id"),
        Column(name="er_positive", dtype="integer", role="group", levels=("0", "1")),
        Column(name="time", dtype="number", role="time"),
        Column(name="event", dtype="integer", role="event"),
        Column(name="grade", dtype="integer", role="covariate"),
    )
    blank = {"bytes": 10, "sha256": "0" * 64}
    return Dataset(
        id=name,
        accession=name,
        title=f"Breast tumours {name}",
        organism="Homo sapiens",
        assay="gene expression microarray",
        role=role,
        source="GEO",
        root="data",
        n_samples=n,
        n_features=4951,
        files=(
            DataFile(name="expression", kind="expression", path="e.tsv", feature_column="gene", samples=n, **blank),
            DataFile(name="samples", kind="samples", path="c.tsv", columns=columns, sample_column="pid", **blank),
        ),
    )


def report() -> PaperReport:
    """A report with one quoted step."""
    step = ReportStep(id="1.1", action="test each gene between groups", evidence=(evidence(),), supported=True)
    part = ReportPart(id="1", title="Differential expression", steps=(step,))
    return PaperReport(
        paper_id="PMID16643655", title="Portraits", parts=(part,), quotes=1, quotes_located=1, origin="source"
    )


def evidence() -> Evidence:
    """The quote all links stand on."""
    return Evidence(document="PMID16643655", section="Methods", start=100, end=100 + len(QUOTE), text=QUOTE)


def context() -> CheckContext:
    """All that a run knows."""
    return CheckContext(
        objective=OBJECTIVE,
        paper_ids=frozenset({"PMID16643655"}),
        reports={"PMID16643655": report()},
        datasets={"GSE1992": dataset("GSE1992", "discovery", 124), "GSE4335": dataset("GSE4335", "validation", 115)},
        shown=("124 and 115 samples; the set has 200 genes.",),
        skills=frozenset({"differential-expression", "cox-regression", "signature-scoring", "signature-validation"}),
    )


def step(step_id: str, title: str, action: str, **more: object) -> ProtocolStep:
    """A dry-lab step with a link."""
    link = Link(paper_id="PMID16643655", part_id="1", step_id="1.1", evidence=evidence(), similarity=0.7)
    values = {"rationale": "Others can only judge the next step when this one is settled.", "links": (link,)} | more
    return ProtocolStep(id=step_id, title=title, action=action, kind="dry", origin="offline", **values)


def clean_protocol() -> Protocol:
    """A dry-lab protocol without a flaw that the checks know."""
    from_set = {
        g: (
            StepInput(name="expression", source=f"dataset:{g}/expression"),
            StepInput(name="samples", source=f"dataset:{g}/samples"),
        )
        for g in ("GSE1992", "GSE4335")
    }
    quality = step(
        "1.1",
        "Check the tables of both cohorts",
        "Count missing values per gene in GSE1992 and GSE4335, and compare the coding of the clinical columns.",
        inputs=from_set["GSE1992"] + from_set["GSE4335"],
        outputs=(StepOutput(name="quality", kind="table", description="missing values per cohort"),),
        parameters=(Parameter(name="largest share of missing values", value="20", unit="%"),),
        datasets=("GSE1992", "GSE4335"),
        software=("pandas 2.2",),
        acceptance="No gene with more than 20 % missing values remains.",
    )
    filtered = step(
        "1.2",
        "Filter genes of low variance",
        "Keep the genes whose variance is above the 10th percentile in GSE1992, and the same genes in GSE4335.",
        inputs=(*from_set["GSE1992"], StepInput(name="quality", source="step:1.1/quality")),
        outputs=(StepOutput(name="matrix", kind="table", description="genes by samples"),),
        parameters=(Parameter(name="percentile", value="10"),),
        datasets=("GSE1992",),
        software=("pandas 2.2",),
        acceptance="At least 4,000 genes remain.",
    )
    differential = step(
        "2.1",
        "Test each gene between receptor groups",
        "Compare ER-positive with ER-negative tumours of GSE1992 gene by gene with Welch's t-test; adjust p-values by "
        "Benjamini–Hochberg at FDR < 0.05 and report the log2 fold change.",
        inputs=(StepInput(name="matrix", source="step:1.2/matrix"), from_set["GSE1992"][1]),
        outputs=(StepOutput(name="genes", kind="table", description="gene, fold change, p, FDR"),),
        parameters=(Parameter(name="group_column", value="er_positive"), Parameter(name="FDR", value="0.05")),
        datasets=("GSE1992",),
        software=("scipy 1.14",),
        acceptance="ESR1 is among the tested genes, and the p-values fill the range from 0 to 1.",
        skill="differential-expression",
        requirements=("R1",),
    )
    score = step(
        "2.2",
        "Score the proliferation signature",
        "Average the z-scores of the 200 E2F target genes per sample in GSE1992; the genes are fixed beforehand.",
        inputs=(StepInput(name="matrix", source="step:1.2/matrix"),),
        outputs=(StepOutput(name="scores", kind="table", description="sample and score"),),
        parameters=(Parameter(name="genes", value="200"),),
        datasets=("GSE1992",),
        software=("numpy 2.1",),
        acceptance="At least 80 % of the signature's genes are measured.",
        skill="signature-scoring",
    )
    cox = step(
        "3.1",
        "Relate the score to survival",
        "Fit a Cox model of the score in GSE1992, alone and adjusted for grade, draw Kaplan–Meier curves, and "
        "check the proportional hazards assumption by Schoenfeld residuals.",
        inputs=(StepInput(name="scores", source="step:2.2/scores"), from_set["GSE1992"][1]),
        outputs=(StepOutput(name="hazards", kind="table", description="hazard ratio, 95 % interval, p"),),
        parameters=(Parameter(name="time_column", value="time"), Parameter(name="event_column", value="event")),
        datasets=("GSE1992",),
        software=("lifelines 0.30",),
        acceptance="The test of proportional hazards has p > 0.05, or a stratified model is reported.",
        skill="cox-regression",
        requirements=("R2",),
    )
    validation = step(
        "3.2",
        "External validation of the score in the independent cohort",
        "Apply the unchanged formula to GSE4335 and fit the same Cox model without refitting the genes or the cut-off.",
        inputs=(*from_set["GSE4335"], StepInput(name="hazards", source="step:3.1/hazards")),
        outputs=(StepOutput(name="replication", kind="table", description="hazard ratio in each cohort"),),
        parameters=(Parameter(name="significance level", value="0.05"),),
        datasets=("GSE4335",),
        software=("lifelines 0.30",),
        acceptance="The direction and the interval are reported for both cohorts, whatever they are.",
        skill="signature-validation",
        requirements=("R3",),
    )
    learns = (ReportPartRef(paper_id="PMID16643655", part_id="1"),)
    parts = (
        ProtocolPart(
            id="1", title="Data and quality control", purpose="Know what the tables hold.", steps=(quality, filtered)
        ),
        ProtocolPart(
            id="2",
            title="Differences between receptor groups",
            purpose="Find genes that differ, and score proliferation.",
            depends_on=("1",),
            learns_from=learns,
            steps=(differential, score),
        ),
        ProtocolPart(
            id="3",
            title="Survival and validation",
            purpose="Test the score against outcome twice.",
            depends_on=("2",),
            steps=(cox, validation),
        ),
    )
    coverage = tuple(
        Coverage(requirement=r, steps=(s,), met=True) for r, s in (("R1", "2.1"), ("R2", "3.1"), ("R3", "3.2"))
    )
    return Protocol(
        id="er-status",
        title="Receptor status, proliferation and survival in breast tumours",
        objective_id="er-status",
        parts=parts,
        coverage=coverage,
        origin="offline",
    )


CLEAN_WET = """# Knock-down of GATA3 in MCF-7 cells and its effect on growth

## Part 1: Knock-down

Purpose: reduce GATA3 in a line that expresses it, and show by how much.

### Step 1.1: Culture and seed the cells

Culture MCF-7 cells (ATCC HTB-22) in DMEM with 10 % FBS at 37 °C and 5 % CO2 to 80 % confluence, and seed 2 × 10^5 cells
per well in 6-well plates. Human cell line; no donor can be identified and no ethics approval is needed.

- Inputs: MCF-7 cells, passage below 20 (given)
- Parameters: cells per well = 200000; temperature = 37 °C; CO2 = 5 %
- Outputs: seeded plates (material) - three 6-well plates
- Software: none
- Acceptance: viability above 95 % by trypan blue and a negative mycoplasma test
- Rationale: cells near the end of growth take up less siRNA

### Step 1.2: Transfect siRNA against GATA3

Transfect 20 nM siRNA against GATA3 (two independent sequences) or non-targeting control siRNA with 5 µl Lipofectamine
RNAiMAX per well for 48 h, in three independent biological replicates on different days.

- Inputs: seeded plates (step:1.1/seeded plates)
- Parameters: siRNA concentration = 20 nM; duration = 48 h
- Outputs: transfected cells (material) - per siRNA and replicate
- Acceptance: at least 70 % less GATA3 mRNA than in the control wells, measured in step 1.3
- Rationale: two sequences tell the effect from off-target effects

### Step 1.3: Measure the knock-down by RT-qPCR

Extract RNA with the RNeasy Plus Mini Kit, reverse-transcribe 500 ng, and measure GATA3 against ACTB and GAPDH in
technical triplicates with no-template controls (40 cycles, 60 °C annealing); compute ΔΔCt.

- Inputs: transfected cells (step:1.2/transfected cells)
- Parameters: RNA per reaction = 500 ng; cycles = 40
- Outputs: expression (table) - ΔΔCt per well
- Acceptance: primer efficiency between 90 % and 110 %, and standard deviation of triplicates below 0.3 cycles
- Rationale: a reduced growth means nothing without a shown knock-down

## Part 2: Growth

Purpose: test whether the knock-down changes growth.

### Step 2.1: Count the cells for four days

Count viable cells daily for 4 days in the transfected and the non-targeting control wells, three biological replicates
with three wells each; the person counting does not know the treatment.

- Inputs: transfected cells (step:1.2/transfected cells)
- Parameters: days = 4; wells per replicate = 3
- Outputs: counts (table) - day, siRNA, replicate, count
- Acceptance: control wells double at least once in 48 h
- Rationale: counting needs no assumption on metabolism

### Step 2.2: Compare growth rates

Fit log-linear growth per replicate with Python 3.11 and statsmodels 0.14, and compare both siRNAs with the control by a
mixed model with replicate as random effect; two comparisons, Holm-adjusted, significance level 0.05.

- Inputs: counts (step:2.1/counts); expression (step:1.3/expression)
- Parameters: significance level = 0.05
- Outputs: growth rates (table) - estimate and 95 % interval per siRNA
- Software: Python 3.11; statsmodels 0.14
- Acceptance: both sequences change growth in the same direction, or the effect is called unconfirmed
- Rationale: wells of one day are not independent
"""

CLEAN_TEXT = """Transcriptional response of mouse liver to fasting

Part 1: Sequencing data
1. Download the reads. Download the 12 mouse liver RNA-seq samples (6 fasted, 6 fed controls) of the study given by the
   laboratory as FASTQ files. Acceptance: MD5 sums of all 24 files match.
2. Check the reads. Run FastQC 0.12 on the downloaded files and remove samples with fewer than 20 million read pairs.
   Output: a table of read counts and duplication per sample.
3. Count genes. Align the checked reads to GRCm39 with STAR 2.7.11 and count genes with featureCounts 2.0.6.
   Acceptance: at least 75 % of the reads are uniquely aligned.
4. Normalise. Normalise the raw counts with DESeq2 1.42 size factors, with the day of dissection as batch in the design.
   Output: a matrix of normalised counts.

Part 2: Differences
1. Test genes. Identify differentially expressed genes between fasted and fed mice with DESeq2 1.42, Benjamini-Hochberg
   FDR < 0.05 and |log2 fold change| > 1. Output: a table of genes with fold change and adjusted p-value.
2. Test pathways. Test enrichment of Reactome pathways among these genes against all measured genes by the
   hypergeometric test, FDR < 0.05. Output: a table of pathways.
3. Confirm in independent data. Compare the direction of the top 50 genes with an independent data set kept aside by the
   laboratory. Acceptance: at least 80 % agree in direction.
"""
