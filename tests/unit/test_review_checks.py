"""Every check finds the flaw it is for, and none finds one in a clean protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import review_support as S
from hypothesis import given, settings
from hypothesis import strategies as st

from bioresearcher.review.check import CheckContext
from bioresearcher.review.checks import CHECKS, applicability, run_checks
from bioresearcher.review.checks_references import paper_identifiers
from bioresearcher.review.metrics import review_by_rule
from bioresearcher.review.reading.text import protocol_from_text
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.paper_report import Parameter
from bioresearcher.schemas.protocol import Coverage, Protocol, ProtocolStep, ReportPartRef, StepInput, StepOutput

Inject = Callable[[Protocol], Protocol]


def steps(change: Callable[[ProtocolStep], ProtocolStep], *ids: str) -> Inject:
    """Changes the steps with these ids."""

    def inject(p: Protocol) -> Protocol:
        parts = [
            part.model_copy(update={"steps": tuple(change(s) if s.id in ids else s for s in part.steps)})
            for part in p.parts
        ]
        return p.model_copy(update={"parts": tuple(parts)})

    return inject


def fields(where: str, **update: object) -> Inject:
    """Sets fields of one step."""
    return steps(lambda s: s.model_copy(update=update), where)


def says(step_id: str, more: str) -> Inject:
    """Adds a sentence to one step's action."""
    return steps(lambda s: s.model_copy(update={"action": f"{s.action} {more}"}), step_id)


def coded(*codes: str) -> Inject:
    """Gives the first steps code, one piece each."""

    def change(protocol: Protocol) -> Protocol:
        for one, code in zip(protocol.steps, codes, strict=False):
            protocol = steps(lambda s, code=code: s.model_copy(update={"code": code}), one.id)(protocol)
        return protocol

    return change


def link(where: str, **update: object) -> Inject:
    """Changes a step's link."""
    return steps(lambda s: s.model_copy(update={"links": (s.links[0].model_copy(update=update),)}), where)


def quoted(step_id: str, **update: object) -> Inject:
    """Changes a link's evidence."""

    def change(s: ProtocolStep) -> ProtocolStep:
        evidence = s.links[0].evidence.model_copy(update=update)
        return s.model_copy(update={"links": (s.links[0].model_copy(update={"evidence": evidence}),)})

    return steps(change, step_id)


def part(number: int, **update: object) -> Inject:
    """Changes a part."""

    def inject(p: Protocol) -> Protocol:
        parts = list(p.parts)
        parts[number - 1] = parts[number - 1].model_copy(update=update)
        return p.model_copy(update={"parts": tuple(parts)})

    return inject


def appended(step: ProtocolStep, number: int = 3) -> Inject:
    """Adds a step at the end of a part."""

    def inject(p: Protocol) -> Protocol:
        return part(number, steps=(*p.parts[number - 1].steps, step))(p)

    return inject


def wet(action: str, title: str = "Confirm the genes at the bench", **more: object) -> ProtocolStep:
    values = {
        "inputs": (StepInput(name="genes", source="step:2.1/genes"),),
        "outputs": (StepOutput(name="levels", kind="table"),),
        "acceptance": "Efficiency between 90 % and 110 %.",
        "software": ("StepOne 2.3",),
    } | more
    return S.step("3.3", title, action, **values).model_copy(update={"kind": "wet"})


def covered(*coverage: Coverage) -> Inject:
    return lambda p: p.model_copy(update={"coverage": coverage})


def swapped(p: Protocol) -> Protocol:
    a, b, c = p.parts
    return p.model_copy(update={"parts": (b, a, c)})


def repeated(p: Protocol) -> Protocol:
    copy = p.parts[1].steps[0].model_copy(update={"id": "2.3"})
    return appended(copy, 2)(p)


def without_sources(p: Protocol) -> Protocol:
    return steps(lambda s: s.model_copy(update={"links": ()}), "1.1", "1.2", "2.1", "2.2")(p)


MET = Coverage(requirement="R1", steps=("2.1",), met=True)
OTHERS = (Coverage(requirement="R2", steps=("3.1",), met=True), Coverage(requirement="R3", steps=("3.2",), met=True))
NO_CHECK = "Fit a Cox model of the score in GSE1992 and draw Kaplan–Meier curves at the median."

