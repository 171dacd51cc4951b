"""A planned protocol with a first page, facts, citations and answered findings, put into the report tests' run."""

from __future__ import annotations

from datetime import UTC, datetime

from report_support import HOSTILE, NOTE_TEXT, evidence

from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.facts import Audit, Fact, FactNumber, Proposal
from bioresearcher.schemas.paper_report import Parameter
from bioresearcher.schemas.protocol import (
    AnsweredFinding,
    Citation,
    Coverage,
    Decision,
    Definition,
    Link,
    NotDone,
    PaperUse,
    Protocol,
    ProtocolPart,
    ProtocolStep,
    Relation,
    ShapingFact,
    StepInput,
    StepOutput,
)
from bioresearcher.stages.registration import register

CONSTANT = (
    "In GSE4335 1,980–2,073 of 4,951 values of every array of the series svcc, svj, svl and svn are one constant."
)
COX = "The score was related to survival with a Cox model in the discovery cohort and tested unchanged"
ACTION = """Leave out, before anything is computed:

1. samples of another kind (F1):
   - metastases and recurrences (`-Met`, `-RECUR`)
   - samples taken after chemotherapy
2. arrays with **fewer than 60 %** of the genes measured

| cohort | samples | left out | left |
|---|---:|---:|---:|
| GSE1992 | 170 | 7 | 163 |
| GSE4335 | 118 | 0 | 118 |

Write the number left out and the reason of each into `flow`."""

AUDIT = Audit(
    facts=(
        Fact(
            id="F1",
            kind="sample kinds",
            dataset="GSE1992",
            statement="7 of 170 samples are metastases, recurrences or post-chemotherapy samples; all 7 have an event.",
            numbers=(FactNumber(name="samples", value=7),),
            rows=("N1", "N2"),
            row_count=7,
            consequence="eligibility",
            weight=3,
            shown_by="sample_kinds",
        ),
        Fact(
            id="F2",
            kind="filled values",
            dataset="GSE4335",
            statement=CONSTANT,
            consequence="missing values",
            weight=3,
            shown_by="filled_values",
        ),
        Fact(
            id="F3",
            kind="batch",
            dataset="GSE4335",
            statement="The series prefix of the array name explains 56 % of the variance of the pathway score.",
            consequence="series in the model",
            weight=3,
            shown_by="batch",
        ),
    ),
    proposals=(
        Proposal(
            id="P1",
            dataset="GSE4335",
            kind="treat as missing",
            what="The constant is set to missing on 118 arrays.",
            reason="It is no measurement.",
            facts=("F2",),
        ),
        Proposal(
            id="P2",
            dataset="GSE1992",
            kind="leave out samples",
            what="7 samples.",
            reason="Another kind.",
            facts=("F1",),
        ),
    ),
    notes=("the supplement of GSE1992 could not be read",),
)


