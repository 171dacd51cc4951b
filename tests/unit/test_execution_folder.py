"""The task's folder: attempts made again, promotion, records."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

import execution_support as lib
import pytest

from bioresearcher.errors import DefectError
from bioresearcher.execution.attempt import AttemptResult, run_attempt
from bioresearcher.execution.folders import fresh_folder, promote
from bioresearcher.execution.input_snapshot import describe_inputs
from bioresearcher.execution.task_records import best_result, task_record
from bioresearcher.sandbox.choose import UnsandboxedSandbox
from bioresearcher.schemas.execution import (
    Artifact,
    Attempt,
    DryLabTask,
    Finding,
    Limits,
    Outcome,
    TaskCode,
    TaskOutput,
)


async def attempt(folder: Path, number: int = 1, code: str = lib.GOOD, **support: str) -> AttemptResult:
    task_folder = folder / "tasks" / "T1"
    return await run_attempt(
        lib.make_task(),
        TaskCode(code=code, support={f"{n}.py": t for n, t in support.items()}, origin="offline", skill="means"),
        inputs={"samples": lib.write_samples(folder)},
        folder=task_folder,
        number=number,
        sandbox=UnsandboxedSandbox(),
        limits=Limits(wall_s=20, memory_mb=300),
    )


async def test_an_attempt_leaves_code_outputs_and_record_and_nothing_else(tmp_path: Path) -> None:
    result = await attempt(tmp_path, helper="x = 1\n")
    place = tmp_path / "tasks/T1/attempts/1"
    assert result.verified
    assert sorted(p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()) == [
        "attempt.json",
        "code/code.py",
        "code/helper.py",
        "code/task.json",
        "outputs/result.tsv",
    ]
    assert Attempt.model_validate_json((place / "attempt.json").read_bytes()) == result.attempt
    artifact = result.artifacts[0]
    data = (tmp_path / "tasks/T1" / artifact.path).read_bytes()
    assert (artifact.bytes, artifact.sha256) == (len(data), hashlib.sha256(data).hexdigest())


async def test_undeclared_files_are_not_kept_and_said(tmp_path: Path) -> None:
    result = await attempt(tmp_path, code=lib.GOOD + "import os\nos.mkdir('d')\nopen('d/x.txt', 'w').write('x')\n")
    assert result.verified
    assert "written but not declared, so not kept: d/x.txt" in result.warnings
    assert os.listdir(tmp_path / "tasks/T1/attempts/1/outputs") == ["result.tsv"]


async def test_an_attempt_that_was_cut_short_starts_clean(tmp_path: Path) -> None:
    place = tmp_path / "tasks/T1/attempts/1"
    deep = place / "work"
    for name in ["outputs/result.tsv", "work/old.txt", "rerun-code/x"]:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("half")
    (deep / "link").symlink_to(tmp_path)
    inner = os.open(deep, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=inner)
        step = os.open("d", os.O_RDONLY, dir_fd=inner)
        os.close(inner)
        inner = step
    os.close(inner)
    with pytest.raises(DefectError, match="no finished attempt"):
        promote(tmp_path / "tasks/T1", 1)
    result = await attempt(tmp_path, code="raise SystemExit(2)\n")
    assert result.attempt.outcome is Outcome.RUNTIME
    assert sorted(os.listdir(place)) == ["attempt.json", "code", "outputs"]
    assert os.listdir(place / "outputs") == []
    assert (tmp_path / "samples sheet.tsv").is_file()


async def test_cancelling_ends_the_job_and_it_can_be_done_again(tmp_path: Path) -> None:
    started = asyncio.create_task(attempt(tmp_path, code="import time\nopen('x', 'w')\ntime.sleep(60)\n"))
    place = tmp_path / "tasks/T1/attempts/1"
    while not (place / "work/x").exists():
        await asyncio.sleep(0.01)
        assert not started.done(), started.result()
    started.cancel()
    with pytest.raises(asyncio.CancelledError):
        await started
    assert os.listdir(place) == ["code"]
    assert (await attempt(tmp_path)).verified


async def test_promotion_is_exact_and_can_be_repeated(tmp_path: Path) -> None:
    await attempt(tmp_path, 1, code=lib.GOOD.replace("mean", "average"), old="x = 1")
    await attempt(tmp_path, 2)
    folder = tmp_path / "tasks/T1"
    for _ in range(2):
        assert promote(folder, 1) == ()
        assert [p.name for p in promote(folder, 2)] == ["result.tsv"]
    assert (folder / "code.py").read_text() == lib.GOOD
    assert (folder / "outputs/result.tsv").read_bytes() == (folder / "attempts/2/outputs/result.tsv").read_bytes()
    assert sorted(os.listdir(folder)) == ["attempts", "code.py", "outputs"]


def test_a_link_in_the_place_of_a_folder_is_removed_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/x").write_text("x")
    (tmp_path / "attempt").symlink_to(tmp_path / "precious")
    assert os.listdir(fresh_folder(tmp_path / "attempt")) == []
    assert (tmp_path / "precious/x").is_file()


def result(number: int, outcome: Outcome, exit_code: int | None = 0) -> AttemptResult:
    made = Attempt(
        number=number, outcome=outcome, message=outcome.value, exit_code=exit_code, code_sha256="0", code_origin="model"
    )
    path = f"attempts/{number}/outputs/result.tsv"
    artifact = Artifact(name="result", path=path, kind="table", sha256="0", bytes=1)
    return AttemptResult(made, (artifact,), (Finding(statement=str(number)),))


def test_the_record_is_that_of_the_best_attempt() -> None:
    results = [result(1, Outcome.BAD_OUTPUT), result(2, Outcome.BAD_OUTPUT), result(3, Outcome.RUNTIME, 1)]
    record = task_record(lib.make_task(), results)
    assert best_result(results) is results[1]
    assert (record.outcome, record.exit_ok, record.repairs) == (Outcome.BAD_OUTPUT, True, 2)
    assert record.artifacts[0].path == "outputs/result.tsv"
    assert record.findings[0].statement == "2"
    assert task_record(lib.make_task(), []).outcome is Outcome.NOT_RUN
    assert not task_record(lib.make_task(), [result(1, Outcome.SYNTAX, None)]).exit_ok


@pytest.mark.parametrize("name", ["../x.tsv", "/etc/x.tsv", "task.json", "", "a/b.tsv", "x" * 200])
async def test_output_names_cannot_leave_the_folder(name: str, tmp_path: Path) -> None:
    output = TaskOutput(name="o", file=name, kind="table")
    task = DryLabTask(id="T1", title="t", goal="g", step_ids=(), inputs=(), outputs=(output,))
    made = await run_attempt(
        task,
        TaskCode(code="x = 1", origin="model"),
        inputs={},
        folder=tmp_path,
        number=1,
        sandbox=UnsandboxedSandbox(),
        limits=Limits(),
    )
    assert made.attempt.outcome is Outcome.NOT_RUN
    assert "not a plain name" in made.attempt.message


async def test_numbers_without_inputs_are_never_verified(tmp_path: Path) -> None:
    task = lib.make_task().model_copy(update={"inputs": ()})
    code = lib.READ.split("with open")[0] + "result = [('a', 1.5, 0.5)]\n" + lib.WRITE
    made = await run_attempt(
        task,
        TaskCode(code=code, origin="offline"),
        inputs={},
        folder=tmp_path,
        number=1,
        sandbox=UnsandboxedSandbox(),
        limits=Limits(),
    )
    assert made.attempt.outcome is Outcome.INPUT_INDEPENDENT
    assert "declares no inputs" in made.attempt.message


async def test_inputs_are_described_in_the_sandbox(tmp_path: Path) -> None:
    samples = lib.write_samples(tmp_path)
    inputs = {"sample sheet ü": samples, "gone": tmp_path / "gone.tsv"}
    text = await describe_inputs(inputs, UnsandboxedSandbox())
    assert "sample sheet ü (samples sheet.tsv): 40 rows × 3 columns" in text
    assert "group: text, 0 missing; values 'a' (20), 'b' (20)" in text
    assert text.endswith("gone (gone.tsv): missing")


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_odd_names_work_in_the_real_sandbox(tmp_path: Path) -> None:
    from bioresearcher.sandbox.bubblewrap import BubblewrapSandbox

    folder = tmp_path / "Ünïcode  folder"
    folder.mkdir()
    inputs = {"die Proben (α)": lib.write_samples(folder)}
    assert "40 rows × 3 columns" in await describe_inputs(inputs, BubblewrapSandbox())
    task = lib.make_task()
    task = task.model_copy(update={"inputs": (task.inputs[0].model_copy(update={"name": "die Proben (α)"}),)})
    made = await run_attempt(
        task,
        TaskCode(code=lib.GOOD.replace('["samples"]', '["die Proben (α)"]'), origin="model"),
        inputs=inputs,
        folder=folder / "T1",
        number=1,
        sandbox=BubblewrapSandbox(),
        limits=Limits(wall_s=20),
    )
    assert made.verified, made.attempt.message
