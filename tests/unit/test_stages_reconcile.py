"""What the rules find beside what the reader said, and which passages a reader gets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bioresearcher.papers.canonical import DocumentBuilder
from bioresearcher.papers.quotes import split_passages
from bioresearcher.schemas.ask_literature import OutlinedPart
from bioresearcher.schemas.paper import Document, Evidence
from bioresearcher.schemas.paper_report import Mention, Parameter, ReportPart, ReportStep, Statement
from bioresearcher.stages.passages import CHARACTERS_PER_PART, PASSAGES_PER_PART, Relevance
from bioresearcher.stages.quote_checks import add_quoted_values, unquoted, versions_of, with_step_ids

QUOTE = "Arrays of 46 tumours (GSE1992) were compared by Welch's t-test with limma 3.50 at an adjusted p value < 0.05."


def evidence(text: str) -> Evidence:
    return Evidence(document="P", section="Methods", start=0, end=len(text), text=text)


def step(**said: object) -> ReportStep:
    values = {"id": "1.1", "action": "Test genes", "evidence": (evidence(QUOTE),), "supported": True, **said}
    return ReportStep.model_validate(values)


def test_what_the_quotes_state_is_added_once() -> None:
    given = step(software=("limma",), datasets=("GSE1992",), parameters=(Parameter(name="alpha", value="0.05"),))
    done = add_quoted_values(given, {})
    assert done.software == ("limma 3.50",)
    assert done.datasets == ("GSE1992",)
    assert done.parameters == given.parameters
    assert (done.tests, done.cohorts) == (("Welch's t-test",), ("46 tumours",))
    assert add_quoted_values(done, {}) == done


def test_genes_of_results_are_checked_symbols() -> None:
    result = Statement(text="x", evidence=(evidence("ESR1 and GATA3 were higher than FOOBAR1."),))
    assert add_quoted_values(step(results=(result,)), {}).genes == ("ESR1", "GATA3")


def test_a_number_that_no_quote_holds_is_named_and_kept() -> None:
    parameters = (Parameter(name="fold change", value="> 2"),)
    done = add_quoted_values(
        step(action="Test 46 arrays", details="1. Use 3 replicates. 2. Adjust.", parameters=parameters), {}
    )
    assert done.unquoted == ("3", "2")
    assert parameters[0] in done.parameters


def test_spelt_numbers_and_thousands_are_the_same_numbers() -> None:
    quoted = (evidence("Nine controls and 1,000 permutations were used."),)
    assert unquoted(step(action="Use 9 controls and 1000 permutations", evidence=quoted)) == ()


def test_names_with_digits_are_no_numbers() -> None:
    assert unquoted(step(action="Test TP53, IL-6, log2 and GSE1992", evidence=())) == ()


def mention(kind: str, name: str, value: str = "") -> Mention:
    return Mention.model_validate({"kind": kind, "name": name, "value": value, "section": "", "start": 0, "end": 1})


def test_a_version_is_added_when_the_paper_states_one_only() -> None:
    mined = [mention("software", "Cytoscape", "3.8"), mention("software", "R", "4.1"), mention("software", "R", "4.2")]
    assert versions_of(mined) == {"cytoscape": "3.8"}
    assert add_quoted_values(step(software=("Cytoscape", "R")), versions_of(mined)).software[:2] == (
        "Cytoscape 3.8",
        "R",
    )


def test_mentions_know_the_steps_that_carry_them() -> None:
    part = ReportPart(id="1", title="t", steps=(add_quoted_values(step(), {}),))
    known = [mention("accession", "GSE1992"), mention("accession", "GSE2"), mention("software", "limma", "3.50")]
    rows = with_step_ids(known, [part])
    assert [m.steps for m in rows] == [("1.1",), (), ("1.1",)]


def long_paper() -> Document:
    builder = DocumentBuilder()
    builder.section("Methods", "methods", 1)
    for number in range(60):
        builder.paragraph(f"Filler {number} about husbandry of animals in the barn. " * 12)
    builder.paragraph("Survival was modelled by Cox regression with the risk score of every tumour. " * 3)
    builder.section("Results", "results", 1)
    builder.paragraph("The Cox regression of survival gave a hazard ratio for the risk score. " * 3)
    builder.section("References", "references", 1)
    builder.paragraph("A Cox regression of survival with a risk score of tumours. " * 3)
    return builder.build("P", "note")


def test_a_long_section_is_read_where_it_speaks_of_the_part() -> None:
    document = long_paper()
    passages = [p for p in split_passages(document) if p.kind != "references"]
    part = OutlinedPart(title="Cox regression of survival", purpose="Risk score", sections=(0,))
    chosen = Relevance(document, passages).passages_for(part)
    assert len(chosen) <= PASSAGES_PER_PART
    assert sum(len(p.text) for p in chosen) <= CHARACTERS_PER_PART
    assert any("Cox regression" in p.text for p in chosen if p.kind == "methods")
    assert any(p.kind == "results" for p in chosen)
    assert all(p.kind != "references" for p in chosen)
    assert [p.start for p in chosen] == sorted(p.start for p in chosen)


def test_a_part_without_sections_is_read_from_the_whole_paper() -> None:
    document = long_paper()
    part = OutlinedPart(title="Cox regression of survival", purpose="", sections=(-1, 99))
    chosen = Relevance(document, split_passages(document)).passages_for(part)
    assert any("Cox regression" in p.text for p in chosen)


def test_meaning_helps_to_choose_only_where_sections_are_long() -> None:
    asked: list[int] = []

    def similarity(left: Sequence[str], right: Sequence[str]) -> NDArray[np.float32]:
        asked.append(len(right))
        return np.array([[float("risk score of every tumour" in text) for text in right]], dtype=np.float32)

    document = long_paper()
    passages = [p for p in split_passages(document) if p.kind != "references"]
    relevance = Relevance(document, passages, similarity)
    short = OutlinedPart(title="Proportional hazards", purpose="", sections=(1,))
    assert relevance.passages_for(short)
    assert asked == []
    long = OutlinedPart(title="Proportional hazards", purpose="", sections=(0,))
    assert any("Cox regression" in p.text for p in relevance.passages_for(long))
    assert len(asked) == 1
