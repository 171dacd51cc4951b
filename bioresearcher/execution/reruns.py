"""Run a task's code again: on changed copies of its inputs, or with its random seeds shifted."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from bioresearcher.errors import DefectError
from bioresearcher.execution.folders import fresh_folder, remove
from bioresearcher.execution.inside import linked, renamed, rows
from bioresearcher.execution.output_comparison import OutputColumns, Part, read_columns
from bioresearcher.execution.outputs import check_outputs, read_parts
from bioresearcher.execution.process import (
    RUN_DATE_SCRIPT,
    AttemptContext,
    Run,
    classify,
    inside_paths,
    make_job,
    mounts,
    reads_clock,
    run_code,
    run_once,
    write_code,
)
from bioresearcher.runfolder import write_text
from bioresearcher.sandbox.artifacts import collect
from bioresearcher.sandbox.base import Job
from bioresearcher.schemas import columns as columns_module
from bioresearcher.schemas import missing as missing_module
from bioresearcher.schemas.base import Value

SCRIPTS = Path(__file__).with_name("inside")
ASIDE: Final = "aside"
RERUN_FOLDERS: Final = ("changed", "changing", "changing-work", "rerun", "rerun-code", ASIDE)
_RERUN: Final = "rerun"
_SEEDED: Final = "seeds-were-fixed"
_UNDRAWN: Final = "nothing-was-drawn"
_SHIFT: Final = "SEED_SHIFT"
_MIN_WALL_S = 30.0
_WALL_FACTOR = 5.0
Parts = Mapping[str, Mapping[str, Part]]
"""Output -> its parts by name."""

ColumnsByOutput = Mapping[str, OutputColumns]


@dataclass(frozen=True)
class Trial:
    """The data that all reruns share: the attempt's context, and the real run's inputs, outputs and wall time."""

    context: AttemptContext
    inputs: Mapping[str, Path]
    parts: Parts
    columns: ColumnsByOutput
    wall_s: float

    @property
    def own_code(self) -> bool:
        """True if the code is this program's own (a skill or rules), not a model's or a person's."""
        return self.context.code.origin == "offline"

    def aside(self, name: str) -> Trial:
        """Return a copy that works in a folder of its own, so that reruns can go on side by side."""
        return replace(self, context=replace(self.context, folder=self.context.folder / ASIDE / name))

    def hurried(self) -> Trial:
        """Return a copy with a wall time in proportion to the real run's: a rerun that hangs must not cost minutes."""
        limits = self.context.limits
        wall_s = min(limits.wall_s, max(_MIN_WALL_S, _WALL_FACTOR * self.wall_s))
        limits = limits.model_copy(update={"wall_s": wall_s})
        return replace(self, context=replace(self.context, limits=limits))


@dataclass(frozen=True)
class Rerun:
    """The outputs of another run, or the problem if there are none.

    `seeded` is true if it fixed a seed and may have drawn, `undrawn` if it ended in order without any random number.
    """

    parts: Parts | None
    problem: str = ""
    columns: ColumnsByOutput | None = None
    seeded: bool = False
    undrawn: bool = False


async def rerun(trial: Trial, inputs: Mapping[str, Path], *, shift: int = 0) -> Rerun:
    """Run on other inputs; outputs count only when they are as good as those of the real run had to be.

    Fixed seeds of random numbers are noted, and give other numbers when `shift` is not 0 (see `inside/shift_seeds`).

    Raises:
        SandboxUnavailableError: The sandbox stopped working.
    """
    context = trial.context

    async def go(context: AttemptContext) -> Run:
        job = make_job(context, inputs, "rerun-code")
        code = context.code
        if not trial.own_code and context.task.language == "r":
            prelude = (SCRIPTS / "shift_seeds.R").read_text(encoding="utf-8")
            code = code.model_copy(update={"code": prelude + code.code})
        write_code(replace(context, code=code), job, inputs)
        if not trial.own_code:
            job = _watched(context, job, shift)
            if await asyncio.to_thread(_keep_digests, replace(trial, context=context), inputs, job.code_dir):
                job = replace(job, env={**job.env, "KEPT_DIGESTS": f"{context.sandbox.layout(job).code}/{_KEPT}"})
        return await run_code(context, job, _RERUN)

    run = await run_once(context, inputs, _RERUN, go, shift=shift)
    ended = classify(run.result, context.limits)
    if ended is not None:
        return Rerun(None, f"{ended[0].value}: {ended[1][:160]}")
    checked = await asyncio.to_thread(
        check_outputs, context.task, run.outputs, base=context.folder, inputs=context.own(inputs), source=context.source
    )
    if checked.outcome is not None:
        return Rerun(None, f"{checked.outcome.value}: {checked.message[:160]}")
    parts = await asyncio.to_thread(read_parts, context.task, run.outputs)
    columns = {} if trial.own_code else await asyncio.to_thread(read_columns, context.task, run.outputs)
    return Rerun(parts, columns=columns, seeded=_SEEDED in run.undeclared, undrawn=_UNDRAWN in run.undeclared)


def _watched(context: AttemptContext, job: Job, shift: int) -> Job:
    """Return the job with a start-up file that records and shifts fixed seeds."""
    env = {**job.env, _SHIFT: str(shift)}
    if context.task.language != "r":
        text = (SCRIPTS / "shift_seeds.py").read_text(encoding="utf-8")
        write_text(job.code_dir / "sitecustomize.py", text)
        env["PYTHONPATH"] = context.sandbox.layout(job).code
        if reads_clock(context):
            write_text(job.code_dir / RUN_DATE_SCRIPT.name, RUN_DATE_SCRIPT.read_text(encoding="utf-8"))
    return replace(job, env=env)


