"""The intake of a session: words for the program never become entries, and every entry is echoed."""

from __future__ import annotations

from pathlib import Path

import pytest
from gate_script import Script

from bioresearcher.cli.session.intake import Draft, Intake
from bioresearcher.settings import Settings
from bioresearcher.sources.datasets.load import load_datasets

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


def lung(folder: Path, extra: int = 0) -> Path:
    """Patients with a status of 1 and 2, and as many columns of measurements as are wanted."""
    folder.mkdir()
    header = ["patient", "age", "status", "time", "arm", *(f"ILMN_{n}" for n in range(extra))]
    rows = [
        [
            f"P{n:02d}",
            40 + n,
            1 + n % 2,
            10 + 7 * n,
            "ab"[n % 3 == 0],
            *(f"{8 + n * i % 5 / 3:.3f}" for i in range(extra)),
        ]
        for n in range(30)
    ]
    (folder / "lung.csv").write_text("\n".join(",".join(map(str, r)) for r in [header, *rows]), encoding="utf-8")
    return folder


async def talked(workspace: Path, draft: Draft, *lines: str) -> Script:
    script = Script(*lines, width=300)
    kept = draft.again()
    await Intake(script, script.ask, lambda: Settings(workspace=workspace, only_own=True), kept).talk()
    draft.data = kept.data
    assert not script.lines, f"not asked for: {script.lines}"
    return script


async def test_data_are_shown_as_they_are_read_and_what_is_open_is_asked_until_it_is_settled(tmp_path: Path) -> None:
    draft = Draft(objective="Is age associated with survival?", data=[lung(tmp_path / "lung")])
    script = await talked(tmp_path / "w", draft, "", "perhaps so", "2")
    assert "its values are 1 and 2, whose meaning is not stated" in script.text
    assert '[status] event_level = "2": written to' in script.text
    assert script.prompts[-1] == "start, or what to change>"
    assert 'event_level = "2"' in (tmp_path / "lung" / "dataset.toml").read_text(encoding="utf-8")
    [dataset], failures = load_datasets(draft.data, tmp_path / "w")
    status = dataset.column("event")
    assert (not failures, status is not None and status.event_level) == (True, "2")
    again = await talked(tmp_path / "w", draft, "")
    assert "may be the event" not in again.text


async def test_what_is_left_open_is_not_asked_again_and_a_column_can_be_corrected(tmp_path: Path) -> None:
    draft = Draft(objective="Is age associated with survival?", data=[lung(tmp_path / "lung")])
    lines = (
        "",
        "",
        "describe",
        "none.role = group",
        "time.unit = months",
        'arm.role = "nonsense"',
        "what",
        "",
        "conditions",
        "",
    )
    script = await talked(tmp_path / "w", draft, *lines)
    assert sum("leave it open" in p for p in script.prompts) == 1
    assert "no column is called 'none'. There are patient, age, status, time, arm" in script.text
    assert "'what' is no correction" in script.text
    assert "Nothing was changed" in script.text
    text = (tmp_path / "lung" / "dataset.toml").read_text(encoding="utf-8")
    assert 'unit = "months"' in text
    assert "nonsense" not in text


async def test_a_table_of_patients_is_told_and_turned_when_that_is_asked_for(tmp_path: Path) -> None:
    draft = Draft(objective="Is age associated with survival?", data=[lung(tmp_path / "lung", 25) / "lung.csv"])
    script = await talked(tmp_path / "w", draft, "", "", "transpose", "")
    assert "25 further columns hold numbers" in script.text
    assert "And 13 further columns without a role." in script.text
    assert "`transpose` makes a copy of a table of patients with features in rows" in script.text
    assert "turned, features in rows" in script.text
    assert "25 features" in script.text
    assert draft.data[0].parent == tmp_path / "w" / "turned"


@pytest.mark.parametrize("line", ["what do you mean?", "How should I enter this?", "huh?", "What can I type here?"])
async def test_questions_to_the_program_never_become_entries(line: str) -> None:
    script = await typed(line, OBJECTIVE, line, "frozen tissue", "", line)
    assert "conditions 1: frozen tissue" in script.text
    assert "requirements 1" not in script.text
    assert "such as: control of the false discovery rate" in script.text


@pytest.mark.parametrize(
    "objective",
    [
        "What is the role of EGFR in this disease?",
        "How does type I interferon act on this tumour?",
        "Which genes mark it here?",
        "Is age associated with survival?",
    ],
)
async def test_questions_about_biology_are_objectives(objective: str) -> None:
    script = await typed(objective, "frozen tissue")
    assert "conditions 1: frozen tissue" in script.text


async def test_files_are_looked_at_when_they_are_given(tmp_path: Path) -> None:
    data = lung(tmp_path / "lung")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("# A paper\n\nText.", encoding="utf-8")
    (tmp_path / "b.xyz").write_bytes(b"no table")
    lines = (OBJECTIVE, "", "", str(data), str(tmp_path / "notes"), f"papers: {tmp_path / 'notes'}", "")
    script = await typed(*lines, str(tmp_path / "notes"), str(tmp_path / "b.xyz"), f"data {data}")
    said = " ".join(script.text.split())
    assert f"{data} holds data, not papers. `data {data}` takes it as data." in said
    assert f"{tmp_path / 'notes'} holds papers, not data." in said
    assert "papers 1:" in said
    assert "papers 2:" not in said
    assert "that is in the list already" in said
    assert "b.xyz: is no table" in said
    assert f"data 1: {data}" in said


async def test_services_are_turned_off_and_on_by_a_word(tmp_path: Path) -> None:
    draft = Draft(objective="Is age associated with survival?", data=[lung(tmp_path / "lung")]).again()
    script = Script("", "", "services off", "", width=300)
    await Intake(script, script.ask, lambda: Settings(workspace=tmp_path / "w"), draft).talk()
    assert draft.only_own
    assert "no literature or data service will be asked" in script.text
    assert script.text.rindex("no literature or data service is asked") > script.text.rindex("will be asked")