DEFECTS: list[tuple[str, str, Inject]] = [
    ("G-REF-01", "an unknown paper", link("2.1", paper_id="PMID1")),
    (
        "G-REF-01",
        "a part learning from an unknown paper",
        part(2, learns_from=(ReportPartRef(paper_id="PMC9", part_id="1"),)),
    ),
    ("G-QTY-01", "a sample at 370 °C", says("2.1", "Incubate the plates at 370 °C overnight.")),
    ("G-QTY-02", "a microcentrifuge at 140,000 x g", says("2.1", "Spin in a microfuge at 140,000 x g for 5 min.")),
    ("G-QTY-03", "a speed without its unit", says("2.1", "Centrifuge at 13,000 for 5 min.")),
    ("G-QTY-04", "a well that runs over", says("2.1", "Add 10 ml PBS to each well of a 96-well plate.")),
    ("G-QTY-05", "a volume nobody writes so", says("2.1", "Add 20,000 µl of PBS to the flask.")),
    ("G-QTY-06", "a stock denser than water can be", says("2.1", "Keep the stock of 25 mg/µl on ice.")),
    (
        "G-QTY-07",
        "a dilution that does not compute",
        says("2.1", "Dissolve 1 g in 40 ml ethanol for a stock of 5 mg/ml."),
    ),
    ("G-QTY-08", "an enzyme larger than its reaction", says("2.1", "Use 5 µl of Taq in a reaction of 2 µl.")),
    ("G-QTY-09", "a time left out", says("2.1", "Incubate for at 37 °C.")),
    ("G-QTY-10", "time and temperature exchanged", says("2.1", "Incubate at 10 min for 37 °C.")),
    ("G-QTY-11", "hours of vortexing", says("2.1", "Vortex the tube for 5 hours.")),
    ("G-QTY-12", "denaturing below annealing", says("2.1", "Denature at 55 °C and anneal at 95 °C.")),
    ("G-QTY-13", "a range that runs backwards", says("2.1", "Incubate for 150-20 minutes.")),
    ("G-CNT-01", "an empty group", says("2.1", "Compare groups of n = 3 and n = 0 mice with a t test.")),
    ("G-CNT-02", "a share that is not the quotient", says("2.1", "Of these, 12 of 40 patients (25 %) are left out.")),
    ("G-CNT-03", "a total that is not", says("2.1", "Use three groups of 8 mice (20 animals in total).")),
    ("G-CNT-04", "a level for other tests", says("2.1", "Correct by Bonferroni for 4 tests at a level of 0.04.")),
    ("G-CNT-05", "an eluate of a later step", says("1.1", "Dilute the eluate from step 3.1 to 5 ml.")),
    (
        "G-STR-14",
        "sentences copied from a paper",
        steps(
            lambda s: s.model_copy(
                update={"title": "Tested", "action": f"As the paper describes it: We tested {s.id}."}
            ),
            "1.1",
            "2.1",
        ),
    ),
    (
        "G-CNT-06",
        "two stocks of one name",
        says("2.1", "Add 50 mg/ml ampicillin stock. Add 10 mg/ml ampicillin stock."),
    ),
    ("G-REF-02", "a report step that does not exist", link("2.1", step_id="7.7")),
    ("G-REF-03", "an empty quote", quoted("2.1", text=" ", end=101)),
    ("G-REF-03", "an impossible span", quoted("2.1", end=101)),
    ("G-REF-03", "a quote of another document", quoted("2.1", document="PMID2")),
    ("G-REF-04", "a passage the report step does not use", quoted("2.1", start=9000, end=9000 + len(S.QUOTE))),
    ("G-REF-05", "an accession nobody retrieved", says("2.1", "Repeat this in GSE99999.")),
    ("G-REF-05", "a PMID nobody retrieved", says("2.1", "This follows PMID: 12345678.")),
    ("G-REF-05", "a DOI nobody retrieved", says("2.1", "This follows 10.1186/1471-2164-7-96.")),
    ("G-REF-06", "a TCGA project that is none", says("2.1", "Use project TCGA-LUS as well.")),
    ("G-REF-06", "a crossed-out accession", says("2.1", "Use GSEXXXX as well.")),
    ("G-REF-07", "most steps without a source", without_sources),
    ("G-REF-08", "a citation that cannot be looked up", says("2.1", "This follows Miller et al. (2019).")),
    ("G-REF-09", "an analysis that is not installed", fields("2.1", skill="deep-magic")),
    ("G-VAG-01", "a to-do mark", says("2.1", "TODO choose the test.")),
    ("G-VAG-01", "a placeholder path", says("1.1", "Read path/to/expression.tsv.")),
    ("G-VAG-01", "an open value", says("1.1", "The cut-off is to be determined.")),
    ("G-VAG-02", "vague words", says("2.1", "Use suitable settings where applicable.")),
    ("G-VAG-03", "an example instead of a choice", says("2.1", "Draw a plot, e.g. a volcano plot.")),
    ("G-VAG-03", "two tools", says("2.1", "Use limma (version 3.58) or DESeq2.")),
    (
        "G-VAG-04",
        "no numbers",
        fields(
            "1.2",
            title="Filter genes",
            action="Filter the genes of low variance.",
            parameters=(),
            acceptance="Genes remain.",
        ),
    ),
    ("G-VAG-05", "a temperature without unit", fields("1.2", parameters=(Parameter(name="temperature", value="37"),))),
    ("G-VAL-01", "an FDR above one", says("2.1", "Call genes at FDR < 5.")),
    ("G-VAL-01", "an impossible pH", says("2.1", "Adjust the buffer to pH 23.")),
    ("G-VAL-01", "an impossible temperature", says("2.1", "Store the extracts at -400 °C.")),
    ("G-RES-01", "a result", says("2.1", "ESR1 was significantly higher in the positive group.")),
    ("G-RES-01", "a p-value", says("3.1", "The score was associated with outcome, p = 0.0083.")),
    ("G-RES-01", "our finding", says("3.1", "We found a hazard ratio of two.")),
    ("G-STR-01", "an id used twice", fields("1.2", id="1.1")),
    ("G-STR-02", "a number left out", fields("2.2", id="2.5")),
    ("G-STR-03", "a part without steps", part(2, steps=())),
    ("G-STR-04", "no action", fields("1.2", action="")),
    ("G-STR-05", "no inputs", fields("1.2", inputs=(), datasets=())),
    ("G-STR-06", "no outputs", fields("3.2", outputs=())),
    ("G-STR-07", "no acceptance", fields("2.1", acceptance="")),
    ("G-STR-08", "a step written twice", repeated),
    ("G-STR-09", "an empty title", part(2, title="")),
    ("G-STR-09", "two parts of one title", part(2, title="Data and quality control")),
    ("G-STR-10", "an introduction", part(1, title="Introduction")),
    ("G-STR-11", "no purpose", part(1, purpose="")),
    ("G-STR-12", "an endless step", says("2.1", "Go on gene by gene. " * 120)),
    ("G-FLO-01", "an output that does not exist", fields("2.1", inputs=(StepInput(name="x", source="step:1.2/x"),))),
    ("G-FLO-01", "a step that does not exist", fields("2.1", inputs=(StepInput(name="x", source="step:8.1/x"),))),
    ("G-FLO-02", "an input from later", fields("1.2", inputs=(StepInput(name="s", source="step:2.2/scores"),))),
    ("G-FLO-02", "an input from itself", fields("2.2", inputs=(StepInput(name="s", source="step:2.2/scores"),))),
    ("G-FLO-02", "parts in the wrong order", swapped),
    (
        "G-FLO-03",
        "a file that does not exist",
        fields("1.1", inputs=(StepInput(name="f", source="dataset:GSE1992/x"),)),
    ),
    ("G-FLO-04", "an input from nowhere", fields("1.1", inputs=(StepInput(name="f", source="somewhere"),))),
    (
        "G-FLO-05",
        "an unused model",
        fields("1.1", outputs=(StepOutput(name="quality", kind="table"), StepOutput(name="m", kind="model"))),
    ),
    ("G-FLO-06", "a part that needs a later one", part(1, depends_on=("3",))),
    ("G-FLO-06", "a part that needs itself", part(1, depends_on=("1",))),
    ("G-FLO-07", "an undeclared dependency", part(3, depends_on=())),
    ("G-FLO-08", "a pointer to a part that is not there", says("2.1", "Use the genes identified in Part 9.")),
    ("G-FLO-08", "a pointer to later work", says("1.2", "Use the samples defined in Part 3.")),
    (
        "G-FLO-09",
        "enrichment before there are genes",
        lambda p: fields("1.2", title="Pathway enrichment")(fields("2.1", title="Differential expression")(p)),
    ),
    ("G-DAT-01", "a data set that does not exist", fields("1.2", datasets=("GSE7390",))),
    ("G-DAT-02", "the wrong organism", says("2.1", "Map the genes with org.Mm.eg.db to mouse.")),
    ("G-DAT-03", "a method for counts on arrays", says("2.1", "Use DESeq2 1.42 for it.")),
    (
        "G-DAT-04",
        "survival without follow-up",
        fields("3.1", datasets=("hallmark",), inputs=(StepInput(name="x", source="given"),)),
    ),
    ("G-DAT-05", "groups without a column", fields("2.1", datasets=("hallmark",), inputs=())),
    ("G-DAT-06", "too few samples", fields("2.1", datasets=("tiny",), inputs=())),
    (
        "G-DAT-07",
        "a column that does not exist",
        fields("2.1", parameters=(Parameter(name="group_column", value="her2"), Parameter(name="FDR", value="0.05"))),
    ),
    ("G-NUM-01", "a count that nobody saw", says("1.1", "In GSE1992 97 patients have 33 events.")),
    ("G-DAT-08", "an invented unit of time", says("3.1", "Censor at 60 months.")),
    ("G-DAT-09", "a data set with problems", fields("1.2", datasets=("GSE1992", "tiny"))),
    ("G-DAT-12", "a data set found unusable", fields("1.2", datasets=("GSE1992", "tiny"))),
    (
        "G-CON-01",
        "two rates",
        fields("3.2", parameters=(Parameter(name="false discovery rate", value="20", unit="%"),)),
    ),
    ("G-CON-02", "two builds", lambda p: says("1.1", "Use GRCh38.")(says("3.2", "Use hg19 coordinates.")(p))),
    (
        "G-CON-02",
        "two numbers",
        lambda p: says("1.1", "There are 20 patients.")(says("3.2", "Use the 25 patients.")(p)),
    ),
    ("G-CON-03", "two values of a constant", coded("FDR = 0.05\n", "FDR = 0.10\n")),
    (
        "G-CON-03",
        "two functions of one name",
        coded("def score(x):\n    return x.mean()\n", "def score(x):\n    return x.median()\n"),
    ),
    ("G-FLO-10", "a circle", fields("1.2", inputs=(StepInput(name="s", source="step:2.2/scores"),))),
    ("G-STA-11", "two per group", says("2.1", "Compare 2 patients per group.")),
    ("G-STA-11", "one against one", says("2.1", "Compare one treated with one untreated sample.")),
    ("G-STA-12", "cases and controls apart", says("1.1", "All cases are on plate 1 and all controls on plate 2.")),
    ("G-STA-13", "forgotten plates", says("1.1", "The samples were measured on 6 plates.")),
    ("G-DAT-11", "another tumour's project", says("2.1", "Add the samples of TCGA-LUAD.")),
    (
        "G-STA-01",
        "many tests without correction",
        fields(
            "2.1",
            action="Test each gene for differential expression with Welch's t-test, p < 0.05.",
            outputs=(),
            parameters=(),
        ),
    ),
    (
        "G-STA-02",
        "no check of proportional hazards",
        fields("3.1", action=NO_CHECK, acceptance="It converges in 50 rounds."),
    ),
    (
        "G-STA-03",
        "a model never tested",
        lambda p: fields("3.2", title="Describe the score", action="Train a random forest of 500 trees in GSE4335.")(p),
    ),
    (
        "G-STA-04",
        "validation in the discovery set",
        fields("3.2", datasets=("GSE1992",), action="Apply the formula, 2 groups."),
    ),
    ("G-STA-05", "selection before the split", says("2.2", "Select the top 50 genes before cross-validation.")),
    (
        "G-STA-06",
        "a measurement without replicates",
        appended(wet("Measure 5 genes by qPCR against GAPDH, 40 cycles.")),
    ),
    (
        "G-STA-07",
        "a measurement without control",
        appended(wet("Stain by immunohistochemistry in triplicates at 1:100.")),
    ),
    ("G-STA-08", "merging without batches", says("1.2", "Merge the two data sets into one matrix.")),
    ("G-STA-09", "a threshold that may move", says("2.1", "Consider adjusting the threshold based on what is found.")),
    ("G-STA-09", "the best cut-off", says("3.1", "Choose the optimal cut-off of the score.")),
    ("G-STA-10", "no seed", fields("2.2", skill=None, action="Cluster the samples by k-means with 4 centres.")),
    ("G-COV-01", "a requirement left out", covered(*OTHERS)),
    ("G-COV-02", "met by nothing", covered(Coverage(requirement="R1", steps=(), met=True), *OTHERS)),
    ("G-COV-02", "not met, no reason", covered(Coverage(requirement="R1", steps=(), met=False), *OTHERS)),
    (
        "G-COV-03",
        "met by a step that is not there",
        covered(Coverage(requirement="R1", steps=("9.9",), met=True), *OTHERS),
    ),
    ("G-COV-03", "a requirement nobody asked for", fields("2.1", requirements=("R9",))),
    (
        "G-COV-04",
        "met by a step about something else",
        covered(MET, OTHERS[0], Coverage(requirement="R3", steps=("1.2",), met=True)),
    ),
    ("G-SAF-01", "records without approval", says("1.1", "Read the medical records at the hospital.")),
    (
        "G-SAF-02",
        "animals without approval",
        appended(wet("Grow xenografts in 8 mice per group; controls are untreated.")),
    ),
    ("G-SAF-03", "a hazard without protection", appended(wet("Extract RNA with phenol and chloroform, 1 ml each."))),
    (
        "G-SAF-04",
        "a virus without a level",
        appended(wet("Transduce 10^5 cells with lentivirus, MOI 5, n = 3, mock control.")),
    ),
    ("G-SAF-05", "signs of misuse", says("1.1", "Increase the transmissibility of H5N1 by serial passage, 10 times.")),
]


