"""Which runs of a batch are left, what is told of an earlier start, and seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bioresearcher.batch.check import BatchFile, load_batch_file
from bioresearcher.batch.folder import BatchFolder
from bioresearcher.batch.plan import (
    BatchOptions,
    BatchWork,
    batch_folder,
    make_plan,
    settle_backends,
    tasks_inside,
    work_of,
)
from bioresearcher.batch.schema import BatchJob, BatchPlan, JobOutcome
from bioresearcher.batch.worker import outcome_of
from bioresearcher.errors import InputError, RunFolderError
from bioresearcher.llm.budget import Budget
from bioresearcher.schemas.run import RunRecord, Totals
from bioresearcher.settings import Settings

OBJECTIVE = "How are tumours grouped by expression?"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "notes").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(place: Path, *entries: dict[str, Any], **flags: object) -> BatchFile:
    path = place / "b.jsonl"
    path.write_text("\n".join(json.dumps({"objective": OBJECTIVE, "papers": ["notes"]} | e) for e in entries))
    return load_batch_file(path, {"workspace": place / "w", **flags})


def planned(file: BatchFile, repeats: int = 1, **more: Any) -> tuple[BatchFolder, BatchPlan, list[str]]:
    folder = batch_folder(file.settings.workspace, file.path, None)
    plan, notes = make_plan(folder, file, BatchOptions(2, repeats, Budget(**more)), named=False)
    folder.write_plan(plan)
    return folder, plan, notes


def left(file: BatchFile, folder: BatchFolder, plan: BatchPlan) -> BatchWork:
    return work_of(folder, file, plan, settle_backends(file, Budget()), 1)


def ended(job: BatchJob, status: str = "done") -> JobOutcome:
    return outcome_of(job, status, 0, "", "2026-01-01")


def write_record(job: BatchJob, status: str) -> None:
    record = RunRecord(
        run_id="r", status=status, started="s", objective=job.objective, settings={}, backend="offline", versions={},
        totals=Totals(tasks=3, verified=2),
    )  # fmt: skip
    job.run.mkdir(parents=True, exist_ok=True)
    (job.run / "run.json").write_text(record.model_dump_json())


def test_first_repeats_come_before_second_ones(place: Path) -> None:
    file = load(place, {"id": "a"}, {"id": "b", "repeats": 1}, {"id": "c", "repeats": 3})
    folder, plan, _ = planned(file, repeats=2)
    work = left(file, folder, plan)
    assert [(j.id, j.repeat) for j in work.jobs] == [
        ("a", 1), ("b", 1), ("c", 1), ("a", 2), ("c", 2), ("c", 3),
    ]  # fmt: skip
    assert len({j.run for j in work.jobs}) == 6
    assert {Settings.model_validate(j.settings).jobs for j in work.jobs} == {1}
    assert {j.seed for j in work.jobs} == {None}, "the rules take no seed"


def test_what_is_done_is_left_alone_and_the_rest_taken_up_in_its_folder(place: Path) -> None:
    file = load(place, *({"id": name} for name in "abcd"))
    folder, plan, _ = planned(file)
    jobs = {j.id: j for j in left(file, folder, plan).jobs}
    folder.add(ended(jobs["a"]))
    folder.add(ended(jobs["b"], "failed"))
    write_record(jobs["c"], "done")  # it ended when nobody was there to write down its outcome
    write_record(jobs["d"], "running")
    work = left(file, folder, plan)
    assert [(o.id, o.totals.verified) for o in work.done] == [("a", 0), ("c", 2)]
    assert [o.id for o in work.found] == ["c"]
    assert [(j.id, j.attempt, j.run) for j in work.jobs] == [("b", 2, jobs["b"].run), ("d", 1, jobs["d"].run)]


def test_a_changed_objective_is_told_and_run_anew(place: Path) -> None:
    file = load(place, {"id": "a"}, {"id": "b"}, {"id": "c"})
    folder, plan, _ = planned(file)
    before = left(file, folder, plan).jobs
    for job in before:
        folder.add(ended(job))
    file = load(place, {"id": "b", "budget": {"max_usd": 3}}, {"id": "a", "conditions": ["more"]})
    folder, plan, notes = planned(file)
    assert notes == ["a: changed since, and run anew", "no longer in the file, and left alone: c (1 in all)"]
    work = left(file, folder, plan)
    assert [o.id for o in work.done] == ["b"]
    assert [(j.id, j.run == before[0].run) for j in work.jobs] == [("a", False)]


def test_a_batch_does_not_mix_settings_or_files(place: Path) -> None:
    file = load(place, {"id": "a"})
    planned(file)
    assert planned(load(place, {"id": "a"}, max_usd=5, jobs=3), max_usd=5)[2] == []
    with pytest.raises(InputError, match="begun with other settings: max_papers, max_parts"):
        planned(load(place, {"id": "a"}, max_papers=3, max_parts=2))
    other = place / "other"
    other.mkdir()
    (other / "notes").mkdir()
    moved = load(other, {"id": "a"}, workspace=place / "w")
    with pytest.raises(InputError, match=r"belongs to .*b\.jsonl"):
        planned(moved)
    folder = batch_folder(place / "w", moved.path, "b")
    make_plan(folder, moved, BatchOptions(1, 1, Budget()), named=True)
    for name in ("../up", "a b", ".hidden"):
        with pytest.raises(InputError, match="cannot name a folder"):
            batch_folder(place / "w", file.path, name)


def test_each_repeat_has_a_seed_where_a_model_takes_one(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bioresearcher.batch.plan import _with_seed
    from bioresearcher.schemas.model import ModelSettings

    takes = ModelSettings(provider="compatible", model="m", base_url="http://localhost/v1")
    refuses = ModelSettings(provider="anthropic", model="m")
    settings = Settings(backend="chat", models={"default": takes, "reviewer": refuses})
    seeded, seed = _with_seed(settings, 3, several=True)
    assert (seed, seeded.models["default"].seed, seeded.models["reviewer"].seed) == (3, 3, None)
    given = settings.model_copy(update={"models": {"default": takes.model_copy(update={"seed": 40})}})
    assert [_with_seed(given, k, several=False)[1] for k in (1, 2)] == [40, 41]
    assert _with_seed(settings, 1, several=False) == (settings, None)


def test_a_damaged_or_newer_manifest_is_refused(place: Path) -> None:
    folder, _, _ = planned(load(place, {"id": "a"}))
    for text, said in (
        ("{", "damaged"),
        ('{"format": 99}', "newer version"),
        ('{"format": 1}', "not a valid batch manifest"),
    ):
        folder.path("batch.json").write_text(text)
        with pytest.raises(RunFolderError, match=said):
            folder.plan()


def test_all_runs_together_start_about_as_many_tasks_as_there_are_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    assert [tasks_inside(n) for n in (1, 2, 5, 16, 100)] == [16, 8, 3, 1, 1]