def planned() -> Protocol:
    """A protocol as an author writes it after looks, with everything its first page and appendix can hold."""
    passage = Link(
        paper_id="PMID10963602",
        part_id="1",
        step_id="1.1",
        evidence=evidence("PMID10963602", NOTE_TEXT, COX),
        claim="A Cox model relates the score to survival.",
    )
    first = ProtocolPart(
        id="1",
        title="Eligible samples and measured genes",
        purpose="Settle what is analysed before any outcome is read.",
        steps=(
            ProtocolStep(
                id="1.1",
                title="Leave out what is no primary, untreated tumour",
                action=ACTION,
                rationale="All seven have events and would raise the hazard of whatever marks them.",
                inputs=(
                    StepInput(name="samples", source="dataset:GSE1992/samples"),
                    StepInput(name="samples of GSE4335", source="dataset:GSE4335-prepared/samples"),
                ),
                outputs=(StepOutput(name="flow", kind="table", description="a row per reason"),),
                datasets=("GSE1992", "GSE4335-prepared", "GSE4335"),
                software=("pandas 2.2",),
                acceptance="The table's numbers add up to 170 and 118.",
                kind="dry",
                requirements=("R1",),
                citations=(
                    Citation(kind="fact", ref="F1", claim="7 samples are of another kind.", state="supported"),
                    Citation(kind="fact", ref="F3", claim="The series goes with the score.", state="supported"),
                    Citation(kind="passage", ref="own-5a1f/1.1", claim="A cut claim.", state="cut", reason="numbers"),
                ),
                origin="model",
            ),
        ),
    )
    second = ProtocolPart(
        id="2",
        title="Survival",
        purpose="Relate the score to survival in both cohorts.",
        depends_on=("1",),
        relations=(Relation(part="1", kind="needs output of", reason="only eligible samples"),),
        steps=(
            ProtocolStep(
                id="2.1",
                title="Cox model with the series as stratum",
                action="Fit Cox models stratified by series.\nReport the hazard ratio per standard deviation.",
                parameters=(
                    Parameter(name="alpha", value="0.05"),
                    Parameter(name="strata", value="stratified by series"),
                ),
                inputs=(StepInput(name="flow", source="step:1.1/flow"),),
                outputs=(StepOutput(name="cox", kind="table"),),
                acceptance="Schoenfeld tests are given for each model.",
                kind="dry",
                skill="cox-regression",
                requirements=("R2",),
                links=(passage,),
                citations=(
                    Citation(kind="passage", ref="PMID10963602/1.1", claim=passage.claim, state="supported"),
                    Citation(kind="general", claim="Strata take up batch differences."),
                ),
                origin="model",
            ),
            ProtocolStep(
                id="2.2",
                title="Check the score by hand",
                action="Recompute ten scores by hand.",
                kind="wet",
                citations=(Citation(kind="general", claim="Scores can be recomputed."),),
                origin="human",
            ),
        ),
    )
    return Protocol(
        id="p2",
        title="ERBB2/EGFR-MAPK activity and outcome in breast tumours",
        objective_id="breast",
        summary="One question, two cohorts. Eligible samples first, then **one** model for both.",
        parts=(first, second),
        coverage=(Coverage(requirement="R1", steps=("1.1",), met=True),),
        decisions=(
            Decision(
                question="Which samples are eligible?",
                choice="Primary, untreated tumours: 163 and 118",
                why="7 others all have events | none is primary",
                cites=("F1",),
            ),
            Decision(question="How is series dealt with?", choice="Stratum", why=HOSTILE, cites=("F3",)),
        ),
        facts=(
            ShapingFact(fact="F1", consequence="left out (step 1.1)"),
            ShapingFact(fact="F2", consequence="set to missing; numbers as given in a sensitivity analysis"),
        ),
        not_done=(NotDone(what="A nomogram", why="42 events carry no more than 4 parameters."),),
        answer_rule=("Shown: HR > 1 with a 95 % interval above 1 in both cohorts.", "Not shown: anything else."),
        definitions=(Definition(name="MAPK score", text="Mean of `z` over the 200 genes measured in both cohorts."),),
        papers=(
            PaperUse(paper_id="PMID10963602", use="the model of step 2.1"),
            PaperUse(paper_id="own-5a1f", reason="retracted"),
        ),
        answered=(
            AnsweredFinding(
                finding="A1",
                said="≥ 80 % measured holds for 12 genes only.",
                location="step 1.1",
                consequence="changes the result",
                look="V2",
                done=True,
                answer="The limit is 60 %.",
            ),
            AnsweredFinding(
                finding="A2",
                said="Name the tie method.",
                location="step 2.1",
                done=False,
                answer="Efron is the default.",
                left=True,
            ),
        ),
        limitations=("GSE4335: the time unit is not stated.",),
        origin="mixed",
    )


def plan_run(folder: RunFolder) -> Protocol:
    """Put the planned protocol, facts, a prepared data set and a registration into a run; return the protocol."""
    protocol = planned()
    given = folder.read(Dataset, "datasets", "GSE4335.json")
    update = {"id": "GSE4335-prepared", "prepared_from": "GSE4335", "proposals": ("P1",)}
    folder.write(given.model_copy(update=update), "datasets", "GSE4335-prepared.json")
    folder.write(AUDIT, "facts.json")
    folder.write(protocol, "protocol.json")
    register(folder, protocol, AUDIT, (), "human", datetime(2026, 1, 5, 12, tzinfo=UTC))
    return protocol