def context() -> CheckContext:
    """The run, with two more data sets that fit nothing."""
    base = S.context()
    known = dict(base.datasets or {})
    bare = known["GSE1992"].model_dump()
    sheet = {**bare["files"][1], "columns": [bare["files"][1]["columns"][0]]}
    hallmark = {**bare, "id": "hallmark", "accession": None, "role": "reference", "files": [bare["files"][0], sheet]}
    tiny = {
        **bare,
        "id": "tiny",
        "accession": None,
        "role": "reference",
        "n_samples": 4,
        "problems": ["two ids repeat"],
    }
    known |= {d["id"]: Dataset.model_validate(d) for d in (hallmark, tiny)}
    unfit = DatasetCheck(
        dataset_id="tiny", verdict="unusable", reasons=("four samples",), relevant=False, origin="offline"
    )
    return replace(base, datasets=known, checks=(unfit,))


def test_a_clean_protocol_has_no_finding_but_for_what_no_step_uses():
    assert run_checks(S.clean_protocol(), context()) == ()
    assert run_checks(S.clean_protocol()) == ()


@pytest.mark.parametrize(("text", "name"), [(S.CLEAN_WET, "wet.md"), (S.CLEAN_TEXT, "fasting.txt")])
def test_clean_protocols_read_from_text_have_no_error_and_no_warning(text: str, name: str):
    found = run_checks(protocol_from_text(text, name)[0])
    assert [f for f in found if f.severity != "note"] == []


