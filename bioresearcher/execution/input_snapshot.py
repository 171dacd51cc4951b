"""The files that tasks read: copies kept in the run folder, and a description for whoever writes a task's code.

Copies (``inputs/<sha256>/<file name>``) let the run folder be executed again by itself. Files beyond a size stay where
they are: the record has their path and digest.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bioresearcher.errors import DefectError, WorkspaceError
from bioresearcher.execution.process import inside_paths, mounts
from bioresearcher.execution.reruns import lay_script
from bioresearcher.runfolder import RunFolder, file_sha256, safe_name
from bioresearcher.sandbox.base import Job, Sandbox
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.schemas.execution import DryLabTask, Limits

KEPT_BYTES = 200_000_000
"""Size of the largest file of which a copy is kept."""

DESCRIBE_LIMITS = Limits(wall_s=120, cpu_s=120, memory_mb=1024)
_TEXTS = TypeAdapter(list[str])


def keep_inputs(folder: RunFolder, tasks: Iterable[DryLabTask], datasets: Mapping[str, Dataset]) -> tuple[str, ...]:
    """Copy every data set file that a task reads into the run folder; return the paths of those not copied.

    A file that is too large, gone or not what was recorded is not copied. Doing it again changes nothing.

    Raises:
        WorkspaceError: The run folder cannot be written, e.g. because the disk is full.
    """
    left = []
    for dataset, file in dict.fromkeys(_files_read(tasks, datasets)):
        place, source = _place(folder, file), Path(datasets[dataset].root, file.path)
        if not place.is_file() and not _copied(source, place, file):
            left.append(str(source))
    return tuple(left)


def find_input(folder: RunFolder, dataset: Dataset, file: DataFile) -> Path | None:
    """Find a data set's file as the run read it: the kept copy, else the original; None if neither is unchanged."""
    candidates = (_place(folder, file), Path(dataset.root, file.path))
    return next((path for path in candidates if file_sha256(path) == file.sha256), None)


def _files_read(tasks: Iterable[DryLabTask], datasets: Mapping[str, Dataset]) -> Iterator[tuple[str, DataFile]]:
    for task in tasks:
        for given in task.inputs:
            dataset = datasets.get(given.dataset or "")
            for file in dataset.files if dataset else ():
                if file.name == given.file:
                    yield given.dataset or "", file


def _place(folder: RunFolder, file: DataFile) -> Path:
    return folder.path("inputs", file.sha256, safe_name(Path(file.path).name))


def _copied(source: Path, place: Path, file: DataFile) -> bool:
    if file.bytes > KEPT_BYTES or file_sha256(source) != file.sha256:
        return False
    part = place.with_name(place.name + ".part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, part)
        if file_sha256(part) != file.sha256:
            part.unlink()
            return False
        part.replace(place)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise WorkspaceError(
            f"{source} cannot be copied to {place.parent}: {error.strerror or error}.",
            hint="Check permissions and free space of the workspace.",
        ) from error
    return True


async def describe_inputs(inputs: Mapping[str, Path], sandbox: Sandbox, *, limits: Limits = DESCRIBE_LIMITS) -> str:
    """Describe the inputs: columns, types, ranges or levels, missing counts, row numbers and first three rows.

    At most 5,000 characters per file, one block each, in the order given; a file that is missing or cannot be
    read says so in its block. The files are read inside the sandbox: their content is untrusted, in the answer too.

    Raises:
        SandboxUnavailableError: The sandbox cannot work.
    """
    there = {name: path for name, path in inputs.items() if path.is_file()}
    with tempfile.TemporaryDirectory(prefix="bioresearcher-") as scratch:
        texts = await _described(there, sandbox, limits, Path(scratch)) if there else []
    found = dict(zip(there, texts, strict=True))
    return "\n\n".join(found.get(name, f"{name} ({path.name}): missing") for name, path in inputs.items())


async def _described(inputs: Mapping[str, Path], sandbox: Sandbox, limits: Limits, scratch: Path) -> list[str]:
    code, work = scratch / "code", scratch / "work"
    code.mkdir()
    work.mkdir()
    lay_script("describe_inputs.py", code)
    job = Job(code_dir=code, script="describe_inputs.py", work_dir=work, data=mounts(inputs), limits=limits)
    files = [{"name": n, "path": p} for n, p in inside_paths(sandbox, job, inputs).items()]
    (code / "spec.json").write_text(json.dumps({"files": files}), encoding="utf-8")
    result = await sandbox.run(replace(job, args=(f"{sandbox.layout(job).code}/spec.json",)))
    if result.exit_code != 0 or result.killed:
        why = result.killed or (result.stderr.strip().splitlines() or ["no message"])[-1][:200]
        return [f"{name} ({path.name}): could not be described: {why}" for name, path in inputs.items()]
    try:
        return _TEXTS.validate_json(result.stdout)
    except ValidationError as error:
        raise DefectError(f"the describing script's answer is not understood: {error}") from error
