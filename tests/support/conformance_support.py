"""Good answers to the conformance checks (loaded by path)."""

from bioresearcher.schemas.ask_design import ProtocolPlan
from bioresearcher.schemas.ask_literature import OutlinedPart, PaperOutline, PartDraft, ReportStepDraft
from bioresearcher.schemas.ask_program import CodeDraft, MetricScore, ProtocolScores
from bioresearcher.schemas.review import METRICS
from bioresearcher.stages.conformance.material import PROTOCOL

QUOTE = "Take the largest deviation of the running sum from zero as the enrichment score."
ELSEWHERE = "Order the events in time, and compare at each event the covariates of the patient who had it"
STEP = PROTOCOL.parts[0].steps[1]

READ = """
import csv, json, statistics, sys
task = json.load(open(sys.argv[1]))
groups = {}
with open(task["inputs"]["samples"], newline="") as file:
    for row in csv.DictReader(file, delimiter="\\t"):
        groups.setdefault(row["group"], []).append(float(row["age"]))
"""
WRITE = """
with open(task["outputs"]["table"], "w") as out:
    out.write("group\\tn\\tmean_age\\n")
    for name, ages in sorted(groups.items()):
        out.write(f"{name}\\t{len(ages)}\\t{statistics.fmean(ages)}\\n")
"""
SCRIPT = READ + WRITE


def outline(*sections: int) -> PaperOutline:
    part = OutlinedPart(title="Unsupervised overview", purpose="To see groups.", sections=sections)
    return PaperOutline(parts=(part,))


def part(*quotes: str) -> PartDraft:
    step = ReportStepDraft(action="Walk down the list", details="As the text says.", quotes=quotes)
    return PartDraft(steps=(step,))


def plan(*used: str) -> ProtocolPlan:
    """A plan of two parts that uses papers."""
    line = {"id": "1.1", "title": "Check the tables", "outputs": ["checks"]}
    parts = (
        {"id": "1", "title": "Quality control", "purpose": "p", "reason": "r", "lines": [line]},
        {"id": "2", "title": "Survival", "purpose": "p", "reason": "r", "depends_on": ["1"], "lines": [line]},
    )
    empty = dict.fromkeys(("decisions", "facts", "not_done", "answer_rule", "definitions", "papers"), ())
    page = {**empty, "papers": [{"paper_id": p, "use": "its test"} for p in used]}
    return ProtocolPlan.model_validate({"title": "Plan", "summary": "Two parts.", **page, "parts": parts})


def scores(evidence: str = STEP.action) -> ProtocolScores:
    metrics = {name: MetricScore(score=3, evidence=(evidence,), reason="r") for name in METRICS}
    return ProtocolScores(metrics=metrics, summary="Nothing first.")


GOOD = {
    "literature/outline_paper": outline(2, 3),
    "literature/report_part": part(QUOTE),
    "designer/plan_protocol": plan(),
    "programmer/write_code": CodeDraft(code=SCRIPT, note="Means by group."),
    "reviewer/score_protocol": scores(),
}
"""The prompt's name -> an answer that does."""