@pytest.mark.parametrize(("gate", "what", "inject"), DEFECTS, ids=[f"{g}: {w}" for g, w, _ in DEFECTS])
def test_a_flaw_is_found_by_its_check_and_lowers_the_metric_it_concerns(gate: str, what: str, inject: Inject):
    broken = inject(S.clean_protocol())
    found = [f for f in run_checks(broken, context()) if f.gate == gate]
    assert found, what
    assert all(f.location and f.message for f in found)
    metric = next(g.metric for g in CHECKS if g.id == gate)
    before = review_by_rule(S.clean_protocol(), context()).metrics[metric].score
    after = review_by_rule(broken, context()).metrics[metric].score
    assert after < before


def test_all_checks_but_few_are_tried_by_a_flaw():
    tried = {gate for gate, _, _ in DEFECTS}
    assert {g.id for g in CHECKS} - tried == {"G-STR-13", "G-DAT-10", "G-COV-05"}


def test_check_ids_are_unique_and_at_least_twenty():
    ids = [g.id for g in CHECKS]
    assert len(set(ids)) == len(ids) >= 20


def test_chinese_text_is_reviewed_and_the_limit_is_said():
    text = "# 方案\n\n## 第一部分 数据\n\n1. 下载:从GEO下载GSE1992,至少20个样本。\n2. 分析:选择适当的方法,参数待定。\n"
    protocol, _ = protocol_from_text(text, "方案.md")
    gates = {f.gate for f in run_checks(protocol)}
    assert len(protocol.steps) == 2
    assert {"G-STR-13", "G-VAG-01", "G-VAG-02"} <= gates


