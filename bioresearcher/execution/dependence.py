"""Whether a task's outputs follow from its inputs: the same code runs again on changed inputs.

In the changes that decide, the names of rows and columns and the number of rows stay as they are, so that
numbers made up for the real names do not pass. A refusal or a crash on changed data shows nothing (comparing
the input's check sum would do as much), so gentler changes follow; only an output that differs is accepted.
Outputs that also differ between two runs on the same values do not count.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bioresearcher.errors import DefectError
from bioresearcher.execution.compare import Part, changed_outputs, differing_parts
from bioresearcher.execution.folders import fresh_folder, remove
from bioresearcher.execution.outputs import check_outputs, read_parts
from bioresearcher.execution.process import Bench, classify, inside_paths, make_job, mounts, run_code, write_code
from bioresearcher.execution.static import StaticReport
from bioresearcher.sandbox.artifacts import collect
from bioresearcher.sandbox.base import Job
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.execution import PerturbedRun

SCRIPTS = Path(__file__).with_name("inside")
HOW = {
    "resample": "values drawn anew with replacement, within columns or matrix rows",
    "permute": "values of each column shuffled over the rows",
    "touch": "one value per column or matrix row replaced",
    "drop": "values shuffled and a tenth of the rows left out",
    "rewrite": "the same values written in other bytes",
}
DECIDING = ("resample", "permute", "touch")
_MIN_WALL_S = 30.0
_WALL_FACTOR = 5.0
_CONTROLS = 3

Parts = Mapping[str, Mapping[str, Part]]


class _Done(Value):
    """What the perturbation script says of one file."""

    kind: str
    changed: bool


_ANSWER = TypeAdapter(list[_Done])


@dataclass(frozen=True)
class _Changed:
    """Changed input files, or why there are none."""

    files: Mapping[str, Path]
    problem: str = ""


@dataclass(frozen=True)
class _Rerun:
    """The outputs of another run, or why there are none."""

    parts: Parts | None
    problem: str = ""


@dataclass(frozen=True)
class Trial:
    """What all reruns share: the bench, and the real run's inputs, outputs and wall time."""

    bench: Bench
    inputs: Mapping[str, Path]
    parts: Parts
    wall_s: float

    def hurried(self) -> Trial:
        """The same with a wall time in proportion to the real run's: a rerun that hangs must not cost minutes."""
        limits = self.bench.limits
        wall_s = min(limits.wall_s, max(_MIN_WALL_S, _WALL_FACTOR * self.wall_s))
        limits = limits.model_copy(update={"wall_s": wall_s})
        return replace(self, bench=replace(self.bench, limits=limits))


@dataclass(frozen=True)
class Verdict:
    """`depends` decides between `verified` and `input_independent`; `run` is the record, `reason` its summary."""

    depends: bool
    run: PerturbedRun


async def check_dependence(trial: Trial, report: StaticReport) -> Verdict:
    """Run the code on changed inputs until an output differs, at most three times, then rule out chance.

    Raises:
        SandboxUnavailableError: The sandbox stopped working.
    """
    trial = trial.hurried()
    failures: list[str] = []
    ran = False
    for variant in DECIDING:
        changed = await _change_inputs(trial, variant)
        if changed.problem:
            return _undone(f"dependence on the inputs could not be shown: {changed.problem}")
        again = await _rerun(trial, changed.files)
        if again.parts is None:
            failures.append(f"{HOW[variant]}: {again.problem}")
            continue
        ran = True
        names = await asyncio.to_thread(changed_outputs, trial.parts, again.parts)
        if names:
            return await _rule_out_chance(trial, report, again.parts, HOW[variant], failures)
    return await _explain_sameness(trial) if ran else _undone(_all_failed(failures))


def _undone(reason: str) -> Verdict:
    return Verdict(False, PerturbedRun(done=False, reason=reason))


def _all_failed(failures: list[str]) -> str:
    return (
        "the code ran on the real data only and failed on every changed copy, even with one value per column "
        f"replaced, so its outputs may be canned ({'; '.join(failures)[:600]})"
    )


async def _explain_sameness(trial: Trial) -> Verdict:
    """No output differed: say whether at least the number of rows matters."""
    unchanged = tuple(trial.parts)
    reason = "no declared output changed when the values of the inputs did"
    changed = await _change_inputs(trial, "drop")
    again = await _rerun(trial, changed.files) if not changed.problem else _Rerun(None)
    if again.parts is not None and changed_outputs(trial.parts, again.parts):
        reason += "; only the names and the number of rows matter"
    return Verdict(False, PerturbedRun(done=True, unchanged=unchanged, reason=reason))


