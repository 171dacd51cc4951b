"""A planned protocol in both reports: its first page, what steps rest on, sources, answered findings, caveats."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from planned_support import AUDIT, CONSTANT, plan_run
from report_support import build_run

from bioresearcher.papers.evidence_graph import removal_effects
from bioresearcher.report import html as html_pages
from bioresearcher.report import markdown as text_pages
from bioresearcher.report.caveats import not_verified
from bioresearcher.report.protocol_content import ProtocolContent
from bioresearcher.report.protocol_evidence import render_evidence, write_protocol
from bioresearcher.report.protocol_markdown import render_for_review, render_protocol, step_lines
from bioresearcher.report.run_data import load_view
from bioresearcher.report.summaries import run_evidence_graph
from bioresearcher.review.reading.text import protocol_from_text
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.facts import LookRecord
from bioresearcher.schemas.paper_report import Parameter
from bioresearcher.schemas.protocol import Citation, Decision, PaperUse, Protocol, ShapingFact
from bioresearcher.stages.registration import read_registration


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    place = tmp_path_factory.mktemp("run") / "planned"
    build_run(place)
    found = RunFolder(place)
    plan_run(found)
    return found


@pytest.fixture(scope="module")
def protocol(folder: RunFolder) -> Protocol:
    return folder.read(Protocol, "protocol.json")


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_the_protocol_reads_from_decisions_to_references_and_its_evidence_stands_beside_it(protocol: Protocol) -> None:
    text = render_protocol(ProtocolContent(protocol, AUDIT), "protocol-evidence.md")
    places = [
        text.index(f"## {name}")
        for name in (
            "Decisions at a glance",
            "Data and cohorts",
            "Facts that shape the plan",
            "Definitions",
            "Part 1: ",
            "Part 2: ",
            "Decision rule for the answer",
            "Limitations, and what is not done",
            "References",
        )
    ]
    assert places == sorted(places)
    assert f"| F2 (GSE4335): {CONSTANT} |" in text
    assert "- GSE4335, treat as missing: The constant" in text
    assert "P2" not in text, "the plan uses GSE1992 as given"
    assert "Results on GSE4335 as given are a sensitivity analysis." in text
    assert (
        "- **A nomogram.** 42 events carry no more than 4 parameters.\n- GSE4335: the time unit is not stated.\n"
        in text
    )
    assert "- **Not used**: own-5a1f, because: retracted\n" in text
    assert text.rstrip().endswith("`protocol-evidence.md` in the run's folder.")
    beside = render_evidence(ProtocolContent(protocol, AUDIT))
    for said in ("A cut claim.", "The score was related to survival", "The limit is 60 %.", "still found afterwards"):
        assert said in beside
        assert said not in text
    bare = render_protocol(ProtocolContent(protocol))
    assert CONSTANT not in bare
    assert "| F2: its statement is not at hand. |" in bare


def test_the_time_of_registration_has_a_line_of_its_own(folder: RunFolder) -> None:
    write_protocol(folder, folder.read(Protocol, "protocol.json"), read_registration(folder))
    text = folder.path("protocol.md").read_text("utf-8")
    assert re.search(r"^Registered 2026-01-05 12:00:00 UTC, digest \w+\.$", text, re.MULTILINE)
    assert "`protocol-evidence.md`" in text
    assert "[protocol.md](protocol.md)" in folder.path("protocol-evidence.md").read_text("utf-8")


def test_what_programs_remarked_on_the_draft_is_no_limitation_of_the_study(protocol: Protocol) -> None:
    remarks = (
        "2.1: inputs without a source that exists, left out: cox",
        "Citations that were cut, as their source does not hold the claim: 1.1 (own-5a1f/1.1).",
        "2 errors of the checks of the text are left; the record lists them.",
    )
    limits = (
        "Requirement R3 is not met by any step: no skill does what it asks for.",
        "Not judged: no model reviewed.",
    )
    left = "A2 of the review is left (changes the result), at step 2.1: Ties are not dealt with."
    content = ProtocolContent(protocol.model_copy(update={"limitations": (*remarks, *limits, left)}), AUDIT)
    text, beside = render_protocol(content), render_evidence(content)
    for said in remarks:
        assert said not in text
        assert beside.count(said) == 1
    assert all(f"- {said}\n" in text for said in limits)
    assert "- Left open by the review (step 2.1): Ties are not dealt with.\n" in text


def test_a_decision_names_the_looks_and_counts_it_rests_on(protocol: Protocol) -> None:
    decided = Decision(question="Which test?", choice="Ranks.", why="Few rows.", cites=("F1", "L4", "N2"))
    text = render_protocol(ProtocolContent(protocol.model_copy(update={"decisions": (decided,)}), AUDIT))
    assert "Few rows. (F1, L4, N2)" in text


def test_a_look_that_shapes_the_plan_is_named_and_its_first_lines_stand_in_the_evidence(protocol: Protocol) -> None:
    look = LookRecord(
        id="L3",
        by="designer",
        round=1,
        why="How many arrays have the probe?",
        view="GSE4335/open",
        code="show(1)",
        shown="arrays with it: 41\n\narrays without: 77\nthird line\n",
    )
    facts = (*protocol.facts, ShapingFact(fact="L3", consequence="left out"))
    content = ProtocolContent(protocol.model_copy(update={"facts": facts}), AUDIT, looks=(look,))
    said = "L3 (GSE4335/open): How many arrays have the probe? arrays with it: 41 / arrays without: 77"
    assert "| Seen in GSE4335 | left out |" in render_protocol(content)
    assert "| L3 (GSE4335/open) |" in render_evidence(content)
    assert said.split(": ", 1)[1] in render_evidence(content)


def test_the_table_of_data_names_files_columns_and_how_each_table_is_made(folder: RunFolder) -> None:
    view = load_view(folder)
    text = text_pages.render_pages(view)["protocol"]
    table = text[text.index("### Data and cohorts") : text.index("### Facts that shape")]
    assert "samples = " in table
    assert "| from GSE4335: The constant is set to missing on 118 arrays. |" in table


def test_the_reviewer_gets_the_plan_with_the_claims_and_without_the_evidence(protocol: Protocol) -> None:
    text, whole = render_for_review(protocol, AUDIT), render_protocol(ProtocolContent(protocol, AUDIT))
    assert text.startswith(whole[: whole.index("° General practice")])
    assert all(f"### {s.id} " in text for s in protocol.steps)
    assert "A Cox model relates the score to survival" in text
    assert "Decision rule for the answer" in text
    assert "A nomogram" in text
    assert "quote S1" not in text
    assert "time unit is not stated" not in text
    assert all(a.answer not in text for a in protocol.answered)


def test_a_step_says_what_it_rests_on_and_repeats_nothing(protocol: Protocol) -> None:
    text, beside = (f(ProtocolContent(protocol, AUDIT)) for f in (render_protocol, render_evidence))
    step = text[text.index("### 1.1") : text.index("## Part 2")]
    assert "   - metastases and recurrences (`-Met`, `-RECUR`)" in step
    assert "| GSE1992 | 170 | 7 | 163 |" in step
    assert "Rests on: F1; F3\n" in step, "what facts say stands in the table of facts"
    assert "A cut claim" not in text
    assert "dry lab" not in text
    assert "- Data sets:" not in step, "its inputs and its action name them"
    cox = text[text.index("### 2.1") : text.index("### 2.2")]
    assert "- Inputs: flow from step 1.1 → Outputs: cox\n" in cox
    assert "- Settings: alpha: 0.05\n" in cox, "what the action says is not said again"
    assert "- Rests on: PMID10963602; general practice°\n" in cox
    assert text.count("° General practice: ") == 1
    assert "PMID10963602/1.1 (A Cox model relates the score to survival; quote S1)" in beside
    assert "general knowledge, to verify (Strata take up batch differences)" in beside
    assert beside.count("The score was related to survival") == 1
    assert "2 steps of 3 on a passage or a fact of the data; no passage and no fact supports 2.2." in beside


@pytest.mark.parametrize("kind", ["html", "markdown"])
def test_both_reports_show_the_plan(folder: RunFolder, kind: str) -> None:
    view = load_view(folder)
    html = html_pages.render_pages(view)["protocol"]
    text = text_pages.render_pages(view)["protocol"]
    said = words(html if kind == "html" else MarkdownIt("commonmark").enable("table").render(text))
    for text in (
        "Which samples are eligible?",
        CONSTANT,
        "The constant is set to missing on 118 arrays.",
        "42 events carry no more than 4 parameters.",
        "Registered 2026-01-05 12:00:00 UTC, digest",
        "The series prefix of the array name explains 56 %",
        "still found afterwards",
        "Not used",
        "shown by V2",
    ):
        assert text in said, text
    assert "<script" not in html.partition("</style>")[2]


def test_lists_and_tables_of_a_step_are_those_of_the_page(folder: RunFolder) -> None:
    html = html_pages.render_pages(load_view(folder))["protocol"]
    step = html[html.index('id="step-1.1"') : html.index('id="step-2.1"')]
    assert re.findall(r'class="item (depth\d)"', step) == ["depth1", "depth2", "depth2", "depth1"]
    assert "<caption>Table of step 1.1</caption>" in step
    assert re.findall(r"<tr><td>(\w+)</td>", step) == ["GSE1992", "GSE4335"]


def test_the_caveats_name_what_was_prepared_and_what_is_not_as_registered(folder: RunFolder, tmp_path: Path) -> None:
    said = not_verified(load_view(folder))
    assert any("The constant is set to missing on 118 arrays (facts F2)" in s for s in said)
    assert "Numbers on GSE4335 as given stand as a sensitivity analysis only." in said
    assert any("the supplement of GSE1992 could not be read" in s for s in said)
    assert any("cut in step 1.1" in s for s in said)
    assert any(s.startswith("Finding A2 of the review is still open") for s in said)
    assert not any("as it was registered" in s for s in said)
    place = tmp_path / "changed"
    build_run(place)
    other = RunFolder(place)
    protocol = plan_run(other)
    other.write(protocol.model_copy(update={"title": "Another"}), "protocol.json")
    assert any("The run is not as it was registered" in s for s in not_verified(load_view(other)))
    place.joinpath("registration.json").unlink()
    assert any("that was not registered" in s for s in not_verified(load_view(other)))


def test_a_damaged_file_of_facts_is_said_and_the_report_is_written(tmp_path: Path) -> None:
    place = tmp_path / "damaged"
    build_run(place)
    folder = RunFolder(place)
    plan_run(folder)
    place.joinpath("facts.json").write_text("{", "utf-8")
    view = load_view(folder)
    assert any("facts.json or looked.json cannot be used" in p for p in view.problems)
    assert "its statement is not at hand" in text_pages.render_pages(view)["protocol"]


def test_a_step_with_a_fact_does_not_fall_with_a_paper(folder: RunFolder) -> None:
    graph = run_evidence_graph(load_view(folder))
    assert {s.step_id: s.facts for s in graph.steps} == {"1.1": ("F1", "F3"), "2.1": (), "2.2": ()}
    assert [(s.step_id, s.effect) for s in removal_effects(graph, {"PMID10963602"}).steps] == [("2.1", "falls")]
    both = graph.steps[1].model_copy(update={"facts": ("F1",)})
    kept = graph.model_copy(update={"steps": (graph.steps[0], both)})
    assert [(s.step_id, s.effect) for s in removal_effects(kept, {"PMID10963602"}).steps] == [("2.1", "weakened")]


def test_the_written_protocol_can_be_read_again(protocol: Protocol) -> None:
    after, _ = protocol_from_text(render_protocol(ProtocolContent(protocol, AUDIT)), "protocol.md")
    assert [(s.id, s.title) for s in after.steps] == [(s.id, s.title) for s in protocol.steps]
    assert [p.title for p in after.parts] == [p.title for p in protocol.parts]
    assert [[o.name for o in s.outputs] for s in after.steps] == [[o.name for o in s.outputs] for s in protocol.steps]
    assert after.steps[1].inputs == protocol.steps[1].inputs
    assert [i.source for i in after.steps[0].inputs] == [i.source for i in protocol.steps[0].inputs]
    assert after.steps[0].acceptance == protocol.steps[0].acceptance


def test_what_stands_elsewhere_in_the_protocol_is_not_said_again(protocol: Protocol) -> None:
    first, second = protocol.parts
    cox = second.steps[0]
    again = cox.model_copy(
        update={
            "id": "2.3",
            "action": "Do what step 2.1 says, on GSE1992 in place of GSE4335-prepared, with the settings listed here.",
            "parameters": (*cox.parameters, Parameter(name="ties", value="Efron")),
            "software": (),
            "links": (),
            "citations": (Citation(kind="fact", ref="F2", claim=CONSTANT, state="supported"),),
        }
    )
    why = protocol.parts[0].steps[0].rationale
    changed = protocol.model_copy(
        update={
            "decisions": (Decision(question="Which values?", choice=AUDIT.proposals[0].what, why="No measurement."),),
            "papers": tuple(PaperUse(paper_id=i, reason="Not near.") for i in ("one", "two")),
            "parts": (
                first.model_copy(update={"purpose": f"Settle what is analysed. {why}"}),
                second.model_copy(update={"steps": (*second.steps, again)}),
            ),
        }
    )
    text = render_protocol(ProtocolContent(changed, AUDIT))
    step = text[text.index("### 2.3") : text.index("## Decision rule")]
    assert "- Settings: ties: Efron; all others as in step 2.1\n" in step
    assert "- Skill" not in step
    assert "- Rests on: F2\n" in step
    assert text.count(CONSTANT) == 1
    without = render_evidence(ProtocolContent(changed))
    assert f"Step 2.3: F2 ({CONSTANT.rstrip('.')})" in without, "without facts the claim is given"
    assert text.count("The constant is set to missing on 118 arrays.") == 1
    assert "Settle what is analysed.\n" in text
    assert text.count(why) == 1
    assert "- **Not used**: one; two, because: Not near.\n" in text
    alone = "\n".join(step_lines(again, ProtocolContent(changed, AUDIT), None, 1))
    assert f"F2 ({CONSTANT.rstrip('.')})" in alone, "a step that is shown alone has no first page above it"