def test_a_data_set_of_the_run_that_no_step_uses_is_a_note():
    p = steps(lambda s: s.model_copy(update={"datasets": (), "inputs": ()}), "1.1", "3.2")(S.clean_protocol())
    found = [f for f in run_checks(p, S.context()) if f.gate == "G-DAT-10"]
    assert [f.severity for f in found] == ["note"]
    assert "GSE4335" in found[0].message


def test_a_protocol_of_another_objective_is_noticed():
    other = S.OBJECTIVE.model_copy(
        update={"text": "Sequence the gut microbiome of honeybees exposed to neonicotinoids."}
    )
    found = run_checks(S.clean_protocol(), replace(S.context(), objective=other))
    assert "G-COV-05" in {f.gate for f in found}


def test_checks_that_need_what_is_not_known_are_skipped_and_named():
    known, unknown = applicability(context()), applicability(CheckContext())
    assert known.skipped == ()
    assert dict(unknown.skipped)["G-REF-05"] == ("paper_ids", "datasets")
    assert len(unknown.applied) + len(unknown.skipped) == len(CHECKS)


def test_one_part_is_not_blamed_for_what_the_others_hold():
    whole = S.clean_protocol()
    alone = whole.model_copy(update={"parts": whole.parts[2:], "coverage": ()})
    assert run_checks(alone, S.context(), scope="part") == ()
    assert run_checks(alone, S.context()) != ()


