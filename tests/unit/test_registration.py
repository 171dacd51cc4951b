"""A registered protocol, its facts, looks and prepared data are compared with the run folder, and said in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.errors import InputError, RunFolderError
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.schemas.execution import Outcome, TaskRecord
from bioresearcher.schemas.facts import Audit, Fact, FactNumber, LookRecord
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep
from bioresearcher.schemas.registration import Registration
from bioresearcher.stages.registration import amend, any_results, read_registration, register, verify

NOW = datetime(2026, 11, 30, 16, 5, tzinfo=timezone(timedelta(hours=2)))
LATER = datetime(2026, 12, 1, tzinfo=UTC)
AUDIT = Audit(
    facts=(
        Fact(
            id="F1",
            kind="scale",
            dataset="D",
            statement="All values lie below 16.",
            numbers=(FactNumber(name="largest", value=float("nan")),),
            shown_by="scale",
        ),
    )
)
LOOKS = (LookRecord(id="L1", by="designer", round=1, why="scale", view="D/open", code="print(1)", shown="1"),)


def plan(action: str = "Score the samples.", revision: int = 0) -> Protocol:
    step = ProtocolStep(id="1.1", title="Score", action=action, kind="dry", origin="model")
    part = ProtocolPart(id="1", title="Score", purpose="Make the score", steps=(step,))
    return Protocol(id="o", title="A plan", objective_id="o", parts=(part,), origin="model", revision=revision)


def prepared(digest: str = "a" * 64) -> Dataset:
    file = DataFile(name="expression", kind="expression", path="e.tsv", bytes=10, sha256=digest)
    return Dataset(
        id="D-prepared", title="D", source="here", root="data", files=(file,), prepared_from="D", proposals=("P1",)
    )


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run folder with an approved protocol, registered."""
    place = RunFolder(tmp_path)
    place.write(plan(), "protocol.json")
    place.write(AUDIT, "facts.json")
    place.write_list(LOOKS, "looks.json")
    place.write(prepared(), "datasets", "D-prepared.json")
    register(place, plan(), AUDIT, LOOKS, "human", NOW)
    return place


def test_what_was_registered_is_found_unchanged(folder: RunFolder) -> None:
    found = read_registration(folder)
    assert found is not None
    assert (found.registered, found.approved_by, found.revision) == ("2026-11-30T14:05:00+00:00", "human", 0)
    assert set(found.datasets) == {"D-prepared"}
    assert verify(folder) == []


def test_registering_again_keeps_the_first_time_and_refuses_another_protocol(folder: RunFolder) -> None:
    again = register(folder, plan(), AUDIT, LOOKS, "--yes", LATER)
    assert again.registered == "2026-11-30T14:05:00+00:00"
    with pytest.raises(RunFolderError, match="another protocol was registered on 2026-11-30"):
        register(folder, plan("Score only some."), AUDIT, LOOKS, "human", LATER)
    assert verify(folder) == []


CHANGES: dict[str, tuple[Callable[[RunFolder], object], str]] = {
    "a step": (lambda f: f.write(plan("Score only some."), "protocol.json"), "protocol.json is not the protocol"),
    "no protocol": (lambda f: f.path("protocol.json").unlink(), "protocol.json is missing"),
    "half a protocol": (lambda f: f.path("protocol.json").write_text('{"id": '), "protocol.json is not JSON"),
    "a fact": (lambda f: f.write(Audit(), "facts.json"), "facts.json is not the facts registered"),
    "a look": (lambda f: f.write_list((), "looks.json"), "looks.json is not the looks registered"),
    "other data": (lambda f: f.write(prepared("b" * 64), "datasets", "D-prepared.json"), "the files of D-prepared"),
    "no data": (lambda f: f.path("datasets", "D-prepared.json").unlink(), "D-prepared, which was registered, is miss"),
    "more data": (
        lambda f: f.write(prepared().model_copy(update={"id": "E"}), "datasets", "E.json"),
        "the data set E was prepared after the registration",
    ),
    "half a registration": (lambda f: f.path("registration.json").write_text("{"), "is not a valid Registration"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_said_in_a_sentence_of_its_own(folder: RunFolder, change: str) -> None:
    make, said = CHANGES[change]
    make(folder)
    (line,) = verify(folder)
    assert said in line


def test_a_registration_that_was_edited_to_fit_is_found(folder: RunFolder) -> None:
    found = json.loads(folder.path("registration.json").read_text())
    folder.path("registration.json").write_text(json.dumps(found | {"facts": "0" * 64}))
    assert any("registration.json was changed" in line for line in verify(folder))


def test_the_layout_of_a_file_does_not_matter_and_its_content_does(folder: RunFolder) -> None:
    content = json.loads(folder.path("protocol.json").read_text())
    folder.path("protocol.json").write_text(json.dumps(dict(reversed(content.items())), indent=8))
    assert verify(folder) == []


def test_an_amendment_needs_a_reason_and_says_if_results_were_seen(folder: RunFolder) -> None:
    changed = plan("Score all but two.", revision=1)
    with pytest.raises(InputError, match="needs a reason"):
        amend(folder, changed, "  ", "human", LATER, results_seen=True)
    amended = amend(folder, changed, "Two samples are cell lines.", "human", LATER, results_seen=True)
    assert amended is not None
    (one,) = amended.amendments
    assert (one.number, one.revision, one.results_seen, one.by) == (1, 1, True, "human")
    assert one.reason == "Two samples are cell lines."
    assert "amended on 2026-12-01" in verify(folder)[0]  # the file still holds the plan as it was registered
    folder.write(changed, "protocol.json")
    assert verify(folder) == []
    assert amend(folder, changed, "again", "human", LATER, results_seen=False) == amended
    assert register(folder, changed, AUDIT, LOOKS, "human", LATER) == amended


def test_a_run_without_registration_is_fine(tmp_path: Path) -> None:
    old = RunFolder(tmp_path)
    old.write(plan(), "protocol.json")
    assert verify(old) == []
    assert amend(old, plan("x"), "a reason", "human", LATER, results_seen=True) is None
    assert not old.has("registration.json")


def test_results_are_seen_once_a_task_was_run_also_one_of_an_earlier_revision(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    not_run = TaskRecord(task_id="T1", outcome=Outcome.NOT_RUN, message="no sandbox", exit_ok=False)
    folder.write(not_run, "tasks", "T1", "record.json")
    assert not any_results(folder)
    folder.write(
        not_run.model_copy(update={"outcome": Outcome.VERIFIED}), "revisions", "1", "tasks", "T2", "record.json"
    )
    assert any_results(folder)


def test_a_damaged_record_counts_as_seen(tmp_path: Path) -> None:
    (tmp_path / "tasks" / "T1").mkdir(parents=True)
    (tmp_path / "tasks" / "T1" / "record.json").write_text("{")
    assert any_results(RunFolder(tmp_path))


@given(st.text(max_size=40), st.text(max_size=40))
def test_two_protocols_have_one_digest_only_when_they_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, left: str, right: str
) -> None:
    folders = [RunFolder(tmp_path_factory.mktemp("run")) for _ in "lr"]
    made = [register(f, plan(t), AUDIT, (), "settings", NOW) for f, t in zip(folders, (left, right), strict=True)]
    assert (made[0].digest == made[1].digest) is (left == right)
    assert Registration.model_validate_json(made[0].model_dump_json()) == made[0]
