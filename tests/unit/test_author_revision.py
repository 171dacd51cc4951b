"""The author revises a protocol: edits, steps in full, claims that were cut, looks of the reviewer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import model_answers as answers
import pytest
from author_support import bench, plan, step, steps
from hypothesis import given, settings
from hypothesis import strategies as st
from stages_support import caller

from bioresearcher.errors import TruncatedError
from bioresearcher.report.protocol_content import ProtocolContent
from bioresearcher.report.protocol_markdown import render_for_review, render_protocol
from bioresearcher.schemas.ask_design import (
    RepairedEdits,
    RevisedProtocol,
)
from bioresearcher.schemas.conversation import Conversation
from bioresearcher.schemas.facts import LookRecord
from bioresearcher.schemas.protocol import Citation, Protocol
from bioresearcher.schemas.review import RankedFinding
from bioresearcher.stages.author_revision import Reviser, revise_protocol
from bioresearcher.stages.claims import check_claims
from bioresearcher.stages.design import check_plan, parts_of, protocol_step
from bioresearcher.stages.design_context import assemble_protocol
from bioresearcher.stages.draft_cleanup import tidy_plan


def protocol() -> Protocol:
    found = {i: step(i) for i in ("1.1", "1.2", "1.3")}
    found["1.3"]["inputs"] = [{"name": "x", "source": "step:1.2/table"}]
    found["1.3"]["action"] = "Compare with steps 1.1 and 1.2, at 1.2 SD."
    made = steps(*found.values())
    (part,) = parts_of(plan(3))
    part = part.model_copy(update={"steps": tuple(protocol_step(bench(), s, "model") for s in made.steps)})
    return assemble_protocol(bench(), plan(3, answer_rule=["Supported when step 1.3 holds."]), (part,))


def finding(number: int) -> RankedFinding:
    return RankedFinding(id=f"A{number}", consequence="changes the result", location="step 1.1", problem="p", do="d")


async def revised(tmp_path: Path, reply: dict[str, object], *numbers: int, again=(), before: Protocol | None = None):
    door = caller(tmp_path, [RevisedProtocol.model_validate({"answers": (), **reply}), *again], [])
    reviser = Reviser(door, bench(), Conversation())
    made, given, _ = await reviser(before or protocol(), [finding(n) for n in numbers or (1,)])
    return made, given, reviser, door


async def test_a_revision_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    answer = {"finding": "a1", "done": True, "answer": "Changed."}
    made, given, reviser, door = await revised(
        tmp_path,
        {"answers": [answer], "steps": [step("1.2", action="New.")], "not_done": [{"what": "x", "why": "y"}]},
        1,
        2,
    )
    old = protocol()
    assert [s.action for s in made.steps] == ["Do 1.1.", "New.", old.steps[2].action]
    assert (made.steps[0], made.steps[2]) == (old.steps[0], old.steps[2])
    assert [n.what for n in made.not_done] == ["x"]
    assert [(a.finding, a.done) for a in given] == [("A1", True)]
    assert len(reviser.talk.said) == 2
    assert "The protocol as it stands" in door.backend.requests[0].messages[-1].content


async def test_words_are_changed_where_they_stand_just_once_and_else_the_author_is_asked_once_more(tmp_path) -> None:
    edits = [
        {"place": "step 1.3", "old": "at 1.2 SD", "new": "at 2 SD"},
        {"place": "summary", "old": plan(3).summary, "new": "Another summary."},
        {"place": "answer_rule", "old": "holds", "new": "holds in both cohorts"},
        {"place": "step 1.1", "old": "Do 1.1 twice.", "new": "Do it."},
        {"place": "step 9.9", "old": "Do", "new": "x"},
    ]
    again = RepairedEdits.model_validate(
        {"edits": [{"place": "1.1", "old": "Do 1.1.", "new": "Do it."}, {"place": "step 1.1", "old": "no", "new": "x"}]}
    )
    made, _, reviser, door = await revised(tmp_path, {"edits": edits}, again=[again])
    assert made.steps[2].action == "Compare with steps 1.1 and 1.2, at 2 SD."
    assert made.summary == "Another summary."
    assert made.answer_rule == ("Supported when step 1.3 holds in both cohorts.",)
    assert (made.steps[0].action, made.steps[1]) == ("Do it.", protocol().steps[1])
    assert [text for text in made.limitations if text.startswith("an edit of")] == [
        "an edit of step 1.1 was not made: they do not stand there"
    ]
    first, second = door.backend.requests
    assert second.messages[: len(first.messages)] == first.messages
    asked = second.messages[-1].content
    assert "old: “Do 1.1 twice.”; not made: they do not stand there; nearest text there: Do 1.1." in asked
    assert "there is no place step 9.9" in asked
    assert len(reviser.talk.said) == 4


async def test_a_repair_that_cannot_be_used_leaves_the_other_changes(tmp_path: Path) -> None:
    edits = [{"place": "step 1.1", "old": "nothing", "new": "x"}, {"place": "title", "old": plan(3).title, "new": "T"}]
    made, _, reviser, _ = await revised(tmp_path, {"edits": edits}, again=[TruncatedError("cut")])
    assert (made.title, len(reviser.talk.said)) == ("T", 2)
    assert any("an edit of step 1.1 was not made" in text for text in made.limitations)


async def test_an_edit_of_a_step_that_is_given_in_full_as_well_is_not_asked_for_again(tmp_path: Path) -> None:
    edits = [{"place": "step 1.2", "old": "nothing like it", "new": "x"}]
    made, _, _, _ = await revised(tmp_path, {"edits": edits, "steps": [step("1.2", action="New.")]})
    assert made.steps[1].action == "New."
    assert not [text for text in made.limitations if text.startswith("an edit of")]


def with_citations(*citations: Citation) -> Protocol:
    made = protocol()
    first = made.steps[0].model_copy(update={"citations": citations})
    part = made.parts[0].model_copy(update={"steps": (first, *made.steps[1:])})
    return made.model_copy(update={"parts": (part,)})


CUT = Citation(kind="fact", ref="F1", claim="13 of 40 are treated.", state="cut", reason="its source does not hold 13")
HELD = Citation(kind="fact", ref="F2", claim="12 of 40 are treated.", state="supported", reason="checked by rule")


async def test_the_author_sees_what_was_cut_with_its_source_and_may_restate_it(tmp_path: Path) -> None:
    edits = [{"place": "step 1.1 citation", "old": "13 of 40", "new": "12 of 40"}]
    made, _, _, door = await revised(tmp_path, {"edits": edits}, before=with_citations(CUT, HELD))
    asked = door.backend.requests[0].messages[-1].content
    said = (
        "step 1.1, F1: “13 of 40 are treated.” – its source does not hold 13; the source: 12 of 40 samples are treated."
    )
    assert said in asked
    assert [(c.claim, c.state) for c in made.steps[0].citations] == [
        ("12 of 40 are treated.", "not checked"),
        ("12 of 40 are treated.", "supported"),
    ]


async def test_a_claim_that_was_cut_is_taken_out_by_an_edit_and_stays_cut_unchanged(tmp_path: Path) -> None:
    out = [{"place": "step 1.1", "old": CUT.claim, "new": ""}]
    made, _, _, _ = await revised(tmp_path, {"edits": out}, before=with_citations(CUT, HELD))
    assert made.steps[0].citations == (HELD,)
    (tmp_path / "again").mkdir()
    same = [{"kind": c.kind, "ref": c.ref, "claim": c.claim} for c in (CUT, HELD)]
    again, _, _, _ = await revised(
        tmp_path / "again", {"steps": [step("1.1", action="N.", citations=same)]}, before=with_citations(CUT, HELD)
    )
    assert again.steps[0].citations == (CUT, HELD)


async def test_the_reviewers_looks_stand_beside_the_findings_and_can_be_cited(tmp_path: Path) -> None:
    shown = "exit 0 · 12 bytes shown\n<<<untrusted output of the look\n38 of 40 genes\n>>>"
    rows = [
        LookRecord(id=f"V{n}", by="reviewer", round=1, why="w", view="GSE1/open", code="c", shown=shown, refused=no)
        for n, no in ((1, ""), (2, ""), (3, "there is no such view"))
    ]
    door = caller(tmp_path, [RevisedProtocol(answers=())], [])
    reviser = Reviser(door, bench(), Conversation())
    await reviser(protocol(), [finding(1).model_copy(update={"shown_by": "V1"})], rows)
    asked = door.backend.requests[0].messages[-1].content
    assert "V1 (GSE1/open) <<<untrusted look\nexit 0 · 12 bytes shown\n38 of 40 genes\n>>>" in asked
    assert "V2 (" not in asked
    assert {"V1", "V2"} <= set(reviser.bench.known.sources)
    assert "V3" not in reviser.bench.known.sources
    cited = with_citations(Citation(kind="fact", ref="V1", claim="38 of 40 genes are measured."))
    checked = await check_claims(door, reviser.bench, cited)
    assert checked.steps[0].citations[0].state == "supported"


async def test_dropped_and_new_steps_are_numbered_anew_and_references_follow(tmp_path: Path) -> None:
    new = step("1.9", title="New", inputs=[{"name": "x", "source": "step:1.3/table"}])
    made, _, reviser, _ = await revised(tmp_path, {"dropped": ["1.1", "7.7"], "steps": [new]})
    assert [(s.id, s.title) for s in made.steps] == [("1.1", "Task 1.2"), ("1.2", "Task 1.3"), ("1.3", "New")]
    assert [i.source for i in made.steps[1].inputs] == ["step:1.1/table"]
    assert [i.source for i in made.steps[2].inputs] == ["step:1.2/table"]
    assert made.steps[1].action.endswith("1.1, at 1.2 SD.")
    assert made.answer_rule == ("Supported when step 1.2 holds.",)
    assert "1.2 is now 1.1" in reviser.talk.results
    assert any("7.7" in text for text in made.limitations)


async def test_an_input_of_a_dropped_step_is_left_out_and_never_comes_to_mean_another(tmp_path: Path) -> None:
    made, _, _, _ = await revised(tmp_path, {"dropped": ["1.2"], "steps": [step("1.5", title="New")]})
    assert [(s.id, s.title, len(s.inputs)) for s in made.steps] == [
        ("1.1", "Task 1.1", 0),
        ("1.2", "Task 1.3", 0),
        ("1.3", "New", 0),
    ]
    assert "1.1 and 1.2 (taken out)" in made.steps[1].action
    assert any("left out: 1.3 (x)" in text for text in made.limitations)


async def test_changed_steps_may_take_from_new_ones_by_the_number_the_author_gave(tmp_path: Path) -> None:
    later = step("1.9", inputs=[{"name": "x", "source": "step:1.8/table"}])
    made, _, _, _ = await revised(tmp_path, {"steps": [later, step("1.8")]})
    assert [s.id for s in made.steps] == ["1.1", "1.2", "1.3", "1.4", "1.5"]
    assert [i.source for i in made.steps[4].inputs] == ["step:1.4/table"]


async def test_what_was_said_to_be_done_and_was_not_is_not_done(tmp_path: Path) -> None:
    made, given, _, _ = await revised(tmp_path, {"answers": [{"finding": "A1", "done": True, "answer": "All mended."}]})
    assert made == protocol()
    assert [(a.done, a.answer) for a in given] == [(False, "said to be done, but nothing was changed: All mended.")]


async def test_a_revision_cannot_empty_the_protocol(tmp_path: Path) -> None:
    made, _, _, _ = await revised(tmp_path, {"dropped": ["1.1", "1.2", "1.3"], "decisions": [], "answer_rule": []})
    assert len(made.steps) == 3
    assert made.answer_rule == protocol().answer_rule


async def test_a_new_step_without_a_place_does_not_let_a_revision_empty_the_protocol(tmp_path: Path) -> None:
    made, _, _, _ = await revised(tmp_path, {"dropped": ["1.1", "1.2", "1.3"], "steps": [step("7")]})
    assert made == protocol()


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_any_revision_leaves_a_protocol_that_can_be_read(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    replies = [answers.answer_of(RevisedProtocol, seed), answers.answer_of(RepairedEdits, seed)]
    door = caller(tmp_path_factory.mktemp("any"), replies, [])
    made = asyncio.run(revise_protocol(door, bench(), Conversation(), protocol(), [finding(1)])).protocol
    ids = [s.id for s in made.steps]
    assert ids == [f"1.{n}" for n in range(1, len(ids) + 1)]
    there = {f"step:{s.id}/{o.name}" for s in made.steps for o in s.outputs}
    assert all(i.source in there for s in made.steps for i in s.inputs if i.source.startswith("step:"))
    assert Protocol.model_validate_json(made.model_dump_json()) == made


def test_looks_may_stand_among_the_facts_that_shape_the_plan_with_what_they_showed() -> None:
    shown = "exit 0 · 12 bytes shown\n<<<untrusted output of the look\n7 of 40 | in y\n>>>"
    row = LookRecord(id="L1", by="designer", round=1, why="w", view="GSE1/open", code="c", shown=shown)
    made = bench(looks=(row, row.model_copy(update={"id": "L2", "refused": "there is no view"})))
    facts = [{"fact": name, "consequence": "A term y."} for name in ("look L1", "l1", "L2", "F1")]
    tidied, told = tidy_plan(plan(facts=facts), made.known, made.skills)
    assert [f.fact for f in tidied.facts] == ["L1", "F1"]
    assert any("L2" in text for text in told)
    assert not [f for f in check_plan(tidied, made) if f.gate == "G-PLAN-02"]
    whole = protocol().model_copy(update={"facts": tidied.facts})
    text = render_for_review(whole, made.audit, made.looks)
    assert "L1 (GSE1/open)" in text
    assert "7 of 40" in text
    assert "bytes shown" not in text
    assert "| Seen in GSE1 | A term y. |" in render_protocol(ProtocolContent(whole, made.audit, looks=made.looks))