def test_headings_are_checked_without_steps():
    whole = S.clean_protocol()
    bare = whole.model_copy(update={"parts": tuple(p.model_copy(update={"steps": ()}) for p in whole.parts)})
    assert run_checks(bare, S.context(), scope="headings") == ()
    assert {f.gate for f in run_checks(part(1, title="Part 1")(bare), scope="headings")} == {"G-STR-09"}


def test_a_paper_may_be_cited_by_any_of_its_names():
    paper = Paper(id="own-12", title="t", pmid="16643655", doi="10.1186/1471-2164-7-96", source="own")
    known = replace(S.context(), paper_ids=paper_identifiers([paper]) | {"PMID16643655"})
    p = says("2.1", "As in PMID: 16643655 (10.1186/1471-2164-7-96).")(S.clean_protocol())
    assert run_checks(p, known) == ()


@pytest.mark.parametrize(
    "sentence",
    [
        "Test whether expression was significantly higher in the positive group.",
        "Genes with p = 0.05 are not called.",
        "Report the hazard ratio with its 95 % interval and p-value.",
        "Centrifuge at 300 × g and 4 °C; store at -80 °C until use.",
        "The concentration is to be determined by Qubit.",
        "Keep cells at 18-25 °C.",
        "Compare with the TCGA-BRCA cohort and the TCGA-GTEx resource.",
        "Use sample_id as the key, and n = 3 per group.",
        "The p-value of 2 genes is printed.",
        "Adjust p-values by Benjamini-Hochberg and call 5 genes.",
    ],
)
def test_harmless_sentences_raise_no_error(sentence: str):
    p = says("2.1", sentence)(S.clean_protocol())
    assert [f for f in run_checks(p) if f.severity == "error"] == []