async def _rule_out_chance(trial: Trial, report: StaticReport, after: Parts, how: str, failures: list[str]) -> Verdict:
    """Leave out of account what differs between runs on the same values."""
    changed = changed_outputs(trial.parts, after)
    problem = ""
    unstable: dict[str, frozenset[str]] = {}
    for _ in range(_controls(trial, report)):
        again = await _control(trial, report)
        if again.parts is None:
            changed, problem = (), again.problem
            break
        for name, parts in trial.parts.items():
            found = differing_parts(parts, again.parts.get(name, {}))
            unstable[name] = unstable.get(name, frozenset()) | found
        changed = changed_outputs(trial.parts, after, ignore=unstable)
        if not changed:
            break
    unchanged = tuple(name for name in trial.parts if name not in changed)
    reason = how + (f" (stronger changes failed: {'; '.join(failures)[:400]})" if failures else "")
    if problem:
        reason = f"the outputs cannot be attributed to the data: {problem}"
    elif not changed:
        reason = (
            "the outputs differ just as much between two runs on the same values (random numbers without a fixed "
            "seed, the clock, or a look at the file instead of its values)"
        )
    run = PerturbedRun(done=True, changed=changed, unchanged=unchanged, reason=reason)
    return Verdict(bool(changed), run)


def _controls(trial: Trial, report: StaticReport) -> int:
    """How often to run again on the same values.

    Code that uses something which varies needs several runs: chance may repeat itself. Vetted code of this
    program that does not, needs none.
    """
    if report.varies:
        return _CONTROLS
    return int(report.reads_bytes or trial.bench.code.origin != "offline")


async def _control(trial: Trial, report: StaticReport) -> _Rerun:
    """A run on the same values: in other bytes, and only if that fails (and bytes are not looked at) as they are."""
    if report.reads_bytes or trial.bench.code.origin != "offline":
        rewritten = await _change_inputs(trial, "rewrite")
        again = _Rerun(None) if rewritten.problem else await _rerun(trial, rewritten.files)
        if again.parts is not None:
            return again
        if report.reads_bytes:
            return _Rerun(None, f"with {HOW['rewrite']} the code fails ({rewritten.problem or again.problem})")
    again = await _rerun(trial, trial.inputs)
    if again.parts is None:
        return _Rerun(None, f"a second run on the same data fails ({again.problem})")
    return again


async def _rerun(trial: Trial, inputs: Mapping[str, Path]) -> _Rerun:
    """Run on other inputs; outputs count only when they are as good as those of the real run had to be."""
    bench = trial.bench
    job = make_job(bench, inputs, "rerun-code")
    write_code(bench, job, inputs)
    run = await run_code(bench, job, "rerun")
    ended = classify(run.result, bench.limits)
    if ended is not None:
        return _Rerun(None, f"{ended[0].value}: {ended[1][:160]}")
    checked = await asyncio.to_thread(check_outputs, bench.task, run.outputs, base=bench.folder)
    if checked.outcome is not None:
        return _Rerun(None, f"{checked.outcome.value}: {checked.message[:160]}")
    return _Rerun(await asyncio.to_thread(read_parts, bench.task, run.outputs))


async def _change_inputs(trial: Trial, variant: str) -> _Changed:
    """Make changed copies inside the sandbox; they replace those of the variant before."""
    bench = trial.bench
    folder, code, work = (bench.folder / name for name in ("changed", "changing", "changing-work"))
    try:
        for path in (folder, code, work):
            fresh_folder(path)
        job = _changing_job(trial, variant, code, work)
        result = await bench.sandbox.run(job)
        if result.exit_code != 0 or result.killed:
            said = (result.stderr.strip().splitlines() or ["no message"])[-1]
            return _Changed({}, f"changing the inputs failed: {result.killed or said[:200]}")
        _, refused = collect(work, folder, limits=job.limits)
        if refused:
            return _Changed({}, f"a changed input could not be kept: {refused[0]}")
        done = _ANSWER.validate_json(result.stdout)
    except ValidationError as error:
        raise DefectError(f"the perturbation script's answer is not understood: {error}") from error
    finally:
        remove(code)
        remove(work)
    if not any(d.changed for d in done):
        kinds = ", ".join(sorted({d.kind for d in done}))
        return _Changed({}, f"no input is of a kind whose values can be changed ({kinds or 'no inputs'})")
    return _Changed(_changed_files(trial.inputs, folder))


def _changed_files(inputs: Mapping[str, Path], folder: Path) -> dict[str, Path]:
    """The changed copies under their original file names."""
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


def _changing_job(trial: Trial, variant: str, code: Path, work: Path) -> Job:
    bench = trial.bench
    shutil.copyfile(SCRIPTS / "perturb_inputs.py", code / "perturb_inputs.py")
    size_mb = sum(path.stat().st_size for path in trial.inputs.values()) // 1_000_000
    limits = bench.limits.model_copy(
        update={
            "file_mb": max(bench.limits.file_mb, 64 + 2 * size_mb),
            "disk_mb": max(bench.limits.disk_mb, 128 + 2 * size_mb),
            "wall_s": max(bench.limits.wall_s, 60 + size_mb),
            "cpu_s": max(bench.limits.cpu_s, 60 + size_mb),
        }
    )
    job = Job(
        code_dir=code,
        script="perturb_inputs.py",
        work_dir=work,
        data=mounts(trial.inputs),
        limits=limits,
    )
    layout = bench.sandbox.layout(job)
    shown = inside_paths(bench.sandbox, job, trial.inputs)
    files = [
        {"path": shown[n], "out": f"{layout.work}/{_copy_name(i, p)}"} for i, (n, p) in enumerate(trial.inputs.items())
    ]
    spec = {"variant": variant, "seed": bench.seed, "files": files}
    (code / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    return replace(job, args=(f"{layout.code}/spec.json",))
