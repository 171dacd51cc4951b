"""What a task's inputs really look like, for whoever writes its code."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bioresearcher.errors import DefectError
from bioresearcher.execution.process import inside_paths, mounts
from bioresearcher.execution.reruns import lay_script
from bioresearcher.sandbox.base import Job, Sandbox
from bioresearcher.schemas.execution import Limits

_TEXTS = TypeAdapter(list[str])
DESCRIBE_LIMITS = Limits(wall_s=120, cpu_s=120, memory_mb=1024)


async def describe_inputs(inputs: Mapping[str, Path], sandbox: Sandbox, *, limits: Limits = DESCRIBE_LIMITS) -> str:
    """The inputs' columns, types, ranges or levels, missing counts, row numbers and first three rows.

    At most 3,500 characters per file, one block each, in the order given; a file that is missing or cannot be
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