def test_a_column_of_a_table_that_a_step_makes_is_not_sought_in_the_sample_sheet():
    rank = (Parameter(name="rank_column", value="t"), Parameter(name="FDR", value="0.05"))
    assert run_checks(fields("2.1", parameters=rank)(S.clean_protocol()), S.context()) == ()


def test_steps_alike_but_for_their_data_are_not_duplicates():
    twin = S.clean_protocol().parts[1].steps[0]
    other = twin.model_copy(
        update={"id": "2.3", "datasets": ("GSE4335",), "action": twin.action.replace("GSE1992", "GSE4335")}
    )
    assert "G-STR-08" not in {f.gate for f in run_checks(appended(other, 2)(S.clean_protocol()))}


def test_findings_are_deterministic_and_most_severe_first():
    p = says("2.1", "TODO use suitable settings, e.g. GSEXXX; p = 0.0031.")(S.clean_protocol())
    found = run_checks(p, context())
    assert found == run_checks(p, context())
    order = [("error", "warning", "note").index(f.severity) for f in found]
    assert order == sorted(order)


HOSTILE = st.text(max_size=400) | st.sampled_from(
    [
        "\u202e[/red]\x1b[31mgone\x00",
        "A" * 5000,
        "(" * 2000,
        "p = " * 800,
        "e.g. " * 900,
        "GSE" * 1500,
        "10.1234/" * 700,
        "-" * 3000,
        "the the " * 900,
        "1." * 2000,
        "{{ 7*7 }} ${x} <script>alert(1)</script>",
        "\u0301" * 3000,
        "。" * 3000,
    ]
)


@settings(max_examples=60, deadline=None)
@given(text=HOSTILE, title=HOSTILE)
def test_hostile_text_never_breaks_a_check_nor_reaches_a_finding_raw(text: str, title: str):
    p = fields("2.1", action=text, title=title, rationale=text, acceptance=title)(S.clean_protocol())
    for f in run_checks(p, context()):
        assert not any(ord(c) < 32 or c in "\x7f\u202e\u2066" for c in f.message + f.location + f.suggestion)
        assert len(f.message) <= 400


WORSE = [
    "Use suitable settings where applicable.",
    "TODO check this.",
    "Use the samples of TCGA-LUS.",
    "We found that it works.",
    "Merge the two data sets into one matrix.",
]


@settings(max_examples=60, deadline=None)
@given(before=st.lists(st.sampled_from(WORSE), max_size=3), defect=st.sampled_from(DEFECTS))
def test_a_flaw_never_raises_the_metric_it_concerns_in_an_already_flawed_protocol(
    before: list[str], defect: tuple[str, str, Inject]
):
    gate, what, inject = defect
    start = S.clean_protocol()
    for sentence in before:
        start = says("1.1", sentence)(start)
    metric = next(g.metric for g in CHECKS if g.id == gate)
    worse = review_by_rule(inject(start), context()).metrics[metric].score
    assert worse <= review_by_rule(start, context()).metrics[metric].score, what


@pytest.mark.parametrize(
    "codes",
    [
        ("SEED = 1\n", "SEED = 1\n"),
        ('def f(x):\n    """Says so."""\n    return x\n', "def f(x):\n    return x\n"),
        ("N = len(sheet)\n", "N = 4\n"),
        ("fdr = 0.05\n", "fdr = 0.1\n"),
        ("A = {1, 2}\nA = {2, 3}\n", "("),
    ],
)
def test_code_that_agrees_with_itself_is_not_said_to_differ(codes: tuple[str, ...]) -> None:
    assert "G-CON-03" not in {f.gate for f in run_checks(coded(*codes)(S.clean_protocol()), S.context())}
