"""The material of an author, and plans and steps as a model answers them."""

from __future__ import annotations

from dataclasses import replace

from bioresearcher.resources import Resources
from bioresearcher.schemas.ask_design import (
    ProtocolPlan,
    StepsDraft,
)
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.dataset import Column, DataFile, Dataset
from bioresearcher.schemas.facts import Audit, Fact, View, ViewFile
from bioresearcher.schemas.paper import Evidence
from bioresearcher.schemas.paper_report import (
    PaperReport,
    PartReferability,
    ReferabilityAnalysis,
    ReportPart,
    ReportStep,
)
from bioresearcher.skills import load_skills
from bioresearcher.stages.design_context import DesignContext

SKILLS = load_skills(Resources())
OBJECTIVE = Objective(
    id="o",
    text="Which genes differ between the groups?",
    requirements=(Requirement(id="R1", text="differential expression with false discovery rate"),),
)
TEXT = "Genes were tested with Welch's t test at a false discovery rate of 0.05. Samples of 40 patients were used."


def dataset(name: str = "GSE1", columns: int = 1, notes: int = 0) -> Dataset:
    group = Column(name="status", dtype="text", role="group", levels=("a", "b"), case="b", control="a")
    more = tuple(
        Column(name=f"measured variable {n}", dtype="text", levels=tuple(f"level {k} of {n}" for k in range(12)))
        for n in range(columns - 1)
    )
    sheet = DataFile(
        name="samples",
        kind="samples",
        path="s.tsv",
        columns=(group, *more),
        sample_column="id",
        bytes=1,
        sha256="0" * 64,
    )
    matrix = DataFile(
        name="expression", kind="expression", path="m.tsv", feature_column="gene", bytes=1, sha256="0" * 64
    )
    said = tuple(f"caveat {n} " * 40 for n in range(notes))
    return Dataset(
        id=name, title="t", source="own", root="/d", files=(matrix, sheet), n_samples=40, n_features=9, notes=said
    )


def fact(
    number: int, weight: int = 2, *, where: str = "GSE1", statement: str = "12 of 40 samples are treated."
) -> Fact:
    return Fact(
        id=f"F{number}",
        kind="sample kinds",
        dataset=where,
        statement=statement,
        weight=weight,
        shown_by="audit",
        consequence="Decide on eligibility.",
    )


def report(paper: str = "P1", steps: int = 1, length: int = 1) -> PaperReport:
    quote = Evidence(document=paper, section="Methods", start=0, end=len(TEXT), text=TEXT)
    rows = tuple(
        ReportStep(id=f"1.{n}", action="Test each gene " * length, supported=True, evidence=(quote,))
        for n in range(1, steps + 1)
    )
    part = ReportPart(id="1", title="Tests of genes", purpose="To find genes. " * length, steps=rows)
    return PaperReport(paper_id=paper, title="A paper", parts=(part,), quotes=1, quotes_located=1, origin="model")


def high(paper: str = "P1") -> ReferabilityAnalysis:
    judged = PartReferability(part_id="1", level="high", reason="r", reuse="the test " * 30, change="the groups " * 30)
    return ReferabilityAnalysis(paper_id=paper, parts=(judged,), origin="model")


VIEW = View(
    id="GSE1/open",
    dataset="GSE1",
    kind="open",
    files=(ViewFile(name="samples.csv", rows=40, columns=("sample", "batch"), n_columns=2, what="a row is a sample"),),
    withheld=("status: the objective compares it",),
    digest="0" * 64,
)


def bench(**changes) -> DesignContext:
    made = DesignContext(
        OBJECTIVE, {"P1": report()}, {"P1": high()}, (dataset(),), SKILLS, audit=Audit(facts=(fact(1), fact(2, 1)))
    )
    return replace(made, **changes)


def plan(lines: int = 3, parts: int = 1, **page) -> ProtocolPlan:
    empty = dict.fromkeys(("decisions", "facts", "not_done", "answer_rule", "definitions", "papers"), ())
    rows = [
        {
            "id": str(p),
            "title": f"Part {p}",
            "purpose": "p",
            "reason": "r",
            "lines": [{"id": f"{p}.{n}", "title": f"Line {p}.{n}", "outputs": ["table"]} for n in range(1, lines + 1)],
        }
        for p in range(1, parts + 1)
    ]
    return ProtocolPlan.model_validate({"title": "t", "summary": "s", **empty, "parts": rows, **page})


def step(name: str, **more) -> dict[str, object]:
    given = {"id": name, "title": f"Task {name}", "action": f"Do {name}.", "acceptance": "It is done.", "kind": "dry"}
    return {**given, "outputs": [{"name": "table", "kind": "table"}], **more}


def steps(*drafts: dict[str, object]) -> StepsDraft:
    return StepsDraft.model_validate({"steps": drafts})
