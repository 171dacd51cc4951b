"""Citations are claims: what a fact or passage does not hold is cut, what it holds becomes a link."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stages_support import caller, notes

from bioresearcher.errors import EmptyReplyError
from bioresearcher.events import Event
from bioresearcher.schemas.ask_review import ClaimJudgements
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.facts import Audit, Fact, FactNumber, LookRecord, PassageRead
from bioresearcher.schemas.paper import Evidence, Paper
from bioresearcher.schemas.paper_report import PaperReport, ReportPart, ReportStep
from bioresearcher.schemas.protocol import Citation, Protocol, ProtocolPart, ProtocolStep
from bioresearcher.stages.claims import check_claims, why_not
from bioresearcher.stages.design_context import DesignContext
from bioresearcher.stages.fallback import by_rule_only

QUOTES = (
    "Genes with a false discovery rate below 0.05 were taken as differential.",
    "Survival was shorter in patients with a high score.",
)


def evidence(text: str) -> Evidence:
    return Evidence(document="P1", section="Methods", start=3, end=3 + len(text), text=text)


def bench() -> DesignContext:
    steps = (
        ReportStep(id="2.1", action="Test genes", supported=True, evidence=tuple(map(evidence, QUOTES))),
        ReportStep(id="2.2", action="Use 12 genes", supported=False),
    )
    report = PaperReport(
        paper_id="P1",
        title="A paper",
        parts=(ReportPart(id="2", title="Tests", steps=steps),),
        quotes=1,
        quotes_located=1,
        origin="model",
    )
    fact = Fact(
        id="F7",
        kind="filled values",
        dataset="GSE1",
        statement="1,980 of 4,951 values of an array are a constant.",
        numbers=(FactNumber(name="arrays", value=39),),
        rows=("svcc1", "svcc2"),
        row_count=39,
        shown_by="audit",
    )
    read = PassageRead(id="Q4", query="q", evidence=evidence("Arrays were scanned at 10 micrometres."))
    objective = Objective(id="o", text="Which genes differ?")
    return DesignContext(objective, {"P1": report}, {}, (), {}, audit=Audit(facts=(fact,)), passages=(read,))


def protocol(*citations: Citation) -> Protocol:
    step = ProtocolStep(
        id="1.1", title="Test", action="Test each gene.", kind="dry", origin="model", citations=citations
    )
    part = ProtocolPart(id="1", title="Tests", purpose="p", steps=(step,))
    return Protocol(id="o", title="t", objective_id="o", parts=(part,), origin="model")


def cite(ref: str, claim: str, kind: str = "passage") -> Citation:
    return Citation.model_validate({"kind": kind, "ref": ref, "claim": claim})


def by_rule(tmp_path: Path, *citations: Citation, made: DesignContext | None = None) -> Protocol:
    door = by_rule_only(caller(tmp_path, [], []))
    return asyncio.run(check_claims(door, made or bench(), protocol(*citations)))


@pytest.mark.parametrize(
    ("citation", "reason"),
    [
        (cite("F7", "Of 4,951 values 1980 are a constant on 39 arrays.", "fact"), ""),
        (cite("f7", "Constant values are filled in.", "passage"), ""),
        (cite("F7", "Of 4,951 values 2,000 are a constant.", "fact"), "its source does not hold 2000"),
        (cite("F99", "Constant values.", "fact"), "there is no fact F99"),
        (cite("P1/2.1", "Genes are called at a false discovery rate of 0.05."), ""),
        (cite("P1/2.1", "Genes are called at a false discovery rate of 0.01."), "its source does not hold 0.01"),
        (cite("P1/2.1", "Survival was longer with a high score."), "it and its source point in opposite directions"),
        (cite("Q4", "Arrays were scanned at 10 micrometres."), ""),
        (cite("Q4", "Reads were aligned with STAR."), "its source shares no word with it"),
        (cite("Q5", "Arrays were scanned."), "there is no passage Q5"),
        (cite("PMID1/2.1", "Genes are tested."), "there is no passage PMID1/2.1"),
        (cite("P1/2.2", "12 genes are used."), "no quote of it was located in the paper"),
        (cite("P1/2.1", " "), "it says nothing that could be checked"),
        (cite("", "Genes are tested."), "there is no passage without a name"),
    ],
)
def test_a_claim_stands_only_when_its_source_holds_it(tmp_path: Path, citation: Citation, reason: str) -> None:
    checked = by_rule(tmp_path, citation)
    (found,) = checked.steps[0].citations
    assert (found.state, found.reason) == (("cut", reason) if reason else ("supported", "checked by rule"))
    cut = [text for text in checked.limitations if text.startswith("Citations that were cut")]
    assert bool(cut) is bool(reason)


def test_opposite_directions_are_cut() -> None:
    assert (
        why_not("Survival was longer with a high score.", QUOTES[1:])
        == "it and its source point in opposite directions"
    )
    assert why_not("Survival was shorter with a high score.", QUOTES[1:]) == ""


def test_supported_passages_become_links_to_the_nearest_quote(tmp_path: Path) -> None:
    claims = (
        cite("p1/2.1", "Survival was shorter with a high score."),
        cite("Q4", "Arrays were scanned."),
        cite("F7", "Values are constant.", "fact"),
    )
    checked = by_rule(tmp_path, *claims)
    links = checked.steps[0].links
    assert [(k.paper_id, k.part_id, k.step_id, k.evidence.text) for k in links] == [
        ("P1", "2", "2.1", QUOTES[1]),
        ("P1", "", "", "Arrays were scanned at 10 micrometres."),
    ]
    assert checked.steps[0].citations[0].ref == "P1/2.1"
    assert [(p.paper_id, p.use) for p in checked.papers] == [("P1", "cited by 1.1")]
    assert by_rule(tmp_path, *checked.steps[0].citations).steps[0].citations == checked.steps[0].citations


def test_general_knowledge_is_not_checked(tmp_path: Path) -> None:
    (found,) = by_rule(tmp_path, cite("", "Proportional hazards are checked.", "general")).steps[0].citations
    assert (found.state, found.reason) == ("not checked", "")


def test_a_retracted_paper_supports_nothing(tmp_path: Path) -> None:
    made = replace(bench(), papers={"P1": Paper(id="P1", title="A paper", source="own", status="retracted")})
    checked = by_rule(tmp_path, cite("P1/2.1", "Genes are tested by false discovery rate."), made=made)
    assert (checked.steps[0].citations[0].reason, checked.steps[0].links) == ("the paper was retracted", ())


CLAIMS = (
    cite("P1/2.1", "Genes are called at a false discovery rate of 0.05."),
    cite("Q4", "Arrays were scanned."),
    cite("F7", "Values are constant.", "fact"),
    cite("Q4", "Arrays were scanned at 99 micrometres."),
)


async def test_a_model_is_asked_once_about_the_passages_that_the_rules_let_pass(tmp_path: Path) -> None:
    reply = {
        "claims": [
            {"id": "C1", "reason": "It says so.", "supports": True},
            {"id": "c2", "reason": "Other.", "supports": False},
        ]
    }
    door = caller(tmp_path, [ClaimJudgements.model_validate(reply)], [])
    checked = await check_claims(door, bench(), protocol(*CLAIMS))
    assert len(door.backend.requests) == 1
    asked = door.backend.requests[0].values.claims
    assert [(c.id, c.claim) for c in asked] == [("C1", CLAIMS[0].claim), ("C2", CLAIMS[1].claim)]
    assert [(c.state, c.reason) for c in checked.steps[0].citations] == [
        ("supported", "checked by rule and judged by a model"),
        ("cut", "Other."),
        ("supported", "checked by rule"),
        ("cut", "its source does not hold 99"),
    ]
    assert len(checked.steps[0].links) == 1
    again = await check_claims(door, bench(), checked)
    assert again == checked
    assert len(door.backend.requests) == 1


@pytest.mark.parametrize("reply", [EmptyReplyError("nothing"), ClaimJudgements(claims=())])
async def test_without_a_usable_judgement_the_rules_verdict_stands(tmp_path: Path, reply) -> None:
    events: list[Event] = []
    checked = await check_claims(caller(tmp_path, [reply], events), bench(), protocol(*CLAIMS))
    assert [c.state for c in checked.steps[0].citations] == ["supported", "supported", "supported", "cut"]
    assert ("2 claims were checked by rule only" in notes(events)) is isinstance(reply, Exception)


@given(st.text(max_size=60), st.integers(100, 9_999))
def test_a_number_that_no_source_holds_never_stands(text: str, number: int) -> None:
    assert why_not(f"{text} . {number} genes", [QUOTES[0]])


@pytest.mark.parametrize("ref", ["L3", "F9"])
def test_the_limits_of_a_looks_code_are_no_missing_numbers(ref: str, tmp_path: Path) -> None:
    look = LookRecord(
        id="L3", by="designer", round=1, why="w", view="v", code="print((p < 0.3).sum())", shown="samples below: 14"
    )
    fact = (
        bench()
        .audit.facts[0]
        .model_copy(
            update={"id": "F9", "statement": "14 samples lie below.", "shown_by": "L3", "numbers": (), "rows": ()}
        )
    )
    made = replace(bench(), looks=(look,), audit=Audit(facts=(fact,)))
    claims = ("14 samples lie below 0.3.", "15 samples lie below 0.3.", "14 samples lie below 0.4.")
    checked = by_rule(tmp_path, *(cite(ref, claim, "fact") for claim in claims), made=made)
    assert [c.state for c in checked.steps[0].citations] == ["supported", "cut", "cut"]
