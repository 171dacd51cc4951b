"""The gates of the protocol and of the tasks as conversations, through the real graph."""

from __future__ import annotations

from pathlib import Path

import pytest
from gate_desk import Desk, values

from bioresearcher.graph.replay import open_source


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_a_protocol_is_approved_commented_on_and_edited_part_by_part(desk: Desk) -> None:
    forms: list[str] = []

    def editor(text: str) -> str:
        forms.append(text)
        wrong, right = "fdr, values: 0.01", "fdr, value: 0.01"
        return text.replace(wrong, right) if "#! " in text else text.replace("fdr, value: '0.05'", wrong)

    first, folder = await desk.run(
        "list", "why 1", "show 7", "approve", "comment “make it nicer”", 'comment 1 "drop step 1.2"', "approve 2",
        editor=editor,
    )  # fmt: skip
    assert first.stopped_by == "the approval approve_protocol is open"
    assert "There is no part 7" in desk.text
    assert "Part 1 is approved; left: 2." in desk.text
    assert "nothing was changed: by rule, a comment can" in desk.text
    assert "step 1.2 dropped: the comment drops it" in desk.text, "the difference is shown"
    assert "Part 2 is approved; left: 1." in desk.text, "what was changed has to be approved again"
    assert first.totals.human_interventions == 3

    typed = ("edit 2", "yes", "approve 1", "approve", "yes", "skip 1-9", "skip 1-3", "run")
    record, _ = await desk.run(*typed, folder=folder, editor=editor)
    assert record.status == "done"
    assert "This cannot be read:" in desk.text
    assert "there is no field values; there are name, value, unit" in desk.text
    assert "#! there is no field values" in forms[1], "the mistake is shown where it is"
    assert "step 2.1 changed: a person wrote it so" in desk.text
    steps = {s["id"]: s for part in values(folder, "protocol.json")["parts"] for s in part["steps"]}
    assert "1.2" not in steps
    assert {s: v["origin"] for s, v in steps.items()} == {"1.1": "offline", "1.3": "offline", "2.1": "human"}
    assert [p["value"] for p in steps["2.1"]["parameters"] if p["name"] == "fdr"] == ["0.01"]
    assert values(folder, "revisions", "2", "revision.json")["comment"] == "part 2 was edited by a person"
    (task,) = [t for t in values(folder, "tasks.json") if t["step_ids"] == ["2.1"]]
    assert task["parameters"]["fdr"] == 0.01
    made = [d for d in record.decisions if d.by == "human" and d.changed]
    assert len(made) == record.totals.human_interventions == 8
    assert [d.approved for d in made] == [False] * 5 + [True, False, True]
    assert "make it nicer" in [d.comment for d in record.decisions if not d.changed]

    replayed, _ = await desk.run(replay=open_source(folder.root, record))
    assert replayed.replay_of is not None
    assert replayed.replay_of.differing == ()
    assert replayed.decisions == record.decisions


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_tasks_are_skipped_and_limited_before_they_run(desk: Desk) -> None:
    first, folder = await desk.run("show 1", "skip 3", "skip 1", "limit 9 time=1m", gates=("tasks",), sandbox="auto")
    assert first.stopped_by == "the approval approve_tasks is open"
    assert "T3 will be skipped; blocked by that: T4." in desk.text
    assert "9 is no task (T1 to T4)." in desk.text
    assert not folder.path("tasks", "T3", "record.json").exists()

    typed = ("list", "keep 1", "skip 1", "limit 2 memory=48M time=1m", "limit 2 x", "run")
    record, _ = await desk.run(*typed, folder=folder)
    assert "Tasks to run: 2 of 4" in desk.text
    assert "BLOCKED" in desk.text
    assert "“x” is no limit" in desk.text
    assert record.status == "done"
    records = {t: values(folder, "tasks", t, "record.json") for t in ("T1", "T2", "T3", "T4")}
    for task in ("T1", "T3"):
        assert (records[task]["outcome"], records[task]["message"]) == ("not_run", "skipped by a person")
    assert values(folder, "tasks", "T2", "limits.json")["memory_mb"] == 48
    assert not folder.path("tasks", "T1", "limits.json").exists()
    assert records["T4"]["outcome"] == "blocked"
    assert records["T2"]["outcome"] in {"killed", "runtime"}, "48 MB are not enough"
    assert record.totals.human_interventions == 6
    replayed, again = await desk.run(replay=open_source(folder.root, record))
    assert replayed.replay_of is not None
    assert replayed.replay_of.differing == ()
    assert values(again, "tasks", "T3", "record.json")["message"] == "skipped by a person"


async def test_no_at_the_tasks_ends_the_run(desk: Desk) -> None:
    record, folder = await desk.run("no not yet", gates=("tasks",))
    assert record.stopped_by == "declined at approve_tasks"
    assert record.decisions[-1].comment == "not yet"
    assert not list(folder.path("tasks").glob("*/record.json"))
