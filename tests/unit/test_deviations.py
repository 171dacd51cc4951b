"""What a run did otherwise than its registered plan is listed, with reasons."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from report_support import build_run

from bioresearcher.cli.app import main
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.execution import Outcome, TaskRecord
from bioresearcher.schemas.facts import Audit
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.stages.deviations import deviation_lines, deviations
from bioresearcher.stages.registration import amend, freeze_text, register, registered_protocol

NOW, LATER = datetime(2026, 1, 2, 3, tzinfo=UTC), datetime(2026, 1, 3, 3, tzinfo=UTC)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run whose plan is registered, as approved."""
    folder = build_run(tmp_path / "run")
    for old in ("registration.json", "facts.json", "looks.json"):
        folder.path(old).unlink(missing_ok=True)
    register(folder, folder.read(Protocol, "protocol.json"), Audit(), (), "human", NOW)
    freeze_text(folder)
    return folder


def changed(folder: RunFolder) -> Protocol:
    """The protocol without its last step and with another action in its first."""
    protocol = folder.read(Protocol, "protocol.json")
    first, *rest = protocol.parts
    step = first.steps[0].model_copy(update={"action": "Do something else."})
    first = first.model_copy(update={"steps": (step, *first.steps[1:])})
    parts = [first, *rest]
    parts[-1] = parts[-1].model_copy(update={"steps": parts[-1].steps[:-1]})
    return protocol.model_copy(update={"parts": tuple(parts), "revision": 1})


def test_the_whole_plan_is_frozen_and_later_changes_do_not_touch_it(run: RunFolder) -> None:
    before = run.read(Protocol, "protocol.json")
    text = run.path("registered", "protocol.md").read_bytes() if run.has("registered", "protocol.md") else b""
    run.write(changed(run), "protocol.json")
    amend(run, changed(run), "the reviewer asked", "human", LATER, results_seen=True)
    freeze_text(run)
    assert registered_protocol(run) == before
    assert not text or run.path("registered", "protocol.md").read_bytes() == text


def test_changed_and_dropped_steps_come_with_the_reason_and_whether_results_were_seen(run: RunFolder) -> None:
    before = run.read(Protocol, "protocol.json")
    after = changed(run)
    run.write(after, "protocol.json")
    amend(run, after, "the reviewer asked", "human", LATER, results_seen=True)
    found = {(d.kind, d.step): d for d in deviations(run).found}
    assert found["changed", before.steps[0].id].reason == "the reviewer asked"
    assert found["dropped", before.steps[-1].id].results_seen is True
    assert found["dropped", before.steps[-1].id].made.startswith("2026-01-03")


def test_a_change_without_amendment_is_told(run: RunFolder) -> None:
    run.write(changed(run), "protocol.json")
    kinds = [d.kind for d in deviations(run).found]
    assert {"changed", "dropped", "not registered"} <= set(kinds)


def test_failed_tasks_and_steps_without_a_task_are_told(run: RunFolder) -> None:
    found = deviations(run).found
    records = {
        t: run.read(TaskRecord, "tasks", t, "record.json") for t in ("T1", "T2") if run.has("tasks", t, "record.json")
    }
    bad = {t for t, r in records.items() if r.outcome is not Outcome.VERIFIED}
    assert bad <= {d.task for d in found if d.kind in ("failed", "skipped")}
    assert all(d.reason for d in found if d.kind in ("failed", "skipped"))


def test_a_frozen_plan_that_is_changed_is_told_and_not_used(run: RunFolder) -> None:
    path = run.path("registered", "protocol.json")
    path.write_text(path.read_text(encoding="utf-8").replace('"title": "', '"title": "Other ', 1), encoding="utf-8")
    assert any("registered/protocol.json" in d.said.lower() for d in deviations(run).found)


def test_a_run_without_registration_says_so(tmp_path: Path) -> None:
    folder = build_run(tmp_path / "run")
    folder.path("registration.json").unlink(missing_ok=True)
    assert deviation_lines(deviations(folder)) == ["No plan was registered: no protocol was approved in this run."]


def test_report_and_review_of_a_run_show_deviations(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    run.write(changed(run), "protocol.json")
    assert main(["report", str(run.root), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {"changed", "dropped"} <= {d["kind"] for d in said["deviations"]["found"]}
    main(["review", str(run.root)])
    assert "from the plan registered on 2026-01-02" in capsys.readouterr().out.replace("\n", " ")
    main(["review", str(run.root), "--json"])
    assert json.loads(capsys.readouterr().out)["deviations"]["found"]
