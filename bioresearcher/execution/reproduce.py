"""Execute a run's tasks again from its folder, and compare the outputs with the recorded ones."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.execution.attempt import SEED
from bioresearcher.execution.figures import FigureError, picture_distance
from bioresearcher.execution.folders import CODE, LIMITS, OUTPUTS
from bioresearcher.execution.input_snapshot import find_input
from bioresearcher.execution.output_comparison import Part, differing_parts, split_parts
from bioresearcher.execution.process import AttemptContext, classify, make_job, run_code, write_code
from bioresearcher.runfolder import RunFolder, file_sha256
from bioresearcher.sandbox.base import Sandbox
from bioresearcher.sandbox.folders import remove_tree, temporary_folder
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import (
    Artifact,
    ArtifactCheck,
    DryLabTask,
    Limits,
    TaskCode,
    TaskOutput,
    TaskRecord,
    Verdict,
)
from bioresearcher.schemas.registration import Registration

TOLERANCE = 1e-6
"""Share by which numbers may differ: other versions of numerical libraries round differently."""
ALIKE = 0.01
"""Mean share of the colour range by which pictures may differ: another font or anti-aliasing does that."""


@dataclass(frozen=True)
class Recorded:
    """The tasks of a run folder with their records and data sets."""

    folder: RunFolder
    tasks: Mapping[str, DryLabTask]
    records: Mapping[str, TaskRecord]
    datasets: Mapping[str, Dataset]

    @classmethod
    def load(cls, folder: RunFolder) -> Recorded:
        """Read them.

        Raises:
            RunFolderError: A file is damaged.
        """
        tasks = {t.id: t for t in folder.read_list(DryLabTask, "tasks.json")} if folder.has("tasks.json") else {}
        known = [t for t in tasks if folder.has("tasks", t, "record.json")]
        records = {t: folder.read(TaskRecord, "tasks", t, "record.json") for t in known}
        datasets = {d.id: d for d in folder.read_all(Dataset, "datasets")}
        return cls(folder, tasks, records, datasets)

    def outputs(self, task_id: str) -> Path:
        """Return the folder of a task's recorded outputs."""
        return self.folder.path("tasks", task_id, OUTPUTS)

    @property
    def date(self) -> str:
        """Date of the run (ISO), that of its registration; empty when there is none."""
        if not self.folder.has("registration.json"):
            return ""
        return self.folder.read(Registration, "registration.json").registered[:10]

    def code(self, task: DryLabTask, record: TaskRecord) -> TaskCode | None:
        """Return the code whose outputs the task has; None if it is not in the folder."""
        place = self.folder.path("tasks", task.id)
        script = place / task.code_file
        if not script.is_file():
            return None
        beside = sorted(f for f in place.glob(f"*{script.suffix}") if f.name != script.name)
        support = {f.name: f.read_text("utf-8") for f in beside}
        origin = record.attempts[-1].code_origin if record.attempts else "offline"
        return TaskCode(code=script.read_text("utf-8"), support=support, origin=origin)

    def inputs(self, task: DryLabTask) -> tuple[dict[str, Path], str]:
        """Return the task's input files as the run had them, and a line on one that is missing (else empty)."""
        paths: dict[str, Path] = {}
        for given in task.inputs:
            path, what = self._input(given.dataset, given.file, given.task, given.output)
            if path is None:
                return {}, f"input {given.name} is not there as the run read it: {what}"
            paths[given.name] = path
        return paths, ""

    def _input(
        self, dataset_id: str | None, file: str | None, task_id: str | None, output: str | None
    ) -> tuple[Path | None, str]:
        if task_id is not None:
            record = self.records.get(task_id)
            artifact = next((a for a in record.artifacts if a.name == output), None) if record else None
            path = self.folder.path("tasks", task_id, artifact.path) if artifact else None
            same = path is not None and artifact is not None and file_sha256(path) == artifact.sha256
            return (path if same else None), f"output {output} of {task_id} is missing or was changed"
        dataset = self.datasets.get(dataset_id or "")
        found = next((f for f in dataset.files if f.name == file), None) if dataset else None
        if dataset is None or found is None:
            return None, f"data set {dataset_id} is not in the folder"
        return find_input(self.folder, dataset, found), f"{found.path} of {dataset.id} is neither kept nor unchanged"


