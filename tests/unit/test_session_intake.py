"""The intake of a session: words for the program never become entries, and every entry is echoed."""

from __future__ import annotations

from pathlib import Path

import pytest
from gate_script import Script

from bioresearcher.cli.session.intake import Draft, Intake
from bioresearcher.settings import Settings

OBJECTIVE = "How are tumours grouped by expression?"


async def typed(*lines: str) -> Script:
    script = Script(*lines, width=200)
    assert await Intake(script, script.ask, Settings).talk() is None
    assert not script.lines, f"not asked for: {script.lines}"
    return script


async def test_help_and_quit_are_answered_and_never_become_conditions() -> None:
    script = await typed("help", OBJECTIVE, "help", "quit", "?", "frozen tissue")
    assert "conditions 1: frozen tissue" in script.text
    assert "conditions 2" not in script.text
    assert script.text.count("/quit leaves") == 3


async def test_back_returns_to_the_question_before_and_keeps_what_was_entered() -> None:
    script = await typed(OBJECTIVE, "frozen tissue", "", "back", "plasma", "back", OBJECTIVE, "serum")
    assert [p.partition(" ")[0].rstrip(">") for p in script.prompts] == [
        "objective", "condition", "condition", "requirement", "condition", "condition", "objective", "condition",
        "condition",
    ]  # fmt: skip
    assert "conditions 2: plasma" in script.text
    assert "conditions 3: serum" in script.text


async def test_several_entries_are_dropped_at_once_or_none() -> None:
    script = await typed(OBJECTIVE, "one", "two", "three", "drop 1 9", "drop 1, 3", "four")
    assert "there is no entry 9" in script.text
    assert "dropped: three\ndropped: one" in script.text
    assert "conditions 2: four" in script.text


async def test_papers_and_data_are_echoed_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# A paper", encoding="utf-8")
    script = await typed(OBJECTIVE, "", "", str(tmp_path / "notes.md"))
    assert f"papers 1: {tmp_path / 'notes.md'}" in script.text.replace("\n", "")


@pytest.mark.parametrize("line", ["drop " + "1" * 4_000, "drop 1" + " 1" * 4_000 + " x"])
async def test_a_long_line_of_digits_is_answered_quickly(line: str) -> None:
    await typed(OBJECTIVE, line)


async def test_another_objective_begins_with_what_was_given_for_the_last_one(tmp_path: Path) -> None:
    before = Draft(objective=OBJECTIVE, conditions=["frozen tissue"], requirements=["FDR < 0.05"])
    draft = before.again()
    script = Script("Which genes differ between the groups?", "conditions", "plasma", width=200)
    await Intake(script, script.ask, lambda: Settings(workspace=tmp_path), draft).talk()
    assert script.prompts[:2] == ["objective (Enter: as before)>", "start, or what to change>"]
    assert (draft.objective, draft.requirements) == ("Which genes differ between the groups?", ["FDR < 0.05"])
    assert draft.conditions == ["frozen tissue", "plasma"]
    assert before.conditions == ["frozen tissue"]
    assert not Draft().again().kept