_DIGESTS: Final = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "blake2s")


_KEPT: Final = "kept-digests.json"


def _keep_digests(trial: Trial, inputs: Mapping[str, Path], folder: Path) -> bool:
    """Write which digests of changed files stand for the originals', if Python code computes any; True if done."""
    code = trial.context.code
    if trial.context.task.language == "r" or not any("hashlib" in t for t in (code.code, *code.support.values())):
        return False
    kept: dict[str, str] = {}
    for name, path in inputs.items():
        original = trial.inputs.get(name)
        if original is not None and original != path:
            for algorithm in _DIGESTS:
                kept[_digest(path, algorithm)] = _digest(original, algorithm)
    write_text(folder / _KEPT, json.dumps(kept))
    return True


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


@dataclass(frozen=True)
class PerturbedInputs:
    """Changed input files, or the problem if there are none.

    `whole` is true if every input was changed in all the numbers it holds, so that whatever stays the same in the
    outputs cannot have been copied from one. If a single value was touched, it is one of at least `one_in`.
    """

    files: Mapping[str, Path]
    problem: str = ""
    whole: bool = False
    one_in: int = 0


class _ChangedFile(Value):
    """The perturbation script's answer on one file."""

    kind: str
    changed: bool
    rows: int | None = None


_CHANGED_FILES = TypeAdapter(list[_ChangedFile])


async def change_inputs(trial: Trial, variant: str, *, again: int = 0) -> PerturbedInputs:
    """Make changed copies of the inputs inside the sandbox; they replace those of the variant before.

    `again` makes other copies of the same variant. For the variants see `inside/perturb_inputs.py`.

    Raises:
        SandboxUnavailableError: The sandbox stopped working.
    """
    context = trial.context
    folder, code, work = (context.folder / name for name in ("changed", "changing", "changing-work"))
    try:
        for path in (folder, code, work):
            fresh_folder(path)
        job = _changing_job(trial, variant, again, (code, work))
        result = await context.sandbox.run(job)
        if result.exit_code != 0 or result.killed:
            line = (result.stderr.strip().splitlines() or ["no message"])[-1]
            return PerturbedInputs({}, f"changing the inputs failed: {result.killed or line[:200]}")
        _, refused = collect(work, folder, limits=job.limits)
        if refused:
            return PerturbedInputs({}, f"a changed input could not be kept: {refused[0]}")
        done = _CHANGED_FILES.validate_json(result.stdout)
    except ValidationError as error:
        raise DefectError(f"the perturbation script's answer is not understood: {error}") from error
    finally:
        remove(code)
        remove(work)
    changed = _changed_files(trial.inputs, folder)
    own = context.own(trial.inputs)  # a script that is shared reads more; a task is judged by its own
    done = [d for name, d in zip(trial.inputs, done, strict=True) if name in own]
    if not any(d.changed for d in done):
        kinds = ", ".join(sorted({d.kind for d in done}))
        return PerturbedInputs({}, f"no input is of a kind whose values can be changed ({kinds or 'no inputs'})")
    whole = all(d.changed and d.kind in {"table", "json", "gene_sets"} for d in done)
    one_in = min((d.rows for d in done if d.rows is not None), default=0)
    return PerturbedInputs(changed, whole=whole, one_in=one_in)


def _changing_job(trial: Trial, variant: str, again: int, folders: tuple[Path, Path]) -> Job:
    context, (code, work) = trial.context, folders
    lay_script("perturb_inputs.py", code)
    size_mb = sum(path.stat().st_size for path in trial.inputs.values()) // 1_000_000
    limits = context.limits.model_copy(
        update={
            "file_mb": max(context.limits.file_mb, 64 + 2 * size_mb),
            "disk_mb": max(context.limits.disk_mb, 128 + 2 * size_mb),
            "wall_s": max(context.limits.wall_s, 60 + size_mb),
            "cpu_s": max(context.limits.cpu_s, 60 + size_mb),
        }
    )
    job = Job(code_dir=code, script="perturb_inputs.py", work_dir=work, data=mounts(trial.inputs), limits=limits)
    layout = context.sandbox.layout(job)
    shown = inside_paths(context.sandbox, job, trial.inputs)
    files = [
        {"path": shown[n], "out": f"{layout.work}/{_copy_name(i, p)}"} for i, (n, p) in enumerate(trial.inputs.items())
    ]
    spec = {"variant": variant, "seed": context.seed + again, "files": files}
    (code / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    return replace(job, args=(f"{layout.code}/spec.json",))


def _changed_files(inputs: Mapping[str, Path], folder: Path) -> dict[str, Path]:
    """Return the changed copies under their original file names."""
    found: dict[str, Path] = {}
    for index, (name, path) in enumerate(inputs.items()):
        copy = folder / _copy_name(index, path)
        if not copy.is_file():
            raise DefectError(f"the changed copy of {path.name} is missing.")
        place = folder / f"as{index}"
        place.mkdir()
        found[name] = copy.rename(place / path.name)
    return found


def _copy_name(index: int, path: Path) -> str:
    return f"input{index}" + (".gz" if path.suffix.lower() == ".gz" else ".dat")


def lay_script(name: str, folder: Path) -> None:
    """Copy a script of `inside` into a job's code folder, with the modules that it may import."""
    shutil.copyfile(SCRIPTS / name, folder / name)
    for module in (rows, linked, renamed, columns_module, missing_module):
        path = folder.joinpath(*module.__name__.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(module.__file__), path)