async def reproduce_task(recorded: Recorded, task_id: str, sandbox: Sandbox, limits: Limits) -> list[ArtifactCheck]:
    """Execute one task again, on the recorded outputs of earlier ones; return a check per recorded output file.

    `limits` hold where the task has none of its own.

    Raises:
        SandboxUnavailableError: The sandbox cannot work.
    """
    task, record = recorded.tasks[task_id], recorded.records[task_id]
    inputs, missing = recorded.inputs(task)
    code = recorded.code(task, record)
    if code is None or missing:
        return _all(task, record, "cannot", missing or "its code is not in the folder")
    if recorded.folder.has("tasks", task_id, LIMITS):
        limits = recorded.folder.read(Limits, "tasks", task_id, LIMITS)
    place = temporary_folder()
    try:
        context = AttemptContext(task, code, sandbox, limits, SEED, place, date=recorded.date)
        (place / CODE).mkdir()
        job = make_job(context, inputs)
        write_code(context, job, inputs)
        run = await run_code(context, job, OUTPUTS)
        ended = classify(run.result, limits)
        if ended is not None:
            return _all(task, record, "differs", f"the code does not run to its end now: {ended[0]}: {ended[1]}")
        place_of = recorded.folder.path("tasks", task_id)
        return await asyncio.to_thread(
            lambda: [_compared(task, a, place_of / a.path, run.outputs) for a in record.artifacts]
        )
    finally:
        remove_tree(place)


def _all(task: DryLabTask, record: TaskRecord, verdict: Verdict, detail: str) -> list[ArtifactCheck]:
    return [_check(task, artifact, verdict, detail) for artifact in record.artifacts]


def _check(task: DryLabTask, artifact: Artifact, verdict: Verdict, detail: str) -> ArtifactCheck:
    name = Path(artifact.path).name
    line = " ".join(detail.split())[:400]
    return ArtifactCheck(task_id=task.id, file=name, kind=artifact.kind, verdict=verdict, detail=line)


def _compared(task: DryLabTask, artifact: Artifact, before: Path, outputs: Path) -> ArtifactCheck:
    after = outputs / before.name
    if not before.is_file():
        return _check(task, artifact, "cannot", "the file is not in the folder any more")
    if file_sha256(before) != artifact.sha256:
        again = after.is_file() and file_sha256(after) == artifact.sha256
        more = "; the code gives the recorded one again" if again else ""
        return _check(task, artifact, "differs", f"the file in the folder is not the one that the run recorded{more}")
    if not after.is_file():
        return _check(task, artifact, "differs", "it was not written this time")
    if file_sha256(after) == artifact.sha256:
        return _check(task, artifact, "same", "the same bytes")
    output = next((o for o in task.outputs if o.name == artifact.name), None)
    if output is None:
        return _check(task, artifact, "differs", "other bytes, and not among the outputs that the task declares")
    return _check(task, artifact, *_compared_contents(output, before, after))


def _compared_contents(output: TaskOutput, before: Path, after: Path) -> tuple[Verdict, str]:
    """Return the verdict on files with other bytes."""
    parts = [split_parts(output, path) for path in (before, after)]
    found = differing_parts(*parts, tolerance=TOLERANCE)
    if not found:
        return "same", f"the same content (numbers to {TOLERANCE:g} of their size)"
    if output.kind == "figure":
        return _pictures(before, after)
    return "differs", "; ".join(_differences(parts, sorted(found)))


def _pictures(before: Path, after: Path) -> tuple[Verdict, str]:
    try:
        distance = picture_distance(before, after)
    except FigureError as error:
        return "differs", f"it {error}"
    if distance is None:
        return "differs", "it is drawn differently, or has another size"
    return ("same" if distance <= ALIKE else "differs"), f"mean difference of colours {distance:.4f} (at most {ALIKE})"


def _differences(parts: Sequence[Mapping[str, Part]], names: Sequence[str]) -> Iterator[str]:
    before, after = parts
    for name in names[:3]:
        if name not in before or name not in after:
            yield f"{name} is in one of them only"
        else:
            yield f"{name} differs"
    if len(names) > 3:
        yield f"and {len(names) - 3} more"
